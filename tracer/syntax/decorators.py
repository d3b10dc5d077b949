"""Decorators of functions that a function defines: calls like any other, whose closures the program makes.

    @memo                      <tmp 1> = memo
    def f(n): …                def f(n): …
                               f = <tmp 1>(f)

Annotations stay as texts: decorators read them (functools.singledispatch).
"""
from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .trees import early_exit

if TYPE_CHECKING:
    from .rewrite import _Rewriter


def rewrite(rewriter: _Rewriter, s: ast.FunctionDef) -> list[ast.stmt]:
    before: list[ast.stmt] = []
    names = []
    for decorator in s.decorator_list:
        names.append(rewriter.temporary())
        before.append(early_exit.store(names[-1], rewriter.expr(decorator), decorator))
    types = _types(s) if names else {}
    made = rewriter.function(s)
    own = [*made.args.posonlyargs, *made.args.args, *made.args.kwonlyargs, *filter(None, (made.args.vararg, made.args.kwarg))]
    for parameter in own:
        if parameter.arg in types:
            parameter.annotation = early_exit.literal(types[parameter.arg], s)
    after: list[ast.stmt] = []
    for name, decorator in zip(reversed(names), reversed(s.decorator_list)):
        call = rewriter.tg("call", [early_exit.load(name, decorator), early_exit.load(made.name, decorator)], decorator)
        after.append(early_exit.store(made.name, call, decorator))
    return [*before, made, *after]


def _types(s: ast.FunctionDef) -> dict[str, str]:
    own = [*s.args.posonlyargs, *s.args.args, *s.args.kwonlyargs, *filter(None, (s.args.vararg, s.args.kwarg))]
    found = {p.arg: p.annotation for p in own if p.annotation is not None}
    return {name: t.value if isinstance(t, ast.Constant) and isinstance(t.value, str) else ast.unparse(t)
            for name, t in found.items()}
