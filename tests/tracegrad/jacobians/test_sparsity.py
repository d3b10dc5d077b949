"""Sparse Jacobians and Hessians: the pattern holds every entry that can differ from zero, and no more where that can be known;
values are those of the dense ones; patterns take few colours."""

import numpy as np
import pytest
import sweeps
from cases import CASES, copied
from program_checks import loaded
from program_writer import Source, Writer
from scipy.optimize import rosen_hess
from scipy.sparse import csr_array
from tracegrad.autodiff.sparsity import transfer
from tracegrad.ir.opdef import OPS, Elementwise

import tracegrad as tg
from tracegrad.jacobians.coloring import Pattern, columns, rows, star, star_sources

RNG = np.random.default_rng(0)


def check(f, *args, argnums=0, entries=None):
    """The sparse Jacobian in both directions equals the dense one; its pattern has so many entries. Returns the pattern."""
    want = tg.jacfwd(f, argnums)(*copied(args))
    dense = want.reshape(-1, np.size(args[argnums]))
    pattern = tg.sparsity(f, argnums)(*args)
    assert pattern.dtype == bool and pattern.shape == dense.shape
    for mode in ("auto", "forward", "reverse"):
        got = tg.jacobian(f, argnums, sparse=True, mode=mode)(*copied(args))
        assert isinstance(got, csr_array) and got.dtype == want.dtype and got.has_sorted_indices
        np.testing.assert_array_equal(got.indices, pattern.indices)
        np.testing.assert_allclose(got.toarray(), dense, rtol=1e-12, atol=1e-13 * np.max(np.abs(dense), initial=1.0))
    assert np.all(pattern.toarray()[dense != 0])
    if entries is not None:
        assert pattern.nnz == entries
    return pattern


def tridiagonal(n):
    return np.tri(n, k=1) * np.tri(n, k=1).T


# --- programs ----------------------------------------------------------------------------------------------------------


def residual(u):
    """-u'' + u^3 - 1 with ends held at zero."""
    left, right = np.concatenate([np.zeros(1), u[:-1]]), np.concatenate([u[1:], np.zeros(1)])
    return 2 * u - left - right + u**3 - 1.0


def residual_by_loop(u):
    out = np.empty_like(u)
    for i in range(u.size):
        total = 2 * u[i] + u[i] ** 3 - 1.0
        if i > 0:
            total -= u[i - 1]
        if i < u.size - 1:
            total -= u[i + 1]
        out[i] = total
    return out


def laplacian(u):
    """The five-point residual, written in place."""
    out = u.copy()
    for i in range(1, u.shape[0] - 1):
        for j in range(1, u.shape[1] - 1):
            out[i, j] = 4 * u[i, j] - u[i - 1, j] - u[i + 1, j]
            out[i, j] -= u[i, j - 1] + u[i, j + 1]
            out[i, j] += np.sin(u[i, j])
    return out


def laplacian_of_slices(u):
    out = u.copy()
    out[1:-1, 1:-1] = 4 * u[1:-1, 1:-1] - u[:-2, 1:-1] - u[2:, 1:-1] - u[1:-1, :-2] - u[1:-1, 2:]
    return out * u


def upwind(u, speed):
    out = np.zeros_like(u)
    for i in range(1, u.size - 1):
        if speed[i] * u[i] > 0:
            out[i] = u[i] * (u[i] - u[i - 1])
        else:
            out[i] = u[i] * (u[i + 1] - u[i])
    return out


def scratch(x):
    """A buffer that each step overwrites carries nothing to the next."""
    buffer, out = np.zeros(2), np.zeros_like(x)
    for i in range(1, x.size):
        if x[i] > 0:
            buffer[0] = x[i] * 2
        else:
            buffer[0] = x[i - 1] ** 2
        buffer[1] = x[i]
        out[i] = buffer[0] * buffer[1]
    return out


@pytest.mark.sweep(2, days=True)
def test_the_tridiagonal_pattern_is_exact():
    u = RNG.standard_normal(40)
    for f in (residual, residual_by_loop):
        np.testing.assert_array_equal(check(f, u).toarray(), tridiagonal(40))
    found = columns(pattern_of(tg.sparsity(residual)(u)))
    assert found.number == 3


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [laplacian, laplacian_of_slices])
def test_the_five_point_stencil(f):
    u = RNG.standard_normal((9, 8))
    pattern = check(f, u)
    inside = 7 * 6
    assert pattern.nnz == 5 * inside + (72 - inside)
    assert min(columns(pattern_of(pattern)).number, rows(pattern_of(pattern)).number) <= 7


