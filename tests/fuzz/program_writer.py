"""A writer of random Python programs, as source text: what users write, in any combination.

    program ::= imports helpers "def program(" parameters "):" statements "return" values

The writer knows of every name what it holds, so that most programs run to their end: of a number its kind
(program_expressions.py), of an array dtype and shape. It draws from a `Source`, which is a seeded generator or Hypothesis.
Every loop is bounded, and what goes into a variable is kept small by a bounded function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from program_expressions import DTYPES, Array, Scope, Source, scope_names
from program_statements import Statements

__all__ = ["Program", "Source", "Writer"]

IMPORTS = """import dataclasses
import functools
import math
import typing

import numpy as np


"""


@dataclass
class Program:
    """Source text with the function `program`, a maker of its arguments, and the positions of those that are inexact."""

    text: str
    arguments: tuple
    wrt: tuple[int, ...]
    double: Program | None = None           # of a program in float32: the same in float64

    def args(self) -> tuple:
        return tuple(a.copy() if isinstance(a, np.ndarray) else a for a in self.arguments)


class Writer(Statements):
    """Writes one program."""

    def program(self) -> Program:
        """One program; seldom one whose arrays are float32."""
        made = self.double_program()
        return single(made) if self.s.chance(12) and "complex" not in made.text else made

    def double_program(self) -> Program:
        s, scope = self.s, Scope()
        seed = s.integer(0, 10_000)
        rng = np.random.default_rng(seed)
        exact = self.smooth and seed % 2 == 1          # zeros, ties and repeated values, where maxima have their corners
        parameters, arguments, wrt = [], [], []
        sizes = [s.choice([1, 2, 3, 3, 4, 5, 6] if self.smooth else [0, 1, 2, 3, 4, 5, 6]) for _ in range(2)]
        for _ in range(s.integer(1, 4)):
            name, what = self.parameter(sizes)
            parameters.append(name)
            scope.names[name] = what
            arguments.append(_argument(rng, what, exact))
            if what in ("pf", "nf") or (isinstance(what, Array) and what.dtype == "float64"):
                wrt.append(len(arguments) - 1)
        if self.smooth and not wrt:
            name = self.new("a")
            what = Array("float64", (max(sizes[0], 2),))
            parameters.append(name)
            scope.names[name] = what
            arguments.append(_argument(rng, what, exact))
            wrt.append(len(arguments) - 1)
        for _ in range(s.integer(0, 2)):
            self.helper()
        if s.chance(30):
            self.special_helper()
        start, self.parameters = len(parameters), set(parameters)
        body = self.block(scope, "    ")
        for _ in range(3):
            if self.budget > 0:
                body += self.block(scope, "    ")
        body = self.early(body, scope)
        shown = [n for n, what in scope.names.items() if what not in ("gone", "rng")]
        picked = shown[start:][-5:] + shown[:start] if len(shown) > start else shown
        results = [self.shown(n, scope) for n in picked[:6]]
        if any("<results>" in line for line in body):
            results = [n for n in parameters if n in scope.names][:6]
        results = ", ".join(results) + ","
        text = IMPORTS + "".join(self.head)
        text += (
            f"def program({', '.join(parameters)}):\n"
            + "\n".join(body).replace("<results>", results)
            + f"\n    return {results}\n"
        )
        return Program(text, tuple(arguments), tuple(wrt))

    def early(self, body, scope):
        """A `return` in some block: of what the last one returns, so that their types agree. `<results>` is filled in."""
        s = self.s
        spots, closure = [], 0  # closure: the indent of the inner function that a line is in
        for k, line in enumerate(body):
            depth = len(line) - len(line.lstrip())
            closure = closure if closure and depth > closure else depth * line.lstrip().startswith("def ")
            if depth > 4 and not closure and line.split()[0] not in ("elif", "else:", "case", "except"):
                spots.append(k)
        if not spots or not s.chance(25):
            return body
        at = s.choice(spots)
        indent = body[at][: len(body[at]) - len(body[at].lstrip())]
        test = s.choice([n for n, w in scope.names.items() if w in ("pf", "nf") and n in self.parameters] or ["0.1"])
        return [
            *body[:at],
            f"{indent}if {test} > {s.choice(['0.5', '0.0', '5.0'])}:",
            f"{indent}    return <results>",
            *body[at:],
        ]

    def shown(self, name, scope):
        what = scope.names[name]
        if isinstance(what, dict) and what["form"] == "object":
            return f"{name}.value, {name}.data, {name}.count"
        if isinstance(what, dict):
            return "*" + name + (".values()" if what["form"] == "dict" else "")
        return name

    def parameter(self, sizes):
        s = self.s
        if s.chance(35):
            kind = s.choice(["pf", "pf", "pf", "nf", "nf", "pi", "ni"] if self.smooth
                            else ["pf", "pf", "pi", "pi", "nf", "ni", "b"])
            return self.new({"f": "x", "i": "n", "b": "flag"}[kind[-1]]), kind
        dtype = s.choice(["float64"] * 9 + ["int64"] if self.smooth else DTYPES)
        shape = (s.choice(sizes),) if s.chance(65) else (s.choice(sizes), s.choice(sizes))
        return self.new("a" if len(shape) == 1 else "m"), Array(dtype, shape)

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


def single(program: Program) -> Program:
    """The program with arrays, and numbers of NumPy, in float32. Python's floats stay, and what NumPy makes of them."""
    cast = {"float64": np.float32}
    arguments = tuple(x.astype(cast.get(x.dtype.name, x.dtype)) if isinstance(x, np.ndarray)
                      else np.float32(x) if isinstance(x, np.float64) else x for x in program.arguments)
    doubled = tuple(x.astype(np.float64) if isinstance(x, np.ndarray) and x.dtype == np.float32
                    else np.float64(x) if isinstance(x, np.float32) else x for x in arguments)
    reference = Program(program.text, doubled, program.wrt)
    return Program(program.text.replace("np.float64", "np.float32"), arguments, program.wrt, reference)


def _exact(rng, shape=()):
    """Few different values, most of them zero or equal."""
    values = rng.choice([0.0, 0.0, 1.0, -1.0, 0.5], shape)
    return np.full(shape, values.flat[0]) if values.size and rng.integers(4) == 0 else values


def _argument(rng, what, exact=False):
    if exact and what in ("pf", "nf"):
        return float(_exact(rng)) if what == "pf" else np.float64(_exact(rng))
    if isinstance(what, Array):
        values = _exact(rng, what.shape) if exact else rng.standard_normal(what.shape)
        if what.dtype == "complex128":
            values = values + 1j * rng.standard_normal(what.shape)
        if what.dtype.startswith("int"):
            values = rng.integers(-5, 9, what.shape)
        if what.dtype == "bool":
            values = values > 0
        return np.asarray(values).astype(what.dtype)
    return {
        "pf": lambda: float(rng.standard_normal()),
        "nf": rng.standard_normal,
        "pi": lambda: int(rng.integers(-3, 6)),
        "ni": lambda: np.int64(rng.integers(-3, 6)),
        "b": lambda: bool(rng.integers(0, 2)),
    }[what]()
