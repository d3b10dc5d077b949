"""Where a partial derivative is infinite or no number: a branch not taken contributes exactly 0, and both modes agree.

Each function is taken at points that include the singular one, in float64 and float32, in both modes and both second orders.
"""
import numpy as np
import pytest
from scipy.special import erf, erfc

import tracegrad as tg

POINTS = np.array([0.0, 4.0, 1.0])


def chosen(f, test=lambda x: x > 0):
    return lambda x: np.sum(np.where(test(x), f(x), 0.0))


def branched(f):
    def g(x):
        total = 0.0
        for i in range(x.shape[0]):
            if x[i] > 0:
                total += f(x[i])
        return total
    return g


def difference(f, x, h=1e-5):
    """The derivative where the branch is taken, by a difference; 0 where it is not."""
    with np.errstate(all="ignore"):
        return np.where(x > 0, (f(x + h) - f(x - h)) / (2 * h), 0.0)


PARTS = {
    "sqrt": np.sqrt, "log": np.log, "log2": np.log2, "divide": lambda x: 1 / x, "divide by itself": lambda x: x / x,
    "power": lambda x: x ** 0.5, "power of itself": lambda x: x ** x, "negative power": lambda x: x ** -1.5, "cbrt": np.cbrt,
    "arctan2": lambda x: np.arctan2(x, x * x), "hypot": lambda x: np.hypot(x, x), "x log x": lambda x: x * np.log(x),
    "sin(1/x)": lambda x: np.sin(1 / x), "sqrt and back": lambda x: x * np.sin(np.sqrt(x)), "log1p": lambda x: np.log1p(x - 1),
    "log of log": lambda x: np.log(np.log(x + 1)), "arccosh": lambda x: np.arccosh(x + 1),
}


def everything(f, x):
    """(gradient, the same by forward mode, both second orders)."""
    one = np.eye(x.size, dtype=x.dtype)
    return (tg.grad(f)(x), np.array([tg.jvp(f, (x,), (e,))[1] for e in one]), tg.hessian(f)(x), tg.jacrev(tg.grad(f))(x))


def agree(f, x, slope=None):
    reverse, forward, bend, bend_reverse = everything(f, x)
    tight, loose = (1e-12, 1e-9) if x.dtype == np.float64 else (1e-5, 1e-3)
    assert reverse.dtype == x.dtype and np.isfinite(reverse).all()
    np.testing.assert_allclose(forward, reverse, rtol=tight, atol=tight)
    np.testing.assert_allclose(bend_reverse, bend, rtol=loose, atol=loose)
    if slope is not None:
        np.testing.assert_allclose(reverse, slope, rtol=1e-6 if x.dtype == np.float64 else 1e-4, atol=1e-6)
    return reverse, bend


@pytest.mark.sweep(4, by="name")
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("form", [chosen, branched])
def test_a_branch_that_is_not_taken_contributes_zero(form, name, kind):
    f = PARTS[name]
    reverse, bend = agree(form(f), POINTS.astype(kind), difference(f, POINTS))
    assert reverse[0] == 0 and np.all(bend[0] == 0) and np.all(bend[:, 0] == 0) and np.isfinite(bend).all()


def test_the_evaluator_agrees():
    for name, f in PARTS.items():
        with tg.disable_jit(), np.errstate(all="ignore"):
            want = tg.grad(chosen(f))(POINTS)
        np.testing.assert_allclose(tg.grad(chosen(f))(POINTS), want, rtol=1e-13, err_msg=name)


ZEROS = np.zeros(3)


def looped(x):
    total = 0.0
    for i in range(x.shape[0]):
        total += x[i] * x[i]
    return np.sqrt(total)


def distances(x):
    """Between all pairs, the same among them."""
    total = 0.0
    for i in range(x.shape[0]):
        for j in range(x.shape[0]):
            total += np.sqrt((x[i] - x[j]) ** 2)
    return total


def carried(x):
    s = 0.0
    for i in range(x.shape[0]):
        s = np.sqrt(s * s + x[i] * x[i])
    return s


