"""The structural op declarations: types by rule, meanings against NumPy, refusals in plain sentences."""
from __future__ import annotations

import math

import numpy as np
import pytest
import tracegrad.ir.ops  # noqa: F401
from op_samples import one_op, value_of
from tracegrad.ir.build import Builder, const, function, make_op
from tracegrad.ir.core import Block, Value
from tracegrad.ir.errors import BoundsError, IRError, ShapeError
from tracegrad.ir.opdef import OPS
from tracegrad.ir.ops.checks import make_error
from tracegrad.ir.types import BOOL, BOOL_SCALAR, DTYPES, F16, F32, F64, I64, INDEX, INDEX_SCALAR, StackType, Type

DTYPE_IDS = [t for t in DTYPES.values() if t not in (INDEX, F16)]      # what computes on f16 is widened by the builder


def data(dtype, *shape, seed=0):
    """Random numbers of a dtype, small enough that products of them stay exact."""
    rng = np.random.default_rng(seed)
    if dtype.kind == "c":
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype.np)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype.np)
    return rng.integers(0, 2 if dtype.kind == "b" else 5, shape).astype(dtype.np)


def run(name, *arrays, sizes=(), **attrs):
    """Results of an op on arrays and then index operands (ints become constants, so that lengths are numbers).

    Checks that each result has the type that the op declares.
    """
    defn = OPS[name]
    index = [const(s, INDEX) if isinstance(s, int) else value_of(s, INDEX) for s in sizes]
    op = make_op(defn, [value_of(a) for a in arrays] + index, attrs)
    results = defn.evaluate(op, *arrays, *(np.asarray(s, np.int64)[()] for s in sizes))
    for result, out in zip(op.results, results):
        assert (out.dtype, out.shape) == (result.type.dtype.np, result.type.dims)
    return results if len(results) != 1 else results[0]


def refuses(sentence, name, *operands, **attrs):
    with pytest.raises(IRError, match=sentence):
        make_op(OPS[name], operands, attrs)


def param(dtype, *dims):
    return Value(Type(dtype, dims))


def index(value=None):
    return Value(INDEX_SCALAR, "n") if value is None else const(value, INDEX)


# --- shape ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPE_IDS, ids=repr)
def test_shape_ops(dtype):
    x = data(dtype, 2, 3, 4)
    assert run("dim", x, axis=1) == 3
    np.testing.assert_array_equal(run("transpose", x, perm=(2, 0, 1)), x.transpose(2, 0, 1))
    np.testing.assert_array_equal(run("reshape", x, sizes=(6, 4)), x.reshape(6, 4))
    np.testing.assert_array_equal(run("broadcast", x[:, :1], sizes=(5, 2, 3, 4)), np.broadcast_to(x[:, :1], (5, 2, 3, 4)))
    np.testing.assert_array_equal(run("concat", x, x[:, :0], x[:, :2], axis=1), np.concatenate([x, x[:, :2]], axis=1))
    if dtype is not BOOL:
        np.testing.assert_array_equal(run("iota", sizes=(4,), dtype=dtype), np.arange(4).astype(dtype.np))


@pytest.mark.parametrize("shape, new", [((), (1, 1)), ((0, 3), (3, 0)), ((1,), ()), ((), ())])
def test_reshape_of_little(shape, new):
    assert run("reshape", np.zeros(shape), sizes=new).shape == new


def test_broadcast_of_little():
    assert run("broadcast", np.float64(2), sizes=(0, 3)).shape == (0, 3)
    assert run("broadcast", np.ones((1, 3)), sizes=(0, 3)).shape == (0, 3)
    assert run("broadcast", np.float64(2), sizes=()) == 2


