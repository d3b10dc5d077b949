"""Changes of Python objects by the traced program: where the region at hand may make them, and how they are noticed.

A list that a loop's body changes behind the tracer's back would be changed once, while the body is traced. So the rewritten
program asks `expect_own` before it changes one; and what is called as it stands, in C or in a library, is `watched`: the
containers that it is given are compared with what they held before.
"""
from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ...ir.errors import UnsupportedError
from .. import tracing

if TYPE_CHECKING:
    from ...ir.core import Block, Value
    from ...ir.types import Array
    from ..tracing import Loop, Trace
    from .boxes import ArrayBox, Box


class Ordered(NamedTuple):
    """A container of which there is a copy, in an order that only run time knows (containers/list_sort.py)."""

    held: Any


def expect_own(trace: Trace, held: dict[str, ArrayBox] | list[Array | Box] | Generator, what: str) -> None:
    """A change of structure: the region at hand must have made the object, or be traced once for each time that it runs."""
    if is_outside(trace, held):
        raise UnsupportedError(f"{what} changes a {type(held).__name__} that exists outside of the traced function",
                               "return the values, or pass the object in as an argument", tracing.locate())
    if id(held) in trace.shared:
        raise UnsupportedError(f"{what} changes a {type(held).__name__} that may be one of two, and which of them only run "
                               "time knows",
                               "call the method where it is chosen, `(a if c else b).append(x)`, or make it a copy there: "
                               "`a = list(a)`", tracing.locate())
    if joined(trace, held):
        refuse_joined(held, what)
    if isinstance(trace.copied.get(id(held)), Ordered):
        raise UnsupportedError(f"{what} changes a {type(held).__name__} that has been sorted or chosen by a key of run time: "
                               "there are two of it, and the other one would not see it",
                               "change a copy of it: `x = list(x)`, or keep the items in arrays", tracing.locate())
    if id(held) in trace.copied:
        raise UnsupportedError(f"{what} changes a {type(held).__name__} that is an entry of a list whose length is known only "
                               "at run time, which would not see it",
                               "put another one into its place: `rows[k] = [...]`, or append it when it is complete",
                               tracing.locate())
    made = trace.maker(held)
    for scope in reversed(trace.scopes[made + 1:] if made >= 0 else trace.scopes):
        if scope.kind == "loop" and scope.loop is None:
            continue
        if scope.kind == "function" and scope is not trace.scopes[0]:
            raise UnsupportedError(f"{what} changes a {type(held).__name__} outside of the function that is differentiated "
                                   "inside compiled code", "return the value instead", tracing.locate())
        if scope.kind == "loop" and scope.loop is not None:
            if scope.loop.unrollable:
                raise tracing.NeedUnroll(scope.loop, f"{what}, which changes a Python object")
            _endless_growth(scope.loop, held, what)
        if scope.kind == "branch" and scope.cond is not None:
            why = tracing.make_static(scope.cond, what)
            raise UnsupportedError(
                f"{what} changes a {type(held).__name__} in a branch that is decided at run time (it depends on {why}), so "
                "its length "
                "would be known only at run time", "store into an array of the largest length and count the entries",
                tracing.locate())


def expect_no_copies(a: Any, b: Any) -> None:
    """`is` says nothing about containers of which there are copies that Python has not."""
    trace = tracing.active()
    copied = trace.copied if trace is not None else {}
    if a is not b and copied and isinstance(copied.get(id(a)), Ordered) and isinstance(copied.get(id(b)), Ordered):
        raise UnsupportedError(f"which {type(a).__name__} one is that has been sorted or chosen by a key of run time",
                               "compare values, or positions: np.argmin of the keys", tracing.locate())


class Joined(NamedTuple):
    """An object `made` for what an `if` in a block left under a name: where `flag` is true it is `source`, an object of the
    program's; None where that is not known. A flag of None: which iteration left it is not known."""

    source: Any
    made: Any
    flag: Value | None
    block: Block


