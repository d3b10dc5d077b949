"""Questions about objects outside of a function that no single place answers: they are asked again at each call.

    Place("asked", class, ("subclass", kinds))      issubclass(class, kinds)         ABC.register, metaclasses of users
    Place("asked", object, ("instance", kind))      isinstance(object, kind)         typing.runtime_checkable
    Place("asked", function, ("dispatch", class))   function.dispatch(class)         functools.singledispatch
    Place("asked", class, ("special", name))        what Python finds for x.name of an object x of the class, or None
    Place("asked", reference, ("referent",))        what a weak reference leads to
    Place("asked", object, ("names",))              the names in vars(object)
    Place("asked", object, ("told", function))      function(object), of a function of this package
    Place("asked", object, ("call", name, …))       object.name(…), of an object whose content Python does not see
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _special(cls: type, name: str) -> Any:
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


_ANSWERS: dict[str, Callable] = {
    "subclass": issubclass, "instance": isinstance, "special": _special,
    "dispatch": lambda function, cls: function.dispatch(cls), "referent": lambda reference: reference(),
    "names": lambda held: tuple(vars(held)), "told": lambda held, function: function(held),
    "call": lambda held, name, *args: getattr(held, name)(*args),
}


def answer(held: Any, question: tuple) -> Any:
    """The answer as it is now; raises what Python raises."""
    return _ANSWERS[question[0]](held, *question[1:])
