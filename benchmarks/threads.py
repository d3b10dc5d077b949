"""Parallel loops: one thread against two (or as many as are asked for), values and gradients, beside numba's parallel=True.

    python benchmarks/threads.py [--threads 2] [name …]

Printed are milliseconds and ratios: above 1 means that more threads, or tracegrad beside numba with as many, are faster.
The threads need cores of their own: on a machine with other work the ratios say little, so its load is printed, too.
"""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

import numba
import numpy as np
from timing import geometric_mean, seconds

import tracegrad as tg


def black_scholes(s, k, t):
    r, v = 0.02, 0.3
    root = v * np.sqrt(t)
    d = (np.log(s / k) + (r + 0.5 * v * v) * t) / root
    return s / (1.0 + np.exp(-1.7 * d)) - k * np.exp(-r * t) / (1.0 + np.exp(-1.7 * (d - root)))


def n_body(x):
    n = x.shape[0]
    a = np.zeros((n, 3))
    for i in numba.prange(n):
        for j in range(n):
            dx = x[j, 0] - x[i, 0]
            dy = x[j, 1] - x[i, 1]
            dz = x[j, 2] - x[i, 2]
            w = 1.0 / (dx * dx + dy * dy + dz * dz + 0.01) ** 1.5
            a[i, 0] += w * dx
            a[i, 1] += w * dy
            a[i, 2] += w * dz
    return a


def pairwise_kernel(x):
    n = x.shape[0]
    out = np.empty((n, n))
    for i in numba.prange(n):
        for j in range(n):
            d = 0.0
            for k in range(x.shape[1]):
                d += (x[i, k] - x[j, k]) ** 2
            out[i, j] = np.exp(-0.5 * d)
    return out


def paths(s, noise):
    steps, count = noise.shape
    last = np.empty(count)
    for p in numba.prange(count):
        x = s
        for t in range(steps):
            x = x * np.exp(0.001 + 0.02 * noise[t, p])
        last[p] = max(x - 1.0, 0.0)
    return last


def product(a, b):
    n = a.shape[0]
    c = np.zeros((n, n))
    for i in numba.prange(n):
        for k in range(n):
            for j in range(n):
                c[i, j] += a[i, k] * b[k, j]
    return c


def pendulum(y, w):
    for _ in range(200):
        v = w + 0.01 * -np.sin(y)
        y = y + 0.01 * v
        w = v
    return y * y + w


def batch_of_pendulums(y, w):
    return tg.vmap(pendulum)(y, w)


def pendulums(y, w):
    out = np.empty(len(y))
    for k in numba.prange(len(y)):
        a, b = y[k], w[k]
        for _ in range(200):
            v = b + 0.01 * -np.sin(a)
            a = a + 0.01 * v
            b = v
        out[k] = a * a + b
    return out


def statistics(x):
    return np.sqrt((x * x).mean()) + np.abs(x).sum() / x.size


def scaled(x):
    return 2.0 * x + 1.0


def _random(*shape):
    return np.random.default_rng(0).random(shape)


# name: (function, arguments, the function for numba; None: the same)
PROGRAMS: dict[str, tuple[Callable, tuple, Callable | None]] = {
    "Black-Scholes, 10^6": (black_scholes, tuple(_random(3, 1_000_000) + 0.1), None),
    "n-body, 2000": (n_body, (_random(2000, 3),), None),
    "pairwise kernel, 1500": (pairwise_kernel, (_random(1500, 4),), None),
    "paths, 100 x 40000": (paths, (1.0, _random(100, 40_000)), None),
    "product by hand, 400": (product, (_random(400, 400), _random(400, 400)), None),
    "vmap of an ODE, 20000": (batch_of_pendulums, (_random(20_000), _random(20_000)), pendulums),
    "norms, 4 10^6": (statistics, (_random(4_000_000),), None),
    "scaled, 4 10^6": (scaled, (_random(4_000_000),), None),
}


def measured(f: Callable, args: tuple, counts: tuple[int, ...]) -> list[float]:
    """Seconds for each number of threads, which take turns."""
    def call(count):
        tg.config.threads = count
        return f(*args)

    times = seconds({count: lambda count=count: call(count) for count in counts}, 2.0)
    return [times[count] for count in counts]


def by_numba(f: Callable, args: tuple) -> float | None:
    compiled = numba.njit(f, parallel=True, fastmath=True)
    try:
        compiled(*args)
    except Exception:
        return None
    return seconds({"numba": lambda: compiled(*args)}, 1.0)["numba"]


def main(threads: int, names: list[str]) -> None:
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'':30s}{'1 thread':>10s}{threads:>4d} threads{'ratio':>8s}{'numba':>10s}{'ratio':>8s}")
    gains, beside = [], []
    for name, (f, args, theirs) in PROGRAMS.items():
        if names and not any(part in name for part in names):
            continue
        wrt = tuple(k for k, x in enumerate(args) if isinstance(x, np.ndarray))
        gradient = tg.grad(lambda *a, f=f: (f(*a) * 0.5).sum(), argnums=wrt)
        for label, g in ((name, tg.jit(f)), ("  gradient", gradient)):
            one, several = measured(g, args, (1, threads))
            other = by_numba(theirs or f, args) if label is name else None
            gains.append(one / several)
            row = f"{label:30s}{1e3 * one:10.3f}{1e3 * several:12.3f}{one / several:8.2f}"
            if other:
                beside.append(other / several)
                row += f"{1e3 * other:10.3f}{other / several:8.2f}"
            print(row, flush=True)
    print(f"geometric mean: {geometric_mean(gains):.2f} of more threads, {geometric_mean(beside):.2f} beside numba")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("names", nargs="*")
    chosen = parser.parse_args()
    sys.exit(main(chosen.threads, chosen.names))
