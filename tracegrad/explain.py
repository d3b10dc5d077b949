"""`explain`: what compiling a call decided that its writer may not expect, each with the line that caused it.

    copy          an array is copied because NumPy's semantics need the old and the new one
    unrolled      a loop is written out, iteration by iteration
    lengths       no program for many lengths can be made, so each length compiles anew
    option        what numba.njit was asked for in a decorated function, and what becomes of it
    static        a Python int decides a shape or an unrolled loop, so each value of it compiles anew
    no derivative an op of floats has none (comparison, rounding, argmax …): a change passes through it as zero
    independent   the result does not depend on an argument, or only through ops without a derivative: the gradient is zero
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .autodiff.remarks import KIND as LOOP
from .autodiff.remarks import of_bits
from .ir.core import Block, Function, Op, Value
from .ir.errors import Loc, excerpt
from .ir.opdef import Elementwise
from .ir.ops import random
from .jitted import function_options
from .jitted.api import Jitted
from .jitted.functions import jit
from .lowering.build import loop_builder
from .options import owned
from .programs.compile import optimized, without_aliases
from .tracer.staging import trace_function
from .tracer.staging.arguments import Call
from .tracer.staging.traced import Traced

KINDS = {
    "copy": "copies",
    "unrolled": "unrolled loops",
    "static": "ints made static",
    "lengths": "lengths that compile anew",
    "option": "options of numba.njit",
    "no derivative": "ops without a derivative",
    "independent": "arguments that do not matter",
    LOOP: "loops and branches of the derivative",
    "parallel": "loops that threads share",
    "serial": "loops that one thread runs",
}
_SILENT = frozenset({"stop_gradient", "check", "print", "wrap"})        # asked for, or only about indices


@dataclass(frozen=True)
class Note:
    """One finding: its kind (a key of KINDS), a sentence, and where."""

    kind: str
    text: str
    loc: Loc = ()


class Explanation:
    """What `explain` returns: `notes`, printed as a report."""

    def __init__(self, name: str, types: str, notes: list[Note]):
        self.name, self.types, self.notes = name, types, notes

    def of(self, kind: str) -> list[Note]:
        return [note for note in self.notes if note.kind == kind]

    def __repr__(self) -> str:
        rows = [f"{self.name}({self.types})"]
        for kind, title in KINDS.items():
            found = self.of(kind)
            rows.append(f"\n{title}: {len(found) or 'none'}")
            for note in found:
                rows.append(f"  {note.text}")
                rows += ["  " + line for frame in note.loc[-1:] for line in excerpt(frame).splitlines()]
        return "\n".join(rows)


def explain(f: Callable, *args: Any, **kwargs: Any) -> Explanation:
    """Explain how a call `f(*args, **kwargs)` is compiled, without running it. Print the result, or read its `notes`.

    Parameters: `f`, the function, compiled or not; its arguments `args` and `kwargs`.
    Result: an Explanation, whose `notes` are lists of texts by their kind.
    Errors: those of `jit`.

    >>> type(tg.explain(lambda x: x + 1, 1.0)).__name__
    'Explanation'
    """
    return _explained(f if isinstance(f, Jitted) else jit(f), *args, **kwargs)


@owned
def _explained(jitted: Jitted, /, *args: Any, **kwargs: Any) -> Explanation:
    call = jitted.flatten(args, kwargs)
    own: list[tuple] = []                        # (the program of the user's function, whatever derives from it; its call)

    def trace(function: Callable, call: Call, **how: Any) -> Traced:
        own.append((trace_function.trace_call(function, call, **how), call))
        return own[-1][0]

    traced = jitted.program(call, trace)
    program = without_aliases(traced, call)
    final = optimized(program)
    notes = [Note(kind, text, loc) for kind, text, loc in traced.notes]
    notes += [Note(LOOP, of_bits(op), op.loc) for op in final.body.walk() if "instead_of" in op.attrs]
    kernel = loop_builder.lower(final)
    notes += [Note(kind, f"{what}: {why}", loc) for kind, what, why, loc in [*kernel.notes, *kernel.loops]]
    notes += static_notes(jitted, traced, call)
    notes += [Note("option", text, traced.function.loc) for text in function_options.remarks(jitted.root)]
    if why := jitted.why_not_general(call):
        notes.append(Note("lengths", f"no program for many lengths: {why}", traced.function.loc))
    for found, inner in own[:1]:
        plain = optimized(found)
        notes += [Note("no derivative", text, loc) for text, loc in without_derivative(plain)]
        notes += independent(found, plain, inner.aliases)
    return Explanation(
        getattr(jitted, "__name__", repr(jitted)),
        ", ".join(
            f"{p}: {leaf.value!r}" if leaf.kind == "static" else f"{p}: {leaf.kind if leaf.kind in random.KINDS else leaf.type}"
            for p, leaf in zip(traced.paths, traced.leaves)
        ),
        notes,
    )


def static_notes(jitted: Jitted, traced: Traced, call: Call) -> list[Note]:
    """The ints that became part of the specialisation, and for how many values that has happened."""
    notes = []
    for k in traced.statics:
        seen = {s.about.traced.leaves[k].value for s in jitted.specialisations
                if len(s.about.traced.leaves) > k and k in s.about.traced.statics}
        many = f"; {len(seen)} values were compiled so far" if len(seen) > 1 else ""
        notes.append(Note("static", f"argument {traced.paths[k]} = {call.values[k]} decides a shape or an unrolled loop{many}",
                          traced.function.loc))
    return notes


def _stops(op: Op) -> bool:
    """Whether an op of inexact operands passes no derivative on."""
    defn = op.defn
    if defn.name in _SILENT or not any(_inexact(v) for v in op.operands):
        return False
    return not any(defn.partials) if isinstance(defn, Elementwise) and defn.rule == "elementwise" else defn.rule == "none"


def _inexact(v: Value) -> bool:
    dtype = getattr(v.type, "dtype", None)
    return dtype is not None and dtype.inexact


def without_derivative(f: Function) -> list[tuple[str, Loc]]:
    asked = _only_checked(f)
    found: dict[tuple[str, Loc], tuple[str, Loc]] = {}
    for op in f.body.walk():
        if _stops(op) and not asked.issuperset(op.results) and op.attrs.get("dist") not in random.LINKED:
            name = op.attrs.get("dist") or op.attrs.get("method") or op.name
            what = f"a draw of `{name}` has derivative zero with respect to its parameters" if op.defn.draws else \
                f"`{name}` has derivative zero wherever it has one"
            found.setdefault((name, op.loc), (what, op.loc))
    return list(found.values())


def _only_checked(f: Function) -> set[Value]:
    """The values that nothing uses but checks."""
    users: dict[Value, list[Op | None]] = {}
    ops = list(f.body.walk())
    for op in ops:
        for v in op.operands:
            users.setdefault(v, []).append(op)
        for v in [y for region in op.regions for y in region.yields]:
            users.setdefault(v, []).append(None)
    for v in f.results:
        users.setdefault(v, []).append(None)
    found: set[Value] = set()
    for op in reversed(ops):
        for r in op.results:
            if r in users and all(u is not None and (u.defn.name == "check" or (u.results and found.issuperset(u.results)))
                                  for u in users[r]):
                found.add(r)
    return found


def independent(traced: Traced, f: Function, aliases: dict) -> list[Note]:
    """The float arguments that no result depends on through differentiable ops. `aliases`: arrays that are passed again, for
    which the first stands."""
    notes = []
    names = [(k, p) for k, (p, leaf) in enumerate(zip(traced.paths, traced.leaves)) if leaf.kind != "static"]
    for (k, name), param in zip(names, f.params):
        if not _inexact(param) or k in aliases:
            continue
        reached, stopped = _reach(f, param)
        if not any(r in reached and _inexact(r) for r in f.results):
            why = f"only through `{stopped.name}`, which has no derivative" if stopped else "not at all"
            notes.append(Note("independent", f"the result depends on argument {name} {why}: its gradient is zero",
                              stopped.loc if stopped else f.loc))
    return notes


def _reach(f: Function, param: Value) -> tuple[set[Value], Op | None]:
    """(values that depend on `param` through differentiable ops, the first op without a derivative that it meets).

    Control passes everything on: a loop or branch that uses a value may change any of its results.
    """
    reached, stopped = {param}, None

    def visit(block: Block) -> None:
        nonlocal stopped
        for op in block.ops:
            for region in op.regions:
                if any(v in reached for v in op.operands):
                    reached.update(region.params)
                visit(region)
            used = any(v in reached for v in op.operands) or any(y in reached for region in op.regions for y in region.yields)
            if not used:
                continue
            if _stops(op):
                stopped = stopped or op
            else:
                reached.update(r for r in op.results if _inexact(r))

    visit(f.body)
    return reached, stopped
