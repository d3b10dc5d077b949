"""Ops with a rule of their own, stated once: the tangent of each, as IR.

A row is row(b, op, x, out, dots) -> a tangent per result, or None. x(k) is operand k and out(k) result k: asking for one is
what makes reverse mode keep it. dots[k] is the tangent of operand k, or None. The row is linear in the tangents and written
with ops that have transposes, so reverse mode runs it on placeholders and transposes what depends on them (reverse/reverse.py).
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...ir.build import Builder
from ...ir.core import Block, Op, Value
from ...ir.types import INDEX, Dim, Type

# reduce and scan by sum, and abs of a real number, follow the general rules
_BY_KIND = {
    "reduce": lambda op: "linear" if op.attrs["kind"] == "sum" else "special",
    "scan": lambda op: "linear" if op.attrs["kind"] == "sum" else "special",
    "abs": lambda op: "special" if op.operands[0].type.dtype.complex else "elementwise",
}


def rule_of(op: Op) -> str:
    """The kind of rule that differentiates this op."""
    by_kind = _BY_KIND.get(op.defn.name)
    return by_kind(op) if by_kind else op.defn.rule


# --- helpers -----------------------------------------------------------------------------------------------------------

def spread(b: Builder, reduced: Value, dims: tuple[Dim, ...], axes: Sequence[int]) -> Value:
    """A reduction's result repeated along the axes that it dropped: reshape to length 1 there, then broadcast to `dims`."""
    if not reduced.type.dims:
        return b.broadcast(reduced, dims)
    kept = [1 if k in axes else d for k, d in enumerate(dims)]
    return b.broadcast(b.reshape(reduced, kept), dims)


def swap_last(b: Builder, a: Value) -> Value:
    """The matrices transposed."""
    n = len(a.type.dims)
    return b.transpose(a, (*range(n - 2), n - 1, n - 2))


def matmul(b: Builder, x: Value, y: Value) -> Value:
    """Matrix products of stacks of matrices with equal leading axes."""
    n = len(x.type.dims)
    lead = tuple(range(n - 2))
    return b("dot", x, y, contract=((n - 1,), (n - 2,)), batch=(lead, lead))


def adjoint(b: Builder, a: Value) -> Value:
    """The conjugate transpose."""
    t = swap_last(b, a)
    return b("conj", t) if t.type.dtype.complex else t


def triangle(b: Builder, a: Value, lower: bool, offset: int = 0) -> Value:
    """The lower (column <= row + offset) or upper (column >= row + offset) triangle, zeros elsewhere."""
    rows, columns = positions(b, a, -2), positions(b, a, -1)
    rows = b("add", rows, b.index(offset)) if offset else rows
    return b("select", b("le" if lower else "ge", columns, rows), a, b.const(0, a.type.dtype))


def positions(b: Builder, a: Value, axis: int) -> Value:
    """The position along `axis` of each element."""
    dims, axis = a.type.dims, axis % len(a.type.dims)
    counter = b("iota", b.index(dims[axis]), dtype=INDEX)
    return b.broadcast(b.reshape(counter, [d if k == axis else 1 for k, d in enumerate(dims)]), dims)


def take_along(b: Builder, x: Value, where: Value, axis: int) -> Value:
    """x at positions `where` (of x's dims) along an axis, and at its own along the others."""
    rank = len(x.type.dims)
    indices = [where if k == axis else positions(b, where, k) for k in range(rank)]
    return b("gather", x, *indices, axes=tuple(range(rank)), at=0)


# --- reductions and scans ----------------------------------------------------------------------------------------------

def _reduce(b: Builder, op: Op, x: Callable, out: Callable, dots: list[Value]) -> list[Value]:
    if op.attrs["kind"] == "prod":
        return [_reduce_prod(b, x(0), op.attrs["axes"], dots[0])]
    return [_reduce_extreme(b, x(0), out(0), op.attrs["axes"], dots[0])]


def _reduce_extreme(b: Builder, x: Value, out: Value, axes: tuple[int, ...], dot: Value) -> Value:
    """max, min: the mean of the tangents of the elements that are equal to the result."""
    dtype = x.type.dtype
    wins = _wins(b, x, spread(b, out, x.type.dims, axes))
    zero = b.const(0, dtype)
    share = b("div", b.const(1, dtype), b("max", b.reduce(b.cast(wins, dtype), "sum", axes), b.const(1, dtype)))
    return b("mul", b.reduce(b("select", wins, dot, zero), "sum", axes), share)


def _wins(b: Builder, x: Value, out: Value) -> Value:
    """Which elements are the result of max or min. Where that is NaN, those that are NaN."""
    equal = b("eq", x, out)
    return b("or", equal, b("isnan", x)) if x.type.dtype.kind == "f" else equal


