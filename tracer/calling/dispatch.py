"""What traced code calls in place of NumPy, math and the builtins.

  FUNCTIONS      NumPy function -> handler: what `__array_function__` of a box looks up
  REDIRECT       callable -> what a call in traced code runs instead. Creation functions always, because traced code may
                 write to what they return; the others where an argument is traced or an array, else the plain function
  redirect(f)    the same for any callable, bound methods of captured arrays included; None where f is called as it stands
"""
from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ...ir.build import const
from ...ir.errors import ShapeError, UnsupportedError
from ...ir.types import F64, I64, Array
from .. import tracing
from ..numpy import calculus, determinants, einsum, fourier, histograms, norms, quantiles, setops, spectral, statistics  # noqa: F401
from ..numpy.arrays import creation, flags, inserting, joining, manipulation, ranges, windows  # noqa: F401
from ..numpy.random import distributions, methods, standard_library
from ..scipy import legendre, special  # noqa: F401
from ..values import boxes, captured_arrays, captured_values, indexing, random_generators, ufuncs  # noqa: F401
from ..values.boxes import (
    FUNCTIONS,
    INSTEAD,
    METHODS,
    REDIRECT,
    UFUNC_METHODS,
    ArrayBox,
    Box,
    ScalarBox,
    as_array,
    implements,
    lift,
)
from ..values.promotion import fail, result_dtype, strong, to_dtype
from ..values.python import complex_functions, scalar_functions, settings  # noqa: F401  (the former fills a table of the latter)


def traced(x: Any) -> bool:
    """Whether an argument is a box or an array, or a list or tuple that holds one."""
    if isinstance(x, (Box, np.ndarray)):
        return True
    return isinstance(x, (list, tuple)) and any(map(traced, x))


def fresh(x: Array) -> Array | ArrayBox:
    """A result that NumPy computed from plain numbers: an array becomes a box, so that traced code can write to it."""
    if type(x) is np.ndarray and x.dtype.kind in "biufc":
        return boxes.array(const(x, to_dtype(x.dtype)))
    if type(x) in (tuple, list):
        return type(x)(map(fresh, x))
    return x


def passing(f: Callable, handler: Callable) -> Callable:
    """`handler` where an argument is traced, else `f`."""
    def call(*args: float | list[ArrayBox] | Box, **kwargs: float) -> bool | Box | tuple[int, ...]:
        if any(map(traced, args)) or (kwargs and any(map(traced, kwargs.values()))):
            return handler(*args, **kwargs)
        captured_values.handed_over(*args, *kwargs.values())
        settings.called(f, (*args, *kwargs.values()))
        return fresh(f(*args, **kwargs))

    return call


def plain(f: Callable, handler: Callable) -> Callable:
    """The same for a function of Python scalars, whose result stays as it is."""
    def call(*args: float | Box, **kwargs: Any) -> Array | ScalarBox:
        if any(map(traced, args)) or (kwargs and any(map(traced, kwargs.values()))):
            return handler(*map(captured_arrays.seen_within, args), **kwargs)
        captured_values.handed_over(*args, *kwargs.values())
        settings.called(f, (*args, *kwargs.values()))
        return f(*args, **kwargs)

    return call


def redirect(f: Any) -> Callable | None:
    """What to call instead of f, or None."""
    try:
        found = REDIRECT.get(f)
    except TypeError:
        return None
    if found is not None:
        return found
    owner = getattr(f, "__self__", None)
    if isinstance(owner, np.ndarray) and f.__name__ in METHODS:
        return types.MethodType(METHODS[f.__name__], lift(owner))
    if isinstance(owner, np.ufunc) and f.__name__ in UFUNC_METHODS:
        return passing(f, functools.partial(UFUNC_METHODS[f.__name__], owner))
    if isinstance(f, np.ufunc):                               # SciPy's, whose arguments may be lists of what is traced
        return passing(f, functools.partial(ufuncs.call, f))
    special_function = special.redirect(f)
    if special_function is not None:
        return passing(f, special_function)
    if random_generators.random.kind_of(owner) is not None:          # within tg.static it draws now, once
        return None if tracing.current().freezing else distributions.redirect(f)
    if (_draws(f) and (found := methods.function(f)) is not None) or (found := standard_library.function(f)) is not None:
        return found
    if _draws(owner.__class__) or _draws(f):
        return _random(("" if owner.__class__.__name__ == "Generator" else "np.random.") + f.__name__)
    return None


def _draws(what: Callable | type) -> bool:
    """Whether a class or function belongs to np.random, which is not imported to tell."""
    return (getattr(what, "__module__", None) or "").startswith("numpy.random")


# --- subscripts of objects that are no boxes --------------------------------------------------------------------------

def _has_box(key: Any) -> bool:
    if isinstance(key, slice):
        return any(isinstance(x, Box) for x in (key.start, key.stop, key.step))
    return isinstance(key, Box) or (isinstance(key, (tuple, list)) and any(map(_has_box, key)))


def _of_array(held: np.ndarray, key: Any) -> Array | Box:
    captured_values.whole(key, deep=captured_values.ALL)                 # a list of positions may change
    return lift(held)[key] if _has_box(key) else captured_arrays.element(held, key)


def _spaced(part: slice) -> Any:
    """start:stop:step is np.arange; with an imaginary step, which counts points, np.linspace."""
    start, step = (0 if part.start is None else part.start), (1 if part.step is None else part.step)
    if isinstance(step, complex):
        return as_array(FUNCTIONS[np.linspace](start, part.stop, int(abs(step))))
    return as_array(FUNCTIONS[np.arange](start, part.stop, step))


