"""Dicts and sets whose keys only run time knows: as Python's, in their order, with derivatives of the values both ways."""
import collections
from collections import Counter, defaultdict

import numpy as np
import pytest

import tracegrad as tg

K = np.array([3, 1, 3, -2, 7, 7, 1, 40, 3, 8, -1, -2, 100, 36])
W = np.linspace(-1.0, 2.0, len(K))


def counting(k, w):
    d = {}
    for i in range(len(k)):
        if k[i] in d:
            d[k[i]] += 1
        else:
            d[k[i]] = 1
    return d, len(d), sorted(d, reverse=True), max(d, key=d.get), min(d, key=lambda q: d[q])


def seen_before(k, w):
    seen, s = set(), 0.0
    for i in range(len(k)):
        if k[i] in seen:
            s += w[i]
        seen.add(k[i])
    return s, len(seen)


def order_of_a_set(k, w):
    seen = set()
    for x in k:
        seen.add(x)
    found = list(seen)
    seen.discard(3)
    seen.discard(999)
    out = []
    while seen:
        out.append(seen.pop())
    return found, np.array(out)


def default_dicts(k, w):
    d, n = defaultdict(float), defaultdict(int)
    for i in range(len(k)):
        d[k[i]] += w[i]
        n[k[i]] += 1
    return d, d[k[0]], len(d), sorted(n.items())


def counters(k, w):
    c = Counter(k)
    c.update(k[:3])
    return c, c[3], c[12345], c.total()


def comprehensions(k, w):
    return ({k[i]: w[i] ** 2 for i in range(len(k))}, {x: i for i, x in enumerate(k) if x > 0}, sorted({x * x for x in k}),
            {k[0]: w[0], k[1]: w[1], k[2]: w[2]}, {k[0], k[2], k[1]} == {1, 3})


def zipped(k, w):
    d = dict(zip(k, w))
    return d, list(d), list(d.values()), list(d.items())


def removed(k, w):
    d = {}
    for i in range(len(k)):
        d[k[i]] = w[i]
    del d[k[2]]
    d[k[2]] = 5.0
    a, b = d.pop(k[4]), d.pop(12345, -1.0)
    return d, a, b, d.popitem(), list(d.keys()), d.popitem(), len(d)


def changed_in_a_loop(k, w):
    d = {}
    for i in range(len(k)):
        d[k[i]] = w[i]
    for x in d:
        d[x] *= 2
    for x, v in d.items():
        d[x] = v + 1
    return d, sum(d.values()), max(d.values()), min(d), sum(v for v in d.values())


def memo_of_pairs(k, w):
    memo, s = {}, 0.0
    for i in range(len(k)):
        for j in range(3):
            if (k[i], j) in memo:
                v = memo[(k[i], j)]
            else:
                v = w[i] * j
                memo[(k[i], j)] = v
            s += v
    return s, len(memo), list(memo)


def methods(k, w):
    d = {}
    for i in range(len(k)):
        d.setdefault(k[i], w[i])
    e, f = d.copy(), dict(d)
    e[k[0]], f[k[1]] = 2.0, 1.0
    g = e | f
    e.update(f)
    d.clear()
    return d, e, f, g, not d, bool(e), e == g, e != f


def set_operations(k, w):
    a, b = set(k[:7]), set(k[5:])
    return list(a | b), list(a & b), list(a - b), list(a ^ b)


def set_comparisons(k, w):
    a, b = set(k[:7]), set(k[5:])
    c = a.copy()
    c |= b
    return list(c), a <= b, a == b, a.isdisjoint(b), c.issuperset(a), a < c


def tried(k, w):
    d, s = {}, 0.0
    for i in range(len(k)):
        try:
            s += d[k[i]]
        except KeyError:
            d[k[i]] = w[i]
    return s, d


def arrays(k, w):
    d = {}
    for i in range(len(k)):
        if k[i] not in d:
            d[k[i]] = np.zeros(2)
        d[k[i]] += np.array([w[i], 1.0])
    s = 0.0
    for v in d.values():
        s += v[0] * v[1]
    return s


def floats(k, w):
    d = {}
    for i in range(len(w)):
        d[w[i] * 0.0 - (i % 2) * w[0]] = i
    return d, 0.0 in d, 3 in d, 1 in d, True in d


def of_a_helper(k, w):
    def count(d, x):
        d[x] = d.get(x, 0) + 1

    d = {}
    for x in k:
        count(d, x)
    return d


