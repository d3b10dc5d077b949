"""Calls and stores in rewritten code.

A call f(…) is answered by the first that applies:

  1. an object with `__tracegrad_call__(args, kwargs)`: jitted functions, derivatives, custom rules
  2. dispatch.redirect: NumPy functions, math, builtins on numbers
  3. the builtins of builtin_calls.py and other files: iteration, types, printing
  4. a method that changes a list, dict or set: allowed where nothing but the traced program can see the change
  5. a user's function, method, class or callable object: rewritten, then called
  6. anything else: called as it stands
"""
from __future__ import annotations

import collections
import functools
import types
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ...ir.errors import UnsupportedError
from .. import tracing
from ..control import branches, packed_lists
from ..regions import if_join, list_scan_outputs
from ..syntax import source
from ..values import captured_arrays, captured_values, ownership, unrepeatable
from ..values.boxes import ArrayBox, Box, ScalarBox
from ..values.python import division, format_strings, settings
from . import chance, dispatch, recursion, untraced
from .types_seen import type_of

if TYPE_CHECKING:
    from ...ir.core import Value
    from ...ir.types import Array
    from ..containers.lists.dynamic_lists import DynamicList
    from ..tracing import Trace

DEEPEST = 60       # activations of one function, each inside a branch of the one before: then only traced values end it
SHALLOW = 8        # the same, where Python's stack does not suffice for more
BRANCHING = 500    # calls of functions by themselves in branches and loops that are traced: they may double at each level
RECURSIVE = 20_000 # and in all


def call(f: Any, /, *args: Any, **kwargs: Any) -> Any:
    """f(*args, **kwargs) as rewritten code calls it."""
    trace = tracing.active()
    handler = BY_TYPE.get(type(f))
    if trace is None:
        return handler(None, f, args, kwargs) if handler in (_function, _method) else f(*args, **kwargs)
    if trace.growing:
        for x in (*args, *kwargs.values()):
            list_scan_outputs.read(trace, x)
    for x in (*args, *kwargs.values()):
        kind = type(x) if type(x) in SPREAD else (INSIDE and type(x) in (tuple, list)
                                                  and next((type(v) for v in x if type(v) in INSIDE), None))
        if kind and (found := SPREAD[kind](f, args, kwargs)) is not NotImplemented:
            return found
    if handler is _function and id(f.__code__) in tracing.PLACES:
        return _enter(trace, f, args, kwargs)
    own = getattr(type(f), "__tracegrad_call__", None)
    if own is not None:
        return own(f, args, kwargs)
    if args and type(f) in (types.BuiltinFunctionType, type) and (name := _SPECIAL.get(f)) is not None:
        method = getattr(type(args[0]), name, None)
        if isinstance(method, types.FunctionType) and source.is_user(method) and source.has_source(method):
            captured_values.class_part(type(args[0]), name)
            return call(method, *args)
    if args and isinstance(args[0], packed_lists.ListValue) and f in OF_LISTS:
        return _adopted(trace, OF_LISTS[f](*args, **kwargs))
    if args and type(args[0]) in GENERATORS and isinstance(f, _BUILTIN) and f in CONSUMERS:
        return CONSUMERS[f](*args, **kwargs)
    for x in args:
        ownership.expect_not_consumed(trace, x, f"{getattr(f, '__name__', 'a call')}(), which consumes an iterator,")
        if (type(f) in WITHOUT_SOURCE and f not in LOOKING) or (type(f) is types.FunctionType and not source.is_user(f)):
            unrepeatable.expect_not_consumed(x)
    for redirect in REDIRECTS:
        instead = redirect(f)
        if instead is not None:
            if type(instead) is types.MethodType and source.is_open(instead):        # CPython's lines, for a traced object
                return call(instead, *args, **kwargs)
            captured_values.whole(*args, *kwargs.values(), deep=captured_values.ALL)
            captured_values.asked("__array__", *args)
            captured_values.UNTRACED[0](f)
            return _adopted(trace, captured_arrays.taken(f, instead, tuple(map(_listed, args)), kwargs))
    try:
        builtin = BUILTINS.get(f)
    except TypeError:
        builtin = None
    if builtin is not None:
        captured_values.whole(*args, *kwargs.values())
        made = builtin(*args, **kwargs)
        return made if isinstance(made, np.ndarray) else _adopted(trace, made)           # they make none, and hand some on
    return (handler or _other)(trace, f, args, kwargs)


