"""Loop IR to machine code: every elementwise op for every dtype against its meaning in NumPy, and every statement."""
from __future__ import annotations

import itertools
import pathlib

import numpy as np
import pytest
import tracegrad.ir.ops  # noqa: F401
from loop_run import Compiled, Failed
from op_samples import evaluate, specials
from tracegrad.ir.opdef import OPS, Elementwise
from tracegrad.ir.ops.special.library import ROUTINES
from tracegrad.ir.types import BOOL, C64, C128, DTYPES, F32, F64, I32, I64, INDEX, U8
from tracegrad.ir.types import dtype as dtype_of
from tracegrad.lowering.loopir.grammar import (
    Alloc,
    At,
    Buffer,
    Copy,
    Fail,
    Fill,
    For,
    Get,
    If,
    Imm,
    Kernel,
    Let,
    Load,
    Print,
    Scalar,
    Set,
    Store,
    Swap,
    Var,
    While,
)

ELEMENTWISE = {name: d for name, d in OPS.items() if isinstance(d, Elementwise) and d.recipe and name not in ROUTINES}
CASES = [(d.name, t.name) for d in ELEMENTWISE.values() for t in DTYPES.values() if t in d.takes and d.name != "cast"]

# Relative errors, in units of the last place, where the implementation is another than NumPy's. Of a complex number: of its
# absolute value.
ULP = {"pow": 400} | dict.fromkeys((
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asinh", "acosh",
    "atanh", "asin", "acos", "atan", "atan2", "hypot", "cbrt", "erf", "erfc", "abs", "sqrt"), 8)
CLOSE = {"digamma": 1e-14, "polygamma": 1e-12, "lgamma": 1e-14}


def elementwise_kernel(op, dtypes, result, n):
    """out[i] = op(in0[i], …)"""
    params = [Buffer(f"x{k}", t, (n,), "in") for k, t in enumerate(dtypes)] + [Buffer("out", result, (n,), "out")]
    i, args, out = Scalar(INDEX, "i"), [Scalar(t) for t in dtypes], Scalar(result)
    body = [Load(a, b, (i,)) for a, b in zip(args, params, strict=False)]
    body += [Let(out, op, tuple(args)), Store(params[-1], (i,), out)]
    return Kernel("k", params, [For(i, n, body)])


def run_elementwise(op, arrays, result, dtypes=None):
    dtypes = dtypes or [dtype_of(a.dtype) for a in arrays]
    out = np.empty(arrays[0].shape, result.np)
    Compiled(elementwise_kernel(op, dtypes, result, out.size))(*arrays, out)
    return out


def combinations(defn, dtype):
    """Sample values in all combinations, one array an operand."""
    columns = [specials(BOOL if defn.name == "select" and k == 0 else dtype, short=defn.arity == 2) for k in range(defn.arity)]
    if defn.name == "polygamma":
        columns[0] = np.array([1, 2, 3], dtype.np)
    if defn.name == "select":
        columns[1:] = [c[:6] for c in columns[1:]]
    return [np.array(c, a.dtype) for c, a in zip(zip(*itertools.product(*columns), strict=True), columns, strict=True)]


def differing(name, got, want):
    """Where two arrays are not the same result."""
    if want.dtype.kind not in "fc":
        return got != want
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    if name not in ("max", "min", "mulz") and want.dtype.kind == "f":
        same &= (np.signbit(got) == np.signbit(want)) | np.isnan(want)
    eps, tiny = np.finfo(want.dtype).eps, np.finfo(want.dtype).tiny
    ulp = ULP.get(name, 8 if want.dtype.kind == "c" or name in CLOSE else 0)
    rtol = max(CLOSE.get(name, 0), ulp * eps)
    if rtol:
        with np.errstate(all="ignore"):
            near = np.abs(got - want) <= np.maximum(np.abs(want) * rtol, CLOSE.get(name, tiny))
        if want.dtype.kind == "c":
            near |= np.isnan(want) & np.isnan(got)
        same |= near
    return ~same


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name,dtype", CASES)
def test_every_op_means_what_numpy_means(name, dtype):
    defn, kind = ELEMENTWISE[name], DTYPES[dtype]
    arrays = combinations(defn, kind)
    with np.errstate(all="ignore"):
        want = evaluate(defn, *arrays)
    dtypes = [BOOL if a.dtype == bool else kind for a in arrays]
    result = kind if want.dtype == kind.np else dtype_of(want.dtype)
    got = run_elementwise(name, arrays, result, dtypes)
    bad = differing(name, got, want)
    rows = [(*(a[k] for a in arrays), got[k], want[k]) for k in np.flatnonzero(bad)[:6]]
    assert not bad.any(), f"{bad.sum()} differ: (operands …, got, want) {rows}"


