"""The math module and the builtins on traced values. Results are Python scalars, domain errors are Python's.

`MATH` maps a function to its handler. A domain is checked at run time; an infinite result of a finite argument is an overflow.
"""
from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ....ir.analysis.lengths import depends
from ....ir.build import Builder, const
from ....ir.core import Const, Value
from ....ir.errors import ShapeError, UnsupportedError
from ....ir.types import BOOL, F64, I64, U64
from ... import tracing
from .. import boxes, ufuncs
from ..boxes import ArrayBox, Box, ScalarBox, lift
from ..promotion import fail, holds, result_dtype
from . import division, scalar_arithmetic
from .failing import failure_text
from .scalar_arithmetic import rounded, scalar, to_bool, to_complex, to_float, to_int, truth

MATH: dict = {}
BUILTINS: dict = {}
INF = math.inf


def _real(x: Any) -> Value:
    """A number as f64."""
    value = scalar(x, "a math function")
    if value.type.dtype.complex:
        raise TypeError("must be real number, not complex")
    return tracing.current().builder.cast(value, F64)


def _check(cond: Value, error: str, message: str) -> None:
    """A check that is left out where the condition is a constant that holds, and where nothing is to raise."""
    if (isinstance(cond, Const) and cond.data.all()) or not division.raises():
        return
    tracing.current().builder.emit("check", cond, error=error, message=message)


def _no_pole(b: Builder, x: Any) -> Any:
    """Not 0, -1, -2 … At -inf there is none."""
    pole = b("and", b("le", x, const(0.0)), b("eq", x, b("floor", x)))
    return b("not", b("and", pole, b("isfinite", x)))


def _finite(b: Builder, x: Value) -> Value:
    return b("not", b("isinf", x))


# math function -> (op, condition on the arguments or None, a call that fails, whether it can overflow)
_ELEMENTARY = {
    "sqrt": ("sqrt", lambda b, x: b("not", b("lt", x, const(0.0))), -1.0, False),
    "exp": ("exp", None, None, True), "expm1": ("expm1", None, None, True), "exp2": ("exp2", None, None, True),
    "log2": ("log2", lambda b, x: b("not", b("le", x, const(0.0))), -1.0, False),
    "log10": ("log10", lambda b, x: b("not", b("le", x, const(0.0))), -1.0, False),
    "log1p": ("log1p", lambda b, x: b("not", b("le", x, const(-1.0))), -2.0, False),
    "cbrt": ("cbrt", None, None, False), "sin": ("sin", _finite, INF, False), "cos": ("cos", _finite, INF, False),
    "tan": ("tan", _finite, INF, False), "atan": ("atan", None, None, False), "sinh": ("sinh", None, None, True),
    "cosh": ("cosh", None, None, True), "tanh": ("tanh", None, None, False), "asinh": ("asinh", None, None, False),
    "asin": ("asin", lambda b, x: b("not", b("gt", b("abs", x), const(1.0))), 2.0, False),
    "acos": ("acos", lambda b, x: b("not", b("gt", b("abs", x), const(1.0))), 2.0, False),
    "acosh": ("acosh", lambda b, x: b("not", b("lt", x, const(1.0))), 0.0, False),
    "atanh": ("atanh", lambda b, x: b("not", b("ge", b("abs", x), const(1.0))), 2.0, False),
    "erf": ("erf", None, None, False), "erfc": ("erfc", None, None, False), "fabs": ("abs", None, None, False),
    "lgamma": ("lgamma", _no_pole, -1.0, True),
}
_OVERFLOW = failure_text(math.exp, 1000.0)


def _elementary(name: str, op: str, domain: Callable | None, outside: float | None, overflows: bool) -> Callable:
    message = "" if outside is None else failure_text(getattr(math, name), outside)

    def run(x: ScalarBox, /) -> ScalarBox:
        b, value = tracing.current().builder, _real(x)
        if domain is not None:
            _check(domain(b, value), "ValueError", message)
        out = b(op, value)
        if overflows:
            _check(b("or", b("not", b("isinf", out)), b("isinf", value)), "OverflowError", _OVERFLOW)
        return ScalarBox(out, "float")

    return run


