"""The lines of one kernel's LLVM IR while they are written: names, blocks, declarations, metadata, operands, addresses.

Metadata of a loop's latch. LLVM unrolls no loop that does not ask for it (native/engine.py), since in long loops that doubles
the code for little. Those ask that gain: short ones, the shortest (less than a vector, or serial) before vectorisation, which
makes them straight code, others after it; and innermost ones with branches, which cannot be vectorised, and in which each
copy of a branch and of a store is predicted by its own history.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from ...ir.errors import IRError
from ...ir.thresholds import sizes
from ..loopir.grammar import At, Atom, Buffer, For, Kernel, Scalar, Stack
from ..math import library
from ..native.threads import STOPPED
from . import straight_loops
from .scalar import literal
from .storage import ALIGN, MEMORY, Storage

# of a complex number: of each part
REGISTER = {**MEMORY, "bool": "i1", "f16": "float", "c64": "float", "c128": "double"}
_UNROLL = '!{!"llvm.loop.unroll.full"}'
_UNROLL_VECTOR = '!{!"llvm.loop.vectorize.followup_vectorized", !{!"llvm.loop.unroll.full"}}'
_UNROLL_BY_FOUR = '!{!"llvm.loop.unroll.count", i32 4}'
_NOT_IF_VECTOR = '!{!"llvm.loop.vectorize.followup_all", !{!"llvm.loop.unroll.disable"}}'      # branches may become selects
_FOUR_CHAINS = '!{!"llvm.loop.interleave.count", i32 4}'          # their latencies overlap
_AS_IT_STANDS = '!{!"llvm.loop.disable_nonforced"}'                # of code that hardly ever runs: no copies of its body
_NO_VECTORS = '!{!"llvm.loop.vectorize.enable", i1 false}'         # they would cost code, and the tests of which form to run
_NO_INTERLEAVING = '!{!"llvm.loop.interleave.count", i32 1}'       # calls would only save and restore the vectors around them


@dataclass(eq=False)
class Module:
    """What the functions of one module share: a kernel and the bodies of its parallel loops.

    widths   the vector widths of the machine that the code is for; None: this one
    """

    widths: tuple[int, ...] | None = None
    declarations: dict[str, None] = field(default_factory=dict)
    vector: dict[str, library.Function] = field(default_factory=dict)
    attributes: list[str] = field(default_factory=list)
    metadata: list[str] = field(default_factory=list)
    globals: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)              # of parallel loops, sections, and ops that are called
    helpers: dict[str, str] = field(default_factory=dict)           # by name: what hardly ever runs
    groups: dict[str, str] = field(default_factory=dict)
    apart: set[str] = field(default_factory=set)                    # of ops that are functions: their names
    hints: dict[str, int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))        # !0 is the module's, see native/engine.py
    loops: Iterator[int] = field(default_factory=count)
    marks: dict[Stack, str] = field(default_factory=dict)           # of stacks: the globals with the room of the last call

    def mark(self, kernel: Kernel, stack: Stack) -> str:
        if stack not in self.marks:
            self.marks[stack] = name = f"@{kernel.symbol}.mark{len(self.marks)}"
            self.constants.append(f"{name} = internal global i32 0")
        return self.marks[stack]

    def used(self) -> list[str]:
        """Vector forms that only the vectoriser will call must not be dropped before."""
        names = [name for f in self.vector.values() for name in f.vectors.values()]
        if not names:
            return []
        return [f"@llvm.compiler.used = appending global [{len(names)} x ptr] [{', '.join(f'ptr @{n}' for n in names)}], "
                'section "llvm.metadata"']

    def text(self, kernel: str) -> str:
        """The module around the text of its kernel."""
        parts = [*self.constants, *self.globals, *self.declarations, *self.used(), *self.helpers.values(), *self.functions,
                 kernel, *self.attributes, *self.metadata]
        return "\n".join(parts) + "\n"


class _Known(dict):
    """The registers of scalars in the body of a parallel loop; others come from outside."""

    def __init__(self, writer: Writer):
        super().__init__()
        self.writer = writer

    def __missing__(self, x: Scalar) -> str | tuple[str, str]:
        self[x] = found = self.writer.scalar_outside(x)
        return found


class Writer:
    """lines   the body so far          entry  allocas and initialisation, before the body          cold  blocks hardly ever run
    regs    Scalar -> its register; of a complex one a pair
    """

    def __init__(self, kernel: Kernel, fastmath: bool, module: Module | None = None, around: Writer | None = None):
        self.kernel = kernel
        self.lines: list[str] = []
        self.entry: list[str] = []
        self.cold: list[str] = []
        self.fastmath, self.around = fastmath, around
        self.asks = "true"            # whether the thread that runs this may ask for signals
        self.captured: list[tuple[str, str, str]] = []           # (type, operand there, parameter here)
        self.regs: dict[Scalar, str | tuple[str, str]] = {} if around is None else _Known(self)
        self.module = module or Module()
        self.declarations, self.globals = self.module.declarations, self.module.globals
        self._scopes: dict[int, tuple[int, int, int]] = {}
        self._unlikely: int | None = None
        self._empty: int | None = None
        self._count = self._labels = 0
        self.block = "body"
        self.depth = 0                # of loops
        self.weight = 0               # lines that unrolled loops add to those written, in the current body
        self.calls = False            # whether the current body calls functions of vecmath
        self.probing = False          # whether the current body follows chains of loads, each at a place that the last one gave
        self.rare = False             # whether what is written hardly ever runs
        self.innermost = True         # whether the current body has no loop inside
        self.serial = True            # whether what is written will not be vectorised: no loop is around it, or a serial one
        self.group = ""               # the tag of accesses in a loop whose iterations share no memory
        self.no_memory = self.fails = False
        self.storage = Storage(self, kernel)

    def question(self, ask: str) -> tuple[list[str], str]:
        """(lines that call `ask`, the register of its answer). In a parallel loop only the thread that has called the kernel
        asks; others look whether it has given up (native/threads.py)."""
        answer = self.fresh()
        if self.asks == "true":
            return [f"  {answer} = {ask}"], answer
        self.declare(STOPPED)
        here, there, done, own, of_all = self.label(), self.label(), self.label(), self.fresh(), self.fresh()
        return [f"  br i1 %asks, label %{here}, label %{there}", f"{here}:", f"  {own} = {ask}", f"  br label %{done}",
                f"{there}:", f"  {of_all} = call i32 @threads.stopped(i64 %chunk)", f"  br label %{done}", f"{done}:",
                f"  {answer} = phi i32 [{own}, %{here}], [{of_all}, %{there}]"], answer

    # --- names ------------------------------------------------------------------------------------------------------

    def fresh(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def label(self) -> str:
        self._labels += 1
        return f"b{self._labels}"

    def start(self, label: str) -> None:
        """Begin a basic block."""
        self.lines.append(label + ":")
        self.block = label

    def jump(self, label: str) -> None:
        self.lines.append(f"  br label %{label}")

    def alloca(self, kind: str, align: int = 0) -> str:
        name = self.fresh()
        self.entry.insert(0, f"  {name} = alloca {kind}" + (f", align {align}" if align else ""))
        return name

    def declare(self, text: str) -> None:
        self.declarations[text] = None

    def vectorisable(self, function: library.Function) -> str:
        """Declare a function of vecmath; the attributes of its calls."""
        self.calls = True
        shared = self.module
        if function.name not in shared.vector:
            shared.vector[function.name] = function
            self.declarations.update(dict.fromkeys(function.declarations()))
            shared.groups[function.name] = f"#{len(shared.vector)}"
            shared.attributes.append(f"attributes #{len(shared.vector)} = {{ {function.attributes()} }}")
        return shared.groups[function.name]

    def add_global(self, definition: str) -> str:
        """A private global of this kernel: `definition` is what follows its name and " = "."""
        name = f"@{self.kernel.symbol}.g{len(self.globals)}"
        self.globals.append(f"{name} = {definition}")
        return name

    def node(self, text: str | None = None) -> int:
        """A metadata node; {} in the text is its own number."""
        number = next(self.module.numbers)
        if text is not None:
            self.module.metadata.append(f"!{number} = " + text.replace("{}", f"!{number}", 1))
        return number

    def unlikely(self) -> int:
        if self._unlikely is None:
            self._unlikely = self.node('!{!"branch_weights", i32 1, i32 1048575}')
        return self._unlikely

    def empty(self) -> int:
        """The node of metadata that only have to be there."""
        if self._empty is None:
            self._empty = self.node("!{ }")
        return self._empty

    def invariant(self) -> str:
        return f", !invariant.load !{self.empty()}"

    def scope(self, number: int) -> str:
        """The tags of an access in this alias scope: it is in the scope and in no other."""
        if number not in self._scopes:
            self._scopes[number] = (self.node(), self.node(), self.node())
        _, own, others = self._scopes[number]
        return f", !alias.scope !{own}, !noalias !{others}"

    def finish_scopes(self) -> None:
        if not self._scopes:
            return
        domain = self.node("distinct !{{}}")
        for name, own, others in self._scopes.values():
            rest = ", ".join(f"!{s[0]}" for s in self._scopes.values() if s[0] != name)
            self.module.metadata += [f"!{name} = distinct !{{!{name}, !{domain}}}", f"!{own} = !{{!{name}}}",
                              f"!{others} = !{{{rest}}}"]

    # --- operands -----------------------------------------------------------------------------------------------------

    def reg(self, atom: Atom) -> str | tuple[str, str]:
        """The operand of an atom: a register or a literal; a pair of them for a complex number."""
        if type(atom) is Scalar:
            try:
                return self.regs[atom]
            except KeyError:
                raise IRError(f"loop IR: {atom!r} is used before it is defined") from None
        return literal(atom.value, atom.dtype)

    def one(self, atom: Atom) -> str:
        """The operand of an atom that is not complex."""
        found = self.reg(atom)
        assert isinstance(found, str), atom
        return found

    def index(self, size: int | str | Atom) -> str:
        """An i64 operand from a Python int, an immediate, an index scalar, or text that is one already."""
        if isinstance(size, str):
            return size
        if isinstance(size, int):
            return str(size)
        return self.one(size) if isinstance(size, Scalar) else str(int(size.value))

    def times(self, a: str, b: int | str | Scalar, flags: str = " nsw") -> str:
        """The product of sizes, folded where one is a number; `flags` "" where it may overflow."""
        b = self.index(b)
        if a == "1" or b == "1":
            return b if a == "1" else a
        if a.lstrip("-").isdigit() and b.lstrip("-").isdigit():
            return str(int(a) * int(b))
        out = self.fresh()
        self.lines.append(f"  {out} = mul{flags} i64 {a}, {b}")
        return out

    def product(self, sizes: Sequence[int | Scalar]) -> str:
        total = "1"
        for size in sizes:
            total = self.times(total, size, "")
        return total

    def sum(self, a: str, b: str) -> str:
        if a == "0" or b == "0":
            return b if a == "0" else a
        out = self.fresh()
        self.lines.append(f"  {out} = add nsw i64 {a}, {b}")
        return out

    # --- what comes from the function around this one, the body of a parallel loop

    def outside(self, buffer: Buffer) -> str:
        """The pointer to a buffer that this function does not allocate."""
        if self.around is None:
            raise IRError(f"loop IR: {buffer!r} is used before its alloc")
        flags = "nocapture" if self.storage.shares(buffer) else "noalias nocapture"
        flags += " readonly" if buffer.space == "in" else ""
        if buffer.static and buffer.count:
            flags += f" nonnull align {ALIGN[buffer.dtype.name]} dereferenceable({buffer.count * buffer.dtype.size})"
        return self.borrow("ptr", self.around.storage.base(buffer), flags)

    def scalar_outside(self, x: Scalar) -> str | tuple[str, str]:
        """The registers of a scalar that this function does not define."""
        if self.around is None:
            raise KeyError(x)
        there, kind = self.around.regs[x], REGISTER[x.dtype.name]
        if isinstance(there, str):
            return self.borrow(kind, there)
        re, im = there
        return self.borrow(kind, re), self.borrow(kind, im)

    def borrow(self, kind: str, there: str, flags: str = "") -> str:
        """The parameter by which an operand of the function around comes here."""
        name = f"%c{len(self.captured)}"
        self.captured.append((kind, there, f"{kind} {flags} {name}" if flags else f"{kind} {name}"))
        return name

    def parameters(self) -> list[str]:
        """The declarations of what has been captured."""
        return [text for _, _, text in self.captured]

    def address(self, where: Buffer | At) -> str:
        return self.storage.element(where.buffer, where.index) if isinstance(where, At) else self.storage.base(where)

    # --- loops --------------------------------------------------------------------------------------------------------

    def loop(self, trip: str, write: Callable, unroll: bool = False, serial: bool = False, group: int | None = None,
             short: bool = False, straight: For | None = None) -> None:
        """A counted loop: `write(index register)` writes its body. `trip` is an i64 operand.

        `unroll`: whatever its length. `serial`: it cannot become vectors. `group`: of accesses that no two iterations share.
        `short`: its length is known at run time only, but is less than that of a vector. `straight`: what it was, where its
        body has neither loops nor branches.
        """
        body, done = self.label(), self.label()
        if trip.isdigit():
            if trip == "0":
                return
            if trip == "1":
                write("0")
                return
            self.jump(body)
        else:
            any_ = self.fresh()
            self.lines += [f"  {any_} = icmp sgt i64 {trip}, 0", f"  br i1 {any_}, label %{body}, label %{done}"]
        before, index, following, more = self.block, self.fresh(), self.fresh(), self.fresh()
        self.start(body)
        at = len(self.lines)
        self.lines.append("")                                    # the phi: the latch's name is known after the body
        self.depth += 1
        outside, self.weight, self.calls, self.probing, self.innermost = self.weight, 0, False, False, True
        write(index)
        self.depth -= 1
        written = len(self.lines) - at
        branchy = serial or any(line.endswith(":") for line in self.lines[at:])
        by_four = self.innermost and written <= sizes.llvm_branches and branchy
        hints, times = self._copies(trip, written + self.weight, unroll, by_four, serial)
        if self.rare:
            hints, times = [_AS_IT_STANDS], 1
        elif short and not trip.isdigit():
            hints.append(_NO_VECTORS)
        elif self.calls and times == 1:
            hints.append(_NO_INTERLEAVING)
        elif self.probing and self.innermost and not serial:
            hints.append(_FOUR_CHAINS)
        elif straight and not serial and times == 1:
            hints += _as_vectors(straight, self.lines[at:])
        hint = self._latch(hints, group)
        self.innermost = False
        self.weight = outside + (written + self.weight) * times - written
        self.lines[at] = f"  {index} = phi i64 [0, %{before}], [{following}, %{self.block}]"
        self.lines += [f"  {following} = add nuw nsw i64 {index}, 1", f"  {more} = icmp slt i64 {following}, {trip}",
                       f"  br i1 {more}, label %{body}, label %{done}{hint}"]
        self.start(done)

    def _copies(self, trip: str, weight: int, full: bool, by_four: bool, serial: bool) -> tuple[list[str], int]:
        """Hints about copies of a body of so many lines, and how many times it will stand in the code."""
        if trip.isdigit():
            if full or ((serial or int(trip) < sizes.lanes) and int(trip) * weight <= sizes.llvm_unrolled):
                return [_UNROLL], int(trip)
            if int(trip) <= sizes.llvm_short and int(trip) * weight <= sizes.llvm_short_lines:
                return [_UNROLL_VECTOR], 1
        return ([_UNROLL_BY_FOUR, _NOT_IF_VECTOR] if by_four else []), 1

    def _latch(self, hints: list[str], group: int | None) -> str:
        """The metadata of a loop's latch."""
        if group is not None:
            hints.append(f'!{{!"llvm.loop.parallel_accesses", !{group}}}')
        if not hints:
            return ""
        for text in hints:
            if text not in self.module.hints:
                self.module.hints[text] = self.node(text)
        number = self.node("distinct !{{}, " + ", ".join(f"!{self.module.hints[text]}" for text in hints) + "}")
        return f", !llvm.loop !{number}"


def _as_vectors(loop: For, lines: list[str]) -> list[str]:
    """Hints about vectors of a straight loop, whose body has become these lines."""
    if len(lines) >= sizes.llvm_apart and 2 * straight_loops.apart(loop) >= straight_loops.work(lines):
        return [_NO_VECTORS]
    return [_NO_INTERLEAVING] if len(lines) >= sizes.llvm_wide * max(straight_loops.chain(loop), 1) else []
