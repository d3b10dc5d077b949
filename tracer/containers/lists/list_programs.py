"""What Python's lists, heapq and bisect do, as programs over items that are read and written one at a time: they are rewritten
like a function of the user where only run time knows a list's length or the order of its items.

A heap is a list in which no item is less than that at half its position: h[(k - 1) // 2] <= h[k]. CPython's own functions
decide by these comparisons in this order, so equal items leave in the same order.
"""
from __future__ import annotations

from typing import Any

import numpy as np

# --- lists ------------------------------------------------------------------------------------------------------------

def keys_of(held: Any, key: Any) -> Any:
    return [key(x) for x in held]


def least_by(held: Any, key: Any, message: str, default: tuple) -> Any:
    if len(held) == 0:
        if default:
            return default[0]
        raise ValueError(message)
    best = held[0]
    least = key(best)
    for x in held:
        found = key(x)
        if found < least:
            best, least = x, found
    return best


def greatest_by(held: Any, key: Any, message: str, default: tuple) -> Any:
    if len(held) == 0:
        if default:
            return default[0]
        raise ValueError(message)
    best = held[0]
    greatest = key(best)
    for x in held:
        found = key(x)
        if found > greatest:
            best, greatest = x, found
    return best


def pop(held: Any, position: Any) -> Any:
    n = len(held)
    if n == 0:
        raise IndexError("pop from empty list")
    if position < -n or position >= n:
        raise IndexError("pop index out of range")
    start = position + n if position < 0 else position
    found = held[start]
    for k in range(start, n - 1):
        held[k] = held[k + 1]
    held.pop()
    return found


def insert(held: Any, position: Any, item: Any) -> None:
    n = len(held)
    start = max(position + n, 0) if position < 0 else min(position, n)
    held.append(item)
    for k in range(n, start, -1):
        held[k] = held[k - 1]
    held[start] = item


def index(items: Any, item: Any, first: int, missing: str | None) -> Any:
    """The position of the first equal item, counted from `first`; missing: what is said where there is none."""
    k = first
    for x in items:
        if x == item:
            return k
        k += 1
    raise ValueError(missing or f"{item} is not in list")


def index_before(items: Any, item: Any, first: int, last: int) -> Any:
    """The same of items before one that is the very item, at position `last`."""
    k = first
    for x in items:
        if x == item:
            return k
        k += 1
    return last


def count(items: Any, item: Any) -> Any:
    found = 0
    for x in items:
        if x == item:
            found += 1
    return found


def remove(held: Any, item: Any) -> None:
    k = 0
    while k < len(held):
        if held[k] == item:
            break
        k += 1
    else:
        raise ValueError("list.remove(x): x not in list")
    pop(held, k)


