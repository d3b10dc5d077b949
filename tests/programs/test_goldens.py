"""The IR of one small program for each construct, beside its source, and the IR of its gradient: read them to see what
tracegrad makes of Python. `pytest --refresh-goldens` writes them anew after a change that is meant; the difference shows it."""
import inspect
import textwrap

import numpy as np
import pytest

import tracegrad as tg

X = np.linspace(0.1, 0.6, 6)
PROGRAMS = {}


def construct(*args):
    def register(fn):
        PROGRAMS[fn.__name__] = fn, args
        return fn
    return register


@construct(X, 0.5)
def branch_on_a_value(x, limit):
    total = np.sum(x)
    if total > limit:
        total = total * total
    return total


@construct(X)
def early_return(x):
    if x[0] > 0.0:
        return np.log(x[0])
    return x[1]


@construct(X)
def loop_that_carries(x):
    state = 0.0
    for i in range(x.shape[0]):
        state = np.tanh(0.5 * state + x[i])
    return state


@construct(X, 2.0)
def loop_with_an_exit(x, limit):
    total = 0.0
    for v in x:
        total += v * v
        if total > limit:
            break
    return total


@construct(1.5)
def loop_with_a_condition(a):
    x = a
    while abs(x * x - a) > 1e-10:
        x = 0.5 * (x + a / x)
    return x


@construct(X)
def short_loop(x):
    total = 0.0
    for k in range(3):
        total += x[k] ** k
    return total


@construct(X)
def write_in_place(x):
    y = np.zeros(6)
    for i in range(1, 6):
        y[i] = 0.5 * y[i - 1] + x[i]
    return np.sum(y * y)


@construct(X)
def view_that_is_written(x):
    y = x * 1.0
    middle = y[1:5]
    middle *= 2.0
    return np.sum(y)


@construct(X)
def positions_from_an_array(x):
    order = np.array([0, 2, 2, 5])
    return np.sum(np.sin(x[order]))


@construct(X)
def chosen_by_a_mask(x):
    return np.sum(np.where(x > 0.3, x * x, 0.0))


def helper(v):
    return np.exp(-v * v)


@construct(X)
def helper_function(x):
    return helper(x[0]) + helper(x[1])


@construct(X)
def closure(x):
    scale = x[0]

    def scaled(v):
        return scale * v

    return scaled(x[1]) + scaled(x[2])


@construct(X)
def comprehension(x):
    return sum(v * v for v in x)


@construct({"a": X, "b": 2.0})
def nested_arguments(p):
    return p["b"] * np.sum(p["a"])


@construct(X.reshape(2, 3), X[:3])
def matrix_product(a, v):
    w = a @ v
    return w @ w


@construct(X)
def reduction(x):
    return np.sqrt(np.mean((x - x.mean()) ** 2))


@construct(X)
def check_at_run_time(x):
    if x[0] < 0.0:
        raise ValueError("negative")
    return x[0] * x[1]


@pytest.mark.parametrize("name", PROGRAMS)
def test_ir_of(name, golden):
    fn, args = PROGRAMS[name]
    source = textwrap.dedent(inspect.getsource(fn))
    source = source[source.index("def "):]
    parts = ["# The source", source,
             "# Its IR, as traced", tg.jit(fn).lower(*args).text("traced"),
             "# after the passes", tg.jit(fn).lower(*args).text("optimized"),
             "# its gradient", tg.grad(fn).lower(*args).text("optimized")]
    golden(f"{name}.txt", "\n".join(part.rstrip() + "\n" for part in parts))
