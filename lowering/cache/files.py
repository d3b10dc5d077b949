"""One file of the disk cache: written in one step, checked when it is read, dropped when there are too many.

    file    ::= "TGCACHE\\n" version:u32 fields:u32 payload:u64 sha256[32] fields payload
    fields  ::= JSON, an object; its "parts" are the lengths of what follows
    payload ::= part*                              bytes, one part after another

The checksum covers the file's own name, the JSON and the payload, so a file that was renamed, cut, or changed in any byte is
not believed. A file is written under another name and then moved into its place: readers see all of it or nothing, and of
several writers the last one wins. Whatever else goes wrong (no room, no permission, a foreign file) is logged, and means that
there is no such file.

A file's time of modification is that of its last use: the longest unused go first. `name.use` has a byte for each use.
"""
from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import struct
import time
from typing import Any, NamedTuple

from .folder import LOG, distrust, opened, path

MAGIC, VERSION = b"TGCACHE\n", 1
_HEAD = struct.Struct("<8sIIQ32s")
MOST = 256 << 20                     # bytes of all files; beyond it the longest unused are removed …
LEFT = 3 * MOST // 4                 # … until so many are left
LARGEST = 64 << 20                   # bytes of one file
_TOUCHED, _ABANDONED = 60, 3600      # seconds: of a use that is noted already; of a file that its writer has left unfinished
SUFFIXES = (".call", ".code", ".source")
_USE, _TEMPORARY = ".use", ".new"


class BadEntry(Exception):
    """A file that is not what it should be."""


class Content(NamedTuple):
    """What a file holds."""

    fields: dict[str, Any]
    parts: list[bytes]


class Row(NamedTuple):
    """A file as the folder lists it. used: the time of its last use, in seconds; hits: how often it was read."""

    name: str
    bytes: int
    used: float
    hits: int


def packed(name: str, fields: dict[str, Any], parts: list[bytes]) -> bytes:
    text = json.dumps(fields | {"parts": [len(p) for p in parts]}, separators=(",", ":")).encode()
    payload = b"".join(parts)
    return _HEAD.pack(MAGIC, VERSION, len(text), len(payload), _checksum(name, text, payload)) + text + payload


def _checksum(name: str, text: bytes, payload: bytes) -> bytes:
    found = hashlib.sha256(name.encode() + b"\0" + struct.pack("<IQ", len(text), len(payload)))
    found.update(text)
    found.update(payload)
    return found.digest()


def unpacked(name: str, data: bytes) -> Content:
    """The content of a file's bytes. Raises BadEntry."""
    if len(data) < _HEAD.size:
        raise BadEntry(f"it ends after {len(data)} bytes")
    magic, version, fields, payload, checksum = _HEAD.unpack_from(data)
    if magic != MAGIC:
        raise BadEntry("it is no file of this cache")
    if version != VERSION:
        raise BadEntry(f"it has version {version} of the format, this program reads {VERSION}")
    if len(data) != _HEAD.size + fields + payload:
        raise BadEntry("its length is not what it says")
    text, rest = data[_HEAD.size:_HEAD.size + fields], data[_HEAD.size + fields:]
    if _checksum(name, text, rest) != checksum:
        raise BadEntry("its checksum is wrong")
    try:
        found = json.loads(text)
        lengths, parts = found.pop("parts"), []
        for length in lengths:
            parts.append(rest[:length])
            rest = rest[length:]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadEntry(f"it cannot be read: {error}") from None
    return Content(found, parts)


# --- reading and writing -----------------------------------------------------------------------------------------------


def read(name: str, *, count: bool = False) -> Content | None:
    """The content of a file, None where there is none that can be used. `count`: note the use among the file's hits."""
    with opened() as folder:
        return None if folder is None else read_in(folder, name, count)


def read_in(folder: int, name: str, count: bool) -> Content | None:
    try:
        found = unpacked(name, bytes_in(folder, name))
    except FileNotFoundError:
        return None
    except (OSError, BadEntry) as error:
        LOG.warning("cache entry %s is not used: %s", name, error)
        return None
    _note_use(folder, name, count)
    return found


