"""Users' classes, exceptions and functions as values: slots, special methods, choices between functions, deques."""
import dataclasses
import linecache
import math
from collections import deque

import numpy as np
import pytest
from trace_check import check
from tracegrad.ir.errors import UnsupportedError
from tracegrad.tracer.staging import trace_function

import tracegrad as tg

X = np.array([0.5, -1.5, 2.5, 3.5, -0.25, 1.0, 7.0])


class Vector:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __mul__(self, k):
        return Vector(self.x * k, self.y * k)

    __rmul__ = __mul__

    def __neg__(self):
        return Vector(-self.x, -self.y)

    def __abs__(self):
        return math.hypot(self.x, self.y)

    def __float__(self):
        return float(self.x)

    def __len__(self):
        return 2

    def __iter__(self):
        return iter((self.x, self.y))

    def __iadd__(self, other):
        self.x += other.x
        self.y += other.y
        return self


def orbits(a, b, n):
    p, v = Vector(a, b), Vector(0.0, 1.0)
    for _ in range(n):
        v = v + -p * (1 / abs(p) ** 3) * 0.01
        p += 0.01 * v
    x, y = p
    return x, y, float(v), len(p), v.y


def test_special_methods_and_slots():
    check(orbits, 1.0, 0.5, 25)
    check(orbits, np.float64(1.0), 0.5, 2)
    hand = (sum(orbits(1.0 + 1e-6, 0.5, 25)) - sum(orbits(1.0 - 1e-6, 0.5, 25))) / 2e-6
    np.testing.assert_allclose(tg.grad(lambda a: sum(orbits(a, 0.5, 25)))(1.0), hand, rtol=1e-7)


# --- functions as values ------------------------------------------------------------------------------------------------

def activates(x, k):
    f = np.tanh
    if k > 0:
        scale = x[0] * k

        def f(v):
            return v * scale
    elif k < -1:
        f = np.sin
    total = 0.0
    for v in x:
        total = total + f(v)
    return total


def chooses(x, k):
    f = (lambda v: v * x[0]) if k > 0 else np.cos if k < -1 else np.sin
    size = abs if x[1] > 0 else np.cos
    return f(x), size(x[2])


@pytest.mark.parametrize("k", [1.0, -0.5, -2.0])
def test_a_choice_between_functions(k):
    check(chooses, X, k)
    check(activates, X, k)
    hand = [(np.sum(chooses(X + 1e-6 * e, k)[0]) - np.sum(chooses(X - 1e-6 * e, k)[0])) / 2e-6 for e in np.eye(7)]
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(chooses(x, k)[0]))(X), hand, rtol=1e-6, atol=1e-8)


def scaler(k):
    return lambda v: v * k


def test_a_function_that_captures_what_its_branch_made_is_refused():
    with pytest.raises(UnsupportedError, match="leave `f` different"):
        trace_function.trace(captures, (X,))


def captures(x):
    f = np.sin
    if x[0] > 0:
        f = scaler(np.exp(x[1]))
    return f(2.0)


# --- exceptions -----------------------------------------------------------------------------------------------------------

class Diverged(ValueError):
    pass


class Detailed(Exception):
    def __init__(self, step, value):
        super().__init__(f"{step}: {value}")


def diverges(x, limit):
    total = 0.0
    for k, v in enumerate(x):
        total += v
        if total > limit:
            raise Diverged(f"step {k}: {total:.2f}")
    return total


def details(x):
    if x[0] > 0:
        raise Detailed(1, x[0])
    return x


def test_exceptions_of_the_users_own():
    check(diverges, X, 1000.0)
    for evaluator in (False, True):
        f = tg.jit(diverges)
        with pytest.raises(Diverged, match=r"^step 3: 5\.00"):
            (f.interpret if evaluator else f)(X, 2.0)
        details_of = tg.jit(details)
        with pytest.raises(Detailed, match=r"^1: 0\.5"):
            (details_of.interpret if evaluator else details_of)(np.array([0.5, 2.0]))
    with pytest.raises(UnsupportedError, match="compiled code makes exceptions of texts and numbers"):
        trace_function.trace(holds_an_array, (X,))


def holds_an_array(x):
    if x[0] > 0:
        raise ValueError(x)
    return x


@dataclasses.dataclass
class Pendulum:
    x: float
    v: float


def swing(k, steps):
    p = Pendulum(1.0, 0.0)
    for _ in range(steps):
        p = Pendulum(p.x + 0.01 * p.v, p.v - 0.01 * k * p.x)
    return p.x


def test_a_generated_init_beside_a_program_without_a_file(monkeypatch):
    """`python -c` of CPython 3.13 gives "<string>", the file of generated functions, the lines of the program."""
    lines = ["import dataclasses\n", "def __init__(self, x, v):\n", "    self.x = 17.0\n"]
    monkeypatch.setitem(linecache.cache, "<string>", (len(lines), None, lines, "<string>"))
    assert tg.jit(swing)(2.0, 100) == swing(2.0, 100)
    assert np.isclose(tg.grad(swing)(2.0, 100), (swing(2.0 + 1e-6, 100) - swing(2.0 - 1e-6, 100)) / 2e-6, rtol=1e-6)


# --- containers -----------------------------------------------------------------------------------------------------------

def moving_mean(x, window):
    window, out = deque(window, maxlen=3), np.empty_like(x)
    for i in range(len(x)):
        window.append(x[i])
        out[i] = sum(window) / len(window)
    for v in x:
        last = deque([v, v * 2])
    return out, window, sum(last)


def test_deques_are_containers():
    check(lambda x: moving_mean(x, [0.0] * 3)[::2], X)
    found, expected = tg.jit(moving_mean)(X, deque([1.0, 2.0])), moving_mean(X, deque([1.0, 2.0]))
    assert type(found[1]) is deque and found[1].maxlen == 3 and list(found[1]) == list(expected[1])


def appends_in_a_derivative(x):
    seen = []

    def f(v):
        seen.append(v)
        return v * v

    return tg.grad(f)(x[0]), seen


def stores_in_a_derivative(x):
    seen = {"last": 0.0}

    def f(v):
        seen["last"] = v
        return v * v

    return tg.grad(f)(x[0]), seen


@pytest.mark.parametrize("fn", [appends_in_a_derivative, stores_in_a_derivative], ids=lambda f: f.__name__)
def test_side_effects_of_what_is_differentiated_inside_are_refused(fn):
    with pytest.raises(UnsupportedError, match=r"or mapped inside compiled code|outside of the function") as caught:
        trace_function.trace(fn, (X,))
    assert "return the value instead" in str(caught.value)
