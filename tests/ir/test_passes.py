"""Passes: what each rewrite makes, and that no rewrite changes a value (bit for bit, on NaN, infinities and signed zeros)."""
from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import random_ir
import tracegrad.ir.ops  # noqa: F401
from test_text import CONTROL
from tracegrad.ir import clone
from tracegrad.ir.build import Builder, const, function
from tracegrad.ir.errors import Frame
from tracegrad.ir.interp import run
from tracegrad.ir.opdef import OPS, Elementwise
from tracegrad.ir.text.printer import equal, parse, print_function
from tracegrad.ir.transforms.pipeline import optimize
from tracegrad.ir.transforms.simplify import RULES, peephole
from tracegrad.ir.types import BOOL, DTYPES, F32, F64, I32, I64, INDEX, U8, Type
from tracegrad.ir.verify import verify


def body(f) -> list[str]:
    """The lines of the last function without header and braces."""
    lines = print_function(f).split("func @")[-1].splitlines()[1:-1]
    return [line.strip() for line in lines]


def parsed(params: str, lines: str):
    """A function from the ops of its body; its results need no types here."""
    rows = [row.strip() for row in lines.strip().splitlines()]
    return parse(f"func @f({params}) -> () {{\n" + "\n".join(rows) + "\n}")


# (parameters, body, body after optimize)
REWRITES = {
    "x*1": ("%x: f64[3]", "%0 = mul %x, 1.0 : f64[3]\nreturn %0", ["return %x"]),
    "1*x broadcast": ("%x: f64", "%b = broadcast 1.0, 3 : f64[3]\n%0 = mul %b, %x : f64[3]\nreturn %0",
                      ["%0 = broadcast %x, 3 : f64[3]", "return %0"]),
    "x+0 float stays": ("%x: f64", "%0 = add %x, 0.0 : f64\nreturn %0", ["%0 = add %x, 0.0 : f64", "return %0"]),
    "x*0 float stays": ("%x: f64", "%0 = mul %x, 0.0 : f64\nreturn %0", ["%0 = mul %x, 0.0 : f64", "return %0"]),
    "x+0 int": ("%x: i32", "%0 = add %x, 0_i32 : i32\nreturn %0", ["return %x"]),
    "x-0": ("%x: f64", "%0 = sub %x, 0.0 : f64\nreturn %0", ["return %x"]),
    "complex x*1 stays": ("%x: c128", "%0 = mul %x, (1.0, 0.0) : c128\nreturn %0",
                          ["%0 = mul %x, (1.0, 0.0) : c128", "return %0"]),
    "x/4": ("%x: f64", "%0 = div %x, 4.0 : f64\nreturn %0", ["%0 = mul %x, 0.25 : f64", "return %0"]),
    "x/3 stays": ("%x: f64", "%0 = div %x, 3.0 : f64\nreturn %0", ["%0 = div %x, 3.0 : f64", "return %0"]),
    "x**2": ("%x: f64[3]", "%0 = pow %x, 2.0 : f64[3]\nreturn %0", ["%0 = mul %x, %x : f64[3]", "return %0"]),
    "x**0.5": ("%x: f64[3]", "%0 = pow %x, 0.5 : f64[3]\nreturn %0", ["%0 = sqrt %x : f64[3]", "return %0"]),
    "scalar**0.5 stays": ("%x: f64", "%0 = pow %x, 0.5 : f64\nreturn %0", ["%0 = pow %x, 0.5 : f64", "return %0"]),
    "neg neg": ("%x: f64", "%0 = neg %x : f64\n%1 = neg %0 : f64\nreturn %1", ["return %x"]),
    "constants": ("", "%0 = add 1.0, 2.0 : f64\n%1 = exp 0.0 : f64\n%2 = mul %0, %1 : f64\nreturn %2", ["return 3.0"]),
    "n-1+1": ("%n: index", "%0 = sub %n, 1 : index\n%1 = add %0, 1 : index\nreturn %1", ["return %n"]),
    "(n+m)-n": ("%n: index, %m: index", "%0 = add %n, %m : index\n%1 = sub %0, %n : index\nreturn %1", ["return %m"]),
    "not lt": ("%i: index", "%0 = lt %i, 3 : bool\n%1 = not %0 : bool\nreturn %1", ["%0 = ge %i, 3 : bool", "return %0"]),
    "not lt float stays": ("%x: f64", "%0 = lt %x, 3.0 : bool\n%1 = not %0 : bool\nreturn %1",
                           ["%0 = lt %x, 3.0 : bool", "%1 = not %0 : bool", "return %1"]),
    "select true": ("%x: f64[2], %y: f64[2]", "%0 = select true, %x, %y : f64[2]\nreturn %0", ["return %x"]),
    "cast there and back": ("%x: f32", "%0 = cast %x {dtype=f64} : f64\n"
                            "%1 = cast %0 {dtype=f32} : f32\nreturn %1", ["return %x"]),
    "lossy cast stays": ("%x: i64", "%0 = cast %x {dtype=f64} : f64\n%1 = cast %0 {dtype=i64} : i64\nreturn %1",
                         ["%0 = cast %x {dtype=f64} : f64", "%1 = cast %0 {dtype=i64} : i64", "return %1"]),
    "broadcasts": ("%x: f64[1]", "%0 = broadcast %x, 2, 3 : f64[2, 3]\n%1 = broadcast %0, 4, 2, 3 : f64[4, 2, 3]\nreturn %1",
                   ["%0 = broadcast %x, 4, 2, 3 : f64[4, 2, 3]", "return %0"]),
    "reshapes": ("%x: f64[6]", "%0 = reshape %x, 2, 3 : f64[2, 3]\n%1 = reshape %0, 6 : f64[6]\nreturn %1", ["return %x"]),
    "transposes": ("%x: f64[2, 3, 4]", "%0 = transpose %x {perm=(1, 2, 0)} : f64[3, 4, 2]\n"
                   "%1 = transpose %0 {perm=(2, 0, 1)} : f64[2, 3, 4]\nreturn %1", ["return %x"]),
    "full slice": ("%x: f64[%n, 3], %n: index", "%0 = slice %x[0:+%n:1, 0:+3:1] : f64[%n, 3]\nreturn %0", ["return %x"]),
    "slice of slice": ("%x: f64[9, 4], %i: index", "%0 = slice %x[2:+4:2, :] : f64[4, 4]\n"
                       "%1 = slice %0[%i, 3] : f64\nreturn %1",
                       ["%0 = mul %i, 2 : index", "%1 = add %0, 2 : index", "%2 = slice %x[%1, 3] : f64", "return %2"]),
    "dim": ("%x: f64[%n, 3], %n: index", "%0 = dim %x, 0 : index\n%1 = dim %x, 1 : index\n%2 = mul %0, %1 : index\nreturn %2",
            ["%0 = mul %n, 3 : index", "return %0"]),
    "reduce of one": ("%x: f64[3, 1]", "%0 = reduce %x {kind=sum, axes=(1,)} : f64[3]\nreturn %0",
                      ["%0 = reshape %x, 3 : f64[3]", "return %0"]),
    "read what was written": ("%x: f64[3], %v: f64", "%0 = update %x[1], %v : f64[3]\n%1 = update %0[2], 5.0 : f64[3]\n"
                              "%2 = slice %1[1] : f64\nreturn %2", ["return %v"]),
    "write what was read": ("%x: f64[3], %i: index", "%0 = slice %x[%i] : f64\n%1 = update %x[%i], %0 : f64[3]\nreturn %1",
                            ["return %x"]),
    "gather at a scalar": ("%x: f64[3, 2], %i: index", "%0 = gather %x, %i {axes=(0,), at=0} : f64[2]\nreturn %0",
                           ["%0 = slice %x[%i, :] : f64[2]", "return %0"]),
    "common": ("%x: f64", "%0 = sin %x : f64\n%1 = sin %x : f64\n%2 = mul %0, %1 : f64\nreturn %2",
               ["%0 = sin %x : f64", "%1 = mul %0, %0 : f64", "return %1"]),
    "dead": ("%x: f64", "%0 = sin %x : f64\nreturn %x", ["return %x"]),
    "check true": ("%x: f64", 'check true {error=ValueError, message="no"}\nreturn %x', ["return %x"]),
    "check false stays": ("%x: f64", "check false {error=ValueError, message=no}\nreturn %x",
                          ["check false {error=ValueError, message=no}", "return %x"]),
    "checks once": ("%c: bool", "check %c {error=ValueError, message=no}\ncheck %c {error=ValueError, message=no}\nreturn",
                    ["check %c {error=ValueError, message=no}", "return"]),
    "prints stay": ("%x: f64", 'print %x {format="{0}"}\nprint %x {format="{0}"}\nreturn',
                    ['print %x {format="{0}"}', 'print %x {format="{0}"}', "return"]),
    "wrap of a number": ("%x: f64[4]", "%0 = wrap -1, 4 {axis=0} : index\n%1 = slice %x[%0] : f64\nreturn %1",
                         ["%0 = slice %x[3] : f64", "return %0"]),
    "if known": ("%x: f64", "%0 = if true : f64 {\n%1 = sin %x : f64\nyield %1\n} else {\nyield %x\n}\nreturn %0",
                 ["%0 = sin %x : f64", "return %0"]),
    "if of scalars": ("%x: f64, %y: f64, %c: bool", "%0 = if %c : f64 {\nyield %x\n} else {\nyield %y\n}\nreturn %0",
                      ["%0 = select %c, %x, %y : f64", "return %0"]),
    "for of none": ("%x: f64", "%0 = for %i = 0 to 0 carry(%s = %x) : f64 {\n%1 = sin %s : f64\nyield %1\n}\nreturn %0",
                    ["return %x"]),
    "for of one": ("%x: f64[3]", "%0 = for %i = 0 to 1 carry(%s = 0.0) : f64 {\n"
                   "%1 = slice %x[%i] : f64\nyield %1\n}\nreturn %0",
                   ["%0 = slice %x[0] : f64", "return %0"]),
    "unchanged carry": ("%x: f64, %n: index",
                        "%0, %1 = for %i = 0 to %n carry(%s = 0.0, %k = %x) : (f64, f64) {\n%2 = add %s, %k : f64\n"
                        "%3 = mul %k, 1.0 : f64\nyield %2, %3\n}\nreturn %0, %1",
                        ["%0 = for %i = 0 to %n carry(%s = 0.0) : f64 {", "%1 = add %s, %x : f64", "yield %1", "}",
                         "return %0, %x"]),
    "dead carry": ("%x: f64, %n: index",
                   "%0, %1 = for %i = 0 to %n carry(%s = 0.0, %k = %x) : (f64, f64) {\n%2 = add %s, 1.0 : f64\n"
                   "%3 = sin %k : f64\nyield %2, %3\n}\nreturn %0",
                   ["%0 = for %i = 0 to %n carry(%s = 0.0) : f64 {", "%1 = add %s, 1.0 : f64", "yield %1", "}", "return %0"]),
    "carry that another needs": ("%x: f64, %n: index",
                                 "%0, %1 = for %i = 0 to %n carry(%s = 0.0, %k = %x) : (f64, f64) {\n%2 = add %s, %k : f64\n"
                                 "%3 = sin %k : f64\nyield %2, %3\n}\nreturn %0",
                                 ["%0, %1 = for %i = 0 to %n carry(%s = 0.0, %k = %x) : (f64, f64) {", "%2 = add %s, %k : f64",
                                  "%3 = sin %k : f64", "yield %2, %3", "}", "return %0"]),
    "sum of negatives": ("%x: f64[3, 2]", "%0 = neg %x : f64[3, 2]\n%1 = reduce %0 {kind=sum, axes=(1,)} : f64[3]\nreturn %1",
                         ["%0 = reduce %x {kind=sum, axes=(1,)} : f64[3]", "%1 = sub 0.0, %0 : f64[3]", "return %1"]),
    "sum of doubles": ("%x: i64[3]", "%0 = add %x, %x : i64[3]\n%1 = reduce %0 {kind=sum, axes=(0,)} : i64\nreturn %1",
                       ["%0 = reduce %x {kind=sum, axes=(0,)} : i64", "%1 = add %0, %0 : i64", "return %1"]),
    "maximum of negatives": ("%x: f64[3]", "%0 = neg %x : f64[3]\n%1 = reduce %0 {kind=max, axes=(0,)} : f64\nreturn %1",
                             ["%0 = neg %x : f64[3]", "%1 = reduce %0 {kind=max, axes=(0,)} : f64", "return %1"]),
    "while false": ("%x: f64", "%0 = while carry(%s = %x) : f64 {\nyield false\n} do (%t) {\n%1 = sin %t : f64\nyield %1\n}\n"
                    "return %0", ["return %x"]),
    "map of one": ("%x: f64[3]", "%0 = map %i = 0 to 1 : f64[1] {\n%1 = slice %x[%i] : f64\nyield %1\n}\nreturn %0",
                   ["%0 = slice %x[0] : f64", "%1 = reshape %0, 1 : f64[1]", "return %1"]),
}


