"""Texts of which run time chooses one, as functions that return a status do.

    return x, "converged" if r < tol else "stopped"        ChosenText(%which, ("converged", "stopped"))

Where branches join, a place that has a text in each holds the number of one among all of them. It can be compared, added to
other texts, looked up in a dict and returned: the caller gets the text. Members of an enum of the user's are chosen likewise,
which are equal where they are one.
"""
from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ....ir.build import const
from ....ir.errors import UnsupportedError
from ....ir.types import BOOL, F64, I64
from ... import pytrees, tracing
from ..boxes import ScalarBox

if TYPE_CHECKING:
    from ....ir.core import Value


def _picked(which: Value, values: Sequence[Any], dtype: Any) -> Value:
    """values[which], by comparisons: there are few."""
    b = tracing.current().builder
    found, k = b.expr(const(values[0], dtype)), b.expr(which)
    for n, value in enumerate(values[1:], 1):
        found = (k == n).select(b.expr(const(value, dtype)), found)
    return found.value


_NUMBERS = {bool: BOOL, int: I64, float: F64}


class ChosenText:
    """texts[which], where only run time knows `which`."""

    __slots__ = ("texts", "which")

    def __init__(self, which: Value, texts: tuple[str, ...]):
        self.which, self.texts = which, texts

    @property
    def stands_for(self) -> type:
        return type(self.texts[0])

    def each(self, f: Callable[[str], Any]) -> Any:
        """What a function of the text is, for the one that it is. One that fails for some of them is refused."""
        try:
            found = [f(text) for text in self.texts]
        except Exception:
            return _refuse()
        kinds = set(map(type, found))
        if kinds == {str} or (len(kinds) == 1 and is_member(found[0])):
            return chosen(self.which, found)
        if len(kinds) == 1 and (dtype := _NUMBERS.get(type(found[0]))) is not None:
            return ScalarBox(_picked(self.which, found, dtype), type(found[0]).__name__)
        if kinds == {tuple} and len(set(map(len, found))) == 1:
            return tuple([self.each(functools.partial(lambda k, text: f(text)[k], k)) for k in range(len(found[0]))])
        return _refuse()

    def __eq__(self, other: object) -> Any:
        if type(other) is ChosenText:
            pairs = [(k, n) for k, one in enumerate(self.texts) for n, two in enumerate(other.texts) if one == two]
            b = tracing.current().builder
            same = [(b.expr(self.which) == k) & (b.expr(other.which) == n) for k, n in pairs]
            return ScalarBox(functools.reduce(lambda x, y: x | y, same, b.expr(const(False, BOOL))).value, "bool")
        return self.each(lambda text: text == other)

    def __ne__(self, other: object) -> Any:
        same = self == other
        return ScalarBox(tracing.current().builder("not", same.read()), "bool")

    def _ordered(self, other: Any, sign: str) -> Any:
        """A comparison: of the numbers of both among all texts in order."""
        if texts_of(other) is None or is_member(self.texts[0]):
            return NotImplemented
        known = sorted({*self.texts, *(texts_of(other) or ())})
        return ScalarBox(tracing.current().builder(sign, among(self, known), among(other, known)), "bool")

    def __lt__(self, other: Any) -> Any:
        return self._ordered(other, "lt")

    def __le__(self, other: Any) -> Any:
        return self._ordered(other, "le")

    def __gt__(self, other: Any) -> Any:
        return self._ordered(other, "gt")

    def __ge__(self, other: Any) -> Any:
        return self._ordered(other, "ge")

    def __len__(self) -> Any:
        return _refuse()

    def __add__(self, other: Any) -> Any:
        return self.each(lambda text: text + other) if type(other) is str else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return self.each(lambda text: other + text) if type(other) is str else NotImplemented

    def __getitem__(self, key: Any) -> Any:
        return self.each(lambda text: text[key])

    def __tracegrad_contains__(self, part: Any) -> Any:
        return self.each(lambda text: part in text)

    def __getattr__(self, name: str) -> Any:
        if is_member(self.texts[0]) and all(name in ("name", "value") or name in vars(member) for member in self.texts):
            return self.each(lambda member: getattr(member, name))
        if is_member(self.texts[0]) and hasattr(self.texts[0], name):
            return _refuse()
        if name.startswith("_") or not hasattr(str, name):
            raise AttributeError(f"'str' object has no attribute {name!r}")
        return lambda *args, **kwargs: self.each(lambda text: getattr(text, name)(*args, **kwargs))

    def _refused(self, *args: Any) -> Any:
        return _refuse()

    __hash__ = __str__ = __repr__ = __format__ = __bool__ = __iter__ = __mod__ = _refused
    __contains__ = _refused


