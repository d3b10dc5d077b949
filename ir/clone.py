"""Copying IR: into a builder with some values replaced, whole functions, functions closed over what they use; and DCE.

A copy never shares a `Value`, `Op` or `Block` with its original; constants and callees are shared.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from .build import Builder
from .core import EVERYWHERE, Block, Function, Op, Value, subst_type
from .types import StackType, Type

if TYPE_CHECKING:
    from .errors import Frame

Values = tuple[Value, ...]


class Rules(Protocol):
    """A mapping from names of ops, or what answers as one."""

    def get(self, name: str, /) -> Callable | None: ...


NO_RULES: Mapping[str, Callable] = {}


def dims_of(type: Type) -> Values:
    """The values that a type names as dimensions."""
    while isinstance(type, StackType):
        type = type.element
    return tuple([d for d in type.dims if not isinstance(d, int)]) if type.dims else ()


def mapped(values: Iterable[Value], mapping: Mapping[Value, Value]) -> Values:
    return tuple([mapping.get(v, v) for v in values])


# --- copying through a builder: ops are typed, interned and simplified anew --------------------------------------------

def copy_block(builder: Builder, block: Block, mapping: dict[Value, Value], custom: Rules = NO_RULES) -> Values:
    """Emit the ops of `block` at the builder's cursor, with operands replaced through `mapping` (its parameters must be
    in it), which afterwards also leads from every value of the block to its copy. Returns what stands for the yields.

    `custom` maps the name of an op to custom(builder, op, mapping) -> results, which replaces the plain copy.
    """
    locate, loc = builder.locate, builder.loc
    builder.locate = None
    try:
        for op in block.ops:
            builder.loc = op.loc
            rule = custom.get(op.defn.name)
            results = rule(builder, op, mapping) if rule else copy_op(builder, op, mapping, custom)
            for old, new in zip(op.results, results):
                mapping[old] = new
                if old.name and new.name is None:
                    new.name = old.name
    finally:
        builder.locate, builder.loc = locate, loc
    return mapped(block.yields, mapping)


def copy_op(builder: Builder, op: Op, mapping: dict[Value, Value], custom: Rules = NO_RULES) -> Values:
    operands = mapped(op.operands, mapping)
    if not op.regions:
        return builder.emit(op.defn, *operands, **op.attrs)
    regions = [copy_region(builder, region, mapping, custom) for region in op.regions]
    return builder.emit(op.defn, *operands, regions=regions, **op.attrs)


def new_params(block: Block, mapping: dict[Value, Value]) -> Block:
    """An empty block with copies of the parameters; extends `mapping` by them."""
    new = Block([p.type for p in block.params], [p.name for p in block.params])
    mapping.update(zip(block.params, new.params))
    for p in new.params:
        p.type = subst_type(p.type, mapping)
    return new


def copy_region(builder: Builder, block: Block, mapping: dict[Value, Value], custom: Rules = NO_RULES) -> Block:
    new = new_params(block, mapping)
    with builder.at(new):
        new.yields = copy_block(builder, block, mapping, custom)
    return new


def inline(builder: Builder, f: Function, args: Sequence[Value]) -> Values:
    """Emit the body of `f` on these arguments; returns its results. Locations are those inside `f`, below the builder's
    own, so that they read like Python's stack."""
    outer = builder.locate() if builder.locate else builder.loc
    mapping = dict(zip(f.params, args, strict=True))
    if not outer:
        return copy_block(builder, f.body, mapping)
    start = len(builder.block.ops)
    results = copy_block(builder, f.body, mapping)
    for op in builder.block.ops[start:]:
        nest_locations(op, outer, called=outer != f.loc)
    return results


def nest_locations(op: Op, outer: tuple[Frame, ...], called: bool = True) -> None:
    """Put the frames of a call around the location of an op and of all inside it, unless they are there already. A program that
    is put into one of the same function (its derivative) is not `called`: only ops without a location get one."""
    if not op.loc or (called and op.loc[:len(outer)] != outer):
        op.loc = outer + op.loc
    for region in op.regions:
        for inner in region.ops:
            nest_locations(inner, outer, called)


def clone(f: Function, name: str | None = None, peephole: Any = None) -> Function:
    """A copy of the function; simplified by `peephole` where given. The copy has no value in common with the original."""
    body = copy_region(Builder(peephole=peephole), f.body, {})
    return Function(name or f.name, body, f.loc, dict(f.attrs))


