"""Tracing a region on a snapshot, and what two regions leave joined into results.

While a region is traced everything that it changes is logged in its scope (context.Scope); afterwards all of it is undone and
handed over as an `Outcome`. Whoever staged the region then puts results in place of what changed.

Aliases. A box that comes out of a join may be one of several arrays, as NumPy has it; as a value it is none of them. Such boxes are
kin: a write through one makes the others unreadable ("spoilt"), and whoever reads one is told to copy. So no program silently gets
a value that an alias would have changed.
"""
from __future__ import annotations

import builtins
import weakref
from contextlib import contextmanager

import numpy as np

from ..ir.core import Block, Const, Value
from ..ir.errors import ArgumentError, TracegradError, UnsupportedError
from ..ir.ops.checks import error_class
from ..ir.types import BOOL_SCALAR
from . import context, messages, state, tree
from .boxes import ArrayBox, Box
from .context import Scope, Signal, Trace
from .exits import VALUE

MISSING = type("Missing", (), {"__repr__": lambda self: "missing"})()
_slot = ArrayBox.__dict__["_value"]


class Raised(Signal):
    """A `raise` ended the region at hand; its check is emitted."""


class Mismatch(Exception):
    """Two values that cannot be joined. `place` says of what; `why` is an optional phrase."""

    def __init__(self, place: str, left: str, right: str, why: str = ""):
        super().__init__(place)
        self.place, self.left, self.right, self.why = place, left, right, why


# --- what a region changes ----------------------------------------------------------------------------------------------------

class Outcome:
    """What a traced region left. roots: id -> (root, before, after); items: id -> (place, before, after)."""

    __slots__ = ("block", "born", "fresh", "grown", "items", "names", "raised", "returned", "roots", "spoilt")

    def __init__(self, scope: Scope):
        self.block, self.born = scope.block, scope.born
        self.names, self.returned, self.raised = (), None, None
        self.roots, self.items, self.spoilt, self.grown, self.fresh = {}, {}, [], {}, scope.fresh

    @contextmanager
    def installed(self):
        """Arrays as the region left them: for reading what its names hold."""
        for root, _, after in self.roots.values():
            root._value = after
        for box, _ in self.spoilt:
            box.__class__ = SpoiltBox
        try:
            yield
        finally:
            for box, _ in self.spoilt:
                box.__class__ = ArrayBox
            for root, before, _ in self.roots.values():
                root._value = before


def Branch(block: Block, cond: Value) -> Scope:
    return Scope(block, "branch", None, cond)


def run(trace: Trace, scope: Scope, thunk, get, put, before, *args, always: bool = False) -> Outcome:
    """Trace thunk(*args) into scope.block; on the way out everything is as it was before.

    An error that is certain while tracing ends the region like a `raise`, as run time may never come to it; `always`: it will.
    """
    outcome, growing = Outcome(scope), dict(trace.growing)
    trace.scopes.append(scope)
    try:
        with trace.builder.at(scope.block):
            try:
                outcome.returned = thunk(*args)
            except Raised as signal:
                outcome.raised = signal
            except CERTAIN as error:
                if always or scope.kind == "function" or not certain(trace, error):
                    raise
                outcome.raised = Raised()
            outcome.names = get() if get is not None else ()
    finally:
        trace.scopes.pop()
        trace.growing = growing
        outcome.grown = {key: (*found, scope.loop) for key, found in (scope.grown or {}).items()}
        _undo(scope, outcome)
        if put is not None:
            put(before)
    return outcome


def _undo(scope: Scope, outcome: Outcome) -> None:
    for box, reason in scope.spoilt:
        box.__class__ = ArrayBox
        outcome.spoilt.append((box, reason))
    for key, (root, before) in scope.roots.items():
        outcome.roots[key] = root, before, root._value
        root._value = before
    for key, (*place, before) in scope.items.items():
        outcome.items[key] = tuple(place), before, peek(place)
        put_item(place, before)


