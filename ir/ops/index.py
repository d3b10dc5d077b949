"""Ops that read and write parts of an array.

`spec` says how each axis of x is addressed, one character an axis:

    ":"  the whole axis                         no operand
    "i"  one position, which drops the axis     operand: position
    "s"  a run of positions                     operands: start, length, step;  element k is at start + k*step, step != 0

All positions are normalised and in bounds: the tracer emits `wrap` and clipping arithmetic.

    slice x, idx… {spec}            -> the region                 update x, v, idx… {spec}      -> x, the region replaced by v
    update_add x, v, idx… {spec}    -> x, v added to the region; several additions to one array happen in any order

    gather x, i1…ik {axes, at}      -> for each element of the index arrays (all of dims B) the part of x at those positions of
                                       `axes`; dims are those of x without `axes`, with B inserted at position `at`
    scatter x, v, i1…ik {axes, at}  -> x, those parts replaced by v's (v has gather's dims); of equal positions the last in
                                       C order of B wins
    scatter_add x, v, i1…ik {…}     -> x, v's parts added, repeated positions too

    nonzero mask, count             -> per axis of the mask, the positions of its `count` true elements, in C order
    searchsorted grid, x {side}     -> where x would be inserted into the ascending grid, as np.searchsorted
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..opdef import ADDED, ALL, OpDef
from ..types import BOOL, INDEX, Array, DType, Type
from .common import (
    array_type,
    drop_axes,
    expect_at_least,
    expect_axes,
    expect_choice,
    expect_count,
    expect_dtype,
    expect_index,
    fail,
    same_dims,
)

if TYPE_CHECKING:
    from ..core import Block, Op, Value

_OPERANDS = {":": 0, "i": 1, "s": 3}


@cache
def spec_operands(spec: str) -> tuple[int, ...]:
    """For each axis, the position of its first operand among the index operands; the total comes last."""
    starts, n = [], 0
    for char in spec:
        starts.append(n)
        n += _OPERANDS[char]
    return (*starts, n)


def region_dims(name: str, x: Type, indices: Sequence[Value], spec: str) -> tuple:
    """Dimensions of the region that a spec and its operands select."""
    if type(spec) is not str or len(spec) != x.rank or not set(spec) <= _OPERANDS.keys():
        fail(f"{name}: spec {spec!r} does not fit {x!r}")
    starts = spec_operands(spec)
    if len(indices) != starts[-1]:
        fail(f"{name}: spec {spec!r} takes {starts[-1]} index operands, not {len(indices)}")
    sizes = [expect_index(name, i) for i in indices]
    return tuple(dim if char == ":" else sizes[k + 1] for char, dim, k in zip(spec, x.dims, starts) if char != "i")


def region_axes(spec: str) -> tuple[int, ...]:
    """The axis of x that each axis of the region runs along."""
    return tuple(k for k, char in enumerate(spec) if char != "i")


def _infer_slice(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_at_least("slice", operands, 1)
    x = array_type("slice", operands[0])
    return [Type(x.dtype, region_dims("slice", x, operands[1:], attrs["spec"]))]


def _infer_update(name: str, takes: frozenset[DType]) -> Callable:
    def infer(operands: tuple[Value, ...], attrs: dict[str, Any], regions: tuple) -> list[Type]:
        expect_at_least(name, operands, 2)
        x, v = array_type(name, operands[0]), array_type(name, operands[1])
        expect_dtype(name, x.dtype, takes)
        dims = region_dims(name, x, operands[2:], attrs["spec"])
        if v.dtype is not x.dtype or not same_dims(v.dims, dims):
            fail(f"{name}: {v!r} into the region {Type(x.dtype, dims)!r} of {x!r}")
        return [x]
    return infer


def _run(start: Array, length: Array, step: Array) -> slice:
    """The Python slice of `length` positions from `start` by `step`."""
    start, length, step = int(start), int(length), int(step)
    if length <= 0:
        return slice(0, 0)
    stop = start + length * step
    return slice(start, stop if stop >= 0 else None, step)


def region(spec: str, indices: tuple[Array, ...]) -> tuple:
    """The NumPy index of a region."""
    starts = spec_operands(spec)
    return tuple(
        slice(None) if char == ":" else int(indices[k]) if char == "i" else _run(*indices[k:k + 3])
        for char, k in zip(spec, starts))


def write_update(op: Op, x: np.ndarray, v: Array, *indices: Array) -> None:
    """`update` into the memory of x; the interpreter uses it where nobody else holds x."""
    x[region(op.attrs["spec"], indices)] = v


def write_update_add(op: Op, x: np.ndarray, v: Array, *indices: Array) -> None:
    x[region(op.attrs["spec"], indices)] += v


def _infer_gather(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_at_least("gather", operands, 1)
    x = array_type("gather", operands[0])
    return [Type(x.dtype, gather_dims("gather", x, operands[1:], attrs))]


def gather_dims(name: str, x: Type, indices: Sequence[Value], attrs: dict[str, Any]) -> tuple:
    """Dimensions of a gather from x."""
    axes, at = expect_axes(name, attrs["axes"], x.rank), attrs["at"]
    if len(indices) != len(axes) or not axes:
        fail(f"{name}: {len(indices)} index arrays for axes {axes!r}")
    shape = indices[0].type
    for i in indices:
        if type(i.type) is not Type or i.type.dtype is not INDEX or not same_dims(i.type.dims, shape.dims):
            fail(f"{name}: index arrays of types {[i.type for i in indices]!r} must be index arrays of one shape")
    rest = drop_axes(x.dims, axes)
    if type(at) is not int or not 0 <= at <= len(rest):
        fail(f"{name}: position {at!r} among {len(rest)} remaining axes")
    return (*rest[:at], *shape.dims, *rest[at:])


def _infer_scatter(name: str, takes: frozenset[DType]) -> Callable:
    def infer(operands: tuple[Value, ...], attrs: dict[str, Any], regions: tuple) -> list[Type]:
        expect_at_least(name, operands, 2)
        x, v = array_type(name, operands[0]), array_type(name, operands[1])
        expect_dtype(name, x.dtype, takes)
        dims = gather_dims(name, x, operands[2:], attrs)
        if v.dtype is not x.dtype or not same_dims(v.dims, dims):
            fail(f"{name}: {v!r} into parts {Type(x.dtype, dims)!r} of {x!r}")
        return [x]
    return infer


def _evaluate_gather(op: Op, x: np.ndarray, *indices: np.ndarray) -> tuple[np.ndarray, ...]:
    axes, at, rank = op.attrs["axes"], op.attrs["at"], np.ndim(indices[0])
    found = np.moveaxis(x, axes, range(len(axes)))[tuple(np.asarray(i, np.int64) for i in indices)]
    return (np.moveaxis(np.asarray(found), range(rank), range(at, at + rank)),)


def _scatter_views(op: Op, x: np.ndarray, v: np.ndarray, indices: tuple[np.ndarray, ...]) -> tuple[np.ndarray,
                   tuple[np.ndarray, ...], np.ndarray]:
    """(x with the indexed axes first, flat index arrays, v as [flat, rest…])."""
    axes, at, shape = op.attrs["axes"], op.attrs["at"], np.shape(indices[0])
    front = np.moveaxis(x, axes, range(len(axes)))
    values = np.moveaxis(np.asarray(v), range(at, at + len(shape)), range(len(shape)))
    count = int(np.prod(shape, dtype=np.int64))
    flat = tuple(np.ascontiguousarray(i, np.int64).reshape(count) for i in indices)
    return front, flat, values.reshape((count, *values.shape[len(shape):]))


def write_scatter(op: Op, x: np.ndarray, v: np.ndarray, *indices: np.ndarray) -> None:
    front, flat, values = _scatter_views(op, x, v, indices)
    front[flat] = values


def write_scatter_add(op: Op, x: np.ndarray, v: np.ndarray, *indices: np.ndarray) -> None:
    front, flat, values = _scatter_views(op, x, v, indices)
    np.add.at(front, flat, values)


# The writing ops on memory that nobody else holds: write(op, x, v, *indices) changes x.
WRITES = {"update": write_update, "update_add": write_update_add, "scatter": write_scatter, "scatter_add": write_scatter_add}


def _evaluate_write(name: str) -> Callable:
    write = WRITES[name]

    def evaluate(op: Op, x: np.ndarray, *rest: np.ndarray) -> tuple[np.ndarray, ...]:
        out = np.array(x, order="C")
        with np.errstate(all="ignore"):
            write(op, out, *rest)
        return (out,)
    return evaluate


def _infer_nonzero(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("nonzero", operands, 2)
    mask = array_type("nonzero", operands[0])
    if mask.dtype is not BOOL or not mask.dims:
        fail(f"nonzero takes a bool array, not {mask!r}")
    return [Type(INDEX, (expect_index("nonzero", operands[1]),))] * mask.rank


def _infer_searchsorted(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("searchsorted", operands, 2)
    grid, x = array_type("searchsorted", operands[0]), array_type("searchsorted", operands[1])
    if grid.rank != 1 or grid.dtype is not x.dtype:
        fail(f"searchsorted takes a grid of rank 1 and values of its dtype, not {grid!r} and {x!r}")
    expect_dtype("searchsorted", x.dtype, ALL)
    expect_choice("searchsorted", "side", attrs["side"], ("left", "right"))
    return [Type(INDEX, x.dims)]


def _evaluate_searchsorted(op: Op, grid: Any, x: Any) -> Any:
    return (np.searchsorted(grid, x, side=op.attrs["side"]).astype(np.int64),)


OpDef("slice", _infer_slice, lambda op, x, *idx: (x[region(op.attrs["spec"], idx)],),
      rule="linear", linear_in=(0,), doc="A region of x.", cost=0, view=True, moves=True, reads=True, folds=True)
OpDef("update", _infer_update("update", ALL), _evaluate_write("update"),
      rule="linear", linear_in=(0, 1), doc="x with a region replaced by v.", overwrites=0)
OpDef("update_add", _infer_update("update_add", ADDED), _evaluate_write("update_add"),
      rule="linear", linear_in=(0, 1), doc="x with v added to a region.", overwrites=0)
OpDef("gather", _infer_gather, _evaluate_gather, rule="linear", linear_in=(0,), doc="Parts of x at arrays of positions.",
      cost=2, moves=True, reads=True, folds=True)
OpDef("scatter", _infer_scatter("scatter", ALL), _evaluate_write("scatter"),
      rule="linear", linear_in=(0, 1), doc="x with parts at arrays of positions replaced by v's; later ones win.", overwrites=0)
OpDef("scatter_add", _infer_scatter("scatter_add", ADDED), _evaluate_write("scatter_add"),
      rule="linear", linear_in=(0, 1), doc="x with v's parts added at arrays of positions.", overwrites=0)
OpDef("nonzero", _infer_nonzero, lambda op, mask, count: tuple(i.astype(np.int64) for i in np.nonzero(mask)),
      doc="The positions of the true elements of a mask, one array an axis.")
OpDef("searchsorted", _infer_searchsorted, _evaluate_searchsorted, doc="Insertion points of x in an ascending grid.", cost=40)
