"""Which lengths of a call are numbers in its program, and which are known at run time only.

A call of new lengths compiles anew, and short arrays gain by that: their loops are written out. After several shapes of one
pattern (the same structure, dtypes and numbers of axes) a program is made in which each length that has varied is a `Length`:
equal ones are one length where they have been equal each time. Short and long ones have programs of their own (thresholds.py):
the ends of a long axis do not meet, so that what happens there can be told from what happens between them; several threads are
worth it from some length on; what is very long does not fit into a cache. Machine code takes a call where its lengths are equal
as in the program, none is below `LEAST` (NumPy stretches lengths of 1), and the program's own checks on lengths hold (`guards`,
programs/compile.py). Every other call gets a program of its own.

A Python int that decides a shape, as in `x[a:b]` and `np.zeros(n)`, counts like a length: its value is part of the program
until it has varied; then it is a number of run time (`VARYING`), and so is the length that follows from it.
"""
from __future__ import annotations

import bisect
import itertools
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType
from typing import Any, NamedTuple

from ..ir.core import Length
from ..ir.errors import ArgumentError, IRError, TracegradError
from ..ir.thresholds import sizes
from ..tracer.staging.arguments import Call
from ..tracer.staging.signature import VARYING, Leaf
from ..tracer.tracing import Signal
from .compile import OtherLengths, specialise

# shapes= -> how many shapes are compiled for themselves first; None: all are
MODES: dict[str, int | None] = {"static": None, "auto": 3, "symbolic": 0}
LEAST = 2
TRIES = 4                        # programs for many lengths that one group may try in vain
_NAMES = ("n", "m", "k", "l")
RAISE = False                    # internal errors in programs for many lengths are raised, not passed over: tests do it
_PACKAGE = __name__.partition(".")[0]


def checked(mode: str | None) -> str | None:
    if mode is not None and mode not in MODES:
        raise ArgumentError(f"shapes is {mode!r}", "pass one of " + ", ".join(map(repr, MODES)))
    return mode


class General(NamedTuple):
    """A program for many lengths: its leaves, and the ints that are part of it, leaf -> value."""

    leaves: tuple[Leaf, ...]
    ints: dict[int, int]


class Group:
    """Calls that differ in nothing but lengths.

    seen     the lengths of all arrays, then the ints that decide shapes, of each call that was compiled for them alone
    general  the programs for many lengths
    refused  why such programs could not be made;  tried  how many
    """

    __slots__ = ("general", "refused", "seen", "tried")

    def __init__(self) -> None:
        self.seen: dict[tuple[tuple[int, ...], tuple[int, ...]], None] = {}
        self.general: list[General] = []
        self.refused, self.tried = "", 0


class Shapes:
    """What is known of the lengths of one function's calls.

    mode     a key of MODES;   after   as there, where it is not what the mode says
    varying  says which lengths of a call are no part of a program, where that is known without looking at calls
    """

    def __init__(self, mode: str, after: int | None = None, varying: Callable[[Call], Sequence[bool]] | None = None):
        self.mode, self.after, self.varying = mode, MODES[mode] if after is None else after, varying
        self._statics: dict[Any, set[int]] = {}           # pattern -> leaves that decide shapes, with their values
        self._groups: dict[Any, Group] = {}

    def readings(self, call: Call, code: int, compiled: Callable[[], bool]) -> Iterator[Call]:
        """The ways to see a call, the best one first, the last one as it is. compiled: whether it has been compiled as it is.
        code: the options in force."""
        if self.after is not None and self._may_vary(call, code) and not compiled():
            group, ints = self.group(call, code), self._ints(call, code)
            for known in [known for known in reversed(group.general) if _fits(known, call)]:
                yield call._replace(leaves=known.leaves)
            may = (_lengths(call), tuple(ints.values())) not in group.seen and (group.tried < TRIES or self.mode == "symbolic")
            if may and (new := self.generalised(group, call, ints)) is not None:
                group.general.append(new)
                yield call._replace(leaves=new.leaves)
        yield call

    def _may_vary(self, call: Call, code: int) -> bool:
        return any(leaf.kind == "array" and leaf.dims for leaf in call.leaves) or bool(self._ints(call, code))

    def _ints(self, call: Call, code: int) -> dict[int, int]:
        """The ints that decide shapes: leaf -> value."""
        statics = self._statics.get(_pattern(call, code), ())
        return {k: call.values[k] for k in sorted(statics) if call.leaves[k].kind == "int"}

    def group(self, call: Call, code: int) -> Group:
        pattern = _pattern(call, code)
        statics = tuple([(k, call.values[k]) for k in sorted(self._statics.get(pattern, ())) if call.leaves[k].kind != "int"])
        return self._groups.setdefault((pattern, statics), Group())

    def compiled(self, call: Call, code: int, statics: Iterable[int], refused: list[str]) -> None:
        """A call has been compiled for its lengths alone; these leaves decide shapes. refused: why programs for many lengths
        could not be made."""
        if self.after is not None:
            self._statics.setdefault(_pattern(call, code), set()).update(statics)
            group = self.group(call, code)
            group.seen[_lengths(call), tuple(self._ints(call, code).values())] = None
            group.tried += len(refused)
            group.refused = (*refused, group.refused)[0]

    def generalised(self, group: Group, call: Call, ints: dict[int, int]) -> General | None:
        """The program of the call with a `Length` in place of each length that has varied, and each int that has at run time;
        None where it is too soon."""
        own = _lengths(call)
        rows = [row for row in group.seen
                if len(row[1]) == len(ints) and all(a == b or a >= LEAST for a, b in zip(row[0], own))]
        if self.after is None or len(rows) < self.after:
            return None
        columns = list(zip(*[lengths for lengths, _ in rows], own))
        varied = self.varying(call) if self.varying else [
            n >= LEAST if self.after == 0 else len(set(column)) > 1 for column, n in zip(columns, own)]
        free = {k for k, *column in zip(ints, *[values for _, values in rows], ints.values()) if len(set(column)) > 1}
        if not (any(varied) or free) or any(v and n < LEAST for v, n in zip(varied, own)):
            return None
        made: dict[tuple, Length] = {}
        dims = iter([made.setdefault(column, _length(_name(len(made)), n)) if v else n
                     for column, v, n in zip(columns, varied, own)])
        new = General(tuple([
            leaf._replace(dims=tuple(itertools.islice(dims, len(leaf.dims)))) if leaf.kind == "array"
            else leaf._replace(value=VARYING) if k in free else leaf for k, leaf in enumerate(call.leaves)]),
            {k: n for k, n in ints.items() if k not in free})
        return None if any(_equal(new, known) for known in group.general) else new

    def forget(self, call: Call, leaves: tuple[Leaf, ...], code: int) -> None:
        """A program for many lengths could not be made."""
        group = self.group(call, code)
        group.general = [known for known in group.general if known.leaves is not leaves]

    def clear(self) -> None:
        self._statics.clear()
        self._groups.clear()


