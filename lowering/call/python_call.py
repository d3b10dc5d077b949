"""A call in Python: what machine code does for a specialisation (calling_convention.py), said once more.

`match` is the check of the arguments (unbox.py), `build` the constructor of what is returned (box.py). They serve calls that
machine code leaves to Python, and those that ask why it did.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.analysis.lengths import value_of
from ...ir.ops import random
from .calling_convention import (
    BY_VALUE,
    MISSING,
    AbsentIn,
    ArgOut,
    Arguments,
    ArrayIn,
    ArrayOut,
    DictIn,
    HeldIn,
    In,
    KeptIn,
    Node,
    ObjectOut,
    Out,
    PartsIn,
    Place,
    SameIn,
    ScalarIn,
    ScalarOut,
    StaticIn,
    TypeIn,
    UnreadIn,
    WeakIn,
    is_sequence,
    items_of,
    python_class,
)

# ---------------------------------------------------------------------------------------------------------------- match

class Mismatch(Exception):
    """Something is not as a layout says."""


def scalar_of(x: Any, leaf: ScalarIn) -> np.ndarray:
    """What the kernel gets for a scalar."""
    return np.array(random.handle_of(x) if leaf.kind in random.KINDS else x, leaf.dtype.np)


def children_of(layout: Node, x: Any) -> tuple | None:
    """The children of x where its structure is the node's, else None."""
    cls = type(x)
    if cls is not layout.type:
        return None
    if is_sequence(layout.type):
        return tuple(x) if len(x) == len(layout.children) else None
    if layout.type is dict:
        same = len(x) == len(layout.keys) and all(_same(a, b) for a, b in zip(x, layout.keys))
        return tuple(x.values()) if same else None
    return tuple(getattr(x, key) for key in layout.keys)


def _same(x: Any, value: Any) -> bool:
    """Identity; equality for exact str, bytes and numbers (by their bits)."""
    if x is value:
        return True
    kind = type(value)
    if type(x) is not kind:
        return False
    if kind is float or kind is complex:
        return np.array(x).tobytes() == np.array(value).tobytes() or (x != x and value != value and kind is float)
    if isinstance(value, np.generic):
        return x.dtype == value.dtype and value.dtype.kind in "biufcSUMm" and x.tobytes() == value.tobytes()
    return kind in BY_VALUE and x == value


def equal_items(a: Any, b: Any) -> bool:
    if type(a) is tuple and type(b) is tuple:
        return len(a) == len(b) and all(map(equal_items, a, b))
    return _same(a, b)


def match(arguments: Arguments, args: tuple, kwargs: dict) -> list | None:
    """The leaf of each parameter (lengths included), or None where this call is not of this layout."""
    if len(args) != len(arguments.positional) or tuple(kwargs) != tuple(name for name, _ in arguments.keywords):
        return None
    found: dict[int, Any] = {}
    lengths: dict[str, int] = {}
    try:
        pairs = list(zip(args, arguments.positional)) + list(zip(kwargs.values(), (p for _, p in arguments.keywords)))
        for x, layout in pairs:
            _match(layout, x, found, lengths)
        match_given(arguments.given, found, lengths)
    except Mismatch:
        return None
    for name, param in arguments.lengths:
        found[param] = lengths[name]
    if not all(value_of(guard, lengths) for guard in arguments.guards):
        return None
    return [found[k] for k in range(len(found))]


def match_given(given: tuple[tuple[Any, In], ...], found: dict, lengths: dict) -> None:
    """Look up what is no argument; puts the leaf of each parameter into `found`."""
    for what, layout in given:
        _match_found(what.find if type(what) is Place else lambda what=what: what, layout, found, lengths)


def matches(find: Callable, layout: In) -> bool:
    """Whether what is found is as the layout says, which has no parameters of the kernel."""
    try:
        _match_found(find, layout, {}, {})
    except Mismatch:
        return False
    return True


def _match_found(find: Callable, layout: In, found: dict, lengths: dict) -> None:
    try:
        x = find()
    except MISSING:
        if type(layout) is AbsentIn:
            return
        raise Mismatch from None
    _match(layout, x, found, lengths)


def _match(layout: In, x: Any, found: dict, lengths: dict) -> None:
    ok = True
    match layout:
        case Node():
            children = children_of(layout, x)
            if children is None:
                raise Mismatch
            for child, y in zip(layout.children, children):
                _match(child, y, found, lengths)
            return
        case ArrayIn():
            ok = (type(x) is np.ndarray and x.dtype.num == layout.dtype.np.num and x.dtype.isnative
                  and x.ndim == len(layout.dims) and x.flags.c_contiguous and x.flags.aligned
                  and all(n == (lengths.setdefault(d, n) if type(d) is str else d) for n, d in zip(x.shape, layout.dims)))
        case HeldIn():
            if not layout.takes(x):
                raise Mismatch
            if layout.param is None:
                return
        case UnreadIn():
            return
        case DictIn(size) if len(x) == size:
            return
        case ScalarIn(kind="numpy"):
            ok = type(x) is layout.dtype.np.type
        case ScalarIn(kind=kind):
            ok = type(x) is python_class(kind) and (kind != "int" or (isinstance(x, int) and -(1 << 63) <= x < 1 << 63))
        case SameIn(first, param):
            if found.get(first) is not x:
                raise Mismatch
            if param is not None:
                found[param] = x
            return
        case StaticIn(value):
            if not _same(x, value):
                raise Mismatch
            return
        case PartsIn(whole, parts):
            _match(whole, x, found, lengths)
            for kind, key, part in parts:
                _match_found(Place(kind, x, key).find, part, found, lengths)
            return
        case AbsentIn() | DictIn():
            raise Mismatch
        case WeakIn() | TypeIn() | KeptIn():
            if not _WHOLE[type(layout)](layout, x):
                raise Mismatch
            return
    if not ok:
        raise Mismatch
    found[layout.param] = x


_WHOLE = {WeakIn: lambda layout, x: x is not None and layout.reference() is x, TypeIn: lambda layout, x: type(x) is layout.type,
          KeptIn: lambda layout, x: type(x) is layout.type and equal_items(items_of(x), layout.items)}


# ---------------------------------------------------------------------------------------------------------------- build

_PYTHON_MAKERS = {"float": float, "int": int, "complex": complex, "bool": bool}


def build(layout: Out, results: dict[int, Any], given: list, made: dict | None = None) -> Any:
    """The object that the function returns. results: an array for each result; given: the leaf of each parameter."""
    made = {} if made is None else made
    match layout:
        case ArrayOut(k):
            return results[k]
        case ScalarOut(k, kind):
            key = (k, kind)
            if key not in made:
                made[key] = results[k][()] if kind == "numpy" else _PYTHON_MAKERS[kind](results[k].item())
            return made[key]
        case ObjectOut(value):
            return value
        case ArgOut(param):
            return given[param]
    if id(layout) not in made:
        made[id(layout)] = _made(layout, [build(child, results, given, made) for child in layout.children])
    return made[id(layout)]


def _made(layout: Node, children: list) -> Any:
    if layout.type in (tuple, list):
        return layout.type(children)
    if layout.type is dict:
        return dict(zip(layout.keys, children))
    return (layout.make or layout.type)(*children)
