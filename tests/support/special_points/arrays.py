"""Special points of functions of whole arrays.

Such a function is taken along a line, g(t) = sum(w * f(x + t v)), in the direction of each element by itself and in one that
moves all of them. Its reference is a function of arrays of mpmath's numbers, differentiated by t.
"""
from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import mpmath as mp
import numpy as np

import tracegrad as tg

from .check import TOLERANCE, Failure, same
from .conventions import TABLE
from .points import DIGITS


@dataclass(frozen=True, eq=False)
class At:
    """A point: the arguments, and its slopes where they are a convention. `orders`: up to which derivatives are asked."""

    arguments: tuple
    slopes: tuple | None = None
    orders: int = 3

    def __str__(self):
        return ", ".join(str(np.asarray(a).tolist()) for a in self.arguments)


def at(*arguments, slopes=None, orders=3) -> At:
    arrays = tuple(np.array(a, float) for a in arguments)
    return At(arrays, None if slopes is None else tuple(np.array(s, float) for s in slopes), orders)


def kinks(expression: str, orders: int = 3) -> list[At]:
    """The rows of docs/exactness.md for an expression in one array."""
    rows = [row for row in TABLE if row.expression == expression]
    assert rows, f"no convention for {expression}"
    return [at(*row.point(), slopes=row.slopes, orders=orders) for row in rows]


@dataclass(frozen=True, eq=False)
class Arrays:
    """covers: names of further functions that the row stands for."""

    name: str
    function: Callable
    points: list
    reference: Callable | None = None
    covers: tuple = ()
    single: bool = True
    least: float = 0.0
    _right: dict = field(default_factory=dict)

    @cached_property
    def arguments(self) -> int:
        return len(self.points[0].arguments)

    def directions(self, point: At) -> list[tuple]:
        """Each element by itself, then all at once."""
        sizes = [a.size for a in point.arguments]
        rows = [*np.eye(sum(sizes)), 0.25 * np.array(list(itertools.islice(itertools.cycle((2, -1, 3, 1, -2)), sum(sizes))))]
        flat = np.concatenate([np.ravel(a) for a in point.arguments])
        kept = [row for row in rows if np.isfinite(flat[row != 0]).all()]
        ends = np.cumsum(sizes)[:-1]
        return [tuple(part.reshape(a.shape) for part, a in zip(np.split(row, ends), point.arguments)) for row in kept]

    def right(self, point: At, direction: int, order: int) -> float:
        key = id(point), direction, order
        if key not in self._right:
            self._right[key] = float(self._derivative(point, self.directions(point)[direction], order))
        return self._right[key]

    def _derivative(self, point, v, order):
        if point.slopes is not None:
            return sum(np.sum(s * d) for s, d in zip(point.slopes, v)) if order == 1 else 0.0
        exact = np.vectorize(mp.mpf, otypes=[object])

        def along(t):
            moved = self.reference(*(exact(a) + t * exact(d) if a.ndim else mp.mpf(float(a)) + t * mp.mpf(float(d))
                                     for a, d in zip(point.arguments, v)))
            moved = np.asarray(moved, object)
            return np.sum(weights(moved.shape).astype(object) * moved)

        with mp.workdps(DIGITS):
            return mp.re(mp.diff(along, 0, order))


def weights(shape) -> np.ndarray:
    """A cotangent of small numbers that are all different; of a scalar result 1."""
    return np.ones(()) if shape == () else 0.5 + np.arange(np.prod(shape, dtype=int)).reshape(shape) * 0.25


def forward(f):
    return lambda xs, vs, w: tg.jvp(lambda *xs: f(xs, vs, w), xs, vs)[1]


def reverse(f):
    def derived(xs, vs, w):
        value, pull = tg.vjp(lambda *xs: f(xs, vs, w), *xs)
        bars = pull(np.ones_like(value))
        total = 0.0
        for bar, v in zip(bars, vs):
            total = total + np.sum(bar * v)
        return total
    return derived


MODES = {"F": forward, "R": reverse}


def derivatives(function, orders) -> dict:
    found = {}
    for order in orders:
        for nesting in itertools.product(MODES, repeat=order):
            f = lambda xs, vs, w: np.sum(w * function(*xs))                               # noqa: E731
            for mode in nesting:
                f = MODES[mode](f)
            found["".join(nesting)] = f
    return found


def check(row: Arrays, orders, compiled: bool, dtype=np.float64, nestings=None) -> list[Failure]:
    """What is wrong of a row, in every nesting of these orders."""
    wanted = {key: f for key, f in derivatives(row.function, orders).items() if nestings is None or key in nestings}
    program = tg.jit(lambda xs, vs, w: [f(xs, vs, w) for f in wanted.values()])
    how = ("compiled" if compiled else "evaluated") + ("" if dtype is np.float64 else " float32")
    failures = []
    for point in row.points:
        xs = tuple(a.astype(dtype)[()] for a in point.arguments)
        with np.errstate(all="ignore"):
            w = weights(np.shape(row.function(*xs))).astype(dtype)
        for k, v in enumerate(row.directions(point)):
            vs = tuple(d.astype(dtype)[()] for d in v)
            try:
                found = _call(program, (xs, vs, w), compiled)
            except Exception:
                failures += _raised(row, point, wanted, (xs, vs, w), compiled, how)
                break
            failures += [Failure(row.name, (str(point),), (_named(v),), nesting, how, float(value),
                                 row.right(point, k, len(nesting)))
                         for nesting, value in zip(wanted, found, strict=True)
                         if len(nesting) <= point.orders and not _right(row, point, k, len(nesting), value, dtype)]
    return failures


def _call(program, args, compiled):
    with np.errstate(all="ignore"):
        if compiled:
            return program(*args)
        with tg.disable_jit():
            return program(*args)


def _right(row, point, k, order, value, dtype) -> bool:
    """Errors are measured by the largest derivative of this and lower orders in any direction."""
    sizes = [abs(row.right(point, j, o)) for j in range(len(row.directions(point))) for o in range(1, order + 1)]
    scale = max([row.least, *filter(math.isfinite, sizes)])
    return same(float(value), row.right(point, k, order), scale, 10 * TOLERANCE[dtype][order - 1], 1e-30)


def _raised(row, point, wanted, args, compiled, how) -> list[Failure]:
    """Which nestings raise, where all together do."""
    failures = []
    for nesting, f in wanted.items():
        try:
            _call(tg.jit(f), args, compiled)
        except Exception as error:
            failures.append(Failure(row.name, (str(point),), ("each",), nesting, how,
                                    f"{type(error).__name__}: {error}".splitlines()[0], "a number"))
    return failures


def _named(v) -> str:
    """The direction: the element that it moves, or all."""
    moved = [f"{k}{list(map(int, i)) if np.ndim(d) else ''}" for k, d in enumerate(v) for i in np.argwhere(d)]
    return moved[0] if len(moved) == 1 else "all"
