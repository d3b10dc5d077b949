"""Where the buffers of one machine function lie. llvm/storage.py asks and writes addresses; `--stage schedule` prints the same.

    result          malloc, through a descriptor: its size is known only to the kernel
    frame           an alloca: small and static, as long as the frame stays within bounds
    workspace       a slot of one allocation a call: larger and static; buffers of one `slot` (buffer_coloring) share theirs
    grown           a length that is known only at run time: an allocation that only grows

Slots of a page and more start at different places of a page, so that equal indices do not alias in L1.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...ir.thresholds import sizes
from ..loopir.grammar import Alloc, Buffer, For, Kernel, Stmt, blocks

PAGE = 4096
SHIFT = 832                   # from the start of one large slot to that of the next, of a page
LINE = 64                     # bytes; slots are aligned to it


class Slot(NamedTuple):
    name: str                 # of the pointer
    bytes: int


SlotKey = Buffer | tuple[str, int]


def bytes_of(buffer: Buffer) -> int:
    """What a static buffer takes; at least one byte, which gives it an address."""
    return max(buffer.count * buffer.dtype.size, 1)


class Layout:
    """The frame and the workspace of one machine function, in the order in which its buffers are first allocated."""

    def __init__(self) -> None:
        self.frame = 0                                   # bytes of allocas
        self.slots: dict[SlotKey, Slot] = {}
        self._kinds: dict[Buffer, str] = {}

    def kind(self, buffer: Buffer) -> str:
        """One of the rows above, the same whenever it is asked."""
        found = self._kinds.get(buffer)
        if found is None:
            found = self._kinds[buffer] = self._decide(buffer)
        return found

    def _decide(self, buffer: Buffer) -> str:
        if buffer.space == "result":
            return "result"
        if not buffer.static:
            return "grown"
        size = bytes_of(buffer)
        alone = buffer.slot is None and size <= sizes.slot and self.frame + size <= sizes.stack
        if buffer.space == "stack" or alone:
            self.frame += size
            return "frame"
        key = self.key(buffer)
        before = self.slots.get(key)
        name = before.name if before else f"%slot{len(self.slots)}"
        self.slots[key] = Slot(name, max(before.bytes if before else 0, size))
        return "workspace"

    @staticmethod
    def key(buffer: Buffer) -> SlotKey:
        """What tells the slot of a buffer of the workspace from others."""
        return buffer if buffer.slot is None else ("slot", buffer.slot)

    def places(self) -> tuple[list[tuple[str, int]], int]:
        """The slots with their offsets, and the bytes of the whole workspace."""
        top, shift = 0, 0
        found: list[tuple[str, int]] = []
        for name, size in self.slots.values():
            top = -(-top // LINE) * LINE
            if size >= PAGE:
                shift = (shift + SHIFT) % PAGE
                top += (shift - top) % PAGE
            found.append((name, top))
            top += size
        return found, top


def rows(kernel: Kernel) -> list[str]:
    """One row for each temporary of a kernel and of its parallel loops, which are functions of their own."""
    return list(_rows(kernel.name, kernel.body))


def _rows(name: str, body: list) -> Iterator[str]:
    layout, inside = Layout(), list[list[Stmt]]()
    found = list(_allocated(body, inside))
    for b in found:
        layout.kind(b)
    places, top = layout.places()
    offsets = dict(places)
    for b in found:
        kind = layout.kind(b)
        if kind == "workspace":
            kind += f" + {offsets[layout.slots[layout.key(b)].name]}"
        yield f"{name}: {b!r} {b.dtype}[{', '.join(map(repr, b.dims))}]  {kind}" + (
            f", {bytes_of(b)} bytes" if b.static and b.space != "result" else "")
    yield f"{name}: {layout.frame} bytes of the frame, {top} of workspace"
    for k, part in enumerate(inside):
        yield from _rows(f"{name}.loop{k}", part)


def _allocated(body: list, inside: list[list[Stmt]]) -> Iterator[Buffer]:
    """The buffers that a function allocates, in the order of its text; the bodies of parallel loops go to `inside`."""
    for s in body:
        if type(s) is Alloc:
            yield s.buffer
        elif type(s) is For and s.spread is not None:
            inside.append(s.body)
        else:
            for block in blocks(s):
                yield from _allocated(block, inside)
