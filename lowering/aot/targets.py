"""The machines that code is exported for: their triples, what their plainest processor can do, their vectors.

"host" is this machine with all that its processor has. The others take what every processor of their kind has, so the code runs
on each of them.
"""
from __future__ import annotations

from functools import cache
from typing import NamedTuple

import llvmlite.binding as llvm

from ...ir.errors import ArgumentError
from ..math import library
from ..native import object_code


class Target(NamedTuple):
    """pointer   bits of an address;  widths  of its vectors, () where elementary functions stay in libm
    pairs        whether a C function's complex numbers travel as two floating numbers
    """

    name: str
    triple: str
    cpu: str
    features: str
    abi: str = ""
    pointer: int = 64
    widths: tuple[int, ...] = ()
    pairs: bool = False


_OTHERS = {t.name: t for t in (
    Target("x86_64-linux-gnu", "x86_64-unknown-linux-gnu", "x86-64", ""),
    Target("aarch64-linux-gnu", "aarch64-unknown-linux-gnu", "generic", "+neon", widths=(128,)),
    Target("armv7-linux-gnueabihf", "armv7-unknown-linux-gnueabihf", "generic", "+vfp3d16", pointer=32),
    Target("riscv64-linux-gnu", "riscv64-unknown-linux-gnu", "generic-rv64", "+m,+a,+f,+d,+c", "lp64d"),
    Target("wasm32", "wasm32-unknown-unknown", "generic", "", pointer=32),
)}
TARGETS = ("host", *_OTHERS)


@cache
def target(name: str) -> Target:
    """The target of a name."""
    if name == "host":
        found, cpu, features = object_code.host()
        return Target("host", found.triple, cpu, features, widths=library.widths(), pairs=True)
    if name not in _OTHERS:
        raise ArgumentError(f"there is no target {name!r}", f"use one of {', '.join(TARGETS)}")
    return _OTHERS[name]


@cache
def _all_initialized() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


def machine(of: Target) -> llvm.TargetMachine:
    """What writes the target's object files; call it under the engine's lock."""
    if of.name == "host":
        return object_code.target_machine()
    _all_initialized()
    try:
        found = llvm.Target.from_triple(of.triple)
    except RuntimeError as error:
        raise ArgumentError(f"this LLVM makes no code for {of.name}: {error}", "use another build of llvmlite") from None
    return found.create_target_machine(cpu=of.cpu, features=of.features, opt=3, reloc="pic", codemodel="small",
                                       abiname=of.abi)
