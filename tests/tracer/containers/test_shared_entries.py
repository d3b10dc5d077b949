"""An entry of a list of run-time length that is also what a name holds: right while nobody writes to it, else refused."""
import numpy as np
import pytest

import tracegrad as tg

X = np.array([1.0, -2.0, 3.0])


def after_a_for(x):
    xs, y = [], x
    for v in x:
        if v > 0.0:
            y = x * v
            xs.append(y)
    y[0] = 99.0
    return xs


def after_a_while(x):
    xs, y, k = [], x + 0.0, 0
    while x[k] > 0.0:
        y = x * x[k]
        xs.append(y)
        k += 1
    y[0] = 99.0
    return xs


def after_two_loops(x):
    xs, y = [], np.zeros(3)
    for _ in x:
        for v in x:
            if v > 0.0:
                y = x * v
                xs.append(y)
    y[0] = 99.0
    return xs, y


def after_an_if(x):
    xs, y = [], x + 0.0
    if x[0] > 0.0:
        y = x * 2.0
        xs.append(y)
    y[0] = 99.0
    return xs


def last_of_them(x):
    xs, y = [], x
    for v in x:
        if v > 0.0:
            y = x * v
            xs.append(y)
    y[0] = 99.0
    return xs[-1]


def not_written(x):
    xs, y = [], x
    for v in x:
        if v > 0.0:
            y = x * v
            xs.append(y)
    return xs, y * 2.0


def bound_anew(x):
    xs, y = [], x
    for v in x:
        if v > 0.0:
            y = x * v
            xs.append(y)
            y = y + 1.0
    y = y + 0.0
    y[0] = 99.0
    return xs, y


def copies(x):
    xs, y = [], np.zeros(3)
    for v in x:
        y = x * v
        if v > 0.0:
            xs.append(y.copy())
    y[0] = 99.0
    return xs, y


@pytest.mark.parametrize("fn", [after_a_for, after_a_while, after_two_loops, after_an_if, last_of_them])
def test_a_write_to_an_entry_under_another_name_is_refused(fn):
    with pytest.raises(tg.UnsupportedError, match="overwritten through another name"):
        tg.jit(fn)(X.copy())


@pytest.mark.parametrize("fn", [not_written, bound_anew, copies])
def test_what_shares_no_write_is_as_python(fn):
    np.testing.assert_equal(tg.jit(fn)(X.copy()), fn(X.copy()))
