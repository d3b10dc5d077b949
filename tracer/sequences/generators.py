"""Generators in traced code: the consumer's body takes the place of `yield`.

    def g(n):                         for v in g(n): s += v
        a = 1.0                       ->  a = 1.0
        for k in range(n):                for k in range(n):
            yield a                           s += a
            a *= 0.5                          a *= 0.5

A consumer that iterates in plain sight (`for`, `list`, `sum`, comprehensions, also through `enumerate` and `zip`) has the whole
generator run, with itself called at each `yield`; so loops in the generator are rolled, and lengths may be known only at run
time. What the consumer assigns is carried by the generator's loops like attributes (`ConsumerNames`). A `break` leaves the
generator as an exception leaves a `try` (regions/escapes.py). Everything else (`next`, `send`, unpacking, `zip` of two
generators) takes values one by one, and needs to know while tracing how many there are.
"""
from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ...ir.core import Value
from ...ir.errors import UnsupportedError
from .. import tracing
from ..calling import builtin_calls, calls
from ..containers.lists import list_programs
from ..control import branches, iteration, loops, packed_lists
from ..regions import escapes, exceptions, region_tracing
from ..syntax import source
from ..tracing import Trace
from ..values import ownership, shapes, unrepeatable
from ..values.boxes import ArrayBox, Box, ScalarBox
from . import generator_reductions

if TYPE_CHECKING:
    from ...ir.types import Array
    from ..control.packed_lists import PackedList


class Generator:
    """What a call of a generator function gives. push(sink) runs its body; steps() gives its values one by one. `inner`: the
    generator whose values it hands on."""

    def __init__(self, push: Callable, steps: Callable, inner: Generator | None = None):
        self.push: Callable | None = push
        self.steps, self.iterator, self.inner = steps, None, inner

    def run(self, sink: Callable) -> Any:
        """The whole body, with sink(value) at each `yield`; gives what it returns."""
        trace = tracing.current()
        unrepeatable.expect_not_spent(self)
        if self.push is None:
            return None                                   # it has ended
        if self.iterator is not None:
            for value in self.iterator:
                sink(value)
            return None
        ownership.expect_own(trace, self, "the iteration over a generator")
        push, self.push = self.push, None
        return push(sink)

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return next(self.stepwise("next()"))

    def leave(self, trace: Trace) -> None:
        """A loop over it ended early: it may have more, and nobody knows where it stands."""
        trace.spent[id(self)] = self
        if self.inner is not None:
            self.inner.leave(trace)

    def stepwise(self, what: str) -> Any:
        """Python's own generator, which pauses where the trace is: it is asked, or talked to, value by value."""
        trace = tracing.active()
        if trace is not None:
            ownership.expect_own(trace, self, what)
            unrepeatable.expect_not_spent(self)
        if self.push is None and self.iterator is None:
            nothing: tuple = ()
            return (x for x in nothing)
        if self.iterator is None:
            self.iterator = self.steps()
        return self.iterator

    def send(self, value: Any) -> Any:
        return self.stepwise("send()").send(value)

    def throw(self, *error: Any) -> Any:
        return self.stepwise("throw()").throw(*error)

    def close(self) -> None:
        self.stepwise("close()").close()


def generator(push: Callable, steps: Callable, inner: Generator | None = None) -> Generator:
    trace = tracing.active()
    return steps() if trace is None else trace.note_fresh(Generator(push, steps, inner))


class Handed:
    """Hands the terms of a generator expression (`visit(this)`) to a sink."""

    def __init__(self, sink: Callable):
        self.take = sink

    def each(self, items: tuple[Array | ArrayBox, ...], body: Callable) -> None:
        loops.for_(items, body, None, None, (), None, site=id(body.__code__))

    def when(self, test: Any, thunk: Callable) -> None:
        branches.if_(test, thunk, None, None, None, ())


def genexp(visit: Callable, steps: Callable) -> Generator:
    """A generator expression."""
    return generator(lambda sink: visit(Handed(sink)), steps)


