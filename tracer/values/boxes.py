"""Boxes: what stands for arrays and numbers while a function is traced.

  box       ::= ArrayBox | ScalarBox
  ArrayBox  ::= root (holds the current IR value) | view (base box, path)         mutable, as an ndarray is
  ScalarBox ::= an IR value of rank 0 and `weak`                                  immutable, as a number is
  weak      ::= None (a NumPy scalar) | "int" | "float" | "complex" | "bool"      (a Python scalar, NEP 50)

A weak int is held as i64, or as index where it counts elements (lengths, loop counters): sums and products of index
values and literals stay index, so that equal lengths are the same value. What arrays and numbers can do is found in tables
that the other modules of the tracer fill: `METHODS` and `PROPERTIES` by name, `FUNCTIONS` by NumPy function, `UFUNCS` below.
"""
from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ...ir.build import const
from ...ir.core import Const, Op, Value
from ...ir.errors import ConcretizationError, DTypeError, ShapeError, UnsupportedError
from ...ir.types import BOOL, C128, F64, I64, INDEX, Array, Dim, DType
from .. import tracing
from . import memory_layout, shapes, views
from .promotion import WEAK, check_fits, check_range, check_whole, fail, to_dtype

FUNCTIONS: dict = {}              # NumPy function -> handler(*args, **kwargs)
METHODS: dict = {}                # ndarray method -> handler(box, *args, **kwargs)
PROPERTIES: dict = {}             # ndarray attribute -> handler(box)
PYTHON: dict = {}                 # weak -> {attribute of the Python scalar: handler(box)}
UFUNC_METHODS: dict = {}          # "__call__", "reduce" … -> handler(ufunc, *inputs, **kwargs)
# "getitem", "setitem", "binary", "unary": filled by values/indexing.py and values/scalar_arithmetic.py
HOOKS: dict = {}
REDIRECT: dict = {}               # callable -> what traced code calls in its place (calling/dispatch.py fills it)
INSTEAD: dict = {}                # NumPy function or its name -> what to write instead


def implements(*functions: Callable, method: str | None = None,
               instead_of_calling: bool = False) -> Callable:
    """Register a handler for NumPy functions and for the ndarray method of that name.

    instead_of_calling: also where no argument is traced (creation functions: traced code must be able to write to the result).
    """
    def register(handler: Callable) -> Callable:
        for f in functions:
            FUNCTIONS[f] = handler
            if instead_of_calling:
                REDIRECT[f] = handler
        if method is not None:
            METHODS[method] = handler
        return handler

    return register


