"""Programs with loops at benchmark size: tracegrad.jit beside numba.njit on the same function, in one run.

    python benchmarks/loops.py [case …]

A ratio above 1 means that tracegrad is faster. Where Numba does not take the function, its reason is printed.
"""
import sys
import warnings

import numba
import numpy as np
from timing import CASES, copied, geometric_mean, seconds, shown

import tracegrad as tg

MODULES = ("loops", "inplace", "control")


def compiled_by_numba(case, args):
    try:
        fn = numba.njit(case.fn)
        fn(*copied(args))
        return fn, ""
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return None, f"{type(error).__name__}: {lines[-1][:90] if lines else ''}"


def main(names):
    warnings.simplefilter("ignore")
    ratios = []
    for case in CASES.values():
        if case.fn.__module__.split(".")[-1] not in MODULES or (names and case.name not in names):
            continue
        args = case.make(np.random.default_rng(0), 1)
        ours, theirs = tg.jit(case.fn), None
        try:
            ours(*copied(args))
        except Exception as error:
            print(f"{case.name:32s} tracegrad failed: {type(error).__name__}: {str(error).splitlines()[0][:100]}")
            continue
        theirs, reason = compiled_by_numba(case, args)
        held = copied(args) if not case.writes else None
        calls = {"tracegrad": (lambda ours=ours: ours(*(held or copied(args))))}
        if theirs is not None:
            calls["numba"] = lambda theirs=theirs: theirs(*(held or copied(args)))
        found = seconds(calls)
        if theirs is None:
            print(f"{case.name:32s} tracegrad {shown(found['tracegrad'])}   numba does not take it: {reason}")
            continue
        ratio = found["numba"] / found["tracegrad"]
        ratios.append(ratio)
        print(f"{case.name:32s} tracegrad {shown(found['tracegrad'])}   numba {shown(found['numba'])}   ratio {ratio:6.2f}x")
    print(f"geometric mean {geometric_mean(ratios):.2f}x, slowest {min(ratios):.2f}x, over {len(ratios)} programs")


if __name__ == "__main__":
    main(sys.argv[1:])
