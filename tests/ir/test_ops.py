"""The op declarations: types, meanings and partial derivatives, driven by the registry."""
from __future__ import annotations

import itertools

import numpy as np
import pytest
import tracegrad.ir.ops  # noqa: F401
from op_samples import evaluate, one_op, specials, value_of
from tracegrad.ir.build import Builder, Expr
from tracegrad.ir.core import Block, Const
from tracegrad.ir.errors import IRError
from tracegrad.ir.opdef import OPS, Elementwise
from tracegrad.ir.ops.special.library import ROUTINES
from tracegrad.ir.types import BOOL, C64, C128, DTYPES, F32, F64, INDEX, Type

ELEMENTWISE = {d.name: d for d in OPS.values() if isinstance(d, Elementwise) and d.name not in ROUTINES}
CASES = [(d.name, t.name) for d in ELEMENTWISE.values() for t in DTYPES.values() if t in d.takes]
ORDERED = ("polygamma", "exprel_n", "log1prel_n", "cbrt_reciprocal", "power_log", "bessel_i")   # the first: a whole number
NAMES = """
    neg abs sign exp exp2 expm1 log log2 log10 log1p sqrt cbrt sin cos tan asin acos atan sinh cosh tanh asinh acosh
    atanh erf erfc lgamma digamma floor ceil trunc rint isnan isinf isfinite signbit not invert real imag conj add sub
    mul div floordiv mod pow atan2 hypot max min eq ne lt le gt ge and or xor shl shr copysign nextafter complex mulz
    select cast wrap stop_gradient dim iota broadcast reshape transpose concat slice update update_add gather scatter
    scatter_add nonzero searchsorted reduce argreduce scan sort argsort dot cholesky lu lu_solve triangular_solve check
    print if for while map call"""


def test_every_op_of_the_design_is_declared():
    assert not set(NAMES.split()) - OPS.keys()


def test_each_op_follows_one_rule():
    for d in OPS.values():
        assert d.rule in ("elementwise", "linear", "bilinear", "control", "special", "none"), d
        assert bool(getattr(d, "partials", ())) == (d.rule == "elementwise"), d
        assert d.doc
        if isinstance(d, Elementwise):
            assert bool(d.recipe) != bool(d.formula), d
            assert d.rule != "elementwise" or len(d.partials) == len(d.domain) == d.arity, d
            assert all(d.rule != "elementwise" or d.partials[k] for k in d.singular), d


# --- types and meanings of elementwise ops ----------------------------------------------------------------------------


def operands(defn, dtype, shapes, rng):
    """Arrays of sample values."""
    out = []
    for k, shape in enumerate(shapes):
        own = BOOL if defn.name == "select" and k == 0 else dtype
        out.append(rng.choice(specials(own), size=shape).astype(own.np))
    if defn.name in ORDERED:
        out[0] = np.ones(shapes[0], dtype.np)
    return out


def attributes(defn):
    return [{"dtype": t} for t in DTYPES.values()] if defn.name == "cast" else [{}]


def shape_patterns(arity):
    for dims in ((), (3,), (0,), (1,), (2, 3)):
        yield (dims,) * arity
        for k in range(arity if arity > 1 and dims else 0):
            yield tuple(() if j == k else dims for j in range(arity))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name, dtype", CASES)
def test_types_follow_from_the_operands(name, dtype, rng=np.random.default_rng(0)):
    """infer and evaluate agree in dtype and shape, and evaluate means the NumPy function."""
    defn, dtype = ELEMENTWISE[name], DTYPES[dtype]
    for shapes, attrs in itertools.product(shape_patterns(defn.arity), attributes(defn)):
        arrays = operands(defn, dtype, shapes, rng)
        dtypes = [BOOL if name == "select" and k == 0 else dtype for k in range(defn.arity)]
        op = one_op(defn, *arrays, dtypes=dtypes, **attrs)
        (out,) = defn.evaluate(op, *(a[()] for a in arrays))
        t = op.result.type
        assert (out.dtype, out.shape) == (t.dtype.np, t.dims) == (t.dtype.np, np.broadcast_shapes(*shapes))
        if name not in ("cast", "pow", "stop_gradient", *ORDERED):
            with np.errstate(all="ignore"):
                np.testing.assert_array_equal(out, defn.numpy(*arrays))


