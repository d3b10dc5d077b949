"""Operators and properties of users' classes: their methods are rewritten like any function that traced code calls.

    a + b        type(a).__add__(a, b), then type(b).__radd__(b, a), in Python's order, where one of them is a user's
    a.norm       the property's function, where it is a user's
"""
from __future__ import annotations

import collections
import functools
import importlib.util
import operator
import types
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.errors import UnsupportedError
from .. import attributes, tracing
from ..calling import calls, class_calls, types_seen
from ..containers import array_choice, list_functions
from ..control import branches, iteration, other_names, packed_lists
from ..regions import region_tracing
from ..sequences import sparse
from ..syntax import source
from ..values import captured_arrays, captured_names, captured_values, ownership, unrepeatable
from ..values.boxes import ArrayBox, Box, ScalarBox
from ..values.python import chosen_texts, optional_values, percent_texts, settings
from .argument_objects import Hidden, show_all

if TYPE_CHECKING:
    from ..values.random_generators import Method

_ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")
_MIRROR = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}
_OPERATORS = {name: (getattr(operator, name + "_" if name in ("and", "or") else name), f"__{name}__", f"__r{name}__")
              for name in _ARITHMETIC}
_OPERATORS |= {name: (getattr(operator, name), f"__{name}__", f"__{mirror}__") for name, mirror in _MIRROR.items()}
_UNARY = {name: (getattr(operator, name), f"__{name}__") for name in ("neg", "pos", "invert")}
_BOXES = frozenset({ArrayBox, ScalarBox})
_HOLDERS = frozenset({list, tuple, dict, set, frozenset, collections.deque})
_NATIVE = frozenset({ArrayBox, ScalarBox, bool, int, float, complex, str, list, tuple, dict, set, type(None), np.ndarray,
                     np.float64,
                     np.float32, np.int64, np.bool_, types.ModuleType, types.FunctionType, type, slice, range})


def _method(cls: type, name: str) -> Any:
    """A user's method of a class that can be rewritten."""
    found = getattr(cls, name, None)
    if isinstance(found, types.FunctionType) and source.is_user(found) and source.has_source(found):
        captured_values.class_part(cls, name)
        return found
    return None


def operate(name: str, a: Any, b: Any) -> Any:
    """a `op` b."""
    function, forward, reflected = _OPERATORS[name]
    first, second = type(a), type(b)
    if name == "mod" and issubclass(first, str):
        settings.shown(*(b if second is tuple else (b,)))
    if (order := _order_of(first)) is not None and _order_of(second) is order and name in _ORDER and _holds_box(a, b):
        return _compare_items(name, a, b)
    if first is dict and second is dict and name in ("eq", "ne") and _holds_box(a.values(), b.values()):
        captured_values.whole(a, b, deep=captured_values.ALL)
        return _compare_items(name, list(a.values()), [b[k] for k in a]) if a.keys() == b.keys() else name == "ne"
    if (first is np.ndarray or second is np.ndarray) and tracing.active() is not None:
        x, y = captured_arrays.seen(a), captured_arrays.seen(b)
        if x is not a or y is not b:
            return operate(name, x, y)
        return captured_arrays.made(function(a, b), a, b)
    if name == "mul" and list in (first, second) and ScalarBox in (first, second):
        return list_functions.repeated(*((a, b) if first is list else (b, a)))
    if name == "mod" and isinstance(a, str) and percent_texts.holds_traced(b):
        return percent_texts.percent(a, b)
    if first in _HOLDERS or second in _HOLDERS:
        captured_values.whole(a, b, deep=captured_values.ALL)
    if (first in _NATIVE and second in _NATIVE) or tracing.active() is None:
        return packed_lists.made(function(a, b)) if first in packed_lists.GROWING else function(a, b)
    if name in ("eq", "ne") and (first in optional_values.KINDS or second in optional_values.KINDS):
        same = _equal_or_none(a, b)
        return same if name == "eq" else branches.boxed(branches.truth(branches.not_(same)))
    if optional_values.Optional in (first, second):
        return operate(name, optional_values.needed(a), optional_values.needed(b))
    for x in (a, b) if name in _ORDER else ():
        if type(x) is iteration.Range:
            x.refused()
    captured_values.compared(a, b)
    settings.computed(a, b)
    if name == "ne" and first not in _NATIVE and first.__ne__ is object.__ne__ and _method(first, "__eq__"):
        found = calls.call(first.__eq__, a, b)               # Python's own `!=` is the opposite of a class's `==`
        if found is not NotImplemented:
            return branches.boxed(branches.truth(branches.not_(found)))
    if first is second and name in _ORDER and (compared := class_calls.fields_compared(first, name)) is not None:
        return operate(name, *[tuple([attribute(x, field) for field in compared]) for x in (a, b)])
    mine = None if first in _NATIVE else _method(first, forward)
    theirs = None if second in _NATIVE or second is first else _method(second, reflected)
    if mine is None and theirs is None:
        joined = other_names.identical(a, b) if name in ("eq", "ne") and first.__eq__ is object.__eq__ else None
        if joined is not None:
            return joined if name == "eq" else branches.boxed(branches.negate(branches.truth(joined)))
        captured_values.asked(forward, a)
        captured_values.asked(reflected if first is not str else "__str__", *(b if type(b) is tuple else (b,)))
        return function(sparse.lifted(a), sparse.lifted(b))
    attempts = [(mine or getattr(first, forward, None), a, b), (theirs or getattr(second, reflected, None), b, a)]
    if second is not first and issubclass(second, first):
        attempts.reverse()
    for method, left, right in attempts:
        found = NotImplemented if method is None else calls.call(method, left, right)
        if found is not NotImplemented:
            return found
    return function(a, b)                                   # raises Python's TypeError, or compares identities


