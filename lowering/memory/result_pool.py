"""Recycled memory for large results.

The C library gives freed memory back to the system: blocks above 32 MB at once, smaller ones when enough of the heap's top is
free. A result is then fresh from the system on every call, and its page faults cost more than the arithmetic that fills it:
copying 40 MB takes 5.8 ms into fresh memory and 3.8 ms into used memory. So results of `LARGE` bytes and more get their
memory here. Their arrays name a NumPy memory handler that gives it back here; what is kept is bounded, and given to the
system when it does not fit.

    allocate(size)        a kept block of exactly this size, else NumPy's own allocation (which asks for huge pages)
    free(ctx, p, size)    keep the block; where it does not fit, free the kept ones first; where it is too large, free it

Both run under the GIL. The table: NumPy's `malloc`, `free` and their context, the limit, bytes kept, then (block, size) pairs.
"""
from __future__ import annotations

import ctypes
import os

from ..native import c_layouts
from ..native.compile_fast import compile_glue
from ..native.locks import Lock

LARGE = 256 << 10
KEPT_AT_MOST = 512 << 20
BLOCKS = 8
_MALLOC, _FREE, _CONTEXT, _LIMIT, _KEPT, _REUSED, _PAIRS = range(7)
_WORDS = _PAIRS + 2 * BLOCKS
_TABLE, _ALLOCATE, _RELEASE, _FLUSH = "tg.pool", "tg.pool.allocate", "tg.pool.free", "tg.pool.flush"
# struct PyDataMem_Handler { char name[127]; uint8_t version; struct { void *ctx, *malloc, *calloc, *realloc, *free; } }
_HANDLER_BYTES, _HANDLER_FIELDS = 168, 128
_LOCK = Lock(4)


def _word(k: int) -> str:
    return f"getelementptr (i64, ptr @{_TABLE}, i64 {k})"


_TEXT = f"""@{_TABLE} = dso_local global [{_WORDS} x i64] zeroinitializer
define ptr @{_ALLOCATE}(i64 %size) {{
start:
  br label %look
look:
  %k = phi i64 [0, %start], [%next, %on]
  %cell = getelementptr {{ptr, i64}}, ptr {_word(_PAIRS)}, i64 %k
  %size_at = getelementptr i8, ptr %cell, i64 8
  %its = load i64, ptr %size_at
  %fits = icmp eq i64 %its, %size
  br i1 %fits, label %take, label %on
on:
  %next = add i64 %k, 1
  %more = icmp ult i64 %next, {BLOCKS}
  br i1 %more, label %look, label %fresh
take:
  %p = load ptr, ptr %cell
  store ptr null, ptr %cell
  store i64 0, ptr %size_at
  %kept = load i64, ptr {_word(_KEPT)}
  %less = sub i64 %kept, %size
  store i64 %less, ptr {_word(_KEPT)}
  %reused = load i64, ptr {_word(_REUSED)}
  %again = add i64 %reused, 1
  store i64 %again, ptr {_word(_REUSED)}
  ret ptr %p
fresh:
  %malloc = load ptr, ptr {_word(_MALLOC)}
  %context = load ptr, ptr {_word(_CONTEXT)}
  %q = call ptr %malloc(ptr %context, i64 %size)
  ret ptr %q
}}
define void @{_FLUSH}() {{
start:
  %free = load ptr, ptr {_word(_FREE)}
  %context = load ptr, ptr {_word(_CONTEXT)}
  br label %each
each:
  %k = phi i64 [0, %start], [%next, %on]
  %cell = getelementptr {{ptr, i64}}, ptr {_word(_PAIRS)}, i64 %k
  %size_at = getelementptr i8, ptr %cell, i64 8
  %p = load ptr, ptr %cell
  %size = load i64, ptr %size_at
  %empty = icmp eq ptr %p, null
  br i1 %empty, label %on, label %drop
drop:
  call void %free(ptr %context, ptr %p, i64 %size)
  store ptr null, ptr %cell
  store i64 0, ptr %size_at
  br label %on
on:
  %next = add i64 %k, 1
  %more = icmp ult i64 %next, {BLOCKS}
  br i1 %more, label %each, label %done
done:
  store i64 0, ptr {_word(_KEPT)}
  ret void
}}
define void @{_RELEASE}(ptr %context, ptr %p, i64 %size) {{
start:
  %limit = load i64, ptr {_word(_LIMIT)}
  %large = icmp uge i64 %size, {LARGE}
  %small = icmp ule i64 %size, %limit
  %keep = and i1 %large, %small
  br i1 %keep, label %room, label %away
away:
  %free = load ptr, ptr {_word(_FREE)}
  %own = load ptr, ptr {_word(_CONTEXT)}
  call void %free(ptr %own, ptr %p, i64 %size)
  ret void
room:
  %kept = load i64, ptr {_word(_KEPT)}
  %with = add i64 %kept, %size
  %over = icmp ugt i64 %with, %limit
  br i1 %over, label %flush, label %look
flush:
  call void @{_FLUSH}()
  br label %look
look:
  %k = phi i64 [0, %room], [0, %flush], [%next, %on]
  %cell = getelementptr {{ptr, i64}}, ptr {_word(_PAIRS)}, i64 %k
  %there = load ptr, ptr %cell
  %vacant = icmp eq ptr %there, null
  br i1 %vacant, label %put, label %on
on:
  %next = add i64 %k, 1
  %more = icmp ult i64 %next, {BLOCKS}
  br i1 %more, label %look, label %flush
put:
  store ptr %p, ptr %cell
  %size_at = getelementptr i8, ptr %cell, i64 8
  store i64 %size, ptr %size_at
  %now = load i64, ptr {_word(_KEPT)}
  %sum = add i64 %now, %size
  store i64 %sum, ptr {_word(_KEPT)}
  ret void
}}
"""


