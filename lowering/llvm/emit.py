"""Loop IR to LLVM IR text.

    kernel    ->  define i32 @NAME(ptr …, ptr %error)        one pointer per parameter, also for rank 0
    For       ->  guard, body with a phi for the index, latch        Var -> alloca, a register after mem2reg
    While If  ->  blocks                                             Let -> llvm/scalar.py        Lib -> libraries/blas.py
    Fail      ->  a cold block that fills the error record and leaves with 1

The error record is { i64 site, i64 values[32] }: integers are sign- or zero-extended, floats extended to f64 and
bit-cast, complex numbers take two words.
Site -1 means that memory ran out. Registers: bool is i1 (i8 in memory), index i64, a complex number two floats.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...ir.errors import IRError
from ...ir.ops.checks import REPORTED_WORDS
from ...ir.thresholds import sizes
from ..libraries import blas
from ..loopir.grammar import (
    Alloc,
    Atom,
    Buffer,
    Clear,
    Copy,
    Fail,
    Fill,
    For,
    Get,
    If,
    Imm,
    Kernel,
    Let,
    Lib,
    Load,
    Peek,
    Poke,
    Pop,
    Print,
    Push,
    Scalar,
    Set,
    Stack,
    Store,
    Swap,
    Table,
    Var,
    While,
    blocks,
    greatest,
    walk,
)
from . import parallel_loops, sections, tables
from .kernel_writer import REGISTER, Module, Writer
from .polls import WORK, Polls
from .scalar import Scalars
from .sections import Lie, Section
from .stacks import Stacks
from .storage import ALIGN, MEMORY
from .straight_loops import is_straight
from .unpredictable import BitTests

if TYPE_CHECKING:
    from ...ir.types import DType


class Emitter(Writer):
    """The text of one kernel while it is written."""

    def __init__(self, kernel: Kernel, fastmath: bool, module: Module | None = None, around: Emitter | None = None):
        super().__init__(kernel, fastmath, module, around)
        self.vars: dict[Var, tuple[str, ...]] = {}
        self.stacks, self.polls = Stacks(self), Polls(self, kernel)
        self.scalars = Scalars(self, fastmath)
        self.tests = BitTests()
        self.sections: dict[int, list] = {}            # of a large kernel, see sections.py

    # --- statements ---------------------------------------------------------------------------------------------------

    def body(self, statements: list) -> None:
        for stmt in self.in_sections(statements):
            _STATEMENTS[type(stmt)](self, stmt)

    def in_sections(self, statements: list) -> list:
        """The same with sections in place of their statements."""
        return self.sections.get(id(statements), statements)

    def cuts(self, s: For | While) -> bool:
        """Whether a section is cut out of a loop."""
        return bool(self.sections) and any(id(block) in self.sections for t in walk([s]) for block in blocks(t))

    def let(self, s: Let) -> None:
        self.tests.note(s)
        self.regs[s.target] = self.scalars.let(s)

    def unpredictable(self, cond: Atom) -> str:
        """What a branch or a choice says of its condition."""
        return f", !unpredictable !{self.empty()}" if cond in self.tests else ""

    def load(self, s: Load) -> None:
        pointer, tags, kind = self.storage.element(s.buffer, s.index), self.storage.tags(s.buffer), s.buffer.dtype
        self.regs[s.target] = self.load_at(pointer, kind, tags + self.group)

    def load_at(self, pointer: str, kind: DType, tags: str = "") -> str | tuple[str, str]:
        """The element at an address, as registers."""
        name, align = kind.name, ALIGN[kind.name]
        if kind.complex:
            part, second = REGISTER[name], self.fresh()
            self.lines.append(f"  {second} = getelementptr inbounds {part}, ptr {pointer}, i64 1")
            re, im = self.fresh(), self.fresh()
            self.lines += [f"  {re} = load {part}, ptr {pointer}, align {align}{tags}",
                           f"  {im} = load {part}, ptr {second}, align {align}{tags}"]
            return re, im
        value = self.fresh()
        self.lines.append(f"  {value} = load {MEMORY[name]}, ptr {pointer}, align {align}{tags}")
        if name == "bool":
            raw, value = value, self.fresh()
            self.lines.append(f"  {value} = icmp ne i8 {raw}, 0")
        elif name == "f16":
            raw, value = value, self.fresh()
            self.lines.append(f"  {value} = fpext half {raw} to float")
        return value

    def store(self, s: Store) -> None:
        self.store_at(self.storage.element(s.buffer, s.index), self.reg(s.value), s.buffer.dtype,
                      self.storage.tags(s.buffer) + self.group)

    def store_at(self, pointer: str, value: str | tuple[str, str], kind: DType, tags: str = "") -> None:
        name, align = kind.name, ALIGN[kind.name]
        if kind.complex:
            part, second = REGISTER[name], self.fresh()
            self.lines += [f"  {second} = getelementptr inbounds {part}, ptr {pointer}, i64 1",
                           f"  store {part} {value[0]}, ptr {pointer}, align {align}{tags}",
                           f"  store {part} {value[1]}, ptr {second}, align {align}{tags}"]
            return
        if name == "bool":
            byte = self.fresh()
            self.lines.append(f"  {byte} = zext i1 {value} to i8")
            value = byte
        elif name == "f16":
            half = self.fresh()
            self.lines.append(f"  {half} = fptrunc float {value} to half")
            value = half
        self.lines.append(f"  store {MEMORY[name]} {value}, ptr {pointer}, align {align}{tags}")

    def _cells(self, var: Var) -> tuple[str, ...]:
        if var not in self.vars:
            kind = REGISTER[var.dtype.name]
            self.vars[var] = tuple(self.alloca(kind) for _ in range(2 if var.dtype.complex else 1))
        return self.vars[var]

    def get(self, s: Get) -> None:
        kind, parts = REGISTER[s.var.dtype.name], []
        for cell in self._cells(s.var):
            parts.append(self.fresh())
            self.lines.append(f"  {parts[-1]} = load {kind}, ptr {cell}")
        self.regs[s.target] = (parts[0], parts[1]) if len(parts) == 2 else parts[0]

    def set(self, s: Set) -> None:
        kind, value = REGISTER[s.var.dtype.name], self.reg(s.value)
        for cell, part in zip(self._cells(s.var), value if type(value) is tuple else (value,), strict=True):
            self.lines.append(f"  store {kind} {part}, ptr {cell}")

    # --- control ------------------------------------------------------------------------------------------------------

    def for_(self, s: For) -> None:
        if s.spread is not None:
            parallel_loops.write(self, s, s.spread)
        else:
            self.serial_for(s)

    def serial_for(self, s: For) -> None:
        outside, inside = (self.serial, self.group), _serial(s)
        group = self.node("distinct !{ }") if s.apart else None

        def write(index: str) -> None:
            self.regs[s.index] = index
            self.serial, self.group = inside, f", !llvm.access.group !{group}" if s.apart else ""
            self.polls.iteration(s)
            self.body(s.body)
            self.probing = dependent_loads(s.body) >= sizes.probes

        length = self.polls.chunk(s)
        with self.stacks.around(s):
            if length:
                self.chunks(self.index(s.trip), length, write, inside, group)
            else:
                self.loop(self.index(s.trip), write, s.unroll, inside, group, greatest(s.trip) < sizes.lanes,
                          s if is_straight(s) else None)
        self.serial, self.group = outside

    def chunks(self, trip: str, length: int, write: Callable, serial: bool, group: int | None) -> None:
        """A loop in chunks of `length` iterations, between which signals are asked for."""
        several, count, room, size = (self.fresh() for _ in range(4))
        self.lines += [f"  {several} = add i64 {trip}, {length - 1}", f"  {count} = sdiv i64 {several}, {length}"]

        def chunk(number: str) -> None:
            self.polls.question(WORK)
            start, left = self.fresh(), self.fresh()
            self.lines += [f"  {start} = mul nsw i64 {number}, {length}", f"  {left} = sub nsw i64 {trip}, {start}",
                           f"  {room} = icmp slt i64 {left}, {length}",
                           f"  {size} = select i1 {room}, i64 {left}, i64 {length}"]

            def element(within: str) -> None:
                index = self.fresh()
                self.lines.append(f"  {index} = add nsw i64 {start}, {within}")
                write(index)

            self.loop(size, element, False, serial, group)

        self.loop(count, chunk, False, True)

    def while_(self, s: While) -> None:
        with self.stacks.around(s):
            self._while(s)

    def _while(self, s: While) -> None:
        head, body, done = self.label(), self.label(), self.label()
        outside, self.serial = self.serial, True
        self.jump(head)
        self.start(head)
        self.depth += 1
        self.body(s.head)
        self.lines.append(f"  br i1 {self.reg(s.cond)}, label %{body}, label %{done}")
        self.start(body)
        self.body(s.body)
        self.polls.iteration(s)
        self.depth -= 1
        self.jump(head)
        self.start(done)
        self.innermost, self.serial = False, outside

    def if_(self, s: If) -> None:
        then, done = self.label(), self.label()
        other = self.label() if s.other else done
        hint = f", !prof !{self.unlikely()}" if s.rare else self.unpredictable(s.cond)
        self.lines.append(f"  br i1 {self.reg(s.cond)}, label %{then}, label %{other}{hint}")
        outside, self.rare = self.rare, self.rare or s.rare
        self.start(then)
        self.body(s.then)
        self.jump(done)
        self.rare = outside
        if s.other:
            self.start(other)
            self.body(s.other)
            self.jump(done)
        self.start(done)

    def either(self, cond: str, then: Callable[[], None], other: Callable[[], None]) -> None:
        """Lines that run where a condition (a register) holds, and others that run where it does not."""
        yes, no, done = self.label(), self.label(), self.label()
        self.lines.append(f"  br i1 {cond}, label %{yes}, label %{no}")
        self.start(yes)
        then()
        self.jump(done)
        self.start(no)
        other()
        self.jump(done)
        self.start(done)

    # --- whole buffers ------------------------------------------------------------------------------------------------

    def alloc(self, s: Alloc) -> None:
        if s.stack is not None:
            self.stacks.alloc(s)
        else:
            self.storage.alloc(s.buffer)

    def fill(self, s: Fill) -> None:
        buffer = s.buffer
        if type(s.value) is Imm and _all_zero(s.value):
            size = self.product([*buffer.dims, buffer.dtype.size])
            if size != "0":
                self.declare("declare void @llvm.memset.p0.i64(ptr nocapture, i8, i64, i1 immarg)")
                self.lines.append(f"  call void @llvm.memset.p0.i64(ptr align {ALIGN[buffer.dtype.name]} "
                                  f"{self.storage.base(buffer)}, i8 0, i64 {size}, i1 false)")
            return
        value, base, kind = self.reg(s.value), self.storage.base(buffer), buffer.dtype

        def write(index: str) -> None:
            pointer = self.fresh()
            self.lines.append(f"  {pointer} = getelementptr inbounds {MEMORY[kind.name]}, ptr {base}, i64 {index}")
            self.store_at(pointer, value, kind, self.storage.tags(buffer))

        self.loop(self.product(buffer.dims), write)

    def copy(self, s: Copy) -> None:
        size = self.product([*s.src.dims, s.src.dtype.size])
        if size == "0":
            return
        align = ALIGN[s.src.dtype.name]
        self.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1 immarg)")
        self.lines.append(f"  call void @llvm.memcpy.p0.p0.i64(ptr align {align} {self.storage.base(s.dst)}, "
                          f"ptr align {align} {self.storage.base(s.src)}, i64 {size}, i1 false)")

    def swap(self, s: Swap) -> None:
        if isinstance(s.a, Stack) or isinstance(s.b, Stack):
            self.stacks.swap(s)
            return
        cells = self.storage.cells
        a, b = self.storage.base(s.a), self.storage.base(s.b)
        self.lines += [f"  store ptr {b}, ptr {cells[s.a]}", f"  store ptr {a}, ptr {cells[s.b]}"]

    # --- leaving and reporting ------------------------------------------------------------------------------------------

    def fail(self, s: Fail) -> None:
        self.leave_if(self.one(s.cond), s.site, s.values)

    def leave_if(self, cond: str, site: int, values: tuple[Imm | Scalar, ...] = ()) -> None:
        """Where cond (an i1 operand) holds, report the site and its values and return 1."""
        bad, go_on = self.label(), self.label()
        self.lines.append(f"  br i1 {cond}, label %{bad}, label %{go_on}, !prof !{self.unlikely()}")
        self.fails = True
        hot, self.lines = self.lines, self.cold
        self.start(bad)
        self.lines.append(f"  store i64 {site}, ptr %error, align 8")
        words = [word for value in values for word in self.words(value)]
        if len(words) > REPORTED_WORDS:
            raise IRError(f"loop IR: a check reports {len(words)} words; the error record has room for {REPORTED_WORDS}")
        for k, word in enumerate(words):
            pointer = self.fresh()
            self.lines += [f"  {pointer} = getelementptr inbounds i8, ptr %error, i64 {8 * (k + 1)}",
                           f"  store i64 {word}, ptr {pointer}, align 8"]
        self.jump("fail")
        self.lines = hot
        self.start(go_on)

    def leave(self, code: str) -> None:
        """Return 1 where a function of this module has."""
        bad, go_on = self.fresh(), self.label()
        self.fails = True
        self.lines += [f"  {bad} = icmp ne i32 {code}, 0",
                       f"  br i1 {bad}, label %fail, label %{go_on}, !prof !{self.unlikely()}"]
        self.start(go_on)

    def words(self, atom: Atom) -> tuple[str, ...]:
        """The value as 64-bit words: integers extended, floats as the bits of an f64; two words for a complex number."""
        found, kind = self.reg(atom), atom.dtype
        if isinstance(found, tuple):
            return self._float_word(found[0], kind), self._float_word(found[1], kind)
        value = found
        if kind.kind == "f":
            return (self._float_word(value, kind),)
        if kind.bits == 64:
            return (value,)
        out = self.fresh()
        self.lines.append(f"  {out} = {'sext' if kind.kind == 'i' else 'zext'} {REGISTER[kind.name]} {value} to i64")
        return (out,)

    def _float_word(self, value: str, kind: DType) -> str:
        if REGISTER[kind.name] == "float":
            wide = self.fresh()
            self.lines.append(f"  {wide} = fpext float {value} to double")
            value = wide
        out = self.fresh()
        self.lines.append(f"  {out} = bitcast double {value} to i64")
        return out

    def print_(self, s: Print) -> None:
        """tracegrad.print(format, its bytes, dtypes, words): buffers pass their address and dimensions."""
        words, kinds = [], []
        for value in s.values:
            if isinstance(value, Buffer):
                address = self.fresh()
                self.lines.append(f"  {address} = ptrtoint ptr {self.storage.base(value)} to i64")
                words += [address, *map(self.index, value.dims)]
                kinds.append(f"{value.dtype.name}:{len(value.dims)}")
            else:
                words += self.words(value)
                kinds.append(value.dtype.name)
        room = self.alloca(f"[{max(len(words), 1)} x i64]", 8)
        for k, word in enumerate(words):
            pointer = self.fresh()
            self.lines += [f"  {pointer} = getelementptr inbounds i64, ptr {room}, i64 {k}",
                           f"  store i64 {word}, ptr {pointer}"]
        strings = [self.kernel.sites[s.site][1].encode(), ",".join(kinds).encode()]
        operands = [f"ptr {self.add_global(_bytes_constant(t))}, i64 {len(t)}" for t in strings]
        self.declare("declare void @tracegrad.print(ptr, i64, ptr, i64, ptr)")
        self.lines.append(f"  call void @tracegrad.print({', '.join(operands)}, ptr {room})")

    def lib(self, s: Lib) -> None:
        blas.emit(self, s)

    # --- the whole ----------------------------------------------------------------------------------------------------

    def beside(self) -> Emitter:
        """A writer for another function of this module."""
        return Emitter(replace(self.kernel, params=[], body=[], notes=[], loops=[]), self.fastmath, self.module)

    def section(self, statements: list, lent: list[Buffer]) -> Emitter:
        """A writer for some of this function's statements. lent: buffers that it has allocated for them."""
        kernel = replace(self.kernel, params=[], body=statements, notes=[], loops=[])
        inner = type(self)(kernel, self.fastmath, self.module, self)
        inner.asks, inner.depth, inner.tests = self.asks, self.depth, self.tests
        inner.storage.lend(self.storage, lent)
        inner.stacks.lender = self.stacks
        return inner

    def text(self) -> str:
        """The module of a kernel."""
        kernel = self.kernel
        self.sections = sections.cut(kernel)
        params = [self.storage.parameter(k, b) for k, b in enumerate(kernel.params)]
        params.append("ptr noalias nocapture nonnull align 8 dereferenceable(56) %error")
        return self.module.text(self.function(f"define i32 @{kernel.symbol}", lambda: params, kernel.body))

    def function(self, define: str, params: Callable[[], list[str]], statements: list, attributes: str = "nounwind") -> str:
        """The function that runs these statements. `params` is asked when they are written."""
        initial, self.lines = self.lines, []
        self.body(statements)
        workspace = self.storage.workspace()
        self.finish_scopes()
        if self.no_memory:
            self.cold += ["nomemory:", "  store i64 -1, ptr %error, align 8", "  br label %fail"]
        if self.fails or self.no_memory:
            self.cold += ["fail:", *self.storage.release(True), *self.stacks.release(), "  ret i32 1"]
        leave = [*self.storage.release(False), *self.stacks.release()]
        head = [f"{define}({', '.join(params())}) {attributes} {{", "entry:", *self.storage.made_cells(), *self.stacks.made(),
                *self.entry, *initial, *workspace, "  br label %body"]
        return "\n".join([*head, "body:", *self.lines, *leave, "  ret i32 0", *self.cold, "}"])


