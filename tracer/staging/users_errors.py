"""What the user sees of an error while a function is traced: their own frames, their line, NumPy's words for boxes."""
from __future__ import annotations

import types
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from ...ir.errors import ArgumentError, ArgumentTypeError, BoundsError, DTypeError, Loc, TracegradError, UnsupportedError
from .. import tracing
from ..regions.region_tracing import in_users_words
from ..syntax import source
from .arguments import where

Result = TypeVar("Result")


def cleanly(run: Callable[[], Result], function: Callable) -> Result:
    """Run, and let errors leave without the tracer's frames, with the user's line."""
    try:
        return run()
    except RecursionError as error:
        raise UnsupportedError("the function calls itself too deeply while it is traced", "write the recursion as a loop",
                               tracing.user_loc(error.__traceback__)) from None
    except TracegradError as error:
        error.located(tracing.user_loc(error.__traceback__) or where(function))
        raise error.with_traceback(_user_traceback(error.__traceback__)) from None
    except Exception as error:
        shown, loc = _user_traceback(error.__traceback__), tracing.user_loc(error.__traceback__)
        _expect_no_box_in(error, loc, shown)
        if type(error) in _LOCATED and (_is_own(error.__traceback__) or "Box'" in str(error)):
            kind = _LOCATED[type(error)] if loc else ArgumentTypeError if type(error) is TypeError else ArgumentError
            raise kind(in_users_words(str(error)), "", loc or where(function)).with_traceback(shown) from None
        raise error.with_traceback(shown) from error.__cause__


def _expect_no_box_in(error: Any, loc: Loc, where: Any) -> None:
    """An error of a library that was given a traced value says so."""
    frame = error.__traceback__
    while frame.tb_next is not None:
        frame = frame.tb_next
    library = frame.tb_frame.f_globals.get("__name__", "")
    if ".boxes." in str(error) and not _is_own(error.__traceback__):
        raise UnsupportedError(f"`{frame.tb_frame.f_code.co_name}` of {library} was given a traced value, which it cannot take",
                               "call it before the compiled function and pass the result in, or write it with NumPy",
                               loc).with_traceback(where) from None


# What the tracer raises where Python or NumPy would -> the same with the user's line.
_LOCATED = {TypeError: DTypeError, ValueError: ArgumentError, IndexError: BoundsError, NotImplementedError: UnsupportedError}


def _is_own(traceback: Any) -> bool:
    """Whether an exception comes from this package, not from the user's code or a library that it calls."""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_globals.get("__name__", "").startswith(__name__.partition(".")[0] + ".")


def _user_traceback(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback of the frames that are the user's."""
    kept = []
    while traceback is not None:
        if id(traceback.tb_frame.f_code) in tracing.PLACES or source.is_user_file(traceback.tb_frame.f_code.co_filename):
            kept.append(traceback)
        traceback = traceback.tb_next
    found = None
    for part in reversed(kept):
        found = types.TracebackType(found, part.tb_frame, part.tb_lasti, part.tb_lineno)
    return found
