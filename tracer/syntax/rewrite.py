"""The rewriting of one function's syntax: calls, branches, loops and stores become calls of the runtime, here `tg`.

  f(a, *b, k=c)          tg.call(f, a, *b, k=c)
  a and b                tg.and_(a, lambda: b)                 `or`, `not` and conditional expressions likewise
  a < b < c              tg.chain(a, "lt", lambda: b, "lt", lambda: c)
  x in xs                tg.in_(x, xs)
  xs[i] = v              tg.setitem(v, xs, i)                  objects' attributes likewise
  xs[i] += v             tg.aug_setitem(tg.aug_item(xs, i), v, "iadd")
  tg.static(e)           <tg>.static(tg.static, lambda: e)
  K                      tg.name(K, "K")                       a name of the module, or a builtin one
  k                      tg.variable(k, lambda: k)             a variable of a function around the one that is rewritten
  f"{x:.2f} m"           tg.text((x, "", ".2f"), " m")
  try: A                 tg.try_(…): syntax/try_except.py; `with` likewise: syntax/with_statement.py; `match` has become `if`
                         before: syntax/match_lowering.py
  if c: A                def then(): nonlocal x; A             x: what A or B assigns
  else: B                def other(): nonlocal x; B
                         def get(): return (x,)                of these, what is read afterwards
                         def put(values): nonlocal x; (x,) = values
                         tg.if_(c, then, other, get, put, ("x",), (0,))
  for t in xs: A         def body(item): nonlocal t, x; t = item; A
                         tg.for_(xs, body, get, put, ("t", "x"), stop)       stop: () -> whether an exit's flag is set
  while c: A             tg.while_(test, body, get, put, ("x",), stop)

Names that a staged statement assigns hold an `Undefined` marker from the function's start; a read that may come first asks for
it (`tg.value(x)`). Generated functions have names that no program can have: "<tg then>", with the user's lines and columns.
"""
from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import decorators, generators, match_lowering, nonlocals, try_except, with_statement
from .comprehensions import THUNK, arguments, lower_bindings, lower_deciding_bindings
from .expressions import IN_PLACE, Expressions, each_receiver
from .trees import early_exit, liveness
from .trees.early_exit import TG
from .trees.nodes import marked, placed, walk

_CONTAINERS = {ast.List, ast.ListComp, ast.SetComp, ast.DictComp}


def rewrite(node: ast.FunctionDef | ast.Lambda, class_name: str | None = None,
            free: tuple[str, ...] = ()) -> ast.FunctionDef | ast.Lambda:
    """The rewritten function, which has the free variables `free`; the node given is taken apart."""
    rewriter = _Rewriter(class_name, free)
    if isinstance(node, ast.Lambda):
        return rewriter.lambda_(node)
    return rewriter.function(node)


