"""Views: how a NumPy view reads its base and writes through to it, and when a reshape is a view at all.

A path says how a view lies in its base:

  path    ::= Strided(sel, out) | Reshaped | Part("real" | "imag") | Diagonal | Spread | Gathered | Windows | Restrided
  sel     one entry for each axis of the base: None (whole), an index value (axis dropped) or (start, length, step)
  out     one entry for each axis of the view: the base axis that it runs along, or None (a new axis of length 1)

Strided paths compose: a slice of a transpose of a slice is one Strided path on the root, so a write to `a[i][j]` updates one
element of the root and not a whole row. `read(x)` makes the view's value from the base's, `write(x, v)` the base's new value.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from ...ir.core import Const, Value
from ...ir.errors import ShapeError, UnsupportedError
from ...ir.types import INDEX, Dim
from .. import tracing
from . import shapes
from .promotion import fail

READ_ONLY = "assignment destination is read-only"


def one_plus(start: int, k: Dim, step: int) -> Dim:
    """start + k * step in index arithmetic."""
    return shapes.arith("add", start, shapes.arith("mul", k, step))


class Strided:
    """Slices, integer indices, transposes, new and dropped axes of length 1."""

    __slots__ = ("out", "sel", "spec")

    def __init__(self, sel: tuple, out: tuple):
        self.sel, self.out = sel, out
        self.spec = "".join(":" if s is None else "s" if type(s) is tuple else "i" for s in sel)

    def dims(self, base_dims: tuple[Dim, ...]) -> tuple:
        return tuple(1 if a is None else self.sel[a][1] if self.sel[a] else base_dims[a] for a in self.out)

    def _operands(self, index: Callable) -> list[Value]:
        found: list[Value] = []
        for s in self.sel:
            if type(s) is tuple:
                found += map(index, s)
            elif s is not None:
                found.append(index(s))
        return found

    def read(self, x: Value) -> Value:
        builder = tracing.current().builder
        y = x
        if "s" in self.spec or "i" in self.spec:
            y = builder("slice", x, *self._operands(builder.index), spec=self.spec)
        y = builder.transpose(y, self._perm())
        return builder.reshape(y, self.dims(x.type.dims)) if None in self.out else y

    def write(self, x: Value, v: Value) -> Value:
        builder = tracing.current().builder
        if None in self.out:
            v = builder.reshape(v, tuple(d for a, d in zip(self.out, v.type.dims) if a is not None))
        perm = self._perm()
        v = builder.transpose(v, tuple(perm.index(k) for k in range(len(perm))))
        if "s" in self.spec or "i" in self.spec:
            return builder("update", x, v, *self._operands(builder.index), spec=self.spec)
        return v

    def _perm(self) -> tuple:
        """The transpose that follows the slice: position of each real view axis among the axes that the slice keeps."""
        real = [a for a in self.out if a is not None]
        order = sorted(real)
        return tuple(map(order.index, real))

    @property
    def permuting(self) -> bool:
        perm = self._perm()
        return perm != tuple(range(len(perm)))

    def strides(self, base_strides: tuple[int, ...], base_dims: tuple[Dim, ...]) -> tuple[int, ...] | None:
        """Element strides of the view, where they are numbers."""
        found = []
        for a in self.out:
            step = 1 if a is None or self.sel[a] is None else self.sel[a][2]
            if type(step) is not int:
                return None
            found.append(0 if a is None else base_strides[a] * step)
        return tuple(found)

    def after(self, other: Strided) -> Strided | None:
        """This path on a view that `other` made, as one path on other's base; None where it cannot be one."""
        sel = list(other.sel)
        for axis, mine in enumerate(self.sel):
            if mine is None:
                continue
            base = other.out[axis]
            if base is None:
                whole = type(mine) is tuple and type(mine[1]) is int and mine[1] == 1
                if type(mine) is tuple and not whole:
                    return None
                continue
            theirs = sel[base]
            if theirs is None:
                sel[base] = mine
            elif type(mine) is tuple:
                sel[base] = one_plus(theirs[0], mine[0], theirs[2]), mine[1], shapes.arith("mul", theirs[2], mine[2])
            else:
                sel[base] = one_plus(theirs[0], mine, theirs[2])
        return Strided(tuple(sel), tuple(None if a is None else other.out[a] for a in self.out))


def whole(rank: int) -> Strided:
    return Strided((None,) * rank, tuple(range(rank)))


