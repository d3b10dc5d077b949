"""Texts of which run time chooses one, as functions that return a status do.

    return x, "converged" if r < tol else "stopped"        ChosenText(%which, ("converged", "stopped"))

Where branches join, a place that has a text in each holds the number of one among all of them. It can be compared, added to
other texts, looked up in a dict and returned: the caller gets the text.
"""
from __future__ import annotations

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

    def each(self, f: Callable[[str], Any]) -> Any:
        """What a function of the text is, for the one that it is. One that fails for some of them is refused."""
        try:
            found = [f(text) for text in self.texts]
        except Exception:
            return _refuse()
        kinds = set(map(type, found))
        if kinds == {str}:
            return chosen(self.which, found)
        if len(kinds) == 1 and (dtype := _NUMBERS.get(type(found[0]))) is not None:
            return ScalarBox(_picked(self.which, found, dtype), type(found[0]).__name__)
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
        if name.startswith("_") or not hasattr(str, name):
            raise AttributeError(f"'str' object has no attribute {name!r}")
        return lambda *args, **kwargs: self.each(lambda text: getattr(text, name)(*args, **kwargs))

    def _refused(self, *args: Any) -> Any:
        return _refuse()

    __hash__ = __str__ = __repr__ = __format__ = __bool__ = __iter__ = __lt__ = __le__ = __gt__ = __ge__ = __mod__ = _refused
    __contains__ = _refused


def called(f: Any, args: tuple, kwargs: dict) -> Any:
    """A function of one text: len(text), int(text)."""
    return args[0].each(f) if f in _OF_TEXTS and len(args) == 1 and type(args[0]) is ChosenText else NotImplemented


_OF_TEXTS = frozenset({len, ord, bool, int, float, str, repr, ascii})


def expect_no_identity(a: Any, b: Any) -> None:
    """`is` says nothing about texts of which run time chooses one."""
    if ChosenText in (type(a), type(b)) and texts_of(a) is not None and texts_of(b) is not None:
        _refuse()


def _refuse() -> Any:
    raise UnsupportedError("a text that only run time chooses is used here as if it were known when the function is compiled",
                           "compare it with ==, return it, or decide by a number in its place", tracing.locate())


def chosen(which: Value, texts: Iterable[str]) -> ChosenText:
    return ChosenText(which, tuple(texts))


def texts_of(x: Any) -> tuple[str, ...] | None:
    return (x,) if type(x) is str else x.texts if type(x) is ChosenText else None


def among(x: str | ChosenText, texts: Sequence[str]) -> Value:
    """The number of a text among others that contain all that it may be."""
    if isinstance(x, str):
        return const(texts.index(x), I64)
    return _picked(x.which, [texts.index(text) for text in x.texts], I64)


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
