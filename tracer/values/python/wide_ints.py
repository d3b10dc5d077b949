"""Python ints from 2**63 up to 2**64, as masks and hashes make them: ScalarBoxes of Python's int whose values are unsigned.

    h = ((h ^ b) * 0x100000001b3) & 0xFFFFFFFFFFFFFFFF      %1 = unsigned %b;  %2 = xor %h, %1;  %3 = mul %2, 1099511628211
                                                            %4 = unsigned %3

A mask of 64 bits gives such a number, and so do bits, sums, products and left shifts of them; what is surely smaller (a
remainder, a mask of fewer bits, a right shift) is an ordinary int again. Each step is checked for being exact; where a mask
keeps the low bits only, ir/transforms/overflow_checks.py takes the checks out. Whatever has no rule here is that of ordinary
ints, which raises OverflowError from 2**63 on.
"""
from __future__ import annotations

from ....ir.build import Builder, const
from ....ir.core import Const, Value
from ....ir.types import BOOL, F64, I64, INDEX, U64
from ... import tracing
from ..boxes import Box, ScalarBox
from . import ints

ALL = 2**64 - 1


def is_wide(x: int | Box) -> bool:
    """Whether a Python int, traced or not, is held unsigned, or has to be."""
    if isinstance(x, Box):
        return x.weak == "int" and x.dtype_ir is U64
    return type(x) is int and 2**63 <= x <= 2**64


def unsigned(x: int | Box, exact: bool = True) -> Value:
    """A Python int as an unsigned number; of one that is no such number its low bits, or with `exact` an error."""
    if not isinstance(x, Box):
        return const(int(x) & ALL, U64)
    builder, value = tracing.current().builder, x.read()
    if value.type.dtype is U64:
        return value
    value = value if value.type.dtype is I64 else builder.cast(value, I64)
    if exact:
        _check(builder("unsigned_fits", value), value)
    return builder("unsigned", value)


def signed(value: Value) -> Value:
    """An unsigned Python int as an ordinary one, or an error."""
    builder = tracing.current().builder
    _check(builder("signed_fits", value), value)
    return builder("signed", value)


def _check(fits: Value, value: Value) -> None:
    tracing.current().builder.emit("check", fits, value, error="OverflowError",
                                   message="{0} is not within the 64 bits, with or without a sign, in which compiled code "
                                           "holds Python's ints here")


def binary(name: str, a: int | Box, b: int | Box) -> ScalarBox | None:
    """a `name` b of two ints, at least one of them wide; None where ordinary ints decide."""
    rule = _RULES.get(name)
    return rule(name, a, b) if rule is not None else None


def _made(value: Value) -> ScalarBox:
    return ScalarBox(value, "int")


def _and(name: str, a: int | Box, b: int | Box) -> ScalarBox:
    """Exact for negative numbers, too: the other one has no bits beyond 64."""
    builder = tracing.current().builder
    for mask, x in ((a, b), (b, a)):
        known = _known(mask)
        if known is not None and known <= ALL:
            return _masked(builder, x, known)
    return _made(builder("and", unsigned(a, exact=False), unsigned(b, exact=False)))


def _known(x: int | Box) -> int | None:
    """The number, where it is known and not negative."""
    if isinstance(x, Box):
        value = x.read()
        x = value.data.item() if isinstance(value, Const) and value.frozen else -1
    return int(x) if x >= 0 else None


def _masked(builder: Builder, x: int | Box, mask: int) -> ScalarBox:
    if mask < 2**63:                                          # of an unsigned number
        value = x.read() if isinstance(x, Box) else const(x & mask, I64)
        low = builder("signed", value) if value.type.dtype is U64 else value
        return _made(builder("and", low, const(mask, I64)))
    low = builder("unsigned", unsigned(x, exact=False))        # also of unsigned numbers: it says that low bits are enough
    return _made(low if mask == ALL else builder("and", low, const(mask, U64)))


def _exact(name: str, a: int | Box, b: int | Box) -> ScalarBox | None:
    if any(not isinstance(x, Box) and x > ALL for x in (a, b)):
        return None
    x, y = unsigned(a), unsigned(b)
    if name in ("add", "sub", "mul"):
        ints.expect_fit(name, x, y)
    return _made(tracing.current().builder(name, x, y))


def _shift(name: str, a: int | Box, b: int | Box) -> ScalarBox | None:
    if not isinstance(a, Box) or not is_wide(a):
        return None
    builder, count = tracing.current().builder, _known(b)
    if count is None or count > 63:
        return None
    by = const(count, U64)
    if name == "lshift":
        ints.expect_fit("shl", a.read(), by)
        return _made(builder("shl", a.read(), by))
    found = builder("shr", a.read(), by)
    return _made(builder("signed", found) if count else found)


def _divide(name: str, a: int | Box, b: int | Box) -> ScalarBox | None:
    """By a known positive number."""
    divisor = _known(b)
    if not divisor:
        return None
    builder = tracing.current().builder
    if name == "mod" and divisor & (divisor - 1) == 0:
        return _masked(builder, a, divisor - 1)
    if not is_wide(a) or not isinstance(a, Box) or divisor > ALL:
        return None
    found = builder(name, a.read(), const(divisor, U64))
    small = divisor > 1 if name == "floordiv" else divisor <= 2**63
    return _made(builder("signed", found) if small else found)


def _quotient(name: str, a: int | Box, b: int | Box) -> ScalarBox | None:
    """By a known number, as a float."""
    divisor = _known(b)
    if not divisor or not isinstance(a, Box):
        return None
    builder = tracing.current().builder
    return ScalarBox(builder("div", builder.cast(a.read(), F64), const(float(divisor), F64)), "float")


def _compare(name: str, a: int | Box, b: int | Box) -> ScalarBox:
    """A negative number is less than every unsigned one."""
    builder = tracing.current().builder
    if any(not isinstance(x, Box) and x > ALL for x in (a, b)):
        return ScalarBox(const(name in (("lt", "le", "ne") if isinstance(a, Box) else ("gt", "ge", "ne")), BOOL), "bool")
    found = builder(name, unsigned(a, exact=False), unsigned(b, exact=False))
    for x, less in ((a, ("lt", "le", "ne")), (b, ("gt", "ge", "ne"))):
        if not is_wide(x):
            value = x.read() if isinstance(x, Box) else const(int(x), I64)
            value = builder.cast(value, I64) if value.type.dtype in (INDEX, BOOL) else value
            negative = builder("lt", value, const(0, I64))
            found = builder("or", negative, found) if name in less else builder("and", builder("not", negative), found)
    return ScalarBox(found, "bool")


_RULES = {"and": _and, **dict.fromkeys(("or", "xor", "add", "sub", "mul"), _exact),
          **dict.fromkeys(("lshift", "rshift"), _shift), **dict.fromkeys(("floordiv", "mod"), _divide), "truediv": _quotient,
          **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), _compare)}