@pytest.mark.parametrize("name", REWRITES)
def test_rewrites(name):
    params, before, after = REWRITES[name]
    f = parsed(params, before)
    verify(f)
    text = print_function(f)
    g = optimize(f)
    assert [re.sub(r"%b\b", "%0", line) for line in body(g)] == after
    assert print_function(f) == text, "the input changed"
    assert equal(optimize(g), g)


def test_a_copy_is_not_read_through():
    """Reading x[i, 2] of the old x after the write would keep the write from being in place."""
    f = parsed("%x: f64[4, 3], %i: index", "%row = slice %x[%i, :] : f64[3]\n%y = update %x[%i, 0], 1.0 : f64[4, 3]\n"
               "%z = slice %row[2] : f64\nreturn %y, %z")
    assert "%z = slice %row[2] : f64" in body(optimize(f))


def test_callees():
    small = "func @g(%x: f64) -> f64 {\n  %0 = sin %x : f64\n  return %0\n}\n"
    g = optimize(parse(small + "func @f(%x: f64) -> f64 {\n  %0 = call @g(%x) : f64\n  %1 = call @g(%0) : f64\n  return %1\n}"))
    assert body(g) == ["%0 = sin %x : f64", "%1 = sin %0 : f64", "return %1"]
    rows = "\n".join(f"  %{k + 1} = sin %{k} : f64" for k in range(40))
    large = f"func @g(%x: f64) -> f64 {{\n  %0 = sin %x : f64\n{rows}\n  %dead = cos %0 : f64\n  return %40\n}}\n"
    f = parse(large + "func @f(%x: f64) -> f64 {\n  %0 = call @g(%x) : f64\n  %1 = call @g(%0) : f64\n  return %1\n}")
    g = optimize(f)
    assert body(g) == ["%0 = call @g(%x) : f64", "%1 = call @g(%0) : f64", "return %1"]
    assert "cos" not in print_function(g) and "cos" in print_function(f)
    assert run(f, 0.3) == run(g, 0.3)


