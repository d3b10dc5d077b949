"""NumPy's elementwise functions: each one IR op, or a formula over IR ops.

`RULES` maps a ufunc to a rule (builder, values, out dtypes) -> value or tuple of values; the values have the dtypes that
NumPy computes in and common dims or rank 0. `call` does what every ufunc call has in common: promotion, broadcasting, `out=`
and `where=`.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir import ops  # noqa: F401  (declares the ops)
from ...ir.build import Builder, Expr, const
from ...ir.core import Const, Value
from ...ir.errors import DTypeError, ShapeError, UnsupportedError
from ...ir.opdef import OPS, Elementwise
from ...ir.types import BOOL, F16, F32, I64, INDEX, U64, Array, DType
from .. import tracing
from . import boxes, memory_layout, shapes, views
from .boxes import UFUNC_METHODS, ArrayBox, Box, ScalarBox, converted, lift
from .promotion import check_cast, fail, resolve, to_dtype

RULES: dict = {}
GUFUNCS: dict = {}                 # matmul and its kind: ufunc -> handler(*inputs, **kwargs); numpy/linalg.py fills it
REDUCERS: dict = {}                # (ufunc or None for any other, "reduce" …) -> handler; numpy/reductions.py fills it

_DIRECT = {
    np.add: "add", np.subtract: "sub", np.multiply: "mul", np.true_divide: "div", np.floor_divide: "floordiv",
    np.remainder: "mod",
    np.negative: "neg", np.absolute: "abs", np.fabs: "abs", np.sign: "sign", np.exp: "exp", np.exp2: "exp2", np.expm1: "expm1",
    np.log: "log", np.log2: "log2", np.log10: "log10", np.log1p: "log1p", np.sqrt: "sqrt", np.cbrt: "cbrt", np.sin: "sin",
    np.cos: "cos", np.tan: "tan", np.arcsin: "asin", np.arccos: "acos", np.arctan: "atan", np.sinh: "sinh", np.cosh: "cosh",
    np.tanh: "tanh", np.arcsinh: "asinh", np.arccosh: "acosh", np.arctanh: "atanh", np.floor: "floor", np.ceil: "ceil",
    np.trunc: "trunc", np.rint: "rint", np.isnan: "isnan", np.isinf: "isinf", np.isfinite: "isfinite", np.signbit: "signbit",
    np.arctan2: "atan2", np.hypot: "hypot", np.maximum: "max", np.minimum: "min", np.equal: "eq", np.not_equal: "ne",
    np.less: "lt", np.less_equal: "le", np.greater: "gt", np.greater_equal: "ge", np.bitwise_and: "and", np.bitwise_or: "or",
    np.bitwise_xor: "xor", np.left_shift: "shl", np.right_shift: "shr", np.copysign: "copysign", np.nextafter: "nextafter",
    np.invert: "invert", np.conjugate: "conj", np.power: "pow", np.float_power: "pow",
    np.logaddexp: "logaddexp", np.logaddexp2: "logaddexp2",
}


def rule(*ufuncs: Callable) -> Callable:
    def register(function: Callable) -> Callable:
        for u in ufuncs:
            RULES[u] = function
        return function

    return register


def direct(op: str) -> Callable:
    """The rule of a ufunc that is one op; where the op is not defined on the dtype, the substitute for that kind of dtype."""
    def run(b: Builder, xs: list[Value], outs: tuple[DType, ...]) -> Value:
        defn = OPS[op]
        dtype = xs[0].type.dtype
        if isinstance(defn, Elementwise) and dtype in defn.takes and (op, dtype.kind) not in SUBSTITUTES:
            return b(defn, *xs)
        substitute = SUBSTITUTES.get((op, dtype.kind))
        if substitute is None:
            fail(DTypeError, f"{op} of {dtype.np} cannot be compiled", "convert with .astype() first")
        return substitute(b, *xs)

    return run


def _same(b: Builder, x: Value) -> Value:
    return x


def _as(op: str) -> Callable:
    return lambda b, *xs: b(op, *xs)


def _constant(value: bool) -> Callable:
    return lambda b, x: b.full(value, x.type.dims, BOOL)


def _not(b: Builder, x: Value) -> Value:
    return b("not", x)


def _parts(op: str, join: Any) -> Any:
    """A predicate of a complex number from its parts."""
    return lambda b, x: b(join, b(op, b("real", x)), b(op, b("imag", x)))


def _complex_sign(b: Builder, x: Any) -> Any:
    """x / |x|, 0 at 0."""
    r = b("abs", x)
    zero = b("eq", r, const(0, r.type.dtype))
    unit = b("div", x, b.cast(b("select", zero, const(1, r.type.dtype), r), x.type.dtype))
    return b("select", zero, const(0, x.type.dtype), unit)


# (op, kind of dtype) -> what stands for it there.
SUBSTITUTES = {
    ("add", "b"): _as("or"), ("mul", "b"): _as("and"), ("abs", "b"): _same, ("abs", "u"): _same, ("invert", "b"): _not,
    ("sign", "c"): _complex_sign, ("rint", "c"): lambda b, x: b("complex", b("rint", b("real", x)), b("rint", b("imag", x))),
    **{(op, kind): _same for op in ("floor", "ceil", "trunc", "conj") for kind in "biu"}, ("conj", "f"): _same,
    **{("isnan", kind): _constant(False) for kind in "biu"}, **{("isinf", kind): _constant(False) for kind in "biu"},
    **{("isfinite", kind): _constant(True) for kind in "biu"},
}

for _ufunc, _op in _DIRECT.items():
    RULES[_ufunc] = direct(_op)


def _mixed_comparison(op: str) -> Callable:
    """int64 against uint64: a negative number is below every unsigned one; the others compare as unsigned."""
    def run(b: Builder, xs: list[Value], outs: tuple[DType, ...]) -> Value:
        x, y = xs
        if x.type.dtype is y.type.dtype:
            return direct(op)(b, xs, outs)
        if x.type.dtype is U64:
            return _mixed_comparison({"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}.get(op, op))(b, [y, x], outs)
        below = b("lt", x, const(0, I64))
        answer = b(op, b.cast(x, U64), y)
        return b("or", below, answer) if op in ("lt", "le", "ne") else b("and", _not(b, below), answer)

    return run


for _ufunc in (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal):
    RULES[_ufunc] = _mixed_comparison(_DIRECT[_ufunc])


def _truth(b: Builder, x: Value) -> Value:
    """x as bool: what is not zero (NaN included)."""
    return x if x.type.dtype is BOOL else b("ne", x, const(0, x.type.dtype))


for _ufunc, _op in {np.logical_and: "and", np.logical_or: "or", np.logical_xor: "xor"}.items():
    RULES[_ufunc] = lambda b, xs, outs, op=_op: b(op, _truth(b, xs[0]), _truth(b, xs[1]))
RULES[np.logical_not] = lambda b, xs, outs: b("not", _truth(b, xs[0]))
RULES[np.positive] = lambda b, xs, outs: xs[0]
RULES[np.square] = lambda b, xs, outs: SUBSTITUTES["mul", "b"](b, *xs, *xs) if outs[0] is BOOL else b("mul", xs[0], xs[0])
for _ufunc, _factor in {np.deg2rad: math.pi / 180, np.radians: math.pi / 180, np.rad2deg: 180 / math.pi,
                        np.degrees: 180 / math.pi}.items():
    RULES[_ufunc] = lambda b, xs, outs, factor=_factor: b("mul", xs[0], const(factor, outs[0]))


@rule(np.reciprocal)
def _reciprocal(b: Builder, xs: Any, outs: tuple[DType, ...]) -> Any:
    x = b.expr(xs[0])
    if outs[0].inexact:
        return b("div", const(1, outs[0]), xs[0])
    least = np.iinfo(outs[0].np).min if outs[0].kind == "i" and outs[0].bits >= 32 else 0      # infinity as a small int
    unit = (x == 1).select(x, 0)
    if outs[0].kind == "i":
        unit = (x == -1).select(x, unit)
    return (x == 0).select(least, unit).value


def _ignoring_nan(op: str) -> Callable:
    def run(b: Builder, xs: Any, outs: tuple[DType, ...]) -> Any:
        best = direct(op)(b, xs, outs)
        dtype = outs[0]
        if not dtype.inexact:
            return best
        nan = RULES[np.isnan]
        best = b("select", nan(b, [xs[1]], (BOOL,)), xs[0], best)
        return b("select", nan(b, [xs[0]], (BOOL,)), xs[1], best)

    return run


RULES[np.fmax], RULES[np.fmin] = _ignoring_nan("max"), _ignoring_nan("min")


@rule(np.fmod)
def _fmod(b: Builder, xs: Any, outs: tuple[DType, ...]) -> Any:
    """The remainder with the dividend's sign. Floats: of |x| and |y|, then signed. Ints: Python's, less y if signs differ."""
    x, y = map(b.expr, xs)
    if outs[0].inexact:
        return (x.abs().mod(y.abs())).copysign(x).surrogate(x - (x / y).trunc() * y).value
    rest = x.mod(y)
    if outs[0].kind == "u":
        return rest.value
    return ((rest != 0) & ((x < 0).xor(y < 0))).select(rest - y, rest).value


@rule(np.heaviside)
def _heaviside(b: Builder, xs: Any, outs: tuple[DType, ...]) -> Any:
    x, at_zero = map(b.expr, xs)
    step = (x == 0).select(at_zero, _step(b, x))
    return x.isnan().select(x, step).value


def _step(b: Builder, x: Any) -> Any:
    below = b("select", (x < 0).value, const(0, x.dtype), const(1, x.dtype))
    return b.expr(below)


@rule(np.spacing)
def _spacing(b: Builder, xs: Any, outs: tuple[DType, ...]) -> Any:
    x = b.expr(xs[0])
    away = b.expr(b("copysign", const(math.inf, outs[0]), xs[0]))
    return (x.nextafter(away) - x).value


@rule(np.ldexp)
def _ldexp(b: Builder, xs: Any, outs: tuple[DType, ...]) -> Any:
    """x * 2**n, in two steps so that 2**n need not be representable; n beyond ±2200 changes nothing."""
    x = b.expr(xs[0])
    dtype = xs[1].type.dtype
    n = b("min", b("max", b.cast(xs[1], I64), const(-2200, I64)), const(2200, I64)) if dtype.bits > 8 else b.cast(xs[1], I64)
    third = b("floordiv", n, const(4, I64))
    rest = b("sub", n, b("mul", third, const(3, I64)))
    small, last = (b.expr(b("exp2", b.cast(k, outs[0]))) for k in (third, rest))
    return (x * small * small * small * last).value


@rule(np.frexp)
def _frexp(b: Builder, xs: Any, outs: tuple[DType, ...]) -> Any:
    """x = m 2**n with 0.5 <= |m| < 1. The logarithm may be off by one; 0, inf and NaN are their own m, with n = 0."""
    x = b.expr(xs[0])
    odd = (x == 0) | ~x.isfinite()
    n = odd.select(0.0, odd.select(1.0, x.abs()).log2().floor()) + 1
    size = b.expr(_ldexp(b, [xs[0], b.cast((-n).value, I64)], outs)).abs()
    n = (size >= 1).select(n + 1, (size < 0.5).select(n - 1, n))
    n = odd.select(0.0, n)
    return _ldexp(b, [xs[0], b.cast((-n).value, I64)], outs), b.cast(n.value, outs[1])


@rule(np.modf)
def _modf(b: Builder, xs: Any, outs: tuple[DType, ...]) -> Any:
    x = b.expr(xs[0])
    entire = x.trunc()
    rest = x - entire
    return x.isinf().select(0, rest).copysign(x).surrogate(rest).value, entire.value


@rule(np.divmod)
def _divmod(b: Builder, xs: Any, outs: tuple[DType, ...]) -> Any:
    return b("floordiv", *xs), b("mod", *xs)


@rule(np.power)
def _power(b: Builder, xs: list[Value], outs: tuple[DType, ...]) -> Value:
    x, y = xs
    dtype = outs[0]
    if dtype.kind in "iu":
        if isinstance(y, Const) and y.frozen:
            if dtype.kind == "i" and y.data.size and (y.data < 0).any():
                fail(ShapeError, "Integers to negative integer powers are not allowed.", "make the base a float")
        elif dtype.kind == "i":
            good = b("ge", y, const(0, dtype))
            good = b.reduce(good, "all", range(good.type.rank))
            b.emit("check", good, error="ValueError", message="Integers to negative integer powers are not allowed.")
    return b("pow", x, y)


# x ** literal, where NumPy's operator takes a shortcut: exponent -> formula.
_SHORTCUTS = {2: lambda b, x: b("mul", x, x), 1: lambda b, x: x, 0.5: lambda b, x: b("sqrt", x),
              -1: lambda b, x: b("div", const(1, x.type.dtype), x)}


def shortcut_power(b: Builder, x: Value, exponent: float) -> Value | None:
    """x ** a literal exponent by the shortcut that NumPy takes (for ints only the square); None where there is none."""
    short = _SHORTCUTS.get(exponent)
    if short is None or (not x.type.dtype.inexact and exponent not in (1, 2)):
        return None
    return short(b, x)


def _special(ufunc: Callable) -> bool:
    """Gives a ufunc of scipy.special its rule, by name; scipy itself is not imported for that."""
    found = SPECIAL.get(ufunc.__name__) if ufunc not in _OF_NUMPY else None
    if found is not None:
        RULES[ufunc] = found
    return found is not None


SPECIAL: dict = {}                 # name of a ufunc of scipy.special -> its rule; scipy/special.py fills it
_OF_NUMPY = {u for u in vars(np).values() if isinstance(u, np.ufunc)}


@rule(np.bitwise_count)
def _bitwise_count(b: Builder, xs: Any, outs: tuple[DType, ...]) -> Any:
    """The number of one bits of |x|, one bit at a time."""
    x = xs[0]
    dtype = x.type.dtype
    if dtype is BOOL:
        return b.cast(x, outs[0])
    x = b("abs", x) if dtype.kind == "i" else x
    one = const(1, dtype)
    total: Value = b("and", x, one)
    for k in range(1, dtype.bits):
        total = b("add", total, b("and", b("shr", x, const(k, dtype)), one))
    return b.cast(total, outs[0])


# --- the call -------------------------------------------------------------------------------------------------------

_UNUSED = {"casting": "same_kind", "order": "K", "subok": True, "signature": None}


def call(ufunc: Any, *inputs: Array | Box, out: Any = None, where: bool = True, dtype: Any = None,
         **others: Any) -> Any:
    """One call of a ufunc with NumPy's keywords."""
    if ufunc in GUFUNCS:
        return GUFUNCS[ufunc](*inputs, out=out, **({"dtype": dtype} if dtype is not None else {}), **others)
    if ufunc not in RULES and not _special(ufunc):
        boxes.refuse(ufunc)
    if len(inputs) > ufunc.nin:
        inputs, out = inputs[:ufunc.nin], inputs[ufunc.nin:]
    if others and any(_UNUSED.get(k, others) not in (v, others) for k, v in others.items()):
        _check_keywords(ufunc, others)
    taken = [x if isinstance(x, Box) else lift(x) for x in inputs]
    ins, outs = resolve(ufunc, tuple([x.kind for x in taken]), None if dtype is None else to_dtype(dtype).np,
                        others.get("casting", "same_kind"))
    out_of_range = _beyond(ufunc, taken, ins)
    if out_of_range is not None:
        return out_of_range
    values, _ = shapes.align(_with_python_int(taken, ins) if ufunc in _ORDER and ins[0].kind in "iu"
                             else [converted(x, x.read(), d) for x, d in zip(taken, ins)])
    found = evaluate(ufunc, values, outs)
    if out is None and where is True:
        return laid(taken, found) if type(found) is not tuple else tuple(map(boxes.result, found))
    many = found if type(found) is tuple else (found,)
    if len(many) > 1 and out is not None and not isinstance(out, tuple):
        fail(DTypeError, "'out' must be a tuple of arrays", f"give a tuple of {len(many)}, with None for a new one")
    outs_given = (*out, *[None] * (len(many) - len(out))) if isinstance(out, tuple) else (out,) * len(many)
    results = tuple(deliver(ufunc.__name__, v, o, where, others.get("casting", "same_kind"), core=0)
                    for v, o in zip(many, outs_given))
    return results if type(found) is tuple else results[0]


