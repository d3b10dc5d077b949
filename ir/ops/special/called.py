"""Formulas as recipes: what a program uses often is a function of its own in machine code, and called.

A formula such as that of Γ is some hundred operations, and a partial derivative of B(a, b) or of a binomial coefficient has
four of them: written out at each use, such gradients compiled for one to two seconds. Where the uses of ops that are declared
`apart` come to more than `sizes.formulas` steps, those that occur more than once stay ops until machine code is written, and
llvm/scalar.py makes one function of each from the recipe that is built here. A single use is written out as before: loops over
arrays then become vectors.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from ...opdef import OPS, Elementwise
from ...thresholds import sizes
from ...types import F64, DType
from ..elementwise import GIVES
from ..scalar_expansions import Node

if TYPE_CHECKING:
    from ...core import Op

_BINARY = {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "and": "and", "or": "or", "pow": "pow"}
_COMPARED = ("eq", "ne", "lt", "le", "gt", "ge")


class Steps:
    """Nodes of a recipe with the interface of `build.Expr`; equal steps are one node."""

    __slots__ = ("dtype", "made", "node")

    def __init__(self, node: Node, dtype: DType, made: dict[tuple, Node]):
        self.node, self.dtype, self.made = node, dtype, made

    def _new(self, op: str | tuple, args: tuple, dtype: DType) -> Steps:
        key = (op, *(id(a) if isinstance(a, Node) else a for a in args))
        node = self.made.get(key)
        if node is None:
            self.made[key] = node = Node(op, args)
        return Steps(node, dtype, self.made)

    def number(self, value: complex) -> Steps:
        """A constant of this dtype."""
        return self._new("const", (value, self.dtype.name, repr(value)), self.dtype)

    def _lift(self, other: Any) -> Steps:
        return other if isinstance(other, Steps) else self.number(other)

    def _apply(self, name: str, *args: Steps) -> Steps:
        defn = cast(Elementwise, OPS[name])
        if defn.formula is not None and not defn.apart:
            return defn.formula(*args)
        return self._new(name, tuple(a.node for a in args), GIVES[defn.gives](args[-1].dtype))

    def select(self, yes: Any, no: Any) -> Steps:
        like = yes if isinstance(yes, Steps) else no
        yes, no = like._lift(yes), like._lift(no)
        return self._new("select", (self.node, yes.node, no.node), yes.dtype)

    def cast(self, dtype: DType) -> Steps:
        return self if dtype is self.dtype else self._new(("cast", dtype.name), (self.node,), dtype)

    def __getattr__(self, name: str) -> Callable[..., Steps]:
        if name not in OPS or not hasattr(OPS[name], "arity"):
            raise AttributeError(name)
        return lambda *others: self._apply(name, self, *map(self._lift, others))

    def __neg__(self) -> Steps:
        return self._apply("neg", self)

    def __invert__(self) -> Steps:
        return self._apply("not", self)

    __hash__ = object.__hash__


def _operators() -> None:
    for python, name in (*_BINARY.items(), *zip(_COMPARED, _COMPARED)):
        setattr(Steps, f"__{python}__", lambda self, other, name=name: self._apply(name, self, self._lift(other)))
        if python in _BINARY:
            setattr(Steps, f"__r{python}__", lambda self, other, name=name: self._apply(name, self._lift(other), self))


_operators()


@cache
def recipe(name: str, dtype: DType) -> Node:
    """The formula of an op that is declared `apart` as a tree for operands of a dtype."""
    defn = cast(Elementwise, OPS[name])
    made: dict[tuple, Node] = {}
    formula = cast(Callable, defn.formula)
    return formula(*(Steps(Node("arg", (k,)), dtype, made) for k in range(defn.arity))).node


def is_apart(name: str) -> bool:
    defn = OPS.get(name)
    return isinstance(defn, Elementwise) and defn.apart


@cache
def _steps(name: str) -> int:
    """How many nodes the formula has, those of formulas inside of it included."""
    seen: dict[int, Node] = {}
    todo, total = [recipe(name, F64)], 0
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen[id(node)] = node
        total += _steps(node.op) if isinstance(node.op, str) and is_apart(node.op) else 1
        todo += [a for a in node.args if isinstance(a, Node)]
    return total


def called(ops: Iterable[Op]) -> frozenset[str]:
    """The names of those among the ops that are called, not written out."""
    uses = Counter(op.defn.name for op in ops if is_apart(op.defn.name))
    if sum(count * _steps(name) for name, count in uses.items()) <= sizes.formulas:
        return frozenset()
    return frozenset(name for name, count in uses.items() if count > 1)


