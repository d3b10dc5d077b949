"""Structured control: the types of its results. The grammar stands at the top of ir/core.py; ir/interp.py runs it.

A length may itself be carried: `for … carry(%n = %n0, %a = %a0) : (index, f64[%n])`. The parameters then say which position
of the tuple each dimension refers to, and the inits, the yields and the results must refer to the same position:

    inits    %n0, %a0 : f64[%n0]         yields   %n1, %a1 : f64[%n1]         results   %n', %a' : f64[%n']

`infer` returns types that name such a length as `core.result_dim(position)`; `build.make_op` puts the result in its place.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core import Block, Value, as_dim, result_dim, subst_type
from ..opdef import OpDef
from ..types import BOOL_SCALAR, INDEX_SCALAR, Dim, StackType, Type
from .common import array_type, expect_at_least, expect_count, expect_index, fail, same_dim


def _fit(where: str, params: tuple[Value, ...], actual: Sequence[Value]) -> None:
    """Whether the values have the types of the parameters that they become."""
    if len(params) != len(actual):
        fail(f"{where}: {len(actual)} values for {len(params)} parameters")
    mapping = dict(zip(params, actual))
    for param, value in zip(params, actual):
        expected = subst_type(param.type, mapping)
        if value.type != expected:
            fail(f"{where}: {value!r} has type {value.type!r} where {expected!r} is expected")


def _element(t: Type) -> Type:
    while isinstance(t, StackType):
        t = t.element
    return t


def _result_types(params: tuple[Value, ...]) -> list:
    """The parameters' types, with each dimension that is a parameter written as the result at its position."""
    mapping = {p: result_dim(k) for k, p in enumerate(params)}
    return [subst_type(p.type, mapping) for p in params]


# --- if ---------------------------------------------------------------------------------------------------------------


def _infer_if(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("if", operands, 1)
    if operands[0].type != BOOL_SCALAR:
        fail(f"if takes a bool scalar, not {operands[0].type!r}")
    _expect_regions("if", regions, (0, 0))
    then, other = regions[0].yields, regions[1].yields
    if len(then) != len(other):
        fail(f"if: one branch yields {len(then)} values, the other {len(other)}")
    return [_join(k, then, other) for k in range(len(then))]


def _join(k: int, then: tuple[Value, ...], other: tuple[Value, ...]) -> Type:
    """The common type of what the branches yield at position k: a dimension is one outside both, or yielded at one position."""
    a, b = then[k].type, other[k].type
    if a == b and _element(a).static:
        return a
    ea, eb = _element(a), _element(b)
    if ea.dtype is not eb.dtype or ea.rank != eb.rank or _depth(a) != _depth(b):
        fail(f"if: the branches yield {a!r} and {b!r} at position {k}")
    dims = tuple(_join_dim(k, x, y, then, other) for x, y in zip(ea.dims, eb.dims))
    joined = Type(ea.dtype, dims)
    for _ in range(_depth(a)):
        joined = StackType(joined)
    return joined


def _depth(t: Type) -> int:
    return 1 + _depth(t.element) if isinstance(t, StackType) else 0


def _join_dim(k: int, a: Dim, b: Dim, then: tuple[Value, ...], other: tuple[Value, ...]) -> Dim:
    if same_dim(a, b):
        return a
    for j, (x, y) in enumerate(zip(then, other)):
        if x.type == INDEX_SCALAR and same_dim(as_dim(x), a) and same_dim(as_dim(y), b):
            return result_dim(j)
    fail(f"if: the branches yield lengths {a!r} and {b!r} at position {k}, and do not yield them as values")


# --- for, while, map, call --------------------------------------------------------------------------------------------


def _infer_for(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_at_least("for", operands, 1)
    expect_index("for", operands[0])
    _expect_regions("for", regions, (len(operands),))
    (body,) = regions
    if body.params[0].type != INDEX_SCALAR:
        fail(f"for: the counter has type {body.params[0].type!r}")
    carried = body.params[1:]
    _fit("for, on entry", carried, operands[1:])
    _fit("for, yields", carried, body.yields)
    return _result_types(carried)


def _infer_while(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    _expect_regions("while", regions, (len(operands), len(operands)))
    cond, body = regions
    for region in regions:
        _fit("while, on entry", region.params, operands)
    if len(cond.yields) != 1 or cond.yields[0].type != BOOL_SCALAR:
        fail("while: the condition must yield one bool scalar")
    _fit("while, yields", body.params, body.yields)
    return _result_types(body.params)


def _infer_map(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("map", operands, 1)
    trip = expect_index("map", operands[0])
    _expect_regions("map", regions, (1,))
    (body,) = regions
    if body.params[0].type != INDEX_SCALAR:
        fail(f"map: the counter has type {body.params[0].type!r}")
    return [Type(t.dtype, (trip, *t.dims)) for t in (array_type("map", v) for v in body.yields)]


def _infer_call(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    callee = attrs["callee"]
    _fit(f"call of @{callee.name}", callee.params, operands)
    mapping = {v: result_dim(k) for k, v in enumerate(callee.results)} | dict(zip(callee.params, operands))
    return [subst_type(t, mapping) for t in callee.result_types]


def _expect_regions(name: str, regions: Sequence[Block], params: tuple[int, ...]) -> None:
    if len(regions) != len(params) or any(len(r.params) != n for r, n in zip(regions, params)):
        fail(f"{name}: {len(regions)} regions with {[len(r.params) for r in regions]} parameters, "
             f"where {list(params)} parameters are expected")


OpDef("if", _infer_if, rule="control", doc="One of two branches.")
OpDef("for", _infer_for, rule="control", doc="A counted loop with carried values.", loop=True)
OpDef("while", _infer_while, rule="control", doc="A loop with a condition on its carried values.", loop=True)
OpDef("map", _infer_map, rule="control", doc="Independent iterations; the yields are stacked along a new first axis.",
      loop=True)
OpDef("call", _infer_call, rule="control", doc="A call of another function.")
