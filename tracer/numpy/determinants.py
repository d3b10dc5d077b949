"""Determinants, by the pivots of an LU factorisation; their derivatives also where the matrix is singular.

det(A) is a polynomial in the elements, and so is smooth where A has no inverse: its slope is the matrix of cofactors, which
det(A) A^-T loses there. Up to 3 x 3 the polynomial itself is differentiated. Beyond, where the pivots say that A is nearly
singular, a computation without divisions is (R. S. Bird, "A simple division-free algorithm for computing determinants",
Information Processing Letters 111, 2011): n - 1 products of matrices, so n^4 operations,

    X ← A;   n - 1 times: X ← μ(X) A,   μ(X) = the part of X above its diagonal, with -Σ_(j>i) X_jj on it;   det A = ± X_00
"""
from __future__ import annotations

import numpy as np

from ...ir.build import const
from ...ir.core import Block
from ...ir.types import I64, INDEX, INDEX_SCALAR
from .. import tracing
from ..values import boxes, shapes, ufuncs
from ..values.boxes import as_array, implements
from .creation import iota
from .linalg import factored, inexact, matmul_values, square

NEARLY = 1e-5          # pivots of this ratio and below: a matrix counts as nearly singular


def _pivots(value):
    """(the diagonal of the factor, the sign of the row permutation as 1 or -1)."""
    builder = tracing.current().builder
    lu, perm = factored(value)
    rank, n = value.type.rank, value.type.dims[-1]
    pivots = boxes.array(lu).view(_main_diagonal(rank, n)).read()
    lead = perm.type.dims[:-1]
    first = builder.reshape(perm, (*lead, n, 1))
    second = builder.reshape(perm, (*lead, 1, n))
    wide = (*lead, n, n)
    swapped = builder("gt", shapes.expand(first, wide), shapes.expand(second, wide))
    i = iota(n, INDEX)
    earlier = builder("lt", shapes.expand(builder.reshape(i, (n, 1)), (n, n)), shapes.expand(i, (n, n)))
    both = builder("and", swapped, shapes.expand(earlier, wide))
    odd = builder("mod", builder.reduce(builder.cast(both, I64), "sum", (rank - 2, rank - 1)), const(2, I64))
    sign = builder("sub", const(1, I64), builder("mul", odd, const(2, I64)))
    return pivots, builder.cast(sign, value.type.dtype)


def _main_diagonal(rank, n):
    return boxes.views.Diagonal(rank - 2, rank - 1, 0, n)


@implements(np.linalg.det)
def det(a):
    builder, a = tracing.current().builder, as_array(a)
    square(a)
    (x,) = inexact(a)
    pivots, sign = _pivots(builder("stop_gradient", x))        # whose own derivative, with an inverse, nobody takes
    found = builder("mul", sign, builder.reduce(pivots, "prod", (pivots.type.rank - 1,)))
    return boxes.result(builder("surrogate", found, _polynomial(x, pivots)))


def _polynomial(x, pivots):
    """The determinant in a form that is differentiated rightly wherever it stands."""
    n = x.type.dims[-1]
    if type(n) is int and n <= 3:
        return _expanded(boxes.array(x), n)

    def by_pivots():
        again, sign = _pivots(x)
        return tracing.current().builder("mul", sign, tracing.current().builder.reduce(again, "prod", (again.type.rank - 1,)))

    return _where_regular(pivots, NEARLY, by_pivots, lambda: _without_division(x))


def _log_size(x, pivots):
    """log |det|: of a singular matrix by the determinant, so that no inverse is asked for where the result is not used."""
    builder = tracing.current().builder

    def by_pivots():
        again, _ = _pivots(x)
        return builder.reduce(builder("log", builder("abs", again)), "sum", (again.type.rank - 1,))

    def by_polynomial():
        n = x.type.dims[-1]
        found = _expanded(boxes.array(x), n) if type(n) is int and n <= 3 else _without_division(x)
        return builder("log", builder("abs", found))

    return _where_regular(pivots, 0.0, by_pivots, by_polynomial)


