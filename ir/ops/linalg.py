"""Products and factorisations.

    dot a, b {contract, batch}           contract, batch: (axes of a, axes of b), pairwise of equal length; the result has the
                                         batch axes, then a's other axes, then b's
    cholesky a {quiet}                   [..., n, n] -> lower L with L L^H = a; only a's lower triangle is read.
                                         Where `quiet`, a matrix without a factor gives what has no positive diagonal
    lu a                                 [..., n, n] -> (lu, perm index[..., n]): rows a[perm] = L U, L unit lower; never raises
    lu_solve a, lu, perm, b {trans}      b [..., n, k]: x with a x = b (a^T x = b where trans), by the factor; `a` itself is
                                         there for differentiation only
    triangular_solve t, b {lower, trans, unit}   x with t x = b (t^T x = b where trans); only that triangle of t is read;
                                         unit: the diagonal counts as 1

A transpose is never conjugated. cholesky and the solvers raise numpy.linalg.LinAlgError as NumPy does.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..opdef import INEXACT, NUMBERS, OpDef
from ..types import INDEX, Type
from .common import (
    array_type,
    drop_axes,
    expect_axes,
    expect_choice,
    expect_count,
    expect_dtype,
    fail,
    same_dim,
    same_dims,
)

if TYPE_CHECKING:
    from ..core import Block, Op, Value


def dot_axes(attrs: dict[str, Any], a_rank: int, b_rank: int) -> tuple[tuple, tuple]:
    """(batch, contract, free) axes of a, then of b."""
    (a_contract, b_contract), (a_batch, b_batch) = attrs["contract"], attrs["batch"]
    a_free = tuple(k for k in range(a_rank) if k not in a_contract and k not in a_batch)
    b_free = tuple(k for k in range(b_rank) if k not in b_contract and k not in b_batch)
    return (a_batch, a_contract, a_free), (b_batch, b_contract, b_free)


def _infer_dot(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("dot", operands, 2)
    a, b = array_type("dot", operands[0]), array_type("dot", operands[1])
    if a.dtype is not b.dtype:
        fail(f"dot of {a!r} and {b!r}: the dtypes differ")
    expect_dtype("dot", a.dtype, NUMBERS)
    (a_contract, b_contract), (a_batch, b_batch) = attrs["contract"], attrs["batch"]
    expect_axes("dot", a_contract + a_batch, a.rank)
    expect_axes("dot", b_contract + b_batch, b.rank)
    for a_axes, b_axes in ((a_contract, b_contract), (a_batch, b_batch)):
        if len(a_axes) != len(b_axes) or not all(same_dim(a.dims[i], b.dims[j]) for i, j in zip(a_axes, b_axes)):
            fail(f"dot of {a!r} and {b!r}: axes {a_axes!r} and {b_axes!r} do not pair up")
    dims = tuple(a.dims[k] for k in a_batch)
    return [Type(a.dtype, dims + drop_axes(a.dims, a_contract + a_batch) + drop_axes(b.dims, b_contract + b_batch))]


def _evaluate_dot(op: Op, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """As one batched matrix product: [batch, free of a, contracted] times [batch, contracted, free of b]."""
    a, b = np.asarray(a), np.asarray(b)
    (a_batch, a_contract, a_free), (b_batch, b_contract, b_free) = dot_axes(op.attrs, a.ndim, b.ndim)
    batch = tuple(a.shape[k] for k in a_batch)
    rows, columns = tuple(a.shape[k] for k in a_free), tuple(b.shape[k] for k in b_free)
    inner, m, n = (int(np.prod(shape, dtype=np.int64)) for shape in (tuple(a.shape[k] for k in a_contract), rows, columns))
    left = a.transpose(a_batch + a_free + a_contract).reshape((*batch, m, inner))
    right = b.transpose(b_batch + b_contract + b_free).reshape((*batch, inner, n))
    with np.errstate(all="ignore"):
        return (np.matmul(left, right).reshape(batch + rows + columns),)


def _square(name: str, a: Type) -> None:
    expect_dtype(name, a.dtype, INEXACT)
    if a.rank < 2 or not same_dim(a.dims[-1], a.dims[-2]):
        fail(f"{name} takes square matrices, not {a!r}")


def _right_side(name: str, a: Type, b: Type) -> Type:
    if b.dtype is not a.dtype or b.rank != a.rank or not same_dims(b.dims[:-1], a.dims[:-1]):
        fail(f"{name}: the right side {b!r} does not fit the matrix {a!r}")
    return b


def _infer_cholesky(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("cholesky", operands, 1)
    a = array_type("cholesky", operands[0])
    _square("cholesky", a)
    expect_choice("cholesky", "quiet", attrs.get("quiet", False), (True, False))
    return [a]


def _infer_lu(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("lu", operands, 1)
    a = array_type("lu", operands[0])
    _square("lu", a)
    return [a, Type(INDEX, a.dims[:-1])]


def _infer_lu_solve(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("lu_solve", operands, 4)
    a, lu, perm, b = (array_type("lu_solve", v) for v in operands)
    _square("lu_solve", a)
    if lu != a or perm != Type(INDEX, a.dims[:-1]):
        fail(f"lu_solve: {lu!r} and {perm!r} are no factor of {a!r}")
    expect_choice("lu_solve", "trans", attrs["trans"], (True, False))
    return [_right_side("lu_solve", a, b)]


def _infer_triangular_solve(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("triangular_solve", operands, 2)
    t, b = (array_type("triangular_solve", v) for v in operands)
    _square("triangular_solve", t)
    for flag in ("lower", "trans", "unit"):
        expect_choice("triangular_solve", flag, attrs[flag], (True, False))
    return [_right_side("triangular_solve", t, b)]


def _lapack(name: str, *arrays: np.ndarray) -> Callable:
    """The LAPACK routine for the arrays' dtype, wrapped by SciPy."""
    from scipy.linalg import lapack

    return lapack.get_lapack_funcs((name,), arrays)[0]



