"""The memory cache: which specialisation serves which key, and which one goes when there are too many.

Recency is counted by the machine code itself (a process-wide tick), so a hit costs no Python. Each function has a bound
of its own, and the process has one over all functions.
"""
from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from ..native.locks import Lock
from .dispatch import Dispatcher
from .specialisation import ClosedError, Specialisation

MAXSIZE = 256              # specialisations of one function
PROCESS_MAXSIZE = 4096     # of all functions

_LOCK = Lock(1)
_caches: weakref.WeakSet[Cache] = weakref.WeakSet()


class CacheInfo(NamedTuple):
    """hits: calls that a specialisation served; misses: compilations; code_bytes: machine code alive."""

    hits: int
    misses: int
    maxsize: int
    currsize: int
    evictions: int
    code_bytes: int


class Cache:
    """The specialisations of one dispatcher, by key."""

    def __init__(self, dispatcher: Dispatcher, maxsize: int = MAXSIZE):
        if maxsize < 1:
            raise ValueError("a cache holds at least one specialisation")
        self._dispatcher = weakref.ref(dispatcher)
        self.maxsize = maxsize
        self._entries: dict[Hashable, Specialisation] = {}
        self._misses = self._evictions = self._past_hits = 0
        with _LOCK:
            _caches.add(self)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Specialisation | None:
        """The specialisation of a key, for a call that no native entry took."""
        return self._entries.get(key)

    def put(self, key: Hashable, specialisation: Specialisation) -> Specialisation:
        """Install it. Where another thread was faster, its specialisation is returned and the new one is dropped."""
        with _LOCK:
            self._misses += 1
            present = self._entries.get(key)
            if present is not None:
                specialisation.close()
                return present
            specialisation.touch()
            self._entries[key] = specialisation
            dispatcher = self._dispatcher()
            if dispatcher is not None:
                dispatcher.install(specialisation)
            self._shrink(self.maxsize, keep=key)
            _shrink_process()
        return specialisation

    def run(self, key: Hashable, leaves: list, make: Callable[[], Specialisation]) -> Any:
        """Call the specialisation of a key from Python; `make` compiles it where it is not there."""
        while True:
            specialisation = self.get(key) or self.put(key, make())
            try:
                return specialisation.invoke(leaves)
            except ClosedError:        # evicted by another thread since
                continue

    def _shrink(self, size: int, keep: Hashable = None) -> None:
        while len(self._entries) > size:
            oldest = min((k for k in self._entries if k != keep), key=lambda k: self._entries[k].last_used)
            self.evict(oldest)

    def evict(self, key: Hashable) -> None:
        """Drop one specialisation and its code."""
        with _LOCK:
            specialisation = self._entries.pop(key, None)
            if specialisation is None:
                return
            self._evictions += 1
            self._drop(specialisation)

    def clear(self) -> None:
        """Drop everything; the counters start again."""
        with _LOCK:
            entries, self._entries = self._entries, {}
            for specialisation in entries.values():
                self._drop(specialisation)
            self._misses = self._evictions = self._past_hits = 0

    def _drop(self, specialisation: Specialisation) -> None:
        self._past_hits += specialisation.hits
        dispatcher = self._dispatcher()
        if dispatcher is not None:                     # else nobody can call it: its code goes with the specialisation
            dispatcher.remove(specialisation)

    def info(self) -> CacheInfo:
        with _LOCK:
            live = list(self._entries.values())
            hits = self._past_hits + sum(s.hits for s in live)
            return CacheInfo(hits, self._misses, self.maxsize, len(live), self._evictions, sum(s.code_bytes for s in live))


def _shrink_process() -> None:
    """Where all functions together hold too many, drop a sixteenth: the least recently used."""
    caches = list(_caches)
    if sum(map(len, caches)) <= PROCESS_MAXSIZE:
        return
    rows = sorted(((s.last_used, k, c) for c in caches for k, s in list(c._entries.items())), key=lambda row: row[0])
    for _, key, cache in rows[:len(rows) - PROCESS_MAXSIZE + PROCESS_MAXSIZE // 16]:
        cache.evict(key)
