"""Both modes against each other and against differences, op by op, to second order, on the evaluator."""
import numpy as np
import pytest
import tracegrad.ir.ops  # noqa: F401
from derivatives import check, draw, sound
from tracegrad.autodiff.activity import positions
from tracegrad.autodiff.forward import jvp
from tracegrad.autodiff.forward_control import CONTROL as CONTROL_FORWARD
from tracegrad.autodiff.reverse.control_flow import CONTROL as CONTROL_REVERSE
from tracegrad.autodiff.reverse.reverse import vjp
from tracegrad.autodiff.rules.jvp_rules import SPECIAL
from tracegrad.autodiff.rules.transpose_rules import TRANSPOSE
from tracegrad.ir.build import Builder, function
from tracegrad.ir.interp import run
from tracegrad.ir.opdef import COMPLEXES, OPS, Elementwise
from tracegrad.ir.ops.special.library import ROUTINES
from tracegrad.ir.types import BOOL, C128, F32, F64, I64, INDEX, Type, dtype


def build(make, *args, name="f"):
    """The function of parameters like `args` whose results are make(builder, *params)."""
    types = []
    for a in args:
        a = np.asarray(a)
        types.append(Type(dtype(a.dtype), a.shape))
    f = function(name, types, [f"x{k}" for k in range(len(args))])
    b = Builder()
    with b.at(f.body):
        results = make(b, *f.params)
        f.body.yields = results if isinstance(results, tuple) else (results,)
    return f


def rand(*shape, seed=0, low=-2.0, high=2.0):
    return np.random.default_rng(seed + sum(shape)).uniform(low, high, shape)


# a surrogate's value says nothing about its derivative, so no difference quotient can
ELEMENTWISE = [d for d in OPS.values()
               if isinstance(d, Elementwise) and d.rule != "none" and d.name not in ("select", "cast", "surrogate", "sloped",
                                                                                     "lost",
                                                                                     *ROUTINES)
               and not d.name.startswith("gamma_draw")]                         # tests/tracer/numpy/test_random.py
# of whole orders
FIRST_ORDER = ("polygamma", "exprel_n", "log1prel_n", "cbrt_reciprocal", "norm_root", "power_log", "bessel_i", "nextafter")
SHAPES = {1: [((),), ((3,),), ((0,),), ((2, 1),)],
          2: [((), ()), ((3,), (3,)), ((3,), ()), ((), (2, 2)), ((0,), ()), ((1,), (1,))],
          3: [((), (), ()), ((), (3,), (3,)), ((), (2, 2), ())]}


@pytest.mark.sweep(9)
@pytest.mark.parametrize("defn", ELEMENTWISE, ids=lambda d: d.name)
def test_elementwise(defn):
    kinds = [C128] if F64 not in defn.takes else [F64]
    for shapes in SHAPES[defn.arity]:
        rng = np.random.default_rng(1)
        args = [rng.uniform(*d, s).astype(kinds[0].np) for d, s in zip(defn.domain, shapes)]
        if kinds[0] is C128:
            args = [a + 1j * rng.uniform(0.2, 1, a.shape) for a in args]
        f = build(lambda b, *xs: b(defn, *xs), *args)
        smooth = tuple(k for k in range(defn.arity) if k in positions(f.body.ops[0])) if f.body.ops else (0,)
        check(f, args, wrt=smooth, order=1 if defn.name in FIRST_ORDER else 2)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("defn", [d for d in ELEMENTWISE if d.takes & COMPLEXES], ids=lambda d: d.name)
def test_elementwise_complex(defn):
    for shapes in SHAPES[defn.arity][:3]:
        rng = np.random.default_rng(2)
        args = [rng.uniform(*d, s) + 1j * rng.uniform(0.2, 0.7, s) for d, s in zip(defn.domain, shapes)]
        if defn.name in ("max", "min"):
            continue
        check(build(lambda b, *xs: b(defn, *xs), *args), args)


@pytest.mark.parametrize("defn", [d for d in ELEMENTWISE if F32 in d.takes], ids=lambda d: d.name)
def test_elementwise_single(defn):
    rng = np.random.default_rng(3)
    args = [rng.uniform(*d, 4).astype(np.float32) for d in defn.domain]
    f = build(lambda b, *xs: b(defn, *xs), *args)
    check(f, args, wrt=positions(f.body.ops[0]), order=1)


