"""Programs give the same whichever side of a threshold they fall on: all sizes at their least, all at their greatest.

`TRACEGRAD_FULL_TESTS=1` runs every case and each by-hand program, also with each size alone; else a fast subset.
"""
import cases
import numpy as np
import pytest
import sweeps
from by_hand import PROGRAMS, trees
from cases import CASES
from program_checks import check_gradients
from program_writer import Source, Writer
from tracegrad.ir.thresholds import TABLE, sizes
from tracegrad.ir.types import BOOL, F64
from tracegrad.lowering.loopir.grammar import (
    Alloc,
    At,
    Buffer,
    Copy,
    Fill,
    If,
    Imm,
    Kernel,
    Lib,
    Pop,
    Print,
    Push,
    Stack,
)
from tracegrad.lowering.loopir.passes.buffer_coloring import plan_slots

import tracegrad as tg

EVERY = {**CASES, **{f"by_hand.{name}": case for name, case in PROGRAMS.items()}}
FEW = list(EVERY)[::12]
SETTINGS = {"least": sizes.least, "greatest": sizes.greatest}
ALONE = {f"{name}={value}": {name: value} for name, row in TABLE.items() for value in row[1:]}


def same(got, expected, rtol, atol=0.0):
    got, expected = trees.leaves(got), trees.leaves(expected)
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        if b is None or isinstance(b, str):
            assert a == b
            continue
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape
        scale = np.max(np.abs(b[np.isfinite(b)]), initial=0.0) if b.dtype.kind in "fc" else 0.0
        single = b.dtype in (np.float32, np.complex64)
        np.testing.assert_allclose(a, b, rtol=1e-4 if single else rtol, atol=atol + (1e-5 if single else rtol) * scale)


def forget(*functions) -> None:
    """All functions of one program share what is compiled, under whichever sizes."""
    for f in filter(None, functions):
        f.cache_clear()


def check(case, setting) -> None:
    """Values as Python has them; gradients as the evaluator has them, and forward mode."""
    own = trees if case.name in PROGRAMS else cases
    copied, loss = own.copied, own.loss(case)
    args = case.make(np.random.default_rng(len(case.name)), 0)
    ours, theirs = copied(args), copied(args)
    want = case.fn(*theirs)
    value, gradient = tg.jit(case.fn), tg.grad(loss, argnums=case.wrt) if case.wrt else None
    forget(value, gradient)
    with setting():
        same(value(*ours), want, 1e-10)
        same(ours, theirs, 1e-10)
        found = gradient(*copied(args)) if case.wrt else ()
    forget(value, gradient)
    if case.wrt:
        with tg.disable_jit():
            want = tg.grad(loss, argnums=case.wrt)(*copied(args))
        same(found, want, 1e-7, 1e-10)


@pytest.mark.sweep(6, by="name")
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", EVERY if sweeps.FULL else FEW)
def test_all_sizes(name, setting):
    check(EVERY[name], SETTINGS[setting])


@pytest.mark.parametrize("setting", ALONE if sweeps.FULL else ())
@pytest.mark.parametrize("name", FEW)
def test_each_size_alone(name, setting):
    check(EVERY[name], lambda: sizes.at(**ALONE[setting]))


@pytest.mark.sweep(8)
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("seed", [1057, *range(100 if sweeps.FULL else 8)])
def test_random_programs(seed, setting, tmp_path):
    """The first seed once met a temporary that was reused too early."""
    program = Writer(Source(seed), True, 10).program()
    with SETTINGS[setting]():
        assert not check_gradients(program, tmp_path, second=seed % 4 == 0), program.text


def lives(use) -> set:
    """The slots of two buffers: the first is written, then the second, then the first is used."""
    first, second = (Buffer(name, F64, (4096,), "heap") for name in ("first", "second"))
    kernel = Kernel("k", [], [Alloc(first), Fill(first, Imm(1.0, F64)), Alloc(second), Fill(second, Imm(2.0, F64)), use(first)])
    plan_slots(kernel)
    return {first.slot, second.slot}


@pytest.mark.parametrize("use", [
    lambda b: Push(Stack(F64, "s"), b, 4096), lambda b: Push(Stack(F64, "s"), At(b, (0,)), 8), lambda b: Print(0, (b,)),
    lambda b: Pop(Stack(F64, "s"), b, 4096), lambda b: Copy(Buffer("out", F64, (4096,), "out"), b), lambda b: Lib("f", (b,)),
    lambda b: If(Imm(True, BOOL), [Push(Stack(F64, "s"), b, 4096)], [])])
def test_memory_is_not_shared_before_its_last_use(use):
    assert lives(use) == {0, 1}


def test_memory_is_shared_afterwards():
    assert lives(lambda b: Fill(Buffer("other", F64, (4096,), "heap"), Imm(0.0, F64))) == {0}


def test_sizes_are_restored():
    before = dict(sizes.__dict__)
    with pytest.raises(ZeroDivisionError), sizes.least():
        assert sizes.unrolled == 0
        raise ZeroDivisionError
    assert sizes.__dict__ == before and set(before) == set(TABLE)
    with pytest.raises(AttributeError, match="no such size"), sizes.at(nothing=1):
        pass
