"""Checking a derivative every way at once, on the evaluator: what the tests of autodiff share."""
from __future__ import annotations

import numpy as np
from tracegrad.autodiff.forward import jvp, linearize
from tracegrad.autodiff.reverse.reverse import split, vjp
from tracegrad.ir.interp import run
from tracegrad.ir.text.printer import equal, parse, print_function
from tracegrad.ir.verify import verify

STEP = 1e-5


def inexact(x) -> bool:
    return np.asarray(x).dtype.kind in "fc"


def sound(f):
    """The function, once it is verified and its text reads back to an equal one."""
    verify(f)
    assert equal(parse(print_function(f)), f)
    return f


def draw(rng, x):
    """A random direction of the dtype and shape of x."""
    x = np.asarray(x)
    d = rng.standard_normal(x.shape)
    return (d + 1j * rng.standard_normal(x.shape) if x.dtype.kind == "c" else d).astype(x.dtype)


def pair(a, b) -> float:
    """Re of the sum of products, over two lists of arrays: the pairing under which transposes are not conjugated."""
    return float(sum(np.sum(np.asarray(x, complex) * y).real for x, y in zip(a, b, strict=True)))


def close(a, b, tol, what):
    assert abs(a - b) <= tol * (1 + abs(a) + abs(b)), f"{what}: {a!r} and {b!r}"


def same(f, a, b):
    """Results of f, bit for bit; where f adds to elements, whose order is free (ir/ops/index.py), to the rounding of a sum."""
    if any(op.defn.name == "update_add" for op in f.body.walk()):
        room = 8 * np.finfo(a.dtype).eps if inexact(a) else 0
        np.testing.assert_allclose(b, a, rtol=room, atol=room * np.max(np.abs(a), initial=0))
    else:
        np.testing.assert_array_equal(a, b)


def check_first(f, args, rng, wrt=None, difference=True, tol=1e-6):
    """Forward equals reverse equals a fourth-order central difference; both keep the results. Returns (jvp, vjp)."""
    wrt = tuple(k for k, a in enumerate(args) if inexact(a)) if wrt is None else wrt
    forward, backward = sound(jvp(f, wrt)), sound(vjp(f, wrt))
    plain = run(f, *args)
    directions = [draw(rng, args[k]) for k in wrt]
    cts = [draw(rng, r) for r in plain if inexact(r)]
    tangents = run(forward, *args, *directions)
    bars = run(backward, *args, *cts)
    n = len(plain)
    for a, b, c in zip(plain, tangents, bars):
        np.testing.assert_array_equal(a, b)
        same(f, a, c)
    for k, bar in zip(wrt, bars[n:], strict=True):
        assert bar.shape == np.shape(args[k]) and bar.dtype == np.asarray(args[k]).dtype
    slope = pair(cts, tangents[n:])
    single = any(np.asarray(a).dtype in (np.float32, np.complex64) for a in (*args, *plain))
    close(slope, pair(bars[n:], directions), 1e-4 if single else 1e-11, "forward and reverse")
    if difference and not single:
        def at(h):
            moved = list(args)
            for k, d in zip(wrt, directions):
                moved[k] = np.asarray(args[k]) + h * d
            return pair(cts, [r for r in run(f, *moved) if inexact(r)])

        difference = (8 * (at(STEP) - at(-STEP)) - (at(2 * STEP) - at(-2 * STEP))) / (12 * STEP)
        close(slope, difference, tol, "forward and difference")
    return forward, backward


def check(f, args, seed=0, order=2, wrt=None, difference=True, tol=1e-6):
    """`check_first` of the function, and to the given order of its derivatives in both modes."""
    rng = np.random.default_rng(seed)
    sound(f)
    wrt = tuple(k for k, a in enumerate(args) if inexact(a)) if wrt is None else wrt
    forward, backward = check_first(f, args, rng, wrt, difference, tol)
    if order > 1:
        directions = [draw(rng, args[k]) for k in wrt]
        cts = [draw(rng, r) for r in run(f, *args) if inexact(r)]
        check(forward, [*args, *directions], seed + 1, order - 1, None, difference, tol)
        check(backward, [*args, *cts], seed + 2, order - 1, None, difference, tol)


def check_parts(f, args, seed=0):
    """`split` and `linearize` give what `vjp` and `jvp` give."""
    rng = np.random.default_rng(seed)
    wrt = tuple(k for k, a in enumerate(args) if inexact(a))
    plain = run(f, *args)
    directions = [draw(rng, args[k]) for k in wrt]
    cts = [draw(rng, r) for r in plain if inexact(r)]
    for parts, flows, whole in ((split(f, wrt), cts, vjp(f, wrt)), (linearize(f, wrt), directions, jvp(f, wrt))):
        first, second = map(sound, parts)
        found = run(first, *args)
        got = run(second, *found[len(plain):], *flows)
        expected = run(whole, *args, *flows)
        for a, b in zip((*found[:len(plain)], *got), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)
