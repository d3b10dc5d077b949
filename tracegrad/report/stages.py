"""The rows of each stage of a program, each with the user's lines that it comes from."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..ir.core import Function
from ..ir.text.printer import print_function
from ..ir.text.source_comments import Places
from ..lowering.llvm import annotated
from ..lowering.llvm.annotated import Place, place
from ..lowering.loopir.grammar import Kernel
from ..lowering.loopir.text import print_kernel
from ..lowering.native.engine import assembly, optimized
from ..programs.compile import uses_fastmath


@dataclass(frozen=True)
class Row:
    """A row of a listing. place: the user's lines that it comes from, the innermost function's last; () for none."""

    text: str
    place: Place = ()


@dataclass(frozen=True)
class Stage:
    name: str
    title: str
    rows: list[Row]


def listing(shown: Callable[[Places], str]) -> list[Row]:
    """The rows of what a printer of the IR or the loop IR prints with these places as its margin."""
    places = Places()
    return [Row(text, place(loc)) for text, loc in places.split(shown(places))]


def stages_of(traced: Function, final: Function, kernel: Kernel) -> list[Stage]:
    """All stages of a program, from the trace to the host's assembly."""
    text, known = annotated.located(kernel, uses_fastmath())

    def rows(found: list[tuple[str, int]]) -> list[Row]:
        return [Row(row, known[number - 1] if number else ()) for row, number in found]

    return [
        Stage("traced", "Trace", listing(lambda places: print_function(traced, margin=places))),
        Stage("optimized", "IR", listing(lambda places: print_function(final, margin=places))),
        Stage("loops", "Loops", listing(lambda places: print_kernel(kernel, margin=places))),
        Stage("llvm", "LLVM", rows(annotated.llvm_rows(optimized(text)))),
        Stage("asm", "Assembly", rows(annotated.assembly_rows(assembly(text)))),
    ]
