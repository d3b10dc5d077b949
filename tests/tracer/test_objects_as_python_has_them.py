"""Objects as arguments of compiled functions: calls leave them, and return, what Python does. What is shared stays shared."""
import copy
import dataclasses
import functools
import threading

import numpy as np
import pytest

import tracegrad as tg


class Point:
    def __init__(self, x=1.0, v=2.0):
        self.x, self.v = x, v


class Noted:
    """With attributes that no program here reads."""

    def __init__(self, x=1.0):
        self.x, self.lock, self.call, self.words = x, threading.Lock(), (lambda t: t + 1.0), np.array(["a"])
        self.history, self.name = [2.0, 3.0], "noted"


class Cached:
    def __init__(self):
        self.x = 2.0

    @functools.cached_property
    def square(self):
        return self.x**2


class Stored:
    """A descriptor that keeps its value under its own name."""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, held, owner=None):
        return self if held is None else held.__dict__[self.name]

    def __set__(self, held, value):
        held.__dict__[self.name] = 2 * value


@dataclasses.dataclass
class Wide:
    x: float

    def __post_init__(self):
        self.square, self.lock = self.x**2, threading.Lock()


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: float


@pytest.mark.parametrize("f, name, value", [
    (lambda p: p.x * 2 if hasattr(p, "more") else p.x, "more", 1.0),
    (lambda p: p.x + getattr(p, "more", 0.0), "more", 1.0),
    (lambda p: p.__len__() + p.x if hasattr(p, "__len__") else p.x, "other", 1.0)])
def test_an_attribute_that_comes_later(f, name, value):
    g, p = tg.jit(f), Point()
    assert g(p) == g(p) == f(p)
    setattr(p, name, value)
    assert g(p) == g(p) == f(p)
    delattr(p, name)
    assert g(p) == f(p)


def test_a_method_that_an_instance_replaces():
    class Source:
        def __init__(self):
            self.x = 1.0

        def rate(self):
            return self.x * 10.0

    s, g = Source(), tg.jit(lambda s: s.rate())
    assert g(s) == g(s) == 10.0
    s.rate = lambda: 7.0
    assert g(s) == 7.0


def test_attributes_that_are_not_read_make_no_other_kernels():
    g = tg.jit(lambda n: n.x * 2.0)
    for k in range(5):
        assert g(Noted(float(k))) == 2.0 * k
    assert g.cache_info().misses == 1

    def step(n):
        n.x += 1.0
        return n.x

    n = Noted()
    kept = dict(vars(n))
    assert [tg.jit(step)(n) for _ in range(3)] == [2.0, 3.0, 4.0] and n.x == 4.0
    assert all(vars(n)[name] is kept[name] for name in kept if name != "x")


def test_a_look_at_all_attributes_sees_them_in_their_order():
    def weighted(p):
        return sum((k + 1) * value for k, (name, value) in enumerate(vars(p).items()))

    def mixed(n):
        total = 0.0
        for value in n.__dict__.values():
            if isinstance(value, float):
                total += value
            elif isinstance(value, list):
                total += sum(value)
            elif isinstance(value, str):
                total += len(value)
        return total

    p = Point.__new__(Point)
    p.x, p.v, p.a = 1.0, 10.0, 100.0
    assert tg.jit(weighted)(p) == weighted(p) == 321.0
    n = Noted()
    assert tg.jit(mixed)(n) == mixed(n) == 11.0


def test_a_copy_has_all_attributes():
    def copied(n):
        other = copy.copy(n)
        other.x = 9.0
        return other

    n = Noted()
    del n.words                                                    # with it an object that is looked at as a whole stays whole
    found = tg.jit(copied)(n)
    assert found.x == 9.0 and n.x == 1.0 and found.history is n.history and found.lock is n.lock


def test_a_cached_property_is_kept():
    def f(c):
        c.x += 1.0
        return c.square

    ours, theirs = Cached(), Cached()
    assert [tg.jit(f)(ours) for _ in range(3)] == [f(theirs) for _ in range(3)]
    assert vars(ours) == vars(theirs)


