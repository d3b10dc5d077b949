"""Python lists of numbers that are indexed where only run time knows the position: such a list is an array from its making on.

    best = [0] * (capacity + 1)                    best = Packed(zeros[capacity + 1])
    for w, v in zip(weights, values):              a rolled loop that carries the array
        for c in range(capacity, w - 1, -1):
            best[c] = max(best[c], best[c - w] + v)

A list starts as Python's own. Where the program indexes it with a traced number (`pack`), the trace starts again with the lists
that are made at this place of the source packed; where it does with a packed list what only Python's can (append to it, store a
text), it starts again with them never packed. Numbers of several kinds take the widest. A list of lists of one length is an
array of two axes, whose rows are views; so no list may stand in it twice.
"""
from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np

from ...ir.core import Block, Value, as_dim
from ...ir.errors import UnsupportedError
from ...ir.types import I64, INDEX, INDEX_SCALAR, Array, Type
from .. import pytrees, tracing
from ..numpy.arrays import creation
from ..regions import leaf_types
from ..syntax.comprehensions import ITEM
from ..values import boxes, ownership
from ..values.boxes import ArrayBox, Box, ScalarBox
from . import iteration

if TYPE_CHECKING:
    from types import FrameType

    from ...ir.core import Op
    from ..regions.leaf_types import Kind
    from ..tracing import Trace
    from .iteration import Source

NEVER = None                     # of a place: its lists are not packed
NEITHER = False                  # nor are they piles (containers/lists/dynamic_lists.py)
ARGUMENT = "argument"            # of the place of a list that is an argument (staging/list_arguments.py)
# a comprehension's: its conditions are known only at run time (sequences/generator_reductions.py)
KEPT = True
GROWING: set[type] = {list}      # classes of which some are made in another form; containers/tables/dynamic_dicts.py has more
MAKERS: dict = {}                # class of what is known of a place -> maker(trace, list, that, site)
ENTRY_OF: list = []              # what is known of the entries of a list that does not change (sequences/list_copies.py)
FRESH: list = []                 # what makes one of them that has been made at a place one that can be changed, if it has to be
CONCATENATED: list = []          # what makes a list of the entries of several (containers/lists/dynamic_lists.py)
COLLECTED: dict = {}             # the same of comprehensions -> maker(trace, element, source, site, that)


EQUAL: list[Callable] = []       # a == b of lists, and `not` (containers/list_functions.py)
CONTAINS: list[Callable] = []    # x in a list whose items are no plain numbers


class Settling:
    """What stands for a container of Python that has another form: settled() is one that does not change, returned() what the
    caller gets."""

    __slots__ = ()
    stands_for: Any = list                                # its type to the program

    if TYPE_CHECKING:
        def settled(self) -> Any: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...

    def returned(self) -> Any:
        return self.settled()


def expect_own(held: Any) -> None:
    """Before a change of a list, dict or set: a copy that may stand for what something else holds cannot be changed, and is not
    made (containers/rebinding.py)."""
    if held.shared:
        raise tracing.Restart(lists={held.site: NEVER})
    if ownership.joined(tracing.current(), held):
        ownership.refuse_joined(held, "this")


class ListValue(Settling):
    """What is a list to the program: array() is np.array of it, packed() the same as a packed list of numbers."""

    __slots__ = ()
    shown = "list"                                        # its type, in messages

    if TYPE_CHECKING:                                     # each kind of list has these
        def array(self) -> Any: ...
        def packed(self) -> PackedList: ...
        def settled(self) -> Any: ...
        def extend(self, items: Any) -> None: ...
        def __getitem__(self, key: Any) -> Any: ...

    def __eq__(self, other: object) -> Any:
        same = isinstance(other, ListValue) and other.shown == self.shown
        return EQUAL[0](self, other) if same or (type(other) is list and self.shown == "list") else False

    def __ne__(self, other: object) -> Any:
        return EQUAL[1](self == other)

    def same(self, other: Any) -> Any:
        """Whether Python has one list for both."""
        return self is other

    @property
    def unbounded(self) -> bool:
        """Whether its length is known only at run time."""
        return True

    @property
    def structured(self) -> bool:
        """Whether its items are tuples, texts or others that are no number or array."""
        entry = getattr(self, "entry", None)
        return entry is not None and entry.structure is not pytrees.LEAF


class Fixed(ListValue):
    """A list of run-time length that does not change. `grows`: the place of the program that has made it as a new one; where
    it is changed all the same, the trace starts again with one that can be (sequences/list_copies.py). `source`: the list of
    which it is what that held at the end of a branch (sequences/joined_lists.py)."""

    __slots__ = ("grows", "source")
    grows: Any
    source: Any

    def copy(self) -> Any:
        raise NotImplementedError

    def expect_growing(self) -> None:
        """Before what only a list that can be changed does."""
        site = getattr(self, "grows", None)
        if site is not None and site not in tracing.current().lists:
            raise tracing.Restart(lists={site: ENTRY_OF[0](self)})


