"""Sums over the iterations of `numba.prange`, which the program allows to be added in any order.

    for i in prange(n): s += f(x[i])          ->          %s1 = add %s, %v {any_order=true}

Other loops keep the order of their sums. Found is a way from what an iteration carries on back to what it was given, through
additions, inner loops that carry it on and branches; whether iterations may really be apart is proved later, from the loops
(lowering/loopir/passes/parallelize.py).
"""
from __future__ import annotations

from ...ir.core import Block, Op, Value


def mark(block: Block) -> None:
    """Mark the sums of a loop's body. Its parameters are the counter and what it carries."""
    for p, y in zip(block.params[1:], block.yields):
        if not p.type.dims and getattr(p.type, "dtype", None) is not None and p.type.dtype.inexact:
            for op in _way(y, p) or ():
                op.attrs["any_order"] = True


def _way(y: Value, start: Value) -> list[Op] | None:
    """The additions between a value and what it starts from; None where there is something else."""
    if y is start:
        return []
    op = y.owner
    if not isinstance(op, Op):
        return None
    name = op.defn.name
    if name in ("add", "sub"):
        sides = op.operands if name == "add" else op.operands[:1]
        rest = next((way for x in sides if (way := _way(x, start)) is not None), None)
        return None if rest is None else [op, *rest]
    k = op.results.index(y)
    if name == "for":
        body = op.regions[0]
        return _joined(_way(op.operands[1 + k], start), _way(body.yields[k], body.params[1 + k]))
    if name == "if":
        return _joined(*(_way(region.yields[k], start) for region in op.regions))
    return None


def _joined(*ways: list[Op] | None) -> list[Op] | None:
    known = [way for way in ways if way is not None]
    return [op for way in known for op in way] if len(known) == len(ways) else None
