"""Random programs (program_writer.py) against Python, and their derivatives against each other (program_checks.py).

Programs are numbered. `TRACEGRAD_FULL_TESTS=1` runs 2,000 of them and the derivatives of 600, else a fast subset, always the
same; `TRACEGRAD_SEED=` says with which thousand to begin, `TRACEGRAD_PROGRAMS=` how many, and `TRACEGRAD_SIZES=least` or
`greatest` puts all thresholds of the compiler there (ir/thresholds.py). A run does not end with the first failure; each is
shown as small as it could be made.
"""

import contextlib
import gc
import os
import pathlib
import tempfile
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import sweeps
from program_checks import WAYS, check_gradients, check_values, loaded, loss_of, outcome, refused
from program_writer import Program, Source, Writer
from reduce_program import reduced
from tracegrad.ir.thresholds import sizes

import tracegrad as tg

VALUES, GRADIENTS = (2000, 600) if sweeps.FULL else (60, 20)
if "TRACEGRAD_PROGRAMS" in os.environ:
    VALUES = GRADIENTS = int(os.environ["TRACEGRAD_PROGRAMS"])
SIZES = {"": contextlib.nullcontext, "least": sizes.least, "greatest": sizes.greatest}[os.environ.get("TRACEGRAD_SIZES", "")]
FIRST = 1000 * int(os.environ.get("TRACEGRAD_SEED", "0"))


@pytest.fixture(scope="module")
def folder():
    gc.collect()
    with tempfile.TemporaryDirectory() as name, SIZES():
        yield pathlib.Path(name)


def failures(count: int, smooth: bool, check: Callable[[Program, int], str], write: Callable | None = None) -> list[str]:
    """What is wrong with so many programs. A failing one is made smaller, by what fails with a text that begins alike."""
    found = []
    for number in range(FIRST, FIRST + count):
        program = Writer(Source(number), smooth, 10).program() if write is None else write(number)
        wrong = check(program, number)
        if wrong:
            found.append(_shown(program, number, wrong, check))
            print(found[-1], flush=True)
    return found


def _shown(program: Program, number: int, wrong: str, check: Callable[[Program, int], str]) -> str:
    def fails(text: str) -> bool:
        try:
            return check(replace(program, text=text), number)[:12] == wrong[:12]
        except Exception:                               # a part that makes no sense alone
            return False

    small = reduced(program.text, fails) if program.double is None else program.text
    return f"program {number}: {wrong}\n{small}\narguments: {program.arguments!r}\n"


def test_values(folder):
    found = failures(VALUES, False, lambda program, _: check_values(program, folder))
    assert not found, f"{len(found)} of {VALUES}\n" + "\n".join(found)


def test_few_programs_are_refused():
    """Of those that `test_values` ran."""
    assert len(refused) <= 0.15 * VALUES, refused


def test_gradients(folder):
    """The compiled derivative is the reverse one, the forward one, or both; the second one is asked of every fourth program."""
    found = failures(GRADIENTS, True, lambda program, k: check_gradients(program, folder, k % 4 == 0, WAYS[k // 4 % 3]))
    assert not found, f"{len(found)} of {GRADIENTS}\n" + "\n".join(found)


@pytest.mark.parametrize("seed", [1090, 1101, 1144, *range(8)])
def test_gradients_add_to_buffers(folder, seed):
    """accumulate=True moves additions through a gradient's program; the first three seeds once met values before their time."""
    program = Writer(Source(seed), True, 10).program()
    loss = loss_of(loaded(program.text, folder), program)
    wrt = tuple(program.args()[k] for k in program.wrt)
    every = tuple(range(len(wrt)))
    found = outcome(tg.grad(loss, every), wrt)
    if isinstance(found, Exception):
        return
    plain, rng = found[0], np.random.default_rng(seed)
    held = [np.asarray(rng.standard_normal(np.shape(p)), np.asarray(p).dtype) for p in plain]
    buffers = tuple(h.copy() for h in held)
    tg.grad(loss, every)(*wrt, out=buffers, accumulate=True)
    for b, h, p in zip(buffers, held, plain, strict=True):
        np.testing.assert_allclose(b, h + p, rtol=1e-8, atol=1e-8 * (1 + np.max(np.abs(p), initial=0.0)))
