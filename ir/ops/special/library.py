"""Functions that are routines of SciPy: how they are declared, and derivatives by parameters that have no formula.

Where a function of scipy.special is compiled code, its op is that routine (`Routine`; lowering/libraries/scipy_ufuncs.py has
its address), and its partial derivatives are written in other functions, mostly of the same family.

Derivatives by an order or a shape (∂P(a, x)/∂a, ∂J_v(x)/∂v) have no closed form. These functions are analytic in their
parameter, and SciPy computes them to the last digits but a few. So the central difference over 2m + 1 nodes with *large*
steps h is exact to rounding: its error is

    m!² / (2m + 1)! h^(2m) f^(2m+1)  ~  8e-5 h^12 f^(13)   for m = 6,      and    2.5 ε |f| / h    by rounding

(B. Fornberg, Generation of finite difference formulas on arbitrarily spaced grids, Math. Comp. 51, 1988). With h a twelfth of
the length over which an entire f changes, or a thirtieth of the distance of its next pole, both are below 1e-12 of f.
`by_parameter` makes an op of it.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ...errors import UnsupportedError
from ...opdef import FLOATS, OPS
from ...types import F32, F64, Array, DType, known_dtype
from ..elementwise import declare
from ..numeric import _special

if TYPE_CHECKING:
    from ...build import Expr

ROUTINES: dict[str, Routine | None] = {}          # op -> its routine; None where it is a formula
_ORDINAL = ("first", "second", "third", "fourth")


@dataclass(frozen=True)
class Routine:
    """A ufunc of scipy.special: `name` there, `whole` which of its operands are integers, `output` which result."""

    name: str
    whole: tuple[int, ...] = ()
    output: int = 0

    @property
    def __name__(self) -> str:
        return self.name

    def types(self, dtype: DType) -> str:
        """The loop of the ufunc for operands of a dtype, as "dD->D"."""
        ufunc, letter = _special(self.name), np.dtype(dtype.np).char
        for wanted in (letter, {"f": "d", "F": "D"}.get(letter, letter)):
            for allowed in ({wanted, wanted.lower()}, {wanted, wanted.lower(), "l"}):      # integers among floats come last
                for types in ufunc.types:
                    inputs, outputs = types.split("->")
                    if outputs[0] == wanted and all(letter in ("lqip" if k in self.whole else allowed)
                                                    for k, letter in enumerate(inputs)):
                        return types
        raise UnsupportedError(f"scipy.special.{self.name} of {dtype.np} is none of SciPy's", "convert with .astype() first")

    def __call__(self, *arrays: Array) -> Array:
        types = self.types(_dtype_of(arrays[-1]))
        ready = [_as(a, letter) for a, letter in zip(arrays, types)]
        found = _special(self.name)(*ready)
        return found[self.output] if isinstance(found, tuple) else found


def _dtype_of(array: Array) -> DType:
    return known_dtype(np.asarray(array).dtype)


def _as(array: Array, letter: str) -> Array:
    array = np.asarray(array)
    if array.dtype.kind == "c" and letter not in "FD":
        array = array.real
    with np.errstate(all="ignore"):
        return array.astype(letter)[()]


def unknown(name: str, k: int) -> Callable:
    """A partial derivative of which no formula is known: asking for it is an error, not 0."""
    def partial(*exprs: Any) -> None:
        raise UnsupportedError(
            f"the derivative of scipy.special.{name} by its {_ORDINAL[k]} argument cannot be computed",
            "hold that argument fixed with tg.stop_gradient, or give the function a rule with tg.custom_jvp")

    return partial


def library(name: str, arity: int = 1, partials: tuple | Callable = (), *, domain: tuple, routine: str = "",
            whole: tuple[int, ...] = (), output: int = 0, takes: frozenset = FLOATS, singular: tuple | None = None,
            flat: bool = False, steep: bool = False) -> None:
    """Declare an op that is a routine of SciPy. A partial is a formula; None where the function has steps in that operand and
    so no slope; ... where no formula is known."""
    partials = (partials,) if callable(partials) else partials
    partials = tuple(unknown(name, k) if p is ... else p for k, p in enumerate(partials))
    known = tuple(k for k, p in enumerate(partials) if p is not None)
    partials = partials if known else ()
    ROUTINES[name] = made = Routine(routine or name, whole, output)
    declare(name, made, arity, takes, cost=60, lanewise=False, partials=partials,
            singular=known if singular is None else singular, domain=domain,
            recipe=(("fc", ("scipy", made)),), flat=flat, steep=steep,
            doc=f"scipy.special.{routine or name}, by SciPy's own routine.")


# --- derivatives by a parameter ---------------------------------------------------------------------------------------

_NODES = 6


def _weights(order: int) -> list[float]:
    """Of the nodes 1 … m on the right; those on the left are equal (order 2) or opposite (order 1). The node 0 of order 2
    has -2 Σ of these."""
    square = math.factorial(_NODES) ** 2
    return [(-1.0) ** (j + 1) * order * square / (j ** order * math.factorial(_NODES - j) * math.factorial(_NODES + j))
            for j in range(1, _NODES + 1)]


def difference(f: Callable, x: Expr, h: Expr, order: int) -> Expr:
    """The first or second derivative of f, a formula, at x, by steps h."""
    total = f(x) * (-2 * sum(_weights(2))) if order == 2 else None
    for j, weight in enumerate(_weights(order), 1):
        right, left = f(x + h * j), f(x - h * j)
        term = (right + left if order == 2 else right - left) * weight
        total = term if total is None else total + term
    return total / h if order == 1 else total / h / h


def in_double(formula: Callable) -> Callable:
    """The formula in double precision, whatever its operands have."""
    def run(*xs: Expr) -> Expr:
        return formula(*(x.cast(F64) for x in xs)).cast(F32) if xs[-1].dtype is F32 else formula(*xs)

    return run


class Numbers:
    """Arrays with the interface of `build.Expr`, so that a formula is its own evaluator."""

    def __init__(self, value: Array):
        self.value = np.asarray(value)

    @property
    def dtype(self) -> Any:
        return _dtype_of(self.value)

    def number(self, value: complex) -> Any:
        return Numbers(np.asarray(value, self.value.dtype))

    def cast(self, dtype: DType) -> Any:
        return Numbers(self.value.astype(dtype.np))

    def select(self, yes: Expr, no: Expr) -> Any:
        return Numbers(np.where(self.value, _plain(yes), _plain(no)))

    def __getattr__(self, name: str) -> Any:
        if name not in OPS:
            raise AttributeError(name)
        function = cast(Any, OPS[name]).numpy
        return lambda *others: Numbers(function(self.value, *(np.asarray(_plain(o), self.value.dtype) for o in others)))


def _plain(x: Expr) -> Any:
    return x.value if isinstance(x, Numbers) else x


def _operators() -> None:
    for name in ("add", "sub", "mul", "truediv", "pow", "and", "or", "eq", "ne", "lt", "le", "gt", "ge"):
        for method in (f"__{name}__", f"__r{name}__"):
            if hasattr(np.ndarray, method):
                setattr(Numbers, method,
                        lambda self, other, m=method: Numbers(getattr(self.value, m)(np.asarray(_plain(other)))))
    for method in ("__neg__", "__invert__"):
        setattr(Numbers, method, lambda self, m=method: Numbers(getattr(self.value, m)()))


_operators()


def evaluator(formula: Callable) -> Callable:
    """A formula as a function of arrays."""
    def run(*arrays: Any) -> Any:
        with np.errstate(all="ignore"):
            return formula(*map(Numbers, arrays)).value[()]

    return run


def composed(name: str, arity: int, formula: Callable, partials: tuple, *, domain: tuple, doc: str,
             singular: tuple | None = None, steep: bool = False) -> None:
    """Declare an op that is a formula over other ops, which evaluates it too."""
    formula = in_double(formula)
    partials = tuple(unknown(name, k) if p is ... else p for k, p in enumerate(partials))
    run = evaluator(formula)
    run.__name__ = name
    ROUTINES[name] = None
    declare(name, run, arity, formula=formula, partials=partials, domain=domain, doc=doc, steep=steep,
            singular=tuple(k for k, p in enumerate(partials) if p is not None) if singular is None else singular)


def by_parameter(name: str, arity: int, k: int, value: Callable, step: Callable, others: dict, *, domain: tuple,
                 orders: int = 2) -> None:
    """Declare the derivatives of a function by its operand k: the ops "name_by{k}_1" and so on.

    value(*operands), a function of moved operands that is the declared one up to a constant, is differentiated with steps
    step(*operands). others[j](order) is the
    partial of the derivative of that order by operand j, a formula (*operands, out).
    """
    for order in range(1, orders + 1):
        def formula(*xs: Expr, order: int = order) -> Expr:
            found = value(*xs)

            def along(p: Expr) -> Expr:
                return found(*xs[:k], p, *xs[k + 1:])

            return difference(along, xs[k], step(*xs), order)

        def again(*exprs: Any, order: int = order) -> Any:
            return getattr(exprs[0], f"{name}_by{k}_{order + 1}")(*exprs[1:-1])

        partials = [others[j](order) if j in others else ... for j in range(arity)]
        partials[k] = again if order < orders else ...
        composed(f"{name}_by{k}_{order}", arity, formula, tuple(partials), domain=domain,
                 doc=f"The derivative of order {order} of {name} by its {_ORDINAL[k]} operand.")


def first(name: str, k: int) -> Callable:
    """The partial by an operand that `by_parameter` has declared."""
    return lambda *exprs: getattr(exprs[0], f"{name}_by{k}_1")(*exprs[1:-1])