NORMS = {
    "hypot": lambda x: np.hypot(x[0], x[1]) + np.sum(np.hypot(x, x * x)),
    "norm": np.linalg.norm, "sqrt of sum": lambda x: np.sqrt(np.sum(x ** 2)), "sqrt of dot": lambda x: np.sqrt(x @ x),
    "loop": looped, "carried": carried, "distances": distances, "x sqrt x": lambda x: np.sum(x * np.sqrt(x)),
    "norm of rows": lambda x: np.sum(np.linalg.norm(np.outer(x, x), axis=1)),
    "chosen norm": lambda x: np.where(np.sum(x) > 0, np.linalg.norm(x), 0.0),
    "ratio": lambda x: np.where(np.sum(x) > 0, x[0] / np.sum(x), 0.0),
    "arcsin": lambda x: np.arcsin(1 - x[0] * x[0]) + np.arccos(x[1] * x[2] + 1),
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("name", NORMS)
def test_norms_at_zero(name, kind):
    """A partial of 0 in front of an infinite one: 0, whichever end the derivative is multiplied from."""
    f, x = NORMS[name], ZEROS.astype(kind)
    one = np.eye(3, dtype=kind)
    reverse = tg.grad(f)(x)
    np.testing.assert_array_equal(reverse, 0)
    np.testing.assert_array_equal([tg.jvp(f, (x,), (e,))[1] for e in one], 0)
    with tg.disable_jit(), np.errstate(all="ignore"):
        np.testing.assert_array_equal(tg.grad(f)(x), 0)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", NORMS)
def test_norms_elsewhere(name):
    agree(NORMS[name], np.array([0.3, 0.5, 0.4]) if name != "arcsin" else np.array([0.3, 0.5, -0.4]))


def test_what_is_infinite_stays_infinite():
    assert tg.grad(np.sqrt)(0.0) == np.inf and tg.jvp(np.sqrt, (0.0,), (1.0,))[1] == np.inf
    assert tg.grad(lambda x: np.log(x))(0.0) == np.inf
    np.testing.assert_array_equal(tg.grad(lambda x: np.sum(np.cbrt(x)))(np.array([0.0, 1.0])), [np.inf, 1 / 3])


# --- values that overflow, and are forgotten ------------------------------------------------------------------------------

def sigmoid_in_a_loop(x):
    total = 0.0
    for i in range(x.shape[0]):
        total += 1 / (1 + np.exp(-x[i]))
    return total


def carried(x):
    """The infinite value, and its tangent, go through a loop before they are forgotten."""
    e, total = np.exp(x[1]), np.sum(x**2)
    for _ in range(3):
        total += 1 / (1 + e)
        e = e * 1.5
    return total


OVERFLOWING = {
    "sigmoid": lambda x: np.sum(1 / (1 + np.exp(-x))), "power": lambda x: np.sum((1 + np.exp(x)) ** -0.5),
    "tanh": lambda x: np.sum(np.tanh(np.exp(x))), "exp": lambda x: np.sum(np.exp(-np.exp(x))),
    "minimum": lambda x: np.sum(np.minimum(np.exp(x), 2.0)), "clip": lambda x: np.sum(np.clip(np.exp(x), 0.0, 2.0)),
    "cosh": lambda x: np.sum(1 / np.cosh(x)),
    "square": lambda x: np.sum(1 / np.cosh(x) ** 2), "sinh": lambda x: np.sum(1 / np.sinh(x + 1e-3)),
    "arctan": lambda x: np.sum(np.arctan(np.exp(x))), "focal": lambda x: np.sum((1 - 1 / (1 + np.exp(-x))) ** 2 * x),
    "logistic loss": lambda x: -np.sum(np.log(1e-12 + 1 / (1 + np.exp(-x)))), "loop": sigmoid_in_a_loop, "carried": carried,
}


@pytest.mark.sweep(2, by="name")
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("name", OVERFLOWING)
def test_what_overflows_and_is_forgotten_has_no_slope(name, kind):
    """exp(800) is infinite, and so is its tangent; 1 / (1 + exp(800)) is 0, and so is that of it, in the Hessian too."""
    f = OVERFLOWING[name]
    x = np.array([-800.0, 800.0, 0.3, -0.2], kind)
    units = np.eye(4, dtype=kind)
    reverse = tg.grad(f)(x)
    forward = np.array([tg.jvp(f, (x,), (e,))[1] for e in units])
    linear = tg.linearize(f, x)[1]
    bend = tg.hessian(f)(x)
    if name != "focal":                                # there, the product rule leaves 0 * inf in reverse over reverse
        np.testing.assert_allclose(tg.jacrev(tg.grad(f))(x), bend, rtol=1e-4, atol=1e-5)
    tight = 1e-12 if kind is np.float64 else 1e-5
    np.testing.assert_allclose(forward, reverse, rtol=tight, atol=tight)
    np.testing.assert_allclose([linear(e) for e in units], reverse, rtol=tight, atol=tight)
    with tg.disable_jit(), np.errstate(all="ignore"):
        np.testing.assert_allclose(tg.jvp(f, (x,), (units[2] + units[0],))[1], reverse[2] + reverse[0], rtol=1e-4, atol=1e-4)
    assert np.isfinite(reverse).all() and np.isfinite(bend).all()
    h = 1e-4
    wide = x.astype(np.float64)
    slopes = [(tg.grad(f)(wide + h * e) - tg.grad(f)(wide - h * e)) / (2 * h) for e in np.eye(4)]
    np.testing.assert_allclose(bend, slopes, rtol=1e-3 if name == "sinh" else 1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_bounds_at_infinity(kind):
    """Probabilities of intervals that are open to a side: erf is flat there, to every order and in both modes."""
    edges = np.array([-np.inf, -0.5, 0.7, np.inf], kind)

    def chances(p):
        z = (edges - p[0]) / p[1]
        below = 0.5 * (1.0 + erf(z / kind(np.sqrt(2.0))))
        above = 0.5 * erfc(z / kind(np.sqrt(2.0)))
        return -np.sum(np.log(below[1:] - below[:-1])) + np.sum(above**2)

    p, tight = np.array([0.2, 1.3], kind), 1e-9 if kind is np.float64 else 1e-3
    gradient = tg.grad(chances)
    reverse, forward = gradient(p), np.array([tg.jvp(chances, (p,), (e,))[1] for e in np.eye(2, dtype=kind)])
    bend = tg.hessian(chances)(p)
    assert reverse.dtype == kind
    np.testing.assert_allclose(forward, reverse, rtol=tight)
    np.testing.assert_allclose(bend, bend.T, rtol=tight)
    if kind is np.float64:
        np.testing.assert_allclose(reverse, difference(chances_of(chances), p), rtol=1e-6)
        moved = [(gradient(p + h) - gradient(p - h)) / 2e-5 for h in 1e-5 * np.eye(2)]
        np.testing.assert_allclose(bend, moved, rtol=1e-6)


def chances_of(f):
    """f along each element by itself, at all the elements' values."""
    return lambda x: np.array([f(np.where(np.arange(x.size) == k, x, np.array([0.2, 1.3]))) for k in range(x.size)])


def test_sinc_near_zero():
    for x in (0.0, 1e-12, 1e-8, 1e-4, 5e-3, 9e-3, 1.1e-2):
        second = -np.pi**2 * (1 / 3 - (np.pi * x) ** 2 / 10 + (np.pi * x) ** 4 / 168)
        assert np.isclose(tg.grad(tg.grad(np.sinc))(x), second, rtol=1e-10)
        assert np.isclose(tg.jit(np.sinc)(x), np.sinc(x), rtol=5e-16)


@pytest.mark.parametrize("f, x, want", [
    (lambda x: np.sum(np.maximum(x, 0.0)), [np.nan, 1.0, -2.0], [1, 1, 0]),
    (lambda x: np.sum(np.minimum(0.5, x)), [np.nan, 1.0, -2.0], [1, 0, 1]),
    (lambda x: np.sum(np.clip(x, 0.0, 1.0)), [np.nan, 0.5, -2.0], [1, 1, 0]),
    (lambda x: np.max(x), [np.nan, 1.0, np.nan], [0.5, 0, 0.5]),
    (lambda x: np.min(x[:2]) + x[2], [np.nan, 1.0, 2.0], [1, 0, 1]),
    (lambda x: np.sum(np.maximum.accumulate(x)), [1.0, np.nan, 2.0], [1, 2, 0]),
    (lambda x: np.linalg.norm(x.reshape(2, 2), 1), [np.nan, 1.0, 2.0, 3.0], [np.nan, 0, 1, 0]),
    (lambda x: np.linalg.norm(x, np.inf), [np.nan, 1.0], [np.nan, 0]),
])
def test_nan_is_what_is_selected(f, x, want):
    """A slope of 0 would hide it."""
    x = np.array(x)
    want = np.array(want, float)
    np.testing.assert_array_equal(tg.grad(f)(x), want)
    np.testing.assert_array_equal(tg.jvp(f, (x,), (np.ones_like(x),))[1], np.sum(want))
    with tg.disable_jit():
        np.testing.assert_array_equal(tg.grad(f)(x), want)


@pytest.mark.parametrize("f", [lambda x: np.where(x > 0, np.sqrt(x), 0.0), lambda x: np.select([x > 0], [np.log(x) * x], 0.0)])
def test_a_branch_that_is_not_taken_has_no_third_derivative(f):
    """Reverse over forward over reverse: the adjoint's zeros mask factors that are no numbers."""
    def along(g):
        return lambda x: tg.jvp(g, (x,), (1.0,))[1]

    for third in (tg.grad(along(tg.grad(f))), along(tg.grad(along(f))), tg.grad(tg.grad(along(f)))):
        assert [third(x) for x in (-1.0, 0.0)] == [0.0, 0.0]


@pytest.mark.sweep(2, days=True)
def test_singular_values_twice():
    """Their first derivative is a factorisation with a second operand."""
    matrix = np.array([[2.0, 1.0], [-1.0, 3.0]])
    tg.check_grads(lambda a: np.linalg.svd(a, compute_uv=False), (matrix,), order=2)


@pytest.mark.sweep(6)
@pytest.mark.parametrize("rank", [4, 3])
def test_vectors_of_a_singular_value_of_zero(rank):
    """Functions of a square matrix of which one singular value is 0: no rounding error is divided by that."""
    rng = np.random.default_rng(7)
    a = rng.standard_normal((4, rank)) @ rng.standard_normal((rank, 4))
    d, c = rng.standard_normal((2, 4, 4))

    def right(a):
        _, s, vh = np.linalg.svd(a)
        return np.sum((vh.T * np.exp(0.1 * s**2)) @ vh * c)

    def left(a):
        u, s, _ = np.linalg.svd(a)
        return np.sum((u * np.cos(s)) @ u.T * c)

    for f in (right, left):
        h = 1e-3
        want = (8 * (f(a + h * d) - f(a - h * d)) - (f(a + 2 * h * d) - f(a - 2 * h * d))) / (12 * h)
        assert np.isclose(np.sum(tg.grad(f)(a) * d), want, rtol=1e-8)
        assert np.isclose(tg.jvp(f, (a,), (d,))[1], want, rtol=1e-8)
