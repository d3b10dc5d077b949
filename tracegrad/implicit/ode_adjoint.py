"""odeint's other ways back: the adjoint equation, and the derivatives by all parameters.

The adjoint of y is l = dL/dy, which jumps by the cotangent of y(t_n) at each time and between two times obeys

    dl/ds = -(df/dy)^T l            dL/dp = integral of l . df/dp ds            dL/dt_n = y_bar_n . f(y(t_n), t_n)
                                                                                dL/dt_0 = -l(t_0) . f(y(t_0), t_0)

(L. S. Pontryagin; see Y. Cao, S. Li, L. Petzold and R. Serban, SIAM J. Sci. Comput. 24, 2003). It is solved backwards over
each step that y took, with y from the polynomial of that step: y itself is not solved backwards, which would be unstable for a
stiff equation. Between two times the steps are taken again and kept, the last `slots` of them; where there were more, the steps
before those are taken again once those are done with. The integral is Gauss' rule with four nodes.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..ir.errors import ArgumentTypeError
from ..jacobians.jacobians import jacfwd
from ..operators.custom import CustomDerivatives
from ..operators.transforms import grad, jvp, vjp
from ..options import config
from ..tracer import pytrees
from .ode_solve import Steps, error_of, expect_arrival, first_part, next_part

MODES = ("discrete", "continuous", "forward", "auto")
FEW = 4                          # numbers of y0 and args, up to which "auto" finds all their derivatives on the way
LIKELY_STEPS = 1000              # that "auto" reckons with
KEPT = 8                         # arrays like y, at least, that the discrete adjoint keeps of a step
RECORD, BUDGET = 64 << 20, 1 << 30
SLOTS = (2, 10_000)              # steps that the continuous adjoint keeps: at least, at most
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(4)
POINTS, WEIGHTS = (_POINTS + 1) / 2, _WEIGHTS / 2


class Ways(NamedTuple):
    """how: the steps; solve: (y0, t, args) -> y; structure: of args, from its leaves; places: of the floats among these."""

    how: Steps
    solve: Callable
    structure: Any
    places: tuple[int, ...]

    def whole(self, leaves: Any) -> tuple:
        return tuple(self.structure.unflatten(list(leaves)))

    def filled(self, leaves: Any, floats: Any) -> tuple:
        """args with other floats."""
        found = list(leaves)
        for k, x in zip(self.places, floats):
            found[k] = x
        return self.whole(found)


def differently(how: Steps, solve: Callable, mode: str) -> Callable:
    """`solve` with derivatives of a mode."""
    def run(y0: Any, t: Any, args: Any) -> Any:
        leaves, structure = pytrees.flatten(args)
        y, times = np.asarray(y0) * 1.0, np.asarray(t) * 1.0
        kinds = [_kind(x) for x in leaves]
        chosen = _chosen(mode, how, y, [np.size(x) if kind in "fc" else 0 for x, kind in zip(leaves, kinds)])
        if "c" in [y.dtype.kind, *kinds]:
            chosen = _expect_real(mode, how)
        if chosen == "discrete":
            return solve(y0, t, args)
        ways = Ways(how, solve, structure, tuple([k for k, kind in enumerate(kinds) if kind == "f"]))
        return _with_rules(ways, chosen)(y, times, *leaves)

    return run


def _kind(x: Any) -> str:
    return "" if x is None or isinstance(x, (str, bytes)) or callable(x) else np.asarray(x).dtype.kind


def _expect_real(mode: str, how: Steps) -> str:
    if mode != "auto":
        raise ArgumentTypeError(f"mode={mode!r} of {how.name} is for real numbers", "use mode=\"discrete\"")
    return "discrete"


def _chosen(mode: str, how: Steps, y: Any, numbers: list[int]) -> str:
    if mode != "auto":
        return mode
    if np.size(y) + sum(numbers) <= FEW:
        return "forward"
    needed = KEPT * np.size(y) * y.dtype.itemsize * (how.steps or LIKELY_STEPS)
    return "continuous" if how.steps is None and needed > (config.memory_bytes or BUDGET) else "discrete"


def _with_rules(ways: Ways, mode: str) -> Callable:
    def flat(y: Any, times: Any, *leaves: Any) -> Any:
        return ways.solve(y, times, ways.whole(leaves))

    def tangents(primals: Any, dots: Any) -> Any:
        return jvp(flat, primals, dots)

    made = CustomDerivatives(flat)
    ahead, back = _all(ways) if mode == "forward" else _adjoint(ways)
    made.defrules(tangents, ahead, back)
    return made


# --- by all parameters ------------------------------------------------------------------------------------------------------

def _all(ways: Ways) -> tuple[Callable, Callable]:
    def twice(y: Any, times: Any, *leaves: Any) -> Any:
        out = ways.solve(y, times, ways.whole(leaves))
        return out, out

    def ahead(y: Any, times: Any, *leaves: Any) -> Any:
        numbers = (0, *[k + 2 for k in ways.places])
        slopes, out = jacfwd(twice, argnums=numbers, has_aux=True)(y, times, *leaves)
        return out, (slopes, out, times, leaves)

    def back(kept: Any, bar: Any) -> Any:
        slopes, out, times, leaves = kept
        found = [np.tensordot(bar, slope, np.ndim(bar)) for slope in slopes]
        first = np.tensordot(bar[1:], slopes[0][1:], np.ndim(bar))
        return (found[0], _by_times(ways, bar, out, times, first, leaves), *_in_place(ways, leaves, found[1:]))

    return ahead, back


def _by_times(ways: Ways, bar: Any, out: Any, times: Any, first: Any, leaves: Any) -> Any:
    """The cotangent of the times. first: the adjoint at the first one, without the cotangent of y there."""
    args, found = ways.whole(leaves), np.zeros(np.shape(times), times.dtype)
    for n in range(1, times.shape[0]):
        found[n] = np.sum(bar[n] * ways.how.slope(out[n], times[n], args))
    if times.shape[0] > 0:
        found[0] = -np.sum(first * ways.how.slope(out[0], times[0], args))
    return found


def _in_place(ways: Ways, leaves: Any, bars: Any) -> list:
    """The cotangents of all leaves: None for those that are no floats."""
    found: list = [None] * len(leaves)
    for k, bar in zip(ways.places, bars):
        found[k] = bar
    return found


# --- the adjoint equation ---------------------------------------------------------------------------------------------------

class Record(NamedTuple):
    """Steps: where each begins and its length, in parts of the interval; y there and the four terms of its polynomial; count:
    how many were taken, of which the last len(begins) are here."""

    begins: Any
    parts: Any
    curves: Any
    count: Any


def _slots(y: Any) -> Any:
    each = 5 * y.dtype.itemsize * max(np.size(y), 1)
    return min(max((config.memory_bytes or RECORD) // each, SLOTS[0]), SLOTS[1])


def _recorder(how: Steps) -> Callable:
    """The steps from `start` on until the part `stop` of the interval: the same ones at each call."""
    slope, step, far, first, curve = how.slope, how.step, error_of(how), first_part(how), how.curve

    def record(y: Any, start: Any, span: Any, stop: Any, slots: Any, args: Any) -> Any:
        begins, parts = np.zeros(slots, span.dtype), np.zeros(slots, span.dtype)
        curves = np.zeros((slots, 5, *np.shape(y)), y.dtype)
        u, count, tried = 0.0, 0, 0
        k = slope(y, start, args)
        part = first(y, k, span)
        while u < stop:
            expect_arrival(tried, how.maxsteps, how.name, how.method)
            part = min(part, 1.0 - u)
            made = step(y, start + u * span, part * span, k, args)
            error = far(made.wrong, y, made.after)
            if error <= 1.0:
                ends, slot = u + part >= 1.0, count % slots
                begins[slot], parts[slot], curves[slot, 0] = u, part, y
                for n, term in enumerate(curve(y, made, part * span)):
                    curves[slot, n + 1] = term
                y, k = made.after, made.last
                u = 1.0 if ends else u + part
                count += 1
            part = next_part(part, error)
            tried += 1
        return Record(begins, parts, curves, count)

    return record


def _at(curve: Any, u: Any) -> Any:
    return curve[0] + u * (curve[1] + u * (curve[2] + u * (curve[3] + u * curve[4])))


def _sweep(ways: Ways) -> Callable:
    """The adjoint and the integrals, back over one step of y."""
    how, slope = ways.how, ways.how.slope

    def field(adjoint: Any, s: Any, more: Any) -> Any:
        leaves, curve, begin, length = more
        return -vjp(lambda v: slope(v, s, ways.whole(leaves)), _at(curve, (s - begin) / length))[1](adjoint)[0]

    back = how._replace(slope=field, band=None if how.band is None else (how.band[1], how.band[0]))
    step, curve_of = back.rolled, back.curve
    floor = min(how.rtol, how.atol) if min(how.rtol, how.atol) > 0 else max(how.rtol, how.atol)

    def far(wrong: Any, before: Any, after: Any, size: Any) -> Any:
        scale = floor * size + how.rtol * np.maximum(np.abs(before), np.abs(after)) + np.finfo(wrong.dtype).tiny
        return np.sqrt(np.mean((wrong / scale)**2))

    def integrals(adjoint: Any, made: Any, s: Any, h: Any, more: Any) -> Any:
        leaves, curve, begin, length = more
        terms = curve_of(adjoint, made, h)

        def paired(*floats: Any) -> Any:
            total = 0.0
            for q in range(len(POINTS)):
                u = POINTS[q]
                at = s + u * h
                found = slope(_at(curve, (at - begin) / length), at, ways.filled(leaves, floats))
                total += WEIGHTS[q] * np.sum(_at((adjoint, *terms), u) * found)
            return -h * total

        return grad(paired, argnums=tuple(range(len(ways.places))))(*[leaves[k] for k in ways.places])

    def sweep(adjoint: Any, sums: Any, size: Any, curve: Any, begin: Any, length: Any, leaves: Any) -> Any:
        more = (leaves, curve, begin, length)
        done, part, tried = 0.0, 1.0, 0
        k = field(adjoint, begin + length, more)
        while done < 1.0:
            expect_arrival(tried, how.maxsteps, how.name, how.method)
            part = min(part, 1.0 - done)
            s, h = begin + (1.0 - done) * length, -part * length
            made = step(adjoint, s, h, k, more)
            error = far(made.wrong, adjoint, made.after, size)
            if error <= 1.0:
                if len(ways.places) > 0:
                    sums = tuple([x + dx for x, dx in zip(sums, integrals(adjoint, made, s, h, more))])
                ends = done + part >= 1.0
                adjoint, k = made.after, made.last
                done = 1.0 if ends else done + part
            part = next_part(part, error)
            tried += 1
        return adjoint, sums

    return sweep


def _adjoint(ways: Ways) -> tuple[Callable, Callable]:
    record, sweep = _recorder(ways.how), _sweep(ways)

    def ahead(y: Any, times: Any, *leaves: Any) -> Any:
        out = ways.solve(y, times, ways.whole(leaves))
        return out, (out, times, leaves)

    def interval(y: Any, start: Any, end: Any, adjoint: Any, sums: Any, size: Any, leaves: Any) -> Any:
        span, stop, slots = end - start, 1.0, _slots(y)
        while stop > 0.0:
            steps = record(y, start, span, stop, slots, ways.whole(leaves))
            kept = min(steps.count, slots)
            for i in range(kept):
                slot = (steps.count - 1 - i) % slots
                adjoint, sums = sweep(adjoint, sums, size, steps.curves[slot], start + steps.begins[slot] * span,
                                      steps.parts[slot] * span, leaves)
            stop = steps.begins[(steps.count - kept) % slots]
        return adjoint, sums

    def back(kept: Any, bar: Any) -> Any:
        out, times, leaves = kept
        size = np.max(np.abs(bar), initial=0.0)
        adjoint = np.zeros(np.shape(out)[1:], out.dtype)
        sums = tuple([np.zeros(np.shape(leaves[k]), np.asarray(leaves[k]).dtype) for k in ways.places])
        for i in range(times.shape[0] - 1):
            n = times.shape[0] - 1 - i
            adjoint = adjoint + bar[n]
            if times[n] != times[n - 1]:
                adjoint, sums = interval(out[n - 1], times[n - 1], times[n], adjoint, sums, size, leaves)
        by_times = _by_times(ways, bar, out, times, adjoint, leaves)
        return (adjoint + bar[0], by_times, *_in_place(ways, leaves, sums))

    return ahead, back
