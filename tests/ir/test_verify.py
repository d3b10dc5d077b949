"""The verifier finds each kind of defect and says which pass, op and line made it."""
from __future__ import annotations

import numpy as np
import pytest
import tracegrad.ir.ops  # noqa: F401
from tracegrad.ir.build import Builder, const, function
from tracegrad.ir.core import Block, Const
from tracegrad.ir.errors import Frame, IRError
from tracegrad.ir.text.printer import parse
from tracegrad.ir.types import F64, I64, INDEX, INDEX_SCALAR, Type
from tracegrad.ir.verify import verify


def broken(f, message, where="a pass"):
    with pytest.raises(IRError) as caught:
        verify(f, where)
    assert message in str(caught.value), str(caught.value)
    return str(caught.value)


def simple():
    f = function("f", [Type(F64, (3,)), Type(F64)], ["x", "k"])
    b = Builder()
    with b.at(f.body):
        b.loc = (Frame(__file__, 1, "user"),)
        y = b("mul", *f.params)
        f.body.yields = (b("add", y, y),)
    return f


def test_well_formed():
    assert verify(simple()).name == "f"


def test_the_message_names_pass_op_and_line():
    f = simple()
    f.body.ops[1].results[0].type = Type(F64, (4,))
    text = broken(f, "is f64[4] but follows as f64[3]", "motion")
    assert text.startswith("after motion: ")
    assert "in @f: %1 = add %0, %0 : f64[4]" in text
    assert f'File "{__file__}", line 1, in user' in text


def test_uses_and_definitions():
    f = simple()
    f.body.ops.reverse()
    broken(f, "is used where it is not defined")
    f = simple()
    f.body.ops.append(f.body.ops[0])
    broken(f, "this op stands in two places")
    f = simple()
    f.body.ops[0].results[0].slot = 1
    broken(f, "does not know its definition")
    f = simple()
    f.body.ops[0].operands = (f.params[0], 2.0)
    broken(f, "an operand is no value: 2.0")


def test_types_follow():
    f = simple()
    f.body.ops[0].operands = (f.params[0], const(2, I64))
    broken(f, "the dtypes differ")
    f = simple()
    f.body.ops[0].regions = (Block(),)
    broken(f, "mul takes no regions")
    f = parse("func @f(%x: f64[3]) -> f64[3] {\n  %0 = transpose %x : f64[3]\n  return %0\n}")
    broken(f, "transpose lacks the attribute 'perm'")


def test_constants():
    f = simple()
    bad = Const(Type(F64), np.zeros(3))
    f.body.yields = (bad,)
    broken(f, "a constant of type f64 holds float64 (3,)")
    f.body.yields = (Const(Type(F64), np.array(0.0)),)
    broken(f, "a frozen constant is writeable")


def test_dimensions():
    g = function("g", [Type(INDEX)], ["n"])
    f = function("f", [Type(F64, (g.params[0],))], ["x"])
    f.body.yields = f.params
    broken(f, "has a dimension that is not defined here")
    f = parse("func @f(%x: f64[%n], %n: index) -> f64[%n] {\n  return %x\n}")
    verify(f)
    f.params[1].type = Type(I64)
    broken(f, "is of type i64, not index")
    f = function("f", [Type(F64, (-1,))], ["x"])
    broken(f, "is negative")


SCOPES = """
func @f(%x: f64, %n: index) -> f64 {{
  %s = for %i = 0 to %n carry(%s0 = %x) : f64 {{
    %0 = mul %s0, 2.0 : f64
    yield {yielded}
  }}
  return {returned}
}}
"""


def test_regions():
    verify(parse(SCOPES.format(yielded="%0", returned="%s")))
    broken(parse(SCOPES.format(yielded="%0", returned="%0")), "is used where it is not defined")
    broken(parse(SCOPES.format(yielded="%i", returned="%s")), "where f64 is expected")
    broken(parse(SCOPES.format(yielded="%0, %0", returned="%s")), "2 values for 1 parameters")


def test_calls():
    text = """
    func @g(%x: f64[%n], %n: index) -> f64[%n] {{
      return %x
    }}
    func @f(%a: f64[{n}], %m: index, %k: index) -> f64[%m] {{
      %0 = call @g(%a, %m) : f64[%m]
      return %0
    }}
    """
    verify(parse(text.format(n="%m")))
    broken(parse(text.format(n="%k")), "call of @g")
    f = parse(text.format(n="%m"))
    f.body.ops[0].attrs["callee"].body.yields = (const(1.0),)
    broken(f, "the type of %")


def test_a_branch_may_decide_a_length():
    text = """
    func @f(%x: f64[%n], %y: f64[%m], %n: index, %m: index, %c: bool) -> (index, f64[%k]) {
      %k, %z = if %c : (index, f64[%k]) {
        yield %n, %x
      } else {
        yield %m, %y
      }
      return %k, %z
    }
    """
    verify(parse(text))
    broken(parse(text.replace("yield %m, %y", "yield %n, %y")), "lengths")


def test_inout():
    f = simple()
    f.attrs["inout"] = {0: 0}
    verify(f)
    f.attrs["inout"] = {0: 1}
    broken(f, "result 0 cannot overwrite parameter 1")


def test_a_stack_from_outside_a_loop():
    f = function("f", [Type(F64, (3,))], ["x"])
    b, region = Builder(), Block([INDEX_SCALAR], ["k"])
    with b.at(f.body):
        stack = b("push", b("stack_new", dtype=F64), f.params[0])
        with b.at(region):
            popped = b.emit("pop", stack, b.index(3))[1]
            region.yields = (b("slice", popped, region.params[0], spec="i"),)
        f.body.yields = b.emit("map", b.index(3), regions=[region])
    broken(f, "is used in every iteration of a loop: it must be carried")
