"""From IR functions through the loop IR to callables: results, writes, captured arrays, failures with the user's values."""
from __future__ import annotations

import numpy as np
import pytest
from native_calls import Callable, Missed, Python
from nest_check import build
from tracegrad.ir.build import const
from tracegrad.ir.errors import BoundsError, Frame
from tracegrad.ir.types import F64, I64, INDEX
from tracegrad.lowering.build.loop_builder import lower
from tracegrad.lowering.call.assemble import assemble, constants
from tracegrad.lowering.call.calling_convention import ArgOut, Arguments, ArrayIn, ArrayOut, Node, ScalarIn, ScalarOut

PATHS = pytest.mark.parametrize("path", [lambda f: f, Python], ids=["native", "python"])


def calling(f, arguments, output, **options):
    out = Callable()
    out.install(assemble(lower(f), arguments, output, f.attrs.get("inout"), **options))
    return out


@PATHS
def test_scale_and_sum(path):
    f = build([("f64", 8), "f64"], lambda b, x, k: (y := b("mul", x, k), b.reduce(y, "sum", (0,))))
    g = path(calling(f, Arguments((ArrayIn(F64, (8,), 0), ScalarIn("float", F64, 1))),
                     Node(dict, (ArrayOut(0, F64, (8,)), ScalarOut(1, "numpy", F64)), ("y", "sum"))))
    x = np.arange(8.0)
    r = g(x, 2.5)
    assert list(r) == ["y", "sum"] and (r["y"] == x * 2.5).all() and r["sum"] == 70.0 and type(r["sum"]) is np.float64


@PATHS
def test_results_that_overwrite_an_argument(path):
    f = build([("f64", 3), ("f64", 3)], lambda b, x, y: (b("add", x, y), b.reduce(y, "max", (0,))), inout={0: 0})
    g = path(calling(f, Arguments((ArrayIn(F64, (3,), 0), ArrayIn(F64, (3,), 1))),
                     Node(tuple, (ArgOut(0), ScalarOut(1, "float", F64)))))
    x, y = np.arange(3.0), np.ones(3)
    out, top = g(x, y)
    assert out is x and x.tolist() == [1, 2, 3] and top == 1.0
    for wrong in ((x, x), (np.arange(4.0)[:3], np.arange(3))):
        with pytest.raises(Missed):
            g(*wrong)


@PATHS
def test_a_length_known_at_run_time(path):
    def body(b, x):
        zero = b.const(0.0)
        mask = b("gt", x, zero)
        count = b.reduce(b.cast(mask, INDEX), "sum", (0,))
        at, = b.emit("nonzero", mask, count)
        return b("gather", x, at, axes=(0,), at=0)
    g = path(calling(build([("f64", 6)], body), Arguments((ArrayIn(F64, (6,), 0),)), ArrayOut(0, F64, (None,))))
    for _ in range(20):
        assert g(np.array([1.0, -1, 2, 0, 3, -2])).tolist() == [1, 2, 3]
    assert g(np.zeros(6)).shape == (0,) and g(np.ones(6)).tolist() == [1.0] * 6


@PATHS
def test_captured_arrays_are_read_in_place(path):
    table = np.arange(4.0)
    f = build([("f64", 4)], lambda b, x, table=table: b("mul", x, const(table, F64, frozen=False)))
    kernel = lower(f)
    assert [c.data.ctypes.data for c in constants(kernel)] == [table.ctypes.data]
    g = path(calling(f, Arguments((ArrayIn(F64, (4,), 0),)), ArrayOut(0, F64, (4,))))
    assert g(np.ones(4)).tolist() == [0, 1, 2, 3]
    table[0] = 9
    assert g(np.ones(4)).tolist() == [9, 1, 2, 3]
    del table, f, kernel
    noise = [np.full(4, 7.0) for _ in range(100)]
    assert g(np.ones(4)).tolist() == [9, 1, 2, 3] and len(noise) == 100


@PATHS
def test_writing_what_is_captured_is_left_to_python(path):
    table = np.arange(4.0)
    f = build([("f64", 4)], lambda b, x: b("add", x, const(table, F64, frozen=False)), inout={0: 0})
    g = path(calling(f, Arguments((ArrayIn(F64, (4,), 0),)), ArgOut(0)))
    assert g(np.ones(4)).tolist() == [1, 2, 3, 4]
    with pytest.raises(Missed):
        g(table)


@PATHS
def test_failed_checks_carry_values_and_place(path):
    def body(b, x, i):
        b.emit("check", b("lt", i, b.const(10, I64)), i, b.reduce(x, "sum", (0,)), error="ValueError", message="{0} and {1}")
        k = b("wrap", b.cast(i, INDEX), b.index(3), axis=0)
        return b("slice", x, k, spec="i")
    f = build([("f64", 3), "i64"], body)
    for op in f.body.walk():
        op.loc = (Frame("user.py", 7, "pick"),)
    g = path(calling(f, Arguments((ArrayIn(F64, (3,), 0), ScalarIn("int", I64, 1))), ScalarOut(0, "numpy", F64)))
    x = np.array([1.5, 2.0, 3.0])
    assert [float(g(x, i)) for i in (0, 1, 2, -1, -3)] == [1.5, 2, 3, 3, 1.5]
    for wrong in (3, -4):
        with pytest.raises(BoundsError, match=rf"index {wrong} is out of bounds for axis 0 with size 3") as found:
            g(x, wrong)
        assert "user.py" in str(found.value) and "line 7" in str(found.value)
    with pytest.raises(ValueError, match=r"^10 and 6.5") as found:
        g(x, 10)
    assert "line 7" in found.value.__notes__[0]
    with pytest.raises(Missed):
        g(x, 2**70)


def test_a_signature_that_does_not_fit_the_kernel():
    f = build([("f64", 3)], lambda b, x: b("neg", x))
    with pytest.raises(ValueError, match="parameters"):
        assemble(lower(f), Arguments((ArrayIn(F64, (3,), 0), ArrayIn(F64, (3,), 1))), ArrayOut(0, F64, (3,)))
