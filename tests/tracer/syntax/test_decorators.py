"""Decorators of functions that the program defines, and dataclasses that compare by their fields, as in Python."""
import dataclasses
import functools

import numpy as np
import pytest

import tracegrad as tg


def memo(f):
    cache = {}

    @functools.wraps(f)
    def wrapped(*args):
        if args not in cache:
            cache[args] = f(*args)
        return cache[args]

    return wrapped


def counted(f):
    calls = [0]

    def wrapped(*args, **kwargs):
        calls[0] += 1
        return f(*args, **kwargs)

    wrapped.calls = calls
    return wrapped


def times(factor):
    return lambda f: lambda *args: factor * f(*args)


def remembered(n, x):
    @memo
    def fib(n):
        return x if n < 2 else fib(n - 1) + fib(n - 2)

    return fib(n), fib.__name__


def several(n, x):
    @times(2.0)
    @times(x)
    @counted
    def f(v, k=1):
        return v + k

    @counted
    def g(n):
        return x if n < 2 else g(n - 1) + g(n - 2)

    return f(x), g(n), g.calls[0]


def dispatched(n, x):
    @functools.singledispatch
    def kind(v):
        return 0

    @kind.register
    def _(v: str):
        return 1

    @kind.register(list)
    def _(v):
        return x

    return kind([n]), kind("s"), kind(x)


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    y: float = 0.0
    label: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(order=True)
class Job:
    at: float
    cost: float = 0.0


def compared(n, x):
    return (Point(x, 1.0) == Point(1.0, x, "b"), Point(x) != Point(x + 1), 3 if Point(x, 2.0) == Point(1.0, 2.0) else 4,
            Point(x) in [Point(2.0), Point(1.0)], Job(x, 2.0) < Job(2.0, x), Job(x, 1.0) >= Job(x, 1.0))


def ordered(n, x):
    jobs = [Job(x, 2.0), Job(2.0 - x, 1.0), Job(1.0, x)]
    return max(jobs).cost, min(jobs).at, [j.cost for j in sorted(jobs)]


@pytest.mark.parametrize("fn", [remembered, several, dispatched, compared, ordered])
@pytest.mark.parametrize("x", [1.0, -0.5, 2.5])
def test_values(fn, x):
    assert tg.jit(fn)(6, x) == fn(6, x)


def test_derivatives():
    np.testing.assert_allclose(tg.grad(lambda x: remembered(6, x)[0] * several(6, x)[0])(1.5), 13 * (6 * 1.5 ** 2 + 4 * 1.5))
