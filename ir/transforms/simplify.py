"""Rewrites of single ops, from tables keyed by the op: the peephole of `build.Builder`.

A rule takes (builder, operands, attrs) and returns the value that replaces the op (or a tuple of them), or None. It may emit
other ops; each step is nearer to the normal form (constants right, fewer ops), so rewriting ends.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from ..analysis.patterns import Operands, made_by, number, same, scalar_in, spread
from ..build import Builder, const, make_op
from ..core import Const, Value
from ..opdef import LIGHT, Elementwise, OpDef
from ..thresholds import sizes
from ..types import Dim, Type
from . import simplify_arrays, simplify_scalars


def peephole(builder: Builder, defn: OpDef, operands: Operands, attrs: dict) -> tuple[Value, ...] | None:
    """The results that replace an op, or None where it stays."""
    name = defn.name
    rule = RULES.get(name)
    if defn.__class__ is Elementwise or defn.folds:
        for v in operands:
            if v.__class__ is not Const or not v.frozen or v.data.size > sizes.folded:
                break
        else:
            found = _fold(defn, cast("tuple[Const, ...]", operands), attrs)
            if found is not None:
                return found
        if defn.__class__ is Elementwise:
            for rewrite in (_splat, simplify_arrays.regrouped):
                if (found := rewrite(builder, defn, operands, attrs)) is not None:
                    return found
    if rule is not None:
        found = rule(builder, operands, attrs)
        if found is not None:
            return found if isinstance(found, tuple) else (found,)
    return None


def expanding(kept: frozenset[str]) -> Callable:
    """`peephole`, where ops that have a formula instead of a recipe give way to it, the last step before lowering; those of
    the names in `kept` stay."""
    def rewrite(builder: Builder, defn: OpDef, operands: Operands, attrs: dict) -> tuple[Value, ...] | None:
        found = peephole(builder, defn, operands, attrs)
        if found is not None or defn.__class__ is not Elementwise or defn.formula is None or defn.name in kept:
            return found
        return (builder.broadcast(defn.formula(*map(builder.expr, operands)).value, _dims(operands)),)

    return rewrite


def _dims(operands: Operands) -> tuple[Dim, ...]:
    """The dimensions of an elementwise result."""
    return next((v.type.dims for v in operands if v.type.dims), ())


# --- folding --------------------------------------------------------------------------------------------------------------

# besides elementwise ops; `broadcast` and `iota` stay, since they say more than an array of numbers
def _fold(defn: OpDef, operands: tuple[Const, ...], attrs: dict) -> tuple[Value, ...] | None:
    """An op on small constants is evaluated."""
    op, meaning = make_op(defn, operands, attrs), defn.evaluate
    if meaning is None or any(type(r.type) is not Type or r.type.count > sizes.folded for r in op.results):
        return None
    try:
        results = meaning(op, *[v.data if v.data.ndim else v.data[()] for v in operands])
    except IndexError:              # a position outside: in code that a check above it never reaches
        return None
    return tuple([const(r, v.type.dtype) for v, r in zip(op.results, results)])


def _splat(b: Builder, defn: OpDef, operands: Operands, attrs: dict) -> tuple[Value, ...] | None:
    """f(broadcast a, y) → f(a, y);   f(broadcast a, broadcast b) → broadcast f(a, b)"""
    scalars = None
    for k, v in enumerate(operands):
        if v.type.dims and (s := scalar_in(v)) is not None:
            if scalars is None:
                scalars = list(operands)
            scalars[k] = s
    if scalars is None:
        return _repeated(b, defn, operands, attrs) if defn.cost >= LIGHT else None
    results = b.emit(defn, *scalars, **attrs)
    return tuple([spread(b, r, operands) for r in results])


def _repeated(b: Builder, defn: OpDef, operands: Operands, attrs: dict) -> tuple[Value, ...] | None:
    """f(broadcast x, broadcast y) → broadcast f(x, y), of arrays of the same dimensions: 1 / row, once for all rows"""
    inner: list[Value] = []
    for v in operands:
        repeats = made_by(v, "broadcast") if v.type.dims else None
        if v.type.dims and repeats is None:
            return None
        inner.append(v if repeats is None else repeats.operands[0])
    if len({x.type.dims for x in inner if x.type.dims}) != 1:
        return None
    dims = _dims(operands)
    return tuple([b.broadcast(r, dims) for r in b.emit(defn, *inner, **attrs)])


# --- checks -------------------------------------------------------------------------------------------------------------------

def _wrap(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    i, n = operands
    p, q = number(i), number(n)
    if p is not None and q is not None:
        return b.index(p % q) if -q <= p < q else None                  # wrap of a number within bounds
    if (w := made_by(i, "wrap")) and same(w.operands[1], n):            # wrap (wrap i, n), n → wrap i, n
        return i
    return None


def _check(b: Builder, operands: Operands, attrs: dict[str, Any]) -> tuple[Value, ...] | None:
    return () if number(operands[0]) else None                          # check true → nothing


RULES = {**simplify_scalars.RULES, **simplify_arrays.RULES, "wrap": _wrap, "check": _check}
