"""Nested containers: flattening to leaves and back.

  tree ::= None | tuple | list | dict | slice | namedtuple | dataclass instance | structured array | registered type | leaf

The leaves of a dict come in the order of its sorted keys (as in JAX); rebuilding it gives back the insertion order. A
`TreeDef` is hashable and says everything but the leaves: two trees that rebuild alike have equal ones.
"""
from __future__ import annotations

import collections
import dataclasses
import types
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.errors import ArgumentTypeError

if TYPE_CHECKING:
    from ..ir.types import Array
    from .sequences.records import Records
    from .values.boxes import Box


class Kind:
    """How one container type is taken apart and put together.

    split(x) -> (children, meta)     meta is hashable
    join(meta, children) -> x
    labels(meta, n) -> for each child the text that leads to it, for messages: "[0]", "['w']", ".mass"
    """

    __slots__ = ("join", "labels", "name", "split")

    def __init__(self, name: str, split: Any, join: Any, labels: Any):
        self.name, self.split, self.join, self.labels = name, split, join, labels

    def __repr__(self) -> str:
        return self.name


class TreeDef:
    """The structure of a tree. `kind` is None for a leaf."""

    __slots__ = ("children", "count", "hash", "kind", "meta")

    def __init__(self, kind: Kind | None, meta: Any = None, children: tuple[TreeDef, ...] = ()):
        self.kind, self.meta, self.children = kind, meta, children
        self.count: int = sum(c.count for c in children) if kind is not None else 1
        self.hash = hash((kind and kind.name, meta, children))

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, TreeDef) and self.hash == other.hash and self.kind is other.kind
                                 and self.meta == other.meta and self.children == other.children)

    def matches(self, other: TreeDef) -> bool:
        """Whether trees of both structures have the same leaves at the same places: dicts and objects may differ in order."""
        if self.kind is not other.kind or len(self.children) != len(other.children):
            return False
        keyed = self.kind is DICT or self.kind is DEFAULT
        same = self.meta[0] == other.meta[0] if keyed else (
            self.meta[:2] == other.meta[:2] if self.kind is OBJECT else self.meta == other.meta)
        return same and all(a.matches(b) for a, b in zip(self.children, other.children))

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        parts = list(map(repr, self.children))
        if self.kind is NONE:
            return "None"
        if self.kind is LIST:
            return f"[{', '.join(parts)}]"
        if self.kind is TUPLE:
            return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
        if self.kind is DICT:
            return f"{{{', '.join(f'{key!r}: {part}' for key, part in zip(self.meta[0], parts))}}}"
        labels = self.kind.labels(self.meta, len(parts))
        name = self.meta[0].__name__ if self.kind in (NAMED, BUNCH, DATACLASS, OBJECT) else self.kind.name
        return f"{name}({', '.join(f'{label}: {part}' for label, part in zip(labels, parts))})"

    def unflatten(self, leaves: list) -> Any:
        """The tree of this structure with these leaves."""
        leaves = list(leaves)
        if len(leaves) != self.count:
            raise ArgumentTypeError(f"a structure of {self.count} leaves was given {len(leaves)}: {self!r}")
        return self._build(iter(leaves))

    def _build(self, leaves: Iterator) -> Any:
        if self.kind is None:
            return next(leaves)
        return self.kind.join(self.meta, [c._build(leaves) for c in self.children])

    def paths(self, prefix: str = "") -> list[str]:
        """For each leaf, how a user would write it: params[0]['w']."""
        if self.kind is None:
            return [prefix]
        labels = self.kind.labels(self.meta, len(self.children))
        return [path for label, child in zip(labels, self.children) for path in child.paths(prefix + label)]

    def flatten_up_to(self, x: Any) -> list:
        """The subtrees of x that stand where this structure has leaves; x's upper part must have this structure."""
        if self.kind is None:
            return [x]
        opened = (self.kind is OBJECT and type(x) is self.meta[0]) or (self.kind is SET and type(x) in (set, Members))
        kind = self.kind if opened else kind_of(x)
        children, meta = kind.split(x) if kind else ((), None)
        if kind is not self.kind or meta != self.meta or len(children) != len(self.children):
            raise ArgumentTypeError(f"expected the structure {self!r}, found a {type(x).__name__} that does not fit it")
        return [leaf for c, part in zip(self.children, children) for leaf in c.flatten_up_to(part)]


def _indexed(meta: Any, n: int) -> list[str]:
    return [f"[{k}]" for k in range(n)]


def _keyed(meta: tuple[tuple[str, ...], ...], n: int) -> list[str]:
    return [f"[{k!r}]" for k in meta[0]]


def _dotted(meta: tuple[type, tuple[str, ...]], n: int) -> list[str]:
    return [f".{name}" for name in meta[1]]


