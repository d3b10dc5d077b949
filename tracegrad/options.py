"""The user-visible knobs, all of them, in one table.

A knob has one value for the process, and a `with config(…)` block may set another for the thread that runs it. Machine code
is entered without a look at either, so `lowering.dispatch` is told which options hold: a number while all threads agree,
and otherwise "ask Python", which costs each call some microseconds until the last such block ends.
"""
from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from .ir.errors import ArgumentError
from .lowering.cache import folder
from .lowering.call.dispatch import set_options
from .lowering.native import threads
from .lowering.native.locks import Lock
from .tracer.values.python import division

# name -> (default, what it takes, meaning). An environment variable sets the start value: _VARIABLES, or TRACEGRAD_<NAME>.
KNOBS: dict[str, tuple[Any, type | tuple[type, ...], str]] = {
    "cache_size": (256, int, "specialisations that one function keeps; the least recently used is freed first"),
    "fastmath": (False, bool, "let LLVM reassociate and assume no NaN or infinity; off: IEEE semantics"),
    "boundscheck": (
        True,
        bool,
        "check indices that are not proved to be inside; off: an index outside reads or writes any memory",
    ),
    "disable_jit": (False, bool, "run the function itself, derivatives by NumPy, instead of machine code (for debugging)"),
    "check_numerics": (False, bool, "raise at the first operation that makes a NaN or an infinity (slower)"),
    "memory_budget": (
        None,
        (int, str),
        'bytes that the tape of a loop may take in a gradient (1000000 or "64MB"); beyond it the loop '
        "is checkpointed and run again. None: no limit",
    ),
    "verify": (True, bool, "check the IR after the passes; name the one to blame"),
    "cache": (
        True,
        (bool, str),
        "keep compiled code on disk for other processes: a folder, or True for TRACEGRAD_CACHE_DIR or the user's caches",
    ),
    "threads": (None, int, "threads that run a parallel loop; no result depends on it. None: the cores that are there"),
    "error_model": (
        "python",
        str,
        'a Python number divided by zero, a math function outside of its domain: "python" raises, "numpy" gives inf, nan or 0',
    ),
}
_MODELS = ("python", "numpy")
_VARIABLES = {"threads": "TRACEGRAD_NUM_THREADS"}

ASK_PYTHON = -1
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False, "": False}
_LOCK = Lock(0)


def checked(name: str, value: Any) -> Any:
    """The value, if the knob takes it."""
    if name not in KNOBS:
        raise ArgumentError(f"there is no option {name!r}", "use one of " + ", ".join(KNOBS))
    kind = KNOBS[name][1]
    if name == "cache":
        value = os.fspath(value) if isinstance(value, os.PathLike) else value
        if not isinstance(value, kind) or value == "":
            raise ArgumentError(f"the option cache takes True, False or the path of a folder, got {value!r}")
        return os.path.abspath(os.path.expanduser(value)) if isinstance(value, str) else value
    if name == "memory_budget":
        if value is not None and bytes_of(value) is None:
            raise ArgumentError(f"the option memory_budget takes a number of bytes or a text such as \"64MB\", got {value!r}")
        return value
    if name == "threads" and value is None:
        return value
    if name == "error_model":
        if value not in _MODELS:
            raise ArgumentError(f"the option error_model takes {' or '.join(map(repr, _MODELS))}, got {value!r}")
        return value
    if not isinstance(value, kind) or (kind is int and (isinstance(value, bool) or (isinstance(value, int) and value < 1))):
        takes = "positive int" if kind is int else "bool"
        raise ArgumentError(f"the option {name} takes a {takes}, got {value!r}")
    return value


_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}


def bytes_of(size: Any) -> int | None:
    """The bytes of 1000000, "64MB" or "1.5 GiB"; None where it is no such size."""
    if isinstance(size, bool):
        return None
    if isinstance(size, int):
        return size if size > 0 else None
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([A-Za-z]*)\s*", size) if isinstance(size, str) else None
    if found is None or found[2].upper() not in _UNITS:
        return None
    return int(float(found[1]) * _UNITS[found[2].upper()]) or None


def _start(name: str) -> Any:
    """The default, or what the environment says."""
    default, kind, _ = KNOBS[name]
    variable = _VARIABLES.get(name, "TRACEGRAD_" + name.upper())
    text = os.environ.get(variable)
    if text is None:
        return default
    try:
        if name in ("memory_budget", "error_model"):
            return checked(name, text or default)
        if name == "cache":
            return checked(name, _WORDS.get(text.strip().lower(), text))
        return checked(name, _WORDS[text.strip().lower()] if kind is bool else int(text))
    except (KeyError, ValueError):
        takes = "one of " + ", ".join(filter(None, _WORDS)) if kind is bool else "a positive int"
        raise ArgumentError(f"the environment variable {variable} is {text!r}", f"set it to {takes}") from None


def code_number(values: dict[str, Any]) -> int:
    """The options that machine code depends on, as one number."""
    return int(values["fastmath"]) | int(not values["boundscheck"]) << 1 | int(values["check_numerics"]) << 2 | (
        int(values["error_model"] == "numpy") << 3) | (bytes_of(values["memory_budget"]) or 0) << 8


def _number(values: dict) -> int:
    """What machine code is told: which specialisations may take calls."""
    return ASK_PYTHON if values["disable_jit"] else code_number(values)


