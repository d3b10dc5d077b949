"""What each supported function of NumPy and SciPy costs to stage, and to compile with its gradient.

    python benchmarks/staging.py [NAME …] [--package numpy] [--least 1.0] [--json FILE]

Functions come from the tracer's tables; the arguments are the first of a list of ordinary ones that the function itself takes.
Timed is the processor, in one process, with nothing on disk: staging again for another shape, as a library's source is
rewritten once in a process, less what staging `x + 1` takes; then the first call of the gradient of the sum of the results.
Targets: 5 ms to stage, 300 ms to compile with the gradient. Printed is what takes more than `least` times that.
"""
from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.special
import scipy.stats
from tracegrad.tracer.calling.libraries import scipy_borrowed, scipy_source
from tracegrad.tracer.scipy import special
from tracegrad.tracer.scipy.programs.stats.families import FAMILIES
from tracegrad.tracer.values import boxes, ufuncs

import tracegrad as tg

STAGE, COMPILE = 5.0, 300.0                                       # milliseconds
METHODS = ("logpdf", "pdf", "logpmf", "pmf", "cdf", "logsf", "ppf")
TITLES = {"spatial": "spatial.distance", "signal": "signal"}


def named() -> Iterator[tuple[str, Callable]]:
    """Every function of the tables, with its name."""
    for f in {**dict.fromkeys(boxes.FUNCTIONS), **dict.fromkeys(ufuncs.RULES)}:
        if callable(f) and (getattr(f, "__module__", None) or "numpy").startswith("numpy"):
            yield f"numpy.{f.__name__}", f
    for name in sorted({*ufuncs.SPECIAL, *special.FUNCTIONS}):
        if hasattr(scipy.special, name):
            yield f"special.{name}", getattr(scipy.special, name)
    for package in sorted({*scipy_source.PROGRAMS, *scipy_borrowed.NAMES}):
        module = importlib.import_module(f"scipy.{TITLES.get(package, package)}")
        for name in sorted({*scipy_source.PROGRAMS.get(package, ()), *scipy_borrowed.NAMES.get(package, ())}):
            if hasattr(module, name):
                yield f"{package}.{name}", getattr(module, name)
    for name in sorted(FAMILIES):
        family = getattr(scipy.stats, name.removesuffix("_gen"), None)
        for method in METHODS if family is not None else ():
            if hasattr(family, method):
                yield f"stats.{family.name}.{method}", getattr(family, method)


def candidates(n: int) -> Iterator[tuple]:
    """Ordinary arguments, those that most functions take first."""
    x, y = np.linspace(0.3, 0.8, n), np.linspace(0.9, 0.4, n)
    a = np.cos(np.outer(np.arange(n), x)) * 0.2 + np.diag(x + 1.0)
    a = a + a.T
    k = np.arange(n)
    few, many = (x > 0.5, x), np.ones((2, n)) + k[:2, None]
    yield from [
        (x,), (x, y), (x, y, x + 1), (x, y, x + 1, y + 1), (a,), (a, x), (x, a), (a, a), (a, a, a), (a, a, a, a), (k,), (k,
        x), (2, x), (2, x, y), (2, 3, x), (x, 2), (x, k), (k, k), (a, 2), (x, 1, 0), (a, 0, 1), ([x, y],), ((a, a),),
        ("ij,jk->ik", a, a), ((1, 1), np.ones((3, n)), x), ((a, False), x), (many, x), few, (*few, y), ([few[0]], [x]), (x,
        [few[0]], [np.sin]), (np.sin, x), (x, [0, 1]), (x[:2], x, 2), (2, 0.3), (4,), (2, 0.5, 0.1), (4, 2, 0.3), (0.5, 4),
        (x, [0.2, 0.5], [1.0, 0.3]), ([0.2, 0.5], [1.0, 0.3], x), (x, x, y), (x, x, 5), (0.5, 1.5, 2.5, x), (x, (n, 1)), (x,
        1, 2), ((2, 2), x[:1]), (np.sin, 0.1, 1.0)]


def arguments(f: Callable, n: int) -> tuple | None:
    """The first candidate that the function takes."""
    for given in candidates(n):
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            found = f(*given)
            if not isinstance(found, str) and found is not NotImplemented:
                return given
    return None


def total(found: Any) -> Any:
    """The sum of what is in a result."""
    if isinstance(found, (tuple, list)):
        return sum([total(part) for part in found], 0.0)
    return np.sum(np.real(found)) * 1.0 if isinstance(found, np.ndarray) or np.ndim(found) == 0 else 0.0


def spent(run: Callable) -> float:
    start = time.process_time()
    run()
    return 1e3 * (time.process_time() - start)


def staged(f: Callable, given: tuple) -> float:
    places = [k for k, x in enumerate(given) if isinstance(x, np.ndarray) and x.dtype == float]
    inside = wrapped(f, given, places)
    return spent(lambda: tg.jit(inside).lower(*[given[k] for k in places]))


def wrapped(f: Callable, given: tuple, places: list[int]) -> Callable:
    def inside(*arrays):
        filled = list(given)
        for k, array in zip(places, arrays):
            filled[k] = array
        return total(f(*filled))

    return inside


def measured(f: Callable) -> dict | None:
    """{"stage", "compile"} in milliseconds; None where the function takes none of the arguments."""
    small, large = arguments(f, 5), arguments(f, 6)
    if small is None or large is None or len(small) != len(large):
        return None
    places = [k for k, x in enumerate(large) if isinstance(x, np.ndarray) and x.dtype == float]
    inside = wrapped(f, large, places)
    staged(f, small)
    row = {"stage": min(staged(f, large), staged(f, small))}
    if places:
        values = [large[k] for k in places]
        row["compile"] = spent(lambda: tg.value_and_grad(inside, argnums=tuple(range(len(places))))(*values))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--package")
    parser.add_argument("--least", type=float, default=1.0)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    measured(np.sin)
    none = min(staged(lambda x: x + 1.0, (np.ones(n),)) for n in range(2, 8))
    rows: dict[str, Any] = {}
    for name, f in named():
        package = name.partition(".")[0]
        if (options.names and name not in options.names) or (options.package and package != options.package):
            continue
        try:
            row = measured(f)
        except Exception as error:
            row = {"error": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
        rows[name] = row
        if row is None or "error" in row:
            print(f"{name:40} {'no arguments' if row is None else row['error']}", flush=True)
            continue
        row["stage"] -= none
        if row["stage"] > options.least * STAGE or row.get("compile", 0.0) > options.least * COMPILE:
            print(f"{name:40} {row['stage']:8.1f} ms to stage {row.get('compile', 0.0):8.0f} ms with the gradient", flush=True)
    print(f"staging `x + 1` takes {none:.1f} ms")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=0)


if __name__ == "__main__":
    main()
