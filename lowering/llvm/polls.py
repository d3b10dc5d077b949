"""Kernels that run for long ask now and then whether a signal has come, as Python's own loops do: Ctrl-C raises.

A `for` that stands in no other loop runs in chunks, between which it asks: nothing is added to its iterations.

    for i = 0 to n: A      ->      for c = 0 to ⌈n/N⌉ { ask; for i = N c to min(N (c + 1), n): A }      N iterations: about 5 ms

A `while`, which nothing bounds, and a `for` around two levels of loops, at any depth, count in a register:

    %left -= 1; where that is 0: %left = N, ask CPython, leave with -2 if it has raised

That is an addition and a branch beside an iteration that waits for the one before, or beside whole loops. Other loops end soon
enough: vectors and short inner loops are not disturbed. A kernel whose work is known to be small has none of this.
"""
from __future__ import annotations

from functools import cache
from math import inf
from typing import TYPE_CHECKING

from ..loopir.grammar import For, If, Kernel, Load, Store, While, walk
from ..loopir.passes.buffer_coloring import work
from ..native.compile_fast import compile_glue
from ..native.engine import PROVIDERS, Code

if TYPE_CHECKING:
    from .emit import Emitter

WORK = 10_000_000            # scalar operations between two questions: about 5 ms
_UNKNOWN = 50                # … that an iteration with inner loops of unknown length counts as, beside what those count
RAISED = -2                  # the site in the error record: the exception's type, value and traceback follow

# An ordinary call: under the convention that keeps all registers (preserve_allcc) LLVM 22 lets vectors be overwritten. The
# exception goes into the error record, because the caller of the kernel may have to call Python before it raises. One function
# serves all kernels: to have it in each costs a tenth of a small kernel's compilation.
_ASK = f"""declare i32 @PyGILState_Ensure()
declare void @PyGILState_Release(i32)
declare i32 @PyErr_CheckSignals()
declare void @PyErr_Fetch(ptr, ptr, ptr)
declare void @PyErr_NormalizeException(ptr, ptr, ptr)
define i32 @signals.ask(ptr %error) {{
  %state = call i32 @PyGILState_Ensure()
  %code = call i32 @PyErr_CheckSignals()
  %raised = icmp ne i32 %code, 0
  br i1 %raised, label %keep, label %done
keep:
  %kind = getelementptr inbounds i8, ptr %error, i64 8
  %value = getelementptr inbounds i8, ptr %error, i64 16
  %traceback = getelementptr inbounds i8, ptr %error, i64 24
  call void @PyErr_Fetch(ptr %kind, ptr %value, ptr %traceback)
  call void @PyErr_NormalizeException(ptr %kind, ptr %value, ptr %traceback)
  store i64 {RAISED}, ptr %error, align 8
  br label %done
done:
  call void @PyGILState_Release(i32 %state)
  ret i32 %code
}}
"""
_DECLARED = """declare i32 @signals.ask(ptr) cold nounwind memory(argmem: readwrite, inaccessiblemem: readwrite)"""


@cache
def _asking() -> Code:
    return compile_glue(_ASK)


PROVIDERS["signals"] = lambda names: [_asking().address(f"signals.{name}") for name in names]


def _work_of(body: list) -> int:
    done = work(body)
    return _UNKNOWN if done == inf else int(min(done, WORK)) + 1


def _levels(body: list) -> int:
    """How many loops stand in each other in a body, at most."""
    inner = [_levels(s.body) + 1 for s in body if type(s) in (For, While)]
    return max([*inner, *(max(_levels(s.then), _levels(s.other)) for s in body if type(s) is If)], default=0)


class Polls:
    """The questions of one kernel. `out` is the emitter of its text."""

    def __init__(self, out: Emitter, kernel: Kernel):
        self.out = out
        self.wanted = kernel.work > WORK

    def iteration(self, loop: For | While) -> None:
        """In an iteration: count it, and ask where enough has been counted. That of a `while` asks at its end: what it writes
        to one place each time is then written at least once before the loop can be left, so LLVM keeps it in a register."""
        if not self.wanted or work([loop]) <= WORK:
            return
        if type(loop) is While:
            self.question(_work_of([*loop.head, *loop.body]))
        elif self.out.depth > 1 and _levels(loop.body) > 1:
            self.question(_work_of(loop.body))

    def chunk(self, loop: For) -> int:
        """The iterations of a chunk; 0 where a loop runs as a whole: inside of others, short, or as long as an array."""
        if not self.wanted or self.out.depth or work([loop]) <= WORK:
            return 0
        accesses = [s for s in walk(loop.body) if isinstance(s, (Load, Store))]
        along = isinstance(loop.trip, int) or any(loop.trip in s.buffer.dims for s in accesses)
        if along and _levels(loop.body) <= (work(loop.body) == inf) and not any(type(s) is While for s in walk(loop.body)):
            return 0                                # a sweep; or one over rows whose lengths stand in the data
        return max(WORK // _work_of(loop.body), 1)

    def question(self, amount: int) -> None:
        """Ask each time that about WORK operations have been done, where this place is passed after each `amount` of them."""
        out, cell, often = self.out, self.out.alloca("i64"), max(WORK // amount, 1)
        out.entry.append(f"  store i64 {often}, ptr {cell}")
        out.declare(_DECLARED)
        left, rest, due, raised = (out.fresh() for _ in range(4))
        lines, code = out.question("call i32 @signals.ask(ptr %error)")
        ask, go_on = out.label(), out.label()
        out.lines += [f"  {left} = load i64, ptr {cell}", f"  {rest} = add nsw i64 {left}, -1",
                      f"  store i64 {rest}, ptr {cell}", f"  {due} = icmp eq i64 {rest}, 0",
                      f"  br i1 {due}, label %{ask}, label %{go_on}, !prof !{out.unlikely()}"]
        out.fails = True
        out.cold += [f"{ask}:", f"  store i64 {often}, ptr {cell}", *lines,
                     f"  {raised} = icmp ne i32 {code}, 0", f"  br i1 {raised}, label %fail, label %{go_on}"]
        out.start(go_on)
