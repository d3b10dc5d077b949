"""Rewriting rules of ops that make, move, read and write arrays. `→` as in simplify_scalars."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..analysis.patterns import Operands, Rule, made_by, number, same, scalar_in
from ..build import Builder, const
from ..core import Op, Value
from ..ops.linalg import dot_axes
from ..thresholds import sizes

if TYPE_CHECKING:
    from ..opdef import OpDef
    from ..types import Dim

Axes = tuple[int, ...]
Axis = tuple[str, Operands]                     # how an indexing op takes one axis: its character in the spec, its operands

# --- shape -------------------------------------------------------------------------------------------------------------------

def _dim(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    return b.dim(operands[0], attrs["axis"])                            # dim x → the dimension in x's type


def _broadcast(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    x, *dims = operands
    if _has_dims(x, dims):
        return x
    if (inner := made_by(x, "broadcast")):                              # broadcast (broadcast x) → broadcast x
        return b("broadcast", inner.operands[0], *dims)
    return None


def _reshape(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    x, *dims = operands
    if _has_dims(x, dims):                                              # reshape to its own dimensions → x
        return x
    if (inner := made_by(x, "reshape")):                                # reshape (reshape x) → reshape x
        return b("reshape", inner.operands[0], *dims)
    if (s := scalar_in(x)) is not None:                                 # reshape (broadcast scalar) → broadcast scalar
        return b.broadcast(s, [_size(d) for d in dims])
    lengths: list[Any] = [number(d) for d in dims]
    if x.type.static and None not in lengths and math.prod(lengths) != x.type.count:
        return b("empty", *dims, dtype=x.type.dtype)                    # behind a check that fails: never run
    return None


def regrouped(b: Builder, defn: OpDef, operands: Operands, attrs: dict[str, Any]) -> tuple[Value, ...] | None:
    """f(reshape x, reshape y) → reshape f(x, y), where one of x and y is a transposed or repeated array: loops along its axes
    need no divisions, and compute what is repeated once."""
    sources: list[Value] = []
    for v in operands:
        if v.type.dims:
            inner = made_by(v, "reshape")
            if inner is None:
                return None
            sources.append(inner.operands[0])
    if not any(made_by(x, "transpose") or made_by(x, "broadcast") for x in sources):
        return None
    dims = next(v.type.dims for v in operands if v.type.dims)
    long, *others = [[d for d in x.type.dims if d != 1] for x in sources]
    if any(other != long for other in others) or long == [d for d in dims if d != 1]:
        return None
    moved = iter([b.reshape(x, long) for x in sources])
    return tuple([b.reshape(r, dims) for r in b.emit(defn, *[next(moved) if v.type.dims else v for v in operands], **attrs)])


def _has_dims(x: Value, dims: list[Value]) -> bool:
    have = x.type.dims
    return len(have) == len(dims) and all(d is v or (d.__class__ is int and d == number(v)) for d, v in zip(have, dims))


def _transpose(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    (x,), perm = operands, attrs["perm"]
    if perm == tuple(range(len(perm))):                                 # transpose in place → x
        return x
    if (inner := made_by(x, "transpose")):                              # axis k is inner axis perm[k]
        first = inner.attrs["perm"]
        return b.transpose(inner.operands[0], [first[k] for k in perm])
    dims = [x.type.dims[k] for k in perm]
    if (s := scalar_in(x)) is not None:
        return b.broadcast(s, dims)
    moved = [k for k in perm if not _is_one(x.type.dims[k])]
    if moved == sorted(moved):                                          # only axes of length 1 move → reshape
        return b.reshape(x, dims)
    if (inner := made_by(x, "broadcast")):                              # transpose (broadcast x) → broadcast (transpose x)
        source = inner.operands[0]
        wide = b.reshape(source, (1,) * (len(perm) - source.type.rank) + source.type.dims)
        return b.broadcast(b.transpose(wide, perm), dims)
    if (inner := made_by(x, "mul")) and all(made_by(v, "broadcast") for v in inner.operands):       # … of an outer product
        return b("mul", *[b.transpose(v, perm) for v in inner.operands])
    return None


def _is_one(d: int) -> bool:
    return d.__class__ is int and d == 1


def _concat(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    axis = attrs["axis"]
    parts = [v for v in operands if v.type.dims]
    if len(parts) != len(operands):
        return None
    filled_parts = [v for v in parts if v.type.dims[axis] != 0]
    if not filled_parts:
        return parts[0]
    if len(filled_parts) == 1:                                          # concat x → x
        return filled_parts[0]
    if len(filled_parts) < len(parts):                                  # concat x, empty, y → concat x, y
        return b("concat", *filled_parts, axis=axis)
    return None


def _reduce(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    (x,), axes = operands, attrs["axes"]
    if not axes:                                                        # over no axes → x
        return x
    if all(_is_one(x.type.dims[k]) for k in axes):                      # over one element → that element
        return b.reshape(x, [d for k, d in enumerate(x.type.dims) if k not in axes])
    if attrs["kind"] == "sum":
        if (inner := made_by(x, "neg")) is not None:                    # sum -x → 0 - sum x, which is 0 where that is
            total = b("reduce", inner.operands[0], kind="sum", axes=axes)
            return b("sub", const(0, x.type.dtype), total)
        inner = made_by(x, "add")
        if inner is not None and inner.operands[0] is inner.operands[1]:          # sum (x + x) → sum x + sum x, exactly
            total = b("reduce", inner.operands[0], kind="sum", axes=axes)
            return b("add", total, total)
    return None


def _dot(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    if not attrs["contract"][0]:
        return _products(b, operands, attrs)
    moved = [_untransposed(v, contract, batch) for v, contract, batch in zip(operands, attrs["contract"], attrs["batch"])]
    if all(new is v for v, (new, _, _) in zip(operands, moved)):
        return None
    (x, y), contract, batch = zip(*moved)                               # dot (transpose x) y → dot x y over x's own axes
    return b("dot", x, y, contract=contract, batch=batch)


def _untransposed(x: Value, contract: Axes, batch: Axes) -> tuple[Value, Axes, Axes]:
    """(x, contract, batch) of a dot's operand before its transpose, where its free axes were in the same order there."""
    if (op := made_by(x, "transpose")) is None:
        return x, contract, batch
    perm = op.attrs["perm"]
    free = [perm[k] for k in range(len(perm)) if k not in contract and k not in batch]
    if free != sorted(free):
        return x, contract, batch
    return op.operands[0], tuple([perm[k] for k in contract]), tuple([perm[k] for k in batch])


