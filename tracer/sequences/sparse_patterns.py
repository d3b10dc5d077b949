"""Where SciPy's constructors of sparse matrices put the values that they are given, which only run time knows.

Each value is replaced by its number, from 1 on, SciPy builds the matrix, and what stands in it says which value goes there:

    diags([a, b], [0, 1]) with a of 3 and b of 2 elements     diags([[1, 2, 3], [4, 5]], [0, 1])     positions 0 3 1 4 2 by rows
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# functions whose first argument are the values, each of which is stored as it is
BUILT = frozenset({"diags", "diags_array", "spdiags"})


class Pattern(NamedTuple):
    """Which value each place holds, with the places by rows (CSR) or columns (CSC)."""

    positions: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    shape: tuple[int, int]


def of(f: Callable, tree: Any, shapes: list[tuple[int, ...]], args: tuple, kwargs: dict) -> tuple[str, Pattern]:
    """(the name of the class, the pattern) of f(values, *args, **kwargs), for values of these shapes."""
    first, numbered = 1, []
    for shape in shapes:
        size = int(np.prod(shape, dtype=int))
        numbers = np.arange(first, first + size, dtype=np.float64).reshape(shape)
        numbered.append(numbers if shape else float(first))
        first += size
    rest = {name: x for name, x in kwargs.items() if name != "dtype"}
    made = f(tree.unflatten(numbered), *args, **rest)
    kind = "csc" if made.format == "csc" else "csr"
    name = kind + ("_array" if type(made).__name__.endswith("_array") else "_matrix")
    return name, by_lines(made.tocoo(), kind)


def by_lines(coo: Any, kind: str) -> Pattern:
    """The places of a coordinate matrix by rows or columns; of those that are given twice, both."""
    line, other = (coo.row, coo.col) if kind == "csr" else (coo.col, coo.row)
    order = np.lexsort((other, line))
    count = coo.shape[0 if kind == "csr" else 1]
    ends = np.concatenate(([0], np.cumsum(np.bincount(line, minlength=count))))
    return Pattern(coo.data[order].real.astype(np.int64) - 1, other[order].astype(np.int32), ends.astype(np.int32),
                   (int(coo.shape[0]), int(coo.shape[1])))
