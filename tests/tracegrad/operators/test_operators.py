"""The derivative operators as a user calls them: structures, orders, nesting, and what they leave alone."""
import collections
import dataclasses
import functools
import math

import numba
import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der, rosen_hess, rosen_hess_prod

import tracegrad as tg

X = np.array([0.3, -1.2, 2.5])
M = np.arange(6.0).reshape(2, 3) / 3 - 0.7


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def wave(x):
    return np.sum(np.sin(x) * np.exp(-(x**2)))


def d_wave(x):
    return np.exp(-(x**2)) * (np.cos(x) - 2 * x * np.sin(x))


@pytest.fixture(params=[False, True], ids=["compiled", "evaluator"])
def backend(request):
    with tg.config(disable_jit=request.param):
        yield


# --- grad and value_and_grad ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_array_of_one_element_is_a_scalar(backend, dtype):
    row = np.array([[0.5, -1.0, 2.0]], dtype)

    def loss(x):
        return np.sum(np.sin(x), axis=1, keepdims=True)

    value, slope = tg.value_and_grad(loss)(row)
    assert value.shape == (1, 1) and slope.dtype == dtype
    np.testing.assert_allclose(slope, np.cos(row), rtol=1e-6)
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(tg.grad(loss)(x) ** 2))(row), -np.sin(2 * row), rtol=1e-6)
    total = np.ones_like(row)
    tg.grad(loss)(row, out=total, accumulate=True)
    np.testing.assert_allclose(total, 1 + np.cos(row), rtol=1e-6)
    assert tg.grad(lambda x: (x[:, :1], x), has_aux=True)(row)[0].tolist() == [[1.0, 0.0, 0.0]]
    with pytest.raises(tg.ArgumentTypeError, match=r"returns an array of type f\d\d\[2, 1\]"):
        tg.grad(loss)(np.ones((2, 3), dtype))


def test_gradient(backend):
    x = np.linspace(-1.2, 1.5, 10)
    value, slope = tg.value_and_grad(rosenbrock)(x)
    assert value == pytest.approx(rosen(x)) and type(value) is np.float64
    np.testing.assert_allclose(slope, rosen_der(x), rtol=1e-12)
    np.testing.assert_allclose(tg.grad(rosenbrock)(x), slope, rtol=0)


@pytest.mark.parametrize("x", [2.0, np.float64(2.0), np.array(2.0), np.float32(2.0), np.array(2.0, np.float32), 2 + 0j])
def test_the_gradient_has_the_type_of_the_argument(x):
    slope = tg.grad(lambda x: np.real(x) ** 3)(x)
    assert type(slope) is type(x) and np.asarray(slope).dtype == np.asarray(x).dtype and slope == 12.0


@pytest.mark.parametrize(
    "x",
    [
        M,
        np.asfortranarray(M),
        M[:, ::-1],
        np.repeat(M, 2, axis=1)[:, ::2],
        M.astype(">f8"),
        np.broadcast_to(M[:1], (2, 3)),
        M.astype(np.float32),
        M[:0],
        M[:1, :1],
    ],
    ids=str,
)
def test_arrays_of_any_layout(x):
    kept = x.copy()
    slope = tg.grad(wave)(x)
    single = x.dtype == np.float32
    np.testing.assert_allclose(slope, d_wave(kept.astype("f8")), rtol=1e-5 if single else 1e-12, atol=1e-6 if single else 1e-14)
    assert slope.dtype == x.dtype.newbyteorder("=") and slope.shape == x.shape
    np.testing.assert_array_equal(x, kept)


Weights = collections.namedtuple("Weights", "w b")


@dataclasses.dataclass
class Layer:
    w: np.ndarray
    b: float
    name: str = "first"


@pytest.mark.parametrize("params", [
    {"w": X, "b": 0.5}, {"b": 0.5, "w": X}, [X, 0.5], (X, 0.5), Weights(X, 0.5), Layer(X, 0.5), {"w": [X], "b": (0.5, None)},
    collections.OrderedDict(w=X, b=0.5)], ids=lambda p: type(p).__name__)
