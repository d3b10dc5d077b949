"""From a traced program to a specialisation: layouts of arguments and results, passes, loops, machine code."""
from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ..captures.captures import NOTHING, Captures, captures_of, closed
from ..ir.analysis import lengths
from ..ir.build import Builder, function
from ..ir.clone import inline
from ..ir.core import Function, Length, Value
from ..ir.errors import ArgumentError
from ..ir.text.printer import print_function
from ..ir.transforms import pipeline
from ..ir.transforms.drop_bounds_checks import without_bounds_checks
from ..ir.types import Type
from ..ir.verify import verify
from ..lowering.build import loop_builder
from ..lowering.call import calling_convention
from ..lowering.call.assemble import assemble
from ..lowering.call.specialisation import Specialisation
from ..lowering.llvm.emit import emit
from ..lowering.loopir.grammar import Kernel
from ..lowering.loopir.text import print_kernel
from ..options import config
from ..tracer import pytrees
from ..tracer.staging.argument_objects import Hidden
from ..tracer.staging.arguments import Call
from ..tracer.staging.signature import VARYING, Leaf
from ..tracer.staging.traced import Out, Traced
from .nan_check import checked

Guards = tuple[lengths.Expression, ...]


@dataclass
class CompileInfo:
    """What a specialisation remembers of its making.

    results  the types of the program's results;  guards  what must hold of the lengths of a call
    stages   {name: text}, where somebody wants to keep that
    origin   "compiled", "symbolic" (for many lengths), or "disk"
    """

    traced: Traced
    types: str
    notes: list
    captures: Captures = NOTHING
    results: Sequence[Type] = ()
    guards: Guards = ()
    stages: dict[str, str] = field(default_factory=dict)
    origin: str = "compiled"


def types_of(traced: Traced) -> str:
    """The argument types as a user reads them: `x: f64[3], mode: 'soft'`, or `x: f64[n]; 256 <= n`."""
    rows = []
    for path, leaf in zip(traced.paths, traced.leaves):
        rows.append(f"{path}: {_shown(leaf.value)}" if leaf.kind == "static" else
                    f"{path}: {leaf.type}" if leaf.kind in ("array", "numpy") else f"{path}: {leaf.kind}")
    known = lengths.of_types([leaf.type for leaf in traced.leaves if leaf.kind == "array"])
    bounds = [f"{d.least} <= {d.name}" + ("" if d.most is None else f" <= {d.most}") for d in known]
    return ", ".join(rows) + "".join([f"; {bound}" for bound in bounds])


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except Exception:                   # an object that cannot say what it is
        return f"<{type(value).__name__}>"


def without_aliases(traced: Traced, call: Call) -> Traced:
    """The program without the parameters of arrays that are passed a second time: the first stands for them."""
    if not call.aliases:
        return traced
    f, dynamic = traced.function, [k for k, leaf in enumerate(traced.leaves) if leaf.kind != "static"]
    kept = [k for k in dynamic if k not in call.aliases]
    g = function(f.name, [traced.leaves[k].type for k in kept], [f.params[dynamic.index(k)].name for k in kept], f.loc)
    place = {k: g.params[n] for n, k in enumerate(kept)}
    builder = Builder()
    with builder.at(g.body):
        g.body.yields = tuple(inline(builder, f, [place[call.aliases.get(k, k)] for k in dynamic]))
    number = {p: kept.index(k) for p, k in enumerate(dynamic) if k in kept}
    for op in g.body.walk():
        if "states" in op.attrs:
            op.attrs = {**op.attrs, "states": tuple(number[p] for p in op.attrs["states"])}
    writes = {number[p]: r for p, r in traced.writes.items()}
    return replace(traced, function=g, writes=writes)


def without_viewed(traced: Traced) -> Traced:
    """The program without the elements of what is returned as a view of an argument: they are the caller's."""
    viewed = {out.result for out in traced.outs if out.kind == "view"}
    if not viewed:
        return traced
    f = traced.function
    g = function(f.name, [p.type for p in f.params], [p.name for p in f.params], f.loc)
    kept = [k for k in range(len(f.results)) if k not in viewed]
    builder, place = Builder(), {k: n for n, k in enumerate(kept)}
    with builder.at(g.body):
        results = inline(builder, f, g.params)
        g.body.yields = tuple([results[k] for k in kept])

    def moved(out: Out) -> Out:
        if out.kind != "view":
            return out if out.result is None else out._replace(result=place.get(out.result))
        return out._replace(result=None, value=out.value._replace(numbers=tuple(place[k] for k in out.value.numbers)))

    new = {id(out): moved(out) for out in traced.outs}
    outs = [new[id(out)] for out in traced.outs]
    return replace(traced, function=g, outs=tuple(outs), writes={p: place[r] for p, r in traced.writes.items()})