for _name, _row in _ELEMENTARY.items():
    if hasattr(math, _name):
        MATH[getattr(math, _name)] = _elementary(_name, *_row)


def of(*functions: Callable) -> Callable:
    def register(handler: Callable) -> Callable:
        for f in functions:
            MATH[f] = handler
        return handler

    return register


_LOG_DOMAIN = failure_text(math.log, 0.0)


@of(math.log)
def _log(x: Any, base: Any = None, /) -> Any:
    b, value = tracing.current().builder, _real(x)
    _check(b("not", b("le", value, const(0.0))), "ValueError", _LOG_DOMAIN)
    out = ScalarBox(b("log", value), "float")
    return out if base is None else out / (_log(base) if isinstance(base, Box) else math.log(base))


def _two(op: str) -> Callable:
    return lambda x, y, /: ScalarBox(tracing.current().builder(op, _real(x), _real(y)), "float")


for _function, _op in ((math.atan2, "atan2"), (math.copysign, "copysign"), (math.nextafter, "nextafter")):
    MATH[_function] = _two(_op)


@of(math.hypot)
def _hypot(*xs: Any) -> Any:
    b = tracing.current().builder
    if len(xs) < 2:
        return ScalarBox(b("abs", _real(xs[0])) if xs else const(0.0), "float")
    out = _real(xs[0])
    for x in xs[1:]:
        out = b("hypot", out, _real(x))
    return ScalarBox(out, "float")


@of(math.dist)
def _dist(p: Any, q: Any, /) -> Any:
    b = tracing.current().builder                              # of floats: unsigned differences would wrap around
    return _hypot(*(ScalarBox(b("sub", _real(x), _real(y)), "float") for x, y in zip(p, q, strict=True)))


_POW_DOMAIN = failure_text(math.pow, -1.0, 0.5)


@of(math.pow)
def _pow(x: Any, y: Any, /) -> Any:
    b, base, exponent = tracing.current().builder, _real(x), _real(y)
    zero = const(0.0)
    bad = b("or", b("and", b("eq", base, zero), b("and", b("lt", exponent, zero), b("isfinite", exponent))),
            b("and", b("and", b("lt", base, zero), b("isfinite", base)),
              b("and", b("isfinite", exponent), b("ne", exponent, b("floor", exponent)))))
    _check(b("not", bad), "ValueError", _POW_DOMAIN)
    out = b("pow", base, exponent)
    finite = b("and", b("isfinite", base), b("isfinite", exponent))
    _check(b("or", b("not", b("isinf", out)), b("not", finite)), "OverflowError", _OVERFLOW)
    return ScalarBox(out, "float")


def _divides(x: Any, y: Any, function: Callable) -> tuple[Builder, Value, Value]:
    """(builder, x, y) where x has a remainder: an infinite one has none, and 0 leaves none. With a NaN that is a NaN."""
    b, left, right = tracing.current().builder, _real(x), _real(y)
    fine = b("and", b("not", b("isinf", left)), b("ne", right, const(0.0)))
    unknown = b("or", b("isnan", left), b("isnan", right))
    _check(b("or", fine, unknown), "ValueError", failure_text(function, 1.0, 0.0))
    return b, left, right


@of(math.fmod)
def _fmod(x: Any, y: Any, /) -> Any:
    _, left, right = _divides(x, y, math.fmod)
    return ScalarBox(ufuncs.evaluate(np.fmod, [left, right], (F64,)), "float")


