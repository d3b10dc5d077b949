"""Many threads at everything at once: `python tests/nightly/soak.py [--seconds 600] [--threads 8] [--seed 0]`.

They call, compile, evict, change what functions capture, empty the disk cache and fork. Each result is held to NumPy's; a child
must call, compile and end by itself. The memory of the process, read after a quarter of the time, must be what it was at the
end, but for a tenth and some megabytes. The exit code is 1 where anything of this does not hold. The gate runs 30 seconds.
"""
from __future__ import annotations

import argparse
import faulthandler
import gc
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
import types
import warnings

import numpy as np

import tracegrad as tg

SLACK = 40 << 20              # bytes that allocators may hold back
SCALES = (0.5, 2.0)
SHARED = types.SimpleNamespace(scale=SCALES[0])      # threads change it at any moment: results are of one of the two
TABLE = np.ones(4)                                   # … written in place by one value everywhere


def loop(x):
    s = 0.0
    for i in range(len(x)):
        s = np.tanh(s + x[i] * x[i])
    return s


def stencil(x):
    y = x.copy()
    for i in range(1, len(x) - 1):
        y[i] = 0.5 * (x[i - 1] + x[i + 1]) - y[i - 1] * 0.25
    return np.sum(y * y)


def mixed(x):
    return np.sum(np.sin(x) * np.cumsum(x)) + np.max(np.where(x > 0, x, -x))


FUNCTIONS = [(f, tg.jit(f), tg.grad(f)) for f in (loop, stencil, mixed)]


def scaled(x):
    return x * SHARED.scale


def tabled(x):
    return x * TABLE[2]


def slope(f, x, v, h=1e-6):
    return (f(x + h * v) - f(x - h * v)) / (2 * h)


class Worker:
    """One thread. Its own captures are changed by it alone."""

    def __init__(self, seed: int):
        self.draw, self.rng = random.Random(seed), np.random.default_rng(seed)
        self.own, self.items = types.SimpleNamespace(rate=1.0), [1.0, 2.0, 3.0]
        own, items = self.own, self.items
        self.reads_own = tg.jit(lambda x: x * own.rate + items[1])
        self.count = 0

    def data(self):
        return self.rng.normal(size=self.draw.choice((2, 3, 5, 8, 13, 21, 34, 300)))

    def call(self):
        f, compiled, _ = self.draw.choice(FUNCTIONS)
        x = self.data()
        np.testing.assert_allclose(compiled(x), f(x), rtol=1e-10)

    def differentiate(self):
        f, _, gradient = self.draw.choice(FUNCTIONS)
        x = self.data()
        v = self.rng.normal(size=x.size)
        np.testing.assert_allclose(gradient(x) @ v, slope(f, x, v), rtol=1e-4, atol=1e-3)

    def pull_back(self):
        x = self.data()
        _, pull = tg.vjp(np.sin, x)
        np.testing.assert_allclose(pull(np.ones(x.size))[0], np.cos(x), rtol=1e-12)

    def compile_new(self):
        a, b = self.draw.random(), self.draw.randrange(3)
        f = tg.jit(lambda x: np.cumsum(np.sin(x) * a)[::-1] + b)
        x = self.data()
        np.testing.assert_allclose(f(x), np.cumsum(np.sin(x) * a)[::-1] + b, rtol=1e-10, atol=1e-12)

    def change_own(self):
        self.own.rate, self.items[1] = self.draw.choice((1.0, 2.0, 7.5)), self.draw.choice((0.0, 1, 2.5))
        np.testing.assert_array_equal(self.reads_own(2.0), 2.0 * self.own.rate + self.items[1])

    def change_shared(self):
        SHARED.scale = self.draw.choice(SCALES)
        assert tg.jit(scaled)(4.0) in [4.0 * s for s in SCALES]
        TABLE[...] = self.draw.choice(SCALES)
        assert tg.jit(tabled)(4.0) in [4.0, *[4.0 * s for s in SCALES]]

    def evict(self):
        if self.draw.random() < 0.3:
            self.draw.choice(FUNCTIONS)[1].cache_clear()
        with tg.config(cache_size=2):
            self.call()

    def empty_the_disk(self):
        self.draw.choice((lambda: tg.cache.prune(200_000), tg.cache.clear, tg.cache.entries))()

    def fork(self):
        pid = os.fork()
        if not pid:
            signal.alarm(120)
            faulthandler.dump_traceback_later(100)
            bad = 1
            try:
                for action in (self.call, self.compile_new, self.change_own, self.differentiate):
                    action()
                bad = 0
            except BaseException:
                traceback.print_exc()
            os._exit(bad)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "a child failed"

    WEIGHTS = ((call, 30), (differentiate, 20), (pull_back, 10), (compile_new, 6), (change_own, 15), (change_shared, 12),
               (evict, 3), (empty_the_disk, 2), (fork, 1))

    def run(self, end: float, failures: list[str]) -> None:
        actions, weights = zip(*self.WEIGHTS)
        while time.monotonic() < end and not failures:
            action = self.draw.choices(actions, weights)[0]
            try:
                action(self)
            except BaseException:
                failures.append(f"{action.__name__}: {traceback.format_exc()}")
            self.count += 1


def memory() -> int:
    """Bytes of the process that are in memory."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def soak(seconds: float, threads: int, seed: int) -> list[str]:
    """What went wrong."""
    failures: list[str] = []
    workers = [Worker(seed * 1000 + k) for k in range(threads)]
    start, sizes = time.monotonic(), []
    for part in (0.25, 1.0):
        end = start + part * seconds
        running = [threading.Thread(target=w.run, args=(end, failures)) for w in workers]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        for _, compiled, gradient in FUNCTIONS:
            compiled.cache_clear()
            gradient.cache_clear()
        sizes.append(memory())
    before, after = sizes
    print(f"{sum(w.count for w in workers):,} actions in {time.monotonic() - start:.0f} s, memory {before >> 20} -> "
          f"{after >> 20} MB, {len(failures)} failures")
    if after > 1.1 * before + SLACK:
        failures.append(f"memory grew from {before:,} to {after:,} bytes")
    return failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)              # of forks with threads: that is what is tested
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as where:
        tg.config.update("cache", os.path.join(where, "cache"))
        failures = soak(options.seconds, options.threads, options.seed)
    print("\n".join(failures), file=sys.stderr)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
