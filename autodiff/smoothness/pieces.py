"""Functions of one value in which kinks of several kinds meet: their derivatives by their pieces, on both sides of that value.

    f = |sin x| |x|        at x = 0 the right piece is sin(x) x, and so is the left one: f is smooth there
    f = max(x, x - x²)     both pieces are x: of two values that touch one is the larger on both sides

Each kink by itself would have a convention there, and the product rule makes of two conventions the slope of nothing. What a
program makes element by element of one value x, its root, with kinks in it (|u|, max, min, sign, copysign, comparisons that
choose) is copied twice, once for each side: a kink is in the copy what it is on that side, as the first slope by x that is
not 0 says,

    |u|   =   -u where u = 0 and u' < 0, or u' = 0 and u'' < 0 …      right of x
              -u where u = 0 and u' > 0, or u' = 0 and u'' < 0 …      left of x

so the copies have no kinks and have their derivatives by the ordinary rules, to every order. Where both have the same value
and the same slope, f has that slope, and its other derivatives are the mean of those of the pieces, which are equal where
f is smooth. Where the program asks for the side itself (by a comparison, a sign) and the second ones differ, they are those of
the side that it takes; if the slopes differ, its own slope is that of a side, and the program is left as it is. Kinks that do
not ask have the middle of their sides, and so has f: where one is a function of another, as in min(expm1(min(x, 0)), 0), the
chain rule would have a quarter of the left slope.

    %s = surrogate %f, (if (any (eq %u, 0.0) …) { … select (and %meet, %same), (mul (add %right, %left), 0.5), %f } else { %f })
"""
from __future__ import annotations

from collections.abc import Callable, Sequence

from ...ir.analysis.patterns import number
from ...ir.build import Builder, key_of
from ...ir.core import Block, Op, Value
from ...ir.errors import of_derivative
from ...ir.opdef import Elementwise
from ...ir.transforms.simplify import peephole
from ...ir.types import BOOL, F64, StackType
from ..multiplicity.vector_mixing import of_each, slope_of
from ..rules.partials import partial
from .even_functions import NEAR
from .kink_lines import along, is_constant, shown, touches, where
from .sides import is_written

_COMPARED = {"lt": -1, "le": -1, "gt": 1, "ge": 1}          # the sign of x - y for which x and y compare so
_KINKS = frozenset({"abs", "max", "min", "sign", "copysign", *_COMPARED})
_JUMPS = frozenset({"sign", "copysign", *_COMPARED})
_MOST, _LONG, _DEEP = 8, 48, 64                # kinks, ops and depth of a function that is followed
_STEEP = frozenset({"neg", "exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "sinh", "tanh", "asinh", "atanh", "atan",
                    "asin", "expit", "log_expit", "erf", "erfc", "ndtr", "cast"})
_LINEAR = frozenset({"add", "sub", "neg", "cast", "broadcast", "surrogate"})
_FURTHER = 12                                  # how many ops behind a first root another is looked for


def pieced(body: Block) -> None:
    """State the derivatives of such functions, in place."""
    ops = [*body.walk()]
    if any(op.defn.name in _KINKS for op in ops):
        _in_block(body, {op.operands[0] for op in ops if op.defn.name == "surrogate"})


def _in_block(block: Block, replaced: set[Value]) -> None:
    for op in block.ops:
        for region in op.regions:
            _in_block(region, replaced)
    if any(map(_is_kink, block.ops)):
        _Functions(block, replaced).write()


def _is_kink(op: Op) -> bool:
    """Whether an op is a kink of real numbers, and one of the program rather than of a derivative."""
    if op.defn.name not in _KINKS or not is_written(op):
        return False
    return all(v.type.dtype.inexact and not v.type.dtype.complex and number(v) != NEAR for v in op.operands)


def _ends_of(op: Op) -> tuple[Value, Value | None]:
    """The x and y of a kink at x = y; y None: at x = 0."""
    match op.defn.name:
        case "abs" | "sign":
            return op.operands[0], None
        case "copysign":
            return op.operands[1], None
    x, y = op.operands
    return (x, None) if number(y) == 0 else (y, None) if number(x) == 0 else (x, y)


def _size_of(op: Op) -> tuple[Value, ...]:
    """The x of copysign(x, y), which is a kink of x, too."""
    return op.operands[:1] if op.defn.name == "copysign" else ()


