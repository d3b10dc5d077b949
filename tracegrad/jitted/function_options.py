"""Options of one compiled function: `tg.jit(fastmath=True)`, and those that Numba's users write.

An option of this package holds for the function and for all that is derived from it, whatever `tg.config` says. One of
Numba that asks for what happens anyway (`nopython=True`, `nogil=True`, `cache=True`, `parallel=True`) is accepted and changes
nothing; one that asks for something else is refused with what to write instead. A function that `numba.njit` decorates brings
the model of its divisions with it; what else it asked for `tg.explain` names.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

import numpy as np

from ..ir.errors import ArgumentError, ArgumentTypeError
from ..options import checked
from ..tracer.syntax import source
from ..tracer.syntax.declared_types import Declared
from .signatures import Signature

OWN = ("fastmath", "boundscheck", "memory_budget", "threads", "error_model")      # of tg.config, for one function
_REASSOCIATES = "fast"             # the flag of LLVM that stands for all
_FLAGS = frozenset({_REASSOCIATES, "nnan", "ninf", "nsz", "arcp", "contract", "afn", "reassoc"})

# Numba's option -> (the values that ask for nothing else than what happens, what to do otherwise)
NUMBAS: dict[str, tuple[tuple[Any, ...], str]] = {
    "nopython": ((True, None), "leave it out: what cannot be compiled is refused, with its line"),
    "forceobj": ((False, None), "leave it out, or do not compile this function"),
    "looplift": ((False, None), "leave it out, or give the loops a function of their own"),
    "nogil": ((True, False, None), ""),
    "parallel": ((True, False, None), "write parallel=True: loops that are proved independent are shared by threads anyway"),
    "cache": ((True, False, None), "set tg.config.cache, or TRACEGRAD_CACHE_DIR, for where compiled code is kept"),
    "inline": (("never", "always", None), "leave it out: functions that are called are part of the program anyway"),
    "debug": ((False, None), "see the function at work with tg.disable_jit(), or its stages with f.lower(…)"),
    "no_cpython_wrapper": ((True, False, None), ""),
    "no_cfunc_wrapper": ((True, False, None), ""),
    "no_rewrites": ((True, False, None), ""),
    "target_backend": (("cpu", None), "leave it out: code is made for this machine's processor"),
    "target": (("cpu", None), "leave it out: code is made for this machine's processor"),
}


def chosen(given: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The options that hold for one function, from what `jit` was given by keyword. None is no choice."""
    found = {}
    for name, value in given.items():
        if name in OWN:
            if value is not None:
                found[name] = checked(name, _flag(value) if name == "fastmath" else value)
        elif name == "locals":
            _types_of(value)
        elif name in NUMBAS:
            _expect_nothing_else(name, value)
        else:
            raise ArgumentTypeError(f"tg.jit has no option {name!r}",
                                    f"it has static_argnums, static_argnames, shapes, {', '.join(OWN)}")
    return tuple(sorted(found.items()))


def _flag(value: Any) -> Any:
    """`fastmath` as a bool. Numba takes a set of LLVM's flags, too, of which "fast" stands for all. Each of the others allows
    something and asks for nothing, so IEEE semantics are right for any set of them."""
    if not isinstance(value, set | frozenset | list | tuple):
        return value
    for flag in sorted(map(str, value)):
        if flag not in _FLAGS:
            raise ArgumentError(f"fastmath has no flag {flag!r}", f"LLVM's flags are {', '.join(sorted(_FLAGS))}")
    return _REASSOCIATES in value


def _expect_nothing_else(name: str, value: Any) -> None:
    fine, instead = NUMBAS[name]
    if isinstance(value, dict) and name == "parallel":
        return
    if not any(value is x or (type(value) is type(x) and value == x) for x in fine):
        raise ArgumentError(f"tg.jit cannot do what Numba's option {name}={value!r} asks for", instead)


