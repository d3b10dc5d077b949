"""Arrays of other libraries that a function captures: JAX's arrays, PyTorch's tensors, columns of pandas.

What such an object computes by itself, as in `W.sum()`, its library computes while the function is traced. In `x * W` the
program reads the NumPy array that W gives. Either way a call finds the program again only where the name leads to the same
object:

    the array is read-only                      nothing else can change: JAX's arrays
    it lies in the object's own memory          the object must give an array in the same memory: `tensor.data = other` is seen.
                                                The elements are those of the call, as of other captured arrays
    each request gives a new one                its elements must be those that the trace saw
"""
from __future__ import annotations

import types
from typing import Any

import numpy as np

from .. import tracing
from ..syntax import source
from ..values import boxes, captured_values
from ..values.captured_arrays import note_read
from .signature import gives_array, taken


def is_foreign(x: Any) -> bool:
    """Whether an object gives an array by code that is not the user's, which is traced."""
    if isinstance(x, (np.ndarray, np.generic, boxes.Box, type)) or not gives_array(x):
        return False
    method = getattr(type(x), "__array__", None)
    return not (isinstance(method, types.FunctionType) and source.is_user(method) and source.has_source(method))


def given(x: Any) -> np.ndarray:
    """What arithmetic makes of another library's object, and what each call checks of it."""
    array = taken(x, "a captured array")
    return _known(x) if is_foreign(x) else np.asarray(array)


def read(x: Any) -> bool:
    """Its library is about to read the elements while the function is traced. False where x gives none that it could read."""
    if not is_foreign(x):
        return False
    try:
        note_read(_known(x))
    except Exception:                                        # on a GPU, or tracked by PyTorch: its attributes say what it is
        return False
    return True


def _known(x: Any) -> np.ndarray:
    """The same array at each request of a trace, whose place or elements a call compares."""
    trace = tracing.active()
    array = _array(x)
    if trace is None or trace.freezing or trace.maker(x) >= 0:
        return array
    known = trace.memo.get((_known, id(x)))
    if known is None:
        known = trace.memo[_known, id(x)] = x, array
        captured_values.compared(x)
        if array.flags.writeable:
            captured_values.told(x, _memory if np.may_share_memory(array, _array(x)) else _elements)
    return known[1]


def _array(x: Any) -> np.ndarray:
    return np.asarray(x) if hasattr(x, "__array__") else np.from_dlpack(x)


def _memory(x: Any) -> tuple:
    array = _array(x)
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str


def _elements(x: Any) -> tuple:
    array = _array(x)
    return array.tobytes(), array.shape, array.dtype.str


boxes.HOOKS["foreign"] = given
captured_values.FOREIGN[0] = read
