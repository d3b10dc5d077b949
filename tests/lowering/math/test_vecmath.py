"""The elementary functions of machine code against mpmath: errors in units of the last place, over the whole range."""
from __future__ import annotations

import ctypes
import math

import mpmath
import numpy as np
import pytest
from mpmath import mp
from tracegrad.lowering.math import functions, library
from tracegrad.lowering.native import engine

pytestmark = pytest.mark.skipif(not library.widths(), reason="this host keeps libm")
SAMPLES = 400

# name: (bound in ulp, intervals that the samples come from)
FUNCTIONS = {
    "exp": (1, [(-745, 709.7), (-2, 2), (-1e-3, 1e-3), (-708, -700)]),
    "exp2": (1, [(-1074, 1023.9), (-2, 2), (-1e-5, 1e-5)]),
    "expm1": (2, [(-40, 709.7), (-2, 2), (-1e-3, 1e-3), (-1e-17, 1e-17)]),
    "tanh": (1, [(-25, 25), (-2, 2), (-1e-3, 1e-3), (-1e-300, 1e-300)]),
    "sinh": (2, [(-710.4, 710.4), (-2, 2), (-1e-3, 1e-3), (-1e-300, 1e-300)]),
    "cosh": (2, [(-710.4, 710.4), (-2, 2), (-1e-3, 1e-3)]),
    "log": (1, [(0.5, 2), (0.99, 1.01), (1e-300, 1e300), (5e-324, 1e-310), (0, 100)]),
    "log2": (2, [(0.5, 2), (0.99, 1.01), (1e-300, 1e300), (5e-324, 1e-310), (0, 100)]),
    "log10": (2, [(0.5, 2), (0.99, 1.01), (1e-300, 1e300), (5e-324, 1e-310), (0, 100)]),
    "log1p": (2, [(-0.999, 2), (-0.01, 0.01), (0, 1e300), (-1e-17, 1e-17), (0, 100)]),
    "asinh": (2, [(-5, 5), (-1e-3, 1e-3), (-1e300, 1e300), (-1e9, 1e9)]),
    "acosh": (2, [(1, 1.001), (1, 5), (1, 1e300), (1, 1e9)]),
    "atanh": (2, [(-0.9999, 0.9999), (-1e-3, 1e-3), (0.99, 0.9999999)]),
    "sin": (1, [(-4, 4), (-1e-3, 1e-3), (-1000, 1000), (-1e9, 1e9), (-1e300, 1e300)]),
    "cos": (1, [(-4, 4), (-1e-3, 1e-3), (-1000, 1000), (-1e9, 1e9), (-1e300, 1e300)]),
    "tan": (2, [(-4, 4), (-1e-3, 1e-3), (-1000, 1000), (-1e9, 1e9), (-1e300, 1e300)]),
    "atan": (1, [(-5, 5), (-0.5, 0.5), (-1e-3, 1e-3), (-1e300, 1e300)]),
    "asin": (1, [(-1, 1), (-0.55, 0.55), (-1e-3, 1e-3), (0.999999, 1)]),
    "acos": (1, [(-1, 1), (-0.55, 0.55), (-1e-3, 1e-3), (0.999999, 1), (-1, -0.999999)]),
    "cbrt": (1, [(-10, 10), (0.9, 9), (-1e300, 1e300), (5e-324, 1e-310)]),
    "erf": (2, [(-3, 3), (-1e-3, 1e-3), (-6, 6), (0.4, 1)]),
    "erfc": (2, [(-6, 26), (-1, 1), (0.4, 1), (1, 10), (20, 27.2)]),
}
EXACT = {"exp2": lambda x: mpmath.power(2, x), "log2": lambda x: mpmath.log(x, 2),
         "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x))}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5, 2.5, math.inf, -math.inf, math.nan, 5e-324, -5e-324, 2.2e-308,
           1e308, -1e308, 1.7976931348623157e308, -1.7976931348623157e308, 1.5e308, 1e-20, -1e-20, 709.0, 711.0, -745.2, -746.0,
           800.0, -800.0, 2.0 ** 53, -2.0 ** 53 + 1]
