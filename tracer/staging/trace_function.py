"""Staging: one run of a rewritten function on boxes gives its IR function and the structures around it.

    trace(f, (x, 3), {})  ->  Traced      what a call of f on such arguments amounts to
    trace_inner(f, …)     ->  Traced      the same inside traced code; what f uses of the enclosing trace becomes `captured`

A Python int starts as a traced number. Where the run shows that it decides a shape or an unrolled loop, the run starts again
with that argument static (tracing.Restart); nothing is left of the first, because it had copies of all containers.
"""
from __future__ import annotations

import types
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.build import const
from ...ir.build import function as new_function
from ...ir.clone import lift_free
from ...ir.core import Value
from ...ir.errors import (
    ArgumentTypeError,
    ConcretizationError,
    UnsupportedError,
)
from ...ir.ops import random
from ...ir.transforms.overflow_checks import without_needless_overflow_checks
from ...ir.transforms.simplify import peephole
from ...ir.types import I64, INDEX, Array
from .. import pytrees, tracing
from ..calling import calls
from ..containers import array_choice
from ..control import packed_lists
from ..control.restarts import Learned
from ..regions import failed_writes, identity, leaf_types, region_tracing
from ..sequences import generators, real_or_complex
from ..syntax import source
from ..tracing import Restart, Scope, Trace
from ..values import captured_values, memory_layout, promotion, random_generators, returned_views
from ..values.boxes import ArrayBox, Box, ScalarBox
from ..values.captured_arrays import Captured, reached
from ..values.python import format_strings, optional_values
from . import argument_objects, failed_objects, list_arguments, opaque_results, runtime, signature
from .argument_objects import Assigned
from .arguments import Call, flatten_call, where
from .traced import Out, Traced
from .users_errors import cleanly

if TYPE_CHECKING:
    from ..regions.region_tracing import Outcome

_ = runtime                                          # importing it gives rewritten code its runtime
RESTARTS = 64


# --- tracing ----------------------------------------------------------------------------------------------------------

def trace(function: Callable, args: tuple[dict[str, list | np.ndarray] | list | Array, ...], kwargs: Any = None, *,
          static_argnums: tuple = (), static_argnames: tuple = (), writes: bool = True) -> Traced:
    """Trace a call. With `writes` false, what the function does to its argument arrays is not reported."""
    return trace_call(function, flatten_call(function, args, kwargs, static_argnums, static_argnames), writes=writes)


def trace_call(function: Callable, call: Call, *, writes: bool = True, private: bool = False, follows: bool = False) -> Traced:
    """Trace a call whose arguments are known as leaves. `call.values` are needed only where a Python int becomes static.

    private: the arguments are the function's own, as for a derivative, and it may put others into their containers;
    follows: what it assigns to them is reported then, too."""
    learned = Learned()
    failed: Exception | None = None
    begun = len(tracing.gathered())
    for _ in range(RESTARTS):
        del tracing.gathered()[begun:]               # by a run that was given up
        run = _Run(function, call, learned.statics, learned.unroll, writes, packed=learned.lists, tried=learned.tried,
                   private=private, known=learned.known, identities=learned.identities, follows=follows)
        run.trace.left_closed = learned.closed
        try:
            return cleanly(run.run, function)
        except Restart as signal:
            if signal.otherwise is not None and any(not call.values or call.values[k] is None for k in signal.leaves):
                signal = Restart((), [signal.otherwise])
            if not learned.add(signal):
                break
            place = tracing.user_loc(signal.__traceback__)
            _expect_values(call, signal.leaves)
        except Exception as error:
            if learned.taken_back():
                continue                           # perhaps it can be compiled with loops written out
            failed = failed or error
            if learned.closes(error, run.trace):
                continue                           # perhaps it can be compiled where functions of packages run as they stand
            if learned.known is None or not (run.trace.live or run.trace.inputs):
                raise failed from failed.__cause__
            learned.known = None                   # perhaps it can be compiled where the elements of arrays are known
    raise ConcretizationError("a value that must be known when the function is compiled is not, although its arguments were "
                              "made static", "make the call outside of the compiled function and pass its result in", place)


