"""Joining what the two branches of an `if` leave: results of one op, in its smallest form."""
from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from types import CellType
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.analysis.lengths import may_decide
from ...ir.core import Block, Const, Value
from ...ir.errors import UnsupportedError
from ...ir.types import BOOL_SCALAR, I64
from .. import pytrees, tracing
from ..tracing import Trace
from ..values import boxes, ownership
from ..values.boxes import ArrayBox, Box, ScalarBox
from ..values.python import chosen_texts, optional_values
from . import identity, leaf_types, list_scan_outputs, region_tracing, standings

if TYPE_CHECKING:
    from ...ir.build import Builder
    from .leaf_types import Kind, MaybeUndefined
    from .region_tracing import Outcome, State


class JoinedValue:
    """One place after a join. `differs`: whether it must be put in place; build(results) gives what it holds."""

    __slots__ = ("build", "differs")

    def __init__(self, differs: bool, build: Callable):
        self.differs, self.build = differs, build


_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, np.ufunc, type)


class FunctionPhi:
    """One of two functions, which of them only run time knows: a call of it is a branch."""

    __slots__ = ("flag", "other", "then")

    def __init__(self, flag: Value, then: Callable, other: Any):
        self.flag, self.then, self.other = flag, then, other


# joined(IfJoin, place, a, b) of lists that differ in their lengths (sequences/joined_lists.py)
LISTS: list[Callable] = []


