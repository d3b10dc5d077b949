"""A kernel as a plain C function of doubles, which SciPy, Numba and C code call by its address.

    form ::= (role, C type)…  as its C text says: "double (int, double *)" is  count, inputs

    x        one input, by value            inputs   where they lie, one after the other       count   how many there are
    outputs  where the results go           room     how many there are                        user    an array by itself

    define double @tg.c(i32 %count, ptr %inputs)        count and room are as compiled?  no: report
      call i32 @kernel(pointers into %inputs, addresses of captured arrays, ptr %result, ptr %error)
      a failed check sets the Python exception, under the interpreter's lock, and returns NaN (0 where the form is an int)

So an error costs calls that succeed one comparison, SciPy's own routines end with the exception, and ctypes raises it.
"""
from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from ....ir.errors import ArgumentError
from ....ir.types import DType, known_dtype
from ...llvm.emit import emit
from ...loopir.grammar import Kernel
from ...native import perf_map
from ...native.engine import compile_module
from ...native.entry_writer import memory_type
from ..assemble import held_constants
from ..entry import ERROR_WORDS
from ..error_decoding import reporter
from ..specialisation import Failure

_WRONG_COUNT = -3                    # the site in the error record: how many came, how many are wanted
SYMBOL = "tg.c"

_C_TYPES: dict[str, tuple[Any, str]] = {
    "double": (ctypes.c_double, "double"), "int": (ctypes.c_int, "i32"), "npy_intp": (ctypes.c_ssize_t, "i64"),
    "double *": (ctypes.POINTER(ctypes.c_double), "ptr"), "npy_intp *": (ctypes.POINTER(ctypes.c_ssize_t), "ptr"),
    "void *": (ctypes.c_void_p, "ptr"),
}
# The forms that SciPy's routines call, and "double (double, …)" of any length. -> the roles of its parameters
FORMS: dict[str, tuple[str, ...]] = {
    "double (int, double *)": ("count", "inputs"),
    "double (int, double *, void *)": ("count", "inputs", "user"),
    "double (double, void *)": ("x", "user"),
    "int (double *, npy_intp, double *, void *)": ("inputs", "count", "outputs", "user"),
    "int (double *, npy_intp, double *, npy_intp, void *)": ("inputs", "count", "outputs", "room", "user"),
    "int (npy_intp *, double *, int, int, void *)": ("inputs", "outputs", "count", "room", "user"),
}
# SciPy's function -> the form that it calls
CALLERS = {
    "quad": "double (int, double *)", "nquad": "double (int, double *)",
    "generic_filter": "int (double *, npy_intp, double *, void *)",
    "generic_filter1d": "int (double *, npy_intp, double *, npy_intp, void *)",
    "geometric_transform": "int (npy_intp *, double *, int, int, void *)",
}


class Form(NamedTuple):
    text: str
    returns: str
    types: tuple[str, ...]
    roles: tuple[str, ...]

    @property
    def ctype(self) -> Any:
        """The type of the function for ctypes; it holds the interpreter's lock, and raises what a check has found."""
        return ctypes.PYFUNCTYPE(_C_TYPES[self.returns][0], *[_C_TYPES[t][0] for t in self.types])

    @property
    def input(self) -> str:
        """The name of the dtype of the inputs."""
        return "i64" if "npy_intp *" in self.types else "f64"


def form(text: str) -> Form:
    """The form of a C text or of a SciPy function's name."""
    plain = re.sub(r"\s*\*", " *", re.sub(r"\s+", " ", CALLERS.get(text, text))).replace("intptr_t", "npy_intp").strip()
    plain = re.sub(r"\s*([(,)])\s*", lambda m: {"(": " (", ",": ", ", ")": ")"}[m[1]], plain)
    returns, _, inside = plain.removesuffix(")").partition(" (")
    types = tuple(inside.split(", "))
    roles = ("x",) * len(types) if returns == "double" and set(types) == {"double"} else FORMS.get(plain)
    if roles is None:
        raise ArgumentError(f"there is no C signature {text!r}",
                            "use double (double, …), or one of " + ", ".join([*FORMS, *CALLERS]))
    return Form(plain, returns, types, roles)


