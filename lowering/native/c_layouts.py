"""Where the fields of CPython's and NumPy's objects lie, and the addresses of their C functions.

`NATIVE` says whether machine code may use them: every offset in `OFFSETS` is checked here, once, against real objects.
Where a check fails (another interpreter, a free-threaded build, a changed struct) calls are served by Python instead.
"""
from __future__ import annotations

import ctypes
import struct
import sys
import types
from typing import Any

import numpy as np
import numpy._core._multiarray_umath as umath

# Byte offsets of the fields that machine code reads or writes.
OFFSETS = {
    "type": 8,                       # PyObject.ob_type
    "ndarray.data": 16, "ndarray.nd": 24, "ndarray.dims": 32, "ndarray.strides": 40, "ndarray.descr": 56, "ndarray.flags": 64,
    "ndarray.mem_handler": 88,
    "descr.byteorder": 26, "descr.type_num": 28,
    "value": 16,                     # of a float, a complex and every NumPy scalar
    "size": 16,                      # ob_size of a tuple or list, ma_used of a dict
    "tuple.items": 24,               # the items themselves
    "list.items": 24,                # a pointer to the items
    "cell.contents": 16,
    "dict.version": 24,              # another number after each change, where VERSIONED
    "dict.keys": 32, "dict.values": 40,                # the table of entries, as native/dict_entries.py says, where ENTRIES
    "keys.index_bytes": 9, "keys.kind": 10, "keys.entries": 24, "keys.indices": 32,
    "function.code": 48, "function.defaults": 56, "function.kwdefaults": 64,
    "method.function": 16, "method.self": 24,
    "traceback.next": 16,
    "callable.vectorcall": 16, "callable.head": 24, "callable.bound": 32,    # call/dispatch.py's own objects
}
C_CONTIGUOUS, OWNDATA, ALIGNED, WRITEABLE = 0x1, 0x4, 0x100, 0x400
VECTORCALL_OFFSET_BIT = 1 << 63      # PY_VECTORCALL_ARGUMENTS_OFFSET, in the argument count of a vector call
SWAPPED = ord(">")                   # the byte order of a dtype that is not the machine's
HAVE_VECTORCALL = 1 << 11            # Py_TPFLAGS_HAVE_VECTORCALL
TYPE_FLAGS = 168                     # PyTypeObject.tp_flags

# NumPy's function table: fixed positions, part of its stable binary interface.
_NUMPY_TABLE = {"PyArray_DescrFromType": 45, "PyArray_Scalar": 60, "PyArray_NewFromDescr": 94, "PyArray_FromArray": 109}
_NUMPY_DEFAULT_HANDLER = 306         # PyDataMem_DefaultHandler: a variable that holds a capsule
_PYTHON_NAMES = (
    "Py_IncRef", "Py_DecRef", "PyObject_Vectorcall", "PyObject_GetAttr", "PyMethod_New", "PyErr_Clear", "PyErr_Fetch",
    "PyErr_ExceptionMatches", "PyErr_Restore", "PyErr_NoMemory",
    "PyLong_AsLongLongAndOverflow", "PyLong_FromLongLong", "PyLong_FromUnsignedLongLong", "PyLong_FromVoidPtr",
    "PyFloat_FromDouble", "PyComplex_FromDoubles", "PyBool_FromLong", "PyUnicode_Compare", "PyTuple_New", "PyList_New",
    "PyDict_New", "PyDict_SetItem", "PyDict_Next", "PyDict_GetItemWithError",
    "PyType_GenericAlloc", "PyObject_RichCompareBool", "PySet_Contains", "PyEval_SaveThread", "PyEval_RestoreThread",
)


def int64_at(address: int) -> int:
    return ctypes.c_int64.from_address(address).value


def uint64_at(address: int) -> int:
    return ctypes.c_uint64.from_address(address).value


def int32_at(address: int) -> int:
    return ctypes.c_int32.from_address(address).value


def bytes_at(address: int, count: int) -> bytes:
    return ctypes.string_at(address, count)


def function_address(function: Any) -> int:
    """Of a function that ctypes has found or made."""
    found = ctypes.cast(function, ctypes.c_void_p).value
    assert found is not None, function
    return found


def numpy_table() -> Any:
    get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))
    return ctypes.cast(get(umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))


def _addresses() -> dict[str, int]:
    """The address of each C function, and of the few objects and variables, that machine code refers to by name."""
    table = numpy_table()
    found = {name: function_address(getattr(ctypes.pythonapi, name)) for name in _PYTHON_NAMES}
    found |= {name: table[k] for name, k in _NUMPY_TABLE.items()}
    found["default_handler"] = uint64_at(table[_NUMPY_DEFAULT_HANDLER])
    found |= {name: function_address(getattr(ctypes.CDLL(None), name)) for name in ("free", "memcmp")}
    found["tick"], found["options"] = ctypes.addressof(TICK), ctypes.addressof(OPTIONS)
    return found


