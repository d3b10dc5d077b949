"""Checks at run time that fail as Python's own code does."""
from __future__ import annotations

from collections.abc import Callable

from ....ir.core import Const, Value
from ....ir.types import Array
from ... import tracing


def failure_text(function: Callable | type, *args: Array) -> str:
    """What Python says when a call fails: the text differs between its versions."""
    try:
        function(*args)
    except (ZeroDivisionError, ValueError, OverflowError) as error:
        return str(error).replace("{", "{{").replace("}", "}}")
    raise AssertionError("the sample call did not fail")


def require(good: Value, value: Value, error: str, message: str) -> None:
    """A run-time check, left out where the value is a literal that passes."""
    builder = tracing.current().builder
    if isinstance(value, Const) and _holds_now(good):
        return
    builder.emit("check", good, error=error, message=message)


def _holds_now(good: Value) -> bool:
    """Whether a condition is true, of one op of literals."""
    op = good.op
    if op is None or op.defn.evaluate is None:
        return False
    values = [v.data[()] for v in op.operands if isinstance(v, Const) and v.frozen]
    return len(values) == len(op.operands) and bool(op.defn.evaluate(op, *values)[0])
