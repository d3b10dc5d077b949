"""Texts of which run time chooses one."""
import numpy as np
import pytest

import tracegrad as tg


def size(x):
    return "big" if x > 1 else "small"


def status_of_a_loop(x):
    status = "fine"
    for v in (x, 2 * x, 1 - x):
        if v < 0:
            status = "negative"
        elif v > 10:
            status = "large"
    return status


def root(x):
    for k in range(50):
        step = (x * x - 2) / (2 * x)
        x -= step
        if abs(step) < 1e-12:
            return x, k, "converged"
    return x, k, "stopped"


def compared(x):
    if x > 1:
        mode = "a"
    elif x > 0:
        mode = "b"
    else:
        mode = "c"
    y = x * 2 if mode == "a" else x * 3
    other = "a" if x > 5 else "c"
    return y, mode == other, mode != "b", mode in ("a", "c"), mode + "!", "<" + mode, mode.upper(), mode.startswith("a")


def looked_up(x):
    mode = "a" if x > 0 else "b"
    return {"a": 1.5, "b": 2.5}[mode] * x, {"mode": mode, "x": x}


def of_a_helper(x):
    if x > 0:
        return size(x), x
    return "none", -x


def by_an_argument(x):
    n = int(x)
    return {0: "nothing"}.get(0) if n == 0 else "some"


@pytest.mark.parametrize("f", [size, status_of_a_loop, root, compared, looked_up, of_a_helper, by_an_argument])
def test_as_python(f):
    g = tg.jit(f)
    for x in (0.5, 2.0, -1.5, 7.0, -20.0, 1e-9):
        found = g(x)
        assert found == f(x) and type(found) is type(f(x)), x


BIG = "big"


def test_their_type_is_str():
    f = tg.jit(lambda x: (isinstance(size(x), str), type(size(x)) is str, size(x) is None))
    assert f(2.0) == (True, True, False)


def test_in_lists():
    f = tg.jit(lambda xs: ["up" if v > 0 else "down" for v in xs])
    assert f(np.array([1.0, -1.0, 0.0])) == ["up", "down", "down"]


def test_beside_derivatives():
    def f(x):
        return x**3, size(x)

    assert tg.value_and_grad(f, has_aux=True)(2.0) == ((8.0, "big"), 12.0)
    assert tg.jvp(f, (0.5,), (1.0,)) == ((0.125, "small"), (0.75, None))
    assert tg.grad(lambda x: looked_up(x)[0])(-2.0) == 2.5
    with pytest.raises(TypeError, match="no batch"):
        tg.vmap(f)(np.ones(2))


@pytest.mark.parametrize("f", [lambda x: {size(x): x}, lambda x: (size(x) < "c", size(x) >= "c", size(x) > size(-x))],
                         ids=["key", "order"])
def test_keys_and_order(f):
    for x in (2.0, 0.5):
        assert tg.jit(f)(x) == f(x)


@pytest.mark.parametrize("f", [
    lambda x: size(x)[4], lambda x: {"big": x}[size(x)], lambda x: 1.0 if size(x) is BIG else x,
    lambda x: [c + c for c in size(x)]],
    ids=["item", "key of a dict", "is", "for"])
def test_what_needs_to_know_the_text_is_refused(f):
    with pytest.raises(tg.UnsupportedError, match="a text that only run time chooses"):
        tg.jit(f)(2.0)
