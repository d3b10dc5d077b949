"""Gradients written into arrays of the caller: out= and accumulate=."""
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from high_water import MARKED, REASON

import tracegrad as tg


@pytest.fixture(params=["compiled", "evaluator"], autouse=True)
def way(request):
    with tg.config(disable_jit=request.param == "evaluator"):
        yield request.param


def loss(params, x):
    return np.sum((x @ params["w"] + params["b"]) ** 2)


def some():
    rng = np.random.default_rng(0)
    return {"w": rng.standard_normal((3, 2)), "b": rng.standard_normal(2)}, rng.standard_normal((5, 3))


def test_out_is_overwritten_and_returned():
    params, x = some()
    expected = tg.grad(loss)(params, x)
    buffers = {name: np.full_like(p, 9.0) for name, p in params.items()}
    for _ in range(3):                                        # the first call compiles, the others enter machine code
        found = tg.grad(loss)(params, x, out=buffers)
        assert found["w"] is buffers["w"] and found["b"] is buffers["b"]
        for name in params:
            assert buffers[name] == pytest.approx(expected[name], rel=1e-14)


def test_minibatches_add_up():
    params, x = some()
    step = tg.value_and_grad(loss)
    buffers = {name: np.zeros_like(p) for name, p in params.items()}
    value = 0.0
    for row in x:
        part, _ = step(params, row[None], out=buffers, accumulate=True)
        value += part
    whole, expected = step(params, x)
    assert value == pytest.approx(whole)
    for name in params:
        assert buffers[name] == pytest.approx(expected[name])


def test_positions_numbers_aux_and_strides():
    def f(a, x):
        return a * np.sum(x**2), {"n": x.size}

    out = np.zeros(()), np.zeros((2, 8))[:, ::2].T
    (found, aux) = tg.grad(f, (0, 1), has_aux=True)(3.0, np.arange(8.0).reshape(4, 2), out=out)
    assert found[0] is out[0] and out[0] == 140.0 and aux == {"n": 8}
    assert out[1].tolist() == (6 * np.arange(8.0).reshape(4, 2)).tolist()


def test_single_precision():
    x = np.arange(4, dtype=np.float32)
    out = np.ones(4, np.float32)
    tg.grad(lambda x: np.sum(x * x))(x, out=out, accumulate=True)
    assert out.dtype == np.float32 and out.tolist() == [1, 3, 5, 7]


def test_of_an_argument_that_the_function_overwrites():
    def f(x):
        x[1] = x[0] * 3.0
        return np.sum(x * x)

    x, out = np.array([1.0, 5.0, 2.0]), np.zeros(3)
    tg.grad(f)(x, out=out)
    assert x.tolist() == [1.0, 5.0, 2.0] and out.tolist() == [20.0, 0.0, 4.0]


def test_in_traced_code():
    @tg.jit
    def total(w, xs):
        g = np.zeros(3)
        for i in range(xs.shape[0]):
            tg.grad(lambda w, x: np.sum(w * x) ** 2)(w, xs[i], out=g, accumulate=True)
        return g

    w, xs = np.arange(3.0), np.random.default_rng(1).standard_normal((4, 3))
    assert total(w, xs) == pytest.approx(2 * (xs @ w) @ xs)


def test_jit_of_a_gradient_and_a_parameter_named_out():
    x, buffer = np.arange(3.0), np.zeros(3)
    assert tg.jit(tg.grad(lambda x: np.sum(x * x)))(x, out=buffer) is buffer and buffer.tolist() == [0, 2, 4]

    def f(x, out):
        return np.sum(x * out)

    assert tg.grad(f)(x, out=np.ones(3)).tolist() == [1, 1, 1]


def test_misuse():
    params, x = some()
    g = tg.grad(loss)
    good = {"w": np.zeros((3, 2)), "b": np.zeros(2)}
    with pytest.raises(tg.ShapeError, match=r"out\['w'\] has shape \(2, 3\), the gradient \(3, 2\)"):
        g(params, x, out=good | {"w": np.zeros((2, 3))})
    with pytest.raises(tg.DTypeError, match=r"out\['b'\] has dtype float32, the gradient float64"):
        g(params, x, out=good | {"b": np.zeros(2, np.float32)})
    with pytest.raises(tg.ArgumentTypeError, match="out has the structure"):
        g(params, x, out=[good["w"], good["b"]])
    with pytest.raises(tg.ArgumentTypeError, match=r"out\['b'\] is a float"):
        g(params, x, out=good | {"b": 1.0})
    with pytest.raises(tg.ArgumentError, match="accumulate=True adds to arrays"):
        g(params, x, accumulate=True)
    with pytest.raises(tg.ArgumentTypeError, match="accumulate is 1"):
        g(params, x, out=good, accumulate=1)
    with pytest.raises(tg.ArgumentError, match=r"out\['w'\] is the same array as params\['w'\]"):
        g(params, x, out=good | {"w": params["w"]})
    frozen = np.zeros(2)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        g(params, x, out=good | {"b": frozen})


# --- without temporaries ---------------------------------------------------------------------------------------------------

