"""Tangents of eigenvalues, singular values, QR and the pseudo-inverse, rows of special.SPECIAL.

With A V = V diag(w) and so on, differentiate the factorisation and its normalisation and solve for the tangents:
M. Giles, "An extended collection of matrix derivative results for forward and reverse mode algorithmic differentiation" (2008);
J. Townsend, "Differentiating the singular value decomposition" (2016); S. Walter, L. Lehmann, "Algorithmic differentiation of
linear algebra functions" (2010) for QR; G. Golub, V. Pereyra, "The differentiation of pseudo-inverses …" (1973).

Vectors are determined up to a phase, which is taken not to change. Those of equal values are determined up to a rotation:
single ones have no derivative, NaN, and what a group gives together is multiplicity/equal_values.py's, with the same rows.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.build import Builder
from ...ir.core import Const, Op, Value
from .jvp_rules import SPECIAL, adjoint, join, matmul, positions, solve_right, take_along, triangle

if TYPE_CHECKING:
    from ...ir.types import Dim


def _eye(b: Builder, like: Value) -> Value:
    """Where the row is the column."""
    return b("eq", positions(b, like, -2), positions(b, like, -1))


def _diagonal(b: Builder, m: Value) -> Value:
    zero = b.const(0, m.type.dtype)
    return b.reduce(b("select", _eye(b, m), m, zero), "sum", (len(m.type.dims) - 1,))


def _real(b: Builder, x: Value) -> Value:
    return b("real", x) if x.type.dtype.complex else x


def rows(b: Builder, v: Value, like: Value) -> Value:
    """v[..., j] in every row of like's dims."""
    dims = v.type.dims
    return b.broadcast(b.reshape(v, (*dims[:-1], 1, dims[-1])), like.type.dims)


def columns(b: Builder, v: Value, like: Value) -> Value:
    """v[..., i] in every column of like's dims."""
    return b.broadcast(b.reshape(v, (*v.type.dims, 1)), like.type.dims)


def _over(b: Builder, x: Value, y: Value) -> Value:
    """x / y, and 0 where y is 0; a real y divides a complex x."""
    none = b("eq", y, b.const(0, y.type.dtype))
    safe = b.cast(b("select", none, b.const(1, y.type.dtype), y), x.type.dtype)
    return b("select", none, b.const(0, x.type.dtype), b("div", x, safe))


def _times(b: Builder, x: Value, y: Value) -> Value:
    return b("mul", x, b.cast(y, x.type.dtype))


# --- equal and nearly equal values ---------------------------------------------------------------------------------------

def _constant(b: Builder, number: float, like: Value) -> Const:
    return b.const(number, like.type.dtype)


def _spread_of(b: Builder, w: Value, m: Value) -> tuple[Value, Value, Value, Value]:
    """(w in rows, w in columns, |w[j] - w[i]|, where that is within rounding of nothing) for matrices like m."""
    across, down = (f(b, w, m) for f in (rows, columns))
    gap = b("abs", b("sub", across, down))
    return across, down, gap, b("le", gap, rounding(b, w, w, m))


def rounding(b: Builder, f: Value, w: Value, m: Value) -> Value:
    """How far off numbers f, of each of w, may be, of the size of the largest: for matrices like m, or vectors."""
    n, axis = w.type.dims[-1], len(w.type.dims) - 1
    largest = b.reduce(b("abs", f), "max", (axis,)) if n != 0 else b.full(0, w.type.dims[:-1], f.type.dtype)
    largest = b.broadcast(b.reshape(largest, (*w.type.dims[:-1], *[1] * (len(m.type.dims) - axis))), m.type.dims)
    eps = float(np.finfo(w.type.dtype.np).eps)
    return b("mul", largest, b("mul", b.cast(b.index(n), w.type.dtype), _constant(b, 8 * eps, w)))


def vanishing(b: Builder, s: Value, m: Value) -> Value:
    """Pairs of singular values that are both within rounding of 0."""
    return b("le", b("add", rows(b, s, m), columns(b, s, m)), rounding(b, s, s, m))


