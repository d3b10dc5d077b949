"""Results that are handed over as they are: objects that are neither arrays, numbers nor containers of such.

None of them may lead to a traced value: whoever reads it after the call finds a number that was never computed.

  zip(a, b), map, reversed(a), itertools.chain(a)      -> the iterators that they hold -> the lists -> the elements
  d.values(), slice(n), range(n), functools.partial    -> what they were made of
  lambda y: x * y                                      -> the cells of its closure, its defaults
  an object of a class of yours                        -> its attributes
"""
from __future__ import annotations

import functools
import gc
import itertools
import types
from collections.abc import Iterator, KeysView
from typing import Any, NoReturn

import numpy as np

from ...ir.core import Value
from ...ir.errors import Loc, UnsupportedError
from .. import pytrees, tracing
from ..control.iteration import Source
from ..sequences.element_iterators import ElementIterator
from ..values import captured_values
from ..values.boxes import Box

_WHOLE = (type, types.ModuleType, types.BuiltinFunctionType, np.ufunc, np.ndarray, np.generic, str, bytes, int, float, complex)
_MODULES = (object.__module__, itertools.__name__, functools.__name__)        # whose objects have no attributes to look at
_GONE = "it reads traced values, which are there only while the function is compiled"
_LISTS = "return its values: `return list(...)`"
_NUMBERS = "return the numbers in a tuple, and make the {} of them outside of compiled code"


def expect_a_tree(x: Any) -> None:
    """What the function returns, with all that it holds, is the same at each call, and no container in it holds itself."""
    captured_values.whole(x, deep=captured_values.ALL)
    todo: list[tuple[Any, bool]] = [(x, False)]
    open_: dict[int, bool] = {}                                         # by container, whether its parts are being looked at
    while todo:
        y, done = todo.pop()
        captured_values.compared(y)
        if done:
            open_[id(y)] = False
        elif type(y) in (list, tuple, dict):
            if open_.get(id(y)):
                raise UnsupportedError(f"the function returns a {type(y).__name__} that holds itself",
                                       "return the numbers and arrays in it", tracing.locate())
            if id(y) not in open_:
                open_[id(y)] = True
                todo += [(y, True), *[(part, False) for part in (y.values() if type(y) is dict else y)]]


def expect_no_traced_values(x: Any, at: Loc) -> None:
    """Refuses an object that leads to a traced value, and an iterator: the first call's reader would use it up."""
    if isinstance(x, Source):
        _refuse(type(x).__name__.lower(), _GONE, _LISTS, at)
    if isinstance(x, ElementIterator):
        _refuse("iterator", "whoever reads it uses it up for all later calls", _LISTS, at)
    if isinstance(x, _WHOLE):
        return
    if isinstance(x, types.FunctionType) or type(x).__module__ in _MODULES:
        name, iterated = type(x).__name__, hasattr(type(x), "__iter__")
        if _leads_to_box(x):
            _refuse(name, _GONE, _LISTS if iterated else _NUMBERS.format(name), at)
        if isinstance(x, Iterator):
            _refuse(name, "whoever reads it uses it up for all later calls", _LISTS, at)
        return
    for name, value in pytrees.attributes(x).items():
        if any(isinstance(leaf, Box) for leaf in pytrees.leaves_of(value)):
            shown, again = getattr(type(x), "shown", type(x).__name__), "or return its numbers in a tuple or dict"
            raise UnsupportedError(f"a {shown} with a traced attribute `{name}` cannot be returned",
                                   getattr(type(x), "instead", f"make {shown} a dataclass, {again}"))


def _refuse(name: str, why: str, remedy: str, at: Loc) -> NoReturn:
    raise UnsupportedError(f"an object of type {name} cannot be returned: {why}", remedy, at)


def _leads_to_box(x: Any) -> bool:
    waiting, seen = [x], {id(x): x}                      # what is seen is held, so that no other object gets its id
    while waiting:
        here = waiting.pop()
        if isinstance(here, (Box, Source, Value)):
            return True
        found = () if isinstance(here, _WHOLE) else _parts(here)
        waiting += [part for part in found if id(part) not in seen]
        seen |= {id(part): part for part in found}
    return False


def _parts(x: Any) -> list:
    """What an object of Python's own was made of."""
    if isinstance(x, types.FunctionType):
        cells = [cell.cell_contents for cell in x.__closure__ or () if _filled(cell)]
        return [*cells, *(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values()]
    if isinstance(x, KeysView):                          # its values are not read through it
        return list(x)
    if isinstance(x, types.MethodType):
        return [x.__self__, x.__func__]
    if type(x).__module__ in _MODULES:
        return gc.get_referents(x)
    return list(pytrees.attributes(x).values())


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
