"""What stands for an array of which only shape and dtype are known, where a program is looked at and not run."""
from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.errors import ArgumentTypeError
from .. import pytrees
from ..values.shapes import show
from .signature import COMPLEX, FLOAT, INT, Leaf, dtype_of, gives_array

if TYPE_CHECKING:
    from .arguments import Call

_WEAK = {"f": FLOAT, "i": INT, "c": COMPLEX}


class ShapeDtypeStruct:
    """The shape and dtype of an array, without elements: what `eval_shape` returns, and what it and `f.lower` take.

    Parameters: `shape` and `dtype` as of an array, a shape () stands for a scalar; `weak_type`: whether it is a Python number,
    which leaves a dtype to the array that it meets.
    Result: an object with these attributes, `ndim` and `size`.
    Errors: ArgumentTypeError where `shape` is no tuple of ints, TypeError where there is no such dtype.

    >>> tg.ShapeDtypeStruct((2, 3), np.float32)
    ShapeDtypeStruct(shape=(2, 3), dtype=float32)
    """

    __slots__ = ("dtype", "shape", "weak_type")

    def __init__(self, shape: Any, dtype: Any, weak_type: bool = False):
        try:
            self.shape = tuple([operator.index(n) for n in shape])
        except TypeError:
            raise ArgumentTypeError(f"a shape is a tuple of ints, got {shape!r}", "write (3,) for an array of three") from None
        self.dtype, self.weak_type = np.dtype(dtype), bool(weak_type)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"ShapeDtypeStruct(shape={show(self.shape)}, dtype={self.dtype}{weak})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapeDtypeStruct) and (self.shape, self.dtype, self.weak_type) == (
            other.shape, other.dtype, other.weak_type)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype, self.weak_type))


def struct_of(x: Any) -> ShapeDtypeStruct | None:
    """The struct that x is, of this library or another one; None for what has elements, or is something else."""
    if isinstance(x, ShapeDtypeStruct):
        return x
    if isinstance(x, (np.ndarray, np.generic, type)) or not (hasattr(x, "shape") and hasattr(x, "dtype")) or gives_array(x):
        return None
    return ShapeDtypeStruct(x.shape, x.dtype, getattr(x, "weak_type", False))


def leaf_of(struct: ShapeDtypeStruct, path: str) -> Leaf:
    """The leaf specification of an argument of this shape and dtype."""
    weak = _WEAK.get(struct.dtype.kind) if struct.weak_type and not struct.shape else None
    if weak is not None and weak.number.np == struct.dtype:
        return weak
    number = dtype_of(struct.dtype, path)
    return Leaf("array", number, struct.shape) if struct.shape else Leaf("numpy", number)


def with_structs(tree: Any) -> Any:
    """A tree of arguments in which the structs of other libraries are of this one."""
    return pytrees.map(lambda x: x if (found := struct_of(x)) is None else found, tree)


def expect_elements(call: Call) -> None:
    """Raises where a call that is to run was given a struct."""
    for x, leaf, path in zip(call.values, call.leaves, call.paths):
        if x is None and leaf.kind != "static":
            raise ArgumentTypeError(f"argument {path} is a shape and dtype without elements",
                                    "pass an array; f.lower(…) and tg.eval_shape(f, …) take shapes")