def _equal_or_none(a: Any, b: Any) -> Any:
    """`a == b` where one of them may be None, which equals None only."""
    if type(a) not in optional_values.KINDS:
        a, b = b, a
    return branches.either(ScalarBox(a.flag, "bool"), lambda: operate("eq", b, a.held),
                           lambda: optional_values.is_none(b, True))


def _order_of(cls: type) -> type | None:
    """list or tuple, for these and for namedtuples that leave comparison to tuple."""
    if cls is list or cls is tuple:
        return cls
    plain = issubclass(cls, tuple) and cls.__eq__ is tuple.__eq__ and cls.__lt__ is tuple.__lt__
    return tuple if plain and hasattr(cls, "_fields") else None


def _holds_box(*sequences: Any) -> bool:
    return any(isinstance(x, Box) or (isinstance(x, (tuple, list)) and _holds_box(x)) for xs in sequences for x in xs)


def _compare_items(name: str, a: Any, b: Any) -> Any:
    """Two tuples or two lists with traced items, compared from the left as Python does."""
    if name in ("eq", "ne"):
        same = len(a) == len(b)
        for x, y in zip(a, b) if same else ():
            same = branches.and_(same, lambda x=x, y=y: _equal_items(x, y))
        return branches.not_(same) if name == "ne" else branches.boxed(branches.truth(same))
    if not a or not b:
        return _OPERATORS[name][0](len(a), len(b))
    return branches.either(_equal_items(a[0], b[0]), lambda: _compare_items(name, a[1:], b[1:]),
                           lambda: operate(name, a[0], b[0]))


def _equal_items(x: Any, y: Any) -> Any:
    """Containers ask an item for equality where it is not the very same one: nan is, and an array."""
    return x is y or operate("eq", x, y)


# the comparisons that functools.total_ordering makes of another one
source.OPENED.update(f.__code__ for made in vars(functools)["_convert"].values() for _, f in made)


def _among(x: Any, items: Any) -> Any:
    """`x in items` of objects whose class says when they are equal; None of others."""
    cls = type(x)
    if tracing.active() is None or cls in _NATIVE or not isinstance(items, (list, tuple)):
        return None
    if class_calls.fields_compared(cls, "eq") is None and _method(cls, "__eq__") is None:
        return None
    found: Any = False
    for v in items:
        if v is x:
            return True
        found = branches.or_(found, lambda v=v: branches.boxed(branches.truth(operate("eq", v, x))))
    return found


branches.CONTAINS.append(_among)


def unary(name: str, a: Any) -> Any:
    function, method = _UNARY[name]
    a = captured_arrays.seen(a)
    settings.computed(a)
    cls = type(a)
    own = None if cls in _NATIVE or tracing.active() is None else _method(cls, method)
    return function(a) if own is None else calls.call(own, a)


# What an array says without its elements.
_DESCRIBES = frozenset({"shape", "ndim", "size", "dtype", "itemsize", "nbytes", "strides", "flags", "base"})