class Plan(NamedTuple):
    """What the kernel's pointers are, in order, and how many numbers of the C function they take.

    pointers  ("inputs", offset) | ("user", 0) | ("address", address) | ("outputs", offset)
    results   the dtype and the number of elements of each result
    """

    pointers: tuple[tuple[str, int], ...]
    results: tuple[tuple[DType, int], ...]
    inputs: int

    @property
    def outputs(self) -> int:
        return sum(count for _, count in self.results)


class CFunction:
    """A compiled function that C code can call, for as long as this object, or something made of it, lives.

    signature   the C text of its type;  address  where it starts;  ctypes  the same as a ctypes function, which Numba's
    compiled functions can call, too
    """

    def __init__(self, kernel: Kernel, form: Form, plan: Plan, *, fastmath: bool = False, keep: Any = None):
        self.signature, self._keep = form.text, (keep, held_constants(kernel))
        self._report = _Report(reporter(kernel))
        text = emit(kernel, fastmath=fastmath)
        self._code = compile_module(text + _wrapper(kernel, form, plan, id(self._report), text))
        perf_map.note(self._code, kernel.symbol, f"{kernel.name}[{form.text}]")
        self.address = self._code.address(SYMBOL)
        self.ctypes = form.ctype(self.address)
        self.ctypes.owner = self

    def __repr__(self) -> str:
        return f"<C function {self.signature} at {self.address:#x}>"

    def __call__(self, *args: Any) -> Any:
        return self.ctypes(*args)


class _Report(Failure):
    """What the C function calls when a check has failed."""

    __slots__ = ()

    def __call__(self, address: int) -> NoReturn:
        site, came, wanted = (ctypes.c_int64 * 3).from_address(address)
        if site == _WRONG_COUNT:
            raise ArgumentError(f"the C function was called with {came} numbers, and was compiled for {wanted}",
                                "compile it for example arguments of the size that it will be called with")
        super().__call__(address)


# --- the text of the C function -----------------------------------------------------------------------------------------

_DECLARED = {
    "PyGILState_Ensure": "declare i32 @PyGILState_Ensure()",
    "PyGILState_Release": "declare void @PyGILState_Release(i32)",
    "PyErr_Occurred": "declare ptr @PyErr_Occurred()",
    "PyUnicode_AsUTF8": "declare ptr @PyUnicode_AsUTF8(ptr)",
    "PyLong_FromVoidPtr": "declare ptr @PyLong_FromVoidPtr(ptr)",
    "PyObject_Vectorcall": "declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)",
    "Py_DecRef": "declare void @Py_DecRef(ptr)",
}
_CALLED = ("PyGILState_Ensure", "PyGILState_Release", "PyErr_Occurred", "PyLong_FromVoidPtr", "PyObject_Vectorcall",
           "Py_DecRef")


def declarations(text: str, names: Sequence[str]) -> list[str]:
    """The functions of Python that code calls; without those that `text`, which it follows, declares."""
    return [_DECLARED[name] for name in names if f"@{name}(" not in text]


def _wrapper(kernel: Kernel, form: Form, plan: Plan, report: int, text: str) -> str:
    """The C function around a kernel whose text is `text`."""
    declared = declarations(text, _CALLED)
    named = [f"%x{k}" if role == "x" else f"%{role}" for k, role in enumerate(form.roles)]
    params = ", ".join([f"{_C_TYPES[t][1]} {name}" for t, name in zip(form.types, named)])
    lines = [f"  %error = alloca [{ERROR_WORDS} x i64], align 8", "  %argument = alloca ptr, align 8"]
    if "x" in form.roles:
        lines.append(f"  %inputs = alloca [{max(plan.inputs, 1)} x double], align 8")
        lines += _stored([name for name, role in zip(named, form.roles) if role == "x"])
    lines += _checked(form, plan)
    pointers, after = _pointers(form, plan, lines)
    passed = ", ".join([f"ptr {p}" for p in [*pointers, "%error"]])
    lines += [f"  %failed = call i32 @{kernel.symbol}({passed})", "  %good = icmp eq i32 %failed, 0",
              "  br i1 %good, label %done, label %report", "done:", *after]
    failed = "0x7FF8000000000000" if form.returns == "double" else "0"
    lines += _reported(report) + [f"  ret {_C_TYPES[form.returns][1]} {failed}"]
    head = f"define {_C_TYPES[form.returns][1]} @{SYMBOL}({params}) {{"
    return "\n".join([*declared, head, "entry:", *lines, "}", ""])


