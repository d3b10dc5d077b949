"""Arrays that NumPy makes real or complex as their elements are, such as the eigenvalues of a real matrix.

    w = np.linalg.eigvals(a)     w = Undecided(flag, value)      flag: no element has an imaginary part; value is complex
    np.abs(w), w.real            of one dtype in both cases: ordinary arrays
    np.sqrt(w)                   np.sqrt(value.real) if flag else np.sqrt(value): undecided again, under the same flag
    return w                     the caller gets float64 or complex128, as NumPy would give it

What is done with it is done in both cases, each in a branch. Where dtypes must be known while compiling (what a derivative is
of, an element of another array), the error names `.astype(complex)` and `.real`.
"""
from __future__ import annotations

import builtins
import functools
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ...ir.errors import UnsupportedError
from .. import pytrees, tracing
from ..calling import calls
from ..control import branches, iteration
from ..syntax import source
from ..values import boxes
from ..values.boxes import HOOKS, METHODS, PROPERTIES, Box, ScalarBox

if TYPE_CHECKING:
    from ...ir.core import Value

REMEDY = "make it complex with `.astype(complex)`, or take `.real` where you know that it is real"
# what has the same value and dtype in both cases, and what takes elements from their places
_SAME: dict[Any, Callable] = {np.abs: np.abs, np.absolute: np.abs, builtins.abs: np.abs, np.real: np.real, np.imag: np.imag}
_PLACES = frozenset(("reshape", "ravel", "flatten", "transpose", "swapaxes", "squeeze", "diagonal", "copy", "take", "conj",
                     "conjugate"))
_LOOKED_AT = (len, iter, enumerate, zip, reversed)


