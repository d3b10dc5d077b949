"""What one specialisation takes and returns: hashable data that `entry` compiles to checks and constructors.

    arguments ::= Arguments((in…), keywords=((name, in)…), given=((from, in)…), lengths=((name, param)…), guards=(condition…))
    in   ::= ArrayIn(dtype, (dim…), param, any) an aligned C-contiguous ndarray of the native byte order; with `any`, of other
                                                layouts too: the kernel gets a copy
          |  ScalarIn(kind, dtype, param)       kind: "float" | "int" | "complex" (Python's own) | "numpy" (a NumPy scalar)
                                                | "Generator" | "RandomState": the kernel gets the object's address
          |  SameIn(first, param)               the very object that came in as parameter `first` (one array passed twice)
          |  HeldIn(like, dims, param, kept)    an ndarray of the type, dtype, shape and strides of `like`; the kernel gets
                                                its memory as an array of `dims`; its elements are those of `kept`, if given
          |  UnreadIn()                         any object
          |  DictIn(size)                       a dict of so many entries
          |  StaticIn(object)                   that object; or, for an exact str, bytes or number, an equal one
          |  WeakIn(reference)                  the object that is weakly referred to
          |  TypeIn(type)                       an object of exactly that type
          |  PartsIn(in, (part…))               what `in` says, with parts: ("item", key, in) of a list or dict,
                                                ("attr", name, in), ("field", name, in) of a function or a bound method,
                                                ("member", key, in) of a set
          |  AbsentIn()                         a part: there is none
          |  KeptIn(copy)                       a container with the items of the copy; Python compares them
          |  Node(type, (in…), keys)            an exact tuple, list, dict (in the order of its keys), namedtuple class, or
                                                any other class, whose children are its attributes `keys`
    from ::= Place("item", dict or list, key)   what is looked up there at each call
          |  Place("cell", cell) | Place("attr", object, name) | Place("asked", object, question) (answers.py)
          |  object                             the object itself
    dim  ::= integer | name                     a length known at run time: equal names are equal lengths
    condition ::= an expression over the names (ir/analysis/lengths.py) that is true of the calls taken

    out  ::= ArrayOut(result, dtype, dims)      dims as above; None where only the kernel knows one: it allocates the array
          |  ScalarOut(result, kind, dtype)     kind as above, or "bool"
          |  ObjectOut(object)                  the same object every time
          |  ArgOut(param)                      the argument object itself, as in `return x`
          |  Node(type, (out…), keys, make)     made by make(*children), or by the type, where that is none of
                                                the builtin ones and no ordinary namedtuple; the same Node is one object

`param` numbers the parameters of the kernel: each dynamic leaf has one, and so has each run-time length. `keywords` are
in the order of the call; `given` are objects that are no arguments of it: what the function captured.
`Arguments` describes one form of call.

python_call.py says in Python what the machine code does.
"""
from __future__ import annotations

import collections.abc
import copy
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from ...ir.analysis.lengths import Expression
from ...ir.ops import random
from ...ir.types import DType, known_dtype
from . import answers

L = TypeVar("L")                # In or Out
BY_VALUE = (str, int, float, complex, bytes)


class ArrayIn(NamedTuple):
    dtype: DType
    dims: tuple[int | str, ...]
    param: int
    any: bool = False              # only where the kernel writes to no argument


class ScalarIn(NamedTuple):
    kind: str
    dtype: DType
    param: int


class SameIn(NamedTuple):
    first: int
    param: int | None = None       # its own parameter, which gets the same address; None where it has none


