"""Indexing functions of NumPy of nothing, of one element, and at extreme positions: NumPy's results, or NumPy's errors.

What a compiled function reads there would otherwise be memory that no argument has.
"""
import copy
import os
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import pytest

import tracegrad as tg

DEBUGGING = pathlib.Path("/lib/x86_64-linux-gnu/libc_malloc_debug.so.0")
Z, ONE, X = np.zeros(0), np.array([1.5]), np.array([1.3, 0.4, 0.8, 1.9, 0.6])
ROWS, COLUMNS, M = np.zeros((0, 3)), np.zeros((3, 0)), np.arange(12.0).reshape(3, 4) % 5
NONE = np.zeros(0, int)
HIGH, LOW = np.array([2**63 - 1]), np.array([-2**63])
FAR = {"wrap": np.array([1_000_001, -999_999])}          # NumPy wraps by subtraction, one length at a time

TAKES = {
    f"take_{mode}_{name}": (lambda a, k, mode=mode, axis=axis: np.take(a, k, axis, mode=mode), a, k)
    for mode in ("wrap", "clip", "raise")
    for name, a, k, axis in (
        ("nothing_of_nothing", Z, NONE, None), ("of_nothing", Z, np.array([0, 7]), None), ("one_of_nothing", Z, 0, None),
        ("no_rows", ROWS, np.array([0]), 0), ("of_no_rows", ROWS, np.array([0]), 1), ("no_columns", COLUMNS, np.array([7]), 0),
        ("high", X, FAR.get(mode, HIGH), None), ("low", X, FAR.get(mode, LOW), 0), ("far", M, np.array([-13, 12, 5]), None),
        ("single", ONE, FAR.get(mode, LOW), 0))
}

PUTS = {
    f"put_{mode}_{name}": (lambda a, k, v, mode=mode: (np.put(a, k, v, mode=mode), a)[1], a, k, v)
    for mode in ("wrap", "clip", "raise")
    for name, a, k, v in (("into_nothing", Z, np.array([1]), ONE), ("nothing", Z, NONE, ONE),
    ("of_nothing", X, np.array([1]), Z),
                          ("high", X, FAR.get(mode, HIGH), ONE), ("low", X, FAR.get(mode, LOW), ONE),
                          ("repeated", X, np.array([3, 3, 1]), np.array([7., 8.])))
}

CHOICES = {
    f"choose_{mode}_{name}": (lambda k, *c, mode=mode: np.choose(k, c, mode=mode), k, *c)
    for mode in ("wrap", "clip", "raise")
    for name, k, c in (("nothing", NONE, (Z, Z)), ("high", FAR.get(mode, HIGH), (ONE, ONE + 1)),
    ("low", FAR.get(mode, LOW), (ONE, ONE + 1)))
}

PADS = {
    f"pad_{mode}_{name}": (lambda a, w=w, mode=mode: np.pad(a, w, mode), a)
    for mode in ("edge", "reflect", "symmetric", "wrap", "mean", "median", "maximum", "minimum", "linear_ramp", "constant")
    for name, a, w in (("nothing", Z, 2), ("nothing_by_nothing", Z, 0), ("one", ONE, 3), ("far", X, (11, 7)),
                       ("no_rows", ROWS, ((0, 0), (1, 1))), ("rows", ROWS, 1), ("matrix", M, ((3, 1), (0, 9))))
}
ODD = {
    f"pad_odd_{mode}_{name}": (lambda a, w=w, mode=mode: np.pad(a, w, mode, reflect_type="odd"), a)
    for mode in ("reflect", "symmetric")
    for name, a, w in (("near", X, (2, 1)), ("left", X, (3, 0)), ("right", X, (0, 4)), ("far", X, (13, 8)), ("one", ONE, 3),
                       ("two", X[:2], (5, 6)), ("matrix", M, ((2, 1), (5, 3))), ("integers", np.array([3, 1, 4]), (4, 2)),
                       ("bytes", np.array([3, 250, 4], np.uint8), (4, 2)), ("nothing", Z, 1),
                       ("flags", np.array([True, False, True]), (2, 2)),
                       ("infinite", np.array([1.0, 2.0, np.inf]), (2, 0)))
}

