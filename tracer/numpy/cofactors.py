"""Functions that stand for a determinant where it is differentiated: right to every order, also near singular matrices.

det A is a polynomial in the elements. Its slope is the matrix of cofactors: det(A) K^T where there is an inverse K, and

    w = log(det A / det A0),   w_dot = tr(K A_dot)    so    det A = det(A0) exp(w),   of the slope det(A) K^T             (1)

has all its derivatives right, for those of K are: K_dot = -K A_dot K (R. A. Horn, C. R. Johnson, Matrix Analysis, 2nd ed.,
0.8.2 and 0.8.10). At a condition κ the first and the second have relative errors of κ ε, so beyond `WELL` there is another
form. (The second is det(A) (tr(K A_dot) K - K A_dot K)^T, of which the part κ² cancels; but each column of K solves a system
close to that of A, so what is left of it is of size κ, too.)

**Nearly singular.** With the factors U, S, V^H of A0 as constants, B = U^H A V is diagonal at A0, and exactly: its value is S,
and only its slope is that of U^H A V. Let the small singular values, and always the last, be the second block. By Schur's
complement (ibid. 0.8.5)

    det A = det(U V^H) det(B11) det(C),    C = B22 - B21 B11^-1 B12                                                       (2)

B11 is diagonal, so (1) loses nothing there. C, usually 1 x 1, is small or 0, and has no inverse: for it a computation without
divisions is taken (R. S. Bird, "A simple division-free algorithm for computing determinants", Information Processing Letters
111, 2011). Its sums may exceed the determinant by much, which is why it would not do on all of B.

    X ← C;   k - 1 times: X ← μ(X) C,   μ(X) = Σ_(j>i) X_jj on the diagonal, with -X above it;   det C = X_00

As how many rows C has depends on the numbers, it stands in a matrix of all rows, zeros elsewhere; X_00 then is in its corner.

**Units.** The errors of S are parts of the largest singular value. Where rows or columns are of very different units, powers of
two with the product 1 even them first, which leaves the determinant as it is.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.build import const
from ...ir.core import Block, Value
from ...ir.types import C128, F64, I64, INDEX, INDEX_SCALAR, Dim
from .. import tracing
from ..values import boxes, shapes, views
from ..values.boxes import FUNCTIONS, ArrayBox, Box
from .arrays.creation import eye, iota
from .linalg import factored, matmul_values

if TYPE_CHECKING:
    from ..values.views import Diagonal

WELL = 2000.0          # times √n: conditions (largest element of A times largest sum of a row of |K|) that (1) is good for
TINY = 1e-9            # singular values of this part of the largest, and below, count as small
UNEVEN = 1e-3          # and this part, small enough to ask for the reason
LEAST = 1e-100         # and pivots of this part: an inverse would soon be infinite, which 0 times it is not
SWEEPS = 2             # over rows and columns, for their units
SAFE = 1e280           # products of pivots below this, and above its reciprocal, are no over- or underflow


class Factored:
    """Matrices in double precision with their factors, and which of them have a pivot that is 0 or less than this part of the
    largest: those have no inverse here."""

    def __init__(self, x: Value, least: Any):
        builder = tracing.current().builder
        self.x = builder.cast(x, C128 if x.type.dtype.complex else F64)
        self.lu, self.perm = factored(builder("stop_gradient", self.x))
        self.pivots, self.sign = pivots_of(self.lu, self.perm)
        size = np.abs(self.pivots)
        self.singular = _any(size <= np.maximum(_reduced(size, "max"), 0.0)[..., None] * least)
        self.inverse = _inverse(self.x, self.lu, self.perm, self.singular)


# --- parts --------------------------------------------------------------------------------------------------------------

def _any(x: Any, axes: tuple[int, ...] = (-1,)) -> ArrayBox:
    return _reduced(x, "any", axes)


def _reduced(x: Any, kind: str, axes: tuple[int, ...] = (-1,)) -> ArrayBox:
    value = boxes.to_value(x)
    return boxes.array(tracing.current().builder.reduce(value, kind, [k % value.type.rank for k in axes]))


def _constant(x: Any) -> ArrayBox:
    return boxes.array(tracing.current().builder("stop_gradient", boxes.to_value(x)))


def _where(condition: Box, a: Box, b: Any) -> ArrayBox:
    return FUNCTIONS[np.where](condition, a, b)


def _count(x: ArrayBox) -> Any:
    return boxes.count(x.dims[-1])


def _unit(x: ArrayBox) -> ArrayBox:
    return eye(_count(x), dtype=x.dtype_ir)


def _unit_of_each(x: ArrayBox) -> Value:
    return shapes.expand(_unit(x).read(), x.dims)


def _turned(x: Any) -> ArrayBox:
    return FUNCTIONS[np.swapaxes](x, -1, -2)


def _product(*factors: ArrayBox) -> ArrayBox:
    value = boxes.to_value(factors[0])
    for other in factors[1:]:
        value = matmul_values(value, boxes.to_value(other))
    return boxes.array(value)


def _each(x: Any) -> ArrayBox:
    """A number for each matrix, to go with its elements."""
    value = boxes.to_value(x)
    return boxes.array(tracing.current().builder.reshape(value, (*value.type.dims, 1, 1)))


def pivots_of(lu: Value, perm: Value) -> tuple[ArrayBox, ArrayBox]:
    """(the diagonal of the factor, the sign of the row permutation as 1 or -1)."""
    builder, rank, n = tracing.current().builder, lu.type.rank, lu.type.dims[-1]
    pivots = boxes.array(lu).view(diagonal(rank, n)).read()
    wide = (*perm.type.dims[:-1], n, n)
    first = shapes.expand(builder.reshape(perm, (*perm.type.dims, 1)), wide)
    second = shapes.expand(builder.reshape(perm, (*perm.type.dims[:-1], 1, n)), wide)
    i = iota(n, INDEX)
    earlier = builder("lt", shapes.expand(builder.reshape(i, (n, 1)), (n, n)), shapes.expand(i, (n, n)))
    both = builder("and", builder("gt", first, second), shapes.expand(earlier, wide))
    odd = builder("mod", builder.reduce(builder.cast(both, I64), "sum", (rank - 2, rank - 1)), const(2, I64))
    sign = builder("sub", const(1, I64), builder("mul", odd, const(2, I64)))
    return boxes.array(pivots), boxes.array(builder.cast(sign, lu.type.dtype))


def diagonal(rank: int, n: Dim) -> Diagonal:
    return views.Diagonal(rank - 2, rank - 1, 0, n)


def _inverse(x: Value, lu: Value, perm: Value, without: Any) -> ArrayBox:
    """x^-1 by its factors, or as if it were the unit matrix."""
    builder, x = tracing.current().builder, boxes.array(x)
    unit = _unit(x)
    order = builder("select", shapes.expand(without[..., None].read(), perm.type.dims), _positions(perm), perm)
    left, factor = (_where(_each(without), unit, boxes.array(v)).read() for v in (x.read(), lu))
    return boxes.array(builder("lu_solve", left, factor, order, _unit_of_each(x), trans=False, spare=True))


def _positions(like: Value) -> Value:
    """0, 1 … n - 1 for each matrix, as a permutation."""
    return shapes.expand(iota(like.type.dims[-1], INDEX), like.type.dims)


def _places(x: Box) -> ArrayBox:
    return boxes.array(iota(x.dims[-1]))


def potential(x: ArrayBox, slope: Box) -> ArrayBox:
    """0 for each matrix, with this matrix as its slope."""
    builder, x, slope = tracing.current().builder, boxes.to_value(x), boxes.to_value(slope)
    return _reduced(boxes.array(builder("sloped", builder.zeros_like(x), x, slope)), "sum", (-2, -1))


# --- by an inverse ------------------------------------------------------------------------------------------------------

def _halves(f: Factored) -> tuple[Box, Box]:
    """The determinant as two factors, which are in range oftener than it."""
    i, n = _places(f.pivots), _count(f.pivots)
    early = i * 2 < n
    one = boxes.array(const(1, f.x.type.dtype))
    return f.sign * _reduced(_where(early, f.pivots, one), "prod"), _reduced(_where(early, one, f.pivots), "prod")


def _by_inverse(x: ArrayBox, k: Any, first: Any, second: Any) -> ArrayBox:
    """det A with the slope (1), of two factors of it: their product may be out of range where the slope is not."""
    w = potential(x, _turned(k))
    return potential(x, _turned(k) * _each(second) * _each(first * np.exp(w)))


def _ill(f: Factored, halves: tuple[Box, Box]) -> Box:
    """Which matrices, if all their elements are finite, the inverse does not serve: too close to singular ones, or of a
    determinant out of range."""
    largest = _reduced(_constant(np.abs(boxes.array(f.x))), "max", (-2, -1))
    condition = largest * _reduced(_reduced(_constant(np.abs(f.inverse)), "sum"), "max")
    limit = WELL * np.sqrt(boxes.array(tracing.current().builder.cast(boxes.to_value(_count(f.pivots)), F64)))
    well = (condition < limit) & ~f.singular
    for half in halves:
        well = well & (np.abs(half) < SAFE) & (np.abs(half) > 1 / SAFE)
    return ~well & (largest < np.inf)


# --- by singular values -------------------------------------------------------------------------------------------------

def _units(size: Any) -> Any:
    """Logarithms of a size for each row and each column, with which elements become about 1: by the means of the logarithms
    (A. R. Curtis, J. K. Reid, "On the automatic scaling of matrices for Gaussian elimination", IMA Journal of Applied
    Mathematics 10, 1972), and at last by the largest, as what is negligible has a logarithm too."""
    some = size > 0
    number = boxes.array(tracing.current().builder.cast(some.read(), F64))

    def mean(v: ArrayBox, axes: tuple[int, ...]) -> Any:
        return _reduced(_where(some, v, 0.0), "sum", axes) / np.maximum(_reduced(number, "sum", axes), 1.0)

    def largest(v: ArrayBox, axes: tuple[int, ...]) -> ArrayBox:
        return _where(_any(some, axes), _reduced(_where(some, v, -1e9), "max", axes), 0.0)

    def pared(which: Callable, rest: ArrayBox, rows: ArrayBox, columns: ArrayBox) -> tuple[ArrayBox, ArrayBox, ArrayBox]:
        by_row = which(rest, (-1,))
        rest = rest - by_row[..., None]
        by_column = which(rest, (-2,))
        return rest - by_column[..., None, :], rows + by_row, columns + by_column

    zeros = _reduced(size, "max") * 0.0
    found = _repeated(SWEEPS, lambda step, *parts: pared(mean, *parts), np.log2(_where(some, size, 1.0)), zeros, zeros)
    _, rows, columns = pared(largest, *found)
    return np.floor(rows), np.floor(columns)


def _repeated(trips: Dim, step: Callable, *start: Any) -> list[ArrayBox]:
    """What a step makes of some arrays, so many times: step(k, *arrays) -> arrays of the same types."""
    builder, values = tracing.current().builder, [boxes.to_value(v) for v in start]
    body = Block([INDEX_SCALAR, *(v.type for v in values)])
    with builder.at(body):
        found = step(*map(boxes.array, body.params))
        body.yields = tuple(shapes.retype(boxes.to_value(v), old.type.dims) for v, old in zip(found, values))
    return [boxes.array(v) for v in builder.emit("for", builder.index(trips), *values, regions=[body])]


def _evened(x: ArrayBox) -> ArrayBox:
    """Rows and columns times powers of two whose product is 1, which make them about equally large, where it is by their units
    that two singular values or more are small. (A single one may be 0, and its row had better be left alone.)"""
    fixed = _constant(x)
    rows, columns = _units(np.abs(fixed))
    total = _reduced(rows, "sum") + _reduced(columns, "sum")
    i, n = _places(x), _count(x)
    share = np.floor(total / n)
    rows = rows - share[..., None] - (i < (total - n * share)[..., None])
    before, after = _spread(fixed), _spread(_scaled(fixed, rows, columns))
    uneven = (before < UNEVEN) & (before < after * UNEVEN)
    return _scaled(x, *(_where(uneven[..., None], units, 0.0) for units in (rows, columns)))


def _scaled(x: ArrayBox, rows: Any, columns: ArrayBox) -> ArrayBox:
    """x over powers of two, in two steps: each factor is in range."""
    for part in (np.floor, np.ceil):
        x = x * np.exp2(part(rows * -0.5))[..., None] * np.exp2(part(columns * -0.5))[..., None, :]
    return x


def _spread(x: ArrayBox) -> Box:
    """The smallest singular value but one, as a part of the largest."""
    builder, value = tracing.current().builder, x.read()
    s = boxes.array(builder("svdvals", value, builder.dim(value, -1)))
    most = _reduced(s, "max")
    return _reduced(_where(_places(s) < _count(s) - 1, s, most[..., None]), "min") / most


def _diagonalised(x: Any) -> tuple[ArrayBox, ArrayBox, Box]:
    """(U^H x V, diagonal at this x; the singular values; det(U V^H))."""
    builder, fixed = tracing.current().builder, boxes.to_value(_constant(x))
    u, s, vh = map(boxes.array, builder.emit("svd", fixed, builder.dim(fixed, -1), full=False, spare=True))
    b = _product(_turned(np.conjugate(u)), x, _turned(np.conjugate(vh)))
    own = _unit(x) * s[..., None]
    turn, sign = pivots_of(*factored(boxes.to_value(_product(u, vh))))
    turn = sign * _reduced(turn, "prod")
    return boxes.array(builder("surrogate", own.read(), b.read())), s, turn / np.abs(turn)


def _by_singular_values(x: ArrayBox) -> Box:
    """det x in the form (2)."""
    builder, x = tracing.current().builder, _evened(x)
    b, s, turn = _diagonalised(x)
    large = (s > TINY * _reduced(s, "max")[..., None]) & (_places(x) < _count(x) - 1)
    upper, left = large[..., None], large[..., None, :]

    def block(rows: Any, columns: Any) -> ArrayBox:
        return _where(rows & columns, b, boxes.array(const(0, b.dtype_ir)))

    first = _where(upper & left, b, _unit(b))
    k = boxes.array(builder("lu_solve", first.read(), _constant(first).read(), _positions(s.read()), _unit_of_each(b),
                            trans=False, spare=True))           # a diagonal matrix is its own factor
    product = boxes.array(builder.cast(_reduced(_where(large, s, 1.0), "prod").read(), b.dtype_ir))
    of_first = boxes.array(builder("surrogate", product.read(), _by_inverse(first, k, 1.0, product).read()))
    rest = block(~upper, ~left) - _product(block(~upper, left), k, block(upper, ~left))
    small = _reduced(boxes.array(builder.cast((~large).read(), I64)), "sum")
    return turn * of_first * _without_division(rest, small)


def _without_division(c: Box, rows: Any) -> ArrayBox:
    """Bird's algorithm, on the last `rows` rows and columns of each matrix."""
    builder, n, i, c = tracing.current().builder, c.dims[-1], _places(c), boxes.to_value(c)
    above = i[:, None] < i
    weights = builder.cast(above.read(), c.type.dtype)
    most = builder.reduce(boxes.to_value(rows), "max", range(len(rows.dims)))

    def step(k: Any, held: Any) -> tuple[ArrayBox, ...]:
        later = matmul_values(held.view(diagonal(c.type.rank, n)).read(), builder.transpose(weights, (1, 0)))
        mu = _unit(held) * boxes.array(later)[..., None] - held * boxes.array(weights)
        more = boxes.array(builder.cast(k.read(), I64)) < rows - 1
        return (_where(_each(more), _product(mu, boxes.array(c)), held),)

    (last,) = _repeated(builder.iop("max", builder.iop("sub", builder.cast(most, INDEX), 1), 0), step, boxes.array(c))
    on = last.view(diagonal(c.type.rank, n))
    corner = i == (_count(on) - rows)[..., None]
    return _reduced(_where(corner, on, boxes.array(const(0, c.type.dtype))), "sum")


