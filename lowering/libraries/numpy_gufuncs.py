"""NumPy's own matrix and Fourier routines as rows of `Lib`: the inner loops of its generalised ufuncs, without Python.

    gufunc   name, outer, sizes…, operands…
             name is "routine.types" ("eigh_lo.d_dd"): inputs and outputs by NumPy's letters, as `SIGNATURES` has their core
             dimensions; `outer` stacks of them, each operand contiguous, or a number for an input without dimensions.
             Error: the routine says by the floating-point status that it found no result, as NumPy asks it.

A generalised ufunc keeps a C function per combination of types, `loop(char **args, intp *dimensions, intp *steps, void *data)`,
which works on any number of stacks and needs neither the interpreter nor its lock. Where the functions lie is part of NumPy's
binary interface (struct PyUFuncObject); the layout is checked against the objects' own attributes before it is believed.
"""
from __future__ import annotations

import ctypes
import importlib
from functools import cache
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy._core._multiarray_umath as umath

from ...ir.errors import UnsupportedError
from ..native import engine
from ..native.c_layouts import int32_at, uint64_at
from . import blas

if TYPE_CHECKING:
    from ...ir.types import DType
    from ..llvm.emit import Emitter
    from ..loopir.grammar import At, Buffer, Size

# routine -> core dimensions of the operands, a letter each; letters in order of first appearance are the sizes that it takes
SIGNATURES = {
    "eigh_lo": "mm->m,mm", "eigh_up": "mm->m,mm", "eigvalsh_lo": "mm->m", "eigvalsh_up": "mm->m", "eig": "mm->m,mm",
    "eigvals": "mm->m", "svd": "mn->p", "svd_f": "mn->mm,p,nn", "svd_s": "mn->mp,p,pn", "qr_r_raw": "mn->p",
    "qr_reduced": "mn,k->mk", "qr_complete": "mn,n->mm", "fft": "n,->m", "ifft": "m,->n", "irfft": "m,->n",
    "rfft_n_even": "n,->m", "rfft_n_odd": "n,->m",
}
_LETTER = {"f32": "f", "f64": "d", "c64": "F", "c128": "D"}
_BYTES = {"f": 4, "d": 8, "F": 8, "D": 16}
_MODULES = ("numpy.linalg._umath_linalg", "numpy.fft._pocketfft_umath", "scipy.special", "scipy.special._ufuncs")
_OLDER = {"svd": "svd_n", "svd_f": "svd_n_f", "svd_s": "svd_n_s", "qr_r_raw": "qr_r_raw_n"}     # names before NumPy 2.2
_FIELDS = {"nin": 16, "nout": 20, "nargs": 24, "functions": 32, "data": 40, "ntypes": 48, "types": 64}
_GET_STATUS, _INVALID = 28, 8     # PyUFunc_getfperr among NumPy's functions of ufuncs: reads and clears; NPY_FPE_INVALID


def letters(inputs: list[DType], outputs: list[DType]) -> str:
    """The types of operands as `gufunc` names them."""
    return "".join(_LETTER[d.name] for d in inputs) + "_" + "".join(_LETTER[d.name] for d in outputs)


@cache
def _ufunc(name: str) -> np.ufunc:
    for module in map(importlib.import_module, _MODULES):
        found = getattr(module, name, None) or getattr(module, _OLDER.get(name, name), None)
        if isinstance(found, np.ufunc):
            return found
    raise _missing(name)


def _missing(name: str) -> UnsupportedError:
    return UnsupportedError(f"NumPy {np.__version__} does not have the routine {name} where tracegrad looks for it",
                            remedy="call the function outside compiled code")


