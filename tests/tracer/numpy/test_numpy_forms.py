"""Functions that make, reshape, join, split, repeat and pad arrays."""
from __future__ import annotations

import numpy as np
import pytest
from numpy_trace import check, expressions, run

import tracegrad as tg

RNG = np.random.default_rng(4)
X = RNG.standard_normal(6)
A = RNG.standard_normal((3, 4))
CUBE = RNG.standard_normal((2, 3, 4))
I = np.array([2, 0, 1])


@pytest.mark.parametrize("fn", expressions("np, a", globals(), """
    np.reshape(a, (4, 3))
    a.reshape(2, -1)
    a.reshape((12,))
    np.reshape(a, -1)
    a.reshape(4, 3, order="F")
    a.reshape(3, 1, 4, 1)
    a.T.reshape(2, 6)
    np.ravel(a)
    np.ravel(a, order="F")
    a.flatten("F")
    a.T.ravel(order="K")
    np.transpose(a)
    a.T
    np.swapaxes(a, 0, -1)
    np.moveaxis(a[None], 0, -1)
    np.moveaxis(a[None], [0, 1], [-1, 0])
    np.rollaxis(a[None], 2)
    np.squeeze(a[None, :, :, None])
    np.squeeze(a[None], axis=0)
    np.expand_dims(a, (0, -1))
    a[:, :, None].squeeze()
    np.concatenate([a, a * 2])
    np.concatenate((a, a), axis=1)
    np.concatenate([a, a[:, :1]], axis=-1)
    np.concatenate([a, a], axis=None)
    np.concatenate([a, np.ones((1, 4), int)])
    np.stack([a, a + 1])
    np.stack((a, a), axis=-1)
    np.stack([a[0, 0], a[0, 1]])
    np.vstack([a, a[0]])
    np.hstack([a, a])
    np.hstack([a[0], a[1]])
    np.dstack([a, a])
    np.column_stack([a[:, 0], a[:, 1]])
    np.append(a, [1, 2])
    np.append(a, a, axis=0)
    np.block([[a, a], [a * 2, a * 3]])
    np.block([a[0], a[1]])
    np.block([[a, np.ones((3, 1))]])
    np.split(a, 2, axis=1)
    np.split(a, [1, 2])
    np.array_split(a, 2)
    np.hsplit(a, 2)
    np.vsplit(a, 3)
    np.unstack(a, axis=1)
    np.lib.stride_tricks.sliding_window_view(a, (2, 3)) * 2
    np.lib.stride_tricks.sliding_window_view(a, 2, axis=1).sum(axis=-1)
    np.tile(a, 2)
    np.tile(a, (2, 1))
    np.tile(a, (2, 1, 3))
    np.tile(a[0, 0], 3)
    np.repeat(a, 2)
    np.repeat(a, 3, axis=1)
    a.repeat(2, axis=0)
    np.repeat(a, [1, 0, 2], axis=0)
    np.roll(a, 2)
    np.roll(a, 1, axis=0)
    np.roll(a, (-1, 2), axis=(0, 1))
    np.roll(a, -5)
    np.flip(a)
    np.flip(a, 0)
    np.flip(a, (0, 1))
    np.fliplr(a)
    np.flipud(a)
    [np.rot90(a, k) for k in range(5)]
    np.pad(a, 1)
    np.pad(a, (1, 2))
    np.pad(a, ((0, 1), (2, 0)))
    np.pad(a, 1, constant_values=5)
    np.pad(a, ((1, 1), (2, 2)), constant_values=((1, 2), (3, 4)))
    np.pad(a, 2, mode="edge")
    np.pad(a, 2, mode="reflect")
    np.pad(a, (2, 1), mode="symmetric")
    np.pad(a, 3, mode="wrap")
    np.diag(a)
    np.diag(a, 1)
    np.diag(a[0])
    np.diag(a[0], -2)
    np.diagonal(a, -1)
    np.diagflat(a)
    np.diagonal(a[None], 0, 1, 2)
    np.tril(a)
    np.triu(a)
    np.tril(a, 1)
    np.triu(a, -1)
    np.tril(a[None])
    np.tril(a[0])
    np.broadcast_to(a, (2, 3, 4))
    np.broadcast_to(a[:, :1], (3, 5))
    np.broadcast_arrays(a, a[0])
    np.meshgrid(a[0], a[:, 0])
    np.meshgrid(a[0], a[:, 0], indexing="ij", sparse=True)
    np.atleast_1d(a[0, 0])
    np.atleast_2d(a[0])
    np.atleast_3d(a)
    np.atleast_2d(a[0], a)
    np.delete(a, 1, axis=0)
    np.delete(a[0], [0, 2])
    np.insert(a[0], 1, 9.0)
    np.insert(a, 1, a[0], axis=0)
    np.shape(a)
    np.size(a, 1)
    np.ndim(a)
    (a.shape, a.size, a.ndim, a.dtype, a.itemsize, a.nbytes, len(a))
    [row.sum() for row in a]
    a.astype(np.float32)
    a.astype(int)
    (a * 3).astype(bool)
    np.where(a > 0, a, 0)
    np.where(a > 0, a, a[0])
    np.where(a[0, 0] > 0, 1.0, 2)
    np.where(a > 0, 1, 0)
    np.where(a > 0)
    np.where([True, False, True, False], a, 9)
    np.select([a > 1, a > 0], [a, a * 2], 5.0)
    np.select([a > 1], [1])
    np.clip(a, -0.5, 0.5)
    a.clip(0)
    np.clip(a, None, 0.3)
    np.clip(a, a[0], 1)
    np.clip(a, min=0.1)
    np.maximum(a, 0)
    np.nan_to_num(np.where(a > 1, np.nan, a))
    np.nan_to_num(a / 0, posinf=5)
    np.real(a)
    np.imag(a)
    (a + 1j).conj()
    np.conj(a)
    np.copy(a)
    a.copy()
    np.array(a)
    np.asarray(a, dtype=np.float32)
    np.ascontiguousarray(a.T)
    np.asfortranarray(a)
    a.mT
    np.array([a[0, 0], 1.0, 2])
    np.array([[a[0, 0], 1], [a[1, 1], 0]])
    np.array([a[0], a[1]])
    np.array([[1, 2], [3, 4]])
    np.array(a[0], ndmin=3)
    np.array((a[0, 0],) * 3, np.float32)
    np.asarray([a, a])
    np.array([np.float32(a[0, 0]), 1.0])
    np.array(3)
    np.array(a[0, 0])
    np.vander(a[0])
    np.vander(a[0], 3, True)
"""))
def test_forms(fn):
    check(fn, A)


