"""LLVM IR text to object files: the passes for the host CPU, and the machine code.

    text -> parse -> passes (O3 or O2 for the host CPU, 512-bit vectors where it has them) -> object file

Each module has a context while it is compiled, so the IR is freed at once. LLVM's contexts are independent of one another, its
global tables are not: one lock covers every call into LLVM but those of a long compilation. Those wait for no lock, neither
ours nor llvmlite's, so several run at once, each on a thread of its own; and the main thread, which only waits for them, can be
interrupted: Ctrl-C raises at once, the thread goes on to its end, and whoever asks for the same code again gets it from there.
"""
from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from llvmlite.binding.newpassmanagers import NewPassManager

from ...ir.errors import IRError
from ...ir.thresholds import sizes
from . import masked_stores
from .elf import is_elf, needs_stubs
from .locks import Lock, Work, register
from .module_parts import bundle, parts

LOCK = Lock(5)
_WORK = Work(6)                         # long compilations: they begin under the lock above, and take only the one below
register(7, llvm.ffi.lib._lock)          # llvmlite's own, which other libraries use too


@cache
def host() -> tuple[llvm.Target, str, str]:
    """(target, CPU name, feature string) of this machine."""
    with LOCK:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        features = llvm.get_host_cpu_features()
        features["prefer-256-bit"] = False
        return llvm.Target.from_default_triple(), llvm.get_host_cpu_name(), features.flatten()


@cache
def features() -> frozenset[str]:
    """The names of the host CPU's features."""
    return frozenset(name[1:] for name in host()[2].split(",") if name.startswith("+"))


def target_machine(codemodel: str = "small") -> llvm.TargetMachine:
    target, cpu, features = host()
    return target.create_target_machine(cpu=cpu, features=features, opt=3, reloc="pic", codemodel=codemodel)


# Calls of library functions that LLVM inserts (memcpy, fmod …) go through the table of addresses too.
_USE_GOT = '!llvm.module.flags = !{!0}\n!0 = !{i32 7, !"RtLibUseGOT", i32 1}\n'


@cache
def data_layout() -> str:
    """The header that every module starts with: without it the optimiser assumes a generic machine."""
    with LOCK:
        target = host()[0]
        machine = target_machine()
        layout = f'target datalayout = "{machine.target_data}"\ntarget triple = "{target.triple}"\n{_USE_GOT}'
        machine.close()
        return layout


@cache
def _machine() -> llvm.TargetMachine:
    """The target machine of all short compilations; an engine, and a long compilation, take one of their own."""
    return target_machine()


def _unlocked(name: str) -> Callable:
    """A function of llvmlite's without the lock that all of them share. Threads may be in it at once, each with its context."""
    function = getattr(llvm.ffi.lib, name)
    return getattr(function, "_cfn", function)


def run_passes(module: Any, machine: Any, lines: int = 0) -> None:
    """O3, for a text of many lines O2: what that leaves out, copies of loops for each side of a condition above all, gains
    nothing in programs of that size and is a fifth of their compilation. A pass builder takes note of each run and would grow
    slower, so each has its own."""
    options = llvm.create_pipeline_tuning_options(speed_level=3 if lines <= sizes.llvm_hard else 2)
    # LLVM 22's SLP vectoriser makes loads such as <10 x double>, which its x86 back end moves past stores that overlap them:
    # `x[:] = x[::-1]` of 5 x 5 came out wrong. The loop vectoriser does not make them.
    options.loop_vectorization, options.slp_vectorization, options.loop_unrolling = True, False, False
    with options, llvm.create_pass_builder(machine, options) as builder:
        manager = builder.getModulePassManager()
        _unlocked("LLVMPY_RunNewModulePassManager")(manager, module, builder)
        NewPassManager._dispose(manager)          # its own close() does nothing: ObjectRef's empty _dispose comes first
        manager.detach()


def far_calls(module: Any) -> None:
    """Have functions outside called through the table of addresses."""
    for function in module.functions:
        if function.is_declaration and not function.name.startswith("llvm."):
            function.add_function_attribute("nonlazybind")


@contextmanager
def optimized_module(source: str, machine: Any, ticks: list[float], optimize: bool = True) -> Iterator[Any]:
    """The module of a text after the passes, for the duration of the block."""
    ticks.append(time.perf_counter())
    context = llvm.create_context()
    try:
        with ExitStack() as held:
            module = held.enter_context(llvm.parse_assembly(data_layout() + source, context))
            module.verify()
            ticks.append(time.perf_counter())
            if optimize:
                run_passes(module, machine, source.count("\n"))
                text = masked_stores.mended(module)
                module = module if text is None else held.enter_context(llvm.parse_assembly(text, context))
            far_calls(module)
            ticks.append(time.perf_counter())
            yield module
    finally:
        context.close()


