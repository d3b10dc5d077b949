"""Large temporaries keep their memory from call to call.

The C library gives freed memory back to the system: blocks above 32 MB at once, smaller ones when enough of the heap's top
is free. The page faults of the next call cost several times what the arithmetic on it does (a gradient with 16 MB: 6.4 ms
instead of 2.4). So the last blocks that were given back are kept for the process:

    take(size)      a kept block with room, of at most `LOOSE` times the size; else a new one; null where there is no memory
    give(block)     keep it in a free cell, else in place of another; small and very large ones are freed
    give_all(p, n)  give back the blocks, or nulls, of n cells from p on
    flush()         free all that is kept
    extend(p, size) memory that grows (tapes): p is what users write to, not the block, and null at first; null: no more memory
    shed_all(p, n)  give back such memory, or nulls, of the n records of stacks (llvm/stacks.py) from p on

`kept` counts the bytes in the cells; where one more block would exceed `LIMIT`, all others are freed first. All is lock-free,
since kernels run without the GIL: who takes a block out of its cell owns it. The first 64 bytes of a block belong to this
module; users may write from byte 64 up to byte 64 + size.
"""
from __future__ import annotations

import ctypes

from ..native import engine, object_code
from ..native.compile_fast import compile_glue

LARGE = 64 << 10              # bytes from which a block is kept
LIMIT = 512 << 20             # bytes that are kept at most
CELLS = 16                    # blocks that are kept at most
LOOSE = 4
HEADER = 64
RECORD = "{ ptr, i64, i64 }"   # of a stack

def give_all(name: str, give: str, cell: str = "ptr") -> str:
    """A function that gives back the blocks of so many cells, by that function for one. cell: the type that begins with it."""
    return f"""define void @{name}(ptr %cells, i64 %count) nounwind {{
start:
  br label %head
head:
  %k = phi i64 [0, %start], [%next, %each]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %each, label %done
each:
  %cell = getelementptr {cell}, ptr %cells, i64 %k
  %block = load ptr, ptr %cell
  call void @{give}(ptr %block)
  %next = add i64 %k, 1
  br label %head
done:
  ret void
}}
"""


