"""Colourings of sparse patterns: columns (or rows) of one colour are computed together and told apart afterwards.

    columns   two columns that share a row have different colours, so a sum over the columns of a colour has one term a row
              (Curtis, Powell, Reid 1974; Coleman, Moré 1983): colour of each column
    star      of a symmetric pattern: neighbours differ, and so do two colours at least on every path of four vertices. Then
              H[i, j] stands alone in the sum over the columns of j's colour at row i, or in that of i's at row j
              (Gebremedhin, Manne, Pothen, "What color is your Jacobian?", SIAM Review 47, 2005, sections 3 and 4)

Both are greedy and take columns with many entries first. Patterns are CSR arrays (indptr, indices) without repeated entries.
"""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..ir.types import Array

HUB = 4.0        # star colouring gives columns of more than HUB sqrt(entries) entries a colour of their own: see `star`
LITTLE = 1e5     # steps that Python makes in the time in which Numba is loaded
CHUNK = 1 << 20  # bits that are looked at at once


class Pattern(NamedTuple):
    """A sparse matrix of ones: rows as CSR, int64."""

    shape: tuple[int, int]
    indptr: np.ndarray
    indices: np.ndarray

    @property
    def degrees(self) -> np.ndarray:
        """The number of entries of each row."""
        return np.diff(self.indptr)

    @property
    def widest(self) -> int:
        """The entries of the fullest row: no colouring of the columns has fewer colours."""
        return int(self.degrees.max(initial=0))

    @property
    def rows(self) -> np.ndarray:
        """The row of each entry."""
        return np.repeat(np.arange(self.shape[0]), self.degrees)

    @property
    def T(self) -> Pattern:
        """The transposed pattern; its rows are sorted."""
        order = np.argsort(self.indices, kind="stable")
        counts = np.bincount(self.indices, minlength=self.shape[1])
        return Pattern(self.shape[::-1], np.concatenate([[0], np.cumsum(counts)]), self.rows[order])

    def mirrored(self) -> Pattern:
        """The entries, and their mirror images, of a square pattern."""
        n, rows = self.shape[0], self.rows
        both = np.union1d(rows * n + self.indices, self.indices * n + rows)
        counts = np.bincount(both // max(n, 1), minlength=n)
        return Pattern(self.shape, np.concatenate([[0], np.cumsum(counts)]), both % max(n, 1))


class Coloring(NamedTuple):
    """The colour of each column (or row), and the number of colours."""

    colors: np.ndarray
    number: int


def _greedy(order: np.ndarray, to_rows: np.ndarray, row_of: np.ndarray, to_columns: np.ndarray, column_of: np.ndarray,
            colors: np.ndarray) -> int:
    """colors[v] = the least colour that no column sharing a row with v has."""
    taken = np.full(colors.size + 1, -1)
    count = 0
    for v in order:
        for e in range(to_rows[v], to_rows[v + 1]):
            r = row_of[e]
            for k in range(to_columns[r], to_columns[r + 1]):
                c = colors[column_of[k]]
                if c >= 0:
                    taken[c] = v
        c = 0
        while taken[c] == v:
            c += 1
        colors[v] = c
        count = max(count, c + 1)
    return count


def _greedy_star(order: np.ndarray, indptr: np.ndarray, indices: np.ndarray, hub: np.ndarray, colors: np.ndarray,
                 count: int) -> int:
    """The least colour with which no path v - w - x - y alternates between two colours, nor can once w is coloured."""
    taken = np.full(colors.size + 1, -1)
    first = count
    for v in order:
        if hub[v]:
            continue
        for e in range(indptr[v], indptr[v + 1]):
            w = indices[e]
            if w == v or hub[w]:
                continue
            if colors[w] >= 0:
                taken[colors[w]] = v
            for k in range(indptr[w], indptr[w + 1]):
                x = indices[k]
                if x in (v, w) or hub[x] or colors[x] < 0 or taken[colors[x]] == v:
                    continue
                if colors[w] < 0:
                    taken[colors[x]] = v
                    continue
                for j in range(indptr[x], indptr[x + 1]):
                    y = indices[j]
                    if y != w and y != x and colors[y] == colors[w]:
                        taken[colors[x]] = v
                        break
        c = first
        while taken[c] == v:
            c += 1
        colors[v] = c
        count = max(count, c + 1)
    return count


@functools.cache
def _compiled(function: Callable) -> Any:
    """The function in machine code, kept on disk by Numba."""
    from numba import njit

    return njit(cache=True)(function)


def _run(function: Callable, pattern: Pattern, *arguments: Array) -> int:
    """In Python where the work, the sum of squared row lengths, is less than loading Numba would be."""
    work = int(np.sum(pattern.degrees.astype(float) ** 2))
    return int((function if work < LITTLE else _compiled(function))(*arguments))


def _largest_first(degrees: np.ndarray) -> np.ndarray:
    return np.argsort(-degrees, kind="stable")


def columns(pattern: Pattern) -> Coloring:
    """A colouring of the columns. Time: the sum over the rows of the square of their entries."""
    n = pattern.shape[1]
    if 2 * pattern.widest > n:                           # every column for itself is no worse than twice the best
        return Coloring(np.arange(n), n)
    by_column = pattern.T
    colors = np.full(n, -1)
    return Coloring(colors, _run(_greedy, pattern, _largest_first(by_column.degrees), by_column.indptr, by_column.indices,
                                 pattern.indptr, pattern.indices, colors))


def rows(pattern: Pattern) -> Coloring:
    """A colouring of the rows: of the columns of the transposed pattern."""
    return columns(pattern.T)


def star(pattern: Pattern) -> Coloring:
    """A star colouring of a symmetric pattern.

    A vertex whose colour nobody else has lies on no path of two alternating colours. So the few vertices with very many
    neighbours get colours of their own and are left out of the search, whose time is the sum of squared degrees of the others.
    """
    degrees = pattern.degrees
    hub = degrees > max(HUB * np.sqrt(pattern.indices.size), 8.0)
    colors = np.full(degrees.size, -1)
    own = int(hub.sum())
    colors[hub] = np.arange(own)
    return Coloring(colors, _run(_greedy_star, pattern, _largest_first(degrees), pattern.indptr, pattern.indices, hub, colors,
                                 own))


def star_sources(pattern: Pattern, coloring: Coloring) -> np.ndarray:
    """For each entry (i, j) of a symmetric pattern where it stands alone among the compressed columns, flat in [colors, n]:
    (colour of j, i) where no other neighbour of i has that colour, else (colour of i, j)."""
    n, i, j, colors = pattern.shape[0], pattern.rows, pattern.indices, coloring.colors
    _, place, times = np.unique(i * coloring.number + colors[j], return_inverse=True, return_counts=True)
    return np.where(times[place] == 1, colors[j] * n + i, colors[i] * n + j)


def refine(pattern: Pattern, colors: np.ndarray, bits: int, words: np.ndarray) -> Pattern:
    """The pattern of the parts of column groups: row r has part p of its group g where bit colors[g] * 2**bits + p is set in
    words[:, r]."""
    parts, rows = 1 << bits, pattern.rows
    owners, children = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    chunk = max(1, CHUNK // parts)
    for start in range(0, rows.size, chunk):
        row, group = rows[start:start + chunk], pattern.indices[start:start + chunk]
        bit = (colors[group] << bits)[:, None] + np.arange(parts)
        entry, part = np.nonzero((words[bit >> 6, row[:, None]] >> (bit & 63).astype(np.uint64)) & np.uint64(1))
        owners.append(row[entry])
        children.append((group[entry] << bits) + part)
    counts = np.bincount(np.concatenate(owners), minlength=pattern.shape[0])
    return Pattern((pattern.shape[0], pattern.shape[1] << bits), np.concatenate([[0], np.cumsum(counts)]),
                   np.concatenate(children))
