"""What an argument is to the compiler: its leaf specification; and how a call's arguments meet a function's parameters.

  leaf ::= Leaf("array", dtype, dims)         an ndarray, or what converts to one
        |  Leaf("numpy", dtype)               a NumPy scalar
        |  Leaf("float" | "int" | "complex")  a Python number, weak in promotion (NEP 50)
        |  Leaf("Generator" | "RandomState", i64)     a generator of random numbers, which stands for itself
        |  Leaf("static", type, mark, value)  part of the specialisation: strings, bools, functions, other hashables

A leaf specification is hashable: together with the structure of the arguments it decides a specialisation.
"""
from __future__ import annotations

import array
import functools
import inspect
import io
import math
import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from ...ir.errors import ArgumentError, ArgumentTypeError, DTypeError
from ...ir.ops import random
from ...ir.types import C128, F64, I64, Array, DType, Type
from ...ir.types import dtype as ir_dtype
from .. import pytrees
from ..values import boxes, random_generators

if TYPE_CHECKING:
    from ..values.boxes import ArrayBox


class Leaf(NamedTuple):
    """`dtype` is the IR dtype; of a static leaf the Python type, `dims` a mark that tells equal values apart (0.0, -0.0).
    `value`: of a static leaf; of an array its strides in elements, where they decide the program and are not in C order."""

    kind: str
    dtype: DType | type
    dims: tuple = ()
    value: Any = None

    @property
    def number(self) -> DType:
        """The dtype, of a leaf that is not static."""
        assert isinstance(self.dtype, DType), self
        return self.dtype

    @property
    def type(self) -> Type:
        return Type(cast("DType", self.dtype), self.dims)


VARYING = "varying"                # the value of a Python int's leaf that is not made static though it decides a shape
FLOAT, INT, COMPLEX = Leaf("float", F64), Leaf("int", I64), Leaf("complex", C128)
_NUMBERS = {float: FLOAT, int: INT, complex: COMPLEX}
_WEAK = {"float": FLOAT, "int": INT, "complex": COMPLEX}
_OF_DTYPE: dict = {}


def static(value: Any, path: str = "argument") -> Leaf:
    """The leaf of a value that is part of the specialisation."""
    try:
        hash(value)
    except TypeError:
        if type(value) in (list, dict, slice, np.ndarray):
            raise ArgumentTypeError(f"{path} is a '{type(value).__name__}', which cannot be static: it is not hashable",
                                    "pass a tuple, or do not make it static") from None
        if type(value) is set:
            raise ArgumentTypeError(
                f"{path} is a 'set' that is not taken apart: its members are of several types, or it is in a list or an "
                "object, or comes twice",
                "pass sets of numbers, texts or tuples of one form as arguments of their own; or a frozenset, of which each "
                "one has a program of its own") from None
        raise ArgumentTypeError(
            f"{path} is a '{type(value).__name__}', which is neither an array, a number, a container of such, nor hashable",
            "pass arrays and numbers in tuples, lists, dicts, namedtuples or dataclasses") from None
    if type(value) is float and value != value:
        value = math.nan                                     # one NaN for all: each is unequal to itself
    return Leaf("static", type(value), _mark(value), value)


def _mark(value: Any) -> tuple:
    """What tells equal values apart: 1, 1.0 and True, 0.0 and -0.0, wherever they stand in a tuple."""
    if isinstance(value, float):
        return (float(value).hex(),)
    if isinstance(value, complex):
        return (str(value),)
    if isinstance(value, tuple):
        return tuple([(type(x), _mark(x)) for x in value])
    if isinstance(value, frozenset):
        return tuple(sorted([(type(x).__name__, repr(_mark(x))) for x in value]))
    return ()


def dtype_of(x: np.dtype, path: str) -> DType:
    """The IR dtype of a NumPy dtype, or an error that names the argument."""
    found = _OF_DTYPE.get(x)
    if found is None:
        found = ir_dtype(x) if x.kind in "biufc" else None
        if found is None:
            raise DTypeError(f"{path} has dtype {x}, which cannot be compiled", _DTYPE_HELP.get(x.char, _WIDTH_HELP))
        _OF_DTYPE[x] = found
    return found


