"""Objects of users' classes in traced code: operators, properties, attributes that change; sums of comprehensions."""
import copy
import dataclasses
import functools
import math

import numpy as np
import pytest
from trace_check import check, ops
from tracegrad.ir.errors import UnsupportedError
from tracegrad.tracer.staging import trace_function

X = np.array([0.5, -1.5, 2.5, 3.5, -0.25, 1.0, 7.0])


class Vector:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y) if isinstance(other, Vector) else Vector(self.x + other,
                                                                                                   self.y + other)

    def __radd__(self, other):
        return self + other

    def __mul__(self, k):
        if k > 0:
            return Vector(self.x * k, self.y * k)
        return Vector(-self.x * k, -self.y * k)

    def __neg__(self):
        return Vector(-self.x, -self.y)

    def __lt__(self, other):
        return self.norm < other.norm

    def __getitem__(self, k):
        return self.x if k == 0 else self.y

    def __isub__(self, other):
        self.x = self.x - other.x
        return self

    @property
    def norm(self):
        n = math.sqrt(self.x**2 + self.y**2)
        return n if n > 1 else 1.0

    @functools.cached_property
    def angle(self):
        return math.atan2(self.y, self.x)


def operators(x):
    a, b = Vector(x[0], x[1]), Vector(x[2], x[3])
    c = -((a + b) * x[4])
    c.x += 1.0
    a += b
    b -= a
    for i in range(6):
        c = c + a * x[i]
        c.y = c.y * 0.5
    d = 1.0 + a
    return c.x, c.y, c.norm, c.angle, c[1], a.x, b.x, d.y, a < c


@dataclasses.dataclass
class State:
    x: float
    v: float

    def step(self, dt):
        self.x += dt * self.v
        self.v -= dt * self.x


def dataclass_in_loop(x):
    s = State(x[0], 0.0)
    for _ in range(20):
        s.step(0.1)
    t = dataclasses.replace(s, v=1.0)
    t.x = t.x * 2
    return s.x, t.x


def list_of_objects(x):
    states = [State(x[i], 0.0) for i in range(3)]
    for _ in range(5):
        for s in states:
            s.step(0.1)
    return [s.x for s in states]


def made_in_branch(x):
    if x[0] > 0:
        v, items = Vector(x[1], 2.0), [x[0], 1.0]
    else:
        v, items = Vector(1.0, x[1]), [1.0, x[0]]
    v.x += 1.0
    items[0] = 9.0
    return v.x, v.y, items


def made_in_loop(x):
    p, v = [x[0], x[1]], Vector(x[0], x[1])
    for i in range(6):
        p = [p[1], p[0] + i]
        v = v + Vector(x[i], 1.0)
    p[0] = 5.0
    v.x += 1
    return p, v.x, v.y


def copied(x):
    d = {"a": x, "b": [x * 2, 1]}
    e, f = copy.deepcopy(d), copy.copy(d)
    e["a"][0] = 9.0
    f["b"] = 3
    return d, e


@pytest.mark.parametrize("fn", [operators, dataclass_in_loop, list_of_objects, made_in_branch, made_in_loop, copied],
                         ids=lambda f: f.__name__)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_objects(fn, sign):
    check(fn, X * sign)


def test_an_object_that_may_be_one_of_two():
    def fn(x):
        a, b = Vector(x[0], x[1]), Vector(x[2], x[3])
        if x[0] > 0:
            c = a
        else:
            c = b
        c.x = 1.0
        return a.x + b.x

    check(fn, X)


# --- sums of comprehensions -------------------------------------------------------------------------------------------


def sums(x):
    return (sum(v * i for i, v in enumerate(x) if v > 0), sum([x[i] * x[j] for i in range(7) for j in range(i) if i != j], 1.5),
            sum(w for w in [1, 2, 3]), sum(row for row in np.outer(x, x)), sum(1 for v in x if v > 0))


def truths(x):
    return any(v > 3 for v in x), all(v > -5 for v in x), any([v > 30 for v in x]), all(v > 0 for v in x), any(v for v in [])   # noqa: C419


def of_lengths_known_at_run_time(x):
    s = 0.0
    for i in range(7):
        s += sum(x[k] * k for k in range(i))
        if any(x[k] > 2 for k in range(i)):
            s += 1
    return s


def stops_in_time(x):
    return any(x[k] > 3 for k in range(100))           # x[7] does not exist, and is never asked for


def cholesky(x):
    a = np.outer(x, x) + np.eye(7) * 5
    low = np.zeros_like(a)
    for i in range(7):
        for j in range(i + 1):
            s = sum(low[i, k] * low[j, k] for k in range(j))
            if i == j:
                low[i, j] = np.sqrt(a[i, i] - s)
            else:
                low[i, j] = (a[i, j] - s) / low[j, j]
    return low


def shadowed(x):
    from numpy import sum
    return sum([v * 2 for v in x])


@pytest.mark.parametrize("fn", [sums, truths, of_lengths_known_at_run_time, stops_in_time, cholesky, shadowed],
                         ids=lambda f: f.__name__)
def test_sums(fn):
    check(fn, X.copy())


def test_sums_stay_loops():
    def fn(x, n):
        return sum(x[k % 7] for k in range(n))

    assert ops(fn, X, 10) == ops(fn, X, 10_000_000)
    check(fn, X, 20)


def test_attributes_of_inner_functions():
    def fn(x):
        def square(y):
            return y * y

        def counted(f):
            @functools.wraps(f)
            def run(y):
                run.calls += 1
                return f(y)
            run.calls = 0
            return run

        square.__name__, square.scale = "sq", 1.0
        if x[0] > 0:
            square.scale = 3.0
        f = counted(square)
        return f(x[0]) + f(x[1]) + f.calls + square.scale

    check(fn, X)
    check(fn, -X)

    def outside(x):
        helper_with_state.calls = 1
        return x

    with pytest.raises(UnsupportedError, match="changes a function that exists outside"):
        trace_function.trace(outside, (X,))


def helper_with_state(x):
    return x
