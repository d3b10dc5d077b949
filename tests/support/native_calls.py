"""Hand-written kernels and callables for the tests of the native call path."""
from __future__ import annotations

import dataclasses
import pathlib
from typing import NamedTuple

import numpy as np
import pytest
from tracegrad.ir.types import DTYPES, F32, F64, I32, I64, INDEX, U64
from tracegrad.lowering.call.calling_convention import (
    Arguments,
    ArrayIn,
    ArrayOut,
    Node,
    ScalarIn,
    ScalarOut,
    Signature,
    StaticIn,
    leaves,
)
from tracegrad.lowering.call.dispatch import Dispatcher
from tracegrad.lowering.call.specialisation import Specialisation
from tracegrad.lowering.native import c_layouts, engine

MEMCPY = "declare ptr @memcpy(ptr, ptr, i64)\n"
MALLOC = "declare ptr @malloc(i64)\n"
USLEEP = "declare i32 @usleep(i32)\n"


class Missed(Exception):
    """The call reached Python."""


class Callable(Dispatcher):
    """Raises `Missed` where no specialisation takes the call."""

    def miss(self, *args, **kwargs):
        raise Missed(args, kwargs)


class Python:
    """The same chain, run by the Python path."""

    def __init__(self, dispatcher):
        self.dispatcher = dispatcher

    def __call__(self, *args, **kwargs):
        return Dispatcher.__call__(self.dispatcher, *args, **kwargs)


def report(site, words):
    raise ValueError(f"site {site}: {words}")


def kernel_text(pointers: int, body: str = "", declare: str = "") -> str:
    """`i32 @kernel(ptr %p0, …, ptr %error)` whose body falls through to success."""
    parameters = ", ".join([f"ptr %p{k}" for k in range(pointers)] + ["ptr %error"])
    return f"{declare}define i32 @kernel({parameters}) {{\nstart:\n{body}\n  ret i32 0\n}}\n"


def specialise(signature: Signature, body: str = "", declare: str = "", **options) -> Specialisation:
    code = engine.compile_module(kernel_text(len(signature.kernel), body, declare))
    return Specialisation(signature, code, "kernel", report, **options)


def size_of(leaf) -> int:
    count = 1
    for d in getattr(leaf, "dims", ()):
        count *= d
    return count * leaf.dtype.size


def copies(arguments: Arguments, output, source: dict[int, int], **options) -> Specialisation:
    """A kernel whose result k is a copy of parameter source[k]."""
    inputs = Signature(arguments, output, ()).params
    results = {leaf.result: leaf for leaf in leaves(output) if isinstance(leaf, (ArrayOut, ScalarOut))}
    kernel = tuple(("in", k) for k in range(inputs)) + tuple(("out", k) for k in sorted(results))
    body = "\n".join(f"  %c{n} = call ptr @memcpy(ptr %p{inputs + n}, ptr %p{source[k]}, i64 {size_of(results[k])})"
                     for n, k in enumerate(sorted(results)))
    return specialise(Signature(arguments, output, kernel, **options), body, MEMCPY)


def identity(*layouts) -> Specialisation:
    """Returns a copy of every leaf as a tuple, in the order of the parameters; Python numbers come back as such."""
    found = [leaf for layout in layouts for leaf in leaves(layout) if isinstance(leaf, (ArrayIn, ScalarIn))]
    out = tuple(ArrayOut(leaf.param, leaf.dtype, leaf.dims) if isinstance(leaf, ArrayIn)
                else ScalarOut(leaf.param, leaf.kind, leaf.dtype) for leaf in found)
    return copies(Arguments(tuple(layouts)), Node(tuple, out), {leaf.param: leaf.param for leaf in found})


def calling(*specialisations) -> Callable:
    f = Callable()
    for specialisation in specialisations:
        f.install(specialisation)
    return f


def resident() -> float:
    """Resident memory of this process in MB."""
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4 / 1024


NUMPY_DTYPES = [d for d in DTYPES.values() if d is not INDEX]
PATHS = pytest.mark.parametrize("path", [lambda f: f, Python], ids=["native", "python"])
needs_native = pytest.mark.skipif(not c_layouts.NATIVE, reason=f"no native calls: {c_layouts.REASON}")


def same(a, b):
    """Equal in type, dtype, shape and every bit."""
    if isinstance(a, np.ndarray):
        return type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and (np.asarray(a).tobytes() == np.asarray(b).tobytes())


class Point(NamedTuple):
    x: object
    y: object = 1


class Other(NamedTuple):
    x: object
    y: object = 1


@dataclasses.dataclass
class Model:
    w: object
    b: object


class Slotted:
    __slots__ = ("a",)

    def __init__(self, a):
        self.a = a


PAIR = ("a", "b")                   # a key that is compared by identity
NESTED = (
    Node(dict, (ArrayIn(F64, (2,), 0), Node(list, (ScalarIn("float", F64, 1), Node(tuple, ())))), ("w", "more")),
    Node(Point, (ScalarIn("int", I64, 2), Node(tuple, (ArrayIn(F32, (), 3), StaticIn("s"))))),
    Node(Model, (ArrayIn(I32, (1,), 4), Node(dict, (), ())), ("w", "b")),
    Node(dict, (ScalarIn("numpy", U64, 5), Node(list, ())), (7, PAIR)),
)

def nested_arguments():
    return ({"w": np.array([1.0, 2.0]), "more": [2.5, ()]}, Point(3, (np.array(4, "f4"), "s")),
            Model(np.array([5], "i4"), {}), {7: np.uint64(6), PAIR: []})
