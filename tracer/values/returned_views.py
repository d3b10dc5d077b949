"""Views of arguments that a function returns, as NumPy makes them: `return x[1:].T` shares the memory of the caller's x.

A path of the trace (views.py) becomes a step that NumPy takes on the array that the caller passed, whatever its layout:

    Strided(sel, out)   y[start:stop:step, …].transpose(…)[:, None]        Reshaped(to)   y.reshape(to), y.ravel()
    Part(kind)          y.real, y.imag                                     Diagonal       y.diagonal(k, a, b)
    Spread(to)          np.broadcast_to(y, to)                             Windows        sliding_window_view(y, sizes, axes)

Numbers that only run time knows (`x[:n]`) are results of the program, beside which the array comes.
"""
from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...ir.core import Value
from . import views
from .boxes import ArrayBox

if TYPE_CHECKING:
    from ...ir.types import Dim


class Number(NamedTuple):
    """The number of this position among those that come with the array."""

    position: int


class ReturnedView(NamedTuple):
    """leaf: the argument;  steps: (prepare, operands), numbers in the operands by their places;  numbers: the results of the
    program that they are. prepare(*operands) -> what takes the step: a list of functions of an array."""

    leaf: int
    steps: tuple[tuple[Callable, tuple], ...]
    numbers: tuple[int, ...]

    def maker(self) -> Callable:
        """The function of the array and the numbers that makes the view: NumPy's own where it is one step that is known."""
        known = [(prepare(*operands) if not _open(operands) else None, prepare, operands) for prepare, operands in self.steps]
        if len(known) == 1 and known[0][0] is not None and len(known[0][0]) == 1:
            return known[0][0][0]

        def make(array: np.ndarray, *numbers: int) -> np.ndarray:
            for ready, prepare, operands in known:
                for take in prepare(*_filled(operands, numbers)) if ready is None else ready:
                    array = take(array)
            return array

        return make


def _open(x: int | Number | tuple[int | Number | tuple, ...]) -> bool:
    return type(x) is Number or (type(x) is tuple and any(map(_open, x)))


def _filled(x: Any, numbers: tuple[int, ...]) -> Any:
    """The operands of a step, a tree of tuples, with the numbers at their places."""
    if type(x) is Number:
        return numbers[x.position]
    return tuple([_filled(part, numbers) for part in x]) if type(x) is tuple else x


def path_of(box: ArrayBox, leaf: int, result: Callable[[Value], int]) -> ReturnedView | None:
    """How `box` lies in the argument that its root is; None where no step says it. `result` makes a number a result."""
    paths: list = []
    while box.base is not None:
        paths.append(box.path)
        box = box.base
    if any(type(path) not in _STEPS for path in paths):
        return None
    numbers: list[Value] = []

    def named(x: Dim | tuple[Dim | tuple[Dim | tuple, ...], ...]) -> Any:
        if isinstance(x, Value):
            numbers.append(x)
            return Number(len(numbers) - 1)
        return tuple([named(part) for part in x]) if type(x) is tuple else x

    steps = []
    for path in reversed(paths):
        prepare, operands = _STEPS[type(path)]
        steps.append((prepare, named(operands(path))))
    return ReturnedView(leaf, tuple(steps), tuple(map(result, numbers)))


def _strided(sel: tuple, out: tuple) -> list[Callable]:
    """An index, then the order of axes. Axes that no axis of the view runs along have one element that counts."""
    real = [axis for axis in out if axis is not None]
    order = sorted(real)
    takes: list[Callable] = []
    entries = [_part(s) if axis in real else s[0] if type(s) is tuple else s or 0 for axis, s in enumerate(sel)]
    if order == real:
        for place, axis in enumerate(out):                       # new axes, before the next old one or at the end
            if axis is None:
                following = next((a for a in out[place:] if a is not None), len(sel))
                entries.insert(following + out[:place].count(None), None)
        return [operator.itemgetter((*entries, ...))]
    if entries != [slice(None)] * len(sel):
        takes.append(operator.itemgetter((*entries, ...)))
    takes.append(operator.methodcaller("transpose", tuple(map(order.index, real))))
    if None in out:
        takes.append(operator.itemgetter(tuple(None if axis is None else slice(None) for axis in out)))
    return takes


def _part(s: tuple[int, ...] | None) -> slice:
    """The elements start, start + step … of which there are `length`."""
    if s is None:
        return slice(None)
    start, length, step = s
    if length <= 0:
        return slice(0, 0)
    stop = start + length * step
    return slice(start, stop if stop >= 0 else None, step)


def _windows(sizes: tuple, axes: tuple) -> list[Callable]:
    return [lambda y: np.lib.stride_tricks.sliding_window_view(y, sizes, axes)]


_STEPS: dict[type, tuple[Callable[..., list[Callable]], Callable[[Any], tuple]]] = {
    views.Strided: (_strided, lambda p: (p.sel, p.out)),
    views.Reshaped: (lambda to, packed: [operator.methodcaller("ravel") if packed else operator.methodcaller("reshape", to)],
                     lambda p: (p.to, p.packed)),
    views.Part: (lambda kind: [operator.attrgetter(kind)], lambda p: (p.kind,)),
    views.Diagonal: (lambda *where: [operator.methodcaller("diagonal", *where)], lambda p: (p.k, p.a, p.b)),
    views.Spread: (lambda to: [lambda y: np.broadcast_to(y, to)], lambda p: (p.to,)),
    views.Windows: (_windows, lambda p: (p.sizes, p.axes)),
}