class ConsumerNames(region_tracing.State):
    """The names of a consumer as attributes, which the regions of the generator hand on."""

    def __init__(self, trace: Trace, get: Callable, put: Callable, names: tuple[str, ...]):
        self.__dict__["<access>"] = get, put, [name.lstrip("+-") for name in names]
        trace.note_fresh(self)

    def label(self, key: str) -> str:
        return key

    def __getattr__(self, key: str) -> float | ScalarBox:
        get, _, names = self.__dict__["<access>"]
        return get()[names.index(key)]

    def __setattr__(self, key: str, value: float | ScalarBox) -> None:
        get, put, names = self.__dict__["<access>"]
        held = list(get())
        held[names.index(key)] = value
        put(tuple(held))

    def noted(self, trace: Trace, before: tuple[float | ScalarBox, ...]) -> None:
        """Note what has changed since the names held `before`."""
        get, put, names = self.__dict__["<access>"]
        after = get()
        put(before)
        for name, was, now in zip(names, before, after):
            if now is not was:
                region_tracing.assign(trace, (self, True, name), now)


class Consumption(escapes.Target):
    """A loop over a generator, which a `break` leaves."""

    def __init__(self, trace: Trace):
        super().__init__(trace)
        self.around = list(trace.targets)

    def leave(self, trace: Trace) -> NoReturn:
        """End the generator. Does not return."""
        self.mark(trace)
        raise escapes.Left

    def mark(self, trace: Trace) -> None:
        """Note that the generator ends; what is `finally` in it runs before."""
        within = [t for t in trace.targets[trace.targets.index(self) + 1:]
                  if isinstance(t, exceptions.Catch) and t.catches(GeneratorExit)]
        if within:
            within[-1].note(trace, exceptions.Record(GeneratorExit, "", (), tracing.locate(), target=self))
        else:
            self.store(trace, left=True)


def drive(made: Generator, body: Callable, get: Callable | None, put: Callable | None, names: tuple[str, ...],
          stop: Any) -> None:
    """`for item in made: body(item)`."""
    trace = tracing.current()
    loop, consumer = Consumption(trace), ConsumerNames(trace, get, put, names) if get and put else None

    def sink(value: slice | Array | Box) -> None:
        before = get() if get else ()
        targets, trace.targets = trace.targets, list(loop.around)       # what the consumer raises is not for the generator
        block, first = trace.builder.block, len(trace.builder.block.ops)
        try:
            escapes.Frame(get, put, names).run(trace, lambda: body(value))
        except (region_tracing.Raised, *region_tracing.CERTAIN):
            if put is not None:
                put(before)                                     # what it bound is of a branch that ends here
            raise
        finally:
            trace.targets = targets
        for catch in targets[len(loop.around):]:
            if isinstance(catch, exceptions.Catch):
                catch.safe.update(op for op, _ in exceptions.ops_in(block.ops[first:]))
        if consumer is not None:
            consumer.noted(trace, before)
        escapes.resume(trace)
        flag = loops.stopped(stop)
        if flag is True:
            loop.leave(trace)
        elif flag is not False:
            escapes.exit_unless(trace, escapes.negated(trace, flag), lambda: loop.mark(trace))

    escapes.body(trace, loop, lambda: made.run(sink), get, put, names)
    if any(target.left is not False for target in (loop, *trace.targets)):
        made.leave(trace)
    flags = [flag for flag in (stop() if stop is not None else ()) if flag is not False]
    if escapes.left(loop) is True and len(flags) == 1:                  # the flag that has ended it is set
        assert get is not None and put is not None              # a flag is a name of the loop
        put(tuple(True if held is flags[0] else held for held in get()))


iteration.DRIVEN[Generator] = drive


def yield_(sink: Callable, value: float | Box | tuple[ScalarBox, ...] | None = None) -> None:
    """`yield value` in a body that runs as a whole: what is sent is always None."""
    sink(value)


def delegate(sink: Callable, items: Any) -> Any:
    """`yield from items`."""
    if isinstance(items, Generator):
        return items.run(sink)
    loops.for_(items, sink, None, None, (), None, site=tracing.locate())
    return None


def known(test: Any) -> bool:
    """The condition around a `yield` where values are taken one by one."""
    flag = branches.truth(test)
    if isinstance(flag, bool):
        return flag
    return bool(tracing.need_concrete(ScalarBox(flag, "bool"), "a condition around a `yield`, where values are taken one by "
                                      "one (next(), unpacking, zip),"))


def not_stepwise() -> NoReturn:
    raise UnsupportedError("a generator with a `yield` inside `try` or `with` gives its values to a `for` statement, list() "
                           "or sum(), but not one by one", "iterate over it with a `for` statement", tracing.locate())


# --- consumers ----------------------------------------------------------------------------------------------------------

