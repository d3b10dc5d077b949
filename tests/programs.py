"""A writer of random Python programs, as source text: what users write, in any combination.

    program ::= helpers "def program(" parameters "):" statements "return" values

The writer knows of every name what it holds, so that most programs run to their end: of a number its kind, of an array dtype and
shape. It draws from a `Source`, which is a seeded generator or Hypothesis. Every loop is bounded, and what goes into a variable is
kept small by a bounded function.

  kind ::= "pf" | "nf" | "f"      a Python float, a float64 scalar, either of the two by what the data are
         | "pi" | "ni" | "i"      likewise for ints
         | "b"                    a bool of Python or NumPy
"""
from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

import numpy as np


class Source:
    """Where choices come from: a seed, or Hypothesis' `draw` of an integer in a range."""

    def __init__(self, seed=None, draw=None):
        self.draw = draw or random.Random(seed).randint

    def integer(self, low: int, high: int) -> int:
        return self.draw(low, high)

    def choice(self, items):
        return items[self.draw(0, len(items) - 1)]

    def chance(self, percent: int) -> bool:
        return self.draw(1, 100) > 100 - percent


@dataclass(frozen=True)
class Array:
    """dtype and shape; a length of None is known only at run time."""

    dtype: str
    shape: tuple


@dataclass
class Program:
    """Source text with the function `program`, a maker of its arguments, and the positions of those that are inexact."""

    text: str
    arguments: tuple
    wrt: tuple[int, ...]

    def args(self):
        return tuple(a.copy() if isinstance(a, np.ndarray) else a for a in self.arguments)


@dataclass
class Scope:
    """Names and what they hold; `loop`: inside a loop (True: of this function, so `break` may stand here)."""

    names: dict = field(default_factory=dict)
    counters: dict = field(default_factory=dict)     # name -> (low, high) that it lies in
    fixed: set = field(default_factory=set)          # names that must not be bound anew
    loop: bool = False
    depth: int = 0

    def inner(self, loop=None):
        return Scope(dict(self.names), dict(self.counters), set(self.fixed), self.loop if loop is None else loop, self.depth + 1)


DTYPES = ["float64"] * 8 + ["int64", "int64", "float32", "int32", "bool", "complex128"]
BOUNDED = ["np.tanh({})", "np.sin({})", "np.cos({})", "np.arctan({})"]
UNARY = [*BOUNDED, "np.exp(-({}) ** 2)", "np.sqrt(1.0 + ({}) ** 2)", "-({})", "({}) * ({})", "np.log1p(({}) ** 2)", "1.0 / (1.5 + np.sin({}))"]
KINKED = ["np.abs({})", "np.maximum({}, 0.1)", "np.minimum({}, 0.2)", "np.clip({}, -0.5, 0.5)", "np.floor({})", "np.sign({})",
          "np.sqrt({})", "np.log({})", "np.round({})"]
PYTHON_UNARY = ["math.sin({})", "math.cos({})", "math.tanh({})", "math.sqrt(1.0 + abs({}))", "math.exp(-abs({}))", "abs({})", "math.atan({})"]


