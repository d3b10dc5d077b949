"""Users' functions that Python or a library calls while the function is traced: keys of `sorted`, special methods of objects.

They run as they are, so nobody sees what they read. All that they could read is noted instead: the globals and free variables
that their code names, their defaults, and the same of functions, classes and objects among these.

    K = 2.0                                    bisect.bisect(items, x, key=of)     notes of.__code__, K and its value
    def of(item): return item * K
"""
from __future__ import annotations

import functools
import gc
import types
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import tracing
from ..syntax import source
from ..values import captured_arrays, captured_names, captured_values

if TYPE_CHECKING:
    from ..tracing import Trace

_MOST = 2000                          # functions and objects that are looked at


def note(x: Any) -> None:
    """What x leads to, where it is a function, or an object of a user's class, that is about to run by itself."""
    trace = tracing.active()
    if trace is None or trace.freezing:
        return
    todo = [x]
    while todo and len(trace.untraced) < _MOST:
        here = todo.pop()
        if id(here) not in trace.untraced and not isinstance(here, captured_values.ATOMS):
            trace.untraced[id(here)] = here
            todo += _led_to(trace, here)


def found_by(f: Any, args: Sequence[Any], found: Any) -> None:
    """A method of an object of C, of which nobody knows what it holds, has answered: it is asked again at each call."""
    if type(f) not in captured_values.METHODS or not isinstance(found, captured_values.ATOMS):
        return
    held, outside = f.__self__, tracing.current().outside
    if isinstance(held, (*captured_values.ATOMS, np.ndarray, type, types.ModuleType)) or not (
            id(held) in outside or id(f) in outside):
        return
    known = type(held).__module__.partition(".")[0] in _KNOWN and type(held) is not memoryview
    if not known and all(isinstance(x, captured_values.ATOMS) for x in args):
        captured_values.answered(held, ("call", f.__name__, *args), found)


# packages whose objects do not change, or say themselves what they hold
_KNOWN = frozenset({"builtins", "collections", "re", "datetime", "decimal", "_struct", "zoneinfo", "numpy", "scipy",
                    "functools", "types"})


def _led_to(trace: Trace, x: Any) -> list:
    if isinstance(x, types.FunctionType):
        rewritten = id(x.__code__) in tracing.PLACES                     # it says itself what it reads
        return list(_read_by(trace, x)) if source.is_user(x) and not source.is_open(x) and not rewritten else []
    if isinstance(x, types.MethodType):
        return [x.__func__, x.__self__]
    if isinstance(x, functools.partial):
        return [x.func, *x.args, *x.keywords.values()]
    if isinstance(x, (staticmethod, classmethod)):
        return [x.__func__]
    if type(x) is np.ufunc:                                  # of np.frompyfunc, which does not tell its function otherwise
        return [f for f in gc.get_referents(x) if isinstance(f, types.FunctionType)]
    if isinstance(x, (property, functools.cached_property)):
        return [x.fget if isinstance(x, property) else x.func]
    if isinstance(x, type):
        meta: Any = type(x)
        bases = (*x.__mro__, *(meta.__mro__ if captured_values.users(meta) else ()))
        return [part for base in bases if captured_values.users(base) for part in _parts(base)]
    if captured_values.users(type(x)):
        return [type(x)]
    return []


def _parts(cls: type) -> Iterator[Any]:
    """What the user wrote in a class, and not what a dataclass or namedtuple is given."""
    fields = vars(cls).get("__dataclass_fields__", {})
    yield from (field.default_factory for field in fields.values())
    generated = bool(fields) or "_fields" in vars(cls)
    for key, value in vars(cls).items():
        runs = isinstance(value, (types.FunctionType, classmethod, staticmethod))
        if not runs and key.startswith("__"):
            continue
        if not (runs and generated and source.is_generated(value)):
            captured_values.class_part(cls, key)                             # another may take its place
            yield from (value,) if runs else _looked_into(value)


def _read_by(trace: Trace, function: types.FunctionType) -> Iterator[Any]:
    captured_values.entered(trace, function)
    yield from _looked_into(*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    space, names = function.__globals__, names_of(function.__code__)
    found = [(name, captured_names.untraced_name(trace, space, name)) for name in names if name in space]
    cells = [captured_names.untraced_variable(trace, cell) for cell in function.__closure__ or () if _filled(cell)]
    for value in (*(value for _, value in found), *cells):
        if isinstance(value, types.ModuleType):
            for name in names & vars(value).keys():
                captured_values.attribute(value, name, vars(value)[name])
                yield from _looked_into(vars(value)[name])
        else:
            yield from _looked_into(value)


def _looked_into(*values: Any) -> Sequence[Any]:
    """Values that untraced code has: what they hold matters."""
    captured_arrays.note_read(*values)
    captured_values.handed_over(*values)
    return values


def names_of(code: types.CodeType) -> set[str]:
    """The names of globals and attributes that a code object reads, or one within it."""
    return {*code.co_names, *(name for c in code.co_consts if isinstance(c, types.CodeType) for name in names_of(c))}


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def filled_cells(f: Callable) -> list[Any]:
    """What the free variables of a function hold."""
    return [cell.cell_contents for cell in f.__closure__ or () if _filled(cell)]


captured_values.UNTRACED[0] = note
