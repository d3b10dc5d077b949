"""`match` becomes `if`: a pattern is a test of its subject, and the names that it captures are parts of the subject.

    match move:                          <subject 1> = move
        case ("shift", d) if d > 0: A    if <tg>.is_sequence(<subject 1>, 2, False) and <subject 1>[0] == "shift"
        case [first, *rest]: B                  and <subject 1>[1] > 0:
        case _: C                            d = <subject 1>[1]; A
                                         elif <tg>.is_sequence(<subject 1>, 1, True): first = …; rest = …; B
                                         else: C

What a container holds and of which class an object is, tracing knows; a number or an element of an array may be known only at
run time, and then the `if` is staged. A guard sees the captured parts before they are bound, so a case whose guard fails binds
no names.

`try` and `with` are numbered on the way (syntax/try_except.py, syntax/with_statement.py).
"""
from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from typing import Any

from . import try_except, with_statement
from .trees import early_exit
from .trees.early_exit import TG
from .trees.nodes import placed, walk


def lower(function: ast.FunctionDef) -> None:
    """Rewrite a function's body in place (not the functions within it)."""
    if not any(isinstance(n, (ast.Match, ast.With, ast.Try)) for n in walk(function.body)):
        return
    passes = _Patterns()
    function.body = [s for part in function.body for s in passes.listed(part)]


class _Patterns(ast.NodeTransformer):
    def __init__(self) -> None:
        self.subjects = self.tries = 0

    def listed(self, statement: ast.stmt) -> list[ast.stmt]:
        made = self.visit(statement)
        return made if isinstance(made, list) else [made]

    def visit_FunctionDef(self, node: Any) -> Any:
        return node

    visit_Lambda = visit_FunctionDef

    def visit_With(self, node: ast.With) -> ast.With:
        self.generic_visit(node)
        self.tries += len(node.items)
        return with_statement.lower(node, self.tries - len(node.items) + 1)

    def visit_Try(self, node: ast.Try) -> ast.Try:
        self.generic_visit(node)
        return self.numbered(node)

    def numbered(self, node: ast.Try) -> ast.Try:
        self.tries += 1
        return try_except.lower(node, self.tries)

    def visit_Match(self, node: ast.Match) -> list[ast.stmt]:
        self.generic_visit(node)
        self.subjects += 1
        name = f"<subject {self.subjects}>"
        rest: list[ast.stmt] = []
        for case in reversed(node.cases):
            tests, captured = _pattern(case.pattern, early_exit.load(name, case.pattern))
            if case.guard is not None:
                tests = [*tests, _Substitution(dict(captured)).visit(copy.deepcopy(case.guard))]
            bound = [early_exit.store(n, copy.deepcopy(part), case.pattern) for n, part in captured]
            rest = [_if(tests, bound + case.body, rest, case.pattern)] if tests else bound + case.body
        return [early_exit.store(name, node.subject, node), *rest]


def _if(tests: list[ast.expr], body: list[ast.stmt], orelse: list[ast.stmt], like: ast.AST) -> ast.If:
    test = tests[0] if len(tests) == 1 else placed(ast.BoolOp(ast.And(), tests), like)
    return placed(ast.If(test, body, orelse), like)


class _Substitution(ast.NodeTransformer):
    """An expression with the captured names replaced by the parts that they name."""

    def __init__(self, parts: dict):
        self.parts = parts

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return copy.deepcopy(self.parts[node.id]) if node.id in self.parts and isinstance(node.ctx, ast.Load) else node


# --- patterns ---------------------------------------------------------------------------------------------------------

def _pattern(p: ast.pattern, subject: ast.expr) -> tuple[list[ast.expr], list[tuple[str, ast.expr]]]:
    """(the tests that must hold, in order; the names that are bound, each with its part of the subject)."""
    return _PATTERNS[type(p)](p, subject)


def _helper(name: str, args: Any, like: Any) -> ast.Call:
    """<tg>.name(args)"""
    function = placed(ast.Attribute(early_exit.load(TG, like), name, ast.Load()), like)
    return placed(ast.Call(function, args, []), like)


