"""Ops along axes: reductions, cumulative ones, sorting.

    reduce x {kind, axes}          kind: sum prod max min any all; axes: sorted tuple, dropped
    argreduce x {kind, axis}       -> index; kind: argmax argmin; the first of equals, the first NaN if there is one
    scan x {kind, axis, reverse}   cumulative sum prod max min, from the end where reverse
    sort x {axis}                  ascending, NaN last
    argsort x {axis, kind}         -> index; the permutation that sorts; kind: stable, or quicksort (NumPy's order of equals)

Sums and products of more than sizes.few_terms elements may be taken in any order.

All stay in x's dtype (integers wrap): the tracer casts where NumPy accumulates in a wider one. Over no elements, sum is 0,
prod 1, any false, all true; max and min are the lowest and highest number, and argreduce 0: the tracer has checked by then.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..opdef import ALL, NUMBERS, OpDef
from ..thresholds import sizes
from ..types import BOOL, INDEX, Array, Dim, DType, Type
from .common import array_type, drop_axes, expect_axes, expect_axis, expect_choice, expect_count, expect_dtype, fail

if TYPE_CHECKING:
    from ..core import Block, Op, Value

# kind -> (NumPy ufunc, dtypes)
REDUCTIONS = {
    "sum": (np.add, NUMBERS), "prod": (np.multiply, NUMBERS), "max": (np.maximum, ALL), "min": (np.minimum, ALL),
    "any": (np.logical_or, frozenset({BOOL})), "all": (np.logical_and, frozenset({BOOL})),
}
SCANS = ("sum", "prod", "max", "min")


def few(lengths: list[Dim]) -> bool:
    """Whether axes of these lengths have at most sizes.few_terms elements together."""
    return all(type(n) is int for n in lengths) and prod(cast("Sequence[int]", lengths)) <= sizes.few_terms


def _extreme(dtype: DType, sign: int) -> complex:
    if dtype.kind == "b":
        return sign > 0
    if dtype.kind in "iux":
        info = np.iinfo(dtype.np)
        return info.max if sign > 0 else info.min
    if dtype.kind == "c":
        return complex(sign * np.inf, sign * np.inf)
    return sign * np.inf


def identity(kind: str, dtype: DType) -> complex:
    """What a reduction over no elements gives, as a Python number; combining with it changes nothing."""
    if kind in ("max", "min"):
        return _extreme(dtype, -1 if kind == "max" else 1)
    return {"sum": 0, "prod": 1, "any": False, "all": True}[kind]


def _infer_reduce(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("reduce", operands, 1)
    x, kind = array_type("reduce", operands[0]), attrs["kind"]
    expect_choice("reduce", "kind", kind, REDUCTIONS)
    expect_dtype(f"reduce {kind}", x.dtype, REDUCTIONS[kind][1])
    axes = expect_axes("reduce", attrs["axes"], x.rank)
    if list(axes) != sorted(axes):
        fail(f"reduce: axes {axes!r} must ascend")
    return [Type(x.dtype, drop_axes(x.dims, axes))]


def _evaluate_reduce(op: Op, x: np.ndarray) -> tuple[Array, ...]:
    kind, axes, dtype = op.attrs["kind"], op.attrs["axes"], op.results[0].type.dtype
    function = REDUCTIONS[kind][0]
    if not axes:
        return (np.asarray(x),)
    if any(np.shape(x)[k] == 0 for k in axes):
        kept = tuple(n for k, n in enumerate(np.shape(x)) if k not in axes)
        return (np.full(kept, identity(kind, dtype), dtype.np),)
    with np.errstate(all="ignore"):
        if kind in ("sum", "prod"):
            return (function.reduce(x, axis=axes, dtype=dtype.np),)
        return (function.reduce(x, axis=axes),)


def _infer_argreduce(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("argreduce", operands, 1)
    x = array_type("argreduce", operands[0])
    expect_choice("argreduce", "kind", attrs["kind"], ("argmax", "argmin"))
    expect_dtype("argreduce", x.dtype, ALL)
    return [Type(INDEX, drop_axes(x.dims, (expect_axis("argreduce", attrs["axis"], x.rank),)))]


def _evaluate_argreduce(op: Op, x: np.ndarray) -> tuple[Array, ...]:
    axis = op.attrs["axis"]
    if x.shape[axis] == 0:
        return (np.zeros(drop_axes(x.shape, (axis,)), np.int64),)
    function = np.argmax if op.attrs["kind"] == "argmax" else np.argmin
    return (function(x, axis=axis).astype(np.int64),)


def _infer_along(name: str, takes: frozenset[DType], gives: DType | None = None) -> Callable:
    def infer(operands: tuple[Value, ...], attrs: dict[str, Any], regions: tuple) -> list[Type]:
        expect_count(name, operands, 1)
        x = array_type(name, operands[0])
        expect_dtype(name, x.dtype, takes)
        expect_axis(name, attrs["axis"], x.rank)
        return [Type(gives or x.dtype, x.dims)]
    return infer


_infer_scan_axis = _infer_along("scan", ALL)


def _infer_scan(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    types = _infer_scan_axis(operands, attrs, regions)
    expect_choice("scan", "kind", attrs["kind"], SCANS)
    expect_dtype(f"scan {attrs['kind']}", types[0].dtype, REDUCTIONS[attrs["kind"]][1])
    expect_choice("scan", "reverse", attrs["reverse"], (True, False))
    return types


def _evaluate_scan(op: Op, x: np.ndarray) -> tuple[np.ndarray, ...]:
    axis = op.attrs["axis"]
    function = REDUCTIONS[op.attrs["kind"]][0]
    with np.errstate(all="ignore"):
        if op.attrs["reverse"]:
            return (np.flip(function.accumulate(np.flip(x, axis), axis=axis, dtype=x.dtype), axis),)
        return (function.accumulate(x, axis=axis, dtype=x.dtype),)


_infer_permutation = _infer_along("argsort", ALL, INDEX)


def _infer_argsort(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_choice("argsort", "kind", attrs["kind"], ("quicksort", "stable"))
    return _infer_permutation(operands, attrs, regions)


OpDef("reduce", _infer_reduce, _evaluate_reduce, rule="special",
      doc="Combine all elements along axes. sum is linear; max and min share among equals; prod has its own rule.",
      combines=True, folds=True, register=True)
OpDef("argreduce", _infer_argreduce, _evaluate_argreduce, combines=True, register=True,
      doc="The position of the largest or smallest element along an axis.")
OpDef("scan", _infer_scan, _evaluate_scan, rule="special", combines=True,
      doc="Cumulative sum, prod, max or min along an axis. sum is linear.")
OpDef("sort", _infer_along("sort", ALL), lambda op, x: (np.sort(x, axis=op.attrs["axis"], kind="stable"),),
      rule="special", doc="Ascending along an axis, NaN last.", combines=True)
OpDef("argsort", _infer_argsort,
      lambda op, x: (np.argsort(x, axis=op.attrs["axis"], kind=op.attrs["kind"]).astype(np.int64),),
      doc="The permutation that sorts along an axis: a stable one, or NumPy's fastest.", combines=True)
