"""Passes over a whole function: each makes a new function or works on one that it owns; the input is never changed.

    drop_couplings   takes out what only derivatives need of a factorisation
    simplify         one rebuilding walk: every op is emitted anew through the peephole table and the interning builder, which
                     folds constants and finds common subexpressions; control whose outcome is known is replaced by it.
                     Functions that are one op for differentiation become their formulas
    dce              drops ops, carried values and results that nothing needs
    range_checks     removes checks, wraps and clippings that cannot fire, and checks of overflow that do not matter
                     (overflow_checks.py), then simplifies anew if there were any
    carried_views    lets loops hand arrays on under the shape in which they write them
    dead_carries     lets loops not carry an array of which each iteration reads and writes a part of its own, or that each
                     writes whole before it reads (private_arrays.py), and makes additions to zeros writes where each
                     element is hit once (accumulate_to_store.py)
    mask_to_select   leaves elements that a mask picks in their arrays where they are only added up or put back
    narrow_tapes     keeps conditions in place of the numbers that decide them
    licm             moves out of loops what gives the same in every iteration

Each but simplify and dce has a file of its name, beside this one or in carries/. `optimize` runs them in that order.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ..analysis.patterns import number, same
from ..build import Builder
from ..clone import copy_block, copy_region, has_effect, inline, mapped, new_params, replace, sweep
from ..core import Block, Function, Op, Value
from ..ops.special.called import called
from ..text.printer import everything
from ..thresholds import sizes
from ..types import Type
from ..verify import checked
from ..verify import verify as check
from .carries.accumulate_to_store import first_writes
from .carries.carried_views import reshaped
from .carries.dead_carries import cleared
from .carries.narrow_tapes import narrowed
from .carries.private_arrays import private
from .drop_couplings import vanish
from .licm import invariant
from .mask_to_select import masked
from .overflow_checks import without_needless_overflow_checks
from .range_checks import ranges
from .simplify import expanding


def optimize(f: Function, verify: bool = True, until: str | None = None) -> Function:
    """An equal, simpler function, or what it is after the pass called `until`. Effects (checks, printing) stay, in order.
    verify: check it; a finding raises IRError with the name of the pass."""
    return checked(lambda each: _run(f, until, each), check) if verify else _run(f, until, False)


def _run(f: Function, until: str | None, each: bool) -> Function:
    for name, run in PASSES:
        f = run(f)
        if each:
            check(f, name)
        if name == until:
            break
    return f


def simplify(f: Function) -> Function:
    return _Simplifier(f).function(f)


def dead_code(f: Function) -> Function:
    """In place: only for a function that the pass before made."""
    for g in everything(f):
        sweep(g)
    return f


def sure(f: Function) -> Function:
    """In place: without what range analysis proves needless."""
    without = without_needless_overflow_checks(f)
    return dead_code(simplify(f)) if ranges(f) or without else f


def in_shape(f: Function) -> Function:
    """In place: loops carry arrays under the shape in which they write them."""
    return dead_code(simplify(f)) if sum(map(reshaped, everything(f))) else f


def uncarried(f: Function) -> Function:
    """In place: without carried arrays whose writes no iteration reads later, and with writes for additions to zeros."""
    sum(map(private, everything(f)))
    if sum(map(first_writes, everything(f))):
        dead_code(f)
    return dead_code(simplify(f)) if sum(map(cleared, everything(f))) else f


def unpicked(f: Function) -> Function:
    """Without lists of positions that a loop over the mask can do without; of this function, not of what it calls."""
    new = masked(f)
    return f if new is None else dead_code(simplify(new))


def conditional(f: Function) -> Function:
    """In place: tapes that only conditions read are tapes of conditions."""
    return dead_code(simplify(f)) if sum(map(narrowed, everything(f))) else f


def motion(f: Function) -> Function:
    """In place: loop-invariant ops before their loops."""
    invariant(f)
    return f


PASSES = (("drop_couplings", vanish), ("simplify", simplify), ("dce", dead_code), ("range_checks", sure),
          ("carried_views", in_shape), ("dead_carries", uncarried), ("mask_to_select", unpicked),
          ("narrow_tapes", conditional), ("licm", motion))


class _Simplifier:
    """Rebuilds a function and, once each, what it calls."""

    def __init__(self, root: Function):
        self.root = root
        self.done: dict[Function, Function] = {}
        self.calls: Counter | None = None
        self.peephole = expanding(called(op for f in everything(root) for op in f.body.walk()))
        self.custom = {"if": self.if_, "for": self.for_, "while": self.while_, "map": self.map_, "call": self.call}

    def function(self, f: Function) -> Function:
        if f not in self.done:
            body = copy_region(Builder(peephole=self.peephole), f.body, {}, self.custom)
            self.done[f] = Function(f.name, body, f.loc, dict(f.attrs))
        return self.done[f]

    def block(self, builder: Builder, block: Block, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        return copy_block(builder, block, mapping, self.custom)

    # control

    def if_(self, builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        (cond,) = mapped(op.operands, mapping)
        known = number(cond)
        if known is not None:                                   # if true {a} else {b} → a
            return self.block(builder, op.regions[0 if known else 1], mapping)
        then, other = [copy_region(builder, region, mapping, self.custom) for region in op.regions]
        if not then.ops and not other.ops and all(v.type.__class__ is Type and not v.type.dims for v in then.yields):
            return tuple([builder("select", cond, a, b) for a, b in zip(then.yields, other.yields)])    # → c ? a : b
        results = builder.emit("if", cond, regions=[then, other], **op.attrs)
        # if c {a} else {a} → a. Two results that are one become one, as the length that a third one's type names may be either
        first: dict[tuple[Value, Value], Value] = {}
        return tuple([a if same(a, b) else first.setdefault((a, b), r)
                      for r, a, b in zip(results, then.yields, other.yields)])

    def for_(self, builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        trip, *inits = mapped(op.operands, mapping)
        (body,) = op.regions
        known = number(trip)
        if known is not None and known <= 0:                    # no iterations → the inits
            return tuple(inits)
        if known == 1:                                          # one iteration → the body
            mapping.update(zip(body.params, (builder.index(0), *inits)))
            return self.block(builder, body, mapping)
        regions, results = self.carrying(builder, op, mapping, 1, inits)
        return results(lambda kept: builder.emit("for", trip, *kept, regions=regions, **op.attrs))

    def while_(self, builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        inits = mapped(op.operands, mapping)
        regions, results = self.carrying(builder, op, mapping, 0, inits)
        head = regions[0]
        if number(head.yields[0]) is False and not any(has_effect(inner, {}) for inner in head.ops):
            return inits                                        # while false → the inits
        return results(lambda kept: builder.emit("while", *kept, regions=regions, **op.attrs))

    def carrying(self, builder: Builder, op: Op, mapping: dict[Value, Value], fixed: int,
                 inits: Sequence[Value]) -> tuple[list[Block], Callable]:
        """Copies of a loop's regions without carried values that the body does not change; they stand for their inits.

            for … carry(%x = %a) { … yield %x }   →   %a for %x
        """
        last = op.regions[-1]
        steady = [last.yields[k] is last.params[fixed + k] for k in range(len(inits))]
        regions = []
        for region in op.regions:
            mapping.update((p, v) for p, v, s in zip(region.params[fixed:], inits, steady) if s)
            moving = Block()
            moving.params = tuple([p for k, p in enumerate(region.params) if k < fixed or not steady[k - fixed]])
            new = new_params(moving, mapping)
            with builder.at(new):
                new.yields = self.block(builder, region, mapping)
            regions.append(new)
        regions[-1].yields = tuple([y for y, s in zip(regions[-1].yields, steady) if not s])
        kept = [v for v, s in zip(inits, steady) if not s]
        settled = self.settle(regions, fixed, kept)

        def results(emit: Callable) -> tuple[Value, ...]:
            found = iter(emit([v for k, v in enumerate(kept) if k not in settled]))
            moving = iter([kept[k] if k in settled else next(found) for k in range(len(kept))])
            return tuple([init if s else next(moving) for init, s in zip(inits, steady)])

        return regions, results

    @staticmethod
    def settle(regions: list[Block], fixed: int, inits: list[Value]) -> set[int]:
        """Carried values that turned out unchanged after rewriting are replaced by their inits in place."""
        last = regions[-1]
        found = {k for k, y in enumerate(last.yields) if y is last.params[fixed + k]}
        if not found:
            return found
        for region in regions:
            carried = region.params[fixed:]
            replace(region, {carried[k]: inits[k] for k in found})
            region.params = region.params[:fixed] + tuple([p for k, p in enumerate(carried) if k not in found])
            for slot, p in enumerate(region.params):
                p.slot = slot
        last.yields = tuple([y for k, y in enumerate(last.yields) if k not in found])
        return found

    def map_(self, builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        (trip,) = mapped(op.operands, mapping)
        (body,) = op.regions
        if number(trip) == 1:                                   # one iteration → the body, with an axis of length 1
            mapping[body.params[0]] = builder.index(0)
            yields = self.block(builder, body, mapping)
            return tuple([builder.reshape(v, (1, *v.type.dims)) for v in yields])
        region = copy_region(builder, body, mapping, self.custom)
        return builder.emit("map", trip, regions=[region], **op.attrs)

    # calls

    def call(self, builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        operands = mapped(op.operands, mapping)
        original = op.attrs["callee"]
        callee = self.function(original)
        attrs = {k: v for k, v in op.attrs.items() if k != "rule"}          # derivatives are taken before the passes
        if len(attrs) == 1 and not callee.attrs and self.inlined(original, callee):
            return inline(builder, callee, operands)
        return builder.emit("call", *operands, **{**attrs, "callee": callee})

    def inlined(self, original: Function, callee: Function) -> bool:
        if self.calls is None:
            self.calls = Counter(op.attrs["callee"] for f in everything(self.root) for op in f.body.walk()
                                 if op.defn.name == "call")
        return self.calls[original] == 1 or sum(1 for _ in callee.body.walk()) <= sizes.inlined

