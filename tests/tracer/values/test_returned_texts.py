# ruff: noqa: UP031, UP032
"""Texts with numbers of run time in them that are returned; lists that are asked whether they are empty; items by identity."""
from __future__ import annotations

import math

import numpy as np
import pytest

import tracegrad as tg


def texts(x, y, n):
    return [f"{x[0]:.2f} and {n}", {"k": f"{y}{n:>4}"}, f"{x[0]!r} {y!r}", repr(n) + ",", "{:.1f}-{}".format(x[1], x[0] > 1)]


@pytest.mark.parametrize("y", [np.float32(0.1), 0.1, 3, True])
def test_texts_are_completed_at_the_end(y):
    x = np.array([1.0, 2.5])
    assert tg.jit(texts)(x, y, 7) == texts(x, y, 7)


def of_lists(x):
    found = [v for v in x if v > 0]
    return f"{found} of {len(x)}"


class Run:
    def __init__(self):
        self.count, self.name = 0, ""

    def step(self, v, values):
        self.count += 1
        self.name = f"step {self.count}: {v}"
        self.seen = {int(k): f"{k}" for k in range(2)}
        return self

    def tally(self, values):
        found = {}
        for v in values:
            found[int(v)] = found.get(int(v), 0) + 1
        self.found = found
        return found


def test_texts_and_tables_that_objects_get():
    x = np.array([1.0, -2.0, 1.0])
    assert tg.jit(of_lists)(x) == of_lists(x)
    mine, theirs = Run(), Run()
    assert tg.jit(lambda run, v: run.step(v, None).name)(mine, 2.5) == theirs.step(2.5, None).name
    assert tg.jit(lambda run, x: run.tally(x))(mine, x) == theirs.tally(x)
    assert vars(mine) == vars(theirs)


def empty(x, bound):
    found = [v for v in x if v < bound]
    return bool(found), (1 if found else 0), not found


def test_truth_of_lists():
    x = np.array([3.0, 1.0])
    for bound in (2.0, 0.0):
        assert tg.jit(empty)(x, bound) == empty(x, bound)


def looked_up(v):
    values = [1.0, v, 2.0, v]
    return values.index(v), values.count(v), v in values


@pytest.mark.parametrize("v", [math.nan, 2.0, 1.0, 7.0])
def test_an_item_is_found_by_identity(v):
    assert tg.jit(looked_up)(v) == looked_up(v)


def percents(a, n, x):
    return ["%d items %.2f" % (n, a), "%5s|%-8s|%s" % (n, a, a), "%r %r" % (a, n), "%08.3f|%+d|% d|%e|%g" % (a, n, n, a, a),
            "100%% %s" % a, "%(k)s=%(v)5.1f" % {"k": "a", "v": a}, "%d %s %s" % (a, "q", x[0] > 1),
            "%G|%-10d|%010d" % (x[0], n, n)]


def test_percent():
    f = tg.jit(percents)
    for args in ((3.75, 4, np.array([1.5])), (-0.001, -123456, np.array([np.inf]))):
        assert f(*args) == percents(*args)
    with pytest.raises(OverflowError, match="cannot convert float infinity to integer"):
        f(np.inf, 1, np.array([1.0]))
    with pytest.raises(OverflowError, match="out of bounds for int64"):
        f(1e20, 1, np.array([1.0]))
    with pytest.raises(TypeError, match="not enough arguments for format string"):
        tg.jit(lambda a: "%s %s" % a)(1.0)


def joined(names, values):
    parts = [f"{n}={v:.2f}" for n, v in zip(names, values)]
    signs = "/".join("neg" if v < 0 else "pos" for v in values)
    return ", ".join(parts), "-".join(map(str, values)), "".join(names), "\t".join([str(len(names)), parts[0]]), signs


def test_texts_are_joined():
    for values in ([1.5, -2.25], [-3.0, 4.0]):
        assert tg.jit(joined)(["a", "b"], values) == joined(["a", "b"], values)
    with pytest.raises(TypeError, match="sequence item 0: expected str instance"):
        tg.jit(lambda x: ", ".join([x]))(1.5)
