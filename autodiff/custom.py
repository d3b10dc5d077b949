"""Rules that users give for the derivative of a call, in both modes.

A call with a rule is `call args {callee, rule}`. The rule knows at least one of

    tangents   (params, a tangent for each input)  ->  (results, the tangent of each inexact result)
    halves     forward:   params                                              ->  (results, residuals)
               backward:  (residuals, a cotangent for each inexact result)    ->  the cotangent of each input

and makes the other one from it where that is linear in what flows through it:

    halves from tangents    backward is the transpose of tangents(params, ·)
    tangents from halves    tangents(params, dots) = transpose of backward(residuals, ·) at dots

Reverse mode writes such a call out before it starts. What is derived is the link alone; the rest of it is detached:

    before   %y = call @f(%x) {rule}
    while    %x' = stop_gradient %x;  %out, %residuals = forward(%x');  %y = call (%x, %residuals, %out) {link}
    after    %out, %residuals = forward(%x)                           with %y = %out: to be differentiated again like any other
"""
from __future__ import annotations

from collections.abc import Callable

from ..ir.build import Builder
from ..ir.core import Block, Function, Op, Value, subst_type
from ..ir.errors import Loc, UnsupportedError
from ..ir.rewrite import copy_block, dce, dims_of, inline, mapped
from ..ir.simplify import peephole
from .activity import inexact

NAMES = ("rule", "link")


class Rule:
    """The derivative of a call as its user defines it.

    inputs     positions of the parameters that derivatives pass through, all of them inexact
    tangents, halves   make the functions when they are first asked for; None where the user gives none
    """

    __slots__ = ("_halves", "_tangents", "inputs", "loc", "made", "name")

    def __init__(self, name: str, inputs: tuple[int, ...], *, tangents: Callable[[], Function] | None = None,
                 halves: Callable[[], tuple[Function, Function]] | None = None, loc: Loc = ()):
        self.name, self.inputs, self.loc = name, inputs, loc
        self._tangents, self._halves, self.made = tangents, halves, {}

    def __repr__(self):
        return f"{'custom_jvp' if self._tangents else 'custom_vjp'} of {self.name}"

    def tangents(self) -> Function:
        if "tangents" not in self.made:
            self.made["tangents"] = self._tangents() if self._tangents else tangents_from(self)
        return self.made["tangents"]

    def halves(self) -> tuple[Function, Function]:
        if "halves" not in self.made:
            self.made["halves"] = self._halves() if self._halves else halves_from(self)
        return self.made["halves"]


class Link:
    """What reverse mode makes of a call with a rule: operands are the inputs, values that must not vary, residuals, results."""

    __slots__ = ("backward", "fixed", "inputs", "name", "residuals")

    def __init__(self, rule: Rule, backward: Function, fixed: int, residuals: int):
        self.name, self.backward, self.fixed, self.residuals = rule.name, backward, fixed, residuals
        self.inputs = tuple(range(len(rule.inputs)))

    def __repr__(self):
        return f"rule of {self.name}"


def of(op: Op) -> Rule | Link | None:
    """The rule of a call, if it has one."""
    return op.attrs.get("rule") or op.attrs.get("link")


def varies(op: Op, rule: Rule | Link, marked) -> bool:
    """Whether the results of a call with a rule vary. Raises where something varies that the rule says nothing about."""
    chosen = set(rule.inputs)
    for k, v in enumerate(op.operands):
        if k not in chosen and v in marked:
            what = f"`{v.name}`" if v.name else "a value"
            raise UnsupportedError(
                f"`{rule.name}` has a custom derivative, but also depends on {what}, which is differentiated and which the rule "
                "does not cover", "make it an argument that is not in nondiff_argnums, or pass it through tg.stop_gradient", op.loc)
    return any(op.operands[k] in marked for k in rule.inputs)


# --- one mode from the other ---------------------------------------------------------------------------------------------

def closed(name: str, values, names, emit: Callable[[Builder, tuple[Value, ...]], tuple], loc: Loc = ()) -> Function:
    """A function with a parameter in the place of each of these values, whose lengths must be among them."""
    body = Block([v.type for v in values], names)
    mapping = dict(zip(values, body.params))
    for p in body.params:
        p.type = subst_type(p.type, mapping)
    b = Builder(peephole=peephole)
    b.loc = loc
    with b.at(body):
        body.yields = tuple(emit(b, body.params))
    return Function(name, body, loc)


