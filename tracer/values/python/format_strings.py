"""Texts that contain traced values: f-strings, messages of assert and raise, what print shows. Run time fills them in.

  template ::= a text for str.format, with {0}, {1:.2f} … for the traced values, and {{ }} for braces
"""
from __future__ import annotations

import itertools
import re
import string
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from ....ir.core import Value
from ....ir.errors import ConcretizationError, UnsupportedError
from ....ir.ops.checks import LISTED, choice, filled
from ....ir.types import I64, INDEX
from ... import pytrees, tracing
from .. import boxes, captured_arrays, captured_values
from ..boxes import ArrayBox, Box, ScalarBox
from . import settings
from .chosen_texts import ChosenText


class Text:
    """A text with traced parts."""

    __slots__ = ("template", "values")

    def __init__(self, template: str, values: tuple):
        self.template, self.values = template, values

    def _refuse(self, *_: Any) -> NoReturn:
        for value in self.values:
            tracing.need_static(ScalarBox(value), "a text")
        raise ConcretizationError("a text with traced values in it is known only at run time",
                                  "return it, print it, or use it as the message of assert or raise", tracing.locate())

    __str__ = __repr__ = __hash__ = __len__ = __format__ = __iter__ = __contains__ = __getitem__ = __bool__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __mul__ = __rmul__ = __mod__ = _refuse

    def __getattr__(self, name: str) -> Any:
        return self._refuse() if hasattr(str, name) and not name.startswith("__") else object.__getattribute__(self, name)

    def __add__(self, other: Any) -> Any:
        return joined([self, other])

    def __radd__(self, other: Any) -> Any:
        return joined([other, self])


class Returned:
    """A text for the caller, which Python completes when the call ends. `ranks`: how many axes each value has."""

    __slots__ = ("ranks", "template", "values")

    def __init__(self, template: str, values: Sequence, ranks: tuple[int, ...]):
        self.template, self.values, self.ranks = template, values, ranks


def _completed(meta: tuple[str, tuple[int, ...]], values: Sequence) -> Any:
    template, ranks = meta
    if not all(isinstance(x, (np.generic, np.ndarray)) and np.ndim(x) == rank for x, rank in zip(values, ranks)):
        return Returned(template, list(values), ranks)
    return filled(template, values)


def settled(x: Any) -> Any:
    """What a function returns, in which texts are completed at the end of the call."""
    if not any(type(leaf) is Text for leaf in pytrees.leaves_of(x)):
        return x
    return pytrees.map(lambda leaf: leaf if type(leaf) is not Text else Returned(
        leaf.template, [boxes.array(v) if v.type.dims else ScalarBox(v) for v in leaf.values],
        tuple([len(v.type.dims) for v in leaf.values])), x)


pytrees.learn(Returned, pytrees.Kind("text", lambda x: (x.values, (x.template, x.ranks)), _completed, lambda meta, n: [""] * n))


def said(x: Any) -> Any:
    """What str() gives of an exception that has traced values in its message; everything else as it is."""
    if isinstance(x, BaseException) and len(x.args) == 1 and isinstance(x.args[0], (Box, Text)):
        return x.args[0]
    return x


def template(message: str | Text | ChosenText) -> tuple[str, tuple[Value, ...]]:
    """(template, values) of what may be a Text, a box or any object."""
    message = said(message)
    if isinstance(message, Text):
        return message.template, message.values
    if isinstance(message, ChosenText):
        message = message.each(str)
        return "{0:" + choice(message.texts) + "}", (message.which,)
    if isinstance(message, Box):
        return "{0}", (value_of(message),)
    return str(message).replace("{", "{{").replace("}", "}}"), ()


def value_of(box: Box) -> Value:
    """What run time puts into a text for a box."""
    found = box.read()
    return tracing.current().builder.cast(found, I64) if found.type.dtype is INDEX else found


def shifted(inner: str, count: int, by: int) -> str:
    """A template whose `count` placeholders start at `by`."""
    for k in reversed(range(count)) if by else ():
        for end in "}:!":
            inner = inner.replace("{" + str(k) + end, "{" + str(k + by) + end)
    return inner


def joined(parts: Sequence[str | Text]) -> Text:
    out: list[str] = []
    values: list[Value] = []
    for part in parts:
        inner, more = template(part)
        out.append(shifted(inner, len(more), len(values)))
        values += more
    return Text("".join(out), tuple(values))


