"""No result holds memory that is not the program's: positions that wrap around, are clipped or reflected, in arrays of no
element or one, of a length that only run time knows, at the ends of the integers. Freed memory is filled with a pattern, and
the heap is checked."""
from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import tracegrad as tg

LINE, ONE, NONE, TABLE = np.array([1.3, 0.41, 0.87, 1.9, 0.65]), np.array([2.5]), np.zeros(0), np.arange(12.0).reshape(3, 4)
NEAR = np.array([0, 1, -1, 7, -7])
FAR = np.array([*NEAR, 2**63 - 1, -(2**63)])                   # not for NumPy's "wrap", which counts down one by one


def outcome(f, args):
    with np.errstate(all="ignore"):
        try:
            return f(*(a.copy() if isinstance(a, np.ndarray) else a for a in args))
        except Exception as error:
            return error


def as_numpy(f, *args):
    want, got = outcome(f, args), outcome(tg.jit(f), args)
    if isinstance(want, Exception):
        assert isinstance(got, Exception) and (isinstance(got, type(want)) or isinstance(want, type(got))), (want, got)
        return
    if isinstance(got, Exception):
        raise got
    assert np.asarray(got).dtype == np.asarray(want).dtype
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-13)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("mode", ["reflect", "symmetric"])
@pytest.mark.parametrize("kind", ["even", "odd"])
def test_reflected_borders(mode, kind):
    for x in (LINE, ONE, NONE, LINE[:2], np.arange(5), np.arange(4, dtype=np.uint8)):
        for widths in ((2, 1), (0, 3), (7, 9), (0, 0)):
            as_numpy(lambda x: np.pad(x, widths, mode=mode, reflect_type=kind), x)
    as_numpy(lambda x: np.pad(x, ((1, 2), (5, 0)), mode=mode, reflect_type=kind), TABLE)


def test_the_slope_of_a_reflected_border():
    weights = np.arange(1.0, 13.0)
    found = tg.grad(lambda x: np.sum(weights * np.pad(x, (4, 3), "reflect", reflect_type="odd")))(LINE)
    exact = np.pad(np.eye(5), ((4, 3), (0, 0)), "reflect", reflect_type="odd").T @ weights
    np.testing.assert_allclose(found, exact, rtol=1e-14)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("mode", ["wrap", "clip", "raise"])
def test_taking(mode):
    for x in (LINE, ONE, NONE):
        as_numpy(lambda x, at: np.take(x, at, mode=mode), x, NEAR if mode == "wrap" else FAR)
        as_numpy(lambda x, at: np.take(x, at, mode=mode), x, FAR[:0])
        as_numpy(lambda x: np.take(x, 3, mode=mode), x)
    as_numpy(lambda x, at: np.take(x, at, axis=1, mode=mode), TABLE[:, :0], FAR[:2])
    as_numpy(lambda x, least, at: np.take(x[x > least], at, mode=mode), LINE, 9.0, FAR[:2])
    as_numpy(lambda x, least, at: np.take(x[x > least], at, mode=mode), LINE, 0.7, FAR[:2])

    def put(x, at):
        np.put(x, at, [5.0, 6.0], mode=mode)
        return x

    for x in (LINE, ONE, NONE):
        as_numpy(put, x, FAR[:5])


def test_statistics_of_nothing():
    for f in (lambda x: np.percentile(x, 30), lambda x: np.quantile(x, [0.2, 1.0]),
              lambda x: np.quantile(x, 0.3, method="nearest"), lambda x: np.nanpercentile(x, 30),
              lambda x: np.nanquantile(x, [0.2, 1.0]), np.median, np.nanmedian, np.max, np.argmin,
              lambda x: np.convolve(x, x), lambda x: np.pad(x, 2, mode="edge"), lambda x: np.pad(x, 2, mode="wrap"),
              lambda x: np.interp(0.5, x, x), np.ptp):
        for x in (NONE, ONE):
            as_numpy(lambda x: f(x), x)
    as_numpy(lambda x: np.percentile(x, 30, axis=1), TABLE[:, :0])
    as_numpy(lambda x: np.nanquantile(x, 0.5, axis=0), TABLE[:0])


@pytest.mark.sweep(6, days=True)
def test_lengths_of_nothing_at_run_time():
    for least in (99.0, 1.5, 0.0):
        as_numpy(lambda x, least: np.median(x[x > least]), LINE, least)
        as_numpy(lambda x, least: np.percentile(x[x > least], 30), LINE, least)
        as_numpy(lambda x, least: np.convolve(x[x > least], x), LINE, least)
        as_numpy(lambda x, least: np.pad(x[x > least], 2, mode="edge"), LINE, least)


@pytest.mark.sweep(2, days=True)
def test_the_same_on_a_checked_heap():
    """Once more where freed and fresh memory is filled with a pattern and the heap's records are checked."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not checked_heap", __file__],
                          env={**os.environ, "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "165"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
