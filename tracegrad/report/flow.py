"""Which lines use what other lines made: the data flow of a program, line by line.

A value's origins are the lines that made it. What a loop carries comes from before the loop and, marked as carried, from its
iterations before; what a branch or a loop hands on comes from the lines of its yields.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..ir.core import Block, Const, Function, Op, Value
from ..lowering.llvm.annotated import Place, place

ARGUMENTS: Place = ()
RESULTS: Place = (("", -1),)


Origins = frozenset[tuple[Place, bool]]      # lines, and whether a value comes from an iteration before


@dataclass(frozen=True)
class Edge:
    """maker, user: lines, or ARGUMENTS and RESULTS; carried: from an iteration before; what: name and type of a value that goes
    along."""

    maker: Place
    user: Place
    carried: bool
    what: str


class _Flow:
    def __init__(self, f: Function):
        self.origins: dict[Value, Origins] = dict.fromkeys(f.params, frozenset({(ARGUMENTS, False)}))
        self.found: dict[tuple[Place, Place, bool], Counter[str]] = {}

    def of(self, values: tuple[Value, ...]) -> Origins:
        return frozenset().union(*[self.origins.get(v, frozenset()) for v in values if not isinstance(v, Const)])

    def block(self, block: Block) -> None:
        for op in block.ops:
            self.op(op)

    def op(self, op: Op) -> None:
        line = place(op.loc)
        if not op.regions:
            for v in op.operands:
                self.use(v, line)
            for r in op.results:
                self.origins[r] = frozenset({(line, False)})
            return
        carried = op.operands[-len(op.results):] if op.name in ("for", "while") and op.results else ()
        for v in op.operands[:len(op.operands) - len(carried)]:
            self.use(v, line)
        # what iterations hand on is known after the body has been seen once
        handed: list[Origins] = [frozenset()] * len(op.results)
        for _ in range(2 if carried else 1):
            for region in op.regions:
                counters = len(region.params) - len(carried)
                for p in region.params[:counters]:
                    self.origins[p] = frozenset({(line, False)})
                for k, p in enumerate(region.params[counters:]):
                    self.origins[p] = self.of(carried[k:k + 1]) | {(where, True) for where, _ in handed[k]}
                self.block(region)
            last = op.regions if op.name == "if" else op.regions[-1:]
            handed = [frozenset().union(*[self.of((region.yields[k],)) for region in last]) for k in range(len(op.results))]
        for k, r in enumerate(op.results):
            self.origins[r] = frozenset((where, False) for where, _ in handed[k]) or frozenset({(line, False)})

    def use(self, v: Value, line: Place) -> None:
        for where, carried in self.of((v,)):
            if where != line or carried:
                self.found.setdefault((where, line, carried), Counter())[f"{v.name or ''}: {v.type!r}".lstrip(": ")] += 1


def flow_of(f: Function) -> list[Edge]:
    """The edges between the lines of a function, each once, with the value that goes along most often."""
    flow = _Flow(f)
    flow.block(f.body)
    for v in f.results:
        flow.use(v, RESULTS)
    return [Edge(maker, user, carried, names.most_common(1)[0][0])
            for (maker, user, carried), names in flow.found.items() if user]
