"""`jit`, and the objects that users hold: a function with a chain of operators, found again.

    tg.grad(tg.jit(f))  ->  Found(f, (jit, grad))  ->  the family of f (closures.py)  ->  the Jitted with the kernels

Objects are light, made anew by each call of an operator; kernels belong to the function, or to its code and the values that it
captured, and are freed with it. A call goes through machine code from the one to the other (lowering/call/forwarding.py).
"""
from __future__ import annotations

import copy
import functools
import inspect
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, SupportsIndex, TypeVar, overload

import numpy as np

from .. import pickling
from ..captures.closures import KEY, Family, new_table, table_of
from ..captures.frozen_closures import HOLDERS, frozen
from ..ir.errors import ArgumentTypeError
from ..lowering.call.forwarding import Answer, forward, retire
from ..options import config
from ..programs import symbolic
from ..tracer import tracing
from . import foreign_arrays, numba_objects
from .api import Jitted
from .function_options import by_numba, chosen, declare, is_numbas_own
from .misses import rebound
from .out_argument import WithOut
from .signatures import compiled_for, is_signature, signatures_of

if TYPE_CHECKING:
    from ..ir.types import Array
    from ..tracer.values.boxes import ArrayBox, Box

P = ParamSpec("P")
R = TypeVar("R")


class Step:
    """One operator with its options; `make(f)` is what it makes of a function. Equal ones are one object (`step`)."""

    __slots__ = ("name", "options")

    def __init__(self, name: str, options: tuple):
        self.name, self.options = name, options

    def make(self, f: Callable) -> Jitted:
        return MAKERS[self.name](f, *[x.value if type(x) is Frozen else x for x in self.options])


class Frozen:
    """An option that has no hash, such as a structure with lists, known by a text that tells it."""

    __slots__ = ("text", "value")

    def __init__(self, value: Any):
        self.value, self.text = copy.deepcopy(value), repr(value)

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return type(other) is Frozen and other.text == self.text


MAKERS: dict[str, Callable[..., Jitted]] = {}        # operator -> maker(f, *options)
_STEPS: dict[tuple, Step] = {}


def maker(name: str) -> Callable:
    """Registers how an operator makes what answers."""
    def register(make: Callable[..., Jitted]) -> Callable[..., Jitted]:
        MAKERS[name] = make
        return make
    return register


def derived(f: Callable, name: str, *options: Any) -> Jitted:
    """What the operator makes of f, found again where it was made before."""
    try:
        step = _STEPS.get((name, options, *map(type, options)))        # 1 and 1.0 are equal, but not both a position
    except TypeError:
        options = tuple([_hashable(x) for x in options])
        step = _STEPS.get((name, options, *map(type, options)))
    if step is None:
        step = Step(name, options)
        made = Found(f, step)                        # options that are no good raise here
        _STEPS[name, options, *map(type, options)] = step
        return made
    return Found(f, step)


def _hashable(x: Any) -> Any:
    try:
        hash(x)
    except TypeError:
        return Frozen(x)
    return x


# what Numba's users ask a compiled function for, and what answers it
NUMBA = {"inspect_llvm": "f.lower(*args).text('llvm')", "inspect_asm": "f.lower(*args).text('asm')",
         "inspect_types": "f.lower(*args).text()", "parallel_diagnostics": "tg.explain(f, *args)",
         **dict.fromkeys(("signatures", "nopython_signatures", "overloads", "stats"), "f.specializations"),
         "recompile": "f.cache_clear()"}


