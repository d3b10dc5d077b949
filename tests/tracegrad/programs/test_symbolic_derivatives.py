"""Derivative operators for many lengths: halves of vjp and linearize, Jacobians, Hessians. One program each below 256."""
import numpy as np
import pytest
from test_symbolic import PROGRAMS, arguments

import tracegrad as tg
from tracegrad.jitted.functions import derived


def scaled(x, y):
    return np.sin(x) * y[::-1]


def ends(x, y):
    return x[1:] * y[:-1] + np.sum(x * x)


def rows(x, y):
    return np.outer(x, y[:-1]) + x[0]


def several(x, y):
    return {"sum": np.sum(x * y), "both": np.concatenate([x, y * y]), "count": len(x) + 1}


def carried(x, y):
    out = np.zeros(x.size)
    s = 0.0
    for i in range(x.size):
        s = np.tanh(s + x[i] * y[i])
        out[i] = s * x[x.size - 1 - i]
    return out


def kept(x, y):
    big = x[y > 0.4]
    return np.sum(big**3) * y


VECTORS = (scaled, ends, rows, carried, kept)


def quotient(f, x, y, v, w, h=1e-6):
    return (f(x + h * v, y + h * w) - f(x - h * v, y - h * w)) / (2 * h)


@pytest.mark.sweep(6)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_pullbacks_of_numbers(program):
    f = tg.jit(program, shapes="symbolic")
    for n in (2, 5, 9, 300):
        value, pull = tg.vjp(f, *arguments(n))
        _, (gx, gy) = tg.value_and_grad(f, argnums=(0, 1))(*arguments(n))
        np.testing.assert_allclose(value, program(*arguments(n)), rtol=1e-11)
        for found, expected in zip(pull(2.0), (gx, gy)):
            np.testing.assert_allclose(found, 2 * expected, rtol=1e-11)
    first = derived(f, "vjp", False)
    assert first.cache_info().misses == 2 and {s.origin for s in first.specializations} == {"symbolic"}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("program", VECTORS, ids=lambda f: f.__name__)
