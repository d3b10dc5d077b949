"""`tg.export`: a folder with the object file of a compiled function and all that a C program needs to call it."""
from __future__ import annotations

import ctypes
import os
import pathlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..captures.captures import captures_of
from ..ir.build import memory
from ..ir.core import Function
from ..ir.errors import ArgumentError, UnsupportedError
from ..jitted import functions
from ..jitted.api import Jitted
from ..lowering.aot import object_file, targets
from ..lowering.build import loop_builder
from ..operators.transforms import grad, value_and_grad
from ..options import config
from ..programs.compile import final, uses_fastmath
from ..programs.derivative_programs import dynamic, explicit, named
from ..tracer.staging import arguments
from ..tracer.staging.traced import Traced
from . import c_files, frozen, link, loader
from .plan import RESERVED, Item, Plan, described, plan_of

OF: dict[str, Callable | None] = {"value": None, "grad": grad, "value_and_grad": value_and_grad}


class Export(NamedTuple):
    """What was written. library: the shared library; None where there is none, and `note` says why."""

    directory: pathlib.Path
    name: str
    files: tuple[pathlib.Path, ...]
    library: pathlib.Path | None
    note: str
    weights: tuple[frozen.Weight, ...] = ()
    difference: float | None = None

    def report(self) -> str:
        """What quantising cost, as a table: bytes in the object and in memory, errors by the largest element, and how far the
        results for the example's arguments are from those of the function as it was."""
        rows = [f"{w.path:<24} {w.dtype}{list(w.shape)} -> {w.stored:<8} {w.had:>12,} -> {w.bytes:>12,} bytes   "
                f"error {w.relative:.1e}" for w in self.weights]
        total = f"{sum(w.had for w in self.weights):,} -> {sum(w.bytes for w in self.weights):,} bytes"
        return "\n".join([*rows, f"{total}; results differ by {self.difference:.1e}"]) if rows else "nothing is quantised"


def export(f: Callable, *args: Any, directory: Any, target: str = "host", of: str = "value", argnums: Any = 0,
           name: str | None = None, freeze: dict[str, Any] | None = None, quantise: str | None = None, blas: str = "loops",
           **kwargs: Any) -> Export:
    """Compile `f`, or a derivative of it, for programs without Python: an object file, a C header, an example that calls it,
    CMake and pkg-config files, for this machine a shared library, and for "wasm32" a module.

    Parameters: `f`, the function; `args` and `kwargs`, examples of its arguments, whose types and shapes count, and with whose
    values the C example calls; and

    directory      the folder that the files are written to; made where it is missing
    target         "host", "x86_64-linux-gnu", "aarch64-linux-gnu", "armv7-linux-gnueabihf", "riscv64-linux-gnu" or "wasm32"
    of             "value", "grad" or "value_and_grad"; these by the arguments `argnums`
    name           of the C function; the Python function's where it is not given
    freeze         {parameter: value}: parameters that are not given in `args`, and become constants of the object
    quantise       "int8" (a scale for each row) or "float16": how arrays of floats in `freeze` are stored; `report()` of the
                   result says what that saves and costs. Derivatives by them do not exist then
    blas           "loops": products of matrices are loops of the object. Else the name of a library that has CBLAS and is
                   linked: "openblas" for -lopenblas

    Result: an `Export`: `files`, the shared `library` or None, and a `note` that says why there is none and what to run.
    Errors: ArgumentError for an unknown `target` or `of`; UnsupportedError where the program needs what no C library has.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> made = tg.export(lambda x: x * x, 2.0, directory=folder.name, of="grad", name="slope", target="aarch64-linux-gnu")
    >>> made.files[0].name, made.note
    ('slope.o', 'the object is not linked; run: aarch64-linux-gnu-gcc slope_example.c slope.o -lm -o slope_example')
    >>> folder.cleanup()
    """
    if of not in OF:
        raise ArgumentError(f"there is no of={of!r}", f"use one of {', '.join(OF)}")
    machine, freeze = targets.target(target), freeze or {}
    _expect_library(blas)
    if quantise is not None and isinstance(f, Jitted):
        raise ArgumentError("quantise is for a function that is not compiled yet", "export the plain function, and say of=…")
    weights, apart, plain = (), None, frozen.call_with(f, args, kwargs, freeze)
    if quantise is not None:
        short, freeze, weights = frozen.quantised(f, freeze, quantise)
        apart = frozen.difference(*[_jitted(g, of, argnums)(*a, **k) for g, (a, k) in (
            (f, plain), (short, frozen.call_with(f, args, kwargs, freeze)))])
        plain, f = frozen.call_with(f, args, kwargs, freeze), short
    args, kwargs = tuple(plain[0]), plain[1]
    jitted = _jitted(f, of, argnums)
    with config.of_function(jitted.own_options):
        made = _program(jitted, args, kwargs)
        symbol = _symbol(name, jitted, made.traced, of)
        names = arguments.parameters_of(jitted.root).names
        held = frozen.leaves_of(made.traced.tree, names, freeze)
        plan = plan_of(symbol, made.traced, made.final, made.kernel, names, held)
        compiled = object_file.compiled(_request(made, plan, held)._replace(cblas=blas != "loops"), machine)
    values = tuple([x for x, leaf in zip(made.values, dynamic(made.traced)) if leaf not in held])
    libraries = (blas, "m") if any(n.startswith("cblas_") for n in compiled.needs) else ("m",)
    try:
        made_files = _written(pathlib.Path(directory), plan, compiled, values, target, libraries)
        return made_files._replace(weights=weights, difference=apart)
    except OSError as error:
        raise ArgumentError(f"the folder {str(directory)!r} cannot be written to: {error}", "name another folder") from None


