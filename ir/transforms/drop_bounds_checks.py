"""Taking bounds checks out: `boundscheck=False`.

    wrap i, n              ->  select(i < 0, i + n, i)
    check c {BoundsError}  ->
"""
from __future__ import annotations

from typing import Any

from ..build import Builder
from ..clone import copy_region, mapped
from ..core import Function, Op, Value
from .simplify import peephole


def without_bounds_checks(f: Function) -> Function:
    """A copy of the function that does not look whether indices are inside their axes. Other checks stay."""
    body = copy_region(Builder(peephole=peephole), f.body, {}, {"wrap": _wrap, "check": _check})
    return Function(f.name, body, f.loc, dict(f.attrs))


def _wrap(builder: Builder, op: Op, mapping: dict[Value, Value]) -> Any:
    i, n = mapped(op.operands, mapping)
    negative = builder("lt", i, builder.index(0))
    return (builder("select", negative, builder("add", i, n), i),)


def _check(builder: Builder, op: Op, mapping: dict[Value, Value]) -> Any:
    if op.attrs["error"] == "BoundsError":
        return ()
    return builder.emit(op.defn, *mapped(op.operands, mapping), **op.attrs)