def sorted_keys(keys: dict) -> tuple:
    """Sorted where the keys can be compared, else as they come."""
    keys = tuple(keys)
    try:
        return tuple(sorted(keys))
    except TypeError:
        return keys


def _split_dict(x: dict) -> tuple[list, tuple[tuple, ...]]:
    keys = sorted_keys(x)
    return [x[k] for k in keys], (keys, tuple(x))


def _join_dict(meta: tuple[tuple, ...], children: list) -> dict:
    keys, order = meta
    if keys == order:
        return dict(zip(keys, children))
    found = dict(zip(keys, children))
    return {k: found[k] for k in order}


def _split_default(x: Any) -> Any:
    keys = sorted_keys(x)
    return [x[k] for k in keys], (keys, tuple(x), x.default_factory)


def _join_default(meta: Any, children: Any) -> Any:
    return collections.defaultdict(meta[2], _join_dict(meta[:2], children))


def attributes(x: Any) -> dict[str, Any]:
    """The attributes of an instance, in its `__dict__` and in the `__slots__` of its classes."""
    found = dict(getattr(x, "__dict__", ()))
    for cls in type(x).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            name = f"_{cls.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name
            if name not in ("__dict__", "__weakref__") and hasattr(x, name):
                found[name] = getattr(x, name)
    return found


def set_attribute(x: Any, name: str, value: Any) -> None:
    """Put an attribute where `attributes` finds it: no code of the class runs, which may refuse or change what is assigned."""
    if hasattr(x, "__dict__") and not isinstance(getattr(type(x), name, None), types.MemberDescriptorType):
        x.__dict__[name] = value
    else:
        object.__setattr__(x, name, value)


def own_names(cls: type, names: tuple[str, ...]) -> tuple[int, bool]:
    """(how many of the attributes lie in the `__dict__` of an instance, -1 where it has none; whether all slots are set)."""
    members = [vars(base).items() for base in cls.__mro__]
    slots = {name for part in members for name, value in part if isinstance(value, types.MemberDescriptorType)}
    return len(set(names) - slots) if cls.__dictoffset__ else -1, slots <= set(names)


def remove_attribute(x: Any, name: str) -> None:
    if name in getattr(x, "__dict__", ()):
        del x.__dict__[name]
    else:
        object.__delattr__(x, name)


def _split_object(x: Any) -> tuple[list, tuple[type, tuple[str, ...], tuple[str, ...]]]:
    held = attributes(x)
    names = sorted(held)
    return [SEEN[0](type(x), name, held[name]) for name in names], (type(x), tuple(names), tuple(held))


# What stands for an attribute of an object that is taken apart (staging/argument_objects.py)
SEEN: list[Callable[[type, str, Any], Any]] = [lambda cls, name, value: value]


def _join_object(meta: tuple[type, tuple[str, ...], tuple[str, ...]], children: list) -> Any:
    made: Any = object.__new__(meta[0])
    found = dict(zip(meta[1], children))
    for name in meta[2]:                 # `vars` gives them in the order in which they came
        set_attribute(made, name, found[name])
    return made


# Leaves that a dataclass may have beside its fields; traced values come to them (staging/argument_objects.py)
LEAVES: list[type] = [int, float, complex, str, type(None)]


def _is_leaf(x: Any) -> bool:
    return x.dtype.kind in "biufc" if type(x) is np.ndarray or isinstance(x, np.generic) else isinstance(x, tuple(LEAVES))


def _fields(x: Any) -> tuple[str, ...]:
    """The fields of a dataclass, then what `__post_init__` or a method has given to the instance beside them."""
    names = tuple([f.name for f in dataclasses.fields(x) if hasattr(x, f.name)])
    more = [name for name in getattr(x, "__dict__", ()) if name not in names]
    return (*names, *[name for name in more if _is_leaf(x.__dict__[name])]) if more else names


def _split_dataclass(x: Any) -> tuple[list, tuple[type, tuple]]:
    names = _fields(x)
    return [getattr(x, n) for n in names], (type(x), names)


def _join_dataclass(meta: tuple[type, tuple[str, ...]], children: list[int | Box | tuple[int, ...]]) -> Any:
    made: Any = object.__new__(meta[0])
    for name, child in zip(meta[1], children):
        set_attribute(made, name, child)
    return made


def _split_bunch(x: Any) -> tuple[list, tuple[type, tuple[str, ...], int]]:
    return [*x, *vars(x).values()], (type(x), (*x._fields, *vars(x)), len(x))


def _join_bunch(meta: tuple[type, tuple[str, ...], int], children: list) -> Any:
    cls, names, count = meta
    made: Any = tuple.__new__(cls, children[:count])
    made.__dict__.update(zip(names[count:], children[count:]))
    return made


