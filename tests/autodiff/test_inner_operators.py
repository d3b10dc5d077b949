"""Derivative operators in traced functions, their loops and branches, and derivatives of what they make: closed forms."""
import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(0)
M = RNG.standard_normal((4, 4))
A, B, X0, V = M @ M.T + 4 * np.eye(4), RNG.standard_normal(4), RNG.standard_normal(4), RNG.standard_normal(4)
POINT, START = np.array([5.0, 2.0]), np.array([2.5, 0.5])
SLOPE = np.array([[4.0, 2.0], [1.0, 2.0]])              # of `system` in x, at its root (2, 1) for POINT
OPERATORS = [tg.jacfwd, tg.jacrev, tg.jacobian]


def same(got, expected, tol=1e-9):
    np.testing.assert_allclose(got, expected, rtol=tol, atol=tol)


def slope_of(f, x, v, h=1e-5):
    """Central difference of the fourth order, along v."""
    return (8 * (f(x + h * v) - f(x - h * v)) - (f(x + 2 * h * v) - f(x - 2 * h * v))) / (12 * h)


def both(f, *args):
    """The compiled result, which the evaluator gives, too."""
    got = tg.jit(f)(*args)
    same(tg.jit(f).interpret(*args), got, 1e-10)
    return got


# --- descent on a quadratic: x_n - s = (1 - rate A)^n (x_0 - s), A s = b ------------------------------------------------------

def quadratic(x, a, b):
    return 0.5 * x @ a @ x - b @ x


def descend(a, b, x, rate, steps):
    for _ in range(steps):
        x = x - rate * tg.grad(lambda z: quadratic(z, a, b))(x)
    return x


def descended(a, b, x, rate, steps):
    root = np.linalg.solve(a, b)
    return root + np.linalg.matrix_power(np.eye(4) - rate * a, steps) @ (x - root)


def test_gradient_descent():
    same(both(descend, A, B, X0, 0.05, 30), descended(A, B, X0, 0.05, 30))


@pytest.mark.parametrize("operator", OPERATORS)
def test_derivatives_of_gradient_descent(operator):
    power = np.linalg.matrix_power(np.eye(4) - 0.05 * A, 30)
    same(operator(lambda x: descend(A, B, x, 0.05, 30))(X0), power)
    same(operator(lambda b: descend(A, b, X0, 0.05, 30))(B), (np.eye(4) - power) @ np.linalg.inv(A))


@pytest.mark.sweep(2, days=True)
def test_orders_of_gradient_descent():
    """In the rate, to the third order."""
    def last(rate):
        return np.sum(descend(A, B, X0, rate, 6))

    def closed(rate):
        return np.sum(descended(A, B, X0, rate, 6))

    first = tg.grad(last)
    second = tg.grad(first)
    same(first(0.05), slope_of(closed, 0.05, 1.0), 1e-7)
    same(second(0.05), slope_of(first, 0.05, 1.0), 1e-7)
    same(tg.grad(second)(0.05), slope_of(second, 0.05, 1.0), 1e-7)
    same(tg.jvp(second, (0.05,), (1.0,))[1], slope_of(second, 0.05, 1.0), 1e-7)


def test_the_matrix_of_gradient_descent():
    e = np.outer(V, X0)

    def closed(a):
        return np.sum(descended((a + a.T) / 2, B, X0, 0.05, 8))

    same(np.sum(tg.grad(lambda a: np.sum(descend(a, B, X0, 0.05, 8)))(A) * e), slope_of(closed, A, e), 1e-7)


def until_flat(b, x):
    slope = tg.grad(quadratic)(x, A, b)
    while np.sum(slope * slope) > 1e-22:
        x = x - 0.08 * slope
        slope = tg.grad(quadratic)(x, A, b)
    return x


def test_descent_until_the_gradient_is_small():
    same(both(until_flat, B, X0), np.linalg.solve(A, B))
    for operator in OPERATORS:
        same(operator(until_flat)(B, X0), np.linalg.inv(A), 1e-8)
    batch = np.stack([B, 2 * B])
    same(tg.vmap(until_flat, in_axes=(0, None))(batch, X0), np.linalg.solve(A, batch.T).T)


# --- Newton: jacobian and solve, Hessian-vector products ----------------------------------------------------------------------