def note_joined(trace: Trace, source: Any, made: Any, flag: Value) -> None:
    """What an `if` has made is `source` where `flag` is true; where that is one of several, it is one of these."""
    block = trace.builder.block
    several = [x for x in joined(trace, source) if x.made is source] if id(source) in trace.shared else None
    if several is None:
        found = [Joined(source, made, flag, block)]
    else:
        found = [Joined(x.source, made, x.flag and trace.builder("and", flag, x.flag), block) for x in several]
        found = found or [Joined(x, made, None, block) for x in origins(trace, source)] or [Joined(None, made, flag, block)]
    for x in found:
        for held in (x.source, made):
            if held is not None:
                trace.joined.setdefault(id(held), []).append(x)


def note_carried(trace: Trace, source: Any, made: Any) -> None:
    """What a loop carries may be `source`."""
    found = Joined(source, made, None, trace.builder.block)
    for held in (source, made):
        trace.joined.setdefault(id(held), []).append(found)


def origins(trace: Trace, made: Any) -> list[Any]:
    """The objects of the program's that one may be, it itself where no join has made it."""
    cases = [x for x in trace.joined.get(id(made), ()) if x.made is made]
    found = [part for x in cases if x.source is not None for part in origins(trace, x.source)] if cases else [made]
    return [x for x in {id(x): x for x in found}.values() if trace.maker(x) >= 0]


def joined(trace: Trace, held: Any) -> list[Joined]:
    """Where an `if` left an object or another one under one name, which has not been given up."""
    found = trace.joined.get(id(held), ())
    here = [id(scope.block) for scope in trace.scopes]
    if all(id(x.block) in here for x in found):
        return list(found)
    here += [id(region) for scope in trace.scopes for op in scope.block.walk() for region in op.regions]
    return [x for x in found if id(x.block) in here]


def refuse_joined(held: Any, what: str) -> NoReturn:
    kind = getattr(held, "stands_for", type(held))
    raise UnsupportedError(f"{what} changes a {kind.__name__} that another name may have, which only run time knows, "
                           "since the branches of an `if` left different ones under that name",
                           "make it a copy where the branches meet: `a = list(a)`, `a = copy.copy(a)`", tracing.locate())


def is_outside(trace: Trace, held: Any) -> bool:
    """Whether an object was there before the trace: one that a global or free name holds, what such a one leads to, a default
    argument or an attribute, under whatever name."""
    return id(held) in trace.outer or (id(held) in trace.outside and trace.maker(held) < 0)


def counter_decides(trace: Trace, held: Any) -> bool:
    """Whether a branch in which an object from before it is changed is taken or not by the counter of a loop."""
    return any(scope.cond is not None and tracing.roots_of(trace, scope.cond).loops
               for scope in trace.scopes[max(trace.maker(held), 0) + 1:])


def _endless_growth(loop: Loop, held: Any, what: str) -> NoReturn:
    trip = loop.trip
    if trip is not None and not isinstance(trip, int):
        tracing.make_static(trip, what)
    raise UnsupportedError(
        f"{what} changes a {type(held).__name__} in a loop whose number of iterations is known only at run time",
        "make an array of the largest length before the loop and store into it", tracing.locate())


# --- iterators --------------------------------------------------------------------------------------------------------

_EMPTY: list[Any] = [[], (), {}, {}.values(), {}.items(), range(0), collections.deque()]
_ITERATORS = frozenset([
    *(type(iter(x)) for x in _EMPTY), *(type(reversed(x)) for x in _EMPTY if hasattr(x, "__reversed__")),
    type(iter(range(1 << 70))), type(iter("")), type(iter(set())), type(x for x in _EMPTY),
    map, filter, zip, enumerate, reversed,
    *(x for x in vars(itertools).values() if isinstance(x, type) and issubclass(x, Iterator)),
])


