"""The native call path: LLVM IR of a vectorcall function that unpacks the arguments, runs the kernel, packs the result.

    entry(self, args, nargsf, kwnames):
        every argument has the type, dtype, rank, dimensions and flags of the signature?  no: go on to the next entry
        count the call; allocate the results; run the kernel on pointers into the arguments' own memory
        failed check: the Python function `fail` raises, and its frames are taken out of the traceback
    else make the structure that the function returns

Nothing of this process stands in the text, so the machine code can be kept on disk. What the code needs to know, and
its counters, are in one global array, `@tg.table`, that `specialisation` fills. Its first words are the state:

    0 calls   1 tick of the last call   2 calls now running   3 the next entry   4 … the links, as `Entry.links` says

Ownership: arguments are borrowed from the caller, who holds them. What was reached through something mutable (list, dict,
attributes) is held until the call ends. Every new object has a slot until its owner takes it; the failure path releases
whatever is in a slot. The count of running calls tells when machine code may be freed.
"""
from __future__ import annotations

from typing import NamedTuple

from ...ir.ops.checks import REPORTED_WORDS
from ..native import c_layouts
from ..native.entry_writer import CALLS, NEXT, RUNNING, SIGNATURE, TICK, Writer
from . import generator_locks
from .any_layout import straighten
from .box import Packer
from .calling_convention import Signature
from .unbox import Unpacker

ENTRY, TRAMPOLINE, MISS, GUARD = "tg.entry", "tg.call", "tg.miss", "tg.guard"
ERROR_WORDS = 1 + REPORTED_WORDS     # the kernel's error record: site, values
_HEAD_OFFSET, _BOUND_OFFSET = c_layouts.OFFSETS["callable.head"], c_layouts.OFFSETS["callable.bound"]


class Entry(NamedTuple):
    """links: what each table word after the state holds.

    ("api", C name) | ("object", object) | ("address", integer) | ("pool", attribute)
    | ("weak", what has a weak `reference`) | ("zero", …)
    | ("kernel", None) | ("fail", None)        what the specialisation has of its own
    """

    text: str
    links: tuple[tuple, ...]


def emit(signature: Signature) -> Entry:
    """The entry of a kernel, an `i32 (ptr …, ptr %error)` whose address is linked."""
    w = Writer(ENTRY)
    unpacker = Unpacker(w, signature)
    unpacker.unpack()
    packer = Packer(w, signature, unpacker.objects, unpacker.lengths)
    _start(w, unpacker)
    copies = straighten(unpacker)
    packer.allocate()
    error = w.alloca(f"[{ERROR_WORDS} x i64]")
    _call_kernel(w, signature, {"in": unpacker.pointers, "out": packer.outputs}, error)
    packer.adopt()
    result, slot = packer.pack(signature.output)
    kept = unpacker.owned + len(unpacker.held) + copies
    if kept:
        w.disown(slot)
        w.release(kept)
    w.count(RUNNING, -1)
    w(f"ret ptr {result}")
    _failures(w, packer, error)
    _mismatch(w, unpacker)
    return Entry(w.text(), tuple(w.links))


def _start(w: Writer, unpacker: Unpacker) -> None:
    """All checks have passed: count the call, hold what must be held."""
    if not unpacker.owned:
        w.count(RUNNING, 1)
    w.count(CALLS, 1)
    clock = w.link("api", "tick")
    now = w.value(f"add i64 {w.value(f'load i64, ptr {clock}')}, 1")
    w(f"store i64 {now}, ptr {clock}")
    w(f"store i64 {now}, ptr {w.word(TICK)}")
    for x in unpacker.held:
        w.call("Py_IncRef", "void", f"ptr {x}")
        w(f"store ptr {x}, ptr {w.new_slot()}")


def _call_kernel(w: Writer, signature: Signature, registers: dict, error: str) -> None:
    pointers = [f"ptr {registers[kind][k]}" for kind, k in signature.kernel]
    held = _generators(w, signature, registers["in"]) if signature.release else ""
    if held:
        w(f"call void {w.link('address', generator_locks.TAKE)}({held})")
    state = w.call("PyEval_SaveThread", "ptr") if signature.release else ""
    code = w.value(f"call i32 {w.link('kernel')}({', '.join([*pointers, f'ptr {error}'])})")
    if signature.release:
        w.call("PyEval_RestoreThread", "void", f"ptr {state}")
    if held:
        w(f"call void {w.link('address', generator_locks.GIVE_BACK)}({held})")
    w.require(w.value(f"icmp eq i32 {code}, 0"), "%raise")


def _generators(w: Writer, signature: Signature, pointers: dict) -> str:
    """The operands of what takes and gives back the locks of generators; "" where there are none."""
    params = generator_locks.parameters(signature)
    if not params:
        return ""
    array = w.alloca(f"[{len(params)} x i64]")
    for n, k in enumerate(params):
        w(f"store i64 {w.field(pointers[k], 0, 'i64')}, ptr {w.at(array, 8 * n)}")
    return f"ptr {array}, i64 {len(params)}"


