"""Elementwise ops: one declaration each, read by every part of tracegrad (see `opdef.Elementwise`).

All operands have one dtype (`select`'s first is bool) and the result's dimensions or rank 0. The dtypes' meaning is NumPy's:
integers wrap, x // 0 and x % 0 are 0 for integers, floats follow IEEE, complex numbers compare by real then imaginary part.

Partials are differentiated by the same table, so each is written in a form whose own derivatives are right too. Conventions:
abs'(0) = 0; equal arguments of max and min share equally; 0**0 is constant in its exponent.
"""
from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..build import Expr
from ..core import Block, Const, Op, Value
from ..opdef import ALL, COMPLEXES, FLOATS, INEXACT, INTS, NUMBERS, REALS, Elementwise
from ..types import BOOL, C64, C128, F32, I64, INDEX, U64, Array, Dim, DType, Type
from . import scalar_expansions as R
from .common import array_type, expect_count, expect_dtype, fail, same_dims
from .numeric import (
    Special,
    bell,
    cast,
    cauchy,
    cbrt_reciprocal,
    complex_of,
    fits,
    int_pow,
    lgamma,
    lost,
    mulz,
    polygamma,
    power_log,
    power_slope,
    select,
    shifted,
    sloped,
    surrogate,
)

if TYPE_CHECKING:
    from .scalar_expansions import Node

LOGICAL = INTS | {BOOL}
BOOLS = frozenset({BOOL})
GIVES = {
    "same": lambda d: d,
    "bool": lambda d: BOOL,
    "real": lambda d: d.real,
    "complex": lambda d: C64 if d is F32 else C128,
    "unsigned": lambda d: U64,
    "signed": lambda d: I64,
}


def _infer(name: str, arity: int, takes: frozenset[DType], gives: str) -> Callable:
    result = {d: GIVES[gives](d) for d in takes}

    def infer(operands: tuple[Value, ...], attrs: dict[str, Any], regions: tuple) -> list[Type]:
        if len(operands) != arity:
            expect_count(name, operands, arity)
        first = array_type(name, operands[0])
        dtype, dims = first.dtype, first.dims
        for value in operands[1:]:
            t = array_type(name, value)
            if t.dtype is not dtype:
                fail(f"{name} of {dtype!r} and {t.dtype!r}: the dtypes differ")
            dims = _join_dims(name, dims, t.dims)
        if dtype not in result:
            expect_dtype(name, dtype, takes)
        return [Type(result[dtype], dims)]
    return infer


def _join_dims(name: str, dims: tuple[Dim, ...], others: tuple[Dim, ...]) -> tuple[Dim, ...]:
    if not others or same_dims(dims, others):
        return dims
    if dims:
        fail(f"{name} of dimensions {list(dims)!r} and {list(others)!r}: they must agree, or one operand be a scalar")
    return others


def _evaluate(function: Callable) -> Callable:
    def evaluate(op: Op, *arrays: Array) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            out = function(*arrays)
        t = op.results[0].type.dtype.np
        return (out if out.dtype == t else out.astype(t),)
    return evaluate


def declare(name: str, numpy: Callable, arity: int = 1,
            takes: frozenset[DType] = FLOATS, gives: str = "same", *,
            recipe: tuple[tuple[str, Node | tuple], ...] | None = None, formula: Callable | None = None,
            partials: tuple[Callable | None, ...] = (), rule: str | None = None, linear_in: tuple[int, ...] = (),
            singular: tuple[int, ...] = (), forgets: bool = False, flat: bool = False,
            domain: tuple[tuple[float, ...], ...] = (), doc: str = "", evaluate: Any = None, **traits: Any) -> None:
    """One row of the table. The rule is "elementwise" where there are partials, else "none", unless said."""
    rule = rule or ("elementwise" if partials else "none")
    traits.setdefault("cost", 1 if formula is None else 14)
    doc = doc or f"np.{getattr(numpy, '__name__', name)}, element by element."
    Elementwise(name, _infer(name, arity, takes, gives), evaluate or _evaluate(numpy), rule, linear_in, doc=doc,
                numpy=numpy, arity=arity, takes=takes, gives=gives, partials=partials, singular=singular, recipe=recipe,
                domain=domain, formula=formula, forgets=forgets or flat, flat=flat, **traits)