class Box:
    """A traced value."""

    __slots__ = ()
    __array_priority__ = 1000.0

    if TYPE_CHECKING:                     # each kind of box has these
        weak: str | None
        def read(self) -> Value: ...
        @property
        def dims(self) -> tuple[Dim, ...]: ...
        @property
        def dtype_ir(self) -> DType: ...
        @property
        def kind(self) -> np.dtype | type: ...

        def _unary(self) -> Box: ...      # `operators.install` makes the operators
        def _binary(self, other: Any) -> Box: ...
        def __eq__(self, other: Any) -> Box: ...       # type: ignore[override]
        def __ne__(self, other: Any) -> Box: ...       # type: ignore[override]
        __neg__ = __pos__ = __abs__ = __invert__ = _unary
        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __matmul__ = __rmatmul__ = _binary
        __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _binary
        __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _binary
        __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = __lt__ = __le__ = __gt__ = __ge__ = _binary

    def __array_ufunc__(self, ufunc: Callable, method: str, *inputs: float | Box | tuple[ArrayBox, ...],
                        **kwargs: Any) -> Box | None:
        if any(hasattr(type(x), "__tracegrad_box__") for x in inputs):
            return NotImplemented
        return UFUNC_METHODS[method](ufunc, *inputs, **kwargs)

    def __array_function__(self, function: Callable, kinds: tuple[type, ...], args: tuple[float | Box, ...],
                           kwargs: dict) -> Box:
        handler = FUNCTIONS.get(function)
        if handler is None:
            refuse(function)
        return handler(*args, **kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(tracing.need_concrete(self, "np.asarray"), self.dtype_ir.np if dtype is None else dtype)

    def __bool__(self) -> bool:
        return bool(concrete(self, "the truth value"))

    def __int__(self) -> int:
        return int(concrete(self, "int()"))

    def __float__(self) -> float:
        return float(concrete(self, "float()"))

    def __complex__(self) -> complex:
        return complex(concrete(self, "complex()"))

    def __index__(self) -> int:
        if self.dtype_ir.kind not in "iux" or self.dims:
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return shapes.static_int(self, "a Python index")

    def __round__(self, ndigits: int | None = None) -> Box:
        return HOOKS["round"](self, ndigits)

    def __repr__(self) -> str:
        return f"<traced {self.read().type!r}>"

    def __str__(self) -> str:
        fail(ConcretizationError, "the text of a traced value is known only at run time",
             "print it, or use it in an f-string that is printed or is the message of assert or raise")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        fail(ConcretizationError, "a traced value cannot be pickled", "pickle what the compiled function returns")

    def __format__(self, spec: str) -> str:
        return str(self) if tracing.plain_function() else repr(self)

    def __getitem__(self, key: Any) -> Box:
        return HOOKS["getitem"](self, key)

    def __iter__(self) -> Iterator[Any]:
        if not self.dims:
            raise TypeError("iteration over a 0-d array" if isinstance(self, ArrayBox) else "'float' object is not iterable")
        n = self.dims[0]
        if not isinstance(n, int):
            n = tracing.need_concrete(self, "unpacking or iterating outside a for statement")
        return (HOOKS["getitem"](self, k) for k in range(n))

    def __getattr__(self, name: str) -> Any:
        found = PROPERTIES.get(name)
        if found is not None:
            return found(self)
        found = METHODS.get(name)
        if found is not None:
            return types.MethodType(found, self)
        if hasattr(np.ndarray, name) and not name.startswith("__"):
            fail(UnsupportedError, f"ndarray.{name} cannot be compiled", INSTEAD.get(name, ""))
        raise AttributeError(f"'numpy.ndarray' object has no attribute '{name}'")


class ScalarBox(Box):
    """A traced number."""

    __slots__ = ("_value", "weak")

    def __init__(self, value: Value, weak: str | None = None):
        self._value, self.weak = value, weak

    dims = ()

    def read(self) -> Value:
        return self._value

    @property
    def dtype_ir(self) -> DType:
        return self._value.type.dtype

    @property
    def kind(self) -> Any:
        """What takes part in promotion."""
        return WEAK[self.weak] if self.weak else self._value.type.dtype.np

    def __len__(self) -> int:
        raise TypeError(f"object of type '{self.weak or self.dtype_ir.np.name}' has no len()")

    def __hash__(self) -> int:
        return hash(concrete(self, "a dict key or set member"))

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[Op, bool]) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        if self.weak is None:
            return Box.__getattr__(self, name)
        found = PYTHON[self.weak].get(name)
        if found is None:
            if hasattr(_PYTHON[self.weak](), name):
                return getattr(_PYTHON[self.weak](concrete(self, f"{self.weak}.{name}")), name)
            raise AttributeError(f"'{self.weak}' object has no attribute '{name}'")
        return found(self)

    def __getitem__(self, key: tuple[Any, None] | None) -> ArrayBox:
        if self.weak:
            raise TypeError(f"'{self.weak}' object is not subscriptable")
        return HOOKS["getitem"](self, key)


_PYTHON = {"bool": bool, "int": int, "float": float, "complex": complex}


