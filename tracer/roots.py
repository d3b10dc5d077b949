"""What a value that a trace has made depends on, and so what would have to be known for it to be a number."""
from __future__ import annotations

from typing import TYPE_CHECKING

from ..ir.core import Const, Value

if TYPE_CHECKING:
    from .tracing import Loop, Trace

# rules of ops whose results are numbers where their operands are
_CHAIN = ("elementwise", "linear", "bilinear", "none", "special")


class Roots:
    """What a value depends on: argument leaves, loops and arrays from outside that can be made concrete, a phrase for what
    cannot."""

    __slots__ = ("arrays", "leaves", "loops", "stop")

    def __init__(self) -> None:
        self.leaves: set[int] = set()
        self.loops: set[Loop] = set()
        self.arrays: set = set()
        self.stop: str | None = None


def roots_of(trace: Trace, value: Value) -> Roots:
    found, seen, todo = Roots(), set(), [value]
    while todo:
        v = todo.pop()
        if isinstance(v, Const) or v in seen:
            if isinstance(v, Const) and not v.frozen:
                if v in trace.live:
                    found.arrays.add(id(trace.live[v]))
                elif v in trace.inputs:
                    found.arrays.add(trace.inputs[v])
                else:
                    found.stop = found.stop or "the elements of an array that the function captured"
            continue
        seen.add(v)
        if v in trace.leaf_of:
            found.leaves.add(trace.leaf_of[v])
        elif v in trace.origin:
            loop, init = trace.origin[v]
            if loop.kind == "for" or loop.unrollable:
                found.loops.add(loop)
                todo += [x for x in (init, loop.trip) if isinstance(x, Value)]
            elif init is not None:
                todo.append(init)
                found.stop = found.stop or (isinstance(init, Const) and "the iterations of a while loop") or None
        elif v.op is not None and v.op.defn.draws:
            found.stop = found.stop or "a random number"
        elif v.op is not None and v.op.defn.rule in _CHAIN and v.op.defn.evaluate is not None:
            todo += v.op.operands
        elif v.op is not None and v.op.name == "if":
            todo.append(v.op.operands[0])
            todo += [region.yields[v.slot] for region in v.op.regions]
        else:
            what = f"argument `{v.name}`" if v.op is None and v.name else "a loop" if v.op is not None else "an argument"
            found.stop = found.stop or (("the elements of " if v.type.dims else "") + what)
    return found
