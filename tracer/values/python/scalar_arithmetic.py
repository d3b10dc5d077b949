"""Python's own arithmetic on traced Python scalars, its builtins, and the math module.

Two Python scalars follow Python: ints divide to floats, division by zero raises, comparison gives a bool. Ints are 64 bits
wide; where Python's would be wider there is an OverflowError (values/python_ints.py). Where one of two is a NumPy value,
NumPy's rules hold (values/ufuncs.py).
"""
from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ....ir.analysis.lengths import depends
from ....ir.build import Builder, const
from ....ir.core import Block, Const, Value
from ....ir.errors import DTypeError, UnsupportedError
from ....ir.types import BOOL, C128, F64, I64, INDEX, U64, Array
from ... import tracing
from .. import boxes, operators, shapes, ufuncs
from ..boxes import HOOKS, PYTHON, Box, ScalarBox, lift, too_large
from ..promotion import fail
from . import division, ints, power_checks, wide_ints
from .failing import failure_text, require

_RANK = {"bool": 0, "int": 1, "float": 2, "complex": 3}
_NAME = {bool: "bool", int: "int", float: "float", complex: "complex"}
_DTYPE = {"bool": BOOL, "int": I64, "float": F64, "complex": C128}
_COMPARE = {"eq", "ne", "lt", "le", "gt", "ge"}
_SYMBOL = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "and": "&", "or": "|",
           "xor": "^", "lshift": "<<", "rshift": ">>", "matmul": "@", "divmod": "divmod()"}