def known_from_the_start(k, w):
    d, s = {1: 10.0, 2: 20.0}, 0.0
    for x in k:
        if x in d:
            s += d[x]
        else:
            d[x] = 1.0
    return s, d


def early_return(k, w):
    seen = {}
    for i in range(len(k)):
        if k[i] in seen:
            return seen[k[i]] * w[i]
        seen[k[i]] = w[i]
    return 0.0


PROGRAMS = [counting, seen_before, order_of_a_set, default_dicts, counters, comprehensions, zipped, removed, changed_in_a_loop,
            memo_of_pairs, methods, set_operations, set_comparisons, tried, arrays, floats, of_a_helper, known_from_the_start,
            early_return]


def same(a, b):
    """Equal in structure and order; numbers up to rounding."""
    if isinstance(b, dict):
        assert type(a) is type(b) and list(a) == list(b)
        same(list(a.values()), list(b.values()))
    elif isinstance(b, (tuple, list)):
        assert type(a) is type(b) and len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    elif isinstance(b, (float, np.floating, np.ndarray)):
        np.testing.assert_allclose(a, b, rtol=1e-13)
    else:
        assert a == b


@pytest.mark.sweep(8)
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_as_python(f):
    run = tg.jit(f)
    same(run(K, W), f(K, W))
    same(run(K[::-1].copy(), W), f(K[::-1], W))


def accumulated(k, w):
    d = {}
    for i in range(len(k)):
        d[k[i]] = d.get(k[i], 0.0) + w[i]
    s = 0.0
    for x, v in d.items():
        s += (x + 1) * v ** 3
    return s


def by_defaults(k, w):
    d = defaultdict(float)
    for i in range(len(k)):
        d[k[i]] += np.sin(w[i]) * d[k[i - 1]]
        d[k[i]] += w[i]
    return sum(v * v for v in d.values())


def through_removal(k, w):
    d, s = {}, 0.0
    for i in range(len(k)):
        if k[i] in d:
            s += d.pop(k[i]) * w[i]
        else:
            d[k[i]] = w[i] ** 2
    while len(d) > 1:
        _, v = d.popitem()
        s += v ** 2
    return s


def float_keys(k, w):
    """A key has a derivative as what is read of it."""
    d, s = {}, 0.0
    for i in range(len(w)):
        d[w[i] * 2] = w[i] ** 2
    for key, v in d.items():
        s += key * v
    return s


def in_while(k, w):
    d, i, s = {}, 0, 0.0
    while i < len(k) and s < 50.0:
        s += d.get(k[i], 1.0) * w[i]
        d[k[i]] = s
        i += 1
    return s


def array_values(k, w):
    return arrays(k, w) ** 2


@pytest.mark.sweep(8, days=True)
@pytest.mark.parametrize("f", [accumulated, by_defaults, through_removal, float_keys, in_while, array_values, early_return],
                         ids=lambda f: f.__name__)
def test_derivatives(f):
    def g(w):
        return f(K, w)

    w, step = W + 0.05, 1e-6
    direction = np.cos(np.arange(len(w)))
    slope = (f(K, w + step * direction) - f(K, w - step * direction)) / (2 * step)
    gradient = tg.grad(g)(w)
    _, forward = tg.jvp(g, (w,), (direction,))
    np.testing.assert_allclose(gradient @ direction, slope, rtol=1e-6)
    np.testing.assert_allclose(forward, gradient @ direction, rtol=1e-11, atol=1e-12)
    bent = tg.jvp(tg.grad(g), (w,), (direction,))[1]
    more, less = tg.grad(g)(w + step * direction), tg.grad(g)(w - step * direction)
    np.testing.assert_allclose(bent, (more - less) / (2 * step), rtol=1e-5, atol=1e-6)


def test_a_key_that_is_not_there():
    def f(k, w):
        d = dict(zip(k, w))
        return d[k[0] + 1000]

    with pytest.raises(KeyError) as caught:
        tg.jit(f)(K, W)
    assert caught.value.args == (1003,) and "d[k[0] + 1000]" in caught.value.__notes__[0]
    with pytest.raises(KeyError, match="empty set"):
        tg.jit(lambda k: [s := set(k), s.clear(), s.pop()][-1])(K)


def test_the_size_changes_in_a_loop():
    def f(k, w, more):
        d = dict(zip(k, w))
        for x in d:
            if x == 100 and more:
                d[x + 1] = 0.0
        return len(d)

    run = tg.jit(f)
    assert run(K, W, False) == len(set(K))
    with pytest.raises(RuntimeError, match="dictionary changed size during iteration"):
        run(K, W, True)