class Reshaped:
    """The same elements in C order under other dims. `packed`: only what has no gaps is viewed (ravel), and not what has equal
    ones, too (reshape)."""

    __slots__ = ("packed", "to", "view_strides")

    def __init__(self, to: tuple[Dim, ...], view_strides: tuple[int, ...] | None = None, packed: bool = False):
        self.to, self.view_strides, self.packed = tuple(to), view_strides, packed

    def dims(self, base_dims: tuple[Dim, ...]) -> tuple[Dim, ...]:
        return self.to

    def read(self, x: Value) -> Value:
        return tracing.current().builder.reshape(x, self.to)

    def write(self, x: Value, v: Value) -> Value:
        return tracing.current().builder.reshape(v, x.type.dims)

    def strides(self, base_strides: tuple[int, ...], base_dims: tuple[Dim, ...]) -> tuple[int, ...] | None:
        return self.view_strides

    permuting = False


class Part:
    """The real or imaginary part of a complex array."""

    __slots__ = ("kind",)

    def __init__(self, kind: str):
        self.kind = kind

    def dims(self, base_dims: tuple[Dim, ...]) -> tuple[Dim, ...]:
        return base_dims

    def read(self, x: Value) -> Value:
        return tracing.current().builder(self.kind, x)

    def write(self, x: Value, v: Value) -> Value:
        builder = tracing.current().builder
        if self.kind == "real":
            return builder("complex", v, builder("imag", x))
        return builder("complex", builder("real", x), v)

    def strides(self, base_strides: tuple[int, ...], base_dims: tuple[Dim, ...]) -> Any:
        return tuple(2 * s for s in base_strides)

    permuting = False


class Diagonal:
    """np.diagonal: the axes a and b, offset by k, become the last axis. Read-only, as in NumPy."""

    __slots__ = ("a", "b", "k", "length")

    def __init__(self, a: int, b: int, k: int, length: Dim):
        self.a, self.b, self.k, self.length = a, b, k, length

    def dims(self, base_dims: tuple[Dim, ...]) -> tuple[Dim, ...]:
        return (*(d for axis, d in enumerate(base_dims) if axis not in (self.a, self.b)), self.length)

    def read(self, x: Value) -> Value:
        return diagonal(x, self.a, self.b, self.k, self.length)

    def write(self, x: Any, v: Value) -> NoReturn:
        fail(ShapeError, READ_ONLY)

    def strides(self, base_strides: tuple[int, ...], base_dims: tuple[Dim, ...]) -> Any:
        rest = [s for axis, s in enumerate(base_strides) if axis not in (self.a, self.b)]
        return (*rest, base_strides[self.a] + base_strides[self.b])

    permuting = False


class Spread:
    """np.broadcast_to: read-only."""

    __slots__ = ("to",)

    def __init__(self, to: tuple[Dim, ...]):
        self.to = tuple(to)

    def dims(self, base_dims: tuple[Dim, ...]) -> tuple[Dim, ...]:
        return self.to

    def read(self, x: Value) -> Value:
        return shapes.expand(x, self.to)

    def write(self, x: Any, v: Value) -> NoReturn:
        fail(ShapeError, READ_ONLY)

    def strides(self, base_strides: tuple[int, ...], base_dims: tuple[Dim, ...]) -> tuple[int, ...]:
        pad = len(self.to) - len(base_dims)
        return (0,) * pad + tuple(0 if d == 1 else s for s, d in zip(base_strides, base_dims))

    permuting = False


class Gathered:
    """Constant positions of a base of one axis: an array from outside whose strides no other path has. Read-only."""

    __slots__ = ("at",)

    def __init__(self, at: Value):
        self.at = at

    def dims(self, base_dims: tuple[Dim, ...]) -> tuple[Dim, ...]:
        return self.at.type.dims

    def read(self, x: Const) -> Value:
        return tracing.current().builder("gather", x, self.at, axes=(0,), at=0)

    def write(self, x: Any, v: Value) -> NoReturn:
        fail(ShapeError, READ_ONLY)

    def strides(self, base_strides: tuple[int, ...], base_dims: tuple[Dim, ...]) -> None:
        return None

    permuting = True