def system(x, p):
    return np.array([x[0] ** 2 + x[1] ** 2 - p[0], x[0] * x[1] - p[1]])


def newton(p, x, operator=tg.jacobian):
    f = system(x, p)
    while np.max(np.abs(f)) > 1e-12:
        x = x - np.linalg.solve(operator(system)(x, p), f)
        f = system(x, p)
    return x


@pytest.mark.sweep(2)
@pytest.mark.parametrize("operator", OPERATORS)
def test_newton(operator):
    same(both(lambda p, x: newton(p, x, operator), POINT, START), [2.0, 1.0])
    same(tg.jacfwd(lambda p: newton(p, START, operator))(POINT), np.linalg.inv(SLOPE))
    same(tg.jacrev(lambda p: newton(p, START, operator))(POINT), np.linalg.inv(SLOPE))


def test_newton_of_a_batch():
    many = tg.jacrev(tg.vmap(lambda p: newton(p, START)))(np.stack([POINT, POINT]))
    same(many[1, :, 1], np.linalg.inv(SLOPE))
    same(many[0, :, 1], 0)


def energy(x):
    return np.sum(x ** 4) / 4 + 0.5 * x @ A @ x


def conjugate_gradients(product, b, steps):
    x, r = np.zeros_like(b), b.copy()
    q, rr = r.copy(), r @ r
    for _ in range(steps):
        h = product(q)
        along = rr / (q @ h)
        x, r = x + along * q, r - along * h
        rr, before = r @ r, rr
        q = r + rr / before * q
    return x


@pytest.mark.sweep(2, days=True)
def test_hessian_vector_products_in_a_loop():
    def step(x, b):
        return x - conjugate_gradients(lambda v: tg.hvp(energy, (x,), (v,)), tg.grad(energy)(x) - b, 4)

    hessian = A + np.diag(3 * X0 ** 2)
    same(both(step, X0, B), X0 - np.linalg.solve(hessian, X0 ** 3 + A @ X0 - B), 1e-8)
    same(tg.jacrev(step, argnums=1)(X0, B), np.linalg.inv(hessian), 1e-7)


def newton_descent(x, steps):
    for _ in range(steps):
        x = x - 0.5 * np.linalg.solve(tg.hessian(energy)(x), tg.grad(energy)(x))
    return x


@pytest.mark.sweep(6, days=True)
def test_hessians_in_a_loop():
    def by_hand(x):
        for _ in range(3):
            x = x - 0.5 * np.linalg.solve(A + np.diag(3 * x ** 2), x ** 3 + A @ x)
        return np.sum(x)

    def total(x):
        return np.sum(newton_descent(x, 3))

    same(both(total, X0), by_hand(X0))
    same(tg.grad(total)(X0) @ V, slope_of(by_hand, X0, V), 1e-8)
    same(tg.hvp(total, (X0,), (V,)), slope_of(tg.grad(total), X0, V), 1e-7)


# --- every operator inside ---------------------------------------------------------------------------------------------------

def curve(x):
    return np.sin(x) * x


S1, S2 = np.cos(X0) * X0 + np.sin(X0), 2 * np.cos(X0) - X0 * np.sin(X0)


def by_linearize(x):
    y, slope = tg.linearize(curve, x)
    return y + slope(np.ones_like(x)) + slope(x)


def by_vjp(x):
    y, back = tg.vjp(curve, x)
    return y + back(np.cos(x))[0]


def linear_map_in_a_loop(x):
    _, slope = tg.linearize(np.sin, x)
    v = x
    for _ in range(4):
        v = slope(v)
    return v


def pullback_in_a_loop(x):
    for _ in range(5):
        y, back = tg.vjp(np.sin, x)
        x = x + 0.1 * back(y)[0]
    return x


def value_and_gradient(x):
    for _ in range(3):
        v, g = tg.value_and_grad(lambda z: np.sum(z ** 2))(x)
        x = x - 0.1 * g * v
    return x


def total(x):
    return np.sum(curve(x))


