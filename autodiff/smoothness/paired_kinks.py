"""Kinks of several kinds at one place: max(x, y), min(x, y) and |x - y|, as functions of one of them.

    %m = max %x, 0.0;  %a = abs %x        →   %a = abs %x;  %m = surrogate (max %x, 0.0), (mul (add %x, %a), 0.5)

max(x, y) and min(x, y) are (x + y ± |x - y|) / 2. Where they cancel with each other or with |x - y| in functions that bend, as
in max(x, y) + log1p(exp(-|x - y|)), the series of kink_series.py is one in all of them, so it has to see them as one kink.
|y - x| and |-x| have the bits of |x - y| and |x|, and are the same kink; |c x| is |c| |x|.

Choices by comparison have at a tie the slope of what they return, which is one side's; of one place all have that of one side:

    %m = select (gt %y, %x), %y, %x;  %n = select (lt %y, %x), %y, %x             Python's max(x, y) + min(x, y) = x + y
    →   %n = surrogate (select (lt %y, %x), %y, %x), (select (le %y, %x), %y, %x)
"""
from __future__ import annotations

import math
from typing import NamedTuple

from ...ir.analysis.patterns import number
from ...ir.build import Builder, key_of
from ...ir.clone import copy_op, copy_region, mapped
from ...ir.core import Block, Op, Value
from .kink_lines import multiple
from .kink_products import rectified
from .moduli import common, line
from .sides import bends, is_written

_CHOICES = {"max": "add", "min": "sub"}        # the sign of |x - y|
_NONE: frozenset[frozenset] = frozenset()


class _Place(NamedTuple):
    """Where a kink is. x and y: of |x - y| and of the choices; y None: 0. factor: c of |c (x - y)|."""

    x: Value
    y: Value | None = None
    factor: float = 1.0

    @property
    def key(self) -> frozenset:
        return frozenset((key_of(self.x), 0 if self.y is None else key_of(self.y)))


def paired(body: Block) -> Block:
    """A program with such kinks stated by one; the program itself where there are none."""
    ties = _Ties(body)
    if ties.changed:
        body = copy_region(Builder(), body, {}, ties.rules)
    found = _Pairs(body)
    if not found.pairs:
        return body
    return copy_region(Builder(), body, {}, {**dict.fromkeys(_CHOICES, found.choice), "abs": found.modulus})


