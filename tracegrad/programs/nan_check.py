"""`check_numerics`: the first op that makes a NaN or an infinity raises, with the user's line and the operands.

    before   %out = div %x, %y : f64[n]
    after    %out = div %x, %y : f64[n]
             %fine = reduce all (isfinite %out)
             if %fine then {} else { look for an element that the op made so;  check … }

An element is *made* NaN where no operand is NaN, and made infinite where all operands are finite: what only passes a NaN or an
infinity on (`min(inf, x)`, `exp(-inf)`) is not reported. Ops that only move elements are not looked at. The search runs only
where something is not finite, so the price is one look at each result.

What is used through a choice alone (`where(x > 0, log(x), 0.0)`; a partial derivative of a branch not taken, which `mulz`
multiplies by 0) is *hidden*: not itself looked at, but the result of the choice is, whatever its hidden operands are.

In a program that has ops of a derivative (their locations say so), a message says which of the two the op belongs to.
"""
from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..ir.build import Builder, const
from ..ir.clone import copy_op, copy_region, mapped
from ..ir.core import Block, Function, Op, Value
from ..ir.errors import SlopeFrame
from ..ir.opdef import OPS, Elementwise, OpDef
from ..ir.types import BOOL, StackType

ERROR = "NumericsError"
_MOVES = frozenset({"select", "stop_gradient", "neg", "real", "imag", "conj", "complex", "max", "min", "abs", "sign"})
_MAKERS = frozenset({"dot", "lu", "lu_solve", "cholesky", "triangular_solve", "scan", "reduce", "cast"})
_SUMS = {"update_add": "slice", "scatter_add": "gather"}       # adds to a part of an array: how that part is read
_VALUES = 6                                                    # numbers that a failed check can report


def note_error_state() -> None:
    """Warns where NumPy is asked to raise or tell of floating-point errors (np.seterr, np.errstate around the call)."""
    loud = {kind: mode for kind, mode in np.geterr().items() if mode not in ("ignore", "warn")}
    if loud:
        asked = ", ".join(f"{kind}={mode!r}" for kind, mode in loud.items())
        warnings.warn(
            f"np.seterr or np.errstate asks for {asked}: compiled code neither warns "
            "nor raises at floating-point errors, unless it runs under tg.config(check_numerics=True)", RuntimeWarning,
            stacklevel=2)


