"""The `try` statement, while a function is traced.

    try: A                    %left, %code, … = A with exits (regions/escapes.py, regions/exceptions.py)
    except KeyError: B        if %left { if %code == 1 { B } else { C } } else { D }
    except IndexError: C
    else: D
    finally: E                E; if %left { raise again }

Where nothing in A can fail at run time, %left is False and the statement costs nothing. What fails while tracing, for every
call of this specialisation alike (a missing key, an index of a list), sets it to True.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import tracing
from ..regions import escapes, exceptions
from ..tracing import Trace
from ..values.boxes import ScalarBox
from . import branches


class Handler:
    """An `except` clause. kinds() gives a class or a tuple of such; `apart`: it asks which exception it was."""

    __slots__ = ("apart", "kinds", "run")

    def __init__(self, kinds: Callable, run: Callable, apart: bool):
        self.kinds, self.run, self.apart = kinds, run, apart

    def catches(self, cls: type) -> bool:
        return issubclass(cls, _flat(self.kinds()))


def _flat(kinds: type) -> tuple[type, ...]:
    """The classes of a clause, whose type may be a tuple of tuples."""
    return tuple(k for kind in kinds for k in _flat(kind)) if isinstance(kinds, tuple) else (kinds,)


def try_(body: Callable, handlers: tuple[tuple[Callable, Callable, bool], ...], orelse: Any, final: Callable | None,
         watched: bool, get: Callable, put: Callable, names: tuple[str, ...]) -> None:
    """The statement. `watched`: what `finally` does can be seen from outside of the call that an exception ends."""
    trace = tracing.active()
    clauses = [Handler(*h) for h in handlers]
    if trace is None:
        _in_python(body, clauses, orelse, final)
        return

    def inner() -> None:
        if clauses:
            caught = Caught(trace, lambda: tuple(k for c in clauses for k in _flat(c.kinds())), get, put, names)
            caught.trace_body(body)
            caught.handle(clauses, orelse)
        else:
            body()

    if final is None:
        inner()
    elif not watched and not trace.targets:                        # an exception ends the call, and nobody sees what it does
        inner()
        final()
    else:
        caught = Caught(trace, lambda: (BaseException,), get, put, names)
        caught.trace_body(inner)
        final()
        caught.raise_again()


class Caught:
    """What left the body of a `try`."""

    def __init__(self, trace: Trace, kinds: Callable, get: Callable | None, put: Callable | None, names: tuple[str, ...]):
        self.trace, self.names = trace, (get, put, names)
        self.within = get, put, tuple([n.lstrip("-") for n in names])       # what handlers need and nobody after them, too
        self.target = exceptions.Catch(trace, kinds)

    def trace_body(self, body: Callable) -> None:
        with exceptions.intercepting(self.trace):
            escapes.body(self.trace, self.target, body, *self.within)
        exceptions.expect_caught(self.target)

    @property
    def codes(self) -> range:
        return range(1, len(self.target.records) + 1)

    def branch(self, then: Callable, other: Callable) -> None:
        """`then` where the body was left by an exception, `other` where it came to its end."""
        left = escapes.left(self.target)
        if left is True:
            then()
        elif left is False:
            other()
        else:
            branches.stage(left, then, other, *self.names)

    def handle(self, clauses: list[Handler], orelse: Any) -> None:
        by_clause: dict = {}
        for code in self.codes:
            clause = next(c for c in clauses if c.catches(self.target.records[code - 1].cls))
            by_clause.setdefault((clause, code if clause.apart else None), []).append(code)
        cases = [(codes, lambda code=codes[0], clause=clause: self.enter(code, clause))
                 for (clause, _), codes in by_clause.items()]
        self.branch(lambda: self.choose(cases), orelse or branches._nothing)

    def choose(self, cases: list[tuple[list, Callable]]) -> None:
        """The case that has the number of what left the body."""
        (codes, run), *rest = cases
        if rest:
            branches.if_(self.is_one_of(codes), run, lambda: self.choose(rest), *self.names)
        else:
            run()

    def is_one_of(self, codes: Any) -> Any:
        if not isinstance(self.target.code, ScalarBox):
            return self.target.code in codes
        found = False
        for code in codes:
            found = branches.or_(found, lambda code=code: self.target.code == code)
        return found

    def enter(self, code: int, clause: Handler) -> None:
        """Run a handler."""
        record = self.target.record(code)
        self.trace.handled.append(record)
        try:
            clause.run(record.shown() if clause.apart else None)
        finally:
            self.trace.handled.pop()

    def raise_again(self) -> None:
        cases = [([code], lambda code=code: exceptions.raise_again(self.trace, self.target.record(code)))
                 for code in self.codes]
        self.branch(lambda: self.choose(cases), branches._nothing)


def _in_python(body: Callable, clauses: Any, orelse: Any, final: Any) -> None:
    """The statement outside of a trace."""
    try:
        try:
            body()
        except BaseException as error:
            clause = next((c for c in clauses if c.catches(type(error))), None)
            if clause is None:
                raise
            clause.run(error)
        else:
            if orelse is not None:
                orelse()
    finally:
        if final is not None:
            final()