def halves_from(rule: Rule) -> tuple[Function, Function]:
    """The transpose of `tangents` in what is behind the parameters of the call."""
    from .reverse import partition                     # reverse.py differentiates calls with what is here
    from .split import all_new
    jvp, flows = rule.tangents(), len(rule.inputs)
    count = len(jvp.params) - flows
    out = len(jvp.results) - _dots(jvp)
    expect_linear(rule, jvp, range(count, len(jvp.params)), range(out, len(jvp.results)), "tangents",
                  "define it with tg.custom_vjp")
    forward, backward = all_new(partition(jvp, range(count, len(jvp.params)), set(range(out, len(jvp.results)))))
    own = jvp.params[:count]

    def emit(b, params):
        mapping = dict(zip(own, params))
        zeros = [b.full(0, subst_type(p.type, mapping).dims, p.type.dtype) for p in jvp.params[count:]]
        found = inline(b, forward, (*params, *zeros))
        return (*found[:out], *found[len(jvp.results):])

    return dce(closed(f"{rule.name}_forward", own, [p.name for p in own], emit, jvp.loc)), backward


def _dots(jvp: Function) -> int:
    """How many of the results are tangents: as many as there are inexact results before them."""
    total, count = len(jvp.results), 0
    while count < total and total - count > sum(inexact(r) for r in jvp.results[:count]):
        count += 1
    return total - count


def tangents_from(rule: Rule) -> Function:
    """The transpose of `backward` in the cotangents."""
    from .reverse import vjp
    forward, backward = rule.halves()
    residuals = len(forward.results)
    flows = sum(inexact(r) for r in _results_of(rule, forward, backward))
    residuals = len(backward.params) - flows
    expect_linear(rule, backward, range(residuals, len(backward.params)), range(len(backward.results)), "cotangents",
                  "define it with tg.custom_jvp, whose rule serves both modes")
    twice = vjp(backward, range(residuals, len(backward.params)))
    count = len(forward.results) - residuals
    values = (*forward.params, *[Value(forward.params[k].type) for k in rule.inputs])
    names = [p.name for p in forward.params] + [_dot(forward.params[k]) for k in rule.inputs]

    def emit(b, params):
        found = inline(b, forward, params[:len(forward.params)])
        kept = found[count:]
        mapping = dict(zip(backward.params, kept))
        zeros = [b.full(0, subst_type(p.type, mapping).dims, p.type.dtype) for p in backward.params[residuals:]]
        moved = inline(b, twice, (*kept, *zeros, *params[len(forward.params):]))
        return (*found[:count], *moved[len(backward.results):])

    return dce(closed(f"{rule.name}_jvp", values, names, emit, forward.loc))


def _results_of(rule: Rule, forward: Function, backward: Function):
    """The results of the call among those of the forward half: residuals follow, one for each further parameter of the other."""
    for count in range(len(forward.results) + 1):
        results = forward.results[:count]
        if len(forward.results) - count + sum(inexact(r) for r in results) == len(backward.params):
            return results
    raise AssertionError(f"the halves of {rule!r} do not fit each other")


def _dot(p: Value) -> str | None:
    return f"{p.name}_dot" if p.name else None


def expect_linear(rule: Rule, f: Function, flows, results, what: str, remedy: str) -> None:
    """Raise unless the results of `f` are linear in the parameters `flows`: its derivative in them must not depend on them."""
    from .forward import jvp
    flows = tuple(flows)
    twice = jvp(f, flows)
    places = [k for k, r in enumerate(f.results) if inexact(r)]
    dots = [twice.results[len(f.results) + n] for n, k in enumerate(places) if k in set(results)]
    reached = dependent(twice, [twice.params[k] for k in flows])
    if any(v in reached for v in dots):
        raise UnsupportedError(
            f"the rule of `{rule.name}` is not linear in the {what} that it is given, so it cannot be transposed for the other mode",
            remedy, rule.loc)


