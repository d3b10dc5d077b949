"""NumPy's own sorting functions as rows of `Lib`: what np.sort and np.argsort run on a contiguous lane.

    sort     x, n              n elements from x on, in place
    argsort  perm, x, n        perm (0 … n-1 on entry) becomes the stable permutation that sorts x, which is only read
    argsort_quick              the same, with equal elements in the order in which np.argsort leaves them by default

They stand in each dtype's table of functions (PyArray_ArrFuncs), whose layout is part of NumPy's binary interface: 21 casts,
12 functions, 3 sorts, 3 argsorts. Each is tried on a few elements before it is used.
"""
from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.types import DTYPES, DType
from ..loopir.grammar import At, Buffer, Scalar
from ..native import c_layouts, engine
from . import blas

if TYPE_CHECKING:
    from ..llvm.emit import Emitter

_GET_FUNCTIONS = 365      # position of _PyDataType_GetArrFuncs among NumPy's C functions (2.0 and later)
_PLACE = {"sort": 33, "argsort_quick": 36, "argsort": 38}
_ORDERS: dict[str, Any] = {"argsort_quick": "quicksort", "argsort": "stable"}
_PERMUTE = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_void_p)
_SIGNATURE = {"sort": (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_void_p), "argsort": _PERMUTE, "argsort_quick": _PERMUTE}


@cache
def address(name: str) -> int:
    """The address of "sort.f64", "argsort.i32" …; 0 where NumPy has none."""
    kind, dtype = name.split(".")
    if int(np.__version__.split(".")[0]) < 2:
        return 0
    functions = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(c_layouts.numpy_table()[_GET_FUNCTIONS])
    table = ctypes.cast(functions(DTYPES[dtype].np), ctypes.POINTER(ctypes.c_void_p))
    found = table[_PLACE[kind]] or 0
    return found if found and _works(kind, found, DTYPES[dtype]) else 0


def _works(kind: str, found: int, dtype: DType) -> bool:
    call = ctypes.CFUNCTYPE(ctypes.c_int, *_SIGNATURE[kind])(found)
    x = np.array([3, 1, 2, 1, 0, 3], dtype.np)
    if kind == "sort":
        out = x.copy()
        return call(out.ctypes.data, out.size, None) == 0 and np.array_equal(out, np.sort(x))
    perm = np.arange(x.size)
    return call(x.ctypes.data, perm.ctypes.data, x.size, None) == 0 and np.array_equal(perm, np.argsort(x, kind=_ORDERS[kind]))


def usable(kind: str, dtype: DType) -> bool:
    return address(f"{kind}.{dtype.name}") != 0


engine.PROVIDERS["npysort"] = lambda names: [address(name) for name in names]


def _call(out: Emitter, kind: str, dtype: DType, operands: str) -> None:
    """Call, and leave the kernel where there was no memory for the work space."""
    symbol, code, bad, more = f"npysort.{kind}.{dtype.name}", out.fresh(), out.fresh(), out.label()
    out.declare(f"declare i32 @{symbol}({'' if kind == 'sort' else 'ptr, '}ptr, i64, ptr)")
    out.lines += [f"  {code} = call i32 @{symbol}({operands}, ptr null)", f"  {bad} = icmp ne i32 {code}, 0",
                  f"  br i1 {bad}, label %nomemory, label %{more}"]
    out.no_memory = True
    out.start(more)


def _dtype(where: Buffer | At) -> DType:
    return (where.buffer if isinstance(where, At) else where).dtype


def _sort(out: Emitter, site: int | None, x: At, n: int | Scalar) -> None:
    _call(out, "sort", _dtype(x), f"ptr {out.address(x)}, i64 {out.index(n)}")


def _permute(kind: str) -> Callable:
    def row(out: Emitter, site: int | None, perm: At, x: At, n: int | Scalar) -> None:
        _call(out, kind, _dtype(x), f"ptr {out.address(x)}, ptr {out.address(perm)}, i64 {out.index(n)}")
    return row


blas.ROWS |= {"sort": _sort, **{kind: _permute(kind) for kind in _ORDERS}}