def _reduce_prod(b: Any, x: Any, axes: tuple[int, ...], dot: Value) -> Any:
    """sum over i of x_dot[i] times the product of the others, which is the product before i times the product after i."""
    rank, dims = len(x.type.dims), x.type.dims
    kept = tuple(k for k in range(rank) if k not in axes)
    count = 1
    for k in axes:
        count = b.iop("mul", count, b.index(dims[k]))
    flat = [*(dims[k] for k in kept), count]

    def flatten(v: Value) -> Any:
        return b.reshape(b.transpose(v, kept + axes), flat)

    v, last = flatten(x), len(kept)
    before, after = _exclusive_prod(b, v, last, False), _exclusive_prod(b, v, last, True)
    return b.reduce(b("mul", flatten(dot), b("mul", before, after)), "sum", (last,))


def _exclusive_prod(b: Builder, v: Value, axis: int, reverse: Any) -> Any:
    """At each position the product of those before it (after it, in reverse)."""
    return _shifted_in(b, b("scan", v, kind="prod", axis=axis, reverse=reverse), axis, reverse)


def _shifted_in(b: Builder, p: Value, axis: int, reverse: bool) -> Value:
    """p moved one place on along the axis (one back, in reverse), with a 1 where nothing comes from."""
    n, rank = b.dim(p, axis), len(p.type.dims)
    kept = b.iop("max", b.iop("sub", n, 1), 0)
    one = b.full(1, [1 if k == axis else d for k, d in enumerate(p.type.dims)], p.type.dtype)
    spec = "".join("s" if k == axis else ":" for k in range(rank))
    part = b("slice", p, b.index(1 if reverse else 0), kept, b.index(1), spec=spec)
    joined = join(b, [part, one] if reverse else [one, part], axis)
    # of an empty axis `joined` still holds the single 1
    return b("slice", joined, b.index(0), n, b.index(1), spec=spec)


def join(b: Builder, parts: list[Value], axis: int) -> Value:
    """concat, with the length where it is not a number."""
    total = 0
    for part in parts:
        total = b.iop("add", total, b.dim(part, axis))
    known = all(type(part.type.dims[axis]) is int for part in parts)
    return b("concat", *parts, *(() if known else (b.index(total),)), axis=axis)


def _scan(b: Builder, op: Op, x: Callable, out: Callable, dots: list[Value]) -> list[Value]:
    axis, reverse = op.attrs["axis"], op.attrs["reverse"]
    if op.attrs["kind"] == "prod":
        return [_scan_prod(b, x(0), out(0), axis, reverse, dots[0])]
    return [take_along(b, dots[0], _scan_winner(b, x(0), out(0), axis, reverse), axis)]


def _scan_winner(b: Builder, x: Any, out: Any, axis: int, reverse: Any) -> Any:
    """For each position of a running max or min, where the value in force was reached last: the largest (in reverse the
    smallest) position so far of an element equal to the result there."""
    places = positions(b, x, axis)
    start = b.iop("sub", b.dim(x, axis), 1) if reverse else b.index(0)
    reached = b("select", _wins(b, x, out), places, start)
    return b("scan", reached, kind="min" if reverse else "max", axis=axis, reverse=reverse)


def _scan_prod(b: Builder, x: Value, out: Value, axis: int, reverse: bool, dot: Value) -> Value:
    """p[k] = p[k-1] x[k], so p_dot[k] = p_dot[k-1] x[k] + p[k-1] x_dot[k]: a loop, which is right where elements are 0 too."""
    dims, dtype = x.type.dims, x.type.dtype
    spec = "".join("i" if k == axis else ":" for k in range(len(dims)))
    n = b.index(dims[axis])
    source = b("mul", _shifted_in(b, out, axis, reverse), dot)
    init = b.full(0, dims, dtype), b.full(0, [d for k, d in enumerate(dims) if k != axis], dtype)
    body = Block([Type(INDEX), *(v.type for v in init)], ["k", "out_dot", "p_dot"])
    with b.at(body):
        step, tangents, p_dot = body.params
        k = b("sub", b.iop("sub", n, 1), step) if reverse else step
        new = b("add", b("mul", p_dot, b("slice", x, k, spec=spec)), b("slice", source, k, spec=spec))
        body.yields = b("update", tangents, new, k, spec=spec), new
    return b.emit("for", n, *init, regions=[body])[0]


# --- sorting ------------------------------------------------------------------------------------------------------------

def _sort(b: Builder, op: Op, x: Callable, out: Callable, dots: list[Value]) -> list[Value]:
    """Equal elements keep their order (docs/exactness.md): the faster sort leaves them as the machine's vectors have it."""
    axis = op.attrs["axis"]
    return [take_along(b, dots[0], b("argsort", x(0), axis=axis, kind="stable"), axis)]


# --- complex ------------------------------------------------------------------------------------------------------------

