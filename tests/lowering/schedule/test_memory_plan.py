"""The plan of memory: printed, closed once made, and the same that the writer of LLVM follows."""
import re

import numpy as np
import pytest
from nest_check import build, for_
from tracegrad.lowering.build.loop_builder import lower
from tracegrad.lowering.llvm.emit import emit
from tracegrad.lowering.memory import layout
from tracegrad.lowering.schedule.memory_plan import MemoryPlan

import tracegrad as tg


def squares():
    return build([("f64", 400)], lambda b, x: b("sort", b("mul", x, x), axis=0, kind="stable", descending=False))


def steps():
    def program(b, x):
        return for_(b, 5, [x], lambda i, now: (b("mul", now, now),))
    return build([("f64", 300)], program)


def test_the_plan_says_where_each_array_lives():
    def f(x):
        y = np.sort(x * 2.0)
        return y[::-1] + 1.0

    text = tg.jit(f).lower(np.ones(500)).text("schedule")
    notes = re.findall(r"= (\w+) .*# (.*)", text)
    homes = dict(notes)
    assert homes["mul"] == "computed where it is read" and homes["sort"].startswith("temporary 0")
    assert homes["add"].startswith("result 0")
    assert re.search(r"^# f: .* 4000 bytes$", text, re.M), text


def test_an_argument_that_is_overwritten_is_said_to_be():
    def f(x):
        x[1] = 3.0
        return np.sum(x)

    assert "argument 0, overwritten" in tg.jit(f).lower(np.ones(5)).text("schedule")


@pytest.mark.parametrize("make", [squares, steps])
def test_a_plan_is_closed(make):
    plan = MemoryPlan(make())
    v = plan.function.results[0]
    with pytest.raises(AssertionError):
        plan.program.force(v)
    with pytest.raises(AssertionError):
        plan.stores.lodge(v)


def test_code_has_the_frame_and_the_workspace_that_the_layout_says():
    def f(x):
        y = np.sort(x * 2.0)
        z = np.sort(y[::-1] + x)
        return y * z

    for n in (20, 5000):
        kernel = lower(tg.jit(f).lower(np.ones(n)).final())
        text, rows = emit(kernel), layout.rows(kernel)
        workspace = int(re.search(r"frame, (\d+) of workspace", rows[-1]).group(1))
        slots = [int(row) for row in re.findall(r"workspace \+ (\d+)", "\n".join(rows))]
        assert sorted(set(slots)) == sorted({int(at) for at in re.findall(r"ptr %workspace, i64 (\d+)", text)})
        assert (workspace > 0) == ("%workspace" in text)
