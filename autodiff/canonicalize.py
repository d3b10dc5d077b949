"""What reverse mode makes of a function before it starts: calls in regions inlined, `map` as `for`, lengths out of loops.

    %y = map %i = 0 to %n { … yield %v }
    %y = for %i = 0 to %n carry(%y0 = empty %n) { … yield update %y0, %v, %i }

What a write adds to the elements that it overwrites is added in place, so that the adjoint of the array passes it unchanged:

    %o = slice %x, %i;  %s = add %o, %e;  %x1 = update %x, %s, %i        becomes        %x1 = update_add %x, %e, %i

Lengths (and other index arithmetic) that do not change in a loop stand before it, so that what a loop keeps has a type there.
So do views of arrays from outside, and what is made of such arrays element by element, where a loop reads parts of it: what
the loop adds to the adjoint of a view is added in place, and goes to the adjoint of the array once, after the loop. An array
that a loop writes as a view is carried as that (ir/transforms/carries/carried_views.py).
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.build import Builder, key_of, make_op
from ..ir.clone import clone, copy_block, copy_op, copy_region, has_effect, mapped, nest_locations, sweep
from ..ir.core import Block, Const, Function, Op, Value
from ..ir.opdef import OPS, Elementwise
from ..ir.transforms.carries.carried_views import reshaped
from ..ir.transforms.carries.private_arrays import private
from ..ir.transforms.simplify import peephole
from ..ir.transforms.steady_sums import taken_out
from ..ir.types import INDEX, INDEX_SCALAR
from .activity import inexact, varied
from .checkpoint.segments import marked as checkpointed
from .custom_calls import rule_of_call, write_out
from .multiplicity.equal_values import smooth
from .smoothness.carried_kinks import carried
from .smoothness.kink_products import STATED
from .smoothness.kink_series import expanded
from .smoothness.paired_kinks import paired
from .smoothness.pieces import pieced
from .smoothness.sides import sided


def prepare(f: Function, name: str) -> Function:
    """A copy of `f` that reverse mode may change.

    Factors are smoothed before the copy, which states slopes that their formulas would not be recognised by, and once more
    where calls of regions have come in.
    """
    body = smooth(Function(name, copy_region(Builder(), smooth(f).body, {}, _OUTSIDE), f.loc)).body
    body = sided(paired(carried(body)))
    pieced(body)
    expanded(body)
    made = Function(name, body, f.loc)
    if reshaped(made):
        made = clone(made, peephole=peephole)
        sweep(made)
        body = made.body
    _hoist(body)
    _accumulate(body, _use_counts(body))
    prepared = Function(name, body, f.loc)
    private(prepared)
    sweep(prepared)                                # of the reads that additions in place have left
    taken_out(prepared)
    return prepared


def with_rules(g: Function, wrt: Sequence[int], memo: Any) -> Function:
    """A prepared function whose calls that have a rule (custom_calls.py) and vary with the parameters `wrt` are written out."""
    calls = [op for op in g.body.walk() if "rule" in op.attrs]
    marked = varied(g, wrt, memo) if calls else ()
    chosen = {op for op in calls if (link := rule_of_call(op)) is not None
              and any(op.operands[k] in marked for k in link.inputs)}
    if not chosen:
        return g

    def call(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        return write_out(builder, op, mapping, _CUSTOM) if op in chosen else copy_op(builder, op, mapping)

    body = copy_region(Builder(), g.body, {}, {"call": call})
    _hoist(body)
    return Function(g.name, body, g.loc)


def _call(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    if "rule" in op.attrs or checkpointed(op):
        return copy_op(builder, op, mapping)
    callee = op.attrs["callee"]
    start = len(builder.block.ops)
    inner = dict(zip(callee.params, mapped(op.operands, mapping)))
    results = copy_block(builder, callee.body, inner, _CUSTOM)
    if op.loc:
        for o in builder.block.ops[start:]:
            nest_locations(o, op.loc)
    return results


def _map(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    (region,) = op.regions
    if not any(inexact(r) for r in op.results):
        return copy_op(builder, op, mapping, _CUSTOM)
    (trip,) = mapped(op.operands, mapping)
    inits = []
    for r in op.results:
        lengths = [builder.index(d) if isinstance(d, int) else mapping.get(d, d) for d in r.type.dims[1:]]
        inits.append(builder("empty", *map(builder.index, [trip, *lengths]), dtype=r.type.dtype))
    body = Block([INDEX_SCALAR, *[v.type for v in inits]], [region.params[0].name, *[r.name for r in op.results]])
    mapping[region.params[0]] = i = body.params[0]
    with builder.at(body):
        rows = copy_block(builder, region, mapping, _CUSTOM)
        body.yields = tuple([builder("update", param, row, i, spec="i" + ":" * len(row.type.dims))
                             for param, row in zip(body.params[1:], rows)])
    return builder.emit("for", trip, *inits, regions=[body])


def _region(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    return copy_op(builder, op, mapping, _CUSTOM)


_CUSTOM = {"call": _call, "map": _map, **STATED}
# at the top of a function: calls stay, those in regions do not
_OUTSIDE = {"map": _map, "if": _region, "for": _region, "while": _region, **STATED}


def _hoist(block: Block) -> None:
    """Move index arithmetic on values from outside a region in front of the op that has the region, innermost first."""
    ops = []
    for op in block.ops:
        for region in op.regions:
            _hoist(region)
            if op.defn.name in ("for", "while") and region is not op.regions[-1]:
                continue                                       # the condition of a `while`
            ops += _taken_out(region, op.defn.loop)
        ops.append(op)
    block.ops = ops


def _taken_out(region: Block, loop: bool) -> list[Op]:
    inside: set[Value] = set(region.params)
    moved, kept = [], []
    quiet = True
    read = _read(region) if loop else set()
    for op in region.ops:
        outside = not any(v in inside for v in op.operands)
        if outside and (_index_arithmetic(op) or (op in read and (quiet or _static(op)))):
            moved.append(op)
        else:
            kept.append(op)
            inside.update(op.results)
            quiet = quiet and not has_effect(op, {})
    region.ops = kept
    return moved


def _index_arithmetic(op: Op) -> bool:
    arithmetic = isinstance(op.defn, Elementwise) or op.defn.name in ("dim", "iota")
    return arithmetic and op.results[0].type.dtype is INDEX


def _read(region: Block) -> set[Op]:
    """The ops that make an array element by element and of whose results all that is used, here and inside, is parts."""
    found: set[Op] = set()
    spoiled = set(region.yields)
    every = [*region.walk()]
    for op in every:
        for inner in op.regions:
            spoiled.update(inner.yields)
    for op in reversed(every):
        if _by_element(op) and inexact(op.results[0]) and op.results[0] not in spoiled:
            found.add(op)
        if op not in found and op.defn.name != "slice":
            spoiled.update(op.operands)
    return found & set(region.ops)


def _by_element(op: Op) -> bool:
    """Whether each element of an array is made of one of another array, or is one."""
    linear = op.defn.moves and op.defn.rule == "linear" and "i" not in op.attrs.get("spec", "")
    return (linear or isinstance(op.defn, Elementwise)) and bool(op.results[0].type.dims)


def _static(op: Op) -> bool:
    """Whether nothing about the op depends on what only run time knows, so that no check stands before it."""
    return op.results[0].type.static and all(v.type.dims or isinstance(v, Const) or v.dtype is not INDEX for v in op.operands)


# --- accumulation --------------------------------------------------------------------------------------------------------

def _use_counts(block: Block, counts: dict | None = None) -> dict[Value, int]:
    counts = {} if counts is None else counts
    for op in block.ops:
        for v in op.operands:
            counts[v] = counts.get(v, 0) + 1
        for region in op.regions:
            _use_counts(region, counts)
    for v in block.yields:
        counts[v] = counts.get(v, 0) + 1
    return counts


def _accumulate(block: Block, counts: dict[Value, int]) -> None:
    ops, changed = [], False
    for op in block.ops:
        for region in op.regions:
            _accumulate(region, counts)
        if op.defn.name == "update" and counts.get(op.operands[1]) == 1 and (term := _added(op)) is not None:
            x, v, *indices = op.operands
            if v.maker.defn.name == "sub":
                negated = make_op(OPS["neg"], (term,), {}, (), v.maker.loc)
                ops.append(negated)
                term = negated.results[0]
            op.defn, op.operands, changed = OPS["update_add"], (x, term, *indices), True
        ops.append(op)
    if changed:
        block.ops = ops


def _added(write: Op) -> Value | None:
    """What an `update` adds to the elements that it overwrites, or takes away in a `sub`; None where it does otherwise."""
    made = write.operands[1].op
    if made is None or made.defn.name not in ("add", "sub") or not inexact(write.results[0]):
        return None
    a, b = made.operands
    for old, term in ((a, b), (b, a))[:1 if made.defn.name == "sub" else 2]:
        read = old.op
        if (read is not None and read.defn.name == "slice" and read.operands[0] is write.operands[0]
                and read.attrs["spec"] == write.attrs["spec"] and term.type == old.type
                and [*map(key_of, read.operands[1:])] == [*map(key_of, write.operands[2:])]):
            return term
    return None
