"""Tapes: what reverse mode keeps of the iterations of a loop. Dense arrays where the trip count is known on entry:

    empty d… {dtype}       -> dtype[d…]                an array of which only what has been written is read

Stacks where it is not:

    stack_new {dtype}      -> stack<dtype>             an empty stack
    push s, v              -> s                        v, of any dimensions, on top
    pop s, d…              -> (s, v: dtype[d…])        the entry on top, whose dimensions must be the ones that were pushed
    exchange s, k, v       -> (s, old: as v)           v in the place of the entry that k others lie on; all are as large as v

Below its last entry a stack holds zeros without end: `pop` of an empty one gives zeros. So an empty stack is the zero of its
type, and `push` and `pop` are linear and each other's transpose. `exchange` is its own: the adjoint of v is what lay at this
place in that of the new stack, and the adjoint of old lies there in that of the stack before. An entry is read by an exchange
for zero that is taken back. Places are counted from the top, as a stack of adjoints may end above those of zeros.

A stack is used once: who has popped or pushed goes on with the result. Then it is one growing buffer.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..opdef import ALL, OpDef
from ..types import Array, StackType, Type
from .common import array_type, expect_at_least, expect_count, expect_dtype, expect_index, fail

if TYPE_CHECKING:
    from ..core import Block, Op, Value


def _infer_empty(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_dtype("empty", attrs["dtype"], ALL)
    return [Type(attrs["dtype"], tuple(expect_index("empty", d) for d in operands))]


def _evaluate_empty(op: Op, *dims: Array) -> tuple[np.ndarray, ...]:
    """NaN, or the largest number, so that it shows where something is read that was not written."""
    kind = op.attrs["dtype"]
    unwritten = np.nan if kind.inexact else True if kind.kind == "b" else np.iinfo(kind.np).max
    return (np.full(tuple(map(int, dims)), unwritten, kind.np),)


def _stack(name: str, value: Value) -> StackType:
    if type(value.type) is not StackType:
        fail(f"{name} takes a stack, not {value.type!r}")
    return value.type


def _infer_new(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("stack_new", operands, 0)
    expect_dtype("stack_new", attrs["dtype"], ALL)
    return [StackType(Type(attrs["dtype"]))]


def _infer_push(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("push", operands, 2)
    s, v = _stack("push", operands[0]), array_type("push", operands[1])
    if v.dtype is not s.element.dtype:
        fail(f"push of {v!r} on {s!r}")
    return [s]


def _infer_pop(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_at_least("pop", operands, 1)
    s = _stack("pop", operands[0])
    return [s, Type(s.element.dtype, tuple(expect_index("pop", d) for d in operands[1:]))]


def _infer_exchange(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("exchange", operands, 3)
    s, v = _stack("exchange", operands[0]), array_type("exchange", operands[2])
    expect_index("exchange", operands[1])
    if v.dtype is not s.element.dtype:
        fail(f"exchange of {v!r} on {s!r}")
    return [s, v]


def _evaluate_exchange(op: Op, s: Any, k: Array, v: Array) -> tuple[Any, np.ndarray]:
    above: list[np.ndarray] = []
    for _ in range(int(k)):
        s, top = s or ((), np.zeros_like(v))
        above.append(top)
    below, old = s or ((), np.zeros_like(v))
    if np.shape(old) != np.shape(v):
        fail(f"exchange of {np.shape(v)} for {np.shape(old)}")
    made: tuple = below, np.array(v)
    for top in reversed(above):
        made = made, top
    return made, old


def _evaluate_pop(op: Op, s: tuple[tuple[np.ndarray | tuple, ...], np.ndarray],
                  *dims: Array) -> tuple[tuple[np.ndarray | tuple, ...], np.ndarray]:
    shape = tuple(map(int, dims))
    if s == ():
        return (), np.zeros(shape, op.results[1].type.dtype.np)
    below, top = s
    if top.shape != shape:
        fail(f"pop of {shape} where {top.shape} was pushed")
    return below, top


OpDef("empty", _infer_empty, _evaluate_empty, cost=0,
      doc="An array that is written before it is read. `instead_of`: it keeps bits that numbers of this dtype decide.")
# A stack evaluates to a linked list: () or (what is below, the entry on top).
OpDef("stack_new", _infer_new, lambda op: ((),), doc="An empty stack.")
OpDef("push", _infer_push, lambda op, s, v: ((s, np.array(v)),), rule="linear", linear_in=(0, 1), doc="A stack with v on top.")
OpDef("pop", _infer_pop, _evaluate_pop, rule="linear", linear_in=(0,), doc="A stack without its top, and the top.")
OpDef("exchange", _infer_exchange, _evaluate_exchange, rule="linear", linear_in=(0, 2),
      doc="A stack with v in the place of an entry, and that entry.")
