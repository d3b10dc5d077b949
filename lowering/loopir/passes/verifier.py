"""The loop IR's rules, checked after lowering: a finding is a defect of tracegrad and raises IRError with the statement.

    scalars   defined once, before their use, in the same block or one that encloses it
    dtypes    of operands and targets as the op says; of loads, stores, sets and fills as the buffer or variable has it
    indices   one per dimension or one in all, of dtype index (or a Python int)
    vars      set on every path before they are read
    buffers   parameters, constants, or allocated in an enclosing block before use; only "out", "inout", "result", "stack" and
              "heap" are written; Swap takes two heap buffers of one type
    sites     a row of `sites` each, with at most 32 words of values
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ....ir.errors import IRError, Loc
from ....ir.opdef import OPS, Elementwise
from ....ir.ops.checks import REPORTED_WORDS
from ....ir.ops.elementwise import GIVES
from ....ir.types import BOOL, INDEX, DType
from ...libraries.blas import ROWS
from ..grammar import (
    INDEX_OPS,
    Alloc,
    At,
    Atom,
    Buffer,
    Clear,
    Copy,
    Fail,
    Fill,
    For,
    Get,
    If,
    Imm,
    Index,
    Kernel,
    Let,
    Lib,
    Load,
    Peek,
    Poke,
    Pop,
    Print,
    Push,
    Scalar,
    Set,
    Size,
    Stack,
    Store,
    Swap,
    Table,
    While,
)

_WRITABLE = frozenset({"out", "inout", "result", "stack", "heap"})
_PYTHON: dict[str, type | tuple[type, ...]] = {"b": bool, "i": int, "u": int, "x": int, "f": (int, float),
                                               "c": (int, float, complex)}


class _Verifier:
    """`scalars`, `allocated` and `assigned` are what is visible at the current statement; blocks work on copies."""

    def __init__(self, kernel: Kernel, where: str):
        self.kernel, self.where = kernel, where
        self.defined: set[Scalar] = set()
        self.scalars: set[Scalar] = set()
        self.allocated: set[Buffer] = {b for b in kernel.params if b.space != "result"}
        self.assigned: set = set()
        self.params = set(kernel.params)
        self.loc: Loc | None = None                  # the user's frames of the last statement that has some

    def bad(self, stmt: Any, what: str) -> NoReturn:
        after = f" after {self.where}" if self.where else ""
        loc = getattr(getattr(stmt, "target", None), "loc", None) or self.loc
        raise IRError(f"loop IR of {self.kernel.name}{after}: {what}\n  in {repr(stmt)[:500]}", "", loc or ())

    # --- operands -------------------------------------------------------------------------------------------------------

    def atom(self, stmt: Any, atom: Any, dtype: DType | None = None) -> DType:
        if type(atom) is Scalar:
            if atom not in self.scalars:
                self.bad(stmt, f"{atom!r} is not defined here")
        elif type(atom) is not Imm:
            self.bad(stmt, f"{atom!r} is not a scalar or immediate")
        elif not isinstance(atom.value, _PYTHON[atom.dtype.kind]):
            self.bad(stmt, f"the immediate {atom.value!r} is not a Python number of dtype {atom.dtype}")
        if dtype is not None and atom.dtype is not dtype:
            self.bad(stmt, f"{atom!r} has dtype {atom.dtype}, not {dtype}")
        return atom.dtype

    def size(self, stmt: Alloc | For, size: Size) -> None:
        if not isinstance(size, int):
            self.atom(stmt, size, INDEX)
        elif size < 0:
            self.bad(stmt, f"the size {size} is negative")

    def define(self, stmt: Any, scalar: Scalar) -> None:
        if type(scalar) is not Scalar or scalar in self.defined:
            self.bad(stmt, f"{scalar!r} is defined twice or is no scalar")
        self.defined.add(scalar)
        self.scalars.add(scalar)

    def buffer(self, stmt: Any, buffer: Buffer, write: bool = False) -> None:
        if buffer.space == "const":
            if buffer.data is None or buffer.data.shape != buffer.dims or buffer.data.dtype != buffer.dtype.np:
                self.bad(stmt, f"the constant {buffer!r} has not the data that it declares")
        elif buffer not in self.allocated:
            self.bad(stmt, f"{buffer!r} is not allocated here")
        if write and buffer.space not in _WRITABLE:
            self.bad(stmt, f"{buffer!r} of space {buffer.space} is written")

    def element(self, stmt: Any, buffer: Buffer, index: Index, write: bool = False) -> None:
        self.buffer(stmt, buffer, write)
        if len(index) != len(buffer.dims) and len(index) != 1:
            self.bad(stmt, f"{len(index)} indices for the {len(buffer.dims)} dimensions of {buffer!r}")
        for i in index:
            if type(i) is not int:
                self.atom(stmt, i, INDEX)

    # --- statements ---------------------------------------------------------------------------------------------------

    def block(self, statements: list) -> set:
        """Check statements in a scope of their own; returns the variables assigned after them."""
        outer = self.scalars, self.allocated, self.assigned
        self.scalars, self.allocated, self.assigned = set(self.scalars), set(self.allocated), set(self.assigned)
        self.statements(statements)
        after = self.assigned
        self.scalars, self.allocated, self.assigned = outer
        return after

    def statements(self, statements: list) -> None:
        for stmt in statements:
            self.loc = getattr(getattr(stmt, "target", None), "loc", None) or self.loc
            if type(stmt) not in _STATEMENTS:
                self.bad(stmt, "no such statement")
            _STATEMENTS[type(stmt)](self, stmt)

    def let(self, s: Let) -> None:
        kinds = [self.atom(s, a) for a in s.args]
        want = self._let_type(s, kinds)
        if s.target.dtype is not want:
            self.bad(s, f"{s.op} of {kinds} gives {want}, not {s.target.dtype}")
        self.define(s, s.target)

    def _let_type(self, s: Let, kinds: list[DType]) -> DType:
        if s.op in INDEX_OPS:
            takes, gives = INDEX_OPS[s.op]
            if tuple(kinds) != takes:
                self.bad(s, f"{s.op} takes {takes}, not {kinds}")
            return gives
        defn = OPS.get(s.op)
        if not isinstance(defn, Elementwise):
            self.bad(s, f"{s.op} is not an elementwise op")
        if len(kinds) != defn.arity:
            self.bad(s, f"{s.op} takes {defn.arity} operands")
        same = kinds[1:] if s.op == "select" else kinds
        if any(k is not same[0] for k in same) or same[0] not in defn.takes or (s.op == "select" and kinds[0] is not BOOL):
            self.bad(s, f"{s.op} does not take {kinds}")
        return s.target.dtype if s.op == "cast" else GIVES[defn.gives](same[0])

    def load(self, s: Load) -> None:
        self.element(s, s.buffer, s.index)
        if s.target.dtype is not s.buffer.dtype:
            self.bad(s, f"a load of {s.buffer.dtype} into {s.target.dtype}")
        self.define(s, s.target)

    def store(self, s: Store) -> None:
        self.element(s, s.buffer, s.index, write=True)
        self.atom(s, s.value, s.buffer.dtype)

    def get(self, s: Get) -> None:
        if s.var not in self.assigned:
            self.bad(s, f"{s.var!r} is read before it is set on every path")
        if s.target.dtype is not s.var.dtype:
            self.bad(s, f"a get of {s.var.dtype} into {s.target.dtype}")
        self.define(s, s.target)

    def set(self, s: Set) -> None:
        self.atom(s, s.value, s.var.dtype)
        self.assigned.add(s.var)

    def for_(self, s: For) -> None:
        self.size(s, s.trip)
        if s.index.dtype is not INDEX:
            self.bad(s, "the loop's index has not dtype index")
        self.define(s, s.index)
        after = self.block(s.body)
        if type(s.trip) is int and s.trip > 0:
            self.assigned |= after
        self.scalars.discard(s.index)

    def while_(self, s: While) -> None:
        outer = self.scalars, self.allocated, set(self.assigned)
        self.scalars, self.allocated = set(self.scalars), set(self.allocated)
        self.statements(s.head)                       # runs at least once, so what it sets stays set
        self.atom(s, s.cond, BOOL)
        self.block(s.body)
        self.scalars, self.allocated, _ = outer

    def if_(self, s: If) -> None:
        self.atom(s, s.cond, BOOL)
        self.assigned = self.block(s.then) & self.block(s.other)

    def alloc(self, s: Alloc) -> None:
        buffer = s.buffer
        for dim in buffer.dims:
            self.size(s, dim)
        if buffer.space == "result":
            if buffer not in self.params:
                self.bad(s, f"the result {buffer!r} is not a parameter")
        elif buffer.space not in ("stack", "heap") or (buffer.space == "stack" and not buffer.static):
            self.bad(s, f"{buffer!r} of space {buffer.space} cannot be allocated")
        if s.stack is not None and (buffer.space != "heap" or buffer.dtype is not s.stack.dtype):
            self.bad(s, f"{buffer!r} cannot lie on {s.stack!r}")
        self.allocated.add(buffer)

    def fill(self, s: Fill) -> None:
        self.buffer(s, s.buffer, write=True)
        self.atom(s, s.value, s.buffer.dtype)

    def copy(self, s: Copy) -> None:
        self.buffer(s, s.src)
        self.buffer(s, s.dst, write=True)
        if s.src.dtype is not s.dst.dtype or (s.src.static and s.dst.static and s.src.count != s.dst.count):
            self.bad(s, f"{s.src!r} and {s.dst!r} differ in dtype or size")

    def clear(self, s: Clear | Push | Pop | Peek | Poke | Table) -> None:
        if type(s.stack) is not Stack:
            self.bad(s, f"{s.stack!r} is no stack")

    def push(self, s: Push | Poke) -> None:
        self.clear(s)
        if isinstance(s.source, (Buffer, At)):
            self._elements(s, s.source, False)
        else:
            self.atom(s, s.source, s.stack.dtype)

    def pop(self, s: Pop | Peek) -> None:
        self.clear(s)
        if isinstance(s.target, Scalar):
            self.define(s, s.target)
            if s.target.dtype is not s.stack.dtype:
                self.bad(s, f"{s.target.dtype} from a stack of {s.stack.dtype}")
        else:
            self._elements(s, s.target, True)

    def peek(self, s: Peek) -> None:
        self.atom(s, s.depth)
        self.pop(s)

    def poke(self, s: Poke) -> None:
        self.atom(s, s.depth)
        self.push(s)

    def table(self, s: Table) -> None:
        self.clear(s)
        for value in s.values:
            self.atom(s, value)
        if isinstance(s.target, Scalar):
            self.define(s, s.target)
        elif isinstance(s.target, (Buffer, At)):
            where = s.target
            self.element(s, where.buffer if isinstance(where, At) else where,
                         where.index if isinstance(where, At) else (0,), True)

    def _elements(self, s: Pop | Push | Peek | Poke, where: Buffer | At, write: bool) -> None:
        buffer = where.buffer if isinstance(where, At) else where
        self.element(s, buffer, where.index if isinstance(where, At) else (0,), write)
        if buffer.dtype is not s.stack.dtype:
            self.bad(s, f"{buffer.dtype} elements and a stack of {s.stack.dtype}")

    def swap(self, s: Swap) -> None:
        if isinstance(s.a, Stack) and isinstance(s.b, Stack):
            return
        a, b = s.a, s.b
        if isinstance(a, Stack) or isinstance(b, Stack):
            self.bad(s, "a stack and a buffer")
        for buffer in (a, b):
            self.buffer(s, buffer, write=True)
        if a.dtype is not b.dtype or a.dims != b.dims or a.space != "heap" or b.space != "heap":
            self.bad(s, "swap takes two heap buffers of one type")

    def lib(self, s: Lib) -> None:
        if s.name not in ROWS:
            self.bad(s, f"there is no library routine {s.name!r}")
        for arg in s.args:
            if isinstance(arg, Buffer):
                self.buffer(s, arg)
            elif isinstance(arg, At):
                self.element(s, arg.buffer, arg.index)
            elif isinstance(arg, (Scalar, Imm)):
                self.atom(s, arg)
        if s.site is not None:
            self.site(s, s.site, ())

    def site(self, stmt: Any, site: int, values: tuple[Atom | Buffer, ...]) -> None:
        if not 0 <= site < len(self.kernel.sites):
            self.bad(stmt, f"there is no site {site}")
        for value in values:
            if isinstance(value, Buffer) and isinstance(stmt, Print):
                self.buffer(stmt, value)
            else:
                self.atom(stmt, value)

    def fail(self, s: Fail) -> None:
        self.atom(s, s.cond, BOOL)
        self.site(s, s.site, s.values)
        if sum(2 if v.dtype.complex else 1 for v in s.values) > REPORTED_WORDS:
            self.bad(s, f"the error record has room for {REPORTED_WORDS} words, two a complex number")

    def print_(self, s: Print) -> None:
        self.site(s, s.site, s.values)


_STATEMENTS: dict[type, Callable[[_Verifier, Any], None]] = {
               Let: _Verifier.let, Load: _Verifier.load, Store: _Verifier.store, Get: _Verifier.get, Set: _Verifier.set,
               For: _Verifier.for_, While: _Verifier.while_, If: _Verifier.if_, Alloc: _Verifier.alloc, Fill: _Verifier.fill,
               Copy: _Verifier.copy, Swap: _Verifier.swap, Clear: _Verifier.clear, Push: _Verifier.push,
               Pop: _Verifier.pop, Peek: _Verifier.peek, Poke: _Verifier.poke, Table: _Verifier.table, Lib: _Verifier.lib,
               Fail: _Verifier.fail, Print: _Verifier.print_}


def verify(kernel: Kernel, where: str = "") -> None:
    """Raise IRError, with the name of the pass `where`, the statement and the user's line, where the kernel breaks a rule."""
    _Verifier(kernel, where).statements(kernel.body)