class Windows:
    """sliding_window_view: along each of `axes` the positions of a window, and the windows' own axes last. Read-only."""

    __slots__ = ("axes", "sizes")

    def __init__(self, axes: tuple, sizes: tuple[Dim, ...]):
        self.axes, self.sizes = axes, sizes

    def dims(self, base_dims: tuple[Dim, ...]) -> Any:
        found = list(base_dims)
        for axis, size in zip(self.axes, self.sizes):
            found[axis] = shapes.arith("sub", found[axis], shapes.arith("sub", size, 1))
        return (*found, *self.sizes)

    def read(self, x: Any) -> Any:
        builder = tracing.current().builder
        rank = x.type.rank
        for axis, size in zip(self.axes, self.sizes):
            n = shapes.arith("sub", x.type.dims[axis], shapes.arith("sub", size, 1))
            starts = builder.reshape(builder("iota", builder.index(n), dtype=INDEX), (n, 1))
            steps = builder("iota", builder.index(size), dtype=INDEX)
            at = builder("add", shapes.expand(starts, (n, size)), shapes.expand(steps, (n, size)))
            x = builder("gather", x, at, axes=(axis,), at=axis)
            x = builder.transpose(x, (*(k for k in range(x.type.rank) if k != axis + 1), axis + 1))
        assert x.type.rank == rank + len(self.axes)
        return x

    def write(self, x: Any, v: Value) -> NoReturn:
        fail(ShapeError, READ_ONLY)

    def strides(self, base_strides: tuple[int, ...], base_dims: tuple[Dim, ...]) -> Any:
        return (*base_strides, *(base_strides[axis] for axis in self.axes))

    permuting = True


class Restrided:
    """as_strided: element (i_0, i_1, …) is number sum_k i_k steps_k of the base's elements in C order; `memory`: their steps in
    memory. Not written through, as elements may meet: what a write leaves there depends on NumPy's order."""

    __slots__ = ("memory", "steps", "to")

    def __init__(self, to: tuple[Dim, ...], steps: tuple[Dim, ...], memory: tuple[Dim, ...]):
        self.to, self.steps, self.memory = to, steps, memory

    def dims(self, base_dims: tuple[Dim, ...]) -> tuple[Dim, ...]:
        return self.to

    def read(self, x: Value) -> Value:
        builder = tracing.current().builder
        to = self.to or (1,)
        at = shapes.expand(builder.index(0), to)
        for axis, (n, step) in enumerate(zip(self.to, self.steps)):
            if not ((type(n) is int and n <= 1) or (type(step) is int and not step)):
                move = builder("mul", builder("iota", builder.index(n), dtype=INDEX), shapes.expand(builder.index(step), (n,)))
                row = builder.reshape(move, tuple(n if k == axis else 1 for k in range(len(to))))
                at = builder("add", at, shapes.expand(row, to))
        flat = builder.reshape(x, (shapes.product(x.type.dims),))
        return builder.reshape(builder("gather", flat, at, axes=(0,), at=0), self.to)

    def write(self, x: Any, v: Value) -> None:
        fail(UnsupportedError, "an array made by as_strided cannot be written to in compiled code",
             "write to the array that it was made of")

    def strides(self, base_strides: tuple[int, ...], base_dims: tuple[Dim, ...]) -> tuple[int, ...] | None:
        steps = tuple(s for s in self.memory if type(s) is int)
        return steps if len(steps) == len(self.memory) else None

    permuting = True


def diagonal(x: Value, a: int, b: int, k: int, length: Dim) -> Value:
    """x's diagonal along two axes as the last axis: a gather by (i + max(-k, 0), i + max(k, 0))."""
    builder = tracing.current().builder
    i = builder("iota", builder.index(length), dtype=INDEX)
    rows = i if k >= 0 else builder("add", i, builder.index(-k))
    columns = i if k <= 0 else builder("add", i, builder.index(k))
    if a > b:
        a, b, rows, columns = b, a, columns, rows
    return builder("gather", x, rows, columns, axes=(a, b), at=x.type.rank - 2)


UNKNOWN: tuple = ("unknown",)       # for strides: in another order than C, as lengths decide that only run time knows


def c_strides(dims: tuple[Dim, ...]) -> tuple | None:
    """Element strides of a C-contiguous array, where its dims are numbers: none of an empty one."""
    if not all(type(d) is int for d in dims):
        return None
    return steps_in(range(len(dims) - 1, -1, -1), dims)


def steps_in(order: Iterable[int], dims: Sequence[Any]) -> tuple[int, ...]:
    """Element strides of an array without gaps, of which the axes lie in this order, the fastest first."""
    found, step = [0] * len(dims), 1
    for axis in order:
        found[axis] = step
        step *= dims[axis]
    return tuple(found) if step else (0,) * len(dims)


