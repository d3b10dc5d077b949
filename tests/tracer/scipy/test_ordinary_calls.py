"""Ordinary forms of calls: what NumPy and SciPy make of lists, truth values, single precision and Python numbers."""
import numpy as np
import pytest
import scipy.integrate as si
import scipy.interpolate as sp
import scipy.ndimage as sn
import scipy.signal as sg
import scipy.sparse as ss
import scipy.spatial.distance as sd
import scipy.special as sc
import scipy.stats as st

import tracegrad as tg

RNG = np.random.default_rng(4)
X, W = RNG.uniform(0.2, 3.0, (3, 4)), np.array([1.0, 2.0, 0.5, 0.0])
F, B, I, V = X.astype(np.float32), X > 1.5, (X * 9).astype(int), X[0]
FORMS = {
    "lists of numbers": (lambda v: sc.erf([0.5, v[0]]) + sc.gammaln([v[1], 2.0]), V),
    "a list for two results": (lambda v: sc.airy([0.5, v[0]])[0], V),
    "dot with a Python number": (lambda x: np.dot(x, 2), F), "inner": (lambda x: np.inner(2.5, x), F),
    "dot of bytes": (lambda x: np.dot(x, 2), I.astype(np.uint8)), "kron": (lambda x: np.kron(x, 2), F),
    "rounded truths": (lambda b: np.round(b), B), "angles of truths": (lambda b: np.angle(b), B),
    "flip of a number": (lambda v: np.flip(v[0]), V), "place by integers": (lambda x: placed(x), X.copy()),
    "cosine of truths": (lambda b: sd.cosine(b[0], b[1]), B), "norm in single": (lambda x: sd.euclidean(x[0], x[1]), F),
    "blurred truths": (lambda b: sn.gaussian_filter(b, 1.0), B), "uniform counts": (lambda i: sn.uniform_filter(i, 3), I),
    "blurred counts": (lambda i: sn.gaussian_filter(i, 1.0, mode="wrap"), I), "laplace": (lambda b: sn.laplace(b), B),
    "moved truths": (lambda b: sn.map_coordinates(b, [[0.5, 1.2], [0.3, 2.2]], order=1), B),
    "another dtype": (lambda i: sn.gaussian_filter(i, 1.0, output=float), I),
    "convolution of integers": (lambda i: sg.convolve(i[0], i[1], method="fft"), I),
    "one sample": (lambda x: st.ttest_1samp(x[0], 0.5)[:], F), "two": (lambda x: st.ttest_ind(x[0], x[1])[:], F),
    "nearest": (lambda x: nearest(x), F),
    "simpson": (lambda x: si.simpson(x, dx=0.5, axis=0), F),
    "simpson's correction": (lambda x: si.simpson(x[0], dx=0.5), F),
    "trapezoid": (lambda x: si.trapezoid(x[0], np.arange(4.0)), F),
    "factorial": (lambda x: sc.factorial(x), F), "multigammaln": (lambda x: sc.multigammaln(x + 3, 2), F),
    "polygamma": (lambda x: sc.polygamma(0, x), F), "logsumexp": (lambda x: sc.logsumexp(x[0], b=-1, return_sign=True), F),
    "levy at its end": (lambda v: st.levy.logpdf([0.0, v[0]]), V),
    "invgauss": (lambda v: st.invgauss.logpdf([0, v[0]], 1.0), V),
    "second moment": (lambda v: st.gamma(2.0, loc=v[0], scale=1.5).moment(2), V),
    "first moment": (lambda v: st.poisson(v[0]).moment(1), V), "ties": (lambda i: st.kruskal(i[0] // 9, i[1] // 9), I),
}


def nearest(x):
    found = sp.interp1d(np.arange(4.0), x[0], kind="nearest", bounds_error=False, fill_value=-1.0)
    return found(np.array([0.2, 1.7, np.nan, -3.0, 2.5]))


def placed(x):
    np.place(x, (1 - (x > 2)) & (x > 1), [7.0, 8.0])
    np.place(x, (x > 99) * 1, np.extract(x > 99, x))
    return x


@pytest.mark.sweep(6)
@pytest.mark.parametrize("name", FORMS)
def test_values_and_dtypes(name):
    f, x = FORMS[name]
    found, right = tg.jit(f).interpret(x.copy()), f(x.copy())
    for a, b in zip(found if isinstance(right, tuple) else [found], right if isinstance(right, tuple) else [right]):
        np.testing.assert_allclose(a, b, rtol=2e-6 if x.dtype == np.float32 else 1e-12)
        assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype


METRICS = "euclidean sqeuclidean cityblock minkowski chebyshev correlation cosine canberra braycurtis"


def test_distances_with_weights():
    def table(a, b):
        return np.stack([*(sd.cdist(a, b, m, w=W) for m in METRICS.split()), sd.cdist(a, b, "jensenshannon"),
                         sd.cdist(a, b, "seuclidean", V=W + 1), sd.cdist(a, b, "mahalanobis", VI=np.diag(W + 1))])

    other = RNG.uniform(0.2, 3.0, (2, 4))
    np.testing.assert_allclose(tg.jit(table).interpret(X, other), table(X, other), rtol=1e-12)
    up, down = X + 1e-6 * np.cos(np.arange(12)).reshape(3, 4), X - 1e-6 * np.cos(np.arange(12)).reshape(3, 4)
    slope = tg.grad(lambda a: np.sum(table(a, other))).interpret(X)
    np.testing.assert_allclose(np.sum(slope * (up - down)), np.sum(table(up, other)) - np.sum(table(down, other)), rtol=1e-6)


METRICS_OF_TRUTHS = ["dice", "jaccard", "rogerstanimoto", "russellrao", "sokalsneath", "yule", "hamming"]


def test_distances_of_truths():
    def table(b):
        return np.stack([sd.pdist(b, m) for m in METRICS_OF_TRUTHS])

    np.testing.assert_allclose(tg.jit(table).interpret(B), table(B), rtol=1e-14)


def test_several_results_need_a_tuple_of_arrays():
    for f in (sc.sici, np.divmod):
        with pytest.raises(TypeError, match="'out' must be a tuple of arrays"):
            tg.jit(lambda v, f=f: f(*[v] * f.nin, out=np.zeros(4)))(V)


def test_matrices_whose_pattern_is_not_known_are_refused_by_name():
    matrix = ss.csr_array(np.eye(3))
    for f in (ss.vstack, ss.block_diag):
        with pytest.raises(tg.UnsupportedError, match=rf"scipy\.sparse\.{f.__name__} of traced values cannot be compiled"):
            tg.jit(lambda a, f=f: f([a, a]) @ np.ones(3))(matrix)


@pytest.mark.parametrize("kind", [sp.PchipInterpolator, sp.Akima1DInterpolator])
def test_interpolants_of_real_numbers_only(kind):
    with pytest.raises(ValueError, match=f"`{kind.__name__}` only works with real values"):
        tg.jit(lambda y: kind(np.arange(4.0), y)(1.5))(V + 1j)