def trace_inner(function: Callable, args: Any, kwargs: Any = None, *, static_argnums: tuple = (),
                static_argnames: tuple = ()) -> Traced:
    """Trace a call inside traced code, on boxes and other values. Its arguments are fresh: writes to them stay inside."""
    return trace_inner_call(function, flatten_call(function, args, kwargs, static_argnums, static_argnames))


def trace_inner_call(function: Callable, call: Call, *, writes: bool = False, private: bool = False,
                     follows: bool = False) -> Traced:
    """`trace_inner` of a call whose arguments are known as leaves. With `writes`, what it does to them is reported."""
    return _Run(function, call, _numbers(call), set(), writes, tracing.current(), private=private, follows=follows).run()


def _numbers(call: Call) -> set[int]:
    """Python ints inside a trace are known numbers."""
    return {k for k, (x, leaf) in enumerate(zip(call.values, call.leaves)) if leaf.kind == "int" and not isinstance(x, Box)}


def _expect_values(call: Call, leaves: frozenset[int]) -> None:
    for k in leaves:
        if not call.values or call.values[k] is None:
            raise ConcretizationError(f"argument {call.paths[k]} decides a shape or an unrolled loop, so its value must be "
                                      "known",
                                      "give a number for it instead of a type")


_WEAK = {"float": "float", "int": "int", "complex": "complex"}


