"""Lists that a rolled loop appends to: what each iteration appends becomes a row of an array.

    out = []                                   %rows = for %i = 0 to 200 carry(…, %r = zeros[200, …]) {
    for x in sequence:                             …
        h = np.tanh(x @ w + h @ u)                 %r' = update %r[%i], %h
        out.append(h)                              yield …, %r'
    np.stack(out)                              }                              (np.stack(out) is %rows itself)

Afterwards the list holds a box for each row, so it can be used like any other. While the loop is traced the list must not be
read (its length there is only known at run time): whoever does has the loop unrolled instead.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ...ir.core import Block, Value
from ...ir.errors import UnsupportedError
from ...ir.types import Type
from .. import pytrees, tracing
from ..tracing import NeedUnroll, Scope, Trace
from ..values import boxes, ownership, views
from ..values.boxes import ArrayBox, Box, ScalarBox
from . import identity, leaf_types, region_tracing

if TYPE_CHECKING:
    from ...ir.types import Dim
    from ..pytrees import TreeDef
    from .leaf_types import Kind, Undefined
    from .region_tracing import Outcome


class Row(ScalarBox):
    """A number that a loop appended: element k of the array of all, read when it is needed."""

    __slots__ = ("k", "rows")

    def __init__(self, rows: Value, k: int, weak: str | None):
        self.rows, self.k, self.weak = rows, k, weak

    @property
    def _value(self) -> Value:                       # type: ignore[override]
        builder = tracing.current().builder
        return builder("slice", self.rows, builder.index(self.k), spec="i")

    @property
    def dtype_ir(self) -> Any:
        return self.rows.type.dtype


# told(trace, container, name, args) before loops are unrolled as name(*args) changes its length (containers/long_growth.py)
LENGTHENED: list = []


class Grown(NamedTuple):
    """A list after its loop. `last`: the box and value of the last entry, where a name holds it too."""

    held: list
    entries: tuple
    rows: ArrayBox
    last: tuple | None


# --- while the loop is traced -----------------------------------------------------------------------------------------

def append(trace: Trace, held: list, value: Any) -> bool:
    """held.append(value) in the body of a rolled loop; False where the loop has to be unrolled for it."""
    scope = trace.scopes[-1]
    if scope.grown is None or id(held) in trace.outer or trace.maker(held) != len(trace.scopes) - 2:
        return False
    if ownership.joined(trace, held):
        return False
    leaves = pytrees.flatten(value)[0]
    if not leaves or not all(kind is not None and kind.type.static for kind in map(leaf_types.kind_of, leaves)):
        return False
    if any(isinstance(x, ArrayBox) and x.root._epoch < scope.epoch for x in leaves):
        return False                              # an array from before the loop: all entries would be that one
    if not _is_new(trace, scope, value):
        return False
    added = scope.grown.setdefault(id(held), (held, []))[1]
    added.append(value)
    trace.growing[id(held)] = held, scope.loop, added
    return True


def _is_new(trace: Trace, scope: Scope, value: Any) -> bool:
    """Whether this iteration has made all that can be changed in what it appends, and has appended it nowhere else: it becomes
    another object in each entry."""
    parts = list(pytrees.containers(value))
    taken = {id(part) for _, values in (scope.grown or {}).values() for x in values for part in pytrees.containers(x)}
    return (len({id(part) for part in parts} - taken) == len(parts)
            and all(trace.maker(part) == len(trace.scopes) - 1 for part in parts))


def read(trace: Trace, x: Any) -> None:
    """Told before the traced program looks into a list."""
    found = trace.growing.get(id(x))
    if found is not None and found[0] is x:
        for told in LENGTHENED:
            told(trace, x, "extend", (list(found[2]),))
        raise NeedUnroll(found[1], "a list that the loop appends to and reads")


def read_parts(trace: Trace, *values: Any) -> None:
    """Told of what more than one name may have then: the other one would have what is in the list before the loop."""
    for part in (part for x in values if trace.growing for part in leaf_types.containers(x)):
        read(trace, part)


def named(trace: Trace, heads: tuple, finals: tuple) -> None:
    """An iteration is over, in which names and attributes may have got such a list."""
    scope = trace.scopes[-1]
    if scope.grown:
        now = [(region_tracing.peek(place), before) for *place, before in scope.items.values()]
        read_parts(trace, *[x for x, before in (*zip(finals, heads), *now) if x is not before])
        _expect_no_names(scope, [*finals, *[x for x, _ in now]])
        for held, _ in scope.grown.values() if scope.tells else ():
            if id(held) in trace.given:
                read(trace, held)                 # the caller's gets what earlier iterations appended


def _expect_no_names(scope: Scope, holders: Iterable) -> None:
    """What an iteration has appended and can be changed is held by nothing that outlives it."""
    taken = {id(part) for _, values in (scope.grown or {}).values() for x in values for part in pytrees.containers(x)}
    if taken and any(id(part) in taken for x in holders for part in leaf_types.containers(_bound(x))):
        assert scope.loop is not None
        raise NeedUnroll(scope.loop, "a container that is appended to a list and has another name")


def expect_no_aliases(outcome: Outcome, heads: tuple[Box, ...]) -> None:
    """An entry that the next iteration overwrites in place would change under the list."""
    roots = {id(x.root) for _, values, _ in outcome.grown.values() for value in values for x in pytrees.leaves_of(value)
             if isinstance(x, ArrayBox)}
    carried = {id(x.root) for part in (heads, outcome.names) for held in part for x in pytrees.leaves_of(held)
               if isinstance(x, ArrayBox)}
    if not roots & carried:
        return
    for held in heads:
        for x in pytrees.leaves_of(held):
            if isinstance(x, ArrayBox) and x.base is None and x.own.op is not None:
                raise NeedUnroll(next(iter(outcome.grown.values()))[2],
                                 "arrays that are appended to a list and then overwritten")


def entered(trace: Trace, x: ArrayBox, guard: list[ArrayBox]) -> None:
    """Told that an array is appended to a list of run-time length, as it is now. `guard`, which the list keeps, gets an alias
    of it, which cannot be read once the array has been written to."""
    for scope in trace.scopes:
        if scope.kind == "loop":
            if x.root._epoch < scope.epoch and id(x.root) in scope.roots:
                _refuse_alias()
            scope.entered.append((x, guard))
    guard.append(_alias(trace, x))


def _alias(trace: Trace, x: ArrayBox) -> ArrayBox:
    alias = ArrayBox(x.read())
    alias.identity = identity.OPAQUE                 # the entry is the value of now: no later write reaches it
    region_tracing.link(trace, alias, x)
    return alias


def handed_on(trace: Trace, outcome: Outcome, finals: list, held: list) -> None:
    """A loop is over. What its names hold at its end (finals) they hold behind it (held), as other boxes: those that may be an
    entry of a list are guarded on, too."""
    for guard in {id(g): g for _, g in outcome.entered}.values():
        aliases = set(map(id, guard))
        for final, made in zip(finals, held):
            for inside, behind in zip(pytrees.leaves_of(_bound(final)), pytrees.leaves_of(_bound(made))):
                if (isinstance(inside, ArrayBox) and isinstance(behind, ArrayBox) and inside.root is not behind.root
                        and any(id(r) in aliases for r in region_tracing.relatives(trace, inside.root))):
                    guard.append(_alias(trace, behind))


def _bound(held: Any) -> Any:
    return held.held if type(held) is leaf_types.MaybeUndefined else held


def expect_settled(outcome: Outcome, heads: tuple[bool | Undefined | Box, ...]) -> None:
    """What an iteration appended to a list of run-time length, the next must not overwrite."""
    roots = {id(x.root) for x, _ in outcome.entered}
    handed = {id(x.root) for held in outcome.names for x in pytrees.leaves_of(held) if isinstance(x, ArrayBox)}
    if roots & handed and any(isinstance(x, ArrayBox) and x.base is None and x.own.op is not None
                              for held in heads for x in pytrees.leaves_of(held)):
        _refuse_alias()


def _refuse_alias() -> NoReturn:
    raise UnsupportedError("an array is appended to a list whose length is known only at run time, and overwritten by another "
                           "iteration, which changes it in the list too", "append a copy: `x.copy()`", tracing.locate())


# --- after it ---------------------------------------------------------------------------------------------------------

class Rows:
    """What one loop's iterations append, as carried arrays."""

    def __init__(self, trace: Trace, outcome: Outcome, trip: Dim):
        self.trace, self.outcome, self.trip = trace, outcome, trip
        self.parts: list = []                     # of each append: (list, structure, kinds)
        for held, values, _ in outcome.grown.values():
            for value in values:
                leaves, structure = pytrees.flatten(value)
                self.parts.append((held, value, structure, [leaf_types.kind_of(x) for x in leaves]))

    def inits(self) -> list[Value]:
        builder = self.trace.builder
        return [builder.full(0, (self.trip, *kind.dims), kind.dtype) for *_, kinds in self.parts for kind in kinds]

    def extend(self, block: Block) -> list[Value]:
        """Give the body a parameter for each array; what it yields for them."""
        builder, found = self.trace.builder, []
        with builder.at(block), self.outcome.installed():
            for _, value, _, kinds in self.parts:
                for x, kind in zip(pytrees.leaves_of(value), kinds):
                    param = Value(Type(kind.dtype, (self.trip, *kind.dims)), "rows", block, len(block.params))
                    block.params = (*block.params, param)
                    found.append(builder("update", param, leaf_types.emit(x, kind), block.params[0],
                                         spec="i" + ":" * len(kind.dims)))
        return found

    def leave(self, results: Sequence[Value], names: tuple[Box, ...]) -> None:
        """Extend the lists. `names`: what the names hold after the loop."""
        results = iter(results)
        columns = [(held, value, structure, [_entries(next(results), kind, self.trip) for kind in kinds])
                   for held, value, structure, kinds in self.parts]
        for held in {id(c[0]): c[0] for c in columns}.values():
            own = [c for c in columns if c[0] is held]
            start = len(held)
            assert isinstance(self.trip, int)             # `append` has seen to that
            for k in range(self.trip):
                held.extend(_entry(structure, leaves, k) for _, _, structure, leaves in own)
            last = self._share_last(held, own[-1][1], names)
            if start == 0 and len(own) == 1 and own[0][2].kind is None:
                self.trace.grown[id(held)] = Grown(held, tuple(held), own[0][3][0].box, last)

    def _share_last(self, held: Any, value: ScalarBox | tuple[ScalarBox, ...],
                    names: Any) -> tuple | None:
        """Where a name is bound to what was appended last, the list's last entry is the same array: a view of the rows, or
        where that name holds a view of another one, what is told."""
        for final, now in zip(self.outcome.names, names):
            if final is value and isinstance(now, ArrayBox):
                row, held[-1] = held[-1], now
                if now.base is not None:
                    return now, now.read()
                now.base, now.path, now._value, now._strides = row.base, row.path, None, None
                return None
        return None


