"""Timing helpers of the benchmarks: interleaved runs, so that the machine's drift hits all peers alike."""
from __future__ import annotations

import math
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests" / "programs"))
from cases import CASES, copied, loss  # the programs of tests/programs/cases, for the benchmarks to import from here

__all__ = ["CASES", "copied", "geometric_mean", "loss", "seconds", "shown"]


def seconds(calls: dict, budget: float = 1.0, least: int = 3) -> dict:
    """For each name the median time of a call. `calls`: name -> function of no arguments; run in turn while budget is left."""
    times = {name: [] for name in calls}
    start = time.perf_counter()
    while any(len(t) < least for t in times.values()) or (
        time.perf_counter() - start < budget and len(next(iter(times.values()))) < 200
    ):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - begin)
    return {name: sorted(t)[len(t) // 2] for name, t in times.items()}


def geometric_mean(ratios) -> float:
    ratios = list(ratios)
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


def shown(value: float) -> str:
    """A time in a unit that reads well."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if value * scale >= 1.0:
            return f"{value * scale:8.2f} {unit}"
    return f"{value * 1e9:8.0f} ns"
