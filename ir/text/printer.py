"""The IR as text: the printer, and alpha-equivalence. ir/text/parser.py reads what this writes; ir/text/color.py colours it.

    module   ::= const* func+                          callees first; the last function is the one that was printed
    const    ::= "const" @name ":" type "live"? "=" base64 string     ("live": a user's array, not frozen)
    func     ::= "func" @name "(" (param ("," param)*)? ")" "->" types attrs? "{" op* "return" operands "}"
    param    ::= %name ":" type
    types    ::= type | "(" (type ("," type)*)? ")"
    op       ::= (%name ("," %name)* "=")? form
    form     ::= ("slice" | "update" | "update_add") operand "[" index ("," index)* "]" ("," operand)? tail
              |  "dim" operand "," integer tail
              |  "call" @name "(" operands ")" tail
              |  "if" operand tail block "else" block
              |  "for" %name "=" 0 "to" operand carry? tail block
              |  "map" %name "=" 0 "to" operand tail block
              |  "while" carry? tail block "do" "(" names ")" block
              |  opname operands tail ("(" params ")" block)*
    tail     ::= attrs? (":" types)?                   the types of the results
    carry    ::= "carry" "(" (%name (":" type)? "=" operand)* ")"     no type: that of the result it becomes
    names    ::= (%name (":" type)?)*
    block    ::= "{" op* "yield" operands "}"
    index    ::= ":" | operand | operand ":+" operand ":" operand     whole axis | position | start :+ length : step
    operand  ::= %name | @const | literal
    literal  ::= number | number "_" dtype | "true" | "false" | "(" number "," number ")" | dtype "[" dims "]" "{" numbers "}"
    attrs    ::= "{" (name "=" attr)* "}"
    attr     ::= word | string | number | "true" | "false" | "none" | dtype | "<" type ">" | @function
              |  "(" attr* ")" | "{" (attr ":" attr)* "}"

A number without a suffix is f64 if it has a point or an exponent and `index` if not; a pair is complex. A NaN with other
than the default bits is written `nan(0x…)`, so that every literal reads back exactly. `#` starts a comment.
"""
from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..core import Block, Const, Function, Op, Value
from ..types import DTYPES, DType, StackType, Type
from .color import colored
from .parser import parse
from .source_comments import COLUMN, Places, margin_of

__all__ = ["equal", "literal", "op_text", "parse", "print_function"]

INLINE = 16           # a constant array of at most so many elements is written where it is used
_WORD = re.compile(r"[A-Za-z_]\w*\Z")
_RESERVED = frozenset(DTYPES) | {"true", "false", "none", "inf", "nan", "stack", "live"}
_INDEXED = frozenset({"slice", "update", "update_add"})


def print_function(f: Function, *, margin: bool | Places = False, color: bool = False,
                   notes: Mapping[Op, str] | None = None) -> str:
    """The function and all that it calls, callees first. `margin` adds file, line and source text of each op's origin, `notes`
    a comment of one's own."""
    printer = _Printer(f, margin)
    printer.notes = notes or {}
    text = "\n".join(printer.module()) + "\n"
    return colored(text) if color else text


def op_text(f: Function, op: Op) -> str:
    """The first line of one op, named as in the text of the whole function."""
    printer = _Printer(f, False)
    printer.module()
    return printer.headers.get(op) or printer.header(op)


# --- literals ------------------------------------------------------------------------------------------------------------

def _real(x: np.floating) -> str:
    """The shortest text that reads back to the same bits."""
    if np.isnan(x):
        bits = x.view(f"u{x.itemsize}")
        return "nan" if bits == x.dtype.type("nan").view(f"u{x.itemsize}") else f"nan({int(bits):#x})"
    if x.itemsize == 8 or x == 0 or np.isinf(x):
        return repr(float(x))
    return np.format_float_positional(x, trim="0") if 1e-4 <= abs(float(x)) < 1e9 else np.format_float_scientific(x, trim="0")


def _number(x: Any) -> str:
    kind = x.dtype.kind
    if kind == "b":
        return "true" if x else "false"
    if kind == "c":
        return f"({_real(x.real)}, {_real(x.imag)})"
    return _real(x) if kind == "f" else str(int(x))


_PLAIN = frozenset({"f64", "index", "bool", "c128"})


def literal(dtype: DType, x: Any) -> str:
    """A scalar constant."""
    return _number(x) if dtype.name in _PLAIN else f"{_number(x)}_{dtype.name}"


def _array(const: Const) -> str:
    return f"{const.type!r}{{{', '.join(map(_number, const.data.ravel()))}}}"


