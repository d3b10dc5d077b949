"""Derivatives of determinants at and near singular matrices, against Python's whole numbers, as multiples of 2**-BITS.

There det A is det(A + δ E), δ = 2**-120, of which all derivatives differ from those of det A by parts of δ, and which has an
inverse K: the slope is det K^T, the second one in the direction D is det (tr(K D) K - K D K)^T.
"""
from fractions import Fraction

import numpy as np
import pytest

import tracegrad as tg

BITS, SHIFT = 800, 120
ONE = 1 << BITS


# --- the reference ------------------------------------------------------------------------------------------------------

@np.vectorize(otypes=[object])
def exact(x):
    return int(Fraction(float(x)) * ONE)


def times(a, b):
    return (a @ b) >> BITS


def inverse(a):
    """(the inverse, the determinant), by elimination."""
    n = len(a)
    a, found = np.concatenate([a, exact(np.eye(n))], 1), ONE
    for j in range(n):
        p = j + max(range(n - j), key=lambda i: abs(a[j + i, j]))
        if p != j:
            a[[j, p]], found = a[[p, j]], -found
        found = found * a[j, j] >> BITS
        a[j] = (a[j] << BITS) // a[j, j]
        others = np.arange(n) != j
        a[others] = a[others] - (np.outer(a[others, j], a[j]) >> BITS)
    return a[:, n:], found


def reference(a, d):
    """(the slope of det at a, the second one in direction d)."""
    e = exact(np.random.default_rng(5).normal(size=a.shape)) >> SHIFT
    k, found = inverse(exact(a) + e)
    w = times(k, exact(d))
    slope = found * k.T >> BITS
    return slope, (slope * np.trace(w) >> BITS) - (found * times(w, k).T >> BITS)


def error(got, want, least=0.0):
    """The largest difference, as a part of the largest number wanted; at least of `least`."""
    size = max(int(np.max(np.abs(want))), int(Fraction(float(least)) * ONE), 1)
    assert np.isfinite(got).all()
    return float(Fraction(int(np.max(np.abs(exact(got) - want))), size))


# --- matrices -----------------------------------------------------------------------------------------------------------

def whole(rng, n, rank):
    """Of whole numbers, and so exactly of this rank."""
    return (rng.integers(-3, 4, (n, rank)) @ rng.integers(-3, 4, (rank, n))).astype(float)


def turned(rng, s):
    u, v = (np.linalg.qr(rng.normal(size=(len(s),) * 2))[0] for _ in range(2))
    return u * s @ v


def nearly(size):
    return lambda rng, n: turned(rng, np.r_[np.linspace(1, 2, n - 1), size])


def cornered(size):
    def make(rng, n):
        a = rng.normal(size=(n, n))
        a[0], a[:, 0], a[0, 0] = 0, 0, size
        return a
    return make


def scaled_row(rng, n):
    a = whole(rng, n, n)
    a[0] = a[1:].sum(0) * 2.0**-900
    return a


MATRICES = {
    "regular": lambda rng, n: rng.normal(size=(n, n)), "rank n-1": lambda rng, n: whole(rng, n, n - 1),
    "rank n-2": lambda rng, n: whole(rng, n, n - 2), "rank n-3": lambda rng, n: whole(rng, n, n - 3),
    "zero": lambda rng, n: np.zeros((n, n)), "diagonal": lambda rng, n: np.diag(np.r_[0, np.arange(1.0, n)]),
    "nilpotent": lambda rng, n: np.eye(n, k=1), "triangular": lambda rng, n: np.eye(n) - np.triu(np.ones((n, n)), 1),
    "scaled row": scaled_row, **{f"{s}": nearly(s) for s in (1e-2, 1e-3, 1e-4, 1e-6, 1e-9, 1e-13, 1e-17)},
    **{f"corner {s}": cornered(s) for s in (1e-20, 1e-100, 1e-300)},
}
SIZES = (4, 5, 8, 16, 32, 64)
LARGE = ("regular", "rank n-1", "rank n-2", "0.0001", "1e-09")         # those that are taken of 32 and 64 rows


