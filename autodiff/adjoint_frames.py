"""Frames of reverse mode: one for the function and one for each region while its adjoint is being written.

A frame pairs a block of the forward program with the block of the backward program that undoes it, and holds

    bars     forward value -> the adjoint accumulated so far (a value of the backward block)
    known    forward value -> what it is in the backward block, once something has asked for it

`get(v)` makes a forward value available: in the function's own frame it is simply there, in a region residuals/policy.py finds
it again. An adjoint of a value from outside a region flows through the region: a loop carries it (`Loop` in
reverse/control_flow.py). Bars have further keys that are no values: a stack that is being popped flows through regions in the
same way.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ir.build import Builder, Expr
from ..ir.core import Block, Const, Op, Value
from ..ir.types import DType, StackType, Type

if TYPE_CHECKING:
    from .residuals.tapes import _Site
    from .reverse.reverse import Reverse


class Frame:
    """`run` is the reverse mode of the whole function: where each op stands, what is recorded … (reverse.Reverse).
    `actives` are the forward values that have an adjoint."""

    actives: set[Value]
    __slots__ = ("actives", "b", "back", "bars", "block", "known", "op", "parent", "run")

    def __init__(self, run: Reverse, parent: Frame | None, op: Op | None, block: Block, back: Block,
                 actives: set[Value] | None = None):
        self.run, self.parent, self.op, self.block, self.back = run, parent, op, block, back
        if actives is None:
            assert parent is not None
            actives = parent.actives
        self.actives = actives
        self.bars: dict = {}
        self.known: dict[Value, Value] = {}
        self.b = Builder(peephole=run.peephole)
        self.b.block = back
        self.b.loc = parent.b.loc if parent else ()
        # what enclosing blocks have interned is in scope here
        self.b._scopes = [*parent.b._scopes, {}] if parent else [{}]

    # --- forward values

    def owns(self, v: _Site | Value) -> bool:
        """Whether a value (or other key of `bars`) belongs to this frame's block."""
        if not isinstance(v, Value):
            return False
        owner = v.owner
        return owner is self.block or (isinstance(owner, Op) and self.run.home.get(owner) is self.block)

    def get(self, v: Value) -> Value:
        """A forward value, in the backward block."""
        return v

    def dims(self, v: Value) -> tuple[Value, ...]:
        """The lengths of a forward value, as index operands of the backward block."""
        return tuple([self.b.index(d) if isinstance(d, int) else self.get(d) for d in v.type.dims])

    def type(self, t: Type) -> Type:
        """The type of a forward value, as a type of the backward block."""
        if t.__class__ is StackType or t.static:
            return t
        return Type(t.dtype, tuple([d if isinstance(d, int) else self.get(d) for d in t.dims]))

    def lazy(self, v: Value) -> Lazy:
        return Lazy(self, v)

    # --- adjoints

    def active(self, v: Value) -> bool:
        return v in self.actives

    def current(self, key: _Site | Value) -> Value | None:
        """The adjoint so far, as seen from here, or None for zero."""
        bar = self.bars.get(key)
        return self.inherit(key) if bar is None and not self.owns(key) else bar

    def inherit(self, key: _Site | Value) -> Value | None:
        """`current` of something that belongs to an enclosing frame."""
        return None

    def add(self, v: Value, contribution: Value | None) -> None:
        """Add to the adjoint of a forward value."""
        if contribution is None or v.__class__ is Const or not self.active(v):
            return
        old = self.current(v)
        self.put(v, contribution if old is None else self._sum(old, contribution, not self.owns(v)))

    def _sum(self, old: Value, new: Value, outer: bool) -> Value:
        """`outer`: of something from outside of a region. Over the iterations of a loop that is a sum in any order."""
        attrs = {"any_order": True} if outer and not old.type.dims else {}
        total, masked = self.b("add", old, new, **attrs), self.run.masked
        if old in masked and new in masked:
            masked.add(total)
        return total

    def put(self, key: Any, bar: Value) -> None:
        self.bars[key] = bar
        if bar.name is None and isinstance(key, Value) and key.name and bar.op is not None:
            bar.name = f"{key.name}_bar"

    def take(self, v: Value) -> Value | None:
        """The finished adjoint of a value of this frame."""
        return self.bars.pop(v, None)

    def zeros(self, v: Value) -> Value:
        """A zero adjoint."""
        t = v.type
        if t.__class__ is StackType:
            return self.b("stack_new", dtype=t.element.dtype)
        zero = self.b.const(0, t.dtype)
        return self.b.broadcast(zero, self.dims(v)) if t.dims else zero

    def or_zeros(self, v: Value, bar: Value | None) -> Value:
        return self.zeros(v) if bar is None else bar


class Lazy(Expr):
    """A forward value in the formula of a partial derivative: only what the formula uses is made available."""

    __slots__ = ("frame", "source")

    def __init__(self, frame: Frame, source: Value):
        self.builder, self.frame, self.source = frame.b, frame, source

    @property
    def value(self) -> Value:                           # type: ignore[override]
        return self.frame.get(self.source)

    @property
    def dtype(self) -> DType:
        return self.source.type.dtype
