"""Kernels that know where each instruction comes from, and kernels whose loops count."""
import numpy as np
import pytest
from tracegrad.lowering.build import loop_builder
from tracegrad.lowering.llvm import annotated
from tracegrad.lowering.llvm.emit import emit
from tracegrad.lowering.loopir.grammar import For, While
from tracegrad.lowering.native.object_code import assembly, optimized

import tracegrad as tg
from tracegrad.programs import compile
from tracegrad.report.costs import timed
from tracegrad.report.model import report_of


def walk_down(x):
    total = 0.0
    for i in range(x.shape[0]):
        y = x[i]
        while y > 1.0:
            y = y / 2.0
            total += np.sqrt(y)
    return total


def kernel_of(f, *args):
    lowered = tg.jit(f).lower(*args)
    return loop_builder.lower(compile.optimized(lowered._program))


def lines(f):
    first = f.__code__.co_firstlineno
    return lambda place: place[-1][1] - first


def test_the_marked_text_is_the_text_itself():
    kernel = kernel_of(walk_down, np.ones(50))
    text, places = annotated.located(kernel)
    assert [row for row, _ in annotated.llvm_rows(text)] == emit(kernel).rstrip("\n").split("\n")
    assert {lines(walk_down)(place) for place in places} >= {2, 3, 4, 5, 6}
    assert all(place[-1][0] == __file__ for place in places)


def test_instructions_are_those_of_the_kernel_and_know_their_lines():
    kernel = kernel_of(walk_down, np.ones(50))
    text, places = annotated.located(kernel)
    plain = [row for row in optimized(emit(kernel)).split("\n") if row.startswith("  ")]
    found = [(row, number) for row, number in annotated.llvm_rows(optimized(text)) if row.startswith("  ")]
    assert [row.split("!")[0] for row, _ in found] == [row.split("!")[0] for row in plain]          # numbers of metadata differ
    roots = [lines(walk_down)(places[number - 1]) for row, number in found if "llvm.sqrt" in row and number]
    assert roots and set(roots) == {6}
    rows = annotated.assembly_rows(assembly(text))
    assert not any(".loc" in row or "debug" in row for row, _ in rows)
    # of what LLVM moves across a branch, as it may the root, it forgets the line
    assert {lines(walk_down)(places[number - 1]) for row, number in rows if "mulsd" in row} == {5}


def test_iterations_are_counted():
    x = np.array([9.0, 0.5, 3.0, 1.0] * 500)
    report = report_of(tg.jit(walk_down), (x,), {}, 0.01)
    outer = report.costs.loops[0]
    assert (outer.entered, outer.iterations) == (1, 2000)
    inner = report.costs.loops[1]
    assert inner.name == "while" and inner.row == 0                   # too short for a clock of its own

    def slow(x):
        total = 0.0
        while total < 3000.0:
            for i in range(len(x)):
                total += np.tanh(x[i]) ** 2 / len(x)
        return total

    x = np.linspace(0.0, 3.0, 1000)
    step = np.mean(np.tanh(x) ** 2)
    found = report_of(tg.jit(slow), (x,), {}, 0.01).costs.loops
    turns = int(np.ceil(3000.0 / step))
    clocked = [loop for loop in found if loop.row]
    assert (clocked[0].name, clocked[0].entered, clocked[0].iterations) == ("while", 1, turns)
    assert max(loop.iterations for loop in clocked) == 1000 * turns                  # whether it is cut into strips or not


def test_short_loops_have_no_clock():
    kernel = kernel_of(walk_down, np.ones(20_000))
    assert [type(s) for s in timed(kernel)] == [For]
    assert {type(s) for s in annotated.loops_of(kernel)} == {For, While}


@pytest.mark.parametrize("threads", [1, 2])
def test_loops_that_threads_share_are_counted_once(threads):
    def f(x):
        out = np.empty_like(x)
        for i in range(x.shape[0]):
            out[i] = np.exp(np.sin(x[i])) ** 1.7
        return out

    x = np.linspace(0.0, 1.0, 300_000)
    with tg.config(threads=threads):
        report = report_of(tg.jit(f), (x,), {}, 0.01)
    assert [(loop.entered, loop.iterations) for loop in report.costs.loops] == [(1, 300_000)]
    assert report.costs.total > 0.0


def test_the_clock_runs():
    clock = annotated.Clock()
    before = clock.now()
    assert clock.now() > before and clock.empty >= 0 and clock.beside >= 0