def text(*parts: str | tuple[Any, str, str]) -> Any:
    """An f-string of literals and (value, conversion, format): a str where all is known, else a Text."""
    parts = tuple((shown(p[0]), "" if _contains(p[0]) else p[1], p[2]) if type(p) is tuple and _is_container(p[0], p[2]) else p
                  for p in parts)
    if not any(type(p) is tuple and isinstance(said(p[0]), (Box, Text, ChosenText)) for p in parts):
        return "".join(p if type(p) is str else _formatted(*p) for p in parts)
    out = [p if type(p) is str else _part(*p) for p in parts]
    traced = [p for p in out if type(p) is not str]
    if len(traced) == 1 and type(traced[0]) is ChosenText:               # still one of some texts, which can be compared
        at = out.index(traced[0])
        return traced[0].each(lambda text: "".join(out[:at]) + text + "".join(out[at + 1:]))
    return joined(out)


def _contains(x: Any) -> bool:
    return type(x) in (list, tuple, dict)


def _is_container(x: Any, spec: str) -> bool:
    """Whether the text of x is that of what it holds, some of which may be known only at run time."""
    return getattr(x, "shown", "") == "list" or (_contains(x) and not spec and _is_traced_in(x))


def _is_traced_in(x: Any) -> bool:
    return any(map(_is_traced, x.values() if type(x) is dict else x))


def _part(x: Any, conversion: str, spec: str) -> Any:
    if _is_container(x, spec):
        x, conversion = shown(x), ""
    x = said(x) if conversion != "r" else x
    if isinstance(x, Text):
        return _formatted(str(x), conversion, spec) if spec or conversion in ("r", "a") else x
    if isinstance(x, ChosenText):
        return x.each(lambda text: _formatted(text, conversion, spec))
    if not isinstance(x, Box):
        return _formatted(x, conversion, spec)
    number = tracing.constant(x.read())
    if number is not None:
        return _formatted(number, conversion, spec)
    if isinstance(x, ScalarBox) and x.weak and not spec:                 # str and repr of Python's numbers are the same
        conversion = ""
    return Text("{0" + ("!" + conversion if conversion else "") + (":" + spec if spec else "") + "}", (value_of(x),))


def _formatted(x: Any, conversion: str, spec: str) -> str:
    _read(x)
    x = _CONVERSIONS[conversion](x) if conversion else x
    return format(x, spec)


_CONVERSIONS: dict[str, Callable[[object], str]] = {"r": repr, "s": str, "a": ascii}


def _is_traced(x: Any) -> bool:
    """Whether the text of an item may be known only at run time."""
    return isinstance(x, (Box, Text, ChosenText, list, tuple, dict)) or getattr(x, "shown", "") == "list"


def _quoted(x: Text) -> Text:
    """What repr gives of a text of which only numbers are known at run time: nothing in it asks for other quotes."""
    if repr(x.template) != f"'{x.template}'" or any(v.type.dims for v in x.values):
        x._refuse()
    return joined(["'", x, "'"])


def shown(x: Any, plain: Any = str) -> Any:
    """What print writes for x: a Text where it contains traced values. `plain` shows what is not traced."""
    x = x.settled() if getattr(x, "shown", "") == "list" else x          # a list of run-time length
    if plain is repr and isinstance(x, Text):
        return _quoted(x)
    if isinstance(said(x), (Box, Text, ChosenText)):
        quoted = plain is repr and (isinstance(x, ChosenText) or (isinstance(x, Box) and x.weak is None))
        return _part(x, "r" if quoted else "", "")
    if type(x) is dict and _is_traced_in(x):
        parts = [p for k, (key, v) in enumerate(x.items()) for p in ((", " if k else "") + repr(key) + ": ", shown(v, repr))]
        return joined(["{", *parts, "}"])
    if type(x) in (list, tuple) and _is_traced_in(x):
        opening, closing = "[]" if type(x) is list else "()"
        parts = [p for k, v in enumerate(x) for p in ([", "] if k else []) + [shown(v, repr)]]
        return joined([opening, *parts, ",)" if type(x) is tuple and len(x) == 1 else closing])
    if hasattr(x, "box") and hasattr(x, "kind") and len(x.box.dims) == 1:                # a list of numbers, of run-time length
        return Text("{0:" + LISTED + ("python" if x.kind.weak else "numpy") + "}", (value_of(x.box),))
    if getattr(x, "shown", "") in ("list", "deque"):
        raise UnsupportedError(f"the text of a {x.shown} of run-time length, or of lists of which run time chooses one",
                               "print its items, in a loop", tracing.locate())
    _read(x)
    return plain(x)


