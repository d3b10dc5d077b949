"""np.einsum: the subscripts are parsed, operands are joined pairwise by `dot`, axes of one operand alone are summed before.

  spec   ::= term ("," term)* ["->" term]        term ::= (letter | "...")*
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.errors import ShapeError
from ...ir.types import BOOL
from .. import tracing
from ..values import boxes, shapes
from ..values.boxes import ArrayBox, as_array, implements
from ..values.promotion import check_cast, fail, result_dtype, to_dtype
from ..values.views import diagonal
from . import linalg
from .reductions import total

if TYPE_CHECKING:
    from ...ir.build import Expr
    from ...ir.core import Value

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def parse(subscripts: str, ranks: list[int]) -> tuple[list[tuple], tuple]:
    """(the axis names of each operand, those of the result). An ellipsis has the axes … -2, -1."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        fail(ShapeError, "more operands provided to einstein sum function than specified in the subscripts string"
             if len(terms) < len(ranks)
             else "fewer operands provided to einstein sum function than specified in the subscripts string")
    named = [_names(term, rank) for term, rank in zip(terms, ranks)]
    dots = sorted({n for names in named for n in names if type(n) is int})
    if arrow:
        out = _names(right, None, dots)
        for n in out:
            if not any(n in names for names in named):
                fail(ShapeError,
                     f"einstein sum subscripts string included output subscript '{n}' which never appeared in an input")
        if len(set(out)) < len(out):
            twice = next(n for n in out if out.count(n) > 1)
            fail(ShapeError, f"einstein sum subscripts string includes output subscript '{twice}' multiple times")
    else:
        every = [n for names in named for n in names if type(n) is str]
        out = (*dots, *sorted(n for n in set(every) if every.count(n) == 1))
    return named, tuple(out)


def _names(term: str, rank: int | None, dots: Sequence = ()) -> tuple[str, ...]:
    """A term's axis names; an ellipsis stands for the axes that the letters leave, or for `dots` in the result."""
    head, ellipsis, tail = term.partition("...")
    for char in head + tail:
        if char not in _LETTERS:
            fail(ShapeError, f"invalid subscript '{char}' in einstein sum subscripts string, subscripts must be letters")
    if rank is None:
        return (*head, *(dots if ellipsis else ()), *tail)
    left = rank - len(head) - len(tail)
    if left < 0 or (left and not ellipsis):
        fail(ShapeError,
             "operand has more dimensions than subscripts given in einstein sum, but no '...' ellipsis provided to broadcast "
                         "the extra dimensions." if left > 0
             else "einstein sum subscripts string contains too many subscripts for operand")
    return (*head, *range(-left, 0), *tail)


def _without_repeats(value: Value, names: tuple[str, ...]) -> tuple[Value, tuple[str, ...]]:
    """A name that occurs twice in a term takes the diagonal."""
    while len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        i = names.index(twice)
        j = names.index(twice, i + 1)
        length = shapes.unify(value.type.dims[i], value.type.dims[j], "dimensions of a repeated subscript differ: {0} and {1}")
        dims = tuple(length if k in (i, j) else d for k, d in enumerate(value.type.dims))
        value = diagonal(shapes.retype(value, dims), i, j, 0, length)
        names = tuple(n for k, n in enumerate(names) if k not in (i, j)) + (twice,)
    return value, names


def _sum_out(value: Value, names: tuple[str, ...], keep: set[str]) -> tuple[Value, tuple[str, ...]]:
    axes = tuple(k for k, n in enumerate(names) if n not in keep)
    return total(value, axes), tuple(n for n in names if n in keep)


def _ones_out(value: Value, names: tuple[str, ...], wide: set[str]) -> tuple[Value, tuple[str, ...]]:
    """Drop an axis of length 1 whose name is longer elsewhere: it broadcasts."""
    drop = [k for k, (n, d) in enumerate(zip(names, value.type.dims)) if type(d) is int and d == 1 and n in wide]
    if not drop:
        return value, names
    value = tracing.current().builder.reshape(value, shapes.dropped(value.type.dims, drop))
    return value, tuple(n for k, n in enumerate(names) if k not in drop)


def _pair(a: Value, a_names: tuple[str, ...], b: Value, b_names: tuple[str, ...], keep: set[str]) -> tuple[Value,
          tuple[str, ...]]:
    """One product: shared names that nobody needs any more are contracted, shared names that are needed are batch axes."""
    a, a_names = _sum_out(a, a_names, keep | set(b_names))
    b, b_names = _sum_out(b, b_names, keep | set(a_names))
    shared = [n for n in a_names if n in b_names]
    batch, contract = [n for n in shared if n in keep], [n for n in shared if n not in keep]
    names = (*batch, *(n for n in a_names if n not in shared), *(n for n in b_names if n not in shared))
    if not contract:
        return _multiply(a, a_names, b, b_names, names), names
    (a_contract, b_contract), (a_batch, b_batch) = (
        [tuple(map(own.index, wanted)) for own in (a_names, b_names)] for wanted in (contract, batch))
    return linalg.contraction(a, b, (a_contract, b_contract), (a_batch, b_batch)), names


