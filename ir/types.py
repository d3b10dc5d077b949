"""Types of the IR: a dtype and dimensions.

    type  ::= dtype | dtype "[" dim ("," dim)* "]" | "stack" "<" type ">"
    dtype ::= bool | i8 … i64 | u8 … u64 | f16 | f32 | f64 | c64 | c128 | index
    dim   ::= integer | %value                        (a value of type index)

`index` is a 64-bit signed integer that counts elements or addresses them: lengths, positions, trip counts. It is a
dtype of its own so that dimensions and ordinary integer data never mix by accident.

`f16` is a format to keep numbers in: what computes with them does so in f32 and rounds once, as NumPy (build.Builder.emit).
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union, cast

import numpy as np

if TYPE_CHECKING:
    from .core import Value

Dim = Union[int, "Value"]
Array = Any             # an array or a scalar of NumPy: the two have no common type that has operators


@dataclass(frozen=True, eq=False)
class DType:
    """One element type. Instances are unique, so compare with `is`.

    kind is NumPy's letter (b i u f c) or "x" for index; bits counts the whole element.
    """

    name: str
    np: np.dtype
    kind: str
    bits: int

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple:
        return (dtype, (self.name,))

    @property
    def size(self) -> int:
        """Bytes of one element in memory."""
        return self.np.itemsize

    @property
    def inexact(self) -> bool:
        return self.kind in "fc"

    @property
    def complex(self) -> bool:
        return self.kind == "c"

    @property
    def integer(self) -> bool:
        return self.kind in "iux"

    @property
    def real(self) -> DType:
        """The dtype of the real part."""
        return {"c64": F32, "c128": F64}.get(self.name, self)


def _declare(name: str, numpy_name: str) -> DType:
    d = np.dtype(numpy_name)
    return DType(name, d, d.kind, 1 if d.kind == "b" else d.itemsize * 8)


BOOL = _declare("bool", "bool")
I8, I16, I32, I64 = (_declare(f"i{n}", f"int{n}") for n in (8, 16, 32, 64))
U8, U16, U32, U64 = (_declare(f"u{n}", f"uint{n}") for n in (8, 16, 32, 64))
F16, F32, F64 = (_declare(f"f{n}", f"float{n}") for n in (16, 32, 64))
C64, C128 = _declare("c64", "complex64"), _declare("c128", "complex128")
INDEX = DType("index", np.dtype("int64"), "x", 64)

DTYPES: dict[str, DType] = {d.name: d for d in (BOOL, I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64, C64, C128,
                                        INDEX)}
_FROM_NUMPY = {d.np: d for d in DTYPES.values() if d is not INDEX}


def dtype(what: Any) -> DType | None:
    """The IR dtype of a name, a NumPy dtype or anything np.dtype takes; None where the IR has none (longdouble, object …)."""
    if isinstance(what, DType):
        return what
    if isinstance(what, str) and what in DTYPES:
        return DTYPES[what]
    return _FROM_NUMPY.get(np.dtype(what).newbyteorder("="))


def known_dtype(what: Any) -> DType:
    """The IR dtype of what has one."""
    found = dtype(what)
    assert found is not None, what
    return found


class Type:
    """A dtype and dimensions. Two types are equal when the dtypes are and each dimension is the same number or value."""

    __slots__ = ("dims", "dtype")

    def __init__(self, dtype: DType, dims: Sequence[Dim] = ()):
        self.dtype, self.dims = dtype, tuple(dims)

    def __eq__(self, other: object) -> bool:
        return (type(other) is Type and self.dtype is other.dtype and len(self.dims) == len(other.dims)
                and all(a is b or (type(a) is int and a == b) for a, b in zip(self.dims, other.dims)))

    def __hash__(self) -> int:
        return hash((self.dtype.name, self.dims))

    @property
    def rank(self) -> int:
        return len(self.dims)

    @property
    def static(self) -> bool:
        """Whether every dimension is a number."""
        return all(type(d) is int for d in self.dims)

    @property
    def count(self) -> int:
        """The number of elements, of a static type."""
        return math.prod(self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions, of a static type."""
        return cast("tuple[int, ...]", self.dims)

    def with_dims(self, dims: list[Dim]) -> Type:
        return Type(self.dtype, dims)

    def __repr__(self) -> str:
        return self.dtype.name + (f"[{', '.join(map(repr, self.dims))}]" if self.dims else "")


class StackType(Type):
    """A growable stack of values of one element type: the tape of a loop whose trip count is not known on entry.

    It has neither axes nor a dtype of its own, so who may meet one asks for it first.
    """

    __slots__ = ("element",)

    def __init__(self, element: Type):
        self.dims, self.element = (), element

    def __eq__(self, other: object) -> bool:
        return type(other) is StackType and self.element == other.element

    def __hash__(self) -> int:
        return hash(("stack", self.element))

    def __repr__(self) -> str:
        return f"stack<{self.element!r}>"


INDEX_SCALAR = Type(INDEX)
BOOL_SCALAR = Type(BOOL)
