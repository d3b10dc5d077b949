"""Machine code for the glue around kernels, compiled for a short compilation.

An entry is straight-line checks and calls: LLVM's optimiser made it no faster in measurements (70 ns a call either way), and
takes five times as long as all the rest (10 ms against 2 ms). So: no passes, and the fast instruction selector. That one gives
up, and leaves the rest of a block to the slow one, at aggregates, and at variables that may be far or replaced by others of
their name: hence the small code model (code and variables lie in one block of memory, see engine.py) and `dso_local`. The
question for signals (llvm/polls.py) is compiled so, too: it is asked each few milliseconds.
"""
from __future__ import annotations

import time
from functools import cache

import llvmlite.binding as llvm

from . import engine, object_code
from .engine import Code


@cache
def _machine() -> llvm.TargetMachine:
    target, cpu, features = object_code.host()
    return target.create_target_machine(cpu=cpu, features=features, opt=0, reloc="pic", codemodel="small")


def compile_glue(source: str) -> Code:
    """Machine code of LLVM IR text that is run seldom, or waits for what it calls."""
    key = engine.object_key(source, "glue")
    return engine.from_disk(key) or _compiled(source, key)


def _compiled(source: str, key: str | None) -> Code:
    start = time.perf_counter()
    with object_code.LOCK:
        machine, header, context = _machine(), object_code.data_layout(), llvm.create_context()
        try:
            with llvm.parse_assembly(header + source, context) as module:
                module.verify()
                object_code.far_calls(module)
                binary = object_code.without_stubs(module, machine, lambda module, machine: machine.emit_object(module))
        finally:
            context.close()
        code = engine.load(binary, source)
    code.phases = {"entry": 1e3 * (time.perf_counter() - start)}
    engine.keep(code, source, key)
    return code
