"""What a gradient really allocates: the high-water mark of a process against the plan, and the notes against the plan."""
import pathlib
import re
import subprocess
import sys
from math import prod

import numpy as np
import pytest
from cases import CASES, loss
from high_water import MARKED, REASON
from tracegrad.autodiff.remarks import described
from tracegrad.autodiff.reverse.reverse import Reverse
from tracegrad.ir.interp import Counter, run
from tracegrad.ir.text.printer import parse
from tracegrad.tracer.pytrees import flatten

import tracegrad as tg

HIGH_WATER = """
import sys
sys.path[:0] = {tests!r}
import numpy as np
import tracegrad as tg
from cases import CASES, loss
from high_water import rise

case, rng = CASES[{name!r}], np.random.default_rng(0)
args = {args}
gradient = tg.value_and_grad(loss(case), argnums=case.wrt)
gradient(*args)                                     # compiles
print(rise(lambda: gradient(*args)))
"""


@pytest.mark.sweep(6)
@pytest.mark.skipif(not MARKED, reason=REASON)
@pytest.mark.parametrize("name, args, arrays, writes", [
    ("gauss_with_pivoting", "(rng.standard_normal((300, 300)) + 300 * np.eye(300), rng.standard_normal(300))",
     2 * 300 * 300 + 3 * 300, 300 * 300 // 2),
    ("nonlinear_sweep", "(rng.standard_normal((200, 200)), 50)", 2 * 200 * 200, 50 * 198 * 198),
    ("wave_steps", "(0.1 * rng.standard_normal((300, 300)), 0.2, 10)", 4 * 300 * 300, 2 * 10 * 298 * 298),
    ("tridiagonal_solve", "(np.full(200_000, 0.2), np.ones(200_000), np.full(200_000, 0.3), rng.standard_normal(200_000))",
     7 * 200_000, 4 * 200_000),
    ("ldl_factor", "((lambda a: a @ a.T + 300 * np.eye(300))(rng.standard_normal((300, 300))),)", 3 * 300 * 300, 300 * 300),
], ids=lambda v: v if isinstance(v, str) and v.isidentifier() else "")
def test_a_gradient_stays_below_twice_the_arrays_and_a_number_a_write(name, args, arrays, writes):
    """`arrays`: the elements of the function's own arrays, `writes`: those that its loops write (of the elimination, those of
    the factors only: what it writes to the rest, 9 million numbers, is nowhere kept)."""
    tests = [str(pathlib.Path(__file__).parents[1] / folder) for folder in ("support", "programs")]
    script = HIGH_WATER.format(tests=tests, name=name, args=args)
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(found.stdout) <= 8 * (2 * arrays + writes)


# --- what the notes say ------------------------------------------------------------------------------------------------------

class Record(Counter):
    """The bytes of each value, and the number behind each length."""

    def note(self, op, operands, results):
        super().note(op, operands, results)
        for v, x in zip(op.results, results):
            if not isinstance(x, tuple):
                self.sizes[v] = x.nbytes
                self.numbers[v] = int(x) if x.ndim == 0 and x.dtype.kind == "i" else None


LOOPS = ["piecewise", "bisection_root", "configured_filter", "skip_and_stop", "ldl_factor", "gauss_with_pivoting",
         "leaky_neuron", "tridiagonal_solve", "nonlinear_sweep", "wave_steps", "selection_by_moves", "epidemic_rk4",
         "newton_square_roots",
         "hidden_markov_log_likelihood", "kalman_likelihood", "verlet_cluster", "running_extremes", "recurrent_network",
         "damped_spring", "fitted_line"]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", LOOPS)
def test_the_notes_say_what_is_allocated(name):
    """Each tape has the bytes that the sentence about its loop says, and no array is taped that no sentence names."""
    case = CASES[name]
    args = case.make(np.random.default_rng(0), 0)
    f = parse(tg.jit(loss(case)).lower(*args).text("optimized"))
    values = [np.asarray(a) for a in flatten(args)[0] if isinstance(a, (float, int, np.ndarray))]
    wrt = [k for k, p in enumerate(f.params) if p.type.dtype.inexact]
    own = sum(op.defn.name == "empty" for op in f.body.walk())
    reverse = Reverse(f, wrt)
    sentences = " ".join(sentence for _, sentence, _ in described(reverse))
    counter = Record()
    counter.sizes, counter.numbers = {}, {p: int(x) for p, x in zip(reverse.f.params, values) if x.dtype.kind == "i"}
    with np.errstate(all="ignore"):
        run(reverse.function(), *values, *[np.ones(ct.type.dims) for ct in reverse.cotangents], counter=counter)
    taped = dict.fromkeys([reverse.kept[v] for _, v, how in reverse.notes if how == "taped"])
    for v in taped:
        known = prod([d for d in v.type.dims if isinstance(d, int)]) * v.type.dtype.size
        assert f"{known:,} bytes" in sentences
        lengths = [counter.numbers.get(d) for d in v.type.dims if not isinstance(d, int)]
        if v in counter.sizes and None not in lengths:      # else in a branch that was not taken; a row of a triangle
            assert counter.sizes[v] == known * prod(lengths)
    assert ("pushes" in sentences) == (counter.elements["push"] > 0)
    tapes = [op for op in reverse.f.body.walk() if op.defn.name == "empty"]
    assert len(tapes) - own <= len([v for v in taped if v.type.dims])
    assert len(re.findall(r"bytes", sentences)) >= len(taped)
