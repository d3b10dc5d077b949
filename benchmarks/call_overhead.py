"""What a call costs: x * 2.0 + 1.0 on a float64 array of 8, against numba.njit, NumPy and a Python function that does nothing.

    python benchmarks/call_overhead.py [--calls 20000] [--rounds 31]

Each contender is timed in turn, round after round, so that a busy moment of the machine meets all of them; the medians
over the rounds are printed, with their ratio to Numba's. The target is at most 0.4.
"""
from __future__ import annotations

import argparse
import gc
import statistics
import time

import numpy as np

import tracegrad as tg


def scale(x):
    return x * 2.0 + 1.0


def nothing(x):
    return x


def contenders() -> dict:
    found = {"tracegrad.jit": tg.jit(scale), "NumPy": scale, "Python call": nothing}
    try:
        from numba import njit
        found["numba.njit"] = njit(scale)
    except ImportError:
        print("numba is not installed: no ratios")
    return found


def measure(functions: dict, x, calls: int, rounds: int) -> dict[str, float]:
    """Median nanoseconds a call."""
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
    return {name: statistics.median(times) for name, times in samples.items()}


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


if __name__ == "__main__":
    main()
