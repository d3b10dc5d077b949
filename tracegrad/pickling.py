"""How the objects that users hold are pickled: like functions, by their name where they are found under it, else by what they
were made of.

    @tg.jit                       g = tg.grad(loss)
    def loss(x): …                    `loss` is a name: pickled as that; `g` is not found under its name: (tg.grad, loss)

The function below a decorated name is not found under that name either: it is reached through the decorated object. Picklers
that write functions of the main program by value (cloudpickle, and with it joblib, loky, dask and Ray) get all by value.
Machine code is never pickled; the other process compiles what it needs.
"""
from __future__ import annotations

import functools
import linecache
import sys
import types
import zlib
from collections.abc import Callable, Iterator
from typing import Any

_UNNAMED = "<dynamic-code>"       # the file of functions that cloudpickle has written by value
_pending: list[tuple[Any, dict]] = []


def reduced(x: Any, make: Callable, root: Callable, chain: tuple) -> str | tuple:
    """What `x.__reduce_ex__`, called by a pickler, returns: x is make(root, chain, texts)."""
    apart = _written_by_value(sys._getframe(2))
    if _named(x) is x and x.__module__ not in apart:
        return x.__qualname__
    found = _reachable(root, apart)
    return make, (found, chain, texts(root, apart) if apart and found is root else None)


def reduced_object(x: Any, fun: Callable, options: tuple, state: dict) -> str | tuple:
    """The same of an object that type(x)(fun, *options) makes and that has a state, which may lead back to it."""
    apart = _written_by_value(sys._getframe(2))
    if _named(x) is x and x.__module__ not in apart:
        return x.__qualname__
    made = type(x), _reachable(fun, apart), options
    return _object, made, (state, texts(x, apart) if apart else None), None, None, _restore


def _object(kind: type, fun: Callable, options: tuple) -> Any:
    return kind(fun, *options)


def _restore(x: Any, state: tuple) -> None:
    x.__dict__.update(state[0])
    arrived(x, state[1])


def _named(x: Any) -> Any:
    """What stands under the name that x has."""
    found = sys.modules.get(getattr(x, "__module__", None) or "")
    for part in (getattr(x, "__qualname__", None) or "<locals>").split("."):
        found = getattr(found, part, None)
    return found


class Below:
    """The function below a decorated object that is found under its name."""

    def __init__(self, decorated: Any):
        self.decorated = decorated

    def __reduce__(self) -> tuple:
        return _below, (self.decorated,)


def _below(decorated: Any) -> Callable:
    return getattr(decorated, "root", None) or decorated.fun


def _reachable(root: Callable, apart: tuple) -> Any:
    """The function, or the way to it where its name has become that of an object made of it."""
    found = _named(root)
    made_of = getattr(found, "root", getattr(found, "fun", None)) is root
    return Below(found) if found is not root and made_of and root.__module__ not in apart else root


def _written_by_value(frame: Any) -> tuple[str, ...]:
    """The modules whose functions the pickler at work, which has called from `frame`, writes by value. cloudpickle's class has
    `dump` in Python, so its frame is the one before ours."""
    pickler = frame.f_locals.get("self") if frame is not None and frame.f_code.co_name in ("dump", "save") else None
    space = sys.modules.get(_origin(type(pickler)) or "")
    return () if space is None else ("__main__", *getattr(space, "_PICKLE_BY_VALUE_MODULES", ()))


def _origin(kind: type) -> str | None:
    """The module of the pickler's class that writes functions by value, whatever it is a subclass of."""
    for base in kind.__mro__:
        name = base.__module__
        if name.split(".")[-1].startswith("cloudpickle") or name.startswith("dill"):
            return name
    return None


# --- the text of functions that are written by value -------------------------------------------------------------------------
#
# Compiling starts from a function's source. What cloudpickle writes has lost its file, so the text goes along, and the function
# gets it back when it is first compiled: only then is all of it there, as functions may lead back to themselves.


def texts(root: Any, apart: tuple) -> dict:
    """{which code: (file, text)} of the functions that go by value with this one: those of the modules `apart`, and those
    that no name leads to."""
    found, files = {}, {}
    for f in _functions(root, lambda x: x.__module__ in apart or _named(x) is not x):
        file = f.__code__.co_filename
        if file not in files:
            lines = linecache.getlines(file, f.__globals__)
            files[file] = file, zlib.compress("".join(lines).encode()) if lines else None
        if files[file][1] is not None:
            found[_which(f.__code__)] = files[file]
    return found


def _which(code: types.CodeType) -> tuple:
    return code.co_qualname, code.co_firstlineno, zlib.crc32(code.co_code)


def _functions(root: Any, goes: Callable[[Any], bool]) -> Iterator[types.FunctionType]:
    """The functions that an object leads to, by globals, cells, classes and bound arguments, through those and through classes
    for which `goes` holds."""
    seen: dict[int, Any] = {}
    todo = [root]
    while todo:
        x = todo.pop()
        if id(x) in seen:
            continue
        seen[id(x)] = x
        if type(x) is types.FunctionType and goes(x):
            yield x
            todo += [x.__globals__[name] for name in _names(x.__code__) if name in x.__globals__]
            todo += [*(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values()]
            for cell in x.__closure__ or ():
                try:
                    todo.append(cell.cell_contents)
                except ValueError:
                    continue
        elif isinstance(x, types.MethodType):
            todo += [x.__func__, x.__self__]
        elif isinstance(x, functools.partial):
            todo += [x.func, *x.args, *x.keywords.values()]
        elif isinstance(x, (staticmethod, classmethod)):
            todo.append(x.__func__)
        elif isinstance(x, property):
            todo += [x.fget, x.fset]
        elif type(x) in (list, tuple):
            todo += x
        elif type(x) is dict:
            todo += x.values()
        elif isinstance(x, type):
            todo += [*vars(x).values(), *x.__bases__] if goes(x) else ()
        elif type(x).__module__.partition(".")[0] == __name__.partition(".")[0]:
            todo += [getattr(x, name, None) for name in ("root", "fun", "rules")]
        elif goes(type(x)):
            todo += [type(x), *getattr(x, "__dict__", {}).values()]


def _names(code: types.CodeType) -> set[str]:
    found = set(code.co_names)
    for x in code.co_consts:
        if type(x) is types.CodeType:
            found |= _names(x)
    return found


def arrived(root: Any, carried: dict | None) -> None:
    """An object has come with the texts of its functions."""
    if carried:
        _pending.append((root, carried))


def settle() -> None:
    """Give the functions that have arrived their files back, before one is compiled."""
    while _pending:
        root, carried = _pending.pop()
        for f in _functions(root, lambda x: _named(x) is not x):
            file, text = carried.get(_which(f.__code__), (None, None))
            if text is not None and f.__code__.co_filename == _UNNAMED:
                f.__code__ = _in_file(f.__code__, _present(file, zlib.decompress(text).decode()))


def _present(file: str, text: str) -> str:
    """A name under which the lines are found: that of the file, where it is here and the same."""
    lines = text.splitlines(keepends=True)
    if linecache.getlines(file) == lines:
        return file
    name = f"<{file.strip('<>')}, as it was pickled: {zlib.crc32(text.encode()):08x}>"
    linecache.cache[name] = len(text), None, lines, name
    return name


def _in_file(code: types.CodeType, file: str) -> types.CodeType:
    constants = tuple([_in_file(x, file) if type(x) is types.CodeType else x for x in code.co_consts])
    return code.replace(co_filename=file, co_consts=constants)