def _serial(loop: For) -> bool:
    """Whether an iteration waits for the one before or branches: a variable is read, then set, but by a reduction's step."""
    reduced = {s.target for s in loop.body if type(s) is Let and s.reassoc}
    read, own = set(), set()                       # own: variables that an iteration sets before it reads them
    for s in loop.body:
        if type(s) in (If, While, Fail):
            return True
        if type(s) is Get:
            read.add(s.var)
        elif type(s) is Set and s.var not in read:
            own.add(s.var)
        elif type(s) is Set and s.var not in own and s.value not in reduced:
            return True
    return False


def dependent_loads(body: list) -> int:
    """The most loads of a straight body that follow from one another: each at a place that the one before decides."""
    depth: dict[Scalar, int] = {}
    for s in body:
        if type(s) is Let:
            depth[s.target] = max((depth.get(a, 0) for a in s.args if type(a) is Scalar), default=0)
        elif type(s) is Load:
            depth[s.target] = 1 + max((depth.get(i, 0) for i in s.index if type(i) is Scalar), default=0)
    return max(depth.values(), default=0)


def _bytes_constant(data: bytes) -> str:
    return f'private unnamed_addr constant [{len(data)} x i8] c"' + "".join(f"\\{b:02x}" for b in data) + '"'


def _all_zero(imm: Imm) -> bool:
    """Whether the value's bytes are all 0 (so not -0.0)."""
    return not any(imm.dtype.np.type(imm.value).tobytes())


_STATEMENTS: dict[type, Callable[[Emitter, Any], None]] = {
               Let: Emitter.let, Load: Emitter.load, Store: Emitter.store, Get: Emitter.get, Set: Emitter.set,
               For: Emitter.for_, While: Emitter.while_, If: Emitter.if_, Alloc: Emitter.alloc, Fill: Emitter.fill,
               Copy: Emitter.copy, Swap: Emitter.swap, Clear: lambda out, s: out.stacks.clear(s),
               Push: lambda out, s: out.stacks.push(s), Pop: lambda out, s: out.stacks.pop(s),
               Peek: lambda out, s: out.stacks.peek(s), Poke: lambda out, s: out.stacks.poke(s), Table: tables.emit,
               Section: sections.write, Lie: sections.lie, Lib: Emitter.lib, Fail: Emitter.fail, Print: Emitter.print_}


def emit(kernel: Kernel, *, fastmath: bool = False, widths: tuple[int, ...] | None = None) -> str:
    """The LLVM IR text of a kernel. Constants that it reads by address must outlive the code: keep the kernel. widths: the
    vector widths of the machine that it is for, where that is not this one."""
    return Emitter(kernel, fastmath, Module(widths=widths)).text()
