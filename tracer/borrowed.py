"""Functions that NumPy itself writes in Python over its other functions: they are rewritten from NumPy's source, like a
function of the user, and so composed of what this folder knows. numpy.polynomial is such code as a whole.
"""
from __future__ import annotations

import warnings

import numpy as np

from . import calls, context, numpy_table, source
from .boxes import FUNCTIONS, REDIRECT

_NAMES = """
    union1d intersect1d setxor1d unique_all unique_counts unique_inverse unique_values poly polyfit polyint
    diag_indices diag_indices_from tril_indices tril_indices_from triu_indices triu_indices_from mask_indices resize
    sort_complex i0 hamming hanning bartlett blackman asarray_chkfinite
"""
source.OPEN |= {"numpy.polynomial"}


def _warn(*args, **kwargs):
    """warnings.warn: not in a branch that only run time decides, where nobody knows yet whether it holds."""
    if not any(scope.kind == "branch" for scope in context.active().scopes):
        warnings.warn(*args, **kwargs)


REDIRECT[warnings.warn] = _warn


def _borrow(f):
    inner = getattr(f, "_implementation", f)
    source.OPENED.add(inner.__code__)
    if inner is f:
        return
    handler = FUNCTIONS[f] = lambda *args, **kwargs: calls.call(inner, *args, **kwargs)
    REDIRECT[f] = numpy_table.passing(f, handler)


for _name in _NAMES.split():
    _borrow(getattr(np, _name))