_WIDTH_HELP = "convert it with .astype(np.float32) or .astype(np.float64)"
_DTYPE_HELP = {
    "O": "make an array of numbers of it: np.array(list_of_rows, dtype=float)",
    "U": "encode the strings as integers before the call", "S": "encode the strings as integers before the call",
    "M": "pass (x - x[0]) / np.timedelta64(1, 's')", "m": "divide by np.timedelta64(1, 's')",
    "V": "give it fields: a structured dtype, or x.view(np.uint8)",
}


_AS_THEY_STAND = (np.ndarray, np.generic, boxes.Box, type)


def taken(x: Array | ArrayBox, path: str = "argument") -> Array | ArrayBox:
    """The argument itself, or the array that it gives: asked for once, as another time may give another one."""
    if type(x) in _NUMBERS or isinstance(x, _AS_THEY_STAND) or callable(x):
        return x
    if not (isinstance(x, (memoryview, array.array)) or gives_array(x)):
        return x
    if type(x).__module__.startswith("pandas."):
        _expect_plain_labels(x, path)
    try:
        found = np.from_dlpack(x) if not hasattr(x, "__array__") and hasattr(x, "__dlpack__") else np.asarray(x)
    except Exception as error:
        torch = type(x).__module__.partition(".")[0] == "torch"
        if not torch and not isinstance(error, (TypeError, ValueError, BufferError)):
            raise                                            # the object's own, as NumPy lets it through
        kind = ArgumentTypeError if isinstance(error, TypeError) else ArgumentError
        raise kind(f"{path} is a '{type(x).__name__}', which gives no array: {error}",
                   "pass an array: for a PyTorch tensor x.detach().cpu().numpy(), or use tg.interop.torch.as_function(f)"
                   if torch else "pass an array") from error
    return found


def _expect_plain_labels(x: Any, path: str) -> None:
    """pandas matches elements by their labels, arrays by their places: the same only for labels 0, 1, 2 … of one axis."""
    labels: Any = getattr(x, "index", None)
    plain = type(labels).__name__ == "RangeIndex" and labels.start == 0 and labels.step == 1
    if type(x).__name__ == "DataFrame" or (type(x).__name__ == "Series" and not plain):
        raise ArgumentTypeError(f"{path} is a pandas {type(x).__name__}, whose elements are found by their labels",
                                "pass x.to_numpy(), and put the labels back on the result")


# How other libraries' arrays hand out theirs, without a copy where they lie in the computer's own memory.
_ARRAY_LIKE = ("__array__", "__array_interface__", "__dlpack__")


def gives_array(x: Any) -> bool:
    """Whether another library's object hands out its array."""
    own = getattr(x, "__dict__", None)                    # not hasattr(x, …): a user's __getattr__ may do what it wants
    return any((isinstance(own, dict) and name in own) or hasattr(type(x), name) for name in _ARRAY_LIKE)


_OPERATORS = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor"
_BEHAVIOUR = ("__array_ufunc__", "__array_function__", "__getitem__", "__setitem__", "__neg__", "__abs__", "__invert__",
              *(f"__{side}{name}__" for name in _OPERATORS.split() for side in ("", "r", "i")),
              *(f"__{name}__" for name in ("eq", "ne", "lt", "le", "gt", "ge")))


@functools.lru_cache(maxsize=256)
def _own_behaviour(cls: type) -> str | None:
    """What a subclass of NumPy's array does in its own way, which compiled code would not."""
    for kind in cls.__mro__[:cls.__mro__.index(np.ndarray)]:
        if kind.__module__.partition(".")[0] != "numpy":
            for name in _BEHAVIOUR:
                if name in vars(kind):
                    return name
    return None


