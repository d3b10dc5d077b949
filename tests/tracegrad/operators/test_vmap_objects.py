"""`vmap` of functions that assign to objects, dicts and lists that are arguments: the caller's get it, with the batch in it."""
import copy
import dataclasses

import numpy as np
import pytest

import tracegrad as tg


class Body:
    def __init__(self, x, v=None):
        self.x, self.last, self.name = x, v, "a"


@dataclasses.dataclass
class Cell:
    x: np.ndarray
    k: np.ndarray


def move(p, k):
    p.x = p.x * k
    p.last = k
    p.name = "b"
    p.count = 3
    return p.x.sum()


def push(p, k):
    p.x += k
    return p.x.sum()


K = np.array([2.0, 3.0])


def check_moved(p, r, x, axis=0):
    k = K[:, None] if axis == 0 else K
    np.testing.assert_array_equal(p.x, x * k)
    np.testing.assert_array_equal(r, (x * k).sum(1 - axis))
    np.testing.assert_array_equal(p.last, K)
    np.testing.assert_array_equal(p.count, [3, 3])
    assert p.name == "b"


@pytest.mark.parametrize("make", [tg.vmap, lambda f: tg.jit(tg.vmap(f)), lambda f: tg.vmap(tg.jit(f))])
def test_attributes_that_are_assigned(make):
    x = np.arange(6.0).reshape(2, 3)
    p = Body(x.copy())
    check_moved(p, make(move)(p, K), x)


def test_the_axis_is_that_of_what_was_there():
    x = np.arange(6.0).reshape(3, 2)
    p = Body(x.copy())
    check_moved(p, tg.vmap(move, in_axes=(1, 0))(p, K), x, 1)
    p = Body(x.copy(), np.zeros((2, 3)))
    axes = Body(1, 0)
    axes.name = None
    check_moved(p, tg.vmap(move, in_axes=(axes, 0))(p, K), x, 1)


def test_by_the_evaluator_and_where_there_is_no_element():
    x = np.arange(6.0).reshape(2, 3)
    p, q = Body(x.copy()), Body(np.ones((0, 3)))
    with tg.disable_jit():
        check_moved(p, tg.vmap(move)(p, K), x)
    assert tg.vmap(move)(q, K[:0]).shape == (0,) and q.last.shape == (0,) and q.x.shape == (0, 3)


def test_maps_in_maps():
    x = np.ones((2, 2, 3))
    p = Body(x.copy())
    tg.vmap(tg.vmap(move))(p, np.array([K, 2 * K]))
    np.testing.assert_array_equal(p.x, np.array([K, 2 * K])[..., None] * x)


@pytest.mark.parametrize("axis", [0, 1])
def test_arrays_of_objects_that_are_written_to(axis):
    p = Body(np.ones((2, 2)))
    held = p.x
    tg.vmap(push, in_axes=(axis, 0))(p, K)
    assert p.x is held
    np.testing.assert_array_equal(p.x, (np.ones((2, 2)) + (K[:, None] if axis == 0 else K)))


def test_inside_of_compiled_code():
    @tg.jit
    def steps(x, n):
        p = Body(x)
        for _ in range(n):
            r = tg.vmap(move)(p, K)
        return r, p.x, p.last

    r, x, last = steps(np.ones((2, 3)), 3)
    np.testing.assert_array_equal(x, K[:, None] ** 3 * np.ones((2, 3)))
    np.testing.assert_array_equal(r, 3 * K**3)
    np.testing.assert_array_equal(last, K)
    g = tg.grad(lambda x: (steps(x, 3)[1] ** 2).sum())(np.ones((2, 3)))
    np.testing.assert_allclose(g, 2 * K[:, None] ** 6 * np.ones((2, 3)))


def test_derivatives_leave_objects_as_they_are():
    p = Body(np.ones((2, 3)))
    before = copy.deepcopy(p)
    g = tg.grad(lambda p, k: tg.vmap(move)(p, k).sum())(p, K)
    np.testing.assert_array_equal(g.x, K[:, None] * np.ones((2, 3)))
    g = tg.vmap(tg.grad(move))(p, K)
    np.testing.assert_array_equal(g.x, K[:, None] * np.ones((2, 3)))
    assert p.last is None and p.name == "a" and not hasattr(p, "count")
    np.testing.assert_array_equal(p.x, before.x)


def test_dicts_lists_and_dataclasses():
    def doubled(d):
        d["a"] = d["a"] * 2
        d["b"] = d["a"] + 1
        return d["b"]

    def added(values):
        values[0] = values[0] + values[1]
        return values[0]

    def cell(c):
        c.x = c.x * c.k
        return c

    d, values, c = {"a": np.arange(3.0)}, [np.arange(3.0), np.ones(3)], Cell(np.arange(3.0), np.arange(3.0))
    np.testing.assert_array_equal(tg.vmap(doubled)(d), d["b"])
    assert d["a"].tolist() == [0, 2, 4] and d["b"].tolist() == [1, 3, 5]
    np.testing.assert_array_equal(tg.vmap(added)(values), [1, 2, 3])
    assert values[0].tolist() == [1, 2, 3] and values[1].tolist() == [1, 1, 1]
    assert tg.vmap(cell)(c).x.tolist() == c.x.tolist() == [0, 1, 4]


def shared(p, k):
    p.last = 4
    return p.x.sum() * k


def test_what_all_elements_share():
    p = Body(np.ones(3))
    np.testing.assert_array_equal(tg.vmap(shared, in_axes=(None, 0))(p, K), 3 * K)
    assert p.last == 4
    with pytest.raises(tg.ArgumentError, match=r"all elements share p\.x, and each gives it another value"):
        tg.vmap(move, in_axes=(None, 0))(p, K)
    with pytest.raises(tg.ArgumentError, match=r"all elements of the batch share p\.x, and each writes to it"):
        tg.vmap(push, in_axes=(None, 0))(p, K)
    with pytest.raises(tg.ArgumentTypeError, match=r"the attributes 'last', 'name', 'x' for p, which has .*'count'"):
        p.count = np.ones(2)
        tg.vmap(shared, in_axes=(Body(None), 0))(p, K)


def test_one_array_in_two_attributes():
    def both(c):
        c.x += 1
        return c.k.sum()

    x = np.ones((2, 1))
    with pytest.raises(tg.ArgumentError, match="are the same array, which each element"):
        tg.vmap(both)(Cell(x, x))
