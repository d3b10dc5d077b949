"""Python's sequences where only run time knows an order or a position: sorted, list.sort, min and max by a key, xs[i].

    sorted(xs, key=f)     ys = np.array(xs)[stable argsort of the keys]     as a list again, one array for each leaf of an item
    max(xs, key=f)        xs[np.argmax(keys)]
    xs[i]                 np.array(xs)[i]

Items may be numbers, arrays of one shape, or tuples of such; keys numbers, or tuples of numbers, compared from the left. NaN
comes last, as in NumPy; where Python puts it depends on the order of its comparisons.
"""
from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ...ir.errors import UnsupportedError
from ...ir.thresholds import sizes
from .. import pytrees, tracing
from ..calling import calls, class_calls
from ..control import iteration, other_names, packed_lists
from ..numpy.arrays import creation
from ..regions import leaf_types, list_scan_outputs, region_tracing
from ..values import boxes, captured_arrays, captured_values, ownership
from ..values.boxes import ArrayBox, Box, ScalarBox
from ..values.python.chosen_texts import ChosenText, among, in_order, texts_of
from . import array_choice, holders

if TYPE_CHECKING:
    from ...ir.core import Value
    from ..pytrees import TreeDef
    from ..regions.leaf_types import Kind
    from ..regions.list_scan_outputs import Row
    from ..tracing import Trace


class Columns:
    """A sequence as one array for each leaf of its items; None from `of` where the items are not alike."""

    __slots__ = ("arrays", "count", "kinds", "structure")

    def __init__(self, structure: TreeDef, arrays: list[ArrayBox], kinds: list[Kind], count: int):
        self.structure, self.arrays, self.kinds, self.count = structure, arrays, kinds, count

    @classmethod
    def of(cls, items: Any, opened: Callable | None = None) -> Columns | None:
        rows = list_scan_outputs.rows_of(items)
        if rows is not None and (of_rows := leaf_types.kind_of(items[0])) is not None:
            return cls(pytrees.LEAF, [rows], [of_rows], len(items))
        opened = opened or leaf_types.opener(items)
        parts = [pytrees.flatten(x, opened) for x in _numbered(items, opened)]
        structure = parts[0][1]
        if any(p[1] != structure for p in parts):
            return None
        arrays, kinds = [], []
        for column in zip(*(leaves for leaves, _ in parts)):
            kind = _common(column)
            if kind is None:
                return None
            kinds.append(kind)
            arrays.append(boxes.array(creation.stacked([leaf_types.emit(x, kind) for x in column])))
        return cls(structure, arrays, kinds, len(parts))

    def at(self, position: Box) -> ScalarBox | tuple[ScalarBox, ...]:
        """The item at a position, an array of no rank or a number."""
        return self.structure.unflatten([self._leaf(a[position], kind) for a, kind in zip(self.arrays, self.kinds)])

    def _leaf(self, found: Any, kind: Kind) -> Any:
        return ScalarBox(found.read(), kind.weak) if kind.form == "scalar" else boxes.array(found.read())

    def listed(self, order: ArrayBox) -> list:
        """The items in another order, as a list."""
        return list_scan_outputs.listed(self.structure, [(boxes.to_value(a[order]), kind) for a,
                                                         kind in zip(self.arrays, self.kinds)],
                              self.count)


def _numbered(items: Any, opened: Callable) -> list:
    """The items with their texts as numbers of them, in the order of the texts."""
    parts = [pytrees.flatten(x, opened, lambda y: type(y) is ChosenText) for x in items]
    if not any(texts_of(leaf) for leaves, _ in parts for leaf in leaves) or len({structure for _, structure in parts}) > 1:
        return list(items)
    for position in range(len(parts[0][0])):
        column = [texts_of(leaves[position]) for leaves, _ in parts]
        if all(texts is not None for texts in column):
            found = {text for texts in column for text in texts or ()}
            if len(set(map(type, found))) > 1:
                return list(items)
            known = in_order(found)
            for leaves, _ in parts:
                leaves[position] = ChosenText(among(leaves[position], known), known)
    return [structure.unflatten(leaves) for leaves, structure in parts]


def _common(column: tuple[float | str | ScalarBox, ...]) -> Kind | None:
    """The leaf type that holds every leaf of a column."""
    kinds = map(leaf_types.kind_of, column)
    return functools.reduce(lambda a, b: leaf_types.join(a, b) if a is not None and b is not None else None, kinds)


def _traced(x: int | ScalarBox) -> bool:
    return any(isinstance(leaf, Box) for leaf in pytrees.leaves_of(x))


