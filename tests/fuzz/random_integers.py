"""Random programs on integers that check positions and conditions: many fail at run time, on purpose.

`program(seed)` gives (function, several arguments). Values reach the ends of their dtypes, so that sums wrap around.
"""
from __future__ import annotations

import numpy as np
from tracegrad.ir.build import Builder, const
from tracegrad.ir.core import Block, Function
from tracegrad.ir.types import BOOL, F64, I32, I64, INDEX, Type

COMPARE = ("lt", "le", "gt", "ge", "eq", "ne")
TWO = ("add", "add", "add", "sub", "sub", "min", "max", "mod", "floordiv", "mul", "and")
ONE = ("neg", "abs", "sign")


class Writer:
    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.b = Builder()
        self.budget = int(self.rng.integers(8, 40))
        self.checks = 0

    def program(self):
        n = int(self.rng.integers(0, 7))
        body = Block([Type(INDEX), Type(I64), Type(I32), Type(BOOL), Type(F64)], ["n", "k", "h", "flag", "x"])
        self.n, self.x = body.params[0], body.params[4]
        self.x.type = Type(F64, (self.n,))
        with self.b.at(body):
            scope = self.fill(list(body.params[:4]), 0)
            body.yields = tuple(v for v in scope[1:] if v.type.dtype is not BOOL)
        r = self.rng
        extremes = [2**63 - 1, -2**63, 2**62, -2**31]
        samples = []
        for _ in range(6):
            k = extremes[r.integers(4)] if r.random() < 0.2 else int(r.integers(-7, 8))
            h = [2**31 - 1, -2**31][r.integers(2)] if r.random() < 0.2 else int(r.integers(-7, 8))
            samples.append((n, k, np.int32(h), bool(r.random() < 0.5), r.normal(size=n)))
        return Function("integers", body), samples

    def chance(self, p):
        return self.rng.random() < p

    def one(self, items):
        return items[int(self.rng.integers(len(items)))]

    def pick(self, scope, dtype):
        found = [v for v in scope if v.type.dtype is dtype and not v.type.dims]
        if not found or self.chance(0.2):
            if dtype is BOOL:
                return const(self.chance(0.5), BOOL)
            return const(self.one([0, 1, 1, 2, 3, -1, -2, 5, 7]), dtype)
        if dtype is INDEX and self.chance(0.15):
            return self.n
        return found[-1 - int(self.rng.integers(min(5, len(found))))]

    def integer_dtype(self):
        return self.one([INDEX, INDEX, INDEX, I64, I64, I32])

    def fill(self, scope, depth):
        for _ in range(int(self.rng.integers(3, 9))):
            if self.budget <= 0:
                break
            self.budget -= 1
            kinds = ["two"] * 4 + ["compare", "wrap"] * 2 + ["single", "logic", "cast", "choose", "check", "read", "array"]
            kinds += ["branch", "branch", "loop", "loop", "until", "count", "map"] if depth < 3 else []
            scope = scope + getattr(self, self.one(kinds))(scope, depth)
        return scope

    def two(self, scope, depth):
        d = self.integer_dtype()
        name = self.one(TWO)
        by_number = name in ("mul", "floordiv", "mod", "and") and self.chance(0.7)
        y = const(self.one([1, 2, 3, 4]), d) if by_number else self.pick(scope, d)
        return [self.b(name, self.pick(scope, d), y)]

    def single(self, scope, depth):
        d = self.integer_dtype()
        if self.chance(0.3):
            return [self.b(self.one(("shl", "shr")), self.pick(scope, d), const(int(self.rng.integers(0, 4)), d))]
        return [self.b(self.one(ONE), self.pick(scope, d))]

    def compare(self, scope, depth):
        d = self.integer_dtype()
        return [self.b(self.one(COMPARE), self.pick(scope, d), self.pick(scope, d))]

    def logic(self, scope, depth):
        if self.chance(0.3):
            return [self.b("not", self.pick(scope, BOOL))]
        return [self.b(self.one(("and", "or")), self.pick(scope, BOOL), self.pick(scope, BOOL))]

    def cast(self, scope, depth):
        source = self.one([INDEX, I64, I32, BOOL])
        return [self.b("cast", self.pick(scope, source), dtype=self.one([d for d in (INDEX, I64, I32) if d is not source]))]

    def choose(self, scope, depth):
        d = self.integer_dtype()
        return [self.b("select", self.pick(scope, BOOL), self.pick(scope, d), self.pick(scope, d))]

    def wrap(self, scope, depth):
        """A position, often counted from something near; sometimes made safe by a condition."""
        i, n = self.pick(scope, INDEX), self.n if self.chance(0.7) else self.pick(scope, INDEX)
        if self.chance(0.5):
            ok = self.b("and", self.b("lt", i, n), self.b("ge", i, self.b("neg", n) if self.chance(0.3) else self.b.index(0)))
            regions = []
            for k in range(2):
                region = Block()
                with self.b.at(region):
                    region.yields = (self.b("wrap", i, n, axis=0) if k == 0 else self.b.index(0),)
                regions.append(region)
            return list(self.b.emit("if", ok, regions=regions))
        return [self.b("wrap", i, n, axis=0)]

    def check(self, scope, depth):
        v = self.pick(scope, INDEX)
        cond = self.b(self.one(COMPARE), v, self.pick(scope, INDEX)) if self.chance(0.7) else self.pick(scope, BOOL)
        self.checks += 1
        self.b.emit("check", cond, v, error="ValueError", message=f"check {self.checks} of {{0}}")
        return []

    def read(self, scope, depth):
        i = self.b("wrap", self.pick(scope, INDEX), self.n, axis=0)
        return [self.b("lt", self.b("slice", self.x, i, spec="i"), const(0.0))]

    def array(self, scope, depth):
        """Positions in an array, of which something is looked at."""
        at = self.b("iota", self.n, dtype=INDEX)
        if self.chance(0.5):
            at = self.b("argsort", self.x, axis=0, kind="stable")
        at = self.b(self.one(("add", "sub", "max", "min")), at, self.pick(scope, INDEX))
        at = self.b("wrap", at, self.n, axis=0)
        return [self.b("reduce", at, kind=self.one(("max", "min", "sum")), axes=(0,))] if self.chance(0.6) else []

    # control

    def carried(self, scope):
        return [self.pick(scope, self.integer_dtype()) for _ in range(int(self.rng.integers(1, 4)))]

    def like(self, scope, params):
        """What an iteration hands on: often the parameter plus something small, or something else of its dtype."""
        out = []
        for p in params:
            if self.chance(0.4):
                out.append(self.b("add", p, const(self.one([1, 1, 2, -1]), p.type.dtype)))
            elif self.chance(0.3):
                grown = self.b("add", p, const(self.one([1, -1]), p.type.dtype))
                out.append(self.b("select", self.pick(scope, BOOL), grown, p))
            else:
                out.append(self.pick(scope, p.type.dtype))
        return tuple(out)

    def branch(self, scope, depth):
        dtypes = [v.type.dtype for v in self.carried(scope)]
        regions = []
        for _ in range(2):
            region = Block()
            with self.b.at(region):
                inner = self.fill(scope, depth + 1)
                region.yields = tuple(self.pick(inner, d) for d in dtypes)
            regions.append(region)
        return list(self.b.emit("if", self.pick(scope, BOOL), regions=regions))

    def loop(self, scope, depth):
        inits = self.carried(scope)
        trip = self.n if self.chance(0.5) else self.b("min", self.pick(scope, INDEX), self.b.index(6))
        body = Block([Type(INDEX), *[v.type for v in inits]])
        with self.b.at(body):
            body.yields = self.like(self.fill(scope + list(body.params), depth + 1), body.params[1:])
        return list(self.b.emit("for", trip, *inits, regions=[body]))

    def until(self, scope, depth):
        inits = [self.b.index(0), *self.carried(scope)]
        head, body = (Block([v.type for v in inits]) for _ in range(2))
        with self.b.at(head):
            stop = self.b("lt", head.params[0], self.b("min", self.n, self.b.index(int(self.rng.integers(1, 6)))))
            extra = self.b(self.one(COMPARE), self.one(head.params[:1]), self.pick(scope, INDEX))
            head.yields = (self.b("and", stop, extra) if self.chance(0.5) else stop,)
        with self.b.at(body):
            inner = self.fill(scope + list(body.params), depth + 1)
            body.yields = (self.b("add", body.params[0], self.b.index(1)), *self.like(inner, body.params[1:]))
        return list(self.b.emit("while", *inits, regions=[head, body]))

    def count(self, scope, depth):
        """A `while` that counts up or down to a bound."""
        d, step = self.one([INDEX, I64]), self.one([1, 1, 2, 3, -1, -2])
        ends = [self.b("max", self.b("min", self.pick(scope, d), const(9, d)), const(-3, d)) for _ in range(2)]
        inits = [ends[0], *self.carried(scope)]
        head, body = (Block([v.type for v in inits]) for _ in range(2))
        with self.b.at(head):
            name = self.one(("lt", "le") if step > 0 else ("gt", "ge"))
            pair = (head.params[0], ends[1])
            head.yields = (self.b(name, *pair) if self.chance(0.7) else
                           self.b({"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}[name], *pair[::-1]),)
        with self.b.at(body):
            inner = self.fill(scope + list(body.params), depth + 1)
            body.yields = (self.b("add", body.params[0], const(step, d)), *self.like(inner, body.params[1:]))
        return list(self.b.emit("while", *inits, regions=[head, body]))

    def map(self, scope, depth):
        body = Block([Type(INDEX)])
        with self.b.at(body):
            inner = self.fill(scope + list(body.params), depth + 1)
            body.yields = (self.pick(inner, INDEX),)
        stacked = self.b.emit("map", self.n, regions=[body])
        return [self.b("reduce", stacked[0], kind="sum", axes=(0,))]


def program(seed: int):
    return Writer(seed).program()
