"""Kernels that tell where they come from, and kernels that count: what `tracegrad report` looks at. Their
text is that of the code which calls run, but for the marks and the counters.

    located(kernel)     text whose instructions have the number of a place in the user's source as their line
    counting(kernel)    text whose loops add their clock ticks, entries and iterations to an array
"""
from __future__ import annotations

import ctypes
import functools
import platform
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from ...ir.errors import Frame, Loc
from ..loopir.grammar import For, Kernel, While, loc_of, walk
from ..native.engine import compile_named
from .emit import Emitter
from .kernel_writer import Module

Place = tuple[tuple[str, int], ...]              # (file, line) of each of the user's frames, the innermost last

_MARK = re.compile(r" ;@(\d+)$")
_DEBUG = re.compile(r",? !dbg !(\d+)")
_LOCATION = re.compile(r"^!(\d+) = !DILocation\(line: (\d+)", re.M)
_OWN = re.compile(
    r'!(\d+ = (distinct )?!DI|llvm\.dbg|llvm\.module\.flags = !\{!1048577\}|\d+ = !\{i32 2, !"Debug)')
_FIRST = 1 << 20                                 # the number of the first metadata node, above all that a kernel has of its own
# A counter that user programs may read. On 64-bit ARM the cycle counter is closed to them, the timer is not. x86 reads it
# before what stands in front of it is done, unless a fence says otherwise.
_X86 = platform.machine().lower() in ("x86_64", "amd64")
_CLOCK = "llvm.readcyclecounter" if _X86 else "llvm.readsteadycounter"
_DECLARED = [f"declare i64 @{_CLOCK}()", *(["declare void @llvm.x86.sse2.lfence()"] if _X86 else [])]


def _read(register: str) -> list[str]:
    fence = ["  call void @llvm.x86.sse2.lfence()"] if _X86 else []
    return [*fence, f"  {register} = call i64 @{_CLOCK}()"]


def place(loc: Loc | Iterable[Frame]) -> Place:
    return tuple((frame.file, frame.line) for frame in loc)


# --- places -----------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Places(Module):
    places: dict[Place, int] = field(default_factory=dict)


class _Located(Emitter):
    """Marks the lines of each statement with the number of its place, as a comment; where it has none, that around it."""

    module: _Places
    loc: Loc = ()

    def body(self, statements: list) -> None:
        around, places = self.loc, self.module.places
        for statement in self.in_sections(statements):
            self.loc, at = loc_of(statement) or around, len(self.lines)
            super().body([statement])
            if self.loc:
                mark = f" ;@{places.setdefault(place(self.loc), len(places) + 1)}"
                for k in range(at, len(self.lines)):
                    if self.lines[k].startswith("  ") and not _MARK.search(self.lines[k]):
                        self.lines[k] += mark
        self.loc = around


def located(kernel: Kernel, fastmath: bool = False) -> tuple[str, list[Place]]:
    """(the kernel's LLVM IR with debug information, the places that its line numbers, from 1 on, stand for)."""
    module = _Places()
    return _with_debug_information(_Located(kernel, fastmath, module).text()), list(module.places)


def _with_debug_information(text: str) -> str:
    """Comments become locations: one node for each place in each function, as a location names its function."""
    unit, version, file, kind = range(_FIRST, _FIRST + 4)
    nodes = [f"!llvm.dbg.cu = !{{!{unit}}}", f"!llvm.module.flags = !{{!{version}}}",
             f'!{unit} = distinct !DICompileUnit(language: DW_LANG_Python, file: !{file}, emissionKind: LineTablesOnly)',
             f'!{version} = !{{i32 2, !"Debug Info Version", i32 3}}', f'!{file} = !DIFile(filename: "user", directory: "")',
             f"!{kind} = !DISubroutineType(types: !{{}})"]
    number, function, known = kind + 1, 0, dict[tuple[int, str], int]()
    rows = []
    for row in text.rstrip("\n").split("\n"):
        if row.startswith("define "):
            function, number = number, number + 1
            name = re.search(r"@([\w.$]+)", row)
            nodes.append(f'!{function} = distinct !DISubprogram(name: "{name[1] if name else ""}", scope: !{file}, '
                         f"file: !{file}, line: 1, type: !{kind}, unit: !{unit}, spFlags: DISPFlagDefinition)")
            row = row.removesuffix(" {") + f" !dbg !{function} {{"
        elif found := _MARK.search(row):
            key = function, found[1]
            if key not in known:
                known[key], number = number, number + 1
                nodes.append(f"!{known[key]} = !DILocation(line: {found[1]}, scope: !{function})")
            row = f"{row[:found.start()]}, !dbg !{known[key]}"
        rows.append(row)
    return "\n".join([*rows, *nodes]) + "\n"


def llvm_rows(text: str) -> list[tuple[str, int]]:
    """(row, number of its place or 0) of LLVM IR with debug information, without that."""
    lines = {number: int(line) for number, line in _LOCATION.findall(text)}
    rows = []
    for row in text.rstrip("\n").split("\n"):
        if _OWN.match(row):
            continue
        found = _DEBUG.search(row)
        rows.append((_DEBUG.sub("", row), lines.get(found[1], 0) if found and not row.startswith("define") else 0))
    return rows


