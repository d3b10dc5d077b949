"""The `with` statement, while a function is traced.

    the program's own class       __enter__ and __exit__ are called as traced code; __exit__ once for the body that comes to its
                                  end and once for the one that an exception leaves, which it may swallow
    contextlib.contextmanager     the body takes the place of `yield` in the generator, and its exceptions are raised there
    suppress, nullcontext         as what they mean
    np.errstate, catch_warnings   where they ask for silence, which compiled code keeps anyway; refused otherwise
    numba.objmode                 its body is traced like all else: it stands there for what Numba does not compile

Any other manager would act while the function is compiled, and not when it runs: it is refused.
"""
from __future__ import annotations

import contextlib
import types
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.errors import UnsupportedError
from .. import tracing
from ..calling import calls
from ..control import branches, try_statement
from ..control.array_iterators import ArrayIterator
from ..regions import escapes, exceptions, region_tracing
from ..sequences import generators
from ..syntax import source
from ..tracing import Trace
from ..values import captured_values

if TYPE_CHECKING:
    from ..values.boxes import ArrayBox


def with_(manager: Any, body: Callable, get: Callable | None, put: Callable | None, names: tuple[str, ...]) -> None:
    """The statement with one manager; body(what it gives)."""
    trace = tracing.active()
    if trace is None:
        with manager as entered:
            body(entered)
        return
    if (type(manager).__module__, type(manager).__qualname__) == _TRANSPARENT:
        body(None)
        return
    for cls, handler in _HANDLERS.items():
        if isinstance(manager, cls):
            handler(trace, manager, body, get, put, names)
            return
    enter, leave = getattr(type(manager), "__enter__", None), getattr(type(manager), "__exit__", None)
    if (enter is None or leave is None or not _is_users(leave)
            or not (_is_users(enter) or enter is contextlib.AbstractContextManager.__enter__)):
        raise UnsupportedError("this context manager would act while the function is compiled, not when it runs",
                               "enter it around the call of the compiled function", tracing.locate())
    for name in ("__enter__", "__exit__"):
        captured_values.class_part(type(manager), name)
    _Users(trace, manager, get, put, names).run(enter, leave, body)


def _is_users(method: Callable) -> bool:
    return isinstance(method, types.FunctionType) and source.is_user(method)


class _Users:
    """A manager of the program's own class."""

    def __init__(self, trace: Trace, manager: Any, get: Callable | None, put: Callable | None, names: tuple[str, ...]):
        self.trace, self.manager = trace, manager
        self.names = get, put, names
        self.caught = try_statement.Caught(trace, lambda: (BaseException,), get, put, names)

    def run(self, enter: Callable, leave: Callable, body: Callable) -> None:
        entered = calls.call(enter, self.manager) if _is_users(enter) else self.manager
        self.caught.trace_body(lambda: body(entered))
        cases = [([code], lambda code=code: self.failed(leave, self.caught.target.record(code))) for code in self.caught.codes]
        self.caught.branch(lambda: self.caught.choose(cases), lambda: _silently(leave, self.manager))

    def failed(self, leave: Callable, record: exceptions.Record) -> None:
        """__exit__ of an exception, which goes on where the result is not true."""
        error = record.shown()
        swallowed = branches.truth(calls.call(leave, self.manager, type(error), error, None))
        if isinstance(swallowed, bool):
            if not swallowed:
                exceptions.raise_again(self.trace, record)
            return
        branches.stage(swallowed, branches._nothing, lambda: exceptions.raise_again(self.trace, record), *self.names)


def _silently(leave: Callable, manager: Any) -> None:
    calls.call(leave, manager, None, None, None)


# --- the standard library's and NumPy's ---------------------------------------------------------------------------------

class _Yielded(region_tracing.State):
    """Whether the generator of a manager has come to its `yield`."""

    def __init__(self, trace: Trace):
        self.once = False
        trace.note_fresh(self)


