"""`tg.unroll` and `tg.rolled`: asking for one form of a loop."""
import numpy as np
import pytest

import tracegrad as tg

X = np.arange(10.0) + 1


def weighted(x, n):
    total = 0.0
    for i in tg.unroll(range(n)):
        total += x[i] * [3, 1, 4, 1, 5, 9][i]
    for i in tg.rolled(range(3)):
        total += x[i]
    return total


def ops(f, *args):
    return [op.name for op in tg.jit(f).lower(*args).function.body.walk()]


def test_plain_python_ignores_hints():
    assert weighted(X, 3) == 3 + 2 + 12 + 1 + 2 + 3
    assert len(tg.unroll(range(4))) == 4 and repr(tg.rolled([1])) == "rolled([1])"


def test_both_forms():
    assert tg.jit(weighted)(X, 6) == weighted(X, 6)
    assert ops(weighted, X, 6).count("for") == 1
    assert [n.text for n in tg.explain(weighted, X, 6).of("unrolled")] == ["6 iterations, for tg.unroll"]


def test_short_loops_are_unrolled_unless_asked():
    def short(x):
        for i in range(2):
            x = x * x[i]
        return x

    assert "for" not in ops(short, X)
    assert [n.text for n in tg.explain(short, X).of("unrolled")] == ["2 iterations, for brevity"]


def test_rolled_that_cannot_be():
    def needs_the_number(x):
        total = 0.0
        for i in tg.rolled(range(5)):
            total += x[i] * [1, 2, 3, 4, 5][i]
        return total

    with pytest.raises(NotImplementedError, match=r"cannot stay rolled(.|\n)*for i in tg.rolled\(range\(5\)\)(.|\n)*Instead: "):
        tg.jit(needs_the_number)(X)


def test_unroll_of_a_length_that_only_run_time_knows():
    def f(x):
        total = 0.0
        for i in tg.unroll(range(int(x[0]))):
            total += x[i]
        return total

    with pytest.raises(NotImplementedError, match="cannot be unrolled"):
        tg.jit(f)(X)