def _ordinary_build() -> str | None:
    """Why this interpreter cannot be served natively, or None."""
    if sys.implementation.name != "cpython":
        return "not CPython"
    if struct.calcsize("P") != 8 or sys.byteorder != "little":
        return "not a 64-bit little-endian machine"
    if "t" in sys.abiflags or hasattr(sys, "getobjects"):
        return "an interpreter whose objects have another head (free-threaded, or tracing references)"
    return None


def _check_array(at: dict[str, int] = OFFSETS) -> bool:
    x = np.arange(6.0).reshape(2, 3)
    base, frozen = id(x), np.zeros(2, "f4")[::2]
    frozen.flags.writeable = False
    flags = int32_at(base + at["ndarray.flags"])
    other = int32_at(id(frozen) + at["ndarray.flags"])
    return (np.ndarray.__basicsize__ >= at["ndarray.mem_handler"] + 8
            and uint64_at(base + at["ndarray.data"]) == x.ctypes.data and int32_at(base + at["ndarray.nd"]) == 2
            and struct.unpack("2q", bytes_at(uint64_at(base + at["ndarray.dims"]), 16)) == (2, 3)
            and struct.unpack("2q", bytes_at(uint64_at(base + at["ndarray.strides"]), 16)) == (24, 8)
            and uint64_at(base + at["ndarray.descr"]) == id(np.dtype("f8"))
            and uint64_at(id(frozen) + at["ndarray.descr"]) == id(np.dtype("f4"))
            and flags & 0x503 == C_CONTIGUOUS | ALIGNED | WRITEABLE
            and other & 0x504 == ALIGNED)


def _check_owner(at: dict[str, int] = OFFSETS) -> bool:
    """An array that owns its data says so and names a memory handler, which is a capsule as the default one is."""
    x = np.empty(3)
    capsule = id(type(umath._ARRAY_API))
    handlers = uint64_at(id(x) + at["ndarray.mem_handler"]), ADDRESSES["default_handler"]
    return (bool(int32_at(id(x) + at["ndarray.flags"]) & OWNDATA)
            and all(h and uint64_at(h + at["type"]) == capsule for h in handlers))


def _check_dtypes(at: dict[str, int] = OFFSETS) -> bool:
    kinds = [np.dtype(name) for name in ("f8", ">f8", "?", ">i2")]                  # held while their memory is read
    orders = [bytes_at(id(kind) + at["descr.byteorder"], 1) for kind in kinds]
    numbers = [np.dtype(c) for c in "?bBhHiIlLfdFD"]
    return orders == [b"=", b">", b"|", b">"] and all(int32_at(id(d) + at["descr.type_num"]) == d.num for d in numbers)


def _check_scalars(at: dict[str, int] = OFFSETS) -> bool:
    samples = [1.5, 2.5 - 3.5j] + [np.dtype(c).type(3) for c in "?bBhHiIlLfdFD"]
    for value in samples:
        raw = np.asarray(value).tobytes()
        if type(value).__basicsize__ < at["value"] + len(raw) or bytes_at(id(value) + at["value"], len(raw)) != raw:
            return False
    return True


def _check_containers(at: dict[str, int] = OFFSETS) -> bool:
    items = (object(), object(), object())
    array, table = list(items), dict(zip("abc", items))
    expected = tuple(map(id, items))
    cell = types.CellType(items)
    return (uint64_at(id(cell) + at["cell.contents"]) == id(items)
            and all(int64_at(id(c) + at["size"]) == 3 for c in (items, array, table))
            and struct.unpack("3Q", bytes_at(id(items) + at["tuple.items"], 24)) == expected
            and struct.unpack("3Q", bytes_at(uint64_at(id(array) + at["list.items"]), 24)) == expected
            and all(uint64_at(id(c) + at["type"]) == id(type(c)) for c in (items, array, table, 1.0, np)))


def _check_functions_of_python(at: dict[str, int] = OFFSETS) -> bool:
    """The fields of functions and bound methods."""
    def sample(x: int = 1, *, y: int = 2) -> Any:
        return x, y

    method = types.MethodType(sample, at)
    fields = {"function.code": sample.__code__, "function.defaults": sample.__defaults__,
              "function.kwdefaults": sample.__kwdefaults__}
    return (all(uint64_at(id(sample) + at[name]) == id(x) for name, x in fields.items())
            and uint64_at(id(method) + at["method.function"]) == id(sample)
            and uint64_at(id(method) + at["method.self"]) == id(at))