def test_structures(params):
    def parts(p):
        if isinstance(p, dict):
            w, b = p["w"], p["b"]
        elif isinstance(p, Layer):
            w, b = p.w, p.b
        else:
            w, b = p
        return (w[0] if isinstance(w, list) else w), (b[0] if isinstance(b, tuple) else b)

    def loss(p, scale):
        w, b = parts(p)
        return scale * (np.sum(w**2) + b**3)

    slope = tg.grad(loss)(params, 2.0)
    assert type(slope) is type(params)
    w, b = parts(slope)
    np.testing.assert_allclose(w, 4.0 * X)
    assert b == pytest.approx(1.5) and type(b) is float
    if isinstance(params, dict):
        assert list(slope) == list(params)
    if isinstance(params, Layer):
        assert slope.name == "first"


@pytest.mark.parametrize(
    "argnums, pick",
    [
        (0, lambda a, b, c: a),
        (1, lambda a, b, c: b),
        (-1, lambda a, b, c: c),
        ((0, 2), lambda a, b, c: (a, c)),
        ((2, 0), lambda a, b, c: (c, a)),
        ((1,), lambda a, b, c: (b,)),
        ([0, 1], lambda a, b, c: (a, b)),
        ((), lambda a, b, c: ()),
        ((0, 0), lambda a, b, c: (a, a)),
        (np.int64(1), lambda a, b, c: b),
    ],
)
def test_argnums(argnums, pick):
    slope = tg.grad(lambda a, b, c: a * b**2 * c**3, argnums=argnums)(2.0, 3.0, 0.5)
    expected = pick(9 * 0.125, 2 * 2 * 3 * 0.125, 2 * 9 * 3 * 0.25)
    assert type(slope) is type(expected) and np.allclose(slope, expected)


def test_keywords_and_defaults():
    def f(x, power=2, *, scale=1.0):
        return scale * x**power

    g = tg.grad(f)
    assert (
        g(3.0) == 6.0
        and g(3.0, 3) == 27.0
        and g(3.0, scale=2.0) == 12.0
        and g(x=3.0) == 6.0
        and g(3.0, power=3, scale=0.5) == 13.5
    )
    assert tg.grad(f, argnums=1)(3.0, 2.0) == pytest.approx(9 * math.log(3))


def test_aux():
    def f(x):
        return np.sum(x**2), {"x": x, "n": x.size, "twice": 2 * x, "text": "aux", "nothing": None}

    slope, aux = tg.grad(f, has_aux=True)(X)
    (value, again), slope_too = tg.value_and_grad(f, has_aux=True)(X)
    np.testing.assert_allclose(slope, 2 * X)
    np.testing.assert_allclose(slope_too, 2 * X)
    assert value == pytest.approx(np.sum(X**2))
    for found in (aux, again):
        assert list(found) == ["x", "n", "twice", "text", "nothing"] and found["text"] == "aux" and found["nothing"] is None
        assert found["n"] == 3 and type(found["n"]) is int
        np.testing.assert_allclose(found["twice"], 2 * X)
        np.testing.assert_array_equal(found["x"], X)


def test_integers_in_a_structure_get_zeros():
    slope = tg.grad(lambda d: d["x"] * d["n"] + np.sum(d["i"]))({"x": 2.0, "n": 3, "i": np.arange(2), "flag": True})
    assert slope["x"] == 3.0 and slope["n"] == 0.0 and slope["flag"] is True
    np.testing.assert_array_equal(slope["i"], [0.0, 0.0])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: 1.0,
        lambda x: np.float64(2.0),
        lambda x: np.sum(np.ones(3)),
        lambda x: np.sum(np.floor(x)),
        lambda x: float(np.argmax(x)),
        lambda x: tg.stop_gradient(np.sum(x)),
    ],
)
def test_independence_is_a_zero_gradient(f, backend):
    value, slope = tg.value_and_grad(f)(X)
    assert value == f(X)
    np.testing.assert_array_equal(slope, np.zeros(3))