def substitute(f: Function, mapping: Mapping[Value, Value]) -> Function:
    """A copy of the function in which the values of `mapping` (not parameters or results inside `f`) are replaced."""
    body = copy_region(Builder(), f.body, dict(mapping))
    return Function(f.name, body, f.loc, dict(f.attrs))


# --- free values -------------------------------------------------------------------------------------------------------

def free_values(block: Block) -> list[Value]:
    """The values that a block uses but does not define, dimensions included, in the order of first use; no constants, and no
    `Length`s."""
    defined: set[Value] = set()
    free: dict[Value, None] = {}
    _free(block, defined, free)
    return list(free)


def _free(block: Block, defined: set[Value], free: dict[Value, None]) -> None:
    def use(value: Value) -> None:
        if value not in defined and not isinstance(value, EVERYWHERE):
            free[value] = None

    def define(values: tuple[Value, ...]) -> None:
        defined.update(values)
        for v in values:
            for d in dims_of(v.type):
                use(d)

    define(block.params)
    for op in block.ops:
        for v in op.operands:
            use(v)
        for region in op.regions:
            _free(region, defined, free)
        define(op.results)
    for v in block.yields:
        use(v)


def lift_free(f: Function) -> tuple[Function, list[Value]]:
    """(a closed copy of `f`, what it used from outside): each such value becomes a further parameter at the end.

    before  func @inner(%x: f64[%n]) { … mul %x, %k … }       %k and %n belong to an enclosing function
    after   func @inner(%x: f64[%n'], %k': f64, %n': index)   called with (x, k, n)

    What is made of constants is made again inside, where it says what it is (positions along an axis, zeros).
    """
    free = free_values(f.body)
    again = [v for v in free if _is_made_of_constants(v)]
    free = [v for v in free if v not in again]
    free += [d for v in free for d in dims_of(v.type) if d not in free and not isinstance(d, EVERYWHERE)]
    free = list(dict.fromkeys(free))
    if not free and not again:
        return f, []
    params = (*f.params, *free)
    body = Block([p.type for p in params], [p.name for p in params])
    mapping = dict(zip(params, body.params))
    for p in body.params:
        p.type = subst_type(p.type, mapping)
    builder = Builder()
    with builder.at(body):
        for v in again:
            _make_again(builder, v, mapping)
        body.yields = copy_block(builder, f.body, mapping)
    return Function(f.name, body, f.loc, dict(f.attrs)), free


def _is_made_of_constants(v: Value, depth: int = 3) -> bool:
    op = v.op
    if op is None or not depth or not op.defn.moves or op.defn.effect or not v.type.static:
        return False
    return all(isinstance(x, EVERYWHERE) or _is_made_of_constants(x, depth - 1) for x in op.operands)


def _make_again(builder: Builder, v: Value, mapping: dict[Value, Value]) -> None:
    if v not in mapping:
        for x in v.maker.operands:
            if not isinstance(x, EVERYWHERE):
                _make_again(builder, x, mapping)
        mapping[v] = builder(v.maker.defn, *mapped(v.maker.operands, mapping), **v.maker.attrs)


def replace(block: Block, mapping: Mapping[Value, Value]) -> None:
    """Replace values in operands, yields and types of a block and all regions under it, in place."""
    def types(values: tuple[Value, ...]) -> None:
        for v in values:
            if v.type.__class__ is StackType or not v.type.static:
                v.type = subst_type(v.type, mapping)

    types(block.params)
    for op in block.ops:
        op.operands = mapped(op.operands, mapping)
        types(op.results)
        for region in op.regions:
            replace(region, mapping)
    block.yields = mapped(block.yields, mapping)


# --- dead code -----------------------------------------------------------------------------------------------------------

def add_carry(op: Op, init: Value, name: str | None = None) -> Value:
    """A further carried value of a forward loop; returns the body's parameter. The caller appends to the yields and results."""
    op.operands += (init,)
    for region in op.regions:
        param = Value(init.type, name or init.name, region, len(region.params))
        region.params += (param,)
    return param


def add_result(op: Op, type: Type, name: str | None = None) -> Value:
    result = Value(type, name, op, len(op.results))
    op.results += (result,)
    return result


