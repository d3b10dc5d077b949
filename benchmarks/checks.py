"""What bounds checks cost: the loop programs with and without them, in one run.

    python benchmarks/checks.py [case …]

Prints time with checks over time without, per program and as the median. Both are compiled by tracegrad.
"""
import sys

import numpy as np
from timing import CASES, copied, seconds, shown

import tracegrad as tg

MODULES = ("loops", "inplace", "control")


def main(names):
    ratios = []
    for case in CASES.values():
        if case.fn.__module__.split(".")[-1] not in MODULES or (names and case.name not in names):
            continue
        args = case.make(np.random.default_rng(0), 1)
        checked, unchecked = tg.jit(case.fn), tg.jit(case.fn)
        tg.config.boundscheck = True
        checked(*copied(args))
        tg.config.boundscheck = False
        unchecked(*copied(args))
        made = {"checked": checked.specialisations[0], "unchecked": unchecked.specialisations[0]}
        leaves = {}
        for name, function in (("checked", checked), ("unchecked", unchecked)):
            tg.config.boundscheck = name == "checked"
            call = function.flatten(args, {})
            leaves[name] = [call.values[k] for k, leaf in enumerate(made[name].about.traced.leaves) if leaf.kind != "static"]
        tg.config.boundscheck = True
        found = seconds({name: (lambda name=name: made[name].invoke(leaves[name])) for name in made})
        ratio = found["checked"] / found["unchecked"]
        ratios.append(ratio)
        print(f"{case.name:32s} checked {shown(found['checked'])}   unchecked {shown(found['unchecked'])}   ratio {ratio:5.2f}")
    print(f"median {sorted(ratios)[len(ratios) // 2]:.3f}, highest {max(ratios):.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
