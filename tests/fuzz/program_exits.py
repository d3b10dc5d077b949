"""Random programs that leave code early: try, except, else, finally, raise, return, break, continue, and generators.

`Exits(seed).program()` is the text of `program(y, w)`: a function of four numbers, which writes to the second array. Everything
is a Python float, so that what may fail in Python fails as Python's does. A handler may assign, raise, return; a `finally` may
raise; generators yield in loops and branches and end by `return`; their consumers may stop early. Names may get their first
value in both arms of an `if`, helpers may leave early, and a name may be None until an iteration of a `while` loop sets it.
"""
from __future__ import annotations

import random

NAMES = ("a", "b", "c", "t")
CAUGHT = ("ValueError", "KeyError", "IndexError", "ZeroDivisionError", "OverflowError", "(ValueError, IndexError)",
          "ArithmeticError", "Exception", "LookupError", "Own")
RAISED = ("ValueError('v')", "KeyError('k')", "IndexError", "ZeroDivisionError('z')", "Own('m')", "ValueError('v', t)")
HEAD = """import math


class Own(ValueError):
    pass


def program(y, w):
    x = [float(y[k]) for k in range(4)]
    a, b, c, t = 2 * x[0], x[1], x[2] - x[3], 0.0
"""


class Exits:
    """deep: how deeply statements nest."""

    def __init__(self, seed: int, deep: int = 4):
        self.r, self.deep = random.Random(seed), deep
        self.made = self.loops = self.handlers = self.finals = self.generators = 0

    # --- expressions ------------------------------------------------------------------------------------------------------

    def name(self) -> str:
        return self.r.choice(NAMES)

    def expr(self, depth: int = 0) -> str:
        k = self.r.random()
        if depth > 2 or k < .35:
            return self.name()
        if k < .5:
            return f"x[{self.r.randrange(4)}]"
        if k < .6:
            return str(self.r.choice([.5, 2., -1., 1.5, .3]))
        if k < .8:
            return f"({self.expr(depth + 1)} {self.r.choice('+-*')} {self.expr(depth + 1)})"
        if k < .97:
            form = self.r.choice(["math.sin({})", "math.sqrt({})", "(1.0 / ({}))"])
            return form.format(self.expr(depth + 1))
        return f"float(y[int({self.name()})])"

    def cond(self) -> str:
        other = self.r.choice([str(round(self.r.uniform(-1, 2), 2)), self.name(), f"x[{self.r.randrange(4)}]"])
        return f"{self.name()} {self.r.choice('<>')} {other}"

    # --- statements -------------------------------------------------------------------------------------------------------

    def block(self, depth: int) -> list[str]:
        return [f"    {line}" for _ in range(self.r.choice([1, 1, 2, 2, 3])) for line in self.statement(depth)]

    def statement(self, depth: int) -> list[str]:
        k = self.r.random() * (.5 if depth >= self.deep else 1)
        for limit, make in ((.3, self.assign), (.38, self.augment), (.42, self.write), (.45, self.leave), (.5, self.jump),
                            (.57, self.branch), (.62, self.both_arms), (.66, self.helper), (.69, self.until), (.73, self.loop),
                            (.77, self.consumer)):
            if k < limit:
                return make(depth)
        return self.attempt(depth)

    def assign(self, depth: int) -> list[str]:
        return [f"{self.name()} = {self.expr()}"]

    def augment(self, depth: int) -> list[str]:
        return [f"{self.name()} {self.r.choice(['+=', '-=', '*='])} {self.expr(1)}"]

    def write(self, depth: int) -> list[str]:
        return [f"w[{self.r.randrange(3)}] = {self.expr(1)}"]

    def leave(self, depth: int) -> list[str]:
        if self.finals:
            return self.assign(depth)
        found = f"return {self.expr(1)}" if not self.generators else f"yield {self.expr(1)}"
        return [found] if self.r.random() < .5 else [f"if {self.cond()}:", f"    {found}"]

    def jump(self, depth: int) -> list[str]:
        k = self.r.random()
        if k < .2 and self.handlers:
            return ["raise"]
        exits = ["break", "continue"] * bool(self.loops and not self.finals) + ["return"] * bool(self.generators
                                                                                               and not self.finals)
        if k < .4 and exits:
            return [f"if {self.cond()}:", f"    {self.r.choice(exits)}"]
        return [f"if {self.cond()}:", f"    raise {self.r.choice(RAISED)}"]

    def branch(self, depth: int) -> list[str]:
        other = ["else:", *self.block(depth + 1)] if self.r.random() < .5 else []
        return [f"if {self.cond()}:", *self.block(depth + 1), *other]

    def both_arms(self, depth: int) -> list[str]:
        """A name that has its first value after an `if`, in whatever arm, perhaps after what may fail."""
        self.made += 1
        name = f"u{self.made}"
        arms = [[*self.block(depth + 1), f"    {name} = {self.expr(1)}"] for _ in range(2)]
        use = f"{self.name()} = {name} {self.r.choice('+-*')} {self.name()}"
        return [f"if {self.cond()}:", *arms[0], "else:", *arms[1], use]

    def helper(self, depth: int) -> list[str]:
        """A call of a function that may return early, raise and loop."""
        if self.generators:
            return self.both_arms(depth)
        self.made += 1
        name, state = f"h{self.made}", (self.loops, self.handlers, self.finals)
        self.loops = self.handlers = self.finals = 0
        body = [*self.block(depth + 1), *(f"    {line}" for line in self.both_arms(depth + 1)), f"    return {self.expr(1)}"]
        self.loops, self.handlers, self.finals = state
        call = f"{name}({', '.join(self.expr(1) for _ in range(4))})"
        return [f"def {name}(a, b, c, t):", *body, f"{self.name()} = {call}"]

    def until(self, depth: int) -> list[str]:
        """A `while` loop that run time ends, with a name that is None at first."""
        self.made += 1
        count, last = f"n{self.made}", f"last{self.made}"
        finals, self.finals, handlers, self.handlers = self.finals, 0, self.handlers, 0
        loops, self.loops = self.loops, 0                                 # a `continue` would not count
        body = self.block(depth + 1)
        self.finals, self.handlers, self.loops = finals, handlers, loops
        use = self.r.choice([f"if {last} is not None:", f"if {last} is not None and {self.cond()}:",
                             f"if {last} != {self.name()}:"])
        then = f"{self.name()} += {last}" if "not None" in use else f"{self.name()} *= 0.5"
        return [f"{last} = None", f"{count} = 0", f"while {count} < 4 and {self.cond()}:", f"    {count} += 1", *body,
                f"    {use}", f"        {then}", f"    {last} = {self.expr(1)}"]

    def loop(self, depth: int, over: str = "") -> list[str]:
        finals, self.finals, handlers, self.handlers = self.finals, 0, self.handlers, 0
        self.loops += 1
        self.made += 1
        head = f"for {self.name() if over else f'i{self.made}'} in {over or f'range({self.r.choice([2, 3])})'}:"
        body = self.block(depth + 1)
        self.loops -= 1
        self.finals, self.handlers = finals, handlers
        return [head, *body]

    def attempt(self, depth: int) -> list[str]:
        if self.generators:
            return self.branch(depth)
        out, count = ["try:", *self.block(depth + 1)], self.r.choice([0, 1, 1, 1, 2])
        for _ in range(count):
            self.handlers += 1
            out += [f"except {self.r.choice(CAUGHT)}{self.r.choice(['', '', ' as e'])}:", *self.block(depth + 1)]
            self.handlers -= 1
        if count and self.r.random() < .25:
            out += ["else:", *self.block(depth + 1)]
        if not count or self.r.random() < .3:
            handlers, self.handlers = self.handlers, 0
            self.finals += 1
            out += ["finally:", *self.block(depth + 1)]
            self.finals, self.handlers = self.finals - 1, handlers
        return out

    # --- generators -------------------------------------------------------------------------------------------------------

    def consumer(self, depth: int) -> list[str]:
        """A generator of its own, and what takes its values."""
        if self.generators:
            return self.branch(depth)
        self.made += 1
        name, state = f"g{self.made}", (self.loops, self.handlers, self.finals)
        self.generators, self.loops, self.handlers, self.finals = 1, 0, 0, 0
        body = [*self.block(self.deep - 1), f"    yield {self.expr(1)}", *self.block(self.deep - 1)]
        self.generators, (self.loops, self.handlers, self.finals) = 0, state
        own = [f"def {name}(a, b, c, t):", *body]
        call = f"{name}({', '.join(self.expr(1) for _ in range(4))})"
        k = self.r.random()
        if k < .5:
            return [*own, *self.loop(depth, call)]
        if k < .6:
            return [*own, *self.loop(depth, f"list({call})")]
        form = self.r.choice(["sum({})", "max({})", "next({})", "next({}, 1.5)", "float(len(list({})))",
                              "sum(u * v for u, v in zip({}, x))", "sum(k * v for k, v in enumerate({}))"])
        return [*own, f"{self.name()} = {form.format(call)}"]

    def program(self) -> str:
        lines = [line for _ in range(self.r.choice([1, 2, 3])) for line in self.statement(0)]
        return HEAD + "".join(f"    {line}\n" for line in (*lines, "return a + 2 * b + 3 * c + t"))
