"""Additions to an element that stays the same while a loop runs, and that nothing else in the loop touches.

    for %j … carry(%d) {                              %s = 0
      %x = slice %d[%i, %j]                           for %j … { %x = slice %d[%i, %j];  %s = %s + %v }
      %d1 = update_add %d[%i, %k], %v         ->      %d1 = update_add %d[%i, %k], %s
      yield %d1 }

A sum in a register can be reordered and vectorised; one in memory makes each iteration wait for the store of the one before.
Reverse mode makes such additions of everything that a loop reads and does not change: the pivot of an elimination, a filter's
coefficients, the row of a matrix product. (Additions to one array happen in any order: ir/ops/index.py.)

That nothing else touches the element is proved with forms over loop counters (ir/analysis/affine.py): on some axis, each other
access certainly ends before the element or begins after it.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...ir.analysis.affine import AffineExpr
from ...ir.analysis.induction import assume_iteration, counter_of
from ...ir.analysis.patterns import number
from ...ir.core import Block, Const, Function, Op
from ...ir.ops.index import spec_operands
from ...ir.transforms.range_checks import Ranges
from ...ir.types import Type


def alone(f: Function) -> dict[Op, dict[Op, int]]:
    """For each `for` loop that has them: {addition: number of the carried array}."""
    found: dict[Op, dict[Op, int]] = {}
    proofs = None
    for op in f.body.walk():
        if op.defn.name != "for":
            continue
        body = op.regions[0]
        inside = set(body.ops)
        for k in range(len(op.results)):
            accesses = _accesses(body, k)
            places = [w for w in accesses or () if _steady(w, body, inside)]
            if accesses is None or not places:
                continue
            proofs = proofs or _Proofs(f)
            for w in places:
                if proofs.apart(op, w, accesses):
                    found.setdefault(op, {})[w] = k
    return found


def _accesses(body: Block, k: int) -> list[Op] | None:
    """The reads and writes of carried array k, where all stand in the body itself and are of regions; else None."""
    p, v = body.params[1 + k], body.yields[k]
    if type(p.type) is not Type or not p.type.dims:
        return None
    versions, writes = {p}, []
    while v is not p:
        op = v.owner
        if not isinstance(op, Op) or op.defn.overwrites is None or "spec" not in op.attrs:
            return None
        versions.add(v)
        writes.append(op)
        v = op.operands[0]
    if not any(w.defn.name == "update_add" for w in writes) or not set(writes) <= set(body.ops):
        return None
    if sum(y in versions for y in body.yields) > 1:
        return None
    for op in body.walk():
        held = [n for n, x in enumerate(op.operands) if x in versions]
        held += [0 for region in op.regions for y in region.yields if y in versions]
        if held and not (op in writes and held == [0]):
            if op.defn.name != "slice":
                return None
            writes.append(op)
    return writes


def _steady(op: Op, body: Block, inside: set) -> bool:
    """Whether the op adds to one element whose place no iteration changes."""
    return (op.defn.name == "update_add" and set(op.attrs["spec"]) == {"i"} and op.results[0].type.dtype.kind == "f"
            and all(isinstance(i, Const) or (i.owner is not body and i.owner not in inside) for i in op.operands[2:]))


class _Proofs:
    """What is known of positions in a function."""

    def __init__(self, f: Function):
        self.ranges = r = Ranges(f)
        r.lengths()
        for op in f.body.walk():
            if op.defn.name in ("for", "map"):
                counter_of(r, op)

    def apart(self, loop: Op, w: Op, accesses: list[Op]) -> bool:
        """Whether every access that is no addition, in any iteration of the loop, leaves out the element that w adds to."""
        facts = self.ranges.facts
        mark = facts.mark()
        assume_iteration(self.ranges, loop)
        place = [self.ranges.form(i) for i in w.operands[2:]]
        found = all(op.defn.name == "update_add" or self._clear(place, op) for op in accesses)
        facts.undo(mark)
        return found

    def _clear(self, place: list[AffineExpr], op: Op) -> bool:
        for at, (first, last) in zip(place, self._region(op)):
            if (first is not None and self._before(at, first)) or (last is not None and self._before(last, at)):
                return True
        return False

    def _before(self, a: AffineExpr, b: AffineExpr) -> bool:
        return self.ranges.facts.nonneg(b.plus(a, -1).add(-1))

    def _region(self, op: Op) -> Iterator[Any]:
        """(first, last) position of an access on each axis; None where it is not known."""
        spec, operands = op.attrs["spec"], op.operands[1 if op.defn.name == "slice" else 2:]
        form = self.ranges.form
        for char, k in zip(spec, spec_operands(spec)):
            if char == "i":
                yield form(operands[k]), form(operands[k])
            elif char == "s" and (step := number(operands[k + 2])) is not None and step > 0:
                start = form(operands[k])
                yield start, start.plus(form(operands[k + 1]).add(-1), step)
            else:
                yield None, None
