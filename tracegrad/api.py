"""`jit`, and the object that it returns: a function that compiles itself for the arguments of each call.

    call -> native entry of a specialisation (lowering/call/entry.py) -> on a miss `Jitted.miss`:
            leaves and key of the call (tracer/staging/trace_function.py) -> a specialisation from the cache, or
            trace -> derive -> optimize -> loops -> machine code (compile.py), which later calls reach without Python
"""
from __future__ import annotations

import functools
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from . import compile, interpreter, log, lowered
from .captures import NOTHING, Captures
from .ir.clone import inline
from .ir.errors import ArgumentError, ArgumentTypeError
from .lowering.call.cache import Cache, CacheInfo
from .lowering.call.dispatch import Dispatcher
from .lowering.call.specialisation import ClosedError
from .options import config
from .persistence.calls import Saved
from .stack_room import deep
from .tracer import tracing
from .tracer.calling import calls
from .tracer.staging import arguments, trace_function
from .tracer.values import boxes

RECENT = 64          # states of what a function captures that are kept for one key


class SpecializationInfo(NamedTuple):
    """One compiled form.

    types       the arguments with their dtypes and shapes, and the values of those that are part of the specialisation
    phases      milliseconds of its compilation: trace, optimize (the IR), loops, emit, then LLVM's parse, passes, machine
                and link (or load, of code that was on the disk), and entry, the code that takes calls
    code_bytes  machine code;  hits  calls that it served
    origin      "compiled", or "disk": an earlier process compiled it
    """

    types: str
    phases: dict[str, float]
    code_bytes: int
    hits: int
    origin: str = "compiled"

    @property
    def compile_ms(self) -> float:
        return sum(self.phases.values())

    def __repr__(self):
        phases = ", ".join(f"{name} {ms:.1f}" for name, ms in self.phases.items())
        return (f"<({self.types}): from disk, " if self.origin == "disk" else f"<({self.types}): ") + (
            f"{self.compile_ms:.1f} ms ({phases}), {self.code_bytes:,} bytes of code, {self.hits:,} hits>")