class Config:
    """`tracegrad.config`: read a knob as an attribute; assign it, or `config.update(name, value)`, for the whole process;
    `with config(name=value): …` for this thread and the length of the block."""

    cache_size: int
    fastmath: bool
    boundscheck: bool
    disable_jit: bool
    check_numerics: bool
    memory_budget: int | str | None
    verify: bool
    cache: bool | str
    threads: int | None
    error_model: str
    _process: dict[str, Any]
    _thread: threading.local
    _open: dict[int, dict[str, Any]]

    def __init__(self) -> None:
        own = self.__dict__
        own["_process"] = {name: _start(name) for name in KNOBS}
        own["_thread"] = threading.local()                 # .blocks: what each open block sets, with the blocks around it
        own["_open"] = {}                                  # id -> the same, of every open block of any thread
        self._tell()
        threads.use(self._process["threads"])

    def _values(self) -> dict:
        blocks = getattr(self._thread, "blocks", None)
        return self._process | blocks[-1] if blocks else self._process

    def _values_here(self) -> dict:
        """The same, with the options of the function that is being compiled, if it has any of its own."""
        own = getattr(self._thread, "own", None)
        return self._values() | own if own else self._values()

    def _tell(self) -> None:
        here = _number(self._process)
        agree = all(_number(self._process | block) == here for block in self._open.values())
        set_options(here if agree else ASK_PYTHON)

    def __getattr__(self, name: str) -> Any:
        if name not in KNOBS:
            raise AttributeError(f"tracegrad has no option {name!r}; there are {', '.join(KNOBS)}")
        return self._values_here()[name]

    def __setattr__(self, name: str, value: str) -> None:
        self.update(name, value)

    def update(self, name: str, value: bytes | int | str | None) -> None:
        """Set one knob. Inside a `with config(…)` block that sets it too, the block's value stays in force until its end.

        Raises ArgumentError for a name or a value that is not in the table.
        """
        with _LOCK:
            self._process[name] = checked(name, value)
            self._tell()
            threads.use(self._process["threads"])

    def __call__(self, **values: int | Path | str) -> AbstractContextManager[Any]:
        """Set knobs for the length of a `with` block. What is wrong is said at the call."""
        return self._block({name: checked(name, value) for name, value in values.items()})

    @contextmanager
    def _block(self, values: dict[str, Any]) -> Iterator[Any]:
        blocks = self._thread.__dict__.setdefault("blocks", [])
        inner = (blocks[-1] if blocks else {}) | values
        try:
            blocks.append(inner)
            with _LOCK:
                self._open[id(inner)] = inner
                self._tell()
            self._use_threads(values)
            yield self
        finally:
            try:
                self._close(blocks, inner)
            finally:                                        # once more: an interrupt may have come in the line before
                self._close(blocks, inner)
                self._use_threads(values)

    def _use_threads(self, changed: Any) -> None:
        """Where a block sets them or has set them: what the innermost block around this place says, or the process."""
        if "threads" in changed:
            inner = self._thread.blocks[-1] if self._thread.blocks else {}
            threads.use_here((inner["threads"] or threads.cores()) if "threads" in inner else None)

    def _close(self, blocks: list, inner: dict) -> None:
        blocks[:] = [block for block in blocks if block is not inner]
        with _LOCK:
            self._open.pop(id(inner), None)
            self._tell()

    @property
    def code(self) -> int:
        """The number of the options that machine code made now depends on."""
        return code_number(self._values_here())

    @property
    def asked(self) -> int:
        """The same without a function's own options: what native code compares (`Signature.options`)."""
        return code_number(self._values())

    @property
    def threads_of_its_own(self) -> int:
        """The threads that the function which is being compiled may have, where it says so; 0 where it does not."""
        return (getattr(self._thread, "own", None) or {}).get("threads", 0)

    @contextmanager
    def of_function(self, own: dict[str, Any]) -> Iterator[None]:
        """In this block a function with options of its own is compiled. No other function's kernels depend on it."""
        before, self._thread.__dict__["own"] = getattr(self._thread, "own", None), own
        try:
            yield
        finally:
            self._thread.__dict__["own"] = before

    @property
    def cache_folder(self) -> str | None:
        """Where compiled code is kept on disk; None where it is not."""
        chosen = self.cache
        return chosen if isinstance(chosen, str) else folder.default() if chosen else None

    @property
    def memory_bytes(self) -> int | None:
        """`memory_budget` in bytes."""
        return bytes_of(self.memory_budget)

    def __dir__(self) -> list[str]:
        return [*KNOBS, "update"]

    def __repr__(self) -> str:
        return "\n".join(f"{name} = {self._values()[name]!r}  # {text}" for name, (_, _, text) in KNOBS.items())


config = Config()
folder.locate_by(lambda: config.cache_folder)
division.decide_by(lambda: config.error_model == "numpy")


def owned(method: Callable) -> Callable:
    """A method of a compiled function that may compile: the function's own options hold in it."""
    @functools.wraps(method)
    def run(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not self.own_options:
            return method(self, *args, **kwargs)
        with config.of_function(self.own_options):
            return method(self, *args, **kwargs)
    return run


def disable_jit() -> Any:
    """`with tracegrad.disable_jit(): …`: nothing is compiled in this block, by this thread.

    A function under `jit` runs as Python runs it: `breakpoint()`, `pdb` and `print` see its NumPy arrays in its own frame. A
    derivative has no Python of its own: its program is run by NumPy, op by op. With `check_numerics` so is every program.

    Parameters: none.
    Result: a context manager.
    Errors: none.

    >>> with tg.disable_jit():
    ...     tg.jit(lambda x: print("the value is", x))(1)
    the value is 1
    """
    return config(disable_jit=True)
