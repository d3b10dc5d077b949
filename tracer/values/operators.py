"""The operators of boxes: each calls the hook of its kind with NumPy's function, or leaves the turn to the other operand."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .boxes import HOOKS, ArrayBox, Box, ScalarBox

_OPERATORS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "floordiv": np.floor_divide,
              "mod": np.remainder, "pow": np.power, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
              "lshift": np.left_shift, "rshift": np.right_shift, "matmul": np.matmul, "divmod": np.divmod}
_COMPARISONS = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
                "ge": np.greater_equal}
_UNARY = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}


def _operand(x: float | Box | None, box: Box, name: str) -> bool:
    """Whether an operator of a box takes x; otherwise x's own operator gets its turn: lists and tuples repeat and compare as
    Python's beside a Python scalar, and NumPy's integer scalars repeat them too."""
    if isinstance(x, (list, tuple)) and isinstance(box, ScalarBox):
        return box.weak is None and not (name == "mul" and box.dtype_ir.kind in "iux")
    return isinstance(x, (Box, int, float, complex, np.ndarray, np.generic, list, tuple)) or (
        hasattr(x, "__array__") and getattr(type(x), "__array_ufunc__", True) is not None)


def install() -> None:
    for name, ufunc in {**_OPERATORS, **_COMPARISONS}.items():
        def forward(self: Box, other: float | Box | None, name: str = name,
                    ufunc: Callable = ufunc) -> Any:
            return HOOKS["binary"](name, ufunc, self, other) if _operand(other, self, name) else NotImplemented

        def reflected(self: Box, other: float, name: str = name, ufunc: Callable = ufunc) -> Box:
            return HOOKS["binary"](name, ufunc, other, self) if _operand(other, self, name) else NotImplemented

        def in_place(self: ArrayBox, other: float | Box, name: str = name, ufunc: Callable = ufunc) -> ArrayBox:
            return HOOKS["in_place"](name, ufunc, self, other) if _operand(other, self, name) else NotImplemented

        setattr(Box, f"__{name}__", forward)
        if name in _OPERATORS:
            setattr(Box, f"__r{name}__", reflected)
            if name != "divmod":
                setattr(ArrayBox, f"__i{name}__", in_place)
    for name, ufunc in _UNARY.items():
        setattr(Box, f"__{name}__", lambda self, name=name, ufunc=ufunc: HOOKS["unary"](name, ufunc, self))