# --- no rewrite changes a value ---------------------------------------------------------------------------------------

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, 3.0, 1e300, 5e-324, np.inf, -np.inf, np.nan, 1 / 3, -7.25]
CONSTANTS = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 4.0, 3.0, np.inf, np.nan, -2.0]
INEXACT_POWERS = {3.0, 4.0, -2.0}           # to 2 ulp instead


def values(d, n=40):
    rng = np.random.default_rng(1)
    if d is BOOL:
        return np.array([True, False] * 8)
    if d.kind in "iux":
        info = np.iinfo(d.np)
        edge = [v for v in (0, 1, 2, 3, -1, -2, 7, info.min, info.max) if info.min <= v <= info.max]
        return np.array(edge, d.np)
    with np.errstate(all="ignore"):
        real = np.array(SPECIAL).astype(d.real.np)
    if d.complex:
        out = np.empty((len(real), len(real)), d.np)
        out.real, out.imag = real[:, None], real[None, :]
        return rng.permutation(out.ravel())[:n]
    return real


def constants(d):
    if d is BOOL:
        return [True, False]
    if d.kind in "iux":
        return [v for v in (0, 1, 2, 3, 4, -1, -2) if d.kind != "u" or v >= 0]
    return [complex(a, b) for a in (0.0, 1.0, -1.0, 2.0) for b in (0.0, -0.0)] if d.complex else CONSTANTS


