"""Reverse mode: `vjp` and `split`.

The derivative is a copy of the function (the forward program), then the adjoint of each op in reverse order (the backward
program), which refers to forward values by name. Where an adjoint inside a region asks for a forward value, the forward
program is extended to keep it (residuals/policy.py). `split` cuts between the two: what the backward program uses of the
forward one becomes residuals.

    forward    %2 = mul %x, %y          backward    %x_bar = add %x_bar, (mul %2_bar, %y);   %y_bar = mul %2_bar, %x

One adjoint value is kept per forward value. A part of an array is added to the adjoint of the whole in place.

An adjoint is *masked* where it went through the transpose of `select`, or past an op that may drop an infinite operand, and
through nothing else: it is zero where the branch was not taken or the operand dropped. Products with it use `mulz`, so that
what is infinite there contributes exactly 0.
"""
from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial as partial_of
from typing import TYPE_CHECKING, Any, cast

from ...ir.build import Builder, make_op
from ...ir.clone import add_carry, add_result, copy_block, dce, dims_of
from ...ir.core import Block, Function, Op, Value, subst_type
from ...ir.errors import UnsupportedError, of_derivative
from ...ir.opdef import OPS, Elementwise
from ...ir.transforms.simplify import peephole
from ..activity import inexact, positions, useful, varied, varied_in
from ..adjoint_frames import Frame
from ..canonicalize import prepare, with_rules
from ..checkpoint.checkpoint_policy import within
from ..checkpoint.segments import again
from ..custom_calls import same_as, unlink
from ..partition import Parts, all_new, cut
from ..remarks import described
from ..residuals import policy
from ..residuals.later_versions import Settled
from ..residuals.remat_maps import run_again
from ..rules.fourier import TRANSPOSE
from ..rules.jvp_rules import rule_of
from ..rules.nonfinite_partials import Steep, forgotten, forgotten_pole, made_with, overflows
from ..rules.partials import partial, product, to_operand
from ..rules.spectral import SPECIAL
from ..rules.transpose_rules import LINEAR_PART, SEVERAL, give, keep_mask
from ..smoothness.lost_slopes import chooses, has_pole, has_pole_of_power, is_fast
from ..smoothness.poles import Poles
from .control_flow import CONTROL, RESTORE

if TYPE_CHECKING:
    from ...ir.types import DType
    from ..residuals.tapes import _Site


def vjp(f: Function, wrt: Sequence[int] | range, results: Collection[int] | None = None, notes: list | None = None,
        budget: int | None = None) -> Function:
    """The function of `f`'s parameters and a cotangent for each inexact result (or for those numbered by `results`), that
    returns `f`'s results and then the cotangent of each of the parameters `wrt`. `notes` is added to: (kind, sentence,
    location) for each loop whose values are needed again. `budget`: the bytes that the tapes of its loops may take
    (checkpoint/checkpoint_policy.py)."""
    run = Reverse(f, tuple(wrt), results, budget=budget)
    if notes is not None:
        notes += described(run)
    return run.function()


def partition(f: Function, wrt: Sequence[int], results: Any = None, memo: dict[Any, Any] | None = None,
              budget: int | None = None, poles: Sequence[int] = ()) -> Parts:
    """`vjp` of the results at positions `results` (all, where not given), cut in two (see split.Parts)."""
    run = Reverse(f, tuple(wrt), results, memo, budget, poles=poles)
    g = run.f
    return cut(f.name, g.body, g.results, run.root.back, run.cotangents, run.bars, ("_forward", "_backward"))


def split(f: Function, wrt: Sequence[int], budget: int | None = None) -> tuple[Function, Function]:
    """(forward, backward): forward takes `f`'s parameters and returns its results and residuals; backward takes the residuals
    and a cotangent per inexact result, and returns the cotangents of the parameters `wrt`."""
    return all_new(partition(f, wrt, budget=budget))


