"""Names: which a statement assigns, which are live after it, which may still be unset where they are read.

`analyse` works on one function after early_exit.py has lowered it, and leaves its findings on the nodes:

  If.state, For.state, …             sorted names that the statement may assign and that somebody may read afterwards; for a
                                     loop, also in its next iteration; for a `try`, also in its other parts
  If.dead                            names in `state` that nobody reads after the `if`: one branch assigns them, the other
  reads them If.bound, For.bound, While.bound   all names that the statement assigns
  For.augmented, While.augmented     names in `state` that the body assigns by `+=` and its like only
  For.mutated, While.mutated         local names whose arrays the body may write into: a[…] = v, a += v. Only those that are
                                     read before they are bound: what others hold before the loop is nobody's any more
  statement.forgotten                names that its operands may bind by `:=`, of which nobody needs the value from before
  Try.dead                           names in `state` that handlers need, and nobody after them
  If.anew, Try.anew                  names in `state` whose value from before the statement nobody needs
  Try.done                           names that its body assigns wherever it comes to its end
  If.settled, Try.settled            names that the whole statement assigns wherever it comes to its end
  Name.unsure                        a read that may come before any assignment

A name that a nested function reads counts as live everywhere, as nobody knows when that function is called.
"""
from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .early_exit import is_internal
from .nodes import children, marked, walk

FUNCTIONS = (ast.FunctionDef, ast.Lambda)
LOOPS = (ast.For, ast.While)
DEFERRED = (*FUNCTIONS, ast.GeneratorExp)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def written(statements: list[ast.stmt]) -> tuple[set[str], set[str], set[str]]:
    """(names bound by other than augmented assignment, names that are augmented, names with items that are assigned)."""
    bound, augmented, items = assigned(statements), set(), set()
    plain = set()
    for node in walk(statements):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            augmented.add(node.target.id)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            plain.add((node.id, id(node)))
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
            items.add(node.value.id)
    own = {id(n.target) for n in walk(statements) if isinstance(n, ast.AugAssign)}
    return bound & {name for name, mark in plain if mark not in own}, augmented, items


class Names(NamedTuple):
    """A function's local names, and those of them that a staged statement assigns (bound to a marker at the start)."""

    local: frozenset
    staged: frozenset


def parameters(node: Any) -> list[str]:
    a = node.args
    found = [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return found + [p.arg for p in (a.vararg, a.kwarg) if p is not None]


def assigned(node: Any) -> set[str]:
    """The names that a statement, an expression or a list of them binds, functions within left aside."""
    found: set[str] = set()
    _collect(node, found, frozenset())
    return found


def _collect(node: ast.AST | list[ast.stmt], found: set, hidden: frozenset) -> None:
    if isinstance(node, list):
        for child in node:
            _collect(child, found, hidden)
    elif isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load) and node.id not in hidden:
            found.add(node.id)
    elif isinstance(node, ast.FunctionDef):
        found.add(node.name)
    elif isinstance(node, ast.alias):
        found.add((node.asname or node.name).split(".")[0])
    elif isinstance(node, COMPREHENSIONS):
        own = {n.id for g in node.generators for n in walk(g.target) if isinstance(n, ast.Name)}
        for child in children(node):
            _collect(child, found, hidden | own)
    elif not isinstance(node, ast.Lambda):
        for child in children(node):
            _collect(child, found, hidden)


