"""Products that are smooth although their factors are not, said so before a program is differentiated.

    %a = abs %x;   %s = mul %a, %a        →   %s = surrogate (mul %a, %a), (mul %x, %x)
    %r = sqrt %q;  %s = mul %r, %r        →   %s = surrogate (mul %r, %r), %q

At a kink the first derivative of a factor is a convention (abs'(0) = 0, that of sqrt is infinite), which must not become
that of a product in which the kink cancels: by the product rule the second derivative of |x|² at 0 would be 2 sign(0)² = 0
where that of x² is 2. The value stays what the program computes; `surrogate` takes the derivative of the smooth form.

A value is read as a product: kinks with exponents, and the rest. Of a kink with a high enough exponent a power that is smooth
is known (`_POWERS`); sign(x) with |x| is x, and two of sign(x) beside x are 1. Arrays that are only rearranged keep the
property: the square of a broadcast norm is the broadcast square. An odd function of a kink is the kink times a smooth function
of its square, and an even one is such a function (even_functions.py).
"""
from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ...ir.analysis.patterns import number
from ...ir.build import Builder, Expr
from ...ir.clone import copy_op, mapped
from ...ir.core import Op, Value
from ..rules.nonfinite_partials import least
from .bounded_choices import beside, chosen, larger, smaller, stated
from .even_functions import EVEN, ODD, even, odd_share
from .joined_kinks import is_joined, square
from .joined_kinks import parts as parts_of
from .kink_lines import FACTORS_OF, Factors, alike, shown
from .lost_slopes import undoing, with_lost
from .moduli import cube_root, few_rows, larger_and_smaller, largest, line, or_modulus, spread, vanishes_with

_DEPTH = 5                     # levels of products that are looked at: at most 2**5 factors


# --- kinks: what a power of each is -------------------------------------------------------------------------------------

def _square(b: Builder, v: Value) -> Expr:
    """v² for a v that may be a kink itself, or be carried by a loop that has its square beside it."""
    if ("square", v) in b.noted:
        return b.expr(b.noted["square", v])
    found = smooth_power(b, v, 2)
    return found if found is not None else b.expr(v) * b.expr(v)


def _even(base: Callable) -> Callable:
    """A kink of which the square is smooth: |x| and its like."""
    def power(b: Builder, op: Op, exponent: Fraction) -> tuple[Expr, Fraction] | None:
        pairs = exponent // 2
        return (_times(base(b, op), pairs), exponent - 2 * pairs) if pairs else None
    return power


def _times(x: Expr, n: int) -> Expr:
    """x to the n-th, n a positive integer."""
    if n > 4:
        return x ** float(n)
    out = x
    for _ in range(n - 1):
        out = out * x
    return out


def _modulus(b: Builder, op: Op) -> Expr:
    x = b.expr(op.operands[0])
    if not x.dtype.complex:
        return _square(b, x.value)
    return x.real() * x.real() + x.imag() * x.imag()


def _of_first(b: Builder, op: Op) -> Expr:
    return _square(b, op.operands[0])


def _sum_of_squares(b: Builder, op: Op) -> Expr:
    return _square(b, op.operands[0]) + _square(b, op.operands[1])