def _generator(trace: Trace, manager: Any, body: Callable, get: Callable | None, put: Callable | None,
               names: tuple[str, ...]) -> None:
    """contextlib.contextmanager: what surrounds `yield` surrounds the body."""
    made = calls.call(manager.func, *manager.args, **manager.kwds)
    if not isinstance(made, generators.Generator):
        raise UnsupportedError("this context manager would act while the function is compiled, not when it runs",
                               "enter it around the call of the compiled function", tracing.locate())
    consumer = generators.ConsumerNames(trace, get, put, names) if get and put else None
    yielded, depth = _Yielded(trace), len(trace.scopes)

    def sink(value: ArrayBox) -> None:
        if yielded.once is not False or any(s.kind == "loop" for s in trace.scopes[depth:]):
            raise UnsupportedError("a context manager that may come to `yield` more than once",
                                   "write a loop instead of a `with`", tracing.locate())
        before = get() if get else ()
        escapes.Frame(get, put, names).run(trace, lambda: body(value))
        if consumer is not None:
            consumer.noted(trace, before)
        region_tracing.assign(trace, (yielded, True, "once"), True)
        escapes.resume(trace)

    made.run(sink)
    reached = branches.truth(yielded.once)
    if reached is False:
        raise RuntimeError("generator didn't yield")
    if reached is not True:
        trace.builder.emit("check", reached, error="RuntimeError", message="generator didn't yield")


def _suppress(trace: Trace, manager: Any, body: Callable, get: Callable | None, put: Callable | None,
              names: tuple[str, ...]) -> None:
    caught = try_statement.Caught(trace, lambda: manager._exceptions, get, put, names)
    caught.trace_body(lambda: body(None))
    caught.branch(branches._nothing, branches._nothing)


def _plain(trace: Trace, manager: Any, body: Callable, get: Callable | None, put: Callable | None,
           names: tuple[str, ...]) -> None:
    body(manager.enter_result)


def _errstate(trace: Trace, manager: np.errstate, body: Callable, get: Callable | None, put: Callable | None,
              names: tuple[str, ...]) -> None:
    before: dict[str, Any] = {**np.geterr()}
    with manager:
        asked: dict[str, Any] = {**np.geterr()}
    loud = [f"{k}={asked[k]!r}" for k in asked if asked[k] != "ignore" and asked[k] != before[k]]
    if loud:
        raise UnsupportedError(f"compiled code neither warns nor raises at floating-point errors ({', '.join(loud)})",
                               "test with np.isfinite, or run under tg.config(check_numerics=True); \"ignore\" is accepted",
                               tracing.locate())
    with np.errstate(**asked):                             # for what NumPy computes while the function is traced
        body(None)


def _catch_warnings(trace: Trace, manager: Any, body: Callable, get: Callable | None, put: Callable | None,
                    names: tuple[str, ...]) -> None:
    with manager as recorded:
        if recorded is not None:
            raise UnsupportedError("compiled code does not warn, so there is nothing to record", "record them around the call",
                                   tracing.locate())
        body(None)


def _nditer(trace: Trace, manager: ArrayIterator, body: Callable, get: Callable | None, put: Callable | None,
            names: tuple[str, ...]) -> None:
    body(manager)


_HANDLERS = {contextlib._GeneratorContextManager: _generator, contextlib.suppress: _suppress, contextlib.nullcontext: _plain,
             np.errstate: _errstate, warnings.catch_warnings: _catch_warnings,
             ArrayIterator: _nditer}
# the class of numba.objmode, by its name: Numba is imported late
_TRANSPARENT = ("numba.core.withcontexts", "_ObjModeContextType")


# --- what would change how warnings are given -----------------------------------------------------------------------------

def _filtered(function: Callable) -> Callable:
    """warnings.simplefilter and filterwarnings: compiled code does not warn, so what keeps it silent has nothing to do."""
    def handler(action: str, *args: Any, **kwargs: Any) -> None:
        if action == "error":
            raise UnsupportedError(f"{function.__name__}(\"error\"): compiled code does not warn, so it raises nothing instead",
                                   "test with np.isfinite, or run under tg.config(check_numerics=True)", tracing.locate())
        function(action, *args, **kwargs)
    return handler


def _refused(function: Callable) -> Callable:
    def handler(*args: Any, **kwargs: str) -> None:
        raise UnsupportedError(f"np.{function.__name__} would act while the function is compiled, not when it runs",
                               "call it outside; compiled code neither warns nor raises at floating-point errors, unless it "
                               "runs under tg.config(check_numerics=True)", tracing.locate())
    return handler


calls.BUILTINS.update({np.seterr: _refused(np.seterr), np.seterrcall: _refused(np.seterrcall),
                       warnings.simplefilter: _filtered(warnings.simplefilter),
                       warnings.filterwarnings: _filtered(warnings.filterwarnings)})