@cache
def _loop(name: str) -> tuple[int, int]:
    """(address of the C function, of its data) for a routine and types."""
    routine, types = name.split(".")
    ufunc = _ufunc(routine)
    at = {field: id(ufunc) + offset for field, offset in _FIELDS.items()}
    if any(int32_at(at[field]) != getattr(ufunc, field) for field in ("nin", "nout", "nargs", "ntypes")):
        raise _missing(routine)
    wanted = types.replace("_", "->")
    if wanted not in ufunc.types:
        raise _missing(name)
    k = ufunc.types.index(wanted)
    codes = ctypes.string_at(uint64_at(at["types"]) + k * ufunc.nargs, ufunc.nargs)
    if codes != bytes(np.dtype(c).num for c in wanted.replace("->", "")):
        raise _missing(routine)
    data = uint64_at(at["data"])
    return uint64_at(uint64_at(at["functions"]) + 8 * k), (uint64_at(data + 8 * k) if data else 0) or ctypes.addressof(_NOTHING)


_NOTHING = ctypes.c_int64(0)


@cache
def _status() -> int:
    get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))
    return ctypes.cast(get(umath._UFUNC_API, None), ctypes.POINTER(ctypes.c_void_p))[_GET_STATUS]


def _address(name: str) -> int:
    if name == "status":
        return _status()
    routine, types, *data = name.split(".")
    return _loop(f"{routine}.{types}")[bool(data)]


engine.PROVIDERS["gufunc"] = lambda names: [_address(name) for name in names]


# --- the call in machine code ------------------------------------------------------------------------------------------

def _core(routine: str) -> list[str]:
    return SIGNATURES[routine].replace("->", ",").split(",")


def _array(out: Emitter, kind: str, values: list[str]) -> str:
    """A small array on the stack with these values; its address."""
    room = out.alloca(f"[{len(values)} x {kind}]", 8)
    for k, value in enumerate(values):
        pointer = out.fresh()
        out.lines += [f"  {pointer} = getelementptr inbounds {kind}, ptr {room}, i64 {k}",
                      f"  store {kind} {value}, ptr {pointer}"]
    return room


def _number(out: Emitter, letter: str, value: float) -> str:
    cell = out.alloca("double", 8)
    kind = {"f": "float", "d": "double"}[letter]
    out.lines.append(f"  store {kind} {float(value)!r}, ptr {cell}")
    return cell


def _gufunc(out: Emitter, site: int | None, name: str, outer: Size, *rest: Size | float | Buffer | At) -> None:
    routine, types = name.split(".")
    core = _core(routine)
    order = list(dict.fromkeys("".join(core)))
    sizes = dict(zip(order, map(out.index, cast("tuple[Size, ...]", rest[:len(order)]))))
    kinds = types.replace("_", "")
    operands = cast("tuple[float | Buffer | At, ...]", rest[len(order):])
    args = [_number(out, c, a) if isinstance(a, float) else out.address(a) for a, c in zip(operands, kinds)]
    outside: list[str] = []
    inside: list[str] = []
    for dims, kind in zip(core, kinds):
        steps: list[str] = []
        step = str(_BYTES[kind])
        for letter in reversed(dims):
            steps.insert(0, step)
            step = out.times(step, sizes[letter])
        outside.append(step if dims else "0")
        inside += steps
    places = [_array(out, "ptr", args), _array(out, "i64", [out.index(outer), *sizes.values()]),
              _array(out, "i64", [*outside, *inside])]
    symbol = f"gufunc.{name}"
    out.declare(f"declare void @{symbol}(ptr, ptr, ptr, ptr)")
    out.declare(f"@{symbol}.data = external global i8")
    if site is not None:
        _get_status(out)
    out.lines.append(f"  call void @{symbol}({', '.join('ptr ' + p for p in places)}, ptr @{symbol}.data)")
    if site is not None:
        masked, bad = out.fresh(), out.fresh()
        out.lines += [f"  {masked} = and i32 {_get_status(out)}, {_INVALID}", f"  {bad} = icmp ne i32 {masked}, 0"]
        out.leave_if(bad, site)


def _get_status(out: Emitter) -> str:
    """Read and clear the floating-point status."""
    value = out.fresh()
    out.declare("declare i32 @gufunc.status()")
    out.lines.append(f"  {value} = call i32 @gufunc.status()")
    return value


blas.ROWS["gufunc"] = _gufunc
