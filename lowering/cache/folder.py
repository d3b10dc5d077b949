"""Where the disk cache lies, and whether that folder can be trusted.

Code from the cache is run, so the folder must be the user's own and nobody else may write to it. Its path may lead through
symbolic links; what counts is the folder that they lead to, which is opened once for each operation, so that it cannot be
exchanged between the check and the use.
"""
from __future__ import annotations

import logging
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOG = logging.getLogger("tracegrad.cache")
NAME = "tracegrad"
_said: set[tuple[str, str]] = set()


def default() -> str:
    """`TRACEGRAD_CACHE_DIR`, or the place that the system has for caches (XDG; ~/Library/Caches on macOS)."""
    given = os.environ.get("TRACEGRAD_CACHE_DIR")
    if given:
        return os.path.abspath(given)
    if sys.platform == "darwin":
        return os.path.expanduser(f"~/Library/Caches/{NAME}")
    base = os.environ.get("XDG_CACHE_HOME", "")
    return os.path.join(base if os.path.isabs(base) else os.path.expanduser("~/.cache"), NAME)


_locate: Callable[[], str | None] = default


def locate_by(function: Callable[[], str | None]) -> None:
    """Have `function` say which folder is used now; None for no disk cache at all."""
    global _locate
    _locate = function


def path() -> str | None:
    return _locate()


def complain(where: str, why: str) -> None:
    """Log once what keeps a folder from being used."""
    if (where, why) not in _said:
        _said.add((where, why))
        LOG.warning("the disk cache %s is not used: %s", where, why)


def distrust(fd: int) -> str:
    """Why an open file or folder must not be used; "" where it may be."""
    found = os.fstat(fd)
    if found.st_uid != os.geteuid():
        return f"it belongs to user {found.st_uid}, this process to user {os.geteuid()}"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"other users may write to it (mode {stat.S_IMODE(found.st_mode):o})"
    return ""


@contextmanager
def opened(make: bool = False) -> Iterator[int | None]:
    """The folder's descriptor, or None where there is none that can be used. `make`: create it if it is missing."""
    where, fd = path(), None
    try:
        fd = _open(where, make) if where else None
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def _open(where: str, make: bool) -> int | None:
    if not hasattr(os, "geteuid"):
        complain(where, "this system does not say whose files are whose")
        return None
    if not os.path.isabs(where):                      # ~ stays where nobody knows a home
        complain(where, "it is no absolute path")
        return None
    try:
        try:
            fd = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            if not make:
                return None
            os.makedirs(where, mode=0o700, exist_ok=True)
            fd = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        complain(where, str(error))
        return None
    why = distrust(fd)
    if why:
        complain(where, why)
        os.close(fd)
        return None
    return fd