class Jitted(Dispatcher):
    """A compiled function. Call it like the function that it was made from.

    fn       the user's function, or another Jitted that this one derives from
    derive   from the traced program of `fn` to the one that is run (derivative_programs.py); None for the program itself
    """

    def __init__(
        self, fn: Callable, derive: Callable | None = None, *, static_argnums=(), static_argnames=(), label: str = "jit"
    ):
        super().__init__()
        if not callable(fn):
            raise ArgumentTypeError(
                f"tg.{label} takes a function, got a {type(fn).__name__}",
                "pass the function itself, not what a call of it returns",
            )
        self.fn, self.derive, self.label = fn, derive, label
        self.root = fn.root if isinstance(fn, Jitted) else fn
        self.static = {"static_argnums": static_argnums, "static_argnames": static_argnames}
        if isinstance(fn, Jitted) and not (static_argnums or static_argnames):
            self.static = fn.static
        self._cache = Cache(self, config.cache_size)
        self._statics: dict[Any, tuple[int, ...]] = {}      # key of a call -> leaves that the program needs as numbers
        self._captures: dict[Any, tuple[Captures, ...]] = {}      # key -> what was captured by traces, newest first
        self._programs: dict[Any, Any] = {}                 # key -> evaluator
        functools.update_wrapper(self, fn, updated=())

    def __repr__(self):
        return f"<tracegrad.{self.label} of {getattr(self.root, '__qualname__', self.root)}>"

    def __get__(self, instance, owner=None):
        """A method, where the function stands in a class body."""
        return self if instance is None else functools.partial(self, instance)

    # --- one call ----------------------------------------------------------------------------------------------------

    def flatten(self, args, kwargs) -> arguments.Call:
        if self.derive is None and isinstance(self.fn, Jitted) and self.static is self.fn.static:
            return self.fn.flatten(args, kwargs)             # `jit` of a derivative: what that takes
        return arguments.flatten_call(self.root, args, kwargs, **self.static)

    def program(self, call: arguments.Call, trace: Callable = trace_function.trace_call) -> trace_function.Traced:
        """What the call amounts to. `trace` makes the program of the user's function."""
        found = self.source(call, trace)
        return self.derive(found) if self.derive else found

    def source(self, call: arguments.Call, trace: Callable = trace_function.trace_call) -> trace_function.Traced:
        """The program that this one derives from. A derivative is also of arrays that the function overwrites and returns, and
        the containers of its arguments are its own."""
        trace = functools.partial(trace, writes=True, private=True) if self.derives else trace
        own = call._replace(aliases={}) if self.derives else call       # a derivative tells f(x, x)'s arguments apart
        found = self.fn.program(own, trace) if isinstance(self.fn, Jitted) else trace(self.fn, own)
        if own is not call:
            _expect_unshared(found, call)
        return found

    @deep
    def miss(self, *args, **kwargs):
        """A call that no specialisation took."""
        if tracing.active() is not None:
            return self.__tracegrad_call__(args, kwargs)
        if config.disable_jit:
            # a debugger shall see the user's values in the user's frame; only a program can be checked op by op, or derived
            plain = not (self.derives or config.check_numerics)
            return getattr(self.root, "py_func", self.root)(*args, **kwargs) if plain else self.interpret(*args, **kwargs)
        call = self.flatten(args, kwargs)
        form = compile.form_of(call, arguments.parameters_of(self.root).names, args, kwargs)
        key, captured = self.known(call)
        while True:
            found = self._cache.get(key) if captured is not None else None
            if found is None:
                found = self.specialise(call, form)
                key = self.remember(call, found.about.traced, found.about.captures)
                found = self._cache.put(key, found)
                captured = found.about.captures.find()
                if captured is None:                        # another thread has just changed what was captured
                    continue
            elif (layout := compile.another_form(found, call, form)) is not None:
                self.add_form(found, layout)
            with suppress(ClosedError):                     # evicted by another thread since
                return found.invoke([*compile.leaf_values(found.about.traced, call), *captured])

    def interpret(self, *args, **kwargs):
        """The program of a call, run by NumPy op by op instead of machine code: for looking into the compiler itself."""
        call = self.flatten(args, kwargs)
        key, captured = self.known(call)
        while captured is None or key not in self._programs:
            with self.reading(call):
                made = interpreter.Evaluator(self.program(call), call)
            key = self.remember(call, made.traced, made.captures)
            self._programs[key], captured = made, made.captures.find()
        return self._programs[key](call, captured)

    def known(self, call: arguments.Call) -> tuple[Any, list | None]:
        """(the key of a call, with the captures of an earlier one that hold now; the captured arrays), or (…, None)."""
        key = self.key(call)
        for captures in self._captures.get(key, (NOTHING,)):
            captured = captures.find()
            if captured is not None:
                return (key, captures), captured
        return key, None

    @contextmanager
    def reading(self, call: arguments.Call):
        """Traces inside read at run time the elements of arrays that have changed since an earlier trace."""
        now = [x for captures in self._captures.get(self.key(call), ()) for x in captures.changed()]
        with tracing.changing(now):
            yield

    def key(self, call: arguments.Call):
        """What decides the specialisation of a call."""
        base = (call.tree, call.leaves, tuple(call.aliases.items()), config.code)
        return base, tuple((k, call.values[k]) for k in self._statics.get(base, ()))

    def remember(self, call: arguments.Call, traced: trace_function.Traced, captures: Captures):
        """Note which Python ints and captured arrays the program depends on; the key that they complete."""
        if traced.statics:
            base = self.key(call)[0]
            self._statics[base] = tuple(sorted({*self._statics.get(base, ()), *traced.statics}))
        key = self.key(call)
        if captures.given:
            self._captures[key] = (captures, *self._captures.get(key, ()))[:RECENT]
        return key, captures if captures.given else NOTHING

    def specialise(self, call: arguments.Call, form: compile.Form):
        """From the disk, or compiled."""
        start, why = time.perf_counter(), self._why(call)
        saved = Saved(self, call)
        found = saved.load(form)
        if found is None:
            found = self._compiled(call, form, saved.possible)
            saved.save(found)
            found.about.stages = {}
        log.COMPILE.info("%s of %s(%s), %s: %s, %.1f ms", self.label, getattr(self.root, "__qualname__", self.root),
                         found.about.types, "from disk" if found.about.origin == "disk" else "compiled", why,
                         1e3 * (time.perf_counter() - start))
        return found

    def _why(self, call: arguments.Call) -> str:
        """Why a call needs another specialisation."""
        if not len(self._cache):
            return "first call"
        return "what it captures has changed" if self.key(call) in self._captures else "other arguments or options"

    def _compiled(self, call: arguments.Call, form: compile.Form, stages: bool):
        start = time.perf_counter()
        with self.reading(call):
            traced = self.program(call)
        return compile.specialise(traced, call, form, 1e3 * (time.perf_counter() - start), stages)

    def __tracegrad_call__(self, args, kwargs):
        """A call in traced code: plain functions are traced through, derivatives become part of the program."""
        if not self.derives:
            return calls.call(self.root, *args, **kwargs)
        call = self.flatten(args, kwargs)
        return emitted(self.program(call, trace_function.trace_inner_call), call)

    @property
    def derives(self) -> bool:
        """Whether this is more than the function itself."""
        return self.derive is not None or (isinstance(self.fn, Jitted) and self.fn.derives)

    # --- looking inside ----------------------------------------------------------------------------------------------

    @deep
    def lower(self, *args, **kwargs) -> lowered.Lowered:
        """The program of a call at every stage, without running it."""
        call = self.flatten(args, kwargs)
        return lowered.Lowered(self.program(call), call)

    def cache_info(self) -> CacheInfo:
        """hits, misses, maxsize, currsize, evictions, code_bytes."""
        return self._cache.info()

    def cache_clear(self) -> None:
        """Free all compiled code of this function."""
        self._cache.clear()
        self._programs.clear()
        self._captures.clear()

    @property
    def specializations(self) -> list[SpecializationInfo]:
        """The compiled forms, newest first."""
        return [SpecializationInfo(s.about.types, s.phases, s.code_bytes, s.hits, s.about.origin) for s in self.specialisations]


