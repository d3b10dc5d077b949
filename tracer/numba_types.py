"""Numba's number types (`numba.float32`, `numba.types.int64`), which its users write as dtypes and as conversions."""
from __future__ import annotations

import sys
from typing import Any

import numpy as np


def scalar_type(what: Any) -> type[np.generic] | None:
    """NumPy's class of such numbers; None for anything else, and where Numba has not been imported."""
    types = sys.modules.get("numba.core.types")
    if types is None or not isinstance(what, (types.Number, types.Boolean)) or isinstance(what, types.Literal):
        return None
    return np.dtype("bool" if isinstance(what, types.Boolean) else what.name).type