QUANTILES = {
    f"{function.__name__}_{name}_{method}": (
        lambda a, q, f=function, axis=axis, method=method: f(a, q, axis, method=method), a, q)
    for function in (np.quantile, np.nanquantile)
    for method in ("linear", "lower", "hazen", "inverted_cdf")
    for name, a, q, axis in (("nothing", Z, 0.3, None), ("no_rows", ROWS, 0.3, 0), ("of_no_rows", ROWS, 0.3, 1),
                             ("several", Z, np.array([0.1, 0.5]), None), ("none", Z, Z, None), ("none_of_some", X, Z, None),
                             ("one", ONE, 1.0, None))
} | {
    "quantile_nan": (lambda a, q: np.quantile(a, q), X, np.nan), "percentile_of_nothing": (lambda a: np.percentile(a, 30), Z),
    "quantile_above": (lambda a, q: np.quantile(a, q), X, 1.5),
}

OTHERS = {
    "ravel_wrap": (lambda i, j: np.ravel_multi_index((i, j), (0, 3), mode="wrap"), np.array([1]), np.array([2])),
    "ravel_clip": (lambda i, j: np.ravel_multi_index((i, j), (0, 3), mode="clip"), np.array([1]), np.array([2])),
    "ravel_far": (lambda i, j: np.ravel_multi_index((i, j), (2, 3), mode="wrap"), FAR["wrap"], FAR["wrap"]),
    "ravel_nothing": (lambda i, j: np.ravel_multi_index((i, j), (2, 3)), NONE, NONE),
    "ravel_low": (lambda i, j: np.ravel_multi_index((i, j), (2, 3)), np.array([-1]), np.array([0])),
    "choose_low": (lambda k, a: np.choose(k, (a, a + 1)), np.array([-1]), ONE),
    "unravel_nothing": (lambda i: np.unravel_index(i, (0,)), 0), "unravel_none": (lambda i: np.unravel_index(i, (0,)), NONE),
    "unravel_empty": (lambda i: np.unravel_index(i, (2, 0)), np.array([5])),
    "unravel_high": (lambda i: np.unravel_index(i, (2, 3)), 7), "unravel_low": (lambda i: np.unravel_index(i, (3,)), -1),
    "unravel_last": (lambda i: np.unravel_index(i, (2, 3)), np.array([5, 0])),
    "median": (np.median, Z), "median_rows": (lambda a: np.median(a, 0), ROWS),
    "median_columns": (lambda a: np.median(a, 1), ROWS),
    "nanmedian": (np.nanmedian, Z), "argmax": (np.argmax, Z), "argmax_rows": (lambda a: np.argmax(a, 0), ROWS),
    "argmax_columns": (lambda a: np.argmax(a, 1), ROWS), "argmin": (np.argmin, Z), "nanargmax": (np.nanargmax, Z),
    "nanargmin": (np.nanargmin, Z), "max": (np.max, Z), "max_columns": (lambda a: np.max(a, 1), ROWS),
    "min_rows": (lambda a: np.min(a, 0), ROWS), "nanmax": (np.nanmax, Z), "ptp": (np.ptp, Z),
    "max_initial": (lambda a: np.max(a, initial=3.0), Z), "max_method": (lambda a: a.max(), Z),
    "searchsorted": (np.searchsorted, Z, 1.0), "searchsorted_none": (np.searchsorted, X, Z),
    "digitize": (np.digitize, ONE, Z), "digitize_one": (np.digitize, X, ONE), "interp": (np.interp, 1.0, Z, Z),
    "interp_one": (np.interp, X, ONE, ONE), "interp_none": (np.interp, Z, ONE, ONE), "convolve": (np.convolve, Z, ONE),
    "convolve_by_none": (np.convolve, ONE, Z), "correlate": (np.correlate, Z, Z), "bincount": (np.bincount, NONE),
    "bincount_low": (np.bincount, np.array([-1])), "bincount_lowest": (np.bincount, LOW),
    "reduceat": (np.add.reduceat, Z, np.array([0])), "reduceat_none": (np.add.reduceat, X, NONE),
    "reduceat_beyond": (np.add.reduceat, X, np.array([5])), "reduceat_back": (np.add.reduceat, X, np.array([2, 0, 2])),
    "reduceat_low": (np.add.reduceat, X, np.array([-1])), "reduceat_high": (np.add.reduceat, X, HIGH),
    "maximum_reduceat": (np.maximum.reduceat, X, np.array([4, 1, 1])), "cumsum": (np.cumsum, Z), "cumprod": (np.cumprod, ROWS),
    "accumulate": (np.maximum.accumulate, Z), "minimum_reduce": (np.minimum.reduce, Z), "logaddexp": (np.logaddexp.reduce, Z),
    "diff": (np.diff, Z), "diff_far": (lambda a: np.diff(a, 7), X), "ediff1d": (np.ediff1d, Z), "trapezoid": (np.trapezoid, Z),
    "gradient": (np.gradient, Z), "gradient_one": (np.gradient, ONE), "partition": (lambda a: np.partition(a, 0), Z),
    "partition_beyond": (lambda a: np.partition(a, 5), X), "partition_before": (lambda a: np.partition(a, -6), X),
    "partition_several": (lambda a: np.partition(a, [0, 7], axis=1), M),
    "partition_rows": (lambda a: np.partition(a, 5, 0), ROWS),
    "partition_at": (lambda a, k: np.partition(a, k), X, 5), "partition_method": (lambda a: (a.partition(-6), a)[1], X),
    "argpartition": (lambda a: np.argpartition(a, 0), Z), "argpartition_beyond": (lambda a: np.argpartition(a, -6), X),
    "sort": (np.sort, Z), "sort_one": (np.sort, ONE), "argsort": (np.argsort, Z), "argsort_rows": (np.argsort, ROWS),
    "lexsort": (np.lexsort, np.zeros((2, 0))), "roll": (lambda a: np.roll(a, 3), Z), "roll_by": (np.roll, Z, 3),
    "roll_far": (lambda a: np.roll(a, 2**62 + 1), X), "roll_low": (np.roll, X, -2**63), "roll_high": (np.roll, X, 2**63 - 1),
    "rot90": (np.rot90, np.zeros((0, 2))), "repeat": (lambda a: np.repeat(a, 3), Z),
    "repeat_low": (lambda a: np.repeat(a, -1), X),
    "repeat_by": (np.repeat, np.array([1.0, 2.0]), np.array([1, -1])),
    "repeat_none": (np.repeat, np.array([1.0, 2.0]), np.array([0, 0])),
    "tile": (lambda a: np.tile(a, 3), Z), "tile_low": (lambda a: np.tile(a, -1), X), "tile_none": (lambda a: np.tile(a, 0), X),
    "insert": (lambda a: np.insert(a, 0, 1.0), Z), "insert_beyond": (lambda a: np.insert(a, 1, 1.0), Z),
    "insert_low": (lambda a: np.insert(a, -2**63, 1.0), X), "insert_at": (lambda a, k: np.insert(a, k, 1.0), X, 2**63 - 1),
    "delete": (lambda a: np.delete(a, 0), Z), "delete_low": (lambda a: np.delete(a, -6), X),
    "delete_high": (lambda a: np.delete(a, 2**63 - 1), X), "delete_at": (lambda a, k: np.delete(a, k), X, -2**63),
    "delete_one": (lambda a: np.delete(a, -1), ONE), "resize": (lambda a: np.resize(a, 3), Z),
    "resize_to_none": (lambda a: np.resize(a, 0), X),
    "along_nothing": (lambda a, k: np.take_along_axis(a, k, 0), Z, np.array([0])),
    "along_none": (lambda a, k: np.take_along_axis(a, k, 0), Z, NONE),
    "along_low": (lambda a, k: np.take_along_axis(a, k, 0), X, LOW),
    "put_along": (lambda a, k: (np.put_along_axis(a, k, 1.0, 0), a)[1], Z, np.array([0])),
    "eye_low": (lambda a: np.eye(3, k=-2**63) + a[0], ONE), "eye_far": (lambda a: np.eye(3, k=2**62) + a[0], ONE),
    "tri_far": (lambda a: np.tri(3, k=2**40) * a, ONE), "diag": (np.diag, Z), "diag_low": (lambda a: np.diag(a, -3), X),
    "diag_beyond": (lambda a: np.diag(a, 5), M), "diagonal": (np.diagonal, np.zeros((0, 0))), "trace": (np.trace, ROWS),
    "slice_high": (lambda a: a[2**63 - 1:], X), "slice_low": (lambda a: a[-2**63:], X), "step_high": (lambda a: a[::2**62], X),
    "step_low": (lambda a: a[::-2**63], X), "item_low": (lambda a: a[-2**63], X), "item_at": (lambda a, k: a[k], X, -2**63),
    "item_high": (lambda a, k: a[k], X, 2**63 - 1), "item_before": (lambda a, k: a[k], X, -6),
    "items": (lambda a, k: a[k], X, HIGH),
    "slice_from": (lambda a, k: a[k:].sum(), X, 2**63 - 1), "slice_to": (lambda a, k: a[:k].sum(), X, -2**63),
    "split": (lambda a: np.split(a, 1)[0], Z), "array_split": (lambda a: np.array_split(a, 7), X), "unique": (np.unique, Z),
    "vander": (np.vander, Z), "polyval": (np.polyval, Z, 1.0), "kron": (np.kron, Z, Z), "flip": (np.flip, Z),
    "cross": (np.cross, ROWS, ROWS), "var": (np.var, Z), "nonzero": (np.nonzero, Z), "flatnonzero": (np.flatnonzero, Z),
    "compress": (np.compress, np.zeros(0, bool), Z), "extract": (np.extract, np.zeros(0, bool), Z),
    "dot": (np.dot, Z, Z), "matmul": (np.matmul, np.zeros((2, 0)), ROWS), "det": (np.linalg.det, np.zeros((0, 0))),
    "norm": (np.linalg.norm, Z), "histogram": (lambda a: np.histogram(a)[0], Z),
    "stat_length_0": (lambda a: np.pad(a, 1, "mean", stat_length=0), X),
    "stat_length_9": (lambda a: np.pad(a, 1, "mean", stat_length=9), X),
    "max_stat_length_0": (lambda a: np.pad(a, 1, "maximum", stat_length=0), X),
}
LENGTHS = {                                                  # of as many elements as only run time knows: none
    f"length_{name}": (f, X, 0) for name, f in {
        "take_wrap": lambda a, k: np.take(a[:k], [0, 7], mode="wrap"),
        "take_clip": lambda a, k: np.take(a[:k], [0, 7], mode="clip"),
        "take_one": lambda a, k: np.take(a[:k], 3, mode="clip"), "take": lambda a, k: np.take(a[:k], [0]),
        "quantile": lambda a, k: np.quantile(a[:k], 0.3), "lower": lambda a, k: np.quantile(a[:k], 0.3, method="lower"),
        "median": lambda a, k: np.median(a[:k]), "nanmedian": lambda a, k: np.nanmedian(a[:k]),
        "max": lambda a, k: np.max(a[:k]), "argmin": lambda a, k: np.argmin(a[:k]), "ptp": lambda a, k: np.ptp(a[:k]),
        "nanmax": lambda a, k: np.nanmax(a[:k]), "nanargmin": lambda a, k: np.nanargmin(a[:k]),
        "last": lambda a, k: a[:k][-1], "first": lambda a, k: a[:k][0], "pad": lambda a, k: np.pad(a[:k], 2, "edge"),
        "pad_by": lambda a, k: np.pad(a[:k], k, "edge"), "mean": lambda a, k: np.mean(a[:k]), "var": lambda a, k: np.var(a[:k]),
        "sort": lambda a, k: np.sort(a[:k]), "cumsum": lambda a, k: np.cumsum(a[:k]), "diff": lambda a, k: np.diff(a[:k]),
        "interp": lambda a, k: np.interp(0.5, a[:k], a[:k]), "searchsorted": lambda a, k: np.searchsorted(a[:k], 0.5),
        "digitize": lambda a, k: np.digitize(a, a[:k]), "roll": lambda a, k: np.roll(a[:k], 3),
        "trapezoid": lambda a, k: np.trapezoid(a[:k]),
        "maximum_reduce": lambda a, k: np.maximum.reduce(a[:k]), "prod": lambda a, k: np.prod(a[:k]),
        "reduceat": lambda a, k: np.add.reduceat(a[:k], [0]), "dot": lambda a, k: a[:k] @ a[:k],
        "flip": lambda a, k: a[:k][::-1],
        "ends": lambda a, k: a[:k][1:-1].sum(), "tile": lambda a, k: np.tile(a[:k], 2),
        "repeat": lambda a, k: np.repeat(a[:k], 2),
        "outer": lambda a, k: np.outer(a[:k], a), "partition": lambda a, k: np.partition(a[:k], 0),
        "norm": lambda a, k: np.linalg.norm(a[:k]), "accumulate": lambda a, k: np.maximum.accumulate(a[:k]),
        "zeros": lambda a, k: np.zeros(k), "low": lambda a, k: np.zeros(k - 1), "arange": lambda a, k: np.arange(k - 3),
        "repeat_low": lambda a, k: np.repeat(a, k - 1), "linspace": lambda a, k: np.linspace(0.0, 1.0, k),
        "linspace_low": lambda a, k: np.linspace(0.0, 1.0, k - 1), "eye": lambda a, k: np.eye(k),
        "full_low": lambda a, k: np.full(k - 2, 1.0),
        "put": lambda a, k: (np.put(a[:k], [0], 1.0, mode="clip"), a)[1], "choose": lambda a, k: np.choose([k - 1], (a, a)),
        "eye_low": lambda a, k: np.eye(k - 1), "tri": lambda a, k: np.tri(k),
        "identity": lambda a, k: np.identity(k - 1)}.items()
}
CASES = TAKES | PUTS | CHOICES | PADS | ODD | QUANTILES | OTHERS | LENGTHS


