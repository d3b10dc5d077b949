"""Functions of installed packages that their authors have had compiled, called by programs of the user."""
import sys

import numpy as np
import pytest
from trace_check import ops

import tracegrad as tg

PACKAGE = """
import numba, numpy as np, random, time, tracegrad as tg

def noise(n):
    return np.random.normal(size=n)

def jitter(n):
    return [noise(n) for _ in range(2)]

def coin():
    return random.random()

def checked(f):
    def checking(n):
        return f(n)
    return checking

evens = checked(lambda n: np.arange(0.0, 2 * n, 2))
drawn = checked(noise)

class Noisy:
    def __init__(self, n):
        self.noise = noise(n)

def noisy(n):
    return Noisy(n).noise

def now():
    return time.time()

def halved(x):
    if x > 1:
        return x / 2
    return x

def summed(x, y):
    s = 0.0
    for i in range(x.shape[0]):
        if x[i] > y[i]:
            s += halved(x[i] * x[i])
    return s

class Halves:
    def __init__(self, x, y=0.0):
        self.x, self.y = x, halved(y)

    def all(self):
        if self.x > 2:
            return halved(halved(self.x) * 4)
        return self.x

_PLANS = {}

def planned(x):
    _PLANS[x.shape] = _PLANS.get(x.shape, 0) + 1
    return np.tanh(x)

compiled, by_numba = tg.jit(summed), numba.njit(cache=False)(summed)
"""
X, Y = np.array([0.5, 2.0, 3.0]), np.array([0.1, 5.0, 1.0])


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lib") / "site-packages"
    folder.mkdir()
    (folder / "installed_for_this_test.py").write_text(PACKAGE)
    sys.path.insert(0, str(folder))
    try:
        import installed_for_this_test
        yield installed_for_this_test
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("installed_for_this_test", None)


@pytest.mark.parametrize("name", ["compiled", "by_numba"])
def test_calls_from_a_program(package, name):
    f = getattr(package, name)
    assert tg.jit(lambda x, y: f(x, y) + 1)(X, Y) == package.summed(X, Y) + 1
    np.testing.assert_allclose(tg.grad(lambda x, y: f(x, y) * 2)(X, Y), [2.0, 0.0, 6.0])
    np.testing.assert_allclose(tg.grad(f)(X, Y), [1.0, 0.0, 3.0])


def test_a_function_that_nobody_has_compiled_is_traced_where_it_is_given_traced_values(package):
    assert tg.jit(lambda x, y: package.summed(x, y) + 1)(X, Y) == package.summed(X, Y) + 1
    np.testing.assert_allclose(tg.grad(lambda x, y: package.summed(x, y))(X, Y), [1.0, 0.0, 3.0])
    assert tg.jit(lambda x: package.Halves(x).all() + package.Halves(x, y=3.0).y)(X[2]) == 4.5
    assert tg.grad(lambda x: package.Halves([x, 2 * x]).x[1] * 3)(2.0) == 6.0


def test_it_runs_once_by_python_where_it_is_not(package):
    """What it computes of numbers that are known is known: no loop of it stands in the program."""
    assert set(ops(lambda x: x * package.summed(X, Y), 2.0)) <= {"mul"}


def test_it_runs_as_it_stands_where_it_cannot_be_rewritten(package):
    """It keeps something by the shapes that it is given, which compiled code may not, and computes with NumPy alone."""
    assert np.array_equal(tg.jit(lambda x: package.planned(x) * 2)(X), np.tanh(X) * 2)
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(package.planned(x)))(X), 1 - np.tanh(X) ** 2)


def test_what_it_draws_is_drawn_at_each_call(package):
    assert np.array_equal(tg.jit(lambda: package.evens(2) + 1)(), [1.0, 3.0])
    for f in (lambda: package.jitter(3)[1], package.coin, lambda: package.drawn(2) + 1, lambda: package.noisy(2) + 1):
        g = tg.jit(f)
        assert not np.array_equal(g(), g())
    np.random.seed(3)
    found = tg.jit(lambda: package.noise(4))()
    np.random.seed(3)
    assert np.array_equal(found, np.random.normal(size=4))
    with pytest.raises(tg.UnsupportedError, match="reads the clock"):
        tg.jit(lambda: package.now() + 1)()


def test_packages_with_objects_of_their_own_are_not_looked_into(monkeypatch, package):
    from tracegrad.tracer.syntax import source
    monkeypatch.setattr(source, "_OBJECTS_OF_THEIR_OWN", {"installed_for_this_test"})
    with pytest.raises(tg.ConcretizationError):
        tg.jit(lambda x, y: package.summed(x, y) + 1)(X, Y)


def test_in_loops_and_maps(package):
    def many(xs):
        total = 0.0
        for x in xs:
            total += package.compiled(x, Y)
        return total

    xs = np.stack([X, X * 2])
    assert tg.jit(many)(xs) == many(xs)
    np.testing.assert_allclose(tg.vmap(lambda x: package.compiled(x, Y))(xs), [package.summed(x, Y) for x in xs])
