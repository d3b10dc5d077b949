"""Rewriting rules of elementwise ops: the algebra stands beside each.

`→` holds for every operand, NaN, infinities and signed zeros included; where it does for some dtypes only, that is said.
("integers": index too, which wrap; "reals": floats. A complex product with 1 is not the identity when a part is infinite.)
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..analysis.lengths import larger
from ..analysis.patterns import Operands, Rule, filled, made_by, number, same, spread
from ..build import Builder, const
from ..core import Const, Value
from ..types import BOOL, INDEX, DType

# --- arithmetic -----------------------------------------------------------------------------------------------------------

def _add(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    x, y = operands
    dtype, c = x.type.dtype, number(y)
    if c is None:
        if number(x) is not None:                                       # c + x → x + c
            return b("add", y, x, **attrs)
    elif dtype.integer:
        if c == 0:                                                      # x + 0 → x                       integers
            return spread(b, x, operands)
        if (inner := made_by(x, "add")) and (c0 := number(inner.operands[1])) is not None:
            return b("add", inner.operands[0], _wrapped(c0 + c, dtype))     # (x + c0) + c → x + (c0 + c)     integers
    elif dtype.kind == "f" and c == 0 and math.copysign(1, c) < 0:      # x + -0.0 → x                    reals
        return spread(b, x, operands)
    if (n := made_by(y, "neg")):                                        # x + (-y) → x - y
        return b("sub", x, n.operands[0], **attrs)
    if (n := made_by(x, "neg")):                                        # (-x) + y → y - x
        return b("sub", y, n.operands[0], **attrs)
    if dtype.integer:
        for p, q in ((x, y), (y, x)):                                   # (p' - q) + q → p'               integers
            if (s := made_by(p, "sub")) and s.operands[1] is q:
                return spread(b, s.operands[0], operands)
    return None


def _sub(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    x, y = operands
    dtype, c = x.type.dtype, number(y)
    if dtype.integer:
        return _sub_integers(b, x, y, c, operands)
    if dtype.kind == "f":
        if c == 0 and math.copysign(1, c) > 0:                          # x - 0.0 → x                     reals
            return spread(b, x, operands)
        c = number(x)
        if c == 0 and math.copysign(1, c) < 0:                          # -0.0 - x → -x                   reals
            return spread(b, b("neg", y), operands)
    if (n := made_by(y, "neg")):                                        # x - (-y) → x + y
        return b("add", x, n.operands[0], **attrs)
    return None


def _sub_integers(b: Builder, x: Value, y: Value, c: int | None, operands: Operands) -> Value | None:
    dtype = x.type.dtype
    if c == 0:                                                          # x - 0 → x
        return spread(b, x, operands)
    if same(x, y):                                                      # x - x → 0
        return filled(b, 0, dtype, operands)
    if c is not None and dtype is INDEX:                                # x - c → x + (-c)                index
        return b("add", x, _wrapped(-c, dtype))
    if number(x) == 0:                                                  # 0 - x → -x
        return spread(b, b("neg", y), operands)
    if (n := made_by(y, "neg")):                                        # x - (-y) → x + y
        return b("add", x, n.operands[0])
    if (s := made_by(x, "add")):
        p, q = s.operands
        if same(q, y) or same(p, y):                                    # (p + q) - q → p
            return spread(b, p if same(q, y) else q, operands)
        if (t := made_by(y, "add")) and same(p, t.operands[0]):         # (p + q) - (p + r) → q - r
            return spread(b, b("sub", q, t.operands[1]), operands)
    if (s := made_by(y, "add")) and same(s.operands[0], x):             # x - (x + q) → -q
        return spread(b, b("neg", s.operands[1]), operands)
    if (s := made_by(y, "sub")) and same(s.operands[0], x):             # x - (x - q) → q
        return spread(b, s.operands[1], operands)
    return None


def _wrapped(value: int, dtype: DType) -> Const:
    """An integer constant, modulo the dtype's size."""
    value &= (1 << dtype.bits) - 1
    if dtype.kind != "u" and value >> (dtype.bits - 1):
        value -= 1 << dtype.bits
    return const(value, dtype)


