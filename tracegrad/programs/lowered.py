"""A program at each stage of its way to machine code, as text."""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .. import rich_display
from ..autodiff import forward
from ..autodiff.reverse import reverse
from ..captures.captures import captures_of
from ..ir.core import Function
from ..ir.errors import ArgumentError, Frame
from ..ir.text.color import colored
from ..ir.text.printer import print_function
from ..ir.transforms import pipeline
from ..lowering.build import loop_builder
from ..lowering.llvm.emit import emit
from ..lowering.loopir.passes import pipeline as loop_passes
from ..lowering.loopir.text import print_kernel
from ..lowering.memory import layout
from ..lowering.native.object_code import assembly
from ..lowering.native.object_code import optimized as optimized_llvm
from ..lowering.schedule.memory_plan import MemoryPlan
from ..options import config, owned
from ..tracer.staging.arguments import Call
from ..tracer.staging.traced import Traced
from . import compile

STAGES = ("traced", "optimized", "jvp", "vjp", "schedule", "loops", "llvm", "asm")


def _place(loc: tuple[Frame, ...]) -> str:
    return f"{os.path.basename(loc[-1].file)}:{loc[-1].line}  " if loc else ""


class Lowered:
    """What `f.lower(*args)` returns: `text(stage)` shows the program, `function` is its IR as traced; `compile()` makes its
    machine code, a function of such arguments only."""

    def __init__(self, traced: Traced, call: Call, own_options: dict[str, Any] | None = None,
                 compiled: Callable[[Lowered], Any] | None = None):
        self.traced, self.own_options, self._compiled = traced, own_options or {}, compiled
        self._program = compile.without_aliases(traced, call)

    @property
    def function(self) -> Function:
        return self._program.function

    def compile(self) -> Any:
        """Machine code for arguments of these types (jitted/compiled.py)."""
        if self._compiled is None:
            raise ArgumentError("this program is not of a call", "write tg.jit(f).lower(…).compile()")
        return self._compiled(self)

    def as_text(self) -> str:
        """The program as `text` has it."""
        return self.text()

    @owned
    def text(self, stage: str = "optimized", *, margin: bool = False, color: bool = False) -> str:
        """The program at a stage: "traced", "optimized", "jvp", "vjp" (after the passes), "schedule" (where each array
        lives), "loops", "llvm" or "asm"; or as it is after one pass, as in "after:licm".

        margin: with the user's source lines beside the ops; color: with terminal colours. Raises ArgumentError for
        another stage.
        """
        if stage.startswith("after:"):
            return self._after(stage.removeprefix("after:"), margin, color)
        if stage not in STAGES:
            raise ArgumentError(f"there is no stage {stage!r}", "use one of " + ", ".join(STAGES) + ", or after: and a pass")
        if stage == "schedule":
            return self._schedule(color)
        if stage in ("loops", "llvm", "asm"):
            kernel = loop_builder.lower(self.final())
            if stage == "loops":
                return print_kernel(kernel, margin=margin, color=color)
            source = emit(kernel, fastmath=compile.uses_fastmath())
            text = optimized_llvm(source) if stage == "llvm" else assembly(source)
            return colored(text, stage) if color else text
        text = print_function(self._staged(stage), margin=margin, color=color)
        return self._notes() + text if stage == "vjp" else text

    def _after(self, name: str, margin: bool, color: bool) -> str:
        """The program after the pass of that name, in the IR or in the loop IR."""
        names = [known for known, _ in (*pipeline.PASSES, *loop_passes.PASSES)]
        if name not in names:
            raise ArgumentError(f"there is no pass {name!r}", "use one of " + ", ".join(names))
        if name in dict(pipeline.PASSES):
            program = pipeline.optimize(self.function, verify=config.verify, until=name)
            return print_function(program, margin=margin, color=color)
        kernel = loop_builder.lower(compile.optimized(self._program), verify=config.verify, until=name)
        return print_kernel(kernel, margin=margin, color=color)

    def _schedule(self, color: bool) -> str:
        """The memory of each array, then that of the kernel's temporaries, in bytes."""
        f = loop_builder.flatten_calls(self.final())
        rows = layout.rows(loop_builder.lower(f))
        return MemoryPlan(f).text(color) + "".join(f"# {row}\n" for row in rows)

    @owned
    def final(self) -> Function:
        """The program that goes to lowering."""
        return compile.final(self._program, captures_of(self.traced.held))

    def _notes(self) -> str:
        """What the derivative's loops recompute, restore and tape, as comments."""
        notes: list = []
        reverse.vjp(self.function, self._wrt, None, notes, config.memory_bytes)
        return "".join(f"# {_place(loc)}{text}\n" for _, text, loc in notes)

    @property
    def _wrt(self) -> list[int]:
        return [k for k, p in enumerate(self.function.params) if p.type.dtype.inexact]

    def _staged(self, stage: str) -> Function:
        f, wrt = self.function, self._wrt
        match stage:
            case "traced":
                return f
            case "optimized":
                return self.final()
            case "jvp":
                return pipeline.optimize(forward.jvp(f, wrt), verify=config.verify)
        return pipeline.optimize(reverse.vjp(f, wrt, budget=config.memory_bytes), verify=config.verify)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        """Source, IR and assembly side by side, in a notebook."""
        return rich_display.html_of("lowered", self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """The IR, at IPython's prompt."""
        printer.text(self.text(margin=True).rstrip("\n"))
