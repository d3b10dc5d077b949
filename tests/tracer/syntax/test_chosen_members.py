"""Members of an enum of which run time chooses one: state machines, directions, tables by members."""
import enum

import numpy as np
import pytest

import tracegrad as tg


class State(enum.Enum):
    IDLE = "idle"
    RUN = "run"
    STOP = "stop"


class Direction(enum.Enum):
    N = (0, 1)
    E = (1, 0)
    S = (0, -1)
    W = (-1, 0)

    def right(self):
        around = list(Direction)
        return around[(around.index(self) + 1) % 4]


class Planet(enum.Enum):
    A = (2.0, 3.0)
    B = (4.0, 5.0)

    def __init__(self, mass, radius):
        self.mass, self.radius = mass, radius

    @property
    def gravity(self):
        return self.mass / self.radius ** 2

    def weight(self, x):
        return x * self.gravity


class Machine:
    def __init__(self):
        self.state, self.steps = State.IDLE, 0

    def feed(self, v):
        if self.state is State.IDLE and v > 0.5:
            self.state = State.RUN
        elif self.state is State.RUN and v < 0.1:
            self.state = State.STOP
        self.steps += self.state == State.RUN


def machine(x):
    m = Machine()
    for v in x:
        m.feed(v)
    return m.state, m.steps, m.state.name, m.state is not State.RUN, isinstance(m.state, State), f"{m.state} {m.state.value}"


def walked(x):
    d, p, seen = Direction.N, [0, 0], []
    for v in x:
        if v > 0.5:
            d = d.right()
        dx, dy = d.value
        p[0] += dx
        p[1] += dy
        seen.append(d)
    return p, seen


def chosen(x):
    p = Planet.A if x[0] > 0.2 else Planet.B
    match p:
        case Planet.A:
            k = 1
        case _:
            k = 2
    return p, p.gravity, p.weight(x[1]) * x[0], p.mass, p.value, k, p in (Planet.B,), {Planet.A: 1.5, Planet.B: x[1]}[p]


def table(x):
    counts = {State.IDLE: 0, State.RUN: 0, State.STOP: 0}
    for v in x:
        counts[State.IDLE if v < 0.3 else State.RUN if v < 0.93 else State.STOP] += 1
    return counts


@pytest.mark.parametrize("fn", [machine, walked, chosen, table])
def test_values(fn):
    for x in (np.array([0.1, 0.9, 0.95, 0.2, 0.05]), np.array([0.4, 0.9])):
        assert tg.jit(fn)(x) == fn(x)


def test_derivatives():
    x = np.array([0.4, 0.9])
    np.testing.assert_allclose(tg.grad(lambda x: chosen(x)[2])(x), np.array([0.9, 0.4]) * 2 / 9)
