"""`tracegrad.cache`: the code that is kept on disk, as users see it.

    tg.cache.path()        the folder that is used now
    tg.cache.entries()     what is kept, the last used first
    tg.cache.stats()       how much
    tg.cache.verify()      what is wrong with it
    tg.cache.prune("64MB"), tg.cache.clear()   make room: what has been unused for longest, or everything
"""
from __future__ import annotations

import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .ir.errors import ArgumentError
from .lowering.cache import files, folder
from .lowering.cache.files import BadEntry, Content
from .lowering.native.elf import is_linkable, undefined
from .lowering.native.engine import is_allowed
from .lowering.native.object_code import assembly
from .lowering.native.object_code import optimized as optimized_llvm
from .options import bytes_of

STAGES = ("traced", "optimized", "loops", "llvm", "asm")
_CALL, _CODE = ".call", ".code"


@dataclass(frozen=True)
class Entry:
    """One specialisation on disk.

    key         its name;  function, file, line  what was compiled, and `of` by which operator: "jit", "grad" …
    types       the arguments;  captures  where captured arrays are found;  options  those that were not the default
    cpu         what the code runs on;  compile_ms  what it took;  bytes  of its files;  hits  processes that it served
    used        the time of its last use, in seconds since 1970
    """

    key: str
    function: str
    of: str
    file: str
    line: int
    types: str
    captures: list[str]
    options: dict[str, str]
    cpu: str
    compile_ms: float
    bytes: int
    hits: int
    used: float
    _content: Content = field(repr=False, compare=False)

    def text(self, stage: str = "optimized") -> str:
        """The program at a stage: "traced", "optimized", "loops", "llvm" (optimised) or "asm", made for this machine.

        Raises ArgumentError for another stage, and where the machine code has been removed.
        """
        if stage not in STAGES:
            raise ArgumentError(f"there is no stage {stage!r}", "use one of " + ", ".join(STAGES))
        if stage in ("llvm", "asm"):
            code = files.read(self._content.fields["code"] + _CODE)
            if code is None:
                raise ArgumentError(f"the machine code of {self.key} is no longer there",
                                    "call the function: it compiles again")
            source = zlib.decompress(code.parts[0]).decode()
            return optimized_llvm(source) if stage == "llvm" else assembly(source)
        return zlib.decompress(self._content.parts[self._content.fields["stages"][stage]]).decode()


class Stats(NamedTuple):
    """calls: entries; codes: files of machine code, which entries may share; hits: processes that they served."""

    calls: int
    codes: int
    bytes: int
    limit: int
    hits: int
    functions: int


def path() -> str | None:
    """The folder that is used now; None where the cache is off."""
    return folder.path()


def entries() -> list[Entry]:
    """What is kept, the last used first. Files that cannot be read are left out: see `verify`."""
    found = []
    rows = {row.name: row for row in _rows()}
    for row in rows.values():
        content = _read(row.name) if row.name.endswith(_CALL) else None
        if isinstance(content, Content) and "code" in content.fields:
            x, code = content.fields, rows.get(content.fields["code"] + _CODE)
            found.append(Entry(row.name.removesuffix(_CALL), x["name"], x["label"], x["file"], x["line"], x["types"],
                               x["captures"], dict(x["options"]), x["cpu"], sum(x["phases"].values()),
                               row.bytes + (code.bytes if code else 0), row.hits, row.used, content))
    return sorted(found, key=lambda entry: -entry.used)


def find(key: str) -> Entry:
    """The entry whose key starts so. Raises ArgumentError where there is none, or more than one."""
    found = [entry for entry in entries() if entry.key.startswith(key)] if key else []
    if len(found) != 1:
        raise ArgumentError(f"{len(found) or 'no'} entries have a key that starts with {key!r}",
                            "give more of it" if found else "`tracegrad cache ls` shows the keys")
    return found[0]


def stats() -> Stats:
    """How much is kept."""
    rows, shown = _rows(), entries()
    kinds = Counter(row.name.rpartition(".")[2] for row in rows)
    return Stats(len(shown), kinds["code"], sum(row.bytes for row in rows), files.MOST, sum(entry.hits for entry in shown),
                 len({(entry.file, entry.line, entry.function) for entry in shown}))


def verify() -> list[tuple[str, str]]:
    """(file, what is wrong with it) for all that no call would use."""
    names = {row.name for row in _rows()}
    return [(name, why) for name in sorted(names) if (why := _wrong(name, names))]


def _wrong(name: str, names: set[str]) -> str:
    content = _read(name)
    if isinstance(content, str):
        return content
    if name.endswith(_CALL) and "code" in content.fields and content.fields["code"] + _CODE not in names:
        return "its machine code is missing"
    if name.endswith(_CODE):
        if len(content.parts) != 2 or not is_linkable(content.parts[1]):
            return "it holds no machine code for this machine"
        foreign = [symbol for symbol in undefined(content.parts[1]) if not is_allowed(symbol)]
        return f"it asks for {foreign[0]}" if foreign else ""
    return ""


def prune(size: int | str) -> int:
    """Remove what has been unused for longest, until at most `size` bytes (or "64MB") are left; how many files went."""
    limit = 0 if str(size).strip() == "0" else bytes_of(size)
    if limit is None:
        raise ArgumentError(f"prune takes a number of bytes or a text such as \"64MB\", got {size!r}")
    return len(files.prune(limit))


def drop(names: list[str]) -> int:
    """Remove single files, as `verify` names them; how many went."""
    with folder.opened() as fd:
        return 0 if fd is None else sum(files.remove_in(fd, name) for name in names)


def clear() -> int:
    """Remove everything; how many files went."""
    return files.clear()


def _rows() -> list[files.Row]:
    with folder.opened() as fd:
        return [] if fd is None else files.rows(fd)


def _read(name: str) -> Content | str:
    """What a file holds, or what is wrong with it."""
    with folder.opened() as fd:
        if fd is None:
            return "its folder is not used"
        try:
            return files.unpacked(name, files.bytes_in(fd, name))
        except (OSError, BadEntry) as error:
            return str(error)


def age(used: float) -> str:
    """How long ago a time is: "5 s", "3 min", "2 h", "40 d"."""
    seconds: Any = max(time.time() - used, 0)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds / size)} {unit}"
    return f"{int(seconds)} s"
