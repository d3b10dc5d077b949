"""Tangents of eigenvalues, singular values, QR and the pseudo-inverse, rows of special.SPECIAL.

With A V = V diag(w) and so on, differentiate the factorisation and its normalisation and solve for the tangents:
M. Giles, "An extended collection of matrix derivative results for forward and reverse mode algorithmic differentiation" (2008);
J. Townsend, "Differentiating the singular value decomposition" (2016); S. Walter, L. Lehmann, "Algorithmic differentiation of
linear algebra functions" (2010) for QR; G. Golub, V. Pereyra, "The differentiation of pseudo-inverses …" (1973).

Vectors are determined up to a phase, and those of equal values up to a rotation: the rotation, and the phase of Hermitian and
singular vectors, are taken not to change. So what depends only on the spaces that vectors span has its exact derivative.
"""
from __future__ import annotations

from ..ir.build import Builder
from ..ir.core import Value
from .special import SPECIAL, adjoint, join, matmul, positions, solve_right, take_along, triangle


def _eye(b: Builder, like: Value) -> Value:
    """Where the row is the column."""
    return b("eq", positions(b, like, -2), positions(b, like, -1))


def _diagonal(b, m):
    zero = b.const(0, m.type.dtype)
    return b.reduce(b("select", _eye(b, m), m, zero), "sum", (len(m.type.dims) - 1,))


def _real(b, x):
    return b("real", x) if x.type.dtype.complex else x


def _rows(b, v, like):
    """v[..., j] in every row of like's dims."""
    dims = v.type.dims
    return b.broadcast(b.reshape(v, (*dims[:-1], 1, dims[-1])), like.type.dims)


def _columns(b, v, like):
    """v[..., i] in every column of like's dims."""
    return b.broadcast(b.reshape(v, (*v.type.dims, 1)), like.type.dims)


def _over(b, x, y):
    """x / y, and 0 where y is 0; a real y divides a complex x."""
    none = b("eq", y, b.const(0, y.type.dtype))
    safe = b.cast(b("select", none, b.const(1, y.type.dtype), y), x.type.dtype)
    return b("select", none, b.const(0, x.type.dtype), b("div", x, safe))


def _times(b, x, y):
    return b("mul", x, b.cast(y, x.type.dtype))


# --- eigenvalues -------------------------------------------------------------------------------------------------------

def _hermitian(b, dot, lower):
    """The tangent as the routine sees it: the triangle that is read, completed; a diagonal counts as real."""
    strict = triangle(b, dot, lower, -1 if lower else 1)
    diagonal = triangle(b, triangle(b, dot, True), False)
    if dot.type.dtype.complex:
        diagonal = b.cast(b("real", diagonal), dot.type.dtype)
    return b("add", b("add", strict, diagonal), adjoint(b, strict))


def _in_basis(b, v, a_dot):
    """V^H A_dot V."""
    return matmul(b, adjoint(b, v), matmul(b, a_dot, v))


def _eigh(b, op, x, out, dots):
    """M = V^H A_dot V: w_dot = diag M, V_dot = V (F * M), F[i, j] = 1 / (w[j] - w[i]), 0 where they are equal."""
    w, v = out(0), out(1)
    m = _in_basis(b, v, _hermitian(b, dots[0], op.attrs["lower"]))
    gap = b("sub", _rows(b, w, m), _columns(b, w, m))
    return [_real(b, _diagonal(b, m)), matmul(b, v, _over(b, m, gap))]


def _eigvalsh(b, op, x, out, dots):
    v = b.emit("eigh", x(0), **op.attrs)[1]
    return [_real(b, _diagonal(b, _in_basis(b, v, _hermitian(b, dots[0], op.attrs["lower"]))))]


def _similar(b, v, a_dot):
    """V^-1 A_dot V."""
    lu, perm = b.emit("lu", v)
    return b("lu_solve", v, lu, perm, matmul(b, a_dot, v), trans=False)


def _eig(b, op, x, out, dots):
    """M = V^-1 A_dot V: w_dot = diag M, V_dot = U + V diag(c) with U = V (F * M).

    LAPACK's columns have length 1 and a real largest element v[k], so Re(v^H v_dot) = 0 and Im v_dot[k] = 0:
    c = -Re(v^H u) - i Im(u[k]) / v[k].
    """
    w, v = out(0), out(1)
    dtype, rank = v.type.dtype, len(v.type.dims)
    m = _similar(b, v, dots[0])
    u = matmul(b, v, _over(b, m, b("sub", _rows(b, w, m), _columns(b, w, m))))
    along = b("real", b.reduce(b("mul", b("conj", v), u), "sum", (rank - 2,)))
    largest = b("argreduce", b("abs", v), kind="argmax", axis=rank - 2)
    here = b("eq", positions(b, v, -2), _rows(b, largest, v))
    zero = b.const(0, dtype.real)

    def element(part):
        return b.reduce(b("select", here, part, zero), "sum", (rank - 2,))

    turn = _over(b, element(b("imag", u)), element(b("real", v)))
    c = b("neg", b("complex", along, turn))
    return [_diagonal(b, m), b("add", u, b("mul", v, _rows(b, c, v)))]