INSIDE = {
    "vmap of grad": (lambda x: tg.vmap(tg.grad(curve))(x), S1),
    "grad of vmap": (lambda x: tg.grad(lambda z: np.sum(tg.vmap(curve)(z)))(x), S1),
    "jvp of grad": (lambda x: tg.jvp(tg.grad(total), (x,), (x,))[1], S2 * X0),
    "grad of jvp": (lambda x: tg.grad(lambda z: tg.jvp(total, (z,), (z,))[1])(x), S1 + S2 * X0),
    "hessian": (lambda x: tg.hessian(total)(x) @ x, S2 * X0),
    "hvp": (lambda x: tg.hvp(total, (x,), (x,)), S2 * X0),
    "jacfwd": (lambda x: tg.jacfwd(curve)(x) @ x, S1 * X0),
    "jacrev": (lambda x: tg.jacrev(curve)(x) @ x, S1 * X0),
    "jit": (lambda x: tg.jit(tg.grad(tg.jit(total)))(x), S1),
    "checkpoint": (lambda x: tg.grad(lambda z: np.sum(tg.checkpoint(curve)(z)))(x), S1),
    "linearize": (by_linearize, curve(X0) + S1 * (1 + X0)),
    "vjp": (by_vjp, curve(X0) + S1 * np.cos(X0)),
    "linearize, applied in a loop": (linear_map_in_a_loop, X0 * np.cos(X0) ** 4),
    "vjp in a loop": (pullback_in_a_loop, None),
    "value_and_grad in a loop": (value_and_gradient, None),
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", INSIDE)
def test_inside(name):
    """The value, and both modes and the second order of it against differences."""
    f, expected = INSIDE[name]
    x = X0 if expected is not None else X0 * 0.3
    got = both(f, x)
    if expected is not None:
        same(got, expected)

    def loss(x):
        return np.sum(np.sin(f(x)))

    slope = tg.grad(loss)(x)
    same(slope @ V, slope_of(tg.jit(loss), x, V), 1e-8)
    same(tg.jvp(loss, (x,), (V,))[1], slope @ V, 1e-11)
    same(tg.hvp(loss, (x,), (V,)), slope_of(tg.grad(loss), x, V), 1e-7)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("operator", OPERATORS)
def test_jacobians_in_a_loop(operator):
    def walk(x):
        for _ in range(3):
            x = x + 0.1 * operator(lambda z: np.sin(z) * z[0])(x) @ x
        return np.sum(x)

    def by_hand(x):
        for _ in range(3):
            slope = np.diag(np.cos(x) * x[0])
            slope[:, 0] += np.sin(x)
            x = x + 0.1 * slope @ x
        return np.sum(x)

    same(both(walk, X0), by_hand(X0))
    same(tg.grad(walk)(X0) @ V, slope_of(by_hand, X0, V), 1e-8)


@pytest.mark.sweep(2, days=True)
def test_training_loop():
    """Structures, vmap of grad with what the loop carries, and its derivative in the starting point."""
    x, y = RNG.standard_normal((20, 3)), RNG.standard_normal(20)

    def train(params):
        for _ in range(4):
            g = tg.grad(lambda p: np.mean((x @ p["w"] + p["b"] - y) ** 2))(params)
            params = {k: params[k] - 0.1 * g[k] for k in params}
            each = tg.vmap(tg.grad(lambda w, row: np.tanh(w @ row)), in_axes=(None, 0))(params["w"], x)
            params["w"] = params["w"] - 0.1 * np.mean(each, axis=0)
        return params

    def by_hand(w, b):
        for _ in range(4):
            r = x @ w + b - y
            w, b = w - 0.1 * 2 * x.T @ r / 20, b - 0.1 * 2 * np.mean(r)
            w = w - 0.1 * np.mean((1 - np.tanh(x @ w) ** 2)[:, None] * x, axis=0)
        return np.sum(w) + b

    params = {"w": V[:3], "b": 0.5}
    got = tg.jit(train)(params)
    same(np.sum(got["w"]) + got["b"], by_hand(V[:3], 0.5))
    slope = tg.grad(lambda p: np.sum(train(p)["w"]) + train(p)["b"])(params)
    same(slope["w"] @ X0[:3], slope_of(lambda w: by_hand(w, 0.5), V[:3], X0[:3]), 1e-8)
    same(slope["b"], slope_of(lambda b: by_hand(V[:3], b), 0.5, 1.0), 1e-8)


# --- branches ----------------------------------------------------------------------------------------------------------------

def powers(x):
    if x > 0:
        return tg.grad(lambda z: z ** 3)(x)
    return tg.grad(tg.grad(lambda z: z ** 4))(x)


@pytest.mark.parametrize("x, values", [(2.0, (12, 12, 6, 0)), (-2.0, (48, -48, 24, 0))])
def test_branches(x, values):
    f = powers
    for k, expected in enumerate(values):
        assert tg.jit(f)(x) == pytest.approx(expected)
        if k < 3:
            assert tg.jvp(f, (x,), (1.0,))[1] == pytest.approx(values[k + 1])
        f = tg.grad(f)
    batch = np.array([2.0, -2.0])
    np.testing.assert_allclose(tg.vmap(tg.grad(powers))(batch), [12, -48])


# --- closures over traced values: perturbations are not confused --------------------------------------------------------------

CONFUSING = {
    "reverse in reverse": (tg.grad(lambda x: x * tg.grad(lambda y: x + y)(1.0)), 3.0, 1.0),
    "reverse in reverse, product": (tg.grad(lambda x: x * tg.grad(lambda y: x * y)(2.0)), 3.0, 6.0),
    "forward in forward": (lambda x: tg.jvp(lambda z: z * tg.jvp(lambda y: z * y, (2.0,), (1.0,))[1], (x,), (1.0,))[1], 3.0,
                           6.0),
    "reverse in forward": (lambda x: tg.jvp(lambda x: x * tg.grad(lambda y: x * y * y)(2.0), (x,), (1.0,))[1], 3.0, 24.0),
    "forward in reverse": (tg.grad(lambda x: x * tg.jvp(lambda y: x * y * y, (2.0,), (1.0,))[1]), 3.0, 24.0),
    "three": (tg.grad(lambda x: tg.grad(lambda y: tg.grad(lambda z: x ** 2 * y ** 3 * z ** 4)(1.5))(2.0)), 3.0, 972.0),
    "vmap between": (tg.grad(lambda x: np.sum(tg.vmap(tg.grad(lambda y: x * x * y * y))(np.array([1.0, 2.0])))), 3.0, 36.0),
}


@pytest.mark.parametrize("name", CONFUSING)
def test_perturbations(name):
    f, x, expected = CONFUSING[name]
    assert f(x) == pytest.approx(expected)
    assert tg.jit(f)(x) == pytest.approx(expected)


def test_perturbations_in_a_loop():
    """s <- s + d/dy (x y s + y y) at x + i, whose slope is x s + 2 (x + i)."""
    def carried(x):
        s = 0.0
        for i in range(4):
            s = s + tg.grad(lambda y, s=s: x * y * s + y * y)(x + i)
        return s

    def captured(x, n):
        s = 0.0
        for i in range(n):
            s = s + tg.grad(lambda y: x * y * s + y * y)(x + i)  # noqa: B023  it is called before s changes
        return s

    s = np.polynomial.Polynomial([0])
    for i in range(4):
        s = s + np.polynomial.Polynomial([0, 1]) * s + np.polynomial.Polynomial([2 * i, 2])
    for f in (carried, lambda x: captured(x, 4)):
        for order in range(4):
            same(tg.jit(f)(0.3), s.deriv(order)(0.3) if order else s(0.3), 1e-11)
            f = tg.grad(f)


def test_a_closure_sees_what_its_variable_holds_when_it_is_called():
    def f(x):
        y = x * 1

        def inner(z):
            return np.sum(y * z * z)

        y[0] = 5.0
        return tg.grad(inner)(x)

    x = np.array([1.0, 2.0, 3.0])
    same(tg.jit(f)(x), 2 * np.array([5.0, 2.0, 3.0]) * x)
    same(tg.jacrev(f)(x), np.diag([10.0, 8.0, 12.0]))
    same(tg.jacfwd(f)(x), np.diag([10.0, 8.0, 12.0]))


def test_a_closure_that_writes_outside_is_refused():
    def f(x):
        held = np.zeros(3)

        def inner(y):
            held[0] = y * x
            return np.sum(held * y)

        return tg.grad(inner)(x)

    with pytest.raises(NotImplementedError, match=r"(?s)`inner` is differentiated .* changes an array .*held\[0\] = y.*a copy"):
        tg.jit(f)(2.0)

    def g(x):
        held = {"a": x}

        def inner(y):
            held["a"] = y * x
            return held["a"]

        return tg.grad(inner)(x)

    with pytest.raises(NotImplementedError, match=r"`inner` is .* changes item \['a'\] of a dict"):
        tg.jit(g)(2.0)
