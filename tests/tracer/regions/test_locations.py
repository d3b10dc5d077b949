"""Each op in nests of regions has the user's lines around it: once found, they are kept while the region is traced."""
import inspect

import numpy as np
import pytest
from tracegrad.tracer import tracing

import tracegrad as tg


def helper(x, k):
    for _ in range(20):
        if x[k] > 0.0:
            x[k] = np.sinh(x[k])  # in the helper
    return x


def nest(x, n):
    for i in range(n):
        for j in range(n):
            if x[i] > x[j]:
                x[i] = np.cosh(x[i])  # in the nest
                helper(x, j)  # first call
            else:
                helper(x, i)  # second call
        x[i] = np.cosh(x[i])  # behind the inner loop
    return x


def stacks(function, name):
    """The lines, by what their comments say, of each op of a name, from the outermost frame to the innermost."""
    comments = {}
    for f in (helper, nest):
        lines, first = inspect.getsourcelines(f)
        comments |= {first + k: line.partition("# ")[2].strip() for k, line in enumerate(lines)}
    return [tuple(comments[frame.line] for frame in op.loc) for op in function.body.walk() if op.name == name]


def test_lines_around_ops_in_nests():
    function = tg.jit(nest).lower(np.arange(1.0, 9.0), 8).function
    assert stacks(function, "cosh") == [("in the nest",), ("behind the inner loop",)]
    assert stacks(function, "sinh") == [("first call", "in the helper"), ("second call", "in the helper")]
    assert not tracing.AROUND


def test_nothing_is_kept_after_an_error():
    def wrong(x):
        for i in range(20):
            for j in range(20):
                x[i] = x[j] @ x
        return x

    with pytest.raises(ValueError, match="matmul"):
        tg.jit(wrong)(np.ones(20))
    assert not tracing.AROUND
