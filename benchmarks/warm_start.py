"""The first call in a new process, after an earlier process has compiled the same: tracegrad, Numba and JAX beside each other.

    python benchmarks/warm_start.py [--rounds 7]

Each sample is a fresh process with warm bytecode caches. Timed is what comes after the imports: making the compiled function
and its first call; "cold" with an empty cache, "warm" with what the cold run has left. Numba has no derivatives: it gets
gradients that are written by hand, with cache=True. JAX gets its persistent cache, told to keep everything. Printed are
medians, with the least in brackets (another program on the machine makes the rest longer), and the targets: 10 ms warm, and a
tenth of cold.
"""
from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap

DATA = """
    rng = np.random.default_rng(0)
    layers = [(rng.normal(size=(m, n)), np.zeros(n)) for m, n in ((8, 16), (16, 16), (16, 1))]
    x, y = rng.normal(size=(32, 8)), rng.normal(size=(32, 1))
    start = time.perf_counter()
"""
ROSENBROCK = "return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)"
MLP = """
    def loss(layers, x, y):
        h = x
        for w, b in layers[:-1]:
            h = np.tanh(h @ w + b)
        w, b = layers[-1]
        return np.mean((h @ w + b - y) ** 2)
"""
END = "\n    print(json.dumps(1e3 * (time.perf_counter() - start)))\n"
TRACEGRAD, NUMBA = "\n    import json, time\n    import numpy as np\n    import tracegrad as tg\n", (
    "\n    import json, time\n    import numpy as np\n    import numba\n")
JAX = """
    import json, os, time
    import numpy
    import jax
    import jax.numpy as np
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_compilation_cache_dir", os.environ["TRACEGRAD_CACHE_DIR"] + "/jax")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
"""

SAMPLES = {
    ("Rosenbrock", "tracegrad"): TRACEGRAD + f"""
    def rosenbrock(x):
        {ROSENBROCK}
    x = np.linspace(-1.0, 1.0, 10)
    start = time.perf_counter()
    tg.grad(rosenbrock)(x)""" + END,
    ("Rosenbrock", "numba"): NUMBA + """
    x = np.linspace(-1.0, 1.0, 10)
    start = time.perf_counter()
    @numba.njit(cache=True)
    def slope(x):
        g = np.zeros_like(x)
        d = x[1:] - x[:-1] ** 2
        g[1:] += 200.0 * d
        g[:-1] += -400.0 * d * x[:-1] - 2.0 * (1.0 - x[:-1])
        return g
    slope(x)""" + END,
    ("Rosenbrock", "jax"): JAX + f"""
    def rosenbrock(x):
        {ROSENBROCK}
    x = numpy.linspace(-1.0, 1.0, 10)
    start = time.perf_counter()
    jax.jit(jax.grad(rosenbrock))(x).block_until_ready()""" + END,
    ("MLP", "tracegrad"): TRACEGRAD + MLP + DATA + "    tg.grad(loss)(layers, x, y)" + END,
    ("MLP", "numba"): NUMBA + DATA + """
    (a, p), (b, q), (c, r) = layers
    @numba.njit(cache=True)
    def slope(a, p, b, q, c, r, x, y):
        h = np.tanh(x @ a + p)
        k = np.tanh(h @ b + q)
        e = 2.0 * (k @ c + r - y) / y.size
        f = (e @ c.T) * (1.0 - k * k)
        g = (f @ b.T) * (1.0 - h * h)
        return x.T @ g, g.sum(0), h.T @ f, f.sum(0), k.T @ e, e.sum(0)
    slope(a, p, b, q, c, r, x, y)""" + END,
    ("MLP", "jax"): JAX + MLP + DATA.replace("np.", "numpy.") + """
    jax.block_until_ready(jax.jit(jax.grad(loss))(layers, x, y))""" + END,
}


def sample(path: str, cache: str) -> float:
    """Milliseconds of one process."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"TRACEGRAD_CACHE_DIR": cache, "TRACEGRAD_CACHE": "1", "NUMBA_CACHE_DIR": cache}
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


def measured(text: str, rounds: int) -> tuple[list[float], list[float]]:
    """(cold, warm) of one program."""
    cold, warm = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "sample.py")
        with open(path, "w") as file:
            file.write(textwrap.dedent(text))
        for k in range(max(rounds // 2, 1) + 1):                       # the first one makes bytecode
            cache = os.path.join(folder, f"cache{k}")
            os.mkdir(cache, mode=0o700)
            cold.append(sample(path, cache))
        warm = [sample(path, cache) for _ in range(rounds)]
    return cold[1:], warm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print(f"{'':24}{'cold':>18}{'warm':>18}{'warm/cold':>12}")
    for (program, peer), text in SAMPLES.items():
        if importlib.util.find_spec(peer) is None:
            print(f"{program:12}{peer:12}  (not installed)")
            continue
        cold, warm = measured(text, rounds)
        shown = [f"{statistics.median(t):9.1f} ({min(t):.1f}) ms" for t in (cold, warm)]
        reached = min(warm) <= 10 and min(warm) <= 0.1 * min(cold)
        verdict = "" if peer != "tracegrad" else "  reached" if reached else "  missed"
        print(f"{program:12}{peer:12}{shown[0]:>18}{shown[1]:>18}{min(warm) / min(cold):12.2f}{verdict}")


if __name__ == "__main__":
    main()