@pytest.mark.sweep(2)
@pytest.mark.parametrize("source", [t.name for t in DTYPES.values()])
def test_every_cast(source):
    kind = DTYPES[source]
    values = specials(kind)
    for target in DTYPES.values():
        x = values
        if kind.inexact and target.integer:                       # what does not fit has no defined result
            low, high = np.iinfo(target.np).min, np.iinfo(target.np).max
            x = x[np.isfinite(x.real) & (x.real >= low) & (x.real <= high * (1 - 1e-6))]
        want = evaluate(OPS["cast"], x, dtype=target)
        got = run_elementwise("cast", [x], target, [kind])
        assert np.array_equal(got, want, equal_nan=target.inexact), (target, x, got, want)


def test_unsigned_casts_of_large_floats():
    x = np.array([2.0 ** 63, 2.0 ** 63 + 2048, 1.8e19, 5.0])
    assert np.array_equal(run_elementwise("cast", [x], DTYPES["u64"]), x.astype("u8"))


def scalars(dtype, count):
    return [Scalar(dtype) for _ in range(count)]


def total_kernel(n, dtype=F64, reassoc=True):
    """out = sum of x"""
    x, out, total = Buffer("x", dtype, (n,), "in"), Buffer("out", dtype, (), "out"), Var(dtype, "total")
    i = Scalar(INDEX, "i")
    a, old, new, last = scalars(dtype, 4)
    body = [Set(total, Imm(0, dtype)),
            For(i, n, [Load(a, x, (i,)), Get(old, total), Let(new, "add", (old, a), reassoc=reassoc), Set(total, new)]),
            Get(last, total), Store(out, (), last)]
    return Kernel("k", [x, out], body)


@pytest.mark.parametrize("dtype", [F32, F64, C64, C128, I64, U8])
@pytest.mark.parametrize("n", [0, 1, 7, 1000])
def test_a_sum(dtype, n):
    x = (np.arange(n) % 7).astype(dtype.np)
    out = np.empty((), dtype.np)
    Compiled(total_kernel(n, dtype))(x, out)
    assert out == x.sum(dtype=dtype.np)


@pytest.mark.parametrize("dtype", [F32, F64, I64])
@pytest.mark.parametrize("op", ["max", "min"])
def test_a_reduction_by_extremes(op, dtype):
    n = 100
    x, out, best = Buffer("x", dtype, (n,), "in"), Buffer("out", dtype, (), "out"), Var(dtype, "best")
    i, (first, a, old, new, last) = Scalar(INDEX, "i"), scalars(dtype, 5)
    body = [Load(first, x, (0,)), Set(best, first),
            For(i, n, [Load(a, x, (i,)), Get(old, best), Let(new, op, (old, a), reassoc=True), Set(best, new)]),
            Get(last, best), Store(out, (), last)]
    run = Compiled(Kernel("k", [x, out], body))
    data = np.random.default_rng(0).integers(-50, 50, n).astype(dtype.np)
    for poison in (None, np.nan, np.inf):
        if poison is not None and dtype is I64:
            continue
        values = data.copy()
        if poison is not None:
            values[37] = poison
        got = np.empty((), dtype.np)
        run(values, got)
        assert np.array_equal(got, getattr(np, op)(values), equal_nan=dtype.inexact)


