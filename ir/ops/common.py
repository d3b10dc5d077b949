"""What the op declarations share: checks on operands, in plain sentences."""
from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NoReturn

from ..core import Value, as_dim
from ..errors import IRError
from ..types import INDEX, Dim, DType, Type


def fail(sentence: str) -> NoReturn:
    raise IRError(sentence)


def same_dims(a: tuple[Dim, ...], b: tuple[Dim, ...]) -> bool:
    """Whether dimensions agree: equal numbers, or the same value."""
    return a is b or (len(a) == len(b) and all(x is y or (type(x) is int and x == y) for x, y in zip(a, b)))


def same_dim(a: Dim, b: Dim) -> bool:
    return a is b or (type(a) is int and a == b)


def expect_count(name: str, operands: Sequence[Value], count: int) -> None:
    if len(operands) != count:
        fail(f"{name} takes {count} operand{'s' * (count != 1)}, not {len(operands)}")


def expect_at_least(name: str, operands: Sequence[Value], count: int) -> None:
    if len(operands) < count:
        fail(f"{name} takes at least {count} operand{'s' * (count != 1)}, not {len(operands)}")


def expect_dtype(name: str, dtype: DType, takes: Collection[DType]) -> None:
    if dtype not in takes:
        fail(f"{name} is not defined on {dtype!r}")


def array_type(name: str, value: Value) -> Type:
    """The type of an operand that must be an array or a scalar, not a stack."""
    if type(value.type) is not Type:
        fail(f"{name} takes arrays and scalars, not {value.type!r}")
    return value.type


def expect_index(name: str, value: Value) -> Dim:
    """The dimension that a rank-0 index operand stands for."""
    t = value.type
    if type(t) is not Type or t.dtype is not INDEX or t.dims:
        fail(f"{name} takes a scalar of dtype index here, not {t!r}")
    return as_dim(value)


def expect_axis(name: str, axis: int, rank: int) -> int:
    if type(axis) is not int or not 0 <= axis < rank:
        fail(f"{name}: axis {axis!r} of an array of rank {rank}")
    return axis


def expect_axes(name: str, axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """A tuple of different axes."""
    if type(axes) is not tuple or len(set(axes)) != len(axes):
        fail(f"{name}: axes {axes!r} must be a tuple of different axes")
    for axis in axes:
        expect_axis(name, axis, rank)
    return axes


def expect_choice(name: str, what: str, value: object, choices: Collection) -> None:
    if value not in choices:
        fail(f"{name}: {what} {value!r} is none of {', '.join(map(str, choices))}")


def drop_axes(dims: tuple[Dim, ...], axes: tuple[int, ...]) -> tuple[Dim, ...]:
    return tuple(d for k, d in enumerate(dims) if k not in axes)
