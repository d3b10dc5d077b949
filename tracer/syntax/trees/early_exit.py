"""Early exits become data: after this pass `return`, `break` and `continue` stand nowhere but in one `return` at the very end.

An exit that ends a branch of an `if` needs no flag: what follows the `if` moves into the other branch.

    if a: return x        if a: <value> = x
    rest            ->    else: rest'

Elsewhere a flag is set, what follows is guarded by it, and a loop asks it before each iteration:

    for v in xs:                       <broke1> = False
        if v > 3: break        ->      for v in xs:                       # keep going while `not <broke1>`
        total += v                         if v > 3: <broke1> = True
    rest                                   else: total += v
                                       rest

A flag that nobody reads is not set. Where each `return` gives None, there is no <value>.
`else` of a loop becomes `if not <broke1>`. Statements after an exit are dropped.
The passes annotate loops: `loop.stops` lists the names of the flags that end it.
"""
from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from .nodes import marked, placed

TG, VALUE, RETURNED = "<tg>", "<value>", "<returned>"


def is_internal(name: str) -> bool:
    """Whether a name was made by the passes."""
    return name.startswith("<")


def _is_flag(name: str) -> bool:
    """Whether a name says that a loop or the function was left."""
    return name == RETURNED or name.startswith(("<broke", "<skipped"))


def load(name: str, like: ast.AST) -> ast.Name:
    return placed(ast.Name(name, ast.Load()), like)


def store(name: str, value: ast.expr, like: ast.AST) -> ast.Assign:
    target = placed(ast.Name(name, ast.Store()), like)
    return placed(ast.Assign([target], value), like)


def literal(value: Any, like: ast.AST) -> ast.Constant:
    return placed(ast.Constant(value), like)


def lower(function: ast.FunctionDef) -> None:
    """Rewrite a function's body in place (not the functions within it)."""
    body = function.body
    if not _exits(body[:-1]) and not (type(body[-1]) is not ast.Return and _exits(body[-1:])):
        if type(body[-1]) is not ast.Return:
            body.append(placed(ast.Return(literal(None, body[-1])), body[-1]))
        return
    end = placed(ast.Return(literal(None, body[-1])), body[-1])
    passes = _Exits(nothing=all(map(_is_none, _returned(body))))
    lowered, _, _ = passes.block([*body, end], None)
    lowered = passes.strip(lowered)
    if RETURNED in passes.read:
        lowered.insert(0, store(RETURNED, literal(False, body[0]), body[0]))
    lowered.append(end if passes.nothing else placed(ast.Return(load(VALUE, end)), end))
    function.body = lowered


def lowered(statements: list[ast.stmt]) -> list[ast.stmt]:
    """Statements that leave nothing around them, with the exits from their own loops lowered."""
    if not _exits(statements):
        return statements
    passes = _Exits()
    return passes.strip(passes.block(statements, None)[0])


_LEAVES = (ast.Return, ast.Break, ast.Continue, ast.Raise)


def _exits(statements: list[ast.stmt]) -> bool:
    """Whether an exit stands anywhere in the statements: then they must be lowered."""
    for s in statements:
        if isinstance(s, _LEAVES):
            return True
        if not isinstance(s, (ast.FunctionDef, ast.ClassDef)) and any(map(_exits, _blocks(s))):
            return True
        if isinstance(s, (ast.For, ast.While)) and s.orelse:
            return True
    return False


def _blocks(s: ast.stmt) -> list[list[ast.stmt]]:
    """The blocks of statements in a statement."""
    found = [getattr(s, field, []) for field in ("body", "orelse", "finalbody")]
    return found + [h.body for h in getattr(s, "handlers", ())]


def _returned(statements: list[ast.stmt]) -> list[ast.expr | None]:
    """What the `return`s in the statements give back, functions within left aside."""
    found = []
    for s in statements:
        if isinstance(s, ast.Return):
            found.append(s.value)
        elif not isinstance(s, (ast.FunctionDef, ast.ClassDef)):
            found += [value for block in _blocks(s) for value in _returned(block)]
    return found


