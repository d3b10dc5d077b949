"""The transposes of linear and bilinear ops: one row an op.

For out = A x with A linear, reverse mode adds the transpose A^T out_bar to x_bar. Complex values transpose without
conjugation, so that Re(sum(out_bar * A x)) = Re(sum(A^T out_bar * x)).

A row is row(f, op, ct): `ct` is the adjoint of the op's result (of results, in a list, where there are several), f.add(v, c)
adds to the adjoint of v, f.get(v) is the forward value v. Where x is read or written in part, the part is added to or
cleared in the adjoint of the whole, so that the cost is that of the part.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...ir.core import Op, Value
from ...ir.ops.linalg import dot_axes
from ...ir.ops.shape import concat_parts
from ..adjoint_frames import Frame
from .jvp_rules import spread
from .nonfinite_partials import beside_pole, may_overflow, times
from .partials import to_operand

if TYPE_CHECKING:
    from ..reverse.control_flow import Region
    from ..reverse.reverse import Scratch


def keep_mask(f: Frame, ct: Value, result: Value) -> Value:
    """What follows linearly from a masked adjoint is masked too (see reverse.Reverse.masked)."""
    if ct in f.run.masked:
        f.run.masked.add(result)
    return result


def give(f: Frame, ct: Value, v: Value, contribution: Value) -> None:
    """Add a contribution that is zero wherever `ct` is, summed if `v` was broadcast implicitly."""
    f.add(v, keep_mask(f, ct, to_operand(f.b, contribution, v.type)))


def _args(f: Frame, values: Sequence[Value]) -> list[Value]:
    return [f.get(v) for v in values]


def _base(f: Frame, x: Value) -> Value:
    """The adjoint of x so far, to add parts to."""
    return f.or_zeros(x, f.current(x))


# --- elementwise -------------------------------------------------------------------------------------------------------

def _neg(f: Frame, op: Op, ct: Value) -> None:
    give(f, ct, op.operands[0], f.b("neg", ct))


def _add(f: Frame, op: Op, ct: Value) -> None:
    for v in op.operands:
        if f.active(v):
            give(f, ct, v, ct)


def _sub(f: Frame, op: Op, ct: Value) -> None:
    x, y = op.operands
    if f.active(x):
        give(f, ct, x, ct)
    if f.active(y):
        # reduced first where y is a scalar, so that one number is negated
        f.add(y, keep_mask(f, ct, f.b("neg", to_operand(f.b, ct, y.type))))


def _select(f: Frame, op: Op, ct: Value) -> None:
    """Where a branch was not taken its adjoint is 0: such an adjoint is masked."""
    cond, x, y = op.operands
    zero = f.b.const(0, ct.type.dtype)
    for v, pick in ((x, lambda c: (c, ct, zero)), (y, lambda c: (c, zero, ct))):
        if f.active(v):
            part = to_operand(f.b, f.b("select", *pick(f.get(cond))), v.type)
            f.run.masked.add(part)
            f.add(v, part)


def _cast(f: Frame, op: Op, ct: Value) -> None:
    x = op.operands[0]
    give(f, ct, x, f.b.cast(ct, x.type.dtype))


def _real(f: Frame, op: Op, ct: Value) -> None:
    give(f, ct, op.operands[0], f.b("complex", ct, f.b.const(0, ct.type.dtype)))


def _imag(f: Frame, op: Op, ct: Value) -> None:
    give(f, ct, op.operands[0], f.b("complex", f.b.const(0, ct.type.dtype), f.b("neg", ct)))


def _conj(f: Frame, op: Op, ct: Any) -> None:
    give(f, ct, op.operands[0], f.b("conj", ct))


def _complex(f: Frame, op: Op, ct: Any) -> None:
    re, im = op.operands
    if f.active(re):
        give(f, ct, re, f.b("real", ct))
    if f.active(im):
        give(f, ct, im, f.b("neg", f.b("imag", ct)))


def _mul(f: Frame, op: Op, ct: Value) -> None:
    """A masked adjoint multiplies with mulz: a factor that is infinite where a branch was not taken contributes 0; so does one
    that overflowed, where all that was made of it is 0."""
    masked, steep = ct in f.run.masked, ct in f.run.steep
    for v, other in (op.operands, op.operands[::-1]):
        if not f.active(v):
            continue
        flow = ct
        if not other.type.dims:
            flow = keep_mask(f, ct, to_operand(f.b, ct, v.type))
        factor, zero = f.get(other), masked or (op.results[0] in f.run.forgotten and may_overflow(other))
        zero = zero or f.run.poles.may_be_no_number(other)
        if f.run.poles.hides(v, other):
            factor, zero = beside_pole(f.b, f.get(v), factor), True
        give(f, ct, v, times(f.b, flow, factor, zero) if steep else f.b("mulz" if zero else "mul", flow, factor))


def _mulz(f: Frame, op: Op, ct: Value) -> None:
    """mulz(a, b): where a is 0 the product is, and so is b's adjoint, which that masks; a masked adjoint says itself where."""
    a, b = op.operands
    if f.active(a):
        part = times(f.b, ct, f.get(b), True) if ct in f.run.steep else f.b("mulz", ct, f.get(b))
        f.run.steep.marked.add(part)                    # b may be infinite where a is 0
        give(f, ct, a, part)
    if f.active(b):
        if ct in f.run.steep:                           # a may be no number where ct is 0
            part = times(f.b, ct, f.get(a), True)
        else:
            part = f.b("mulz", *((ct, f.get(a)) if ct in f.run.masked else (f.get(a), ct)))
        part = to_operand(f.b, part, b.type)
        f.run.masked.add(part)
        f.add(b, part)


