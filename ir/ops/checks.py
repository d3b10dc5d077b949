"""Ops that must run for what they do: checks and printing.

    check cond, value… {error, message}   raises where cond (a bool scalar) is false. `error` names a class of ir.errors or a
                                          builtin exception; {0}, {1} … in `message` are the values
                                          message ::= text | (part, …), ((attribute, part), …)   what the exception holds
                                          part    ::= ("text", text) | ("value", k, dtype or a Python type) | ("is", constant)
    check cond, value…, state… {…, states=(k, …)}
                                          where it raises, parameter k of the function, an array, holds the state afterwards:
                                          what the program has written to the caller's arrays before it fails stays there
    wrap i, n {axis}                      -> index: i modulo n for i in [-n, n), else BoundsError; i may be an array of index
    print value… {format}                 prints `format` with the values filled in (and no newline of its own); one of TOLD
                                          and a number prints nothing: Python keeps the values, for who asks after it (`taken`)

A message that shows arrays has marks (`shown_array`): Python has kept them, told by a print of SHOWN in the branch that fails.

`message` and `format` are templates for str.format. A placeholder whose specification is of CHOICE and texts (`choice`) says
the text with the number that the value is; one of LISTED and "python" or "numpy" says an array as a list of such numbers.
"""
from __future__ import annotations

import builtins
import re
import string
import threading
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import errors
from ..opdef import OpDef
from ..types import BOOL_SCALAR, INDEX, Array, Type
from .common import array_type, expect_at_least, expect_count, expect_index, fail

if TYPE_CHECKING:
    from ..core import Block, Op, Value

REPORTED_WORDS = 32             # numbers that a failed check can report; a complex number counts as two
BOUNDS_MESSAGE = "index {0} is out of bounds for axis {axis} with size {1}"


_OWN: dict[str, type[Exception]] = {}        # exceptions that users define, by the name that a check has for them


def own_class(cls: type[Exception]) -> str:
    """The name that a check has for a user's exception."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    while _OWN.setdefault(name, cls) is not cls:
        name += "_"
    return name


def users_class(name: str) -> type[Exception] | None:
    """The user's exception that `own_class` has given this name."""
    return _OWN.get(name)


