"""Random numbers: NumPy's, bit for bit, the generator's state afterwards, and derivatives by what is drawn."""
from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest
from tracegrad.ir.ops import random as random_ops

import tracegrad as tg

# distribution -> parameters
DISTRIBUTIONS = {
    "normal": (0.5, 2.0), "laplace": (0.5, 2.0), "gumbel": (0.5, 2.0), "logistic": (0.5, 2.0), "lognormal": (0.5, 0.7),
    "uniform": (-1.3, 2.7), "exponential": (2.3,), "gamma": (2.2, 1.7), "chisquare": (3.1,), "f": (3.1, 4.2),
    "standard_t": (3.3,), "beta": (1.3, 0.8), "standard_cauchy": (), "rayleigh": (1.7,), "weibull": (1.3,), "pareto": (2.2,),
    "power": (1.7,), "triangular": (-1.0, 0.3, 2.0), "vonmises": (0.3, 1.2), "wald": (1.2, 0.7),
    "noncentral_chisquare": (3.0, 1.2), "noncentral_f": (3.0, 4.0, 1.2), "poisson": (3.4,), "geometric": (0.3,),
    "zipf": (2.3,), "logseries": (0.4,), "binomial": (20, 0.3), "negative_binomial": (3.0, 0.4), "hypergeometric": (10, 12, 8),
    "random": (), "standard_normal": (), "standard_exponential": (), "standard_gamma": (1.7,),
}
KINDS = {"Generator": np.random.default_rng, "RandomState": np.random.RandomState}


def state(rng) -> str:
    return repr(rng.bit_generator.state if isinstance(rng, np.random.Generator) else rng.get_state(legacy=False))


def same(a, b) -> bool:
    if isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and np.array_equal(a, b) and np.shape(a) == np.shape(b) \
        and getattr(a, "dtype", None) == getattr(b, "dtype", None)


def check(f, make, *args):
    """Compiled, evaluated and by NumPy: equal, and equal states after it."""
    first, second, third = make(), make(), make()
    want, compiled = f(first, *args), tg.jit(f)
    assert same(found := compiled(second, *args), want), (found, want)
    assert state(second) == state(first)
    assert same(compiled.interpret(third, *args), want) and state(third) == state(first)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name, kind):
    parameters = DISTRIBUTIONS[name]

    def forms(rng, row, column, *p):
        draw = getattr(rng, name)
        arrays = (draw(row, *p[1:]), draw(row, *p[1:], size=(2, 3)), draw(*p[:-1], column)) if p else ()
        return draw(*p), draw(*p, size=7), draw(*p, size=(2, 3)), draw(*p, size=()), draw(*p, size=(0, 2)), arrays

    row = np.full(3, parameters[0]) if parameters else np.ones(3)
    column = np.full((2, 1), parameters[-1]) if parameters else np.ones(1)
    check(forms, lambda: KINDS[kind](5), row, column, *parameters)