def outcome(f, args):
    """The result, or the exception."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f(*copy.deepcopy(args))
    except Exception as error:
        return error


def expect_same(got, want):
    if isinstance(want, Exception):
        kinds = [k for k in (IndexError, ValueError, TypeError, OverflowError, MemoryError) if isinstance(want, k)]
        assert isinstance(got, (*kinds, tg.TracegradError)), (got, want)
        assert not isinstance(got, tg.TracegradError) or any(isinstance(got, k) for k in kinds), (got, want)
    elif isinstance(want, (tuple, list)):
        assert len(got) == len(want)
        for a, b in zip(got, want):
            expect_same(a, b)
    else:
        assert not isinstance(got, Exception), (got, want)
        assert np.asarray(got).dtype == np.asarray(want).dtype, (got, want)
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15, strict=True)


GRADIENTS = {name: CASES[name] for name in CASES if name.startswith("pad_odd") and CASES[name][1].dtype == float
             and CASES[name][1].size and np.isfinite(CASES[name][1]).all()} | {
    "take_wrap_far": TAKES["take_wrap_far"], "take_clip_far": TAKES["take_clip_far"], "roll": (lambda a: np.roll(a, 3), X)}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_of_linear_functions_are_their_transposes(name):
    f, x, *rest = GRADIENTS[name]
    weights = np.cos(np.arange(np.size(f(x, *rest)))).reshape(np.shape(f(x, *rest)))
    want = [np.sum(weights * f(e.reshape(x.shape), *rest)) for e in np.eye(x.size)]
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(weights * f(x, *rest)))(x).ravel(), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_what_numpy_gives_or_raises(name):
    f, *args = CASES[name]
    want = outcome(f, args)
    expect_same(outcome(tg.jit(lambda *args: f(*args)), args), want)


EMPTY_CHUNKS = '''
import numpy as np, tracegrad as tg

def f(x, bound):
    y, m = np.zeros(x.shape), x > bound
    found = x[m]
    np.place(y, m, (found * 2 - found) / (2 * (1 - found)))
    return np.sum(y)

slope, x = tg.grad(f), np.linspace(2.0, 3.0, 8)
for _ in range(200):
    assert not slope(x, 500.0).any()
'''


@pytest.mark.skipif(not DEBUGGING.exists(), reason="glibc's checks of its heap are not installed")
def test_a_parallel_loop_without_iterations_writes_nowhere(tmp_path):
    """Gradients of elements that a mask picks, where it picks none."""
    path = tmp_path / "program.py"
    path.write_text(EMPTY_CHUNKS)
    env = {**os.environ, "LD_PRELOAD": str(DEBUGGING), "GLIBC_TUNABLES": "glibc.malloc.check=3"}
    done = subprocess.run([sys.executable, str(path)], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
