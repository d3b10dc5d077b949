"""Time a call, beside the function itself (run by Python and NumPy) and beside Numba's compilation of it, in one run.

    tracegrad bench examples/logistic.py:loss --args "f64[1000,3], f64[1000], f64[3]"
    tracegrad bench examples/logistic.py:loss --args "f64[1000,3], f64[1000], f64[3]" --of grad --argnums 2

Arrays are filled with numbers between 1/4 and 1 (whole numbers: 1 to 4) that --seed chooses. The runs of the peers take turns,
so that the machine's drift hits all alike. Arguments that the function writes to are made anew before each call, outside of
the time. Shown are the first call (tracing and compiling), the median of the later calls, the times that a quarter and three
quarters of the calls took at most, and the ratio of the medians to tracegrad's.

The exit code is 1 where the results differ from Python's by more than rounding.
"""
from __future__ import annotations

import argparse
import copy
import json
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..jitted import functions
from ..jitted.api import Jitted
from . import operators
from .arguments import drawn
from .compare import difference_of, equal
from .load import UsageError, running

HELP = "time a function, or a derivative of it, beside NumPy and Numba"
_SHORT = 2e-4                                         # seconds that one sample lasts at least


class Row(NamedTuple):
    """Times of one peer, in seconds."""

    name: str
    first: float
    lower: float
    median: float
    upper: float


def configure(parser: argparse.ArgumentParser) -> None:
    operators.configure(parser)
    operators.configure_values(parser)
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="how long to measure in all (default 2)")
    parser.add_argument("--json", action="store_true", help="print the times as JSON, in seconds")


def run(options: argparse.Namespace) -> int:
    if options.of in ("jvp", "vjp"):
        raise UsageError(f"bench knows no {options.of}", "use --of grad or --of value_and_grad")
    if not options.seconds > 0.0:
        raise UsageError(f"--seconds {options.seconds} is no time", "write a number above 0")
    function, args, kwargs = operators.target_of(options, drawn(options.seed))
    call = _Call(args, kwargs)
    with operators.budgeted(options), running(options.target):
        peers, notes = _peers(options, function)
        firsts = {name: call.timed_once(peer) for name, peer in peers.items()}
        difference = difference_of(firsts["tracegrad"][1], firsts["python"][1]) if "python" in firsts else ""
        samples = _measured(peers, call, options.seconds)
    rows = [Row(name, firsts[name][0], *np.percentile(samples[name], (25, 50, 75)).tolist()) for name in peers]
    _print(rows, notes, difference, options.json)
    return 1 if difference else 0


class _Call:
    """A call with arguments of its own."""

    def __init__(self, args: tuple, kwargs: dict):
        self.made = (args, kwargs)
        self.writes = False

    def arguments(self) -> tuple[tuple, dict]:
        """The arguments as they were described; copies where a function has written to them."""
        return copy.deepcopy(self.made) if self.writes else self.made

    def timed_once(self, function: Callable) -> tuple[float, Any]:
        """The time of a first call and its result. Notes whether the arguments were written to."""
        args, kwargs = copy.deepcopy(self.made)
        begin = time.perf_counter()
        result = function(*args, **kwargs)
        taken = time.perf_counter() - begin
        self.writes = self.writes or not equal(self.made, (args, kwargs))
        return taken, result


def _peers(options: argparse.Namespace, function: Any) -> tuple[dict[str, Callable], list[str]]:
    """What is timed, by name, and why a peer is missing. Beside a gradient the function's own value is timed."""
    peers = {"tracegrad": operators.derived(options, function)}
    plain = function.root if isinstance(function, Jitted) else function
    if options.of != "value" or (isinstance(function, Jitted) and function.derives):
        if options.of in ("grad", "value_and_grad"):
            peers["value"] = function if isinstance(function, Jitted) else functions.jit(function)
        return peers, ["NumPy and Numba have no derivative to compare with"]
    peers["python"] = plain
    try:
        import numba

        compiled = numba.njit(plain)
        args, kwargs = operators.target_of(options, drawn(options.seed))[1:]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled(*args, **kwargs)
        peers["numba"] = numba.njit(plain)
    except Exception as error:                        # whatever Numba says of a function that it does not take
        lines = [line for line in str(error).splitlines() if line.strip()]
        return peers, [f"Numba does not take it: {type(error).__name__}: {lines[-1][:100] if lines else ''}"]
    return peers, []


def _measured(peers: dict[str, Callable], call: _Call, budget: float) -> dict[str, list[float]]:
    """Seconds a call, many samples of each peer, in turns."""
    samples: dict[str, list[float]] = {name: [] for name in peers}
    repeats = {name: 1 if call.writes else _repeats(peer, call) for name, peer in peers.items()}
    end = time.perf_counter() + budget
    while time.perf_counter() < end or min(map(len, samples.values())) < 3:
        for name, peer in peers.items():
            args, kwargs = call.arguments()
            begin = time.perf_counter()
            for _ in range(repeats[name]):
                peer(*args, **kwargs)
            samples[name].append((time.perf_counter() - begin) / repeats[name])
    return samples


def _repeats(peer: Callable, call: _Call) -> int:
    """How many calls make a sample that the clock can tell."""
    args, kwargs = call.arguments()
    begin = time.perf_counter()
    peer(*args, **kwargs)
    return max(1, min(10_000, int(_SHORT / max(time.perf_counter() - begin, 1e-8))))


def _print(rows: list[Row], notes: list[str], difference: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"times": [row._asdict() for row in rows], "notes": notes, "difference": difference}, indent=2))
        return
    print(f"{'':10s} {'first call':>12s} {'median':>12s} {'quarter':>12s} {'3 quarters':>12s} {'ratio':>9s}")
    for row in rows:
        times = " ".join(f"{_shown(t):>12s}" for t in (row.first, row.median, row.lower, row.upper))
        print(f"{row.name:10s} {times} {row.median / rows[0].median:8.2f}x")
    for note in notes + ([f"the result is not Python's: {difference}"] if difference else []):
        print(note)


def _shown(seconds: float) -> str:
    """A time in a unit that reads well."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1.0:
            return f"{seconds * scale:.2f} {unit}"
    return f"{seconds * 1e9:.0f} ns"