def listed(structure: TreeDef, columns: list[tuple[Value, Kind]], count: int) -> list:
    """A list of `count` items of one structure; columns: for each leaf (the value of all along the first axis, its kind)."""
    entries = [_entries(value, kind, count) for value, kind in columns]
    held = [structure.unflatten([column.at(k) for column in entries]) for k in range(count)]
    if structure.kind is None:
        tracing.current().grown[id(held)] = Grown(held, tuple(held), entries[0].box, None)
    return held


def _entry(structure: TreeDef, columns: list[_entries], k: int) -> Any:
    """Item k of a list whose items have one structure: of the program's own, as all that is in it."""
    made = structure.unflatten([column.at(k) for column in columns])
    for part in pytrees.containers(made) if structure.kind is not None else ():
        tracing.current().note_fresh(part)
    return made


class _entries:
    """The entries of one leaf of what is appended."""

    __slots__ = ("box", "kind")

    def __init__(self, value: Value, kind: Kind, trip: Dim):
        self.box, self.kind = ArrayBox(value), kind

    def at(self, k: int) -> Any:
        if self.kind.form == "scalar":
            return Row(self.box.own, k, self.kind.weak)
        rank = len(self.kind.dims)
        return self.box.view(views.Strided((k,) + (None,) * rank, tuple(range(1, rank + 1))))


