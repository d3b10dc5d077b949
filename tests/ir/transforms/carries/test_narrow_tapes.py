"""Tapes of which only conditions are made are tapes of bits: the derivatives stay, to the last one."""
import numpy as np
import pytest
from tracegrad.ir.text.parser import parse
from tracegrad.ir.thresholds import sizes
from tracegrad.ir.verify import verify

import tracegrad as tg


def chosen(x, w):
    for _ in range(7):
        x = np.where(x > 0, x * 0.9, x * 0.1) + w
    return np.sum(x)


def positive(x, w):
    for _ in range(6):
        x = np.maximum(x, 0.0) + w
    return np.sum(x * x)


def clipped(x, w):
    for t in range(5):
        x = np.clip(x + w * t, -1.0, 1.0)
    return np.sum(x)


def both_ends(x, w):
    for _ in range(5):
        x = np.minimum(x, w[::-1]) + np.maximum(w, x[::-1])
    return np.sum(x)


def folded(x, w):
    for _ in range(5):
        x = np.abs(x) - w
    return np.sum(x)


def paths(x, w):
    d = np.abs(np.add.outer(x, w)) + 1
    for k in range(d.shape[0]):
        d[:] = np.minimum(d, np.add.outer(d[:, k], d[k, :]))
    return np.sum(d)


def aligned(x, w):
    best = np.zeros((x.shape[0] + 1, w.shape[0] + 1))
    for i in range(x.shape[0]):
        for j in range(w.shape[0]):
            best[i + 1, j + 1] = max(best[i, j] + x[i] * w[j], best[i, j + 1], best[i + 1, j])
    return best[-1, -1]


def of_each_step(x, w):
    total = 0.0
    for t in range(x.shape[0]):
        y = x * w[t]
        for _ in range(6):
            y = np.where(y > x[t], y * 0.5, np.abs(y) * 0.7)
        total = total + np.sum(y)
    return total


def also_in_full(x, w):
    for _ in range(6):
        x = np.where(x > 0, np.sin(x), x * w)
    return np.sum(x)


def beside_one(x, w):
    for k in ORDER % x.shape[0]:
        x = np.where(x > x[k], x * 0.9, x * 0.3 + w)
    return np.sum(x)


def whole_signs(x, w):
    for _ in range(10):
        x = np.sign((x > 0).astype(int) + np.sign(np.floor(np.where(abs(x) < 9, x, 9)).astype(int))) * w * 0.3 + np.abs(x) * 0.5
    return np.sum(x)


ORDER = np.array([3, 0, 5, 5, 1, 7, 2, 6, 4, 0])
PROGRAMS = (chosen, positive, clipped, both_ends, folded, paths, aligned, of_each_step, also_in_full, beside_one, whole_signs)
X = np.array([0.5, -0.0, 0.0, -1.0, np.nan, 1.0, np.inf, 0.3])
W = np.array([0.0, -0.5, 0.5, 1.0, 0.25, -0.0, 0.1, -np.inf])


def derivatives(f, *args, **narrowed):
    """Of a function of its own, so that it is compiled with these sizes; and the text of its program."""
    g = tg.value_and_grad(lambda x, w: f(x, w), argnums=(0, 1))
    with sizes.at(**narrowed), np.errstate(all="ignore"):
        value, slopes = g(*args)
        return [value, *slopes], g.lower(*args).text()


@pytest.mark.sweep(2)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_the_same_to_the_last_bit(f, dtype):
    smooth = np.linspace(-1.3, 1.7, 8), np.cos(np.arange(8.0))
    for x, w in ((X, W), smooth, (smooth[0][:1], smooth[1][:1])):
        x, w = x.astype(dtype), w.astype(dtype)
        (got, _), (want, _) = derivatives(f, x, w, narrowed=0), derivatives(f, x, w, narrowed=10**9)
        for a, b in zip(got, want):
            np.testing.assert_array_equal(a, b)
            assert np.asarray(a).dtype == np.asarray(b).dtype


@pytest.mark.parametrize("f", [chosen, positive, clipped, both_ends, folded, paths, also_in_full, beside_one],
                         ids=lambda f: f.__name__)
def test_what_is_kept(f):
    x, w = np.linspace(-1.3, 1.7, 8), np.cos(np.arange(8.0))
    few, large = derivatives(f, x, w, narrowed=10**9)[1], derivatives(f, x, w, narrowed=0)[1]
    made = [line.partition("dtype=")[2][:2] for line in large.splitlines() if " = empty " in line]
    assert set(made) == ({"f6"} if f is also_in_full else {"u8"}), large
    assert "dtype=u8" not in few
    verify(parse(large))


def test_halves():
    x, w = np.linspace(-1.3, 1.7, 8).astype("f2"), np.cos(np.arange(8.0)).astype("f2")
    for f in (beside_one, whole_signs):
        got, want = (derivatives(f, x, w, narrowed=n) for n in (0, 10**9))
        for a, b in zip(got[0], want[0]):
            np.testing.assert_array_equal(a, b)
    assert "dtype=u8" in derivatives(beside_one, x, w, narrowed=0)[1]


def test_explain_says_so():
    x = np.linspace(-1.3, 1.7, 8)
    with sizes.at(narrowed=0):
        report = str(tg.explain(tg.grad(lambda x: chosen(x, x)), x))
    assert "keeps the bits that" in report and "7 * 8" not in report and ": 56 bytes, in place of f64" in report


@pytest.mark.sweep(2, days=True)
def test_second_derivatives_and_lengths_of_run_time():
    x, w = np.linspace(-1.3, 1.7, 9), np.cos(np.arange(9.0))
    with sizes.at(narrowed=0):
        tg.check_grads(lambda x, w: positive(x, w), (x, w), order=2)
        g = tg.jit(tg.grad(lambda x, w: chosen(x[:int(w[0] * 5)], w[:int(w[0] * 5)])))
        np.testing.assert_array_equal(g(x, w)[5:], 0)
        h = tg.grad(lambda x, w: chosen(x, w))
        for n in range(3, 9):
            a, b = x[:n].copy(), w[:n].copy()
            np.testing.assert_array_equal(h(a, b), tg.grad(lambda x, w: chosen(x, w) + 0.0)(a, b))
    np.testing.assert_array_equal(g(x, w), [*tg.grad(chosen)(x[:5], w[:5]), *np.zeros(4)])
