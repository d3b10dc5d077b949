"""Calls of objects that hold what they ask for: weak references, and the callers of `operator`."""
from __future__ import annotations

import functools
import operator
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..values import captured_values
from . import calls

if TYPE_CHECKING:
    from ..tracing import Trace


def _referent(trace: Trace, f: weakref.ref, args: Any, kwargs: dict) -> Any:
    """What a weak reference leads to exists outside of the trace, as the reference does, and goes on doing so."""
    found = f(*args, **kwargs)
    captured_values.compared(f)
    captured_values.answered(f, ("referent",), found)
    captured_values.start(trace, found)
    return found


def _method_of(trace: Trace, f: operator.methodcaller, args: Sequence[Any], kwargs: dict) -> Any:
    """operator.methodcaller(name, …)(held) is held.name(…). It tells what it holds as pickle asks for it."""
    made: Any = f.__reduce__()
    make, (name, *given) = made
    named = make.keywords if isinstance(make, functools.partial) else {}
    name, given = (make.args[0], [name, *given]) if isinstance(make, functools.partial) else (name, given)
    (held,) = args
    return calls.call(calls.BUILTINS[getattr](held, name), *given, **named)


def _items_of(trace: Trace, f: operator.itemgetter, args: Sequence[Any], kwargs: dict) -> Any:
    """operator.itemgetter(key, …)(held)."""
    keys = f.__reduce__()[1]
    found = tuple(calls.SLOTS["__getitem__"](*args, key) for key in keys)
    return found if len(keys) > 1 else found[0]


def _attributes_of(trace: Trace, f: operator.attrgetter, args: Sequence[Any], kwargs: dict) -> Any:
    """operator.attrgetter("name.other", …)(held)."""
    names = f.__reduce__()[1]
    found = tuple(functools.reduce(calls.BUILTINS[getattr], name.split("."), *args) for name in names)
    return found if len(names) > 1 else found[0]


def _identity(x: Any) -> int:
    """Which object it is decides what id gives."""
    captured_values.same(x, x)
    return id(x)


calls.BY_TYPE.update({weakref.ref: _referent, operator.methodcaller: _method_of, operator.itemgetter: _items_of,
                      operator.attrgetter: _attributes_of})
calls.BUILTINS[id] = _identity
