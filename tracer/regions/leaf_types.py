"""What names, items and arrays hold across the edge of a region: types of leaves, joining two of them, unset names.

  leaf type ::= Kind("scalar", dtype, weak) | Kind("array", dtype, None, dims)
             |  Kind("generator", i64, class)         of random numbers, from outside of the traced function

Joining follows NumPy's promotion; a Python scalar takes part as one (NEP 50). Values that are no numbers have no leaf type:
they pass through a region only if the region leaves them as they are.
"""
from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...ir.build import const
from ...ir.core import Const, Value
from ...ir.errors import UnsupportedError
from ...ir.ops import random
from ...ir.types import BOOL, C128, F64, I64, INDEX, U64, DType, Type
from .. import attributes, pytrees, tracing
from ..values import boxes, promotion, random_generators, shapes
from ..values.boxes import ArrayBox, Box, ScalarBox
from ..values.python import wide_ints
from ..values.random_generators import GeneratorBox

if TYPE_CHECKING:
    from ..pytrees import TreeDef

_RANK = {"bool": 0, "int": 1, "float": 2, "complex": 3}
_DTYPE = {"bool": BOOL, "int": I64, "float": F64, "complex": C128}
_WEAK = {bool: "bool", int: "int", float: "float", complex: "complex"}


class Kind(NamedTuple):
    """The type of a leaf. `weak` as in boxes.ScalarBox; of a generator of random numbers its kind."""

    form: str
    dtype: DType
    weak: str | None = None
    dims: tuple = ()

    @property
    def type(self) -> Type:
        return Type(self.dtype, self.dims)

    @property
    def generator(self) -> str:
        """The kind of a generator of random numbers."""
        assert self.form == "generator" and self.weak is not None
        return self.weak

    def __str__(self) -> str:
        if self.form == "generator":
            return f"a np.random.{self.weak}"
        if self.weak:
            return f"a Python {self.weak}"
        if self.form == "array":
            return f"an array of {self.dtype.np.name} with shape {shapes.show(self.dims)}"
        return f"a scalar of {self.dtype.np.name}"


class Undefined:
    """What a name holds that no assignment has reached."""

    __slots__ = ("name", "reason")

    def __init__(self, name: str, reason: str = ""):
        self.name, self.reason = name, reason

    def __repr__(self) -> str:
        return f"<unset {self.name}>"


class MaybeUndefined:
    """What a name holds that was assigned only where `flag` (a bool value) is true."""

    __slots__ = ("flag", "held", "name")

    def __init__(self, name: str, held: Any, flag: Value):
        self.name, self.held, self.flag = name, held, flag


UNBOUND = "cannot access local variable '{name}' where it is not associated with a value"


def value(held: Any) -> Any:
    """A name as it is read: unset ones raise as Python does, at once or at run time."""
    if type(held) is Undefined:
        if held.reason:
            raise UnsupportedError(f"`{held.name}` has no value here: {held.reason}", "assign it before", tracing.locate())
        raise UnboundLocalError(UNBOUND.format(name=held.name))
    if type(held) is MaybeUndefined:
        tracing.current().builder.emit("check", held.flag, error="UnboundLocalError", message=UNBOUND.format(name=held.name))
        return held.held
    return held


# --- leaves -----------------------------------------------------------------------------------------------------------

def kind_of(x: Any) -> Kind | None:
    """The leaf type of a number or an array; None for everything else."""
    cls = type(x)
    if isinstance(x, ScalarBox):
        return Kind("scalar", x.dtype_ir, x.weak)
    if cls is ArrayBox:
        return Kind("array", x.dtype_ir, None, x.dims)
    weak = _WEAK.get(cls)
    if weak:
        if weak == "int" and not -2**63 <= x < 2**63:
            return Kind("scalar", U64, weak) if wide_ints.is_wide(x) and x < 2**64 else None
        return Kind("scalar", _DTYPE[weak], weak)
    if isinstance(x, Box):
        x.read()                                              # a spoilt one raises
    generator = x.kind if cls is GeneratorBox else random.kind_of(x)
    if generator is not None:
        return None if cls is GeneratorBox and x.made else Kind("generator", I64, generator)
    if isinstance(x, (np.generic, np.ndarray)) and x.dtype in promotion._FROM_NUMPY:
        dtype = promotion._FROM_NUMPY[x.dtype]
        return Kind("array", dtype, None, x.shape) if isinstance(x, np.ndarray) else Kind("scalar", dtype)
    return None


def _literal(x: Any) -> bool:
    """An int that can as well be an index: a Python int or its constant."""
    return type(x) is int or (type(x) is ScalarBox and isinstance(x.read(), Const))


def _fits(kind: Kind, x: Any, other: Kind) -> bool:
    """Whether a Python int that is known, of the first kind, is a number of the integer type of the other kind, too."""
    if kind.weak != "int" or not _literal(x):
        return True
    return promotion.holds(other.dtype, int(x if type(x) is int else x.read().data))


def join(a: Kind, b: Kind, x: float | Box | None = None, y: bool | Box | None = None) -> Kind | None:
    """The smallest leaf type that holds both; None where there is none. x and y are what they are the types of."""
    if a == b:
        return a
    if "generator" in (a.form, b.form):
        return None
    if a.form != b.form:
        if a.dims or b.dims:
            return None
        a, b = a._replace(form="scalar"), b._replace(form="scalar")
    if len(a.dims) != len(b.dims) or not all(p is q or (type(p) is int and p == q) for p, q in zip(a.dims, b.dims)):
        return None
    if a.weak and b.weak:
        weak = a.weak if _RANK[a.weak] >= _RANK[b.weak] else b.weak
        if weak == "int" and U64 in (a.dtype, b.dtype):
            return Kind("scalar", U64, weak)
        counts = weak == "int" and all(k.dtype is INDEX or (k.dtype is I64 and _literal(v)) for k, v in ((a, x), (b, y)))
        return Kind("scalar", INDEX if counts and INDEX in (a.dtype, b.dtype) else _DTYPE[weak], weak)
    if a.dtype is b.dtype:
        return a._replace(weak=None)
    if not _fits(a, x, b) or not _fits(b, y, a):
        return None if U64 in (a.dtype, b.dtype) else Kind("scalar", I64)
    return a._replace(dtype=promotion.result_dtype([_promotes(a), _promotes(b)]), weak=None)


