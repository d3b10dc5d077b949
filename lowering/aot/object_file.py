"""An object file with a C function around a kernel, and the texts of what its checks report.

    int NAME(pointers and numbers of the arguments …, pointers of the results …, int64_t *error)
      0 done   -1 there was no memory   k > 0: check number k failed; error (may be null): { k - 1, the words of its values }
    const char *NAME_message(int code)

Elementary functions (math/library.py) are linked in as they are in this process, so results have the same bits where the
machine's instructions are the same. What else the code calls must be in a C library: anything of Python, NumPy or SciPy is
refused by name.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np

from ...ir.errors import IRError, Loc, UnsupportedError
from ...ir.types import DType
from ..call.assemble import held_constants
from ..call.entry import ERROR_WORDS
from ..llvm.emit import emit
from ..llvm.storage import ALIGN, MEMORY
from ..loopir.grammar import Kernel
from ..math import library
from ..memory.scratch_pool import HEADER, RECORD, give_all
from ..native import engine, masked_stores, object_code
from . import cblas
from .needed import needed
from .standalone import standalone
from .targets import Target, machine


class Parameter(NamedTuple):
    """by_value: a number is passed itself. data: an array that becomes part of the object, instead of a parameter."""

    dtype: DType
    by_value: bool = False
    data: np.ndarray | None = None


class Request(NamedTuple):
    """What is compiled.

    name, title   of the C function, and of the Python function;   parameters  those of the kernel, in order
    messages      of its checks;                                   loc         where the Python function stands
    cblas         whether products of matrices are calls of CBLAS (cblas.py), or loops
    """

    name: str
    title: str
    kernel: Kernel
    parameters: Sequence[Parameter]
    messages: Sequence[str]
    fastmath: bool
    loc: Loc
    cblas: bool = False


class Object(NamedTuple):
    """binary: the file; needs: the names of the symbols that a C library, or CBLAS, has to provide."""

    binary: bytes
    needs: tuple[str, ...]


_FAMILIES = {
    "scipy": ("the LAPACK routine {}", "solve with loops over the elements, or call this part from Python"),
    "gufunc": ("NumPy's routine {}, a Fourier transform or a factorisation",
               "write it as sums over the elements, or call this part from Python"),
    "npysort": ("NumPy's sort ({})", "sort before the call, and pass the sorted array"),
    "special": ("SciPy's function {}", "write it with functions that C has, such as math.erf and math.lgamma"),
    "tracegrad": ("{}, as for f-strings", "return the number, and print it in the program that calls"),
}
_RANDOM = ("random numbers of NumPy's or Python's generators ({})", "draw before the call, and pass the numbers")


def compiled(request: Request, target: Target) -> Object:
    """The object file. Raises UnsupportedError where the kernel needs what no C library has."""
    kernel = standalone(request.kernel, products=not request.cblas)
    held = held_constants(kernel)                     # alive until they stand in the text
    text = emit(kernel, fastmath=request.fastmath, widths=target.widths)
    if "inttoptr (i64 " in text:
        raise UnsupportedError(f"`{request.title}` uses an object of this process by its address",
                               "pass its data as an argument", request.loc)
    text = _held(text)
    del held
    _expect_portable(text, request, target)
    text += _function(request) + _messages(request.name, request.messages)
    if target.pointer == 32:
        text = _narrowed(text)
    with object_code.LOCK:
        return _emitted(text, request, target)


def _emitted(text: str, request: Request, target: Target) -> Object:
    public = {request.name, f"{request.name}_message"}
    made, context = machine(target), llvm.create_context()
    try:
        head = f'target datalayout = "{made.target_data}"\ntarget triple = "{target.triple}"\n'
        with ExitStack() as held_open:
            module = held_open.enter_context(llvm.parse_assembly(head + text, context))
            module.verify()
            # inlined, it would be vectorised in another way, and sums end in other last bits than in this process
            module.get_function(request.kernel.symbol).add_function_attribute("noinline")
            object_code.run_passes(module, made)
            mended = masked_stores.mended(module)
            module = module if mended is None else held_open.enter_context(llvm.parse_assembly(mended, context))
            for more in _helpers(_declared(module), target):
                module.link_in(llvm.parse_assembly(head + more, context))
            _hide(module, public)
            module.verify()
            foreign = [n for n in sorted(_declared(module)) if not (engine.in_c_library(n) or n.startswith("cblas_"))]
            if foreign:
                raise IRError(f"the exported code refers to {', '.join(foreign)}")
            binary = made.emit_object(module)
            return Object(binary, needed(binary))
    finally:
        context.close()
        if target.name != "host":
            made.close()


def _declared(module: llvm.ModuleRef) -> set[str]:
    found = [*module.functions, *module.global_variables]
    return {x.name for x in found if x.is_declaration and not x.name.startswith("llvm.")}


def _hide(module: llvm.ModuleRef, public: set[str]) -> None:
    """Only the C functions are seen from outside, so objects of several exports can be linked together."""
    for function in module.functions:
        if not function.is_declaration and function.name not in public:
            function.linkage = "internal"


def _helpers(declared: set[str], target: Target) -> list[str]:
    """The texts that define what the code calls beside the C library: elementary functions, and memory."""
    forms = sorted(name.partition(".")[2] for name in declared if name.startswith("vecmath."))
    texts = [library.text(forms)] if forms else []
    texts += [_MEMORY[name] for name in _MEMORY if name in declared]
    texts += [cblas.definition(name) for name in sorted(declared) if cblas.is_product(name)]
    narrow = {name for name in declared if name in _NARROW}
    if target.pointer == 32:
        texts = [re.sub(r"@(malloc|realloc)\(", r"@memory.\1(", text) for text in texts]
        narrow |= {_CALLED[name] for name in _CALLED if name in declared}
        texts += [_NARROW[name] for name in sorted(narrow)]
    return texts


def _narrowed(text: str) -> str:
    """The text for addresses of 32 bits: sizes in bytes have 64 in it."""
    text = text.replace("@llvm.ptrmask.p0.i64(ptr, i64)", "@llvm.ptrmask.p0.i32(ptr, i32)")
    text = re.sub(r"@llvm\.ptrmask\.p0\.i64\((ptr [^,]+), i64", r"@llvm.ptrmask.p0.i32(\1, i32", text)
    return re.sub(r"@(malloc|realloc)\(", r"@memory.\1(", text)


# Temporaries of run-time size begin with a header that only the pool of this process uses (memory/scratch_pool.py).
_MEMORY = {"memory.take": f"""declare noalias ptr @malloc(i64)
define noalias ptr @memory.take(i64 %size) nounwind {{
  %whole = add i64 %size, {HEADER}
  %block = call ptr @malloc(i64 %whole)
  ret ptr %block
}}
""", "memory.give": """declare void @free(ptr)
define void @memory.give(ptr %block) nounwind {
  call void @free(ptr %block)
  ret void
}
""", "memory.give_all": """declare void @free(ptr)
""" + give_all("memory.give_all", "free"), "memory.extend": """declare ptr @realloc(ptr, i64)
define ptr @memory.extend(ptr %old, i64 %size) nounwind {
  %new = call ptr @realloc(ptr %old, i64 %size)
  ret ptr %new
}
""", "memory.shed_all": """declare void @free(ptr)
""" + give_all("memory.shed_all", "free", RECORD)}
_CALLED = {"memory.take": "memory.malloc", "memory.extend": "memory.realloc"}
_LIMIT = 2 ** 31 - 1
_NARROW = {f"memory.{name}": f"""declare ptr @{name}({old}i32)
define ptr @memory.{name}({old and 'ptr %old, '}i64 %size) nounwind {{
  %large = icmp ugt i64 %size, {_LIMIT}
  br i1 %large, label %none, label %some
some:
  %narrow = trunc i64 %size to i32
  %block = call ptr @{name}({old and 'ptr %old, '}i32 %narrow)
  ret ptr %block
none:
  ret ptr null
}}
""" for name, old in (("malloc", ""), ("realloc", "ptr, "))}


# --- what stays here ----------------------------------------------------------------------------------------------------

_EXTERNAL = re.compile(r"^@(constant\.\w+) = external constant \[(\d+) x i8\]$", re.M)
_DECLARED = re.compile(r"^declare\b[^@]*@([\w.]+)", re.M)


def _held(text: str) -> str:
    """The text with its large constants in it."""
    return _EXTERNAL.sub(lambda found: _bytes(found[1], engine.held_constant(found[1])), text)


def _bytes(name: str, data: np.ndarray) -> str:
    raw = data.tobytes()
    text = "".join(f"\\{byte:02x}" for byte in raw)
    return f'@{name} = private unnamed_addr constant [{len(raw)} x i8] c"{text}", align 64'


def _expect_portable(text: str, request: Request, target: Target) -> None:
    for name in _DECLARED.findall(text):
        family, _, rest = name.partition(".")
        if request.cblas and cblas.is_product(name):
            continue
        if family in ("llvm", "vecmath", "memory", "kernel") or engine.in_c_library(name):
            pairs = target.pairs or not _COMPLEX.fullmatch(name)
            _expect(pairs, f"C's function {name} of complex numbers, which each kind of machine calls in a way of its own",
                    "target=\"host\", or a formula of real and imaginary parts", request)
            continue
        what, remedy = _FAMILIES.get(family, _RANDOM)
        _expect(False, what.format(rest or name), remedy, request)


_COMPLEX = re.compile(r"c(a?(sin|cos|tan)h?|exp|log|pow|sqrt)f?")


def _expect(good: bool, what: str, remedy: str, request: Request) -> None:
    if not good:
        raise UnsupportedError(f"`{request.title}` cannot be exported: it calls {what}", remedy, request.loc)


# --- the C function -----------------------------------------------------------------------------------------------------


def _function(request: Request) -> str:
    params, lines, globals_, passed = [], [], [], []
    for k, parameter in enumerate(request.parameters):
        kind = MEMORY[parameter.dtype.name]
        if parameter.data is not None:
            globals_.append(_bytes(f"captured.{k}", parameter.data))
            passed.append(f"ptr @captured.{k}")
            continue
        params.append(f"{kind if parameter.by_value else 'ptr'} %a{k}")
        if parameter.by_value:
            align = ALIGN[parameter.dtype.name]
            lines += [f"  %c{k} = alloca {kind}, align {align}", f"  store {kind} %a{k}, ptr %c{k}, align {align}"]
        passed.append(f"ptr %{'c' if parameter.by_value else 'a'}{k}")
    return "\n".join([
        *globals_, f"define i32 @{request.name}({', '.join([*params, 'ptr %error'])}) nounwind {{", *lines,
        f"  %own = alloca [{ERROR_WORDS} x i64], align 8", "  %none = icmp eq ptr %error, null",
        "  %record = select i1 %none, ptr %own, ptr %error",
        f"  %code = call i32 @{request.kernel.symbol}({', '.join([*passed, 'ptr %record'])})",
        "  %good = icmp eq i32 %code, 0", "  br i1 %good, label %done, label %failed", "failed:",
        "  %site = load i64, ptr %record, align 8", "  %number = trunc i64 %site to i32", "  %memory = icmp slt i32 %number, 0",
        "  %next = add i32 %number, 1", "  %answer = select i1 %memory, i32 -1, i32 %next", "  ret i32 %answer",
        "done:", "  ret i32 0", "}", ""])


def _messages(name: str, messages: Sequence[str]) -> str:
    """NAME_message: a table from -1 on."""
    lines: list[Any] = []
    rows = ["there is not enough memory", "", *messages]
    for k, row in enumerate(rows):
        raw = row.encode() + b"\0"
        text = "".join(f"\\{byte:02x}" for byte in raw)
        lines.append(f'@message.{k} = private unnamed_addr constant [{len(raw)} x i8] c"{text}"')
    table = ", ".join(f"ptr @message.{k}" for k in range(len(rows)))
    return "\n".join([
        *lines, f"@messages = private unnamed_addr constant [{len(rows)} x ptr] [{table}]",
        f"define ptr @{name}_message(i32 %code) nounwind {{", "  %row = add i32 %code, 1",
        f"  %known = icmp ult i32 %row, {len(rows)}", "  %at = select i1 %known, i32 %row, i32 1",
        f"  %cell = getelementptr [{len(rows)} x ptr], ptr @messages, i32 0, i32 %at",
        "  %text = load ptr, ptr %cell", "  ret ptr %text", "}", ""])
