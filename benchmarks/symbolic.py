"""One kernel for many lengths beside a kernel for the very length, values and gradients, in one run.

    python benchmarks/symbolic.py [program …]

The ratio is the time of the kernel for one length over that of the one for many: above 1 the latter is faster. The processor's
time of the calling thread is measured, the least of several rounds in turn.
"""
import sys
import time

import numpy as np
from timing import geometric_mean, shown

import tracegrad as tg

LENGTHS = (3, 100, 10_000, 300_000)


def elementwise(x, y):
    return np.sum(np.exp(-x * x) * y + np.sin(x))


def rosenbrock(x, y):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def differences(x, y):
    return np.sum((x[1:] - x[:-1]) ** 2) + np.mean(y[1:-1] * x[2:])


def softmax(x, y):
    e = np.exp(x - np.max(x))
    p = e / np.sum(e)
    return -np.sum(p * np.log(p + 1e-9) * y)


def deviation(x, y):
    return np.max(x) + np.std(y)


def loop(x, y):
    s = 0.0
    for i in range(len(x)):
        s += x[i] * np.tanh(y[i])
    return s


def recurrence(x, y):
    s = 0.0
    for i in range(len(x)):
        s = np.tanh(s + x[i])
        y[i] = s
    return np.sum(y)


def stencil(x, y):
    for i in range(1, len(x) - 1):
        y[i] = 0.5 * (x[i - 1] + x[i + 1]) - x[i]
    return np.sum(y * y)


def rows(x, y):
    a = x[:x.size // 2 * 2].reshape(-1, 2)
    return np.sum(np.tanh(a @ y[:2]) ** 2) + np.sum(a.mean(axis=1))


PROGRAMS = (elementwise, rosenbrock, differences, softmax, deviation, loop, recurrence, stencil, rows)


def least(calls, args, rounds: int = 12, budget: float = 0.01) -> list[float]:
    """The least time of a call for each function, over rounds in which they take turns."""
    counts = []
    for call in calls:
        call(*args)
        start = time.perf_counter()
        call(*args)
        counts.append(max(1, int(budget / (time.perf_counter() - start + 1e-9))))
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for k, call in enumerate(calls):
            start = time.thread_time()
            for _ in range(counts[k]):
                call(*args)
            best[k] = min(best[k], (time.thread_time() - start) / counts[k])
    return best


def main(names):
    ratios = {n: [] for n in LENGTHS}
    for program in PROGRAMS:
        if names and program.__name__ not in names:
            continue
        for what, operator in (("value", lambda f: f), ("gradient", lambda f: tg.grad(f, argnums=(0, 1)))):
            static, general = [operator(tg.jit(program, shapes=mode)) for mode in ("static", "symbolic")]
            row = []
            for n in LENGTHS:
                args = np.random.default_rng(n).random((2, n))
                one, many = least((static, general), tuple(args))
                ratios[n].append(one / many)
                row.append(f"{n:>7,}: {shown(one)} {one / many:5.2f}x")
            print(f"{program.__name__:12s} {what:9s}", "  ".join(row), flush=True)
    print("geometric mean:", ", ".join(f"{n:,}: {geometric_mean(found):.2f}x" for n, found in ratios.items()))


if __name__ == "__main__":
    with tg.config(threads=1):
        main(sys.argv[1:])
