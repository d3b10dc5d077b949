"""ndarray.flags: the order in which the elements of an array lie in memory."""
from __future__ import annotations

from collections.abc import Callable

from ....ir.errors import UnsupportedError
from ...values import memory_layout, views
from ...values.boxes import PROPERTIES, ArrayBox
from ...values.promotion import fail


class Flags:
    """What `a.flags` gives: by attribute or by NumPy's names."""

    __slots__ = ("box",)

    def __init__(self, box: ArrayBox):
        self.box = box

    def __getattr__(self, name: str) -> bool:
        found = _FLAGS.get(name)
        if found is not None:
            return found(self.box)
        if name in _OF_ONE_CALL:
            fail(UnsupportedError, f"flags.{name} of an array is another one from call to call",
                 "ask it outside of the compiled function, and pass the answer in")
        raise AttributeError(f"'numpy.flagsobj' object has no attribute '{name}'")

    def __getitem__(self, name: str) -> bool:
        if name not in _NAMES:
            raise KeyError("Unknown flag")
        return getattr(self, _NAMES[name])


def _in_order(box: ArrayBox, backwards: bool) -> bool:
    """Whether the elements lie one after another, the last axis fastest (backwards: the first one)."""
    memory_layout.order_decides(box)
    strides = box.strides_known
    found: bool | None = None
    if strides is not None:
        order = slice(None, None, -1 if backwards else 1)
        found = views.contiguous(box.dims[order], strides[order])
    elif box.base is None and not box.permuted and (not backwards or len(box.dims) < 2):
        found = True
    if found is None:
        fail(UnsupportedError, "how an array lies in memory follows from a length that is known only at run time",
             "ask it of a copy, whose own shape is known")
    return found


def _c(box: ArrayBox) -> bool:
    return _in_order(box, False)


def _f(box: ArrayBox) -> bool:
    return _in_order(box, True)


_FLAGS: dict[str, Callable[[ArrayBox], bool]] = {
    "c_contiguous": _c, "contiguous": _c, "f_contiguous": _f, "fortran": _f, "aligned": lambda box: True,
    "forc": lambda box: _c(box) or _f(box), "fnc": lambda box: _f(box) and not _c(box)}
_OF_ONE_CALL = frozenset(("writeable", "owndata", "behaved", "carray", "farray", "num", "writebackifcopy"))
_NAMES = {"C": "c_contiguous", "C_CONTIGUOUS": "c_contiguous", "CONTIGUOUS": "c_contiguous", "F": "f_contiguous",
          "F_CONTIGUOUS": "f_contiguous", "FORTRAN": "f_contiguous", "W": "writeable", "WRITEABLE": "writeable",
          "O": "owndata", "OWNDATA": "owndata", "A": "aligned", "ALIGNED": "aligned", "FORC": "forc", "FNC": "fnc",
          "B": "behaved", "BEHAVED": "behaved", "CA": "carray", "CARRAY": "carray", "FA": "farray", "FARRAY": "farray"}
PROPERTIES["flags"] = Flags
