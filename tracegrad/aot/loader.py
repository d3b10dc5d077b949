"""Call an exported function from Python, with nothing but NumPy and ctypes.

    from loader import load                      or: import tracegrad as tg; tg.load(DIR)
    f = load(DIR)                                the folder that `tracegrad export` or `tg.export` has written
    f(x, y)

Arguments have the structure, dtypes and shapes that the function was exported for; arrays that lie otherwise in memory are
copied first. A failed check raises the exception that the Python function would raise.
"""
from __future__ import annotations

import builtins
import ctypes
import json
import pathlib
import re
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

_END = ".tracegrad.json"
_C_TYPES: dict[str, Any] = {
    "bool": ctypes.c_uint8, "float32": ctypes.c_float, "float64": ctypes.c_double,
    **{f"{sign}int{8 * size}": getattr(ctypes, f"c_{sign}int{8 * size}") for sign in ("", "u") for size in (1, 2, 4, 8)}}


def load(directory: Any, name: str | None = None) -> Exported:
    """The exported function of a folder, as `tracegrad export` and `tg.export` write it.

    Parameters: `directory`, the folder; `name`, which function, where it holds several.
    Result: a function with the arguments of the original one; a failed check raises what the original would raise.
    Errors: FileNotFoundError where the folder holds no such function, or no shared library of it.

    >>> tg.load("no_such_folder")
    Traceback (most recent call last):
    FileNotFoundError: no_such_folder holds no exported function: tracegrad export makes one
    """
    directory = pathlib.Path(directory)
    found = sorted(path.name.removesuffix(_END) for path in directory.glob("*" + _END))
    if name is None and len(found) > 1:
        raise ValueError(f"{directory} holds several functions: name one of {', '.join(found)}")
    if not found or (name or found[0]) not in found:
        wanted = f" {name!r}" if name else ""
        raise FileNotFoundError(f"{directory} holds no exported function{wanted}: tracegrad export makes one")
    return Exported(directory, name or found[0])


class Exported:
    """A function in a shared library, called like the Python function that it was made of."""

    def __init__(self, directory: pathlib.Path, name: str):
        self.about = json.loads((directory / (name + _END)).read_text(encoding="utf-8"))
        self.__name__ = name
        for item in (*self.about["inputs"], *self.about["results"]):
            item["dtype"], item["shape"] = np.dtype(item["dtype"]), tuple(item["shape"])
        library = directory / (self.about["library"] or f"lib{self.__name__}.so")
        if not library.is_file():
            raise FileNotFoundError(f"{library} is missing: link the object on a machine of its kind, for example "
                                    f"cc -shared -o {library.name} {self.about['object']} -lm")
        self._library = ctypes.CDLL(str(library.absolute()))
        self._function = getattr(self._library, self.__name__)
        self._function.restype = ctypes.c_int
        self._message = getattr(self._library, self.__name__ + "_message")
        self._message.restype, self._message.argtypes = ctypes.c_char_p, [ctypes.c_int]

    def __repr__(self) -> str:
        return f"<exported function {self.about['signature']}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = list(_leaves(self.about["arguments"], (args, kwargs), "arguments"))
        passed, kept = [], []
        for value, wanted in zip(given, self.about["inputs"], strict=True):
            array = _array(value, wanted)
            kept.append(array)
            passed.append(_by_value(array, wanted) if wanted["by_value"] else ctypes.c_void_p(array.ctypes.data))
        results = [np.empty(r["shape"], r["dtype"]) for r in self.about["results"]]
        record = (ctypes.c_int64 * self.about["error_words"])()
        code = self._function(*passed, *[ctypes.c_void_p(r.ctypes.data) for r in results], record)
        if code:
            self._fail(code, bytes(record))
        for value, array, wanted in zip(given, kept, self.about["inputs"]):
            if wanted["written"] and array is not value:
                value[...] = array
        return _built(self.about["output"], [_result(r, about) for r, about in zip(results, self.about["results"])], given)

    def _fail(self, code: int, record: bytes) -> None:
        if code < 0:
            raise MemoryError(self._message(code).decode())
        about, at, values = self.about["errors"][code - 1], 8, []
        for dtype in about["values"]:
            value, at = _word(record, at, np.dtype(dtype))
            values.append(value)
        cls: Any = getattr(np.linalg, about["type"], None) or getattr(builtins, about["type"], RuntimeError)
        error = cls(_filled(about["message"], values))
        error.add_note(about["where"])
        raise error