def _root(part: Callable) -> Callable:
    """A kink that is a fractional power of its operand: `part(op)` says which, None where it is none."""
    def power(b: Builder, op: Op, exponent: Fraction) -> Any:
        share, y = part(op), b.expr(op.operands[0])
        if share is None or (whole := share * exponent // 1) < 1:
            return None
        return _times(y, whole), exponent - whole / share
    return power


def _exponent(op: Op) -> Fraction | None:
    c = number(op.operands[1])
    if isinstance(c, complex) or c is None or not 0 < c < 1:
        return None
    found = Fraction(c).limit_denominator(12)
    return found if float(found) == c and found.numerator == 1 else None


def _opposite(op: Op) -> bool:
    """Whether the operands are x and -x."""
    x, y = op.operands
    return any(p.op is not None and p.op.defn.name == "neg" and p.op.operands[0] is q for p, q in ((x, y), (y, x)))


def _choice(b: Builder, op: Op, exponent: Fraction) -> tuple[Expr, Fraction] | None:
    """max(x, -x) = |x|; of sizes the largest of their powers; and powers of m = max(x, 0): the slope of m² is 2 m, which has
    the mean of its sides' slopes at 0. By the product rule it would be 2 m m', and the second derivative 2 m'², of which m' is
    a mean already."""
    if _opposite(op):
        return _even(_of_first)(b, op, exponent)
    if _of_sizes(op):
        pairs = exponent // 2
        squares = [_square(b, x).value for x in op.operands]
        return (_times(b.expr(b(op.defn, *squares)), pairs), exponent - 2 * pairs) if pairs else None
    x, whole = rectified(op), exponent // 1
    if x is None or whole < 2:
        return None
    m = b.expr(op.results[0])
    slope = (_times(m, whole - 1) * float(whole)).value
    return b.expr(b("sloped", _times(m, whole).stop_gradient().value, x, slope)), exponent - whole


def _of_sizes(op: Op) -> bool:
    """Whether the operands are kinks that are never negative."""
    return all(is_root(x) and least(x) >= 0 for x in op.operands)


def rectified(op: Op) -> Value | None:
    """The x of max(x, 0) and min(x, 0)."""
    for x, other in (op.operands, op.operands[::-1]):
        if number(other) == 0 and x.type.dims == op.results[0].type.dims:
            return x
    return None


MOVES = frozenset({"broadcast", "reshape", "transpose", "slice", "gather"})
_ORDERS = frozenset({"sort", "reduce", "scan"})          # of what is not negative, these order its powers


def _moved(b: Builder, op: Op, exponent: Fraction) -> Any:
    """A rearranged array: its power is the rearranged power."""
    found = smooth_power(b, op.operands[0], exponent)
    return None if found is None else (b.expr(b(op.defn, found.value, *op.operands[1:], **op.attrs)), 0)


def _ordered(b: Builder, op: Op, exponent: Fraction) -> Any:
    """The largest of sizes, or their product, to a power: that of their powers. Of s = Σ |x|, where an x is 0, (s + |x|)² is
    s² + x² and a kink."""
    if exponent < 2 or op.attrs.get("kind") != "sum":
        return _moved(b, op, exponent) if exponent >= 2 else None
    (size,), pairs = op.operands, exponent // 2
    at = b("eq", size, b.const(0, size.type.dtype))
    squares = b("select", at, _square(b, size).value, b.const(0, size.type.dtype))
    s = b.expr(op.results[0])
    return _times(s * s + b.expr(b(op.defn, squares, **op.attrs)), pairs), exponent - 2 * pairs


def _keeps_order(op: Op, depth: int) -> bool:
    (x, *_) = op.operands
    kinds = ("max", "min", "sum") if op.defn.name == "reduce" else ("max", "min")
    kind = op.attrs.get("kind", "max")
    return is_root(x) and _has_kink(x, depth) and (kind == "prod" or (kind in kinds and least(x) >= 0))


def _guarded(b: Builder, op: Op, exponent: Fraction) -> Any:
    """A kink, unless something is no number: its power, unless that is so."""
    found = [smooth_power(b, v, exponent) for v in op.operands[1:]]
    powers = [(b.expr(v) ** float(exponent) if p is None else p).value for v, p in zip(op.operands[1:], found)]
    return None if found == [None, None] else (b.expr(b("select", op.operands[0], *powers)), 0)


def _angle(half_square: Callable, name: str) -> Callable:
    """arccos(x) = 2 arcsin(sqrt(w)) with w = (1 - x)/2, arccosh(x) = 2 arcsinh(sqrt(w)) with w = (x - 1)/2: of the square
    4 w (arcsin(sqrt(w))/sqrt(w))²."""
    def power(b: Builder, op: Op, exponent: Fraction) -> Any:
        pairs = exponent // 2
        if not pairs or op.operands[0].type.dtype.complex:
            return None
        w = half_square(b.expr(op.operands[0]))
        share = odd_share(name, w)
        return _times(4 * w * share * share, pairs), exponent - 2 * pairs
    return power


# op -> (builder, op, exponent) -> (a smooth power of it, the exponent that is left), None where the exponent is too low
_POWERS = {"abs": _even(_modulus), "with_square": _even(lambda b, op: b.expr(op.operands[1])),
           "copysign": _even(_of_first), "hypot": _even(_sum_of_squares),
           "max": _choice, "min": _choice, "select": _guarded,
           **dict.fromkeys(("sqrt", "root"), _root(lambda op: Fraction(1, 2))),
           "cbrt": _root(lambda op: Fraction(1, 3)), **dict.fromkeys(("pow", "norm_root"), _root(_exponent)),
           "acos": _angle(lambda x: (1 - x) * 0.5, "asin"), "acosh": _angle(lambda x: (x - 1) * 0.5, "asinh"),
           "sign": lambda b, op, exponent: None, **dict.fromkeys(MOVES, _moved),
           **dict.fromkeys(_ORDERS, _ordered)}


def _power_of(b: Builder, kink: Value, exponent: Fraction) -> tuple[Expr, Fraction] | None:
    """A smooth power of a kink, and the exponent that is left; None where it is too low."""
    if not is_joined(kink):
        return _POWERS[kink.maker.defn.name](b, kink.maker, exponent)
    pairs = exponent // 2
    if not pairs:
        return None
    return _times(b.expr(square(b, kink, lambda part: smooth_square(b, part))), pairs), exponent - 2 * pairs


def smooth_square(b: Builder, v: Value) -> Value | None:
    found = smooth_power(b, v, 2)
    return None if found is None else found.value


def _is_kink(v: Value, depth: int = _DEPTH) -> bool:
    op = v.maker
    name = op.defn.name
    if depth > 1 and is_joined(v):
        return any(_has_kink(part, depth - 2) for part in parts_of(v))
    if name in ("max", "min"):
        return _opposite(op) or rectified(op) is not None or _of_sizes(op)
    if name in ("pow", "norm_root"):
        return _exponent(op) is not None
    if name in MOVES:
        return _has_kink(op.operands[0], depth - 1)
    if name == "select":
        asked, *choices = op.operands
        return asked.op is not None and asked.op.defn.name == "isnan" and any(_has_kink(x, depth - 1) for x in choices)
    if name in _ORDERS:
        return _keeps_order(op, depth)
    return name in _POWERS


# --- products ---------------------------------------------------------------------------------------------------------------

def _has_kink(v: Value, depth: int = _DEPTH) -> bool:
    """Whether a kink is among the factors of a value."""
    v = shown(v)
    op = v.op
    if op is None or depth <= 0 or not v.type.dtype.inexact:
        return False
    through = FACTORS_OF.get(op.defn.name)
    if op.defn.name in ODD:
        return has_root(op.operands[0], depth - 1)
    if through is None:
        return _is_kink(v, depth)
    return any(_has_kink(x, depth - 1) for x in op.operands[:through])


def is_root(v: Value) -> bool:
    """Whether the square of a value is smooth, or may be, where it is not."""
    v = shown(v)
    if v.op is None or v.type.dtype.complex or v.op.defn.name in ("sign", "cbrt") or not _is_kink(v):
        return False
    return v.op.defn.name not in ("max", "min") or _opposite(v.op) or _of_sizes(v.op)


def has_root(v: Value, depth: int = _DEPTH) -> bool:
    """Whether a value is such a one, or a product with one."""
    v = shown(v)
    if v.op is None or v.type.dtype.complex:
        return False
    return is_root(v) or (v.op.defn.name in FACTORS_OF and _has_kink(v, depth))


def factors(b: Builder, v: Value, depth: int = _DEPTH) -> Factors:
    """A value as a product."""
    if not _has_kink(v, depth):
        return Factors({}, ((v, False),))
    v = shown(v)
    match v.maker.defn.name:
        case "mul":
            return factors(b, v.maker.operands[0], depth - 1) * factors(b, v.maker.operands[1], depth - 1)
        case "neg":
            return -factors(b, v.maker.operands[0], depth - 1)
        case "div":
            return factors(b, v.maker.operands[0], depth - 1).over(v.maker.operands[1])
        case name if name in ODD:
            return _odd(b, v, name)
    return Factors({v: 1})


def _odd(b: Builder, v: Value, name: str) -> Factors:
    """f(r) of an odd f, as r times f(r)/r."""
    r = v.maker.operands[0]
    q = smooth_power(b, r, 2)
    return Factors({}, ((v, False),)) if q is None else factors(b, r) * Factors({}, ((odd_share(name, q).value, False),))


def smooth_power(b: Builder, v: Value, exponent: Any) -> Expr | None:
    """v to an exponent, in a form that is smooth where that is; None where it is smooth already, or nothing is known."""
    found = factors(b, v)
    return smooth_product(b, found.raised(int(exponent))) if found.kinks and exponent == int(exponent) else None


def smooth_product(b: Builder, product: Factors) -> Expr | None:
    """The product with the powers of its kinks in smooth form; None where no kink has a power high enough."""
    kinks, rest, negative = _without_signs(product)
    parts = alike(b, kinks)
    for kink, exponent in list(kinks.items()):
        found = _power_of(b, kink, Fraction(exponent))
        if found is not None:
            parts.append(found[0])
            kinks[kink] = int(found[1])
    if not parts and kinks == product.kinks:
        return None
    if parts and any(kink.maker.defn.name == "sign" for kink in kinks):
        again = Factors(kinks, tuple(rest), negative)
        for part in parts:
            again = again * factors(b, part.value)
        found = smooth_product(b, again)
        return _written(b, kinks, parts, rest, negative) if found is None else found
    return _written(b, kinks, parts, rest, negative)


def _written(b: Builder, kinks: dict, parts: list[Expr], rest: list[tuple], negative: bool) -> Expr | None:
    """A product as an expression."""
    parts += [_times(b.expr(kink), exponent) for kink, exponent in kinks.items() if exponent]
    parts += [b.expr(v) for v, divides in rest if not divides]
    out = None
    for part in parts:
        out = part if out is None else out * part
    for v, divides in rest:
        if divides:
            out = (1.0 / b.expr(v)) if out is None else out / b.expr(v)
    return -out if negative and out is not None else out


def _without_signs(product: Factors) -> tuple[dict, list[tuple], bool]:
    """sign(x) |x| → x, and sign(x)² x → x: (kinks, rest, whether negated) without the signs that cancel."""
    kinks, rest, negative = dict(product.kinks), list(product.rest), product.negative
    for kink in product.kinks:
        if kink.maker.defn.name != "sign":
            continue
        x, c = line(kink.maker.operands[0])
        size = next((k for k in kinks if k.maker.defn.name == "abs" and line(k.maker.operands[0])[0] is x), None)
        if size is not None and (pairs := min(kinks[kink], kinks[size])):
            kinks[kink], kinks[size] = kinks[kink] - pairs, kinks[size] - pairs
            y = size.maker.operands[0]
            rest += [(y, False)] * pairs
            negative ^= pairs % 2 == 1 and (c < 0) != (line(y)[1] < 0)
        if any(not divides and vanishes_with(v, x) for v, divides in rest):
            kinks[kink] %= 2
    return kinks, rest, negative


# --- where a program is copied to be differentiated ----------------------------------------------------------------------

_NEVER_NEGATIVE = frozenset({"abs", "sqrt", "root", "norm_root", "hypot", "acos", "acosh"})
_HIGHEST = 16                  # exponents of powers that are written as products


def _squared_power(b: Builder, v: Value, c: Any) -> Expr | None:
    """(x**y)**c = x**(y c), of a y that is not known before the program runs."""
    if v.op is None or v.op.defn.name != "pow" or number(v.op.operands[1]) is not None or v.type.dtype.complex:
        return None
    x, y = map(b.expr, v.op.operands)
    return x ** (y * c)


def _product(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    results = copy_op(builder, op, mapping)
    a, b = mapped(op.operands, mapping)
    found = factors(builder, a) * factors(builder, b) if _has_kink(a) or _has_kink(b) else Factors({})
    if (both := larger_and_smaller(a, b)) is not None:
        return stated(builder, results, builder.expr(both[0]) * builder.expr(both[1]))
    if (entropy := _times_logarithm(builder, a, b) or _times_logarithm(builder, b, a)) is not None:
        return stated(builder, results, entropy)
    if a is b and (square := _squared_power(builder, a, 2)) is not None:
        return stated(builder, results, square)
    return stated(builder, results, smooth_product(builder, found) if sum(found.kinks.values()) > 1 else None)


_LOGARITHMS = {"log": 1.0, "log2": math.log(2.0), "log10": math.log(10.0)}


def _times_logarithm(b: Builder, x: Value, log: Value) -> Expr | None:
    """x log(y) where x vanishes with y: at 0 its slope has a limit, which the product rule has as 0 times infinity."""
    if log.op is None or log.op.defn.name not in _LOGARITHMS or log.type.dtype.complex:
        return None
    (y,) = log.op.operands
    if not vanishes_with(x, y):
        return None
    return _x_log_y(b, x, y) * (1.0 / _LOGARITHMS[log.op.defn.name])


def _x_log_y(b: Builder, x: Value, y: Value) -> Expr:
    """x log(y): of a root y as that of y², which has no kink, by half."""
    square = smooth_power(b, y, 2) if has_root(y) and least(shown(y)) >= 0 else None
    return b.expr(b("xlogy", x, y)) if square is None else b.expr(b("xlogy", x, square.value)) * 0.5


def _entropy(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """The same of xlogy."""
    results = copy_op(builder, op, mapping)
    x, y = mapped(op.operands, mapping)
    return stated(builder, results, _x_log_y(builder, x, y) if vanishes_with(x, y) and has_root(y) else None)


def _power(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    results = copy_op(builder, op, mapping)
    x, exponent = mapped(op.operands, mapping)
    c = number(exponent)
    if c is None or isinstance(c, complex) or not 2 <= c <= _HIGHEST or c != int(c):
        return results
    known = _squared_power(builder, x, int(c))
    return stated(builder, results, smooth_power(builder, x, c) if known is None else known)


def _inner(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """The sum of the squares of an array of kinks."""
    results = copy_op(builder, op, mapping)
    a, b = mapped(op.operands, mapping)
    axes = op.attrs["contract"][0]
    if a is not b or op.attrs["contract"][1] != axes or len(axes) != len(a.type.dims) or not a.type.dtype.inexact:
        return results
    squares = smooth_power(builder, a, 2)
    return results if squares is None else stated(builder, results, builder.expr(builder.reduce(squares.value, "sum", axes)))


def _reduced(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """The product of few, in which a kink may stand more than once; extremes of few."""
    rows = few_rows(builder, mapped(op.operands, mapping)[0], op.attrs["axes"]) if op.attrs["kind"] == "prod" else None
    if rows is None or not any(map(_has_kink, rows)):
        return largest(builder, op, mapping)
    found = Factors({})
    for row in rows:
        found = found * factors(builder, row)
    return stated(builder, copy_op(builder, op, mapping), smooth_product(builder, found))


def _accumulated(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """The running product of few, likewise."""
    results = copy_op(builder, op, mapping)
    products: list[Expr] = []
    axis, found = op.attrs["axis"], Factors({})
    rows = few_rows(builder, mapped(op.operands, mapping)[0], [axis]) if op.attrs["kind"] == "prod" else None
    if rows is None or not any(map(_has_kink, rows)):
        return results
    for row in rows[::-1] if op.attrs["reverse"] else rows:
        found = found * factors(builder, row)
        smooth = smooth_product(builder, found)
        plain = builder.expr(row) if not products else products[-1] * builder.expr(row)
        products.append(plain if smooth is None else smooth)
    dims = [1 if k == axis else d for k, d in enumerate(results[0].type.dims)]
    parts = [builder.reshape(x.value, dims) for x in (products[::-1] if op.attrs["reverse"] else products)]
    return stated(builder, results, builder.expr(builder("concat", *parts, axis=axis)))


def _even_function(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """f(|x|) = f(x) of an even f, and f(sqrt(q)) as a function of q."""
    results = copy_op(builder, op, mapping)
    x = mapped(op.operands, mapping)[-1]
    if not has_root(x) or (op.defn.name == "bessel_i" and number(op.operands[0]) != 0):
        return results
    x = shown(x)
    if x.op is not None and x.op.defn.name in ("abs", "copysign") and not x.op.operands[0].type.dtype.complex:
        operands = *mapped(op.operands, mapping)[:-1], x.op.operands[0]
        return stated(builder, results, builder.expr(builder(op.defn, *operands)))
    q = smooth_power(builder, x, 2) if op.defn.name in EVEN else None
    return results if q is None else stated(builder, results, even(op.defn.name, q))


def _hypot(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """The root of the sum of two squares, one of them that of a kink."""
    results = copy_op(builder, op, mapping)
    squares = [(smooth_power(builder, x, 2), builder.expr(x)) for x in mapped(op.operands, mapping)]
    if all(square is None for square, _ in squares):
        return results
    total, other = (x * x if square is None else square for square, x in squares)
    return stated(builder, results, (total + other).root())


def _modulus_of(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """|r| = r of a root, and of a square; |-r| = r of a square."""
    results = copy_op(builder, op, mapping)
    (x,) = mapped(op.operands, mapping)
    side = 0 if x.type.dtype.complex else 1 if least(shown(x)) >= 0 else beside(x, 0.0)
    return stated(builder, results, builder.expr(x) if side > 0 else -builder.expr(x)) if side else results


def _signed(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """copysign(|x|, x) = |x| sign(x) = x, and its like."""
    results = copy_op(builder, op, mapping)
    size, x = mapped(op.operands, mapping)
    if not is_root(size) or shown(size).maker.defn.name not in _NEVER_NEGATIVE | {"pow"}:
        return results
    return stated(builder, results, smooth_product(builder, factors(builder, size) * Factors({builder("sign", x): 1})))


_MODULI = {"mul": _product, "abs": _modulus_of, "hypot": _hypot, "copysign": _signed, "pow": _power, "norm_root": copy_op,
           "max": larger, "min": smaller, "sqrt": copy_op, "root": copy_op, "cbrt": cube_root}
STATED = with_lost({"dot": _inner, "xlogy": _entropy, "select": chosen, "reduce": _reduced, "scan": _accumulated,
                    "sub": spread,
                    **{name: or_modulus(rule) for name, rule in _MODULI.items()},
                    **dict.fromkeys(("cosh", "j0", "bessel_i"), _even_function),
                    "sin": undoing(None), "cos": undoing(_even_function)}, copy_op)