def _failures(w: Writer, packer: Packer, error: str) -> None:
    """A failed check calls `fail` with the address of the record; every failure then releases what has been made."""
    w.begin("%raise")
    array = w.alloca("ptr")
    number = w.call("PyLong_FromVoidPtr", "ptr", f"ptr {error}")
    w.require(w.value(f"icmp ne ptr {number}, null"), "%failed")
    w(f"store ptr {number}, ptr {array}")
    raised = w.call("PyObject_Vectorcall", "ptr", f"ptr {w.link('fail')}", f"ptr {array}", "i64 1", "ptr null")
    w.call("Py_DecRef", "void", f"ptr {raised}")            # null, if it has raised
    w.call("Py_DecRef", "void", f"ptr {number}")
    _shorten(w, 0)
    w("br label %failed")
    w.begin("%failed")
    packer.abandon()
    if w.slots:
        w.release(w.slots)
    w.count(RUNNING, -1)
    w("ret ptr null")


def _shorten(w: Writer, skip: int) -> None:
    """Leave out frames of the traceback of the exception that is set: the first, or (skip 0) all that there are."""
    kind, value, traceback = (w.alloca("ptr") for _ in range(3))
    w.call("PyErr_Fetch", "void", f"ptr {kind}", f"ptr {value}", f"ptr {traceback}")
    kept, first = "null", w.value(f"load ptr, ptr {traceback}")
    if skip:
        empty = w.value(f"icmp eq ptr {first}, null")
        cell = w.value(f"select i1 {empty}, ptr {traceback}, ptr {w.at(first, c_layouts.OFFSETS['traceback.next'])}")
        kept = w.value(f"load ptr, ptr {cell}")
        w.call("Py_IncRef", "void", f"ptr {kept}")
    w.call("Py_DecRef", "void", f"ptr {first}")
    w.call("PyErr_Restore", "void", *(f"ptr {w.value(f'load ptr, ptr {cell}')}" for cell in (kind, value)), f"ptr {kept}")


def _mismatch(w: Writer, unpacker: Unpacker) -> None:
    if unpacker.owned:
        w.begin("%unreadable")                              # an interrupt comes through, as what Python's own code would raise
        error = w.call("PyErr_ExceptionMatches", "i32", f"ptr {w.link('object', Exception)}")
        w.require(w.value(f"icmp ne i32 {error}, 0"), "%interrupted")
        w.call("PyErr_Clear", "void")
        w("br label %other")
        w.begin("%interrupted")
        w.release(unpacker.owned)
        w.count(RUNNING, -1)
        w("ret ptr null")
    w.begin("%other")
    if unpacker.owned:
        w.release(unpacker.owned)
        w.count(RUNNING, -1)
    following = w.value(f"load ptr, ptr {w.word(NEXT)}")
    _tail(w, following)


def _tail(w: Writer, function: str) -> None:
    result = w.value(f"musttail call ptr {function}({SIGNATURE})")
    w(f"ret ptr {result}")


# the functions around `tg.miss`: to the head of the chain; to what another callable answers, as long as its words hold
_FORWARDS = f"""define ptr @{TRAMPOLINE}({SIGNATURE}) {{
  %cell = getelementptr i8, ptr %self, i64 {_HEAD_OFFSET}
  %head = load ptr, ptr %cell
  %result = musttail call ptr %head({SIGNATURE})
  ret ptr %result
}}
define ptr @{GUARD}({SIGNATURE}) {{
start:
  %cell = getelementptr i8, ptr %self, i64 {_BOUND_OFFSET}
  %words = load ptr, ptr %cell
  %second = getelementptr i64, ptr %words, i64 1
  %count = load i64, ptr %second
  br label %next
next:
  %k = phi i64 [0, %start], [%following, %held]
  %place = phi ptr [%second, %start], [%expected, %held]
  %done = icmp eq i64 %k, %count
  br i1 %done, label %enter, label %check
check:
  %where = getelementptr i64, ptr %place, i64 1
  %expected = getelementptr i64, ptr %place, i64 2
  %address = load ptr, ptr %where
  %found = load i64, ptr %address
  %wanted = load i64, ptr %expected
  %same = icmp eq i64 %found, %wanted
  br i1 %same, label %held, label %otherwise
held:
  %following = add i64 %k, 1
  br label %next
enter:
  %answering = load ptr, ptr %words
  %link = getelementptr i8, ptr %answering, i64 {_HEAD_OFFSET}
  %head = load ptr, ptr %link
  %result = musttail call ptr %head({SIGNATURE})
  ret ptr %result
otherwise:
  %asked = musttail call ptr @{MISS}({SIGNATURE})
  ret ptr %asked
}}
"""


def trampoline() -> Entry:
    """Code that lives as long as the process: where every call enters, and where a call ends up that no entry takes.

    `tg.call` goes to the first entry of the callable's chain. `tg.miss` calls the Python function `miss` with the
    callable as its first argument. Callers may hold `tg.call` while anything runs, so entries themselves can be freed.

    `tg.guard` is where calls enter that another callable answers (call/forwarding.py). Its words are that callable, a
    count, and so many pairs of an address and what must be there. Where something else is, Python looks again.
    """
    w = Writer(MISS)
    bound = w.call("PyMethod_New", "ptr", f"ptr {w.link('miss')}", "ptr %self")
    w.require(w.value(f"icmp ne ptr {bound}, null"))
    result = w.call("PyObject_Vectorcall", "ptr", f"ptr {bound}", "ptr %args", "i64 %nargsf", "ptr %kwnames")
    w.call("Py_DecRef", "void", f"ptr {bound}")
    w.require(w.value(f"icmp eq ptr {result}, null"), "%made")
    _shorten(w, 1)
    w("ret ptr null")
    w.begin("%made")
    w(f"ret ptr {result}")
    w.begin("%other")
    w("ret ptr null")
    return Entry(w.text() + _FORWARDS, tuple(w.links))