def test_lengths_known_only_at_run_time():
    n, m, total = index(), index(), index()
    x, y = param(F64, n), param(F64, m)
    assert make_op(OPS["iota"], [n], {"dtype": F64}).result.type == Type(F64, (n,))
    assert make_op(OPS["broadcast"], [x, index(3), n], {}).result.type == Type(F64, (3, n))
    assert make_op(OPS["concat"], [x, y, total], {"axis": 0}).result.type == Type(F64, (total,))
    assert make_op(OPS["reshape"], [x, index(2), m], {}).result.type == Type(F64, (2, m))
    refuses("takes their sum as its last operand", "concat", x, y, axis=0)
    refuses("broadcast of", "broadcast", x, m)
    refuses("broadcast of", "broadcast", x, index(3))


def test_refusals_of_shape_ops():
    x, y = param(F64, 2, 3), param(F64, 4)
    refuses(r"axis 2 of an array of rank 2", "dim", x, axis=2)
    refuses(r"6 elements into 5", "reshape", x, index(5))
    refuses(r"\(0, 0\) is no permutation", "transpose", x, perm=(0, 0))
    refuses("broadcast of", "broadcast", x, index(2), index(4))
    refuses("to rank 1", "broadcast", x, index(3))
    refuses("concat along axis 0", "concat", x, y, axis=0)
    refuses("a scalar of dtype index", "reshape", x, const(6, I64))
    refuses("takes arrays and scalars", "dim", Value(StackType(Type(F64))), axis=0)
    refuses("iota is not defined on bool", "iota", index(3), dtype=BOOL)
    refuses("add up to 4", "concat", x, x, index(5), axis=0)


# --- index ------------------------------------------------------------------------------------------------------------

REGIONS = [
    (":i:", (2,), np.s_[:, 2, :]),
    ("s::", (1, 3, 1), np.s_[1:4]),
    (":s:", (4, 3, -2), np.s_[:, 4::-2]),
    ("sis", (3, 4, -1, 0, 1, 2, 2), np.s_[3::-1, 0, 1:5:2]),
    ("iii", (1, 2, 3), np.s_[1, 2, 3]),
    (":s:", (2, 0, 1), np.s_[:, 2:2]),
    (":::", (), np.s_[:]),
]


@pytest.mark.parametrize("spec, idx, numpy", REGIONS, ids=[r[0] + str(r[1]) for r in REGIONS])
@pytest.mark.parametrize("dtype", DTYPE_IDS, ids=repr)
def test_regions(dtype, spec, idx, numpy):
    x = data(dtype, 4, 5, 6)
    np.testing.assert_array_equal(run("slice", x, sizes=idx, spec=spec), x[numpy])
    v = data(dtype, *x[numpy].shape, seed=1)
    want, before = x.copy(), x.copy()
    want[numpy] = v
    np.testing.assert_array_equal(run("update", x, v, sizes=idx, spec=spec), want)
    if dtype is not BOOL:
        want = x.copy()
        want[numpy] += v
        np.testing.assert_array_equal(run("update_add", x, v, sizes=idx, spec=spec), want)
    np.testing.assert_array_equal(x, before)


def test_region_lengths_known_only_at_run_time():
    x, n = param(F64, 4, 5), index()
    assert make_op(OPS["slice"], [x, index(0), n, index(1), index(2)], {"spec": "si"}).result.type == Type(F64, (n,))
    refuses("into the region", "update", x, param(F64, 4), index(0), n, index(1), index(2), spec="si")


def test_refusals_of_regions():
    x = param(F64, 4, 5)
    refuses("spec ':' does not fit", "slice", x, spec=":")
    refuses("spec ':x' does not fit", "slice", x, spec=":x")
    refuses("takes 1 index operands, not 0", "slice", x, spec=":i")
    refuses("a scalar of dtype index", "slice", x, const(1, I64), spec=":i")
    refuses("into the region", "update", x, param(F64, 4), index(1), spec="i:")
    refuses("into the region", "update", x, param(F32, 5), index(1), spec="i:")
    refuses("update_add is not defined on bool", "update_add", param(BOOL, 2), param(BOOL), index(0), spec="i")