def bytes_in(folder: int, name: str) -> bytes:
    """The bytes of a file. Raises OSError or BadEntry where it is not to be trusted."""
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise BadEntry("it is no ordinary file")
        if why := distrust(fd):
            raise BadEntry(why)
        if found.st_size > LARGEST + _HEAD.size:
            raise BadEntry(f"it has {found.st_size:,} bytes")
        with os.fdopen(fd, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(fd)


def _note_use(folder: int, name: str, count: bool) -> None:
    try:
        if time.time() - os.stat(name, dir_fd=folder).st_mtime > _TOUCHED:
            os.utime(name, dir_fd=folder)
        if count:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(name + _USE, flags, 0o600, dir_fd=folder)
            try:
                os.write(fd, b".")
            finally:
                os.close(fd)
    except OSError:                                   # a folder that can only be read serves too
        pass


def write(name: str, fields: dict[str, Any], parts: list[bytes]) -> bool:
    """Put a file into the folder; whether that went well."""
    data = packed(name, fields, parts)
    if len(data) > LARGEST:
        LOG.info("cache entry %s is not written: it would have %d bytes", name, len(data))
        return False
    with opened(make=True) as folder:
        if folder is None:
            return False
        try:
            _replace(folder, name, data)
        except OSError as error:
            LOG.info("cache entry %s is not written: %s", name, error)
            return False
        _bound(folder, len(data))
    return True


def _replace(folder: int, name: str, data: bytes) -> None:
    temporary = f"{secrets.token_hex(8)}{_TEMPORARY}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view):]
        finally:
            os.close(fd)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        _remove(folder, temporary)
        raise


def _remove(folder: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=folder)
        return True
    except OSError:
        return False


# --- all files ---------------------------------------------------------------------------------------------------------


def rows(folder: int) -> list[Row]:
    """The files, in no order."""
    sizes: dict[str, os.stat_result] = {}
    for name in os.listdir(folder):
        if name.endswith((*SUFFIXES, _USE)):
            try:
                sizes[name] = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except OSError:                           # removed meanwhile
                continue
    found = []
    for name, size in sizes.items():
        if not name.endswith(_USE):
            uses = sizes.get(name + _USE)
            found.append(Row(name, size.st_size, max(size.st_mtime, uses.st_mtime), uses.st_size) if uses else
                         Row(name, size.st_size, size.st_mtime, 0))
    return found


_total: dict[str | None, int] = {}         # folder -> bytes of its files, as far as this process knows


def _bound(folder: int, added: int) -> None:
    """Keep the files below `MOST` bytes. Counted once in a process; what other processes add is seen when it counts again."""
    where = path()
    if where not in _total:
        _total[where] = sum(row.bytes for row in rows(folder))
    else:
        _total[where] += added
    if _total[where] > MOST:
        prune_in(folder, LEFT)
        _total[where] = sum(row.bytes for row in rows(folder))


def prune(size: int) -> list[Row]:
    """Remove the longest unused files until at most `size` bytes are left; what was removed."""
    with opened() as folder:
        return [] if folder is None else prune_in(folder, size)


def prune_in(folder: int, size: int) -> list[Row]:
    found = sorted(rows(folder), key=lambda row: row.used)
    total, gone = sum(row.bytes for row in found), []
    for row in found:
        if total <= size:
            break
        if remove_in(folder, row.name):
            gone.append(row)
        total -= row.bytes
    _sweep(folder)
    return gone


def _sweep(folder: int) -> None:
    """Remove what writers that were killed have left, and counts of files that are gone."""
    names, now = set(os.listdir(folder)), time.time()
    for name in names:
        try:
            left = name.endswith(_TEMPORARY) and now - os.stat(name, dir_fd=folder).st_mtime > _ABANDONED
        except OSError:
            continue
        if left or (name.endswith(_USE) and name.removesuffix(_USE) not in names):
            _remove(folder, name)


def remove_in(folder: int, name: str) -> bool:
    _remove(folder, name + _USE)
    return _remove(folder, name)


def clear() -> int:
    """Remove all files of the cache; how many."""
    with opened() as folder:
        if folder is None:
            return 0
        found = rows(folder)
        for row in found:
            remove_in(folder, row.name)
        for name in os.listdir(folder):
            if name.endswith((_TEMPORARY, _USE)):
                _remove(folder, name)
    _total.clear()
    return len(found)
