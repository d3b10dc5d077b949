"""The symbols that an object file refers to and does not define: ELF of 64 and of 32 bits, and WebAssembly.

What LLVM calls by itself (log for llvm.log, memcpy for copies) stands only there. The formats: the ELF specification's "Symbol
Table", and the import section of the WebAssembly core specification (binary format, 5.5.5).
"""
from __future__ import annotations

import struct
from collections.abc import Iterator

from ..native import elf

_SYMTAB = 2
_IMPORTS, _FUNCTION, _TABLE, _MEMORY, _GLOBAL = 2, 0, 1, 2, 3


def needed(binary: bytes) -> tuple[str, ...]:
    """The names, sorted."""
    read = _imported if binary[:4] == b"\0asm" else elf.undefined if elf.is_elf(binary) else _undefined_32
    return tuple(sorted(set(read(binary)) - {"", "_GLOBAL_OFFSET_TABLE_"}))


def _undefined_32(binary: bytes) -> Iterator[str]:
    start, = struct.unpack_from("<I", binary, 32)
    size, count = struct.unpack_from("<HH", binary, 46)
    sections = [struct.unpack_from("<10I", binary, start + k * size) for k in range(count)]
    for _, kind, _, _, offset, length, link, _, _, entry in sections:
        if kind == _SYMTAB:
            strings = sections[link][4]
            for at in range(offset + entry, offset + length, entry):
                name, _, _, _, _, section = struct.unpack_from("<IIIBBH", binary, at)
                if section == 0:
                    yield binary[strings + name:binary.index(b"\0", strings + name)].decode()


class _Reader:
    """Bytes of a WebAssembly module, one after the other."""

    def __init__(self, data: bytes, at: int = 0):
        self.data, self.at = data, at

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        """An unsigned integer in groups of seven bits, the low ones first."""
        total = shift = 0
        while True:
            byte = self.byte()
            total |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return total

    def name(self) -> str:
        count = self.number()
        self.at += count
        return self.data[self.at - count:self.at].decode()

    def limits(self) -> None:
        for _ in range(1 + (self.byte() & 1)):
            self.number()


def _imported(binary: bytes) -> Iterator[str]:
    """The names of the functions that a module imports."""
    reader = _Reader(binary, 8)
    while reader.at < len(binary):
        section, size = reader.byte(), reader.number()
        end = reader.at + size
        if section == _IMPORTS:
            for _ in range(reader.number()):
                reader.name()
                name, kind = reader.name(), reader.byte()
                if kind == _FUNCTION:
                    reader.number()
                    yield name
                elif kind in (_TABLE, _GLOBAL):
                    reader.byte()
                    (reader.limits if kind == _TABLE else reader.byte)()
                elif kind == _MEMORY:
                    reader.limits()
        reader.at = end