def like(x: Expr, value: float) -> Expr:
    """A constant of x's dtype."""
    return x.number(value)


# --- linear and bilinear: autodiff/rules/transpose_rules.py has their transposes --------------------------------------

ANY = (-2.0, 2.0)

declare("neg", np.negative, 1, NUMBERS, rule="linear", linear_in=(0,), domain=(ANY,), recipe=R.NEG, low_bits=True)
# `any_order=true` on an `add` or `sub`: a step of a sum over the iterations of a loop whose order says nothing to the user.
declare("add", np.add, 2, NUMBERS, rule="linear", linear_in=(0, 1), domain=(ANY, ANY), recipe=R.ADD, low_bits=True)
declare("sub", np.subtract, 2, NUMBERS, rule="linear", linear_in=(0, 1), domain=(ANY, ANY), recipe=R.SUB, low_bits=True)
declare("mul", np.multiply, 2, NUMBERS, rule="bilinear", linear_in=(0, 1), singular=(0, 1), domain=(ANY, ANY), recipe=R.MUL,
        low_bits=True, absorbs=True)
declare("mulz", mulz, 2, INEXACT, rule="bilinear", linear_in=(0, 1), singular=(0, 1), domain=(ANY, ANY), recipe=R.MULZ,
        doc="0 where the first is 0, else the product: a cotangent times a partial derivative that may be infinite.")
declare("real", np.real, 1, COMPLEXES, "real", rule="linear", linear_in=(0,), domain=(ANY,), recipe=R.REAL)
declare("imag", np.imag, 1, COMPLEXES, "real", rule="linear", linear_in=(0,), domain=(ANY,), recipe=R.IMAG)
declare("conj", np.conjugate, 1, COMPLEXES, rule="linear", linear_in=(0,), domain=(ANY,), recipe=R.CONJ)
declare("complex", complex_of, 2, FLOATS, "complex", rule="linear", linear_in=(0, 1), domain=(ANY, ANY), recipe=R.COMPLEX,
        doc="The complex number of a real and an imaginary part.")

# --- exponentials and logarithms --------------------------------------------------------------------------------------

def _cbrt_reciprocal(k: Expr, x: Expr) -> Any:
    root, order = x.cbrt(), k.value
    if order.__class__ is not Const or order.type.dims:
        return 1 / root ** k
    power = root
    for _ in range(int(order.item) - 1):
        power = power * root
    return 1 / power


LN2, LN10 = math.log(2.0), math.log(10.0)
POSITIVE = (0.2, 3.0)

declare("exp", np.exp, 1, INEXACT, cost=14, overflows=True, partials=(lambda x, out: out,), singular=(0,), forgets=True,
        domain=(ANY,), recipe=R.EXP)
declare("exp2", np.exp2, 1, INEXACT, cost=14, overflows=True, partials=(lambda x, out: out * LN2,), singular=(0,),
        forgets=True, domain=(ANY,), recipe=R.EXP2)
declare("expm1", np.expm1, 1, INEXACT, cost=14, overflows=True, partials=(lambda x, out: x.exp(),), singular=(0,),
        forgets=True, domain=(ANY,), recipe=R.EXPM1)
declare("log", np.log, 1, INEXACT, cost=14, partials=(lambda x, out: 1 / (x + 0.0),), singular=(0,), domain=(POSITIVE,),
        recipe=R.LOG)
declare("log2", np.log2, 1, INEXACT, cost=14, partials=(lambda x, out: (1 / LN2) / (x + 0.0),), singular=(0,),
        domain=(POSITIVE,),
        recipe=R.LOG2)
declare("log10", np.log10, 1, INEXACT, cost=14, partials=(lambda x, out: (1 / LN10) / (x + 0.0),), singular=(0,),
        domain=(POSITIVE,),
        recipe=R.LOG10)
declare("log1p", np.log1p, 1, INEXACT, cost=14, partials=(lambda x, out: 1 / (1 + x),), singular=(0,), domain=((-0.8, 2.0),),
        recipe=R.LOG1P)