# --- shape -------------------------------------------------------------------------------------------------------------

def _broadcast(f: Frame, op: Op, ct: Value) -> None:
    """The sum along new axes and along those that were expanded from length 1."""
    x = op.operands[0]
    lead = len(ct.type.dims) - len(x.type.dims)
    axes = list(range(lead))
    for k, (old, new) in enumerate(zip(x.type.dims, op.results[0].type.dims[lead:])):
        if type(old) is int and old == 1 and not (type(new) is int and new == 1):
            axes.append(lead + k)
    give(f, ct, x, f.b.reshape(f.b.reduce(ct, "sum", axes), f.dims(x)))


def _reshape(f: Frame, op: Op, ct: Value) -> None:
    x = op.operands[0]
    give(f, ct, x, f.b.reshape(ct, f.dims(x)))


def _transpose(f: Frame, op: Op, ct: Value) -> None:
    perm = op.attrs["perm"]
    give(f, ct, op.operands[0], f.b.transpose(ct, sorted(range(len(perm)), key=perm.__getitem__)))


def _concat(f: Frame, op: Op, ct: Value) -> None:
    parts, _ = concat_parts(op.operands)
    axis, start = op.attrs["axis"], 0
    spec = "".join("s" if k == axis else ":" for k in range(len(ct.type.dims)))
    for part in parts:
        length = f.dims(part)[axis]
        if f.active(part):
            give(f, ct, part, f.b("slice", ct, f.b.index(start), length, f.b.index(1), spec=spec))
        start = f.b.iop("add", start, length)


# --- parts of arrays ---------------------------------------------------------------------------------------------------

def _slice(f: Frame, op: Op, ct: Value) -> None:
    x, *indices = op.operands
    current = f.current(x)
    if current is None:
        f.put(x, f.b("update", f.zeros(x), ct, *_args(f, indices), **op.attrs))
    else:
        f.put(x, f.b("update_add", current, ct, *_args(f, indices), **op.attrs))


def _update(f: Frame, op: Op, ct: Value) -> None:
    x, v, *indices = op.operands
    indices = _args(f, indices)
    if f.active(v):
        give(f, ct, v, f.b("slice", ct, *indices, **op.attrs))
    if f.active(x):
        give(f, ct, x, f.b("update", ct, f.zeros(v), *indices, **op.attrs))


