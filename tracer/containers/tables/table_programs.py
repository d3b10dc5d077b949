"""What the methods of Python's dicts and sets do, as programs over tables whose keys only run time knows (dynamic_dicts.py,
dynamic_sets.py): they are rewritten like a function of the user.

A table gives find(key), the position of a key or -1; enter(key), the same of one that may be new; at(position), a value.
"""
from __future__ import annotations

from typing import Any

import numpy as np

# --- dicts ------------------------------------------------------------------------------------------------------------


def item(held: Any, key: Any) -> Any:
    position = held.find(key)
    if position < 0:
        raise KeyError(held.said(key))
    return held.at(position)


def get(held: Any, key: Any, default: Any = None) -> Any:
    position = held.find(key)
    return held.at(position) if position >= 0 else default


def never() -> Any:
    """The value of a key of a dict into which nothing has been stored."""
    raise KeyError("the dict is empty")


def store(held: Any, key: Any, value: Any) -> None:
    position, new = held.enter(key)
    if new:
        held.add(key, value)
    else:
        held.put(position, value)


def from_keys(keys: Any, value: Any) -> Any:
    return {k: value for k in keys}                # noqa: C420  (which comes here)


def setdefault(held: Any, key: Any, default: Any = None) -> Any:
    position, new = held.enter(key)
    if new:
        held.add(key, default)
    return held.at(position)


def delete(held: Any, key: Any) -> None:
    position = held.removed(key)
    if position < 0:
        raise KeyError(held.said(key))


def pop(held: Any, key: Any, *default: Any) -> Any:
    position = held.removed(key)
    if default:
        return held.at(position) if position >= 0 else default[0]
    if position < 0:
        raise KeyError(held.said(key))
    return held.at(position)


def popitem(held: Any) -> Any:
    if len(held) == 0:
        raise KeyError("popitem(): dictionary is empty")
    while held.find(held.last_key()) != held.entered() - 1:
        held.drop()
    found = held.last_key(), held.at(held.entered() - 1)
    held.removed(found[0])
    held.drop()
    return found


def update(held: Any, items: Any) -> None:
    for key, value in items:
        store(held, key, value)


def count(held: Any, items: Any) -> None:
    for key in items:
        store(held, key, get(held, key, 0) + 1)


def add_counts(held: Any, items: Any) -> None:
    for key, value in items:
        store(held, key, get(held, key, 0) + value)


def most_common(held: Any, n: Any) -> Any:
    found = sorted(held.items(), key=lambda item: item[1], reverse=True)
    return found if n is None else found[:max(n, 0)]


def elements(held: Any) -> Any:
    for key, n in held.items():
        for _ in range(n):
            yield key


def total(held: Any) -> Any:
    found = 0
    for value in held.values():
        found += value
    return found


def same_items(held: Any, other: Any) -> Any:
    if len(held) != len(other):
        return False
    for key, value in held.items():
        position = other.find(key)
        if position < 0:
            return False
        if value != other.at(position):
            return False
    return True


def greatest(items: Any, key: Any, sign: Any, empty: Any) -> Any:
    """max(items, key=key), or min with sign -1: the first of equal ones."""
    n = len(items)
    if n == 0:
        raise ValueError(empty)
    best = items[0]
    value = key(best)
    for k in range(1, n):
        found = key(items[k])
        if (found > value if sign > 0 else found < value):
            best, value = items[k], found
    return best


def number_or(held: Any, key: Any, default: Any) -> Any:
    """The number of the list at a key, or of a default."""
    position = held.find(key)
    return held.at(position).row if position >= 0 else held.number_of(default)


def order_by(items: Any, key: Any, reverse: Any) -> Any:
    positions = []
    for k in range(len(items)):
        positions.append(k)
    return sorted(positions, key=lambda k: key(items[k]), reverse=reverse)


def in_order(items: Any, order: Any) -> Any:
    return [items[k] for k in order]


def greatest_at(items: Any, key: Any, sign: Any, empty: Any) -> Any:
    """The position of max(items, key=key), or of min with sign -1: the first of equal ones."""
    n = len(items)
    if n == 0:
        raise ValueError(empty)
    best = 0
    value = key(items[0])
    for k in range(1, n):
        found = key(items[k])
        if (found > value if sign > 0 else found < value):
            best, value = k, found
    return best


def known_item(keys: Any, values: Any, key: Any) -> Any:
    """An item of a dict with these keys, which are in order of size."""
    k = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
    if keys[k] != key:
        raise KeyError(key)
    return values[k]


def known_get(keys: Any, values: Any, key: Any, default: Any) -> Any:
    k = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
    return values[k] if keys[k] == key else default


# --- sets -------------------------------------------------------------------------------------------------------------

def add(held: Any, key: Any) -> None:
    _, new = held.enter(key)
    if new:
        held.add_key(key)


def discard(held: Any, key: Any) -> None:
    held.removed(key)


def remove(held: Any, key: Any) -> None:
    position = held.removed(key)
    if position < 0:
        raise KeyError(held.said(key))


def pop_any(held: Any) -> Any:
    position = held.taken()
    if position < 0:
        raise KeyError("pop from an empty set")
    return held.key_at(position)


def add_all(held: Any, items: Any) -> None:
    for key in items:
        add(held, key)


def merge(held: Any, other: Any) -> None:
    """held |= other, of two sets: as Python's, which copies where it has nothing yet."""
    if held.entered() == 0:
        held.replicate(other)
    else:
        held.room(len(other))
        add_all(held, other)


def add_common(made: Any, held: Any, other: Any) -> None:
    """The members of the smaller one that are in the other, which is the first where they are equal in size."""
    if len(other) > len(held):
        add_common_to(made, held, other)
    else:
        add_common_to(made, other, held)


def add_common_to(made: Any, fewer: Any, held: Any) -> None:
    for key in fewer:
        if held.find(key) >= 0:
            add(made, key)


def add_rest(made: Any, held: Any, other: Any) -> None:
    """held - other: where the other one is much smaller, Python copies and discards."""
    if len(held) >> 2 > len(other):
        made.replicate(held)
        discard_all(made, other)
    else:
        for key in held:
            if other.find(key) < 0:
                add(made, key)


def discard_all(held: Any, items: Any) -> None:
    for key in items:
        held.removed(key)


def exchange_all(held: Any, items: Any) -> None:
    """held ^= items: what is in both goes."""
    for key in items:
        if held.find(key) >= 0:
            held.removed(key)
        else:
            add(held, key)


def contains_all(held: Any, items: Any) -> Any:
    return all(held.find(key) >= 0 for key in items)


def contains_none(held: Any, items: Any) -> Any:
    return all(held.find(key) < 0 for key in items)