def _expect_unshared(traced: trace_function.Traced, call: arguments.Call) -> None:
    for k, first in call.aliases.items():
        if {k, first} & set(traced.mutated):
            raise ArgumentError(
                f"arguments {call.paths[first]} and {call.paths[k]} are the same array, which the function overwrites: "
                "a derivative with respect to one of them alone does not exist",
                "pass a copy of one of them",
                traced.function.loc,
            )


def emitted(traced: trace_function.Traced, call: arguments.Call, emit: Callable = inline):
    """Emit a program into the trace under way, on the values of a call; returns what it returns, as boxes.

    emit(builder, function, operands) -> results: how the program gets there
    """
    builder = tracing.current().builder
    dynamic = [k for k, leaf in enumerate(traced.leaves) if leaf.kind != "static"]
    params = [boxes.to_value(call.values[k], traced.leaves[k].dtype) for k in dynamic]
    results = emit(builder, traced.function, (*params, *traced.captured))
    for param, result in traced.writes.items():
        call.values[dynamic[param]][...] = boxes.ArrayBox(results[result])
    leaves = []
    for out in traced.outs:
        if out.kind == "static":
            leaves.append(out.value)
        elif out.kind == "arg":
            leaves.append(call.values[out.value])
        elif out.kind == "array":
            leaves.append(boxes.ArrayBox(results[out.result]))
        else:
            leaves.append(boxes.ScalarBox(results[out.result], None if out.kind == "numpy" else out.kind))
    return traced.out_tree.unflatten(leaves)


def jit(f: Callable | None = None, *, static_argnums=(), static_argnames=()) -> Any:
    """Compile `f` for the types and shapes that it is called with.

    Works bare (`@tg.jit`) and with options (`@tg.jit(static_argnums=1)`). Arguments: arrays, numbers, and nested
    tuples, lists, dicts, namedtuples and dataclasses of them; strings, bools, None, functions and other hashables are
    part of the specialisation, as are the arguments that `static_argnums` (positions) and `static_argnames` choose. Results are
    NumPy arrays and scalars with the dtypes and the structure that Python would return. `f` may be a `numba.njit` function.
    """
    if f is None:
        return functools.partial(jit, static_argnums=static_argnums, static_argnames=static_argnames)
    return Jitted(f, static_argnums=static_argnums, static_argnames=static_argnames)


