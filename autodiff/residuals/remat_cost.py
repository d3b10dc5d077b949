"""What costs less to compute again than to keep and load."""
from __future__ import annotations

from ...ir.core import Op
from ...ir.opdef import LIGHT, Elementwise
from ...ir.ops.reduce import few

# Where one element is made of few: the axes of the first operand that are combined.
_COMBINED = {"reduce": lambda attrs: attrs["axes"], "dot": lambda attrs: attrs["contract"][0]}


def cheap(op: Op) -> bool:
    """On arrays every elementwise op is: it fuses with what reads it."""
    return simple(op) or (isinstance(op.defn, Elementwise) and bool(op.results[0].type.dims))


def simple(op: Op) -> bool:
    """Whether an element of the result takes a few additions and multiplications."""
    axes = _COMBINED.get(op.defn.name)
    light = (isinstance(op.defn, Elementwise) or op.defn.moves) and op.defn.cost <= LIGHT
    return light or (axes is not None and few([op.operands[0].type.dims[k] for k in axes(op.attrs)]))
