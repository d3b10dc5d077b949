"""LLVM IR text to machine code in this process, and back to memory.

    text -> object file (object_code.py)                                              -> MCJIT -> Code
         -> an object file that an earlier process has kept on disk (cache/objects.py) -> MCJIT -> Code

Each module has an execution engine while it lives, and `Code.close` returns what it takes: an engine shared by all would keep
some kilobytes of each module for ever.

Code and its constants lie in one block of memory (llvmlite's memory manager), so the small code model serves: constants are
operands of instructions. Functions outside may be far, so they are called through a table of addresses, which the attribute
nonlazybind asks for; where a call would still need a stub, for which that manager keeps no room, the module is emitted again
in the large code model.

One lock covers every call into LLVM (but see object_code.py); machine code itself runs without it. What the garbage collector
finds is freed by the next compilation: a finaliser may run anywhere, also where a signal would interrupt it.
"""
from __future__ import annotations

import ctypes
import hashlib
import math
import re
import sys
import time
import weakref
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from ...ir.errors import IRError
from ...ir.ops.checks import say
from ...ir.types import Array, DType, known_dtype
from ..cache import folder, objects
from ..cache.folder import LOG
from .c_layouts import function_address
from .elf import functions, is_elf, is_linkable, text_size, undefined
from .module_parts import members
from .object_code import LOCK, assembly, host, object_of, optimized

_PROCESS = ctypes.CDLL(None)
# External symbols are "family.name"; PROVIDERS[family](names) are their addresses, None of
# what this process does not have. A name without a dot is the process's own.
PROVIDERS: dict[str, Callable[[list[str]], Sequence[int | None]]] = {}
_bound: set[str] = {"_GLOBAL_OFFSET_TABLE_"}        # the loader's own
# Where objects are not ELF: every declaration counts.
_EXTERNAL = re.compile(r"^declare\b[^@]*@([\w.]+)", re.M)
# What any C program has: memory, mathematical functions, what compilers call for arithmetic that the machine lacks.
_C_LIBRARY = re.compile(r"""malloc|calloc|realloc|free|mem(cpy|move|set|cmp)|bzero
    |c?(a?(sin|cos|tan)h?|exp2?|expm1|log(2|10|1p|b)?|pow|sqrt|abs|arg|proj|atan2|cbrt|hypot|erfc?|[tl]gamma|lgamma_r|fmod|fma
    |remainder|remquo|ldexp|frexp|modf|scalbln?|ilogb|nextafter|copysign|fabs|fmax|fmin|fdim|floor|ceil|trunc|l?l?round
    |roundeven|nearbyint|l?l?rint|exp10|sincos|j[01n]|y[01n])f?
    |__(mul|div)[sd]c3|__u?(div|mod|divmod)[dt]i[34]|__multi3|__powi[sd]f2|__(trunc|extend)[a-z]+2|__(fix|float)[a-z]+
    """, re.X)
# What an object from disk may ask this process for besides: CPython about signals (llvm/polls.py); threads (native/threads.py).
_SERVICES = re.compile(r"""PyGILState_(Ensure|Release)|PyErr_(CheckSignals|Fetch|NormalizeException)
    |pthread_(create|detach|self|sigmask|key_create|[gs]etspecific|mutex_(init|lock|unlock)|cond_(init|wait|signal|broadcast))
    """, re.X)
# Families that object code from disk has no use for: random generators are objects of one process.
_OF_PROCESS = frozenset({"npyrandom", "pyrandom", "npytables"})


# The elements of large constant arrays, by the name of their content; whoever runs the code keeps them alive.
_constants: weakref.WeakValueDictionary[str, np.ndarray] = weakref.WeakValueDictionary()
PROVIDERS["constant"] = lambda names: [_constants[name].ctypes.data for name in names]


def constant(data: np.ndarray) -> tuple[str, np.ndarray]:
    """(the external symbol of a contiguous array whose elements never change, the array of these elements that it leads to)."""
    name = hashlib.sha256(data.tobytes()).hexdigest()[:40]
    return f"constant.{name}", _constants.setdefault(name, data)


def held_constant(symbol: str) -> np.ndarray:
    """The array that a symbol made by `constant` leads to."""
    return _constants[symbol.partition(".")[2]]


def in_c_library(name: str) -> bool:
    """Whether a symbol is one that the C library, its mathematical part or the compiler's run-time library has."""
    return _C_LIBRARY.fullmatch(name) is not None


