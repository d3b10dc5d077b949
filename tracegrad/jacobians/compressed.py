"""Jacobians by compression: columns (or rows) that share no row (column) of the pattern are computed in one push (pull).

    colors   = a colouring of the pattern                        jacobians/coloring.py
    stacked  = map k in colors:  push(1 where color == k)        one [colors, out…] array for each result
    J[i, j]  = stacked[color of j, i]                            for the entries of the pattern; all others are zero

The colours are arguments of the compiled program, so it serves all patterns that take the same number of them.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..autodiff import forward
from ..autodiff.reverse import reverse
from ..captures.captures import captures_of, joined
from ..ir.build import Builder
from ..ir.clone import inline
from ..ir.core import Block, Function, Value
from ..ir.errors import UnsupportedError
from ..ir.types import I64, INDEX_SCALAR, Array, Dim, Type
from ..jitted.api import Jitted
from ..programs.derivative_programs import aux_only, built, dynamic, halves
from ..stack_room import deep
from ..tracer import tracing
from ..tracer.staging import trace_function
from ..tracer.staging.arguments import Call
from ..tracer.staging.traced import Traced
from . import coloring
from .coloring import Coloring, Pattern
from .sparsity import RECENT, Emitted, PatternDependent, Plan, csr, kept, located_blocks, unflattened
from .spec import Sides, offsets

WORTH = 256      # inputs and outputs from which "auto" looks for a pattern: below, the whole Jacobian is sooner made
SAVES = 4        # "auto" compresses where that takes at most a fourth of the pushes or pulls


def mapped_over(b: Builder, trip: Dim, emit: Callable[[Value], tuple]) -> tuple[Value, ...]:
    """`map k in trip: emit(k)`: the results stacked along a new first axis."""
    region = Block([INDEX_SCALAR], ["k"])
    with b.at(region):
        region.yields = tuple(emit(region.params[0]))
    return b.emit("map", b.index(trip), regions=[region])


def program(s: Sides, by_columns: bool, count: int) -> Function:
    """The parameters of the function and the colours of one side, 0 … count-1  ->  stacked sums of columns (rows)."""
    f = s.function
    first, second = halves(f, s.wrt, forward.linearize if by_columns else reverse.split)
    flows = s.ins if by_columns else [t for t in s.results if t.dtype.inexact]
    own = len(f.params)

    def body(b: Builder, params: tuple[Value, ...]) -> tuple[Value, ...]:
        residuals = inline(b, first, params[:own])[len(f.results):]

        def seeds(k: Value) -> list[Value]:
            number = b.cast(k, I64)
            return [b.cast(b("eq", color, number), t.dtype) for color, t in zip(params[own:], flows)]
        return mapped_over(b, count, lambda k: inline(b, second, (*residuals, *seeds(k))))

    types = [*[p.type for p in f.params], *[Type(I64, t.dims) for t in flows]]
    names = [*[p.name for p in f.params], *[f"color_{k}" for k in range(len(flows))]]
    return built(f"{f.name}_compressed", f, types, names, body)


class Packed(NamedTuple):
    """How a pattern is computed.

    by_columns  forward mode, else reverse;  number  of colours;  colors  the colour of each element, by leaf
    blocks      for each result and argument: its pattern, its dtype, and where its entries are in the stacked sums
    """

    by_columns: bool
    number: int
    colors: tuple[np.ndarray, ...]
    blocks: tuple[tuple[Pattern, np.dtype, np.ndarray], ...]


@dataclass
class CompressedPlan(Plan):
    """Also the compiled programs, by direction and number of colours."""

    kernels: dict[tuple[bool, int], Emitted] = field(default_factory=dict)

    def kernel(self, by_columns: bool, count: int) -> Emitted:
        key = by_columns, count
        made = self.kernels.pop(key, None)
        if made is None or captures_of(made.held).find() is None:            # a rule for a derivative reads something else now
            with tracing.gathering() as rules:
                made = Emitted(program(self.sides, by_columns, count), "jacobian", self.detector.held)
            made.held = joined(made.held, rules)
        return kept(self.kernels, key, made, RECENT)


class Compressed(PatternDependent):
    """A Jacobian by compression.

    mode    "forward" colours columns, "reverse" rows, else whichever takes fewer colours; "auto" without `sparse` also
            makes the whole Jacobian (by `whole`, the program of that) where a pattern would not pay
    sparse  results are SciPy CSR arrays, else arrays
    aux     what computes the aux of a function that returns (value, aux); then results are (Jacobian, aux)
    """

    plan_class = CompressedPlan
    generalises = True               # where the whole Jacobian is made

    def __init__(self, fn: Callable, argnums: int | tuple[int, ...], mode: str, sparse: bool,
                 whole: Callable[[Traced], Traced] | None, label: str, symmetric: bool = False, has_aux: bool = False,
                 **static: Any):
        super().__init__(fn, argnums, label, **static)
        self.aux = Jitted(fn, aux_only, label=label, **static) if has_aux else None
        self.mode, self.sparse, self.whole, self.symmetric = mode, sparse, whole, symmetric

    @property
    def optional(self) -> bool:
        """Whether the whole Jacobian may be made instead."""
        return self.mode == "auto" and not self.sparse

    def program(self, call: Call, trace: Callable | None = None) -> Traced:
        """The whole Jacobian: in traced code, and where that is cheaper."""
        if not self.optional or self.whole is None:
            return super().program(call, trace)
        return self.whole(self.source(call, trace or trace_function.trace_call))

    @deep
    def miss(self, *args: Array, **kwargs: Any) -> Any:
        if self.optional and tracing.active() is None:
            call = self.flatten(args, kwargs)
            if sum(leaf.type.count for leaf in call.leaves if leaf.kind != "static") < WORTH:
                return Jitted.miss(self, *args, **kwargs)
            try:
                plan, made = self.planned(call)
            except UnsupportedError:             # a rule without forward mode: only the whole Jacobian, which may do without
                made = None
            return Jitted.miss(self, *args, **kwargs) if made is None else self.completed(plan, made, call, args, kwargs)
        return super().miss(*args, **kwargs)

    def structure(self, plan: Plan, call: Call, captured: list[np.ndarray]) -> Any:
        s = plan.sides
        if self.optional and min(offsets(s.ins)[-1], offsets(s.results)[-1]) < WORTH:
            return None
        return super().structure(plan, call, captured)

    def organise(self, plan: Plan, call: Call) -> Packed | None:
        """None where the whole Jacobian is cheaper, and may be made."""
        s = plan.sides
        pattern = plan.detector.pattern(call, 1 / SAVES if self.optional else 1.0)
        if pattern is None:
            return None
        if self.symmetric:
            pattern = pattern.mirrored()
            found, by_columns = coloring.star(pattern), True
            sources = coloring.star_sources(pattern, found)
        else:
            found, by_columns = cheaper(pattern, self.mode)
            sources = _sources(s, pattern, found, by_columns)
        if self.optional and SAVES * found.number > min(pattern.shape):
            return None
        return packed(s, pattern, found, by_columns, sources)

    def evaluate(self, plan: Any, made: Any, call: Call) -> Any:
        s = plan.sides
        values = [call.values[k] for k in dynamic(s.traced)]
        stacked = plan.kernel(made.by_columns, made.number)(*values, *made.colors) if made.number else ()
        rows = [x.reshape(made.number, -1) for x in stacked]
        flat = np.ravel(rows[0] if len(rows) == 1 else np.concatenate(rows, axis=1)) if rows else np.empty(0)
        shapes = [out.dims + t.dims for out in s.results for t in s.ins]
        return unflattened(s, [self._block(pattern, flat[sources].astype(dtype, copy=False), dims)
                               for (pattern, dtype, sources), dims in zip(made.blocks, shapes)])

    def _block(self, pattern: Pattern, data: np.ndarray, dims: tuple[Dim, ...]) -> Any:
        if self.sparse:
            return csr(pattern, data)
        dense = np.zeros(pattern.shape, data.dtype)
        dense[pattern.rows, pattern.indices] = data
        return dense.reshape(dims)


def cheaper(pattern: Pattern, mode: str) -> tuple[Coloring, bool]:
    """(a colouring, whether it is of columns). The fullest row is a bound of the colours of columns, so the side that
    promises less is coloured first, and the other only where it may do with fewer."""
    if mode in ("forward", "reverse"):
        return (coloring.columns(pattern), True) if mode == "forward" else (coloring.rows(pattern), False)
    bounds = {True: pattern.widest, False: pattern.T.widest}
    first = bounds[True] <= bounds[False]
    best = coloring.columns(pattern) if first else coloring.rows(pattern)
    if bounds[not first] >= best.number:
        return best, first
    other = coloring.rows(pattern) if first else coloring.columns(pattern)
    return (other, not first) if other.number < best.number else (best, first)


def _sources(s: Sides, pattern: Pattern, found: Coloring, by_columns: bool) -> np.ndarray:
    """For each entry its place in the stacked sums, which have one column for each element of the other side (of its inexact
    leaves: the others have no entries)."""
    if not by_columns:
        return found.colors[pattern.rows] * pattern.shape[1] + pattern.indices
    inexact = np.repeat([t.dtype.inexact for t in s.results], [t.count for t in s.results])
    place = np.cumsum(inexact) - 1
    return found.colors[pattern.indices] * int(np.sum(inexact)) + place[pattern.rows]


def packed(s: Sides, pattern: Pattern, found: Coloring, by_columns: bool, sources: np.ndarray) -> Packed:
    types = s.ins if by_columns else s.results
    starts = offsets(types)
    colors = tuple([found.colors[a:z].reshape(t.shape)[()] for a, z, t in zip(starts, starts[1:], types) if t.dtype.inexact])
    dtypes = [(out if by_columns and out.dtype.inexact else t).dtype.np for out in s.results for t in s.ins]
    return Packed(by_columns, found.number, colors, tuple([
        (block, dtype, sources[entries]) for (block, entries), dtype in zip(located_blocks(s, pattern), dtypes)]))
