"""The loop IR's printer and verifier."""
from __future__ import annotations

import numpy as np
import pytest
import tracegrad.ir.ops  # noqa: F401
from tracegrad.ir.errors import Frame, IRError
from tracegrad.ir.ops.checks import REPORTED_WORDS
from tracegrad.ir.types import BOOL, F32, F64, I64, INDEX
from tracegrad.lowering.loopir.grammar import (
    Alloc,
    At,
    Buffer,
    Copy,
    Fail,
    Fill,
    For,
    Get,
    If,
    Imm,
    Kernel,
    Let,
    Lib,
    Load,
    Print,
    Scalar,
    Set,
    Store,
    Swap,
    Var,
    While,
)
from tracegrad.lowering.loopir.passes.verifier import verify
from tracegrad.lowering.loopir.text import print_kernel

ONE = Imm(1.0, F64)


def params():
    return Buffer("x", F64, (4, 3), "in"), Buffer("y", F64, (4, 3), "out")


def test_every_statement_prints():
    x, y = params()
    n, size = Buffer("n", INDEX, (), "in"), Scalar(INDEX, "size")
    result = Buffer("r", F64, (size,), "result")
    i, j, k = Scalar(INDEX, "i"), Scalar(INDEX, "i"), Scalar(INDEX, "k")
    a, b, c, d, cond = Scalar(F64), Scalar(F64), Scalar(F64), Scalar(F64), Scalar(BOOL, "cond")
    total, s, t = Var(F64, "total"), Buffer("t", F64, (3,), "stack"), Buffer("t", F64, (4, 3), "heap", slot=2)
    u = Buffer("u", F64, (4, 3), "heap")
    body = [
        Load(size, n, ()), Alloc(result), Alloc(s), Alloc(t), Alloc(u), Fill(t, ONE), Copy(u, t), Swap(t, u), Set(total, ONE),
        For(i, 4, [For(j, 3, [Load(a, x, (i, j)), Let(b, "mul", (a, Imm(2.5, F64))), Store(y, (i, 1), b)], unroll=True),
                   Get(c, total), Let(d, "add", (c, b), reassoc=True), Set(total, ONE)], apart=True),
        Let(cond, "lt", (size, Imm(3, INDEX))), If(cond, [Set(total, ONE)], [Fail(cond, 0, (size,))]),
        If(cond, [Fill(u, ONE)], []),
        While([Let(k, "add", (size, Imm(1, INDEX)))], cond, [Print(1, (k, x))]),
        Lib("gemm", (y, At(x, (1, 0)), t, False, True, 4, 3, size), 0)]
    frame = Frame("/home/user/model.py", 12, "f")
    kernel = Kernel("k", [n, x, y, result], body, sites=[("IndexError", "bad {0}", (frame,)), ("print", "{0} {1}", ())])
    assert print_kernel(kernel) == """\
kernel k(in $n: index, in $x: f64[4, 3], out $y: f64[4, 3], result $r: f64[%size]) {
  %size = load $n[] : index
  alloc $r: f64[%size] result
  alloc $t: f64[3] stack
  alloc $t.1: f64[4, 3] heap slot 2
  alloc $u: f64[4, 3] heap
  fill $t.1, 1.0
  copy $u, $t.1
  swap $t.1, $u
  set @total, 1.0
  for %i in 4 apart {
    for %i.1 in 3 unroll {
      %0 = load $x[%i, %i.1] : f64
      %1 = mul %0, 2.5 : f64
      store $y[%i, 1], %1
    }
    %2 = get @total : f64
    %3 = add %2, %1 reassoc : f64
    set @total, 1.0
  }
  %cond = lt %size, 3 : bool
  if %cond {
    set @total, 1.0
  } else {
    fail %cond, 0 (%size)    # IndexError: 'bad {0}'  model.py:12
  }
  if %cond {
    fill $u, 1.0
  }
  while {
    %k = add %size, 1 : index
  } %cond {
    print 1 (%k, $x)    # print: '{0} {1}'
  }
  lib gemm $y, $x[1, 0], $t.1, False, True, 4, 3, %size else fail 0    # IndexError: 'bad {0}'  model.py:12
}
"""


