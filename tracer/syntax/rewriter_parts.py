"""What the parts of the rewriter (comprehensions, generators, names from outside) ask of the whole, which is rewrite.py's."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable, Sequence


class Part:
    """A part of the rewriter: a base of the class that has all of them."""

    if TYPE_CHECKING:
        locals: list[frozenset]
        pending: list[ast.stmt]

        def tg(self, name: str, args: Iterable[ast.expr], like: ast.AST, keywords: Sequence = ()) -> ast.Call: ...
        def thunk(self, value: ast.expr) -> ast.expr: ...
        def temporary(self, stem: str = "<tmp") -> str: ...
        def mangle(self, name: str) -> str: ...
        def statements(self, body: list[ast.stmt]) -> list[ast.stmt]: ...
        def assign(self, targets: list[ast.expr], value: ast.expr, s: ast.AST) -> list[ast.stmt]: ...
        def expr(self, node: Any) -> ast.expr: ...
