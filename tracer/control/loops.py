"""Loops: `for` and `while`, run by Python, unrolled or rolled into one body.

A rolled loop's body is traced on parameters in place of what it changes; where an iteration leaves other types than it found
(`s = 0` then `s += x[i]`), or changes something that the plan did not know of, it is traced again with the plan corrected,
until it fits.

    for i in range(n): s += x[i]        %s' = for %i = 0 to %n carry(%s = 0.0) { %1 = add %s, x[%i]; yield %1 }

With an exit (`break`, `return`) or a condition it is a `while` over the flags that syntax/trees/early_exit.py made. A loop is
unrolled where it is very short, where its body needs its counter as a number or changes Python lists, or where what it carries
changes shape.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from ...ir.core import Block, Value
from ...ir.errors import ConcretizationError, UnsupportedError
from ...ir.thresholds import sizes
from .. import tracing
from ..regions import escapes, leaf_types
from ..regions.region_tracing import Mismatch
from ..tracing import Loop, NeedUnroll, Scope, Trace
from . import branches, iteration, loop_pragmas, rolled_loops, short_loops
from .branches import negate, truth
from .iteration import LIMIT
from .rolled_loops import Changes, Leaves, RolledLoop

if TYPE_CHECKING:
    from ..values.boxes import ScalarBox

# --- for --------------------------------------------------------------------------------------------------------------

def for_(iterable: Any, body: Any, get: Callable | None, put: Callable | None, names: tuple[str, ...], stop: Any,
         mutated: Callable | None = None, site: Any = None) -> None:
    """The statement. body(item) is one iteration; stop() gives the flags that end the loop; mutated() arrays it may write;
    `site` identifies it in the source, where its body does not."""
    trace, hint = tracing.active(), None
    if trace is not None and isinstance(iterable, loop_pragmas.Hint):
        hint, iterable = type(iterable), iterable.iterable
    iteration.expect_first(iterable)
    if trace is not None and type(iterable) in iteration.DRIVEN:
        iteration.DRIVEN[type(iterable)](iterable, body, get, put, names, stop)
    else:
        over(iterable, body, get, put, names, stop, mutated, site, hint)
    iteration.spend(iterable)


def over(iterable: Any, body: Any, get: Callable | None, put: Callable | None, names: tuple[str, ...], stop: Any,
         mutated: Callable | None = None, site: Any = None, hint: Any = None) -> None:
    """The same of what no other module drives."""
    trace = tracing.active()
    source = iteration.source_of(iterable) if trace is not None else None
    if source is None or trace is None:
        _each(iterable if trace is None else iteration.iterate(iterable), body, get, put, names, stop)
        return
    trip, site = source.trip, site or id(body.__code__)
    if hint is loop_pragmas.unroll:
        if isinstance(trip, Value):
            tracing.make_static(trip, "tg.unroll")
        _unroll(trace, source, 0, body, get, put, names, stop, "tg.unroll")
        return
    short = (type(trip) is int and trip <= sizes.traced_unrolled and hint is None
             and trace.unrolling * trip <= sizes.traced_unrolled_total)
    most = short_loops.most_of(trace, site)
    if site in trace.unroll or (short and most is None):
        if short and site not in trace.unroll and type(source) is iteration.Range and isinstance(trip, int) and trip > 1:
            body = short_loops.measured(trace, site, body, trip * trace.unrolling)
        _unroll(trace, source, 0, body, get, put, names, stop, "brevity" if short else "a number that follows from its counter")
        return
    loop = Loop(site, "for", trip, most)
    try:
        with short_loops.counted(trace, loop):
            _roll(trace, loop, source, 0, body, get, put, names, stop, mutated)
        if any(items.changed() for items in iteration.lists_in(source)):
            raise tracing.Restart((), [site])
    except (UnsupportedError, ConcretizationError):
        if all(type(items) is iteration.Scanned for items in iteration.lists_in(source)):
            raise
        raise tracing.Restart((), [site]) from None          # as Python does it, one item after the other
    except NeedUnroll as signal:
        if signal.loop is not loop:
            raise
        if most is not None:
            short_loops.failed(trace, site)
        if hint is loop_pragmas.rolled:
            raise UnsupportedError(f"this loop cannot stay rolled, as tg.rolled asks: it would have to be unrolled for "
                                   f"{signal.reason}",
                                   "store into an array at the counter, or leave tg.rolled away", tracing.locate()) from None
        _unroll(trace, source, 0, body, get, put, names, stop, signal.reason)
    except Mismatch as found:
        if most is not None:
            short_loops.failed(trace, site)
            _unroll(trace, source, 0, body, get, put, names, stop, "brevity")
            return
        _differently(trace, loop, source, found, body, get, put, names, stop, mutated)


def _each(items: Any, body: Callable, get: Callable | None, put: Callable | None, names: tuple[str, ...],
          stop: Callable | None) -> None:
    """Iterate as Python does; once an exit's flag is known only at run time, the rest of the iterations is guarded by it."""
    trace = tracing.active()
    for count, item in enumerate(items):
        flag = stopped(stop)
        if flag is True:
            return
        if flag is not False and trace is not None and hasattr(items, "__next__"):
            trace.spent[id(items)] = items
        if count >= LIMIT and tracing.active() is not None:
            iteration.too_long(count + 1, "a loop over a Python object")
        if flag is False:
            body(item)
        else:
            branches.stage(negate(flag), lambda item=item: body(item), branches._nothing, get, put, names)


