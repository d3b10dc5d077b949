"""Every op of the IR, compiled, at no element, one and several, at extreme values: on a heap that fills fresh and freed memory
with a
pattern and checks its own records. What is compared with the evaluator cannot have read memory that nobody has written."""
import os
import subprocess
import sys

import numpy as np
import pytest
import tracegrad.ir.ops  # noqa: F401
from nest_check import build, check, for_, if_, map_, while_
from op_samples import specials
from tracegrad.ir.build import const
from tracegrad.ir.opdef import OPS, Elementwise
from tracegrad.ir.ops.special.library import ROUTINES
from tracegrad.ir.types import DTYPES, F32, F64, I64, INDEX

SIZES = (0, 1, 5)
ELEMENTWISE = sorted((d for d in OPS.values() if isinstance(d, Elementwise) and d.name not in ("cast", "select")),
                     key=lambda d: d.name)
# A second operand that is a number of its own kind: an order, a shift.
SECOND = {"polygamma": (0, 1.0), "cbrt_reciprocal": (0, 2.0), "power_log": (0, 2.0),
          "shl": (1, 3), "shr": (1, 3)}


def values(dtype, n):
    return np.resize(specials(dtype, short=True), n) if n else np.zeros(0, dtype.np)


def by_numpy(defn):
    """Whether an op is NumPy's or C's: formulas and SciPy's routines have tests of their own (tests/tracer/scipy)."""
    return defn.formula is None and defn.name not in ROUTINES and not defn.name.startswith("gamma_draw")


@pytest.mark.sweep(2)
@pytest.mark.parametrize("n", [0, 1, 23])
@pytest.mark.parametrize("dtype", [d for d in DTYPES.values() if d is not INDEX], ids=repr)
def test_elementwise(dtype, n):
    x = values(dtype, n)
    y = x[::-1].copy()

    def body(b, x, y):
        out = []
        for defn in ELEMENTWISE:
            if dtype in defn.takes and by_numpy(defn):
                operands = [x, y][:defn.arity]
                if defn.name in SECOND:
                    at, number = SECOND[defn.name]
                    operands[at] = const(number, dtype)
                if (defn.name, dtype.kind) not in UNDEFINED:
                    out.append(b(defn, *operands))
        return out

    check(build([(repr(dtype), n)] * 2, body), x, y, tol=1e-3 if dtype.kind == "f" and dtype.bits < 64 else 1e-9)


# Where C and NumPy leave the result open, or (complex) it depends on how infinities are multiplied.
UNDEFINED = {("pow", "i"), ("pow", "u"), ("floordiv", "i"), ("mod", "i"), ("shl", "i"), ("shl", "u"), ("shr", "i"),
             ("shr", "u"),
             *((name, "c") for name in ("mul", "div", "pow", "mulz", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p",
                                        "sqrt", "sin",
                                        "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
                                        "atanh", "abs",
                                        "max", "min", "lt", "le", "gt", "ge", "cauchy"))}


def ints(b, n, *values_):
    """Positions: an index array of length n."""
    return b("cast", const(np.resize(np.array(values_ or (0,), np.int64), n), I64), dtype=INDEX)


def spd(b, x, n):
    """A symmetric positive matrix of the numbers of x."""
    a = b.reshape(x, (n, n))
    return b("add", b("dot", a, b("transpose", a, perm=(1, 0)), contract=((1,), (1,)), batch=((), ())),
             const(np.eye(n) * n, F64))


def _writes(name):
    def body(b, x, n):
        if name in ("update", "update_add"):
            return b(name, x, b.full(2.0, (n,), F64), *map(b.index, (0, n, 1)), spec="s")
        return b(name, x, b.full(2.0, (n,), F64), ints(b, n, *range(max(n, 1))), axes=(0,), at=0)
    return body


def _matrix(name, **attrs):
    return lambda b, x, n: b(name, spd(b, b("broadcast", b.full(0.5, (), F64), b.index(n), b.index(n)), n), **attrs)


