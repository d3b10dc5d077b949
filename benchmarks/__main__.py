"""All programs of tests/programs/cases beside every peer that is installed, in one run.

    python -m benchmarks [--quick] [--only NAME …] [--json FILE] [--plot FOLDER]

Columns: tracegrad's time of a call, then each peer's as a ratio to it (above 1: tracegrad is faster), then the gradient: its
time, its price in calls of the function, and JAX's gradient as a ratio. Peers: Python with NumPy (as written), Numba (`njit`),
JAX (written as its users write it, 64 bit, compiled). Medians of calls that take turns; the last line has geometric means.
--quick takes two minutes instead of ten. With --json the times go to a file, with the machine and all versions; --plot draws
that file's picture. docs/performance.md reads the file.
"""
from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import tracegrad as tg

sys.path.insert(0, str(Path(__file__).parent))
from gradients import jax_gradient
from loops import compiled_by_numba
from timing import CASES, copied, geometric_mean, loss, seconds, shown

PEERS = ("numpy", "numba", "jax")
SLOW = 2.0                       # seconds of one call after which a peer is timed once only
_VERSIONS = ("tracegrad", "numpy", "scipy", "llvmlite", "numba", "jax", "jaxlib")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the time")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="programs whose name has one of these parts")
    parser.add_argument("--json", metavar="FILE", help="write the times there")
    parser.add_argument("--plot", metavar="FOLDER", help="draw ratios.svg there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names = [n for n in CASES if not options.only or any(part in n for part in options.only)]
    budget = 0.15 if options.quick else 1.0
    rows = []
    with tqdm(names, disable=not sys.stderr.isatty()) as progress:
        for name in progress:
            progress.set_description(name)
            rows.append(measured(CASES[name], budget))
            progress.write(line(rows[-1]))
    print(summary(rows))
    found = {"machine": machine(), "rows": rows}
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1) + "\n")
    if options.plot:
        plot(found, Path(options.plot))
    return 0


# --- measuring --------------------------------------------------------------------------------------------------------

def measured(case: Any, budget: float) -> dict[str, Any]:
    """The times of one program in seconds, by name; reasons: why a peer is missing."""
    args = case.make(np.random.default_rng(0), 1)
    reasons: dict[str, str] = {}
    calls: dict[str, Callable] = {"value": tg.jit(case.fn), "numpy": case.fn}
    compiled, why = compiled_by_numba(case, args)
    _put(calls, reasons, "numba", compiled, why)
    held = None if case.writes else args
    bound = {name: (lambda f=f: f(*(held or copied(args)))) for name, f in calls.items()}
    _put(bound, reasons, "jax", *_jax_value(case, args))
    times = _times(bound, budget)
    if case.wrt:
        value = loss(case)
        primal, gradient = tg.jit(value), tg.value_and_grad(value, argnums=case.wrt)
        slopes = {"primal": lambda: primal(*(held or copied(args))), "gradient": lambda: gradient(*args)}
        _put(slopes, reasons, "jax gradient", *jax_gradient(case, args))
        times |= _times(slopes, budget)
    return {"name": case.name, "times": times, "reasons": reasons}


def _put(calls: dict, reasons: dict, name: str, call: Callable | None, why: str | None) -> None:
    if call is None:
        reasons[name] = why or ""
    else:
        calls[name] = call


def _times(calls: dict[str, Callable], budget: float) -> dict[str, float]:
    """Medians of calls in turn; one call of what is very slow."""
    once = {}
    for name, call in calls.items():
        call()
        begin = time.perf_counter()
        call()
        once[name] = time.perf_counter() - begin
    quick = {name: call for name, call in calls.items() if once[name] < SLOW}
    return once | (seconds(quick, budget) if quick else {})