def stopped(stop: Any) -> bool | Value:
    """Whether any flag is set, or anything around the loop is left."""
    trace = tracing.active()
    found: bool | Value = False
    for flag in (*(stop() if stop is not None else ()), *(t.left for t in (trace.targets if trace is not None else ()))):
        flag = truth(flag)
        if flag is True:
            return True
        if isinstance(flag, Value):
            found = tracing.current().builder("or", found, flag) if isinstance(found, Value) else flag
    return found


def _unroll(trace: Trace, source: Any, start: int, body: Callable, get: Callable | None, put: Callable | None,
            names: tuple[str, ...], stop: Callable | None, reason: str) -> None:
    if type(source.trip) is not int:
        raise UnsupportedError(f"a loop whose length is known only at run time cannot be unrolled, which it would have to "
                               f"be for {reason}",
                               "pass the length as an argument that `static_argnums` names, or store into an array",
                               tracing.locate())
    endless = iteration.is_endless(source.trip)                      # the body ends it; if not, _each does
    if source.trip - start > LIMIT and not endless:
        iteration.too_long(source.trip - start, reason or "the loop is asked to be")
    if reason:
        trace.note("unrolled", f"{'all' if endless else source.trip} iterations, for {reason}")
    outer, trace.unrolling = trace.unrolling, trace.unrolling * (1 if endless else max(source.trip, 1))
    try:
        items = source.left(start) if isinstance(source, iteration.Items) else (source.at(k) for k in range(start, source.trip))
        _each(items, body, get, put, names, stop)
    finally:
        trace.unrolling = outer


def _differently(trace: Trace, loop: Any, source: Any, found: Any, body: Callable, get: Callable | None,
                 put: Callable | None, names: tuple[str, ...], stop: Any, mutated: Callable | None) -> None:
    """An iteration does not fit the next. The first may differ from the rest (`last = None`): trace it apart. Else unroll."""
    if type(source.trip) is not int:
        tracing.make_static(source.trip, f"a loop that changes the type of {found.place}")
    long = type(source.trip) is not int or (source.trip > LIMIT and not iteration.is_endless(source.trip))
    if long or stopped(stop) is not False:
        _unsettled(found, "for")
    body(source.at(0))
    if stopped(stop) is False:
        again = Loop(loop.site, "for", source.trip - 1)
        try:
            _roll(trace, again, source, 1, body, get, put, names, stop, mutated)
            return
        except (NeedUnroll, Mismatch) as signal:
            if isinstance(signal, NeedUnroll) and signal.loop is not again:
                raise
    _unroll(trace, source, 1, body, get, put, names, stop, f"{found.place}, which changes its type")


