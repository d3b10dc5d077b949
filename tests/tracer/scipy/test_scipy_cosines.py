"""scipy.fft's cosine and sine transforms: SciPy's values for types, norms, lengths, axes and dtypes; they are linear."""
import itertools

import numpy as np
import pytest
import scipy.fft as sf
from tracegrad.tracer.scipy.programs import cosines

import tracegrad as tg

X = np.random.default_rng(0).standard_normal((3, 6))
ONE = ("dct", "idct", "dst", "idst")


def close(found, right):
    assert found.dtype == right.dtype and found.shape == right.shape
    bound = 1e-5 if right.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, right, bound, bound)


@pytest.mark.parametrize("name", ONE)
def test_the_programs(name):
    """As plain NumPy programs, in all combinations."""
    for t, norm, ends, n, axis in itertools.product((1, 2, 3, 4), (None, "ortho", "forward"), (None, True, False), (None, 4, 9),
                                                    (-1, 0)):
        for x in (X, X.astype(np.float32), X + 1j * X[::-1], (X > 0).astype(int)) if n is None else (X,):
            close(getattr(cosines, name)(x, t, n, axis, norm, orthogonalize=ends),
                  getattr(sf, name)(x, t, n, axis, norm, orthogonalize=ends))
    for t, n in itertools.product((1, 2, 3, 4), (1, 2)):
        if n > 1 or not (t == 1 and "c" in name):
            close(getattr(cosines, name)(X[0, :n], t), getattr(sf, name)(X[0, :n], t))


@pytest.mark.sweep(4)
@pytest.mark.parametrize("name, t", [*itertools.product(ONE, (1, 2, 3, 4))])
def test_compiled(name, t):
    own = getattr(sf, name)
    for f in (lambda x: own(x, t), lambda x: own(x, t, axis=0, norm="ortho", n=4)):
        close(tg.jit(f)(X), f(X))
    tg.check_grads(lambda x: np.sum(own(x, t, norm="ortho") ** 3), (X,), order=1)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", ["dctn", "idctn", "dstn", "idstn"])
def test_several_axes(name):
    own = getattr(sf, name)
    for options in ({}, {"s": (4, 5)}, {"axes": (0,)}, {"type": 1, "norm": "ortho"}, {"s": 4, "axes": 1}):
        close(getattr(cosines, name)(X, **options), own(X, **options))
    close(tg.jit(lambda x: own(x, norm="ortho"))(X), own(X, norm="ortho"))


def test_errors():
    for f, kind in ((lambda x: sf.dct(x, 5), ValueError), (lambda x: sf.dct(x[:1], 1), RuntimeError),
                    (lambda x: sf.dst(x, norm="none"), ValueError)):
        for g in (f, tg.jit(f)):
            with pytest.raises(kind):
                g(X[0])
