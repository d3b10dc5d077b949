"""Python's sequences where only run time knows an order or a position: sorted, list.sort, min and max by a key, xs[i]."""
import collections

import numpy as np
import pytest
from trace_check import check, run
from tracegrad.ir.errors import UnsupportedError
from tracegrad.tracer.staging import trace_function

import tracegrad as tg

X = np.array([0.5, -1.5, 2.5, 3.5, -0.25, 1.0, 7.0])
TIES = np.array([2.0, 1.0, 2.0, 1.0, 3.0])


def sorts_values(x):
    return np.array(sorted(x)), sorted(x, reverse=True)[0], sorted([x[0], x[1], x[2]])


def ranks(x):
    total = 0.0
    for rank, i in enumerate(sorted(range(len(x)), key=lambda i: x[i])):
        total += rank * x[i]
    return total, [int(i) for i in sorted(range(len(x)), key=lambda i: -x[i])]


def sorts_pairs(x):
    pairs = sorted([(v, i) for i, v in enumerate(x)], reverse=True)
    best, where = pairs[0]
    return best, where, [i for _, i in pairs]


def stable_by_two_keys(x):
    return sorted(range(len(x)), key=lambda i: (x[i] > 1.5, -i)), sorted(range(len(x)), key=lambda i: x[i], reverse=True)


