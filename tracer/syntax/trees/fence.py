"""The fence: syntax that cannot be staged is refused before a function is traced.

Syntax is an allowlist: a statement or expression whose class is in neither table is refused. Each refusal gives the place, the
reason and what to write instead.
"""
from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, NoReturn

from ....ir.errors import Frame, UnsupportedError
from . import liveness
from .nodes import children, walk

_PLAIN = (
    ast.FunctionDef, ast.Lambda, ast.arguments, ast.arg, ast.keyword, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign,
    ast.For,
    ast.While, ast.If, ast.With, ast.withitem, ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.alias, ast.Expr, ast.Pass,
    ast.Break, ast.Continue, ast.BoolOp, ast.NamedExpr, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Dict, ast.Set, ast.ListComp,
    ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Compare, ast.Call, ast.FormattedValue, ast.JoinedStr,
    ast.Constant, ast.Attribute, ast.Subscript, ast.Starred, ast.Name, ast.List, ast.Tuple, ast.Slice, ast.expr_context,
    ast.boolop, ast.operator, ast.unaryop, ast.cmpop, ast.Delete, ast.Nonlocal, ast.Global, ast.Try, ast.ExceptHandler,
    ast.Match, ast.match_case, ast.pattern, ast.Yield, ast.YieldFrom,
)

_REFUSED = {
    ast.Await: ("asynchronous code cannot be compiled", "await outside and pass the result in"),
    ast.AsyncFunctionDef: ("asynchronous code cannot be compiled", "write a plain function, and await outside of it"),
    ast.AsyncFor: ("asynchronous code cannot be compiled", "collect the items outside and pass them in"),
    ast.AsyncWith: ("asynchronous code cannot be compiled", "enter the context outside of the compiled function"),
}
if hasattr(ast, "TryStar"):
    _REFUSED[ast.TryStar] = "`except*` cannot be compiled", "write `except`"


def refuse(node: Any, file: str, function: str, what: str, remedy: str) -> NoReturn:
    end = node.end_col_offset if getattr(node, "end_lineno", None) == node.lineno else None
    raise UnsupportedError(what, remedy, (Frame(file, node.lineno, function, node.col_offset, end),)) from None


def check(root: ast.AST, file: str) -> None:
    """Raises UnsupportedError at the first construct of a function (or of a function within it) that cannot be staged."""
    _Fence(file).function(root)


class _Fence:
    def __init__(self, file: str):
        self.file, self.name = file, "<lambda>"

    def refuse(self, node: Any, what: str, remedy: str) -> NoReturn:
        refuse(node, self.file, self.name, what, remedy)

    def function(self, node: Any) -> None:
        outer, self.name = self.name, getattr(node, "name", "<lambda>")
        for child in [node.body] if isinstance(node, ast.Lambda) else node.body:
            self.visit(child)
        for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(default)
        self.name = outer

    def visit(self, node: Any) -> None:
        cls = type(node)
        row = _REFUSED.get(cls)
        if row:
            self.refuse(node, *row)
        if cls is ast.Lambda and any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in walk(node.body)):
            self.refuse(node, "a lambda with a `yield` cannot be compiled", "write it as a `def`")
        if not isinstance(node, _PLAIN):
            self.refuse(node, f"`{cls.__name__}` cannot be compiled", "write it with if, for, while and assignments")
        if cls is ast.Lambda or cls in liveness.COMPREHENSIONS:
            self.operands(node)
        if cls is ast.FunctionDef or cls is ast.Lambda:
            self.function(node)
            return
        special = _SPECIAL.get(cls)
        if special:
            special(self, node)
        for child in children(node):
            self.visit(child)

    def with_(self, node: ast.With) -> None:
        """A file would be opened to find out that it cannot be."""
        for item in node.items:
            called = getattr(item.context_expr, "func", None)
            if isinstance(called, ast.Name) and called.id == "open":
                self.refuse(item.context_expr,
                            "this context manager would act while the function is compiled, not when it runs",
                            "enter it around the call of the compiled function")

    def global_(self, node: ast.Global) -> None:
        names = ", ".join(node.names)
        self.refuse(node, f"`global {names}` cannot be compiled: a compiled function may read global names, not bind them",
                    "return the value, or keep it in an array that is passed in and overwritten")

    def try_(self, node: ast.Try) -> None:
        for s in node.finalbody:
            for inner in walk(s):
                if isinstance(inner, (ast.Return, ast.Break, ast.Continue)):
                    word = type(inner).__name__.lower()
                    self.refuse(inner, f"`{word}` in a `finally` cannot be compiled: it would hide errors",
                                "put it after the `try`")

    def alternatives(self, node: ast.MatchOr) -> None:
        for inner in walk(node):
            if getattr(inner, "name", None) or getattr(inner, "rest", None):
                self.refuse(inner, "a name in an alternative of a pattern (`a | b`) cannot be compiled",
                            "write a `case` for each alternative")

    def operands(self, node: Any) -> None:
        """`:=` in a part that may not be evaluated, where no statement is that could keep the name."""
        for child in children(node):
            for found, certain in liveness.bindings(child):
                if not certain:
                    self.refuse(found, f"`:=` in a part of an expression that may not be evaluated, in a "
                                f"{'lambda' if isinstance(node, ast.Lambda) else 'comprehension'}",
                                "write it as a `def` or a loop, with the name assigned on a line of its own")

    def comprehension(self, node: ast.comprehension) -> None:
        if node.is_async:
            self.refuse(node.target, *_REFUSED[ast.AsyncFor])

    def imported(self, node: ast.ImportFrom) -> None:
        if isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names):
            self.refuse(node, "`import *` cannot be compiled", "import the names that are used")


_SPECIAL: dict[type, Callable[[_Fence, Any], None]] = {
            ast.With: _Fence.with_, ast.Global: _Fence.global_, ast.Try: _Fence.try_, ast.MatchOr: _Fence.alternatives,
            ast.comprehension: _Fence.comprehension, ast.ImportFrom: _Fence.imported}
