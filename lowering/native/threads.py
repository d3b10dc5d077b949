"""Threads that share the iterations of a loop: a pool in machine code, which needs neither Python nor its lock.

    launch(body, closure, trip, length, most, error)   0, or 1 where a chunk failed: `error` is then the record of the first
                                                       most: threads for this loop; 0: as many as process or thread may have
    body(closure, from, to, chunk, asks, error)    iterations from … to - 1; asks: whether this thread may ask for signals
    stopped(chunk)                                 1 where a chunk need not be finished, as an earlier one has failed

The trip iterations of a loop are cut into ⌈trip / length⌉ chunks. The caller and the workers take one after the other from a
counter until none is left, so a worker that the system runs late costs nothing. Which thread runs a chunk changes no result:
chunks share nothing that one of them writes. The caller runs all chunks itself where it may have no more threads, and where
another thread uses the pool, or this one, further up its stack.

Of chunks that fail the first in the order of the loop is reported. All before it have been taken before, and are run to their
end; so the failure is that of the serial loop. An exception of a signal's handler comes before all others.

Why not Numba's threading layer: its `workqueue`, the only one that is always there, ends the process (SIGABRT) when two threads
launch at once, and other users of Numba launch when they like.

Workers start when a loop first asks for them, spin for some microseconds after a loop, as the next one often follows, and then
sleep. Around a fork: the forking thread waits for the chunks of its own loop, if it stands in one (a signal's handler may
fork), and the child begins without workers.
"""
from __future__ import annotations

import ctypes
import os
import platform
import sys
from functools import cache

from ...ir.ops.checks import REPORTED_WORDS
from . import engine, object_code, perf_map
from .compile_fast import compile_glue

_KEY = "i64" if sys.platform == "darwin" else "i32"                        # pthread_key_t
_BLOCK = 1 if sys.platform == "darwin" else 0                              # SIG_BLOCK
_RECORD = 1 + REPORTED_WORDS                                               # words of a failure's record: site, values
_SPIN = 400                                                                # of about 30 ns
_X86 = platform.machine().lower() in ("x86_64", "amd64")
_PAUSE = "call void @llvm.x86.sse2.pause()" if _X86 else "fence seq_cst"
MOST = 1024                                                                # threads
LAUNCH = "declare i32 @threads.launch(ptr, ptr, i64, i64, i64, ptr)"
STOPPED = "declare i32 @threads.stopped(i64) cold nounwind memory(inaccessiblemem: readwrite)"

