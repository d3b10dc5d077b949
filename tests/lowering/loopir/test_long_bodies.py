"""Long straight bodies of loops, cut into pieces: the same values with pieces of a few statements, at every length."""
import numpy as np
import pytest
from tracegrad.ir.thresholds import sizes
from tracegrad.lowering.build import loop_builder
from tracegrad.lowering.loopir.grammar import For, walk

import tracegrad as tg

SHORT = {"long_body": 2, "body_piece": 3}
LENGTHS = (0, 1, 2, 3, 7, 8, 9, 63, 64, 65, 127, 128, 129, 200, 300)


def chained(x, y):
    for k in range(5):
        x = np.sin(x) * (k % 3 + 0.5) + y
        y = y - x * 0.25
    return np.sum(x * y)


def masked(x, y):
    """Conditions are handed on, and integers."""
    m, k = x > y, (x * 8).astype(np.int64)
    a = np.where(m, np.exp(-x), y * y)
    b = np.where(k % 3 == 1, a * x, a + y) * 1.5
    c = np.where(m & (b > 0.4), b - a, np.cos(b) * k)
    return np.where(m, c, c * y).sum() + np.max(c, initial=-9.0)


def dtypes(x, y):
    z = (x + 1j * y) * np.exp(1j * x)
    w = z * z.conj() + 2j * z
    s = (np.float32(2) * x.astype(np.float32)) * np.sin(y.astype(np.float32))
    return np.sum(np.abs(w) * s) + np.sum(w.real * w.imag)


def in_place(x, y):
    """Elements of its own for each iteration."""
    a = x.copy()
    for i in range(len(a)):
        a[i] = np.sin(a[i]) + y[i]
        b = a[i] * a[i]
        a[i] = a[i] * np.cos(b) - y[i] * b
        a[i] += b / (1.0 + y[i] * y[i])
    return (a * y).sum()


def from_others(x, y):
    """An array that takes from the iteration before, a sum in its order, and what depends on neither."""
    a, s = x.copy(), 0.0
    for i in range(1, len(a)):
        t = np.sin(y[i]) * x[i] + np.exp(-x[i])
        a[i] = 0.5 * a[i - 1] + t * t
        u = np.cos(t) * y[i] + a[i] * t
        s = s * 0.9 + u
        s += t * np.sqrt(1.0 + u * u)
    return a.sum() * 0.5 + s


def branches(x, y):
    total = 0.0
    for i in range(len(x)):
        v = x[i] * y[i] + np.sin(x[i])
        w = v * 2.0 if v > 0.5 else v * v - y[i]
        q = np.tanh(w) + v * x[i]
        total += q * w if q > w else q - w
    return total


def matrix(x, y):
    a = np.outer(x, y[:3])
    b = np.sin(a) * a + a[:, ::-1]
    c = b * b - np.cos(a + b) * 0.5
    return (c * a + b).sum(axis=0).sum() + np.sum(c[::-1] * b)


PROGRAMS = [chained, masked, dtypes, in_place, from_others, branches, matrix]


def fresh(f, **options):
    made = tg.value_and_grad(tg.jit(f, **options) if options else f, argnums=(0, 1))
    made.cache_clear()
    return made


def near(got, want):
    np.testing.assert_allclose(got[0], want[0], rtol=1e-12)
    for g, w in zip(got[1], want[1], strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("length", [pytest.param(n, marks=() if n in (3, 65) else pytest.mark.sweep(7, days=True))
                                    for n in LENGTHS])
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_values_and_gradients(f, length):
    x, y = np.linspace(0.2, 1.9, length), np.cos(np.arange(float(length))) + 0.3
    if f is matrix and length < 3:
        return
    want = tg.value_and_grad(f, argnums=(0, 1))(x, y)
    with sizes.at(**SHORT):
        got = fresh(f)(x, y)
    np.testing.assert_allclose(got[0], f(x, y), rtol=1e-6 if f is dtypes else 1e-12)
    near(got, want)


@pytest.mark.parametrize("f", [chained, from_others, masked], ids=lambda f: f.__name__)
def test_lengths_that_run_time_knows_and_threads(f):
    with sizes.at(**SHORT, parallel=0, grain=0):
        g = fresh(f, shapes="symbolic")
        for n in (3, 64, 300, 1):
            x, y = np.linspace(0.2, 1.9, n), np.cos(np.arange(float(n))) + 0.3
            near(g(x, y), tg.value_and_grad(f, argnums=(0, 1))(x, y))


def test_what_is_cut():
    """What other iterations have made stays in one piece; what no other makes is cut where few values are handed on."""
    def loops(f):
        with sizes.at(**SHORT):
            kernel = loop_builder.lower(tg.jit(f).lower(np.ones(100), np.ones(100)).final())
        return [len(s.body) for s in walk(kernel.body) if type(s) is For and not any(type(t) is For for t in s.body)]

    assert len(loops(chained)) >= 5 and max(loops(chained)) < 12
    long = max(loops(from_others))
    assert long >= 10 and len(loops(from_others)) > 2


def test_long_code_has_no_long_loop():
    """A thousand statements on an array are loops of hundreds."""
    text = "\n    ".join(["x = np.sin(x) + y", "y = y - x * 0.25"] * 300)
    space = {"np": np}
    exec(f"def f(x, y):\n    {text}\n    return np.sum(x + y)", space)
    x, y = np.full(8, 0.3), np.full(8, 0.4)
    lowered = tg.jit(space["f"]).lower(x, y)
    assert max(len(s.body) for s in walk(loop_builder.lower(lowered.final()).body) if type(s) is For) < 400
    np.testing.assert_allclose(tg.jit(space["f"])(x, y), space["f"](x, y), rtol=1e-9)
