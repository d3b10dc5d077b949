"""When values of a storage hold contents that are read later, in an order in which those that overlap another time are found.

A long chain of updates is put together one by one. To compare each with all others would be quadratic; as each dies at the next
one, hardly any overlap.
"""
from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...ir.core import Value

if TYPE_CHECKING:
    from .materialize import Position

    Row = tuple[Position, int, Position, Value]


class Lifetimes:
    """rows   (first, serial, last, value) by the first position, at which the contents come into being; they are read last at
           `last`. Each value has a serial number of its own
    until  the greatest `last` of the rows up to each
    """

    __slots__ = ("rows", "until")

    def __init__(self, value: Value, serial: int, first: Position, last: Position):
        self.rows: list[Row] = [(first, serial, last, value)]
        self.until = [last]

    @staticmethod
    def joint(one: Lifetimes, two: Lifetimes) -> Lifetimes:
        """Those of both; the longer one of the two is used up."""
        longer, other = (one, two) if len(one.rows) >= len(two.rows) else (two, one)
        start = bisect_left(longer.rows, other.rows[0])
        for row in other.rows:
            insort(longer.rows, row)
        del longer.until[start:]
        for row in longer.rows[start:]:
            longer.until.append(max(longer.until[-1], row[2]) if longer.until else row[2])
        return longer

    def overlaps(self, other: Lifetimes) -> list[tuple[Value, Value]]:
        """Pairs of a value here and one there: both begin at once, or the earlier one is read after the later one begins."""
        longer, shorter = (self, other) if len(self.rows) >= len(other.rows) else (other, self)
        found = [(a, b) if longer is self else (b, a) for b in shorter.rows for a in longer._near(b)]
        return [(a[-1], b[-1]) for a, b in sorted(found, key=lambda pair: (pair[0][1], pair[1][1]))]

    def _near(self, other: Row) -> Iterator[Row]:
        first, _, last, _ = other
        k = bisect_right(self.rows, max(first, last), key=lambda row: row[0])
        while k and self.until[k - 1] >= first:
            k -= 1
            start, _, end, _ = row = self.rows[k]
            if start == first or (start < last and first < end):
                yield row
