"""The rewriting of comprehensions: loops that append, that carry a sum, or Python's own with their parts rewritten."""
from __future__ import annotations

import ast
import copy
from typing import Any

from .rewriter_parts import Part
from .trees import early_exit, liveness
from .trees.nodes import children, marked, parameter, placed, walk

THUNK, ITEM, _FOLD, _FIRST = "<tg thunk>", "<item>", "<fold>", "<first>"


def arguments(*names: str, star: str | None = None) -> ast.arguments:
    """Parameters by position, and perhaps a starred one."""
    return ast.arguments([], [parameter(n) for n in names], parameter(star) if star else None, [], [], None, [])


def folds(node: ast.Call) -> bool:
    """Whether a call is a sum, any or all of a comprehension that can be a loop, or next() of a generator expression."""
    if isinstance(node.func, ast.Name) and node.func.id == "next":
        return (1 <= len(node.args) <= 2 and not node.keywords and isinstance(node.args[0], ast.GeneratorExp)
                and not isinstance(node.args[-1], ast.Starred)
                and not any(isinstance(n, ast.NamedExpr) for n in walk(node.args[0])))
    if isinstance(node.func, ast.Name) and node.func.id in ("any", "all") and len(node.args) == 1 and isinstance(
            node.args[0], ast.GeneratorExp):
        marked(node.args[0], deciding=True)            # if there are bindings in it, which are of the term that decides
    return (isinstance(node.func, ast.Name) and node.func.id in ("sum", "any", "all")
            and all(k.arg == "start" and node.func.id == "sum" for k in node.keywords)
            and 1 <= len(node.args) <= 2 - len(node.keywords)
            and isinstance(node.args[0], (ast.GeneratorExp, ast.ListComp)) and not isinstance(node.args[-1], ast.Starred)
            and not any(isinstance(n, ast.NamedExpr) for n in walk(node.args[0])))


_LEFTMOST = {ast.Compare: "left", ast.BinOp: "left", ast.UnaryOp: "operand", ast.Attribute: "value", ast.Subscript: "value"}
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def lower_bindings(function: ast.FunctionDef) -> None:
    """[e for v in x if (y := f(v)) > c]  ->  [e for v in x for y in (f(v),) if y > c]

    where the binding is what a condition does first, and nothing outside of the comprehension has the name.
    """
    for held in [n for n in walk(function) if isinstance(n, _COMPREHENSIONS)]:
        k = 0
        while k < len(held.generators):
            each, k = held.generators[k], k + 1
            begun = [(at, found) for at, test in enumerate(each.ifs) if (found := _done_first(test)) is not None]
            at, bound = begun[0] if begun else (0, None)
            if bound is None or not _is_own(bound.target.id, held, function):
                continue
            item = placed(ast.Tuple([bound.value], ast.Load()), bound)
            tests = [_Unbound(bound).visit(each.ifs[at]), *each.ifs[at + 1:]]
            held.generators.insert(k, ast.comprehension(bound.target, item, tests, 0))
            del each.ifs[at:]


def _done_first(test: Any) -> ast.NamedExpr | None:
    """The binding that the evaluation of a condition begins with."""
    while not isinstance(test, ast.NamedExpr):
        if isinstance(test, ast.BoolOp):
            test = test.values[0]
        elif isinstance(test, ast.Call) and test.args and all(isinstance(n, (ast.Name, ast.Attribute, ast.expr_context))
                                                               for n in walk(test.func)):
            test = test.args[0]
        elif type(test) in _LEFTMOST:
            test = getattr(test, _LEFTMOST[type(test)])
        else:
            return None
    return test


def _is_own(name: str, held: ast.AST, function: ast.FunctionDef) -> bool:
    """Whether a name stands in this comprehension only."""
    inside = {id(n) for n in walk(held)}
    return not any(name in ([n.id] if isinstance(n, ast.Name) else [n.arg] if isinstance(n, ast.arg) else
                            n.names if isinstance(n, (ast.Global, ast.Nonlocal)) else [])
                   for n in walk(function) if id(n) not in inside)


_FIRSTS = {ast.If: "test", ast.Assert: "test", ast.Return: "value", ast.Expr: "value", ast.Assign: "value",
           ast.AnnAssign: "value", ast.AugAssign: "value"}


