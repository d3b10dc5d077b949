"""The names of compiled functions for `perf`: with TRACEGRAD_PERF=1, a line of /tmp/perf-PID.map for each machine function.

    7f3a5c0a9010 1c4 tracegrad:loss[w:f64[3],x:f64[100,3]]          where it starts and its bytes, in hexadecimal, and its name

`perf report` reads that file for addresses that belong to no file. Python's own (python -X perf) is the same one, so lines are
appended. Its form: linux/tools/perf/Documentation/jit-interface.txt.
"""
from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import elf
from .module_parts import members

if TYPE_CHECKING:
    from .engine import Code

_SECTION = re.compile(r"\.section\d+$")              # of a large kernel, that an object file of its own may have
WANTED = os.environ.get("TRACEGRAD_PERF", "").strip() not in ("", "0")
_lines: dict[int, list[str]] = {}                     # PID -> the lines that its map has; a fork's map starts with its parent's


def path() -> str:
    """Where `perf` looks for the map of this process."""
    return f"/tmp/perf-{os.getpid()}.map"


def note(code: Code, symbol: str, name: str) -> None:
    """Give the function `symbol` of a module its name, and those beside it (bodies of parallel loops) that name with their own
    at its end. Nothing where no map is wanted."""
    if WANTED:
        _note(code, symbol, lambda other: _one_word(name) + _rest(other, symbol))


def note_helpers(code: Code, symbol: str) -> None:
    """Give the functions of a module that any kernel may call, `symbol` is one of them, the names that they have in it."""
    if WANTED:
        _note(code, symbol, lambda other: other)


def _note(code: Code, symbol: str, name_of: Callable[[str], str]) -> None:
    for part in members(code.object):
        found = elf.functions(part) if elf.is_elf(part) else []
        first = next((f for f in found if f.name == symbol or _SECTION.search(f.name)), None)
        if first is not None:
            # Sections are copied whole: a local symbol lies as far from the named one as in the object.
            away = code.address(first.name) - first.at
            _write([f"{f.at + away:x} {f.size:x} tracegrad:{name_of(f.name)}\n" for f in found if f.section == first.section])


def _one_word(name: str) -> str:
    """Without blanks and semicolons, at which scripts that read `perf script` cut."""
    return re.sub(r"\s+", "", name.replace(";", ","))


def _rest(other: str, symbol: str) -> str:
    return "" if other == symbol else "." + other.removeprefix(symbol).lstrip(".")


def _write(lines: list[str]) -> None:
    pid = os.getpid()
    if pid not in _lines:
        inherited = [line for known in _lines.values() for line in known]
        _lines.clear()
        _lines[pid] = []
        lines = inherited + lines
    _lines[pid] += lines
    try:                                              # as Python does: others may not lay a link there
        file = os.open(path(), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:                                   # no /tmp, or somebody else's file: a kernel is still a kernel
        return
    with os.fdopen(file, "w") as out:
        out.write("".join(lines))
