"""Index arithmetic on the lengths of arguments (`core.Length`): as sums, as expressions for the code that takes a call, and the
checks that say for which lengths a program holds.

    expression ::= integer | name of a length | (op, expression, expression) | ("not", expression)
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from ..build import FOLDED, Builder
from ..clone import clone, copy_block, dims_of, sweep
from ..core import Block, Const, Function, Length, Op, Value, subst_type
from ..types import Type
from .patterns import number

if TYPE_CHECKING:
    from ..types import Type

Expression = int | str | tuple
Sum = tuple[dict[Length, int], int]               # length -> its factor, and the constant

# What an expression may have: the name of the op -> its value in Python. Comparisons give 0 or 1.
MEANING: dict[str, Callable] = {
    **FOLDED, "not": lambda a: 1 - a, "and": lambda a, b: a & b, "or": lambda a, b: a | b,
    "eq": lambda a, b: int(a == b), "ne": lambda a, b: int(a != b), "lt": lambda a, b: int(a < b),
    "le": lambda a, b: int(a <= b), "gt": lambda a, b: int(a > b), "ge": lambda a, b: int(a >= b),
    "select": lambda c, a, b: a if c else b, "neg": lambda a: -a, "abs": abs,
}
_DEPTH = 24


def sum_of(v: Value, depth: int = _DEPTH) -> Sum | None:
    """An index value as a sum of multiples of lengths; None where it is no such sum."""
    if v.__class__ is Length:
        return {v: 1}, 0
    known = number(v)
    if known is not None:
        return {}, known
    op = v.op
    if op is None or not depth or op.defn.name not in ("add", "sub", "mul") or len(op.operands) != 2:
        return None
    a, b = [sum_of(x, depth - 1) for x in op.operands]
    if a is None or b is None:
        return None
    if op.defn.name != "mul":
        return plus(a, b, 1 if op.defn.name == "add" else -1)
    a, b = (b, a) if a[0] else (a, b)
    return None if a[0] else ({x: c * a[1] for x, c in b[0].items()} if a[1] else {}, a[1] * b[1])


def plus(a: Sum, b: Sum, times: int) -> Sum:
    """a + times * b"""
    terms = dict(a[0])
    for x, c in b[0].items():
        terms[x] = terms.get(x, 0) + times * c
    return {x: c for x, c in terms.items() if c}, a[1] + times * b[1]


def never_negative(a: Sum) -> bool:
    return all(c > 0 for c in a[0].values()) and least(a) >= 0


def least(a: Sum) -> int:
    """What a sum is never below, where its factors are not negative; else 0."""
    return a[1] + sum(c * x.least for x, c in a[0].items()) if all(c > 0 for c in a[0].values()) else 0


def least_count(x: Type) -> int:
    """The number of elements that an array has at least."""
    count = 1
    for d in x.dims:
        found = None if isinstance(d, int) else sum_of(d)
        count *= d if isinstance(d, int) else max(least(found), 0) if found else 0
    return count


def larger(a: Value, b: Value) -> Value | None:
    """The one of two index values that is the larger one, or the same, whatever the lengths are."""
    x, y = sum_of(a), sum_of(b)
    if x is None or y is None or not (x[0] or y[0]):
        return None
    if never_negative(plus(x, y, -1)):
        return a
    return b if never_negative(plus(y, x, -1)) else None


def expression(v: Value, depth: int = _DEPTH) -> Expression | None:
    """A number or a condition that follows from lengths alone; None where it does not."""
    if v.__class__ is Length:
        return v.name
    known = number(v)
    if known is not None:
        return int(known) if isinstance(known, (int, bool)) else None
    op = v.op
    if op is None or not depth or v.type.dims or v.type.dtype.kind not in "ibx":
        return None
    if op.defn.name == "cast" and op.operands[0].type.dtype.kind in "ix" and v.type.dtype.bits == 64:
        return expression(op.operands[0], depth - 1)
    if op.defn.name not in MEANING or any(x.type.dtype.bits not in (1, 64) for x in op.operands):
        return None
    parts = [expression(x, depth - 1) for x in op.operands]
    if None in parts or (op.defn.name in ("floordiv", "mod") and not (type(parts[1]) is int and parts[1] > 0)):
        return None
    return (op.defn.name, *parts)


def depends(v: Value, unfixed: Collection[Value] = ()) -> bool:
    """Whether lengths, or the ints `unfixed` that may decide lengths, have a part in a number or a condition."""
    return any(x.__class__ is Length or x in unfixed for x in _sources(v))


def follows(v: Value, unfixed: Collection[Value] = ()) -> bool:
    """Whether a number or a condition follows from lengths and `unfixed` alone, also where it is no `expression`."""
    found = list(_sources(v))
    return bool(found) and all(x.__class__ is Length or x in unfixed for x in found)


def may_decide(v: Value, unfixed: Collection[Value] = ()) -> bool:
    """Whether a condition may be known where lengths, and the ints `unfixed` that may decide lengths, are: they have a part in
    it, and what only run time knows need have none. Elements of arrays are such; the numbers that a loop counts or carries
    are not, as a short loop is written out."""
    return depends(v, unfixed) and _may_be_known(v, unfixed)


def _may_be_known(v: Value, unfixed: Collection[Value]) -> bool:
    known: dict[Value, bool] = {}
    waiting = [v]
    while waiting:
        x = waiting[-1]
        op = x.op
        if x in known:
            waiting.pop()
        elif x.__class__ is Length or x in unfixed or op is None or x.type.dims:
            known[waiting.pop()] = not x.type.dims
        elif op.defn.loop:
            known[waiting.pop()] = depends(x, unfixed)
        elif missing := [y for y in _parts(op, x) if y not in known]:
            waiting += missing
        else:
            one = (op.defn.absorbs or op.regions) and any(known[y] for y in op.operands if not isinstance(y, Const))
            known[waiting.pop()] = one or all(known[y] for y in _parts(op, x) if not (op.regions and y in op.operands))
    return known[v]


def _parts(op: Op, x: Value) -> list[Value]:
    """What a result is made of: operands, and what the branches of an `if` yield for it."""
    return [*op.operands, *[region.yields[x.slot] for region in op.regions]]


def _sources(v: Value) -> Iterator[Value]:
    """What a number is computed from, apart from constants: lengths, elements of arrays, parameters."""
    waiting, seen = [v], {v}
    while waiting:
        x = waiting.pop()
        if x.__class__ is Length or x.type.dims or (x.op is None and not isinstance(x, Const)):
            yield x
        elif x.op is not None:
            given = [*x.op.operands, *[y for region in x.op.regions for y in region.yields]]
            waiting += [y for y in given if y not in seen]
            seen.update(given)


def value_of(e: Expression, lengths: dict[str, int]) -> int:
    """What an expression is for these lengths."""
    if isinstance(e, int):
        return e
    if isinstance(e, str):
        return lengths[e]
    return MEANING[e[0]](*[value_of(part, lengths) for part in e[1:]])


def compares_data(f: Function) -> bool:
    """Whether a check of shapes is left to run time: for one length it may have been decided, or stretched. One that says
    `decided` asks what must hold in every program."""
    return any(op.defn.name == "check" and op.attrs["error"] == "ShapeError" and not op.attrs.get("decided")
               for op in f.body.walk())


def conditions(f: Function) -> tuple[Expression, ...]:
    """What must hold of the lengths for a program: the conditions of its checks on nothing else, which are taken out of it, in
    place. A check that runs only at times asks for it always: calls for which it does not hold get another program."""
    found: dict[Expression, None] = {}
    for block in _blocks(f.body):
        kept = []
        for op in block.ops:
            e = _condition(op)
            if e is None:
                kept.append(op)
            elif type(e) is not int or not e:
                found[e] = None
        block.ops = kept
    return tuple(found)


def _condition(op: Op) -> Expression | None:
    return expression(op.operands[0]) if op.defn.name == "check" and number(op.operands[0]) is None else None


def _blocks(block: Block) -> Iterator[Block]:
    yield block
    for op in block.walk():
        yield from op.regions


def closed(f: Function, lengths: tuple[Length, ...]) -> Function:
    """The program, which calls none, with parameters in place of the lengths, behind its own: `attrs["lengths"]` says which."""
    if not lengths:
        return f
    values = (*f.params, *lengths)
    body = Block([v.type for v in values], [v.name for v in values])
    own = len(f.params)
    body.params = (*body.params[:own], *[_parameter(d, body, own + k) for k, d in enumerate(lengths)])
    mapping: dict[Value, Value] = dict(zip(values, body.params))
    for p in body.params:
        p.type = subst_type(p.type, mapping)
    builder = Builder()
    with builder.at(body):
        body.yields = copy_block(builder, f.body, mapping)
    return Function(f.name, body, f.loc, {**f.attrs, "lengths": tuple(range(own, own + len(lengths)))})


def _parameter(d: Length, body: Block, slot: int) -> Length:
    made = Length(d.name or "n", d.least, d.most)
    made.owner, made.slot = body, slot
    return made


def guarded(f: Function, lengths: tuple[Length, ...]) -> Function:
    """`closed`, with `attrs["guards"]`, what must hold of the lengths for it."""
    f = clone(f)
    found = conditions(f)
    sweep(f)
    bounds = [(name, d.name, n) for d in lengths for name, n in (("ge", d.least), ("le", d.most)) if n is not None]
    f.attrs["guards"] = (*bounds, *found)
    return closed(f, lengths)


_SIGNS = {"add": "+", "sub": "-", "mul": "*", "floordiv": "//", "mod": "%", "eq": "==", "ne": "!=", "lt": "<", "le": "<=",
          "gt": ">", "ge": ">=", "and": "and", "or": "or"}


def shown(e: Expression) -> str:
    """An expression as a user reads it."""
    if type(e) is not tuple:
        return str(e)
    name, *parts = e
    texts = [f"({shown(p)})" if type(p) is tuple and p[0] in _SIGNS else shown(p) for p in parts]
    return f" {_SIGNS[name]} ".join(texts) if name in _SIGNS else f"{name}({', '.join(texts)})"


def of_types(types: Iterable[Type]) -> tuple[Length, ...]:
    """The lengths that types name, each once."""
    return tuple(dict.fromkeys(d for t in types for d in t.dims if isinstance(d, Length)))


def free(f: Function) -> tuple[Length, ...]:
    """The lengths that a program, which calls none, uses without being given them."""
    found: dict[Value, None] = {}
    for block in _blocks(f.body):
        values = [*block.params, *block.yields, *[v for op in block.ops for v in (*op.operands, *op.results)]]
        found |= {d: None for v in values for d in (v, *dims_of(v.type))}
    return tuple([d for d in found if isinstance(d, Length) and d not in f.params])