STRUCTURAL = {
    "dim": lambda b, x, n: b("add", b("cast", b.dim(x, 0), dtype=I64), const(0, I64)),
    "iota": lambda b, x, n: b("iota", b.index(n), dtype=F64),
    "broadcast": lambda b, x, n: b("broadcast", x, b.index(3), b.index(n)),
    "reshape": lambda b, x, n: b.reshape(x, (n, 1)),
    "transpose": lambda b, x, n: b("transpose", b.reshape(x, (1, n)), perm=(1, 0)),
    "concat": lambda b, x, n: b("concat", x, x, x, axis=0),
    "slice": lambda b, x, n: b("slice", x, *map(b.index, (n - 1 if n else 0, n, -1)), spec="s"),
    "gather": lambda b, x, n: b("gather", x, ints(b, n, *range(n)), axes=(0,), at=0),
    "searchsorted": lambda b, x, n: b("cast", b("searchsorted", const(np.array([0.0, 1.0, 2.0]), F64), x, side="left"),
                                      dtype=I64),
    "nonzero": lambda b, x, n: b("cast", b("nonzero", b("eq", x, x), b.index(n)), dtype=I64) if n == 0 else None,
    **{name: _writes(name) for name in ("update", "update_add", "scatter", "scatter_add")},
    "reduce": lambda b, x, n: [b.reduce(x, kind, (0,)) for kind in ("sum", "prod", "max", "min")],
    "argreduce": lambda b, x, n: b("cast", b("argreduce", x, kind="argmax", axis=0), dtype=I64),
    "scan": lambda b, x, n: [b("scan", x, kind=kind, axis=0, reverse=r) for kind in ("sum", "max") for r in (False, True)],
    "sort": lambda b, x, n: b("sort", x, axis=0),
    "argsort": lambda b, x, n: b("cast", b("argsort", x, axis=0, kind="stable"), dtype=I64),
    "dot": lambda b, x, n: [b("dot", x, x, contract=((0,), (0,)), batch=((), ())), b("dot", x, x, contract=((), ()),
                                                                                     batch=((), ()))],
    "select": lambda b, x, n: b("select", b("gt", x, const(0.0, F64)), x, const(1.0, F64)),
    "cast": lambda b, x, n: b("cast", x, dtype=F32),
    "if": lambda b, x, n: if_(b, b("gt", b.full(1.0, (), F64), const(0.0, F64)), lambda: x, lambda: b("neg", x)),
    "for": lambda b, x, n: for_(b, n, [x], lambda i, y: b("add", y, x)),
    "while": lambda b, x, n: while_(b, [b.full(0.0, (), F64), x], lambda k, y: b("lt", k, const(3.0, F64)),
                                    lambda k, y: (b("add", k, const(1.0, F64)), b("mul", y, const(0.5, F64)))),
    "map": lambda b, x, n: map_(b, n, lambda i: b("slice", x, i, spec="i")),
    "empty": lambda b, x, n: b("update", b("empty", b.index(n), dtype=F64), x, *map(b.index, (0, n, 1)), spec="s"),
    "wrap": lambda b, x, n: b("slice", x, b("wrap", b.index(-1), b.index(n), axis=0), spec="i") if n else None,
    "cholesky": _matrix("cholesky"), "eigvalsh": _matrix("eigvalsh", lower=True),
}
ELSEWHERE = {
    "call": "inlined before lowering", "check": "tests/lowering/build/test_nest_control.py", "print": "tests/lowering/build",
    "push": "tests/fuzz, with TRACEGRAD_SIZES", "pop": "with push",
    "exchange": "tests/tracer/containers/test_list_functions.py",
    "stack_new": "with push",
    "lookup": "tests/lowering/build/test_tables.py", "members": "lookup", "replica": "lookup",
    "couple": "no op for machine code", "draw": "tests/tracer/numpy/test_random.py", "random_call": "draw",
    "lu": "tests/tracer/numpy/test_numpy_linalg.py, as all factorisations with several results", "lu_solve": "lu",
    "triangular_solve": "lu", "svdvals": "lu", "eigh": "lu", "eig": "lu", "eigvals": "lu", "svd": "lu", "qr": "lu",
    "pinv": "lu",
    "fft": "tests/tracer/numpy/test_fourier.py", "rfft": "fft", "irfft": "fft",
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", STRUCTURAL)
def test_structural(name, n):
    x = np.resize([1.5, -2.0, 0.0, np.inf, 3.0], n) if n else np.zeros(0)
    made = []

    def body(b, x):
        found = STRUCTURAL[name](b, x, n)
        made.append(found)
        return found if found is not None else x

    f = build([("f64", n)], body)
    if made[0] is not None:
        check(f, x)


def test_every_op_has_a_row():
    known = {d.name for d in ELEMENTWISE} | set(STRUCTURAL) | set(ELSEWHERE)
    assert sorted(set(OPS) - known) == []


@pytest.mark.sweep(2, days=True)
@pytest.mark.skipif("MALLOC_PERTURB_" in os.environ, reason="this is the run on that heap")
def test_the_same_on_a_checked_heap():
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
                          env={**os.environ, "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "165"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
