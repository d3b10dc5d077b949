"""Classes that a compiled function defines: as Python's, with derivatives of what their methods compute."""
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import pytest

import tracegrad as tg

X = np.array([0.5, 1.5, 2.25, -0.3, 3.1])


class Base:
    def __init__(self, a):
        self.a = a

    def value(self):
        return self.a * 2


def accumulates(x):
    class Sum:
        start = 0.5

        def __init__(self):
            self.total, self.items = self.start, []

        def add(self, v):
            if v > 0:
                self.total += v * v
                self.items.append(v)

        def __len__(self):
            return len(self.items)

    s = Sum()
    for v in x:
        s.add(v)
    return s.total * len(s)


def sees_the_function(x):
    scale, value = x[1], 3.0

    class Scaled:
        value = 2
        double = value * 2

        def of(self, v):
            return scale * v + value                # not the attribute

    return Scaled().of(x[0]) * Scaled.double


def inherits(x):
    class Derived(Base):
        __hidden = 3.0

        def __init__(self, a, b):
            super().__init__(a)
            self.__b = b

        def value(self):
            return super().value() * self.__b + self.__hidden

    return Derived(x[0], x[1]).value()


def operators(x):
    class Point:
        class Origin:
            at = 0.25

        def __init__(self, a, b):
            self.a, self.b = a, b

        def __add__(self, other):
            return Point(self.a + other.a, self.b * other.b)

        @property
        def norm(self):
            return self.a ** 2 + self.b ** 2 + self.Origin.at

        @classmethod
        def twice(cls, v):
            return cls(v, cls.factor() * v)

        @staticmethod
        def factor():
            return 2.0

    return (Point(x[0], x[1]) + Point.twice(x[2])).norm


def of_other_makers(x):
    @dataclass
    class Spring:
        k: float
        at: float = 1.5

        def energy(self):
            return self.k * self.at ** 2

    class Pair(NamedTuple):
        u: float
        v: float = 2.0

    class Place(IntEnum):
        FIRST = 0
        LAST = 4

    pair = Pair(x[Place.LAST])
    return Spring(x[Place.FIRST]).energy() + pair.u * pair.v


def raised(x):
    class TooSmall(ValueError):
        pass

    s = 0.0
    try:
        for v in x:
            if v < 0:
                raise TooSmall(v)
            s += v
    except TooSmall:
        return -s
    return s


def one_for_each(x):
    def made(k):
        class Times:
            def __call__(self, v):
                return v * k
        return Times()

    return made(2.0)(x[0]) + made(x[3])(x[1])


@pytest.mark.parametrize("f", [accumulates, sees_the_function, inherits, operators, of_other_makers, raised, one_for_each],
                         ids=lambda f: f.__name__)
def test_as_python_with_gradient(f):
    assert tg.jit(f)(X) == pytest.approx(f(X), rel=1e-15)
    tg.check_grads(f, (X,), order=2)