def listed(items: Generator, element: Callable | None = None) -> Any:
    """[element(x) for x in items] of a generator."""
    trace = tracing.current()
    made = packed_lists.made(trace.note_fresh([]))

    def take(item: slice | Array | ArrayBox) -> None:
        calls.call(made.append, item if element is None else element(item))

    drive(items, take, None, None, (), None)
    return made


class Counter(region_tracing.State):
    """How many values a generator has given."""

    def __init__(self, trace: Trace, start: int):
        self.count = start
        trace.note_fresh(self)

    def next(self, trace: Trace) -> Any:
        """The count, which grows by one."""
        count = self.count
        region_tracing.assign(trace, (self, True, "count"), count + 1)
        return count


_ENUMERATE, _ZIP = builtin_calls.BUILTINS[enumerate], builtin_calls.BUILTINS[zip]


def enumerate_(items: Any, start: Any = 0) -> Any:
    if not isinstance(items, Generator):
        return _ENUMERATE(items, start)

    def push(sink: Callable) -> Any:
        trace = tracing.current()
        counter = Counter(trace, start)
        return items.run(lambda value: sink((counter.next(trace), value)))

    return generator(push, lambda: enumerate(items, start), items)


def zip_(*iterables: Any, strict: Any = False) -> Any:
    """zip; one generator among what is known by position runs as a whole."""
    sources: list[Any] = [x if isinstance(x, Generator) else iteration.source_of(x) for x in iterables]
    drivers = [x for x in iterables if isinstance(x, Generator)]
    if len(drivers) != 1 or None in sources or strict:
        return _ZIP(*iterables, strict=strict)
    others = [s for s in sources if s is not drivers[0]]
    for x in iterables:
        iteration.spend(x)

    def push(sink: Callable) -> None:
        trace = tracing.current()
        counter, short = Counter(trace, 0), Consumption(trace)
        trip = others[0].trip
        for s in others[1:]:
            trip = shapes.arith("min", trip, s.trip)

        def take(value: Value) -> None:
            count = counter.next(trace)
            k = shapes.to_index(count)
            flag = branches.truth(branches.boxed(trace.builder("lt", trace.builder.index(k), trace.builder.index(trip))))
            if flag is False:
                short.leave(trace)
            elif flag is not True:
                escapes.exit_unless(trace, flag, lambda: short.mark(trace))
            sink(tuple(value if s is drivers[0] else s.at(k) for s in sources))

        escapes.body(trace, short, lambda: drivers[0].run(take), None, None, ())

    return generator(push, lambda: zip(*map(iteration.iterate, iterables)), drivers[0])


def _of_list(kind: type) -> Callable:
    plain = builtin_calls.BUILTINS[kind]

    def handler(*args: Any) -> Sequence | PackedList:
        if len(args) == 1 and isinstance(args[0], Generator):
            made = listed(args[0])
            return made if kind is list else plain(made)
        if kind is list and len(args) == 1 and isinstance(args[0], iteration.Source) and isinstance(args[0].trip, Value):
            return packed_lists.fresh(calls.call(list_programs.all_of, args[0]))
        return plain(*args)
    return handler


def _folded(function: Callable, items: Any, *start: Any) -> Any:
    return generator_reductions.fold(function, lambda fold: fold.each(items, fold.take), True, *start)


def _of_values(function: Callable, items: Any, *args: Any, **kwargs: Any) -> Any:
    made = listed(items)
    if "default" in kwargs and isinstance(made, packed_lists.ListValue):         # whether it is empty run time may decide
        default = kwargs.pop("default")
        return branches.either(calls.call(len, made) > 0, lambda: calls.call(function, made, *args, **kwargs), lambda: default)
    return calls.call(function, made, *args, **kwargs)


def opened(items: Any) -> Any:
    """What a `for` statement iterates over: an object of a user's class is asked by its `__iter__`."""
    own = getattr(type(items), "__iter__", None)
    if isinstance(own, types.FunctionType) and tracing.active() is not None and source.is_user(own):
        return calls.call(own, items)
    return items


def for_(iterable: Any, *rest: Any) -> None:
    """The statement."""
    loops.for_(opened(iterable), *rest)


calls.BUILTINS.update({list: _of_list(list), tuple: _of_list(tuple), enumerate: enumerate_, zip: zip_})
calls.GENERATORS[Generator] = listed
calls.CONSUMERS.update({f: functools.partial(_folded, f) for f in (sum, any, all)})
calls.CONSUMERS.update({f: functools.partial(_of_values, f) for f in (min, max, sorted)})
