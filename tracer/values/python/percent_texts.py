"""Python's `pattern % values` where the values are known only at run time: as texts of format_strings.py.

  directive ::= % [(key)] [flags] [width] [.precision] type        flags of # 0 - space +

A number is written by the same rules as in format(), which aligns what %s writes to the left.
"""
from __future__ import annotations

import re
from typing import Any, NoReturn

from ....ir.errors import UnsupportedError
from ....ir.types import I64
from ... import pytrees, tracing
from .. import boxes
from ..boxes import Box, ScalarBox
from . import format_strings
from .chosen_texts import ChosenText

_DIRECTIVE = re.compile(r"%(?:\((?P<key>[^)]*)\))?(?P<flags>[-#0 +]*)(?P<width>\*|\d*)(?:\.(?P<precision>\*|\d*))?[hlL]?"
                        r"(?P<type>.)", re.S)
_TRACED = (Box, format_strings.Text, ChosenText)


def holds_traced(values: Any) -> bool:
    """Whether the right side of `pattern % values` holds what only run time knows."""
    parts = values if type(values) is tuple else values.values() if type(values) is dict else (values,)
    return any(isinstance(x, _TRACED) or _holds(x) for x in parts)


def _holds(x: Any) -> bool:
    return type(x) in (list, tuple, dict) and any(isinstance(leaf, _TRACED) for leaf in pytrees.leaves_of(x))


def percent(pattern: str, values: Any) -> Any:
    """pattern % values"""
    rest = list(values) if type(values) is tuple else [values]
    parts: list[Any] = []
    at = 0
    for found in _DIRECTIVE.finditer(pattern):
        parts.append(pattern[at:found.start()])
        at = found.end()
        if found["type"] == "%":
            parts.append("%")
            continue
        if "*" in (found["width"], found["precision"]):
            _refuse("a width or precision of `*`")
        if found["key"] is not None:
            value = values[found["key"]]
        elif rest:
            value = rest.pop(0)
        else:
            raise TypeError("not enough arguments for format string")
        parts.append(_part(found, value))
    if rest and type(values) is not dict:
        raise TypeError("not all arguments converted during string formatting")
    return format_strings.text(*parts, pattern[at:])


def _part(found: re.Match, x: Any) -> Any:
    """One directive: a str, or a part of an f-string."""
    kind, flags, width, precision = found["type"], found["flags"], found["width"], found["precision"]
    if kind in "sra" and _holds(x):
        if width or precision:
            _refuse("a width of a list, tuple or dict")
        return x, "", ""
    if not isinstance(x, _TRACED):
        return f"%{flags}{width}{'' if precision is None else '.' + precision}{kind}" % (x,)
    if kind in "sra":
        plain = not (width or precision)
        spec = "" if plain else ("<" if "-" in flags else ">") + width + ("" if precision is None else f".{precision or 0}")
        return x, ("" if kind == "s" and plain else kind), spec
    if kind not in "diufFeEgGxXo" or not isinstance(x, ScalarBox):
        _refuse(f"`%{kind}`")
    sign = "+" if "+" in flags else " " if " " in flags else ""
    align = "<" if "-" in flags else ""
    zeros = "0" if "0" in flags and not align and (kind not in "diuxXo" or precision is None) else ""
    if kind in "diuxXo":
        if x.dtype_ir.kind in "fc" or precision is not None or ("#" in flags and kind == "o"):
            if kind not in "diu" or x.dtype_ir.kind == "c" or precision is not None:
                _refuse(f"`%{kind}` of such a number")
            x = ScalarBox(boxes.converted(ScalarBox(x.read(), "float"), x.read(), I64), "int")
        elif x.dtype_ir.kind == "b" or x.weak == "bool":
            x = ScalarBox(boxes.to_value(boxes.lift(x)), x.weak)
            x = ScalarBox(tracing.current().builder.cast(x.read(), I64), "int")
        return x, "", align + sign + ("#" if "#" in flags else "") + zeros + width + ("d" if kind in "diu" else kind)
    digits = 6 if precision is None else precision or 0
    return x, "", align + sign + ("#" if "#" in flags else "") + zeros + width + f".{digits}{kind}"


def _refuse(what: str) -> NoReturn:
    raise UnsupportedError(f"{what} in `pattern % values`, of values that are known only at run time", "use an f-string",
                           tracing.locate())