declare("sqrt", np.sqrt, 1, INEXACT, cost=4, steep=True, partials=(lambda x, out: 1 / (out + 0.0) * 0.5,), singular=(0,),
        domain=(POSITIVE,),
        recipe=R.SQRT)
declare("root", np.sqrt, 1, INEXACT, formula=lambda x: x.sqrt(), partials=(lambda x, out: (x == 0).select(0, 0.5 / out),),
        singular=(0,), domain=(POSITIVE,), doc="np.sqrt of a sum of squares: a norm, whose slope at 0 is 0.")
# np.power of a sum of powers: as `root`
declare("norm_root", np.power, 2, FLOATS, formula=lambda x, y: x ** y, singular=(0,), domain=(POSITIVE, (0.5, 0.5)),
        partials=(lambda x, y, out: (x == 0).select(0, y * x ** (y - 1)), None),
        doc="np.power(x, 1/p) of a sum of p-th powers, p a positive constant: a norm, whose slope at 0 is 0.")
declare("cbrt", np.cbrt, 1, FLOATS, cost=14, steep=True, partials=(lambda x, out: like(x, 2).cbrt_reciprocal(x) * (1 / 3),),
        singular=(0,),
        domain=(POSITIVE,),
        recipe=R.CBRT)

# cbrt(x)^-k, k a constant, with the slope -k/3 cbrt(x)^-(k+3): at 0 the product rule would make 0 times infinity of 1/cbrt²
declare("cbrt_reciprocal", cbrt_reciprocal, 2, FLOATS, formula=_cbrt_reciprocal, singular=(1,), domain=((2.0, 2.0), POSITIVE),
        partials=(None, lambda k, x, out: (k + 3).cbrt_reciprocal(x) * k * (-1 / 3)),
        doc="The reciprocal of the k-th power of the cube root: cbrt_reciprocal(k, x).")

# --- circular and hyperbolic functions --------------------------------------------------------------------------------

UNIT = (-0.9, 0.9)


def _asinh_partial(x: Expr, out: Expr) -> Any:
    """1 / sqrt(x^2 + 1); for a real x the square must not overflow."""
    return 1 / ((x * x + 1).sqrt() if x.dtype.complex else x.hypot(1))


# 0 where x is infinite, and so is its slope -2 x/(1 + x²)²
declare("cauchy", cauchy, 1, INEXACT, formula=lambda x: 1 / (1 + x * x), singular=(0,), flat=True, domain=(ANY,),
        partials=(lambda x, out: out.mulz(x).mulz(out) * -2.0,), doc="1 / (1 + x²), the slope of arctan.")
declare("sin", np.sin, 1, INEXACT, cost=14, partials=(lambda x, out: x.cos(),), domain=(ANY,), recipe=R.SIN)
declare("cos", np.cos, 1, INEXACT, cost=14, partials=(lambda x, out: -x.sin(),), domain=(ANY,), recipe=R.COS)
declare("tan", np.tan, 1, INEXACT, cost=14, partials=(lambda x, out: 1 + out * out,), domain=((-1.3, 1.3),), recipe=R.TAN)
# 1 - x^2 as (1 - x)(1 + x): exact where x is near 1
declare("asin", np.arcsin, 1, INEXACT, cost=14, steep=True, partials=(lambda x, out: 1 / ((1 - x) * (1 + x)).sqrt(),),
        singular=(0,),
        domain=(UNIT,), recipe=R.ASIN)
declare("acos", np.arccos, 1, INEXACT, cost=14, steep=True, partials=(lambda x, out: -1 / ((1 - x) * (1 + x)).sqrt(),),
        singular=(0,),
        domain=(UNIT,), recipe=R.ACOS)
declare("atan", np.arctan, 1, INEXACT, cost=14, partials=(lambda x, out: x.cauchy(),), singular=(0,),
        forgets=True, domain=(ANY,), recipe=R.ATAN)
declare("sinh", np.sinh, 1, INEXACT, cost=14, overflows=True, partials=(lambda x, out: x.cosh(),), singular=(0,),
        domain=(ANY,), recipe=R.SINH)
