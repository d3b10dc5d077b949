"""Functions that have no meaning but what `numba.extending.overload` gives them: the implementation for the types at hand.

    def square_sum(a): pass                        square_sum(x)     choose(types.Array(float64, 1, "C")) -> of_array
                                                                     of_array(x), rewritten as a function of the user
    @overload(square_sum)
    def choose(a):
        if isinstance(a, types.Array):
            return of_array

What Numba's own packages overload (NumPy, the standard library) is not looked up here.
"""
from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, NoReturn

from ....ir.errors import UnsupportedError
from ... import numba_types, tracing
from ...control import iteration
from ...values.boxes import ArrayBox, Box, ScalarBox
from .. import calls

_REGISTRY = "numba.core.typing.templates"
_known: dict[Callable, list] = {}
_read = [0]


def _choosers(f: Callable) -> list:
    """The functions that choose an implementation for f, in the order of their definition."""
    registered = sys.modules[_REGISTRY].builtin_registry.globals
    for value, kind in registered[_read[0]:]:
        if isinstance(value, FunctionType):
            found = [t._overload_func for t in getattr(kind, "templates", ()) if hasattr(t, "_overload_func")]
            _known.setdefault(value, []).extend(f for f in found if not f.__module__.startswith("numba."))
    _read[0] = len(registered)
    return _known.get(f, [])


def _type_of(x: Any) -> Any:
    """The type that Numba would see."""
    import numba

    if isinstance(x, ScalarBox):
        return numba.from_dtype(x.dtype_ir.np)
    if isinstance(x, ArrayBox):
        return numba.types.Array(numba.from_dtype(x.dtype_ir.np), len(x.dims), "C")
    if isinstance(x, tuple):
        return numba.types.BaseTuple.from_types([_type_of(item) for item in x])
    return numba.types.pyobject if isinstance(x, Box) else numba.typeof(x)


def is_overloaded(f: FunctionType) -> bool:
    """Whether a function of the user has overloads."""
    return _REGISTRY in sys.modules and bool(_choosers(f))


def redirect(f: Callable) -> Callable | None:
    """What to call instead of a function of the user that has overloads."""
    if _REGISTRY not in sys.modules or type(f) is not FunctionType:
        return None
    choosers = _choosers(f)
    return (lambda *args, **kwargs: _overloaded(f, choosers, args, kwargs)) if choosers else None


def _overloaded(f: FunctionType, choosers: list, args: tuple, kwargs: dict) -> Any:
    kinds = [_type_of(x) for x in args], {name: _type_of(x) for name, x in kwargs.items()}
    for choose in choosers:
        found = choose(*kinds[0], **kinds[1])
        if found is not None:
            return calls.call(found, *args, **kwargs)
    raise UnsupportedError(f"no overload of {f.__name__} takes {', '.join(map(str, kinds[0]))}",
                           "give one with numba.extending.overload", tracing.locate())


def intrinsic(f: Any) -> Callable | None:
    """What is called instead of a function that `numba.extending.intrinsic` makes of LLVM's instructions: its refusal."""
    module = sys.modules.get("numba.core.extending")
    return functools.partial(_refuse, f) if module is not None and isinstance(f, module._Intrinsic) else None


def every_index(f: Any) -> Callable | None:
    """numba.pndindex is np.ndindex."""
    return iteration.ndindex if getattr(f, "__name__", "") == "pndindex" and f.__module__.startswith("numba.") else None


def schedule(f: Any) -> Callable | None:
    """What sets how Numba's threads share a loop decides no value: in traced code it has nothing to do."""
    name = getattr(f, "__name__", type(f).__name__)
    if name not in _SCHEDULE or getattr(f, "__module__", "").partition(".")[0] != "numba":
        return None
    if name in ("get_parallel_chunksize", "set_parallel_chunksize"):
        return lambda *_: 0
    return (lambda *_: contextlib.nullcontext()) if name == "_ParallelChunksize" else lambda *_: None


_SCHEDULE = ("set_num_threads", "set_parallel_chunksize", "get_parallel_chunksize", "_ParallelChunksize")


def conversion(f: Any) -> Callable | None:
    """`numba.float32(x)` is np.float32(x); of types, as in `numba.float64(numba.int64)`, it makes a signature."""
    kind = numba_types.scalar_type(f)
    return None if kind is None else lambda *args: f(*args) if any(map(_is_type, args)) else calls.call(kind, *args)


def _is_type(x: Any) -> bool:
    return isinstance(x, sys.modules["numba.core.types"].Type)


def _refuse(f: Any, *_: Any, **__: Any) -> NoReturn:
    raise UnsupportedError(f"{f.__name__} is an intrinsic of Numba, which writes LLVM's instructions: no Python to trace",
                           "write what it computes as a function of Python", tracing.locate())


# --- containers of declared types --------------------------------------------------------------------------------------------

def typed_container(f: Any) -> Any:
    """numba.typed.List and Dict: in traced code what they are typed versions of."""
    module = sys.modules.get("numba.typed") if isinstance(f, type) else None
    return None if module is None else calls.BUILTINS[list] if f is module.List else dict if f is module.Dict else None


_HELD_AS_THEY_ARE = ("int64", "float64", "complex128", "boolean", "bool", "unicode_type")


def typed_empty(f: Callable) -> Callable | None:
    """`numba.typed.Dict.empty(key_type, value_type)` and `List.empty_list(item_type)`: an empty dict or list."""
    module = sys.modules.get("numba.typed")
    if module is None or not isinstance(f, MethodType) or not isinstance(f.__self__, type):
        return None
    made = {(module.Dict, "empty"): dict, (module.List, "empty_list"): list}.get((f.__self__, f.__name__))
    return made and functools.partial(_empty, f, made)


def _empty(f: MethodType, made: type, *types: Any, **named: Any) -> Any:
    """What is declared narrower than Python's numbers would be rounded by Numba when it is put in."""
    for found in (*types, *[x for name, x in named.items() if name.endswith("_type")]):
        _expect_held_as_it_is(f, found)
    return calls.call(made)


def _expect_held_as_it_is(f: MethodType, found: Any) -> None:
    parts = getattr(found, "types", None) or [found]
    for part in parts:
        plain = str(part) in _HELD_AS_THEY_ARE or type(part).__name__ in ("Array", "ListType")
        if not plain and part is not found:
            _expect_held_as_it_is(f, part)
        elif not plain and not getattr(part, "types", None):
            raise UnsupportedError(f"{f.__qualname__} with the type {part}: numbers would be converted when they are put in",
                                   "convert them where they are put in, and write `{}` or `[]`", tracing.locate())


calls.REDIRECTS += [redirect, intrinsic, every_index, schedule, conversion, typed_container, typed_empty]