def is_allowed(name: str) -> bool:
    """Whether code from disk may refer to a symbol."""
    family, _, rest = name.partition(".")
    if family == "clibrary" or not rest:
        plain = rest or name
        return name in ("_GLOBAL_OFFSET_TABLE_", "") or in_c_library(plain) or _SERVICES.fullmatch(plain) is not None
    return family in PROVIDERS and family not in _OF_PROCESS


def bind_symbols(names: list[str]) -> None:
    """Give every external symbol of an object its address. MCJIT ends the process where one is missing, so look first."""
    wanted: dict[str, list[str]] = {}
    for name in names:
        family, _, rest = name.partition(".")
        if name in _bound or family == "llvm":
            continue
        if rest and family in PROVIDERS:
            wanted.setdefault(family, []).append(rest)
        elif hasattr(_PROCESS, name):
            _bound.add(name)
        else:
            raise IRError(f"the generated code calls {name}, which this process does not have")
    for family, names in wanted.items():
        for rest, address in zip(names, PROVIDERS[family](names), strict=True):
            if not address:
                raise IRError(f"there is no {family}.{rest} in this process")
            llvm.add_symbol(f"{family}.{rest}", address)
            if family != "constant":                # of these the address changes when the array has been given up
                _bound.add(f"{family}.{rest}")


class Code:
    """Machine code of one module.

    size    bytes of its text section
    object  the relocatable object file (a bundle of several, see module_parts.py), from which `load` makes the same code again
    phases  milliseconds that each phase of making it took: compiling, or loading what had been compiled
    key     the name under which the object is kept on disk; None where it is not
    """

    __slots__ = ("_engine", "_source", "key", "object", "phases", "size")

    def __init__(self, engine: Any, source: bytes, object: bytes, size: int, phases: dict[str, float], key: str | None = None):
        self._engine, self._source, self.object, self.size, self.phases = engine, source, object, size, phases
        self.key = key

    def address(self, name: str) -> int:
        """The address of a function or global variable of the module."""
        with LOCK:
            if self._engine is None:
                raise ValueError("this code has been closed")
            address = self._engine.get_function_address(name) or self._engine.get_global_value_address(name)
        if not address:
            raise KeyError(name)
        return address

    @property
    def closed(self) -> bool:
        return self._engine is None

    @property
    def source(self) -> str:
        """The LLVM IR text that it was compiled from."""
        return zlib.decompress(self._source).decode()

    def llvm(self) -> str:
        """The optimised LLVM IR, made again from the source."""
        return optimized(self.source)

    def asm(self) -> str:
        """The machine code as assembly text, made again from the source."""
        return assembly(self.source)

    def close(self) -> None:
        """Free the machine code; nothing may be running in it."""
        with LOCK:
            engine, self._engine = self._engine, None
            if engine is not None:
                engine.close()

    def __del__(self, is_finalizing: Callable = sys.is_finalizing) -> None:     # bound here: modules may be empty at the end
        if getattr(self, "_engine", None) is not None and not is_finalizing():
            _dropped.append(self._engine)


_dropped: list[llvm.ExecutionEngine] = []


def _free_dropped() -> None:
    while _dropped:
        _dropped.pop().close()


def compile_module(source: str, optimize: bool = True) -> Code:
    """Machine code of LLVM IR text; `optimize` False where it is as it should be already."""
    key = object_key(source, "optimized" if optimize else "as it is")
    return from_disk(key) or _compiled(source, optimize, key)


def compile_named(name: str, make: Callable[[], str]) -> Code:
    """Machine code of text that this package writes: the name says which, so that a warm start need not write it again."""
    key = object_key(name, "named")
    return from_disk(key) or _compiled(make(), False, key)


def _compiled(source: str, optimize: bool, key: str | None) -> Code:
    made = object_of(source, optimize)
    code = load(made.binary, source)
    ticks = [*made.ticks, time.perf_counter()]
    code.phases = {name: 1e3 * (b - a) for name, a, b in zip(_PHASES, ticks, ticks[1:], strict=False)}
    keep(code, source, key)
    return code


_PHASES = ("parse", "passes", "machine", "link")


def load(binary: bytes, source: str) -> Code:
    """Machine code from an object file that has just been compiled."""
    names = wanted_by(members(binary)) if is_elf(members(binary)[0]) else _EXTERNAL.findall(source)
    return _linked(binary, zlib.compress(source.encode(), 1), names)


