"""Functions that NumPy itself writes in Python over its other functions: they are rewritten from NumPy's source, like a
function of the user, and so composed of what this folder knows. numpy.polynomial is such code as a whole.
"""
from __future__ import annotations

import types
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ....ir.errors import UnsupportedError
from ... import tracing
from ...numpy import polynomials
from ...syntax import source
from ...values.boxes import FUNCTIONS, HOOKS, REDIRECT, as_array
from .. import calls, dispatch

if TYPE_CHECKING:
    from ....ir.types import Array
    from ...values.boxes import ArrayBox

_NAMES = """
    union1d intersect1d setxor1d unique_all unique_counts unique_inverse unique_values poly polyfit polyint
    diag_indices diag_indices_from tril_indices tril_indices_from triu_indices triu_indices_from mask_indices resize
    sort_complex hamming hanning bartlett blackman asarray_chkfinite
"""
source.OPEN |= {"numpy.polynomial"}


def _warn(*args: Any, **kwargs: Any) -> None:
    """warnings.warn, while the function is compiled: not in a branch or loop of run time, where nobody knows whether it holds.
    NumPy's own warnings are left out there, those of the user's program refused."""
    place = tracing.innermost()
    if not any(scope.kind != "function" for scope in tracing.current().scopes):
        warnings.warn(*args, **kwargs)
    elif place is not None and place.file not in tracing.LIBRARIES:
        raise UnsupportedError("warnings.warn in a branch or a loop that is decided at run time: compiled code does not warn",
                               "print the text, or return what the caller is to be warned of", tracing.locate())


REDIRECT[warnings.warn] = _warn


def _borrow(f: Callable) -> None:
    inner = getattr(f, "_implementation", f)
    source.OPENED.add(inner.__code__)
    if inner is f:
        return
    handler = FUNCTIONS[f] = lambda *args, **kwargs: calls.call(inner, *args, **kwargs)
    REDIRECT[f] = dispatch.passing(f, handler)


for _name in _NAMES.split():
    _borrow(getattr(np, _name))

def _program(f: Callable, program: Callable) -> None:
    """A program of ours in place of a function of NumPy."""
    handler = FUNCTIONS[f] = lambda *args, **kwargs: calls.call(program, *args, **kwargs)
    REDIRECT[f] = dispatch.passing(f, handler)


source.OPENED |= {f.__code__ for f in vars(polynomials).values() if isinstance(f, types.FunctionType)}
_program(np.roots, polynomials.roots)
_program(np.polydiv, polynomials.polydiv)
_program(np.polynomial.polynomial.polyroots, polynomials.polyroots)

_poly = FUNCTIONS[np.poly]


def poly_of_pairs(zeros: ArrayBox, one: ArrayBox, other: ArrayBox) -> Any:
    """The polynomial of complex zeros, real where these two are equal up to their order."""
    paired = FUNCTIONS[np.all](FUNCTIONS[np.sort](one) == FUNCTIONS[np.sort](other))
    found = as_array(_poly(zeros))
    real = FUNCTIONS[np.where](as_array(paired), found.real, found)
    return HOOKS["real_or_complex"](as_array(paired).read(), as_array(real).read())


def poly(seq_of_zeros: Any) -> Any:
    """NumPy's own source; of a real matrix, whose eigenvalues come in conjugate pairs, the real numbers that they make. Of
    complex zeros it is real where they come in such pairs."""
    a = as_array(seq_of_zeros)
    if len(a.dims) == 1 and a.dtype_ir.complex:
        return poly_of_pairs(a, a, a.conj())
    if len(a.dims) != 2 or a.dtype_ir.complex or a.dims[0] == 0:
        return _poly(seq_of_zeros)
    return FUNCTIONS[np.real](_poly(calls.call(np.linalg.eigvals, a).astype(np.complex128)))


FUNCTIONS[np.poly] = poly
REDIRECT[np.poly] = dispatch.passing(np.poly, poly)

_fit = FUNCTIONS[np.polyfit]


def polyfit(x: Any, y: Any, deg: Any, rcond: Array | None = None, full: bool = False, w: Any = None, cov: bool = False) -> Any:
    """NumPy's own source, but for the covariance: that multiplies by residuals of which lstsq gives one or none, as the rank
    of the data decides; here they are summed."""
    if full or not cov:
        return _fit(x, y, deg, rcond, full, w)
    c = _fit(x, y, deg, rcond, False, w)
    x, y = as_array(x) + 0.0, as_array(y) + 0.0
    weight = 1.0 if w is None else as_array(w) + 0.0
    lhs = (FUNCTIONS[np.vander](x, deg + 1).T * weight).T
    rest = (y.T * weight).T - lhs @ c
    scale = np.sqrt(FUNCTIONS[np.sum](lhs * lhs, axis=0))
    scaled = lhs / scale
    base = FUNCTIONS[np.linalg.inv](scaled.T @ scaled) / FUNCTIONS[np.outer](scale, scale)
    n = len(x)
    if cov == "unscaled":
        factor = 1.0
    elif isinstance(n, int) and n <= deg + 1:
        raise ValueError("the number of data points must exceed order to scale the covariance matrix")
    else:
        factor = FUNCTIONS[np.sum](rest * rest, axis=0) / (n - (deg + 1))
    return c, (base if len(y.dims) == 1 else base[:, :, None]) * factor


FUNCTIONS[np.polyfit] = polyfit
REDIRECT[np.polyfit] = dispatch.passing(np.polyfit, polyfit)
