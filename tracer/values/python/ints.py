"""Python's ints in 64 bits: an error where Python's would be wider, exact comparison with floats.

The checks are ops of their own (`add_fits` …), of which range analysis and ir/transforms/overflow_checks.py leave few in loops.
Ints that count or address (dtype index) stay below 2**56 as long as they are added; products of them are checked.
"""
from __future__ import annotations

import math

from ....ir.build import const
from ....ir.core import Const, Value
from ....ir.types import F64, I64, INDEX
from ... import tracing
from ...roots import roots_of
from ..boxes import Box, ScalarBox

FOLDED = 64                 # a loop of so many iterations, of constants alone, in which an int may outgrow 64 bits, is Python's
LEAST, MOST = -2**63, 2**63 - 1
_SYMBOL = {"add": "+", "sub": "-", "mul": "*", "shl": "<<"}
_WIDE = "is wider than 64 bits, which is what compiled code holds of Python's ints"


def expect_fit(name: str, x: Value, y: Value) -> None:
    """x + y, x - y, x * y or x << y."""
    if x.type.dtype is INDEX and name in ("add", "sub"):
        return
    builder = tracing.current().builder
    if name in ("mul", "shl"):
        _fold(x, y)
    builder.emit("check", builder(f"{name}_fits", x, y), x, y, error="OverflowError",
                 message=f"{{0}} {_SYMBOL[name]} {{1}} {_WIDE}")


def _fold(*operands: Value) -> None:
    """Where a short loop of constants multiplies what it carries, it is run by Python, whose ints are exact."""
    trace = tracing.current()
    if not any(v.type.dtype is I64 and trace.origin.get(v, (None, None))[1] is not None for v in operands):
        return
    roots = [roots_of(trace, v) for v in operands]
    loops = {loop for r in roots for loop in r.loops}
    if any(r.stop is not None or r.leaves or r.arrays for r in roots) or not all(type(loop.trip) is int for loop in loops):
        return
    if math.prod([loop.trip for loop in loops if isinstance(loop.trip, int)]) <= FOLDED:
        for v in operands:
            if not isinstance(v, Const):
                tracing.make_static(v, "an int that may outgrow 64 bits")


def expect_negative(x: Value) -> None:
    """-x and abs(x)"""
    if x.type.dtype is not INDEX:
        _check(tracing.current().builder("ne", x, const(LEAST, I64)), x, f"-({{0}}) {_WIDE}")


def expect_quotient(x: Value, y: Value) -> None:
    """x // y: only -2**63 // -1 is wider."""
    if x.type.dtype is INDEX or (isinstance(y, Const) and y.item != -1):
        return
    builder = tracing.current().builder
    fine = builder("or", builder("ne", x, const(LEAST, I64)), builder("ne", y, const(-1, I64)))
    _check(fine, x, f"{{0}} // -1 {_WIDE}")


def expect_power(x: Value, y: Value) -> None:
    """x ** y, y >= 0.

    With a known exponent or base, bounds of the other. Else by |x|**y as a float, of which the relative error is below 2**-48:
    of powers with y >= 2 only -2**63 itself lies so near to 2**63.
    """
    builder = tracing.current().builder
    if isinstance(y, Const):
        top = _root(MOST, y.item)
        low = -_root(2**63, y.item) if y.item % 2 else -top
        fine = builder("and", builder("ge", x, const(low, I64)), builder("le", x, const(top, I64)))
        fine = const(True, fine.type.dtype) if y.item < 2 else fine
    elif isinstance(x, Const) and abs(x.item) > 1:
        most = next(k for k in range(64) if not LEAST <= x.item ** (k + 1) <= MOST)
        fine = builder("le", y, const(most, I64))
    else:
        base, exponent = builder.expr(builder.cast(x, F64)), builder.expr(builder.cast(y, F64))
        power = base.abs().pow(exponent)
        edge = (power == 2.0**63) & (base < 0) & (exponent.mod(2.0) != 0)
        fine = ((power < 2.0**63 * (1 - 2.0**-40)) | edge | (exponent < 2)).value
    builder.emit("check", fine, x, y, error="OverflowError", message=f"{{0}} ** {{1}} {_WIDE}")


def _root(n: int, k: int) -> int:
    """The largest r with r**k <= n."""
    if k < 1:
        return n
    r = round(n ** (1 / k))
    while r**k > n:
        r -= 1
    while (r + 1)**k <= n:
        r += 1
    return r


def _check(fine: Value, x: Value, message: str) -> None:
    tracing.current().builder.emit("check", fine, x, error="OverflowError", message=message)


_MIRROR = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}


def compare_with_float(name: str, a: Box, b: Box) -> ScalarBox | None:
    """An int and a float, compared as numbers: floats of ints from 2**53 on are rounded. None where the rounding cannot matter.

    Rounding keeps the order, so only equality leaves it open; then the float is whole, and either 2**63 or an int of 64 bits.
    """
    if a.dtype_ir.inexact:
        a, b, name = b, a, _MIRROR[name]
    x, y = a.read(), b.read()
    if x.type.dtype is INDEX or (isinstance(x, Const) and abs(x.item) <= 2**53):
        return None
    if isinstance(y, Const) and abs(y.item) < 2.0**53:
        return None
    builder = tracing.current().builder
    rounded, number, below = builder.cast(x, F64), y, builder("lt", y, const(2.0**63, F64))
    equal = builder("eq", rounded, number)
    whole = builder.cast(builder("select", builder("and", equal, below), number, const(0.0, F64)), I64)
    if name in ("eq", "ne"):
        same = builder("and", builder("and", equal, below), builder("eq", x, whole))
        return ScalarBox(same if name == "eq" else builder("not", same), "bool")
    exact = builder("select", below, builder(name, x, whole), const(name in ("lt", "le"), below.type.dtype))
    return ScalarBox(builder("select", equal, exact, builder(name, rounded, number)), "bool")
