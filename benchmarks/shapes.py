"""Shapes of program that compilers find hard, each in several variants and sizes, beside every peer that is installed.

    python benchmarks/shapes.py [part of a name …] [--budget SECONDS]

Times are processor time of one thread, the least of interleaved runs. A ratio above 1 means that tracegrad is faster than that
peer. Value and gradient: `grad` rows time `tg.value_and_grad` of a sum of squares, beside JAX's and beside the value itself.
"""
from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import numpy as np  # noqa: E402

import tracegrad as tg  # noqa: E402


class Shape(NamedTuple):
    """fn: the program; make(rng, n): its arguments at a size; numpy: whether NumPy runs it at a sensible speed; numba: whether
    Numba may take it; jax: the program as a JAX user writes it, or None; wrt: what gradients are by."""

    fn: Callable
    make: Callable
    sizes: tuple[int, ...]
    numpy: bool = True
    numba: bool = True
    jax: Callable | None = None
    wrt: tuple[int, ...] = ()


SHAPES: dict[str, Shape] = {}


def shape(make, *sizes, **about):
    def note(fn):
        SHAPES[fn.__name__] = Shape(fn, make, sizes, **about)
        return fn
    return note


# --- histograms --------------------------------------------------------------------------------------------------------

@shape(lambda rng, n: (rng.normal(size=n),), 1000, 100_000, 2_000_000)
def histogram_of_data(x):
    return np.histogram(x, 64)[0]


@shape(lambda rng, n: (rng.normal(size=n),), 1000, 100_000, 2_000_000)
def histogram_in_range(x):
    return np.histogram(x, bins=100, range=(-2.0, 2.0))[0]


@shape(lambda rng, n: (rng.normal(size=n), np.linspace(-3, 3, 65)), 1000, 100_000, 2_000_000)
def histogram_by_edges(x, edges):
    return np.histogram(x, edges)[0]


@shape(lambda rng, n: (np.sort(rng.normal(size=200)), rng.normal(size=n)), 1000, 100_000)
def searched(grid, x):
    return np.searchsorted(grid, x)


@shape(lambda rng, n: (rng.integers(0, 300, n), rng.random(n)), 1000, 100_000)
def counted_weights(k, w):
    return np.bincount(k, weights=w, minlength=300)


@shape(lambda rng, n: (rng.normal(size=n), -2.0, 25.0), 1000, 100_000, 2_000_000, numpy=False)
def histogram_by_hand(x, low, scale):
    h = np.zeros(100, np.int64)
    for v in x:
        k = int((v - low) * scale)
        if 0 <= k < 100:
            h[k] += 1
    return h


@shape(lambda rng, n: (rng.random(n), rng.random(n)), 1000, 100_000, numpy=False)
def histogram_of_pairs(x, y):
    h = np.zeros((50, 50))
    for i in range(x.size):
        h[int(x[i] * 50), int(y[i] * 50)] += 1.0
    return h


# --- symmetric products ------------------------------------------------------------------------------------------------

def matrix(rng, n):
    return (rng.normal(size=(3 * n, n)),)


@shape(matrix, 10, 100, 400, jax=lambda a: a.T @ a, wrt=(0,))
def gram(a):
    return a.T @ a


@shape(matrix, 10, 100, 300)
def outer_gram(a):
    return a @ a.T


@shape(lambda rng, n: (rng.normal(size=(3 * n, n)).astype(np.float32),), 100, 400)
def gram_of_floats(a):
    return a.T @ a


@shape(matrix, 10, 100, 400, numba=False)
def covariance(a):
    return np.cov(a, rowvar=False)


@shape(matrix, 10, 100, 400, numba=False)
def centred_gram(a):
    c = a - a.mean(axis=0)
    return c.T @ c / (a.shape[0] - 1)


# --- rows --------------------------------------------------------------------------------------------------------------

def _jax_logsumexp(x):
    import jax.numpy as jnp
    m = jnp.max(x, axis=1, keepdims=True)
    return jnp.log(jnp.sum(jnp.exp(x - m), axis=1)) + m[:, 0]


@shape(lambda rng, n: (rng.normal(size=(n, 100)),), 10, 1000, 20_000, numba=False, jax=_jax_logsumexp, wrt=(0,))
def logsumexp_of_rows(x):
    m = np.max(x, axis=1, keepdims=True)
    return np.log(np.sum(np.exp(x - m), axis=1)) + m[:, 0]


def _jax_softmax(x):
    import jax.numpy as jnp
    e = jnp.exp(x - jnp.max(x, axis=1, keepdims=True))
    return e / jnp.sum(e, axis=1, keepdims=True)