def grouped(b: Builder, w: Value, m: Value, near: float) -> tuple[Value, Value, Value]:
    """(apart, equal, close) for matrices like m: masks of pairs of different values. `equal` within rounding, `close` those
    and the ones whose difference is below `near` times the larger of them; `apart` all others."""
    across, down, gap, equal = _spread_of(b, w, m)
    relative = b("mul", b("max", b("abs", across), b("abs", down)), _constant(b, near, w))
    off = b("not", _eye(b, m))
    close = b("and", off, b("or", equal, b("le", gap, relative)))
    return b("and", off, b("not", close)), b("and", off, equal), close


def inverse_gaps(b: Builder, w: Value, m: Value, where: Value, otherwise: float = 0.0) -> Value:
    """1 / (w[j] - w[i]) at the pairs `where`, else `otherwise`."""
    gap = b("sub", rows(b, w, m), columns(b, w, m))
    one = _constant(b, 1, w)
    return b("select", where, b("div", one, b("select", where, gap, one)), _constant(b, otherwise, w))


def _kept(b: Builder, where: Value, m: Value, factor: Value) -> Value:
    """m times a factor at the pairs `where`, 0 elsewhere: nothing times an undefined factor stays nothing on the way back."""
    return b("select", where, _times(b, m, factor), _constant(b, 0, m))


def _turns(b: Builder, w: Value, m: Value, op: Op, a: Value, u: Value, v: Value) -> Value:
    """Omega: vectors turn by Omega[i, j] = m[i, j] / (w[j] - w[i]), except among close values. B is zero and has the
    derivative m there: m = Omega (diag w + B) - (diag w + B) Omega, to the third power of B: three times differentiable."""
    apart, _, close = grouped(b, w, m, op.attrs.get("near", 0.0))
    mixed = b("couple", a, u, v, b.cast(close, w.type.dtype), lower=op.attrs.get("lower"))
    factor = inverse_gaps(b, w, m, apart)
    total = part = _kept(b, apart, m, factor)
    for _ in range(2):
        change = b("sub", matmul(b, mixed, part), matmul(b, part, mixed))
        part = _kept(b, apart, change, factor)
        total = b("add", total, part)
    return total


def _marked(b: Builder, op: Op, x: Callable, out: Callable) -> Sequence[Value]:
    """The factors, of which vectors of equal values do not turn: those of values that stand alone are the same."""
    if "near" in op.attrs:
        return [out(k) for k in range(len(op.results))]
    return b.emit(op.defn, *[x(k) for k in range(len(op.operands))], **op.attrs, near=0.0)


def _shared(b: Builder, w: Value, m: Value) -> Value:
    """Which values have an equal one."""
    equal = b("and", b("not", _eye(b, m)), _spread_of(b, w, m)[3])
    return b.reduce(equal, "any", (len(m.type.dims) - 1,))


def _undefined(b: Builder, where: Value, dot: Value) -> Value:
    """NaN for a tangent where there is none; an adjoint that is 0 there stays so."""
    zero = _constant(b, 0, dot)
    return b("add", b("select", where, zero, dot),
             b("select", where, b("mul", dot, b.full(np.nan, dot.type.dims, dot.type.dtype)), zero))


def _single(b: Builder, w: Value, m: Value, dot: Value, attrs: dict[str, Any]) -> Value:
    """The tangents of values: those of equal ones have none, except in what is symmetric in them (equal_values.py)."""
    return dot if "near" in attrs else _undefined(b, _shared(b, w, m), dot)


def _alone(b: Builder, w: Value, m: Value, turn: Value, attrs: dict[str, Any]) -> Value:
    """The turn of vectors, likewise."""
    if "near" in attrs:
        return turn
    return b("add", turn, _kept(b, rows(b, _shared(b, w, m), m), m, b.full(np.nan, m.type.dims, w.type.dtype)))