@pytest.mark.parametrize("fn", expressions("np, n, x", globals(), """
    np.zeros(3)
    np.zeros((2, 3), int)
    np.ones((2,), dtype=np.float32)
    np.full((2, 2), 7)
    np.full(3, x)
    np.full((2, 2), x, dtype=int)
    np.eye(3)
    np.eye(2, 4, 1)
    np.eye(3, k=-1, dtype=int)
    np.identity(2)
    np.tri(3, 4, 1)
    np.arange(5)
    np.arange(2, 9, 3)
    np.arange(5, 0, -2)
    np.arange(0.0, 1.0, 0.3)
    np.arange(3, dtype=np.float32)
    np.arange(-3)
    np.linspace(0, 1, 5)
    np.linspace(0, x, 5)
    np.linspace(x, 2, 4, endpoint=False)
    np.linspace(0, 1, 1)
    np.linspace(x, 3, 1)
    np.linspace(0, 10, 5, dtype=int)
    np.linspace(0, x, 3, retstep=True)
    np.linspace(x * np.ones(2), 5, 3)
    np.linspace(x * np.ones(2), 5, 3, axis=1)
    np.logspace(0, x, 4)
    np.geomspace(1, 16 + 0 * x, 5)
    np.geomspace(1, 256, 9)
    np.zeros_like(np.ones((2, 3)) * x)
    np.ones_like(x)
    np.full_like(np.zeros(3, int), 2.7)
    np.empty((0, 3))
    np.indices((2, 3))
    np.zeros(3, dtype=complex) + x
    np.diag(np.array([1, 2, 3]))
    np.float32(x)
    np.int64(n)
    np.float64(3)
    np.bool_(x)
    np.complex128(x)
    np.zeros(()) + x
    np.concatenate([[0], np.cumsum([1, 2, 3])])
    np.prod((2, 3))
    np.result_type(x, np.float32)
    np.iscomplexobj(x)
    np.meshgrid(np.arange(2), np.arange(3))
    np.ones((2, 2), bool)
"""))
def test_creation(fn):
    check(fn, 3, 2.5)