# Builtins that ask a method of a user's class.
_SPECIAL = {abs: "__abs__", len: "__len__", round: "__round__", float: "__float__", int: "__int__", complex: "__complex__",
            bool: "__bool__", str: "__str__", repr: "__repr__", reversed: "__reversed__", iter: "__iter__"}

# class of generators in traced code -> what makes a list of one; function -> its handler for one (sequences/generators.py)
GENERATORS: dict = {}
CONSUMERS: dict = {}
_BUILTIN = (types.BuiltinFunctionType, type)
WITHOUT_SOURCE = (*_BUILTIN, np.ufunc, type(np.sum))
LOOKING = frozenset({isinstance, issubclass, type, hasattr, getattr, callable, id, repr, str, iter, print, hash})
# f -> what to call in its place, or None; sequences/sparse.py adds its own
REDIRECTS = [dispatch.redirect]
# class of an argument -> handler(f, args, kwargs) of such calls (calling/argument_handlers.py, containers/array_choice.py)
SPREAD: dict = {}
INSIDE: set = set()               # those of them that are looked for in tuples and lists too, once there has been one


def _listed(x: Sequence | DynamicList | Box) -> Sequence | Box:
    """A generator or dict view as a list, which handlers can look into; a packed list as an array."""
    if isinstance(x, packed_lists.ListValue):
        return x.array()
    if type(x) in GENERATORS:
        return _listed(GENERATORS[type(x)](x))
    return list(x) if isinstance(x, (types.GeneratorType, collections.abc.ValuesView, map, filter, zip)) else x


_PLAIN = (Box, bool, int, float, complex, str, bytes, type(None), types.FunctionType, types.ModuleType, type, np.generic,
          np.dtype, range)


def _adopted(trace: Trace, made: Any) -> Any:
    """What a call returned: a new container or object is the traced program's own."""
    if not isinstance(made, _PLAIN) and id(made) not in trace.outside:
        trace.note_fresh(made)
        if type(made) in (list, tuple):
            for part in made:
                if isinstance(part, (list, dict, set)) and id(part) not in trace.outside:
                    trace.note_fresh(part)
    return made


# --- functions --------------------------------------------------------------------------------------------------------

_DISPATCHING: Any = functools.singledispatch(lambda x: x)
_SINGLE = _DISPATCHING.__code__
_SINGLE_METHOD = functools.singledispatchmethod(lambda x: x).__get__(object()).__code__


def _function(trace: Trace, f: Callable, args: Sequence[Value], kwargs: Any) -> Any:
    if trace is not None and args and f.__code__ in (_SINGLE, _SINGLE_METHOD):
        return _by_class(f, args, kwargs)
    if trace is None:
        return f(*args, **kwargs)
    if not is_rewritten(f, args, kwargs):
        return _as_it_stands(trace, f, args, kwargs)
    return _enter(trace, source.rewritten(f), args, kwargs)


def is_rewritten(f: Callable, args: Sequence[Any], kwargs: dict) -> bool:
    """Whether a function is the user's, or one of an installed package that is given values of run time or makes some."""
    given = (*args, *kwargs.values())
    return source.is_user(f) or (source.may_open(f) and (any(map(_is_traced, given)) or chance.leads_to(f)) and source.opens(f))


def _is_traced(x: Any) -> bool:
    """Whether an argument is a value of run time, a container of such or an object that holds one."""
    if isinstance(x, (Box, packed_lists.ListValue)):
        return True
    parts = x if type(x) in (tuple, list) else x.values() if type(x) is dict else getattr(x, "__dict__", {}).values()
    return any(isinstance(part, Box) for part in parts)


