"""Factorisations with their own kind of derivative: eigenvalues, singular values, QR, the pseudo-inverse. Stacks of matrices.

    eigh a {lower}        Hermitian a: (w [..., n] real and ascending, v [..., n, n]), a v = v w; one triangle of a is read
    eigvalsh a {lower}    its eigenvalues only
    eig a                 f64 or c128: complex (w [..., n], v [..., n, n]) in LAPACK's order, columns of length 1
    eigvals a             its eigenvalues only
    svd a, k {full}       a [..., m, n], k = min(m, n): (u, s [..., k] real and descending, v^H); u [..., m, m] and
                          v^H [..., n, n] where full, else [..., m, k] and [..., k, n]
    svdvals a, k          its singular values only
    qr a, k {complete}    f64 or c128: (q [..., m, k], r [..., k, n]), or [..., m, m] and [..., m, n] where complete
    pinv a, rcond, k      [..., m, n] -> [..., n, m]: the pseudo-inverse, without singular values <= rcond * the largest
    couple a, u, v, k {lower}
                          zeros [..., n, n] with the derivative k[i, j] (H[i, j] + conj H[j, i]) / 2, H = u^H a_dot v, off the
                          diagonal: what a change of a mixes of vectors with close values. Of a Hermitian a, `lower` says which
                          triangle is read; else it is None. With {part} "whole" the derivative is k[i, j] (u^H a_dot v)[i, j]
                          for all elements, with "outside" k[i, j] (a_dot v - u u^H a_dot v)[i, j]. The passes take it out
                          (ir/transforms/drop_couplings.py)

eigh, eigvalsh, svd and svdvals may have {near}: their results meet in something smooth, so that vectors of values that differ
relatively by less are not turned into each other; autodiff/multiplicity/equal_values.py has the theory.

The evaluator calls NumPy; machine code calls the same routines of NumPy (lowering/libraries/numpy_gufuncs.py), so results are
equal. Where one does not converge, numpy.linalg.LinAlgError is raised; eigenvalues and singular values that nothing uses are
not computed.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..opdef import INEXACT, OpDef
from ..types import C128, F64, DType, Type
from .common import array_type, expect_choice, expect_count, expect_dtype, expect_index, fail, same_dim

if TYPE_CHECKING:
    from ..core import Block, Op, Value


def _matrix(name: str, operands: Sequence[Value], count: int, takes: Collection[DType] = INEXACT) -> Type:
    expect_count(name, operands, count)
    a = array_type(name, operands[0])
    expect_dtype(name, a.dtype, takes)
    if a.rank < 2:
        fail(f"{name} takes matrices, not {a!r}")
    return a


def _square(name: str, operands: tuple[Value, ...], takes: frozenset[DType] = INEXACT) -> Type:
    a = _matrix(name, operands, 1, takes)
    if not same_dim(a.dims[-1], a.dims[-2]):
        fail(f"{name} takes square matrices, not {a!r}")
    return a


def _infer_hermitian(name: str, vectors: bool) -> Callable:
    def infer(operands: tuple[Value, ...], attrs: dict[str, Any], regions: tuple) -> list[Type]:
        a = _square(name, operands)
        expect_choice(name, "lower", attrs["lower"], (True, False))
        w = Type(a.dtype.real, a.dims[:-1])
        return [w, a] if vectors else [w]

    return infer


def _infer_eig(name: str, vectors: bool) -> Callable:
    def infer(operands: tuple[Value, ...], attrs: dict[str, Any], regions: tuple) -> Any:
        a = _square(name, operands, frozenset({F64, C128}))
        w = Type(C128, a.dims[:-1])
        return [w, Type(C128, a.dims)] if vectors else [w]

    return infer


def _infer_svd(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    a = _matrix("svd", operands, 2)
    k = expect_index("svd", operands[1])
    expect_choice("svd", "full", attrs["full"], (True, False))
    lead, (m, n) = a.dims[:-2], a.dims[-2:]
    u, vh = ((m, m), (n, n)) if attrs["full"] else ((m, k), (k, n))
    return [Type(a.dtype, lead + u), Type(a.dtype.real, (*lead, k)), Type(a.dtype, lead + vh)]


def _infer_svdvals(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    a = _matrix("svdvals", operands, 2)
    return [Type(a.dtype.real, (*a.dims[:-2], expect_index("svdvals", operands[1])))]


def _infer_qr(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    a = _matrix("qr", operands, 2, {F64, C128})
    k = expect_index("qr", operands[1])
    expect_choice("qr", "complete", attrs["complete"], (True, False))
    lead, (m, n) = a.dims[:-2], a.dims[-2:]
    inner = m if attrs["complete"] else k
    return [Type(a.dtype, (*lead, m, inner)), Type(a.dtype, (*lead, inner, n))]


def _infer_pinv(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    a = _matrix("pinv", operands, 3)
    expect_index("pinv", operands[2])
    rcond = array_type("pinv", operands[1])
    if rcond.dims or rcond.dtype is not a.dtype.real:
        fail(f"pinv takes a number of dtype {a.dtype.real!r} to compare singular values with, not {rcond!r}")
    return [Type(a.dtype, (*a.dims[:-2], a.dims[-1], a.dims[-2]))]


def _infer_couple(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("couple", operands, 4)
    expect_choice("couple", "lower", attrs["lower"], (True, False, None))
    expect_choice("couple", "part", attrs.get("part"), (None, "whole", "outside"))
    a, k = array_type("couple", operands[0]), array_type("couple", operands[3])
    return [Type(a.dtype, k.dims)]


def _triangle(op: Op) -> Any:
    return "L" if op.attrs["lower"] else "U"


def _evaluate_svdvals(op: Op, a: Any, k: Any) -> Any:
    return (np.linalg.svd(a, compute_uv=False),)


def _evaluate_pinv(op: Op, a: Any, rcond: Any, k: Any) -> Any:
    """V S^-1 U^H from the thin factors, as np.linalg.pinv."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    large = s > rcond * np.max(s, axis=-1, keepdims=True, initial=0)
    s = np.where(large, 1 / np.where(large, s, 1), 0).astype(s.dtype)
    turned = [np.conj(np.swapaxes(x, -1, -2)) for x in (vh, u)]
    return (np.matmul(turned[0], s[..., None] * turned[1]),)


