"""Every size at which a decision of the compiler changes: one table.

A decision by size must not change what a program means: so tests run programs with each size at the least and at the greatest
value that it can have, and small arrays then go the ways of large ones (tests/lowering/test_thresholds.py). The compiler reads
attributes of `sizes` while it compiles; nothing reads them in a call.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

MANY = 1 << 40

# name: (value, least, greatest); the greatest is bounded where compiling would take for ever, or would recurse too deeply
TABLE: dict[str, tuple[int, int, int]] = {
    # the IR
    "folded": (64, 0, 4096),                # elements of a constant that is folded
    "few_terms": (4, 0, 64),                # so few terms are combined one by one, which gives the same wherever it is done
    "searched": (64, 0, 4096),              # elements of a constant integer array whose extremes are looked up
    "lifted_column": (6, 0, MANY),          # operations on single numbers that a strided column has to be worth
    "lifted_loop": (32, 0, MANY),           # iterations from which a loop of few operations gains
    "lifted_branch": (16, 0, MANY),         # ops of a branch that is computed where it is not taken
    "lifted_rows": (32, 0, MANY),           # the least length of a shared matrix that gains …
    "lifted_matrix": (2048, 0, MANY),       # … and the elements of such a matrix
    "inlined": (24, 0, MANY),               # ops of a callee that is inlined at every call; a larger one only where called once
    "writes_back": (16, 0, 256),            # writes that a read looks past …
    "ops_back": (64, 0, 4096),              # … and ops that it looks back
    "formulas": (400, 0, MANY),             # steps of long formulas (of gamma and its kin) that are written out at each use
    # derivatives
    "kept_elements": (16, 0, MANY),         # elements up to which an array counts like a scalar
    "redone": (30, 0, 60),                  # ops in a row that are done again; what the first of them starts from is kept
    "tape_inner": (16, 0, MANY),            # iterations of inner loops up to which they come first among the axes of a tape
    "record": (1 << 23, 0, MANY),           # bytes from which the record of a loop is not kept …
    "record_times": (8, 0, MANY),           # … if it is so many times what the loop reads and makes
    # loops and machine code
    "joined": (12, 0, MANY),                # tasks in one nest that need not be there
    "widening": (256, 0, MANY),             # iterations of inner loops up to which a costly function beside them has its own
    "slot": (2048, 0, MANY),                # bytes: a static temporary up to here is an alloca
    "stack": (1 << 16, 0, 1 << 18),         # bytes of allocas in one kernel; what exceeds it goes to the workspace
    "constant": (4096, 0, MANY),            # bytes: a frozen constant up to here is part of the code
    "scopes": (64, 0, 256),                 # alias scopes of one kernel: each lists all others
    "release": (20_000, 0, MANY),           # scalar operations from which letting other threads run (100 ns) is worth its price
    "compared": (32, 0, MANY),              # accesses to what a loop writes, each of which is compared with each other
    "commuting": (16, 0, MANY),             # iterations of a loop worth the trouble; shorter ones inside of it are written out
    "commuting_body": (200, 0, MANY),       # statements of a body in which loops that commute are written out
    "uniform": (4096, 0, MANY),             # elements of a constant that is looked at: if all are equal it needs no memory
    "two_passes": (64, 0, MANY),            # lanes from which an argmax is searched in two passes
    "arg_block": (32, 1, MANY),             # … and of each block of so many the extreme one first
    "twice": (8, 0, MANY),                  # a value of this cost is stored rather than computed twice
    "costly": (12, 0, MANY),                # a function of this cost is worth a loop of its own
    "twice_large": (40, 0, MANY),           # … and where it does not fit into the cache
    "large": (1 << 16, 0, MANY),            # elements of an array that is large
    "moved": (12, 0, 60),                   # ops that one read may take along when it moves before an overwriting op
    "virtual": (60, 1, 60),                 # virtual ops in a row: what reads them recurses
    "lanes": (8, 1, MANY),                  # iterations from which an innermost loop of static length is left to the vectoriser
    "registers": (16, 0, 64),               # arrays of at most this many elements are unrolled, and live in registers
    "cut": (16, 0, MANY),                   # iterations below which a loop is not cut where its additions meet
    "shared": (16384, 0, MANY),             # smaller buffers have memory of their own, which lets LLVM tell them apart
    "overlapping": (256, 0, MANY),          # elements of an array from which additions to it are joined
    "segment": (2, 0, 16),                  # positions of a segment that are written out
    "overlap_terms": (200, 0, MANY),        # terms of all cells of what overlaps together
    "unrolled": (32, 0, 64),                # iterations of a nest of small static loops that are written out
    "unrolled_inner": (16, 0, 64),          # … and of its inner loops, under a longer one
    "llvm_unrolled": (128, 0, 1024),        # lines that a loop may have when unrolled
    "llvm_short": (32, 0, MANY),            # iterations up to which a loop is unrolled after it has been vectorised
    "llvm_short_lines": (2048, 0, 8192),     # … and the lines that it may have when unrolled
    "llvm_apart": (24, 0, MANY),            # lines from which vectors of elements that lie apart have to pay
    "llvm_wide": (24, 0, MANY),             # lines a step of a sum from which vectors are taken one at a time
    "llvm_branches": (60, 0, MANY),         # lines up to which an innermost loop with branches is unrolled by four
    "narrowed": (1_000_000, 0, MANY),       # numbers on a tape from which conditions that they decide are kept instead
    "llvm_hard": (2000, 0, MANY),           # lines of a module up to which LLVM also makes copies of loops (O3 instead of O2)
    "long_body": (1000, 0, MANY),           # statements of a loop's straight body that is cut into pieces …
    "body_piece": (300, 1, MANY),           # … of so many
    "sectioned": (400, 0, MANY),            # statements in loops from which a kernel is cut into sections …
    "section": (60, 1, MANY),               # … of so many at least
    "llvm_part": (700, 1, MANY),            # lines of each part, up to four, in which a module with sections is compiled
    "llvm_thread": (400, 0, MANY),          # lines of a module from which it is compiled on a thread of its own
    "probes": (2, 0, MANY),                 # loads, each at the place that the last gave, from which four chains run at once
    "strip_work": (8, 0, MANY),             # cost from which what a loop writes where data decide is computed before
    "mask_block": (16, 1, MANY),            # elements of a mask that are passed over at once where none is true
    "straightened": (16, 0, MANY),          # operations of a branch that are computed although it may not be taken
    "symmetric": (64, 0, MANY),             # rows from which a matrix times its own transpose is made by halves
    "products": (512, 0, MANY),             # multiplications of a product that loops do as well as a library
    "parallel": (400_000, 0, MANY),         # operations of a loop whose iterations are spread over threads …
    "grain": (50_000, 0, MANY),             # … and of one chunk of them
    # traces
    "traced_unrolled": (4, 0, 16),          # a loop of at most so many iterations is unrolled …
    "traced_unrolled_total": (16, 0, 64),   # … unless the loops around it multiply to more than this
    "traced_body": (25, 0, MANY),           # … or its body makes more arrays than this which fit no registers
    "traced_lists": (32, 0, MANY),          # iterations up to which a loop is unrolled to keep a list as Python's own
    "long": (256, 2, MANY),                 # a length from here on, and again …
    "longer": (16_384, 2, MANY),            # … from here on (simple loops below are none for several threads) …
    "very_long": (66_000, 2, MANY),         # … and from here on has another program than shorter ones, if it is no number there
    "traced_positions": (64, 0, MANY),      # a loop over so many known positions of a list of known things is unrolled
}


class Sizes:
    """The values in force, as attributes."""

    def __init__(self) -> None:
        self.__dict__.update({name: row[0] for name, row in TABLE.items()})

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> int: ...

    @contextmanager
    def at(self, **values: int) -> Iterator[Any]:
        """Other values for the length of a block: for tests, as what is compiled stays compiled."""
        unknown = values.keys() - TABLE.keys()
        if unknown:
            raise AttributeError(f"no such size: {', '.join(sorted(unknown))}")
        before = dict(self.__dict__)
        self.__dict__.update(values)
        try:
            yield self
        finally:
            self.__dict__.update(before)

    def least(self) -> Any:
        """All at their least: everything counts as large."""
        return self.at(**{name: row[1] for name, row in TABLE.items()})

    def greatest(self) -> Any:
        """All at their greatest: everything counts as small."""
        return self.at(**{name: row[2] for name, row in TABLE.items()})


sizes = Sizes()