class ArrayBox(Box):
    """A traced array. `strides` are those of NumPy's array in elements (None where they are not all numbers).
    `seen`: something else depends on its dimensions, a view of it or the caller. `writeable` is (what, remedy) where NumPy's
    can be written, and this is refused."""

    __slots__ = ("__weakref__", "_epoch", "_strides", "_value", "base", "captured", "identity", "laid_as", "path",
                 "seen", "writeable")

    def __init__(self, value: Value | None, base: ArrayBox | None = None, path: Any = None,
                 strides: Any = None):
        self._value, self.base, self.path, self._strides = value, base, path, strides
        self.writeable: bool | tuple[str, str] = True
        self.captured, self._epoch = False, tracing.stamp()
        self.identity: Any = None                     # regions/identity.py
        self.laid_as: tuple | None = None             # memory_layout.py
        self.seen = False

    weak = None

    def read(self) -> Value:
        """The current IR value."""
        if (trace := tracing.active()) is not None and trace.layout_decisions:
            memory_layout.read(trace, self)
        return self._now()

    def _now(self) -> Value:
        return self.own if self.base is None else self.path.read(self.base._now())

    @property
    def own(self) -> Value:
        """The value of an array that is no view."""
        assert self._value is not None
        return self._value

    def write(self, value: Value) -> None:
        """Make `value`, of the same dtype and dims, the current one; views and bases see it."""
        if id(self.root) in (trace := tracing.current()).layout_decisions:
            memory_layout.written(trace, self, lambda: self._store(value))
        else:
            self._store(value)

    def _store(self, value: Value) -> None:
        self.writable()
        if self.base is not None:
            self.base._store(self.path.write(self.base._now(), value))
            return
        trace, before = tracing.current(), self._value
        trace.note_write(self)
        self._value = value
        trace.note_written(self, before)

    def writable(self) -> None:
        if isinstance(self.writeable, tuple):
            fail(UnsupportedError, *self.writeable)
        if not self.writeable:
            fail(ShapeError, views.READ_ONLY)
        if self.captured:
            fail(UnsupportedError, "this array was made outside the compiled function, which therefore cannot overwrite it",
                 "pass it as an argument: an argument that is overwritten is overwritten for the caller")
        if self.base is not None:
            self.base.writable()

    @property
    def root(self) -> ArrayBox:
        box = self
        while box.base is not None:
            box = box.base
        return box

    @property
    def dims(self) -> tuple:
        return self.own.type.dims if self.base is None else self.path.dims(self.base.dims)

    @property
    def dtype_ir(self) -> DType:
        if self.base is None:
            return self.own.type.dtype
        found = self.base.dtype_ir
        return found.real if type(self.path) is views.Part else found

    @property
    def kind(self) -> np.dtype:
        return self.dtype_ir.np

    @property
    def strides_known(self) -> tuple | None:
        """Element strides of NumPy's array, or None where a length is known only at run time."""
        if self._strides is None:
            if self.base is None:
                return views.c_strides(self.dims)
            below = self.base.strides_known
            self._strides = None if below is None else self.path.strides(below, self.base.dims)
        return None if self._strides is views.UNKNOWN else self._strides

    @property
    def permuted(self) -> bool:
        """Whether the axes are not in the order of memory, as far as is known."""
        if self.base is None:
            return self._strides is not None
        return self.path.permuting or self.base.permuted

    def view(self, path: Any = None) -> ArrayBox:
        """A view of this box; given no path, it is the user's `a.view()` or `a.view(dtype)`."""
        if not isinstance(path, views.PATHS):
            return METHODS["view"](self, *(() if path is None else (path,)))
        base = self
        if type(path) is views.Strided and type(self.path) is views.Strided and self.base is not None:
            joined = path.after(self.path)
            base, path = (self, path) if joined is None else (self.base, joined)
        base.seen = True
        box = ArrayBox(None, base, path)
        box.writeable = False if isinstance(path, views.READS) else self.writeable
        memory_layout.viewed(self, box)
        return box

    def __len__(self) -> int:
        if not self.dims:
            raise TypeError("len() of unsized object")
        n = self.dims[0]
        if type(n) is not int:
            tracing.need_concrete(self, "len()")
        return n

    def __hash__(self) -> int:
        raise TypeError("unhashable type: 'numpy.ndarray'")

    def __copy__(self) -> Any:
        return ArrayBox(self.read())

    def __deepcopy__(self, memo: dict[Op, bool]) -> Any:
        return ArrayBox(self.read())

    def __setitem__(self, key: Any, value: float | Box) -> None:
        HOOKS["setitem"](self, key, value)

    shape = property(lambda self: PROPERTIES["shape"](self), lambda self, shape: HOOKS["reshape_in_place"](self, shape))
    flat = property(lambda self: PROPERTIES["flat"](self), lambda self, value: PROPERTIES["flat"](self).fill(value))


def _settable(name: str) -> property:
    def write(self: ArrayBox, value: float | ArrayBox) -> None:
        HOOKS["setitem"](PROPERTIES[name](self), Ellipsis, value)

    return property(lambda self: PROPERTIES[name](self), write)


def _unsettable(name: str) -> property:
    def refuse_write(self: Any, value: Value) -> NoReturn:
        fail(UnsupportedError, f"assigning ndarray.{name} cannot be compiled", "use reshape, astype or slice assignment")

    return property(lambda self: PROPERTIES[name](self), refuse_write)


for _name in ("real", "imag"):
    setattr(ArrayBox, _name, _settable(_name))
for _name in ("dtype", "strides"):
    setattr(ArrayBox, _name, _unsettable(_name))


# --- making boxes ---------------------------------------------------------------------------------------------------

_WEAK_OF = {bool: ("bool", BOOL), int: ("int", I64), float: ("float", F64), complex: ("complex", C128)}


def array(value: Value, strides: Any = None) -> ArrayBox:
    """A new array."""
    return ArrayBox(value, strides=strides)