def fresh(held: Any) -> Any:
    """A list that the program has just made as a copy, or a part, of another one."""
    return FRESH[0](held) if isinstance(held, Fixed) and tracing.active() is not None else held


class PackedList(Fixed):
    """A list whose elements are those of `box`. `kind`: their leaf type; `site`: the place of the source that made it; `named`:
    whether lists in it may have other names, through which it cannot be seen."""

    __slots__ = ("box", "kind", "named", "site")

    def __init__(self, box: ArrayBox, kind: leaf_types.Kind, site: tuple[int, ...] | None = None, named: bool = False):
        self.box, self.kind, self.site, self.named = box, kind, site, named

    def __len__(self) -> int:
        return len(self.box)

    def __iter__(self) -> Any:
        return (self.item(k) for k in range(len(self.box)))

    def item(self, k: Any) -> Any:
        if len(self.box.dims) > 1:
            return PackedList(boxes.as_array(self.box[k]), self.kind, self.site, self.named)
        return ScalarBox(self.box[k].read(), self.kind.weak)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return PackedList(boxes.array(self.box[key].read()), self.kind, self.site)
        return self.item(_position(self, key))

    def __setitem__(self, key: int | ScalarBox, value: float | ScalarBox) -> None:
        found = leaf_types.kind_of(value)
        if isinstance(key, slice) or len(self.box.dims) > 1 or found is None or found.form != "scalar" or self.named:
            never(self, "an assignment to it")
        joined = leaf_types.join(self.kind, found._replace(dtype=I64) if found.dtype is INDEX else found)
        if joined != self.kind:
            _again(self, joined, "an assignment to it")
        self.box[_position(self, key)] = ScalarBox(leaf_types.emit(value, self.kind))

    @property
    def unbounded(self) -> bool:
        return type(self.box.dims[0]) is not int

    def same(self, other: Any) -> Any:
        if self is not other and type(other) is PackedList and self.box.root is other.box.root:
            never(self, "the question which of its lists one is")
        return self is other

    def array(self) -> ArrayBox:
        return self[:].box

    def packed(self) -> PackedList:
        return self

    settled = packed

    def copy(self) -> Any:
        if len(self.box.dims) > 1:
            never(self, "a copy that shares its lists")
        return fresh(self[:])

    def __deepcopy__(self, memo: dict[Op, bool]) -> Any:
        return fresh(PackedList(boxes.array(self.box.read()), self.kind, self.site))

    __copy__ = copy

    def __getattr__(self, name: str) -> NoReturn:
        if hasattr(list, name) and not name.startswith("__"):
            never(self, f"list.{name}")
        raise AttributeError(f"'list' object has no attribute '{name}'")

    def __str__(self) -> str:
        return never(self, "its text")

    def __format__(self, spec: str) -> str:
        return str(self)

    def _as_python(self, *others: Any) -> Any:
        never(self, "this operation")

    def __add__(self, other: Any) -> Any:
        return self._joined(other, self, other)

    def __radd__(self, other: Any) -> Any:
        return self._joined(other, other, self)

    def _joined(self, other: Any, *parts: Any) -> Any:
        """A list of both; of run-time length, if that of one is."""
        if self.unbounded or self.site is None or getattr(other, "unbounded", False):
            return CONCATENATED[0](self, *parts)
        return never(self, "this operation")

    __mul__ = __rmul__ = __iadd__ = __imul__ = __eq__ = __ne__ = _as_python
    __lt__ = __le__ = __gt__ = __ge__ = __delitem__ = __contains__ = _as_python


def _position(held: PackedList, key: int | ScalarBox) -> int | ScalarBox:
    if not isinstance(key, (int, np.integer, ScalarBox)) or (isinstance(key, ScalarBox) and key.dtype_ir.kind not in "iux"):
        raise TypeError("list indices must be integers or slices")
    return key


def _again(held: PackedList, kind: Kind | None, what: str) -> NoReturn:
    """Trace again with the lists of this place of another kind, or never packed."""
    held.expect_growing()
    if held.site is None:
        raise UnsupportedError(f"{what}, of a list of run-time length that cannot be changed, as it may be one of two",
                               "make it a new one before: `x = list(x)`, `x = x[:]`", tracing.locate())
    raise tracing.Restart(lists={held.site: kind})


def never(held: PackedList, what: str) -> NoReturn:
    _again(held, NEVER, what)


# --- making -----------------------------------------------------------------------------------------------------------

