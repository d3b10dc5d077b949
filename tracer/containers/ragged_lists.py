"""Lists of run-time length whose entries hold arrays of run-time length: the members of each group, what each mask leaves.

    groups = []                                    rows: [];  pool: []
    for k in range(labels.max() + 1):              start = len(pool);  pool.extend(x[labels == k])
        groups.append(x[labels == k])              rows.append((start, len(pool)))
    groups[j]                                      pool[rows[j][0]:rows[j][1]]

The rows of all such arrays lie in one pile, the pool (dynamic_lists.py); where an entry is a tuple with several of them, there
is a pool for each. An entry is a row of another pile, in which two positions of the pool stand for the array. What an entry
that has been replaced or removed had in the pool stays there: no position leads to it any more.

As in any list of run-time length, an array is entered with its present contents, and is read as one that cannot be written.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from ...ir.build import const
from ...ir.core import Block, as_dim
from ...ir.errors import UnsupportedError
from ...ir.types import I64, INDEX, INDEX_SCALAR, Type
from .. import pytrees, tracing
from ..calling import calls, dispatch
from ..control import iteration, packed_lists
from ..regions import leaf_types, list_scan_outputs
from ..values import boxes, promotion
from ..values.boxes import FUNCTIONS, REDIRECT, ArrayBox, ScalarBox
from . import live_lists
from .lists import dynamic_lists, list_entries, list_programs
from .lists.dynamic_lists import METHODS, DynamicList
from .lists.list_entries import Entry

if TYPE_CHECKING:
    from ..regions.leaf_types import Kind
    from ..tracing import Trace


class Ragged(NamedTuple):
    """What the entries of such a list have in common: their structure; the kinds of their leaves, which are those of one row
    where the leaf is an array of run-time length; which leaves are."""

    structure: pytrees.TreeDef
    kinds: tuple[Kind, ...]
    ragged: tuple[bool, ...]

    @classmethod
    def of(cls, value: Any) -> Ragged | None:
        leaves, structure = pytrees.flatten(value)
        kinds = [k and (k._replace(dtype=I64) if k.dtype is INDEX else k) for k in map(leaf_types.kind_of, leaves)]
        if not kinds or any(k is None or not all(isinstance(d, int) for d in k.dims[1:]) for k in kinds):
            return None
        ragged = tuple([k is not None and not k.type.static for k in kinds])
        return cls(structure, tuple([_of_row(k) if r else k for k, r in zip(kinds, ragged) if k is not None]), ragged)

    def join(self, other: Ragged | None) -> Ragged | None:
        """What holds both: arrays of different lengths are of run-time length."""
        if other is None or other.structure != self.structure:
            return None
        joined = [_joined(*sides) for sides in zip(self.kinds, self.ragged, other.kinds, other.ragged)]
        found = [x for x in joined if x is not None]
        if len(found) < len(joined):
            return None
        return Ragged(self.structure, tuple([k for k, _ in found]), tuple([r for _, r in found]))

    @property
    def row(self) -> Entry:
        """The entry of the pile of rows: two positions in place of each array of run-time length."""
        position = leaf_types.kind_of(0)
        assert position is not None
        parts = [((position, position) if r else (k,)) for k, r in zip(self.kinds, self.ragged)]
        kinds = tuple([k for part in parts for k in part])
        return Entry(pytrees.flatten((0,) * len(kinds))[1], kinds)


def _of_row(kind: Kind) -> Kind:
    """The kind of one row of an array."""
    return kind._replace(dims=kind.dims[1:], form="array" if kind.dims[1:] else "scalar")


def _joined(a: Kind, of_many: bool, b: Kind, of_others: bool) -> tuple[Kind, bool] | None:
    if not of_many and not of_others:
        found = leaf_types.join(a, b)
        if found is not None or not (a.dims and b.dims):
            return None if found is None else (found, False)
    rows = [k if many else _of_row(k) if k.dims else None for k, many in ((a, of_many), (b, of_others))]
    x, y = rows
    if x is None or y is None or x.dims != y.dims:
        return None
    return x._replace(dtype=promotion.result_dtype([x.dtype.np, y.dtype.np])), True


# --- becoming one -----------------------------------------------------------------------------------------------------

def grow(trace: Trace, held: Any, name: str, args: tuple) -> None:
    """Told that list.<name>(*args) would give a list a length of run time: trace again with it such a one, if an entry holds
    arrays of run-time or of different lengths."""
    epoch = trace.born_at.get(id(held)) if type(held) is list else None
    if epoch is None or epoch[0] is not held:
        return
    if trace.lists.get(epoch[1], packed_lists.KEPT) is not packed_lists.KEPT:
        return
    found = facts_after(held, name, args)
    if found is not None:
        raise tracing.Restart(lists={epoch[1]: found})


def facts_after(held: Any, name: str, args: tuple) -> Ragged | None:
    """What the entries of a list have in common after list.<name>(*args), where there are arrays of run-time length in them."""
    if type(held) is not list or name not in ("append", "insert"):
        return None
    facts = [Ragged.of(x) for x in (*held, args[-1])]
    found = functools.reduce(lambda a, b: a and a.join(b), facts)
    return found if found is not None and any(found.ragged) else None


def outgrown(held: DynamicList, value: Any) -> None:
    """Told of an entry that does not fit the others of a list: trace again with arrays of run-time length."""
    entry = held.entry
    found = Ragged(entry.structure, entry.kinds, (False,) * len(entry.kinds)).join(Ragged.of(value))
    if found is not None and any(found.ragged) and type(held) is DynamicList:
        raise tracing.Restart(lists={held.site: found})


def ragged(trace: Trace, held: list, facts: Ragged, site: tuple[int, ...]) -> RaggedList:
    """A list that has just been made, as such a one."""
    made = RaggedList(facts, site)
    for x in held:
        made.append(x)
    return made


# --- the list ---------------------------------------------------------------------------------------------------------

class _Decoded(packed_lists.ListValue):
    """What the list and what it held have in common."""

    __slots__ = ()

    if TYPE_CHECKING:
        facts: Ragged

        def length(self) -> Any: ...

    def __len__(self) -> int:
        return tracing.need_concrete(self.length(), "len()")

    def __bool__(self) -> Any:
        return self.length() != 0

    def __iter__(self) -> Any:
        return iter(RaggedItems(self))

    def array(self) -> NoReturn:
        _refuse("an array of a list of arrays of different lengths", "join them: `np.concatenate(x)`")

    packed = array

    def __getattr__(self, name: str) -> Any:
        if name in METHODS and type(self) is RaggedList:
            return functools.partial(METHODS[name], self)
        if hasattr(list, name) and not name.startswith("__"):
            _refuse(f"list.{name}, of a list of arrays of different lengths", "write it as a loop over the items")
        raise AttributeError(f"'list' object has no attribute '{name}'")

    def _decode(self, row: Any, part: Callable) -> Any:
        """An entry of what its row holds. part(k, start, stop): the rows of pool k between two positions."""
        values, leaves, pool = iter(row), [], 0
        for many in self.facts.ragged:
            if many:
                leaves.append(part(pool, next(values), next(values)))
                pool += 1
            else:
                leaves.append(next(values))
        return self.facts.structure.unflatten(leaves)


class RaggedList(_Decoded):
    """The list. `rows`: a pile with an entry for each of its own; `pools`: for each leaf that is an array of run-time length
    the rows of all of them; `write_guard` as in a DynamicList."""

    __slots__ = ("facts", "pools", "rows", "site", "write_guard")
    __hash__ = None        # type: ignore[assignment]

    def __init__(self, facts: Ragged, site: tuple[int, ...]):
        self.facts, self.site = facts, site
        self.rows = DynamicList(facts.row, site)
        self.pools = [DynamicList(Entry(pytrees.LEAF, (k,)), site) for k, r in zip(facts.kinds, facts.ragged) if r]
        self.write_guard: list = []

    def _encoded(self, value: Any) -> tuple:
        """The row of a new entry, whose arrays enter the pools; traces again where it needs a wider type."""
        found = self.facts.join(Ragged.of(value))
        if found is None:
            _refuse("an entry unlike the others of the list: all must have one structure", "give them one form")
        if found != self.facts:
            raise tracing.Restart(lists={self.site: found})
        row: list = []
        pools = iter(self.pools)
        for x, many in zip(pytrees.flatten(value)[0], self.facts.ragged):
            if isinstance(x, ArrayBox):
                list_scan_outputs.entered(tracing.current(), x, self.write_guard)
            row += _pushed(next(pools), boxes.as_array(x)) if many else [x]
        return tuple(row)

    def append(self, value: Any) -> None:
        self.rows.append(self._encoded(value))

    def extend(self, values: Any) -> None:
        calls.call(list_programs.extend, self, values)

    def __iadd__(self, values: Any) -> Any:
        self.extend(values)
        return self

    def pop(self, *position: Any) -> Any:
        if position and not (type(position[0]) is int and position[0] == -1):
            return METHODS["pop"](self, *position)
        return self._read(self.rows.pop())

    def clear(self) -> None:
        self.rows.clear()

    def length(self) -> ScalarBox:
        return self.rows.length()

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            _refuse("a slice of a list of arrays of different lengths", "write a loop over the positions")
        return self._read(self.rows[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, slice):
            _refuse("a slice of a list of arrays of different lengths is assigned", "write a loop over the positions")
        self.rows[key] = self._encoded(value)

    def _read(self, row: Any) -> Any:
        for alias in self.write_guard:
            alias.read()
        return list_entries.copied(self._decode(row, self._part))

    def _part(self, k: int, start: Any, stop: Any) -> ArrayBox:
        """Some rows of a pool: of the pool as an array where that is at hand, else each where it lies."""
        pool = self.pools[k]
        whole = pool.seen is not None and pool.seen[0] is pool.stacks[0]._value
        if whole or tracing.current().scopes[-1].kind == "function":
            return _slice(pool.columns()[0], start, stop)
        return _copied(pool, start, stop)

    def settled(self) -> Settled:
        for alias in self.write_guard:
            alias.read()
        return Settled(self.facts, [*self.rows.columns(), *[pool.columns()[0] for pool in self.pools]])


class Settled(_Decoded):
    """What the list held when it was read. `columns`: of the rows, and of each pool."""

    __slots__ = ("columns", "facts")

    def __init__(self, facts: Ragged, columns: list[ArrayBox]):
        self.facts, self.columns = facts, columns

    def settled(self) -> Settled:
        return self

    def length(self) -> Any:
        return boxes.count(self.columns[0].dims[0])

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            _refuse("a slice of a list of arrays of different lengths", "write a loop over the positions")
        kinds = self.facts.row.kinds
        row = [list_entries.item_of(c, key, kind) for c, kind in zip(self.columns, kinds)]
        pools = self.columns[len(kinds):]
        return list_entries.copied(self._decode(row, lambda k, start, stop: _slice(pools[k], start, stop)))


def _refuse(what: str, remedy: str) -> NoReturn:
    raise UnsupportedError(what, remedy, tracing.locate())


# --- pools ------------------------------------------------------------------------------------------------------------

def _pushed(pool: DynamicList, x: ArrayBox) -> tuple[ScalarBox, ScalarBox]:
    """Append the rows of an array: the positions of the first one, and behind the last one."""
    start = pool.length()
    kind, cell, builder = pool.entry.kinds[0], pool.stacks[0], tracing.current().builder
    rows = builder.cast(x.read(), kind.dtype)
    count = builder.index(x.dims[0])
    cell.set(packed_lists.refilled(rows, count, kind, cell._value))
    pool.total.set(builder.iop("add", pool.total._value, count))
    pool.changes += 1
    pool.top = None
    return start, pool.length()


def _slice(pool: ArrayBox, start: Any, stop: Any) -> ArrayBox:
    return list_entries.read_only(boxes.array(pool[start:stop].read()))


def _copied(pool: DynamicList, start: Any, stop: Any) -> ArrayBox:
    """Rows of a pool that grows meanwhile, each taken out and put back: for i in 0 … stop - start: rows[i] = pool[start+i]."""
    builder, kind, cell = tracing.current().builder, pool.entry.kinds[0], pool.stacks[0]
    first = builder.cast(start.read(), INDEX)
    count = builder.iop("sub", builder.cast(stop.read(), INDEX), first)
    deepest = builder.iop("sub", builder.iop("sub", pool.total._value, 1), first)
    whole = Type(kind.dtype, (as_dim(count), *kind.dims))
    block = Block((INDEX_SCALAR, cell._value.type, whole), ["i", "stack", "rows"])
    i, stack, rows = block.params
    with builder.at(block):
        depth = builder.iop("sub", deepest, i)
        rest, found = builder.emit("exchange", stack, depth, builder.full(0, kind.dims, kind.dtype))
        back = builder.emit("exchange", rest, depth, found)[0]
        block.yields = back, builder("update", rows, found, i, spec="i" + ":" * len(kind.dims))
    stack, made = builder.emit("for", count, cell._value, builder.full(0, whole.dims, kind.dtype), regions=(block,))
    cell.set(stack)
    return list_entries.read_only(boxes.array(made))


# --- use --------------------------------------------------------------------------------------------------------------

class RaggedItems(iteration.Source):
    """Such a list, as it was when the loop began."""

    __slots__ = ("held", "origin")

    def __init__(self, held: Any):
        self.held, self.origin = held.settled(), held
        self.trip = self.held.columns[0].dims[0]

    def at(self, k: Any) -> Any:
        return self.held[boxes.count(k) if isinstance(k, int) else ScalarBox(k, "int")]


def _of_list(f: Any, args: tuple, kwargs: dict) -> Any:
    """A function of NumPy that joins the arrays of such a list."""
    held, axis = args[0], (*args[1:2], kwargs.get("axis", 0))[0]
    dims = held.facts.kinds[0].dims if isinstance(held, _Decoded) and held.facts.structure is pytrees.LEAF else None
    if f is len or dims is None or len(args) + len(kwargs) > 1 + ("axis" in kwargs or len(args) > 1):
        return NotImplemented
    if (f is np.concatenate and axis == 0) or (f is _JOINING.get(len(dims)) and len(args) + len(kwargs) == 1):
        now = held.settled()
        return calls.call(list_programs.joined_arrays, now, _slice(now.columns[-1], 0, 0))
    return NotImplemented


_JOINING = {0: np.hstack, 1: np.vstack}              # what joins along the first axis, by how many the others are


def _splitting(plain: Callable) -> Callable:
    """np.split at positions of which only run time knows how many there are."""
    def run(ary: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
        box = indices_or_sections
        if isinstance(box, ArrayBox) and len(box.dims) == 1 and type(box.dims[0]) is not int and axis == 0:
            return calls.call(list_programs.cut, ary, box)
        return plain(ary, indices_or_sections, axis)

    return functools.wraps(plain)(run)


def _split(x: Settled) -> tuple:
    """With a one, which is none in what is no value: a tangent, or the values of a batch."""
    return (ScalarBox(const(1, I64)), *x.columns), (x.facts,)


def _join(meta: tuple, children: Sequence) -> Any:
    (facts,), (one, *columns) = meta, children
    if not isinstance(one, (int, float, np.generic, np.ndarray)):
        return Settled(facts, list(columns))
    if np.ndim(one) or one != 1 or not isinstance(one, (int, np.integer)):
        raise UnsupportedError("a list of arrays of different lengths is returned by a function of which a derivative or a "
                               "batch is taken", "return arrays")
    kinds = facts.row.kinds
    pools = columns[len(kinds):]
    listed = [x.tolist() if kind.weak else list(x) for x, kind in zip(columns, kinds)]
    like = object.__new__(Settled)
    like.facts = facts
    return [like._decode(row, lambda k, start, stop: pools[k][start:stop].copy()) for row in zip(*listed)]


calls.OUTGROWN.append(grow)
packed_lists.OUTGROWN.append(grow)
packed_lists.MAKERS[Ragged] = ragged
list_entries.PILES.add(Ragged)
dynamic_lists.UNLIKE.append(outgrown)
calls.STAND_INS.add(RaggedList)
calls.SPREAD.update({RaggedList: _of_list, Settled: _of_list})
for _function in (np.split, np.array_split):
    FUNCTIONS[_function] = _splitting(FUNCTIONS[_function])
    REDIRECT[_function] = dispatch.passing(_function, FUNCTIONS[_function])
iteration.SOURCES.update({RaggedList: RaggedItems, Settled: RaggedItems})
live_lists.WATCHED[RaggedList] = lambda held: held.rows
iteration.DRIVEN[RaggedList] = live_lists.run
pytrees.learn(Settled, pytrees.Kind("list", _split, _join, lambda meta, n: [""] * n))
