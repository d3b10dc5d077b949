"""From a kernel in the loop IR to a specialisation that can be called."""
from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.thresholds import sizes
from ..llvm.emit import emit
from ..loopir.grammar import At, Buffer, Copy, Kernel, Lib, Load, Print, walk
from ..native.engine import compile_module, constant
from .calling_convention import Arguments, Out, Signature
from .error_decoding import reporter
from .specialisation import Specialisation


def assemble(
    kernel: Kernel,
    arguments: Arguments,
    output: Out,
    inout: dict[int, int] | None = None,
    *,
    fastmath: bool = False,
    options: int = 0,
    phases: dict[str, float] | None = None,
    about: Any = None,
    write: Callable[..., str] = emit,
) -> Specialisation:
    """Compile a kernel for one form of call. `inout`: {result: parameter whose memory it overwrites}, as in the function's
    attributes; those results are no parameters of the kernel. It takes calls while `dispatch.set_options(options)` holds.
    `write`: makes the LLVM IR."""
    start = time.perf_counter()
    held = held_constants(kernel)
    text = write(kernel, fastmath=fastmath)
    phases = dict(phases or {}) | {"emit": 1e3 * (time.perf_counter() - start)}
    code = compile_module(text)
    signature = signature_of(kernel, arguments, output, inout or {}, options)
    return Specialisation(signature, code, kernel.symbol, reporter(kernel), phases=phases, about=about,
                          constants=held)


def held_constants(kernel: Kernel) -> list[np.ndarray]:
    """The arrays whose addresses the code of a kernel has; ask before the code is made, and keep them as long as it is run."""
    return [_held(buffer) for buffer in constants(kernel)]


def _held(buffer: Buffer) -> np.ndarray:
    data = buffer.constant
    return constant(data)[1] if buffer.frozen and data.nbytes > sizes.constant else data


def signature_of(kernel: Kernel, arguments: Arguments, output: Out, inout: dict[int, int], options: int = 0) -> Signature:
    """The kernel's pointers are the parameters, then the results that are not written into a parameter."""
    given = Signature(arguments, output, ())
    made = sorted(given.results())
    order = tuple(("in", k) for k in range(given.params)) + tuple(("out", k) for k in made)
    if len(order) != len(kernel.params):
        raise ValueError(f"kernel {kernel.name} has {len(kernel.params)} parameters; arguments and results make {len(order)}")
    captured = tuple(buffer.constant for buffer in constants(kernel) if not buffer.frozen)
    writes = tuple(sorted(set(inout.values())))
    return Signature(arguments, output, order, writes, captured, kernel.work >= sizes.release, options)


def constants(kernel: Kernel) -> tuple[Buffer, ...]:
    """The constant arrays that the kernel reads; the code has the addresses of some."""
    found: dict[Buffer, None] = {}
    for stmt in walk(kernel.body):
        match stmt:
            case Load(buffer=buffer) | Copy(src=buffer):
                read = (buffer,)
            case Lib(args=args) | Print(values=args):
                read = tuple(a.buffer if isinstance(a, At) else a for a in args)
            case _:
                continue
        found |= dict.fromkeys(b for b in read if isinstance(b, Buffer) and b.space == "const")
    return tuple(found)
