"""Eigenvalues, singular values, QR, the pseudo-inverse and least squares. Like NumPy they compute in double precision."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.build import const
from ...ir.errors import LinAlgError, ShapeError, UnsupportedError
from ...ir.types import C128, F64, I64, INDEX, Array, DType
from .. import tracing
from ..values import boxes, shapes
from ..values.boxes import FUNCTIONS, HOOKS, ArrayBox, ScalarBox, as_array, implements, lift
from ..values.promotion import fail, to_dtype
from .linalg import inexact, matmul, square
from .reductions import MISSING

if TYPE_CHECKING:
    from ...ir.core import Value

_EPS = np.finfo(np.float64).eps
_RESULTS: dict[str, Callable] = {f.__name__: type(f(np.eye(1)))           # NumPy's namedtuples
                                 for f in (np.linalg.eigh, np.linalg.eig, np.linalg.svd, np.linalg.qr)}


def _matrices(a: ArrayBox) -> tuple[Value, DType]:
    """(the array in double precision, NumPy's result dtype)."""
    a = as_array(a)
    if len(a.dims) < 2:
        fail(LinAlgError, f"{len(a.dims)}-dimensional array given. Array must be at least two-dimensional")
    (value,) = inexact(a)
    return tracing.current().builder.cast(value, C128 if value.type.dtype.complex else F64), value.type.dtype


def _array(value: Value, dtype: DType) -> ArrayBox:
    """A result in the precision of `dtype`, complex where it is."""
    target = dtype if value.type.dtype.complex else dtype.real
    return boxes.array(tracing.current().builder.cast(value, target))


def _least(value: Value) -> Value:
    """min(m, n) of matrices m by n, as an index operand."""
    builder = tracing.current().builder
    return builder.iop("min", *value.type.dims[-2:])


# --- eigenvalues -------------------------------------------------------------------------------------------------------

def _hermitian(a: ArrayBox, uplo: str) -> tuple[Value, DType, bool]:
    a = square(as_array(a))
    if not isinstance(uplo, str) or uplo.upper() not in ("L", "U"):
        fail(ShapeError, "UPLO argument must be 'L' or 'U'")
    return (*_matrices(a), uplo.upper() == "L")


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: Any = "L") -> Any:
    value, dtype, lower = _hermitian(a, UPLO)
    w, v = tracing.current().builder.emit("eigh", value, lower=lower)
    return _RESULTS["eigh"](_array(w, dtype), _array(v, dtype))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: Any = "L") -> Any:
    value, dtype, lower = _hermitian(a, UPLO)
    return _array(tracing.current().builder("eigvalsh", value, lower=lower), dtype)


def _general(a: ArrayBox) -> tuple[Value, DType]:
    value, dtype = _matrices(square(as_array(a)))
    builder = tracing.current().builder
    finite = value
    if dtype.complex:
        finite = builder("add", builder("abs", builder("real", value)), builder("abs", builder("imag", value)))
    finite = builder("isfinite", finite)
    builder.emit("check", builder.reduce(finite, "all", range(finite.type.rank)), error="LinAlgError",
                 message="Array must not contain infs or NaNs")
    return value, dtype


def _as_it_is(dtype: DType, w: Value, *others: Value) -> list:
    """Eigenvalues and what belongs to them: of a real matrix real arrays, where no eigenvalue has an imaginary part."""
    builder = tracing.current().builder
    if dtype.complex:
        return [_array(x, dtype) for x in (w, *others)]
    whole = builder("eq", builder("imag", w), const(0.0, F64))
    flag = builder.reduce(whole, "all", range(whole.type.rank))
    return [HOOKS["real_or_complex"](flag, builder.cast(x, _complex(dtype))) for x in (w, *others)]


def _complex(dtype: DType) -> DType:
    return to_dtype(np.result_type(dtype.np, np.complex64))


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    value, dtype = _general(a)
    return _RESULTS["eig"](*_as_it_is(dtype, *tracing.current().builder.emit("eig", value)))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    value, dtype = _general(a)
    return _as_it_is(dtype, tracing.current().builder("eigvals", value))[0]


# --- singular values ---------------------------------------------------------------------------------------------------

def singular_values(value: Value) -> Value:
    """Those of a value that holds matrices, in its precision."""
    builder = tracing.current().builder
    wide = builder.cast(value, C128 if value.type.dtype.complex else F64)
    return builder.cast(builder("svdvals", wide, _least(wide)), value.type.dtype.real)


def _completed(value: Value) -> Any:
    """The Hermitian matrix of which only the lower triangle is read."""
    a = boxes.array(value)
    low = FUNCTIONS[np.tril](a, -1)
    n = boxes.count(value.type.dims[-1])
    diagonal = a * FUNCTIONS[np.eye](n, dtype=a.kind)
    if a.dtype_ir.complex:
        diagonal = np.real(diagonal) + 0j
    return (low + diagonal + np.conjugate(FUNCTIONS[np.swapaxes](low, -1, -2))).read()


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: Any = True, compute_uv: Any = True, hermitian: Any = False) -> Any:
    value, dtype = _matrices(a)
    if hermitian:
        if compute_uv:
            fail(UnsupportedError, "np.linalg.svd with hermitian=True cannot be compiled",
                 "use np.linalg.eigh, or leave it out")
        value = _completed(value)
    builder = tracing.current().builder
    if not compute_uv:
        return _array(builder("svdvals", value, _least(value)), dtype)
    m, n = value.type.dims[-2:]
    u, s, vh = builder.emit("svd", value, _least(value), full=bool(full_matrices) and not shapes.same_dims((m,), (n,)))
    return _RESULTS["svd"](*(_array(x, dtype) for x in (u, s, vh)))