# All but `next`, `busy` and what spinning looks at is read and written under the mutex, or while no worker is active.
_TEXT = f"""@mutex = internal global [128 x i8] zeroinitializer, align 64
@work = internal global [128 x i8] zeroinitializer, align 64
@done = internal global [128 x i8] zeroinitializer, align 64
@next = internal global i64 0, align 64
@wanted = internal global i64 0, align 64
@active = internal global i64 0, align 64
@failed = internal global i64 0, align 64
@busy = internal global i64 0, align 64
@owner = internal global i64 0, align 64
@threads = global i64 1
@shuffle = global i64 0
@workers = global i64 0
@key = internal global {_KEY} 0
@everything = internal global [16 x i64] [{", ".join(["i64 -1"] * 16)}], align 64
@job.body = internal global ptr null
@job.closure = internal global ptr null
@job.trip = internal global i64 0
@job.length = internal global i64 0
@job.count = internal global i64 0
@job.record = internal global [{_RECORD} x i64] zeroinitializer
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_signal(ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
declare i32 @pthread_key_create(ptr, ptr)
declare ptr @pthread_getspecific({_KEY})
declare i32 @pthread_setspecific({_KEY}, ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i64 @pthread_self()
{"declare void @llvm.x86.sse2.pause()" if _X86 else ""}
declare i64 @llvm.smin.i64(i64, i64)

define internal void @note(ptr %to, ptr %from) nounwind {{
  %record = load [{_RECORD} x i64], ptr %from, align 8
  store [{_RECORD} x i64] %record, ptr %to, align 8
  ret void
}}
define internal void @fresh() nounwind {{
  call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  call i32 @pthread_cond_init(ptr @work, ptr null)
  call i32 @pthread_cond_init(ptr @done, ptr null)
  store i64 0, ptr @workers
  store atomic i64 0, ptr @wanted seq_cst, align 8
  store atomic i64 0, ptr @active seq_cst, align 8
  ret void
}}
define void @start(i64 %threads) nounwind {{
  call i32 @pthread_key_create(ptr @key, ptr null)
  call void @fresh()
  store i64 %threads, ptr @threads
  ret void
}}
define void @here(i64 %threads) nounwind {{
  %key = load {_KEY}, ptr @key
  %value = inttoptr i64 %threads to ptr
  call i32 @pthread_setspecific({_KEY} %key, ptr %value)
  ret void
}}
define i64 @allowed() nounwind {{
  %key = load {_KEY}, ptr @key
  %value = call ptr @pthread_getspecific({_KEY} %key)
  %number = ptrtoint ptr %value to i64
  %none = icmp eq i64 %number, 0
  %all = load i64, ptr @threads
  %found = select i1 %none, i64 %all, i64 %number
  ret i64 %found
}}
define i1 @inside() nounwind {{
  %busy = load atomic i64, ptr @busy seq_cst, align 8
  %used = icmp ne i64 %busy, 0
  %owner = load i64, ptr @owner
  %self = call i64 @pthread_self()
  %same = icmp eq i64 %owner, %self
  %inside = and i1 %used, %same
  ret i1 %inside
}}
define void @before_fork() nounwind {{
  %inside = call i1 @inside()
  br i1 %inside, label %wait, label %done
wait:
  call void @join()
  br label %done
done:
  ret void
}}
define void @in_child() nounwind {{
  %inside = call i1 @inside()
  %busy = zext i1 %inside to i64
  store atomic i64 %busy, ptr @busy seq_cst, align 8
  call void @fresh()
  ret void
}}
define internal void @join() nounwind {{
start:
  br label %spin
spin:
  %turn = phi i64 [0, %start], [%turns, %again]
  %busy = load atomic i64, ptr @active monotonic, align 8
  %idle = icmp eq i64 %busy, 0
  %tired = icmp uge i64 %turn, {_SPIN}
  %enough = or i1 %idle, %tired
  br i1 %enough, label %lock, label %again
again:
  {_PAUSE}
  %turns = add i64 %turn, 1
  br label %spin
lock:
  call i32 @pthread_mutex_lock(ptr @mutex)
  store atomic i64 0, ptr @wanted seq_cst, align 8
  br label %look
look:
  %active = load atomic i64, ptr @active seq_cst, align 8
  %some = icmp sgt i64 %active, 0
  br i1 %some, label %sleep, label %done
sleep:
  call i32 @pthread_cond_wait(ptr @done, ptr @mutex)
  br label %look
done:
  call i32 @pthread_mutex_unlock(ptr @mutex)
  ret void
}}
define internal ptr @worker(ptr %unused) nounwind {{
start:
  call i32 @pthread_sigmask(i32 {_BLOCK}, ptr @everything, ptr null)
  br label %lock
spin:
  %turn = phi i64 [0, %rest], [%turns, %again]
  %asked = load atomic i64, ptr @wanted monotonic, align 8
  %any = icmp sgt i64 %asked, 0
  %tired = icmp uge i64 %turn, {_SPIN}
  %enough = or i1 %any, %tired
  br i1 %enough, label %lock, label %again
again:
  {_PAUSE}
  %turns = add i64 %turn, 1
  br label %spin
lock:
  call i32 @pthread_mutex_lock(ptr @mutex)
  br label %look
look:
  %wanted = load atomic i64, ptr @wanted seq_cst, align 8
  %some = icmp sgt i64 %wanted, 0
  br i1 %some, label %join, label %sleep
sleep:
  call i32 @pthread_cond_wait(ptr @work, ptr @mutex)
  br label %look
join:
  %fewer = sub i64 %wanted, 1
  store atomic i64 %fewer, ptr @wanted seq_cst, align 8
  atomicrmw add ptr @active, i64 1 seq_cst
  call i32 @pthread_mutex_unlock(ptr @mutex)
  call void @share(i1 false)
  call i32 @pthread_mutex_lock(ptr @mutex)
  %before = atomicrmw sub ptr @active, i64 1 seq_cst
  %last = icmp eq i64 %before, 1
  br i1 %last, label %tell, label %rest
tell:
  call i32 @pthread_cond_signal(ptr @done)
  br label %rest
rest:
  call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %spin
}}
define i32 @stopped(i64 %k) nounwind {{
  %failed = load atomic i64, ptr @failed seq_cst, align 8
  %before = icmp slt i64 %failed, %k
  %code = zext i1 %before to i32
  ret i32 %code
}}
define internal i32 @chunk(ptr %body, ptr %closure, i64 %trip, i64 %length, i64 %k, i1 %asks, ptr %error) nounwind {{
  %from = mul i64 %k, %length
  %past = add i64 %from, %length
  %to = call i64 @llvm.smin.i64(i64 %past, i64 %trip)
  %code = call i32 %body(ptr %closure, i64 %from, i64 %to, i64 %k, i1 %asks, ptr %error)
  ret i32 %code
}}
define internal void @share(i1 %asks) nounwind {{
start:
  %record = alloca [{_RECORD} x i64], align 8
  %body = load ptr, ptr @job.body
  %closure = load ptr, ptr @job.closure
  %trip = load i64, ptr @job.trip
  %length = load i64, ptr @job.length
  %count = load i64, ptr @job.count
  br label %take
take:
  %k = atomicrmw add ptr @next, i64 1 seq_cst
  %some = icmp slt i64 %k, %count
  br i1 %some, label %look, label %done
look:
  %failed = load atomic i64, ptr @failed seq_cst, align 8
  %needed = icmp slt i64 %k, %failed
  br i1 %needed, label %run, label %done
run:
  %code = call i32 @chunk(ptr %body, ptr %closure, i64 %trip, i64 %length, i64 %k, i1 %asks, ptr %record)
  %bad = icmp ne i32 %code, 0
  br i1 %bad, label %report, label %take
report:
  %site = load i64, ptr %record
  %signal = icmp eq i64 %site, -2
  %rank = select i1 %signal, i64 -1, i64 %k
  call i32 @pthread_mutex_lock(ptr @mutex)
  %known = load atomic i64, ptr @failed seq_cst, align 8
  %first = icmp slt i64 %rank, %known
  br i1 %first, label %keep, label %kept
keep:
  store atomic i64 %rank, ptr @failed seq_cst, align 8
  call void @note(ptr @job.record, ptr %record)
  br label %kept
kept:
  call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %take
done:
  ret void
}}
define internal void @hire(i64 %wanted) nounwind {{
start:
  %handle = alloca i64
  br label %look
look:
  %workers = load i64, ptr @workers
  %few = icmp slt i64 %workers, %wanted
  br i1 %few, label %create, label %done
create:
  %code = call i32 @pthread_create(ptr %handle, ptr null, ptr @worker, ptr null)
  %refused = icmp ne i32 %code, 0
  br i1 %refused, label %done, label %made
made:
  %thread = load i64, ptr %handle
  call i32 @pthread_detach(i64 %thread)
  %more = add i64 %workers, 1
  store i64 %more, ptr @workers
  br label %look
done:
  ret void
}}
define i32 @launch(ptr %body, ptr %closure, i64 %trip, i64 %length, i64 %most, ptr %error) nounwind {{
start:
  %above = add i64 %trip, %length
  %last = sub i64 %above, 1
  %count = sdiv i64 %last, %length
  %shuffle = load i64, ptr @shuffle
  %shuffled = icmp ne i64 %shuffle, 0
  br i1 %shuffled, label %disorder, label %ordered
disorder:
  %mixed = call i32 @mix(ptr %body, ptr %closure, i64 %trip, i64 %length, i64 %count, ptr %error)
  ret i32 %mixed
ordered:
  %single = icmp sle i64 %count, 1
  br i1 %single, label %serial, label %ask
ask:
  %usual = call i64 @allowed()
  %given = icmp sgt i64 %most, 0
  %allowed = select i1 %given, i64 %most, i64 %usual
  %alone = icmp sle i64 %allowed, 1
  br i1 %alone, label %serial, label %own
own:
  %pair = cmpxchg ptr @busy, i64 0, i64 1 seq_cst seq_cst
  %free = extractvalue {{i64, i1}} %pair, 1
  br i1 %free, label %divide, label %serial
serial:
  %any = icmp sgt i64 %count, 0
  br i1 %any, label %each, label %right
each:
  %k = phi i64 [0, %serial], [%following, %on]
  %code = call i32 @chunk(ptr %body, ptr %closure, i64 %trip, i64 %length, i64 %k, i1 true, ptr %error)
  %bad = icmp ne i32 %code, 0
  br i1 %bad, label %wrong, label %on
on:
  %following = add i64 %k, 1
  %more = icmp slt i64 %following, %count
  br i1 %more, label %each, label %right
wrong:
  ret i32 1
right:
  ret i32 0
divide:
  %self = call i64 @pthread_self()
  store i64 %self, ptr @owner
  call i32 @pthread_mutex_lock(ptr @mutex)
  store ptr %body, ptr @job.body
  store ptr %closure, ptr @job.closure
  store i64 %trip, ptr @job.trip
  store i64 %length, ptr @job.length
  store i64 %count, ptr @job.count
  store atomic i64 0, ptr @next seq_cst, align 8
  store atomic i64 {1 << 62}, ptr @failed seq_cst, align 8
  %threads = call i64 @llvm.smin.i64(i64 %allowed, i64 %count)
  %helpers = sub i64 %threads, 1
  call void @hire(i64 %helpers)
  %there = load i64, ptr @workers
  %wanted = call i64 @llvm.smin.i64(i64 %helpers, i64 %there)
  store atomic i64 %wanted, ptr @wanted seq_cst, align 8
  call i32 @pthread_mutex_unlock(ptr @mutex)
  %two = icmp eq i64 %wanted, 1
  br i1 %two, label %one, label %all
one:
  call i32 @pthread_cond_signal(ptr @work)
  br label %work
all:
  call i32 @pthread_cond_broadcast(ptr @work)
  br label %work
work:
  call void @share(i1 true)
  call void @join()
  %failed = load atomic i64, ptr @failed seq_cst, align 8
  %fine = icmp eq i64 %failed, {1 << 62}
  br i1 %fine, label %succeed, label %fail
succeed:
  store i64 0, ptr @owner
  store atomic i64 0, ptr @busy seq_cst, align 8
  ret i32 0
fail:
  call void @note(ptr %error, ptr @job.record)
  store i64 0, ptr @owner
  store atomic i64 0, ptr @busy seq_cst, align 8
  ret i32 1
}}
define internal i32 @mix(ptr %body, ptr %closure, i64 %trip, i64 %length, i64 %count, ptr %error) nounwind {{
start:
  %record = alloca [{_RECORD} x i64], align 8
  %odd = load i64, ptr @shuffle
  %next = add i64 %odd, 2
  store i64 %next, ptr @shuffle
  %any = icmp sgt i64 %count, 0
  br i1 %any, label %measure, label %right
measure:
  %width = phi i64 [1, %start], [%wider, %measure]
  %wider = shl i64 %width, 1
  %covers = icmp sge i64 %width, %count
  br i1 %covers, label %each, label %measure
each:
  %k = phi i64 [0, %measure], [%following, %on]
  %failed = phi i64 [{1 << 62}, %measure], [%still, %on]
  %spread = mul i64 %k, %odd
  %moved = add i64 %spread, %odd
  %mask = sub i64 %width, 1
  %at = and i64 %moved, %mask
  %exists = icmp slt i64 %at, %count
  br i1 %exists, label %run, label %on
run:
  %code = call i32 @chunk(ptr %body, ptr %closure, i64 %trip, i64 %length, i64 %at, i1 true, ptr %record)
  %bad = icmp ne i32 %code, 0
  %before = icmp slt i64 %at, %failed
  %first = and i1 %bad, %before
  br i1 %first, label %keep, label %on
keep:
  call void @note(ptr %error, ptr %record)
  br label %on
on:
  %still = phi i64 [%failed, %each], [%failed, %run], [%at, %keep]
  %following = add i64 %k, 1
  %more = icmp slt i64 %following, %width
  br i1 %more, label %each, label %end
end:
  %fine = icmp eq i64 %still, {1 << 62}
  br i1 %fine, label %right, label %wrong
wrong:
  ret i32 1
right:
  ret i32 0
}}
"""
_code: list[engine.Code] = []
_threads: list[int] = []                    # what the process may use; empty: the usable cores