def det(a):
    return np.linalg.det(a)


gradient = tg.grad(det)
forward = tg.jit(lambda a, d: tg.jvp(gradient, (a,), (d,))[1])
backward = tg.jit(lambda a, d: tg.grad(lambda x: np.sum(gradient(x) * d))(a))


LOST = {"rank n-2": 2, "rank n-3": 3}          # singular values that are 0, where there are several


def least(a, lost, order):
    """What a derivative of this order is compared with where it is 0: where more singular values are."""
    s = np.linalg.svd(a, compute_uv=False)
    return max(np.prod(s[:len(a) - lost]) * s[0] ** (lost - order), 1.0) if lost > order else 0.0


@pytest.mark.sweep(28)
@pytest.mark.parametrize("n, name", [(n, name) for n in SIZES for name in MATRICES if n < 32 or name in LARGE])
def test_first_and_second_derivatives(n, name):
    rng = np.random.default_rng(n)
    a, d = MATRICES[name](rng, n), rng.normal(size=(n, n))
    slope, bend = reference(a, d)
    lost = LOST.get(name, n if name == "zero" else 1)
    assert error(gradient(a), slope, least(a, lost, 1)) < 1e-12 * n
    if n in (4, 5, 64):
        assert error(forward(a, d), bend, least(a, lost, 2)) < 1e-12 * n
    if n == 5:
        assert error(backward(a, d), bend, least(a, lost, 2)) < 1e-12 * n


@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize("n", [4, 5])
@pytest.mark.parametrize("rank", [0, 1])
def test_units(n, rank, rows):
    """Rows, or columns, of very different units: each element of the slope is right in its own."""
    rng = np.random.default_rng(3)
    a, d = whole(rng, n, n - rank), rng.normal(size=(n, n))
    units = 2.0 ** (330 * (-1.0) ** np.arange(n))
    units[-1] = 1 / np.prod(units[:-1])
    units = units[:, None] if rows else units
    slope, bend = reference(a, d)
    assert error(gradient(a * units) * units, slope) < 1e-12 * n
    assert error(forward(a * units, d * units) * units, bend) < 1e-12 * n