def _couple(b: Builder, op: Op, x: Callable, out: Callable, dots: list[Value | None]) -> list[Value]:
    """k times the Hermitian part of U^H A_dot V, without its diagonal; "whole": k U^H A_dot V; "outside": k times what U
    leaves of A_dot V. Linear in k too."""
    a_dot, k_dot = dots[0], dots[3]
    found = None
    if k_dot is not None:
        ones = b.full(1, k_dot.type.dims, k_dot.type.dtype)
        found = _times(b, b("couple", x(0), x(1), x(2), ones, **op.attrs), k_dot)
    if a_dot is None:
        assert found is not None, op
        return [found]
    lower = op.attrs["lower"]
    a_dot = a_dot if lower is None else _hermitian(b, a_dot, lower)
    ahead = matmul(b, a_dot, x(2))
    m, part = matmul(b, adjoint(b, x(1)), ahead), op.attrs.get("part")
    if part == "outside":
        moved = _times(b, b("sub", ahead, matmul(b, x(1), m)), x(3))
    else:
        moved = _times(b, m, x(3)) if part == "whole" else _kept(b, b("not", _eye(b, m)), _symmetric(b, m), x(3))
    return [moved if found is None else b("add", moved, found)]


def _symmetric(b: Builder, m: Value) -> Value:
    half = _constant(b, 0.5, m)
    return b("mul", b("add", m, adjoint(b, m)), half)


# --- eigenvalues -------------------------------------------------------------------------------------------------------

def _hermitian(b: Builder, dot: Value, lower: bool) -> Value:
    """The tangent as the routine sees it: the triangle that is read, completed; a diagonal counts as real."""
    strict = triangle(b, dot, lower, -1 if lower else 1)
    diagonal = triangle(b, triangle(b, dot, True), False)
    if dot.type.dtype.complex:
        diagonal = b.cast(b("real", diagonal), dot.type.dtype)
    return b("add", b("add", strict, diagonal), adjoint(b, strict))


def _in_basis(b: Builder, v: Value, a_dot: Value) -> Value:
    """V^H A_dot V."""
    return matmul(b, adjoint(b, v), matmul(b, a_dot, v))


def _eigh(b: Builder, op: Op, x: Callable, out: Callable, dots: list[Value]) -> list[Value]:
    """M = V^H A_dot V: w_dot = diag M, V_dot = V (F * M), F[i, j] = 1 / (w[j] - w[i])."""
    w, v = _marked(b, op, x, out)
    m = _in_basis(b, v, _hermitian(b, dots[0], op.attrs["lower"]))
    turned = matmul(b, v, _turns(b, w, m, op, x(0), v, v))
    return [_single(b, w, m, _real(b, _diagonal(b, m)), op.attrs), _alone(b, w, m, turned, op.attrs)]


def _eigvalsh(b: Builder, op: Op, x: Any, out: Callable, dots: list[Value]) -> Any:
    w, v = b.emit("eigh", x(0), **{"near": 0.0, **op.attrs})
    m = _in_basis(b, v, _hermitian(b, dots[0], op.attrs["lower"]))
    return [_single(b, w, m, _real(b, _diagonal(b, m)), op.attrs)]


def _similar(b: Builder, v: Value, a_dot: Value) -> Value:
    """V^-1 A_dot V, complex where A is real."""
    lu, perm = b.emit("lu", v)
    a_dot = b.cast(a_dot, v.type.dtype)
    return b("lu_solve", v, lu, perm, matmul(b, a_dot, v), trans=False)


def _defective(b: Builder, v: Value) -> Value:
    """Pairs of columns that are one vector up to a factor: their eigenvalues have met, and move as a root does, which has no
    derivative there."""
    n = b.cast(b.index(v.type.dims[-1]), v.type.dtype.real)
    across = b("abs", matmul(b, adjoint(b, v), v))
    least = b("sub", _constant(b, 1, across), b("mul", n, _constant(b, 4 * float(np.finfo(n.type.dtype.np).eps), n)))
    return b("and", b("not", _eye(b, v)), b("ge", across, b.broadcast(least, across.type.dims)))


