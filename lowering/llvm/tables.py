"""Steps of hash tables in LLVM IR: calls of the functions of libraries/hash_tables.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

from ..libraries import hash_tables
from ..loopir.grammar import Atom, Scalar, Stack, Table

if TYPE_CHECKING:
    from .emit import Emitter

_TAKES_MEMORY = frozenset({"enter", "room", "replica"})


def emit(out: Emitter, s: Table) -> None:
    places = [f"ptr {cell}" for cell in out.stacks.places_of(s.stack)]
    if isinstance(s.target, Stack):
        places = [*(f"ptr {cell}" for cell in out.stacks.places_of(s.target)), *places[:2]]
    elif not isinstance(s.target, Scalar):
        places.append(f"ptr {out.address(s.target)}")
    for text in hash_tables.functions(s.mode, s.key):
        out.declare(text)
    args, found = ", ".join([*places, *(f"i64 {_word(out, v)}" for v in s.values)]), out.fresh()
    out.lines.append(f"  {found} = call i64 @tracegrad.table.{s.mode}.{hash_tables.name_of(s.key)}({args})")
    if s.mode in _TAKES_MEMORY:
        bad, more = out.fresh(), out.label()
        out.lines += [f"  {bad} = icmp eq i64 {found}, -2",
                      f"  br i1 {bad}, label %nomemory, label %{more}, !prof !{out.unlikely()}"]
        out.no_memory = True
        out.start(more)
    if isinstance(s.target, Scalar):
        out.regs[s.target] = found


def _word(out: Emitter, v: Atom) -> str:
    """A key as an integer: a double as its bits, -0.0 as 0.0, to which it is equal."""
    if v.dtype.kind != "f":
        return str(out.reg(v))
    plain, bits = out.fresh(), out.fresh()
    out.lines += [f"  {plain} = fadd double {out.reg(v)}, 0.0", f"  {bits} = bitcast double {plain} to i64"]
    return bits