def differ(a: Kind | None, b: Kind | None) -> bool:
    """Whether what one leaf type holds becomes something else in a common one: a number of another type."""
    return a is not None and b is not None and (a.weak or a.dtype) != (b.weak or b.dtype)


def _promotes(kind: Kind) -> Any:
    return promotion.WEAK[kind.weak] if kind.weak else kind.dtype.np


def emit(x: Any, kind: Kind) -> Value:
    """x as an IR value of this leaf type."""
    builder = tracing.current().builder
    if kind.form == "generator":
        box = random_generators.boxed(x)
        assert box is not None                                    # its leaf type says so
        return box.value
    found = x.read() if isinstance(x, Box) else boxes.lift(x).read()
    if found.type.dtype is kind.dtype:
        return found
    if kind.weak == "int" and kind.dtype is U64:
        return wide_ints.unsigned(x if isinstance(x, Box) else boxes.lift(x))
    if kind.dtype is BOOL:
        return builder("ne", found, const(0, found.type.dtype))
    return builder.cast(found, kind.dtype)


def wrap(found: Value, kind: Kind, strides: Any = None) -> Any:
    """A new box for an IR value."""
    if kind.form == "generator":
        return GeneratorBox(found, kind.generator)
    return ArrayBox(found, strides=strides) if kind.form == "array" else ScalarBox(found, kind.weak)


def same_static(a: Any, b: Any) -> bool:
    """Whether two values that are no boxes are interchangeable."""
    if a is b:
        return True
    if type(a) is not type(b) or isinstance(a, (Box, np.ndarray)) or hasattr(a, "settled"):
        return False                                          # containers of run-time size are equal only at run time
    if isinstance(a, (float, complex, np.inexact)):
        return repr(a) == repr(b)
    try:
        return bool(a == b)
    except Exception:                                         # a user's __eq__ may do anything
        return False


def describe(x: Any) -> str:
    """What a value is, for messages about two that do not fit."""
    if type(x) is Undefined:
        return "unset"
    if type(x) is MaybeUndefined:
        return describe(x.held) + " (not always set)"
    kind = kind_of(x)
    if kind is not None:
        return str(kind)
    if x is None or isinstance(x, str):
        return repr(x)
    if isinstance(x, (list, tuple, dict)):
        parts = [describe(v) for v in (x.values() if isinstance(x, dict) else x)]
        inside = ", ".join(parts[:3]) + (", …" if len(parts) > 3 else "")
        return f"a {type(x).__name__} of {len(parts)} ({inside})" if parts else f"an empty {type(x).__name__}"
    return f"a {getattr(type(x), 'shown', type(x).__name__)}"


# --- structures -------------------------------------------------------------------------------------------------------

DEEP = 8                                     # objects in objects are looked into so far


PLAIN: dict[type, pytrees.Kind] = {}          # classes whose objects are values, of which regions may leave different ones


def opened(x: Any) -> pytrees.Kind | None:
    """An instance of a plain class that holds traced values counts as a container of its attributes."""
    return PLAIN.get(type(x)) or (pytrees.OBJECT if _holds_boxes(x, DEEP) else None)


def opener(items: Iterable[Any], known: bool = False) -> Callable[[Any], pytrees.Kind | None]:
    """What opens objects: where one of a class holds traced values, all of that class. `known`: those that hold none, too."""
    classes = {type(x) for x in items if opened(x) is pytrees.OBJECT or (known and plain(x) and _is_users(type(x)))}
    return lambda x: opened(x) or (pytrees.OBJECT if type(x) in classes else None)


def _is_users(cls: type) -> bool:
    """Whether a user's program says what the class's instances are: neither a function nor something that wraps one."""
    return attributes.users(cls) and not hasattr(cls, "__get__") and "__call__" not in dir(cls)


def plain(x: Any) -> bool:
    """Whether an object of a user's class is made of its attributes."""
    cls = type(x)
    if cls.__module__ == "builtins" or isinstance(x, (Box, np.ndarray, np.generic, type)):
        return False
    held = None if isinstance(x, types.FunctionType | types.ModuleType | tuple) else pytrees.attributes(x)
    return bool(held) and cls.__new__ is object.__new__ and not cls.__module__.startswith(_PACKAGE)


def _holds_boxes(x: Any, depth: int) -> bool:
    if depth == 0 or not plain(x):
        return False
    held = pytrees.attributes(x)
    return any(isinstance(leaf, Box) or _holds_boxes(leaf, depth - 1) for value in held.values()
               for leaf in pytrees.leaves_of(value))


_PACKAGE = __name__.partition(".")[0] + "."


def flatten(x: Any) -> tuple[list[Any], TreeDef]:
    """(leaves, structure) of what a name holds; a MaybeUndefined or Undefined counts as a leaf."""
    return pytrees.flatten(x, opened)


def leaves_of(x: Any) -> list:
    return pytrees.flatten(x, opened)[0]


def containers(x: Any) -> Iterator[Any]:
    """Every mutable container and object in what a name holds."""
    return pytrees.containers(x, opened)
