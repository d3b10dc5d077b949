"""The rewriting of expressions, each kind to the call of the runtime that rewrite.py's table of forms names."""
from __future__ import annotations

import ast
import copy
from typing import Any

from . import outside_names
from .comprehensions import Comprehensions, folds
from .trees import early_exit
from .trees.early_exit import TG
from .trees.nodes import placed, walk

_OPS = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne", ast.Is: "is_",
        ast.IsNot: "is_not", ast.In: "in_", ast.NotIn: "not_in"}
IN_PLACE = {ast.Add: "iadd", ast.Sub: "isub", ast.Mult: "imul", ast.Div: "itruediv", ast.FloorDiv: "ifloordiv",
            ast.Mod: "imod", ast.Pow: "ipow", ast.LShift: "ilshift", ast.RShift: "irshift", ast.BitOr: "ior",
            ast.BitXor: "ixor", ast.BitAnd: "iand", ast.MatMult: "imatmul"}
_OF_THE_FRAME = frozenset({"breakpoint", "globals"})     # what they do is about the frame that calls them: the user's
_UNARY = {ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert", ast.Not: None}


class Expressions(Comprehensions, outside_names.OutsideNames):
    """The part of the rewriter that has expressions. `first`: the first parameters of the functions around, for super()."""

    first: list[str | None]

    def index(self, node: ast.expr) -> ast.expr:
        """A subscript as a value: slices become slice objects."""
        if isinstance(node, ast.Slice):
            parts = [self.expr(p) if p else early_exit.literal(None, node) for p in (node.lower, node.upper, node.step)]
            return self.tg("slice", parts, node)
        if isinstance(node, ast.Tuple):
            return placed(ast.Tuple([self.index(e) for e in node.elts], ast.Load()), node)
        return self.expr(node)

    def e_Subscript(self, node: ast.Subscript) -> ast.Call:
        """xs[i] is tg.getitem(xs, i)."""
        return self.tg("getitem", [self.expr(node.value), self.index(node.slice)], node)

    def e_Attribute(self, node: ast.Attribute) -> ast.Call:
        return self.tg("attribute", [self.expr(node.value), early_exit.literal(self.mangle(node.attr), node)], node)

    def e_Starred(self, node: ast.Starred) -> ast.Starred:
        """`*xs` among arguments or items."""
        return placed(ast.Starred(self.tg("unpack", [self.expr(node.value)], node), node.ctx), node)

    def e_BinOp(self, node: ast.BinOp) -> ast.Call:
        return self.tg("operate",
                       [early_exit.literal(IN_PLACE[type(node.op)][1:], node), self.expr(node.left), self.expr(node.right)],
                       node)

    def e_Call(self, node: ast.Call) -> ast.Call:
        function = node.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == TG:
            return self.tg(function.attr, map(self.expr, node.args), node)
        if isinstance(function, ast.Name) and function.id == "super" and not node.args and self.first[-1]:
            node.args = [early_exit.load("__class__", node), early_exit.load(self.first[-1], node)]
            return node
        if isinstance(function, ast.Name) and function.id in _OF_THE_FRAME:
            return self.tg("space", [node], node) if function.id == "globals" else node
        if getattr(node, "made", False):
            return node
        if folds(node):
            return self.fold(node)
        if outside_names.frozen(node):
            return self.static(node)
        if isinstance(function, ast.Attribute):
            function = self.tg("method", [self.outer(function.value),
                                          early_exit.literal(self.mangle(function.attr), function)], function)
        else:
            function = self.expr(function)
        for keyword in node.keywords:
            keyword.value = self.expr(keyword.value) if keyword.arg else self.tg("mapping", [self.expr(keyword.value)], node)
        return self.tg("call", [function, *map(self.expr, node.args)], node, node.keywords)

    def e_BoolOp(self, node: ast.BoolOp) -> ast.Call:
        first, *rest = node.values
        name = ("and" if isinstance(node.op, ast.And) else "or") + ("_truth" if getattr(node, "asked", False) else "_")
        return self.tg(name, [self.expr(first), *(self.thunk(self.expr(v)) for v in rest)], node)

    def e_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        node.operand = self.expr(node.operand)
        if isinstance(node.operand, ast.Constant):
            return node if not isinstance(node.op, ast.Not) else self.tg("not_", [node.operand], node)
        name = _UNARY[type(node.op)]
        return self.tg("not_", [node.operand],
                       node) if name is None else self.tg("unary", [early_exit.literal(name, node), node.operand], node)

    def e_IfExp(self, node: ast.IfExp) -> ast.Call:
        parts = [self.expr(node.test), self.thunk(self.expr(node.body)), self.thunk(self.expr(node.orelse))]
        return self.tg("either", parts, node)

    def e_Compare(self, node: ast.Compare) -> ast.expr:
        left, right = self.expr(node.left), [self.expr(c) for c in node.comparators]
        names = [_OPS[type(op)] for op in node.ops]
        if len(names) == 1:
            if names[0] in ("in_", "not_in"):
                return self.tg(names[0], [left, right[0]], node)
            if names[0] in ("is_", "is_not"):
                if isinstance(right[0], ast.Constant) and right[0].value is None:
                    return self.tg("is_none", [left, early_exit.literal(names[0] == "is_", node)], node)
                if isinstance(left, ast.Constant) or isinstance(right[0], ast.Constant):
                    node.left, node.comparators = left, right
                    return node
                return self.tg("identical", [left, right[0], early_exit.literal(names[0] == "is_", node)], node)
            return self.tg("operate", [early_exit.literal(names[0], node), left, right[0]], node)
        parts = [left, early_exit.literal(names[0], node), right[0]]
        for name, value in zip(names[1:], right[1:]):
            parts += [early_exit.literal(name, node), self.thunk(value)]
        return self.tg("chain", parts, node)

    def e_JoinedStr(self, node: ast.JoinedStr) -> ast.Call:
        parts: list[ast.expr] = []
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                conversion = chr(value.conversion) if value.conversion > 0 else ""
                spec = self.expr(value.format_spec) if value.format_spec else early_exit.literal("", node)
                parts.append(placed(
                    ast.Tuple([self.expr(value.value), early_exit.literal(conversion, node), spec], ast.Load()), value))
            else:
                parts.append(value)
        return self.tg("text", parts, node)

    def e_NamedExpr(self, node: ast.NamedExpr) -> Any:
        if isinstance(node.target, ast.Attribute):               # of a variable that functions within rebind (nonlocals.py)
            return self.tg("named", [self.expr(node.value), *self.place(node.target)[:2]], node)
        node.target = placed(ast.Name(self.mangle(node.target.id), ast.Store()), node.target)
        node.value = self.expr(node.value)
        return node


def each_receiver(node: ast.expr) -> ast.expr:
    """(a if c else b).m(x) as a.m(x) if c else b.m(x), whose parts are evaluated in the same order: a list that grows must be
    one that is known. Where operands bind names it stays as it is."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.IfExp)):
        return node
    chosen, operands = node.func.value, [*node.args, *node.keywords]
    if any(isinstance(n, ast.NamedExpr) or hasattr(n, "binds") for part in [chosen, *operands] for n in walk(part)):
        return node
    calls = [placed(ast.Call(placed(ast.Attribute(receiver, node.func.attr, ast.Load()), node.func), args, keywords), node)
             for receiver, args, keywords in ((chosen.body, node.args, node.keywords),
                                              (chosen.orelse, *copy.deepcopy((node.args, node.keywords))))]
    return placed(ast.IfExp(chosen.test, *map(each_receiver, calls)), node)
