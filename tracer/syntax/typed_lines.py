"""The lines of functions that are typed at Python's own prompt, which keeps no source before CPython 3.13.

The module `readline` has them: its history, where each line is one item. All that is typed has the file "<stdin>", and the
lines of each statement count from 1. So a function may be in any statement that names it, and the reader compiles what it finds
once more (trees/source_check.py): only the lines that give this very code are its source.
"""
from __future__ import annotations

import itertools
import linecache
import sys
from collections.abc import Iterator
from types import CodeType

PROMPT = "<stdin>"
_GOES_ON = ("else:", "else ", "elif ", "except", "finally", "case ", ")", "]", "}", '"""', "'''")
_numbers = itertools.count()


def statements(code: CodeType) -> Iterator[list[str]]:
    """The statements that may hold a function typed at the prompt, the newest first, each as its lines. The last of these may
    have been typed after the statement, and refused for their indentation: the history does not say where an empty line
    ended it."""
    word = "lambda" if code.co_name == "<lambda>" else code.co_name
    for lines in _typed() if code.co_filename == PROMPT else ():
        if code.co_firstlineno <= len(lines) and any(word in line for line in lines[code.co_firstlineno - 1:]):
            yield from (lines[:end] for end in range(len(lines), code.co_firstlineno - 1, -1))


def keep(lines: list[str]) -> str:
    """The name of a file that has these lines, for errors to show them."""
    file = f"<typed-{next(_numbers)}>"
    linecache.cache[file] = sum(map(len, lines)), None, lines, file
    return file


def _typed() -> Iterator[list[str]]:
    """What was typed, statement by statement, the newest first. A line that is not indented begins one, unless it can only go
    on with the one before; what is decorated belongs to the decorators above it."""
    readline = sys.modules.get("readline")
    if readline is None:
        return
    lines: list[str] = []
    above = readline.get_history_item(readline.get_current_history_length())
    for number in range(readline.get_current_history_length(), 0, -1):
        line, above = above or "", readline.get_history_item(number - 1) if number > 1 else None
        lines.insert(0, line + "\n")
        if line[:1].strip() and not line.startswith(_GOES_ON) and not (above or "").startswith("@"):
            yield lines
            lines = []
