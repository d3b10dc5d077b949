"""Numba's jitclasses: made in traced code, given as arguments, and made by methods that this package compiled."""
import sys

import numba
import numpy as np
import pytest
from numba.experimental import jitclass

import tracegrad as tg


class Plain:
    def __init__(self, n, x):
        self.v = np.zeros(n)
        self.n = 0
        self.x = x
        self.small = x

    def add(self, y):
        self.v[self.n] = y * self.x
        self.n += 1
        return self

    def cut(self, y):
        self.n = y
        return self.n

    @property
    def last(self):
        return self.v[self.n - 1]

    @last.setter
    def last(self, value):
        self.v[self.n - 1] = value

    @staticmethod
    def twice(y):
        return 2 * y

    def __getitem__(self, k):
        return self.v[k]

    def total(self):
        return self.twice(np.sum(self.v[:self.n]))


SPEC = [("v", numba.float64[:]), ("n", numba.int64), ("x", numba.float64), ("small", numba.float32)]


@pytest.fixture(scope="module")
def bag():
    return jitclass(SPEC)(Plain)


def test_objects_of_a_call(bag):
    def f(n, x):
        b = bag(n, x)
        for i in range(n):
            b.add(i + 1.0)
        b.last = b.last + 1
        return b.total() + b[0], b.n, b.last

    assert tg.jit(f)(3, 2.0) == f(3, 2.0) == (28.0, 3, 7.0)
    assert tg.grad(lambda x: f(3, x)[0])(2.0) == 13.0


def test_fields_have_the_types_of_the_specification(bag):
    f = tg.jit(lambda x: (bag(1, x).cut(x), bag(1, x).x, bag(1, x).small))
    assert tg.jit(lambda x: (isinstance(bag(1, x), bag), isinstance(x, (bag, int))))(1.0) == (True, False)
    for x in (2.7, -2.7):
        n, held, small = f(x)
        assert (n, held, small) == (int(x), x, np.float32(x)) and isinstance(n, (int, np.int64))
    assert isinstance(tg.jit(lambda n: bag(n, n).x)(3), float)


def test_arguments_that_numba_has_made(bag):
    b = bag(4, 2.0)
    b.add(1.0)

    @tg.jit
    def f(held, y):
        b = held[0]
        b.add(y)
        b.x = y
        b.v = np.concatenate((b.v, np.ones(1)))
        return b, b.total()

    made, total = f((b,), 3.0)
    assert made is b and total == 16.0
    assert b.n == 2 and b.x == 3.0 and b.v.tolist() == [2.0, 6.0, 0.0, 0.0, 1.0]


def test_what_was_assigned_before_an_error_stays(bag):
    @tg.jit
    def f(b, y):
        b.x = y
        if y > 1:
            raise ValueError("much")
        b.x = 0.0

    b = bag(1, 0.5)
    with pytest.raises(ValueError, match="much"):
        f(b, 3.0)
    assert b.x == 3.0


def test_a_field_that_is_not_named(bag):
    def f(b):
        b.other = 1.0

    with pytest.raises(tg.TracegradError, match="is no field of the jitclass Plain"):
        tg.jit(f)(bag(2, 1.0))


def test_with_jit_in_the_place_of_numbas(monkeypatch):
    base, boxing = (sys.modules[f"numba.experimental.jitclass.{name}"] for name in ("base", "boxing"))
    monkeypatch.setattr(base, "njit", tg.jit)
    monkeypatch.setattr(boxing, "njit", tg.jit)
    bag = jitclass(SPEC)(Plain)
    b = bag(3, 2.0)
    b.add(1.0).add(5.0)
    assert b.n == 2 and b.last == 10.0 and b.total() == 24.0 and b[0] == 2.0
    assert tg.jit(lambda b, y: b.add(y).total())(b, 1.0) == 28.0 and b.n == 3


def test_deep_tuples_beside_jitclasses():
    import numba.experimental.jitclass.boxing  # noqa: F401

    held = 2.0
    for _ in range(1000):
        held = (held,)

    def inner(x):
        while isinstance(x, tuple):
            x = x[0]
        return x * 3.0

    assert tg.jit(inner)(held) == 6.0


def test_isinstance_outside_of_compiled_code(monkeypatch):
    monkeypatch.setattr(numba, "njit", tg.jit)
    made = jitclass(SPEC)(type("Made", (Plain,), dict(vars(Plain))))
    one = tg.jit(lambda x: made(2, x))(1.0)
    assert isinstance(one, made) and not isinstance(one, jitclass(SPEC)(Plain)) and not isinstance(1.0, made)