def _is_none(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _leaves(statements: list[ast.stmt]) -> bool:
    """Whether the statements never reach their end."""
    for s in statements:
        if isinstance(s, _LEAVES):
            return True
        if isinstance(s, ast.If) and _leaves(s.body) and _leaves(s.orelse):
            return True
        if isinstance(s, ast.Try) and all(_leaves(h.body) for h in s.handlers) and (_leaves(s.body) or _leaves(s.orelse)):
            return True
        if isinstance(s, ast.While) and _endless(s) and not _breaks(s.body):
            return True
    return False


def _endless(s: ast.stmt) -> bool:
    """Whether s is `while True`, which ends by `break` or not at all."""
    return isinstance(s, ast.While) and isinstance(s.test, ast.Constant) and bool(s.test.value)


def _breaks(statements: list[ast.stmt]) -> bool:
    """Whether a `break` of the loop whose body this is stands in the statements."""
    inner = (part for s in statements if not isinstance(s, (ast.FunctionDef, ast.ClassDef))
             for part in ([s.orelse] if isinstance(s, (ast.For, ast.While)) else _blocks(s)))
    return any(isinstance(s, ast.Break) for s in statements) or any(map(_breaks, inner))


def _ends_by_more(statements: list[ast.stmt]) -> bool:
    """Whether an exit from the statements may run something on its way that raises."""
    return any(isinstance(s, ast.With) or getattr(s, "finalbody", None) or any(map(_ends_by_more, _blocks(s)))
               for s in statements if not isinstance(s, (ast.FunctionDef, ast.ClassDef)))


class _Loop:
    """The flags of one loop. `used`: which of them its body may set."""

    def __init__(self, number: int):
        self.broke, self.skipped = f"<broke{number}>", f"<skipped{number}>"


class _Exits:
    """`nothing`: the function returns None everywhere, so no value has to be carried to its end."""

    def __init__(self, nothing: bool = False):
        self.nothing = nothing
        self.read: set[str] = set()
        self.loops = 0

    def block(self, statements: list[ast.stmt], loop: _Loop | None) -> tuple[list[ast.stmt], set[str], bool]:
        """(lowered statements, flags that they may set, whether they always leave)."""
        out: list[ast.stmt] = []
        flags: set[str] = set()
        for k, s in enumerate(statements):
            rest = statements[k + 1:]
            kind = type(s)
            if kind in _SIMPLE:
                return out + _SIMPLE[kind](self, s, loop, flags), flags, True
            if isinstance(s, ast.If) and _exits([s]):
                more, set_, always = self.branch(s, rest, loop)
                return out + more, flags | set_, always
            if kind in (ast.For, ast.While):
                always = _leaves([s])
                more, set_ = self.loop(s, loop)
                if always:
                    return out + more, flags | set_, True
            elif isinstance(s, (ast.With, ast.Try)):
                set_, always = self.with_(s, loop) if isinstance(s, ast.With) else self.attempt(s, loop)
                more = [s]
                if always:
                    return out + more, flags | set_, True
            else:
                out.append(s)
                continue
            out += more
            if set_:
                guarded, more_set, always = self.guard(rest, set_, loop, s)
                return out + guarded, flags | set_ | more_set, always
        return out, flags, False

    def branch(self, s: ast.If, rest: list[ast.stmt], loop: _Loop | None) -> tuple[list[ast.stmt], set[str], bool]:
        """An `if` that may leave, together with what follows it."""
        then_leaves, other_leaves = _leaves(s.body), _leaves(s.orelse)
        moved = then_leaves != other_leaves
        then, then_flags, then_always = self.block(s.body + (rest if moved and other_leaves else []), loop)
        other, other_flags, other_always = self.block(s.orelse + (rest if moved and then_leaves else []), loop)
        flags, always = then_flags | other_flags, then_always and other_always
        if moved or always:
            return [_if(s, then, other)], flags, always
        guarded, more_flags, always = self.guard(rest, flags, loop, s)
        return [_if(s, then, other), *guarded], flags | more_flags, always

    def guard(self, rest: list[ast.stmt], flags: set[str], loop: _Loop | None, like: ast.stmt) -> tuple[list[ast.stmt],
              set[str], bool]:
        """`rest`, unless one of the flags is set."""
        if not rest:
            return [], set(), False
        inner, set_, always = self.block(rest, loop)
        if not flags:
            return inner, set_, always
        return [_if_not(self, flags, inner, like)], set_, always

    def loop(self, s: Any, outer: _Loop | None) -> tuple[list[ast.stmt], set[str]]:
        """A loop, with its flags before it and its `else` after it."""
        self.loops += 1
        loop = _Loop(self.loops)
        s.body, flags, _ = self.block(s.body, loop)
        stops = sorted(flags - {loop.skipped})
        self.read.update(stops)
        s.stops = tuple(stops)
        before = []
        if loop.broke in flags:
            before.append(store(loop.broke, literal(False, s), s))
        if loop.skipped in flags:
            s.body.insert(0, store(loop.skipped, literal(False, s), s))
        out, beyond = [*before, s], flags - {loop.skipped, loop.broke}
        orelse, s.orelse = s.orelse, []
        if orelse:
            inner, set_, _ = self.block(orelse, outer)
            out += [_if_not(self, stops, inner, s)] if stops else inner
            beyond |= set_
        return out, beyond

    def with_(self, s: ast.With, loop: _Loop | None) -> tuple[set[str], bool]:
        """A manager may swallow an exception of its body: what follows is reached from there, too."""
        s.body, flags, _ = self.block(s.body, loop)
        return flags, False

    def attempt(self, s: ast.Try, loop: Any) -> tuple[set[str], bool]:
        """`else` runs where the body came to its end, not where it left. `finally` has no exits: the fence sees to that."""
        always = _leaves([s])
        overtaken = _ends_by_more(s.body)
        s.body, left, _ = self.block(s.body, loop)
        s.orelse, more, _ = self.guard(s.orelse, left, loop, s)
        flags = left | more
        for h in s.handlers:
            h.body, more, _ = self.block(h.body, loop)
            flags = flags | more
            if overtaken:                              # `try: return x; finally: raise E`: an exception takes the exit's place
                h.body[:0] = [store(flag, literal(False, h), h) for flag in sorted(left)]
        s.finalbody = self.block(s.finalbody, loop)[0]
        return flags, always

    def leave(self, s: ast.Return, loop: _Loop | None, flags: set) -> list[ast.Assign]:
        flags.add(RETURNED)
        if self.nothing:
            return [store(RETURNED, literal(True, s), s)]
        value = s.value if s.value is not None else literal(None, s)
        return [store(VALUE, value, s), store(RETURNED, literal(True, s), s)]

    def break_(self, s: ast.Break, loop: _Loop, flags: set) -> list[ast.Assign]:
        flags.add(loop.broke)
        return [store(loop.broke, literal(True, s), s)]

    def continue_(self, s: ast.Continue, loop: _Loop, flags: set) -> list[ast.Assign]:
        flags.add(loop.skipped)
        return [store(loop.skipped, literal(True, s), s)]

    def raise_(self, s: ast.Raise, loop: _Loop | None, flags: set) -> list[ast.Raise]:
        return [s]

    def strip(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """Without the stores to flags that nobody reads."""
        kept = []
        for s in statements:
            if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name):
                name = s.targets[0].id
                if _is_flag(name) and name not in self.read:
                    continue
            if isinstance(s, (ast.If, ast.For, ast.While, ast.With, ast.Try)):
                for part in (s, *getattr(s, "handlers", ())):
                    part.body = self.strip(part.body) or [placed(ast.Pass(), s)]
                marked(s, orelse=self.strip(getattr(s, "orelse", [])))
            kept.append(s)
        return kept


_SIMPLE: dict[type, Callable] = {ast.Return: _Exits.leave, ast.Break: _Exits.break_,
                                    ast.Continue: _Exits.continue_, ast.Raise: _Exits.raise_}


def _if(s: ast.If, then: list[ast.stmt], other: list[ast.stmt]) -> ast.If:
    s.body, s.orelse = then or [placed(ast.Pass(), s)], other
    return s


def _if_not(passes: _Exits, flags: list[str] | set[str], body: list[ast.stmt], like: ast.stmt) -> ast.If:
    """`if not (a or b): body`"""
    passes.read.update(flags)
    names: list[ast.expr] = [load(f, like) for f in sorted(flags)]
    test = names[0] if len(names) == 1 else placed(ast.BoolOp(ast.Or(), names), like)
    no = placed(ast.UnaryOp(ast.Not(), test), like)
    return placed(ast.If(no, body or [placed(ast.Pass(), like)], []), like)
