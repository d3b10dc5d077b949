"""The object that rewritten code calls: `<tg>` in its closure. One attribute for each construct that rewrite.py replaces."""
from __future__ import annotations

import types

from . import (  # noqa: F401  (borrowed, mapping, piles and ufunc_methods fill tables)
    attempts,
    borrowed,
    boxes,
    branches,
    calls,
    captured,
    cells,
    context,
    folds,
    iteration,
    lists,
    loops,
    mapping,
    matching,
    messages,
    piles,
    protocols,
    source,
    state,
    stores,
    ufunc_methods,
)


def fresh(made):
    """A list, dict or set that the traced program writes down."""
    trace = context.active()
    return made if trace is None else lists.made(trace.note_fresh(made))


def unpack(items):
    """The right side of `a, b = items`."""
    items = captured.seen(items)
    if isinstance(items, (iteration.Source, boxes.ArrayBox)):
        return list(iteration.iterate(items))
    return iteration.iterate(items) if type(items) is list else items


def iterate(items):
    """What a comprehension iterates over."""
    return items if context.active() is None else iteration.iterate(items)


def collect(element, items):
    """[element(x) for x in items]: a loop that appends, where the items are known by position."""
    trace = context.active()
    source = iteration.source_of(items) if trace is not None else None
    if source is None:
        return fresh([element(x) for x in iterate(items)])
    if type(source.trip) is not int:
        return folds.gather(lambda fold: fold.each(source, lambda item: fold.take(element(item))))
    site = id(element.__code__)
    return lists.collected(trace, element, source, lambda element, source: mapping.collected(element, source, site))


def returned(held):
    """What a function returns: set on every path that reaches its end."""
    return held.held if type(held) is state.Maybe else state.value(held)


RUNTIME = types.SimpleNamespace(
    call=calls.call, if_=branches.if_, for_=loops.for_, while_=loops.while_, either=branches.either, and_=branches.and_,
    or_=branches.or_, binds=branches.Binds, not_=branches.not_, chain=protocols.chain, in_=branches.in_, not_in=branches.not_in,
    assert_=branches.assert_,
    raise_=branches.raise_, text=messages.text, value=state.value, unset=state.Unset, returned=returned, fresh=fresh,
    unpack=unpack,
    iterate=iterate, collect=collect, keep=calls.keep, outer=stores.outer, getitem=stores.getitem, setitem=stores.setitem,
    setattr=stores.setattr_, named=stores.named,
    delete=stores.delete, augment=stores.augment, aug_item=stores.aug_item, aug_setitem=stores.aug_setitem,
    aug_attr=stores.aug_attr,
    aug_setattr=stores.aug_setattr, slice=slice, fold=folds.fold, gather=folds.gather, operate=protocols.operate,
    unary=protocols.unary, attribute=protocols.attribute, cell=cells.cell, own_cell=cells.own_cell,
    trying=attempts.trying, tried=attempts.tried, caught=attempts.caught, **matching.HELPERS,
)
source.use_runtime(RUNTIME)