def _moves(b: Builder, w: Value, m: Value, met: Value) -> Value:
    """diag(M), NaN for eigenvalues that have met.

    Equal ones that have not met mix their vectors as A moves, by M[i, j] / (w[j] - w[i]): unless that is 0 the next derivative
    has no value. On the way back it may stand behind an adjoint that cancels to 0, so the values say it themselves."""
    gap = b("sub", rows(b, w, m), columns(b, w, m))
    equal = b("and", b("not", _eye(b, m)), b("eq", gap, _constant(b, 0, gap)))
    gap = _real(b, gap)
    mixing = b("lost", gap, b("select", equal, _constant(b, np.nan, gap), _constant(b, 0, gap)))
    last = len(m.type.dims) - 1
    dot = b("add", _diagonal(b, m), b.reduce(_times(b, m, mixing), "sum", (last,)))
    return _undefined(b, b.reduce(met, "any", (last,)), dot)


def _eig(b: Builder, op: Op, x: Any, out: Callable, dots: list[Value]) -> Any:
    """M = V^-1 A_dot V: w_dot = diag M, V_dot = U + V diag(c) with U = V (F * M).

    LAPACK's columns have length 1 and a real largest element v[k], so Re(v^H v_dot) = 0 and Im v_dot[k] = 0:
    c = -Re(v^H u) - i Im(u[k]) / v[k]. Vectors of equal eigenvalues have no derivative, NaN.
    """
    w, v = out(0), out(1)
    dtype, rank = v.type.dtype, len(v.type.dims)
    m = _similar(b, v, dots[0])
    met, gap = _defective(b, v), b("sub", rows(b, w, m), columns(b, w, m))
    equal = b("and", b("not", _eye(b, m)), b("or", met, b("eq", gap, b.const(0, dtype))))
    gap = b("select", equal, _constant(b, 1, gap), gap)            # what is undefined is not taken for 0, on the way back
    u = matmul(b, v, _undefined(b, equal, _over(b, m, gap)))
    along = b("real", b.reduce(b("mul", b("conj", v), u), "sum", (rank - 2,)))
    largest = b("argreduce", b("abs", v), kind="argmax", axis=rank - 2)
    here = b("eq", positions(b, v, -2), rows(b, largest, v))
    zero = b.const(0, dtype.real)

    def element(part: Any) -> Any:
        return b.reduce(b("select", here, part, zero), "sum", (rank - 2,))

    turn = _over(b, element(b("imag", u)), element(b("real", v)))
    c = b("neg", b("complex", along, turn))
    # a vector that has met another moves along that, which its own direction hides: no flow through M tells of it
    lost = rows(b, b.reduce(met, "any", (len(m.type.dims) - 2,)), v)
    return [_moves(b, w, m, met), _undefined(b, lost, b("add", u, b("mul", v, rows(b, c, v))))]


def _eigvals(b: Builder, op: Op, x: Callable, out: Callable, dots: list[Value]) -> list[Value]:
    """diag(V^-1 A_dot V), each for the eigenvalue nearest to its own: without vectors LAPACK may find another order."""
    w = out(0)
    found, v = b.emit("eig", x(0))
    rank = len(v.type.dims)
    apart = b("abs", b("sub", columns(b, w, v), rows(b, found, v)))
    nearest = b("argreduce", apart, kind="argmin", axis=rank - 1)
    # of equally near ones its own place: equal eigenvalues are each taken once
    own = b("le", _diagonal(b, apart), b.reduce(apart, "min", (rank - 1,)))
    place = b.cast(b.broadcast(positions(b, w, -1), nearest.type.dims), nearest.type.dtype)
    nearest = b("select", own, place, nearest)
    return [take_along(b, _moves(b, found, _similar(b, v, dots[0]), _defective(b, v)), nearest, rank - 2)]