@pytest.mark.parametrize("bits", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_long_streams(bits):
    """10^5 numbers: the rare ways through the ziggurats, too."""
    def f(rng, n):
        return rng.standard_normal(n), rng.standard_exponential(n), rng.random(n), rng.integers(0, 1000, size=n)

    check(f, lambda: np.random.Generator(getattr(np.random, bits)(7)), 100_000)


def test_single_precision_and_out():
    def f(rng):
        out, single = np.empty((2, 3)), np.empty(3, np.float32)
        rng.standard_normal(out=out)
        rng.random(out=single, dtype=np.float32)
        return (out, single, rng.random(dtype=np.float32), rng.random(5, dtype="f4"), rng.standard_normal(5, np.float32),
                rng.standard_exponential(5, np.float32), rng.standard_gamma(2.0, 5, np.float32),
                rng.standard_exponential(5, np.float32, method="inv"), rng.standard_exponential(5, method="inv"))

    check(f, lambda: np.random.default_rng(5))


def test_integers():
    def f(rng, high):
        return (rng.integers(10), rng.integers(0, 5, size=20), rng.integers(-3, 2**62, size=(3, 2)), rng.integers(5, dtype=int),
                rng.integers(0, 2**40, endpoint=True, size=4), rng.integers(0, 200, size=9, dtype=np.uint8),
                rng.integers(0, 2, size=9, dtype=bool), rng.integers(0, 30, size=9, dtype=np.int32), rng.integers(0, high),
                rng.integers(high[:, None], 9), rng.integers(0, 1, size=3), rng.integers(0, 2**63 - 1, endpoint=True, size=3),
                rng.integers(0, 2**32 - 1, endpoint=True, size=3), rng.integers(0, 30, size=5, dtype=np.uint64))

    check(f, lambda: np.random.default_rng(5), np.array([3, 4, 5]))


@pytest.mark.parametrize("kind", KINDS)
def test_no_integers_have_no_bounds(kind):
    def f(rng, x):
        draw = rng.integers if kind == "Generator" else rng.randint
        return draw(0, len(x), len(x)), draw(0, len(x), (2, len(x)), dtype=np.int32)

    compiled = tg.jit(f)
    for n in (0, 1, 3, 4, 5, 0, 6):                # from the third length on one program serves all
        assert same(compiled(KINDS[kind](2), np.zeros(n)), f(KINDS[kind](2), np.zeros(n)))


def test_integers_of_the_older_interface():
    def f(rng, high):
        return (rng.randint(10), rng.randint(0, 5, size=20), rng.randint(-3, 2**62, size=(3, 2)), rng.rand(), rng.rand(2, 3),
                rng.randint(0, 200, size=9, dtype=np.uint8), rng.randint(0, high), rng.randint(3, dtype=np.int64), rng.randn(3),
                rng.random_sample(3), rng.randint(0, 2**32, size=5))

    check(f, lambda: np.random.RandomState(5), np.array([3, 4, 5]))


X = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_choices_and_orders(kind):
    def f(rng, x, p):
        y, z = x.copy(), x[0].copy()
        rng.shuffle(y)
        rng.shuffle(z)
        return (y, z, rng.permutation(7), rng.permutation(x), rng.permutation(x[0]), rng.choice(10), rng.choice(10, 4),
                rng.choice(10, (2, 2), replace=False), rng.choice(5, 6, p=p), rng.choice([1.5, 2.5, 3.5], 3), rng.choice(x[1]))

    check(f, lambda: KINDS[kind](5), X, np.array([0.1, 0.2, 0.3, 0.2, 0.2]))


def test_orders_along_axes():
    def f(rng, x):
        y = x.copy()
        rng.shuffle(y, axis=1)
        return (y, rng.permutation(x, axis=1), rng.permuted(x), rng.permuted(x, axis=0), rng.permuted(x, axis=1), rng.choice(x),
                rng.choice(x, 2, axis=1), rng.choice(20, 5, replace=False, shuffle=False))

    check(f, lambda: np.random.default_rng(5), X)


@pytest.mark.parametrize("kind", KINDS)
def test_vectors(kind):
    def f(rng, mean, cov):
        return (rng.multinomial(20, [0.2, 0.3, 0.5]), rng.multinomial(20, [0.2, 0.3, 0.5], size=3), rng.dirichlet(np.ones(3)),
                rng.dirichlet(np.ones(3), (2, 2)), rng.multivariate_normal(mean, cov), rng.multivariate_normal(mean, cov, 3))

    check(f, lambda: KINDS[kind](5), np.array([1.0, 2.0]), np.array([[2.0, 0.5], [0.5, 1.0]]))


def test_hypergeometric_vectors():
    def f(rng):
        return (rng.multivariate_hypergeometric([3, 4, 5], 6), rng.multinomial(np.array([3, 4]), [0.2, 0.3, 0.5]),
                rng.multivariate_hypergeometric([3, 4, 5], 6, size=2, method="count"))

    check(f, lambda: np.random.default_rng(5))


# --- control flow ----------------------------------------------------------------------------------------------------------


def walk(rng, n):
    total, count = 0.0, 0
    for _ in range(n):
        u = rng.random()
        if u < 0.5:
            total += rng.normal(0.0, u)
        else:
            count += rng.integers(0, 10)
        steps = 0
        while rng.random() < 0.7:
            steps += 1
        total += steps
        rng.standard_gamma(1.5)                      # its number is not used, but it is drawn
    return total, count


def test_loops_and_branches():
    check(walk, lambda: np.random.default_rng(5), 60)
    check(lambda rng, x: rng.normal() if x > 0 else 0.0, lambda: np.random.default_rng(5), 1.0)
    check(lambda rng, x: rng.normal() if x > 0 else 0.0, lambda: np.random.default_rng(5), -1.0)


def test_lengths_of_run_time():
    def f(rng, x):
        return rng.normal(size=x.shape[0]) * x, rng.permutation(x), rng.standard_normal(len(x[x > 1]))

    for n in (5, 6, 7, 0):
        check(f, lambda: np.random.default_rng(5), np.arange(float(n)))


def test_batches():
    """Element after element, each with draws of its own, also where products would gain by a batch."""
    w = np.ones((4, 4))

    def f(x, rng):
        return w @ x * rng.normal(size=4)

    a, b, x = np.random.default_rng(5), np.random.default_rng(5), X.reshape(3, 4)
    np.testing.assert_allclose(tg.vmap(f, in_axes=(0, None))(x, a), [f(row, b) for row in x])
    assert state(a) == state(b)


def test_vectorize():
    """NumPy asks a function without otypes once more for its first element."""
    check(lambda rng, x: np.vectorize(lambda v: v * rng.random(), otypes=[float])(x), lambda: np.random.default_rng(5), X)
    with pytest.raises(tg.UnsupportedError, match="once more"):
        tg.jit(lambda rng, x: np.vectorize(lambda v: v * rng.random())(x))(np.random.default_rng(5), X)


# --- where generators come from --------------------------------------------------------------------------------------------


rng = np.random.default_rng(1)


def captured(n):
    return rng.normal(size=n)


def test_from_outside():
    """Each call finds the generator that is there then."""
    global rng
    f = tg.jit(captured)
    for seed in (1, 2, 1):
        rng = np.random.default_rng(seed)
        assert np.array_equal(f(3), np.random.default_rng(seed).normal(size=3))
        assert np.array_equal(f.interpret(3), (np.random.default_rng(seed).normal(size=6))[3:])
    assert f.cache_info().currsize == 1


def test_numpys_own_generator():
    def f():
        np.random.seed(3)
        return np.random.rand(2), np.random.normal(), np.random.randint(5), np.random.sample(2)

    want = f()
    assert same(tg.jit(f)(), want) and same(tg.jit(f).interpret(), want)

    def drawing():
        return np.random.uniform(0, 1, 3), np.random.choice(4)

    np.random.seed(9)
    want = drawing(), drawing()
    np.random.seed(9)
    compiled = tg.jit(drawing)
    assert same((compiled(), compiled()), want)


def test_made_inside():
    def f(seed):
        total = 0.0
        for k in range(40):
            total += np.random.default_rng(seed + k).normal()
        older = np.random.RandomState(seed)
        first, second = np.random.default_rng(seed).spawn(2)
        return (total, older.randn(2), np.random.Generator(np.random.MT19937(3)).random(), first.normal(), second.random(),
                np.random.default_rng([seed, 2]).random() if seed < 0 else 0.0)

    left = len(random_ops._MADE)
    compiled = tg.jit(f)
    for seed in (3, 4):
        assert same(compiled(seed), f(seed)) and same(compiled.interpret(seed), f(seed))
    assert compiled.cache_info().currsize == 1 and len(random_ops._MADE) == left


@dataclasses.dataclass
class Model:
    rng: object
    scale: float

    def draw(self, x):
        return self.scale * self.rng.normal() * x


def test_in_containers():
    check(lambda rng, x: Model(rng, x).draw(2.0), lambda: np.random.default_rng(5), 3.0)
    assert tg.jit(lambda m: m.scale * m.rng.normal())(Model(np.random.default_rng(5), 2.0)) == \
        2.0 * np.random.default_rng(5).normal()
    model, other = Model(np.random.default_rng(5), 2.0), Model(np.random.default_rng(5), 2.0)
    method = tg.jit(model.draw)
    assert [method(1.0), method(1.0)] == [other.draw(1.0), other.draw(1.0)]


def test_one_of_two():
    def f(first, second, x):
        chosen = first if x > 0 else second
        return chosen.normal(), isinstance(chosen, np.random.Generator)

    for x in (1.0, -1.0):
        args = lambda: (np.random.default_rng(1), np.random.default_rng(2), x)  # noqa: E731, B023
        assert tg.jit(f)(*args()) == f(*args())
    given = np.random.default_rng(1)
    assert tg.jit(lambda g: g)(given) is given


def test_threads_share_a_generator():
    """What NumPy and compiled code draw at the same time are different numbers of one stream; a failed check gives the lock
    back."""
    count, drawn, shared = 200_000, [], np.random.default_rng(3)
    compiled = tg.jit(lambda rng, n: rng.standard_normal(n))
    compiled(np.random.default_rng(1), count)

    def repeat(draw):
        for _ in range(5):
            drawn.append(draw())

    threads = [threading.Thread(target=repeat, args=(draw,)) for draw in (
        lambda: compiled(shared, count), lambda: shared.standard_normal(count), lambda: compiled(shared, count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    want = np.random.default_rng(3).standard_normal(15 * count)
    assert np.array_equal(np.sort(np.concatenate(drawn)), np.sort(want))

    def failing(rng, n):
        total = 0.0
        for _ in range(n):
            total += rng.standard_normal()
        raise ValueError(f"{total}")

    with pytest.raises(ValueError):
        tg.jit(failing)(shared, 1_000_000)
    free = []
    thread = threading.Thread(target=lambda: free.append(shared.bit_generator.lock.acquire(timeout=5)))
    thread.start()
    thread.join()
    assert free == [True]


# --- errors ----------------------------------------------------------------------------------------------------------------


@pytest.mark.sweep(2)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name, parameters", [
    ("normal", (0.0, -1.0)), ("gamma", (-1.0,)), ("exponential", (-1.0,)), ("beta", (0.0, 1.0)), ("chisquare", (0.0,)),
    ("poisson", (-1.0,)), ("poisson", (1e30,)), ("poisson", (np.nan,)), ("binomial", (-1, 0.5)), ("binomial", (3, 1.5)),
    ("geometric", (0.0,)), ("zipf", (1.0,)), ("logseries", (1.0,)), ("triangular", (1.0, 0.0, 2.0)), ("wald", (0.0, 1.0)),
    ("triangular", (0.0, 3.0, 2.0)), ("triangular", (1.0, 1.0, 1.0)), ("uniform", (0.0, np.inf)), ("uniform", (3.0, 1.0)),
    ("hypergeometric", (5, 5, 20)), ("negative_binomial", (0.0, 0.5)), ("negative_binomial", (1e300, 0.5)),
    ("weibull", (-1.0,)), ("normal", (np.nan, 1.0)), ("gamma", (np.nan,)), ("weibull", (0.0,)), ("gamma", (0.0,)),
])
def test_parameters(name, parameters, kind):
    """The same numbers, or the same error with the user's line, of numbers and of arrays."""
    def f(rng, *p):
        return getattr(rng, name)(*p)

    for p in (parameters, tuple(np.array([x, x]) for x in parameters)):
        try:
            want = f(KINDS[kind](5), *p)
        except (ValueError, OverflowError) as error:
            for run in (tg.jit(f), tg.jit(f).interpret):
                with pytest.raises(type(error)) as found:
                    run(KINDS[kind](5), *p)
                assert str(found.value).split("\n")[0] == str(error)
                assert "getattr(rng, name)(*p)" in "".join(getattr(found.value, "__notes__", [])) + str(found.value)
        else:
            np.testing.assert_array_equal(tg.jit(f)(KINDS[kind](5), *p), want)


@pytest.mark.parametrize("f, error, text", [
    (lambda g: g.choice(5, 3, p=np.array([0.1, 0.2, 0.3, 0.2, 0.3])), ValueError, "sum to 1"),
    (lambda g: g.choice(3, 5, replace=False), ValueError, "larger sample"),
    (lambda g: g.normal(np.ones(3), size=(2, 2)), ValueError, "broadcast"),
    (lambda g: g.normal(0, 1, 2, 3), TypeError, "normal"),
    (lambda g: np.random.default_rng(-1).normal(), ValueError, "non-negative"),
    (lambda g: g.random(dtype=np.int32), TypeError, "Unsupported dtype"),
    (lambda g: g.integers(5, 2), ValueError, "low >= high"), (lambda g: g.integers(0), ValueError, "high <= 0"),
    (lambda g: np.random.default_rng(1), tg.UnsupportedError, "cannot be returned"),
    (lambda g: g.bit_generator.state, tg.UnsupportedError, "bit_generator"),
    (lambda g: g.bytes(3), tg.UnsupportedError, "bytes"), (lambda g: g.shuffle([1, 2]), tg.UnsupportedError, "list"),
    (lambda g: np.random.get_state(), tg.UnsupportedError, "get_state"),
])
def test_refusals(f, error, text):
    with pytest.raises(error, match=text):
        tg.jit(f)(np.random.default_rng(5))


def test_a_generator_stays_in_the_region_that_makes_it():
    def f(x):
        if x > 0:
            made = np.random.default_rng(1)
        else:
            made = np.random.default_rng(2)
        return made.normal()

    with pytest.raises(tg.UnsupportedError, match="generator of random numbers"):
        tg.jit(f)(1.0)