GATHERS = [((1,), 0, (4,)), ((1,), 1, (2, 3)), ((0, 2), 1, (3,)), ((2, 0), 0, ()), ((0, 1, 2), 0, (2, 2)), ((1,), 2, (0,))]


@pytest.mark.parametrize("axes, at, shape", GATHERS, ids=map(str, GATHERS))
@pytest.mark.parametrize("dtype", DTYPE_IDS, ids=repr)
def test_gather_and_scatter(dtype, axes, at, shape):
    """Against loops over the elements of the index arrays."""
    x, rng = data(dtype, 3, 4, 5), np.random.default_rng(2)
    idx = [rng.integers(0, x.shape[a], shape) for a in axes]
    rest = [k for k in range(3) if k not in axes]
    dims = [x.shape[k] for k in rest]
    want = np.empty((*dims[:at], *shape, *dims[at:]), dtype.np)
    v = data(dtype, *want.shape, seed=3)
    replaced, added = x.copy(), x.copy()
    for k in np.ndindex(shape):
        there, here = [slice(None)] * 3, [slice(None)] * want.ndim
        for a, i in zip(axes, idx):
            there[a] = int(i[k])
        here[at:at + len(shape)] = k
        there, here = tuple(there), tuple(here)
        want[here] = x[there]
        replaced[there] = v[here]
        added[there] = added[there] + v[here]
    attrs = {"axes": axes, "at": at}
    np.testing.assert_array_equal(run("gather", x, sizes=idx, **attrs), want)
    np.testing.assert_array_equal(run("scatter", x, v, sizes=idx, **attrs), replaced)
    if dtype is not BOOL:
        np.testing.assert_allclose(run("scatter_add", x, v, sizes=idx, **attrs), added, rtol=1e-6)


def test_refusals_of_gather():
    x, i = param(F64, 3, 4), Value(Type(INDEX, (2,)))
    refuses("1 index arrays for axes", "gather", x, i, axes=(0, 1), at=0)
    refuses("index arrays of one shape", "gather", x, i, Value(Type(INDEX, (3,))), axes=(0, 1), at=0)
    refuses("index arrays of one shape", "gather", x, param(I64, 2), axes=(0,), at=0)
    refuses("position 2 among 1 remaining axes", "gather", x, i, axes=(0,), at=2)
    refuses("must be a tuple of different axes", "gather", x, i, i, axes=(0, 0), at=0)
    refuses("into parts", "scatter", x, param(F64, 2, 3), i, axes=(0,), at=0)


def test_nonzero():
    mask = data(BOOL, 4, 5)
    for found, want in zip(run("nonzero", mask, sizes=(int(mask.sum()),)), np.nonzero(mask)):
        np.testing.assert_array_equal(found, want)
    refuses("takes a bool array", "nonzero", param(F64, 2), index(1))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", DTYPE_IDS, ids=repr)
def test_searchsorted(dtype, side):
    grid, x = np.sort(data(dtype, 9)), data(dtype, 3, 2, seed=1)
    np.testing.assert_array_equal(run("searchsorted", grid, x, side=side), np.searchsorted(grid, x, side=side))
    run("searchsorted", grid, x[0, 0], side=side)


# --- reduce -----------------------------------------------------------------------------------------------------------

NUMPY = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "any": np.any, "all": np.all}
WITH_NAN = np.array([[1.0, np.nan, -np.inf], [np.inf, 2.0, np.nan], [0.0, -0.0, 5.0]])


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 2), (0, 1, 2), ()], ids=str)
@pytest.mark.parametrize("kind", NUMPY)
@pytest.mark.parametrize("dtype", DTYPE_IDS, ids=repr)
def test_reduce(dtype, kind, axes):
    if (dtype is BOOL) == (kind in ("sum", "prod")) or (dtype is not BOOL and kind in ("any", "all")):
        return
    x = data(dtype, 2, 3, 4)
    options = {"dtype": dtype.np} if kind in ("sum", "prod") else {}
    np.testing.assert_array_equal(run("reduce", x, kind=kind, axes=axes), NUMPY[kind](x, axis=axes, **options))
    assert run("reduce", x[:, :0], kind=kind, axes=(1,)).shape == (2, 4)
    assert run("reduce", x[:0], kind=kind, axes=(1,)).shape == (0, 4)