@of(math.remainder)
def _remainder(x: Any, y: Any, /) -> Any:
    """By fmod, which is exact for quotients of any size, as in CPython's Modules/mathmodule.c: m = fmod(|x|, |y|) or m - |y|,
    what is closer to 0; between the two, the one whose quotient is even."""
    b, left, right = _divides(x, y, math.remainder)
    negative, unit = b("lt", b("copysign", const(1.0), left), const(0.0)), b("abs", right)
    size = b("select", negative, b("neg", left), left)                # |x| without its kink at 0
    m = ufuncs.evaluate(np.fmod, [size, unit], (F64,))
    above = b("sub", unit, m)
    half = ufuncs.evaluate(np.fmod, [b("mul", const(0.5), b("sub", size, m)), unit], (F64,))
    between = b("sub", m, b("mul", const(2.0), half))
    out = b("select", b("lt", m, above), m, b("select", b("gt", m, above), b("neg", above), between))
    out = b("select", negative, b("neg", out), out)
    return ScalarBox(b("select", b("and", b("isinf", right), b("isfinite", left)), left, out), "float")


for _function, _factor in ((math.radians, math.pi / 180), (math.degrees, 180 / math.pi)):
    MATH[_function] = lambda x, /, factor=_factor: ScalarBox(tracing.current().builder("mul", _real(x), const(factor)), "float")
for _function, _op in ((math.isnan, "isnan"), (math.isinf, "isinf"), (math.isfinite, "isfinite")):
    MATH[_function] = lambda x, /, op=_op: ScalarBox(tracing.current().builder(op, _real(x)), "bool")


def _rounding(op: str) -> Callable:
    def run(x: Any, /) -> Any:
        if lift(x).dtype_ir.kind in "biux":
            return to_int(x)
        return to_int(ScalarBox(tracing.current().builder(op, _real(x)), "float"))

    return run


for _function, _op in ((math.floor, "floor"), (math.ceil, "ceil"), (math.trunc, "trunc")):
    MATH[_function] = _rounding(_op)


@of(math.modf)
def _modf(x: Any, /) -> Any:
    return tuple(ScalarBox(v, "float") for v in ufuncs.RULES[np.modf](tracing.current().builder, [_real(x)], (F64, F64)))


@of(math.frexp)
def _frexp(x: Any, /) -> Any:
    b = tracing.current().builder
    mantissa, exponent = ufuncs.RULES[np.frexp](b, [_real(x)], (F64, I64))
    return ScalarBox(mantissa, "float"), ScalarBox(exponent, "int")


@of(math.ldexp)
def _ldexp(x: Any, i: Any, /) -> Any:
    b, value = tracing.current().builder, _real(x)
    out = ufuncs.RULES[np.ldexp](b, [value, b.cast(scalar(i, "ldexp"), I64)], (F64,))
    _check(b("or", b("not", b("isinf", out)), b("isinf", value)), "OverflowError", _OVERFLOW)
    return ScalarBox(out, "float")


@of(math.ulp)
def _ulp(x: Any, /) -> Any:
    """The distance to the next larger float; of the largest one to the one below."""
    b = tracing.current().builder
    size = b("abs", _real(x))
    upper = b("nextafter", size, const(INF))
    gap = b("select", b("isinf", upper), b("sub", size, b("nextafter", size, const(0.0))), b("sub", upper, size))
    return ScalarBox(b("select", b("isinf", size), size, gap), "float")


@of(math.fsum)
def _fsum(xs: Any, /) -> NoReturn:
    fail(UnsupportedError, "math.fsum cannot be compiled", "use sum() or np.sum")


@of(math.prod)
def _prod(iterable: Any, /, *, start: int = 1) -> Any:
    for x in iterable:
        start = start * x
    return start


def _closeness(convert: Callable) -> Callable:
    """math.isclose, and cmath.isclose (complex_functions.py)."""
    def run(a: Any, b: Any, *, rel_tol: float = 1e-9, abs_tol: float = 0.0) -> Any:
        build, x, y = tracing.current().builder, convert(a), convert(b)
        widest = build("max", build("mul", _real(rel_tol), build("max", build("abs", x), build("abs", y))), _real(abs_tol))
        near = build("and", build("le", build("abs", build("sub", x, y)), widest),
                     build("and", build("isfinite", x), build("isfinite", y)))
        return ScalarBox(build("or", build("eq", x, y), near), "bool")

    return run


