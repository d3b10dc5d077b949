"""Arguments of a call, written by their types: `f64[100,3], i64[5], mode='soft'`. The text is parsed, never evaluated."""
from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..ir.types import DTYPES
from .load import UsageError

Filler = Callable[[tuple[int, ...], np.dtype], np.ndarray]

_DTYPES: dict[str, np.dtype] = {name: d.np for name, d in DTYPES.items() if name != "index"}
_DTYPES |= {dtype.name: dtype for dtype in _DTYPES.values()}
_NUMBERS = {"float": 1.0, "int": 2, "complex": 1.0 + 0.5j, "nan": float("nan"), "inf": float("inf")}
_NO_LENGTHS = re.compile(rf"\b({'|'.join(_DTYPES)})\[\s*\]")
_NEGATIVE = re.compile(r"-\s*([\d.(]|inf|nan)")
_KNOWN = "types such as f64[100,3], i64[5] and float, or Python literals"


def ones(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """What a type stands for where only types matter."""
    return np.ones(shape, dtype)


def drawn(seed: int) -> Filler:
    """Fills arrays with numbers between 1/4 and 1, where most functions are defined; whole numbers from 1 to 4."""
    rng = np.random.default_rng(seed)

    def fill(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if dtype.kind == "b":
            return rng.random(shape) < 0.5
        if dtype.kind in "iu":
            return rng.integers(1, 5, shape).astype(dtype)
        made = rng.uniform(0.25, 1.0, shape)
        return (made + 1j * rng.uniform(0.25, 1.0, shape) if dtype.kind == "c" else made).astype(dtype)

    return fill


class Parser(argparse.ArgumentParser):
    """Of a command line with --args."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, which takes `--args -1.5,2` and `--args -inf` for two options."""
        given = list(sys.argv[1:] if args is None else args)
        for k in range(len(given) - 1, 0, -1):
            if given[k - 1] == "--args" and _NEGATIVE.match(given[k]):
                given[k - 1:k + 1] = [f"--args={given[k]}"]
        return super().parse_known_args(given, namespace)


def parse_args(text: str, fill: Filler = ones, known: Mapping[str, Any] | None = None) -> tuple[tuple, dict]:
    """The positional and keyword arguments that `text` describes, arrays filled by `fill`. `known`: values that names stand for
    which are no types.

    Raises UsageError where it describes none.
    """
    try:
        call = ast.parse(f"_({text}\n)", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError("a parenthesis is closed that was not opened")
        reader = _Reader(fill, known or {})
        if any(keyword.arg is None for keyword in call.keywords):
            raise ValueError("** is no value")
        return tuple(map(reader.value, call.args)), {keyword.arg: reader.value(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        why = _broken(text, error) if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        if isinstance(error, SyntaxError) and (found := _NO_LENGTHS.search(text)):
            why = f"{found[0]!r} has no lengths; a NumPy scalar is {found[1]}, an array of no axes {found[1]}[()]"
        remedy = "" if "; write " in why else 'write types, as in "f64[100,3], i64[5], float", or Python literals'
        raise UsageError(f"--args {text!r} cannot be read: {why}", remedy) from None


def _broken(text: str, error: SyntaxError) -> str:
    """What is wrong with the text itself, which was read between parentheses that are not its own."""
    try:
        ast.parse(text)
    except SyntaxError as alone:
        if alone.msg.endswith("was never closed"):
            return alone.msg
    return error.msg


class _Reader:
    """Values of the nodes that a description may hold: one method a kind of node."""

    def __init__(self, fill: Filler, known: Mapping[str, Any]):
        self.fill, self.known = fill, known

    def value(self, node: ast.expr) -> Any:
        read = getattr(self, f"_{type(node).__name__.lower()}", None)
        if read is None:
            raise ValueError(f"{ast.unparse(node)!r} is neither a type nor a literal; write {_KNOWN}")
        return read(node)

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        if node.id in _DTYPES:
            return self.fill((), _DTYPES[node.id])[()]
        if node.id in _NUMBERS:
            return _NUMBERS[node.id]
        if node.id in self.known:
            return self.known[node.id]
        raise ValueError(f"name {node.id!r} is not defined; write {_KNOWN}")

    def _subscript(self, node: ast.Subscript) -> np.ndarray:
        name = ast.unparse(node.value)
        if name not in _DTYPES:
            raise ValueError(f"{name!r} is no dtype; write one of {', '.join(d for d in DTYPES if d != 'index')}")
        if unknown := [n.id for n in ast.walk(node.slice) if isinstance(n, ast.Name) and n.id not in self.known]:
            raise ValueError(f"the length {unknown[0]!r} of {ast.unparse(node)!r} is no number; write one, as in {name}[100]")
        written = self.value(node.slice)
        shape = written if isinstance(written, tuple) else (written,)
        if not all(isinstance(d, int) and not isinstance(d, bool) and d >= 0 for d in shape):
            raise ValueError(f"{ast.unparse(node)!r} has a length that is no whole number of at least 0")
        return self.fill(shape, _DTYPES[name])

    def _tuple(self, node: ast.Tuple) -> tuple:
        return tuple(map(self.value, node.elts))

    def _list(self, node: ast.List) -> list:
        return list(map(self.value, node.elts))

    def _set(self, node: ast.Set) -> set:
        return set(map(self.value, node.elts))

    def _dict(self, node: ast.Dict) -> dict:
        if None in node.keys:
            raise ValueError("** is no value")
        return {self.value(key): self.value(x) for key, x in zip(node.keys, node.values) if key is not None}

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        number = isinstance(value, (int, float, complex)) and not isinstance(value, bool)
        if not number or not isinstance(node.op, (ast.USub, ast.UAdd)):
            raise ValueError(f"{ast.unparse(node)!r} is no number")
        return -value if isinstance(node.op, ast.USub) else value

    def _binop(self, node: ast.BinOp) -> complex:
        """A complex literal, 1 - 2j: the only sum of a description."""
        left, right = self.value(node.left), self.value(node.right)
        if not isinstance(left, (int, float)) or not isinstance(right, complex) or not isinstance(node.op, (ast.Add, ast.Sub)):
            raise ValueError(f"{ast.unparse(node)!r} is a formula; write its value")
        return left + right if isinstance(node.op, ast.Add) else left - right
