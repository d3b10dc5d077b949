"""Large temporaries keep their memory from call to call.

glibc gives every block above 32 MB back to the system at once, and the page faults of the next call cost several times what
the arithmetic on it does (45 MB: 35 ms instead of 6). So one block, the last that was given back, is kept for the process:

    take(size)    the kept block if it is large enough, else a new one; null where there is no memory
    give(block)   keep it and free the one kept before; small and very large ones are freed

Both are lock-free, since kernels run without the GIL. The first 64 bytes of a block belong to this module; users may
write from byte 64 up to byte 64 + size.
"""
from __future__ import annotations

import ctypes

from . import engine

LARGE = 32 << 20              # bytes from which a block is kept
LARGEST = 512 << 20           # and up to which
HEADER = 64

_TEXT = f"""@kept = global i64 0
declare noalias ptr @malloc(i64)
declare void @free(ptr)
define ptr @take(i64 %size) nounwind {{
  %large = icmp uge i64 %size, {LARGE}
  br i1 %large, label %look, label %new
look:
  %kept = atomicrmw xchg ptr @kept, i64 0 seq_cst
  %none = icmp eq i64 %kept, 0
  br i1 %none, label %new, label %check
check:
  %block = inttoptr i64 %kept to ptr
  %have = load i64, ptr %block
  %fits = icmp uge i64 %have, %size
  br i1 %fits, label %reuse, label %drop
reuse:
  ret ptr %block
drop:
  call void @free(ptr %block)
  br label %new
new:
  %total = add i64 %size, {HEADER}
  %fresh = call ptr @malloc(i64 %total)
  %missing = icmp eq ptr %fresh, null
  br i1 %missing, label %fail, label %mark
mark:
  store i64 %size, ptr %fresh
  ret ptr %fresh
fail:
  ret ptr null
}}
define void @give(ptr %block) nounwind {{
  %none = icmp eq ptr %block, null
  br i1 %none, label %done, label %measure
measure:
  %size = load i64, ptr %block
  %above = sub i64 %size, {LARGE}
  %kept = icmp ult i64 %above, {LARGEST - LARGE}
  br i1 %kept, label %keep, label %drop
keep:
  %number = ptrtoint ptr %block to i64
  %old = atomicrmw xchg ptr @kept, i64 %number seq_cst
  %before = inttoptr i64 %old to ptr
  call void @free(ptr %before)
  ret void
drop:
  call void @free(ptr %block)
  ret void
done:
  ret void
}}
"""
_code: list[engine.Code] = []


def _module() -> engine.Code:
    with engine.LOCK:
        if not _code:
            _code.append(engine.compile_module(_TEXT, optimize=False))
    return _code[0]


def release() -> None:
    """Free the block that is kept."""
    if _code:
        take = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int64)(_module().address("take"))
        free = ctypes.CDLL(None).free
        free.argtypes = [ctypes.c_void_p]
        free(take(LARGE))


engine.PROVIDERS["memory"] = lambda names: [_module().address(name) for name in names]
