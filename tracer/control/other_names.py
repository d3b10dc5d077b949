"""Objects, lists and dicts that another name may have, which only run time knows, since an `if` left one of two under it.

    best = a if a.cost < b.cost else b      best = <attributes of a or of b>;  %c = lt a.cost, b.cost
    a.cost = 0                              a.cost = 0;  best.cost = select %c, 0, best.cost

So an assignment to one of the two is seen under both names, and one to what may be either (`shared`) is one to each of them on
a condition. Other changes are refused (values/ownership.py).
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ...ir.errors import UnsupportedError
from ...ir.types import I64
from .. import pytrees, tracing
from ..regions import region_tracing
from ..tracing import Trace
from ..values import ownership
from ..values.boxes import ScalarBox
from ..values.ownership import Joined
from ..values.python.optional_values import Optional
from . import branches
from .packed_lists import Fixed, ListValue


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
            _seen(trace, one, _where(trace, found, value, one, what), what, but=held)
        if not sources:
            _seen(trace, place, value, what)
            return
        _put(trace, sources[0], place, value)
        return
    region_tracing.assign(trace, place, value)


def _put(trace: Trace, found: Joined, place: tuple[Any, bool, Any], value: Any) -> None:
    """An assignment to what stands for one of several: it is of the region in which it was made."""
    if found.block is trace.scopes[-1].block:
        region_tracing.put_item(place, value)
    else:
        region_tracing.assign(trace, place, value)


def _seen(trace: Trace, place: tuple[Any, bool, Any], value: Any, what: str, but: Any = None) -> None:
    """An assignment to one object, under the names that may be of another one too, `but` one that is assigned to apart."""
    held, attribute, key = place
    region_tracing.assign(trace, place, value)
    for found in ownership.joined(trace, held):
        if found.source is held and (found.made is not but or but is None):
            other = found.made, attribute, key
            _put(trace, found, other, _where(trace, found, value, other, what))


def _sources(trace: Trace, held: Any) -> list[Joined]:
    """The objects that one may be; none where not all of them are known."""
    found = [x for x in ownership.joined(trace, held) if x.made is held]
    return found if all(x.flag is not None and x.source is not None and trace.maker(x.source) >= 0 for x in found) else []


def _where(trace: Trace, found: Joined, value: Any, place: tuple[Any, bool, Any], what: str) -> Any:
    """The value where an object is the one of a branch, else what the place holds."""
    old = region_tracing.peek(place)
    seen = any(scope.block is found.block for scope in trace.scopes)
    if isinstance(place[0], Fixed) or old is region_tracing.MISSING or not seen or found.flag is None:
        ownership.refuse_joined(place[0], what)
    return branches.either(branches.boxed(found.flag), lambda: value, lambda: old)


def one_of(trace: Trace, items: Sequence[Any], found: Any, position: ScalarBox, opened: Callable) -> None:
    """`found` is items[position], where only run time knows which: the objects and containers that it leads to are those that
    one of the items leads to."""
    classes = {type(part) for part in pytrees.containers(items[0], opened)}
    made = [part for part in pytrees.containers(found, opened) if type(part) in classes]
    if not made:
        return
    builder = trace.builder
    at = builder.expr(builder.cast(position.read(), I64))
    at = (at < 0).select(at + len(items), at)
    for part in made:
        trace.shared[id(part)] = part
    for k, item in enumerate(items):
        for source, part in zip(pytrees.containers(item, opened), made, strict=True):
            if source is not part:
                ownership.note_joined(trace, source, part, (at == k).value)


# --- which of them one is ---------------------------------------------------------------------------------------------

def identical(a: Any, b: Any) -> Any:
    """`a is b` where an `if` has left one of two under a name: the condition on which they are one. None of other objects."""
    trace = tracing.active()
    if trace is None or a is b:
        return None
    for x, y in ((a, b), (b, a)):
        if type(x) is Optional:
            return branches.and_(ScalarBox(x.flag, "bool"), lambda x=x, y=y: _same(trace, x.held, y))
    return _same(trace, a, b) if _may_be_another(trace, a) or _may_be_another(trace, b) else None


def _within(x: Any, items: Any) -> Any:
    """`x in items` of objects that are equal where they are one; None of others."""
    trace = tracing.active()
    if trace is None or not isinstance(items, (list, tuple)) or type(x).__eq__ is not object.__eq__:
        return None
    if not any(type(v) is Optional or _may_be_another(trace, v) for v in (x, *items)):
        return None
    found: Any = False
    for v in items:
        same = identical(x, v)
        found = branches.or_(found, lambda v=v, same=same: v is x if same is None else same)
    return found


branches.CONTAINS.append(_within)


def _may_be_another(trace: Trace, x: Any) -> bool:
    return id(x) in trace.shared or any(found.made is x for found in trace.joined.get(id(x), ()))


def _same(trace: Trace, a: Any, b: Any) -> Any:
    if a is b:
        return True
    if type(a) is not type(b) and not (_is_list(a) and _is_list(b)):
        return False
    flag: Any = False
    for source, of_a in _cases(trace, a):
        for other, of_b in _cases(trace, b):
            if source is None and other is None:
                _refuse_identity(a)
            if source is other:
                flag = branches.or_(flag, lambda of_a=of_a, of_b=of_b: branches.and_(of_a, lambda: of_b))
    return flag


def _is_list(x: Any) -> bool:
    return isinstance(x, (list, ListValue))


def _cases(trace: Trace, x: Any) -> list[tuple[Any, Any]]:
    """(an object, a condition on which x is that one), x itself among them; None for an object that a branch has made and left
    under several names."""
    if x is None or not _may_be_another(trace, x):
        return [(x, True)]
    found = [case for case in ownership.joined(trace, x) if case.made is x]
    blocks = {id(scope.block) for scope in trace.scopes}
    if not found or any(case.flag is None or id(case.block) not in blocks for case in found):
        _refuse_identity(x)
    cases = [(x, True)]
    for case in found:
        assert case.flag is not None                          # asked above
        flag = branches.boxed(case.flag)
        cases += [(part, branches.and_(flag, lambda more=more: more)) for part, more in _cases(trace, case.source)]
    return cases


def _refuse_identity(x: Any) -> NoReturn:
    kind = getattr(x, "stands_for", type(x))
    raise UnsupportedError(f"`is` of a {kind.__name__} that may be one of several, and which of them only run time knows",
                           "keep a number beside it that says which one it is, and compare that", tracing.locate())
