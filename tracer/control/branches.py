"""Branches: `if`, conditional expressions, `and`, `or`, `not` on conditions that are known now or only at run time.

A condition that Python knows runs one branch as Python. A traced one traces both, each from the state before, and
joins them: a name, an item or an array that the two leave differently becomes a result of an `if` op.

    if c: a[0] = 1; s = 2           %s, %a' = if %c then { %1 = update %a, 1, 0; yield 2, %1 }
    else: s = 3                                  else { yield 3, %a }

A branch that raises is an `if` without results before the other branch, which then stands outside of it.
"""
from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ...ir.build import const
from ...ir.core import Block, Value
from ...ir.types import BOOL
from .. import tracing
from ..regions import escapes, exceptions, failed_writes, if_join, leaf_types, list_scan_outputs, region_tracing
from ..values import boxes, captured_arrays, captured_values, unrepeatable
from ..values.boxes import ArrayBox, Box, ScalarBox
from ..values.python import exception_parts, format_strings, optional_values
from ..values.python.chosen_texts import ChosenText
from . import packed_lists

if TYPE_CHECKING:
    from ..tracing import Trace

AMBIGUOUS = "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"


def truth(x: Any) -> bool | Value:
    """Whether x counts as true: a Python bool where that is known now, else a bool value."""
    if x is True or x is False:
        return x
    x = captured_arrays.seen(x)
    if type(x) in optional_values.KINDS:
        return truth(either(boxed(x.flag), lambda: boxed(truth(x.held)), lambda: False))
    if not isinstance(x, Box):
        return _plain_truth(x)
    found = x.read()
    if found.type.dims:
        size = 1
        for d in found.type.dims:
            size = size * d if type(d) is int else None
            if size is None:
                break
        if size != 1:
            raise ValueError(AMBIGUOUS if size is None or size > 1 else
                             "The truth value of an empty array is ambiguous. Use `array.size > 0` to check that an array "
                             "is not empty.")
        found = tracing.current().builder.reshape(found, ())
    number = tracing.constant(found)
    if number is not None:
        return bool(number)
    if found.type.dtype is BOOL:
        return found
    return tracing.current().builder("ne", found, const(0, found.type.dtype))


def _plain_truth(x: Any) -> bool | Value:
    if isinstance(x, (leaf_types.Undefined, leaf_types.MaybeUndefined)):
        return truth(leaf_types.value(x))
    if type(x) is list and (trace := tracing.active()) is not None:
        list_scan_outputs.read(trace, x)
    captured_values.handed_over(x)
    own = type(x).__module__ != "builtins" and any("__bool__" in vars(c) for c in type(x).__mro__)      # not the metaclass's
    found = x.__bool__() if own else bool(x)
    return truth(found) if isinstance(found, Box) else bool(found)


def as_bool(flag: bool | Value) -> Value:
    return flag if isinstance(flag, Value) else const(flag, BOOL)


@overload
def negate(flag: Value) -> Value: ...
@overload
def negate(flag: bool | Value) -> bool | Value: ...
def negate(flag: bool | Value) -> bool | Value:
    """`not flag`, on truths."""
    if not isinstance(flag, Value):
        return not flag
    if flag.op is not None and flag.op.name == "not":
        return flag.op.operands[0]
    return tracing.current().builder("not", flag)


def boxed(flag: bool | Value) -> bool | ScalarBox:
    return ScalarBox(flag, "bool") if isinstance(flag, Value) else flag


def not_(x: int | ScalarBox) -> bool | ScalarBox:
    return boxed(negate(truth(x)))


# --- statements and expressions ---------------------------------------------------------------------------------------

def if_(test: Any, then: Callable, other: Callable | None, get: Callable | None, put: Callable | None,
        names: tuple[str, ...], anew: tuple[int, ...] = ()) -> None:
    """The statement. get and put read and write the names that it may leave changed; of those at the places `anew` nobody needs
    the value from before."""
    flag = truth(test)
    doubtful = bool(anew) and (trace := tracing.active()) is not None and bool(trace.targets)
    if doubtful and get is not None and put is not None:                # what they hold may be of another region
        put(tuple([leaf_types.Undefined(names[k].lstrip("-+")) if k in anew else x for k, x in enumerate(get())]))
    if flag is True:
        then()
    elif flag is False:
        if other is not None:
            other()
    else:
        stage(flag, then, other or _nothing, get, put, names)
    if doubtful and get is not None and put is not None:                # whoever reads them comes by an assignment
        put(tuple([x.held if k in anew and type(x) is leaf_types.MaybeUndefined else x for k, x in enumerate(get())]))


