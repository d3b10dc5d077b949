"""What is None under a condition of run time: results, tests for None, and what happens where one computes with it."""
import numpy as np
import pytest

import tracegrad as tg

V = np.array([0.1, 0.6, 0.9])


def positive(x):
    if x > 0:
        return x
    return None


def best_response(payoffs, mixed):
    values, top = np.zeros(len(payoffs)), -np.inf
    for a in range(len(payoffs)):
        for b in range(len(mixed)):
            values[a] += payoffs[a, b] * mixed[b]
        if values[a] > top:
            top = values[a]
    for a in range(len(payoffs)):
        if values[a] >= top - 1e-8:
            return a


def first_above(v, bound):
    for i, x in enumerate(v):
        if x > bound:
            return i, x * 2


def place_or_minus_one(v, bound):
    found = first_above(v, bound)
    if found is None:
        return -1.0
    i, x = found
    return i + x


def chosen(v, bound):
    found = positive(v[0] - bound)
    return 5.0 if found is None else found * 2


def carelessly(v, bound):
    return positive(v[0] - bound) + 1


def doubled(x):
    if x.sum() > 3:
        return x * 2


def set_in_a_branch(x):
    r = None
    if x[0] > 0.5:
        r = x[0] * 3
    if r is not None and r > 1:
        return r
    return 0.0


def never_a_value(x):
    if x > 1:
        return
    if x > 0:
        return None
    return x * 2


CALLS = [(positive, 1.0), (positive, -1.0), (positive, 2), (positive, np.float32(1.5)), (best_response, np.eye(3), V),
         (best_response, np.full((2, 2), np.nan), V[:2]), (first_above, V, 0.5), (first_above, V, 2.0),
         (place_or_minus_one, V, 0.5), (place_or_minus_one, V, 2.0), (chosen, V, 0.0), (chosen, V, 1.0), (doubled, V),
         (doubled, V * 9), (set_in_a_branch, V), (set_in_a_branch, V + 1), (never_a_value, 2.0), (never_a_value, 0.5),
         (never_a_value, -3.0), (carelessly, V, 0.0)]


def same(got, want):
    if want is None or got is None:
        assert got is want
    elif isinstance(want, tuple):
        for a, b in zip(got, want, strict=True):
            same(a, b)
    else:
        assert np.shape(got) == np.shape(want)
        assert np.asarray(got).dtype == np.asarray(want).dtype
        np.testing.assert_allclose(got, want, rtol=1e-14)


@pytest.mark.parametrize(("f", "args"), [(f, args) for f, *args in CALLS])
def test_as_python(f, args):
    compiled = tg.jit(f)
    same(compiled(*args), f(*args))
    same(compiled.interpret(*args), f(*args))


def test_none_in_arithmetic_is_a_type_error():
    with pytest.raises(TypeError, match="NoneType"):
        tg.jit(carelessly)(V, 1.0)
    with pytest.raises(TypeError, match="cannot unpack non-iterable NoneType"):
        tg.jit(lambda v: sum(x for x in first_above(v, 2.0)))(V)


def test_jitted_helpers_may_return_none():
    helper = tg.jit(first_above)

    @tg.jit
    def fn(v, bound):
        found = helper(v, bound)
        if found is not None:
            return found[1]
        return -1.0

    assert (fn(V, 0.5), fn(V, 2.0)) == (1.2, -1.0)


@pytest.mark.sweep(2, days=True)
def test_derivatives():
    tg.check_grads(lambda v: place_or_minus_one(v, 0.5), (V,), order=2)
    tg.check_grads(lambda v: set_in_a_branch(v + 1), (V,), order=2)
    assert tg.grad(positive)(2.0) == 1.0
    assert tg.jvp(positive, (2.0,), (3.0,)) == (2.0, 3.0)
    assert tg.jit(lambda x: tg.grad(positive)(x) * 2)(3.0) == 2.0
    with pytest.raises(TypeError, match="returns None here"):
        tg.grad(positive)(-2.0)


def test_a_batch():
    np.testing.assert_array_equal(tg.vmap(positive)(V), V)
    with pytest.raises(TypeError, match="returns None here"):
        tg.vmap(positive)(np.array([1.0, -1.0]))


def two_sum(xs, target):
    seen = {}
    for i, x in enumerate(xs):
        j = seen.get(target - x)
        if j is not None:
            return j, i
        seen[x] = i
    return -1, -1


def looked_up(xs, t):
    at = {}
    for i, x in enumerate(xs):
        at[x] = i
    j = at.get(t)
    return (0, 1) if j is None else (j, 5)


def with_none(x):
    if x > 1:
        return x * 2, {"a": None, "b": 1.0}
    return x, {"a": x + 1, "b": 2.0}


@pytest.mark.parametrize("f, args", [
    (two_sum, (np.array([3, 8, 5, 2, 9]), 11)), (two_sum, (np.array([3, 8, 5, 2, 9]), 1)), (two_sum, (np.arange(0), 1)),
    (looked_up, (np.array([3, 8, 5]), 5)), (looked_up, (np.array([3, 8, 5]), 6)), (with_none, (2.0,)), (with_none, (0.5,))])
def test_what_may_be_none_inside_of_a_tuple(f, args):
    assert tg.jit(f)(*args) == tg.jit(f).interpret(*args) == f(*args)