def _expect_library(blas: str) -> None:
    if not re.fullmatch(r"\w[\w.+-]*", blas, re.ASCII):
        raise ArgumentError(f"blas={blas!r} is no name of a library", "use \"loops\", or what follows -l: \"openblas\"")


def _jitted(f: Callable, of: str, argnums: Any) -> Jitted:
    derive = OF[of]
    return derive(f, argnums=argnums) if derive else f if isinstance(f, Jitted) else functions.jit(f)


class _Program(NamedTuple):
    """A program on its way: captured are the arrays that become part of the object; values the examples, by leaf."""

    traced: Traced
    final: Function
    kernel: Any
    captured: list[np.ndarray]
    values: tuple


def _program(jitted: Jitted, args: tuple, kwargs: dict) -> _Program:
    call = jitted.flatten(args, kwargs)._replace(aliases={})
    with jitted.reading(call):
        traced = jitted.with_captures(call)
    name, loc = named(traced), traced.function.loc
    traced = traced if traced.writes else explicit(traced)
    captures = captures_of(traced.held)
    found = captures.find() or []
    if len(found) != len(captures.parameters):
        raise ArgumentError(f"an array that `{name}` captured has just been changed by another thread", "try again", loc)
    values = tuple(x for x, leaf in zip(call.values, call.leaves) if leaf.kind != "static")
    for x in (*values, *found):
        if not isinstance(x, (np.ndarray, np.generic, int, float, complex)):
            raise UnsupportedError(f"`{name}` cannot be exported: it uses a {type(x).__name__}, as for random numbers, an "
                                   "object of Python's", "draw before the call, and pass the numbers", loc)
    shapes: list[Any] = [c.type.dims for c in captures.parameters]
    captured = [np.array(memory(np.asarray(x), shape)) for x, shape in zip(found, shapes)]
    whole = final(traced, captures)
    return _Program(traced, whole, loop_builder.lower(whole, verify=bool(config.verify)), captured, values)


def _symbol(name: str | None, jitted: Jitted, traced: Traced, of: str) -> str:
    """The name of the C function: f, of derivatives f_grad and f_value_and_grad."""
    if name is None:
        root = getattr(jitted.root, "__name__", traced.function.name)
        name = re.sub(r"\W+", "_", root, flags=re.ASCII).strip("_") + ("" if of == "value" else f"_{of}")
    remedy = "give it another one, of letters, digits and _: name=\"…\", and --name … in a shell"
    if name in RESERVED:
        raise ArgumentError(f"{name!r} is a word of C and no name of a C function", remedy)
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise ArgumentError(f"{name!r} is no name of a C function", remedy)
    if name == "main" or hasattr(_C_LIBRARY, name):
        raise ArgumentError(f"C has a function `{name}` of its own, whose place this one would take in a program", remedy)
    return name


_C_LIBRARY = ctypes.CDLL(None if os.name == "posix" else "ucrtbase")


def _request(made: _Program, plan: Plan, frozen_leaves: frozenset[int]) -> object_file.Request:
    inputs = iter(plan.inputs)
    given = [_held(made, leaf, x) if leaf in frozen_leaves else object_file.Parameter(*_passed(next(inputs)))
             for leaf, x in zip(dynamic(made.traced), made.values, strict=True)]
    held = [object_file.Parameter(c.type.dtype, data=x)
            for c, x in zip(made.final.params[len(given):], made.captured, strict=True)]
    results = [object_file.Parameter(r.dtype) for r in plan.results]
    return object_file.Request(plan.name, named(made.traced), made.kernel, [*given, *held, *results],
                               [c.text for c in plan.checks], uses_fastmath(), made.traced.function.loc)


def _passed(item: Item) -> tuple:
    return item.dtype, item.by_value


def _held(made: _Program, leaf: int, x: Any) -> object_file.Parameter:
    dtype = made.traced.leaves[leaf].number
    return object_file.Parameter(dtype, data=np.ascontiguousarray(x, dtype.np))


def _written(directory: pathlib.Path, plan: Plan, compiled: object_file.Object, values: tuple, target: str,
             libraries: tuple[str, ...]) -> Export:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{plan.name}.o").write_bytes(compiled.binary)
    link_with = {"host": link.shared, "wasm32": link.module}.get(target)
    linked, note = (link_with(directory, plan.name, libraries) if link_with
                    else (None, c_files.linking(plan.name, target, libraries)))
    library = linked if target == "host" else None
    texts = c_files.texts(plan, values, target, compiled.needs, libraries)
    texts[f"{plan.name}.tracegrad.json"] = described(plan, library=library.name if library else None, target=target)
    texts["loader.py"] = pathlib.Path(loader.__file__).read_text(encoding="utf-8")
    for file, text in texts.items():
        (directory / file).write_text(text, encoding="utf-8")
    files = [f"{plan.name}.o", *texts, *([linked.name] if linked else [])]
    return Export(directory, plan.name, tuple(directory / file for file in files), library, note)
