"""Reading a virtual array at an index: one row per op that never needs memory.

A row has two functions. `at(g, op, index)` writes the statements that compute the op's value at an index and returns the
atom. `terms(op, terms)` says at which index each operand is then read, symbolically, for the dependence tests of
schedule/fuse.py:

    term ::= l                        the index of loop l of the reading nest
          |  ("s", l, start, step)    start + step * (index of loop l)
          |  ("i", x)                 the int or index value x, in every iteration
          |  None                     anything
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from ...ir.core import Const, Op, Value, as_dim
from ...ir.errors import IRError
from ...ir.ops.reduce import identity
from ...ir.ops.shape import concat_parts
from ...ir.types import BOOL, INDEX, Dim, DType
from ..loopir.cursor import as_index, operand
from ..loopir.grammar import Atom, Imm, Scalar, Set, Size, While
from .materialize import Program, reshape_groups, run_time, same_dim

if TYPE_CHECKING:
    from ..build.arrays import Values
    from ..build.loop_builder import Nester

Term = int | tuple | None
Terms = tuple[Term, ...]
A = TypeVar("A")
B = TypeVar("B")


COMBINE = {"sum": "add", "prod": "mul", "max": "max", "min": "min", "any": "or", "all": "and"}


def combine(kind: str, dtype: DType) -> str:
    """The elementwise op of a reduction; on bool, max is `or` and min is `and`."""
    return {"max": "or", "min": "and"}.get(kind, COMBINE[kind]) if dtype is BOOL else COMBINE[kind]


class Rule(NamedTuple):
    at: Callable
    terms: Callable


# --- elementwise --------------------------------------------------------------------------------------------------------


def _elementwise_at(g: Nester, op: Op, index: tuple[int | Scalar, ...]) -> Scalar:
    args = [g.value_at(x, index) if x.type.dims else g.scalar(x) for x in op.operands]
    return g.let(op.defn.name, args, op.results[0].type.dtype, op.attrs)


def _elementwise_terms(op: Op, terms: Terms) -> list[tuple[Value, Terms]]:
    return [(x, terms) for x in op.operands if x.type.dims]


def _same_at(g: Nester, op: Op, index: tuple[int | Scalar, ...]) -> Any:
    return g.value_at(op.operands[0], index)


def _cast_at(g: Nester, op: Op, index: tuple[int | Scalar, ...]) -> Any:
    x = g.value_at(op.operands[0], index)
    dtype = op.results[0].type.dtype
    return x if x.dtype is dtype else g.let("cast", (x,), dtype, op.attrs)


def wrapped(g: Nester, i: Imm | Scalar, n: Imm | Scalar) -> tuple[Scalar, Scalar]:
    """(the normalised index, whether i is outside [-n, n))."""
    at = g.let("wrap", (i, n), INDEX)
    return at, g.let("outside", (at, n), BOOL)


def _wrap_at(g: Nester, op: Op, index: tuple[int | Scalar, ...]) -> Scalar:
    i = g.value_at(op.operands[0], index)
    return wrapped(g, i, g.scalar(op.operands[1]))[0]


# --- shape --------------------------------------------------------------------------------------------------------------


def _stretched(op: Op) -> Iterator[tuple[int, bool]]:
    """For each axis of a broadcast's operand: (the result's axis, whether it is repeated along it)."""
    x, out = op.operands[0].type.dims, op.results[0].type.dims
    shift = len(out) - len(x)
    for axis, d in enumerate(x):
        yield axis + shift, same_dim(d, 1)


def _broadcast_at(g: Nester, op: Op, index: tuple[int | Scalar, ...]) -> Imm | Scalar:
    return g.value_at(op.operands[0], tuple(0 if once else index[axis] for axis, once in _stretched(op)))


def _broadcast_terms(op: Op, terms: Terms) -> list[tuple[Value, Terms]]:
    x = op.operands[0]
    return [(x, tuple(("i", 0) if once else terms[axis] for axis, once in _stretched(op)))] if x.type.dims else []


def _iota_at(g: Nester, op: Op, index: tuple[int | Scalar, ...]) -> Any:
    dtype = op.results[0].type.dtype
    i = index[0]
    if isinstance(i, int):
        return Imm(dtype.np.type(i).item(), dtype)
    return i if dtype is INDEX else g.let("cast", (i,), dtype, {"dtype": dtype})


def _transpose_index(op: Op, index: tuple[A, ...]) -> tuple[A, ...]:
    at = dict(zip(op.attrs["perm"], index))
    return tuple(at[axis] for axis in range(len(index)))


def _transpose_at(g: Nester, op: Op, index: tuple[int | Scalar, ...]) -> Any:
    return g.value_at(op.operands[0], _transpose_index(op, index))


def _transpose_terms(op: Op, terms: Terms) -> list[tuple[Value, Terms]]:
    return [(op.operands[0], _transpose_index(op, terms))]


def ravel(g: Values, index: Sequence[Size], dims: Sequence[Dim | Scalar]) -> Size:
    """The row-major element number."""
    flat: Size = 0
    for i, d in zip(index, dims):
        flat = g.iop("add", g.iop("mul", flat, g.size(d)), i)
    return flat


def unravel(g: Values, flat: Size, dims: Sequence[Dim]) -> tuple[Size, ...]:
    """The index of a row-major element number."""
    out = []
    for d in reversed(dims[1:]):
        n = g.size(d)
        out.append(g.iop("mod", flat, n) if n != 1 else 0)
        flat = g.iop("floordiv", flat, n)
    return (flat, *reversed(out)) if dims else ()


def _reshape_at(g: Nester, op: Op, index: tuple[int | Scalar, ...]) -> Imm | Scalar:
    x, out = op.operands[0], op.results[0].type.dims
    dims = x.type.dims
    if not dims:
        return g.scalar(x)
    groups = reshape_groups(dims, out)
    if groups is None or (len(groups) == 1 and len(groups[0][0]) > 1 and g.place(x)):
        flat = ravel(g, index, out)
        return g.read_flat(x, flat) if g.place(x) else g.value_at(x, unravel(g, flat, dims))
    inner: list[Size] = [0] * len(dims)
    for left, right in groups:
        flat = ravel(g, [index[k] for k in right], [out[k] for k in right])
        for k, i in zip(left, unravel(g, flat, [dims[k] for k in left])):
            inner[k] = i
    return g.value_at(x, tuple(inner))


def _reshape_terms(op: Op, terms: Terms) -> list[tuple[Value, Terms]]:
    x = op.operands[0]
    if not x.type.dims:
        return []
    groups = reshape_groups(x.type.dims, op.results[0].type.dims)
    if groups is None:
        return [(x, (None,) * x.type.rank)]
    inner: list[Term] = [("i", 0)] * x.type.rank
    for left, right in groups:
        for k in left:
            inner[k] = terms[right[0]] if len(left) == 1 == len(right) else None
    return [(x, tuple(inner))]


def concat_pieces(g: Nester, op: Op) -> Iterator[tuple[Value, Size]]:
    """(operand, its offset along the axis) in order."""
    axis: int = op.attrs["axis"]
    offset: Size = 0
    for x in concat_parts(op.operands)[0]:
        yield x, offset
        offset = g.iop("add", offset, g.size(x.type.dims[axis]))


def _concat_at(g: Nester, op: Op, index: tuple[int | Scalar, ...]) -> Imm | Scalar:
    """Static pieces only (schedule/materialize.py): the index into each piece is clamped, so that every read is inside it."""
    axis: int = op.attrs["axis"]
    result: Atom | None = None
    where = index[axis]
    for x, offset in concat_pieces(g, op):
        n = x.type.shape[axis]
        if n == 0 or (isinstance(where, int) and isinstance(offset, int) and not offset <= where < offset + n):
            continue
        inner = g.iop("min", g.iop("max", g.iop("sub", where, offset), 0), n - 1)
        value = g.value_at(x, index[:axis] + (inner,) + index[axis + 1:])
        if result is None:
            result = value
        else:
            result = g.let("select", (g.compare("ge", where, offset), value, result), value.dtype)
    assert result is not None, op                  # what has an index has elements
    return result


def _concat_terms(op: Op, terms: Terms) -> list[tuple[Value, Terms]]:
    axis = op.attrs["axis"]
    inner = terms[:axis] + (None,) + terms[axis + 1:]
    return [(x, inner) for x in concat_parts(op.operands)[0]]


# --- reductions of few elements -------------------------------------------------------------------------------------


def _few(op: Op, fixed: Iterable[A], moving: list[A]) -> tuple[A, ...]:
    """The index of an operand from that of the result, by what stands on the reduced axes."""
    rest = iter(fixed)
    return tuple(moving.pop(0) if k in op.attrs["axes"] else next(rest) for k in range(op.operands[0].type.rank))


def _reduce_at(g: Nester, op: Op, index: tuple[int | Scalar, ...]) -> Any:
    x, dtype, total = op.operands[0], op.results[0].type.dtype, None
    for part in product(*(range(x.type.dims[k]) for k in op.attrs["axes"])):
        value = g.value_at(x, _few(op, index, list(part)))
        total = value if total is None else g.let(combine(op.attrs["kind"], dtype), (total, value), dtype)
    return Imm(identity(op.attrs["kind"], dtype), dtype) if total is None else total


def _reduce_terms(op: Op, terms: Terms) -> list[tuple[Value, Terms]]:
    return [(op.operands[0], _few(op, terms, [None] * len(op.attrs["axes"])))]


def _never_at(g: Any, op: Op, index: tuple[int | Scalar, ...]) -> NoReturn:
    raise IRError(f"{op.defn.name} has no value at an index: the op that adds it reads it as a whole")


def _anywhere(op: Op, terms: Terms) -> list[tuple[Value, Terms]]:
    """A product that is added to an array (schedule/accumulating_contractions.py): each element takes many of the operands."""
    return [(x, (None,) * x.type.rank) for x in op.operands if x.type.dims]


# --- index --------------------------------------------------------------------------------------------------------------


def region(spec: str, operands: tuple[Value, ...], index: tuple[A, ...], whole: Callable[[A], B],
           scaled: Callable[[A, Value, Value], B], fixed: Callable[[Value], B]) -> tuple[B, ...]:
    """The index into the array of a slice or an update, from the index into the region, by three functions of its parts."""
    inner: list[B] = []
    k = at = 0
    for kind in spec:
        if kind == "i":
            inner.append(fixed(operands[at]))
            at += 1
        elif kind == ":":
            inner.append(whole(index[k]))
            k += 1
        else:
            inner.append(scaled(index[k], operands[at], operands[at + 2]))
            k, at = k + 1, at + 3
    return tuple(inner)


def region_index(g: Nester, spec: str, operands: tuple[Value, ...], index: tuple[int | Scalar, ...]) -> tuple[int | Scalar,
                 ...]:
    """The index that element `index` of the region has in the array."""
    def scaled(i: Size, start: Value, step: Value) -> Size:
        return g.iop("add", g.index(start), g.iop("mul", i, g.index(step)))

    return region(spec, operands, index, lambda i: i, scaled, g.index)


def region_terms(spec: str, operands: tuple[Value, ...], terms: Terms) -> Terms:
    def scaled(t: Term, first: Value, stride: Value) -> Term:
        start, step = as_dim(first), as_dim(stride)
        if t == ("i", 0):
            return ("i", start)
        if type(t) is not int:
            return None
        return t if start == 0 and step == 1 else ("s", t, start, step)

    return region(spec, operands, terms, lambda t: t, scaled, lambda v: ("i", as_dim(v)))


def _slice_at(g: Nester, op: Op, index: tuple[int | Scalar, ...]) -> Any:
    return g.value_at(op.operands[0], region_index(g, op.attrs["spec"], op.operands[1:], index))


def _slice_terms(op: Op, terms: Terms) -> list[tuple[Value, Terms]]:
    return [(op.operands[0], region_terms(op.attrs["spec"], op.operands[1:], terms))]


def gather_split(axes: tuple[int, ...], at: int, rank_b: int, index: tuple[A, ...]) -> tuple[tuple[A, ...], tuple[A, ...]]:
    """(the part of the index that addresses the index arrays, the rest)."""
    return tuple(index[at:at + rank_b]), tuple(index[:at]) + tuple(index[at + rank_b:])


def joined(axes: tuple[int, ...], rest: tuple[A, ...], picked: Iterable[A]) -> tuple[A, ...]:
    """The full index: `picked` on `axes`, `rest` on the others in order."""
    chosen, others = dict(zip(axes, picked)), iter(rest)
    return tuple(chosen[axis] if axis in chosen else next(others) for axis in range(len(axes) + len(rest)))


def gather_index(g: Nester, axes: tuple[int, ...], at: int, arrays: tuple[Value, ...],
                 index: tuple[int | Scalar, ...]) -> tuple[int | Scalar, ...]:
    b, rest = gather_split(axes, at, arrays[0].type.rank, index)
    picked = [as_index(g.value_at(i, b)) if i.type.dims else g.index(i) for i in arrays]
    return joined(axes, rest, picked)


def gather_terms(axes: tuple[int, ...], at: int, arrays: tuple[Value, ...], terms: Terms) -> tuple[Terms, Terms]:
    """(terms of the indexed array, terms of each index array)."""
    b, rest = gather_split(axes, at, arrays[0].type.rank, terms)
    picked: list[Term] = [None if i.type.dims else ("i", as_dim(i)) for i in arrays]
    return joined(axes, rest, picked), b


def _gather_at(g: Nester, op: Op, index: tuple[int | Scalar, ...]) -> Any:
    return g.value_at(op.operands[0], gather_index(g, op.attrs["axes"], op.attrs["at"], op.operands[1:], index))


def _gather_terms(op: Op, terms: Terms) -> list[tuple[Value, Terms]]:
    inner, b = gather_terms(op.attrs["axes"], op.attrs["at"], op.operands[1:], terms)
    return [(op.operands[0], inner)] + [(i, b) for i in op.operands[1:] if i.type.dims]


def search(g: Nester, op: Op, x: Any) -> Any:
    """The number of grid elements before x (side left: < x, right: <= x; NaN sorts last).

    It lies in [low, low + left]. With half = ceil(left / 2), element low + half - 1 comes before x or not: then it lies in
    [low + half, low + left] or in [low, low + half - 1], both of which floor(left / 2) covers. So which steps there are does
    not depend on data, nothing is to be predicted, and a grid of static length is searched in straight code.

    Of floats, a < x (a <= x) is the order itself unless x is NaN, as no NaN is less than anything: one instruction a step. NaN
    has a place that does not depend on x: behind all elements (right), or behind those that are numbers (left), which a
    search of its own finds, outside of the loop over x.
    """
    n, right = g.size(op.operands[0].type.dims[0]), op.attrs["side"] == "right"
    if x.dtype.kind != "f" or not (type(n) is int or right):
        return _search_steps(g, op, x, n, lambda a: sorts_before(g, a, x, or_equal=right))
    found = _search_steps(g, op, x, n, lambda a: g.let("le" if right else "lt", (a, x), BOOL))
    numbers = operand(n) if right else _search_steps(g, op, x, n, lambda a: g.let("eq", (a, a), BOOL))
    return g.let("select", (g.let("ne", (x, x), BOOL), numbers, found), INDEX)


def _search_steps(g: Any, op: Op, x: Any, n: Any, before: Any) -> Any:
    """The number of grid elements for which before(element) holds; it holds for those in front."""
    if type(n) is not int:
        return _search_loop(g, op, x, n, before)
    low = 0
    while n:
        half, n = n - n // 2, n // 2
        low = _search_step(g, op, low, half, before)
    return operand(low)


def _search_step(g: Nester, op: Op, low: int | Scalar, half: int, before: Any) -> Scalar:
    """The new low after element low + half - 1."""
    after = g.iop("add", low, half)
    element = g.value_at(op.operands[0], (g.iop("sub", after, 1),))
    return g.let("pick", (before(element), operand(after), operand(low)), INDEX)


def _search_loop(g: Any, op: Op, x: Any, n: Any, before: Op) -> Any:
    low, left = g.var(INDEX, "low"), g.var(INDEX, "left")
    with g.at_level(max(g.level((x,)), g.base)):
        g.set(low, operand(0))
        g.set(left, n)
        with g.open() as head:
            more = g.let("gt", (g.get(left), operand(0)), BOOL)
        with g.open() as body:
            size = g.get(left)
            rest = g.let("shr", (size, operand(1)), INDEX)
            g.write(Set(low, _search_step(g, op, g.get(low), g.iop("sub", size, rest), before)))
            g.write(Set(left, rest))
        g.write(While(head, more, body))
        return g.get(low)


def sorts_before(g: Nester, a: Any, b: Scalar, or_equal: bool) -> Scalar:
    """a < b (or a <= b) in NumPy's order: NaN comes after everything and equals NaN; complex numbers by parts."""
    if or_equal:
        return g.let("not", (sorts_before(g, b, a, False),), BOOL)
    if a.dtype is BOOL:
        return g.let("and", (g.let("not", (a,), BOOL), b), BOOL)
    if a.dtype.complex:
        (a_re, b_re), (a_im, b_im) = ([g.let(part, (x,), a.dtype.real) for x in (a, b)] for part in ("real", "imag"))
        tie = g.let("not", (sorts_before(g, b_re, a_re, False),), BOOL)
        later = g.let("and", (tie, sorts_before(g, a_im, b_im, False)), BOOL)
        return g.let("or", (sorts_before(g, a_re, b_re, False), later), BOOL)
    less = g.let("lt", (a, b), BOOL)
    if a.dtype.kind != "f":
        return less
    b_nan = g.let("ne", (b, b), BOOL)
    a_number = g.let("eq", (a, a), BOOL)
    return g.let("or", (less, g.let("and", (b_nan, a_number), BOOL)), BOOL)