class Pool:
    """The memory of one process. `allocate` is the address of the allocator, `handler` that of the NumPy memory handler."""

    def __init__(self) -> None:
        pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
            ("PyCapsule_GetPointer", ctypes.pythonapi))
        capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
            ("PyCapsule_New", ctypes.pythonapi))
        own = pointer(c_layouts.ADDRESSES["default_handler"], b"mem_handler")
        context, malloc, calloc, realloc, free = (ctypes.c_uint64 * 5).from_address(own + _HANDLER_FIELDS)
        self._code = compile_glue(_TEXT)
        self._table = (ctypes.c_uint64 * _WORDS).from_address(self._code.address(_TABLE))
        self._table[_MALLOC], self._table[_FREE], self._table[_CONTEXT] = malloc, free, context
        self._table[_LIMIT] = limit()
        self._flush = ctypes.PYFUNCTYPE(None)(self._code.address(_FLUSH))
        self.allocate = self._code.address(_ALLOCATE)
        self._struct = (ctypes.c_uint8 * _HANDLER_BYTES).from_buffer_copy(ctypes.string_at(own, _HANDLER_BYTES))
        ctypes.memmove(self._struct, b"tracegrad\0", 10)
        fields = (ctypes.c_uint64 * 5).from_address(ctypes.addressof(self._struct) + _HANDLER_FIELDS)
        fields[:] = [context, malloc, calloc, realloc, self._code.address(_RELEASE)]
        self.capsule = capsule(ctypes.addressof(self._struct), b"mem_handler", None)
        self.handler = id(self.capsule)

    @property
    def kept(self) -> int:
        """Bytes that wait for their next use."""
        return self._table[_KEPT]

    @property
    def reused(self) -> int:
        """How often a kept block served again."""
        return self._table[_REUSED]

    def clear(self) -> None:
        """Give everything back to the system."""
        self._flush()


def limit() -> int:
    """Bytes that may be kept: at most a sixteenth of the machine's memory."""
    return min(KEPT_AT_MOST, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 16)


_pool: Pool | None = None


def pool() -> Pool:
    """The process's pool, made when it is first needed; it is never freed, as arrays refer to it."""
    global _pool
    with _LOCK:
        if _pool is None:
            _pool = Pool()
        return _pool