def lower_deciding_bindings(function: ast.FunctionDef) -> None:
    """if any((w := v) > c for v in x): …  ->  <decided 1> = False
                                               for <v 1> in x:
                                                   if (w := <v 1>) > c:
                                                       <decided 1> = True
                                                       break
                                               if <decided 1>: …

    and `all` alike, where this is what a statement does first: w is that of the term that decided.
    """
    made = 0
    for holder in walk(function):
        for name in ("body", "orelse", "finalbody"):
            body = getattr(holder, name, None)
            if not isinstance(body, list):
                continue
            for k in reversed(range(len(body))):
                field = _FIRSTS.get(type(body[k]))
                found = field and _deciding_first(getattr(body[k], field))
                if found:
                    made += 1
                    _replace(body[k], found, early_exit.load(f"<decided {made}>", found))
                    body[k:k] = _decision(found, made)


def _deciding_first(node: Any) -> Any:
    """any() or all() of a generator that binds a name, where the evaluation of an expression begins with it."""
    while node is not None:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("any", "all"):
            terms: Any = node.args[0] if len(node.args) == 1 and not node.keywords else None
            binds = isinstance(terms, ast.GeneratorExp) and any(isinstance(n, ast.NamedExpr) for n in walk(terms))
            return node if binds and not any(each.is_async for each in terms.generators) else None
        if isinstance(node, (ast.BoolOp, ast.Tuple, ast.List)):
            parts = node.values if isinstance(node, ast.BoolOp) else node.elts
            node = parts[0] if parts else None
        elif isinstance(node, ast.IfExp):
            node = node.test
        else:
            node = getattr(node, _LEFTMOST[type(node)]) if type(node) in _LEFTMOST else None
    return None


def _decision(call: Any, number: int) -> list[ast.stmt]:
    """The loops that find what any() or all() gives."""
    terms, decided = call.args[0], f"<decided {number}>"
    first, terms.generators[0].iter = terms.generators[0].iter, early_exit.literal(None, call)
    each_true = call.func.id == "all"
    own = {n.id for each in terms.generators for n in walk(each.target) if isinstance(n, ast.Name)}
    test = terms.elt if not each_true else placed(ast.UnaryOp(ast.Not(), terms.elt), call)
    stop: list[ast.stmt] = [early_exit.store(decided, early_exit.literal(not each_true, call), call),
                            placed(ast.Break(), call)]
    body: list[ast.stmt] = [placed(ast.If(test, stop, []), call)]
    for depth, each in enumerate(reversed(terms.generators)):
        if depth:
            body.append(placed(ast.If(_other_than(each_true, decided, call), [placed(ast.Break(), call)], []), call))
        for condition in reversed(each.ifs):
            body = [placed(ast.If(condition, body, []), condition)]
        body = [placed(ast.For(each.target, each.iter, body, [], None), each.iter)]
    loop: Any = _Renamed(own, number).visit(body[0])
    loop.iter = first                                   # which knows none of the comprehension's names
    return [early_exit.store(decided, early_exit.literal(each_true, call), call), loop]


def _other_than(value: bool, name: str, like: ast.AST) -> ast.expr:
    read = early_exit.load(name, like)
    return placed(ast.UnaryOp(ast.Not(), read), like) if value else read


class _Renamed(ast.NodeTransformer):
    """The names that a comprehension has for itself, so that they hide none of the function's."""

    def __init__(self, names: set[str], number: int):
        self.names, self.number = names, number

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id in self.names:
            node.id = f"<{node.id} {self.number}>"
        return node