def checked(f: Function) -> Function:
    """The function, which must not contain calls, with every op watched."""
    hidden = _hidden(f.body)
    both = any(map(_of_derivative, f.body.walk()))

    def told(op: Op) -> str:
        return "" if not both else "in the derivative, " if _of_derivative(op) else "in the function itself, "

    def watch(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        return _watch(builder, op, mapping, hidden, told(op))

    def watch_sum(builder: Builder, op: Op, mapping: dict[Value, Value]) -> Any:
        return _watch_sum(builder, op, mapping, told(op))

    custom = {name: watch for name, defn in OPS.items() if _makes(defn) or name == "select"} | dict.fromkeys(_SUMS, watch_sum)
    return Function(f.name, copy_region(Builder(), f.body, {}, custom), f.loc, dict(f.attrs))


def _of_derivative(op: Op) -> bool:
    return bool(op.loc) and isinstance(op.loc[-1], SlopeFrame)


def _makes(defn: OpDef) -> bool:
    """Whether an op can make a NaN or an infinity."""
    if isinstance(defn, Elementwise):
        return defn.name not in _MOVES
    return defn.name in _MAKERS or defn.rule == "special"


def _inexact(v: Value) -> bool:
    return v.type.__class__ is not StackType and v.type.dtype.inexact


_CHOOSES = {"mulz": (1,), "select": (1, 2)}                    # operands that a choice may leave out


def _hidden(body: Block) -> set[Value]:
    """The values that only choices use, directly or through elementwise ops."""
    seen: set[Value] = set()                    # used otherwise
    hidden: set[Value] = set()

    def visit(block: Block) -> None:
        seen.update(block.yields)
        for op in reversed(block.ops):
            for region in op.regions:
                visit(region)
            hidden.update([r for r in op.results if r in used and r not in seen])
            through = isinstance(op.defn, Elementwise) and op.results[0] in hidden
            choices = _CHOOSES.get(op.defn.name, ())
            for k, v in enumerate(op.operands):
                (used if through or k in choices else seen).add(v)

    used: set[Value] = set()
    visit(body)
    return hidden


def _watch(builder: Builder, op: Op, mapping: dict[Value, Value], hidden: set[Value], where: str) -> tuple[Value, ...]:
    results = copy_op(builder, op, mapping)
    if op.defn.name == "reduce" and op.attrs["kind"] in ("max", "min"):         # makes nothing; of nothing it is an infinity
        return results
    chosen = [v in hidden for v in op.operands]
    if op.results[0] in hidden or (op.defn.name == "select" and not any(chosen)):
        return results
    operands = mapped(op.operands, mapping)
    shown = [v for v in operands if _inexact(v)]
    sources = [v for v, h in zip(operands, chosen) if _inexact(v) and not h]
    each = isinstance(op.defn, Elementwise) or op.defn.name == "cast"
    for r, old in zip(results, op.results):
        if _inexact(r):
            _guard(builder, where + _text(op, old), r, shown, sources, each)
    return results


def _watch_sum(builder: Builder, op: Op, mapping: dict[Value, Value], where: str) -> Any:
    """Only the part that is added to is looked at."""
    x, v, *indices = mapped(op.operands, mapping)
    read = _SUMS[op.defn.name]
    before = builder(read, x, *indices, **op.attrs) if _inexact(x) else None
    results = copy_op(builder, op, mapping)
    if before is not None:
        after = builder("add", before, v) if read == "slice" else builder(read, results[0], *indices, **op.attrs)
        _guard(builder, where + _text(op, op.results[0]), after, [before, v], [before, v], read == "slice")
    return results


def _text(op: Op, result: Value) -> str:
    """The op as the IR prints it, in quotes, for a message."""
    def name(v: Value) -> str:
        return repr(v) if v.op is None or v.name else f"({v.op.name})"

    left = f"%{result.name} = " if result.name else ""
    text = f"`{left}{op.name} {', '.join(map(name, op.operands))} : {result.type!r}`"
    return text.replace("{", "{{").replace("}", "}}")


# --- the check ---------------------------------------------------------------------------------------------------------------

def _whole(b: Builder, x: Value, kind: str) -> Value:
    return b.reduce(x, kind, range(x.rank))


def _guard(b: Builder, text: str, r: Value, operands: list[Value], sources: list[Value], each: bool) -> None:
    """Where an element of `r` is not finite, look for one that was made so: that is not so in `sources`, the operands that
    are looked at themselves. `each`: element k comes from elements k."""
    fine = _whole(b, b("isfinite", r), "all")
    search = Block()
    with b.at(search):
        _search(b, text, r, operands, sources, each and all(v.type.dims in ((), r.type.dims) for v in operands))
    b.emit("if", fine, regions=[Block(), search])


def _search(b: Builder, text: str, r: Value, operands: list[Value], sources: list[Value], each: bool) -> None:
    def any_of(test: str) -> Value:
        found = const(False, BOOL)
        for v in sources:
            bad = b(test, v)
            found = b("or", found, bad if each else _whole(b, bad, "any"))
        return found

    had_nan = any_of("isnan")
    made_nan = b("and", b("isnan", r), b("not", had_nan))
    made_inf = b("and", b("isinf", r), b("not", b("or", had_nan, any_of("isinf"))))
    made = b("or", made_nan, made_inf)
    if not r.rank:
        _check(b, b("not", made), text, r, [v for v in operands if not v.rank], None)
        return
    count = b.index(1)
    for d in b.dims(r):
        count = b.iop("mul", count, d)
    # an array without elements is fine, so there is a first one here
    at = b("argreduce", b("reshape", made, count), kind="argmax", axis=0)

    def element(v: Value) -> Value:
        return b("slice", b("reshape", v, count), at, spec="i") if v.rank else v

    _check(b, b("not", _whole(b, made, "any")), text, element(r), [element(v) for v in operands if each or not v.rank], at)


def _check(b: Builder, ok: Value, text: str, value: Value, operands: list[Value], at: Value | None) -> None:
    values: list[Value] = []

    def shown(v: Value) -> str:
        parts = [b("real", v), b("imag", v)] if v.type.dtype.complex else [v]
        if len(values) + len(parts) > _VALUES - (at is not None):
            return "…"
        start = len(values)
        values.extend(parts)
        return f"({{{start}}} + {{{start + 1}}}j)" if len(parts) == 2 else f"{{{start}}}"

    message = f"{text} gives {shown(value)}"
    if operands:
        message += " from " + ", ".join(map(shown, operands))
    if at is not None:
        message += f" at element {{{len(values)}}}, counted in C order"
        values.append(at)
    b.emit("check", ok, *values, error=ERROR, message=message)
