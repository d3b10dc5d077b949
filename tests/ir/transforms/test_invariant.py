"""Loop-invariant motion: what moves, what stays, and that no program changes its results or its errors."""
from __future__ import annotations

import numpy as np
import pytest
import random_ir
from random_integers import program as integer_program
from test_passes import parsed
from test_ranges import same_outcome, typed
from tracegrad.ir.interp import Counter, run
from tracegrad.ir.text.printer import print_function
from tracegrad.ir.transforms.licm import invariant
from tracegrad.ir.transforms.pipeline import dead_code, optimize, simplify
from tracegrad.ir.verify import verify

import tracegrad as tg

PARAMS = "%x: f64[5], %m: f64[5, 5], %a: f64, %n: index, %k: index"
ARGS = np.linspace(0.1, 0.9, 5), np.linspace(-1.0, 1.0, 25).reshape(5, 5) + 3 * np.eye(5), 0.5

# name: (body, names of the ops that leave all loops, those that stay inside one)
MOTION = {
    "scalars move whatever the trip count": (
        """%s = for %i = 0 to %n carry(%c = 0.0) : f64 {
           %0 = exp %a : f64
           %1 = mul %0, %0 : f64
           %2 = add %c, %1 : f64
           yield %2
           }
           return %s""", ["exp", "mul"], ["add"]),
    "as far out as they can": (
        """%s = for %i = 0 to %n carry(%c = 0.0) : f64 {
           %t = for %j = 0 to %k carry(%d = %c) : f64 {
           %0 = sin %a : f64
           %1 = cast %i {dtype=f64}
           %2 = cos %1 : f64
           %3 = mul %0, %2 : f64
           %4 = add %d, %3 : f64
           yield %4
           }
           yield %t
           }
           return %s""", ["sin"], ["cast", "cos", "mul", "add"]),
    "not out of a branch": (
        """%0 = gt %a, 0.0
           %s = for %i = 0 to %n carry(%c = 0.0) : f64 {
           %t = if %0 : f64 {
           %1 = exp %a : f64
           %2 = add %1, %c : f64
           yield %2
           } else {
           yield 0.0
           }
           yield %t
           }
           return %s""", ["gt"], ["exp", "add"]),
    "exp of an array, with what it is made from": (
        """%s = for %i = 0 to %n carry(%c = %x) : f64[5] {
           %0 = mul %x, %a : f64[5]
           %1 = exp %0 : f64[5]
           %2 = add %1, %c : f64[5]
           yield %2
           }
           return %s""", ["mul", "exp"], ["add"]),
    "cheap work on arrays stays": (
        """%s = for %i = 0 to %n carry(%c = %x) : f64[5] {
           %0 = mul %x, %a : f64[5]
           %1 = add %0, %c : f64[5]
           yield %1
           }
           return %s""", [], ["mul", "add"]),
    "sums and products": (
        """%s = for %i = 0 to %n carry(%c = %x) : f64[5] {
           %0 = reduce %m {kind=max, axes=(0,)} : f64[5]
           %1 = dot %m, %0 {contract=((1,), (0,)), batch=((), ())} : f64[5]
           %2 = add %1, %c : f64[5]
           yield %2
           }
           return %s""", ["reduce", "dot"], ["add"]),
    "not what only a broadcast makes large": (
        """%s = for %i = 0 to %n carry(%c = 0.0) : f64 {
           %0 = broadcast %x, 5, 5 : f64[5, 5]
           %1 = transpose %0 {perm=(1, 0)} : f64[5, 5]
           %2 = sub %0, %1 : f64[5, 5]
           %3 = exp %2 : f64[5, 5]
           %4 = mul %3, %c : f64[5, 5]
           %5 = reduce %4 {kind=sum, axes=(0, 1)} : f64
           yield %5
           }
           return %s""", [], ["broadcast", "transpose", "sub", "exp", "mul", "reduce"]),
    "but its sum": (
        """%s = for %i = 0 to %n carry(%c = 0.0) : f64 {
           %0 = broadcast %x, 5, 5 : f64[5, 5]
           %1 = exp %0 : f64[5, 5]
           %2 = reduce %1 {kind=sum, axes=(0, 1)} : f64
           %3 = add %c, %2 : f64
           yield %3
           }
           return %s""", ["broadcast", "exp", "reduce"], ["add"]),
    "nothing large for an inner loop that may not run": (
        """%s = for %i = 0 to %n carry(%c = %x) : f64[5] {
           %t = for %j = 0 to %k carry(%d = %c) : f64[5] {
           %0 = exp %c : f64[5]
           %1 = add %0, %d : f64[5]
           yield %1
           }
           yield %t
           }
           return %s""", [], ["exp", "add"]),
    "out of an inner loop that runs": (
        """%s = for %i = 0 to %n carry(%c = %x) : f64[5] {
           %t = for %j = 0 to 3 carry(%d = %x) : f64[5] {
           %0 = exp %c : f64[5]
           %1 = sin %x : f64[5]
           %2 = add %0, %d : f64[5]
           %3 = mul %2, %1 : f64[5]
           yield %3
           }
           yield %t
           }
           return %s""", ["sin"], ["exp", "add", "mul"]),
    "a read of a place that may be outside stays": (
        """%s = for %i = 0 to %n carry(%c = 0.0) : f64 {
           %0 = slice %x[%k]
           %1 = add %0, %c : f64
           yield %1
           }
           return %s""", [], ["slice", "add"]),
    "a read in a loop that runs": (
        """%s = for %i = 0 to 3 carry(%c = 0.0) : f64 {
           %0 = slice %x[%k]
           %1 = add %0, %c : f64
           yield %1
           }
           return %s""", ["slice"], ["add"]),
    "not before a check": (
        """%s = for %i = 0 to 3 carry(%c = 0.0) : f64 {
           %4 = lt %k, 3
           check %4, %i {error=ValueError, message="at {0}"}
           %0 = slice %x[%k]
           %1 = add %0, %c : f64
           yield %1
           }
           return %s""", ["lt"], ["check", "slice", "add"]),
    "a read at a number": (
        """%s = for %i = 0 to %n carry(%c = 0.0) : f64 {
           %4 = lt %k, 3
           check %4, %i {error=ValueError, message="at {0}"}
           %0 = slice %m[4, 0]
           %1 = slice %m[2, :] : f64[5]
           %2 = sin %1 : f64[5]
           %3 = slice %2[%i]
           %5 = add %0, %3 : f64
           yield %5
           }
           return %s""", ["lt", "slice", "slice", "sin"], ["check", "slice", "add"]),
    "a condition": (
        """%s = while carry(%c = 1.0) : f64 {
           %0 = exp %a : f64
           %1 = lt %c, %0
           yield %1
           } do (%d) {
           %2 = cos %a : f64
           %3 = add %2, 2.0 : f64
           %4 = mul %d, %3 : f64
           yield %4
           }
           return %s""", ["exp", "cos", "add"], ["lt", "mul"]),
    "a map": (
        """%s = map %i = 0 to %n : f64[%n] {
           %0 = log %x : f64[5]
           %1 = reduce %0 {kind=sum, axes=(0,)} : f64
           %2 = cast %i {dtype=f64}
           %3 = mul %1, %2 : f64
           yield %3
           }
           return %s""", ["log", "reduce"], ["cast", "mul"]),
    "effects stay": (
        """for %i = 0 to %n {
           %0 = gt %a, 0.0
           check %0 {error=ValueError, message="no"}
           print %a {format="{0}"}
           %1 = wrap %k, %n
           %2 = cholesky %m : f64[5, 5]
           yield
           }
           return %a""", ["gt"], ["check", "print", "wrap", "cholesky"]),
}


