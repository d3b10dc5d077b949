"""Reverse mode through `if`, `for` and `while`.

    forward    %a1 = if %c then { … } else { … }
    backward   %x_bar = if %c then { adjoint of the branch taken } else { … }

    forward    %s = for %i = 0 to %n carry(%s0 = %a) { … yield %s1 }
    backward   %a_bar, %x_bar = for %i' = 0 to %n carry(%s_bar = …, %x_bar0 = …) { i = n-1-i'; adjoint of the body }

The backward loop carries the adjoints of what the forward loop carries, the adjoints of active values from outside (they
accumulate in place over the iterations), and what residuals/policy.py needs to find forward values again. A `while` counts its
iterations, so that its adjoint is a `for`.

Where an array changes its length from iteration to iteration, the backward loop carries the length, too, so that the adjoint
shrinks and grows with it:

    forward    carry(%n = %n0, %a: f64[%n] = %a0) { … yield %n1, %a1 : f64[%n1] }
    backward   carry(%n1, %a_bar: f64[%n1]) { … yield %n, … : f64[%n] }
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, cast

from ...ir.build import const
from ...ir.clone import add_carry, add_result, dims_of
from ...ir.core import Block, Const, Op, Value, subst_type
from ...ir.types import INDEX, INDEX_SCALAR, StackType
from ..adjoint_frames import Frame
from ..checkpoint.segments import marked
from ..custom_calls import reverse_link
from ..residuals import policy

if TYPE_CHECKING:
    from ..residuals.tapes import _Site
    from .reverse import Reverse


class Carried(NamedTuple):
    """A value that a backward loop carries: where it starts, what the body yields for it, what is done with the result."""

    init: Value
    final: Callable[[], Value]
    after: Callable[[Value], None]
    flows: bool                     # the adjoint of something from outside, and what else flows through


class Region(Frame):
    """A frame whose forward values have to be found again."""

    __slots__ = ()
    parent: Frame
    op: Op

    def get(self, v: Value) -> Value:
        if v.__class__ is Const:
            return v
        found = self.known.get(v)
        if found is not None:
            return found
        return policy.find(self, v) if self.owns(v) else self.parent.get(v)

    def yielded(self, v: Value) -> int | None:
        """The position at which the region yields a value, or None."""
        return next((k for k, y in enumerate(self.block.yields) if y is v), None)

    def last(self, k: int) -> Value:
        """What the region yields at a position, where that is at hand."""
        raise NotImplementedError


class Branch(Region):
    """One branch of an `if`. The adjoints of outer values are seen directly; what it changes becomes a result."""

    __slots__ = ()

    def inherit(self, key: _Site | Value) -> Value | None:
        return self.parent.current(key)

    def adopt_lengths(self) -> None:
        """Lengths that this branch decided are results of the op."""
        used = {d for r in self.op.results for d in dims_of(r.type)}
        for r, y in zip(self.op.results, self.block.yields):
            if r in used and self.owns(y):
                self.known[y] = self.parent.get(r)

    def last(self, k: int) -> Value:
        """The value of yield k: this branch was taken, so it is the op's result."""
        return self.parent.get(self.op.results[k])


