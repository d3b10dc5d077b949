"""np.random in traced code: methods of generators, and the functions that draw from NumPy's own.

A distribution is a row of `_rows`: its parameters, what NumPy asks of them, and how a number is made of standard draws, in
NumPy's own order of operations, so that numbers are equal to the last bit and derivatives follow from the formula. Where the
standard draws of one number are several, they are drawn along a last axis, which keeps NumPy's order of elements, too.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ....ir.build import Expr, const
from ....ir.core import Const, Value
from ....ir.errors import ArgumentTypeError, DTypeError, ShapeError
from ....ir.types import BOOL, F32, F64, I64, Dim, DType
from ... import tracing
from ...values import boxes, random_generators, shapes
from ...values.boxes import ArrayBox, Box, ScalarBox
from ...values.promotion import fail, to_dtype
from ...values.random_generators import METHODS, GeneratorBox

# --- parameters ------------------------------------------------------------------------------------------------------------

_POISSON_MOST = float(np.iinfo(np.int64).max - np.sqrt(np.iinfo(np.int64).max) * 10)

# what NumPy asks of a parameter: (whether a value is good, the message)
_ASKED: dict[str, tuple[Callable[[Expr], Expr], str]] = {
    "not negative": (lambda p: p.isnan() | ~p.signbit(), "{} < 0"),
    "positive": (lambda p: ~(p <= 0), "{} <= 0"),
    "probability": (lambda p: (p >= 0) & (p <= 1), "{} < 0, {} > 1 or {} NAN"),
    "probability > 0": (lambda p: (p > 0) & (p <= 1), "{} <= 0, {} > 1 or {} contains NaNs"),
    "probability < 1": (lambda p: (p >= 0) & (p < 1), "{} < 0, {} >= 1 or {} NAN"),
    "more than 1": (lambda p: p > 1, "{} <= 1 or {} NAN"),
    "at least 0": (lambda p: p >= 0, "{} < 0 or {} NAN"),
    "a count": (lambda p: p >= 0, "{} < 0"),
    "rate": (lambda p: p <= _POISSON_MOST, "{} value too large"),
}


class _Parameter(NamedTuple):
    name: str
    default: object = inspect.Parameter.empty
    asked: tuple[str, ...] = ()
    dtype: DType = F64


def _parameter(text: str) -> _Parameter:
    """`name=default: asked, asked`; an int parameter has an i in front of its name."""
    head, _, asked = text.partition(":")
    name, _, default = head.strip().partition("=")
    dtype = I64 if name.startswith("int ") else F64
    return _Parameter(name.removeprefix("int "), float(default) if default else inspect.Parameter.empty,
                      tuple(filter(None, map(str.strip, asked.split("/")))), dtype)


class _Distribution(NamedTuple):
    parameters: tuple[_Parameter, ...]
    make: Callable
    dtype: DType = F64


class Source:
    """Where the numbers of one call come from, and their dimensions (None: one number)."""

    def __init__(self, box: GeneratorBox, dims: tuple, dtype: DType = F64):
        self.box, self.dims, self.dtype = box, dims, dtype
        self.builder = tracing.current().builder

    def draw(self, dist: str, *params: Expr | Value, dtype: DType | None = None, dims: tuple[Dim, ...] | None = None) -> Expr:
        b, dims = self.builder, self.dims if dims is None else dims
        dtype = dtype or self.dtype
        params = [self.whole(p, dims) for p in params]
        value = b("draw", self.box.value, *map(b.index, dims), *params, dist=dist, kind=self.box.kind, dtype=dtype,
                  rank=len(dims))
        return b.expr(value)

    def whole(self, p: Expr | Value, dims: tuple[Dim, ...]) -> Value:
        """A parameter as the op takes it: a number, or an array of all dimensions."""
        value = p.value if isinstance(p, Expr) else p if isinstance(p, Value) else const(p, F64)
        return self.builder.broadcast(value, dims) if value.type.dims and not shapes.same_dims(value.type.dims, dims) else value

    def rows(self, dist: str, *params: Expr | Const) -> list[Expr]:
        """Several draws for each number, with one parameter each."""
        b, n = self.builder, len(params)
        parts = [b.reshape(b.broadcast(self.whole(p, self.dims), self.dims), (*self.dims, 1)) for p in params]
        both = b("concat", *parts, axis=len(self.dims))
        drawn = self.draw(dist, both, dims=(*self.dims, n)).value
        spec = ":" * len(self.dims) + "i"
        return [b.expr(b("slice", drawn, b.index(k), spec=spec)) for k in range(n)]


# --- distributions ---------------------------------------------------------------------------------------------------------

def _gamma(s: Source, shape: Any) -> Any:
    return shape.gamma_draw(s.draw("standard_gamma", shape))


def _chisquare(s: Any, df: Any) -> Any:
    return _gamma(s, _half(df)) * 2.0


def _half(df: Expr) -> Expr:
    return df / 2.0


def _f(s: Any, num: Any, den: Any) -> Any:
    x, y = (p.gamma_draw(x) for p, x in zip((_half(num), _half(den)), s.rows("standard_gamma", _half(num), _half(den))))
    return (x * 2.0 * den) / (y * 2.0 * num)


def _standard_t(s: Source, df: Expr) -> Expr:
    normal, gamma = s.rows("normal_or_gamma", const(-1.0), _half(df))
    gamma = _half(df).gamma_draw(gamma)
    return _half(df).sqrt() * normal / gamma.sqrt()


def _triangular(s: Any, left: Any, mode: str, right: Any) -> Any:
    """distributions.c: random_triangular."""
    base, u = right - left, s.draw("random")
    lower = mode - left
    ratio = lower / base
    return (u <= ratio).select(left + (u * (lower * base)).sqrt(), right - ((1.0 - u) * ((right - mode) * base)).sqrt())


def _uniform(s: Any, low: int, high: Any) -> Any:
    return low + (high - low) * s.draw("random")


def _weibull(s: Any, a: Any) -> Any:
    waiting = s.draw("exponential_or_zero", a)
    return waiting.libm_pow(1.0 / a)


def _pareto(s: Any, a: Any) -> Any:
    if s.box.kind == "RandomState":
        return (s.draw("standard_exponential") / a).libm_exp() - 1.0
    return (s.draw("standard_exponential") / a).libm_expm1()


def _power(s: Source, a: Expr) -> Expr:
    if s.box.kind == "RandomState":
        return (1.0 - (-s.draw("standard_exponential")).libm_exp()).libm_pow(1.0 / a)
    return (-(-s.draw("standard_exponential")).libm_expm1()).libm_pow(1.0 / a)


def _located(dist: str) -> Callable:
    """loc + scale * a draw with loc 0 and scale 1."""
    return lambda s, loc, scale: loc + scale * s.draw(dist, *(() if dist == "standard_normal" else (0.0, 1.0)))


def _plain(dist: str, dtype: DType | None = None) -> Callable:
    return lambda s, *params: s.draw(dist, *params, dtype=dtype)


_LOC = ("loc=0", "scale=1: not negative")


def _row(make: Callable, *parameters: str, dtype: DType = F64) -> _Distribution:
    return _Distribution(tuple(map(_parameter, parameters)), make, dtype)


def _counts(name: str, *parameters: str) -> _Distribution:
    return _row(_plain(name, I64), *parameters, dtype=I64)


_DISTRIBUTIONS = {
    "normal": _row(_located("standard_normal"), *_LOC),
    "laplace": _row(_located("laplace"), *_LOC), "gumbel": _row(_located("gumbel"), *_LOC),
    "logistic": _row(_located("logistic"), *_LOC),
    "lognormal": _row(lambda s, mean, sigma: (mean + sigma * s.draw("standard_normal")).libm_exp(), "mean=0",
                      "sigma=1: not negative"),
    "uniform": _row(_uniform, "low=0", "high=1"),
    "exponential": _row(lambda s, scale: scale * s.draw("standard_exponential"), "scale=1: not negative"),
    "gamma": _row(lambda s, shape, scale: scale * _gamma(s, shape), "shape: not negative", "scale=1: not negative"),
    "chisquare": _row(_chisquare, "df: positive"),
    "f": _row(_f, "dfnum: positive", "dfden: positive"),
    "standard_t": _row(_standard_t, "df: positive"),
    "beta": _row(_plain("beta"), "a: positive", "b: positive"),
    "standard_cauchy": _row(_plain("standard_cauchy")),
    "rayleigh": _row(lambda s, scale: scale * s.draw("rayleigh", 1.0), "scale=1: not negative"),
    "weibull": _row(_weibull, "a: not negative"), "pareto": _row(_pareto, "a: positive"), "power": _row(_power, "a: positive"),
    "triangular": _row(_triangular, "left", "mode", "right"),
    "vonmises": _row(_plain("vonmises"), "mu", "kappa: not negative"),
    "wald": _row(_plain("wald"), "mean: positive", "scale: positive"),
    "noncentral_chisquare": _row(_plain("noncentral_chisquare"), "df: positive", "nonc: not negative"),
    "noncentral_f": _row(_plain("noncentral_f"), "dfnum: positive", "dfden: positive", "nonc: not negative"),
    "poisson": _counts("poisson", "lam=1: rate/at least 0"),
    "geometric": _counts("geometric", "p: probability > 0"), "zipf": _counts("zipf", "a: more than 1"),
    "logseries": _counts("logseries", "p: probability < 1"),
    "binomial": _counts("binomial", "int n: a count", "p: probability"),
    "negative_binomial": _counts("negative_binomial", "n: positive", "p: probability > 0"),
    "hypergeometric": _counts("hypergeometric", "int ngood: a count", "int nbad: a count", "int nsample: a count"),
}


def _signature(parameters: tuple[_Parameter, ...], more: Sequence[tuple[str, Any]] = ()) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    found = [inspect.Parameter(p.name, kind, default=p.default) for p in parameters]
    return inspect.Signature(found + [inspect.Parameter(name, kind, default=value) for name, value in more])


def _bound(name: str, signature: inspect.Signature, args: tuple[float | Box | tuple[int, ...], ...],
           kwargs: Mapping[str, int | tuple[int, ...] | type]) -> dict:
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        fail(ArgumentTypeError, f"{name}(): {error}")
    bound.apply_defaults()
    return bound.arguments


def _distribution(name: str, row: _Distribution) -> Callable:
    signature = _signature(row.parameters, [("size", None)])

    def call(box: GeneratorBox, *args: float | Box, **kwargs: int | tuple[int, ...]) -> Box:
        given = _bound(name, signature, args, kwargs)
        values = [_read(p, given[p.name]) for p in row.parameters]
        scalar = given["size"] is None and all(not v.type.dims for v in values) and not any(
            isinstance(given[p.name], (ArrayBox, np.ndarray)) for p in row.parameters)
        dims = _dims(given["size"], values)
        for p, v in zip(row.parameters, values):
            _expect(name, p, v, box.kind)
        if name in _EXTRA:
            _EXTRA[name](box.kind, *values)
        source = Source(box, dims)
        params = [source.builder.expr(source.whole(v, dims)) for v in values]
        return result_of(row.make(source, *params).value, dims, scalar or (given["size"] is None and not dims),
                       row.dtype)

    return call


def _read(p: _Parameter, given: float | Box) -> Value:
    box = boxes.lift(given)
    if box.dtype_ir.complex or (p.dtype is I64 and box.dtype_ir.kind == "f" and type(box) is ArrayBox):
        fail(DTypeError, f"the parameter {p.name} is of dtype {box.dtype_ir.np}, which has no cast to {p.dtype.np}")
    return boxes.to_value(box, p.dtype)


def _dims(size: int | tuple[int, ...] | None, values: list[Value]) -> tuple:
    """The dimensions of a result: `size`, with which the parameters must broadcast, else what these broadcast to."""
    found = shapes.broadcast_dims(*[v.type.dims for v in values]) if values else ()
    if size is None:
        return found
    dims = shapes.shape_of(size)
    together = shapes.broadcast_dims(dims, found)
    if len(together) != len(dims):
        fail(ShapeError, f"Output size {shapes.show(dims)} is not compatible with broadcast dimensions of inputs "
                         f"{shapes.show(together)}.")
    for have, want in zip(together, dims):
        shapes.require_equal(have, want, f"Output size {shapes.show(dims)} is not compatible with broadcast dimensions of "
                                         f"inputs {shapes.show(together)}.")
    return dims


def _expect(name: str, p: _Parameter, value: Value, kind: str) -> None:
    """A ValueError, as NumPy raises, where a parameter is not what it must be."""
    b = tracing.current().builder
    for asked in p.asked if value.type.dims else reversed(p.asked):
        good, message = _ASKED[asked]
        check(good(b.expr(value)).value, message.replace("NAN", "contains NaNs" if value.type.dims else "is NaN").replace(
            "{}", p.name))


def check(good: Value, message: str, error: str = "ValueError") -> None:
    b = tracing.current().builder
    if good.type.dims:
        good = b.reduce(good, "all", tuple(range(len(good.type.dims))))
    b.emit("check", good, error=error, message=message)


def _together(*values: Value) -> list[Expr]:
    b, dims = tracing.current().builder, shapes.broadcast_dims(*[v.type.dims for v in values])
    return [b.expr(b.broadcast(v, dims)) for v in values]


def _width(kind: str, low: Value, high: Value) -> None:
    """uniform: the range must be finite, and that of a Generator not negative."""
    x, y = _together(low, high)
    scalar = kind == "Generator" and not low.type.dims and not high.type.dims
    check((y - x).isfinite().value, "high - low range exceeds valid bounds" if scalar else "Range exceeds valid bounds",
          "OverflowError")
    if kind == "Generator":
        check((~(y - x).signbit()).value, "high - low < 0")


_LARGEST = 10**9           # what NumPy's method for hypergeometric counts can take


def _sample(kind: str, good: Value, bad: Value, sample: Value) -> None:
    good, bad, sample = _together(good, bad, sample)
    if kind == "Generator":
        check(((good < _LARGEST) & (bad < _LARGEST)).value, f"both ngood and nbad must be less than {_LARGEST}")
    check((good + bad >= sample).value, "ngood + nbad < nsample")


def _ordered(kind: str, *values: Value) -> None:
    left, mode, right = _together(*values)
    check((~(left > mode)).value, "left > mode")
    check((~(mode > right)).value, "mode > right")
    check((~(left == right)).value, "left == right")


def _failures(kind: str, n: Value, p: Value) -> None:
    """The rate of the Poisson numbers behind a negative binomial one. A RandomState draws whatever comes."""
    if kind == "RandomState":
        return
    n, p = _together(n, p)
    check((~n.isnan()).value, "n must not be NaN")
    check((~((1.0 - p) / p * (n + 10.0 * n.sqrt()) > _POISSON_MOST)).value,
          "n too large or p too small, see Generator.negative_binomial Notes")


# what NumPy asks of several parameters together
_EXTRA: dict[str, Callable] = {"uniform": _width, "triangular": _ordered, "hypergeometric": _sample,
          "negative_binomial": _failures}
_WEAK = {F64: "float", F32: "float", I64: "int", BOOL: "bool"}


def result_of(value: Value, dims: tuple[Dim, ...], scalar: bool, dtype: DType) -> Box:
    """A Python number where NumPy's method returns one, else an array."""
    if not scalar:
        return boxes.array(value)
    if value.type.dtype is F32:
        value = tracing.current().builder.cast(value, F64)
    return ScalarBox(value, _WEAK[dtype])