def _nothing(*_: Any) -> None:
    return None


def either(test: int | ScalarBox, then: Callable, other: Callable) -> Any:
    """`then() if test else other()`."""
    flag = truth(test)
    if not isinstance(flag, Value):
        return then() if flag else other()
    get, put, names = binding(then, other)
    return stage(flag, then, other, get, put, names, "the conditional expression")


def and_(first: int | ScalarBox, *rest: Callable) -> Any:
    """`first and …`: the first that is false, else the last."""
    for k, thunk in enumerate(rest):
        flag = truth(first)
        if flag is False:
            return first
        if flag is not True:
            get, put, names = binding(*rest[k:])
            return stage(flag, lambda k=k, thunk=thunk: and_(thunk(), *rest[k + 1:]), lambda first=first: first,
                         get, put, names, "`and`", lazy=True)
        first = thunk()
    return first


def or_(first: int | ScalarBox, *rest: Callable) -> Any:
    """`first or …`: the first that is true, else the last."""
    for k, thunk in enumerate(rest):
        flag = truth(first)
        if flag is True:
            return first
        if flag is not False:
            get, put, names = binding(*rest[k:])
            return stage(flag, lambda first=first: first, lambda k=k, thunk=thunk: or_(thunk(), *rest[k + 1:]),
                         get, put, names, "`or`", lazy=True)
        first = thunk()
    return first


def and_truth(first: Any, *rest: Any) -> Any:
    """`first and …` in a condition."""
    return and_(boxed(truth(first)), *map(_truth_of, rest))


def or_truth(first: Any, *rest: Any) -> Any:
    """`first or …` in a condition."""
    return or_(boxed(truth(first)), *map(_truth_of, rest))


def _truth_of(thunk: Callable) -> Any:
    if type(thunk) is Binds:
        return Binds(lambda: boxed(truth(thunk())), thunk.get, thunk.put, thunk.names)
    return lambda: boxed(truth(thunk()))


class Binds:
    """An operand that binds names by `:=`: what evaluates it, and what reads and writes the names."""

    __slots__ = ("get", "names", "put", "thunk")

    def __init__(self, thunk: Callable, get: Callable | None, put: Callable | None, names: tuple[str, ...]):
        self.thunk, self.get, self.put, self.names = thunk, get, put, names

    def __call__(self) -> ScalarBox:
        return self.thunk()


def binding(*thunks: Callable) -> tuple[Callable | None, Callable | None, tuple[str, ...]]:
    """(get, put, names) of all the names that operands bind."""
    found = [(t.get, t.put, t.names) for t in thunks if type(t) is Binds and t.names and t.get and t.put]
    if len(found) < 2:
        return found[0] if found else (None, None, ())

    def put(values: tuple[Value, ...]) -> None:
        values = iter(values)
        for _, put_own, names in found:
            put_own(tuple(next(values) for _ in names))

    return lambda: tuple(v for get, _, _ in found for v in get()), put, tuple(n for _, _, names in found for n in names)


TOLD: list = []                # told(trace, dict or set, name, args) before it is used (sequences/table_making.py)


def tell(held: Any, name: str, *args: Any) -> tuple | None:
    """A dict or set of Python is about to be used, perhaps with a key that only run time knows: then (what that gives,)."""
    for told in TOLD if isinstance(held, (dict, set, frozenset)) else ():
        if (trace := tracing.active()) is not None and (found := told(trace, held, name, args)) is not None:
            return found
    return None