# --- the types of local variables --------------------------------------------------------------------------------------------


def _types_of(value: Any) -> tuple[tuple[str, str], ...]:
    """`locals={"total": numba.float32}` of Numba: the variables with types of numbers. Those of others (arrays) say what their
    values are, as Numba converts none."""
    found = []
    for name, kind in (value or {}).items():
        try:
            dtype = np.dtype(kind if isinstance(kind, type) else str(kind))
        except (TypeError, ValueError):
            continue
        if dtype.kind in "biufc":
            found.append((str(name), dtype.name))
    return tuple(sorted(found))


def declare(f: Any, variables: Any, signatures: Iterable[Signature] = ()) -> Any:
    """The function, whose variables have the types that the option `locals` names, and whose arguments and result those of its
    signatures: one of its own, so that the same function compiled without them has none."""
    said = Declared(_types_of(variables), tuple([(s.types, s.result) for s in signatures]))
    if said == Declared():
        return f
    if isinstance(f, FunctionType):
        f = _copied(f)
    function = source.unwrap(getattr(f, "root", f))
    if not (isinstance(function, FunctionType) and source.declare(function, said)):
        raise ArgumentError(f"tg.jit cannot give the variables of {function!r} types: it is no function of Python, or has been "
                            "compiled without them", "name the types where it is compiled first")
    return f


def _copied(f: FunctionType) -> FunctionType:
    made = FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__)
    for name in ("__kwdefaults__", "__qualname__", "__module__", "__doc__", "__annotations__"):
        setattr(made, name, getattr(f, name))
    made.__dict__.update(f.__dict__)
    return made


# --- functions that numba.njit decorates -------------------------------------------------------------------------------------


def of_numba(f: Callable) -> dict[str, Any]:
    """The options that a function brings with it."""
    model = _asked(f).get("error_model")
    return {"error_model": model} if model == "numpy" else {}


def remarks(f: Callable) -> list[str]:
    """What numba.njit was asked for in a decorated function, and what becomes of it here."""
    asked = _asked(f)
    said = []
    if asked.get("fastmath"):
        said.append("fastmath of numba.njit is not taken over: tg.jit(fastmath=True) asks for it")
    if asked.get("parallel"):
        said.append("parallel=True of numba.njit: loops that are proved independent are shared by threads in any case")
    if asked.get("boundscheck") is False:
        said.append("boundscheck=False of numba.njit is not taken over: tg.jit(boundscheck=False) asks for it")
    if asked.get("error_model") == "numpy":
        said.append('error_model="numpy" of numba.njit holds: a division by zero gives inf, nan or 0 as of NumPy\'s numbers')
    return said


def numbas(f: Callable, own: dict[str, Any]) -> Any:
    """What Numba compiles of a compiled function where one of its own calls it: the Python function, under the same options."""
    from numba.core.registry import CPUDispatcher

    options = {name: value for name, value in own.items() if name in ("fastmath", "boundscheck", "error_model")}
    return CPUDispatcher(f, targetoptions={"nopython": True, **options})


def is_numbas_own(f: Callable) -> bool:
    """Whether a function is of Numba's own modules. Programs that put `tg.jit` in the place of `numba.njit` decorate these too
    when Numba imports them late; they are full of intrinsics, which have no Python. Its tests are programs of users."""
    # a user's stencil is an object of a class of Numba's, and no function
    module = (getattr(f, "__module__", None) or "") + "." if isinstance(f, FunctionType) else ""
    return module.startswith("numba.") and not module.startswith("numba.tests.")


def by_numba(f: Callable, options: dict[str, Any], *signature: Any) -> Any:
    """What `numba.njit` makes of such a function."""
    from numba.core.decorators import njit

    return njit(*signature, **options)(f)


def _asked(f: Callable) -> dict[str, Any]:
    options = getattr(f, "targetoptions", None)
    return options if isinstance(options, dict) and hasattr(f, "py_func") else {}
