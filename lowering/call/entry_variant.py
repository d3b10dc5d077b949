"""One way to write a call of a specialisation: its native entry and the counters of that entry.

`f(x, 3)` and `f(x, n=3)` reach the same kernel by different checks, so a specialisation has a form for each.
"""
from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..memory.result_pool import pool
from ..native import c_layouts
from ..native.compile_fast import compile_glue
from ..native.entry_writer import CALLS, NEXT, RUNNING, STATE, TABLE, TICK
from .calling_convention import Arguments, Signature
from .entry import ENTRY, emit


def link(address: int, links: tuple[tuple, ...], **own: int) -> None:
    """Fill the table of a module that has been loaded. `own`: the address for each kind of link that has no operand."""
    table = (ctypes.c_uint64 * (STATE + len(links))).from_address(address)
    for k, (kind, what) in enumerate(links, STATE):
        match kind:
            case "api":
                table[k] = c_layouts.ADDRESSES[what]
            case "object":
                table[k] = id(what)
            case "address":
                table[k] = what
            case "pool":
                table[k] = getattr(pool(), what)
            case "zero":
                table[k] = 0
            case "weak":
                table[k] = 0 if (x := what.reference()) is None else id(x)
            case _:
                table[k] = own[kind]


def forget(address: int, links: tuple[tuple, ...]) -> list[weakref.ref]:
    """References that make a word null when the object dies which it points to: another one may get its address."""
    def reference(k: int, x: Any) -> weakref.ref:
        word = ctypes.c_uint64.from_address(address + 8 * k)
        return weakref.ref(x, lambda _: setattr(word, "value", 0))

    return [reference(k, x) for k, (kind, what) in enumerate(links, STATE)
            if kind == "weak" and (x := what.reference()) is not None]


class Form:
    """The native entry for calls of one form. Without `native` it has no code, and only Python matches its arguments."""

    __slots__ = ("_code", "_final", "_links", "_state", "_weak", "arguments", "entry", "milliseconds")

    def __init__(self, signature: Signature, arguments: Arguments, kernel: int, fail: Callable, native: bool):
        self.arguments, self.entry, self.milliseconds = arguments, 0, 0.0
        self._code = self._state = self._links = self._weak = None
        self._final = (0, 0)
        if not native:
            return
        made = emit(replace(signature, arguments=arguments))
        self._links = made.links                             # keeps the linked objects alive
        self._code = compile_glue(made.text)
        self.milliseconds = sum(self._code.phases.values())
        table = self._code.address(TABLE)
        link(table, made.links, fail=id(fail), kernel=kernel)
        self._weak = forget(table, made.links)
        self._state = (ctypes.c_int64 * STATE).from_address(table)
        self.entry = self._code.address(ENTRY)

    @property
    def shape(self) -> tuple:
        """What tells it from the other forms: the number of positional arguments, the names of the others."""
        return shape_of(self.arguments)

    @property
    def calls(self) -> int:
        return self._state[CALLS] if self._state else self._final[0]

    @property
    def last_used(self) -> int:
        return self._state[TICK] if self._state else self._final[1]

    @property
    def running(self) -> int:
        return self._state[RUNNING] if self._state else 0

    @property
    def size(self) -> int:
        return self._code.size if self._code else 0

    def set_next(self, address: int) -> None:
        """The entry that takes the calls which this one does not."""
        if self._state:
            self._state[NEXT] = address

    def close(self) -> None:
        """Free the machine code, when no call is running in it."""
        if self._state and self._code:
            self._final = (self._state[CALLS], self._state[TICK])
            self._state = self._weak = None
            self._code.close()


def shape_of(arguments: Arguments) -> tuple:
    return len(arguments.positional), tuple(name for name, _ in arguments.keywords)
