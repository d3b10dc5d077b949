"""A report as data: what is found out about a call, without any form."""
from __future__ import annotations

import linecache
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..explain import Note, explain
from ..ir.core import Block, Function, Value
from ..jitted.api import Jitted
from ..lowering.llvm import annotated
from ..lowering.llvm.annotated import Place, place
from ..lowering.loopir.grammar import Kernel
from ..options import config, owned
from ..programs import compile
from ..tracer.staging import arguments, trace_function
from .costs import Costs, measured, timed
from .flow import Edge, flow_of
from .stages import Stage, stages_of


@dataclass
class Source:
    """A piece of a file: the lines of the functions that a program is made of. first: the number of the first."""

    file: str
    first: int
    lines: list[str]


@dataclass
class Report:
    """title: the call; sources: what is shown of files; kept: bytes of tapes by the line whose values they keep."""

    title: str
    sources: list[Source]
    stages: list[Stage]
    notes: list[Note]
    costs: Costs
    kept: Counter[Place]
    flow: list[Edge]
    facts: dict[str, str] = field(default_factory=dict)


@owned
def report_of(jitted: Jitted, args: tuple, kwargs: dict[str, Any], seconds: float = 0.5) -> Report:
    """Compile a call with loops that count, run it for about so many seconds, and gather what there is to say.

    Parameters: the compiled function; the arguments of a call, whose values are used in the runs (copies of them).
    Result: a Report. Errors: those of the call itself.
    """
    call = jitted.flatten(args, kwargs)
    form = compile.form_of(call, arguments.parameters_of(jitted.root).names, args, kwargs)
    counted: list[tuple[Kernel, np.ndarray]] = []

    def write(kernel: Kernel, *, fastmath: bool = False) -> str:
        text, counts = annotated.counting(kernel, timed(kernel), fastmath)
        counted.append((kernel, counts))
        return text

    traced = jitted.program(call, trace_function.trace_call)
    found = compile.specialise(traced, call, form, write=write)
    (kernel, counts), = counted
    costs = measured(kernel, counts, _runs(jitted, found, args, kwargs), seconds)
    final = compile.final(compile.without_aliases(traced, call), found.about.captures)
    stages = stages_of(traced.function, final, kernel)
    kept = tapes(final)
    return Report(
        title=f"{jitted.named()}({found.about.types})",
        sources=sources_of(stages), stages=stages, notes=explain(jitted, *args, **kwargs).notes, costs=costs, kept=kept,
        flow=flow_of(traced.function),
        facts={"a call": shown_time(costs.total), "runs counted": str(costs.runs), "loops": str(len(costs.loops)),
               "kept for the derivative": shown_bytes(sum(kept.values())),
               "compiled in": f"{sum(found.phases.values()):.0f} ms"})


def _runs(jitted: Jitted, found: Any, args: tuple, kwargs: dict[str, Any]) -> Callable[[], object]:
    """What calls a specialisation with copies of the arguments, as it may write to them."""
    def run() -> object:
        again = jitted.flatten(*_copied((args, kwargs)))
        with config(threads=1):
            return found.invoke([*compile.leaf_values(found.about.traced, again), *(found.about.captures.find() or ())])

    return run


def _copied(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x.copy()
    if type(x) in (tuple, list):
        return type(x)(map(_copied, x))
    return {k: _copied(v) for k, v in x.items()} if type(x) is dict else x


def tapes(f: Function) -> Counter[Place]:
    """Bytes that are kept of loops for the backward pass, by the line whose values they are; 0 for stacks, which grow."""
    found: Counter[Place] = Counter()
    ops = list(f.body.walk())
    loops = {region: op for op in ops for region in op.regions}

    def origin(v: Value) -> Value:
        """What a carried value is before the first iteration."""
        while isinstance(v.owner, Block) and (loop := loops.get(v.owner)) is not None:
            before_carries = len(v.owner.params) - len(loop.results)
            if loop.name not in ("for", "while") or v.slot < before_carries:
                break
            v = loop.operands[len(loop.operands) - len(loop.results) + v.slot - before_carries]
        return v

    writers = {origin(op.operands[op.defn.overwrites]): op for op in reversed(ops) if op.defn.overwrites is not None}
    for op in ops:
        if op.name == "push":
            found[place(op.loc)] += 0
        elif op.name == "empty" and all(isinstance(d, int) for d in op.result.dims):
            size = math.prod(d for d in op.result.dims if isinstance(d, int)) * op.result.dtype.size
            found[place(writers.get(op.result, op).loc)] += size
    return found


def sources_of(stages: list[Stage]) -> list[Source]:
    """The lines of the files that rows come from, from the first `def` around them to the end of the last function."""
    seen: dict[str, set[int]] = {}
    for stage in stages:
        for row in stage.rows:
            for file, line in row.place:
                seen.setdefault(file, set()).add(line)
    found = []
    for file, numbers in seen.items():
        lines = [text.rstrip("\n") for text in linecache.getlines(file)]
        if not lines:
            continue
        first, last = min(numbers), max(numbers)
        while first > 1 and not lines[first - 1].lstrip().startswith(("def ", "async def ")):
            first -= 1
        while first > 1 and lines[first - 2].startswith("@"):
            first -= 1
        found.append(Source(file, first, lines[first - 1:_end(lines, last)]))
    return found


def _end(lines: list[str], last: int) -> int:
    """The last line of the function around line `last`: the lines after it that are indented more than its `def`."""
    heads = [text for text in lines[:last] if text.lstrip().startswith(("def ", "async def "))]
    indent = len(heads[-1]) - len(heads[-1].lstrip()) if heads else len(lines[last - 1])
    end = last
    for k in range(last, len(lines)):
        if lines[k].strip():
            if len(lines[k]) - len(lines[k].lstrip()) <= indent:
                break
            end = k + 1
    return end


def shown_time(seconds: float) -> str:
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1.0:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def shown_bytes(n: int) -> str:
    for factor, unit in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if n >= factor:
            return f"{n / factor:.3g} {unit}"
    return f"{n} bytes"


def name_of(file: str) -> str:
    return Path(file).name