_NEIGHBOURS = (np.spacing, np.nextafter)              # they are about the format itself


def evaluate(ufunc: Callable, values: list[Value], outs: tuple[DType, ...]) -> Any:
    """The values of a ufunc whose operands are cast and aligned."""
    builder = tracing.current().builder
    if F16 in [*outs, *(v.type.dtype for v in values)]:                # in float32, rounded once, as NumPy's loops
        if ufunc in _NEIGHBOURS:
            fail(DTypeError, f"np.{ufunc.__name__} of float16 cannot be compiled", "convert with .astype(np.float32) first")
        values = [builder.cast(v, F32) if v.type.dtype is F16 else v for v in values]
    found = RULES[ufunc](builder, values, tuple([F32 if d is F16 else d for d in outs]))
    if type(found) is tuple:
        return tuple(builder.cast(v, d) for v, d in zip(found, outs))
    return builder.cast(found, outs[0])


def _check_keywords(ufunc: Callable, others: dict) -> None:
    for name, value in others.items():
        if name == "casting" or _UNUSED.get(name) == value or (name == "order" and value in "KCA"):
            continue
        fail(UnsupportedError, f"the keyword {name}={value!r} of np.{ufunc.__name__} cannot be compiled", "leave it out")


def laid(taken: list[Box], found: Value) -> Box:
    """A result that lies in memory as the operands do."""
    return memory_layout.follow(boxes.result(found, _strides(taken, found)), taken)