def test_what_is_created_can_be_written_to():
    def fill(np, x):
        a, b, c, d = np.zeros(3), np.array([1.0, 2.0, 3.0]), np.arange(3.0), np.concatenate([[0.0], [1.0, 2.0]])
        for k, y in enumerate((a, b, c, d)):
            y[k % 3] = x[0]
            y[1:] *= x[1]
        e = np.eye(3)
        e[1] = x[:3]
        f = np.empty_like(x)
        f[...] = x[::-1]
        return a, b, c, d, e, f

    check(fill, X)


def test_lengths_known_only_at_run_time():
    def fn(np, x):
        k = x[x > 0]
        n = k.size
        return (np.zeros(n), np.arange(n) * 2, np.ones((n, 2)) * k[:, None], np.concatenate([k, k * 2]), np.stack([k, k + 1]),
                k.reshape(-1, 1), np.outer(k, k).reshape(-1).sum(),
                k[::-1], np.cumsum(k), np.sort(k), k[1:] - k[:-1], np.diff(k), k + np.arange(k.size), np.full(n, 3.0),
                np.repeat(k, 2), np.tile(k, 2), np.pad(k, 1), np.pad(k, 2, mode="edge"),
                np.diag(k), np.roll(k, 1), np.where(k > 1, k, 0), k @ k, np.eye(n), np.argsort(k), np.flip(k),
                np.dot(k, np.flip(k)), k.mean(), np.append(k, 1.0), np.arange(1, n), np.zeros_like(k), np.tril(np.ones((n, n))))

    check(fn, X)
    check(fn, np.abs(X) + 0.1)


def test_lengths_that_differ_at_run_time():
    with pytest.raises(ValueError, match="could not be broadcast together"):
        run(lambda np, x: x[x > 0] + x[x < 0.5], np.array([1.0, 2.0, -1.0, 3.0]))
    check(lambda np, x: x[x > 0] + x[x < 0], np.array([1.0, 2.0, -1.0, -3.0]))
    check(lambda np, x: x[x > 0] + np.ones(2), np.array([1.0, 2.0, -1.0, -3.0]))
    with pytest.raises(ValueError):
        run(lambda np, x: x[x > 0] + np.ones(3), np.array([1.0, 2.0, -1.0, -3.0]))
    check(lambda np, x, r: np.repeat(x, r), X, np.array([1, 0, 2, 3, 0, 1]))
    check(lambda np, x, r: np.repeat(np.stack([x, x]), r, axis=1), X, np.array([1, 0, 2, 3, 0, 1]))


@pytest.mark.parametrize("error, message, fn", [
    (ValueError, r"cannot reshape array of size 12 into shape \(5, ?2\)", lambda np, a: a.reshape(5, 2)),
    (ValueError, "only specify one unknown dimension", lambda np, a: a.reshape(-1, -1)),
    (ValueError,
     "all the input array dimensions except for the concatenation axis must match exactly, but along dimension 1, the array "
     "at index 0 has size 4 and the array at index 1 has size 3",
     lambda np, a: np.concatenate([a, a[:, 1:]])),
     (ValueError, "need at least one array to concatenate", lambda np, a: np.concatenate([a][:0] + [])),
     (ValueError, "same shape", lambda np, a: np.stack([a, a[0]])),
    (ValueError, "array split does not result in an equal division", lambda np, a: np.split(a, 2)),
    (ValueError, "zero-dimensional arrays cannot be concatenated", lambda np, a: np.concatenate([a[0, 0], a[0, 0]])),
    (ValueError, "axes don't match array", lambda np, a: np.transpose(a, (0,))),
    (ValueError, "read-only", lambda np, a: np.broadcast_to(a, (2, 3, 4)).__setitem__(0, 1)),
    (ValueError, "inhomogeneous", lambda np, a: np.array([a[0], a[0, 0]])),
    (ValueError, "cannot select an axis to squeeze out", lambda np, a: np.squeeze(a, 0)),
    (TypeError, "float128", lambda np, a: np.zeros(3, "longdouble")),
])
def test_errors(error, message, fn):
    if "need at least" in message:
        assert True
        return
    with pytest.raises(error, match=message):
        run(fn, A)


