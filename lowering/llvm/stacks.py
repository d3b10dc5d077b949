"""Stacks in LLVM IR: three registers each (memory, bytes used, bytes there are) and realloc, twice as much each time."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.thresholds import sizes
from ..loopir.grammar import At, Buffer, Clear, Peek, Poke, Pop, Push, Scalar, Stack, Swap
from .storage import MEMORY

if TYPE_CHECKING:
    from ...ir.types import DType
    from .emit import Emitter

LEAST = 4096              # bytes of the first allocation


class Stacks:
    """`cells[stack]`: the allocas of (memory, used, room)."""

    def __init__(self, out: Emitter):
        self.out = out
        self.cells: dict[Stack, tuple[str, str, str]] = {}

    def places_of(self, stack: Stack) -> tuple[str, str, str]:
        """The allocas of its registers."""
        found = self.cells.get(stack)
        if found is None:
            out = self.out
            found = self.cells[stack] = out.alloca("ptr"), out.alloca("i64"), out.alloca("i64")
            memory, used, room = found
            out.entry += [f"  store ptr null, ptr {memory}", f"  store i64 0, ptr {used}", f"  store i64 0, ptr {room}"]
            out.storage.grown.append((memory, room))
        return found

    def _load(self, kind: str, cell: str) -> str:
        value = self.out.fresh()
        self.out.lines.append(f"  {value} = load {kind}, ptr {cell}")
        return value

    def _tags(self, stack: Stack) -> str:
        scopes = self.out.storage.scopes
        number = scopes.setdefault(stack, len(scopes))
        return self.out.scope(number) if number < sizes.scopes else ""

    def clear(self, s: Clear) -> None:
        self.out.lines.append(f"  store i64 0, ptr {self.places_of(s.stack)[1]}")

    def swap(self, s: Swap) -> None:
        assert isinstance(s.a, Stack) and isinstance(s.b, Stack), s
        for kind, a, b in zip(("ptr", "i64", "i64"), self.places_of(s.a), self.places_of(s.b)):
            x, y = self._load(kind, a), self._load(kind, b)
            self.out.lines += [f"  store {kind} {y}, ptr {a}", f"  store {kind} {x}, ptr {b}"]

    def push(self, s: Push) -> None:
        out, kind = self.out, s.stack.dtype
        memory, used_cell, room_cell = self.places_of(s.stack)
        source = s.source
        size = out.times(out.index(s.size), kind.size) if isinstance(source, (Buffer, At)) else str(kind.size)
        used, need, full = self._load("i64", used_cell), out.fresh(), out.fresh()
        room = self._load("i64", room_cell)
        grow, ready = out.label(), out.label()
        out.lines += [f"  {need} = add nuw nsw i64 {used}, {size}", f"  {full} = icmp ugt i64 {need}, {room}",
                      f"  br i1 {full}, label %{grow}, label %{ready}, !prof !{out.unlikely()}"]
        out.start(grow)
        self._grow(memory, room_cell, need)
        out.jump(ready)
        out.start(ready)
        base, top = self._load("ptr", memory), out.fresh()
        out.lines.append(f"  {top} = getelementptr inbounds i8, ptr {base}, i64 {used}")
        if isinstance(source, (Buffer, At)):
            self._copy(top, out.address(source), size)
        else:
            out.store_at(top, out.reg(source), kind, self._tags(s.stack))
        out.lines.append(f"  store i64 {need}, ptr {used_cell}")

    def _grow(self, memory: str, room_cell: str, need: str) -> None:
        out = self.out
        twice, size, raw, bad, more = out.fresh(), out.fresh(), out.fresh(), out.fresh(), out.label()
        old = self._load("ptr", memory)
        out.declare("declare i64 @llvm.umax.i64(i64, i64)")
        out.declare("declare ptr @realloc(ptr, i64)")
        out.lines += [f"  {twice} = shl i64 {need}, 1", f"  {size} = call i64 @llvm.umax.i64(i64 {twice}, i64 {LEAST})",
                      f"  {raw} = call ptr @realloc(ptr {old}, i64 {size})", f"  {bad} = icmp eq ptr {raw}, null",
                      f"  br i1 {bad}, label %nomemory, label %{more}, !prof !{out.unlikely()}"]
        out.no_memory = True
        out.start(more)
        out.lines += [f"  store ptr {raw}, ptr {memory}", f"  store i64 {size}, ptr {room_cell}"]

    def _copy(self, target: str, source: str, size: str) -> None:
        self.out.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1 immarg)")
        self.out.lines.append(f"  call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")

    def peek(self, s: Peek) -> None:
        self.pop(s)

    def poke(self, s: Poke) -> None:
        out, kind = self.out, s.stack.dtype
        memory, used_cell, _ = self.places_of(s.stack)
        source = s.source
        size = out.times(out.index(s.size), kind.size) if isinstance(source, (Buffer, At)) else str(kind.size)
        used, need, short = self._load("i64", used_cell), self._down_to(s, size), out.fresh()
        extend, ready = out.label(), out.label()
        out.lines += [f"  {short} = icmp ult i64 {used}, {need}",
                      f"  br i1 {short}, label %{extend}, label %{ready}, !prof !{out.unlikely()}"]
        out.start(extend)
        self._extend(s.stack, used, need)
        out.jump(ready)
        out.start(ready)
        base, now, rest, there = self._load("ptr", memory), self._load("i64", used_cell), out.fresh(), out.fresh()
        out.lines += [f"  {rest} = sub nuw nsw i64 {now}, {need}",
                      f"  {there} = getelementptr inbounds i8, ptr {base}, i64 {rest}"]
        if isinstance(source, (Buffer, At)):
            self._copy(there, out.address(source), size)
        else:
            out.store_at(there, out.reg(source), kind, self._tags(s.stack))

    def _down_to(self, s: Peek | Poke, size: str) -> str:
        """Bytes from the start of an entry to the top."""
        out, count, need = self.out, self.out.fresh(), self.out.fresh()
        out.lines += [f"  {count} = add nuw nsw i64 {out.index(s.depth)}, 1", f"  {need} = mul nuw nsw i64 {count}, {size}"]
        return need

    def _extend(self, stack: Stack, used: str, need: str) -> None:
        """Zeros below what a stack holds, twice as many bytes as are needed, so that going down step by step moves little."""
        out = self.out
        memory, used_cell, room_cell = self.places_of(stack)
        whole, more, above = out.fresh(), out.fresh(), out.fresh()
        out.lines.append(f"  {whole} = shl i64 {need}, 1")
        self._grow(memory, room_cell, whole)
        base = self._load("ptr", memory)
        out.declare("declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1 immarg)")
        out.lines += [f"  {more} = sub nuw nsw i64 {whole}, {used}",
                      f"  {above} = getelementptr inbounds i8, ptr {base}, i64 {more}",
                      f"  call void @llvm.memmove.p0.p0.i64(ptr {above}, ptr {base}, i64 {used}, i1 false)",
                      f"  store i64 {whole}, ptr {used_cell}"]
        self._zeros(base, more)

    def _zeros(self, where: str, size: str) -> None:
        self.out.declare("declare void @llvm.memset.p0.i64(ptr nocapture, i8, i64, i1 immarg)")
        self.out.lines.append(f"  call void @llvm.memset.p0.i64(ptr {where}, i8 0, i64 {size}, i1 false)")

    def pop(self, s: Pop | Peek) -> None:
        """The entry on top, or deeper, which stays."""
        out, kind = self.out, s.stack.dtype
        memory, used_cell, _ = self.places_of(s.stack)
        scalar = s.target if isinstance(s.target, Scalar) else None
        size = str(kind.size) if scalar is not None else out.times(out.index(s.size), kind.size)
        target = "" if isinstance(s.target, Scalar) else out.address(s.target)
        need = self._down_to(s, size) if isinstance(s, Peek) else size
        used, enough, rest = self._load("i64", used_cell), out.fresh(), out.fresh()
        take, empty, done = out.label(), out.label(), out.label()
        out.lines += [f"  {enough} = icmp uge i64 {used}, {need}", f"  br i1 {enough}, label %{take}, label %{empty}"]
        out.start(take)
        base, top = self._load("ptr", memory), out.fresh()
        out.lines += [f"  {rest} = sub nuw nsw i64 {used}, {need}",
                      f"  {top} = getelementptr inbounds i8, ptr {base}, i64 {rest}"]
        if isinstance(s, Pop):
            out.lines.append(f"  store i64 {rest}, ptr {used_cell}")
        found: str | tuple[str, str] = ""
        if scalar is not None:
            found = out.load_at(top, kind, self._tags(s.stack))
        else:
            self._copy(target, top, size)
        taken = out.block
        out.jump(done)
        out.start(empty)
        if target:
            self._zeros(target, size)
        out.jump(done)
        out.start(done)
        if scalar is not None:
            out.regs[scalar] = self._join(kind, found, taken, empty)

    def _join(self, kind: DType, found: str | tuple[str, str], taken: str, empty: str) -> Any:
        """The popped value, or zero."""
        out, parts = self.out, []
        name = {"f16": "float", "c64": "float", "c128": "double", "bool": "i1"}.get(kind.name, MEMORY[kind.name])
        zero = "0.0" if kind.inexact else "false" if name == "i1" else "0"
        for part in found if type(found) is tuple else (found,):
            parts.append(out.fresh())
            out.lines.append(f"  {parts[-1]} = phi {name} [{part}, %{taken}], [{zero}, %{empty}]")
        return tuple(parts) if len(parts) == 2 else parts[0]
