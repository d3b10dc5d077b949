"""Calls of classes while a function is traced: what makes an object, and what the program has then read of the class.

    class of the user's, with an __init__ that can be read      an object of the program's own; __init__ is traced
    dataclass, namedtuple, class with a metaclass or __new__    Python makes the object: another __init__ or other defaults are
                                                                seen by the next call, as is what the user's own parts read
"""
from __future__ import annotations

import dataclasses
import types
from typing import TYPE_CHECKING, Any

from .. import tracing
from ..control import iteration
from ..syntax import source
from ..values import captured_values
from . import calls

if TYPE_CHECKING:
    from ..tracing import Trace

_MAKING = ("__new__", "__init__", "__post_init__")


def made(trace: Trace, f: Any, args: Any, kwargs: dict) -> Any:
    """f(*args, **kwargs) of a class. numba.prange is one, too."""
    init = f.__init__
    if f.__name__ == "prange" and f.__module__.startswith("numba."):
        return iteration.AnyOrder(*args)
    for owner, name in ((f, "__new__"), (f, "__init__"), (type(f), "__call__")):
        captured_values.class_part(owner, name)                  # also where it is object's: a class may get one of its own
    raised = issubclass(f, BaseException) and isinstance(f.__new__, types.BuiltinFunctionType)
    plain = ((raised or f.__new__ is object.__new__) and type(f).__call__ is type.__call__
             and isinstance(init, types.FunctionType))
    if not plain or not calls.is_rewritten(init, args, kwargs) or not (source.has_source(init) or _makes_defaults(f)):
        if isinstance(f.__new__, types.FunctionType) and source.is_user(f.__new__):
            captured_values.UNTRACED[0](f)
        _note(trace, f)
        return calls.as_it_stands(f, args, kwargs)
    fresh = trace.note_fresh(f.__new__(f, *args, **kwargs) if raised else object.__new__(f))
    calls.call(init, fresh, *args, **kwargs)
    return fresh


def _makes_defaults(cls: type) -> bool:
    """Whether the __init__ that a dataclass was given calls functions of the user."""
    return any(isinstance(field.default_factory, types.FunctionType) and source.is_user(field.default_factory)
               for field in vars(cls).get("__dataclass_fields__", {}).values())


def _note(trace: Trace, cls: type) -> None:
    """What Python calls to make an object of a class: which functions these are, and what they could read."""
    meta = type(cls)
    for owner, names in ((cls, _MAKING), (meta, ("__call__",))):
        for name in names if captured_values.users(owner) else ():
            function = getattr(owner, name, None)
            if isinstance(function, types.FunctionType) and not captured_values.fixed(function.__module__):
                captured_values.class_part(owner, name)
                captured_values.entered(trace, function)
                if not source.is_generated(function):
                    captured_values.UNTRACED[0](function)


def fields_compared(cls: type, name: str) -> list[str] | None:
    """The fields of a dataclass whose comparison `name` Python has written: it is that of tuples of them. None of others."""
    method = getattr(cls, "__eq__" if name in ("eq", "ne") else f"__{name}__", None)
    if "__dataclass_fields__" not in vars(cls) or not isinstance(method, types.FunctionType) or not source.is_generated(method):
        return None
    if name == "ne" and cls.__ne__ is not object.__ne__:
        return None
    captured_values.class_part(cls, method.__name__)
    return [field.name for field in dataclasses.fields(cls) if field.compare]


def defined(name: str, bases: tuple, parts: dict[str, Any], annotations: dict[str, str], keywords: dict, module: str) -> type:
    """The class that a `class` statement of the program makes. `parts`: its attributes, `annotations`: those of them."""
    for key, part in parts.items():
        plain = part.__func__ if isinstance(part, (staticmethod, classmethod)) else part
        for function in (plain.fget, plain.fset, plain.fdel) if isinstance(plain, property) else (plain,):
            if isinstance(function, types.FunctionType) and function.__name__ == f"<{name} {key}>":
                function.__name__, function.__qualname__ = key, f"{name}.{key}"
    held = {**parts, "__module__": module, "__qualname__": name, "__annotations__": annotations}
    cls = types.new_class(name, bases, keywords, lambda body: body.update(held))
    trace = tracing.active()
    return cls if trace is None else trace.note_fresh(cls)


calls.BY_TYPE[type] = made