def _refuse(what: str, why: str, remedy: str) -> NoReturn:
    raise UnsupportedError(f"{what}: {why}", remedy, tracing.locate())


# --- order ------------------------------------------------------------------------------------------------------------

def sorted_(iterable: list[ScalarBox] | range | ArrayBox, /, *, key: Callable | None = None,
            reverse: bool = False) -> list[Row]:
    """sorted: by Python where the keys are known, else by stable argsorts of the keys' columns, the last column first."""
    iterable = captured_arrays.seen(iterable)
    items = iteration.iterate(iterable)
    items = items if type(items) is list else list(items)
    keys = items if key is None else [calls.call(key, x) for x in items]
    keys = _deciding(_fields_of(keys, "lt"))
    if not any(map(_traced, keys)):
        order = sorted(range(len(items)), key=keys.__getitem__, reverse=bool(reverse))
        return [items[k] for k in order]
    if len(items) < 2:
        return list(items)
    columns = Columns.of(items)
    if columns is None:
        _refuse("sorted() of objects whose order is known only at run time", "they are not all numbers of one structure",
                "sort numbers, or use np.argsort and arrays")
    made = columns.listed(_order(keys, reverse))
    _twice(items, made)
    return made


_COPIED = ("this array may have another name: sorted(), min() or max() by keys that only run time knows has made a copy of it, "
           "which would miss what is written", "take copies of the arrays first: `sorted([x.copy() for x in items], key=…)`")


def _twice(items: list, copies: list) -> None:
    """Of each of these items there is a copy, which Python has not: neither may be changed, where both can be reached. Items
    that only `items` leads to are gone after a sort in place."""
    trace, parts = tracing.current(), [part for x in copies for part in leaf_types.containers(x)]
    for part in parts:
        trace.note_fresh(part)
    kept = [part for x in items for part in leaf_types.containers(x)]
    if any(map(holders.is_held, kept)):
        trace.copied.update((id(part), ownership.Ordered(part)) for part in (*kept, *parts))
    before, after = _arrays(items), _arrays(copies)
    if any(map(_is_reached, before)):                # then none can be read once another one has been written to
        for one in before:
            for other in after:
                region_tracing.link(trace, other, one)
        for x in (*before, *after) if trace.clock is not None else ():       # nor do identities tell which copy is whose
            x.root.writeable = _COPIED


def _arrays(items: list) -> list[ArrayBox]:
    return [leaf for x in items for leaf in pytrees.flatten(x, leaf_types.opened)[0] if isinstance(leaf, ArrayBox)]


def _is_reached(x: ArrayBox) -> bool:
    """Whether an array can be seen by another name: that of a variable, of the array that it is a view of, of the caller."""
    return x.base is not None or x.own.op is None or holders.is_held(x)


def _fields_of(keys: list, comparison: str) -> list:
    """Objects of a dataclass that Python compares by fields, as tuples of these; other keys as they are."""
    classes = set(map(type, keys))
    fields = class_calls.fields_compared(classes.pop(), comparison) if len(classes) == 1 else None
    return keys if fields is None else [tuple([getattr(k, name) for name in fields]) for k in keys]


def _deciding(keys: list) -> list:
    """The first parts of tuples, where they are known and all differ: they decide, as in the items of a dict."""
    captured_values.asked("__lt__", *keys)
    if all(type(k) is tuple and k and not _traced(k[0]) for k in keys):
        firsts = [k[0] for k in keys]
        if all(a != b for n, a in enumerate(firsts) for b in firsts[:n]):
            return firsts
    return keys


def _order(keys: list[ScalarBox], reverse: bool) -> ArrayBox:
    """Positions in ascending order of the keys; descending, equal ones stay in their order too."""
    columns = Columns.of(keys[::-1] if reverse else keys)
    if columns is None or any(kind.dims for kind in columns.kinds):
        _refuse("an order that is known only at run time", "the keys are not all numbers, or tuples of numbers, alike",
                "sort by numbers")
    *earlier, last = columns.arrays                          # at least one: something of the keys is traced
    order = boxes.FUNCTIONS[np.argsort](last, stable=True)
    for column in reversed(earlier):
        order = order[boxes.FUNCTIONS[np.argsort](column[order], stable=True)]
    return (len(keys) - 1) - order[::-1] if reverse else order


def _sort(held: list, args: Sequence[Value], kwargs: Any) -> bool:
    """held.sort(…) where the order is known only at run time; False where Python sorts."""
    keys = held if args or kwargs.get("key") is None else [calls.call(kwargs["key"], x) for x in held]
    if not any(map(_traced, keys)):
        return False
    items = list(held)
    held.clear()                                     # so that it does not lead to them
    try:
        made = sorted_(items, *args, **kwargs)
    except BaseException:
        held[:] = items
        raise
    held[:] = made
    grown = tracing.current().grown
    if id(made) in grown:
        grown[id(held)] = grown[id(made)]._replace(held=held)
    return True


