"""Loops over columns whose inner loops run down the columns, exchanged: rows are what lies together in memory.

    for j in n {                            for s in n / SIZE {
      set @sum, 0                             for l in SIZE { sum[l] = 0 }
      for k in m {                            for k in m {
        @sum += a[k] b[k, j]       ->           for l in SIZE { sum[l] += a[k] b[k, s SIZE + l] }
      }                                       }
      c[i, j] = @sum                          for l in SIZE { c[i, s SIZE + l] = sum[l] }
    }                                       }

This is what dots of columns are, and sums and updates of them; where adjoints of all columns are added to one element, the
loop over l sums them first. Temporary arrays of an iteration get an axis for the columns of a strip. Iterations over j must
have their own elements of all that the loop writes, which is proved as in reorder_iterations.py: on some axis both accesses are
at the same place that follows j, or on some axis one is certainly before the other. Each iteration does what it did, in its
order; only sums are no longer cut, and what all iterations add to a variable in any order is added in that of the columns.
"""
from __future__ import annotations

from collections import Counter
from typing import Any

from ....ir.analysis.affine import AffineExpr, Symbol
from ....ir.thresholds import sizes
from ....ir.types import INDEX
from ..cursor import operand
from ..dependence import Positions, rewrite_loops
from ..grammar import Alloc, Buffer, For, Get, Kernel, Let, Load, Scalar, Set, Store, Var, walk
from ..unroll import New, copied, made, renamed
from .loop_distribution import Addition, leading_to, zero
from .reorder_iterations import additions
from .straight_line import accesses, private

SIZE = 128                # columns of a strip, whose sums stay in the first-level cache
NARROW = 64               # … where the loop has temporary arrays of many elements, of which each column of a strip has its own


def exchange(kernel: Kernel) -> None:
    """Rewrite the kernel's loops in place."""
    positions, everywhere = Positions(), accesses(kernel)
    rewrite_loops(kernel.body, positions, lambda s: _exchanged(s, positions, everywhere), inner_first=False)


def _exchanged(s: For, positions: Positions, everywhere: Counter[Var]) -> list | None:
    inner = [t.trip for t in s.body if type(t) is For]
    short = all(type(trip) is int and trip < sizes.commuting for trip in inner)      # reorder_iterations writes them out
    if s.unroll or short or (type(s.trip) is int and s.trip < sizes.lanes):
        return None
    own = _shape(s, everywhere)
    if own is None:
        return None
    totals = _totals(s, own)
    if totals is None:
        return None
    columns = _Columns(positions, s, temporaries(s))
    if not (columns.gain() and columns.apart()):
        return None
    return _Strips(s, own, columns, totals).loops()


def _shape(loop: For, everywhere: Counter[Var]) -> set[Var] | None:
    """The loop's own variables, if its body is of straight statements and loops of such, whose lengths are the same for all
    iterations."""
    defined = {s.target for s in walk(loop.body) if isinstance(s, (Let, Load, Get))}
    for s in loop.body:
        if type(s) is Alloc:
            if s.buffer.space == "result" or not all(type(d) is int or d not in defined for d in s.buffer.dims):
                return None
        elif type(s) is For:
            if s.trip in defined or s.trip is loop.index or s.unroll or not all(type(t) in _STRAIGHT for t in s.body):
                return None
        elif type(s) not in _STRAIGHT:
            return None
    return private(loop.body, everywhere)


_STRAIGHT = (Let, Load, Store, Get, Set)


def _totals(loop: For, own: set[Var]) -> set[Var] | None:
    """The variables to which each iteration adds a number, in any order, and which are not used otherwise; None where
    iterations share others. What reads such a one, adds to it and writes it is put together."""
    found: dict[Var, list] = {}
    for s in walk(loop.body):
        if isinstance(s, (Get, Set)) and s.var not in own:
            found.setdefault(s.var, []).append(s)
    for uses in found.values():
        step = _addition(loop, uses)
        if step is None:
            return None
        rest = [s for s in loop.body if not any(s is t for t in uses)]
        at = _at(rest, step)
        loop.body = [*rest[:at], uses[0], step, uses[1], *rest[at + 1:]]
    return {*found}


