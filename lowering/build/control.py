"""Control ops in loop IR. Carried scalars are variables; a carried array is one buffer, which the body overwrites.

    for trip, init…       buffer <- init (no copy where they share memory);  for i { body;  buffer <- yield }
    swapped carries       `before, now = now, after` exchanges the memory of three buffers (two `swap`s), no element moves
    if                    both branches leave their results in one buffer
    a length that changes from iteration to iteration, or that a branch decides: the array goes through a growing stack
    map                   the body computes its arrays in row i of the results
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...ir.core import Block, Const, Op, Value
from ...ir.transforms.steady_sums import known
from ...ir.types import BOOL, F16, INDEX, StackType
from ..loopir.cursor import operand
from ..loopir.grammar import Atom, Clear, For, If, Imm, Scalar, Set, Size, Stack, Swap, Var, While
from ..schedule.materialize import floats, small

if TYPE_CHECKING:
    from ..schedule.fuse import Schedule
    from ..schedule.inplace import Storage
    from .loop_builder import Nester


class Carries:
    """The carried values of a loop: `variables[k]` for a scalar or a stack, None for an array; `floating[k]`: the stack that
    an array of changing length goes through."""

    def __init__(self, g: Nester, op: Op, inits: tuple[Value, ...], params: tuple[Value, ...]):
        self.g, self.op, self.params = g, op, params
        self.variables: list[Var | Stack | None] = []
        self.floating: dict[int, Stack] = {}
        for k, (init, p) in enumerate(zip(inits, params)):
            if floats(op.results[k]):
                self.floating[k] = g.hold(init)
                self.variables.append(None)
            elif p.type.dims:
                g.ensure(p)
                self.variables.append(None)
            elif type(p.type) is StackType:
                self.variables.append(g.stack_of(init))
            else:
                var = g.var(p.type.dtype, p.name or "c")
                g.set(var, g.scalar(init))
                self.variables.append(var)
        for y, p in zip(op.regions[-1].yields, params):
            s, t = g.stores.of.get(y), g.stores.of.get(p)
            if s is not None and t is not None and s.swap and t.swap:
                g.beside(y, p)
        move(g, self._fixed(params, inits), "a loop overwrites it")

    def _fixed(self, targets: tuple[Value, ...], sources: tuple[Value, ...]) -> list[tuple[Value, ...]]:
        return [(p, y) for k, (p, y) in enumerate(zip(targets, sources)) if k not in self.floating]

    def enter(self, params: tuple[Value, ...], again: bool = False) -> None:
        """The parameters of a region hold what is carried. again: another region is to find it too, so an array that this one
        does not use stays where it is."""
        g = self.g
        for p, var in zip(params, self.variables):
            if isinstance(var, Var):
                g.env[p] = g.get(var)
            elif var is not None:
                g.stacks[p] = var
        for k, stack in self.floating.items():
            if again and not g.program.uses.get(params[k]):
                continue
            g.release(params[k], stack)
            if again:
                g.hold(params[k], stack)

    def leave(self, yields: tuple[Value, ...]) -> None:
        """What the body yields is carried on, all at once."""
        g = self.g
        scalars = [(var, g.scalar(y)) for var, y in zip(self.variables, yields) if type(var) is Var]
        stacks = [(var, g.stacks[y]) for var, y in zip(self.variables, yields) if type(var) is Stack]
        for k, stack in self.floating.items():
            g.hold(yields[k], stack)
        move(g, self._fixed(self.params, yields), "a loop carries it on", swaps=True)
        give(g, stacks)
        for var, atom in scalars:
            g.set(var, atom)

    def results(self) -> None:
        self.enter(self.op.results)


def give(g: Nester, pairs: Sequence[tuple[Stack, Stack | None]]) -> None:
    """Each stack of (target, source) takes the contents of another, or becomes empty where the source is None."""
    where: dict[Stack, Stack] = {}
    for target, source in pairs:
        if source is None:
            continue
        here = where.get(source, source)
        if here is not target:
            g.write(Swap(target, here))
            lost = next((k for k, v in where.items() if v is target), target)
            where[lost], where[source] = here, target
    for target, source in pairs:
        if source is None:
            g.write(Clear(target))


# --- arrays given on, all at once -------------------------------------------------------------------------------------


def move(g: Nester, pairs: list[tuple[Value, ...]], why: str, swaps: bool = False) -> None:
    """target = source for each pair, as if at one time. Small arrays go through registers; `swaps`: memory may be exchanged."""
    of = g.stores.of
    pairs = [(p, y) for p, y in pairs if p.type.dims]
    moves = [(p, y) for p, y in pairs if not g.stores.same(p, y)]
    if not moves:
        return
    held = [(p, _elements(g, y)) for p, y in moves if small(p.type)]
    large = [(p, y) for p, y in moves if not small(p.type)]
    where: dict[Storage, Storage] = {}                       # contents, by the storage they were in -> the storage they are in
    if swaps:
        taken = {of[p] for p, y in pairs if g.stores.same(p, y)}
        large, where = _swap(g, large, taken)
    _copy(g, large, where, why + (", in every iteration" if swaps else ""))
    for p, elements in held:
        for index, atom in elements:
            g.store_value(p, index, atom)


def _elements(g: Nester, y: Value) -> list[tuple[tuple, Atom]]:
    found: list[tuple[tuple, Atom]] = []
    g.each(y.type, lambda index: found.append((index, g.value_at(y, index))))
    return found


def _swap(g: Nester, moves: list[tuple[Value, Value]], taken: set[Storage]) -> tuple[list, dict[Storage, Storage]]:
    """Each storage gives its contents away by a swap once, and not those in `taken`, which keep theirs."""
    of = g.stores.of
    rest: list[tuple[Value, Value]] = []
    where: dict[Storage, Storage] = {}
    for p, y in moves:
        source, target = of.get(y), of[p]
        if (source is None or not (source.swap and target.swap) or source in taken or isinstance(y, Const)
                or not _beside(g, source, target)):
            rest.append((p, y))
            continue
        taken.add(source)
        here = where.get(source, source)
        if here is not target:
            g.write(Swap(g.where[target].buffer, g.where[here].buffer))
            lost = next((k for k, v in where.items() if v is target), target)
            where[lost], where[source] = here, target
    return rest, where


def _beside(g: Nester, a: Storage, b: Storage) -> bool:
    """Whether two storages were allocated in one block."""
    return g.allocated.get(g.where[a].buffer) is g.allocated.get(g.where[b].buffer)


def _copy(g: Nester, moves: list[tuple[Value, Value]], where: dict[Storage, Storage], why: str) -> None:
    """Copies; through a temporary where a target is read by another move."""
    of = g.stores.of
    targets = {g.where[of[p]].buffer for p, _ in moves}
    ready = []
    for p, y in moves:
        source = y
        if g.program.buffered(y) and not isinstance(y, Const):
            place = g.where[where.get(of[y], of[y])]
            source = y if place.prefix else place
            if len(moves) > 1 and place.buffer in targets:
                held = g.temporary(y.type)
                g.copy_into(held, source)
                source = held
        ready.append((p, y, source))
    for p, y, source in ready:
        g.copy_into(g.where[of[p]], source)
        if g.program.buffered(y):
            g.note("copy", y, g.stores.why.get((y, p)) or g.stores.why.get((p, y)) or why)


class Sums:
    """The additions of a `for` that a variable gathers (steady_sums.py). `g.sums` gives their tasks the variable. Halves are
    stored only, and added as they are elsewhere."""

    def __init__(self, g: Nester, op: Op):
        self.g, self.op = g, op
        of = g.stores.of
        self.own = [(w, k) for w, k in g.alone.get(op, {}).items()
                    if of.get(w.operands[0]) is of[w.results[0]] is of[op.results[k]] and w.results[0].type.dtype is not F16]
        for w, _ in self.own:
            dtype = w.results[0].type.dtype
            g.sums[w] = var = g.var(dtype, "sum")
            g.set(var, Imm(-0.0, dtype))           # nothing added to -0.0 leaves it

    def add(self, trip: Size) -> None:
        """Add the sums to their elements, which are sure to exist if there was an iteration, or where positions are known."""
        g = self.g
        if not self.own:
            return
        with g.open(control=True) as statements:
            for w, k in self.own:
                at = tuple(g.index(i) for i in w.operands[2:])
                g.add_to(self.op.results[k], at, "add", g.get(g.sums.pop(w)), reassoc=False, any_order=True)
        if isinstance(trip, int) or all(known(w) for w, _ in self.own):
            g.stack[-1].extend(statements)
        else:
            g.write(If(g.let("gt", (trip, operand(0)), BOOL), statements, []))


def _for(g: Nester, op: Op, plans: tuple[Schedule, ...]) -> None:
    body: Block = op.regions[0]
    carries = Carries(g, op, op.operands[1:], body.params[1:])
    trip = g.index(op.operands[0])
    sums = Sums(g, op)
    with g.open(control=True) as statements:
        i: Scalar = g.fresh(INDEX, name=body.params[0].name or "")
        g.env[body.params[0]] = i
        carries.enter(body.params[1:])
        g.block(plans[0])
        carries.leave(body.yields)
    g.write(For(i, trip, statements))
    carries.results()
    sums.add(trip)


def _while(g: Nester, op: Op, plans: tuple[Schedule, ...]) -> None:
    head_block, body = op.regions
    carries = Carries(g, op, op.operands, body.params)
    with g.open(control=True) as head:
        carries.enter(head_block.params, again=True)
        g.block(plans[0])
        cond = g.scalar(head_block.yields[0])
    with g.open(control=True) as statements:
        carries.enter(body.params)
        g.block(plans[1])
        carries.leave(body.yields)
    g.write(While(head, cond, statements))
    carries.results()


def sets_a_record(op: Op) -> bool:
    """`if x > m: m = x`: of n numbers in no particular order, about log(n) are greater than all before them (Renyi 1962).

    LLVM would compute both sides and choose, which makes each iteration wait for the one before; a branch that is predicted
    does not.
    """
    return _is_record(op.operands[0], zip(*(region.yields for region in op.regions)))


def _is_record(cond: Value, choices: Iterable[tuple[Value, ...]]) -> bool:
    """Whether one of the choices is between the two numbers that the condition compares."""
    op = cond.op
    if op is None or op.defn.name not in ("lt", "gt", "le", "ge"):
        return False
    pair = set(op.operands)
    return len(pair) == 2 and any({a, b} == pair for a, b in choices)


def _set(g: Nester, var: Var, y: Value, rare: bool) -> None:
    """var = y. Beside a branch that sets a record, a choice that sets another one (lowest, highest) is a branch too."""
    choice = y.op if rare and not isinstance(y, Const) else None
    if choice is None or choice.defn.name != "select" or not _is_record(choice.operands[0], [choice.operands[1:]]):
        g.set(var, g.scalar(y))
        return
    cond, yes, no = map(g.scalar, choice.operands)
    g.write(If(cond, [Set(var, yes)], [Set(var, no)], rare=True))


def _if(g: Nester, op: Op, plans: tuple[Schedule, ...]) -> None:
    rare = sets_a_record(op)
    variables = [None if r.type.dims or type(r.type) is StackType else g.var(r.type.dtype, r.name or "r") for r in op.results]
    tapes: dict[Value, Stack] = {}
    held: dict[Value, Stack] = {}
    for r in op.results:
        if r.type.dims and not floats(r):
            g.ensure(r)
    branches: list[list] = []
    for region, plan in zip(op.regions, plans):
        with g.open(control=True) as statements:
            g.block(plan)
            for var, y in zip(variables, region.yields):
                if var is not None:
                    _set(g, var, y, rare)
            move(g, [(r, y) for r, y in zip(op.results, region.yields) if not floats(r)], "a branch gives it on")
            for r, y in zip(op.results, region.yields):
                if floats(r):
                    held[r] = g.hold(y, held.get(r))
            pairs = [(r, y) for r, y in zip(op.results, region.yields) if type(r.type) is StackType]
            for r, y in pairs:
                if r not in tapes:
                    tapes[r] = g.stacks[y] or g.new_stack(r)
            give(g, [(tapes[r], g.stacks[y]) for r, y in pairs])
        branches.append(statements)
    then, other = branches
    g.write(If(g.scalar(op.operands[0]), then, other, rare=rare))
    for r, var in zip(op.results, variables):
        if var is not None:
            g.env[r] = g.get(var)
    g.stacks |= tapes
    for r, stack in held.items():
        g.release(r, stack)


def _map(g: Nester, op: Op, plans: tuple[Schedule, ...]) -> None:
    body = op.regions[0]
    for r in op.results:
        g.ensure(r)
    with g.open(control=True) as statements:
        i = g.fresh(INDEX, name=body.params[0].name or "")
        g.env[body.params[0]] = i
        g.block(plans[0])
        for k, (r, y) in enumerate(zip(op.results, body.yields)):
            place = g.memory(r)
            if not y.type.dims:
                g.store(place.buffer, place.prefix + (operand(i),), g.scalar(y))
            elif isinstance(y, Const) or g.stores.of[y].home != ("row", op, k):
                g.copy_into(place._replace(prefix=place.prefix + (i,)), y)
                g.note("copy", y, "a map stacks it")
    g.write(For(i, g.index(op.operands[0]), statements))


CONTROL = {"for": _for, "while": _while, "if": _if, "map": _map}
