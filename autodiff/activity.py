"""Which values derivatives pass through.

A value is *varied* where it depends on a differentiated parameter, *useful* where a differentiated result depends on it,
through ops that have a derivative. Only inexact values are either. Reverse mode works on values that are both (*active*);
forward mode on those that are varied. Loops take a fixed point over what they carry.
"""
from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, cast

from ..ir.core import Block, Function, Op, Value
from ..ir.types import StackType
from .custom_calls import rule_of_call, varies

if TYPE_CHECKING:
    from ..ir.opdef import Elementwise


def inexact(value: Value) -> bool:
    """Whether a value can have a derivative: a float or complex array, or a stack of such."""
    t = value.type
    return (t.element if t.__class__ is StackType else t).dtype.inexact


# Operands through which a special rule differentiates, where not all inexact ones: lu_solve's factor follows from its matrix,
# pinv's threshold only selects, and the vectors of `couple` multiply zeros.
_SPECIAL_IN = {"lu_solve": (0, 3), "pinv": (0,), "couple": (0, 3)}


def positions(op: Op) -> tuple[int, ...]:
    """The operands that the results of an op (no control) depend on differentiably."""
    defn = op.defn
    if defn.rule == "none":
        return ()
    if defn.rule == "elementwise":
        return tuple([k for k, p in enumerate(cast("Elementwise", defn).partials) if p is not None])
    if defn.rule == "special":
        return _SPECIAL_IN.get(defn.name) or tuple(range(len(op.operands)))
    return defn.linear_in or tuple(range(len(op.operands)))


def through(op: Op) -> list[Value]:
    """The operands that the results of an op (no control) depend on differentiably, which can have a derivative."""
    if op.defn.rule == "none":
        return []
    return [v for v in [op.operands[k] for k in positions(op)] if inexact(v)]


class _Flow:
    """A set of values that grows along the ops of a function; `memo` serves callees."""

    def __init__(self, marked: list[Value], memo: dict | None):
        self.marked: set[Value] = set(marked)
        self.memo = {} if memo is None else memo

    def mark(self, value: Value) -> None:
        if inexact(value):
            self.marked.add(value)

    def link(self, sources: tuple[Value, ...], targets: tuple[Value, ...]) -> None:
        """Mark each target whose source is marked."""
        for source, target in zip(sources, targets):
            if source in self.marked:
                self.mark(target)


class _Varied(_Flow):
    """From differentiated parameters to what depends on them."""

    def block(self, block: Block) -> None:
        marked = self.marked
        for op in block.ops:
            rule = op.defn.rule
            if rule == "none":
                continue
            if rule == "control":
                getattr(self, op.defn.name + "_")(op)
            elif any(v in marked for v in through(op)):
                for r in op.results:
                    self.mark(r)

    def if_(self, op: Op) -> None:
        for region in op.regions:
            self.block(region)
            self.link(region.yields, op.results)

    def map_(self, op: Op) -> None:
        self.block(op.regions[0])
        self.link(op.regions[0].yields, op.results)

    def for_(self, op: Op) -> None:
        fixed, body = len(op.operands) - len(op.results), op.regions[-1]
        params = body.params[fixed:]
        self.link(op.operands[fixed:], params)
        count = -1
        while count < (count := sum([p in self.marked for p in params])):
            self.block(body)
            self.link(body.yields, params)
        self.link(params, op.results)
        self.link(body.yields, op.results)

    while_ = for_

    def call_(self, op: Op) -> None:
        callee, rule = op.attrs["callee"], rule_of_call(op)
        if rule is not None:
            if varies(op, rule, self.marked):
                for r in op.results:
                    self.mark(r)
            return
        wrt = tuple([k for k, v in enumerate(op.operands) if v in self.marked])
        key = (callee, wrt)
        if key not in self.memo:
            inner = _Varied([callee.params[k] for k in wrt], self.memo)
            inner.block(callee.body)
            self.memo[key] = [r in inner.marked for r in callee.results]
        for hit, r in zip(self.memo[key], op.results):
            if hit:
                self.mark(r)


class _Useful(_Flow):
    """From differentiated results to what they depend on."""

    def block(self, block: Block) -> None:
        marked = self.marked
        for op in reversed(block.ops):
            rule = op.defn.rule
            if rule == "none":
                continue
            if rule == "control":
                getattr(self, op.defn.name + "_")(op)
            elif any(r in marked for r in op.results):
                marked.update(through(op))

    def if_(self, op: Op) -> None:
        for region in op.regions:
            self.link(op.results, region.yields)
            self.block(region)

    def map_(self, op: Op) -> None:
        self.link(op.results, op.regions[0].yields)
        self.block(op.regions[0])

    def for_(self, op: Op) -> None:
        fixed, body = len(op.operands) - len(op.results), op.regions[-1]
        params = body.params[fixed:]
        self.link(op.results, body.yields)
        self.link(op.results, op.operands[fixed:])
        count = -1
        while count < (count := sum([p in self.marked for p in params])):
            self.link(params, body.yields)
            self.block(body)
        self.link(params, op.operands[fixed:])

    while_ = for_

    def call_(self, op: Op) -> None:
        callee, rule = op.attrs["callee"], rule_of_call(op)
        if rule is not None:
            if any(r in self.marked for r in op.results):
                self.marked.update([op.operands[k] for k in rule.inputs])
            return
        wanted = tuple([k for k, r in enumerate(op.results) if r in self.marked])
        key = (callee, wanted)
        if key not in self.memo:
            inner = _Useful([callee.results[k] for k in wanted if inexact(callee.results[k])], self.memo)
            inner.block(callee.body)
            self.memo[key] = [p in inner.marked for p in callee.params]
        for hit, v in zip(self.memo[key], op.operands):
            if hit:
                self.mark(v)


def varied(f: Function, wrt: Sequence[int], memo: Any = None) -> set[Value]:
    """The values of `f` (of its regions too) that depend on the parameters at positions `wrt`."""
    flow = _Varied([f.params[k] for k in wrt if inexact(f.params[k])], memo)
    flow.block(f.body)
    return flow.marked


def useful(f: Function, results: Collection[int] | None = None, memo: Any = None) -> set[Value]:
    """The values of `f` that its inexact results (those at positions `results`, if given) depend on."""
    wanted = f.results if results is None else [f.results[k] for k in results]
    flow = _Useful([v for v in wanted if inexact(v)], memo)
    flow.block(f.body)
    return flow.marked


def varied_in(block: Block, values: list[Value]) -> set[Value]:
    """The values of a block (of its regions too) that depend on these."""
    flow = _Varied(values, None)
    flow.block(block)
    return flow.marked
