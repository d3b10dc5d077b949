"""Buffers as LLVM pointers: where each one's memory comes from, the address of an element, and what aliases what.

    space            memory
    in out inout     the pointer parameter (noalias: the caller guarantees it)
    result           malloc, through the descriptor that the parameter points to
    const            frozen and small: a private global; frozen and large: a symbol; otherwise the array's own address
    stack, heap      as memory/layout.py says: an alloca of the entry block, a place in the workspace (one allocation a
                     call), or an allocation that only grows, freed when the kernel returns: none per iteration

The buffers of the workspace and those of run-time size have one base or none that LLVM can tell apart, so each is an alias
scope of its own and every access names the scopes that it does not touch. Buffers that share memory (by slot or by Swap)
share the scope.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...ir.errors import IRError
from ...ir.thresholds import sizes
from ..loopir.grammar import Buffer, Kernel, Stack, Swap, walk
from ..memory.layout import Layout, bytes_of
from ..memory.scratch_pool import HEADER, LARGE
from ..native.engine import constant
from .scalar import float_literal

if TYPE_CHECKING:
    from .kernel_writer import Writer

MEMORY = {"bool": "i8", "i8": "i8", "u8": "i8", "i16": "i16", "u16": "i16", "i32": "i32", "u32": "i32", "i64": "i64",
          "u64": "i64", "index": "i64", "f16": "half", "f32": "float", "f64": "double",
          "c64": "[2 x float]", "c128": "[2 x double]"}
ALIGN = {name: 4 if name == "c64" else 8 if name == "c128" else
         {"i8": 1, "i16": 2, "half": 2, "i32": 4, "float": 4}.get(text, 8)
         for name, text in MEMORY.items()}

FEW = 4                       # temporaries of run-time size


class Storage:
    """The memory of one kernel's buffers. `out` is the emitter, which provides fresh names and the lists of lines."""

    def __init__(self, out: Writer, kernel: Kernel):
        self.out, self.name = out, kernel.symbol
        self.bases: dict[Buffer, str] = {}          # a fixed pointer
        self.cells: dict[Buffer, str] = {}          # an alloca that holds the pointer, of buffers that Swap moves
        self.layout = Layout()
        self.taken: list[str] = []                  # cells with the pointers of temporaries of run-time size
        self.results: list[Buffer] = []
        self.freed_by = ""                          # the function that frees the workspace, where it is allocated
        self.scopes: dict = {}                      # scope key -> number
        self.scope_of: dict[Buffer, object] = {}
        self.globals: list[str] = out.module.constants
        self.descriptors: dict[Buffer, str] = {}
        self.lender: Storage | None = None          # of a section: that of the function around it
        self.lent: frozenset[Buffer] = frozenset()  # … and the buffers that it allocates for that
        self._moved(kernel)

    def _moved(self, kernel: Kernel) -> None:
        """Which buffers Swap moves; those that exchange memory, directly or in turns, are one scope."""
        self.group: dict[Buffer | Stack, Buffer | Stack] = {}
        for stmt in walk(kernel.body):
            if type(stmt) is Swap:
                a, b = self.leader(stmt.a), self.leader(stmt.b)
                self.group[a] = self.group[b] = a
                self.group.setdefault(stmt.a, a)
                self.group.setdefault(stmt.b, a)

    def leader(self, buffer: Buffer | Stack) -> Buffer | Stack:
        """Who stands for all that exchange memory with it."""
        while (up := self.group.get(buffer, buffer)) is not buffer:
            buffer = up
        return buffer

    # --- parameters and constants ---------------------------------------------------------------------------------

    def parameter(self, k: int, buffer: Buffer) -> str:
        """The declaration of parameter k."""
        if buffer.space == "result":
            self.descriptors[buffer] = f"%p{k}"
            self.results.append(buffer)
            self.out.entry.append(f"  store ptr null, ptr %p{k}")
            return f"ptr noalias nocapture nonnull align 8 %p{k}"
        self._place(buffer, f"%p{k}")
        size = buffer.count * buffer.dtype.size if buffer.static else 0
        text = f"ptr noalias nocapture {'readonly ' if buffer.space == 'in' else ''}"
        if size:
            text += f"nonnull align {ALIGN[buffer.dtype.name]} dereferenceable({size}) "
        return text + f"%p{k}"

    def _place(self, buffer: Buffer, pointer: str) -> None:
        """The buffer's memory starts at `pointer` from here on."""
        if buffer in self.group:
            if buffer not in self.cells:
                self.cells[buffer] = self.out.alloca("ptr")
            self.out.lines.append(f"  store ptr {pointer}, ptr {self.cells[buffer]}")
        else:
            self.bases[buffer] = pointer

    def base(self, buffer: Buffer) -> str:
        """The pointer to the buffer's first element."""
        if (cell := self.cells.get(buffer)) is not None:
            pointer = self.out.fresh()
            self.out.lines.append(f"  {pointer} = load ptr, ptr {cell}")
            return pointer
        if (pointer := self.bases.get(buffer)) is not None:
            return pointer
        if buffer.space == "const":
            self.bases[buffer] = pointer = self._constant(buffer)
            return pointer
        self.bases[buffer] = pointer = self.out.outside(buffer)
        return pointer

    def _constant(self, buffer: Buffer) -> str:
        data = buffer.constant
        if not (data.flags.c_contiguous and data.flags.aligned and data.dtype == buffer.dtype.np):
            raise IRError(f"loop IR: the constant {buffer!r} is not a C-contiguous {buffer.dtype} array")
        if not buffer.frozen:
            return f"inttoptr (i64 {data.ctypes.data} to ptr)"
        if data.nbytes > sizes.constant:
            symbol, _ = constant(data)
            self.out.declare(f"@{symbol} = external constant [{data.nbytes} x i8]")
            return f"@{symbol}"
        name = f"@{self.name}.const{len(self.globals)}"
        text = "".join(f"\\{byte:02x}" for byte in data.tobytes())
        self.globals.append(f'{name} = private unnamed_addr constant [{data.nbytes} x i8] c"{text}", align 64')
        return name

    # --- temporaries --------------------------------------------------------------------------------------------------

    def alloc(self, buffer: Buffer) -> None:
        if buffer not in self.lent:
            _ALLOC[self.layout.kind(buffer)](self, buffer)

    def lend(self, lender: Storage, buffers: Sequence[Buffer]) -> None:
        """Be that of a section of another function, which has allocated these buffers for it."""
        self.lender, self.lent = lender, frozenset(buffers)

    def shares(self, buffer: Buffer) -> bool:
        """Whether memory of the function around may be that of another buffer, too: then its scope tells it apart."""
        if self.lender is None:
            return False
        key = self.lender.scope_of.get(buffer)
        if key is not None:
            self.scope_of[buffer] = key
        return key is not None

    def _alloc_frame(self, buffer: Buffer) -> None:
        if buffer not in self.bases and buffer not in self.cells:
            size = bytes_of(buffer)
            self._place(buffer, self.out.alloca(f"[{size} x i8]", 64 if size >= 64 else 16))

    def _alloc_slot(self, buffer: Buffer) -> None:
        """Promised here; `workspace` makes the pointer."""
        key = self.layout.key(buffer)
        self.scope_of[buffer] = self.leader(buffer) if buffer in self.group else key
        self._place(buffer, self.layout.slots[key].name)

    def bytes_of(self, buffer: Buffer) -> str:
        """The size in bytes, as an i64 operand, at least 1; where it overflows, so much that malloc refuses it."""
        if buffer.static:
            return str(min(max(bytes_of(buffer), 1), 2 ** 62))
        out, sizes = self.out, [*buffer.dims, buffer.dtype.size]
        total = out.product(sizes)
        about = "1.0"
        for size in sizes:
            wide, product = out.fresh(), out.fresh()
            out.lines += [f"  {wide} = sitofp i64 {out.index(size)} to double", f"  {product} = fmul double {about}, {wide}"]
            about = product
        huge, least, size = out.fresh(), out.fresh(), out.fresh()
        out.declare("declare i64 @llvm.smax.i64(i64, i64)")
        out.lines += [f"  {huge} = fcmp oge double {about}, {float_literal(2.0 ** 62)}",
                      f"  {least} = call i64 @llvm.smax.i64(i64 {total}, i64 1)",
                      f"  {size} = select i1 {huge}, i64 {2 ** 62}, i64 {least}"]
        return size

    def _allocate(self, function: str, size: str) -> str:
        """Memory from malloc or memory.take, leaving the kernel where there is none."""
        out = self.out
        raw, bad, more = out.fresh(), out.fresh(), out.label()
        out.declare(f"declare noalias ptr @{function}(i64)")
        out.lines += [f"  {raw} = call ptr @{function}(i64 {size})", f"  {bad} = icmp eq ptr {raw}, null",
                      f"  br i1 {bad}, label %nomemory, label %{more}, !prof !{out.unlikely()}"]
        out.start(more)
        out.no_memory = True
        return raw

    def _alloc_result(self, buffer: Buffer) -> None:
        out, descriptor = self.out, self.descriptors[buffer]
        old = out.fresh()
        out.declare("declare void @free(ptr)")
        out.lines += [f"  {old} = load ptr, ptr {descriptor}", f"  call void @free(ptr {old})",
                      f"  store ptr null, ptr {descriptor}"]
        raw = self._allocate("malloc", self.bytes_of(buffer))
        out.lines.append(f"  store ptr {raw}, ptr {descriptor}")
        for axis, dim in enumerate(buffer.dims):
            field = out.fresh()
            out.lines += [f"  {field} = getelementptr inbounds i8, ptr {descriptor}, i64 {8 * (axis + 1)}",
                          f"  store i64 {out.index(dim)}, ptr {field}"]
        self.scope_of[buffer] = self.leader(buffer) if buffer in self.group else buffer
        self._place(buffer, raw)

    def _alloc_grown(self, buffer: Buffer) -> None:
        """Grow-only memory: inside loops with half as much again, so that growing lengths cost few allocations."""
        out = self.out
        cell, room = out.fresh(), out.alloca("i64")            # `made_cells` makes the first
        out.entry += [f"  store ptr null, ptr {cell}", f"  store i64 0, ptr {room}"]
        self.taken.append(cell)
        size, have, small = self.bytes_of(buffer), out.fresh(), out.fresh()
        grow, ready = out.label(), out.label()
        out.lines += [f"  {have} = load i64, ptr {room}", f"  {small} = icmp ugt i64 {size}, {have}",
                      f"  br i1 {small}, label %{grow}, label %{ready}"]
        out.start(grow)
        old = out.fresh()
        out.declare("declare void @memory.give(ptr)")
        out.lines += [f"  {old} = load ptr, ptr {cell}", f"  call void @memory.give(ptr {old})",
                      f"  store ptr null, ptr {cell}", f"  store i64 0, ptr {room}"]
        if out.depth:
            half, larger = out.fresh(), out.fresh()
            out.lines += [f"  {half} = lshr i64 {size}, 1", f"  {larger} = add i64 {size}, {half}"]
            size = larger
        padded = out.fresh()
        out.lines.append(f"  {padded} = add i64 {size}, 63")
        raw = self._allocate("memory.take", padded)
        out.lines += [f"  store ptr {raw}, ptr {cell}", f"  store i64 {size}, ptr {room}", f"  br label %{ready}"]
        out.start(ready)
        now, last, pointer = out.fresh(), out.fresh(), out.fresh()
        out.declare("declare ptr @llvm.ptrmask.p0.i64(ptr, i64)")
        out.lines += [f"  {now} = load ptr, ptr {cell}", f"  {last} = getelementptr i8, ptr {now}, i64 {HEADER + 63}",
                      f"  {pointer} = call align 64 ptr @llvm.ptrmask.p0.i64(ptr {last}, i64 -64)"]
        self.scope_of[buffer] = self.leader(buffer) if buffer in self.group else buffer
        self._place(buffer, pointer)

    def lie(self, buffer: Buffer, pointer: str) -> None:
        """The buffer is the top of a stack, which nothing else reads or writes meanwhile."""
        self.scope_of[buffer] = buffer
        self._place(buffer, pointer)

    def release(self, failed: bool) -> list[str]:
        """The lines that free this kernel's memory before it returns 0, or 1 where it failed."""
        lines = [f"  call void @{self.freed_by}(ptr %workspace.raw)"] if self.freed_by else []
        if len(self.taken) > FEW:
            self.out.declare("declare void @memory.give_all(ptr nocapture, i64)")
            lines.append(f"  call void @memory.give_all(ptr %taken, i64 {len(self.taken)})")
        for cell in self.taken if len(self.taken) <= FEW else ():
            pointer = self.out.fresh()
            lines += [f"  {pointer} = load ptr, ptr {cell}", f"  call void @memory.give(ptr {pointer})"]
        for buffer in self.results if failed else ():
            pointer, descriptor = self.out.fresh(), self.descriptors[buffer]
            lines += [f"  {pointer} = load ptr, ptr {descriptor}", f"  call void @free(ptr {pointer})",
                      f"  store ptr null, ptr {descriptor}"]
        if lines:
            self.out.declare("declare void @free(ptr)")
        return lines

    def made_cells(self) -> list[str]:
        """The lines that make the cells of the temporaries of run-time size. Many stay in memory, in one array: as registers,
        each would have a value for each place that the kernel can fail at, and the code would grow with their square."""
        if len(self.taken) <= FEW:
            return [f"  {cell} = alloca ptr" for cell in self.taken]
        places = [f"  {cell} = getelementptr inbounds ptr, ptr %taken, i64 {k}" for k, cell in enumerate(self.taken)]
        return [f"  %taken = alloca [{len(places)} x ptr], align 8", *places]

    def workspace(self) -> list[str]:
        """The lines that make the slots, after the entry block's allocas."""
        places, top = self.layout.places()
        if not places:
            return []
        lines = [f"  {name} = getelementptr inbounds i8, ptr %workspace, i64 {at}" for name, at in places]
        if top + self.layout.frame <= sizes.stack:
            return [f"  %workspace = alloca [{top} x i8], align 64", *lines]
        out, large = self.out, top >= LARGE
        function, self.freed_by = ("memory.take", "memory.give") if large else ("malloc", "free")
        out.declare(f"declare noalias ptr @{function}(i64)")
        out.declare(f"declare void @{self.freed_by}(ptr)")
        out.no_memory = True
        head = [f"  %workspace.raw = call ptr @{function}(i64 {top + 63})",
                "  %workspace.none = icmp eq ptr %workspace.raw, null",
                f"  br i1 %workspace.none, label %nomemory, label %workspace.ok, !prof !{out.unlikely()}", "workspace.ok:",
                f"  %workspace.last = getelementptr i8, ptr %workspace.raw, i64 {63 + (HEADER if large else 0)}",
                "  %workspace = call align 64 ptr @llvm.ptrmask.p0.i64(ptr %workspace.last, i64 -64)"]
        out.declare("declare ptr @llvm.ptrmask.p0.i64(ptr, i64)")
        return [*head, *lines]

    # --- elements ---------------------------------------------------------------------------------------------------

    def element(self, buffer: Buffer, index: Any) -> str:
        """The address of an element; one index on a buffer of higher rank counts its elements. Trailing static dimensions
        become an array type, so that LLVM sees the shape."""
        base = self.base(buffer)
        if not index:
            return base
        out, element = self.out, MEMORY[buffer.dtype.name]
        inner, parts = buffer.dims[1:], [out.index(i) for i in index]
        if len(parts) < len(buffer.dims):
            kind = element
        elif all(type(d) is int for d in inner):
            kind = "".join(f"[{d} x " for d in inner) + element + "]" * len(inner)
        else:
            kind, linear = element, parts[0]
            for dim, part in zip(inner, parts[1:], strict=True):
                linear = out.sum(out.times(linear, dim), part)
            parts = [linear]
        pointer = out.fresh()
        out.lines.append(f"  {pointer} = getelementptr inbounds {kind}, ptr {base}, " + ", ".join(f"i64 {p}" for p in parts))
        return pointer

    def tags(self, buffer: Buffer) -> str:
        """The metadata of a load or store of this buffer."""
        if buffer.space == "const":
            return self.out.invariant()
        key = self.scope_of.get(buffer)
        if key is None:
            return ""
        number = self.scopes.setdefault(key, len(self.scopes))
        return self.out.scope(number) if number < sizes.scopes else ""


_ALLOC = {"result": Storage._alloc_result, "frame": Storage._alloc_frame, "workspace": Storage._alloc_slot,
          "grown": Storage._alloc_grown}