TWO = {"pow": (2, [((0, 5), (-20, 20)), ((0.99, 1.01), (-3e4, 3e4)), ((1e-300, 1e300), (-1.1, 1.1)),
                   ((1, 1.000001), (-1e8, 1e8)), ((5e-324, 1e-310), (-0.9, 0.9)), ((-3, 3), (-4, 4))]),
       "atan2": (2, [((-3, 3), (-3, 3)), ((-1e-5, 1e-5), (-3, 3)), ((-1e300, 1e300), (-1e300, 1e300)),
                     ((-1, 1), (-1e-200, 1e-200))]),
       "hypot": (1, [((-3, 3), (-3, 3)), ((-1e-5, 1e-5), (-3, 3)), ((-1e300, 1e300), (-1e300, 1e300)),
                     ((-1e-310, 1e-310), (-1e-312, 1e-312))]),
       "fmod": (0, [((-30, 30), (-3, 3)), ((-1e15, 1e15), (-3, 3)), ((-1e300, 1e300), (-1, 1)), ((-1, 1), (-1e-310, 1e-310)),
                    ((4e15, 1e16), (1, 2))])}


def forms(name, dtype):
    """(lanes, function on arrays) for each form."""
    f = library.function(name, dtype)
    arity, kind = f.arity, f.kind
    for lanes, full in ((1, f.name), *f.vectors.items()):
        t = kind if lanes == 1 else f"<{lanes} x {kind}>"
        params = [f"ptr %x{k}" for k in range(arity)]
        align = 4 if kind == "float" else 8
        loads = "".join(f"  %p{k} = getelementptr {kind}, ptr %x{k}, i64 %i\n  %v{k} = load {t}, ptr %p{k}, align {align}\n"
                        for k in range(arity))
        source = f"""declare {t} @{full}({', '.join([t] * arity)})
define void @k({', '.join(params)}, ptr %y, i64 %n) {{
start:
  br label %loop
loop:
  %i = phi i64 [0, %start], [%j, %loop]
{loads}  %w = call {t} @{full}({', '.join(f'{t} %v{k}' for k in range(arity))})
  %q = getelementptr {kind}, ptr %y, i64 %i
  store {t} %w, ptr %q, align {align}
  %j = add i64 %i, {lanes}
  %more = icmp slt i64 %j, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""
        code = engine.compile_module(source)
        call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (arity + 1), ctypes.c_int64)(code.address("k"))

        def run(*arrays, call=call, code=code, lanes=lanes):
            n = arrays[0].size
            padded = [np.concatenate([a, np.ones(-n % lanes, a.dtype)]) for a in arrays]
            out = np.empty(padded[0].size, padded[0].dtype)
            call(*(a.ctypes.data for a in padded), out.ctypes.data, out.size)
            return out[:n]

        yield lanes, run


def samples(intervals, count, rng):
    """Values spread evenly, and by magnitude, over intervals."""
    parts = []
    for low, high in intervals:
        parts.append(rng.uniform(low / 2, high / 2, count // 2) + rng.uniform(low / 2, high / 2, count // 2))
        if low <= 0 < high:
            parts.append(high * 10.0 ** rng.uniform(-20 if high < 1e10 else -200, 0, count // 2))
            if low < 0:
                parts.append(low * 10.0 ** rng.uniform(-20, 0, count // 4))
        elif low > 0 and high / low > 1e6:
            parts.append(np.exp(rng.uniform(math.log(low), math.log(high), count // 2)))
    return np.concatenate(parts)


def ulps(got, exact, dtype):
    """The error of each, in units of the last place of the exact value."""
    info = np.finfo(dtype)
    out = []
    for g, e in zip(got, exact, strict=True):
        g = float(g)
        if not mpmath.isfinite(e):
            out.append(0.0 if g == float(e) or (mpmath.isnan(e) and math.isnan(g)) else math.inf)
            continue
        with np.errstate(over="ignore"):
            rounded = dtype(e)
        if not np.isfinite(rounded):
            out.append(0.0 if g == float(rounded) else math.inf)
            continue
        spacing = max(float(np.spacing(np.abs(rounded))), float(info.smallest_subnormal))
        out.append(float(abs(mpmath.mpf(g) - e) / spacing))
    return np.array(out)


@pytest.mark.sweep(2, by="name")
@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors(name, dtype):
    bound, intervals = FUNCTIONS[name]
    kind = np.float64 if dtype == "f64" else np.float32
    with np.errstate(all="ignore"):
        x = samples(intervals, SAMPLES, np.random.default_rng(1)).astype(kind)
        x = x[np.isfinite(x)]
    if name in ("acosh",):
        x = x[x >= 1]
    exact_of = EXACT.get(name, getattr(mpmath, name, None))
    with mp.workprec(1200 if name in ("sin", "cos", "tan") else 200):
        exact = [exact_of(mpmath.mpf(float(v))) for v in x]
        results = [run(x) for _, run in forms(name, dtype)]
        error = ulps(results[0], exact, kind)
    assert all(np.array_equal(r, results[0], equal_nan=True) for r in results[1:])
    worst = int(np.argmax(error))
    print(name, dtype, f"{error[worst]:.3f} ulp at {x[worst]!r}")
    assert error[worst] <= bound, (error[worst], x[worst], results[0][worst], exact[worst])


@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("name", TWO)
def test_errors_of_two_arguments(name, dtype):
    bound, intervals = TWO[name]
    kind, rng = (np.float64 if dtype == "f64" else np.float32), np.random.default_rng(2)
    with np.errstate(all="ignore"):
        pairs = [[samples([interval], 2 * SAMPLES, rng)[:SAMPLES].astype(kind) for interval in both] for both in intervals]
        x, y = (np.concatenate(column) for column in zip(*pairs, strict=True))
        y = np.where(rng.random(y.size) < 0.1, np.rint(y), y).astype(kind)
        x, y = x[np.isfinite(x) & np.isfinite(y)], y[np.isfinite(x) & np.isfinite(y)]
    results = [run(x, y) for _, run in forms(name, dtype)]
    with mp.workprec(250):
        exact = [_exact_two(name, float(a), float(b)) for a, b in zip(x, y, strict=True)]
        error = ulps(results[0], exact, kind)
    assert all(np.array_equal(r, results[0], equal_nan=True) for r in results[1:])
    worst = int(np.argmax(error))
    print(name, dtype, f"{error[worst]:.3f} ulp at {x[worst]!r} {y[worst]!r}")
    assert error[worst] <= bound, (error[worst], x[worst], y[worst], results[0][worst], exact[worst])


def _exact_two(name, a, b):
    if name == "pow":
        if a == 0 or (a < 0 and b != int(b)):
            return mpmath.mpf(math.pow(a, b)) if a == 0 and b >= 0 else mpmath.nan if a < 0 else mpmath.inf
        return mpmath.power(mpmath.mpf(a), mpmath.mpf(b))
    if name == "fmod":
        return mpmath.mpf(math.fmod(a, b)) if b else mpmath.nan                     # C's is exact
    return getattr(mpmath, name)(mpmath.mpf(a), mpmath.mpf(b))


def libm(name):
    f = getattr(ctypes.CDLL(None), name)
    f.restype, f.argtypes = ctypes.c_double, [ctypes.c_double] * library.arity(functions.FORMULAS[name])
    return f


@pytest.mark.parametrize("name", functions.FORMULAS)
def test_special_values_are_those_of_c(name):
    arity = library.arity(functions.FORMULAS[name])
    points = np.array(SPECIAL) if arity == 1 else np.array([(a, b) for a in SPECIAL for b in SPECIAL])
    columns = [points] if arity == 1 else [np.ascontiguousarray(c) for c in points.T]
    want = np.array([libm(name)(*row) for row in zip(*columns, strict=True)])
    for lanes, run in forms(name, "f64"):
        got = run(*columns)
        with np.errstate(all="ignore"):
            near = (np.abs(got - want) <= 2 * np.spacing(np.abs(want))) & np.isfinite(got)
        same = ((got == want) | near) & (np.signbit(got) == np.signbit(want)) | (np.isnan(got) & np.isnan(want))
        bad = [(*(c[k] for c in columns), got[k], want[k]) for k in np.flatnonzero(~same)]
        assert not bad, (lanes, bad[:10])


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", functions.FORMULAS)
def test_special_values_of_f32(name):
    arity = library.arity(functions.FORMULAS[name])
    with np.errstate(all="ignore"):
        values = np.array([*SPECIAL, 1e-45, 88.8, -104.0, 1e38, 3.4e38], np.float32)
    points = values if arity == 1 else np.array([(a, b) for a in values for b in values])
    columns = [points] if arity == 1 else [np.ascontiguousarray(c) for c in points.T]
    with np.errstate(all="ignore"):
        want = np.array([libm(name)(*map(float, row)) for row in zip(*columns, strict=True)]).astype(np.float32)
    for _, run in forms(name, "f32"):
        got = run(*columns)
        with np.errstate(all="ignore"):
            same = (got == want) | np.isnan(got) & np.isnan(want)
            same |= (np.abs(got - want) <= np.spacing(np.abs(want))) & np.isfinite(got)
        bad = [(*(c[k] for c in columns), got[k], want[k]) for k in np.flatnonzero(~same)]
        assert not bad, bad[:10]
