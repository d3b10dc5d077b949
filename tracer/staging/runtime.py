"""The object that rewritten code calls: `<tg>` in its closure. One attribute for each construct that rewrite.py replaces."""
from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .. import tracing
from ..calling import (  # noqa: F401  (some fill tables)
    argument_handlers,
    builtin_calls,
    calls,
    class_calls,
    hashes,
    held_calls,
    number_programs,
    sourceless,
    untraced,
)
from ..calling.libraries import c_functions, numba_overloads, numpy_source, scipy_source  # noqa: F401  (tables)
from ..containers import (  # noqa: F401  (fill tables)
    dynamic_deques,
    list_functions,
    long_growth,
    nested_lists,
    ragged_lists,
    rebinding,
    runs,
)
from ..containers.lists import dynamic_lists  # noqa: F401  (fill tables)
from ..control import branches, iteration, loops, packed_lists, try_statement
from ..regions import leaf_types
from ..sequences import (  # noqa: F401  (some fill tables)
    flat_iterators,
    generator_reductions,
    generators,
    joined_lists,
    list_copies,
    match_runtime,
    records,
    statistics_programs,
    stencils,
    table_making,
    ufunc_methods,
    vectorize,
)
from ..syntax import nonlocals, source
from ..values import boxes, captured_arrays, captured_names, captured_values, unrepeatable
from ..values.python import format_strings, optional_values
from . import assignment, dunder_dispatch, numba_signatures, with_statement

if TYPE_CHECKING:
    from ..regions.leaf_types import MaybeUndefined
    from ..values.boxes import Box, ScalarBox


def fresh(made: Any) -> Any:
    """A list, dict or set that the traced program writes down."""
    trace = tracing.active()
    return made if trace is None else packed_lists.made(trace.note_fresh(made))


def unpack(items: Any) -> Any:
    """The right side of `a, b = items`."""
    items = captured_arrays.seen(items)
    captured_values.whole(items)
    unrepeatable.expect_not_consumed(items)
    if isinstance(items, (iteration.Source, boxes.ArrayBox)):
        return list(iteration.iterate(items))
    return iteration.iterate(items) if type(items) is list else items


def mapping(items: dict[str, float | ScalarBox]) -> dict[str, float | ScalarBox]:
    """`**items`"""
    captured_values.whole(items)
    return items


def space(names: Any) -> Any:
    """globals()"""
    trace = tracing.active()
    if trace is not None:
        captured_values.root(trace, names)
    return names


def iterate(items: Sequence | Iterable | zip) -> Sequence | Iterable | zip:
    """What a comprehension iterates over."""
    return items if tracing.active() is None else iteration.iterate(items)


def collect(element: Callable, items: Any) -> Any:
    """[element(x) for x in items]: a loop that appends, where the items are known by position."""
    trace = tracing.active()
    if type(items) is generators.Generator:
        return generators.listed(items, element)
    source = iteration.source_of(items) if trace is not None else None
    if source is None or trace is None:
        return fresh([element(x) for x in iterate(items)])
    if type(source.trip) is not int:
        return generator_reductions.gather(lambda fold: fold.each(source, lambda item: fold.take(element(item))))
    site = id(element.__code__)
    return packed_lists.collected(trace, element, source, lambda element, source: vectorize.collected(element, source, site))


def returned(held: Any) -> Sequence | bool | Box | None:
    """What a function returns: set on every path that reaches its end."""
    return held.held if type(held) is leaf_types.MaybeUndefined else leaf_types.value(held)


def settled(held: MaybeUndefined) -> Any:
    """What a name holds behind a statement that assigns it in whatever way it comes to its end."""
    return held.held if type(held) is leaf_types.MaybeUndefined else held


def static(function: Callable, thunk: Callable) -> Any:
    """A call of something named `static` with one argument, which may be what `tg.static` is told to freeze."""
    trace = tracing.active()
    if function is not unrepeatable.static or trace is None:
        return calls.call(function, thunk())
    try:
        trace.freezing += 1
        return unrepeatable.static(thunk())
    finally:
        trace.freezing -= 1


RUNTIME = types.SimpleNamespace(
    call=calls.call, if_=branches.if_, for_=generators.for_, while_=loops.while_, either=branches.either, and_=branches.and_,
    or_=branches.or_, and_truth=branches.and_truth, or_truth=branches.or_truth,
    binds=branches.Binds, not_=branches.not_, chain=dunder_dispatch.chain, in_=branches.in_,
    not_in=branches.not_in,
    assert_=branches.assert_,
    is_none=optional_values.is_none, raise_=branches.raise_,
    text=format_strings.text, value=leaf_types.value, unset=leaf_types.Undefined, returned=returned,
    settled=settled, declared=assignment.declared,
    as_signed=numba_signatures.as_signed, as_result=numba_signatures.as_result,
    fresh=fresh, display=table_making.display, entries=table_making.entries,
    unpack=unpack, mapping=mapping, space=space,
    iterate=iterate, collect=collect, keep=builtin_calls.keep, outer=assignment.outer, getitem=assignment.getitem,
    setitem=assignment.setitem,
    setattr=assignment.setattr_, named=assignment.named,
    delete=assignment.delete, augment=assignment.augment, aug_item=assignment.aug_item, aug_setitem=assignment.aug_setitem,
    aug_attr=assignment.aug_attr,
    aug_setattr=assignment.aug_setattr, slice=slice, fold=generator_reductions.fold, gather=generator_reductions.gather,
    decisive=generator_reductions.decisive,
    operate=dunder_dispatch.operate,
    unary=dunder_dispatch.unary, attribute=dunder_dispatch.attribute, method=dunder_dispatch.method,
    identical=dunder_dispatch.identical,
    name=captured_names.name, bind_global=captured_names.bind_global, variable=captured_names.variable,
    module=captured_names.module, imported=captured_names.imported, static=static, cell=nonlocals.cell,
    own_cell=nonlocals.own_cell,
    generator=generators.generator, genexp=generators.genexp, yield_=generators.yield_, delegate=generators.delegate,
    known=generators.known, not_stepwise=generators.not_stepwise, try_=try_statement.try_, with_=with_statement.with_,
    class_=class_calls.defined, **match_runtime.HELPERS,
)
source.use_runtime(RUNTIME)
