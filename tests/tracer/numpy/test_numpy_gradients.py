"""Derivatives of what NumPy functions are composed to: forward equals reverse equals a difference; order two on a subset."""
from __future__ import annotations

import numpy as np
import pytest
from derivatives import check_first
from numpy_trace import build, expressions
from tracegrad.autodiff.reverse.reverse import vjp
from tracegrad.ir.interp import run

RNG = np.random.default_rng(6)
X, Y = RNG.uniform(0.3, 1.4, 6), RNG.uniform(0.3, 1.4, 6)
A, B = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 3))
SQ = RNG.standard_normal((4, 4))
SPD = SQ @ SQ.T + 4 * np.eye(4)


@pytest.mark.parametrize("fn", expressions("np, x, y", globals(), """
    np.logaddexp(x, y)
    np.logaddexp2(x, y)
    np.hypot(x, y) + np.arctan2(x, y)
    np.fmax(x, y) * np.fmin(x, y)
    np.fmod(x, 0.4)
    x ** y
    x ** 3 + 2.0 ** y + x ** 0.5 + x ** -1
    np.square(x) + np.reciprocal(y) + np.cbrt(x) + np.deg2rad(y)
    np.float_power(x, 2)
    np.ldexp(x, 3) + np.modf(x)[0]
    np.sinc(x) + np.sinc(y * 0)
    np.abs(x + 1j * y)
    np.angle(x + 1j * y)
    np.real(np.exp(x + 1j * y))
    (x + 1j * y) ** 2 / (y - 1j * x)
    np.sum(x) * np.prod(y)
    np.mean(x) + np.var(y) + np.std(x, ddof=1)
    np.max(x) + np.min(y) + np.ptp(x)
    np.median(x) + np.percentile(y, 30) + np.quantile(x, [0.1, 0.9])[1]
    np.cumsum(x) * np.cumprod(y)
    np.nansum(np.where(x > 1, np.nan, x)) + np.nanmean(y)
    np.average(x, weights=y)
    np.sort(x)[::2].sum() * np.argsort(y)[0]
    np.linalg.norm(x) + np.linalg.norm(y, 3) + np.linalg.norm(x, 1) + np.linalg.norm(y, np.inf)
    np.convolve(x, y)
    np.correlate(x, y, "same")
    np.interp(y, np.arange(6) / 2, x)
    np.trapezoid(x, np.cumsum(y))
    np.gradient(x, np.cumsum(y))
    np.diff(x, 2)
    np.polyval(x, y)
    np.linspace(x[0], y[0], 5)
    np.geomspace(x[0], y[0], 4)
    np.clip(x, 0.5, 1.0)
    np.where(x > 0.8, np.log(x), x * y)
    np.pad(x, 2, mode="reflect") * 2
    np.roll(x, 2) + np.flip(y) + np.tile(x, 2)[3:9]
    np.concatenate([x, y])[::3]
    np.stack([x, y]).T.reshape(-1)
    np.diag(x) @ y
    np.outer(x, y)
    np.kron(x[:2], y[:2])
    np.cross(x[:3], y[:3])
    np.einsum("i,j,i->j", x, y, x)
    np.take(x, [0, 0, 3]) + y[[1, 2, 2]]
    x[x > 0.7].sum() * y[0]
    np.repeat(x, 2)[1:7] * y
    np.array([x[0] * y[1], y[2], 3.0])
    np.maximum(x, y) + np.minimum(x, 0.9)
    np.histogram(x, 3, weights=y)[0]
    np.bincount(np.array([0, 2, 2, 1, 0, 3]), weights=x * y)
    np.unwrap(x * 9)
    np.nan_to_num(x) * np.heaviside(y, 0.5)
    np.round(x, 1) * y
    np.vander(x[:3]) @ y[:3]
    np.tril(np.outer(x, y))
    np.select([x > 1, x > 0.5], [x ** 2, x * y], y)
    np.cov(x, y)
    np.corrcoef(x, y)[0, 1]
"""))
@pytest.mark.sweep(2, days=True)
def test_of_vectors(fn):
    f = build(fn, X, Y)[0]
    check_first(f, (X, Y), np.random.default_rng(0))


