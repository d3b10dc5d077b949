"""Random programs in which names trade arrays (program_trades.py): compiled equals evaluator equals Python, also in the arrays
that are written; forward equals reverse equals differences. `TRACEGRAD_FULL_TESTS=1` runs 1,000, `TRACEGRAD_SEED=` others."""
import os

import numpy as np
import pytest
import sweeps
from program_checks import loaded
from program_trades import Trades

import tracegrad as tg

COUNT = int(os.environ.get("TRACEGRAD_PROGRAMS", 1000 if sweeps.FULL else 12))
FIRST = 1_000_000 * int(os.environ.get("TRACEGRAD_SEED", 0))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_trades(seed, tmp_path):
    program = loaded(Trades(seed).program(), tmp_path)
    start, spare = np.random.default_rng(seed).standard_normal(4), np.linspace(-1.0, 1.0, 4)
    compiled = tg.jit(program)
    for n in (0, 1, 3, 6):
        want = start.copy(), spare.copy()
        value = program(*want, n)
        for run in (compiled, compiled.interpret):
            given = start.copy(), spare.copy()
            try:
                found = run(*given, n)
            except tg.UnsupportedError as error:
                assert "may have been overwritten through another name" in str(error) or "the branches of an `if`" in str(error)
                pytest.skip(str(error).partition("\n")[0])
            for mine, theirs in zip((*found, *given), (*value, *want), strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)
    if seed % 3 == 0:
        expect_derivatives(lambda x: np.sum(program(x, spare.copy(), 3)[0] ** 2), start)


def expect_derivatives(f, x):
    slope = tg.grad(f)(x)
    np.testing.assert_allclose(tg.jvp(f, (x,), (np.ones(4),))[1], slope.sum(), rtol=1e-8, atol=1e-10)
    either = [[(f(x + a * e) - f(x + b * e)) / (a - b) / 1e-6 for e in np.eye(4) * 1e-6] for a, b in ((1, -1), (1, 0), (0, -1))]
    for k, differences in enumerate(zip(*either, strict=True)):
        if np.ptp(differences) < 1e-3 * (1 + abs(differences[0])):                # a comparison decides otherwise beside x
            assert abs(slope[k] - differences[0]) < 1e-3 * (1 + abs(slope[k])), (k, slope[k], differences)
