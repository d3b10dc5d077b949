"""What lies on stacks: for each stack of a program the one type of all its entries, where they have one of a known size.

A stack's type says the dtype of its entries only. It passes through pushes, pops, loops, branches and calls; all values that
are one stack at different times form a class, and the types pushed onto a class are those of its entries.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...ir.core import Block, Op, Value
from ...ir.types import StackType, Type


def entries(body: Block) -> dict[Value, Type]:
    """{stack: the type of its entries}, without those whose entries differ or whose lengths only run time knows."""
    first: dict[Value, Value] = {}
    pushed: list[tuple[Value, Type]] = []

    def root(v: Value) -> Value:
        while (up := first.setdefault(v, v)) is not v:
            v = up
        return v

    for op in _everything(body, set()):
        for one, other in _same(op):
            if isinstance(one.type, StackType):
                first[root(one)] = root(other)
        if op.defn.name == "push":
            pushed.append((op.results[0], op.operands[1].type))
        elif op.defn.name == "exchange":
            pushed.append((op.results[0], op.operands[2].type))
    found: dict[Value, set[Type]] = {}
    for stack, type in pushed:
        found.setdefault(root(stack), set()).add(type)
    only = {v: types.pop() for v, types in found.items() if len(types) == 1}
    return {v: t for v in first if (t := only.get(root(v))) is not None and t.static}


def _everything(body: Block, seen: set) -> Iterator[Any]:
    """Every op, those of called functions once."""
    for op in body.walk():
        yield op
        if op.defn.name == "call" and op.attrs["callee"] not in seen:
            seen.add(op.attrs["callee"])
            yield from _everything(op.attrs["callee"].body, seen)


def _same(op: Op) -> Iterator[Any]:
    """Pairs of values of which the second is, or may be, the first later on."""
    name = op.defn.name
    if name in ("push", "pop", "exchange"):
        yield op.operands[0], op.results[0]
    elif name in ("for", "while"):
        skipped = int(name == "for")
        inits = op.operands[skipped:]
        for region in op.regions:
            yield from zip(inits, region.params[skipped:])
        yield from zip(inits, op.regions[-1].yields)
        yield from zip(inits, op.results)
    elif name == "if":
        for region in op.regions:
            yield from zip(region.yields, op.results)
    elif name == "call":
        callee = op.attrs["callee"]
        yield from zip(op.operands, callee.params)
        yield from zip(callee.results, op.results)
