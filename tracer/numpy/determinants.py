"""Determinants, by the pivots of an LU factorisation. Their derivatives are those of another form (cofactors.py), which nothing
computes where only the value is asked for.

det(A) is a polynomial in the elements, and so is smooth where A has no inverse. Up to 4 x 4 the polynomial itself is
differentiated.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import tracing
from ..values import boxes, ufuncs
from ..values.boxes import ArrayBox, as_array, implements
from . import cofactors
from .linalg import factored, inexact, square

if TYPE_CHECKING:
    from ...ir.core import Value

EXPANDED = 4           # rows up to which the polynomial is written out


def _pivots(x: Value) -> tuple[ArrayBox, ...]:
    builder = tracing.current().builder
    return cofactors.pivots_of(*factored(builder("stop_gradient", x)))


def _product(x: ArrayBox) -> Value:
    builder, value = tracing.current().builder, boxes.to_value(x)
    return builder.reduce(value, "prod", (value.type.rank - 1,))


@implements(np.linalg.det)
def det(a: Any) -> Any:
    builder, a = tracing.current().builder, as_array(a)
    a = square(a)
    (x,) = inexact(a)
    pivots, sign = _pivots(x)
    found = builder("mul", sign.read(), _product(pivots))
    n = x.type.dims[-1]
    formula = _expanded(boxes.array(x), n) if isinstance(n, int) and n <= EXPANDED else cofactors.determinant(x)
    return boxes.result(builder("surrogate", found, formula))


def _expanded(x: ArrayBox, n: int) -> Value:
    """Leibniz's formula of n <= 3 rows; of 4 Laplace's, by the minors of the upper and the lower two."""
    def at(i: int, j: int) -> Any:
        return x[..., i, j]

    def minor(i: int, j: int, p: int, q: int) -> Any:
        return at(i, p) * at(j, q) - at(i, q) * at(j, p)

    if n == 0:
        return tracing.current().builder.full(1, x.dims[:-2], x.dtype_ir)
    if n == 1:
        found = at(0, 0)
    elif n == 2:
        found = minor(0, 1, 0, 1)
    elif n == 3:
        found = at(0, 0) * minor(1, 2, 1, 2) - at(0, 1) * minor(1, 2, 0, 2) + at(0, 2) * minor(1, 2, 0, 1)
    else:
        def pair(p: Any, q: Any, r: Any, s: Any) -> Any:
            return minor(0, 1, p, q) * minor(2, 3, r, s) + minor(0, 1, r, s) * minor(2, 3, p, q)
        found = pair(0, 1, 2, 3) - pair(0, 2, 1, 3) + pair(0, 3, 1, 2)
    return boxes.to_value(found)


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """The derivative of log det A = log |det A| + i φ is tr(A^-1 A_dot); the sign of a real matrix is a step, and the phase of
    a complex one exp(i φ)."""
    builder, a = tracing.current().builder, as_array(a)
    a = square(a)
    (x,) = inexact(a)
    pivots, sign = _pivots(x)
    last = (len(pivots.dims) - 1,)
    logs = builder.reduce(boxes.to_value(np.log(abs(pivots))), "sum", last)
    signs = ufuncs.evaluate(np.sign, [pivots.read()], (x.type.dtype,))
    sign = builder("mul", sign.read(), _product(boxes.array(signs)))
    moved = cofactors.log_determinant(x, boxes.array(builder.reduce((pivots == 0).read(), "any", last)))
    logs = builder("surrogate", logs, boxes.to_value(np.real(moved)))
    if x.type.dtype.complex:
        sign = builder("surrogate", sign, boxes.to_value(boxes.array(sign) * np.exp(1j * np.imag(moved))))
    kind = np.linalg.slogdet(np.eye(1))
    return type(kind)(boxes.result(sign), boxes.result(logs))