def _update_add(f: Frame, op: Op, ct: Value) -> None:
    x, v, *indices = op.operands
    if f.active(v):
        give(f, ct, v, f.b("slice", ct, *_args(f, indices), **op.attrs))
    f.add(x, ct)


def _gather(f: Frame, op: Op, ct: Value) -> None:
    x, *indices = op.operands
    f.put(x, f.b("scatter_add", _base(f, x), ct, *_args(f, indices), **op.attrs))


def _scatter(f: Frame, op: Op, ct: Value) -> None:
    """Of writes to the same position only the last counts: the others get 0."""
    x, v, *indices = op.operands
    indices = _args(f, indices)
    if f.active(v):
        wins = _last_writes(f, op, indices)
        part = f.b("select", wins, f.b("gather", ct, *indices, **op.attrs), f.b.const(0, ct.type.dtype))
        f.run.masked.add(part)
        f.add(v, part)
    if f.active(x):
        give(f, ct, x, f.b("scatter", ct, f.zeros(v), *indices, **op.attrs))


def _last_writes(f: Frame, op: Op, indices: list[Value]) -> Value:
    """A mask of v's dims: scatter each write's number to its position; who finds its own number there was last."""
    b, (x, v) = f.b, op.operands[:2]
    axes, at = op.attrs["axes"], op.attrs["at"]
    shape, sizes = indices[0].type.dims, f.dims(x)
    count = 1
    for d in shape:
        count = b.iop("mul", count, d)
    index = b.index(0).type.dtype
    numbers = b.reshape(b("iota", b.index(count), dtype=index), shape)
    places = tuple(range(len(axes)))
    table = b("scatter", b.full(0, [sizes[k] for k in axes], index), numbers, *indices, axes=places, at=0)
    wins = b("eq", b("gather", table, *indices, axes=places, at=0), numbers)
    # numbers run over B, which stands at `at` among v's axes
    return spread(b, wins, f.dims(v), [k for k in range(len(v.type.dims)) if not at <= k < at + len(shape)])


def _scatter_add(f: Region, op: Op, ct: Value) -> None:
    x, v, *indices = op.operands
    if f.active(v):
        give(f, ct, v, f.b("gather", ct, *_args(f, indices), **op.attrs))
    f.add(x, ct)


# --- sums --------------------------------------------------------------------------------------------------------------

def _reduce(f: Frame, op: Op, ct: Value) -> None:
    x = op.operands[0]
    give(f, ct, x, spread(f.b, ct, f.dims(x), op.attrs["axes"]))


def _scan(f: Frame, op: Op, ct: Value) -> None:
    give(f, ct, op.operands[0], f.b("scan", ct, **{**op.attrs, "reverse": not op.attrs["reverse"]}))


# --- products and solves -----------------------------------------------------------------------------------------------

def _dot(f: Frame, op: Op, ct: Value) -> None:
    """The adjoint's axes are (batch, a's free, b's free): contract those of the other operand, put the rest in place."""
    a, b = op.operands
    (a_batch, a_contract, a_free), (b_batch, b_contract, b_free) = dot_axes(op.attrs, len(a.type.dims), len(b.type.dims))
    batch = tuple(range(len(a_batch)))
    left = tuple(range(len(batch), len(batch) + len(a_free)))
    right = tuple(range(len(batch) + len(a_free), len(ct.type.dims)))
    if a is b and a_contract == b_contract and a_batch == b_batch and a_free:
        f.add(a, _of_gram(f, op, ct, (batch, left, right)))
        return
    if f.active(a):
        part = _product(f, ct, ct, f.get(b), contract=(right, b_free), batch=(batch, b_batch))
        f.add(a, keep_mask(f, ct, _arrange(f, part, a_batch + a_free + _paired(b_contract, a_contract))))
    if f.active(b):
        part = _product(f, ct, f.get(a), ct, contract=(a_free, left), batch=(a_batch, batch))
        # here the contracted axes of a come before b's free ones
        f.add(b, keep_mask(f, ct, _arrange(f, part, b_batch + _paired(a_contract, b_contract) + b_free)))


