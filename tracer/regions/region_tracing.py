"""Tracing a region on a snapshot, and what two regions leave joined into results.

While a region is traced everything that it changes is logged in its scope (context.Scope); afterwards all of it is undone and
handed over as an `Outcome`. Whoever staged the region then puts results in place of what changed.

Aliases. A box that comes out of a join may be one of several arrays, as NumPy has it; as a value it is none of them. Such
boxes are kin: a write through one makes the others unreadable ("spoilt"), and whoever reads one is told to copy. So no program
silently gets a value that an alias would have changed.
"""
from __future__ import annotations

import builtins
import sys
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import CellType
from typing import Any, NoReturn

import numpy as np

from ...ir.core import Block, Value
from ...ir.errors import ArgumentError, TracegradError, UnsupportedError
from ...ir.ops.checks import error_class, own_class
from ...ir.types import BOOL_SCALAR
from .. import tracing
from ..syntax.trees.early_exit import VALUE
from ..tracing import Scope, Signal, Trace
from ..values import random_generators
from ..values.boxes import ArrayBox
from ..values.python import exception_parts
from . import failed_writes

MISSING = type("Missing", (), {"__repr__": lambda self: "missing"})()


class Raised(Signal):
    """A `raise` ended the region at hand; its check is emitted."""


class Mismatch(Exception):
    """Two values that cannot be joined. `place` says of what; `why` is an optional phrase."""

    def __init__(self, place: str, left: str, right: str, why: str = ""):
        super().__init__(place)
        self.place, self.left, self.right, self.why = place, left, right, why


# --- what a region changes --------------------------------------------------------------------------------------------