NONE = Kind("None", lambda x: ((), None), lambda meta, c: None, lambda meta, n: [])
TUPLE = Kind("tuple", lambda x: (x, None), lambda meta, c: tuple(c), _indexed)
LIST = Kind("list", lambda x: (x, None), lambda meta, c: list(c), _indexed)
DICT = Kind("dict", _split_dict, _join_dict, _keyed)
ORDERED = Kind("OrderedDict", lambda x: (list(x.values()), (tuple(x),)),
               lambda meta, c: collections.OrderedDict(zip(meta[0], c)), _keyed)
DEFAULT = Kind("defaultdict", _split_default, _join_default, _keyed)
# what SciPy's solvers return: a dict whose keys are attributes
RESULT = Kind("result", lambda x: (list(x.values()), (type(x), tuple(x))), lambda meta, c: meta[0](zip(meta[1], c)), _dotted)
NAMED = Kind("namedtuple", lambda x: (x, (type(x), x._fields)), lambda meta, c: meta[0](*c), _dotted)
# a tuple whose class initialises it with more than its fields, as SciPy's results of tests do
BUNCH = Kind("tuple with attributes", _split_bunch, _join_bunch, _dotted)
DATACLASS = Kind("dataclass", _split_dataclass, _join_dataclass, _dotted)
# an instance of a plain class, where whoever flattens a tree wants it open (`opened` below)
OBJECT = Kind("object", _split_object, _join_object, _dotted)

SLICE = Kind("slice", lambda x: ((x.start, x.stop, x.step), None), lambda meta, c: slice(*c),
             lambda meta, n: [".start", ".stop", ".step"])

SPARSE = Kind("sparse matrix", lambda x: ((x.data, x.indices, x.indptr), (getattr(x, "cls", type(x)), tuple(x.shape))),
              None, lambda meta, n: [".data", ".indices", ".indptr"])        # sequences/sparse.py says how it is put together
_SPARSE = {"csr_matrix", "csc_matrix", "csr_array", "csc_array"}


def is_sparse_class(cls: type) -> bool:
    """Whether a class is one of SciPy's, of matrices in compressed rows or columns."""
    return cls.__name__ in _SPARSE and cls.__module__.startswith("scipy.sparse")


class Unread:
    """A field of text, of objects or of times in a structured array: it lies in the memory of the array, and traced code has no
    values for it."""

    __slots__ = ("dtype", "name")

    def __init__(self, dtype: np.dtype, name: str):
        self.dtype, self.name = dtype, name


def _field(held: Any, name: str) -> Any:
    part = held.dtype[name].base
    return held[name] if part.names or part.kind in "biufc" else Unread(part, name)


def _split_records(x: Array | Records) -> tuple[list[Any], tuple[np.dtype, type, bool]]:
    """The fields of a structured array or record, and (its dtype, its class, whether it is one record)."""
    if hasattr(type(x), "__tracegrad_fields__"):
        return x.__tracegrad_fields__()
    one = isinstance(x, np.void)
    held: Any = x if isinstance(x, np.recarray) or (one and x.base is None) else np.asarray(x)     # of a record: its place
    return [_field(held, name) for name in x.dtype.names or ()], (x.dtype, np.ndarray if one else type(held), one)


RECORDS = Kind("structured array", _split_records,
               None, lambda meta, n: [f"[{name!r}]" for name in meta[0].names])    # sequences/records.py puts it together


UNREAD = Kind("field that is not read", lambda x: ((), (x.dtype, x.name)), lambda meta, c: Unread(*meta), lambda meta, n: [])


def fixed(structure: TreeDef) -> list[bool]:
    """For each leaf of a structure whether it is part of a pattern, which has no derivative of its own."""
    if structure.kind is None:
        return [False]
    if structure.kind is SPARSE:
        return [False, True, True]
    return [flag for c in structure.children for flag in fixed(c)]



class Members(list):
    """The members of a set that is an argument, in the order in which it gives them."""


# a set, where whoever flattens a tree wants it open (staging/argument_objects.py)
SET = Kind("set", lambda x: (list(x), None), lambda meta, c: Members(c), lambda meta, n: [f".<{k}>" for k in range(n)])
DEQUE = Kind("deque", lambda x: (list(x), x.maxlen), lambda meta, c: collections.deque(c, meta), _indexed)

_UNKNOWN: Any = object()
_KINDS: dict[type, Kind | None] = {
    type(None): NONE, tuple: TUPLE, list: LIST, dict: DICT, slice: SLICE, collections.deque: DEQUE,
    collections.OrderedDict: ORDERED, collections.defaultdict: DEFAULT, Unread: UNREAD}