def _where_regular(pivots, least, then, other):
    """One of two computations, by whether the pivots of all matrices are above a part of the largest of theirs."""
    builder = tracing.current().builder
    size = builder("abs", pivots)
    last = (size.type.rank - 1,)
    low = builder.reduce(size, "min", last)
    limit = builder("mul", builder.reduce(size, "max", last), const(least, size.type.dtype))
    regular = builder("gt", low, limit)
    regular = builder.reduce(regular, "all", range(regular.type.rank))
    regions = [Block(), Block()]
    for region, compute in zip(regions, (then, other)):
        with builder.at(region):
            region.yields = (compute(),)
    return builder.emit("if", regular, regions=regions)[0]


def _expanded(x, n: int):
    """Leibniz's formula of n <= 3 rows."""
    def at(i, j):
        return x[..., i, j]

    if n == 0:
        return tracing.current().builder.full(1, x.dims[:-2], x.dtype_ir)
    if n == 1:
        found = at(0, 0)
    elif n == 2:
        found = at(0, 0) * at(1, 1) - at(0, 1) * at(1, 0)
    else:
        found = (at(0, 0) * (at(1, 1) * at(2, 2) - at(1, 2) * at(2, 1)) - at(0, 1) * (at(1, 0) * at(2, 2) - at(1, 2) * at(2, 0))
                 + at(0, 2) * (at(1, 0) * at(2, 1) - at(1, 1) * at(2, 0)))
    return boxes.to_value(found)


def _without_division(x):
    """Bird's algorithm, for each matrix of a stack. The first step takes X = A."""
    builder, n, rank = tracing.current().builder, x.type.dims[-1], x.type.rank
    i = iota(n, INDEX)
    rows, columns = (shapes.expand(builder.reshape(i, dims), (n, n)) for dims in ((n, 1), (1, n)))
    later = builder("lt", rows, columns)                                           # j > i
    weights = builder.cast(builder("gt", rows, columns), x.type.dtype)
    same, zero = builder("eq", rows, columns), const(0, x.type.dtype)
    body = Block([INDEX_SCALAR, x.type], ("k", "x"))
    with builder.at(body):
        held = body.params[1]
        diagonal = boxes.array(held).view(_main_diagonal(rank, n)).read()
        sums = builder("neg", matmul_values(diagonal, weights))
        above = builder("select", shapes.expand(later, held.type.dims), held, zero)
        on = shapes.expand(builder.reshape(sums, (*sums.type.dims, 1)), held.type.dims)
        shifted = builder("select", shapes.expand(same, held.type.dims), on, above)
        body.yields = (shapes.retype(matmul_values(shifted, x), x.type.dims),)
    trips = builder.index(shapes.arith("sub", n, 1))
    (last,) = builder.emit("for", trips, x, regions=[body])
    corner = boxes.to_value(boxes.array(last)[..., 0, 0])
    even = builder("eq", builder("mod", builder.index(n), builder.index(2)), builder.index(0))
    return builder("select", even, builder("neg", corner), corner)


@implements(np.linalg.slogdet)
def slogdet(a):
    builder, a = tracing.current().builder, as_array(a)
    square(a)
    (x,) = inexact(a)
    pivots, sign = _pivots(builder("stop_gradient", x) if not x.type.dtype.complex else x)
    last = (pivots.type.rank - 1,)
    logs = builder.reduce(builder("log", builder("abs", pivots)), "sum", last)
    if not x.type.dtype.complex:                               # the phase of a complex determinant has a slope of its own
        logs = builder("surrogate", logs, _log_size(x, pivots))
    signs = ufuncs.evaluate(np.sign, [pivots], (x.type.dtype,))
    sign = builder("mul", sign, builder.reduce(signs, "prod", last))
    kind = np.linalg.slogdet(np.eye(1))
    return type(kind)(boxes.result(sign), boxes.result(logs))