@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min"])
def test_reductions_see_nan(kind):
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(run("reduce", WITH_NAN, kind=kind, axes=(1,)), NUMPY[kind](WITH_NAN, axis=1))


def test_reductions_over_nothing():
    for kind, want in (("sum", 0), ("prod", 1), ("max", -math.inf), ("min", math.inf)):
        assert run("reduce", np.zeros(0), kind=kind, axes=(0,)) == want
    assert run("reduce", np.zeros(0, np.int8), kind="max", axes=(0,)) == -128


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", DTYPE_IDS, ids=repr)
def test_along_an_axis(dtype, axis):
    x = data(dtype, 3, 4, 5)
    np.testing.assert_array_equal(run("sort", x, axis=axis), np.sort(x, axis=axis))
    for kind in ("stable", "quicksort"):
        np.testing.assert_array_equal(run("argsort", x, axis=axis, kind=kind), np.argsort(x, axis=axis, kind=kind))
    np.testing.assert_array_equal(run("argreduce", x, kind="argmax", axis=axis), np.argmax(x, axis=axis))
    np.testing.assert_array_equal(run("argreduce", x, kind="argmin", axis=axis), np.argmin(x, axis=axis))
    for kind, numpy in (("sum", np.cumsum), ("prod", np.cumprod), ("max", np.maximum.accumulate)):
        if dtype is BOOL and kind != "max":
            continue
        want = numpy(x, axis=axis, dtype=dtype.np)
        np.testing.assert_array_equal(run("scan", x, kind=kind, axis=axis, reverse=False), want)
        want = np.flip(numpy(np.flip(x, axis), axis=axis, dtype=dtype.np), axis)
        np.testing.assert_array_equal(run("scan", x, kind=kind, axis=axis, reverse=True), want)


def test_nan_first_for_argreduce_and_last_for_sort():
    np.testing.assert_array_equal(run("argreduce", WITH_NAN, kind="argmin", axis=1), np.argmin(WITH_NAN, axis=1))
    np.testing.assert_array_equal(run("sort", WITH_NAN, axis=1), np.sort(WITH_NAN, axis=1))
    assert run("argreduce", np.zeros((2, 0)), kind="argmax", axis=1).shape == (2,)


def test_refusals_of_reductions():
    x = param(F64, 2, 3)
    refuses("'mean' is none of", "reduce", x, kind="mean", axes=(0,))
    refuses("must ascend", "reduce", x, kind="sum", axes=(1, 0))
    refuses("reduce any is not defined on f64", "reduce", x, kind="any", axes=(0,))
    refuses("axis 2 of an array of rank 2", "sort", x, axis=2)
    refuses("scan sum is not defined on bool", "scan", param(BOOL, 3), kind="sum", axis=0, reverse=False)


# --- linalg -----------------------------------------------------------------------------------------------------------

DOTS = [
    ((3, 4), (4, 5), ((1,), (0,)), ((), ()), "ij,jk->ik"),
    ((4,), (4,), ((0,), (0,)), ((), ()), "i,i->"),
    ((3,), (4,), ((), ()), ((), ()), "i,j->ij"),
    ((2, 3, 4), (5, 4, 2), ((2,), (1,)), ((0,), (2,)), "bij,kjb->bik"),
    ((2, 3, 4), (4, 3, 5), ((1, 2), (1, 0)), ((), ()), "abc,cbd->ad"),
    ((0, 3), (3, 2), ((1,), (0,)), ((), ()), "ij,jk->ik"),
    ((3, 0), (0, 2), ((1,), (0,)), ((), ()), "ij,jk->ik"),
]


