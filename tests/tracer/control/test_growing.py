"""Lists that grow in loops: rolled into arrays where that keeps Python's meaning, unrolled where it does not."""
from dataclasses import dataclass

import numpy as np
import pytest

import tracegrad as tg

X = np.arange(8.0)
RNG = np.random.default_rng(0)
W, U, SEQUENCE = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 4)), RNG.standard_normal((20, 3))


def network(w, u, sequence):
    h = np.zeros(u.shape[0])
    states, sums, pairs = [], [], []
    for x in sequence:
        h = np.tanh(x @ w + h @ u)
        states.append(h)
        sums.append(h.sum())
        pairs.append((h[0], h * 2))
    total = 0.0
    for state in states:
        total += state[0]
    return (np.stack(states), np.array(sums), states[-1], states[3][1], pairs[2][1], len(states), total,
            np.stack(states, axis=1), np.mean(sums), sums)


def the_same_array_each_time(x):
    y, out = np.zeros(3), []
    for i in range(x.size):
        y += x[i]
        out.append(y)
    return np.stack(out)


def last_entry_is_a_name_too(x):
    y, out = np.zeros(3), []
    for i in range(x.size):
        y = y + x[i]
        out.append(y)
    y[0] = 100.0
    return np.stack(out), out


def overwritten_after_the_append(x):
    y, out = np.zeros(3), []
    for i in range(x.size):
        y[0] += 1
        y = y + x[i]
        out.append(y)
    return np.stack(out)


def changed_between_append_and_end(x):
    out = []
    for i in range(x.size):
        y = x * x[i]
        out.append(y)
        y[0] = -1.0
    return np.array(out)


def reads_what_it_appends(x):
    out = [x[0]]
    for i in range(1, x.size):
        out.append(out[-1] * 0.5 + x[i])
    return np.array(out)


def asks_for_the_length(x):
    out = []
    for i in range(x.size):
        out.append(x[i] * len(out))
    return out


def truth_of_the_list(x):
    out = []
    for i in range(x.size):
        out.append(x[i] if out else -x[i] - 1.0)
    return np.array(out)


def nested(x):
    rows = []
    for i in range(x.size):
        row = []
        for j in range(x.size):
            row.append(x[i] * x[j])
        rows.append(np.array(row))
    return np.array(rows)


def counters(x):
    out = []
    for i in range(x.size):
        out.append(i)
    return np.array(out), out


def two_appends(x):
    out = []
    for i in range(x.size):
        out.append(x[i])
        out.append(-x[i])
    return np.array(out)


def begun_before(x):
    out = [x[0], 2.0]
    for i in range(x.size):
        out.append(x[i])
    out.append(5.0)
    return np.array(out)


def entry_changed_later(x):
    out = []
    for i in range(x.size):
        out.append(x * x[i])
    out[2][0] = 9.0
    out[3] = x
    return np.stack(out)


def comprehensions(x):
    squares = [v * v for v in x]
    norms = np.array([np.sqrt(np.sum(row**2)) for row in np.outer(x, x)])
    pairs = [(a, b) for a, b in zip(x, x[::-1])]
    return np.array(squares), norms, pairs[3], [i * x[i] for i in range(x.size)], [v for v in x if True]


PROGRAMS = [the_same_array_each_time, last_entry_is_a_name_too, overwritten_after_the_append, changed_between_append_and_end,
            reads_what_it_appends, asks_for_the_length, truth_of_the_list, nested, counters, two_appends, begun_before,
            entry_changed_later, comprehensions]


def same(got, expected):
    if isinstance(expected, (tuple, list)):
        assert type(got) is type(expected) and len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            same(a, b)
    else:
        assert np.asarray(got).dtype == np.asarray(expected).dtype
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_program(program):
    same(tg.jit(program)(X.copy()), program(X.copy()))


def test_network():
    same(tg.jit(network)(W, U, SEQUENCE), network(W, U, SEQUENCE))


def one_comprehension(x):
    return np.array([v * v for v in x]), None


@pytest.mark.parametrize("program", [network, nested, one_comprehension])
def test_size_does_not_follow_the_trip_count(program):
    def size(n):
        args = (W, U, RNG.standard_normal((n, 3))) if program is network else (np.arange(float(n)),)
        f = tg.jit(lambda *args: program(*args)[0])
        return sum(1 for _ in f.lower(*args).function.body.walk())

    assert size(10) == size(40)


@pytest.mark.sweep(6, days=True)
def test_gradient():
    def loss(w):
        return np.sum(network(w, U, SEQUENCE)[0] ** 2) + np.sum(network(w, U, SEQUENCE)[1])

    tg.check_grads(loss, (W,), order=2)


# --- entries that can be changed ----------------------------------------------------------------------------------------

@dataclass
class Particle:
    at: float
    speed: float = 0.0

    def move(self, dt):
        self.at += dt * self.speed


def moved(x):
    all_of_them = [Particle(v, 2 * v) for v in x]
    for _ in range(3):
        for p in all_of_them:
            p.move(0.1)
    return [p.at for p in all_of_them]


def rows_are_changed(x):
    rows = []
    for v in x:
        rows.append({"a": v, "b": [v]})
    for r in rows:
        r["a"] *= 2
        r["b"].append(r["a"])
    return sum(r["b"][1] for r in rows)


def one_object_in_all_places(x):
    p, q, row = Particle(0.0), [0.0], []
    particles, pairs = [p for _ in x], [(v, q) for v in x]
    for _ in x:
        row.append(q)
    particles[0].at = 5.0
    pairs[1][1][0] += 1.0
    row[2].append(3.0)
    return particles[1].at, p.at, pairs[0][1][0], len(row[0]), q[0]


def in_two_lists(x):
    a, b, pairs = [], [], []
    for v in x:
        p = Particle(v)
        a.append(p)
        b.append(p)
        q = [v]
        pairs.append([q, q])
    a[0].at = 5.0
    pairs[0][0][0] = 6.0
    return b[0].at, pairs[0][1][0]


def under_another_name(x):
    a, last, current = [], None, Particle(0.5)
    for v in x:
        a.append(current)
        current = Particle(v)
        last = a[0]
    last.at, current.at = 7.0, 8.0
    rest = []
    for v in x:
        p = [v]
        rest.append(p)
    p[0] = 9.0
    return a[0].at, a[-1].at, rest[-1][0]


@pytest.mark.parametrize("program", [moved, rows_are_changed, one_object_in_all_places, in_two_lists, under_another_name],
                         ids=lambda f: f.__name__)
def test_entries_are_the_objects_that_were_appended(program):
    for n in (3, 40):
        x = np.linspace(0.0, 1.0, n)
        assert tg.jit(program)(x) == program(x)


def test_gradient_through_objects_in_a_list():
    x = np.linspace(0.5, 1.0, 30)
    np.testing.assert_allclose(tg.grad(lambda x: moved(x)[3] * moved(x)[4])(x)[3:5], 1.6 * 1.6 * x[[4, 3]])
