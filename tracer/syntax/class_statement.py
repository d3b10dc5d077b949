"""Classes that a function defines: their methods become functions of it, and the class is made of them.

    class Acc(Base):                       <Acc scale> = 2
        scale = 2                          def <Acc add>(self, v): self.total += v * k
        def add(self, v):           ->     Acc = <tg>.class_("Acc", (Base,), {"scale": <Acc scale>, "add": <Acc add>}, {}, {})
            self.total += v * k

So methods see the variables of the function, and are rewritten as the functions in it are. Names of the class's body are
none of the function, nor of its methods.
"""
from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from .trees import early_exit, liveness
from .trees.early_exit import TG
from .trees.nodes import children, marked, placed, walk

Refuse = Callable[[Any, str, str], Any]


def lower(root: Any, refuse: Refuse) -> None:
    """Rewrite the classes of a function, and of those within it, in place. refuse(node, what, remedy) raises."""
    for node in walk(root):
        for field, value in list(vars(node).items()) if not isinstance(node, ast.ClassDef) else ():
            if isinstance(value, list) and any(isinstance(s, ast.ClassDef) for s in value):
                made: list[ast.stmt] = []
                for s in value:
                    made += _Class(s, refuse).statements() if isinstance(s, ast.ClassDef) else [s]
                setattr(node, field, made)


class _Class:
    def __init__(self, node: ast.ClassDef, refuse: Refuse):
        self.node, self.refuse = node, refuse
        self.held: dict[str, str] = {}                    # names of its body -> those that the function has for them
        self.types: dict[str, str] = {}                   # the annotations

    def statements(self) -> list[ast.stmt]:
        """The statements that take the place of the class."""
        before, made = self.parts()
        return [*before, early_exit.store(self.node.name, made, self.node)]

    def parts(self) -> tuple[list[ast.stmt], ast.expr]:
        """(the statements of its body, the class)"""
        node = self.node
        found: list[ast.stmt] = []
        doc = ast.get_docstring(node, clean=False)
        for s in node.body[doc is not None:]:
            found += self.part(s)
        parts: dict[str, ast.expr] = {name: early_exit.load(own, node) for name, own in self.held.items()}
        if doc is not None:
            parts["__doc__"] = early_exit.literal(doc, node)
        lower(ast.Module(found, []), self.refuse)                                     # classes in its methods
        keywords = self.display({k.arg: k.value for k in node.keywords if k.arg})
        bases = placed(ast.Tuple(node.bases, ast.Load()), node)
        types = self.display({name: early_exit.literal(text, node) for name, text in self.types.items()})
        made: ast.expr = self.call("class_", [early_exit.literal(node.name, node), bases, self.display(parts), types, keywords,
                                              early_exit.load("__name__", node)])
        for decorator in reversed(node.decorator_list):
            made = placed(ast.Call(decorator, [made], []), decorator)
        return found, made

    def part(self, s: Any) -> list[ast.stmt]:
        """A statement of its body."""
        if isinstance(s, ast.Pass) or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)):
            return []
        if isinstance(s, ast.FunctionDef):
            self.method(s)
            for decorator in (*s.decorator_list, *s.args.defaults, *filter(None, s.args.kw_defaults)):
                self.rename(decorator)
            s.name = self.own(s.name)
            return [s]
        if isinstance(s, ast.Assign) and all(isinstance(t, ast.Name) for t in s.targets):
            self.rename(s.value)
            names: list[Any] = s.targets
            s.targets = [placed(ast.Name(self.own(t.id), ast.Store()), t) for t in names]
            return [s]
        if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name):
            self.types[s.target.id] = ast.unparse(s.annotation)
            if s.value is None:
                return []
            self.rename(s.value)
            return [early_exit.store(self.own(s.target.id), s.value, s)]
        if isinstance(s, ast.ClassDef):
            before, made = _Class(s, self.refuse).parts()
            return [*before, early_exit.store(self.own(s.name), made, s)]
        return self.refuse(s, f"`{type(s).__name__}` in the body of a class that a compiled function defines",
                           "write methods and assignments there, or define the class at module level")

    def own(self, name: str) -> str:
        return self.held.setdefault(self.private(name), f"<{self.node.name} {self.private(name)}>")

    def private(self, name: str) -> str:
        """`__x` in a class is `_Class__x`."""
        if name.startswith("__") and not name.endswith("__"):
            return f"_{self.node.name.lstrip('_')}{name}"
        return name

    def rename(self, value: ast.AST) -> None:
        """Names of the body that an expression of it reads, functions in it left aside."""
        if isinstance(value, ast.Name) and isinstance(value.ctx, ast.Load) and self.private(value.id) in self.held:
            value.id = self.held[self.private(value.id)]
        if not isinstance(value, liveness.FUNCTIONS):
            for child in children(value):
                self.rename(child)

    def method(self, s: ast.FunctionDef) -> None:
        """Its private names, and super()."""
        first = [*s.args.posonlyargs, *s.args.args][:1]
        node: Any
        for node in walk(s):
            if isinstance(node, ast.Attribute):
                node.attr = self.private(node.attr)
            if isinstance(node, ast.Name) and node.id == "__class__":
                node.id = self.node.name
            asks = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
            if asks and first and not node.args:
                node.args = [early_exit.load(self.node.name, node), early_exit.load(first[0].arg, node)]
                marked(node, made=True)

    def display(self, parts: dict[str, ast.expr]) -> ast.expr:
        return placed(ast.Dict([early_exit.literal(name, self.node) for name in parts], list(parts.values())), self.node)

    def call(self, name: str, args: list[ast.expr]) -> ast.expr:
        function = placed(ast.Attribute(early_exit.load(TG, self.node), name, ast.Load()), self.node)
        return placed(ast.Call(function, args, []), self.node)
