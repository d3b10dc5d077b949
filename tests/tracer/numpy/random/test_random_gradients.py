"""Derivatives of programs that draw: by the parameters of distributions, without ever drawing again."""
from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from scipy.special import gammainc, gammaincinv
from tracegrad.ir.opdef import OPS

import tracegrad as tg


def make():
    return np.random.default_rng(5)


def state(rng) -> str:
    return repr(rng.bit_generator.state)


def difference(f, args, k, step=1e-6):
    """By two runs from the same state."""
    def at(h):
        moved = list(args)
        moved[k] = moved[k] + h
        return f(make(), *moved)

    return (at(step) - at(-step)) / (2 * step)


def check(f, *args, forward=True):
    """Reverse, forward and differences agree, and each run leaves the state that one run of f leaves."""
    once, wrt = make(), tuple(range(1, 1 + len(args)))
    want = f(once, *args)
    runs = [tg.value_and_grad(f, argnums=wrt), tg.value_and_grad(f, argnums=wrt).interpret]
    for run in runs:
        value, found = run(rng := make(), *args)
        assert np.isclose(value, want, rtol=1e-13) and state(rng) == state(once)
        np.testing.assert_allclose(found, [difference(f, args, k) for k in range(len(args))], rtol=2e-6, atol=1e-8)
    if forward:
        np.testing.assert_allclose(tg.jacfwd(f, argnums=wrt)(rng := make(), *args), found, rtol=1e-9)
        assert state(rng) == state(once)
        tg.hessian(f, argnums=wrt)(rng := make(), *args)
        assert state(rng) == state(once)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("kind", ["Generator", "RandomState"])
@pytest.mark.parametrize("name, parameters", [
    ("normal", (0.5, 2.0)), ("laplace", (0.5, 2.0)), ("gumbel", (0.5, 2.0)), ("logistic", (0.5, 2.0)),
    ("lognormal", (0.5, 0.7)), ("uniform", (-1.3, 2.7)), ("exponential", (2.3,)), ("rayleigh", (1.7,)), ("weibull", (1.3,)),
    ("pareto", (2.2,)), ("power", (1.7,)), ("triangular", (-1.0, 0.3, 2.0)),
])
def test_by_parameters(name, parameters, kind):
    """The same standard draws, whatever the parameters: differences from a generator that is seeded anew."""
    seeded = np.random.default_rng if kind == "Generator" else np.random.RandomState

    def f(rng, *p):
        return np.sum(getattr(rng, name)(*p, size=6) ** 2) + getattr(rng, name)(*p)

    wrt = tuple(range(1, 1 + len(parameters)))
    found = tg.grad(f, argnums=wrt)(seeded(5), *parameters)
    for k, slope in enumerate(found):
        low, high = list(parameters), list(parameters)
        low[k], high[k] = low[k] - 1e-6, high[k] + 1e-6
        np.testing.assert_allclose(slope, (f(seeded(5), *high) - f(seeded(5), *low)) / 2e-6, rtol=2e-6)
    np.testing.assert_allclose(tg.jacfwd(f, argnums=wrt)(seeded(5), *parameters), found, rtol=1e-10)


@pytest.mark.sweep(2, days=True)
def test_in_loops_and_branches():
    def loop(rng, mu, s):
        x = np.ones(3)
        for i in range(12):
            if rng.random() < 0.5:
                x = x + mu * 0.05 * x + s * 0.1 * x * rng.standard_normal(3)
            else:
                x[i % 3] *= 1.0 + rng.exponential(s) * 0.1
        return np.sum(np.sin(x))

    check(loop, 0.3, 0.5)


def test_in_a_loop_that_draws_end():
    def f(rng, mu, s):
        x, n = 1.0, 0
        while x < 3.0 and n < 100:
            x = x * (1.0 + 0.1 * abs(mu + s * rng.normal()))
            n += 1
        return x * x

    check(f, 0.3, 0.5, forward=False)
    with pytest.raises(tg.UnsupportedError, match="must not be drawn again"):
        tg.jacfwd(f, argnums=1)(make(), 0.3, 0.5)


@pytest.mark.sweep(2, days=True)
def test_checkpoints_and_budgets_do_not_draw_again():
    @tg.checkpoint
    def step(x, rng, s):
        return np.sin(x + s * rng.normal()) * np.exp(0.1 * rng.random())

    def f(rng, s):
        x = np.ones(40)
        for _ in range(60):
            x = step(x, rng, s)
        return np.sum(x)

    check(f, 0.5)
    with tg.config(memory_budget=4000):
        check(f, 0.5)