MATH[math.isclose] = _closeness(_real)
for _function in (math.factorial, math.comb, math.perm, math.gcd, math.lcm, math.isqrt):
    MATH[_function] = lambda *a, f=_function: f(*(boxes.concrete(x, f"math.{f.__name__}") if isinstance(x, Box) else x
                                                  for x in a))


@of(math.gamma)
def _gamma(x: Any, /) -> Any:
    """Poles are errors, and so is a result too large for a float."""
    b, value = tracing.current().builder, _real(x)
    pole = b("and", b("le", value, const(0.0)), b("eq", value, b("floor", value)))
    _check(b("not", b("or", pole, b("eq", value, const(-INF)))), "ValueError", failure_text(math.gamma, 0.0))
    out = b("gamma", value)
    _check(b("or", b("not", b("isinf", out)), b("isinf", value)), "OverflowError", _OVERFLOW)
    return ScalarBox(out, "float")


# --- builtins -------------------------------------------------------------------------------------------------------

def _len(x: Sequence | ArrayBox) -> Any:
    """len: a traced int where the length is known only at run time."""
    if not isinstance(x, ArrayBox):
        return builtins.len(x)
    if not x.dims:
        raise TypeError("len() of unsized object")
    return boxes.count(x.dims[0])


def _common(parts: Any) -> tuple[list[Value], str | None]:
    """(values in one dtype, weak): the type of min and max over them."""
    weaks = [p.weak for p in parts]
    if None not in weaks:
        weak = builtins.max(weaks, key=lambda weak: scalar_arithmetic._RANK[weak])
        trace = tracing.current()
        if builtins.len(set(weaks)) > 1 and trace.general and all(
                tracing.constant(p.read()) is not None or depends(p.read(), trace.unfixed) for p in parts):
            raise tracing.NeedLengths("the type of a number depends on lengths")
        return [scalar_arithmetic.python_scalar(p, weak) for p in parts], weak
    dtype = result_dtype([p.kind for p in parts])
    ints = [tracing.constant(p.read()) for p in parts if p.weak == "int"]
    if not all(k is None or holds(dtype, int(k)) for k in ints) and dtype is not U64:
        dtype = I64
    return [boxes.to_value(p, dtype) for p in parts], None


def _pick(name: str, op: str) -> Callable:
    """min and max as Python does it: the first, replaced by each later one that is strictly beyond it."""
    def run(*args: Any, **default: Any) -> ScalarBox:
        if builtins.len(args) == 1:
            if isinstance(args[0], ArrayBox):
                return _pick_element(args[0], op, name, *default.values())
            args = builtins.list(args[0])
            if not args:
                if default:
                    return default["default"]
                raise ValueError(f"{name}() iterable argument is empty")
        if not any(isinstance(a, Box) for a in args):
            return getattr(builtins, name)(args)
        parts = [lift(a) for a in args]
        if any(p.dims for p in parts):
            raise ValueError("The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()")
        values, weak = _common(parts)
        b, best = tracing.current().builder, values[0]
        for v in values[1:]:
            if best.type.dtype is not v.type.dtype:
                best, v = b.cast(best, I64), b.cast(v, I64)
            best = b("select", b(op, v, best), v, best)
        return ScalarBox(best, weak)

    return run


def _or_default(x: ArrayBox, default: Any) -> Any:
    """An array of run-time length, with the default for its only element where it has none."""
    b, filler = tracing.current().builder, lift(default)
    if filler.dims:
        fail(UnsupportedError, "the default of min and max of an array is an array; it can be a number")
    missing = b.iop("sub", 1, b.iop("min", x.dims[0], 1))
    return boxes.FUNCTIONS[np.concatenate]([ArrayBox(b.full(filler.read(), [missing], filler.dtype_ir)), x])


