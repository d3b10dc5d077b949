"""Forward mode through control: each branch yields, each loop carries, each call takes and returns tangents beside values.

    %s = for %i = 0 to %n carry(%s0 = %a) { … yield %s1 }
    %s, %s_dot = for %i = 0 to %n carry(%s0 = %a, %s0_dot = %a_dot) { … yield %s1, %s1_dot }

Activity has settled which carried values have a tangent, so one pass over the body is enough. The op is changed in place:
the function is a copy.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from ..ir.core import Op, Value
from .activity import inexact
from .custom_calls import forward_call

if TYPE_CHECKING:
    from .forward import Forward


def add_results(op: Op, templates: list[Value]) -> list[Value]:
    """Further results of an op, each of the type of a template."""
    start = len(op.results)
    new = [Value(t.type, f"{t.name}_dot" if t.name else None, op, start + k) for k, t in enumerate(templates)]
    op.results += tuple(new)
    return new


def _tangents(fwd: Forward, op: Op, varied: list[int]) -> None:
    """Results that are the tangents of the results at positions `varied`."""
    dots = add_results(op, [op.results[k] for k in varied])
    fwd.dots.update(zip([op.results[k] for k in varied], dots))


def _branches(fwd: Forward, op: Op) -> None:
    """`if`, `map`: the tangents are yielded too."""
    places = [k for k, r in enumerate(op.results) if r in fwd.varied]
    for region in op.regions:
        fwd.block(region)
        with fwd.b.at(region):
            region.yields += tuple([fwd.dot(region.yields[k]) for k in places])
    fwd.b.block.ops.append(op)
    _tangents(fwd, op, places)


def _loop(fwd: Forward, op: Op) -> None:
    """`for`, `while`: the tangents are carried too."""
    fixed, body = len(op.operands) - len(op.results), op.regions[-1]
    places = [k for k, p in enumerate(body.params[fixed:]) if p in fwd.varied]
    if not places:
        # nothing is carried that varies, so no result does
        fwd.b.block.ops.append(op)
        return
    starts = tuple([fwd.dot(op.operands[fixed + k]) for k in places])
    kinds = [kind for kind in (fwd.steep, fwd.tall) if kind.carries(op, starts)]
    op.operands += starts
    for region in op.regions:
        start = len(region.params)
        dots = [fwd.tangent_param(region, region.params[fixed + k], start + n) for n, k in enumerate(places)]
        region.params += tuple(dots)
        for kind in kinds:
            kind.marked.update(dots)
    fwd.block(body)
    with fwd.b.at(body):
        body.yields += tuple([fwd.dot(body.yields[k]) for k in places])
    fwd.b.block.ops.append(op)
    _tangents(fwd, op, places)


def _call(fwd: Forward, op: Op) -> None:
    """A call of the callee's derivative, which is made once per callee and pattern of varied operands."""
    if "rule" in op.attrs:
        forward_call(fwd, op, add_results)
        return
    callee = op.attrs["callee"]
    wrt = tuple([k for k, v in enumerate(op.operands) if v in fwd.dots])
    places = [k for k, r in enumerate(op.results) if inexact(r)]
    if wrt and places:
        op.attrs = {**op.attrs, "callee": fwd.derivative(callee, wrt, op.operands)}
        op.operands += tuple([fwd.dots[op.operands[k]] for k in wrt])
        _tangents(fwd, op, places)
        for k in places:
            if op.results[k] not in fwd.varied:
                del fwd.dots[op.results[k]]
    fwd.b.block.ops.append(op)


CONTROL = {"if": _branches, "map": _branches, "for": _loop, "while": _loop, "call": _call}
