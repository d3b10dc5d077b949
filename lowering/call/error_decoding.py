"""From the record of a failed check to the exception: `sites` of a kernel, and the values that the check passed."""
from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NoReturn

from ...ir.ops.checks import make_error, noted
from ...ir.types import DType
from ..libraries.numpy_random import pending
from ..loopir.grammar import Fail, Kernel, walk
from ..native.engine import from_words


def reporter(kernel: Kernel) -> Callable[[int, tuple[int, ...]], NoReturn]:
    """What raises the exception of a site, given the words of its values."""
    dtypes: dict[int, tuple[DType, ...]] = {}
    for stmt in walk(kernel.body):
        if isinstance(stmt, Fail):
            dtypes[stmt.site] = tuple(v.dtype for v in stmt.values)
    sites = tuple(kernel.sites)

    def report(site: int, words: tuple[int, ...]) -> NoReturn:
        name, message, loc = sites[site]
        if name == "random":
            raise noted(pending(), loc)
        raise make_error(name, message, _values(dtypes.get(site, ()), words), loc)
    return report


def _values(dtypes: tuple[DType, ...], words: tuple[int, ...]) -> list:
    """Python numbers; a complex one takes two words."""
    values, at = [], 0
    for d in dtypes:
        count = 2 if d.complex else 1
        values.append(from_words(struct.pack(f"{count}q", *words[at:at + count]), d).item())
        at += count
    return values
