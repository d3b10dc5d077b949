"""Loops that read and write views of arrays: the gradient costs as much as the program, whatever the size of the array."""
from __future__ import annotations

import numpy as np
import pytest
from sweeps import turn

import tracegrad as tg

RNG = np.random.default_rng(3)


def transposed(p, n):
    w = p.reshape(n, n).T
    s = 0.0
    for i in range(n):
        for j in range(n):
            s += w[i, j] * w[j, i] * 0.5
    return s


def written(p, n):
    q = p.copy()
    w = q.reshape(n, n)
    for i in range(1, n):
        for j in range(n):
            w[i, j] += w[i - 1, j] * w[i, j]
    return q.sum()


def written_under_a_condition(p, n):
    q = p.copy()
    w = q.reshape(n, n)
    for i in range(1, n):
        for j in range(n):
            if w[i, j] > 0.3:
                w[i, j] = w[i - 1, j] * w[i, j]
    return (q * q).sum()


def written_both_ways(p, n):
    q = p.copy()
    w = q.reshape(n, n)
    for i in range(1, n):
        w[i, 0] += q[i] * w[i - 1, 1]
        q[i + n] = w[i, 0] * 2.0
    return (q * q).sum()


def parts(p, n):
    z = p + 1j * p[::-1]
    re, im = z.real, z.imag
    s = 0.0
    for i in range(n * n - 1):
        s += re[i] * im[i + 1]
    return s


def sliced(p, n):
    w = p.reshape(n, n)[::-1, 1:]
    s = 0.0
    for i in range(n):
        for j in range(n - 1):
            s += w[i, j] ** 3
    return s


def diagonal(p, n):
    w = np.diagonal(p.reshape(n, n))
    b = np.broadcast_to(w, (n, n))
    s = 0.0
    for i in range(n):
        for j in range(n):
            s += b[i, j] * w[i]
    return s


def rows(p, n):
    w = p.reshape(n, n // 4, 4)
    s = 0.0
    for i in range(n):
        for j in range(n // 4):
            s += (w[i, j] * w[i, j]).sum()
    return s


def unpacked(p, n):
    a, b = p[:n * (n - 1)].reshape(n, n - 1), p[n * (n - 1):]
    s = 0.0
    for i in range(n):
        for j in range(n - 1):
            s += np.tanh(a[i, j] * b[i])
    return s


def in_a_while(p, n):
    w, i, s = p.reshape(n, n), 0, 0.0
    while i < n:
        j = 0
        while j < n:
            s += w[i, j] * w[j, i]
            j += 1
        i += 1
    return s


def made_in_the_loop(p, n):
    s = 0.0
    for i in range(n):
        for j in range(n):
            s += p.reshape(n, n)[i, j] * np.sin(2.0 * p)[j]
    return s


PROGRAMS = (transposed, written, written_under_a_condition, written_both_ways, parts, sliced, diagonal, rows, unpacked,
            in_a_while, made_in_the_loop)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_right(f):
    for n in (8, 4):
        p = RNG.random(n * n) * 0.5
        value = tg.jit(f)
        np.testing.assert_allclose(value(p, n), f(p.copy(), n), rtol=1e-13)
        np.testing.assert_allclose(value.interpret(p, n), f(p.copy(), n), rtol=1e-13)
        tg.check_grads(lambda p, f=f, n=n: f(p, n), (p,), order=2 if turn(3, f"{f.__name__} {n}") else 1)


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_an_iteration_makes_no_array_of_full_size(f):
    if f is written_both_ways:
        pytest.skip("one of both ways is a copy")
    for g in (tg.jit(f), tg.grad(f)):
        depth = 0
        for line in g.lower(RNG.random(1024), 32).text("loops").splitlines():
            assert depth < 2 or line.split()[0] not in ("fill", "copy"), line
            depth += line.count("{") - line.count("}")
