"""Random sequences of what programs do with dicts and sets: one compiled function that is told at run time what to do next, so
that thousands of sequences run; each is compared with Python's, in values, order and errors. Derivatives on some of them."""
import numpy as np
import pytest

import tracegrad as tg

SEQUENCES = 100


def of_a_dict(what, keys, values):
    d, out, s = {0: 1.5}, np.zeros(len(what)), 0.0
    for i in range(len(what)):
        k, v = keys[i], values[i]
        if what[i] == 0:
            d[k] = v * s + v
        elif what[i] == 1:
            d[k] = d.get(k, 0.5) + v
        elif what[i] == 2:
            s += d.pop(k, v * 2)
        elif what[i] == 3:
            if k in d:
                s += d[k] * v
                del d[k]
        elif what[i] == 4:
            s += d.setdefault(k, v)
        elif what[i] == 5:
            for key, held in d.items():
                s += held * (1 + key % 3) * 0.1
        elif what[i] == 6:
            if len(d) > 2:
                key, held = d.popitem()
                s += held - key * 0.01
        elif what[i] == 7:
            for key in d:
                d[key] *= 0.9
        elif what[i] == 8:
            e = d.copy()
            e[k] = s
            s += len(e) - len(d) + (e == d)
        elif what[i] == 9:
            d.clear()
        else:
            try:
                s += d[k]
            except KeyError:
                s -= v
        out[i] = s
    return out, d


def of_sets(what, keys):
    a, b, out = set(), {0}, []
    for i in range(len(what)):
        k = keys[i]
        if what[i] < 4:
            a.add(k)
        elif what[i] < 7:
            b.add(k * 3)
        elif what[i] == 7:
            a.discard(k)
        elif what[i] == 8:
            if a:
                out.append(a.pop())
        elif what[i] == 9:
            a |= b
        elif what[i] == 10:
            if len(b) > 30:
                b &= a
        elif what[i] == 11:
            b ^= a
        elif what[i] == 12:
            for x in a - b:
                out.append(x)
        elif what[i] == 13:
            out.append(len(a | b) + 100 * (a <= b) + 1000 * a.isdisjoint(b))
        else:
            b.clear()
            b |= a
    return np.array(out), list(a), list(b)


def sequence(rng, kinds, often=()):
    n = int(rng.choice([0, 1, 5, 30, 200]))
    what = rng.choice([*range(kinds), *often], n)
    near = rng.integers(-8, 9, n)
    return what, near * (rng.choice([1, 1, 8, 2**33]) if rng.random() < 0.5 else rng.choice([1, 5, 64], n))


COMPILED = {}
FORWARD = tg.jit(lambda what, keys, x, t: tg.jvp(lambda x: ended(what, keys, x), (x,), (t,))[1])


def compiled(f):
    return COMPILED.setdefault(f, tg.jit(f))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("seed", range(2))
def test_dicts(seed):
    rng = np.random.default_rng(seed)
    run = compiled(of_a_dict)
    for _ in range(SEQUENCES):
        what, keys = sequence(rng, 11, (0, 1, 1, 4, 10))
        what = np.where((what == 9) & (rng.random(len(what)) < 0.7), 0, what)
        values = rng.normal(size=len(what))
        (out, d), (expected, e) = run(what, keys, values), of_a_dict(what, keys, values)
        np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-10)
        assert list(d) == list(e)
        np.testing.assert_allclose(list(d.values()), list(e.values()), rtol=1e-10, atol=1e-10)


def ended(what, keys, values):
    """Fewer kinds of steps, for gradients."""
    d, s = {}, 0.0
    for i in range(len(what)):
        k, v = keys[i], values[i]
        if what[i] == 0:
            d[k] = v * s + v
        elif what[i] == 1:
            d[k] = d.get(k, 0.5) * v
        elif what[i] == 2:
            s += d.pop(k, v * 2) * v
        elif k in d:
            s += d[k] * v
    for key, held in d.items():
        s += held * held * (1 + key % 3) * 0.1
    return s


@pytest.mark.sweep(2)
@pytest.mark.parametrize("seed", range(2))
def test_derivatives_of_dicts(seed):
    rng = np.random.default_rng(100 + seed)
    gradient = COMPILED.setdefault("gradient", tg.grad(ended, argnums=2))
    for _ in range(25):
        what, keys = sequence(rng, 4, (0, 1))
        n = len(what)
        x, t = rng.normal(size=n) * 0.3, rng.normal(size=n)
        slope = (ended(what, keys, x + 1e-6 * t) - ended(what, keys, x - 1e-6 * t)) / 2e-6 if n else 0.0
        found = gradient(what, keys, x) @ t
        np.testing.assert_allclose(found, slope, rtol=2e-5, atol=2e-5 * (1 + n))
        forward = FORWARD(what, keys, x, t)
        np.testing.assert_allclose(forward, found, rtol=1e-9, atol=1e-9)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("seed", range(2))
def test_sets(seed):
    rng = np.random.default_rng(200 + seed)
    run = compiled(of_sets)
    for _ in range(SEQUENCES):
        what, keys = sequence(rng, 15, (0, 1, 2, 4, 5))
        found, expected = run(what, keys), of_sets(what, keys)
        for x, y in zip(found, expected):
            assert list(x) == list(y)
