"""The user's lines beside a listing: `# file:line  source` on the first of the rows that come from one line."""
from __future__ import annotations

import linecache
import os

from ..errors import Loc

COLUMN = 76           # where the comments start
MARK = "\x1f"         # no text has it


class Places:
    """In the place of a margin: remembers where rows come from. `rows` has (row, loc) of those that come from somewhere."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Loc]] = []

    def beside(self, row: str, loc: Loc) -> str:
        """The row, followed by a mark with its number."""
        if not loc:
            return row
        self.rows.append((row, loc))
        return f"{row}{MARK}{len(self.rows) - 1}"

    def split(self, text: str) -> list[tuple[str, Loc]]:
        """The rows of a listing that was made with this margin, each with where it comes from."""
        parts = [row.partition(MARK) for row in text.rstrip("\n").split("\n")]
        return [(row, self.rows[int(number)][1] if number else ()) for row, _, number in parts]


class Margin:
    """Remembers the line that the rows so far came from."""

    __slots__ = ("_where",)

    def __init__(self) -> None:
        self._where: tuple[str, int] | None = None

    def beside(self, row: str, loc: Loc) -> str:
        """The row, with a comment where another line of the source begins."""
        where = loc[-1][:2] if loc else None
        if where is None or where == self._where:
            return row
        self._where = where
        source = linecache.getline(*where).strip()
        text = f"# {os.path.basename(where[0])}:{where[1]}" + (f"  {source}" if source else "")
        return f"{row:<{COLUMN}}  {text}"


def margin_of(asked: bool | Places) -> Margin | Places | None:
    """What a printer has beside its rows: a margin, places, or nothing."""
    return asked if isinstance(asked, Places) else Margin() if asked else None
