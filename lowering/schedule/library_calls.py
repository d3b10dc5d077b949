"""Library calls: matrix products and factorisations, with their operands brought into the form that libraries/blas.py wants.

An operand that is a view of memory (transposes, slices, added axes) is passed as it lies, if one of its two matrix axes is
contiguous; anything else is packed into a temporary first.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from ...ir.core import Op, Value
from ...ir.ops.linalg import dot_axes
from ...ir.thresholds import sizes
from ...ir.types import BOOL, Type
from ..loopir.cursor import as_index, operand
from ..loopir.grammar import At, Buffer, If, Imm, Lib, Scalar, Size
from .index_rules import region_index
from .materialize import reshape_groups, same_dim

if TYPE_CHECKING:
    from ..build.loop_builder import Nester


def by_library(op: Op) -> bool:
    """A product of two matrices that is worth a call."""
    a, b = op.operands
    if not a.type.dtype.inexact:
        return False
    (_, contract, free_a), (_, _, free_b) = dot_axes(op.attrs, a.type.rank, b.type.rank)
    if not (contract and free_a and free_b):
        return False
    dims = [a.type.dims[k] for k in (*contract, *free_a)] + [b.type.dims[k] for k in free_b]
    return not (all(type(d) is int for d in dims) and prod(dims) <= sizes.products)


# --- views of memory ------------------------------------------------------------------------------------------------------


class View(NamedTuple):
    """Elements of a buffer: element number `start` + sum of index times stride."""

    buffer: Buffer
    start: Size
    strides: tuple[Size, ...]


def strides_of(g: Nester, dims: Sequence[Size]) -> tuple[Size, ...]:
    out: list[Size] = []
    step: Size = 1
    for d in reversed(dims):
        out.append(step)
        step = g.iop("mul", step, d)
    return tuple(reversed(out))


def view(g: Nester, v: Value) -> View | None:
    """The array as it lies in memory; None for a computed one."""
    place = g.place(v)
    if place is not None:
        strides = strides_of(g, place.buffer.dims)
        n = len(place.prefix)
        return View(place.buffer, g.sum(g.iop("mul", i, s) for i, s in zip(place.prefix, strides[:n])), strides[n:])
    op = v.maker
    step = _VIEWS.get(op.defn.name)
    if step is None or not op.operands[0].type.dims:
        return None
    inner = view(g, op.operands[0])
    return step(g, op, inner) if inner else None


def _transpose_view(g: Nester, op: Op, inner: View) -> View:
    return inner._replace(strides=tuple(inner.strides[k] for k in op.attrs["perm"]))


def _slice_view(g: Nester, op: Op, inner: View) -> View:
    spec, operands = op.attrs["spec"], op.operands[1:]
    first = region_index(g, spec, operands, (0,) * op.results[0].type.rank)
    start = g.sum([inner.start, *(g.iop("mul", i, s) for i, s in zip(first, inner.strides))])
    strides: list[Size] = []
    at = 0
    for kind, s in zip(spec, inner.strides):
        if kind == ":":
            strides.append(s)
        elif kind == "s":
            strides.append(g.iop("mul", s, g.index(operands[at + 2])))
        at += {":": 0, "i": 1, "s": 3}[kind]
    return View(inner.buffer, start, tuple(strides))


def _reshape_view(g: Nester, op: Op, inner: View) -> View | None:
    """Axes of length 1 come and go; an axis may be split."""
    source, target = op.operands[0].type.dims, op.results[0].type.dims
    groups = reshape_groups(source, target)
    if groups is None or any(len(left) != 1 for left, _ in groups):
        return None
    strides: list[Size] = [0] * len(target)
    for (left,), right in groups:
        inner_strides = strides_of(g, [g.size(target[k]) for k in right])
        for k, s in zip(right, inner_strides):
            strides[k] = g.iop("mul", inner.strides[left], s)
    return inner._replace(strides=tuple(strides))


_VIEWS: dict[str, Callable[[Nester, Op, View], View | None]] = {
    "transpose": _transpose_view, "slice": _slice_view, "reshape": _reshape_view,
    "stop_gradient": lambda g, op, inner: inner}


# --- matrix products ------------------------------------------------------------------------------------------------------


class Matrix(NamedTuple):
    """A stack of matrices in memory: rows of length ld; trans: memory holds the transpose."""

    buffer: Buffer
    start: Size
    batch: tuple[Size, ...]          # strides of the batch axes
    ld: Size
    trans: bool


def _merge(dims: list[Size], strides: list[Size]) -> Size | None:
    """The stride of several axes taken as one, or None: each must step over all of the next."""
    kept = [(d, s) for d, s in zip(dims, strides) if not same_dim(d, 1)]
    if not kept:
        return 0
    for (_, s), (d, t) in pairwise(kept):
        if not (type(s) is int and type(t) is int and type(d) is int and s == d * t):
            return None
    return kept[-1][1]


def as_matrix(g: Nester, v: Value, batch: tuple, rows: tuple[int, ...], columns: tuple[int, ...]) -> Matrix:
    """The array as matrices of `rows` by `columns`; packed where it does not lie so."""
    found = view(g, v)
    dims = g.dims(v.type)
    if found is not None:
        r, c = (_merge([dims[k] for k in axes], [found.strides[k] for k in axes]) for axes in (rows, columns))
        m, n = g.product(dims[k] for k in rows), g.product(dims[k] for k in columns)
        steps = tuple(found.strides[k] for k in batch)
        if r is not None and c is not None:
            if (c == 1 or n == 1) and _row_length(r, n, m):
                return Matrix(found.buffer, found.start, steps, _ld(g, r, n, m), False)
            if (r == 1 or m == 1) and _row_length(c, m, n):
                return Matrix(found.buffer, found.start, steps, _ld(g, c, m, n), True)
    order = (*batch, *rows, *columns)
    packed = g.temporary(Type(v.type.dtype, tuple(v.type.dims[k] for k in order)))

    def write(index: tuple[int | Scalar, ...]) -> None:
        g.store(packed.buffer, tuple(index[k] for k in order), g.value_at(v, index))

    g.each(v.type, write)
    lengths = [dims[k] for k in order]
    strides = strides_of(g, lengths)
    return Matrix(packed.buffer, 0, strides[:len(batch)], _ld(g, None, g.product(dims[k] for k in columns), 2), False)


def _row_length(ld: Size, n: Size, m: Size) -> bool:
    """Whether BLAS takes the stride: not negative, and no shorter than a row."""
    return m == 1 or not isinstance(ld, int) or (isinstance(n, int) and ld >= n)


def _ld(g: Nester, ld: Size | None, n: Size, m: Size) -> Size:
    if ld is None or m == 1:
        ld = n
    return max(ld, 1) if isinstance(ld, int) else ld


def _dot(g: Nester, op: Op) -> None:
    product_into(g, op, op.results[0], (0,) * op.results[0].type.rank, 0.0)


def product_into(g: Nester, op: Op, target: Value, first: tuple[Size, ...], beta: float) -> None:
    """Write (beta 0) or add (beta 1) a product to the array `target`, from the element at the index `first` on."""
    a, b = op.operands
    (a_batch, a_contract, a_free), (b_batch, b_contract, b_free) = dot_axes(op.attrs, a.type.rank, b.type.rank)
    place = g.memory(target)
    dims_a, dims_b = g.dims(a.type), g.dims(b.type)
    m, k = g.product(dims_a[i] for i in a_free), g.product(dims_a[i] for i in a_contract)
    n = g.product(dims_b[i] for i in b_free)
    if k == 0 and not beta:
        g.each(target.type, lambda index: g.store_value(target, index, Imm(0, a.type.dtype)))
    if 0 in (m, n, k):
        return
    left, right = as_matrix(g, a, a_batch, a_free, a_contract), as_matrix(g, b, b_batch, b_contract, b_free)
    with ExitStack() as loops:
        index = tuple(loops.enter_context(g.loop(dims_a[i])) for i in a_batch)
        start = g.sum(g.iop("mul", i, s) for i, s in zip(first, strides_of(g, g.dims(target.type))))
        c = address(g, place.buffer, g._from_start(place, start), index, _batch_strides(g, op.results[0], len(index)))
        x, y = _at(g, left, index), _at(g, right, index)
        full = Lib("gemm", (c, x, y, left.trans, right.trans, m, n, k, left.ld, right.ld, n, 1.0, beta))
        if beta or not _is_transpose(left, right, m, n) or (type(m) is int and m < sizes.symmetric):
            g.write(full)
            return
        half = Lib("syrk", (c, x, left.trans, m, k, left.ld, n))
        g.write(half if isinstance(m, int) else If(g.let("lt", (m, operand(sizes.symmetric)), BOOL), [full], [half]))


def _is_transpose(left: Matrix, right: Matrix, m: Size, n: Size) -> bool:
    """Whether a product is of a matrix and its own transpose: the result is symmetric, and half of it is enough."""
    return (left.trans is not right.trans and left._replace(trans=False) == right._replace(trans=False) and same_dim(m, n))


def _batch_strides(g: Nester, v: Value, count: int) -> tuple[Size, ...]:
    return strides_of(g, g.dims(v.type))[:count]


def _at(g: Nester, x: Matrix, index: tuple[Size, ...]) -> Buffer | At:
    return address(g, x.buffer, x.start, index, x.batch)


def address(g: Nester, buffer: Buffer, start: Size, index: tuple[Size, ...], strides: tuple[Size, ...]) -> Buffer | At:
    flat = g.sum([start, *(g.iop("mul", i, s) for i, s in zip(index, strides))])
    return buffer if flat == 0 and type(flat) is int else At(buffer, (flat,))


# --- factorisations -------------------------------------------------------------------------------------------------------


def _copied(g: Nester, target: Value, source: Value) -> None:
    g.copy_into(g.memory(target), source)


def batched(g: Nester, v: Value, loops: ExitStack) -> tuple[Scalar, ...]:
    return tuple(loops.enter_context(g.loop(g.size(d))) for d in v.type.dims[:-2])


def at_batch(g: Nester, v: Value, index: tuple[Size, ...]) -> Buffer | At:
    place = g.memory(v)
    return address(g, place.buffer, g._from_start(place, 0), index, _batch_strides(g, v, len(index)))


def _at_vector(g: Nester, v: Value, index: tuple[Size, ...]) -> Buffer | At:
    found = stack(g, v)
    return address(g, found.buffer, found.start, index, found.strides)


def _in_memory(g: Nester, v: Value) -> Matrix:
    """(buffer, start, strides) of the array as it is, row by row; packed where it is computed."""
    rank = v.type.rank
    return as_matrix(g, v, tuple(range(rank - 2)), (rank - 2,), (rank - 1,))


def _row_major(g: Nester, v: Value) -> Matrix:
    found = _in_memory(g, v)
    if not found.trans:
        return found
    packed = g.temporary(v.type)
    g.copy_into(packed, v)
    strides = strides_of(g, g.dims(v.type))
    return Matrix(packed.buffer, 0, strides[:-2], strides[-2], False)


def stack(g: Nester, v: Value) -> View:
    """An array in memory, row by row; packed where it is computed."""
    place = g.place(v)
    if place is None:
        place = g.temporary(v.type)
        g.copy_into(place, v)
    return View(place.buffer, g._from_start(place, 0), strides_of(g, g.dims(v.type)))


def _empty(g: Nester, v: Value) -> bool:
    return any(type(d) is int and d == 0 for d in v.type.dims)


def _cholesky(g: Nester, op: Op) -> None:
    r = op.results[0]
    _copied(g, r, op.operands[0])
    if _empty(g, r):
        return
    n = g.size(r.type.dims[-1])
    site = None if op.attrs.get("quiet") else g.site("LinAlgError", "Matrix is not positive definite", op.loc)
    with ExitStack() as loops:
        index = batched(g, r, loops)
        g.write(Lib("cholesky", (at_batch(g, r, index), n, n), site))


def _lu(g: Nester, op: Op) -> None:
    factor, perm = op.results
    _copied(g, factor, op.operands[0])
    if _empty(g, factor):
        return
    n = g.size(factor.type.dims[-1])
    with ExitStack() as loops:
        index = batched(g, factor, loops)
        g.write(Lib("lu", (at_batch(g, factor, index), _at_vector(g, perm, index), n, n)))


def _lu_solve(g: Nester, op: Op) -> None:
    _, factor, perm, b = op.operands
    x = op.results[0]
    if _empty(g, x):
        return
    n, k = g.size(x.type.dims[-2]), g.size(x.type.dims[-1])
    lu, rhs = _row_major(g, factor), _row_major(g, b)
    order = stack(g, perm)
    site = g.site("LinAlgError", "Singular matrix", op.loc)
    with ExitStack() as loops:
        index = batched(g, x, loops)
        with g.loop(n) as i:
            pivot = g.load(lu.buffer, _flat(g, _at(g, lu, index), g.iop("mul", i, g.iop("add", lu.ld, 1))), g.depth)
            g.fail(g.let("eq", (pivot, Imm(0, pivot.dtype)), BOOL), site)
        perm_at = address(g, order.buffer, order.start, index, order.strides)
        g.write(Lib("lu_solve", (at_batch(g, x, index), _at(g, lu, index), perm_at, _at(g, rhs, index), op.attrs["trans"], n,
                                 k, lu.ld, rhs.ld, k)))


def _flat(g: Nester, address: Buffer | At, extra: Size) -> tuple[Size]:
    start = as_index(address.index[0]) if isinstance(address, At) else 0
    return (g.iop("add", start, extra),)


def _triangular(g: Nester, op: Op) -> None:
    t, b = op.operands
    x = op.results[0]
    if _empty(g, x):
        return
    n, k = g.size(x.type.dims[-2]), g.size(x.type.dims[-1])
    matrix = _in_memory(g, t)
    lower, trans = op.attrs["lower"], op.attrs["trans"]
    if matrix.trans:                               # memory holds the transpose: the other triangle, the other flag
        lower, trans = not lower, not trans
    _copied(g, x, b)
    site = g.site("LinAlgError", "Singular matrix", op.loc)
    with ExitStack() as loops:
        index = batched(g, x, loops)
        g.write(Lib("triangular", (at_batch(g, x, index), _at(g, matrix, index), lower, trans, op.attrs["unit"], n, k,
                                   matrix.ld, k), site))


ROUTINES: dict[str, Callable[[Nester, Op], None]] = {
            "dot": _dot, "cholesky": _cholesky, "lu": _lu, "lu_solve": _lu_solve, "triangular_solve": _triangular,
            "pop": lambda g, op: g.pop(op), "exchange": lambda g, op: g.exchange(op),
            "members": lambda g, op: g.members(op)}