def kind_of(x: Any) -> Kind | None:
    """The kind of container that x is; None for a leaf."""
    kind = _KINDS.get(type(x), _UNKNOWN)
    return _learn(x) if kind is _UNKNOWN else kind


def _learn(x: Array | Box) -> Kind | None:
    cls = type(x)
    kind: Kind | None
    if isinstance(x, (np.ndarray, np.void)):
        return RECORDS if x.dtype.names and not isinstance(x, np.ma.MaskedArray) else None
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        kind = NAMED if cls.__init__ is object.__init__ or not cls.__dictoffset__ else BUNCH
    elif dataclasses.is_dataclass(cls) and not hasattr(cls, "__array__"):
        kind = DATACLASS
    elif is_sparse_class(cls):
        kind = SPARSE
    elif issubclass(cls, dict) and any(k.__name__ == "_RichResult" and k.__module__.startswith("scipy.") for k in cls.__mro__):
        kind = RESULT
    elif cls.__module__.startswith("numba.typed.") and cls.__name__ in _TYPED:
        kind = _TYPED[cls.__name__]
    elif cls.__module__ == "builtins" or cls.__module__.startswith(_PACKAGE):
        kind = None                              # a leaf for ever, as nobody makes such classes while a program runs
    else:
        return None
    _KINDS[cls] = kind
    return kind


_PACKAGE = __name__.partition(".")[0] + "."

# numba.typed's containers: in traced code what they are typed versions of
_TYPED = {"List": LIST, "Dict": DICT}


def learn(cls: type, kind: Kind) -> None:
    """Count the instances of a class among the containers of a kind."""
    _KINDS[cls] = kind


def register(cls: type, split: Callable, join: Callable) -> None:
    """Make a class a container: split(x) -> (children, hashable meta), join(meta, children) -> x."""
    _KINDS[cls] = Kind(cls.__name__, lambda x: (lambda c, m: (list(c), m))(*split(x)), join,
                       lambda meta, n: [f".<{k}>" for k in range(n)])


LEAF = TreeDef(None)
_EMPTY = TreeDef(NONE)


def flatten(x: Any, opened: Callable | None = None, whole: Callable | None = None) -> tuple[list, TreeDef]:
    """(leaves, structure). `opened` may give a Kind for what would be a leaf, and `whole` say that a container is one."""
    leaves: list = []
    return leaves, _flatten(x, leaves, opened, whole)


_SUSPECT = 100                 # containers inside of each other from which on it is asked whether one holds itself


def _flatten(x: Any, leaves: list, opened: Callable | None, whole: Callable | None, depth: int = 0,
             above: frozenset[int] = frozenset()) -> TreeDef:
    """`above`: the addresses of the containers around x from level _SUSPECT on. One that holds itself is a RecursionError at
    once, as what else it holds would be flattened once a level."""
    if whole is not None and whole(x):
        leaves.append(x)
        return LEAF
    kind = kind_of(x)
    if kind is None and opened is not None:
        kind = opened(x)
    if kind is None:
        leaves.append(x)
        return LEAF
    if kind is NONE:
        return _EMPTY
    if depth > _SUSPECT:
        if id(x) in above:
            raise RecursionError("a container that holds itself")
        above |= {id(x)}
    children, meta = kind.split(x)
    return TreeDef(kind, meta, tuple([_flatten(c, leaves, opened, whole, depth + 1, above) for c in children]))


def leaves_of(x: Any) -> list:
    return flatten(x)[0]


def map(function: Callable, x: Any, *more: Sequence | dict[str, list[int]]) -> Any:
    """The tree of function(leaf, *the subtrees of `more` at its place)."""
    leaves, structure = flatten(x)
    columns = [structure.flatten_up_to(y) for y in more]
    return structure.unflatten([function(*row) for row in zip(leaves, *columns)])


def containers(x: Any, opened: Callable | None = None) -> Iterator:
    """Every mutable container in a tree."""
    kind = kind_of(x)
    if kind is None and opened is not None:
        kind = opened(x)
    if kind is None or kind is NONE:
        return
    if kind not in (TUPLE, NAMED, BUNCH):
        yield x
    for child in kind.split(x)[0]:
        yield from containers(child, opened)


def places_of(part: TreeDef, whole: TreeDef, counter: Iterator, places: list) -> bool:
    """Whether `part` is the structure `whole`, but for a None in place of whole parts; adds to `places` what of `counter`
    stands
    for each leaf of `whole`, None where nothing does."""
    if part.kind is NONE:
        places += [None] * whole.count
        return True
    if part.kind is None:
        places.append(next(counter))
        return whole.kind is None
    return (part.kind is whole.kind and part.meta == whole.meta and len(part.children) == len(whole.children)
            and all(places_of(p, w, counter, places) for p, w in zip(part.children, whole.children)))
