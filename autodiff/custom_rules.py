"""Rules for the derivative of a call, as users define them; and one mode made from the other.

    halves from tangents    backward is the transpose of tangents(params, .)
    tangents from halves    tangents(params, dots) is the transpose of backward(residuals, .) at dots

Both need a rule that is linear in what flows through it. That is so where its own derivative with respect to the flow does
not depend on the flow; where it does, there is an error that says which rule is missing.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..ir.clone import dce, inline
from ..ir.core import Block, Function, Op, Value, subst_type
from ..ir.errors import Loc, UnsupportedError
from .custom_calls import closed, inexact
from .forward import jvp
from .partition import all_new
from .reverse.reverse import partition, vjp

if TYPE_CHECKING:
    from ..ir.build import Builder


class Rule:
    """The derivative of a call as its user defines it; what custom_calls.py expects of a rule.

    results    how many results the call has, and how many of them are inexact
    tangents, halves   make the functions when they are first asked for; one of them is given
    """

    __slots__ = ("_halves", "_tangents", "inputs", "kind", "loc", "name", "results")

    def __init__(self, name: str, inputs: tuple[int, ...], results: int, *, loc: Loc = (),
                 tangents: Callable[[], Function] | None = None,
                 halves: Callable[[], tuple[Function, Function]] | None = None):
        self.name, self.inputs, self.results, self.loc = name, inputs, results, loc
        self._tangents: Any = tangents
        self._halves: Any = halves
        self.kind = "custom_jvp" if tangents else "custom_vjp"

    def __repr__(self) -> str:
        return f"{self.kind} of {self.name}"

    def tangents(self) -> Function:
        if not isinstance(self._tangents, Function):
            self._tangents = self._tangents() if self._tangents else tangents_from(self)
        return self._tangents

    def halves(self) -> tuple[Function, Function]:
        if not isinstance(self._halves, tuple):
            self._halves = self._halves() if self._halves else halves_from(self)
        return self._halves


def halves_from(rule: Rule) -> tuple[Function, Function]:
    """The transpose of `tangents` in what stands behind the parameters of the call."""
    both, out = rule.tangents(), rule.results
    flows = range(len(both.params) - len(rule.inputs), len(both.params))
    moved = range(out, len(both.results))
    expect_linear(rule, both, flows, moved, "tangents", "define the derivative of reverse mode with tg.custom_vjp")
    forward, backward = all_new(partition(both, flows, set(moved)))
    own = both.params[:flows.start]

    def emit(b: Builder, params: Any) -> Any:
        mapping = dict(zip(own, params))
        zeros = [b.full(0, subst_type(both.params[k].type, mapping).dims, both.params[k].type.dtype) for k in flows]
        found = inline(b, forward, (*params, *zeros))
        return (*found[:out], *found[len(both.results):])

    return dce(closed(f"{rule.name}_forward", own, [p.name for p in own], emit, both.loc)), backward


def tangents_from(rule: Rule) -> Function:
    """The transpose of `backward` in the cotangents."""
    (forward, backward), out = rule.halves(), rule.results
    flows = range(len(forward.results) - out, len(backward.params))
    expect_linear(rule, backward, flows, range(len(backward.results)), "cotangents",
                  "define it with tg.custom_jvp, whose rule serves both modes where it is linear")
    twice, own = vjp(backward, flows), forward.params
    values = (*own, *[Value(own[k].type) for k in rule.inputs])
    names = [p.name for p in own] + [f"{own[k].name}_dot" if own[k].name else None for k in rule.inputs]

    def emit(b: Builder, params: Any) -> Any:
        found = inline(b, forward, params[:len(own)])
        kept = found[out:]
        mapping = dict(zip(backward.params, kept))
        zeros = [b.full(0, subst_type(backward.params[k].type, mapping).dims, backward.params[k].type.dtype) for k in flows]
        moved = inline(b, twice, (*kept, *zeros, *params[len(own):]))
        return (*found[:out], *moved[len(backward.results):])

    return dce(closed(f"{rule.name}_jvp", values, names, emit, forward.loc))


# --- linearity -----------------------------------------------------------------------------------------------------------

def expect_linear(rule: Rule, f: Function, flows: Any, results: Any, what: str,
                  remedy: str) -> None:
    """Raise unless the results of `f` are linear in the parameters `flows`."""
    twice = jvp(f, tuple(flows))
    places = [k for k, r in enumerate(f.results) if inexact(r)]
    dots = [twice.results[len(f.results) + n] for n, k in enumerate(places) if k in results]
    reached = dependent(twice, [twice.params[k] for k in flows])
    if any(v in reached for v in dots):
        raise UnsupportedError(
            f"the rule of `{rule.name}` is not linear in the {what} that it is given, so it has no transpose for the other "
            "mode",
            remedy, rule.loc)


def dependent(f: Function, sources: Any) -> set[Value]:
    """The values of `f` that depend on these through data or control, differentiably or not."""
    reached: set[Value] = set(sources)
    _block(f.body, reached)
    return reached


def _block(block: Block, reached: set[Value]) -> None:
    for op in block.ops:
        used = any(v in reached for v in op.operands)
        rule = _CONTROL.get(op.defn.name)
        if rule is not None:
            rule(op, reached, used)
        elif used and op.defn.name != "dim":
            reached.update(op.results)


def _link(sources: Any, targets: Any, reached: set[Value]) -> None:
    for source, target in zip(sources, targets):
        if source in reached:
            reached.add(target)


def _call(op: Op, reached: Any, used: Any) -> None:
    callee = op.attrs["callee"]
    inner = dependent(callee, [p for p, v in zip(callee.params, op.operands) if v in reached]) if used else ()
    reached.update([r for v, r in zip(callee.results, op.results) if v in inner])


def _branches(op: Op, reached: Any, used: Any) -> None:
    for region in op.regions:
        _block(region, reached)
        _link(region.yields, op.results, reached)
    if used:
        reached.update(op.results)


def _loop(op: Op, reached: Any, used: Any) -> None:
    fixed, body, count = len(op.operands) - len(op.results), op.regions[-1], -1
    for region in op.regions:
        _link(op.operands[fixed:], region.params[fixed:], reached)
    while count < (count := sum([p in reached for p in body.params])):
        for region in op.regions:
            _block(region, reached)
            _link(body.yields, region.params[fixed:], reached)
    _link(body.params[fixed:], op.results, reached)
    _link(body.yields, op.results, reached)
    decided = [*op.operands[:fixed], *(op.regions[0].yields if op.defn.name == "while" else ())]
    if any(v in reached for v in decided):
        reached.update(op.results)


_CONTROL = {"call": _call, "if": _branches, "map": _branches, "for": _loop, "while": _loop}