_TEXT = f"""@cells = global [{CELLS} x i64] zeroinitializer
@kept = global i64 0
@hand = global i64 0
declare noalias ptr @malloc(i64)
declare ptr @realloc(ptr, i64)
declare void @free(ptr)
define ptr @take(i64 %size) nounwind {{
start:
  %large = icmp uge i64 %size, {LARGE}
  br i1 %large, label %look, label %new
look:
  %k = phi i64 [0, %start], [%next, %on]
  %cell = getelementptr i64, ptr @cells, i64 %k
  %seen = load atomic i64, ptr %cell monotonic, align 8
  %empty = icmp eq i64 %seen, 0
  br i1 %empty, label %on, label %own
own:
  %number = atomicrmw xchg ptr %cell, i64 0 seq_cst
  %gone = icmp eq i64 %number, 0
  br i1 %gone, label %on, label %check
check:
  %block = inttoptr i64 %number to ptr
  %have = load i64, ptr %block
  %room = icmp uge i64 %have, %size
  %part = udiv i64 %have, {LOOSE}
  %close = icmp ule i64 %part, %size
  %fits = and i1 %room, %close
  br i1 %fits, label %reuse, label %back
reuse:
  %less = atomicrmw sub ptr @kept, i64 %have seq_cst
  ret ptr %block
back:
  %pair = cmpxchg ptr %cell, i64 0, i64 %number seq_cst seq_cst
  %done = extractvalue {{i64, i1}} %pair, 1
  br i1 %done, label %on, label %drop
drop:
  %fewer = atomicrmw sub ptr @kept, i64 %have seq_cst
  call void @free(ptr %block)
  br label %on
on:
  %next = add i64 %k, 1
  %more = icmp ult i64 %next, {CELLS}
  br i1 %more, label %look, label %new
new:
  %total = add i64 %size, {HEADER}
  %fresh = call ptr @malloc(i64 %total)
  %missing = icmp eq ptr %fresh, null
  br i1 %missing, label %again, label %mark
again:
  call void @flush()
  %second = call ptr @malloc(i64 %total)
  %none = icmp eq ptr %second, null
  br i1 %none, label %fail, label %mark
mark:
  %found = phi ptr [%fresh, %new], [%second, %again]
  store i64 %size, ptr %found
  ret ptr %found
fail:
  ret ptr null
}}
define void @give(ptr %block) nounwind {{
start:
  %none = icmp eq ptr %block, null
  br i1 %none, label %done, label %measure
measure:
  %size = load i64, ptr %block
  %above = sub i64 %size, {LARGE}
  %keep = icmp ule i64 %above, {LIMIT - LARGE}
  br i1 %keep, label %count, label %away
away:
  call void @free(ptr %block)
  ret void
count:
  %number = ptrtoint ptr %block to i64
  %before = atomicrmw add ptr @kept, i64 %size seq_cst
  %with = add i64 %before, %size
  %over = icmp ugt i64 %with, {LIMIT}
  br i1 %over, label %clear, label %look
clear:
  call void @flush()
  br label %look
look:
  %k = phi i64 [0, %count], [0, %clear], [%next, %on]
  %cell = getelementptr i64, ptr @cells, i64 %k
  %pair = cmpxchg ptr %cell, i64 0, i64 %number seq_cst seq_cst
  %put = extractvalue {{i64, i1}} %pair, 1
  br i1 %put, label %done, label %on
on:
  %next = add i64 %k, 1
  %more = icmp ult i64 %next, {CELLS}
  br i1 %more, label %look, label %replace
replace:
  %turn = atomicrmw add ptr @hand, i64 1 seq_cst
  %at = urem i64 %turn, {CELLS}
  %target = getelementptr i64, ptr @cells, i64 %at
  %old = atomicrmw xchg ptr %target, i64 %number seq_cst
  call void @drop(i64 %old)
  ret void
done:
  ret void
}}
{give_all("give_all", "give")}define void @drop(i64 %number) nounwind {{
  %none = icmp eq i64 %number, 0
  br i1 %none, label %done, label %some
some:
  %block = inttoptr i64 %number to ptr
  %size = load i64, ptr %block
  %less = atomicrmw sub ptr @kept, i64 %size seq_cst
  call void @free(ptr %block)
  ret void
done:
  ret void
}}
define ptr @extend(ptr %data, i64 %size) nounwind {{
start:
  %first = icmp eq ptr %data, null
  br i1 %first, label %new, label %grow
new:
  %block = call ptr @take(i64 %size)
  br label %check
grow:
  %old = getelementptr i8, ptr %data, i64 -{HEADER}
  %total = add i64 %size, {HEADER}
  %moved = call ptr @realloc(ptr %old, i64 %total)
  %missing = icmp eq ptr %moved, null
  br i1 %missing, label %again, label %mark
again:
  call void @flush()
  %second = call ptr @realloc(ptr %old, i64 %total)
  %none = icmp eq ptr %second, null
  br i1 %none, label %fail, label %mark
mark:
  %found = phi ptr [%moved, %grow], [%second, %again]
  store i64 %size, ptr %found
  br label %check
check:
  %made = phi ptr [%block, %new], [%found, %mark]
  %nothing = icmp eq ptr %made, null
  br i1 %nothing, label %fail, label %done
done:
  %here = getelementptr i8, ptr %made, i64 {HEADER}
  ret ptr %here
fail:
  ret ptr null
}}
define void @shed(ptr %data) nounwind {{
start:
  %none = icmp eq ptr %data, null
  br i1 %none, label %done, label %some
some:
  %block = getelementptr i8, ptr %data, i64 -{HEADER}
  call void @give(ptr %block)
  ret void
done:
  ret void
}}
{give_all("shed_all", "shed", RECORD)}define void @flush() nounwind {{
start:
  br label %each
each:
  %k = phi i64 [0, %start], [%next, %each]
  %cell = getelementptr i64, ptr @cells, i64 %k
  %number = atomicrmw xchg ptr %cell, i64 0 seq_cst
  call void @drop(i64 %number)
  %next = add i64 %k, 1
  %more = icmp ult i64 %next, {CELLS}
  br i1 %more, label %each, label %done
done:
  ret void
}}
"""
_code: list[engine.Code] = []


def _module() -> engine.Code:
    with object_code.LOCK:
        if not _code:
            _code.append(compile_glue(_TEXT))
    return _code[0]


def kept() -> int:
    """Bytes that wait for their next use."""
    return ctypes.c_int64.from_address(_module().address("kept")).value if _code else 0


def release() -> None:
    """Free the blocks that are kept."""
    if _code:
        ctypes.CFUNCTYPE(None)(_module().address("flush"))()


engine.PROVIDERS["memory"] = lambda names: [_module().address(name) for name in names]
