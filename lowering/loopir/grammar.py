"""The loop IR: loops, buffers, loads and stores, scalars in SSA form.

    kernel  ::= "kernel" name "(" (param)* ")" "{" stmt* "}"
    param   ::= ("in" | "out" | "inout" | "result") buffer ":" dtype dims
    buffer  ::= $name                                 row-major, contiguous, aligned
    scalar  ::= %name | immediate
    stmt    ::= %x "=" opname scalar*                 Let: an elementwise op of the tensor IR, on scalars
             |  %x "=" "load" buffer index            Load
             |  "store" buffer index "," scalar       Store
             |  %x "=" "get" var | "set" var scalar   a mutable scalar, a register after LLVM's mem2reg
             |  "for" %i "in" scalar flags { stmt* }  i = 0 … trip-1;  "parallel" in front of it: spread over threads
             |  "while" { stmt* } scalar { stmt* }    the first block computes the condition, the second is the body
             |  "if" scalar { stmt* } else { stmt* }
             |  "alloc" buffer                        a temporary that lives to the end of its block, or a "result"
             |  "fill" buffer scalar | "copy" buffer buffer
             |  "swap" buffer buffer                  exchange the memory of two temporaries (a pointer each), or of two stacks
             |  "clear" stack | "push" stack values   a tape that grows: a scalar, or that many elements from an address on
             |  %x = "pop" stack | "pop" stack address, size          from an empty stack: zeros
             |  %x = "peek" stack %k | "peek" stack %k address, size    the entry that k of its size lie on, or zeros
             |  "poke" stack %k values                                something else in its place
             |  "lib" name operands                   a BLAS or LAPACK call, see libraries/blas.py
             |  "fail" scalar site scalar*            where the scalar is true: report a failed check and return
             |  "print" site scalar*
    address ::= buffer | buffer index                 an operand of "lib": a buffer, or from one of its elements on (`At`)
    index   ::= "[" scalar* "]"                       one scalar an axis, or one alone: the element number in row-major order;
                                                      an immediate is a Python int
    dims    ::= "[" scalar* "]"

A kernel's checks are numbered: `sites[k]` is (exception class name, message template, location); {0}, {1} … in the
template are the values that `fail` passes. The site of a "print" is ("print", format, location).

Lifetimes. The contents of a temporary are undefined at its "alloc"; an "alloc" in a loop body allocates no memory per
iteration (a run-time size grows one allocation that is freed when the kernel returns). Static temporaries may share memory:
those with the same `slot` do, so their lifetimes must not overlap; every other buffer has memory of its own, which lets
LLVM vectorise without alias checks.

Results whose dimensions are known only at run time have space "result": the pointer parameter points to a descriptor
{ ptr data, i64 dims[rank] }; "alloc" (once on every path that returns 0) allocates `data` with malloc and fills in the
dimensions; afterwards it is an ordinary buffer. Where the kernel fails, it frees what it had allocated and `data` is null.
"""
from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast, final

import numpy as np

from ...ir.errors import Loc
from ...ir.types import BOOL, INDEX, DType


@final
class Scalar:
    """A value in a register, defined once. loc: the user's frames that it comes from, as far as is known. least, most: what
    follows for a length or position from the lengths that a call may have, for estimates of work; None where nothing does."""

    __slots__ = ("dtype", "least", "loc", "most", "name")

    def __init__(self, dtype: DType, name: str = "", loc: Loc = ()):
        self.dtype, self.name, self.loc = dtype, name, loc
        self.least: int | None = None
        self.most: int | None = None

    def __repr__(self) -> str:
        return "%" + (self.name or hex(id(self))[-5:])


def greatest(n: int | Scalar) -> float:
    """What a length or trip count is at most, as far as is known."""
    return n if isinstance(n, int) else math.inf if n.most is None else n.most


@final
@dataclass(frozen=True)
class Imm:
    """An immediate: a Python number (complex, float, int or bool) of a dtype."""

    value: Any
    dtype: DType

    def __repr__(self) -> str:
        return repr(self.value)


Atom = Scalar | Imm
Size = int | Scalar          # a Python int, or a scalar of dtype index
Index = tuple[int | Atom, ...]


