"""Arguments that become constants of an object: weights, say, as they are, or in fewer bits.

    int8       q = round(w / scale), between -127 and 127, with a scale for each row w[i], one for an array of one axis
    float16    rounded to half precision

The program computes with q * scale, in the dtype that the argument had.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..ir.errors import ArgumentError, ArgumentTypeError
from ..jitted.api import Jitted
from ..tracer import pytrees
from ..tracer.staging import arguments
from ..tracer.syntax import source

source.OPEN |= {__package__}

FORMS = ("int8", "float16")
LARGEST = 127.0


class Weight(NamedTuple):
    """An array in the object. stored: its dtype there; bytes, and those that it had; error: the largest one of an element,
    relative: that divided by the largest element."""

    path: str
    dtype: str
    stored: str
    shape: tuple[int, ...]
    bytes: int
    had: int
    error: float
    relative: float


class Quantised(NamedTuple):
    """Small whole numbers and what to multiply them by; where that is None, numbers of half precision."""

    numbers: Any
    scale: Any
    like: Any                               # an array without elements, of the dtype to compute in


def call_with(f: Callable, args: tuple, kwargs: dict, freeze: dict) -> tuple[list, dict]:
    """The whole call: args and kwargs are those of the parameters that are not frozen."""
    names = arguments.parameters_of(f.root if isinstance(f, Jitted) else f).names
    for name in freeze:
        if name not in names or name in kwargs:
            what = "which is given, too" if name in kwargs else "which is no parameter"
            raise ArgumentError(f"freeze names {name!r}, {what}", f"the parameters are {', '.join(names)}")
    rest, whole, more = list(args), [], dict(kwargs)
    for name in names:
        if len(more) > len(kwargs) or not (name in freeze or rest):
            if name in freeze:
                more[name] = freeze[name]
            continue
        whole.append(freeze[name] if name in freeze else rest.pop(0))
    return whole + rest, more


def leaves_of(structure: pytrees.TreeDef, names: Any, freeze: Any) -> frozenset[int]:
    """The numbers of the leaves of the frozen parameters, in the structure of a call."""
    positional, keyword = structure.children
    found, start = set(), 0
    for name, child in zip((*names[:len(positional.children)], *keyword.meta[0]), (*positional.children, *keyword.children)):
        if name in freeze:
            found |= set(range(start, start + child.count))
        start += child.count
    return frozenset(found)


# --- fewer bits ---------------------------------------------------------------------------------------------------------------


def quantised(f: Callable, freeze: dict, form: str) -> tuple[Callable, dict, tuple[Weight, ...]]:
    """(f of quantised arguments, those, what that cost)."""
    if form not in FORMS:
        raise ArgumentError(f"there is no quantise={form!r}", f"use one of {', '.join(FORMS)}")
    rows: list[Weight] = []
    made = {name: _tree(value, name, form, rows) for name, value in freeze.items()}
    if not rows:
        raise ArgumentTypeError("quantise is for arrays of floats in freeze, and there are none", "leave it out")

    @functools.wraps(f, assigned=("__name__", "__qualname__", "__doc__"), updated=())
    def computed(*args: Any, **kwargs: Any) -> Any:
        return f(*[restored(x) for x in args], **{name: restored(x) for name, x in kwargs.items()})

    return computed, made, tuple(rows)


def restored(x: Any) -> Any:
    """With arrays in place of quantised ones."""
    if isinstance(x, Quantised):
        numbers = x.numbers.astype(x.like.dtype)
        return numbers if x.scale is None else numbers * x.scale
    if type(x) is dict:
        return {key: restored(y) for key, y in x.items()}
    if type(x) is list:
        return [restored(y) for y in x]
    return tuple([restored(y) for y in x]) if type(x) is tuple else x


def _tree(x: Any, path: str, form: str, rows: list[Weight]) -> Any:
    if type(x) is dict:
        return {key: _tree(y, f"{path}[{key!r}]", form, rows) for key, y in x.items()}
    if type(x) in (list, tuple):
        return type(x)([_tree(y, f"{path}[{k}]", form, rows) for k, y in enumerate(x)])
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or x.size == 0:
        return x
    made = _array(np.asarray(x), path, form)
    back = made.numbers.astype(x.dtype) * (1 if made.scale is None else made.scale)
    error, largest = float(np.max(np.abs(back - x))), float(np.max(np.abs(x)))
    size = made.numbers.nbytes + (0 if made.scale is None else made.scale.nbytes)
    rows.append(Weight(path, x.dtype.name, form, x.shape, size, x.nbytes, error, error / largest if largest else 0.0))
    return made


def _array(x: np.ndarray, path: str, form: str) -> Quantised:
    if not np.isfinite(x).all():
        raise ArgumentError(f"{path} has elements that are not finite, which {form} has no place for", "leave quantise out")
    like = np.zeros(0, x.dtype)
    if form == "float16":
        if np.max(np.abs(x)) > np.finfo(np.float16).max:
            raise ArgumentError(f"{path} has an element of {np.max(np.abs(x)):g}, and the largest of float16 is 65504",
                                "use quantise=\"int8\", or scale the array")
        return Quantised(x.astype(np.float16), None, like)
    axes = tuple(range(1, x.ndim)) if x.ndim > 1 else None
    scale = np.asarray(np.max(np.abs(x), axis=axes, keepdims=x.ndim > 1) / x.dtype.type(LARGEST))
    scale = np.where(scale > 0, scale, x.dtype.type(1))
    return Quantised(np.clip(np.rint(x / scale), -LARGEST, LARGEST).astype(np.int8), scale, like)


def difference(first: Any, second: Any) -> float:
    """The largest difference between two results, by the largest number of the first."""
    pairs = list(_numbers(first, second))
    largest = max((np.max(np.abs(a), initial=0.0) for a, _ in pairs), default=0.0)
    found = max((np.max(np.abs(a - b), initial=0.0) for a, b in pairs), default=0.0)
    return float(found / largest) if largest else float(found)


def _numbers(first: Any, second: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for a, b in zip(pytrees.flatten(first)[0], pytrees.flatten(second)[0], strict=True):
        if isinstance(a, (np.ndarray, np.generic, float, int, complex)):
            yield np.asarray(a) * 1.0, np.asarray(b) * 1.0
