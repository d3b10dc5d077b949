"""SciPy's compressed matrices in traced code: compiled equals SciPy, so does the evaluator; derivatives keep the pattern."""
import numpy as np
import pytest
import scipy.sparse as sps
import scipy.sparse.linalg as spl
from tracegrad.ir.errors import UnsupportedError

import tracegrad as tg

RNG = np.random.default_rng(2)
S = sps.random(6, 5, 0.5, format="csr", random_state=1)
MATRICES = [S, S.tocsc(), sps.csr_array(S), sps.csc_array(S)]
V, U, D = RNG.standard_normal(5), RNG.standard_normal(6), RNG.standard_normal((5, 3))


def name(x):
    return type(x).__name__


def same(got, expected):
    if isinstance(expected, tuple):
        assert len(got) == len(expected)
        for g, e in zip(got, expected, strict=True):
            same(g, e)
    elif isinstance(expected, str):
        assert got == expected
    elif sps.issparse(expected):
        assert type(got) is type(expected) and got.shape == expected.shape and got.indices.dtype == expected.indices.dtype
        np.testing.assert_allclose(got.toarray(), expected.toarray(), rtol=1e-13)
    else:
        single = np.asarray(expected).dtype == np.float32
        np.testing.assert_allclose(np.asarray(got), np.asarray(expected), rtol=1e-5 if single else 1e-13, atol=1e-6 * single)
        assert np.asarray(got).dtype == np.asarray(expected).dtype


def products(a, x, y):
    return a @ x, a.dot(x), (a * 2.0) @ x, (2 * a) @ x, -a @ x, (a / 2) @ x, y @ a, a.T @ y, a.T.dot(y), a.transpose() @ y


def facts(a, x, y):
    return a.shape, a.nnz, a.dtype == np.float64, a.ndim, a.format, a.T.shape, sps.issparse(a), isinstance(a, sps.csr_matrix)


def dense(a, x, y):
    return (a.toarray(), a.T.toarray(), a.sum(), a.sum(axis=0), a.sum(axis=1), a.mean(), np.asarray(a.sum(axis=1)).ravel(),
            a.data * 2, a.diagonal())


def matrices(a, x, y):
    return a, a * 3.0, a.T, a.copy(), a + a * 2, a - a / 2, a.power(2), abs(a), a.multiply(2.0)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("evaluator", [False, True], ids=["compiled", "evaluator"])
@pytest.mark.parametrize("fn", [products, facts, dense, matrices], ids=lambda f: f.__name__)
@pytest.mark.parametrize("matrix", MATRICES, ids=name)
def test_equals_scipy(matrix, fn, evaluator):
    f = tg.jit(fn)
    same((f.interpret if evaluator else f)(matrix, V, U), fn(matrix, V, U))


@pytest.mark.sweep(2, days=True)
def test_other_operands():
    for matrix in MATRICES:
        same(tg.jit(lambda a, x: (a @ x, x.T @ a.T))(matrix, D), (matrix @ D, D.T @ matrix.T))
    single, empty = S.astype(np.float32), sps.csr_matrix((6, 5))
    same(tg.jit(products)(single, V.astype(np.float32), U.astype(np.float32)),
         products(single, V.astype(np.float32), U.astype(np.float32)))
    same(tg.jit(products)(empty, V, U), products(empty, V, U))


def by_hand(a, x):
    y = np.zeros(a.shape[0])
    for i in range(a.shape[0]):
        for k in range(a.indptr[i], a.indptr[i + 1]):
            y[i] += a.data[k] * x[a.indices[k]]
    return y


def conjugate_gradients(a, b):
    x = np.zeros_like(b)
    r = b - a @ x
    p = r.copy()
    for _ in range(4):
        ap = a @ p
        alpha = (r @ r) / (p @ ap)
        x = x + alpha * p
        rest = r - alpha * ap
        p = rest + (rest @ rest) / (r @ r) * p
        r = rest
    return x


def test_programs():
    same(tg.jit(by_hand)(S, V), by_hand(S, V))
    spd = (S.T @ S + sps.eye(5)).tocsr()
    same(tg.jit(conjugate_gradients)(spd, V), conjugate_gradients(spd, V))


def captures(x, y):
    return S @ x, S.dot(x), S.T @ y, x @ MATRICES[3].T


def builds(data, indices, indptr, x):
    return sps.csr_matrix((data, indices, indptr), shape=(6, 5)) @ x


def test_matrices_from_outside_and_made_inside():
    same(tg.jit(captures)(V, U), captures(V, U))
    same(tg.jit(builds)(S.data, S.indices, S.indptr, V), S @ V)
    np.testing.assert_allclose(tg.grad(lambda d: np.sum(builds(d, S.indices, S.indptr, V)**2))(S.data),
                               tg.grad(lambda a: np.sum((a @ V)**2))(S).data)


MAIN, SIDE, W = np.arange(1.0, 5.0), np.array([0.1, 0.2, 0.3]), np.array([1.0, -2.0, 3.0, 0.5])
DIAGONALS = [
    (lambda d, e: sps.diags([d, e], [0, 1]) @ W, (MAIN, SIDE)), (lambda d: sps.diags(d).toarray(), (MAIN,)),
    (lambda a: sps.diags([a, -2 * a, 1.0], [-1, 0, 1], shape=(4, 4), format="csc") @ W, (0.3,)),
    (lambda d, e: sps.diags_array([d, e], offsets=[0, -1]).toarray(), (MAIN, SIDE)),
    (lambda d: sps.spdiags(d, [0, 1], 4, 4).toarray(), (np.arange(8.0).reshape(2, 4) + 1,)),
    (lambda d: sps.diags([d], [0], dtype=None).toarray(), (np.arange(4),)),
    (lambda d: sps.diags([d], [0], dtype=np.float32) @ W.astype(np.float32), (MAIN,)),
    (lambda d, e: spl.spsolve(sps.diags([e, d, e], [-1, 0, 1], format="csc"), W), (MAIN, SIDE)),
]