declare("cosh", np.cosh, 1, INEXACT, cost=14, overflows=True, partials=(lambda x, out: x.sinh(),), singular=(0,),
        domain=(ANY,), recipe=R.COSH)
declare("tanh", np.tanh, 1, INEXACT, cost=14, partials=(lambda x, out: 1 - out * out,), forgets=True, domain=(ANY,),
        recipe=R.TANH)
declare("asinh", np.arcsinh, 1, INEXACT, cost=14, partials=(_asinh_partial,), singular=(0,), domain=(ANY,), recipe=R.ASINH)
# sqrt(x - 1) sqrt(x + 1), not sqrt(x^2 - 1): the same branch as arccosh for a complex x of negative real part
declare("acosh", np.arccosh, 1, INEXACT, cost=14, steep=True, singular=(0,), domain=((1.2, 3.0),), recipe=R.ACOSH,
        partials=(lambda x, out: 1 / (x - 1).sqrt() * (1 / (x + 1).sqrt()),))
# 1/(1 - x²) in two fractions: at an end of the domain a product would have 0 times infinity in its own derivative
declare("atanh", np.arctanh, 1, INEXACT, cost=14, partials=(lambda x, out: 0.5 / (1 - x) + 0.5 / (1 + x),), singular=(0,),
        domain=(UNIT,),
        recipe=R.ATANH)

# --- special functions ------------------------------------------------------------------------------------------------

TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)

# 0 from |x| = 28 on, and so is its slope: nothing times infinity
declare("bell", bell, formula=lambda x: (-(x * x)).exp(), partials=(lambda x, out: out.mulz(x) * -2.0,), flat=True,
        domain=(ANY,), doc="exp(-x²), the slope of erf but for a factor.")
declare("erf", Special("erf"), cost=14, lanewise=False, partials=(lambda x, out: TWO_OVER_SQRT_PI * x.bell(),),
        flat=True, domain=(ANY,), recipe=R.ERF)
declare("erfc", Special("erfc"), cost=14, lanewise=False, partials=(lambda x, out: -TWO_OVER_SQRT_PI * x.bell(),),
        flat=True, domain=(ANY,), recipe=R.ERFC)


def polygamma_slope(n: Expr, x: Expr) -> Any:
    """The slope of polygamma(n - 1, x), at 0 from the side that the sign of the zero says: as (-1/x)^(n+1)."""
    return (x == 0).select((-1 / x) ** (n + 1), n.polygamma(x))


declare("lgamma", lgamma, cost=30, lanewise=False, partials=(lambda x, out: x.digamma(),), singular=(0,),
        domain=((0.3, 4.0),),
        recipe=R.LGAMMA)
# The order n is a positive integer, so there is no derivative by it.
declare("polygamma", polygamma, 2, cost=30, lanewise=False, partials=(None, lambda n, x, out: polygamma_slope(n + 1, x)),
        singular=(1,),
        domain=((1.0, 1.0), (0.5, 4.0)), recipe=R.POLYGAMMA, doc="The n-th derivative of digamma, n = 1, 2 …: polygamma(n, x).")

# --- rounding, sign, classification -----------------------------------------------------------------------------------


def _copysign_partial(a: Expr, b: Expr, out: Expr) -> Any:
    """d|a| sign(b) / da, with abs'(0) = 0."""
    return a.sign() * like(a, 1).copysign(b)


declare("abs", np.absolute, 1, NUMBERS, "real", cost=4, partials=(lambda x, out: x.sign(),), domain=((0.2, 2.0),), recipe=R.ABS,
        doc="np.absolute. The partial is that of a real argument; a complex one has a row in autodiff.")
declare("sign", np.sign, 1, REALS, recipe=R.SIGN)
_numpy: Callable
for _name, _numpy in (("floor", np.floor), ("ceil", np.ceil), ("trunc", np.trunc), ("rint", np.rint)):
    declare(_name, _numpy, 1, FLOATS, recipe=R.ROUND[_name])
