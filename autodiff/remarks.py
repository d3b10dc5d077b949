"""How the adjoint of a loop or branch comes by the values that it needs, in sentences for `explain` and the text of the IR.

    for: recomputes 2 values; restores %a (f64[50]) by undoing its writes; tapes (tanh) : f64[100], 800 bytes
"""
from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..ir.core import Op, Value
from ..ir.errors import Loc
from ..ir.types import StackType, Type

if TYPE_CHECKING:
    from .reverse.reverse import Reverse

KIND = "loop of a derivative"


def described(run: Reverse) -> list[tuple[str, str, Loc]]:
    """(kind, sentence, location) for each loop and branch of a function that `run` (reverse.Reverse) differentiated."""
    found: dict[Op, dict[str, dict[Value, None]]] = {}
    for op, v, how in run.notes:
        found.setdefault(op, {}).setdefault(how, {})[v] = None
    def sentence(op: Op, kinds: dict[str, dict[Value, None]]) -> str:
        return f"{op.defn.name}: " + "; ".join(_HOW[how](run, list(values)) for how, values in sorted(kinds.items()))

    return [(KIND, sentence(op, kinds), op.loc) for op, kinds in found.items()]


def _named(v: Value) -> str:
    if v.name:
        return f"%{v.name}"
    return f"({v.op.defn.name})" if v.op is not None else "a carried value"


def _recomputed(run: Reverse, values: list[Value]) -> str:
    return f"recomputes {len(values)} value{'s' * (len(values) > 1)} ({', '.join(dict.fromkeys(map(_named, values)))})"


def _restored(run: Reverse, values: list[Value]) -> str:
    return "restores " + ", ".join(f"{_named(v)} ({shown(v.type)})" for v in values) + " by undoing the writes"


def _settled(run: Reverse, values: list[Value]) -> str:
    return f"reads {len(values)} part{'s' * (len(values) > 1)} of arrays that nothing overwrites afterwards"


def _taped(run: Reverse, values: list[Value]) -> str:
    return "tapes " + ", ".join(f"{_named(v)} : {shown(run.kept[v].type)}, {memory_of(run.kept[v].type)}" for v in values)


def _stacked(run: Reverse, values: list[Value]) -> str:
    return "pushes " + ", ".join(f"{_named(v)} : {shown(v.type)}, {memory_of(v.type)} each time" for v in values)


def shown(t: Type) -> str:
    """A type; lengths that only run time knows go by their names, or by n."""
    while t.__class__ is StackType:
        t = t.element
    return t.dtype.name + (f"[{', '.join(str(d) if isinstance(d, int) else d.name or 'n' for d in t.dims)}]" if t.dims else "")


def memory_of(t: Type) -> str:
    """How much memory an array takes, as far as its lengths are known."""
    while t.__class__ is StackType:
        t = t.element
    known = math.prod([d for d in t.dims if type(d) is int]) * t.dtype.size
    lengths = [d.name or "n" for d in t.dims if not isinstance(d, int)]
    return " * ".join([*lengths, f"{known:,} bytes"])


def of_bits(op: Op) -> str:
    """Of a tape that holds bits in place of the numbers that decide them (ir/transforms/carries/narrow_tapes.py)."""
    (made,), number = op.results, op.attrs["instead_of"]
    return f"keeps the bits that {_named(made)} decides : {memory_of(made.type)}, in place of {number.name}"


_HOW = {"recomputed": _recomputed, "restored": _restored, "settled": _settled, "stacked": _stacked, "taped": _taped}
