"""Functions that call themselves, built by hand, become loops."""
import numpy as np
from tracegrad.ir.build import Builder, const
from tracegrad.ir.build import function as new_function
from tracegrad.ir.core import Block, Value
from tracegrad.ir.interp import run
from tracegrad.ir.transforms.recursion_to_loop import recursion_to_loop
from tracegrad.ir.types import F64, I64, Type
from tracegrad.ir.verify import verify


def test_a_call_before_and_after_what_it_needs():
    # f(n, x) = x if n < 1 else n * f(n - 1, x * x + f(n - 2, x)), which counts its calls in an array
    types = [Type(I64), Type(F64), Type(F64, (1,))]
    callee = new_function("f", types)
    callee.body.yields = (Value(Type(F64)), Value(types[2]))
    builder, body = Builder(), Block(types, ["n", "x", "count"])
    n, x, count = body.params
    zero = builder.index(0)
    with builder.at(body):
        more_calls = builder("add", builder("slice", count, zero, spec="i"), const(1.0, F64))
        count = builder("update", count, more_calls, zero, spec="i")
        stop, more = Block(), Block()
        stop.yields = x, count
        with builder.at(more):
            first, count1 = builder.emit("call", builder("sub", n, const(2, I64)), x, count, callee=callee)
            inner = builder("add", builder("mul", x, x), first)
            second, count2 = builder.emit("call", builder("sub", n, const(1, I64)), inner, count1, callee=callee)
            more.yields = builder("mul", builder.cast(n, F64), second), count2
        body.yields = builder.emit("if", builder("lt", n, const(1, I64)), regions=(stop, more))
    whole = new_function("whole", types)
    with builder.at(whole.body):
        whole.body.yields = recursion_to_loop(builder, body, callee, whole.params, 50, 1)
    verify(whole)

    calls = [0]

    def f(n, x):
        calls[0] += 1
        return x if n < 1 else n * f(n - 1, x * x + f(n - 2, x))

    for k in range(6):
        calls[0] = 0
        want = f(k, 0.3)
        found, count = run(whole, np.int64(k), 0.3, np.zeros(1))
        np.testing.assert_allclose(found, want)
        assert count[0] == calls[0]