@final
class Buffer:
    """Memory for `dims` elements of a dtype.

    space: "in", "out", "inout", "result" (a parameter), "const" (a constant array: `data`, an ndarray in C order), "stack"
    (small, static: an alloca) or "heap" (a temporary of the workspace, or malloc'ed where its size is known only at run
    time). A parameter of rank 0 has dims (). frozen: a constant whose data never change, so that the code may contain them;
    otherwise it is read through its memory. slot: heap buffers of one slot share memory.
    """

    __slots__ = ("data", "dims", "dtype", "frozen", "name", "slot", "space")

    def __init__(self, name: str, dtype: DType, dims: tuple[Size, ...], space: str, data: np.ndarray | None = None, *,
                 frozen: bool = True, slot: int | None = None):
        self.name, self.dtype, self.dims, self.space, self.data = name, dtype, tuple(dims), space, data
        self.frozen, self.slot = frozen, slot

    @property
    def static(self) -> bool:
        return all(type(d) is int for d in self.dims)

    @property
    def lengths(self) -> tuple[int, ...]:
        """The dimensions of a static buffer."""
        return cast("tuple[int, ...]", self.dims)

    @property
    def count(self) -> int:
        """The number of elements, of a static buffer."""
        return math.prod(self.lengths)

    @property
    def constant(self) -> np.ndarray:
        """The elements of a constant."""
        assert self.data is not None, self
        return self.data

    def __repr__(self) -> str:
        return "$" + self.name


@final
class Var:
    """A mutable scalar."""

    __slots__ = ("dtype", "name")

    def __init__(self, dtype: DType, name: str):
        self.dtype, self.name = dtype, name

    def __repr__(self) -> str:
        return "@" + self.name


@final
class Stack:
    """A growable sequence of elements of a dtype, empty at first; freed when the kernel returns."""

    __slots__ = ("dtype", "name")

    def __init__(self, dtype: DType, name: str):
        self.dtype, self.name = dtype, name

    def __repr__(self) -> str:
        return "&" + self.name


# Of a position and a length: the position counted from the start; whether it is below 0 or not below the length. A position
# outside of [-n, n) is outside of [0, n) after `wrap` too, so one comparison, of unsigned numbers, decides.
# Of a condition and two positions: a choice that nothing predicts, as in a binary search, so it must not become a branch.
# op: (dtypes of the operands, of the result).
INDEX_OPS = {"wrap": ((INDEX, INDEX), INDEX), "outside": ((INDEX, INDEX), BOOL), "pick": ((BOOL, INDEX, INDEX), INDEX)}


@final
@dataclass(slots=True)
class Let:
    """`op` names an elementwise op of the IR or one of INDEX_OPS. `reassoc`: this add, mul, max or min may be reassociated."""

    target: Scalar
    op: str
    args: tuple[Atom, ...]
    attrs: dict = field(default_factory=dict)
    reassoc: bool = False


@final
@dataclass(slots=True)
class Load:
    target: Scalar
    buffer: Buffer
    index: Index


@final
@dataclass(slots=True)
class Store:
    buffer: Buffer
    index: Index
    value: Atom


@final
@dataclass(slots=True)
class Get:
    target: Scalar
    var: Var


@final
@dataclass(slots=True)
class Set:
    var: Var
    value: Atom


@final
@dataclass(frozen=True, slots=True)
class Spread:
    """How the iterations of a loop are spread over threads: in chunks, whose number depends on sizes alone.

    work     of all iterations, in scalar operations: {run-time lengths that are multiplied: factor}
    most     chunks at most
    given    variables that the loop only reads
    sums     variables that it reduces, each with the op: a chunk starts from the neutral element; what chunks have found is
             combined in their order
    shared   buffers that the loop only adds to, where iterations meet: a chunk adds to zeros of its own, as for sums
    """

    work: dict[tuple[Scalar, ...], float]
    most: int
    given: tuple[Var, ...] = ()
    sums: dict[Var, str] = field(default_factory=dict)
    shared: tuple[Buffer, ...] = ()


@final
@dataclass(slots=True)
class For:
    """trip iterations of `body`. unroll: unroll fully (small static trip); apart: no iteration touches memory that another one
    writes, and variables are only reduced; spread: its iterations are independent, and worth several threads."""

    index: Scalar
    trip: Size
    body: list
    unroll: bool = False
    apart: bool = False
    spread: Spread | None = None


@final
@dataclass(slots=True)
class While:
    head: list
    cond: Atom
    body: list


@final
@dataclass(slots=True)
class If:
    """rare: the condition is expected to be false, so that a branch is better than computing both sides."""

    cond: Atom
    then: list
    other: list
    rare: bool = False


@final
@dataclass(slots=True)
class Alloc:
    buffer: Buffer


@final
@dataclass(slots=True)
class Fill:
    buffer: Buffer
    value: Atom


@final
@dataclass(slots=True)
class Copy:
    """All of src into dst: same dtype, same number of elements, not overlapping."""

    dst: Buffer
    src: Buffer


@final
@dataclass(slots=True)
class Swap:
    """Exchange the memory of two heap buffers of one dtype and size: each name then stands for the other's old contents.

    Both must have been allocated in the same block.
    """

    a: Buffer | Stack
    b: Buffer | Stack


@final
@dataclass(slots=True)
class Clear:
    """Make a stack empty."""

    stack: Stack


