"""What compiled code depends on besides its program: this package's own source, libraries and the interpreter, as digests.

The package is known by the content of its files, not by its version, which a checkout does not change with every edit. Reading
them all takes longer than a warm start may, so a file of the cache maps their sizes and times to the digest of what they
contain. A process that has imported older files than those on the disk keeps no code at all.
"""
from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import sys
import time
from collections.abc import Iterator
from functools import cache

import numpy as np

from . import files
from .folder import LOG

_IMPORTED = time.time()
_MARGIN = 2.0                             # seconds before this import in which modules may have been read already
_ROOT = os.path.abspath(os.path.join(__file__, "..", "..", ".."))
_FOLDERS = ("ir", "tracer", "autodiff", "lowering", "tracegrad")       # of a checkout; installed, they lie in one package


def _python_files(folder: str) -> Iterator[os.DirEntry]:
    with os.scandir(folder) as found:
        for entry in sorted(found, key=lambda e: e.name):
            if entry.is_dir() and entry.name[0] not in "_.":
                yield from _python_files(entry.path)
            elif entry.name.endswith(".py"):
                yield entry


def _own_files() -> list[os.DirEntry]:
    installed = os.path.isfile(os.path.join(_ROOT, "__init__.py"))
    folders = [_ROOT] if installed else [os.path.join(_ROOT, part) for part in _FOLDERS]
    return [entry for folder in folders for entry in _python_files(folder)]


def _stats() -> tuple[str, float]:
    """(sizes and times of this package's files, the time of the newest)."""
    found = [(entry.path, entry.stat()) for entry in _own_files()]
    rows = [f"{p} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns} {s.st_ino}" for p, s in found]
    return "\n".join(rows), max((s.st_mtime for _, s in found), default=_IMPORTED)


try:
    _IMPORTED_FILES, _NEWEST = _stats()                   # now, when they are being imported
except OSError:
    _IMPORTED_FILES, _NEWEST = "", _IMPORTED


@cache
def source_digest() -> str | None:
    """Of the content of this package's files; None where it cannot be told what this process has imported."""
    if _NEWEST > _IMPORTED - _MARGIN:
        LOG.warning("nothing is kept on disk by this process: the source of tracegrad has been changed just now")
        return None
    name = hashlib.sha256(_IMPORTED_FILES.encode()).hexdigest()[:40] + ".source"
    known = files.read(name)
    if known is not None and type(known.fields.get("digest")) is str:
        return known.fields["digest"]
    try:
        digest = hashlib.sha256()
        for entry in _own_files():
            with open(entry.path, "rb") as file:
                digest.update(f"{os.path.relpath(entry.path, _ROOT)} {entry.stat().st_size}\n".encode() + file.read())
        if _stats()[0] != _IMPORTED_FILES:
            LOG.warning("nothing is kept on disk by this process: the source of tracegrad has changed since it was imported")
            return None
    except OSError as error:
        LOG.warning("nothing is kept on disk by this process: the source of tracegrad cannot be read (%s)", error)
        return None
    files.write(name, {"digest": digest.hexdigest()}, [])
    return digest.hexdigest()


@cache
def versions() -> tuple[str, ...]:
    """The interpreter and the libraries whose behaviour a traced program can depend on."""
    return (sys.implementation.cache_tag or "", sys.version, platform.machine(), sys.platform, np.__version__, _scipy(),
            f"optimize {sys.flags.optimize}")


def _scipy() -> str:
    """SciPy's version, without an import of it: that takes longer than a warm start."""
    found = importlib.util.find_spec("scipy")
    for folder in (found.submodule_search_locations or ()) if found else ():
        with open(os.path.join(folder, "version.py"), encoding="utf-8") as file:
            return file.read()
    return "none"
