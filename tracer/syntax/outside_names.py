"""The rewriting of names that are no variables of the function: what they stand for is noted while the program is traced."""
from __future__ import annotations

import ast
from typing import Any

from .comprehensions import THUNK, arguments
from .rewriter_parts import Part
from .trees import early_exit
from .trees.nodes import placed


def frozen(node: ast.Call) -> bool:
    """Whether a call may be one of `tg.static`."""
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    return name == "static" and len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred)


class OutsideNames(Part):
    """The part of the rewriter that has names from outside. `free`: the variables of the functions around."""

    free: frozenset

    def outside(self, name: str) -> bool:
        """Whether a name is none of the function's, nor of those in it or of what the rewriting made."""
        return not any(name in names for names in self.locals) and not early_exit.is_internal(name)

    def outer(self, node: Any) -> ast.expr:
        """The object of a store or a method call; marked where it is reached through a name of no function around."""
        made = self.expr(node)
        return self.tg("outer", [made], node) if isinstance(node, ast.Name) and self.outside(node.id) else made

    def e_Name(self, node: Any) -> ast.expr:
        outside = self.outside(node.id) and isinstance(node.ctx, ast.Load)
        node.id = self.mangle(node.id)
        if getattr(node, "unsure", False):
            return self.tg("value", [node], node)
        if not outside:
            return node
        if node.id not in self.free:
            return self.tg("name", [node, early_exit.literal(node.id, node)], node)
        thunk = ast.Lambda(arguments(star=THUNK), placed(ast.Name(node.id, ast.Load()), node))
        return self.tg("variable", [node, placed(thunk, node)], node)

    def s_Import(self, s: ast.Import) -> list[ast.stmt]:
        """`import a.b` binds a, `import a.b as c` binds c to a.b."""
        found: list[ast.stmt] = [s]
        for alias in s.names:
            module = alias.name if alias.asname else alias.name.partition(".")[0]
            held = early_exit.load(alias.asname or module, s)
            found.append(early_exit.store(held.id, self.tg("module", [held, early_exit.literal(module, s)], s), s))
        return found

    def s_ImportFrom(self, s: ast.ImportFrom) -> list[ast.stmt]:
        origin = early_exit.literal("." * s.level + (s.module or ""), s)
        found: list[ast.stmt] = [s]
        for alias in s.names:
            held = early_exit.load(alias.asname or alias.name, s)
            noted = self.tg("imported", [held, origin, early_exit.literal(alias.name, s)], s)
            found.append(early_exit.store(held.id, noted, s))
        return found

    def static(self, node: ast.Call) -> Any:
        """tg.static(e): e is evaluated where it is known what for."""
        return self.tg("static", [self.expr(node.func), self.thunk(self.expr(node.args[0]))], node)