def _multiply(a: Value, a_names: tuple[str, ...], b: Value, b_names: tuple[str, ...], names: tuple[str, ...]) -> Value:
    """Without a contraction: an elementwise product of both, broadcast."""
    builder = tracing.current().builder

    def layout_dependent(x: Value, own: tuple[str, ...]) -> Value:
        order = [n for n in names if n in own]
        x = builder.transpose(x, tuple(map(own.index, order)))
        dims = iter(x.type.dims)
        return builder.reshape(x, tuple(next(dims) if n in own else 1 for n in names))

    (x, y), _ = shapes.align([layout_dependent(a, a_names), layout_dependent(b, b_names)])
    return builder("and" if x.type.dtype is BOOL else "mul", x, y)


def _sizes(values: list[Value], named: list[tuple[str, ...]]) -> Any:
    sizes: dict[str, Any] = {}
    for value, names in zip(values, named):
        for n, d in zip(names, value.type.dims):
            have = sizes.get(n, 1)
            if type(have) is int and have == 1:
                sizes[n] = d
            elif not (type(d) is int and d == 1):
                sizes[n] = shapes.unify(have, d,
                                        f"operands could not be broadcast together on subscript '{n}': lengths {{0}} and {{1}}")
    return sizes


@implements(np.einsum)
def einsum(*operands: Any, out: Any = None, dtype: Any = None, order: Any = "K",
           casting: Any = "safe", optimize: Any = False) -> ArrayBox:
    if not isinstance(operands[0], str):
        operands = _from_lists(operands)
    subscripts, arrays = operands[0], [as_array(x) for x in operands[1:]]
    target = to_dtype(dtype) if dtype is not None else result_dtype([x.kind for x in arrays])
    for x in arrays:
        check_cast("einsum", x.dtype_ir, target, casting)
    if out is not None:
        check_cast("einsum", target, as_array(out).dtype_ir, casting)
    values = [boxes.to_value(x, target) for x in arrays]
    named, result = parse(subscripts, [v.type.rank for v in values])
    for k, (v, names) in enumerate(zip(values, named)):
        values[k], named[k] = _without_repeats(v, names)
    sizes = _sizes(values, named)
    wide = {n for n, d in sizes.items() if not (type(d) is int and d == 1)}
    work = [_ones_out(v, names, wide) for v, names in zip(values, named)]
    while len(work) > 1:
        i, j = _next_pair([names for _, names in work], sizes, set(result))
        (a, a_names), (b, b_names) = work[i], work[j]
        rest = [w for k, w in enumerate(work) if k not in (i, j)]
        keep = set(result).union(*(names for _, names in rest))
        work = [*rest, _pair(a, a_names, b, b_names, keep)]
    value, names = _sum_out(*work[0], set(result))
    return _finish(value, names, result, sizes, out)


def _next_pair(terms: list[tuple[str, ...]], sizes: Mapping[str, int], result: set[str]) -> tuple[int, ...]:
    """The pair whose product has the fewest elements, where the lengths are numbers; else the first two."""
    if len(terms) == 2 or any(type(d) is not int for d in sizes.values()):
        return 0, 1

    def cost(i: Any, j: Any) -> Any:
        keep = result.union(*(t for k, t in enumerate(terms) if k not in (i, j)))
        joint = set(terms[i]) | set(terms[j])
        size, work = 1, 1
        for n in joint:
            work *= sizes[n]
            size *= sizes[n] if n in keep else 1
        return work, size, i, j

    return min(cost(i, j) for i in range(len(terms)) for j in range(i + 1, len(terms)))[2:]


def _finish(value: Value, names: tuple[str, ...], result: tuple[str, ...], sizes: Mapping[str, int], out: Expr | None) -> Any:
    """Axes in the order of the result; a name that only broadcast is stretched."""
    builder = tracing.current().builder
    present = [n for n in result if n in names]
    value = builder.transpose(value, tuple(names.index(n) for n in present))
    if len(present) < len(result):
        dims = iter(value.type.dims)
        value = builder.reshape(value, tuple(next(dims) if n in present else 1 for n in result))
    value = shapes.expand(value, tuple(sizes[n] for n in result))
    same_rank = out is not None and len(as_array(out).dims) == len(result)
    return linalg.finish(value, out, "einsum", 0 if same_rank else None)        # an axis of length 1 is repeated, none is added


def _from_lists(operands: Any) -> Any:
    """einsum(a, [0, 1], b, [1, 2], [0, 2]) as a string and operands."""
    arrays, lists = operands[0::2], list(operands[1::2])
    last = None
    if len(operands) % 2:
        arrays, last = arrays[:-1], operands[-1]

    def spell(row: Any) -> Any:
        return "".join("..." if n is Ellipsis else _LETTERS[n] for n in row)

    text = ",".join(map(spell, lists)) + ("" if last is None else "->" + spell(last))
    return (text, *arrays)
