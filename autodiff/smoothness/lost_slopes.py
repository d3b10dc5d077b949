"""Slopes that are lost in an infinity: NaN, where a product of 0 and infinity would be a wrong number.

    u = 1 / c;  y = 1 / (x - u)    at c = 0     y = c / (c x - 1) is 0 there, its slope by c is -1

At a pole u is infinite, y is not. The chain rule has the product of 0 (the slope of y by u) and infinity (that of u by c), and
tells nothing. In reverse mode the 0 comes first, and cannot be told from one that means that nothing depends on u: a branch
that is not taken, another row of a Jacobian; of those 0 is the right product. So before a program is differentiated, y gets a
second path to c, whose slope is NaN where u is infinite by a pole and y is finite again, and 0 elsewhere:

    %u = div 1.0, %c        →   %u = div 1.0, %c;   %m = lost %c, (select (isinf %u), nan, 0.0)
    %y = div 1.0, %d        →   %y = div 1.0, %d;   %y' = surrogate %y, (add %y, (select (isinf %d), %m', 0.0))

where %m' is %m brought along the way from %u to %d. Its value is 0, and it costs nothing but in derivatives. Functions that
forget faster than any power (exp, tanh …) have the slope 0 at poles of powers, as the product has; of logarithms they make
powers again: exp(log(c)) is c.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ...ir.analysis.patterns import number
from ...ir.build import Builder
from ...ir.clone import copy_op, mapped
from ...ir.core import Const, Op, Value
from ..rules.nonfinite_partials import positive
from .bounded_choices import stated

_DEPTH = 8                     # how many ops back from a function a pole is looked for
_LOGARITHMS = frozenset({"log", "log2", "log10"})
# at which operand an op has a pole, of a power of the distance
_POLES = {**dict.fromkeys(_LOGARITHMS, 0), "log1p": 0, "div": 1, "pow": 0, "atanh": 0, "lgamma": 0, "digamma": 0, "gamma": 0}
_LOGARITHMIC = _LOGARITHMS | {"log1p", "atanh", "lgamma"}
# what may be finite at infinite operands, and which these are: of slopes like those of powers, and of faster ones
_SLOWLY = {"div": (1,), "pow": (0,), "atan": (0,), "atan2": (0, 1)}
_FAST = {**dict.fromkeys(("exp", "exp2", "expm1", "tanh", "expit", "log_expit"), (0,)),
         **dict.fromkeys(("logaddexp", "logaddexp2"), (0, 1))}
_CHOOSES = frozenset({"max", "min"})
_BOUNDED = frozenset({"tanh", "expit", "atan", "atan2"})
# what an infinity passes through: the operands that it may come by
_KEEPS = {"add": (0, 1), "sub": (0, 1), "mul": (0, 1), "neg": (0,), "div": (0,), "sqrt": (0,), "abs": (0,)}
_MOVES = frozenset({"broadcast", "reshape", "transpose", "slice", "gather"})
# the same of what a mark is not brought through, in poles.py
_FURTHER = {**dict.fromkeys(("reduce", "scan", "cast", "cbrt", "pow", "log", "log2", "log10", "log1p"), (0,)),
            **dict.fromkeys(("surrogate", "sloped", "real", "imag", "pop", "peek"), (0,)),
            **dict.fromkeys(("update", "update_add", "scatter", "scatter_add", "dot", "max", "min"), (0, 1)),
            **dict.fromkeys(("hypot", "complex", "logaddexp", "logaddexp2", "mulz", "push"), (0, 1)),
            "select": (1, 2), "exchange": (0, 2)}


def lost(rule: Callable | None, builder: Builder, op: Op, mapping: dict[Value, Value], copy: Callable) -> tuple[Value, ...]:
    """The results of an op that forgets infinities, with the slope NaN where it has forgotten that of a pole."""
    results = copy(builder, op, mapping) if rule is None else rule(builder, op, mapping)
    name, operands = op.defn.name, mapped(op.operands, mapping)
    (y,) = results
    if not y.type.dtype.inexact or y.type.dtype.complex:
        return results
    places, poles = (_FAST[name], _LOGARITHMIC) if name in _FAST else (_SLOWLY[name], frozenset(_POLES))
    total = y
    for v in dict.fromkeys(operands[k] for k in places):
        mark = _mark(builder, v, poles, _DEPTH)
        if mark is not None:
            gone = builder("isinf", v)
            if name not in _BOUNDED:
                gone = builder("and", gone, builder("isfinite", y))
            total = builder("add", total, builder("select", gone, mark, builder.const(0, y.type.dtype)))
    return results if total is y else builder.emit("surrogate", y, total)


def _mark(b: Builder, v: Value, poles: frozenset[str], depth: int) -> Value | None:
    """What has the value 0, the dimensions of v, and the slope NaN in what makes v infinite at a pole; None if nothing does."""
    op = v.op
    if op is None or not depth or not v.type.dtype.inexact or v.type.dtype.complex or len(op.results) != 1:
        return None
    name, operands = op.defn.name, op.operands
    if name in poles and _may_vanish(op, operands[_POLES[name]]):
        at = b("select", b("isinf", v), b.const(math.nan, v.type.dtype), b.const(0, v.type.dtype))
        return b("lost", operands[_POLES[name]], at)
    if name in _KEEPS:
        return _sum(b, [_mark(b, operands[k], poles, depth - 1) for k in _KEEPS[name]], v)
    if name in _MOVES or (name == "reduce" and op.attrs["kind"] == "sum"):
        found = _mark(b, operands[0], poles, depth - 1)
        return None if found is None else b(op.defn, found, *operands[1:], **op.attrs)
    if name == "select":
        parts = [_mark(b, x, poles, depth - 1) for x in operands[1:]]
        zero = b.const(0, v.type.dtype)
        return None if parts == [None, None] else b("select", operands[0], *[zero if p is None else p for p in parts])
    if name == "concat":
        return _concatenated(b, op, poles, depth)
    return None


def _may_vanish(op: Op, x: Value) -> bool:
    """Whether a pole may be met: not of a division by a number, nor of a positive power."""
    if op.defn.name == "pow":
        exponent = number(op.operands[1])
        return exponent is None or isinstance(exponent, complex) or exponent < 0
    return x.__class__ is not Const and not (op.defn.name == "div" and positive(x))


def _sum(b: Builder, parts: list[Value | None], like: Value) -> Value | None:
    total = None
    for part in parts:
        if part is not None:
            total = part if total is None else b("add", total, part)
    return total if total is None or total.type.dims or not like.type.dims else b.broadcast(total, like.type.dims)


def _concatenated(b: Builder, op: Op, poles: frozenset[str], depth: int) -> Value | None:
    arrays = [x for x in op.operands if x.type.dtype.inexact]
    parts = {x: _mark(b, x, poles, depth - 1) for x in arrays}
    if not any(part is not None for part in parts.values()):
        return None
    filled = [x if x not in parts else parts[x] or b.zeros_like(x) for x in op.operands]
    return b(op.defn, *filled, **op.attrs)


def with_lost(rules: dict, copy: Callable) -> dict:
    """Rules of copying a program, with those of ops that forget infinities."""
    def of(name: str) -> Callable:
        return lambda builder, op, mapping: lost(rules.get(name), builder, op, mapping, copy)

    return {**rules, **{name: of(name) for name in (*_SLOWLY, *_FAST)}}


def has_pole(op: Op) -> bool:
    """Whether an op is infinite, with its slope, where something vanishes."""
    return op.defn.name in _POLES and _may_vanish(op, vanishing(op))


def vanishing(op: Op) -> Value:
    """The operand of an op with a pole that may vanish there."""
    return op.operands[_POLES[op.defn.name]]


def has_pole_of_power(op: Op) -> bool:
    """Whether it is so, and not as a logarithm is."""
    return has_pole(op) and op.defn.name not in _LOGARITHMIC


def is_fast(op: Op) -> bool:
    """Whether an op forgets an infinity faster than any power."""
    return op.defn.name in _FAST


def chooses(op: Op) -> bool:
    """Whether an op forgets an infinity altogether, where it does not choose it."""
    return op.defn.name in _CHOOSES


def followed(op: Op) -> bool:
    """Whether a mark is brought through an op."""
    name = op.defn.name
    return name in _KEEPS or name in _MOVES or name in ("select", "concat") or (name == "reduce" and op.attrs["kind"] == "sum")


def infinities(op: Op) -> Sequence[int]:
    """The operands that an infinity passes an op by."""
    name = op.defn.name
    if name == "concat":
        return range(len(op.operands))
    return (0,) if name in _MOVES else _KEEPS.get(name) or _FURTHER.get(name) or ()


def forgets_pole(op: Op, k: int, logarithmic: bool) -> bool:
    """Whether an op may be finite where operand k is infinite at a pole; `logarithmic`: at one of a logarithm only."""
    name = op.defn.name
    return k in _SLOWLY.get(name, ()) or (logarithmic and k in _FAST.get(name, ()))


# --- what is undone ----------------------------------------------------------------------------------------------------

_UNDONE = {"sin": "asin", "cos": "acos"}       # functions that undo one of infinite slope at the ends of its domain


def undoing(rule: Callable | None) -> Callable:
    """sin(arcsin(x)) = x: at x = 1 the chain rule has 0 times infinity, of a 0 that rounding has made 6e-17."""
    def state(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        (x,) = mapped(op.operands, mapping)
        if x.op is None or x.op.defn.name != _UNDONE[op.defn.name] or x.type.dtype.complex:
            return copy_op(builder, op, mapping) if rule is None else rule(builder, op, mapping)
        return stated(builder, copy_op(builder, op, mapping), builder.expr(x.op.operands[0]))
    return state