def _is_steep(op: Op) -> bool:
    """Whether an op of one value has no slope of 0."""
    name, (x, *others) = op.defn.name, op.operands
    if name in ("mul", "div", "add", "sub"):
        return is_constant(x) != is_constant(others[0]) and 0 not in map(number, op.operands)
    return name in _STEEP


def _rises(v: Value, root: Value) -> bool:
    """Whether a value only rises or only falls with the root, and so touches no number."""
    while v is not root and v.op is not None and (_is_steep(v.op) or v.op.defn.name in ("sqrt", "root")):
        v = shown(next(x for x in v.op.operands if not is_constant(x)))
    return v is root


def _takes_sides(kinks: frozenset[Op]) -> bool:
    """Whether there are a sign, which is 0 between the sides, and a comparison, which takes one, at a place:
    sign(x) f(where(x >= 0, x, -x))."""
    signs = {_ends_of(op) for op in kinks if op.defn.name == "sign"}
    return any(op.defn.name in _COMPARED and _ends_of(op) in signs for op in kinks)


class _Functions:
    """The functions of one value in a block. kinks: a value -> the kinks that it is made of, None of too many."""

    def __init__(self, block: Block, replaced: set[Value]):
        self.block, self.b = block, Builder(peephole=peephole)
        self.place = {op.results[0]: k for k, op in enumerate(block.ops) if len(op.results) == 1}
        self.kinks: dict[Value, frozenset[Op] | None] = {}
        self.mixed: set[Value] = set()                     # not linear in the kinks that they are made of
        self.roots: dict[frozenset[Op], Value | None] = {}
        self.pure: dict[tuple[Value, Value], bool] = {}
        for op in block.ops:
            if len(op.results) == 1 and (found := self._of(op)) != frozenset():
                self.kinks[op.results[0]] = found
        self.ends = self._ends(replaced) if self.kinks else set()

    def local(self, v: Value) -> Sequence[Value] | None:
        """What a value is made of element by element in this block; None where it is not."""
        op = v.op
        if v not in self.place or op is None or isinstance(v.type, StackType) or op.regions or not of_each(op):
            return None
        return op.operands[1:] if op.defn.name == "surrogate" else op.operands

    def _of(self, op: Op) -> frozenset[Op] | None:
        v = op.results[0]
        operands = self.local(v)
        if operands is None or v.type.dtype.complex:
            return frozenset()
        parts = [self.kinks.get(x, frozenset()) for x in operands]
        if None in parts:
            return None
        found = frozenset().union(*[p for p in parts if p], [op] if _is_kink(op) else [])
        if self._mixes(op, [x for x in operands if self.kinks.get(x)]):
            self.mixed.add(v)
        return found if len(found) <= _MOST else None

    def _mixes(self, op: Op, kinked: list[Value]) -> bool:
        """Whether a value is not linear in kinks. A sum of kinks has the mean of the derivatives on both sides, as each has."""
        name = op.defn.name
        if not kinked or any(x in self.mixed for x in kinked):
            return bool(kinked)
        if name == "mul":
            return len(kinked) > 1
        return op.operands[1] in kinked if name == "div" else name not in _LINEAR

    # --- roots: the value that all kinks of a function are made of

    def root(self, v: Value) -> Value | None:
        kinks = self.kinks.get(v)
        if not kinks:
            return None
        if kinks not in self.roots:
            self.roots[kinks] = self._root(kinks)
        root = self.roots[kinks]
        jumps = root is not None and any(op.defn.name in _JUMPS for op in kinks)
        return root if root is None or not jumps or self._is_pure(v, root, _LONG) else None

    def _is_pure(self, v: Value, root: Value, depth: int) -> bool:
        """Whether a value is made of the root and constants. Of what jumps and another w the pieces say no slope by w where
        they meet: y sign(x) is 0 there for every y."""
        v = shown(v)
        if v is root or is_constant(v) or (not v.type.dtype.inexact and v not in self.kinks):
            return True
        if (v, root) not in self.pure:
            self.pure[v, root] = False                         # of what has too many ops
            operands = self.local(v)
            self.pure[v, root] = operands is not None and depth > 0 and all(self._is_pure(x, root, depth - 1) for x in operands)
        return self.pure[v, root]

    def _root(self, kinks: frozenset[Op]) -> Value | None:
        ends = {x for op in kinks for x in (*_ends_of(op), *op.operands) if x is not None}
        frontier = {shown(x) for x in ends if not is_constant(x)}
        found, further, first = None, _FURTHER, None       # first: the one from which on nothing is flat
        while further:
            if len(frontier) == 1:
                (found,) = frontier
                first = found if first is None else first
            further -= found is not None
            inner = [v for v in frontier if self.local(v) is not None and (v.type.dtype.inexact or v.type.dtype is BOOL)]
            if not inner or not frontier:
                break
            last = max(inner, key=self.place.__getitem__)
            if len(frontier) > 1 and any(self.place.get(v, -1) > self.place[last] for v in frontier):
                break
            if first is not None and not _is_steep(last.maker):
                first = None
            frontier.remove(last)
            frontier |= {shown(x) for x in self.local(last) or () if not is_constant(x)}
        return found if first is None else first       # through what is nowhere flat nothing touches

    def _ends(self, replaced: set[Value]) -> set[Value]:
        """The functions that are used by what is none of the same root, and worth it."""
        used: set[Value] = set(self.block.yields)
        for op in self.block.ops:
            used.update(v for v in op.operands if self._leaves(op, v))
            for region in op.regions:
                used.update(v for o in region.walk() for v in (*o.operands, *(y for r in o.regions for y in r.yields)))
                used.update(region.yields)
        return {v for v in used if v in self.place and v not in replaced and self._is_worth(v)}

    def _is_worth(self, v: Value) -> bool:
        """Whether kinks of several places may meet, or one may touch: not those of lines through the root alone, nor sums."""
        root = self.root(v)
        if root is None or not v.type.dtype.inexact or v is root or not is_written(v.maker):
            return False
        kinks = self.kinks[v] or frozenset()
        if len(kinks) > 1 and v not in self.mixed and not any(op.defn.name in _JUMPS for op in kinks):
            return False
        if v in self.mixed and _takes_sides(kinks):
            return True
        ends = [(x, y) for op in kinks for x, y in (_ends_of(op), *[(x, None) for x in _size_of(op)])]
        bent = [(x, y) for x, y in ends if None in [along(v, root) for v in (x, y) if v is not None]]
        alone = [v for v in ends[0] if v is not None and not is_constant(v)]
        if len({*ends}) == 1 and len(alone) == 1 and _rises(alone[0], root):
            return False
        places = [place for x, y in ends if (place := where(x, y, root)) is not None]
        return any(touches(x, y, root, place) for x, y in bent for place in (places or [0.0]))

    def _leaves(self, op: Op, v: Value) -> bool:
        """Whether a use of a function makes something else of it."""
        inner = self.root(op.results[0]) if len(op.results) == 1 else None
        return inner is None or inner is not self.root(v)

    # --- the program with their derivatives stated

    def write(self) -> None:
        if not self.ends:
            return
        b, ops, self.block.ops = self.b, self.block.ops, []
        stated: dict[Value, Value] = {}
        with b.at(self.block):
            for op in ops:
                op.operands = tuple([stated[v] if v in stated and self._leaves(op, v) else v for v in op.operands])
                self.block.ops.append(op)
                for v in op.results:
                    if v in self.ends and (found := self._stated(v)) is not None:
                        stated[v] = found
                for region in op.regions:
                    _replace(region, stated)
        self.block.yields = tuple([stated.get(v, v) for v in self.block.yields])

    def _members(self, end: Value, root: Value) -> list[Op] | None:
        """The ops between the root and the end, in order; None where they are too many, or not of one shape."""
        depends: dict[Value, bool] = {root: True}

        def visit(v: Value) -> bool:
            v = shown(v)
            if v not in depends:
                depends[v] = False
                operands = self.local(v)
                if operands is not None and len(depends) < 4 * _LONG:
                    depends[v] = True in [visit(x) for x in operands]          # all are visited
            return depends[v]

        visit(end)
        found = sorted([v for v, d in depends.items() if d and v is not root], key=self.place.__getitem__)
        dims = end.type.dims
        if len(found) > _LONG or any(v.type.dims != dims for v in found) or root.type.dims != dims:
            return None
        return [v.maker for v in found]

    def _stated(self, end: Value) -> Value | None:
        root = self.root(end)
        assert root is not None                                # it is an end
        members = self._members(end, root)
        kinks = [op for op in members or () if op in (self.kinks[end] or ())]
        if not members or not kinks:
            return None
        b, before = self.b, self.b.loc
        b.loc = of_derivative(end.maker.loc)
        meet = self._meeting(kinks)
        dims = end.type.dims
        here, other = Block(), Block()
        with b.at(here):
            here.yields = (_Both(b, root, shown(end), end, members, kinks).mixed(meet),)
        other.yields = (end,)
        some = b.reduce(meet, "any", range(len(dims))) if dims else meet
        (smooth,) = b.emit("if", some, regions=[here, other])
        found = b("surrogate", end, smooth)
        b.loc = before
        return found

    def _meeting(self, kinks: list[Op]) -> Value:
        """Where a kink is."""
        b = self.b
        at: dict[object, Value] = {}
        for op in kinks:
            x, y = _ends_of(op)
            key = frozenset((key_of(x), 0 if y is None else key_of(y)))
            at[key] = b("eq", x, b.const(0, x.type.dtype) if y is None else y)
            for size in _size_of(op):
                at[frozenset((key_of(size), 0))] = b("eq", size, b.const(0, size.type.dtype))
        total = None
        for v in at.values():
            total = v if total is None else b("or", total, v)
        assert total is not None                               # there are kinks
        return total