def _pick_element(x: Any, op: str, name: str, *default: Any) -> Any:
    """min(array): NaN loses, except that a NaN in the first place is never replaced."""
    if builtins.len(x.dims) != 1:
        raise ValueError("The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()")
    if default and type(x.dims[0]) is not int:
        if tracing.current().general:
            raise tracing.NeedLengths("whether an array is empty")
        x = _or_default(x, *default)
    if type(x.dims[0]) is int and x.dims[0] == 0:
        return default[0] if default else fail(ShapeError, f"{name}() iterable argument is empty")
    reduced = boxes.FUNCTIONS[np.nanmin if name == "min" else np.nanmax](x)
    if not x.dtype_ir.inexact:
        return reduced
    first = x[0]
    b = tracing.current().builder
    return ScalarBox(b("select", ufuncs.evaluate(np.isnan, [first.read()], (BOOL,)), first.read(), reduced.read()))


def _sum(iterable: ArrayBox, /, start: int = 0) -> Any:
    if not isinstance(iterable, ArrayBox):
        for x in iterable:
            start = start + x
        return start
    if type(iterable.dims[0]) is int and iterable.dims[0] == 0:
        return start
    dtype = result_dtype([int, iterable.kind])
    total = boxes.FUNCTIONS[np.sum](iterable, 0, dtype)
    return total if type(start) is int and start == 0 else start + total


def _abs(x: Box, /) -> Box:
    return abs(x)


def _round(number: ScalarBox, ndigits: int | None = None) -> ScalarBox:
    if isinstance(number, ScalarBox) and number.dtype_ir.complex and number.weak:
        raise TypeError("type complex doesn't define __round__ method")
    return rounded(number, ndigits) if isinstance(number, Box) else builtins.round(number, ndigits)


def _python_pow(base: Any, exp: Any, mod: Any = None) -> ScalarBox:
    """With a modulus, exactly: by squares (calling/number_programs.py)."""
    return base ** exp if mod is None else boxes.HOOKS["power_modulo"](base, exp, mod)


def _fold_truth(op: str, stop: bool) -> Callable:
    def run(iterable: list[ScalarBox] | ArrayBox, /) -> Any:
        found = None
        for x in iterable:
            t = truth(x)
            if t is stop:
                return stop
            if isinstance(t, Box):
                found = t if found is None else ScalarBox(tracing.current().builder(op, found.read(), t.read()), "bool")
        return (not stop) if found is None else found

    return run


def _index(x: Any, /) -> Any:
    """operator.index: a Python int of any integer."""
    if not isinstance(x, ScalarBox):
        return operator.index(x)
    if x.dtype_ir.kind not in "biux":
        raise TypeError(f"'{x.weak or f'numpy.{x.dtype_ir.np.name}'}' object cannot be interpreted as an integer")
    return to_int(x)


def _bool(x: Any = False, /) -> Any:
    """A container is true if it holds anything, whatever that is."""
    return bool(x) if isinstance(x, (tuple, list, dict, set, frozenset)) else to_bool(x)


def _as_complex(real: Any = 0, imag: Any = None) -> Any:
    return _number("complex", to_complex, "a string or a number")(real, imag)


def _int(x: Any = 0, /, *base: Any, **named: Any) -> Any:
    if base or named:
        given = [boxes.concrete(b, "the base of int()") if isinstance(b, Box) else b for b in (*base, *named.values())]
        return int(x, *given[:len(base)], **dict(zip(named, given[len(base):])))
    return _number("int", to_int, "a string, a bytes-like object or a real number")(x)


def _number(name: str, convert: Callable, wanted: str) -> Callable:
    """int, float or complex of a number: an array of one may stand for it, another container of one may not."""
    def run(x: Any = 0, /, *more: Any) -> Any:
        if isinstance(x, (tuple, list)):
            raise TypeError(f"{name}() argument must be {wanted}, not '{type(x).__name__}'")
        return convert(x, *more)

    return run


BUILTINS.update({
    len: _len, min: _pick("min", "lt"), max: _pick("max", "gt"), sum: _sum, abs: _abs, round: _round, divmod: lambda a, b,
    /: divmod(a, b),
    pow: _python_pow, any: _fold_truth("or", True), all: _fold_truth("and", False),
    int: _int, float: _number("float", to_float, "a string or a real number"), bool: _bool, complex: _as_complex,
    operator.index: _index,
})
