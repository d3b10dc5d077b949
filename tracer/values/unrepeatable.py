"""Functions whose value is another one at each call, or lies outside of the program: the clock, random numbers, files …

Traced code runs once, so that their value would be frozen: they are refused, unless `static` says that this is meant.
"""
from __future__ import annotations

import collections.abc
import contextvars
import io
import os
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ...ir.errors import UnsupportedError
from .. import tracing
from . import ownership
from .boxes import ArrayBox, Box, ScalarBox

if TYPE_CHECKING:
    from ...ir.core import Value
    from ..sequences.records import Records
    from ..tracing import Trace

# what it reads, what to do instead, (module, qualified names) of the functions
_ROWS = (
    ("the clock", "read it outside and pass it in", {
        "time": "time time_ns perf_counter perf_counter_ns monotonic monotonic_ns process_time process_time_ns thread_time "
                "thread_time_ns clock_gettime localtime gmtime ctime strftime asctime",
        "datetime": "datetime.now datetime.utcnow datetime.today date.today", "timeit": "default_timer"}),
    ("random numbers", "draw them outside and pass them in", {
        "uuid": "uuid1 uuid4 uuid6 uuid7 getnode", "os": "urandom getrandom", "secrets": "*", "random": "*"}),
    ("the environment", "read it outside and pass the value in", {
        "os": "getenv getenvb getcwd getpid getppid listdir scandir stat cpu_count times getloadavg walk",
        "numpy": "geterr geterrcall getbufsize get_printoptions", "decimal": "getcontext localcontext",
        "gc": "*", "sys": "getrecursionlimit getswitchinterval",
        "threading": "current_thread active_count get_ident get_native_id", "locale": "*",
        "socket": "*", "platform": "*", "getpass": "*", "shutil": "*", "subprocess": "*", "urllib.request": "*",
        "http.client": "*"}),
    ("a file", "read it outside and pass in what it holds", {
        "io": "open open_code", "numpy": "load loadtxt genfromtxt fromfile memmap memmap.__new__", "glob": "glob iglob",
        "genericpath": "exists isfile isdir getsize getmtime", "linecache": "*", "tempfile": "*", "importlib.resources": "*",
        "pathlib": "Path.read_text Path.read_bytes Path.open Path.exists Path.stat Path.is_file Path.glob Path.iterdir",
        "pickle": "load", "json": "load", "pandas": "read_csv read_parquet read_table read_excel read_json read_pickle"}),
    ("what a user types", "ask outside and pass the answer in", {"builtins": "input"}),
)
_ALIASES = {"posix": "os", "nt": "os", "_io": "io", "_pickle": "pickle", "_random": "random", "_socket": "socket",
            "pathlib._local": "pathlib", "pathlib._abc": "pathlib",
            "numpy.lib._npyio_impl": "numpy", "numpy.lib.npyio": "numpy", "_datetime": "datetime"}
_TABLE = {(module, name): (what, remedy) for what, remedy, modules in _ROWS for module, names in modules.items()
          for name in names.split()}
_RANDOM, _ENVIRONMENT = _ROWS[1][:2], _ROWS[2][:2]
_CHANCE = (_ROWS[0][:2], _RANDOM)


def expect_repeatable(trace: Trace, f: Any, args: Sequence[Value] = ()) -> None:
    """Raises UnsupportedError, at the line of the call, where the value of a call could not be kept."""
    if trace.freezing:
        return
    found = _row(f, args)
    if found is not None:
        trace.met_chance |= found in _CHANCE
        name = getattr(f, "__qualname__", None) or type(f).__name__
        module = _module(f)
        _refuse(f"{name if module in ('builtins', 'io', '') or '.' in name else module + '.' + name}() reads", *found)


def is_chance(f: Any) -> bool:
    """Whether f reads the clock, or draws random numbers: another value at each call, whatever it is given."""
    return callable(f) and _row(f, ()) in _CHANCE


def expect_no_environment(held: Records | ArrayBox | Sequence[float | ScalarBox]) -> None:
    """os.environ is another dict in each process."""
    trace = tracing.active()
    if held is os.environ and trace is not None and not trace.freezing:
        _refuse("os.environ is", *_ENVIRONMENT)


def expect_not_consumed(held: Any) -> None:
    """An iterator from outside gives each item once."""
    trace = tracing.active()
    if trace is None or trace.freezing or not isinstance(held, _ITERATORS):
        return
    expect_not_spent(held)
    if trace.maker(held) >= 0:
        ownership.expect_not_consumed(trace, held, "going through an iterator")
        return
    if id(held) in trace.outside or isinstance(held, io.IOBase):
        raise UnsupportedError(
            f"a {type(held).__name__} that exists outside of the traced function is consumed: each call of the function would "
            "find it further on, but compiled code reads it once, while it is traced",
            "make a list of its items outside and pass that in, or take the item outside and pass it in", tracing.locate())


def expect_not_spent(held: Any) -> None:
    """Nothing is asked of an iterator of which only run time knows what it has given already."""
    if id(held) in tracing.current().spent:
        raise UnsupportedError("an iterator goes on here from where an earlier loop or call has left it, which only run time "
                               "knows",
                               "take its items once, `items = list(…)`, or iterate over an array or a range", tracing.locate())


_ITERATORS = (collections.abc.Iterator, io.IOBase)


def _refuse(what: str, source: str, remedy: str) -> NoReturn:
    raise UnsupportedError(
        f"{what} {source}, which compiled code would do once, while it is traced, and never again", f"{remedy}; or write "
        "tg.static(…) around it where the value of that moment is meant for all calls", tracing.locate())


def _module(f: Any) -> str:
    owner = getattr(f, "__self__", None)
    module = getattr(owner if isinstance(owner, type) else f, "__module__", None) or ""
    return _ALIASES.get(module) or module


def _row(f: Any, args: Sequence[Value]) -> tuple[str, str] | None:
    owner = getattr(f, "__self__", None)
    if owner is os.environ or (args and args[0] is os.environ):
        return _ENVIRONMENT
    if not isinstance(owner, types.ModuleType) and any(_module(cls) == "random" for cls in type(owner).__mro__):
        return _RANDOM                                        # methods of a generator, or one of a class of the user's
    if type(owner) is contextvars.ContextVar:
        return "a context variable", "read it outside and pass the value in"
    if isinstance(owner, io.IOBase):
        return _ROWS[3][:2]
    module, name = _module(f), getattr(f, "__qualname__", None) or ""
    names = dict.fromkeys((name, name.rpartition(".")[0] + "." + getattr(f, "__name__", "") if "." in name else name, "*"))
    return next((_TABLE[key] for module in (module, module.partition(".")[0]) for n in names if (key := (module, n)) in _TABLE),
                None)


def static(value: Any) -> Any:
    """`tg.static(value)`: in traced code, the value that `value` has while the function is traced, for all calls.

    What the expression between the parentheses reads is not looked at again: neither globals nor the clock, the environment or
    files, which traced code may read in no other way. A traced integer is made part of the specialisation: each value is
    compiled for. Outside of traced code: the value itself.

    Parameters: `value`, any expression.
    Result: its value.
    Errors: none of its own.

    >>> int(tg.jit(lambda x: x + tg.static(len("abc")))(1))
    4
    """
    if isinstance(value, Box) and tracing.active() is not None:
        found = tracing.need_concrete(value, "tg.static") if isinstance(value, ScalarBox) else None
        if found is None:
            raise UnsupportedError("tg.static was given a traced array, whose elements only run time knows",
                                   "make the number static that you need of it", tracing.locate())
        return found
    return value