def reads(node: ast.AST) -> set[str]:
    """The names that an expression (or a whole statement) reads, functions within included."""
    if node is None:
        return set()
    return {n.id for n in walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def targets_of(node: ast.expr) -> set[str]:
    """The names that an assignment target certainly binds."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, (ast.Tuple, ast.List)):
        return set().union(*map(targets_of, node.elts)) if node.elts else set()
    return targets_of(node.value) if isinstance(node, ast.Starred) else set()


def operands(node: ast.AST) -> list[Any]:
    """The parts of a node that are evaluated only where other parts, or their own statement, say so."""
    if isinstance(node, ast.BoolOp):
        return node.values[1:]
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.Compare):
        return node.comparators[1:]
    if isinstance(node, COMPREHENSIONS):
        return children(node)
    return [node.msg] if isinstance(node, ast.Assert) else [node.exc, node.cause] if isinstance(node, ast.Raise) else []


def bindings(node: ast.AST | list) -> list[tuple[ast.NamedExpr, bool]]:
    """The `:=` in a node, functions within left aside, each with whether it is evaluated wherever the node is."""
    if not any(isinstance(n, ast.NamedExpr) for n in walk(node)):
        return []
    return [found for n in (node if isinstance(node, list) else [node]) for found in _bindings(n, True)]


def _bindings(node: ast.AST, certain: bool) -> Iterator[tuple[ast.NamedExpr, bool]]:
    if isinstance(node, FUNCTIONS):
        return
    if isinstance(node, ast.NamedExpr) and isinstance(node.target, ast.Name):
        yield node, certain
    asked = operands(node)
    for child in children(node):
        yield from _bindings(child, certain and child not in asked)


def analyse(function: ast.FunctionDef, shared: frozenset = frozenset()) -> Names:
    """`shared`: local names whose stores syntax/nonlocals.py has taken away."""
    own = set(parameters(function))
    local = own | assigned(function.body) | shared
    deferred = set()
    for node in walk(function.body):
        if isinstance(node, DEFERRED):
            deferred |= reads(node)
    found = bindings(function.body)
    live = _Live(frozenset(deferred & local), frozenset(local), bool(found))
    live.block(function.body, set())
    unsure = {n.target.id for n, certain in found if not certain}
    staged = frozenset(live.staged | unsure)
    DefiniteAssignment(local, staged - (own - live.deleted)).block(function.body, set(own))
    return Names(frozenset(local), (staged | shared) - own)


def before(node: ast.AST, out: set) -> set:
    """The names live before an expression (or a simple statement), where `out` are after it.

    (y := x) > 0 and y < z,  out = {}  ->  {x, z}
    """
    if node is None:
        return out
    if isinstance(node, (*FUNCTIONS, *COMPREHENSIONS)):
        return out | reads(node)
    if isinstance(node, ast.Name):
        return out | {node.id} if isinstance(node.ctx, ast.Load) else out
    if isinstance(node, ast.NamedExpr):
        return before(node.value, out - targets_of(node.target))
    asked = operands(node)
    for child in reversed(children(node)):
        out = before(child, out) | out if child in asked else before(child, out)
    return out


def _own(s: ast.stmt) -> list:
    """What a statement evaluates itself, and no statement in it."""
    if isinstance(s, (ast.If, ast.While)):
        return [s.test]
    if isinstance(s, ast.For):
        return [s.iter]
    return [] if hasattr(s, "body") else [s]


# --- liveness, backwards ----------------------------------------------------------------------------------------------

class _Live:
    """binds: whether the function has a `:=`.

    What is live where an iteration begins is a fixed point: `heads` keeps what is known of it. A loop in a loop is gone through
    again with more names live after it, never fewer, so it goes on from there, and settles after one time through its body
    instead of two: else the innermost loop of a nest would be gone through 2 ** depth times.
    """

    def __init__(self, deferred: frozenset, local: frozenset, binds: bool):
        self.deferred, self.local, self.binds = deferred, local, binds
        self.staged: set[str] = set()
        self.deleted: set[str] = set()
        self.heads: dict[ast.stmt, set[str]] = {}
        self.found: dict[tuple[str, int], set[str]] = {}
        self.stores: dict[ast.stmt, tuple[set[str], set[str], set[str]]] = {}

    def block(self, statements: list[ast.stmt], out: set) -> set:
        for s in reversed(statements):
            handler = _LIVE.get(type(s))
            out = handler(self, s, out) if handler else before(s, out)
            asked = self.uncertain(s) - out - self.deferred
            marked(s, forgotten=asked & getattr(s, "forgotten", asked))
        return out

    def uncertain(self, s: ast.stmt) -> set[str]:
        """The names that a statement's own operands may bind."""
        return {n.target.id for e in _own(s) for n, certain in bindings(e) if not certain} if self.binds else set()

    def mark(self, s: Any, bound: set, live: set) -> None:
        s.bound = tuple(sorted(bound))
        s.state = tuple(sorted(bound & (live | self.deferred)))
        self.staged |= bound
        if isinstance(s, LOOPS):
            if s not in self.stores:
                self.stores[s] = written(s.body)
            plain, augmented, items = self.stores[s]
            marked(s, augmented=augmented - plain,
                   mutated=tuple(sorted((items | augmented) & self.local & (live | self.deferred))))

    def assigned(self, s: Any, *parts: str) -> set[str]:
        """The names that parts of a statement bind."""
        for part in parts:
            if (part, id(s)) not in self.found:
                self.found[part, id(s)] = assigned(getattr(s, part))
        return set().union(*(self.found[part, id(s)] for part in parts))

    def if_(self, s: Any, out: Any) -> set[str]:
        inside = self.block(s.body, out) | self.block(s.orelse, out)
        self.mark(s, self.assigned(s, "body", "orelse"), out | inside)
        s.dead = set(s.state) - out - self.deferred
        head = before(s.test, inside)
        s.anew = set(s.state) - head - self.deferred
        return head

    def while_(self, s: ast.While, out: set[str]) -> set[str]:
        stops, asked = set(getattr(s, "stops", ())), out | self.heads.get(s, set())
        while True:
            head = before(s.test, asked) | stops
            again = asked | self.block(s.body, head)
            if again == asked:
                break
            asked = again
        self.heads[s] = asked
        self.mark(s, self.assigned(s, "body", "test"), head | asked)
        return head

    def for_(self, s: ast.For, out: set[str]) -> set[str]:
        own = targets_of(s.target)
        head = out | set(getattr(s, "stops", ())) | (reads(s.target) - own) | self.heads.get(s, set())
        while True:
            again = head | (self.block(s.body, head) - own)
            if again == head:
                break
            head = again
        self.heads[s] = head
        self.mark(s, self.assigned(s, "body", "target"), head)
        return before(s.iter, head)

    def assign(self, s: ast.Assign, out: set[str]) -> set[str]:
        for target in s.targets:
            out = out - targets_of(target)
        for target in s.targets:
            out = out | reads(target)
        return before(s.value, out)

    def annotated(self, s: ast.AnnAssign, out: set[str]) -> set[str]:
        if s.value is None:
            return out | reads(s.target)
        return before(s.value, out - targets_of(s.target) | reads(s.target))

    def augmented(self, s: ast.AugAssign, out: set[str]) -> set[str]:
        return before(s.value, out | targets_of(s.target) | reads(s.target))

    def with_(self, s: ast.With, out: set[str]) -> set[str]:
        inside = self.block(s.body, out) | out             # the manager may swallow an exception of its body
        deferred, self.deferred = self.deferred, self.deferred | (out & self.local)
        inside = inside | self.block(s.body, out)
        self.deferred = deferred
        self.mark(s, self.assigned(s, "body"), out | inside)
        for item in reversed(s.items):
            inside = before(item.context_expr, inside)
        return inside

    def attempt(self, s: Any, out: set[str]) -> set[str]:
        """Whatever is live where handlers begin is live all through the body, which they may interrupt anywhere."""
        deferred = self.deferred
        final = out | self.block(s.finalbody, out)
        self.deferred = deferred | (final & self.local)
        handled = final.union(*(self.block(h.body, final) | reads(h.type) for h in s.handlers))
        self.deferred = deferred | (handled & self.local)
        other = self.block(s.orelse, final)
        inside = handled | self.block(s.body, other | final)
        self.deferred = deferred
        self.mark(s, self.assigned(s, "body", "orelse", "finalbody").union(*(self.assigned(h, "body") for h in s.handlers)),
                  final | other | handled)
        s.anew = set(s.state) - inside - deferred
        s.dead = set(s.state) - final - deferred
        return inside

    def delete(self, s: ast.Delete, out: set[str]) -> set[str]:
        gone = {t.id for t in s.targets if isinstance(t, ast.Name)}
        self.staged |= gone
        self.deleted |= gone
        return (out - gone).union(*map(reads, s.targets))

    def function(self, s: ast.FunctionDef, out: set[str]) -> set[str]:
        return (out - {s.name}) | reads(s)


_LIVE: dict[type, Callable[[_Live, Any, set], set]] = {
         ast.If: _Live.if_, ast.While: _Live.while_, ast.For: _Live.for_, ast.Assign: _Live.assign,
         ast.AnnAssign: _Live.annotated,
         ast.AugAssign: _Live.augmented, ast.With: _Live.with_, ast.FunctionDef: _Live.function,
         ast.Try: _Live.attempt, ast.Delete: _Live.delete}


# --- definite assignment, forwards ------------------------------------------------------------------------------------

class DefiniteAssignment:
    """Marks reads of `local` names that no assignment certainly precedes, and what a `try` assigns for certain.

    Names that only straight code assigns are left to Python, which raises by itself: `staged` ones hold a marker instead.
    """

    def __init__(self, local: set, staged: frozenset):
        self.local, self.staged = local, staged

    def block(self, statements: list[ast.stmt], sure: set) -> set:
        for s in statements:
            sure = self.statement(s, sure)
        return sure

    def statement(self, s: Any, sure: set) -> set:
        if isinstance(s, ast.If):
            sure = self.expression(s.test, sure)
            then, other = self.block(s.body, set(sure)), self.block(s.orelse, set(sure))
            end = other if _never_ends(s.body) else then if _never_ends(s.orelse) else then & other
            marked(s, settled=(end - sure) & self.staged & set(getattr(s, "state", ())))
            return end
        if isinstance(s, ast.While):
            sure = self.expression(s.test, sure)
            self.block(s.body, set(sure))
            return sure
        if isinstance(s, ast.For):
            sure = self.expression(s.iter, sure)
            self.block(s.body, sure | targets_of(s.target))
            return sure
        if isinstance(s, ast.With):
            for item in s.items:
                sure = self.expression(item.context_expr, sure)
            self.block(s.body, set(sure))
            return sure                                        # the manager may swallow an exception of the body
        if isinstance(s, ast.Try):
            return self.attempt(s, sure)
        if isinstance(s, ast.Delete):
            self.mark(s, sure)
            return sure - {t.id for t in s.targets if isinstance(t, ast.Name)}
        if isinstance(s, ast.FunctionDef):
            self.deferred(s)
            return sure | {s.name}
        if isinstance(s, ast.AugAssign):
            if isinstance(s.target, ast.Name):
                marked(s.target, unsure=s.target.id in self.staged and s.target.id not in sure)
            else:
                self.expression(s.target, sure)
            return self.expression(s.value, sure) | targets_of(s.target)
        if isinstance(s, (ast.Assign, ast.AnnAssign)):
            sure = self.expression(s.value, sure) if s.value is not None else sure
            for target in s.targets if isinstance(s, ast.Assign) else [s.target]:
                sure = self.expression(target, sure)
                if s.value is not None:
                    sure = sure | targets_of(target)
            return sure
        if isinstance(s, (ast.Import, ast.ImportFrom)):
            return sure | assigned(s)
        return self.expression(s, sure)

    def attempt(self, s: Any, sure: set) -> set:
        done = self.block(s.body, set(sure))
        ends = [self.block(s.orelse, set(done))]
        for h in s.handlers:
            if h.type is not None:
                self.mark(h.type, sure)
            end = self.block(h.body, set(sure))
            if not _never_ends(h.body):
                ends.append(end)
        end = set.intersection(*ends) | self.block(s.finalbody, set(sure))
        s.done, s.settled = (done - sure) & self.staged, (end - sure) & self.staged
        return end

    def expression(self, node: ast.AST, sure: set) -> set:
        """Mark the reads in an expression; gives the names sure after it (`:=` in what certainly runs)."""
        if self.staged:
            self.mark(node, sure)
        return sure | {n.target.id for n, certain in bindings(node) if certain}

    def mark(self, node: Any, sure: set) -> None:
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load) and node.id in self.staged and node.id not in sure and not is_internal(node.id):
                marked(node, unsure=True)
        elif isinstance(node, FUNCTIONS):
            self.deferred(node)
        elif isinstance(node, COMPREHENSIONS):
            own = {n.id for g in node.generators for n in walk(g.target) if isinstance(n, ast.Name)}
            for child in children(node):
                self.mark(child, sure | own)
        else:
            for child in children(node):
                self.mark(child, sure)

    def deferred(self, function: ast.AST) -> None:
        """Reads in a nested function of names that may be unset when it is called."""
        own = set(parameters(function))
        if isinstance(function, ast.FunctionDef):
            own |= assigned(function.body)
        for node in walk(function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in self.staged - own:
                marked(node, unsure=not is_internal(node.id))


def _never_ends(statements: list[ast.stmt]) -> bool:
    return any(isinstance(s, ast.Raise) for s in statements)
