"""How notebooks show what users hold: the makers of HTML, each by a name, imported when a notebook asks for the first time.

They stand above the classes that they show (notebook/display.py), so `tracegrad` itself puts in here where they are.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

MAKERS: dict[str, Callable[[], Callable[[Any], str]]] = {}         # name -> what imports the maker


def html_of(name: str, shown: Any) -> str:
    """The HTML of an object, by the maker of that name."""
    return MAKERS[name]()(shown)
