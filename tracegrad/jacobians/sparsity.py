"""Which outputs can depend on which inputs, as a sparse matrix: `sparsity`, and the patterns behind sparse Jacobians.

autodiff/sparsity/interpreter.py makes the program, which carries 64 inputs, or groups of inputs, at a time. The pattern is
found by halving groups: those that no output has in common share a bit, so a banded matrix of n columns takes some log n runs,
and a dense one n / 64.

The program reads the integers and bools among the arguments, and captured arrays. A pattern holds for their values: where one
of them changes, it is found anew. It does not depend on any floating argument.
"""
from __future__ import annotations

import functools
import itertools
import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

import numpy as np

from ..autodiff.sparsity.interpreter import pattern as pattern_program
from ..captures.captures import captures_of, joined, live
from ..ir.clone import free_values
from ..ir.core import Block, Function
from ..ir.errors import UnsupportedError
from ..ir.transforms.pipeline import dead_code, simplify
from ..jitted.api import Jitted
from ..jitted.functions import derived, maker
from ..options import config
from ..programs.derivative_programs import dynamic, tuple_of, value_only
from ..stack_room import deep
from ..tracer import tracing
from ..tracer.pytrees import LEAF
from ..tracer.staging.arguments import Call
from ..tracer.staging.traced import Out, Traced
from ..tracer.values.captured_arrays import Captured
from . import coloring
from .coloring import Pattern
from .spec import Sides, nested, offsets, sides

if TYPE_CHECKING:
    from ..ir.types import Array
    from .compressed import Packed

P = ParamSpec("P")
R = TypeVar("R")
RECENT = 8           # patterns that are kept for one specialisation, for different integers and captured arrays


class Emitted(Jitted):
    """A program that no user wrote, compiled. Called with one operand for each parameter; returns a tuple of arrays."""

    generalises = False

    def __init__(self, function: Function, label: str, held: Captured):
        super().__init__(_operands, label=label)
        self.function, self.held = function, held

    @property
    def derives(self) -> bool:
        return True

    def program(self, call: Call, trace: Callable | None = None) -> Traced:
        outs = tuple([Out("array" if v.type.rank else "numpy", k) for k, v in enumerate(self.function.results)])
        return Traced(self.function, call.tree, call.leaves, call.paths, tuple_of(*[LEAF] * len(outs)), outs, {},
                      held=self.held)


def _operands(*operands: Any) -> None:
    """The names of operands in messages."""


# --- finding a pattern ---------------------------------------------------------------------------------------------------


class Detector:
    """The pattern of one traced program, for whatever integers, bools and captured arrays it is given."""

    def __init__(self, s: Sides):
        f, held = s.function, dynamic(s.traced)
        known = [p for p, k in enumerate(held) if p not in s.wrt and not f.params[p].type.dtype.inexact]
        with tracing.gathering() as rules:
            program = dead_code(simplify(pattern_program(f, s.wrt, known)))
        read = set(free_values(_unbound(program)))
        self.leaves = [held[p] for p in known]
        self.read = [held[p] for p, value in zip(known, program.params) if value in read]
        self.captured = live(program)
        self.held = joined(s.traced.held, rules)
        self.captures, self.kernel = captures_of(self.held), Emitted(program, "sparsity", self.held)
        self.ins = s.ins
        numbers = itertools.count()
        self.outs = [next(numbers) if t.dtype.inexact else None for t in s.results]
        self.results = s.results

    def key(self, call: Call, captured: list[np.ndarray]) -> tuple[bytes, ...]:
        """The values that decide the pattern."""
        return tuple([np.asarray(x).tobytes() for x in (*(call.values[k] for k in self.read),
                                                        *self.captures.now(self.captured, captured))])

    def pattern(self, call: Call, density: float = 1.0) -> Pattern | None:
        """The entries that can differ from zero, of all outputs by all inputs, both in C order one after the other; None where
        more than a part `density` of it is found to be full, by groups of inputs."""
        known = tuple([call.values[k] for k in self.leaves])
        starts = offsets(self.ins)
        n, m = starts[-1], offsets(self.results)[-1]

        def run(seeds: np.ndarray) -> np.ndarray:
            words = [seeds[a:b].reshape(t.shape)[()] for a, b, t in zip(starts, starts[1:], self.ins)]
            found = self.kernel(*known, *words)
            return np.concatenate([np.zeros(t.count, np.uint64) if k is None else np.ravel(found[k])
                                   for k, t in zip(self.outs, self.results)])
        return _halved(run, m, n, density)


def _unbound(f: Function) -> Block:
    """The body as a block that takes its parameters from outside."""
    block = Block()
    block.ops, block.yields = f.body.ops, f.body.yields
    return block