def test_loops_nest_and_index_row_major_with_run_time_dimensions():
    n, m = Buffer("n", INDEX, (), "in"), Buffer("m", INDEX, (), "in")
    rows, columns = Scalar(INDEX, "rows"), Scalar(INDEX, "columns")
    x, y = Buffer("x", F64, (rows, columns, 2), "in"), Buffer("y", F64, (columns, rows, 2), "out")
    i, j, a, b, c = Scalar(INDEX, "i"), Scalar(INDEX, "j"), *scalars(F64, 3)
    body = [Load(rows, n, ()), Load(columns, m, ()),
            For(i, rows, [For(j, columns, [Load(a, x, (i, j, 1)), Load(b, x, (i, j, 0)), Let(c, "sub", (a, b)),
                                           Store(y, (j, i, 0), a), Store(y, (j, i, Imm(1, INDEX)), c)])])]
    run = Compiled(Kernel("k", [n, m, x, y], body))
    for shape in ((3, 5), (0, 4), (4, 0), (1, 1)):
        data = np.random.default_rng(1).standard_normal((*shape, 2))
        out = np.zeros((*shape[::-1], 2))
        run(*(np.array(s) for s in shape), data, out)
        want = np.stack([data[..., 1], data[..., 1] - data[..., 0]], -1).transpose(1, 0, 2)
        assert np.array_equal(out, want)


def test_while_and_if():
    """Collatz: steps until 1, and the largest number met if asked."""
    start, ask = Buffer("start", I64, (), "in"), Buffer("ask", BOOL, (), "in")
    steps, top = Buffer("steps", I64, (), "out"), Buffer("top", I64, (), "out")
    n, count, best = Var(I64, "n"), Var(I64, "count"), Var(I64, "best")
    s = scalars(I64, 20)
    cond, odd, asked = scalars(BOOL, 3)
    one, two, three = (Imm(v, I64) for v in (1, 2, 3))
    body = [
        Load(s[0], start, ()), Load(asked, ask, ()), Set(n, s[0]), Set(count, Imm(0, I64)), Set(best, s[0]),
        While([Get(s[1], n), Let(cond, "gt", (s[1], one))], cond, [
            Get(s[2], n), Let(s[3], "and", (s[2], one)), Let(odd, "eq", (s[3], one)),
            If(odd, [Let(s[4], "mul", (s[2], three)), Let(s[5], "add", (s[4], one)), Set(n, s[5])],
               [Let(s[6], "floordiv", (s[2], two)), Set(n, s[6])]),
            Get(s[7], count), Let(s[8], "add", (s[7], one)), Set(count, s[8]),
            If(asked, [Get(s[9], n), Get(s[10], best), Let(s[11], "max", (s[9], s[10])), Set(best, s[11])], [])]),
        Get(s[12], count), Store(steps, (), s[12]), Get(s[13], best), Store(top, (), s[13])]
    run = Compiled(Kernel("k", [start, ask, steps, top], body))
    out = np.zeros((), np.int64), np.zeros((), np.int64)
    run(np.array(27), np.array(True), *out)
    assert (out[0], out[1]) == (111, 9232)
    run(np.array(27), np.array(False), *out)
    assert (out[0], out[1]) == (111, 27)
    run(np.array(1), np.array(True), *out)
    assert (out[0], out[1]) == (0, 1)


def test_a_failed_check_reports_its_values_and_stops():
    x, out = Buffer("x", F32, (10,), "in"), Buffer("out", F32, (10,), "out")
    i, a, bad, small = Scalar(INDEX, "i"), Scalar(F32), Scalar(BOOL), Scalar(U8)
    body = [For(i, 10, [Load(a, x, (i,)), Let(bad, "lt", (a, Imm(0.0, F32))), Let(small, "cast", (i,)),
                        Fail(bad, 3, (i, a, small, bad, Imm(-5, I32), Imm(2 ** 63 + 1, DTYPES["u64"]))), Store(out, (i,), a)])]
    run = Compiled(Kernel("k", [x, out], body))
    data, result = np.arange(10, dtype=np.float32), np.zeros(10, np.float32)
    run(data, result)
    assert np.array_equal(data, result)
    data[6], result[:] = -2.5, 0
    with pytest.raises(Failed) as caught:
        run(data, result)
    assert caught.value.site == 3
    words = np.array(caught.value.words)
    assert words[[0, 2, 3, 4]].tolist() == [6, 6, 1, -5]
    assert words[1:2].view(np.float64)[0] == -2.5 and words[5:].view(np.uint64)[0] == 2 ** 63 + 1
    assert np.array_equal(result, [0, 1, 2, 3, 4, 5, 0, 0, 0, 0])


@pytest.mark.parametrize("space,n,slot", [("stack", 5, None), ("heap", 5, None), ("heap", 3000, None), ("heap", 3000, 7),
                                          ("heap", 100_000, None)])