def _search_at(g: Nester, op: Op, index: tuple[int, ...]) -> Scalar:
    x = op.operands[1]
    return search(g, op, g.value_at(x, index) if x.type.dims else g.scalar(x))


def _search_terms(op: Op, terms: Terms) -> list[tuple[Value, Terms]]:
    grid, x = op.operands
    return [(grid, (None,))] + ([(x, terms)] if x.type.dims else [])


ELEMENTWISE = Rule(_elementwise_at, _elementwise_terms)
RULES: dict[str, Rule] = {
    "cast": Rule(_cast_at, _elementwise_terms),
    "stop_gradient": Rule(_same_at, _elementwise_terms),
    "wrap": Rule(_wrap_at, _elementwise_terms),
    "broadcast": Rule(_broadcast_at, _broadcast_terms),
    "reshape": Rule(_reshape_at, _reshape_terms),
    "transpose": Rule(_transpose_at, _transpose_terms),
    "empty": Rule(lambda g, op, index: Imm(op.attrs["dtype"].np.type(0).item(), op.attrs["dtype"]), lambda op, terms: []),
    "iota": Rule(_iota_at, lambda op, terms: []),
    "concat": Rule(_concat_at, _concat_terms),
    "reduce": Rule(_reduce_at, _reduce_terms),
    "dot": Rule(_never_at, _anywhere),
    "slice": Rule(_slice_at, _slice_terms),
    "gather": Rule(_gather_at, _gather_terms),
    "searchsorted": Rule(_search_at, _search_terms),
}
INDEXED = frozenset(RULES) - {"cast", "stop_gradient", "wrap"}


