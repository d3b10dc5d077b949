"""A kernel as a handler of XLA's foreign function interface: JAX's programs call it without Python.

    define ptr @tg.xla(ptr %frame)              XLA_FFI_Error * (XLA_FFI_CallFrame *)
      a frame with an extension asks for the version of the interface: it is written there
      call i32 @kernel(the data of the frame's arguments, captured arrays, the data of its results, ptr %error)
      a failed check: its exception as a text, under the interpreter's lock, of which XLA makes its error

The layouts are those of xla/ffi/api/c_api.h, version 0 of which is only ever added to: see `FRAME` and the constants below it.
"""
from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

from ...llvm.emit import emit
from ...loopir.grammar import Kernel
from ...native import perf_map
from ...native.engine import compile_module
from ..assemble import held_constants
from ..entry import ERROR_WORDS
from ..error_decoding import reporter
from ..specialisation import Failure
from .c_function import declarations

SYMBOL = "tg.xla"
MAJOR = 0                                  # the version of the interface whose layouts these are

# Bytes from the start of each struct, where pointers and size_t have 8.
FRAME = {"extension": 8, "api": 16, "args": 40 + 32, "rets": 80 + 32}       # the arrays of pointers to buffers
_BUFFER_DATA = 24
_EXTENSION_TYPE, _METADATA = 8, 24         # of XLA_FFI_Extension_Base, of XLA_FFI_Metadata_Extension
_METADATA_TYPE = 1
_MAJOR, _MINOR, _TRAITS = 24, 28, 32       # of XLA_FFI_Metadata
_ERROR_CREATE = 48                         # of XLA_FFI_Api
_INTERNAL = 13                             # XLA_FFI_Error_Code_INTERNAL


class XlaHandler:
    """A compiled function that XLA can call, for as long as this object lives.

    pointers   the kernel's pointers in order: ("argument", k) | ("address", address) | ("result", k)
    minor      the lower number of the version that the caller's interface has
    outs       the result of each leaf that the function returns
    """

    def __init__(self, kernel: Kernel, pointers: Sequence[tuple[str, int]], minor: int, *, outs: tuple[int, ...],
                 fastmath: bool = False, keep: Any = None):
        self._keep, self.outs = (keep, held_constants(kernel)), outs
        self._report = _Report(reporter(kernel))
        text = emit(kernel, fastmath=fastmath)
        self._code = compile_module(text + _handler(kernel, pointers, minor, id(self._report), text))
        perf_map.note(self._code, kernel.symbol, f"{kernel.name}[XLA]")
        self.address = self._code.address(SYMBOL)

    @property
    def first(self) -> list[int]:
        """The first leaf that is each result."""
        return [self.outs.index(k) for k in range(max(self.outs, default=-1) + 1)]


class _Report(Failure):
    """What the handler calls when a check has failed: the exception as the text that JAX's own error shows."""

    __slots__ = ()

    def __call__(self, address: int) -> str:                # type: ignore[override]
        try:
            super().__call__(address)
        except BaseException as error:
            text = "".join(traceback.format_exception_only(error)).strip()
            return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()        # a text of C in UTF-8


# --- the text of the handler --------------------------------------------------------------------------------------------

def _handler(kernel: Kernel, pointers: Sequence[tuple[str, int]], minor: int, report: int, text: str) -> str:
    lines = [f"  %error = alloca [{ERROR_WORDS} x i64], align 8", "  %argument = alloca ptr, align 8",
             "  %made = alloca [4 x i64], align 8",
             *_field("extension", "%frame", FRAME["extension"]), "  %plain = icmp eq ptr %extension, null",
             "  br i1 %plain, label %run, label %asked", *_version(minor), "run:",
             *_field("arguments", "%frame", FRAME["args"]), *_field("results", "%frame", FRAME["rets"])]
    passed = []
    for k, (kind, where) in enumerate(pointers):
        if kind == "address":
            passed.append(f"ptr inttoptr (i64 {where} to ptr)")
            continue
        lines += _field(f"buffer{k}", f"%{kind}s", 8 * where) + _field(f"data{k}", f"%buffer{k}", _BUFFER_DATA)
        passed.append(f"ptr %data{k}")
    lines += [f"  %failed = call i32 @{kernel.symbol}({', '.join([*passed, 'ptr %error'])})",
              "  %good = icmp eq i32 %failed, 0", "  br i1 %good, label %done, label %report",
              "done:", "  ret ptr null", *_reported(report)]
    declared = declarations(text, _CALLED)
    return "\n".join([*declared, f"define ptr @{SYMBOL}(ptr %frame) {{", "entry:", *lines, "}", ""])


_CALLED = ("PyGILState_Ensure", "PyGILState_Release", "PyLong_FromVoidPtr", "PyObject_Vectorcall", "PyUnicode_AsUTF8",
           "Py_DecRef")


def _at(name: str, base: str, offset: int) -> str:
    return f"  %{name} = getelementptr i8, ptr {base}, i64 {offset}"


def _field(name: str, base: str, offset: int) -> list[str]:
    return [_at(f"{name}.at", base, offset), f"  %{name} = load ptr, ptr %{name}.at, align 8"]


def _version(minor: int) -> list[str]:
    """XLA asks once, before the first call."""
    lines = ["asked:", _at("kind.at", "%extension", _EXTENSION_TYPE), "  %kind = load i32, ptr %kind.at, align 4",
             f"  %metadata.wanted = icmp eq i32 %kind, {_METADATA_TYPE}", "  br i1 %metadata.wanted, label %answer, label %run",
             "answer:", *_field("metadata", "%extension", _METADATA)]
    for name, offset, value in (("major", _MAJOR, MAJOR), ("minor", _MINOR, minor), ("traits", _TRAITS, 0)):
        lines += [_at(name, "%metadata", offset), f"  store i32 {value}, ptr %{name}, align 4"]
    return [*lines, "  ret ptr null"]


def _reported(report: int) -> list[str]:
    """XLA_FFI_Error_Create(&{size, no extension, text, code}), which copies the text."""
    lines = ["report:", "  %state = call i32 @PyGILState_Ensure()", "  %number = call ptr @PyLong_FromVoidPtr(ptr %error)",
             "  store ptr %number, ptr %argument, align 8",
             f"  %said = call ptr @PyObject_Vectorcall(ptr inttoptr (i64 {report} to ptr), ptr %argument, i64 1, ptr null)",
             "  %text = call ptr @PyUnicode_AsUTF8(ptr %said)", "  store i64 32, ptr %made, align 8"]
    for name, offset, value in (("none", 8, "ptr null"), ("message", 16, "ptr %text"), ("code", 24, f"i64 {_INTERNAL}")):
        lines += [_at(name, "%made", offset), f"  store {value}, ptr %{name}, align 8"]
    return [*lines, *_field("api", "%frame", FRAME["api"]), *_field("create", "%api", _ERROR_CREATE),
            "  %status = call ptr %create(ptr %made)", "  call void @Py_DecRef(ptr %said)",
            "  call void @Py_DecRef(ptr %number)", "  call void @PyGILState_Release(i32 %state)", "  ret ptr %status"]