def chained(x, y):
    total = 0.0
    for i in range(x.shape[0] - 1):
        total += np.sin(x[i]) * x[i + 1]
    return total


def doubly(x, y):
    total = 0.0
    for i in range(x.shape[0]):
        for j in range(i):
            total += np.cos(x[i] * x[j])
    return total


def chosen(x, y):
    """Additions in some iterations, to one of two places."""
    total = 0.0
    for i in range(x.shape[0]):
        if y[i] > 0.3:
            total += x[i] ** 2 * y[i]
        elif y[i] < -0.3:
            total -= x[0] * y[i]
    return total


def whole(x, y):
    if np.sum(y) > 0.0:
        return np.sum(x * x * y)
    return np.sum(np.sin(x))


def positions(x, y):
    return np.sum(x[np.array([1, 3, 3, 7])] ** 2)


def layered(x, y):
    """A product with the argument, its sum, a loop over it: one after the other."""
    w = y.reshape(8, -1)
    total = np.sum(np.tanh(w.T @ x[:8]) ** 2)
    for i in range(x.shape[0]):
        total += x[i] ** 3
    return total + np.sum(w[0] * x[:w.shape[1]])


def mixed(x, y):
    """Element by element at first, and a loop and a part of it after that."""
    total = np.sum(x[2:5]) + y[0] * np.sum(np.sin(x))
    for i in range(x.shape[0]):
        if x[i] > 0.0:
            total *= 1.0 + 0.01 * x[i] ** 2
    return total + np.sum(x[3:] * y[3]) + np.sum(x * x)


def regression(x, y):
    w = np.outer(y, y[:30])
    return np.sum((w[:, :x.shape[0]] @ x - y) ** 2)


def overwriting(x, y):
    """The adjoint of an array that is overwritten is more than added to."""
    for i in range(1, x.shape[0]):
        x[i] = x[i] * x[i - 1]
    return np.sum(x)


ADDING = [chained, doubly, chosen, whole, positions, layered, mixed, regression]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [*ADDING, overwriting], ids=lambda f: f.__name__)
def test_gradients_add_to_the_buffer_itself(f):
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal(24), rng.standard_normal(40)
    held = rng.standard_normal(24)
    plain, buffer = tg.grad(f)(x, y), held.copy()
    for times in (1, 2):
        assert tg.grad(f)(x, y, out=buffer, accumulate=True) is buffer
        np.testing.assert_allclose(buffer, held + times * plain, rtol=1e-10, atol=1e-12)
    with tg.disable_jit():
        np.testing.assert_allclose(tg.grad(f)(x, y, out=held.copy(), accumulate=True), held + plain, rtol=1e-10, atol=1e-12)
    text = tg.grad(f).lower(x, y, out=buffer, accumulate=True).text("loops")
    assert f is overwriting or "alloc $x_bar" not in text


def network(params, x, y):
    hidden = np.maximum(x @ params["first"] + params["shift"], 0.0)
    return np.mean((hidden @ params["second"] - y) ** 2)


def test_a_network_adds_to_its_buffers():
    """Nothing of the size of the parameters is set aside, where these are larger than the rest."""
    rng = np.random.default_rng(0)
    params = {"first": rng.standard_normal((60, 50)), "shift": rng.standard_normal(50), "second": rng.standard_normal(50)}
    x, y = rng.standard_normal((4, 60)), rng.standard_normal(4)
    buffers = {name: np.ones_like(p) for name, p in params.items()}
    step = tg.value_and_grad(network)
    value, plain = step(params, x, y)
    assert step(params, x, y, out=buffers, accumulate=True)[0] == pytest.approx(value)
    for name, expected in plain.items():
        np.testing.assert_allclose(buffers[name], 1.0 + expected, rtol=1e-11, atol=1e-12)
    text = step.lower(params, x, y, out=buffers, accumulate=True).text("loops")
    assert "_bar" not in "".join(line for line in text.splitlines() if "alloc" in line) and "60, 50] heap" not in text


MARK = """
import numpy as np, tracegrad as tg
from high_water import rise

def loss(w, x, y):
    return np.mean((x @ w - y) ** 2)

rng = np.random.default_rng(0)
w, total = rng.standard_normal((1500, 1500)), np.zeros((1500, 1500))         # 18 MB each
batches = rng.standard_normal((6, 4, 1500))
gradient = tg.value_and_grad(loss)

def add(batches):
    for batch in batches:
        gradient(w, batch, batch, out=total, accumulate=True)

add(batches[:1])                                                             # compiles
print(rise(lambda: add(batches)))
"""


@pytest.mark.sweep(2, days=True)
@pytest.mark.skipif(not MARKED, reason=REASON)
def test_minibatches_take_no_memory_of_the_size_of_the_parameters(way, tmp_path):
    if way == "evaluator":
        pytest.skip("the evaluator is NumPy, which makes temporaries")
    script = tmp_path / "mark.py"
    script.write_text(MARK)
    places = os.path.dirname(os.path.dirname(tg.__file__)), str(pathlib.Path(__file__).parents[2] / "support")
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True,
                           env=os.environ | {"PYTHONPATH": os.pathsep.join(places)})
    assert int(found.stdout) < 2_000_000