def _mul(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    x, y = operands
    dtype, c = x.type.dtype, number(y)
    if c is None:
        if number(x) is not None:                                       # c * x → x * c
            return b("mul", y, x)
        if (m := made_by(x, "neg")) and (n := made_by(y, "neg")):       # (-x) * (-y) → x * y
            return b("mul", m.operands[0], n.operands[0])
        return None
    if dtype.complex:
        return None
    if c == 1:                                                          # x * 1 → x
        return spread(b, x, operands)
    if c == -1 and dtype.kind != "u":                                   # x * -1 → -x
        return spread(b, b("neg", x), operands)
    if dtype.integer:
        if c == 0:                                                      # x * 0 → 0                       integers
            return filled(b, 0, dtype, operands)
        if (m := made_by(x, "mul")) and (c0 := number(m.operands[1])) is not None:
            return b("mul", m.operands[0], _wrapped(c0 * c, dtype))     # (x * c0) * c → x * (c0 c)       integers
    elif (n := made_by(x, "neg")):                                      # (-x) * c → x * (-c)
        return b("mul", n.operands[0], const(-c, dtype))
    return None


def _div(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    x, y = operands
    dtype, c = x.type.dtype, number(y)
    if dtype.complex:
        return None
    if (m := made_by(x, "neg")) and (n := made_by(y, "neg")):           # (-x) / (-y) → x / y             reals
        return b("div", m.operands[0], n.operands[0])
    if c is None:
        return None
    if c == 1:                                                          # x / 1 → x
        return spread(b, x, operands)
    if c == -1:                                                         # x / -1 → -x
        return spread(b, b("neg", x), operands)
    info = np.finfo(dtype.np)
    if math.isfinite(c) and math.frexp(c)[0] in (0.5, -0.5) and info.tiny <= abs(1 / c) <= info.max and abs(c) >= info.tiny:
        return b("mul", x, const(1 / c, dtype))                         # x / 2**k → x * 2**-k            both normal
    return None


def _floordiv(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    x, y = operands
    if x.type.dtype.integer and number(y) == 1:                         # x // 1 → x                      integers
        return spread(b, x, operands)
    return None


def _mod(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    x, y = operands
    if x.type.dtype.integer and number(y) in (1, -1):                   # x % 1 → 0                       integers
        return filled(b, 0, x.type.dtype, operands)
    return None


def _pow(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    x, y = operands
    dtype, c = x.type.dtype, number(y)
    if c is None:
        return None
    found = None                # of complex numbers: as NumPy but for the sign of a zero and for what overflows
    if c == 1:                                                          # x**1 → x
        found = x
    elif c == 2:                                                        # x**2 → x x                      as NumPy
        found = b("mul", x, x)
    elif c == 3:                                                        # x**3 → x x x                    to 1 ulp
        found = b("mul", x, b("mul", x, x)) if dtype.complex else b("mul", b("mul", x, x), x)
    elif dtype.complex:
        return None
    elif c == 0:                                                        # x**0 → 1                        NaN**0 = 1
        return filled(b, 1, dtype, operands)
    elif c == 4:                                                        # x**4 → (x x)(x x)               to 1.5 ulp
        square = b("mul", x, x)
        found = b("mul", square, square)
    elif dtype.kind != "f":
        return None
    elif c == -1:                                                       # x**-1 → 1 / x                   as NumPy
        found = b("div", const(1, dtype), x)
    elif c == -2:                                                       # x**-2 → (1/x) (1/x)             to 1.5 ulp
        inverse = b("div", const(1, dtype), x)
        found = b("mul", inverse, inverse)
    elif c == 0.5 and x.type.dims and not y.type.dims:                  # x**0.5 → sqrt x                 arrays, as NumPy:
        found = b("sqrt", x)                                            #    of two scalars or two arrays (-inf)**0.5 is inf,
                                                                        #    (-0.0)**0.5 is 0.0
    return None if found is None else spread(b, found, operands)


def _mulz(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    x, y = operands
    c = number(x)                                                       # (all but for the sign of a zero)
    if c is not None and not isinstance(c, complex):
        if c == 0:                                                      # mulz 0, y → 0
            return filled(b, 0, x.type.dtype, operands)
        return b("mul", x, y)                                           # mulz c, y → c * y               c != 0
    c = number(y)
    if c is not None and np.isfinite(c):                                # mulz x, c → x * c               c finite
        return b("mul", x, y)
    return None


def _neg(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    (x,) = operands
    if (n := made_by(x, "neg")):                                        # -(-x) → x
        return n.operands[0]
    if x.type.dtype.integer and (s := made_by(x, "sub")):               # -(x - y) → y - x                integers
        return b("sub", s.operands[1], s.operands[0])
    if x.type.dtype.kind == "f" and (m := made_by(x, "mul")) and (c := number(m.operands[1])) is not None:
        return b("mul", m.operands[0], const(-c, x.type.dtype))         # -(x * c) → x * (-c)             reals
    return None


def _abs(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    (x,) = operands
    if x.type.dtype.complex:
        return None
    if made_by(x, "abs"):                                               # | |x| | → |x|
        return x
    if x.type.dtype.kind != "u" and (n := made_by(x, "neg")):           # |-x| → |x|                      signed
        return b("abs", n.operands[0])
    return None


def _involution(name: str) -> Rule:
    """f(f(x)) → x"""
    def rule(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
        inner = made_by(operands[0], name)
        return inner.operands[0] if inner else None
    return rule


def _idempotent(name: str) -> Rule:
    """f(f(x)) → f(x)"""
    return lambda b, operands, attrs: operands[0] if made_by(operands[0], name) else None


def _extreme(name: str) -> Rule:
    def rule(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
        x, y = operands
        if same(x, y):
            return spread(b, x, operands)                                           # max(x, x) → x
        if x.type.dtype is not INDEX or x.type.dims or y.type.dims or (found := larger(x, y)) is None:
            return None
        return found if name == "max" else y if found is x else x            # max(n - 1, 0) → n - 1, for lengths n >= 2
    return rule


# --- logic and comparison --------------------------------------------------------------------------------------------------

_MIRROR = {"eq": "eq", "ne": "ne", "lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}
_NEGATION = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "gt": "le", "le": "gt"}


def _comparison(name: str) -> Rule:
    def rule(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
        x, y = operands
        dtype = x.type.dtype
        if number(x) is not None and number(y) is None:                 # c < x → x > c
            return b(_MIRROR[name], y, x)
        if not dtype.inexact and same(x, y):                            # x < x → false, x <= x → true    no NaN
            return filled(b, name in ("eq", "le", "ge"), BOOL, operands)
        if dtype is BOOL and name in ("eq", "ne") and (c := number(y)) is not None:
            return spread(b, x if c is (name == "eq") else b("not", x), operands)       # x == true → x
        return None
    return rule


def _not(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    (x,) = operands
    op = x.op
    if op is None:
        return None
    name = op.defn.name
    if name == "not":                                                   # not not x → x
        return op.operands[0]
    if name in ("eq", "ne") or (name in _NEGATION and not op.operands[0].type.dtype.inexact):
        return b(_NEGATION[name], *op.operands)                         # not (x == y) → x != y;  not (x < y) → x >= y  no NaN
    return None


def _logic(absorbing: int, neutral: int) -> Rule:
    """x & 0 → 0, x & ~0 → x (or the other way round for |);  x & x → x"""
    name = "or" if absorbing else "and"

    def rule(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
        x, y = operands
        if same(x, y):
            return spread(b, x, operands)
        c, dtype = number(y), x.type.dtype
        if c is None:
            return b(name, y, x) if number(x) is not None else None
        ones = True if dtype is BOOL else (1 << dtype.bits) - 1 if dtype.kind == "u" else -1
        values = {0: 0, 1: ones}
        if c == values[absorbing]:
            return filled(b, c, dtype, operands)
        return spread(b, x, operands) if c == values[neutral] else None
    return rule


def _xor(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    x, y = operands
    dtype, c = x.type.dtype, number(y)
    if same(x, y):                                                      # x ^ x → 0
        return filled(b, 0, dtype, operands)
    if c is None:
        return b("xor", y, x) if number(x) is not None else None
    if c == 0:                                                          # x ^ 0 → x
        return spread(b, x, operands)
    return spread(b, b("not", x), operands) if dtype is BOOL else None  # x ^ true → not x


def _shift(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    return spread(b, operands[0], operands) if number(operands[1]) == 0 else None       # x << 0 → x


def _select(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    cond, x, y = operands
    c = number(cond)
    if c is not None:                                                   # true ? x : y → x
        return spread(b, x if c else y, operands)
    if same(x, y):                                                      # c ? x : x → x
        return spread(b, x, operands)
    if (n := made_by(cond, "not")):                                     # (not c) ? x : y → c ? y : x
        return b("select", n.operands[0], y, x)
    if x.type.dtype is BOOL and number(x) is not None and number(y) is not None:
        return spread(b, cond if number(x) else b("not", cond), operands)       # c ? true : false → c
    return None


# --- dtypes and parts -------------------------------------------------------------------------------------------------------

def _keeps(source: DType, target: DType) -> bool:
    """Whether every value of one dtype is one of the other."""
    if target is BOOL or (source.kind in "iux" and source.bits == 64 and target.inexact):
        return source is target
    return np.can_cast(source.np, target.np, "safe")


def _cast(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    (x,), target = operands, attrs["dtype"]
    if x.type.dtype is target:                                          # cast to its own dtype → x
        return x
    if (c := made_by(x, "cast")) and _keeps(c.operands[0].type.dtype, x.type.dtype):
        return b.cast(c.operands[0], target)                            # cast (cast x) → cast x          first one exact
    return None


def _part(k: int) -> Rule:
    """real (complex a, b) → a;  imag (complex a, b) → b"""
    def rule(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
        z = made_by(operands[0], "complex")
        return spread(b, z.operands[k], z.operands) if z else None
    return rule


def _complex(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    re, im = made_by(operands[0], "real"), made_by(operands[1], "imag")
    return re.operands[0] if re and im and re.operands[0] is im.operands[0] else None   # complex (real z, imag z) → z

RULES = {
    "add": _add, "sub": _sub, "mul": _mul, "div": _div, "floordiv": _floordiv, "mod": _mod, "pow": _pow, "mulz": _mulz,
    "neg": _neg, "abs": _abs, "conj": _involution("conj"), "invert": _involution("invert"),
    **{name: _idempotent(name) for name in ("floor", "ceil", "trunc", "rint", "stop_gradient")},
    "max": _extreme("max"), "min": _extreme("min"), "not": _not, "and": _logic(0, 1), "or": _logic(1, 0), "xor": _xor,
    "shl": _shift, "shr": _shift, **{name: _comparison(name) for name in _MIRROR}, "select": _select,
    "cast": _cast, "real": _part(0), "imag": _part(1), "complex": _complex,
}
