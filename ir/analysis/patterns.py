"""What rewriting rules ask about values, and the small values that they make."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..build import Builder, const, key_of
from ..core import Const, Op, Value

if TYPE_CHECKING:
    from ..types import Array, DType

Operands = tuple[Value, ...]
# of one op: the value that it becomes of these operands and attributes; a tuple where it has no result
Rule = Callable[[Builder, Operands, dict[str, Any]], Value | tuple[Value, ...] | None]


def number(v: Value) -> Array | None:
    """The Python number of a scalar constant, else None."""
    return v.data.item() if v.__class__ is Const and v.frozen and not v.data.ndim else None


def made_by(v: Value, name: str) -> Op | None:
    """The op that defines the value, if it is one of this name."""
    owner = v.owner
    return owner if owner.__class__ is Op and owner.defn.name == name else None


def same(a: Value, b: Value) -> bool:
    return a is b or (a.__class__ is Const and b.__class__ is Const and key_of(a) == key_of(b))


def scalar_in(v: Value) -> Value | None:
    """The scalar that an array repeats."""
    op = made_by(v, "broadcast")
    return op.operands[0] if op is not None and not op.operands[0].type.dims else None


def spread(b: Builder, v: Value, operands: Operands) -> Value:
    """A value in the dimensions of an elementwise op on these operands."""
    if v.type.dims:
        return v
    dims = next((o.type.dims for o in operands if o.type.dims), ())
    return b.broadcast(v, dims) if dims else v


def filled(b: Builder, value: int, dtype: DType, operands: Operands) -> Value:
    return spread(b, const(value, dtype), operands)
