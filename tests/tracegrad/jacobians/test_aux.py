"""`has_aux` of the Jacobian-like operators: what a function returns beside its value is returned as it is, once."""
import numpy as np
import pytest

import tracegrad as tg

X = np.array([1.0, 2.0, 3.0])


def pair(x):
    return x**2 * x.sum(), {"sum": x.sum(), "three": 3, "above": x > 1.5}


def check_aux(aux, x):
    assert aux["sum"] == x.sum() and aux["three"] == 3
    np.testing.assert_array_equal(aux["above"], x > 1.5)


@pytest.mark.parametrize("operator, options", [
    (tg.jacobian, {}), (tg.jacfwd, {}), (tg.jacrev, {}), (tg.jacobian, {"mode": "reverse"}), (tg.jacobian, {"mode": "forward"}),
    (tg.jacobian, {"sparse": True}), (tg.jacobian, {"mode": "compressed"})])
def test_jacobians(operator, options):
    found, aux = operator(pair, has_aux=True, **options)(X)
    found = found.toarray() if options.get("sparse") else found
    np.testing.assert_allclose(found, tg.jacobian(lambda x: pair(x)[0])(X), rtol=1e-14)
    check_aux(aux, X)


def test_by_a_pattern_and_inside_compiled_code():
    def steps(x):
        return x[1:] - x[:-1], x.sum()

    x = np.arange(100.0)
    expected = np.eye(100)[1:] - np.eye(100)[:-1]
    for f in (tg.jacobian(steps, has_aux=True), tg.jit(lambda x: tg.jacobian(steps, has_aux=True)(x))):
        found, aux = f(x)
        np.testing.assert_array_equal(found, expected)
        assert aux == x.sum()


def test_several_arguments_and_results():
    def f(a, b):
        return (a * b, b.sum()), (a.sum(), "text")

    (by_a, by_b), aux = tg.jacrev(f, argnums=(0, 1), has_aux=True)(X, 2 * X)
    np.testing.assert_array_equal(by_a[0], np.diag(2 * X))
    np.testing.assert_array_equal(by_a[1], np.diag(X))
    np.testing.assert_array_equal(by_b[0], 0 * X)
    np.testing.assert_array_equal(by_b[1], np.ones(3))
    assert aux == (X.sum(), "text")


def test_second_derivatives():
    def cubes(x):
        return (x**3).sum(), x * 2

    for options in ({}, {"sparse": True}):
        found, aux = tg.hessian(cubes, has_aux=True, **options)(X)
        np.testing.assert_array_equal(found.toarray() if options else found, np.diag(6 * X))
        np.testing.assert_array_equal(aux, X * 2)
    product, aux = tg.hvp(cubes, (X,), (X,), has_aux=True)
    np.testing.assert_array_equal(product, 6 * X * X)
    np.testing.assert_array_equal(aux, X * 2)


def test_along_a_tangent():
    value, tangent, aux = tg.jvp(pair, (X,), (X,), has_aux=True)
    np.testing.assert_allclose(value, pair(X)[0])
    np.testing.assert_allclose(tangent, 3 * pair(X)[0])            # homogeneous of degree three
    check_aux(aux, X)
    with pytest.raises(tg.ArgumentTypeError, match="must return a pair"):
        tg.jvp(lambda x: x, (X,), (X,), has_aux=True)
    with pytest.raises(tg.ArgumentTypeError, match="must return a pair"):
        tg.jacobian(lambda x: x, has_aux=True)(X)


def test_linearized():
    value, push, aux = tg.linearize(pair, X, has_aux=True)
    np.testing.assert_array_equal(value, pair(X)[0])
    check_aux(aux, X)
    v = np.array([1.0, -1.0, 0.5])
    np.testing.assert_allclose(push(v), tg.jvp(lambda x: pair(x)[0], (X,), (v,))[1], rtol=1e-14)
    inside = tg.jit(lambda x, v: tg.linearize(pair, x, has_aux=True)[1](v))
    np.testing.assert_allclose(inside(X, v), push(v), rtol=1e-14)
    with pytest.raises(tg.ArgumentTypeError, match="must return a pair"):
        tg.linearize(lambda x: x, X, has_aux=True)
