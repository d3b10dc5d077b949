"""What lifting a body over its batch speaks of: values over the batch, what a region gains, and how lifting fails."""
from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..core import Value
from ..thresholds import sizes

# Measured on loops of sums, Horner's rule, sines, integrators, over batches of 64 to 20,000.


class BatchedValue(NamedTuple):
    """A value of the body over the batch. `axis` is None where all elements share it."""

    value: Value
    axis: int | None

    @property
    def rank(self) -> int:
        """The rank of one element."""
        return self.value.rank - (self.axis is not None)

    def outer(self, k: int) -> int:
        """The axis of `value` that is axis k of an element."""
        return k if self.axis is None or k < self.axis else k + 1


@dataclass
class BatchCost:
    """What a lifted region gains, and what it loses.

    gains    products with a large matrix that all elements share, and loops that pay
    work     the cost of its operations on single numbers, which become vectors or are shared
    columns  single elements of arrays that are read or written: elements of the batch stand far apart
    arrays   operations on arrays: they are vectors already, and lifting only widens what has to stay in the cache
    """

    gains: int = 0
    work: int = 0
    columns: int = 0
    arrays: int = 0

    def pays(self, trip: int | None) -> bool:
        """Whether a loop of so many iterations, None where that is not known, runs better over the whole batch."""
        if self.gains:
            return True
        long = self.work >= 2 * sizes.lifted_column or (self.work > 0 and (trip is None or trip >= sizes.lifted_loop))
        return long and not self.arrays and self.work >= sizes.lifted_column * self.columns


class NotBatched(Exception):
    """The body has what cannot stand outside of it: lengths that differ, stacks, printing."""


class Unprofitable(Exception):
    """A loop whose elements do not go together, or gain nothing by it."""