class Loop(Region):
    """The body of a `for` or `while`."""

    __slots__ = ("carried", "fixed", "lengths", "steep", "trip")

    def __init__(self, run: Reverse, parent: Frame, op: Op):
        body = op.regions[-1]
        super().__init__(run, parent, op, body, Block([INDEX_SCALAR]))
        policy.bases(run, op)                   # asked for before anything is added to the op
        self.carried: list[Carried] = []
        self.steep = False
        self.fixed = 1 if op.defn.name == "for" else 0
        self.lengths: dict[Value, Value] = {}
        lengths = _carried_lengths(op, self.fixed)
        self.trip = parent.get(op.operands[0] if self.fixed else count_iterations(run, op))
        for k in lengths:
            self.lengths[parent.get(op.results[k])] = self.last(k)

    @property
    def index(self) -> Value:
        """The iteration, counted forwards."""
        b = self.b
        return b("sub", b.iop("sub", self.trip, 1), self.back.params[0])

    @property
    def params(self) -> tuple[Value, ...]:
        """What the forward loop carries."""
        return self.block.params[self.fixed:]

    def carry(self, init: Value, final: Callable, after: Callable, flows: bool = False, name: str | None = None) -> Value:
        param = Value(subst_type(init.type, self.lengths), name, self.back, len(self.back.params))
        self.back.params += (param,)
        self.carried.append(Carried(init, final, after, flows))
        return param

    def inherit(self, key: _Site | Value) -> Value:
        """Carry the adjoint of something from outside. It starts as what the enclosing frame has so far."""
        parent = self.parent
        init = parent.current(key)
        init = parent.zeros(cast("Value", key)) if init is None else init
        name = f"{key.name}_bar" if isinstance(key, Value) and key.name else None
        param = self.carry(init, lambda: self.bars[key], lambda result: parent.put(key, result), True, name)
        if self.steep or init in self.run.steep:
            self.run.steep.marked.add(param)
        self.bars[key] = param
        return param

    def last(self, k: int) -> Value:
        """The value of yield k, carried backwards: after the last iteration it is the loop's result, and what the iteration
        found there is what the one before it yielded."""
        y, parent, init = self.block.yields[k], self.parent, self.op.operands[self.fixed + k]

        def after(result: Value) -> None:
            if init.__class__ is not Const:
                parent.known.setdefault(init, result)

        param = self.carry(parent.get(self.op.results[k]), lambda: self.get(self.params[k]), after, name=y.name)
        self.known[y] = param
        return param

    def finish(self) -> None:
        """Emit the backward loop."""
        finals: dict[int, Value] = {}
        k = 0
        while k < len(self.carried):               # grows while values are found, which changes what flows through
            if not self.carried[k].flows:
                finals[k] = self.carried[k].final()
            k += 1
        self.back.yields = tuple([finals[k] if k in finals else c.final() for k, c in enumerate(self.carried)])
        if not self.carried:
            return
        results = self.parent.b.emit("for", self.trip, *[c.init for c in self.carried], regions=[self.back])
        # what flowed through replaces what it was before; then comes what is added to it
        for c, result in sorted(zip(self.carried, results), key=lambda pair: not pair[0].flows):
            c.after(result)


def _carried_lengths(op: Op, fixed: int) -> list[int]:
    """The positions of carried values that are lengths of carried arrays. The backward loop carries those lengths, too."""
    params = op.regions[-1].params[fixed:]
    used = {d for p in params for d in dims_of(p.type)}
    return [k for k, p in enumerate(params) if p in used]


def count_iterations(run: Reverse, op: Op) -> Value:
    """The number of iterations of a `while`: one more carried index."""
    if op not in run.counts:
        param = add_carry(op, const(0, INDEX), "trips")
        body = op.regions[-1]
        body.yields += (run.forward(body, "add", param, const(1, INDEX)),)
        run.counts[op] = add_result(op, INDEX_SCALAR, "trips")
    return run.counts[op]


# --- the rules -----------------------------------------------------------------------------------------------------------

def reverse_loop(frame: Frame, op: Op) -> None:
    loop = Loop(frame.run, frame, op)
    yields, inits = loop.block.yields, op.operands[loop.fixed:]
    places = [k for k, (result, param) in enumerate(zip(op.results, loop.params))
              if any(frame.active(v) for v in (result, param, yields[k]))]
    cts = [frame.or_zeros(op.results[k], frame.take(op.results[k])) for k in places]
    loop.steep = frame.run.steep.carries(op, cts)
    starts = [(k, _carry_adjoint(loop, ct, loop.params[k], inits[k])) for k, ct in zip(places, cts)]
    frame.run.steep.marked.update([param for _, param in starts] if loop.steep else ())
    for k, ct in starts:
        loop.add(yields[k], _of_type(loop, ct, yields[k]) if yields[k].type.static else ct)
    frame.run.sweep(loop)
    for k in policy.bases(frame.run, op):
        if op.results[k] in frame.known or yields[k] in loop.known:
            loop.get(yields[k])                    # an array being restored: go on through this loop
    loop.finish()


def _carry_adjoint(loop: Loop, init: Value, param: Value, start: Value) -> Value:
    return loop.carry(init, lambda: loop.or_zeros(param, loop.bars.get(param)),
                      lambda result: loop.parent.add(start, _of_type(loop.parent, result, start)),
                      name=f"{param.name}_bar" if param.name else None)


def _of_type(frame: Frame, ct: Value, v: Value) -> Value:
    """An adjoint of v, with the lengths of v: they are equal, but may be other values."""
    if ct.type.__class__ is StackType or (ct.type.static and v.type.static):
        return ct
    return frame.b.reshape(ct, frame.type(v.type).dims)


