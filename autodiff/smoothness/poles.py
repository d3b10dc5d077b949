"""Where values may be infinite at a pole, through loops and branches; and what the partials beside such values are.

    u = log(c);  for …: u = u * x         at c = 0, x = 0     the value is NaN; by the chain rule u_bar = 0, and 0 * inf is lost
    u = 1 / c;   for …: u = 1 / (1 + u)   at c = 0            the slope of 1/(1 + u) by u is 0, that of u by c infinite

In reverse mode the 0 comes first, and cannot be told from one that says that nothing depends on u. So the partial of a product
that is NaN is NaN by a factor that may be infinite at a pole, and so is that of an op that forgets such an infinity where
lost_slopes.py cannot follow it: past a loop, a branch, a write. Where an overflow may make the same infinity the partial stays
0, which is right of that.

A flow of exactly 0 passes all of these as 0, and also what may be no number nearby (`may_be_no_number`): the log of 0 of
another element, in a Jacobian.
"""
from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from ...ir.analysis.patterns import number
from ...ir.core import Block, Op, Value
from ...ir.opdef import Elementwise
from ..activity import inexact
from ..rules.nonfinite_partials import is_steep, overflows
from .lost_slopes import followed, forgets_pole, has_pole, has_pole_of_power, infinities, vanishing

_POWER, _LOGARITHM, _OVERFLOW = 1, 2, 4        # by a pole like that of a power, of a logarithm, an overflow
_POLE, _FAR = _POWER | _LOGARITHM, 3           # of poles that lie behind what lost_slopes.py cannot follow: the bits shifted
_NEARBY = 4                                    # how many ops back something that is no number is looked for


def _far(bits: int) -> int:
    return bits | (bits & _POLE) << _FAR


class Poles:
    """Which values of a function may be infinite at a pole. `known`: what is known so of its parameters; `active`: the values
    that vary, where not all may (a pole of what does not vary is an infinite constant: no slope is lost there)."""

    def __init__(self, body: Block, known: Sequence[int] = (), memo: dict | None = None,
                 active: Container[Value] | None = None):
        self.memo: dict[Any, Any] = {} if memo is None else memo
        self.active = active
        self.bits: dict[Value, int] = {p: bits for p, bits in zip(body.params, known) if bits}
        self.nearby: dict[tuple[Value, int], bool] = {}
        self.depth = 0                                 # loops around
        if self.bits or any(map(_makes_infinities, body.walk())):
            self._block(body)

    def of(self, v: Value) -> int:
        return self.bits.get(v, 0)

    # --- the analysis

    def _put(self, v: Value, bits: int) -> None:
        """Add bits."""
        old = self.bits.get(v, 0)
        if bits | old != old and inexact(v):
            self.bits[v] = bits | old

    def _block(self, block: Block) -> None:
        for op in block.ops:
            if op.defn.rule == "control":
                self._control(op)
                continue
            bits = self._made(op)
            for r in op.results if bits else ():
                self._put(r, bits)

    def _made(self, op: Op) -> int:
        bits = 0
        for k in infinities(op):
            bits |= self.of(op.operands[k])
        if bits and not followed(op):
            bits = _far(bits)
        if has_pole(op) and (self.active is None or vanishing(op) in self.active):
            bits |= _POWER if has_pole_of_power(op) else _LOGARITHM
        elif overflows(op):
            bits = _OVERFLOW | (_far(_POWER) if any(self.of(v) & _LOGARITHM for v in op.operands) else 0)
        return bits

    def _control(self, op: Op) -> None:
        if op.defn.name == "call":
            callee, known = op.attrs["callee"], tuple(map(self.of, op.operands))
            if (callee, known) not in self.memo:
                inner = Poles(callee.body, known, self.memo)
                self.memo[callee, known] = [inner.of(v) for v in callee.body.yields]
            found = self.memo[callee, known]
        elif op.defn.loop:
            found = self._loop(op)
        else:
            for region in op.regions:
                self._block(region)
            found = [max_of(map(self.of, several)) for several in zip(*[region.yields for region in op.regions])]
        for r, bits in zip(op.results, found):
            self._put(r, _far(bits))

    def _loop(self, op: Op) -> list[int]:
        """What stands before a loop is followed into it and through it, what it makes itself out of it. Neither is what it
        makes followed round it, nor that of a loop inside of it out of that: there each step would keep values to tell such
        slopes by, three times the tape of particles that attract each other."""
        inits, body = op.operands[len(op.operands) - len(op.results):], op.regions[-1]
        for param, init in zip(body.params[len(body.params) - len(inits):], inits):
            self._put(param, _far(self.of(init)))
        self.depth += 1
        self._block(body)
        self.depth -= 1
        made = [0 if self.depth else self.of(b) for b in body.yields]
        return [self.of(a) | b for a, b in zip(inits, made)]

    # --- what is asked

    def hides(self, v: Value, other: Value) -> bool:
        """Whether v * other may be NaN because v is infinite at a pole."""
        if not self.of(v) & (_POLE | _POLE << _FAR):
            return False
        n = number(other)
        return n is None or n == 0

    def forgets(self, op: Op, k: int) -> bool:
        """Whether an op may forget that operand k is infinite at a pole, which stands behind a loop or the like."""
        bits = self.of(op.operands[k])
        if not bits & (_POLE << _FAR) or bits & _OVERFLOW:
            return False
        return forgets_pole(op, k, logarithmic=not bits & (_POWER << _FAR))

    def may_be_no_number(self, v: Value, depth: int = _NEARBY) -> bool:
        """Whether a value may be infinite or NaN, by what stands near."""
        op, key = v.op, (v, depth)
        if op is None or not depth:
            return False
        if key not in self.nearby:
            through = op.defn.__class__ is Elementwise or followed(op)
            self.nearby[key] = has_pole(op) or is_steep(op) or (
                through and any(self.may_be_no_number(x, depth - 1) for x in op.operands))
        return self.nearby[key]


def max_of(several: Any) -> int:
    out = 0
    for bits in several:
        out |= bits
    return out


def _makes_infinities(op: Op) -> bool:
    return has_pole(op) or "callee" in op.attrs
