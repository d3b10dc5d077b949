"""`sum`, `any` and `all` of a generator or a list comprehension: a loop that carries the result.

    sum(a[k] * b[k] for k in range(n) if k != i)
    ->  tg.fold(sum, lambda fold: fold.each(range(n), lambda item: fold.when(item != i, lambda: fold.take(a[item] * b[item]))))

So the number of terms may be known only at run time. `any` and `all` of a generator stop at the first term that decides.
"""
from __future__ import annotations

import builtins
import contextlib
import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.errors import ConcretizationError, UnsupportedError
from .. import tracing
from ..calling import builtin_calls, calls
from ..containers.lists import list_entries
from ..control import branches, iteration, loops, packed_lists
from ..regions import leaf_types
from ..values import boxes, captured_values
from ..values.boxes import Box

if TYPE_CHECKING:
    from ..values.boxes import ScalarBox


class Listed:
    """Gathers the terms in a list: for any other function of that name."""

    def __init__(self) -> None:
        self.terms: list = []

    def each(self, items: Any, body: Callable) -> None:
        for item in iteration.iterate(items):
            body(item)

    def when(self, test: Any, thunk: Callable) -> None:
        if builtin_calls.keep(test):
            thunk()

    def take(self, term: Any) -> None:
        self.terms.append(term)


class Tried(Listed):
    """Gathers the terms in a list, until something that only run time knows decides how many there are: then the place is to
    have `then` instead."""

    def __init__(self, site: tuple[int, ...], then: Any = packed_lists.KEPT):
        super().__init__()
        self.site, self.then = site, then

    def each(self, items: Any, body: Callable) -> None:
        if type(items) in iteration.DRIVEN:
            raise tracing.Restart(lists={self.site: self.then})
        with self.counting():
            items = iteration.iterate(items)
        for item in items:
            body(item)

    def when(self, test: Any, thunk: Callable) -> None:
        with self.counting():
            kept = builtin_calls.keep(test)
        if kept:
            thunk()

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        try:
            yield
        except ConcretizationError:
            if self.site in tracing.current().lists:
                raise
            raise tracing.Restart(lists={self.site: self.then}) from None


class Kept(Listed):
    """Gathers the terms in a list whose length only run time knows."""

    def __init__(self) -> None:
        self.terms: Any = packed_lists.made([])

    def each(self, items: Any, body: Callable) -> None:
        loops.for_(items, _silent(body), None, None, (), None, site=id(body.__code__))

    def when(self, test: Any, thunk: Callable) -> None:
        branches.if_(test, _silent(thunk), None, None, None, ())

    def take(self, term: Any) -> None:
        calls.call(self.terms.append, term)


class Fold:
    """Carries what the terms so far amount to. `lazy`: the terms end once the result is decided."""

    name = ""

    def __init__(self, start: Any, lazy: bool):
        self.value, self.lazy = start, lazy
        self.names: tuple[str, ...] = (self.name,)

    def get(self) -> tuple:
        return (self.value,)

    def put(self, values: tuple) -> None:
        (self.value,) = values

    def stop(self) -> tuple:
        return (self.decided(),)

    def decided(self) -> Any:
        """Whether the terms that follow make no difference."""
        return False

    def each(self, items: Any, body: Callable) -> None:
        loops.for_(items, _silent(body), self.get, self.put, self.names, self.stop if self.lazy else None,
                   site=id(body.__code__))

    def when(self, test: Any, thunk: Callable) -> None:
        branches.if_(test, _silent(thunk), None, self.get, self.put, self.names)


def _silent(thunk: Callable) -> Callable:
    """The thunk as a statement: what its comprehension gives is no part of what a branch leaves."""
    def run(*args: ScalarBox) -> None:
        thunk(*args)
    return run


def added(a: Any, b: Any) -> Any:
    """a + b, of whatever terms."""
    return a + b if isinstance(a, _NUMBERS) and isinstance(b, _NUMBERS) else calls.call(operator.add, a, b)


_NUMBERS = (Box, int, float, complex, np.number)


class Sum(Fold):
    name = "sum"

    def take(self, term: Any) -> None:
        self.value = added(self.value, term)


class AnyTrue(Fold):
    name = "any"

    def take(self, term: Any) -> None:
        self.value = branches.boxed(branches.truth(branches.or_(self.value, lambda: term)))

    def decided(self) -> Any:
        return self.value


class AllTrue(Fold):
    name = "all"

    def take(self, term: Any) -> None:
        self.value = branches.boxed(branches.truth(branches.and_(self.value, lambda: term)))

    def decided(self) -> Any:
        return branches.not_(self.value)


class First(Fold):
    """The first term: next() of a generator expression. `start`: the default, if there is one."""

    def __init__(self, *start: Any) -> None:
        super().__init__(start[0] if start else leaf_types.Undefined("the first value"), True)
        self.found: Any = False
        self.names = ("the first value", "whether there is one")

    def get(self) -> Any:
        return self.value, self.found

    def put(self, values: Any) -> None:
        self.value, self.found = values

    def take(self, term: Any) -> None:
        self.value, self.found = term, True

    def decided(self) -> Any:
        return self.found

    def result(self, missing: bool) -> Any:
        """The value. `missing`: there is no default."""
        found = branches.truth(self.found)
        if missing and found is False:
            raise branches.raise_(StopIteration)
        if missing and not isinstance(found, bool):
            tracing.current().builder.emit("check", found, error="StopIteration", message="")
        return self.value.held if type(self.value) is leaf_types.MaybeUndefined else self.value


def gather(visit: Callable) -> Any:
    """The list comprehension whose terms `visit` hands over. Where a condition is known only at run time, so is its length."""
    trace = tracing.active()
    made = Listed()
    if trace is not None:
        site = packed_lists.place()
        known = trace.lists.get(site)
        made = Kept() if known is packed_lists.KEPT or type(known) in list_entries.PILES else Tried(site)
    visit(made)
    return made.terms if trace is None or type(made) is Kept else packed_lists.made(made.terms)


def fold(function: Callable, visit: Callable, lazy: bool, *start: Any) -> Any:
    """function(terms, *start), where visit(fold) hands the terms to fold."""
    if function is builtins.next and tracing.active() is not None:
        first = First(*start)
        visit(first)
        return first.result(not start)
    if tracing.active() is None or function not in (builtins.sum, builtins.any, builtins.all):
        listed = Listed()
        visit(listed)
        terms = iter(listed.terms) if function is builtins.next else listed.terms
        return calls.call(function, terms, *start)
    made: Fold
    if function is builtins.sum:
        made = Sum(start[0] if start else 0, False)
    else:
        made = AnyTrue(False, lazy) if function is builtins.any else AllTrue(True, lazy)
    visit(made)
    return made.value


def decisive(term: Any) -> bool:
    """A term of any() or all() in which a name is bound: what it holds afterwards depends on where they end."""
    flag = branches.truth(term)
    if isinstance(flag, bool):
        return flag
    tracing.make_static(flag, "the end of any() or all()")
    raise UnsupportedError("a name is bound in the terms of an any() or all() that run time ends, in a larger expression",
                           "write the any() or all() as a statement of its own, `found = any(...)`", tracing.locate())


def _summed(plain: Callable) -> Callable:
    """sum(items) of objects of users' classes, by their own additions."""
    def run(items: Any, /, start: Any = 0) -> Any:
        if isinstance(items, (list, tuple)) and any(captured_values.users(type(x)) for x in (start, *items)):
            for x in items:
                start = added(start, x)
            return start
        return plain(items, start)
    return run


boxes.REDIRECT[builtins.sum] = _summed(boxes.REDIRECT[builtins.sum])
