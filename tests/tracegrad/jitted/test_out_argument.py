"""`f(x, out=…)` of compiled functions: as if the result were computed first and then written."""
import sys

import numpy as np
import pytest

import tracegrad as tg

X, Y = np.arange(5.0), np.arange(5.0) + 1.0


def flipped(x, y):
    return x[::-1] * y


f = tg.jit(flipped)


def calls_of(g, *args, **kwargs):
    """The Python functions that a call enters."""
    seen = []
    sys.setprofile(lambda frame, event, what: seen.append(frame.f_code.co_name) if event == "call" else None)
    try:
        g(*args, **kwargs)
    finally:
        sys.setprofile(None)
    return seen


@pytest.mark.parametrize("how", ["compiled", "evaluator", "python"])
def test_written_and_returned(how):
    out = np.full(5, np.nan)
    with tg.config(disable_jit=how == "python"):
        g = f.interpret if how == "evaluator" else f
        for _ in range(2):
            assert g(X, Y, out=out) is out
            np.testing.assert_array_equal(out, flipped(X, Y))
            out[:] = np.nan


def test_such_a_call_enters_no_python():
    out = np.empty(5)
    f(X, Y, out=out)
    assert calls_of(f, X, Y, out=out) == []


@pytest.mark.parametrize("how", ["compiled", "python"])
def test_memory_that_arguments_share(how):
    def check(make):
        base = np.arange(12.0)
        args, out = make(base)
        wanted = flipped(*[a.copy() for a in args])
        assert f(*args, out=out) is out
        np.testing.assert_array_equal(out, wanted)

    with tg.config(disable_jit=how == "python"):
        for _ in range(2):
            check(lambda b: ((b[:5], Y), b[:5]))                     # the same memory, as two objects
            check(lambda b: ((x := b[:5], Y), x))                    # the same array
            check(lambda b: ((x := b[:5], x), x))
            check(lambda b: ((b[:5], Y), b[2:7]))
            check(lambda b: ((b[2:7], b[1:6]), b[:5]))
            check(lambda b: ((b[:5], Y), b[::-1][:5]))
            check(lambda b: ((b[:10:2], Y), b[1:11:2]))


def test_a_captured_array():
    table = np.arange(5.0)
    g = tg.jit(lambda x: x[::-1] + table)
    for _ in range(2):
        wanted = X[::-1] + table
        g(X, out=table)
        np.testing.assert_array_equal(table, wanted)


def test_layouts_dtypes_and_rank_0():
    for out in (np.empty(10)[::2], np.empty(5)[::-1]):
        np.testing.assert_array_equal(f(X, Y, out=out), flipped(X, Y))
    g = tg.jit(lambda x: np.sum(x))
    total = np.empty(())
    assert g(X, out=total) is total and total == 10.0
    for dtype in ("f4", "c8", "i4", "?"):
        x = X.astype(dtype)
        h, out = tg.jit(lambda x: x.T), np.empty((5, 1), dtype)
        np.testing.assert_array_equal(h(x[None], out=out), x[:, None])


def test_structures():
    def parts(x):
        return {"a": x, "b": (x + 1, x.sum(), x[1:], None)}

    g, out = tg.jit(parts), {"a": np.empty(5), "b": (np.empty(5), np.empty(()), np.empty(4), None)}
    made = g(X, out=out)
    assert made["a"] is out["a"] and all(a is b for a, b in zip(made["b"], out["b"], strict=True))
    wanted = parts(X)
    np.testing.assert_array_equal(made["a"], wanted["a"])
    for got, right in zip(made["b"][:3], wanted["b"][:3], strict=True):
        np.testing.assert_array_equal(got, right)
    assert made["a"] is not X


def test_one_result_twice():
    g, a, b = tg.jit(lambda x: (x * 2,) * 2), np.empty(5), np.empty(5)
    g(X, out=(a, b))
    np.testing.assert_array_equal(a, 2 * X)
    np.testing.assert_array_equal(b, 2 * X)
    g = tg.jit(lambda x: (x * 2, x * 3))
    for _ in range(2):
        g(X, out=(a, a))                                            # the last one wins, as in two assignments
        np.testing.assert_array_equal(a, 3 * X)


