"""The loop IR as text, in the grammar of loopir/grammar.py: what `--stage loops` shows.

A scalar without a name is numbered; equal names are told apart by a number after a dot. Temporaries show their memory
("stack", "heap" with its slot), checks their message and the user's line.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.text.color import colored
from ...ir.text.source_comments import Places, margin_of
from .grammar import (
    Alloc,
    At,
    Buffer,
    Clear,
    Copy,
    Fail,
    Fill,
    For,
    Get,
    If,
    Imm,
    Index,
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
    loc_of,
)

_MARKS = {Scalar: "%", Buffer: "$", Var: "@", Stack: "&"}


class _Printer:
    def __init__(self, kernel: Kernel, margin: bool | Places):
        self.kernel, self.depth = kernel, 0
        self.rows: list[str] = []
        self.margin = margin_of(margin)
        self.names: dict[object, str] = {}
        self.taken: dict[str, int] = {}
        self.count = 0

    # --- names and operands -------------------------------------------------------------------------------------------

    def name(self, item: Scalar | Buffer | Var | Stack) -> str:
        if item not in self.names:
            mark = _MARKS[type(item)]
            self.names[item] = mark + self._fresh(mark, item.name)
        return self.names[item]

    def _fresh(self, mark: str, hint: str) -> str:
        if not hint:
            self.count += 1
            return str(self.count - 1)
        seen = self.taken.get(mark + hint, 0)
        self.taken[mark + hint] = seen + 1
        return f"{hint}.{seen}" if seen else hint

    def operand(self, item: object) -> str:
        if isinstance(item, (Scalar, Buffer, Var, Stack)):
            return self.name(item)
        if isinstance(item, Imm):
            return repr(item.value)
        if isinstance(item, At):
            return self.name(item.buffer) + self.index(item.index)
        return repr(item)

    def operands(self, items: tuple[object, ...]) -> str:
        return ", ".join(map(self.operand, items))

    def index(self, index: Index) -> str:
        return f"[{self.operands(index)}]"

    def type(self, buffer: Buffer) -> str:
        return buffer.dtype.name + (self.index(buffer.dims) if buffer.dims else "")

    def site(self, number: int) -> str:
        """The check's message and line, as a comment."""
        if not 0 <= number < len(self.kernel.sites):
            return ""
        error, message, loc = self.kernel.sites[number]
        where = f"  {loc[-1].file.rpartition('/')[2]}:{loc[-1].line}" if loc else ""
        return f"    # {error}: {message!r}{where}"

    # --- statements ---------------------------------------------------------------------------------------------------

    def row(self, text: str) -> None:
        self.rows.append("  " * self.depth + text)

    def block(self, statements: list) -> None:
        self.depth += 1
        for stmt in statements:
            at = len(self.rows)
            _STATEMENTS[type(stmt)](self, stmt)
            made = getattr(stmt, "target", None)
            if type(self.margin) is Places:
                self.rows[at] = self.margin.beside(self.rows[at], loc_of(stmt))
            elif self.margin is not None and type(made) is Scalar:
                self.rows[at] = self.margin.beside(self.rows[at], made.loc)
        self.depth -= 1

    def let(self, s: Let) -> None:
        attrs = "".join(f" {k}={v!r}" for k, v in s.attrs.items()) + (" reassoc" if s.reassoc else "")
        self.row(f"{self.name(s.target)} = {s.op} {self.operands(s.args)}{attrs} : {s.target.dtype}")

    def load(self, s: Load) -> None:
        self.row(f"{self.name(s.target)} = load {self.name(s.buffer)}{self.index(s.index)} : {s.target.dtype}")

    def store(self, s: Store) -> None:
        self.row(f"store {self.name(s.buffer)}{self.index(s.index)}, {self.operand(s.value)}")

    def get(self, s: Get) -> None:
        self.row(f"{self.name(s.target)} = get {self.name(s.var)} : {s.target.dtype}")

    def set(self, s: Set) -> None:
        self.row(f"set {self.name(s.var)}, {self.operand(s.value)}")

    def for_(self, s: For) -> None:
        flags = (" unroll" if s.unroll else "") + (" apart" if s.apart else "")
        self.row(f"{'parallel ' if s.spread else ''}for {self.name(s.index)} in {self.operand(s.trip)}{flags} {{")
        self.block(s.body)
        self.row("}")

    def while_(self, s: While) -> None:
        self.row("while {")
        self.block(s.head)
        self.row(f"}} {self.operand(s.cond)} {{")
        self.block(s.body)
        self.row("}")

    def if_(self, s: If) -> None:
        self.row(f"if {self.operand(s.cond)} {{")
        self.block(s.then)
        if s.other:
            self.row("} else {")
            self.block(s.other)
        self.row("}")

    def alloc(self, s: Alloc) -> None:
        slot = f" slot {s.buffer.slot}" if s.buffer.slot is not None else ""
        place = f" on {self.name(s.stack)}" if s.stack is not None else ""
        self.row(f"alloc {self.name(s.buffer)}: {self.type(s.buffer)} {s.buffer.space}{slot}{place}")

    def fill(self, s: Fill) -> None:
        self.row(f"fill {self.name(s.buffer)}, {self.operand(s.value)}")

    def copy(self, s: Copy) -> None:
        self.row(f"copy {self.name(s.dst)}, {self.name(s.src)}")

    def swap(self, s: Swap) -> None:
        self.row(f"swap {self.name(s.a)}, {self.name(s.b)}")

    def clear(self, s: Clear) -> None:
        self.row(f"clear {self.name(s.stack)}")

    def push(self, s: Push) -> None:
        size = f", {self.operand(s.size)}" if isinstance(s.source, (Buffer, At)) else ""
        self.row(f"push {self.name(s.stack)}, {self.operand(s.source)}{size}")

    def pop(self, s: Pop) -> None:
        if isinstance(s.target, Scalar):
            self.row(f"{self.name(s.target)} = pop {self.name(s.stack)} : {s.target.dtype}")
        else:
            self.row(f"pop {self.name(s.stack)}, {self.operand(s.target)}, {self.operand(s.size)}")

    def poke(self, s: Poke) -> None:
        size = f", {self.operand(s.size)}" if isinstance(s.source, (Buffer, At)) else ""
        self.row(f"poke {self.name(s.stack)}, {self.operand(s.depth)}, {self.operand(s.source)}{size}")

    def peek(self, s: Peek) -> None:
        if isinstance(s.target, Scalar):
            self.row(f"{self.name(s.target)} = peek {self.name(s.stack)}, {self.operand(s.depth)} : {s.target.dtype}")
        else:
            self.row(f"peek {self.name(s.stack)}, {self.operand(s.depth)}, {self.operand(s.target)}, {self.operand(s.size)}")

    def table(self, s: Table) -> None:
        made = f"{self.name(s.target)} = " if isinstance(s.target, Scalar) else ""
        where = "" if made else f", {self.operand(s.target) if not isinstance(s.target, Stack) else self.name(s.target)}"
        values = f", {self.operands(s.values)}" if s.values else ""
        self.row(f"{made}table {s.mode} {s.key} {self.name(s.stack)}{where}{values}")

    def lib(self, s: Lib) -> None:
        failure = f" else fail {s.site}{self.site(s.site)}" if s.site is not None else ""
        self.row(f"lib {s.name} {self.operands(s.args)}{failure}")

    def fail(self, s: Fail) -> None:
        values = f" ({self.operands(s.values)})" if s.values else ""
        self.row(f"fail {self.operand(s.cond)}, {s.site}{values}{self.site(s.site)}")

    def print_(self, s: Print) -> None:
        self.row(f"print {s.site} ({self.operands(s.values)}){self.site(s.site)}")

    def text(self) -> str:
        params = ", ".join(f"{b.space} {self.name(b)}: {self.type(b)}" for b in self.kernel.params)
        self.row(f"kernel {self.kernel.name}({params}) {{")
        self.block(self.kernel.body)
        self.row("}")
        return "\n".join(self.rows) + "\n"


_STATEMENTS: dict[type, Callable[[_Printer, Any], None]] = {
               Let: _Printer.let, Load: _Printer.load, Store: _Printer.store, Get: _Printer.get, Set: _Printer.set,
               For: _Printer.for_, While: _Printer.while_, If: _Printer.if_, Alloc: _Printer.alloc, Fill: _Printer.fill,
               Copy: _Printer.copy, Swap: _Printer.swap, Clear: _Printer.clear, Push: _Printer.push,
               Pop: _Printer.pop, Peek: _Printer.peek, Poke: _Printer.poke, Table: _Printer.table, Lib: _Printer.lib,
               Fail: _Printer.fail, Print: _Printer.print_}


def print_kernel(kernel: Kernel, *, margin: bool | Places = False, color: bool = False) -> str:
    """The kernel in the loop IR's grammar. `margin` adds the user's line that each run of statements comes from."""
    text = _Printer(kernel, margin).text()
    return colored(text, "loops") if color else text