@pytest.mark.parametrize("a, b, contract, batch, einsum", DOTS, ids=[d[-1] + str(d[0]) for d in DOTS])
@pytest.mark.parametrize("dtype", [t for t in DTYPE_IDS if t is not BOOL], ids=repr)
def test_dot(dtype, a, b, contract, batch, einsum):
    a, b = data(dtype, *a), data(dtype, *b, seed=1)
    found = run("dot", a, b, contract=contract, batch=batch)
    np.testing.assert_allclose(found, np.einsum(einsum, a, b), rtol=1e-4 if dtype.np.itemsize == 4 else 1e-10, atol=1e-5)


def test_refusals_of_dot():
    a, b = param(F64, 3, 4), param(F64, 4, 5)
    refuses("do not pair up", "dot", a, b, contract=((0,), (0,)), batch=((), ()))
    refuses("the dtypes differ", "dot", a, param(F32, 4, 5), contract=((1,), (0,)), batch=((), ()))
    refuses("must be a tuple of different axes", "dot", a, a, contract=((1,), (1,)), batch=((1,), (1,)))


@pytest.mark.sweep(3)
@pytest.mark.parametrize("batch", [(), (2,), (2, 3), (0,)], ids=str)
@pytest.mark.parametrize("dtype", [t for t in DTYPE_IDS if t.kind in "fc"], ids=repr)
def test_factorisations(dtype, batch):
    a, b = data(dtype, *batch, 4, 4), data(dtype, *batch, 4, 3, seed=1)
    close = {"rtol": 2e-3, "atol": 2e-3} if dtype.bits in (32,) or dtype.name == "c64" else {"rtol": 1e-9, "atol": 1e-9}
    lu, perm = run("lu", a)
    lower, upper = np.tril(lu, -1) + np.eye(4, dtype=dtype.np), np.triu(lu)
    np.testing.assert_allclose(lower @ upper, np.take_along_axis(a, perm[..., None], axis=-2), **close)
    for trans in (False, True):
        matrix = np.swapaxes(a, -1, -2) if trans else a
        defn = OPS["lu_solve"]
        op = make_op(defn, [value_of(a), value_of(lu), value_of(perm, INDEX), value_of(b)], {"trans": trans})
        np.testing.assert_allclose(matrix @ defn.evaluate(op, a, lu, perm, b)[0], b, **close)
        for lower_half in (False, True):
            for unit in (False, True):
                t = (np.tril if lower_half else np.triu)(a)
                if unit:
                    t = t - t * np.eye(4, dtype=dtype.np) + np.eye(4, dtype=dtype.np)
                x = run("triangular_solve", a, b, lower=lower_half, trans=trans, unit=unit)
                np.testing.assert_allclose((np.swapaxes(t, -1, -2) if trans else t) @ x, b, **close)
    positive = a @ np.conj(np.swapaxes(a, -1, -2)) + 4 * np.eye(4, dtype=dtype.np)
    lower = run("cholesky", np.tril(positive) + np.triu(data(dtype, *batch, 4, 4, seed=5), 1))
    np.testing.assert_allclose(lower @ np.conj(np.swapaxes(lower, -1, -2)), positive, **close)


def test_factorisations_of_nothing():
    lu, perm = run("lu", np.zeros((0, 0)))
    assert lu.shape == (0, 0) and perm.shape == (0,)
    assert run("cholesky", np.zeros((0, 0))).shape == (0, 0)
    assert run("triangular_solve", np.eye(3), np.zeros((3, 0)), lower=True, trans=False, unit=False).shape == (3, 0)