def _flags(held: np.ndarray) -> str:
    return str(held.flags)


def _base(held: np.ndarray) -> Any:
    return held.base


_MEMORY = {"flags": _flags, "base": _base}               # … of its memory


def attribute(held: Any, name: str) -> Any:
    """held.name"""
    cls = type(held)
    if cls is np.ndarray and captured_arrays.outside(held):
        seen = captured_arrays.seen(held)
        found = getattr(held if name in _DESCRIBES else seen, name)
        if name in _MEMORY:
            captured_values.told(held, _MEMORY[name])
            captured_values.same(found, found)              # another base may have another shape
        return captured_arrays.made(found, held) if seen is held else found
    if cls in _BOXES:
        return _of_box(held, name)
    if tracing.active() is None:
        return getattr(held, name)
    if cls is chosen_texts.ChosenText and chosen_texts.is_member(held.texts[0]):
        kind = type(getattr(held.stands_for, name, None))
        if kind is types.FunctionType:
            return functools.partial(_of_member, held, lambda m, *args, **kw: calls.call(attribute(m, name), *args, **kw))
        if kind is property and name not in ("name", "value"):
            return _of_member(held, lambda m: attribute(m, name))
    found = None if cls in _NATIVE else getattr(cls, name, None)
    if type(found) is property and isinstance(found.fget, types.FunctionType) and source.is_user(found.fget):
        captured_values.class_part(cls, name)
        return calls.call(found.fget, held)
    if type(found) is functools.cached_property and source.is_user(found.func) and name not in vars(held):
        captured_values.class_part(cls, name)
        captured_values.presence(attribute(held, "__dict__"), name)
        value = calls.call(found.func, held)
        if tracing.current().maker(held) >= 0:           # else it exists outside, and is asked again at each call
            region_tracing.assign(tracing.current(), (held, True, name), value)
        return value
    try:
        value = getattr(held, name)
    except AttributeError:
        captured_values.absent(held, name)
        raise
    if type(value) is Hidden:
        value.reveal()
    if name == "__dict__" and tracing.current().maker(held) >= 0:
        show_all(held)
        return vars(held)
    return captured_values.attribute(held, name, value)


def _of_member(held: Any, f: Callable, *args: Any, **kwargs: Any) -> Any:
    """f(member) of the one of an enum's members that run time chooses: a branch for each."""
    cases: list[Callable] = [functools.partial(f, member, *args, **kwargs) for member in held.texts]
    return array_choice.switch(ScalarBox(held.which, "int"), cases)


def _has(kind: type, name: str) -> bool:
    """Whether objects of a class have an attribute; the class itself has more, as `__call__`."""
    return any(name in vars(c) for c in kind.__mro__)


def _of_box(held: Any, name: str) -> Any:
    """An attribute that an object of the type that Python would see has; a stand-in has others of its own."""
    kind = types_seen.type_of(held)
    if name == "__class__":
        return kind
    if not _has(kind, name):
        shown = f"{kind.__module__}.{kind.__name__}".removeprefix("builtins.")
        raise AttributeError(f"'{shown}' object has no attribute '{name}'")
    try:
        return getattr(held, name)
    except AttributeError:
        raise UnsupportedError(f"{kind.__name__}.{name} cannot be compiled", "compute it with operators and functions",
                               tracing.locate()) from None


def method(held: ArrayBox | ModuleType, name: str) -> Callable:
    """held.name, which is about to be called."""
    return getattr(held, name) if type(held) is np.ndarray else attribute(held, name)


def getattr_(held: Any, name: str, *default: Any) -> Callable | Method | None:
    """The builtin."""
    try:
        return attribute(held, name)
    except AttributeError:
        if not default:
            raise
        return default[0]


def hasattr_(held: tuple[np.ndarray | Box, ...], name: str) -> bool:
    if type(held) in _BOXES:
        return _has(types_seen.type_of(held), name)
    try:
        attribute(held, name)
    except AttributeError:
        return False
    return True


def dir_(*held: Any) -> list[str]:
    captured_values.asked("__dir__", *held)
    if len(held) == 1 and hasattr(held[0], "__dict__") and not isinstance(held[0], types.ModuleType):
        captured_values.whole(attribute(held[0], "__dict__"))
        captured_values.told(held[0], attributes.directory)
    return dir(*held)