def in_(x: Any, items: Any) -> Any:
    """`x in items`: for traced numbers, whether any element is equal."""
    if type(items) is list and (trace := tracing.active()) is not None:
        list_scan_outputs.read(trace, items)
    unrepeatable.expect_no_environment(items)
    unrepeatable.expect_not_consumed(items)
    captured_values.compared(x, *(items if isinstance(items, (list, tuple)) else ()))
    traced = isinstance(x, (Box, ChosenText))
    if traced:
        captured_values.whole(items)
    else:
        captured_values.presence(items, x)
    captured_values.asked("__contains__", items)
    captured_values.asked("__eq__", x, *(items if isinstance(items, (list, tuple, set, frozenset)) else ()))
    if hasattr(type(items), "__tracegrad_contains__"):
        return items.__tracegrad_contains__(x)
    tell(items, "__contains__", x)
    for told in CONTAINS:
        if (found := told(x, items)) is not None:
            return found
    if isinstance(items, packed_lists.ListValue) and items.structured:
        return packed_lists.CONTAINS[0](items, x)
    items = items.array() if isinstance(items, packed_lists.ListValue) else captured_arrays.seen(items)
    if isinstance(items, ArrayBox) or (isinstance(x, Box) and isinstance(items, (np.ndarray, range))):
        found = np.any(boxes.lift(np.asarray(items) if isinstance(items, range) else items) == x)
        return ScalarBox(found.read(), "bool") if isinstance(found, Box) else bool(found)
    if isinstance(items, (list, tuple, set, frozenset)) and (traced or any(isinstance(v, Box) for v in items)):
        found = False
        for v in items:
            if v is x:
                return True
            found = or_(found, lambda v=v: v == x)
        return boxed(truth(found))
    if traced and isinstance(items, dict):
        return in_(x, list(items))
    return x in items


def not_in(x: Any, items: Any) -> Any:
    return not_(in_(x, items))


CONTAINS: list[Callable] = []   # asked (x, items) before `x in items` (control/other_names.py)
AT_END: list[Callable] = []     # told(branch, get, put, names, what): runs a branch (sequences/joined_lists.py)

# --- tracing both branches --------------------------------------------------------------------------------------------

def stage(flag: Value, then: Callable, other: Callable, get: Callable | None, put: Callable | None, names: tuple[str, ...],
          what: str = "", lazy: bool = False) -> Any:
    """Trace both branches and join them; gives the joined value of what they return."""
    trace = tracing.current()
    for told in AT_END:
        then, other = (functools.partial(told, branch, get, put, names, what) for branch in (then, other))
    before = get() if get else ()
    yes = escapes.run(trace, region_tracing.Branch(Block(), flag), then, get, put, before, names=names)
    if yes.raised is not None:
        return _one_raises(trace, flag, yes, other)
    no = escapes.run(trace, region_tracing.Branch(Block(), flag), other, get, put, before, names=names)
    if no.raised is not None:
        return _one_raises(trace, negate(flag), no, then)
    found = if_join.joined(trace, flag, yes, no, put, names, before, what, lazy)
    escapes.resume(trace)
    return found


def _one_raises(trace: Trace, flag: Value, raising: region_tracing.Outcome, other: Callable) -> Any:
    """`if flag: …; raise` and then the other branch, as part of what surrounds it."""
    raising.block.yields = ()
    empty = Block()
    trace.builder.emit("if", flag, regions=(raising.block, empty))
    return other()


def assert_(test: Any, message: Any = None) -> None:
    """The statement: checked now, or at run time."""
    flag = truth(test)
    if flag is True:
        return
    if flag is False:
        raise raise_(lambda: AssertionError(message()) if message else AssertionError())
    said, values = exception_parts.parts_of(AssertionError(message()) if message else AssertionError())
    failed_writes.check(tracing.current(), flag, values, "AssertionError", said)


def _says_later(error: Any) -> bool:
    """Whether an exception's message has traced values in it."""
    return isinstance(error, BaseException) and any(isinstance(x, (Box, format_strings.Text)) for x in error.args)


def raise_(made: Callable | None = None, cause: Callable | None = None) -> BaseException:
    """The exception that a `raise` raises; where only run time knows whether it is reached, it becomes a failing check."""
    error: Any = made() if made else None
    if isinstance(error, type) and issubclass(error, BaseException):
        error = error()
    trace = tracing.active()
    if error is None and trace is not None and trace.handled:
        exceptions.raise_again(trace, trace.handled[-1])
    if error is not None and trace is not None and (target := exceptions.catching(trace, type(error))) is not None:
        error.__cause__ = cause() if cause is not None else None
        exceptions.throw(trace, target, lambda: exceptions.record_of(error))
    if trace is None or not (_says_later(error) or failed_writes.comes_late(trace)):
        if error is None:
            error = sys.exc_info()[1] or RuntimeError("No active exception to reraise")
        if cause is not None:
            error.__cause__ = cause()
        return error
    return region_tracing.fail(trace, error)