def _strides(taken: list[Box], found: Value) -> Any:
    """The result's strides where an operand's axes are permuted in memory (None: C order)."""
    arrays = [x for x in taken if type(x) is ArrayBox]
    if len(found.type.dims) < 2 or not any(x.permuted for x in arrays):
        return None
    operands = [(x.dims, x.strides_known) for x in arrays]
    if not found.type.static or any(strides is None for _, strides in operands):
        return views.UNKNOWN
    strides = views.ufunc_strides(operands, found.type.dims)
    return None if strides == views.c_strides(found.type.dims) else strides


_ORDER = {np.equal: 0, np.not_equal: 0, np.less: 1, np.less_equal: 1, np.greater: -1, np.greater_equal: -1}


def _beyond(ufunc: Any, taken: list[Box], ins: tuple[DType, ...]) -> Any:
    """A comparison with a literal int that the other's dtype cannot hold: decided without a cast, as NumPy does."""
    side = _ORDER.get(ufunc)
    if side is None or ins[0].kind not in "iu":
        return None
    for k, x in enumerate(taken):
        if isinstance(x, ScalarBox) and x.weak == "int" and isinstance(x._value, Const) and ins[k] is not INDEX:
            number, info = x._value.data.item(), np.iinfo(ins[k].np)
            if info.min <= number <= info.max:
                continue
            other_below = number > info.max
            if side == 0:
                truth = ufunc is np.not_equal
            else:
                truth = other_below == ((side == 1) == (k == 1))
            return boxes.result(tracing.current().builder.full(truth, taken[1 - k].dims, BOOL))
    return None


