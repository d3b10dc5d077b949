"""Ops that make, move and join axes.

    dim x {axis}            -> index          the length of an axis
    iota n {dtype}          -> dtype[n]       0, 1 … n-1
    broadcast x, d…         -> dims d         NumPy's alignment of trailing axes; an axis of static length 1 expands
    reshape x, d…           -> dims d         C order, the same number of elements
    transpose x {perm}                        axis k of the result is axis perm[k] of x
    concat x… [, n] {axis}                    one after the other; the length n is given exactly where it is not a number
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import Block, Op, Value
from ..opdef import NUMBERS, OpDef
from ..types import INDEX_SCALAR, Type
from .common import array_type, expect_at_least, expect_axis, expect_count, expect_dtype, expect_index, fail, same_dim


def _infer_dim(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("dim", operands, 1)
    expect_axis("dim", attrs["axis"], array_type("dim", operands[0]).rank)
    return [INDEX_SCALAR]


def _infer_iota(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("iota", operands, 1)
    expect_dtype("iota", attrs["dtype"], NUMBERS)
    return [Type(attrs["dtype"], (expect_index("iota", operands[0]),))]


def _infer_broadcast(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_at_least("broadcast", operands, 1)
    x = array_type("broadcast", operands[0])
    dims = tuple(expect_index("broadcast", d) for d in operands[1:])
    if x.rank > len(dims):
        fail(f"broadcast of {x!r} to rank {len(dims)}")
    for old, new in zip(reversed(x.dims), reversed(dims)):
        if not (same_dim(old, new) or (type(old) is int and old == 1)):
            fail(f"broadcast of {x!r} to dimensions {list(dims)!r}")
    return [Type(x.dtype, dims)]


def _infer_reshape(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_at_least("reshape", operands, 1)
    x = array_type("reshape", operands[0])
    result = Type(x.dtype, tuple(expect_index("reshape", d) for d in operands[1:]))
    if x.static and result.static and x.count != result.count:
        fail(f"reshape of {x!r} to {result!r}: {x.count} elements into {result.count}")
    return [result]


def _infer_transpose(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("transpose", operands, 1)
    x, perm = array_type("transpose", operands[0]), attrs["perm"]
    if type(perm) is not tuple or sorted(perm) != list(range(x.rank)):
        fail(f"transpose: {perm!r} is no permutation of the axes of {x!r}")
    return [Type(x.dtype, tuple(x.dims[k] for k in perm))]


def concat_parts(operands: Sequence[Value]) -> tuple[tuple[Value, ...], Value | None]:
    """(the arrays, the length operand or None): an operand of rank 0 can only be the length."""
    if operands and type(operands[-1].type) is Type and not operands[-1].type.dims:
        return tuple(operands[:-1]), operands[-1]
    return tuple(operands), None


def _infer_concat(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    parts, length = concat_parts(operands)
    expect_at_least("concat", parts, 1)
    first, axis = array_type("concat", parts[0]), attrs["axis"]
    expect_axis("concat", axis, first.rank)
    for part in parts[1:]:
        t = array_type("concat", part)
        fits = t.dtype is first.dtype and t.rank == first.rank and all(
            k == axis or same_dim(a, b) for k, (a, b) in enumerate(zip(t.dims, first.dims)))
        if not fits:
            fail(f"concat along axis {axis} of {first!r} and {t!r}")
    lengths = [part.type.dims[axis] for part in parts]
    if all(type(n) is int for n in lengths):
        total = sum(lengths)
        if length is not None and not same_dim(total, expect_index("concat", length)):
            fail(f"concat: the lengths add up to {total}, not {length!r}")
    elif length is None:
        fail(f"concat of lengths {lengths!r} takes their sum as its last operand")
    else:
        total = expect_index("concat", length)
    return [Type(first.dtype, (*first.dims[:axis], total, *first.dims[axis + 1:]))]


def _evaluate_concat(op: Op, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    parts, _ = concat_parts(op.operands)
    return (np.concatenate(arrays[:len(parts)], axis=op.attrs["axis"]),)


OpDef("dim", _infer_dim, lambda op, x: (np.int64(x.shape[op.attrs["axis"]]),), doc="The length of an axis.", moves=True)
OpDef("iota", _infer_iota, lambda op, n: (np.arange(int(n)).astype(op.attrs["dtype"].np),), doc="0, 1 … n-1.", cost=0,
      moves=True)
OpDef("broadcast", _infer_broadcast, lambda op, x, *dims: (np.broadcast_to(x, tuple(map(int, dims))),),
      rule="linear", linear_in=(0,), doc="x repeated along new or expanded axes.", cost=0, view=True, moves=True)
OpDef("reshape", _infer_reshape, lambda op, x, *dims: (np.reshape(x, tuple(map(int, dims))),),
      rule="linear", linear_in=(0,), view=True, moves=True, folds=True,
      doc="The same elements in C order under other dimensions.")
OpDef("transpose", _infer_transpose, lambda op, x: (np.transpose(x, op.attrs["perm"]),),
      rule="linear", linear_in=(0,), doc="Axes in another order.", cost=0, view=True, moves=True, folds=True)
OpDef("concat", _infer_concat, _evaluate_concat, rule="linear",
      doc="Arrays one after the other along an axis. Linear in all parts jointly.", moves=True, folds=True)
