"""filter, takewhile, dropwhile, comprehensions with several `for`, and lists repeated as often as run time knows."""
from __future__ import annotations

import itertools

import numpy as np
import pytest

import tracegrad as tg

X = np.array([0.5, 1.5, 2.25, -1.0, 3.0])
K = np.array([3, 0, 2, 3, 1, 0])


def chosen(x):
    return list(filter(lambda v: v > 0, x)), sum(map(lambda v: v * v, filter(None, x)))  # noqa: C417


def ends(x):
    return list(itertools.takewhile(lambda v: v > 0, x)), list(itertools.dropwhile(lambda v: v > 0, x))


def counted(a):
    count = [0] * (max(a) + 1)
    for v in a:
        count[v] += 1
    out = []
    for v, c in enumerate(count):
        out.extend([v] * c)
    return out, count


def grown(a):
    values = [0.0] * a[2]
    values[a[4]] += 1
    values.append(3.0)
    return values, [1, 2] * a[0], [5] * (a[1] - 2)


def radix(a):
    a, e, most = a.tolist(), 1, max(a)
    while most // e > 0:
        buckets = [[] for _ in range(4)]
        for v in a:
            buckets[(v // e) % 4].append(v)
        a = [v for b in buckets for v in b]
        e *= 4
    return a


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f, x", [(chosen, X), (ends, X), (counted, K), (grown, K), (radix, np.array([7, 14, 2, 9]))])
def test_as_python(f, x):
    assert tg.jit(f)(x) == f(x)


def squares(x):
    return sum(v * v for v in filter(lambda v: v > 1, x)) + sum([0.5 * x[0]] * int(x[4]))


def test_derivative():
    np.testing.assert_allclose(tg.grad(squares)(X), [1.5, 3.0, 4.5, 0.0, 6.0])
