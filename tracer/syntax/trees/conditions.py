"""Marks the `and` and `or` of which only the truth is asked for: those in conditions.

    while q and q[-1] > v:          `and` is a bool here, where `last = q and q[-1]` may be the list
"""
from __future__ import annotations

import ast

from .nodes import marked, walk


def mark(tree: ast.AST) -> None:
    for node in walk(tree):
        if isinstance(node, (ast.If, ast.While, ast.IfExp, ast.Assert)):
            _ask(node.test)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            _ask(node.operand)
        elif isinstance(node, ast.comprehension):
            for test in node.ifs:
                _ask(test)


def _ask(node: ast.expr) -> None:
    if isinstance(node, ast.BoolOp):
        marked(node, asked=True)
        for operand in node.values:
            _ask(operand)