def parameter_of(traced: Traced, call: Call) -> dict[int, int]:
    """leaf -> kernel parameter; an array that is passed again has none of its own."""
    place: dict[int, int] = {}
    count = 0
    for k, leaf in enumerate(traced.leaves):
        if leaf.kind != "static":
            place[k] = place[call.aliases[k]] if k in call.aliases else count
            count += k not in call.aliases
    return place


def lengths_of(call: Call) -> dict[Length, int]:
    """The lengths that stand for numbers in the program of a call, with what they are in this call."""
    return {d: n for x, leaf in zip(call.values, call.leaves) if leaf.kind == "array" and x is not None
            for d, n in zip(leaf.dims, x.shape) if d.__class__ is Length}


def leaf_values(traced: Traced, call: Call) -> list:
    """The leaf of each kernel parameter, for a call from Python."""
    for k in traced.layout_dependent:
        if not call.values[k].flags.c_contiguous:
            raise ArgumentError(
                f"argument {call.paths[k]} does not lie in memory in C order, and what the function does depends on that: it "
                "reads the strides or takes the elements as they lie, or overwrites and reshapes the array, of which NumPy "
                "makes a view or a copy",
                f"pass np.ascontiguousarray({call.paths[k]})", traced.function.loc)
    values = [call.values[k] for k, leaf in enumerate(traced.leaves) if leaf.kind != "static" and k not in call.aliases]
    return values


# --- layouts ---------------------------------------------------------------------------------------------------------

_BUILTIN = {pytrees.TUPLE: tuple, pytrees.LIST: list}


class Unlisted(Exception):
    """A container that the native entry does not take apart, or objects that are to be assigned to: Python does."""


def _node(structure: pytrees.TreeDef, children: list, arguments: bool) -> calling_convention.Node:
    kind, meta = structure.kind, structure.meta
    assert kind is not None, structure
    if kind in _BUILTIN:
        return calling_convention.Node(_BUILTIN[kind], tuple(children))
    if kind is pytrees.DICT:
        keys, order = meta
        found = dict(zip(keys, children))
        return calling_convention.Node(dict, tuple(found[k] for k in order), order)
    if kind is pytrees.NAMED and (not arguments or calling_convention.is_plain_namedtuple(meta[0])):
        return calling_convention.Node(meta[0], tuple(children), meta[1], lambda *c: kind.join(meta, c))
    if kind is pytrees.SLICE:
        return calling_convention.Node(slice, tuple(children), ("start", "stop", "step"), slice)
    if (kind is pytrees.OBJECT and arguments) or kind is pytrees.DATACLASS:
        own, complete = pytrees.own_names(meta[0], meta[1])
        if arguments and not complete:
            raise Unlisted
        more = [calling_convention.DictIn(own)] if arguments and own >= 0 else []     # what it has beside hides the class's
        return calling_convention.Node(meta[0], (*children, *more), (*meta[1], *["__dict__" for _ in more]),
                                       lambda *c: kind.join(meta, c))
    if arguments:
        raise Unlisted
    return calling_convention.Node(object, tuple(children), (), lambda *c: kind.join(meta, c))


def _layout(structure: pytrees.TreeDef, leaves: Iterator, arguments: bool) -> Any:
    """The layout of a structure; `leaves` iterates over the layouts of its leaves."""
    if structure.kind is pytrees.NONE:
        return calling_convention.StaticIn(None) if arguments else calling_convention.ObjectOut(None)
    if structure.kind is None:
        return next(leaves)
    return _node(structure, [_layout(child, leaves, arguments) for child in structure.children], arguments)


