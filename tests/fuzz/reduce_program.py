"""A failing program made smaller: statements and parts of expressions are taken away for as long as it still fails.

    a; b; c         ->  a; c
    if t: a; b      ->  a; b
    f(x) * y        ->  x * y, y
"""

from __future__ import annotations

import ast
import copy
import time
from collections.abc import Callable, Iterator

BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")


def reduced(text: str, fails: Callable[[str], bool], seconds: float = 60.0) -> str:
    """The smallest text found in so many seconds of which `fails` is true."""
    end, tree = time.monotonic() + seconds, ast.parse(text)
    changed = True
    while changed:
        changed = False
        for smaller in candidates(tree):
            if time.monotonic() > end:
                return ast.unparse(tree)
            if _valid(smaller) and fails(ast.unparse(smaller)):
                tree, changed = smaller, True
                break
    return ast.unparse(tree)


def _valid(tree: ast.Module) -> bool:
    try:
        compile(ast.unparse(tree), "program", "exec")
    except SyntaxError:
        return False
    return True


def candidates(tree: ast.Module) -> Iterator[ast.Module]:
    """Smaller trees, those that lose most first."""
    places = [(k, name) for k, node in enumerate(ast.walk(tree)) for name in BLOCKS if getattr(node, name, None)
              and isinstance(getattr(node, name), list)]
    for k, name in places:
        length = len(getattr(_at(tree, k), name))
        size = length
        while size:
            for start in range(0, length, size):
                yield _changed(tree, k, lambda node, name=name, start=start, size=size: _cut(node, name, start, size))
            size //= 2
    for k, name in places:
        for position, statement in enumerate(getattr(_at(tree, k), name)):
            if getattr(statement, "body", None) and not isinstance(statement, ast.FunctionDef):
                yield _changed(tree, k, lambda node, name=name, at=position: _opened(node, name, at))
    for k, node in enumerate(ast.walk(tree)):
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr) and not isinstance(value, (ast.Name, ast.Constant)):
                for part in _parts(value):
                    yield _changed(tree, k, lambda node, field=field, part=part: setattr(node, field, copy.deepcopy(part)))
            elif isinstance(value, list) and len(value) > 1 and isinstance(value[0], ast.expr) and isinstance(node, ast.Tuple):
                for at in range(len(value)):
                    yield _changed(tree, k, lambda node, at=at: node.elts.pop(at))


def _parts(value: ast.expr) -> list[ast.expr]:
    """Expressions that could stand in place of this one."""
    found = [node for node in ast.iter_child_nodes(value) if isinstance(node, ast.expr)]
    return found[1:] + found[:1] if isinstance(value, ast.Call) else found


def _at(tree: ast.Module, k: int) -> ast.AST:
    return next(node for n, node in enumerate(ast.walk(tree)) if n == k)


def _changed(tree: ast.Module, k: int, change: Callable) -> ast.Module:
    new = copy.deepcopy(tree)
    change(_at(new, k))
    return new


def _cut(node, name: str, start: int, size: int) -> None:
    del getattr(node, name)[start:start + size]
    if name == "body" and not node.body and not isinstance(node, ast.Module):
        node.body.append(ast.Pass())


def _opened(node, name: str, at: int) -> None:
    statements = getattr(node, name)
    inner = statements[at]
    statements[at:at + 1] = [*inner.body, *getattr(inner, "orelse", [])]