def _of_gram(f: Frame, op: Op, ct: Value, axes: tuple[tuple[int, ...], ...]) -> Value:
    """The adjoint of x where G = x^T x: x ct + x ct^T = x (ct + ct^T), one product instead of two."""
    batch, left, right = axes
    a_batch, a_contract, a_free = dot_axes(op.attrs, len(op.operands[0].type.dims), len(op.operands[0].type.dims))[0]
    both = f.b("add", ct, f.b.transpose(ct, [*batch, *right, *left]))
    part = _product(f, ct, f.get(op.operands[0]), both, contract=(a_free, left), batch=(a_batch, batch))
    return keep_mask(f, ct, _arrange(f, part, a_batch + a_contract + a_free))


def _product(f: Frame, ct: Value, x: Value, y: Value, **attrs: tuple[tuple[int, ...], ...]) -> Value:
    """dot; where the adjoint is a number, that times the other operand."""
    if ct.type.dims:
        return f.b("dot", x, y, **attrs)
    other, masked = y if x is ct else x, ct in f.run.masked
    return times(f.b, ct, other, masked) if ct in f.run.steep else f.b("mulz" if masked else "mul", ct, other)


def _paired(own: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of `other`, in the order in which the axes of `own` that pair with them ascend."""
    return tuple(o for _, o in sorted(zip(own, other)))


def _arrange(f: Frame, part: Value, axes: tuple[int, ...]) -> Value:
    """Transpose so that axis k of `part` becomes axis axes[k]."""
    return f.b.transpose(part, sorted(range(len(axes)), key=axes.__getitem__))


def _lu_solve(f: Frame, op: Op, ct: Value) -> None:
    """In b only: rules/jvp_rules.py differentiates by the matrix."""
    a, lu, perm, right = op.operands
    f.add(right, f.b("lu_solve", *_args(f, (a, lu, perm)), ct, trans=not op.attrs["trans"]))


def _triangular_solve(f: Scratch, op: Op, ct: Value) -> None:
    t, right = op.operands
    f.add(right, f.b("triangular_solve", f.get(t), ct, **{**op.attrs, "trans": not op.attrs["trans"]}))


# --- stacks ------------------------------------------------------------------------------------------------------------

def _push(f: Region, op: Op, cts: list[Value]) -> None:
    (ct,) = cts
    if ct is None:
        return
    s, v = op.operands
    below, top = f.b.emit("pop", ct, *f.dims(v))
    f.add(s, below)
    f.add(v, top)


def _pop(f: Frame, op: Op, cts: list[Value | None]) -> None:
    below, top = cts
    s, v = op.operands[0], op.results[1]
    f.add(s, f.b("push", f.or_zeros(s, below), f.or_zeros(v, top)))


def _exchange(f: Frame, op: Op, cts: list[Value | None]) -> None:
    """Its own transpose: ir/ops/tape.py."""
    rest, old = cts
    s, k, v = op.operands
    rest, given = f.b.emit("exchange", f.or_zeros(s, rest), f.get(k), f.or_zeros(v, old))
    f.add(s, rest)
    f.add(v, given)


TRANSPOSE = {
    "neg": _neg, "add": _add, "sub": _sub, "select": _select, "cast": _cast, "real": _real, "imag": _imag, "conj": _conj,
    "complex": _complex, "mul": _mul, "mulz": _mulz, "broadcast": _broadcast, "reshape": _reshape, "transpose": _transpose,
    "concat": _concat, "slice": _slice, "update": _update, "update_add": _update_add, "gather": _gather, "scatter": _scatter,
    "scatter_add": _scatter_add, "reduce": _reduce, "scan": _scan, "dot": _dot, "lu_solve": _lu_solve,
    "triangular_solve": _triangular_solve, "push": _push, "pop": _pop,
    "exchange": _exchange,
}
# Ops that take and give several values: their rows get all adjoints, with None for zero.
SEVERAL = frozenset({"push", "pop", "exchange"})
# Special ops that are linear in some operands: where only those are active, the row above serves.
LINEAR_PART = {"lu_solve": (3,), "triangular_solve": (1,)}
