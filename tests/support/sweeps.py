"""Long tables of checks, of which a run takes the part of its day.

TRACEGRAD_FULL_TESTS=1 takes everything; TRACEGRAD_PART= a number stands for another day, as the header of a run prints it.

- `@pytest.mark.sweep(n)`: about an n-th of the cases of a parametrised test run each day, every case within n days.
- `@pytest.mark.sweep(n, by="name")`, or a tuple of names: for every value of that parameter at least one case runs each day.
- `@pytest.mark.sweep(n, days=True)`: every case runs every n-th day, on some days none does: for cases of several seconds.
- `share(cases, n)`: the same inside of one test; `turn(n, name)`: whether a costly part of one case runs today.

n is at most a month.
"""
from __future__ import annotations

import datetime
import os
import zlib
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")

MONTH = 28
FULL = os.environ.get("TRACEGRAD_FULL_TESTS", "0") not in ("", "0")
# Kept in the environment, so that the processes of one run agree, also where it runs over midnight.
PART = int(os.environ.setdefault("TRACEGRAD_PART", str(datetime.date.today().toordinal())))


def share(cases: Sequence[T], n: int, salt: str = "") -> Sequence[T]:
    """Every n-th case, other ones each day; one of them if there are fewer than n. `salt` shifts the days."""
    assert 1 <= n <= MONTH, "what is left out today is to run within a month"
    if FULL or not cases:
        return cases
    step = min(n, len(cases))
    return cases[(PART + zlib.crc32(salt.encode())) % step::step]


def turns(cases: Sequence[T], n: int, salt: str) -> Sequence[T]:
    """The cases of today where each has one of n days, which lie as far apart as there are days."""
    step = max(n / len(cases), 1)
    return [case for i, case in enumerate(cases) if turn(n, salt, int(i * step))]


def turn(n: int, salt: str, shift: int = 0) -> bool:
    """Whether it is the day of one case, which comes every n days: for a costly part of a test, such as the second order."""
    assert 1 <= n <= MONTH, "what is left out today is to run within a month"
    return FULL or (PART + zlib.crc32(salt.encode()) + shift) % n == 0


def left_out(items: Iterable) -> set:
    """The collected tests that wait for another day."""
    away: set = set()
    if FULL:
        return away
    for group, found in groups(item for item in items if item.get_closest_marker("sweep")).items():
        marker = found[0].get_closest_marker("sweep")
        n = (*marker.args, 3)[0]
        spread = turns if marker.kwargs.get("days", False) else share
        away |= set(found) - set(spread(found, n, str(group)))
    return away


def groups(items: Iterable) -> dict[tuple, list]:
    """The items of sweeps by test, and by the values of which each has a case every day. A value is known by its number: it may
    be an array."""
    made: dict[tuple, list] = {}
    numbers: dict[tuple, dict[int, int]] = {}
    for item in items:
        by = item.get_closest_marker("sweep").kwargs.get("by", ())
        test, values = (item.location[0], item.originalname), []
        for name in (by,) if isinstance(by, str) else by:
            known = numbers.setdefault((test, name), {})
            values.append(known.setdefault(id(item.callspec.params[name]), len(known)))
        made.setdefault((*test, *values), []).append(item)
    return made
