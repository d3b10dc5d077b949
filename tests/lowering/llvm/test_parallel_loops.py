"""Parallel loops: the same bits for any number of threads and any order of chunks, with every loop that can be spread."""
import threading
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from tracegrad.ir.thresholds import sizes
from tracegrad.lowering.native import threads

import tracegrad as tg


@pytest.fixture(autouse=True)
def restored():
    with sizes.at(parallel=0, grain=0):
        yield
    threads.use(None)
    threads._module()
    threads.shuffle(0)


def elementwise(x, y):
    return np.exp(-x * x) / (1.0 + y) + np.where(x > 0.5, x, y)


def reductions(x, y):
    return (x * y).sum() + x.max() - y.min() + np.prod(1.0 + 0.1 * x)


def rows(x, y):
    a = np.add.outer(x, y)
    return a / np.sqrt((a * a).sum(axis=1, keepdims=True) + 1.0)


def written_by_hand(x, y):
    out = np.zeros(len(x))
    for i in range(len(x)):
        s = 0.0
        for j in range(i, len(x)):
            s += np.sin(x[i] - y[j])
        out[i] = s
    return out


def gathers(x, y):
    k = np.array([3, 1, 3, 0, 2] * 4)
    out = np.empty(20)
    for i in range(20):
        out[i] = x[k[i]] * y[i] ** 2
    return out


def scatters(x, y):
    out = np.zeros(5)
    np.add.at(out, np.array([3, 1, 3, 0, 2] * 4), x[:20] * y[:20])
    return out * out


def neighbours(x, y):
    out = x.copy()
    for i in range(1, len(x) - 1):
        out[i] = x[i - 1] - 2.0 * x[i] * y[i] + x[i + 1]
    return out


def symmetric(x, y):
    n = 6
    a = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            a[i, j] = x[i] * y[j]
            a[j, i] = a[i, j]
    return a


def steps(x, y):
    for _ in range(3):
        x = x + 0.1 * np.tanh(y * x)
    return x


def buffers(x, y):
    out = np.zeros(len(x))
    for i in range(len(x)):
        row = np.zeros(7)
        for j in range(7):
            row[j] = x[i] * j
        for j in range(1, 7):
            row[j] += row[j - 1] * y[i]
        out[i] = row @ row
    return out


def counted(x, y):
    n = 0
    for i in range(len(x)):
        if x[i] > y[i]:
            n += 1
    return x * n


def masked(x, y):
    z = x[x > 0.3]
    return np.exp(z).sum() + (z * z).max()


def batched(x, y):
    def flight(p):
        v, h = p, 1.0
        for _ in range(5):
            v = v - 0.1 * v * abs(v) - 0.02
            h = h + 0.1 * v
        return h
    return tg.vmap(flight)(x + y)


def waves(x, y):
    out = np.empty((len(x), 20))
    for i in range(len(x)):
        before, now = np.zeros(20), x[i] * np.ones(20)
        for _ in range(3):
            after = 2.0 * now - before
            after[1:-1] += 0.1 * y[i] * (now[2:] - 2.0 * now[1:-1] + now[:-2])
            before, now = now, after
        out[i] = now
    return out


def energy(x, y):
    e, n = 0.0, 0.0
    for i in numba.prange(len(x)):
        for j in range(len(y)):
            if i != j:
                e += np.exp(-(x[i] - y[j]) ** 2)
        n = n - 0.5 * x[i]
    return e + n


# program: how many loops share threads in the program and in its gradient at least
PROGRAMS = {elementwise: (1, 1), reductions: (1, 1), rows: (1, 1), written_by_hand: (1, 1), gathers: (1, 0), scatters: (0, 1),
            neighbours: (1, 1), symmetric: (1, 1), steps: (1, 1), buffers: (1, 1), counted: (2, 1), masked: (1, 1),
            batched: (1, 1), waves: (1, 1), energy: (1, 1)}


def bits(results):
    return [np.asarray(r).tobytes() for r in results]


