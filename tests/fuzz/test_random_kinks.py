"""Derivatives of random programs at their kinks, against series (germs.py): where a program is smooth, the first and second
derivative in all nestings; where it has a kink, a slope between those of its sides.

`python tests/fuzz/test_random_kinks.py START COUNT [wide]` runs more of them."""
from __future__ import annotations

import inspect
import linecache
import math
import sys
import warnings
from collections import Counter

import kink_programs
import numpy as np
import pytest
import scipy.special as sp
from germs import UnknownGerm, series
from tracegrad.autodiff.forward import jvp
from tracegrad.autodiff.reverse.reverse import vjp
from tracegrad.ir.interp import run
from tracegrad.tracer.staging import trace_function

DIRECTIONS = [0.5, 1.0, -0.75, 1.25, -1.5, 2.0]
# Programs that are wrong, by their seeds: kinks of kinks, as ||u| - |v|| (|u| + |v|).
NOT_YET: dict[int, str] = {}


def loaded(text, seed):
    source, name = f"def program(x):\n    return np.sum({text})\n", f"<kinks {seed}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    names = {"np": np, "sp": sp, **dict(inspect.getmembers(kink_programs, inspect.isfunction))}
    exec(compile(source, name, "exec"), names)
    return names["program"]


def derivatives(f, x, d):
    """Those along d: nesting -> number."""
    forward, backward = jvp(f, (0,)), vjp(f, (0,))
    one, zero = np.ones_like(d[0]), np.zeros_like(d[0])
    rest = [np.zeros(r.type.dims, r.type.dtype.np) for r in backward.results[:-1]]
    return {"F": run(forward, x, d)[1], "R": np.sum(run(backward, x, one)[-1] * d),
            "FF": run(jvp(forward, (0,)), x, d, d)[3], "RF": np.sum(run(vjp(forward, (0,)), x, d, zero, one)[-1] * d),
            "FR": np.sum(run(jvp(backward, (0,)), x, one, d)[-1] * d),
            "RR": np.sum(run(vjp(backward, (0,)), x, one, *rest, d)[-1] * d)}


def close(a, b, tolerance=1e-9):
    return abs(a - b) <= tolerance * (1 + abs(a) + abs(b))


def smoothness(f, x, directions):
    """(the series to the right and to the left along the first direction, how often the program is differentiable): along
    lines, and linear and quadratic in their directions."""
    d, e = directions
    right, left = zip(*[(series(f, x, v), series(f, x, -v)) for v in (d, e, d + e, d - e)])
    if any(len(s) < 3 for s in (*right, *left)):
        raise UnknownGerm
    if not all(close(r[0], s[0]) for r, s in zip(right, left)):
        return right[0], left[0], -1
    (a, b, c, _), (p, q, s, t) = ([r[k] for r in right] for k in (1, 2))
    if not all(close(r[1], -s[1]) for r, s in zip(right, left)) or not close(a + b, c):
        return right[0], left[0], 0
    twice = all(close(r[2], s[2]) for r, s in zip(right, left)) and close(s + t, 2 * p + 2 * q)
    return right[0], left[0], 2 if twice else 1


def outcome(seed, wide=False):
    """(what was found out about a program, what is wrong of it)."""
    text, x = kink_programs.program(seed, wide)
    rng, program = np.random.default_rng(seed), loaded(text, seed)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        value = program(x)
        if not np.isfinite(value):
            return "not finite", ""
        f = trace_function.trace(program, (x,)).function
    directions = rng.choice(DIRECTIONS, (2, len(x)))
    try:
        right, left, order = smoothness(f, x, directions)
    except (UnknownGerm, ZeroDivisionError, OverflowError):
        return "unknown", ""
    if order < 0 or not close(right[0], value, 1e-5):
        return "a jump", ""
    found = derivatives(f, x, directions[0].astype(x.dtype))
    scale = (1 + abs(right[1]) + abs(right[2])) * (1e-8 if x.dtype == np.float64 else 2e-4)
    wanted = {name: math.factorial(len(name)) * right[len(name)] for name in found if len(name) <= order}
    wrong = {name: (float(found[name]), w) for name, w in wanted.items() if not abs(found[name] - w) < scale}
    if not order and len(x) == 1 and not math.isnan(found["F"]):
        low, high = sorted((right[1], -left[1]))
        if not (low - scale <= found["F"] <= high + scale and abs(found["F"] - found["R"]) < scale):
            wrong = {"between": (float(found["F"]), float(found["R"]), low, high)}
    return f"smooth {order}", f"{text} at {x.tolist()}: {wrong}" if wrong else ""


@pytest.mark.sweep(28)
@pytest.mark.parametrize("block", range(28))
def test_programs(block):
    for seed in range(16 * block, 16 * block + 16):
        if seed not in NOT_YET:
            assert not outcome(seed)[1]


def test_germs():
    def sides(f, *x):
        traced = trace_function.trace(f, (np.array(x),)).function
        return [series(traced, x, np.full(len(x), d))[:3] for d in (1.0, -1.0)]

    assert sides(lambda x: abs(x[0]), 0.0) == [[0, 1, 0], [0, 1, 0]]
    assert sides(lambda x: np.sqrt(x[0] ** 4) + np.maximum(x[0], 0.0), 0.0) == [[0, 1, 1], [0, 0, 1]]
    assert sides(lambda x: np.sort(x * np.array([1.0, 2.0]))[0], 0.0, 0.0) == [[0, 1, 0], [0, -2, 0]]
    assert sides(lambda x: np.where(x[0] > 0, np.exp(x[0]), 2.0), 0.0) == [[1, 1, 0.5], [2, 0, 0]]


if __name__ == "__main__":
    found: Counter = Counter()
    for number in range(int(sys.argv[1]), int(sys.argv[1]) + int(sys.argv[2])):
        kind, fault = outcome(number, "wide" in sys.argv)
        found[kind] += 1
        if fault:
            found["wrong"] += 1
            print(number, fault, flush=True)
        if not number % 500:
            print(number, dict(found), flush=True)
    print(dict(found))
