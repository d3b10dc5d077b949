"""scipy.stats' matrix_normal, invwishart, wishart and dirichlet_multinomial: values, errors and all derivatives."""
import numpy as np
import pytest
import scipy.stats as ss

import tracegrad as tg

RNG = np.random.default_rng(7)
SPD, OTHER = np.cov(RNG.standard_normal((3, 9))) + np.eye(3), np.cov(RNG.standard_normal((2, 9))) + np.eye(2)
M, STACK = RNG.standard_normal((3, 2)), RNG.standard_normal((4, 3, 2))
SEVERAL = np.stack((SPD, SPD + 1, np.eye(3)), axis=2)
COUNTS, ALPHA = np.array([1, 2, 3]), np.array([0.3, 0.7, 1.3])

# name -> (function, arguments); each is differentiated by all that are floats
CASES = {
    "matrix_normal": (lambda x, m, u, v: ss.matrix_normal.logpdf(x, m, u, v), (M, M[::-1] * 0.5, SPD, OTHER)),
    "matrix_normal stack": (lambda x, u: ss.matrix_normal.logpdf(x, rowcov=u, colcov=[1.0, 2.0]), (STACK, SPD)),
    "matrix_normal numbers": (lambda x: ss.matrix_normal(np.zeros((3, 2)), 2.0, 0.5).pdf(x), (M,)),
    "invwishart": (lambda x, df, s: ss.invwishart.logpdf(x, df, s), (SPD, 4.5, SPD[::-1, ::-1].copy())),
    "invwishart several": (lambda x: ss.invwishart(5, SPD).logpdf(x), (SEVERAL,)),
    "invwishart of numbers": (lambda x: ss.invwishart.pdf(x, 3, 2.0), (ALPHA,)),
    "wishart": (lambda x, s: ss.wishart.logpdf(x, 5, s), (SPD, SPD[::-1, ::-1].copy())),
    "dirichlet_multinomial": (lambda a: ss.dirichlet_multinomial.logpmf(COUNTS, a, 6), (ALPHA,)),
    "dirichlet_multinomial frozen": (lambda a: ss.dirichlet_multinomial(a, 6).pmf(np.stack((COUNTS, COUNTS[::-1], [6, 0, 0]))),
                                     (ALPHA,)),
    "dirichlet_multinomial elsewhere": (lambda a: ss.dirichlet_multinomial.logpmf(COUNTS, a, [6, 7]), (ALPHA,)),
    "dirichlet_multinomial moments": (lambda a: ss.dirichlet_multinomial.mean(a, 6) + ss.dirichlet_multinomial.var(a, 6),
                                      (ALPHA,)),
}


@pytest.mark.sweep(6)
@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    f, args = CASES[name]
    found, right = tg.jit(f)(*args), f(*args)
    np.testing.assert_allclose(found, right, rtol=1e-11)
    assert np.shape(found) == np.shape(right) and np.asarray(found).dtype == np.asarray(right).dtype
    if np.all(np.isfinite(right)):
        symmetric = [(lambda a: (a + np.swapaxes(a, 0, 1)) / 2) if np.ndim(a) > 1 and np.shape(a)[0] == np.shape(a)[1] else
                     (lambda a: a) for a in args]
        tg.check_grads(lambda *args: np.sum(np.sin(f(*[s(a) for s, a in zip(symmetric, args)]))), args, order=1)


def test_errors_are_those_of_scipy():
    for f, match in ((lambda x: ss.matrix_normal.logpdf(x, np.zeros((2, 2))), "compatible"),
                     (lambda x: ss.invwishart.logpdf(x, 5, SPD), "square"),
                     (lambda x: ss.invwishart.logpdf(SPD, x[0, 0] * 0, SPD), "greater"),
                     (lambda x: ss.dirichlet_multinomial.logpmf(COUNTS, ALPHA * (x[0, 0] * 0), 6), "positive")):
        for run in (f, tg.jit(f)):
            with pytest.raises(ValueError, match=match):
                run(M)
