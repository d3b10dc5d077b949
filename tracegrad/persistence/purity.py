"""What tracing may meet that is known by its name and by the version of the library that it comes from.

All else is known by its content: functions by their code, objects by their attributes. What is known by neither (an open file,
the clock, a random generator) makes a program that only this process may use.
"""
from __future__ import annotations

import types

# Packages whose functions depend on their arguments alone, as far as `IMPURE` does not name them. "tracegrad" is known by its
# source.
PURE = frozenset({
    "numpy", "scipy", "math", "cmath", "operator", "_operator", "itertools", "functools", "_functools", "collections",
    "_collections", "builtins", "dataclasses", "typing", "abc", "_abc", "enum", "copy", "numbers", "fractions", "contextlib",
    "types", "tracegrad", "typing_extensions", "statistics", "bisect", "_bisect", "heapq", "_heapq", "string", "warnings",
    "_warnings", "numba", "__future__", "reprlib", "keyword", "cython_runtime",
})
# Names that a function may not read, of these packages and of Python: what they give depends on more than their arguments.
IMPURE = {
    "builtins": frozenset({"open", "input", "globals", "locals", "vars", "eval", "exec", "compile", "__import__", "breakpoint",
                           "id",
                           "hash", "dir", "help", "__loader__", "__spec__"}),
    "numpy": frozenset({"random", "load", "loadtxt", "genfromtxt", "fromfile", "fromregex", "memmap", "ctypeslib", "f2py",
                        "geterr", "geterrcall", "getbufsize", "get_printoptions", "show_config", "save", "savez", "savetxt",
                        "datetime64",
                        "test", "testing", "DataSource"}),
    "scipy": frozenset({"io", "datasets", "test", "show_config"}),
    "tracegrad": frozenset({"config", "cache"}),
    "numba": frozenset({"config", "cuda", "get_num_threads", "get_thread_id", "set_num_threads"}),
}
# Attributes through which any object leads to more than is walked, or to chance.
REFLECTIVE = frozenset({"__globals__", "__dict__", "__closure__", "__code__", "__subclasses__", "__builtins__", "f_globals",
                        "f_locals",
                        "f_back", "_getframe", "modules", "__file__", "__annotations__", "rvs", "random_state", "default_rng"})


def root_of(module: str | None) -> str:
    return (module or "").partition(".")[0]


def is_pure(module: str | None) -> bool:
    return root_of(module) in PURE and not (module or "").startswith("numpy.random")


def forbidden(module: types.ModuleType, names: frozenset[str]) -> str:
    """A name among those that a function reads which must not be read of a module; "" if there is none."""
    found = IMPURE.get(root_of(module.__name__), frozenset()) & set(names)
    return min((name for name in found if hasattr(module, name)), default="")