def test_an_overwritten_argument_is_not_changed():
    def f(x):
        x *= 2.0
        x[0] = x[1] * x[2]
        return np.sum(x)

    x = X.copy()
    np.testing.assert_allclose(tg.grad(f)(x), [0.0, 4 * X[2] + 2, 4 * X[1] + 2])
    np.testing.assert_array_equal(x, X)
    _, pull = tg.vjp(f, x)
    pull(1.0)
    tg.jvp(f, (x,), (x,))
    np.testing.assert_array_equal(x, X)


def test_the_same_array_twice():
    slopes = tg.grad(lambda x, y: np.sum(x * y**2), argnums=(0, 1))(X, X)
    np.testing.assert_allclose(slopes[0], X**2)
    np.testing.assert_allclose(slopes[1], 2 * X**2)
    product = lambda d: d["a"] * d["b"][0] ** 2  # noqa: E731
    slopes = tg.grad(lambda d: np.sum(product(d)))({"a": X, "b": [X]})
    np.testing.assert_allclose(slopes["a"], X**2)
    np.testing.assert_allclose(slopes["b"][0], 2 * X**2)
    v = np.ones(3)
    np.testing.assert_allclose(tg.jvp(lambda x, y: x * y**2, (X, X), (v, 0 * v))[1], X**2)
    np.testing.assert_allclose(tg.jvp(lambda x, y: x * y**2, (X, X), (v, v))[1], 3 * X**2)
    for first, second in (
        tg.vjp(lambda x, y: x * y**2, X, X)[1](X),
        tg.jit(lambda x: tg.vjp(lambda x, y: x * y**2, x, x)[1](x))(X),
    ):
        np.testing.assert_allclose(first, X**3)
        np.testing.assert_allclose(second, 2 * X**3)
    np.testing.assert_allclose(tg.grad(lambda x: tg.grad(lambda x, y: np.sum(x**2 * y))(x, x) @ v)(X), 4 * X)


def test_the_same_array_twice_where_it_is_overwritten():
    def f(x, y):
        x[0] = 5.0
        return np.sum(x * y)

    with pytest.raises(tg.ArgumentError, match="arguments x and y are the same array, which the function overwrites"):
        tg.grad(f)(X, X)
    np.testing.assert_allclose(tg.grad(f)(X, X.copy()), [0.0, X[1], X[2]])


@pytest.mark.parametrize(
    "f, x, expected",
    [
        (lambda x: abs(x), 0.0, 0.0),
        (lambda x: np.abs(x), 0.0, 0.0),
        (lambda x: np.maximum(x, 0.0), 0.0, 0.5),
        (lambda x: max(x, 0.0), 0.0, None),
        (lambda x: np.max(np.stack([x, x, x - 1])), 1.0, 1.0),
        (lambda x: np.where(x > 0, np.sqrt(x), 0.0), 0.0, 0.0),
        (lambda x: np.where(x > 0, np.log(x), x), -1.0, 1.0),
        (lambda x: x**2.0, 0.0, 0.0),
        (lambda x: x**0, 0.0, 0.0),
        (lambda x: np.sqrt(x * x), 2.0, 1.0),
        (lambda x: np.where(x != 0, np.sin(x) / x, 1.0), 0.0, 0.0),
        (lambda x: np.round(x), 0.4, 0.0),
    ],
)
def test_kinks_and_branches_not_taken(f, x, expected):
    slope = tg.grad(f)(x)
    assert math.isfinite(slope)
    if expected is not None:
        assert slope == pytest.approx(expected, abs=1e-15)


# --- forward mode -----------------------------------------------------------------------------------------------------

def test_jvp(backend):
    value, slope = tg.jvp(wave, (X,), (np.ones(3),))
    assert value == pytest.approx(wave(X)) and slope == pytest.approx(np.sum(d_wave(X)))