def same_bits(a, b) -> bool:
    """Equal bits; any NaN is as good as another."""
    if a.dtype.kind == "c":
        return same_bits(a.real.copy(), b.real.copy()) and same_bits(a.imag.copy(), b.imag.copy())
    if a.dtype.kind == "f":
        both = np.isnan(a) & np.isnan(b)
        return bool(((a == b) & (np.signbit(a) == np.signbit(b)) | both).all())
    return bool((a == b).all())


def compare(f, args, ulp=0, zeros=True):
    """run(f) equals run(optimize(f)), bit for bit; or but for the sign of zeros; or to `ulp` where it is finite and normal."""
    g = optimize(f)
    for a, b in zip(run(f, *args), run(g, *args)):
        assert a.dtype == b.dtype and a.shape == b.shape
        if ulp and a.dtype.kind in "fc":
            info = np.finfo(a.dtype)
            normal = np.isfinite(a) & np.isfinite(b) & (np.abs(a) > info.tiny * 1e10)
            assert (np.abs(a[normal] - b[normal]) <= ulp * info.eps * np.abs(a[normal])).all()
            a, b = (np.where(normal, 0, v) for v in (a, b)) if a.dtype.kind == "f" else (a[:0], b[:0])
            tiny = np.abs(a) <= info.tiny * 1e10
            assert (np.abs(b[tiny]) <= info.tiny * 1e10).all() and same_bits(a[~tiny], b[~tiny])
        elif not zeros:
            assert same_bits(a + 0.0, b + 0.0)
        else:
            assert same_bits(a, b), (print_function(f), print_function(g), args, a, b)


