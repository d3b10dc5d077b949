"""Additions to zeros become writes only where no element is hit twice, and zeros are forgotten only where all are hit."""
from __future__ import annotations

import re

import numpy as np
import pytest
from nest_check import check
from tracegrad.ir import interp
from tracegrad.ir.text.parser import parse
from tracegrad.ir.transforms.pipeline import optimize
from tracegrad.ir.verify import verify

import tracegrad as tg

ALONG = """func @f(%x: f64[7], %y: f64[9]) -> f64[{size}] {{
  %z = broadcast {start}, {size} : f64[{size}]
  %r = for %i = 0 to {trip} carry(%a = %z) : f64[{size}] {{
    %v = slice %x[%i] : f64
    {body}
    yield %b
  }}
  return %r
}}
"""
ADD = "%b = update_add %a[%k], %v : f64[{size}]"
FROM_END, NEXT, EVERY_OTHER = "%k = sub 6, %i : index", "%k = add %i, 1 : index", "%k = mul %i, 2 : index"
HALF, SQUARE = "%k = floordiv %i, 2 : index", "%q = mul %i, %i : index\n    %k = mod %q, 7 : index"
# name -> (body, size, trip, start, whether the addition becomes a write, whether the zeros are forgotten)
LOOPS = {
    "itself": ("%b = update_add %a[%i], %v : f64[7]", 7, 7, 0.0, True, True),
    "from the end": (f"{FROM_END}\n    {ADD}", 7, 7, 0.0, True, True),
    "fewer": ("%b = update_add %a[%i], %v : f64[7]", 7, 5, 0.0, True, False),
    "none": ("%b = update_add %a[%i], %v : f64[7]", 7, 0, 0.0, True, False),
    "next": (f"{NEXT}\n    {ADD}", 8, 7, 0.0, True, False),
    "every other": (f"{EVERY_OTHER}\n    {ADD}", 14, 7, 0.0, True, False),
    "half": (f"{HALF}\n    {ADD}", 7, 7, 0.0, False, False),
    "square": (f"{SQUARE}\n    {ADD}", 7, 7, 0.0, False, False),
    "one place": ("%b = update_add %a[3], %v : f64[7]", 7, 7, 0.0, False, False),
    "from ones": ("%b = update_add %a[%i], %v : f64[7]", 7, 7, 1.0, False, False),
    "read": ("%w = slice %a[0] : f64\n    %u = add %v, %w : f64\n    %b = update_add %a[%i], %u : f64[7]", 7, 7, 0.0,
             False, False),
    "twice": ("%c = update_add %a[%i], %v : f64[7]\n    %b = update_add %c[%i], 1.0 : f64[7]", 7, 7, 0.0, False, False),
    "seldom": ("%p = gt %v, 0.0 : bool\n    %b = if %p : f64[7] {{\n      %c = update_add %a[%i], %v : f64[7]\n      yield %c\n"
               "    }} else {{\n      yield %a\n    }}", 7, 7, 0.0, False, False),
}
NESTED = """func @f(%x: f64[3, 4]) -> f64[{n}, {m}] {{
  %z = broadcast 0.0, {n}, {m} : f64[{n}, {m}]
  %r = for %i = 0 to 3 carry(%a = %z) : f64[{n}, {m}] {{
    %s = for %j = 0 to {inner} carry(%c = %a) : f64[{n}, {m}] {{
      %v = slice %x[%i, %j] : f64
      %k = {k} : index
      %d = update_add %c[{at}], %v : f64[{n}, {m}]
      yield %d
    }}
    yield %s
  }}
  return %r
}}
"""
NESTS = {
    "itself": (3, 4, "4", "add %i, 0", "%i, %j", True, True), "turned": (4, 3, "4", "sub 2, %i", "%j, %k", True, True),
    "triangle": (3, 4, "%i", "add %i, 0", "%i, %j", True, False), "shifted": (3, 7, "4", "add %i, %j", "%i, %k", True, False),
    "by sum": (7, 3, "4", "add %i, %j", "%k, 1", False, False), "outer only": (3, 4, "4", "mod %j, 2", "%i, %k", False, False),
    "rows": (3, 4, "4", "add %i, 0", "%i, 2", False, False), "diagonal": (3, 4, "3", "add %i, 0", "%j, %j", False, False),
}
X = np.array([1.5, -0.0, np.nan, -np.inf, 2.0, 0.0, -3.0])


def converted(text, *args):
    """(writes instead of additions, no zeros), after a comparison with the program as it was, bit by bit."""
    f = verify(parse(text))
    g = optimize(f)
    for found, expected in zip(interp.run(g, *args), interp.run(f, *args), strict=True):
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
    check(g, *args, exact=True)
    names = [op.defn.name for op in g.body.walk()]
    return "update" in names and "update_add" not in names, "empty" in names


@pytest.mark.parametrize("name", LOOPS)
def test_loops(name):
    body, size, trip, start, written, forgotten = LOOPS[name]
    text = ALONG.format(body=body.format(size=size), size=size, trip=trip, start=start)
    if name != "none":
        assert converted(text, X, np.ones(9)) == (written, forgotten)
    else:
        converted(text, X, np.ones(9))


@pytest.mark.parametrize("name", NESTS)
def test_nests(name):
    n, m, inner, k, at, written, forgotten = NESTS[name]
    text = NESTED.format(n=n, m=m, inner=inner, k=k, at=at)
    assert converted(text, np.random.default_rng(0).standard_normal((3, 4))) == (written, forgotten)


def lowest(x):
    low, total = x[0], 0.0
    for v in x:
        if v < low:
            low = v
        total += (v - low) ** 3
    return total


def rows(x):
    total = 0.0
    for i in range(x.shape[0] - 1, -1, -1):
        total = total * 0.5 + (x[i] ** 2).sum()
    return total


def pairs(x):
    total = 0.0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            total = np.tanh(total) + x[i, j] ** 2
    return total


@pytest.mark.sweep(2)
@pytest.mark.parametrize("fn,shape", [(lowest, (9,)), (lowest, (1,)), (rows, (3, 4)), (rows, (0, 4)), (pairs, (3, 4)),
                                      (pairs, (0, 2))])
def test_gradients(fn, shape):
    x, v = np.random.default_rng(3).standard_normal((2, *shape))
    gradient = tg.grad(fn)
    slope = (gradient(x) * v).sum()
    assert tg.jvp(fn, (x,), (v,))[1] == pytest.approx(slope, rel=1e-12)
    assert (fn(x + 1e-6 * v) - fn(x - 1e-6 * v)) / 2e-6 == pytest.approx(slope, rel=1e-6, abs=1e-9)
    difference = (gradient(x + 1e-5 * v) - gradient(x - 1e-5 * v)) / 2e-5
    np.testing.assert_allclose(tg.hvp(fn, (x,), (v,)), difference, rtol=1e-6, atol=1e-8)


def test_gradients_that_loops_write():
    for fn in (rows, pairs):
        text = tg.grad(fn).lower(np.ones((50, 40))).text("optimized")
        assert "update_add" not in text and re.search(r"empty 50, 40 .*\n", text) and "broadcast 0.0, 50" not in text