def _with_python_int(taken: list[Box], ins: tuple[DType, ...]) -> list[Value]:
    """The operands of a comparison of integers; one with a Python int is one of 64 bits, whatever the other can hold."""
    weak = [isinstance(x, ScalarBox) and x.weak == "int" and not isinstance(x._value, Const) for x in taken]
    if weak[0] == weak[1]:
        return [converted(x, x.read(), d) for x, d in zip(taken, ins)]
    cast = tracing.current().builder.cast
    return [cast(x.read(), U64 if x.dtype_ir is U64 and not w else I64) for x, w in zip(taken, weak)]


def deliver(name: str, value: Value, out: ArrayBox | Expr, where: bool = True, casting: str = "same_kind", *,
            core: int | None = None) -> Any:
    """Put a result into `out` (None: a new array), only where the mask holds. It may be repeated along axes of `out`, but for
    the last `core` of its own; None: it has the shape of `out`."""
    builder = tracing.current().builder
    if out is not None and not isinstance(out, ArrayBox):
        fail(ShapeError, "out= must be an array made in the compiled function or passed to it")
    if where is not True:
        mask = boxes.to_value(where, BOOL)
        dims = shapes.broadcast_dims(mask.type.dims, value.type.dims)
        old = out.read() if out is not None else builder.full(0, dims, value.type.dtype)
        if out is not None:
            check_cast(name, value.type.dtype, old.type.dtype, casting)
            value = builder.cast(value, old.type.dtype)
        (mask, value, old), dims = shapes.align([mask, value, old])
        value = builder("select", mask, value, old)
    if out is None:
        return boxes.result(value)
    check_cast(name, value.type.dtype, out.dtype_ir, casting)
    _expect_core(name, value, out, core)
    joint = shapes.broadcast_dims(value.type.dims, out.dims)       # what it cannot prove it has checked at run time
    if len(joint) > len(out.dims) or any(type(d) is int and not shapes.same(d, j) for d, j in zip(out.dims, joint)):
        fail(ShapeError,
             f"non-broadcastable output operand with shape {shapes.show(out.dims)} doesn't match the broadcast shape "
             f"{shapes.show(joint)}")
    out.write(shapes.expand(builder.cast(value, out.dtype_ir), out.dims))
    return out