# --- singular values ---------------------------------------------------------------------------------------------------

def _part(b: Builder, x: Any, start: Any, length: Dim, axis: int) -> Any:
    rank = len(x.type.dims)
    spec = "".join("s" if k == axis % rank else ":" for k in range(rank))
    return b("slice", x, b.index(start), b.index(length), b.index(1), spec=spec)


def skew_part(b: Builder, m: Value) -> Value:
    return b("mul", b("sub", m, adjoint(b, m)), _constant(b, 0.5, m))


def _turn_and_spin(b: Builder, s: Value, m: Value, op: Op, a: Value, u: Value, v: Value) -> tuple[Value, Value, Value]:
    """(T, D, B): left vectors turn by T + D, right ones by T - D, both skew. With B = G + K, of which K is the skew part of M
    between values of 0, and there only, the Hermitian and the skew part of M = (T + D) (S + B) - (S + B) (T - D) are

        T (S + G) - (S + G) T + D K + K D,     D (S + G) + (S + G) D + T K - K T

    to the third power of B, as in `_turns`. Vectors of values of 0 do not turn."""
    apart, _, close = grouped(b, s, m, op.attrs.get("near", 0.0))
    none = vanishing(b, s, m)
    mixed = b("couple", a, u, v, b.cast(close, s.type.dtype), lower=None)
    twist = skew_part(b, b("couple", a, u, v, b.cast(none, s.type.dtype), lower=None, part="whole"))
    both = b("add", rows(b, s, m), columns(b, s, m))
    factor, both = inverse_gaps(b, s, m, apart), b("select", none, _constant(b, 0, both), both)
    turn = t = _kept(b, apart, _symmetric(b, m), factor)
    spin = d = _over(b, skew_part(b, m), both)
    for _ in range(2):
        t, d = (b("sub", _commuted(b, "sub", mixed, t), _commuted(b, "add", d, twist)),
                b("sub", _commuted(b, "sub", twist, t), _commuted(b, "add", d, mixed)))
        t, d = _kept(b, apart, t, factor), _over(b, d, both)
        turn, spin = b("add", turn, t), b("add", spin, d)
    return turn, spin, mixed


def _commuted(b: Builder, sign: str, x: Value, y: Value) -> Value:
    """x y - y x, or x y + y x."""
    return b(sign, matmul(b, x, y), matmul(b, y, x))


def zeros_among(b: Builder, s: Value, m: Value) -> Value:
    """Which singular values are within rounding of 0, in every row of matrices like m; of each, where m is s."""
    each = s if m is s else rows(b, s, m)
    return b("le", b("add", each, each), rounding(b, s, s, m))


def is_square(a: Value) -> bool:
    """Whether both sides are one length for certain."""
    m, n = a.type.dims[-2:]
    return m is n or (type(m) is int and m == n)


def beyond(b: Builder, a: Value, u: Value, s: Value, v: Value) -> Value | None:
    """Zeros C with the derivative U2^H A_dot V of values of 0, in rows like those of U: U2 C, where U2 are the columns that U
    lacks. None where it lacks none for certain."""
    if is_square(u):
        return None
    like = b.full(0, u.type.dims, s.type.dtype)
    return b("couple", a, u, v, b.cast(zeros_among(b, s, like), s.type.dtype), lower=None, part="outside")


