"""float16: kept as halves, computed in float32 and rounded once for each op, as NumPy does."""
import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(5, 7)).astype(np.float16), RNG.normal(size=7).astype(np.float16)
EVERY = np.arange(65536, dtype=np.uint16).view(np.float16)
with np.errstate(all="ignore"):
    MIDDLES = (EVERY[1:].astype(float) + EVERY[:-1].astype(float)) / 2
    DOUBLES = np.concatenate([MIDDLES, np.nextafter(MIDDLES, 1), np.nextafter(MIDDLES, -1),
                              [65519.999, 65520, 1e300, -np.inf, np.nan, 5e-324, 2**-25, 2**-25 * (1 + 1e-15)]])


def loop(a):
    s, out = np.float16(0), np.zeros_like(a)
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            s += a[i, j]
            out[i, j] = s * a[i, j]
            a[i, j] += 1
    return s, out


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f, args", [
    (lambda a: (a + a * a - a / 3, a * 2, a**2, a**3, -a, abs(a), a % 0.7, a // 0.3), (A,)),
    (lambda a: (np.sin(a), np.exp(a), np.sqrt(abs(a)), np.log1p(abs(a)), np.floor(a), np.sign(a), np.hypot(a, a)), (A,)),
    (lambda a: (a.sum(), a.mean(), a.max(), a.argmax(), np.sum(a * a), a.mean(axis=1)), (A,)),
    (lambda a, b: (a + b, a @ b, np.dot(b, b), a > b, np.maximum(a, b), np.where(a > 0, a, b), a[1:, ::2].T), (A, B)),
    (lambda a: a.mean(), (np.full(9, 60000, np.float16),)),
    (lambda d: d.astype(np.float16), (DOUBLES,)),
    (lambda d: d.astype(np.float16), (DOUBLES.astype(np.float32),)),
    (lambda h: (h.astype(float), h.astype(np.float32), h * 1, np.isnan(h), h == h, h < 1), (EVERY,)),
    (lambda i: (i.astype(np.float16), np.sin(i)), (np.arange(-128, 128, dtype=np.int8),)),
    (lambda x: (x * 2, x + np.float32(1), x + 1.5, np.float16(3) * x), (np.float16(1.1),)),
    (lambda n: (np.zeros(n, np.float16), np.ones((n, 2), "f2") * 0.1, np.array([1.5, 2], "f2")), (3,)),
    (lambda a: (np.sort(a), np.argsort(a[0]), np.concatenate([a, a]), a + a.astype("f4"), a + np.arange(7)), (A,)),
    (loop, (A,)), (lambda a: a * 2, (A[::2, ::-1],)), (lambda a: a + 1, (A[:0],)),
])
def test_as_numpy(f, args):
    def own():
        return [np.copy(x, order="K") if isinstance(x, np.ndarray) else x for x in args]

    with np.errstate(all="ignore"):
        want = f(*own())
        jitted = tg.jit(f)
        for call in (jitted, jitted, jitted.interpret):
            got = call(*own())
            for w, g in zip(want, got, strict=True) if isinstance(want, tuple) else [(want, got)]:
                assert np.asarray(w).dtype == np.asarray(g).dtype
                np.testing.assert_array_equal(w, g)


def test_derivatives_are_float16():
    x = np.array([0.5, 1.0, 2.0], np.float16)
    found = tg.grad(lambda x: np.sum(np.sin(x) * x))(x)
    assert found.dtype == np.float16 and np.allclose(found, np.cos(x) * x + np.sin(x), rtol=5e-3)
    value, slope = tg.jvp(lambda x: np.sum(x * x), (x,), (np.ones_like(x),))
    assert value == np.sum(x * x) and slope == 7.0