def rows_of(x: Any) -> ArrayBox | None:
    """The array whose rows are the entries of a list that a loop made, where the list is as the loop left it."""
    trace = tracing.active()
    found = trace.grown.get(id(x)) if trace is not None and type(x) is list else None
    if found is None or found.held is not x or len(x) != len(found.entries):
        return None
    if any(a is not b for a, b in zip(x, found.entries)) or (found.last and found.last[0].read() is not found.last[1]):
        return None
    return found.rows


def rows_in_place(x: Any) -> ArrayBox | None:
    """The same, where each row is the entry itself: what is written to one is written to the other."""
    rows = rows_of(x)
    return None if rows is None or tracing.current().grown[id(x)].last else rows


def stacked_rows(rows: ArrayBox, axis: int = 0) -> ArrayBox:
    """np.stack of such a list: a new array."""
    value, builder = rows.read(), tracing.current().builder
    order = list(range(1, value.rank))
    order.insert(axis, 0)
    return boxes.array(builder.transpose(value, order))


def opened(trace: Trace, scope: Scope, known: Iterable) -> None:
    """Begin an iteration in which lists may grow; `known` are those of which that is known, with what another iteration
    appended."""
    scope.grown = {}
    for held, added in known:
        trace.growing[id(held)] = held, scope.loop, added
