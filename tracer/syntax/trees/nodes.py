"""Going through syntax trees: as `ast.iter_child_nodes`, `ast.walk`, `ast.copy_location` and `ast.fix_missing_locations`, in a
third of the time.

What a first call of a function costs is to a good part going through its tree. These lists leave aside the leaves that no pass
asks for: operators, and whether a name is read or bound, which each node has as `op`, `ops` and `ctx`.
"""
from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

_LEAVES = frozenset({"ctx", "op", "ops", "id", "attr", "asname", "module", "level", "kind", "type_comment", "conversion"})
_AT = ("lineno", "col_offset", "end_lineno", "end_col_offset")
Made = TypeVar("Made", bound=ast.AST)


def _said(kind: Any) -> tuple[str, ...]:
    return () if kind is ast.Constant else tuple(name for name in kind._fields if name not in _LEAVES)


_fields: Callable[[type], tuple[str, ...]] = cache(_said)


def marked(node: Any, **marks: Any) -> None:
    """Note on a node, as its attributes, what a later pass asks for."""
    vars(node).update(marks)


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes right below one, in the order of the program."""
    found: list[ast.AST] = []
    for name in _fields(type(node)):
        value = getattr(node, name, None)
        if type(value) is list:
            found += [x for x in value if isinstance(x, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def walk(node: ast.AST | list[ast.stmt]) -> list[ast.AST]:
    """A node, or a list of statements, and all below it."""
    found: list[ast.AST] = [*node] if isinstance(node, list) else [node]
    for at in found:                            # which grows meanwhile
        found += children(at)
    return found


def placed(made: Made, like: ast.AST) -> Made:
    """A new node, at the place of another one."""
    place = like.__dict__
    if "end_col_offset" not in place or "lineno" not in made._attributes:
        return ast.copy_location(made, like)
    own = made.__dict__
    for name in _AT:
        own[name] = place[name]
    return made


def parameter(name: str) -> ast.arg:
    """A parameter of generated code; where it stands, no code says."""
    return ast.arg(name, lineno=1, col_offset=0, end_lineno=1, end_col_offset=0)


def with_places(root: ast.AST) -> ast.AST:
    """The tree, after each node without a place has got that of the node around it."""
    todo = [(root, (1, 0, 1, 0))]
    while todo:
        node, place = todo.pop()
        if "lineno" in node._attributes:
            own = node.__dict__
            if own.get("end_lineno") is None or own.get("end_col_offset") is None or len(own.keys() & _AT) < 4:
                for name, value in zip(_AT, place, strict=True):
                    if own.get(name) is None:
                        setattr(node, name, value)
            place = own["lineno"], own["col_offset"], own["end_lineno"], own["end_col_offset"]
        todo += [(child, place) for child in children(node)]
    return root


def detached(node: ast.AST) -> ast.AST:
    """A copy that may be taken apart."""
    return copy.deepcopy(node)