def reverse_if(frame: Frame, op: Op) -> None:
    cts = [frame.take(r) for r in op.results]
    if all(ct is None for ct in cts):
        return
    branches = _branches(frame, op)
    for branch in branches:
        for ct, y in zip(cts, branch.block.yields):
            if ct is not None:
                branch.add(y, _of_type(branch, ct, y))
        frame.run.sweep(branch)
    restored = {base: k for k, base in policy.bases(frame.run, op).items()
                if op.results[k] in frame.known and base not in frame.known}
    close_if(frame, op, branches, restored)


def _branches(frame: Frame, op: Op) -> list[Branch]:
    branches = [Branch(frame.run, frame, op, region, Block()) for region in op.regions]
    for branch in branches:
        branch.adopt_lengths()
    return branches


def close_if(frame: Frame, op: Op, branches: list[Branch], restored: dict[Value, int]) -> None:
    """Emit the backward `if`: its results are the adjoints that either branch changed, and the arrays that were there before
    the branch wrote to them: `restored` leads from such an array to the position of the result that replaced it."""
    values = [[policy.before(branch, base, k) for base, k in restored.items()] for branch in branches]
    keys = list(dict.fromkeys([key for branch in branches for key in branch.bars if not branch.owns(key)]))
    if not keys and not restored:
        return
    for branch, found in zip(branches, values):
        branch.back.yields = tuple(found + [_outer(frame, branch, branch.or_zeros(key, branch.current(key)), key)
                                             for key in keys])
    results = frame.b.emit("if", frame.get(op.operands[0]), regions=[branch.back for branch in branches])
    frame.known.update(zip(restored, results))
    for key, result in zip(keys, results[len(restored):]):
        frame.put(key, result)


def _outer(frame: Frame, branch: Branch, ct: Value, v: Value) -> Value:
    """The adjoint that a branch has of v, with lengths that are known around it."""
    if ct.type.__class__ is StackType or ct.type.static:
        return ct
    return branch.b.reshape(ct, frame.type(v.type).dims)


def restore_loop(frame: Frame, op: Op, k: int) -> None:
    """A backward loop that only undoes what `op` wrote to its carried array k."""
    loop = Loop(frame.run, frame, op)
    loop.last(k)
    loop.finish()


def restore_if(frame: Frame, op: Op, k: int) -> None:
    """A backward `if` that only undoes what the branches wrote to the array that became result k."""
    branches = _branches(frame, op)
    close_if(frame, op, branches, {policy.bases(frame.run, op)[k]: k})


def reverse_call(frame: Frame, op: Op) -> None:
    """The callee's derivative in two parts, made once per callee and pattern of active values: the forward call returns the
    residuals too, and the backward call takes them. A checkpointed one is run again. (Of others, `prepare` leaves only those
    outside regions.)"""
    if "link" in op.attrs:
        reverse_link(frame, op)
        return
    callee = op.attrs["callee"]
    wrt = tuple([k for k, v in enumerate(op.operands) if frame.active(v)])
    wanted = tuple([k for k, r in enumerate(op.results) if frame.active(r)])
    cts = [frame.or_zeros(r, frame.take(r)) for r in [op.results[k] for k in wanted]]
    if marked(op):
        bars = frame.b.emit("call", *[frame.get(v) for v in op.operands], *cts, callee=frame.run.again(op, wrt, wanted),
                            checkpoint=op.attrs["checkpoint"])
        for k, bar in zip(wrt, bars):
            frame.add(op.operands[k], bar)
        return
    parts = frame.run.partition(callee, wrt, wanted, op.operands)
    op.attrs = {**op.attrs, "callee": parts.forward}
    mapping = {**dict(zip(parts.forward.results, op.results)), **dict(zip(parts.forward.params, op.operands))}
    start = len(op.results)
    for r in parts.forward.results[start:]:
        mapping[r] = add_result(op, subst_type(r.type, mapping))
    places = {"param": op.operands, "result": op.results, "new": op.results[start:]}
    taken = [places[kind][k] for kind, k in parts.sources]
    bars = frame.b.emit("call", *taken, *cts, callee=parts.second)
    for k, bar in zip(wrt, bars):
        frame.add(op.operands[k], bar)


CONTROL = {"call": reverse_call, "for": reverse_loop, "while": reverse_loop, "if": reverse_if}
RESTORE = {"for": restore_loop, "while": restore_loop, "if": restore_if}
