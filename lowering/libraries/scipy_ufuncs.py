"""Functions of scipy.special in machine code: SciPy's own routines, called for one element.

Most have a plain C function of doubles that scipy.special.cython_special exports, `double f(double, …, int)`, whose last
operand is Cython's and 0. The others (complex numbers, single precision, several results, integers beside floats) are called as
NumPy calls them: by the inner loop of the ufunc, for one element (numpy_gufuncs.py reads its address from the ufunc).
"""
from __future__ import annotations

import ctypes
import importlib
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from ...ir.ops.special.library import Routine
from ...ir.types import DTYPES, DType
from ..native import engine
from . import numpy_gufuncs
from .blas import _pointer

if TYPE_CHECKING:
    from ..llvm.emit import Emitter
    from ..llvm.scalar import Scalars

_DTYPES = {"f": DTYPES["f32"], "d": DTYPES["f64"], "F": DTYPES["c64"], "D": DTYPES["c128"],
           **dict.fromkeys("lqp", DTYPES["i64"]), "i": DTYPES["i32"]}
_CTYPE = {"f": "float", "d": "double", "F": "float", "D": "double", "l": "i64", "q": "i64", "p": "i64", "i": "i32"}
_SIZE = {"f": 4, "d": 8, "F": 8, "D": 16, "l": 8, "q": 8, "p": 8, "i": 4}
_ALIASES = {"jn": "jv", "digamma": "psi"}
_GET_NAME = ctypes.pythonapi.PyCapsule_GetName


@cache
def _functions() -> dict[tuple[str, int], int]:
    """(name, number of operands) -> address of the C function of doubles."""
    _GET_NAME.restype, _GET_NAME.argtypes = ctypes.c_char_p, [ctypes.py_object]
    found = {}
    for key, capsule in importlib.import_module("scipy.special.cython_special").__pyx_capi__.items():
        signature = re.fullmatch(r"double \(((?:double, )+)int __pyx_skip_dispatch\)", _GET_NAME(capsule).decode())
        if signature:
            name = re.sub(r"^__pyx_fuse(_\d+)+", "", key)
            found[name, signature[1].count("double")] = _pointer(capsule)
    return found


def _function(name: str, arity: int) -> int | None:
    return _functions().get((_ALIASES.get(name, name), arity))


def _addresses(names: list[str]) -> list[int | None]:
    return [_function(*_parts(name)) for name in names]


def _parts(name: str) -> tuple[str, int]:
    routine, arity = name.split(".")
    return routine, int(arity)


engine.PROVIDERS["special"] = _addresses


def call(scalars: Scalars, routine: Routine, args: list[tuple[str, DType]], target: DType) -> tuple[str, DType]:
    """The value of a routine for scalar operands, in the dtype of the op's result."""
    types = routine.types(args[-1][1])
    inputs, outputs = types.split("->")
    ready = [scalars.cast_to(a, _DTYPES[letter]) for a, letter in zip(args, inputs)]
    if len(outputs) == 1 and set(types) <= set("d->") and _function(routine.name, len(inputs)) is not None:
        return scalars.cast_to(_direct(scalars, routine.name, ready), target)
    return scalars.cast_to(_by_loop(scalars, routine, types, ready), target)


def _direct(scalars: Scalars, name: str, args: list[tuple[str, DType]]) -> tuple[str, DType]:
    out, symbol = scalars.out, f"special.{name}.{len(args)}"
    out.declare(f"declare double @{symbol}({', '.join(['double'] * len(args))}, i32) nounwind willreturn memory(none)")
    return scalars.line(f"call double @{symbol}({', '.join('double ' + a[0] for a in args)}, i32 0)", args[-1][1])


def _by_loop(scalars: Scalars, routine: Routine, types: str, args: Any) -> Any:
    """loop(args, dimensions, steps, data) with one element: steps are of no account."""
    out = scalars.out
    inputs, outputs = types.split("->")
    cells = []
    for (value, _), letter in zip(args, inputs):
        cells.append(_cell(out, letter))
        for k, part in enumerate(value if isinstance(value, tuple) else (value,)):
            out.lines.append(f"  store {_CTYPE[letter]} {part}, ptr {_part(out, cells[-1], letter, k)}")
    results = [_cell(out, letter) for letter in outputs]
    symbol = f"gufunc.{routine.name}.{types.replace('->', '_')}"
    out.declare(f"declare void @{symbol}(ptr, ptr, ptr, ptr)")
    out.declare(f"@{symbol}.data = external global i8")
    places = [numpy_gufuncs._array(out, "ptr", cells + results), numpy_gufuncs._array(out, "i64", ["1"]),
              numpy_gufuncs._array(out, "i64", ["0"] * len(cells + results))]
    out.lines.append(f"  call void @{symbol}({', '.join('ptr ' + p for p in places)}, ptr @{symbol}.data)")
    letter, cell = outputs[routine.output], results[routine.output]
    parts = []
    for k in range(2 if letter in "FD" else 1):
        where = _part(out, cell, letter, k)
        parts.append(out.fresh())
        out.lines.append(f"  {parts[-1]} = load {_CTYPE[letter]}, ptr {where}")
    return (tuple(parts) if letter in "FD" else parts[0]), _DTYPES[letter]


def _cell(out: Emitter, letter: str) -> str:
    return out.alloca(f"[{_SIZE[letter]} x i8]", 16)


def _part(out: Emitter, cell: str, letter: str, k: int) -> str:
    """The address of the real or the imaginary part."""
    if k == 0:
        return cell
    pointer = out.fresh()
    out.lines.append(f"  {pointer} = getelementptr inbounds {_CTYPE[letter]}, ptr {cell}, i64 {k}")
    return pointer
