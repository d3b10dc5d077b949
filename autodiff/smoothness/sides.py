"""Functions that are written for each side of 0 apart: which side a kink is seen from, where a program asks that itself.

    z = exp(-|x|);  s = where(x >= 0, 1, z) / (1 + z)            the logistic function, whose slope at 0 is 1/4
    s = sign(x) log1p(|x|)                                        whose slope at 0 is 1

    y = where(x > 0, |x|, -|x|)                                   whose slope at 0 is 1

At 0 the choice has the slope of the side that was taken, and |x| by itself the mean of both, which together are the slope of
nothing. So where a comparison of x with 0 chooses, or sign(x) multiplies what is made of |x|, |x| is taken from the same side:

    %a = abs %x        →   %a = abs %x;  %s = surrogate %a, (select (ge %x, 0.0), %x, (neg %x))

and so are max(x, 0) and min(x, 0). The sign, which is 0 at 0, counts as that of the side there. What uses |x| in sums only,
as a penalty does, keeps the mean: asked for are functions that bend.
"""
from __future__ import annotations

import math
from collections.abc import Sequence

from ...ir.analysis.patterns import number
from ...ir.build import Builder, key_of
from ...ir.clone import copy_op, copy_region, mapped
from ...ir.core import Block, Op, Value
from ...ir.errors import SlopeFrame
from ...ir.opdef import Elementwise
from ..multiplicity.vector_mixing import slope_of
from .kink_lines import multiple
from .moduli import common

# comparisons of x with 0, to whether 0 counts as a positive number there; and with the operands exchanged
_ASKS = {"ge": True, "lt": True, "gt": False, "le": False}
_MIRRORED = {"ge": "le", "le": "ge", "gt": "lt", "lt": "gt"}
# sums of what they are given: how many of their operands may be kinks
_STRAIGHT = {"add": 2, "sub": 2, "neg": 1, "cast": 1, "mul": 2, "div": 1, "select": 3, "surrogate": 2, "sloped": 2,
             "with_square": 2}
_NONE: frozenset[Value] = frozenset()
_DEEP = 24                     # how many ops behind a kink its functions are followed


def bends(op: Op, moving: list[int]) -> bool:
    """Whether an op makes more than a sum of the operands of these numbers."""
    name = op.defn.name
    return op.defn.__class__ is Elementwise and (
        moving[-1] >= _STRAIGHT.get(name, 0) or (name == "mul" and len(moving) > 1))


def sided(body: Block) -> Block:
    """A program with the slopes of kinks stated where it asks for the side; the program itself where it does not."""
    found = _Sides(body)
    if not found.sides:
        return body
    rules = {**dict.fromkeys(("abs", "max", "min"), found.kink), "mul": found.product, "copysign": found.signed}
    return copy_region(Builder(), body, {}, rules)