DIFFERENTIAL = [F64, F32, I32, I64, U8, INDEX, BOOL, DTYPES["c128"]]
BINARY = [d for d in OPS.values() if isinstance(d, Elementwise) and d.arity == 2 and d.name in RULES]
UNARY = [d for d in OPS.values() if isinstance(d, Elementwise) and d.arity == 1 and d.name in RULES and d.name != "cast"]


@pytest.mark.sweep(3)
@pytest.mark.parametrize("d", DIFFERENTIAL, ids=str)
@pytest.mark.parametrize("defn", BINARY, ids=lambda d: d.name)
def test_binary_rules_are_exact(defn, d):
    """op(x, c), op(c, x), op(x, x), and op over each inner op that a rule may look for, on arrays and on scalars."""
    if d not in defn.takes:
        pytest.skip("not defined")
    x = values(d)
    pairs = np.array(list(itertools.product(x, x)), d.np)
    p, q = pairs[:, 0].copy(), pairs[:, 1].copy()
    f = function("f", [Type(d, p.shape)] * 2)
    b = Builder()
    rough = []
    with b.at(f.body):
        xs, ys = f.params
        names = ["neg", "not"] + ["abs"] * (not d.complex)
        inner = [xs, ys] + [b(name, xs) for name in names if d in OPS[name].takes]
        inner += [b(name, *pair) for name in ("add", "sub", "mul") if d in OPS[name].takes for pair in ((xs, ys), (ys, xs))]
        filled = [b("broadcast", const(c, d), b.index(len(p))) for c in constants(d)[:4]]
        exact = []
        for c in constants(d):
            if defn.name == "pow" and (d.integer and c < 0):
                continue
            here = rough if defn.name == "pow" and (c in INEXACT_POWERS or d.complex) else exact
            here.append(b(defn, xs, const(c, d)))
            if defn.name != "pow":
                here += [b(defn, const(c, d), xs), *(b(defn, v, const(c, d)) for v in inner[2:])]
        if defn.name != "pow":
            exact += [b(defn, v, w) for v in inner for w in inner + filled]
    f.body.yields = tuple(exact)
    compare(f, (p, q), zeros=defn.name != "mulz")
    f.body.yields = tuple(rough)
    compare(f, (p, q), ulp=4)


