"""Random smooth programs in the IR: scalars and arrays overwritten in nested loops and branches."""
from __future__ import annotations

import numpy as np
import tracegrad.ir.ops  # noqa: F401
from tracegrad.ir.build import Builder, function
from tracegrad.ir.core import Block, Value
from tracegrad.ir.types import F64, INDEX_SCALAR, Type

SIZE = 4


class Writer:
    """`state` is a list of scalars and arrays, each of which a statement may replace."""

    def __init__(self, seed: int, depth: int = 3, length: int = 5):
        self.rng = np.random.default_rng(seed)
        self.depth, self.length = depth, length
        self.enclosing: list[list[Value]] = []

    def function(self):
        f = function("program", [Type(F64), Type(F64), Type(F64, (SIZE,)), Type(F64, (SIZE,))], ["s", "t", "a", "c"])
        b = self.b = Builder()
        with b.at(f.body):
            state = list(f.params)
            self.block(state, self.depth, [b.index(1), b.index(2)], writable=range(4))
            f.body.yields = tuple(state)
        return f

    def pick(self, options):
        return options[self.rng.integers(len(options))]

    def block(self, state, depth, counters, writable):
        writable = list(writable)
        for _ in range(self.rng.integers(1, self.length)):
            names = ["scalar", "read", "write"] * 2 + ["add_to", "run", "run_write", "whole", "swap", "local"]
            names += ["if", "for", "for", "while"] * (depth > 0)
            name = self.pick(names)
            getattr(self, name + "_")(state, depth, counters, writable)

    # places of the state that may be replaced

    def scalar_place(self, writable):
        places = [k for k in writable if k < 2]
        return self.pick(places) if places else None

    def array_place(self, writable):
        places = [k for k in writable if k >= 2]
        return self.pick(places) if places else None

    def seen(self, state):
        """The state, or now and then that of an enclosing region."""
        return self.pick(self.enclosing) if self.enclosing and self.rng.integers(6) == 0 else state

    def number(self, state) -> Value:
        return self.seen(state)[self.rng.integers(2)]

    def array(self, state) -> Value:
        return self.seen(state)[2 + self.rng.integers(2)]

    def position(self, counters) -> Value:
        b = self.b
        return b("mod", b("add", self.pick(counters), b.index(self.rng.integers(4))), b.index(SIZE))

    def smooth(self, x: Value) -> Value:
        b, name = self.b, self.pick(["sin", "tanh", "exp", "div", "mul", "scale", "atan", "abs", "sqrt"])
        if name == "exp":
            return b("exp", b("mul", b("tanh", x), b.const(0.5)))
        if name == "div":
            return b("div", x, b("add", b.const(2.0), b("mul", x, x)))
        if name == "sqrt":
            return b("sqrt", b("add", b.const(1.0), b("mul", x, x)))
        if name == "mul":
            return b("mul", b("sin", x), x)
        if name == "scale":
            return b("mul", x, b.const(0.7))
        return b(name, x)

    # statements

    def scalar_(self, state, depth, counters, writable):
        k = self.scalar_place(writable)
        if k is not None:
            name = self.pick(["add", "sub", "mul", "max", "min"])
            new = self.b(name, self.smooth(self.number(state)), self.number(state))
            state[k] = self.b("tanh", new) if name == "mul" else new

    def read_(self, state, depth, counters, writable):
        k = self.scalar_place(writable)
        if k is not None:
            here = self.b("slice", self.array(state), self.position(counters), spec="i")
            state[k] = self.b("add", self.b("mul", self.smooth(here), self.b.const(0.8)), self.smooth(state[k]))

    def write_(self, state, depth, counters, writable):
        k = self.array_place(writable)
        if k is not None:
            b, i = self.b, self.position(counters)
            value = self.smooth(self.number(state))
            if self.rng.integers(2):
                value = b("add", value, b("mul", self.smooth(b("slice", state[k], i, spec="i")), b.const(0.5)))
            state[k] = b("update", state[k], value, i, spec="i")

    def add_to_(self, state, depth, counters, writable):
        k = self.array_place(writable)
        if k is not None:
            state[k] = self.b("update_add", state[k], self.smooth(self.number(state)), self.position(counters), spec="i")

    def range_of(self, counters):
        """Start, length and step of a run inside SIZE whose length may depend on a counter."""
        b = self.b
        length = b("mod", self.pick(counters), b.index(SIZE)) if self.rng.integers(2) else b.index(self.rng.integers(SIZE))
        if self.rng.integers(3) == 0:
            return b.index(SIZE - 1), length, b.index(-1)
        return b.index(self.rng.integers(2)), length, b.index(1)

    def run_(self, state, depth, counters, writable):
        k = self.scalar_place(writable)
        if k is not None:
            b, run = self.b, self.range_of(counters)
            x, y = b("slice", self.array(state), *run, spec="s"), b("slice", self.array(state), *run, spec="s")
            total = b("dot", self.smooth(x), y, contract=((0,), (0,)), batch=((), ()))
            state[k] = b("tanh", b("add", total, state[k]))

    def run_write_(self, state, depth, counters, writable):
        k = self.array_place(writable)
        if k is not None:
            b, run = self.b, self.range_of(counters)
            x = b("slice", self.array(state), *run, spec="s")
            state[k] = b("update", state[k], b("mul", self.smooth(x), b("tanh", self.number(state))), *run, spec="s")

    def whole_(self, state, depth, counters, writable):
        k = self.array_place(writable)
        if k is not None:
            state[k] = self.b("add", self.smooth(self.array(state)), self.smooth(self.number(state)))

    def swap_(self, state, depth, counters, writable):
        k = self.array_place(writable)
        if k is not None:
            b, i, j = self.b, self.position(counters), self.position(counters)
            x, y = b("slice", state[k], i, spec="i"), b("slice", state[k], j, spec="i")
            state[k] = b("update", b("update", state[k], y, i, spec="i"), x, j, spec="i")

    def local_(self, state, depth, counters, writable):
        """An array that lives in the block only, written to and read."""
        k = self.scalar_place(writable)
        if k is not None:
            b = self.b
            x = b.full(0, (SIZE,), F64)
            inner = [*state[:2], x, self.array(state)]
            for _ in range(3):
                self.pick([self.write_, self.run_write_, self.add_to_])(inner, 0, counters, [2])
            state[k] = b("tanh", b("add", b.reduce(b("mul", inner[2], self.smooth(inner[2])), "sum", (0,)), state[k]))

    def condition(self, state) -> Value:
        return self.b("lt", self.number(state), self.b.const(self.rng.uniform(-0.5, 0.5)))

    def carried(self, writable):
        return [k for k in writable if self.rng.integers(3)] or list(writable)

    def region(self, block: Block, state, depth, counters, places):
        with self.b.at(block):
            inner = list(state)
            for k, p in zip(places, block.params[len(block.params) - len(places):]):
                inner[k] = p
            self.enclosing.append(list(state))
            self.block(inner, depth - 1, counters, places)
            self.enclosing.pop()
            block.yields = tuple(inner[k] for k in places)
        return block

    def if_(self, state, depth, counters, writable):
        places, cond = self.carried(writable), self.condition(state)
        regions = []
        for _ in range(2):
            block = Block()
            with self.b.at(block):
                inner = list(state)
                self.enclosing.append(list(state))
                self.block(inner, depth - 1, counters, places)
                self.enclosing.pop()
                block.yields = tuple(inner[k] for k in places)
            regions.append(block)
        for k, r in zip(places, self.b.emit("if", cond, regions=regions)):
            state[k] = r

    def trip(self, counters):
        b = self.b
        return b.index(self.rng.integers(4)) if self.rng.integers(2) else b("mod", self.pick(counters), b.index(3))

    def for_(self, state, depth, counters, writable):
        places, trip = self.carried(writable), self.trip(counters)
        body = Block([INDEX_SCALAR, *[state[k].type for k in places]])
        self.region(body, state, depth, [*counters, body.params[0]], places)
        for k, r in zip(places, self.b.emit("for", trip, *[state[k] for k in places], regions=[body])):
            state[k] = r

    def while_(self, state, depth, counters, writable):
        """Counts to a limit, or stops when the data say so."""
        b, places, limit = self.b, self.carried(writable), self.trip(counters)
        types = [INDEX_SCALAR, *[state[k].type for k in places]]
        head, body = Block(types), Block(types)
        with b.at(head):
            more = b("lt", head.params[0], limit)
            inner = list(state)
            for k, p in zip(places, head.params[1:]):
                inner[k] = p
            head.yields = (b("and", more, b("lt", self.number(inner), b.const(1.5))),)
        self.region(body, state, depth, [*counters, body.params[0]], places)
        with b.at(body):
            body.yields = (b("add", body.params[0], b.index(1)), *body.yields)
        results = b.emit("while", b.index(0), *[state[k] for k in places], regions=[head, body])
        for k, r in zip(places, results[1:]):
            state[k] = r


def program(seed: int, depth: int = 3, length: int = 5):
    """(a function of two scalars and two arrays, arguments for it)."""
    writer = Writer(seed, depth, length)
    f = writer.function()
    rng = np.random.default_rng(seed + 10_000)
    return f, [rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(-1, 1, SIZE), rng.uniform(-1, 1, SIZE)]
