"""Errors that users see, and the source locations that they point at."""
from __future__ import annotations

import itertools
import linecache
from typing import NamedTuple

import numpy.linalg


class Frame(NamedTuple):
    """One user frame: `col` and `end_col` are 0-based columns of the expression, or None where unknown."""

    file: str
    line: int
    function: str
    col: int | None = None
    end_col: int | None = None


class SlopeFrame(Frame):
    """The same place, in the location of an op that computes a derivative there. Equal to the frame itself."""

    __slots__ = ()


# A location is the stack of user frames that made an op, innermost last; () where nothing is known.
Loc = tuple[Frame, ...]


def of_derivative(loc: Loc) -> Loc:
    """The location of an op, for an op of its derivative."""
    return (*loc[:-1], SlopeFrame(*loc[-1])) if loc else loc


def excerpt(frame: Frame) -> str:
    """The frame as Python shows it: file and line, the source text, a caret under the expression."""
    text = linecache.getline(frame.file, frame.line).rstrip("\n")
    head = f'  File "{frame.file}", line {frame.line}, in {frame.function}'
    if not text:
        return head
    stripped = text.lstrip()
    shift = len(text) - len(stripped)
    rows = [head, "    " + stripped]
    if frame.col is not None:
        start = max(frame.col - shift, 0)
        width = (frame.end_col or frame.col + 1) - frame.col
        width = max(1, min(width, len(stripped) - start))
        rows.append("    " + " " * start + "^" * width)
    return "\n".join(rows)


class TracegradError(Exception):
    """Base of every error that tracegrad raises on a user's account.

    `what` says what was found and why it cannot be; `remedy` what to write instead; `loc` where.
    """

    def __init__(self, what: str, remedy: str = "", loc: Loc = ()):
        self.what, self.remedy, self.loc = what, remedy, tuple(loc)
        super().__init__(self.render())

    def render(self) -> str:
        rows = [self.what]
        for frame, group in itertools.groupby(self.loc):
            rows.append(excerpt(frame))
            again = len(list(group)) - 1
            rows += [f"  [the same {again} more times]"] if again else []
        if self.remedy:
            rows.append("  Instead: " + self.remedy)
        return "\n".join(rows)

    def located(self, loc: Loc) -> TracegradError:
        """The same error with a location, if it had none."""
        if not self.loc and loc:
            self.loc = tuple(loc)
            self.args = (self.render(),)
        return self

    def of_call(self, name: str) -> TracegradError:
        """The same error, which says first which function of a library the user called."""
        if name not in self.what:
            self.what = f"{name} cannot be compiled with these arguments: {self.what}"
            self.args = (self.render(),)
        return self


class ShapeError(TracegradError, ValueError):
    """Shapes that do not fit together."""


class DTypeError(TracegradError, TypeError):
    """A dtype or a Python type that an operation does not take."""


class LinAlgError(ShapeError, numpy.linalg.LinAlgError):
    """Matrices that do not fit a function of linear algebra."""


class BoundsError(TracegradError, IndexError):
    """An index outside its axis."""


class LimitError(TracegradError, OverflowError):
    """A number that Python could hold, and compiled code cannot: no `except` within compiled code catches it."""


class NumericsError(TracegradError, FloatingPointError):
    """An operation that makes a NaN or an infinity, under `check_numerics`."""


class ConcretizationError(TracegradError, TypeError):
    """A traced value where Python needs a number, a truth value or a length."""


class UnsupportedError(TracegradError, NotImplementedError):
    """A function or construct that cannot be compiled."""


class ArgumentError(TracegradError, ValueError):
    """A call of tracegrad's own interface that makes no sense."""


class ArgumentTypeError(TracegradError, TypeError):
    """A call of tracegrad's own interface with the wrong kind of thing."""


class IRError(TracegradError, AssertionError):
    """The verifier's finding: a defect of tracegrad, never of the user."""