def has_effect(op: Op, memo: dict[object, bool]) -> bool:
    """Whether an op, or one inside it or in a function that it calls, must run. Of a factorisation or solution that only
    derivatives need, {spare}, nobody waits for the error."""
    if op.defn.effect:
        return not op.attrs.get("spare")
    if "callee" in op.attrs:
        callee = op.attrs["callee"]
        if callee not in memo:
            memo[callee] = any(has_effect(inner, memo) for inner in callee.body.ops)
        return memo[callee]
    if op.regions:
        if op not in memo:
            memo[op] = any(has_effect(inner, memo) for region in op.regions for inner in region.ops)
        return memo[op]
    return False


def dce(f: Function) -> Function:
    """A copy without the ops, loop-carried values and results of branches that nothing needs. Effects stay."""
    new = clone(f)
    sweep(new)
    return new


def sweep(f: Function) -> None:
    """`dce` in place."""
    live: set[Value] = set()
    memo: dict[object, bool] = {}
    need(f.body.yields, live)
    need(f.params, live)
    mark(f.body, live, memo)
    prune(f.body, live, memo)


def need(values: Sequence[Value], live: set[Value]) -> None:
    """Mark values, and the dimensions that their types name."""
    for v in values:
        if v not in live:
            live.add(v)
            if v.type.__class__ is StackType or v.type.dims:
                need(dims_of(v.type), live)


def mark(block: Block, live: set[Value], memo: dict[object, bool]) -> None:
    """Mark what the live values and the effects of a block need. Going backwards, all users of a value come before it."""
    for op in reversed(block.ops):
        used = any(r in live for r in op.results)
        if used or has_effect(op, memo):
            if op.regions:
                _MARK[op.defn.name](op, live, memo)
            else:
                need(op.operands, live)
                for r in op.results:            # results of one op stay together, so their types must stay right
                    need(dims_of(r.type), live)


def _mark_branches(op: Op, live: set[Value], memo: dict[object, bool]) -> None:
    need(op.operands, live)
    for region in op.regions:
        need([y for y, r in zip(region.yields, op.results) if r in live], live)
        mark(region, live, memo)


def _mark_loop(op: Op, live: set[Value], memo: dict) -> None:
    """A carried value is live where its result is, or where something live in the loop reads it: a fixed point."""
    fixed = len(op.operands) - len(op.results)          # the trip count of `for`
    need(op.operands[:fixed], live)
    if op.defn.name == "while":
        need(op.regions[0].yields, live)
    places = [(result, *[region.params[fixed + k] for region in op.regions], op.operands[fixed + k], op.regions[-1].yields[k])
              for k, result in enumerate(op.results)]
    done: set[int] = set()
    region_marked = False
    while True:
        found = [k for k, values in enumerate(places) if k not in done and any(v in live for v in values[:-2])]
        if not found and region_marked:
            return
        done.update(found)
        for k in found:
            need(places[k], live)
        for region in op.regions:
            mark(region, live, memo)
        region_marked = True


_MARK = {"if": _mark_branches, "map": _mark_branches, "for": _mark_loop, "while": _mark_loop}


def prune(block: Block, live: set[Value], memo: dict[object, bool]) -> None:
    """Drop the ops of a block that are not marked, and unmarked carried values and results of those that are."""
    kept = []
    for op in block.ops:
        if not (any(r in live for r in op.results) or has_effect(op, memo)):
            continue
        kept.append(op)
        if op.regions:
            for region in op.regions:
                prune(region, live, memo)
            keep = [k for k, r in enumerate(op.results) if r in live]
            if len(keep) < len(op.results):
                _narrow(op, keep)
    block.ops = kept


def _narrow(op: Op, keep: list[int]) -> None:
    """Keep only these results of a control op, with their carried values and yields."""
    name, fixed = op.defn.name, len(op.operands) - len(op.results)
    for region in op.regions:
        if name in ("for", "while"):
            carried = region.params[fixed:]
            region.params = (*region.params[:fixed], *(carried[k] for k in keep))
            for slot, p in enumerate(region.params):
                p.slot = slot
        if not (name == "while" and region is op.regions[0]):
            region.yields = tuple(region.yields[k] for k in keep)
    if name in ("for", "while"):
        op.operands = (*op.operands[:fixed], *(op.operands[fixed + k] for k in keep))
    op.results = tuple(op.results[k] for k in keep)
    for slot, r in enumerate(op.results):
        r.slot = slot