# --- standard draws: they take a dtype and an array to fill ----------------------------------------------------------------

def _standard(name: str, dist: Callable, parameters: tuple[_Parameter, ...] = (), more: Sequence = ()) -> Callable:
    signature = _signature(parameters, [("size", None), ("dtype", np.float64), *more, ("out", None)])

    def call(box: GeneratorBox, *args: int | tuple[int, ...], **kwargs: type) -> Any:
        given = _bound(name, signature, args, kwargs)
        dtype, out = to_dtype(given["dtype"]), given["out"]
        if dtype not in (F32, F64):
            fail(ArgumentTypeError, f"Unsupported dtype dtype('{dtype.np}') for {name}")
        values, size = [_read(p, given[p.name]) for p in parameters], given["size"]
        if out is not None:
            out = boxes.as_array(out)
            if out.dtype_ir is not dtype:
                fail(ArgumentTypeError, f"Supplied output array has the wrong type. Expected {dtype.np}, got "
                                        f"{out.dtype_ir.np}")
            if size is None:
                size = out.dims
            elif not shapes.same_dims(shapes.shape_of(size), out.dims):
                fail(ShapeError, "size must match out.shape when used together")
        for p, v in zip(parameters, values):
            _expect(name, p, v, box.kind)
        dims = tuple(size) if out is not None else _dims(size, values)
        source = Source(box, dims, dtype)
        value = _drawn(source, dist(given), values)
        if out is not None:
            out.write(value)
            return out
        return result_of(value, dims, given["size"] is None and not dims, dtype)

    return call


