"""Values that are None under a condition of run time, as functions that find nothing return.

    def first_above(x, bound):            %found, %value = …
        for v in x:                       Optional(%value, %found)
            if v > bound:
                return v                  the caller gets the number, or None

Where branches join, one that has None stands for zeros that nobody reads. Whoever computes with such a value has it checked:
TypeError where it is None, as in Python.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ....ir.errors import UnsupportedError
from ... import pytrees, tracing
from ..boxes import Box, ScalarBox

if TYPE_CHECKING:
    from ....ir.core import Value


def _check(flag: Value, what: str) -> None:
    tracing.current().builder.emit("check", flag, error="TypeError", message=what)


class OptionalNumber(ScalarBox):
    """A number, or None where `flag` is false."""

    __slots__ = ("flag",)

    def __init__(self, value: Value, weak: str | None, flag: Value):
        super().__init__(value, weak)
        self.flag = flag

    def read(self) -> Value:
        _check(self.flag, "unsupported operand type(s): 'NoneType' is no number")
        return self._value

    @property
    def held(self) -> ScalarBox:
        return ScalarBox(self._value, self.weak)


class Optional:
    """An array or a container, or None where `flag` is false."""

    __slots__ = ("flag", "held")

    def __init__(self, held: Any, flag: Value):
        self.held, self.flag = held, flag

    def __iter__(self) -> Any:
        _check(self.flag, "cannot unpack non-iterable NoneType object")
        return iter(self.held)

    def __getitem__(self, key: Any) -> Any:
        _check(self.flag, "'NoneType' object is not subscriptable")
        return self.held[key]

    def __len__(self) -> int:
        _check(self.flag, "object of type 'NoneType' has no len()")
        return len(self.held)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            _check(self.flag, f"'NoneType' object has no attribute '{name}'")
            return getattr(self.held, name)
        raise UnsupportedError("a value that may be None, as only run time knows, is used as an operand",
                               "ask `if x is not None:` and unpack or index it there, or return a flag beside it",
                               tracing.locate())


KINDS = (Optional, OptionalNumber)


def optional(held: Any, flag: Value) -> Optional | OptionalNumber:
    return OptionalNumber(held._value, held.weak, flag) if type(held) is ScalarBox else Optional(held, flag)


def needed(x: Any, what: str = "unsupported operand type(s): 'NoneType' is no array") -> Any:
    """An operand: TypeError where it is None."""
    if type(x) is not Optional:
        return x
    _check(x.flag, what)
    return x.held


def is_none(x: Any, wanted: bool) -> bool | ScalarBox:
    """`x is None`, or with wanted=False `x is not None`."""
    if type(x) not in KINDS:
        return (x is None) is wanted
    return ScalarBox(tracing.current().builder("not", x.flag) if wanted else x.flag, "bool")


def present(x: Any) -> Any:
    """What derivatives and batches are of: TypeError where that is None."""
    if type(x) not in KINDS:
        return x
    _check(x.flag, "the function returns None here, and derivatives and batches are of values")
    return x.held


def _split(x: Any) -> tuple:
    return (ScalarBox(x.flag, "bool"), x.held), ()


def _join(meta: tuple, children: Sequence) -> Any:
    flag, held = children
    if isinstance(flag, Box):
        return optional(held, flag.read())
    if np.ndim(flag):
        if np.all(flag) or flag.dtype != bool:
            return held
        raise TypeError("the function returns None for some elements of the batch, and for others it does not")
    return held if flag or type(flag) not in (bool, np.bool_) else None           # of a tangent the flag is 0.0


KIND = pytrees.Kind("optional", _split, _join, lambda meta, n: [" is not None", ""])
for _kind in KINDS:
    pytrees.learn(_kind, KIND)
