"""What a relocatable ELF object needs from outside, and what it has."""
from __future__ import annotations

import platform
import struct
from typing import NamedTuple

_MAGIC = b"\x7fELF\x02\x01"       # 64 bits, little-endian
_SYMTAB, _RELA, _REL, _X86_64 = 2, 4, 1, 62
_MACHINES = {"x86_64": _X86_64, "aarch64": 183}
_EXECUTED = 4                     # SHF_EXECINSTR
_FUNC = 2                         # STT_FUNC, the low half of a symbol's info
_PLT32 = 4                        # R_X86_64_PLT32: a call within 2 GB, by a stub where the function is farther


class Section(NamedTuple):
    """A section header, as it lies in the file."""

    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int


def is_elf(binary: bytes) -> bool:
    return binary[:6] == _MAGIC


def is_linkable(binary: bytes) -> bool:
    """Whether it is a relocatable object file for machines like this one."""
    expected = _REL, _MACHINES.get(platform.machine())
    return is_elf(binary) and len(binary) >= 64 and struct.unpack_from("<HH", binary, 16) == expected


def _sections(binary: bytes) -> list[Section]:
    table, = struct.unpack_from("<Q", binary, 40)
    size, count = struct.unpack_from("<HH", binary, 58)
    return [Section(*struct.unpack_from("<IIQQQQIIQQ", binary, table + k * size)) for k in range(count)]


def text_size(binary: bytes) -> int:
    """How many bytes of machine code the object has."""
    return sum(section.size for section in _sections(binary) if section.flags & _EXECUTED)


def undefined(binary: bytes) -> list[str]:
    """The names of the symbols that the object refers to and does not define."""
    sections, names = _sections(binary), []
    for table in sections:
        if table.kind == _SYMTAB:
            strings = sections[table.link].offset
            for at in range(table.offset + 24, table.offset + table.size, 24):
                name, _, _, section = struct.unpack_from("<IBBH", binary, at)
                if section == 0:
                    start = strings + name
                    names.append(binary[start:binary.index(b"\0", start)].decode())
    return names


class Symbol(NamedTuple):
    """A function that an object has: its name, the number of its section, where it starts in that, and its bytes."""

    name: str
    section: int
    at: int
    size: int


def functions(binary: bytes) -> list[Symbol]:
    """The functions of an object, also those that only itself can name."""
    sections, found = _sections(binary), []
    for table in sections:
        if table.kind == _SYMTAB:
            strings = sections[table.link].offset
            for at in range(table.offset + 24, table.offset + table.size, 24):
                name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", binary, at)
                if info & 15 == _FUNC and section:
                    start = strings + name
                    found.append(Symbol(binary[start:binary.index(b"\0", start)].decode(), section, value, size))
    return found


def contents(binary: bytes, symbol: str) -> bytes | None:
    """The bytes that the object has for a symbol, or None."""
    sections = _sections(binary)
    for table in sections:
        if table.kind == _SYMTAB:
            strings = sections[table.link].offset
            for at in range(table.offset, table.offset + table.size, 24):
                name, _, _, section, value, size = struct.unpack_from("<IBBHQQ", binary, at)
                start = strings + name
                if 0 < section < len(sections) and binary[start:binary.index(b"\0", start)].decode() == symbol:
                    start = sections[section].offset + value
                    return binary[start:start + size]
    return None


def needs_stubs(binary: bytes) -> bool:
    """Whether an x86-64 object has a direct call to a function that it does not define."""
    if int.from_bytes(binary[18:20], "little") != _X86_64:
        return False
    sections = _sections(binary)
    for table in sections:
        if table.kind == _RELA:
            symbols = sections[table.link].offset
            for at in range(table.offset, table.offset + table.size, 24):
                info, = struct.unpack_from("<Q", binary, at + 8)
                if info & 0xFFFFFFFF == _PLT32 and not struct.unpack_from("<H", binary, symbols + 24 * (info >> 32) + 6)[0]:
                    return True
    return False