class _Run:
    """One run of the function."""

    def __init__(self, function: Callable, call: Call, statics: set[int], unroll: set, writes: bool, outer: Trace | None = None,
                 packed: dict | None = None, tried: AbstractSet = frozenset(), private: bool = False,
                 known: AbstractSet | None = frozenset(), identities: int = 0, follows: bool = False):
        self.callable, self.call, self.writes, self.private = function, call, writes, private
        self.objects_seen: list = []             # the trace's copies of the call's objects, and what they hold at first
        self.before: list[dict[str, Any]] = []
        self.lists: list[list_arguments.StandIn] = []
        # the objects themselves, where the caller is to see what is assigned to them
        self.originals = call.objects if writes and not private and outer is None else ()
        self.telling: failed_objects.Telling | None = None
        self.follows, self.followed = follows, call.objects if follows else self.originals
        self.statics = frozenset(statics)
        self.leaves = tuple(signature.static(call.values[k], call.paths[k]) if k in statics else leaf for k,
                            leaf in enumerate(call.leaves))
        self.dynamic = [k for k, leaf in enumerate(self.leaves) if leaf.kind != "static"]
        plain = source.unwrap(function)
        name = getattr(plain, "__name__", type(plain).__name__).replace("<lambda>", "lambda_")
        self.function = new_function(name, [self.leaves[k].type for k in self.dynamic],
                                     [_name(call.paths[k]) for k in self.dynamic],
                                     where(function))
        self.outer = outer
        self.trace = outer or Trace(self.function, peephole)
        if outer is None:
            self.trace.fixed, self.trace.own_arguments = known, private
            self.trace.clock, self.trace.standing = identity.Clock() if identities == 1 else None, identities == 2
        self.trace.unroll |= unroll
        self.trace.lists = self.trace.lists if packed is None else packed
        self.trace.tried |= tried
        self.trace.spoil, self.trace.propagate = region_tracing.spoil_kin, identity.propagate
        self.trace.packages |= {(getattr(plain, "__module__", None) or "").split(".")[0]} - {__package__.split(".")[0]}

    def run(self) -> Traced:
        trace, scope = self.trace, Scope(self.function.body)
        if self.outer is not None:
            return self.run_in(trace, scope)
        return tracing.traced(trace, lambda: self.run_out(trace, scope))

    def run_out(self, trace: Trace, scope: Scope) -> Traced:
        """In a trace of its own."""
        with trace.builder.at(self.function.body):
            trace.scopes.append(scope)
            return self.attempt()

    def run_in(self, trace: Trace, scope: Scope) -> Traced:
        """Inside another trace: its state must be as before afterwards."""
        made: list = []
        targets, trace.targets = trace.targets, []                 # what is around is not left from inside of another function
        hooked, trace.builder.peephole = trace.builder.peephole, peephole
        clock = trace.clock
        trace.clock = clock and identity.Clock()
        try:
            outcome = region_tracing.run(trace, scope, lambda: made.append(self.attempt()), None, None, ())
        finally:
            inner, trace.clock = trace.clock, clock
            trace.targets, trace.builder.peephole = targets, hooked
        outcome.items.pop((id(inner), True, "now"), None)
        self.expect_own_writes(outcome)
        traced = made[0]
        closed, captured = lift_free(traced.function)
        return Traced(**{**traced.__dict__, "function": closed, "captured": tuple(captured)})

    def expect_own_writes(self, outcome: Outcome) -> None:
        """Raises UnsupportedError, at the line of the write, where the function changed what is not its own."""
        arrays = [after for _, before, after in outcome.roots.values() if after is not before]
        places = region_tracing.items_of(outcome)
        if arrays or places:
            what = "an array that was made outside of it" if arrays else region_tracing.name_of(places[0])
            op = arrays[0].op if arrays else None
            raise UnsupportedError(
                f"the function `{self.function.name}` is differentiated or mapped inside compiled code and changes {what}",
                "work on a copy inside the function, and return the value instead", (op.loc if op else ()) or tracing.locate())

    def attempt(self) -> Traced:
        """A function that raises on every path returns nothing: its checks fail before it could."""
        try:
            return self.finish(*self.execute())
        except region_tracing.Raised:
            return self.finish(None, None, [])
        except region_tracing.CERTAIN as error:
            if not failed_writes.comes_late(self.trace) or not region_tracing.certain(self.trace, error):
                raise
            return self.finish(None, None, [])

    def execute(self) -> tuple[Box | tuple, tuple[tuple, dict], list]:
        """(what the function returned, its arguments as it saw them, the boxes of the parameters)."""
        self.held = held = self.arguments()
        args, kwargs = argument_objects.put_together(self.call.tree, held, self.call.shared)
        for x in self.objects():
            captured_values.start(self.trace, x)
        if self.call.hides and self.outer is None and self.writes and not self.private:
            given = [leaf.value for leaf in self.leaves if leaf.kind == "static"]
            self.trace.whole = {id(x) for x in given if argument_objects.is_open(type(x))}
        parts = zip((*args, *kwargs.values()), [part for side in self.call.tree.children for part in side.children])
        self.objects_seen = [x for pair in parts for x in argument_objects.objects_of(*pair)]
        self.before = [argument_objects.contents(x) for x in self.objects_seen]
        self.trace.given |= {id(x) for x in (*self.objects_seen, *held) if not isinstance(x, ScalarBox)}
        for container in (*pytrees.containers((args, kwargs), self.open_own), *self.objects_seen):
            self.trace.note_fresh(container)
        given = args, kwargs
        if self.outer is None and not self.call.shared:
            args, kwargs, self.lists = list_arguments.replaced(self.trace, args, kwargs, self.objects_seen)
        return _evaluate(self.callable, args, kwargs), given, held

    def open_own(self, x: Any) -> pytrees.Kind | None:
        return pytrees.OBJECT if any(x is y for y in self.objects_seen) else None

    def open_made(self, x: Any) -> pytrees.Kind | None:
        """Objects that the function made are results by their attributes; those of the call are themselves."""
        if self.originals and any(x is y for y in self.objects_seen):
            return None
        if self.outer is None and argument_objects.is_open(type(x)) and self.trace.maker(x) >= 0:
            return pytrees.OBJECT                        # another one for each call, even if it holds nothing traced
        return leaf_types.opened(x)

    def arguments(self) -> list:
        """For each leaf, its box or its static value."""
        trace, params = self.trace, iter(self.function.params)
        held: list = []
        for k, leaf in enumerate(self.leaves):
            if leaf.kind == "static":
                held.append(leaf.value)
                continue
            param = next(params)
            if leaf.kind == "array":
                held.append(ArrayBox(param, strides=leaf.value or _strides(self.call.values, k)))
                held[-1].seen = True
                if self.call.values and isinstance(self.call.values[k], ArrayBox):
                    held[-1].laid_as = memory_layout.origins(self.call.values[k])
            elif leaf.kind in random.KINDS:
                held.append(random_generators.GeneratorBox(param, leaf.kind))
            else:
                held.append(ScalarBox(param, _WEAK.get(leaf.kind)))
                if param.type.dtype.kind in "iu":
                    self.integer(trace, k, param)
        for k, first in self.call.aliases.items():
            held[k] = held[first]
        if self.outer is None and self.writes and not self.private:
            trace.written = [(position, held[k], param) for position, (k, param) in enumerate(
                zip(self.dynamic, self.function.params)) if isinstance(held[k], ArrayBox) and k not in self.call.aliases]
            trace.builder.peephole = failed_writes.observing(trace)
            if self.originals:
                trace.telling = self.telling = failed_objects.Telling(self)
        return held

    def integer(self, trace: Trace, k: int, param: Value) -> None:
        """An integer argument: it can be made static unless it varies, or its value in the enclosing trace can."""
        if self.outer is None:
            if self.leaves[k].value == signature.VARYING:
                trace.unfixed.add(param)
                trace.general = True
            else:
                trace.leaf_of[param] = k
        elif isinstance(self.call.values[k], Box):
            trace.origin[param] = tracing.Loop(None, "call"), self.call.values[k].read()

    # --- results ------------------------------------------------------------------------------------------------------

    def finish(self, returned: Any, seen: tuple[tuple, dict] | None, held: list[int | Box]) -> Traced:
        changes = Assigned()
        if self.followed and seen is not None:
            changes = argument_objects.assigned(self.trace, self.objects_seen, self.before, self.followed,
                                                self.lists if self.outer is None else None)
        opaque_results.expect_a_tree(returned)
        if self.private:
            returned = optional_values.present(returned)
            real_or_complex.decided(returned)
        if changes.places:
            returned = leaf_types.value(returned), changes.values
        self.met = argument_objects.Met(self.objects_seen if self.originals else [], self.open_made,
                                        self.lists if self.originals else ())
        returned = packed_lists.settled(array_choice.settled(format_strings.settled(leaf_types.value(returned))), self.met.own)
        leaves, out_tree = pytrees.flatten(returned, self.open_made, self.met if self.originals else None)
        if changes.places:
            argument_objects.restore(self.objects_seen, self.before)
        self.expect_unchanged(seen, held)
        results: list[Value] = []
        outs = self.outs_of(leaves, held, results)
        writes = self.overwritten(held or self.held, results) if self.writes else {}
        if self.outer is None and self.trace.scopes[-1].generators:
            random_generators.DROP[0](self.trace, self.trace.scopes[-1])
        self.function.body.yields = tuple(results)
        without_needless_overflow_checks(self.function)
        for k, value in enumerate(results):
            if value.op is not None and k < len(outs) == 1:
                value.name = "out"
        mutated = tuple(k for position, k in enumerate(self.dynamic if held else ()) if self.changed(held[k], position))
        return Traced(self.function, self.call.tree, self.leaves, self.call.paths, out_tree, outs, writes,
                      tuple(sorted(k for k in self.statics if self.call.leaves[k].kind != "static")), (),
                      tuple(self.trace.notes), mutated, self.laid(held if held else self.held, mutated),
                      self.outside(bool(writes)), changes.places, bool(self.call.shared) or self.trace.told_apart,
                      tuple(self.telling.told) if self.telling is not None else ())

    def outs_of(self, leaves: list, held: list, results: list[Value]) -> tuple[Out, ...]:
        """How the caller gets these leaves; what is computed of them goes to the results."""
        mine = {id(x): k for k, x in reversed(list(enumerate(held)))
                if isinstance(x, (ArrayBox, random_generators.GeneratorBox))}
        outs: list[Out] = []
        made: dict[int, Out] = {}                    # an array that is returned again is the same object
        for x in leaves:
            if id(x) not in made or not isinstance(x, ArrayBox):
                made[id(x)] = self.out(x, mine, results)
            outs.append(made[id(x)])
        return tuple(outs)

    def laid(self, held: list, mutated: tuple[int, ...]) -> tuple[int, ...]:
        """The arguments whose layout in memory the program depends on."""
        visible = set() if self.private else {id(held[k]) for k in self.dynamic}
        read = self.trace.layout_read.keys() | memory_layout.deciding(self.trace, visible)
        asked = memory_layout.asked(self.trace) & visible
        return tuple(k for k in self.dynamic if id(held[k]) in read or (k in mutated and id(held[k]) in asked))

    def outside(self, writes: bool) -> Captured:
        """What the function reaches that is no argument."""
        if self.outer is not None:
            return Captured()
        return reached(self.trace, writes, self.objects())

    def objects(self) -> list:
        """The callable, and the arguments that are part of the specialisation."""
        return [self.callable, *(leaf.value for leaf in self.leaves if leaf.kind == "static")]

    def changed(self, box: Any, position: int) -> bool:
        """Whether an argument is an array that the function has overwritten."""
        if not isinstance(box, ArrayBox):
            return False
        return isinstance(box, region_tracing.PoisonedBox) or box._value is not self.function.params[position]

    def out(self, x: Box, mine: dict, results: list) -> Out:
        x = leaf_types.value(x)
        if isinstance(x, ArrayBox):
            if id(x) in mine:
                return Out("arg", None, mine[id(x)])
            out = self.result("array", x.read(), results)
            leaf = mine.get(id(x.root)) if self.outer is None and self.writes and not self.private else None
            view = None if leaf is None else returned_views.path_of(x, leaf, lambda n: self.result("int", n, results).computed)
            return out if view is None else Out("view", out.result, view)
        if isinstance(x, ScalarBox):
            return self.result(x.weak or "numpy", x.read(), results)
        if isinstance(x, np.ndarray) and self.trace.maker(x) >= 0:
            return self.result("array", const(x, promotion.to_dtype(x.dtype)), results)
        if isinstance(x, random_generators.GeneratorBox):
            if id(x) in mine:
                return Out("arg", None, mine[id(x)])
            raise UnsupportedError("a generator of random numbers that compiled code makes cannot be returned by it",
                                   "make it before the call, and pass it in", tracing.locate())
        if isinstance(x, (generators.Generator, types.GeneratorType)):
            raise UnsupportedError("a generator cannot be returned: its pauses have no place in a compiled function",
                                   "return its values: `return list(...)`", where(self.callable))
        if type(x) is argument_objects.Hidden:
            x.reveal()
        if (reference := self.met.reference(x)) is not None:
            return Out("static", None, reference)
        opaque_results.expect_no_traced_values(x, where(self.callable))
        return Out("static", None, x)

    def result(self, kind: str, value: Value, results: list) -> Out:
        if value.type.dtype is INDEX:
            value = self.trace.builder.cast(value, I64)
        results.append(value)
        return Out(kind, len(results) - 1)

    def overwritten(self, held: list, results: list[Value]) -> dict[int, int]:
        writes = {}
        for position, k in enumerate(self.dynamic):
            box = held[k]
            if isinstance(box, region_tracing.PoisonedBox):
                region_tracing.expect_identities(self.trace)
                raise UnsupportedError(f"argument {(path := self.call.paths[k])} may or may not have been overwritten through "
                                       "another name: which it is only run time knows, so compiled code cannot tell its caller",
                                       f"begin with a copy: `{_name(path)} = {path}.copy()`", where(self.callable))
            if k not in self.call.aliases and (self.changed(box, position) or position in self.trace.failing):
                results.append(box._value)
                writes[position] = len(results) - 1
        return writes

    def expect_unchanged(self, seen: tuple[tuple, dict] | None, held: list[int | Box]) -> None:
        """The containers of the arguments must hold what they held: a caller's dict is not changed by compiled code."""
        try:
            own = self.private and not self.follows
            now = self.call.tree.flatten_up_to(seen) if self.writes and held and not own else held
        except ArgumentTypeError:
            now = [None] * len(held)
        for before, after, path in zip(held, now, self.call.paths):
            if before is not after:
                raise UnsupportedError(
                    f"argument {path} is replaced inside its container, which the caller of compiled code would not see",
                    "copy the container first (`params = dict(params)`), and return it", where(self.callable))


def _strides(values: tuple[Array | ArrayBox, ...], k: int) -> Any:
    return values[k]._strides if values and isinstance(values[k], ArrayBox) and values[k].base is None else None


def _name(path: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else "_" for c in path).strip("_") or "x"


def _evaluate(function: Callable, args: tuple[int | Box, ...], kwargs: dict) -> Box | tuple[ArrayBox, ...]:
    plain = source.unwrap(function)
    if isinstance(plain, types.FunctionType) and not any(redirect(plain) for redirect in calls.REDIRECTS):
        return calls._enter(tracing.current(), source.rewritten(plain), args, kwargs)
    return calls.call(function, *args, **kwargs)


tracing.STOPS.add(id(trace_call.__code__))
