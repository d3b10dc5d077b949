"""Building IR: a cursor that emits typed, located, interned ops; and expressions that read like formulas.

Interning: a pure op without regions is emitted once per (definition, operands, attributes) while the earlier one is in
scope. So equal lengths are the same value, and common subexpressions do not arise.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .core import Block, Const, Function, Op, Value, result_dim, subst_type
from .errors import Loc
from .opdef import OPS, OpDef
from .types import BOOL, F16, F32, F64, INDEX, Array, Dim, DType, StackType, Type


def const(value: Array, dtype: DType = F64, frozen: bool = True) -> Const:
    """A constant: a Python number or an array; copied and made read-only when frozen."""
    data = np.asarray(value, dtype=dtype.np)
    if frozen:
        data = np.array(data, order="C")
        data.setflags(write=False)
    return Const(Type(dtype, data.shape), data, frozen)


def key_of(value: Value) -> Value | tuple[str, tuple, bytes]:
    """What makes two operands the same: identity, or the bits of a small frozen constant."""
    if isinstance(value, Const) and value.frozen and value.data.size <= 64:
        return (value.type.dtype.name, value.type.dims, value.data.tobytes())
    return value


def memory(x: np.ndarray, dims: tuple[int, ...]) -> np.ndarray:
    """The memory of x, from its first byte on, as a read-only contiguous array of these dimensions."""
    if not x.size:
        return np.empty(dims, x.dtype)
    corner = x[(..., *[slice(-1, None) if s < 0 else slice(0, 1) for s in x.strides])]         # "...": x[()] would be a copy
    strides = tuple([x.itemsize * math.prod(dims[k + 1:]) for k in range(len(dims))])
    return np.lib.stride_tricks.as_strided(corner.view(np.ndarray), dims, strides, writeable=False)


class Builder:
    """Emits ops at the end of the current block.

    locate    asked for the location of each op (the tracer); where None, `loc` holds (passes)
    noted     what those that emit want to know again of values that they have emitted
    peephole  peephole(builder, defn, operands, attrs) -> replacement results, or None to emit (ir/transforms/simplify.py)
    """

    def __init__(self, locate: Callable[[], Loc] | None = None, peephole: Callable | None = None):
        self.loc: Loc = ()
        self.locate, self.peephole = locate, peephole
        self.block: Block = cast("Block", None)           # until the first `enter`
        self._outer: list[Block] = []                     # the blocks that enclose the current one
        self._scopes: list[dict] = []
        self.noted: dict[Any, Any] = {}
        self._ints: dict[int, Const] = {}

    @contextmanager
    def at(self, block: Block) -> Iterator[Any]:
        """Emit into `block`; what it interns is forgotten afterwards, what encloses it is seen."""
        outer = self.enter(block)
        try:
            yield block
        finally:
            self.leave(outer)

    @contextmanager
    def beside(self, op: Op, after: bool = False) -> Iterator[None]:
        """Emit in front of an op of the current block, or behind it, where nothing is seen of what comes later."""
        block, seen = self.block, self._scopes[-1]
        at = block.ops.index(op) + after
        later = block.ops[at:]
        del block.ops[at:]
        self._scopes[-1] = {}
        try:
            yield
        finally:
            block.ops += later
            self._scopes[-1] = {**self._scopes[-1], **seen}

    @contextmanager
    def around(self, op: Op) -> Iterator[bool]:
        """Emit into the block that has an op, the current one or one that encloses it; gives whether there is one."""
        blocks, scopes = [*self._outer, self.block], self._scopes
        up = next((k for k, block in enumerate(reversed(blocks)) if block is not None and op in block.ops), None)
        if up is None:
            yield False
            return
        here, outer = len(blocks) - up - 1, self._outer
        inner, kept = self.block, scopes[len(scopes) - up:]
        self.block, self._outer, self._scopes = blocks[here], blocks[:here], scopes[:len(scopes) - up]
        try:
            yield True
        finally:
            self.block, self._outer, self._scopes = inner, outer, [*self._scopes, *kept]

    def enter(self, block: Block) -> Block:
        """Begin to emit into `block`; gives the block before, which `leave` takes."""
        outer, self.block = self.block, block
        self._outer.append(outer)
        self._scopes.append({})
        return outer

    def leave(self, outer: Block) -> None:
        """Go on with the block before."""
        self._scopes.pop()
        self._outer.pop()
        self.block = outer

    def emit(self, name: str | OpDef, *operands: Value, regions: Sequence[Block] = (), **attrs: Any) -> tuple[Value, ...]:
        """Emit one op (or find the interned or simplified one) and return its results."""
        defn = OPS[name] if isinstance(name, str) else name
        if defn.widens and any(x.type.dtype is F16 for x in operands if not isinstance(x.type, StackType)):
            return self._widened(defn, operands, attrs)
        if self.peephole and (found := self.peephole(self, defn, operands, attrs)) is not None:
            return found
        pure = not (defn.effect or defn.rule == "control" or defn.name == "stack_new") or defn.name in _REPEATABLE
        if pure:
            key = (defn.name, tuple(map(key_of, operands)), tuple(sorted(attrs.items())))
            for scope in reversed(self._scopes):
                if (earlier := scope.get(key)) is not None:
                    return earlier.results
        op = make_op(defn, operands, attrs, regions, self.locate() if self.locate else self.loc)
        self.block.ops.append(op)
        if pure:
            self._scopes[-1][key] = op
        return op.results

    def _widened(self, defn: OpDef, operands: tuple[Value, ...], attrs: dict[str, Any]) -> tuple[Value, ...]:
        """An op on numbers of f16, computed in f32 and rounded once."""
        wide = [self.cast(x, F32) if x.type.dtype is F16 else x for x in operands]
        return tuple([self.cast(x, F16) if x.type.dtype is F32 else x for x in self.emit(defn, *wide, **attrs)])

    def __call__(self, name: str | OpDef, *operands: Value, **attrs: Any) -> Value:
        """Emit and return the only result."""
        (result,) = self.emit(name, *operands, **attrs)
        return result

    # --- constants, index arithmetic, shapes: conveniences over emit -----------------------------------------------

    def const(self, value: Array, dtype: DType = F64) -> Const:
        return const(value, dtype)

    def index(self, value: Dim) -> Value:
        """An index operand from an int, a dimension or an index value."""
        if isinstance(value, Value):
            return value
        value = int(value)
        if value not in self._ints:
            self._ints[value] = const(value, INDEX)
        return self._ints[value]

    def iop(self, name: str, a: Dim, b: Dim) -> Value:
        """Index arithmetic on ints, dimensions or index values, folded where both are numbers or one is neutral."""
        a, b = self.index(a), self.index(b)
        if isinstance(a, Const) and isinstance(b, Const):
            return self.index(FOLDED[name](a.item, b.item))
        if (name in ("add", "sub") and isinstance(b, Const) and b.item == 0) or (
                name in ("mul", "floordiv") and isinstance(b, Const) and b.item == 1):
            return a
        if (name == "add" and isinstance(a, Const) and a.item == 0) or (name == "mul" and isinstance(a, Const) and a.item == 1):
            return b
        return self(name, a, b)

    def dim(self, value: Value, axis: int) -> Value:
        """The length of an axis, as an index operand."""
        return self.index(value.type.dims[axis])

    def dims(self, value: Value) -> tuple[Value, ...]:
        return tuple(self.index(d) for d in value.type.dims)

    def cast(self, x: Value, dtype: DType) -> Value:
        """x in another dtype; x itself where it has it; folded for a scalar constant."""
        if x.type.dtype is dtype:
            return x
        if isinstance(x, Const) and x.frozen and x.data.ndim == 0:
            with np.errstate(all="ignore"):
                return const(x.data.astype(dtype.np), dtype)
        return self("cast", x, dtype=dtype)

    def broadcast(self, x: Value, dims: Sequence[Dim]) -> Value:
        """x broadcast to `dims` by NumPy's rule (trailing axes align, 1 expands); x itself where it has them."""
        if Type(x.type.dtype, dims) == x.type:
            return x
        return self("broadcast", x, *map(self.index, dims))

    def full(self, value: Value | complex, dims: Sequence[Dim], dtype: DType) -> Value:
        """An array filled with a scalar (a Python number or a rank-0 value)."""
        scalar = value if isinstance(value, Value) else const(value, dtype)
        return self.broadcast(self.cast(scalar, dtype), dims)

    def zeros_like(self, x: Value) -> Value:
        return self.full(0, x.type.dims, x.type.dtype)

    def reshape(self, x: Value, dims: Sequence) -> Value:
        if Type(x.type.dtype, dims) == x.type:
            return x
        return self("reshape", x, *map(self.index, dims))

    def transpose(self, x: Value, perm: Sequence[int]) -> Value:
        perm = tuple(perm)
        return x if perm == tuple(range(len(perm))) else self("transpose", x, perm=perm)

    def reduce(self, x: Value, kind: str, axes: Sequence[int] | range) -> Value:
        axes = tuple(sorted(axes))
        if x.type.dtype is BOOL:
            kind = _OF_BOOL.get(kind, kind)
        return x if not axes else self("reduce", x, kind=kind, axes=axes)

    def expr(self, value: Value) -> Expr:
        return Expr(self, value)