@pytest.mark.sweep(6)
@pytest.mark.parametrize("exponent", [-1, 1])
@pytest.mark.parametrize("n", [4, 5, 8, 32])
def test_large_and_small_elements(n, exponent):
    """The slope is in range where the determinant is not."""
    rng = np.random.default_rng(4)
    power = exponent * (1020 - 7 * n // 2) // (n - 1)
    for a in (whole(rng, n, n) + np.eye(n), whole(rng, n, n - 1)):
        slope, _ = reference(a / 8, a)
        assert error(gradient(np.ldexp(a, power - 3)) / 2.0 ** (power * (n - 1)), slope, 1e-3) < 1e-12 * n


NESTINGS = {"hessian": tg.hessian(det), "reverse twice": tg.jacrev(gradient),
            "forward twice": tg.jacfwd(tg.jacfwd(det))}


@pytest.mark.sweep(8, days=True)
@pytest.mark.parametrize("nesting", NESTINGS)
def test_nestings(nesting):
    rng = np.random.default_rng(6)
    for rank in (5, 4, 3, 2):
        a, d = whole(rng, 5, rank), rng.normal(size=(5, 5))
        found = np.einsum("ijkl,kl", NESTINGS[nesting](a), d)
        assert error(found, reference(a, d)[1], 100.0) < 1e-12


@pytest.mark.sweep(3, days=True)
def test_third_derivatives():
    """d³ det / dA_33 dA_45 dA_54 at rank 3 is - 1 2 3."""
    a, unit = np.diag([1.0, 2.0, 3.0, 0.0, 0.0, 0.0]), lambda i, j: np.outer(np.eye(6)[i], np.eye(6)[j])

    def second(x):
        return tg.jvp(lambda y: tg.jvp(det, (y,), (unit(3, 3),))[1], (x,), (unit(4, 5),))[1]

    assert np.isclose(tg.grad(second)(a)[5, 4], -6.0, rtol=1e-13)


@pytest.mark.sweep(3, days=True)
def test_stacks():
    """One matrix of a stack is singular; the others keep what they have without it, to the last bits."""
    rng = np.random.default_rng(7)
    a, d = rng.normal(size=(3, 6, 6)), rng.normal(size=(3, 6, 6))
    a[1] = whole(rng, 6, 5)

    def f(x):
        return np.sum(np.linalg.det(x))

    found, mapped = tg.grad(f)(a), tg.vmap(gradient)(a)
    again = tg.jvp(tg.grad(f), (a,), (d,))[1]
    for k in range(3):
        slope, bend = reference(a[k], d[k])
        assert max(error(found[k], slope), error(again[k], bend), error(mapped[k], slope)) < 1e-13
    np.testing.assert_allclose(found[0], np.linalg.det(a[0]) * np.linalg.inv(a[0]).T, rtol=1e-13)
    a[0, 0, 0] = np.nan
    assert np.isnan(tg.grad(f)(a)[0]).any() and error(tg.grad(f)(a)[1], reference(a[1], d[1])[0]) < 1e-13


@pytest.mark.sweep(4, days=True)
def test_single_precision():
    rng = np.random.default_rng(8)
    for n, rank in ((5, 4), (5, 5), (32, 31)):
        a, d = whole(rng, n, rank).astype(np.float32) / 8, rng.normal(size=(n, n)).astype(np.float32)
        slope, bend = reference(a, d)
        assert gradient(a).dtype == np.float32
        assert error(gradient(a), slope) < 3e-7
        assert n > 5 or error(forward(a, d), bend) < 1e-6


def minors(a):
    """The determinant, by minors of the first row."""
    n = len(a)
    if n == 1:
        return a[0, 0]
    return sum((-1) ** j * a[0, j] * minors(np.delete(np.delete(a, 0, 0), j, 1)) for j in range(n) if a[0, j] != 0)


@pytest.mark.sweep(5, days=True)
@pytest.mark.parametrize("kind", [np.complex128, np.complex64])
def test_complex(kind):
    """Of whole numbers, whose minors are exact."""
    rng = np.random.default_rng(9)
    left, right = (rng.integers(-2, 3, s) + 1j * rng.integers(-2, 3, s) for s in ((5, 4), (4, 5)))
    a, d = (left @ right).astype(kind), rng.normal(size=(5, 5)).astype(kind)
    slope = np.array([[(-1) ** (i + j) * minors(np.delete(np.delete(a.astype(complex), i, 0), j, 1)) for j in range(5)]
                      for i in range(5)])
    tight = {"rtol": 1e-13 if kind is np.complex128 else 1e-5}
    np.testing.assert_allclose(tg.jvp(det, (a,), (d,))[1], np.sum(slope * d), **tight)
    found = tg.grad(lambda x, y: np.real(np.linalg.det(x + 1j * y)), (0, 1))(a.real, a.imag)
    np.testing.assert_allclose(found[1], -slope.imag, atol=tight["rtol"] * np.abs(slope).max())


@pytest.mark.sweep(3, days=True)
def test_lengths_that_are_not_known():
    rng = np.random.default_rng(10)
    a = whole(rng, 9, 9)
    a[4] = a[:4].sum(0)
    f = tg.grad(lambda x, n: np.linalg.det(x[:n, :n]))
    for n in (5, 7, 2, 1, 0):
        want = reference(a[:n, :n], a[:n, :n])[0] if n else exact(np.zeros((0, 0)))
        found = f(a, n)
        assert not found[n:].any() and not found[:, n:].any()
        assert not n or error(found[:n, :n], want) < 1e-13


def test_the_evaluator_agrees():
    rng = np.random.default_rng(11)
    for rank in (6, 5, 4):
        a, d = whole(rng, 6, rank), rng.normal(size=(6, 6))
        with tg.disable_jit(), np.errstate(all="ignore"):
            assert error(gradient(a), reference(a, d)[0], 100.0) < 1e-12


# --- slogdet ------------------------------------------------------------------------------------------------------------

def logarithm(a):
    return np.linalg.slogdet(a)[1]


@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0), (0, 3, 3)])
def test_the_logarithm_of_an_empty_matrix_makes_no_nan_on_the_way(shape):
    with tg.config(check_numerics=True):
        assert tg.grad(lambda a: np.sum(logarithm(a)))(np.zeros(shape)).shape == shape


