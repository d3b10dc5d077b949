"""np.fft: transforms along an axis from those along the last one, with lengths, norms and several axes as in NumPy."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.build import Builder, const
from ...ir.core import Value
from ...ir.errors import BoundsError, DTypeError, ShapeError
from ...ir.types import C64, C128, F16, F32, F64, Dim, DType
from .. import tracing
from ..values import boxes, shapes, ufuncs
from ..values.boxes import FUNCTIONS, ArrayBox, as_array, implements
from ..values.promotion import fail
from ..values.shapes import axis_of
from .arrays.manipulation import moveaxis

_SWAPPED = {"backward": "forward", None: "forward", "ortho": "ortho", "forward": "backward"}


def _swapped(norm: str | None) -> str:
    if norm not in _SWAPPED:
        fail(ShapeError, f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')
    return _SWAPPED[norm]


def _precision(a: ArrayBox) -> tuple[DType, ...]:
    """(real, complex) dtype of a transform of this array."""
    return (F32, C64) if a.dtype_ir in (F16, F32, C64) else (F64, C128)


def _length(n: Any) -> Dim:
    """A number of points as a dimension."""
    found = shapes.length(n, "the number of points")
    if type(found) is int and found < 1:
        fail(ShapeError, f"Invalid number of FFT data points ({found}) specified.")
    if isinstance(found, Value):
        builder = tracing.current().builder
        builder.emit("check", builder("gt", found, builder.index(0)), found, error="ValueError",
                     message="Invalid number of FFT data points ({0}) specified.")
    return found


def _fitted(a: ArrayBox, n: Dim) -> Any:
    """The first n elements along the last axis, with zeros behind where there are fewer."""
    have = a.dims[-1]
    if shapes.same_dims((have,), (n,)):
        return a
    kept = shapes.arith("min", have, n)
    cut = a[..., :boxes.count(kept)]
    if type(have) is int and type(n) is int and n <= have:
        return cut
    zeros = tracing.current().builder.full(0, (*a.dims[:-1], shapes.arith("sub", n, kept)), a.dtype_ir)
    whole = FUNCTIONS[np.concatenate]([cut, boxes.array(zeros)], -1)
    return boxes.array(shapes.retype(whole.read(), (*a.dims[:-1], n)))


def _scaled(value: Value, n: int, norm: str, real: DType) -> Value:
    """Times the factor in front, computed in the transform's precision as NumPy does."""
    builder = tracing.current().builder
    if norm in (None, "backward"):
        return value
    exact = F32 if real is F16 else real

    def rounded(x: Value) -> Value:
        return builder.cast(builder.cast(x, real), exact)

    points = rounded(builder.index(n))
    factor = rounded(builder("div", const(1, exact), rounded(builder("sqrt", points)) if norm == "ortho" else points))
    return builder("mul", value, builder.cast(factor, value.type.dtype))


def _along(transform: Callable) -> Callable:
    """One transform along an axis: transform(builder, a, n, dtypes) gives the value for a with its axis last."""
    def run(a: ArrayBox, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None, *,
            swap: bool) -> ArrayBox:
        name = _swapped(norm)
        box = as_array(a)
        if not box.dims:
            fail(BoundsError, "tuple index out of range")
        k = axis_of(axis, len(box.dims))
        box = moveaxis(box, k, -1)
        found, n = transform(tracing.current().builder, box, n, _precision(box))
        half = box.dtype_ir is F16                                  # the factor is rounded to it, and what irfft gives
        found = _scaled(found, n, name if swap else _SWAPPED[name], F16 if half else found.type.dtype.real)
        if half and not found.type.dtype.complex:
            found = tracing.current().builder.cast(found, F16)
        found = moveaxis(boxes.array(found), -1, k)
        return found if out is None else ufuncs.deliver("fft", found.read(), out)

    return run


def _complex(inverse: bool) -> Callable:
    def transform(builder: Builder, a: ArrayBox, n: Any, dtypes: tuple[DType, ...]) -> Any:
        n = _length(boxes.count(a.dims[-1]) if n is None else n)
        return builder("fft", boxes.to_value(_fitted(a, n), dtypes[1]), inverse=inverse), n

    return _along(transform)


def _forward_real(builder: Builder, a: ArrayBox, n: int, dtypes: tuple[DType, ...]) -> Any:
    if a.dtype_ir.complex:
        fail(DTypeError, "ufunc 'rfft_n_even' did not contain a loop with signature matching types of complex numbers",
             "use np.fft.fft")
    n = _length(boxes.count(a.dims[-1]) if n is None else n)
    half = shapes.arith("add", shapes.arith("floordiv", n, 2), 1)
    return builder("rfft", boxes.to_value(_fitted(a, n), dtypes[0]), builder.index(half)), n


