"""The shared cases with every loop spread that can be, however small: the same bits for one thread, for several, and with the
chunks of each loop in some other order, which shows what two of them share.

`TRACEGRAD_FULL_TESTS=1` runs every case and each by-hand program; else a fast subset.
"""
import cases
import numpy as np
import pytest
import sweeps
from by_hand import PROGRAMS, trees
from test_thresholds import EVERY, forget, same
from tracegrad.ir.thresholds import sizes
from tracegrad.lowering.native import threads

import tracegrad as tg


def results(case, own, fs):
    args = case.make(np.random.default_rng(len(case.name)), 0)
    ours = own.copied(args)
    found = [fs[0](*ours), ours]
    return found + ([fs[1](*own.copied(args))] if case.wrt else [])


def leaves(found) -> list:
    return [x if x is None or isinstance(x, str) else (np.asarray(x).tobytes()) for x in trees.leaves(found)]


@pytest.mark.sweep(7)
@pytest.mark.parametrize("name", EVERY if sweeps.FULL else list(EVERY)[5::12])
def test_any_order(name):
    case = EVERY[name]
    own = trees if case.name in PROGRAMS else cases
    fs = tg.jit(case.fn), tg.grad(own.loss(case), argnums=case.wrt) if case.wrt else None
    with sizes.at(parallel=0, grain=0):
        try:
            forget(*fs)
            first = results(case, own, fs)
            for count in (1, 2, 5):
                threads.use(count)
                assert leaves(results(case, own, fs)) == leaves(first)
            for seed in (1, 2, 3, 4):
                threads.shuffle(seed)
                assert leaves(results(case, own, fs)) == leaves(first)
        finally:
            threads.use(None)
            threads.shuffle(0)
            forget(*fs)
    args = own.copied(case.make(np.random.default_rng(len(case.name)), 0))
    same(first[0], case.fn(*args), 1e-10)
    if case.wrt:
        with tg.disable_jit():
            want = tg.grad(own.loss(case), argnums=case.wrt)(*own.copied(case.make(np.random.default_rng(len(case.name)), 0)))
        same(first[2], want, 1e-7, 1e-10)