def transposed(f: Function, wrt: tuple[int, ...]) -> Parts:
    """The linear map of `f`'s tangents as the transpose of the one of its cotangents: the forward part of `vjp`, and the
    transpose of the backward part. What is linear needs no value of the cotangents, so they are zeros in it."""
    parts = partition(f, wrt)
    second, flows = parts.second, len(parts.second.params) - len(parts.sources)
    kept = len(parts.sources)
    twice = vjp(second, range(kept, kept + flows))
    taken = (*twice.params[:kept], *twice.params[kept + flows:])
    body = Block([p.type for p in taken], [f"{p.name}_dot" if k >= kept else p.name for k, p in enumerate(taken)])
    mapping = dict(zip(taken, body.params))
    for p in body.params:
        p.type = subst_type(p.type, mapping)
    b = Builder(peephole=peephole)
    with b.at(body):
        for p in twice.params[kept:kept + flows]:
            mapping[p] = b.full(0, subst_type(p.type, mapping).dims, p.type.dtype)
        body.yields = copy_block(b, twice.body, mapping)[len(second.results):]
    return parts._replace(second=dce(Function(f"{f.name}_linear", body)))


class Reverse:
    """One function being differentiated backwards.

    home       the block that each forward op stands in
    kept       forward value of a region -> the value outside its op that holds it
    again      whether iterations of maps may be run again (residuals/remat_maps.py)
    notes      (op, value, how): how the adjoint of a loop or branch finds a value again (remarks.py)
    """

    peephole = staticmethod(peephole)
    restore = RESTORE
    add_carry = staticmethod(add_carry)
    add_result = staticmethod(add_result)

    def __init__(self, f: Function, wrt: tuple[int, ...], results: Collection[int] | None = None,
                 memo: dict[Any, Any] | None = None, budget: int | None = None, again: bool = True,
                 poles: Sequence[int] = ()):
        self.memo = {} if memo is None else memo        # callee, its active operands and results -> its parts
        self.budget = budget
        if again:
            f = run_again(f, budget, partial_of(Reverse, again=False))
        g = with_rules(prepare(f, f"{f.name}_vjp"), wrt, self.memo.setdefault("varied", {}))
        if budget is not None:
            g, self.budget = within(g, budget, Reverse)
        self.f = g
        self.wrt = [g.params[k] for k in wrt]
        self.home: dict[Op, Block] = {}
        self.same: dict[Value, Value] = {}              # what stands for what beside a custom rule's link
        self.register(g.body)
        self.masked: set[Value] = set()
        self.steep, self.forgotten = Steep(), forgotten(g.body)
        self.bases: dict[Any, Any] = {}
        self.versions: dict[Any, Any] = {}
        self.writes: dict[Any, Any] = {}
        self.destroyed: dict[Any, Any] = {}
        self.kept: dict[Any, Any] = {}
        self.counts: dict[Any, Any] = {}
        self.blocked: set[Value] = set()
        self.inserted: dict[Op, list[Op]] = {}
        self.notes: list[tuple[Op, Value, str]] = []
        active = (varied(g, wrt, self.memo.setdefault("varied", {}))
                  & useful(g, results, self.memo.setdefault("useful", {})))
        self.poles = Poles(g.body, poles, active=active)
        self.root = Frame(self, None, None, g.body, Block(), active)
        self.root.b.loc = g.loc
        self.cotangents = [self._cotangent(r) for k, r in enumerate(g.results)
                           if inexact(r) and (results is None or k in results)]
        self._settled: Settled | None = None
        self.sweep(self.root)
        self.bars = [self.root.or_zeros(p, self.root.take(p)) for p in self.wrt]
        self._splice()
        if self.same:
            self._unlink()

    def _unlink(self) -> None:
        """Take out the links of custom rules."""
        g = self.f.body
        unlink([g, self.root.back], self.same)
        self.bars = [self.same.get(v, v) for v in self.bars]

    @property
    def settled(self) -> Settled:
        """Where parts of arrays are found in later versions. Python 3.11's `cached_property` has a lock that all instances
        share: a child of a fork would wait for it for ever."""
        self._settled = self._settled or Settled(self)
        return self._settled

    def bases_of(self, op: Op) -> dict[int, Value]:
        return policy.bases(self, op)

    def versions_of(self, block: Block) -> dict[Value, tuple[Op, int]]:
        return policy.versions(self, block)

    def chain(self, v: Value, block: Block) -> Value:
        return policy.chain(self, v, block)

    def partition(self, callee: Function, wrt: Any, results: Any, operands: Sequence[Value]) -> Parts:
        """The parts of a callee's derivative, made once."""
        poles = tuple(map(self.poles.of, operands))
        key = callee, wrt, results, poles
        if key not in self.memo:
            self.memo[key] = partition(callee, wrt, results, self.memo, self.budget, poles)
        return self.memo[key]

    def again(self, call: Op, wrt: tuple[int, ...], results: tuple[int, ...]) -> Function:
        """What runs a checkpointed callee again for its adjoints, made once."""
        callee, attrs = call.attrs["callee"], {k: v for k, v in call.attrs.items() if k != "callee"}
        key = callee, wrt, results, tuple(attrs.items())
        if key not in self.memo:
            self.memo[key] = again(callee, wrt, results, attrs, self.budget, vjp)
        return self.memo[key]

    def register(self, block: Block) -> None:
        for op in block.ops:
            self.home[op] = block
            if "link" in op.attrs:
                self.same.update(same_as(op))
            for region in op.regions:
                self.register(region)

    def _cotangent(self, result: Value) -> Value:
        """The parameter for the cotangent of a result."""
        known = {p.name for p in self.f.params}             # a result may have the name of an argument that was overwritten
        ct = Value(result.type, f"{result.name}_bar" if result.name and result.name not in known else "out_bar")
        self.root.add(result, ct)
        return ct

    def function(self) -> Function:
        """Forward and backward program in one. (Cut in two, the first hands such a length to the second.)"""
        g = self.f
        for ct in self.cotangents:
            if any(d.op is not None for d in dims_of(ct.type)):
                raise UnsupportedError("a cotangent whose length only the function itself computes, in one program with it",
                                       "reduce the result to a number first, or take tg.vjp, which runs in two steps", g.loc)
        body = Block()
        body.params = g.params + tuple(self.cotangents)
        body.ops = g.body.ops + self.root.back.ops
        body.yields = g.results + tuple(self.bars)
        for slot, p in enumerate(body.params):
            p.owner, p.slot = body, slot
        return Function(g.name, body, g.loc)

    # --- extending the forward program

    def forward(self, block: Block, name: str, *operands: Value, **attrs: str) -> Value:
        """A new op at the end of a forward block."""
        op = make_op(OPS[name], operands, attrs, (), block.ops[-1].loc if block.ops else ())
        block.ops.append(op)
        self.home[op] = block
        return op.results[0]

    def forward_before(self, place: Op, name: str, *operands: Value, **attrs: str | DType) -> Value:
        """A new op in front of a forward op."""
        op = make_op(OPS[name], operands, attrs, (), place.loc)
        self.inserted.setdefault(place, []).append(op)
        self.home[op] = self.home[place]
        return op.results[0]

    def _splice(self) -> None:
        for block in {self.home[place] for place in self.inserted}:
            block.ops = [o for op in block.ops for o in (*self.inserted.get(op, ()), op)]

    def note(self, op: Op, v: Value, how: str) -> None:
        self.notes.append((op, v, how))

    def recordable(self, frame: Frame) -> bool:
        """Whether a value of a region can be kept: not of a loop that a special rule makes (`Scratch`)."""
        while frame.parent is not None:
            frame = frame.parent
        return frame is self.root

    # --- the sweep

    def sweep(self, frame: Frame, ops: list[Op] | None = None) -> None:
        """The adjoints of the ops of a block, last first."""
        for op in reversed(list(frame.block.ops if ops is None else ops)):
            if any(r in frame.actives for r in op.results):
                frame.b.loc = of_derivative(op.loc)
                if op.defn.rule == "control":
                    CONTROL[op.defn.name](frame, op)
                else:
                    _op(frame, op)


