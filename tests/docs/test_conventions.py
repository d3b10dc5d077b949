"""What derivatives are of: structures with integers, bools and None in them, overwritten arguments, complex numbers; misuse."""
import dataclasses
from typing import NamedTuple

import numpy as np
import pytest

import tracegrad as tg


@pytest.fixture(params=["compiled", "evaluator"], autouse=True)
def way(request):
    with tg.config(disable_jit=request.param == "evaluator"):
        yield


@dataclasses.dataclass
class Model:
    w: np.ndarray
    count: int
    mask: np.ndarray
    name: str = "m"
    bias: float | None = None
    flag: bool = True


class Point(NamedTuple):
    x: float
    index: np.ndarray


def predict(model):
    return np.sum(model.w**2 * model.count * model.mask) * (2.0 if model.flag else 1.0)


def some():
    return Model(np.array([1.0, 2.0]), 3, np.array([True, False]))


def test_a_dataclass_with_integers_bools_and_text():
    g = tg.grad(predict)(some())
    assert isinstance(g, Model) and g.w.tolist() == [12.0, 0.0]
    assert g.name == "m" and g.bias is None and g.flag is True
    assert g.count == 0.0
    assert g.mask.tolist() == [0.0, 0.0] and g.mask.dtype == np.float64


def test_the_same_in_forward_mode_and_in_a_pullback():
    model = some()
    move = Model(np.array([1.0, 1.0]), 0, np.zeros(2, bool))
    value, slope = tg.jvp(predict, (model,), (move,))
    assert value == 6.0 and slope == 12.0
    value, pull = tg.vjp(predict, model)
    (bar,) = pull(1.0)
    assert isinstance(bar, Model) and bar.w.tolist() == [12.0, 0.0] and bar.count == 0.0
    assert tg.linearize(predict, model)[1](move) == 12.0


def test_a_namedtuple_with_an_index():
    def f(p, table):
        return p.x * np.sum(table[p.index])

    p, table = Point(2.0, np.array([0, 2, 2])), np.array([1.0, 5.0, 7.0])
    g = tg.grad(f, (0, 1))(p, table)
    assert isinstance(g[0], Point) and g[0].x == 15.0 and g[0].index.tolist() == [0.0] * 3
    assert g[1].tolist() == [2.0, 0.0, 4.0]


def test_results_that_are_no_floats():
    def f(x):
        return {"y": x * 2.0, "n": x.shape[0], "first": np.argmax(x), "big": x > 1.0}

    x = np.array([1.0, 3.0])
    out, dot = tg.jvp(f, (x,), (np.ones(2),))
    assert out["first"] == 1 and out["n"] == 2 and dot["y"].tolist() == [2.0, 2.0]
    assert dot["first"] == 0.0 and dot["n"] == 0.0 and np.all(dot["big"] == 0.0)
    out, pull = tg.vjp(f, x)
    assert pull({"y": np.array([1.0, 10.0]), "n": 0.0, "first": 0.0, "big": 0.0})[0].tolist() == [2.0, 20.0]


def test_arguments_that_the_function_overwrites():
    def f(x, out):
        out[:] = x * out
        x[0] = 100.0
        return np.sum(out * x)

    x, out = np.array([2.0, 3.0]), np.array([5.0, 7.0])
    g = tg.grad(f, (0, 1))(x, out)
    assert x.tolist() == [2.0, 3.0] and out.tolist() == [5.0, 7.0]
    # (x0 o0) 100 + (x1 o1) x1
    assert g[0].tolist() == [500.0, 42.0] and g[1].tolist() == [200.0, 9.0]
    _, pull = tg.vjp(f, x, out)
    assert pull(1.0)[0].tolist() == [500.0, 42.0]
    assert tg.jvp(f, (x, out), (np.ones(2), np.zeros(2)))[1] == 542.0
    assert x.tolist() == [2.0, 3.0] and out.tolist() == [5.0, 7.0]


