"""Forward mode: `jvp` and `linearize`. The derivative is a copy of the function with the tangent of each op emitted behind it.

A tangent that is zero for certain is None and takes no op; it becomes an array of zeros only where one has to be carried
through a region or returned. Control ops carry tangents beside the values (forward_control.py).
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from ..ir.build import Builder, Expr
from ..ir.clone import copy_region, sweep
from ..ir.core import Block, Function, Op, Value
from ..ir.errors import of_derivative
from ..ir.transforms.simplify import peephole
from ..ir.types import StackType, Type
from .activity import inexact, positions, varied
from .forward_control import CONTROL
from .multiplicity.equal_values import smooth
from .partition import Parts, all_new, cut, dependent
from .reverse.reverse import transposed
from .rules.jvp_rules import rule_of
from .rules.nonfinite_partials import Steep, beside_pole, forgotten_pole, overflows, times
from .rules.partials import partial, product, to_dims
from .rules.spectral import SPECIAL
from .smoothness.carried_kinks import carried
from .smoothness.kink_products import STATED
from .smoothness.kink_series import expanded
from .smoothness.lost_slopes import chooses, has_pole, has_pole_of_power, is_fast
from .smoothness.paired_kinks import paired
from .smoothness.pieces import pieced
from .smoothness.poles import Poles
from .smoothness.sides import sided

if TYPE_CHECKING:
    from ..ir.opdef import Elementwise


def jvp(f: Function, wrt: Sequence[int], memo: dict[Op, bool] | None = None) -> Function:
    """The function of `f`'s parameters and a tangent for each of the parameters `wrt`, that returns `f`'s results and then
    the tangent of each inexact one."""
    return Forward(f, tuple(wrt), {} if memo is None else memo).function


def linearize(f: Function, wrt: Sequence[int]) -> tuple[Function, Function]:
    """(forward, linear): forward takes `f`'s parameters and returns its results and residuals; linear takes the residuals and
    a tangent for each of the parameters `wrt`, and returns the tangent of each inexact result."""
    return all_new(linear_parts(f, wrt))


def linear_parts(f: Function, wrt: Sequence[int]) -> Parts:
    """`linearize` in the form of split.Parts.

    Without control the tangents' ops are taken out of `jvp`. In a loop values and tangents go hand in hand, so there the
    backward part of `vjp`, which has what it needs recorded, is transposed.
    """
    wrt = tuple(wrt)
    j = jvp(f, wrt)
    count, first = len(f.results), Block()
    tangents = j.params[len(f.params):]
    ops = dependent(j.body, tangents)
    if any(op.defn.rule == "control" for op in ops):
        return transposed(f, wrt)
    taken = set(ops)
    first.params, first.ops = j.params[:len(f.params)], [op for op in j.body.ops if op not in taken]
    for p in first.params:
        p.owner = first
    second = Block()
    second.ops = ops
    return cut(f.name, first, j.results[:count], second, tangents, j.results[count:], ("_forward", "_linear"))


class Forward:
    """One function being differentiated forwards. `dots` leads from a value to its tangent, where that is not zero."""

    def __init__(self, f: Function, wrt: tuple[int, ...], memo: dict, known: Sequence[int] = ()):
        self.memo = memo                       # callee, its varied parameters, its infinite ones -> its derivative
        self.b = Builder(peephole=peephole)
        self.dots: dict[Value, Value] = {}
        self.steep, self.tall = Steep(), Steep(overflows)
        self.poles, self.powers = Steep(has_pole), Steep(has_pole_of_power)
        body = sided(paired(carried(copy_region(Builder(), smooth(f).body, {}, STATED))))
        pieced(body)
        expanded(body)
        self.infinite = Poles(body, known)
        g = self.function = Function(f"{f.name}_jvp", body, f.loc, dict(f.attrs))
        sweep(g)                                       # of what a derivative before has left
        self.varied = varied(g, wrt, memo.setdefault("varied", {}))
        tangents = [self.tangent_param(body, g.params[k], len(g.params) + n) for n, k in enumerate(wrt)]
        self.block(body)
        with self.b.at(Block()) as tail:
            self.b.loc = g.loc
            body.yields += tuple([self.dot(v) for v in body.yields if inexact(v)])
        body.ops += tail.ops
        body.params += tuple(tangents)

    def derivative(self, callee: Function, wrt: tuple[int, ...], operands: Sequence[Value]) -> Function:
        """The jvp of a callee, made once."""
        key = callee, wrt, tuple(map(self.infinite.of, operands))
        if key not in self.memo:
            self.memo[key] = Forward(callee, wrt, self.memo, key[2]).function
        return self.memo[key]

    def tangent_param(self, block: Block, param: Value, place: int) -> Value:
        """A new value that is the tangent of a parameter, for the caller to put among the parameters."""
        name = f"{param.name}_dot" if param.name else None
        dot = Value(param.type, name, block, place)
        if inexact(param):
            self.dots[param] = dot
        return dot

    def block(self, block: Block) -> None:
        """Interleave the ops of a block with those of their tangents, in place."""
        b, ops, block.ops = self.b, block.ops, []
        with b.at(block):
            for op in ops:
                b.loc = of_derivative(op.loc)
                if op.defn.rule == "control":
                    CONTROL[op.defn.name](self, op)        # appends the op itself, after what its new operands need
                    continue
                block.ops.append(op)
                if any(v in self.dots for v in op.operands):
                    self.op(op)

    def op(self, op: Op) -> None:
        rule = rule_of(op)
        if rule == "none" or not any(inexact(r) for r in op.results):
            return
        dots = _RULES[rule](self, op)
        for r, dot in zip(op.results, dots):
            if dot is not None and inexact(r):
                if dot.name is None and r.name and dot.op is not None:
                    dot.name = f"{r.name}_dot"
                self.dots[r] = dot

    def zeros(self, like: Value) -> Value:
        if like.type.__class__ is StackType:
            return self.b("stack_new", dtype=like.type.element.dtype)
        return self.b.zeros_like(like)

    def dot(self, value: Value) -> Value:
        """The tangent of a value, zeros where it has none."""
        found = self.dots.get(value)
        return self.zeros(value) if found is None else found


def _elementwise(fwd: Forward, op: Op) -> list[Value | None]:
    b, total = fwd.b, None
    exprs = [Expr(b, v) for v in (*op.operands, op.results[0])]
    for k in positions(op):
        dot = fwd.dots.get(op.operands[k])
        if dot is None:
            continue
        defn = cast("Elementwise", op.defn)
        steep = (dot in fwd.steep or defn.flat or (defn.forgets and dot in fwd.tall)
                 or (is_fast(op) and dot in fwd.powers) or (chooses(op) and dot in fwd.poles))
        factor, zero = partial(op, k, exprs), k in defn.singular or fwd.infinite.may_be_no_number(op.operands[k])
        if isinstance(factor, Value) and fwd.infinite.forgets(op, k):
            factor, zero = forgotten_pole(exprs[k], exprs[-1], b.expr(factor)).value, True
        term = product(b, dot, factor, zero, steep)
        fwd.steep.passed(op, dot, term)
        fwd.tall.passed(op, dot, term)
        fwd.poles.passed(op, dot, term)
        fwd.powers.passed(op, dot, term)
        if term is not None:
            total = term if total is None else b("add", total, term)
    return [None if total is None else to_dims(b, total, op.results[0])]


def _linear(fwd: Forward, op: Op) -> list[Value | None]:
    """The op itself on the tangents. Where an operand has none: add and sub leave it out, the others take zeros."""
    b, out, dots = fwd.b, op.results[0], fwd.dots
    name = op.defn.name
    if name in ("add", "sub"):
        x, y = (dots.get(v) for v in op.operands)
        if x is None or y is None:
            only = x if y is None else y
            assert only is not None, op                # one of them moves
            return [to_dims(b, b("neg", only) if x is None and name == "sub" else only, out)]
    if name == "select":
        args = [op.operands[0]] + [_scalar_zero(b, v) if v not in dots else dots[v] for v in op.operands[1:]]
        return [to_dims(b, b("select", *args), out)]
    places = set(positions(op))
    args = [fwd.dot(v) if k in places and inexact(v) else v for k, v in enumerate(op.operands)]
    results = b.emit(op.defn, *args, **op.attrs)
    return [to_dims(b, r, out) if type(r.type) is Type and len(results) == 1 else r for r, out in zip(results, op.results)]


def _scalar_zero(b: Builder, like: Value) -> Value:
    return b.const(0, like.type.dtype)


def _bilinear(fwd: Forward, op: Op) -> list[Value | None]:
    b, total = fwd.b, None
    for k in op.defn.linear_in:
        dot = fwd.dots.get(op.operands[k])
        if dot is None:
            continue
        if op.defn.name in ("mul", "mulz"):
            term = _beside(fwd, op, k, dot)
        else:
            term = b(op.defn, *op.operands[:k], dot, *op.operands[k + 1:], **op.attrs)
        total = term if total is None else b("add", total, term)
    return [None if total is None else to_dims(b, total, op.results[0])]


def _beside(fwd: Forward, op: Op, k: int, dot: Value) -> Value:
    """The tangent of factor k of a product, times the other factor."""
    b, v, other = fwd.b, op.operands[k], op.operands[1 - k]
    steep, first = dot in fwd.steep, op.defn.name == "mulz"
    zero = fwd.infinite.may_be_no_number(other)
    if steep:
        factor = beside_pole(b, v, other) if not first and fwd.infinite.hides(v, other) else other
        return times(b, dot, factor, first or zero)
    if first:
        return b("mulz", *((dot, other) if k == 0 else (other, dot)))
    return b("mulz" if zero else "mul", dot, other)


def _special(fwd: Forward, op: Op) -> Sequence[Value | None]:
    dots = [fwd.dots.get(v) if k in positions(op) else None for k, v in enumerate(op.operands)]
    if all(d is None for d in dots):
        return [None] * len(op.results)
    return SPECIAL[op.defn.name](fwd.b, op, op.operands.__getitem__, op.results.__getitem__, dots)


_RULES: dict[str, Callable[[Forward, Op], Sequence[Value | None]]] = {
    "elementwise": _elementwise, "linear": _linear, "bilinear": _bilinear, "special": _special}
