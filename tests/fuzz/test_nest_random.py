"""Random functions of the tensor IR: compiled equals evaluated."""
from __future__ import annotations

import os

import numpy as np
import pytest
from nest_check import at, build, check, for_, if_, map_, put, while_
from tracegrad.autodiff.reverse import reverse
from tracegrad.ir.transforms import pipeline
from tracegrad.ir.types import BOOL, F64, INDEX

COUNT = int(os.environ.get("TRACEGRAD_RANDOM", "60"))


class Writer:
    """Grows a pool of values; every op is smooth and bounded, so that results compare well."""

    def __init__(self, b, rng, n):
        self.b, self.rng, self.n = b, rng, n
        self.pool: list = []

    def pick(self, *ranks):
        found = [v for v in self.pool if v.type.rank in ranks and v.type.dtype is F64]
        return found[self.rng.integers(len(found))]

    def square(self, x):
        """A [n, n] from anything."""
        return self.b.broadcast(x, (self.n, self.n)) if x.type.rank < 2 else x

    def row(self, x):
        return self.b.broadcast(x, (self.n,)) if x.type.rank == 0 else x

    def calm(self, x):
        return self.b("tanh", x)

    def index(self, high=None):
        return self.b.index(int(self.rng.integers(high or self.n)))

    # each step adds values to the pool

    def elementwise(self):
        b, x, y = self.b, self.pick(0, 1, 2), self.pick(0, 1, 2)
        if x.type.rank and y.type.rank and x.type.rank != y.type.rank:
            x, y = self.square(x), self.square(y)
        name = ["add", "sub", "mul", "max"][self.rng.integers(4)]
        self.pool.append(self.calm(b(name, x, y)))

    def cheap(self):
        self.pool.append(self.b("mul", self.pick(0, 1, 2), self.b.const(0.5)))

    def reduce(self):
        x = self.pick(1, 2)
        axes = [(0,), (1,), (0, 1)][self.rng.integers(3)] if x.type.rank == 2 else (0,)
        self.pool.append(self.calm(self.b.reduce(x, ["sum", "max", "min"][self.rng.integers(3)], axes)))

    def transpose(self):
        self.pool.append(self.b.transpose(self.square(self.pick(2)), (1, 0)))

    def column(self):
        x = self.b.reshape(self.row(self.pick(1)), (self.n, 1))
        self.pool.append(self.b.broadcast(x, (self.n, self.n)))

    def flip(self):
        x, n = self.pick(1, 2), self.n
        self.pool.append(self.b("slice", x, *map(self.b.index, (n - 1, n, -1)), spec="s" + ":" * (x.type.rank - 1)))

    def roll(self):
        b, x, n, k = self.b, self.pick(1, 2), self.n, int(self.rng.integers(1, self.n))
        spec = "s" + ":" * (x.type.rank - 1)
        first = b("slice", x, *map(b.index, (n - k, k, 1)), spec=spec)
        self.pool.append(b("concat", first, b("slice", x, *map(b.index, (0, n - k, 1)), spec=spec), axis=0))

    def flat(self):
        x = self.b.reshape(self.pick(2), (self.n * self.n,))
        self.pool.append(self.b.reshape(self.b("mul", x, self.b.const(0.25)), (self.n, self.n)))

    def take(self):
        x = self.pick(1, 2)
        self.pool.append(self.b("slice", x, self.index(), spec="i" + ":" * (x.type.rank - 1)))

    def gather(self):
        i = self.b.const(self.rng.integers(0, self.n, self.n), INDEX)
        self.pool.append(self.b("gather", self.pick(1, 2), i, axes=(0,), at=0))

    def scan(self):
        x = self.pick(1, 2)
        axis, reverse = int(self.rng.integers(x.type.rank)), bool(self.rng.integers(2))
        self.pool.append(self.calm(self.b("scan", x, kind="sum", axis=axis, reverse=reverse)))

    def dot(self):
        x, y = self.pick(1, 2), self.pick(1, 2)
        c = (x.type.rank - 1,), (0,)
        self.pool.append(self.calm(self.b("dot", x, y, contract=c, batch=((), ()))))

    def update(self):
        b, x = self.b, self.pick(1, 2)
        add = ["update", "update_add"][self.rng.integers(2)]
        if x.type.rank == 1:
            new = put(b, x, self.pick(0), self.index()) if self.rng.integers(2) else self.part(x, add)
        else:
            kind = self.rng.integers(3)
            if kind == 0:
                new = b(add, x, self.row(self.pick(0, 1)), self.index(), spec="i:")
            elif kind == 1:
                new = b(add, x, self.row(self.pick(0, 1)), self.index(), spec=":i")
            else:
                new = self.part(x, add)
        self.pool.append(new)
        if self.rng.integers(2):
            self.pool[:] = [v for v in self.pool if v is not x]

    def part(self, x, op):
        b, n, k = self.b, self.n, int(self.rng.integers(1, self.n))
        v = self.square(self.pick(0, 1, 2)) if x.type.rank == 2 else self.row(self.pick(0, 1))
        spec = "s" + ":" * (x.type.rank - 1)
        return b(op, x, b("slice", v, *map(b.index, (n - k, k, 1)), spec=spec), *map(b.index, (0, k, 1)), spec=spec)

    def scatter(self):
        i = self.b.const(self.rng.integers(0, self.n, self.n), INDEX)
        x = self.pick(1)
        name = ["scatter", "scatter_add"][self.rng.integers(2)]
        self.pool.append(self.b(name, x, self.row(self.pick(0, 1)), i, axes=(0,), at=0))

    def argmax(self):
        i = self.b("argreduce", self.pick(1), kind="argmax", axis=0)
        self.pool.append(at(self.b, self.pick(1), i))

    # control

    def inside(self, steps, *more):
        outer, self.pool = self.pool, self.pool + list(more)
        for _ in range(steps):
            self.step(control=False)
        inner, self.pool = self.pool[len(outer):], outer
        return inner

    def like(self, values, x):
        """A value of x's rank, preferably a new one."""
        found = [v for v in values if v.type.rank == x.type.rank and v.type.dtype is F64]
        if found and self.rng.integers(4):
            return found[-1]
        return found[self.rng.integers(len(found))] if found else x

    def loop(self):
        b, inits = self.b, [self.pick(0, 1, 2) for _ in range(self.rng.integers(1, 4))]

        def body(i, *carried):
            saved, inner = self.pool, list(carried)
            self.pool = saved + inner
            if self.rng.integers(2) and any(c.type.rank for c in carried):
                x = next(c for c in carried if c.type.rank)
                spot = b("slice", x, i, spec="i" + ":" * (x.type.rank - 1))
                inner.append(b("update", x, self.calm(b("add", spot, b.const(0.1))), i, spec="i" + ":" * (x.type.rank - 1)))
                self.pool = saved + inner
            new = self.inside(int(self.rng.integers(1, 5)), *inner)
            self.pool = saved
            order = [new[k] for k in self.rng.permutation(len(new))] if self.rng.integers(2) else new
            return [self.like(order, c) for c in carried]

        if self.rng.integers(3):
            self.pool += for_(b, int(self.rng.integers(0, self.n)), inits, body)
        else:
            last = b.index(int(self.rng.integers(0, self.n)))
            out = while_(b, [b.index(0), *inits], lambda k, *c: b("lt", k, last),
                         lambda k, *c: (b.iop("add", k, 1), *body(k, *c)))
            self.pool += out[1:]

    def branch(self):
        b, x = self.b, [self.pick(0, 1, 2) for _ in range(self.rng.integers(1, 3))]
        cond = b("gt", self.pick(0), b.const(0.0))

        def side():
            new = self.inside(int(self.rng.integers(0, 4)))
            return [self.like(new, v) if self.rng.integers(3) else v for v in x]
        self.pool += if_(b, cond, side, side)

    def map(self):
        b = self.b

        def body(i):
            saved = self.pool
            row = b("slice", self.square(self.pick(2)), i, spec="i:")
            new = self.inside(int(self.rng.integers(1, 4)), row)
            self.pool = saved
            return [v for v in new if v.type.rank < 2 and v.type.dtype is F64][-2:]
        self.pool += map_(b, self.n, body)

    STEPS = (elementwise, elementwise, elementwise, cheap, reduce, reduce, transpose, column, flip, roll, flat, take, gather,
             scan, dot, update, update, update, scatter, argmax)

    def step(self, control=True):
        steps = self.STEPS + ((Writer.loop, Writer.loop, Writer.loop, Writer.branch, Writer.map) if control else ())
        steps[self.rng.integers(len(steps))](self)


