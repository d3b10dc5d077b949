"""Iterators over arrays that have a name: where they stand, compiled and in Python."""
import itertools

import numpy as np
import pytest

import tracegrad as tg


def twice(a):
    f, s, t = a.flat, 0.0, 0.5
    for v in f:
        s += v
    for v in f:
        t += v
    return s, t, isinstance(f, np.flatiter), type(f) is np.flatiter


def left_early(a):
    it, s, t = iter(a.ravel()), 0.0, 0.5
    for v in it:
        s += v
        if v > 2.5:
            break
    for v in it:
        t += 2 * v
    return s, t


def in_pairs(a):
    it, s = iter(a.flat), 0.0
    for u in it:
        s += u * next(it, 0.25)
    return s


def rows(a):
    it = iter(a)
    first = next(it, None)
    s = 0.5 if first is None else first[0]
    for row in it:
        s = 0.5 * s + row[1]
    return s


def until_the_end(a):
    it = iter(a.ravel())
    try:
        while True:
            v = next(it)
            if v > 3.5:
                return v
    except StopIteration:
        return -1.0


def summed(a):
    f = a.flat
    return sum(f) + 0.5, sum(f), np.sum(f), list(f), list(a.flat)


def numbers(a):
    it, s = iter(range(2 * len(a))), 0
    for k in it:
        if k < len(a) and a[k, 0] > 2.5:
            next(it, None)
        s += k
    return s


def counted(a):
    s, ids = 0.5, itertools.count(3)
    for k in itertools.count(1, 2):
        s = s * 1.5 + k
        if s > 40:
            break
    for i, v in zip(itertools.count(), a.ravel()):
        s += i * v
    for row in a:
        if row[0] > 2.5:
            next(ids)
    names = ["a", "b", "c"]
    for k in itertools.count():
        if names[k] == "c":                                   # such a loop is unrolled, up to its end
            break
    products = list(map(lambda i, v: i * v, itertools.count(), a.ravel()))
    return s, k, next(ids), products, [i * len(name) for i, name in zip(itertools.count(len(a)), ("a", "bc"))]


def taken_while(a):
    it = iter(a.ravel())
    return (list(itertools.takewhile(lambda v: v < 3, it)), list(itertools.takewhile(lambda k: k < 4, itertools.count())),
            list(itertools.dropwhile(lambda k: k < 4, iter(range(9)))), {2 * v for v in iter(range(3))})


PROGRAMS = [counted, taken_while, twice, left_early, in_pairs, rows, until_the_end, summed, numbers]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_where_an_iterator_stands(program):
    f = tg.jit(program)
    for n in (0, 1, 5):
        a = np.arange(3.0 * n).reshape(n, 3)
        assert f(a) == program(a)


def test_a_flat_iterator_asked_by_position_starts_again():
    def program(a):
        f = a.flat
        u, v = next(f), next(f)
        f[2] = u + 3 * v
        return u, v, next(f), f[2], next(f)

    a, b = np.arange(1.0, 5.0).reshape(2, 2), np.arange(1.0, 5.0).reshape(2, 2)
    assert tg.jit(program)(a) == program(b) and (a == b).all()


def test_gradient():
    a = np.array([[0.3, 2.0], [2.7, 1.1]])
    g = tg.grad(lambda a: left_early(a)[0] * left_early(a)[1] + in_pairs(a))(a)
    s, t = 0.3 + 2.0 + 2.7, 0.5 + 2 * 1.1
    np.testing.assert_allclose(g, [[t + 2.0, t + 0.3], [t + 1.1, 2 * s + 2.7]])


def test_iterators_that_run_time_has_left_are_not_asked_again():
    def program(a):
        it, s = iter([a[0], a[1], a[2]]), 0.0
        for v in it:
            if v > 1:
                break
        for v in it:
            s += v
        return s

    with pytest.raises(tg.UnsupportedError, match="an earlier loop or call has left it"):
        tg.jit(program)(np.array([0.5, 1.5, 2.5]))


