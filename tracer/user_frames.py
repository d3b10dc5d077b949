"""Where the user's program stands while it is traced: which frames of Python's stack are the user's, and at which lines.

Rewritten code objects are known here (`adopt`), with the functions that they were made of. `locate` goes through Python's
stack and keeps their frames; those of generated functions (a branch, the body of a loop) count as part of the function around
them.
"""
from __future__ import annotations

import sys
from types import CodeType, FrameType, TracebackType

from ..ir.errors import Frame, Loc


class Place:
    """What is known of one rewritten code object. `owner` is the place of the function around a generated one; `plain`: it was
    not rewritten, as its source cannot be read."""

    __slots__ = ("code", "file", "frames", "function", "inner", "owner", "plain", "positions")
    code: CodeType                # `adopt` gives it and its file
    file: str

    def __init__(self, owner: Place | None, function: str, inner: bool, plain: bool = False):
        self.owner, self.function, self.inner, self.plain = owner, function, inner, plain
        self.positions: list | None = None
        self.frames: dict[int, Frame] = {}

    def frame(self, lasti: int) -> Frame:
        """The user's line and columns at a bytecode offset."""
        found = self.frames.get(lasti)
        if found is None:
            if self.positions is None:
                self.positions = list(self.code.co_positions())
            line, end_line, col, end_col = self.positions[lasti // 2]
            if end_line is not None and end_line != line:
                end_col = None
            found = Frame(self.file, line or self.code.co_firstlineno, self.function, col, end_col)
            self.frames[lasti] = found
        return found


PLACES: dict[int, Place] = {}        # id(code) -> Place, for every rewritten code object (which the Place keeps alive)
# files whose functions are rewritten like the user's, but never shown (calling/libraries/numpy_source.py)
LIBRARIES: set[str] = set()
STOPS: set[int] = set()              # id(code) of the functions below which no frame belongs to the trace
# id(frame) of each region that is being traced -> the user's frames around it, by what `locate` skips when it comes to them.
# Those frames stand still meanwhile, so an op in a nest of regions is located without going through all of them.
AROUND: dict[int, dict[Place | None, Loc]] = {}
_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})


def adopt(code: CodeType, function: str, owner: Place | None = None, plain: bool = False) -> CodeType:
    """Make a rewritten code object, and all that it contains, known to `locate`; gives the code object to run.

    What the rewriting generated (a branch, a body, a thunk) gets the name of the function around it and counts as part of it.
    """
    name = code.co_name
    inner = owner is not None and (name.startswith("<tg") or name in _COMPREHENSIONS or "<tg thunk>" in code.co_varnames)
    place = Place(owner if inner else None, function if inner else name, inner, plain)
    own = place.owner or place
    constants = tuple(adopt(c, place.function, own, plain) if isinstance(c, CodeType) else c for c in code.co_consts)
    shown = code.co_qualname.removeprefix("<tg factory>.<locals>.<tg function>.<locals>.")
    renamed = function if inner and name.startswith("<tg") and not name.startswith("<tg binds") else name
    code = code.replace(co_consts=constants, co_qualname=shown, co_name=renamed)
    place.code, place.file = code, code.co_filename
    PLACES[id(code)] = place
    return code


def locate() -> Loc:
    """The stack of user frames, innermost last. Frames of branches and bodies stand for the function around them."""
    frames: list[Frame] = []
    skip: Place | None = None
    regions: list[tuple[dict[Place | None, Loc], Place | None, int]] = []
    around: Loc = ()
    f: FrameType | None = sys._getframe(1)
    while f is not None:
        key = id(f.f_code)
        place = PLACES.get(key)
        if place is not None:
            if skip is None:
                if place.file not in LIBRARIES:
                    frames.append(place.frame(f.f_lasti))
                skip = place.owner
            elif place is skip:
                skip = None
        elif key in STOPS:
            break
        elif (found := AROUND.get(id(f))) is not None:
            if (known := found.get(skip)) is not None:
                around = known
                break
            regions.append((found, skip, len(frames)))
        f = f.f_back
    frames.reverse()
    located = (*around, *frames)
    for found, skip, inside in regions:
        found[skip] = located[:len(located) - inside]
    return located


def innermost() -> Place | None:
    """The place of the innermost function that is part of the trace."""
    f = sys._getframe(1)
    while f is not None and id(f.f_code) not in PLACES:
        f = f.f_back
    return PLACES[id(f.f_code)] if f is not None else None


def plain_function() -> str | None:
    """The name of the innermost function, where its source cannot be read."""
    place = innermost()
    return place.function if place is not None and place.plain else None


def user_loc(traceback: TracebackType | None) -> Loc:
    """The user's frames of a traceback, those of generated functions merged into the function around them."""
    frames: list = []
    while traceback is not None:
        place = PLACES.get(id(traceback.tb_frame.f_code))
        if place is not None and place.file not in LIBRARIES:
            frame = place.frame(traceback.tb_lasti)
            if place.owner is not None and frames:
                frames.pop()
            frames.append(frame)
        traceback = traceback.tb_next
    return tuple(frames)