def result(value: Value, strides: Any = None) -> Box:
    """What a ufunc or a reduction returns: a NumPy scalar where the rank is 0, else a new array."""
    return ArrayBox(value, strides=strides) if value.type.dims else ScalarBox(value)


def count(dim: Dim) -> int | ScalarBox:
    """A length as Python sees it: an int, or a traced Python int."""
    return ScalarBox(dim, "int") if isinstance(dim, Value) else dim


def lift(x: list[float] | Array | Box) -> Box:
    """The box of anything that NumPy can make an array of."""
    if isinstance(x, Box):
        return x
    found = _WEAK_OF.get(type(x))
    if found is not None:
        return _number(x, *found)
    if isinstance(x, np.ndarray):
        return HOOKS["captured"](x)
    if isinstance(x, np.generic):
        return ScalarBox(const(x, to_dtype(x.dtype)))
    if isinstance(x, (list, tuple, range)):
        return HOOKS["array"](x)
    for kind, row in _WEAK_OF.items():
        if isinstance(x, kind):
            return _number(kind(x), *row)
    if hasattr(x, "__tracegrad_box__"):
        return x.__tracegrad_box__()
    if hasattr(x, "__array__"):
        return HOOKS["captured"](HOOKS["foreign"](x))
    fail(DTypeError, f"a '{type(x).__name__}' cannot take part in array arithmetic", "use numbers and arrays of numbers")


def _number(x: Any, weak: str, dtype: DType) -> ScalarBox:
    if weak == "int" and not -2**63 <= x < 2**63:
        return ScalarBox(const(x, to_dtype(np.uint64)), weak) if 0 < x < 2**64 else too_large(x)
    return ScalarBox(const(x, dtype), weak)


def too_large(x: int) -> NoReturn:
    fail(DTypeError, f"the Python integer {x} does not fit in 64 bits", "use a float")


def as_array(x: Any) -> ArrayBox:
    """The array box of anything array-like; a number becomes a new array of rank 0."""
    box = x if isinstance(x, Box) else lift(x)
    return box if type(box) is ArrayBox else ArrayBox(to_value(box))


def to_value(x: Array | Box, dtype: DType | None = None) -> Value:
    """The IR value of anything array-like, in `dtype` where it is given (a Python int must fit in it)."""
    box = x if isinstance(x, Box) else lift(x)
    value = box.read()
    if dtype is None:
        return tracing.current().builder.cast(value, I64) if value.type.dtype is INDEX else value
    return converted(box, value, dtype)


def converted(box: Box, value: Value, dtype: DType) -> Value:
    """A box's value as an operand of `dtype`."""
    have = value.type.dtype
    if have is dtype:
        return value
    builder = tracing.current().builder
    weak_int = isinstance(box, ScalarBox) and box.weak == "int" and dtype.kind in "iu"
    if weak_int and isinstance(value, Const):
        check_range(value.data.item(), dtype)
    elif weak_int and (dtype.bits < 64 or dtype.kind == "u"):
        check_fits(builder, value, dtype)
    if isinstance(box, ScalarBox) and box.weak == "float" and dtype.kind in "iu":
        check_whole(builder, value, dtype)
    if dtype is BOOL:
        return builder("ne", value, const(0, have))
    return builder.cast(value, dtype)


def concrete(box: Box, what: str) -> Any:
    """The number itself where the trace knows it; else the context decides: a restart with a static argument, or an error."""
    value = box.read()
    if isinstance(value, Const) and value.frozen and value.data.size == 1:
        return value.data.item()
    if value.type.dtype.kind in "iux" and not value.type.dims:
        tracing.need_static(box, what)
    return tracing.need_concrete(box, what)


def frozen_data(x: Any) -> Any:
    """The array of a box whose elements are all known while tracing (None where they are not)."""
    value = x.read() if isinstance(x, Box) else None
    return value.data if isinstance(value, Const) and value.frozen else None


def refuse(function: Callable) -> NoReturn:
    """The error for a NumPy function that is not in the tables."""
    name, module = getattr(function, "__name__", repr(function)), getattr(function, "__module__", None)
    if module is None:                               # a ufunc, which does not say whose it is
        owners = [m for m in ("numpy", "scipy.special") if getattr(sys.modules.get(m), name, None) is function]
        module = owners[0] if owners else None
    name = f"{module.replace('numpy', 'np')}.{name}" if module else name
    usual = "compose it from functions that are, or call it before the compiled function and pass the result in"
    fail(UnsupportedError, f"{name} cannot be compiled", INSTEAD.get(function, usual))