declare("isnan", np.isnan, 1, INEXACT, "bool", recipe=R.ISNAN)
declare("isinf", np.isinf, 1, INEXACT, "bool", recipe=R.ISINF)
declare("isfinite", np.isfinite, 1, INEXACT, "bool", recipe=R.ISFINITE)
declare("signbit", np.signbit, 1, FLOATS, "bool", recipe=R.SIGNBIT)
declare("not", np.logical_not, 1, BOOLS, recipe=R.NOT)
declare("invert", np.invert, 1, INTS, recipe=R.INVERT, low_bits=True)
declare("copysign", np.copysign, 2, FLOATS, partials=(_copysign_partial, None), domain=((0.2, 2.0), (0.2, 2.0)),
        recipe=R.COPYSIGN)
declare("nextafter", np.nextafter, 2, FLOATS, cost=6, lanewise=False, partials=(lambda a, b, out: like(a, 1), None),
        domain=(ANY, (3.0, 4.0)),
        recipe=R.NEXTAFTER)

# --- division, powers, extremes ---------------------------------------------------------------------------------------


def _times_power(y: Expr, power: Expr) -> Any:
    """y times a power of x: 0 where y is 0, whatever x is, and where y is infinite and the power 0, as 0.5**inf is. As `mulz`,
    so that its derivative by y is still x^-1 where y is 0."""
    product = y.mulz(power)
    if y.dtype.complex or (y.value.__class__ is Const and not y.value.data.ndim and math.isfinite(y.value.item)):
        return product
    return (y.isinf() & (power == 0)).select(0, product)


def _power_slope(x: Expr, y: Expr) -> Any:
    """y x^(y-1)."""
    return _times_power(y, x ** (y - 1))


def _power_slope_exponent(x: Expr, y: Expr, out: Expr) -> Any:
    """x^(y-1) (1 + y log x): as one product, which has a limit at x = 0, where the two terms of the sum may have none."""
    slope = (x ** (y - 1)).mulz(1 + y * (x + 0.0).log())
    return slope.surrogate(_power_log_base(like(x, 1), x, y))


def _power_log(k: Expr, x: Expr, y: Expr) -> Any:
    """0 where x^y is, although the logarithm is infinite."""
    return (x ** y).mulz((x + 0.0).log() ** k)


def _power_log_base(k: Expr, x: Expr, y: Expr) -> Any:
    """y x^(y-1) log^k x + k x^(y-1) log^(k-1) x. At 0 the first term outweighs the second where both are infinite."""
    first, second = _times_power(y, k.power_log(x, y - 1)), k.mulz((k - 1).power_log(x, y - 1))
    return first + ((x == 0) & (y != 0)).select(0, second)


def _pow_base(x: Expr, y: Expr, out: Expr) -> Any:
    known = y.value.__class__ is Const and not np.isinf(y.value.data).any()
    return _power_slope(x, y) if x.dtype.complex or known else x.power_slope(y)


def _pow_exponent(x: Expr, y: Expr, out: Expr) -> Any:
    """x^y log x, and 0 where x^y is 0. 0**0 counts as constant in y: log 1 stands for log 0 there."""
    constant = (x == 0) & (y == 0)
    slope = out.mulz(constant.select(1, x).log())
    return slope if x.dtype.complex else slope.surrogate(constant.select(0, like(x, 1).power_log(x, y)))


def _share(wins: Callable) -> tuple[Callable, Callable]:
    """The partial of max or min by the operand that `wins(a, b)` says is taken: 1, half where they are equal, else 0. NaN is
    taken, so its slope is 1: a silent 0 would hide it."""
    def partial(a: Expr, b: Expr, tie: Any) -> Expr:
        return (wins(a, b) | a.isnan()).select(like(a, 1), tie.select(like(a, 0.5), 0))
    return (lambda a, b, out: partial(a, b, a == b)), (lambda a, b, out: partial(b, a, a == b))


NONZERO = (0.5, 2.0)

declare("div", np.true_divide, 2, INEXACT, cost=4, partials=(lambda a, b, out: 1 / b, lambda a, b, out: -out / b),
        singular=(0, 1),
        forgets=True, domain=(ANY, NONZERO), recipe=R.DIV)
