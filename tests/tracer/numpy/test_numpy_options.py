"""Less common options of NumPy's functions and methods: as in NumPy."""
from __future__ import annotations

import numpy as np
import pytest
from derivatives import check as check_derivatives
from numpy_trace import build, check, expressions, run

import tracegrad as tg

RNG = np.random.default_rng(4)
X, Y = RNG.uniform(0.2, 1.5, 7), RNG.uniform(0.2, 1.5, 7)
A = RNG.standard_normal((4, 5))
I = np.array([3, 0, 2, 2, 1])
COUNTS = np.array([1, 2, 1, 3, 1, 1, 2])


@pytest.mark.parametrize("fn", expressions("np, x, y, a, i, c", globals(), """
    np.pad(a, 2, mode="mean")
    np.pad(a, ((1, 2), (0, 3)), mode="maximum")
    np.pad(a, 1, mode="minimum", stat_length=2)
    np.pad(a, ((0, 1), (2, 1)), mode="median", stat_length=((1, 2), (3, 4)))
    np.pad(a, 2, mode="linear_ramp")
    np.pad(a, ((1, 3), (2, 0)), mode="linear_ramp", end_values=((1.0, 2.0), (3.0, -4.0)))
    np.pad(i, (2, 3), "linear_ramp", end_values=(5, -4))
    np.pad(i, 2, "mean")
    np.pad(i, 3, "median", stat_length=2)
    np.interp(x * 5, [0.0, 1.0, 2.5], [1.0, 2.0, 0.5], period=3)
    np.interp(x - 1, y, x, period=-0.7)
    np.cov(x, y, aweights=y)
    np.cov(a, fweights=[1, 2, 1, 3, 1])
    np.cov(np.stack([x, y]), fweights=c, aweights=x)
    np.cov(np.stack([x, y]), fweights=c, aweights=x, bias=True)
    x.compress(x > 0.7)
    a.compress([True, False, True], axis=1)
    x[x.argpartition(3)[3]]
    x.view() * 2
    x.view(np.float64) + x.view(np.ndarray)
    np.require(a, requirements="C")
    np.require(a, np.float32, ["F", "W"])
"""))
def test_options(fn):
    check(fn, X, Y, A, I, COUNTS)


def test_flat():
    def assigned(np, a, x):
        a.flat = 5.0
        b = np.zeros((2, 3))
        b.flat = x[:4]
        b.flat[1:3] = 9.0
        return a, b

    check(assigned, A, X)


@pytest.mark.parametrize("fn", expressions("np, x, y", globals(), """
    np.pad(x * y, 2, mode="mean")
    np.pad(x * y, (3, 2), mode="linear_ramp", end_values=1.0)
    np.pad(x * y, 2, mode="median", stat_length=3)
    np.interp(x, np.linspace(0, 2, 7), y, period=2.3)
    np.cov(x, y, aweights=y)
"""))
def test_derivatives(fn):
    check_derivatives(build(fn, X, Y)[0], [X, Y])


def test_refusals():
    with pytest.raises(tg.UnsupportedError, match=r"(?s)another dtype.*astype"):
        run(lambda np, x: x.view(np.int64), X)
    with pytest.raises(tg.UnsupportedError, match=r"(?s)another dtype.*\.real and \.imag"):
        run(lambda np, x: (x * 1j).view(float), X)
    with pytest.raises(ValueError, match="non-zero"):
        run(lambda np, x: np.interp(x, x, x, period=0), X)


def _outcome(f, *args):
    try:
        f(*args)
    except (ValueError, TypeError):
        return "refused"
    return args[-1].tolist()


OUTS = {
    "sum": lambda x, y, out: np.sum(x, axis=0, out=out), "max": lambda x, y, out: np.max(x, axis=0, out=out),
    "mean": lambda x, y, out: np.mean(x, axis=0, out=out), "cumsum": lambda x, y, out: np.cumsum(x, axis=0, out=out),
    "take": lambda x, y, out: np.take(x, [0, 1], axis=0, out=out), "dot": lambda x, y, out: np.dot(x, y, out=out),
    "matmul": lambda x, y, out: np.matmul(x, y, out=out), "trace": lambda x, y, out: np.trace(x, out=out),
    "einsum": lambda x, y, out: np.einsum("ij,jk->ik", x, y, out=out), "add": lambda x, y, out: np.add(x, y, out=out),
    "concatenate": lambda x, y, out: np.concatenate([x, y], out=out), "clip": lambda x, y, out: np.clip(x, 0, 3, out=out),
    "median": lambda x, y, out: np.median(x, axis=0, out=out), "round": lambda x, y, out: np.round(x, 1, out=out),
    "inplace": lambda x, y, out: out.__imatmul__(y),
}


@pytest.mark.parametrize("name", OUTS)
def test_only_elementwise_functions_repeat_their_results_in_out(name):
    f, x = tg.jit(OUTS[name]), np.arange(1.0, 5.0).reshape(2, 2)
    for y, shape in ((x, (3, 2, 2)), (x, (2, 2)), (x, (2,)), (x, (1, 2)), (x, (4, 2)), (x[:, :1].copy(), (2, 2)), (x, ()),
                     (x[0].copy(), (2, 2)), (x[0].copy(), (2,))):
        if name == "concatenate" and y.ndim == 1:
            continue
        assert _outcome(f, x, y, np.zeros(shape)) == _outcome(OUTS[name], x, y, np.zeros(shape)), (y.shape, shape)


@pytest.mark.parametrize("name, f", [
    ("dot", OUTS["dot"]), ("einsum", OUTS["einsum"]), ("add", OUTS["add"]), ("argmax", lambda x, y, out: np.argmax(x, out=out)),
    ("einsum of a lower precision", lambda x, y, out: np.einsum("ij,ij->ij", x, y, dtype=np.float32)),
    ("einsum, cast", lambda x, y, out: np.einsum("ij->ij", x, out=out, casting="same_kind"))])
def test_out_of_another_dtype(name, f):
    x = np.arange(1.0, 5.0).reshape(2, 2)
    for dtype in (np.float32, np.float64, np.complex128, np.int64, np.int32):
        out = np.zeros(() if name == "argmax" else (2, 2), dtype)
        assert _outcome(tg.jit(f), x, x, out.copy()) == _outcome(f, x, x, out), dtype


def test_out_of_lengths_that_run_time_knows():
    f = tg.jit(lambda x, out: np.sum(x, axis=0, out=out), shapes="symbolic")
    out = np.zeros(3)
    f(np.ones((2, 3)), out)
    assert out.tolist() == [2.0] * 3
    with pytest.raises(ValueError, match="length 4 where the result has 3"):
        f(np.ones((2, 3)), np.zeros(4))