class HeldIn:
    """`like` describes the array, without its elements."""

    __slots__ = ("cls", "dims", "kept", "kind", "param", "shape", "strides")

    def __init__(self, like: np.ndarray, dims: tuple[int, ...] = (), param: int | None = None, kept: np.ndarray | None = None):
        kind = like.dtype if like.dtype.names is None else copy.deepcopy(like.dtype)       # its fields may get other names
        self.cls, self.kind, self.shape, self.strides = type(like), kind, like.shape, like.strides
        self.dims, self.param, self.kept = dims, param, kept

    @classmethod
    def described(cls, array: type, kind: np.dtype, shape: Any, strides: tuple[int, ...], dims: tuple[int, ...],
                  param: int | None, kept: np.ndarray | None) -> HeldIn:
        """The same without an array like it."""
        made = cls.__new__(cls)
        made.cls, made.kind, made.shape, made.strides = array, kind, shape, strides
        made.dims, made.param, made.kept = dims, param, kept
        return made

    @property
    def dtype(self) -> DType:
        return known_dtype(self.kind)

    def at(self, param: int) -> HeldIn:
        """The same as another parameter."""
        made = copy.copy(self)
        made.param = param
        return made

    @property
    def start(self) -> int:
        """The first byte of the memory, counted from the first element."""
        return sum((d - 1) * s for d, s in zip(self.shape, self.strides) if s < 0) if 0 not in self.shape else 0

    def takes(self, x: np.ndarray) -> bool:
        return (type(x) is self.cls and x.dtype == self.kind and x.shape == self.shape and x.strides == self.strides
                and (self.param is None or x.flags.aligned) and (self.kept is None or _content(x) == _content(self.kept)))


def _content(x: np.ndarray) -> tuple:
    if isinstance(x, np.ma.MaskedArray):
        return x.data.tobytes(), np.ma.getmaskarray(x).tobytes(), x.fill_value.tobytes()
    return (x.tobytes(),)


class UnreadIn(NamedTuple):
    pass


class DictIn(NamedTuple):
    size: int


class Place(NamedTuple):
    kind: str
    holder: Any
    key: Any = None

    def find(self) -> Any:
        """What is there now; raises one of `MISSING` where there is nothing."""
        return _FIND[self.kind](self.holder, self.key)


MISSING = (LookupError, AttributeError, ValueError, TypeError)
_FIND: dict[str, Callable[[Any, Any], Any]] = {
         "item": lambda held, key: {True: held}[not isinstance(held, dict) or key in held][key],         # not by __missing__
         "attr": getattr, "field": getattr, "cell": lambda cell, _: cell.cell_contents,
         "member": lambda held, key: {True: True}[key in held], "asked": answers.answer}


class StaticIn:
    __slots__ = ("value",)
    __match_args__ = ("value",)

    def __init__(self, value: Any):
        self.value = value

    def _key(self) -> Any:
        by_value = type(self.value) in BY_VALUE
        return (type(self.value), repr(self.value)) if by_value else id(self.value)

    def __eq__(self, other: object) -> bool:
        return type(other) is StaticIn and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


class WeakIn:
    """Identity without a claim on the object's life: where it has died, nothing is it any more."""

    __slots__ = ("reference",)

    def __init__(self, x: Any):
        self.reference = weakref.ref(x)


class TypeIn(NamedTuple):
    type: type


class AbsentIn(NamedTuple):
    pass


class KeptIn(NamedTuple):
    type: type
    items: tuple

    @classmethod
    def of(cls, x: Any) -> KeptIn:
        return cls(type(x), items_of(x))


class PartsIn(NamedTuple):
    whole: StaticIn | WeakIn | TypeIn | KeptIn
    parts: tuple[tuple[str, Any, In], ...]


class Node(NamedTuple, Generic[L]):
    type: type
    children: tuple[L, ...]
    keys: tuple = ()
    make: Callable | None = None


class ArrayOut(NamedTuple):
    result: int
    dtype: DType
    dims: tuple[int | str | None, ...]

    @property
    def known(self) -> bool:
        """Whether its lengths follow from those of the arguments."""
        return None not in self.dims

    def shape(self, lengths: dict[str, int]) -> tuple[int, ...]:
        return tuple([lengths[d] if isinstance(d, str) else d for d in self.dims if d is not None])


class ScalarOut(NamedTuple):
    result: int
    kind: str
    dtype: DType


class ObjectOut:
    __slots__ = ("value",)
    __match_args__ = ("value",)

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is ObjectOut and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


class ArgOut(NamedTuple):
    param: int


class Arguments(NamedTuple):
    positional: tuple[In, ...] = ()
    keywords: tuple[tuple[str, In], ...] = ()
    given: tuple[tuple[Any, In], ...] = ()
    lengths: tuple[tuple[str, int], ...] = ()
    guards: tuple[Expression, ...] = ()

    def roots(self) -> Iterator[In]:
        yield from self.positional
        for _, layout in self.keywords + self.given:
            yield layout


