"""`check_numerics`: the first op that makes a NaN or an infinity raises, with the user's line and the operands.

    before   %out = div %x, %y : f64[n]
    after    %out = div %x, %y : f64[n]
             %fine = reduce all (isfinite %out)
             if %fine then {} else { look for an element that the op made so;  check … }

An element is *made* NaN where no operand is NaN, and made infinite where all operands are finite: what only passes a NaN or an
infinity on (`min(inf, x)`, `exp(-inf)`, a `where` around a branch that was not taken) is not reported. Ops that only move
elements are not looked at. The search runs only where something is not finite, so the price is one look at each result.
"""
from __future__ import annotations

from collections.abc import Callable

from .ir.build import Builder, const
from .ir.core import Block, Function, Op, Value
from .ir.opdef import Elementwise
from .ir.rewrite import copy_op, copy_region, dims_of, mapped
from .ir.types import BOOL, StackType

ERROR = "FloatingPointError"
_MOVES = frozenset({"select", "stop_gradient", "neg", "real", "imag", "conj", "complex", "max", "min", "abs", "sign"})
_SHOWN = 4                                    # operands in a message


def checked(f: Function) -> Function:
    """The function with every op watched."""
    custom: dict[str, Callable] = {}
    for g in f.callees():
        for op in g.body.walk():
            if _watched(op):
                custom[op.defn.name] = _watch
            elif op.defn.name == "call":
                raise AssertionError("calls are inlined before numerics are checked")
    body = copy_region(Builder(), f.body, {}, custom)
    return Function(f.name, body, f.loc, dict(f.attrs))


def _inexact(v: Value) -> bool:
    return v.type.__class__ is not StackType and v.type.dtype.inexact


def _watched(op: Op) -> bool:
    """Whether an op can make a NaN or an infinity."""
    if op.regions or op.defn.effect and not op.results or not any(_inexact(r) for r in op.results):
        return False
    if op.defn.name in _MOVES:
        return False
    if isinstance(op.defn, Elementwise):
        return True
    return op.defn.name in ("dot", "lu", "lu_solve", "cholesky", "triangular_solve", "scan", "reduce", "cast", "scatter_add",
                            "update_add") or op.defn.rule == "special"


def _watch(builder: Builder, op: Op, mapping):
    results = copy_op(builder, op, mapping)
    if not _watched(op):
        return results
    operands = [v for v in mapped(op.operands, mapping) if _inexact(v)]
    for r, old in zip(results, op.results):
        if _inexact(r):
            _guard(builder, op, r, old, operands)
    return results


def _whole(b: Builder, x: Value, kind: str) -> Value:
    return b.reduce(x, kind, range(x.rank))


def _guard(b: Builder, op: Op, r: Value, old: Value, operands) -> None:
    fine = _whole(b, b("isfinite", r), "all")
    search = Block()
    with b.at(search):
        same = isinstance(op.defn, Elementwise) or op.defn.name == "cast"
        _search(b, op, r, old, operands, same and all(v.type.dims in ((), r.type.dims) for v in operands))
    b.emit("if", fine, regions=[Block(), search])


def _search(b: Builder, op: Op, r: Value, old: Value, operands, elementwise: bool) -> None:
    """Emit the search for an element that the op made NaN or infinite, and the check that reports it."""
    def any_of(test: str) -> Value:
        found = const(False, BOOL)
        for v in operands:
            bad = b(test, v)
            found = b("or", found, bad if elementwise else _whole(b, bad, "any"))
        return found

    had_nan = any_of("isnan")
    made_nan = b("and", b("isnan", r), b("not", had_nan))
    made_inf = b("and", b("isinf", r), b("not", b("or", had_nan, any_of("isinf"))))
    made = b("or", made_nan, made_inf)
    ok = b("not", _whole(b, made, "any"))
    if not r.rank:
        b.emit("check", ok, *_reals(b, r), *_numbers(b, operands), error=ERROR, message=_message(op, old, operands, None, r))
        return
    count = b.index(1)
    for d in b.dims(r):
        count = b.iop("mul", count, d)
    flat = b("reshape", made, count)
    # an empty array is always fine, so there is a first element here
    at = b("argreduce", b.cast(flat, _I8), kind="argmax", axis=0)
    value = _element(b, r, at, count)
    shown = [v if not v.rank else _element(b, v, at, count) for v in operands] if elementwise else [v for v in operands if not v.rank]
    b.emit("check", ok, *_reals(b, value), *_numbers(b, shown), at, error=ERROR,
           message=_message(op, old, operands if elementwise else shown, len(shown[:_SHOWN]), r))


def _element(b: Builder, x: Value, at: Value, count: Value) -> Value:
    return b("slice", b("reshape", x, count), at, spec="i")