def _abs(b: Builder, op: Op, x: Callable, out: Callable, dots: list[Value]) -> list[Value]:
    """d|z| = Re(conj(z / |z|) dz), and 0 at 0."""
    z, size = x(0), out(0)
    zero = b.const(0, size.type.dtype)
    safe = b("select", b("eq", size, zero), b.const(1, size.type.dtype), size)
    unit = b("select", b("eq", size, zero), b.const(0, z.type.dtype), b("div", b("conj", z), b.cast(safe, z.type.dtype)))
    return [b("real", b("mul", unit, dots[0]))]


# --- linear algebra ------------------------------------------------------------------------------------------------------

def solve_right(b: Builder, t: Value, y: Value, **attrs: bool) -> Value:
    """X with X op(T) = Y, as the transpose of op(T)^T X^T = Y^T."""
    return swap_last(b, b("triangular_solve", t, swap_last(b, y), **{**attrs, "trans": not attrs["trans"]}))


def _cholesky(b: Builder, op: Op, x: Any, out: Callable, dots: list[Value]) -> Any:
    """A = L L^H. With M = L^-1 A_dot L^-H and Phi(M) its lower triangle with half the diagonal: L_dot = L Phi(M).

    Only the lower triangle of A is read, so A_dot is completed from its own; the diagonal of a complex A counts as real.
    """
    low = out(0)
    strict = triangle(b, dots[0], True, -1)
    diagonal = triangle(b, triangle(b, dots[0], True), False)
    if low.type.dtype.complex:
        diagonal = b.cast(b("real", diagonal), low.type.dtype)
    full = b("add", b("add", strict, diagonal), adjoint(b, strict))
    m = b("triangular_solve", low, full, lower=True, trans=False, unit=False)
    # M L^H = L^-1 A_dot, so conj(L) is on the right, transposed
    conj = b("conj", low) if low.type.dtype.complex else low
    m = solve_right(b, conj, m, lower=True, trans=True, unit=False)
    half = b.const(0.5, low.type.dtype)
    on_diagonal = triangle(b, triangle(b, m, True), False)
    return [matmul(b, low, b("sub", triangle(b, m, True), b("mul", on_diagonal, half)))]


def _lu(b: Builder, op: Op, x: Callable, out: Callable, dots: list[Value]) -> list[Value | None]:
    """A[perm] = L U. With M = L^-1 A_dot[perm] U^-1: L_dot = L tril(M, -1), U_dot = triu(M) U; lu holds both."""
    lu, perm = out(0), out(1)
    rank = len(lu.type.dims)
    rows = b.broadcast(b.reshape(perm, [*perm.type.dims, 1]), lu.type.dims)
    m = b("triangular_solve", lu, take_along(b, dots[0], rows, rank - 2), lower=True, trans=False, unit=True)
    m = solve_right(b, lu, m, lower=False, trans=False, unit=False)
    unit_lower = b("select", b("eq", positions(b, lu, -2), positions(b, lu, -1)), b.const(1, lu.type.dtype),
                   triangle(b, lu, True, -1))
    lower_dot = matmul(b, unit_lower, triangle(b, m, True, -1))
    upper_dot = matmul(b, triangle(b, m, False), triangle(b, lu, False))
    return [b("add", lower_dot, upper_dot), None]


def _lu_solve(b: Builder, op: Op, x: Callable, out: Callable, dots: list[Value | None]) -> list[Value]:
    """a x = b: a x_dot = b_dot - a_dot x, solved by the same factor. The factor follows from `a`, so it has no tangent."""
    a_dot, b_dot = dots[0], dots[3]
    right = b_dot
    if a_dot is not None:
        a_dot = swap_last(b, a_dot) if op.attrs["trans"] else a_dot
        moved = matmul(b, a_dot, out(0))
        right = b("neg", moved) if b_dot is None else b("sub", b_dot, moved)
    assert right is not None, op                       # a or b moves
    return [b("lu_solve", x(0), x(1), x(2), right, **op.attrs)]


def _triangular_solve(b: Builder, op: Op, x: Callable, out: Callable, dots: list[Value]) -> list[Value]:
    """t x = b: t x_dot = b_dot - t_dot x, where only the triangle of t_dot counts (without the diagonal if that is unit)."""
    t_dot, right = dots
    if t_dot is not None:
        lower = op.attrs["lower"]
        t_dot = triangle(b, t_dot, lower, (-1 if lower else 1) if op.attrs["unit"] else 0)
        t_dot = swap_last(b, t_dot) if op.attrs["trans"] else t_dot
        moved = matmul(b, t_dot, out(0))
        right = b("neg", moved) if right is None else b("sub", right, moved)
    return [b("triangular_solve", x(0), right, **op.attrs)]


SPECIAL: dict[str, Callable[..., Sequence[Value | None]]] = {
    "reduce": _reduce, "scan": _scan, "sort": _sort, "abs": _abs, "cholesky": _cholesky, "lu": _lu, "lu_solve": _lu_solve,
    "triangular_solve": _triangular_solve,
}
