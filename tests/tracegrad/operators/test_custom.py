"""custom_jvp and custom_vjp: values, both modes, second order, in loops and branches, and each misuse."""
import functools
from typing import NamedTuple

import numpy as np
import pytest
from tracegrad.autodiff.forward import jvp
from tracegrad.autodiff.reverse.reverse import vjp
from tracegrad.ir.interp import run
from tracegrad.ir.text.printer import parse

import tracegrad as tg

RNG = np.random.default_rng(0)


@tg.custom_jvp
def softplus(x):
    return np.log(1.0 + np.exp(x))


@softplus.defjvp
def softplus_rule(primals, tangents):
    (x,), (t,) = primals, tangents
    return softplus(x), t * (1.0 - 1.0 / (1.0 + np.exp(x)))


@tg.custom_vjp
def scaled(x, y):
    return np.sin(x) * y


def scaled_fwd(x, y):
    return scaled(x, y), (np.cos(x), np.sin(x), y)


def scaled_bwd(res, g):
    cos_x, sin_x, y = res
    return g * cos_x * y, g * sin_x


scaled.defvjp(scaled_fwd, scaled_bwd)


@pytest.fixture(params=["compiled", "evaluator"], autouse=True)
def way(request):
    with tg.config(disable_jit=request.param == "evaluator"):
        yield


def test_outside_of_traced_code_it_is_the_function():
    assert softplus(1.0) == np.log(1.0 + np.exp(1.0))
    assert scaled(1.0, y=2.0) == np.sin(1.0) * 2.0
    assert repr(softplus) == "<tracegrad.custom_jvp of softplus>" and softplus.__name__ == "softplus"


def test_the_rule_is_what_differentiates():
    assert tg.grad(softplus)(800.0) == 1.0                      # exp(800) is infinite: without the rule this is NaN
    assert tg.jvp(softplus, (800.0,), (2.0,))[1] == 2.0
    assert tg.jit(softplus)(1.0) == pytest.approx(softplus(1.0), rel=1e-15)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("x", [0.3, np.float32(0.3), RNG.standard_normal(5), RNG.standard_normal((2, 3)), np.zeros((0, 3)),
                               RNG.standard_normal(4).astype(np.float32)], ids=str)
def test_both_modes_and_second_order(x):
    def f(x):
        return np.sum(softplus(x * 1.5) ** 2)

    def g(x):
        return np.sum(scaled(x, np.cos(x)))

    for fun in (f, g):
        tg.check_grads(fun, (x,), order=2, **({"eps": 3e-2, "rtol": 5e-2} if np.asarray(x).dtype == np.float32 else {}))


def test_wrong_rules_show():
    """What the rule says is what comes out, in each mode."""
    @tg.custom_jvp
    def f(x):
        return x * x

    f.defjvp(lambda primals, tangents: (f(*primals) + 1.0, 10.0 * tangents[0]))
    assert tg.grad(f)(3.0) == 10.0
    assert tg.jvp(f, (3.0,), (1.0,)) == (10.0, 10.0)
    assert tg.value_and_grad(f)(3.0) == (10.0, 10.0)
    assert tg.jit(f)(3.0) == 9.0


def test_defjvps():
    @tg.custom_jvp
    def f(x, y, n):
        return x * y**n

    f.defjvps(lambda t, out, x, y, n: t * y**n, lambda t, out, x, y, n: n * t * out / y, None)
    assert tg.grad(f, (0, 1))(2.0, 3.0, 2.0) == pytest.approx((9.0, 12.0))
    assert tg.jvp(f, (2.0, 3.0, 2.0), (1.0, 1.0, 1.0))[1] == pytest.approx(21.0)


def loop(x, n):
    s = 0.0
    for k in range(n):
        if x[k] > 0:
            s = 0.5 * s + softplus(x[k] + s)
        else:
            s = scaled(s, x[k])
    return s


def loop_plain(x, n):
    s = 0.0
    for k in range(n):
        if x[k] > 0:
            s = 0.5 * s + np.log(1.0 + np.exp(x[k] + s))
        else:
            s = np.sin(s) * x[k]
    return s


