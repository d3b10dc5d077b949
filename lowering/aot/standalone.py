"""A kernel that needs nothing of this process: no pool of threads, no questions about signals, no BLAS, no arrays of its own.

    parallel For       ->  the same loop, serial
    Lib gemm, syrk     ->  loops (unless they become calls of CBLAS: cblas.py), in blocks of rows of B that stay in the cache:

        C = beta C;  for each block of k: for i: for k in it: C[i, :] += alpha op(A)[i, k] op(B)[k, :]
        where the rows of op(B) do not lie in one piece, but those of its transpose do:  C[i, j] += sum_k A[i, k] B^T[j, k]

    constants that are read where they lie  ->  copies, frozen
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...ir.types import INDEX, DType
from ..call.assemble import constants
from ..loopir.grammar import (
    At,
    Atom,
    Buffer,
    For,
    Get,
    If,
    Imm,
    Kernel,
    Let,
    Lib,
    Load,
    Scalar,
    Set,
    Size,
    Store,
    Var,
    While,
)

BLOCK = 64                # rows of B at a time


def standalone(kernel: Kernel, products: bool = True) -> Kernel:
    """The kernel for a world without this process. Its constants are no longer those of the kernel given: call this once.
    products: whether those of matrices become loops."""
    for buffer in constants(kernel):
        if not buffer.frozen:
            buffer.data, buffer.frozen = buffer.constant.copy(), True
    return replace(kernel, body=_body(kernel.body, products), work=0.0)        # so little work that signals are not asked for


def _body(body: list, products: bool) -> list:
    return [made for stmt in body for made in _statements(stmt, products)]


def _statements(stmt: Any, products: bool) -> list:
    if isinstance(stmt, For):
        return [replace(stmt, body=_body(stmt.body, products), spread=None)]
    if isinstance(stmt, While):
        return [replace(stmt, head=_body(stmt.head, products), body=_body(stmt.body, products))]
    if isinstance(stmt, If):
        return [replace(stmt, then=_body(stmt.then, products), other=_body(stmt.other, products))]
    if products and isinstance(stmt, Lib) and stmt.name in _LOOPS:
        return _LOOPS[stmt.name](*stmt.args)
    return [stmt]


# --- products as loops ------------------------------------------------------------------------------------------------


class _Lines:
    """The statements of one block while they are written."""

    def __init__(self) -> None:
        self.body: list = []

    def let(self, op: str, a: Any, b: Any, dtype: DType = INDEX, *, reassoc: bool = False) -> Scalar:
        target = Scalar(dtype)
        self.body.append(Let(target, op, (_atom(a, dtype), _atom(b, dtype)), {}, reassoc))
        return target

    def load(self, buffer: Buffer, at: Atom) -> Scalar:
        target = Scalar(buffer.dtype)
        self.body.append(Load(target, buffer, (at,)))
        return target

    def get(self, var: Var) -> Scalar:
        target = Scalar(var.dtype)
        self.body.append(Get(target, var))
        return target


def _atom(x: Any, dtype: DType) -> Atom:
    return x if isinstance(x, (Scalar, Imm)) else Imm(x, dtype)


class _Matrix:
    """op(X) as it lies: the address of its first element and its two strides."""

    def __init__(self, where: Buffer | At, trans: bool, ld: Size):
        self.buffer, self.start = (where.buffer, where.index[0]) if isinstance(where, At) else (where, 0)
        self.rows: Size = 1 if trans else ld
        self.columns: Size = ld if trans else 1

    def at(self, w: _Lines, i: Any, j: Any) -> Scalar:
        """The number of element (i, j)."""
        row = i if self.rows == 1 else w.let("mul", i, self.rows)
        column = j if self.columns == 1 else w.let("mul", j, self.columns)
        found = w.let("add", row, column)
        return found if type(self.start) is int and self.start == 0 else w.let("add", found, self.start)


def _gemm(c: Any, a: Any, b: Any, trans_a: bool, trans_b: bool, m: Size, n: Size, k: Size, lda: Size, ldb: Size, ldc: Size,
          alpha: Any = 1.0, beta: Any = 0.0) -> list:
    left, right, made = _Matrix(a, trans_a, lda), _Matrix(b, trans_b, ldb), _Matrix(c, False, ldc)
    begin = _scaled(made, m, n, beta)
    if trans_b and not trans_a:
        return [*begin, _by_rows(made, left, right, m, n, k, alpha)]
    if type(k) is not int:
        return [*begin, _added(made, left, right, m, n, 0, k, alpha)]
    first = Scalar(INDEX)
    whole, rest = divmod(k, BLOCK)
    lines = _Lines()
    start = lines.let("mul", first, BLOCK)
    lines.body.append(_added(made, left, right, m, n, start, BLOCK, alpha))
    blocks = [For(first, whole, lines.body)] if whole else []
    return [*begin, *blocks, *([_added(made, left, right, m, n, whole * BLOCK, rest, alpha)] if rest else [])]


def _scaled(c: _Matrix, m: Size, n: Size, beta: Any) -> list:
    """C = beta C; with beta 0 it is not read."""
    if beta == 1.0:
        return []
    dtype, i, j, w = c.buffer.dtype, Scalar(INDEX), Scalar(INDEX), _Lines()
    at = c.at(w, i, j)
    value = Imm(0, dtype) if beta == 0.0 else w.let("mul", w.load(c.buffer, at), beta, dtype)
    w.body.append(Store(c.buffer, (at,), value))
    return [For(i, m, [For(j, n, w.body)])]


def _added(c: _Matrix, a: _Matrix, b: _Matrix, m: Size, n: Size, first: Any, count: Size, alpha: Any) -> For:
    """C += alpha A[:, block] B[block, :]: rows of B are added to rows of C."""
    dtype, i, step, j = c.buffer.dtype, Scalar(INDEX), Scalar(INDEX), Scalar(INDEX)
    inner, middle = _Lines(), _Lines()
    k = middle.let("add", step, first)
    factor = middle.load(a.buffer, a.at(middle, i, k))
    if alpha != 1.0:
        factor = middle.let("mul", factor, alpha, dtype)
    at = c.at(inner, i, j)
    product = inner.let("mul", factor, inner.load(b.buffer, b.at(inner, k, j)), dtype)
    inner.body.append(Store(c.buffer, (at,), inner.let("add", inner.load(c.buffer, at), product, dtype)))
    middle.body.append(For(j, n, inner.body))
    return For(i, m, [For(step, count, middle.body)])


def _by_rows(c: _Matrix, a: _Matrix, b: _Matrix, m: Size, n: Size, k: Size, alpha: Any) -> For:
    """C[i, j] += alpha sum over k of A[i, k] B[k, j], where both lie along k."""
    dtype, i, j, step, total = c.buffer.dtype, Scalar(INDEX), Scalar(INDEX), Scalar(INDEX), Var(c.buffer.dtype, "total")
    inner, outer = _Lines(), _Lines()
    x, y = inner.load(a.buffer, a.at(inner, i, step)), inner.load(b.buffer, b.at(inner, step, j))
    product = inner.let("mul", x, y, dtype)
    inner.body.append(Set(total, inner.let("add", inner.get(total), product, dtype, reassoc=True)))
    outer.body += [Set(total, Imm(0, dtype)), For(step, k, inner.body)]
    found = outer.get(total)
    if alpha != 1.0:
        found = outer.let("mul", found, alpha, dtype)
    at = c.at(outer, i, j)
    outer.body.append(Store(c.buffer, (at,), outer.let("add", outer.load(c.buffer, at), found, dtype)))
    return For(i, m, [For(j, n, outer.body)])


def _syrk(c: Any, a: Any, trans: bool, m: Size, k: Size, lda: Size, ldc: Size) -> list:
    return _gemm(c, a, a, trans, not trans, m, m, k, lda, lda, ldc)


_LOOPS: dict[str, Callable[..., list]] = {"gemm": _gemm, "syrk": _syrk}