def _drawn(source: Source, dist: str, values: list) -> Value:
    """Standard draws; those of a gamma distribution have a derivative by its shape."""
    drawn, b = source.draw(dist, *values), source.builder
    if dist != "standard_gamma":
        return drawn.value
    shape = b.expr(source.whole(values[0], source.dims))
    return shape.gamma_draw(drawn.cast(F64)).cast(source.dtype).value


def _how(given: Any) -> str:
    if given["method"] not in ("zig", "inv"):
        fail(ArgumentTypeError, f"standard_exponential(): method={given['method']!r} is neither 'zig' nor 'inv'")
    return "standard_exponential" if given["method"] == "zig" else "standard_exponential_inv"


_SHAPE = (_parameter("shape: not negative"),)


def _legacy(dist: str, parameters: tuple[_Parameter, ...] = ()) -> Callable:
    """The same for a RandomState, which has neither."""
    signature = _signature(parameters, [("size", None)])

    def call(box: GeneratorBox, *args: Any, **kwargs: Any) -> Any:
        given = _bound(dist, signature, args, kwargs)
        values = [_read(p, given[p.name]) for p in parameters]
        for p, v in zip(parameters, values):
            _expect(dist, p, v, box.kind)
        dims = _dims(given["size"], values)
        return result_of(_drawn(Source(box, dims), dist, values), dims, given["size"] is None and not dims, F64)

    return call


