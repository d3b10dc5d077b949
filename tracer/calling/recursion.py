"""Recursion that only run time ends: the function is traced once, with calls of itself in it, and becomes a loop over frames.

    def adapt(a, b, eps): …                    traced with its numbers as parameters; a call of itself inside is a `call` op
        return adapt(a, m, …) + adapt(m, b, …)     recursion_to_loop makes a `while` of it

What a call of itself hands on unchanged stays what it is: functions, arrays, texts, numbers. Numbers that it changes are
parameters, of types that widen until they hold every call's. What is returned gets its types from the returns that need no
call of the function itself, and widens likewise.
"""
from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ...ir.build import function as new_function
from ...ir.core import Block, Function, Value
from ...ir.errors import UnsupportedError
from ...ir.transforms.recursion_to_loop import Unframed, recursion_to_loop
from .. import tracing
from ..regions import identity, leaf_types, loop_carry, region_tracing
from ..tracing import Loop, Scope, Trace
from ..values.boxes import ArrayBox, Box, ScalarBox

if TYPE_CHECKING:
    from ..pytrees import TreeDef
    from ..regions.region_tracing import Outcome

ROUNDS = 16
LIMIT = {"calls": sys.getrecursionlimit()}      # the user's; the face raises Python's own while it traces, and says it here
MOST = 20_000                                   # frames are made before the first call


def mark(f: Callable) -> tuple[str, int]:
    """What stands among the sites of a Restart for a function whose recursion is to be a loop."""
    return "recursion", id(f.__code__)


