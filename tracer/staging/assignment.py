"""Loads and stores of items and attributes: of boxes, of arrays from outside, of Python objects."""
from __future__ import annotations

import collections
import functools
import operator
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ...ir.errors import ConcretizationError, UnsupportedError
from .. import tracing
from ..calling import calls, dispatch, jitclasses
from ..containers import array_choice, list_sort
from ..control import branches, other_names, packed_lists
from ..regions import leaf_types, list_scan_outputs
from ..sequences import records
from ..syntax import nonlocals, source
from ..values import boxes, captured_values, ownership
from ..values.boxes import ArrayBox, Box, ScalarBox
from ..values.python import optional_values
from ..values.python.chosen_texts import ChosenText
from . import dunder_dispatch

if TYPE_CHECKING:
    from ...ir.core import Value
    from ...ir.types import Array
    from ..containers.array_choice import ArrayChoice
    from ..tracing import Trace


def getitem(held: Any, key: Any) -> Any:
    """held[key]: an array from outside of the trace takes traced positions, as do np.c_ and its kind."""
    handler, trace = dispatch.SUBSCRIPTS.get(type(held)), tracing.active()
    if trace is not None:
        if handler is not None:
            return handler(held, key)
        list_scan_outputs.read(trace, held)
        if type(key) is ChosenText and isinstance(held, dict):
            captured_values.whole(held)
            if all(text in held for text in key.texts) and any(isinstance(held[text], Box) for text in key.texts):
                found = list_sort.item_at(trace, tuple([held[text] for text in key.texts]), ScalarBox(key.which, "int"))
                if found is not NotImplemented:
                    return found
            if any(isinstance(x, (list, packed_lists.ListValue)) for x in held.values()):
                branches.tell(held, "__getitem__", key)
            return key.each(lambda text: held[text])
        if type(key) is slice and type(held) is list and any(_is_of_run_time(x) for x in (key.start, key.stop, key.step)):
            packed_lists.outgrow(trace, held, "pop", ())
            if not held:
                return held[:]
            if (kind := packed_lists.element_kind(held)) is not None:        # a list of no place, as a loop carries it
                return packed_lists.fresh(packed_lists.PackedList(boxes.HOOKS["array"](list(held)), kind)[key])
        if isinstance(key, ScalarBox):
            captured_values.whole(held)
            found = list_sort.item_at(trace, held, key)
            if found is not NotImplemented:
                return found
        if (answer := branches.tell(held, "__getitem__", key)) is not None:
            return answer[0]
        _expect_no_new_item(trace, held, key)
        found = dunder_dispatch.item(held, key)
        if type(key) is slice:
            return packed_lists.made(found) if type(held) is list else packed_lists.fresh(found)
        return found
    return held[key]


def _is_of_run_time(x: Any) -> bool:
    return isinstance(x, ScalarBox) and tracing.constant(x.read()) is None


def _expect_no_new_item(trace: Trace, held: Any, key: Any) -> None:
    """Reading an item that a collections.defaultdict does not have makes it."""
    branches.tell(held, "__getitem__", key)
    if isinstance(held, collections.defaultdict) and not isinstance(key, Box) and key not in held:
        _expect_own(trace, held, "an item", key)


def _expect_own(trace: Trace, held: Any, what: str, key: Any) -> None:
    """The program may change the size of a container here."""
    try:
        ownership.expect_own(trace, held, {"an item": "an assignment to a new item"}.get(what, what))
    except UnsupportedError:
        for told in calls.OUTGROWN if isinstance(held, (dict, set)) else ():
            told(trace, held, what, (key,))
        raise


def outer(x: Any) -> Any:
    """Marks an object that the function reaches through a global or free variable."""
    trace = tracing.active()
    if trace is not None and isinstance(x, (list, dict, set, collections.deque)):
        trace.outer[id(x)] = x
    return x


def setitem(value: Any, held: Any, key: Any) -> None:
    """held[key] = value."""
    trace = tracing.active()
    held = optional_values.needed(held, "'NoneType' object does not support item assignment")
    if trace is None or isinstance(held, ArrayBox):
        held[key] = value
    elif isinstance(held, np.ndarray):
        _into_array(trace, held, key, value)
    elif isinstance(held, packed_lists.Settling):
        held[key] = value
    elif isinstance(held, (list, dict)):
        _into_container(trace, held, key, value)
    else:
        method = getattr(type(held), "__setitem__", None)
        if isinstance(method, types.FunctionType) and source.is_user(method):
            calls.call(method, held, key, value)
        else:
            ownership.watched(trace, "an assignment to an item", operator.setitem, (held, key, value), {})


def _into_array(trace: Trace, held: Any, key: Any, value: Any) -> None:
    if trace.maker(held) < 0:
        boxes.lift(held)[key] = value                          # says that a captured array cannot be overwritten
    else:
        held[key] = value


