"""`f.why_recompiled()`: what is otherwise than in the calls that have a kernel."""
import re
import types

import numpy as np
import pytest

import tracegrad as tg

X = np.ones(3)
RATE = 2.0
SETTINGS = {"weights": [1.0, 3.0]}
TABLE = np.arange(3.0)


def scaled(x, n=1):
    return x * RATE * n


def weighted(x):
    return x * SETTINGS["weights"][1]


def looked_up(x):
    return x + TABLE


def sized(n):
    return np.ones(n)


def why(f):
    """What stands behind the call."""
    return re.fullmatch(r"\w+ of [\w.<>]+\((.*?)\): (.*)", f.why_recompiled()).groups()


def test_nothing_yet_and_first_call():
    f = tg.jit(lambda x: x + 1)
    assert f.why_recompiled() == "nothing has been compiled yet"
    f(X)
    assert f.why_recompiled() == "jit of test_nothing_yet_and_first_call.<locals>.<lambda>(x): first call"
    f(X + 1)
    assert why(f)[1] == "first call"                          # a call that a kernel takes changes nothing


def test_arguments():
    f = tg.jit(lambda x, mode="a": x + 1)
    f(X, "a")
    f(X.astype("f4"), "a")
    assert why(f) == ("x, mode", "other arguments: x is f32[3], was f64[3]")
    f(X.astype("f4"), "b")
    assert why(f)[1] == "other arguments: mode is 'b', was 'a'"
    f(1.0, "b")
    assert why(f)[1] == "other arguments: x is float, was f32[3]"
    f(X)
    assert why(f)[1] == "arguments of another structure: x instead of x, mode"
    g = tg.grad(lambda xs: np.sum(xs[0]))
    g([X, X])
    g([X, X, X])
    assert why(g)[1] == "arguments of another structure: xs[0], xs[1], xs[2] instead of xs[0], xs[1]"


def test_a_number_that_decides_a_shape():
    f = tg.jit(sized)
    f(2)
    f(3)
    assert why(f)[1] == "other arguments: n is 3, was 2"


def test_many_arguments_are_cut_short():
    f = tg.jit(lambda *xs: xs[0] + xs[1])
    f(*[np.ones(3) for _ in range(7)])
    f(*[np.ones(4) for _ in range(7)])
    assert why(f)[1].endswith("xs[3] is f64[4], was f64[3] and 3 more")


def test_captures(monkeypatch):
    f, g = tg.jit(scaled), tg.grad(lambda x: np.sum(scaled(x)))
    f(X)
    g(X)
    monkeypatch.setitem(globals(), "RATE", 3.0)
    for h in (f, g):
        h(X)
        assert why(h)[1] == "what it captures has changed: the global name `RATE` is 3.0, was 2.0"
    f = tg.jit(weighted)
    f(X)
    monkeypatch.setitem(SETTINGS, "weights", [1.0, 5.0])
    f(X)
    assert why(f)[1] == "what it captures has changed: the global name `SETTINGS['weights'][1]` is 5.0, was 3.0"
    f = tg.jit(looked_up)
    f(X)
    monkeypatch.setitem(globals(), "TABLE", np.ones((2, 3)))
    f(X)
    assert why(f)[1] == ("what it captures has changed: the global name `TABLE` is an array of float64 (2, 3), "
                         "was of float64 (3,)")


def test_captured_cells_and_attributes():
    factor, state = 2.0, types.SimpleNamespace(rate=1.0)

    f = tg.jit(lambda x: x * factor)
    f(X)
    factor = 4.0
    np.testing.assert_array_equal(f(X), 4.0 * X)
    assert why(f)[1].endswith("the variable `factor` is 4.0, was 2.0")
    g = tg.jit(lambda x: x * state.rate)
    g(X)
    state.rate = 7.0
    g(X)
    assert "rate` is 7.0, was 1.0" in why(g)[1]
    del state.rate
    with pytest.raises(AttributeError):
        g(X)
    assert "is not there any more" in why(g)[1]


def test_options_and_kernels_that_were_given_up():
    f = tg.jit(lambda x: x * x + 1)
    f(X)
    with tg.config(fastmath=True):
        f(X)
        assert why(f)[1].startswith("other options")
    with tg.config(cache_size=1):
        g = tg.jit(lambda x: x - 1)
        g(X)
        g(np.ones(4))
        g(X)
        assert why(g)[1] == "its kernel had been given up: cache_size is 1"
    g.cache_clear()
    g(X)
    assert why(g)[1] == "first call"


def test_a_value_that_cannot_say_what_it_is():
    class Mute:
        def __repr__(self):
            raise RuntimeError

    f = tg.jit(lambda x, who: x + 1)
    f(X, Mute())
    f(X, Mute())
    assert why(f)[1] == "other arguments: who is another <Mute>, was <Mute>"


def test_a_long_value_is_cut():
    f = tg.jit(lambda x, mode: x + 1)
    f(X, "a")
    f(X, "b" * 1000)
    assert len(f.why_recompiled()) < 200 and "…" in f.why_recompiled()


def test_an_array_where_a_value_was_and_objects_that_cannot_be_compared():
    f = tg.jit(lambda x, who: x + 1)

    class Odd:
        __hash__ = object.__hash__

        def __eq__(self, other):
            raise RuntimeError

    f(X, "soft")
    f(X, X.copy())
    assert why(f)[1] == "other arguments: who is f64[3], was 'soft'"
    f(X, Odd())
    f(X, Odd())
    assert why(f)[0] == "x, who"