def _extreme(name: str) -> Callable:
    """min and max: by a key, the first of those whose key is least or greatest."""
    plain = boxes.REDIRECT[getattr(builtins, name)]

    def run(*args: float | ScalarBox, key: Any = None, **default: Any) -> Any:
        if key is None:
            of_tuples: Any = args[0] if len(args) == 1 and type(args[0]) in (list, tuple) else args
            of_tuples = _fields_of(list(of_tuples), "lt" if name == "min" else "gt")
            if not all(isinstance(x, tuple) for x in of_tuples) or not any(map(_traced, of_tuples)):
                return plain(*args, **default)
        items = list(iteration.iterate(args[0])) if len(args) == 1 else list(args)
        if not items:
            return plain(items, **default)
        keys: list[Any] = items if key is None else [calls.call(key, x) for x in items]
        keys = _fields_of(keys, "lt" if name == "min" else "gt")
        if not any(map(_traced, keys)):
            return items[getattr(builtins, name)(range(len(items)), key=keys.__getitem__)]
        columns, order = Columns.of(items), Columns.of(keys)
        if columns is None or order is None or any(kind.dims for kind in order.kinds):
            _refuse(f"{name}() by keys that are known only at run time", "the items, or the keys, are not all numbers alike",
                    "use numbers, or write the comparison as a loop")
        first = _first_extreme(name, order.arrays[0]) if len(order.arrays) == 1 else _order(keys, name == "max")[0]
        found = columns.at(first)
        _twice(items, [found])
        return found

    return run


def _first_extreme(name: str, keys: ArrayBox) -> Any:
    """np.argmin or np.argmax; a NaN loses, unless it comes first."""
    pick = boxes.FUNCTIONS[np.argmin if name == "min" else np.argmax]
    if not keys.dtype_ir.inexact:
        return pick(keys)
    found = pick(np.where(np.isnan(keys), np.inf if name == "min" else -np.inf, keys))
    return np.where(np.isnan(keys[0]), 0, found)


# --- positions --------------------------------------------------------------------------------------------------------

# told(trace, list) of a list of lists that is indexed at a position of run time (nested_lists.py)
NESTED: list[Callable] = []


def _is_sequence(held: Any) -> bool:
    """A list or tuple, or a namedtuple that leaves subscripts to tuple."""
    cls = type(held)
    return cls in (list, tuple) or (issubclass(cls, tuple) and hasattr(cls, "_fields") and cls.__getitem__ is tuple.__getitem__)


def item_at(trace: Trace, held: Any, key: ScalarBox) -> Any:
    """held[key] of a list or tuple, at a position that only run time knows; NotImplemented where the position must be known."""
    if type(held) is range and key.dtype_ir.kind in "iux" and tracing.constant(key.read()) is None:
        return iteration.Range(held.start, held.stop, held.step)[key]
    if not _is_sequence(held) or not held or key.dtype_ir.kind not in "iux":
        return NotImplemented
    if tracing.constant(key.read()) is not None:
        return NotImplemented
    opened = leaf_types.opener(held, known=True)
    leaves = [leaf for x in held for leaf in pytrees.flatten(x, opened)[0]]
    if any(isinstance(leaf, ArrayBox) for leaf in leaves):                       # one of them, under another name
        rows = list_scan_outputs.rows_in_place(held)
        return array_choice.item_at(trace, held, key, opened) if rows is None else rows[key]
    if any(isinstance(x, (list, dict, packed_lists.ListValue)) for x in held):
        packed_lists.pack(trace, held)
        for told in NESTED:
            told(trace, held)
        if not all(type(x) is dict for x in held) or any(isinstance(leaf, (list, dict)) for x in held for leaf in x.values()):
            return NotImplemented
    if len(held) <= sizes.traced_positions and not any(isinstance(leaf, (Box, float, complex, np.generic)) for leaf in leaves):
        array_choice.ask_loops(trace, key)                   # ints may decide shapes: a loop over them is unrolled
    columns = Columns.of(held, opened)
    if columns is None:
        return NotImplemented
    found = columns.at(key)
    if list_scan_outputs.rows_of(held) is None:
        other_names.one_of(trace, held, found, key, opened)
    return found


calls.BUILTINS[sorted] = sorted_
calls.LIST_METHODS["sort"] = _sort
boxes.REDIRECT.update({builtins.min: _extreme("min"), builtins.max: _extreme("max")})
