"""An entry of a list of run-time length that is also what a name holds: right while nobody writes to it, else refused."""
import heapq
from collections import deque
from dataclasses import dataclass

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


@dataclass
class Pair:
    a: float
    b: float


def writes_into_an_entry(x):
    out = []
    for v in x:
        if v > 0:
            out.append([v, 1.0])
    out[0][1] = 5.0
    return out


def changes_what_it_appended(x):
    out, row = [], [0.0, 0.0]
    for v in x:
        if v > 0:
            out.append(row)
    row[1] = 5.0
    return out


def writes_while_it_runs_over_them(x):
    out = []
    for v in x:
        if v > 0:
            out.append({"a": v})
    for entry in out:
        entry["a"] += 1.0
    return out


def assigns_an_attribute(x):
    out = []
    for v in x:
        if v > 0:
            out.append(Pair(v, 1.0))
    out[-1].b = 5.0
    return [p.b for p in out]


def writes_into_the_last_of_a_deque(x):
    d = deque()
    for v in x:
        if v > 0:
            d.append([v, 1.0])
    d[-1][0] = 9.0
    return list(d)


@pytest.mark.parametrize("fn", [writes_into_an_entry, changes_what_it_appended, writes_while_it_runs_over_them,
                                assigns_an_attribute, writes_into_the_last_of_a_deque])
def test_an_entry_of_a_list_of_run_time_length_is_not_changed(fn):
    """The list holds what was entered, and would not see it."""
    with pytest.raises(tg.UnsupportedError, match="that is an entry of a list whose length is known only at run time"):
        tg.jit(fn)(np.array([1.0, -1.0, 2.0]))


def test_an_entry_is_replaced():
    def fn(x):
        out = []
        for v in x:
            if v > 0:
                out.append([v, 1.0])
        out[0] = [out[0][0], 5.0]
        return out

    x = np.array([1.0, -1.0, 2.0])
    assert tg.jit(fn)(x) == fn(x)


@pytest.mark.sweep(2, days=True)
def test_what_was_taken_out_may_be_changed():
    def fn(x):
        out, d, h = [], deque(), []
        for v in x:
            if v > 0:
                out.append([v, 1.0])
                d.append([v, 2.0])
                heapq.heappush(h, [v, 3.0])
        for entry in (out.pop(0), d.popleft(), heapq.heappop(h)):
            entry[1] += 4.0
            out.append(entry)
        return out

    x = np.array([1.0, -1.0, 2.0])
    assert tg.jit(fn)(x) == fn(x)


def with_defaults(x, **options):
    options["scale"] = options.get("scale", 2.0) * x
    options.setdefault("shift", 1.0)
    return options["factor"] * options["scale"] + options["shift"]


def by_branches(x):
    if x > 0:
        y = with_defaults(x, factor=3.0)
    else:
        y = with_defaults(x, factor=1.0, scale=5.0)
    return y


@pytest.mark.parametrize("x", [2.0, -2.0])
def test_the_dict_of_named_arguments_is_the_functions_own(x):
    """It may get items in a branch that run time decides, as a dict that the branch makes."""
    assert tg.jit(by_branches)(x) == by_branches(x) and tg.grad(by_branches)(x) == (6.0 if x > 0 else 5.0)
    options = {"factor": 1.0}
    assert tg.jit(lambda x: with_defaults(x, **options))(x) == with_defaults(x, **options) and options == {"factor": 1.0}