@pytest.mark.parametrize("d", DIFFERENTIAL, ids=str)
@pytest.mark.parametrize("defn", UNARY, ids=lambda d: d.name)
def test_unary_rules_are_exact(defn, d):
    if d not in defn.takes:
        pytest.skip("not defined")
    x = values(d)
    f = function("f", [Type(d, x.shape)])
    b = Builder()
    with b.at(f.body):
        (xs,) = f.params
        inner = [xs] + [b(name, xs) for name in ("neg", "not", "abs", "invert", "conj", "floor", defn.name)
                        if d in OPS[name].takes and OPS[name].gives == "same"]
        inner += [b("mul", xs, const(3, d)), b("sub", xs, const(1, d))] if d in OPS["mul"].takes else []
        f.body.yields = tuple(b(defn, v) for v in inner if v.dtype in defn.takes)
    compare(f, (x,))


def test_casts_are_exact():
    f = function("f", [Type(d, values(d).shape) for d in DIFFERENTIAL])
    b = Builder()
    with b.at(f.body):
        out = []
        for p in f.params:
            for first, second in itertools.product(DTYPES.values(), repeat=2):
                fits = {"b": 0, "u": 1, "i": 1, "x": 1, "f": 2, "c": 3}
                if fits[p.dtype.kind] <= fits[first.kind] <= fits[second.kind] and second.kind != "b":
                    out.append(b("cast", b("cast", p, dtype=first), dtype=second))
    f.body.yields = tuple(out)
    compare(f, [values(d) for d in DIFFERENTIAL])


def test_select_and_logic():
    n = 16
    f = function("f", [Type(BOOL, (n,)), Type(F64, (n,)), Type(F64, (n,))])
    b = Builder()
    with b.at(f.body):
        c, x, y = f.params
        lt = b("lt", x, y)
        conds = [c, b("not", c), lt, b("not", lt), const(True, BOOL), const(False, BOOL)]
        pairs = [(x, y), (y, x), (x, x), (const(1.0), x), (x, const(1.0)), (const(1.0), const(2.0))]
        flags = [(const(True, BOOL), const(False, BOOL)), (const(False, BOOL), const(True, BOOL)), (c, const(True, BOOL))]
        f.body.yields = tuple(b("select", p, *two) for p in conds for two in pairs + flags)
    rng = np.random.default_rng(0)
    compare(f, (rng.random(n) < 0.5, rng.permutation(SPECIAL + [4.0]), rng.permutation(SPECIAL + [4.0])))