def _by_class(f: Any, args: Sequence[Value], kwargs: Any) -> Any:
    """functools.singledispatch, by the class that Python would see."""
    if f.__code__ is _SINGLE:
        cls = type_of(args[0])
        captured_values.ancestors(cls)
        captured_values.answered(f, ("dispatch", cls), found := f.dispatch(cls))
        return call(found, *args, **kwargs)
    raise UnsupportedError("functools.singledispatchmethod makes a new function at each access",
                           "dispatch in a function, by functools.singledispatch", tracing.locate())


def _enter(trace: Trace, f: Callable, args: Any, kwargs: dict) -> Any:
    """Call a rewritten function; recursion that no known value ends becomes a loop."""
    key, depth = id(f.__code__), len(trace.scopes)
    if recursion.mark(f) in trace.unroll:
        return recursion.enter(trace, f, args, kwargs)
    entered = trace.depth.setdefault(key, [])
    if entered:
        trace.recursive[entered[-1] < depth] += 1
        deep = len(entered) >= DEEPEST and entered[-DEEPEST] < entered[-1]
        if deep or trace.recursive[True] > BRANCHING or trace.recursive[False] > RECURSIVE:
            _endless(trace, f)
        if len(entered) >= recursion.LIMIT["calls"]:         # tracing stands on a larger stack than Python gives a program
            raise RecursionError("maximum recursion depth exceeded")
    entered.append(depth)
    if "<tg original>" in f.__dict__:
        trace.entered.setdefault(key, f)
        if (original := f.__dict__["<tg original>"]()) is not None:
            captured_values.entered(trace, original)
            if type(f.__globals__) is not dict:                  # it runs as it is (sourceless.py), and looks into objects
                captured_values.handed_over(*args, *kwargs.values())
    try:
        space: Any = f.__globals__
        return f(*args, **kwargs) if type(space) is dict else space.run(trace, f, args, kwargs)
    except RecursionError:
        if len(entered) > SHALLOW and entered[-SHALLOW] < entered[-1]:
            _endless(trace, f)
        raise
    finally:
        entered.pop()


def _endless(trace: Trace, f: Callable) -> NoReturn:
    """Only run time ends this recursion: trace again with it as a loop, unless a number that can be made static ends it."""
    conditions = [s.cond for s in trace.scopes if s.cond is not None]
    try:
        if conditions:
            tracing.make_static(conditions[-1], "recursion")
    except tracing.Restart as signal:
        signal.otherwise = recursion.mark(f)
        raise
    raise tracing.Restart((), [recursion.mark(f)])


def _as_it_stands(trace: Trace | None, f: Any, args: Sequence[Value], kwargs: Any) -> Any:
    """A call of what is not rewritten. What it reads of arrays is read now."""
    if trace is None:
        return f(*args, **kwargs)
    owner = getattr(f, "__self__", None)
    unrepeatable.expect_repeatable(trace, f, args)
    captured_values.handed_over(f, owner, *args, *kwargs.values())
    settings.called(f, (*args, *kwargs.values()))
    if isinstance(f, type) and captured_values.users(f):
        captured_values.UNTRACED[0](f)                              # an Enum, which has methods for the value that it is given
    if not isinstance(owner, _STORES):
        captured_arrays.note_read(owner, *args, kwargs)
    if isinstance(f, type) and f.__module__ == "itertools":        # they call what they are given when items are asked for
        args = [functools.partial(call, x) if isinstance(x, _CALLED) else x for x in args]
        kwargs = {name: functools.partial(call, x) if isinstance(x, _CALLED) else x for name, x in kwargs.items()}
    name = getattr(f, "__name__", None) or type(f).__name__
    what = f"{type(owner).__name__}.{name}" if isinstance(owner, (list, dict, set, collections.deque)) else f"{name}()"
    made = ownership.watched(trace, what, f, tuple(args), kwargs, owner, attributes=name in OF_OBJECTS)
    if not kwargs:
        untraced.found_by(f, args, made)
    return captured_arrays.made(_adopted(trace, made), owner, *args)


_CALLED = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodDescriptorType,
           types.WrapperDescriptorType, types.MethodWrapperType, functools.partial, type)