def _products(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value:
    """A dot that sums nothing → products of elements, which need no memory of their own."""
    x, y = operands
    (x_batch, _, x_free), (y_batch, _, y_free) = dot_axes(attrs, x.type.rank, y.type.rank)
    x, y = b.transpose(x, x_batch + x_free), b.transpose(y, y_batch + y_free)
    own, shared = x.type.dims, len(x_batch)
    dims = own + y.type.dims[shared:]
    x = b.reshape(x, own + (1,) * len(y_free))
    y = b.reshape(y, own[:shared] + (1,) * len(x_free) + y.type.dims[shared:])
    return b("mul", b.broadcast(x, dims), b.broadcast(y, dims))


def _along(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    n = operands[0].type.dims[attrs["axis"]]
    return operands[0] if n.__class__ is int and n <= 1 else None       # sum up to, sort of one element → x


# --- parts of arrays ---------------------------------------------------------------------------------------------------------

def _axes(spec: str, indices: Sequence[Value]) -> list[Axis]:
    """Per axis: (char, its operands)."""
    rest, found = iter(indices), []
    for char in spec:
        found.append((char, tuple(next(rest) for _ in range({":": 0, "i": 1, "s": 3}[char]))))
    return found


def _whole(x: Value, axes: list[Axis]) -> list[Axis]:
    """0:+n:1 of an axis of length n → :"""
    def one(axis: Axis, dim: Dim) -> Axis:
        char, args = axis
        if char == "s" and number(args[0]) == 0 and number(args[2]) == 1:
            full = args[1] is dim if isinstance(dim, Value) else number(args[1]) == dim
            return (":", ()) if full else axis
        return axis
    return [one(axis, dim) for axis, dim in zip(axes, x.type.dims)]


def _region(b: Builder, name: str, x: Value, axes: list[Axis], *value: Value) -> Value:
    return b(name, x, *value, *[v for _, args in axes for v in args], spec="".join(char for char, _ in axes))


def _same_region(a: list[Axis], c: list[Axis]) -> bool:
    return all(p == q and all(map(same, x, y)) for (p, x), (q, y) in zip(a, c))


def _apart(a: list[Axis], c: list[Axis]) -> bool:
    """Whether two regions cannot meet: along some axis both are at one position, and the positions are different numbers."""
    for (p, x), (q, y) in zip(a, c):
        if p == q == "i":
            m, n = number(x[0]), number(y[0])
            if m is not None and n is not None and m != n:
                return True
    return False


def _slice(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    x, *indices = operands
    axes = _axes(attrs["spec"], indices)
    if "s" in attrs["spec"]:
        whole = _whole(x, axes)
        if whole != axes:
            return _region(b, "slice", x, whole)
    if all(char == ":" for char, _ in axes):                          # x[:] → x
        return x
    op = x.op
    if op is None:
        return None
    name = op.defn.name
    if name == "slice" and _just_read(b, op):                           # x[a][b] → x[a, b]
        return _region(b, "slice", op.operands[0], _composed(b, _axes(op.attrs["spec"], op.operands[1:]), axes))
    if name == "broadcast" and not op.operands[0].type.dims:            # (broadcast scalar)[a] → broadcast scalar
        return b.broadcast(op.operands[0], _region_dims(x, axes))
    if name == "iota" and axes[0][0] == "i":                            # (0, 1, 2 …)[i] → i
        return b.cast(axes[0][1][0], op.attrs["dtype"])
    if name == "update":
        return _past_writes(op, axes)
    return None


def _region_dims(x: Value, axes: list[Axis]) -> list[Dim]:
    return [dim if char == ":" else _size(args[1]) for dim, (char, args) in zip(x.type.dims, axes) if char != "i"]


def _size(v: Value) -> Dim:
    known = number(v)
    return v if known is None else known


def _composed(b: Builder, outer: list[Axis], inner: list[Axis]) -> list[Axis]:
    """The axes of x[outer][inner]: element k of a run start + k*step is taken by position, by a run of its own, or whole."""
    rest, found = iter(inner), []
    for char, args in outer:
        if char == "i":
            found.append((char, args))
            continue
        taken, by = next(rest)
        if char == ":" or taken == ":":
            found.append((taken, by) if char == ":" else (char, args))
            continue
        start, _, step = args
        first = b.iop("add", start, b.iop("mul", by[0], step))          # start + (start' + k step') step
        found.append(("i", (first,)) if taken == "i" else ("s", (first, by[1], b.iop("mul", by[2], step))))
    return found


def _just_read(b: Builder, op: Op) -> bool:
    """Whether nothing was written since the op, so that reading its array anew does not keep an old version of it alive.

        row = x[i].copy(); x[i, 0] = 1; row[2]       not x[i, 2] of the old x, which the write could then not overwrite
    """
    for earlier in reversed(b.block.ops[-sizes.ops_back:]):
        if earlier is op:
            return True
        if earlier.regions or earlier.defn.name == "call" or earlier.defn.overwrites is not None:
            return False
    return False


def _past_writes(write: Op, axes: list[Axis]) -> Value | None:
    """update(x, v, a)[a] → v, for a scalar; writes elsewhere in between do not matter"""
    if any(char != "i" for char, _ in axes):
        return None
    for _ in range(sizes.writes_back):
        x, v, *indices = write.operands
        written = _axes(write.attrs["spec"], indices)
        if _same_region(written, axes):
            return v
        if not _apart(written, axes):
            return None
        earlier = made_by(x, "update")
        if earlier is None:
            return scalar_in(x)
        write = earlier
    return None


def _update(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    x, v, *indices = operands
    axes = _axes(attrs["spec"], indices)
    if "s" in attrs["spec"]:
        whole = _whole(x, axes)
        if whole != axes:
            return _region(b, "update", x, whole, v)
    if all(char == ":" for char, _ in axes):                          # x[:] = v → v
        return v
    if (s := made_by(v, "slice")) and s.operands[0] is x and _same_region(axes, _axes(s.attrs["spec"], s.operands[1:])):
        return x                                                        # x[a] = x[a] → x
    return None


def _update_add(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
    x, v, *indices = operands
    axes = _axes(attrs["spec"], indices)
    if "s" in attrs["spec"]:
        whole = _whole(x, axes)
        if whole != axes:
            return _region(b, "update_add", x, whole, v)
    return b("add", x, v) if all(char == ":" for char, _ in axes) else None       # x[:] += v → x + v


def _at_scalars(name: str, count: int) -> Rule:
    """gather, scatter, scatter_add at scalar positions → slice, update, update_add"""
    def rule(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | None:
        indices = operands[count:]
        if indices[0].type.dims:
            return None
        where = dict(zip(attrs["axes"], indices))
        axes: list[Axis] = [("i", (where[k],)) if k in where else (":", ()) for k in range(operands[0].type.rank)]
        return _region(b, name, operands[0], axes, *operands[1:count])
    return rule


_gather_scalar = _at_scalars("slice", 1)


def _gather(b: Builder, operands: Operands, attrs: dict[str, Any]) -> Value | tuple[Value, ...] | None:
    x, *indices = operands
    axes, at = attrs["axes"], attrs["at"]
    if len(axes) == 1 and axes[0] == at and (op := made_by(indices[0], "iota")):        # x[arange(n)] → x[0:n]
        run = ("s", (b.index(0), op.operands[0], b.index(1)))
        return _region(b, "slice", x, [run if k == at else (":", ()) for k in range(x.type.rank)])
    return _gather_scalar(b, operands, attrs)

RULES = {
    "dim": _dim, "broadcast": _broadcast, "reshape": _reshape, "transpose": _transpose, "concat": _concat,
    "reduce": _reduce, "dot": _dot, "scan": _along, "sort": _along,
    "slice": _slice, "update": _update, "update_add": _update_add, "gather": _gather,
    "scatter": _at_scalars("update", 2), "scatter_add": _at_scalars("update_add", 2),
}
