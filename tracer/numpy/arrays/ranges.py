"""np.arange, in traced code: of numbers that are known, of integers and of floats that only a call knows."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ....ir.build import const
from ....ir.errors import ShapeError
from ....ir.types import BOOL, F64, I64, INDEX, Dim, DType
from ... import tracing
from ...values import boxes, shapes
from ...values.boxes import ArrayBox, Box, ScalarBox, lift
from ...values.promotion import fail, result_dtype, strong, to_dtype
from .creation import creates, iota

if TYPE_CHECKING:
    from ....ir.core import Value


@creates(np.arange)
def arange(start: Any, stop: ScalarBox | None = None, step: int | None = None, dtype: Any = None, *, device: Any = None,
           like: Any = None) -> ArrayBox:
    if stop is None:
        start, stop = 0, start
    step = 1 if step is None else step
    parts = [lift(x) for x in (start, stop, step)]
    kind = strong(result_dtype([I64.np, *[strong(p.kind) for p in parts]]).np) if dtype is None else to_dtype(dtype).np
    target = to_dtype(kind)
    known = [_number(p) for p in parts]
    if known[2] == 0 and parts[2].weak:                  # Python's division
        raise ZeroDivisionError("division by zero")
    if None not in known:
        return _static_range(known[0], known[1], known[2], target)
    for p in parts:
        tracing.need_static(p, "the length of np.arange")
    if all(p.dtype_ir.kind in "iux" for p in parts):
        start, stop, step = map(shapes.to_index, parts)
        return _traced_range(start, stop, step, target)
    if target is BOOL or any(p.dtype_ir.kind == "c" for p in parts):
        for p in parts:
            if _number(p) is None:
                tracing.need_concrete(p, "np.arange of booleans" if target is BOOL else "np.arange of complex numbers")
    return _range_of_floats(start, stop, step, target)


def _number(box: ScalarBox | Box) -> float | None:
    """The number of a box, where it is known: Python's, unless NumPy's is rounded more coarsely."""
    data = boxes.frozen_data(box)
    return None if data is None else data[()] if data.dtype.kind == "f" and data.dtype.itemsize < 8 else data.item()


_arange: Callable[..., np.ndarray] = np.arange             # its own signature has no complex numbers


def _static_range(start: Any, stop: Any, step: Any, dtype: Any) -> ArrayBox:
    if step == 0:
        fail(ShapeError, "Maximum allowed size exceeded: the step of np.arange is 0")
    real = not isinstance(start, complex)
    n = max(0, math.ceil(_countable((stop - start) / step))) if real else len(_arange(start, stop, step))
    if dtype.integer and type(start) is int and type(step) is int:
        builder = tracing.current().builder
        counted = iota(n, INDEX)                 # as index until the end: then it indexes without a bounds check
        counted = builder("mul", counted, builder.index(step)) if step != 1 else counted
        return boxes.array(builder.cast(builder("add", counted, builder.index(start)) if start else counted, dtype))
    if n <= 4096:
        return boxes.array(const(_arange(start, stop, step, dtype.np), dtype))
    first, second = np.asarray(start, dtype.np), np.asarray(start + step, dtype.np)
    delta = second - first
    met = first + delta == second and not (first == 0 and np.signbit(first))
    return _equal_steps(n, const(first, dtype), const(second, dtype), const(delta, dtype), met)


def _countable(ratio: float) -> float:
    if not math.isfinite(ratio):
        fail(ShapeError, _UNKNOWN if math.isnan(ratio) else _TOO_LONG)
    return ratio


_UNKNOWN, _TOO_LONG = "arange: cannot compute length", "Maximum allowed size exceeded"


def _equal_steps(n: Dim, first: Value, second: Value, delta: Value, met: bool) -> ArrayBox:
    """first + k * delta, as NumPy has it; unless the sums are known to meet the first two points (`met`), these are put in: the
    sum may be rounded to another second one, and is no -0.0 and no number beside an infinite step."""
    builder = tracing.current().builder
    dtype, dims = first.type.dtype, (n,)
    first, second, delta = (shapes.expand(x, dims) for x in (first, second, delta))
    run = builder("add", builder("mul", iota(n, dtype), delta), first)
    for k, point in () if met else enumerate((first, second)):
        run = builder("select", builder("eq", iota(n, INDEX), shapes.expand(builder.index(k), dims)), point, run)
    return boxes.array(run)


def _range_of_floats(start: Any, stop: Any, step: Any, dtype: DType) -> ArrayBox:
    """Numbers known only at run time, as NumPy has them: ceil((stop - start) / step) points, in float64; where the quotient
    of a distance that is not zero has become zero, the sign says whether there is one."""
    builder = tracing.current().builder
    room, first, second, delta, quotient = (boxes.to_value(lift(x), F64) for x in (
        stop - start, start, start + step, step, (stop - start) / step))
    ratio = builder.expr(quotient)
    for good, message in ((ratio == ratio, _UNKNOWN), (ratio.abs() < 2.0 ** 62, _TOO_LONG)):
        builder.emit("check", good.value, error="ShapeError", message=message)
    one = builder("and", builder("and", builder("eq", ratio.value, const(0.0, F64)), builder("ne", room, const(0.0, F64))),
                  builder("eq", builder("signbit", room), builder("signbit", delta)))
    count = builder("select", one, const(1.0, F64), builder("max", ratio.ceil().value, const(0.0, F64)))
    n = shapes.arith("max", shapes.as_dim(shapes.index_value(builder.cast(count, I64))), 0)
    first, second = builder.cast(first, dtype), builder.cast(second, dtype)
    return _equal_steps(n, first, second, builder("sub", second, first), False)


def _traced_range(start: Any, stop: Any, step: Any, dtype: DType) -> Any:
    """Integers known only at run time: max(0, ceil((stop - start) / step)) of them. ceil(a / b) = -(-a // b)."""
    builder = tracing.current().builder
    room: Any = shapes.arith("sub", stop, start)
    if not (type(step) is int and step == 1):
        room = shapes.arith("sub", 0, shapes.arith("floordiv", shapes.arith("sub", 0, room), step))
    nonnegative = type(step) is int and step == 1 and type(start) is int and start == 0 and getattr(room.op, "name",
                                                                                                    "") == "dim"
    n = room if nonnegative else shapes.arith("max", room, 0)
    counted = iota(n, INDEX)
    if not (type(step) is int and step == 1):
        counted = builder("mul", counted, builder.index(step))
    if not (type(start) is int and start == 0):
        counted = builder("add", counted, builder.index(start))
    return boxes.array(builder.cast(counted, dtype))
