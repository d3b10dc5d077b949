"""What must not grow: compile cost with the trip count, the cost of an in-loop write with the size of the array."""
import numpy as np
import pytest
from cases import CASES, loss
from tracegrad.ir.interp import Counter, run
from tracegrad.ir.transforms import pipeline

import tracegrad as tg


def springs(steps):
    return tg.jit(CASES["damped_spring"].fn), (4.0, 0.3, steps)


def neuron(steps):
    return tg.jit(CASES["leaky_neuron"].fn), (0.5, np.broadcast_to(0.1, steps))       # 10,000,000 elements in 8 bytes


def filtered(steps):
    def moving(x, n):
        out = np.zeros(8)
        for k in range(n):
            out[k % 8] = 0.5 * out[(k - 1) % 8] + x
        return out

    return tg.jit(moving), (1.0, steps)


def sweeps(steps):
    return tg.jit(CASES["nonlinear_sweep"].fn), (np.ones((8, 8)), steps)


def sum_of(program):
    if program is sweeps:
        return loss(CASES["nonlinear_sweep"])
    plain = program(10)[0].fn
    return lambda *args: np.sum(plain(*args))


def size(program, steps, derivative):
    """Ops before and after the passes, and lines of the loops."""
    function, args = program(steps)
    if derivative:
        function = tg.grad(sum_of(program))
    lowered = function.lower(*args)
    ops = [sum(1 for _ in f.body.walk()) for f in (lowered.function, pipeline.optimize(lowered.function))]
    return ops, len(lowered.text("loops").splitlines())


@pytest.mark.parametrize("derivative", [False, True], ids=["value", "gradient"])
@pytest.mark.parametrize("program", [springs, neuron, filtered, sweeps])
def test_compile_cost_does_not_follow_the_trip_count(program, derivative):
    few, some, many = (size(program, n, derivative) for n in (10, 1_000, 10_000_000))
    assert few[0] == some[0] == many[0]
    assert some[1] == many[1]                  # arrays of 10 elements may be kept on the stack, which reads differently


def written(f, *args) -> int:
    """Elements that the evaluator writes; an update counts those of its region."""
    counter = Counter()
    run(pipeline.optimize(tg.jit(f).lower(*args).function), *args, counter=counter)
    return counter.written


def fill(x):
    for i in range(1, 33):
        x[i] = 0.5 * x[i - 1] + x[i]
    return x[32]


def gradient_of_fill(x):
    return tg.grad(lambda x: fill(x))(x)[0]


def test_a_write_in_a_loop_costs_what_it_writes():
    assert written(fill, np.ones(64)) == written(fill, np.ones(64_000))


def test_a_gradient_costs_the_array_once():
    more = written(gradient_of_fill, np.ones(64_000)) - written(gradient_of_fill, np.ones(64))
    assert more < 8 * 64_000                   # a few passes over the array, not one in each iteration
