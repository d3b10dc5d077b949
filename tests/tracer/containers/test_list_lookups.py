"""index(), count() and the truth of lists and tuples of known length whose items only run time knows; namedtuples."""
from typing import NamedTuple

import numpy as np
import pytest

import tracegrad as tg

X = np.array([1.0, -2.0, 3.0, 1.0])


def of_elements(x, v):
    items, fixed = list(x), tuple(x)
    return items.index(v), items.count(v), fixed.index(v), fixed.count(v)


def of_appended(x, v):
    items = []
    for k in range(12):
        items.append(k & 3)
    return items.index(int(v)), items.count(int(v)), items.index(int(v), 4), items.index(int(v), -5, 12)


def of_known_numbers(x, v):
    names, total = (2.0, 3.0, 5.0), 0.0
    for k in range(6):
        if float(k) in names:
            total += names.index(float(k)) * x[0]
    return total + names.count(v)


def or_else(x, v):
    try:
        return [x[0], x[1]].index(v)
    except ValueError:
        return -1


@pytest.mark.parametrize("f", [of_elements, of_appended, of_known_numbers, or_else])
@pytest.mark.parametrize("v", [1.0, 3.0, -2.0, 9.0])
def test_as_python(f, v):
    try:
        wanted = f(X, v)
    except ValueError as error:
        with pytest.raises(ValueError, match=str(error).partition("(")[0]):
            tg.jit(f)(X, v)
        return
    found = tg.jit(f)(X, v)
    assert found == wanted and type(found) is type(wanted)


def test_list_arguments():
    f = tg.jit(lambda items, v: (items.index(v), items.count(v)))
    assert f([1, 2, 3, 2], 2) == (1, 2)
    assert f(["a", "b"], "b") == (1, 1)
    with pytest.raises(ValueError, match="7 is not in list"):
        f([1, 2, 3, 2], 7)


@pytest.mark.parametrize("held", [(), (0,), (1, 2, 3), (1.5, 2), [], [0.0], [1.0, 2.0], (np.ones(2),), ((),)], ids=repr)
def test_a_container_is_true_if_it_holds_anything(held):
    f = lambda t: (bool(t), 3 if t else 2, not t)               # noqa: E731
    assert tg.jit(f)(held) == f(held)


@pytest.mark.parametrize("convert", [int, float, complex])
@pytest.mark.parametrize("held", [(1,), [1.0]], ids=repr)
def test_a_container_is_no_number(convert, held):
    with pytest.raises(TypeError, match="argument must be"):
        tg.jit(lambda t: convert(t))(held)


def test_a_complex_number_is_not_rounded():
    with pytest.raises(TypeError, match="complex doesn't define"):
        tg.jit(lambda z: round(z))(1 + 2j)


# --- namedtuples ------------------------------------------------------------------------------------------------------

class Bucket(NamedTuple):
    weight: float
    start: float


def picked(x, y, order):
    held, s = Bucket(x, y), 0.0
    for k in order:
        s += np.sin(held[k] * s) + held[-1 - k]
    return s


def merged(x, n):
    buckets = [Bucket(x, 0), Bucket(2 * x, 1), Bucket(x * x, 2)]
    i = 0
    while i < n:
        b = buckets[i]
        buckets[(i + 1) % 3] = Bucket(b.weight * b.weight, b.start + 1)
        i += 1
    s = 0.0
    for b in buckets:
        s += b.weight * (b.start + 1)
    return s


def test_a_namedtuple_at_positions_of_run_time():
    order = np.array([1, 0, 0, 1])
    assert tg.jit(picked)(0.3, 0.7, order) == picked(0.3, 0.7, order)
    tg.check_grads(lambda x, y: picked(x, y, order), (0.3, 0.7), order=1)
    with pytest.raises(IndexError):
        tg.jit(picked)(0.3, 0.7, np.array([2]))


def test_a_namedtuple_with_subscripts_of_its_own():
    class Own(Bucket):
        def __getitem__(self, k):
            return 7.0

    assert tg.jit(lambda x, k: Own(x, x)[k[0]] + x)(1.0, np.array([1])) == 8.0


@pytest.mark.parametrize("n", [0, 1, 3])
def test_tuples_assigned_at_positions_of_run_time(n):
    assert tg.jit(merged)(1.3, n) == pytest.approx(merged(1.3, n), rel=1e-15)
    if n:
        tg.check_grads(lambda x: merged(x, n), (1.3,), order=1)
