"""LLVM IR text to machine code in this process, and back to memory.

    text -> parse -> passes (O3 for the host CPU, 512-bit vectors where it has them) -> object file -> MCJIT -> Code

Each module has a context while it is compiled and an execution engine while it lives, so the IR is freed at once and
`Code.close` returns the rest: an engine shared by all would keep some kilobytes of each module for ever. LLVM's global tables and its default context are not thread-safe: one lock covers every call into LLVM; machine code
itself runs without it.
"""
from __future__ import annotations

import ctypes
import re
import threading
import time
import zlib
from contextlib import contextmanager
from functools import cache

import llvmlite.binding as llvm
from llvmlite.binding.newpassmanagers import NewPassManager

from ..ir.errors import IRError

_LOCK = threading.RLock()


@cache
def host() -> tuple[llvm.Target, str, str]:
    """(target, CPU name, feature string) of this machine."""
    with _LOCK:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        features = llvm.get_host_cpu_features()
        features["prefer-256-bit"] = False
        return llvm.Target.from_default_triple(), llvm.get_host_cpu_name(), features.flatten()


def target_machine() -> llvm.TargetMachine:
    target, cpu, features = host()
    return target.create_target_machine(cpu=cpu, features=features, opt=3, jit=True)


@cache
def data_layout() -> str:
    """The header that every module starts with: without it the optimiser assumes a generic machine."""
    with _LOCK:
        target = host()[0]
        machine = target_machine()
        layout = f'target datalayout = "{machine.target_data}"\ntarget triple = "{target.triple}"\n'
        machine.close()
        return layout


_PROCESS = ctypes.CDLL(None)
_bound: dict[str, int] = {}
_kept: list = []


def bind(name: str, address: int, keep=None) -> None:
    """Make `name` an external symbol of every module, with this address; `keep` lives as long as the process."""
    with _LOCK:
        if _bound.get(name) != address:
            host()
            llvm.add_symbol(name, address)
            _bound[name] = address
            _kept.append(keep)


def is_bound(name: str) -> bool:
    return name in _bound


class Code:
    """Machine code of one module.

    size    bytes of its text section
    object  the relocatable object file, from which `load` makes the same code again
    phases  milliseconds that each phase of the compilation took
    """

    __slots__ = ("_engine", "_source", "object", "phases", "size")

    def __init__(self, engine, source: bytes, object: bytes, size: int, phases: dict[str, float]):
        self._engine, self._source, self.object, self.size, self.phases = engine, source, object, size, phases

    def address(self, name: str) -> int:
        """The address of a function or global variable of the module."""
        with _LOCK:
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
        with _LOCK:
            engine, self._engine = self._engine, None
            if engine is not None:
                engine.close()

    def __del__(self):
        if getattr(self, "_engine", None) is not None:
            self.close()


@cache
def _pipeline():
    """(machine, pass builder), made once: they keep no state of a module."""
    machine = target_machine()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    return machine, llvm.create_pass_builder(machine, options)


def _run_passes(module, builder) -> None:
    manager = builder.getModulePassManager()
    manager.run(module, builder)
    NewPassManager._dispose(manager)          # its own close() does nothing: ObjectRef's empty _dispose comes first
    manager.detach()


@contextmanager
def _optimized(source: str, ticks: list[float]):
    """(module, target machine) after the passes, for the duration of the block."""
    with _LOCK:
        ticks.append(time.perf_counter())
        machine, builder = _pipeline()
        context = llvm.create_context()
        try:
            module = llvm.parse_assembly(data_layout() + source, context)
            with module:
                module.verify()
                ticks.append(time.perf_counter())
                _run_passes(module, builder)
                ticks.append(time.perf_counter())
                yield module, machine
        finally:
            context.close()


def optimized(source: str) -> str:
    """The LLVM IR text after the passes."""
    with _optimized(source, []) as (module, _):
        return str(module)


def assembly(source: str) -> str:
    """The host's assembly text."""
    with _optimized(source, []) as (module, machine):
        machine.set_asm_verbosity(True)
        return machine.emit_assembly(module)


_EXTERNAL = re.compile(r"^(?:declare\b.*?|@\S+ = external .*?)@([\w.$]+)|^@([\w.$]+) = external", re.M)


def check_symbols(source: str) -> None:
    """MCJIT ends the process where a symbol is missing, so look first."""
    for match in _EXTERNAL.finditer(source):
        name = match[1] or match[2]
        if name not in _bound and not name.startswith("llvm.") and not hasattr(_PROCESS, name):
            raise IRError(f"the generated code calls {name}, which this process does not have")


def compile_module(source: str) -> Code:
    """Compile LLVM IR text; external symbols are those of the process and of `bind`."""
    ticks: list[float] = []
    with _optimized(source, ticks) as (module, machine):
        check_symbols(source)
        binary = machine.emit_object(module)
        ticks.append(time.perf_counter())
    code = load(binary, source)
    ticks.append(time.perf_counter())
    code.phases = {name: 1e3 * (b - a) for name, a, b in zip(_PHASES, ticks, ticks[1:], strict=False)}
    return code


_PHASES = ("parse", "optimize", "machine", "link")


def load(binary: bytes, source: str) -> Code:
    """Machine code from an object file that `compile_module` made on a machine like this one."""
    with _LOCK:
        host()
        check_symbols(source)
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
        engine.set_object_cache(getbuffer_func=lambda module: binary)      # instead of compiling the empty module
        engine.finalize_object()
        engine.set_object_cache()
        with llvm.ObjectFileRef.from_data(binary) as file:
            size = sum(section.size() for section in file.sections() if section.is_text())
    return Code(engine, zlib.compress(source.encode(), 1), binary, size, {})