def test_a_function_that_overwrites_its_arguments():
    def step(x):
        x += 1.0
        return x * 2.0

    g, x, out = tg.jit(step), np.zeros(3), np.empty(3)
    g(x, out=out)
    assert x.tolist() == [1.0] * 3 and out.tolist() == [2.0] * 3
    g(x, out=x)
    assert x.tolist() == [4.0] * 3

    def grown(x):
        x += 1.0
        return x

    h, x, out = tg.jit(grown), np.zeros(3), np.empty(3)
    assert h(x, out=out) is out and out.tolist() == x.tolist() == [1.0] * 3


def test_operators():
    def g(x):
        return np.sin(x) * x[0]

    out, square = np.empty(5), np.empty((5, 5))
    for operator in (tg.jacfwd, tg.jacrev):
        np.testing.assert_array_equal(operator(g)(X, out=square), operator(g)(X))
    rows = np.arange(10.0).reshape(2, 5)
    for mapped in (tg.vmap(g), tg.vmap(tg.jit(g)), tg.jit(tg.vmap(g))):
        wide = np.empty((2, 5))
        assert mapped(rows, out=wide) is wide
        np.testing.assert_array_equal(wide, [g(row) for row in rows])
    slope = tg.grad(lambda x: np.sum(g(x)))
    np.testing.assert_array_equal(tg.jit(slope)(X, out=out), slope(X))
    total = slope(X)
    tg.jit(slope)(X, out=total, accumulate=True)
    np.testing.assert_array_equal(total, 2 * slope(X))


def test_in_traced_code():
    def outer(x):
        buffer = np.zeros(5)
        f(x, x, out=buffer)
        f(buffer, x, out=buffer)
        return np.sum(buffer)

    wanted = np.sum(flipped(flipped(X, X), X))
    assert tg.jit(outer)(X) == wanted == outer(X)
    tg.check_grads(outer, (X,), order=2)


def test_parameters_of_that_name_are_the_functions_own():
    assert tg.jit(lambda x, out: x + out)(1.0, out=2.0) == 3.0
    assert tg.jit(lambda x, *, out=1.0: x + out)(1.0, out=2.0) == 3.0
    assert tg.jit(lambda x, **rest: x + rest["out"])(1.0, out=2.0) == 3.0


@pytest.mark.parametrize(("out", "kind", "text"), [
    (np.empty(4), ValueError, r"out has shape \(4,\), what is returned \(5,\)"),
    (np.empty((5, 1)), ValueError, "make it with shape"),
    (np.empty(5, "f4"), TypeError, "out has dtype float32, what is returned float64"),
    ([np.empty(5)], TypeError, "out has the structure"),
    (1.0, TypeError, "out is a float, which cannot be written to"),
    (None, TypeError, "structure"),
    (np.broadcast_to(1.0, (5,)), ValueError, "out is read-only"),
])
@pytest.mark.parametrize("how", ["compiled", "python"])
def test_refused(out, kind, text, how):
    with tg.config(disable_jit=how == "python"), pytest.raises(kind, match=text) as caught:
        f(X, Y, out=out)
    assert isinstance(caught.value, tg.TracegradError)


def test_results_that_are_no_arrays():
    with pytest.raises(TypeError, match="is given for 'soft', which is no array"):
        tg.jit(lambda x: (x, "soft"))(X, out=(np.empty(5), np.empty(())))
    with pytest.raises(ValueError, match="of which only run time knows the length"):
        tg.jit(lambda x: x[x > 1.0])(X, out=np.empty(3))


def test_a_failed_check_raises():
    g, out = tg.jit(lambda x, k: x * x[k]), np.empty(5)
    for _ in range(2):
        with pytest.raises(IndexError):
            g(X, 7, out=out)
    np.testing.assert_array_equal(g(X, 2, out=out), 2 * X)