def test_temporaries_fill_and_copy(space, n, slot):
    for dtype, value in ((F64, 2.5), (F64, 0.0), (F64, -0.0), (C64, 1 + 2j), (BOOL, True), (I32, 7)):
        x, y, out = Buffer("x", dtype, (n,), "in"), Buffer("y", dtype, (n,), "out"), Buffer("out", dtype, (n,), "out")
        t, u = Buffer("t", dtype, (n,), space, slot=slot), Buffer("u", dtype, (n,), space)
        i, a = Scalar(INDEX, "i"), Scalar(dtype)
        body = [Alloc(t), Alloc(u), Fill(t, Imm(value, dtype)), Copy(u, x), For(i, n, [Load(a, u, (i,)), Store(y, (i,), a)]),
                Copy(out, t)]
        data = np.random.default_rng(2).integers(0, 100, n).astype(dtype.np)
        got, filled = np.empty_like(data), np.empty_like(data)
        Compiled(Kernel("k", [x, y, out], body))(data, got, filled)
        assert np.array_equal(got, data)
        assert filled.tobytes() == np.full(n, value, dtype.np).tobytes()


def test_buffers_of_one_slot_share_memory_and_are_not_taken_for_distinct():
    n = 5000
    x, out = Buffer("x", F64, (n,), "in"), Buffer("out", F64, (n,), "out")
    first, second, third = (Buffer(name, F64, (n,), "heap", slot=s) for name, s in (("a", 0), ("b", 1), ("c", 0)))
    body = [Alloc(first), Alloc(second), Copy(first, x)]
    body += plus(n, first, second, 1.0) + [Alloc(third)] + plus(n, second, third, 1.0) + plus(n, third, out, 1.0)
    data, got = np.random.default_rng(3).standard_normal(n), np.empty(n)
    Compiled(Kernel("k", [x, out], body))(data, got)
    assert np.array_equal(got, data + 1 + 1 + 1)


def plus(n, src, dst, amount):
    i, a, b = Scalar(INDEX, "i"), Scalar(F64), Scalar(F64)
    return [For(i, n, [Load(a, src, (i,)), Let(b, "add", (a, Imm(amount, F64))), Store(dst, (i,), b)])]


@pytest.mark.parametrize("dynamic", [False, True])
def test_swap_exchanges_temporaries_in_a_loop(dynamic):
    """Ten times: after = before shifted by one, then exchange."""
    n, size = 3000, Scalar(INDEX, "size")
    length = Buffer("length", INDEX, (), "in")
    dims = (size,) if dynamic else (n,)
    x, out = Buffer("x", F64, dims, "in"), Buffer("out", F64, dims, "out")
    before, after = Buffer("before", F64, dims, "heap"), Buffer("after", F64, dims, "heap")
    i, j, nxt, a, one = Scalar(INDEX, "i"), Scalar(INDEX, "j"), Scalar(INDEX), Scalar(F64), Imm(1, INDEX)
    wrapped = Scalar(INDEX)
    step = [For(j, dims[0], [Let(nxt, "add", (j, one)), Let(wrapped, "mod", (nxt, size)), Load(a, before, (wrapped,)),
                             Store(after, (j,), a)]), Swap(before, after)]
    body = [Load(size, length, ()), Alloc(before), Alloc(after), Copy(before, x), For(i, 10, step), Copy(out, before)]
    data, got = np.random.default_rng(4).standard_normal(n), np.empty(n)
    Compiled(Kernel("k", [length, x, out], body))(np.array(n), data, got)
    assert np.array_equal(got, np.roll(data, -10))


def test_run_time_temporaries_in_a_loop_and_results_of_run_time_shape():
    """For lengths 0 … n-1: t = ones of that length, its sum goes to the result."""
    count, x = Buffer("count", INDEX, (), "in"), Buffer("x", F64, (4,), "in")
    n, i, j, m, k = (Scalar(INDEX, name) for name in "nijmk")
    result, t = Buffer("result", F64, (n, 2), "result"), Buffer("t", F64, (i,), "heap")
    total, (a, b, c, d, e) = Var(F64, "total"), scalars(F64, 5)
    late = Scalar(BOOL)
    body = [Load(n, count, ()), Alloc(result),
            For(i, n, [Alloc(t), Set(total, Imm(0.0, F64)), Fill(t, Imm(1.0, F64)),
                       For(j, i, [Load(a, t, (j,)), Get(b, total), Let(c, "add", (a, b)), Set(total, c)]),
                       Get(d, total), Store(result, (i, 0), d), Store(result, (i, 1), Imm(-1.0, F64)),
                       Let(late, "ge", (i, Imm(50, INDEX))), Fail(late, 1, (i,))])]
    del m, k, e, x
    run = Compiled(Kernel("k", [count, result], body))
    for size in (0, 1, 30):
        (got,) = run(np.array(size), None)
        assert got.shape == (size, 2) and np.array_equal(got[:, 0], np.arange(size)) and np.all(got[:, 1] == -1)
    with pytest.raises(Failed):
        run(np.array(60), None)