def _addition(loop: For, uses: list) -> Let | None:
    """The addition between the only reading of a variable and its only writing, both of them in each iteration."""
    if [*map(type, uses)] != [Get, Set] or not all(any(s is t for t in loop.body) for s in uses):
        return None
    old, new = uses[0].target, uses[1].value
    step = next((s for s in loop.body if type(s) is Let and s.target is new), None)
    if step is None or not (step.reassoc or step.attrs.get("any_order")):
        return None
    adds = (step.op == "add" and step.args[0] is not step.args[1] and old in step.args) or (
        step.op == "sub" and step.args[0] is old and step.args[1] is not old)
    used = [a for s in walk(loop.body) if s is not uses[1] and s is not step for a in _operands(s)]
    return step if adds and old not in used and new not in used else None


def temporaries(loop: For) -> dict[Buffer, None]:
    """The arrays of which each iteration has its own, in the order of the program."""
    return dict.fromkeys(s.buffer for s in loop.body if isinstance(s, Alloc))


class _Columns:
    """The accesses of a loop with loops inside, but for those of its temporaries."""

    def __init__(self, positions: Positions, loop: For, own: dict[Buffer, None]):
        self.positions, self.temporary = positions, own
        (self.counter,) = positions.forms[loop.index].terms
        inner: dict[Symbol, For] = {}
        found: list[tuple[tuple[AffineExpr, ...], Load | Store, Symbol | None]] = []
        adds: dict[int, tuple[For, Addition]] = {}
        for s in loop.body:
            if type(s) is For:
                with positions.loop(s):
                    (counter,) = positions.forms[s.index].terms
                    inner[counter] = s
                    found += [(self._forms(t), t, counter) for t in self._noted(s.body)]
                adds.update({id(s.body[at[0]]): (s, at) for at in additions(s.body).values()})
            else:
                found += [(self._forms(t), t, None) for t in self._noted([s])]
        self.found = found
        made_here = [positions.form(s.target) for s in walk(loop.body)
                     if isinstance(s, (Let, Load, Get)) and s.target.dtype is INDEX]
        self.unknown = {f.atom for f in made_here if f.atom is not None} - {self.counter, *inner}
        self.local = {self.counter, *inner, *self.unknown}
        facts = positions.facts
        self.other = {a: facts.atom(a.low, a.high) for a in self.local}
        self.other[self.counter] = positions.counter(loop)
        self.down = False                                # whether the loop walks down the columns
        # id of a load or a store -> (inner loop, places of an addition that all columns make to one element)
        self.sums: dict[int, tuple[For, Addition]] = {}
        for forms, t, _ in found:
            if id(t) in adds and self.local_free(forms):
                s, at = adds[id(t)]
                self.sums.update({id(s.body[at[0]]): (s, at), id(s.body[at[2]]): (s, at)})
        for counter, s in inner.items():
            self.positions.facts.assume(self._below(counter, s))
            self.other[counter] = positions.counter(s)

    def _below(self, counter: Symbol, s: For) -> AffineExpr:
        """trip - 1 - counter, which is not negative."""
        return self.positions.form(s.trip).add(-1).plus(AffineExpr(0, {counter: 1}), -1)

    def _noted(self, statements: list) -> list[Load | Store]:
        for t in statements:
            if type(t) is Let:
                self.positions.let(t)
        return [t for t in statements if type(t) in (Load, Store) and t.buffer not in self.temporary]

    def _forms(self, t: Load | Store) -> tuple[AffineExpr, ...]:
        return tuple(map(self.positions.form, t.index))

    def local_free(self, forms: tuple[AffineExpr, ...]) -> bool:
        """Whether a place is the same for all columns."""
        return all(self.counter not in f.terms and not any(t in self.unknown for t in f.terms) for f in forms)

    def gain(self) -> bool:
        """Whether what inner loops access lies along the rows, or is the same for all columns; some of it they take from one
        row after another."""
        crossed, strides = False, set()
        for forms, _, counter in self.found:
            if counter is None:
                continue
            if any(self.counter in f.terms for f in forms[:-1]):
                return False
            if forms and self.counter in forms[-1].terms:
                if counter in forms[-1].terms:
                    return False
                strides.add(forms[-1].terms[self.counter])
                crossed = crossed or any(counter in f.terms for f in forms[:-1])
        self.down = strides == {-1}
        return crossed and (self.down or strides == {1})

    def apart(self) -> bool:
        """Whether no iteration touches what another one writes."""
        written = {t.buffer for _, t, _ in self.found if type(t) is Store}
        touched = [(forms, t) for forms, t, _ in self.found if t.buffer in written]
        return len(touched) <= sizes.compared and all(
            a.buffer is not b.buffer or (type(a) is Load and type(b) is Load) or self._own(f, g) or self._before(f, g)
            or (id(a) in self.sums and id(b) in self.sums)
            for k, (f, a) in enumerate(touched) for g, b in touched[:k + 1])

    def _own(self, f: tuple[AffineExpr, ...], g: tuple[AffineExpr, ...]) -> bool:
        return len(f) == len(g) and any(x == y and self._follows(x) for x, y in zip(f, g))

    def _follows(self, f: AffineExpr) -> bool:
        return self.counter in f.terms and not any(t in self.local for t in f.terms if t is not self.counter)

    def _before(self, f: tuple[AffineExpr, ...], g: tuple[AffineExpr, ...]) -> bool:
        if len(f) != len(g):
            return False
        for x, y in zip(f, g):
            y = AffineExpr(y.const, {self.other.get(t, t): c for t, c in y.terms.items()})
            if self.positions.less(x, y) or self.positions.less(y, x):
                return True
        return False