class Recursion:
    """One function that calls itself. kinds: of each leaf of its arguments, None for one that all calls have alike."""

    def __init__(self, trace: Trace, f: Callable, args: Sequence[Callable | float | Box], kwargs: dict):
        self.trace, self.f, self.signature = trace, f, inspect.signature(f)
        self.leaves, self.tree = self.bound(args, kwargs)
        self.kinds: list = [None] * len(self.leaves)
        self.out_tree: TreeDef | None = None
        self.out: list = []
        self.out_kinds: list = []
        self.changed = False
        self.callee: Function                                 # of the round at hand
        self.roots: dict = {}                                 # id -> array that it overwrites

    def bound(self, args: Sequence[Callable | float | Box],
              kwargs: dict[str, ScalarBox]) -> Any:
        found = self.signature.bind(*args, **kwargs)
        found.apply_defaults()
        return leaf_types.flatten((found.args, found.kwargs))

    def run(self) -> ScalarBox:
        """The call from outside."""
        for _ in range(ROUNDS):
            self.changed = False
            block, outcome = self.attempt()
            if outcome.raised is None:
                self.absorb(outcome.returned)
            elif self.out_tree is None and not self.changed:
                self.refuse("no path through it returns without calling it again", "let one return")
            if not self.changed:
                return self.settled(block, outcome)
        self.refuse("the types of its arguments or results change from call to call", "give them one type each")

    def attempt(self) -> tuple[Block, Outcome]:
        block, loop = Block(), Loop(mark(self.f), "recursion")
        held = [x if kind is None else leaf_types.wrap(loop_carry.parameter(block, kind.type), kind)
                for x, kind in zip(self.leaves, self.kinds)]
        for param in block.params:
            self.trace.origin[param] = loop, None
        args, kwargs = self.tree.unflatten(held)
        for part in leaf_types.containers((args, kwargs)):
            self.trace.shared[id(part)] = part
        self.held = held
        own = [(x, x._value) for x, kind in zip(held, self.kinds) if kind is not None and isinstance(x, ArrayBox)]
        begun = [(root, loop_carry.parameter(block, root._value.type)) for root in self.roots.values()]
        self.callee = new_function(self.f.__name__, [p.type for p in block.params])
        results = [k.type for k in self.out_kinds if k is not None] + [param.type for _, param in begun]
        self.callee.body.yields = tuple(map(Value, results))
        scope = Scope(block, "loop", loop)

        def body() -> Any:
            for root, param in begun:
                scope.roots[id(root)] = root, root._value
                root._value = param
            return leaf_types.value(self.f(*args, **kwargs))

        outcome = region_tracing.run(self.trace, scope, body, None, None, ())
        if region_tracing.items_of(outcome) or any(x._value is not v for x, v in own):
            self.refuse("it changes an object that its caller has, or an array that it was handed on",
                        "return the values instead")
        for root in region_tracing.roots_of(outcome):
            self.changed |= id(root) not in self.roots
            self.roots[id(root)] = root
        return block, outcome

    def again(self, args: tuple[Callable | float | Box, ...], kwargs: dict[str, ScalarBox]) -> ScalarBox:
        """A call of the function by itself."""
        leaves, tree = self.bound(args, kwargs)
        if tree != self.tree:
            self.refuse("it calls itself with arguments of another structure", "use one structure")
        for k, (x, held) in enumerate(zip(leaves, self.held)):
            kind = self.kinds[k]
            if kind is None and (x is held or (not isinstance(x, Box) and leaf_types.same_static(x, held))):
                continue
            found, before = leaf_types.kind_of(x), kind or leaf_types.kind_of(self.leaves[k])
            joined = found and before and leaf_types.join(before, found)
            if not joined or not joined.type.static:
                what = "an array of another shape" if isinstance(x, ArrayBox) else leaf_types.describe(x)
                self.refuse(f"it hands on {what} that it has made, where numbers or what it was given itself can be handed on",
                            "hand on positions in one array")
            self.changed |= joined != kind
            self.kinds[k] = joined
        if self.changed or self.out_tree is None:
            raise region_tracing.Raised                        # this path is known in the next round
        return self.finish(self.trace.builder.emit("call", *self.operands(leaves), callee=self.callee), leaves)

    def operands(self, leaves: list[Callable | float | Box]) -> list[Value]:
        numbers = [leaf_types.emit(x, kind) for x, kind in zip(leaves, self.kinds) if kind is not None]
        return numbers + [root._value for root in self.roots.values()]

    def finish(self, results: tuple[Value, ...], given: list[Callable | float | Box]) -> ScalarBox:
        """What a call with these leaves returns, and has overwritten."""
        assert self.out_tree is not None                       # a path that returns has been traced
        results = iter(results)
        held = [x if kind is None else leaf_types.wrap(next(results), kind) for x, kind in zip(self.out, self.out_kinds)]
        for made in (x for x in held if isinstance(x, ArrayBox)):
            made.identity = identity.OPAQUE                    # it may be one of those that were given
            for x in (x for x in given if isinstance(x, ArrayBox)):
                region_tracing.link(self.trace, made, x)
        for root in self.roots.values():
            self.trace.note_write(root)
            root._value = next(results)
        return self.out_tree.unflatten(held)

    def absorb(self, returned: float | ScalarBox) -> None:
        leaves, tree = leaf_types.flatten(returned)
        kinds = list(map(leaf_types.kind_of, leaves))
        if self.out_tree is None:
            self.out_tree, self.out, self.out_kinds, self.changed = tree, leaves, kinds, True
            return
        if tree != self.out_tree:
            self.refuse("it returns values of different structures", "return one structure")
        for k, (kind, x) in enumerate(zip(kinds, leaves)):
            before = self.out_kinds[k]
            if kind is None and before is None and leaf_types.same_static(x, self.out[k]):
                continue
            joined = kind and before and leaf_types.join(before, kind)
            if not joined:
                self.refuse(f"it returns {leaf_types.describe(self.out[k])} once and {leaf_types.describe(x)} another time",
                            "return values of one type")
            self.changed |= joined != before
            self.out_kinds[k] = joined

    def settled(self, block: Block, outcome: Outcome) -> ScalarBox:
        builder = self.trace.builder
        with builder.at(block), outcome.installed():
            leaves = leaf_types.flatten(outcome.returned)[0]
            numbers = [leaf_types.emit(x, k) for x, k in zip(leaves, self.out_kinds) if k is not None]
        block.yields = (*numbers, *(outcome.roots[key][2] for key in self.roots))
        args = self.operands(self.leaves)
        try:
            results = recursion_to_loop(builder, block, self.callee, args, min(LIMIT["calls"], MOST), len(self.roots))
        except Unframed:
            self.refuse("it keeps an array, while it calls itself, whose size is not known or too large, or a list that "
                        "a loop around the call reads", "keep numbers")
        return self.finish(results, self.leaves)

    def refuse(self, why: str, remedy: str) -> NoReturn:
        raise UnsupportedError(f"`{self.f.__name__}` calls itself until a condition holds that only run time knows, and {why}",
                               f"{remedy}, or write it as a loop with a stack of its own, an array", tracing.locate())


def enter(trace: Trace, f: Callable, args: Sequence[Callable | float | Box], kwargs: dict[str, ScalarBox]) -> ScalarBox:
    """A call, by itself or from outside, of a function whose recursion is to be a loop."""
    key = id(f.__code__)
    active = trace.recursions.get(key)
    if active is not None:
        return active.again(args, kwargs)
    made = trace.recursions[key] = Recursion(trace, f, args, kwargs)
    try:
        return made.run()
    finally:
        del trace.recursions[key]
