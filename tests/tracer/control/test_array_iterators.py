"""np.nditer in compiled functions, and what else asks for the order of elements in memory."""
import numpy as np
import pytest

import tracegrad as tg

A = np.arange(6.0).reshape(2, 3) + 1.0


def taken(x):
    out = []
    for v in np.nditer(x):
        out.append(v * 1.0)
    return np.array(out)


def of_views(x):
    return taken(x.T) - 2 * taken(x[::-1]) + 3 * taken(x[:, ::-1].T) + taken(np.swapaxes(x[:, :, None], 0, 1))


def of_axes(x):
    return [float(v) for v in np.nditer(x, order="F")] + [float(v) for v in np.nditer(x.T, order="C")]


def broadcast(x):
    s = 0.0
    for p, q in np.nditer([x, x[0]]):
        s = 0.9 * s + p * q * q
    return s


def written(x):
    y = x.T.copy("F")
    with np.nditer(y, op_flags=["readwrite"]) as it:
        for v in it:
            if v > 2.5:
                v[...] = v * v
            else:
                v += 1
    return np.sum(y * y)


def written_beside(x):
    r = np.empty_like(x)
    it = np.nditer([x, r], flags=["multi_index"], op_flags=[["readonly"], ["writeonly"]])
    for p, q in it:
        q[...] = p * p * it.multi_index[1] * it.itersize
    return np.sum(r * x)


def by_hand(x):
    it = np.nditer(x.T, flags=["multi_index"], op_flags=["readwrite"])
    s = 0.0
    while not it.finished:
        i, j = it.multi_index
        it[0] = it[0] * it[0]
        s = s * 0.9 + it[0] * (i + 2 * j)
        it.iternext()
    return s


def left_early(x):
    s = 0.0
    for v in np.nditer(x[x > 1.5]):
        if v > 4.5:
            break
        s = 0.5 * s + v * v
    return s


@pytest.mark.parametrize("f", [taken, of_views, of_axes, broadcast, written, written_beside, by_hand, left_early])
def test_as_numpy(f):
    for x in (A, A[:1, :1], A[:, :1].copy()):
        want = f(x.copy()) if f is not left_early or x.max() > 1.5 else None
        if want is not None:
            np.testing.assert_allclose(tg.jit(f)(x.copy()), want)
    if f in (broadcast, written, written_beside, left_early):
        steps = [np.reshape(d, A.shape) * 1e-6 for d in np.eye(A.size)]
        want = np.reshape([(f(A + d) - f(A - d)) / 2e-6 for d in steps], A.shape)
        np.testing.assert_allclose(tg.grad(f)(A), want, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(tg.jvp(f, (A,), (np.ones_like(A),))[1], np.sum(want), rtol=1e-6)


def read_only(x):
    for v in np.nditer(x):
        v[...] = 1.0


def twice(x):
    it = np.nditer(x)
    return [v * 1.0 for v in it] + [v * 2.0 for v in it]


@pytest.mark.parametrize("f, x, message", [
    (read_only, A, "read-only"), (taken, A[:0], "zero-sized operands"), (twice, A, "an iterator goes on here"),
    (lambda x: [v.sum() for v in np.nditer(x, flags=["external_loop"])], A, "'external_loop' of np.nditer"),
    (lambda x: next(np.nditer(x)), A, r"next\(\) of np.nditer"),
    (lambda x: list(np.nditer([x, None])), A, "allocates an operand"),
    (lambda x: list(np.nditer(x, op_flags=["nbo"])), A, "'nbo' in op_flags"),
])
def test_refusals(f, x, message):
    with pytest.raises(tg.TracegradError, match=message):
        tg.jit(f)(x)


@pytest.mark.parametrize("f", [
    lambda x: x.ravel("K"), lambda x: x.flatten("K"), lambda x: x.ravel("A"), lambda x: np.reshape(x, 6, order="A"),
    lambda x: np.array(x.copy("A").strides), lambda x: np.array(x.copy("K").strides),
    lambda x: (x + 1).ravel("K"), lambda x: (x * 2).strides[0], lambda x: np.zeros_like(x).flags.f_contiguous, taken])
def test_order_in_memory(f):
    """Where the order of an argument decides, there is a program for each."""
    compiled, double = tg.jit(f), np.repeat(A, 2, axis=0)
    for x in (A, np.asfortranarray(A), double[::2], double[::-2], np.broadcast_to(A[0], A.shape), A):
        np.testing.assert_array_equal(compiled(x), f(x))
        np.testing.assert_array_equal(compiled.interpret(x), f(x))