def peek(place):
    """What an item or attribute holds."""
    held, attribute, key = place
    if attribute:
        return getattr(held, key, MISSING)
    try:
        return held[key]
    except (KeyError, IndexError):
        return MISSING


def put_item(place, found) -> None:
    held, attribute, key = place
    if found is MISSING:
        if attribute:
            object.__delattr__(held, key)
        else:
            del held[key]
    elif attribute:
        setattr(held, key, found)
    else:
        held[key] = found


def assign(trace: Trace | None, place, found) -> None:
    """Store into an item or attribute of a Python object, noting it in the region at hand."""
    if trace is not None and trace.scopes:
        scope = trace.scopes[-1]
        held, attribute, key = place
        if scope.kind != "function" and id(held) not in scope.fresh:
            mark = id(held), attribute, key
            if mark not in scope.items:
                scope.items[mark] = (*place, peek(place))
    put_item(place, found)


def roots_of(*outcomes) -> list:
    found = {}
    for outcome in outcomes:
        for key, (root, before, after) in outcome.roots.items():
            if after is not before:
                found[key] = root
    return list(found.values())


def items_of(*outcomes) -> list:
    found = {}
    for outcome in outcomes:
        for key, (place, before, after) in outcome.items.items():
            if after is not before:
                found[key] = place
    return list(found.values())


def name_of(place) -> str:
    held, attribute, key = place
    return f"attribute `{key}` of a {type(held).__name__}" if attribute else f"item [{key!r}] of a {type(held).__name__}"


# --- raising ----------------------------------------------------------------------------------------------------------------------

def fail(trace: Trace, error) -> BaseException:
    """A `raise` that only run time reaches: a check that fails there. Ends the region."""
    cls = type(error)
    if error is None or not (getattr(builtins, cls.__name__, None) is cls or cls is np.linalg.LinAlgError):
        if error is not None and not any(s.kind != "function" for s in trace.scopes):
            return error                                      # all that remains of the function: let it be heard at once
        raise UnsupportedError(
            f"`raise` of {cls.__name__} under a condition that is decided at run time: compiled code raises Python's own exceptions only",
            "raise ValueError, RuntimeError or another built-in exception", context.locate())
    text, values = messages.template(error.args[0]) if error.args else ("", ())
    trace.builder.emit("check", trace.builder.const(False, BOOL_SCALAR.dtype), *values, error=cls.__name__, message=text)
    raise Raised


CERTAIN = (IndexError, ValueError, ZeroDivisionError, OverflowError, UnboundLocalError)


def certain(trace: Trace, error: Exception) -> bool:
    """Emit the check that raises, where it is reached, an error of the user's code that tracing found already:

        if c: a[9]        ->        if %c { check false {error="BoundsError", message="index 9 is out of bounds …"} }

    False for an error of another kind.
    """
    cls = type(error)
    if isinstance(error, ArgumentError) or error_class(cls.__name__) is not cls:
        return False
    loc = getattr(error, "loc", ()) or (*context.locate()[:-1], *context.user_loc(error.__traceback__))
    message = (error.what if isinstance(error, TracegradError) else str(error)).replace("{", "{{").replace("}", "}}")
    builder = trace.builder
    locate, builder.locate = builder.locate, lambda: loc
    try:
        builder.emit("check", builder.const(False, BOOL_SCALAR.dtype), error=cls.__name__, message=message)
    finally:
        builder.locate = locate
    return True


# --- aliases ----------------------------------------------------------------------------------------------------------------------

class SpoiltBox(ArrayBox):
    """An array that may have been written under another name."""

    __slots__ = ()

    def _refuse(self, *_):
        raise UnsupportedError(
            "this array may have been overwritten through another name, and which of the two it is only run time knows",
            "make one of them a copy where the names part: `b = a.copy()`", context.locate())

    _value = property(_refuse, _refuse)