def _unsettled(found: Mismatch, kind: str) -> NoReturn:
    raise UnsupportedError(
        f"what a {kind} loop carries does not settle: {found.place} is {found.left} when an iteration begins and "
        f"{found.right} when it "
        f"ends{' (' + found.why + ')' if found.why else ''}",
        "give it the type and shape of the loop's end before the loop begins", tracing.locate()) from None


def _roll(trace: Trace, loop: Loop, source: Any, start: int, body: Callable, get: Callable | None,
          put: Callable | None, names: tuple[str, ...], stop: Any, mutated: Callable | None) -> None:
    """Stage iterations start … trip-1 as one body."""
    trip = source.trip
    if start:
        trip = trip - start
    if stop is None:
        try:
            RolledLoop(trace, loop, body, get, put, names, mutated).counted(source, start, trip)
            return
        except Leaves:
            loop.active = True
    if loop.most is not None:
        raise NeedUnroll(loop, "brevity")
    limit = iteration.as_value(trip)

    def go(k: Value) -> Callable:
        return lambda: branches.and_(branches.not_(branches.boxed(stopped(stop))),
                                     lambda: branches.boxed(trace.builder("lt", k, limit)))

    rolled = RolledLoop(trace, loop, body, get, put, names, mutated)
    rolled.conditional(go, lambda k: (source.at(rolled_loops.plus(k, start)),), trip)
    escapes.resume(trace)


# --- while ------------------------------------------------------------------------------------------------------------

def while_(test: Callable, body: Callable, get: Callable | None, put: Callable | None, names: tuple[str, ...],
           stop: Callable | None, mutated: Callable | None = None) -> None:
    """The statement. Its condition may be known for some iterations and not for others."""
    trace, python = tracing.active(), False
    count = 0
    while True:
        flag = stopped(stop)
        if flag is True:
            return
        first = _probe(trace, test, get, put, names) if flag is False else flag
        if first is False:
            test()
            return
        known = first is True
        if trace is not None and not (known and python):
            loop = Loop(id(body.__code__), "while")
            loop.unrollable = known
            try:
                _roll_while(trace, loop, test, body, get, put, names, stop, mutated)
                return
            except NeedUnroll as signal:
                if signal.loop is not loop:
                    raise
                reason = signal.reason
            except Mismatch as found:
                if isinstance(first, Value):
                    tracing.make_static(first, f"a loop that changes the type of {found.place}")
                    _unsettled(found, "while")
                reason = f"{found.place}, which changes its type"
            python = True
            trace.note("unrolled", f"a while loop, for {reason}")
        test()
        body()
        count += 1
        if count > LIMIT and trace is not None:
            iteration.too_long(count, "a while loop")


def _probe(trace: Trace | None, test: Callable, get: Callable | None, put: Callable | None,
           names: tuple[str, ...]) -> bool | Value:
    """What the condition is now, leaving no trace of the asking."""
    if trace is None:
        return truth(test())
    scope = Scope(Block(), "loop", None)
    found = escapes.run(trace, scope, lambda: branches.boxed(truth(test())), get, put, get() if get else (), names=names,
                        always=True).returned
    if type(found) is leaf_types.Undefined:
        test()                                            # which leaves what is around the loop
    return truth(found)


def _roll_while(trace: Trace, loop: Loop, test: Callable, body: Callable, get: Callable | None, put: Callable | None,
                names: tuple[str, ...], stop: Callable | None, mutated: Callable | None) -> None:
    def rolled() -> RolledLoop:
        return RolledLoop(trace, loop, lambda: body(), get, put, names, mutated)

    always = True

    def ask() -> bool | ScalarBox:
        nonlocal always
        flag = truth(test())
        always = always and flag is True
        return branches.boxed(flag)

    binds = test.__name__.startswith("<tg binds")
    asked = branches.Binds(ask, get, put, names) if binds and get else ask

    def condition() -> ScalarBox:
        return branches.and_(branches.not_(branches.boxed(stopped(stop))), asked)

    if binds:
        rolled().inverted(condition)
    else:
        try:
            rolled().conditional(lambda k: condition, None, None)
        except Changes:
            loop.active = True
            rolled().inverted(condition)
    if always and stop is None:
        escapes.ended(trace)
    escapes.resume(trace)
