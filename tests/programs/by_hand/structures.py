"""Classes, dataclasses, namedtuples, dicts, closures, defaults, recursion."""

from __future__ import annotations

import functools
from collections import namedtuple
from dataclasses import dataclass, field, replace

import numpy as np

from . import program

Spring = namedtuple("Spring", "stiffness damping rest")


@dataclass
class Body:
    position: np.ndarray
    velocity: np.ndarray
    mass: float = 1.0
    history: list = field(default_factory=list)

    def push(self, force, dt):
        self.velocity = self.velocity + dt * force / self.mass
        self.position = self.position + dt * self.velocity
        return self

    @property
    def energy(self):
        return 0.5 * self.mass * np.sum(self.velocity**2)


class Dense:
    def __init__(self, w, b, activation=np.tanh):
        self.w, self.b, self.activation = w, b, activation

    def __call__(self, x):
        return self.activation(x @ self.w + self.b)


class Network:
    scale = 0.5

    def __init__(self, *layers):
        self.layers = list(layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.scale * x

    @staticmethod
    def penalty(w):
        return np.sum(w**2)

    @classmethod
    def from_arrays(cls, arrays):
        return cls(*(Dense(w, b) for w, b in arrays))


class Accumulator:
    def __init__(self):
        self.count = 0
        self.mean = 0.0
        self.m2 = 0.0

    def add(self, x):
        self.count += 1
        delta = x - self.mean
        self.mean += delta / self.count
        self.m2 += delta * (x - self.mean)

    def variance(self):
        return self.m2 / (self.count - 1) if self.count > 1 else 0.0


@program(lambda r: (r.standard_normal(3), r.standard_normal(3), 2.0), wrt=(0, 1, 2))
def dataclass_body(position, velocity, mass):
    body = Body(position, velocity, mass)
    for _ in range(6):
        force = -0.5 * body.position
        body.push(force, 0.1)
    return body.position, body.energy


@program(
    lambda r: (
        [(r.standard_normal((3, 4)), r.standard_normal(4)), (r.standard_normal((4, 2)), np.zeros(2))],
        r.standard_normal(3),
    ),
    wrt=(0, 1),
)
def network_of_classes(arrays, x):
    net = Network.from_arrays(arrays)
    return net.forward(x), sum(Network.penalty(w) for w, _ in arrays)


@program(lambda r: (r.standard_normal(10),))
def welford_in_a_class(x):
    acc = Accumulator()
    for v in x:
        acc.add(v)
    return acc.mean, acc.variance()


@program(lambda r: (Spring(2.0, 0.3, 1.0), np.array([1.5, 0.0])), wrt=(0, 1))
def namedtuple_spring(spring, state):
    x, v = state
    for _ in range(10):
        a = -spring.stiffness * (x - spring.rest) - spring.damping * v
        v += 0.1 * a
        x += 0.1 * v
    return Spring(x, v, spring._replace(rest=x).rest)


@program(lambda r: ({"decay": 0.9, "gains": [1.0, 0.5], "bias": r.standard_normal(3)}, r.standard_normal((4, 3))), wrt=(0, 1))
def dict_parameters(params, xs):
    state = {"h": np.zeros(3), "n": 0}
    for x in xs:
        state["h"] = params["decay"] * state["h"] + params["gains"][0] * x + params["bias"]
        state["n"] += 1
    out = {**state, "scaled": state["h"] * params["gains"][1]}
    return out


def _make_stepper(order, config=None):
    config = {"dt": 0.1} if config is None else config

    def euler(f, y):
        return y + config["dt"] * f(y)

    def midpoint(f, y):
        half = y + 0.5 * config["dt"] * f(y)
        return y + config["dt"] * f(half)

    return {1: euler, 2: midpoint}[order]


@program(lambda r: (r.uniform(0.5, 1, 3), 0.8), wrt=(0, 1))
def closures_over_config(y, rate):
    step = _make_stepper(2)
    first = _make_stepper(1, {"dt": 0.05})
    f = lambda v: -rate * v**2  # noqa: E731
    for k in range(5):
        y = step(f, y) if k % 2 else first(f, y)
    return y


def _clip_and_scale(x, *, low=-1.0, high=1.0, scale=None, **extra):
    if scale is None:
        scale = high - low
    y = np.clip(x, low, high) / scale
    for name, value in extra.items():
        y = y + value if name.startswith("add") else y * value
    return y


@program(lambda r: (r.standard_normal(8), 0.7), wrt=(0, 1))
def keywords_and_defaults(x, s):
    a = _clip_and_scale(x)
    b = _clip_and_scale(x, low=-0.5, scale=s)
    options = {"high": 2.0, "add_one": 1.0, "times": s}
    return a + _clip_and_scale(b, **options)


def _sign_and_root(v, tolerance=1e-9):
    if v > tolerance:
        return 1.0, np.sqrt(v)
    if v < -tolerance:
        return -1.0, np.sqrt(-v)
    return 0.0, 0.0


@program(lambda r: (r.standard_normal(7),))
def early_returns_in_helper(x):
    total = 0.0
    for v in x:
        s, root = _sign_and_root(v)
        total += s * root
    return total


@program(lambda r: (r.standard_normal(11),))
def pairwise_sum_recursive(x):
    def pairwise(v):
        n = v.size
        if n <= 2:
            return v.sum()
        return pairwise(v[: n // 2]) + pairwise(v[n // 2 :])

    return pairwise(x**2)


@program(lambda r: (1.3, 9), wrt=(0,))
def power_by_squaring(x, n):
    if n == 0:
        return 1.0
    half = power_by_squaring(x, n // 2)
    return half * half * x if n % 2 else half * half


@program(lambda r: (r.standard_normal(5), np.array([1.0, 2.0])), wrt=(0, 1))
def functools_and_partial(x, w):
    def weighted(a, b, v):
        return a * v**2 + b * v

    f = functools.partial(weighted, w[0])
    return functools.reduce(lambda acc, v: acc + f(w[1], v), x, 0.0)


@program(lambda r: (r.standard_normal(6),))
def lists_of_arrays(x):
    stages = [x]
    for _ in range(3):
        stages.append(np.sin(stages[-1]) + stages[0])
    first, *middle, last = stages
    total = {f"stage{i}": s.sum() for i, s in enumerate(middle)}
    total["last"] = last @ first
    return total, tuple(s.max() for s in stages)


@program(lambda r: (Body(r.standard_normal(2), r.standard_normal(2), 1.5), 0.2), wrt=())
def dataclass_in_and_out(body, dt):
    moved = replace(body, position=body.position + dt * body.velocity)
    return moved


@program(lambda r: (r.standard_normal((3, 4)),))
def views_of_views(a):
    b = a.copy()
    inner = b[1:, 1:]
    corner = inner[:, ::2]
    corner += 10.0
    row = b[-1]
    row[row > 5] *= 2
    inner[0] = inner[1][::-1]
    t = b.T
    t[0, :] = t[1, :] * 2
    return b


@program(lambda r: (r.standard_normal(8), 3), writes=(0,))
def overwrites_and_returns(x, k):
    x[:k] = x[k : 2 * k]
    x[1:] = x[:-1]
    x[::-2] *= -1
    y = x[2:5]
    y -= y.mean()
    return x.sum(), y


@program(lambda r: (r.standard_normal(9), r.integers(0, 9, 6)))
def integer_and_mask_writes(x, where):
    y = x.copy()
    y[where] = y[where] * 2 + 1
    y[y < 0] = 0.0
    y[[0, 2]] += np.array([1.0, 2.0])
    np.add.at(y, where, 0.5)
    z = np.zeros((3, 3))
    z[np.arange(3), np.arange(3)[::-1]] = y[:3]
    return y, z


@program(lambda r: (r.standard_normal(12), 4))
def chunks_of_run_time_length(x, parts):
    bounds = np.linspace(0, x.size, parts + 1).astype(int)
    totals = np.zeros(parts)
    for k in range(parts):
        chunk = x[bounds[k] : bounds[k + 1]]
        totals[k] = chunk.sum() if chunk.size else 0.0
        if chunk.size > 2:
            totals[k] += chunk[0] * chunk[-1]
    return totals


@program(lambda r: (r.standard_normal(10), "mean"))
def strings_and_flags(x, mode):
    reduced = {"mean": np.mean, "sum": np.sum}[mode]
    found = False
    for v in x:
        if v > 1.0:
            found = True
            break
    scale = 2.0 if found else 1.0
    match_first = mode.startswith("me") and found
    return scale * reduced(x) + (1.0 if match_first else 0.5)
