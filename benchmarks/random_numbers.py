"""Nanoseconds a draw, of a loop that draws number by number and of an array at once: tracegrad, Numba and NumPy in one run.

    python benchmarks/random_numbers.py
"""
from __future__ import annotations

import time

import numpy as np

import tracegrad as tg

try:
    import numba
except ImportError:
    numba = None

COUNT = 1_000_000
DISTRIBUTIONS = {"random": (), "standard_normal": (), "normal": (0.5, 2.0), "exponential": (2.0,), "gamma": (2.5, 1.5),
                 "beta": (2.0, 3.0), "poisson": (4.0,), "integers": (0, 100)}
LEGACY = {"random_sample": (), "standard_normal": (), "normal": (0.5, 2.0), "exponential": (2.0,)}


def looped(name: str, parameters: tuple):
    """A function that draws `count` numbers one by one and adds them up."""
    text = ("def f(rng, count):\n    total = 0.0\n    for _ in range(count):\n"
            f"        total += rng.{name}{_call(parameters)}\n    return total\n")
    return _made(text, f"looped_{name}")


def whole(name: str, parameters: tuple):
    text = f"def f(rng, count):\n    return rng.{name}{_call(parameters, 'size=count')}\n"
    return _made(text, f"whole_{name}")


def _call(parameters, more: str = "") -> str:
    return "(" + ", ".join([*map(repr, parameters), *([more] if more else [])]) + ")"


def _made(text: str, name: str):
    import linecache

    file, space = f"<{name}>", {}
    linecache.cache[file] = len(text), None, text.splitlines(True), file
    exec(compile(text, file, "exec"), space)
    return space["f"]


def nanoseconds(f, make) -> float:
    best = float("inf")
    f(make(), 10)
    f(make(), COUNT)
    for _ in range(3):
        rng, start = make(), time.perf_counter()
        f(rng, COUNT)
        best = min(best, time.perf_counter() - start)
    return best / COUNT * 1e9


def row(kind: str, name: str, parameters: tuple, make) -> str:
    loop, array = looped(name, parameters), whole(name, parameters)
    found = [nanoseconds(tg.jit(loop), make), _numba(loop, make), nanoseconds(tg.jit(array), make), nanoseconds(array, make)]
    cells = "".join(f"{'-':>12}" if x is None else f"{x:12.1f}" for x in found)
    return f"{kind + '.' + name:<28}{cells}"


def _numba(loop, make) -> float | None:
    """Numba takes a Generator, and no RandomState."""
    if numba is None or not isinstance(make(), np.random.Generator):
        return None
    try:
        return nanoseconds(numba.njit(loop), make)
    except Exception:
        return None


def main() -> None:
    print(f"ns a draw, {COUNT:,} draws\n{'':<28}{'loop':>12}{'Numba loop':>12}{'array':>12}{'NumPy array':>12}")
    for name, parameters in DISTRIBUTIONS.items():
        print(row("Generator", name, parameters, lambda: np.random.default_rng(1)), flush=True)
    for name, parameters in LEGACY.items():
        print(row("RandomState", name, parameters, lambda: np.random.RandomState(1)), flush=True)


if __name__ == "__main__":
    main()
