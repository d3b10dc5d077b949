"""What an op is: one declaration, read by every part of tracegrad.

`OPS` maps a name to its definition. Each op follows exactly one kind of rule:

  elementwise   `Elementwise`: the partial derivatives stand in the declaration and serve both modes
  linear        linear in the operands `linear_in` jointly: the tangent is the op itself on their tangents;
                autodiff/rules/transpose_rules.py has the transpose
  bilinear      linear in each of the operands `linear_in` separately; autodiff/rules/transpose_rules.py has the transposes
  control       if, for, while, map, call
  special       a row of its own in autodiff (reductions by max and product, sort, factorisations …)
  none          no derivative (comparison, rounding, argmax, checks): counts as zero, `explain` lists it
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .types import BOOL, C64, C128, DTYPES, F16, F32, F64

OPS: dict[str, OpDef] = {}

INTS = frozenset(d for d in DTYPES.values() if d.kind in "iux")
FLOATS = frozenset({F32, F64})
COMPLEXES = frozenset({C64, C128})
REALS = INTS | FLOATS
INEXACT = FLOATS | COMPLEXES
NUMBERS = REALS | COMPLEXES
LIGHT = 4                     # up to this cost, computing once more is less than keeping and loading
ADDED = NUMBERS | {F16}       # what is added to memory in place
ALL = ADDED | {BOOL}


@dataclass(frozen=True, eq=False)
class OpDef:
    """One op.

    infer(operands, attrs, regions) -> result types; raises IRError with a plain sentence where they do not fit.
    evaluate(op, *arrays) -> tuple of arrays: the meaning, in NumPy (None for control, which ir/interp.py runs itself).
             `op` gives attributes and result dtypes; an index operand arrives as a NumPy int64 scalar.
    effect   must run, in order, even where no result is used (checks, printing).

    What passes ask, instead of listing names:

    cost        of one element of the result, in additions, where it is computed once more in place of being kept
    view        the result is the first operand's memory under other indices
    moves       each element of the result is one of an operand's, or a position: nothing is computed
    reads       a part of the first operand at positions: outside of it there is nothing to read
    folds       on small constants it is computed by the compiler; so is every elementwise op
    combines    an element of the result is made of many of the operands'
    register    a result of one element needs no memory
    overwrites  the operand whose memory the result may take, with a part of it written; None for others
    loop        its regions are run many times
    draws       takes numbers from a generator: runs once, in the program's order
    low_bits    the low bits of an integer result are made of the same low bits of the operands
    factors     a factorisation whose vectors are not unique where values are equal
    absorbs     one operand alone may decide the result, as false does of `and`
    """

    name: str
    infer: Callable[..., list]
    evaluate: Callable[..., tuple] | None = None
    rule: str = "none"
    linear_in: tuple[int, ...] = ()
    effect: bool = False
    doc: str = ""
    cost: int = 1
    view: bool = False
    moves: bool = False
    reads: bool = False
    folds: bool = False
    combines: bool = False
    register: bool = False
    overwrites: int | None = None
    loop: bool = False
    draws: bool = False
    low_bits: bool = False
    factors: bool = False
    absorbs: bool = False

    def __post_init__(self) -> None:
        assert self.name not in OPS, f"{self.name} is declared twice"
        OPS[self.name] = self

    @property
    def widens(self) -> bool:
        """Whether it computes: then numbers of f16 are f32 to it, and what it gives is rounded once."""
        return self.combines

    def __repr__(self) -> str:
        return f"<op {self.name}>"


@dataclass(frozen=True, eq=False)
class Elementwise(OpDef):
    """One elementwise primitive.

    All operands have one dtype (the tracer casts; operand 0 of `select` is bool), and each has the result's dimensions
    or rank 0: a scalar is broadcast, nothing else is.

    numpy     the NumPy function of this meaning: the reference of the evaluator, and what the tracer dispatches on
    arity     number of operands
    takes     the dtypes that it is defined on
    gives     "same", "bool", "real" (the real part's dtype), "complex" (the complex dtype of a real)
    partials  a function per operand, (*operands, out) -> the partial derivative, written on `build.Expr`, which has
              Python's operators and a method per elementwise op; None where there is none (it counts as zero).
              For a complex argument it is the holomorphic derivative; what is not holomorphic has rule "special" or "linear"
    singular  positions of the partials that can be infinite or NaN where the cotangent is 0; they multiply with `mulz`
    recipe    how lowering/llvm/scalar.py makes it: frozen data; the grammar stands at the top of ops/recipes.py
    formula   of an op without a recipe: (*operands) -> its value from other ops, on `build.Expr`. Derivatives follow the
              partials and never the formula, which may go through kinks where the function is smooth; it takes the op's place
              when derivatives have been taken (passes.simplify)
    forgets   finite, with a partial of 0, where an operand is infinite: what has overflowed before leaves no slope (steep.py)
    flat      forgets, and so often meets an infinite tangent, as erf((b - m)/s) with a bound at infinity, that each pays for it
    domain    a sample interval (low, high) per operand, inside which it is smooth
    steep     a partial is infinite at a finite point of the domain, where the value is finite
    overflows  the value can be infinite where the operands are finite and moderate
    lanewise  its machine code is as good on vectors as on one number; what is not is computed where it is needed only
    apart     its formula is long: where a program has it often it is one function, which is called (ops/special/called.py)
    """

    numpy: Callable | None = None
    arity: int = 1
    takes: frozenset = FLOATS
    gives: str = "same"
    partials: tuple = ()
    singular: tuple[int, ...] = ()
    recipe: Any = None
    domain: tuple = ()
    formula: Callable | None = None
    forgets: bool = False
    flat: bool = False
    steep: bool = False
    overflows: bool = False
    lanewise: bool = True
    apart: bool = False

    @property
    def widens(self) -> bool:
        return F16 not in self.takes
