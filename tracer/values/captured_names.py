"""The names that traced code reads which are no variables of the function: of modules, of functions around, of imports.

They are the roots of what is read outside (captured_values.py). Rewritten code asks here for each.
"""
from __future__ import annotations

import builtins
import importlib.util
import sys
from collections.abc import Callable
from types import CellType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ...ir.errors import UnsupportedError
from .. import tracing
from .captured_values import ABSENT, as_python, attribute, fixed, rooted

if TYPE_CHECKING:
    from ..tracing import Trace


def name(value: Any, key: str) -> Any:
    """A name that is no variable of the function or of those around: of its module, or a builtin one."""
    trace = tracing.active()
    if trace is None:
        return value
    space = sys._getframe(1).f_globals
    if fixed(space.get("__name__")):
        return value
    if key in space:
        return rooted(trace, "item", space, key, value, value)
    rooted(trace, "item", space, key, ABSENT, value)
    known = vars(builtins)
    return rooted(trace, "item", known, key, value, value) if known.get(key) is value else value


_FIRST = (None, False, ABSENT)
_TRACER = __package__.rpartition(".")[0] + "."


def bind_global(key: str, make: Callable) -> None:
    """`KEY = make()` of a global name that has no value yet: done by Python, now."""
    trace, space = tracing.active(), sys._getframe(1).f_globals
    if trace is None:
        space[key] = make()
        return
    if (id(space), key) in trace.rebound or not any(space.get(key, ABSENT) is x for x in _FIRST):
        _bind_again(trace, space, key, make())
        return
    if _may_not_run(trace):
        if space.get(key, ABSENT) is False:                           # a flag that is set for a while
            _bind_again(trace, space, key, make(), _CONDITION)
            return
        _refuse_binding(key, _CONDITION)
    if _holds_traced(make, {}):
        _refuse_binding(key, "it would be bound to what only run time knows")
    value = tracing.untraced(make)
    parts: dict = {}
    if _holds_traced(value, parts):
        _refuse_binding(key, "it would be bound to what only run time knows")
    own = [x for x in parts.values() if trace.maker(x) >= 0]
    for part in own:
        if not isinstance(part, (list, dict, set)):
            _refuse_binding(key, f"it would be bound to a {type(part).__name__} that the function has made, and may change")
        trace.outer[id(part)] = part                                  # from here on it is outside of the function
    before = space.get(key, ABSENT)
    if type(value) in _PLAIN:
        trace.memo[bind_global, id(space), key] = before
    if own or type(value) in _PLAIN:                                  # another trace makes another one
        trace.undo.append(lambda: space.pop(key, None) if before is ABSENT else space.update({key: before}))
    _keep(trace, space, key, value)


_CONDITION = "it would be bound under a condition that only run time knows"
_PLAIN = (bool, int, float, str)


def _may_not_run(trace: Trace) -> bool:
    """Whether only run time knows if what is traced now runs."""
    return any(s.cond is not None or (s.loop is not None and type(s.loop.trip) is not int) for s in trace.scopes)


def _keep(trace: Trace, space: dict, key: str, value: Any) -> None:
    """The name has that value from now on, in later calls, too."""
    space[key] = value
    trace.reads.pop((("item", id(space), key),), None)
    rooted(trace, "item", space, key, value, value)


class Rebound(NamedTuple):
    """A global name that has another value than the first one, and why it may not keep it."""

    first: Any
    value: Any
    error: UnsupportedError


_AFTERWARDS = "it would have another value afterwards, and a compiled function may only put back the one that it found"


def _bind_again(trace: Trace, space: dict, key: str, value: Any, why: str = _AFTERWARDS) -> None:
    """Another value for a while, as of a context manager that puts back the first one: the name has it while the program is
    traced, for whatever reads it, and the first one again at the end. why: what is wrong with keeping it."""
    if _holds_traced(value, {}):
        _refuse_binding(key, "it would be bound to what only run time knows")
    place = id(space), key
    if place not in trace.rebound and trace.memo.get((bind_global, *place), ABSENT) is value and not _may_not_run(trace):
        _keep(trace, space, key, value)                              # None or False, in whose place this trace has put a value
        return
    if place in trace.rebound:
        first = trace.rebound[place].first
    else:
        first = rooted(trace, "item", space, key, space[key], space[key])
        trace.undo.append(lambda: space.update({key: first}))
    others = {p: x for p, x in trace.rebound.items() if p != place}
    if value is first or (type(value) is type(first) and value == first):
        space[key], trace.rebound = first, others
    else:
        space[key], trace.rebound = value, others | {place: Rebound(first, value, _refusal(key, why))}


