"""Objects, lists and dicts that another name may have, which only run time knows, since an `if` left one of two under it.

    best = a if a.cost < b.cost else b      best = <attributes of a or of b>;  %c = lt a.cost, b.cost
    a.cost = 0                              a.cost = 0;  best.cost = select %c, 0, best.cost

So an assignment to one of the two is seen under both names, and one to what may be either (`shared`) is one to each of them on
a condition. Other changes are refused (values/ownership.py).
"""
from __future__ import annotations

from typing import Any

from ..regions import region_tracing
from ..tracing import Trace
from ..values import ownership
from ..values.ownership import Joined
from . import branches
from .packed_lists import Fixed


def expect_assignable(trace: Trace, held: Any, what: str) -> None:
    """Before an assignment to an object that may be one of two: both are known."""
    if id(held) in trace.copied or (id(held) in trace.shared and not _sources(trace, held)):
        ownership.expect_own(trace, held, what)


def assign(trace: Trace, place: tuple[Any, bool, Any], value: Any, what: str) -> None:
    """held.key = value, or held[key] = value: an assignment to what is there."""
    held, attribute, key = place
    if id(held) in trace.joined:
        sources = _sources(trace, held)
        for found in sources:
            one = found.source, attribute, key
            _seen(trace, one, _where(trace, found, value, one, what), what)
        if not sources:
            _seen(trace, place, value, what)
            return
    region_tracing.assign(trace, place, value)


def _seen(trace: Trace, place: tuple[Any, bool, Any], value: Any, what: str) -> None:
    """An assignment to one object, under the names that may be of another one too."""
    held, attribute, key = place
    region_tracing.assign(trace, place, value)
    for found in ownership.joined(trace, held):
        if found.source is held:
            other = found.made, attribute, key
            region_tracing.assign(trace, other, _where(trace, found, value, other, what))


def _sources(trace: Trace, held: Any) -> list[Joined]:
    """The objects that one may be; none where not all of them are known."""
    found = [x for x in ownership.joined(trace, held) if x.made is held]
    return found if all(x.source is not None and trace.maker(x.source) >= 0 for x in found) else []


def _where(trace: Trace, found: Joined, value: Any, place: tuple[Any, bool, Any], what: str) -> Any:
    """The value where an object is the one of a branch, else what the place holds."""
    old = region_tracing.peek(place)
    seen = any(scope.block is found.block for scope in trace.scopes)
    if isinstance(place[0], Fixed) or old is region_tracing.MISSING or not seen:
        ownership.refuse_joined(place[0], what)
    return branches.either(branches.boxed(found.flag), lambda: value, lambda: old)
