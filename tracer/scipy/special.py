"""scipy.special: what traced code computes in place of its functions. SciPy itself is not imported for that.

`ufuncs.SPECIAL` maps the name of a ufunc to its rule, a formula over one element; `FUNCTIONS` that of another function to a
handler that is composed of NumPy's. Formulas are those of SciPy's documentation unless a comment derives another. Derivatives
follow from the formulas.
"""
from __future__ import annotations

import math

import numpy as np

from ...ir.ops.elementwise import like
from .. import tracing
from ..values import boxes
from ..values.boxes import as_array
from ..values.ufuncs import SPECIAL, direct

FUNCTIONS: dict = {}


def _formula(name: str):
    """Register a formula over expressions as the rule of a ufunc."""
    def register(formula):
        SPECIAL[name] = lambda b, xs, outs: formula(*map(b.expr, xs)).value
        return formula

    return register


_SAME_NAME = """
    erf erfc log1p expm1 cbrt exp2 expit log_expit logit ndtr log_ndtr erfinv erfcinv ndtri gamma rgamma gammasgn beta betaln
    xlogy xlog1py entr rel_entr kl_div exprel boxcox inv_boxcox pseudo_huber
"""
SPECIAL.update({name: direct(name) for name in _SAME_NAME.split()})
SPECIAL.update(psi=direct("digamma"), digamma=direct("digamma"), round=direct("rint"))
# SciPy's is -inf there, C's and Python's math.lgamma is inf
_formula("gammaln")(lambda x: (x == -math.inf).select(-math.inf, x.lgamma()))
_formula("exp10")(lambda x: 10.0 ** x)
_formula("i0")(lambda x: like(x, 0).bessel_i(x))
_formula("i1")(lambda x: like(x, 1).bessel_i(x))


# --- losses and transforms --------------------------------------------------------------------------------------------

@_formula("huber")
def _huber(delta, r):
    size = r.abs()
    return (delta < 0).select(math.inf, (size <= delta).select(r * r * 0.5, delta * (size - delta * 0.5)))


# --- functions of whole arrays ----------------------------------------------------------------------------------------

def _function(name: str):
    def register(handler):
        FUNCTIONS[name] = handler
        return handler

    return register


def _floating(x):
    box = as_array(x)
    return box if box.dtype_ir.inexact else box.astype(np.float64)


def _shifted(x, axis):
    """(x minus its maximum along the axis, that maximum, or 0 where it is not finite)."""
    top = np.max(x, axis=axis, keepdims=True)
    top = _constant(np.where(np.isfinite(top), top, np.zeros((), x.dtype)))
    return x - top, top


def _constant(box):
    """What is subtracted and added again, so that its own derivative cancels: it has none."""
    return as_array(boxes.result(tracing.current().builder("stop_gradient", as_array(box).read())))


@_function("logsumexp")
def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False):
    x = _floating(a)
    if b is not None:
        full, b = np.broadcast_arrays(x, _floating(b))
        x = np.where(b == 0, -np.inf, full)
    shifted, top = _shifted(x, axis)
    terms = np.exp(shifted) if b is None else _weighted(b, shifted, full - top)
    total = np.sum(terms, axis=axis, keepdims=True)
    sign = np.sign(total)
    out = np.log(np.abs(total) if return_sign else total) + top
    found = [v if keepdims else (v.reshape(())[()] if axis is None else np.squeeze(v, axis=axis)) for v in (out, sign)]
    return tuple(found) if return_sign else found[0]


def _weighted(b, shifted, full):
    """b exp(x), and 0 where b is 0 whatever x; its slope by b there is exp(x) all the same."""
    builder = tracing.current().builder
    terms = as_array(b * np.exp(shifted))
    smooth = builder("mulz", *[boxes.to_value(v, terms.dtype_ir) for v in (b, np.exp(full))])
    return boxes.array(builder("surrogate", terms.read(), smooth))


@_function("softmax")
def softmax(x, axis=None):
    x = _floating(x)
    terms = np.exp(x - _constant(np.max(x, axis=axis, keepdims=True)))
    return terms / np.sum(terms, axis=axis, keepdims=True)


@_function("log_softmax")
def log_softmax(x, axis=None):
    shifted = _shifted(_floating(x), axis)[0]
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@_function("multigammaln")
def multigammaln(a, d):
    """log Γ_d(a) = d(d-1)/4 log π + Σ log Γ(a - k/2)"""
    box, total = _floating(a), 0.25 * d * (d - 1) * math.log(math.pi)
    for k in range(d):
        total = total + boxes.result(SPECIAL["gammaln"](tracing.current().builder, [(box - 0.5 * k).read()],
                                                        (box.dtype_ir,)))
    return total


def redirect(f):
    """The handler of a function of scipy.special that is no ufunc."""
    if (getattr(f, "__module__", None) or "").startswith("scipy.special"):
        return FUNCTIONS.get(getattr(f, "__name__", ""))
    return None