def _refuse_binding(key: str, why: str) -> NoReturn:
    raise _refusal(key, why)


def _refusal(key: str, why: str) -> UnsupportedError:
    return UnsupportedError(f"`global {key}` cannot be compiled: {why}",
                            "return the value, or keep it in an array that is passed in and overwritten", tracing.locate())


def _is_set(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _holds_traced(x: Any, seen: dict) -> bool:
    """Whether one comes from an object to a value of run time, by its items, its attributes or the variables it has kept."""
    if type(x).__module__.startswith(_TRACER):
        return True
    if id(x) in seen or isinstance(x, (type, ModuleType)):
        return False
    seen[id(x)] = x
    if isinstance(x, (tuple, list, set, frozenset)):
        parts: Any = x
    elif isinstance(x, dict):
        parts = x.values()
    elif isinstance(x, FunctionType):
        parts = (*(c.cell_contents for c in x.__closure__ or () if _is_set(c)), *(x.__defaults__ or ()))
    else:
        parts = ()
    return any(_holds_traced(part, seen) for part in (*parts, *getattr(x, "__dict__", {}).values()))


def variable(value: Any, thunk: Callable) -> Any:
    """A variable of a function around the traced one. `thunk` reads it, and so has its cell."""
    trace = tracing.active()
    return value if trace is None else rooted(trace, "cell", (thunk.__closure__ or ())[0], None, value, value)


def outer_name(space: dict, key: str, value: Any) -> Any:
    """A global name of a function that runs as it is."""
    trace = tracing.active()
    return value if trace is None or fixed(space.get("__name__")) else rooted(trace, "item", space, key, value, value)


def outer_variable(cell: CellType, value: Any) -> Any:
    """A free variable of a function that runs as it is."""
    trace = tracing.active()
    return value if trace is None else rooted(trace, "cell", cell, None, value, value)


def untraced_name(trace: Trace, space: dict, key: str) -> Any:
    """A global name of a function that is not traced, which reads the value itself."""
    outer_name(space, key, space[key])
    return _raw(trace, ("item", id(space), key), space[key])


def untraced_variable(trace: Trace, cell: CellType) -> Any:
    outer_variable(cell, cell.cell_contents)
    return _raw(trace, ("cell", id(cell), None), cell.cell_contents)


def _raw(trace: Trace, place: tuple, value: Any) -> Any:
    if (known := trace.reads.get((place,))) is not None:
        as_python(trace, known[3])
    return value


def module(value: Any, key: str) -> Any:
    """`import key` in a function."""
    trace = tracing.active()
    return value if trace is None or fixed(key) else rooted(trace, "item", sys.modules, key, value, value)


def imported(value: Any, origin: str, key: str) -> Any:
    """`from origin import key` in a function."""
    if tracing.active() is None:
        return value
    own = sys._getframe(1).f_globals
    if origin.startswith("."):
        origin = importlib.util.resolve_name(origin, own.get("__package__") or own["__name__"])
    held = module(sys.modules[origin], origin)
    return attribute(held, key, value) if key in vars(held) or f"{origin}.{key}" not in sys.modules else module(
        value, f"{origin}.{key}")


def missing(space: dict, key: str | None) -> None:
    """A global name was found to be none."""
    trace = tracing.active()
    if trace is not None and key is not None and key not in space and not fixed(space.get("__name__")):
        rooted(trace, "item", space, key, ABSENT, None)


def missing_module(key: str) -> None:
    """An import found no such module."""
    trace = tracing.active()
    if trace is not None and key not in sys.modules and not fixed(key):
        rooted(trace, "item", sys.modules, key, ABSENT, None)