def place() -> tuple[int, ...]:
    """The place of the source that the program stands at, and those that called it: a helper may make a list of ints for one
    caller and a list of tuples for another. (0,) where there is no line of the user's, as in tg.jit(list)."""
    frame: FrameType | None = sys._getframe(2)
    found: list[int] = []
    while frame is not None:
        if id(frame.f_code) in tracing.PLACES:
            found += id(frame.f_code), frame.f_lasti
        frame = frame.f_back
    return tuple(found) or (0,)


def made(held: Any) -> Any:
    """A list, dict or set that the program has just made: itself, or in another form."""
    trace = tracing.active()
    if trace is None or type(held) not in GROWING:
        return held
    site = place()
    found = trace.lists.get(site)
    if type(found) in MAKERS:
        instead = MAKERS[type(found)](trace, held, found, site)
        if instead is not None:
            return instead
    trace.born_at[id(held)] = held, site
    return trace.note_fresh(held)


def collected(trace: Trace, element: Callable, source: Source, collect: Callable) -> Any:
    """[element(item) for item in source], where the elements may be lists: then each is a row. `collect` runs the loop."""
    site = place()
    if type(trace.lists.get(site)) in COLLECTED:
        found = trace.lists[site]
        return COLLECTED[type(found)](trace, element, source, site, found)
    if not isinstance(trace.lists.get(site), leaf_types.Kind):
        return made(collect(element, source))
    kinds: list = []

    def row(item: Any) -> Any:
        found = element(item)
        if type(found) is not list and not isinstance(found, PackedList):
            return found
        kinds.append(found.kind if isinstance(found, PackedList) else element_kind(found) if found else None)
        if kinds[-1] is None or trace.born_at.get(id(found), (None, None))[0] is not found:
            raise tracing.Restart(lists={site: NEVER})               # no numbers, or a list that was there before
        return creation.array(array_of(found))

    held = collect(row, source)
    kind = kinds and trace.lists[site] and leaf_types.join(kinds[0], trace.lists[site])
    if not kinds:
        return made(held)
    if not kind or any(k != kinds[0] for k in kinds):
        raise tracing.Restart(lists={site: NEVER})
    rows = creation.array(held)
    return PackedList(boxes.array(tracing.current().builder.cast(rows.read(), kind.dtype)), kind, site)


def _packed(trace: Trace, held: list[float | ScalarBox], wider: Kind, site: tuple[int, ...]) -> PackedList | None:
    if not held:
        return None
    kind = element_kind(held)
    joined = kind and leaf_types.join(kind, wider)
    if not joined:
        trace.lists[site] = NEVER
        return None
    rows = creation.array(array_of(held))
    named = [x for x in held if type(x) is list and not written_within(trace.born_at.get(id(x), (x, ()))[1], site)]
    trace.packed.update({id(x): (x, site) for x in cast("list[list]", named)})
    return PackedList(boxes.array(tracing.current().builder.cast(rows.read(), joined.dtype)), joined, site, bool(named))


