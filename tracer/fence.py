"""The fence: syntax that cannot be staged is refused before a function is traced.

Syntax is an allowlist: a statement or expression whose class is in neither table is refused. Each refusal gives the place, the
reason and what to write instead.
"""
from __future__ import annotations

import ast

from ..ir.errors import Frame, UnsupportedError

_PLAIN = (
    ast.FunctionDef, ast.Lambda, ast.arguments, ast.arg, ast.keyword, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign,
    ast.For,
    ast.While, ast.If, ast.With, ast.withitem, ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.alias, ast.Expr, ast.Pass,
    ast.Break, ast.Continue, ast.BoolOp, ast.NamedExpr, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Dict, ast.Set, ast.ListComp,
    ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Compare, ast.Call, ast.FormattedValue, ast.JoinedStr,
    ast.Constant, ast.Attribute, ast.Subscript, ast.Starred, ast.Name, ast.List, ast.Tuple, ast.Slice, ast.expr_context,
    ast.boolop, ast.operator, ast.unaryop, ast.cmpop, ast.Delete, ast.Nonlocal, ast.Global,
)

_REFUSED = {
    ast.Yield: ("a generator cannot be compiled: its pauses have no place in a compiled function",
                "collect the values in a list and return it"),
    ast.YieldFrom: ("a generator cannot be compiled: its pauses have no place in a compiled function",
                    "collect the values in a list and return it"),
    ast.Await: ("asynchronous code cannot be compiled", "await outside and pass the result in"),
    ast.AsyncFunctionDef: ("asynchronous code cannot be compiled", "write a plain function, and await outside of it"),
    ast.AsyncFor: ("asynchronous code cannot be compiled", "collect the items outside and pass them in"),
    ast.AsyncWith: ("asynchronous code cannot be compiled", "enter the context outside of the compiled function"),
    ast.Try: ("`try` cannot be compiled: compiled code has no exceptions to catch, only checks that end the call",
              "test the condition with `if`, or catch the error around the call of the compiled function"),
    ast.Match: ("`match` cannot be compiled", "write if/elif/else"),
    ast.ClassDef: ("a class cannot be defined inside a compiled function", "define it at module level"),
}
if hasattr(ast, "TryStar"):
    _REFUSED[ast.TryStar] = _REFUSED[ast.Try]

_CONTEXTS = {"errstate", "catch_warnings", "nullcontext"}


def refuse(node: ast.AST, file: str, function: str, what: str, remedy: str):
    end = node.end_col_offset if getattr(node, "end_lineno", None) == node.lineno else None
    raise UnsupportedError(what, remedy, (Frame(file, node.lineno, function, node.col_offset, end),)) from None


def check(root: ast.AST, file: str) -> None:
    """Raises UnsupportedError at the first construct of a function (or of a function within it) that cannot be staged."""
    _Fence(file).function(root)


class _Fence:
    def __init__(self, file: str):
        self.file, self.name = file, "<lambda>"

    def refuse(self, node, what, remedy):
        refuse(node, self.file, self.name, what, remedy)

    def function(self, node):
        outer, self.name = self.name, getattr(node, "name", "<lambda>")
        for child in node.body if isinstance(node.body, list) else [node.body]:
            self.visit(child)
        for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(default)
        self.name = outer

    def visit(self, node):
        cls = type(node)
        row = _REFUSED.get(cls)
        if row:
            self.refuse(node, *row)
        if not isinstance(node, _PLAIN):
            self.refuse(node, f"`{cls.__name__}` cannot be compiled", "write it with if, for, while and assignments")
        if cls is ast.FunctionDef or cls is ast.Lambda:
            self.function(node)
            return
        special = _SPECIAL.get(cls)
        if special:
            special(self, node)
        for child in ast.iter_child_nodes(node):
            self.visit(child)

    def with_(self, node):
        for item in node.items:
            call = item.context_expr
            name = call.func if isinstance(call, ast.Call) else call
            name = getattr(name, "attr", getattr(name, "id", ""))
            if name not in _CONTEXTS:
                self.refuse(item.context_expr,
                            "this context manager would act while the function is compiled, not when it runs",
                            "enter it around the call of the compiled function")

    def delete(self, node):
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.refuse(node, f"`del {target.id}` cannot be compiled: names have no life of their own at run time",
                            "leave the name; memory is freed by itself")

    def outer_name(self, node):
        word = "global" if isinstance(node, ast.Global) else "nonlocal"
        names = ", ".join(node.names)
        self.refuse(node, f"`{word} {names}` cannot be compiled: a compiled function may read outer names, not bind them",
                    "return the value, or keep it in an array that is passed in and overwritten")

    def comprehension(self, node):
        if node.is_async:
            self.refuse(node.target, *_REFUSED[ast.AsyncFor])

    def imported(self, node):
        if isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names):
            self.refuse(node, "`import *` cannot be compiled", "import the names that are used")


_SPECIAL = {ast.With: _Fence.with_, ast.Delete: _Fence.delete, ast.Global: _Fence.outer_name, ast.Nonlocal: _Fence.outer_name,
            ast.comprehension: _Fence.comprehension, ast.ImportFrom: _Fence.imported}