@pytest.mark.sweep(2, days=True)
def test_in_loops_and_branches():
    x = RNG.standard_normal(9)
    assert tg.grad(loop)(x, 9) == pytest.approx(tg.grad(loop_plain)(x, 9), rel=1e-12)
    tg.check_grads(lambda x: loop(x, 9), (x,), order=2)


@pytest.mark.sweep(2, days=True)
def test_in_a_while_loop_over_an_array_written_in_place():
    def f(a, x):
        a = a.copy()
        k = 0
        while k < a.shape[0] - 1 and a[k] < 10.0:
            a[k + 1] = softplus(a[k]) + scaled(x, a[k + 1])
            k += 1
        return np.sum(a * a)

    tg.check_grads(f, (RNG.standard_normal(6), 0.7), order=2)


@pytest.mark.sweep(2, days=True)
def test_array_arguments_that_are_overwritten_afterwards():
    @tg.custom_vjp
    def dot(a, b):
        return np.sum(a * b)

    dot.defvjp(lambda a, b: (dot(a, b), (a, b)), lambda res, g: (g * res[1], g * res[0]))

    def f(a):
        a = a.copy()
        total = 0.0
        for k in range(4):
            total += dot(a, a[::-1])
            a[k] = total * 0.1
        return total

    tg.check_grads(f, (RNG.standard_normal(5),), order=2)


class Pair(NamedTuple):
    a: np.ndarray
    n: int


@pytest.mark.sweep(2, days=True)
def test_structures_of_arguments_results_and_residuals():
    @tg.custom_vjp
    def f(params, pair, flag):
        return {"y": params["w"] * pair.a, "count": pair.n, "both": [params["b"] * 2.0, np.sum(pair.a)]}

    def fwd(params, pair, flag):
        return f(params, pair, flag), {"w": params["w"], "a": pair.a, "name": "residual", "flag": flag}

    def bwd(res, ct):
        assert res["name"] == "residual" and res["flag"] is True
        w_bar = ct["y"] * res["a"]
        return {"w": w_bar, "b": ct["both"][0] * 2.0}, Pair(ct["y"] * res["w"] + ct["both"][1], None), None

    f.defvjp(fwd, bwd)

    def loss(params, a):
        out = f(params, Pair(a, 3), True)
        return np.sum(out["y"] ** 2) + out["both"][0] * out["both"][1] * out["count"]

    args = {"w": RNG.standard_normal(3), "b": 0.5}, RNG.standard_normal(3)
    tg.check_grads(loss, args, order=2)
    tg.check_grads(loss, args, modes=("fwd",))


def test_none_is_a_zero_cotangent():
    @tg.custom_vjp
    def f(x, p):
        return x * p["a"] * p["b"]

    f.defvjp(lambda x, p: (f(x, p), p), lambda p, g: (None, {"a": g, "b": None}))
    assert tg.grad(f, (0, 1))(2.0, {"a": 3.0, "b": 4.0}) == (0.0, {"a": 1.0, "b": 0.0})


def test_nondiff_argnums():
    @functools.partial(tg.custom_jvp, nondiff_argnums=(0, 2))
    def apply(fun, x, n):
        return fun(x) * n

    @apply.defjvp
    def _(fun, n, primals, tangents):
        return apply(fun, primals[0], n), 100.0 * n * tangents[0]

    assert tg.grad(lambda x, n: apply(np.sin, x, n))(1.0, 3) == 300.0

    @tg.custom_vjp(nondiff_argnums=(1,))
    def clipped(x, bound):
        return x

    clipped.defvjp(lambda x, bound: (x, None), lambda bound, res, g: (np.clip(g, -bound, bound),))
    x = np.array([-3.0, 0.1, 4.0])
    assert tg.grad(lambda x, b: np.sum(clipped(x, b) ** 2))(x, 1.5).tolist() == [-1.5, 0.2, 1.5]


