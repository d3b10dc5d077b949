"""What ends a `while`: a comparison with a carried integer that only counts towards it."""
from __future__ import annotations

from ...ir.core import Const, Op, Value

# Which way a counter on the left of a comparison goes to end it.
_ENDS = {"lt": 1, "le": 1, "gt": -1, "ge": -1}


def ending(op: Op) -> tuple[Op, int] | None:
    """(a comparison without which a `while` does not go on, the carried value in it that only counts towards its end)."""
    head, body = op.regions
    for compare in _conditions(head.yields[0]):
        for side, v in enumerate(compare.operands):
            other = compare.operands[1 - side]
            if v.owner is not head or other.owner is head or other.op in head.ops:
                continue
            if _step(body.yields[v.slot], body.params[v.slot]) * _ENDS[compare.defn.name] * (1 - 2 * side) > 0:
                return compare, v.slot
    return None


def _step(new: Value, old: Value) -> int:
    """By which constant a counter grows; 0 where that is not seen, or where it might start anew after its largest number."""
    op, dtype = new.op, new.type.dtype
    if op is None or op.defn.name not in ("add", "sub") or dtype.kind not in "ix" or dtype.bits < 64:
        return 0
    x, size = op.operands
    if x is not old or not isinstance(size, Const):
        return 0
    return size.item if op.defn.name == "add" else -size.item


def _conditions(v: Value) -> list[Op]:
    """Comparisons that hold where v does: those that `and` joins, in either of its forms."""
    op = v.op
    if op is None:
        return []
    if op.defn.name == "and":
        return [found for operand in op.operands for found in _conditions(operand)]
    if op.defn.name == "if":
        no = op.regions[1].yields[v.slot]
        shortcut = no is op.operands[0] or (isinstance(no, Const) and not no.item)
        return _conditions(op.operands[0]) if shortcut else []
    return [op] if op.defn.name in _ENDS else []
