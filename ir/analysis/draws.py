"""Which ops draw random numbers: those must run once, in the order of the program, and what they gave is kept."""
from __future__ import annotations

from ..core import Block, Op


def draws(block: Block) -> bool:
    """Whether an op of a block draws, in its regions and the functions that it calls, too."""
    return any(map(is_draw, block.walk()))


def is_draw(op: Op) -> bool:
    return op.defn.draws or ("callee" in op.attrs and draws(op.attrs["callee"].body))