def called(f: Any, args: tuple, kwargs: dict) -> Any:
    """A function of one text: len(text), int(text)."""
    return args[0].each(f) if f in _OF_TEXTS and len(args) == 1 and type(args[0]) is ChosenText else NotImplemented


_OF_TEXTS = frozenset({len, ord, bool, int, float, str, repr, ascii})


def expect_no_identity(a: Any, b: Any) -> None:
    """`is` says nothing about texts of which run time chooses one."""
    if ChosenText in (type(a), type(b)) and texts_of(a) is not None and texts_of(b) is not None:
        _refuse()


def same_member(a: Any, b: Any) -> Any:
    """`a is b` where one is a member of an enum that run time chooses; None of others."""
    if not any(type(x) is ChosenText and is_member(x.texts[0]) for x in (a, b)):
        return None
    return texts_of(a) is not None and texts_of(b) is not None and a == b


def _refuse() -> Any:
    raise UnsupportedError("a text that only run time chooses is used here as if it were known when the function is compiled",
                           "compare it with ==, return it, or decide by a number in its place", tracing.locate())


def chosen(which: Value, texts: Iterable[str]) -> ChosenText:
    return ChosenText(which, tuple(texts))


def is_member(x: Any) -> bool:
    """Whether x is a member of an enum that is nothing else, as a number, and leaves to Python when members are equal."""
    return isinstance(x, enum.Enum) and type(x).__eq__ is object.__eq__ and type(x).__new__ is enum.Enum.__new__


def texts_of(x: Any) -> tuple[str, ...] | None:
    return (x,) if type(x) is str or is_member(x) else x.texts if type(x) is ChosenText else None


def in_order(texts: Iterable[Any]) -> tuple[Any, ...]:
    """Texts as they are sorted, members of an enum as it has them."""
    found = set(texts)
    if any(map(is_member, found)):
        return tuple([member for member in type(next(iter(found))) if member in found])
    return tuple(sorted(found))


def among(x: str | ChosenText, texts: Sequence[str]) -> Value:
    """The number of a text among others that contain all that it may be."""
    if type(x) is not ChosenText:
        return const(texts.index(x), I64)
    return _picked(x.which, [texts.index(text) for text in x.texts], I64)


# --- as entries of lists and tables -----------------------------------------------------------------------------------

def worded(x: Any) -> Any:
    """A tree with its texts as choices of one."""
    leaves, structure = pytrees.flatten(x, None, is_chosen)
    if not any(type(leaf) is str or is_member(leaf) for leaf in leaves):
        return x
    return structure.unflatten([ChosenText(const(0, I64), (leaf,)) if type(leaf) is str or is_member(leaf) else leaf
                                for leaf in leaves])


def is_chosen(x: Any) -> bool:
    return type(x) is ChosenText


def wider(a: pytrees.TreeDef, b: pytrees.TreeDef) -> pytrees.TreeDef | None:
    """The structure that is both but for the texts that a choice is among: with those of both."""
    if a == b:
        return a
    if a.kind is not b.kind or len(a.children) != len(b.children) or (a.kind is not KIND and a.meta != b.meta):
        return None
    if a.kind is KIND:
        if len({type(x) for x in (*a.meta, *b.meta)}) > 1:
            return None
        return pytrees.TreeDef(KIND, in_order({*a.meta, *b.meta}), a.children)
    children = tuple(map(wider, a.children, b.children))
    return None if None in children else pytrees.TreeDef(a.kind, a.meta, children)      # type: ignore[arg-type]


def leaves_as(x: Any, structure: pytrees.TreeDef) -> list:
    """The leaves of a tree in this structure, which is as wide as its own."""
    found = pytrees.flatten(x, None, is_chosen)[0]
    choices = _choices(structure)
    return [leaf if texts is None else ScalarBox(among(leaf, texts), "int") for leaf, texts in zip(found, choices)]


def _choices(structure: pytrees.TreeDef) -> list:
    """For each leaf or choice of a structure, the texts that it is among, or None."""
    if structure.kind is None or structure.kind is KIND:
        return [structure.meta if structure.kind is KIND else None]
    return [found for child in structure.children for found in _choices(child)]


def _split(x: ChosenText) -> tuple:
    return (ScalarBox(x.which, "int"),), x.texts


def _join(texts: tuple, children: Sequence) -> Any:
    which, = children
    if isinstance(which, ScalarBox):
        return ChosenText(which.read(), texts)
    if np.ndim(which):
        raise TypeError("the function returns texts, of which there is no batch")
    return texts[int(which)] if isinstance(which, (int, np.integer)) else None             # a text has no tangent


KIND = pytrees.Kind("text", _split, _join, lambda meta, n: ["'s text"])
pytrees.learn(ChosenText, KIND)