declare("floordiv", np.floor_divide, 2, REALS, cost=4, lanewise=False, recipe=R.FLOORDIV)
declare("mod", np.remainder, 2, REALS, cost=4, lanewise=False, singular=(1,), domain=((2.1, 2.9), (0.91, 0.99)), recipe=R.MOD,
        partials=(lambda a, b, out: like(a, 1), lambda a, b, out: -(a // b)))
declare("pow", np.power, 2, NUMBERS, cost=24, steep=True, lanewise=False, partials=(_pow_base, _pow_exponent), singular=(0, 1),
        forgets=True, domain=(POSITIVE, ANY), recipe=R.POW,
        evaluate=_evaluate(int_pow), doc="np.power. An integer to a negative power is 0: the tracer has checked by then.")
declare("power_slope", power_slope, 2, FLOATS, steep=True, formula=_power_slope, singular=(0, 1), domain=(POSITIVE, ANY),
        partials=(lambda x, y, out: _times_power(y, x.power_slope(y - 1)), _power_slope_exponent),
        doc="y x^(y-1), the slope of x^y by x; 0 where y is 0.")
# The slopes of x^y by y, closed under differentiation: as products of x^y and powers of a logarithm that is infinite at 0 they
# would have derivatives of 0 times infinity there.
declare("power_log", power_log, 3, FLOATS, steep=True, formula=_power_log, singular=(1, 2),
        domain=((1.0, 1.0), POSITIVE, ANY), doc="x^y log^k x for whole k >= 0: power_log(k, x, y).",
        partials=(None, lambda k, x, y, out: _power_log_base(k, x, y), lambda k, x, y, out: (k + 1).power_log(x, y)))
declare("atan2", np.arctan2, 2, FLOATS, cost=14, lanewise=False, singular=(0, 1), forgets=True, domain=(NONZERO, ANY),
        recipe=R.ATAN2,
        partials=(lambda y, x, out: _over_square(x, y), lambda y, x, out: -_over_square(y, x)))
declare("hypot", np.hypot, 2, FLOATS, cost=6, lanewise=False, partials=(lambda x, y, out: share_of(x, out), lambda x, y,
                                                                        out: share_of(y, out)),
        singular=(0, 1), domain=(NONZERO, ANY), recipe=R.HYPOT)
declare("max", np.maximum, 2, ALL, partials=_share(lambda a, b: a > b),
        forgets=True, domain=((-2.0, -0.1), (0.1, 2.0)), recipe=R.MAX)
declare("min", np.minimum, 2, ALL, partials=_share(lambda a, b: a < b),
        forgets=True, domain=((-2.0, -0.1), (0.1, 2.0)), recipe=R.MIN)


def share_of(x: Expr, out: Expr) -> Any:
    """x / out, and 0 where both are: the slope of a norm at 0. Far out, 1 or -1 of an infinite x, 0 of others."""
    inside = (out == 0).select(0, x / out)
    return out.isinf().select(x.isinf().select(x.sign(), 0), inside)


def _over_square(a: Expr, b: Expr) -> Any:
    """a / (a^2 + b^2) without overflow or underflow of the squares."""
    h = a.hypot(b)
    return (h == 0).select(a / h, share_of(a, h)) / h


# --- comparison, logic ------------------------------------------------------------------------------------------------

for _name, _numpy in (("eq", np.equal), ("ne", np.not_equal), ("lt", np.less), ("le", np.less_equal), ("gt", np.greater),
                      ("ge", np.greater_equal)):
    declare(_name, _numpy, 2, ALL, "bool", recipe=R.COMPARE[_name])
declare("and", np.bitwise_and, 2, LOGICAL, recipe=R.AND, low_bits=True, absorbs=True)
declare("or", np.bitwise_or, 2, LOGICAL, recipe=R.OR, low_bits=True, absorbs=True)
declare("xor", np.bitwise_xor, 2, LOGICAL, recipe=R.XOR, low_bits=True)
declare("shl", np.left_shift, 2, INTS, recipe=R.SHL)
declare("shr", np.right_shift, 2, INTS, recipe=R.SHR)

# whether the exact sum, difference, product, x 2^y is a machine integer: what Python's ints are asked about
_EXACT = {"add_fits": operator.add, "sub_fits": operator.sub, "mul_fits": operator.mul, "shl_fits": shifted}
for _name, _exact in _EXACT.items():
    declare(_name, fits(_exact), 2, frozenset({I64, U64, INDEX}), "bool", recipe=R.FITS[_name],
            doc=f"Whether the exact result of `{_name.removesuffix('_fits')}` is within the dtype.")

# an integer of 64 bits read with the other sign, and whether that is the same number
for _name, _dtype in (("unsigned", np.uint64), ("signed", np.int64)):
    declare(_name, lambda x, _dtype=_dtype: np.asarray(x).astype(_dtype)[()], 1, frozenset({I64, U64}), _name,
            recipe=R.SAME_BITS, low_bits=True, doc=f"The bits of an integer, read as {_dtype.__name__}.")
    declare(f"{_name}_fits", lambda x: np.asarray(x).view(np.int64)[()] >= 0, 1, frozenset({I64, U64}), "bool",
            recipe=R.SAME_SIGN, doc=f"Whether `{_name}` of an integer of the other kind is the same number.")
FITS = frozenset({*_EXACT, "unsigned_fits", "signed_fits"})

# --- select, cast, stop_gradient: typed by rules of their own ---------------------------------------------------------


def _infer_select(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("select", operands, 3)
    cond, a, b = (array_type("select", v) for v in operands)
    if cond.dtype is not BOOL:
        fail(f"select takes a bool condition, not {cond!r}")
    if a.dtype is not b.dtype:
        fail(f"select of {a.dtype!r} and {b.dtype!r}: the dtypes differ")
    return [Type(a.dtype, _join_dims("select", _join_dims("select", cond.dims, a.dims), b.dims))]


def _infer_cast(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("cast", operands, 1)
    expect_dtype("cast", attrs["dtype"], ALL)
    return [Type(attrs["dtype"], array_type("cast", operands[0]).dims)]


def _infer_identity(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("stop_gradient", operands, 1)
    return [array_type("stop_gradient", operands[0])]


Elementwise("select", _infer_select, _evaluate(select), "linear", (1, 2), numpy=np.where, arity=3, takes=ALL, recipe=R.SELECT,
            domain=(ANY, ANY, ANY), absorbs=True, doc="The second where the first is true, else the third.")
Elementwise("cast", _infer_cast, lambda op, x: (cast(x, op.attrs["dtype"]),), "linear", (0,), takes=ALL, recipe=R.CAST,
            domain=(ANY,), doc="The same number in another dtype. Linear between inexact dtypes; of a complex the real part.")
declare("surrogate", surrogate, 2, INEXACT, formula=lambda value, smooth: value, domain=(ANY, ANY),
        partials=(None, lambda value, smooth, out: like(smooth, 1)),
        doc="The first operand, with the derivative of the second: two formulas of one function, one smooth where it is.")
declare("with_square", surrogate, 2, FLOATS, formula=lambda value, square: value, domain=(ANY, ANY),
        partials=(lambda value, square, out: like(value, 1), None),
        doc="The first operand, whose square is the second in a form that is smooth where it is.")
declare("sloped", sloped, 3, INEXACT, formula=lambda value, x, slope: value, domain=(ANY, ANY, ANY), singular=(1,),
        partials=(None, lambda value, x, slope, out: slope, None),
        doc="The first operand, whose derivative in the second is the third: a slope that is known before the function is.")
declare("lost", lost, 2, FLOATS, formula=lambda x, at: like(x, 0), domain=(ANY, (0.0, 0.0)), singular=(0,), steep=True,
        partials=(lambda x, at, out: at.mulz(x), None),
        doc="0, whose slope in the first operand is NaN where the second is, and 0 where that is 0.")
Elementwise("stop_gradient", _infer_identity, lambda op, x: (x,), takes=ALL, recipe=R.IDENTITY, domain=(ANY,),
            cost=0, moves=True, doc="The operand, which counts as a constant for differentiation.")
