"""Long kernels notice signals: an exception of the handler leaves the kernel, and everything works afterwards."""
import gc
import signal
import sys
import time

import numpy as np
import pytest

import tracegrad as tg

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")


class Stopped(Exception):
    pass


@pytest.fixture
def alarm():
    """alarm(handler): it is called in a tenth of a second, and then each tenth."""
    before = signal.getsignal(signal.SIGALRM)

    def start(handler):
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)

    yield start
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def stop(*_):
    signal.setitimer(signal.ITIMER_REAL, 0)
    raise Stopped("by the handler")


def counted(steps, a):
    s = 0.0
    for i in range(steps):
        s = a * s + i % 7
    return s


def nested(steps, x):
    s = 0.0
    for i in range(steps):
        for j in range(x.shape[0]):
            s += np.sin(x[j] * i)
    return s


def endless(x, limit):
    while x < limit:
        x = np.sqrt(x * x + 1e-300)
    return x


def written(steps, out):
    for i in range(steps):
        for j in range(out.shape[0]):
            out[j] = 0.5 * out[j] + i


LONG = 10**12
PROGRAMS = {"counted": (counted, (LONG, 0.5), (10, 0.5)), "nested": (nested, (LONG, np.ones(5)), (10, np.ones(5))),
            "endless": (endless, (1.0, 2.0), (3.0, 2.0)), "written": (written, (LONG, np.ones(3)), (3, np.ones(3)))}


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_exception_of_a_handler_leaves_the_kernel(name, alarm):
    fn, long, short = PROGRAMS[name]
    f = tg.jit(fn)
    f(*short)
    alarm(stop)
    start = time.perf_counter()
    with pytest.raises(Stopped, match="by the handler"):
        f(*long)
    assert time.perf_counter() - start < 5.0                   # 0.1 s on a quiet machine
    x, y = (np.copy(short[-1]) for _ in range(2))
    assert f(*short[:-1], x) == fn(*short[:-1], y) or f(*short[:-1], x) is None


def test_of_a_gradient(alarm):
    f = tg.grad(endless)
    f(3.0, 2.0)
    alarm(stop)
    with pytest.raises(Stopped):
        f(1.0, 2.0)


def test_a_handler_that_returns_changes_nothing(alarm):
    seen = []
    f = tg.jit(counted)
    f(1, 0.5)
    alarm(lambda *_: seen.append(1))
    steps = 100_000_000
    found = f(steps, 0.5)
    while len(seen) < 2:
        steps *= 2
        found = f(steps, 0.5)
    assert found == f(steps, 0.5)


@pytest.mark.sweep(6, days=True)
def test_the_exception_is_held_once(alarm):
    """Its type, value and traceback are not leaked, and not freed twice."""
    f = tg.jit(endless)
    f(3.0, 2.0)
    before = sys.getrefcount(Stopped)
    for _ in range(5):
        alarm(stop)
        with pytest.raises(Stopped):
            f(1.0, 2.0)
    gc.collect()
    assert abs(sys.getrefcount(Stopped) - before) < 4


def test_small_kernels_ask_nothing():
    text = tg.jit(lambda x: np.sum(x * x)).lower(np.ones(10)).text("llvm")
    assert "signals.ask" not in text
    assert "signals.ask" in tg.jit(counted).lower(3, 0.5).text("llvm")


def bits(a):
    count = 0
    for i in range(a.shape[0]):
        x = a[i]
        while x:
            x &= x - 1
            count += 1
    return count


def length(a):
    steps = 0
    for i in range(a.shape[0]):
        x = a[i]
        while x > 0:
            x >>= 1
            steps += 1
    return steps


def shifts(a):
    """Of a negative number shifts never make 0."""
    steps = 0
    for i in range(a.shape[0]):
        x = a[i]
        while x:
            x >>= 1
            steps += 1
    return steps


def test_loops_over_the_bits_of_a_number_end_by_themselves():
    a = np.array([0, 1, 2, 255, -1, -8, 1 << 62, 12345678901], np.int64)
    assert tg.jit(bits)(a) == sum(bin(int(x) & (1 << 64) - 1).count("1") for x in a)
    assert tg.jit(length)(a) == sum(int(x).bit_length() for x in a if x > 0)
    many = np.zeros(1_000_000, np.int64)
    assert "llvm.ctpop" in tg.jit(bits).lower(many).text("llvm")               # which LLVM knows without the question inside
    asked = tg.jit(shifts).lower(a).text("llvm")
    assert "signals.ask" in asked and "signals.ask" not in tg.jit(length).lower(a).text("llvm")


def slope(x, n):
    def total(c, n):
        t = 0.0
        for k in range(n):
            t += c * (x + 0.001 * k)
        return t
    return tg.grad(total)(1.0, n)


@pytest.mark.parametrize("n", [0, 1, 2, 10, 11, 16, 100, 3000])
def test_what_vectors_hold_survives_a_question(n):
    assert tg.jit(slope)(0.1, n) == pytest.approx(sum(0.1 + 0.001 * k for k in range(n)), rel=1e-13)
