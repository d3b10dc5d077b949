"""One compiled form of a function: a kernel, its native entry, and the same call in Python for arguments that need care."""
from __future__ import annotations

import ctypes
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from ...ir.build import memory
from ...ir.errors import ArgumentError, IRError
from ..llvm.polls import RAISED
from ..native import c_layouts
from ..native.compile_fast import compile_glue
from ..native.engine import Code
from ..native.locks import register
from . import generator_locks
from .calling_convention import Arguments, ArrayIn, ArrayOut, HeldIn, ScalarIn, Signature
from .entry import ERROR_WORDS
from .entry_variant import Form, shape_of
from .python_call import build, match, scalar_of

_PROCESS = ctypes.CDLL(None)
_free = _PROCESS.free
_free.argtypes, _free.restype = [ctypes.c_void_p], None
_LOCK = threading.RLock()              # also in calls, which may be interrupted
register(3, _LOCK)


class SharedMemoryError(ArgumentError):
    """An argument that the kernel writes to shares memory with another one, as other than the same array. Nothing has run."""


class ClosedError(RuntimeError):
    """A specialisation was called from Python just after another thread had evicted it: look it up again."""


class Failure:
    """What the machine code calls when a check has failed: decodes the error record, hands it on."""

    __slots__ = ("report",)

    def __init__(self, report: Callable[[int, tuple[int, ...]], NoReturn]):
        self.report = report

    def __call__(self, address: int) -> NoReturn:
        site, *words = (ctypes.c_int64 * ERROR_WORDS).from_address(address)
        if site == RAISED:
            raise _owned(words[:3])
        if site < 0:
            raise MemoryError("not enough memory for the temporaries of a compiled function")
        self.report(site, tuple(words))
        raise IRError(f"the report of failed check {site} raised nothing")


def _owned(addresses: list[int]) -> BaseException:
    """The exception of a signal's handler: type, value and traceback, each held by the error record until now."""
    error = ctypes.cast(addresses[1], ctypes.py_object).value
    for address in filter(None, addresses):
        ctypes.pythonapi.Py_DecRef(ctypes.c_void_p(address))
    return error