def test_errors_of_factorisations():
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        run("cholesky", -np.eye(2))
    a = np.ones((2, 2))
    lu, perm = run("lu", a)
    op = make_op(OPS["lu_solve"], [value_of(a), value_of(lu), value_of(perm, INDEX), value_of(a)], {"trans": False})
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        op.defn.evaluate(op, a, lu, perm, a)
    refuses("takes square matrices", "cholesky", param(F64, 2, 3))
    refuses("cholesky is not defined on i64", "cholesky", param(I64, 2, 2))
    flags = {"lower": True, "trans": False, "unit": False}
    refuses("does not fit the matrix", "triangular_solve", param(F64, 2, 2), param(F64, 3, 1), **flags)


# --- checks -----------------------------------------------------------------------------------------------------------


def test_wrap():
    wrap = OPS["wrap"]
    op = one_op(wrap, np.int64(0), np.int64(3), dtypes=[INDEX, INDEX], axis=1)
    assert [int(wrap.evaluate(op, np.int64(i), np.int64(3))[0]) for i in range(-3, 3)] == [0, 1, 2, 0, 1, 2]
    with pytest.raises(BoundsError, match="index 3 is out of bounds for axis 1 with size 3"):
        wrap.evaluate(op, np.int64(3), np.int64(3))
    with pytest.raises(BoundsError, match="index -4 is out of bounds for axis 1 with size 3"):
        wrap.evaluate(op, np.array([[0, 1], [-4, 9]]), np.int64(3))
    np.testing.assert_array_equal(wrap.evaluate(op, np.array([-1, 1]), np.int64(3))[0], [2, 1])


def test_check():
    check = OPS["check"]
    op = one_op(check, np.bool_(True), np.int64(3), error="ShapeError", message="length {0}")
    assert check.evaluate(op, np.bool_(True), np.int64(3)) == ()
    with pytest.raises(ShapeError, match="length 3"):
        check.evaluate(op, np.bool_(False), np.int64(3))
    refuses("names no exception", "check", Value(BOOL_SCALAR), error="Oops", message="")
    refuses("takes a bool scalar", "check", param(F64), error="ValueError", message="")
    assert isinstance(make_error("ZeroDivisionError", "division by zero"), ZeroDivisionError)
    assert isinstance(make_error("LinAlgError", "Singular matrix"), np.linalg.LinAlgError)


def test_print(capsys):
    op = one_op(OPS["print"], np.float64(2), np.arange(3), format="{0} and {1}\n")
    op.defn.evaluate(op, np.float64(2), np.arange(3))
    assert capsys.readouterr().out == "2.0 and [0 1 2]\n"


# --- control ----------------------------------------------------------------------------------------------------------


def block(types, build):
    """A block whose yields are what build(builder, *params) returns."""
    b, out = Builder(), Block(types)
    with b.at(out):
        out.yields = tuple(build(b, *out.params))
    return out


def types_of(name, *operands, regions=(), **attrs):
    return [r.type for r in make_op(OPS[name], operands, attrs, regions).results]


def test_if():
    cond, n, m = Value(BOOL_SCALAR), index(), index()
    x, y, z = param(F64, n), param(F64, m), param(F64, n)
    assert types_of("if", cond, regions=[block([], lambda b: (x,)), block([], lambda b: (z,))]) == [x.type]
    op = make_op(OPS["if"], [cond], {}, [block([], lambda b: (n, x)), block([], lambda b: (m, y))])
    assert op.results[1].type == Type(F64, (op.results[0],))
    op = make_op(OPS["if"], [cond], {}, [block([], lambda b: (index(3), param(F64, 3))), block([], lambda b: (m, y))])
    assert op.results[1].type == Type(F64, (op.results[0],))
    with pytest.raises(IRError, match="do not yield them as values"):
        types_of("if", cond, regions=[block([], lambda b: (x,)), block([], lambda b: (y,))])
    with pytest.raises(IRError, match="at position 0"):
        types_of("if", cond, regions=[block([], lambda b: (x,)), block([], lambda b: (param(F32, n),))])
    with pytest.raises(IRError, match="yields 1 values, the other 0"):
        types_of("if", cond, regions=[block([], lambda b: (x,)), block([], lambda b: ())])
    op = make_op(OPS["if"], [cond], {}, [block([], lambda b: (x, n, n)), block([], lambda b: (y, index(), m))])
    assert op.results[0].type == Type(F64, (op.results[2],))