def test_jvp_of_structures():
    def f(d, k):
        return {"product": d["a"] * d["b"], "n": k, "same": d["a"], "text": "t"}, np.argmax(d["b"])

    (out, place), (out_dot, place_dot) = tg.jvp(f, ({"a": 2.0, "b": X}, 3), ({"b": np.ones(3), "a": 1.0}, 0))
    np.testing.assert_allclose(out["product"], 2 * X)
    np.testing.assert_allclose(out_dot["product"], X + 2)
    assert (
        out["same"] == 2.0
        and out_dot["same"] == 1.0
        and out_dot["n"] == 0.0
        and place == 2
        and place_dot == 0.0
        and out["text"] == "t"
    )


def test_jvp_of_tangents_in_other_dtypes():
    for tangent in (np.arange(3), np.ones(3, np.float32), [0.0, 1.0, 2.0][0] * X):
        _, slope = tg.jvp(lambda x: x * x, (X,), (tangent,))
        assert slope.dtype == np.float64
        np.testing.assert_allclose(slope, 2 * X * tangent)


# --- vjp and linearize ------------------------------------------------------------------------------------------------

def test_vjp(backend):
    out, pull = tg.vjp(lambda a, b: (a @ b, np.sum(a)), M, X)
    np.testing.assert_allclose(out[0], M @ X)
    for _ in range(2):
        a_bar, b_bar = pull((np.array([1.0, 2.0]), 3.0))
        np.testing.assert_allclose(a_bar, np.outer([1.0, 2.0], X) + 3.0)
        np.testing.assert_allclose(b_bar, np.array([1.0, 2.0]) @ M)


def test_vjp_with_aux_and_integers():
    out, pull, aux = tg.vjp(lambda x, n: (x**n, {"n": n}), 2.0, 3, has_aux=True)
    assert out == 8.0 and aux == {"n": 3} and pull(1.0) == (12.0, 0.0)


def test_linearize(backend):
    out, push = tg.linearize(lambda x, y: {"out": np.sin(x) * y}, X, 2.0)
    np.testing.assert_allclose(out["out"], np.sin(X) * 2.0)
    for dx, dy in ((np.ones(3), 0.0), (X, 1.0)):
        np.testing.assert_allclose(push(dx, dy)["out"], np.cos(X) * 2.0 * dx + np.sin(X) * dy)


def test_forward_is_the_transpose_of_reverse():
    def f(x):
        return np.tanh(M @ x), np.prod(x)

    rng = np.random.default_rng(0)
    v, w = rng.standard_normal(3), (rng.standard_normal(2), 0.7)
    _, (a, b) = tg.jvp(f, (X,), (v,))
    _, pull = tg.vjp(f, X)
    assert a @ w[0] + b * w[1] == pytest.approx(pull(w)[0] @ v, rel=1e-13)


# --- nesting ----------------------------------------------------------------------------------------------------------

def test_orders_of_a_scalar(backend):
    f = lambda x: np.exp(2.0 * x) * x  # noqa: E731
    expected = f
    d = f
    for order in range(1, 5):
        d = tg.grad(d)
        expected = 2.0**order * np.exp(2.0 * 0.3) * 0.3 + order * 2.0 ** (order - 1) * np.exp(2.0 * 0.3)
        assert d(0.3) == pytest.approx(expected, rel=1e-12)


def test_hessian_every_way(backend):
    x = np.array([-0.5, 0.7, 1.1, 0.2])
    v = np.array([1.0, -2.0, 0.5, 0.3])
    expected = rosen_hess_prod(x, v)
    ways = {
        "forward over reverse": tg.jvp(tg.grad(rosenbrock), (x,), (v,))[1],
        "reverse over forward": tg.grad(lambda x: tg.jvp(rosenbrock, (x,), (v,))[1])(x),
        "reverse over reverse": tg.grad(lambda x: tg.grad(rosenbrock)(x) @ v)(x),
        "pullback of a gradient": tg.vjp(tg.grad(rosenbrock), x)[1](v)[0],
        "linear map of a gradient": tg.linearize(tg.grad(rosenbrock), x)[1](v),
        "gradient of a pullback": tg.grad(lambda x: tg.vjp(rosenbrock, x)[1](1.0)[0] @ v)(x),
        "compiled": tg.jit(lambda x, v: tg.jvp(tg.grad(rosenbrock), (x,), (v,))[1])(x, v),
    }
    for way, found in ways.items():
        np.testing.assert_allclose(found, expected, rtol=1e-11, err_msg=way)
    np.testing.assert_allclose(tg.hessian(rosenbrock)(x), rosen_hess(x), rtol=1e-11)