def test_complex_as_in_jax():
    z = 1.0 + 2.0j
    assert tg.grad(lambda z: np.abs(z) ** 2)(z) == pytest.approx(2 - 4j)
    assert tg.grad(lambda z: np.real(z))(z) == 1.0
    assert tg.grad(lambda z: np.imag(z))(z) == -1j
    assert tg.vjp(lambda z: z * (3 + 1j), z)[1](1.0 + 0j)[0] == 3 + 1j
    assert tg.vjp(np.conj, z)[1](1j)[0] == -1j
    assert tg.jvp(lambda z: z * z, (z,), (1j,))[1] == 2 * z * 1j


def test_stop_gradient_of_structures():
    def f(p):
        held = tg.stop_gradient({"a": p["a"], "n": p["n"]})
        return p["a"] * held["a"] * held["n"]

    assert tg.grad(f)({"a": 3.0, "n": 2})["a"] == 6.0
    assert tg.jvp(f, ({"a": 3.0, "n": 2},), ({"a": 1.0, "n": 0},))[1] == 6.0
    assert tg.stop_gradient(3.0) == 3.0


@pytest.mark.parametrize("call, error, remedy", [
    (lambda: tg.grad(lambda x: x)(np.ones(3)), tg.ArgumentTypeError, "reduce it to a number"),
    (lambda: tg.grad(lambda x: (x, x))(1.0), tg.ArgumentTypeError, "has_aux=True"),
    (lambda: tg.grad(lambda x: None)(1.0), tg.ArgumentTypeError, "return one number"),
    (lambda: tg.grad(lambda z: z * z)(1j), tg.DTypeError, "np.abs"),
    (lambda: tg.grad(lambda n: n * 1.0)(3), tg.DTypeError, "pass a float"),
    (lambda: tg.grad(lambda n: np.sum(n * 1.0))(np.arange(3)), tg.DTypeError, "astype"),
    (lambda: tg.grad(lambda s, x: x, 0)("text", 1.0), tg.DTypeError, "argnums"),
    (lambda: tg.grad(lambda x: x, 3)(1.0), tg.ArgumentError, "by position"),
    (lambda: tg.jacobian(lambda x: x[x > 0])(np.ones(3)), tg.ArgumentError, "fixed length"),
    (lambda: tg.jacrev(lambda z: z * z)(np.ones(2) * 1j), tg.DTypeError, "real and imaginary"),
    (lambda: tg.jvp(lambda x: x, (np.ones(3),), (np.ones(2),)), tg.ShapeError, "same shape"),
    (lambda: tg.jvp(lambda x: x, (1.0,), (1.0, 2.0)), tg.ArgumentTypeError, "one tangent for each"),
    (lambda: tg.jvp(lambda x: x, 1.0, 1.0), tg.ArgumentTypeError, "tuples"),
    (lambda: tg.vjp(lambda x: x, np.ones(3))[1](np.ones(2)), tg.ShapeError, "same shape"),
    (lambda: tg.vjp(lambda x: (x, x), 1.0)[1](1.0), tg.ArgumentTypeError, "structure of the result"),
    (lambda: tg.value_and_grad(lambda x: x, has_aux=True)(1.0), tg.ArgumentTypeError, "return value, aux"),
])
def test_misuse_names_the_remedy(call, error, remedy):
    with pytest.raises(error) as found:
        call()
    assert remedy in str(found.value)


def test_what_the_loops_of_a_derivative_keep_is_said():
    def sweep(u, c):
        for _ in range(50):
            for i in range(1, u.shape[0] - 1):
                u[i] = u[i] + c * np.sin(u[i - 1]) * u[i + 1]
        return np.sum(u)

    text = tg.jit(sweep).lower(np.ones(30), 0.1).text("vjp")
    head = text.split("func")[0]
    assert "restores" in head and "tapes" in head and "[50, 28], 11,200 bytes" in head and "test_conventions.py:" in head
    assert "u_bar" in text and "c_bar" in text
    notes = tg.explain(tg.grad(sweep), np.ones(30), 0.1).of("loop of a derivative")
    assert any("tapes" in note.text for note in notes)