def names(block, inside=False):
    """(ops outside of all loops, ops in loops), control left out."""
    found = [], []
    for op in block.ops:
        if not op.regions:
            found[inside].append(op.defn.name)
        for region in op.regions:
            for mine, theirs in zip(found, names(region, inside or op.defn.name != "if")):
                mine += theirs
    return found


@pytest.mark.parametrize("name", MOTION)
def test_motion(name, capsys):
    lines, outside, inside = MOTION[name]
    f, g = (parsed(PARAMS, typed(lines)) for _ in range(2))
    verify(f)
    assert invariant(g) == (print_function(g) != print_function(f))
    verify(g, "invariant")
    assert names(g.body) == (outside, inside)
    for n in (0, 1, 3):
        for k in (0, 2, 4) if n else (7,):
            if name != "a read in a loop that runs" or k < 5:
                same_outcome(f, g, (*ARGS, n, k))
                assert capsys.readouterr().out.count("0.5") in (0, 2 * min(n, 1), 2 * n)


def test_work_is_done_once():
    def fn(x, m, steps):
        for _ in range(steps):
            x = x + np.tanh(m @ m).sum(axis=0)
        return x

    x, m = np.ones(3), np.linspace(0.0, 0.1, 9).reshape(3, 3)
    f = optimize(tg.jit(fn).lower(x, m, 50).function)
    counter = Counter()
    run(f, x, m, 50, counter=counter)
    assert counter.ops["dot"] == counter.ops["tanh"] == 1 and counter.ops["add"] >= 50
    np.testing.assert_allclose(tg.jit(fn)(x, m, 50), fn(x, m, 50), rtol=1e-13)


@pytest.mark.sweep(4)
@pytest.mark.parametrize("seed", range(200, 400))
def test_random_programs(seed):
    """Motion alone, and all passes."""
    other, args = random_ir.program(seed)
    for f, samples in (integer_program(seed), (other, [args])):
        g = dead_code(simplify(f))
        invariant(g)
        verify(g, "invariant")
        h = optimize(f)
        for args in samples:
            same_outcome(f, g, args)
            same_outcome(f, h, args)