def _versioned(at: dict[str, int] = OFFSETS) -> bool:
    """Whether each change of a dict, and nothing else, replaces its version. CPython 3.13 keeps none."""
    if sys.version_info >= (3, 13):
        return False
    table: dict[str, float] = {"a": 1}
    other: dict[str, float] = {}
    seen: list[int] = []
    for key, value in (("a", 2.5), ("b", 3), ("a", 4.5)):
        table[key] = value
        seen.append(uint64_at(id(table) + at["dict.version"]))
        other[key] = value
        if uint64_at(id(table) + at["dict.version"]) != seen[-1]:
            return False
    return len(set(seen)) == 3


def entries_found(counts: tuple[int, ...] = (1, 5, 200), at: dict[str, int] = OFFSETS) -> bool:
    """Whether the entries of dicts of these lengths, whose keys are texts, are where native/dict_entries.py looks for them.

    More lengths are tried by the tests: a dict of 70,000 entries is a tenth of the time that the import takes.
    """
    for count in counts:
        names = [f"name {k}" for k in range(count)]
        table = dict(zip(names, names[::-1]))
        keys = uint64_at(id(table) + at["dict.keys"])
        start = keys + at["keys.indices"] + (1 << bytes_at(keys + at["keys.index_bytes"], 1)[0])
        found = struct.unpack(f"{2 * count}Q", bytes_at(start, 16 * count))
        if (uint64_at(id(table) + at["dict.values"]) or bytes_at(keys + at["keys.kind"], 1) != b"\1"
                or int64_at(keys + at["keys.entries"]) != count
                or found[::2] != tuple(map(id, names)) or found[1::2] != tuple(map(id, names[::-1]))):
            return False
    table = {1: 2}
    return bytes_at(uint64_at(id(table) + at["dict.keys"]) + at["keys.kind"], 1) == b"\0"


def _check_types(at: dict[str, int] = OFFSETS) -> bool:
    class Sample:
        pass
    return uint64_at(id(Sample) + TYPE_FLAGS) == Sample.__flags__ and uint64_at(id(dict) + TYPE_FLAGS) == dict.__flags__


def _check_traceback(at: dict[str, int] = OFFSETS) -> bool:
    def inner() -> None:
        raise ValueError
    try:
        inner()
    except ValueError as error:
        outer = error.__traceback__
        last = outer.tb_next if outer is not None else None
        return last is not None and uint64_at(id(outer) + at["traceback.next"]) == id(last) and last.tb_next is None
    return False


def _check_functions() -> bool:
    """NumPy's functions are where the table says."""
    d = np.dtype("f8")
    increment = ctypes.PYFUNCTYPE(None, ctypes.py_object)(ADDRESSES["Py_IncRef"])
    new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.py_object, ctypes.c_int, *[ctypes.c_void_p] * 3,
                            ctypes.c_int, ctypes.c_void_p)(ADDRESSES["PyArray_NewFromDescr"])
    increment(d)
    length, number = ctypes.c_int64(3), ctypes.c_double(2.5)                        # held while their memory is read
    x = new(np.ndarray, d, 1, ctypes.addressof(length), None, None, 0, None)
    scalar = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    s = scalar(ADDRESSES["PyArray_Scalar"])(ctypes.addressof(number), d, None)
    native = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_int)(ADDRESSES["PyArray_DescrFromType"])(d.num)
    copied = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.py_object,
                               ctypes.c_int)(ADDRESSES["PyArray_FromArray"])
    increment(native)
    y = copied(np.arange(4, dtype=">f8")[::-2], native, C_CONTIGUOUS | ALIGNED)
    return (type(x) is np.ndarray and x.dtype is d and x.shape == (3,) and type(s) is np.float64 and s == 2.5
            and native is d and y.dtype is d and y.flags.c_contiguous and y.tolist() == [3.0, 1.0])


OPTIONS = ctypes.c_int64(0)          # the options in force: an entry that was made for others takes no call
TICK = ctypes.c_int64(0)             # counts native calls in this process: the clock of "least recently used"
REASON = _ordinary_build()
ADDRESSES: dict[str, int] = {}
if REASON is None:
    try:
        ADDRESSES = _addresses()
        for check in (_check_array, _check_dtypes, _check_scalars, _check_containers, _check_types, _check_functions,
                      _check_owner, _check_traceback, _check_functions_of_python):
            if not check():
                REASON = f"{check.__name__} found another layout"
                break
    except (AttributeError, TypeError, ValueError, struct.error) as error:
        REASON = f"{type(error).__name__}: {error}"
NATIVE = REASON is None
VERSIONED = NATIVE and _versioned()
ENTRIES = NATIVE and entries_found()
