"""Slices whose step is a value of the running program are views as others are: read, written to, differentiated."""
import random

import numpy as np
import pytest

import tracegrad as tg

ENDS = [0, 1, 2, 3, 7, 8, 20, -1, -2, -3, -7, -8, -9, -20, 2**62, -2**62, 2**63 - 1, -2**63]


def parts(x, ends):
    a, b, c = ends[0], ends[1], ends[2]
    return x[a:b:c], x[::c], x[a::c], x[:b:c], x[1:-1:c]


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8])
def test_parts_are_those_of_python(n):
    f, rng, x = tg.jit(parts), random.Random(n), np.arange(float(n))
    for _ in range(150):
        ends = [rng.choice(ENDS), rng.choice(ENDS), rng.choice(ENDS[1:])]
        for found, expected in zip(f(x, np.array(ends)), parts(x, ends), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_step_of_zero():
    with pytest.raises(ValueError, match="slice step cannot be zero"):
        tg.jit(parts)(np.arange(3.0), np.array([0, 1, 0]))


def changed(m, ends):
    m = m.copy()
    column = m[ends[0]::ends[1], 1]
    m[0, 1] = 1.5                                 # seen through the view
    column *= 2
    column[::ends[2]] += 1
    turned = m[::ends[2]].T
    turned[0] = column[0]
    return m, column.sum(), turned.copy()


def loss(m, ends):
    m, total, turned = changed(m, ends)
    return (m**3).sum() + total * total + np.sin(turned).sum()


CASES = [(0, 1, 2), (-1, -2, -1), (4, -1, 2), (1, 2, -2), (0, 3, 4), (3, 5, -4)]


@pytest.mark.parametrize("ends", CASES)
def test_views_and_their_derivatives(ends):
    m, ends = np.random.default_rng(1).uniform(size=(5, 2)), np.array(ends)
    for found, expected in zip(tg.jit(changed)(m, ends), changed(m, ends), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)
    gradient, hessian = tg.grad(loss)(m, ends), tg.hessian(loss)(m, ends).reshape(10, 10)
    steps = 1e-6 * np.eye(10).reshape(10, 5, 2)
    slopes = [(loss(m + e, ends) - loss(m - e, ends)) / 2e-6 for e in steps]
    np.testing.assert_allclose(gradient.ravel(), slopes, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(tg.jacobian(loss)(m, ends), gradient, rtol=1e-13)
    curves = [(tg.grad(loss)(m + e, ends) - tg.grad(loss)(m - e, ends)).ravel() / 2e-6 for e in steps]
    np.testing.assert_allclose(hessian, curves, rtol=1e-6, atol=1e-6)


def test_one_program_serves_every_step():
    def struck(n, steps):
        flags = np.ones(n, dtype=np.bool_)
        for step in steps:
            flags[step * step::step] = False
        return flags

    f = tg.jit(struck)
    for steps in ([2, 3], [5, 2], [-3, 7]):
        np.testing.assert_array_equal(f(60, np.array(steps)), struck(60, steps))
    assert len(f.specializations) == 1


def test_every_kth_row_of_a_group():
    """Columns of groups that interleave."""
    def flat(a, lengths):
        most = np.max(lengths)
        out = np.full((a.shape[0] * most, len(lengths)), -1.0)
        first = 0
        for group in range(len(lengths)):
            for k in range(lengths[group]):
                out[k::np.max(lengths), group] = a[:, first + k]
            first += lengths[group]
        return out

    a, lengths = np.arange(12.0).reshape(3, 4), np.array([1, 3])
    np.testing.assert_array_equal(tg.jit(flat)(a, lengths), flat(a, lengths))