def _item(subject: ast.Name, key: ast.expr, like: Any) -> ast.Subscript:
    return placed(ast.Subscript(copy.deepcopy(subject), key, ast.Load()), like)


def _compared(subject: ast.Name, op: ast.cmpop, value: Any, like: Any) -> ast.Compare:
    return placed(ast.Compare(copy.deepcopy(subject), [op], [value]), like)


def _all(pairs: Any) -> tuple[list, list]:
    """The tests and names of several sub-patterns."""
    tests, bound = [], []
    for p, subject in pairs:
        more = _pattern(p, subject)
        tests += more[0]
        bound += more[1]
    return tests, bound


def _value(p: ast.MatchValue, subject: ast.Name) -> tuple[list[ast.Compare], list]:
    return [_compared(subject, ast.Eq(), p.value, p)], []


def _singleton(p: ast.MatchSingleton, subject: ast.Name) -> Any:
    return [_compared(subject, ast.Is(), early_exit.literal(p.value, p), p)], []


def _as(p: ast.MatchAs, subject: ast.Name) -> tuple[list, list[tuple]]:
    tests, bound = _pattern(p.pattern, subject) if p.pattern is not None else ([], [])
    return tests, [*bound, (p.name, subject)] if p.name else bound


def _or(p: ast.MatchOr, subject: ast.Name) -> tuple[list[ast.BoolOp], list]:
    """Alternatives, none of which captures (the fence has seen to that)."""
    alternatives = [_pattern(part, subject)[0] for part in p.patterns]
    if not all(alternatives):
        return [], []
    joined = [t[0] if len(t) == 1 else placed(ast.BoolOp(ast.And(), t), p) for t in alternatives]
    return [placed(ast.BoolOp(ast.Or(), joined), p)], []


def _sequence(p: ast.MatchSequence, subject: Any) -> Any:
    star = next((k for k, part in enumerate(p.patterns) if isinstance(part, ast.MatchStar)), None)
    count = len(p.patterns) - (star is not None)
    test = _helper("is_sequence", [subject, early_exit.literal(count, p), early_exit.literal(star is not None, p)], p)
    pairs, extra = [], []
    for k, part in enumerate(p.patterns):
        if k == star:
            after = len(p.patterns) - 1 - k
            if isinstance(part, ast.MatchStar) and part.name:
                extra.append((part.name, _helper("rest_of", [subject, early_exit.literal(k, p), early_exit.literal(after, p)],
                                                 part)))
        else:
            place = k if star is None or k < star else k - len(p.patterns)
            pairs.append((part, _item(subject, early_exit.literal(place, part), part)))
    tests, bound = _all(pairs)
    return [test, *tests], bound + extra


def _mapping(p: ast.MatchMapping, subject: Any) -> Any:
    keys = placed(ast.Tuple(list(p.keys), ast.Load()), p)
    tests, bound = _all((part, _item(subject, copy.deepcopy(key), part)) for key, part in zip(p.keys, p.patterns))
    if p.rest:
        bound.append((p.rest, _helper("others_of", [subject, copy.deepcopy(keys)], p)))
    return [_helper("has_keys", [subject, keys], p), *tests], bound


def _class(p: ast.MatchClass, subject: Any) -> Any:
    names = placed(ast.Tuple([early_exit.literal(n, p) for n in p.kwd_attrs], ast.Load()), p)
    test = _helper("is_instance", [subject, p.cls, early_exit.literal(len(p.patterns), p), names], p)
    pairs: list[tuple[ast.pattern, ast.expr]]
    pairs = [(part, _helper("part_of", [subject, copy.deepcopy(p.cls), early_exit.literal(k, p)], part))
             for k, part in enumerate(p.patterns)]
    pairs += [(part, placed(ast.Attribute(copy.deepcopy(subject), name, ast.Load()), part))
              for name, part in zip(p.kwd_attrs, p.kwd_patterns)]
    tests, bound = _all(pairs)
    return [test, *tests], bound


_PATTERNS: dict[type, Callable] = {ast.MatchValue: _value, ast.MatchSingleton: _singleton, ast.MatchAs: _as, ast.MatchOr: _or,
             ast.MatchSequence: _sequence, ast.MatchMapping: _mapping, ast.MatchClass: _class}
