"""Gradients written into arrays of the caller: out= and accumulate=."""
import numpy as np
import pytest

import tracegrad as tg


@pytest.fixture(params=["compiled", "evaluator"], autouse=True)
def way(request):
    with tg.config(disable_jit=request.param == "evaluator"):
        yield


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


def chained(x):
    total = 0.0
    for i in range(x.shape[0] - 1):
        total += np.sin(x[i]) * x[i + 1]
    return total


def doubly(x):
    total = 0.0
    for i in range(x.shape[0]):
        for j in range(i):
            total += np.cos(x[i] * x[j])
    return total


def overwriting(x):
    """The adjoint of an array that is overwritten is more than added to."""
    for i in range(1, x.shape[0]):
        x[i] = x[i] * x[i - 1]
    return np.sum(x)


@pytest.mark.parametrize("f", [chained, doubly, overwriting])
def test_loops_add_to_the_buffer_itself(f):
    x, held = np.linspace(0.5, 1.5, 40), np.linspace(3.0, 4.0, 40)
    plain, buffer = tg.grad(f)(x), held.copy()
    for times in (1, 2):
        assert tg.grad(f)(x, out=buffer, accumulate=True) is buffer
        np.testing.assert_allclose(buffer, held + times * plain, rtol=1e-12)
    with tg.disable_jit():
        np.testing.assert_allclose(tg.grad(f)(x, out=held.copy(), accumulate=True), held + plain, rtol=1e-12)
    loops = tg.grad(f).lower(x, out=buffer, accumulate=True).text("loops")
    assert f is overwriting or "alloc $x_bar" not in loops
