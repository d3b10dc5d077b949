"""What a compiled function says of each of its forms: `f.specializations`."""
from __future__ import annotations

from typing import NamedTuple


class SpecializationInfo(NamedTuple):
    """One compiled form.

    types       the arguments with their dtypes and shapes, and the values of those that are part of the specialisation
    phases      milliseconds of its compilation: trace, optimize (the IR), loops, emit, then LLVM's parse, passes, machine
                and link (or load, of code that was on the disk), and entry, the code that takes calls
    code_bytes  machine code;  hits  calls that it served
    origin      "compiled", "symbolic" (compiled for many lengths), or "disk": an earlier process compiled it
    """

    types: str
    phases: dict[str, float]
    code_bytes: int
    hits: int
    origin: str = "compiled"

    @property
    def compile_ms(self) -> float:
        return sum(self.phases.values())

    def __repr__(self) -> str:
        phases = ", ".join(f"{name} {ms:.1f}" for name, ms in self.phases.items())
        return (f"<({self.types}): from disk, " if self.origin == "disk" else f"<({self.types}): ") + (
            f"{self.compile_ms:.1f} ms ({phases}), {self.code_bytes:,} bytes of code, {self.hits:,} hits>")
