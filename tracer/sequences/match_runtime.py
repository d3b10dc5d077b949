"""What the tests that syntax/match_lowering.py makes of `match` ask of their subject while the program is traced."""
from __future__ import annotations

import ast
import collections.abc
from typing import Any

from ..calling import calls, types_seen
from ..values import captured_values
from ..values.boxes import Box, ScalarBox

_SELF = (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple)      # their one sub-pattern is the whole


def is_sequence(subject: ast.Name, count: int, longer: bool) -> bool:
    """Whether a sequence pattern of so many items fits. Arrays are no sequences, as in Python."""
    if isinstance(subject, (str, bytes, bytearray, Box)) or not isinstance(subject, collections.abc.Sequence):
        return False
    captured_values.whole(subject)
    return len(subject) >= count if longer else len(subject) == count


def rest_of(subject: Any, before: int, after: int) -> list:
    """What `*rest` captures."""
    return calls.call(list, subject[before:len(subject) - after])


def has_keys(subject: Any, keys: list[ScalarBox]) -> bool:
    if not isinstance(subject, collections.abc.Mapping):
        return False
    for k in keys:
        captured_values.presence(subject, k)
    return all(k in subject for k in keys)


def others_of(subject: Any, keys: list[ScalarBox]) -> dict:
    """What `**rest` captures."""
    captured_values.whole(subject)
    return calls.call(dict, [(k, v) for k, v in subject.items() if k not in keys])


def is_instance(subject: ast.Name, cls: Any, count: int, names: tuple[str, ...]) -> bool:
    """Whether an object is of a class and has the attributes that a class pattern names."""
    if not types_seen.isinstance_(subject, cls):
        return False
    known = calls.call(getattr, cls, "__match_args__", ())
    captured_values.whole(known)
    if cls not in _SELF and count > len(known):
        raise TypeError(f"{cls.__name__}() accepts {len(known)} positional sub-patterns ({count} given)")
    return all(calls.call(hasattr, subject, n) for n in (*names, *(() if cls in _SELF else known[:count])))


def part_of(subject: ast.Name, cls: Any, k: int) -> Any:
    """What a positional sub-pattern of a class looks at."""
    return subject if cls in _SELF else calls.call(getattr, subject, cls.__match_args__[k])


HELPERS = {"is_sequence": is_sequence, "rest_of": rest_of, "has_keys": has_keys, "others_of": others_of,
           "is_instance": is_instance, "part_of": part_of}