OpDef("eigh", _infer_hermitian("eigh", True), lambda op, a: tuple(np.linalg.eigh(a, _triangle(op))), rule="special",
      effect=True, doc="Eigenvalues and eigenvectors of a Hermitian matrix.", combines=True, factors=True)
OpDef("eigvalsh", _infer_hermitian("eigvalsh", False), lambda op, a: (np.linalg.eigvalsh(a, _triangle(op)),), rule="special",
      doc="Eigenvalues of a Hermitian matrix.", combines=True, factors=True)
OpDef("eig", _infer_eig("eig", True), lambda op, a: tuple(x.astype(np.complex128) for x in np.linalg.eig(a)), rule="special",
      effect=True, doc="Eigenvalues and eigenvectors of a matrix.", combines=True)
OpDef("eigvals", _infer_eig("eigvals", False), lambda op, a: (np.linalg.eigvals(a).astype(np.complex128),), rule="special",
      doc="Eigenvalues of a matrix.", combines=True)
OpDef("svd", _infer_svd, lambda op, a, k: tuple(np.linalg.svd(a, full_matrices=op.attrs["full"])), rule="special", effect=True,
      doc="Singular values and vectors.", combines=True, factors=True)
OpDef("svdvals", _infer_svdvals, _evaluate_svdvals, rule="special", doc="Singular values.", combines=True, factors=True)
OpDef("qr", _infer_qr, lambda op, a, k: tuple(np.linalg.qr(a, "complete" if op.attrs["complete"] else "reduced")),
      rule="special", doc="An orthonormal and a triangular factor.", combines=True)
OpDef("pinv", _infer_pinv, _evaluate_pinv, rule="special", effect=True, doc="The pseudo-inverse.", combines=True)
OpDef("couple", _infer_couple, lambda op, a, u, v, k: (np.zeros(k.shape, a.dtype),), rule="special",
      doc="Zeros with a derivative: how a change of a mixes singular vectors or eigenvectors.")