def _leaf_in(k: int, leaf: Leaf, call: Call, place: dict[int, int], layout_dependent: Collection[int]) -> Any:
    if leaf.kind == "static":
        hidden = type(leaf.value) is Hidden
        return calling_convention.UnreadIn() if hidden else calling_convention.StaticIn(call.values[k])
    if k in call.aliases:
        return calling_convention.SameIn(place[k])
    if leaf.kind == "array":
        dims = tuple([name_of(d) if isinstance(d, Length) else d for d in leaf.dims])
        return calling_convention.ArrayIn(leaf.number, dims, place[k], k not in layout_dependent)
    return calling_convention.ScalarIn(leaf.kind, leaf.number, place[k])


def name_of(d: Length) -> str:
    assert d.name is not None
    return d.name


class Form(NamedTuple):
    """How a call was written: the number of positional arguments, and for each keyword, in order, the position that it was
    bound to (None for one that has only its name)."""

    positions: int
    keywords: dict[str, int | None]

    @property
    def shape(self) -> tuple:
        return self.positions, tuple(self.keywords)


def form_of(call: Call, names: tuple[str, ...], args: tuple, kwargs: dict) -> Form:
    """`names`: the function's parameters that can be given by position."""
    bound = names[:len(call.tree.children[0].children)]
    return Form(len(args), {name: bound.index(name) if name in bound else None for name in kwargs})


def arguments_of(traced: Traced, call: Call, place: dict[int, int], form: Form) -> calling_convention.Arguments:
    """The layout of the call as it was written; `call` has its arguments as they were bound."""
    ins = [_leaf_in(k, leaf, call, place, traced.layout_dependent) for k, leaf in enumerate(traced.leaves)]
    positional, keyword = call.tree.children
    try:
        if traced.refers_to_objects:
            raise Unlisted
        leaves = iter(ins)
        found = tuple(_layout(child, leaves, True) for child in positional.children)
        named = {name: _layout(child, leaves, True) for name, child in zip(keyword.meta[0], keyword.children)}
        written = [named[name] if k is None else found[k] for name, k in form.keywords.items()]
        places = [*found[:form.positions], *written]
        if call.aliases:
            places = _bound_where_met(places)
        return calling_convention.Arguments(tuple(places[:form.positions]), tuple(zip(form.keywords, places[form.positions:])))
    except Unlisted:
        # never matched by a call: the leaves arrive one by one from Jitted.miss
        return calling_convention.Arguments((calling_convention.Node(Unlisted, tuple(ins),
                                                                     tuple(f"leaf{k}" for k in range(len(ins)))),))


def _bound_where_met(layouts: list) -> list:
    """Layouts in the order in which a call is read, `f(b=x, a=x)` or {"b": x, "a": x}: the first place of an array that is
    passed twice gives it, and the others must hold the same object."""
    given, todo = {}, list(layouts)
    while todo:
        layout = todo.pop()
        if type(layout) is calling_convention.Node:
            todo += layout.children
        elif type(layout) in (calling_convention.ArrayIn, calling_convention.ScalarIn):
            given[layout.param] = layout
    bound: set[int] = set()

    def met(layout: Any) -> Any:
        if type(layout) is calling_convention.Node:
            return layout._replace(children=tuple([met(child) for child in layout.children]))
        if type(layout) not in (calling_convention.SameIn, calling_convention.ArrayIn, calling_convention.ScalarIn):
            return layout
        param = layout.first if type(layout) is calling_convention.SameIn else layout.param
        new = param not in bound
        bound.add(param)
        return given[param] if new else calling_convention.SameIn(param)
    return [met(layout) for layout in layouts]


def output_of(traced: Traced, results: Sequence[Type], place: dict[int, int],
              names: dict[Value, str]) -> calling_convention.Out:
    """The layout of what is returned. `results`: the types of the program's results; `names`: those of lengths."""

    def leaf(out: Out) -> Any:
        if out.kind == "static":
            return calling_convention.ObjectOut(out.value)
        if out.kind == "arg":
            return calling_convention.ArgOut(place[out.value])
        if out.kind == "view":
            numbers = [calling_convention.ScalarOut(k, "int", results[k].dtype) for k in out.value.numbers]
            whole = calling_convention.ArgOut(place[out.value.leaf])
            return calling_convention.Node(object, (whole, *numbers), (), out.value.maker())
        found = results[out.computed]
        if out.kind == "array":
            return calling_convention.ArrayOut(out.computed, found.dtype,
                                               tuple(d if isinstance(d, int) else names.get(d) for d in found.dims))
        return calling_convention.ScalarOut(out.computed, out.kind, found.dtype)

    made: dict = {}                                          # an object that is returned again has one layout
    return _layout(traced.out_tree, iter([made.setdefault(id(out), leaf(out)) for out in traced.outs]), False)


