"""Expressions over the run-time lengths of a call (ir/analysis/lengths.py), as lines of a native entry."""
from __future__ import annotations

from ...ir.analysis.lengths import Expression
from .entry_writer import Writer

_PLAIN = {"add": "add", "sub": "sub", "mul": "mul", "and": "and", "or": "or"}
_COMPARED = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}
_EXTREME = {"min": "slt", "max": "sgt"}


def number(w: Writer, e: Expression, lengths: dict[str, str]) -> str:
    """The value of an expression, an i64. `lengths`: the register of each length."""
    if isinstance(e, int):
        return str(e)
    if isinstance(e, str):
        return lengths[e]
    name, *parts = e
    a, *rest = [number(w, part, lengths) for part in parts]
    if name == "not":
        return w.value(f"xor i64 {a}, 1")
    if name == "neg":
        return w.value(f"sub i64 0, {a}")
    if name == "abs":
        return w.value(f"select i1 {w.value(f'icmp slt i64 {a}, 0')}, i64 {w.value(f'sub i64 0, {a}')}, i64 {a}")
    if name == "select":
        return w.value(f"select i1 {w.value(f'icmp ne i64 {a}, 0')}, i64 {rest[0]}, i64 {rest[1]}")
    (b,) = rest
    if name in _PLAIN:
        return w.value(f"{_PLAIN[name]} i64 {a}, {b}")
    if name in _COMPARED:
        return w.value(f"zext i1 {w.value(f'icmp {_COMPARED[name]} i64 {a}, {b}')} to i64")
    if name in _EXTREME:
        return w.value(f"select i1 {w.value(f'icmp {_EXTREME[name]} i64 {a}, {b}')}, i64 {a}, i64 {b}")
    rest_of = w.value(f"srem i64 {a}, {b}")                       # b is a positive number
    below = w.value(f"icmp slt i64 {rest_of}, 0")
    if name == "mod":
        return w.value(f"select i1 {below}, i64 {w.value(f'add i64 {rest_of}, {b}')}, i64 {rest_of}")
    down = w.value(f"sext i1 {below} to i64")
    return w.value(f"add i64 {w.value(f'sdiv i64 {a}, {b}')}, {down}")


def holds(w: Writer, condition: Expression, lengths: dict[str, str]) -> str:
    """The i1 of a condition."""
    if type(condition) is tuple and condition[0] in _COMPARED:
        a, b = [number(w, part, lengths) for part in condition[1:]]
        return w.value(f"icmp {_COMPARED[condition[0]]} i64 {a}, {b}")
    return w.value(f"icmp ne i64 {number(w, condition, lengths)}, 0")