def _vectors(b: Builder, op: Op, u: Value, s: Value, m: Value, turn: Value, mixed: Value, outside: Value | None) -> Value:
    """U_dot = U turn + outside (S + B)^-1, of values that are not 0. Columns beyond the k-th follow from U^H U_dot being skew:
    U2_dot = -U1 (U2^H U1_dot)^H."""
    k, full = s.type.dims[-1], op.attrs["full"]
    first = _part(b, u, 0, k, -1) if full else u
    dot = matmul(b, first, _alone(b, s, m, turn, op.attrs))
    if outside is None:                     # no rounding errors are divided by singular values of 0
        return dot
    outside = part = _divided(b, outside, s)
    for sign in ("sub", "add"):
        part = _divided(b, matmul(b, part, mixed), s)
        outside = b(sign, outside, part)
    if "near" not in op.attrs:              # a single vector of a value of 0 turns to anywhere
        more = b("gt", b.dim(u, -2), b.index(k))
        outside = _undefined(b, b("and", zeros_among(b, s, outside), b.broadcast(more, outside.type.dims)), outside)
    dot = b("add", dot, outside)
    if not full:
        return dot
    others = _part(b, u, k, b.iop("sub", b.dim(u, -1), k), -1)
    rest = b("neg", matmul(b, first, adjoint(b, matmul(b, adjoint(b, others), outside))))
    joined = join(b, [dot, rest], len(u.type.dims) - 1)
    return joined if joined.type == u.type else b.reshape(joined, u.type.dims)


def _divided(b: Builder, x: Value, s: Value) -> Value:
    """Columns of x over singular values that are not 0; 0 for those that are."""
    none = zeros_among(b, s, x)
    return _over(b, x, b("select", none, _constant(b, 0, s), rows(b, s, x)))


def _svd(b: Builder, op: Op, x: Callable, out: Callable, dots: list[Value | None]) -> list[Value]:
    """M = U^H A_dot V = H + K, Hermitian and skew: s_dot = Re diag M. Of U and V the mean turn is that of H's eigenvectors, and
    half of the difference is K[i, j] / (s[i] + s[j]).

    Where U lacks columns U2, A = U (S + B) V^H + U2 C V^H, of which C are columns of values of 0 and zero itself (`beyond`).
    With P = U2^H U_dot, L the turn of U and R that of V,

        M = L (S + B) - (S + B) R - P^H C,      U2^H A_dot V = P (S + B) + C_dot - C R

    to the first power of C: the second derivatives. V is the U of A^H."""
    u, s, vh = _marked(b, op, x, out)
    full, k = op.attrs["full"], s.type.dims[-1]
    v = adjoint(b, vh)
    left, right = ((_part(b, z, 0, k, -1) if full else z) for z in (u, v))
    a_dot = dots[0]
    assert a_dot is not None, op
    ahead, back = matmul(b, a_dot, right), matmul(b, adjoint(b, a_dot), left)
    m = matmul(b, adjoint(b, left), ahead)
    values = _singular(b, op, x(0), s, m)
    u_out = None if is_square(left) else b("sub", ahead, matmul(b, left, m))
    v_out = None if is_square(right) else b("sub", back, matmul(b, right, adjoint(b, m)))
    u_more, v_more = beyond(b, x(0), left, s, right), beyond(b, adjoint(b, x(0)), right, s, left)
    if u_out is not None and u_more is not None:
        m = b("add", m, matmul(b, adjoint(b, _divided(b, u_out, s)), u_more))
    if v_out is not None and v_more is not None:
        m = b("add", m, matmul(b, adjoint(b, v_more), _divided(b, v_out, s)))
    turn, spin, mixed = _turn_and_spin(b, s, m, op, x(0), left, right)
    u_turn, v_turn = b("add", turn, spin), b("sub", turn, spin)
    if u_out is not None and u_more is not None:
        u_out = b("add", u_out, matmul(b, u_more, v_turn))
    if v_out is not None and v_more is not None:
        v_out = b("add", v_out, matmul(b, v_more, u_turn))
    u_dot, v_dot = _vectors(b, op, u, s, m, u_turn, mixed, u_out), _vectors(b, op, v, s, adjoint(b, m), v_turn, mixed, v_out)
    return [u_dot, values, adjoint(b, v_dot)]


def _svdvals(b: Builder, op: Op, x: Any, out: Callable, dots: list[Value]) -> Any:
    u, s, vh = b.emit("svd", x(0), x(1), **{"near": 0.0, **op.attrs, "full": False})
    m = matmul(b, adjoint(b, u), matmul(b, dots[0], adjoint(b, vh)))
    return [_singular(b, op, x(0), s, m)]


