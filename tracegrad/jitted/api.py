"""`Jitted`: a function that compiles itself for the arguments of each call.

    call -> native entry of a specialisation (lowering/call/entry.py) -> on a miss `Jitted.miss`:
            leaves and key of the call (tracer/staging/trace_function.py) -> a specialisation from the cache, or
            trace -> derive -> optimize -> loops -> machine code (programs/compile.py), which later calls reach without Python
"""
from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

import numpy as np

from .. import log, progress, rich_display
from ..captures.captures import NOTHING, Captures, varying
from ..ir.errors import ArgumentError, ArgumentTypeError, TracegradError
from ..lowering.call.cache import Cache, CacheInfo
from ..lowering.call.dispatch import Dispatcher
from ..lowering.call.foreign.c_function import CFunction
from ..lowering.call.specialisation import ClosedError, Specialisation
from ..lowering.native import perf_map
from ..options import config, owned
from ..persistence.calls import Saved
from ..programs import compile, interpreter, lowered, symbolic
from ..programs.nan_check import note_error_state
from ..stack_room import deep
from ..tracer import tracing
from ..tracer.calling import calls
from ..tracer.staging import argument_objects, arguments, failed_objects, shape_struct, trace_function
from ..tracer.staging.shape_struct import with_structs
from ..tracer.syntax.source import open_package
from ..tracer.values import captured_arrays
from . import c_functions
from .compiled import Compiled
from .emitting import emitted
from .function_options import numbas, of_numba
from .misses import History
from .specialization_info import SpecializationInfo

if TYPE_CHECKING:
    from ..ir.types import Array
    from ..lowering.call.foreign.xla_handler import XlaHandler
    from ..tracer.pytrees import TreeDef
    from ..tracer.values.boxes import Box

P = ParamSpec("P")
R = TypeVar("R")
ATTEMPTS = 8         # traces that may find that what they captured has changed before they have ended
RECENT = 64          # states of what a function captures that are kept for one key


