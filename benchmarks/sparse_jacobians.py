"""What sparse Jacobians cost: beside the dense one, the function itself, and JAX's dense Jacobian, in one run.

    python benchmarks/sparse_jacobians.py [--large]

"first" is the first call: tracing, the pattern, its colouring and compilation. "call" is a later one, with its ratio to one
evaluation of the compiled function. "dense" is `tg.jacfwd`, "JAX" is `jax.jit(jax.jacfwd)` (64 bit, waited for); each ratio is
that time over "call": above 1 the sparse Jacobian is faster. The dense ones are left out above 4,000 unknowns. With --large the
sizes go up to a million.
"""
import sys
import time

import numpy as np
from timing import geometric_mean, seconds, shown

import tracegrad as tg

DENSE_UP_TO = 4000


def reaction_diffusion(u):
    """1-D, by a loop."""
    out = np.zeros_like(u)
    for i in range(1, u.size - 1):
        out[i] = u[i - 1] - 2.0 * u[i] + u[i + 1] + u[i] * (1.0 - u[i])
    return out


def upwind(u):
    """The side that a difference is taken from depends on the sign."""
    out = np.zeros_like(u)
    for i in range(1, u.size - 1):
        if u[i] > 0.0:
            out[i] = u[i] * (u[i] - u[i - 1])
        else:
            out[i] = u[i] * (u[i + 1] - u[i])
    return out


def bratu(u):
    """The five-point Laplacian with a source, by slices; u is square."""
    out = u.copy()
    out[1:-1, 1:-1] = (4.0 * u[1:-1, 1:-1] - u[:-2, 1:-1] - u[2:, 1:-1] - u[1:-1, :-2] - u[1:-1, 2:]
                       - 0.01 * np.exp(u[1:-1, 1:-1]))
    return out


def rosenbrock(x):
    """A Hessian."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def jax_versions():
    """name -> JAX's version of a program, where there is JAX; loops are written as slices there."""
    try:
        import jax
    except ImportError:
        print("JAX is not installed")
        return {}
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def inside(u, values):
        return jnp.zeros_like(u).at[1:-1].set(values)

    def fronts(u):
        middle = u[1:-1]
        return inside(u, jnp.where(middle > 0, middle * (middle - u[:-2]), middle * (u[2:] - middle)))

    return {
        "reaction_diffusion": jax.jit(jax.jacfwd(lambda u: inside(u, u[:-2] - 2 * u[1:-1] + u[2:] + u[1:-1] * (1 - u[1:-1])))),
        "upwind": jax.jit(jax.jacfwd(fronts)),
        "bratu": jax.jit(jax.jacfwd(lambda u: u.at[1:-1, 1:-1].set(
            4 * u[1:-1, 1:-1] - u[:-2, 1:-1] - u[2:, 1:-1] - u[1:-1, :-2] - u[1:-1, 2:] - 0.01 * jnp.exp(u[1:-1, 1:-1])))),
        "rosenbrock": jax.jit(jax.hessian(
            lambda x: jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))),
    }


def measured(f, n: int, peer):
    """(seconds of the first call, times by name, entries) for n unknowns."""
    u = np.random.default_rng(0).standard_normal((round(n**0.5),) * 2 if f is bratu else n)
    sparse = tg.hessian(f, sparse=True) if f is rosenbrock else tg.jacobian(f, sparse=True)
    start = time.perf_counter()
    found = sparse(u)
    first = time.perf_counter() - start
    plain = tg.jit(f)
    times = seconds({"call": lambda: sparse(u), "function": lambda: plain(u)}, budget=0.5)
    calls = {}                                       # apart: the large results of these would leave no cache to the others
    if u.size <= DENSE_UP_TO:
        dense = tg.hessian(f) if f is rosenbrock else tg.jacfwd(f)
        assert np.allclose(np.reshape(dense(u), found.shape), found.toarray(), rtol=1e-10, atol=1e-10)
        calls["dense"] = lambda: dense(u)
        if peer is not None:
            assert np.allclose(np.reshape(peer(u), found.shape), found.toarray(), rtol=1e-8, atol=1e-8)
            calls["JAX"] = lambda: peer(u).block_until_ready()
    return first, times | (seconds(calls, budget=0.5) if calls else {}), found.nnz


def main():
    sizes = [1024, 4000, 10_000, 100_000] + ([1_000_000] if "--large" in sys.argv else [])
    peers, ratios = jax_versions(), {"dense": [], "JAX": []}
    print(f"{'program':20} {'unknowns':>9} {'entries':>9} {'first':>11} {'call':>11} {'/function':>9} "
          f"{'dense/':>8} {'JAX/':>8}")
    for f in (reaction_diffusion, upwind, bratu, rosenbrock):
        for n in sizes:
            first, times, entries = measured(f, n, peers.get(f.__name__))
            row = f"{f.__name__:20} {n:9,} {entries:9,} {shown(first)} {shown(times['call'])} "
            row += f"{times['call'] / times['function']:9.1f}"
            for name, kept in ratios.items():
                if name in times:
                    kept.append(times[name] / times["call"])
                row += f" {kept[-1]:8.1f}" if name in times else f" {'':8}"
            print(row, flush=True)
    print("geometric means:", ", ".join(f"{name} / sparse {geometric_mean(kept):.0f}" for name, kept in ratios.items() if kept))


if __name__ == "__main__":
    main()