# --- why there is none -------------------------------------------------------------------------------------------------


def internal(error: BaseException) -> bool:
    """Whether an error is one of this package, not of a program that cannot have lengths of run time: one about its own data,
    one of Python's that its own code has raised, or any that came after tracing."""
    if isinstance(error, (TracegradError, Signal, OtherLengths)):
        return isinstance(error, IRError)
    frames = [frame for frame, _ in _frames(error)]
    return (any(frame.f_code is specialise.__code__ for frame in frames)
            or frames[-1].f_globals.get("__name__", "").partition(".")[0] == _PACKAGE)


def _frames(error: BaseException) -> list[tuple[FrameType, int]]:
    """The frames that an error has passed, with their lines, the one that raised it last."""
    return list(traceback.walk_tb(error.__traceback__))


def reason_of(error: BaseException) -> str:
    """An error as the reason why a program was not made, in one line."""
    text = str(error).partition("\n")[0]
    if not internal(error):
        return text
    frame, line = _frames(error)[-1]
    return f"an internal error, {type(error).__name__}: {text} ({os.path.basename(frame.f_code.co_filename)}:{line})"


def _pattern(call: Call, code: int) -> tuple:
    """All of a call that is not a length."""
    leaves = tuple([leaf._replace(dims=(len(leaf.dims),)) if leaf.kind == "array" else leaf for leaf in call.leaves])
    return call.tree, leaves, tuple(call.aliases.items()), call.shared, code


def _lengths(call: Call) -> tuple[int, ...]:
    return tuple([d for leaf in call.leaves if leaf.kind == "array" for d in leaf.dims])


def _name(k: int) -> str:
    return _NAMES[k] if k < len(_NAMES) else f"n{k}"


def _length(name: str, n: int) -> Length:
    steps = sorted({LEAST, sizes.long, sizes.longer, sizes.very_long})
    k = bisect.bisect(steps, n)
    return Length(name, steps[k - 1], steps[k] - 1 if k < len(steps) else None)


def _fits(known: General, call: Call) -> bool:
    """Whether the lengths of a call, and the ints that decide shapes, are those of a program."""
    found: dict[Length, int] = {}
    for leaf, mine in zip(known.leaves, call.leaves):
        for d, n in zip(leaf.dims, mine.dims) if leaf.kind == "array" else ():
            if n != (found.setdefault(d, n) if d.__class__ is Length else d) or (d.__class__ is Length and not d.takes(n)):
                return False
    return all(call.values[k] == n for k, n in known.ints.items())


def _equal(a: General, b: General) -> bool:
    """Whether two programs take the same lengths."""
    pairs = [(x, y) for p, q in zip(a.leaves, b.leaves) if p.kind == "array" for x, y in zip(p.dims, q.dims)]
    lengths = [(x, y) for x, y in pairs if x.__class__ is Length and y.__class__ is Length]
    return (len(set(lengths)) == len({x for x, _ in lengths}) == len({y for _, y in lengths})
            and all(x.least == y.least for x, y in lengths) and all(x == y for x, y in pairs if (x, y) not in lengths)
            and a.ints == b.ints)