def error_class(name: str) -> type[Exception] | None:
    """The exception that `error` names: tracegrad's, NumPy's LinAlgError, a builtin, or a user's."""
    if name in _OWN:
        return _OWN[name]
    if name == "LinAlgError":
        return np.linalg.LinAlgError
    found = getattr(errors, name, None) or getattr(builtins, name, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None


CHOICE, LISTED = "\x1f", "\x1c"
_BRACES = str.maketrans("{}", "\x1d\x1e")     # they would be parts of the template


def choice(texts: Sequence[str]) -> str:
    """The specification of a placeholder for one of some texts."""
    return "".join(CHOICE + text.translate(_BRACES) for text in texts)


class _Filling(string.Formatter):
    """str.format, and choices."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec.startswith(LISTED):
            return str(value.tolist() if format_spec.endswith("python") else list(value))
        if format_spec.startswith(CHOICE):
            return format_spec.split(CHOICE)[1 + int(value)].translate({0x1d: "{", 0x1e: "}"})
        return format(value, format_spec)


def filled(template: str, values: Sequence) -> str:
    """A template with its values."""
    own = CHOICE in template or LISTED in template
    return _Filling().vformat(template, values, {}) if own else template.format(*values)


SHOWN, _MARK = "\x19", "\x18"
_MARKED = re.compile(f"{_MARK}(\\d+)([^{_MARK}]*){_MARK}")


def shown_array(k: int, conversion: str, spec: str) -> str:
    """What stands in a message for the text of array number k."""
    return f"{_MARK}{k}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}{_MARK}"


def with_fields(template: str, first: int) -> str:
    """A message with fields for its arrays, which come among the values from `first` on."""
    return _MARKED.sub(lambda m: f"{{{int(m[1]) + first}{m[2]}}}", template)


def with_arrays(text: str) -> str:
    """A message with the texts of its arrays, which this thread has been told last."""
    return _MARKED.sub(lambda m: filled("{0" + m[2] + "}", [_KEPT.shown[int(m[1])]]), text)


Message = str | tuple
E = TypeVar("E", bound=BaseException)


def make_error(name: str, message: Message, values: Sequence = (), loc: errors.Loc = ()) -> Exception:
    """The error of a failed check. A builtin exception keeps its plain message and carries the user's lines as a note."""
    cls = error_class(name)
    assert cls is not None, name
    if issubclass(cls, errors.TracegradError):
        assert isinstance(message, str)
        return cls(with_arrays(filled(message, values)), loc=loc)
    made = instance(cls, message, lambda text: with_arrays(filled(text, values)), lambda k, kind: _number(values[k], kind))
    return noted(made, loc)


def _number(value: complex, kind: str) -> complex:
    return value if hasattr(builtins, kind) else np.dtype(kind).type(value)


def instance(cls: type[Exception], message: Message, text: Callable, value: Callable) -> Exception:
    """An exception with what its message says in it; text(template) and value(k, kind) give its parts."""
    make = {"text": text, "value": value, "is": lambda x: x}
    parts, attributes = (((("text", message),) if message else ()), ()) if isinstance(message, str) else message
    args = tuple(make[kind](*rest) for kind, *rest in parts)
    if isinstance(cls.__init__, types.FunctionType) or isinstance(cls.__new__, types.FunctionType):
        error = BaseException.__new__(cls, *args)                      # what its own code has done is in its attributes
        error.args = args
    else:
        error = cls(*args)
    for name, (kind, *rest) in attributes:
        setattr(error, name, make[kind](*rest))
    return error


def noted(error: E, loc: errors.Loc) -> E:
    """A builtin exception with the user's lines as a note, unless it has one."""
    for frame in () if getattr(error, "__notes__", None) else loc:
        error.add_note(errors.excerpt(frame))
    return error


def _infer_check(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_at_least("check", operands, 1)
    if operands[0].type != BOOL_SCALAR:
        fail(f"check takes a bool scalar as its condition, not {operands[0].type!r}")
    for value in reported(attrs, operands)[0]:
        if array_type("check", value).dims:
            fail(f"check reports scalars, not {value.type!r}")
    if error_class(attrs["error"]) is None:
        fail(f"check: {attrs['error']!r} names no exception")
    return []


def reported(attrs: dict, operands: Sequence) -> tuple[tuple, tuple]:
    """(the values in the message of a check, the states of the parameters in `states`)."""
    k = len(operands) - len(attrs.get("states", ()))
    return tuple(operands[1:k]), tuple(operands[k:])


def _evaluate_check(op: Op, cond: Array, *values: Array) -> tuple:
    if not cond:
        values, states = reported(op.attrs, (cond, *values))
        error = make_error(op.attrs["error"], op.attrs["message"], [np.asarray(v).item() for v in values], op.loc)
        if states:
            vars(error)["states"] = dict(zip(op.attrs["states"], states, strict=True))
        raise error
    return ()


def _infer_wrap(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("wrap", operands, 2)
    i = array_type("wrap", operands[0])
    if i.dtype is not INDEX:
        fail(f"wrap takes positions of dtype index, not {i!r}")
    expect_index("wrap", operands[1])
    return [Type(INDEX, i.dims)]


def wrap_message(axis: int) -> str:
    """The message template of a failed `wrap`: {0} is the position, {1} the length."""
    return BOUNDS_MESSAGE.replace("{axis}", str(axis))


def _evaluate_wrap(op: Op, i: Array, n: Array) -> tuple[Array, ...]:
    i, n = np.asarray(i), int(n)
    outside = (i < -n) | (i >= n)
    if outside.any():
        worst = int(i[outside][0]) if i.ndim else int(i)
        raise make_error("BoundsError", wrap_message(op.attrs["axis"]), (worst, n), op.loc)
    return (np.where(i < 0, i + n, i)[()],)


def _infer_print(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    for value in operands:
        array_type("print", value)
    return []


def _evaluate_print(op: Op, *values: Any) -> Any:
    say(op.attrs["format"], values)
    return ()


TOLD = "\x1a"
_KEPT = threading.local()


def say(template: str, values: Sequence) -> None:
    """What `print` does."""
    if template.startswith(TOLD):
        _KEPT.values = int(template[1:]), [np.array(v) for v in values]
    elif template == SHOWN:
        _KEPT.shown = [np.array(v) for v in values]
    else:
        print(filled(template, values), end="")


def taken() -> tuple[int, list] | None:
    """The number and the values that a program has kept in this thread since this was asked last, if it has."""
    found, _KEPT.values = getattr(_KEPT, "values", None), None
    return found


OpDef("check", _infer_check, _evaluate_check, effect=True, doc="Raise unless a condition holds.")
OpDef("wrap", _infer_wrap, _evaluate_wrap, effect=True, doc="A position counted from either end, checked against the length.",
      cost=2, moves=True)
OpDef("print", _infer_print, _evaluate_print, effect=True, doc="Print values, in program order.")