def _singular(b: Builder, op: Op, a: Value, s: Value, m: Value) -> Value:
    """Re diag M. Values of 0 of what is not square are norms of all that their columns become, of which single ones have no
    slope."""
    dot = _single(b, s, m, _real(b, _diagonal(b, m)), op.attrs)
    if "near" in op.attrs or is_square(a):
        return dot
    oblong = b("ne", b.dim(a, -2), b.dim(a, -1))
    return _undefined(b, b("and", zeros_among(b, s, s), b.broadcast(oblong, s.type.dims)), dot)


# --- QR and the pseudo-inverse -----------------------------------------------------------------------------------------

def _qr(b: Builder, op: Op, x: Any, out: Callable, dots: list[Value]) -> Any:
    """A = Q R, R with a real diagonal. Of the first k columns C = A1_dot R1^-1 and M = Q^H C: the skew Omega has M's strict
    lower triangle, and i Im diag M. Q_dot = C - Q (M - Omega), R_dot = Q^H A_dot - Omega R. The further columns of a
    complete Q follow from Q^H Q_dot being skew."""
    q, r = out(0), out(1)
    k, a_dot = x(1), dots[0]
    thin = _part(b, q, 0, k, -1) if op.attrs["complete"] else q
    top = _part(b, r, 0, k, -2) if op.attrs["complete"] else r
    c = solve_right(b, _part(b, top, 0, k, -1), _part(b, a_dot, 0, k, -1), lower=False, trans=False, unit=False)
    m = matmul(b, adjoint(b, thin), c)
    lower = triangle(b, m, True, -1)
    omega = b("sub", lower, adjoint(b, lower))
    if m.type.dtype.complex:
        turn = b("imag", b("select", _eye(b, m), m, b.const(0, m.type.dtype)))
        omega = b("add", omega, b("complex", b.full(0, turn.type.dims, turn.type.dtype), turn))
    q_dot = b("sub", c, matmul(b, thin, b("sub", m, omega)))
    r_dot = b("sub", matmul(b, adjoint(b, thin), a_dot), matmul(b, omega, top))
    r_dot = triangle(b, r_dot, False)
    if not op.attrs["complete"]:
        return [q_dot, r_dot]
    more = b.iop("sub", b.dim(q, -1), k)
    others = _part(b, q, k, more, -1)
    beyond = b("neg", matmul(b, thin, adjoint(b, matmul(b, adjoint(b, others), q_dot))))
    below = b.full(0, (*r.type.dims[:-2], more, r.type.dims[-1]), r.type.dtype)
    rank = len(q.type.dims)
    return [b.reshape(join(b, [q_dot, beyond], rank - 1), q.type.dims),
            b.reshape(join(b, [r_dot, below], rank - 2), r.type.dims)]


def _pinv(b: Builder, op: Op, x: Callable, out: Callable, dots: list[Value | None]) -> list[Value]:
    """Of constant rank: P_dot = -P A_dot P + P P^H T (1 - A P) + (1 - P A) T P^H P with T = A_dot^H."""
    a, p = x(0), out(0)
    a_dot = dots[0]
    assert a_dot is not None, op
    t, ph = adjoint(b, a_dot), adjoint(b, p)
    inner = matmul(b, p, matmul(b, a_dot, p))
    left = b("sub", t, matmul(b, matmul(b, t, a), p))
    right = matmul(b, matmul(b, t, ph), p)
    right = b("sub", right, matmul(b, p, matmul(b, a, right)))
    return [b("sub", b("add", matmul(b, p, matmul(b, ph, left)), right), inner)]


SPECIAL |= {"eigh": _eigh, "eigvalsh": _eigvalsh, "eig": _eig, "eigvals": _eigvals, "svd": _svd, "svdvals": _svdvals,
            "qr": _qr, "pinv": _pinv, "couple": _couple}