def as_it_stands(f: Callable, args: Sequence[Any], kwargs: Any) -> Any:
    """The same where a redirection finds that f need not be redirected."""
    return _as_it_stands(tracing.active(), f, args, kwargs)


# their methods hand on what they hold, and do not look into it
_STORES = (list, dict, set, frozenset, collections.deque, collections.defaultdict, collections.Counter, collections.OrderedDict)


def _method(trace: Trace, f: Any, args: tuple[float | str | type, ...], kwargs: Any) -> Box | tuple[Array | ArrayBox,
            ...] | None:
    function = f.__func__
    if trace is not None:
        captured_values.start(trace, f)
    if isinstance(f.__self__, Box) or not isinstance(function, types.FunctionType):
        captured_values.whole(*args, *kwargs.values(), deep=captured_values.ALL)
        return f(*args, **kwargs) if trace is None else captured_arrays.taken(f, f, args, kwargs)
    return call(function, f.__self__, *args, **kwargs)


def _builtin(trace: Trace, f: Callable, args: Any, kwargs: dict) -> bool | Iterable | None:
    """A method of a built-in object, or a function written in C."""
    owner, name = getattr(f, "__self__", None), f.__name__
    captured_values.owner(trace, f)
    if type(owner) in _CHANGES and name in SLOTS:
        return SLOTS[name](owner, *args)
    if name in OF_OBJECTS and getattr(type(owner), name) is getattr(object, name):
        return OF_OBJECTS[name](owner, *args)
    if owner is not None:
        ownership.expect_not_consumed(trace, owner, f"{name}()")
    if (answer := branches.tell(owner, name, *args)) is not None:
        return answer[0]
    if type(owner) is dict and name == "get" and args and type(args[0]) in captured_values.KEYS:
        captured_values.presence(owner, args[0])
        return captured_values.item(owner, args[0], owner[args[0]]) if args[0] in owner else f(*args, **kwargs)
    if type(owner) is list:
        if name == "append" and len(args) == 1 and list_scan_outputs.append(trace, owner, args[0]):
            return None
        list_scan_outputs.read(trace, owner)
    if type(owner) in _CHANGES and name in _CHANGES[type(owner)]:
        change_length(trace, owner, name, args)
    if type(owner) is list and name in LIST_METHODS and LIST_METHODS[name](owner, args, kwargs):
        return None
    if (type(owner) is list or type(owner) is tuple) and name in LOOKUPS and any(isinstance(x, Box) for x in (*owner, *args)):
        return LOOKUPS[name](owner, *args)
    if name == "__contains__" and type(owner) in (set, list) and args and isinstance(args[0], Box):
        tracing.need_concrete(args[0], f"{type(owner).__name__}.{name}")
    if type(owner) is str and format_strings.takes_part(name, args, kwargs):
        return format_strings.formatted(owner, name, [call(list, *args)] if name == "join" else args, kwargs)
    return _as_it_stands(trace, f, args, kwargs)


def _unbound(trace: Trace, f: Any, args: Sequence[Any], kwargs: dict) -> Any:
    """A method of a built-in class with its object as the first argument: list.append(xs, x) is xs.append(x)."""
    if args:
        x, name = args[0], f.__name__
        stands_in = not isinstance(x, f.__objclass__) and (type(x) in STAND_INS or issubclass(type_of(x), f.__objclass__))
        if getattr(type(x), name, None) is f or (stands_in and hasattr(x, name)):
            return call(getattr(x, name), *args[1:], **kwargs)
    return _as_it_stands(trace, f, args, kwargs)


