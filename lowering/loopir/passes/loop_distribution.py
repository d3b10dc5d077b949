"""Loops whose iterations commute, rewritten: upwards instead of downwards, and cut where additions of iterations meet.

    for i in n { …; x[i] += %a; x[i + 1] += %b }   ->   for s in n / SIZE {
                                                          for k in SIZE { i = s SIZE + k; …; x[i] += %a; part[k] = %b }
                                                          for k in SIZE { i = s SIZE + k; x[i + 1] += part[k] } }

The parts stay in the first-level cache. A loop whose trip count only run time knows keeps its first form beside the cut one,
for short runs.
"""
from __future__ import annotations

from collections.abc import Callable

from ....ir.thresholds import sizes
from ....ir.types import BOOL, INDEX, DType
from ..cursor import operand
from ..grammar import Alloc, Atom, Buffer, For, Get, If, Imm, Let, Load, Scalar, Set, Size, Stmt, Store, Var
from ..unroll import New, copied, made, renamed

SIZE = 256                # elements of a part
WHOLE = 2 * SIZE          # iterations up to which one part holds all

Addition = tuple[int, int, int]      # the places in a loop's body of a load, an addition and a store


def upwards(loop: For) -> None:
    """Let a loop that walks downwards walk upwards: its last iteration comes first."""
    i, loop.index = loop.index, Scalar(INDEX)
    loop.body = [*_reversed(i, loop.index, loop.trip), *loop.body]


def _reversed(i: Scalar, k: Atom, trip: Size) -> list:
    if isinstance(trip, int):
        return [Let(i, "sub", (operand(trip - 1), k))]
    last = Scalar(INDEX)
    return [Let(last, "add", (trip, operand(-1))), Let(i, "sub", (last, k))]


def cut(loop: For, groups: list[list[Addition]], down: bool) -> list:
    """What stands in the place of a loop: each group of additions, given by the places of their statements in the body, gets a
    loop of its own."""
    trip = loop.trip
    if isinstance(trip, int):
        return _Cut(loop, groups, down).whole(trip) if trip <= WHOLE else _Cut(loop, groups, down).strips(even(trip, SIZE))
    short = Scalar(BOOL)
    plain = For(loop.index, trip, loop.body)
    return [Let(short, "lt", (trip, operand(sizes.cut))),
            If(short, [plain], _Cut(loop, groups, down).strips(SIZE))]