class Outcome:
    """What a traced region left. roots: id -> (root, before, after); items: id -> (place, before, after)."""

    __slots__ = ("block", "entered", "epoch", "fresh", "grown", "items", "names", "poisoned", "raised", "returned", "roots")

    def __init__(self, scope: Scope):
        self.block, self.epoch = scope.block, scope.epoch
        self.entered, self.fresh = scope.entered, scope.fresh
        self.names: tuple = ()
        self.returned: Any = None
        self.raised: Raised | None = None
        self.roots: dict[int, tuple] = {}
        self.items: dict[tuple, tuple] = {}
        self.poisoned: list[tuple] = []
        self.grown: dict[int, tuple] = {}

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Arrays as the region left them: for reading what its names hold."""
        for root, _, after in self.roots.values():
            root._value = after
        for box, _ in self.poisoned:
            box.__class__ = PoisonedBox
        try:
            yield
        finally:
            for box, _ in self.poisoned:
                box.__class__ = ArrayBox
            for root, before, _ in self.roots.values():
                root._value = before


class State:
    """An object of the tracer whose attributes regions hand on like names. `label`: what messages and carries call one."""

    def label(self, key: str) -> str:
        return f"<{key}>"


def Branch(block: Block, cond: Value) -> Scope:
    return Scope(block, "branch", None, cond)


def run(trace: Trace, scope: Scope, thunk: Callable, get: Callable | None, put: Callable | None, before: tuple, *args: Any,
        always: bool = False) -> Outcome:
    """Trace thunk(*args) into scope.block; on the way out everything is as it was before.

    An error that is certain while tracing ends the region like a `raise`, as run time may never come to it; `always`: it will.
    """
    outcome, growing, targets, rebound = Outcome(scope), dict(trace.growing), len(trace.targets), trace.rebound
    trace.scopes.append(scope)
    here = id(sys._getframe())
    tracing.AROUND[here] = {}
    try:
        with trace.builder.at(scope.block):
            try:
                outcome.returned = thunk(*args)
            except Raised as signal:
                outcome.raised = signal
            except CERTAIN as error:
                if always or scope.kind == "function" or not certain(trace, error):
                    raise
                outcome.raised = Raised()
            outcome.names = get() if get is not None else ()
            if trace.rebound is not rebound and outcome.raised is None:
                _expect_bound_as(trace, rebound)
            if scope.generators and outcome.raised is None:
                random_generators.DROP[0](trace, scope)
    finally:
        tracing.AROUND.pop(here, None)
        trace.end(trace.scopes.pop())
        trace.growing = growing
        del trace.targets[targets:]
        outcome.grown = {key: (*found, scope.loop) for key, found in (scope.grown or {}).items()}
        undo(scope, outcome)
        if put is not None:
            put(before)
    return outcome


def _expect_bound_as(trace: Trace, before: dict[tuple[int, str], Any]) -> None:
    """A region leaves global names as they were: whether it runs is known only at run time."""
    for key, now in (trace.rebound | before).items():
        there = [d[key].value if key in d else None for d in (before, trace.rebound)]
        if there[0] is not there[1]:
            raise now.error


def undo(scope: Scope, outcome: Outcome) -> None:
    """Put back what a region changed, and note it in its outcome."""
    for box, reason in scope.poisoned:
        box.__class__ = ArrayBox
        outcome.poisoned.append((box, reason))
    for key, (root, before) in scope.roots.items():
        outcome.roots[key] = root, before, root._value
        root._value = before
    for key, (*place, before) in scope.items.items():
        outcome.items[key] = tuple(place), before, peek(place)
        put_item(place, before)


def peek(place: Sequence) -> Any:
    """What an item or attribute holds."""
    held, attribute, key = place
    if attribute:
        return getattr(held, key, MISSING)
    try:
        return held[key]
    except (KeyError, IndexError):
        return MISSING


def put_item(place: Sequence, found: Any) -> None:
    held, attribute, key = place
    if found is MISSING:
        if attribute:
            object.__delattr__(held, key)
        else:
            del held[key]
    elif attribute:
        setattr(held, key, found)
    else:
        held[key] = found


def assign(trace: Trace | None, place: tuple[Any, bool, int | str], found: Any) -> None:
    """Store into an item or attribute of a Python object, noting it in the region at hand."""
    if trace is not None and trace.scopes:
        scope = trace.scopes[-1]
        held, attribute, key = place
        if len(trace.scopes) > 1 and id(held) not in scope.fresh:
            mark = id(held), attribute, key
            if mark not in scope.items:
                scope.items[mark] = (*place, peek(place))
    put_item(place, found)


def roots_of(*outcomes: Outcome) -> list:
    found = {}
    for outcome in outcomes:
        for key, (root, before, after) in outcome.roots.items():
            if after is not before:
                found[key] = root
    return list(found.values())


def items_of(*outcomes: Outcome) -> list:
    found = {}
    for outcome in outcomes:
        for key, (place, before, after) in outcome.items.items():
            if after is not before:
                found[key] = place
    return list(found.values())


def name_of(place: tuple[State | CellType, bool, str]) -> str:
    held, attribute, key = place
    if isinstance(held, State):
        return held.label(key)
    if isinstance(held, types.CellType):
        return tracing.current().cells[id(held)][1]
    return f"attribute `{key}` of a {type(held).__name__}" if attribute else f"item [{key!r}] of a {type(held).__name__}"


def quoted(what: str) -> str:
    if what.startswith(VALUE):
        return "the value returned" + what.removeprefix(VALUE)
    return what if " " in what or "`" in what else f"`{what}`"


# --- raising ----------------------------------------------------------------------------------------------------------

def fail(trace: Trace, error: BaseException) -> BaseException:
    """A `raise` that only run time reaches: a check that fails there. Ends the region."""
    cls = type(error)
    known = getattr(builtins, cls.__name__, None) is cls or cls is np.linalg.LinAlgError
    if not isinstance(error, Exception):
        if not failed_writes.comes_late(trace):
            return error                                      # all that remains of the function: let it be heard at once
        raise UnsupportedError(f"`raise` of {cls.__name__} under a condition that is decided at run time",
                               "raise an exception that is derived from Exception", tracing.locate())
    try:
        message, values = exception_parts.parts_of(error)
    except UnsupportedError:
        if not failed_writes.comes_late(trace):
            return error
        raise
    failed_writes.check(trace, trace.builder.const(False, BOOL_SCALAR.dtype), values,
                        cls.__name__ if known else own_class(type(error)), message)
    raise Raised


CERTAIN = (IndexError, KeyError, ValueError, ZeroDivisionError, OverflowError, UnboundLocalError, TypeError, AttributeError)
_ABOUT_NONE = (TypeError, AttributeError)                # other ones are about what the tracer can do


def certain(trace: Trace, error: Exception) -> bool:
    """Emit the check that raises, where it is reached, an error of the user's code that tracing found already:

        if c: a[9]        ->        if %c { check false {error="BoundsError", message="index 9 is out of bounds …"} }

    False for an error of another kind.
    """
    cls = type(error)
    if isinstance(error, _ABOUT_NONE) and (cls not in _ABOUT_NONE or "'NoneType'" not in str(error)):
        return False
    if trace.general:
        raise tracing.NeedLengths(str(error)) from error
    if isinstance(error, ArgumentError) or error_class(cls.__name__) is not cls:
        return False
    loc = getattr(error, "loc", ()) or (*tracing.locate()[:-1], *tracing.user_loc(error.__traceback__))
    values: Sequence[Value] = ()
    if cls is KeyError:
        message, values = exception_parts.parts_of(error)
    else:
        message = error.what if isinstance(error, TracegradError) else in_users_words(str(error))
        message = message.replace("{", "{{").replace("}", "}}")
    builder = trace.builder
    locate, builder.locate = builder.locate, lambda: loc
    try:
        failed_writes.check(trace, builder.const(False, BOOL_SCALAR.dtype), values, cls.__name__, message)
    finally:
        builder.locate = locate
    return True


def in_users_words(message: str) -> str:
    """A message of Python in which boxes go by the names of what they stand for."""
    return message.replace("'ArrayBox'", "'numpy.ndarray'").replace("'ScalarBox'", "'number'")


# --- aliases ----------------------------------------------------------------------------------------------------------

class PoisonedBox(ArrayBox):
    """An array that may have been written under another name."""

    __slots__ = ()

    def _refuse(self, *_: Any) -> NoReturn:
        expect_identities(tracing.current())
        raise UnsupportedError(
            "this array may have been overwritten through another name, and which of the two it is only run time knows",
            "make one of them a copy where the names part: `b = a.copy()`", tracing.locate())

    _value = property(_refuse, _refuse)


def expect_identities(trace: Trace) -> None:
    """Which array a name holds is needed: trace again with identities (regions/identity.py), or then with names that stand for
    arrays (regions/standings.py), if that has not been tried."""
    if not trace.standing:
        raise tracing.Restart(identities=1 if trace.clock is None else 2)


def link(trace: Trace, one: ArrayBox, other: ArrayBox, epoch: float = float("inf")) -> None:
    """From now on these two may be the same array; so may what the second may be, as far as it is older than `epoch`.

    What a loop's names hold in one iteration is told apart by the loop itself: `a` and `b` that trade two arrays are never the
    same.
    """
    one, other = one.root, other.root
    if one is other:
        return
    for may_alias in (other, *(r for r in relatives(trace, other) if r._epoch < epoch)):
        _connect(trace, one, may_alias)
        _connect(trace, may_alias, one)


def relatives(trace: Trace, root: Any) -> list:
    found = trace.may_alias.get(id(root))
    return [] if found is None else [r for ref in found[1] if (r := ref()) is not None]


def expect_told_apart(a: Any, b: Any) -> None:
    """`is` says nothing about arrays of which only run time knows whether they are one."""
    if (isinstance(a, ArrayBox) and isinstance(b, ArrayBox) and a is not b
            and any(r is b.root for r in relatives(tracing.current(), a.root))):
        raise UnsupportedError("whether these are one array only run time knows", "compare what decides it", tracing.locate())


def _connect(trace: Trace, a: ArrayBox, b: ArrayBox) -> None:
    found = trace.may_alias.get(id(a))
    if found is None:
        key, may_alias = id(a), trace.may_alias
        found = may_alias[key] = weakref.ref(a, lambda _: may_alias.pop(key, None)), []
    if a is not b and not any(ref() is b for ref in found[1]):
        found[1].append(weakref.ref(b))


def spoil_kin(trace: Trace, root: ArrayBox) -> None:
    """A write to `root`: whatever may be the same array cannot be read any more."""
    for other in relatives(trace, root):
        spoil(trace, other, "")


def spoil(trace: Trace, box: ArrayBox, reason: str) -> None:
    if type(box) is ArrayBox:
        box.__class__ = PoisonedBox
        trace.scopes[-1].poisoned.append((box, reason))


def merge_spoilt(trace: Trace, *outcomes: Outcome) -> None:
    for outcome in outcomes:
        for box, reason in outcome.poisoned:
            spoil(trace, box, reason)
