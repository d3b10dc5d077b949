"""Global names that a function binds the first time that it needs them.

    global TABLE                              if <tg>.name(TABLE, "TABLE") is None:
    if TABLE is None:              ->             <tg>.bind_global("TABLE", lambda: load())
        TABLE = load()                        return <tg>.name(TABLE, "TABLE")[k]
    return TABLE[k]

Python runs the right side while the function is traced (values/captured_names.py), as the first call would; from then on the
name is what every later call finds, and is compared by it. A name that is bound in another form too keeps its `global`,
which fence.py refuses.
"""
from __future__ import annotations

import ast
from typing import Any

from . import nonlocals
from .comprehensions import arguments
from .trees import early_exit
from .trees.early_exit import TG
from .trees.nodes import placed, walk


def lower(root: Any) -> None:
    """Rewrite such stores in place, of a function and of those within it."""
    for node in (root, *walk(root)):
        if isinstance(node, ast.FunctionDef):
            names = {n for s in nonlocals.own_nodes(node) if isinstance(s, ast.Global) for n in s.names}
            if names and _stored(node) & names <= _stored(node, _plain):
                node.body = _Stores(names).statements(node.body)


def _plain(s: ast.AST) -> list[str]:
    """The names that a statement of the forms above binds."""
    if isinstance(s, ast.Assign) and len(s.targets) == 1 and isinstance(s.targets[0], ast.Name):
        return [s.targets[0].id]
    if isinstance(s, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name for alias in s.names]
    return []


def _all(s: ast.AST) -> list[str]:
    """The names that a node binds or deletes itself."""
    if isinstance(s, ast.Name) and not isinstance(s.ctx, ast.Load):
        return [s.id]
    if isinstance(s, (ast.FunctionDef, ast.ClassDef)):
        return [s.name]
    return _plain(s) if isinstance(s, (ast.Import, ast.ImportFrom)) else []


def _stored(node: ast.FunctionDef, plain: Any = None) -> set[str]:
    """The names that a function binds; with `plain`, those of which each store is of the forms above."""
    stores = [name for s in nonlocals.own_nodes(node) for name in _all(s)]
    if plain is None:
        return set(stores)
    kept = [name for s in nonlocals.own_nodes(node) for name in plain(s)]
    return {name for name in kept if kept.count(name) == stores.count(name)}


class _Stores(ast.NodeTransformer):
    def __init__(self, names: set[str]):
        self.names = names

    def statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for s in body:
            made = self.visit(s)
            found += made if isinstance(made, list) else [made]
        return found

    def visit_FunctionDef(self, node: Any) -> Any:
        return node

    visit_Lambda = visit_FunctionDef

    def visit_Global(self, node: ast.Global) -> ast.Pass:
        return placed(ast.Pass(), node)

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id in self.names:
            return self.bound(target.id, node.value, node)
        return node

    def visit_Import(self, node: Any) -> list[ast.stmt]:
        found: list[ast.stmt] = [node]
        for alias in node.names:
            name = alias.asname or alias.name
            if name in self.names:
                alias.asname = f"<global {name}>"
                found.append(self.bound(name, early_exit.load(alias.asname, node), node))
        return found

    visit_ImportFrom = visit_Import

    def bound(self, name: str, value: ast.expr, like: ast.AST) -> ast.stmt:
        function = placed(ast.Attribute(early_exit.load(TG, like), "bind_global", ast.Load()), like)
        thunk = placed(ast.Lambda(arguments(), value), like)
        return placed(ast.Expr(placed(ast.Call(function, [early_exit.literal(name, like), thunk], []), like)), like)
