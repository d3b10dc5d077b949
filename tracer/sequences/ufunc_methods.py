"""reduce, accumulate and reduceat of ufuncs that have no op for them, as loops; np.gcd and np.lcm.

    np.hypot.accumulate(a)     out[0] = a[0];  for k in range(1, n): out[k] = np.hypot(out[k - 1], a[k])
    np.add.reduceat(a, i)      out[k] = a[i[k]] + … + a[i[k + 1] - 1], which is a[i[k]] alone where i[k] >= i[k + 1]
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.build import const
from ...ir.errors import ShapeError, UnsupportedError
from ...ir.types import BOOL, DType
from .. import tracing
from ..control import iteration, loops
from ..numpy import reductions
from ..numpy.arrays.manipulation import moveaxis
from ..numpy.reductions import MISSING, accumulator, finish
from ..values import boxes, shapes, ufuncs
from ..values.boxes import FUNCTIONS, ArrayBox, Box, ScalarBox, as_array, lift
from ..values.promotion import fail, resolve, to_dtype
from ..values.shapes import axis_of, reduced_axes
from ..values.ufuncs import GUFUNCS, REDUCERS

_LOGICAL = (np.logical_and, np.logical_or, np.logical_xor)


def _operand(ufunc: Any, name: str, array: ArrayBox, dtype: Any) -> ArrayBox:
    """The array in the dtype that the ufunc gives and takes again."""
    box = as_array(array)
    if ufunc.nin != 2 or ufunc.nout != 1:
        fail(ShapeError, f"{name} only supported for binary functions")
    given = to_dtype(dtype) if dtype is not None else accumulator(box.dtype_ir) if ufunc in (np.add, np.multiply) else None
    kind = box.kind if given is None else given.np
    ins, outs = resolve(ufunc, (kind, kind))
    if outs[0] is not ins[0] and not (outs[0] is BOOL and ufunc in _LOGICAL):
        fail(UnsupportedError, f"np.{ufunc.__name__}.{name} of {box.dtype_ir.np} cannot be compiled", "write it as a loop")
    return boxes.array(boxes.converted(box, box.read(), outs[0]))


def _step(ufunc: Callable, a: Box, b: ScalarBox) -> Any:
    return ufuncs.call(ufunc, a, b)


def _each(start: Any, stop: Any, body: Callable, site: tuple[Callable | str, ...]) -> None:
    loops.for_(iteration.range_(start, stop), body, None, None, (), None, site=site)


def _reduce(ufunc: Any, array: ArrayBox, axis: int = 0, dtype: DType | None = None, out: Any = None,
            keepdims: bool = False, initial: Any = MISSING, where: bool = True) -> Any:
    box = _operand(ufunc, "reduce", array, dtype)
    dims, axes = box.dims, reduced_axes(axis, len(box.dims))
    rest = tuple(k for k in range(len(dims)) if k not in axes)
    lead = shapes.product([dims[k] for k in axes])
    lines = FUNCTIONS[np.transpose](box, (*axes, *rest))
    lines = FUNCTIONS[np.reshape](lines, tuple(map(boxes.count, (lead, *(dims[k] for k in rest)))))
    mask = None
    if where is not True and where is not MISSING:
        mask = shapes.expand(boxes.to_value(where, BOOL), dims)
        mask = FUNCTIONS[np.reshape](FUNCTIONS[np.transpose](boxes.array(mask), (*axes, *rest)),
                                     tuple(map(boxes.count, lines.dims)))
    start = 0
    identity = None if ufunc is np.subtract else ufunc.identity
    if initial is not MISSING and initial is not None:
        identity = initial
    if mask is not None and identity is None:
        fail(ShapeError, f"reduction operation '{ufunc.__name__}' does not have an identity, so to use a where mask one has to "
                         "specify 'initial'")
    total = boxes.array(tracing.current().builder.full(0, lines.dims[1:], box.dtype_ir))
    if identity is not None:
        total[...] = identity
    else:
        reductions.require_elements(lead, f"zero-size array to reduction operation {ufunc.__name__} which has no identity")
        total[...], start = lines[0], 1

    def step(k: ScalarBox) -> None:
        found = _step(ufunc, total, lines[k])
        total[...] = found if mask is None else FUNCTIONS[np.where](mask[k], found, total)

    _each(start, boxes.count(lead), step, (ufunc, "reduce"))
    return finish(total.read(), dims, axes, keepdims, out[0] if isinstance(out, tuple) else out, ufunc.__name__)


def _accumulate(ufunc: Callable, array: ArrayBox, axis: int = 0, dtype: DType | None = None,
                out: Any = None) -> ArrayBox:
    box = _operand(ufunc, "accumulate", array, dtype)
    k = axis_of(axis, len(box.dims))
    lines = moveaxis(box, k, 0)
    n = lines.dims[0]
    found = FUNCTIONS[np.copy](lines)

    def step(i: Any) -> None:
        found[i] = _step(ufunc, found[i - 1], lines[i])

    _each(1, boxes.count(n), step, (ufunc, "accumulate"))
    found = boxes.array(moveaxis(found, 0, k).read())
    return found if out is None else ufuncs.deliver(ufunc.__name__, found.read(), out)


def _reduceat(ufunc: Callable, array: ArrayBox, indices: list[int], axis: int = 0, dtype: DType | None = None,
              out: Any = None) -> ArrayBox:
    box = _operand(ufunc, "reduceat", array, dtype)
    axis = axis_of(axis, len(box.dims))
    lines, at = moveaxis(box, axis, 0), as_array(indices)
    if len(at.dims) != 1:
        fail(ShapeError, "object too deep for desired array")
    n, m = boxes.count(lines.dims[0]), boxes.count(at.dims[0])
    builder = tracing.current().builder
    inside = builder("and", (at >= 0).read(), (at < n).read())
    builder.emit("check", builder.reduce(inside, "all", (0,)), error="BoundsError",
                 message=f"index out-of-bounds in {ufunc.__name__}.reduceat")
    found = FUNCTIONS[np.take](lines, at, 0)
    ends = FUNCTIONS[np.append](at[1:], n)

    def segment(i: Any) -> None:
        def step(j: ScalarBox) -> None:
            found[i] = _step(ufunc, found[i], lines[j])

        _each(at[i] + 1, ends[i], step, (ufunc, "reduceat", "inner"))

    _each(0, m, segment, (ufunc, "reduceat"))
    found = boxes.array(moveaxis(found, 0, axis).read())
    return found if out is None else ufuncs.deliver(ufunc.__name__, found.read(), out)


REDUCERS |= {(None, "reduce"): _reduce, (None, "accumulate"): _accumulate, (None, "reduceat"): _reduceat}


# --- divisors ----------------------------------------------------------------------------------------------------------

def _gcd(x1: Any, x2: Any, out: Any = None, dtype: Any = None, **others: Any) -> Any:
    """Euclid's algorithm on all elements at once, until no remainder is left."""
    a, b = lift(x1), lift(x2)
    ins, _ = resolve(np.gcd, (a.kind, b.kind), None if dtype is None else to_dtype(dtype).np)
    (x, y), dims = shapes.align([boxes.converted(v, v.read(), ins[0]) for v in (a, b)])
    builder = tracing.current().builder
    if ins[0].kind == "i":
        x, y = builder("abs", x), builder("abs", y)
    high, low = (boxes.array(shapes.expand(v, dims)) for v in (x, y))
    high, low = FUNCTIONS[np.copy](high), FUNCTIONS[np.copy](low)

    def step() -> None:
        more = np.not_equal(low, 0)
        rest = np.remainder(high, FUNCTIONS[np.where](more, low, const(1, ins[0]).data[()]))
        high[...] = FUNCTIONS[np.where](more, low, high)
        low[...] = FUNCTIONS[np.where](more, rest, low)

    loops.while_(lambda: FUNCTIONS[np.any](np.not_equal(low, 0)), step, None, None, (), None)
    found = boxes.result(high.read())
    return found if out is None else ufuncs.deliver("gcd", found.read(), out[0] if isinstance(out, tuple) else out, core=0)


def _lcm(x1: Any, x2: Any, out: Any = None, dtype: DType | None = None, **others: Any) -> Any:
    """|x y| / gcd, divided first; 0 where one is 0."""
    divisor = _gcd(x1, x2, dtype=dtype)
    one = np.maximum(divisor, 1)
    found = np.absolute(np.multiply(np.floor_divide(x1, one), x2))
    return found if out is None else ufuncs.deliver("lcm", found.read(), out[0] if isinstance(out, tuple) else out, core=0)


GUFUNCS |= {np.gcd: _gcd, np.lcm: _lcm}
