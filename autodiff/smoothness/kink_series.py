"""Functions of a kink in which it cancels between factors or terms: by their series, at the kink.

    g = (1 + r) exp(-r),  r = sqrt(q)       at 0       1 - q/2 + r³/3 - …    whose derivative by q is -1/2

The chain rule has g'(r) r', of which g'(0) is 0 and r' is no number, or a convention. So where a value g is made of a kink r
element by element, the derivative takes r for a constant where it is 0, and adds what the series says:

    %c = select (eq %r, 0.0), 0.0, %r                g is computed with %c in place of %r, which is the same number
    %s = surrogate %g, (add %g, (sloped 0.0, %r, (select (eq %r, 0.0), g'(r), 0.0)),
                                (sloped 0.0, %q, (select (eq %r, 0.0), g''(r)/2, 0.0)))

g'(0) times the slope of r, which counts as 0 where g'(0) is, and g''(0)/2 times that of q = r², which is smooth. Where g'(0)
is not 0 there is a kink; its second derivative is the mean of those of both sides. A value that has r only once, in functions
whose slope is not 0 (exp(-r), 1 + r), has a kink for certain and stays as it is. So does what has a pole at r = 0.

The slopes are made with the declared partial derivatives of the ops that g consists of.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

from ...ir.analysis.patterns import number
from ...ir.build import Builder, Expr
from ...ir.clone import mapped
from ...ir.core import Block, Const, Op, Value
from ...ir.types import StackType
from ..activity import inexact
from ..multiplicity.vector_mixing import of_each, slope_of
from .even_functions import EVEN
from .joined_kinks import is_blank, is_joined
from .joined_kinks import parts as parts_of
from .kink_products import MOVES, has_root, is_root, smooth_power

_DEEP = 24                     # how many ops behind a kink functions of it are followed
_MOST = 2                      # of how many kinks
_CHOICES = frozenset({"max", "min"})
_ROOTS = frozenset({"abs", "copysign", "hypot", "sqrt", "root", "with_square", *_CHOICES})
_OF_SQUARES = frozenset({"abs", "copysign", "hypot", "with_square", *_CHOICES})
# What may have the slope 0 where its operand has not, for some parameters: even functions, powers above 1, densities.
_FLAT = frozenset({
    *EVEN, "pow", "jv", "bessel_i", "iv", "struve", "modstruve", "integral_struve", "integral_modstruve", "spherical_jn",
    "spherical_in", "ber", "bei", "jacobi_cn", "jacobi_dn", "pbdv", "bell", "cosm1", "cosdg", "voigt_profile", "owens_t",
    "fresnel_s", "pseudo_huber", "kl_div", "gammainc", "gammaincc", "gamma_density", "chdtr", "chdtrc", "gdtr", "gdtrc",
    "betainc", "betaincc", "beta_density", "fdtr", "fdtrc", "j0", "eval_chebyt", "eval_chebyu", "eval_chebyc", "eval_chebys",
    "eval_gegenbauer", "eval_jacobi", "eval_legendre", "eval_chebyt_n", "eval_chebyu_n", "eval_chebyc_n", "eval_chebys_n",
    "eval_gegenbauer_n", "eval_jacobi_n", "eval_legendre_n", "eval_hermite_n", "eval_hermitenorm_n", "eval_sh_jacobi",
    "eval_sh_legendre", "eval_sh_chebyt", "eval_sh_chebyu", "eval_sh_jacobi_n", "eval_sh_legendre_n", "eval_sh_chebyt_n",
    "eval_sh_chebyu_n", "ive", "pdtr", "pdtrc", "bdtr", "bdtrc", "nbdtr", "nbdtrc", "bdtr_n", "bdtrc_n", "nbdtr_n", "nbdtrc_n",
    "chndtr", "stdtr", "boxcox"})
_POLES = {"div": 1, **dict.fromkeys(("log", "log2", "log10", "sqrt", "root", "cbrt", "pow", "norm_root"), 0)}
_SUMS = frozenset({"add", "sub", "cast"})
_KEEP_ZERO = {"mul": (0, 1), "mulz": (0, 1), "neg": (0,), "div": (0,), "abs": (0,)}


@dataclass(frozen=True)
class _Made:
    """What a value is made of: kinks; whether in a way in which they may cancel; whether it is 0 where a kink is; how many ops
    behind it; whether a choice (max, min) is in it; whether it has, or may have, a pole at a kink. `apart`: in a derivative,
    what is taken only where a kink is 0, or only where it is not: both need no series. `signed`: a kink and its negative are
    among the elements of an array, so that they may cancel in a sum."""

    kinks: frozenset[Value] = frozenset()
    cancels: bool = False
    zero: bool = False
    depth: int = 0
    choice: bool = False
    pole: bool = False
    apart: bool = False
    signed: bool = False


def expanded(body: Block) -> None:
    """State the derivatives of functions in which kinks cancel, in place."""
    if any(op.defn.name in _ROOTS or op.defn.name in ("pow", "norm_root") for op in body.walk()):
        _Series().function(body)


class _Series:
    def __init__(self) -> None:
        self.b = Builder()
        self.made: dict[Value, _Made] = {}
        self.before: set[Value] = set()                    # values of the program itself
        self.kinks: dict[Value, Value] = {}                # a kink that is held where it is 0 -> the kink, in a derivative
        self.held: dict[Value, Value] = {}                 # a kink -> the same, held
        self.squares: dict[Value, Value] = {}
        self.stated: dict[Value, Value] = {}
        self.summed: set[Value] = set()                    # functions of kinks and their negatives that are summed

    def function(self, body: Block) -> None:
        self._find(body)
        ends: list[Value] = []
        self._ends(body, ends)
        kinks = {k for v in ends if self.made[v].cancels or v in self.summed for k in self.made[v].kinks}
        if kinks:
            self._write(body, kinks, {v for v in ends if self.made[v].kinks & kinks})

    # --- what is made of kinks

    def _find(self, block: Block) -> None:
        for op in block.ops:
            self.before.update(op.results)
            for region in op.regions:
                self._find(region)
            if op.regions:
                self.made.update({v: _Made(frozenset({v}), zero=True) for v in op.results if is_joined(v) and _is_of_roots(v)})
            elif len(op.results) == 1 and (found := self._of(op)) is not None:
                self.made[op.results[0]] = found

    def _of(self, op: Op) -> _Made | None:
        (v,), name = op.results, op.defn.name
        if isinstance(v.type, StackType) or not v.type.dtype.inexact or v.type.dtype.complex:
            return None
        known = [self.made.get(x) for x in (op.operands[1:] if name in ("surrogate", "select") else op.operands)]
        parts = [m for m in known if m is not None]
        if (kink := self._held_kink(op)) is not None:
            self.kinks[v] = kink
            return _Made(frozenset({v}), zero=True)
        if self._is_apart(op) or (name in _KEEP_ZERO and any(m.apart for m in parts)):
            return _Made(apart=True)
        if self._is_source(op, parts):
            return _Made(frozenset({v}), zero=True, signed=is_joined(v) and any(map(_may_be_negative, parts_of(v))))
        if not parts or not of_each(op):
            return _Made(choice=True) if name in _CHOICES else None
        return _together(op, known, parts)

    def _is_source(self, op: Op, parts: list[_Made]) -> bool:
        (v,), name = op.results, op.defn.name
        if name in MOVES:
            return len(parts) == 1 and op.operands[0] in parts[0].kinks and op.operands[0] not in self.kinks
        if is_joined(v):
            return name != "select" and _is_of_roots(v)
        if any(m.kinks and not m.zero for m in parts):
            return False                                       # sqrt(1 + r) is a function of r rather than a kink
        if name in ("pow", "norm_root"):
            return number(op.operands[1]) == 0.5
        return name in _ROOTS and is_root(v)

    def _kink_of(self, op: Op) -> Value | None:
        """%r of select (eq %r, 0.0), …"""
        at = op.operands[0].op if op.defn.name == "select" else None
        if at is None or at.defn.name != "eq" or number(at.operands[1]) != 0:
            return None
        m = self.made.get(at.operands[0])
        return at.operands[0] if m is not None and at.operands[0] in m.kinks else None

    def _held_kink(self, op: Op) -> Value | None:
        """%r of select (eq %r, 0.0), 0.0, %r."""
        kink = self._kink_of(op)
        return kink if kink is not None and op.operands[2] is kink and number(op.operands[1]) == 0 else None

    def _is_apart(self, op: Op) -> bool:
        return self._kink_of(op) is not None and 0 in map(number, op.operands[1:])

    def _inside(self, op: Op) -> bool:
        """Whether an op makes a function of kinks."""
        m = self.made.get(op.results[0]) if len(op.results) == 1 else None
        return m is not None and bool(m.kinks) and not m.pole and op.results[0] not in m.kinks

    def _ends(self, block: Block, ends: list[Value]) -> None:
        """The functions of kinks that are used by what is none."""
        for op in block.ops:
            for region in op.regions:
                self._ends(region, ends)
            if self._uses(op):
                ends += [v for v in op.operands if self._is_end(v)]
            if op.defn.name == "reduce" and op.attrs["kind"] == "sum":
                self.summed.update([v for v in op.operands if self._is_end(v) and self.made[v].signed])
        ends += [v for v in block.yields if self._is_end(v)]

    def _uses(self, op: Op) -> bool:
        if op.regions:
            return True
        m = self.made.get(op.results[0]) if len(op.results) == 1 else None
        return not (m is not None and m.apart) and not self._inside(op) and any(map(inexact, op.results))

    def _is_end(self, v: Value) -> bool:
        m = self.made.get(v)
        return m is not None and bool(m.kinks) and not m.pole and v not in m.kinks

    # --- the program with its derivatives stated

    def _write(self, block: Block, kinks: set[Value], ends: set[Value]) -> None:
        b, ops, block.ops = self.b, block.ops, []
        with b.at(block):
            for op in ops:
                for region in op.regions:
                    self._write(region, kinks, ends)
                if self._inside(op):
                    op.operands = mapped(op.operands, self.held)
                elif self._uses(op):
                    op.operands = mapped(op.operands, self.stated)
                block.ops.append(op)
                b.loc = op.loc
                for v in op.results:
                    if v in kinks:
                        self._hold(v)
                    elif v in ends:
                        self.stated[v] = self._expansion(v, sorted(self.made[v].kinks & kinks, key=list(self.held).index))
            block.yields = mapped(block.yields, self.stated)

    def _hold(self, kink: Value) -> None:
        b, source = self.b, self.kinks.get(kink, kink)
        zero = b.const(0, kink.type.dtype)
        at = b("eq", kink, zero)
        self.held[kink] = kink if source is not kink else b("select", at, zero, kink)
        if (x := _under_modulus(source)) is not None:
            x = b("select", at, x, zero)                       # 0 everywhere: the slope of x² counts where x is 0 alone
            square: Expr | None = b.expr(x) * b.expr(x)
        else:
            square = smooth_power(b, source, 2)            # None: of what lies too deep, of which no more is known than before
        self.squares[kink] = b("mul", source, source) if square is None else square.value

    def _expansion(self, g: Value, kinks: list[Value]) -> Value:
        b, total = self.b, g
        zero = b.const(0, g.type.dtype)
        for kink in kinks:
            at, source = b("eq", kink, b.const(0, kink.type.dtype)), self.kinks.get(kink, kink)
            memo: dict[Value, Value | None] = {}
            slope = self._slope(g, kink, memo)
            bend = None if slope is None else self._slope(slope, kink, memo)
            if slope is not None:                              # away from 0 nothing of r counts: its slope may be NaN there
                there = b("select", at, source, b.const(0, source.type.dtype))
                total = self._plus(total, there, self._number(at, slope))
            if bend is not None:
                square, half = self.squares[kink], b("mul", bend, b.const(0.5, bend.type.dtype))
                factor = self._number(at, half)
                if not _is_of_squares(source):
                    factor = self._plus(factor, square, b("select", at, b.const(math.nan, zero.type.dtype), zero))
                total = self._plus(total, square, factor)
        return b("surrogate", g, b.broadcast(total, g.type.dims))

    def _number(self, at: Value, x: Value) -> Value:
        """A coefficient of a series at its kink; none of a function that is steep there and has no number for it (spence)."""
        b = self.b
        return b("select", b("and", at, b("not", b("isnan", x))), x, b.const(0, x.type.dtype))

    def _plus(self, total: Value, x: Value, slope: Value) -> Value:
        """A value with a slope by x more, which may be of another precision."""
        b, dtype = self.b, x.type.dtype
        return b("add", total, b.cast(b("sloped", b.const(0, dtype), x, b.cast(slope, dtype)), total.type.dtype))

    def _slope(self, v: Value, kink: Value, memo: dict[Value, Value | None]) -> Value | None:
        """The derivative by a kink, of what is made of it."""
        if v is self.held[kink]:
            return self.b.const(1, v.type.dtype)
        m = self.made.get(v)
        if v.op is None or (v in self.before and (m is None or kink not in m.kinks)):
            return None
        if v not in memo:
            memo[v] = slope_of(self.b, v, [self._slope(x, kink, memo) for x in v.op.operands])
        return memo[v]


def _together(op: Op, known: list[_Made | None], parts: list[_Made]) -> _Made:
    """What an op makes of its operands."""
    name = op.defn.name
    kinks = frozenset[Value]().union(*[m.kinks for m in parts])
    depth = 1 + max(m.depth for m in parts)
    choice = name in _CHOICES or any(m.choice for m in parts)
    inputs = op.operands[len(op.operands) - len(known):]
    zeros = [number(v) == 0 if m is None else m.zero for v, m in zip(inputs, known)]
    # of a sum of kinks at several places no one is where the sum is 0
    at_zero = any(zeros[k] for k in _KEEP_ZERO.get(name, ())) or (name in _SUMS and all(zeros) and len(kinks) < 2)
    several = sum(bool(m.kinks) for m in parts) > 1 or (bool(kinks) and (choice or name in _FLAT))
    pole = any(m.pole for m in parts) or depth > _DEEP or len(kinks) > _MOST or (
        name in _POLES and zeros[_POLES[name]] and not _is_high_power(op))
    return _Made(kinks, several or any(m.cancels for m in parts), at_zero, depth, choice, pole,
                 signed=any(m.signed for m in parts))


def _under_modulus(kink: Value) -> Value | None:
    """The x of |x|, unless its square is not smooth itself."""
    if kink.op is None or kink.op.defn.name not in ("abs", "copysign"):
        return None
    x = kink.op.operands[0]
    return None if x.type.dtype.complex or x.type.dims != kink.type.dims or has_root(x) else x


def _is_of_roots(v: Value) -> bool:
    """Whether a joined value has but kinks for its parts, or products with them."""
    found = parts_of(v)
    return any(map(has_root, found)) and all(has_root(x) or is_blank(x) for x in found)


def _may_be_negative(v: Value) -> bool:
    """Whether a part is a product with a kink, so that in sums over all parts it may cancel with another: exp(r) + exp(-r)."""
    while v.op is not None and v.op.defn.name in MOVES:
        v = v.op.operands[0]
    return not (is_blank(v) or is_root(v))


def _is_of_squares(v: Value) -> bool:
    """Whether a kink is the root of what has the slope 0 where it is 0 for certain. Of what may have another slope (sqrt(x)),
    second derivatives would need the next terms of the series: they are NaN."""
    if is_joined(v):
        return all(is_blank(x) or _is_of_squares(x) for x in parts_of(v))
    if v.op is None:
        return False
    name, (x, *_) = v.op.defn.name, v.op.operands
    if name in MOVES or name == "neg":
        return _is_of_squares(x)
    return name in _OF_SQUARES or _is_sum_of_squares(x)


def _is_sum_of_squares(v: Value, depth: int = 6) -> bool:
    op = v.op
    if op is None or not depth:
        return False
    name, operands = op.defn.name, op.operands
    if name in ("mul", "dot") and operands[0] is operands[1]:
        return name == "mul" or op.attrs["contract"][0] == op.attrs["contract"][1]
    if name == "pow":
        exponent = number(operands[1])
        return isinstance(exponent, (int, float)) and exponent > 0 and exponent % 2 == 0
    if name in ("mul", "div") and operands[1].__class__ is Const:
        return bool((operands[1].data > 0).all()) and _is_sum_of_squares(operands[0], depth - 1)
    if name == "mul" and operands[0].__class__ is Const:
        return bool((operands[0].data > 0).all()) and _is_sum_of_squares(operands[1], depth - 1)
    if name == "add":
        return all(_is_sum_of_squares(x, depth - 1) for x in operands)
    if name == "surrogate":
        return any(_is_sum_of_squares(x, depth - 1) for x in operands)
    inner = name in MOVES or (name == "reduce" and op.attrs["kind"] == "sum")
    return inner and _is_sum_of_squares(operands[0], depth - 1)


def _is_high_power(op: Op) -> bool:
    """Whether an op is a power above 1, or may be."""
    if op.defn.name != "pow":
        return False
    exponent = number(op.operands[1])
    return exponent is None or (isinstance(exponent, (int, float)) and exponent > 1)
