"""What a gradient keeps, by counting: elements of tapes in the plan and at run time, memory with a budget, checkpoints.

A tape is an array from `empty` of which every iteration writes a part, or a stack. Counting on the evaluator shows what a run
really keeps: the elements of `empty` and those that are pushed.
"""
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from cases import CASES, loss
from derivatives import draw, inexact
from smooth_ir import program
from tracegrad.autodiff.reverse.reverse import vjp
from tracegrad.ir.interp import Counter, run
from tracegrad.ir.text.printer import parse
from tracegrad.ir.transforms import pipeline
from tracegrad.ir.verify import verify

import tracegrad as tg


class Watch(Counter):
    """A counter of what a run keeps: entries of stacks, and arrays that begin as `empty` and that a loop fills."""

    def note(self, op, operands, results):
        super().note(op, operands, results)
        if op.defn.name == "empty":
            self.sizes[op] = np.size(results[0])
            self.bytes_of[op] = max(self.bytes_of.get(op, 0), results[0].nbytes)


def results(f):
    """The ops that make the arrays which a program's results are written into."""
    found, waiting = set(), list(f.body.yields)
    while waiting:
        v = waiting.pop()
        op = v.op
        if op is None:
            continue
        found.add(op)
        if op.defn.name in ("for", "while"):
            waiting.append(op.operands[len(op.operands) - len(op.results) + v.slot])
        elif op.defn.name in ("update", "update_add", "scatter_add"):
            waiting.append(op.operands[0])
    return found


def kept_by(f, *args):
    """(elements that a program keeps for its way back, the counter)."""
    counter = Watch()
    counter.sizes, counter.bytes_of = {}, {}
    with np.errstate(all="ignore"):
        run(f, *args, counter=counter)
    own = results(f)
    filled = sum(counter.sizes[v.op] for op in f.body.ops if op.regions for v in op.operands
                 if v.op in counter.sizes and v.op not in own)
    return filled + counter.elements["push"], counter


def gradient(f, args, argnums=0):
    return parse(tg.value_and_grad(f, argnums=argnums).lower(*args).text("optimized"))


def kept(case, args):
    return kept_by(gradient(loss(case), args, case.wrt), *args)[0]


def small(name):
    return CASES[name].make(np.random.default_rng(0), 0)