@pytest.mark.sweep(2, days=True)
def test_both_sides_of_a_branch_on_values():
    u = np.linspace(-1, 1, 30)
    np.testing.assert_array_equal(check(upwind, u, np.ones(30)).toarray()[1:-1], tridiagonal(30)[1:-1])
    check(upwind, u, np.ones(30), argnums=1, entries=0)             # the speed decides only where from
    check(scratch, u, entries=29 * 2)


@pytest.mark.sweep(3, days=True)
def test_recurrences_and_reductions():
    x = RNG.standard_normal(12)
    check(lambda x: np.cumsum(x * x), x, entries=78)
    check(lambda x: np.cumsum(x[::-1])[::-1], x, entries=78)
    check(lambda x: np.cumprod(x), x, entries=78)
    check(lambda x: x.reshape(3, 4).sum(axis=1), x, entries=12)
    check(lambda x: x.reshape(3, 4).sum(axis=0), x, entries=12)
    check(lambda x: x.reshape(2, 3, 2).sum(axis=(0, 2)) * np.max(x[:3]), x, entries=3 * 3 + 12 - 4 + 1)
    check(lambda x: np.sort(x), x, entries=144)
    check(lambda x: x - np.mean(x), x, entries=144)
    check(lambda x: np.sum(x), x, entries=12)
    check(lambda x: np.where(x > 0, x[::-1], 1.0), x, entries=12)


@pytest.mark.sweep(2, days=True)
def test_what_has_no_derivative_is_not_there():
    x = RNG.standard_normal(6)
    check(lambda x: np.floor(x) + np.sign(x) * (x > 0), x, entries=0)
    check(lambda x: x * tg.stop_gradient(np.sum(x)), x, entries=6)
    check(lambda x: np.arange(6.0), x, entries=0)
    check(lambda x: np.argmax(x) * x, x, entries=6)
    check(lambda x: x * 0.0 + np.minimum(x, 0), x, entries=6)


MATRIX = np.eye(7) - np.eye(7, k=2)


@pytest.mark.sweep(6, days=True)
def test_products_with_known_zeros():
    x = RNG.standard_normal(7)
    check(lambda x: MATRIX @ np.sin(x), x, entries=12)
    check(lambda x: np.sin(x) @ MATRIX, x, entries=12)
    check(lambda x: np.array([1.0, 0.0, 2.0, 0, 0, 0, 0]) * x, x, entries=2)
    check(lambda x: np.outer(x, MATRIX[:3, 0]), x, entries=7)
    check(lambda x, a: a @ x, x, MATRIX, entries=49)            # a floating argument could be anything
    a = RNG.standard_normal((3, 2, 4))
    check(lambda x: np.einsum("bij,bjk->bik", x.reshape(3, 2, 2), a[:, :, :2]), RNG.standard_normal(12), entries=24)
    check(lambda x, a: a @ np.sin(x), x, csr_array(MATRIX), entries=12)             # its positions are integers
    check(lambda x: np.linalg.solve(MATRIX, x), x, entries=49)


@pytest.mark.sweep(2, days=True)
def test_transforms():
    x = RNG.standard_normal(12)
    check(lambda x: np.abs(np.fft.fft(x.reshape(2, 6))) ** 2, x, entries=2 * 36)
    check(lambda x: np.fft.irfft(np.fft.rfft(x.reshape(3, 4)) * 2.0), x, entries=3 * 16)


@pytest.mark.sweep(3, days=True)
def test_positions():
    x = RNG.standard_normal(8)
    index = np.array([3, 3, 0, 7])
    check(lambda x: x[index] ** 2, x, entries=4)
    check(lambda x, i: x[i] ** 2, x, index, entries=4)
    check(lambda x: x[np.argsort(x)[:3]], x, entries=24)
    check(lambda x: x.reshape(4, 2)[np.argmax(x) % 4], x, entries=8)                # a row, no column
    check(lambda x: x.reshape(4, 2)[np.array([0, 3]), np.array([1, 1]) * (x[0] > 0)], x, entries=4)

    def scattered(x, i):
        out = np.zeros(5)
        np.add.at(out, i, x[:4])
        out[i[0]] += x[7]
        return out

    check(scattered, x, np.array([1, 1, 4, 0]), entries=5)

    def replaced(x, i):
        out = x.copy()
        out[i] = 2 * x[:3]
        return out

    check(replaced, x, np.array([5, 5, 6]), entries=8)
    check(lambda x: x[x > 0].sum() * x, x, entries=64)