def _replace(root: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for node in walk(root):
        for name, value in ast.iter_fields(node):
            if value is old:
                setattr(node, name, new)
                return
            if isinstance(value, list) and any(x is old for x in value):
                value[:] = [new if x is old else x for x in value]
                return


class _Unbound(ast.NodeTransformer):
    """The name in the place of what binds it."""

    def __init__(self, bound: ast.NamedExpr):
        self.bound = bound

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.AST:
        return early_exit.load(node.target.id, node) if node is self.bound else node


def _keeps_functions(node: Any) -> bool:
    """Whether items of a comprehension are functions, or generators, that read its names: when they are called, after it, these
    hold the last item."""
    own = {n.id for g in node.generators for n in walk(g.target) if isinstance(n, ast.Name)}

    def keeps(item: ast.AST) -> bool:
        if isinstance(item, (ast.Lambda, ast.GeneratorExp)):
            return not own.isdisjoint(liveness.reads(item))
        return isinstance(item, _DISPLAYS) and any(map(keeps, children(item)))

    return any(keeps(item) for item in (getattr(node, "elt", None), getattr(node, "value", None)) if item is not None)


_DISPLAYS = (ast.Tuple, ast.List, ast.Set, ast.Dict, ast.IfExp, ast.BoolOp, ast.Starred)


class Comprehensions(Part):
    """The part of the rewriter that has comprehensions."""

    def comprehension(self, node: Any) -> Any:
        """As Python's, with its iterables and elements rewritten; its names hide the function's.

        [e for v in x]       ->  <tg>.collect(lambda <item>: [e for v in (<item>,)][0], x)      where that is all there is
        [e for v in x if c]  ->  <tg>.gather(lambda <fold>: <fold>.each(x, lambda <item>: … <fold>.take(e))), or several `for`
        """
        if not isinstance(node, ast.GeneratorExp) and _keeps_functions(node):
            first = node.generators[0]
            first.iter = self.tg("iterate", [self.expr(first.iter)], first.iter)
            return self.as_python(node)
        if isinstance(node, ast.ListComp) and len(node.generators) == 1 and not node.generators[0].ifs and not any(
                isinstance(n, (ast.NamedExpr, ast.Yield, ast.Await)) for n in walk(node)):
            return self.collected(node)
        if isinstance(node, ast.ListComp) and (len(node.generators) > 1 or node.generators[0].ifs) and not any(
                isinstance(n, (ast.NamedExpr, ast.Yield, ast.Await)) for n in walk(node)):
            return self.tg("gather", [self.terms(node)], node)
        if isinstance(node, ast.GeneratorExp) and not any(isinstance(n, (ast.NamedExpr, ast.Await)) for n in walk(node)):
            return self.generator(node)
        if isinstance(node, (ast.SetComp, ast.DictComp)) and not any(isinstance(n, (ast.NamedExpr, ast.Yield, ast.Await))
                                                                     for n in walk(node)):
            terms: Any = node
            if isinstance(node, ast.DictComp):
                terms.elt = placed(ast.Tuple([node.key, node.value], ast.Load()), node.key)
            return self.tg("entries", [early_exit.literal(isinstance(node, ast.SetComp), node), self.terms(terms)], node)
        first = node.generators[0]
        first.iter = self.tg("iterate", [self.expr(first.iter)], first.iter)
        return self.as_python(node)

    def dict_(self, node: ast.Dict) -> ast.expr:
        """{k: v, …}  ->  <tg>.display(False, k, v, …), where a key may be known only at run time."""
        values = [self.expr(v) if k else self.tg("mapping", [self.expr(v)], v) for k, v in zip(node.keys, node.values)]
        keys = [k and self.expr(k) for k in node.keys]
        single = [k for k in keys if k is not None]
        if len(single) < len(keys) or all(isinstance(k, ast.Constant) for k in keys):
            return self.tg("fresh", [placed(ast.Dict(keys, values), node)], node)
        parts = [x for pair in zip(single, values) for x in pair]
        return self.tg("display", [early_exit.literal(False, node), *parts], node)

    def set_(self, node: ast.Set) -> ast.expr:
        """{x, …}  ->  <tg>.display(True, x, …)"""
        items = [self.expr(x) for x in node.elts]
        if all(isinstance(x, ast.Constant) for x in items) or any(isinstance(x, ast.Starred) for x in items):
            return self.tg("fresh", [placed(ast.Set(items), node)], node)
        return self.tg("display", [early_exit.literal(True, node), *items], node)

    def generator(self, node: ast.GeneratorExp) -> ast.Call:
        """(e for v in x)  ->  (lambda <first>: <tg>.genexp(lambda <fold>: …, lambda: (e for v in <first>)))(x)"""
        outermost = node.generators[0]
        source, outermost.iter = self.expr(outermost.iter), early_exit.load(_FIRST, outermost.iter)
        terms = self.terms(copy.deepcopy(node))
        outermost.iter = self.tg("iterate", [outermost.iter], node)
        steps = placed(ast.Lambda(arguments(star=THUNK), self.as_python(node)), node)
        made = placed(ast.Lambda(arguments(_FIRST, star=THUNK), self.tg("genexp", [terms, steps], node)), node)
        return placed(ast.Call(made, [source], []), node)

    def as_python(self, node: Any) -> ast.expr:
        """A comprehension whose first iterable is done."""
        own = {n.id for g in node.generators for n in walk(g.target) if isinstance(n, ast.Name)}
        self.locals.append(frozenset(own))
        for k, g in enumerate(node.generators):
            if k:
                g.iter = self.tg("iterate", [self.expr(g.iter)], g.iter)
            g.ifs = [self.tg("keep", [self.expr(c)], c) for c in g.ifs]
        if getattr(node, "deciding", False):
            node.elt = self.tg("decisive", [self.expr(node.elt)], node.elt)
            self.locals.pop()
            return node
        for field in ("elt", "key", "value"):
            if hasattr(node, field):
                setattr(node, field, self.expr(getattr(node, field)))
        self.locals.pop()
        return node if isinstance(node, ast.GeneratorExp) else self.tg("fresh", [node], node)

    def fold(self, node: ast.Call) -> ast.Call:
        """sum(e for v in x if c)  ->  <tg>.fold(sum, lambda <fold>: <fold>.each(x, lambda <item>: … <fold>.take(e)), True)"""
        terms = node.args[0]
        function = self.terms(terms)
        lazy = early_exit.literal(isinstance(terms, ast.GeneratorExp), terms)
        start = [*node.args[1:], *(k.value for k in node.keywords)]
        return self.tg("fold", [self.expr(node.func), function, lazy, *map(self.expr, start)], node)

    def terms(self, node: Any) -> ast.Lambda:
        """What hands each term of a comprehension to <fold>."""
        return placed(ast.Lambda(arguments(_FOLD, star=THUNK), self.visit_terms(node, list(node.generators))), node)

    def visit_terms(self, terms: Any, generators: list[ast.comprehension]) -> ast.expr:
        """The loops of a comprehension from the first generator on; each binds its names by a comprehension over one item."""
        if not generators:
            return self.of_fold("take", [self.expr(terms.elt)], terms.elt)
        first, *rest = generators
        source = self.expr(first.iter)
        self.locals.append(frozenset(n.id for n in walk(first.target) if isinstance(n, ast.Name)))
        inner = self.visit_terms(terms, rest)
        for test in reversed(first.ifs):
            inner = self.of_fold("when", [self.expr(test), self.thunk(inner)], test)
        self.locals.pop()
        item = ast.Tuple([ast.Name(ITEM, ast.Load())], ast.Load())
        bound = ast.ListComp(inner, [ast.comprehension(first.target, item, [], 0)])
        for part in (item, item.elts[0], bound):
            placed(part, terms.elt)
        body = placed(ast.Lambda(arguments(ITEM, star=THUNK), bound), terms.elt)
        return self.of_fold("each", [source, body], first.iter)

    def of_fold(self, name: str, args: list[ast.expr], like: ast.expr) -> ast.Call:
        held = placed(ast.Name(_FOLD, ast.Load()), like)
        return placed(ast.Call(placed(ast.Attribute(held, name, ast.Load()), like), args, []), like)

    def collected(self, node: ast.ListComp) -> ast.Call:
        source, target = node.generators[0].iter, node.generators[0].target
        made = self.expr(source)
        self.locals.append(frozenset(n.id for n in walk(target) if isinstance(n, ast.Name)))
        element = self.expr(node.elt)
        self.locals.pop()
        item = ast.Tuple([ast.Name(ITEM, ast.Load())], ast.Load())
        inner = ast.ListComp(element, [ast.comprehension(target, item, [], 0)])
        first = ast.Subscript(inner, ast.Constant(0), ast.Load())
        function = ast.Lambda(ast.arguments([], [parameter(ITEM)], None, [], [], None, []), first)
        for part in (item, item.elts[0], inner, first, first.slice, function, function.args.args[0]):
            placed(part, node.elt)
        return self.tg("collect", [function, made], node)
