"""The programs of cases/ on other arguments: float32, strided, reversed, in Fortran order, of one element, of none."""

import numpy as np
import pytest
from cases import CASES, copied
from test_cases import args_of, assert_same, once

import tracegrad as tg


def each_float(change):
    """`change` applied to every float64 array in a structure."""

    def apply(x):
        if isinstance(x, np.ndarray):
            return change(x) if x.dtype == np.float64 else x
        if isinstance(x, dict):
            return {k: apply(v) for k, v in x.items()}
        if isinstance(x, (tuple, list)):
            return type(x)(apply(v) for v in x)
        return x

    return lambda args: tuple(apply(a) for a in args)


def strided(x):
    wide = np.zeros(tuple(2 * n for n in x.shape))
    part = wide[tuple(slice(None, None, 2) for _ in x.shape)]
    part[...] = x
    return part


def reversed_axes(x):
    kept = x[tuple(slice(None, None, -1) for _ in x.shape)].copy()
    return kept[tuple(slice(None, None, -1) for _ in x.shape)]


LAYOUTS = {
    "float32": each_float(lambda x: x.astype(np.float32)),
    "strided": each_float(strided),
    "reversed": each_float(reversed_axes),
    "fortran": each_float(np.asfortranarray),
}


def copied_as(layout, args):
    """Arguments of the layout, in memory of their own (a plain copy would be contiguous)."""
    return LAYOUTS[layout](copied(args))


TOO_FINE_FOR_FLOAT32 = {
    "newton_square_roots": "its loop ends on a residual of 1e-12, which float32 cannot reach: Python does not end"
}


def evaluated(f, args):
    """What a call returns and leaves behind, or the class of what it raises."""
    try:
        with np.errstate(all="ignore"):
            return f(*args), args, None
    except Exception as error:
        return None, args, error


@pytest.mark.sweep(2, by="case")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_layout(case, layout):
    if layout == "float32" and case.name in TOO_FINE_FOR_FLOAT32:
        pytest.skip(TOO_FINE_FOR_FLOAT32[case.name])
    args = args_of(case)
    ours, theirs = copied_as(layout, args), copied_as(layout, args)
    compiled = once((case.name, "jit"), lambda: tg.jit(case.fn))
    rtol = 2e-5 if layout == "float32" else 1e-12             # parts of a float64 result may be computed in float32
    assert_same(compiled(*ours), case.fn(*theirs), rtol)
    assert_same(ours, theirs, rtol)


def shrunk(args, n):
    """Every array cut to at most n along each axis."""

    def apply(x):
        if isinstance(x, np.ndarray):
            return x[tuple(slice(0, n) for _ in x.shape)].copy()
        if isinstance(x, dict):
            return {k: apply(v) for k, v in x.items()}
        if isinstance(x, (tuple, list)):
            return type(x)(apply(v) for v in x)
        return x

    return tuple(apply(a) for a in args)


@pytest.mark.sweep(2, by="case")
@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_no_element_and_one(case, n):
    """The same result, or an error of the same class."""
    args = shrunk(args_of(case), n)
    result, theirs, error = evaluated(case.fn, copied(args))
    found, ours, raised = evaluated(tg.jit(case.fn), copied(args))
    if error is not None:
        assert isinstance(raised, tuple(c for c in type(error).__mro__ if c not in (Exception, BaseException, object))), (
            error,
            raised,
        )
        return
    assert raised is None, raised
    assert_same(found, result)
    assert_same(ours, theirs)
