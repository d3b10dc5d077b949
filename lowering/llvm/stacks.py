"""Stacks in LLVM IR: three registers each (memory, bytes used, bytes there are); where there is no room, twice as much is made.

A call begins with about the room that the last one ended with (`mark`, in pages, a little less each time), so that a tape of
many megabytes has memory that the pool kept from then, and no fresh pages, which cost more than writing and reading the tape.

An array that is made to be pushed lies on top of its stack from the start, and one that is popped stays where it lay, where
passes/tapes_in_place.py has found that nothing else happens to the stack meanwhile.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.thresholds import sizes
from ..loopir.grammar import Alloc, At, Buffer, Clear, Peek, Poke, Pop, Push, Scalar, Stack, Swap
from .storage import MEMORY

if TYPE_CHECKING:
    from ...ir.types import DType
    from .emit import Emitter

LEAST = 4096              # bytes of the first allocation
PAGES = 12                # bits of a page's bytes, the unit of a mark
FADE = 5                  # by 1 / 2^FADE of it a mark falls from call to call

# More room, where there is none: {memory, its bytes}; null where memory has run out. Functions of their own, as they hardly
# ever run, and there may be hundreds of pushes. mark: about the room that the last call ended with, in pages.
_GROWN = f"""define internal {{ ptr, i64 }} @stack.grown(ptr %old, i64 %need, ptr %mark) cold noinline nounwind {{
  %twice = shl i64 %need, 1
  %first = icmp eq ptr %old, null
  %pages = load atomic i32, ptr %mark monotonic, align 4
  %wide = zext i32 %pages to i64
  %last = shl i64 %wide, {PAGES}
  %wish = select i1 %first, i64 %last, i64 {LEAST}
  %least = call i64 @llvm.umax.i64(i64 %wish, i64 {LEAST})
  %size = call i64 @llvm.umax.i64(i64 %twice, i64 %least)
  %raw = call ptr @memory.extend(ptr %old, i64 %size)
  %none = icmp eq ptr %raw, null
  %less = lshr i64 %size, {FADE}
  %left = sub i64 %size, %less
  %kept = lshr i64 %left, {PAGES}
  %short = trunc i64 %kept to i32
  %new = select i1 %none, i32 %pages, i32 %short
  store atomic i32 %new, ptr %mark monotonic, align 4
  %one = insertvalue {{ ptr, i64 }} poison, ptr %raw, 0
  %both = insertvalue {{ ptr, i64 }} %one, i64 %size, 1
  ret {{ ptr, i64 }} %both
}}"""
# Zeros on top of what is used, which stays so: where an entry is popped that is not there. Memory and its bytes as above.
_ZEROED = """define internal { ptr, i64 } @stack.zeroed(ptr %old, i64 %room, i64 %used, i64 %size, ptr %mark) cold noinline {
  %need = add i64 %used, %size
  %full = icmp ugt i64 %need, %room
  %one = insertvalue { ptr, i64 } poison, ptr %old, 0
  %same = insertvalue { ptr, i64 } %one, i64 %room, 1
  br i1 %full, label %grow, label %clear
grow:
  %more = call { ptr, i64 } @stack.grown(ptr %old, i64 %need, ptr %mark)
  %raw = extractvalue { ptr, i64 } %more, 0
  %none = icmp eq ptr %raw, null
  br i1 %none, label %done, label %clear
clear:
  %both = phi { ptr, i64 } [%same, %0], [%more, %grow]
  %base = extractvalue { ptr, i64 } %both, 0
  %top = getelementptr inbounds i8, ptr %base, i64 %used
  call void @llvm.memset.p0.i64(ptr %top, i8 0, i64 %size, i1 false)
  br label %done
done:
  %found = phi { ptr, i64 } [%both, %clear], [%more, %grow]
  ret { ptr, i64 } %found
}"""


class Stacks:
    """`cells[stack]`: the allocas of (memory, used, room)."""

    def __init__(self, out: Emitter):
        self.out = out
        self.cells: dict[Stack, tuple[str, str, str]] = {}
        self.tops: dict[Buffer, Stack] = {}        # buffers that lie on top of a stack
        self.marks: dict[str, str] = {}            # cell of the memory -> the global with the room of the last call

    def places_of(self, stack: Stack) -> tuple[str, str, str]:
        """The allocas of its registers."""
        found = self.cells.get(stack)
        if found is None:
            out = self.out
            found = self.cells[stack] = out.alloca("ptr"), out.alloca("i64"), out.alloca("i64")
            memory, used, room = found
            out.entry += [f"  store ptr null, ptr {memory}", f"  store i64 0, ptr {used}", f"  store i64 0, ptr {room}"]
            out.storage.grown.append((memory, room))
            name = self.marks[memory] = f"@{out.storage.name}.mark{len(self.marks)}"
            out.storage.globals.append(f"{name} = internal global i32 0")
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

    def alloc(self, s: Alloc) -> None:
        """A buffer on top of a stack: room for it, where it is not what the stack holds already."""
        assert s.stack is not None
        self.tops[s.buffer] = s.stack
        if not s.taken:
            used, _ = self._room(s.stack, self.out.storage.bytes_of(s.buffer))
            self.out.storage.lie(s.buffer, self._top(s.stack, used))

    def _room(self, stack: Stack, size: str) -> tuple[str, str]:
        """Make room for so many bytes: (bytes used now, bytes used then)."""
        out = self.out
        memory, used_cell, room_cell = self.places_of(stack)
        used, need, full = self._load("i64", used_cell), out.fresh(), out.fresh()
        room = self._load("i64", room_cell)
        grow, ready = out.label(), out.label()
        out.lines += [f"  {need} = add nuw nsw i64 {used}, {size}", f"  {full} = icmp ugt i64 {need}, {room}",
                      f"  br i1 {full}, label %{grow}, label %{ready}, !prof !{out.unlikely()}"]
        out.start(grow)
        self._grow(memory, room_cell, need)
        out.jump(ready)
        out.start(ready)
        return used, need

    def _top(self, stack: Stack, used: str) -> str:
        base, top = self._load("ptr", self.places_of(stack)[0]), self.out.fresh()
        self.out.lines.append(f"  {top} = getelementptr inbounds i8, ptr {base}, i64 {used}")
        return top

    def push(self, s: Push) -> None:
        out, kind, source = self.out, s.stack.dtype, s.source
        whole = isinstance(source, (Buffer, At))
        size = out.times(out.index(s.size), kind.size) if whole else str(kind.size)
        used_cell = self.places_of(s.stack)[1]
        if isinstance(source, Buffer) and self.tops.get(source) is s.stack:
            used, need = self._load("i64", used_cell), out.fresh()
            out.lines.append(f"  {need} = add nuw nsw i64 {used}, {size}")
        else:
            used, need = self._room(s.stack, size)
            top = self._top(s.stack, used)
            if isinstance(source, (Buffer, At)):
                self._copy(top, out.address(source), size)
            else:
                out.store_at(top, out.reg(source), kind, self._tags(s.stack))
        out.lines.append(f"  store i64 {need}, ptr {used_cell}")

    def _grow(self, memory: str, room_cell: str, need: str) -> None:
        self._enlarged(memory, room_cell, "grown", f"ptr {self._load('ptr', memory)}, i64 {need}")

    def _enlarged(self, memory: str, room_cell: str, helper: str, operands: str) -> str:
        """Take the memory that a helper gives, leaving the kernel where there is none."""
        out = self.out
        out.declare("declare i64 @llvm.umax.i64(i64, i64)")
        out.declare("declare ptr @memory.extend(ptr, i64)")
        out.declare("declare void @llvm.memset.p0.i64(ptr nocapture, i8, i64, i1 immarg)")
        out.module.helpers |= {"stack.grown": _GROWN} | ({"stack.zeroed": _ZEROED} if helper == "zeroed" else {})
        both, raw, size, bad, more = out.fresh(), out.fresh(), out.fresh(), out.fresh(), out.label()
        out.lines += [f"  {both} = call {{ ptr, i64 }} @stack.{helper}({operands}, ptr {self.marks[memory]})",
                      f"  {raw} = extractvalue {{ ptr, i64 }} {both}, 0", f"  {bad} = icmp eq ptr {raw}, null",
                      f"  br i1 {bad}, label %nomemory, label %{more}, !prof !{out.unlikely()}"]
        out.no_memory = True
        out.start(more)
        out.lines += [f"  {size} = extractvalue {{ ptr, i64 }} {both}, 1", f"  store ptr {raw}, ptr {memory}",
                      f"  store i64 {size}, ptr {room_cell}"]
        return raw

    def _zeroed(self, stack: Stack, used: str, size: str) -> str:
        """Zeros on top of a stack that holds less: their address."""
        memory, _, room_cell = self.places_of(stack)
        old, room, place = self._load("ptr", memory), self._load("i64", room_cell), self.out.fresh()
        raw = self._enlarged(memory, room_cell, "zeroed", f"ptr {old}, i64 {room}, i64 {used}, i64 {size}")
        self.out.lines.append(f"  {place} = getelementptr inbounds i8, ptr {raw}, i64 {used}")
        return place

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
        stays = isinstance(s, Pop) and isinstance(s.target, Buffer) and self.tops.get(s.target) is s.stack
        target = "" if stays or isinstance(s.target, Scalar) else out.address(s.target)
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
        elif target:
            self._copy(target, top, size)
        taken = out.block
        out.jump(done)
        out.start(empty)
        zeros = self._zeroed(s.stack, used, size) if stays else ""
        if target:
            self._zeros(target, size)
        without = out.block
        out.jump(done)
        out.start(done)
        if scalar is not None:
            out.regs[scalar] = self._join(kind, found, taken, empty)
        elif stays:
            assert isinstance(s.target, Buffer)
            place = out.fresh()
            out.lines.append(f"  {place} = phi ptr [{top}, %{taken}], [{zeros}, %{without}]")
            out.storage.lie(s.target, place)

    def _join(self, kind: DType, found: str | tuple[str, str], taken: str, empty: str) -> Any:
        """The popped value, or zero."""
        out, parts = self.out, []
        name = {"f16": "float", "c64": "float", "c128": "double", "bool": "i1"}.get(kind.name, MEMORY[kind.name])
        zero = "0.0" if kind.inexact else "false" if name == "i1" else "0"
        for part in found if type(found) is tuple else (found,):
            parts.append(out.fresh())
            out.lines.append(f"  {parts[-1]} = phi {name} [{part}, %{taken}], [{zero}, %{empty}]")
        return tuple(parts) if len(parts) == 2 else parts[0]
