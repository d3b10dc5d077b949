"""NumPy's dtype rules: which dtypes a ufunc computes in, what Python scalars become, which casts are allowed.

A *kind* is what takes part in promotion: a NumPy dtype for arrays and NumPy scalars, and one of the Python types int,
float, complex for Python scalars, which adapt to the others (NEP 50). A Python bool counts as NumPy's bool.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ...ir.build import Builder, const
from ...ir.core import Value
from ...ir.errors import DTypeError, TracegradError
from ...ir.types import _FROM_NUMPY, F64, I64, DType
from .. import numba_types, tracing

WEAK = {"int": int, "float": float, "complex": complex, "bool": np.dtype(bool)}
DEFAULT = {int: np.dtype(np.int64), float: np.dtype(np.float64), complex: np.dtype(np.complex128)}
_COMPARISONS = {np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal}
_HELP = "convert with .astype(np.float32) or .astype(np.float64) first"


class RangeError(TracegradError, OverflowError):
    """A Python integer that its dtype cannot hold."""


class AxisError(TracegradError, np.exceptions.AxisError):
    """An axis that the array does not have."""

    def __str__(self) -> str:
        return self.render()


def holds(dtype: DType, number: int) -> bool:
    """Whether an integer is one of the numbers of a type; of other types than ints it is taken to be."""
    limits = np.iinfo(dtype.np) if dtype.kind in "iu" else None
    return limits is None or limits.min <= number <= limits.max


def fail(error: type, what: str, remedy: str = "") -> NoReturn:
    """Raise an error of tracegrad at the user's line."""
    raise error(what, remedy, tracing.locate())


def to_dtype(what: Any) -> DType:
    """The IR dtype of anything that NumPy takes as a dtype."""
    if isinstance(what, DType):
        return what
    dtype_of = getattr(what, "_dtype", None)
    try:
        asked = dtype_of.np if isinstance(dtype_of, DType) else np.dtype(numba_types.scalar_type(what) or what)
    except TypeError as error:
        fail(DTypeError, str(error))
    found = _FROM_NUMPY.get(asked) or _FROM_NUMPY.get(asked.newbyteorder("="))
    if found is None:
        fail(DTypeError, f"dtype {asked} cannot be compiled",
             "use bool, an integer of 8 to 64 bits, float16, float32, float64, complex64 or complex128")
    return found


def strong(kind: Any) -> np.dtype:
    """The dtype of a kind on its own: int64, float64 and complex128 for Python scalars."""
    return DEFAULT.get(kind, kind)


_RESOLVED: dict = {}


def resolve(ufunc: Callable, kinds: tuple, dtype: Any = None,
            casting: str = "same_kind") -> tuple[tuple[DType, ...], tuple[DType, ...]]:
    """(input dtypes, output dtypes) that NumPy's ufunc computes in for inputs of these kinds, with the call's keywords."""
    key = ufunc, kinds, dtype, casting
    found = _RESOLVED.get(key)
    if found is None:
        found = _RESOLVED[key] = _resolve(ufunc, kinds, dtype, casting)
    return found


def _resolve(ufunc: Any, kinds: Any, dtype: DType | None, casting: str) -> tuple[tuple[DType, ...],
             tuple[DType, ...]]:
    options: dict[str, Any] = {} if dtype is None else {"signature": (None,) * ufunc.nin + (dtype,) * ufunc.nout}
    if casting != "same_kind":
        options["casting"] = casting
    try:
        found = ufunc.resolve_dtypes(kinds + (None,) * ufunc.nout, **options)
    except TypeError as error:
        names = ", ".join(getattr(k, "__name__", None) or str(k) for k in kinds)
        fail(DTypeError, f"np.{ufunc.__name__} of {names}: {error}")
    if any(d not in _FROM_NUMPY for d in found):
        names = ", ".join(getattr(k, "__name__", None) or str(k) for k in kinds)
        bad = next(d for d in found if d not in _FROM_NUMPY)
        fail(DTypeError, f"np.{ufunc.__name__} of {names} computes in {bad}, which cannot be compiled", _HELP)
    if ufunc in _COMPARISONS:
        found = _comparison(found)
    dtypes = tuple(_FROM_NUMPY[d] for d in found)
    return dtypes[:ufunc.nin], dtypes[ufunc.nin:]