def expect_not_consumed(trace: Trace, x: Any, what: str) -> None:
    """An iterator is about to give items away: not in a loop or branch that is traced once for all of its runs."""
    if type(x) in _ITERATORS and len(trace.scopes) > 1 and trace.maker(x) >= 0:
        expect_own(trace, x, what)


# --- calls as they stand ----------------------------------------------------------------------------------------------

_HOLDING: dict[type, Callable] = {collections.UserList: lambda x: x.data, collections.UserDict: lambda x: x.data,
                                  collections.ChainMap: lambda x: x.maps}
_KINDS = (list, tuple, dict, set, collections.deque, *_HOLDING)
_NESTING = 3                            # how deep containers in containers are compared
_COPIES: dict[type, Callable] = {list: list, collections.deque: list, dict: lambda held: list(dict.items(held)), set: set}


def watched(trace: Trace, name: str, f: Callable, args: tuple, kwargs: dict, *held: Any, attributes: bool = False) -> Any:
    """f(*args, **kwargs), which may change containers only as the traced program itself may. `held`: more that it can reach;
    `attributes`: it changes those of what comes first."""
    if len(trace.scopes) < 2 and not trace.outer:
        return f(*args, **kwargs)
    found: dict[int, tuple] = {}
    for x in held:
        remember(x, found)
    if attributes:
        remember_attributes(next((x for x in (*held, *args) if x is not None), None), found)
    return compared(trace, name, found, f, args, kwargs)


def compared(trace: Trace, name: str, found: dict[int, tuple], f: Callable, args: Sequence, kwargs: dict) -> Any:
    """The same for the arguments and those that are in `found` when f is done."""
    for x in (*args, *kwargs.values()):
        remember(x, found)
    try:
        return f(*args, **kwargs)
    finally:
        for x, kind, before, owner in found.values():
            if not _same(kind, x, before):
                _settle(trace, name, x, kind, before, owner)


def remember_attributes(x: Any, found: dict[int, tuple]) -> None:
    """Note the attributes of an object."""
    if isinstance(own := getattr(x, "__dict__", None), dict) and id(own) not in found:
        found[id(own)] = own, dict, _COPIES[dict](own), x


def remember(x: Any, found: dict[int, tuple], depth: int = _NESTING) -> None:
    """Note what a container holds now, and those in it."""
    if not isinstance(x, _KINDS):
        owner = getattr(x, "__self__", None) if callable(x) else None          # xs.append, handed on
        if owner is None or not isinstance(owner, _KINDS):
            return
        x = owner
    if id(x) in found:
        return
    for kind, copy in _COPIES.items():
        if isinstance(x, kind):
            found[id(x)] = x, kind, copy(x), x
    if depth:
        inner = next((get(x) for kind, get in _HOLDING.items() if isinstance(x, kind)), None)
        parts: Any = dict.values(x) if isinstance(x, dict) else x if inner is None and not isinstance(x, set) else [inner]
        for part in parts:
            if isinstance(part, _KINDS):
                remember(part, found, depth - 1)


def _same(kind: type, held: Any, before: Any) -> bool:
    if len(held) != len(before):
        return False
    if kind is set:
        return held == before
    if kind is dict:
        return all(a is c and b is d for (a, b), (c, d) in zip(dict.items(held), before))
    return all(a is b for a, b in zip(held, before))


def _settle(trace: Trace, name: str, held: Any, kind: type, before: Any, owner: Any) -> None:
    """Let a change stand where the program may make it here; else it is undone before the region is left."""
    after = _COPIES[kind](held)
    _refill(kind, held, before)
    expect_own(trace, owner, name)
    _refill(kind, held, after)


def _refill(kind: type, held: Any, items: Any) -> None:
    own: Any = collections.OrderedDict if isinstance(held, collections.OrderedDict) else kind
    own.clear(held)
    if kind is dict:
        for key, value in items:
            own.__setitem__(held, key, value)
    elif kind is set:
        set.update(held, items)
    else:
        own.extend(held, items)