def link(trace: Trace, one: ArrayBox, other: ArrayBox, born: float = float("inf")) -> None:
    """From now on these two may be the same array; so may what the second may be, as far as it is older than `born`.

    What a loop's names hold in one iteration is told apart by the loop itself: `a` and `b` that trade two arrays are never the same.
    """
    one, other = one.root, other.root
    if one is other:
        return
    for kin in (other, *(r for r in relatives(trace, other) if r._born < born)):
        _connect(trace, one, kin)
        _connect(trace, kin, one)


def relatives(trace: Trace, root) -> list:
    found = trace.kin.get(id(root))
    return [] if found is None else [r for ref in found[1] if (r := ref()) is not None]


def _connect(trace: Trace, a, b) -> None:
    found = trace.kin.get(id(a))
    if found is None:
        key, kin = id(a), trace.kin
        found = kin[key] = weakref.ref(a, lambda _: kin.pop(key, None)), []
    if a is not b and not any(ref() is b for ref in found[1]):
        found[1].append(weakref.ref(b))


def spoil_kin(trace: Trace, root) -> None:
    """A write to `root`: whatever may be the same array cannot be read any more."""
    for other in relatives(trace, root):
        spoil(trace, other, "")


def spoil(trace: Trace, box, reason) -> None:
    if type(box) is ArrayBox:
        box.__class__ = SpoiltBox
        trace.scopes[-1].spoilt.append((box, reason))


def merge_spoilt(trace: Trace, *outcomes) -> None:
    for outcome in outcomes:
        for box, reason in outcome.spoilt:
            spoil(trace, box, reason)


# --- joining two outcomes -----------------------------------------------------------------------------------------------------------

class Slot:
    """One place after a join. `differs`: whether it must be put in place; build(results) gives what it holds."""

    __slots__ = ("build", "differs")

    def __init__(self, differs: bool, build):
        self.differs, self.build = differs, build


