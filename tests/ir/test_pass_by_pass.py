"""Programs are checked when all passes have run, and one by one where that finds something."""
import numpy as np
import pytest
from tracegrad.ir import verify
from tracegrad.ir.errors import IRError
from tracegrad.ir.transforms import pipeline
from tracegrad.lowering.loopir.grammar import Let, walk
from tracegrad.lowering.loopir.passes import pipeline as loop_pipeline

import tracegrad as tg


def wrong(f):
    """A pass that uses a value before it is defined."""
    f.body.ops.insert(0, f.body.ops.pop())
    return f


def undefined(kernel):
    """A pass over loops that defines a value twice."""
    lets = [s for s in walk(kernel.body) if isinstance(s, Let)]
    lets[-1].target = lets[0].target


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("at", [0, 2])
def test_the_pass_is_named(monkeypatch, each, at):
    monkeypatch.setattr(verify, "PASS_BY_PASS", each)
    passes = list(pipeline.PASSES)
    monkeypatch.setattr(pipeline, "PASSES", (*passes[:at], ("breaker", wrong)))
    with pytest.raises(IRError, match="after breaker: "):
        tg.jit(lambda x: np.sin(x) * np.cos(x + 1.0))(np.ones(3))


@pytest.mark.parametrize("each", [False, True])
def test_a_pass_over_loops_is_named(monkeypatch, each):
    monkeypatch.setattr(verify, "PASS_BY_PASS", each)
    monkeypatch.setattr(loop_pipeline, "PASSES", (*loop_pipeline.PASSES, ("breaker", undefined)))
    with pytest.raises(IRError, match="breaker"):
        tg.jit(lambda x: np.sin(x) * np.cos(x + 1.0))(np.ones(3))


def test_how_often_programs_are_checked(monkeypatch):
    seen = []
    monkeypatch.setattr(pipeline, "check", lambda f, where="": seen.append(where))
    for each in (False, True):
        monkeypatch.setattr(verify, "PASS_BY_PASS", each)
        tg.jit(lambda x: x * 2.0).lower(np.ones(3)).text("optimized")
    assert seen == ["", *[name for name, _ in pipeline.PASSES]]