@pytest.mark.sweep(2, days=True)
def test_lengths_known_only_at_run_time():
    @tg.custom_vjp
    def total(a):
        return np.sum(a**3)

    total.defvjp(lambda a: (total(a), a), lambda a, g: (3.0 * g * a**2,))

    def f(x, n):
        s = 0.0
        for k in range(n):
            s += total(x[:k + 1]) * x[k]
        return s

    def plain(x, n):
        s = 0.0
        for k in range(n):
            s += np.sum(x[:k + 1]**3) * x[k]
        return s

    x = RNG.standard_normal(5)
    assert tg.grad(f)(x, 5) == pytest.approx(tg.grad(plain)(x, 5), rel=1e-12)
    assert tg.jvp(lambda x: f(x, 5), (x,), (x,))[1] == pytest.approx(tg.jvp(lambda x: plain(x, 5), (x,), (x,))[1], rel=1e-12)


def test_under_vmap_linearize_jacobians():
    x = RNG.standard_normal(4)
    slope = 1 / (1 + np.exp(-x))
    assert tg.vmap(tg.grad(softplus))(x) == pytest.approx(slope)
    assert tg.grad(lambda x: np.sum(tg.vmap(softplus)(x)))(x) == pytest.approx(slope)
    assert tg.linearize(softplus, x)[1](np.ones(4)) == pytest.approx(slope)
    assert tg.vjp(softplus, x)[1](np.ones(4))[0] == pytest.approx(slope)
    for jacobian in (tg.jacfwd, tg.jacrev):
        assert jacobian(softplus)(x) == pytest.approx(np.diag(slope))
    assert tg.jacfwd(scaled, (0, 1))(0.5, 2.0) == pytest.approx((np.cos(0.5) * 2, np.sin(0.5)))
    assert tg.linearize(scaled, 0.5, 2.0)[1](1.0, 0.0) == pytest.approx(np.cos(0.5) * 2)
    assert tg.hessian(lambda x: np.sum(softplus(x)))(x) == pytest.approx(np.diag(slope * (1 - slope)))


@pytest.mark.sweep(2, days=True)
def test_derivatives_inside_of_traced_code():
    @tg.jit
    def f(x):
        s = 0.0
        for k in range(x.shape[0]):
            s += tg.grad(softplus)(x[k]) * tg.grad(scaled)(x[k], 2.0)
        return s

    x = RNG.standard_normal(3)
    assert f(x) == pytest.approx(np.sum(2 * np.cos(x) / (1 + np.exp(-x))))
    tg.check_grads(f, (x,), order=2)


@pytest.mark.sweep(2, days=True)
def test_nested_rules():
    @tg.custom_vjp
    def outer(x):
        return softplus(x) ** 2

    def fwd(x):
        y, slope = tg.value_and_grad(softplus)(x)
        return y**2, (y, slope)

    outer.defvjp(fwd, lambda res, g: (2.0 * g * res[0] * res[1],))
    tg.check_grads(outer, (0.4,), order=3)


def test_methods_and_keywords():
    class Model:
        def __init__(self, rate):
            self.rate = rate

        @functools.partial(tg.custom_jvp, nondiff_argnums=(0,))
        def value(self, x, power=2.0):
            return self.rate * x**power

        @value.defjvp
        def rule(self, primals, tangents):
            (x, power), (t, _) = primals, tangents
            return self.value(x, power), 7.0 * t

    model = Model(3.0)
    assert model.value(2.0) == 12.0
    assert tg.grad(lambda x: model.value(x))(2.0) == 7.0
    assert tg.grad(lambda x: model.value(x, power=3.0))(2.0) == 7.0


@pytest.mark.sweep(2, days=True)
def test_complex():
    @tg.custom_vjp
    def square(z):
        return z * z

    square.defvjp(lambda z: (square(z), z), lambda z, g: (2.0 * z * g,))
    z = np.array([1 + 2j, -0.5j])
    plain = tg.grad(lambda z: np.sum(np.abs(z * z) ** 2))(z)
    assert tg.grad(lambda z: np.sum(np.abs(square(z)) ** 2))(z) == pytest.approx(plain)
    tg.check_grads(lambda z: np.sum(np.abs(square(z)) ** 2), (z,), order=2)