READS = (Diagonal, Spread, Gathered, Windows)        # paths that cannot be written through
PATHS = (Strided, Reshaped, Part, Diagonal, Spread, Gathered, Windows, Restrided)


def contiguous(dims: tuple[Dim, ...], strides: tuple[int, ...]) -> bool | None:
    """Whether an array of these dims and strides is C-contiguous: axes of length 1 do not count, an empty array is. None where
    that depends on lengths that only run time knows."""
    step: int | None = 1
    for d, s in zip(reversed(dims), reversed(strides)):
        if type(d) is int and d == 0:
            return True
        if d != 1 and s != step:
            return True if 0 in dims else False if all(type(d) is int for d in dims) else None
        step = step * d if type(d) is int and step is not None else None
    return True


def reshaped_strides(dims: tuple[int, ...], strides: tuple[int, ...], to: Any) -> tuple | None:
    """Strides under which an array of `dims` and `strides` can be seen as `to`, or None where NumPy copies.

    Axes of length 1 do not count. The rest is cut into the smallest groups of old and new axes with equal products; within a
    group the old axes must follow each other in memory: stride[k] == dim[k+1] * stride[k+1].
    """
    if 0 in dims:
        return c_strides(to)
    old = [(d, s) for d, s in zip(dims, strides) if d != 1]
    found: list[int] = []
    i = j = 0
    while i < len(old) and j < len(to):
        first, first_new, have, want = i, j, old[i][0], to[j]
        while have != want:
            if have < want:
                i += 1
                have *= old[i][0]
            else:
                j += 1
                want *= to[j]
        if any(old[k][1] != old[k + 1][0] * old[k + 1][1] for k in range(first, i)):
            return None
        step, group = old[i][1], []
        for d in reversed(to[first_new:j + 1]):
            group.append(step)
            step *= d
        found += reversed(group)
        i, j = i + 1, j + 1
    last = found[-1] if found else 1
    return tuple(found) + (last,) * (len(to) - len(found))


def squeezed(dims: tuple[Dim, ...], to: tuple[Dim, ...]) -> tuple | None:
    """The `out` of a Strided path, where `to` is `dims` with axes of length 1 put in or taken out; else None."""
    real = [(axis, d) for axis, d in enumerate(dims) if not (type(d) is int and d == 1)]
    out: list[int | None] = []
    taken = 0
    for d in to:
        if type(d) is int and d == 1:
            out.append(None)
        elif taken < len(real) and shapes.same(real[taken][1], d):
            out.append(real[taken][0])
            taken += 1
        else:
            return None
    return tuple(out) if taken == len(real) else None


def stand_in(dims: Sequence[Dim], strides: Sequence[int]) -> np.ndarray:
    """An array, which must not be read, with every longer axis cut to 2 and strides in the same order."""
    rank = {s: 8 * 4 ** k for k, s in enumerate(sorted({abs(s) for s in strides} - {0}))} | {0: 0}
    return np.lib.stride_tricks.as_strided(np.zeros(1), tuple(1 if d == 1 else 2 for d in dims),
                                           tuple(rank[abs(s)] * (-1 if s < 0 else 1) for s in strides), writeable=False)


def memory_order(operands: Any, dims: Sequence[Dim]) -> list[int]:
    """The axes of a new array computed from these (dims, strides), in which NumPy's loops go through them, the fastest first.

    NumPy's own iterator decides, on stand-ins with every longer axis cut to 2 and the strides in the same order.
    """
    small = tuple(1 if d == 1 else 2 for d in dims)
    stand_ins = [stand_in(own, [abs(s) for s in strides]) for own, strides in operands]
    flags: list[list[Any]] = [["readonly"]] * len(stand_ins) + [["writeonly", "allocate"]]
    with np.nditer([*stand_ins, None], op_flags=flags, itershape=small) as iterator:
        strides = iterator.operands[-1].strides
    return sorted(range(len(dims)), key=lambda axis: (strides[axis], small[axis]))


def ufunc_strides(operands: Any, dims: Any) -> tuple[int, ...]:
    """The element strides that NumPy gives a new array computed from these (dims, strides): "K" order."""
    return steps_in(memory_order(operands, dims), dims)


def copy_strides(dims: Any, strides: Sequence[int]) -> tuple[int, ...]:
    """Those of a copy in "K" order, which does not ask the iterator: an axis of stride 0 is the fastest there."""
    return steps_in(sorted(range(len(dims)), key=lambda axis: (abs(strides[axis]), -axis)), dims)
