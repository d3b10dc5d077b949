"""Arrays of a tape that grows: written where the tape has them, and read there.

    alloc $t                    alloc $t on &tape        memory behind the top of the tape
    … $t is written      ->     … $t is written
    push &tape, $t, n           push &tape, $t, n        the top moves, nothing is copied

    alloc $t                    alloc $t on &tape
    pop &tape, $t, n     ->     pop &tape, $t, n         the top moves; $t is what it has uncovered
    … $t is used                … $t is used

Sound where the tape does nothing else from the "alloc" to the push, and from the pop to the last use of the array: then it does
not grow, so it does not move, and nothing is written over what lies there. An array that is made to be pushed begins where one
that was popped lies: it is not made on the tape while that one is used. The array is neither used behind its push nor in
front of its pop, is no operand of a swap, and is pushed and popped whole.
"""
from __future__ import annotations

from typing import Any

from ....ir.thresholds import sizes
from ..grammar import Alloc, At, Buffer, Clear, Kernel, Peek, Poke, Pop, Push, Stack, Swap, blocks, operands, walk


def place(kernel: Kernel) -> None:
    """Rewrite the kernel's allocations in place."""
    if any(type(s) in (Push, Pop) for s in walk(kernel.body)):
        swapped = {x for s in walk(kernel.body) if type(s) is Swap for x in (s.a, s.b)}
        _block(kernel.body, swapped)


def _block(body: list, swapped: set) -> None:
    at: dict[Buffer, int] = {}
    uncovered: list[Alloc] = []                  # of the arrays that lie where a tape had them
    for k, s in enumerate(body):
        if type(s) is Alloc and s.buffer not in swapped and _large(s.buffer):
            at[s.buffer] = k
        elif type(s) is Push and s.source in at and s.stack not in swapped and body[at[s.source]].stack is None:
            begin = at[s.source]
            lying = any(a.stack is s.stack and _used(body[begin:k + 1], a.buffer) for a in uncovered)
            if not lying and not _busy(body[begin:k], s.stack) and not _used(body[k + 1:], s.source):
                body[begin].stack = s.stack
        elif type(s) is Pop and s.target in at and s.stack not in swapped and body[at[s.target]].stack is None:
            rest = body[k + 1:]
            last = max((n + 1 for n, t in enumerate(rest) if _used([t], s.target)), default=0)
            if not _used(body[at[s.target] + 1:k], s.target) and not _busy(rest[:last], s.stack):
                body[at[s.target]].stack, body[at[s.target]].taken = s.stack, True
                uncovered.append(body[at[s.target]])
        for inner in blocks(s):
            _block(inner, swapped)


def _large(buffer: Buffer) -> bool:
    """Whether an array is no matter of registers and the first cache, where copying costs nothing."""
    return buffer.space == "heap" and (not buffer.static or buffer.count * buffer.dtype.size > sizes.slot)


def _busy(body: list, stack: Stack) -> bool:
    """Whether something happens to a stack."""
    return any(isinstance(s, Alloc | Push | Pop | Peek | Poke | Clear) and s.stack is stack for s in walk(body))


def _used(body: list, buffer: Buffer) -> bool:
    return any(_buffer(x) is buffer for s in walk(body) for x in operands(s))


def _buffer(x: Any) -> Any:
    return x.buffer if isinstance(x, At) else x