@pytest.mark.sweep(3, days=True)
def test_loops_that_may_end_early():
    """Their counters are known all the same."""
    def stopped(x):
        out = np.zeros_like(x)
        for i in range(1, x.size):
            if x[i] > 1.5:
                break
            out[i] = x[i] * x[i - 1]
        return out

    x = np.linspace(1, 2, 6)
    check(stopped, x, entries=10)

    def until(x, most):
        out, i = np.zeros_like(x), 0
        while i < x.size and x[i] < most:
            out[i] = x[i] ** 2
            i += 1
        return out

    check(until, x, 1.7, entries=6)

    def downwards(x, start):
        i = start
        while i >= 1 and x[i] > 1.2:
            x[i - 1] = x[i] * x[i - 1]
            i -= 1
        return x * i

    check(downwards, x, 3, entries=2 + 3 + 4 + 3)

    def newton(x):
        out = np.empty_like(x)
        for k in range(x.size):
            root = x[k]
            for _ in range(50):
                step = (root * root - x[k]) / (2 * root)
                root -= step
                if abs(step) < 1e-9:
                    break
            out[k] = root
        return out

    check(newton, x, entries=6)


def edges(x, indptr, indices):
    out = np.zeros(indptr.size - 1)
    for i in range(out.size):
        out[i] = np.sum(x[indices[indptr[i]:indptr[i + 1]]]) * x[i]
    return out


def test_a_pattern_follows_integers_and_captured_arrays():
    x = RNG.standard_normal(5)
    f = tg.jacobian(edges, sparse=True)
    for indptr, indices in (([0, 1, 3, 3, 4, 4], [1, 2, 3, 0]), ([0, 0, 0, 0, 0, 4], [0, 1, 2, 3])):
        indptr, indices = np.array(indptr), np.array(indices)
        got = f(x, indptr, indices)
        np.testing.assert_allclose(got.toarray(), tg.jacfwd(edges)(x, indptr, indices), rtol=1e-14)
        assert got.nnz == 9                                         # each row: its own element, and those of its segment
    weights = np.array([1.0, 0, 0, 0, 0])
    g = tg.jacobian(lambda x: weights * x, sparse=True)
    assert g(x).nnz == 1
    weights[2] = 3.0
    np.testing.assert_array_equal(g(x).toarray(), np.diag(weights))
    assert g(x).nnz == 2


@pytest.mark.sweep(2, days=True)
def test_loops_of_unknown_length():
    def settle(x):
        while np.max(np.abs(x)) > 0.1:
            for i in range(1, x.size):
                x[i] = 0.5 * x[i] + 0.1 * x[i - 1]
            x[0] *= 0.5
        return x

    x = RNG.standard_normal(6)
    check(settle, x, entries=21)                                    # each on those before it

    def first(x):
        for i in range(x.size):
            if x[i] > 1:
                return x[i] * x[0]
        return 0.0

    check(first, np.linspace(0.1, 2, 6), entries=6)

    def collatz(x, n):
        k = 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            k += 1
        x[:k] = 0.0
        return x * x[4]

    check(collatz, x, 8, entries=8)                                 # an integer decides: 3 steps


