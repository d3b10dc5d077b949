"""Checks of captured objects that native code leaves to Python: questions (answers.py), and containers that it cannot compare.

An entry calls the function with the object, and holds what it gets until the call ends, as the value of an attribute: each may
run the user's code.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .calling_convention import (
    Arguments,
    ArrayIn,
    HeldIn,
    In,
    KeptIn,
    Node,
    PartsIn,
    Place,
    SameIn,
    ScalarIn,
    is_sequence,
    leaves,
)
from .python_call import matches

_BINDING = (ArrayIn, HeldIn, ScalarIn, SameIn)


def question(key: tuple, layout: In) -> Callable[[Any], bool] | None:
    """Whether the answer of a holder is as the layout says; None where the kernel gets a part of the answer."""
    return None if _binds(layout) else lambda holder: matches(Place("asked", holder, key).find, layout)


def content(layout: In) -> Callable[[Any], bool]:
    """Whether a captured object is as the layout says."""
    return lambda x: matches(lambda: x, layout)


def _binds(layout: In) -> bool:
    return any(isinstance(leaf, _BINDING) and getattr(leaf, "param", 0) is not None for leaf in leaves(layout))


def native(layout: KeptIn | HeldIn) -> bool:
    """Whether native code compares the content itself: items of a list, by identity; elements that lie in one piece."""
    if isinstance(layout, KeptIn):
        return layout.type is list and bool(layout.items)
    kept = layout.kept
    return kept is None or kept.size == 0 or (
        kept.strides == layout.strides and (kept.flags.c_contiguous or kept.flags.f_contiguous)
        and not isinstance(kept, np.ma.MaskedArray))                    # its mask and fill value lie elsewhere


def owned(arguments: Arguments) -> int:
    """How many objects an entry owns while it checks: values of attributes, and answers of Python."""
    asked = [layout for what, layout in arguments.given if type(what) is Place and what.kind == "asked"]
    found = [what for what, _ in arguments.given if type(what) is Place and what.kind in _OWNED]
    return sum(map(_owned, arguments.roots())) - sum(map(_owned, asked)) + len(found)


_OWNED = ("attr", "asked")


def _owned(layout: In) -> int:
    if isinstance(layout, (KeptIn, HeldIn)):
        return int(not native(layout))
    if isinstance(layout, PartsIn):
        inside = sum((kind in _OWNED) + (0 if kind == "asked" else _owned(part)) for kind, _, part in layout.parts)
        return _owned(layout.whole) + inside
    if not isinstance(layout, Node):
        return 0
    own = 0 if layout.type is dict or is_sequence(layout.type) else len(layout.keys)
    return own + sum(map(_owned, layout.children))
