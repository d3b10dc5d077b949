"""Conditions that test bits of integers: `if crc & 1`, `n % 2 == 0`. They hold as often as not, in no order.

A branch on one is predicted wrongly in half of all iterations, 15 cycles each time, where computing both sides and choosing
takes two or three. LLVM does not know that: it makes a choice, and then, where the next iteration waits for it, a branch again.
Bits of what counts (`i % 2`) come in an order, which branch predictors learn.
"""
from __future__ import annotations

from ..loopir.grammar import Atom, Imm, Let


class BitTests:
    """The conditions among the scalars that a kernel has defined so far."""

    def __init__(self) -> None:
        self.bits: set[Atom] = set()            # one bit of a number, or two, and tests of them
        self.counted: set[Atom] = set()         # integers that follow from counters

    def note(self, s: Let) -> None:
        rule = _RULES.get(s.op)
        if rule is None or not (s.target.dtype.integer or s.target.dtype.kind == "b"):
            return
        if rule is not _test and all(self.counts(a) for a in s.args):
            self.counted.add(s.target)
        elif rule(self, s):
            self.bits.add(s.target)

    def __contains__(self, cond: Atom) -> bool:
        return cond in self.bits

    def counts(self, a: Atom) -> bool:
        return type(a) is Imm or a in self.counted or a.dtype.name == "index"


def _kept(known: BitTests, s: Let) -> bool:
    """What is made of such bits and of numbers in the program alone."""
    return all(type(a) is Imm or a in known.bits for a in s.args)


def _part(known: BitTests, s: Let) -> bool:
    """`x & c`, `x % c` → one bit of x, or two."""
    x, by = s.args
    if type(by) is not Imm or type(x) is Imm or not x.dtype.integer:
        return False
    return x in known.bits or 0 < by.value <= 4 or (s.op == "and" and by.value > 0 and by.value & (by.value - 1) == 0)


def _test(known: BitTests, s: Let) -> bool:
    """Bits compared with a number in the program."""
    return any(type(a) is Imm for a in s.args) and any(a in known.bits for a in s.args)


def _never(known: BitTests, s: Let) -> bool:
    return False


_RULES = {"and": _part, "mod": _part, "eq": _test, "ne": _test,
          "xor": _kept, "or": _kept, "cast": _kept, "invert": _kept, "not": _kept,
          "add": _never, "sub": _never, "mul": _never, "shl": _never, "shr": _never}