def optimized(source: str) -> str:
    """The LLVM IR text after the passes, one part after the other."""
    return "\n".join([_shown(part, lambda module, _: str(module)) for part in parts(source)])


def assembly(source: str) -> str:
    """The host's assembly text, one part after the other."""
    return "\n".join([_shown(part, lambda module, machine: machine.emit_assembly(module)) for part in parts(source)])


def _shown(source: str, text: Callable[[Any, Any], str]) -> str:
    with LOCK, optimized_module(source, _machine(), []) as module:
        _machine().set_asm_verbosity(True)
        return text(module, _machine())


def _emitted(module: Any, machine: Any) -> bytes:
    with llvm.ffi.OutputString() as message:
        buffer = _unlocked("LLVMPY_TargetMachineEmitToMemory")(machine, module, 1, message)
        if not buffer:
            raise IRError(f"LLVM emits no object code: {message}")
    try:
        return ctypes.string_at(llvm.ffi.lib.LLVMPY_GetBufferStart(buffer), llvm.ffi.lib.LLVMPY_GetBufferSize(buffer))
    finally:
        llvm.ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


class Made(NamedTuple):
    """An object file, and when each phase of making it began and the last ended, in seconds."""

    binary: bytes
    ticks: list[float]


def _made(source: str, optimize: bool, machine: Any) -> Made:
    ticks: list[float] = []
    with optimized_module(source, machine, ticks, optimize) as module:
        binary = without_stubs(module, machine, _emitted)
        ticks.append(time.perf_counter())
    return Made(binary, ticks)


def without_stubs(module: Any, machine: Any, emit: Callable[[Any, Any], bytes]) -> bytes:
    """The object file of a module; in the large code model where its calls would need stubs, for which llvmlite's memory
    manager keeps no room. LLVM 20 makes such calls without passes, whatever `far_calls` asks for, and loading them ends the
    process."""
    binary = emit(module, machine)
    if is_elf(binary) and needs_stubs(binary):
        with target_machine("large") as large:
            binary = emit(module, large)
    return binary


# --- long compilations ------------------------------------------------------------------------------------------------


class _Job:
    """A compilation on a thread of its own. It goes on to its end, also where nobody waits for it any more."""

    def __init__(self, source: str, optimize: bool):
        self.key = source, optimize
        self.over = threading.Event()
        self.made: Made | None = None
        self.error: BaseException | None = None
        _WORK.begin()
        _jobs[self.key] = self
        try:
            _start(threading.Thread(target=self._run, name="tracegrad.compile"))
        except RuntimeError:                       # there are no more threads, or none at all
            self._run()

    def _run(self) -> None:
        try:
            with target_machine() as machine:
                self.made = _made(*self.key, machine)
        except BaseException as error:             # it is raised where it is waited for
            self.error = error
        finally:
            del _jobs[self.key]
            _WORK.end()
            self.over.set()

    def result(self) -> Made:
        """A signal's handler may raise while this waits."""
        self.over.wait()
        if self.made is None:
            assert self.error is not None
            raise self.error
        return self.made


_STACK = 16 << 20                     # bytes: LLVM's recursion is as deep as blocks are long


def _start(thread: threading.Thread) -> None:
    """Start a thread for LLVM, however little room the program wants its own threads to have."""
    before = threading.stack_size(_STACK)
    try:
        thread.start()
    finally:
        threading.stack_size(before)


_jobs: dict[tuple[str, bool], _Job] = {}


def object_of(source: str, optimize: bool = True) -> Made:
    """The object file of LLVM IR text, or a bundle of them; `optimize` False where it is as it should be already."""
    if not optimize or source.count("\n") < sizes.llvm_thread:
        with LOCK:
            return _made(source, optimize, _machine())
    data_layout()
    with LOCK:                                      # no signal between the note that a job runs and its start
        jobs = [_jobs.get((part, optimize)) or _Job(part, optimize) for part in parts(source)]
    made = [job.result() for job in jobs]
    return Made(bundle([x.binary for x in made]), max((x.ticks for x in made), key=lambda ticks: ticks[-1]))