def _by_lengths(dist: str) -> Callable:
    """np.random.rand(d0, d1, …)."""
    return lambda box, *lengths: _legacy(dist)(box, lengths if lengths else None)


METHODS |= {(kind, name): _distribution(name, row) for name, row in _DISTRIBUTIONS.items()
            for kind in ("Generator", "RandomState")}
METHODS |= {
    ("Generator", "random"): _standard("random", lambda given: "random"),
    ("Generator", "standard_normal"): _standard("standard_normal", lambda given: "standard_normal"),
    ("Generator", "standard_exponential"): _standard("standard_exponential", _how, more=[("method", "zig")]),
    ("Generator", "standard_gamma"): _standard("standard_gamma", lambda given: "standard_gamma", _SHAPE),
    **{("RandomState", name): _legacy("random") for name in ("random", "random_sample")},
    **{("RandomState", name): _legacy(name) for name in ("standard_normal", "standard_exponential")},
    ("RandomState", "standard_gamma"): _legacy("standard_gamma", _SHAPE),
    ("RandomState", "rand"): _by_lengths("random"), ("RandomState", "randn"): _by_lengths("standard_normal"),
}


# --- np.random.normal …: methods of NumPy's own generator ------------------------------------------------------------------

def redirect(f: Any) -> Any:
    """What traced code calls in place of a method of a generator from outside, or of a function of np.random."""
    owner = getattr(f, "__self__", None)
    box = random_generators.boxed(owner) if owner is not None else None
    return None if box is None else getattr(box, f.__name__)
