"""What an exception holds, as data that a check can make it of at run time: its arguments and attributes.

    raise OutOfRange("x", 3, x)     ->     check false, %x {error="module.OutOfRange", message=((("text", "x"), ("is", 3),
                                                            ("value", 0, "float64")), ())}

Where it holds one text and no more, as most do, that text is the message (ir/ops/checks.py has the form). A text that shows
arrays has marks for them; the arrays come after the numbers among the values.
"""
from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np

from ....ir.core import Value
from ....ir.errors import UnsupportedError
from ....ir.ops import checks
from ....ir.ops.checks import REPORTED_WORDS, Message, instance
from ... import tracing
from ..boxes import Box, ScalarBox, lift
from . import format_strings
from .chosen_texts import ChosenText

_PLAIN = (str, int, float, bool, complex, type(None))


def parts_of(error: Exception) -> tuple[Message, tuple[Value, ...]]:
    """(message, the traced values in it) of an exception."""
    values: list[Value] = []
    arrays: list[Value] = []
    args = tuple([_part(error, x, values, arrays) for x in _arguments(error)])
    attributes = tuple([(name, _part(error, x, values, arrays)) for name, x in vars(error).items() if name != "__notes__"])
    if sum(2 if v.type.dtype.complex else 1 for v in values) > REPORTED_WORDS:
        raise UnsupportedError(f"a {type(error).__name__} holds more than {REPORTED_WORDS} numbers of run time",
                               "say less", tracing.locate())
    if len(args) == 1 and args[0][0] == "text" and args[0][1] and not attributes:
        return args[0][1], (*values, *arrays)
    return ("" if not args and not attributes else (args, attributes)), (*values, *arrays)


def _arguments(error: Exception) -> tuple:
    """What an equal exception is made with: an OSError has a file beside its arguments."""
    return tuple(error.__reduce__()[1]) if isinstance(error, OSError) else error.args


def _part(error: Exception, x: object, values: list[Value], arrays: list[Value]) -> tuple:
    if isinstance(x, (str, format_strings.Text, ChosenText)):
        return "text", _text(*format_strings.template(x), values, arrays)
    x = lift(x) if isinstance(x, np.number | np.bool_) else x
    if isinstance(x, ScalarBox) or (isinstance(x, Box) and not x.read().type.dims):
        values.append(format_strings.value_of(x))
        return "value", len(values) - 1, getattr(x, "weak", None) or values[-1].type.dtype.np.name
    if _is_plain(x):
        return "is", x
    what = "an array" if isinstance(x, Box) else f"a {type(x).__name__}"
    raise UnsupportedError(
        f"`raise` of {type(error).__name__} under a condition that is decided at run time, or with traced values in it, holds "
        f"{what}: compiled code makes exceptions of texts and numbers",
        "put what is to be said into its message: `raise ValueError(f\"… {x}\")`", tracing.locate())


def _text(template: str, given: Sequence[Value], values: list[Value], arrays: list[Value]) -> str:
    """A template of numbers among `values`, in which arrays, put into `arrays`, have marks (ops/checks.py)."""
    numbers = [v for v in given if not v.type.dims]
    if len(numbers) == len(given):
        values += given
        return format_strings.shifted(template, len(given), len(values) - len(given))
    places = {k: len(values) + n for n, k in enumerate(k for k, v in enumerate(given) if not v.type.dims)}
    values += numbers
    parts = []
    for literal, name, spec, conversion in string.Formatter().parse(template):
        parts.append(literal.replace("{", "{{").replace("}", "}}"))
        if name is not None and int(name) in places:
            parts.append(f"{{{places[int(name)]}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}}}")
        elif name is not None:
            parts.append(checks.shown_array(len(arrays), conversion or "", spec or ""))
            arrays.append(given[int(name)])
    return "".join(parts)


def _is_plain(x: object) -> bool:
    return type(x) in _PLAIN or (type(x) is tuple and all(map(_is_plain, x)))


def shown(cls: type[Exception], message: Message, values: tuple[Value, ...]) -> Exception:
    """The object that a handler gets."""
    numbers = sum(not v.type.dims for v in values)

    def text(template: str) -> object:
        template = checks.with_fields(template, numbers)
        traced = any(name is not None for _, name, _, _ in string.Formatter().parse(template))
        return format_strings.Text(template, values) if traced else template.format()

    def value(k: int, kind: str) -> ScalarBox:
        return ScalarBox(values[k], kind if kind in ("float", "int", "bool", "complex") else None)

    return instance(cls, message, text, value)