@cache
def cores() -> int:
    """The cores that this process may use. OMP_NUM_THREADS lowers it: joblib, dask and batch systems set it, so that processes
    side by side share the cores."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(found, int(limit)) if limit.isdigit() and int(limit) else found


def _call(name: str, *values: int) -> int:
    kinds = [ctypes.c_int64] * len(values)
    return ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(_module().address(name))(*values)


def _module() -> engine.Code:
    with object_code.LOCK:
        if not _code:
            _code.append(compile_glue(_TEXT))
            perf_map.note_helpers(_code[0], "start")
            _call("start", count())
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(before=_before, after_in_child=_in_child)
    return _code[0]


def _before() -> None:
    _call("before_fork")


def _in_child() -> None:
    _call("in_child")


def _global(name: str) -> ctypes.c_int64:
    return ctypes.c_int64.from_address(_module().address(name))


def count() -> int:
    """The threads that a loop of this process may use, the caller among them."""
    return _threads[0] if _threads else cores()


def use(threads: int | None) -> None:
    """Set it for the process; None: the usable cores."""
    _threads[:] = [] if threads is None else [min(threads, MOST)]
    if _code:
        _global("threads").value = count()


def use_here(threads: int | None) -> None:
    """Set it for the thread that calls this, whatever the process may use; None: as the process may."""
    if threads is not None or _code:
        _call("here", 0 if threads is None else min(threads, MOST))


def workers() -> int:
    """The threads that wait for work, or do some."""
    return _global("workers").value if _code else 0


def shuffle(seed: int) -> None:
    """For tests: the caller runs all chunks itself, in some disorder that differs from loop to loop; 0: no more."""
    _global("shuffle").value = 2 * seed + 1 if seed else 0


engine.PROVIDERS["threads"] = lambda names: [_module().address(name) for name in names]