class _Pairs:
    """pairs: (block, place) of kinks of more than one kind or order of operands, where a function bends."""

    def __init__(self, body: Block):
        self.pairs: set[tuple[Block, frozenset]] = set()
        self.places: dict[Op, tuple[Block, frozenset]] = {}
        self.of: dict[Op, _Place] = {}
        self.sizes: dict[tuple[Block, frozenset], Value] = {}              # in the copy: |x - y|
        self._collect(body)
        seen: dict[tuple[Block, frozenset], set] = {}
        for op, place in self.places.items():
            seen.setdefault(place, set()).add((op.defn.name, *map(key_of, op.operands)))
        several = {place for place, forms in seen.items() if len(forms) > 1}
        if several:
            self.pairs = several & self._bent(body, several)
        if seen:
            self.pairs |= self._raised(body)

    def _collect(self, block: Block) -> None:
        for op in block.ops:
            for region in op.regions:
                self._collect(region)
            if (place := _place(op)) is not None:
                self.places[op], self.of[op] = (block, place.key), place

    def _bent(self, body: Block, several: set) -> set:
        """The places of which functions bend."""
        made: dict[Value, frozenset] = {}
        found: set = set()
        for op in body.walk():
            if op.regions or len(op.results) != 1:
                continue
            of = _NONE.union(*[made.get(v, _NONE) for v in op.operands])
            if of and bends(op, [k for k, v in enumerate(op.operands) if v in made]):
                found |= of
                continue
            place = self.places.get(op)
            if place in several:
                of |= {place}
            if of:
                made[op.results[0]] = of
        return found

    def _raised(self, body: Block) -> set:
        """The places of rectifiers m of which a power, whose slope is stated (kink_products.py), meets another function that
        bends, as in sqrt(m² + 1) - exp(m) + m. The second derivative of m² is the mean 1 of its sides', that of exp(m) would
        be m'², the square of a mean."""
        power: dict[Value, frozenset] = {}
        bent: dict[Value, frozenset] = {}
        linear: dict[Value, frozenset] = {}
        found: set = set()
        for op in body.walk():
            if op.regions or len(op.results) != 1:
                continue
            (v,), name = op.results, op.defn.name
            operands = op.operands[1:] if name == "surrogate" else op.operands
            of = [_NONE.union(*[known.get(x, _NONE) for x in operands]) for known in (power, bent, linear)]
            if name == "sloped":
                of = [frozenset().union(*of), _NONE, _NONE]
            elif of[2] and bends(op, [k for k, x in enumerate(op.operands) if x in linear]):
                of = [of[0], of[1] | of[2], _NONE]
            place = self.places.get(op)
            if place is not None and name in _CHOICES and rectified(op) is not None:
                of[2] |= {place}
            if is_written(op):
                found |= of[0] & of[1]
            for known, places in zip((power, bent, linear), of):
                if places:
                    known[v] = places
        return found

    # --- rules of the copy

    def _size(self, b: Builder, op: Op, mapping: dict[Value, Value]) -> Value:
        """|x - y|, once in a block, times the factor."""
        place, (x, y, factor) = self.places[op], self.of[op]
        if place not in self.sizes:
            (x,) = mapped([x], mapping)
            self.sizes[place] = b("abs", x if y is None else b("sub", x, *mapped([y], mapping)))
        size = self.sizes[place]
        return size if factor == 1 else b("mul", size, b.const(factor, size.type.dtype))

    def modulus(self, b: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        place = self.places.get(op)
        if place is None or place not in self.pairs:
            return copy_op(b, op, mapping)
        if self.of[op].factor != 1:
            (found,) = copy_op(b, op, mapping)
            return b.emit("surrogate", found, self._size(b, op, mapping))
        if place not in self.sizes:
            (self.sizes[place],) = copy_op(b, op, mapping)
        return (self.sizes[place],)

    def choice(self, b: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        results = copy_op(b, op, mapping)
        if self.places.get(op) not in self.pairs:
            return results
        x, y = mapped(op.operands, mapping)
        size = self._size(b, op, mapping)
        twice = b(_CHOICES[op.defn.name], b("add", x, y), size)
        half = b("mul", twice, b.const(0.5, twice.type.dtype))
        return b.emit("surrogate", results[0], b("select", b("isnan", size), results[0], half))        # x = y = infinity


# comparisons of x with y, to whether a tie is left to the side x > y; the same of y with x; and the one that differs at ties
_LEFT_ABOVE = {"ge": True, "lt": True, "gt": False, "le": False}
_AT_TIES = {"gt": "ge", "ge": "gt", "lt": "le", "le": "lt"}


class _Ties:
    """Choices of the larger or smaller of two values by comparisons. sides: place -> (x, whether ties are on the side x > y),
    as the first choice there has it."""

    def __init__(self, body: Block):
        self.sides: dict[frozenset, tuple[object, bool]] = {}
        self.changed: set[Op] = set()
        self.rules = {**dict.fromkeys(("select", "mul"), self.choice), **dict.fromkeys(_CHOICES, self.extreme)}
        stated = {op.operands[0] for op in body.walk() if op.defn.name == "surrogate"}       # no part of the derivative
        ops = [op for op in body.walk() if op.defn.name in ("select", "mul", *_CHOICES) and op.results[0] not in stated]
        for op in ops:
            if (found := _compared(op)) is not None:
                key, x, above = found
                first, side = self.sides.setdefault(key, (x, above))
                if (above == (x == first)) != side:
                    self.changed.add(op)
        for op in ops if self.sides else ():
            if op.defn.name in _CHOICES and (place := _tied(*op.operands)) is not None and place[0] in self.sides:
                self.changed.add(op)

    def choice(self, b: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        results = copy_op(b, op, mapping)
        if op not in self.changed:
            return results
        mask = _mask(op)
        assert mask is not None                                # it is among the changed ones
        cond = b(_AT_TIES[mask.defn.name], *mapped(mask.operands, mapping))
        if op.defn.name == "select":
            choices = mapped(op.operands[1:], mapping)
        else:
            choices = (*mapped([_beside(op, mask)], mapping), b.const(0, op.results[0].type.dtype))
        return b.emit("surrogate", results[0], b("select", cond, *choices))

    def extreme(self, b: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        """np.maximum beside them."""
        results = copy_op(b, op, mapping)
        if op not in self.changed:
            return results
        found = _tied(*op.operands)
        assert found is not None                               # it is among the changed ones
        key, base, up = found
        first, above = self.sides[key]
        x, y = mapped(op.operands, mapping)
        larger = b("ge" if above == ((base == first) == up) else "gt", x, y)
        chosen = (x, y) if op.defn.name == "max" else (y, x)
        return b.emit("surrogate", results[0], b("select", b("or", larger, b("isnan", chosen[0])), *chosen))


def _compared(op: Op) -> tuple[frozenset, object, bool] | None:
    """The place of select(x < y, x, y) and its like, its x, and whether ties are on the side x > y. Where y is 0 both choices
    are multiples of x; (x > 0) * x is one of x and 0."""
    if op.defn.name not in ("select", "mul") or (mask := _mask(op)) is None or (found := _tied(*mask.operands)) is None:
        return None
    key, x, up = found
    ends, of_zero = {*map(key_of, mask.operands)}, any(number(v) == 0 for v in mask.operands)

    def is_end(v: Value) -> bool:
        return key_of(v) in ends or (of_zero and (number(v) == 0 or _of_zero(v, True)[0] == key))

    if not all(map(is_end, op.operands[1:] if op.defn.name == "select" else [_beside(op, mask)])):
        return None
    return key, x, _LEFT_ABOVE[mask.defn.name] == up


def _mask(op: Op) -> Op | None:
    """The comparison that an op chooses by, or multiplies with."""
    for v in op.operands[:1] if op.defn.name == "select" else op.operands:
        made = v.op
        if made is not None and op.defn.name == "mul":
            made = made.operands[0].op if made.defn.name == "cast" else None
        if made is not None and made.defn.name in _LEFT_ABOVE:
            return made
    return None


def _beside(op: Op, mask: Op) -> Value:
    """What is multiplied with a mask."""
    one, other = op.operands
    return other if one.op is not None and one.op.defn.name == "cast" and one.op.operands[0].op is mask else one


def _tied(x: Value, y: Value) -> tuple[frozenset, object, bool] | None:
    """(the place of x = y, the end that counts as x there, whether that is above where x > y)."""
    if not x.type.dtype.inexact or x.type.dtype.complex or key_of(x) == key_of(y):
        return None
    if (multiples := common(x, y)) is not None:
        u, c, d = multiples
        return _of_zero(u, c > d)
    if number(x) != 0 and number(y) != 0:
        return frozenset((key_of(x), key_of(y))), key_of(x), True
    return _of_zero(x, True) if number(y) == 0 else _of_zero(y, False)


def _of_zero(v: Value, up: bool) -> tuple[frozenset, object, bool]:
    """The same of v = 0, where c (x - y) is 0 as x = y is."""
    v, c = line(v)
    up = up == (c >= 0)
    if v.op is not None and v.op.defn.name == "sub":
        x, y = map(key_of, v.op.operands)
        return frozenset((x, y)), x, up
    return frozenset((key_of(v), 0)), key_of(v), up


def _place(op: Op) -> _Place | None:
    """That of max(x, y), min(x, y) and |x - y|, of real arrays of the same dimensions."""
    name, (x, *others) = op.defn.name, op.operands or (None,)
    if name not in ("abs", *_CHOICES) or x is None or not x.type.dtype.inexact or x.type.dtype.complex:
        return None
    dims = op.results[0].type.dims
    y = others[0] if others else None
    if y is not None and number(y) != 0:
        x, y = (y, x) if number(x) == 0 else (x, y)
    if y is not None and number(y) != 0:
        (u, c), (v, d) = line(x), line(y)
        if key_of(u) == key_of(v) and u.type.dims == dims and c != d:                # |c u - d u| = |c - d| |u|
            return _Place(u, None, abs(c - d)) if c != -d else None
        return _Place(x, y) if x.type.dims == y.type.dims == dims and not _opposite(x, y) else None
    if x.type.dims != dims:
        return None
    factor = 1.0
    while (found := multiple(x)) is not None and found[0].type.dims == dims and math.isfinite(1 / (factor * abs(found[1]))):
        x, factor = found[0], factor * abs(found[1])
    if x.op is not None and x.op.defn.name == "sub" and x.op.operands[0].type.dims == x.op.operands[1].type.dims:
        return _Place(x.op.operands[0], x.op.operands[1], factor)
    return _Place(x, None, factor)


def _opposite(x: Value, y: Value) -> bool:
    """Whether max(x, y) is |x|."""
    return any(v.op is not None and v.op.defn.name == "neg" and v.op.operands[0] is w for v, w in ((x, y), (y, x)))