X, Y, V = rand(3, 4), rand(3, 4, seed=1), rand(5)
MASK = X > 0


def ix(b, *values):
    return [b.index(v) for v in values]


STRUCTURAL = {
    "select": (lambda b, m, x, y: b("select", m, x, y), MASK, X, Y),
    "select_scalar": (lambda b, m, x, y: b("select", m, x, y), MASK, X, rand()),
    "select_scalar_condition": (lambda b, m, x, y: b("select", m, x, y), np.True_, rand(), Y),
    "select_one_branch": (lambda b, m, x: b("select", m, x, b.const(1.5)), MASK, X),
    "cast_down": (lambda b, x: b("cast", b("cast", x, dtype=C128), dtype=F64), X),
    "cast_complex": (lambda b, x: b("cast", x, dtype=F64), X + 1j * Y),
    "cast_int": (lambda b, x: b("mul", b("cast", b("cast", x, dtype=I64), dtype=F64), x), X),
    "broadcast": (lambda b, x: b.broadcast(x, (2, 3, 4)), X),
    "broadcast_one": (lambda b, x: b.broadcast(x, (2, 3, 4)), rand(3, 1)),
    "broadcast_scalar": (lambda b, x: b.broadcast(x, (2, 0)), rand()),
    "reshape": (lambda b, x: b.reshape(x, (2, 6)), X),
    "transpose": (lambda b, x: b.transpose(x, (2, 0, 1)), rand(2, 3, 4)),
    "concat": (lambda b, x, y: b("concat", x, b.const(np.ones((3, 2))), y, x, axis=1), X, rand(3, 1)),
    "slice": (lambda b, x: b("slice", x, *ix(b, 1, 3, 2, -1), spec="is"), X),
    "slices_of_one": (lambda b, x: b("mul", b("slice", x, *ix(b, 1), spec="i:"), b("slice", x, *ix(b, 2), spec="i:")), X),
    "update": (lambda b, x, v: b("update", x, v, *ix(b, 2, 1, 3, 1), spec="is"), X, rand(3)),
    "update_scalar": (lambda b, x, v: b("update", x, v, *ix(b, 2, 1), spec="ii"), X, rand()),
    "update_only_value": (lambda b, v: b("update", b.const(np.ones((2, 3))), v, *ix(b, 1), spec="i:"), rand(3)),
    "update_add": (lambda b, x, v: b("update_add", x, v, *ix(b, 2, 1, 3, 1), spec="is"), X, rand(3)),
    "gather": (lambda b, x: b("gather", x, b.const([[0, 2], [2, 2]], INDEX), axes=(0,), at=0), X),
    "gather_middle": (lambda b, x: b("gather", x, b.const([1, 3, 3], INDEX), axes=(1,), at=1), X),
    "gather_both": (lambda b, x: b("gather", x, b.const([1, 2], INDEX), b.const([3, 3], INDEX), axes=(0, 1), at=0), X),
    "scatter": (lambda b, x, v: b("scatter", x, v, b.const([1, 0, 1], INDEX), axes=(0,), at=0), X, rand(3, 4, seed=3)),
    "scatter_columns": (lambda b, x, v: b("scatter", x, v, b.const([1, 0, 1], INDEX), axes=(1,), at=1), X, rand(3, 3)),
    "scatter_points": (lambda b, x, v: b("scatter", x, v, b.const([[1, 0], [1, 2]], INDEX), b.const([[3, 0], [3, 3]], INDEX),
                                         axes=(0, 1), at=0), X, rand(2, 2)),
    "scatter_add": (lambda b, x, v: b("scatter_add", x, v, b.const([1, 0, 1], INDEX), axes=(0,), at=0), X, rand(3, 4, seed=3)),
    "sum": (lambda b, x: b.reduce(x, "sum", (0,)), X),
    "sum_all": (lambda b, x: b.reduce(x, "sum", (0, 1)), X),
    "sum_empty": (lambda b, x: b.reduce(x, "sum", (0,)), rand(0, 3)),
    "max": (lambda b, x: b.reduce(x, "max", (1,)), X),
    "min": (lambda b, x: b.reduce(x, "min", (0, 1)), X),
    "prod": (lambda b, x: b.reduce(x, "prod", (0,)), X),
    "prod_all": (lambda b, x: b.reduce(x, "prod", (0, 2)), rand(2, 3, 2)),
    "prod_one": (lambda b, x: b.reduce(x, "prod", (0,)), rand(1)),
    "prod_none": (lambda b, x: b.reduce(x, "prod", (0,)), rand(0)),
    "prod_zeros": (lambda b, x: b.reduce(x, "prod", (1,)), np.array([[0.0, 2, 3], [0, 0, 5], [0, 0, 0], [1, 2, 0]])),
    "cumsum": (lambda b, x: b("scan", x, kind="sum", axis=1, reverse=False), X),
    "cumsum_back": (lambda b, x: b("scan", x, kind="sum", axis=0, reverse=True), X),
    "cumprod": (lambda b, x: b("scan", x, kind="prod", axis=0, reverse=False), X),
    "cumprod_back": (lambda b, x: b("scan", x, kind="prod", axis=1, reverse=True), X),
    "cumprod_zeros": (lambda b, x: b("scan", x, kind="prod", axis=0, reverse=False), np.array([2.0, 0, 3, 0, 4])),
    "cummax": (lambda b, x: b("scan", x, kind="max", axis=1, reverse=False), X),
    "cummin_back": (lambda b, x: b("scan", x, kind="min", axis=0, reverse=True), X),
    "sort": (lambda b, x: b("sort", x, axis=0), X),
    "sort_one_axis": (lambda b, x: b("sort", x, axis=0), V),
    "dot": (lambda b, x, y: b("dot", x, y, contract=((1,), (0,)), batch=((), ())), rand(2, 3), rand(3, 4)),
    "dot_self": (lambda b, x: b("dot", x, x, contract=((1,), (1,)), batch=((), ())), X),
    "dot_batched": (lambda b, x, y: b("dot", x, y, contract=((1, 3), (2, 0)), batch=((2,), (3,))),
                    rand(2, 3, 4, 5), rand(5, 6, 3, 4)),
    "outer": (lambda b, x, y: b("dot", x, y, contract=((), ()), batch=((), ())), rand(2), rand(3)),
    "inner_of_nothing": (lambda b, x, y: b("dot", x, y, contract=((0,), (0,)), batch=((), ())), rand(0), rand(0)),
    "dot_complex": (lambda b, x, y: b("dot", x, y, contract=((1,), (0,)), batch=((), ())),
                    rand(2, 3) + 1j * rand(2, 3, seed=5), rand(3, 2) + 1j * rand(3, 2, seed=7)),
    "abs_complex": (lambda b, z: b("abs", z), X + 1j * Y),
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", STRUCTURAL)
def test_structural(name):
    make, *args = STRUCTURAL[name]
    check(build(make, *args), args)


def spd(*shape, seed=0):
    a = rand(*shape, seed=seed)
    return a @ np.swapaxes(a, -1, -2) + 3 * np.eye(shape[-1])


def hermitian(n):
    a = rand(n, n) + 1j * rand(n, n, seed=4)
    return a @ a.conj().T + 3 * np.eye(n)


def solve(b, a, right, trans=False):
    lu, perm = b.emit("lu", a)
    return b("lu_solve", a, lu, perm, right, trans=trans)


LINALG = {
    "cholesky": (lambda b, a: b("cholesky", a), spd(3, 3)),
    "cholesky_batch": (lambda b, a: b("cholesky", a), spd(2, 3, 3)),
    "lu": (lambda b, a: b.emit("lu", a)[0], rand(3, 3, seed=2)),
    "lu_batch": (lambda b, a: b.emit("lu", a)[0], rand(2, 3, 3, seed=5)),
    "solve": (solve, rand(3, 3, seed=8), rand(3, 2)),
    "solve_trans": (lambda b, a, r: solve(b, a, r, True), rand(3, 3, seed=8), rand(3, 2)),
    "solve_batch": (solve, rand(2, 3, 3, seed=9), rand(2, 3, 1)),
    "solve_complex": (solve, hermitian(3), rand(3, 2) + 1j * rand(3, 2, seed=4)),
    **{f"triangular_{lower}_{trans}_{unit}": (
        lambda b, t, r, lower=lower, trans=trans, unit=unit: b("triangular_solve", t, r, lower=lower, trans=trans, unit=unit),
        rand(3, 3, seed=6) + 3 * np.eye(3), rand(3, 2))
       for lower in (True, False) for trans in (True, False) for unit in (True, False)},
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", LINALG)
def test_linear_algebra(name):
    make, *args = LINALG[name]
    check(build(make, *args), args, order=1 if "batch" in name or "triangular" in name else 2)


def test_cholesky_complex():
    """The diagonal of a Hermitian matrix is real, so only such directions are compared."""
    a = hermitian(3)
    low = build(lambda b, re, im: b("cholesky", b("complex", re, im)), a.real, a.imag)
    skew = np.triu(rand(3, 3), 1)
    d = rand(3, 3)
    d = d + d.T
    forward = jvp(low, (0, 1))
    got = run(forward, a.real, a.imag, d, skew - skew.T)[1]
    h = 1e-6
    ahead, behind = (np.linalg.cholesky(a + s * h * (d + 1j * (skew - skew.T))) for s in (1, -1))
    np.testing.assert_allclose(got, (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-8)
    check(low, [a.real, a.imag], order=1, difference=False)


def test_every_op_has_a_rule():
    """Whatever lacks a row in a table of autodiff is named here."""
    lacking = []
    for name, defn in OPS.items():
        served = {
            "none": lambda d: True,
            "elementwise": lambda d: all(p is None or callable(p) for p in d.partials) and any(d.partials),
            "linear": lambda d: d.name in TRANSPOSE,
            "bilinear": lambda d: d.name in TRANSPOSE and d.linear_in,
            "special": lambda d: d.name in SPECIAL,
            "control": lambda d: d.name in CONTROL_FORWARD and (d.name in CONTROL_REVERSE or d.name == "map"),
        }[defn.rule](defn)
        if not served:
            lacking.append(name)
    assert not lacking


# --- conventions ------------------------------------------------------------------------------------------------------

def gradient(f, *args):
    """The gradient of a function of a scalar result, by all inexact arguments."""
    wrt = tuple(k for k, a in enumerate(args) if np.asarray(a).dtype.kind in "fc")
    v = sound(vjp(f, wrt))
    (ct,) = (r.dtype.type(1) for r in run(f, *args))
    return run(v, *args, ct)[1:]


def test_complex_convention_of_jax():
    """jax.grad(lambda z: jnp.abs(z)**2)(1+2j) == 2-4j; of a holomorphic function the derivative itself."""
    f = build(lambda b, z: b("pow", b("abs", z), b.const(2.0)), 1 + 2j)
    np.testing.assert_allclose(gradient(f, 1 + 2j)[0], 2 - 4j)
    g = build(lambda b, z: b("real", b("mul", z, z)), 1 + 2j)
    np.testing.assert_allclose(gradient(g, 1 + 2j)[0], 2 + 4j)
    h = build(lambda b, z: b("imag", b("exp", z)), 1 + 2j)
    np.testing.assert_allclose(gradient(h, 1 + 2j)[0], -1j * np.exp(1 + 2j))
    i = build(lambda b, z: b("real", b("mul", z, b("conj", z))), 1 + 2j)
    np.testing.assert_allclose(gradient(i, 1 + 2j)[0], 2 - 4j)
    zero = build(lambda b, z: b("abs", z), 0j)
    assert gradient(zero, 0j)[0] == 0


def test_ties_and_kinks():
    x = np.array([1.0, 3, 3, 2])
    np.testing.assert_array_equal(gradient(build(lambda b, x: b.reduce(x, "max", (0,)), x), x)[0], [0, 0.5, 0.5, 0])
    assert [float(g) for g in gradient(build(lambda b, x, y: b("max", x, y), 2.0, 2.0), 2.0, 2.0)] == [0.5, 0.5]
    assert gradient(build(lambda b, x: b("abs", x), 0.0), 0.0)[0] == 0
    assert gradient(build(lambda b, x: b("max", x, b.const(0.0)), 0.0), 0.0)[0] == 0.5
    assert gradient(build(lambda b, x: b("mul", x, b("stop_gradient", x)), 3.0), 3.0)[0] == 3


SINGULAR = {
    "log": lambda b, x: b("log", x),
    "sqrt": lambda b, x: b("sqrt", x),
    "reciprocal": lambda b, x: b("div", b.const(1.0), x),
    "div": lambda b, x: b("div", x, x),
    "power": lambda b, x: b("pow", x, b.const(0.3)),
    "power_negative": lambda b, x: b("pow", x, b.const(-1.5)),
    "exponent": lambda b, x: b("pow", x, x),
    "atan2": lambda b, x: b("atan2", x, x),
    "hypot": lambda b, x: b("hypot", x, x),
    "norm": lambda b, x: b("sqrt", b("mul", x, x)),
    "acos": lambda b, x: b("acos", b("sub", b.const(1.0), x)),
    "cbrt": lambda b, x: b("cbrt", x),
    "log1p": lambda b, x: b("log1p", b("sub", x, b.const(1.0))),
    "xlogx": lambda b, x: b("mul", x, b("log", x)),
    "product_with_infinite": lambda b, x: b("mul", b("mul", x, x), b("div", b.const(1.0), x)),
    "log_of_log": lambda b, x: b("log", b("log", x)),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_branch_not_taken_is_zero(name):
    """where(x > 0, f(x), 2 x) at 0: the derivative is 2, of any order and in any mode."""
    def make(b, x):
        return b("select", b("gt", x, b.const(0.0)), SINGULAR[name](b, x), b("mul", b.const(2.0), x))

    for x in (np.array(0.0), np.array([0.0, 1.7])):
        f = build(make, x)
        grad, slope = sound(vjp(f, (0,))), sound(jvp(f, (0,)))
        one, zero = np.ones_like(x), np.zeros_like(x)
        g, s = run(grad, x, one)[1], run(slope, x, one)[1]
        assert np.ravel(g)[0] == 2 and np.ravel(s)[0] == 2
        for second in (run(jvp(grad, (0,)), x, one, one)[3], run(vjp(grad, (0,)), x, one, zero, one)[2],
                       run(vjp(slope, (0,)), x, one, zero, one)[2], run(jvp(slope, (0,)), x, one, one)[3]):
            assert np.isfinite(second).all() and (name == "product_with_infinite" or np.ravel(second)[0] == 0)


def test_independence_is_zero_and_costs_nothing():
    x = rand(3)
    f = build(lambda b, x, y: (b("mul", x, x), b("floor", y)), x, x)
    backward = vjp(f, (1,))
    assert [op.name for op in backward.body.ops if op.name not in ("mul", "floor")] == ["broadcast"]
    assert run(backward, x, x, x, x)[2].tolist() == [0, 0, 0]
    forward = jvp(f, (1,))
    assert [r.tolist() for r in run(forward, x, x, x)[2:]] == [[0, 0, 0], [0, 0, 0]]


def test_results_that_are_parameters_or_repeated():
    f = build(lambda b, x, y: (x, x, b("mul", x, y), y), rand(3), rand(3))
    check(f, [rand(3), rand(3, seed=1)])


def test_integers_and_bools_pass_through():
    f = build(lambda b, n, m, x: (n, b("and", m, b("gt", x, b.const(0.0))), b("mul", x, b("cast", n, dtype=F64))),
              np.array([1, 2, 3]), np.array([True, False, True]), rand(3))
    assert f.params[1].type.dtype is BOOL
    check(f, [np.array([1, 2, 3]), np.array([True, False, True]), rand(3)])


@pytest.mark.sweep(2, days=True)
def test_long_chain_third_order():
    def make(b, x, y):
        for _ in range(3):
            x, y = b("sin", b("mul", x, y)), b("div", x, b("exp", y))
        return x, y

    check(build(make, 0.7, 0.3), [0.7, 0.3], order=3, tol=1e-5)


def test_slices_accumulate_in_place():
    """n reads of parts of x add their parts to one adjoint: a single array of zeros, n updates, no whole-array addition."""
    def make(b, x):
        total = None
        for k in range(6):
            part = b("slice", x, *ix(b, k), spec="i")
            total = b("mul", part, part) if total is None else b("add", total, b("mul", part, part))
        return total

    backward = vjp(build(make, rand(6)), (0,))
    names = [op.name for op in backward.body.ops]
    assert names.count("broadcast") == 1 and names.count("update") == 1 and names.count("update_add") == 5
    assert not [op for op in backward.body.ops if op.name == "add" and op.results[0].type.dims]


def test_direction_draw_keeps_dtype():
    assert draw(np.random.default_rng(0), np.float32(1)).dtype == np.float32
