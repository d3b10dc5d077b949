"""Calls that the class of an argument decides: values that stand for another until it is known what is asked of them."""
from __future__ import annotations

from typing import Any

from ..control import iteration
from ..values.python import chosen_texts, optional_values
from . import calls


def _of_optional(f: Any, args: tuple, kwargs: dict) -> Any:
    """NumPy's functions and builtins take no None; others may ask."""
    numpys = isinstance(f, calls.WITHOUT_SOURCE) or (getattr(f, "__module__", None) or "").startswith("numpy")
    if f in calls.LOOKING or not numpys:
        return NotImplemented
    return calls.call(f, *map(optional_values.needed, args), **{k: optional_values.needed(x) for k, x in kwargs.items()})


def _of_range(f: Any, args: tuple, kwargs: dict) -> Any:
    return args[0].length() if f is len else NotImplemented


calls.SPREAD |= {iteration.Range: _of_range, iteration.AnyOrder: _of_range, chosen_texts.ChosenText: chosen_texts.called,
                 optional_values.Optional: _of_optional}
