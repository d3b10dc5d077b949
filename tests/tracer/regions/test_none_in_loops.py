"""Names that are None until an iteration gives them a value, in loops whose length only run time knows."""
import numpy as np
import pytest

import tracegrad as tg


def previous(x):
    last = None
    t = 0.0
    while t < 10 * x:
        if last is not None:
            t += last * 0.1
        t += x
        last = t
    return t


def two_before(x):
    p = q = None
    t = 0.0
    while t < 10 * x:
        if q is not None:
            t += q * 0.1
        t += x
        p, q = t, p
    return t


def until_it_settles(x):
    last, k = None, 0
    while True:
        k += 1
        x = 0.5 * (x + 2 / x) + 0.01 * x
        if last is not None and abs(last - x) < 1e-3:
            break
        last = x
    return x * k


def compared(x):
    last, k = None, 0
    while x < 100:
        if x == last:
            k += 10
        if last != x:
            k += 1
        last = x if x > 4 else None
        x = x * 1.5 if k % 3 else x
    return k * x


def best_with_its_place(x):
    best = place = None
    i = 0
    while i < x.shape[0] and x[i] < 50:
        if best is None or x[i] > best:
            best, place = x[i], (i, x[i] * 2)
        i += 1
    return -1.0 if best is None else best + place[0] + place[1]


def none_again(x):
    b = 1.0
    while x < 10:
        x = x * 2
        b = None
        if x > 7:
            b = x * 3
    return 0.0 if b is None else b


def array_sum(x):
    v = None
    while x.sum() < 10:
        x = x * 2
        v = x if v is None else np.maximum(v, 0.9 * x) + x
    return 0.0 if v is None else np.sum(v) + v[0] + len(v) + np.dot(v, v)


class State:
    pass


def attribute(x):
    s = State()
    s.last, t = None, 0.0
    while t < 10 * x:
        t += x
        if s.last is not None:
            t += s.last * 0.1
        s.last = t
    return t


A, B = np.array([1.0, 5, 3, 60, 7]), np.array([60.0, 1.0])
CASES = [(previous, 0.5), (previous, -1.0), (two_before, 0.5), (two_before, -1.0), (until_it_settles, 3.0), (compared, 1.0),
         (compared, 5.0), (compared, 200.0), (best_with_its_place, A), (best_with_its_place, B), (none_again, 1.0),
         (none_again, 3.0), (none_again, 11.0), (array_sum, np.ones(3)), (array_sum, 9 * np.ones(3)), (attribute, 1.0)]


@pytest.mark.parametrize(("f", "x"), CASES)
def test_values_and_derivatives(f, x):
    compiled = tg.jit(f)
    for run in (compiled, compiled.interpret):
        np.testing.assert_allclose(run(x), f(x), rtol=1e-14)
    tg.check_grads(compiled, (x,), order=2)


def needs_it(x):
    last = None
    while x < 10:
        x = x + last if x > 5 else x * 2
        if x > 8:
            last = x
    return x


def test_an_operand_that_is_none():
    with pytest.raises(TypeError, match="NoneType"):
        needs_it(3.0)
    with pytest.raises(TypeError, match="NoneType"):
        tg.jit(needs_it)(3.0)
    assert tg.jit(needs_it)(12.0) == 12.0


def branch_without_value(x, step=None):
    if x > 2:
        return x + step
    return x * 2


@pytest.mark.parametrize("f", [branch_without_value])
def test_a_branch_that_fails_as_pythons_does_fails_at_run_time(f):
    assert tg.jit(f)(1.0) == 2.0 and tg.grad(f)(1.0) == 2.0
    with pytest.raises(TypeError, match=r"unsupported operand type\(s\) for \+: 'number' and 'NoneType'"):
        tg.jit(f)(3.0)


def true_or_none(x):
    best, k = None, 0
    while k < x.shape[0]:
        if best:
            best -= 1.0
        elif x[k] > 1:
            best = x[k]
        k += 1
    return best


def written(x):
    a = [x[0], x[1]]
    b = a if x[0] > 0 else None
    if b is not None:
        b[0] = 5.0
        b[1] += 2.0
    return a


@pytest.mark.parametrize("f", [true_or_none, written])
@pytest.mark.parametrize("x", [np.array([0.5, 2.0, 3.0, 1.0, 0.0]), np.array([-0.5, 0.0, 0.5]), np.array([2.0, 1.0])])
def test_truth_and_parts_of_what_may_be_none(f, x):
    assert tg.jit(f)(x) == f(x)


def test_part_of_none():
    def f(x):
        a = [x, 1.0] if x > 0 else None
        a[0] = 2.0
        return a[0]

    assert tg.jit(f)(1.0) == 2.0
    with pytest.raises(TypeError, match="'NoneType' object does not support item assignment"):
        tg.jit(f)(-1.0)