def _filled(template: str, values: list) -> str:
    """A message with its values; "{0:\x1fno\x1fyes}" stands for one of two texts, by its number."""
    def chosen(found: re.Match) -> str:
        return found[2].split("\x1f")[int(values[int(found[1])])].translate({0x1d: "{{", 0x1e: "}}"})

    return re.sub("{(\\d+):\x1f([^}]*)}", chosen, template).format(*values)


def _word(record: bytes, at: int, dtype: np.dtype) -> tuple[Any, int]:
    if dtype.kind == "c":
        return complex(*struct.unpack_from("<2d", record, at)), at + 16
    if dtype.kind == "f":
        return struct.unpack_from("<d", record, at)[0], at + 8
    return struct.unpack_from("<Q" if dtype.kind == "u" else "<q", record, at)[0], at + 8


def _array(value: Any, wanted: dict) -> np.ndarray:
    if wanted["written"] and not (isinstance(value, np.ndarray) and value.flags.writeable):
        raise TypeError(f"{wanted['path']} is overwritten: a writable array is wanted, found a {type(value).__name__}")
    dtype, shape = wanted["dtype"], wanted["shape"]
    if type(value) is np.ndarray and value.dtype == dtype and value.shape == shape and value.flags.carray:
        return value
    exact = wanted["kind"] in ("array", "numpy") and isinstance(value, (np.ndarray, np.generic))
    found = np.asarray(value)
    if (exact and found.dtype != dtype) or not np.can_cast(found.dtype, dtype, "same_kind"):
        raise TypeError(f"{wanted['path']} has dtype {dtype}: found {found.dtype}")
    if found.shape != shape:
        raise TypeError(f"{wanted['path']} has shape {shape}: found {found.shape}")
    return np.require(found, dtype, ["C", "A"])


def _by_value(array: np.ndarray, wanted: dict) -> Any:
    """The number as the C type of its dtype."""
    return _C_TYPES[wanted["dtype"].name](array.item())


def _result(found: np.ndarray, about: dict) -> Any:
    return found if about["kind"] == "array" else found[()] if about["kind"] == "numpy" else found.item()


# --- structures: a leaf is "*", others [kind, keys or the fixed value, children] ----------------------------------------


def _leaves(structure: Any, value: Any, path: str) -> Iterator:
    if structure == "*":
        yield value
        return
    kind, keys, children = structure
    if kind == "static":
        if value != keys:
            raise TypeError(f"{path} was {keys} when the function was exported: found {value!r}")
        return
    if kind == "call":
        yield from _of_call(keys, children, *value)
        return
    wanted = {"dict": dict, "list": list, "tuple": tuple}[kind]
    if not isinstance(value, wanted) or len(value) != len(children):
        raise TypeError(f"{path} is a {kind} of {len(children)}: found a {type(value).__name__}")
    for k, child in zip(keys or range(len(children)), children):
        if kind == "dict" and k not in value:
            raise TypeError(f"{path} has no {k!r}")
        yield from _leaves(child, value[k], f"{path}[{k!r}]")


def _of_call(keys: list, children: list, args: list, kwargs: dict) -> Iterator:
    """The leaves of a call: parameters by position or by name; one that is fixed may be left out."""
    kwargs = dict(kwargs)
    if len(args) > len(children):
        raise TypeError(f"{len(children)} arguments are wanted, found {len(args)}")
    for k, (name, child) in enumerate(zip(keys, children)):
        if k < len(args):
            value = args[k]
        elif name in kwargs:
            value = kwargs.pop(name)
        else:
            raise TypeError(f"missing argument {name!r}")
        yield from _leaves(child, value, name)
    if kwargs:
        raise TypeError(f"unexpected argument {next(iter(kwargs))!r}")


def _built(structure: Any, leaves: list, given: list) -> Any:
    rest = iter(leaves)

    def build(s: Any) -> Any:
        if s == "*":
            return next(rest)
        kind, keys, children = s
        if kind == "static":
            return keys
        if kind == "argument":
            return given[keys]
        made = [build(child) for child in children]
        return dict(zip(keys, made)) if kind == "dict" else tuple(made) if kind == "tuple" else made

    return build(structure)