# case -> (n of its arguments) -> the most elements that may be kept: those that the loops write
BOUNDS = {
    "gauss_with_pivoting": lambda a, b: b.size * (b.size - 1) // 2 + b.size,               # the factors, and the pivots
    "nonlinear_sweep": lambda grid, sweeps: sweeps * (grid.shape[0] - 2) * (grid.shape[1] - 2),
    "time_warp_distance": lambda a, b: 0,
    "prefix_correlations": lambda x: x.size,
    "ldl_factor": lambda matrix: matrix.size,
    "tridiagonal_solve": lambda lower, middle, upper, rhs: 4 * rhs.size,
    "wave_steps": lambda start, courant, steps: 2 * steps * (start.shape[0] - 2) * (start.shape[1] - 2),
    "verlet_cluster": lambda position, velocity, dt, steps: steps * position.size,
    "csr_times_vector": lambda indptr, indices, values, x: indptr.size - 1,                 # the result, an np.empty
    "weighted_histogram": lambda where, weight: 2 * where.size,
    "leaky_neuron": lambda leak, drive: drive.size,
    "selection_by_moves": lambda x: x.size,                                                 # the positions
    "views_write_through": lambda x: 0,
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", BOUNDS)
def test_tapes_hold_at_most_what_is_written(name):
    args = small(name)
    assert kept(CASES[name], args) <= BOUNDS[name](*args)


def test_sweeps_keep_one_number_a_write_at_any_length():
    """Nothing of size (array x iterations): four times the sweeps, four times the writes."""
    case = CASES["nonlinear_sweep"]
    grid = np.random.default_rng(0).standard_normal((9, 9))
    counts = [kept(case, (grid, sweeps)) for sweeps in (2, 8)]
    assert counts == [2 * 49, 8 * 49]


def test_rolled_arrays_are_taken_again():
    """The field of each step is kept, perhaps with a row of it, and not its Laplacian by np.roll beside it."""
    def loss(field, k):
        for _ in range(5):
            around = np.roll(field, 1, 0) + np.roll(field, -1, 0) + np.roll(field, 1, 1) + np.roll(field, -1, 1) - 4 * field
            field = field + k * (1 + 0.1 * field) * around
        return (field * field).sum()

    args = np.random.default_rng(1).standard_normal((12, 11)), 0.1
    assert kept_by(gradient(loss, args, (0, 1)), *args)[0] <= 5 * (12 + 1) * 11
    dots = np.random.default_rng(2).standard_normal((12, 11)), 0.7
    slope = sum(np.sum(g * d) for g, d in zip(tg.grad(loss, argnums=(0, 1))(*args), dots))
    assert tg.jvp(loss, args, dots)[1] == pytest.approx(slope, rel=1e-12)


def test_elimination_undoes_nothing():
    """The final array holds what the adjoints read: no element that an elimination step overwrites is logged."""
    case = CASES["gauss_with_pivoting"]
    text = tg.value_and_grad(loss(case), argnums=case.wrt).lower(*small(case.name)).text("optimized")
    assert text.count("push") == 1 and "restores" not in text


# --- reading a later version ------------------------------------------------------------------------------------------

def chain(read, write):
    return parse(f"""
func @f(%x: f64[6]) -> f64[6] {{
  %r = for %i = 0 to 5 carry(%a = %x) : f64[6] {{
    %i1 = add %i, 1 : index
    %v = slice %a[{read}] : f64
    %s = mul %v, %v : f64
    %t = mul %s, %v : f64
    %b = update %a[{write}], %t : f64[6]
    yield %b
  }}
  return %r
}}""")


@pytest.mark.parametrize("read, write", [("%i", "%i1"), ("%i1", "%i"), ("%i", "%i"), ("%i", "5"), ("0", "%i1"), ("5", "%i"),
                                         ("%i", "0")])
def test_reads_of_overwritten_arrays(read, write):
    """Wherever the read and the write stand: reverse equals forward differences."""
    f = chain(read, write)
    x = np.linspace(0.4, 1.3, 6)
    back = vjp(f, (0,))
    verify(back)
    ct = np.linspace(1.0, 2.0, 6)
    _, bar = run(back, x, ct)
    step = 1e-6
    slopes = [(run(f, x + step * e)[0] - run(f, x - step * e)[0]) @ ct / (2 * step) for e in np.eye(6)]
    np.testing.assert_allclose(bar, slopes, rtol=1e-7, atol=1e-8)


def test_what_nothing_overwrites_is_not_kept():
    def elements(f):
        return kept_by(pipeline.optimize(vjp(f, (0,))), np.linspace(0.4, 1.3, 6), np.ones(6))[0]

    assert elements(chain("%i", "%i1")) == 0
    assert elements(chain("0", "%i1")) == 0
    assert elements(chain("%i1", "%i")) == 5            # the next iteration overwrites it
    assert elements(chain("%i", "%i")) == 5


# --- a budget ---------------------------------------------------------------------------------------------------------

def values(found):
    return [found[0], *(found[1] if isinstance(found[1], tuple) else (found[1],))]


@pytest.mark.sweep(10)
@pytest.mark.parametrize("name", ["damped_spring", "leaky_neuron", "epidemic_rk4", "tridiagonal_solve", "nonlinear_sweep",
                                  "wave_steps", "running_extremes", "kalman_likelihood", "selection_by_moves"])
@pytest.mark.parametrize("compiled", [True, False])
def test_a_budget_changes_no_derivative(name, compiled):
    case, args = CASES[name], small(name)
    want = values(tg.value_and_grad(loss(case), argnums=case.wrt)(*args))
    for budget in (1500, 20_000, "1 MB"):
        with tg.config(memory_budget=budget, disable_jit=not compiled):
            try:
                got = values(tg.value_and_grad(loss(case), argnums=case.wrt)(*args))
            except tg.ArgumentError as error:
                assert budget == 1500 and "memory_budget" in str(error)
                continue
        for a, b in zip(got, want):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


@pytest.mark.sweep(4)
@pytest.mark.parametrize("seed", range(25))
def test_a_budget_on_random_programs(seed):
    f, args = program(seed + 900, depth=3, length=5)
    rng = np.random.default_rng(seed)
    wrt = tuple(k for k, a in enumerate(args) if inexact(a))
    cts = [draw(rng, r) for r in run(f, *args) if inexact(r)]
    try:
        limited = vjp(f, wrt, budget=50_000)
    except tg.ArgumentError as error:                   # nested loops of unknown length
        assert "memory_budget" in str(error)
        return
    verify(limited)
    for a, b in zip(run(limited, *args, *cts), run(vjp(f, wrt), *args, *cts)):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def test_a_budget_and_second_order():
    case, args = CASES["damped_spring"], (4.0, 0.3, 200)

    def second():
        return tg.jvp(lambda k: tg.grad(loss(case))(k, *args[1:]), (4.0,), (1.0,))[1], tg.grad(
            lambda k: tg.grad(loss(case))(k, *args[1:]))(4.0)
    want = second()
    with tg.config(memory_budget=3000):
        np.testing.assert_allclose(second(), want, rtol=1e-11)


@pytest.mark.sweep(3, days=True)
def test_a_budget_bounds_what_is_kept():
    case, args = CASES["damped_spring"], (4.0, 0.3, 2_000)
    assert 8 * kept(case, args) > 12_000
    with tg.config(memory_budget=4_000):
        limited = gradient(loss(case), args, case.wrt)
    filled, counter = kept_by(limited, *args)
    assert 8 * (filled + max(counter.sizes.values())) <= 4_000


@pytest.mark.sweep(2, days=True)
def test_ten_million_steps_in_64_megabytes():
    script = """
import sys
sys.path[:0] = {tests!r}
import tracegrad as tg
from cases import CASES, loss
case = CASES["damped_spring"]
with tg.config(memory_budget="64MB"):
    g = tg.value_and_grad(loss(case), argnums=case.wrt)
    g(4.0, 0.3, 10_000_000)
# not ru_maxrss, which begins with what the process that started this one had
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    tests = [str(pathlib.Path(__file__).parents[1] / folder) for folder in ("support", "programs")]
    found = subprocess.run([sys.executable, "-c", script.format(tests=tests)], capture_output=True, text=True, check=True)
    assert int(found.stdout) < 200_000                         # KiB


def spring(k, c, steps):
    x, v = 1.0, 0.0
    for _ in range(steps):
        v = v - 0.01 * (k * np.sin(x) + c * v)
        x = x + 0.01 * v
    return x


def fixed(x):
    s = x * 0 + 1.0
    for _ in range(1000):
        s = np.sin(s) + 0.01 * x * s
    return np.sum(s)


def nested(x):
    s = x * 0 + 1.0
    for _ in range(50):
        for _ in range(60):
            s = np.sin(s) + 0.01 * x * s
        s = s * 0.9
    return np.sum(s)


def until(x, least):
    s = 1.0
    while s > least:
        s = s * np.cos(s) * x
    return s


def newton(x, m):
    s = 1.0
    for _ in range(m):
        r = s
        while r > 0.1:
            r = r * np.cos(r) * x
        s = s + 0.1 * r
    return s


def two(x):
    s = x + 0.0
    for _ in range(300):
        s = np.sin(s) + 0.01 * x
    for _ in range(400):
        s = np.cos(s) * x
    return np.sum(s)


ROW = np.linspace(0.1, 0.9, 5)


@pytest.mark.sweep(14, days=True)
@pytest.mark.parametrize("f, args, argnums, budgets, times", [
    (spring, (4.0, 0.3, 1000), (0, 1), (20_000, 2000, 600), 3), (fixed, (ROW,), 0, (20_000, 2000, 840), 3),
    (nested, (ROW,), 0, (20_000, 2000, 1000), 3.5), (until, (0.99, 1e-3), (0, 1), (20_000, 1000, 400), 3),
    (newton, (0.99, 50), 0, (20_000, 1000, 400), 5), (two, (ROW,), 0, (20_000, 4000), 3),
])
def test_any_loop_runs_in_a_small_budget(f, args, argnums, budgets, times):
    """Tapes and states together stay below the budget, whatever the loops are; the work grows with the levels only."""
    plain = gradient(f, args, argnums)
    want, free = run(plain, *args), kept_by(plain, *args)[1].total
    for budget in budgets:
        with tg.config(memory_budget=budget):
            limited = gradient(f, args, argnums)
            counter = kept_by(limited, *args)[1]
            compiled = values(tg.value_and_grad(f, argnums=argnums)(*args))
        assert sum(counter.bytes_of.values()) <= budget
        assert counter.elements["push"] == 0 and counter.total <= times * free
        for got in (run(limited, *args), compiled):
            for a, b in zip(got, want, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


@pytest.mark.sweep(3, days=True)
def test_second_order_within_a_budget():
    """Forward over reverse through several levels of segments, reverse over reverse through one."""
    def slope(x):
        return tg.grad(until, argnums=0)(x, 1e-3)

    def second():
        return (tg.jvp(slope, (0.97,), (1.0,))[1], tg.jvp(tg.grad(fixed), (ROW / 2,), (ROW,))[1])

    want, bend = second(), tg.grad(slope)(0.97)
    with tg.config(memory_budget=1000):
        for a, b in zip(second(), want):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
    with tg.config(memory_budget=20_000):
        assert tg.grad(slope)(0.97) == pytest.approx(bend, rel=1e-10)


def test_what_is_run_again_prints_once(capfd):
    def f(x, n):
        while n > 0:
            for _ in range(3):
                x = np.sin(x) * 1.01
            print("left", n)
            n -= 1
        return x

    want = tg.grad(f)(0.5, 6)
    once = capfd.readouterr().out
    with tg.config(memory_budget=200):
        assert tg.grad(f)(0.5, 6) == pytest.approx(want, rel=1e-12)
    assert capfd.readouterr().out == once == "".join(f"left {n}\n" for n in range(6, 0, -1))


@pytest.mark.sweep(2, days=True)
def test_a_budget_that_is_too_small():
    case, args = CASES["wave_steps"], small("wave_steps")
    for budget in (200, 2000):                              # the number of steps is known at run time only
        with tg.config(memory_budget=budget), pytest.raises(tg.ArgumentError) as error:
            tg.value_and_grad(loss(case), argnums=case.wrt)(*args)
        text = str(error.value)
        assert f"leaves {budget:,} bytes for this loop of 5 iterations, of which one keeps 896 bytes" in text
        assert "for _ in range(steps):" in text and "give more memory" in text
    with tg.config(memory_budget=600), pytest.raises(tg.ArgumentError, match="one keeps 40 bytes") as error:
        tg.grad(fixed)(ROW)
    assert "for _ in range(1000):" in str(error.value) and "840 bytes would do for this loop" in str(error.value)


@pytest.mark.parametrize("size, count", [(1000, 1000), ("64MB", 64_000_000), ("1.5 KiB", 1536), ("2gb", 2_000_000_000)])
def test_sizes(size, count):
    with tg.config(memory_budget=size):
        assert tg.config.memory_bytes == count


@pytest.mark.parametrize("size", ["", "64 parsecs", -1, 0, True, 1.5, "MB"])
def test_what_is_no_size(size):
    with pytest.raises(tg.ArgumentError, match="memory_budget"):
        tg.config.memory_budget = size


# --- checkpoint -------------------------------------------------------------------------------------------------------

def step(x, k):
    return np.tanh(np.sin(x) * k) + 0.1 * x


def plain(x, k):
    total = 0.0
    for _ in range(6):
        x = step(x, k)
        total = total + np.sum(x * x)
    return total


def saving(x, k):
    again, total = tg.checkpoint(step), 0.0
    for _ in range(6):
        x = again(x, k)
        total = total + np.sum(x * x)
    return total


X, K = np.linspace(0.1, 0.9, 5), 0.7


def test_checkpoint_is_the_function():
    assert tg.checkpoint(step)(2.0, 1.0) == step(2.0, 1.0)
    assert tg.jit(saving)(X, K) == tg.jit(plain)(X, K)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("compiled", [True, False])
def test_checkpoint_in_every_mode(compiled):
    w = np.linspace(1, 2, 5)
    with tg.config(disable_jit=not compiled):
        for operator in (lambda f: tg.grad(f, argnums=(0, 1))(X, K), lambda f: tg.jvp(f, (X, K), (w, 1.0)),
                         lambda f: tg.vjp(f, X, K)[1](1.0), lambda f: tg.hessian(f)(X, K),
                         lambda f: tg.grad(lambda x: np.sum(tg.grad(f)(x, K) * w))(X),
                         lambda f: tg.jvp(tg.grad(f), (X, K), (w, 1.0)),
                         lambda f: tg.vmap(tg.grad(f), in_axes=(0, None))(np.stack([X, w]), K)):
            for a, b in zip(np.ravel(np.concatenate([np.ravel(v) for v in _flat(operator(saving))])),
                            np.ravel(np.concatenate([np.ravel(v) for v in _flat(operator(plain))]))):
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def _flat(tree):
    return [leaf for item in tree for leaf in _flat(item)] if isinstance(tree, tuple) else [tree]


def test_checkpoint_keeps_the_arguments_only():
    """A loop of checkpointed steps tapes its state; without, more than that."""
    def heavy(x, k):
        y = np.cumsum(np.sin(x) * k)
        return np.sort(y) * np.cumsum(y)

    def loop(fn):
        def value(x, k):
            for _ in range(6):
                x = fn(x, k) / 50
            return np.sum(x)
        return value

    args = np.ones(50), K
    (most, once), (least, twice) = [kept_by(gradient(loop(fn), args), *args) for fn in (heavy, tg.checkpoint(heavy))]
    assert least == 6 * 50 and most == 4 * 6 * 50
    assert twice.ops["sin"] == 2 * once.ops["sin"]


def test_checkpoint_of_a_function_that_overwrites_its_argument():
    def bump(x):
        x[1:] *= x[:-1]

    def value(fn):
        def inner(x):
            x = x * 1.5
            fn(x)
            fn(x)
            return np.sum(x)
        return inner

    np.testing.assert_allclose(tg.grad(value(tg.checkpoint(bump)))(X), tg.grad(value(bump))(X), rtol=1e-13)


def test_checkpoint_takes_functions():
    with pytest.raises(tg.ArgumentTypeError, match="checkpoint takes a function"):
        tg.checkpoint(3)


@pytest.mark.sweep(6, days=True)
def test_a_long_way_back_is_cut():
    """In a long body of cheap array ops the way back from an array ends at one that is kept."""
    def f(x, y, n):
        for _ in range(n):
            for k in tg.unroll(range(150)):
                x = x * (1 - k / 1000) + k / 5000 * x * x * y if k % 3 else x + 0.01 * np.roll(x, 1)
        return (x * x).sum()

    x, y, v = np.random.default_rng(0).standard_normal((3, 20)) * 0.3
    with tg.disable_jit():
        slope = tg.grad(f)(x, y, 12) @ v
        assert tg.jvp(lambda x: f(x, y, 12), (x,), (v,))[1] == pytest.approx(slope, rel=1e-12)
    assert 12 * 20 < kept_by(gradient(f, (x, y, 12)), x, y, 12)[0] <= 12 * 20 * 100
