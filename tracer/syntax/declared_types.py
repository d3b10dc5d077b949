"""Functions whose types are said where they are defined, as Numba's users do: of variables (`locals`), of arguments and result
(a signature). They are rewritten to convert what they are given.

    @jit("float32(float32)")                 def half(x):
    def half(x):                                 (<signature>, x) = <tg>.as_signed(signatures, x)
        return x / 2                             return <tg>.as_result(<signature>, x / 2)
"""
from __future__ import annotations

import ast
from typing import NamedTuple

from . import nonlocals
from .trees import early_exit, liveness
from .trees.early_exit import TG
from .trees.nodes import placed, walk

DECLARED = "__tracegrad_types__"           # attribute of a function: its Declared
_SIGNATURE = "<signature>"


class Declared(NamedTuple):
    """variables: ((name, type), …); signatures: ((types of the arguments, type of the result), …), each type as text.

    A type is "float64" of a number, "float64:2" of an array of two axes, "" of anything else.
    """

    variables: tuple[tuple[str, str], ...] = ()
    signatures: tuple[tuple[tuple[str, ...], str], ...] = ()


def convert(function: ast.FunctionDef, declared: Declared) -> None:
    """Rewrite a function to what was said of its types."""
    if declared.variables:
        _of_variables(function, dict(declared.variables))
    if declared.signatures:
        _of_signature(function, declared.signatures)


def _of_signature(function: ast.FunctionDef, signatures: tuple) -> None:
    """Its arguments are those of a signature, and so is what it returns."""
    first = function.body[0]
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    for node in nonlocals.own_nodes(function):
        if isinstance(node, ast.Return):
            value = node.value or early_exit.literal(None, node)
            node.value = _call("as_result", [early_exit.load(_SIGNATURE, node), value], node)
    given = [early_exit.literal(signatures, first), *[early_exit.load(n, first) for n in names]]
    targets: list[ast.expr] = [placed(ast.Name(n, ast.Store()), first) for n in (_SIGNATURE, *names)]
    start = placed(ast.Assign([placed(ast.Tuple(targets, ast.Store()), first)], _call("as_signed", given, first)), first)
    function.body = [start, *function.body]


def _call(name: str, arguments: list[ast.expr], like: ast.AST) -> ast.expr:
    return placed(ast.Call(placed(ast.Attribute(early_exit.load(TG, like), name, ast.Load()), like), arguments, []), like)


def _of_variables(function: ast.FunctionDef, kinds: dict[str, str]) -> None:
    """Rewrite a function whose variables have types (`locals` of numba.njit): they are converted where they get values.

        total = 0.0                     total = 0.0;     total = <tg>.declared("float32", total)
        for i in range(n):              for i in range(n):
            total += x[i]                   total += x[i];   total = <tg>.declared("float32", total)
    """
    for node in walk(function.body):
        if isinstance(node, ast.NamedExpr) and node.target.id in kinds:
            node.value = _conversion(kinds[node.target.id], node.value)
    given = [n for n in liveness.parameters(function) if n in kinds]
    function.body = [*_conversions(given, kinds, function.body[0]), *_block(function.body, kinds)]


def _block(body: list[ast.stmt], kinds: dict[str, str]) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for s in body:
        found.append(s)
        if isinstance(s, (*liveness.FUNCTIONS, ast.ClassDef)):
            continue
        for part in (s, *getattr(s, "handlers", ()), *getattr(s, "cases", ())):
            for name in ("body", "orelse", "finalbody"):
                if isinstance(getattr(part, name, None), list):
                    setattr(part, name, _block(getattr(part, name), kinds))
        if isinstance(s, ast.For):
            s.body = [*_conversions(_stored([s.target]), kinds, s), *s.body]
        elif isinstance(s, (ast.Assign, ast.AugAssign, ast.AnnAssign)) and s.value is not None:
            found += _conversions(_stored(s.targets if isinstance(s, ast.Assign) else [s.target]), kinds, s)
    return found


def _stored(targets: list[ast.expr]) -> list[str]:
    return [n.id for t in targets for n in walk(t) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _conversions(names: list[str], kinds: dict[str, str], like: ast.AST) -> list[ast.stmt]:
    return [placed(ast.Assign([placed(ast.Name(n, ast.Store()), like)], _conversion(kinds[n], early_exit.load(n, like))), like)
            for n in names if n in kinds]


def _conversion(kind: str, value: ast.expr) -> ast.expr:
    return _call("declared", [early_exit.literal(kind, value), value], value)