def _op(frame: Frame, op: Op) -> None:
    cts = [frame.take(r) for r in op.results]
    if any(ct is not None for ct in cts):
        _RULES[rule_of(op)](frame, op, cts)


def _elementwise(frame: Frame, op: Op, cts: list[Value | None]) -> None:
    (ct,) = cts
    assert ct is not None, op
    if op.defn.name == "div":
        _div(frame, op, ct)
        return
    exprs = [frame.lazy(v) for v in (*op.operands, op.results[0])]
    masked = ct in frame.run.masked
    for k in positions(op):
        v = op.operands[k]
        if not frame.active(v):
            continue
        factor, flow = partial(op, k, exprs), ct
        if not isinstance(factor, Value) or not factor.type.dims:
            flow = to_operand(frame.b, ct, v.type)         # summed first: fewer products
            if masked:
                frame.run.masked.add(flow)
        lost = isinstance(factor, Value) and frame.run.poles.forgets(op, k)
        if lost:
            factor = forgotten_pole(exprs[k], exprs[-1], frame.b.expr(factor)).value
        zero = lost or masked or k in cast("Elementwise", op.defn).singular or frame.run.poles.may_be_no_number(v)
        found = product(frame.b, flow, factor, zero, flow in frame.run.steep)
        frame.run.steep.passed(op, flow, found)
        if found is not None:
            part = to_operand(frame.b, found, v.type)
            if masked or _not_chosen(op, v):
                frame.run.masked.add(part)
            frame.add(v, part)


