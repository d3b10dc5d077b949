"""Object code on disk, under the digest of all that it is made from: the LLVM text, the way of compiling, the CPU, LLVM itself.

What the text says is what the code does, so this level needs to know nothing of Python functions: an entry is right by what its
name says, whoever asks for it.
"""
from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from . import environment, files


class Object(NamedTuple):
    """A relocatable object file with the LLVM text that it came from, compressed, and what compiling it took (milliseconds)."""

    key: str
    binary: bytes
    source: bytes
    phases: dict[str, float]


def key_of(text: str, how: Sequence[str]) -> str | None:
    """`how`: the compiler, its version, the CPU … None where nothing is kept."""
    own = environment.source_digest()
    return own and hashlib.sha256("\0".join([own, *how, text]).encode()).hexdigest()[:40]


def find(key: str | None) -> Object | None:
    if not key:
        return None
    found = files.read(f"{key}.code")
    if found is None or len(found.parts) != 2:
        return None
    return Object(key, found.parts[1], found.parts[0], found.fields["phases"])


def keep(key: str | None, binary: bytes, text: str, phases: dict[str, float], cpu: str) -> None:
    if key:
        files.write(f"{key}.code", {"phases": phases, "cpu": cpu}, [zlib.compress(text.encode(), 1), binary])
