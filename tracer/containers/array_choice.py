"""xs[i] of arrays, where only run time knows i: one of them, and what is done with it is done with the one that it is.

    t = tables[k]                t = ArrayChoice(k, tables)
    t[0] = t.shape[1]            if k == 0: tables[0][0] = tables[0].shape[1]
                                 else:      tables[1][0] = tables[1].shape[1]
    f(t, x)                      f(tables[0], x) if k == 0 else f(tables[1], x)

The arrays may differ in their shapes: each case is traced by itself, and a choice stands for the array under all of its names,
so a write reaches it. In the eyes of regions a choice is a container of its number and its arrays.
"""
from __future__ import annotations

import contextlib
import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.build import const
from ...ir.errors import ConcretizationError, UnsupportedError
from ...ir.types import I64
from .. import pytrees, tracing
from ..calling import calls
from ..control import branches, iteration, other_names
from ..regions import leaf_types, standings
from ..roots import roots_of
from ..values import boxes, shapes
from ..values.boxes import METHODS, ArrayBox, Box, ScalarBox
from ..values.promotion import fail

if TYPE_CHECKING:
    from ..tracing import Trace

ROUNDS = 4               # a loop that takes each array so often at most is unrolled, where its length is known


class ArrayChoice(np.lib.mixins.NDArrayOperatorsMixin):
    """members[key], 0 <= key < len(members)."""

    __slots__ = ("key", "members")
    __hash__ = None         # type: ignore[assignment]      # how Python says that there is none
    shown = "choice of arrays"

    def __init__(self, key: ScalarBox, members: Any):
        key, members = _flattened(key, members)
        self.key, self.members = key, tuple(map(boxes.lift, members))

    def each(self, f: Callable) -> float | Box | tuple[int, ...] | None:
        """f(the array that it is)."""
        return switch(self.key, [functools.partial(f, m) for m in self.members])

    def __array_ufunc__(self, ufunc: Callable, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return over(getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Callable, kinds: Any, args: Any, kwargs: Any) -> Any:
        return over(function, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self.each(lambda m: m[key])

    def __setitem__(self, key: Any, value: Box) -> None:
        self.each(lambda m: operator.setitem(m, key, value))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in METHODS:
            return functools.partial(self.method, name)
        return self.each(lambda m: getattr(m, name))

    def method(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return over(lambda m, *args, **kwargs: getattr(m, name)(*args, **kwargs), (self, *args), kwargs)

    def __iter__(self) -> Any:
        return iter(Items(self))

    def __bool__(self) -> bool:
        return bool(self.__tracegrad_box__())

    def __tracegrad_box__(self) -> Box:
        """The array as a value: a copy."""
        return boxes.array(boxes.as_array(self.each(lambda m: boxes.array(m.read()))).read())

    def augmented(self, op: str, value: float) -> ArrayChoice:
        """self op= value"""
        over(getattr(operator, op), (self, value), {})
        return self


def _flattened(key: ScalarBox, members: Any) -> tuple[ScalarBox, Sequence]:
    """A choice of choices as one of all their arrays."""
    if not any(type(m) is ArrayChoice for m in members):
        return key, members
    flat: list = []
    places: list[Callable] = []
    for m in members:
        start = len(flat)
        flat += m.members if type(m) is ArrayChoice else [m]
        places.append((lambda m=m, start=start: m.key + start) if type(m) is ArrayChoice else lambda start=start: start)
    return ScalarBox(boxes.lift(switch(key, places)).read(), "int"), flat


def switch(key: ScalarBox, cases: list[Callable]) -> float | Box | tuple[int, ...] | None:
    """cases[key]()"""
    if len(cases) == 1:
        return cases[0]()
    half = len(cases) // 2
    first, rest = cases[:half], cases[half:]
    builder = tracing.current().builder
    below = ScalarBox(builder("lt", key.read(), const(half, I64)), "bool")
    shifted = ScalarBox(builder("sub", key.read(), const(half, I64)), "int") if len(rest) > 1 else key
    return branches.either(below, lambda: switch(key, first), lambda: switch(shifted, rest))


def over(f: Callable, args: Any, kwargs: dict) -> Any:
    """f(*args, **kwargs) with each array in the place of a choice; those of one number are the same case. A function that gives
    back the array that it was given gives back the choice: the arrays of a choice may be of several shapes."""
    args, kwargs = list(args), dict(kwargs)
    choices: list[ArrayChoice] = []
    _replace((args, kwargs), choices.append)
    if not choices:
        return f(*args, **kwargs)
    first = choices[0]
    alike = len({member.read().type for member in first.members}) == 1
    given_back: list[ArrayChoice | None] = []

    def case(k: int) -> float | Box | None:
        taken = _replace((args, kwargs), lambda c: c.members[k] if c.key.read() is first.key.read() else c)
        result = over(f, *taken)
        together = () if alike else [c for c in choices if c.key.read() is first.key.read()]
        same = next((c for c in together if result is c.members[k]), None)
        given_back.append(same)
        return result if same is None else None

    result = switch(first.key, [functools.partial(case, k) for k in range(len(first.members))])
    if all(c is None for c in given_back):
        return result
    if any(c is not given_back[0] for c in given_back):
        fail(UnsupportedError, "a function that is called with one of several arrays of different shapes gives that array back "
             "for some of them only", "let it write to the array and return None, or return something of one shape")
    return given_back[0]


def _replace(x: Any, function: Callable) -> Any:
    """x with function(choice) for each choice in it, in lists, tuples and dicts too."""
    if type(x) is ArrayChoice:
        return function(x)
    if type(x) in (list, tuple):
        return type(x)([_replace(v, function) for v in x]) if any(map(_holds, x)) else x
    if type(x) is dict:
        return {k: _replace(v, function) for k, v in x.items()} if any(map(_holds, x.values())) else x
    return x


def _holds(x: Any) -> bool:
    return type(x) is ArrayChoice or (type(x) in (list, tuple) and any(map(_holds, x))) or (
        type(x) is dict and any(map(_holds, x.values())))


def spread(f: Callable, args: tuple[str | ArrayChoice, ...], kwargs: dict) -> Any:
    """A call with a choice among its arguments; NotImplemented where it is handed on as it is, to be kept."""
    keeps = isinstance(f, type) and calls.BUILTINS.get(f) is None
    if keeps or isinstance(getattr(f, "__self__", None), (list, dict, set)):
        return NotImplemented
    return over(functools.partial(calls.call, f), args, kwargs)


# --- making -----------------------------------------------------------------------------------------------------------

def item_at(trace: Trace, held: Sequence, key: ScalarBox, opened: Callable) -> dict[str, ArrayChoice | ScalarBox] | ArrayChoice:
    """held[key] of a list or tuple of arrays, or of tuples or objects with arrays in them, which are `opened`; NotImplemented
    where the position must be known."""
    ask_loops(trace, key, ROUNDS * len(held))
    parts = [pytrees.flatten(x, opened) for x in held]
    structure = parts[0][1]
    columns = list(zip(*(leaves for leaves, _ in parts)))
    if any(s != structure for _, s in parts) or not all(map(_alike, columns)):
        return NotImplemented
    number = _position(trace, key, len(held), type(held).__name__)
    found = structure.unflatten([_chosen(number, column) for column in columns])
    other_names.one_of(trace, held, found, number, opened)
    return found


def ask_loops(trace: Trace, key: ScalarBox, most: float = math.inf) -> None:
    """Restarts the trace where short loops decide a position, so that they are written out. What an argument decides stays for
    run time: there would be a program for each of its values."""
    roots = roots_of(trace, key.read())
    if roots.leaves or roots.arrays or not all(type(loop.trip) is int and loop.trip <= most for loop in roots.loops):
        return
    with contextlib.suppress(ConcretizationError):
        tracing.need_concrete(key, "a Python index")


def _alike(column: tuple[float | ArrayBox, ...]) -> bool:
    kinds = [leaf_types.kind_of(x) for x in column]
    return None not in kinds and len({k.form for k in kinds if k is not None}) == 1


def _position(trace: Trace, key: ScalarBox, count: int, what: str) -> ScalarBox:
    """A position from the start, checked."""
    builder = trace.builder
    at = builder.expr(builder.cast(key.read(), I64))
    builder.emit("check", ((at >= -count) & (at < count)).value, error="IndexError", message=f"{what} index out of range")
    return ScalarBox((at < 0).select(at + count, at).value, "int")


def _chosen(number: ScalarBox, column: tuple[float | ArrayBox, ...]) -> Any:
    if all(x is column[0] for x in column):
        return column[0]
    kind = leaf_types.kind_of(column[0])
    if kind is not None and kind.form == "array":
        return ArrayChoice(number, column)
    return switch(number, [lambda x=x: x for x in column])


def settled(x: Box | tuple[Box, ...]) -> Box | tuple[Box, ...]:
    """What a function returns, with arrays in place of choices."""
    if type(x) is ArrayChoice:
        return x.__tracegrad_box__()
    kind = pytrees.kind_of(x)
    if kind is None or not any(isinstance(part, ArrayChoice) for part in pytrees.containers(x)):
        return x
    children, meta = kind.split(x)
    return kind.join(meta, [settled(c) for c in children])


# --- use --------------------------------------------------------------------------------------------------------------

class Items(iteration.Source):
    """A choice as what a loop runs over."""

    __slots__ = ("held",)

    def __init__(self, held: ArrayChoice):
        self.held = held
        count = held.each(lambda m: boxes.count(m.dims[0]))
        self.trip = count if type(count) is int else shapes.to_index(count)

    def at(self, k: Any) -> Any:
        return self.held[boxes.count(k)]


def _mapped(number: ScalarBox, places: list[int]) -> Any:
    """places[number]"""
    return switch(number, [lambda place=place: ScalarBox(const(place, I64), "int") for place in places])


standings.CHOICE.append((ArrayChoice, ArrayChoice, _mapped))
iteration.SOURCES[ArrayChoice] = Items
calls.SPREAD[ArrayChoice] = spread
pytrees.learn(ArrayChoice, pytrees.Kind("choice of arrays", lambda x: ([x.key, *x.members], None),
                                        lambda meta, c: ArrayChoice(c[0], c[1:]),
                                        lambda meta, n: [".<index>", *(f"[{k}]" for k in range(n - 1))]))