def _not_chosen(op: Op, v: Value) -> bool:
    """Whether an op drops an operand that may be infinite, so that nothing depends on it: its adjoint is masked."""
    if chooses(op):
        return made_with(v, lambda x: has_pole(x) or overflows(x))
    return is_fast(op) and made_with(v, has_pole_of_power)


def _div(frame: Frame, op: Op, ct: Value) -> None:
    """out = x / y:  x_bar += out_bar / y,  y_bar -= (out_bar / y) out: one division serves both."""
    x, y = op.operands
    b, one = frame.b, frame.b.const(1, ct.type.dtype)
    share = keep_mask(frame, ct, b("mulz", ct, b("div", one, frame.get(y))))
    if frame.active(x):
        give(frame, ct, x, share)
    if frame.active(y):
        if frame.run.poles.forgets(op, 1):
            part = _past_pole(frame, op, ct)
        else:
            part = product(b, share, frame.get(op.results[0]), True, share in frame.run.steep)
        if part is not None:
            part = keep_mask(frame, ct, to_operand(b, part, y.type))
            frame.add(y, keep_mask(frame, ct, b("neg", part)))


def _past_pole(frame: Frame, op: Op, ct: Value) -> Value | None:
    """out_bar out / y of a y that may be infinite at a pole (smoothness/poles.py)."""
    y, out = frame.get(op.operands[1]), frame.get(op.results[0])
    factor = forgotten_pole(frame.b.expr(y), frame.b.expr(out), frame.b.expr(out) / frame.b.expr(y))
    return product(frame.b, ct, factor.value, True, ct in frame.run.steep)


def _linear(frame: Frame, op: Op, cts: list[Value | None]) -> None:
    transposed: Any = TRANSPOSE[op.defn.name]
    transposed(frame, op, cts if op.defn.name in SEVERAL else cts[0])


def _special(frame: Frame, op: Op, cts: list[Value | None]) -> None:
    """Run the row of the forward rule on placeholders, then transpose what depends on them."""
    run, places = frame.run, [k for k in positions(op) if frame.active(op.operands[k])]
    if set(places) <= set(LINEAR_PART.get(op.defn.name, ())):
        _linear(frame, op, cts)
        return
    moving = {k: Value(frame.type(op.operands[k].type)) for k in places}
    dots = [moving.get(k) for k in range(len(op.operands))]
    b = Builder(peephole=run.peephole)
    b.loc, b.block, b._scopes = frame.b.loc, Block(), [*frame.b._scopes, {}]
    results = SPECIAL[op.defn.name](b, op, lambda k: frame.get(op.operands[k]), lambda k: frame.get(op.results[k]), dots)
    dependent = varied_in(b.block, list(moving.values()))
    ops = [o for o in b.block.ops if _depends(o, dependent)]
    linear = set(ops)
    frame.back.ops += [o for o in b.block.ops if o not in linear]
    scratch = Scratch(frame, b.block, dependent)
    run.register(b.block)
    for ct, dot in zip(cts, results):
        if ct is not None and dot is not None:
            scratch.add(dot, ct)
    run.sweep(scratch, ops)
    for k, dot in moving.items():
        frame.add(op.operands[k], scratch.take(dot))


def _depends(op: Op, values: set[Value]) -> bool:
    return any(r in values for r in op.results)


class Scratch(Frame):
    """The tangent of a special op, being transposed into the frame's backward block: all that it refers to is there."""

    __slots__ = ()

    def __init__(self, frame: Frame, block: Block, dependent: set[Value]):
        super().__init__(frame.run, None, None, block, frame.back, dependent)
        self.b._scopes, self.b.loc = frame.b._scopes, frame.b.loc

    def owns(self, v: _Site | Value) -> bool:
        return True


_RULES = {"elementwise": _elementwise, "linear": _linear, "bilinear": _linear, "special": _special}

