"""Random IR programs: scalars, arrays, writes, run-time lengths, branches and loops, nested. All are valid and finite-ish.

`program(seed)` gives (function, arguments). Tests compare what different parts of tracegrad make of one program.
"""
from __future__ import annotations

import numpy as np
from tracegrad.ir.build import Builder, const, function
from tracegrad.ir.core import Block, Value
from tracegrad.ir.types import BOOL, F64, I64, INDEX, Type

UNARY = ("sin", "tanh", "neg", "abs", "exp", "sqrt", "floor")
BINARY = ("add", "sub", "mul", "max", "min", "div", "atan2", "copysign")
INTEGER = ("add", "sub", "mul", "max", "min", "floordiv", "mod", "xor", "and")
COMPARE = ("lt", "le", "gt", "ge", "eq", "ne")


class Writer:
    """Emits random ops on the values in scope. `n` is a length known at run time (the value of a parameter), 1 <= n <= 6."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.b = Builder()
        self.budget = int(self.rng.integers(5, 60))

    def program(self):
        n = int(self.rng.integers(1, 7))
        f = function("random", [Type(INDEX), Type(F64), Type(F64), Type(I64), Type(BOOL)], ["n", "p", "q", "k", "flag"])
        self.n = f.params[0]
        shapes = [Type(F64, (self.n,)), Type(F64, (4,)), Type(F64, (self.n, 3))]
        body = Block([p.type for p in f.params] + shapes, ["n", "p", "q", "k", "flag", "x", "w", "m"])
        f.body, self.n = body, body.params[0]
        for p, t in zip(body.params[5:], shapes):
            p.type = Type(t.dtype, tuple(self.n if isinstance(d, Value) else d for d in t.dims))
        with self.b.at(body):
            body.yields = tuple(self.fill(list(body.params), 0)[1:])
        r = self.rng
        args = (n, float(r.normal()), float(r.normal()), int(r.integers(-5, 6)), bool(r.random() < 0.5),
                r.normal(size=n), r.normal(size=4), r.normal(size=(n, 3)))
        return f, args

    # choosing

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def one(self, items):
        return items[int(self.rng.integers(len(items)))]

    def pick(self, scope, dtype):
        """A scalar of a dtype: a late value of the scope, or a constant."""
        found = [v for v in scope if v.dtype is dtype and not v.dims]
        if not found or self.chance(0.15):
            return const(self.one([0.0, 1.0, -1.0, 2.0, 0.5, -0.0]) if dtype is F64 else int(self.rng.integers(0, 3)), dtype)
        return found[-1 - int(self.rng.integers(min(4, len(found))))]

    def arrays(self, scope):
        return [v for v in scope if v.dtype is F64 and v.dims]

    def length(self, scope):
        return self.one([v for v in scope if v.dtype is INDEX and not v.dims])

    def position(self, scope, dim):
        """A position inside an axis that is not empty."""
        raw = self.length(scope) if self.chance(0.6) else self.b.index(int(self.rng.integers(0, 7)))
        return self.b("mod", raw, self.b.index(dim))

    # emitting

    def fill(self, scope, depth: int):
        for _ in range(int(self.rng.integers(2, 8))):
            if self.budget <= 0:
                break
            self.budget -= 1
            kinds = ["scalar"] * 3 + ["integer", "compare", "array", "array", "read", "write", "write", "reduce", "run"]
            kinds += ["branch", "loop", "until", "map"] if depth < 3 else []
            scope = scope + getattr(self, self.one(kinds))(scope, depth)
        return scope

    def scalar(self, scope, depth):
        if self.chance(0.4):
            return [self.b(self.one(UNARY), self.pick(scope, F64))]
        return [self.b(self.one(BINARY), self.pick(scope, F64), self.pick(scope, F64))]

    def integer(self, scope, depth):
        return [self.b(self.one(INTEGER), self.pick(scope, I64), self.pick(scope, I64))]

    def compare(self, scope, depth):
        if self.chance(0.3):
            return [self.b(self.one(("and", "or", "xor")), self.pick(scope, BOOL), self.pick(scope, BOOL))]
        d = self.one([F64, I64])
        return [self.b(self.one(COMPARE), self.pick(scope, d), self.pick(scope, d))]

    def array(self, scope, depth):
        a = self.one(self.arrays(scope))
        others = [v for v in self.arrays(scope) if v.type == a.type] + [self.pick(scope, F64)]
        kind = self.rng.integers(4)
        if kind == 0:
            return [self.b(self.one(UNARY), a)]
        if kind == 1 and len(a.dims) == 2:
            return [self.b.transpose(self.b.transpose(a, (1, 0)), (1, 0))]
        if kind == 2:
            cond = self.b("lt", a, self.one(others))
            return [self.b("select", cond, a, self.one(others))]
        return [self.b(self.one(BINARY), a, self.one(others))]

    def read(self, scope, depth):
        a = self.one(self.arrays(scope))
        spec = "".join(self.one("i:") for _ in a.dims)
        indices = [self.position(scope, d) for d, c in zip(a.dims, spec) if c == "i"]
        return [self.b("slice", a, *indices, spec=spec)] if indices else []

    def write(self, scope, depth):
        a = self.one(self.arrays(scope))
        spec = "i" + "".join(self.one("i:") for _ in a.dims[1:])
        indices = [self.position(scope, d) for d, c in zip(a.dims, spec) if c == "i"]
        rest = [d for d, c in zip(a.dims, spec) if c == ":"]
        value = self.b.broadcast(self.pick(scope, F64), rest)
        return [self.b(self.one(("update", "update_add")), a, value, *indices, spec=spec)]

    def run(self, scope, depth):
        """A piece of run-time length: x[start:start+count], or one axis backwards."""
        a = self.one(self.arrays(scope))
        size = self.b.index(a.dims[0])
        rest = ":" * (len(a.dims) - 1)
        if self.chance(0.3):
            last = self.b("sub", size, self.b.index(1))
            return [self.b("slice", a, last, size, self.b.index(-1), spec="s" + rest)]
        start = self.position(scope, a.dims[0])
        count = self.b("sub", size, start)
        return [count, self.b("slice", a, start, count, self.b.index(1), spec="s" + rest)]

    def reduce(self, scope, depth):
        a = self.one(self.arrays(scope))
        axes = (0, 1)[:len(a.dims)] if self.chance(0.6) else (0,)
        return [self.b("reduce", a, kind=self.one(("sum", "max", "min")), axes=axes)]

    # control: `carried` are the values that a region passes on

    def carried(self, scope):
        found = [v for v in scope if v.dtype in (F64, I64) and all(isinstance(d, int) or d is self.n for d in v.dims)]
        return [self.one(found) for _ in range(int(self.rng.integers(1, 4)))] if found else []

    def like(self, scope, types):
        """A value in scope of each type."""
        found = [[v for v in scope if v.type == t] for t in types]
        return tuple(values[-1] if self.chance(0.8) else self.one(values) for values in found)

    def branch(self, scope, depth):
        types = [v.type for v in self.carried(scope)]
        regions = []
        for _ in range(2):
            region = Block()
            with self.b.at(region):
                region.yields = self.like(self.fill(scope, depth + 1), types)
            regions.append(region)
        return list(self.b.emit("if", self.pick(scope, BOOL), regions=regions))

    def loop(self, scope, depth):
        inits = self.carried(scope)
        body = Block([Type(INDEX)] + [v.type for v in inits])
        with self.b.at(body):
            body.yields = self.like(self.fill(scope + list(body.params), depth + 1), [v.type for v in inits])
        trip = self.b.index(int(self.rng.integers(0, 4))) if self.chance(0.5) else self.n
        return list(self.b.emit("for", trip, *inits, regions=[body]))

    def until(self, scope, depth):
        inits = [const(0, I64), *self.carried(scope)]
        head, body = (Block([v.type for v in inits]) for _ in range(2))
        with self.b.at(head):
            inner = self.fill(scope + list(head.params), depth + 2)
            stop = self.b("lt", head.params[0], const(int(self.rng.integers(0, 4)), I64))
            head.yields = (self.b("and", stop, self.pick(inner, BOOL)) if self.chance(0.5) else stop,)
        with self.b.at(body):
            yields = self.like(self.fill(scope + list(body.params), depth + 1), [v.type for v in inits[1:]])
            body.yields = (self.b("add", body.params[0], const(1, I64)), *yields)
        return list(self.b.emit("while", *inits, regions=[head, body]))

    def map(self, scope, depth):
        body = Block([Type(INDEX)])
        with self.b.at(body):
            inner = self.fill(scope + list(body.params), depth + 1)
            body.yields = (self.pick(inner, F64),)
        return list(self.b.emit("map", self.n, regions=[body]))


def program(seed: int):
    return Writer(seed).program()