@pytest.mark.parametrize("shape", [(0,), (1,), (2, 3), (0, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_dtypes(shape, dtype):
    x = RNG.standard_normal(shape).astype(dtype)
    got = tg.jacobian(lambda x: np.exp(x), sparse=True)(x)
    assert got.dtype == dtype and got.shape == (x.size, x.size)
    np.testing.assert_allclose(got.toarray(), np.diag(np.exp(x).ravel()), rtol=1e-6)


@pytest.mark.sweep(2, days=True)
def test_layouts_and_scalars():
    u = RNG.standard_normal((6, 5))
    want = check(laplacian, u).toarray()
    np.testing.assert_array_equal(tg.sparsity(laplacian)(np.asfortranarray(u)).toarray(), want)
    check(laplacian, RNG.standard_normal((12, 5))[::-2])
    assert tg.jacobian(lambda a: a * a, sparse=True)(3.0).toarray().tolist() == [[6.0]]
    assert tg.jacobian(lambda a, x: a * x, sparse=True)(3.0, np.ones(2)).toarray().tolist() == [[1.0], [1.0]]


def test_structures():
    def f(p, c):
        return {"a": np.sin(p["x"]) * c, "n": np.argmax(p["x"]), "b": (np.sum(p["x"]) * p["y"], p["y"] ** 2)}

    p, c = {"x": np.array([0.1, 1.2, 2.3]), "y": 2.0}, np.array([1.0, -2.0, 0.5])
    for mode in ("auto", "forward", "reverse"):
        sparse = tg.jacobian(f, argnums=(0, 1), sparse=True, mode=mode)(p, c)
        want = tg.jacfwd(f, argnums=(0, 1))(p, c)
        for key, below in (("a", 1), ("b", 2)):
            pairs = [(sparse[key], want[key])] if below == 1 else list(zip(sparse[key], want[key]))
            for s, w in pairs:
                for got, exact in ((s[0]["x"], w[0]["x"]), (s[0]["y"], w[0]["y"]), (s[1], w[1])):
                    np.testing.assert_allclose(got.toarray().ravel(), np.ravel(exact), rtol=1e-14)
        assert sparse["a"][0]["x"].nnz == 3 and sparse["a"][0]["y"].nnz == 0 and sparse["n"][1].nnz == 0


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", ["tridiagonal_solve", "csr_times_vector", "wave_steps", "views_write_through", "ldl_factor",
                                  "first_crossing", "newton_square_roots", "pieces"])
def test_cases(name):
    case = CASES[name]
    args = case.make(np.random.default_rng(0), 0)
    want = flat(tg.jacfwd(case.fn, case.wrt)(*copied(args)))
    for mode in ("forward", "reverse"):
        got = flat(tg.jacobian(case.fn, case.wrt, sparse=True, mode=mode)(*copied(args)))
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a.toarray().ravel(), np.ravel(b), rtol=1e-11, atol=1e-12 * np.max(np.abs(b), initial=1))


def flat(tree):
    return [leaf for part in tree for leaf in flat(part)] if isinstance(tree, (tuple, list)) else [tree]


def test_the_evaluator_gives_the_same():
    u = RNG.standard_normal((5, 6))
    want = tg.jacobian(laplacian, sparse=True)(u)
    with tg.disable_jit():
        got = tg.jacobian(laplacian, sparse=True)(u)
    np.testing.assert_array_equal(got.indices, want.indices)
    np.testing.assert_allclose(got.data, want.data, rtol=1e-14)


def moved(x, rng):
    if isinstance(x, np.ndarray):
        return (x + rng.standard_normal(x.shape)).astype(x.dtype)
    return float(x + rng.standard_normal())


@pytest.mark.parametrize("seed", range(300) if sweeps.FULL else (62, 67, 83, 95))
def test_random_programs(seed, tmp_path):
    """Sparse equals dense where the program runs, and the pattern holds for other floats too."""
    program = Writer(Source(seed=seed), seed % 3 != 0, 10).program()
    fn = loaded(program.text, tmp_path)
    f, sparse = (lambda *args: list(fn(*args))), (lambda *args: list(fn(*args)))
    try:
        want = flat(tg.jacfwd(f, program.wrt)(*program.args()))
        fn(*program.args())
    except Exception:                                               # what a program may raise is tested elsewhere
        return
    pattern = flat(tg.sparsity(sparse, program.wrt)(*program.args()))
    for mode in ("forward", "reverse"):
        got = flat(tg.jacobian(sparse, program.wrt, sparse=True, mode=mode)(*program.args()))
        for a, b, p in zip(got, want, pattern, strict=True):
            b = np.reshape(b, a.shape)
            assert np.all(p.toarray()[b != 0]), program.text
            if np.all(np.isfinite(b)):
                np.testing.assert_allclose(a.toarray(), b, rtol=1e-5 if b.dtype == np.float32 else 1e-9,
                                           atol=1e-8 * (1 + np.max(np.abs(b), initial=0)), err_msg=program.text)
    rng = np.random.default_rng(seed)
    others = [moved(x, rng) if k in program.wrt else x for k, x in enumerate(program.args())]
    try:
        elsewhere = flat(tg.jacfwd(f, program.wrt)(*others))
    except Exception:
        return
    for b, p in zip(elsewhere, pattern, strict=True):
        assert np.all(p.toarray()[np.reshape(b, p.shape) != 0]), program.text


# --- Hessians ------------------------------------------------------------------------------------------------------------


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def chained(x):
    total = 0.0
    for i in range(x.size - 2):
        total += np.sin(x[i] * x[i + 1]) + x[i + 2] ** 2
    return total


def spread_out(x):
    """An arrow: everything with the first."""
    return x[0] * np.sum(x[1:] ** 3) + x[0] ** 4