class Joint:
    """The results of an `if`: pairs of values, one from each branch. `flexible`: arrays may differ in their lengths."""

    def __init__(self, trace: Trace, flag: Value, yes: Outcome, no: Outcome, flexible: bool = False):
        self.flexible = flexible
        self.trace, self.flag, self.outcomes, self.blocks = trace, flag, (yes, no), (yes.block, no.block)
        self.pairs: list[tuple[Value, Value]] = []
        self.known: dict = {}
        self.uses: tuple[dict, dict] = {}, {}         # id(container) -> how many places have it after a branch

    def add(self, what: str, a, b) -> Slot:
        """Join what a place holds after the one branch with what it holds after the other."""
        if a is b:
            return Slot(False, lambda results: a)
        maybe = self.maybe(what, a, b)
        if maybe is not None:
            return maybe
        for uses, held in zip(self.uses, (a, b)):
            for part in state.containers(held):
                uses[id(part)] = uses.get(id(part), 0) + 1
        left, left_tree = state.flatten(a)
        right, right_tree = state.flatten(b)
        if left_tree != right_tree:
            raise Mismatch(quoted(what), state.describe(a), state.describe(b), "the structures differ")
        paths = left_tree.paths(what)
        slots = [self.leaf(path, x, y) for path, x, y in zip(paths, left, right)]
        if left_tree is tree.LEAF:
            return slots[0]

        def build(results):
            made = left_tree.unflatten([s.build(results) for s in slots])
            own = self.own(a, 0) and self.own(b, 1)
            for part in state.containers(made):
                if own:
                    self.trace.note_fresh(part)
                else:
                    self.trace.shared[id(part)] = part
            return made

        return Slot(True, build)

    def own(self, held, side: int) -> bool:
        """Whether a branch made what it leaves, and nothing else that it leaves has it too."""
        fresh = self.outcomes[side].fresh
        return all(id(part) in fresh and self.uses[side].get(id(part)) == 1 for part in state.containers(held))

    def maybe(self, what, a, b) -> Slot | None:
        """Where at least one branch leaves the place unset, or set on a condition."""
        kinds = type(a), type(b)
        if state.Unset not in kinds and state.Maybe not in kinds:
            return None
        if kinds == (state.Unset, state.Unset):
            return Slot(False, lambda results: a)
        flags = [self.set_flag(x) for x in (a, b)]
        held_a, held_b = (x.held if type(x) is state.Maybe else x for x in (a, b))
        if type(a) is state.Unset:
            held = self.one_sided(held_b, 1)
        elif type(b) is state.Unset:
            held = self.one_sided(held_a, 0)
        else:
            held = self.add(what, held_a, held_b)
        flag = self.pair(*flags)
        return Slot(True, lambda results: state.Maybe(what, held.build(results), results[flag]))

    def set_flag(self, x) -> Value:
        if type(x) is state.Maybe:
            return x.flag
        return self.trace.builder.const(type(x) is not state.Unset, BOOL_SCALAR.dtype)

    def one_sided(self, held, side: int) -> Slot:
        """A value that only one branch has; the other yields zeros, which nobody reads."""
        leaves, structure = state.flatten(held)
        slots = []
        for x in leaves:
            kind = state.kind_of(x)
            if kind is None:
                slots.append(Slot(False, lambda results, x=x: x))
                continue
            for d in kind.dims:
                if type(d) is not int:
                    lengths = self.trace.builder.index(d), self.trace.builder.index(0)
                    self.pair(*(lengths if side == 0 else lengths[::-1]))
            values = [None, None]
            values[side] = self.read(side, x, kind)
            with self.trace.builder.at(self.blocks[1 - side]):
                values[1 - side] = self.trace.builder.full(0, [d if type(d) is int else 0 for d in kind.dims], kind.dtype)
            slots.append(self.result(kind, values, (x,)))
        return Slot(True, lambda results: structure.unflatten([s.build(results) for s in slots]))

    def leaf(self, what: str, x, y) -> Slot:
        if x is y or (not isinstance(x, Box) and not isinstance(y, Box) and state.same_static(x, y)):
            return Slot(False, lambda results: x)
        left, right = state.kind_of(x), state.kind_of(y)
        if left is None or right is None:
            raise Mismatch(quoted(what), state.describe(x), state.describe(y))
        kind = self.join(left, right, x, y)
        if kind is None:
            raise Mismatch(quoted(what), state.describe(x), state.describe(y))
        return self.result(kind, [self.read(0, x, kind), self.read(1, y, kind)], (x, y))

    def read(self, side: int, held, kind) -> Value:
        """A leaf at the end of a branch."""
        with self.trace.builder.at(self.blocks[side]), self.outcomes[side].installed():
            return state.emit(held, kind)

    def join(self, left, right, x, y):
        """The common leaf type; lengths that differ at run time become results before the array."""
        found = state.join(left, right, x, y)
        if found is not None or left.form != "array" or right.form != "array" or len(left.dims) != len(right.dims):
            return found
        for p, q in zip(left.dims, right.dims):
            if p is not q and p != q:
                if type(p) is int and type(q) is int and not self.flexible:
                    return None
                self.pair(self.trace.builder.index(p), self.trace.builder.index(q))
        return state.join(left, right._replace(dims=left.dims), x, y)

    def result(self, kind, values, held) -> Slot:
        k = self.pair(*values)
        strides = {getattr(h, "_strides", None) for h in held}

        def build(results):
            made = state.wrap(results[k], kind, strides.copy().pop() if len(strides) == 1 else None)
            if isinstance(made, ArrayBox):
                for h in held:
                    if isinstance(h, ArrayBox):
                        link(self.trace, made, h)
            return made

        return Slot(True, build)

    def pair(self, a: Value, b: Value) -> int:
        """The position of a result that is a after the one branch and b after the other."""
        key = a, b
        if key not in self.known:
            self.known[key] = len(self.pairs)
            self.pairs.append(key)
        return self.known[key]

    def root(self, root, yes: Outcome, no: Outcome) -> Slot:
        values = []
        for outcome in (yes, no):
            entry = outcome.roots.get(id(root))
            values.append(entry[2] if entry else root._value)
        k = self.pair(*values)
        return Slot(True, lambda results: results[k])

    def item(self, place, yes: Outcome, no: Outcome) -> Slot:
        mark = id(place[0]), place[1], place[2]
        found = [outcome.items[mark][2] if mark in outcome.items else peek(place) for outcome in (yes, no)]
        if any(f is MISSING for f in found):
            raise Mismatch(name_of(place), *("missing" if f is MISSING else state.describe(f) for f in found))
        return self.add(name_of(place), *found)

    def emit(self, lazy: bool) -> list[Value]:
        """Emit the op; one value for each pair."""
        return _Emission(self.trace.builder, self.flag, self.blocks, self.pairs).results(lazy)


