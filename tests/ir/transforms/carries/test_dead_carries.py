"""Carried arrays of which every iteration reads and writes a part of its own."""
from __future__ import annotations

import numpy as np
import pytest
from tracegrad.ir import interp
from tracegrad.ir.text.parser import parse
from tracegrad.ir.transforms.pipeline import optimize
from tracegrad.ir.verify import verify

import tracegrad as tg

LOOP = """func @f(%x: f64[6, 3], %n: index, %c: index) -> (f64, f64[6, 3]) {{
  %r, %s = for %i = 0 to %n carry(%a = %x, %t = 0.0) : (f64[6, 3], f64) {{
    {body}
    yield {end}, %w
  }}
  return %s, {result}
}}
"""
ONE = """%k = sub 5, %i : index
    %v = slice %a[%k, 1] : f64
    %w = add %t, %v : f64
    %b = update %a[%k, 1], 0.0 : f64[6, 3]"""
BRANCH = """%k = add %i, %c : index
    %v = slice %a[%k, 2] : f64
    %w = add %t, %v : f64
    %p = gt %v, 0.0 : bool
    %b = if %p : f64[6, 3] {
      %d = update_add %a[%k, 2], 1.0 : f64[6, 3]
      %e = update %d[%k, 0], %t : f64[6, 3]
      yield %e
    } else {
      yield %a
    }"""
INNER = """%w = for %j = 0 to 3 carry(%u = %t) : f64 {
      %v = slice %a[%i, %j] : f64
      %q = add %u, %v : f64
      yield %q
    }
    %b = update %a[%i, %c], %w : f64[6, 3]"""
AFTER = """%b = update %a[%i, 1], 2.0 : f64[6, 3]
    %v = slice %b[%i, 1] : f64
    %w = add %t, %v : f64"""
ELSEWHERE = """%k = sub 5, %i : index
    %v = slice %a[%k, 1] : f64
    %w = add %t, %v : f64
    %b = update %a[%i, 1], 7.0 : f64[6, 3]"""
TWICE = """%k = floordiv %i, 2 : index
    %v = slice %a[%k, 1] : f64
    %w = add %t, %v : f64
    %b = update %a[%k, 1], 7.0 : f64[6, 3]"""
COLUMN = """%v = slice %a[1, %c] : f64
    %w = add %t, %v : f64
    %b = update %a[1, %c], 7.0 : f64[6, 3]"""
ALL = """%v = slice %a[%i, 1] : f64
    %z = reduce %a {kind=sum, axes=(0, 1)} : f64
    %w = add %z, %v : f64
    %b = update %a[%i, 1], 7.0 : f64[6, 3]"""
OTHER = """%v = slice %a[%i, 1] : f64
    %w = add %t, %v : f64
    %y = mul %x, 2.0 : f64[6, 3]
    %b = update %y[%i, 1], 7.0 : f64[6, 3]"""
X = np.random.default_rng(2).standard_normal((6, 3))


def function(body, end="%b", result="%x"):
    f = parse(LOOP.format(body=body, end=end, result=result))
    verify(f)
    return f


def writes(f):
    return sum(op.defn.name.startswith("update") for op in f.body.walk())


def same(f):
    g = optimize(f)
    for n, c in ((0, 0), (1, 1), (4, 2)):
        for a, b in zip(interp.run(f, X, np.int64(n), np.int64(c)), interp.run(g, X, np.int64(n), np.int64(c)), strict=True):
            np.testing.assert_array_equal(a, b)
    return g


@pytest.mark.parametrize("body", [ONE, BRANCH, INNER], ids=["one", "branch", "inner"])
def test_writes_that_nobody_reads_go(body):
    assert not writes(same(function(body)))
    assert writes(same(function(body, result="%r")))


@pytest.mark.parametrize("body", [ELSEWHERE, TWICE, COLUMN, ALL, OTHER], ids=["elsewhere", "twice", "column", "all", "other"])
def test_others_stay(body):
    assert writes(same(function(body)))


def test_a_read_after_the_write_sees_it():
    same(function(AFTER))


def sorted_out(x):
    out = np.empty_like(x)
    for i in range(x.size):
        if x[i] < 0.0:
            out[i] = x[i] ** 3
        elif i % 2:
            out[i] = np.sin(x[i])
        else:
            out[i] = 2.0 * x[i]
            out[i] *= out[i]
    return np.sum(out ** 2)


def rows(x):
    out = np.zeros((x.size, 3))
    for i in range(x.size):
        for j in range(3):
            out[i, j] = x[i] * (j + 1) + out[i, j - 1]
    return np.sum(np.exp(out))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("fn", [sorted_out, rows])
def test_gradients(fn):
    tg.check_grads(fn, (X[:, 0] * 0.5,), order=2)
