"""What a terminal shows of a compilation that takes longer than two seconds, until it is over.

    tracegrad: compiling grad of simulate … 4 s

Nothing is shown where stderr is no terminal, and one line only where several threads compile.
"""
from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

AFTER, EVERY = 2.0, 1.0             # seconds
_ONE = threading.Lock()


@contextmanager
def shown(what: str) -> Iterator[None]:
    """Show that `what` is being compiled, where the block takes long."""
    stream, one = sys.stderr, _ONE              # a process that is forked in the block gets another
    if stream is None or not stream.isatty() or not one.acquire(blocking=False):
        yield
        return
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(stream, what, over), daemon=True, name="tracegrad.progress")
    try:
        watcher.start()
        yield
    finally:
        over.set()
        one.release()


def _watch(stream: Any, what: str, over: threading.Event) -> None:
    start, written = time.monotonic(), False
    plain = os.environ.get("TERM") == "dumb"
    while not over.wait(AFTER if not written else EVERY):
        if not (plain and written):
            text = f"tracegrad: compiling {what} …"
            stream.write(text + "\n" if plain else f"\r{text} {time.monotonic() - start:.0f} s")
            stream.flush()
        written = True
    if written and not plain:
        stream.write("\r\x1b[K")
        stream.flush()


def _after_fork() -> None:
    global _ONE
    _ONE = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
