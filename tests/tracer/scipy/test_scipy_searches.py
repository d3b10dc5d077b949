"""scipy.optimize's nnls and linear_sum_assignment in traced code: SciPy's answers, also among equal ones."""
import numpy as np
import pytest
from scipy import optimize

import tracegrad as tg

RNG = np.random.default_rng(0)


def test_least_squares_without_negative_numbers():
    f = tg.jit(optimize.nnls)
    for a in (*RNG.standard_normal((4, 6, 4)), np.abs(RNG.standard_normal((6, 4))), np.eye(6)[:, :4], np.zeros((6, 4))):
        b = RNG.standard_normal(6)
        found, right = f(a, b), optimize.nnls(a, b)
        np.testing.assert_allclose(found[0], right[0], atol=1e-12)
        np.testing.assert_allclose(found[1], right[1], rtol=1e-12)
        assert type(found[1]) is type(right[1])
    a, b = np.abs(RNG.standard_normal((6, 4))), np.abs(RNG.standard_normal(6))
    tg.check_grads(lambda a, b: optimize.nnls(a, b)[1] + np.sum(optimize.nnls(a, b)[0] ** 2), (a, b))
    for bad in ((a, b[:3]), (a * np.nan, b), (a[0], b)):
        for g in (optimize.nnls, f):
            with pytest.raises(ValueError):
                g(*bad)


@pytest.mark.parametrize("most", [False, True])
def test_assignment(most):
    f = tg.jit(lambda c: optimize.linear_sum_assignment(c, maximize=most))
    for shape in ((3, 3), (4, 6), (6, 4), (1, 1), (0, 3), (5, 5)):
        for c in (RNG.standard_normal(shape), RNG.integers(0, 3, shape), RNG.random(shape) > 0.5):
            for found, right in zip(f(c), optimize.linear_sum_assignment(c, maximize=most)):
                assert found.dtype == right.dtype and found.tolist() == right.tolist()


def test_the_cost_of_an_assignment():
    def cost(c):
        return c[optimize.linear_sum_assignment(c)].sum()

    tg.check_grads(cost, (RNG.standard_normal((4, 4)),))
    for c, said in ((np.array([[np.nan, 1], [1, 1]]), "invalid"), (np.full((2, 2), np.inf), "infeasible")):
        for g in (cost, tg.jit(cost)):
            with pytest.raises(ValueError, match=said):
                g(c)