class IfJoin:
    """The results of an `if`: pairs of values, one from each branch. `flexible`: arrays may differ in their lengths; `put`
    sets the names that the branches may leave changed, which hold `before` now."""

    def __init__(self, trace: Trace, flag: Value, yes: region_tracing.Outcome, no: region_tracing.Outcome,
                 flexible: bool = False, put: Callable | None = None, before: Sequence = ()):
        self.flexible, self.put, self.before = flexible, put, before
        self.trace, self.flag, self.outcomes, self.blocks = trace, flag, (yes, no), (yes.block, no.block)
        self.pairs: list[tuple[Value, Value]] = []
        self.known: dict = {}
        self.uses: tuple[dict, dict] = {}, {}         # id(container) -> how many places have it after a branch

    def add(self, what: str, a: Any, b: Any) -> JoinedValue:
        """Join what a place holds after the one branch with what it holds after the other."""
        if a is b:
            return JoinedValue(False, lambda results: a)
        list_scan_outputs.read_parts(self.trace, a, b)
        maybe = self.maybe(what, a, b) or self.optional(what, a, b) or self.text(a, b) or self.stood(a, b)
        maybe = maybe or LISTS[0](self, what, a, b)
        if maybe is not None:
            return maybe
        opened = leaf_types.opener((a, b), known=type(a) is type(b))
        for uses, held in zip(self.uses, (a, b)):
            for part in pytrees.containers(held, opened):
                uses[id(part)] = uses.get(id(part), 0) + 1
        both = {id(part) for part in pytrees.containers(a, opened)} & {id(part) for part in pytrees.containers(b, opened)}
        left, left_tree = pytrees.flatten(a, opened, lambda x: id(x) in both)
        right, right_tree = pytrees.flatten(b, opened, lambda x: id(x) in both)
        if both and (left_tree != right_tree or any(x is not y for x, y in zip(left, right) if id(x) in both or id(y) in both)):
            both = set()
            (left, left_tree), (right, right_tree) = pytrees.flatten(a, opened), pytrees.flatten(b, opened)
        if left_tree != right_tree:                       # perhaps but for what may be None, a text, or lists of other lengths
            def apart(x: Any) -> bool:
                return _undecided(x) or (x is not a and x is not b and _is_list(x))

            left, left_tree = pytrees.flatten(a, opened, apart)
            right, right_tree = pytrees.flatten(b, opened, apart)
        if left_tree != right_tree:
            raise region_tracing.Mismatch(region_tracing.quoted(what), leaf_types.describe(a), leaf_types.describe(b),
                                          "the structures differ")
        paths = left_tree.paths(what)
        slots = [self.add(path, x, y) if x is not a and _is_list(x) and _is_list(y) else
                 self.optional(path, x, y) or self.text(x, y) or self.stood(x, y) or self.leaf(path, x, y)
                 for path, x, y in zip(paths, left, right)]
        if left_tree is pytrees.LEAF:
            return slots[0]

        def build(results: list[Value]) -> Any:
            made = left_tree.unflatten([s.build(results) for s in slots])
            left_own, right_own = self.own(a, 0, both, made, opened), self.own(b, 1, both, made, opened)
            own = left_own and right_own
            for part in pytrees.containers(made, opened):
                if id(part) in both:
                    continue
                if own:
                    self.trace.note_fresh(part)
                else:
                    self.trace.shared[id(part)] = part
            return made

        return JoinedValue(True, build)

    def own(self, held: Any, side: int, both: set[int], made: Any, opened: Callable) -> bool:
        """Whether a branch made what it leaves, and nothing else that it leaves has it too. What is left by `both` branches is
        not asked for. What was there before may be what is `made` of it (values/ownership.py)."""
        fresh, own = self.outcomes[side].fresh, True
        for part, other in zip(pytrees.containers(held, opened), pytrees.containers(made, opened)):
            if id(part) in both or (id(part) in fresh and self.uses[side].get(id(part)) == 1):
                continue
            own = False
            flag = self.flag if side == 0 else self.trace.builder("not", self.flag)
            ownership.note_joined(self.trace, None if id(part) in fresh else part, other, flag)
        return own

    def maybe(self, what: str, a: Any, b: Any) -> JoinedValue | None:
        """Where at least one branch leaves the place unset, or set on a condition."""
        kinds = type(a), type(b)
        if leaf_types.Undefined not in kinds and leaf_types.MaybeUndefined not in kinds:
            return None
        if kinds == (leaf_types.Undefined, leaf_types.Undefined):
            return JoinedValue(False, lambda results: a)
        flags = [self.set_flag(x) for x in (a, b)]
        held_a, held_b = (x.held if type(x) is leaf_types.MaybeUndefined else x for x in (a, b))
        if type(a) is leaf_types.Undefined:
            held = self.one_sided(held_b, 1)
        elif type(b) is leaf_types.Undefined:
            held = self.one_sided(held_a, 0)
        else:
            held = self.add(what, held_a, held_b)
        flag = self.pair(*flags)
        return JoinedValue(True, lambda results: leaf_types.MaybeUndefined(what, held.build(results), results[flag]))

    def optional(self, what: str, a: Any, b: Any) -> JoinedValue | None:
        """Where one branch leaves None and no number that is known decides; what is None already on a condition stays so."""
        known = [type(x) in optional_values.KINDS for x in (a, b)]
        if not any(known) and not (self.flexible and (a is None or b is None)):
            return None
        flags = [x.flag if k else self.trace.builder.const(x is not None, BOOL_SCALAR.dtype) for x, k in zip((a, b), known)]
        held_a, held_b = (x.held if k else x for x, k in zip((a, b), known))
        if a is None or b is None:
            held = self.one_sided(held_b, 1) if a is None else self.one_sided(held_a, 0)
        else:
            held = self.add(what, held_a, held_b)
        flag = self.pair(*flags)
        return JoinedValue(True, lambda results: optional_values.optional(held.build(results), results[flag]))

    def text(self, a: Any, b: Any) -> JoinedValue | None:
        """Texts of which no number that is known decides, or that were chosen before."""
        both = [chosen_texts.texts_of(x) for x in (a, b)]
        if both[0] is None or both[1] is None or (type(a) is str and both[0] == both[1]):
            return None
        if len({type(x) for x in (*both[0], *both[1])}) > 1:
            return None
        if not self.flexible and chosen_texts.ChosenText not in (type(a), type(b)):
            return None
        texts = tuple(dict.fromkeys((*both[0], *both[1])))
        numbers = []
        for side, x in enumerate((a, b)):
            with self.trace.builder.at(self.blocks[side]):
                numbers.append(chosen_texts.among(x, texts))
        k = self.pair(*numbers)
        return JoinedValue(True, lambda results: chosen_texts.ChosenText(results[k], texts))

    def stood(self, a: Any, b: Any) -> JoinedValue | None:
        """One of several arrays that were there before, where names stand for them or one is a choice already."""
        asked = self.trace.standing or standings.is_choice(a) or standings.is_choice(b)
        common = standings.standing(a, b, min(o.epoch for o in self.outcomes)) if asked and a is not b else None
        if common is None:
            return None
        numbers = []
        for side, x in enumerate((a, b)):
            with self.trace.builder.at(self.blocks[side]):
                numbers.append([self.trace.builder.cast(boxes.lift(n).read(), I64) for n in common.numbers(x) or ()])
        places = [self.pair(*both) for both in zip(*numbers)]
        return JoinedValue(True, lambda results: common.held([ScalarBox(results[k], "int") for k in places]))

    def set_flag(self, x: Any) -> Value:
        if type(x) is leaf_types.MaybeUndefined:
            return x.flag
        return self.trace.builder.const(type(x) is not leaf_types.Undefined, BOOL_SCALAR.dtype)

    def one_sided(self, held: Any, side: int) -> JoinedValue:
        """A value that only one branch has; the other yields zeros, which nobody reads."""
        fresh = self.outcomes[side].fresh
        before = {id(part) for part in leaf_types.containers(held) if id(part) not in fresh}      # these stay as they are
        leaves, structure = pytrees.flatten(held, leaf_types.opened, lambda x: id(x) in before or _undecided(x))
        slots = []
        for x in leaves:
            if x is not None and _undecided(x):
                other = chosen_texts.texts_of(x)
                slots.append(self.add("", *(x, other and other[0])[::1 if side == 0 else -1]))
                continue
            kind = leaf_types.kind_of(x)
            if kind is None or id(x) in before:
                slots.append(JoinedValue(False, lambda results, x=x: x))
                continue
            for d in kind.dims:
                if type(d) is not int:
                    lengths = self.trace.builder.index(d), self.trace.builder.index(0)
                    self.pair(*(lengths if side == 0 else lengths[::-1]))
            there = self.read(side, x, kind)
            with self.trace.builder.at(self.blocks[1 - side]):
                zeros = self.trace.builder.full(0, [d if type(d) is int else 0 for d in kind.dims], kind.dtype)
            slots.append(self.result(kind, (there, zeros), (x, None)) if side == 0 else
                         self.result(kind, (zeros, there), (None, x)))
        return JoinedValue(True, lambda results: structure.unflatten([s.build(results) for s in slots]))

    def leaf(self, what: str, x: float | Box, y: float | Box) -> JoinedValue:
        if x is y or (not isinstance(x, Box) and not isinstance(y, Box) and leaf_types.same_static(x, y)):
            return JoinedValue(False, lambda results: x)
        left, right = leaf_types.kind_of(x), leaf_types.kind_of(y)
        if self.stands(x, 0) and self.stands(y, 1):
            then, other = self.function(x, 0), self.function(y, 1)
            return JoinedValue(True, lambda results: FunctionPhi(self.flag, then(results), other(results)))
        if left is None or right is None:
            raise region_tracing.Mismatch(region_tracing.quoted(what), leaf_types.describe(x), leaf_types.describe(y))
        kind = self.join(left, right, x, y)
        if kind is None:
            raise region_tracing.Mismatch(region_tracing.quoted(what), leaf_types.describe(x), leaf_types.describe(y))
        return self.result(kind, [self.read(0, x, kind), self.read(1, y, kind)], (x, y))

    def stands(self, x: float | Box, side: int) -> bool:
        """Whether x is a function, or a choice of such, that means the same after its branch: it has nothing made there."""
        if type(x) is FunctionPhi:
            return self.stands(x.then, side) and self.stands(x.other, side)
        if not isinstance(x, _FUNCTIONS):
            return False
        held = [c.cell_contents for c in getattr(x, "__closure__", None) or ()]
        boxes = [leaf for h in held for leaf in leaf_types.leaves_of(h) if isinstance(leaf, Box)]
        inner = {v for op in self.blocks[side].walk() for v in op.results} if boxes else ()
        return not any(b.root._epoch > self.outcomes[side].epoch if isinstance(b,
                                                                               ArrayBox) else b.read() in inner for b in boxes)

    def function(self, x: Any, side: int) -> Any:
        """build(results) of a function; the flags of a choice that a branch made become results."""
        if type(x) is not FunctionPhi:
            return lambda results: x
        flags: list[Value] = [self.trace.builder.const(False, BOOL_SCALAR.dtype)] * 2
        flags[side] = x.flag
        k, then, other = self.pair(*flags), self.function(x.then, side), self.function(x.other, side)
        return lambda results: FunctionPhi(results[k], then(results), other(results))

    def read(self, side: int, held: float | Box, kind: Kind) -> Value:
        """A leaf at the end of a branch."""
        with self.trace.builder.at(self.blocks[side]), self.outcomes[side].installed():
            return leaf_types.emit(held, kind)

    def join(self, left: Kind, right: Kind, x: float | Box, y: Any) -> Kind | None:
        """The common leaf type; lengths that differ at run time become results before the array."""
        if self.trace.general and leaf_types.differ(left, right) and may_decide(self.flag, self.trace.unfixed):
            raise tracing.NeedLengths("the type of a number depends on lengths")
        found = leaf_types.join(left, right, x, y)
        if found is not None or left.form != "array" or right.form != "array" or len(left.dims) != len(right.dims):
            return found
        for p, q in zip(left.dims, right.dims):
            if p is not q and p != q:
                if type(p) is int and type(q) is int and not self.flexible:
                    return None
                self.pair(self.trace.builder.index(p), self.trace.builder.index(q))
        return leaf_types.join(left, right._replace(dims=left.dims), x, y)

    def result(self, kind: Kind, values: Sequence[Value], held: tuple[float | Box | None, ...]) -> JoinedValue:
        k = self.pair(*values)
        known = self.which(kind, held)
        strides = {getattr(h, "_strides", None) for h in held if h is not None}

        def build(results: list[Value]) -> Box:
            made = leaf_types.wrap(results[k], kind, strides.copy().pop() if len(strides) == 1 else None)
            if isinstance(made, ArrayBox):
                for h in held:
                    if isinstance(h, ArrayBox):
                        region_tracing.link(self.trace, made, h)
                made.identity = results[known] if isinstance(known, int) else known
            return made

        return JoinedValue(True, build)

    def which(self, kind: Kind, held: tuple[float | Box | None, ...]) -> int | None:
        """The position of the result that says which array a joined name holds, where that is asked for."""
        if self.trace.clock is None or kind.form != "array":
            return None
        if any(map(identity.opaque, held)):
            return identity.OPAQUE
        numbers = []
        for block, h in zip(self.blocks, held):
            with self.trace.builder.at(block):
                numbers.append(identity.number(self.trace, h))
        return self.pair(*numbers)

    def pair(self, a: Value, b: Value) -> int:
        """The position of a result that is a after the one branch and b after the other."""
        key = a, b
        if key not in self.known:
            self.known[key] = len(self.pairs)
            self.pairs.append(key)
        return self.known[key]

    def root(self, root: ArrayBox, yes: region_tracing.Outcome, no: region_tracing.Outcome) -> JoinedValue:
        k = self.pair(*[outcome.roots[id(root)][2] if id(root) in outcome.roots else root.own for outcome in (yes, no)])
        return JoinedValue(True, lambda results: results[k])

    def item(self, place: tuple[State | CellType, bool, str], yes: region_tracing.Outcome,
             no: region_tracing.Outcome) -> JoinedValue:
        mark = id(place[0]), place[1], place[2]
        found = [outcome.items[mark][2] if mark in outcome.items else region_tracing.peek(place) for outcome in (yes, no)]
        if any(f is region_tracing.MISSING for f in found):
            shown = ["missing" if f is region_tracing.MISSING else leaf_types.describe(f) for f in found]
            raise region_tracing.Mismatch(region_tracing.name_of(place), *shown)
        return self.add(region_tracing.name_of(place), *found)

    def emit(self, lazy: bool) -> list[Value]:
        """Emit the op; one value for each pair."""
        return _Emission(self.trace.builder, self.flag, self.blocks, self.pairs).results(lazy)