def random_function(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.choice([3, 5, 18]))

    def body(b, x, y, s):
        w = Writer(b, rng, n)
        w.pool = [x, y, s]
        for _ in range(int(rng.integers(3, 14))):
            w.step()
        count = int(rng.integers(1, 5))
        return [w.pool[-1], *(w.pool[k] for k in rng.integers(len(w.pool), size=count - 1))]

    inout = {}
    f = build([("f64", n, n), ("f64", n), "f64"], body)
    for k, v in enumerate(f.results):
        for i, p in enumerate(f.params[:2]):
            if v.type == p.type and i not in inout.values() and k not in inout and rng.integers(2):
                inout[k] = i
    f.attrs["inout"] = inout
    return f, [rng.standard_normal((n, n)), rng.standard_normal(n), 0.3]


@pytest.mark.parametrize("seed", range(COUNT))
def test_random_function(seed):
    f, args = random_function(seed)
    check(f, *args, tol=1e-9)
    assert BOOL


@pytest.mark.parametrize("seed", range(1000, 1000 + COUNT // 2))
def test_random_gradient(seed):
    f, args = random_function(seed)
    f.attrs = {}
    rng = np.random.default_rng(seed)
    g = pipeline.optimize(reverse.vjp(f, (0, 1, 2)))
    check(g, *args, *(rng.standard_normal(p.type.dims) for p in g.params[3:]), tol=1e-8)