def test_what_a_dataclass_has_beside_its_fields():
    def f(w):
        w.square = w.square + 1.0
        w.new = w.x
        return w.square * w.x

    ours, theirs = Wide(3.0), Wide(3.0)
    for _ in range(2):
        assert tg.jit(f)(ours) == f(theirs)
    assert (ours.square, ours.new) == (theirs.square, theirs.new)
    slope = tg.grad(lambda w: w.x * w.square)(Wide(3.0))
    assert (slope.x, slope.square) == (9.0, 3.0)
    g, w = tg.jit(lambda w: getattr(w, "late", w.x)), Wide(1.0)
    assert g(w) == g(w) == 1.0
    w.late = 7.0
    assert g(w) == 7.0


def test_no_code_of_the_class_runs_when_the_object_gets_its_values():
    def f(held):
        object.__setattr__(held, "x", held.x + 1.0)
        return held.x

    frozen = Frozen(1.0)
    assert tg.jit(f)(frozen) == 2.0 == frozen.x

    class Doubling:
        x = Stored()

        def __init__(self):
            self.x = 1.0

    d, read = Doubling(), tg.jit(lambda d: d.x + 1.0)
    assert read(d) == 3.0
    d.x = 4.0
    assert read(d) == 9.0
    with pytest.raises(tg.UnsupportedError, match="code of its own"):
        tg.jit(lambda d: setattr(d, "x", 1.0))(d)


def returned(p, items, table):
    p.x = p.x + 1.0
    return p, items, {"table": table}


def test_what_is_returned_is_what_was_passed():
    p, items, table = Point(), [1.0, 2.0], {"a": np.ones(2)}
    found = tg.jit(returned)(p, items, table)
    assert found[0] is p and found[1] is items and found[2]["table"] is table
    wide = Wide(1.0)
    assert tg.jit(lambda w, k: (w, w.x * k))(wide, 2.0)[0] is wide


def test_what_is_made_once_is_one_object():
    def f(p):
        items, child = [p.x, 1.0], Point(p.x)
        child.parent = p
        p.first = p.second = items
        p.child = child
        return child, items

    p = Point()
    child, items = tg.jit(f)(p)
    assert p.first is p.second is items and p.child is child and child.parent is p


def test_each_call_makes_objects_of_its_own():
    def f(p):
        p.child = Point(5.0, 6.0)
        return Point(3.0, 4.0)

    g, p, q = tg.jit(f), Point(), Point()
    assert g(p) is not g(q) and p.child is not q.child and vars(p.child) == vars(q.child)


@pytest.mark.parametrize("attributes", [{}, {"v": None}, {"v": "text"}, {"v": False}, {"v": np.int64(3)}])
def test_objects_without_numbers_can_be_assigned_to(attributes):
    class Model:
        def __init__(self):
            vars(self).update(attributes)

        def fit(self, x):
            self.v, self.mean = 2.0, x.mean()
            return self

    model, fit = Model(), tg.jit(Model.fit)
    misses = []
    for _ in range(3):
        assert fit(model, np.arange(3.0)) is model
        assert (model.v, model.mean) == (2.0, 1.0)
        fit(Model(), np.ones(3))
        misses.append(fit.cache_info().misses)
    assert misses[1] == misses[2]                                  # no call compiles again


def test_threads_that_reveal_attributes_at_once():
    class Model:
        def __init__(self, x):
            self.x, self.items, self.name, self.found = x, [1.0, 2.0], "a", None

        @tg.jit
        def run(self):
            self.found = self.x * self.items[1] + len(self.name)
            return self.found

    wrong, start = [], threading.Barrier(4)

    def work(k):
        model = Model(float(k))
        start.wait()
        if model.run() != 2.0 * k + 1 or model.found != 2.0 * k + 1:
            wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_derivative_hands_out_the_object_as_the_function_left_it():
    def f(p, x):
        p.x = p.x * x
        return p.x**2, p

    p = Point(2.0)
    (value, left), slope = tg.value_and_grad(f, has_aux=True)(p, 3.0)
    assert (value, left.x, p.x, slope.x) == (36.0, 6.0, 2.0, 36.0)
