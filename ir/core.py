"""The IR: small, typed, functional, printable.

    function ::= "func" "@" name "(" param ("," param)* ")" "->" types "{" op* "return" operands "}"
    param    ::= %name ":" type
    op       ::= results "=" opname operands attrs? region* ":" types
    operand  ::= %name | literal                      (a literal is a `Const`)
    region   ::= "(" param* ")" "{" op* "yield" operands "}"

    control ops and their regions
      if    cond             then () {…}  else () {…}         results = the yields of the branch taken
      for   trip, init…      body (i, carry…) {…}             i = 0 … trip-1; results = the last yields
      while init…            cond (carry…) {… yield bool}  body (carry…) {…}
      map   trip             body (i) {…}                     results = the yields stacked along a new first axis
      call  args…            attribute callee: a Function

Every value is defined once. A region sees all values defined before it in the enclosing regions (no capture lists).
A dimension that is not a number is a value of type `index`, defined where the type is used; ops that make an array of
such a length take the length as an operand, so that types always follow from operands and attributes (`OpDef.infer`).
While a program for many lengths is made, the lengths of its arguments are `Length`s, which are defined everywhere.
Arrays are values: `update x, v, …` is a new array. Lowering finds where the old one is dead and writes in place.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import Loc
from .types import INDEX, INDEX_SCALAR, Dim, DType, StackType, Type

if TYPE_CHECKING:
    from .opdef import OpDef


class Value:
    """Something that an op or a block defines once. `name` is a hint for the printer, unique only after printing.

    `owner` is the Op or Block that defines it (None for a Const), `slot` the position among its results or params.
    """

    __slots__ = ("name", "owner", "slot", "type")

    def __init__(self, type: Type, name: str | None = None, owner: Op | Block | None = None, slot: int = 0):
        self.type, self.name, self.owner, self.slot = type, name, owner, slot

    @property
    def op(self) -> Op | None:
        """The op that defines this value; None for a parameter or a constant."""
        return self.owner if isinstance(self.owner, Op) else None

    @property
    def maker(self) -> Op:
        """The op that defines this value, which is neither a parameter nor a constant."""
        assert isinstance(self.owner, Op), self
        return self.owner

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    @property
    def dims(self) -> tuple[Dim, ...]:
        return self.type.dims

    @property
    def rank(self) -> int:
        return len(self.type.dims)

    def __repr__(self) -> str:
        return f"%{self.name or hex(id(self))[-5:]}"


class Const(Value):
    """A constant operand. `data` is a read-only ndarray of the type's dtype and shape (rank 0 for a scalar).

    A constant array that is not `frozen` is a user's own array, read through its memory at run time: nothing may fold it.
    """

    __slots__ = ("data", "frozen")

    def __init__(self, type: Type, data: np.ndarray, frozen: bool = True):
        super().__init__(type)
        self.data, self.frozen = data, frozen

    @property
    def item(self) -> int:
        """The Python scalar, of a rank-0 constant."""
        return self.data.item()

    def __repr__(self) -> str:
        return repr(self.data.item()) if self.data.ndim == 0 else f"const{self.data.tolist()!r}"


class Length(Value):
    """The length of an axis of an argument, in a program for many lengths. Like a constant it is defined everywhere, also in
    functions that are called; at the end it becomes a parameter, of this class too (`lengths.closed`). It is never below
    `least` and, where there is a `most`, never above that.
    """

    __slots__ = ("least", "most")

    def __init__(self, name: str, least: int, most: int | None = None):
        super().__init__(INDEX_SCALAR, name)
        self.least, self.most = least, most

    def __repr__(self) -> str:
        return self.name or "a length"

    def takes(self, n: int) -> bool:
        return n >= self.least and (self.most is None or n <= self.most)


EVERYWHERE = (Const, Length)         # values that neither an op nor a block defines


class Op:
    """One operation. `attrs` holds frozen Python data; what may be in it is said by the op's definition."""

    __slots__ = ("attrs", "defn", "loc", "operands", "regions", "results")

    def __init__(self, defn: OpDef, operands: tuple[Value, ...], attrs: dict[str, Any], regions: Sequence[Block] = (),
                 result_types: Sequence[Type] = (), loc: Loc = ()):
        self.defn, self.operands, self.attrs = defn, tuple(operands), attrs
        self.regions: tuple[Block, ...] = tuple(regions)
        self.results = tuple(Value(t, None, self, k) for k, t in enumerate(result_types))
        self.loc = loc

    @property
    def name(self) -> str:
        return self.defn.name

    @property
    def result(self) -> Value:
        return self.results[0]

    def __repr__(self) -> str:
        return f"{', '.join(map(repr, self.results))} = {self.name} {', '.join(map(repr, self.operands))} {self.attrs or ''}"


class Block:
    """Parameters, ops in order, and what the block yields. A function's body is a block whose yields are its results."""

    __slots__ = ("ops", "params", "yields")

    def __init__(self, param_types: Sequence[Type] = (), names: Sequence[str | None] = ()):
        names = tuple(names) + (None,) * (len(param_types) - len(names))
        self.params = tuple(Value(t, n, self, k) for k, (t, n) in enumerate(zip(param_types, names)))
        self.ops: list[Op] = []
        self.yields: tuple[Value, ...] = ()

    def walk(self) -> Iterator[Op]:
        """Every op in this block and in the regions under it, outer ops first."""
        for op in self.ops:
            yield op
            if op.regions:
                for region in op.regions:
                    yield from region.walk()


@dataclass(eq=False)
class Function:
    """A named block. `result_names` are hints for the printer."""

    name: str
    body: Block
    loc: Loc = ()
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def params(self) -> tuple[Value, ...]:
        return self.body.params

    @property
    def results(self) -> tuple[Value, ...]:
        return self.body.yields

    @property
    def result_types(self) -> tuple[Type, ...]:
        return tuple(v.type for v in self.body.yields)

    def callees(self) -> list[Function]:
        """Every function reachable through calls, callees before callers, this one last."""
        seen: dict[int, Function] = {}

        def visit(f: Function) -> None:
            if id(f) in seen:
                return
            for op in f.body.walk():
                if "callee" in op.attrs:
                    visit(op.attrs["callee"])
            seen[id(f)] = f

        visit(self)
        return list(seen.values())


def as_dim(value: Value) -> Dim:
    """A dimension for a type: the number of a constant, else the value itself."""
    return value.data.item() if isinstance(value, Const) else value


_RESULT_DIMS: list[Value] = []


def result_dim(k: int) -> Value:
    """What an inferred type names where a length is the op's own result k; `build.make_op` puts the result in its place."""
    while len(_RESULT_DIMS) <= k:
        _RESULT_DIMS.append(Value(INDEX_SCALAR, f"result{len(_RESULT_DIMS)}"))
    return _RESULT_DIMS[k]


def subst_type(type: Type, mapping: Mapping[Value, Value]) -> Type:
    """The type with its dimension values replaced through `mapping`."""
    if isinstance(type, StackType):
        return StackType(subst_type(type.element, mapping))
    if type.static:
        return type
    return Type(type.dtype, tuple(d if isinstance(d, int) else as_dim(mapping.get(d, d)) for d in type.dims))


def is_index(value: Value) -> bool:
    return value.type.dtype is INDEX and not value.type.dims