def wanted_by(objects: list[bytes]) -> list[str]:
    """The names that object files which are linked together ask of the process."""
    own = {f.name for x in objects for f in functions(x)} if len(objects) > 1 else set()
    return [name for name in dict.fromkeys(name for x in objects for name in undefined(x)) if name not in own]


def _linked(binary: bytes, source: bytes, names: list[str], key: str | None = None) -> Code:
    first, *others = members(binary)
    with LOCK:
        _free_dropped()
        size = sum(map(_text_size, (first, *others)))
        bind_symbols(names)
        loader = host()[0].create_target_machine(opt=0, reloc="pic", codemodel="small")      # compiles nothing: any CPU will do
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), loader, use_lmm=True)
        engine.set_object_cache(getbuffer_func=lambda module: first)       # instead of compiling the empty module
        for other in others:
            engine.add_object_file(llvm.ObjectFileRef.from_data(other))
        engine.finalize_object()
        engine.set_object_cache()
    return Code(engine, source, binary, size, {}, key)


def _text_size(binary: bytes) -> int:
    """Bytes of machine code. Raises where it is no object file at all, for which MCJIT ends the process."""
    if is_linkable(binary):
        return text_size(binary)
    with llvm.ObjectFileRef.from_data(binary) as file:
        return sum(section.size() for section in file.sections() if section.is_text())


# --- object code on disk ----------------------------------------------------------------------------------------------


def object_key(source: str, how: str) -> str | None:
    """The name under which the machine code of a text is kept; None where it cannot be, as the text holds an address."""
    if folder.path() is None or "inttoptr (i64 " in source:
        return None
    return objects.key_of(source, (how, *target_names()))


def target_names() -> tuple[str, ...]:
    """What machine code is made for and by: the CPU with its features, and LLVM's version."""
    _, cpu, features = host()
    return cpu, features, ".".join(map(str, llvm.llvm_version_info)), llvmlite.__version__


def keep(code: Code, source: str, key: str | None) -> None:
    """Keep an object for other processes, unless it asks for what none may give it."""
    parts = members(code.object)
    if key is not None and all(map(is_linkable, parts)) and all(map(is_allowed, wanted_by(parts))):
        objects.keep(key, code.object, source, code.phases, host()[1])
        code.key = key


def from_disk(key: str | None) -> Code | None:
    """The machine code that is kept under a name, linked into this process; None where there is none that can be used."""
    start = time.perf_counter()
    found = objects.find(key)
    if found is None:
        return None
    try:
        parts = members(found.binary)
        if not all(map(is_linkable, parts)):
            raise IRError("it is no object file for this machine")
        names = wanted_by(parts)
        foreign = [name for name in names if not is_allowed(name)]
        if foreign:
            raise IRError(f"it asks for {foreign[0]}")
        code = _linked(found.binary, found.source, names, key)
    except Exception as error:                     # whatever is wrong with what lies on a disk: compile it
        LOG.warning("cache entry %s.code is not used: %s", key, error)
        return None
    code.phases = {"load": 1e3 * (time.perf_counter() - start)}
    return code


# --- printing from machine code ---------------------------------------------------------------------------------------


def _printed(form: int, form_size: int, kinds: int, kinds_size: int, words: int) -> None:
    """Print a format filled with values. `kinds` names their dtypes, with ":rank" for an array (address, then dimensions)."""
    names = ctypes.string_at(kinds, kinds_size).decode().split(",") if kinds_size else []
    values, at = [], words
    for name in names:
        name, _, rank = name.partition(":")
        d = known_dtype(name)
        if rank:
            address, *dims = (ctypes.c_int64 * (1 + int(rank))).from_address(at)
            raw = ctypes.string_at(address, math.prod(dims) * d.size)
            values.append(np.frombuffer(raw, d.np).reshape(dims))
            at += 8 * (1 + int(rank))
        else:
            values.append(from_words(ctypes.string_at(at, 16 if d.complex else 8), d))
            at += 16 if d.complex else 8
    say(ctypes.string_at(form, form_size).decode(), values)


def from_words(raw: bytes, d: DType) -> Array:
    """The NumPy scalar that a check or a print passed as 64-bit words: see `Emitter.words`."""
    if d.inexact:
        return d.np.type(np.frombuffer(raw, np.complex128 if d.complex else np.float64)[0])
    return np.frombuffer(raw, np.uint64)[0].astype(np.int64 if d.kind in "ix" else np.uint64).astype(d.np)


_PRINT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(_printed)
PROVIDERS["tracegrad"] = lambda names: [function_address(_PRINT)] * len(names)