def _stored(values: Sequence[str]) -> list[str]:
    found = []
    for k, value in enumerate(values):
        found += [f"  %in{k} = getelementptr double, ptr %inputs, i64 {k}", f"  store double {value}, ptr %in{k}, align 8"]
    return found


def _checked(form: Form, plan: Plan) -> list[str]:
    """The counts are those that were compiled for."""
    lines: list[str] = []
    for role, wanted in (("count", plan.inputs), ("room", plan.outputs)):
        if role not in form.roles:
            continue
        kind = _C_TYPES[form.types[form.roles.index(role)]][1]
        wide = f"%{role}"
        if kind == "i32":
            wide = f"%{role}.wide"
            lines.append(f"  {wide} = sext i32 %{role} to i64")
        lines += [f"  %{role}.good = icmp eq i64 {wide}, {wanted}",
                  f"  br i1 %{role}.good, label %{role}.held, label %{role}.wrong", f"{role}.wrong:",
                  f"  store i64 {_WRONG_COUNT}, ptr %error, align 8"]
        for k, word in enumerate((wide, wanted), 1):
            lines += [f"  %{role}.word{k} = getelementptr i64, ptr %error, i64 {k}",
                      f"  store i64 {word}, ptr %{role}.word{k}, align 8"]
        lines += ["  br label %report", f"{role}.held:"]
    return lines


def _pointers(form: Form, plan: Plan, lines: list[str]) -> tuple[list[str], list[str]]:
    """(what the kernel is given, the lines after it, with the return)."""
    pointers: list[str] = []
    after: list[str] = []
    step = memory_type(known_dtype(form.input))
    for k, (kind, where) in enumerate(plan.pointers):
        if kind == "address":
            pointers.append(f"inttoptr (i64 {where} to ptr)")
        elif kind == "inputs":
            lines.append(f"  %p{k} = getelementptr {step}, ptr %inputs, i64 {where}")
            pointers.append(f"%p{k}")
        elif kind == "user":
            pointers.append("%user")
        else:
            pointer, more = _result(form, plan, where, lines)
            pointers.append(pointer)
            after += more
    if form.returns == "int":
        after.append("  ret i32 1")
    return pointers, after


def _result(form: Form, plan: Plan, k: int, lines: list[str]) -> tuple[str, list[str]]:
    """(where the kernel writes result k, how it gets from there to where the C function has it)."""
    kind, count = plan.results[k]
    start = sum(n for _, n in plan.results[:k])
    if "outputs" in form.roles:
        lines.append(f"  %out{k} = getelementptr double, ptr %outputs, i64 {start}")
        if kind.name == "f64":
            return f"%out{k}", []
    stored = memory_type(kind)
    lines.append(f"  %made{k} = alloca [{max(count, 1)} x {stored}], align 8")
    after, value = [f"  %raw{k} = load {stored}, ptr %made{k}, align 8"], f"%raw{k}"
    if kind.name != "f64":
        after.append(f"  %wide{k} = {_WIDENED[kind.kind]} {stored} {value} to double")
        value = f"%wide{k}"
    ends = f"  store double {value}, ptr %out{k}, align 8" if "outputs" in form.roles else f"  ret double {value}"
    return f"%made{k}", [*after, ends]


_WIDENED = {"f": "fpext", "i": "sitofp", "x": "sitofp", "u": "uitofp", "b": "uitofp"}       # kind of a dtype -> LLVM


def _reported(report: int) -> list[str]:
    """Set the exception, unless there is one already."""
    return ["report:", "  %state = call i32 @PyGILState_Ensure()", "  %set = call ptr @PyErr_Occurred()",
            "  %none = icmp eq ptr %set, null", "  br i1 %none, label %raise, label %leave",
            "raise:", "  %number = call ptr @PyLong_FromVoidPtr(ptr %error)", "  store ptr %number, ptr %argument, align 8",
            f"  %raised = call ptr @PyObject_Vectorcall(ptr inttoptr (i64 {report} to ptr), ptr %argument, i64 1, ptr null)",
            "  call void @Py_DecRef(ptr %raised)", "  call void @Py_DecRef(ptr %number)", "  br label %leave",
            "leave:", "  call void @PyGILState_Release(i32 %state)"]


