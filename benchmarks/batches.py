"""What maps over batches cost: `vmap`, its gradients and Jacobians beside JAX's of the same programs, in one run.

    python benchmarks/batches.py [text in a name …]

The ratio is JAX's time (64 bit, compiled, waited for) over ours: above 1 tracegrad is faster. Where both use BLAS, set
OPENBLAS_NUM_THREADS=1: two pools of threads in one process wait for each other.
"""
import sys
import warnings

import numpy as np
from timing import geometric_mean, seconds, shown

import tracegrad as tg


def logistic(xp, w, x, y):
    return xp.log(1.0 + xp.exp(-y * xp.dot(w, x)))


def network(xp, p, x):
    h = xp.tanh(p["w1"] @ x + p["b1"])
    return p["w3"] @ xp.tanh(p["w2"] @ h + p["b2"])


def network_loss(xp, p, x, y):
    return xp.sum((network(xp, p, x) - y) ** 2)


def waves(xp, x):
    return xp.sum(xp.sin(x) * xp.exp(-x * x))


def solution(xp, a, b):
    return xp.linalg.solve(a, b)


def recurrence(k, x):
    s = 0.0
    for i in range(x.size):
        s = np.tanh(s * k + x[i])
    return s


def pendulum(k, x):
    v = 0.0
    for _ in range(200):
        v = v - 0.01 * k * np.sin(x)
        x = x + 0.01 * v
    return x


def jax_loops(jax):
    def recurrence(k, x):
        return jax.lax.fori_loop(0, x.size, lambda i, s: jax.numpy.tanh(s * k + x[i]), 0.0)

    def pendulum(k, x):
        def step(state, _):
            x, v = state
            v = v - 0.01 * k * jax.numpy.sin(x)
            return (x + 0.01 * v, v), None
        return jax.lax.scan(step, (x, 0.0 * x), None, length=200)[0][0]

    return {"recurrence": recurrence, "pendulum": pendulum}


def parameters(rng, n):
    return {"w1": rng.standard_normal((n, n)) / n, "b1": rng.standard_normal(n), "w2": rng.standard_normal((n, n)) / n,
            "b2": rng.standard_normal(n), "w3": rng.standard_normal((4, n)) / n}


def programs(rng):
    """(name, function of what maps (a `vmap`), the operators and the function, arguments)"""
    draw = rng.standard_normal

    def each(f, axes):
        return lambda api: api.vmap(f(api), in_axes=axes)

    def slopes(f, axes):
        return lambda api: api.vmap(api.grad(f(api)), in_axes=axes)

    def total(f, axes, argnums=0):
        return lambda api: api.grad(lambda *a: api.xp.sum(api.vmap(f(api), in_axes=axes)(*a)), argnums=argnums)

    def whole(f):
        return lambda api: lambda *a: f(api.xp, *a)

    for n in (8, 32, 64):
        p, x, y = parameters(rng, n), draw((1024, n)), draw((1024, 4))
        yield f"network of {n}, value", each(whole(network), (None, 0)), (p, x)
        yield f"network of {n}, each gradient", slopes(whole(network_loss), (None, 0, 0)), (p, x[:256], y[:256])
        yield f"network of {n}, summed gradient", total(whole(network_loss), (None, 0, 0)), (p, x, y)
    yield "logistic, each gradient", slopes(whole(logistic), (None, 0, 0)), (draw(64), draw((1024, 64)), np.sign(draw(1024)))
    yield "waves, value", each(whole(waves), 0), (draw((1024, 64)),)
    yield "waves, each gradient", slopes(whole(waves), 0), (draw((1024, 64)),)
    yield "solve, value", each(whole(solution), 0), (draw((256, 8, 8)) + 8 * np.eye(8), draw((256, 8)))
    for name, batch in (("recurrence", draw((1024, 64))), ("pendulum", draw(20_000))):
        yield f"{name}, value", each(lambda api, name=name: api.loops[name], (None, 0)), (0.5, batch)
        yield f"{name}, each gradient", slopes(lambda api, name=name: api.loops[name], (None, 0)), (0.5, batch)
        yield f"{name}, summed gradient", total(lambda api, name=name: api.loops[name], (None, 0), (0, 1)), (0.5, batch)


class Ours:
    xp, grad, vmap = np, staticmethod(tg.grad), staticmethod(tg.vmap)
    loops = {"recurrence": recurrence, "pendulum": pendulum}


def peer():
    """The same of JAX, or None where there is none."""
    try:
        import jax
    except ImportError:
        print("JAX is not installed")
        return None
    jax.config.update("jax_enable_x64", True)

    class Theirs:
        xp, grad, vmap = jax.numpy, staticmethod(jax.grad), staticmethod(jax.vmap)
        loops = jax_loops(jax)

    return Theirs


def main(names):
    warnings.simplefilter("ignore")
    theirs, ratios = peer(), []
    for name, program, args in programs(np.random.default_rng(0)):
        if names and not any(text in name for text in names):
            continue
        ours = program(Ours)
        calls = {"tracegrad": lambda ours=ours, args=args: ours(*args)}
        if theirs is not None:
            import jax
            compiled, held = jax.jit(program(theirs)), jax.tree_util.tree_map(jax.numpy.asarray, args)
            calls["JAX"] = lambda compiled=compiled, held=held: jax.block_until_ready(compiled(*held))
            for a, b in zip(jax.tree_util.tree_leaves(ours(*args)), jax.tree_util.tree_leaves(compiled(*held))):
                np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)
        for call in calls.values():
            call()
        times = seconds(calls, 0.5)
        text = f"{name:32s} {shown(times['tracegrad'])}"
        if "JAX" in times:
            ratios.append(times["JAX"] / times["tracegrad"])
            text += f"   JAX {shown(times['JAX'])}   {ratios[-1]:6.2f}x"
        print(text, flush=True)
    if ratios:
        print(f"JAX/tracegrad: geometric mean {geometric_mean(ratios):.2f}x, worst {min(ratios):.2f}x, "
              f"over {len(ratios)} programs")


if __name__ == "__main__":
    main(sys.argv[1:])