def test_for_and_while_carry_lengths():
    n0, n1 = index(), index()
    start, grown = param(F64, n0), param(F64, n1)
    n = Value(INDEX_SCALAR)
    body = Block([INDEX_SCALAR, INDEX_SCALAR])
    body.params += (Value(Type(F64, (body.params[1],)), None, body, 2),)
    body.yields = (n1, grown)
    op = make_op(OPS["for"], [index(4), n0, start], {}, [body])
    assert [r.type for r in op.results] == [INDEX_SCALAR, Type(F64, (op.results[0],))]
    body.yields = (n1, start)
    with pytest.raises(IRError, match="for, yields"):
        make_op(OPS["for"], [index(4), n0, start], {}, [body])
    with pytest.raises(IRError, match="for, on entry"):
        make_op(OPS["for"], [index(4), n, start], {}, [body])
    body.yields = (index(3), param(F64, 3))
    op = make_op(OPS["for"], [index(4), n0, start], {}, [body])
    assert op.results[1].type == Type(F64, (op.results[0],))

    # a length from outside that is yielded too, as another quantity, stays: with no iterations the result is n0
    other = Block([INDEX_SCALAR, INDEX_SCALAR, Type(F64, (n1,))])
    other.yields = (n1, grown)
    op = make_op(OPS["for"], [index(4), n0, grown], {}, [other])
    assert op.results[1].type == Type(F64, (n1,))

    cond = Block([INDEX_SCALAR])
    cond.params += (Value(Type(F64, (cond.params[0],)), None, cond, 1),)
    again = Block([INDEX_SCALAR])
    again.params += (Value(Type(F64, (again.params[0],)), None, again, 1),)
    again.yields = (n1, grown)
    cond.yields = (Value(BOOL_SCALAR),)
    op = make_op(OPS["while"], [n0, start], {}, [cond, again])
    assert [r.type for r in op.results] == [INDEX_SCALAR, Type(F64, (op.results[0],))]
    cond.yields = (n1,)
    with pytest.raises(IRError, match="one bool scalar"):
        make_op(OPS["while"], [n0, start], {}, [cond, again])


def test_loops_keep_their_types():
    body = block([INDEX_SCALAR, Type(F64)], lambda b, i, s: (b("add", s, b.cast(i, F64)),))
    assert types_of("for", index(3), const(0.0), regions=[body]) == [Type(F64)]
    with pytest.raises(IRError, match="i64 where f64 is expected"):
        types_of("for", index(3), const(0, I64), regions=[body])
    with pytest.raises(IRError, match=r"where \[1\] parameters are expected"):
        types_of("for", index(3), regions=[body])


def test_map():
    n, m = index(), index()
    body = block([INDEX_SCALAR], lambda b, i: (i, b("iota", m, dtype=F64)))
    assert types_of("map", n, regions=[body]) == [Type(INDEX, (n,)), Type(F64, (n, m))]
    assert types_of("map", index(3), regions=[body]) == [Type(INDEX, (3,)), Type(F64, (3, m))]


def test_call():
    f = function("f", [INDEX_SCALAR])
    n = f.params[0]
    b = Builder()
    with b.at(f.body):
        twice = b.iop("mul", n, 2)
        f.body.yields = (twice, b("iota", twice, dtype=F64), b("iota", n, dtype=F64))
    k = index()
    op = make_op(OPS["call"], [k], {"callee": f})
    assert [r.type for r in op.results] == [INDEX_SCALAR, Type(F64, (op.results[0],)), Type(F64, (k,))]
    with pytest.raises(IRError, match="call of @f"):
        make_op(OPS["call"], [const(1.0)], {"callee": f})
