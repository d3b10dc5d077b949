"""Signals at random moments of tracing, compiling, running and freeing: `python tests/nightly/interrupts.py [--count 5000]`.

Processes of their own, one after another with other seeds, are interrupted 250 times each, while they compile, differentiate
and run; after that everything must work in them, in another thread, too. The exit code is 1 where one of them crashes or is
wrong. The gate interrupts for some seconds (tests/lowering/native/test_interrupts.py).
"""
from __future__ import annotations

import argparse
import faulthandler
import random
import signal
import subprocess
import sys
import threading
import time

EACH = 250


def interrupt(number, frame):
    signal.setitimer(signal.ITIMER_REAL, 5.0)         # Python drops what is raised in a finaliser: another signal follows
    raise KeyboardInterrupt


def process(seed: int, count: int) -> None:
    """Interrupted `count` times."""
    import numpy as np
    from tracegrad.ir.thresholds import sizes

    import tracegrad as tg

    faulthandler.enable()
    signal.signal(signal.SIGALRM, interrupt)
    draw, found = random.Random(seed), 0

    def body(x, k):
        for _ in range(k):
            x = np.sin(x) + k if x.sum() > 0 else np.cumsum(x)
        return x.sum()

    def long(x):
        s = 0.0
        for i in range(40_000_000):
            s = s * 0.999 + x[i % 3]
        return s

    def work(k=3):
        with tg.config(cache_size=3):
            return tg.grad(lambda x: body(x, k))(np.ones(3))

    if seed // EACH % 2:                     # every compilation on a thread of its own
        sizes.llvm_thread = 0
    want, running = work(), tg.jit(long)
    running(np.ones(3))
    while found < count:
        try:
            signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-4, 0.08))
            while True:
                if draw.random() < 0.2:
                    running(np.ones(3))
                tg.vjp(lambda x, c=draw.random(): np.sin(x * c), np.ones(4))[1](np.ones(4))
                work(draw.randrange(2, 5))
        except KeyboardInterrupt:
            signal.setitimer(signal.ITIMER_REAL, 0)
            found += 1
    assert tg.config.cache_size != 3
    got: list = []
    thread = threading.Thread(target=lambda: got.append(work()), daemon=True)
    thread.start()
    thread.join(60)
    assert np.array_equal(got[0], want) and np.array_equal(work(), want)
    print(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, help="of the one process that is run, in place of all")
    options = parser.parse_args()
    if options.seed is not None:
        process(options.seed, options.count)
        return
    start, done, bad = time.monotonic(), 0, 0
    while done < options.count:
        each = min(EACH, options.count - done)
        command = [sys.executable, __file__, "--seed", str(done), "--count", str(each)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if ended.returncode or int(ended.stdout) != each:
            bad += 1
            print(f"{' '.join(command)} ended with {ended.returncode}\n{ended.stderr[-3000:]}", file=sys.stderr)
        done += each
        print(f"{done:,} interrupts in {time.monotonic() - start:.0f} s", flush=True)
    print(f"{done:,} interrupts in {time.monotonic() - start:.0f} s, {bad} processes failed")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