def import_module(name: str, package: str | None = None) -> Any:
    """importlib.import_module: the module of that name may be replaced, as where a function imports it."""
    found = importlib.import_module(name, package)
    return captured_names.module(found, importlib.util.resolve_name(name, package))


calls.BUILTINS[getattr], calls.BUILTINS[hasattr], calls.BUILTINS[dir] = getattr_, hasattr_, dir_
calls.BUILTINS[importlib.import_module] = import_module
calls.BUILTINS |= {function: functools.partial(operate, name) for name, (function, _, _) in _OPERATORS.items()}
calls.BUILTINS |= {function: functools.partial(unary, name) for name, (function, _) in _UNARY.items()}


def item(held: Any, key: Any) -> int | list[ArrayBox] | Box:
    """held[key] of a user's class."""
    cls = type(held)
    own = None if cls in _NATIVE else _method(cls, "__getitem__")
    if own is not None:
        return calls.call(own, held, key)
    if isinstance(held, type) and captured_values.users(held) and hasattr(held, "__class_getitem__"):
        return calls.call(attribute(held, "__class_getitem__"), key)
    unrepeatable.expect_no_environment(held)
    captured_values.compared(key)
    captured_arrays.note_read(*((key.start, key.stop, key.step) if type(key) is slice else (key,)))
    captured_values.asked("__hash__" if isinstance(held, (dict, set)) else "__index__",
                          *((key.start, key.stop, key.step) if type(key) is slice else (key,)))
    if isinstance(held, dict) and type(key) in captured_values.KEYS and key not in held:
        captured_values.presence(held, key)
        missing = _method(cls, "__missing__")
        return held[key] if missing is None else calls.call(missing, held, key)
    if isinstance(held, np.ndarray) and captured_arrays.outside(held):           # of a subclass
        captured_arrays.note_read(held)
    try:
        found = held[key]
    except IndexError:
        captured_values.whole(held)
        raise
    return captured_values.item(held, key, found)


def augmented(name: str, a: Any, b: Any) -> Any:
    """a `op`= b: the class's own in-place method, else the operator."""
    own = None if type(a) in _NATIVE else _method(type(a), f"__i{name}__")
    if own is not None:
        found = calls.call(own, a, b)
        if found is not NotImplemented:
            return found
    return operate(name, a, b)


_IDENTITY = {"is_", "is_not"}
_ORDER = {"lt", "le", "gt", "ge", "eq", "ne"}


def identical(a: Any, b: Any, wanted: bool = True) -> Any:
    """a is b, or with wanted=False a is not b"""
    if array_choice.ArrayChoice in (type(a), type(b)):
        return array_choice.over(identical, (a, b, wanted), {})
    if (same := chosen_texts.same_member(a, b)) is not None:
        return same if wanted else branches.not_(same)
    if not (isinstance(a, captured_values.ATOMS) or isinstance(b, captured_values.ATOMS)):
        joined = other_names.identical(a, b)
        if joined is not None:
            return joined if wanted else branches.not_(joined)
    if isinstance(a, packed_lists.ListValue) and isinstance(b, packed_lists.ListValue):
        same = a.same(b)
        return same if wanted else branches.not_(same)
    chosen_texts.expect_no_identity(a, b)
    ownership.expect_no_copies(a, b)
    region_tracing.expect_told_apart(a, b)
    if isinstance(a, ScalarBox) and isinstance(b, ScalarBox):
        iteration.expect_identity(a, b)
    if not (isinstance(a, captured_values.ATOMS) or isinstance(b, captured_values.ATOMS)):
        return captured_values.same(a, b) is wanted
    return (a is b) is wanted


def chain(left: float | ScalarBox, op: Any, right: float | ScalarBox, *rest: Any) -> ScalarBox:
    """`left op right op …`, each operand evaluated once and only if needed."""
    first = compare(op, left, right)
    if not rest:
        return first
    return branches.and_(first, branches.Binds(lambda: chain(right, rest[0], rest[1](), *rest[2:]), *branches.binding(*rest)))


def compare(op: str, a: float | ScalarBox, b: float | ScalarBox) -> Any:
    if op in _IDENTITY:
        return identical(a, b, op == "is_")
    if op in _ORDER:
        return operate(op, a, b)
    return branches.in_(a, b) if op == "in_" else branches.not_in(a, b)