def _into_container(trace: Trace, held: dict[str, ArrayBox] | list[Array | Box], key: Any,
                    value: Any) -> None:
    list_scan_outputs.read(trace, held)
    packed_lists.expect_alone(trace, held)
    branches.tell(held, "__setitem__", key)
    other_names.expect_assignable(trace, held, "an assignment to an item")
    if ownership.is_outside(trace, held):
        ownership.expect_own(trace, held, "an assignment to an item")
    if isinstance(key, Box):
        packed_lists.pack(trace, held)
        if isinstance(held, list) and any(isinstance(x, (list, packed_lists.ListValue)) for x in held):
            for told in list_sort.NESTED:
                told(trace, held)
        try:
            key = tracing.need_concrete(key, f"an assignment to an item of a {type(held).__name__}")
        except ConcretizationError:
            packed_lists.outgrow(trace, held, "append", (value,))
            raise
    if isinstance(key, slice):
        _change_part(trace, held, "extend", (value,), lambda: operator.setitem(held, key, value))
        return
    if isinstance(held, dict) and key not in held:
        _expect_own(trace, held, "an item", key)
        held[key] = value
        return
    if isinstance(held, list):
        key = operator.index(key)
        key += len(held) if key < 0 else 0
    other_names.assign(trace, (held, False, key), value, "an assignment to an item")


def _change_part(trace: Trace, held: Any, name: str, args: tuple, change: Callable) -> None:
    """Change a slice of a list, after which it has such entries as after list.<name>(*args)."""
    try:
        ownership.expect_own(trace, held, "`del`" if name == "pop" else "an assignment to a slice")
        change()
    except (ConcretizationError, UnsupportedError):
        for told in calls.OUTGROWN:
            told(trace, held, name, args)
        raise


_WEAK = {"f": float, "c": complex, "i": int, "b": bool}


def declared(kind: str, value: Any) -> Any:
    """What a variable of the type `kind` holds. An int of 64 bits is Python's own, and so is one that fits into fewer; a number
    of Python that is converted to 64 bits stays one."""
    if not isinstance(value, (ScalarBox, int, float, complex, np.generic)):
        return value                                       # an array, None, or what has no value on this path
    dtype = np.dtype(kind)
    python = value.weak if isinstance(value, ScalarBox) else not isinstance(value, np.generic)
    if dtype in (np.bool_, np.int64) or (python and dtype in (np.float64, np.complex128)):
        return calls.call(_WEAK[dtype.kind], value)
    is_int = value.weak == "int" if isinstance(value, ScalarBox) else type(value) is int and -2 ** 63 <= value < 2 ** 63
    if dtype.kind in "iu" and is_int:
        value = calls.call(np.int64, value)                # of NumPy, whose conversion to fewer bits wraps around
    made = calls.call(dtype.type, value)
    return calls.call(int, made) if dtype.kind in "iu" and dtype.itemsize < 8 else made


def setattr_(value: Any, held: Any, name: str) -> None:
    """held.name = value."""
    trace = tracing.active()
    held = optional_values.needed(held, f"'NoneType' object has no attribute '{name}'")
    if trace is None or isinstance(held, (Box, records.Records)):
        setattr(held, name, value)
        return
    if jitclasses.KINDS and name in (kinds := jitclasses.KINDS.get(type(held), {})):
        value = declared(kinds[name], value)
    descriptor = getattr(type(held), name, None)
    if isinstance(descriptor, property) and descriptor.fset is not None and isinstance(descriptor.fset, types.FunctionType):
        calls.call(descriptor.fset, held, value)
        return
    other_names.expect_assignable(trace, held, f"`.{name} =`")
    if isinstance(held, types.CellType):
        nonlocals.expect_own(trace, held)
    elif trace.maker(held) < 0 and not _inner(trace, held) and id(held) not in trace.shared:
        _refuse(trace, held, name)
    if isinstance(getattr(type(held), "__setattr__", None), types.FunctionType):          # it runs as it is
        captured_values.class_part(type(held), "__setattr__")
        captured_values.UNTRACED[0](type(held).__setattr__)
    other_names.assign(trace, (held, True, name), value, f"`.{name} =`")


def _refuse(trace: Trace, held: Any, name: str) -> NoReturn:
    """An object that is not the trace's own."""
    cls, what = type(held), f"`.{name} =` changes a {type(held).__name__} that"
    if id(held) in trace.whole:
        raise tracing.Reveal(cls, None, UnsupportedError(
            f"{what} is an argument, but not the only way to it, or to something that it holds; or its class has code of its "
            "own for its attributes", "let each object be reached in one way, or return the value", tracing.locate()))
    raise UnsupportedError(f"{what} exists outside of the traced function",
                           "return the value, or make the object inside the function", tracing.locate())


def _inner(trace: Trace, held: Any) -> bool:
    """Whether this is a function that the traced program has made."""
    return isinstance(held, types.FunctionType) and id(held.__code__) in tracing.PLACES and id(held) not in trace.outer


def delivered(returned: Any, values: tuple, places: tuple[tuple[int, Any], ...], objects: tuple) -> Any:
    """What a program returns that stands inside another one, whose objects get what it assigned to them."""
    for (number, key), value in zip(places, values):
        held = objects[number]
        if isinstance(held, list) and key == len(held):
            calls.call(held.append, value)
        elif isinstance(held, (dict, list)):
            setitem(value, held, key)
        else:
            setattr_(value, held, key)
    return returned


