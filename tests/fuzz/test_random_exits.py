"""Random programs of exits and generators (program_exits.py): compiled equals evaluator equals Python, also in what is raised
and in what is written before; gradients equal differences. `TRACEGRAD_FULL_TESTS=1` runs 2,000, `TRACEGRAD_SEED=` others."""
import os
import warnings

import numpy as np
import pytest
import sweeps
from program_checks import loaded
from program_exits import Exits
from tracegrad.ir.errors import ConcretizationError, UnsupportedError

import tracegrad as tg

REFUSED = (ConcretizationError, UnsupportedError)
COUNT = int(os.environ.get("TRACEGRAD_PROGRAMS", 2000 if sweeps.FULL else 25))
FIRST = 1_000_000 * int(os.environ.get("TRACEGRAD_SEED", 0))
INPUTS = list(np.array([[.5, .3, 1.2, .1], [-.7, 2., .4, .9], [1., 0., -1., 3.], [.05, -.2, .3, .3], [2.5, 1.5, .2, -1.]]))


def outcome(run, x):
    """(the value, or the exception's class and what it says; the array that is written)"""
    w = np.zeros(3)
    try:
        return float(run(x.copy(), w)), w
    except REFUSED:
        raise
    except Exception as error:
        cls = next(c for c in type(error).__mro__ if not c.__module__.startswith("tracegrad"))
        return (cls.__name__, str(error).partition("\n")[0]), w


def same(got, want):
    number = isinstance(want[0], float)
    if isinstance(got[0], float) != number or not np.allclose(got[1], want[1], rtol=1e-10, atol=1e-12, equal_nan=True):
        return False
    return np.isclose(got[0], want[0], rtol=1e-10, atol=1e-12, equal_nan=True) if number else got[0][0] == want[0][0]


def slopes(fn, x, k):
    """Differences to both sides and in the middle, for two steps; None where there is no value."""
    found = {h: outcome(fn, x + h * np.eye(4)[k])[0] for h in (-1e-6, -5e-7, 0.0, 5e-7, 1e-6)}
    if not all(isinstance(v, float) for v in found.values()):
        return None
    return [(found[b] - found[a]) / (b - a) for a, b in ((-1e-6, 1e-6), (-5e-7, 5e-7), (0.0, 1e-6), (-1e-6, 0.0))]


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_exits(seed, tmp_path):
    fn = loaded(Exits(seed).program(), tmp_path)
    compiled, gradient = tg.jit(fn), tg.grad(fn)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for x in INPUTS:
            want = outcome(fn, x)
            try:
                got = outcome(compiled, x)
            except REFUSED as error:
                pytest.skip(str(error).partition("\n")[0])
            assert same(got, want), (x, got, want)
            assert same(outcome(compiled.interpret, x), want)
            if not isinstance(want[0], float) or not abs(want[0]) < 1e6:
                continue
            found = gradient(x.copy(), np.zeros(3))
            for k in range(4):
                d = slopes(fn, x, k)
                if d and np.isfinite(found[k]) and np.ptp(d) < 1e-4 * (1 + abs(d[0])):
                    assert abs(found[k] - d[0]) < 1e-3 * (1 + abs(d[0])), (x, k, found[k], d[0])     # not finite: inf - inf
