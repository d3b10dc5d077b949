"""`with` becomes calls of the runtime, one for each manager (staging/with_statement.py has what they do while traced).

    with a as x, b: A         def body(<entered 1>): nonlocal x, …; x = <entered 1>
                                  def body(<entered 2>): nonlocal …; A
                                  tg.with_(b, body, get, put, ("x", …))
                              tg.with_(a, body, get, put, ("x", …))
"""
from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from .comprehensions import arguments
from .trees import early_exit
from .trees.nodes import marked, placed

if TYPE_CHECKING:
    from .rewrite import _Rewriter


def lower(node: ast.With, first: int) -> ast.With:
    """A statement for each manager, whose body begins with the assignment of what the manager gives."""
    item, *rest = node.items
    body: list[ast.stmt] = node.body if not rest else [lower(placed(ast.With(rest, node.body), node), first + 1)]
    name = f"<entered {first}>"
    if item.optional_vars is not None:
        store = ast.Assign([item.optional_vars], early_exit.load(name, item.optional_vars))
        body = [placed(store, item.optional_vars), *body]
    made = placed(ast.With([ast.withitem(item.context_expr, None)], body), node)
    marked(made, entered=name)
    return made


def rewrite(rewriter: _Rewriter, node: Any) -> list[ast.stmt]:
    """The statements that take the place of a `with`; `rewriter` rewrites its parts."""
    manager = rewriter.expr(node.items[0].context_expr)
    name = rewriter.temporary("<tg body")
    body = rewriter.definition(name, arguments(node.entered), rewriter.bound(node), rewriter.statements(node.body), node)
    definitions, state = rewriter.state(node)
    call = rewriter.tg("with_", [manager, early_exit.load(name, node), *state], node.items[0].context_expr)
    return [body, *definitions, placed(ast.Expr(call), node)]