def _eigvals(b, op, x, out, dots):
    """diag(V^-1 A_dot V), each for the eigenvalue nearest to its own: without vectors LAPACK may find another order."""
    w = out(0)
    found, v = b.emit("eig", x(0))
    rank = len(v.type.dims)
    apart = b("abs", b("sub", _columns(b, w, v), _rows(b, found, v)))
    nearest = b("argreduce", apart, kind="argmin", axis=rank - 1)
    return [take_along(b, _diagonal(b, _similar(b, v, dots[0])), nearest, rank - 2)]


# --- singular values ---------------------------------------------------------------------------------------------------

def _part(b, x, start, length, axis):
    rank = len(x.type.dims)
    spec = "".join("s" if k == axis % rank else ":" for k in range(rank))
    return b("slice", x, b.index(start), b.index(length), b.index(1), spec=spec)


def _left_vectors(b, u, s, m, rest, full):
    """U_dot = U (F * (M S + S M^H) + D) + (rest - U U^H rest) S^-1, where rest = A_dot V, M = U^H rest, F[i, j] =
    1 / (s[j]² - s[i]²) and D, for complex A, is the imaginary part of diag M over 2 s. Columns beyond the k-th follow from
    U^H U_dot being skew: U2_dot = -U1 (U2^H U1_dot)^H."""
    k = s.type.dims[-1]
    first = _part(b, u, 0, k, -1) if full else u
    across, down = _rows(b, s, m), _columns(b, s, m)
    ms = _times(b, m, across)
    gap = b("mul", b("sub", across, down), b("add", across, down))
    skew = _over(b, b("add", ms, adjoint(b, ms)), gap)
    if m.type.dtype.complex:
        zero = b.const(0, s.type.dtype)
        turn = b("select", _eye(b, m), _over(b, b("imag", m), b("add", across, across)), zero)
        skew = b("add", skew, b("complex", b.full(0, turn.type.dims, turn.type.dtype), turn))
    outside = b("sub", rest, matmul(b, first, m))
    dot = b("add", matmul(b, first, skew), _over(b, outside, _rows(b, s, outside)))
    if not full:
        return dot
    others = _part(b, u, k, b.iop("sub", b.dim(u, -1), k), -1)
    beyond = b("neg", matmul(b, first, adjoint(b, matmul(b, adjoint(b, others), dot))))
    joined = join(b, [dot, beyond], len(u.type.dims) - 1)
    return joined if joined.type == u.type else b.reshape(joined, u.type.dims)


def _svd(b, op, x, out, dots):
    """M = U^H A_dot V: s_dot = Re diag M; the right vectors are the left ones of A^H. The imaginary part of diag M turns
    the left and the right vector by half of it each."""
    u, s, vh = out(0), out(1), out(2)
    full, k = op.attrs["full"], s.type.dims[-1]
    v = adjoint(b, vh)
    left, right = ((_part(b, z, 0, k, -1) if full else z) for z in (u, v))
    ahead, back = matmul(b, dots[0], right), matmul(b, adjoint(b, dots[0]), left)
    m = matmul(b, adjoint(b, left), ahead)
    u_dot = _left_vectors(b, u, s, m, ahead, full)
    v_dot = _left_vectors(b, v, s, adjoint(b, m), back, full)
    return [u_dot, _real(b, _diagonal(b, m)), adjoint(b, v_dot)]


def _svdvals(b, op, x, out, dots):
    u, _, vh = b.emit("svd", x(0), x(1), full=False)
    return [_real(b, _diagonal(b, matmul(b, adjoint(b, u), matmul(b, dots[0], adjoint(b, vh)))))]


# --- QR and the pseudo-inverse -----------------------------------------------------------------------------------------

def _qr(b, op, x, out, dots):
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


def _pinv(b, op, x, out, dots):
    """Of constant rank: P_dot = -P A_dot P + P P^H T (1 - A P) + (1 - P A) T P^H P with T = A_dot^H."""
    a, p = x(0), out(0)
    t, ph = adjoint(b, dots[0]), adjoint(b, p)
    inner = matmul(b, p, matmul(b, dots[0], p))
    left = b("sub", t, matmul(b, matmul(b, t, a), p))
    right = matmul(b, matmul(b, t, ph), p)
    right = b("sub", right, matmul(b, p, matmul(b, a, right)))
    return [b("sub", b("add", matmul(b, p, matmul(b, ph, left)), right), inner)]


SPECIAL |= {"eigh": _eigh, "eigvalsh": _eigvalsh, "eig": _eig, "eigvals": _eigvals, "svd": _svd, "svdvals": _svdvals,
            "qr": _qr, "pinv": _pinv}