class Writer:
    """Writes one program. `smooth`: only what has a derivative nearly everywhere, in float64, and nothing that raises."""

    def __init__(self, source: Source, smooth: bool = False, size: int = 14):
        self.s, self.smooth, self.budget = source, smooth, size
        self.lines: list[str] = []
        self.count = itertools.count()
        self.helpers: list[tuple] = []
        self.head: list[str] = []

    # --- the program ------------------------------------------------------------------------------------------------------------

    def program(self) -> Program:
        s, scope = self.s, Scope()
        rng = np.random.default_rng(s.integer(0, 10_000))
        parameters, arguments, wrt = [], [], []
        sizes = [s.choice([1, 2, 3, 3, 4, 5, 6] if self.smooth else [0, 1, 2, 3, 4, 5, 6]) for _ in range(2)]
        for _ in range(s.integer(1, 4)):
            name, what = self.parameter(sizes)
            parameters.append(name)
            scope.names[name] = what
            arguments.append(_argument(rng, what))
            if what in ("pf", "nf") or (isinstance(what, Array) and what.dtype == "float64"):
                wrt.append(len(arguments) - 1)
        if self.smooth and not wrt:
            name = self.new("a")
            what = Array("float64", (max(sizes[0], 2),))
            parameters.append(name)
            scope.names[name] = what
            arguments.append(_argument(rng, what))
            wrt.append(len(arguments) - 1)
        for _ in range(s.integer(0, 2)):
            self.helper()
        start, self.parameters = len(parameters), set(parameters)
        body = self.block(scope, "    ")
        for _ in range(3):
            if self.budget > 0:
                body += self.block(scope, "    ")
        body = self.early(body, scope)
        shown = [n for n, what in scope.names.items() if what != "gone"]
        picked = shown[start:][-5:] + shown[:start] if len(shown) > start else shown
        results = [self.shown(n, scope) for n in picked[:6]]
        if any("<results>" in line for line in body):
            results = [n for n in parameters if n in scope.names][:6]
        results = ", ".join(results) + ","
        text = "import math\n\nimport numpy as np\n\n\n" + "".join(self.head)
        text += f"def program({', '.join(parameters)}):\n" + "\n".join(body).replace("<results>", results) + f"\n    return {results}\n"
        return Program(text, tuple(arguments), tuple(wrt))

    def early(self, body, scope):
        """A `return` in some block: of what the last one returns, so that their types agree. `<results>` is filled in."""
        s = self.s
        spots, closure = [], 0                                 # closure: the indent of the inner function that a line is in
        for k, line in enumerate(body):
            depth = len(line) - len(line.lstrip())
            closure = closure if closure and depth > closure else depth * line.lstrip().startswith("def ")
            if depth > 4 and not closure and line.split()[0] not in ("elif", "else:"):
                spots.append(k)
        if not spots or not s.chance(25):
            return body
        at = s.choice(spots)
        indent = body[at][:len(body[at]) - len(body[at].lstrip())]
        test = s.choice([n for n, w in scope.names.items() if w in ("pf", "nf") and n in self.parameters] or ["0.1"])
        return [*body[:at], f"{indent}if {test} > {s.choice(['0.5', '0.0', '5.0'])}:", f"{indent}    return <results>", *body[at:]]

    def shown(self, name, scope):
        what = scope.names[name]
        if isinstance(what, dict):
            return "*" + name + (".values()" if what["form"] == "dict" else "")
        return name

    def parameter(self, sizes):
        s = self.s
        if s.chance(35):
            kind = s.choice(["pf", "pf", "nf"]) if self.smooth else s.choice(["pf", "pf", "pi", "pi", "nf", "ni", "b"])
            return self.new({"f": "x", "i": "n", "b": "flag"}[kind[-1]]), kind
        dtype = "float64" if self.smooth else s.choice(DTYPES)
        shape = (s.choice(sizes),) if s.chance(65) else (s.choice(sizes), s.choice(sizes))
        return self.new("a" if len(shape) == 1 else "m"), Array(dtype, shape)

    def new(self, stem: str) -> str:
        return f"{stem}{next(self.count)}"

    def helper(self):
        """A function at module level: (name, parameter kinds, result)."""
        s = self.s
        name = self.new("helper")
        kinds = [s.choice(["f", "f", Array("float64", (None,))]) for _ in range(s.integer(1, 2))]
        scope = Scope({f"p{k}": kind for k, kind in enumerate(kinds)}, fixed={f"p{k}" for k in range(len(kinds))}, depth=2)
        lines = []
        outer, self.budget = self.budget, 3
        if s.chance(60):
            lines += self.block(scope, "    ", ("assign", "if", "augment"))
        if s.chance(40):
            lines += [f"    if {self.bool(scope, 1)}:", f"        return np.tanh({self.float(scope, 1)[0]})"]
        self.budget = outer
        default = ", scale=0.5" if s.chance(30) else ""
        result = self.float(scope, 2)[0]
        lines.append(f"    return np.tanh({result})" + (" * scale" if default else ""))
        self.head.append(f"def {name}({', '.join(scope_names(kinds))}{default}):\n" + "\n".join(lines) + "\n\n\n")
        self.helpers.append((name, kinds, bool(default)))

    # --- statements -------------------------------------------------------------------------------------------------------------

    def block(self, scope: Scope, indent: str, allowed=None) -> list[str]:
        lines: list[str] = []
        for _ in range(self.s.integer(1, 5 if scope.depth == 0 else 3)):
            if self.budget <= 0:
                break
            self.budget -= 1
            lines += self.statement(scope, indent, allowed)
        return lines or [indent + "pass"]

    def statement(self, scope, indent, allowed=None):
        options = ["assign", "augment", "array", "array", "view", "write", "write", "write", "rows", "mask", "swap", "call", "container",
                   "change", "tuple"]
        if scope.depth < 3:
            options += ["if", "if", "for", "for", "for", "while"]
        if scope.loop:
            options += ["break", "continue"]
        if not self.smooth:
            options += ["check", "integers", "lengths"]
        else:
            options += ["lengths"]
        options = [o for o in options if allowed is None or o in allowed]
        for _ in range(6):
            made = getattr(self, "s_" + self.s.choice(options))(scope, indent)
            if made:
                return made
        return [indent + "pass"]

    def bind(self, scope, stem, what) -> str:
        """A name to assign: a new one, or an old one that holds the same sort of thing."""
        old = [n for n, w in scope.names.items() if w == what and n not in scope.fixed]
        if old and self.s.chance(60):
            return self.s.choice(old)
        if scope.depth and old:
            return self.s.choice(old)
        name = self.new(stem)
        scope.names[name] = what
        return name

    def s_assign(self, scope, indent):
        s = self.s
        sort = s.choice(["f", "f", "f", "i", "b"])
        if sort == "f":
            text, kind = self.float(scope, 3)
            target = s.choice([n for n, w in scope.names.items() if w in ("pf", "nf", "f") and n not in scope.fixed] or [None])
            if target is None or s.chance(40):
                name = self.new("s")
                scope.names[name] = kind
                return [f"{indent}{name} = {_small(text, kind)}"]
            return [f"{indent}{target} = {_as(scope.names[target], _small(text, kind), kind)}"]
        if sort == "i":
            text, kind = self.int(scope, 2)
            target = s.choice([n for n, w in scope.names.items() if w in ("pi", "ni", "i") and n not in scope.fixed] or [None])
            if target is None or s.chance(40):
                name = self.new("k")
                scope.names[name] = kind
                return [f"{indent}{name} = ({text}) % 7"]
            return [f"{indent}{target} = {_as(scope.names[target], f'({text}) % 7', kind)}"]
        text = self.bool(scope, 2)
        return [f"{indent}{self.bind(scope, 'c', 'b')} = {text}"]

    def s_augment(self, scope, indent):
        s = self.s
        targets = [n for n, w in scope.names.items() if w in ("pf", "nf", "f", "pi", "ni", "i") and n not in scope.fixed]
        if not targets:
            return None
        name = s.choice(targets)
        kind = scope.names[name]
        if kind[-1] == "f":
            text, found = self.float(scope, 2)
            made = _join(kind, found)
            if kind == "pf" and made != "pf":
                text = f"float({text})"
            elif kind == "f" and made == "nf":
                pass
            return [f"{indent}{name} {s.choice(['+=', '-=', '*='])} {_small(text, 'pf') if kind == 'pf' else _small(text, kind)}"]
        text, found = self.int(scope, 1)
        if kind == "pi" and found != "pi":
            text = f"int({text})"
        return [f"{indent}{name} {s.choice(['+=', '-='])} {text}", f"{indent}{name} %= 9"]

    def s_array(self, scope, indent):
        """A new array."""
        s = self.s
        like = self.arrays(scope)
        if like and s.chance(70):
            what = scope.names[s.choice(like)]
        else:
            what = Array("float64" if self.smooth else s.choice(DTYPES), (s.integer(1, 5),) if s.chance(60) else (s.integer(1, 4), s.integer(1, 4)))
        if None in what.shape:
            return None
        text = self.array(scope, what, 3, fresh=True)
        return [f"{indent}{self.bind(scope, 'a' if len(what.shape) == 1 else 'm', what)} = {text}"]

    def s_view(self, scope, indent):
        """A view of an array, or an alias."""
        names = self.arrays(scope)
        if not names or scope.depth > 2:
            return None
        base = self.s.choice(names)
        text, what = self.view_of(base, scope)
        name = self.new("v")
        scope.names[name] = what
        return [f"{indent}{name} = {text}"]

    def view_of(self, base, scope):
        s, what = self.s, scope.names[base]
        dtype, shape = what.dtype, what.shape
        if len(shape) == 1:
            n = shape[0]
            key, length = self.static_slice(n)
            forms = [(f"{base}[{key}]", (length,)), (base, shape)]
            if n is not None and n % 2 == 0 and n:
                forms.append((f"{base}.reshape(2, -1)", (2, n // 2)))
            return_text, found = s.choice(forms)
            return return_text, Array(dtype, found)
        n, m = shape
        rows, height = self.static_slice(n)
        columns, width = self.static_slice(m)
        forms = [(f"{base}.T", (m, n)), (f"{base}[{rows}, {columns}]", (height, width)), (f"{base}[{rows}]", (height, m)), (base, shape)]
        if n:
            forms.append((f"{base}[{self.index(scope, n)}]", (m,)))
        if m:
            forms.append((f"{base}[:, {self.index(scope, m)}]", (n,)))
        text, found = s.choice(forms)
        return text, Array(dtype, found)

    def static_slice(self, n):
        s = self.s
        key = s.choice([slice(None), slice(1, None), slice(None, -1), slice(None, None, 2), slice(None, None, -1), slice(1, 3), slice(-2, None),
                        slice(-1, 0, -2)])
        text = ":".join("" if p is None else str(p) for p in ((key.start, key.stop) if key.step is None else (key.start, key.stop, key.step)))
        return text, len(range(*key.indices(n))) if n is not None else None

    def writable(self, scope, rank=None, dtypes=None):
        return [n for n in self.arrays(scope) if (rank is None or len(scope.names[n].shape) == rank) and 0 not in scope.names[n].shape
                and (dtypes is None or scope.names[n].dtype in dtypes) and None not in scope.names[n].shape]

    def value_for(self, scope, dtype, depth=2):
        """A scalar that an array of this dtype takes without losing anything."""
        if dtype.startswith("float"):
            text, kind = self.float(scope, depth)
            return _small(text, kind)
        if dtype == "complex128":
            return f"complex({self.float(scope, 1)[0]}, {self.float(scope, 1)[0]})" if self.s.chance(30) else self.value_for(scope, "float64", 1)
        if dtype == "bool":
            return self.bool(scope, 1)
        return f"({self.int(scope, depth)[0]}) % 50"

    def s_write(self, scope, indent):
        """One element."""
        s = self.s
        names = self.writable(scope)
        if not names:
            return None
        name = s.choice(names)
        what = scope.names[name]
        key = ", ".join(self.index(scope, n) for n in what.shape)
        if what.dtype == "bool" or s.chance(55):
            return [f"{indent}{name}[{key}] = {self.value_for(scope, what.dtype)}"]
        op = s.choice(["+=", "-=", "*="])
        value = self.value_for(scope, what.dtype)
        if what.dtype in ("int32", "float32") or what.dtype == "int64":
            value = str(s.integer(-2, 2)) if what.dtype[0] == "i" else "0.5"
        return [f"{indent}{name}[{key}] {op} {value}"]

    def s_rows(self, scope, indent):
        """A slice, a row, a column, the whole."""
        s = self.s
        names = self.writable(scope, dtypes=("float64", "int64", "float32", "complex128"))
        if not names:
            return None
        name = s.choice(names)
        what = scope.names[name]
        if len(what.shape) == 1:
            n = what.shape[0]
            if n > 1 and s.chance(30):
                left, right = s.choice([("1:", ":-1"), (":-1", "1:"), ("::-1", ":"), (":", "::-1")])
                op = s.choice(["=", "=", "+=", "-="])
                return [f"{indent}{name}[{left}] {op} {name}[{right}]" + (" * 0.5" if op != "=" and what.dtype[0] in "fc" else "")]
            key, length = self.static_slice(n)
            shape = (length,)
        else:
            n, m = what.shape
            key, shape = s.choice([(f"{self.index(scope, n)}", (m,)), (f":, {self.index(scope, m)}", (n,)), (":", (n, m)),
                                   (f"1:, {self.index(scope, m)}", (n - 1,)), (f"{self.index(scope, n)}, ::-1", (m,))])
        op = s.choice(["=", "=", "+=", "*=", "-="])
        if s.chance(40) or 0 in shape:
            value = self.value_for(scope, what.dtype) if op == "=" or what.dtype in ("float64", "complex128") else "2"
        else:
            value = self.array(scope, Array(what.dtype, shape), 2)
            if op == "*=" and what.dtype[0] != "i":
                value = f"np.cos({value})"
            elif what.dtype[0] == "i":
                value = f"({value}) % 10"
        return [f"{indent}{name}[{key}] {op} {value}"]

    def s_mask(self, scope, indent):
        s = self.s
        names = self.writable(scope, dtypes=("float64", "int64"))
        if not names:
            return None
        name = s.choice(names)
        what = scope.names[name]
        form = s.choice(["mask", "mask", "fancy", "whole"])
        if form == "mask":
            limit = self.float(scope, 1)[0] if what.dtype == "float64" else str(s.integer(-1, 3))
            test = f"{name} {s.choice(['>', '<', '>='])} {limit}"
            if s.chance(50):
                return [f"{indent}{name}[{test}] = {self.value_for(scope, what.dtype, 1)}"]
            if what.dtype == "float64" and s.chance(50):
                kept = self.new("w")
                return [f"{indent}{kept} = {test}", f"{indent}{name}[{kept}] = np.sin({name}[{kept}]) * 0.5"]
            return [f"{indent}{name}[{test}] *= {'0.5' if what.dtype == 'float64' else '2'}"]
        if form == "fancy":
            n = what.shape[0]
            where = [s.integer(-n, n - 1) for _ in range(s.integer(1, 3))]
            at = f"np.array({where})" if s.chance(60) else f"{where}"
            if len(what.shape) == 1:
                kind = s.choice(["=", "+=", "at"])
                if kind == "at" and what.dtype == "float64":
                    return [f"{indent}np.add.at({name}, {at}, {self.value_for(scope, what.dtype, 1)})"]
                value = self.value_for(scope, what.dtype, 1) if what.dtype == "float64" else "3"
                return [f"{indent}{name}[{at}] {'+=' if kind == '+=' else '='} {value}"]
            return [f"{indent}{name}[{at}] = {name}[{at}][::-1]"]
        whole = f"{name}[...]" if name in scope.fixed else name
        if what.dtype == "float64":
            return [f"{indent}{whole} {s.choice(['+=', '*=', '-='])} {self.value_for(scope, 'float64', 1)}"]
        return [f"{indent}{whole} += 1"]

    def s_swap(self, scope, indent):
        names = self.writable(scope)
        if not names:
            return None
        name = self.s.choice(names)
        what = scope.names[name]
        if len(what.shape) == 1:
            i, j = self.index(scope, what.shape[0]), self.index(scope, what.shape[0])
            return [f"{indent}{name}[{i}], {name}[{j}] = {name}[{j}], {name}[{i}]"]
        i, j = self.index(scope, what.shape[0]), self.index(scope, what.shape[0])
        if self.s.chance(50):
            return [f"{indent}{name}[{i}], {name}[{j}] = {name}[{j}].copy(), {name}[{i}].copy()"]
        return [f"{indent}{name}[{i}], {name}[{j}] = {name}[{j}], {name}[{i}]"]

    def s_call(self, scope, indent):
        """A closure that reads names around it, perhaps writing into an array."""
        s = self.s
        if scope.depth > 1:
            return None
        name = self.new("local")
        inside = scope.inner(loop=False)
        inside.depth = 2
        inside.names = {n: w for n, w in inside.names.items() if not isinstance(w, dict)} | {"q": "f"}
        inside.fixed = set(inside.names)
        outer, self.budget = self.budget, 2
        body = self.block(inside, indent + "    ", ("write", "rows", "mask", "if")) if s.chance(60) else []
        self.budget = outer
        if s.chance(30):
            body += [f"{indent}    for {self.new('z')} in range({s.integer(1, 3)}):", f"{indent}        q = np.sin(q) + {self.float(inside, 1)[0]}",
                     f"{indent}        if {self.bool(inside, 1)}:", f"{indent}            return np.tanh({self.float(inside, 1)[0]})"]
        result = self.float(inside, 2)[0]
        text, kind = self.float(scope, 1)
        target = self.new("s")
        scope.names[target] = "f"
        return [f"{indent}def {name}(q):", *body, f"{indent}    return {_small(result, 'f')}", f"{indent}{target} = {name}({text})"]

    def s_container(self, scope, indent):
        """A list or a dict of numbers."""
        s = self.s
        parts = [self.float(scope, 1) for _ in range(s.integer(1, 3))]
        name = self.new("box")
        kinds = ["f"] * len(parts)
        if s.chance(50):
            scope.names[name] = {"form": "list", "keys": list(range(len(parts))), "kinds": kinds}
            return [f"{indent}{name} = [{', '.join(_small(t, k) for t, k in parts)}]"]
        keys = ["p", "q", "r"][:len(parts)]
        scope.names[name] = {"form": "dict", "keys": keys, "kinds": kinds}
        return [f"{indent}{name} = {{{', '.join(f'{k!r}: {_small(t, kind)}' for k, (t, kind) in zip(keys, parts))}}}"]

    def s_change(self, scope, indent):
        """An item of a list or a dict."""
        boxes = [n for n, w in scope.names.items() if isinstance(w, dict) and n not in scope.fixed]
        if not boxes:
            return None
        name = self.s.choice(boxes)
        key = self.s.choice(scope.names[name]["keys"])
        text, kind = self.float(scope, 2)
        return [f"{indent}{name}[{key!r}] {self.s.choice(['=', '+=', '*='])} {_small(text, kind)}"]

    def s_tuple(self, scope, indent):
        """Several names at once."""
        s = self.s
        targets = [n for n, w in scope.names.items() if w in ("pf", "nf", "f") and n not in scope.fixed]
        if len(targets) < 2:
            return None
        a, b = s.choice(targets), s.choice(targets)
        if a == b:
            return None
        left, right = self.float(scope, 1), self.float(scope, 1)
        return [f"{indent}{a}, {b} = {_as(scope.names[a], _small(*left), left[1])}, {_as(scope.names[b], _small(*right), right[1])}"]

    def s_if(self, scope, indent):
        s = self.s
        lines = [f"{indent}if {self.bool(scope, 2)}:", *self.block(self.branch(scope), indent + "    ")]
        if s.chance(30):
            lines += [f"{indent}elif {self.bool(scope, 1)}:", *self.block(self.branch(scope), indent + "    ")]
        if s.chance(50):
            lines += [f"{indent}else:", *self.block(self.branch(scope), indent + "    ")]
        return lines

    def branch(self, scope):
        inside = scope.inner()
        inside.fixed |= {n for n, w in scope.names.items() if isinstance(w, Array) and n in scope.counters}
        return inside

    def s_for(self, scope, indent):
        s = self.s
        inside = scope.inner(loop=True)
        name = self.new("i")
        arrays = [n for n in self.arrays(scope)]
        form = s.choice(["range", "range", "range", "rows", "enumerate", "zip", "reversed"])
        if form in ("rows", "enumerate", "zip") and not arrays:
            form = "range"
        target = name
        if form in ("range", "reversed"):
            text, low, high = self.range(scope)
            inside.names[name], inside.counters[name] = "pi", (low, high)
            over = f"reversed({text})" if form == "reversed" else text
        else:
            array = s.choice(arrays)
            item = self.new("e")
            what = scope.names[array]
            inside.names[item] = self.item_of(what)
            inside.fixed.add(item)
            target, over = item, array if s.chance(80) or None in what.shape else f"{array}[::-1]"
            if form == "enumerate":
                inside.names[name] = "pi"
                length = what.shape[0]
                inside.counters[name] = (0, max(length - 1, 0) if length is not None else 100)
                target, over = f"{name}, {item}", f"enumerate({over})"
            elif form == "zip":
                other, second = s.choice(arrays), self.new("e")
                inside.names[second] = self.item_of(scope.names[other])
                inside.fixed.add(second)
                target, over = f"{item}, {second}", f"zip({over}, {other})"
        inside.fixed.add(name)
        lines = [f"{indent}for {target} in {over}:", *self.block(inside, indent + "    ")]
        if s.chance(12):
            lines += [f"{indent}else:", *self.block(scope.inner(), indent + "    ")]
        return lines

    def item_of(self, what):
        if len(what.shape) > 1:
            return Array(what.dtype, what.shape[1:])
        return {"float64": "nf", "int64": "ni"}.get(what.dtype, "gone")

    def range(self, scope):
        """(text, lowest, highest value)."""
        s = self.s
        sized = [(n, w.shape[0]) for n, w in scope.names.items() if isinstance(w, Array) and w.shape[0] is not None]
        counters = [(n, r) for n, r in scope.counters.items()]
        if sized and s.chance(50):
            name, n = s.choice(sized)
            text = s.choice([f"len({name})", f"{name}.shape[0]"])
            forms = [(f"range({text})", 0, n - 1), (f"range({text} - 1, -1, -1)", 0, n - 1), (f"range(1, {text})", 1, n - 1),
                     (f"range(0, {text}, 2)", 0, n - 1)]
            text, low, high = s.choice(forms)
            return text, low, max(high, low)
        if counters and s.chance(40):
            name, (low, high) = s.choice(counters)
            return s.choice([(f"range({name})", 0, max(high - 1, 0)), (f"range({name}, {high + 2})", low, high + 1)])
        ints = [n for n, w in scope.names.items() if w == "pi" and n not in scope.counters]
        if ints and s.chance(40):
            name = s.choice(ints)
            return f"range(abs({name}) % 4)", 0, 3
        low = s.integer(-1, 2)
        high = low + s.integer(0, 4)
        return s.choice([(f"range({low}, {high})", low, max(high - 1, low)), (f"range({high}, {low}, -1)", min(low + 1, high), high),
                         (f"range({low}, {high}, 2)", low, max(high - 1, low))])

    def s_while(self, scope, indent):
        s = self.s
        name = self.new("t")
        scope.names[name] = "pi"
        inside = scope.inner(loop=True)
        inside.fixed.add(name)
        limit = s.integer(1, 5)
        inside.counters[name] = (0, limit)
        test = f"{name} < {limit}"
        if s.chance(50):
            test += f" and {self.bool(scope, 1)}"
        body = self.block(inside, indent + "    ")
        lines = [f"{indent}{name} = 0", f"{indent}while {test}:", f"{indent}    {name} += 1", *body]
        if s.chance(12):
            lines += [f"{indent}else:", *self.block(scope.inner(), indent + "    ")]
        return lines

    def s_break(self, scope, indent):
        return [f"{indent}if {self.bool(scope, 1)}:", f"{indent}    break"]

    def s_continue(self, scope, indent):
        return [f"{indent}if {self.bool(scope, 1)}:", f"{indent}    continue"]

    def s_check(self, scope, indent):
        """An assertion that mostly holds, an error that is seldom raised."""
        s = self.s
        if s.chance(60):
            return [f"{indent}assert abs({self.float(scope, 1)[0]}) < {s.choice(['100.0', '100.0', '1.0'])}, 'too large'"]
        error = s.choice(["ValueError", "RuntimeError", "ArithmeticError"])
        limit = s.choice(["2.0", "50.0", "50.0"])
        return [f"{indent}if {self.float(scope, 1)[0]} > {limit} {s.choice(['and', 'or'])} {self.float(scope, 1)[0]} > 50.0:",
                f"{indent}    raise {error}('drawn')"]

    def s_integers(self, scope, indent):
        """Integer arithmetic with negatives; division by what may be zero."""
        a, b = self.int(scope, 1), self.int(scope, 1)
        op = self.s.choice(["//", "%"])
        kind = "pi" if a[1] == b[1] == "pi" else "ni" if "ni" in (a[1], b[1]) else "i"
        if kind == "pi" and self.s.chance(20):
            text = f"({a[0]}) {op} ({b[0]})"
        elif kind == "pi":
            text = f"({a[0]}) {op} (({b[0]}) % 5 + 1)"
        else:
            text = f"({a[0]}) {op} (abs({b[0]}) + 2)"
        name = self.new("k")
        scope.names[name] = kind
        return [f"{indent}{name} = {text}"]

    def s_lengths(self, scope, indent):
        """Slices whose ends are known only at run time."""
        s = self.s
        names = [n for n in self.arrays(scope) if len(scope.names[n].shape) == 1 and scope.names[n].dtype == "float64"]
        if not names:
            return None
        name = s.choice(names)
        ends = [n for n, w in scope.names.items() if w in ("pi", "ni", "i")] or [str(s.integer(0, 4))]
        k = s.choice(ends)
        key = s.choice([f":{k}", f"{k}:", f"{k}:{k} + 2", f":{k}:2", f"{k}::-1", f":-{k}" if k.isidentifier() else f":{k}"])
        form = s.choice(["sum", "sum", "name", "write", "dot", "count"])
        if form == "write" and name in self.writable(scope):
            value, kind = self.float(scope, 1)
            op = s.choice(["=", "+=", "*="])
            return [f"{indent}{name}[{key}] {op} {_small(value, kind)}"]
        if form == "name" and scope.depth < 2:
            found = self.new("v")
            scope.names[found] = Array("float64", (None,))
            return [f"{indent}{found} = {name}[{key}]" + s.choice(["", " * 2.0", ".copy()"])]
        limit, target = self.float(scope, 1)[0], self.new("s")
        if form == "count":
            scope.names[target] = "ni"
            return [f"{indent}{target} = np.sum({name}[{key}] > {limit})"]
        scope.names[target] = "nf"
        if form == "dot":
            return [f"{indent}{target} = np.tanh(np.dot({name}[{key}], {name}[{key}]))"]
        return [f"{indent}{target} = np.tanh(np.sum({name}[{key}]))"]

    # --- expressions ------------------------------------------------------------------------------------------------------------

    def arrays(self, scope):
        return [n for n, w in scope.names.items() if isinstance(w, Array)]

    def numbers(self, scope, *kinds):
        return [n for n, w in scope.names.items() if isinstance(w, str) and w in kinds]

    def index(self, scope, n) -> str:
        """A position on an axis of length n; seldom outside."""
        s = self.s
        if n is None or n == 0:
            return "0"
        inside = [c for c, (low, high) in scope.counters.items() if -n <= low and high < n and scope.names.get(c) == "pi"]
        if inside and s.chance(60):
            return s.choice(inside)
        ints = self.numbers(scope, "pi", "ni", "i")
        if ints and s.chance(40):
            name = s.choice(ints)
            return s.choice([f"{name} % {n}", f"({name} + 1) % {n}", f"min(max({name}, 0), {n - 1})", f"-1 - {name} % {n}"])
        if ints and not self.smooth and s.chance(4):
            return s.choice(ints)
        return str(s.integer(-n, n - 1))

    def float(self, scope, depth):
        """(text, kind) of a float."""
        s = self.s
        leaf = depth <= 0
        names = self.numbers(scope, "pf", "nf", "f")
        arrays = [n for n in self.arrays(scope) if scope.names[n].dtype == "float64"]
        filled = [n for n in arrays if 0 not in scope.names[n].shape and None not in scope.names[n].shape]
        options = ["literal"] + ["name"] * 3 * bool(names) + ["item"] * 3 * bool(filled)
        if not leaf:
            options += ["two", "two", "two", "one", "one", "either", "least"] + ["reduce"] * 2 * bool(arrays) + ["int"]
            options += ["helper"] * 2 * bool(self.helpers) + ["part"] * bool([1 for w in scope.names.values() if isinstance(w, dict)])
        form = s.choice(options)
        if form == "literal":
            return s.choice(["0.5", "1.5", "-0.25", "2.0", "0.1", "0.0"] if not self.smooth else ["0.5", "1.5", "-0.25", "0.7"]), "pf"
        if form == "name":
            name = s.choice(names)
            return name, scope.names[name]
        if form == "item":
            name = s.choice(filled)
            return f"{name}[{', '.join(self.index(scope, n) for n in scope.names[name].shape)}]", "nf"
        if form == "two":
            (a, ka), (b, kb) = self.float(scope, depth - 1), self.float(scope, depth - 1)
            if s.chance(20):
                return f"({a}) / (1.0 + ({b}) ** 2)", _join(ka, kb)
            return f"({a}) {s.choice(['+', '-', '*'])} ({b})", _join(ka, kb)
        if form == "one":
            text, kind = self.float(scope, depth - 1)
            if not self.smooth and s.chance(25):
                return s.choice(KINKED).replace("{}", text), "nf"
            if s.chance(30):
                form = s.choice(PYTHON_UNARY).replace("{}", text)
                return form, kind if form.startswith("abs(") else "pf"
            form = s.choice(UNARY).replace("{}", text)
            return form, "nf" if "np." in form else kind
        if form == "either":
            (a, ka), (b, kb) = self.float(scope, depth - 1), self.float(scope, depth - 1)
            return f"({a} if {self.bool(scope, 1)} else {b})", ka if ka == kb else "f"
        if form == "least":
            (a, ka), (b, kb) = self.float(scope, depth - 1), self.float(scope, depth - 1)
            return f"{s.choice(['min', 'max'])}({a}, {b})", ka if ka == kb else "f"
        if form == "int":
            text, kind = self.int(scope, 1)
            return f"0.25 * ({text})", {"pi": "pf", "ni": "nf", "i": "f"}[kind]
        if form == "helper":
            name, kinds, default = s.choice(self.helpers)
            given = []
            for kind in kinds:
                if isinstance(kind, Array):
                    lines = [n for n in arrays if len(scope.names[n].shape) == 1]
                    given.append(s.choice(lines) if lines else "np.array([0.5, 0.25])")
                else:
                    given.append(self.float(scope, 1)[0])
            return f"{name}({', '.join(given)}{', scale=0.25' if default and s.chance(50) else ''})", "nf"
        if form == "part":
            name = s.choice([n for n, w in scope.names.items() if isinstance(w, dict)])
            return f"{name}[{s.choice(scope.names[name]['keys'])!r}]", "f"
        name = s.choice(arrays)
        return self.reduced(scope, name), "nf"

    def reduced(self, scope, name):
        s = self.s
        safe = 0 not in scope.names[name].shape and None not in scope.names[name].shape
        forms = [f"np.sum({name})", f"{name}.sum()", f"np.sum({name} ** 2)", f"np.sum(np.sin({name}) * {name})"]
        if safe:
            forms += [f"np.mean({name})", f"{name}.max()", f"np.min({name})", f"np.var({name})"]
        return s.choice(forms)

    def int(self, scope, depth):
        s = self.s
        names = self.numbers(scope, "pi", "ni", "i")
        arrays = [n for n in self.arrays(scope) if scope.names[n].dtype == "int64" and 0 not in scope.names[n].shape
                  and None not in scope.names[n].shape]
        sized = self.arrays(scope)
        options = ["literal"] + ["name"] * 3 * bool(names) + ["item"] * bool(arrays) + ["size"] * bool(sized)
        if depth > 0:
            options += ["two", "two", "round", "where", "flag"]
        form = s.choice(options)
        if form == "literal":
            return str(s.integer(-3, 5)), "pi"
        if form == "name":
            name = s.choice(names)
            return name, scope.names[name]
        if form == "item":
            name = s.choice(arrays)
            return f"{name}[{', '.join(self.index(scope, n) for n in scope.names[name].shape)}] % 50", "ni"
        if form == "size":
            name = s.choice(sized)
            return s.choice([f"len({name})", f"{name}.size", f"{name}.shape[-1]"]), "pi"
        if form == "two":
            (a, ka), (b, kb) = self.int(scope, depth - 1), self.int(scope, depth - 1)
            return f"({a}) {s.choice(['+', '-', '*'])} ({b})", ka if ka == kb else "ni" if "ni" in (ka, kb) else "i"
        if form == "round":
            text, _ = self.float(scope, 1)
            return f"int(3.0 * np.tanh({text}))", "pi"
        if form == "flag":
            return f"int({self.bool(scope, 1)})", "pi"
        filled = [n for n in self.arrays(scope) if scope.names[n].dtype == "float64" and 0 not in scope.names[n].shape
                  and None not in scope.names[n].shape]
        return (f"np.{s.choice(['argmax', 'argmin'])}({s.choice(filled)})", "ni") if filled else ("2", "pi")

    def bool(self, scope, depth):
        s = self.s
        flags = self.numbers(scope, "b")
        arrays = [n for n in self.arrays(scope) if scope.names[n].dtype in ("float64", "int64")]
        options = ["floats"] * 4 + ["ints", "ints"] + ["flag"] * bool(flags)
        if depth > 0:
            options += ["and", "or", "not", "chain"] + ["any"] * bool(arrays)
        form = s.choice(options)
        if form == "floats":
            return f"{self.float(scope, 1)[0]} {s.choice(['<', '>'])} {self.float(scope, 1)[0]}"
        if form == "ints":
            return s.choice([f"({self.int(scope, 1)[0]}) % 2 == 0", f"{self.int(scope, 1)[0]} {s.choice(['<', '<=', '!='])} {self.int(scope, 0)[0]}"])
        if form == "flag":
            return s.choice(flags)
        if form in ("and", "or"):
            return f"({self.bool(scope, depth - 1)} {form} {self.bool(scope, depth - 1)})"
        if form == "not":
            return f"not ({self.bool(scope, depth - 1)})"
        if form == "chain":
            return f"-0.5 < {self.float(scope, 1)[0]} <= {self.float(scope, 1)[0]}"
        name = s.choice(arrays)
        return f"{s.choice(['np.any', 'np.all'])}({name} > {s.choice(['0', '1'])})"

    def array(self, scope, what: Array, depth, fresh=False):
        """The text of an array of this dtype and shape; `fresh`: no other name shares its memory."""
        s = self.s
        same = [n for n in self.arrays(scope) if scope.names[n] == what]
        if what.dtype in ("float64", "float32", "complex128"):
            return self.inexact(scope, what, depth, same, fresh)
        shape = what.shape if len(what.shape) > 1 else what.shape[0]
        if what.dtype == "bool":
            floats = [n for n in self.arrays(scope) if scope.names[n] == Array("float64", what.shape)]
            if floats and depth > 0:
                return s.choice([f"({s.choice(floats)} > {self.float(scope, 1)[0]})", f"~({s.choice(floats)} < 0.3)",
                                 f"(({s.choice(floats)} > 0) | ({s.choice(floats)} < -0.5))"])
            return f"np.zeros({shape}, dtype=bool)" if not same or s.chance(30) else f"~{s.choice(same)}"
        if same and depth > 0 and s.chance(60):
            a, b = s.choice(same), s.choice(same)
            forms = [f"{a} + {b}", f"{a} * 2 - 1", f"{a} // 3", f"{a} % 4", f"-{a}", f"np.maximum({a}, {b})", f"np.cumsum({a}).astype(np.{what.dtype})",
                     f"np.where({a} > 1, {a}, -{b})", f"np.sort({a})", f"abs({a}) % 5", f"{a} ^ {b}", f"{a} & 3", f"{a} // ({b} % 3 - 1)"]
            if len(what.shape) > 1:
                forms = [f for f in forms if "cumsum" not in f]
            return f"({s.choice(forms)}) % 100"
        if len(what.shape) == 1 and s.chance(50):
            return f"np.arange({what.shape[0]}, dtype=np.{what.dtype})"
        return s.choice([f"np.zeros({shape}, dtype=np.{what.dtype})", f"np.full({shape}, {s.integer(-2, 4)}, dtype=np.{what.dtype})"])

    def inexact(self, scope, what, depth, same, fresh):
        s = self.s
        double = what.dtype == "float64"
        shape = what.shape if len(what.shape) > 1 else what.shape[0]
        if same and (depth <= 0 or s.chance(25)) and 0 not in what.shape:
            name = s.choice(same)
            return f"{name}.copy()" if fresh else name
        if depth <= 0 or not (same or double) or s.chance(10):
            forms = [f"np.zeros({shape}, dtype=np.{what.dtype})", f"np.ones({shape}, dtype=np.{what.dtype})"]
            if double:
                forms.append(f"np.full({shape}, {self.float(scope, 1)[0]})")
                if len(what.shape) == 1:
                    forms += [f"np.linspace(-1.0, 1.0, {shape})", f"np.arange({shape}) * 0.5"]
                    if shape and shape <= 4:
                        forms.append("np.array([" + ", ".join(self.float(scope, 1)[0] for _ in range(shape)) + "])")
            return s.choice(forms)
        a = self.array(scope, what, depth - 1)
        rank = len(what.shape)
        forms = ["one", "one", "two", "two", "scalar", "where", "order"]
        if double:
            forms += ["product", "concat", "broadcast", "kinked", "cumulative"] if not self.smooth else ["product", "concat", "broadcast", "cumulative"]
        form = s.choice(forms)
        if form == "one":
            return s.choice(BOUNDED if what.dtype != "complex128" else ["np.conj({})", "-({})", "({}) * 0.5"]).replace("{}", a)
        if form == "kinked":
            return s.choice(KINKED).replace("{}", a)
        if form == "two":
            b = self.array(scope, what, depth - 1)
            return f"({a}) {s.choice(['+', '-', '*'])} ({b})"
        if form == "scalar":
            return f"({a}) * {self.float(scope, 1)[0] if double else '0.5'}"
        if form == "where":
            b = self.array(scope, what, depth - 1)
            if what.dtype == "complex128":
                return f"np.where(np.real({a}) > 0.1, {a}, {b})"
            return f"np.where({a} > {s.choice(['0.1', '0.0'])}, {a}, {b})"
        if form == "order":
            return f"({a})[::-1]" if rank == 1 or s.chance(50) else f"np.flip({a}, axis=1)"
        if form == "cumulative":
            return f"np.cumsum({a}{', axis=0' if rank > 1 else ''}) * 0.5"
        if form == "product":
            k = s.integer(1, 3)
            left = self.array(scope, Array("float64", (*what.shape[:1], k)), depth - 1)
            right = self.array(scope, Array("float64", (k, *what.shape[1:])), depth - 1)
            return f"np.tanh(({left}) @ ({right}))"
        if form == "concat" and what.shape[0]:
            k = s.integer(0, what.shape[0])
            left = self.array(scope, Array("float64", (k, *what.shape[1:])), depth - 1)
            right = self.array(scope, Array("float64", (what.shape[0] - k, *what.shape[1:])), depth - 1)
            return f"np.concatenate([{left}, {right}])"
        if form == "broadcast" and rank == 2:
            row = self.array(scope, Array("float64", what.shape[1:]), depth - 1)
            column = self.array(scope, Array("float64", what.shape[:1]), depth - 1)
            return s.choice([f"({a}) + ({row})", f"({row}) * ({column})[:, None]", f"({a}) * np.sum({a}, axis=1, keepdims=True)",
                             f"np.outer({column}, {row})"])
        return f"({a}) + 0.1"


def scope_names(kinds):
    return [f"p{k}" for k in range(len(kinds))]


def _join(a, b):
    """The kind of a sum."""
    if "nf" in (a, b):
        return "nf"
    return a if a == b else "f"


def _small(text, kind):
    """The same kind, between -1 and 1."""
    return f"math.tanh({text})" if kind == "pf" else f"np.tanh({text})" if kind == "nf" else f"({text}) / (1.0 + abs({text}))"


def _as(kind, text, found):
    """text, of the kind found, made the other kind."""
    if kind == found or kind in ("f", "i"):
        return text
    return {"pf": f"float({text})", "nf": f"np.float64({text})", "pi": f"int({text})", "ni": f"np.int64({text})"}[kind]


def _argument(rng, what):
    if isinstance(what, Array):
        values = rng.standard_normal(what.shape)
        if what.dtype == "complex128":
            values = values + 1j * rng.standard_normal(what.shape)
        if what.dtype.startswith("int"):
            values = rng.integers(-5, 9, what.shape)
        if what.dtype == "bool":
            values = values > 0
        return np.asarray(values).astype(what.dtype)
    return {"pf": lambda: float(rng.standard_normal()), "nf": rng.standard_normal, "pi": lambda: int(rng.integers(-3, 6)),
            "ni": lambda: np.int64(rng.integers(-3, 6)), "b": lambda: bool(rng.integers(0, 2))}[what]()