class _Sides:
    """Of which values a program asks the side of 0: value -> whether 0 counts as positive."""

    def __init__(self, body: Block):
        self.asked: dict[Value, bool] = {}
        self.made: dict[Value, frozenset[Value]] = {}      # a value -> the x of kinks and choices that it is a sum of
        self.bent: dict[Value, frozenset[Value]] = {}      # the same, of what it is another function of
        self.signs: set[Value] = set()                     # the x of signs beside what is bent
        self.sides: dict[Value, bool] = {}
        ops = list(body.walk())
        kinks = {x for op in ops if (x := _kink_of(op)) is not None}
        self.moduli: dict[Value, list[Value]] = {x: [] for x in kinks}
        for op in ops:
            if op.defn.name == "abs" and op.operands[0] in kinks:
                self.moduli[op.operands[0]].append(op.results[0])
        if not kinks:
            return
        # the ends of x = a - b, of which a comparison of a and b asks the side
        self.between = {tuple(map(key_of, x.op.operands)): x for x in kinks if x.op is not None and x.op.defn.name == "sub"}
        self._choices(ops, kinks)
        for op in ops:
            if len(op.results) == 1 and not op.regions:
                self._follow(op, kinks)
        for op in ops:
            self._chosen_kinks(op)
        every = _NONE.union(*self.bent.values())
        self.sides = {x: self.asked.get(x, True) for x in (*self.asked, *self.signs) if x in every}

    def _choices(self, ops: list[Op], kinks: set[Value]) -> None:
        """Comparisons by which numbers are chosen."""
        conditions = {op.operands[0] for op in ops if op.defn.name in ("select", "if", "cast") and is_written(op)}
        for op in ops:
            if op.results and op.results[0] in conditions:
                for x, positive in self._asked(op):
                    if x in kinks:
                        self.asked.setdefault(x, positive)

    def _asked(self, op: Op) -> list[tuple[Value, bool]]:
        """The x that an op compares with 0, or the ends of x = a - b with each other; and whether 0 counts as positive."""
        name = op.defn.name
        if name not in _ASKS:
            return []
        if forms := _forms(op):
            return forms
        a, b = map(key_of, op.operands)
        if (a, b) in self.between:
            return [(self.between[a, b], _ASKS[name])]
        return [(self.between[b, a], _ASKS[_MIRRORED[name]])] if (b, a) in self.between else []

    def _chosen_by(self, op: Op) -> frozenset[Value]:
        cond = op.operands[0].op
        return _NONE if cond is None else frozenset([x for x, _ in self._asked(cond)])

    def _follow(self, op: Op, kinks: set[Value]) -> None:
        (v,), name = op.results, op.defn.name
        operands = op.operands[1:] if name == "surrogate" else op.operands
        made, bent = (_NONE.union(*[known.get(y, _NONE) for y in operands]) for known in (self.made, self.bent))
        for x, size, _ in _signed_sizes(op):
            if x in kinks and x in self.bent.get(size, _NONE):
                self.signs.add(x)
        if made and bends(op, [k for k, y in enumerate(op.operands) if y in self.made]):
            made, bent = _NONE, bent | made
        if name == "select":
            made |= self._chosen_by(op)
        elif (x := _kink_of(op)) is not None:
            made |= {x}
        if made:
            self.made[v] = made
        if bent:
            self.bent[v] = bent

    def _chosen_kinks(self, op: Op) -> None:
        """where(x > 0, |x|, -|x|): a kink that its own side chooses. Or a[x > 0] = -a of a = |x|."""
        branches: list[Sequence[Value]]
        if op.defn.name == "scatter":
            where = [v.op for v in op.operands[2:] if v.op is not None and v.op.defn.name == "nonzero"]
            chosen, branches = self._chosen_by(where[0]) if where else _NONE, [op.operands[:2]]
        elif op.defn.name == "select":
            chosen, branches = self._chosen_by(op), [op.operands[1:]]
        elif op.defn.name == "if":
            chosen, branches = self._chosen_by(op), [region.yields for region in op.regions]
        else:
            return
        found = chosen & self.asked.keys() & _NONE.union(*[self.made.get(v, _NONE) for branch in branches for v in branch])
        if found:
            self.bent[op.results[0]] = self.bent.get(op.results[0], _NONE) | found

    # --- rules of the copy

    def _is_right(self, b: Builder, x: Value, y: Value) -> Value:
        """Whether y, the copy of x, is on the side of positive numbers."""
        return b("ge" if self.sides[x] else "gt", y, b.const(0, y.type.dtype))

    def kink(self, b: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        results, x = copy_op(b, op, mapping), _kink_of(op)
        if x is None or x not in self.sides or (op.defn.name != "abs" and x not in self.asked):
            return results
        (y,), zero = mapped((x,), mapping), b.const(0, x.type.dtype)
        left, right = {"abs": (b("neg", y), y), "max": (zero, y), "min": (y, zero)}[op.defn.name]
        return b.emit("surrogate", results[0], b("select", self._is_right(b, x, y), right, left))

    def product(self, b: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        """sign(x) f(|x|)."""
        results = copy_op(b, op, mapping)
        for x, size, c in _signed_sizes(op):
            if x in self.sides and x in self.bent.get(size, _NONE):
                value = self._with_sign(b, x, size, mapping)
                return b.emit("surrogate", results[0], value if c == 1 else b("mul", value, b.const(c, value.type.dtype)))
        return results

    def signed(self, b: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        """copysign(f(|x|), x). Where f is 0 its sign nearby is that of its slope: exp(-|x|) - 1 is 0.0 at 0 and negative beside
        it. Without a slope it is that of its 0, as -x² is -0.0."""
        results = copy_op(b, op, mapping)
        for x, size, c in _signed_sizes(op):
            if x in self.sides and x in self.bent.get(size, _NONE):
                (y,) = mapped((size,), mapping)
                positive = b("select", self._is_negative(b, x, y, mapping), b("neg", y), y)
                value = self._with_sign(b, x, size, {**mapping, size: positive})
                return b.emit("surrogate", results[0], value if c > 0 else b("neg", value))
        return results

    def _is_negative(self, b: Builder, x: Value, y: Value, mapping: dict[Value, Value]) -> Value:
        """Whether y, made of |x|, is negative beside x = 0."""
        one = b.const(1, y.type.dtype)
        slopes: dict[Value, Value | None] = {mapping[size]: one for size in self.moduli[x] if size in mapping}
        slope = _slope(b, y, slopes, _DEEP)
        if slope is None:
            return b("signbit", y)
        zero = b.const(0, y.type.dtype)
        flat = b("or", b("ne", y, zero), b("eq", slope, zero))
        return b("or", b("and", flat, b("signbit", y)), b("and", b("not", flat), b("lt", slope, zero)))

    def _with_sign(self, b: Builder, x: Value, size: Value, mapping: dict[Value, Value]) -> Value:
        y, g = mapped((x, size), mapping)
        return b("select", self._is_right(b, x, y), g, b("neg", g))


def _slope(b: Builder, v: Value, known: dict[Value, Value | None], depth: int) -> Value | None:
    """The derivative of a value by those whose slopes are known, as far as it is made of them element by element."""
    if v not in known:
        if v.op is None or not depth:
            return None
        known[v] = slope_of(b, v, [_slope(b, x, known, depth - 1) for x in v.op.operands])
    return known[v]


def is_written(op: Op) -> bool:
    """Whether an op is one of the program, rather than of a derivative, where a sign is the slope of |x|."""
    return bool(op.loc) and op.loc[-1].__class__ is not SlopeFrame


def _zero_and(op: Op) -> tuple[Value, int] | None:
    """What stands beside a 0 among two operands, and where."""
    for k, x in enumerate(op.operands[:2]):
        if number(op.operands[1 - k]) == 0 and x.type.dtype.inexact and not x.type.dtype.complex:
            return x, k
    return None


def _forms(op: Op) -> list[tuple[Value, bool]]:
    """The x that an op compares with 0, and whether 0 counts as positive; of -2 y also y. And x of x > -x."""
    name = op.defn.name
    if name not in _ASKS:
        return []
    if (found := _zero_and(op)) is None:
        multiples = common(*op.operands)
        if multiples is None:
            return []
        x, c, d = multiples
        return [(x, _ASKS[name if c > d else _MIRRORED[name]])]
    x, k = found
    name = _MIRRORED[name] if k else name
    forms = [(x, _ASKS[name])]
    while (inner := multiple(x)) is not None:
        x, name = inner[0], _MIRRORED[name] if inner[1] < 0 else name
        forms.append((x, _ASKS[name]))
    return forms


def _kink_of(op: Op) -> Value | None:
    """The x of |x|, max(x, 0), min(x, 0)."""
    match op.defn.name:
        case "abs":
            x = op.operands[0]
            return x if x.type.dtype.inexact and not x.type.dtype.complex else None
        case "max" | "min":
            found = _zero_and(op)
            return None if found is None or found[0].type.dims != op.results[0].type.dims else found[0]
    return None


def _signed_sizes(op: Op) -> list[tuple[Value, Value, float]]:
    """(x, g, c) of c sign(x) g and copysign(g, x)."""
    if op.defn.name == "copysign":
        size, x = op.operands
        forms = [(x, size, 1.0)]
        while (found := multiple(x)) is not None:
            x = found[0]
            forms.append((x, size, math.copysign(forms[-1][2], forms[-1][2] * found[1])))
        return forms if is_written(op) else []
    if op.defn.name != "mul" or not is_written(op):
        return []
    return [(x, g, c) for s, g in (op.operands, op.operands[::-1]) if s.type.dims == g.type.dims
            for x, c in _under_sign(s) if x.type.dims == g.type.dims]


def _under_sign(v: Value) -> list[tuple[Value, float]]:
    """(x, c) of c sign(x); of sign(-2 y) also (y, -1)."""
    c, forms = 1.0, []
    while (found := multiple(v)) is not None:
        v, c = found[0], c * found[1]
    if v.op is not None and v.op.defn.name == "sign":
        (x,) = v.op.operands
        forms.append((x, c))
        while (found := multiple(x)) is not None:
            x, c = found[0], math.copysign(c, c * found[1])
            forms.append((x, c))
    return forms