def test_a_value_captured_from_around_the_call():
    @tg.jit
    def f(x, scale):
        @tg.custom_vjp
        def g(y):
            return y * scale

        g.defvjp(lambda y: (g(y), None), lambda _, ct: (ct * scale,))
        return g(x)

    assert f(2.0, 3.0) == 6.0
    assert tg.grad(f)(2.0, 3.0) == 3.0
    with pytest.raises(tg.UnsupportedError, match="depends on `scale`, which is differentiated"):
        tg.grad(f, 1)(2.0, 3.0)


# --- misuse -----------------------------------------------------------------------------------------------------------


def ruled(rule):
    f = tg.custom_jvp(lambda x, y: x * y)
    f.defjvp(rule)
    return f


def backed(bwd, fwd=None):
    f = tg.custom_vjp(lambda x, y: x * y)
    f.defvjp(fwd or (lambda x, y: (x * y, (x, y))), bwd)
    return f


X, Y = np.ones(3), np.ones(3)
MISUSE = {
    "no pair": (lambda p, t: p[0], tg.ArgumentTypeError, r"must return a pair \(out, out_dot\)"),
    "structure of out": (lambda p, t: ((p[0], p[1]), t[0]), tg.ArgumentTypeError, "out of the rule has the structure"),
    "structure of out_dot": (lambda p, t: (p[0] * p[1], t), tg.ArgumentTypeError, "out_dot of the rule has the structure"),
    "shape of out_dot": (lambda p, t: (p[0] * p[1], np.sum(t[0])), tg.ShapeError,
                         r"the tangent of out has shape \(\), where \(3,\)"),
    "dtype of out": (lambda p, t: ((p[0] * p[1]).astype(np.float32), t[0]), tg.DTypeError, "has dtype float32, where float64"),
    "complex out_dot": (lambda p, t: (p[0] * p[1], 1j * t[0]), tg.DTypeError, "return its real part"),
    "text": (lambda p, t: (p[0] * p[1], "t"), tg.ArgumentTypeError, "the tangent of out is 't'"),
}


@pytest.mark.parametrize("rule, error, message", MISUSE.values(), ids=MISUSE)
def test_misuse_of_custom_jvp(rule, error, message):
    with pytest.raises(error, match=message):
        tg.jvp(ruled(rule), (X, Y), (X, Y))


BACK = {
    "one for two": (lambda res, g: g, tg.ArgumentTypeError, "must return a tuple with the cotangent of each of the 2"),
    "three for two": (lambda res, g: (g, g, g), tg.ArgumentTypeError, "a tuple of 3"),
    "structure": (lambda res, g: ((g, g), g), tg.ArgumentTypeError, "cotangent of argument 0 has the structure"),
    "shape": (lambda res, g: (np.sum(g), g), tg.ShapeError, r"the cotangent of x has shape \(\), where \(3,\)"),
    "complex": (lambda res, g: (1j * g, g), tg.DTypeError, "return its real part"),
}


@pytest.mark.parametrize("bwd, error, message", BACK.values(), ids=BACK)
def test_misuse_of_custom_vjp(bwd, error, message):
    with pytest.raises(error, match=message):
        tg.grad(lambda x, y: np.sum(backed(bwd)(x, y)))(X, Y)


def test_misuse_of_the_forward_half():
    with pytest.raises(tg.ArgumentTypeError, match=r"must return a pair \(out, residuals\)"):
        tg.grad(backed(lambda r, g: (g, g), fwd=lambda x, y: x * y))(1.0, 2.0)
    with pytest.raises(tg.ShapeError, match="what the rule of"):
        tg.grad(lambda x, y: np.sum(backed(lambda r, g: (g, g), fwd=lambda x, y: (np.sum(x), x))(x, y)))(X, Y)


