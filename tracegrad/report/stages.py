"""The rows of each stage of a program, each with the user's lines that it comes from."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..ir.core import Function
from ..ir.text.printer import print_function
from ..ir.text.source_comments import Places
from ..lowering.llvm import annotated
from ..lowering.llvm.annotated import Place, place
from ..lowering.loopir.grammar import Kernel
from ..lowering.loopir.text import print_kernel
from ..lowering.native.object_code import assembly, optimized
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


NAMES = ("traced", "optimized", "loops", "llvm", "asm")


def stages_of(traced: Function, final: Function, kernel: Kernel, names: Sequence[str] = NAMES) -> list[Stage]:
    """The stages of a program, from the trace to the host's assembly; those that `names` has, in its order."""
    text, known = annotated.located(kernel, uses_fastmath())

    def rows(found: list[tuple[str, int]]) -> list[Row]:
        return [Row(row, known[number - 1] if number else ()) for row, number in found]

    made: dict[str, tuple[str, Callable[[], list[Row]]]] = {
        "traced": ("Trace", lambda: listing(lambda places: print_function(traced, margin=places))),
        "optimized": ("IR", lambda: listing(lambda places: print_function(final, margin=places))),
        "loops": ("Loops", lambda: listing(lambda places: print_kernel(kernel, margin=places))),
        "llvm": ("LLVM", lambda: rows(annotated.llvm_rows(optimized(text)))),
        "asm": ("Assembly", lambda: rows(annotated.assembly_rows(assembly(text)))),
    }
    return [Stage(name, made[name][0], made[name][1]()) for name in names]