_PYTHON = {"truediv": operator.truediv, "floordiv": operator.floordiv, "mod": operator.mod, "add": operator.add,
           "sub": operator.sub,
           "mul": operator.mul, "pow": operator.pow, "and": operator.and_, "or": operator.or_, "xor": operator.xor,
           "lshift": operator.lshift, "rshift": operator.rshift, "divmod": divmod, "eq": operator.eq, "ne": operator.ne,
           "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge}


_BY_ZERO = {(op, kind): failure_text(_PYTHON[op], one, one * 0)
            for op in ("truediv", "floordiv", "mod") for kind, one in (("int", 1), ("float", 1.0))}
_BY_ZERO["truediv", "complex"] = failure_text(operator.truediv, 1j, 0j)


def weak_of(x: Array | Box) -> str | None:
    """"int", "float" … of a Python scalar, traced or not; None for everything else."""
    if isinstance(x, Box):
        return x.weak
    return _NAME.get(type(x))


def _number_of(x: Any) -> Any:
    """What an object of a class derived from int, float or complex, as a member of an IntEnum is, is beside a Python number."""
    if isinstance(x, int | float | complex) and not (type(x) in _NAME or isinstance(x, np.generic)):
        return int(x) if isinstance(x, int) else float(x) if isinstance(x, float) else complex(x)
    return x


def python_scalar(x: Any, weak: str) -> Value:
    """The value of a Python scalar as another Python type; ints that are index stay so."""
    if type(x) is int and not -2**63 <= x < 2**63:
        x = too_large(x) if weak == "int" else float(x)
    value = x.read() if isinstance(x, Box) else const(x, _DTYPE[_NAME[type(x)]])
    if weak == "int":
        if value.type.dtype is U64:
            return wide_ints.signed(value)
        return value if value.type.dtype in (I64, INDEX) else tracing.current().builder.cast(value, I64)
    return tracing.current().builder.cast(value, _DTYPE[weak])


def binary(name: str, ufunc: Callable, a: float | Box, b: float | Box) -> Box:
    """a `op` b."""
    a, b = (_number_of(a), b) if weak_of(b) else (a, _number_of(b)) if weak_of(a) else (a, b)
    wa, wb = weak_of(a), weak_of(b)
    if wa == "complex" and wb is None and _is_python_float(b):     # complex.__add__ takes any float, and np.float64 is one
        b, wb = ScalarBox(lift(b).read(), "float"), "float"
    if wa is not None and wb is not None:
        return _python_binary(name, a, b, wa, wb)
    if name == "pow":
        return ufuncs.operator_power(a, b)
    return ufuncs.call(ufunc, a, b)


def _is_python_float(x: Any) -> bool:
    return type(x) is np.float64 or (isinstance(x, ScalarBox) and x.dtype_ir is F64)


def literal(x: Any) -> int | float | complex | None:
    """The number that a Python scalar is, where the trace knows it."""
    if not isinstance(x, Box):
        return x
    value = x.read()
    return value.data.item() if isinstance(value, Const) and value.frozen else None


def _python_binary(name: str, a: Any, b: Any, wa: str, wb: str) -> ScalarBox:
    left, right = literal(a), literal(b)
    if left is not None and right is not None:
        return _fold(name, left, right)
    handler = _BINARY.get(name)
    weak = wa if _RANK[wa] >= _RANK[wb] else wb
    if handler is None or (weak in ("float", "complex") and name in _INTEGERS) or (weak == "complex" and name in _ORDERED):
        raise TypeError(f"unsupported operand type(s) for {_SYMBOL.get(name, name)}: '{wa}' and '{wb}'")
    if _at_least_int(weak) == "int" and (wide_ints.is_wide(a) or wide_ints.is_wide(b)):
        found = wide_ints.binary(name, a, b)
        if found is not None:
            return found
    return handler(name, a, b, weak)


_INTEGERS = {"and", "or", "xor", "lshift", "rshift", "matmul"}
_ORDERED = {"lt", "le", "gt", "ge", "floordiv", "mod", "divmod"}


def _fold(name: str, left: complex, right: complex) -> Any:
    found = _PYTHON[name](left, right)
    if type(found) is int and not -2**63 <= found < 2**63:
        return found
    return tuple(map(lift, found)) if type(found) is tuple else lift(found)


def _pair(a: float | ScalarBox, b: float | ScalarBox, weak: str) -> tuple[Value, Value]:
    """Both operands in one dtype: index where both count (one may be a literal), else the Python type's own."""
    x, y = python_scalar(a, weak), python_scalar(b, weak)
    if x.type.dtype is not y.type.dtype:
        wanted = INDEX if isinstance(x if x.type.dtype is I64 else y, Const) else I64
        builder = tracing.current().builder
        x, y = builder.cast(x, wanted), builder.cast(y, wanted)
    return x, y


def _at_least_int(weak: Any) -> str:
    return "int" if weak == "bool" else weak


def _arith(name: str, a: float | ScalarBox, b: Array | ScalarBox, weak: str) -> ScalarBox:
    weak = _at_least_int(weak)
    x, y = _pair(a, b, weak)
    if weak == "int" and name in ("add", "sub", "mul"):
        ints.expect_fit(name, x, y)
    return ScalarBox(tracing.current().builder(name, x, y), weak)


def _bits(name: str, a: Any, b: Any, weak: str) -> Any:
    if weak == "bool":
        return ScalarBox(tracing.current().builder(name, python_scalar(a, weak), python_scalar(b, weak)), "bool")
    return _arith(name, a, b, weak)


def _shift(name: str, a: ScalarBox, b: ScalarBox, weak: str) -> ScalarBox:
    builder = tracing.current().builder
    x, y = (builder.cast(v, I64) for v in _pair(a, b, "int"))
    require(builder("ge", y, const(0, I64)), y, "ValueError", "negative shift count")
    if name == "lshift":
        ints.expect_fit("shl", x, y)
    return ScalarBox(builder("shl" if name == "lshift" else "shr", x, y), "int")


def _compare(name: str, a: ScalarBox, b: float | ScalarBox, weak: str) -> ScalarBox:
    builder = tracing.current().builder
    if weak == "float" and {weak_of(a), weak_of(b)} == {"int", "float"}:
        exact = ints.compare_with_float(name, lift(a), lift(b))
        if exact is not None:
            return exact
    x, y = _pair(a, b, _at_least_int(weak))
    return ScalarBox(builder(name, x, y), "bool")


def _nonzero(y: Value, name: str, weak: str) -> None:
    if (isinstance(y, Const) and y.data.item() != 0) or not division.raises():
        return
    require(tracing.current().builder("ne", y, const(0, y.type.dtype)), y, "ZeroDivisionError", _BY_ZERO[name, weak])


def _divide(name: str, a: ScalarBox, b: int | ScalarBox, weak: str) -> Any:
    builder = tracing.current().builder
    if name == "divmod":
        return _divide("floordiv", a, b, weak), _divide("mod", a, b, weak)
    weak = _at_least_int(weak)
    x, y = _pair(a, b, weak)
    _nonzero(y, name, weak)
    if weak == "int" and name == "floordiv":
        ints.expect_quotient(x, y)
    if name == "truediv" and weak == "int":
        weak = "float"
        x, y = builder.cast(x, F64), builder.cast(y, F64)
    return ScalarBox(builder("div" if name == "truediv" else name, x, y), weak)


def _power(name: str, a: float | ScalarBox, b: int | ScalarBox, weak: str) -> ScalarBox:
    weak = _at_least_int(weak)
    exponent = literal(b)
    if weak == "int" and isinstance(exponent, int) and exponent < 0:
        weak = "float"
    if weak == "int":
        return _int_power(a, b, exponent)
    builder = tracing.current().builder
    x, y = python_scalar(a, weak), python_scalar(b, weak)
    if exponent == 2:                 # as x * x, which may be infinite: a check would double the time of loops over squares
        return ScalarBox(builder("mul", x, x), weak)
    if weak == "float" and not isinstance(exponent, complex):
        power_checks.expect_real(x, y, exponent, whole_exponent=weak_of(b) in ("int", "bool"))
    elif weak == "complex" and division.raises():
        power_checks.expect_value(x, y, exponent)
    out = builder("pow", x, y)
    if division.raises():
        power_checks.expect_fit(out, x, y, exponent)
    return ScalarBox(out, weak)


def _int_power(a: Any, b: Any, exponent: complex | None) -> ScalarBox:
    builder = tracing.current().builder
    x, y = python_scalar(a, "int"), builder.cast(python_scalar(b, "int"), I64)
    if exponent == 2:
        ints.expect_fit("mul", x, x)
        return ScalarBox(builder("mul", x, x), "int")
    if exponent is None and literal(a) in (1, -1):
        # a sign: in Python a float for a negative exponent, here an int of the same value
        odd = builder("mul", builder("and", y, const(1, I64)), const(2 if literal(a) == -1 else 0, I64))
        return ScalarBox(builder("sub", const(1, I64), odd), "int")
    if exponent is None:
        if (unfixed := tracing.current().unfixed) and depends(y, unfixed):
            raise tracing.NeedLengths("the type of a power depends on an int that decides a shape")
        require(builder("ge", y, const(0, I64)), y, "DTypeError",
                 "an int to a negative power is a float: make the base a float")
    ints.expect_power(builder.cast(x, I64), y)
    return ScalarBox(builder("pow", builder.cast(x, I64), y), "int")


_BINARY = {**dict.fromkeys(("add", "sub", "mul"), _arith), **dict.fromkeys(("and", "or", "xor"), _bits),
           **dict.fromkeys(("lshift", "rshift"), _shift), **dict.fromkeys(_COMPARE, _compare),
           **dict.fromkeys(("truediv", "floordiv", "mod", "divmod"), _divide), "pow": _power}


def unary(name: str, ufunc: Callable, x: Box) -> Box:
    """-x, +x, abs(x), ~x."""
    if x.weak is None:
        return ufuncs.call(ufunc, x)
    number = literal(x)
    if number is not None:
        return lift(getattr(operator, name)(number))
    builder = tracing.current().builder
    weak = _at_least_int(x.weak)
    value = python_scalar(x, weak)
    if name == "pos":
        return ScalarBox(value, weak)
    if name == "invert":
        if weak != "int":
            raise TypeError(f"bad operand type for unary ~: '{weak}'")
        return ScalarBox(builder("invert", builder.cast(value, I64)), weak)
    if weak == "int":
        ints.expect_negative(value)
    return ScalarBox(builder(name, value), "float" if weak == "complex" and name == "abs" else weak)


def rounded(x: ScalarBox, ndigits: int | None = None) -> ScalarBox:
    """round(x) is an int; round(x, n) keeps the type and follows np.round."""
    if x.dims:
        raise TypeError("type numpy.ndarray doesn't define __round__ method")
    if ndigits is not None and x.weak == "float":
        return ScalarBox(_rounded_decimally(x.read(), shapes.static_int(ndigits, "the digits of round()")), "float")
    if ndigits is not None:
        found = boxes.FUNCTIONS[np.round](x, ndigits)
        return ScalarBox(found.read(), x.weak) if x.weak else found
    if x.dtype_ir.kind in "biux":
        return ScalarBox(x.read(), "int") if x.weak == "int" else to_int(x)
    builder = tracing.current().builder
    return to_int(ScalarBox(builder("rint", x.read()), "float"))


_SPLIT = 2.0**27 + 1


def _rounded_decimally(value: Value, digits: int) -> Any:
    """round(x, n) of a Python float: the double nearest to the decimal that is nearest to x itself.

    p + e = x 10^n exactly (T. J. Dekker, 1971); its floor k and what is left decide, a tie goes to the even one, and k / 10^n
    is rounded once. From 2^53 on x has no such digits. For n < 0 by the remainder of 10^-n.
    """
    x = tracing.current().builder.expr(tracing.current().builder("stop_gradient", value))
    if digits > 22:
        fail(UnsupportedError, f"round(x, {digits}), to more than 22 digits", "10.0**22 is the last power that a float holds")
    if digits < 0:
        unit = 10.0**-digits
        rest = x.mod(unit)
        low = x - rest
        odd = (low / unit).mod(2.0) != 0
        up = (rest > unit / 2) | ((rest == unit / 2) & odd)
        return x.isfinite().select(up.select(low + unit, low).copysign(x), x).value
    unit = 10.0**digits
    p = x * unit
    high = x * _SPLIT
    high = high - (high - x)
    top = unit * _SPLIT - (unit * _SPLIT - unit)
    low, bottom = x - high, unit - top
    e = ((high * top - p) + high * bottom + low * top) + low * bottom
    k = p.floor()
    above = (p - k) - 0.5                                     # exact, and so is the sign of the sum with e
    up = (above > -e) | ((above == -e) & (k.mod(2.0) != 0))
    down = (p == k) & (e == -0.5) & (k.mod(2.0) != 0)
    found = (up.select(k + 1, down.select(k - 1, k)) / unit).copysign(x)
    return ((p.abs() < 2.0**53) & x.isfinite()).select(found, x).value


# --- conversions ----------------------------------------------------------------------------------------------------

_NAN_TO_INT, _INF_TO_INT = failure_text(int, math.nan), failure_text(int, math.inf)
_TOO_LARGE = "int() of {0}: compiled code holds integers of 64 bits"


def scalar(x: Any, what: str) -> Value:
    """The value of a number or of an array of one element."""
    box = lift(x)
    value = box.read()
    if not value.type.dims:
        return value
    if all(type(d) is int and d == 1 for d in value.type.dims):
        return tracing.current().builder.reshape(value, ())
    raise TypeError(f"only 0-dimensional arrays can be converted to Python scalars, not {what} of an array of shape "
                    f"{value.type!r}")


def to_int(x: ScalarBox | Box) -> ScalarBox:
    """int(x): toward zero; NaN and infinity raise."""
    value = scalar(x, "int()")
    dtype = value.type.dtype
    builder = tracing.current().builder
    if dtype.complex:
        raise TypeError("int() argument must be a string, a bytes-like object or a real number, not 'complex'")
    if dtype is INDEX or (dtype is U64 and weak_of(x) == "int"):
        return ScalarBox(value, "int")
    if dtype.inexact:
        _expect_int(builder, value)
    elif dtype.kind == "u" and dtype.bits == 64:
        return ScalarBox(value, "int")
    return ScalarBox(builder.cast(value, I64), "int")


def _expect_int(builder: Builder, value: Value) -> None:
    """One comparison on the way; what is wrong is found out where it is false."""
    fits = builder("lt", builder("abs", value), builder.const(2.0**63, value.type.dtype))
    if isinstance(value, Const) and value.frozen and abs(value.item) < 2.0**63:
        return
    if tracing.current().targets:                      # a `try` may catch what is wrong: then each has a check of its own
        require(builder("not", builder("isnan", value)), value, "ValueError", _NAN_TO_INT)
        require(builder("not", builder("isinf", value)), value, "OverflowError", _INF_TO_INT)
        builder.emit("check", fits, value, error="LimitError", message=_TOO_LARGE)
        return
    fine, wrong = Block(), Block()
    with builder.at(wrong):
        require(builder("not", builder("isnan", value)), value, "ValueError", _NAN_TO_INT)
        require(builder("not", builder("isinf", value)), value, "OverflowError", _INF_TO_INT)
        builder.emit("check", builder.const(False, BOOL), value, error="LimitError", message=_TOO_LARGE)
    builder.emit("if", fits, regions=(fine, wrong))


def to_float(x: ScalarBox) -> ScalarBox:
    value = scalar(x, "float()")
    if value.type.dtype.complex:
        raise TypeError("float() argument must be a string or a real number, not 'complex'")
    return ScalarBox(tracing.current().builder.cast(value, F64), "float")


def to_complex(real: int | ScalarBox = 0, imag: ScalarBox | None = None) -> Box:
    builder = tracing.current().builder
    x = scalar(real, "complex()")
    if imag is None:
        return ScalarBox(builder.cast(x, C128), "complex")
    y = scalar(imag, "complex()")
    if x.type.dtype.complex or y.type.dtype.complex:
        turned = ScalarBox(builder("mul", builder.cast(y, C128), const(1j, C128)), "complex")
        return binary("add", np.add, ScalarBox(builder.cast(x, C128), "complex"), turned)
    return ScalarBox(builder("complex", builder.cast(x, F64), builder.cast(y, F64)), "complex")


def to_bool(x: ScalarBox) -> ScalarBox:
    """bool(x): the truth of a number or of an array of one element."""
    box = lift(x)
    if box.dims and not all(type(d) is int and d == 1 for d in box.dims):
        if all(type(d) is int for d in box.dims):
            raise ValueError("The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()")
        fail(DTypeError, "the truth value of an array whose length is known only at run time", "use a.any() or a.all()")
    return ScalarBox(boxes.to_value(ScalarBox(scalar(box, "bool()")), BOOL), "bool")


def truth(x: ScalarBox) -> ScalarBox:
    """The truth of anything as a Python bool, or as a traced one."""
    return to_bool(x) if isinstance(x, Box) else bool(x)


# --- attributes of Python scalars -----------------------------------------------------------------------------------

def _part(kind: str) -> Callable:
    def read(x: Any) -> Any:
        return ScalarBox(tracing.current().builder(kind, x.read()), "float")

    return read


def _zero_of(x: Any) -> Any:
    return lift({"int": 0, "bool": 0, "float": 0.0}[x.weak])


def _is_whole(x: Any) -> Any:
    value = x.read()
    builder = tracing.current().builder
    return ScalarBox(builder("and", builder("isfinite", value), builder("eq", value, builder("floor", value))), "bool")


def _bit_length(x: Any) -> Any:
    """The bits of |x| spread to the right, then counted."""
    found = abs(x)
    for shift in (1, 2, 4, 8, 16, 32):
        found = found | (found >> shift)
    return _bit_count(found)


def _bit_count(x: Any) -> Any:
    return to_int(ufuncs.call(np.bitwise_count, x))


_PLAIN = {"real": lambda x: unary("pos", np.positive, x), "imag": _zero_of,
          "conjugate": lambda x: lambda: unary("pos", np.positive, x)}
PYTHON.update({
    "bool": _PLAIN, "int": {**_PLAIN, "numerator": lambda x: x, "denominator": lambda x: 1,
                            "is_integer": lambda x: lambda: True, "bit_length": lambda x: lambda: _bit_length(x),
                            "bit_count": lambda x: lambda: _bit_count(x)},
    "float": {**_PLAIN, "is_integer": lambda x: lambda: _is_whole(x)},
    "complex": {"real": _part("real"), "imag": _part("imag"),
                "conjugate": lambda x: lambda: ScalarBox(tracing.current().builder("conj", x.read()), "complex")},
})
HOOKS.update(binary=binary, unary=unary, round=rounded)
operators.install()
