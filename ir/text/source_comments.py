"""The user's lines beside a listing: `# file:line  source` on the first of the rows that come from one line."""
from __future__ import annotations

import linecache
import os

from ..errors import Loc

COLUMN = 76           # where the comments start


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
