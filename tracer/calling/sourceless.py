"""Functions whose source cannot be read: of `python -c`, `exec`, `eval`, standard input, of files that have changed since they
were imported. They run on boxes as they are.

Their own code object runs. What it gets through global names is exchanged on the way, so that a call in it is answered as in
rewritten code (calling/calls.py): modules become `Namespace`s, functions and builtin types `Called`s, arrays boxes. Branches
and loops are Python's while the function is traced, so a condition that only run time knows is refused, with the remedy.
"""
from __future__ import annotations

import builtins
import dis
import functools
import inspect
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.errors import Frame, UnsupportedError
from ...ir.ops import random
from .. import pytrees, tracing
from ..control import iteration
from ..scipy import programs
from ..syntax import source
from ..values import captured_arrays, captured_names, captured_values, ownership, random_generators, unrepeatable
from . import calls, frozen_draws, untraced

if TYPE_CHECKING:
    from ...ir.core import Value
    from ..tracing import Trace
    from ..values.boxes import Box

_CODES: dict[int, tuple] = {}         # id(code) -> (code, the same code made known to `locate`)
_STANDS = programs.__name__ + "."            # modules whose classes stand for SciPy's
_MODULE = ("__name__", "__package__", "__spec__", "__loader__")           # what `import` asks of globals


def as_it_is(function: types.FunctionType) -> types.FunctionType:
    """The function over exchanged globals, cells and defaults: what takes the place of a rewritten one."""
    captured_values.entered(tracing.current(), function)             # the defaults, before they are handed over
    code = function.__code__
    known = _CODES.get(id(code))
    if known is None:
        _expect_plain(code)
        known = _CODES[id(code)] = code, tracing.adopt(code, code.co_name, plain=True)
    space = Globals(function.__globals__)
    made = types.FunctionType(known[1], space, function.__name__,
                              tuple(map(exchanged, function.__defaults__ or ())), tuple(map(_cell, function.__closure__ or ())))
    for held in untraced.filled_cells(made):
        space.reached(held)
    made.__kwdefaults__ = {k: exchanged(v) for k, v in function.__kwdefaults__.items()} if function.__kwdefaults__ else None
    for name in ("__qualname__", "__module__", "__doc__"):
        setattr(made, name, getattr(function, name))
    made.__dict__["<tg original>"] = weakref.ref(function)
    return made


def _cell(cell: types.CellType) -> types.CellType:
    """A cell with what a function sees of what it holds; the cell itself where that is the same."""
    try:
        held = cell.cell_contents
    except ValueError:                                   # empty
        return cell
    found = exchanged(captured_names.outer_variable(cell, held))
    return cell if found is held else types.CellType(found)


def _expect_plain(code: types.CodeType) -> None:
    """Refuse what needs to be rewritten: `try`, whose handlers would see the tracer's own errors, and `global`."""
    found = [(i.opname, i.positions) for i in dis.get_instructions(code)]
    names = [name for name, _ in found]
    what = None
    if any(name in ("STORE_GLOBAL", "DELETE_GLOBAL") for name in names):
        what = "binds a global name"
    elif names.count("PUSH_EXC_INFO") > names.count("WITH_EXCEPT_START"):
        what = "has a `try`"
    elif code.co_flags & (0x80 | 0x200):
        what = "is asynchronous"
    if what is not None:
        raise UnsupportedError(f"`{code.co_name}` {what}, and its source cannot be read", REMEDY,
                               (Frame(code.co_filename, code.co_firstlineno, code.co_name),))
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            _expect_plain(inner)


REMEDY = "define it in a file or a notebook cell, or import it again where its file has changed since"


class Globals(dict):
    """The globals of a function, as its code sees them. They are looked up at each access, as Python does."""

    def __init__(self, original: dict):
        super().__init__({name: original[name] for name in _MODULE if name in original}, __builtins__=_BUILTINS)
        self.original = original
        self.held: dict[int, tuple] = {}          # the containers that the code has reached, and what they held before
        self.drawn: frozen_draws.Watch = {}       # the generators in them

    def __getitem__(self, name: str) -> Any:
        found = self.original.get(name, self)
        if found is self:
            own = self.original.get("__builtins__", builtins)
            found = own[name] if isinstance(own, dict) else vars(own)[name]
            return _super if found is super else exchanged(found)
        value = captured_names.outer_name(self.original, name, found)
        self.reached(value)
        return exchanged(value)

    def reached(self, value: Any) -> None:
        """What the code has in hand now, of which nobody sees what it does with it."""
        if isinstance(value, (types.ModuleType, *_SEEN)):
            return
        unrepeatable.expect_not_consumed(value)
        for part in frozen_draws.led_to(getattr(value, "__self__", value)):
            ownership.remember(part, self.held)
            frozen_draws.note(part, self.drawn)
            if _makes_attributes(type(part)):
                ownership.remember_attributes(part, self.held)

    def run(self, trace: Trace, function: Callable, args: Sequence, kwargs: dict) -> Any:
        """A call of the function of these globals. What it changes of containers and generators nobody has seen, so they are
        compared."""
        what = f"`{function.__name__}`, whose source cannot be read,"
        self.drawn.update(frozen_draws.shared())
        for x in (*args, *kwargs.values()):
            self.reached(x)
        found = ownership.compared(trace, what, self.held, function, args, kwargs)
        frozen_draws.expect_none(self.drawn, what)
        return found