def joined(trace: Trace, flag: Value, yes: region_tracing.Outcome, no: region_tracing.Outcome, put: Callable | None,
           names: tuple[str, ...], before: tuple[float | Box, ...], what: str, lazy: bool = False,
           about: str = "the branches of an `if` that is decided at run time leave") -> Any:
    """Emit the `if` of two branches, put its results in place, and give what they return, joined.

    `names` with what they held `before` and `put`, which sets them; `about` begins the message for branches that do not fit.
    """
    try:
        return _join(trace, flag, yes, no, put, names, before, what, lazy)
    except region_tracing.Mismatch as found:
        why = tracing.make_static(flag, "an `if` whose branches leave different things")
        try:
            return _join(trace, flag, yes, no, put, names, before, what, lazy, flexible=True)
        except region_tracing.Mismatch:
            raise _unlike(found, why, about) from None


def _unlike(found: region_tracing.Mismatch, why: str, about: str) -> Any:
    """The error for branches that leave different things."""
    return UnsupportedError(
        f"{about} {found.place} different: {found.left} in one, {found.right} in the other"
        f"{'; ' + found.why if found.why else ''} (the condition depends on {why})",
        "give it the same shape and structure in both, or decide with a value that is known when the function is compiled",
        tracing.locate())


def _join(trace: Trace, flag: Value, yes: Outcome, no: Outcome, put: Callable | None, names: tuple[str, ...],
          before: Any, what: str, lazy: bool, flexible: bool = False) -> MaybeUndefined | ScalarBox | None:
    """Emit the `if` and put its results in place."""
    joint = IfJoin(trace, flag, yes, no, flexible, put, before)
    held = [JoinedValue(False, lambda results, old=old: old) if name[0] == "-" else joint.add(name.lstrip("+"), a, b)
            for name, old, a, b in zip(names, before, yes.names, no.names)]
    returned = joint.add(what, yes.returned, no.returned)
    roots = [(root, joint.root(root, yes, no)) for root in region_tracing.roots_of(yes, no)]
    items = [(place, joint.item(place, yes, no)) for place in region_tracing.items_of(yes, no)]
    results = joint.emit(lazy)
    for root, found in roots:
        if found.differs:
            trace.note_write(root)
            root._value = found.build(results)
    if put is not None and any(h.differs or a is not old for h, old, a in zip(held, before, yes.names)):
        put(tuple(h.build(results) for h in held))
    for place, found in items:
        region_tracing.assign(trace, place, found.build(results))
    region_tracing.merge_spoilt(trace, yes, no)
    return returned.build(results)


_FREE = {"eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "xor", "isnan", "isinf", "isfinite"}


class _Emission:
    """An `if` in its smallest form: results that need no op, selects where the branches compute nothing, else the op."""

    def __init__(self, builder: Builder, flag: Value, blocks: tuple[Block, ...], pairs: Any):
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


def _is_list(x: Any) -> bool:
    """Whether that is a list to the program: Python's own, or one of run-time length (control/packed_lists.py)."""
    return type(x) is list or getattr(type(x), "stands_for", None) is list


def _undecided(x: Any) -> bool:
    """Whether a part of a structure is None, or may be, or is a text among others."""
    return x is None or type(x) in optional_values.KINDS or type(x) is chosen_texts.ChosenText