class Undecided(np.lib.mixins.NDArrayOperatorsMixin):
    """`value.real` where `flag` is true, else `value`, a complex array or number."""

    __slots__ = ("flag", "value")
    __hash__ = None            # type: ignore[assignment]   # as an array
    shown = "array that is real or complex as its elements are"

    def __init__(self, flag: ScalarBox, value: Box):
        self.flag, self.value = flag, value

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return over(ufunc if method == "__call__" else getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Callable, kinds: Any, args: Any, kwargs: Any) -> Any:
        return over(function, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        return Undecided(self.flag, self.value[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        refuse("written to")

    def __iter__(self) -> Any:
        return (Undecided(self.flag, part) for part in self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ("real", "imag", "shape", "size", "ndim"):
            return getattr(self.value, name)
        if name == "T":
            return Undecided(self.flag, self.value.T)
        if name in METHODS:
            return functools.partial(self.method, name)
        if name in PROPERTIES:
            refuse(f"asked for its {name}")
        raise AttributeError(f"'numpy.ndarray' object has no attribute '{name}'")

    def method(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if name in _PLACES:
            return Undecided(self.flag, getattr(self.value, name)(*args, **kwargs))
        if name == "astype" and np.dtype(args[0] if args else kwargs["dtype"]).kind == "c":
            return self.value.astype(*args, **kwargs)
        return over(lambda m, *args, **kwargs: getattr(m, name)(*args, **kwargs), (self, *args), kwargs)

    def __abs__(self) -> Any:
        return np.abs(self.value)

    def __bool__(self) -> bool:
        return bool(over(np.any, (self,), {}))

    def __complex__(self) -> complex:
        return complex(self.value)

    def __tracegrad_box__(self) -> NoReturn:
        refuse("used where its dtype must be known")


class Parts(iteration.Rows):
    """Such an array along its first axis."""

    __slots__ = ("flag",)

    def __init__(self, of: Undecided):
        super().__init__(boxes.as_array(of.value))
        self.flag = of.flag

    def at(self, k: Any) -> Any:
        return Undecided(self.flag, super().at(k))


def refuse(what: str) -> NoReturn:
    raise UnsupportedError(f"an array that NumPy makes real or complex as its elements are is {what}", REMEDY, tracing.locate())


def made(flag: Value, value: Value) -> Undecided:
    """The array of a complex value that is real where the flag is true."""
    calls.INSIDE.add(Undecided)
    return Undecided(ScalarBox(flag, "bool"), boxes.result(value))


# --- use --------------------------------------------------------------------------------------------------------------

def over(f: Callable, args: Sequence, kwargs: dict) -> Any:
    """f(*args, **kwargs), where arrays among the arguments are undecided."""
    if f in _SAME and len(args) == 1 and type(args[0]) is Undecided and not kwargs:
        return _SAME[f](args[0].value)
    flags: list[ScalarBox] = []
    _replaced((args, kwargs), lambda x: flags.append(x.flag))
    if not flags:
        return f(*args, **kwargs)
    first = flags[0]

    def case(real: bool) -> Any:
        def taken(x: Undecided) -> Any:
            if x.flag.read() is not first.read():
                return x
            return np.real(x.value) if real else x.value

        return over(f, *_replaced((list(args), dict(kwargs)), taken))

    return _either(first, case)


def _either(flag: ScalarBox, case: Callable) -> Any:
    """case(True) where the flag is true, else case(False); what differs in being real or complex stays undecided."""
    shapes: list[Any] = []

    def run(real: bool) -> tuple[list, list]:
        leaves: list[Any] = []
        shapes.append(_flat(case(real), leaves))
        return [x.value if type(x) is Undecided else x for x in leaves], [_real(x) for x in leaves]

    values, real = branches.either(flag, lambda: run(True), lambda: run(False))
    if shapes[0] != shapes[-1]:
        refuse("given to a function whose results have another structure where it is real")
    built = [Undecided(r, v) if isinstance(r, ScalarBox) else v for v, r in zip(values, real)]
    return shapes[0].unflatten(built)


def _real(x: Any) -> Any:
    """Whether a result is real: True, False, or a flag of run time."""
    return x.flag if type(x) is Undecided else not (isinstance(x, Box) and x.dtype_ir.complex)


def _flat(x: Any, leaves: list) -> pytrees.TreeDef:
    """The structure of a result, whose leaves are listed; an undecided array is one."""
    kind = None if type(x) is Undecided else pytrees.kind_of(x)
    if kind is None:
        leaves.append(x)
        return pytrees.LEAF
    children, meta = kind.split(x)
    return pytrees.TreeDef(kind, meta, tuple([_flat(c, leaves) for c in children]))


def _replaced(x: Any, function: Callable) -> Any:
    """x with function(array) for each undecided array in it, in lists, tuples and dicts too."""
    if type(x) is Undecided:
        return function(x)
    if type(x) in (list, tuple):
        return type(x)([_replaced(v, function) for v in x])
    if type(x) is dict:
        return {k: _replaced(v, function) for k, v in x.items()}
    return x


def spread(f: Any, args: tuple, kwargs: dict) -> Any:
    """A call with an undecided array among its arguments; NotImplemented where it is handed on as it is: to functions of the
    user, to containers, and to its own methods."""
    plain = f.__func__ if isinstance(f, types.MethodType) else f
    keeps = isinstance(f, type) and calls.BUILTINS.get(f) is None and f not in (bool, complex, float, int)
    users = isinstance(plain, types.FunctionType) and (plain is Undecided.method or source.is_user(plain))
    if keeps or users or f in _LOOKED_AT:
        return NotImplemented
    if isinstance(getattr(f, "__self__", None), (list, dict, set)) or isinstance(f, functools.partial):
        return NotImplemented
    return over(f if f in _SAME else functools.partial(calls.call, f), args, kwargs)


# --- results ----------------------------------------------------------------------------------------------------------

def decided(returned: Any) -> None:
    """What derivatives and batches are of has one dtype."""
    if type(returned) is Undecided:
        refuse("returned by a function of which a derivative or a batch is taken")
    kind = pytrees.kind_of(returned)
    for child in () if kind is None else kind.split(returned)[0]:
        decided(child)


def _join(meta: Any, children: Sequence) -> Any:
    flag, value = children
    if isinstance(flag, Box):
        return Undecided(flag, value)              # type: ignore[arg-type]
    if not flag:
        return value
    return np.real(value).copy() if np.ndim(value) else np.real(value)


calls.SPREAD[Undecided] = spread
iteration.SOURCES[Undecided] = Parts
HOOKS["real_or_complex"] = made
pytrees.learn(Undecided, pytrees.Kind("real or complex", lambda x: ([x.flag, x.value], None), _join,
                                      lambda meta, n: [".<is real>", ""]))