def _read(x: Any) -> None:
    """What Python is about to show while the function is traced."""
    captured_values.handed_over(x)
    captured_arrays.note_read(x)
    settings.shown(x)


def takes_part(method: str, args: Sequence, kwargs: dict) -> bool:
    """Whether what a method of a str is given may be known only at run time. A text is joined of what other iterables give."""
    if method == "join" and len(args) == 1:
        return type(args[0]) not in (list, tuple) or any(isinstance(x, (Text, ChosenText)) for x in args[0])
    return any(isinstance(said(x), (Box, Text)) or _is_traced(x) for x in (*args, *kwargs.values()))


def formatted(pattern: str, method: str, args: Any, kwargs: Any) -> Any:
    """A method of a str that takes traced arguments: "…".format(…), "…".join([…]); positions and widths are made static."""
    if method == "join" and isinstance(args[0], (list, tuple)):
        items = list(args[0])
        if not any(isinstance(x, (Text, ChosenText)) for x in items):
            return pattern.join(items)
        for k, x in enumerate(items):
            if not isinstance(x, (str, Text, ChosenText)):
                kind = "number" if isinstance(x, Box) else type(x).__name__
                raise TypeError(f"sequence item {k}: expected str instance, {kind} found")
        return joined([part for x in items for part in (pattern, x)][1:])
    if method != "format" and not kwargs and not any(isinstance(said(x), (ArrayBox, Text)) for x in args):
        return getattr(pattern, method)(*[tracing.need_concrete(x, f"str.{method}") if isinstance(x, ScalarBox) else x
                                          for x in args])
    if method != "format":
        raise UnsupportedError(f"str.{method} of traced values cannot be compiled", "use an f-string", tracing.locate())
    return joined(_fields(pattern, args, kwargs, itertools.count()))


def _fields(pattern: str, args: Sequence[Any], kwargs: dict, auto: Iterator[int]) -> list:
    """The parts of a text that str.format makes; those of a format specification within it are known while tracing."""
    parts: list[Any] = []
    for literal, name, spec, conversion in string.Formatter().parse(pattern):
        parts.append(literal)
        if name is not None:
            first = re.match(r"[^.\[]*", name)
            own = name if first is None or first[0] else f"{next(auto)}{name}"
            value = string.Formatter().get_field(own, args, kwargs)[0]
            said_of = "".join(str(tracing.need_concrete(x, "a format specification") if isinstance(x, Box) else x)
                              for x in _values(spec or "", args, kwargs, auto))
            parts.append(_part(value, conversion or "", said_of))
    return parts


def _values(spec: str, args: Sequence[Any], kwargs: dict, auto: Iterator[int]) -> Iterator[Any]:
    """The literal parts of a format specification, and the values that stand in its fields."""
    for literal, name, _, _ in string.Formatter().parse(spec):
        yield literal
        if name is not None:
            yield string.Formatter().get_field(name or str(next(auto)), args, kwargs)[0]


# --- the builtins that make texts -------------------------------------------------------------------------------------

def print_(*args: Any, sep: str = " ", end: str = "\n", file: str | None = None, flush: bool = False) -> None:
    """print: at run time."""
    if file is not None:
        raise UnsupportedError("print(file=…) cannot be compiled", "print to standard output", tracing.locate())
    parts: list[str] = []
    values: list[Value] = []
    for x in args:
        inner, more = template(shown(x))
        parts.append(shifted(inner, len(more), len(values)))
        values += more
    escaped = [template(str(s))[0] for s in (sep if sep is not None else " ", end if end is not None else "\n")]
    tracing.current().builder.emit("print", *values, format=escaped[0].join(parts) + escaped[1])


def format_(value: Any, spec: Any = "") -> Any:
    return text((value, "", spec)) if isinstance(value, (Box, Text, ChosenText)) else format(value, spec)


def text_of(make: Callable | type, conversion: str) -> Callable:
    """str or repr: a Text where the text is known only at run time."""
    def handler(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and isinstance(said(args[0]), (Box, Text, ChosenText)):
            return text((args[0], conversion, ""))
        own = len(args) == 1 and (type(args[0]) in (list, tuple, dict) or getattr(args[0], "shown", "") == "list")
        if own:
            return shown(args[0])
        for x in args:
            _read(x)
        return make(*args, **kwargs)
    return handler
