"""Recipes: how machine code makes an elementwise op, as frozen data that lowering/llvm/scalar.py interprets.

    recipe ::= ((kinds, rule) …)     the first row whose `kinds` contains the kind letter of the op's last operand (b i u f c x)
    rule   ::= ("instr", opcode)          an LLVM instruction on the operands: fadd, add, sdiv, xor …
            |  ("icmp" | "fcmp", predicate)
            |  ("intrinsic", name)        llvm.<name>.<type>
            |  ("libm", name)             the C function of doubles; name + "f" for f32
            |  ("exact", name)            the C function of doubles and no other
            |  ("clibm", name)            the C function of double complex; name + "f" for c64
            |  ("scipy", routine)         a ufunc of scipy.special: `special_library.Routine`
            |  ("fits", name)             whether llvm.<name>.with.overflow does not overflow
            |  ("signbit",)               the sign bit of a float, as bool
            |  ("real",) ("imag",) ("complex",)   a complex number is a pair of registers: take one, put two together
            |  ("select",)                of each register of a complex number
            |  ("copy",)                  the operand itself
            |  ("cast",)                  to the dtype in the op's attributes, see below
            |  ("cast", name)             to the dtype of that name, or to the operand's where name is "operand"
            |  Node                       a tree of the above
    Node   ::= Node(op, args)        op: the name of an elementwise op (made by its own recipe for the dtype of its last
                                     argument), or a rule
            |  Node("arg", (k,))     the op's operand k
            |  Node("const", (v,))   a Python number, in the real dtype of the first argument beside it that is no constant
                                     (`select`'s condition aside), else of the op's last operand (an integer modulo
                                     2^bits); "bits" is the width of that dtype. Node("const", (v, name, …)): in that dtype
            |  Node("after", (loop, k))   the last value of a loop's variable k
            |  Node("var", (k,))     inside a loop: the current value of its variable k
    Loop   ::= Loop(inits, cond, steps)   while cond: all variables take their next values; one bool Node, one Node a variable.
                                     A Node that is used inside the loop and outside is made in each place; loops do not nest.

A Node that occurs twice (the same object) is one value: an interpreter keeps a dictionary by identity. All arms of a select
are computed, so divisors that could trap are replaced first. Arithmetic on integers wraps: no nsw or nuw.

cast, where C and NumPy agree: integer to integer truncates or extends by the source's signedness (bool counts as unsigned,
1 bit); integer to float rounds to nearest; anything to bool is `!= 0` (NaN is true; a complex number if either part is);
complex to real takes the real part; real to complex has imaginary part 0. Float to integer truncates. Where the integer
cannot hold the number, any number may result (as in NumPy) but nothing else may happen: convert to i64 with fptosi,
`freeze`, then truncate to the width; for u64, numbers from 2^63 on are converted less 2^63, with the top bit set after.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """A step of a recipe. Python's operators make more steps; a Python number beside a Node is a constant."""

    op: str | tuple
    args: tuple

    def __add__(self, other: float | Node) -> Node:
        return N("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return N("add", other, self)

    def __sub__(self, other: float | Node) -> Node:
        return N("sub", self, other)

    def __rsub__(self, other: float) -> Node:
        return N("sub", other, self)

    def __mul__(self, other: float | Node) -> Node:
        return N("mul", self, other)

    def __rmul__(self, other: float) -> Node:
        return N("mul", other, self)

    def __truediv__(self, other: float | Node) -> Node:
        return N("div", self, other)

    def __rtruediv__(self, other: float) -> Node:
        return N("div", other, self)

    def __neg__(self) -> Node:
        return N("neg", self)

    def __lt__(self, other: float | Node) -> Node:
        return N("lt", self, other)

    def __le__(self, other: int | Node) -> Node:
        return N("le", self, other)

    def __gt__(self, other: float) -> Node:
        return N("gt", self, other)

    def __ge__(self, other: Node) -> Node:
        return N("ge", self, other)

    def __and__(self, other: int | Node) -> Node:
        return N("and", self, other)

    def __or__(self, other: Node) -> Node:
        return N("or", self, other)

    def __xor__(self, other: int | Node) -> Node:
        return N("xor", self, other)

    def __invert__(self) -> Node:
        return N("not", self)


@dataclass(frozen=True, eq=False, slots=True)
class Loop:
    """A loop of a recipe: see the grammar."""

    inits: tuple[Node, ...]
    cond: Node
    steps: tuple[Node, ...]

    def after(self, k: int) -> Node:
        return Node("after", (self, k))


def const(value: float | str) -> Node:
    return Node("const", (value,))


def N(op: str | tuple[str, str], *args: float | Node) -> Node:
    return Node(op, tuple(a if isinstance(a, Node) else const(a) for a in args))


def rule_of(recipe: tuple[tuple[str, Node | tuple], ...], kind: str) -> Node | tuple[str, ...]:
    """The rule of a recipe for operands of a kind."""
    for kinds, rule in recipe:
        if kind in kinds:
            return rule
    raise KeyError(f"no rule for kind {kind!r}")


A, B, C = (Node("arg", (k,)) for k in range(3))
V = tuple(Node("var", (k,)) for k in range(4))
INT = "iux"
BITS = const("bits")


def real(z: Node) -> Node:
    return N("real", z)


def imag(z: Node) -> Node:
    return N("imag", z)


def complex_(re: float | Node, im: float | Node) -> Node:
    return N("complex", re, im)


def select(cond: Node, yes: Node | float, no: Node | float) -> Node:
    return N("select", cond, yes, no)


def eq(a: Node, b: float | Node) -> Node:
    return N("eq", a, b)


def ne(a: Node, b: int | Node) -> Node:
    return N("ne", a, b)


def isnan(x: Node) -> Node:
    return N("isnan", x)


def instr(opcode: str, *args: Node) -> Node:
    return N(("instr", opcode), *args)


AR, AI, BR, BI = real(A), imag(A), real(B), imag(B)

# --- arithmetic -------------------------------------------------------------------------------------------------------

NEG = (("f", ("instr", "fneg")), (INT, 0 - A), ("c", complex_(-AR, -AI)))
ADD = (("f", ("instr", "fadd")), (INT, ("instr", "add")), ("c", complex_(AR + BR, AI + BI)))
SUB = (("f", ("instr", "fsub")), (INT, ("instr", "sub")), ("c", complex_(AR - BR, AI - BI)))
MUL = (("f", ("instr", "fmul")), (INT, ("instr", "mul")), ("c", complex_(AR * BR - AI * BI, AR * BI + AI * BR)))
MULZ = (("f", select(eq(A, 0), 0, A * B)), ("c", select(eq(AR, 0) & eq(AI, 0), complex_(0, 0), A * B)))
REAL, IMAG, COMPLEX = (("c", ("real",)),), (("c", ("imag",)),), (("f", ("complex",)),)
CONJ = (("c", complex_(AR, -AI)),)


def _complex_divide() -> Node:
    """Smith's method as NumPy has it: divide by the larger part of b, so that nothing overflows on the way.

    With (p, q) = b's larger and smaller part, r = q / p and s = 1 / (p + q r):
        |re b| >= |im b|:  ((re a + im a r) s, (im a - re a r) s)        else  ((re a r + im a) s, (im a r - re a) s)
    Both parts 0: a's parts divided by 0, which gives infinities of the right sign.
    """
    br, bi = N("abs", BR), N("abs", BI)
    wide = br >= bi
    p, q = select(wide, BR, BI), select(wide, BI, BR)
    r = q / p
    s = 1.0 / (p + q * r)
    re = select(wide, AR + AI * r, AR * r + AI) * s
    im = select(wide, AI - AR * r, AI * r - AR) * s
    zero = eq(br, 0) & eq(bi, 0)
    return complex_(select(zero, AR / br, re), select(zero, AI / br, im))


DIV = (("f", ("instr", "fdiv")), ("c", _complex_divide()))

# --- division that floors ---------------------------------------------------------------------------------------------


def _float_divmod() -> tuple[Node, Node]:
    """NumPy's npy_divmod, for b != 0: the quotient from fmod's remainder, which is exact.

        r = fmod(a, b); q = (a - r) / b; where r != 0 has not b's sign: r += b, q -= 1; r = 0 takes b's sign
        then q is rounded to the nearest integer (it is one up to rounding), and q = 0 takes the sign of a / b
    """
    r = N(("libm", "fmod"), A, B)
    wrong = (B < 0) ^ (r < 0)
    q = (A - r) / B
    q = select(ne(r, 0) & wrong, q - 1.0, q)
    floor = N("floor", q)
    nearest = select(q - floor > 0.5, floor + 1.0, floor)
    quotient = select(ne(q, 0), nearest, N("copysign", const(0.0), A / B))
    remainder = select(ne(r, 0), select(wrong, r + B, r), N("copysign", const(0.0), B))
    return select(eq(B, 0), A / B, quotient), select(eq(B, 0), r, remainder)


def _signed_divmod() -> tuple[Node, Node]:
    """Division truncates; a remainder that has not b's sign moves both. b = 0 gives 0, b = -1 negates (INT_MIN / -1 traps)."""
    zero, minus = eq(B, 0), eq(B, -1)
    safe = select(zero | minus, 1, B)
    q, r = instr("sdiv", A, safe), instr("srem", A, safe)
    wrong = ne(r, 0) & ((r < 0) ^ (safe < 0))
    quotient = select(wrong, q - 1, q)
    return select(zero, 0, select(minus, -A, quotient)), select(wrong, r + safe, r)


def _unsigned(opcode: str) -> Node:
    zero = eq(B, 0)
    return select(zero, 0, instr(opcode, A, select(zero, 1, B)))


_FLOAT, _SIGNED = _float_divmod(), _signed_divmod()
FLOORDIV = (("f", _FLOAT[0]), ("ix", _SIGNED[0]), ("u", _unsigned("udiv")))
MOD = (("f", _FLOAT[1]), ("ix", _SIGNED[1]), ("u", _unsigned("urem")))

# --- comparison: complex numbers by real, then imaginary part; NaN in a part makes it false ------------------------------


def _compare(name: str, icmp: str, ucmp: str, fcmp: str) -> tuple[tuple, tuple, tuple, tuple]:
    strict = {"lt": "lt", "le": "lt", "gt": "gt", "ge": "gt"}[name]
    numbers = ~(isnan(AI) | isnan(BI))
    tree = (N(strict, AR, BR) & numbers) | (eq(AR, BR) & N(name, AI, BI))
    return (("f", ("fcmp", fcmp)), ("ix", ("icmp", icmp)), ("ub", ("icmp", ucmp)), ("c", tree))


COMPARE = {
    "eq": (("f", ("fcmp", "oeq")), (INT + "b", ("icmp", "eq")), ("c", eq(AR, BR) & eq(AI, BI))),
    "ne": (("f", ("fcmp", "une")), (INT + "b", ("icmp", "ne")), ("c", ne(AR, BR) | ne(AI, BI))),
    "lt": _compare("lt", "slt", "ult", "olt"),
    "le": _compare("le", "sle", "ule", "ole"),
    "gt": _compare("gt", "sgt", "ugt", "ogt"),
    "ge": _compare("ge", "sge", "uge", "oge"),
}
# A NaN wins. Of zeros of both signs either may be taken, as in NumPy.
MAX = (("f", ("intrinsic", "maximum")), ("ix", ("intrinsic", "smax")), ("u", ("intrinsic", "umax")), ("b", A | B),
       ("c", select(isnan(A) | (A >= B), A, B)))
MIN = (("f", ("intrinsic", "minimum")), ("ix", ("intrinsic", "smin")), ("u", ("intrinsic", "umin")), ("b", A & B),
       ("c", select(isnan(A) | (A <= B), A, B)))
SELECT = (("biufxc", ("select",)),)

# --- logic and bits ---------------------------------------------------------------------------------------------------

AND, OR, XOR = ((("biux", ("instr", name)),) for name in ("and", "or", "xor"))
NOT = (("b", A ^ True),)
INVERT = ((INT, A ^ -1),)
# A shift by the width or more, or by a negative number, shifts everything out; for LLVM it has no defined result.
_IN_RANGE = N(("icmp", "ult"), B, BITS)
_SHIFT = select(_IN_RANGE, B, 0)
FITS: dict[str, tuple] = {f"{name}_fits": (("ix", ("fits", f"s{name}")), ("u", ("fits", f"u{name}")))
                          for name in ("add", "sub", "mul")}
SAME_BITS: tuple = ((INT, ("copy",)),)
SAME_SIGN: tuple = ((INT, N(("icmp", "sge"), A, 0)),)
SHL = ((INT, select(_IN_RANGE, instr("shl", A, _SHIFT), 0)),)
SHR = (("u", select(_IN_RANGE, instr("lshr", A, _SHIFT), 0)),
       ("ix", instr("ashr", A, select(_IN_RANGE, B, BITS - 1))))
FITS["shl_fits"] = ((INT, N("eq", N("shr", N("shl", A, B), B), A)),)

# --- sign, rounding, classification -----------------------------------------------------------------------------------

ABS = (("f", ("intrinsic", "fabs")), ("ix", select(A < 0, -A, A)), ("u", ("copy",)), ("c", N("hypot", AR, AI)))
SIGN = (("f", select(A > 0, 1.0, select(A < 0, -1.0, select(eq(A, 0), 0.0, A)))),
        ("ix", select(A > 0, 1, select(A < 0, -1, A))), ("u", select(ne(A, 0), 1, A)))
ROUND = {name: (("f", ("intrinsic", name)),) for name in ("floor", "ceil", "trunc", "rint")}
ISNAN = (("f", N(("fcmp", "uno"), A, A)), ("c", isnan(AR) | isnan(AI)))
ISINF = (("f", eq(N("abs", A), math.inf)), ("c", N("isinf", AR) | N("isinf", AI)))
ISFINITE = (("f", N("abs", A) < math.inf), ("c", N("isfinite", AR) & N("isfinite", AI)))
SIGNBIT = (("f", ("signbit",)),)
COPYSIGN = (("f", ("intrinsic", "copysign")),)
NEXTAFTER = (("f", ("libm", "nextafter")),)

# --- functions of one variable ----------------------------------------------------------------------------------------


def _function(name: str, complex_rule: Node | None = None) -> tuple[tuple[str, tuple], tuple[str, Node | tuple]]:
    return (("f", ("libm", name)), ("c", complex_rule or ("clibm", "c" + name)))


def _scaled(function: str, before: float, after: float) -> Node:
    """A complex function with its argument and its value times real factors."""
    inner = complex_(AR * before, AI * before) if before != 1 else A
    value = N(function, inner)
    return complex_(real(value) * after, imag(value) * after) if after != 1 else value


_HALF_SINE = N("sin", AI / 2)
# exp(x + iy) - 1 = expm1(x) cos y - 2 sin(y/2)^2 + i exp(x) sin y
_CEXPM1 = complex_(N("expm1", AR) * N("cos", AI) - 2.0 * _HALF_SINE * _HALF_SINE, N("exp", AR) * N("sin", AI))
_CLOG1P = complex_(N("log", N("hypot", AR + 1.0, AI)), N("atan2", AI, AR + 1.0))



def _complex_exp() -> Node:
    """exp(x + iy) = exp(x) (cos y + i sin y), without a call, so that it vectorises; special values as in C99's Annex G.

    exp(x) may overflow where its product with a small cos y or sin y does not: where x > k, the function is multiplied by
    exp(k) first and by exp(x - k) last. An imaginary part of 0 stays as it is. At x = inf a y without cosine gives
    (inf, NaN), at x = -inf zeros.
    """
    limit = select(N("gt", BITS, 32.0), 700.0, 80.0)
    far = limit < AR
    size, scale = N("exp", select(far, AR - limit, AR)), select(far, N("exp", limit), 1.0)
    cos, sin = N("cos", AI), N("sin", AI)
    odd = isnan(cos) & N("isinf", AR)
    re = select(odd, select(AR > 0, math.inf, 0.0), cos * scale * size)
    im = select(odd & (AR < 0), N("copysign", const(0.0), AI), sin * scale * size)
    return complex_(re, select(eq(AI, 0), AI, im))


LOG, SIN, COS, TAN = map(_function, ("log", "sin", "cos", "tan"))
EXP = _function("exp", _complex_exp())
SINH, COSH, TANH, ASINH, ACOSH, ATANH = map(_function, ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"))
ASIN, ACOS, ATAN = map(_function, ("asin", "acos", "atan"))
EXP2 = _function("exp2", _scaled("exp", math.log(2.0), 1))
LOG2 = _function("log2", _scaled("log", 1, 1 / math.log(2.0)))
LOG10 = _function("log10", _scaled("log", 1, 1 / math.log(10.0)))
EXPM1, LOG1P = _function("expm1", _CEXPM1), _function("log1p", _CLOG1P)
SQRT = (("f", ("intrinsic", "sqrt")), ("c", ("clibm", "csqrt")))
CBRT, ERF, ERFC, LGAMMA = ((("f", ("libm", name)),) for name in ("cbrt", "erf", "erfc", "lgamma"))
ATAN2, HYPOT = ((("f", ("libm", name)),) for name in ("atan2", "hypot"))

# --- powers -----------------------------------------------------------------------------------------------------------


def _int_power() -> Node:
    """By squaring: (out, base, exponent) from (1, a, b), while exponent > 0. A negative power is 0."""
    odd = ne(V[2] & 1, 0)
    loop = Loop((const(1), A, B), V[2] > 0, (select(odd, V[0] * V[1], V[0]), V[1] * V[1], N("shr", V[2], 1)))
    return select(B < 0, 0, loop.after(0))


def _complex_power() -> Node:
    """C's cpow, but exact for exponents 0, 1, 2, 3; 0 to a power of positive real part is 0, to another NaN."""
    zero_base, real_power = eq(AR, 0) & eq(AI, 0), eq(BI, 0)
    square = A * A
    out = N(("clibm", "cpow"), A, B)
    for n, value in ((1.0, A), (2.0, square), (3.0, A * square)):
        out = select(real_power & eq(BR, n), value, out)
    at_zero = select(BR > 0, 0.0, math.nan)
    out = select(zero_base, complex_(at_zero, at_zero), out)
    return select(real_power & eq(BR, 0), complex_(1.0, 0.0), out)


POW = (("f", ("libm", "pow")), (INT, _int_power()), ("c", _complex_power()))

# --- the derivatives of digamma, in double ----------------------------------------------------------------------------


def wide(node: Node) -> Node:
    return N(("cast", "f64"), node)


def narrow(node: Node) -> Node:
    return N(("cast", "operand"), node)


# (2k)! / B(2k) for k = 1 … 12
_ZETA_SERIES = (12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1.8924375803183791606e9, 7.47242496e10,
                -2.950130727918164224e12, 1.1646782814350067249e14, -4.5979787224074726105e15,
                1.8152105401943546773e17, -7.1661652561756670113e18)
_LOWEST = -1e5


def _polygamma() -> Node:
    """(-1)^(n+1) n! zeta(s, x) with s = n + 1; zeta by Euler and Maclaurin, as in Cephes:

        sum_{k<m} (x+k)^-s  +  w^(1-s) / (s-1)  +  w^-s / 2  +  sum_j B(2j)/(2j)! s (s+1) … (s+2j-2) w^(-s-2j+1)
        with w = x + m >= 10

    x at a pole gives inf; below -1e5, where the sum would be long, NaN.
    """
    n, x = wide(A), wide(B) + 0.0         # -0 counts as 0
    s = n + 1.0
    loop = Loop((wide(const(0.0)), x), (V[1] < 10.0) & (x > _LOWEST), (V[0] + N("pow", V[1], -s), V[1] + 1.0))
    total, w = loop.after(0), loop.after(1)
    power = N("pow", w, -s)
    total = total + power * w / n + 0.5 * power
    factor, power = s, power / w
    for k, coefficient in enumerate(_ZETA_SERIES):
        total = total + factor * power / coefficient
        factor = factor * (s + (2.0 * k + 1.0)) * (s + (2.0 * k + 2.0))
        power = power / w / w
    total = select(eq(w, math.inf), 0.0, select(x > _LOWEST, total, math.nan))
    half = 0.5 * n
    odd = ne(half, N("floor", half))
    scale = N(("libm", "tgamma"), s)
    return narrow(select(odd, scale, -scale) * total)


POLYGAMMA = (("f", _polygamma()),)
CAST, IDENTITY = (("biufxc", ("cast",)),), (("biufxc", ("copy",)),)
