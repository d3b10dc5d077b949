"""Takes `couple` out of a program, whose derivatives have been taken: its zeros, and what they make zero, cost nothing.

    %c = couple …;  %d = dot %x, %c;  %z = add %y, %d        becomes        %y for %z

These zeros are exact where the other factor is infinite or NaN too: they stand for a matrix that is zero by its making. And
factorisations of one matrix that differ only in what their derivatives are become one again.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..build import Builder, key_of
from ..clone import copy_op, copy_region, mapped, sweep
from ..core import Block, Function, Op, Value
from ..text.printer import everything

if TYPE_CHECKING:
    from ..types import Dim

_EACH = frozenset({"mul", "mulz", "dot"})                                                 # 0 where one operand is
_FIRST = frozenset({"neg", "conj", "real", "imag", "cast", "transpose", "broadcast", "reshape", "reduce", "slice", "div"})


def vanish(f: Function) -> Function:
    if not any(_concerned(op) for g in everything(f) for op in g.body.walk()):
        return f
    new = _Vanishing().function(f)
    for g in everything(new):
        sweep(g)
        used = {v for op in g.body.walk() for v in (*op.operands, *(y for r in op.regions for y in r.yields))}
        _spare(g.body, used | set(g.body.yields))
    return new


def _spare(block: Block, used: set[Value]) -> None:
    """Drop factorisations that only derivatives would have needed."""
    block.ops = [op for op in block.ops if not op.attrs.get("spare") or used & set(op.results)]
    for op in block.ops:
        op.attrs = {k: v for k, v in op.attrs.items() if k != "spare"} if "spare" in op.attrs else op.attrs
        for region in op.regions:
            _spare(region, used)


def _concerned(op: Op) -> bool:
    return op.defn.name == "couple" or "near" in op.attrs


class _Vanishing:
    """`get` is asked for the rule of every op (rewrite.copy_block)."""

    def __init__(self) -> None:
        self.done: dict[Function, Function] = {}
        self.zero: set[Value] = set()
        self.known: dict = {}

    def get(self, name: str) -> Callable:
        return self.op

    def function(self, f: Function) -> Function:
        if f not in self.done:
            self.done[f] = Function(f.name, copy_region(Builder(), f.body, {}, self), f.loc, dict(f.attrs))
        return self.done[f]

    def op(self, builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        name = op.defn.name
        if op.defn.factors:
            return self.factors(builder, op, mapping)
        if op.regions:
            outer, self.known = self.known, dict(self.known)
            results = copy_op(builder, op, mapping, self)
            self.known = outer
            return results
        if name == "call":
            attrs = {**op.attrs, "callee": self.function(op.attrs["callee"])}
            return builder.emit("call", *mapped(op.operands, mapping), **attrs)
        operands = mapped(op.operands, mapping)
        if self.vanishes(op, operands):
            t = op.results[0].type
            found = builder.full(0, mapped_dims(t.dims, mapping), t.dtype)
            self.zero.add(found)
            return (found,)
        if name in ("add", "sub"):
            (x, y), dims = operands, mapped_dims(op.results[0].type.dims, mapping)
            if y in self.zero and x.type.dims == dims:
                return (x,)
            if x in self.zero and y.type.dims == dims:
                return (y,) if name == "add" else (builder("neg", y),)
        return builder.emit(op.defn, *operands, **op.attrs)

    def vanishes(self, op: Op, operands: tuple[Value, ...]) -> bool:
        name = op.defn.name
        if name == "select":
            return operands[1] in self.zero and operands[2] in self.zero
        if name == "reduce" and op.attrs["kind"] != "sum":
            return False
        return (name == "couple" or (name in _EACH and any(v in self.zero for v in operands))
                or (name in _FIRST and operands[0] in self.zero)
                or (name in ("add", "sub") and all(v in self.zero for v in operands)))

    def factors(self, builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        attrs = {k: v for k, v in op.attrs.items() if k != "near"}
        operands = mapped(op.operands, mapping)
        key = op.defn.name, tuple(map(key_of, operands)), tuple(sorted((k, v) for k, v in attrs.items() if k != "spare"))
        if key not in self.known:
            self.known[key] = builder.emit(op.defn, *operands, **attrs)
        return self.known[key]


def mapped_dims(dims: tuple[Dim, ...], mapping: dict[Value, Value]) -> tuple:
    return tuple([d if isinstance(d, int) else mapping.get(d, d) for d in dims])