def test_batches_draw_once():
    def f(rng, s):
        return np.sum(tg.vmap(lambda a: np.sum(np.sin(a * rng.normal(size=500)) * np.cos(a)))(np.linspace(0.0, 1.0, 400) * s))

    check(f, 1.3, forward=False)


def test_inner_derivatives_and_linear_parts():
    check(lambda rng, s: s * tg.grad(lambda q: q * q * rng.normal())(s), 3.3)
    draws = make().normal(size=3)
    _, pull = tg.vjp(lambda s, rng: s * rng.normal(size=3), 2.0, rng := make())
    assert pull(np.ones(3))[0] == pull(np.ones(3))[0] == pytest.approx(draws.sum(), rel=1e-15)
    _, push = tg.linearize(lambda s: np.sum(s * rng.normal(size=3)), 2.0)
    assert push(1.0) == push(1.0)
    np.testing.assert_array_equal(tg.jacrev(lambda s, rng: s * rng.normal(size=3))(2.0, make()), draws)


def test_elements_that_are_chosen():
    """The elements of an array have a derivative, their positions none."""
    w = np.arange(1.0, 5.0)

    def f(x, rng):
        return w[:3] @ rng.choice(x, 3) + w @ rng.permutation(x)

    x, rng = np.array([0.3, 1.0, 2.0, -1.0]), make()
    want = np.zeros(4)
    np.add.at(want, rng.choice(4, 3), w[:3])
    np.add.at(want, rng.permutation(4), w)
    np.testing.assert_array_equal(tg.grad(f)(x, make()), want)


# --- gamma distributions ---------------------------------------------------------------------------------------------------


@pytest.mark.sweep(3, days=True)
def test_a_gamma_draw_moves_along_its_quantile():
    x = make().standard_gamma(2.3, 6)
    q = gammainc(2.3, x)

    def along(a):
        return np.sum(np.sin(1.5 * gammaincinv(a, q)))

    def f(a, rng):
        return np.sum(np.sin(rng.gamma(a, 1.5, size=6)))

    h = 1e-4
    first, second = (along(2.3 + h) - along(2.3 - h)) / (2 * h), (along(2.3 + h) - 2 * along(2.3) + along(2.3 - h)) / h**2
    assert tg.grad(f)(2.3, make()) == pytest.approx(first, rel=1e-7)
    assert tg.jacfwd(f)(2.3, make()) == pytest.approx(first, rel=1e-7)
    assert tg.hessian(f)(2.3, make()) == pytest.approx(second, rel=1e-5)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name, parameters, mean, slopes", [
    ("gamma", (3.0, 1.5), lambda x: np.mean(x**2), (1.5**2 * 7, 2 * 1.5 * 12)),
    ("chisquare", (3.0,), np.mean, (1.0,)), ("f", (6.0, 8.0), np.mean, (0.0, -2 / 36)),
    ("standard_t", (6.0,), lambda x: np.mean(x**2), (-2 / 16,)),
])
def test_slopes_of_expectations(name, parameters, mean, slopes):
    def f(p, rng):
        return mean(getattr(rng, name)(*p, size=40_000))

    np.testing.assert_allclose(tg.grad(f)(parameters, make()), slopes, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("a, q", [(a, q) for a in (0.05, 0.7, 3.0, 40.0, 3000.0) for q in (1e-4, 0.4, 0.6, 1 - 1e-6)])
def test_slope_of_a_gamma_draw(a, q):
    """dx/da = -(dF/da) / p to many digits, and M2 by the second derivative."""
    x = float(gammaincinv(a, q))
    with mp.workdps(40):
        density = mp.exp(-mp.mpf(x)) * mp.mpf(x) ** (mp.mpf(a) - 1) / mp.gamma(a)
        by_shape = [mp.diff(lambda s: mp.gammainc(s, 0, x, regularized=True), a, n) / density for n in (1, 2)]
    assert OPS["gamma_draw_slope"].numpy(a, x) == pytest.approx(float(-by_shape[0]), rel=2e-11)
    small = 1e-11 * float(abs(by_shape[0]))
    assert OPS["gamma_draw_bend"].numpy(a, x) == pytest.approx(float(by_shape[1]), rel=1e-9, abs=small)


def test_what_has_none():
    """Discrete numbers: zero, and `explain` says so; those whose slope is known are not named."""
    def f(lam, rng):
        return rng.poisson(lam) * lam + rng.gamma(lam)

    notes = tg.explain(f, 3.3, make()).of("no derivative")
    assert [note.text for note in notes] == ["a draw of `poisson` has derivative zero with respect to its parameters"]
    assert tg.grad(lambda lam, rng: rng.poisson(lam) * lam)(3.3, make()) == make().poisson(3.3)