def dependent(f: Function, sources) -> set[Value]:
    """The values of `f` that depend on these through data or control, whether differentiably or not."""
    reached: set[Value] = set(sources)

    def link(pairs) -> None:
        for source, target in pairs:
            if source in reached:
                reached.add(target)

    def visit(block: Block) -> None:
        for op in block.ops:
            name, used = op.defn.name, any(v in reached for v in op.operands)
            if name == "dim":
                continue
            if name == "call":
                inner = dependent(op.attrs["callee"], [p for p, v in zip(op.attrs["callee"].params, op.operands) if v in reached])
                link([(v if v in reached else None, r) for v, r in zip([None] * len(op.results), op.results)])
                reached.update(r for v, r in zip(op.attrs["callee"].results, op.results) if v in inner)
            elif name in ("if", "map"):
                for region in op.regions:
                    visit(region)
                    link(zip(region.yields, op.results))
                if used:
                    reached.update(op.results)
            elif name in ("for", "while"):
                _visit_loop(op, reached, visit, link)
            elif used:
                reached.update(op.results)

    visit(f.body)
    return reached


def _visit_loop(op: Op, reached: set[Value], visit, link) -> None:
    fixed = len(op.operands) - len(op.results)
    for region in op.regions:
        link(zip(op.operands[fixed:], region.params[fixed:]))
    body, count = op.regions[-1], -1
    while count < (count := sum(p in reached for p in body.params)):
        for region in op.regions:
            visit(region)
            link(zip(body.yields, region.params[fixed:]))
    link(zip(body.params[fixed:], op.results))
    link(zip(body.yields, op.results))
    decided = [*op.operands[:fixed], *(op.regions[0].yields if op.defn.name == "while" else ())]
    if any(v in reached for v in decided):
        reached.update(op.results)


# --- forward mode --------------------------------------------------------------------------------------------------------

def forward_call(fwd, op: Op, add_results) -> None:
    """A call with a rule becomes a call of its tangents, with zeros for the inputs that do not vary."""
    rule: Rule = op.attrs["rule"]
    if any(op.operands[k] in fwd.dots for k in rule.inputs):
        op.attrs = {"callee": rule.tangents()}
        op.operands += tuple([fwd.dot(op.operands[k]) for k in rule.inputs])
        moving = [r for r in op.results if inexact(r)]
        fwd.dots.update(zip(moving, add_results(op, moving)))
    fwd.b.block.ops.append(op)


# --- reverse mode --------------------------------------------------------------------------------------------------------

def write_out(builder: Builder, op: Op, mapping, custom) -> tuple[Value, ...]:
    """What `reverse` works on in the place of a call with a rule (see the top)."""
    rule: Rule = op.attrs["rule"]
    forward, backward = rule.halves()
    operands = mapped(op.operands, mapping)
    detached = [builder("stop_gradient", v) if inexact(v) else v for v in operands]
    inner = dict(zip(forward.params, detached))
    found = copy_block(builder, forward.body, inner, custom)
    results, residuals = found[:len(op.results)], found[len(op.results):]
    inputs = set(rule.inputs)
    fixed = [v for k, v in enumerate(operands) if k not in inputs and inexact(v)]
    given = [*[operands[k] for k in rule.inputs], *fixed, *residuals, *results]
    given += [d for d in dict.fromkeys([d for v in given for d in dims_of(v.type)]) if d not in given]
    identity = closed(f"{rule.name}_link", given, (), lambda b, params: params[len(given) - len(results):] if len(given) == start + len(results)
                      else params[start:start + len(results)], op.loc) if (start := len(inputs) + len(fixed) + len(residuals)) >= 0 else None
    return builder.emit("call", *given, callee=identity, link=Link(rule, backward, len(fixed), len(residuals)))


def reverse_link(frame, op: Op) -> None:
    """The user's backward half, on the residuals as they are found from here."""
    link: Link = op.attrs["link"]
    cts = [frame.take(r) for r in op.results]
    if all(ct is None for ct in cts):
        return
    start = len(link.inputs) + link.fixed
    kept = [frame.get(v) for v in op.operands[start:start + link.residuals]]
    flows = [frame.or_zeros(r, ct) for r, ct in zip(op.results, cts) if inexact(r)]
    for k, bar in zip(link.inputs, inline(frame.b, link.backward, (*kept, *flows))):
        frame.add(op.operands[k], bar)
