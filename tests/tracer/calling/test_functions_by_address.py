"""C functions that are called by their address: SciPy's and those of C's mathematics, with derivatives; others refused."""
import ctypes

import numpy as np
import pytest
import scipy.special as sp
from numba import types
from numba.extending import get_cython_function_address

import tracegrad as tg

CYTHON = "scipy.special.cython_special"


def by_ctypes(name, arity):
    form = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * arity)
    return form(get_cython_function_address(CYTHON, name))


class ByAddress(types.WrapperAddressProtocol):
    """As packages of Numba's users wrap SciPy's functions."""

    def __wrapper_address__(self):
        return get_cython_function_address(CYTHON, "gammainc")

    def signature(self):
        return types.float64(types.float64, types.float64)


gammaln, gammainc = by_ctypes("gammaln", 1), ByAddress()


def test_functions_of_scipy():
    found = tg.jit(lambda x: gammaln(x) + 1)(3.5)
    assert found == sp.gammaln(3.5) + 1 and type(found) is type(tg.jit(lambda x: x + 1)(3.5))
    np.testing.assert_allclose(tg.grad(lambda x: gammaln(x))(3.5), sp.digamma(3.5), rtol=1e-14)
    tg.check_grads(tg.jit(lambda a, x: gammainc(a, x)), (1.5, 2.0), order=2)
    assert tg.jit(lambda n: gammainc(n, 2.0))(2) == sp.gammainc(2.0, 2.0)


def test_functions_of_c():
    library = ctypes.CDLL(None)
    for name, numpys in (("cos", np.cos), ("atan2", np.arctan2), ("pow", np.power), ("tgamma", sp.gamma)):
        f, args = getattr(library, name), (0.7, 1.3)[:numpys.nin]
        f.restype, f.argtypes = ctypes.c_double, [ctypes.c_double] * numpys.nin
        np.testing.assert_allclose(tg.jit(lambda *args, f=f: f(*args))(*args), f(*args), rtol=1e-15)
        tg.check_grads(lambda *args, f=f: f(*args), args, order=2)


def test_others_are_refused_by_name():
    labs = ctypes.CDLL(None).labs
    with pytest.raises(tg.UnsupportedError, match=r"(?s)labs is a C function.*Instead: write what it computes"):
        tg.jit(lambda x: labs(x))(3)
    assert tg.jit(lambda x: x * tg.static(labs(-2)))(3) == 6


def test_arguments_that_are_no_numbers():
    with pytest.raises(TypeError):
        tg.jit(lambda x: gammaln(x))(np.ones(2))
