"""What an exported function looks like from C: its parameters and results by name, type and shape, its checks.

    f(x: f64[3], params: {'w': f64[2, 2]}, mode='soft') -> (f64, f64[3])
      int f(const double *x, const double *params_w, double *out_0, double *out_1, int64_t *error)

What is no array and no number is fixed when the function is exported. Real numbers are passed by value, complex ones, float16
and arrays by address. Results are arrays of the caller's.
"""
from __future__ import annotations

import builtins
import itertools
import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..ir.core import Function
from ..ir.errors import ArgumentError, ArgumentTypeError, Loc
from ..ir.ops.checks import error_class
from ..ir.types import DType
from ..lowering.call.entry import ERROR_WORDS
from ..lowering.call.error_decoding import reporter
from ..lowering.loopir.grammar import Kernel
from ..programs.derivative_programs import dynamic
from ..tracer import pytrees
from ..tracer.staging.traced import Traced

C_TYPES = {"bool": "uint8_t", "i8": "int8_t", "u8": "uint8_t", "i16": "int16_t", "u16": "uint16_t", "i32": "int32_t",
           "u32": "uint32_t", "i64": "int64_t", "u64": "uint64_t", "index": "int64_t", "f16": "uint16_t", "f32": "float",
           "f64": "double", "c64": "float", "c128": "double"}
_NOTES = {"bool": "0 or 1", "f16": "the bits of IEEE half precision", "c64": "pairs of real and imaginary part",
          "c128": "pairs of real and imaginary part"}
RESERVED = frozenset({
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern", "float",
    "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed", "sizeof", "static",
    "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while", "bool", "class", "delete", "new",
    "this", "throw", "try", "catch", "template", "operator", "private", "public", "namespace", "using", "error", "main"})


class Item(NamedTuple):
    """A parameter or a result. role: "array", "numpy" (a NumPy scalar) or Python's "float", "int", "bool", "complex".
    written: a parameter that the function overwrites."""

    name: str
    path: str
    role: str
    dtype: DType
    dims: tuple[Any, ...]
    by_value: bool = False
    written: bool = False

    @property
    def c_type(self) -> str:
        return C_TYPES[self.dtype.name]

    @property
    def numbers(self) -> int:
        """How many numbers of its C type it has."""
        return math.prod(self.dims) * (2 if self.dtype.complex else 1)

    @property
    def described(self) -> str:
        """What a C programmer has to know."""
        shape = f"[{', '.join(map(str, self.dims))}]" if self.dims else ""
        note = f", {_NOTES[self.dtype.name]}" if self.dtype.name in _NOTES else ""
        return f"{self.path}: {self.dtype.np}{shape}{note}"


class Check(NamedTuple):
    """A check that may fail: the exception's type and message, with {0} … for its values, and the user's line."""

    type: str
    message: str
    where: str
    values: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"{self.type}: {self.message}" + (f" ({self.where})" if self.where else "")


class Plan(NamedTuple):
    """The C function. arguments, output: structures as aot/loader.py reads them; held: what is part of the object."""

    name: str
    inputs: tuple[Item, ...]
    results: tuple[Item, ...]
    checks: tuple[Check, ...]
    arguments: Any
    output: Any
    held: tuple[str, ...] = ()


def plan_of(name: str, traced: Traced, final: Function, kernel: Kernel, names: Sequence[str],
            frozen: frozenset[int] = frozenset()) -> Plan:
    """The plan of a program. names: the function's parameters; frozen: the leaves that are part of the object."""
    loc = traced.function.loc
    whole = tuple(_inputs(traced, name))
    _expect_read(whole, traced, frozen)
    inputs = tuple([item for item, leaf in zip(whole, dynamic(traced)) if leaf not in frozen])
    results = tuple(_results(traced, name, final, loc))
    positional, keyword = traced.tree.children
    fixed = iter([("static", leaf.value) if leaf.kind == "static" else "*" for leaf in traced.leaves])
    count = len(positional.children)
    unnamed = [f"argument {k}" for k in range(min(len(names), count), count)]                       # those of *args
    given, start = [], 0
    for label, child in zip((*names[:count], *unnamed, *keyword.meta[0]), (*positional.children, *keyword.children)):
        if child.count and frozen.issuperset(range(start, start + child.count)):
            list(itertools.islice(fixed, child.count))
        else:
            given.append((label, _structure(child, fixed, loc)))
        start += child.count
    arguments = ["call", [label for label, _ in given], [child for _, child in given]]
    output = _structure(traced.out_tree, iter([(out.kind, out.value) if out.kind in _NO_RESULT else "*"
                                               for out in traced.outs]), loc, _parameter_numbers(traced, frozen))
    held = tuple([item.described for item, leaf in zip(whole, dynamic(traced)) if leaf in frozen])
    return Plan(name, inputs, results, checks_of(kernel), arguments, output, held)


_NO_RESULT = ("static", "arg")


def _parameter_numbers(traced: Traced, frozen: frozenset[int]) -> dict[int, int]:
    """leaf -> parameter."""
    return {leaf: k for k, leaf in enumerate([leaf for leaf in dynamic(traced) if leaf not in frozen])}


def _expect_read(inputs: Sequence[Item], traced: Traced, frozen: frozenset[int]) -> None:
    """Raise where the program overwrites or returns what is frozen."""
    bad = [item.path for item, leaf in zip(inputs, dynamic(traced)) if leaf in frozen and item.written]
    bad += [traced.paths[out.value] for out in traced.outs if out.kind == "arg" and out.value in frozen]
    if bad:
        raise ArgumentError(f"`{traced.function.name}` overwrites or returns {bad[0]}, which is frozen",
                            f"let it work on a copy, and return one: {bad[0]}.copy()", traced.function.loc)


