"""Names that hold one of several arrays or views, where only run time knows which: a number takes the place of the elements.

    a, b = buf[0], buf[1]                  %ka = 0, %kb = 1
    while …:
        b[1:] = a[:-1]                     buf[%kb, 1:] = buf[%ka, :-1]
        a, b = b, a                        %ka, %kb = %kb, %ka

A trace begins without this: what a join leaves is then the elements. Where a write makes it doubtful which array they are, it
gives them numbers (regions/identity.py), which say nothing of views; where that is not enough, it starts again and joins

  Views     of one array, that differ in positions only: by the positions
  Members   of several arrays, or views of such: by a number among them, as items of a list are (containers/array_choice.py)

Either way a name stands for the memory itself, and a write under one name is seen under every other. What is made anew in a
branch or an iteration is joined by its elements, as ever.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...ir.types import Dim
from .. import pytrees
from ..values import boxes, shapes, views
from ..values.boxes import ArrayBox
from . import leaf_types

# (type, make(number, members), mapped(number, places)) of what stands for one of several arrays: containers/array_choice.py
CHOICE: list[tuple[type, Callable, Callable]] = []


class Views:
    """Views of one array by one path: `parts` has for each of its axes None, "i" for a position, or the length and step of a
    slice, of which the start is the number."""

    __slots__ = ("base", "out", "parts", "writeable")

    def __init__(self, base: ArrayBox, out: tuple, parts: tuple, writeable: Any):
        self.base, self.out, self.parts, self.writeable = base, out, parts, writeable

    def same(self, other: Views) -> bool:
        return self.base is other.base and (self.out, self.parts, self.writeable) == (other.out, other.parts, other.writeable)

    def numbers(self, held: Any, emitted: bool = True) -> tuple | None:
        """What tells this view from the others; None where it is none of them."""
        found = view_of(held)
        return None if found is None or not self.same(found[0]) else tuple(map(boxes.count, found[1]))

    def held(self, numbers: Sequence) -> ArrayBox:
        """The view that has these numbers."""
        rest = iter(numbers)
        sel = tuple(None if p is None else shapes.to_index(next(rest)) if p == "i" else (shapes.to_index(next(rest)), *p)
                    for p in self.parts)
        made = self.base.view(views.Strided(sel, self.out))
        made.writeable = self.writeable
        return made

    def widened(self, held: Any, epoch: float) -> Members | None:
        return None


class Members:
    """Arrays that are there for as long as the name."""

    __slots__ = ("arrays",)

    def __init__(self, arrays: tuple[ArrayBox, ...]):
        self.arrays = arrays

    def numbers(self, held: Any, emitted: bool = True) -> tuple | None:
        """The place of an array among them, in a tuple; None where it is none of them. Not `emitted`: any number for the place
        of a choice of other ones."""
        _, _, mapped = CHOICE[0]
        places = [next((k for k, m in enumerate(self.arrays) if one(m, x)), None) for x in members_of(held)]
        if None in places:
            return None
        if not is_choice(held):
            return (places[0],)
        return (mapped(held.key, places) if emitted and places != list(range(len(places))) else held.key,)

    def held(self, numbers: Sequence) -> Any:
        """The array of a place."""
        return CHOICE[0][1](numbers[0], self.arrays) if isinstance(numbers[0], boxes.Box) else self.arrays[numbers[0]]

    def widened(self, held: Any, epoch: float) -> Members | None:
        """With what another branch or iteration leaves; None where that has been made there."""
        found = list(self.arrays)
        for x in members_of(held):
            if not any(one(m, x) for m in found):
                if not lasts(x, epoch):
                    return None
                found.append(x)
        return Members(tuple(found))


class Standings:
    """Which parts of what a loop carries stand for one of several arrays."""

    __slots__ = ("found", "tree")

    def __init__(self) -> None:
        self.found: dict[int, Views | Members] = {}          # place among the leaves -> what it stands for
        self.tree: pytrees.TreeDef | None = None

    def learn(self, initial: Any, final: Any, epoch: float) -> bool:
        """From what a name holds before the loop and after an iteration; whether that is news."""
        (before, tree), (after, other) = _parts(initial), _parts(final)
        news: dict[int, Views | Members | None] = {}
        for k, (a, b) in enumerate(zip(before, after) if tree == other else ()):
            known = self.found.get(k)
            if known is not None and known.numbers(b, emitted=False) is None:
                news[k] = known.widened(b, epoch)
            elif known is None and a is not b:
                news[k] = standing(a, b, epoch)
        learned = {k: found for k, found in news.items() if found is not None}
        self.found, self.tree = self.found | learned, tree
        return bool(learned)

    def numbers(self, held: Any, emitted: bool = True) -> Any:
        """What a name holds, with numbers in place of arrays."""
        leaves, tree = _parts(held)
        if not self.found or tree != self.tree:
            return held
        numbers = [self.found[k].numbers(x, emitted) if k in self.found else None for k, x in enumerate(leaves)]
        return tuple(x if found is None else found for x, found in zip(leaves, numbers))

    def held(self, numbers: Any) -> Any:
        """The reverse."""
        if not self.found or self.tree is None:
            return numbers
        return self.tree.unflatten([self.found[k].held(x) if k in self.found else x for k, x in enumerate(numbers)])


def _parts(held: Any) -> tuple[list, pytrees.TreeDef]:
    return pytrees.flatten(held, leaf_types.opened, is_choice)


def standing(a: Any, b: Any, epoch: float) -> Views | Members | None:
    """What both are, of what was there at the stamp `epoch`; None where one is no such array."""
    left, right = view_of(a), view_of(b)
    if left is not None and right is not None and left[0].same(right[0]) and left[0].base._epoch <= epoch:
        return left[0]
    if not all(type(x) is ArrayBox or is_choice(x) for x in (a, b)):
        return None
    first = Members(()).widened(a, epoch)
    return None if first is None else first.widened(b, epoch)


def members_of(held: Any) -> Sequence:
    return held.members if is_choice(held) else (held,)


def is_choice(held: Any) -> bool:
    return type(held) is CHOICE[0][0]


def lasts(x: Any, epoch: float) -> bool:
    """Whether a box means the same after a region that began at `epoch`: it was there, or is a view at known positions."""
    if type(x) is not ArrayBox:
        return False
    if x._epoch <= epoch:
        return True
    found = view_of(x)
    if found is None or found[0].base._epoch > epoch:
        return False
    return all(type(n) is int for n in (*found[1], *(n for p in found[0].parts if type(p) is tuple for n in p)))


def one(a: Any, b: Any) -> bool:
    """Whether two boxes are the same memory, as far as is known."""
    left, right = view_of(a), view_of(b)
    return a is b or (left is not None and right is not None and left[0].same(right[0])
                      and all(map(shapes.same, left[1], right[1])))


def view_of(held: Any) -> tuple[Views, tuple[Dim, ...]] | None:
    """(the views that this is one of, its numbers)"""
    if type(held) is not ArrayBox or held.base is None or type(held.path) is not views.Strided:
        return None
    sel = held.path.sel
    parts = tuple(None if s is None else s[1:] if type(s) is tuple else "i" for s in sel)
    numbers = tuple(s[0] if type(s) is tuple else s for s in sel if s is not None)
    return Views(held.base, held.path.out, parts, held.writeable), numbers