def _replace(region: Block, stated: dict[Value, Value]) -> None:
    for op in region.ops:
        op.operands = tuple([stated.get(v, v) for v in op.operands])
        for inner in op.regions:
            _replace(inner, stated)
    region.yields = tuple([stated.get(v, v) for v in region.yields])


class _Both:
    """Both pieces of a function `end` of `root`; `formula`: what end is for derivatives."""

    def __init__(self, b: Builder, root: Value, formula: Value, end: Value, members: list[Op], kinks: list[Op]):
        self.b, self.root, self.end, self.members, self.kinks = b, root, end, members, set(kinks)
        self.right, self.left = (_Piece(b, root, members, self.kinks, side).of(formula) for side in (1, -1))

    def mixed(self, meet: Value) -> Value:
        b, end, right, left = self.b, self.end, self.right, self.left
        meet = b("and", meet, b("and", b("eq", right.end, end), b("eq", left.end, end)))
        slopes = right.slope(right.end), left.slope(left.end)
        takes = self._side()
        meet = b("and", meet, self._finite(*slopes) if takes is None else self._alike(*slopes))
        for bad in (*right.unknown, *left.unknown):
            meet = b("and", meet, b("not", bad))
        mean = b("mul", b("add", right.end, left.end), b.const(0.5, end.type.dtype))
        if takes is not None:
            bends = self._alike(right.bend(right.end), left.bend(left.end))
            mean = b("select", bends, mean, b("select", takes, right.end, left.end))
        return b("select", meet, mean, end)

    def _side(self) -> Value | None:
        """Whether a program that asks for the side takes the right one; None where it does not ask."""
        b = self.b
        asked = [op for op in self.members if op in self.kinks and op.defn.name in _COMPARED]
        if asked:
            right, here = self.right.mapping[asked[0].results[0]], asked[0].results[0]
            return b("eq", b.cast(right, self.end.type.dtype), b.cast(here, self.end.type.dtype))
        if any(op.defn.name in _JUMPS for op in self.members if op in self.kinks):
            return b.broadcast(b.const(True, BOOL), self.end.type.dims)
        return None

    def _finite(self, u: Value, v: Value) -> Value:
        return self.b.broadcast(self.b("isfinite", self.b("add", u, v)), self.end.type.dims)

    def _alike(self, u: Value, v: Value) -> Value:
        b = self.b
        size = b("add", b("abs", u), b("abs", v))
        near = b("le", b("abs", b("sub", u, v)), b("mul", size, b.const(_rounding(u), u.type.dtype)))
        return b.broadcast(near, self.end.type.dims)


