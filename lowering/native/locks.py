"""Locks against other threads, signals and `os.fork`.

A handler of Python's may raise between any two bytecodes of the main thread: KeyboardInterrupt, or what a timer's handler
raises. Between a call that frees an object of LLVM and the note that it is free, that would free it twice; and a lock of
llvmlite's would stay locked. So what holds a `Lock` is not interrupted: signals that arrive are noted, and their handlers run
when the last lock has been given back.

A child of `os.fork` has one thread: what other threads had locked would stay locked. So the forking thread takes all locks
first, in the order in which they are nested, and both processes give them back.
"""
from __future__ import annotations

import _signal
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any

# its `getsignal` gives numbers, not members of an enum: 5 µs for all signals, instead of 60
_SIGNALS = sorted(map(int, signal.valid_signals() - {getattr(signal, "SIGKILL", 0), getattr(signal, "SIGSTOP", 0)}))


class _Deferral:
    """The signals of the main thread. `depth` counts the locks that it holds."""

    def __init__(self) -> None:
        self.depth = 0
        self.handlers: list[tuple[int, Callable]] = []
        self.noted: list[int] = []

    def note(self, number: int, frame: FrameType | None) -> None:
        self.noted.append(number)

    def begin(self) -> None:
        try:
            for number in _SIGNALS:
                handler = _signal.getsignal(number)
                if callable(handler):
                    self.handlers.append((number, handler))
                    _signal.signal(number, self.note)
        except ValueError:              # not the main interpreter: no handler runs here
            self.handlers.clear()
        except BaseException:
            self.restore()
            raise

    def restore(self) -> None:
        """Give every signal its handler back. One that arrives meanwhile may raise: the rest is done even so."""
        try:
            while self.handlers:
                _signal.signal(*self.handlers[-1])
                self.handlers.pop()
        finally:
            if self.handlers:
                self.restore()

    def end(self) -> None:
        """Restore the handlers and run those whose signals have arrived."""
        self.restore()
        try:
            while self.noted:
                number = self.noted.pop(0)
                handler = _signal.getsignal(number)
                if callable(handler):
                    handler(number, sys._getframe(2))
        finally:
            self.noted.clear()


_deferral = _Deferral()
_locks: list[tuple[int, AbstractContextManager]] = []


class Lock:
    """A re-entrant lock, uninterrupted while it is held. `rank`: locks are nested in rising order."""

    def __init__(self, rank: int):
        self._lock = threading.RLock()
        register(rank, self._lock)

    def __enter__(self) -> Lock:
        if threading.get_ident() != threading.main_thread().ident:
            self._lock.acquire()
            return self
        if not _deferral.depth:
            _deferral.begin()
        _deferral.depth += 1
        self._lock.acquire()
        return self

    def __exit__(self, *_: Any) -> None:
        self._lock.release()
        if threading.get_ident() == threading.main_thread().ident:
            _deferral.depth -= 1
            if not _deferral.depth:
                _deferral.end()


def register(rank: int, lock: AbstractContextManager) -> None:
    """A lock that a fork waits for."""
    _locks.append((rank, lock))
    _locks.sort(key=lambda pair: pair[0])


class Work:
    """Threads in the middle of something that a fork must not cut off: it waits until they have ended, and none begins
    meanwhile. Entered, nobody is at work."""

    def __init__(self, rank: int):
        self._changed = threading.Condition()
        self._running = 0
        register(rank, self)

    def begin(self) -> None:
        """Another thread starts, or the caller itself."""
        with self._changed:
            self._running += 1

    def end(self) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def __enter__(self) -> Work:
        self._changed.acquire()
        try:
            self._changed.wait_for(lambda: not self._running)
        except BaseException:
            self._changed.release()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self._changed.release()


_taken: list[AbstractContextManager] = []


def _before() -> None:
    for _, lock in _locks:
        lock.__enter__()
        _taken.append(lock)


def _after() -> None:
    taken = _taken[::-1]
    _taken.clear()                                # before the first is free: another thread may be about to fork, too
    for lock in taken:
        lock.__exit__(None, None, None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