# --- the printer -----------------------------------------------------------------------------------------------------------

class _Printer:
    def __init__(self, f: Function, margin: bool | Places):
        self.root, self.margin = f, margin_of(margin)
        self.lines: list[str] = []
        self.notes: Mapping[Op, str] = {}
        self.headers: dict[Op, str] = {}
        self.functions = dict(zip(everything(f), _unique(g.name for g in everything(f))))
        self.constants: dict = {}
        self.names: dict[Value, str] = {}
        self.taken: set[str] = set()
        self.count = 0

    def module(self) -> list[str]:
        for g in self.functions:
            self.function(g)
        head = [f"const @{name} : {c.type!r} {'' if c.frozen else 'live '}= "
                f"\"{base64.b64encode(np.ascontiguousarray(c.data).tobytes()).decode()}\""
                for c, name in self.constants.values()]
        return head + [""] + self.lines if head else self.lines

    def function(self, f: Function) -> None:
        self.names, self.taken, self.count = {}, set(), 0
        if self.lines:
            self.lines.append("")
        params = self.params(f.params)
        attrs = f" {self.attrs(f.attrs)}" if f.attrs else ""
        # names are given in the order of the text, so the results' types, which may name inner values, wait for the body
        head = len(self.lines)
        self.lines.append("")
        self.block(f.body, "  ", "return")
        self.lines[head] = f"func {self.symbol(f)}({params}) -> {self.types(f.result_types, always=True)}{attrs} {{"
        self.lines.append("}")

    # names and types

    def name(self, value: Value) -> str:
        """The value's name: its hint made unique, else a number."""
        name = self.names.get(value)
        if name is None:
            hint = re.sub(r"\W", "_", value.name, flags=re.ASCII) if value.name else ""
            if not hint or hint.isdigit():
                name, self.count = str(self.count), self.count + 1
            else:
                hint = "_" + hint if hint[0].isdigit() else hint
                name, k = hint, 0
                while name in self.taken:
                    k += 1
                    name = f"{hint}.{k}"
                self.taken.add(name)
            self.names[value] = name
        return "%" + name

    def operand(self, value: Value) -> str:
        if not isinstance(value, Const):
            return self.name(value)
        if value.data.ndim == 0 and value.frozen:
            return literal(value.type.dtype, value.data[()])
        if value.data.size <= INLINE and value.data.ndim and value.frozen:
            return _array(value)
        key = (value.type, value.data.tobytes()) if value.frozen else id(value.data)
        if key not in self.constants:
            self.constants[key] = (value, f"c{len(self.constants)}")
        return "@" + self.constants[key][1]

    def operands(self, values: tuple[Value, ...]) -> str:
        return ", ".join(map(self.operand, values))

    def type(self, t: Type) -> str:
        if isinstance(t, StackType):
            return f"stack<{self.type(t.element)}>"
        dims = ", ".join(str(d) if isinstance(d, int) else self.operand(d) for d in t.dims)
        return f"{t.dtype.name}[{dims}]" if dims else t.dtype.name

    def types(self, types: Sequence[Type], always: bool = False) -> str:
        if len(types) == 1:
            return self.type(types[0])
        return f"({', '.join(map(self.type, types))})" if types or always else ""

    def params(self, params: tuple[Value, ...]) -> str:
        return ", ".join([f"{self.name(p)}: {self.type(p.type)}" for p in params])

    def symbol(self, f: Function) -> str:
        name = self.functions[f]
        return "@" + (name if re.fullmatch(r"[A-Za-z_][\w.]*", name, re.ASCII) else json.dumps(name))

    # attributes

    def attrs(self, attrs: dict) -> str:
        return "{" + ", ".join(f"{k}={self.attr(v)}" for k, v in attrs.items()) + "}"

    def attr(self, v: Any) -> str:
        if v is None or isinstance(v, (bool, np.bool_)):
            return {None: "none", True: "true", False: "false"}[v if v is None else bool(v)]
        if isinstance(v, str):
            return v if _WORD.match(v) and v.isascii() and v not in _RESERVED else json.dumps(v)
        if isinstance(v, (int, np.integer)):
            return str(int(v))
        if isinstance(v, float):
            return _real(np.float64(v))
        if isinstance(v, complex):
            return f"complex({_real(np.float64(v.real))}, {_real(np.float64(v.imag))})"
        if isinstance(v, tuple):
            return f"({', '.join(map(self.attr, v))}{',' if len(v) == 1 else ''})"
        if isinstance(v, dict):
            return "{" + ", ".join(f"{self.attr(k)}: {self.attr(w)}" for k, w in v.items()) + "}"
        if isinstance(v, DType):
            return v.name
        if isinstance(v, Type):
            return f"<{self.type(v)}>"
        if isinstance(v, Function):
            return self.symbol(v)
        return json.dumps(repr(v))

    # ops

    def block(self, block: Block, indent: str, end: str) -> None:
        for op in block.ops:
            self.op(op, indent)
        self.lines.append(f"{indent}{end} {self.operands(block.yields)}".rstrip())

    def op(self, op: Op, indent: str) -> None:
        line = self.header(op)
        self.headers[op] = line
        self.lines.append(indent + line)
        if op in self.notes:
            self.lines[-1] = f"{self.lines[-1]:<{COLUMN}}  # {self.notes[op]}"
        if self.margin is not None:
            self.lines[-1] = self.margin.beside(self.lines[-1], op.loc)
        regions = _REGIONS.get(op.name, _Printer.plain_regions)
        regions(self, op, indent)

    def header(self, op: Op) -> str:
        """The op's line, without what follows an opening brace."""
        results = ", ".join(map(self.name, op.results))
        form = _FORMS.get(op.name, _Printer.plain)(self, op)
        types = self.types([r.type for r in op.results])
        if types:
            form += f" : {types}"
        if op.name in _REGIONS:
            form += " {"
        return f"{results} = {form}" if results else form

    def tail(self, op: Op, *without: str) -> str:
        attrs = {k: v for k, v in op.attrs.items() if k not in without}
        return " " + self.attrs(attrs) if attrs else ""

    def plain(self, op: Op) -> str:
        return f"{op.name} {self.operands(op.operands)}".rstrip() + self.tail(op)

    def plain_regions(self, op: Op, indent: str) -> None:
        for region in op.regions:
            self.lines[-1] += f" ({self.params(region.params)}) {{"
            self.block(region, indent + "  ", "yield")
            self.lines.append(indent + "}")

    def indexed(self, op: Op) -> str:
        x, *rest = op.operands
        value = f", {self.operand(rest.pop(0))}" if op.name != "slice" else ""
        axes = []
        for char in op.attrs["spec"]:
            if char == "s":
                start, length, step = (self.operand(rest.pop(0)) for _ in range(3))
                axes.append(f"{start}:+{length}:{step}")
            else:
                axes.append(":" if char == ":" else self.operand(rest.pop(0)))
        return f"{op.name} {self.operand(x)}[{', '.join(axes)}]{value}{self.tail(op, 'spec')}"

    def dim(self, op: Op) -> str:
        return f"dim {self.operand(op.operands[0])}, {op.attrs['axis']}{self.tail(op, 'axis')}"

    def call(self, op: Op) -> str:
        return f"call {self.symbol(op.attrs['callee'])}({self.operands(op.operands)}){self.tail(op, 'callee')}"

    # control: the header, then the regions

    def carry(self, params: Sequence[Value], inits: Sequence[Value], results: tuple[Value, ...]) -> str:
        if not params:
            return ""
        return f" carry({', '.join(f'{self.carried(p, r)} = {self.operand(i)}' for p, i, r in zip(params, inits, results))})"

    def carried(self, param: Value, result: Value) -> str:
        return self.name(param) + ("" if param.type == result.type else f": {self.type(param.type)}")

    def if_(self, op: Op) -> str:
        return f"if {self.operand(op.operands[0])}{self.tail(op)}"

    def for_(self, op: Op) -> str:
        trip, *inits = op.operands
        i, *carried = op.regions[0].params
        return f"for {self.name(i)} = 0 to {self.operand(trip)}{self.carry(carried, inits, op.results)}{self.tail(op)}"

    def map_(self, op: Op) -> str:
        return f"map {self.name(op.regions[0].params[0])} = 0 to {self.operand(op.operands[0])}{self.tail(op)}"

    def while_(self, op: Op) -> str:
        return f"while{self.carry(op.regions[0].params, op.operands, op.results)}{self.tail(op)}"

    def one_region(self, op: Op, indent: str) -> None:
        self.block(op.regions[0], indent + "  ", "yield")
        self.lines.append(indent + "}")

    def if_regions(self, op: Op, indent: str) -> None:
        self.block(op.regions[0], indent + "  ", "yield")
        self.lines.append(indent + "} else {")
        self.block(op.regions[1], indent + "  ", "yield")
        self.lines.append(indent + "}")

    def while_regions(self, op: Op, indent: str) -> None:
        self.block(op.regions[0], indent + "  ", "yield")
        names = ", ".join(self.carried(p, r) for p, r in zip(op.regions[1].params, op.results))
        self.lines.append(f"{indent}}} do ({names}) {{")
        self.block(op.regions[1], indent + "  ", "yield")
        self.lines.append(indent + "}")