@pytest.mark.parametrize("f, args", DIAGONALS)
def test_diagonals_of_run_time(f, args):
    found, right = tg.jit(f)(*args), f(*args)
    np.testing.assert_allclose(found, right, rtol=1e-6 if right.dtype == np.float32 else 1e-13)
    assert found.dtype == right.dtype
    if right.dtype == np.float64:
        tg.check_grads(lambda *args: np.sum(f(*args) ** 2), args, order=1)


def loss(a, x):
    return np.sum(np.sin(a @ x)) + np.sum((a.T @ (a @ x))**2)


def moved(matrix, k, h):
    out = matrix.copy()
    out.data[k] += h
    return out


@pytest.mark.sweep(4)
@pytest.mark.parametrize("matrix", MATRICES, ids=name)
def test_derivatives(matrix):
    value, (slope, in_x) = tg.value_and_grad(loss, argnums=(0, 1))(matrix, V)
    assert type(slope) is type(matrix) and np.array_equal(slope.indices, matrix.indices)
    np.testing.assert_allclose(value, loss(matrix, V))
    hand = [(loss(moved(matrix, k, 1e-6), V) - loss(moved(matrix, k, -1e-6), V)) / 2e-6 for k in range(matrix.nnz)]
    np.testing.assert_allclose(slope.data, hand, rtol=1e-6, atol=1e-7)
    direction = matrix.copy()
    direction.data = RNG.standard_normal(matrix.nnz)
    tangent = tg.jvp(loss, (matrix, V), (direction, U[:5]))[1]
    np.testing.assert_allclose(tangent, direction.data @ slope.data + U[:5] @ in_x, rtol=1e-12)
    pulled = tg.vjp(loss, matrix, V)[1](1.0)
    same(pulled, (slope, in_x))
    second = tg.hvp(lambda a: loss(a, V), (matrix,), (direction,))
    second = second[0] if isinstance(second, tuple) else second
    both = [tg.grad(loss)(matrix + s * 1e-6 * direction, V).data for s in (1, -1)]
    np.testing.assert_allclose(second.data, (both[0] - both[1]) / 2e-6, rtol=1e-5, atol=1e-6)


def test_in_a_structure():
    found = tg.grad(lambda p: np.sum((p["a"] @ V)**2) * p["n"])({"a": S, "n": 2.0})
    assert type(found["a"]) is type(S)
    np.testing.assert_allclose(found["n"], np.sum((S @ V)**2))


@pytest.mark.parametrize(("fn", "reason", "remedy"), [
    (lambda a: a[0, 1], "indexing of a sparse matrix", "A.data, A.indices and A.indptr"),
    (lambda a: a @ a.T, "a product of two sparse matrices", "multiply a vector by one after the other"),
    (lambda a: a + a.T, "a sum of matrices of different patterns", "A.data, A.indices and A.indptr"),
    (lambda a: a.tocoo(), ".tocoo of a sparse matrix", "A.data, A.indices and A.indptr"),
    (lambda a: sps.csr_matrix(a.toarray()), "csr_matrix of traced values", "csr_matrix((data, indices, indptr)")],
    ids=["index", "product", "sum", "format", "construction"])
def test_refused(fn, reason, remedy):
    with pytest.raises(UnsupportedError) as caught:
        tg.jit(fn)(S)
    assert reason in str(caught.value) and remedy in str(caught.value)


def test_dimension_mismatch():
    with pytest.raises(ValueError, match="dimension mismatch"):
        tg.jit(lambda a, x: a @ x)(S, U)


ROW, COLUMN = np.array([2, 0, 2, 1, 0, 2]), np.array([1, 3, 0, 2, 3, 1])


@pytest.mark.parametrize("kind", ["csr_array", "csc_array", "csr_matrix"])
def test_elements_at_places(kind):
    """Those of one place count together."""
    data, cls = np.linspace(0.5, 2.0, 6), getattr(sps, kind)

    def f(data, row, column):
        a = cls((data, (row, column)), shape=(3, 4))
        return a @ np.arange(4.0), a.toarray(), a.T @ np.arange(3.0), a.sum()

    for found, right in zip(tg.jit(f)(data, ROW, COLUMN), f(data, ROW, COLUMN)):
        np.testing.assert_allclose(found, right, rtol=1e-15)
    again = tg.jit(lambda data: cls((data, (ROW, COLUMN)), shape=(3, 4)))(data)
    assert type(again) is cls and (abs(again - cls((data, (ROW, COLUMN)), shape=(3, 4))) > 0).nnz == 0
    slope = tg.grad(lambda data: np.sum((cls((data, (ROW, COLUMN)), shape=(3, 4)) @ np.arange(4.0)) ** 2))(data)
    np.testing.assert_allclose(slope, 2 * (f(data, ROW, COLUMN)[0])[ROW] * COLUMN, rtol=1e-14)
    with pytest.raises(ValueError, match="exceeds"):
        tg.jit(f)(data, ROW + 1, COLUMN)


def test_matrices_by_place_are_refused_with_the_way_to_write_them():
    with pytest.raises(tg.UnsupportedError, match=r"csr_matrix\(\(data, \(row, column\)\)"):
        tg.jit(lambda d: sps.coo_matrix((d, (ROW, COLUMN)), shape=(3, 4)) @ np.arange(4.0))(np.ones(6))