def _jax_value(case: Any, args: tuple) -> tuple[Callable | None, str | None]:
    """JAX's version of a program, compiled; numbers that shape it stay Python's."""
    try:
        import jax
    except ImportError:
        return None, "JAX is not installed"
    jax.config.update("jax_enable_x64", True)
    from jax_programs import VERSIONS

    program = VERSIONS.get(case.name)
    if program is None:
        return None, "not written for JAX"
    moving = tuple(k for k, x in enumerate(args) if isinstance(x, (float, np.ndarray, tuple, list)))

    def whole(*values: Any) -> Any:
        given = dict(zip(moving, values))
        return program(*(given.get(k, x) for k, x in enumerate(args)))

    compiled = jax.jit(whole)
    arrays = jax.tree_util.tree_map(jax.numpy.asarray, tuple(args[k] for k in moving))
    return lambda: jax.block_until_ready(compiled(*arrays)), None


def machine() -> dict[str, Any]:
    versions = {}
    for name in _VERSIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {"processor": _processor(), "cores": os.cpu_count(), "system": platform.platform(),
            "python": platform.python_version(), "versions": versions, "date": time.strftime("%Y-%m-%d")}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next((text.partition(":")[2].strip() for text in lines if text.startswith("model name")), platform.processor())


# --- showing ----------------------------------------------------------------------------------------------------------

def ratios(rows: list[dict], peer: str, to: str = "value") -> list[float]:
    return [row["times"][peer] / row["times"][to] for row in rows if peer in row["times"] and to in row["times"]]


def line(row: dict[str, Any]) -> str:
    times = row["times"]
    text = f"{row['name']:30s} {shown(times['value'])}"
    for peer in PEERS:
        text += f"  {peer} {times[peer] / times['value']:8.2f}x" if peer in times else f"  {peer} {'-':>8s} "
    if "gradient" in times:
        text += f"   gradient {shown(times['gradient'])} = {times['gradient'] / times['primal']:5.2f} values"
        if "jax gradient" in times:
            text += f"  jax {times['jax gradient'] / times['gradient']:8.2f}x"
    return text


def summary(rows: list[dict[str, Any]]) -> str:
    best = list(map(_to_best, rows))
    parts = [f"{peer} {geometric_mean(ratios(rows, peer)):.2f}x over {len(ratios(rows, peer))}" for peer in PEERS
             if ratios(rows, peer)]
    parts.append(f"the best of them {geometric_mean(best):.2f}x (least {min(best):.2f}x)")
    if ratios(rows, "gradient", "primal"):
        parts.append(f"gradient / value {geometric_mean(ratios(rows, 'gradient', 'primal')):.2f}")
    if ratios(rows, "jax gradient", "gradient"):
        parts.append(f"jax gradient {geometric_mean(ratios(rows, 'jax gradient', 'gradient')):.2f}x")
    return "geometric means: " + ", ".join(parts)


def _to_best(row: dict[str, Any]) -> float:
    """The time of the best peer as a multiple of tracegrad's."""
    return min(row["times"][p] for p in PEERS if p in row["times"]) / row["times"]["value"]


def plot(found: dict[str, Any], folder: Path) -> None:
    """A row of dots for each program: how many times as long each peer takes, on a logarithmic axis."""
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    rows = sorted(found["rows"], key=_to_best)
    figure, axes = plt.subplots(figsize=(8, 0.21 * len(rows) + 1.2), layout="constrained")
    for peer, colour in zip((*PEERS, "jax gradient"), ("0.55", "tab:green", "tab:blue", "tab:orange")):
        to = "gradient" if peer == "jax gradient" else "value"
        points = [(row["times"][peer] / row["times"][to], k) for k, row in enumerate(rows)
                  if peer in row["times"] and to in row["times"]]
        if points:
            label = f"{peer} (to tracegrad's gradient)" if to == "gradient" else peer
            axes.plot(*zip(*points), "o", ms=4, color=colour, label=label)
    axes.axvline(1.0, color="0.3", lw=0.8)
    axes.set(xscale="log", xlabel="time of the peer / time of tracegrad", yticks=range(len(rows)), ylim=(-1, len(rows)),
             yticklabels=[row["name"] for row in rows])
    axes.tick_params(axis="y", labelsize=7)
    axes.legend(loc="lower right", fontsize=8)
    figure.savefig(folder / "ratios.svg")
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
