"""What costs less to compute again than to keep and load."""
from __future__ import annotations

from ...ir.core import Op
from ...ir.opdef import Elementwise
from ...ir.ops.reduce import few

# Scalars made by these cost less than to keep and load them.
_CHEAP = frozenset({
    "add", "sub", "mul", "mulz", "neg", "abs", "sign", "select", "cast", "max", "min", "eq", "ne", "lt", "le", "gt", "ge",
    "and", "or", "xor", "not", "invert", "real", "imag", "conj", "complex", "floor", "ceil", "trunc", "rint", "isnan", "isinf",
    "isfinite", "signbit", "copysign", "stop_gradient", "floordiv", "mod", "shl", "shr",
    "div", "sqrt", "dim", "iota", "broadcast", "reshape", "transpose", "slice", "gather", "wrap", "concat",
})
# Where one element is made of few: the axes of the first operand that are combined.
_COMBINED = {"reduce": lambda attrs: attrs["axes"], "dot": lambda attrs: attrs["contract"][0]}


def cheap(op: Op) -> bool:
    """On arrays every elementwise op is: it fuses with what reads it."""
    return simple(op) or (isinstance(op.defn, Elementwise) and bool(op.results[0].type.dims))


def simple(op: Op) -> bool:
    """Whether an element of the result takes a few additions and multiplications."""
    axes = _COMBINED.get(op.defn.name)
    return op.defn.name in _CHEAP or (axes is not None and few([op.operands[0].type.dims[k] for k in axes(op.attrs)]))
