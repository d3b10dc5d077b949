"""Writes the LLVM IR of one native entry: registers, blocks, slots, and the table of links to this process."""
from __future__ import annotations

from typing import Any

from ...ir.types import DType

CALLS, TICK, RUNNING, NEXT, STATE = 0, 1, 2, 3, 4
TABLE = "tg.table"
SIGNATURE = "ptr %self, ptr %args, i64 %nargsf, ptr %kwnames"
_RELEASE = """define internal void @tg.release(ptr %from, i64 %count, ptr %release) noinline {
start:
  br label %head
head:
  %k = phi i64 [0, %start], [%next, %body]
  %more = icmp ult i64 %k, %count
  br i1 %more, label %body, label %done
body:
  %cell = getelementptr ptr, ptr %from, i64 %k
  %x = load ptr, ptr %cell
  call void %release(ptr %x)
  %next = add i64 %k, 1
  br label %head
done:
  ret void
}
"""


def memory_type(dtype: DType) -> str:
    """The LLVM type of one element in memory."""
    if dtype.complex:
        return "{ float, float }" if dtype.bits == 64 else "{ double, double }"
    if dtype.kind == "f":
        return {16: "half", 32: "float", 64: "double"}[dtype.bits]
    return f"i{max(dtype.bits, 8)}"


class Writer:
    """Lines of one function. A slot is a word that owns a reference until somebody takes it.

    Blocks that every entry has: %other (not this signature: go on to the next entry) and %failed (an exception is set).
    """

    def __init__(self, function: str):
        self.function = function
        self.lines: list[str] = []
        self.header: list[str] = []
        self.constants: dict[tuple[int, ...], str] = {}
        self.links: list[tuple] = []
        self.helpers: dict[str, None] = {}           # texts of the functions that it calls
        self.slots = 0
        self._words: dict = {}
        self._count = 0

    def __call__(self, line: str) -> None:
        self.lines.append("  " + line)

    def value(self, expression: str) -> str:
        self._count += 1
        self.lines.append(f"  %v{self._count} = {expression}")
        return f"%v{self._count}"

    def block(self) -> str:
        self._count += 1
        return f"%b{self._count}"

    def begin(self, block: str) -> None:
        self.lines.append(block[1:] + ":")

    def alloca(self, type: str, align: int = 8) -> str:
        self._count += 1
        self.header.append(f"  %v{self._count} = alloca {type}, align {align}")
        return f"%v{self._count}"

    def at(self, base: str, offset: int) -> str:
        return self.value(f"getelementptr i8, ptr {base}, i64 {offset}") if offset else base

    def field(self, base: str, offset: int, type: str = "ptr") -> str:
        return self.value(f"load {type}, ptr {self.at(base, offset)}")

    def link(self, kind: str, what: Any = None) -> str:
        """A register with the linked pointer."""
        key = (kind, id(what) if kind == "object" else what)
        if key not in self._words:
            self._words[key] = STATE + len(self.links)
            self.links.append((kind, what))
        return self.value(f"load ptr, ptr getelementptr (i64, ptr @{TABLE}, i64 {self._words[key]}), !invariant.load !90")

    def cell(self) -> str:
        """The address of a table word of its own, 0 at first."""
        self.links.append(("zero", len(self.links)))
        return self.word(STATE + len(self.links) - 1)

    def call(self, function: str, result: str, *args: str) -> str:
        """Call a C function by name; the register of its result ("" for void)."""
        call = f"call {result} {self.link('api', function)}({', '.join(args)})"
        if result != "void":
            return self.value(call)
        self(call)
        return ""

    def require(self, condition: str, otherwise: str = "%other") -> None:
        """Go on where the i1 holds, else jump."""
        following = self.block()
        self(f"br i1 {condition}, label {following}, label {otherwise}")
        self.begin(following)

    def all_of(self, conditions: list[str]) -> str:
        result = conditions[0]
        for condition in conditions[1:]:
            result = self.value(f"and i1 {result}, {condition}")
        return result

    def word(self, k: int) -> str:
        """The address of a state word."""
        return f"getelementptr (i64, ptr @{TABLE}, i64 {k})"

    def count(self, k: int, amount: int) -> None:
        """Add to a state word."""
        old = self.value(f"load i64, ptr {self.word(k)}")
        self(f"store i64 {self.value(f'add i64 {old}, {amount}')}, ptr {self.word(k)}")

    def dims(self, dims: tuple[int, ...]) -> str:
        """A constant array of dimensions."""
        if not dims:
            return "null"
        return self.constants.setdefault(dims, f"@tg.dims{len(self.constants)}")

    # Slots

    def new_slot(self) -> str:
        self.slots += 1
        return self.at("%slots", 8 * (self.slots - 1))

    def own(self, x: str) -> str:
        """Put a new reference into a slot of its own; the slot. A null reference is a failure."""
        self.require(self.value(f"icmp ne ptr {x}, null"), "%failed")
        slot = self.new_slot()
        self(f"store ptr {x}, ptr {slot}")
        return slot

    def disown(self, slot: str) -> None:
        self(f"store ptr null, ptr {slot}")

    def drop(self, x: str, slot: str) -> None:
        self.disown(slot)
        self.call("Py_DecRef", "void", f"ptr {x}")

    def release(self, count: int | str) -> None:
        """Release the first slots."""
        self(f"call void @tg.release(ptr %slots, i64 {count}, ptr {self.link('api', 'Py_DecRef')})")

    def text(self) -> str:
        words = STATE + len(self.links)
        slots = max(self.slots, 1)
        empty = [f"  %slot{k} = getelementptr ptr, ptr %slots, i64 {k}\n  store ptr null, ptr %slot{k}" for k in range(slots)]
        constants = [f"{name} = private constant [{len(dims)} x i64] [{', '.join(f'i64 {d}' for d in dims)}]"
                     for dims, name in self.constants.items()]
        return "\n".join([
            f"@{TABLE} = dso_local externally_initialized global [{words} x i64] zeroinitializer",
            *constants, _RELEASE, *self.helpers,
            f"define ptr @{self.function}({SIGNATURE}) {{", "start:",
            f"  %slots = alloca [{slots} x ptr], align 8", *self.header,
            *empty, *self.lines, "}", "!90 = !{}", ""])