def _halved(run: Callable, m: int, n: int, density: float) -> Pattern | None:
    """Starts with at most 64 groups of columns, a bit each, and divides them: as many parts as fit while colouring the groups
    saves something, else all the way down."""
    if not m or not n:
        return Pattern((m, n), np.zeros(m + 1, np.int64), np.empty(0, np.int64))
    column = np.arange(n)
    size = max(0, (n - 1).bit_length() - 6)                   # a group has 2**size columns
    found = Pattern((m, 1), np.arange(m + 1), np.zeros(m, np.int64))
    found = coloring.refine(found, np.zeros(1, np.int64), 6, _swept(run, column >> size, m, 1))
    while size:
        groups = ((n - 1) >> size) + 1
        if found.indices.size > density * m * groups:
            return None
        colors = coloring.columns(Pattern((m, groups), found.indptr, found.indices))
        bits = size if 2 * colors.number > groups else min(size, max(1, (256 // colors.number).bit_length() - 1))
        size -= bits
        place = (colors.colors[column >> (size + bits)] << bits) + ((column >> size) & ((1 << bits) - 1))
        found = coloring.refine(found, colors.colors, bits, _swept(run, place, m, -(-(colors.number << bits) // 64)))
    return Pattern((m, n), found.indptr, found.indices)


def _swept(run: Callable, bit: np.ndarray, m: int, count: int) -> np.ndarray:
    """The words [count, m] of a run for each 64 bits; bit[j] is the bit of column j."""
    words = np.empty((count, m), np.uint64)
    seed = np.uint64(1) << (bit & 63).astype(np.uint64)
    for k in range(count):
        words[k] = run(np.where(bit >> 6 == k, seed, np.uint64(0)))
    return words


# --- plans ---------------------------------------------------------------------------------------------------------------


def kept(table: dict, key: Any, made: Any, most: int) -> Any:
    """Put what was made last into a table of what was made of late, from which the oldest goes."""
    table[key] = made
    while len(table) > most:
        del table[next(iter(table))]
    return made


@dataclass
class Plan:
    """What is kept for one specialisation: the sides, how patterns are found, and what was made of recent ones."""

    sides: Sides
    detector: Detector
    recent: dict[tuple[bytes, ...], Any]


_made: weakref.WeakSet[PatternDependent] = weakref.WeakSet()


def _unlock() -> None:
    """In a child process, where the threads that held them do not run."""
    for f in _made:
        f._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


class PatternDependent(Jitted):
    """A function whose result hangs on the pattern of a derivative: it runs from Python, with compiled parts."""

    plan_class = Plan
    generalises = False
    aux: Jitted | None = None           # what computes the aux of a function that returns (value, aux)

    def __init__(self, fn: Callable, argnums: int | tuple[int, ...], label: str, **static: Any):
        super().__init__(fn, label=label, **static)
        self.argnums = argnums
        self._plans: dict[Any, Plan] = {}
        self._lock = threading.RLock()
        _made.add(self)

    @property
    def derives(self) -> bool:
        return True

    def program(self, call: Call, trace: Callable | None = None) -> Traced:
        raise UnsupportedError(f"`tg.{self.label}` that goes by a sparsity pattern cannot be part of a compiled function",
                               "call it from Python, or use tg.jacobian or tg.hessian without sparse and mode")

    @deep
    def miss(self, *args: Array, **kwargs: Any) -> Any:
        if tracing.active() is not None:
            return self.__tracegrad_call__(args, kwargs)
        call = self.flatten(args, kwargs)
        return self.completed(*self.planned(call), call, args, kwargs)

    def completed(self, plan: Plan, made: Any, call: Call, args: Any, kwargs: dict[str, Any]) -> Any:
        """What a call returns."""
        found = self.evaluate(plan, made, call)
        return found if self.aux is None else (found, self.aux(*args, **kwargs))

    def value(self, call: Call) -> Traced:
        """The program whose derivative has the pattern."""
        found = self.source(call)
        return found if self.aux is None else value_only(found)

    def planned(self, call: Call) -> tuple[Plan, Any]:
        with self._lock:
            plan, captured = self.plan(call)
            return plan, self.structure(plan, call, captured)

    def plan(self, call: Call) -> tuple[Plan, list[np.ndarray]]:
        """The plan of a call, and the captured arrays as they are now."""
        key, captured = self.known(call)
        plan = self._plans.pop(key, None) if captured is not None else None
        captured = None if plan is None else plan.detector.captures.find()
        while captured is None:
            with self.reading(call):
                traced = self.with_captures(call, self.value)
            captures = captures_of(traced.held)
            key = self.remember(call, traced, captures)
            s = sides(traced, self.argnums)
            plan = self.plan_class(s, Detector(s), {})
            captured = plan.detector.captures.find()
        return kept(self._plans, key, plan, config.cache_size), captured

    def structure(self, plan: Plan, call: Call, captured: list[np.ndarray]) -> Pattern | Packed:
        """What `organise` makes of the pattern, kept for the values that it hangs on."""
        key = plan.detector.key(call, captured)
        made = plan.recent.pop(key, None)
        if made is None:
            made = self.organise(plan, call)
        return kept(plan.recent, key, made, RECENT)

    def organise(self, plan: Plan, call: Call) -> Pattern | Packed | None:
        return plan.detector.pattern(call)

    def evaluate(self, plan: Any, made: Any, call: Call) -> Any:
        """`tg.sparsity`: the pattern itself."""
        s = plan.sides
        return unflattened(s, [csr(block, np.ones(block.indices.size, bool)) for block in blocks(s, made)])

    def cache_clear(self) -> None:
        super().cache_clear()
        self._plans.clear()


def unflattened(s: Sides, leaves: list) -> Any:
    return nested(s.traced.out_tree, s.below).unflatten(leaves)


def blocks(s: Sides, pattern: Pattern) -> list[Pattern]:
    """The pattern of each result by each argument, row by row."""
    return [block for block, _ in located_blocks(s, pattern)]


def located_blocks(s: Sides, pattern: Pattern) -> list[tuple[Pattern, np.ndarray]]:
    """(the pattern, which entries of the whole it has) of each result by each argument."""
    rows, columns = offsets(s.results), offsets(s.ins)
    found = []
    for top, bottom in itertools.pairwise(rows):
        first, last = pattern.indptr[top], pattern.indptr[bottom]
        indices, row = pattern.indices[first:last], np.repeat(np.arange(bottom - top), pattern.degrees[top:bottom])
        for left, right in itertools.pairwise(columns):
            inside = np.flatnonzero((indices >= left) & (indices < right))
            indptr = np.concatenate([[0], np.cumsum(np.bincount(row[inside], minlength=bottom - top))])
            found.append((Pattern((bottom - top, right - left), indptr, indices[inside] - left), inside + first))
    return found


def csr(pattern: Pattern, data: np.ndarray) -> Any:
    """A SciPy CSR array of its own."""
    from scipy.sparse import csr_array

    small = max(*pattern.shape, pattern.indices.size) < 2**31
    kind = np.int32 if small else np.int64
    made = csr_array((data, pattern.indices.astype(kind), pattern.indptr.astype(kind)), shape=pattern.shape)
    made.has_canonical_format = True
    return made


@maker("sparsity")
def _pattern_of(f: Callable, argnums: int | tuple[int, ...], static_argnums: tuple, static_argnames: tuple) -> PatternDependent:
    argnums = argnums if isinstance(argnums, int) else tuple(argnums)
    return PatternDependent(f, argnums, "sparsity", static_argnums=static_argnums, static_argnames=static_argnames)


@overload
def sparsity(f: Callable[P, R], argnums: int | tuple[int, ...] = 0, *,
             static_argnums: Any = (), static_argnames: Any = ()) -> Jitted[P, Any]: ...
@overload
def sparsity(f: None = None, argnums: int | tuple[int, ...] = 0, *, static_argnums: Any = (), static_argnames: Any = ()
             ) -> Callable[[Callable[P, R]], Jitted[P, Any]]: ...
def sparsity(f: Callable | None = None, argnums: int | tuple[int, ...] = 0, *, static_argnums: Any = (),
             static_argnames: Any = ()) -> Any:
    """The pattern of the Jacobian of `f`: a function of the same arguments that returns SciPy CSR arrays of bools.

    For a result of shape `out` and an argument of shape `in` a matrix of shape (size of out, size of in), elements in C order;
    structures of results hold structures of arguments, as in `jacobian`. The pattern comes from the program, not from values:
    an entry that is missing is zero for all floating arguments; one that is there may be zero for some. Branches on them count
    with both sides. It does depend on integers, bools and captured arrays. The pattern of a Hessian is `sparsity(grad(f))`.
    Raises as `jacfwd`, and where it is called in traced code.

    Parameters: `f`, `argnums`, `static_argnums`, `static_argnames` as of `grad`.
    Result: that function; with `f` left out, a decorator.
    Errors: as above.

    >>> tg.sparsity(lambda x: x * x)(np.ones(2)).toarray().tolist()
    [[True, False], [False, True]]
    """
    if f is None:
        return functools.partial(sparsity, argnums=argnums, static_argnums=static_argnums, static_argnames=static_argnames)
    return derived(f, "sparsity", argnums, static_argnums, static_argnames)
