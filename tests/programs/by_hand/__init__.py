"""More programs as scientists and engineers write them, one function each: plain Python and NumPy, unmodified.

`PROGRAMS` maps a name to a `cases.Case`; tests/programs/test_by_hand.py holds each against Python and against differences.
"""

from __future__ import annotations

from cases import Case

PROGRAMS: dict[str, Case] = {}


def program(make, wrt=(0,), writes=()):
    """Register the decorated function. make(rng) -> its positional arguments; the rest as in `cases.Case`."""

    def register(fn):
        assert fn.__name__ not in PROGRAMS, fn.__name__
        PROGRAMS[fn.__name__] = Case(fn.__name__, fn, lambda rng, size: make(rng), tuple(wrt), tuple(writes))
        return fn

    return register


from . import dynamics, finance, images, learning, linear, sequences, statistics, structures  # noqa: E402,F401