def _joined(held: Any, key: Any) -> Any:
    """np.c_[…] and np.r_[…] of arrays and numbers."""
    parts = key if isinstance(key, tuple) else (key,)
    if not any(map(traced, parts)):
        return fresh(held[key])
    if any(isinstance(p, str) for p in parts):
        fail(UnsupportedError, "directives in np.c_ and np.r_ cannot be compiled", "use np.concatenate with axis=")
    parts = [_spaced(p) if isinstance(p, slice) else lift(p) for p in parts]
    target = result_dtype([p.kind for p in parts])             # a Python number takes the dtype of the arrays
    parts = [boxes.array(boxes.to_value(p, target)) for p in parts]
    if held is np.r_:
        return FUNCTIONS[np.concatenate]([FUNCTIONS[np.atleast_1d](p) for p in parts])
    columns = [p if len(p.dims) > 1 else p[:, None] for p in map(FUNCTIONS[np.atleast_1d], parts)]
    return FUNCTIONS[np.concatenate](columns, -1)


SUBSCRIPTS: dict[type, Callable[[Any, Any], Any]] = {np.ndarray: _of_array, type(np.c_): _joined, type(np.r_): _joined}


def _random(name: str) -> Any:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        fail(UnsupportedError, f"random numbers cannot be drawn in compiled code ({name})",
             "draw them outside and pass them in")

    return refuse


# --- the remaining functions: those that answer about dtypes, and methods --------------------------------------------

@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> Any:
    samples = {"int": 0, "float": 0.0, "complex": 0j, "bool": np.bool_}
    kinds: list[Any] = [samples[x.weak] if isinstance(x, Box) and x.weak else x.kind if isinstance(x, Box) else x
                        for x in arrays_and_dtypes]
    return np.result_type(*kinds)


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> Any:
    return np.can_cast(strong(from_.kind) if isinstance(from_, Box) else from_, to, casting)


implements(np.iscomplexobj)(lambda x: lift(x).dtype_ir.complex)
implements(np.isrealobj)(lambda x: not lift(x).dtype_ir.complex)
implements(np.iterable)(lambda y: bool(lift(y).dims))
implements(np.isscalar)(lambda element: isinstance(element, ScalarBox))


@implements(np.may_share_memory, np.shares_memory)
def shares_memory(a: Any, b: Any, *rest: Any, **more: Any) -> bool:
    if not (isinstance(a, ArrayBox) and isinstance(b, ArrayBox)):
        return False
    if a.root is not b.root and a.root.captured and b.root.captured:
        fail(UnsupportedError, "whether two arrays from outside share memory is no question to compiled code",
             "ask it outside and pass the answer in")
    return a.root is b.root


implements(np.common_type)(lambda *arrays: np.common_type(*(np.empty(0, strong(lift(a).kind)) for a in arrays)))

_PYTHON_KIND = {"b": ("bool", None), "i": ("int", I64), "u": ("int", I64), "f": ("float", F64), "c": ("complex", None)}


@implements(method="item")
def item(x: Any, *index: Any) -> ScalarBox:
    """The element as a Python scalar."""
    if index:
        flat = len(index) == 1 and not isinstance(index[0], tuple) and len(x.dims) != 1
        x = manipulation.ravel(x)[index[0]] if flat else x[index[0] if isinstance(index[0], tuple) else index]
    if any(type(d) is int and d != 1 for d in x.dims):
        fail(ShapeError, "can only convert an array of size 1 to a Python scalar")
    value = scalar_functions.scalar(x, "item()")
    weak, dtype = _PYTHON_KIND.get(value.type.dtype.kind, ("int", I64))
    builder = tracing.current().builder
    return ScalarBox(builder.cast(value, dtype or to_dtype(np.complex128)) if weak != "bool" else value, weak)


@implements(method="tolist")
def tolist(x: Any) -> Any:
    return [tolist(row) for row in x] if x.dims else item(x)


def _delegate(name: str, function: Any) -> None:
    METHODS[name] = lambda x, *args, **kwargs: FUNCTIONS[function](x, *args, **kwargs)


for _name, _function in {"nonzero": np.nonzero, "take": np.take, "clip": np.clip, "round": np.round, "argsort": np.argsort,
                         "searchsorted": np.searchsorted, "trace": np.trace, "dot": np.dot, "argpartition": np.argpartition,
                         "choose": np.choose}.items():
    _delegate(_name, _function)
METHODS["conj"] = METHODS["conjugate"] = lambda x, *out: ufuncs.call(np.conjugate, x, *out) if x.dtype_ir.complex or out else x
METHODS["compress"] = lambda x, condition, *args, **kwargs: FUNCTIONS[np.compress](condition, x, *args, **kwargs)
METHODS["put"] = lambda x, *args, **kwargs: FUNCTIONS[np.put](x, *args, **kwargs)

INSTEAD.update({
    np.save: "return the array and save it outside",
    np.savetxt: "return the array and save it outside",
    "tobytes": "return the array and convert it outside", "tofile": "return the array and save it outside",
    "resize": "use np.concatenate or np.zeros of the new shape", "byteswap": "convert outside",
})


def _fill_redirect() -> None:
    for f, handler in FUNCTIONS.items():
        if f not in REDIRECT:
            REDIRECT[f] = passing(f, handler)
    for ufunc in list(vars(np).values()):          # not getattr: that would import numpy.f2py, numpy.testing …
        if isinstance(ufunc, np.ufunc):
            REDIRECT[ufunc] = passing(ufunc, lambda *args, ufunc=ufunc, **kwargs: ufuncs.call(ufunc, *args, **kwargs))
    for f, handler in {**scalar_functions.MATH, **scalar_functions.BUILTINS, **creation.SCALAR_TYPES}.items():
        REDIRECT[f] = plain(f, handler)


_fill_redirect()