@shape(lambda rng, n: (rng.normal(size=(n, 100)),), 10, 1000, 20_000, numba=False, jax=_jax_softmax, wrt=(0,))
def softmax_of_rows(x):
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


@shape(lambda rng, n: (1.5, rng.normal(size=n), rng.normal(size=n)), 1000, 100_000, 4_000_000, jax=lambda a, x, y: a * x + y,
       wrt=(1, 2))
def axpy(a, x, y):
    return a * x + y


@shape(lambda rng, n: (rng.normal(size=(n, 300)),), 10, 300, 10_000, jax=lambda a: a.sum(axis=0), wrt=(0,))
def column_sums(a):
    return a.sum(axis=0)


@shape(lambda rng, n: (rng.normal(size=(n, n)), rng.normal(size=n)), 50, 500, 2000, jax=lambda a, x: a @ x, wrt=(0, 1))
def matrix_vector(a, x):
    return a @ x


# --- loops of dots -----------------------------------------------------------------------------------------------------

@shape(lambda rng, n: (rng.normal(size=(n, n)) / n, rng.normal(size=(n, n))), 20, 100, 300, numpy=False, wrt=(0, 1))
def triangular_dots(a, b):
    n = a.shape[0]
    b = b.copy()
    for i in range(n):
        for j in range(n):
            b[i, j] += a[i + 1:, i] @ b[i + 1:, j]
    return b


@shape(lambda rng, n: (rng.normal(size=(n, n)) + 2 * n * np.eye(n),), 20, 100, 200, numpy=False, wrt=(0,))
def cholesky_by_dots(a):
    n = a.shape[0]
    low = np.zeros((n, n))
    for j in range(n):
        low[j, j] = np.sqrt(a[j, j] - low[j, :j] @ low[j, :j])
        for i in range(j + 1, n):
            low[i, j] = (a[i, j] - low[i, :j] @ low[j, :j]) / low[j, j]
    return low


@shape(lambda rng, n: (rng.normal(size=(n, n)) + 2 * n * np.eye(n),), 20, 120, numpy=False, wrt=(0,))
def cholesky_by_elements(a):
    a = a.copy()
    for i in range(a.shape[0]):
        for j in range(i):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]
        for k in range(i):
            a[i, i] -= a[i, k] * a[i, k]
        a[i, i] = np.sqrt(a[i, i])
    return a