def _doubles(x):
    for v in x:
        yield 2 * v


@pytest.mark.parametrize("made", [reversed, enumerate, lambda x: zip(x, x), _doubles, lambda x: enumerate(_doubles(x)),
                                  lambda x: (v for v in x), np.ndenumerate])
def test_others_are_not_asked_again(made):
    """They would start again, or be at their end."""
    def f(x, c):
        it, n, m = made(x), 0, 0
        for _ in it:
            n += 1
            if x[n - 1] > c:
                break
        for _ in it:
            m += 1
        return n, m

    with pytest.raises(tg.UnsupportedError, match="an earlier loop or call has left it"):
        tg.jit(f)(np.array([1.0, 2.0, 3.0]), 1.5)


@pytest.mark.parametrize("made", [reversed, enumerate, lambda x: zip(x, x), lambda x: itertools.product(x, x)])
@pytest.mark.parametrize("twice", [
    lambda e: (sum(1.0 for _ in e), sum(1.0 for _ in e)), lambda e: [1.0 for _ in zip(e, e)], lambda e: [*e, *e],
    lambda e: (list(e), len(list(e))), lambda e: [1.0 for _ in itertools.product(e, e)], lambda e: (next(iter(e)), list(e)),
    lambda e: [sum(1.0 for _ in e) for _ in range(30)]])
def test_items_are_taken_once(made, twice):
    """Python finds nothing the second time."""
    with pytest.raises(tg.UnsupportedError, match="an earlier loop or call has left it"):
        tg.jit(lambda x: twice(made(x)))(np.array([1.0, 2.0, 3.0]))


def test_a_sum_takes_the_items_of_what_is_reversed():
    def f(x):
        e = reversed(x)
        return sum(e), sum(e)

    with pytest.raises(tg.UnsupportedError, match=r"items = list"):
        tg.jit(f)(np.array([1.0, 2.0]))
    with pytest.raises(tg.UnsupportedError, match="ask `items = iter"):
        tg.jit(lambda x: next(reversed(x)))(np.array([1.0, 2.0]))
    with pytest.raises(TypeError, match="'zip' object is not reversible"):
        tg.jit(lambda x: list(reversed(zip(x, x))))(np.array([1.0, 2.0]))


def test_a_generator_at_its_end_has_nothing_more():
    def f(x):
        it = _doubles(x)
        return sum(it), sum(it)

    assert tg.jit(f)(np.array([1.0, 2.0])) == (6.0, 0)


def test_the_smallest_of_an_empty_array():
    f = tg.jit(lambda x: (max(x, default=0.0), min(x, default=-1)))
    assert f(np.zeros(0)) == (0.0, -1) and f(np.array([2.0])) == (2.0, 2.0)


# --- names bound in any() and all() -------------------------------------------------------------------------------------

def first_above(x):
    w = -1.0
    found = any((w := v) > 1 for v in x)
    return found, w


def in_a_test(x):
    v = 7.0
    if not all((w := v) < 1 for v in x):
        return w + v
    return v


def of_products(x):
    if any((u := v * a) > 2 for v in x if v > 0 for a in (1.0, 3.0)):
        return u
    return 0.0


def under_its_own_name(x):
    w = 0.0
    any((w := x) > 1 for x in x)
    return w + len(x)


@pytest.mark.parametrize("program", [first_above, in_a_test, of_products, under_its_own_name], ids=lambda f: f.__name__)
def test_the_term_that_decides(program):
    f = tg.jit(program)
    for x in (np.array([0.0, 2.0, 3.0]), np.array([0.5, 0.2]), np.zeros(0), np.linspace(-1, 2, 100)):
        assert f(x) == program(x)


def test_within_a_larger_expression():
    with pytest.raises(tg.UnsupportedError, match="a statement of its own"):
        tg.jit(lambda x: 2.0 * any((w := v) > 1 for v in x) + w)(np.array([0.5, 1.5]))