def quoted(what: str) -> str:
    if what.startswith(VALUE):
        return "the value returned" + what.removeprefix(VALUE)
    return what if " " in what or "`" in what else f"`{what}`"


_FREE = {"eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "xor", "isnan", "isinf", "isfinite"}


class _Emission:
    """An `if` in its smallest form: results that need no op, selects of scalars where the branches compute nothing, else the op."""

    def __init__(self, builder, flag, blocks, pairs):
        self.builder, self.flag, self.blocks, self.pairs = builder, flag, blocks, pairs

    def results(self, lazy: bool) -> list[Value]:
        if self.movable(8 if lazy else 2) and all(not a.type.dims for a, _ in self.pairs):
            for block in self.blocks:
                self.builder.block.ops.extend(block.ops)
            return [self.short(a, b) or self.chosen(a, b) for a, b in self.pairs]
        plain = {k: short for k, (a, b) in enumerate(self.pairs) if (short := self.outside(a, b)) is not None}
        kept = [k for k in range(len(self.pairs)) if k not in plain]
        if not kept and not any(op.defn.effect or op.regions for block in self.blocks for op in block.ops):
            return [plain[k] for k in range(len(self.pairs))]
        for side, block in enumerate(self.blocks):
            block.yields = tuple(self.pairs[k][side] for k in kept)
        found = dict(zip(kept, self.builder.emit("if", self.flag, regions=self.blocks)))
        return [plain[k] if k in plain else found[k] for k in range(len(self.pairs))]

    def movable(self, most: int) -> bool:
        """Whether the branches hold nothing but a few comparisons and sums of integers, which cost less than a jump."""
        ops = [op for block in self.blocks for op in block.ops]
        return len(ops) <= most and all(
            not op.regions and not op.defn.effect and not op.result.type.dims and all(not v.type.dims for v in op.operands)
            and (op.name in _FREE or (op.name in ("add", "sub", "neg", "cast") and op.result.type.dtype.kind in "iux"))
            for op in ops)

    def outside(self, a: Value, b: Value) -> Value | None:
        """The result where it is a value that both branches see anyway."""
        inner = {v for block in self.blocks for op in block.ops for v in op.results}
        return None if a in inner or b in inner else self.short(a, b)

    def chosen(self, a: Value, b: Value) -> Value:
        """c ? a : c -> c and a;  c ? c : b -> c or b"""
        if b is self.flag:
            return self.builder("and", self.flag, a)
        return self.builder("or", self.flag, b) if a is self.flag else self.builder("select", self.flag, a, b)

    def short(self, a: Value, b: Value) -> Value | None:
        """c ? a : a -> a;  c ? True : False -> c;  c ? False : True -> not c"""
        if a is b:
            return a
        if isinstance(a, Const) and isinstance(b, Const) and not a.type.dims and a.type == b.type and a.frozen and b.frozen:
            if a.data.tobytes() == b.data.tobytes():
                return a
            if a.type == BOOL_SCALAR:
                return self.flag if a.item else self.builder("not", self.flag)
        return None
