"""The IR of every program of cases/, and of its derivative: prints, parses back equal, verifies, evaluates to the same."""
import numpy as np
import pytest
from cases import CASES, copied, loss
from tracegrad.autodiff.reverse import reverse
from tracegrad.ir import interp
from tracegrad.ir.text.printer import equal, parse, print_function
from tracegrad.ir.transforms import pipeline
from tracegrad.ir.verify import verify
from tracegrad.tracer import pytrees

import tracegrad as tg
from tracegrad.programs.lowered import Lowered


def arguments(case):
    return copied(case.make(np.random.default_rng(len(case.name)), 0))


def lowered(f, args) -> Lowered:
    return tg.jit(f).lower(*args)


def parameters(program: Lowered, args) -> list:
    """The arrays for the parameters of a traced program."""
    leaves = pytrees.flatten((args, {}))[0]
    return [np.array(x, leaf.dtype.np) for x, leaf in zip(leaves, program.traced.leaves, strict=True) if leaf.kind != "static"]


def check(function, values):
    """Round trip; the results of both functions are the same to the bit."""
    text = print_function(function)
    again = parse(text)
    assert equal(function, again)
    assert print_function(again) == text
    verify(again)
    ours, theirs = interp.run(function, *copied(tuple(values))), interp.run(again, *copied(tuple(values)))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    return ours


@pytest.mark.sweep(2)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_program(case):
    args = arguments(case)
    program = lowered(case.fn, args)
    values = parameters(program, args)
    traced = check(program.function, values)
    optimized = check(pipeline.optimize(program.function), values)
    for a, b in zip(traced, optimized, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12 * np.max(np.abs(a), initial=0.0))


@pytest.mark.sweep(3)
@pytest.mark.parametrize("case", [c for c in CASES.values() if c.wrt], ids=lambda c: c.name)
def test_its_derivative(case):
    args = arguments(case)
    program = lowered(loss(case), args)
    f = program.function
    wrt = [k for k, p in enumerate(f.params) if p.type.dtype.inexact]
    backward = reverse.vjp(f, wrt)
    seeds = [np.ones(v.type.dims, v.type.dtype.np) for v in f.results if v.type.dtype.inexact]
    check(pipeline.optimize(backward), [*parameters(program, args), *seeds])
    text = print_function(backward, margin=True)
    assert equal(parse(text), backward)                 # the margin is a comment