def test_perturbations_are_not_confused(backend):
    # d/dx (x · d/dy (x + y)) = 1, not 2
    assert tg.grad(lambda x: x * tg.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    inner = lambda x: tg.jvp(lambda y: x * y, (2.0,), (1.0,))[1]  # noqa: E731
    assert tg.jvp(lambda x: x * inner(x), (3.0,), (1.0,)) == (9.0, 6.0)
    assert tg.grad(lambda x: tg.grad(lambda y: x * x * y)(1.0) * x)(2.0) == 12.0


def test_operators_inside_compiled_code():
    @tg.jit
    def newton(x):
        for _ in range(6):
            x = x - tg.grad(lambda y: y**4 - 3 * y)(x) / tg.grad(tg.grad(lambda y: y**4 - 3 * y))(x)
        return x

    assert newton(1.0) == pytest.approx(0.75 ** (1 / 3), rel=1e-12)
    assert tg.grad(newton)(1.0) == pytest.approx(0.0, abs=1e-9)


def test_compositions_with_jit():
    compiled = tg.jit(wave)
    for f in (
        tg.grad(compiled),
        tg.jit(tg.grad(wave)),
        tg.jit(tg.grad(compiled)),
        tg.grad(numba.njit(wave)),
        tg.grad(functools.partial(wave)),
    ):
        np.testing.assert_allclose(f(X), d_wave(X), rtol=1e-12)


def test_one_compilation_serves_many_calls():
    g = tg.value_and_grad(wave)
    for k in range(5):
        np.testing.assert_allclose(g(X + k)[1], d_wave(X + k), rtol=1e-12, atol=1e-14)
    assert g.cache_info().misses == 1 and g.specializations[0].hits == 5
    before = tg.vjp(wave, X)[1]
    after = tg.vjp(wave, X + 1)[1]
    np.testing.assert_allclose(before(1.0)[0], d_wave(X), rtol=1e-12)
    np.testing.assert_allclose(after(1.0)[0], d_wave(X + 1), rtol=1e-12)


def test_as_decorators():
    @tg.grad
    def first(x):
        return x**3

    @tg.value_and_grad(argnums=1)
    def second(a, x):
        return a * x**2

    @tg.jit
    @tg.grad
    def third(x):
        return np.sum(x**2)

    assert first(2.0) == 12.0 and second(3.0, 2.0) == (12.0, 12.0)
    np.testing.assert_allclose(third(X), 2 * X)


# --- complex, and stopping --------------------------------------------------------------------------------------------

def test_complex_follows_jax():
    z = np.array([1 + 2j, -0.5 + 0.1j])
    np.testing.assert_allclose(tg.grad(lambda z: np.sum(np.abs(z) ** 2))(z), 2 * np.conj(z))
    np.testing.assert_allclose(tg.grad(lambda z: np.sum((z**2).real))(z), 2 * z)
    _, slope = tg.jvp(lambda z: z**3, (z,), (1j * np.ones(2),))
    np.testing.assert_allclose(slope, 3j * z**2)
    _, pull = tg.vjp(lambda z: z**2, z)
    np.testing.assert_allclose(pull(np.ones(2) + 0j)[0], 2 * z)


def test_stop_gradient():
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(tg.stop_gradient(x) * x))(X), X)
    np.testing.assert_allclose(tg.jvp(lambda x: tg.stop_gradient({"a": x})["a"] * x, (X,), (np.ones(3),))[1], X)
    assert tg.stop_gradient(3.0) == 3.0 and tg.stop_gradient({"a": X})["a"] is X