@shape(lambda rng, n: (rng.normal(size=(3 * n // 2, n)),), 20, 80, numpy=False, wrt=(0,))
def reflections(a):
    a, (m, n) = a.copy(), a.shape
    v = np.zeros(m)
    for k in range(n):
        size = 0.0
        for i in range(k, m):
            size += a[i, k] * a[i, k]
            v[i] = a[i, k]
        v[k] += np.sqrt(size) if a[k, k] > 0 else -np.sqrt(size)
        vv = 0.0
        for i in range(k, m):
            vv += v[i] * v[i]
        for j in range(k, n):
            t = 0.0
            for i in range(k, m):
                t += v[i] * a[i, j]
            t = 2.0 * t / vv
            for i in range(k, m):
                a[i, j] -= t * v[i]
    return a


@shape(lambda rng, n: (np.arange(0, 20 * n + 1, 20), rng.integers(0, n, 20 * n), rng.normal(size=20 * n), rng.normal(size=n)),
       100, 2000, numpy=False, wrt=(2, 3))
def sparse_product(rows, columns, values, x):
    y = np.empty(rows.size - 1)
    for i in range(rows.size - 1):
        s = 0.0
        for k in range(rows[i], rows[i + 1]):
            s += values[k] * x[columns[k]]
        y[i] = s
    return y


@shape(lambda rng, n: (rng.normal(size=(2 * n, n)),), 10, 50, 200, wrt=(0,))
def gram_schmidt(a):
    q = a.copy()
    n = a.shape[1]
    for j in range(n):
        q[:, j] /= np.sqrt(q[:, j] @ q[:, j])
        for k in range(j + 1, n):
            q[:, k] -= (q[:, j] @ q[:, k]) * q[:, j]
    return q


@shape(lambda rng, n: (0.5 ** np.arange(n) + np.eye(1, n)[0],), 20, 200, 1000, wrt=(0,))
def levinson(r):
    n = r.size - 1
    a = np.zeros(n)
    e = r[0]
    for k in range(n):
        g = (r[k + 1] - a[:k] @ r[k:0:-1]) / e
        a[:k] = a[:k] - g * a[:k][::-1]
        a[k] = g
        e = e * (1.0 - g * g)
    return a


# --- grids and sweeps --------------------------------------------------------------------------------------------------

@shape(lambda rng, n: (rng.normal(size=(n, n)), rng.normal(size=(n, n))), 30, 200, 1000, wrt=(0,))
def gray_scott(u, v):
    lu = np.roll(u, 1, 0) + np.roll(u, -1, 0) + np.roll(u, 1, 1) + np.roll(u, -1, 1) - 4 * u
    lv = np.roll(v, 1, 0) + np.roll(v, -1, 0) + np.roll(v, 1, 1) + np.roll(v, -1, 1) - 4 * v
    r = u * v * v
    return u + 0.16 * lu - r + 0.06 * (1 - u) + v + 0.08 * lv + r - 0.1 * v


@shape(lambda rng, n: (rng.normal(size=(n, n)),), 20, 100, 500, numpy=False, wrt=(0,))
def gauss_seidel(u):
    u = u.copy()
    for _ in range(4):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])
    return u


@shape(lambda rng, n: (rng.normal(size=n), 50), 100, 1000, 20_000, wrt=(0,))
def heat_in_time(u, steps):
    for _ in range(50):
        u[1:-1] = u[1:-1] + 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u


def _jax_recurrence(x, a):
    import jax
    import jax.numpy as jnp

    def step(s, v):
        s = jnp.tanh(a * s + v)
        return s, s
    return jax.lax.scan(step, 0.0, x)[1]


@shape(lambda rng, n: (rng.normal(size=n), 0.9), 100, 10_000, 200_000, numpy=False, jax=_jax_recurrence, wrt=(0,))
def tanh_recurrence(x, a):
    out = np.empty(x.size)
    s = 0.0
    for i in range(x.size):
        s = np.tanh(a * s + x[i])
        out[i] = s
    return out


@shape(lambda rng, n: (rng.normal(size=n), 0.9), 100, 10_000, 200_000, numpy=False, wrt=(0,))
def sigmoid_recurrence(x, a):
    out = np.empty(x.size)
    s = 0.0
    for i in range(x.size):
        s = 1.0 / (1.0 + np.exp(-(a * s + x[i])))
        out[i] = s
    return out


# --- integers ----------------------------------------------------------------------------------------------------------

@shape(lambda rng, n: (rng.integers(0, 4, n), rng.integers(0, 4, n)), 50, 500, 2000, numpy=False)
def alignment(a, b):
    f = np.zeros((a.size + 1, b.size + 1), np.int64)
    for i in range(1, a.size + 1):
        for j in range(1, b.size + 1):
            best = f[i - 1, j - 1] + (2 if a[i - 1] == b[j - 1] else -1)
            best = max(best, f[i - 1, j] - 1)
            best = max(best, f[i, j - 1] - 1)
            f[i, j] = max(best, 0)
    return f


@shape(lambda rng, n: (rng.integers(0, 4, n),), 30, 100, 300, numpy=False)
def folding(s):
    n = s.size
    d = np.zeros((n, n), np.int64)
    for span in range(1, n):
        for i in range(n - span):
            j = i + span
            best = max(d[i + 1, j], d[i, j - 1])
            if s[i] + s[j] == 3:
                best = max(best, d[i + 1, j - 1] + 1)
            for k in range(i + 1, j):
                best = max(best, d[i, k] + d[k + 1, j])
            d[i, j] = best
    return d[0, n - 1]


@shape(lambda rng, n: (rng.integers(0, 256, n).astype(np.uint32),), 1000, 100_000, numpy=False)
def crc(data):
    c = np.uint32(0xFFFFFFFF)
    for k in range(data.size):
        c = c ^ data[k]
        for _ in range(8):
            c = (c >> np.uint32(1)) ^ np.uint32(0xEDB88320) if c & np.uint32(1) else c >> np.uint32(1)
    return c


@shape(lambda rng, n: (rng.integers(0, 1 << 40, n),), 1000, 100_000, numpy=False)
def set_bits(a):
    count = 0
    for i in range(a.size):
        x = a[i]
        while x:
            x &= x - 1
            count += 1
    return count


@shape(lambda rng, n: (rng.random((n, 3)),), 50, 600, numpy=False)
def nearest(x):
    out = np.zeros(x.shape[0], np.int64)
    for i in range(x.shape[0]):
        least, place = 1e300, -1
        for j in range(x.shape[0]):
            if j != i:
                d = (x[i, 0] - x[j, 0]) ** 2 + (x[i, 1] - x[j, 1]) ** 2 + (x[i, 2] - x[j, 2]) ** 2
                if d < least:
                    least = d
                    place = j
        out[i] = place
    return out


@shape(lambda rng, n: (np.linspace(-2, 1, n)[None, :] + 1j * np.linspace(-1, 1, n)[:, None],), 20, 200)
def escape_time(c):
    z = np.zeros_like(c)
    count = np.zeros(c.shape, np.int64)
    for _ in range(50):
        inside = np.abs(z) <= 2
        z = np.where(inside, z * z + c, z)
        count = count + inside
    return count


@shape(lambda rng, n: (rng.normal(size=1 << n) + 0j,), 6, 12, 16, numba=False)
def fft_by_stages(x):
    n = x.size
    y = x.reshape(n, 1)
    while y.shape[0] > 1:
        half = y.shape[0] // 2
        even, odd = y[:half], y[half:]
        turn = np.exp(-1j * np.pi * np.arange(y.shape[1]) / y.shape[1])
        y = np.concatenate([even + turn * odd, even - turn * odd], axis=1)
    return y[0]


# --- measuring ---------------------------------------------------------------------------------------------------------

def least(calls: dict, budget: float) -> dict:
    """For each name the least processor time of a call, by runs of about 0.2 ms in turn."""
    best, repeats = dict.fromkeys(calls, float("inf")), {}
    for name, call in calls.items():
        call()
        begin = time.process_time()
        call()
        repeats[name] = max(1, int(2e-4 / max(time.process_time() - begin, 1e-9)))
    start, rounds = time.perf_counter(), 0
    while rounds < 3 or (time.perf_counter() - start < budget and rounds < 1000):
        rounds += 1
        for name, call in calls.items():
            begin = time.process_time()
            for _ in range(repeats[name]):
                call()
            best[name] = min(best[name], (time.process_time() - begin) / repeats[name])
    return best


def by_numba(fn, args):
    try:
        import numba
        compiled = numba.njit(fn)
        compiled(*copies(args))
        return compiled
    except Exception:                      # what it does not take is not compared
        return None


def by_jax(fn, args, wrt=None):
    try:
        import jax
    except ImportError:
        return None
    jax.config.update("jax_enable_x64", True)
    value = (lambda *a: 0.5 * (fn(*a) ** 2).sum()) if wrt is not None else fn
    compiled = jax.jit(jax.value_and_grad(value, argnums=wrt) if wrt is not None else value)
    held = [jax.numpy.asarray(a) for a in args]
    return lambda: jax.block_until_ready(compiled(*held))


def copies(args):
    return [a.copy() if isinstance(a, np.ndarray) else a for a in args]


def loss(fn):
    return lambda *args: 0.5 * np.sum(fn(*args) ** 2)


def line(name: str, times: dict) -> str:
    ours = times["tracegrad"]
    peers = "  ".join(f"{k} {t / ours:6.2f}x" for k, t in times.items() if k != "tracegrad")
    return f"{name:40s} {ours * 1e6:12.1f} us   {peers}"


def measure(name: str, row: Shape, budget: float) -> None:
    for n in row.sizes:
        args = row.make(np.random.default_rng(0), n)
        ours = tg.jit(row.fn)
        calls = {"tracegrad": lambda: ours(*args)}
        if row.numpy:
            calls["numpy"] = lambda: row.fn(*args)
        if row.numba and (numba := by_numba(row.fn, args)):
            calls["numba"] = lambda: numba(*args)
        if row.jax and (jax := by_jax(row.jax, args)):
            calls["jax"] = jax
        print(line(f"{name} {n}", least(calls, budget)), flush=True)
        if row.wrt:
            gradient, primal = tg.value_and_grad(loss(row.fn), argnums=row.wrt), tg.jit(loss(row.fn))
            calls = {"tracegrad": lambda: gradient(*args), "value": lambda: primal(*args)}
            if row.jax and (jax := by_jax(row.jax, args, row.wrt)):
                calls["jax"] = jax
            print(line(f"{name} {n} grad", least(calls, budget)), flush=True)


def main(words: list[str]) -> None:
    warnings.simplefilter("ignore")
    budget = 0.5
    if "--budget" in words:
        at = words.index("--budget")
        budget = float(words[at + 1])
        del words[at:at + 2]
    for name, row in SHAPES.items():
        if not words or any(word in name for word in words):
            measure(name, row, budget)


if __name__ == "__main__":
    main(sys.argv[1:])
