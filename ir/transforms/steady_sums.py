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

Lowering takes such sums from `alone`. Reverse mode has `taken_out`, which makes them in the IR where the loop reads other
parts of the array:

    for %k … carry(%b) {                                  %s = for %k … carry(%t = broadcast -0.0, 1) {
      … slice %b[%i + 1 + %k, %j] …                         … slice %b[%i + 1 + %k, %j] …
      %b1 = update_add %b[%i, %j], %v           ->          %t1 = update_add %t[0], %v
      yield %b1 }                                           yield %t1 }
                                                          %b1 = update_add %b[%i, %j], %s[0]

The loop may add to the element in several places, each of which has a sum of its own; -0.0 changes nothing it is added to.

On the way back the array is restored, as other iterations read it: then that takes one element for the loop, not one for each
of its iterations. The place must be known to lie in the array, as the loop might have no iteration that looks.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..analysis.affine import AffineExpr
from ..analysis.induction import assume_iteration, counter_of
from ..analysis.patterns import made_by, number
from ..build import Builder, const, make_op
from ..clone import replace
from ..core import Block, Const, Function, Op, Value
from ..opdef import OPS
from ..ops.index import spec_operands
from ..types import INDEX, Type
from .range_checks import Ranges


def alone(f: Function, restored: bool = False) -> dict[Op, dict[Op, int]]:
    """For each `for` loop that has them: {addition: number of the carried array}. restored: those that `taken_out` takes."""
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
            if accesses is None or not places or (restored and not any(a.defn.name == "slice" for a in accesses)):
                continue
            proofs = proofs or _Proofs(f)
            for w in places:
                if proofs.apart(op, w, accesses) and (not restored or proofs.inside(w)):
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
            and all(isinstance(i, Const) or (i.owner is not body and i.owner not in inside) for i in _place(op)))


def _place(w: Op) -> list[Value]:
    """The position of an element, without the `wrap` that negative ones would need; none is left when lowering asks."""
    return [wrap.operands[0] if (wrap := made_by(i, "wrap")) is not None else i for i in w.operands[2:]]


def known(w: Op) -> bool:
    """Whether the element is one of an array of known size at known positions."""
    return all(isinstance(d, int) and (at := number(i)) is not None and 0 <= at < d
               for i, d in zip(w.operands[2:], w.operands[0].type.dims))


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

    def inside(self, w: Op) -> bool:
        """Whether the element lies in the array."""
        facts = self.ranges.facts
        for i, d in zip(_place(w), w.operands[0].type.dims):
            at, size = self.ranges.form(i), AffineExpr(d, {}) if isinstance(d, int) else self.ranges.form(d)
            if not (facts.nonneg(at) and self._before(at, size)):
                return False
        return True

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


# --- in the IR ----------------------------------------------------------------------------------------------------------

def taken_out(f: Function) -> bool:
    """Let loops make such sums apart, in place, from the innermost loops outwards; whether there were any."""
    changed = False
    while found := alone(f, restored=True):
        changed = True
        home = {op: block for block in [f.body, *[r for op in f.body.walk() for r in op.regions]] for op in block.ops}
        for loop, sums in found.items():
            for w, k in sums.items():
                _take_out(home[loop], loop, w, k)
    return changed


def _take_out(block: Block, loop: Op, w: Op, k: int) -> None:
    (body,), old, place, zero, spec = loop.regions, loop.results[k], _place(w), const(0, INDEX), w.attrs["spec"]
    builder, before, after = Builder(), Block(), Block()
    builder.loc = w.loc
    with builder.at(before):
        first = builder("broadcast", const(-0.0, w.operands[1].type.dtype), const(1, INDEX))
    loop.operands += (first,)
    total = Value(first.type, None, loop, len(loop.results))
    loop.results += (total,)
    param = Value(first.type, None, body, len(body.params))
    body.params += (param,)
    added = make_op(OPS["update_add"], (param, w.operands[1], zero), {"spec": "i"}, (), w.loc)
    body.ops[body.ops.index(w)] = added
    replace(body, {w.results[0]: w.operands[0]})
    body.yields += (added.results[0],)
    with builder.at(after):
        made = builder("update_add", old, builder("slice", total, zero, spec="i"), *place, spec=spec)
    final = made.maker
    replace(block, {old: made})
    final.operands = (old, *final.operands[1:])
    at = block.ops.index(loop)
    block.ops[at:at + 1] = [*before.ops, loop, *after.ops]
