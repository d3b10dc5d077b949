"""Short rows of narrow elements end where they end: what lies behind them stays as it is."""
import numpy as np
import pytest
from tracegrad.lowering.native import masked_stores, object_code

import tracegrad as tg

TEXT = """
declare void @llvm.masked.store.v8i8.p0(<8 x i8>, ptr, {more}<8 x i1>)
define void @f(<8 x double> %x, ptr %p) {{
  %whole = fptosi <8 x double> %x to <8 x i32>
  %v = trunc <8 x i32> %whole to <8 x i8>
  tail call void @llvm.masked.store.v8i8.p0(<8 x i8> %v, ptr {given}, <8 x i1> <{mask}>)
  ret void
}}
"""


def mask(*lanes):
    return ", ".join(f"i1 {'true' if k in lanes else 'false'}" for k in range(8))


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "i4", "u4", "f4", "?"])
@pytest.mark.parametrize("n", [5, 9, 13, 17])
def test_nothing_is_written_behind_a_row(n, kind):
    def f(x, out):
        out[:] = x[:, :n].astype(out.dtype)

    for dtype in (np.float64, np.int64):
        x = np.arange(6 * (n + 3)).reshape(6, n + 3).astype(dtype)
        for rows in (x, x[:5]):
            around = np.full(len(rows) * n + 64, 1, kind)
            out = around[32:-32].reshape(len(rows), n)
            tg.jit(f)(rows, out)
            np.testing.assert_array_equal(out, rows[:, :n].astype(kind))
            assert np.all(around[:32] == 1) and np.all(around[-32:] == 1)


@pytest.mark.parametrize(("lanes", "stores"), [((0,), 1), ((3,), 1), ((0, 1), 0), ((), 0), (tuple(range(8)), 0)])
def test_stores_of_one_lane_are_those_of_an_element(lanes, stores):
    llvm = object_code.llvm
    text = TEXT.format(more="", given="align 1 %p", mask=mask(*lanes))
    if llvm.llvm_version_info < (22,):
        text = TEXT.format(more="i32, ", given="%p, i32 1", mask=mask(*lanes))
    object_code.host()
    with llvm.parse_assembly(text) as module:
        found = masked_stores.mended(module)
    with llvm.parse_assembly(found) as module:
        module.verify()
    assert found.count("extractelement") == found.count("store i8") == stores
    assert found.count("call void @llvm.masked.store") == 1 - stores
    assert ("getelementptr" in found) == (lanes == (3,))


def test_other_modules_stay_as_they_are():
    object_code.host()
    with object_code.llvm.parse_assembly("define void @f() {\n  ret void\n}") as module:
        assert masked_stores.mended(module) is None
