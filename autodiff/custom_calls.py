"""Calls whose derivative a rule gives (custom_rules.py), in both modes.

A call with a rule is `call args {callee, rule}`. The rule has

    inputs      the positions of the parameters that derivatives pass through, all of them inexact
    tangents()  a function: params, a tangent for each input  ->  results, the tangent of each inexact result
    halves()    two:        params                            ->  results, residuals
                            residuals, a cotangent for each inexact result  ->  the cotangent of each input

Forward mode calls `tangents`. Reverse mode writes the call out before it starts; derivatives then pass through the link
alone, and what leads from the inputs to the results is detached:

    before   %y = call @f(%x) {rule}
    while    %x' = stop_gradient %x;  %out, %residuals = forward(%x');  %y = call @link(%x, %residuals, %out) {link}
    after    %out, %residuals = forward(%x), and %out for %y: to be differentiated again like anything else
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..ir.build import Builder
from ..ir.clone import copy_block, dims_of, inline, mapped, nest_locations, replace
from ..ir.core import Block, Function, Op, Value, subst_type
from ..ir.errors import Loc, UnsupportedError
from ..ir.transforms.simplify import peephole
from ..ir.types import StackType

if TYPE_CHECKING:
    from .adjoint_frames import Frame
    from .custom_rules import Rule
    from .forward import Forward


class Link:
    """The rule of a link. Its operands: the inputs, `fixed` values that must not vary, the residuals, the results, lengths."""

    __slots__ = ("backward", "first", "fixed", "inputs", "name", "residuals")

    def __init__(self, rule: Rule, backward: Function, fixed: int, residuals: int):
        self.name, self.backward, self.fixed, self.residuals = rule.name, backward, fixed, residuals
        self.inputs = tuple(range(len(rule.inputs)))
        self.first = len(self.inputs) + fixed + residuals          # where the results start

    def __repr__(self) -> str:
        return f"rule of {self.name}"


def rule_of_call(op: Op) -> Link | None:
    """What says how derivatives pass through a call, where it is not the callee itself."""
    rule = op.attrs.get("rule") or op.attrs.get("link")
    if isinstance(rule, str):
        raise UnsupportedError(f"this program was read from a text, which has of the {rule} only the name",
                               "differentiate the function itself, or take the attribute `rule` out of the text", op.loc)
    return rule


def varies(op: Op, rule: Link | Rule, marked: set[Value]) -> bool:
    """Whether the results of a call with a rule vary. Raises where something varies that the rule says nothing about."""
    chosen = set(rule.inputs)
    for k, v in enumerate(op.operands):
        if k not in chosen and v in marked:
            what = f"`{v.name}`" if v.name else "a value"
            raise UnsupportedError(
                f"`{rule.name}` has a custom derivative, but depends on {what}, which is differentiated and which the rule "
                "does not cover",
                "make it an argument that nondiff_argnums does not name, or pass it through tg.stop_gradient", op.loc)
    return any(op.operands[k] in marked for k in rule.inputs)


def closed(name: str, values: Sequence[Value], names: Sequence[str | None], emit: Callable, loc: Loc = ()) -> Function:
    """A function with a parameter in the place of each of these values, whose lengths must be among them; `emit(builder,
    params)` gives its results."""
    body = Block([v.type for v in values], names)
    mapping = dict(zip(values, body.params))
    for p in body.params:
        p.type = subst_type(p.type, mapping)
    b = Builder(peephole=peephole)
    b.loc = loc
    with b.at(body):
        body.yields = tuple(emit(b, body.params))
    return Function(name, body, loc)


def inexact(v: Value) -> bool:
    return v.type.__class__ is not StackType and v.type.dtype.inexact


def forward_call(fwd: Forward, op: Op, add_results: Callable) -> None:
    """Forward mode: a call of the rule's tangents, with zeros for the inputs that do not vary."""
    rule = op.attrs["rule"]
    if any(op.operands[k] in fwd.dots for k in rule.inputs):
        op.attrs = {"callee": rule.tangents()}
        op.operands += tuple([fwd.dot(op.operands[k]) for k in rule.inputs])
        moving = [r for r in op.results if inexact(r)]
        fwd.dots.update(zip(moving, add_results(op, moving)))
    fwd.b.block.ops.append(op)


def write_out(builder: Builder, op: Op, mapping: dict[Value, Value], custom: dict[str, Callable]) -> tuple[Value, ...]:
    """Reverse mode, before it starts: the forward half, detached, and the link."""
    rule = op.attrs["rule"]
    forward, backward = rule.halves()
    start, operands = len(builder.block.ops), mapped(op.operands, mapping)
    detached = [builder("stop_gradient", v, link=True) if inexact(v) else v for v in operands]
    found = copy_block(builder, forward.body, dict(zip(forward.params, detached)), custom)
    results, residuals = found[:len(op.results)], found[len(op.results):]
    fixed = [v for k, v in enumerate(operands) if k not in rule.inputs and inexact(v)]
    link = Link(rule, backward, len(fixed), len(residuals))
    given = [*[operands[k] for k in rule.inputs], *fixed, *residuals, *results]
    given += [d for d in dict.fromkeys([d for v in given for d in dims_of(v.type)]) if d not in given]
    identity = closed(f"{rule.name}_link", given, (), lambda b, params: params[link.first:link.first + len(results)], op.loc)
    linked = builder.emit("call", *given, callee=identity, link=link)
    for o in builder.block.ops[start:]:
        nest_locations(o, op.loc)
    return linked


def same_as(op: Op) -> dict[Value, Value]:
    """What the results of an op that `write_out` made are for everything but derivatives; {} for other ops."""
    if "link" not in op.attrs:
        return {}
    if op.defn.name == "stop_gradient":
        return {op.results[0]: op.operands[0]}
    first = op.attrs["link"].first
    return dict(zip(op.results, op.operands[first:first + len(op.results)]))


def reverse_link(frame: Frame, op: Op) -> None:
    """The backward half, on the residuals as they are found from here."""
    link: Link = op.attrs["link"]
    cts = [frame.take(r) for r in op.results]
    if all(ct is None for ct in cts):
        return
    kept = [frame.get(v) for v in op.operands[link.first - link.residuals:link.first]]
    flows = [frame.or_zeros(r, ct) for r, ct in zip(op.results, cts) if inexact(r)]
    for k, bar in zip(link.inputs, inline(frame.b, link.backward, (*kept, *flows))):
        frame.add(op.operands[k], bar)


def unlink(blocks: list[Block], same: dict[Value, Value]) -> None:
    """Reverse mode, in the end: take out what `write_out` added."""
    for v, w in same.items():
        while w in same:
            w = same[w]
        same[v] = w
    for block in blocks:
        _drop(block)
        replace(block, same)


def _drop(block: Block) -> None:
    block.ops = [op for op in block.ops if "link" not in op.attrs]
    for op in block.ops:
        for region in op.regions:
            _drop(region)