def change_length(trace: Trace, owner: Any, name: str, args: Sequence[slice | Array | Box]) -> None:
    """A method, or `+=`, is about to change the length of a container."""
    what = f"{type(owner).__name__}.{name}" if name.isalpha() else f"`{name}`"
    packed_lists.expect_alone(trace, owner)
    try:
        ownership.expect_own(trace, owner, what)
        if name in ("extend", "+=") and any(isinstance(x, packed_lists.ListValue) and x.unbounded for x in args):
            raise UnsupportedError(f"{what} of a list of run-time length", "make arrays of them", tracing.locate())
    except (tracing.NeedUnroll, tracing.Restart) as signal:
        unrolls = not getattr(signal, "leaves", ()) or ownership.counter_decides(trace, owner)
        for told in list_scan_outputs.LENGTHENED if unrolls else ():
            told(trace, owner, name, args)
        raise
    except UnsupportedError:
        for told in OUTGROWN:
            told(trace, owner, name, args)
        raise


# classes of the tracer that stand for containers
STAND_INS: set[type] = set()
# name of a special method -> handler(held, …) of containers, and of any object (staging/assignment.py)
SLOTS: dict[str, Callable] = {}
OF_OBJECTS: dict[str, Callable] = {}
# told(trace, container, name, args) before a change of its length is refused (containers/lists/dynamic_lists.py)
OUTGROWN: list = []
# name -> handler(list, args, kwargs), true where it has done what the method does (containers/list_sort.py)
LIST_METHODS: dict = {}
# name -> what a method of lists and tuples is of items that only run time knows (containers/list_functions.py)
LOOKUPS: dict[str, Callable] = {}
_CHANGES: dict[type, set[str]] = {
    list: {"append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse"},
    dict: {"pop", "popitem", "clear", "update", "setdefault"},
    set: {"add", "discard", "remove", "pop", "clear", "update", "difference_update", "intersection_update",
          "symmetric_difference_update"},
    collections.deque: {"append", "appendleft", "pop", "popleft", "extend", "extendleft", "clear", "rotate", "insert", "remove",
                        "reverse"},
    collections.OrderedDict: {"pop", "popitem", "clear", "update", "setdefault", "move_to_end"},
    collections.defaultdict: {"pop", "popitem", "clear", "update", "setdefault"},
}


def _partial(trace: Trace, f: Any, args: tuple[np.ndarray | ArrayBox, ...], kwargs: dict) -> Box:
    for field in ("func", "args", "keywords"):
        captured_values.whole(captured_values.attribute(f, field, getattr(f, field)))
    return call(f.func, *f.args, *args, **{**f.keywords, **kwargs})


def _chosen(trace: Trace, f: if_join.FunctionPhi, args: Sequence[Value], kwargs: Any) -> Any:
    """Either function, where it is the one."""
    return branches.either(ScalarBox(f.flag, "bool"), lambda: call(f.then, *args, **kwargs),
                           lambda: call(f.other, *args, **kwargs))


def _other(trace: Trace, f: Any, args: Sequence[Value], kwargs: dict[str, ScalarBox]) -> Any:
    """A decorated function, a class with a metaclass, a callable object."""
    if isinstance(f, type):
        return BY_TYPE[type](trace, f, args, kwargs)
    plain = source.called(f)
    if plain is not f:
        with division.model_of(f):
            return call(plain, *args, **kwargs)
    own = getattr(type(f), "__call__", None)               # noqa: B004  (its __call__, not whether it has one)
    if isinstance(own, types.FunctionType) and source.is_user(own):
        captured_values.class_part(type(f), "__call__")
        return call(own, f, *args, **kwargs)
    return _as_it_stands(trace, f, args, kwargs)


# class of what is called -> handler; class_calls.py has that of classes, held_calls.py those of weak references and `operator`
BY_TYPE: dict[type, Callable] = {
            types.FunctionType: _function, types.MethodType: _method, types.BuiltinFunctionType: _builtin,
            functools.partial: _partial, if_join.FunctionPhi: _chosen, types.MethodWrapperType: _builtin,
            types.MethodDescriptorType: _unbound, types.WrapperDescriptorType: _unbound}


# Function -> handler(list, …), of lists that are none to the tracer (containers/lists/dynamic_lists.py adds to it).
OF_LISTS: dict = {f: functools.partial(packed_lists.reduced, f) for f in (sum, min, max)}
# builtin -> what is called in its place (builtin_calls.py; files for further kinds of arguments put theirs over it)
BUILTINS: dict[Any, Callable] = {}