class _Strips:
    """The loops that take the place of one. A part is a run of statements, or one inner loop."""

    def __init__(self, loop: For, own: set[Var], columns: _Columns, totals: set[Var]):
        self.size = SIZE if all(b.static and b.count == 1 for b in columns.temporary) else NARROW
        self.temporary = {b: Buffer(b.name, b.dtype, (*b.dims, self.size), "heap") for b in columns.temporary}
        self.loop, self.down = For(loop.index, loop.trip, [s for s in loop.body if type(s) is not Alloc]), columns.down
        loop = self.loop
        self.sums = {id(s): [at for t, at in columns.sums.values() if t is s] for s in loop.body}
        variables = dict.fromkeys(s.var for s in walk(loop.body) if isinstance(s, (Get, Set)) and s.var in own)
        self.rows = {var: Buffer(f"row_{var.name}", var.dtype, (self.size,), "stack") for var in variables}
        # scalars that are made in a loop over columns: all but what inner loops make of what stands outside
        self.top = {s.target for s in loop.body if type(s) in (Let, Load, Get)}
        steps = {s.body[at[1]].target for s in loop.body for at in self.sums[id(s)]}
        self.varies = {loop.index, *self.top, *steps}
        for s in walk(loop.body):
            always = isinstance(s, Get) or (isinstance(s, Load) and s.buffer in self.temporary)
            if isinstance(s, (Let, Load, Get)) and (always or any(a in self.varies for a in _operands(s))):
                self.varies.add(s.target)
        self.gathers = totals                            # sums over all columns, and over those of a strip
        self.parts = self._parts()
        self.handed: dict[Scalar, Buffer] = {}           # scalars of one part that others use
        self.again: list[Let] = []                       # positions, which each part computes
        self._cross()

    def _parts(self) -> list:
        parts: list = []
        for s in self.loop.body:
            if type(s) is For:
                parts.append(s)
            elif parts and type(parts[-1]) is list:
                parts[-1].append(s)
            else:
                parts.append([s])
        return parts

    def _cross(self) -> None:
        known = {self.loop.index}
        for s in self.loop.body:
            if type(s) is Let and s.target.dtype is INDEX and all(a in known or a not in self.top for a in _operands(s)):
                known.add(s.target)
                self.again.append(s)
        for part in self.parts:
            inside = part.body if type(part) is For else part
            defined = {s.target for s in inside if type(s) in (Let, Load, Get)}
            used = {a for other in self.parts if other is not part
                    for s in (other.body if type(other) is For else other) for a in _operands(s)}
            for x in defined & used - known:
                self.handed[x] = Buffer(f"row{len(self.handed)}", x.dtype, (self.size,), "stack")

    def loops(self) -> list:
        trip = self.loop.trip
        s, self.base, rest, self.length = (Scalar(INDEX) for _ in range(4))
        size = operand(self.size)
        body: list = [Let(self.base, "mul", (s, size)), Let(rest, "sub", (operand(trip), self.base)),
                      Let(self.length, "min", (rest, size))]
        if self.down:
            self.last = Scalar(INDEX)
            body.append(Let(self.last, "sub", (operand(trip), operand(1))))
        body += [Alloc(b) for b in (*self.rows.values(), *self.handed.values(), *self.temporary.values())]
        for part in self.parts:
            body.append(self._inner(part) if type(part) is For else self._line(part, {}))
        if isinstance(trip, int):
            return [For(s, -(-trip // self.size), body)]
        up, strips = Scalar(INDEX), Scalar(INDEX)
        return [Let(up, "add", (trip, operand(self.size - 1))), Let(strips, "floordiv", (up, size)), For(s, strips, body)]

    def _inner(self, loop: For) -> For:
        """What is the same for all columns comes before the loop over them."""
        k = Scalar(INDEX)
        new: New = {loop.index: k}
        body: list = []
        shared = [s for s in loop.body if type(s) in (Let, Load) and s.target not in self.varies]
        line = [s for s in loop.body if not any(s is t for t in shared)]
        before, after = [], []
        for load, step, store in dict.fromkeys(self.sums[id(loop)]):
            place, op, written = (loop.body[at] for at in (load, step, store))
            var, total, old = Var(place.buffer.dtype, "sum"), Scalar(place.buffer.dtype), place.target
            before.append(Set(var, zero(var.dtype)))
            last = {**new}
            after += [copied(s, last) for s in leading_to([place], shared)]
            after += [copied(place, last), Get(total, var),
                      Let(made(op.target, last), op.op, (last[old], total)), copied(written, last)]
            share, now, then = next(a for a in op.args if a is not old), Scalar(var.dtype), Scalar(var.dtype)
            self.gathers |= {var}
            line[_at(line, op)] = Let(then, "add", (now, share), {}, True)
            line.insert(_at(line, written), Set(var, then))
            line = [s for s in line if s is not written and s is not place]
            line.insert(0, Get(now, var))
        body += [copied(s, new) for s in shared if not any(s is loop.body[at[0]] for at in self.sums[id(loop)])]
        return For(k, loop.trip, [*body, *before, self._line(line, new), *after])

    def _line(self, statements: list, outside: New) -> For:
        """A loop over the columns of a strip."""
        column, j, up = Scalar(INDEX), Scalar(INDEX), Scalar(INDEX)
        new: New = {**outside, self.loop.index: j}
        body: list = [Let(j, "add", (self.base, column))]
        if self.down:
            body = [Let(up, "add", (self.base, column)), Let(j, "sub", (self.last, up))]
        own = {s.target for s in statements if type(s) in (Let, Load, Get)}
        used = {a for s in statements for a in _operands(s)}
        body += [copied(s, new) for s in self.again if s.target not in own]
        body += [Load(made(x, new), b, (column,)) for x, b in self.handed.items() if x in used and x not in own]
        for s in statements:
            if type(s) in (Get, Set) and s.var in self.gathers:
                body.append(copied(s, new))
            elif type(s) is Get:
                body.append(Load(made(s.target, new), self.rows[s.var], (column,)))
            elif type(s) is Set:
                body.append(Store(self.rows[s.var], (column,), renamed(s.value, new)))
            else:
                body.append(self._with_column(copied(s, new), column))
            if type(s) not in (Set, Store) and s.target in self.handed:
                body.append(Store(self.handed[s.target], (column,), new[s.target]))
        return For(column, self.length, body, apart=True)


    def _with_column(self, s: Any, column: Scalar) -> Any:
        """An access to a temporary goes to that of the column."""
        if type(s) in (Load, Store) and s.buffer in self.temporary:
            s.buffer, s.index = self.temporary[s.buffer], (*s.index, column)
        return s


def _at(statements: list, s: Any) -> int:
    return next(k for k, t in enumerate(statements) if t is s)


def _operands(s: Any) -> tuple:
    atoms = (s.args if type(s) is Let else s.index if type(s) is Load else (*s.index, s.value) if type(s) is Store
             else (s.value,) if type(s) is Set else ())
    return tuple([a for a in atoms if type(a) is Scalar])