def check_hessian(f, x, entries=None, count=None):
    want = tg.hessian(f)(x).reshape(x.size, x.size)
    got = tg.hessian(f, sparse=True)(x)
    np.testing.assert_allclose(got.toarray(), want, rtol=1e-12, atol=1e-12 * np.max(np.abs(want), initial=1.0))
    assert got.nnz == (got.nnz if entries is None else entries)
    if count is not None:
        assert star(pattern_of(got)).number == count
    return got


@pytest.mark.sweep(2, days=True)
def test_hessians():
    x = RNG.standard_normal(30)
    np.testing.assert_allclose(check_hessian(rosenbrock, x, 88, 3).toarray(), rosen_hess(x), rtol=1e-10, atol=1e-9)
    check_hessian(chained, x, 86, 3)
    check_hessian(spread_out, x, 88, 2)
    check_hessian(lambda x: np.sum(x) * 3.0, x, 0)
    check_hessian(lambda x: np.sum(x) ** 2, x, 900)
    check_hessian(lambda x: np.sum(np.exp(x[::2])), x, 15)
    pairs = np.array([[0, 5], [5, 9], [9, 0], [20, 21]])
    check_hessian(lambda x: np.sum(np.cos(x[pairs[:, 0]] * x[pairs[:, 1]])), x, 5 + 8)


def relaxed(x):
    """Until all are small: what is kept for the way back are whole arrays, on a stack."""
    y = x * 1.0
    while np.max(np.abs(y)) > 0.1:
        y = 0.5 * np.sin(y)
    return np.sum(y**2)


def halved(x):
    a, b = x[:3] * 1.0, x[3:] * 1.0
    while np.sum(a) > 1.0:
        a = a * 0.5 * np.cos(a)
        b = b * b * 0.5
    return np.sum(a**2 * b)


def smoothed(x):
    """Neighbours meet once in each iteration: after an unknown number all depend on all before them."""
    y = x.copy()
    while np.max(np.abs(y)) > 0.2:
        y[1:] = 0.4 * np.sin(y[:-1])
        y[0] = 0.1 * y[0] ** 2
    return np.sum(y**2)


def helped(x):
    """Two stacks of one function, of arrays of different lengths."""
    def settle(y):
        while np.max(np.abs(y)) > 0.5:
            y = 0.7 * np.sin(y)
        return np.sum(y**3)

    return settle(x[:2] * 1.5) + settle(x[2:] * 1.0)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f, count", [(relaxed, 6), (halved, 12), (smoothed, None), (helped, 6)],
                         ids=["relaxed", "halved", "smoothed", "helped"])
def test_hessians_through_loops_of_unknown_length(f, count):
    """Values are those of the dense Hessian, and the pattern is that of what can meet in any number of iterations."""
    x = np.linspace(0.5, 2.0, 6)
    found = tg.hessian(f, sparse=True)(x)
    dense = tg.hessian(f)(x)
    np.testing.assert_allclose(found.toarray(), dense, rtol=1e-10, atol=1e-12)
    assert count is None or found.nnz == count
    assert np.count_nonzero(dense) <= found.nnz


def test_the_hessian_of_a_structure():
    def f(p):
        return np.sum(p["x"] ** 2 * p["y"]) + p["s"] * p["x"][0]

    p = {"x": np.array([1.0, 2.0]), "y": np.array([3.0, 4.0], np.float32), "s": 2.0}
    got, want = tg.hessian(f, sparse=True)(p), tg.hessian(f)(p)
    for a in "xys":
        for b in "xys":
            np.testing.assert_allclose(got[a][b].toarray().ravel(), np.ravel(want[a][b]), rtol=1e-6)
            assert got[a][b].dtype == want[a][b].dtype
    assert got["y"]["y"].nnz == 0 and got["x"]["y"].nnz == 2


# --- modes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.sweep(2, days=True)
def test_auto_compresses_what_is_sparse():
    u = RNG.standard_normal(300)
    for f in (residual, residual_by_loop):
        auto = tg.jacobian(f)
        np.testing.assert_allclose(auto(u), tg.jacfwd(f)(u), rtol=1e-14)
        assert auto.cache_info().currsize == 0                       # no program of the whole Jacobian was compiled
        np.testing.assert_array_equal(auto(u), tg.jacobian(f, mode="compressed")(u))
    dense = tg.jacobian(lambda x: np.cumsum(x * x))
    dense(u)
    assert dense.cache_info().currsize == 1
    small = tg.jacobian(residual)
    small(u[:20])
    assert small.cache_info().currsize == 1


