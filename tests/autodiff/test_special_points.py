"""Derivatives at special points: of every function, to the third order, in all nestings of forward and reverse mode.

The table is tests/support/special_points. A plain run asks an eighth of it to the second order and a 28th to the third
(in two nestings), in single precision a twelfth, other ones each day; `TRACEGRAD_FULL_TESTS=1` asks everything, also on the
evaluator.
"""
from __future__ import annotations

import numpy as np
import pytest
import sweeps
from special_points import ROWS, failures
from special_points.conventions import TABLE
from special_points.undeclared import UNDECLARED
from tracegrad.ir.opdef import OPS
from tracegrad.tracer.calling import dispatch  # noqa: F401
from tracegrad.tracer.scipy import special
from tracegrad.tracer.values import boxes, ufuncs
from tracegrad.tracer.values.python import scalar_functions

import tracegrad as tg


def name_of(f) -> str:
    """np.sin: "sin", np.linalg.det: "linalg.det", math.sin: "math.sin"."""
    if isinstance(f, np.ufunc):
        return f.__name__
    module = f.__module__.removeprefix("numpy").removeprefix(".").replace("lib.stride_tricks", "").replace("linalg._linalg",
                                                                                                           "linalg")
    return f"{module}.{f.__name__}".lstrip(".")


REGISTERED = {
    *(f"op:{name}" for name in OPS), *map(name_of, boxes.FUNCTIONS), *ufuncs.SPECIAL, *special.FUNCTIONS,
    *(name_of(f) for f in (*ufuncs.RULES, *ufuncs.GUFUNCS) if f in ufuncs._OF_NUMPY),
    *(name_of(f) for f in (*scalar_functions.MATH, *scalar_functions.BUILTINS)),
}
DECLARED = {name for row in ROWS for name in (row.name, *row.covers)}


def declared(name: str) -> bool:
    """A name stands for the function in any module, "det" for linalg.det, and for the op of that name."""
    return name in UNDECLARED or name in DECLARED or name.split(":")[-1].split(".")[-1] in DECLARED


def test_every_function_declares_its_special_points():
    missing = sorted(name for name in REGISTERED if not declared(name))
    assert missing == [], "give these a row in tests/support/special_points, or a reason in its undeclared.py"


def test_no_reason_is_given_for_what_is_gone():
    assert sorted(set(UNDECLARED) - REGISTERED) == []
    assert sorted(name for name in UNDECLARED if name in DECLARED) == []


def test_names_are_unique():
    names = [row.name for row in ROWS]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def report(found):
    assert not found, f"{len(found)} wrong:\n" + "\n".join(map(str, found[:40]))


@pytest.mark.sweep(28)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_derivatives(row):
    report([*failures(row, (1, 2), True), *failures(row, (1, 2) if sweeps.FULL else (1,), False)])


# two nestings a day, as eight of the third order take some rows minutes to compile
PAIRS = (("FFF", "RRR"), ("FFR", "RRF"), ("FRF", "RFR"), ("FRR", "RFF"))
TODAY = None if sweeps.FULL else PAIRS[sweeps.PART // 28 % 4]


@pytest.mark.sweep(28)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_third_derivatives(row):
    report([*failures(row, (3,), True, nestings=TODAY), *(failures(row, (3,), False) if sweeps.FULL else ())])


@pytest.mark.sweep(12)
@pytest.mark.parametrize("row", [row for row in ROWS if row.single], ids=lambda row: row.name)
def test_derivatives_of_single_precision(row):
    report(failures(row, (1,), True, dtype=np.float32))


@pytest.fixture(scope="module")
def functions(tmp_path_factory):
    """The expressions of the table as functions, in a file: what is traced needs source."""
    path = tmp_path_factory.mktemp("conventions") / "functions.py"
    path.write_text("import numpy as np\nimport scipy.special as sp\n" + "".join(
        f"\n\ndef f{k}({', '.join(row.at)}):\n    return {row.expression}\n" for k, row in enumerate(TABLE)))
    space = {"__name__": "functions"}
    exec(compile(path.read_text(), path, "exec"), space)
    return {row: space[f"f{k}"] for k, row in enumerate(TABLE)}


@pytest.mark.sweep(2, by="row")
@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "evaluated"])
@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.expression} at {list(row.at.values())}")
def test_conventions(row, compiled, functions):
    """Each row of the table of docs/exactness.md, in both modes."""
    f, point = functions[row], row.point()

    def total(*xs):
        return np.sum(f(*xs))

    def slopes(*xs):
        reverse = tg.grad(total, argnums=tuple(range(len(xs))))(*xs)
        forward = []
        for k, x in enumerate(xs):
            units = np.eye(np.size(x)).reshape(-1, *np.shape(x))
            tangents = [[unit[()] if j == k else np.zeros(np.shape(y))[()] for j, y in enumerate(xs)] for unit in units]
            forward.append(np.reshape([tg.jvp(total, xs, tuple(v))[1] for v in tangents], np.shape(x)))
        return reverse, forward

    with np.errstate(all="ignore"), tg.config(disable_jit=not compiled):
        for found in slopes(*point):
            for slope, right in zip(found, row.slopes, strict=True):
                np.testing.assert_array_equal(slope, right)