@pytest.mark.parametrize("fn", expressions("np, a, s", globals(), """
    np.linalg.solve(s, a.T)
    np.linalg.solve(s, a[0])
    np.linalg.inv(s)
    np.linalg.det(s)
    np.linalg.slogdet(s)[1]
    np.linalg.cholesky(s @ s.T)
    np.linalg.matrix_power(s, 3)
    np.linalg.multi_dot([a, s, s, a.T])
    np.trace(s) + np.diagonal(s, 1).sum()
    np.einsum("ij,jk,ik->i", a, s, a)
    np.einsum("ii->i", s)
    a @ s @ a.T
    np.tensordot(a, s, 1)
    np.linalg.norm(a, axis=1)
    a.reshape(2, 6).T.reshape(-1)
    np.moveaxis(a[None] * s[:3], 0, -1)
    np.pad(a, 1)[1:3] ** 2
    np.rot90(a) * 2
    np.mean(a, axis=0) * np.std(s, axis=1)
    np.log(np.sum(np.exp(a), axis=1))
    np.take_along_axis(a, np.argmax(a, 1)[:, None], 1)
    np.max(s, axis=0) - np.min(s, axis=1)
    np.prod(a, axis=1)
    np.cumsum(s, axis=0)
    np.linalg.norm(a, 1) + np.linalg.norm(s, np.inf) + np.linalg.norm(s)
"""))
@pytest.mark.sweep(2, days=True)
def test_of_matrices(fn):
    f = build(fn, A, SPD)[0]
    check_first(f, (A, SPD), np.random.default_rng(0))


def gradient(fn, *args):
    """The gradient of a scalar function with respect to every argument."""
    f = build(fn, *args)[0]
    f.body.yields = f.body.yields[:1]
    return run(vjp(f, tuple(range(len(args)))), *args, np.float64(1.0))[1:]


@pytest.mark.parametrize("fn, x, want", [
    (lambda np, x: np.linalg.norm(x), np.zeros(3), np.zeros(3)),
    (lambda np, x: np.sum(np.where(x > 0, np.log(x), 0.0)), np.array([0.0, 2.0]), np.array([0.0, 0.5])),
    (lambda np, x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)), np.array([0.0, 4.0]), np.array([0.0, 0.25])),
    (lambda np, x: np.sum(np.sinc(x)), np.array([0.0, 1.0]), np.array([0.0, -1.0])),
    (lambda np, x: np.sum(np.abs(x)), np.array([0.0, -2.0]), np.array([0.0, -1.0])),
    (lambda np, x: np.sum(np.maximum(x, 0)), np.array([0.0, 1.0]), np.array([0.5, 1.0])),
    (lambda np, x: np.sum(x ** 2), np.array([0.0, -3.0]), np.array([0.0, -6.0])),
    (lambda np, x: np.sum(x ** 3), np.array([0.0, -3.0]), np.array([0.0, 27.0])),
    (lambda np, x: np.sum(np.power(x, 2.0)), np.array([0.0, -3.0]), np.array([0.0, -6.0])),
    (lambda np, x: np.prod(x), np.array([0.0, 2.0, 3.0]), np.array([6.0, 0.0, 0.0])),
    (lambda np, x: np.logaddexp(x[0], x[1]), np.array([1.0, 1.0]), np.array([0.5, 0.5])),
    (lambda np, x: np.logaddexp(x[0], x[1]), np.array([-np.inf, 1.0]), np.array([0.0, 1.0])),
    (lambda np, x: np.max(x), np.array([2.0, 2.0, 1.0]), np.array([0.5, 0.5, 0.0])),
    (lambda np, x: np.interp(0.5, np.array([0.0, 1.0]), x), np.array([3.0, 7.0]), np.array([0.5, 0.5])),
])
def test_special_points(fn, x, want):
    np.testing.assert_allclose(gradient(fn, x)[0], want, atol=1e-12)