def _evaluate_cholesky(op: Op, a: Any) -> Any:
    if not op.attrs.get("quiet"):
        return (np.linalg.cholesky(a),)
    out = np.empty_like(a, order="C")
    for k in np.ndindex(a.shape[:-2]):
        try:
            out[k] = np.linalg.cholesky(a[k])
        except np.linalg.LinAlgError:
            out[k] = -1.0
    return (out,)


def _evaluate_lu(op: Op, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    out, perm = np.array(a, order="C"), np.empty(a.shape[:-1], np.int64)
    n = a.shape[-1]
    perm[...] = np.arange(n)
    if n:
        getrf = _lapack("getrf", out)
        for k in np.ndindex(a.shape[:-2]):
            out[k], pivots, _ = getrf(out[k])
            order = perm[k]
            for i, j in enumerate(pivots):
                order[[i, j]] = order[[j, i]]
    return out, perm


def _solve_triangle(t: np.ndarray, b: np.ndarray, *, lower: bool, trans: bool, unit: bool) -> np.ndarray:
    """One triangular system by LAPACK. A zero on the diagonal is NumPy's error for a singular matrix."""
    if not t.size or not b.size:
        return np.zeros_like(b)
    x, info = _lapack("trtrs", t, b)(t, b, lower=lower, trans=int(trans), unitdiag=unit)
    if info:
        raise np.linalg.LinAlgError("Singular matrix")
    return x


def _evaluate_lu_solve(op: Op, a: np.ndarray, lu: np.ndarray, perm: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """a[perm] = L U, so a x = b is L U x = b[perm]; and a^T x = b is U^T L^T x[perm] = b."""
    out = np.empty_like(b, order="C")
    for k in np.ndindex(b.shape[:-2]):
        factor, order = lu[k], perm[k]
        if op.attrs["trans"]:
            y = _solve_triangle(factor, b[k], lower=False, trans=True, unit=False)
            out[k][order] = _solve_triangle(factor, y, lower=True, trans=True, unit=True)
        else:
            y = _solve_triangle(factor, b[k][order], lower=True, trans=False, unit=True)
            out[k] = _solve_triangle(factor, y, lower=False, trans=False, unit=False)
    return (out,)


def _evaluate_triangular_solve(op: Op, t: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    out = np.empty_like(b, order="C")
    for k in np.ndindex(b.shape[:-2]):
        out[k] = _solve_triangle(t[k], b[k], **{flag: op.attrs[flag] for flag in ("lower", "trans", "unit")})
    return (out,)


OpDef("dot", _infer_dot, _evaluate_dot, rule="bilinear", linear_in=(0, 1), doc="Sum of products over paired axes.",
      combines=True, register=True)
OpDef("cholesky", _infer_cholesky, _evaluate_cholesky, rule="special", effect=True, doc="The lower Cholesky factor.",
      combines=True)
OpDef("lu", _infer_lu, _evaluate_lu, rule="special", doc="LU factors with partial pivoting.", combines=True)
OpDef("lu_solve", _infer_lu_solve, _evaluate_lu_solve, rule="special", effect=True, doc="Solve by an LU factor.", combines=True)
OpDef("triangular_solve", _infer_triangular_solve, _evaluate_triangular_solve, rule="special", effect=True,
      doc="Solve with a triangular matrix.", combines=True)