def test_both_halves_of_arrays(program):
    f = tg.jit(program, shapes="symbolic")
    for n in (2, 5, 9, 300):
        (x, y), (v, w) = arguments(n), arguments(n, seed=5)
        out, pull = tg.vjp(f, x, y)
        again, push = tg.linearize(f, x, y)
        bar = np.cos(np.arange(out.size)).reshape(out.shape)
        slope = quotient(program, x, y, v, w)
        np.testing.assert_allclose(out, program(x, y), rtol=1e-12)
        np.testing.assert_array_equal(out, again)
        np.testing.assert_allclose(push(v, w), slope, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(tg.jvp(f, (x, y), (v, w))[1], slope, rtol=1e-6, atol=1e-7)
        gx, gy = pull(bar)
        np.testing.assert_allclose(gx @ v + gy @ w, np.sum(bar * slope), rtol=1e-5, atol=1e-6)
        with pytest.raises(ValueError, match=r"length|shape"):
            pull(np.ones(n + 3))
    for name, options in (("vjp", (False,)), ("linearize", ())):
        assert derived(f, name, *options).cache_info().misses == 2


def test_one_second_half_for_many_lengths():
    f = tg.jit(scaled, shapes="symbolic")
    seconds = set()
    for n in range(3, 20):
        _, pull = tg.vjp(f, *arguments(n))
        pull(np.ones(n))
        seconds.add(pull._second)
    assert len(seconds) == 1
    assert seconds.pop().cache_info().misses == 1


def test_structures_and_what_has_no_derivative():
    f = tg.jit(several, shapes="symbolic")
    for n in (3, 8):
        x, y = arguments(n)
        out, pull = tg.vjp(f, x, y)
        assert out["count"] == n + 1
        gx, gy = pull({"sum": 3.0, "both": np.arange(2.0 * n), "count": 0})
        np.testing.assert_allclose(gx, 3 * y + np.arange(n), rtol=1e-13)
        np.testing.assert_allclose(gy, 3 * x + 2 * y * np.arange(n, 2 * n), rtol=1e-13)
    _, pull, aux = tg.vjp(lambda x: (np.sum(x), x * 2), x, has_aux=True)
    np.testing.assert_array_equal(aux, 2 * x)
    np.testing.assert_array_equal(pull(1.0)[0], np.ones(n))


def test_cotangents_of_another_length():
    f = tg.jit(lambda x: 2 * x, shapes="symbolic")
    for n in (4, 7):
        _, pull = tg.vjp(f, np.ones(n))
        for wrong in (n + 1, n - 1, 1):
            with pytest.raises(ValueError, match=r"length|shape"):
                pull(np.ones(wrong))
        np.testing.assert_array_equal(pull(np.ones(n))[0], np.full(n, 2.0))


@pytest.mark.sweep(3)
@pytest.mark.parametrize("program", VECTORS, ids=lambda f: f.__name__)
def test_jacobians(program):
    f = tg.jit(program, shapes="symbolic")
    operators = [op(f, argnums=(0, 1)) for op in (tg.jacfwd, tg.jacrev)]
    for n in (2, 3, 6, 11):
        x, y = arguments(n)
        one, basis = np.zeros(n), np.eye(n)
        expected = [np.stack([quotient(program, x, y, *((e, one) if k == 0 else (one, e))) for e in basis], axis=-1)
                    for k in (0, 1)]
        for op in operators:
            for found, want in zip(op(x, y), expected):
                assert found.shape == want.shape
                np.testing.assert_allclose(found, want, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(tg.jacobian(f)(x, y), expected[0], rtol=1e-6, atol=1e-7)
    for op in operators:
        assert op.cache_info().misses == 1


@pytest.mark.sweep(3)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_hessians(program):
    f = tg.jit(program, shapes="symbolic")
    second = tg.hessian(f, argnums=(0, 1))
    for n in (2, 5, 6):
        (x, y), (v, w) = arguments(n), arguments(n, seed=3)
        (xx, xy), (yx, yy) = second(x, y)
        px, py = tg.hvp(f, (x, y), (v, w))
        np.testing.assert_allclose(xx @ v + xy @ w, px, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(yx @ v + yy @ w, py, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(xy, yx.T, rtol=1e-9, atol=1e-10)
    assert second.cache_info().misses == 1


def test_jacobians_of_matrices_and_structures():
    def f(model, x):
        return {"out": np.tanh(x @ model["w"]) + model["b"], "norm": np.sum(model["w"]) * x[0]}

    jac = tg.jacrev(tg.jit(f, shapes="symbolic"))
    plain = tg.jacfwd(tg.jit(f, shapes="static"))
    for n, m in ((2, 3), (3, 4), (5, 2)):
        rng = np.random.default_rng(n)
        model, x = {"w": rng.normal(size=(n, m)), "b": rng.normal(size=m)}, rng.normal(size=n)
        found, expected = jac(model, x), plain(model, x)
        assert found["out"]["w"].shape == (m, n, m) and found["norm"]["w"].shape == (n, m)
        for k in ("out", "norm"):
            for leaf in ("w", "b"):
                np.testing.assert_allclose(found[k][leaf], expected[k][leaf], rtol=1e-12, atol=1e-14)
    assert jac.cache_info().misses == 1


def test_the_mode_follows_from_lengths_where_it_can():
    total = tg.jacobian(tg.jit(lambda x: np.sum(x**2), shapes="symbolic"))
    for n in (2, 5):
        np.testing.assert_array_equal(total(np.arange(n) * 1.0), 2.0 * np.arange(n))
    assert total.cache_info().misses == 1
    wide = tg.jacobian(tg.jit(lambda x, w: w @ x, shapes="symbolic"))
    for n, m in ((2, 3), (4, 3), (3, 3)):                # either may be larger: a program for each shape
        w = np.arange(1.0 * n * m).reshape(m, n)
        np.testing.assert_array_equal(wide(np.ones(n), w), w)


def test_maps_over_batches_of_any_length():
    per_row = tg.vmap(tg.jit(lambda x, k: np.sum(np.sin(x)) * k, shapes="symbolic"), in_axes=(0, None))
    slopes = tg.vmap(tg.grad(tg.jit(lambda x: np.sum(x**3), shapes="symbolic")))
    for n, m in ((2, 3), (7, 4), (300, 2)):
        x = np.arange(1.0 * n * m).reshape(n, m)
        np.testing.assert_allclose(per_row(x, 2.0), 2 * np.sin(x).sum(axis=1), rtol=1e-11)
        np.testing.assert_allclose(slopes(x), 3 * x**2, rtol=1e-12)
    assert per_row.cache_info().misses == slopes.cache_info().misses == 2


def test_residuals_of_a_length_that_data_decide():
    """At one shape of the argument, too, each call may keep another number of elements."""
    def f(x):
        big = x[x > 0.5]
        return np.sin(big)

    rng = np.random.default_rng(0)
    for _ in range(12):
        x = rng.uniform(0, 1, 40)
        out, pull = tg.vjp(f, x)
        np.testing.assert_allclose(pull(np.ones(out.size))[0], np.where(x > 0.5, np.cos(x), 0.0), rtol=1e-13)
    assert pull._second.cache_info().misses <= 6