def sorts_in_place(x):
    held = list(x)
    held.sort()
    middle = held[len(held) // 2]
    held.sort(key=lambda v: -abs(v))
    return middle, held[0]


def unpacks(a, b, c):
    low, middle, high = sorted([a, b, c])
    return low + 2 * middle + 3 * high


def extremes_by_key(x):
    far = max(x, key=abs)
    i = min(range(len(x)), key=lambda i: (x[i] - 1.0) ** 2)
    pair = max([(0, x[0]), (1, x[1]), (2, x[2])], key=lambda p: p[1])
    return far, i, x[i], pair, max([3, 1, 2], key=lambda v: -v), max([], default=None)


def looks_up_numbers(x, steps):
    weights, total = [0.5, 0.25, 0.125], 0.0
    for k in range(len(steps)):
        total += weights[steps[k]] * x[k] + weights[-1]
    return total


def sums_from_a_start(x):
    return sum((v for v in x if v > 0), start=1.0), sum([v * v for v in x], start=0.5)


ONE = [sorts_values, ranks, sorts_pairs, stable_by_two_keys, sorts_in_place, extremes_by_key, sums_from_a_start]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("x", [X, TIES, X.astype(np.float32), X[::-2]], ids=["x", "ties", "single", "backwards"])
@pytest.mark.parametrize("fn", ONE, ids=lambda f: f.__name__)
def test_equals_python(fn, x):
    check(fn, x)


def test_a_python_number_among_others():
    """A place that may hold either has one type, that of the array's elements, as after an `if`."""
    for dtype in (np.float64, np.float32):
        found = run(lambda x: sorted([x[0], x[1], 0.25]), X[:2].astype(dtype))
        assert found == [-1.5, 0.25, 0.5] and {type(v) for v in found} == {dtype}


def test_more():
    check(unpacks, 3.0, 1.0, 2.0)
    check(looks_up_numbers, X, np.array([0, 2, 1, 1]))
    check(lambda x: (sorted(x[:0]), sorted(x[:1]), sorted([3, 1, 2]), sorted("cab")), X)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("fn", [sorts_values, ranks, sorts_in_place, extremes_by_key], ids=lambda f: f.__name__)
def test_gradient(fn):
    def loss(x):
        out = fn(x)
        return np.sum(np.sin(out[0])) + np.sum(np.asarray(out[1]) * 0.5)

    hand = [(loss(X + 1e-6 * e) - loss(X - 1e-6 * e)) / 2e-6 for e in np.eye(X.size)]
    np.testing.assert_allclose(tg.grad(loss)(X), hand, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(tg.grad(loss)(X), [tg.jvp(loss, (X,), (e,))[1] for e in np.eye(X.size)], rtol=1e-12)


def test_a_position_outside_is_an_index_error():
    with pytest.raises(IndexError):
        tg.jit(looks_up_numbers)(X, np.array([0, 3]))


@pytest.mark.parametrize(("fn", "reason"), [
    (lambda x: sorted(["a", len], key=lambda name: x[0] if name == "a" else x[1]), "not all numbers"),
    (lambda x: max(["a", len], key=lambda name: x[0] if name == "a" else x[1]), "not all numbers"),
    (lambda x: sorted([x, x + 1], key=lambda row: row), "tuples of numbers, alike")], ids=["sorted", "max", "arrays"])
def test_refused(fn, reason):
    with pytest.raises(UnsupportedError, match=reason) as caught:
        trace_function.trace(fn, (X,))
    assert "  Instead: " in str(caught.value)


def test_texts_in_an_order_of_run_time():
    def fn(x):
        def height(name):
            return x[0] if name == "a" else x[1]

        return sorted(["a", "b"], key=height), max(["a", "b"], key=height)

    for x in (X, X[::-1]):
        assert tg.jit(fn)(x) == fn(x)


# --- what argument ints decide is decided by tracing again ---------------------------------------------------------------

def names_a_run(x, n):
    name = f"run-{n:03d}"
    if n < 0:
        raise ValueError(f"{name!r} is negative: {x[0]:.2f}")
    return x, name, n.bit_length()


def test_a_text_of_argument_ints():
    check(names_a_run, X, 7)
    assert tg.jit(names_a_run)(X, 12)[1:] == ("run-012", 4)
    with pytest.raises(ValueError, match=r"'run--01' is negative: 0\.50"):
        tg.jit(names_a_run)(X, -1)


def integers(n, k):
    import math
    return math.gcd(n, k), math.factorial(n), math.comb(n, k), math.isqrt(n), pow(n, 60, 7), n.bit_count(), (n * k).bit_length()


def test_integer_functions():
    check(integers, 12, 5)
    check(lambda x: [int(v).bit_length() for v in x], np.array([0, 1, -8, 1023, 2**62]))


def compares(x, i, j):
    here, there = (i, j), (1, 2)
    return (here == there, here != there, here < there, here <= (1, 2), here > (0, 5), here >= (1,), [i, [j]] == [1, [2]],
            (x[0], i) < (x[1], j), (i,) == (1, 2), [(i, j)] == [there])


@pytest.mark.parametrize("pair", [(1, 2), (0, 9), (2, 0), (1, 1)], ids=str)
def test_tuples_are_compared_item_by_item(pair):
    check(compares, X, *map(np.int64, pair))


def test_sorted_by_what_is_known():
    """Tuples of a known and a traced part, the known ones all different: these decide, as for the items of a dict."""
    def groups(x, labels):
        held = collections.defaultdict(list)
        for v, label in zip(x, labels):
            held[label].append(v)
        return {k: np.mean(v) for k, v in sorted(held.items(), reverse=True)}

    def window(x, n):
        last, out = collections.deque(maxlen=n), []
        for v in x:
            last.append(v)
            out.append(sum(last) / len(last))
        return out

    found = tg.jit(groups)(np.arange(4.0), ["b", "a", "b", "c"])
    assert list(found.items()) == [("c", 3.0), ("b", 1.0), ("a", 1.0)]
    assert tg.jit(window)(np.arange(5.0), 3) == window(np.arange(5.0), 3)


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize("pair", [((1.0, 2.0), (1.0, 2.0)), ((1.0, 2.0), (1.0, 3.0)), ((2.0, 0.0), (1.0, 3.0))])
@pytest.mark.parametrize("make", [tuple, lambda parts: Point(*parts), list], ids=["tuple", "namedtuple", "list"])
def test_containers_of_numbers_are_compared_from_the_left(make, pair):
    def fn(p, q):
        return p == q, p != q, p < q, p >= q

    def greatest(p, q):
        return max(p, q)[1], min(p, q)[1], max([p, q])[0]

    p, q = map(make, pair)
    assert tg.jit(fn)(p, q) == fn(p, q)
    if make is not list:
        assert tg.jit(greatest)(p, q) == greatest(p, q)
    if make not in (tuple, list):
        assert tg.jit(fn)(p, tuple(q)) == fn(p, tuple(q))