class Specialisation:
    """A kernel with the signature that it serves.

    symbol  the kernel's name in `code`;  report  raises the exception of a failed check
    phases  milliseconds of compilation by phase
    about   whatever its maker wants to remember (types, notes, IR …)
    constants  the constant arrays that the machine code reads where they are
    """

    def __init__(self, signature: Signature, code: Code, kernel: str, report: Callable[[int, tuple[int, ...]], NoReturn], *,
                 native: bool = True, phases: dict[str, float] | None = None, about: Any = None,
                 constants: Sequence[np.ndarray] = ()):
        self.signature, self.code, self.about, self.constants = signature, code, about, tuple(constants)
        self.symbol, self.report = kernel, report
        self.phases = dict(phases or {}) | dict(code.phases)
        self._failure = Failure(report)
        self._invoking = self._invoked = self._invoked_at = 0
        self._address = code.address(kernel)
        self._kernel, self._shim = _callable(self._address, len(signature.kernel) + 1)
        self.native = native and c_layouts.NATIVE
        self.forms = tuple[Form, ...]()
        self.add_form(signature.arguments)
        self.phases["entry"] = self.forms[0].milliseconds

    def add_form(self, arguments: Arguments) -> bool:
        """Serve another form of call too; False where it is served already. `Dispatcher.add_form` makes calls reach it."""
        with _LOCK:
            if self.closed or any(form.shape == shape_of(arguments) for form in self.forms):
                return False
            form = Form(self.signature, arguments, self._address, self._failure, self.native)
            self.forms = (form, *self.forms)
            return True

    @property
    def code_bytes(self) -> int:
        """Bytes of machine code."""
        return self.code.size + sum(form.size for form in self.forms)

    # ------------------------------------------------------------------------------------------------------- counters

    @property
    def hits(self) -> int:
        """How often it has been called."""
        return self._invoked + sum(form.calls for form in self.forms)

    @property
    def last_used(self) -> int:
        """The process-wide tick of its last call."""
        return max(self._invoked_at, *(form.last_used for form in self.forms))

    @property
    def running(self) -> int:
        """How many calls are in it at this moment."""
        return self._invoking + sum(form.running for form in self.forms)

    @property
    def closed(self) -> bool:
        return self.code.closed

    def close(self) -> bool:
        """Free the machine code. False, and nothing done, while a call is running in it."""
        with _LOCK:
            if self.running:
                return False
            for form in self.forms:
                form.close()
            self.code.close()
            return True

    def touch(self) -> None:
        """Count as used just now."""
        c_layouts.TICK.value += 1
        self._invoked_at = c_layouts.TICK.value

    # ---------------------------------------------------------------------------------------------- the call in Python

    def invoke(self, leaves: list) -> Any:
        """Run on the leaves of the parameters, run-time lengths included.

        They have the right dtype up to byte order, and the right dimensions; layout and alignment may be any. A written
        array of another layout gets its values back afterwards, also where a check fails halfway, as in Python.
        """
        with _LOCK:
            if self.closed:
                raise ClosedError("this specialisation has been evicted and its machine code freed")
            self._invoking += 1
            self._invoked += 1
        try:
            self.touch()
            return self._invoke(leaves)
        finally:
            with _LOCK:
                self._invoking -= 1

    def match(self, args: tuple, kwargs: dict) -> list | None:
        """The leaves of a call that a native entry would take, else None."""
        signature = self.signature
        for form in self.forms if signature.options == c_layouts.OPTIONS.value else ():
            leaves = match(form.arguments, args, kwargs)
            if leaves is not None:
                writeable = all(leaves[p].flags.writeable for p in signature.writes)
                return leaves if writeable and next(self._overlaps(leaves), None) is None else None
        return None

    def _invoke(self, leaves: list) -> Any:
        signature = self.signature
        inputs = self._inputs(leaves)
        lengths = {name: int(leaves[param]) for name, param in signature.arguments.lengths}
        results, late = {}, {}
        for k, leaf in signature.results().items():
            if isinstance(leaf, ArrayOut) and not leaf.known:
                late[k] = (ctypes.c_int64 * (1 + len(leaf.dims)))()
            else:
                results[k] = np.empty(leaf.shape(lengths) if isinstance(leaf, ArrayOut) else (), leaf.dtype.np)
        error = (ctypes.c_int64 * ERROR_WORDS)()
        outputs = {k: ctypes.addressof(late[k]) if k in late else results[k].ctypes.data for k in signature.results()}
        pointers = [inputs[k].ctypes.data if kind == "in" else outputs[k] for kind, k in signature.kernel]
        drawn_from = [int(inputs[k]) for k in generator_locks.parameters(signature)]
        generator_locks.take(drawn_from)
        try:
            failed = self._kernel(*pointers, ctypes.addressof(error))
        finally:
            generator_locks.give_back(drawn_from)
        for param in signature.writes:
            if inputs[param] is not leaves[param]:
                leaves[param][...] = inputs[param]
        if failed:
            self._failure(ctypes.addressof(error))
        for k, descriptor in late.items():
            leaf = signature.results()[k]
            assert isinstance(leaf, ArrayOut), leaf
            results[k] = _adopt(descriptor, leaf)
        return build(signature.output, results, leaves)

    def _inputs(self, leaves: list) -> list[np.ndarray]:
        signature, given = self.signature, list(leaves)
        lengths: dict[str, int] = {}
        for param, leaf in signature.inputs().items():
            if isinstance(leaf, ScalarIn):
                given[param] = scalar_of(given[param], leaf)
                continue
            if param in signature.writes and not given[param].flags.writeable:
                raise ValueError("assignment destination is read-only")
            if isinstance(leaf, HeldIn):
                if not leaf.takes(given[param]):
                    raise IRError(f"the captured array of parameter {param} is not the one compiled for")
                given[param] = memory(given[param], leaf.dims)
                continue
            given[param] = plain(given[param], leaf)
            for n, d in zip(given[param].shape, leaf.dims, strict=True):
                if n != (lengths.setdefault(d, n) if isinstance(d, str) else d):
                    raise IRError(f"parameter {param} has shape {given[param].shape}, compiled for {leaf.dims}")
        for _, param in signature.arguments.lengths:
            given[param] = np.array(given[param], "i8")
        for param, first in signature.repeats().items():
            given[param] = given[first]
        for a, b in self._overlaps(leaves):
            raise SharedMemoryError(f"the function overwrites an argument of shape {a.shape} whose memory another array that "
                                    f"it reads, of shape {b.shape}, shares", "pass a copy of one of them")
        return given

    def _overlaps(self, leaves: list) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Written arrays with another array that shares memory: one value to Python, and several to a kernel."""
        signature = self.signature
        arrays = [p for p, leaf in signature.inputs().items() if not isinstance(leaf, ScalarIn)] if signature.writes else []
        for a, b in itertools.product(signature.writes, arrays):
            if a != b and np.shares_memory(leaves[a], leaves[b]):
                yield leaves[a], leaves[b]
        for a, array in itertools.product(signature.writes, signature.captured):
            if np.shares_memory(leaves[a], array):
                yield leaves[a], array


_CTYPES_TAKES = 1024          # arguments of a function, at most


def _callable(address: int, count: int) -> tuple[Callable, Code | None]:
    """(a kernel that takes `count` pointers as a Python function, the machine code that it needs for that)."""
    if count <= _CTYPES_TAKES:
        return ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * count)(address), None
    loads = [f"%a{k} = getelementptr ptr, ptr %table, i64 {k}\n%p{k} = load ptr, ptr %a{k}\n" for k in range(count)]
    passed = ", ".join([f"ptr %p{k}" for k in range(count)])
    shim = compile_glue("define i32 @tg.shim(ptr %kernel, ptr %table) {\n" + "".join(loads)
                        + f"%failed = call i32 %kernel({passed})\nret i32 %failed\n}}\n")
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(shim.address("tg.shim"))
    return lambda *pointers: call(address, (ctypes.c_void_p * count)(*pointers)), shim


def plain(x: np.ndarray, leaf: ArrayIn) -> np.ndarray:
    """The array itself where machine code can read it in place, else a copy that it can."""
    if type(x) is np.ndarray and x.dtype == leaf.dtype.np and x.flags.c_contiguous and x.flags.aligned:
        return x
    if x.dtype.newbyteorder("=") != leaf.dtype.np:
        raise IRError(f"an array of dtype {x.dtype} was given for {leaf.dtype}")
    return np.array(x, leaf.dtype.np, order="C", subok=False)


def _adopt(descriptor: ctypes.Array, leaf: ArrayOut) -> np.ndarray:
    """A copy of the array that the kernel allocated; its memory is freed."""
    data, *dims = descriptor
    out = np.empty(dims, leaf.dtype.np)
    if out.nbytes:
        ctypes.memmove(out.ctypes.data, data, out.nbytes)
    _free(data)
    return out