@pytest.mark.parametrize("name", [n for n, d in ELEMENTWISE.items() if n not in ("cast", "select", "stop_gradient")])
def test_refusals_of_elementwise_ops(name):
    defn = ELEMENTWISE[name]
    dtype = next(t for t in DTYPES.values() if t in defn.takes)
    x = np.zeros(3, dtype.np)
    with pytest.raises(IRError, match=f"{name} takes {defn.arity} operand"):
        one_op(defn, *[x] * (defn.arity + 1))
    for other in DTYPES.values():
        if other not in defn.takes:
            with pytest.raises(IRError, match=f"{name} is not defined on {other!r}"):
                one_op(defn, *[np.zeros(3, other.np)] * defn.arity, dtypes=[other] * defn.arity)
    if defn.arity == 2:
        with pytest.raises(IRError, match="must agree, or one operand be a scalar"):
            one_op(defn, x, np.zeros(2, dtype.np))
        with pytest.raises(IRError, match="the dtypes differ"):
            one_op(defn, x, np.zeros(3, np.float32 if dtype is not F32 else np.float64))


def test_symbolic_dimensions_agree_by_identity():
    n, m = value_of(0, INDEX), value_of(0, INDEX)
    b = Builder()
    block = Block([Type(F64, (n, 3)), Type(F64, (n, 3)), Type(F64, (m, 3)), Type(F64)])
    with b.at(block):
        x, y, z, s = block.params
        assert b("add", x, y).type == x.type
        assert b("add", s, y).type == x.type
        with pytest.raises(IRError, match="must agree"):
            b("add", x, z)


@pytest.mark.parametrize("dtype", [t for t in DTYPES.values() if t.kind in "iu"], ids=repr)
def test_integers_as_numpy(dtype):
    x = specials(dtype)
    a, b = (g.ravel() for g in np.meshgrid(x, x))
    for name in ("floordiv", "mod", "pow"):
        out = evaluate(OPS[name], a, b)
        for p, q, found in zip(a.tolist(), b.tolist(), out.tolist()):
            if name == "pow":
                exact = pow(p, q, 2**dtype.bits) if q >= 0 else 0
            else:
                exact = 0 if q == 0 else p // q if name == "floordiv" else p % q
            assert (found - exact) % 2**dtype.bits == 0, (name, p, q)


def test_cast_of_complex_takes_the_real_part_and_bool_asks_both():
    z = np.array([1 + 2j, 0 + 1j, 0, np.nan])
    np.testing.assert_array_equal(evaluate(OPS["cast"], z, dtype=F32), z.real.astype(np.float32))
    np.testing.assert_array_equal(evaluate(OPS["cast"], z, dtype=BOOL), [True, True, False, True])


# --- partial derivatives ----------------------------------------------------------------------------------------------


