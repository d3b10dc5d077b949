"""Rough costs of scalar operations, for decisions between two forms of the same work: recompute or store, loop or vector."""
from __future__ import annotations

from .ops.special_library import ROUTINES

_COSTS = {
    2: "gather wrap",
    4: "div sqrt floordiv mod hypot abs",
    14: "exp exp2 expm1 log log2 log10 log1p cbrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf erfc atan2",
    24: "pow", 30: "lgamma digamma", 40: "searchsorted"}
COST = {name: cost for cost, names in _COSTS.items() for name in names.split()}      # of one element; 1 for what is not here
COST |= dict.fromkeys(ROUTINES, 60)
