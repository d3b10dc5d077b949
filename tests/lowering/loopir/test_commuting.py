"""Loops whose iterations commute: rewritten ones compute the same, and those that do not commute are left alone."""
import random

import numpy as np
import pytest
import tracegrad.ir.ops
from loop_run import Compiled
from tracegrad.ir.types import BOOL, I64, INDEX
from tracegrad.lowering.loopir.grammar import (
    Buffer,
    For,
    Get,
    If,
    Imm,
    Kernel,
    Let,
    Load,
    Scalar,
    Set,
    Store,
    Var,
    walk,
)
from tracegrad.lowering.loopir.passes.reduction_steps import step_of
from tracegrad.lowering.loopir.passes.reorder_iterations import commute, uses
from tracegrad.lowering.loopir.passes.verifier import verify

import tracegrad as tg

ROWS, COLUMNS, SEEDS = 8, 1400, 40
RNG = np.random.default_rng(0)


def number(n):
    return Imm(n, INDEX)


class Random:
    """A kernel of nested loops on arrays of integers, whose sums are the same in any order."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.arrays = [Buffer(name, I64, (ROWS, COLUMNS), "inout") for name in "xyz"]
        self.places = Buffer("places", INDEX, (COLUMNS,), "in")
        self.n, self.total = Buffer("n", INDEX, (), "in"), Buffer("total", I64, (), "out")

    def kernel(self) -> Kernel:
        n, sum_, after = Scalar(INDEX, "n"), Var(I64, "sum"), Scalar(I64)
        body = [Load(n, self.n, ()), Set(sum_, Imm(0, I64))]
        for _ in range(3):
            outer, inner = Scalar(INDEX, "o"), Scalar(INDEX, "i")
            trip = self.r.choice([n, 17, 40, 300, 700])
            row, last = Scalar(INDEX), Scalar(INDEX)
            statements = [Let(row, "sub", (number(3), outer)),
                          Let(last, "add", (trip if trip is n else number(trip), number(-1)))]
            body.append(For(outer, 3, [*statements, For(inner, trip, self.iteration(outer, row, inner, last, sum_))]))
        body += [Get(after, sum_), Store(self.total, (), after)]
        return Kernel("random", [*self.arrays, self.places, self.n, self.total], body)

    def iteration(self, outer, row, i, last, sum_, short=None):
        """`short`: the counter of a loop inside, of which this is the body."""
        r, out, values = self.r, [], [Imm(3, I64)]
        down = Scalar(INDEX)
        out.append(Let(down, "sub", (last, i)))
        target = r.choice(self.arrays)
        others = [a for a in self.arrays if a is not target] if r.random() < 0.8 else self.arrays

        def column():
            kind, c = r.random(), Scalar(INDEX)
            if kind < 0.05:
                out.append(Load(c, self.places, (i,)))
            elif kind < 0.1:
                return r.randrange(5)
            elif kind < 0.15:
                out.append(Let(c, "add", (down, i)))          # the same in every iteration
            elif kind < 0.18:                                # … which a load cancels out of
                x, y = Scalar(INDEX), Scalar(INDEX)
                out.extend([Load(x, self.places, (i,)), Let(y, "add", (x, r.choice([i, down]))), Let(c, "sub", (y, x))])
            elif short is not None and kind < 0.3:
                out.append(Let(c, "add", (short, r.choice([i, down, number(2)]))))
            else:
                out.append(Let(c, "add", (down if kind < 0.5 else i, number(r.randrange(4)))))
            return c

        def at(rows=None):
            return (r.choice(rows or [0, 1, outer, row]), column())

        def loaded(buffer, index):
            x = Scalar(I64)
            out.append(Load(x, buffer, index))
            values.append(x)
            return x

        for _ in range(r.randrange(1, 6)):
            kind = r.random()
            loaded(r.choice(others), at())
            if kind < 0.3:
                made = Scalar(I64)
                out.append(Let(made, r.choice(["add", "mul", "sub"]), (r.choice(values), r.choice(values))))
                values.append(made)
            elif kind < 0.7:
                index, made = at([row, 7]), Scalar(I64)
                x = loaded(target, index)
                values.pop()
                args = (x, r.choice(values))
                op = r.choice(["add", "sub"])
                attrs = {"any_order": True} if len(values) % 5 else {}              # a sum of adjoints, or the program's own
                out.append(Let(made, op, args[::-1] if op == "add" and r.random() < 0.5 else args, attrs))
                out.append(Store(target, index, made))
            elif kind < 0.8:
                out.append(Store(target, at([5, row]), r.choice(values)))
            elif kind < 0.9:
                self.reduction(out, sum_, r.choice(values))
                sum_ = Var(I64, "unused")
            else:
                self.choice(out, values)
        if short is None and r.random() < 0.3:
            k = Scalar(INDEX, "k")
            out.append(For(k, r.choice([1, 3, 5]), self.iteration(outer, row, i, last, Var(I64, "unused"), k)))
        return out

    def reduction(self, out, var, value):
        if var.name == "unused":
            return
        before, after = Scalar(I64), Scalar(I64)
        out += [Get(before, var), Let(after, "add", (before, value), reassoc=self.r.random() < 0.9), Set(var, after)]

    def choice(self, out, values):
        cond, var, got = Scalar(BOOL), Var(I64, "chosen"), Scalar(I64)
        sides = [[Set(var, self.r.choice(values))] for _ in range(2)]
        out += [Let(cond, "lt", (self.r.choice(values), self.r.choice(values))), If(cond, *sides), Get(got, var)]
        values.append(got)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_loops(seed):
    before, after = Random(seed).kernel(), Random(seed).kernel()
    commute(after)
    verify(after)
    arrays = [RNG.integers(-9, 9, (ROWS, COLUMNS)) for _ in range(3)]
    places = RNG.integers(0, COLUMNS, COLUMNS)
    first, second = Compiled(before), Compiled(after)
    for n in (0, 1, 15, 16, 255, 256, 257, 600):
        results = []
        for run in (first, second):
            mine, total = [a.copy() for a in arrays], np.zeros((), np.int64)
            run(*mine, places, np.array(n), total)
            results.append([*mine, total])
        for a, b in zip(*results, strict=True):
            np.testing.assert_array_equal(a, b)


def test_random_loops_of_each_kind():
    """The random loops above have some that are cut, some that are only known to commute, and some that do not."""
    cut = commuting = plain = 0
    for seed in range(SEEDS):
        kernel = Random(seed).kernel()
        commute(kernel)
        loops = [s for s in walk(kernel.body) if type(s) is For]
        cut += any(b.name.startswith("part") for s in walk(kernel.body) if type(s) is Store for b in [s.buffer])
        commuting += any(s.apart for s in loops)
        plain += any(not s.apart and not any(type(t) is For for t in s.body) for s in loops)
    assert min(cut, plain) >= 4 and commuting > cut


# --- as users write them ------------------------------------------------------------------------------------------------------

def limiter(u):
    """Slopes limited where neighbours disagree, and flows between cells: every element is read by three iterations."""
    n = u.shape[0]
    out = np.zeros_like(u)
    for i in range(1, n - 1):
        left, right = u[i] - u[i - 1], u[i + 1] - u[i]
        if left * right <= 0:
            slope = 0.5 * left
        elif abs(left) < abs(right):
            slope = left
        else:
            slope = right
        out[i] = u[i] * slope
    return out


def middle(u):
    out = u.copy()
    for i in range(1, u.shape[0] - 1):
        a, b, c = u[i - 1], u[i], u[i + 1]
        out[i] = max(min(a, b), min(max(a, b), c))
    return out


def smoothed(u):
    """Wide, in place in part, with a sum beside it."""
    out, total = np.ones_like(u), 0.0
    for i in range(2, u.shape[0] - 2):
        m = u[i - 2] * u[i + 2] + u[i - 1] * u[i]
        out[i] = out[i] * m
        total += m * u[i + 1]
    return out * total


def factored(u):
    """Elimination without pivots, of which rows are read and written."""
    a = u.reshape(-1, 1) * u + 50.0 * np.eye(u.shape[0])
    n = u.shape[0]
    for k in range(n):
        for i in range(k + 1, n):
            a[i, k] /= a[k, k]
            for j in range(k + 1, n):
                a[i, j] -= a[i, k] * a[k, j]
    return a


STENCILS = {f.__name__: f for f in (limiter, middle, smoothed, factored)}


def total_of(f):
    return lambda u: np.sum(f(u) ** 2)


@pytest.mark.sweep(22)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 18, 19, 40])
@pytest.mark.parametrize("name", STENCILS)
def test_gradients_of_neighbours(name, n):
    f = total_of(STENCILS[name])
    u = np.random.default_rng(n).uniform(0.5, 1.5, n)
    found = tg.grad(f)(u)
    with tg.disable_jit():
        np.testing.assert_allclose(found, tg.grad(f)(u), rtol=1e-11, atol=1e-12)
        if n:
            direction = np.cos(np.arange(n))
            assert tg.jvp(f, (u,), (direction,))[1] == pytest.approx(found @ direction, rel=1e-11)
    if n == 19:
        tg.check_grads(f, (u,), order=2)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", ["limiter", "middle", "smoothed"])
def test_long_and_short_runs_of_one_kernel(name):
    """Lengths that only run time knows: a short run is not cut, a long one has a strip that is not full."""
    f = total_of(STENCILS[name])

    def part(u, n):
        return f(u[:n])

    gradient = tg.grad(part)
    u = np.random.default_rng(3).uniform(0.5, 1.5, 700)
    for n in (3, 17, 18, 257, 258, 259, 600):
        found = gradient(u, n)
        np.testing.assert_allclose(found[:n], tg.grad(f)(u[:n].copy()), rtol=1e-12, atol=1e-13)
        assert not found[n:].any()


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_other_dtypes(dtype):
    def f(u):
        out = np.zeros_like(u)
        for i in range(1, u.shape[0] - 1):
            out[i] = u[i - 1] * u[i] * u[i + 1]
        return np.sum(np.abs(out) ** 2)

    u = RNG.uniform(0.5, 1.5, 800).astype(dtype)[::2]
    found = tg.grad(f)(u)
    with tg.disable_jit():
        np.testing.assert_allclose(found, tg.grad(f)(u), rtol=1e-4 if dtype is np.float32 else 1e-12)


def test_infinities_and_nans_stay_where_they_are():
    u = RNG.uniform(0.5, 1.5, 400)
    u[100], u[300] = np.inf, np.nan
    for f in map(total_of, (limiter, smoothed)):
        with tg.disable_jit(), np.errstate(all="ignore"):
            expected = tg.grad(f)(u)
        np.testing.assert_allclose(tg.grad(f)(u), expected, rtol=1e-11)


def test_what_is_cut_and_what_is_not():
    u = np.ones(100)
    assert "part0" in tg.grad(total_of(middle)).lower(u).text("loops")
    assert "part0" in tg.grad(total_of(limiter)).lower(u).text("loops")

    def wave(u):
        for i in range(1, u.shape[0]):               # each step needs the one before
            u[i] = np.sin(u[i]) * u[i - 1]
        return np.sum(u)

    text = tg.grad(wave).lower(u).text("loops")
    assert "part0" not in text and " apart {" not in text.split("fill")[0]


# --- short loops inside, and elements that stay the same ----------------------------------------------------------------------

def polynomial(c, x):
    out = np.zeros_like(x)
    for i in range(x.shape[0]):
        s = 0.0
        for k in range(c.shape[0] - 1, -1, -1):
            s = s * x[i] + c[k]
        out[i] = s
    return np.sum(out**2)


def prediction_error(c, x):
    """Each step reads a window, and an element of it by name."""
    total = 0.0
    for t in range(c.shape[0], x.shape[0]):
        p = 0.0
        for k in range(c.shape[0]):
            p += c[k] * x[t - 1 - k]
        total += (x[t] - p) ** 2
    return total


def filtered(c, x):
    out = np.zeros_like(x)
    for i in range(4, x.shape[0] - 4):
        for k in range(c.shape[0]):
            if x[i] > 1.0:
                out[i] += c[k] * x[i + k - 4]
    return np.sum(out * out)


WINDOWS = {f.__name__: f for f in (polynomial, prediction_error, filtered)}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("n", [3, 15, 16, 40, 600])
@pytest.mark.parametrize("name", WINDOWS)
def test_gradients_of_windows(name, n):
    """With lengths known when compiling, and only at run time."""
    f = WINDOWS[name]
    c, x = RNG.uniform(-0.5, 0.5, 9), np.random.default_rng(n).uniform(0.5, 1.5, n)
    found = tg.grad(f, argnums=(0, 1))(c, x)
    with tg.disable_jit():
        expected = tg.grad(f, argnums=(0, 1))(c, x)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    part = tg.grad(lambda c, x, n: f(c, x[:n]), argnums=(0, 1))(c, np.concatenate([x, np.full(3, np.nan)]), n)
    np.testing.assert_allclose(part[0], found[0], rtol=1e-10)
    np.testing.assert_allclose(part[1], [*found[1], 0.0, 0.0, 0.0], rtol=1e-10, atol=1e-12)
    if n == 15:
        tg.check_grads(f, (c, x), order=2)
        with tg.disable_jit():
            slopes = tg.jvp(f, (c, x), (c, x))[1]
        assert slopes == pytest.approx(found[0] @ c + found[1] @ x, rel=1e-11)


def test_a_short_loop_inside_is_written_out():
    c, x = np.ones(9), np.ones(100)
    text = tg.grad(polynomial, argnums=(0, 1)).lower(c, x).text("loops")
    assert text.count("for %") == text.count(" apart {") and "set @sum" in text
    assert ": f64[9, 100]" in tg.grad(polynomial, argnums=1).lower(c, x).text("optimized")     # rows of the tape are vectors
    text = tg.grad(prediction_error, argnums=(0, 1)).lower(c, x).text("loops")
    assert "part0" in text and "set @sum" in text

    def serial(c, x):                               # a number is handed on: as the loops run, so lies the tape
        s = 0.0
        for i in range(x.shape[0]):
            for k in range(c.shape[0]):
                s = np.sin(s) * x[i] + c[k]
        return s

    assert ": f64[100, 9]" in tg.grad(serial, argnums=1).lower(c, x).text("optimized")


def upwards(x, y, out):
    out = out.copy()
    for i in range(x.size):
        out[i] += x[i] * 1.1
        out[i + 1] += y[i] * 0.3
    return out


def downwards(x, y, out):
    out = out.copy()
    for i in range(x.size - 1, -1, -1):
        out[i + 1] += y[i] * 0.3
        out[i] -= x[i] * 1.1
    return out


def one_place(x, y, out):
    out = out.copy()
    for i in range(x.size):
        out[1] += x[i] * y[i]
    return out


@pytest.mark.parametrize("fn", [upwards, downwards, one_place])
def test_the_sums_of_a_program_keep_their_order(fn):
    """To the last bit what Python gives: only sums of adjoints are taken in another order."""
    args = RNG.standard_normal(500), RNG.standard_normal(500), RNG.standard_normal(501)
    np.testing.assert_array_equal(tg.jit(fn)(*args), fn(*args))


def test_terms_that_use_one_another_are_each_looked_at_once():
    """There are 2^60 ways through them."""
    total, x, old, new = Var(I64, "total"), Scalar(I64), Scalar(I64), Scalar(I64)
    body, pair = [Load(x, Buffer("x", I64, (), "in"), ()), Get(old, total)], (x, x)
    for _ in range(60):
        body.append(Let(Scalar(I64), "add", pair))
        pair = body[-1].target, pair[0]
    body += [Let(new, "add", (pair[0], old)), Set(total, new)]
    assert step_of(body, total, uses(body)) == "add"