class Formula:
    """A partial derivative built as IR and run op by op; a tangent can be pushed through it by the same table."""

    def __init__(self, defn, k, arrays):
        self.builder, self.block = Builder(), Block([value_of(a).type for a in arrays])
        self.env = dict(zip(self.block.params, arrays))
        self.dots = {}
        with self.builder.at(self.block):
            exprs = [Expr(self.builder, p) for p in self.block.params]
            out = Expr(self.builder, self.builder(defn, *self.block.params))
            self.value = defn.partials[k](*exprs, out).value

    def __call__(self):
        self.run(0)
        return self.get(self.value)

    def tangent(self, k):
        """The derivative of the value by parameter k."""
        self.dots = {self.block.params[k]: np.ones_like(self.env[self.block.params[k]])}
        self.run(0)
        return self.dots.get(self.value, np.zeros_like(self.get(self.value)))

    def get(self, value):
        return value.data if isinstance(value, Const) else self.env[value]

    def run(self, start):
        """Run the ops of the block from a position on; a partial that is asked for on the way is built behind them."""
        ops = self.block.ops
        while start < len(ops):
            op, start = ops[start], start + 1
            for r, a in zip(op.results, op.defn.evaluate(op, *map(self.get, op.operands))):
                self.env[r] = a
            if any(v in self.dots for v in op.operands):
                self.dots[op.result] = self.push(op)

    def push(self, op):
        if op.defn.rule == "none":
            return np.zeros_like(self.env[op.result])
        dots = [self.dots.get(v, np.zeros_like(self.get(v))) for v in op.operands]
        args = [self.get(v) for v in op.operands]
        if op.defn.rule == "linear":
            args = [d if k in op.defn.linear_in else a for k, (a, d) in enumerate(zip(args, dots))]
            return op.defn.evaluate(op, *args)[0]
        total = 0
        for k in range(len(args)):
            if op.operands[k] not in self.dots:
                continue
            if op.defn.rule == "bilinear":
                total = total + op.defn.evaluate(op, *args[:k], dots[k], *args[k + 1:])[0]
            else:
                total = total + evaluate(OPS["mulz"], dots[k], self.partial(op, k))
        return total

    def partial(self, op, k):
        if op.defn.partials[k] is None:
            return np.zeros_like(self.get(op.operands[k]))
        inner = Formula(op.defn, k, [self.get(v) for v in op.operands])
        return inner()


def sample(defn, dtype, rng, n=40):
    """Points inside the domain; complex ones around it, off the branch cuts."""
    out = [rng.uniform(low, high, n).astype(dtype.real.np) for low, high in defn.domain]
    if dtype.kind == "c":
        out = [(x + 1j * rng.uniform(0.1, 0.4, n) * rng.choice([-1, 1], n)).astype(dtype.np) for x in out]
    return out


# the derivative of these is not that of their value, or (gamma_draw_bend) is not known
OTHERWISE = ("surrogate", "sloped", "gamma_draw", "gamma_draw_bend")
DIFFERENTIABLE = [d for d in ELEMENTWISE.values() if d.rule == "elementwise" and d.name not in OTHERWISE]
PARTIALS = [(d.name, t.name, k) for d in DIFFERENTIABLE for t in (F64, C128) for k in range(d.arity)
            if t in d.takes and d.partials[k] is not None and not (t is C128 and d.name == "abs")]


def difference(f, arrays, k, step):
    """Central difference of fourth order by argument k."""
    def at(h):
        return f(*arrays[:k], arrays[k] + h, *arrays[k + 1:])
    return (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)


@pytest.mark.parametrize("name, dtype, k", PARTIALS)
def test_partials(name, dtype, k):
    """Against differences; for a holomorphic function along the imaginary axis as well."""
    defn, dtype = ELEMENTWISE[name], DTYPES[dtype]
    arrays = sample(defn, dtype, np.random.default_rng(1))
    found = Formula(defn, k, arrays)()
    assert found.dtype == dtype.np
    for step in (1e-4, 1e-4j) if dtype.kind == "c" else (1e-4,):
        want = difference(lambda *a: evaluate(defn, *a), arrays, k, step)
        np.testing.assert_allclose(np.broadcast_to(found, want.shape), want, rtol=2e-9, atol=2e-9)