def scalar(dtype=F64):
    return Scalar(dtype, "s")


X, Y = params()


def wrong():
    """(what the finding says, statements)"""
    x, y = X, Y
    a, b, i, c = scalar(), scalar(), scalar(INDEX), scalar(BOOL)
    v, t, u = Var(F64, "v"), Buffer("t", F64, (3,), "heap"), Buffer("u", F32, (3,), "heap")
    load = Load(a, x, (0, 0))
    yield "defined twice", [load, Load(a, x, (1, 1))]
    yield "not defined here", [Store(y, (0, 0), a)]
    yield "not defined here", [For(i, 3, [load]), Store(y, (0, 0), a)]
    yield "not defined here", [For(i, 3, []), Store(y, (i, 0), ONE)]
    yield "is written", [Store(x, (0, 0), ONE)]
    yield "indices for the 2 dimensions", [Store(y, (0, 1, 2), ONE)]
    yield "not index", [load, Store(y, (a, 0), ONE)]
    yield "has dtype i64", [Store(y, (0, 0), Imm(1, I64))]
    yield "not a Python number", [Store(y, (0, 0), Imm("1", F64))]
    yield "not a Python number", [Let(i, "add", (Imm(1.5, INDEX), Imm(1, INDEX)))]
    yield "gives bool", [load, Let(b, "lt", (a, a))]
    yield "does not take", [load, Let(b, "add", (a, Imm(1, I64)))]
    yield "does not take", [load, Let(c, "and", (a, a))]
    yield "takes 2 operands", [load, Let(b, "add", (a,))]
    yield "not an elementwise op", [load, Let(b, "dot", (a, a))]
    yield "into bool", [Load(c, x, (0, 0))]
    yield "before it is set", [Get(a, v)]
    yield "before it is set", [If(Imm(True, BOOL), [Set(v, ONE)], []), Get(a, v)]
    yield "not allocated", [Fill(t, ONE)]
    yield "not allocated", [If(Imm(True, BOOL), [Alloc(t)], []), Fill(t, ONE)]
    yield "differ in dtype or size", [Alloc(t), Copy(t, x)]
    yield "of one type", [Alloc(t), Alloc(u), Swap(t, u)]
    yield "no site", [Fail(Imm(True, BOOL), 5)]
    yield "has dtype f64", [load, If(a, [], [])]
    yield "has room for", [Fail(Imm(True, BOOL), 0, (ONE,) * (REPORTED_WORDS + 1))]
    yield "no library routine", [Lib("gemmm", ())]
    yield "negative", [For(i, -1, [])]
    yield "cannot be allocated", [Load(i, Buffer("n", INDEX, (), "const", np.array(3)), ()),
                                  Alloc(Buffer("t", F64, (i,), "stack"))]
    yield "not the data", [Load(a, Buffer("n", F64, (2,), "const", np.zeros(3)), (0,))]


@pytest.mark.parametrize("what,body", list(wrong()))
def test_each_rule_is_enforced(what, body):
    with pytest.raises(IRError, match=what):
        verify(Kernel("k", [X, Y], body, sites=[("ValueError", "", ())]))


def test_what_both_branches_or_a_loop_head_set_is_set():
    v, a, b, i = Var(F64, "v"), scalar(), scalar(), scalar(INDEX)
    true = Imm(True, BOOL)
    verify(Kernel("k", [], [If(true, [Set(v, ONE)], [Set(v, ONE)]), Get(a, v)]))
    verify(Kernel("k", [], [While([Set(v, ONE)], true, []), Get(a, v)]))
    verify(Kernel("k", [], [For(i, 2, [Set(v, ONE)]), Get(b, v)]))
