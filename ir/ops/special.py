"""Functions of scipy.special as ops: for differentiation each is one function with its own partial derivatives, for machine
code a formula over other ops (`Elementwise.formula`).

A formula may branch where the function is smooth (|x|, an overflow avoided, a series instead of a quotient); the partials never
do, so derivatives of any order are those of the function. Each partial is written in functions of this table or of
ops/elementwise, which closes it under differentiation.
"""
from __future__ import annotations

from .elementwise import ANY, declare
from .numeric import Special


def _logistic(x):
    """1 / (1 + exp(-x)) from exp(-|x|), which cannot overflow."""
    small = (-x.abs()).exp()
    return (x < 0).select(small, small * 0 + 1) / (1 + small)


# σ' = σ(x) σ(-x), not σ (1 - σ): all digits where σ is near 1
declare("expit", Special("expit"), formula=_logistic, partials=(lambda x, out: out * (-x).expit(),), domain=(ANY,))