# of a gamma draw the third derivative, in which the second of its slope ends, is not known: NaN
@pytest.mark.parametrize("name, dtype, k", [row for row in PARTIALS if row[0] != "gamma_draw_slope"])
def test_second_partials(name, dtype, k):
    """The partial differentiated by the same table, against differences of it."""
    defn, dtype = ELEMENTWISE[name], DTYPES[dtype]
    arrays = sample(defn, dtype, np.random.default_rng(2))
    for j in range(defn.arity):
        if defn.partials[j] is None:
            continue
        found = Formula(defn, k, arrays).tangent(j)
        want = difference(lambda *a: np.broadcast_to(Formula(defn, k, a)(), a[0].shape), arrays, j, 1e-4)
        np.testing.assert_allclose(np.broadcast_to(found, want.shape), want, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("dtype", [F32, C64], ids=repr)
def test_partials_keep_the_dtype(dtype):
    for defn in DIFFERENTIABLE:
        for k in range(defn.arity if dtype in defn.takes else 0):
            if defn.partials[k] is not None and not (dtype is C64 and defn.name == "abs"):
                assert Formula(defn, k, sample(defn, dtype, np.random.default_rng(3)))().dtype == dtype.np, defn


def partial_at(name, k, *args):
    return Formula(OPS[name], k, [np.float64(a) for a in args])()


@pytest.mark.parametrize("x, y, by_x, by_y", [
    (0.0, 2.0, 0.0, 0.0), (0.0, 1.0, 1.0, 0.0), (0.0, 0.0, 0.0, 0.0), (-1.5, 3.0, 6.75, np.nan), (-1.5, 0.0, 0.0, np.nan),
    (0.0, 0.5, np.inf, 0.0), (4.0, 0.5, 0.25, 2 * np.log(4.0)), (np.inf, 0.0, 0.0, np.inf), (0.0, -1.0, -np.inf, -np.inf),
])
def test_pow_at_the_edges(x, y, by_x, by_y):
    np.testing.assert_array_equal(partial_at("pow", 0, x, y), by_x)
    np.testing.assert_array_equal(partial_at("pow", 1, x, y), by_y)


def test_pow_mixed_partial_at_exponent_zero():
    """d/dy (y x^(y-1)) at y = 0 is 1/x: the guard for 0 must not cut it off."""
    assert Formula(OPS["pow"], 0, [np.float64(2.0), np.float64(0.0)]).tangent(1) == 0.5
    assert Formula(OPS["pow"], 1, [np.float64(2.0), np.float64(0.0)]).tangent(0) == 0.5


@pytest.mark.parametrize("name, args, want", [
    ("abs", (0.0,), (0.0,)), ("max", (1.0, 1.0), (0.5, 0.5)), ("min", (1.0, 1.0), (0.5, 0.5)), ("max", (2.0, 1.0), (1.0, 0.0)),
    ("min", (2.0, 1.0), (0.0, 1.0)), ("copysign", (-3.0, 1.0), (-1.0,)), ("copysign", (0.0, 1.0), (0.0,)),
    ("mod", (7.5, 2.0), (1.0, -3.0)), ("atan2", (1e-200, 1e-200), (5e199, -5e199)),
    ("atan2", (1e200, 1e200), (5e-201, -5e-201)), ("asinh", (1e200,), (1e-200,)),
])
def test_conventions(name, args, want):
    for k, w in enumerate(want):
        np.testing.assert_allclose(partial_at(name, k, *args), w, rtol=1e-15)


def test_zero_cotangent_wins_over_an_infinite_partial():
    a, b = np.array([0.0, -0.0, 1.0, 0.0]), np.array([np.inf, np.nan, np.inf, 2.0])
    np.testing.assert_array_equal(evaluate(OPS["mulz"], a, b), [0.0, 0.0, np.inf, 0.0])


@pytest.mark.parametrize("name", [d.name for d in DIFFERENTIABLE])
def test_partials_that_can_be_infinite_are_marked(name):
    """At special values of the operands, an unmarked partial is finite wherever the operands are."""
    defn = ELEMENTWISE[name]
    values = specials(F64)
    values = values[np.isfinite(values)]
    grid = [g.ravel() for g in np.meshgrid(*[values] * defn.arity)]
    if name == "polygamma":
        grid[0] = np.ones_like(grid[0])
    for k in range(defn.arity):
        if defn.partials[k] is not None and k not in defn.singular:
            assert np.isfinite(Formula(defn, k, grid)()).all(), k


