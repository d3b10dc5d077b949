"""Long formulas that a program uses often are functions of their module, which are called: ops/special/called.py."""
from __future__ import annotations

import numba
import numpy as np
import pytest
import scipy.special as sp
from tracegrad.ir.build import make_op
from tracegrad.ir.core import Block
from tracegrad.ir.opdef import OPS, Elementwise
from tracegrad.ir.ops.special.called import called, recipe
from tracegrad.ir.thresholds import sizes
from tracegrad.ir.types import F32, F64, Type

import tracegrad as tg

X = np.array([-2.5, -1.0, -0.3, -0.0, 0.0, 0.4, 1.0, 3.7, 11.0, 30.5, 171.7, 180.0, 1e5, np.inf, -np.inf, np.nan])
APART = sorted(name for name, d in OPS.items() if isinstance(d, Elementwise) and d.apart)


def _grids(arity, dtype):
    grids = np.meshgrid(*[X] * arity, indexing="ij")
    return [g.ravel().astype(dtype) for g in grids]


def _value(name, dtype, limit):
    """What an op gives where it is written out (limit so large), or called (0): it occurs twice."""
    f = getattr(sp, name)
    arrays = _grids(OPS[name].arity, dtype)
    with sizes.at(formulas=limit):
        return tg.jit(lambda *xs: (f(*xs), f(*[x[::-1] for x in xs])) if limit >= 0 else None)(*arrays), arrays


@pytest.mark.sweep(2)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", APART)
def test_called_as_written_out(name, dtype):
    (found, other), arrays = _value(name, dtype, 0)
    (written, _), _ = _value(name, dtype, 1 << 40)
    assert found.dtype == written.dtype == dtype
    np.testing.assert_allclose(found, written, rtol=4 * np.finfo(dtype).eps)
    turned = getattr(sp, name)(*[x[::-1] for x in arrays])
    np.testing.assert_array_equal(np.isnan(other), np.isnan(turned))


def test_only_what_is_used_often_is_called():
    x = Block([Type(F64, ())]).params[0]
    one = [make_op(OPS["gamma"], (x,), {})]
    assert called([]) == called(one) == frozenset() and called(one * 8) == {"gamma"}


def test_recipes_share_steps():
    for name in APART:
        for dtype in (F32, F64):
            assert recipe(name, dtype) is recipe(name, dtype)


def _second(f, x, y, limit):
    """The gradient and its derivative."""
    with sizes.at(formulas=limit):
        return tg.jvp(tg.grad(lambda a, b: f(a, b) if limit >= 0 else 0.0, (0, 1)), (x, y), (1.0, 0.5))


def test_gradients_do_not_depend_on_it():
    for a, b in zip(*(tg.tree.leaves(_second(sp.poch, -0.7, 1.2, limit)) for limit in (0, 1 << 40))):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_functions_with_loops_are_called():
    """ψ and its derivatives: also in parallel loops, in branches and of single precision."""
    def f(x):
        total = x[0] * 0
        for i in numba.prange(x.size):
            total += sp.digamma(x[i]) if x[i] > 1 else sp.polygamma(1, x[i])
        return total

    for dtype in (np.float64, np.float32):
        x = np.array([0.5, 1.5, 2.5, 30.0], dtype)
        expected = np.where(x > 1, sp.digamma(x), sp.polygamma(1, x).astype(dtype)).sum()
        np.testing.assert_allclose(tg.jit(f)(x), expected, rtol=1e-6 if dtype is np.float32 else 1e-14)
