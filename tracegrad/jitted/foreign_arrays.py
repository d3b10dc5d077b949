"""Arrays of other libraries as arguments: a call that has some is made once more with the NumPy arrays that they give.

Compiled code takes NumPy arrays only, so a JAX array or a PyTorch tensor comes to Python, which looks up the specialisation
slowly. The NumPy array that it gives is taken by compiled code at once.
"""
from __future__ import annotations

from typing import Any

from ..tracer.staging.arguments import parameters_of
from ..tracer.staging.signature import taken

_CONTAINERS = (tuple, list, dict)


def replaced(jitted: Any, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
    """The arguments of a call with NumPy's arrays; None where there is nothing to replace, or an array cannot be had.

    Lists and dicts are made anew, so a function that changes the caller's own, or returns them, gets the call as it stands.
    """
    given = _Given()
    try:
        fixed = parameters_of(jitted.root).positions(*jitted.static.values())
        found = tuple([x if k in fixed else given.of(x) for k, x in enumerate(args)])
        named = {k: x if k in fixed else given.of(x) for k, x in kwargs.items()}
    except Exception:                                    # the call as it stands says which argument is not fit, and why
        return None
    same = all(map(_is, found, args)) and all(map(_is, named.values(), kwargs.values()))
    if same or (given.remade and jitted.delivers and not _leaves_containers(jitted, found, named)):
        return None
    return found, named


def _leaves_containers(jitted: Any, args: tuple, kwargs: dict[str, Any]) -> bool:
    """Whether there is code for such a call, and none of the function's code has to do with the caller's containers."""
    known = jitted.specialisations
    return (not any(s.about.traced is None or s.about.traced.refers_to_objects for s in known)
            and any(s.match(args, kwargs) is not None for s in known))


def _is(a: Any, b: Any) -> bool:
    return a is b


class _Given:
    """What the arguments of one call give: one array for each object, however often it is passed.

    remade   whether a list or dict is another object now
    """

    def __init__(self) -> None:
        self.arrays: dict[int, Any] = {}
        self.remade = False

    def of(self, x: Any) -> Any:
        """x with the arrays that its leaves give; x itself where no leaf is another library's."""
        cls = type(x)
        if cls not in _CONTAINERS:
            found = self.arrays.get(id(x))
            if found is None:
                found = self.arrays[id(x)] = taken(x)
            return found
        made = [self.of(child) for child in (x.values() if cls is dict else x)]
        if all(map(_is, made, x.values() if cls is dict else x)):
            return x
        self.remade |= cls is not tuple
        return dict(zip(x, made)) if cls is dict else cls(made)