def _inputs(traced: Traced, function: str) -> Iterator[Item]:
    """Parameters have other names than the C function: a program of C could not have variables of these names beside it."""
    taken = {function, f"{function}_message"}
    for k, number in enumerate(dynamic(traced)):
        leaf, path, written = traced.leaves[number], traced.paths[number], k in traced.writes
        kind: Any = leaf.dtype
        by_value = not (leaf.dims or written or kind.complex or kind.name == "f16")
        yield Item(_identifier(path, taken), path, leaf.kind, kind, leaf.dims, by_value, written)


def _results(traced: Traced, function: str, final: Function, loc: Loc) -> Iterator[Item]:
    taken = {function, f"{function}_message", *[item.name for item in _inputs(traced, function)]}
    found = [(out, path) for out, path in zip(traced.outs, traced.out_tree.paths("out"), strict=True)
             if out.kind not in _NO_RESULT]
    numbers = [out.result for out, _ in found]
    views = traced.writes and any(out.kind == "view" for out, _ in found)
    once = {n for n in numbers if n is not None} - set(traced.writes.values())
    if views or numbers != sorted(once):
        raise ArgumentError(f"`{traced.function.name}` overwrites an argument, and returns a part of it or an array twice",
                            "return copies: x[1:].copy()", loc)
    for out, path in found:
        found = final.results[out.computed].type
        if not all(isinstance(d, int) for d in found.dims):
            raise ArgumentTypeError(f"the length of {path}, of what `{traced.function.name}` returns, is known only at run "
                                    "time, and the C function's caller gives its memory",
                                    "return an array whose length the arguments' shapes give, and the number of valid elements",
                                    loc)
        role = "array" if out.kind == "view" else out.kind
        yield Item(_identifier(path, taken), path, role, found.dtype, found.dims)


def _identifier(path: str, taken: set[str]) -> str:
    """A C name for params['w']: params_w."""
    name = re.sub(r"\W+", "_", path, flags=re.ASCII).strip("_") or "x"
    name = f"{name}_" if name in RESERVED else f"a{name}" if name[0].isdigit() else name
    found, k = name, 2
    while found in taken:
        found, k = f"{name}_{k}", k + 1
    taken.add(found)
    return found


_CONTAINERS = {pytrees.TUPLE: "tuple", pytrees.LIST: "list", pytrees.DICT: "dict"}


def _structure(tree: pytrees.TreeDef, leaves: Iterator, loc: Loc, parameters: dict[int, int] | None = None) -> Any:
    if tree.kind is None:
        leaf = next(leaves)
        if leaf == "*":
            return leaf
        return ["argument", (parameters or {})[leaf[1]], []] if leaf[0] == "arg" else _fixed(leaf[1], loc)
    if tree.kind is pytrees.NONE:
        return ["static", None, []]
    if tree.kind not in _CONTAINERS or (tree.kind is pytrees.DICT and not all(type(k) is str for k in tree.meta[0])):
        raise ArgumentTypeError(f"the structure {tree!r} cannot be exported", "use tuples, lists and dicts with str keys", loc)
    keys = list(tree.meta[0]) if tree.kind is pytrees.DICT else None
    return [_CONTAINERS[tree.kind], keys, [_structure(child, leaves, loc, parameters) for child in tree.children]]


def _fixed(value: Any, loc: Loc) -> Any:
    if type(value) not in (bool, int, float, str, type(None)):
        raise ArgumentTypeError(f"{value!r:.80} is neither an array nor a number, so it cannot leave Python",
                                "bind it before: functools.partial(f, …), or return arrays and numbers", loc)
    return ["static", value, []]


# --- checks ------------------------------------------------------------------------------------------------------------


def checks_of(kernel: Kernel) -> tuple[Check, ...]:
    dtypes = reporter(kernel).dtypes
    return tuple(_check(k, name, message, loc, dtypes.get(k, ())) for k, (name, message, loc) in enumerate(kernel.sites))


def _check(site: int, name: str, message: Any, loc: Loc, dtypes: Sequence[DType]) -> Check:
    kinds = () if name == "LinAlgError" else getattr(error_class(name), "__mro__", ())
    shown = next((kind.__name__ for kind in kinds if hasattr(builtins, kind.__name__)), name)
    text = message if isinstance(message, str) else " ".join(str(part[1]) for part in message[0] if part[0] == "text")
    where = f"{loc[0].file}:{loc[0].line}" if loc else ""
    return Check(shown, text, where, tuple("complex128" if d.complex else d.np.name for d in dtypes))


def described(plan: Plan, *, library: str | None, target: str) -> str:
    """What aot/loader.py needs to know, as JSON."""

    def row(item: Item) -> dict[str, Any]:
        return {"path": item.path, "kind": item.role, "dtype": item.dtype.np.name, "shape": list(item.dims),
                "by_value": item.by_value, "written": item.written}

    about = {
        "name": plan.name, "target": target, "object": f"{plan.name}.o", "library": library,
        "signature": f"{plan.name}({', '.join(i.described for i in plan.inputs)}) -> "
                     f"{', '.join(r.described for r in plan.results)}",
        "error_words": ERROR_WORDS, "arguments": plan.arguments, "output": plan.output,
        "inputs": [row(i) for i in plan.inputs], "results": [row(r) for r in plan.results],
        "errors": [{"type": c.type, "message": c.message, "where": c.where, "values": list(c.values)} for c in plan.checks]}
    return json.dumps(about, indent=1) + "\n"
