"""Reading the IR's text; the grammar stands at the top of ir/text/printer.py."""
from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, cast

import numpy as np

from ..core import Block, Const, Function, Op, Value
from ..errors import IRError
from ..opdef import OPS
from ..types import BOOL, C128, DTYPES, F64, INDEX, Array, Dim, DType, StackType, Type

_NUMBER = r"-?(?:inf|nan(?:\(0x[0-9a-f]+\))?|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)(?:_[a-z]+\d*)?(?!\w)"
_TOKEN = re.compile(rf"""(?P<skip>\s+|\#[^\n]*)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<value>%[\w.]+)
    |(?P<symbol>@(?:[\w.]+|"(?:[^"\\]|\\.)*"))|(?P<number>{_NUMBER})|(?P<word>[A-Za-z_]\w*)|(?P<mark>->|:\+|[()\[\]{{}}<>:,=])
    |(?P<bad>.)""", re.VERBOSE)
_WORDS = {"true": True, "false": False, "none": None}


def parse(text: str) -> Function:
    """The last function of the text. Its calls refer to the functions above it."""
    return _Parser(text).module()


NO_ATTRS: Mapping[str, Any] = {}


class _Parser:
    def __init__(self, text: str):
        self.text = text
        self.kinds: list[str] = []
        self.words: list[str] = []
        self.starts: list[int] = []
        for m in _TOKEN.finditer(text):
            if m.lastgroup and m.lastgroup != "skip":
                self.kinds.append(m.lastgroup)
                self.words.append(m.group())
                self.starts.append(m.start())
        self.kinds += ["end", "end"]
        self.words += ["", ""]
        self.starts += [len(text), len(text)]
        self.at = 0
        self.functions: dict[str, Function] = {}
        self.constants: dict[str, Const] = {}
        self.values: dict[str, Value] = {}

    # tokens

    def fail(self, expected: str) -> NoReturn:
        at = self.starts[self.at]
        line = self.text.count("\n", 0, at) + 1
        shown = self.text.splitlines()[line - 1].strip() if self.text else ""
        raise IRError(f"line {line}: expected {expected}, found {self.words[self.at] or 'the end'!r} in: {shown}")

    def peek(self, *words: str) -> bool:
        return self.words[self.at] in words and self.kinds[self.at] != "string"

    def accept(self, word: str) -> bool:
        if self.peek(word):
            self.at += 1
            return True
        return False

    def expect(self, word: str) -> None:
        if not self.accept(word):
            self.fail(repr(word))

    def take(self, kind: str) -> str:
        if self.kinds[self.at] != kind:
            self.fail(f"a {kind}")
        self.at += 1
        return self.words[self.at - 1]

    def listed(self, item: Callable, close: str) -> list:
        """item ("," item)* up to the closing mark."""
        found = []
        while not self.accept(close):
            found.append(item())
            if not self.accept(","):
                self.expect(close)
                break
        return found

    # module and functions

    def module(self) -> Function:
        f = None
        while self.kinds[self.at] != "end":
            if self.accept("const"):
                self.constant()
            else:
                self.expect("func")
                f = self.function()
        if f is None:
            self.fail("a function")
        return f

    def symbol(self) -> str:
        word = self.take("symbol")[1:]
        return json.loads(word) if word.startswith('"') else word

    def constant(self) -> None:
        name = self.symbol()
        self.expect(":")
        type = self.type()
        frozen = not self.accept("live")
        self.expect("=")
        data = np.frombuffer(base64.b64decode(json.loads(self.take("string"))), dtype=type.dtype.np).reshape(type.shape)
        self.constants[name] = Const(type, data if frozen else data.copy(), frozen)

    def function(self) -> Function:
        name = self.symbol()
        self.values = {}
        params = self.params()
        self.expect("->")
        self.skip_types()
        f = Function(name, framed(params))
        f.attrs = self.attrs() if self.attrs_next() else {}
        self.expect("{")
        self.ops(f.body, "return")
        self.functions[name] = f
        return f

    def skip_types(self) -> None:
        """The types of a function's results follow from its body."""
        depth = 0
        while not (self.peek("{") and not depth):
            depth += self.peek("(", "[") - self.peek(")", "]")
            if self.kinds[self.at] == "end":
                self.fail("'{'")
            self.at += 1

    # names, types, literals

    def define(self, word: str) -> Value:
        """A new value of this name, of no type yet."""
        if word in self.values:
            self.fail(f"a name that is new instead of {word}")
        hint = word[1:].split(".")[0]
        value = self.values[word] = Value(cast("Type", None), None if hint.isdigit() else hint)
        return value

    def declared(self) -> tuple[list[Value], list[int | None], list[Value]]:
        """`(%name: type = operand, …)`, both optional: the values, where each type stands in the text, the operands.

        The types may name values of the whole list (or, left out, follow from results), so they are read by `typed` later.
        """
        values, places, inits = [], [], []

        def one() -> None:
            values.append(self.define(self.take("value")))
            places.append(self.at + 1 if self.peek(":") else None)
            while not self.peek(",", ")", "="):
                self.skip()
            if self.accept("="):
                inits.append(self.operand())

        self.expect("(")
        self.listed(one, ")")
        return values, places, inits

    def typed(self, values: list[Value], places: Sequence[int | None], results: tuple[Value, ...] = ()) -> list[Value]:
        """The declared values with their types: those written, else those of the results."""
        after = self.at
        for k, (value, place) in enumerate(zip(values, places)):
            if place is not None:
                self.at = place
                value.type = self.type()
            elif k < len(results):
                value.type = results[k].type
            else:
                self.fail(f"a type of {value!r}")
        self.at = after
        return values

    def params(self) -> list[Value]:
        values, places, _ = self.declared()
        return self.typed(values, places)

    def skip(self) -> None:
        """Skip one token, or all from an opening bracket to the closing one."""
        if self.kinds[self.at] == "end":
            self.fail("a type")
        close = {"[": "]", "<": ">"}.get(self.words[self.at])
        self.at += 1
        while close and not self.accept(close):
            self.skip()

    def value(self) -> Value:
        word = self.take("value")
        if word not in self.values:
            self.at -= 1
            self.fail("a value that is defined above")
        return self.values[word]

    def type(self) -> Type:
        word = self.take("word")
        if word == "stack":
            self.expect("<")
            element = self.type()
            self.expect(">")
            return StackType(element)
        if word not in DTYPES:
            self.at -= 1
            self.fail("a dtype")
        return Type(DTYPES[word], tuple(self.listed(self.dim, "]")) if self.accept("[") else ())

    def dim(self) -> Dim:
        return int(self.take("number")) if self.kinds[self.at] == "number" else self.value()

    def types(self) -> list:
        return self.listed(self.type, ")") if self.accept("(") else [self.type()]

    def operand(self) -> Value:
        kind, word = self.kinds[self.at], self.words[self.at]
        if kind == "value":
            return self.value()
        if kind == "symbol":
            self.at += 1
            if word[1:] not in self.constants:
                self.at -= 1
                self.fail("a constant that is defined above")
            return self.constants[word[1:]]
        if kind == "word" and word in DTYPES:
            type = self.type()
            self.expect("{")
            elements = self.listed(lambda: self.element(type.dtype), "}")
            return _const(type, np.array(elements, type.dtype.np).reshape(type.shape))
        if kind == "number" or word in ("true", "false", "("):
            dtype, element = self.scalar()
            return _const(Type(dtype), np.array(element, dtype.np))
        self.fail("an operand")

    def element(self, dtype: DType) -> Array:
        """One number of a literal of this dtype, as a NumPy scalar of exactly these bits."""
        if dtype is BOOL:
            return _WORDS[self.take("word")]
        if self.accept("("):
            part = dtype.real
            re_ = _exact(self.take("number"), part)
            self.expect(",")
            im_ = _exact(self.take("number"), part)
            self.expect(")")
            return np.array([re_, im_], part.np).view(dtype.np)[0]
        return _exact(self.take("number"), dtype)

    def scalar(self) -> tuple[DType, Array]:
        if self.peek("true", "false"):
            return BOOL, self.element(BOOL)
        if self.peek("("):
            closing = self.words[self.at + 4]
            dtype = C128
            if closing == ")" and re.fullmatch(r"_c(?:64|128)", self.words[self.at + 5]):
                dtype = DTYPES[self.words[self.at + 5][1:]]
                value = self.element(dtype)
                self.at += 1
                return dtype, value
            return dtype, self.element(dtype)
        word, _, suffix = self.take("number").partition("_")
        if suffix and suffix not in DTYPES:
            self.at -= 1
            self.fail("a literal of a dtype")
        dtype = DTYPES[suffix] if suffix else INDEX if re.fullmatch(r"-?\d+", word) else F64
        return dtype, _exact(word, dtype)

    # attributes

    def attrs_next(self) -> bool:
        """Whether the brace that comes next opens attributes, not a block."""
        return self.peek("{") and self.kinds[self.at + 1] == "word" and self.words[self.at + 2] == "="

    def attrs(self) -> dict:
        self.expect("{")
        return dict(self.listed(self.pair, "}"))

    def pair(self) -> tuple[str, Any]:
        name = self.take("word")
        self.expect("=")
        return name, self.attr()

    def attr(self) -> Any:
        kind, word = self.kinds[self.at], self.words[self.at]
        if kind == "string":
            self.at += 1
            return json.loads(word)
        if kind == "number":
            self.at += 1
            return int(word) if re.fullmatch(r"-?\d+", word) else float(_exact(word, F64))
        if kind == "symbol":
            name = self.symbol()
            if name not in self.functions:
                self.at -= 1
                self.fail("a function that is defined above")
            return self.functions[name]
        if self.accept("("):
            return tuple(self.listed(self.attr, ")"))
        if self.accept("{"):
            return dict(self.listed(self.entry, "}"))
        if self.accept("<"):
            type = self.type()
            self.expect(">")
            return type
        if word == "complex" and self.words[self.at + 1] == "(":
            self.at += 1
            return complex(self.element(C128))
        self.take("word")
        return _WORDS[word] if word in _WORDS else DTYPES.get(word, word)

    def entry(self) -> tuple[int, int]:
        key = self.attr()
        self.expect(":")
        return key, self.attr()

    # ops

    def ops(self, block: Block, end: str) -> None:
        """Ops up to `end`, the block's yields and the closing brace."""
        while not self.accept(end):
            block.ops.append(self.op())
        block.yields = tuple(self.listed(self.operand, "}"))

    def op(self) -> Op:
        results = self.listed(lambda: self.take("value"), "=") if self.kinds[self.at] == "value" else []
        name = self.take("word")
        if name not in OPS:
            self.at -= 1
            self.fail("the name of an op")
        op = Op(OPS[name], (), {})
        _FORMS.get(name, _Parser.plain)(self, op, results)
        return op

    def finish(self, op: Op, names: list[str], operands: Sequence[Value] = (), attrs: Mapping[str, Any] = NO_ATTRS) -> None:
        """The tail of an op: its attributes and the types of its results, which may name one another."""
        op.operands, op.attrs = tuple(operands), dict(attrs)
        if self.attrs_next():
            op.attrs.update(self.attrs())
        op.results = tuple(map(self.define, names))
        types = self.types() if self.accept(":") else []
        if len(types) != len(names):
            self.fail(f"{len(names)} types")
        for k, (result, type) in enumerate(zip(op.results, types)):
            result.type, result.owner, result.slot = type, op, k

    def region(self, params: Sequence[Value] = ()) -> Block:
        self.expect("{")
        block = framed(params)
        self.ops(block, "yield")
        return block

    def plain(self, op: Op, names: list[str]) -> None:
        operands = []
        kind, word = self.kinds[self.at], self.words[self.at]
        if kind in ("value", "symbol", "number") or word in ("true", "false", "(") or word in DTYPES:
            operands.append(self.operand())
            while self.accept(","):
                operands.append(self.operand())
        self.finish(op, names, operands)
        while self.peek("("):
            op.regions += (self.region(self.params()),)

    def indexed(self, op: Op, names: list[str]) -> None:
        indices: list[Value] = []
        chars: list[str] = []
        x = self.operand()
        self.expect("[")
        self.listed(lambda: chars.append(self.axis(indices)), "]")
        value = [self.operand()] if self.accept(",") else []
        self.finish(op, names, (x, *value, *indices), {"spec": "".join(chars)})

    def axis(self, indices: list) -> str:
        if self.accept(":"):
            return ":"
        indices.append(self.operand())
        if not self.accept(":+"):
            return "i"
        indices.append(self.operand())
        self.expect(":")
        indices.append(self.operand())
        return "s"

    def dim_(self, op: Op, names: list[str]) -> None:
        x = self.operand()
        self.expect(",")
        self.finish(op, names, (x,), {"axis": int(self.take("number"))})

    def call(self, op: Op, names: list[str]) -> None:
        callee = self.attr()
        self.expect("(")
        self.finish(op, names, self.listed(self.operand, ")"), {"callee": callee})

    # control

    def trip(self) -> tuple[Value, Value]:
        """(the loop's index, its trip count)"""
        index = self.define(self.take("value"))
        index.type = Type(INDEX)
        self.expect("=")
        if self.take("number") != "0":
            self.fail("0")
        self.expect("to")
        return index, self.operand()

    def carry(self) -> tuple[list[Value], list[int | None], list[Value]]:
        return self.declared() if self.accept("carry") else ([], [], [])

    def for_(self, op: Op, names: list[str]) -> None:
        index, trip = self.trip()
        values, places, inits = self.carry()
        self.finish(op, names, (trip, *inits))
        op.regions = (self.region([index, *self.typed(values, places, op.results)]),)

    def map_(self, op: Op, names: list[str]) -> None:
        index, trip = self.trip()
        self.finish(op, names, (trip,))
        op.regions = (self.region([index]),)

    def while_(self, op: Op, names: list[str]) -> None:
        values, places, inits = self.carry()
        self.finish(op, names, inits)
        head = self.region(self.typed(values, places, op.results))
        self.expect("do")
        values, places, _ = self.declared()
        op.regions = (head, self.region(self.typed(values, places, op.results)))

    def if_(self, op: Op, names: list[str]) -> None:
        self.finish(op, names, (self.operand(),))
        then = self.region()
        self.expect("else")
        op.regions = (then, self.region())


_FORMS = {"slice": _Parser.indexed, "update": _Parser.indexed, "update_add": _Parser.indexed, "dim": _Parser.dim_,
          "call": _Parser.call, "for": _Parser.for_, "map": _Parser.map_, "while": _Parser.while_, "if": _Parser.if_}


def framed(params: Sequence[Value]) -> Block:
    """A block whose parameters are these values."""
    block = Block()
    block.params = tuple(params)
    for k, p in enumerate(block.params):
        p.owner, p.slot = block, k
    return block


def _exact(word: str, dtype: DType) -> Array:
    """The number as a NumPy scalar; `nan(0x…)` gives the bits."""
    if word.startswith("nan("):
        return np.array(int(word[6:-1], 16), f"u{dtype.size}").view(dtype.np)[()]
    return dtype.np.type(int(word) if dtype.kind in "iux" else float(word))


def _const(type: Type, data: np.ndarray) -> Const:
    data.setflags(write=False)
    return Const(type, data)