def test_a_nan_is_no_key():
    run = tg.jit(lambda w: len(set(w)))
    assert run(W) == len(set(W))
    with pytest.raises(tg.UnsupportedError, match="NaN is a key"):
        run(W * np.nan)


def test_keys_of_several_types_are_refused():
    def f(k, w):
        d = {}
        d[k[0]] = 1
        d[w[0]] = 2
        return d

    with pytest.raises(tg.UnsupportedError, match="keys of a dict are of several types"):
        tg.jit(f)(K, W)


def test_the_derivative_of_a_returned_dict_is_refused():
    with pytest.raises(tg.UnsupportedError, match="return arrays"):
        tg.jvp(lambda w: dict(zip(K, w)), (W,), (W,))
    values = tg.jvp(lambda w: np.array(list(dict(zip(K, w)).values())), (W,), (W,))[1]
    np.testing.assert_allclose(values, list(dict(zip(K, W)).values()))


@pytest.mark.sweep(3)
@pytest.mark.parametrize("n", [0, 1, 4, 5, 20, 300])
def test_sizes_of_tables(n):
    """On both sides of the sizes at which a table grows; lengths of zero."""
    k = np.random.default_rng(n).integers(-n, n + 1, n)
    for f in (set_order, accumulated):
        same(RUNS[f](k, np.arange(n) * 0.5), f(k, np.arange(n) * 0.5))


def set_order(k, w):
    return list(set(k) | set(k + 1))


RUNS = {f: tg.jit(f) for f in (set_order, accumulated)}


def test_ordered():
    def f(k, w):
        d = collections.OrderedDict()
        for i in range(len(k)):
            d[k[i]] = w[i]
        return d

    same(tg.jit(f)(K, W), f(K, W))


def copied(k, w):
    """A copy may have wider values than the dict that it was made of."""
    d, s = {}, 0.0
    for i in range(len(k)):
        e = d.copy()
        s += len(e) * w[i] + e.get(k[i], 0.25)
        d[k[i]] = w[i]
    n = {}
    for x in k:
        n[x] = n.get(x, 0) + 1
    m = n.copy()
    for i in range(len(k)):
        m[k[i]] += w[i]
    return s, n, m, m == n, n == dict(n)


@pytest.mark.sweep(2, days=True)
def test_copies():
    same(tg.jit(copied)(K, W), copied(K, W))


TABLE = {3: 1.0, 1: 2.0, 7: 5.0}


def looked_up(d, k):
    s = 0.0
    for x in k:
        s += d.get(x, 0.5)
        if x in d:
            s += d[x] ** 2
        if x in TABLE:
            s += TABLE[x]
    return s


def test_dicts_from_outside_are_looked_up():
    run = tg.jit(looked_up)
    d = {1: 2.5, 40: -1.0, -2: 4.0}
    assert run(d, K) == looked_up(d, K)
    slopes = tg.grad(looked_up)(d, K)
    for key in d:
        more, less = ({**d, key: d[key] + step} for step in (1e-6, -1e-6))
        np.testing.assert_allclose(slopes[key], (looked_up(more, K) - looked_up(less, K)) / 2e-6, rtol=1e-6)
    with pytest.raises(KeyError):
        tg.jit(lambda d, k: d[k[0] + 5000])(d, K)


def test_memo_of_a_recursion():
    """Its argument ends it: the keys are known."""
    def f(n):
        memo = {}

        def go(m):
            if m not in memo:
                memo[m] = m if m < 2 else go(m - 1) + go(m - 2)
            return memo[m]

        return go(n)

    assert tg.jit(f)(12) == 144


def test_the_text_of_a_table_is_refused():
    def f(k):
        d = {k[0]: 1}
        print(d)

    with pytest.raises(tg.UnsupportedError, match="text of a dict"):
        tg.jit(f)(K)


@pytest.mark.sweep(6, days=True)
def test_the_most_common_of_a_counter():
    def fn(k):
        c = Counter(k)
        first, n = c.most_common(1)[0]
        return (c.most_common(), first * 10 + n, c.most_common(2),
                c.most_common(9), c.most_common(0), [v for v, m in c.most_common(3) if m > 1])

    k = np.array([4, 2, 2, 3, 3, 5])
    for found in (tg.jit(fn)(k), tg.jit(fn).interpret(k)):
        assert repr(found) == repr(fn(k))
