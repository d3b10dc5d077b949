"""What a gradient costs: value_and_grad beside the function itself, and beside JAX's gradient of the same program, in one run.

    python benchmarks/gradients.py [case …] [--least]

gradient/primal is the time of `tg.value_and_grad` over that of `tg.jit`, on the sum of squares of what the program returns.
"JAX" is the time of JAX's value_and_grad (64 bit, compiled, waited for) and its ratio to ours: above 1 tracegrad is faster.
With --least the shortest call counts instead of the median: on a busy machine that is what repeats.
"""
import sys
import time
import warnings

import numpy as np
from timing import CASES, copied, geometric_mean, loss, seconds, shown

import tracegrad as tg

TOO_LONG = 4.0             # seconds after which JAX's gradient is not run again
TOLERANCE = 1e-6


def jax_gradient(case, args):
    """(a function that runs JAX's gradient, None), or (None, why there is none)."""
    try:
        import jax
    except ImportError:
        return None, "JAX is not installed"
    jax.config.update("jax_enable_x64", True)
    from jax_programs import VERSIONS
    program = VERSIONS.get(case.name)
    if program is None:
        return None, "JAX has no reverse mode of such a loop"
    moving = {k: args[k] for k in range(len(args))
              if isinstance(args[k], (float, np.ndarray, tuple, list)) and k not in case.wrt}
    places = (*case.wrt, *moving)

    def total(*values):
        whole = list(args)
        for k, v in zip(places, values):
            whole[k] = v
        found = jax.tree_util.tree_leaves(program(*whole))
        return 0.5 * sum((abs(leaf) ** 2).sum() for leaf in found)

    compiled = jax.jit(jax.value_and_grad(total, argnums=tuple(range(len(case.wrt)))))
    held = jax.tree_util.tree_map(jax.numpy.asarray, tuple(args[k] for k in places))
    return lambda: jax.block_until_ready(compiled(*held)), None


def agree(ours, theirs) -> bool:
    import jax
    a, b = (np.concatenate([np.ravel(x) for x in jax.tree_util.tree_leaves(g[1])]) for g in (ours, theirs))
    return np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * np.max(np.abs(a), initial=1e-300))


def shortest(calls: dict, budget: float = 1.0) -> dict:
    """For each name the time of the shortest call, by runs of about a millisecond in turn."""
    best, repeats = {}, {}
    for name, call in calls.items():
        begin = time.perf_counter()
        call()
        best[name] = time.perf_counter() - begin
        repeats[name] = max(1, int(0.001 / best[name]))
    start = time.perf_counter()
    while time.perf_counter() - start < budget * len(calls):
        for name, call in calls.items():
            begin = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            best[name] = min(best[name], (time.perf_counter() - begin) / repeats[name])
    return best


def measure(case, clock):
    """(times by name, why JAX is missing)."""
    args = case.make(np.random.default_rng(0), 1)
    value = loss(case)
    primal, gradient = tg.jit(value), tg.value_and_grad(value, argnums=case.wrt)
    theirs, reason = jax_gradient(case, args)
    held = None if case.writes else args
    calls = {"primal": lambda: primal(*(held or copied(args))), "gradient": lambda: gradient(*args)}
    primal(*copied(args))
    ours = gradient(*args)
    once = None
    if theirs is not None:
        found = theirs()
        if not agree(ours, found):
            reason = "the gradients differ"
        begin = time.perf_counter()
        theirs()
        once = time.perf_counter() - begin
        if once < TOO_LONG:
            calls["JAX"] = theirs
    times = clock(calls)
    if once is not None:
        times.setdefault("JAX", once)
    return times, reason


def main(arguments):
    warnings.simplefilter("ignore")
    clock = shortest if "--least" in arguments else seconds
    names = [a for a in arguments if not a.startswith("--")]
    costs, peers = [], []
    for case in CASES.values():
        if not case.wrt or (names and case.name not in names):
            continue
        try:
            times, reason = measure(case, clock)
        except Exception as error:
            print(f"{case.name:30s} failed: {type(error).__name__}: {str(error).splitlines()[0][:100]}", flush=True)
            continue
        cost = times["gradient"] / times["primal"]
        costs.append(cost)
        text = (f"{case.name:30s} primal {shown(times['primal'])}   gradient {shown(times['gradient'])}   "
                f"gradient/primal {cost:6.2f}x")
        if "JAX" in times:
            peers.append(times["JAX"] / times["gradient"])
            text += f"   JAX {shown(times['JAX'])}   {peers[-1]:8.2f}x"
        print(text + (f"   ({reason})" if reason else ""), flush=True)
    print(f"gradient/primal: geometric mean {geometric_mean(costs):.2f}x, worst {max(costs):.2f}x, over {len(costs)} programs")
    if peers:
        print(f"JAX/tracegrad: geometric mean {geometric_mean(peers):.2f}x, worst {min(peers):.2f}x, "
              f"over {len(peers)} programs")


if __name__ == "__main__":
    main(sys.argv[1:])
