"""Why a call was compiled anew, in words: how it differs from the calls that have a kernel.

    first call
    other arguments: x is f64[4], was f64[3]
    what it captures has changed: the global name `rate` is 0.5, was 0.25
    its kernel had been given up: cache_size is 256
"""
from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..captures.captures import Captures
from ..ir.errors import TracegradError
from ..lowering.call.calling_convention import (
    MISSING,
    AbsentIn,
    HeldIn,
    In,
    Node,
    PartsIn,
    Place,
    StaticIn,
    TypeIn,
)
from ..lowering.call.python_call import Mismatch, match_given
from ..options import config
from ..tracer.staging.signature import Leaf, static
from ..tracer.values.captured_values import fixed

if TYPE_CHECKING:
    from ..lowering.call.forwarding import Held
    from ..lowering.call.specialisation import Specialisation
    from ..tracer.staging.arguments import Call
    from .api import Jitted

LONGEST = 60            # characters of a value that a sentence shows
REMEMBERED = 10_000     # keys of kernels that may have been given up since
SHOWN = 4               # arguments that a sentence names
FIRST = "first call"
NONE_YET = "nothing has been compiled yet"


class History:
    """What a function remembers about the calls that no kernel took.

    last        why the last one was compiled;  beginning  why it was, where there is no kernel
    """

    __slots__ = ("_made", "beginning", "last")

    def __init__(self) -> None:
        self.last, self.beginning = NONE_YET, FIRST
        self._made: set[int] = set()               # hashes of keys of which a kernel has been made

    def note(self, f: Jitted, call: Call, key: Hashable, known: tuple[Captures, ...]) -> str:
        """Why no kernel of `f` takes a call. known: what earlier programs for such arguments capture."""
        mark = hash(key)
        try:
            why = self._reason(f, call, known, mark in self._made)
        except Exception:                       # what users' objects raise where they are compared: the call goes on
            why = "other arguments or options"
        if len(self._made) >= REMEMBERED:
            self._made.clear()
        self._made.add(mark)
        self.last = f"{f.said()}({', '.join(call.paths)}): {why}"
        return why

    def _reason(self, f: Jitted, call: Call, known: tuple[Captures, ...], again: bool) -> str:
        if known and all(captures.find() is None for captures in known):
            return "what it captures has changed" + "".join(f": {said}" for said in _changed(f, known[0]))
        if again:
            return f"its kernel had been given up: cache_size is {config.cache_size}"
        made = f.specialisations
        return min((_differences(s, call) for s in made), key=lambda found: found[0])[1] if made else self.beginning

    def forget(self) -> None:
        """All kernels have been freed because somebody wanted that."""
        self._made.clear()


# --- arguments ---------------------------------------------------------------------------------------------------------


def _differences(made: Specialisation, call: Call) -> tuple[int, str]:
    """(how many things are otherwise in a call than in those that a kernel was made for, which)."""
    traced = made.about.traced
    if len(traced.leaves) != len(call.leaves) or list(traced.paths) != list(call.paths):
        return len(call.leaves) + 1, f"arguments of another structure: {_some(call.paths)} instead of {_some(traced.paths)}"
    rows = [(path, _leaf(old), _leaf(new, x if old.kind == "static" and new.kind != "array" else None))
            for path, old, new, x in zip(traced.paths, traced.leaves, call.leaves, call.values, strict=True)
            if old != new and not (old.kind == "static" and old == _static(x))]
    if rows:
        more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        return len(rows), "other arguments: " + "; ".join(f"{p} is {new if new != old else 'another ' + new}, was {old}"
                                                        for p, old, new in rows[:SHOWN]) + more
    if made.signature.options != config.asked:
        return 0, "other options: tg.config was called, or np.errstate is another"
    return 0, "other arguments or options: which of them are the same array, or types of containers"


def differences(made: Specialisation, call: Call) -> str:
    """How a call differs from those that a kernel was made for."""
    return _differences(made, call)[1]


def _leaf(leaf: Leaf, value: Any = None) -> str:
    if leaf.kind == "static":
        return _value(leaf.value)
    if value is not None:                       # a number that the program needs as one
        return _value(value)
    laid = f" of the strides {leaf.value}" if leaf.kind == "array" and leaf.value is not None else ""
    return str(leaf.type) + laid if leaf.kind in ("array", "numpy") else leaf.kind


def _static(x: Any) -> Leaf | None:
    """The leaf of a value where it is part of the program; None where it cannot be one."""
    try:
        return static(x)
    except TracegradError:
        return None


