"""Arrays of other libraries as arguments: a call that has some is made once more with the NumPy arrays that they give.

Compiled code takes NumPy arrays only, so a JAX array or a PyTorch tensor comes to Python, which looks up the specialisation
slowly. The NumPy array that it gives is taken by compiled code at once.
"""
from __future__ import annotations

from typing import Any

from ..tracer.staging.arguments import parameters_of
from ..tracer.staging.signature import taken


def replaced(jitted: Any, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
    """The arguments of a call with NumPy's arrays; None where there is nothing to replace, or an array cannot be had.

    Lists and dicts are looked into where the function only derives: one that it changed would have to be the caller's own.
    """
    fixed: Any = ()
    containers = (tuple,) if jitted.delivers else (tuple, list, dict)
    try:
        if any(jitted.static.values()):
            fixed = parameters_of(jitted.root).positions(*jitted.static.values())
        found = tuple([x if k in fixed else _numpys(x, containers) for k, x in enumerate(args)])
        named = {k: x if k in fixed else _numpys(x, containers) for k, x in kwargs.items()}
    except Exception:                                    # the call as it stands says which argument is not fit, and why
        return None
    same = all(map(_is, found, args)) and all(map(_is, named.values(), kwargs.values()))
    return None if same else (found, named)


def _is(a: Any, b: Any) -> bool:
    return a is b


def _numpys(x: Any, containers: tuple[type, ...]) -> Any:
    """x with the arrays that its leaves give; x itself where no leaf is another library's."""
    if type(x) not in containers:
        return x if type(x) in (list, dict) else taken(x)
    if type(x) is dict:
        made = [_numpys(child, containers) for child in x.values()]
        return x if all(map(_is, made, x.values())) else dict(zip(x, made))
    made = [_numpys(child, containers) for child in x]
    return x if all(map(_is, made, x)) else type(x)(made)
