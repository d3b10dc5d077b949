"""From the record of a failed check to the exception: `sites` of a kernel, and the values that the check passed."""
from __future__ import annotations

import struct
from typing import NoReturn

from ...ir.errors import Loc
from ...ir.ops.checks import Message, make_error, noted
from ...ir.types import DType
from ..libraries.numpy_random import pending
from ..loopir.grammar import Fail, Kernel, walk
from ..native.engine import from_words


class Reporter:
    """Raises the exception of a failed check.

    sites   for each check of a kernel its exception class, its message and its location
    dtypes  {site: what its values are}
    """

    __slots__ = ("dtypes", "sites")

    def __init__(self, sites: tuple[tuple[str, Message, Loc], ...], dtypes: dict[int, tuple[DType, ...]]):
        self.sites, self.dtypes = sites, dtypes

    def __call__(self, site: int, words: tuple[int, ...]) -> NoReturn:
        name, message, loc = self.sites[site]
        if name == "random":
            raise noted(pending(), loc)
        raise make_error(name, message, _values(self.dtypes.get(site, ()), words), loc)


def reporter(kernel: Kernel) -> Reporter:
    """What raises the exception of a site, given the words of its values."""
    dtypes: dict[int, tuple[DType, ...]] = {}
    for stmt in walk(kernel.body):
        if isinstance(stmt, Fail):
            dtypes[stmt.site] = tuple(v.dtype for v in stmt.values)
    return Reporter(tuple(kernel.sites), dtypes)


def _values(dtypes: tuple[DType, ...], words: tuple[int, ...]) -> list:
    """Python numbers; a complex one takes two words."""
    values, at = [], 0
    for d in dtypes:
        count = 2 if d.complex else 1
        values.append(from_words(struct.pack(f"{count}q", *words[at:at + count]), d).item())
        at += count
    return values