def test_memory_that_cannot_be_had_is_reported():
    count, n = Buffer("count", INDEX, (), "in"), Scalar(INDEX, "n")
    t, out = Buffer("t", F64, (n,), "heap"), Buffer("out", F64, (), "out")
    i, a, one = Scalar(INDEX, "i"), Scalar(F64), Imm(1, INDEX)
    body = [Load(n, count, ()), Alloc(t), For(i, 3, [Store(t, (i,), Imm(2.0, F64))]), Load(a, t, (one,)), Store(out, (), a),
            Print(0, (t,))]
    run = Compiled(Kernel("k", [count, out], body, sites=[("print", "", ())]))
    got = np.zeros(())
    run(np.array(10), got)
    assert got == 2
    with pytest.raises(Failed) as caught:
        run(np.array(2 ** 55), got)
    assert caught.value.site == -1
    with pytest.raises(Failed):
        run(np.array(2 ** 61), got)               # its bytes do not fit 64 bits


def test_constants_small_large_and_live():
    small, large = np.arange(10.0), np.arange(5000.0)
    live = np.zeros(3)
    out = Buffer("out", F64, (3,), "out")
    parts = [Buffer("s", F64, (10,), "const", small), Buffer("l", F64, (5000,), "const", large),
             Buffer("v", F64, (3,), "const", live, frozen=False)]
    a = scalars(F64, 3)
    body = [Load(a[0], parts[0], (4,)), Load(a[1], parts[1], (4321,)), Load(a[2], parts[2], (1,))]
    body += [Store(out, (k,), v) for k, v in enumerate(a)]
    run, got = Compiled(Kernel("k", [out], body)), np.empty(3)
    live[1] = 5
    run(got)
    assert got.tolist() == [4, 4321, 5]
    live[1] = 6
    run(got)
    assert got.tolist() == [4, 4321, 6]


def test_printing_in_order(capsys):
    x = Buffer("x", F64, (3,), "in")
    i, a, f = Scalar(INDEX, "i"), Scalar(F64), Scalar(F32)
    body = [Print(0, (x,)), For(i, 3, [Load(a, x, (i,)), Let(f, "cast", (a,)),
                                       Print(1, (i, f, Imm(True, BOOL), Imm(1 + 2j, C128)))])]
    kernel = Kernel("k", [x], body, sites=[("print", "array {0}\n", ()), ("print", "{0}: {1!s} {2} {3}\n", ())])
    Compiled(kernel)(np.array([0.1, 2.0, -3.0]))
    assert capsys.readouterr().out.splitlines() == [
        "array [ 0.1  2.  -3. ]", "0: 0.1 True (1+2j)", "1: 2.0 True (1+2j)", "2: -3.0 True (1+2j)"]


def test_unrolled_loops_and_single_iterations():
    x, out = Buffer("x", F64, (3,), "in"), Buffer("out", F64, (3,), "out")
    i, j, a, b = Scalar(INDEX, "i"), Scalar(INDEX, "j"), Scalar(F64), Scalar(F64)
    body = [For(j, 1, [For(i, 3, [Load(a, x, (i,)), Let(b, "mul", (a, a)), Store(out, (i,), b)], unroll=True)])]
    got = np.zeros(3)
    run = Compiled(Kernel("k", [x, out], body))
    run(np.array([1.0, 2.0, 3.0]), got)
    assert got.tolist() == [1, 4, 9]
    assert "phi" not in run.code.llvm()


def test_wrap():
    x = np.array([-5, -1, 0, 4])
    i, n, out, k = Buffer("i", INDEX, (4,), "in"), 5, Buffer("out", INDEX, (4,), "out"), Scalar(INDEX)
    a, b = scalars(INDEX, 2)
    got = np.zeros(4, np.int64)
    body = [For(k, 4, [Load(a, i, (k,)), Let(b, "wrap", (a, Imm(n, INDEX))), Store(out, (k,), b)])]
    Compiled(Kernel("k", [i, out], body))(x, got)
    assert got.tolist() == [0, 4, 0, 4]


