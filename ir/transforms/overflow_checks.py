"""Takes out checks that a Python int stays within 64 bits where it does, or where it does not matter.

Slow values. A loop that makes steps of at most STEP from where |x| <= START leaves 64 bits after 2**50 of them: no machine gets
there. So a count needs no checks, however many loops carry it:

    %c = for … carry(%c0 = 0) { %1 = add %c0, 1; yield (if p then %1 else %c0) }

Low bits. Sums, differences, products and left shifts of wrapped integers have the right low bits; where nothing uses the value
but `and` with a mask that is not negative, or `unsigned`, which keeps 64 bits, Python's number and the wrapped one are the
same:

    %1 = mul %seed, 1103515245;  %2 = add %1, 12345;  %3 = and %2, 2147483647
"""
from __future__ import annotations

from collections import defaultdict

from ..analysis.patterns import number
from ..core import Block, Const, Function, Op, Value
from ..ops.elementwise import FITS
from ..text.printer import everything
from ..types import BOOL, I64, INDEX, U64

STEP, START = 1 << 12, 1 << 62


def without_needless_overflow_checks(f: Function) -> bool:
    """In place, on a function and what it calls; whether anything changed."""
    return sum(_Checks(g).run() for g in everything(f)) > 0


class _Checks:
    def __init__(self, f: Function):
        self.f = f
        self.checks = {op: test for op in f.body.walk() if op.name == "check" and (test := _condition(op)) is not None}
        self.users: dict[Value, list] = defaultdict(list)
        self.slow: dict[Value, bool] = {}
        self.source: dict[Value, list[Value]] = {}       # of parameters: what they become

    def run(self) -> bool:
        if not self.checks:
            return False
        self.note(self.f.body)
        needless = {id(op) for op, test in self.checks.items() if self.steps(test) or self.masked(test)}
        if needless:
            self.drop(self.f.body, needless)
        return bool(needless)

    def drop(self, block: Block, needless: set[int]) -> None:
        block.ops = [op for op in block.ops if id(op) not in needless]
        for op in block.ops:
            for region in op.regions:
                self.drop(region, needless)

    def note(self, block: Block) -> None:
        for op in block.ops:
            for v in op.operands:
                self.users[v].append(op)
            for region in op.regions:
                self.note(region)
                for v in region.yields:
                    self.users[v].append(None)
            if op.name in ("for", "while"):
                inits, first = (op.operands[1:], 1) if op.name == "for" else (op.operands, 0)
                for region in op.regions:
                    for k, p in enumerate(region.params[first:]):
                        self.source[p] = [inits[k], op.regions[-1].yields[k]]
        for v in block.yields:
            self.users[v].append(None)

    # --- slow values ------------------------------------------------------------------------------------------------------

    def steps(self, fits: Op) -> bool:
        if fits.name not in ("add_fits", "sub_fits"):
            return False
        x, y = fits.operands
        return (self.is_slow(x) and self.small(y)) or (fits.name == "add_fits" and self.is_slow(y) and self.small(x))

    def small(self, v: Value, depth: int = 8) -> bool:
        if (known := number(v)) is not None:
            return abs(known) <= STEP
        op = v.op
        if op is None or not depth:
            return False
        if op.name == "cast":
            return op.operands[0].type.dtype is BOOL
        if op.name == "select":
            return all(self.small(x, depth - 1) for x in op.operands[1:])
        return op.name == "if" and all(self.small(region.yields[v.slot], depth - 1) for region in op.regions)

    def is_slow(self, v: Value) -> bool:
        """Whether v is within START, or comes from such by steps: assumed of what is being asked about (loops are circles)."""
        if v not in self.slow:
            mark = dict(self.slow)
            self.slow[v] = True
            found = self.find_slow(v)
            if not found:
                self.slow = mark                           # what was found on the assumption falls with it
            self.slow[v] = found
        return self.slow[v]

    def find_slow(self, v: Value) -> bool:
        if isinstance(v, Const):
            known = number(v)
            return known is not None and abs(known) <= START
        if v.type.dtype is INDEX:
            return True                                    # a position or a length
        if v in self.source:
            return all(map(self.is_slow, self.source[v]))
        op = v.op
        if op is None:
            return False
        if op.name in ("add", "sub"):
            x, y = op.operands
            return (self.is_slow(x) and self.small(y)) or (op.name == "add" and self.is_slow(y) and self.small(x))
        if op.name in ("select", "min", "max"):
            return all(map(self.is_slow, op.operands[op.name == "select":]))
        if op.name in ("for", "while"):
            inits = op.operands[1:] if op.name == "for" else op.operands
            return self.is_slow(inits[v.slot]) and self.is_slow(op.regions[-1].yields[v.slot])
        if op.name == "if":
            return all(self.is_slow(region.yields[v.slot]) for region in op.regions)
        return op.name == "cast" and op.operands[0].type.dtype in (INDEX, BOOL)

    # --- low bits ---------------------------------------------------------------------------------------------------------

    def masked(self, fits: Op) -> bool:
        made = self.made(fits)
        return bool(made) and all(self.low(op.result) for op in made)

    def made(self, fits: Op) -> list[Op]:
        """The ops whose result it is about: simplification may have turned the operands round."""
        name, orders = fits.name.removesuffix("_fits"), [fits.operands]
        if name in ("add", "mul"):
            orders.append(fits.operands[::-1])
        first = next((v for v in fits.operands if not isinstance(v, Const)), fits.operands[0])
        return [op for op in self.users[first] if op is not None and op.name == name and op.operands in orders]

    def low(self, v: Value, depth: int = 16) -> bool:
        """Whether only the low bits of v are used."""
        return bool(depth) and all(self.takes_low(op, v, depth) for op in self.users[v])

    def takes_low(self, op: Op | None, v: Value, depth: int) -> bool:
        if op is None:
            return False
        if op.name == "and":
            return any((known := number(x)) is not None and known >= 0 for x in op.operands)
        if op.name == "unsigned":
            return True                                # as a number below 2**64; where it must be the same one, a check says so
        if op.defn.low_bits or (op.name == "shl" and op.operands[1] is not v):
            return op.result.type.dtype in (I64, U64) and self.low(op.result, depth - 1)
        fits = _condition(op) if op.name == "check" else op if op.name in FITS else None
        if fits is None or (fits.name == "shl_fits" and fits.operands[1] is v):
            return False
        made = self.made(fits)
        return bool(made) and all(self.low(u.result, depth - 1) for u in made)


def _condition(check: Op) -> Op | None:
    """The op that says whether a result fits, of a check of that."""
    op = check.operands[0].op
    return op if op is not None and op.name in FITS else None