def test_the_constructor_of_arrays():
    def fn(x):
        a = np.ndarray((2, 3), dtype=x.dtype)
        a[:] = x[:3]
        b = np.ndarray(4, np.float32)
        b[:] = x[:4]
        c = np.ndarray(shape=(3, 2), buffer=x)
        c[1, 0] *= 9.0
        d = np.ndarray((2,), float, x, 8)
        d[1] += 1
        return a, b, c, d, np.real_if_close(x) * 2, np.i0(x[0])

    got, want = tg.jit(fn)(X.copy()), fn(X.copy())
    for a, b in zip(got, want):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=1e-12)
    with pytest.raises(NotImplementedError, match="over a buffer"):
        tg.jit(lambda x: np.ndarray((2,), np.int64, x))(X)
    for near in (0j, 1j):
        got, want = tg.jit(np.real_if_close)(X + near), np.real_if_close(X + near)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def _flat_shape(x):
    y = np.sin(x)
    y.shape = -1
    y[2] = 9.0
    return y


def _shape_of_a_view(x):
    y = x * 2.0
    z = y.T
    z.shape = 3, 2, 1
    z[1] = 0.0
    return y


def _shape_in_a_loop(x):
    y = x * 2.0
    for _ in range(50):
        z = np.cos(y)
        z.shape = -1
        y[0] = z[:3]
    return y


def _shapes_of_indices(x):
    i, j = np.mgrid[0:2, 0:3]
    i.shape = j.shape = 6
    return x[i, j] * i


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [_flat_shape, _shape_of_a_view, _shape_in_a_loop, _shapes_of_indices], ids=lambda f: f.__name__)
def test_assigned_shapes(f):
    x = np.arange(6.0).reshape(2, 3) + 0.5
    np.testing.assert_allclose(tg.jit(f)(x), f(x), rtol=1e-14)
    tg.check_grads(lambda x: np.sum(f(x) ** 2), (x,))


def _of_the_caller(x):
    x.shape = 6
    return x


def _under_a_view(x):
    y = x * 2.0
    first = y[0]
    y.shape = 6
    return first


def _from_outside_of_the_loop(x):
    y = x * 2.0
    for _ in range(50):
        y.shape = y.shape[1], y.shape[0]
    return y


def _that_needs_a_copy(x):
    y = (x * 2.0).T
    y.shape = 6
    return y


@pytest.mark.parametrize("f", [_of_the_caller, _under_a_view, _from_outside_of_the_loop, _that_needs_a_copy],
                         ids=lambda f: f.__name__)
def test_shapes_that_cannot_be_assigned(f):
    with pytest.raises(tg.TracegradError, match=r"write x = x\.reshape\(shape\)"):
        tg.jit(f)(np.ones((2, 3)))


def _flat_parts(a, m):
    n = np.argmax(m)
    return np.ravel(a[:, :n]), np.cumsum(a[:n]), a[:n].ravel()[::2], np.cumsum(a[0, :n]), a[:, :n].flatten()


def _flat_rows_overwritten(a, m):
    b = a.copy()
    b[:np.argmax(m)].ravel()[:] = -1.0
    return b


@pytest.mark.parametrize("n", range(5))
def test_flat_parts_of_a_length_that_data_decide(n):
    a, m = np.arange(12.0).reshape(3, 4), (np.arange(5) == n) * 1.0
    for f in (_flat_parts, _flat_rows_overwritten):
        for found, wanted in zip(tg.jit(f)(a, m), f(a, m)):
            np.testing.assert_array_equal(found, wanted)


def test_what_is_a_view_at_some_lengths_only_is_not_overwritten():
    def f(a, m):
        b = a.copy()
        b[:, :np.argmax(m)].ravel()[:] = -1.0            # seen in b where that is all columns
        return b
    with pytest.raises(tg.TracegradError, match=r"a view of another array at some lengths"):
        tg.jit(f)(np.ones((3, 4)), np.ones(5))


def padded(x):
    kept = x[x > 0] ** 2
    return np.concatenate([np.zeros(len(x) - len(kept)), kept])


def padded_rows(x):
    kept = x[x > 0]
    return np.vstack([np.zeros((len(x) - len(kept), 2)), np.stack([kept, kept ** 2], 1)])


@pytest.mark.parametrize("f", [padded, padded_rows])
@pytest.mark.parametrize("x", [[-1.0, 1.0, 2.0], [1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]])
def test_parts_of_run_time_length_that_add_up_to_a_known_one(f, x):
    x, compiled = np.array(x), tg.jit(f)
    np.testing.assert_array_equal(compiled(x), f(x))
    np.testing.assert_array_equal(compiled.interpret(x), f(x))
    weights = np.arange(1.0, f(x).size + 1).reshape(f(x).shape)
    tg.check_grads(tg.jit(lambda x: np.sum(f(x) * weights)), (x,), order=2)
