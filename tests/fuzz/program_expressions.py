"""Expressions of random programs: text of a float, an int, a bool, an array, from the names at hand.

kind ::= "pf" | "nf" | "f"      a Python float, a float64 scalar, either of the two by what the data are
       | "pi" | "ni" | "i"      likewise for ints
       | "b"                    a bool of Python or NumPy
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field


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
class Scope:
    """Names and what they hold; `loop`: inside a loop (True: of this function, so `break` may stand here)."""

    names: dict = field(default_factory=dict)
    counters: dict = field(default_factory=dict)  # name -> (low, high) that it lies in
    fixed: set = field(default_factory=set)  # names that must not be bound anew
    loop: bool = False
    depth: int = 0

    def inner(self, loop=None):
        return Scope(
            dict(self.names), dict(self.counters), set(self.fixed), self.loop if loop is None else loop, self.depth + 1
        )


DTYPES = ["float64"] * 8 + ["int64", "int64", "float32", "int32", "bool", "complex128"]
BOUNDED = ["np.tanh({})", "np.sin({})", "np.cos({})", "np.arctan({})"]
UNARY = [
    *BOUNDED,
    "np.exp(-({}) ** 2)",
    "np.sqrt(1.0 + ({}) ** 2)",
    "-({})",
    "({}) * ({})",
    "np.log1p(({}) ** 2)",
    "1.0 / (1.5 + np.sin({}))",
]
KINKED = [
    "np.abs({})",
    "np.maximum({}, 0.1)",
    "np.minimum({}, 0.2)",
    "np.clip({}, -0.5, 0.5)",
    "np.floor({})",
    "np.sign({})",
    "np.sqrt({})",
    "np.log({})",
    "np.round({})",
]
PYTHON_UNARY = [
    "math.sin({})",
    "math.cos({})",
    "math.tanh({})",
    "math.sqrt(1.0 + abs({}))",
    "math.exp(-abs({}))",
    "abs({})",
    "math.atan({})",
]


class Expressions:
    """Writes expressions. `smooth`: only what has a derivative nearly everywhere, in float64, and nothing that raises."""

    def __init__(self, source: Source, smooth: bool = False, size: int = 14):
        self.s, self.smooth, self.budget = source, smooth, size
        self.count = itertools.count()
        self.helpers: list[tuple] = []
        self.callables: list[tuple] = []        # (name, the arguments of a call, with {} for floats)
        self.classes: list[str] = []
        self.records: list[tuple] = []          # (name of a class, which of the forms it has)
        self.fillers: list[tuple] = []          # (name of a function that writes to its arguments, what it returns)
        self.head: list[str] = []

    def new(self, stem: str) -> str:
        return f"{stem}{next(self.count)}"

    def writable(self, scope, rank=None, dtypes=None):
        return [
            n
            for n in self.arrays(scope)
            if (rank is None or len(scope.names[n].shape) == rank)
            and 0 not in scope.names[n].shape
            and (dtypes is None or scope.names[n].dtype in dtypes)
            and None not in scope.names[n].shape
        ]

    def value_for(self, scope, dtype, depth=2):
        """A scalar that an array of this dtype takes without losing anything."""
        if dtype.startswith("float"):
            text, kind = self.float(scope, depth)
            return small(text, kind)
        if dtype == "complex128":
            return (
                f"complex({self.float(scope, 1)[0]}, {self.float(scope, 1)[0]})"
                if self.s.chance(30)
                else self.value_for(scope, "float64", 1)
            )
        if dtype == "bool":
            return self.bool(scope, 1)
        return f"({self.int(scope, depth)[0]}) % 50"

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
            options += ["helper"] * 2 * bool(self.helpers) + ["special"] * bool(self.callables) + ["part"] * bool(
                [1 for w in scope.names.values() if isinstance(w, dict)]
            )
        form = s.choice(options)
        if form == "literal":
            return s.choice(
                ["0.5", "1.5", "-0.25", "2.0", "0.1", "0.0"] if not self.smooth else ["0.5", "1.5", "-0.25", "0.7"]
            ), "pf"
        if form == "name":
            name = s.choice(names)
            return name, scope.names[name]
        if form == "item":
            name = s.choice(filled)
            return f"{name}[{', '.join(self.index(scope, n) for n in scope.names[name].shape)}]", "nf"
        if form == "two":
            (a, ka), (b, kb) = self.float(scope, depth - 1), self.float(scope, depth - 1)
            if s.chance(20):
                return f"({a}) / (1.0 + ({b}) ** 2)", joined(ka, kb)
            return f"({a}) {s.choice(['+', '-', '*'])} ({b})", joined(ka, kb)
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
            return name + part(scope.names[name], s.choice(scope.names[name]["keys"])), "f"
        if form == "special":
            name, given = s.choice(self.callables)
            return f"{name}({given.format(*(self.float(scope, 1)[0] for _ in range(2)))})", "f"
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
        arrays = [
            n
            for n in self.arrays(scope)
            if scope.names[n].dtype == "int64" and 0 not in scope.names[n].shape and None not in scope.names[n].shape
        ]
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
        filled = [
            n
            for n in self.arrays(scope)
            if scope.names[n].dtype == "float64" and 0 not in scope.names[n].shape and None not in scope.names[n].shape
        ]
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
            return s.choice(
                [
                    f"({self.int(scope, 1)[0]}) % 2 == 0",
                    f"{self.int(scope, 1)[0]} {s.choice(['<', '<=', '!='])} {self.int(scope, 0)[0]}",
                ]
            )
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
                return s.choice(
                    [
                        f"({s.choice(floats)} > {self.float(scope, 1)[0]})",
                        f"~({s.choice(floats)} < 0.3)",
                        f"(({s.choice(floats)} > 0) | ({s.choice(floats)} < -0.5))",
                    ]
                )
            return f"np.zeros({shape}, dtype=bool)" if not same or s.chance(30) else f"~{s.choice(same)}"
        if same and depth > 0 and s.chance(60):
            a, b = s.choice(same), s.choice(same)
            forms = [
                f"{a} + {b}",
                f"{a} * 2 - 1",
                f"{a} // 3",
                f"{a} % 4",
                f"-{a}",
                f"np.maximum({a}, {b})",
                f"np.cumsum({a}).astype(np.{what.dtype})",
                f"np.where({a} > 1, {a}, -{b})",
                f"np.sort({a})",
                f"abs({a}) % 5",
                f"{a} ^ {b}",
                f"{a} & 3",
                f"{a} // ({b} % 3 - 1)",
            ]
            if len(what.shape) > 1:
                forms = [f for f in forms if "cumsum" not in f]
            return f"({s.choice(forms)}) % 100"
        if len(what.shape) == 1 and s.chance(50):
            return f"np.arange({what.shape[0]}, dtype=np.{what.dtype})"
        return s.choice(
            [f"np.zeros({shape}, dtype=np.{what.dtype})", f"np.full({shape}, {s.integer(-2, 4)}, dtype=np.{what.dtype})"]
        )

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
            forms += (
                ["product", "concat", "broadcast", "kinked", "cumulative"]
                if not self.smooth
                else ["product", "concat", "broadcast", "cumulative"]
            )
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
            return s.choice(
                [
                    f"({a}) + ({row})",
                    f"({row}) * ({column})[:, None]",
                    f"({a}) * np.sum({a}, axis=1, keepdims=True)",
                    f"np.outer({column}, {row})",
                ]
            )
        return f"({a}) + 0.1"


def scope_names(kinds):
    return [f"p{k}" for k in range(len(kinds))]


def part(what: dict, key) -> str:
    """The text that takes one part of a container or an object."""
    return f".{key}" if what["form"] == "object" else f"[{key!r}]"


def joined(a, b):
    """The kind of a sum."""
    if "nf" in (a, b):
        return "nf"
    return a if a == b else "f"


def small(text, kind):
    """The same kind, between -1 and 1."""
    return f"math.tanh({text})" if kind == "pf" else f"np.tanh({text})" if kind == "nf" else f"({text}) / (1.0 + abs({text}))"


def as_kind(kind, text, found):
    """text, of the kind found, made the other kind."""
    if kind == found or kind in ("f", "i"):
        return text
    return {"pf": f"float({text})", "nf": f"np.float64({text})", "pi": f"int({text})", "ni": f"np.int64({text})"}[kind]