# --- compiling -------------------------------------------------------------------------------------------------------

def optimized(traced: Traced) -> Function:
    """The program after the passes, marked with what it overwrites."""
    f = traced.function if config.boundscheck else without_bounds_checks(traced.function)
    f = pipeline.optimize(f, verify=config.verify)
    if config.check_numerics:
        f = checked(loop_builder.flatten_calls(f))
        if config.verify:
            verify(f, "check_numerics")
    if config.threads_of_its_own:
        f.attrs = {**f.attrs, "threads": config.threads_of_its_own}
    if traced.writes:
        f.attrs = {**f.attrs, "inout": {result: param for param, result in traced.writes.items()}}
    return f


def final(program: Traced, captures: Captures, symbols: tuple[Length, ...] = ()) -> Function:
    """What goes to lowering: the program after the passes, with a parameter for each of the lengths and for each array that it
    captures."""
    f = optimized(program)
    if symbols or captures.parameters:                       # functions that it calls may read captured arrays, too
        f = loop_builder.flatten_calls(f)
    if captures.parameters:
        f = closed(f, captures.parameters, captures.repeats)
    return lengths.guarded(f, symbols) if symbols else f


class OtherLengths(Exception):
    """A program for many lengths does not hold for those of the call that it was made for."""


def expect_fitting(guards: Guards, sizes: dict[Length, int]) -> None:
    values = {name_of(d): n for d, n in sizes.items()}
    for guard in guards:
        if not lengths.value_of(guard, values):
            raise OtherLengths(f"it would hold only where {lengths.shown(guard)}")


def uses_fastmath() -> bool:
    return config.fastmath and not config.check_numerics


def another_form(found: Specialisation, call: Call, form: Form) -> calling_convention.Arguments | None:
    """The layout of a call that is written otherwise than those which the specialisation serves; None if it serves it."""
    if any(known.shape == form.shape for known in found.forms):
        return None
    traced = found.about.traced
    served = found.signature.arguments
    return arguments_of(traced, call, parameter_of(traced, call), form)._replace(given=served.given, lengths=served.lengths,
                                                                               guards=served.guards)


def _stages(traced: Traced, f: Function, kernel: Kernel) -> dict[str, str]:
    return {"traced": print_function(traced.function), "optimized": print_function(f), "loops": print_kernel(kernel)}


def specialise(traced: Traced, call: Call, form: Form, trace_ms: float = 0.0, stages: bool = False,
               write: Callable[..., str] = emit) -> Specialisation:
    """Compile a program for calls like this one. `stages`: remember how it looked at each stage. `write`: makes the LLVM IR of
    its kernel."""
    phases, clock = {"trace": trace_ms}, time.perf_counter()

    def tick(phase: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        phases[phase], clock = 1e3 * (now - clock), now

    program = without_viewed(without_aliases(traced, call))
    captures = captures_of(traced.held)
    sizes = lengths_of(call)
    f = final(program, captures, tuple(sizes))
    guards = f.attrs.get("guards", ())
    if (sizes or VARYING in [leaf.value for leaf in traced.leaves if leaf.kind == "int"]) and lengths.compares_data(f):
        raise OtherLengths("it compares lengths that follow from data")
    expect_fitting(guards, sizes)
    tick("optimize")
    kernel = loop_builder.lower(f, verify=config.verify)
    tick("loops")
    place, results = parameter_of(traced, call), [v.type for v in f.results]
    own = len(set(place.values()))
    count = own + len(captures.parameters)
    arguments = arguments_of(traced, call, place, form)._replace(
        given=captures.layouts(own), lengths=tuple([(name_of(d), count + k) for k, d in enumerate(sizes)]),
        guards=guards)
    return assemble(
        kernel,
        arguments,
        output_of(program, results, place, {f.params[count + k]: name_of(d) for k, d in enumerate(sizes)}),
        f.attrs.get("inout"),
        fastmath=uses_fastmath(),
        options=config.asked,
        phases=phases,
        about=CompileInfo(traced, types_of(traced), [*traced.notes, *kernel.notes], captures, results=results, guards=guards,
                          origin="symbolic" if sizes else "compiled", stages=_stages(traced, f, kernel) if stages else {}),
        write=write,
    )
