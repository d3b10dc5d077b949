"""Arguments that Numba has made: the call is given Python's in their place, of which they get what the program made of them.

    an instance of a jitclass       an object of the Python class with its fields
    numba.typed.List, Dict          a list, a dict
"""
from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from ..ir.errors import ArgumentTypeError
from ..tracer.calling import jitclasses


def opened_call(f: Callable, args: tuple, kwargs: dict[str, Any]) -> Callable[[], Any] | None:
    """f(*args, **kwargs) with Python's objects in the place of those that Numba has made; None where there is none."""
    if "numba.typed" not in sys.modules or not _holds(args, kwargs):
        return None
    found = Opened()
    opened, named = tuple(map(found.open, args)), {name: found.open(x) for name, x in kwargs.items()}
    return functools.partial(_run, found, f, opened, named) if found.made else None


def _run(found: Opened, f: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    try:
        returned = f(*args, **kwargs)
    finally:
        found.write()
    return found.close(returned)


def _is_instance(x: Any) -> bool:
    return type(x).__module__ == "numba.experimental.jitclass.boxing" and hasattr(x, "_numba_type_")


def _is_typed(x: Any) -> bool:
    return type(x).__module__.startswith("numba.typed.") and type(x).__name__ in ("List", "Dict")


def _holds(args: tuple, kwargs: dict[str, Any]) -> bool:
    """Whether arguments, or items of their tuples at any depth, are such objects."""
    waiting, seen = [*args, *kwargs.values()], set[int]()
    for x in waiting:                                      # which grows meanwhile
        if type(x) is tuple and id(x) not in seen:
            seen.add(id(x))
            waiting += x
        elif _is_instance(x) or _is_typed(x):
            return True
    return False


class Opened:
    """The arguments of a call with Python's objects in the place of Numba's."""

    def __init__(self) -> None:
        self.made: dict[int, tuple[Any, Any, Any]] = {}     # id of either -> both, and what they held at first

    def open(self, x: Any) -> Any:
        if type(x) is tuple:
            return tuple(map(self.open, x))
        if id(x) in self.made:
            return self.made[id(x)][1]
        if _is_instance(x):
            cls = x._numba_type_.class_type
            made: Any = object.__new__(jitclasses.plain(cls))
            before: Any = {name: self.open(getattr(x, name)) for name in cls.struct}
            made.__dict__.update(before)
        elif _is_typed(x):
            before = _items(x, self.open)
            made = before.copy()
        else:
            return x
        self.made[id(x)] = self.made[id(made)] = (x, made, before)
        return made

    def close(self, x: Any) -> Any:
        """What a program returned, with the objects of the call in it."""
        if id(x) in self.made:
            return self.made[id(x)][0]
        return type(x)(map(self.close, x)) if type(x) in (tuple, list) else x

    def write(self) -> None:
        """Numba's objects get what the program assigned."""
        for x, made, before in {id(x[0]): x for x in self.made.values()}.values():
            if not _is_typed(x):
                self.give_fields(x, made, before)
            elif type(made) is dict:
                self.give_values(x, made, before)
            else:
                self.give_items(x, made, before)

    def give_fields(self, x: Any, made: Any, before: dict) -> None:
        for name, value in made.__dict__.items():
            if name not in before:
                raise ArgumentTypeError(f"`.{name}` is no field of the jitclass {type(x).__name__}",
                                        "name it, with its type, in the specification of the class")
            if value is not before[name]:
                setattr(x, name, self.close(value))

    def give_values(self, x: Any, made: dict, before: dict) -> None:
        if [*made][:len(before)] != [*before]:             # keys were taken out: the others come in another order
            x.clear()
            before = {}
        for key, value in made.items():
            if key not in before or value is not before[key]:
                x[key] = self.typed(value, x, "value_type")

    def give_items(self, x: Any, made: list, before: list) -> None:
        while len(x) > len(made):
            x.pop()
        for k, value in enumerate(made):
            if k >= len(x):
                x.append(self.typed(value, x, "item_type"))
            elif value is not before[k]:
                x[k] = self.typed(value, x, "item_type")

    def typed(self, value: Any, x: Any, part: str) -> Any:
        """What a container takes: of a list or dict that the program made, one of the declared type."""
        if id(value) in self.made or type(value) not in (list, dict):
            return self.close(value)
        made = _empty(x, part, value)
        (self.give_items if type(value) is list else self.give_values)(made, value, type(value)())
        return made


def _items(x: Any, opened: Callable) -> list | dict:
    kind = list if type(x).__name__ == "List" else dict
    if not x._typed:                                        # it holds nothing, and has no type yet
        return kind()
    return {k: opened(v) for k, v in x.items()} if kind is dict else list(map(opened, x))


def _empty(x: Any, part: str, value: Any) -> Any:
    """An empty container of the type that the items of `x` have."""
    typed = sys.modules["numba.typed"]
    declared = getattr(x._numba_type_, part) if x._typed else None
    if declared is None:
        return typed.List() if type(value) is list else typed.Dict()
    return typed.List.empty_list(declared.item_type) if type(value) is list else typed.Dict.empty(declared.key_type,
                                                                                                  declared.value_type)
