"""Variables that a nested function rebinds (`nonlocal n`): their stores become stores to an attribute of the variable's cell.

    def counted():                       def counted():
        n = 0                                n = <unset>; <cell n> = <tg>.cell("n", lambda: n)
        def bump(k):                         <cell n>.cell_contents = 0
            nonlocal n                       def bump(k):
            n += k                               <cell n> = <tg>.cell("n", lambda: n)
        bump(2)                                  <cell n>.cell_contents += k
        return n                             …

An attribute of an object that the program made is carried by loops and joined by branches wherever the store stands, in
however many calls; a name would be known only where it is assigned in plain sight.
"""
from __future__ import annotations

import ast
import types
from collections.abc import Callable, Iterator
from types import CellType
from typing import TYPE_CHECKING, Any

from ...ir.errors import UnsupportedError
from .. import tracing
from .trees import early_exit, liveness
from .trees.nodes import children, marked, placed, walk

if TYPE_CHECKING:
    from ..tracing import Trace

CONTENTS = "cell_contents"


def lower(function: ast.FunctionDef) -> tuple[frozenset, frozenset]:
    """Rewrite a function's stores in place (not those of functions within it).

    (the names of its own that functions within it rebind, those of functions around it that it declares itself)
    """
    declared = frozenset(n for s in own_nodes(function) if isinstance(s, ast.Nonlocal) for n in s.names)
    inner = {n for s in own_nodes(function) if isinstance(s, ast.FunctionDef) for d in walk(s)
             if isinstance(d, ast.Nonlocal) for n in d.names}
    shared = frozenset((liveness.assigned(function.body) | set(liveness.parameters(function))) & inner) - declared
    names = declared | shared
    if names:
        for node in walk(function.body):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
                marked(node, unsure=True)
        stores = _Stores(names)
        function.body = [stores.visit(s) for s in function.body]
    return shared, declared


def own_nodes(node: ast.FunctionDef) -> Iterator[Any]:
    """The nodes of a function without the insides of the functions in it."""
    todo: list[ast.AST] = [*node.body]
    while todo:
        at = todo.pop()
        yield at
        if not isinstance(at, liveness.FUNCTIONS):
            todo += children(at)


def cell_name(name: str) -> str:
    return f"<cell {name}>"


class _Stores(ast.NodeTransformer):
    """Stores to the names as stores to their cells."""

    def __init__(self, names: frozenset):
        self.names = names

    def visit_FunctionDef(self, node: Any) -> Any:
        return node

    visit_Lambda = visit_FunctionDef

    def visit_ListComp(self, node: Any) -> Any:
        """Its own names hide others; what `:=` assigns in it is the function's."""
        for found, _ in liveness.bindings(node):
            marked(found, target=self.visit_Name(found.target))
        return node

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.Pass:
        return placed(ast.Pass(), node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self.names or isinstance(node.ctx, ast.Load):
            return node
        return placed(ast.Attribute(early_exit.load(cell_name(node.id), node), CONTENTS, node.ctx), node)

    def visit_Delete(self, node: Any) -> Any:
        return self.generic_visit(node)


def cell(name: str, read: Callable) -> types.CellType:
    """The cell of the variable that `read` reads."""
    assert read.__closure__, name
    found = read.__closure__[0]
    trace = tracing.active()
    if trace is not None:
        trace.cells[id(found)] = found, name
    return found


def own_cell(name: str, read: Callable) -> types.CellType:
    """The same, in the function whose variable it is."""
    found = cell(name, read)
    trace = tracing.active()
    return found if trace is None else trace.note_fresh(found)


def expect_own(trace: Trace, held: CellType) -> None:
    """A variable that a store rebinds: of a function of the traced program, and not of one around a derivative in it."""
    made = trace.maker(held)
    outside = made < 0
    if outside or any(s.kind == "function" for s in trace.scopes[made + 1:]):
        name = trace.cells[id(held)][1]
        where = "a function outside of the compiled one" if outside else "the function around the one that is differentiated"
        raise UnsupportedError(
            f"`nonlocal {name}` rebinds a variable of {where}: what it holds would be lost",
            f"return the new value of `{name}`, or keep it in an array that is passed in and overwritten", tracing.locate())