def _some(paths: Any) -> str:
    return ", ".join(map(str, paths[:SHOWN])) + (", …" if len(paths) > SHOWN else "") if paths else "none"


def _value(x: Any) -> str:
    try:
        text = repr(x)
    except Exception:                           # an object that cannot say what it is
        text = f"<{type(x).__name__}>"
    return text if len(text) <= LONGEST else text[:LONGEST - 1] + "…"


# --- captures ----------------------------------------------------------------------------------------------------------


def _changed(f: Jitted, captures: Captures) -> Iterator[str]:
    """The first thing that is otherwise than a program needs it."""
    found: dict[int, np.ndarray] = {}
    for what, layout in captures.given:
        try:
            match_given(((what, layout),), found, {})
        except Mismatch:
            start, name = _name(f, what)
            place, inner, name = _innermost(what, layout, name)
            yield _sentence(place, inner, start + (f"`{name}`" if name else ""))
            return


def _innermost(what: Any, layout: In, name: str) -> tuple[Any, In, str]:
    """The part of an object that is otherwise: rates -> rates[2].scale."""
    try:
        x = what.find() if type(what) is Place else what
    except MISSING:
        return what, layout, name
    for kind, key, part in _parts(layout):
        place = Place(kind, x, key)
        try:
            match_given(((place, part),), {}, {})
        except Mismatch:
            return _innermost(place, part, name + (f".{key}" if kind == "attr" else f"[{key!r}]" if kind == "item" else ""))
        except KeyError:                        # an array that another place has told
            continue
    return what, layout, name


def _parts(layout: In) -> list[tuple[str, Any, In]]:
    if type(layout) is PartsIn:
        return list(layout.parts)
    if type(layout) is Node:
        return [("item", key, child) for key, child in zip(layout.keys or range(len(layout.children)), layout.children)]
    return []


def _name(f: Jitted, what: Any) -> tuple[str, str]:
    """(what kind of thing a place leads to, its name as a user writes it)."""
    if type(what) is not Place:
        return ("the function ", what.__name__) if isinstance(what, FunctionType) else ("an object of ", type(what).__name__)
    holder, key = what.holder, what.key
    if what.kind == "cell":
        return _variable(f.root, holder)
    if what.kind == "item":
        if type(holder) is dict and {"__name__", "__builtins__"} <= holder.keys() and not fixed(holder["__name__"]):
            return "the global name ", key
        if type(holder) is dict and {"__name__", "__loader__"} <= holder.keys():
            return "", f"{holder['__name__']}.{key}"
        return f"an item of a {type(holder).__name__}, ", f"[{key!r}]"
    owner = holder.__name__ if isinstance(holder, (FunctionType, type)) else type(holder).__name__
    return "the attribute ", f"{owner}.{key}"


def _variable(root: Any, cell: Any) -> tuple[str, str]:
    root = getattr(root, "__func__", root)
    cells, code = getattr(root, "__closure__", None) or (), getattr(root, "__code__", None)
    names = [name for name, known in zip(code.co_freevars, cells) if known is cell] if code else []
    return ("the variable ", names[0]) if names else ("a variable of a function around", "")


def rebound(root: Any, places: Iterable[Held]) -> str:
    """What has another function of the same name answer: its code, its defaults or a variable that it captures is another."""
    for place in places:
        if place.holds():
            continue
        if place.name != "cell_contents":
            return f"what it captures has changed: {place.name} of the function is another object"
        cell = place.holder()
        start, name = _variable(root, cell)
        said = start + (f"`{name}`" if name else "")
        try:
            return f"what it captures has changed: {said} is {_value(cell.cell_contents)}, was {_value(place.value)}"
        except MISSING:
            return f"what it captures has changed: {said} is not there any more"
    return FIRST


def _sentence(what: Any, layout: In, name: str) -> str:
    try:
        now = what.find() if type(what) is Place else what
    except MISSING:
        return f"{name} is not there any more"
    match layout:
        case StaticIn(value):
            return f"{name} is {_value(now)}, was {_value(value)}"
        case TypeIn(kind) | PartsIn(TypeIn(kind), _):
            return f"{name} is of {type(now).__name__}, was of {kind.__name__}"
        case AbsentIn():
            return f"{name} is {_value(now)}, was not there"
        case HeldIn() if isinstance(now, np.ndarray):
            if now.dtype == layout.kind and now.shape == layout.shape and now.strides == layout.strides:
                return f"{name}, whose elements decide what is computed, has others"
            return f"{name} is an array of {now.dtype} {now.shape}, was of {layout.kind} {layout.shape}"
    return f"{name} is another object"