def even(trip: int, most: int) -> int:
    """The length of strips that a loop is cut into: of about the same length, in whole vectors, `most` at most."""
    strips = -(-trip // most)
    return min(-(-trip // strips // sizes.cut) * sizes.cut, most)


Counted = Callable[[Scalar], tuple[list, Scalar]]


class _Cut:
    def __init__(self, loop: For, groups: list[list[Addition]], down: bool):
        self.loop, self.groups, self.down = loop, groups, down
        self.parts: dict[int, Buffer] = {}          # where an addition stood -> what is to be added

    def whole(self, trip: int) -> list:
        return self._strip(trip, lambda k: ([], k), trip)

    def strips(self, size: int) -> list:
        trip, s, base, rest, length = self.loop.trip, *(Scalar(INDEX) for _ in range(4))
        length.most = size
        body: list = [Let(base, "mul", (s, operand(size))), Let(rest, "sub", (operand(trip), base)),
                Let(length, "min", (rest, operand(size)))]

        def counted(k: Scalar) -> tuple[list, Scalar]:
            i = Scalar(INDEX)
            return [Let(i, "add", (base, k))], i

        body += self._strip(length, counted, size)
        if isinstance(trip, int):
            return [For(s, -(-trip // size), body)]
        up, strips = Scalar(INDEX), Scalar(INDEX)
        return [Let(up, "add", (trip, operand(size - 1))), Let(strips, "floordiv", (up, operand(size))), For(s, strips, body)]

    def _strip(self, length: Size, counted: Counted, size: int) -> list:
        """The loops over one strip; `counted(k)`: statements that give the number of the iteration, and that number."""
        allocs = []
        for group in self.groups:
            for load, _, store in group:
                buffer = self.loop.body[load].buffer
                part = Buffer(f"part{len(self.parts)}", buffer.dtype, (size,), "stack")
                self.parts[store] = part
                allocs.append(Alloc(part))
        return [*allocs, self._main(length, counted), *[self._group(g, length, counted) for g in self.groups]]

    def _begin(self, counted: Counted) -> tuple[Scalar, New, list]:
        """(k, its copies of scalars, the first statements) of a loop over a strip."""
        k = Scalar(INDEX)
        begin, number = counted(k)
        if self.down:
            i = Scalar(INDEX)
            begin = [*begin, *_reversed(i, number, self.loop.trip)]
            number = i
        return k, {self.loop.index: number}, begin

    def _main(self, length: Size, counted: Counted) -> For:
        k, new, body = self._begin(counted)
        moved = {store: (load, step) for group in self.groups for load, step, store in group}
        gone = {at for pair in moved.values() for at in pair}
        for at, s in enumerate(self.loop.body):
            if at in moved:
                load, step = moved[at]
                body += self._share(at, self.loop.body[load].target, self.loop.body[step], new, k)
            elif at not in gone:
                body.append(copied(s, new))
        return For(k, length, body, apart=True)

    def _share(self, at: int, old: Scalar, step: Let, new: New, k: Scalar) -> list:
        """Store what is to be added: of `old + a` it is a, of `old - a` it is a too, which is subtracted later."""
        return [Store(self.parts[at], (k,), renamed(next(a for a in step.args if a is not old), new))]

    def _group(self, group: list[Addition], length: Size, counted: Counted) -> For:
        k, new, body = self._begin(counted)
        statements = self.loop.body
        body += [copied(s, new) for s in leading_to([statements[load] for load, _, _ in group], statements)]
        for load, step, store in group:
            part, share = self.parts[store], Scalar(self.parts[store].dtype)
            op, old = statements[step], statements[load].target
            body += [Load(share, part, (k,)), copied(statements[load], new)]
            args = tuple([new[old] if a is old else share for a in op.args])
            body.append(Let(made(op.target, new), op.op, args, op.attrs, op.reassoc))
            body.append(copied(statements[store], new))
        return For(k, length, body, apart=True)


def leading_to(loads: list, statements: list) -> list:
    """The arithmetic that the positions of these loads are made by."""
    wanted = {i for s in loads for i in s.index if type(i) is Scalar}
    for s in reversed(statements):
        if type(s) is Let and s.target in wanted:
            wanted.update(a for a in s.args if type(a) is Scalar)
    return [s for s in statements if type(s) is Let and s.target in wanted]


def gathered(loop: For, steady: list[Addition]) -> tuple[list, list]:
    """Let variables gather the additions at these places of a loop's body, each to an element that stays the same; what stands
    in front of the loop and behind it. The elements are sure to exist if there is an iteration.

        for i in n { …; x[3] += %a }     ->     set @sum, 0;  for i in n { …; @sum += %a };  x[3] += @sum
    """
    body = loop.body
    before: list[Stmt] = []
    after: list[Stmt] = []
    for load, step, store in steady:
        place, op, old = body[load], body[step], body[load].target
        var, total = Var(place.buffer.dtype, "sum"), Scalar(place.buffer.dtype)
        new: New = {}
        before.append(Set(var, zero(var.dtype)))
        after += [copied(s, new) for s in leading_to([place], body)]
        after += [copied(place, new), Get(total, var), Let(made(op.target, new), "add", (new[old], total)),
                  copied(body[store], new)]
        body[load] = Get(old, var)
        body[step] = Let(op.target, op.op, op.args, {}, True)
        body[store] = Set(var, op.target)
    if not isinstance(loop.trip, int) and after:
        some = Scalar(BOOL)
        after = [Let(some, "gt", (loop.trip, operand(0))), If(some, after, [])]
    return before, after


def zero(dtype: DType) -> Atom:
    return Imm(dtype.np.type(0).item(), dtype)