# --- together -----------------------------------------------------------------------------------------------------------

def determinant(x: Value) -> Value:
    """What has the derivatives of det x; its value is not that."""
    f = Factored(x, LEAST)
    halves = _halves(f)
    ill = _ill(f, halves)
    builder, whole = tracing.current().builder, boxes.array(f.x)
    regions = [Block(), Block()]
    some = builder.reduce(ill.read(), "any", range(len(ill.dims)))
    with builder.at(regions[0]):
        regions[0].yields = (_of_some(f, whole, halves, ill, some).read(),)
    with builder.at(regions[1]):
        regions[1].yields = (_by_inverse(whole, f.inverse, *halves).read(),)
    (found,) = builder.emit("if", some, regions=regions)
    return builder.cast(found, x.type.dtype)


def _unsized(x: ArrayBox, some: Value) -> Any:
    """The same matrices with a number of rows that only run time knows. What is for the rare case then has loops that are not
    written out for each row: machine code that does not grow with the number of rows."""
    builder, n = tracing.current().builder, x.dims[-1]
    if not isinstance(n, int):
        return x
    count = boxes.count(builder.iop("mul", builder.cast(some, INDEX), n))
    return x[..., :count, :count]


def _of_some(f: Factored, x: ArrayBox, halves: tuple[Box, Box], ill: Box, some: Value) -> Any:
    """Of a stack, each matrix in its form; the other form is taken of a unit matrix."""
    if len(x.dims) == 2:
        return _by_singular_values(_unsized(x, some))
    one = boxes.array(const(1, x.dtype_ir))
    others = [_where(ill, one, half) for half in halves]
    safe = _by_inverse(_where(_each(ill), _unit(x), x), _inverse(f.x, f.lu, f.perm, ill), *others)
    return _where(ill, _by_singular_values(_unsized(_where(_each(ill), x, _unit(x)), some)), safe)


def log_determinant(x: Any, singular: Any) -> Any:
    """0 for each matrix, with the slope of log det: x^-T, and NaN where det x = 0, also of what is not an inverse by then."""
    f = Factored(x, 0.0)
    whole = boxes.array(f.x)
    none = f.singular | singular
    total = _reduced(whole, "sum", (-2, -1))
    builder = tracing.current().builder
    still = total - _constant(total) + 1
    undefined = boxes.array(builder("mulz", still.read(), builder.full(np.nan, still.dims, still.dtype_ir)))
    slope = _where(_each(none), _each(undefined), _turned(f.inverse))
    return boxes.array(builder.cast(potential(whole, slope).read(), x.type.dtype))