def written_within(inner: tuple, outer: tuple) -> bool:
    """Whether the expression that made a list is written inside of the one that made the other: then it has no other name."""
    if inner and outer and inner[0] == outer[0] == ARGUMENT:
        return True
    if not inner or not outer or not isinstance(inner[0], int):
        return False
    if len(inner) > len(outer) and inner[-len(outer):] == outer:         # by the function that makes a comprehension's items
        own = [tracing.PLACES[x] for x in inner[:-len(outer):2]]
        return all(place.inner or place.code.co_varnames[:1] == (ITEM,) for place in own)
    if inner[0] != outer[0] or inner[2:] != outer[2:]:
        return False
    positions = list(tracing.PLACES[inner[0]].code.co_positions())
    ends: Any = [positions[x[1] // 2] for x in (inner, outer)]
    if any(part is None for end in ends for part in end):
        return False
    (line, last, first, end), (begin, until, left, right) = ends
    return (begin, left) < (line, first) and (last, end) < (until, right)


def expect_alone(trace: Trace, held: Any) -> None:
    """Before a list is written to: one that has been copied into a packed one of lists is no list of its own."""
    found = trace.packed.get(id(held))
    if found is not None and found[0] is held:
        raise tracing.Restart(lists={found[1]: NEVER})


def array_of(held: Any) -> Any:
    """The elements of a list, or of one in another, for np.array."""
    return [array_of(x) for x in held] if type(held) is list else held.box if isinstance(held, PackedList) else held


def element_kind(held: list[float | ScalarBox]) -> leaf_types.Kind | None:
    """The leaf type that holds every number of a list, or of lists of one length; None where there is none."""
    if type(held[0]) is list:
        if any(type(x) is not list or len(x) != len(held[0]) or not x for x in held) or len({id(x) for x in held}) < len(held):
            return None
        kinds = [element_kind(x) if type(x[0]) is not list else None for x in held]
    else:
        kinds = [leaf_types.kind_of(x) for x in held]
    joined = kinds[0]
    for kind in kinds:
        joined = joined and kind and kind.form == "scalar" and leaf_types.join(joined, kind)
    return joined._replace(dtype=I64) if joined and joined.dtype is INDEX else joined or None


# told(trace, list, method, arguments) of one that has to be of run-time length (containers/lists/dynamic_lists.py)
OUTGROWN: list[Callable] = []


def pack(trace: Trace, held: Any) -> None:
    """Told before a list is indexed with a traced number: trace again with it packed, if it can be; one that was empty when it
    was made, and has been appended to since, with a length that only run time knows."""
    epoch = trace.born_at.get(id(held))
    if epoch is None or epoch[0] is not held or not held:
        return
    if epoch[1] in trace.lists and not isinstance(trace.lists[epoch[1]], leaf_types.Kind):
        return
    kind, known = element_kind(held), trace.lists.get(epoch[1])
    if kind is not None and known is not None and leaf_types.join(known, kind) == known:
        outgrow(trace, held, "pop", ())
    if kind is not None:
        raise tracing.Restart(lists={epoch[1]: kind})


def outgrow(trace: Trace, held: Any, name: str, args: tuple) -> None:
    """Told before list.<name>(*args): trace again with the list of a length that only run time knows, if it can be."""
    for told in OUTGROWN:
        told(trace, held, name, args)


def settled(x: Any, own: Mapping[int, Any] = MappingProxyType({})) -> Any:
    """What a function returns, in which lists are as they are now; but for those (by address) that are the caller's own."""
    leaves, structure = pytrees.flatten(x, None, lambda y: id(y) in own)
    if any(isinstance(leaf, Settling) for leaf in leaves):
        return structure.unflatten([leaf.returned() if isinstance(leaf, Settling) and id(leaf) not in own else leaf
                                    for leaf in leaves])
    return x


# --- use --------------------------------------------------------------------------------------------------------------

class PackedListItems(iteration.Source):
    """A packed list as what a loop runs over."""

    __slots__ = ("held",)

    def __init__(self, held: PackedList):
        self.held, self.trip = held, held.box.dims[0]

    def at(self, k: Any) -> Any:
        return self.held.item(boxes.count(k) if isinstance(k, int) else ScalarBox(k, "int"))


def reduced(function: Callable, held: ListValue) -> ScalarBox:
    """sum, min or max of a list of numbers: a Python number."""
    packed = held.packed()
    found, kind = boxes.REDIRECT[function](packed.box), packed.kind
    kind = kind if kind.weak != "bool" or function is not sum else kind._replace(weak="int", dtype=I64)
    return ScalarBox(leaf_types.emit(found, kind), kind.weak) if isinstance(found, Box) else found


def _split(x: PackedList) -> tuple[tuple[ArrayBox, ...], tuple[Kind, ...]]:
    return (x.box,), (x.kind,)


def _join(meta: tuple[Kind, ...], children: Sequence[np.ndarray]) -> list[Array]:
    (kind,), (box,) = meta, children
    if isinstance(box, np.ndarray):
        return box.tolist() if kind.weak else [list(row) for row in box] if box.ndim > 1 else list(box)
    return PackedList(box, kind)


iteration.SOURCES[PackedList] = PackedListItems
MAKERS[leaf_types.Kind] = _packed
pytrees.learn(PackedList, pytrees.Kind("list", _split, _join, lambda meta, n: [""]))


# --- stacks and arrays ------------------------------------------------------------------------------------------------

def poured(stack: Value, count: Value, kind: Kind) -> Value:
    """The entries of a stack as the rows of an array: for i in 0 … n: rows[n - 1 - i] = pop."""
    builder = tracing.current().builder
    dims = tuple(map(builder.index, kind.dims))
    whole = Type(kind.dtype, (as_dim(count), *kind.dims))
    block = Block((INDEX_SCALAR, stack.type, whole), ["i", "stack", "rows"])
    i, below, rows = block.params
    with builder.at(block):
        below, found = builder.emit("pop", below, *dims)
        at = builder.iop("sub", builder.iop("sub", count, 1), i)
        block.yields = below, builder("update", rows, found, builder.index(at), spec="i" + ":" * len(kind.dims))
    start = builder.full(0, whole.dims, kind.dtype)
    return builder.emit("for", count, stack, start, regions=(block,))[1]


def refilled(rows: Value, count: Value, kind: Kind, start: Value | None = None) -> Value:
    """A stack with the rows of an array on what it held, which is nothing if it is a new one."""
    builder = tracing.current().builder
    start = builder("stack_new", dtype=kind.dtype) if start is None else start
    block = Block((INDEX_SCALAR, start.type), ["i", "stack"])
    with builder.at(block):
        found = builder("slice", rows, block.params[0], spec="i" + ":" * len(kind.dims))
        block.yields = builder("push", block.params[1], found),
    return builder.emit("for", count, start, regions=(block,))[0]