def test_fused_multiply_add_and_strict_order():
    """A product rounds before a sum; a sum that is not marked keeps its order; fastmath contracts and reorders."""
    def asm(kernel, **options):
        return Compiled(kernel, **options).code.asm()

    x, y, out = Buffer("x", F64, (64,), "in"), Buffer("y", F64, (64,), "in"), Buffer("out", F64, (64,), "out")
    i, (a, b, c, d) = Scalar(INDEX, "i"), scalars(F64, 4)
    body = [Load(a, x, (i,)), Load(b, y, (i,)), Let(c, "mul", (a, b)), Let(d, "add", (c, a)), Store(out, (i,), d)]
    fused = Kernel("k", [x, y, out], [For(i, 64, body)])
    assert "fmadd" not in asm(fused)
    assert "fmadd" in asm(fused, fastmath=True)
    assert "vaddpd" not in asm(total_kernel(1000, reassoc=False))
    assert "vaddpd" in asm(total_kernel(1000))
    assert "vaddpd" in asm(total_kernel(1000, reassoc=False), fastmath=True)


def test_no_alias_checks_between_temporaries():
    """A loop over several workspace buffers is vectorised without run-time comparisons of addresses."""
    n = 4000
    x, out = Buffer("x", F64, (n,), "in"), Buffer("out", F64, (n,), "out")
    temps = [Buffer(f"t{k}", F64, (n,), "heap") for k in range(3)]
    i, (a, b, c) = Scalar(INDEX, "i"), scalars(F64, 3)
    body = [*map(Alloc, temps), Copy(temps[0], x),
            For(i, n, [Load(a, temps[0], (i,)), Let(b, "mul", (a, a)), Store(temps[1], (i,), b), Let(c, "add", (b, a)),
                       Store(temps[2], (i,), c)]),
            Copy(out, temps[2])]
    text = Compiled(Kernel("k", [x, out], body)).code.llvm()
    assert "<8 x double>" in text or "<4 x double>" in text or "<2 x double>" in text
    assert "memcheck" not in text


def test_addresses_of_elements():
    b = Buffer("b", F64, (3, 4), "in")
    assert At(b, (1, 2)) == At(b, (1, 2))


@pytest.mark.parametrize("name", ["tanh", "malloc", "memcpy", "größe", "a b", "kernel"])
def test_names_of_kernels_clash_with_nothing(name):
    kernel = elementwise_kernel("tanh", [F64], F64, 3)
    kernel.name = name
    got = np.zeros(3)
    Compiled(kernel)(np.array([0.0, 1.0, -1.0]), got)
    assert np.allclose(got, np.tanh([0.0, 1.0, -1.0]))


def resident():
    """Megabytes of this process in memory."""
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4 / 1024


@pytest.mark.parametrize("big", [20_000, 5_000_000])
@pytest.mark.usefixtures("compiled_anew")
def test_failing_kernels_leak_nothing(big):
    """A static workspace, a temporary and a result of run-time length; every other call fails after all are allocated."""
    count, n = Buffer("count", INDEX, (), "in"), Scalar(INDEX, "n")
    fixed, t = Buffer("fixed", F64, (big,), "heap"), Buffer("t", F64, (n,), "heap")
    result, bad = Buffer("result", F64, (n,), "result"), Scalar(BOOL)
    a, b, c = scalars(F64, 3)
    body = [Load(n, count, ()), Alloc(fixed), Alloc(t), Alloc(result), Fill(fixed, Imm(1.0, F64)), Fill(t, Imm(2.0, F64)),
            Load(a, fixed, (big - 1,)), Load(b, t, (0,)), Let(c, "add", (a, b)), Fill(result, c),
            Let(bad, "lt", (n, Imm(1000, INDEX))), Fail(bad, 0, (c,))]
    run = Compiled(Kernel("k", [count, result], body))

    def once():
        with pytest.raises(Failed):
            run(np.array(900), None)
        (got,) = run(np.array(1000), None)
        assert np.all(got == 3)

    for _ in range(3):
        once()
    before = resident()
    for _ in range(30):
        once()
    assert resident() - before < 10