_FORMS = {"dim": _Printer.dim, "call": _Printer.call, "if": _Printer.if_, "for": _Printer.for_, "map": _Printer.map_,
          "while": _Printer.while_, **dict.fromkeys(_INDEXED, _Printer.indexed)}
_REGIONS = {"if": _Printer.if_regions, "for": _Printer.one_region, "map": _Printer.one_region, "while": _Printer.while_regions}


def functions_in(attr: Any) -> Iterator[Any]:
    """The functions inside an attribute."""
    if isinstance(attr, Function):
        yield attr
    elif isinstance(attr, tuple):
        for item in attr:
            yield from functions_in(item)


_HOLDING = frozenset({Function, tuple})


def everything(f: Function) -> list[Function]:
    """The function and every one that an attribute in it names, callees before callers, this one last."""
    done: dict[Function, None] = {}

    def visit(g: Function) -> None:
        if g not in done and g not in above:
            above.add(g)
            for op in g.body.walk():
                for attr in op.attrs.values():
                    if type(attr) in _HOLDING:
                        for h in functions_in(attr):
                            visit(h)
            done[g] = None

    above: set[Function] = set()
    visit(f)
    return list(done)


def _unique(names: Iterator[Any]) -> Iterator[Any]:
    taken: set[str] = set()
    for name in names:
        unique, k = name, 0
        while unique in taken:
            k += 1
            unique = f"{name}.{k}"
        taken.add(unique)
        yield unique