# --- check_grads ------------------------------------------------------------------------------------------------------

@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    "f, args",
    [
        (wave, (X,)),
        (lambda d: {"out": d["a"] * np.sin(d["b"])}, ({"a": 2.0, "b": X},)),
        (lambda z: z**2 * np.conj(z), (np.array([1 + 2j]),)),
        (lambda x: np.exp(x), (X.astype(np.float32),)),
        (lambda a, n: a**n, (X, 3)),
        (lambda a, b: np.linalg.solve(a, b), (M[:, :2] + np.eye(2), X[:2])),
    ],
)
def test_check_grads(f, args):
    tg.check_grads(f, args, order=2)


def test_elements_that_nearly_tie_are_no_mistake_of_a_derivative():
    x = np.array([0.3, 0.3 + 1e-4, -1.0])
    tg.check_grads(np.sort, (x,), order=2)
    tg.check_grads(np.max, (x,), order=2)

    @tg.custom_jvp
    def wrong(x):
        return np.sort(x)

    wrong.defjvp(lambda primals, tangents: (np.sort(primals[0]), tangents[0]))
    with pytest.raises(tg.GradientMismatch):
        tg.check_grads(wrong, (x[::-1].copy(),))


def test_check_grads_finds_a_wrong_derivative():
    def wrong(x):
        return np.sum(tg.stop_gradient(x) * x)

    for modes in (("fwd",), ("rev",)):
        with pytest.raises(tg.GradientMismatch, match="derivative against a difference"):
            tg.check_grads(wrong, (X,), modes=modes)


@dataclasses.dataclass
class Moving:
    place: np.ndarray
    time: float

    def step(self, h):
        self.place += h * self.place
        self.time += h
        return self


def test_arguments_that_advance_themselves():
    """A method that assigns to attributes of an argument: a derivative sees it, and changes nothing of the caller's."""
    def value(start, n):
        for _ in range(n):
            start.step(0.1)
        return np.sum(start.place) * start.time

    start = Moving(np.array([1.0, 2.0]), 0.5)
    slope = tg.grad(value)(start, 7)
    assert np.allclose(slope.place, 1.1**7 * 1.2) and np.isclose(slope.time, 3.0 * 1.1**7)
    assert np.isclose(tg.jvp(lambda s: value(s, 7), (start,), (Moving(np.ones(2), 0.5),))[1],
                      np.sum(slope.place) + 0.5 * slope.time)
    assert start.place.tolist() == [1.0, 2.0] and start.time == 0.5
    there = Moving(np.array([1.0, 2.0]), 0.5)
    assert np.isclose(tg.jit(value)(start, 7), value(there, 7))                # the function itself is seen to change it
    assert np.allclose(start.place, there.place) and np.isclose(start.time, there.time)


@pytest.mark.parametrize("empty", [[], {}, None, (), {"a": []}], ids=str)
def test_arguments_without_numbers_are_returned(empty):
    assert tg.grad(lambda e: 1.0)(empty) == empty
    assert tg.value_and_grad(lambda x, e: x * 2.0, argnums=(0, 1))(1.0, empty) == (2.0, (2.0, empty))
    assert tg.jacrev(lambda e: 1.0)(empty) == empty == tg.jacfwd(lambda e: 1.0)(empty)
    assert tg.jit(tg.grad(lambda e: 1.0))(empty) == empty


@pytest.mark.parametrize("mask", [[False], [True], [True, False, True]])
def test_pullback_of_what_a_mask_picks(mask):
    """A length that the program finds and the second half is not given."""
    def f(x, mask=np.array(mask)):
        return np.sum(np.cumsum(x[mask]) ** 2)
    x = np.arange(1.0, len(mask) + 1)
    tg.check_grads(f, (x,))
    y, pull = tg.vjp(lambda x, mask=np.array(mask): np.cumsum(x[mask]), x)
    with pytest.raises(tg.ShapeError):
        pull(np.ones(len(y) + 1))
