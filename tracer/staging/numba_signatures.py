"""The signature of a function that a call goes by, and what its arguments are converted to, as Numba chooses and converts them.

    @jit(["float32(float32)", "float64(float64)"])
    half(1)            int64 -> float64 is safe, int64 -> float32 is not: half(1.0)

A call that no signature fits is traced as it stands, where Numba raises a TypeError.
"""
from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ...ir.errors import DTypeError
from .. import tracing
from ..values.boxes import ArrayBox, ScalarBox
from . import assignment

_NUMBERS = (bool, int, float, complex, np.generic)
_KINDS = ("exact", "promote", "safe", "unsafe")             # what Numba calls a conversion, from the best to the worst


def as_signed(signatures: tuple[tuple[tuple[str, ...], str], ...], *values: Any) -> tuple:
    """(the type of the result, the arguments as the best signature has them)."""
    found = [_type_of(x) for x in values]
    fitting = [(costs, n) for n, (types, _) in enumerate(signatures) if (costs := _costs(found, types)) is not None]
    if not fitting:
        return "", *values
    types, result = signatures[min(fitting)[1]]
    return result, *[assignment.declared(t, x) if _is_number(t) else x for t, x in zip(types, values)], *values[len(types):]


def as_result(wanted: str, value: Any) -> Any:
    """What is returned, as the signature has it."""
    found = _type_of(value)
    if not _is_number(wanted) or not _is_number(found):
        return value
    if np.dtype(found).kind == "c" != np.dtype(wanted).kind:
        raise DTypeError(f"the signature says that {wanted} is returned, and it is {found}", "leave the signature out",
                         tracing.locate())
    return assignment.declared(wanted, value)


def _is_number(kind: str) -> bool:
    return kind != "" and ":" not in kind


def _type_of(x: Any) -> str:
    if isinstance(x, (ScalarBox, *_NUMBERS)):
        return (x.dtype_ir.np if isinstance(x, ScalarBox) else np.asarray(x).dtype).name
    if isinstance(x, (ArrayBox, np.ndarray)):
        return f"{x.dtype.name}:{x.ndim}"
    return ""


def _costs(found: list[str], types: tuple[str, ...]) -> tuple[int, ...] | None:
    """How many conversions of each kind, those that lose most first; None where the arguments do not fit."""
    if len(types) > len(found):
        return None
    kinds = [_conversion(a, b) for a, b in zip(found, types)]
    return None if None in kinds else tuple(kinds.count(k) for k in reversed(_KINDS[1:]))


@cache
def _conversion(found: str, wanted: str) -> str | None:
    if found == wanted or wanted == "" or "" in (found, wanted):
        return "exact"
    if not (_is_number(found) and _is_number(wanted)):
        return None
    from numba.core import types
    from numba.core.typeconv.rules import default_type_manager

    kind = default_type_manager.check_compatible(*[getattr(types, "boolean" if t == "bool" else t) for t in (found, wanted)])
    return None if kind is None else kind.name
