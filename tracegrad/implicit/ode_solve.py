"""The steps from one time to the next: as many as the error asks for, or equal ones.

The step lengths are not differentiated: all that decides about them is behind stop_gradient.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..operators.transforms import stop_gradient
from .ode_banded import Band, expect_band
from .ode_steps import METHODS

if TYPE_CHECKING:
    from ..tracer.values.boxes import ArrayBox, Box, ScalarBox

SAFETY, SHRINK, GROW = 0.9, 0.2, 10.0            # of the next step's length


class Steps(NamedTuple):
    """How steps are taken. slope(y, t, args) -> dy/dt; steps: that many equal ones, None where the error chooses; maxsteps:
    between two times; name: of the function that the user called, for messages."""

    slope: Callable
    rtol: float
    atol: float
    steps: int | None
    maxsteps: int
    name: str
    method: str = "RK45"
    band: Band | None = None

    @property
    def step(self) -> Callable:
        return METHODS[self.method].step(self.slope, self.band)

    @property
    def rolled(self) -> Callable:
        return METHODS[self.method].rolled(self.slope, self.band)

    @property
    def curve(self) -> Callable:
        return METHODS[self.method].curve


def expect_arrival(count: Any, maxsteps: int, name: str, method: str) -> None:
    if count >= maxsteps:
        raise RuntimeError(f"{name} has not arrived after {count} steps" + _HINTS[METHODS[method].implicit])


_HINTS = {False: ": is the equation stiff?", True: ""}


def next_part(part: Any, error: Any) -> Any:
    """The length of the step after one of length `part`, whose error was that many times the bound."""
    change = SAFETY * max(error, 1e-10) ** -0.2 if error == error else SHRINK
    return part * min(GROW, max(SHRINK, change))


def error_of(how: Steps) -> Callable:
    def far(wrong: Box, y: Box, after: Box) -> Any:
        scale = how.atol + how.rtol * np.maximum(np.abs(y), np.abs(after))
        return np.sqrt(np.mean((wrong / scale)**2)) if np.size(y) > 0 else 0.0 * np.sum(wrong)

    return far


def first_part(how: Steps) -> Callable:
    """The first step's length, as a part of the interval."""
    def first(y: Any, k: Any, span: Any) -> Any:
        scale = how.atol + how.rtol * np.abs(y)
        size, speed = np.sqrt(np.mean((y / scale)**2)), np.sqrt(np.mean((k / scale)**2))
        guess = 0.01 * size / speed if size > 1e-5 and speed > 1e-5 else 1e-6
        return min(guess, np.abs(span)) / np.abs(span)

    return first


def solver(how: Steps) -> Callable:
    """(y0, t, args) -> y at all times."""
    slope, step, far, first = how.slope, how.step, error_of(how), first_part(how)

    def equal(y: Any, start: ScalarBox, end: ScalarBox, args: Any) -> Any:
        assert how.steps is not None
        h = (end - start) / how.steps
        for n in range(how.steps):
            s = start + n * h
            y = step(y, s, h, slope(y, s, args), args).after
        return y

    def adaptive(y: Any, start: ScalarBox, end: ScalarBox, args: tuple[Box, ...]) -> Box:
        # in parts of the interval, so that the end is reached exactly and depends on `end`: s = start + u (end - start)
        span, u, count = end - start, 0.0, 0
        k = slope(y, start, args)
        part = stop_gradient(first(y, k, span))
        while u < 1.0:
            expect_arrival(count, how.maxsteps, how.name, how.method)
            part = min(part, 1.0 - u)
            made = step(y, start + u * span, part * span, k, args)
            error = stop_gradient(far(made.wrong, y, made.after))
            if error <= 1.0:
                ends = u + part >= 1.0
                y, k = made.after, made.last
                u = 1.0 if ends else u + part
            part = next_part(part, error)
            count += 1
        return y

    def solve(y0: Box, t: list[ScalarBox] | ArrayBox, args: tuple[Box, ...]) -> Any:
        y, times = np.asarray(y0) * 1.0, np.asarray(t) * 1.0
        out = np.zeros((times.shape[0], *np.shape(y)), y.dtype)
        out[0] = y
        if how.band is not None and times.shape[0] > 1:
            expect_band(lambda v: np.ravel(slope(np.reshape(v, np.shape(y)), times[0], args)), np.ravel(y), how.band)
        for n in range(1, times.shape[0]):
            if how.steps is not None:
                y = equal(y, times[n - 1], times[n], args)
            elif times[n] != times[n - 1]:
                y = adaptive(y, times[n - 1], times[n], args)
            else:
                y = y + (times[n] - times[n - 1]) * slope(y, times[n], args)             # its derivative by the times
            out[n] = y
        return out
    return solve
