"""Conditions that test bits of integers: `if crc & 1`, `n % 2 == 0`. They hold as often as not, in no order.

A branch on one is predicted wrongly in half of all iterations, 15 cycles each time, where computing both sides and choosing
takes two or three. LLVM does not know that: it makes a choice, and then, where the next iteration waits for it, a branch again.
Bits of what counts (`i % 2`) come in an order, which branch predictors learn.
"""
from __future__ import annotations

from ..loopir.grammar import Atom, Imm, Let

_COUNTING = {"add", "sub", "mul", "neg", "cast", "floordiv", "shr", "shl"}
_KEEP = {"xor", "or", "and", "cast", "invert", "not", "mod", "rem", "bool"}       # what is still some bits, or a test of some


class BitTests:
    """The conditions among the scalars that a kernel has defined so far."""

    def __init__(self) -> None:
        self.bits: set[Atom] = set()            # few bits of a number, and tests of them
        self.counted: set[Atom] = set()         # integers that follow from counters

    def note(self, s: Let) -> None:
        if not s.target.dtype.integer and s.target.dtype.kind != "b":
            return
        if s.op in _COUNTING and all(self._counts(a) for a in s.args):
            self.counted.add(s.target)
        elif (s.op in ("and", "mod") and self._few(s.op, *s.args)) or (
                s.op in ("eq", "ne") and any(a in self.bits for a in s.args) and any(type(a) is Imm for a in s.args)) or (
                s.op in _KEEP and s.args and all(type(a) is Imm or a in self.bits for a in s.args)):
            self.bits.add(s.target)

    def __contains__(self, cond: Atom) -> bool:
        return cond in self.bits

    def _counts(self, a: Atom) -> bool:
        return type(a) is Imm or a in self.counted or a.dtype.name == "index"

    def _few(self, op: str, x: Atom, by: Atom) -> bool:
        """Whether `x & by` or `x % by` is one bit, or two, of a number that does not count."""
        if type(by) is not Imm or type(x) is Imm or not x.dtype.integer or self._counts(x):
            return False
        return 0 < by.value <= 4 or (op == "and" and by.value > 0 and by.value & (by.value - 1) == 0)