class _Rewriter(Expressions, generators.Generators):
    def __init__(self, class_name: str | None, free: tuple[str, ...]):
        self.class_name = class_name.lstrip("_") if class_name else None
        self.free = frozenset(free)
        self.locals: list[frozenset] = []          # of the functions around, outermost first
        self.first: list[str | None] = []          # their first parameters, for super()
        self.pending: list[ast.stmt] = []          # definitions that go before the statement at hand
        self.stepwise: list[bool] = []
        self.temporaries = 0

    # --- making nodes -------------------------------------------------------------------------------------------------

    def tg(self, name: str, args: Iterable[ast.expr], like: ast.AST, keywords: Sequence = ()) -> ast.Call:
        function = placed(ast.Attribute(early_exit.load(TG, like), name, ast.Load()), like)
        return placed(ast.Call(function, list(args), list(keywords)), like)

    def thunk(self, value: ast.expr) -> ast.expr:
        """value, not evaluated yet; where it binds names it becomes a function before the statement, with their get and put."""
        bound = sorted({name for n in walk(value) for name in self.bound_by(n)})
        if not bound:
            return placed(ast.Lambda(arguments(star=THUNK), value), value)
        name = self.temporary("<tg binds")
        returned = placed(ast.Return(value), value)
        get, put = self.temporary("<tg get"), self.temporary("<tg put")
        self.pending += [self.definition(name, arguments(), bound, [returned], value), *self.access(bound, get, put, value)]
        listed = placed(ast.Tuple([early_exit.literal(n, value) for n in bound], ast.Load()), value)
        made = self.tg("binds", [*(early_exit.load(n, value) for n in (name, get, put)), listed], value)
        marked(made, binds=bound)
        return made

    @staticmethod
    def bound_by(node: ast.AST) -> list[str]:
        """The names that a rewritten expression binds by `:=` itself, or by an operand that became a function."""
        return [node.target.id] if isinstance(node, ast.NamedExpr) else getattr(node, "binds", [])

    def temporary(self, stem: str = "<tmp") -> str:
        self.temporaries += 1
        return f"{stem} {self.temporaries}>"

    def definition(self, name: str, arguments: ast.arguments, bound: Sequence[str], body: list[ast.stmt],
                   like: ast.AST) -> ast.FunctionDef:
        if bound:
            body = [placed(ast.Nonlocal(list(bound)), like), *body]
        return placed(ast.FunctionDef(name, arguments, body or [placed(ast.Pass(), like)], [], None), like)

    def mangle(self, name: str) -> str:
        """Python's private names: `__x` in a class is `_Class__x`."""
        if self.class_name and name.startswith("__") and not name.endswith("__"):
            return f"_{self.class_name}{name}"
        return name

    # --- functions ----------------------------------------------------------------------------------------------------

    def function(self, node: ast.FunctionDef) -> ast.FunctionDef:
        if generators.is_generator(node):
            node = generators.split(node)
        stepwise = node.name == generators.STEPS
        match_lowering.lower(node)
        lower_bindings(node)
        lower_deciding_bindings(node)
        shared, declared = nonlocals.lower(node)
        if stepwise:
            node.body = generators.lowered(node.body)
        else:
            early_exit.lower(node)
        names = liveness.analyse(node, shared)
        self.enter(node.args, names.local)
        self.stepwise.append(stepwise)
        body = self.steps(node.body) if stepwise else self.statements(node.body)
        self.stepwise.pop()
        self.leave()
        start: list[ast.stmt] = [self.unset(n, node) for n in sorted(names.staged)]
        if (named := node.args.kwarg) is not None:                                                          # a dict of its own
            start.append(early_exit.store(named.arg, self.tg("fresh", [early_exit.load(named.arg, node)], node), node))
        start += [self.cell(n, n in shared, node) for n in sorted(shared | declared)]
        docstring = body[:1] if ast.get_docstring(node, clean=False) is not None else []
        body = [*docstring, *start, *body[len(docstring):]]
        return placed(ast.FunctionDef(self.mangle(node.name), self.parameters(node.args), body, [], None), node)

    def cell(self, name: str, own: bool, like: ast.FunctionDef) -> ast.stmt:
        """<cell n> = <tg>.cell("n", lambda: n)"""
        read = ast.Lambda(arguments(), early_exit.load(self.mangle(name), like))
        made = self.tg("own_cell" if own else "cell", [early_exit.literal(name, like), placed(read, like)], like)
        return early_exit.store(nonlocals.cell_name(name), made, like)

    def enter(self, arguments: ast.arguments, local: frozenset[str] | list[str]) -> None:
        first = (*arguments.posonlyargs, *arguments.args)
        self.locals.append(frozenset(local))
        self.first.append(first[0].arg if first else None)

    def leave(self) -> None:
        self.locals.pop()
        self.first.pop()

    def parameters(self, a: ast.arguments) -> ast.arguments:
        """Without annotations; defaults as expressions of the function around."""
        def plain(p: ast.arg) -> ast.arg:
            return placed(ast.arg(self.mangle(p.arg)), p)
        return ast.arguments([plain(p) for p in a.posonlyargs], [plain(p) for p in a.args], a.vararg and plain(a.vararg),
                             [plain(p) for p in a.kwonlyargs], [self.expr(d) if d else None for d in a.kw_defaults],
                             a.kwarg and plain(a.kwarg), [self.expr(d) for d in a.defaults])

    def lambda_(self, node: ast.Lambda) -> ast.Lambda:
        arguments = self.parameters(node.args)
        self.enter(node.args, liveness.parameters(node))
        body = self.expr(node.body)
        self.leave()
        return placed(ast.Lambda(arguments, body), node)

    # --- statements ---------------------------------------------------------------------------------------------------

    def statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        found = []
        for s in body:
            outer, self.pending = self.pending, []
            made = getattr(self, "s_" + type(s).__name__, self.s_other)(s)
            forgotten = [] if isinstance(s, ast.While) else self.forgotten(s)
            found += forgotten + self.pending + (made if isinstance(made, list) else [made])
            self.pending = outer
        return found

    def forgotten(self, s: ast.stmt) -> list[ast.stmt]:
        """Unset the names that operands may bind: what they hold may be of an iteration that was traced before."""
        return [self.unset(n, s) for n in sorted(getattr(s, "forgotten", ()))]

    def unset(self, name: str, like: Any) -> ast.Assign:
        return early_exit.store(self.mangle(name), self.tg("unset", [early_exit.literal(name, like)], like), like)

    def s_other(self, s: ast.stmt) -> ast.stmt:
        for field, value in ast.iter_fields(s):
            if isinstance(value, ast.expr):
                setattr(s, field, self.expr(value))
        return s

    def s_Expr(self, s: ast.Expr) -> ast.Expr:
        s.value = self.expr(each_receiver(s.value))
        return s

    def s_FunctionDef(self, s: ast.FunctionDef) -> list[ast.stmt]:
        return decorators.rewrite(self, s)

    def s_Delete(self, s: ast.Delete) -> list[ast.stmt]:
        """`del xs[i]`, `del x.a`: a change of structure. `del x`: the name is unset."""
        return [self.unset(t.id, t) if isinstance(t, ast.Name)
                else placed(ast.Expr(self.tg("delete", self.place(t), t)), s) for t in s.targets]

    def s_Try(self, s: ast.Try) -> list[ast.stmt]:
        return try_except.rewrite(self, s)

    def place(self, target: Any) -> tuple[ast.expr, ast.expr, ast.Constant]:
        """(object, key, whether an attribute) of a subscript or attribute."""
        if isinstance(target, ast.Subscript):
            return self.outer(target.value), self.index(target.slice), early_exit.literal(False, target)
        return (self.outer(target.value), early_exit.literal(self.mangle(target.attr), target),
                early_exit.literal(True, target))

    def s_Assign(self, s: ast.Assign) -> list[ast.stmt]:
        return self.assign(s.targets, self.expr(s.value), s)

    def s_AnnAssign(self, s: ast.AnnAssign) -> Any:
        return self.assign([s.target], self.expr(s.value), s) if s.value else placed(ast.Pass(), s)

    def assign(self, targets: list[ast.expr], value: ast.expr, s: ast.AST) -> list[ast.stmt]:
        if len(targets) == 1:
            return self.assign_one(targets[0], value, s)
        name = self.temporary()
        out: list[ast.stmt] = [early_exit.store(name, value, s)]
        for target in targets:
            out += self.assign_one(target, early_exit.load(name, s), s)
        return out

    def assign_one(self, target: ast.expr, value: ast.expr, s: ast.AST) -> list[ast.stmt]:
        if isinstance(target, ast.Name):
            return [early_exit.store(self.mangle(target.id), value, s)]
        if isinstance(target, (ast.Subscript, ast.Attribute)):
            return [placed(ast.Expr(self.store(target, value)), s)]
        after: list[ast.stmt] = []
        pattern = self.pattern(target, after, s)
        return [placed(ast.Assign([pattern], self.tg("unpack", [value], value)), s), *after]

    def pattern(self, target: ast.expr, after: list, s: ast.AST) -> ast.expr:
        """An unpacking target in which every subscript and attribute is a temporary, stored `after`; starred lists are new."""
        if isinstance(target, (ast.Tuple, ast.List)):
            return placed(ast.Tuple([self.pattern(t, after, s) for t in target.elts], ast.Store()), target)
        if isinstance(target, ast.Starred):
            at, inner = len(after), self.pattern(target.value, after, s)
            if isinstance(inner, ast.Name):
                after.insert(at, early_exit.store(inner.id, self.tg("fresh", [early_exit.load(inner.id, target)], target),
                                                  target))
            return placed(ast.Starred(inner, ast.Store()), target)
        if isinstance(target, ast.Name):
            return placed(ast.Name(self.mangle(target.id), ast.Store()), target)
        name = self.temporary()
        after.append(placed(ast.Expr(self.store(target, early_exit.load(name, target))), s))
        return placed(ast.Name(name, ast.Store()), target)

    def store(self, target: ast.expr, value: ast.expr) -> ast.Call:
        """tg.setitem(value, xs, i) or tg.setattr(value, x, name)."""
        held, key, attribute = self.place(target)
        return self.tg("setattr" if attribute.value else "setitem", [value, held, key], target)

    def s_AugAssign(self, s: ast.AugAssign) -> ast.stmt:
        value, op = s.value, IN_PLACE[type(s.op)]
        if isinstance(s.target, ast.Name):
            s.value = self.expr(value)
            name = self.mangle(s.target.id)
            held = early_exit.load(name, s.target)
            if getattr(s.target, "unsure", False):
                held = self.tg("value", [held], s.target)
            return early_exit.store(name, self.tg("augment", [held, s.value, early_exit.literal(op, s)], s), s)
        held, key, attribute = self.place(s.target)
        kind = "attr" if attribute.value else "item"
        loaded = self.tg("aug_" + kind, [held, key], s.target)
        return placed(ast.Expr(self.tg("aug_set" + kind, [loaded, self.expr(value), early_exit.literal(op, s)],
                                                  s)), s)

    def s_Assert(self, s: Any) -> Any:
        made = [self.expr(s.test), *([self.thunk(self.expr(s.msg))] if s.msg else [])]
        return placed(ast.Expr(self.tg("assert_", made, s)) if __debug__ else ast.Pass(), s)      # `python -O` leaves it out

    def s_Raise(self, s: ast.Raise) -> ast.Raise:
        made = [self.thunk(self.expr(x)) for x in (s.exc, s.cause) if x is not None]
        return placed(ast.Raise(self.tg("raise_", made, s), None), s)

    def s_With(self, s: ast.With) -> list[ast.stmt]:
        return with_statement.rewrite(self, s)

    def s_Return(self, s: ast.Return) -> ast.Return:
        if isinstance(s.value, ast.Name) and s.value.id == early_exit.VALUE:
            s.value = self.tg("returned", [s.value], s)
        elif s.value is not None:
            s.value = self.expr(s.value)
        return s

    # --- staged statements --------------------------------------------------------------------------------------------

    def state(self, s: Any) -> tuple[list[ast.stmt], list[ast.expr]]:
        """(definitions of get and put, the arguments that name them)."""
        names = [self.mangle(n) for n in s.state]
        if not names:
            none = early_exit.literal(None, s)
            return [], [none, none, placed(ast.Tuple([], ast.Load()), s)]
        only, dead = getattr(s, "augmented", ()), getattr(s, "dead", ())
        shown = ["+" + n if n in only else "-" + n if n in dead else n for n in s.state]
        listed = placed(ast.Tuple([early_exit.literal(n, s) for n in shown], ast.Load()), s)
        return self.access(names, "<tg get>", "<tg put>", s), [early_exit.load("<tg get>", s), early_exit.load("<tg put>", s),
                                                               listed]

    def access(self, names: list[str], get: str, put: str, s: ast.AST) -> list[ast.stmt]:
        """The functions that read and write the names."""
        read = placed(ast.Tuple([early_exit.load(n, s) for n in names], ast.Load()), s)
        write = placed(ast.Tuple([placed(ast.Name(n, ast.Store()), s) for n in names], ast.Store()), s)
        return [self.definition(get, arguments(), (), [placed(ast.Return(read), s)], s),
                self.definition(put, arguments("<values>"), names,
                                [placed(ast.Assign([write], early_exit.load("<values>", s)), s)], s)]

    def bound(self, s: Any) -> list[str]:
        return [self.mangle(n) for n in s.bound]

    def s_If(self, s: Any) -> list[ast.stmt]:
        test = self.expr(s.test)
        then = self.definition("<tg then>", arguments(), self.bound(s), self.statements(s.body), s)
        made, other = [then], early_exit.literal(None, s)
        if s.orelse:
            made.append(self.definition("<tg other>", arguments(), self.bound(s), self.statements(s.orelse), s))
            other = early_exit.load("<tg other>", s)
        definitions, state = self.state(s)
        anew = tuple([k for k, n in enumerate(s.state) if n in s.anew])
        call = self.tg("if_", [test, early_exit.load("<tg then>", s), other, *state, early_exit.literal(anew, s)], s.test)
        return try_except.between(self, s, [*made, *definitions, placed(ast.Expr(call), s)])

    def stop(self, s: ast.stmt) -> tuple[list[ast.stmt], ast.expr]:
        """The function that says whether an exit's flag ends the loop."""
        flags = getattr(s, "stops", ())
        if not flags:
            return [], early_exit.literal(None, s)
        names = placed(ast.Tuple([early_exit.load(f, s) for f in flags], ast.Load()), s)
        return [self.definition("<tg stop>", arguments(), (), [placed(ast.Return(names), s)], s)], \
            early_exit.load("<tg stop>", s)

    def mutated(self, s: Any) -> tuple[list[ast.stmt], ast.expr]:
        """The function that gives what the arrays' names hold that the body may write into."""
        if not s.mutated:
            return [], early_exit.literal(None, s)
        held = placed(ast.Tuple([early_exit.load(self.mangle(n), s) for n in s.mutated], ast.Load()), s)
        return [self.definition("<tg mutated>", arguments(), (), [placed(ast.Return(held), s)], s)], \
            early_exit.load("<tg mutated>", s)

    def s_For(self, s: ast.For) -> list[ast.stmt]:
        source = self.expr(s.iter)
        target = self.assign([s.target], early_exit.load("<item>", s.target), s.target)
        body = self.definition("<tg body>", arguments("<item>"), self.bound(s), target + self.statements(s.body), s)
        definitions, state = self.state(s)
        (stop, stop_name), (mutated, mutated_name) = self.stop(s), self.mutated(s)
        call = self.tg("for_", [source, early_exit.load("<tg body>", s), *state, stop_name, mutated_name], s.iter)
        return [body, *definitions, *stop, *mutated, placed(ast.Expr(call), s)]

    def s_While(self, s: ast.While) -> list[ast.stmt]:
        outer, self.pending = self.pending, []
        value = self.expr(s.test)
        test_body = [*self.forgotten(s), *self.pending, placed(ast.Return(value), s.test)]
        self.pending = outer
        bound = [self.mangle(n) for n in sorted(liveness.assigned(s.test))]
        test = self.definition("<tg binds>" if bound else "<tg test>", arguments(), bound, test_body, s.test)
        body = self.definition("<tg body>", arguments(), self.bound(s), self.statements(s.body), s)
        definitions, state = self.state(s)
        (stop, stop_name), (mutated, mutated_name) = self.stop(s), self.mutated(s)
        call = self.tg("while_", [early_exit.load(test.name, s), early_exit.load("<tg body>", s), *state, stop_name,
                                  mutated_name],
                       s.test)
        return [test, body, *definitions, *stop, *mutated, placed(ast.Expr(call), s)]

    # --- expressions --------------------------------------------------------------------------------------------------

    def expr(self, node: Any) -> ast.expr:
        handler = _EXPRESSIONS.get(type(node))
        if handler:
            return handler(self, node)
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, field, self.expr(value))
            elif isinstance(value, list):
                setattr(node, field, [self.expr(v) if isinstance(v, ast.expr) else v for v in value])
        if type(node) in _CONTAINERS:
            return self.tg("fresh", [node], node)
        return node


_EXPRESSIONS: dict[type, Callable] = {
    ast.Name: _Rewriter.e_Name, ast.Starred: _Rewriter.e_Starred,
    ast.Subscript: _Rewriter.e_Subscript, ast.Attribute: _Rewriter.e_Attribute,
    ast.BinOp: _Rewriter.e_BinOp, ast.Call: _Rewriter.e_Call, ast.BoolOp: _Rewriter.e_BoolOp,
    ast.UnaryOp: _Rewriter.e_UnaryOp, ast.IfExp: _Rewriter.e_IfExp, ast.Compare: _Rewriter.e_Compare,
    ast.JoinedStr: _Rewriter.e_JoinedStr, ast.NamedExpr: _Rewriter.e_NamedExpr, ast.Lambda: _Rewriter.lambda_,
    ast.ListComp: _Rewriter.comprehension, ast.SetComp: _Rewriter.comprehension, ast.DictComp: _Rewriter.comprehension,
    ast.GeneratorExp: _Rewriter.comprehension, ast.Yield: _Rewriter.yield_, ast.YieldFrom: _Rewriter.yield_from,
    ast.Constant: lambda self, node: node, ast.Dict: _Rewriter.dict_, ast.Set: _Rewriter.set_,
}