@final
@dataclass(slots=True)
class Push:
    """Put a scalar, or `size` elements from an address on, on top."""

    stack: Stack
    source: Atom | Buffer | At
    size: Size = 1


@final
@dataclass(slots=True)
class Pop:
    """Take the scalar, or the `size` elements, on top; zeros where the stack is empty."""

    stack: Stack
    target: Scalar | Buffer | At
    size: Size = 1


@final
@dataclass(slots=True)
class Peek:
    """Read the entry that `depth` others of this size lie on; zeros where the stack holds fewer."""

    stack: Stack
    depth: Atom
    target: Scalar | Buffer | At
    size: Size = 1


@final
@dataclass(slots=True)
class Poke:
    """Write over the entry that `depth` others of this size lie on; a stack that holds fewer gets zeros below its last."""

    stack: Stack
    depth: Atom
    source: Atom | Buffer | At
    size: Size = 1


@final
@dataclass(frozen=True)
class At:
    """The address of an element, as an operand of `Lib`: an index per dimension, or one that counts elements row-major."""

    buffer: Buffer
    index: Index


@final
@dataclass(slots=True)
class Lib:
    """A library routine by the name of its row in libraries/blas.py; operands are addresses, atoms and Python values as that
    row says.

    site: the check that fails where the routine reports an error; where None it goes on.
    """

    name: str
    args: tuple
    site: int | None = None


@final
@dataclass(slots=True)
class Fail:
    """Where cond is true: record the site and its values, return 1."""

    cond: Atom
    site: int
    values: tuple[Atom, ...] = ()


@final
@dataclass(slots=True)
class Print:
    site: int
    values: tuple[Atom | Buffer, ...] = ()


Stmt = (Let | Load | Store | Get | Set | For | While | If | Alloc | Fill | Copy | Swap | Clear | Push | Pop | Peek | Poke | Lib
        | Fail | Print)


@dataclass
class Kernel:
    """A function in the loop IR. `params` are its buffers in the order of the machine function's pointer parameters.

    notes: what `explain` tells about it (copies and their reasons …), as build/loop_builder.py records it.
    loops: the same about its loops: which are parallel, and why others are not (passes/parallelize.py).
    threads: how many may share one of its loops; 0: as many as the process or the thread that calls may have.
    """

    name: str
    params: list[Buffer]
    body: list[Stmt]
    sites: list[tuple] = field(default_factory=list)
    work: float = 0.0              # a rough number of scalar operations, where sizes are static; inf where unknown
    notes: list = field(default_factory=list)
    loops: list = field(default_factory=list)
    threads: int = 0

    @property
    def symbol(self) -> str:
        """The name of the machine function: apart from those of the C library and in ASCII."""
        return "kernel." + re.sub(r"[^A-Za-z0-9_]", "_", self.name)


def blocks(stmt: Stmt) -> tuple[list, ...]:
    """The statement lists inside a statement."""
    if isinstance(stmt, For):
        return (stmt.body,)
    if isinstance(stmt, If):
        return (stmt.then, stmt.other)
    if isinstance(stmt, While):
        return (stmt.head, stmt.body)
    return ()


_NESTING = frozenset({For, If, While})


def operands(s: Stmt) -> tuple:
    """What a statement itself reads and names: scalars, immediates, buffers, addresses, sizes. (Not what its blocks do.)"""
    if isinstance(s, (Let, Lib)):
        return s.args
    if isinstance(s, Load):
        return (s.buffer, *s.index)
    if isinstance(s, Store):
        return (s.buffer, *s.index, s.value)
    return tuple([getattr(s, name) for name in _OPERANDS.get(type(s), ())]) + getattr(s, "values", ()) + (
        s.buffer.dims if isinstance(s, Alloc) else ())


_OPERANDS: dict[type, tuple[str, ...]] = {
    Set: ("value",), For: ("trip",), While: ("cond",), If: ("cond",), Fail: ("cond",), Alloc: ("buffer",),
    Fill: ("buffer", "value"), Copy: ("dst", "src"), Swap: ("a", "b"), Push: ("stack", "source", "size"),
    Pop: ("stack", "target", "size"), Clear: ("stack",), Peek: ("stack", "depth", "target", "size"),
    Poke: ("stack", "depth", "source", "size")}


def walk(body: list[Stmt]) -> Iterator[Stmt]:
    """Every statement, outer ones first."""
    for stmt in body:
        yield stmt
        if type(stmt) in _NESTING:
            for inner in blocks(stmt):
                yield from walk(inner)


def loc_of(statement: Stmt) -> Loc:
    """The user's frames of a statement; () where it has none of its own."""
    for name in ("target", "value", "index"):
        found = getattr(statement, name, None)
        if isinstance(found, Scalar) and found.loc:
            return found.loc
    return ()
