"""`try` becomes a call of the runtime, its parts functions (control/try_statement.py has what they do while traced).

    try: A                    def body(): nonlocal x; A
    except KeyError as e:     def handler(<caught 1>): nonlocal e, x; e = <caught 1>; B
        B                     def final(): nonlocal x; C
    finally: C                tg.try_(body, ((lambda: KeyError, handler, True),), None, final, False, get, put, ("x",))
                              x = tg.settled(x)

The last line is there for each name that A and B both assign: the body, whose end is not reached where something fails, leaves
it set on a condition, which holds wherever the statement is left by its end. So `else` begins for the names that A assigns.
"""
from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .comprehensions import arguments
from .trees import early_exit
from .trees.nodes import marked, placed, walk

if TYPE_CHECKING:
    from .rewrite import _Rewriter


def lower(node: ast.Try, number: int) -> ast.Try:
    """Give every handler a name of its own; the user's name is assigned, and not deleted at the handler's end."""
    for handler in node.handlers:
        name, mine = f"<caught {number}>", handler.name
        handler.name = name
        marked(handler, apart=mine is not None or _raises_again(handler.body))
        if mine is not None:
            handler.body.insert(0, early_exit.store(mine, early_exit.load(name, handler), handler))
    return node


def _raises_again(statements: Any) -> bool:
    return any(isinstance(n, ast.Raise) and n.exc is None for s in statements for n in walk(s))


_SEEN = (ast.Call, ast.Delete, ast.AugAssign, ast.Subscript, ast.Attribute, ast.Raise, ast.Assert)


def _watched(statements: Any) -> bool:
    """Whether statements may do more than bind names: write to an array or object, print, raise."""
    return any(isinstance(n, _SEEN) and not isinstance(getattr(n, "ctx", None), ast.Load)
               for s in statements for n in walk(s))


def _settled(rewriter: _Rewriter, names: Iterable[str], node: ast.AST) -> list[ast.stmt]:
    return [early_exit.store(n, rewriter.tg("settled", [early_exit.load(n, node)], node), node)
            for n in map(rewriter.mangle, sorted(names))]


def between(rewriter: _Rewriter, node: Any, made: list[ast.stmt]) -> list[ast.stmt]:
    """`made` does what a statement does, of which a `try` around it may leave the middle:

        p = tg.unset("p")     for names whose value from before nobody needs: it may be of an iteration traced before
        made
        p = tg.settled(p)     for names that are assigned wherever the statement comes to its end, whatever is so elsewhere
    """
    unset = [rewriter.unset(n, node) for n in sorted(getattr(node, "anew", ()))] if isinstance(node, ast.Try) else []
    return [*unset, *made, *_settled(rewriter, getattr(node, "settled", ()), node)]


def rewrite(rewriter: _Rewriter, node: Any) -> list[ast.stmt]:
    """The statements that take the place of a `try`; `rewriter` rewrites its parts."""
    made: list[ast.stmt] = []

    def part(name: str, statements: list[ast.stmt], *parameters: str, known: set[str] | tuple = ()) -> ast.expr:
        if not statements:
            return early_exit.literal(None, node)
        named = rewriter.temporary(f"<tg {name}")
        body = [*_settled(rewriter, known, node), *rewriter.statements(statements)]
        made.append(rewriter.definition(named, arguments(*parameters), rewriter.bound(node), body, node))
        return early_exit.load(named, node)

    body, watched = part("body", node.body), _watched(node.finalbody)
    handlers: list[ast.expr] = []
    for handler in node.handlers:
        kinds = rewriter.expr(handler.type) if handler.type is not None else early_exit.load("BaseException", handler)
        run = part("handler", handler.body, handler.name)
        parts = [rewriter.thunk(kinds), run, early_exit.literal(handler.apart, handler)]
        handlers.append(placed(ast.Tuple(parts, ast.Load()), handler))
    orelse, final = part("orelse", node.orelse, known=node.done), part("final", node.finalbody)
    definitions, state = rewriter.state(node)
    listed = placed(ast.Tuple(handlers, ast.Load()), node)
    call = rewriter.tg("try_", [body, listed, orelse, final, early_exit.literal(watched, node), *state], node)
    return between(rewriter, node, [*made, *definitions, placed(ast.Expr(call), node)])