def _comparison(found: tuple[np.dtype, ...]) -> tuple[np.dtype, ...]:
    """int64 against uint64 keeps both dtypes, as NumPy's exact loops do; all other pairs share one."""
    a, b, out = found
    if a == b or {a.kind, b.kind} == {"i", "u"}:
        return found
    common = np.promote_types(a, b)
    return common, common, out


def result_dtype(kinds: Sequence[np.dtype | type]) -> DType:
    """np.result_type of kinds."""
    key = "result", tuple(kinds)
    found = _RESOLVED.get(key)
    if found is None:
        samples = [k(0) if isinstance(k, type) and k in DEFAULT else k for k in key[1]]
        found = _RESOLVED[key] = to_dtype(np.result_type(*samples))
    return found


def check_range(number: int, dtype: DType) -> int:
    """A Python int that becomes an integer dtype must fit in it."""
    if type(number) is int and dtype.kind in "iux":
        info = np.iinfo(dtype.np)
        if not info.min <= number <= info.max:
            fail(RangeError, f"Python integer {number} out of bounds for {dtype.np.name}")
    return number


def check_whole(builder: Builder, value: Value, dtype: DType) -> None:
    """A Python float stored as an integer: as int() has it, and within the dtype."""
    number = builder.expr(value)
    for good, error, message in (((number == number), "ValueError", "cannot convert float NaN to integer"),
                                 (~number.isinf(), "OverflowError", "cannot convert float infinity to integer")):
        builder.emit("check", good.value, error=error, message=message)
    info = np.iinfo(dtype.np)
    whole = number.trunc()
    fits = (whole >= float(info.min)) & (whole < float(info.max) + 1.0 if dtype.bits == 64 else whole <= float(info.max))
    builder.emit("check", fits.value, whole.value, error="OverflowError",
                 message=f"Python integer {{0}} out of bounds for {dtype.np.name}")


def check_fits(builder: Builder, value: Value, dtype: DType) -> None:
    """A Python int of run time that becomes an integer dtype must fit in it."""
    info = np.iinfo(dtype.np)
    fits = builder("ge", value, const(info.min, value.type.dtype))
    if dtype.bits < 64:
        fits = builder("and", fits, builder("le", value, const(info.max, value.type.dtype)))
    builder.emit("check", fits, value, error="OverflowError", message=f"Python integer {{0}} out of bounds for {dtype.np.name}")


_CASTS: dict = {}


def can_cast(kind: Any, to: DType, casting: Any) -> bool:
    """np.can_cast for a kind; a Python scalar casts as its default dtype does, but freely within its own kind."""
    key = kind, to.name, casting
    found = _CASTS.get(key)
    if found is None:
        if kind in DEFAULT:
            rank = {int: "iufcx", float: "fc", complex: "c"}[kind]
            found = to.kind in rank or casting == "unsafe"
        else:
            found = np.can_cast(kind, to.np, casting)
        _CASTS[key] = found
    return found


def check_cast(name: str, source: DType, to: DType, casting: str = "same_kind") -> None:
    """The rule for `out=` and in-place operators, with NumPy's words."""
    if not can_cast(source.np, to, casting):
        fail(DTypeError, f"Cannot cast ufunc '{name}' output from {source.np!r} to {to.np!r} with casting rule '{casting}'",
             "assign the result to a new name, or convert it with .astype()")


def accumulator(dtype: DType) -> DType:
    """The dtype in which sum and prod of this one add up: integers narrower than 64 bits and bools widen."""
    if dtype.kind in "bi":
        return I64
    return to_dtype(np.uint64) if dtype.kind == "u" else dtype


def mean_dtype(dtype: DType) -> DType:
    """The dtype in which mean and var compute."""
    return dtype if dtype.inexact else F64
