"""What a user says about a loop: `for i in unroll(range(4))`, `for i in rolled(range(n))`.

Outside of compiled code both are the loop that they hold.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Hint:
    """An iterable with a wish."""

    __slots__ = ("iterable",)

    def __init__(self, iterable: Any):
        self.iterable = iterable

    def __iter__(self) -> Iterator:
        return iter(self.iterable)

    def __len__(self) -> int:
        return len(self.iterable)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.iterable!r})"


class unroll(Hint):
    """`for i in tg.unroll(range(4))`: write the loop out, iteration by iteration.

    The counter is then a number, and Python objects may change; the number of iterations must be known when the function is
    compiled. Short loops are unrolled anyway.

    Parameters: `iterable`, what is looped over.
    Result: what gives the same elements.
    Errors: UnsupportedError where the number of iterations is not known.

    >>> tg.jit(lambda x: [x ** i for i in tg.unroll(range(3))])(2)
    [1, 2, 4]
    """

    __slots__ = ()


class rolled(Hint):
    """`for x in tg.rolled(xs)`: keep the loop a loop, whatever its length.

    Raises UnsupportedError, with the reason, where the body needs its counter as a number or changes Python objects.

    Parameters: `iterable`, what is looped over.
    Result: what gives the same elements.
    Errors: as above.

    >>> @tg.jit
    ... def power(x):
    ...     out = 1
    ...     for _ in tg.rolled(range(3)):
    ...         out *= x
    ...     return out
    >>> int(power(2))
    8
    """

    __slots__ = ()