def test_a_rule_that_is_not_linear_serves_one_mode():
    f = ruled(lambda p, t: (p[0] * p[1], t[0] * t[0]))
    assert tg.jvp(f, (1.0, 2.0), (3.0, 0.0))[1] == 9.0
    with pytest.raises(tg.UnsupportedError, match="not linear in the tangents"):
        tg.grad(f)(1.0, 2.0)
    g = ruled(lambda p, t: (p[0] * p[1], np.where(t[0] > 0, t[0], 0.0)))
    with pytest.raises(tg.UnsupportedError, match="custom_vjp"):
        tg.grad(g)(1.0, 2.0)
    h = backed(lambda res, g: (np.clip(g, -1.0, 1.0), g))
    assert tg.grad(lambda x: 5.0 * h(x, 2.0))(1.0) == 1.0
    with pytest.raises(tg.UnsupportedError, match="not linear in the cotangents"):
        tg.jvp(lambda x: h(x, 2.0), (1.0,), (1.0,))


def test_a_function_without_a_rule():
    with pytest.raises(tg.ArgumentError, match=r"f\.defjvp\(rule\)"):
        tg.grad(tg.custom_jvp(lambda x: x))(1.0)
    with pytest.raises(tg.ArgumentError, match=r"f\.defvjp\(fwd, bwd\)"):
        tg.grad(tg.custom_vjp(lambda x: x))(1.0)
    with pytest.raises(tg.ArgumentTypeError, match="takes a function"):
        tg.custom_jvp(3)
    with pytest.raises(tg.ArgumentTypeError, match="defjvp takes functions"):
        tg.custom_jvp(lambda x: x).defjvp(3.0)
    with pytest.raises(tg.ArgumentError, match="nondiff_argnums names argument 4"):
        f = tg.custom_jvp(lambda x: x, nondiff_argnums=4)
        f.defjvp(lambda p, t: (p[0], t[0]))
        tg.grad(f)(1.0)


def test_a_function_that_overwrites_its_argument():
    @tg.custom_jvp
    def f(x):
        x[0] = 1.0
        return np.sum(x)

    f.defjvp(lambda p, t: (f(p[0]), np.sum(t[0])))
    with pytest.raises(tg.UnsupportedError, match="overwrites its argument x"):
        tg.grad(f)(np.ones(3))


def test_a_nondiff_argument_that_is_differentiated():
    f = tg.custom_jvp(lambda x, y: x * y, nondiff_argnums=(1,))
    f.defjvp(lambda y, p, t: (f(p[0], y), t[0] * y))
    assert tg.grad(f)(2.0, 3.0) == 3.0
    with pytest.raises(tg.UnsupportedError, match="nondiff_argnums"):
        tg.grad(f, (0, 1))(2.0, 3.0)
    assert tg.grad(lambda x: f(x, tg.stop_gradient(x)))(2.0) == 2.0


def test_a_rule_that_was_only_read_from_a_text():
    """The text of a program names a rule, but does not have it: such a program runs, and is not differentiated without it."""
    @tg.custom_jvp
    def f(x):
        return np.sin(x)

    f.defjvp(lambda primals, tangents: (f(*primals), 2.0 * tangents[0]))
    g = parse(tg.jit(lambda x: f(x) * 2.0).lower(1.0).text("traced"))
    assert run(g, 1.0)[0] == 2.0 * np.sin(1.0)
    for differentiate in (vjp, jvp):
        with pytest.raises(tg.UnsupportedError, match="custom_jvp of f only the name"):
            differentiate(g, (0,))


def test_rules_read_closures_as_they_were_at_the_call():
    def numbered(a):
        t = 0.0
        for k in range(4):
            @tg.custom_jvp
            def g(x):
                return x * k

            @g.defjvp
            def rule(primals, tangents):
                return g(primals[0]), tangents[0] * k
            t = t + g(a)
        return t

    def overwritten(a):
        kept = np.full(2, 3.0)

        @tg.custom_vjp
        def g(x):
            return x * kept[0]
        g.defvjp(lambda x: (g(x), x), lambda x, bar: (bar * kept[0],))
        y = g(a)
        kept[:] = 7.0
        return y + np.sum(kept)
    assert tg.grad(numbered)(2.0) == 6.0 and tg.jvp(numbered, (2.0,), (1.0,)) == (12.0, 6.0)
    assert tg.grad(overwritten)(2.0) == 3.0
