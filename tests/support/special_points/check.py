"""Comparing what tracegrad gives with what is right."""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

import tracegrad as tg

from .nests import all_of, columns, derivatives

# Relative to `Points.scale`, for each order.
TOLERANCE = {np.float64: (1e-12, 1e-10, 1e-8), np.float32: (1e-5,)}
LEAST = {np.float64: 1e-290, np.float32: 1e-36}


@dataclass(frozen=True)
class Failure:
    name: str
    point: tuple
    by: tuple
    nesting: str
    how: str
    found: object
    right: object

    def __str__(self):
        place = ", ".join(map(str, self.point))
        return (f"{self.name} at {place}: order {len(self.nesting)} by {list(self.by)}, {self.nesting} "
                f"{self.how}: found {self.found}, right {self.right}")


def same(found, right, scale, tolerance, least) -> bool:
    if math.isnan(right):
        return math.isnan(found)
    if math.isinf(right) or not math.isfinite(found):
        return found == right
    return abs(found - right) <= tolerance * scale + least


def points_in(row, dtype) -> list[tuple]:
    """The points as the dtype holds them; left out what only float64 can tell from 0, infinity or a point with given values."""
    if dtype is np.float64:
        return row.at()
    found = []
    for point in row.at():
        with np.errstate(over="ignore", under="ignore"):
            single = tuple(float(np.float32(x)) for x in point)
        kept = all((a == b) or (0 < abs(a) < math.inf and abs(a) > 1e-37) for a, b in zip(single, point))
        if point == single or (kept and row._given(point) is None) or any(map(math.isnan, point)):
            found.append(single)
    return found


def run(wanted: dict, args, compiled: bool) -> dict:
    """{key: derivative}, or the exception that it ends in. All in one program, else one by one to name what fails."""
    def call(program):
        with np.errstate(all="ignore"):
            if compiled:
                return tg.jit(program)(*args)
            with tg.disable_jit():
                return program(*args)

    try:
        return dict(zip(wanted, call(all_of(wanted)), strict=True))
    except Exception:
        found = {}
        for key, f in wanted.items():
            try:
                found[key] = call(f)
            except Exception as error:
                found[key] = error
        return found


def check(row, orders, compiled: bool, dtype=np.float64, nestings=None) -> list[Failure]:
    """What is wrong of a row, in every nesting of these orders."""
    points = points_in(row, dtype)
    if not points:
        return []
    wanted = {key: f for order in orders for key, f in derivatives(row.function, row.arguments, order).items()
              if set(key[0]) <= set(row.directions()) and (nestings is None or key[1] in nestings)}
    with np.errstate(all="ignore"):
        args = [np.ones(len(points), dtype), *columns(points, dtype)]
    how = ("compiled" if compiled else "evaluated") + ("" if dtype is np.float64 else " float32")
    failures = []
    for (by, nesting), values in run(wanted, args, compiled).items():
        if isinstance(values, Exception):
            failures.append(Failure(row.name, ("all points",), by, nesting, how, f"{type(values).__name__}: {values}", ""))
            continue
        for point, value in zip(points, np.broadcast_to(values, len(points))):
            right = row.derivative(point, by)
            if right is None:
                continue
            with np.errstate(all="ignore"):
                rounded = float(dtype(right))
            if not same(float(value), rounded, row.scale(point, by), TOLERANCE[dtype][len(by) - 1],
                        LEAST[dtype] + row.noise(point)):
                failures.append(Failure(row.name, point, by, nesting, how, float(value), rounded))
    return failures