def _inverse_real(builder: Builder, a: ArrayBox, n: int, dtypes: tuple[DType, ...]) -> Any:
    n = _length(boxes.count(shapes.arith("mul", shapes.arith("sub", a.dims[-1], 1), 2)) if n is None else n)
    half = shapes.arith("add", shapes.arith("floordiv", n, 2), 1)
    return builder("irfft", boxes.to_value(_fitted(a, half), dtypes[1]), builder.index(n)), n


fft = implements(np.fft.fft)(functools.partial(_complex(False), swap=False))
ifft = implements(np.fft.ifft)(functools.partial(_complex(True), swap=True))
rfft = implements(np.fft.rfft)(functools.partial(_along(_forward_real), swap=False))
irfft = implements(np.fft.irfft)(functools.partial(_along(_inverse_real), swap=True))


@implements(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> Any:
    return irfft(np.conjugate(as_array(a)), n, axis, _swapped(norm), out)


@implements(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> Any:
    found = np.conjugate(rfft(a, n, axis, _swapped(norm)))
    return found if out is None else ufuncs.deliver("ihfft", found.read(), out)


# --- several axes ------------------------------------------------------------------------------------------------------

def _axes_and_lengths(a: ArrayBox, s: Any, axes: tuple[int, ...] | None, inverse_real: bool = False) -> tuple[list[int],
                      list[None]]:
    rank = len(a.dims)
    if axes is None:
        axes = range(rank) if s is None else range(-len(s), 0)
    axes = [axis_of(k, rank) for k in (axes if isinstance(axes, (tuple, list, range)) else (axes,))]
    if s is None:
        lengths = [None] * len(axes)
    else:
        lengths = [None if n is None or (type(n) is int and n == -1 and not inverse_real) else n for n in s]
    if len(lengths) != len(axes):
        fail(ShapeError, "Shape and axes have different lengths.")
    return axes, lengths


def _several(one: Callable, last: Callable | None = None, first: Callable | None = None) -> Callable:
    """Transforms along axes, from the last to the first; `first`: that of the last axis, done first; `last`: done last."""
    def run(a: ArrayBox, s: Any = None, axes: tuple[int, ...] | None = None, norm: str | None = None,
            out: Any = None) -> ArrayBox:
        found = as_array(a)
        ks, lengths = _axes_and_lengths(found, s, axes, last is not None)
        pairs = list(zip(ks, lengths))
        if last is not None:
            steps = [(one, *p) for p in pairs[:-1]] + [(last, *p) for p in pairs[-1:]]
        else:
            steps = [(first or one, *p) for p in pairs[-1:]] + [(one, *p) for p in reversed(pairs[:-1])]
        for transform, k, n in steps:
            found = transform(found, n, k, norm)
        return found if out is None else ufuncs.deliver("fft", found.read(), out)

    return run


def _plane(run: Callable) -> Callable:
    return lambda a, s=None, axes=(-2, -1), norm=None, out=None: run(a, s, axes, norm, out)


for _all, _two, _run in ((np.fft.fftn, np.fft.fft2, _several(fft)), (np.fft.ifftn, np.fft.ifft2, _several(ifft)),
                         (np.fft.rfftn, np.fft.rfft2, _several(fft, first=rfft)),
                         (np.fft.irfftn, np.fft.irfft2, _several(ifft, last=irfft))):
    implements(_all)(_run)
    implements(_two)(_plane(_run))


# --- frequencies -------------------------------------------------------------------------------------------------------

def _step(n: Any, d: Any) -> Any:
    return np.true_divide(1.0, np.multiply(n, d)) if isinstance(d, boxes.Box) or isinstance(n, boxes.Box) else 1.0 / (n * d)


@implements(np.fft.fftfreq)
def fftfreq(n: Any, d: Any = 1.0, device: Any = None) -> Any:
    k = FUNCTIONS[np.arange](n)
    middle = (n - 1) // 2 + 1
    return FUNCTIONS[np.where](np.greater_equal(k, middle), k - n, k) * _step(n, d)


@implements(np.fft.rfftfreq)
def rfftfreq(n: Any, d: Any = 1.0, device: Any = None) -> Any:
    return FUNCTIONS[np.arange](n // 2 + 1) * _step(n, d)


def _shift(sign: int) -> Callable:
    def run(x: Any, axes: tuple[int, ...] | None = None) -> Any:
        a = as_array(x)
        rank = len(a.dims)
        ks = [axis_of(k, rank) for k in (range(rank) if axes is None else axes if isinstance(axes, (tuple, list)) else (axes,))]
        halves = [boxes.count(shapes.arith("floordiv", a.dims[k], 2)) for k in ks]
        return FUNCTIONS[np.roll](a, tuple(h if sign > 0 else -h for h in halves), tuple(ks))

    return run


implements(np.fft.fftshift)(_shift(1))
implements(np.fft.ifftshift)(_shift(-1))