def assembly_rows(text: str) -> list[tuple[str, int]]:
    """(row, number of its place or 0) of assembly with debug information, without that."""
    rows, line = [], 0
    for row in text.split("\n"):
        part = row.split()
        if part[:1] == [".section"] and ".debug" in row:
            break
        if part[:1] == [".loc"]:
            line = int(part[2])
        elif not part or part[0].startswith((".cfi", ".file", ".Ltmp", ".Lfunc")):
            continue
        else:
            line = 0 if part[0].startswith(".type") else line
            rows.append((row.expandtabs(8), line if row.startswith("\t") and not part[0].startswith(".") else 0))
    return rows


# --- counters ---------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Counters(Module):
    """row 0 of `counts` is the whole kernel, row k + 1 loop k: clock ticks, times that it was entered, iterations."""

    rows: dict[int, int] = field(default_factory=dict)                 # id of a loop, or of a while's body -> its row
    counts: np.ndarray = field(default_factory=lambda: np.zeros((1, 3), np.int64))


class _Counting(Emitter):
    module: _Counters

    def body(self, statements: list) -> None:
        if statements is self.kernel.body and self.around is None:
            self._span(0, lambda: self._each(statements), "0")
            return
        if (row := self.module.rows.get(id(statements))) is not None:
            self._add(row, 2, "1")
        self._each(statements)

    def _each(self, statements: list) -> None:
        write = super().body
        for s in self.in_sections(statements):           # the loop over the iterations of a chunk has no row: the loop has one
            row = self.module.rows.get(id(s))
            if row is None:
                write([s])
            else:
                self._span(row, functools.partial(write, [s]), self.index(s.trip) if isinstance(s, For) else "0")

    def _span(self, row: int, write: Callable[[], None], iterations: str) -> None:
        for declaration in _DECLARED:
            self.declare(declaration)
        begin, end, taken = self.fresh(), self.fresh(), self.fresh()
        self.lines += _read(begin)
        write()
        self.lines += [*_read(end), f"  {taken} = sub i64 {end}, {begin}"]
        self._add(row, 0, taken)
        self._add(row, 1, "1")
        if iterations != "0":
            self._add(row, 2, iterations)

    def _add(self, row: int, column: int, amount: str) -> None:
        at = self.module.counts[row:, column:].ctypes.data
        pointer, old, new = f"inttoptr (i64 {at} to ptr)", self.fresh(), self.fresh()
        self.lines += [f"  {old} = load i64, ptr {pointer}, align 8", f"  {new} = add i64 {old}, {amount}",
                       f"  store i64 {new}, ptr {pointer}, align 8"]


def loops_of(kernel: Kernel) -> list[For | While]:
    """The loops that stay loops, outer ones first."""
    return [s for s in walk(kernel.body) if isinstance(s, (For, While)) and not getattr(s, "unroll", False)]


def counting(kernel: Kernel, loops: list[For | While], fastmath: bool = False) -> tuple[str, np.ndarray]:
    """(LLVM IR, the array that these loops of the kernel count in: see _Counters).

    The array must outlive the code. Run it with one thread.
    """
    module = _Counters(counts=np.zeros((1 + len(loops), 3), np.int64))
    for k, s in enumerate(loops):
        module.rows[id(s)] = k + 1
        if isinstance(s, While):
            module.rows[id(s.body)] = k + 1
    return _Counting(kernel, fastmath, module).text(), module.counts


class Clock:
    """The clock whose ticks are counted. now(): its time; empty: ticks that a span of nothing counts; beside: what a span takes
    beyond its count, which the one around it counts."""

    def __init__(self) -> None:
        counter = ["  %old{k} = load i64, ptr %room", "  %new{k} = add i64 %old{k}, %inner",
                   "  store volatile i64 %new{k}, ptr %room"]
        text = [*_DECLARED, "define i64 @tracegrad.ticks() {", *_read("%t"), "  ret i64 %t", "}",
                "define void @tracegrad.spans(ptr %room, ptr %out) {",
                *_read("%a"), *_read("%b"), *_read("%c"), "  %inner = sub i64 %c, %b",
                *[row.format(k=k) for k in range(3) for row in counter], *_read("%d"),
                "  %outer = sub i64 %d, %a", "  store i64 %inner, ptr %room", "  store i64 %outer, ptr %out", "  ret void", "}",
                ""]
        self._code = compile_named("tracegrad.ticks", lambda: "\n".join(text))
        self.now = ctypes.CFUNCTYPE(ctypes.c_int64)(self._code.address("tracegrad.ticks"))
        spans = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(self._code.address("tracegrad.spans"))
        found = np.zeros((1000, 2), np.int64)
        for row in found:
            spans(row.ctypes.data, row[1:].ctypes.data)
        self.empty, outer = (float(n) for n in np.median(found, axis=0))
        self.beside = max(outer - 2.0 * self.empty, 0.0)