def _expect_core(name: str, value: Value, out: ArrayBox, core: int | None) -> None:
    """The last axes of a result are those of `out`; all of them for None."""
    dims = value.type.dims
    if len(out.dims) < (core or 0) or (core is None and len(dims) != len(out.dims)):
        fail(ShapeError, f"{name}: the output array has shape {shapes.show(out.dims)}, the result {shapes.show(dims)}")
    count = len(dims) if core is None else core
    for a, b in zip(dims[len(dims) - count:], out.dims[len(out.dims) - count:]):
        shapes.require_equal(b, a, f"{name}: the output array has an axis of length {{0}} where the result has {{1}}")


def in_place(name: str, ufunc: Callable, box: ArrayBox, other: float | Box) -> ArrayBox:
    if ufunc is np.matmul and (not box.dims or len(lift(other).dims) < 2):
        fail(ShapeError, "inplace matrix multiplication requires the first operand to have at least one and the second at "
                         "least two dimensions.")
    call(ufunc, box, other, out=(box,)) if ufunc is not np.power else _power_in_place(box, other)
    return box


def _power_in_place(box: ArrayBox, other: Any) -> None:
    found = operator_power(box, other)
    deliver("power", found.read(), box, core=0)


def operator_power(a: Any, b: Any) -> Box:
    """a ** b: with a literal exponent NumPy's operator takes a shortcut, which for bools gives another dtype."""
    if isinstance(a, ArrayBox) and a.dtype_ir is BOOL and isinstance(b, Box) and b.weak == "int":
        b = shapes.static_int(b, "the exponent of an array of bools")
    if isinstance(a, Box) and type(b) in (int, float) and a.weak is None:
        if a.dtype_ir is BOOL and isinstance(a, ArrayBox) and type(b) is int and b == 2:      # scalars take no shortcut
            return call(np.square, a)
        kinds = (a.kind, type(b))
        ins, _ = resolve(np.power, kinds)
        builder, x = tracing.current().builder, converted(a, a.read(), ins[0])
        if b == 0.5 and not isinstance(a, ArrayBox) and x.type.dtype.kind == "f":     # scalars take none: (-0.0)**0.5 is 0.0
            found = builder("pow", x, const(0.5, x.type.dtype))
        else:
            found = shortcut_power(builder, x, b)
        if found is not None:
            return laid([a], found)
    return call(np.power, a, b)


def outer(ufunc: Callable, a: ArrayBox, b: ArrayBox, **others: Any) -> Any:
    a, b = lift(a), lift(b)
    left = a if not b.dims else boxes.FUNCTIONS[np.reshape](a, (*map(boxes.count, a.dims), *(1,) * len(b.dims)))
    return call(ufunc, left, b, **others)


def _method(name: str) -> Callable:
    def run(ufunc: Callable, *inputs: list[int] | ArrayBox, **others: Any) -> Box:
        handler = REDUCERS.get((ufunc, name))
        return handler(*inputs, **others) if handler else REDUCERS[None, name](ufunc, *inputs, **others)

    return run


UFUNC_METHODS.update({"__call__": call, "outer": outer, "reduce": _method("reduce"), "accumulate": _method("accumulate"),
                      "reduceat": _method("reduceat")})
boxes.HOOKS["in_place"] = in_place