def _makes_attributes(cls: type) -> bool:
    """Whether a class is written by a user, and keeps no values that it has computed once."""
    heap = bool(cls.__flags__ & 1 << 9)                              # Py_TPFLAGS_HEAPTYPE: made by a class statement
    return heap and (captured_values.users(cls) or cls.__module__ == "builtins") and not any(
        isinstance(part, functools.cached_property) for base in cls.__mro__ for part in vars(base).values())


def _import(*args: Any) -> Any:
    """The statement `import`, whose modules are exchanged like those that have a global name."""
    return exchanged(builtins.__import__(*args))


_BUILTINS = {**vars(builtins), "__import__": _import}


class Namespace:
    """A module or a generator of random numbers, whose functions are exchanged."""

    def __init__(self, module: types.ModuleType | random_generators.GeneratorBox | None):
        self.__dict__["<module>"] = module

    def __getattr__(self, name: str) -> Called | type:
        module = self.__dict__["<module>"]
        return exchanged(captured_values.attribute(module, name, getattr(module, name)))

    def __setattr__(self, name: str, value: Value) -> None:
        raise UnsupportedError(f"a module is changed (`{name}`) by a function whose source cannot be read", REMEDY,
                               tracing.locate())


class Called:
    """A function or a builtin type: calls of it are answered as in rewritten code."""

    __slots__ = ("function",)

    def __init__(self, function: Callable | type):
        self.function = function

    def __call__(self, *args: float | Box | type, **kwargs: Any) -> Any:
        made = calls.call(self.function, *map(_original, args), **{k: _original(v) for k, v in kwargs.items()})
        if isinstance(made, range) and len(made) > iteration.LIMIT:
            iteration.too_long(len(made), f"a loop of a function whose source cannot be read ({REMEDY})")
        if isinstance(made, type):
            return _known(made)
        if inspect.isroutine(made) or isinstance(made, types.ModuleType):          # of getattr
            return exchanged(made)
        return Called(made) if _of_scipy(made) or type(made).__module__.startswith(_STANDS) else made

    def __tracegrad_call__(self, args: Any, kwargs: Any) -> Any:
        return self(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return exchanged(getattr(self.function, name))

    @property
    def dtype(self) -> np.dtype:
        """Of a builtin type, which NumPy takes for its dtype."""
        builtin: Any = self.function
        return np.dtype(builtin)

    def __eq__(self, other: object) -> bool:
        return _original(other) is self.function

    def __hash__(self) -> int:
        return hash(self.function)


_SAME: dict = {}                      # function or type -> its Called, so that `type(x) is float` means what it says


def _known(x: type) -> Called:
    if x not in _SAME:
        _SAME[x] = Called(x)
    return _SAME[x]


def _original(x: Any) -> Any:
    return x.function if type(x) is Called else x.__dict__["<module>"] if type(x) is Namespace else x


_TYPES = frozenset({bool, int, float, complex, str, list, tuple, set, dict, range, enumerate, zip, map, filter, reversed, type,
                    np.ndenumerate, np.ndindex})
_SEEN = (types.FunctionType, types.BuiltinFunctionType, type)                # calls of them are answered as in rewritten code
_CALLABLE = (np.ufunc, type(np.sum), functools.partial)


def exchanged(x: Any) -> Any:
    """What a function whose source cannot be read gets for a global, a free variable or a default."""
    if isinstance(x, types.ModuleType):
        return Namespace(x)
    if isinstance(x, type):
        makes = random.kind_made_by(x) is not None or x in _TYPES or _is_rewritten(x) or _of_scipy(x)
        return _known(x) if makes else x
    if random.kind_of(x) is not None:
        return Namespace(random_generators.boxed(x))
    if inspect.isroutine(x) or isinstance(x, _CALLABLE) or hasattr(type(x), "__tracegrad_call__") or _of_scipy(x):
        return x if type(x) is Called else Called(x)
    if isinstance(x, np.ndarray):
        return captured_arrays.seen(x)
    captured_arrays.note_read(x, *(pytrees.attributes(x).values() if type(x).__module__ != "builtins" else ()))
    captured_values.handed_over(x)
    return x


def _of_scipy(x: Any) -> bool:
    """Whether it is a class, a distribution, an interpolant or a method of SciPy's, which are no plain functions."""
    held = x.__self__ if isinstance(x, types.MethodType) else x
    kind = held if isinstance(held, type) else type(held)
    called = isinstance(x, types.MethodType) or callable(x) or kind.__name__.endswith("_frozen")
    return called and not issubclass(kind, BaseException) and (
        kind.__module__.startswith("scipy.") or str(getattr(held, "__module__", "")).startswith("scipy."))


def _super(*args: Any) -> Super:
    """super(), which finds its class and object in the frame that calls it."""
    if args:
        return Super(super(*args))
    here = sys._getframe(1)
    return Super(super(here.f_locals["__class__"], here.f_locals[here.f_code.co_varnames[0]]))


class Super:
    """super(): calls of what it finds are answered as in rewritten code."""

    def __init__(self, found: super):
        self.__dict__["<super>"] = found

    def __getattr__(self, name: str) -> Any:
        held = self.__dict__["<super>"]
        found = captured_values.attribute(held, name, getattr(held, name))
        return functools.partial(calls.call, found) if isinstance(found, types.MethodType) else exchanged(found)


def _is_rewritten(cls: Any) -> bool:
    """Whether calls of a class are answered by its rewritten __init__."""
    return (isinstance(cls.__init__, types.FunctionType) and not issubclass(cls, BaseException)
            and source.is_user(cls.__init__))


source.use_without_source(as_it_is)
