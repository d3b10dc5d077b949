"""Room for programs that nest deeply: long sums, recursion of hundreds of levels, containers in containers.

Syntax trees, structures and programs are walked by recursion, several frames a level, and Python allows 1,000 frames. While a
function is compiled the limit is what the stack has room for; beyond it there is an error that names the user's line.
"""
from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .ir.errors import ArgumentError, UnsupportedError
from .lowering.native.locks import register
from .tracer import tracing
from .tracer.calling import recursion

if TYPE_CHECKING:
    from .jitted.api import Jitted

resource: ModuleType | None
try:
    import resource
except ImportError:                 # Windows
    resource = None

_FRAME = 500                # bytes of the C stack for a frame, with a margin: 30,000 frames of a trace took less than 8 MB
_FEWEST, _MOST = 1_000, 20_000
_lock = threading.RLock()
register(7, _lock)
_users: list[int] = []      # the threads that need the room, once for each time
_before = 0                 # frames that were allowed before there were any


def _limit() -> int:
    """Frames that fit on the stack. Threads other than the main one may have a small stack."""
    if resource is None or (threading.current_thread() is not threading.main_thread() and sys.platform != "linux"):
        return _FEWEST
    size = resource.getrlimit(resource.RLIMIT_STACK)[0]
    return _MOST if size == resource.RLIM_INFINITY else max(_FEWEST, min(_MOST, size // _FRAME))


def deep(method: Callable) -> Callable:
    """A method of a compiled function that may compile."""
    @functools.wraps(method)
    def run(self: Jitted, /, *args: Any, **kwargs: Any) -> Any:
        _enter()
        try:
            return method(self, *args, **kwargs)
        except RecursionError as error:
            if getattr(error, "__notes__", None):           # the program's own, with its lines (ir/ops/checks.py)
                raise
            if place := _circle((*args, *kwargs.values())):
                name = getattr(self, "__name__", "the function")
                raise ArgumentError(
                    f"`{name}` was given a {place[0]} that holds itself, at {place[1]}: as a structure of arrays and numbers "
                    "it has no end", "pass what the function needs of it", tracing.user_loc(error.__traceback__)) from None
            raise UnsupportedError(
                f"`{getattr(self, '__name__', 'the function')}`, or an argument of it, is nested too deeply to be compiled",
                "cut a long expression, or a deep recursion, in parts: steps of a loop, statements with names of their own",
                tracing.user_loc(error.__traceback__)) from None
        finally:
            _leave()

    return run


def _circle(arguments: tuple) -> tuple[str, str] | None:
    """(the type of a container that holds itself, where in it), of the first one in these arguments."""
    waiting: list[tuple[Any, tuple[int, ...], tuple[str, ...]]] = [(x, (), ()) for x in reversed(arguments)]
    seen: set[int] = set()
    while waiting:
        x, around, path = waiting.pop()
        if not isinstance(x, (list, tuple, dict)):
            continue
        if id(x) in around:
            return type(x).__name__, "".join(path[around.index(id(x)):])
        if id(x) in seen:
            continue
        seen.add(id(x))
        items = x.items() if isinstance(x, dict) else enumerate(x)
        waiting += [(y, (*around, id(x)), (*path, f"[{k!r}]")) for k, y in items]
    return None


def _enter() -> None:
    global _before
    with _lock:
        if not _users:
            _before = recursion.LIMIT["calls"] = sys.getrecursionlimit()
            sys.setrecursionlimit(max(_before, _limit()))
        _users.append(threading.get_ident())


def _leave() -> None:
    with _lock:
        _users.remove(threading.get_ident())
        _give_back()


def _give_back() -> None:
    if not _users:
        sys.setrecursionlimit(_before)


def _in_child() -> None:
    """A child of a fork has one of the threads only."""
    if _users:
        _users[:] = [thread for thread in _users if thread == threading.get_ident()]
        _give_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