class Jitted(Dispatcher, Generic[P, R]):
    """A compiled function. Call it like the function that it was made from.

    fn       the user's function, or another Jitted that this one derives from
    derive   from the traced program of `fn` to the one that is run (derivative_programs.py); None for the program itself
    """

    if TYPE_CHECKING:
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    root: Callable
    shapes: symbolic.Shapes
    delivers = False            # whether the caller's objects get what the function assigns to them
    generalises = True          # whether its programs can have lengths that only run time knows

    def __init__(self, fn: Callable, derive: Callable | None = None, *, static_argnums: tuple = (),
                 static_argnames: str | tuple = (), label: str = "jit", shapes: str | None = None,
                 own: dict[str, Any] | None = None):
        super().__init__()
        if not callable(fn):
            raise ArgumentTypeError(
                f"tg.{label} takes a function, got a {type(fn).__name__}",
                "pass the function itself, not what a call of it returns",
            )
        self.fn, self.derive, self.label = fn, derive, label
        self.root = fn.root if isinstance(fn, Jitted) else fn
        self.static: dict[str, Any] = {"static_argnums": static_argnums, "static_argnames": static_argnames}
        if isinstance(fn, Jitted) and not (static_argnums or static_argnames):
            self.static = fn.static
        self.own_options: dict[str, Any] = {**(fn.own_options if isinstance(fn, Jitted) else of_numba(fn)), **(own or {})}
        inherited = fn.shapes.mode if isinstance(fn, Jitted) else "auto"
        self.shapes = symbolic.Shapes((symbolic.checked(shapes) or inherited) if self.generalises else "static")
        self._cache = Cache(self, config.cache_size)
        self._statics: dict[Any, tuple[int, ...]] = {}      # key of a call -> leaves that the program needs as numbers
        self._captures: dict[Any, tuple[Captures, ...]] = {}      # key -> what was captured by traces, newest first
        self._programs: dict[Any, Any] = {}                 # key -> evaluator
        self.revealed: argument_objects.Revealed = set()    # attributes that the program reads though they are no numbers
        self.misses = History()
        self.c_functions: dict[Any, CFunction | XlaHandler] = {}       # key, signature -> what C code calls: never freed before
        functools.update_wrapper(self, fn, updated=())

    def __repr__(self) -> str:
        return f"<tracegrad.{self.label} of {getattr(self.root, '__qualname__', self.root)}>"

    def _repr_html_(self) -> str:
        """The compiled forms as a table, in a notebook."""
        return rich_display.html_of("jitted", self)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """A method, where the function stands in a class body."""
        return self if instance is None else functools.partial(self, instance)

    @property
    def _undecorated(self) -> Callable:
        return getattr(self.root, "py_func", self.root)

    @property
    def py_func(self) -> Callable:
        """The function itself, which Python runs: Numba's name for it. A derivative has none (AttributeError)."""
        if self.derives:
            raise AttributeError(f"{self!r} has no py_func: no Python function computes it (tg.disable_jit() evaluates it)")
        return self._undecorated

    @functools.cached_property
    def _numbas(self) -> Any:
        return numbas(self.py_func, self.own_options)

    _numba_type_ = property(lambda self: self._numbas._numba_type_)       # what numba.typeof asks for

    # --- one call ----------------------------------------------------------------------------------------------------

    def flatten(self, args: Sequence[Array | Box], kwargs: dict) -> arguments.Call:
        if self.derive is None and isinstance(self.fn, Jitted) and self.static is self.fn.static:
            return self.fn.flatten(args, kwargs)             # `jit` of a derivative: what that takes
        return arguments.flatten_call(self.root, args, kwargs, **self.static)

    def program(self, call: arguments.Call, trace: Callable = trace_function.trace_call) -> trace_function.Traced:
        """What the call amounts to. `trace` makes the program of the user's function."""
        found = self.source(call, trace)
        return self.derive(found) if self.derive else found

    def with_captures(self, call: arguments.Call, make: Callable | None = None) -> trace_function.Traced:
        """The program of a call, with all that it captures: also what was captured by rules that users gave for derivatives."""
        with tracing.gathering() as parts:
            found = (make or self.program)(call)
        return replace(found, held=captured_arrays.merged(parts)) if len(parts) > 1 else found

    def source(self, call: arguments.Call, trace: Callable = trace_function.trace_call) -> trace_function.Traced:
        """The program that this one derives from. A derivative is also of arrays that the function overwrites and returns, and
        the containers of its arguments are its own."""
        if self.derives:
            follows = self.delivers and getattr(trace, "keywords", {}).get("follows", True)
            trace = functools.partial(trace, writes=True, private=True, follows=follows)
        # a derivative tells f(x, x)'s arguments apart
        own = call._replace(aliases={}, shared=()) if self.derives else call
        found = self.fn.program(own, trace) if isinstance(self.fn, Jitted) else trace(self.fn, own)
        if own is not call:
            compile.expect_unshared(found, call)
        return found

    @deep
    @owned
    def miss(self, *args: Any, **kwargs: Any) -> Any:
        """A call that no specialisation took."""
        if tracing.active() is not None:
            return self.__tracegrad_call__(args, kwargs)
        if config.disable_jit:
            # a debugger shall see the user's values in the user's frame; only a program can be checked op by op, or derived
            plain = not (self.derives or config.check_numerics)
            return self._undecorated(*args, **kwargs) if plain else self.interpret(*args, **kwargs)
        signalled = set()
        while True:
            with argument_objects.hiding(None if self.derives else self.revealed):
                call = self.flatten(args, kwargs)
            try:
                return self.invoke(call, args, kwargs)
            except tracing.Reveal as signal:
                if signal.place in signalled:
                    raise signal.refused or signal from None
                signalled.add(signal.place)
                self.revealed.add(signal.place)

    def invoke(self, call: arguments.Call, args: tuple, kwargs: dict[str, Any], exactly: bool = False) -> Any:
        """Run the specialisation of a call. exactly: not one for many lengths."""
        shape_struct.expect_elements(call)
        form = compile.form_of(call, arguments.parameters_of(self.root).names, args, kwargs)
        while True:
            found, captured, reading = (*self.ready(call, form), call) if exactly else self.chosen(call, form)
            with suppress(ClosedError):                     # evicted by another thread since
                traced, sizes = found.about.traced, compile.lengths_of(reading)
                if (laid := compile.laid(traced, call)) is not call:
                    return self.invoke(laid, args, kwargs, exactly=True)
                values = [*compile.leaf_values(traced, reading), *captured, *sizes.values()]
                return failed_objects.invoked(found.invoke, values, traced, call)

    def chosen(self, call: arguments.Call, form: compile.Form) -> Any:
        """(the specialisation of a call, what it captures now, the call as that one sees it)."""
        refused = []
        for reading in self.shapes.readings(call, config.code, lambda: self.compiled(call)):
            if reading is call:
                break
            try:
                return *self.ready(reading, form), reading
            except (Exception, tracing.NeedLengths) as reason:
                if type(reason) is compile.OtherLengths and self.compiled(reading):
                    continue
                self.shapes.forget(call, reading.leaves, config.code)
                if symbolic.RAISE and symbolic.internal(reason):
                    raise
                if self.shapes.mode == "symbolic" and isinstance(reason, TracegradError):
                    raise
                refused.append(symbolic.reason_of(reason))
                log.COMPILE.info("%s(%s): no program for many lengths: %s", self.said(), ", ".join(call.paths), refused[-1])
        new = not self.compiled(call)
        found, captured = self.ready(call, form)
        self.shapes.compiled(call, config.code, found.about.traced.statics, refused)
        if new and (why := self.why_not_general(call)):
            self.misses.last += f"; no program for many lengths: {why}"
        return found, captured, call

    def why_not_general(self, call: arguments.Call) -> str:
        """Why no program for many lengths could be made for calls like this one; "" where none was tried, or one was made."""
        return self.shapes.group(call, config.code).refused.partition("\n")[0]

    def compiled(self, call: arguments.Call) -> bool:
        """Whether there is a specialisation for a call as it is."""
        key, captured = self.known(call)
        return captured is not None and self._cache.get(key) is not None

    def ready(self, call: arguments.Call, form: compile.Form) -> Any:
        """(the specialisation of a call as it is seen, what it captures now)."""
        key, captured = self.known(call)
        attempts = ATTEMPTS
        while True:
            found = self._cache.get(key) if captured is not None else None
            captured = None if found is None else found.about.captures.find()
            if found is None or captured is None:
                if found is not None:
                    self._cache.evict(key)
                found = self.specialise(call, form)
                key = self.remember(call, found.about.traced, found.about.captures)
                found = self._cache.put(key, found)
                captured = found.about.captures.find()
                if captured is None:                        # another thread has just changed what was captured
                    attempts -= 1
                    if not attempts:
                        raise _unsettled(found.about)
                    continue
            elif (layout := compile.another_form(found, call, form)) is not None:
                self.add_form(found, layout)
            compile.expect_fitting(found.about.guards, compile.lengths_of(call))
            return found, captured

    @owned
    def interpret(self, *args: Any, **kwargs: Any) -> Any:
        """The program of a call, run by NumPy op by op instead of machine code: for looking into the compiler itself.

        Parameters: `args`, `kwargs`: those of the function. Result: that of the function. Errors: those of a call.

        >>> float(tg.jit(lambda x: x + 1).interpret(1.0))
        2.0
        """
        return self._interpreted(self.flatten(args, kwargs))

    def _interpreted(self, call: arguments.Call) -> Any:
        key, captured = self.known(call)
        attempts, made = ATTEMPTS, self._programs.get(key)
        captured = None if captured is None or made is None else made.captures.find()
        while made is None or captured is None:
            with self.reading(call):
                made = interpreter.Evaluator(self.with_captures(call), call)
            key = self.remember(call, made.traced, made.captures)
            made = self._programs.setdefault(key, made)
            captured = made.captures.find()
            attempts -= 1
            if captured is None and not attempts:
                raise _unsettled(made)
        laid = compile.laid(made.traced, call)
        return made(call, captured) if laid is call else self._interpreted(laid)

    def known(self, call: arguments.Call) -> tuple[Any, list | None]:
        """(the key of a call, with the captures of an earlier one that hold now; the captured arrays), or (…, None)."""
        key = self.key(call)
        for captures in self._captures.get(key, (NOTHING,)):
            captured = captures.find()
            if captured is not None:
                return (key, captures), captured
        return key, None

    @contextmanager
    def reading(self, call: arguments.Call) -> Iterator[None]:
        """Traces inside read at run time the elements of arrays that have changed since an earlier trace."""
        known = self._captures.get(self.key(call), ())
        with tracing.changing([x for captures in known for x in captures.changed()], varying(known)):
            yield

    def key(self, call: arguments.Call) -> tuple[tuple[TreeDef, tuple, tuple, Any], tuple]:
        """What decides the specialisation of a call."""
        options: Any = (config.code, config.asked, config.threads_of_its_own) if self.own_options else config.code
        base = (call.tree, call.leaves, (*call.aliases.items(), call.shared), options)
        return base, tuple((k, call.values[k]) for k in self._statics.get(base, ()))

    def remember(self, call: arguments.Call, traced: trace_function.Traced, captures: Captures) -> tuple[tuple[tuple, tuple],
                 Captures]:
        """Note which Python ints and captured objects the program depends on; the key that they complete. Where another thread
        was faster, its: then this key's program has other captures than the key says, of the same state."""
        if traced.statics:
            base = self.key(call)[0]
            self._statics[base] = tuple(sorted({*self._statics.get(base, ()), *traced.statics}))
        key = self.key(call)
        for known in self._captures.get(key, ()) if captures.given else ():
            if known.find() is not None:
                return key, known
        if captures.given:
            self._captures[key] = (captures, *self._captures.get(key, ()))[:RECENT]
        return key, captures if captures.given else NOTHING

    def specialise(self, call: arguments.Call, form: compile.Form) -> Specialisation:
        """From the disk, or compiled."""
        start, key = time.perf_counter(), self.key(call)
        why = self.misses.note(self, call, key, self._captures.get(key, ()))
        if not config.check_numerics:
            note_error_state()
        saved = Saved(self, call)
        found = saved.load(form)
        if found is None:
            with progress.shown(self.said()):
                found = self._compiled(call, form, saved.possible)
            saved.save(found)
            found.about.stages = {}
        perf_map.note(found.code, found.symbol, f"{self.named()}[{found.about.types}]")
        log.COMPILE.info("%s(%s), %s: %s, %.1f ms", self.said(), found.about.types,
                         "from disk" if found.about.origin == "disk" else "compiled", why, 1e3 * (time.perf_counter() - start))
        return found

    def said(self) -> str:
        """What a line about a compilation calls it."""
        return f"{self.label} of {getattr(self.root, '__qualname__', self.root)}"

    def named(self) -> str:
        """The function as a profile names it: `loss`, or `grad(loss)`."""
        name = str(getattr(self.root, "__qualname__", self.root))
        return f"{self.label}({name})" if self.derives else name

    def _compiled(self, call: arguments.Call, form: compile.Form, stages: bool) -> Specialisation:
        start = time.perf_counter()
        with self.reading(call):
            traced = self.with_captures(call)
        return compile.specialise(traced, call, form, 1e3 * (time.perf_counter() - start), stages)

    def __tracegrad_call__(self, args: Any, kwargs: dict) -> Any:
        """A call in traced code: plain functions are traced through, derivatives become part of the program."""
        if not self.derives:
            open_package(self._undecorated)
            return calls.call(self.root, *args, **kwargs)
        call = self.flatten(args, kwargs)
        return emitted(self.program(call, trace_function.trace_inner_call), call)

    @property
    def derives(self) -> bool:
        """Whether this is more than the function itself."""
        return self.derive is not None or (isinstance(self.fn, Jitted) and self.fn.derives)

    # --- looking inside ----------------------------------------------------------------------------------------------

    @deep
    @owned
    def lower(self, *args: Any, **kwargs: Any) -> lowered.Lowered:
        """The program of a call at every stage, without running it.

        Parameters: `args`, `kwargs`: those of the function, or a `tg.ShapeDtypeStruct` for an array.
        Result: what has a text for each stage; its `compile()` makes a function of such arguments only. Errors: those of `jit`.

        >>> "add" in tg.jit(lambda x: x + 1).lower(1.0).text()
        True
        >>> float(tg.jit(lambda x: x + 1).lower(1.0).compile()(2.0))
        3.0
        """
        args, kwargs = with_structs((args, kwargs))
        call = self.flatten(args, kwargs)
        form = compile.form_of(call, arguments.parameters_of(self.root).names, args, kwargs)
        return lowered.Lowered(self.with_captures(call), call, self.own_options, functools.partial(Compiled, self, call, form))

    # --- for other languages -----------------------------------------------------------------------------------------

    @deep
    @owned
    def cfunc(self, *args: Any, signature: str | None = None) -> CFunction:
        """The function as a C function, compiled for example arguments (floats for all parameters where there are none).

        signature   "double (double, double)": one number for each; "double (int, double *)": the numbers of all arguments, one
                    after the other, how many first; or one that a routine of SciPy calls (docs/neighbours.md has the table)

        What is returned has `address`, `ctypes` (callable, from Numba's compiled functions too) and `signature`, and must live
        as long as it is called. A failed check sets its Python exception and returns NaN.

        Parameters: `args`, examples; `signature`. Result: as above.
        Errors: ArgumentError, ArgumentTypeError where they do not fit.

        >>> tg.jit(lambda x: x + 1).cfunc(1.0).ctypes(2.0)
        3.0
        """
        return c_functions.cfunc(self, args, signature)

    @deep
    @owned
    def low_level_callable(self, *args: Any, signature: str | None = None, user_data: np.ndarray | None = None) -> Any:
        """A scipy.LowLevelCallable, for integrate.quad, integrate.nquad and the filters of ndimage.

        signature   as of `cfunc`, or the name of SciPy's function, such as "generic_filter"
        user_data   an array that the function's last parameter stands for: it is read where it lies, at each call

        Parameters: `args`, examples, and these. Result: a scipy.LowLevelCallable. Errors: those of `cfunc`.

        >>> from scipy.integrate import quad
        >>> round(quad(tg.jit(lambda x: 2 * x).low_level_callable(), 0, 1)[0], 12)
        1.0
        """
        return c_functions.low_level_callable(self, args, signature, user_data)

    @property
    def ctypes(self) -> Any:
        """The function of floats as a ctypes function: `cfunc().ctypes`."""
        return self.cfunc().ctypes

    @property
    def address(self) -> int:
        """Where the C function `double f(double, …)` starts; valid as long as this function lives."""
        return self.cfunc().address

    def cache_info(self) -> CacheInfo:
        """hits, misses, maxsize, currsize, evictions, code_bytes.

        Parameters: none. Result: a CacheInfo. Errors: none.

        >>> tg.jit(lambda x: x).cache_info().currsize
        0
        """
        return self._cache.info()

    def cache_clear(self) -> None:
        """Free all compiled code of this function.

        Parameters: none. Result: None. Errors: none.

        >>> tg.jit(lambda x: x).cache_clear()
        """
        self._cache.clear()
        self._programs.clear()
        self._captures.clear()
        self.shapes.clear()
        self.misses.forget()

    def why_recompiled(self) -> str:
        """Why the last call that no kernel took needed another one: which arguments, captured values or options are otherwise
        than those of the kernels that there are.

        Parameters: none. Result: the text. Errors: none.

        >>> isinstance(tg.jit(lambda x: x).why_recompiled(), str)
        True
        """
        return self.misses.last

    @property
    def specializations(self) -> list[SpecializationInfo]:
        """The compiled forms, newest first."""
        return [SpecializationInfo(s.about.types, s.phases, s.code_bytes, s.hits, s.about.origin) for s in self.specialisations]


def _unsettled(made: Any) -> ArgumentError:
    return ArgumentError(
        "what the function reads outside of its arguments changes each time that it is traced",
        "let it change nothing outside, or pass what changes as an argument", made.traced.function.loc)
