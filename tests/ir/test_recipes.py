"""Every recipe, run by NumPy instead of LLVM, means the same as its op: for every dtype, special values included."""
from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import recipes_numpy
import tracegrad.ir.ops  # noqa: F401
from op_samples import evaluate, specials
from tracegrad.ir.opdef import OPS, Elementwise
from tracegrad.ir.ops.special.library import ROUTINES
from tracegrad.ir.types import BOOL, DTYPES

ELEMENTWISE = [d for d in OPS.values() if isinstance(d, Elementwise) and d.recipe and d.name not in ROUTINES]
CASES = [(d.name, t.name) for d in ELEMENTWISE for t in DTYPES.values() if t in d.takes and d.name != "cast"]

# Functions whose machine code is another implementation than NumPy's: relative error in units of the last place, of the
# larger part of a complex number.
CLOSE = {"exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asinh", "acosh",
         "atanh", "asin", "acos", "atan", "atan2", "hypot", "cbrt", "erf", "erfc", "pow", "abs", "sqrt"}
ABSOLUTE = {"digamma": 1e-14, "polygamma": 1e-12, "lgamma": 1e-14}


def _same(name, dtype, got, want):
    if want.dtype.kind not in "fc":
        return got == want
    if np.array_equal(got, want, equal_nan=True):
        return name in ("max", "min", "mulz") or want.dtype.kind == "c" or np.signbit(got) == np.signbit(want) or np.isnan(got)
    eps = np.finfo(want.dtype).eps
    if name in ABSOLUTE:
        return np.isclose(got, want, rtol=max(ABSOLUTE[name], 4 * eps), atol=ABSOLUTE[name])
    if name in CLOSE or want.dtype.kind == "c":
        return _near(got, want, 8 * eps if name != "pow" else 400 * eps)
    return False


def _near(got, want, rtol):
    if np.isnan(want):
        return np.isnan(got)
    if not np.isfinite(want):
        return False
    return abs(complex(got) - complex(want)) <= rtol * abs(complex(want)) + np.finfo(want.dtype).tiny


@pytest.mark.sweep(7)
@pytest.mark.parametrize("name, dtype", CASES)
def test_recipe_means_the_op(name, dtype):
    defn, dtype = OPS[name], DTYPES[dtype]
    rows = [specials(BOOL if name == "select" and k == 0 else dtype, short=defn.arity > 1) for k in range(defn.arity)]
    if name == "polygamma":
        rows[0] = np.arange(1, 6).astype(dtype.np)
    elif name in ("lgamma", "digamma"):
        rows[0] = rows[0][~((rows[0] == -np.inf) | (np.abs(rows[0]) == np.finfo(dtype.np).smallest_subnormal))]
    wrong = []
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for args in itertools.product(*rows):
            want = evaluate(defn, *args)
            got = recipes_numpy.run(name, dtype, *args)
            got = got.astype(want.dtype) if defn.gives in ("signed", "unsigned") else got
            assert got.dtype == want.dtype
            if not _same(name, dtype, got, want):
                wrong.append((args, got, want))
    assert not wrong, f"{len(wrong)} differ, among them {wrong[:6]}"
