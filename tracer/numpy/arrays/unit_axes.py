"""NumPy functions that take away axes of length 1, or put them in: views."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....ir.types import Dim
from ... import tracing
from ...values import shapes
from ...values.boxes import ArrayBox, as_array, implements
from ...values.shapes import axes_of
from ...values.views import Strided

_NOT_ONE = "cannot select an axis to squeeze out which has size not equal to one"


@implements(np.squeeze, method="squeeze")
def squeeze(a: Any, axis: Any = None) -> Any:
    box = as_array(a)
    if axis is None:
        axes: tuple[int, ...] = tuple(k for k, d in enumerate(box.dims) if type(d) is int and d == 1)
        for d in box.dims:
            _expect_axis(d)
    else:
        axes = axes_of(axis, len(box.dims))
        for k in axes:
            shapes.require_equal(box.dims[k], 1, _NOT_ONE)
    out = tuple(k for k in range(len(box.dims)) if k not in axes)
    return box.view(Strided(tuple(0 if k in axes else None for k in range(len(box.dims))), out))


def _expect_axis(length: Dim) -> None:
    """Whether an axis is taken away is known while tracing: where its length is not, it stays, and must not be 1."""
    if type(length) is int:
        return
    builder = tracing.current().builder
    fine = builder("ne", builder.index(length), builder.index(1))
    builder.emit("check", fine, error="UnsupportedError", message=(
        "squeeze() of an axis whose length is known only at run time, and is 1 now: the number of axes would be known only at "
        "run time. Instead: name the axis, or write .reshape()"))


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> ArrayBox:
    box = as_array(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    rank = len(box.dims) + len(axes)
    places = axes_of(tuple(axes), rank)
    rest = iter(range(len(box.dims)))
    return box.view(Strided((None,) * len(box.dims), tuple(None if k in places else next(rest) for k in range(rank))))


def _at_least(rank: int, place: Callable) -> Callable:
    def one(x: ArrayBox) -> ArrayBox:
        box = as_array(x)
        for _ in range(rank - len(box.dims)):
            box = expand_dims(box, place(len(box.dims)))
        return box

    def many(*arys: ArrayBox) -> Any:
        return one(arys[0]) if len(arys) == 1 else tuple(map(one, arys))

    return many


at_least_2d = _at_least(2, lambda rank: 0)
implements(np.atleast_1d)(_at_least(1, lambda rank: 0))
implements(np.atleast_2d)(at_least_2d)
implements(np.atleast_3d)(_at_least(3, lambda rank: 0 if rank < 2 else 2))