def named(value: Value, held: Any, name: str) -> Any:
    """`(held.name := value)`, which stands for a `:=` of a variable."""
    setattr_(value, held, name)
    return value


def delete(held: Any, key: Any, attribute: bool) -> None:
    trace = tracing.active()
    held = optional_values.needed(held, "'NoneType' object doesn't support item deletion")
    if trace is not None and not isinstance(held, packed_lists.Settling):
        branches.tell(held, "__delitem__", key)
        if type(held) is list and isinstance(key, slice):
            _change_part(trace, held, "pop", (), lambda: operator.delitem(held, key))
            return
        _expect_own(trace, held, "`del`", key)
    if attribute:
        delattr(held, key)
    else:
        del held[key]


def augment(held: Any, value: Any, op: str) -> Any:
    """`name op= value`: what the name is bound to."""
    trace, held = tracing.active(), optional_values.needed(held)
    if trace is not None and type(held) in (list, set, dict, collections.deque):
        branches.tell(held, "update", value)
        calls.change_length(trace, held, _SIGN[op], (value,))
    elif trace is not None and isinstance(held, np.ndarray) and trace.maker(held) < 0:
        held = boxes.lift(held)
    elif isinstance(held, packed_lists.Settling) and hasattr(type(held), f"__{op}__"):
        return getattr(held, f"__{op}__")(value)
    elif trace is not None and not isinstance(held, Box) and not hasattr(type(held), f"__{op}__"):
        return dunder_dispatch.operate(op[1:], held, value)
    elif type(held) is array_choice.ArrayChoice:
        return held.augmented(op, value)
    elif trace is not None and not isinstance(held, Box):
        return dunder_dispatch.augmented(op[1:], held, value) if isinstance(getattr(type(held), f"__{op}__"),
                                                                            types.FunctionType) \
            else ownership.watched(trace, f"`{_SIGN[op]}`", getattr(operator, op), (held, value), {})
    return getattr(operator, op)(held, value)


_SIGN = {"iadd": "+=", "isub": "-=", "imul": "*=", "itruediv": "/=", "ifloordiv": "//=", "imod": "%=", "ipow": "**=",
         "ilshift": "<<=",
         "irshift": ">>=", "ior": "|=", "ixor": "^=", "iand": "&=", "imatmul": "@="}


def aug_item(held: ArrayChoice | ArrayBox, key: Any) -> tuple[ArrayChoice | ArrayBox, Any, Box]:
    """What `held[key] op= …` starts from: (held, key, held[key])."""
    trace = tracing.active()
    if isinstance(held, np.ndarray) and trace is not None and trace.maker(held) < 0:
        held = boxes.lift(held)
    if type(held) is list and isinstance(key, Box):
        found = list_sort.item_at(trace, held, key)
        if type(found) is array_choice.ArrayChoice:
            return held, key, found
        packed_lists.pack(trace, held)
    if trace is not None:
        _expect_no_new_item(trace, held, key)
    return held, key, held[key]


def aug_setitem(place: tuple[ArrayChoice | ArrayBox, Any, Box], value: float | Box, op: str) -> None:
    held, key, found = place
    if isinstance(found, ArrayBox) and isinstance(held, (array_choice.ArrayChoice, packed_lists.Settling)):
        found = boxes.array(found.read())                      # which array it is a view of is not known: a copy, stored back
    made = augment(found, value, op)
    written = made is found and (type(found) is array_choice.ArrayChoice or (
        isinstance(found, ArrayBox) and isinstance(held, ArrayBox) and found.root is held.root))
    if not written:                                            # a view is written through; what an index array gathered is not
        setitem(made, held, key)


def aug_attr(held: Any, name: str) -> Any:
    return held, name, leaf_types.value(getattr(held, name))


def aug_setattr(place: tuple[Any, str, int | ScalarBox], value: float, op: str) -> None:
    held, name, found = place
    made = augment(found, value, op)
    if made is not found:
        setattr_(made, held, name)


calls.BUILTINS[setattr] = lambda held, name, value: setattr_(value, held, name)
calls.BUILTINS[delattr] = lambda held, name: delete(held, name, True)
calls.SLOTS.update({"__setitem__": lambda held, key, value: setitem(value, held, key), "__getitem__": getitem,
                    "__delitem__": lambda held, key: delete(held, key, False),
                    **{f"__{op}__": functools.partial(augment, op=op) for op in _SIGN}})
calls.OF_OBJECTS.update({"__setattr__": lambda held, name, value: setattr_(value, held, name),
                         "__delattr__": lambda held, name: delete(held, name, True)})
calls.BUILTINS.update({operator.setitem: calls.SLOTS["__setitem__"], operator.delitem: calls.SLOTS["__delitem__"],
                       operator.iconcat: calls.SLOTS["__iadd__"],
                       **{getattr(operator, op): calls.SLOTS[f"__{op}__"] for op in _SIGN}})