def abstract(x: Any, path: str = "argument") -> Leaf:
    """The leaf specification of one argument leaf."""
    cls = type(x)
    if cls is np.ndarray:
        return Leaf("array", dtype_of(x.dtype, path), x.shape)
    found = _NUMBERS.get(cls)
    if found is not None:
        return found if cls is not int or -2**63 <= x < 2**63 else static(x, path)
    if cls is bool or cls is str or x is None:
        return Leaf("static", cls, (), x)
    if isinstance(x, boxes.Box):
        return _of_box(x)
    if isinstance(x, np.generic):
        return Leaf("numpy", dtype_of(x.dtype, path))
    kind = x.kind if cls is random_generators.GeneratorBox else random.kind_of(x)
    if kind is not None:
        return Leaf(kind, I64)
    if isinstance(x, np.ndarray):
        if isinstance(x, (np.ma.MaskedArray, np.matrix)):
            raise ArgumentTypeError(f"{path} is a {cls.__name__}, whose arithmetic differs from an array's",
                                    "pass np.asarray(x), and a mask as an argument of its own")
        own = _own_behaviour(cast(Any, cls))
        if own is not None:
            raise ArgumentTypeError(f"{path} is a {cls.__name__}, an array with a {own} of its own",
                                    "pass np.asarray(x), and what it says besides its elements as arguments of their own")
        return Leaf("array", dtype_of(x.dtype, path), x.shape)
    if isinstance(x, type) or callable(x):
        return static(x, path)
    if isinstance(x, Iterator) and not isinstance(x, io.IOBase):
        raise ArgumentTypeError(f"{path} is a '{cls.__name__}', which can be read only once: compiled code would read it "
                                "while it is traced",
                                "pass a list or an array of what it yields")
    return static(x, path)


def _of_box(x: boxes.Box) -> Leaf:
    if isinstance(x, boxes.ArrayBox):
        return Leaf("array", x.dtype_ir, x.dims)
    return _WEAK.get(x.weak or "") or Leaf("numpy", x.dtype_ir)


def indices(argnums: int | tuple[int, ...], name: str) -> tuple[int, ...]:
    """A position, or several, as a tuple of ints."""
    try:
        return tuple(operator.index(k) for k in (argnums if isinstance(argnums, (tuple, list, set, range)) else (argnums,)))
    except TypeError:
        raise ArgumentTypeError(f"{name} takes a position or a tuple of positions, got {argnums!r}",
                                "count the positional arguments from 0") from None


# --- calls and parameters -------------------------------------------------------------------------------------------

_MARKS = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Parameters:
    """A function's parameters, as far as calls need them. `names` are those that can be given by position."""

    __slots__ = ("function", "keywords", "names", "signature", "star")

    def __init__(self, function: Callable):
        self.signature: inspect.Signature | None
        try:
            self.signature = inspect.signature(function)
        except (TypeError, ValueError):
            self.signature = None
        self.function = getattr(function, "__name__", type(function).__name__)
        found = self.signature.parameters.values() if self.signature else ()
        self.names = tuple(p.name for p in found if p.kind in _MARKS)
        self.star = next((p.name for p in found if p.kind is inspect.Parameter.VAR_POSITIONAL), None)
        self.keywords = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in found)

    def bind(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """(args, kwargs) with every keyword that continues the positional arguments moved there.

        A parameter left to its default stays out: its default is a constant of the program.
        """
        if not kwargs or self.signature is None:
            return tuple(args), kwargs
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentTypeError(f"{self.function}() {error}") from None
        args, kwargs = list(args), dict(kwargs)
        for name in self.names[len(args):]:
            if name not in kwargs:
                break
            args.append(kwargs.pop(name))
        return tuple(args), {k: kwargs[k] for k in sorted(kwargs)}

    def label(self, position: int) -> str:
        if position < len(self.names):
            return self.names[position]
        return f"{self.star}[{position - len(self.names)}]" if self.star else f"argument {position}"

    def positions(self, argnums: tuple, argnames: tuple = ()) -> frozenset:
        """Positions (ints) and keyword names of the parameters that argnums and argnames choose."""
        chosen = set()
        for k in indices(argnums, "static_argnums"):
            if k < 0:
                k += len(self.names)
            if not self.star and self.signature is not None and not 0 <= k < len(self.names):
                raise ArgumentError(f"there is no positional argument {k}: the parameters are {', '.join(self.names)}")
            chosen.add(k)
        for name in (argnames,) if isinstance(argnames, str) else argnames:
            if self.signature is not None and name not in self.signature.parameters and not self.keywords:
                raise ArgumentError(f"there is no argument {name!r}: the parameters are {', '.join(self.signature.parameters)}")
            chosen.add(name)
            if name in self.names:
                chosen.add(self.names.index(name))
        return frozenset(chosen)


def paths_of(parameters: Parameters, args_tree: pytrees.TreeDef, kwargs_names: tuple) -> list[str]:
    """For each leaf of ((args…), {kwargs…}) how a user would write it."""
    positional, keyword = args_tree.children
    found = []
    for k, child in enumerate(positional.children):
        found += child.paths(parameters.label(k))
    for name, child in zip(kwargs_names, keyword.children):
        found += child.paths(name)
    return found