def test_slices_compose():
    rng = np.random.default_rng(0)
    for _ in range(200):
        shape = tuple(map(int, rng.integers(1, 7, size=rng.integers(1, 4))))
        x = rng.standard_normal(shape)
        f = function("f", [Type(F64, shape), Type(INDEX)])
        b = Builder()
        with b.at(f.body):
            v = f.params[0]
            for _ in range(rng.integers(1, 4)):
                spec, idx = "", []
                for n in v.dims:
                    kind = rng.choice([":", "i", "s"]) if n else ":"
                    spec += kind
                    if kind == "i":
                        k = int(rng.integers(n))
                        idx.append(b("add", f.params[1], b.index(k)) if rng.random() < 0.3 else b.index(k))
                    elif kind == "s":
                        step = int(rng.choice([1, 2, -1, -2]))
                        length = int(rng.integers(0, (n - 1) // abs(step) + 2))
                        span = max(length - 1, 0) * abs(step)
                        start = int(rng.integers(n - span)) + (step < 0) * span
                        idx += map(b.index, (start, length, step))
                v = b("slice", v, *idx, spec=spec)
        f.body.yields = (v,)
        compare(f, (x, 0))


def test_reads_see_writes():
    rng = np.random.default_rng(0)
    for _ in range(100):
        f = function("f", [Type(F64, (4,)), Type(INDEX), Type(INDEX)])
        b, out = Builder(), []
        with b.at(f.body):
            x = f.params[0]
            places = [f.params[1], f.params[2], *map(b.index, range(4))]
            for k in range(8):
                i = places[rng.integers(len(places))]
                if rng.random() < 0.5:
                    value = b("slice", x, places[rng.integers(len(places))], spec="i") if rng.random() < 0.5 else const(k)
                    x = b("update", x, value, i, spec="i")
                else:
                    out.append(b("slice", x, i, spec="i"))
        f.body.yields = (x, *out)
        compare(f, (np.arange(4.0) + 10, int(rng.integers(4)), int(rng.integers(4))))


# --- rewriting helpers ------------------------------------------------------------------------------------------------

def test_lift_free_closes_a_function():
    outer = parse("func @o(%k: f64, %n: index, %w: f64[%n]) -> f64 {\n  return %k\n}")
    k, n, w = outer.params
    f = function("inner", [Type(F64, (n,))], ["x"])
    b = Builder()
    with b.at(f.body):
        y = b("mul", f.params[0], k)
        f.body.yields = (b("add", y, w), n)
    g, free = clone.lift_free(f)
    verify(g)
    assert free == [n, k, w] and g.params[1:] != (n, k, w)
    assert body(g) == ["%0 = mul %x, %k : f64[%n]", "%1 = add %0, %w : f64[%n]", "return %1, %n"]
    a, m = run(g, np.arange(3.0), 3, 2.0, np.ones(3))
    assert a.tolist() == [1, 3, 5] and m == 3
    assert clone.lift_free(g) == (g, [])


def test_inline_puts_the_callers_frames_outside():
    inner, outer = Frame("inner.py", 1, "g"), Frame("outer.py", 2, "f")
    g = function("g", [Type(F64)])
    b = Builder()
    with b.at(g.body):
        b.loc = (inner,)
        g.body.yields = (b("sin", g.params[0]),)
    f = function("f", [Type(F64)])
    with b.at(f.body):
        b.loc = (outer,)
        f.body.yields = clone.inline(b, g, f.params)
        again = clone.inline(b, g, f.params)
    assert f.body.ops[0].loc == (outer, inner)
    assert again == f.body.yields and len(f.body.ops) == 1 and b.loc == (outer,)


def test_a_specialised_copy_has_static_types():
    f = parsed("%x: f64[%n], %n: index", "%0 = broadcast 2.0, %n : f64[%n]\n%1 = mul %x, %0 : f64[%n]\nreturn %1")
    g, builder = function("g", [Type(F64, (3,))], ["x"]), Builder(peephole=peephole)
    with builder.at(g.body):
        g.body.yields = clone.inline(builder, f, (g.params[0], const(3, INDEX)))
    verify(g)
    clone.sweep(g)
    assert body(g) == ["%0 = mul %x, 2.0 : f64[3]", "return %0"]


def test_deeply_nested_loops_are_walked_once(monkeypatch):
    depth, marked = 12, []
    mark = clone.mark
    monkeypatch.setattr(clone, "mark", lambda block, *rest: (marked.append(block), mark(block, *rest)))
    text = "".join(f"%r{k} = for %i{k} = 0 to %n carry(%s{k} = {'%x' if not k else f'%s{k - 1}'}) : f64 {{\n"
                   for k in range(depth))
    text += f"%v = sin %s{depth - 1} : f64\nyield %v\n}}\n" + "".join(f"yield %r{k}\n}}\n" for k in reversed(range(1, depth)))
    optimize(parsed("%x: f64, %n: index", text + "return %r0"))
    assert len(marked) == depth + 1


def test_golden(golden):
    golden("control_optimized.txt", print_function(optimize(parse(CONTROL))))


# --- whole programs ---------------------------------------------------------------------------------------------------

@pytest.mark.sweep(3)
@pytest.mark.parametrize("seed", range(150))
def test_random_programs(seed):
    """The evaluator gives the same on a program, on its text read back, and on the optimised program; arguments stay."""
    f, args = random_ir.program(seed)
    verify(f)
    again = parse(print_function(f))
    assert equal(f, again)
    kept = [np.copy(a) for a in args]
    expected = run(f, *args)
    g = optimize(f)
    assert equal(optimize(g), optimize(parse(print_function(g))))
    for h in (again, g, clone.dce(f), clone.clone(f)):
        verify(h)
        for a, b in zip(expected, run(h, *args)):
            assert a.dtype == b.dtype and a.shape == b.shape and same_bits(a, b)
    assert all(np.array_equal(a, b) for a, b in zip(kept, args))
