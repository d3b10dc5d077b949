"""Every nesting of forward and reverse mode, of every order."""
from __future__ import annotations

import itertools

import numpy as np

import tracegrad as tg


def forward(f, k):
    """The derivative by the k-th argument, element by element, times the seed."""
    def derived(seed, *xs):
        return tg.jvp(lambda x: f(seed, *xs[:k], x, *xs[k + 1:]), (xs[k],), (seed,))[1]
    return derived


def reverse(f, k):
    def derived(seed, *xs):
        return tg.vjp(lambda x: f(seed, *xs[:k], x, *xs[k + 1:]), xs[k])[1](seed)[0]
    return derived


MODES = {"F": forward, "R": reverse}


def derivatives(function, arguments: int, order: int) -> dict:
    """{(indices, nesting, innermost first): the function (seed, *xs) -> that derivative}, of the given order."""
    found = {}
    for by in itertools.product(range(arguments), repeat=order):
        for nesting in itertools.product(MODES, repeat=order):
            f = lambda seed, *xs: function(*xs)                                          # noqa: E731
            for k, mode in zip(by, nesting):
                f = MODES[mode](f, k)
            found[by, "".join(nesting)] = f
    return found


def all_of(wanted: dict):
    """One function that gives all the derivatives: they share most of their work, so it is compiled once."""
    def program(seed, *xs):
        return [f(seed, *xs) for f in wanted.values()]
    return program


def columns(points, dtype) -> list[np.ndarray]:
    return [np.array(column, dtype) for column in zip(*points)]