@pytest.mark.sweep(3)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 6])
def test_the_logarithm_of_nothing_has_no_slope(n):
    a = np.diag(np.arange(float(n)))
    assert not np.isfinite(tg.grad(logarithm)(a)).any()
    assert not np.isfinite(tg.jvp(logarithm, (a,), (np.ones((n, n)),))[1])
    assert not np.isfinite(tg.hessian(logarithm)(a)).any() and not np.isfinite(tg.jacrev(tg.grad(logarithm))(a)).any()


@pytest.mark.sweep(2, days=True)
def test_a_logarithm_that_is_not_taken():
    rng = np.random.default_rng(12)
    a = rng.normal(size=(3, 5, 5))
    a[1] = 0

    def f(x):
        sign, size = np.linalg.slogdet(x)
        return np.sum(np.where(sign != 0, size, 0.0))

    want = np.zeros_like(a)
    want[[0, 2]] = np.linalg.inv(a[[0, 2]]).transpose(0, 2, 1)
    for found in (tg.grad(f)(a), tg.jacfwd(f)(a)):
        np.testing.assert_allclose(found, want, rtol=1e-12)
        assert not found[1].any()
    for found in (tg.hessian(f)(a), tg.jacrev(tg.grad(f))(a)):
        for k in range(3):
            np.testing.assert_allclose(found[k, :, :, k], -np.einsum("il,kj->ijkl", want[k], want[k]), rtol=1e-10, atol=1e-12)
        assert not found[1].any()


def test_the_complex_logarithm():
    rng = np.random.default_rng(13)
    a, d = (rng.normal(size=(5, 5)) + 1j * rng.normal(size=(5, 5)) for _ in range(2))
    sign, moved = np.linalg.slogdet(a)[0], np.trace(np.linalg.solve(a, d))
    found = tg.jvp(np.linalg.slogdet, (a,), (d,))[1]
    np.testing.assert_allclose(found[0], 1j * moved.imag * sign, rtol=1e-12)
    np.testing.assert_allclose(found[1], moved.real, rtol=1e-12)


# --- what it costs ------------------------------------------------------------------------------------------------------

def test_a_value_alone_costs_a_factor():
    """No solution and no singular value is computed for a derivative that nobody asks for."""
    for f in (det, lambda a: np.sum(np.linalg.slogdet(a)[1])):
        text = tg.jit(f).lower(np.eye(6)).text("optimized")
        assert "lu " in text and "solve" not in text and "svd" not in text


def test_size_that_run_time_knows():
    """Also where two singular values are small."""
    a = np.random.default_rng(1).normal(size=(7, 7))
    a[4] = a[3] * 2.0
    found = tg.grad(lambda a, k: np.linalg.det(a[:k, :k]))(a, 6)
    np.testing.assert_allclose(found[:6, :6], tg.grad(det)(a[:6, :6].copy()), rtol=1e-9, atol=1e-11)
    assert not np.any(found[6]) and not np.any(found[:, 6])