@pytest.mark.sweep(6)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_bits_do_not_depend_on_threads_or_order(program, kind):
    x, y = np.random.default_rng(3).random((2, 24)).astype(kind)
    value, gradient = tg.jit(program), tg.grad(lambda x, y: (program(x, y) * 1.5).sum(), argnums=(0, 1))
    for f, least in zip((value, gradient), PROGRAMS[program]):
        assert f.lower(x, y).text("loops").count("parallel for") >= least
    results = []
    for count in (1, 2, 3, 5):
        threads.use(count)
        results.append(bits([value(x, y), *gradient(x, y)]))
    for seed in (1, 2, 7):
        threads.shuffle(seed)
        results.append(bits([value(x, y), *gradient(x, y)]))
    assert all(r == results[0] for r in results)
    tolerance = dict.fromkeys(("rtol", "atol"), 1e-4 if kind is np.float32 else 1e-12)
    if program is not batched:
        np.testing.assert_allclose(value(x, y), program(x.copy(), y.copy()), **tolerance)
    for got, expected in zip(gradient(x, y), gradient.interpret(x, y)):
        np.testing.assert_allclose(got, expected, **tolerance)


def serial(x, y, n):
    for i in range(n):
        x[i] = x[i] + y[i]
    s = 0.0
    for i in range(n):
        s += x[i] * x[i]
    t = x[0]
    for i in range(1, n):
        t = np.sin(t) + x[i]
        x[i] = x[i - 1] * 0.5
    return s + t + x.sum()


def test_lengths_known_at_run_time_and_what_stays_serial():
    f = tg.jit(serial)
    rng = np.random.default_rng(0)
    for size in (1, 5, 40):
        x, y = rng.random((2, size))
        expected = serial(x.copy(), y, size)
        for count in (1, 3):
            threads.use(count)
            np.testing.assert_allclose(f(x.copy(), y, size), expected, rtol=1e-13)
    found = tg.explain(serial, rng.random(40), rng.random(40), 40)
    assert any("its sum keeps its order" in note.text for note in found.of("serial"))
    assert any("is carried from one iteration" in note.text for note in found.of("serial"))
    assert any("independent" in note.text for note in found.of("parallel"))


def inner(x, n, m):
    a = np.zeros(len(x))
    for t in range(m):
        for i in range(n):
            a[i] = a[i] * 0.5 + np.cos(x[i] + t)
    return a


@pytest.mark.sweep(2)
@pytest.mark.parametrize("limits", [{"parallel": 0, "grain": 0}, {"parallel": 300, "grain": 30}])
def test_inner_loops_of_lengths_known_at_run_time(limits):
    rng = np.random.default_rng(0)
    with sizes.at(**limits):
        f, g = tg.jit(inner), tg.grad(lambda x, n, m: inner(x, n, m).sum())
        for n, m in ((3, 4), (40, 3), (0, 2), (1, 1), (64, 2)):
            x = rng.random(64)
            for count in (1, 3):
                threads.use(count)
                np.testing.assert_allclose(f(x, n, m), inner(x, n, m), rtol=1e-13)
                np.testing.assert_allclose(g(x, n, m), g.interpret(x, n, m), rtol=1e-12)
        text = f.lower(x, 5, 5).text("llvm")
        f.cache_clear()
        g.cache_clear()
    assert "threads.launch" in text


def roots(x):
    out = np.empty(len(x))
    for i in range(len(x)):
        if x[i] < 0.0:
            raise ValueError(f"negative: {x[i]}")
        out[i] = np.sqrt(x[i])
    return out


def test_the_first_failure_is_reported():
    f = tg.jit(roots)
    x = np.arange(90.0)
    assert "parallel for" in f.lower(x).text("loops")
    x[[17, 50, 71, 88]] = -1.0, -2.0, -3.0, -4.0
    for count in (1, 2, 5):
        threads.use(count)
        for _ in range(20):
            with pytest.raises(ValueError, match=r"negative: -1\.0"):
                f(x)
    for seed in range(1, 9):
        threads.shuffle(seed)
        with pytest.raises(ValueError, match=r"negative: -1\.0"):
            f(x)


def overwritten(x):
    for i in range(len(x)):
        if x[i] < 0.0:
            raise ValueError("negative")
        x[i] = 1.0


