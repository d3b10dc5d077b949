"""Random programs of views and in-place writes: every alias holds what it holds in NumPy."""
from __future__ import annotations

import numpy as np
import pytest
from numpy_trace import check

DEPTH = 9


def random_slice(r, n):
    step = r.choice([1, 1, 1, 2, -1, -2])
    a, b = sorted(r.integers(-1, n + 1, 2))
    return slice(int(a) if a >= 0 else None, int(b), int(step)) if step > 0 else slice(int(b), int(a) if a >= 0 else None,
                                                                                       int(step))


def random_key(r, shape):
    key = []
    for n in shape:
        kind = r.integers(0, 5)
        key.append(int(r.integers(-n, n)) if kind == 0 and n else slice(None) if kind == 1 else random_slice(r, n))
    if r.random() < 0.2:
        key.insert(int(r.integers(0, len(key) + 1)), None)
    return tuple(key)


def factorings(size, r):
    if size == 0:
        return (0,)
    dims = []
    while size > 1 and len(dims) < 3 and r.random() < 0.8:
        divisors = [d for d in range(2, size + 1) if size % d == 0]
        d = int(r.choice(divisors))
        dims.append(d)
        size //= d
    return (*dims, size) if size > 1 or not dims else tuple(dims)


def program(seed):
    """A list of steps, drawn while running on NumPy so that every step is possible."""
    r = np.random.default_rng(seed)
    shape = [(6,), (4, 6), (2, 3, 4), (3, 1, 4)][seed % 4]
    held, steps = [np.zeros(shape)], []

    def add(step):
        steps.append(step)
        apply(np, held, step)

    for _ in range(DEPTH):
        k = int(r.integers(0, len(held)))
        x = held[k]
        kind = r.integers(0, 12)
        if kind == 0 and x.ndim:
            add(("view", k, random_key(r, x.shape)))
        elif kind == 1:
            add(("transpose", k, tuple(int(p) for p in r.permutation(x.ndim))))
        elif kind == 2:
            add(("reshape", k, factorings(x.size, r)))
        elif kind == 3:
            add(("ravel", k))
        elif kind == 4 and x.ndim >= 2:
            add(("swap", k))
        elif kind == 5:
            add(("flip", k))
        elif kind == 6:
            add(("new", k, str(r.choice(["copy", "times", "like", "add_to_other", "F"])), int(r.integers(0, len(held)))))
        elif kind == 7 and x.ndim and 0 not in x.shape:
            add(("put", k, int(r.integers(0, x.shape[0])), float(r.standard_normal())))
        elif kind == 8 and x.ndim:
            add(("assign", k, random_key(r, x.shape), float(r.standard_normal())))
        elif kind == 9:
            add(("scale", k, float(r.uniform(0.5, 2))))
        elif kind == 10 and x.ndim and x.shape[0] > 1:
            add(("shift", k))
        elif x.ndim and 0 not in x.shape:
            add(("fancy", k, [int(i) for i in r.integers(0, x.shape[0], 3)], float(r.standard_normal())))
    return shape, steps


def apply(np, held, step):
    name, k, *rest = step
    x = held[k]
    if name == "view":
        y = x[rest[0]]
        if y.ndim:
            held.append(y)
    elif name == "transpose":
        held.append(x.transpose(rest[0]))
    elif name == "reshape":
        held.append(x.reshape(rest[0]))
    elif name == "ravel":
        held.append(x.ravel())
    elif name == "swap":
        held.append(np.swapaxes(x, 0, -1))
    elif name == "flip":
        held.append(np.flip(x))
    elif name == "new":
        how, other = rest
        if how == "copy":
            held.append(x.copy())
        elif how == "times":
            held.append(x * 2.0 + 1.0)
        elif how == "like":
            held.append(np.ones_like(x))
        elif how == "F":
            held.append(np.asfortranarray(x))
        elif held[other].shape == x.shape:
            held.append(held[other] + x)
    elif name == "put":
        x[rest[0]] = rest[1]
    elif name == "assign":
        x[rest[0]] += rest[1]
    elif name == "scale":
        x *= rest[0]
    elif name == "shift":
        x[1:] = x[:-1]
    elif name == "fancy":
        x[rest[0]] = rest[1]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("seed", range(240))
def test_random_aliases(seed):
    shape, steps = program(seed)

    def fn(np, x):
        held = [x]
        for step in steps:
            apply(np, held, step)
        return tuple(y + 0 for y in held)

    check(fn, np.random.default_rng(seed).standard_normal(shape))