implements(np.linalg.svdvals)(lambda x, /: svd(x, compute_uv=False))


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: Any = False, *, rtol: Any = None) -> Any:
    if rtol is not None and tol is not None:
        fail(ShapeError, "`tol` and `rtol` can't be both set.")
    a = as_array(A)
    if len(a.dims) < 2:
        return boxes.ScalarBox(tracing.current().builder.cast(FUNCTIONS[np.any](np.not_equal(a, 0)).read(), I64), "int")
    s = svd(a, compute_uv=False, hermitian=hermitian)
    if tol is None:
        if rtol is None:
            rtol = _largest_side(a) * float(np.finfo(s.dtype_ir.np).eps)
        else:
            rtol = as_array(rtol)[..., None]
        tol = FUNCTIONS[np.max](s, axis=-1, keepdims=True, initial=0) * rtol
    else:
        tol = as_array(tol)[..., None]
    return FUNCTIONS[np.count_nonzero](np.greater(s, tol), axis=-1)


def _largest_side(a: Any) -> Any:
    m, n = a.dims[-2:]
    if type(m) is int and type(n) is int:
        return max(m, n)
    return boxes.count(tracing.current().builder.iop("max", m, n))


# --- QR ----------------------------------------------------------------------------------------------------------------

@implements(np.linalg.qr)
def qr(a: Any, mode: Any = "reduced") -> Any:
    if mode not in ("reduced", "complete", "r"):
        fail(UnsupportedError if mode in ("raw", "economic", "full", "f", "e") else ShapeError,
             f"np.linalg.qr with mode {mode!r} cannot be compiled", "use 'reduced', 'complete' or 'r'")
    value, dtype = _matrices(a)
    m, n = value.type.dims[-2:]
    complete = mode == "complete"
    if complete:
        if type(m) is not int or type(n) is not int:
            fail(UnsupportedError, "np.linalg.qr with mode 'complete' cannot be compiled where the sides are known only at run "
                 "time", "use 'reduced'")
        complete = m > n
    q, r = tracing.current().builder.emit("qr", value, _least(value), complete=complete)
    return _array(r, dtype) if mode == "r" else _RESULTS["qr"](_array(q, dtype), _array(r, dtype))


# --- least squares -----------------------------------------------------------------------------------------------------

def _pseudo_inverse(value: Value, rcond: Array) -> Value:
    builder = tracing.current().builder
    return builder("pinv", value, boxes.to_value(rcond, F64), _least(value))


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: Any = False, *, rtol: Any = MISSING) -> Any:
    value, dtype = _matrices(a)
    if rcond is not None and rtol is not MISSING:
        fail(ShapeError, "`rtol` and `rcond` can't be both set.")
    if rcond is None:
        if rtol is MISSING:
            rcond = 1e-15
        else:
            rcond = _largest_side(as_array(a)) * float(np.finfo(dtype.np).eps) if rtol is None else rtol
    if lift(rcond).dims:
        fail(UnsupportedError, "np.linalg.pinv with a threshold for each matrix cannot be compiled", "give one number")
    return _array(_pseudo_inverse(_completed(value) if hermitian else value, rcond), dtype)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[ArrayBox, ArrayBox, ScalarBox, ArrayBox]:
    """(x, residuals, rank, singular values): x = pinv(a) b. The residuals are empty unless a has more rows than columns and
    full rank, so their number is known at run time."""
    a, b = as_array(a), as_array(b)
    vector = len(b.dims) == 1
    if len(a.dims) != 2 or len(b.dims) not in (1, 2):
        fail(LinAlgError, f"{len(a.dims)}-dimensional array given. Array must be two-dimensional")
    if type(a.dims[0]) is int and type(b.dims[0]) is int and a.dims[0] != b.dims[0]:
        fail(LinAlgError, "Incompatible dimensions")
    shapes.require_equal(a.dims[0], b.dims[0], "Incompatible dimensions")
    builder = tracing.current().builder
    x, y = inexact(a, b)
    dtype = x.type.dtype
    x, y = (builder.cast(v, C128 if dtype.complex else F64) for v in (x, y))
    y = builder.reshape(y, (*y.type.dims, 1)) if vector else y
    if rcond is None:
        rcond = _largest_side(a) * float(_EPS)
    s = boxes.array(builder("svdvals", x, _least(x)))
    x, y = boxes.array(x), boxes.array(y)
    found = matmul(boxes.array(_pseudo_inverse(x.read(), rcond)), y)
    cut = FUNCTIONS[np.max](s, initial=0) * rcond
    rank = builder.reduce(builder.cast(np.greater(s, cut).read(), INDEX), "sum", (0,))
    rest = _residuals(x, y, found, rank)
    rank = boxes.ScalarBox(builder.cast(rank, to_dtype(np.int32)))
    found = found[:, 0] if vector else found
    return _array(found.read(), dtype), _array(rest.read(), dtype), rank, _array(s.read(), dtype)


def _residuals(a: Any, b: Any, x: Any, rank: Value) -> ArrayBox:
    builder = tracing.current().builder
    m, n = a.dims
    if type(m) is int and type(n) is int and m <= n:
        return boxes.array(builder.full(0, (0,), F64))
    size = np.abs(matmul(a, x) - b)
    squares = FUNCTIONS[np.sum](size * size, axis=0)
    full = builder("and", builder("eq", rank, builder.index(n)), builder("gt", builder.index(m), builder.index(n)))
    kept = builder("select", full, builder.index(squares.dims[0]), builder.index(0))
    return squares[:boxes.count(kept)]