def test_compressed_results_have_the_shapes_of_dense_ones():
    u = RNG.standard_normal((5, 6))
    np.testing.assert_allclose(tg.jacobian(laplacian, mode="compressed")(u), tg.jacfwd(laplacian)(u), rtol=1e-14)


def test_in_traced_code_auto_is_dense_and_patterns_are_refused():
    u = RNG.standard_normal(300)
    f = tg.jit(lambda u: np.sum(tg.jacobian(residual)(u) ** 2))
    assert f(u) == pytest.approx(np.sum(tg.jacfwd(residual)(u) ** 2), rel=1e-12)
    for operator in (tg.jacobian(residual, sparse=True), tg.jacobian(residual, mode="compressed"), tg.sparsity(residual)):
        with pytest.raises(tg.UnsupportedError, match="cannot be part of a compiled function"):
            tg.jit(lambda u, op=operator: op(u))(u)


def test_results_are_the_callers_own():
    f = tg.jacobian(residual, sparse=True)
    u = RNG.standard_normal(6)
    first = f(u)
    first.data[:] = 0.0
    first.indices[:] = 0
    np.testing.assert_allclose(f(u).toarray(), tg.jacfwd(residual)(u), rtol=1e-14)


def test_a_rule_is_what_the_pattern_is_of():
    @tg.custom_jvp
    def passed(x):
        return np.round(x)

    passed.defjvp(lambda primals, tangents: (np.round(primals[0]), tangents[0]))
    assert tg.sparsity(passed)(np.ones(3)).nnz == 3


@pytest.mark.parametrize("operator", [lambda f: tg.jacobian(f, sparse=True), tg.jacobian, tg.jacfwd, tg.sparsity])
def test_misuse(operator):
    with pytest.raises(TypeError, match=r"returns .*: a Jacobian of that has no size") as found:
        operator(lambda x: ())(np.ones(2))
    assert "return at least one array" in str(found.value)
    with pytest.raises(TypeError, match=r"the result\['how'\] is 'text'"):
        operator(lambda x: {"how": "text", "x": x})(np.ones(2))
    with pytest.raises(TypeError, match="argument n is a Python int"):
        operator(lambda n: n * 2.0)(3)
    with pytest.raises(TypeError, match="Jacobian of complex numbers"):
        operator(lambda z: z * 2)(1j * np.ones(2))
    with pytest.raises(ValueError, match="length is known only at run time") as found:
        operator(lambda x: x[x > 0])(np.ones(2))
    assert "return an array of a fixed length" in str(found.value)


# --- the parts -----------------------------------------------------------------------------------------------------------


def pattern_of(matrix) -> Pattern:
    return Pattern(matrix.shape, matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("density", [0.0, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (20, 30), (200, 170)])
def test_colorings_are_valid(shape, density):
    dense = RNG.random(shape) < density
    found = columns(pattern_of(csr_array(dense)))
    assert found.colors.min(initial=0) >= 0 and found.number == (found.colors.max() + 1 if found.colors.size else 0)
    for row in dense:
        seen = found.colors[row]
        assert len(set(seen)) == len(seen)
    square = dense[:, :shape[0]]
    both = np.zeros((shape[0], shape[0]), bool)
    both[:, :square.shape[1]] = square
    both |= both.T
    mirrored = pattern_of(csr_array(both))
    values = RNG.standard_normal(both.shape)
    values = (values + values.T) * both
    colored = star(mirrored)
    stacked = np.stack([values[:, colored.colors == c].sum(axis=1) for c in range(colored.number)])
    np.testing.assert_array_equal(stacked.ravel()[star_sources(mirrored, colored)], values[both])


def test_mirrored():
    got = Pattern((3, 3), np.array([0, 2, 2, 2]), np.array([1, 2])).mirrored()
    assert got.indptr.tolist() == [0, 2, 3, 4] and got.indices.tolist() == [1, 2, 0, 0]
    assert Pattern((0, 0), np.zeros(1, np.int64), np.empty(0, np.int64)).mirrored().indices.size == 0


def test_every_linear_op_has_a_row():
    """An op without one would make each of its results depend on everything: exact, but of no use."""
    linear = {name for name, d in OPS.items() if d.rule in ("linear", "bilinear") and not isinstance(d, Elementwise)}
    assert linear - set(transfer.ROWS) == set()
    assert transfer._any not in transfer.ROWS.values()
