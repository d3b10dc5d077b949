"""Texts that contain traced values: f-strings, messages of assert and raise, what print shows. Run time fills them in."""
from __future__ import annotations

from ..ir.core import Value
from ..ir.errors import ConcretizationError
from ..ir.types import I64, INDEX
from . import context
from .boxes import Box


def template(message) -> tuple[str, tuple[Value, ...]]:
    """(template, values) of a message that may be a Text with traced parts."""
    if isinstance(message, Text):
        return message.template, message.values
    if isinstance(message, Box):
        return "{0}", (_shown(message),)
    return str(message).replace("{", "{{").replace("}", "}}"), ()


class Text:
    """An f-string with traced parts: a template for run time and its values."""

    __slots__ = ("template", "values")

    def __init__(self, template: str, values: tuple):
        self.template, self.values = template, values

    def __str__(self):
        raise ConcretizationError("a text with traced values in it is known only at run time",
                                  "print it, or use it as the message of assert or raise", context.locate())

    __repr__ = __format__ = __add__ = __radd__ = __mod__ = __hash__ = __len__ = lambda self, *_: self.__str__()


def _shown(box: Box) -> Value:
    found = box.read()
    if found.type.dtype is INDEX:
        found = context.current().builder.cast(found, I64)
    return found


def text(*parts):
    """An f-string: a str where all is known, else a Text."""
    if not any(isinstance(p, tuple) and isinstance(p[0], (Box, Text)) for p in parts):
        return "".join(p if isinstance(p, str) else _formatted(*p) for p in parts)
    out, values = [], []
    for part in parts:
        if isinstance(part, tuple) and isinstance(part[0], Text):
            out.append(_shifted(part[0], len(values)))
            values += part[0].values
        elif isinstance(part, tuple) and isinstance(part[0], Box):
            x, conversion, spec = part
            number = context.constant(x.read())
            if number is not None:
                out.append(template(_formatted(number, conversion, spec))[0])
                continue
            out.append("{" + str(len(values)) + ("!" + conversion if conversion else "") + (":" + spec if spec else "") + "}")
            values.append(_shown(x))
        else:
            out.append(template(part if isinstance(part, str) else _formatted(*part))[0])
    return Text("".join(out), tuple(values))


def _formatted(x, conversion, spec) -> str:
    x = {"r": repr, "s": str, "a": ascii}[conversion](x) if conversion else x
    return format(x, spec)


def _shifted(inner: Text, by: int) -> str:
    """A template whose placeholders start at `by`."""
    out = inner.template
    for k in reversed(range(len(inner.values))):
        for end in "}:!":
            out = out.replace("{" + str(k) + end, "{" + str(k + by) + end)
    return out
