"""The page of supported functions, from the tables of the tracer and those of the tests (tests/support)."""
from __future__ import annotations

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "support"))

import numpy as np
from special_points import ROWS
from special_points.undeclared import UNDECLARED
from tracegrad.ir.opdef import OPS
from tracegrad.tracer.calling.libraries import scipy_borrowed, scipy_source
from tracegrad.tracer.scipy import special
from tracegrad.tracer.scipy.programs.interpolate import choice as interpolation
from tracegrad.tracer.scipy.programs.spatial import rotations
from tracegrad.tracer.scipy.programs.stats.families import FAMILIES
from tracegrad.tracer.values import boxes, ufuncs
from tracegrad.tracer.values.python import scalar_functions

_POINTS = "to the third order, at special points too"
_DECLARED = {name for row in ROWS for name in (row.name, *row.covers)}
_HEAD = """# Supported functions

Made by `docs/pages` from the tables that the compiler reads: what is missing here is refused by name.
"Derivative" says up to which order it is compared with mpmath, or why there is none to compare. All functions take NumPy's or
SciPy's arguments; values of NumPy's functions agree to the bounds of [exactness](exactness.md).
"""


def _tested(name: str) -> str:
    """To which order the derivative of a function is tested, or the reason why it has no row of special points."""
    short = name.rpartition(".")[2]
    for key in (name, short):
        if key in _DECLARED:
            return _POINTS
        if key in UNDECLARED:
            return UNDECLARED[key]
    return "of what it is composed of"


def _by_reason(names) -> list[str]:
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(_tested(name), []).append(name)
    lines = ["| derivative | functions |", "| --- | --- |"]
    return [*lines, *(f"| {reason} | {' '.join(f'`{name}`' for name in found)} |" for reason, found in sorted(groups.items()))]


def _numpy_name(f) -> str:
    if isinstance(f, np.ufunc):
        return f.__name__
    package = f.__module__.removeprefix("numpy").removeprefix(".").replace("lib.stride_tricks", "lib.stride_tricks")
    return f"{package.replace('linalg._linalg', 'linalg')}.{f.__name__}".lstrip(".")


def _dtypes(name: str) -> str:
    op = OPS.get(name)
    return " ".join(sorted(d.np.__name__ if isinstance(d.np, type) else str(np.dtype(d.np)) for d in op.takes)) if op else ""


def _special() -> list[str]:
    lines = ["| function | dtypes | derivative |", "| --- | --- | --- |"]
    names = {n for n in (*ufuncs.SPECIAL, *special.FUNCTIONS) if not n.startswith("_")}
    return [*lines, *(f"| `{n}` | {_dtypes(n)} | {_tested(n)} |" for n in sorted(names))]


def _listed(names) -> list[str]:
    return [" ".join(f"`{n}`" for n in sorted(names))]


def page() -> str:
    math = [f"{f.__module__}.{f.__name__}" for f in scalar_functions.MATH]
    # The table of ufuncs grows by those of scipy.special as programs use them: a page must not tell which programs ran before.
    elementwise = [f.__name__ for f in ufuncs.RULES if getattr(np, f.__name__, None) is f]
    parts = [("NumPy", _by_reason([*map(_numpy_name, boxes.FUNCTIONS), *elementwise])),
             ("math and cmath", _by_reason(math)), ("scipy.special", _special())]
    for package in sorted({*scipy_source.PROGRAMS, *(of for of, _ in scipy_source.LATE)}):
        title = {"spatial": "spatial.distance"}.get(package, package)
        both = {*scipy_source.PROGRAMS.get(package, ()), *scipy_borrowed.NAMES.get(package, ()),
                *(name for of, name in scipy_source.LATE if of == package)}
        parts.append((f"scipy.{title}", _listed(both)))
    parts.append(("scipy.interpolate", ["Objects, built inside or captured: " + _listed(interpolation.BUILT)[0], "",
                                        "Functions: " + _listed(interpolation.FUNCTIONS)[0]]))
    makers = [name.removeprefix("Rotation.") for name in rotations.FUNCTIONS if "__" not in name]
    methods = [name for name in vars(rotations.Rotation) if not name.startswith("_")]
    parts.append(("scipy.spatial.transform", ["`Rotation`, built inside or captured: " + _listed({*makers, *methods})[0]]))
    families = [name.removesuffix("_gen") for name in FAMILIES if name.endswith("_gen")]
    parts.append(("scipy.stats", ["Functions: " + _listed(scipy_borrowed.NAMES["stats"])[0], "",
                                  "Families with programs of their own: " + _listed(families)[0], "",
                                  "Of every other family the methods that SciPy's own class writes; what SciPy integrates or "
                                  "solves numerically is refused."]))
    body = "\n".join(f"\n## {title}\n\n" + "\n".join(lines) for title, lines in parts)
    return _HEAD + body + "\n"
