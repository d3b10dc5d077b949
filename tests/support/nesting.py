"""Nested operators, and what every nest of them must give.

Each operator here takes a scalar function of a vector to another one, so that they nest in any order, and each raises the
order of the derivative along one fixed direction by 0, 1 or 2. So a nest of orders k1, k2 … applied to f gives

    d^k/dt^k f(x + t v) at t = 0,   k = k1 + k2 + …

and that is known to full precision without any derivative rule: by Cauchy's formula, from plain Python on complex numbers.
"""
from __future__ import annotations

import math

import numpy as np

import tracegrad as tg

X = np.array([0.4, -0.3, 0.8])
V = np.array([0.7, 0.5, -0.6])


# --- functions: analytic along the direction, decisions by real parts ------------------------------------------------------

def overwriting(x):
    """A loop with writes in place."""
    y = np.zeros(4, x.dtype)
    for i in range(x.size):
        y[i + 1] = np.sin(y[i]) + x[i] * x[i]
        y[i] *= 0.5
    return np.sum(y * y)


def iterating(x):
    """A `while` that data ends, and a branch in it."""
    s, n = x[0] * 1.0, 0
    while s.real < 3.0 and n < 20:
        if s.real > 1.0:
            s = s * s * 0.7 + x[1] + 1.0
        else:
            s = s + 0.4 + 0.3 * x[2] * s
        n += 1
    return s


def structured(x):
    """Structures in and out of a helper, reductions, a product."""
    p = {"w": np.outer(x, x) + np.eye(3), "b": (x[0], x[1:])}
    h = np.tanh(p["w"] @ x * 0.3) * p["b"][0]
    return np.exp(np.mean(h)) + np.sum(p["b"][1] ** 3) * h[2]


FUNCTIONS = [overwriting, iterating, structured]


# --- operators: (order, function -> function) --------------------------------------------------------------------------------

def _custom_jvp(f):
    g = tg.custom_jvp(lambda x: f(x))
    g.defjvp(lambda primals, tangents: tg.jvp(f, primals, tangents))
    return lambda x: g(x)


def _custom_vjp(f):
    g = tg.custom_vjp(lambda x: f(x))
    g.defvjp(lambda x: (f(x), x), lambda x, bar: (tg.grad(f)(x) * bar,))
    return lambda x: g(x)


def _looped(f):
    def mean(x):
        s = 0.0
        for k in range(3):
            s += f(x) * (k + 1.0)
        return s / 6.0
    return mean


def _vmap(f):
    return lambda x: tg.vmap(f)(np.ones((2, 1)) * x) @ np.array([0.25, 0.75])


OPERATORS = {
    "jit": (0, tg.jit),
    "vmap": (0, _vmap),
    "checkpoint": (0, tg.checkpoint),
    "loop": (0, _looped),
    "custom_jvp": (0, _custom_jvp),
    "custom_vjp": (0, _custom_vjp),
    "jvp": (1, lambda f: lambda x: tg.jvp(f, (x,), (V,))[1]),
    "vjp": (1, lambda f: lambda x: tg.vjp(f, x)[1](1.0)[0] @ V),
    "linearize": (1, lambda f: lambda x: tg.linearize(f, x)[1](V)),
    "grad": (1, lambda f: lambda x: tg.grad(f)(x) @ V),
    "value_and_grad": (1, lambda f: lambda x: tg.value_and_grad(f)(x)[1] @ V),
    "jacfwd": (1, lambda f: lambda x: tg.jacfwd(f)(x) @ V),
    "jacrev": (1, lambda f: lambda x: tg.jacrev(f)(x) @ V),
    "jacobian": (1, lambda f: lambda x: tg.jacobian(f)(x) @ V),
    "hessian": (2, lambda f: lambda x: V @ tg.hessian(f)(x) @ V),
    "hvp": (2, lambda f: lambda x: tg.hvp(f, (x,), (V,)) @ V),
}


def along(f, order: int, radius: float = 0.05, points: int = 32) -> float:
    """d^order/dt^order f(X + t V) at 0, by the trapezoidal rule on a circle, which converges geometrically:

        g^(k)(0) = k! / (N r^k)  sum_n g(r e^(i a_n)) e^(-i k a_n),   a_n = 2 pi n / N
    """
    angles = 2j * np.pi * np.arange(points) / points
    values = np.array([f(X + radius * np.exp(a) * V) for a in angles])
    return float((math.factorial(order) / radius**order * np.mean(values * np.exp(-order * angles))).real)


def nest(names, f):
    """(the order, the function) of operators applied innermost last: ("grad", "vmap") is grad(vmap(f))."""
    order = 0
    for name in reversed(names):
        more, operator = OPERATORS[name]
        order, f = order + more, operator(f)
    return order, f
