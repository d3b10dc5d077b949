"""What a call costs: x * 2.0 + 1.0 on a float64 array of 8, against numba.njit, NumPy and a Python function that does nothing.

    python benchmarks/call_overhead.py [--calls 20000] [--rounds 31]

Each contender is timed in turn, round after round, so that a busy moment of the machine meets all of them; the medians
over the rounds are printed, with their ratio to Numba's. The target is at most 0.4.

A second table has what a call costs more where the function reads objects outside of its arguments, which each call checks:
at most 20 ns for names of the module and of closures, at most 60 ns for each attribute and each item of a container. These
differences are of the quickest rounds.
"""
from __future__ import annotations

import argparse
import gc
import statistics
import time
import types

import numpy as np

import tracegrad as tg


def scale(x):
    return x * 2.0 + 1.0


def nothing(x):
    return x


A, B, C, D, E = 2.0, 1.0, 0.0, 0.0, 0.0
ITEMS, TABLE, MODEL = [2.0], {"k": 2.0}, types.SimpleNamespace(k=2.0)
TURN = 0


def five(x):
    return x * A + B + C + D + E


def helped(x):
    return scale(x)


def closed(a, b, c, d, e):
    return lambda x: x * a + b + c + d + e


def closed_one(a):
    return lambda x: x * a + 1.0


CAPTURING = {
    "nothing": scale, "1 global": lambda x: x * A + 1.0, "5 globals": five, "1 closure variable": closed_one(2.0),
    "5 closure variables": closed(2.0, 1.0, 0.0, 0.0, 0.0), "1 helper": helped, "1 list item": lambda x: x * ITEMS[0] + 1.0,
    "1 dict item": lambda x: x * TABLE["k"] + 1.0, "1 attribute": lambda x: x * MODEL.k + 1.0,
}


def turning(x):
    """Calls from a loop at the top of a module, which binds a global of its own each time."""
    global TURN
    TURN = object()
    return _five(x)


_five = tg.jit(five)


def plainly(x):
    global TURN
    TURN = object()
    return _scale(x)


_scale = tg.jit(scale)


def contenders() -> dict:
    found = {"tracegrad.jit": tg.jit(scale), "NumPy": scale, "Python call": nothing}
    try:
        from numba import njit
        found["numba.njit"] = njit(scale)
    except ImportError:
        print("numba is not installed: no ratios")
    return found


def measure(functions: dict, x, calls: int, rounds: int, of=statistics.median) -> dict[str, float]:
    """Nanoseconds a call: the median of the rounds, or what `of` makes of them."""
    samples = {name: [] for name in functions}
    for f in functions.values():
        for _ in range(100):
            f(x)
    gc.disable()
    for _ in range(rounds):
        for name, f in functions.items():
            start = time.perf_counter()
            for _ in range(calls):
                f(x)
            samples[name].append((time.perf_counter() - start) / calls * 1e9)
    gc.enable()
    return {name: of(times) for name, times in samples.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=31)
    options = parser.parse_args()
    functions, x = contenders(), np.arange(8.0)
    for name, f in functions.items():
        if name != "Python call" and not np.array_equal(f(x), x * 2.0 + 1.0):
            raise SystemExit(f"{name} gives another result")
    medians = measure(functions, x, options.calls, options.rounds)
    numba = medians.get("numba.njit")
    for name, ns in sorted(medians.items(), key=lambda item: item[1]):
        ratio = f"  {ns / numba:5.2f} x numba.njit" if numba else ""
        print(f"{name:16} {ns:8.0f} ns{ratio}")
    medians = measure({name: tg.jit(f) for name, f in CAPTURING.items()}, x, options.calls, options.rounds, min)
    for name, ns in medians.items():
        print(f"captures {name:24} {ns:8.0f} ns  {ns - medians['nothing']:+5.0f}")
    medians = measure({"nothing": plainly, "5 globals": turning}, x, options.calls, options.rounds, min)
    print(f"the module changes each time, 5 globals {medians['5 globals'] - medians['nothing']:+12.0f}")


if __name__ == "__main__":
    main()