_OF_BOOL = {"sum": "any", "prod": "all", "max": "any", "min": "all"}       # NumPy's `+` of bools is `or`, its `*` is `and`
# effects that need not run twice on the same operands: what raises once has raised
_REPEATABLE = ("wrap", "check", "cholesky", "lu_solve", "triangular_solve", "eigh", "eig", "svd", "pinv")

FOLDED: dict[str, Callable[[int, int], int]] = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
         "floordiv": lambda a, b: a // b, "mod": lambda a, b: a % b, "min": min, "max": max}


def make_op(defn: OpDef, operands: tuple[Value, ...], attrs: dict[str, Any], regions: Sequence[Block] = (),
            loc: Loc = ()) -> Op:
    """An op with its results typed by the definition, not yet in any block."""
    op = Op(defn, operands, attrs, regions, defn.infer(operands, attrs, regions), loc)
    if defn.rule == "control":
        mapping = {result_dim(k): r for k, r in enumerate(op.results)}
        for r in op.results:
            r.type = subst_type(r.type, mapping)
    return op


class Expr:
    """A value with Python's operators, for formulas in rules: `1 - out * out`, `x.log()`, `(x < 0).select(a, b)`.

    A Python number takes the dtype of the other operand. Every one- and two-operand elementwise op is a method.
    """

    __slots__ = ("builder", "value")

    def __init__(self, builder: Builder, value: Value):
        self.builder, self.value = builder, value

    if TYPE_CHECKING:                                   # `_operators` makes them
        def __add__(self, other: Any) -> Expr: ...
        def __radd__(self, other: Any) -> Expr: ...
        def __sub__(self, other: Any) -> Expr: ...
        def __rsub__(self, other: Any) -> Expr: ...
        def __mul__(self, other: Any) -> Expr: ...
        def __rmul__(self, other: Any) -> Expr: ...
        def __truediv__(self, other: Any) -> Expr: ...
        def __rtruediv__(self, other: Any) -> Expr: ...
        def __floordiv__(self, other: Any) -> Expr: ...
        def __rfloordiv__(self, other: Any) -> Expr: ...
        def __mod__(self, other: Any) -> Expr: ...
        def __rmod__(self, other: Any) -> Expr: ...
        def __pow__(self, other: Any) -> Expr: ...
        def __rpow__(self, other: Any) -> Expr: ...
        def __and__(self, other: Any) -> Expr: ...
        def __rand__(self, other: Any) -> Expr: ...
        def __or__(self, other: Any) -> Expr: ...
        def __ror__(self, other: Any) -> Expr: ...
        def __xor__(self, other: Any) -> Expr: ...
        def __rxor__(self, other: Any) -> Expr: ...
        def __eq__(self, other: Any) -> Expr: ...      # type: ignore[override]
        def __ne__(self, other: Any) -> Expr: ...      # type: ignore[override]
        def __lt__(self, other: Any) -> Expr: ...
        def __le__(self, other: Any) -> Expr: ...
        def __gt__(self, other: Any) -> Expr: ...
        def __ge__(self, other: Any) -> Expr: ...

    def _lift(self, other: Expr | complex) -> Value:
        return other.value if isinstance(other, Expr) else const(other, self.value.type.dtype)

    def _two(self, name: str, a: Value, b: Value) -> Expr:
        return Expr(self.builder, self.builder(name, a, b))

    def select(self, yes: Expr | complex, no: Expr | complex) -> Expr:
        """Where this condition holds yes, else no; one of them may be a Python number."""
        like = yes if isinstance(yes, Expr) else cast("Expr", no)
        return Expr(self.builder, self.builder("select", self.value, like._lift(yes), like._lift(no)))

    def number(self, value: complex) -> Expr:
        """A constant of this dtype."""
        return Expr(self.builder, const(value, self.value.type.dtype))

    def cast(self, dtype: DType) -> Expr:
        return Expr(self.builder, self.builder.cast(self.value, dtype))

    @property
    def dtype(self) -> DType:
        return self.value.type.dtype

    def __getattr__(self, name: str) -> Callable[..., Expr]:
        if name not in OPS or not hasattr(OPS[name], "arity"):
            raise AttributeError(name)
        return lambda *others: Expr(self.builder, self.builder(name, self.value, *map(self._lift, others)))

    def __neg__(self) -> Expr:
        return Expr(self.builder, self.builder("neg", self.value))

    def __invert__(self) -> Expr:
        return Expr(self.builder, self.builder("not", self.value))


def _operators() -> None:
    names = {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floordiv", "mod": "mod", "pow": "pow",
             "and": "and", "or": "or", "xor": "xor"}
    for python, name in names.items():
        setattr(Expr, f"__{python}__", lambda self, other, name=name: self._two(name, self.value, self._lift(other)))
        setattr(Expr, f"__r{python}__", lambda self, other, name=name: self._two(name, self._lift(other), self.value))
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(Expr, f"__{name}__", lambda self, other, name=name: self._two(name, self.value, self._lift(other)))
    Expr.__hash__ = object.__hash__                     # type: ignore[method-assign]


_operators()


def function(name: str, param_types: Sequence[Type], names: Sequence[str | None] = (), loc: Loc = ()) -> Function:
    """An empty function with parameters; build its body with `builder.at(f.body)` and set `f.body.yields`."""
    return Function(name, Block(param_types, names), loc)
