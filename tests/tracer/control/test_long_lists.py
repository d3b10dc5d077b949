"""Loops over long lists and tuples of numbers of run time, on both sides of the length from which they are rolled."""
import numpy as np
import pytest
from tracegrad.ir.thresholds import sizes

import tracegrad as tg

LENGTHS = (3, sizes.traced_unrolled_total, sizes.traced_unrolled_total + 1, 60)


def mixed(items):
    total = 0
    for x in items:
        total = total * 3 % 7 + x
    return total


def largest(items):
    most, where = items[0], 0
    for k, x in enumerate(items):
        if x > most:
            most, where = x, k
    return most, where


def kept(items):
    out = []
    for x in items:
        if x > 3:
            out.append(x)
    return out


def pairs(items):
    count = 0
    for i in range(len(items)):
        for j in range(i + 1, len(items)):
            if items[i] < items[j]:
                count += 1
    return count


def counted(items):
    found = {}
    for x in items:
        found[x] = found.get(x, 0) + 1
    return found


def two_of(items):
    seen = {}
    for k, x in enumerate(items):
        if 9 - x in seen:
            return seen[9 - x], k
        seen[x] = k
    return -1, -1


def products(items):
    total = 0
    for x, y in zip(items, reversed(items)):
        total += x * y
    return total


def first_large(items):
    for x in items:
        if x > 4:
            break
    else:
        return -1
    return x


def types_kept(items):
    return all(type(x) is int for x in items), sum(x for x in items)


def written(items):
    for k, x in enumerate(items):
        if k + 1 < len(items):
            items[k + 1] = x + items[k + 1]
    return items[-1]


def named(items):
    lines = {}
    for k, x in enumerate(items):
        lines[f"x{k}"] = x
    return lines


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [mixed, largest, kept, pairs, counted, two_of, products, first_large, types_kept, written, named])
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("make", [list, tuple])
def test_as_python(f, n, make):
    items = make((k * k + n) % 7 for k in range(n))
    if f is written and make is tuple:
        return
    wanted, found = f(make(items)), tg.jit(f)(make(items))
    assert found == wanted and type(found) is type(wanted)
    other = make((k * k + 3 * k) % 11 for k in range(n))
    assert tg.jit(f)(make(other)) == f(make(other))


def smooth(items):
    total = 0.0
    for k, x in enumerate(items):
        total = np.tanh(total + x * (k + 1)) + items[k // 2] ** 2
    return total


@pytest.mark.parametrize("n", [16, 17])
def test_derivatives(n):
    items = np.linspace(-0.3, 0.4, n).tolist()
    found = tg.grad(smooth)(items)
    assert type(found) is list and len(found) == n
    wanted = tg.grad(lambda x: smooth([x[k] for k in range(n)]))(np.array(items))
    np.testing.assert_allclose(found, wanted, rtol=1e-13)
    tg.check_grads(smooth, (items,), modes=["fwd"])


@pytest.mark.parametrize("n", LENGTHS)
def test_a_list_that_grows_in_a_loop_over_it(n):
    def f(items):
        for x in items:
            if x == 1 and len(items) < 100:
                items.append(0)
        return len(items)
    items = [k % 5 for k in range(n)]
    wanted = f(list(items))
    try:
        assert tg.jit(f)(list(items)) == wanted
    except tg.UnsupportedError as error:
        assert "length" in str(error) or "argument" in str(error) or "list" in str(error)


def test_a_known_list_stays_known():
    names = ("a", "b")
    f = tg.jit(lambda x: sum(x[k] * n for k, n in enumerate([2, 3, 5] * 10) if names[n % 2] == "b"))
    x = np.arange(30.0)
    assert f(x) == f.py_func(x)


def pairs_of_others(items):
    count = 0
    for x in items:
        for y in items:
            if x is not y:
                count += 1
    return count


@pytest.mark.parametrize("n", LENGTHS[:3])
def test_items_keep_their_identity(n):
    items = [0.5 + k for k in range(n)]
    assert tg.jit(pairs_of_others)(items) == n * (n - 1)
    assert tg.jit(lambda held: [x is held[2] for x in held])(items) == [k == 2 for k in range(n)]
