"""Generator functions: their body becomes two functions, of which the consumer's way of consuming picks one.

    def g(x):               def g(x):
        for v in x:             def push(<sink>, x=x):          each `yield v` is <tg>.yield_(<sink>, v)
            yield 2 * v             …
                                def steps(x=x):                 a generator, whose `if`, `for` and `while` around a `yield`
                                    …                           are Python's
                                return <tg>.generator(push, steps)

`push` runs at once and hands each value to its consumer, whose code so takes the place of the `yield`
(sequences/generators.py). `steps` gives values one by one, to `next` and whatever iterates as Python does.
"""
from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .rewriter_parts import Part
from .trees import early_exit, liveness
from .trees.early_exit import TG
from .trees.nodes import children, marked, parameter, placed

if TYPE_CHECKING:
    from .rewrite import _Rewriter

SINK, PUSH, STEPS = "<sink>", "<tg push>", "<tg steps>"
_YIELDS = (ast.Yield, ast.YieldFrom)


def own(node: Any) -> Iterator[Any]:
    """The nodes of a statement or function, functions within left aside."""
    todo = list(node.body) if isinstance(node, ast.FunctionDef) else [node]
    while todo:
        at = todo.pop()
        yield at
        if not isinstance(at, liveness.FUNCTIONS):
            todo += children(at)


def is_generator(node: ast.FunctionDef) -> bool:
    """Whether a function is to be split."""
    return node.name not in (PUSH, STEPS) and any(isinstance(n, _YIELDS) for n in own(node))


def split(node: ast.FunctionDef) -> ast.FunctionDef:
    """The function that makes the generator."""
    names = liveness.parameters(node)

    def inner(name: str, body: list[ast.stmt], *first: str) -> ast.FunctionDef:
        given = ast.arguments([], [parameter(n) for n in (*first, *names)], None, [], [], None,
                              [early_exit.load(n, node) for n in names])
        return placed(ast.FunctionDef(name, given, body, [], None), node)

    steps = inner(STEPS, copy.deepcopy(node.body))
    made = ast.Call(ast.Attribute(early_exit.load(TG, node), "generator", ast.Load()),
                    [early_exit.load(PUSH, node), early_exit.load(STEPS, node)], [])
    for part in (made, made.func):
        placed(part, node)
    marked(made, made=True)
    body = [inner(PUSH, node.body, SINK), steps, placed(ast.Return(made), node)]
    return placed(ast.FunctionDef(node.name, node.args, body, [], None), node)


# --- the form that gives values one by one ----------------------------------------------------------------------------

def pauses(s: ast.stmt) -> bool:
    """Whether a statement stays Python's: there is a `yield` in it, or it leaves what stays Python's."""
    if isinstance(s, liveness.FUNCTIONS):
        return False
    return any(isinstance(n, (*_YIELDS, ast.Return)) for n in own(s)) or _leaves_loop(s)


def _leaves_loop(s: ast.stmt | ast.ExceptHandler) -> bool:
    """Whether a `break` or `continue` in a statement is of a loop around it."""
    if isinstance(s, (ast.Break, ast.Continue)):
        return True
    inner: list = s.orelse if isinstance(s, (ast.For, ast.While)) else [
        x for x in children(s) if isinstance(x, (ast.stmt, ast.ExceptHandler))]
    return not isinstance(s, liveness.FUNCTIONS) and any(map(_leaves_loop, inner))


def lowered(statements: list[ast.stmt]) -> list[ast.stmt]:
    """The statements with the early exits of those lowered that do not pause."""
    found: list[ast.stmt] = []
    for s in statements:
        if not pauses(s):
            found += early_exit.lowered([s])
            continue
        for field in ("body", "orelse"):
            if getattr(s, field, None) and isinstance(s, (ast.If, ast.For, ast.While)):
                setattr(s, field, lowered(getattr(s, field)))
        found.append(s)
    return found


class Generators(Part):
    """The part of the rewriter that has generators. `stepwise`: for each function around, whether it has the second form."""

    stepwise: list[bool]

    def yield_(self, node: ast.Yield) -> ast.expr:
        value = self.expr(node.value) if node.value is not None else early_exit.literal(None, node)
        if self.stepwise[-1]:
            node.value = value
            return node
        return self.tg("yield_", [early_exit.load(SINK, node), value], node)

    def yield_from(self, node: ast.YieldFrom) -> Any:
        if self.stepwise[-1]:
            node.value = self.tg("iterate", [self.expr(node.value)], node)
            return node
        return self.tg("delegate", [early_exit.load(SINK, node), self.expr(node.value)], node)

    def steps(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for s in statements:
            if not pauses(s):
                found += self.statements([s])
                continue
            outer, self.pending = self.pending, []
            made = _STEPS.get(type(s), _plain)(self, s)
            found += [*self.pending, *made]
            self.pending = outer
        return found

    def step_if(self, s: ast.If) -> list[ast.If]:
        s.test = self.tg("known", [self.expr(s.test)], s.test)
        s.body, s.orelse = self.steps(s.body), self.steps(s.orelse)
        return [s]

    def step_while(self, s: ast.While) -> list[ast.While]:
        """while c: A  ->  while True: if not known(c): break; A"""
        outer, self.pending = self.pending, []
        test = self.tg("known", [self.expr(s.test)], s.test)
        before, self.pending = self.pending, outer
        ends = [*(self.steps(s.orelse)), placed(ast.Break(), s)]
        ask = ast.If(placed(ast.UnaryOp(ast.Not(), test), s), ends, [])
        s.test, s.orelse = early_exit.literal(True, s), []
        s.body = [*before, placed(ask, s), *self.steps(s.body)]
        return [s]

    def step_for(self, s: ast.For) -> list[ast.For]:
        s.iter = self.tg("iterate", [self.expr(s.iter)], s.iter)
        name = self.temporary()
        s.body = [*self.assign([s.target], early_exit.load(name, s.target), s.target), *self.steps(s.body)]
        s.orelse = self.steps(s.orelse)
        s.target = placed(ast.Name(name, ast.Store()), s.target)
        return [s]

    def step_refused(self, s: Any) -> list[ast.Expr]:
        """`try` and `with` around a `yield`: what they do when the consumer does not come back is not known."""
        return [placed(ast.Expr(self.tg("not_stepwise", [], s)), s)]


def _plain(rewriter: _Rewriter, s: ast.stmt) -> list[ast.stmt]:
    if isinstance(s, (ast.Break, ast.Continue)):
        return [s]
    if isinstance(s, ast.Return):
        s.value = rewriter.expr(s.value) if s.value is not None else None
        return [s]
    return rewriter.statements([s])


_STEPS: dict[type, Callable[[Any, Any], list]] = {
          ast.If: Generators.step_if, ast.While: Generators.step_while, ast.For: Generators.step_for,
          ast.Try: Generators.step_refused, ast.With: Generators.step_refused}