class Found(Jitted):
    """What users hold.

    root     the user's function;  chain  the operators, the first one first;  answer  who answers (closures.Table)
    """

    chain: tuple[Step, ...]
    answer: Answered

    def __init__(self, f: Callable, step: Step):
        root, chain = (f.root, (*f.chain, step)) if type(f) is Found else (f, (step,))
        table = table_of(root)
        answer = table.answers.get(chain) if table is not None else None
        if answer is None:
            answer = answered(root, chain)
        self.__dict__.update(answer.face)
        self.fn = self.__wrapped__ = f
        self.root, self.chain, self.answer = root, chain, answer
        forward(self, answer)

    def become(self, other: Found) -> None:
        """From now on what another one is."""
        self.__init__(other.fn, other.chain[-1])        # type: ignore[misc]

    @property
    def core(self) -> Jitted:
        """The one that has the kernels, for the function as it is now."""
        pickling.settle()
        if not self.answer.holds():
            old, self.answer = self.answer, answered(self.root, self.chain)
            if not self.answer.by.specialisations:
                self.answer.by.misses.beginning = rebound(self.root, old.places)
            forward(self, self.answer)
            retire(old.by)
        return self.answer.by

    @property
    def own(self) -> Jitted:
        """The same of the user's own function instead of a copy: for traced code, where what it captured is the trace's."""
        pickling.settle()
        found: Any = self.root
        for step in self.chain:
            found = step.make(found)
        return found

    def miss(self, *args: Any, **kwargs: Any) -> Any:
        if tracing.active() is not None or (config.disable_jit and not self.derives):
            return self.own.miss(*args, **kwargs)
        if not self.derives and inspect.isgeneratorfunction(self._undecorated):
            return self.root(*args, **kwargs)        # between its pauses the caller's Python runs: what it calls is compiled
        core = self.core
        if (given := foreign_arrays.replaced(core, args, kwargs)) is not None:
            return self(*given[0], **given[1])
        opened = numba_objects.opened_call(self, args, kwargs)
        return core.miss(*args, **kwargs) if opened is None else opened()

    def __tracegrad_call__(self, args: tuple[Array | Box, ...], kwargs: dict) -> Box | tuple[ArrayBox, ...]:
        return self.own.__tracegrad_call__(args, kwargs)

    def __getattr__(self, name: str) -> Any:
        """What the core knows, and like a wrapper what the function has been given."""
        if name.startswith("__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        try:
            return getattr(self.core, name)
        except AttributeError:
            given = getattr(self.root, "__dict__", {})
            if name in given and name != KEY:
                return given[name]
            if hasattr(type(self), name):                # a property that says why there is nothing
                raise
            hint = f": {NUMBA[name]} says that here" if name in NUMBA else ""
            raise AttributeError(f"{self!r} has no attribute {name!r}{hint}", name=name, obj=self) from None

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return pickling.reduced(self, rebuilt, self.root, tuple([(s.name, s.options) for s in self.chain]))


def _frozen(found: Found, memo: dict[int, Any]) -> Jitted:
    root = frozen(found.root, memo)
    return found if root is found.root else functools.reduce(Found, found.chain, root)


HOLDERS[Found] = _frozen


def _of_core(name: str, kind: type) -> Any:
    if kind is property:
        return property(lambda self: getattr(self.core, name), doc=getattr(Jitted, name).__doc__)

    @functools.wraps(getattr(Jitted, name))
    def ask(self: Found, *args: Any, **kwargs: bool | np.ndarray | str) -> Any:
        return getattr(self.core, name)(*args, **kwargs)
    return ask


_ASKED = {types.FunctionType: ("flatten", "program", "source", "interpret", "known", "reading", "key", "remember", "specialise",
                                "lower", "cfunc", "low_level_callable", "cache_info", "cache_clear", "why_not_general",
                                "why_recompiled"),
          property: ("derives", "specializations", "specialisations", "ctypes", "address")}
for _kind, _names in _ASKED.items():
    for _name in _names:
        setattr(Found, _name, _of_core(_name, _kind))
Found._chain = property(lambda self: self.core._chain)       # type: ignore[assignment]   # as dispatch reads it


class Answered(Answer):
    """Who answers for one function and chain, with what users see of the function: its name and so on."""

    __slots__ = ("face",)
    face: dict[str, Any]


def answered(root: Callable, chain: tuple[Step, ...]) -> Answered:
    """Who answers for a function as it is now."""
    table = table_of(root)
    if table is None or not table.binding.holds():
        if not callable(root) or (isinstance(root, Jitted) and type(root) is not Found):
            chain[0].make(root)                      # says what it takes instead
            raise ArgumentTypeError(f"tg.{chain[0].name} takes a function of yours", "pass the function itself")
        table = new_table(root)
    binding = table.binding
    answer = Answered(core_of(binding.family, chain), binding.places)
    answer.face = {name: getattr(root, name) for name in functools.WRAPPER_ASSIGNMENTS if hasattr(root, name)}
    return table.answers.setdefault(chain, answer)


def core_of(family: Family, chain: tuple[Step, ...]) -> Any:
    """What a chain of operators makes of a family's function; the beginnings of chains are shared."""
    if not chain:
        return family.function
    found = family.derived.get(chain)
    if found is None:
        found = family.derived.setdefault(chain, chain[-1].make(core_of(family, chain[:-1])))
    return found


def rebuilt(root: Any, chain: tuple, texts: dict | None) -> Any:
    """Of a pickle. A name may lead to an object that was made of the function."""
    pickling.arrived(root, texts)
    for name, options in chain:
        root = derived(root, name, *[x.value if type(x) is Frozen else x for x in options])
    return root


@maker("jit")
def _jitted(f: Callable, static_argnums: tuple, static_argnames: str | tuple, shapes: Any = None, own: tuple = ()
            ) -> Jitted:
    return WithOut(f, static_argnums=static_argnums, static_argnames=static_argnames, shapes=shapes, own=dict(own))


@overload
def jit(f: Callable[P, R], *, static_argnums: Any = (), static_argnames: Any = (), shapes: str | None = None,
        **options: Any) -> Jitted[P, R]: ...
@overload
def jit(f: None = None, *, static_argnums: Any = (), static_argnames: Any = (), shapes: str | None = None,
        **options: Any) -> Callable[[Callable[P, R]], Jitted[P, R]]: ...
def jit(f: Any = None, *, static_argnums: tuple = (), static_argnames: str | tuple = (),
        shapes: Any = None, **options: Any) -> Callable | Found:
    """Compile `f` for the types and shapes that it is called with.

    shapes   "static": machine code for each shape; "symbolic": for all lengths from 2 on from the first call, an error where
             that cannot be; "auto" (the default): for all lengths after three shapes, where that can be. Derivatives of the
             compiled function do the same
    options  fastmath, boundscheck, memory_budget, threads, error_model: as of `tg.config`, for this function and what is
             derived from it, whatever `tg.config` says. Those of numba.njit that ask for what happens anyway (nopython, nogil,
             cache, parallel, …) are accepted and change nothing; the others are refused

    Works bare (`@tg.jit`), with options (`@tg.jit(static_argnums=1)`), and with signatures (`@tg.jit("float64(float64)")`),
    for which it compiles at once. Arguments: arrays, numbers, and nested
    tuples, lists, dicts, namedtuples and dataclasses of them; strings, bools, None, functions and other hashables are
    part of the specialisation, as are the arguments that `static_argnums` (positions) and `static_argnames` choose. Results are
    NumPy arrays and scalars with the dtypes and the structure that Python would return. `f` may be a `numba.njit` function.

    Result: the compiled function, with the signature of `f`; with `f` left out, a decorator.
    Errors: UnsupportedError where `f` cannot be compiled, at the line and with what to write instead; its own, as in Python.

    >>> @tg.jit
    ... def total(x):
    ...     s = 0.0
    ...     for i in range(x.size):
    ...         s += x[i] ** 2
    ...     return s
    >>> float(total(np.array([1.0, 2.0])))
    5.0
    """
    if f is None:
        chosen(options)                                  # those that are no good raise here
        return functools.partial(jit, static_argnums=static_argnums, static_argnames=static_argnames, shapes=shapes, **options)
    if is_signature(f):
        said, own = signatures_of(f), chosen(options)
        return lambda fn: by_numba(fn, options, f) if is_numbas_own(fn) else compiled_for(
            _with_options(declare(fn, options.get("locals"), said), static_argnums, static_argnames, shapes, own), said)
    if is_numbas_own(f):
        return by_numba(f, options)
    return _with_options(declare(f, options.get("locals")), static_argnums, static_argnames, shapes, chosen(options))


def _with_options(f: Callable, static_argnums: Any, static_argnames: Any, shapes: str | None, own: tuple) -> Any:
    more = (shapes, own) if own else () if symbolic.checked(shapes) is None else (shapes,)
    return derived(f, "jit", static_argnums, static_argnames, *more)