# --- alpha-equivalence --------------------------------------------------------------------------------------------------

def equal(f: Function, g: Function) -> bool:
    """Whether the two differ in nothing but names and locations. Constants are compared by their bits."""
    return _Equal().functions(f, g)


class _Equal:
    def __init__(self) -> None:
        self.values: dict[Value, Value] = {}
        self.seen: set[tuple[Function, Function]] = set()

    def functions(self, f: Function, g: Function) -> bool:
        if (f, g) in self.seen:
            return True
        self.seen.add((f, g))
        return self.blocks(f.body, g.body) and self.attributes(f.attrs, g.attrs)

    def bind(self, a: tuple[Value, ...], b: tuple[Value, ...]) -> bool:
        """Pair up definitions; then their types, which may name one another, must agree."""
        if len(a) != len(b):
            return False
        self.values.update(zip(a, b))
        return all(self.types(x.type, y.type) for x, y in zip(a, b))

    def blocks(self, a: Block, b: Block) -> bool:
        return (self.bind(a.params, b.params) and len(a.ops) == len(b.ops)
                and all(self.ops(p, q) for p, q in zip(a.ops, b.ops)) and self.uses(a.yields, b.yields))

    def ops(self, a: Op, b: Op) -> bool:
        return (a.defn is b.defn and self.uses(a.operands, b.operands) and self.attributes(a.attrs, b.attrs)
                and len(a.regions) == len(b.regions) and all(map(self.blocks, a.regions, b.regions))
                and self.bind(a.results, b.results))

    def uses(self, a: tuple[Value, ...], b: tuple[Value, ...]) -> bool:
        return len(a) == len(b) and all(map(self.use, a, b))

    def use(self, a: Value, b: Value) -> bool:
        if isinstance(a, Const) and isinstance(b, Const):
            return a.type == b.type and a.frozen == b.frozen and a.data.tobytes() == b.data.tobytes()
        return self.values.get(a, a) is b

    def types(self, a: Type, b: Type) -> bool:
        if isinstance(a, StackType) or isinstance(b, StackType):
            return isinstance(a, StackType) and isinstance(b, StackType) and self.types(a.element, b.element)
        return (a.dtype is b.dtype and len(a.dims) == len(b.dims)
                and all(x == y if isinstance(x, int) or isinstance(y, int) else self.use(x, y) for x, y in zip(a.dims, b.dims)))

    def attributes(self, a: Any, b: Any) -> bool:
        if type(a) is not type(b):
            return False
        if isinstance(a, dict):
            return a.keys() == b.keys() and all(self.attributes(a[k], b[k]) for k in a)
        if isinstance(a, tuple):
            return len(a) == len(b) and all(map(self.attributes, a, b))
        if isinstance(a, Function):
            return self.functions(a, b)
        if isinstance(a, Type):
            return self.types(a, b)
        return repr(a) == repr(b) if isinstance(a, (float, complex)) else a == b