def rule(op: Op) -> Rule:
    return RULES.get(op.defn.name, ELEMENTWISE)


# --- what a reader of virtual arrays depends on -------------------------------------------------------------------------


class Reads:
    """The memory and the scalars that a task reads: `leaves` (array, terms), `scalars` (values of rank 0).

    plain: what lies between is elementwise, so that element number k is computed from elements number k.
    """

    __slots__ = ("_seen", "leaves", "plain", "program", "scalars")

    def __init__(self, program: Program):
        self.program = program
        self.leaves: list[tuple[Value, Terms]] = []
        self.scalars: set[Value] = set()
        self._seen: set[tuple[Value, Terms]] = set()
        self.plain = True

    def through(self, op: Op, terms: Terms) -> None:
        """A virtual op, computed at `terms`."""
        if op.defn.name in INDEXED and not (op.defn.name == "broadcast" and not op.operands[0].type.dims):
            self.plain = False
        self.add_scalars(op.operands)
        for x, inner in rule(op).terms(op, terms):
            self.add(x, inner)

    def add(self, v: Value, terms: Terms) -> None:
        """Array v is read at `terms`."""
        if (v, terms) in self._seen or isinstance(v, Const):
            return
        self._seen.add((v, terms))
        if not v.type.static:
            self.add_scalars(run_time(v.type.dims))
        if self.program.buffered(v):
            self.leaves.append((v, terms))
            return
        self.through(v.maker, terms)

    def add_scalars(self, values: Iterable[Value]) -> None:
        for v in values:
            if not v.type.dims and not isinstance(v, Const):
                self.scalars.add(v)