def reverse(held: Any) -> None:
    n = len(held)
    for k in range(n // 2):
        other = held[k]
        held[k] = held[n - 1 - k]
        held[n - 1 - k] = other


def _bound(k: Any, count: Any, default: Any) -> Any:
    """A bound of a slice, as a position."""
    if k is None:
        return default
    if k < 0:
        return max(k + count, 0)
    return min(k, count)


def replace_part(held: Any, start: Any, stop: Any, items: Any) -> None:
    """held[start:stop] = items: what lies behind is put aside meanwhile."""
    count = len(held)
    first = _bound(start, count, 0)
    last = max(_bound(stop, count, count), first)
    rest = []
    while len(held) > last:
        rest.append(held.pop())
    while len(held) > first:
        held.pop()
    for x in items:
        held.append(x)
    while rest:
        held.append(rest.pop())


# --- deques (dynamic_deques.py): side 0 is the left pile, whose top is the first item; side 1 ends with the last ------------

def take(held: Any, side: Any) -> Any:
    """The item at one end, which leaves."""
    if held.held(side) > 0:
        return held.top(side)
    if held.held(1 - side) == 0:
        raise IndexError("pop from an empty deque")
    found = held.at(1 - side, 0)
    pass_over(held, 1 - side)
    return found


def pass_over(held: Any, side: Any) -> None:
    """The lowest item of a pile is none any more. When more are passed over than are left, these move into their places: for
    each step so far at most one does."""
    dead, left = held.dead(side) + 1, held.held(side) - 1
    held.pass_to(side, dead)
    if dead > left + 8:
        for k in range(left):
            held.put(side, k - dead, held.at(side, k))
        for _ in range(dead):
            held.top(side)
        held.pass_to(side, 0)


def _deque_place(held: Any, key: Any) -> Any:
    """(whether an item lies on the left, its position there from the bottom)."""
    left, count = held.held(0), held.held(0) + held.held(1)
    position = key + count if key < 0 else key
    if position < 0 or position >= count:
        raise IndexError("deque index out of range")
    first = position < left
    return first, (left - 1 - position if first else position - left)


def deque_item(held: Any, key: Any) -> Any:
    first, k = _deque_place(held, key)
    if first:
        return held.at(0, k)
    return held.at(1, k)


def set_deque_item(held: Any, key: Any, value: Any) -> None:
    first, k = _deque_place(held, key)
    if first:
        held.put(0, k, value)
    else:
        held.put(1, k, value)


# --- lists of lists (nested_lists.py) ---------------------------------------------------------------------------------

def push_row(held: Any, row: Any, item: Any) -> None:
    count = held.counts[row]
    if count == held.rooms[row]:
        first, start = held.starts[row], len(held.pool)
        for k in range(count):
            held.pool.append(held.pool[first + k])
        for _ in range(count + 2):                         # the places that are free hold anything
            held.pool.append(item)
        held.starts[row] = start
        held.rooms[row] = 2 * count + 2
    held.pool[held.starts[row] + count] = item
    held.counts[row] = count + 1


def pop_row(held: Any, row: Any) -> Any:
    count = held.counts[row]
    if count == 0:
        raise IndexError("pop from empty list")
    held.counts[row] = count - 1
    return held.pool[held.starts[row] + count - 1]


def repeat(made: Any, held: Any, times: Any) -> None:
    for _ in range(times):
        for x in held:
            made.append(x)


def mapped(function: Any, items: Any) -> Any:
    for x in items:
        yield function(x)


def filtered(function: Any, items: Any) -> Any:
    for x in items:
        if x if function is None else function(x):
            yield x


def unfiltered(function: Any, items: Any) -> Any:
    for x in items:
        if not (x if function is None else function(x)):
            yield x


def while_true(function: Any, items: Any) -> Any:
    for x in items:
        if not function(x):
            break
        yield x


def after_true(function: Any, items: Any) -> Any:
    begun = False
    for x in items:
        if begun or not function(x):
            begun = True
            yield x


def all_of(items: Any) -> Any:
    return [x for x in items]                                                                          # noqa: C416


def items_of(held: Any) -> Any:
    return [held[k] for k in range(len(held))]


def extend(held: Any, items: Any) -> None:
    for x in items:
        held.append(x)


def joined(a: Any, b: Any) -> Any:
    found: list = []
    extend(found, a)
    extend(found, b)
    return found


# --- lists of arrays (ragged_lists.py) ------------------------------------------------------------------------------------

def joined_arrays(held: Any, like: Any) -> Any:
    """np.concatenate of a list; like: an array of no rows that are as those of its arrays."""
    if len(held) == 0:
        raise ValueError("need at least one array to concatenate")
    count = 0
    for part in held:
        count += len(part)
    found = np.empty((count, *like.shape[1:]), like.dtype)
    start = 0
    for part in held:
        found[start:start + len(part)] = part
        start += len(part)
    return found


def cut(x: Any, ends: Any) -> Any:
    """np.split of an array at some positions."""
    found = []
    start = 0
    for end in ends:
        found.append(x[start:end])
        start = end
    found.append(x[start:])
    return found


# --- loops over lists that change (live_lists.py) -------------------------------------------------------------------------

def live(held: Any) -> Any:
    k = 0
    while k < len(held):
        yield held[k]
        k += 1


def live_backwards(held: Any) -> Any:
    k = len(held) - 1
    while 0 <= k < len(held):
        yield held[k]
        k -= 1


def equal(a: Any, b: Any) -> Any:
    if len(a) != len(b):
        return False
    return all(a[k] == b[k] for k in range(len(a)))


def contains(held: Any, item: Any) -> Any:
    return any(x == item for x in held)


def put_back(held: Any, items: Any) -> None:
    for k in range(len(held)):
        held[k] = items[k]


# --- heapq ------------------------------------------------------------------------------------------------------------

def _up(heap: Any, first: Any, position: Any) -> None:
    """Move an item towards `first` until what it lies below is no greater."""
    item = heap[position]
    while position > first:
        above = (position - 1) // 2
        if not item < heap[above]:
            break
        heap[position] = heap[above]
        position = above
    heap[position] = item


def _down(heap: Any, first: Any) -> None:
    """Let lesser items rise into the place of the first, to the end; then put it there and move it up."""
    n = len(heap)
    item = heap[first]
    position = first
    child = 2 * position + 1
    while child < n:
        if child + 1 < n and not heap[child] < heap[child + 1]:
            child += 1
        heap[position] = heap[child]
        position = child
        child = 2 * position + 1
    heap[position] = item
    _up(heap, first, position)


def heappush(heap: Any, item: Any) -> None:
    heap.append(item)
    _up(heap, 0, len(heap) - 1)


def heappop(heap: Any) -> Any:
    if len(heap) == 0:
        raise IndexError("index out of range")
    least = heap[0]
    last = heap.pop()
    if len(heap) > 0:
        heap[0] = last
        _down(heap, 0)
    return least


def heapreplace(heap: Any, item: Any) -> Any:
    if len(heap) == 0:
        raise IndexError("index out of range")
    least = heap[0]
    heap[0] = item
    _down(heap, 0)
    return least


def heappushpop(heap: Any, item: Any) -> Any:
    least = item
    if len(heap) > 0 and heap[0] < item:
        least = heap[0]
        heap[0] = item
        _down(heap, 0)
    return least


def heapify(heap: Any) -> None:
    for k in range(len(heap) // 2 - 1, -1, -1):
        _down(heap, k)


def nlargest(n: Any, items: Any, key: Any = None) -> Any:
    return sorted(items, key=key, reverse=True)[:max(n, 0)]


def nsmallest(n: Any, items: Any, key: Any = None) -> Any:
    return sorted(items, key=key)[:max(n, 0)]


# --- bisect -----------------------------------------------------------------------------------------------------------

def bisect_left(a: Any, x: Any, lo: Any = 0, hi: Any = None, *, key: Any = None) -> Any:
    return _position(a, x, lo, hi, key, False)


def bisect_right(a: Any, x: Any, lo: Any = 0, hi: Any = None, *, key: Any = None) -> Any:
    return _position(a, x, lo, hi, key, True)


def _position(a: Any, x: Any, lo: Any, hi: Any, key: Any, right: bool) -> Any:
    """Where x stands before its equals, or behind them. Of two items only `<` is asked, x on the side where CPython has it."""
    if lo < 0:
        raise ValueError("lo must be non-negative")
    end = len(a) if hi is None else hi
    while lo < end:
        middle = (lo + end) // 2
        item = a[middle] if key is None else key(a[middle])
        if (not x < item) if right else item < x:
            lo = middle + 1
        else:
            end = middle
    return lo


def insort_left(a: Any, x: Any, lo: Any = 0, hi: Any = None, *, key: Any = None) -> None:
    a.insert(bisect_left(a, x if key is None else key(x), lo, hi, key=key), x)


def insort_right(a: Any, x: Any, lo: Any = 0, hi: Any = None, *, key: Any = None) -> None:
    a.insert(bisect_right(a, x if key is None else key(x), lo, hi, key=key), x)
