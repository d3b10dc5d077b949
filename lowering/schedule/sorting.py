"""sort and argsort along an axis, in NumPy's order (NaN last): by NumPy's own functions on a contiguous lane
(libraries/numpy_sort.py).

Where this NumPy does not have them, a stable bottom-up merge sort:

    width = 1; while width < n { for each pair of runs of that width: merge keys into others; swap keys, others; width *= 2 }
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.types import BOOL, INDEX, Dim, Type
from ..libraries import numpy_sort
from ..loopir.cursor import operand
from ..loopir.grammar import At, Buffer, Lib, Load, Scalar, Size, Swap, While
from .axis_kernels import LaneTask
from .index_rules import sorts_before

if TYPE_CHECKING:
    from ..build.loop_builder import Nester


class SortTask(LaneTask):
    """Sorts each lane: in the result's memory where it is contiguous there, else in a temporary."""

    __slots__ = ()
    serial = True

    def body(self, g: Nester, index: tuple[Size, ...]) -> None:
        if self.length(g) == 0:
            return
        kind, dtype = self.op.defn.name, self.op.operands[0].type.dtype
        if kind == "argsort" and self.op.attrs["kind"] == "quicksort":
            kind = "argsort_quick"
        if not numpy_sort.usable(kind, dtype):
            self._merged(g, index)
            return
        n, dim = self.length(g), self.op.operands[0].type.dims[self.axis]
        lane = self._lane(g, index, dim)
        if kind == "sort":
            self._load(g, index, lane)
            g.write(Lib("sort", (_address(lane, 0), n)))
        else:
            keys = At(g.temporary(Type(dtype, (dim,)), kind="heap").buffer, (0,))
            self._load(g, index, keys)
            with g.loop(n) as i:
                g.store(lane.buffer, _along(lane, i), operand(i))
            g.write(Lib(kind, (_address(lane, 0), _address(keys, 0), n)))
        if lane.buffer is not g.memory(self.value).buffer:
            with g.loop(n) as i:
                g.store_value(self.value, self.full(index, i), g.load(lane.buffer, (i,), g.depth))

    def _lane(self, g: Nester, index: tuple[Size, ...], dim: Dim) -> At:
        """Where the lane is sorted; the last index is that along it."""
        place = g.memory(self.value)
        if self.axis == self.value.type.rank - 1:
            return At(place.buffer, (*place.prefix, *index, 0))
        return At(g.temporary(Type(self.value.type.dtype, (dim,)), kind="heap").buffer, (0,))

    def _load(self, g: Nester, index: Any, lane: At) -> None:
        x = self.op.operands[0]
        with g.loop(self.length(g)) as i:
            g.store(lane.buffer, _along(lane, i), g.value_at(x, self.full(index, i)))

    def _merged(self, g: Any, index: Any) -> None:
        x = self.op.operands[0]
        n, dim = self.length(g), x.type.dims[self.axis]
        runs = [self._pair(g, Type(x.type.dtype, (dim,)))]
        self._load(g, index, At(runs[0][0], (0,)))
        if self.op.defn.name == "argsort":
            runs.append(self._pair(g, Type(INDEX, (dim,))))
            with g.loop(n) as i:
                g.store(runs[1][0], (i,), operand(i))
        _merge_sort(g, runs, n)
        with g.loop(n) as i:
            g.store_value(self.value, self.full(index, i), g.load(runs[-1][0], (i,), g.depth))

    @staticmethod
    def _pair(g: Any, type: Type) -> tuple[Buffer, Buffer]:
        return g.temporary(type, kind="heap").buffer, g.temporary(type, kind="heap").buffer


def _along(lane: At, i: int | Scalar) -> tuple:
    return (*lane.index[:-1], i)


def _address(lane: At, i: int) -> At:
    return At(lane.buffer, _along(lane, i))


def _merge_sort(g: Any, runs: Any, n: Any) -> None:
    width = g.var(INDEX, "width")
    g.set(width, operand(1))
    with g.open() as head:
        more = g.let("lt", (g.get(width), operand(n)), BOOL, level=g.depth)
    with g.open() as body:
        w = g.get(width)
        double = _add(g, w, w)
        pairs = g.let("floordiv", (g.let("sub", (_add(g, operand(n), double), operand(1)), INDEX), double), INDEX)
        with g.loop(pairs) as p:
            low = g.let("mul", (p, double), INDEX)
            middle = g.let("min", (_add(g, low, w), operand(n)), INDEX)
            high = g.let("min", (_add(g, low, double), operand(n)), INDEX)
            _merge(g, runs, low, middle, high)
        for a, b in runs:
            g.write(Swap(a, b))
        g.set(width, double)
    g.write(While(head, more, body))


def _add(g: Any, a: Any, b: Any) -> Any:
    return g.let("add", (a, b), INDEX)


def _merge(g: Any, runs: Any, low: Any, middle: Any, high: Any) -> None:
    """Merge [low, middle) and [middle, high): of equal keys the left one first."""
    left, right = g.var(INDEX, "left"), g.var(INDEX, "right")
    g.set(left, low)
    g.set(right, middle)
    keys = runs[0][0]
    with g.loop(g.let("sub", (high, low), INDEX)) as k:
        i, j = g.get(left), g.get(right)
        a = _load(g, keys, g.let("min", (i, g.let("sub", (middle, operand(1)), INDEX)), INDEX))
        b = _load(g, keys, g.let("min", (j, g.let("sub", (high, operand(1)), INDEX)), INDEX))
        in_right = g.let("lt", (j, high), BOOL)
        done = g.let("ge", (i, middle), BOOL)
        take = g.let("and", (in_right, g.let("or", (done, sorts_before(g, b, a, or_equal=False)), BOOL)), BOOL)
        target = _add(g, low, k)
        source = g.let("select", (take, j, i), INDEX)
        for now, other in runs:
            g.store(other, (target,), _load(g, now, source))
        one = g.let("cast", (take,), INDEX, {"dtype": INDEX})
        g.set(right, _add(g, j, one))
        g.set(left, g.let("sub", (_add(g, i, operand(1)), one), INDEX))


def _load(g: Any, buffer: Buffer, at: Any) -> Any:
    target = g.fresh(buffer.dtype)
    g.write(Load(target, buffer, (at,)))
    return target