def test_a_failure_leaves_the_argument_as_python_does():
    x = np.ones(30) * 2.0
    x[11] = -1.0
    expected = x.copy()
    with pytest.raises(ValueError):
        overwritten(expected)
    with pytest.raises(ValueError):
        tg.jit(overwritten)(x)
    np.testing.assert_array_equal(x, expected)


def test_many_python_threads_call():
    f = tg.value_and_grad(lambda x: reductions(x, x[::-1]))
    x = np.random.default_rng(1).random(50)
    expected = bits(f(x))
    threads.use(3)
    with ThreadPoolExecutor(5) as pool:
        assert all(r == expected for r in pool.map(lambda _: bits(f(x)), range(200)))


def test_the_option_holds_for_a_block_and_its_thread():
    seen = []
    with tg.config(threads=1):
        assert threads._call("allowed") == 1 and tg.config.threads == 1
        other = threading.Thread(target=lambda: seen.append(threads._call("allowed")))
        other.start()
        other.join()
    tg.config.threads = 4
    assert seen == [threads.cores()] and threads._call("allowed") == 4
    tg.config.threads = None
    assert threads._call("allowed") == threads.cores()
    with pytest.raises(tg.ArgumentError):
        tg.config.threads = 0


def test_small_loops_are_compiled_as_before():
    x = np.ones(100)
    with sizes.at(parallel=400_000):
        text = tg.jit(lambda x: np.exp(x) + 1.0).lower(x).text("llvm")
    assert "launch" not in text


def normalised(x):
    return np.exp(x) / np.exp(x).sum() + x.max()


@pytest.mark.sweep(2, days=True)
def test_kernels_for_many_lengths():
    """One that is made for a range of lengths decides in each call; where all are small there is nothing to decide."""
    with sizes.at(parallel=6000, grain=600):
        f, g = tg.jit(normalised), tg.grad(lambda x: (normalised(x) * x).sum())
        f.cache_clear()
        g.cache_clear()
        rng = np.random.default_rng(0)
        for size in (*range(3, 12), 256, 300, 320, 2000, 3001, 100_000, 120_000, 150_001):
            x = rng.random(size)
            results = []
            for count in (1, 3):
                threads.use(count)
                results.append(bits([f(x), g(x)]))
            assert results[0] == results[1]
            np.testing.assert_allclose(f(x), normalised(x), rtol=1e-12)
            np.testing.assert_allclose(g(x), g.interpret(x), rtol=1e-9, atol=1e-15)
        f.cache_clear()
        g.cache_clear()


def test_a_loop_without_iterations_at_run_time():
    """It leaves what its chunks would start from, in the one part that it has."""
    def f(x, bound):
        y, m = np.zeros(x.shape), x > bound
        found = x[m]
        np.place(y, m, (found * 2 - found) / (2 * (1 - found)))
        return np.sum(y)

    x = np.linspace(2.0, 3.0, 8)
    slope = tg.grad(f)
    for bound in (500.0, 2.5, 1.0, 500.0):
        np.testing.assert_allclose(slope(x, bound), np.where(x > bound, 0.5 / (1 - x) ** 2, 0.0), rtol=1e-12)


def test_arrays_of_their_own_are_not_larger_than_the_work():
    """Chunks of the rows of a sparse matrix would add to zeros as many as it has elements, each of which is used once."""
    rows, columns, values = np.arange(0, 40_020, 20), np.arange(40_000) * 7 % 2000, np.linspace(-1.0, 1.0, 40_000)

    def loss(values, x):
        total = 0.0
        for i in range(rows.shape[0] - 1):
            s = 0.0
            for k in range(rows[i], rows[i + 1]):
                s += values[k] * x[columns[k]]
            total += s * s
        return total

    x = np.linspace(0.5, 1.5, 2000)
    gradient = tg.grad(loss, argnums=(0, 1))
    text = gradient.lower(values, x).text("loops")
    assert "\n  parallel for" not in text[text.rindex("\n  fill"):]
    y = np.add.reduceat(values * x[columns], rows[:-1])
    of_values, of_x = gradient(values, x)
    of_rows = np.repeat(2.0 * y, 20)
    np.testing.assert_allclose(of_values, of_rows * x[columns], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(of_x, np.bincount(columns, of_rows * values, 2000), rtol=1e-9, atol=1e-9)