def _rounding(v: Value) -> float:
    return 1e-12 if v.type.dtype is F64 else 1e-5


class _Piece:
    """A function as it is on one side of its root. `unknown`: where that cannot be told."""

    def __init__(self, b: Builder, root: Value, members: list[Op], kinks: set[Op], side: int):
        self.b, self.root, self.side = b, root, side
        self.mapping: dict[Value, Value] = {}
        self.unknown: list[Value] = []
        self.slopes: dict[Value, Value | None] = {root: b.const(1, root.type.dtype)}
        made = {op.results[0] for op in members}
        for op in members:
            if op.defn.name == "surrogate":
                self.mapping[op.results[0]] = self.get(op.operands[1])
                continue
            operands = [self.get(v) for v in op.operands]
            self.slopes.update({v: None for v in map(shown, op.operands) if v not in made and v is not root})
            result = self._kink(op, operands) if op in kinks else b(op.defn, *operands, **op.attrs)
            self.mapping[op.results[0]] = result
            self._singular(op, operands, result)

    def get(self, v: Value) -> Value:
        v = shown(v)
        return self.mapping.get(v, v)

    def of(self, end: Value) -> _Piece:
        self.end = self.get(end)
        return self

    def _singular(self, op: Op, operands: list[Value], result: Value) -> None:
        """A partial that is infinite, which has no series."""
        b = self.b
        if not isinstance(op.defn, Elementwise):
            return
        for k in op.defn.singular:
            if k >= len(op.defn.partials) or op.defn.partials[k] is None or self._slope(operands[k], _DEEP) is None:
                continue
            found = partial(op, k, [b.expr(v) for v in (*operands, result)])
            if isinstance(found, Value):
                self.unknown.append(b("not", b("isfinite", found)))
            if op.defn.name == "hypot":
                self.unknown.append(b("eq", result, b.const(0, result.type.dtype)))

    # --- slopes by the root

    def _slope(self, v: Value, depth: int) -> Value | None:
        if v not in self.slopes:
            if v.op is None or not depth:
                return None
            self.slopes[v] = slope_of(self.b, v, [self._slope(x, depth - 1) for x in v.op.operands])
        return self.slopes[v]

    def slope(self, v: Value) -> Value:
        found = self._slope(v, _DEEP)
        return self.b.const(0, v.type.dtype) if found is None else found

    def bend(self, v: Value) -> Value:
        return self.slope(self.slope(v))

    # --- kinks

    def _signs(self, x: Value, y: Value | None) -> tuple[Value, Value]:
        """Whether x - y is positive on this side, and whether it is negative."""
        b = self.b
        zero = b.const(0, x.type.dtype)
        slope = along(x, self.root) if y is None or is_constant(y) else None
        if slope:                                              # what it is at the kink follows
            y, up = zero if y is None else y, slope * self.side > 0
            return b("ge" if up else "gt", x, y), b("lt" if up else "le", x, y)
        ahead = self._less(self.slope, x, y)
        first = ahead if self.side > 0 else b("neg", ahead)
        second = self._less(self.bend, x, y)
        there = b("eq", x, zero if y is None else y)
        flat = b("eq", first, zero)

        def is_on(name: str) -> Value:
            nearby = b("or", b(name, first, zero), b("and", flat, b(name, second, zero)))
            return b("or", b(name, x, zero if y is None else y), b("and", there, nearby))

        return is_on("gt"), is_on("lt")

    def _less(self, of: Callable[[Value], Value], x: Value, y: Value | None) -> Value:
        """The slope of x - y, of which what rounding leaves is 0."""
        b, u = self.b, of(x)
        if y is None:
            return u
        v = of(y)
        zero = b.const(0, u.type.dtype)
        size = b("mul", b("add", b("abs", u), b("abs", v)), b.const(_rounding(u) * 1e-2, u.type.dtype))
        difference = b("sub", u, v)
        return b("select", b("le", b("abs", difference), size), zero, difference)

    def _kink(self, op: Op, operands: list[Value]) -> Value:
        b, name, like = self.b, op.defn.name, operands[0]
        x, y = _ends_of(op)
        x, y = self.get(x), y if y is None else self.get(y)
        above, below = self._signs(x, y)
        zero, one = b.const(0, like.type.dtype), b.const(1, like.type.dtype)
        if name in _JUMPS:
            at = b("eq", x, b.const(0, x.type.dtype) if y is None else y)
            self.unknown.append(b("and", at, b("not", b("or", above, below))))
        match name:
            case "abs":
                return b("select", below, b("neg", like), b("select", above, like, zero))
            case "sign":
                return b("select", below, b("neg", one), b("select", above, one, zero))
            case "copysign":
                size = self._size(operands[0])
                return b("select", below, b("neg", size), b("select", above, size, zero))
            case "max" | "min":
                mean = b("mul", b("add", *operands), b.const(0.5, like.type.dtype))
                first, second = operands if (name == "max") == (_ends_of(op)[0] is op.operands[0]) else operands[::-1]
                return b("select", above, first, b("select", below, second, mean))
        reads = 1 if _ends_of(op)[0] is op.operands[0] else -1
        return b.broadcast(above if _COMPARED[name] == reads else below, op.results[0].type.dims)

    def _size(self, x: Value) -> Value:
        above, below = self._signs(x, None)
        return self.b("select", below, self.b("neg", x), self.b("select", above, x, self.b.const(0, x.type.dtype)))
