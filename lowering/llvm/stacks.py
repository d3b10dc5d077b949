"""Stacks in LLVM IR: a record each, { memory, bytes used, bytes there are }; where there is no room, twice as much is made.

The records lie in memory, so that sections (sections.py) find them there, and neither a join of branches nor a place where the
kernel fails has a value for each. A loop that pushes or pops numbers has them in registers meanwhile; what says where a
stack's memory is goes to the record at once, as whoever leaves the kernel frees that.

A call begins with about the room that the last one ended with (`mark`, in pages, a little less each time), so that a tape of
many megabytes has memory that the pool kept from then, and no fresh pages, which cost more than writing and reading the tape.

An array that is made to be pushed lies on top of its stack from the start, and one that is popped stays where it lay, where
passes/tapes_in_place.py has found that nothing else happens to the stack meanwhile.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...ir.thresholds import sizes
from ..loopir.grammar import Alloc, At, Buffer, Clear, For, Peek, Poke, Pop, Push, Scalar, Stack, Stmt, Swap, Table, While, walk
from .storage import MEMORY

if TYPE_CHECKING:
    from ...ir.types import DType
    from .emit import Emitter

LEAST = 4096              # bytes of the first allocation
PAGES = 12                # bits of a page's bytes, the unit of a mark
FADE = 5                  # by 1 / 2^FADE of it a mark falls from call to call

# More room in a record, where there is none: whether memory has run out. Functions of their own, as they hardly ever run, and
# there may be hundreds of pushes. mark: about the room that the last call ended with, in pages.
_GROW = f"""define internal i1 @stack.grow(ptr nocapture %record, i64 %need, ptr nocapture %mark) cold noinline nounwind {{
  %old = load ptr, ptr %record
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
  br i1 %none, label %done, label %keep
keep:
  %less = lshr i64 %size, {FADE}
  %left = sub i64 %size, %less
  %kept = lshr i64 %left, {PAGES}
  %short = trunc i64 %kept to i32
  store atomic i32 %short, ptr %mark monotonic, align 4
  %room = getelementptr inbounds i8, ptr %record, i64 16
  store ptr %raw, ptr %record
  store i64 %size, ptr %room
  br label %done
done:
  ret i1 %none
}}"""
# Zeros on top of what is used, which stays so: where an entry is popped that is not there. Whether memory has run out.
_ZEROED = """define internal i1 @stack.zeroed(ptr nocapture %record, i64 %used, i64 %size, ptr nocapture %mark) cold noinline {
  %place = getelementptr inbounds i8, ptr %record, i64 16
  %room = load i64, ptr %place
  %need = add i64 %used, %size
  %full = icmp ugt i64 %need, %room
  br i1 %full, label %grow, label %clear
grow:
  %none = call i1 @stack.grow(ptr %record, i64 %need, ptr %mark)
  br i1 %none, label %fail, label %clear
clear:
  %base = load ptr, ptr %record
  %top = getelementptr inbounds i8, ptr %base, i64 %used
  call void @llvm.memset.p0.i64(ptr %top, i8 0, i64 %size, i1 false)
  ret i1 false
fail:
  ret i1 true
}"""
_MEMSET = "declare void @llvm.memset.p0.i64(ptr nocapture, i8, i64, i1 immarg)"
_KINDS = ("ptr", "i64", "i64")              # of what a record has


class Stacks:
    """records   stack -> the pointers to its (memory, used, room) in memory
    held      the same of those that the loop around has in registers: allocas
    tops      buffers that lie on top of a stack
    lender    of a section: those of the function around it
    """

    def __init__(self, out: Emitter):
        self.out = out
        self.records: dict[Stack, tuple[str, str, str]] = {}
        self.held: dict[Stack, tuple[str, str, str]] = {}
        self.tops: dict[Buffer, Stack] = {}
        self.lender: Stacks | None = None
        self._registers: dict[Stack, tuple[str, str, str]] = {}
        self._whole = False                    # whether the loop around has no section in it

    # --- records ------------------------------------------------------------------------------------------------------

    def places_of(self, stack: Stack) -> tuple[str, str, str]:
        """Pointers to what its record has now."""
        return self.held.get(stack) or self._record(stack)

    def _record(self, stack: Stack) -> tuple[str, str, str]:
        found = self.records.get(stack)
        if found is None:
            out = self.out
            record = f"%stack{len(self.records)}" if self.lender is None else out.borrow(
                "ptr", self.lender.places_of(stack)[0], "noalias nocapture nonnull align 8 dereferenceable(24)")
            used, room = out.fresh(), out.fresh()
            out.entry += [f"  {used} = getelementptr inbounds i8, ptr {record}, i64 8",
                          f"  {room} = getelementptr inbounds i8, ptr {record}, i64 16"]
            found = self.records[stack] = record, used, room
        return found

    def made(self) -> list[str]:
        """The lines that make the records of a function's own stacks, all empty."""
        if self.lender is not None or not self.records:
            return []
        count = len(self.records)
        self.out.declare(_MEMSET)
        return [f"  %stacks = alloca [{3 * count} x i64], align 8",
                f"  call void @llvm.memset.p0.i64(ptr align 8 %stacks, i8 0, i64 {24 * count}, i1 false)",
                *(f"  %stack{k} = getelementptr inbounds i8, ptr %stacks, i64 {24 * k}" for k in range(count))]

    def release(self) -> list[str]:
        """The lines that free their memory."""
        if self.lender is not None or not self.records:
            return []
        self.out.declare("declare void @memory.shed_all(ptr nocapture, i64)")
        return [f"  call void @memory.shed_all(ptr %stacks, i64 {len(self.records)})"]

    @contextmanager
    def around(self, loop: For | While) -> Iterator[None]:
        """While a loop is written. What it pushes and pops of numbers is in registers, unless a section is cut out of it."""
        if self._whole or self.out.cuts(loop):
            yield
            return
        numbers, others = _stacks_in(loop)
        self._whole = True
        for stack in numbers:
            if stack not in others:
                self._move(stack, True)
        yield
        for stack in list(self.held):
            self._move(stack, False)
        self._whole = False

    def _move(self, stack: Stack, out_of_record: bool) -> None:
        record = self._record(stack)
        if stack not in self._registers:
            self._registers[stack] = self.out.alloca("ptr"), self.out.alloca("i64"), self.out.alloca("i64")
        cells = self._registers[stack]
        source, target = (record, cells) if out_of_record else (cells, record)
        for kind, there, here in zip(_KINDS, source, target, strict=True):
            self.out.lines.append(f"  store {kind} {self._load(kind, there)}, ptr {here}")
        if out_of_record:
            self.held[stack] = cells
        else:
            del self.held[stack]

    def _load(self, kind: str, cell: str) -> str:
        value = self.out.fresh()
        self.out.lines.append(f"  {value} = load {kind}, ptr {cell}")
        return value

    def _tags(self, stack: Stack) -> str:
        scopes, key = self.out.storage.scopes, self.out.storage.leader(stack)
        number = scopes.setdefault(key, len(scopes))
        return self.out.scope(number) if number < sizes.scopes else ""

    def top_of(self, buffer: Buffer) -> Stack | None:
        """The stack on which a buffer lies."""
        return self.tops.get(buffer) or (self.lender.top_of(buffer) if self.lender is not None else None)

    # --- what happens to them -----------------------------------------------------------------------------------------

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
        _, used_cell, room_cell = self.places_of(stack)
        used, need, full = self._load("i64", used_cell), out.fresh(), out.fresh()
        room = self._load("i64", room_cell)
        grow, ready = out.label(), out.label()
        out.lines += [f"  {need} = add nuw nsw i64 {used}, {size}", f"  {full} = icmp ugt i64 {need}, {room}",
                      f"  br i1 {full}, label %{grow}, label %{ready}, !prof !{out.unlikely()}"]
        out.start(grow)
        self._grow(stack, need)
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
        if isinstance(source, Buffer) and self.top_of(source) is s.stack:
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

    def _grow(self, stack: Stack, need: str) -> None:
        self._enlarged(stack, "grow", f"i64 {need}")

    def _enlarged(self, stack: Stack, helper: str, operands: str) -> None:
        """More room, leaving the kernel where there is none."""
        out = self.out
        out.declare("declare i64 @llvm.umax.i64(i64, i64)")
        out.declare("declare ptr @memory.extend(ptr, i64)")
        out.declare(_MEMSET)
        out.module.helpers |= {"stack.grow": _GROW} | ({"stack.zeroed": _ZEROED} if helper == "zeroed" else {})
        record, bad, more, mark = self._record(stack), out.fresh(), out.label(), out.module.mark(out.kernel, stack)
        out.lines += [f"  {bad} = call i1 @stack.{helper}(ptr {record[0]}, {operands}, ptr {mark})",
                      f"  br i1 {bad}, label %nomemory, label %{more}, !prof !{out.unlikely()}"]
        out.no_memory = True
        out.start(more)
        if stack in self.held:
            memory, _, room = self.held[stack]
            out.lines += [f"  store ptr {self._load('ptr', record[0])}, ptr {memory}",
                          f"  store i64 {self._load('i64', record[2])}, ptr {room}"]

    def _zeroed(self, stack: Stack, used: str, size: str) -> str:
        """Zeros on top of a stack that holds less: their address."""
        self._enlarged(stack, "zeroed", f"i64 {used}, i64 {size}")
        return self._top(stack, used)

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
        memory, used_cell, _ = self.places_of(stack)
        whole, more, above = out.fresh(), out.fresh(), out.fresh()
        out.lines.append(f"  {whole} = shl i64 {need}, 1")
        self._grow(stack, whole)
        base = self._load("ptr", memory)
        out.declare("declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1 immarg)")
        out.lines += [f"  {more} = sub nuw nsw i64 {whole}, {used}",
                      f"  {above} = getelementptr inbounds i8, ptr {base}, i64 {more}",
                      f"  call void @llvm.memmove.p0.p0.i64(ptr {above}, ptr {base}, i64 {used}, i1 false)",
                      f"  store i64 {whole}, ptr {used_cell}"]
        self._zeros(base, more)

    def _zeros(self, where: str, size: str) -> None:
        self.out.declare(_MEMSET)
        self.out.lines.append(f"  call void @llvm.memset.p0.i64(ptr {where}, i8 0, i64 {size}, i1 false)")

    def pop(self, s: Pop | Peek) -> None:
        """The entry on top, or deeper, which stays."""
        out, kind = self.out, s.stack.dtype
        memory, used_cell, _ = self.places_of(s.stack)
        scalar = s.target if isinstance(s.target, Scalar) else None
        size = str(kind.size) if scalar is not None else out.times(out.index(s.size), kind.size)
        stays = isinstance(s, Pop) and isinstance(s.target, Buffer) and self.top_of(s.target) is s.stack
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


def _stacks_in(loop: For | While) -> tuple[dict[Stack, None], set[Stack]]:
    """Those whose numbers a loop pushes and pops, and those that it gives to others: exchanged, or a table."""
    numbers, others = dict[Stack, None](), set[Stack]()
    for s in walk([loop]):
        if (isinstance(s, (Push, Poke)) and not isinstance(s.source, (Buffer, At))) or (
                isinstance(s, (Pop, Peek)) and isinstance(s.target, Scalar)):
            numbers[s.stack] = None
        elif type(s) in (Swap, Table):
            others |= {x for x in _given(s) if isinstance(x, Stack)}
    return numbers, others


def _given(s: Stmt) -> tuple:
    return (s.a, s.b) if isinstance(s, Swap) else (s.stack, s.target) if isinstance(s, Table) else ()