In = (ArrayIn | ScalarIn | HeldIn | UnreadIn | DictIn | SameIn | StaticIn | WeakIn | TypeIn | AbsentIn | KeptIn | PartsIn
      | Node["In"])
Out = ArrayOut | ScalarOut | ObjectOut | ArgOut | Node["Out"]


def leaves(layout: In | Out) -> Iterator[In | Out]:
    """Every layout without children, left to right."""
    if isinstance(layout, Node):
        for child in layout.children:
            yield from leaves(child)
    elif isinstance(layout, PartsIn):
        for _, _, child in layout.parts:
            yield from leaves(child)
    else:
        yield layout


@dataclass(frozen=True, eq=False)
class Signature:
    """All that the entry needs to know of a kernel.

    kernel    the kernel's pointer parameters: ("in", param) | ("out", result), in order
    writes    (param…): the argument arrays that the kernel overwrites; they must be writeable and overlap nothing else
    captured  arrays outside the arguments that the kernel reads in place: no written argument may overlap them
    release   whether the kernel runs long enough to let other threads run meanwhile
    options   a number for the options that it was compiled under; calls under others pass it by (`capi.OPTIONS`)
    """

    arguments: Arguments
    output: Out
    kernel: tuple[tuple[str, int], ...]
    writes: tuple[int, ...] = ()
    captured: tuple[np.ndarray, ...] = ()
    release: bool = False
    options: int = 0

    def inputs(self) -> dict[int, ArrayIn | HeldIn | ScalarIn]:
        """The leaf of each parameter that is neither a run-time length nor another's object."""
        return {leaf.param: leaf for root in self.arguments.roots() for leaf in leaves(root)
                if isinstance(leaf, (ArrayIn, HeldIn, ScalarIn)) and leaf.param is not None}

    def repeats(self) -> dict[int, int]:
        """{parameter: the earlier one whose object it is}."""
        return {leaf.param: leaf.first for root in self.arguments.roots() for leaf in leaves(root)
                if isinstance(leaf, SameIn) and leaf.param is not None}

    def results(self) -> dict[int, ArrayOut | ScalarOut]:
        """One output leaf for each result that the kernel makes."""
        return {leaf.result: leaf for leaf in leaves(self.output) if isinstance(leaf, (ArrayOut, ScalarOut))}

    @property
    def params(self) -> int:
        return len(self.inputs()) + len(self.repeats()) + len(self.arguments.lengths)


# ---------------------------------------------------------------------------------------------------------------- classes

_PYTHON_KINDS = {"float": float, "int": int, "complex": complex}


def in_table(what: Callable | Place, layout: In) -> bool:
    """Whether the place is a name in a dict, and the value one that cannot change while it is there."""
    return (type(what) is Place and what.kind == "item" and type(what.holder) is dict and type(what.key) is str
            and type(layout) in (StaticIn, WeakIn, TypeIn, AbsentIn))


def tables_of(given: tuple) -> dict[int, tuple[dict, list]]:
    """The names of `given` that are looked up together: id(dict) -> (dict, names with what is expected there)."""
    found: dict[int, tuple[dict, list]] = {}
    for what, layout in given:
        if in_table(what, layout):
            found.setdefault(id(what.holder), (what.holder, []))[1].append((what.key, layout))
    return found


def python_class(kind: str) -> type:
    """The class of a scalar that is no NumPy scalar."""
    return _PYTHON_KINDS.get(kind) or random.class_of(kind)


def is_plain_namedtuple(cls: type) -> bool:
    """A class made by collections.namedtuple or typing.NamedTuple whose construction nobody has changed."""
    new = getattr(cls, "__new__", None)
    return (issubclass(cls, tuple) and hasattr(cls, "_fields") and cls.__init__ is object.__init__
            and str(getattr(new, "__module__", "")).startswith("namedtuple_"))


def is_sequence(cls: type) -> bool:
    """Whether children are items: a tuple, a list or a namedtuple."""
    return cls is tuple or cls is list or (issubclass(cls, tuple) and hasattr(cls, "_fields"))


def items_of(x: Mapping[tuple[tuple, str], Callable]) -> tuple:
    """What a container holds, in an order that equal ones share: the pairs of a mapping, the members of a set by their hash."""
    if isinstance(x, collections.abc.Mapping):
        return tuple(x.items())
    return tuple(sorted(x, key=hash)) if isinstance(x, collections.abc.Set) else tuple(x)
