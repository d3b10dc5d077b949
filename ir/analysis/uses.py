"""Which part of an array each iteration of a loop reads or writes, and who uses a value."""
from __future__ import annotations

from ..core import Block, Const, Op, Value
from ..ops.index import spec_operands
from .patterns import number

ACCESSES = {"slice": 1, "update": 2, "update_add": 2}          # the operand at which the indices start


def position(op: Op, axis: int) -> Value | None:
    if op.attrs["spec"][axis] != "i":
        return None
    return op.operands[ACCESSES[op.defn.name] + spec_operands(op.attrs["spec"])[axis]]


def one_to_one(v: Value, i: Value, body: Block) -> bool:
    """Whether v differs in any two iterations: i, or it plus, minus or times what is the same in all."""
    if v is i:
        return True
    op = v.op
    if op is None or op.defn.name not in ("add", "sub", "mul"):
        return False
    a, b = op.operands
    if op.defn.name == "mul":
        return any(one_to_one(x, i, body) and number(c) not in (None, 0) for x, c in ((a, b), (b, a)))
    return any(one_to_one(x, i, body) and _outside(c, body) for x, c in ((a, b), (b, a)))


def _outside(v: Value, body: Block) -> bool:
    """Whether a value is known before the loop."""
    return isinstance(v, Const) or (v.owner is not body and v not in {r for op in body.walk() for r in op.results} and not any(
        v in region.params for op in body.walk() for region in op.regions))


class Uses:
    """Who uses each value: (op or block that yields it, number); the op around each block; the block of each op."""

    def __init__(self, body: Block):
        self.found: dict[Value, list] = {}
        self.owner: dict[Block, Op] = {}
        self.home: dict[Op, Block] = {}
        self._walk(body)

    def of(self, v: Value) -> list:
        return self.found.get(v, [])

    def _walk(self, block: Block) -> None:
        for op in block.ops:
            self.home[op] = block
            for k, v in enumerate(op.operands):
                self.found.setdefault(v, []).append((op, k))
            for region in op.regions:
                self.owner[region] = op
                self._walk(region)
        for k, v in enumerate(block.yields):
            self.found.setdefault(v, []).append((block, k))
