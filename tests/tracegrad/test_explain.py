"""`explain` names each copy, unrolled loop, static int and op without a derivative, with the line."""
import numpy as np

import tracegrad as tg


def line_of(note, text):
    return text in open(note.loc[-1].file).readlines()[note.loc[-1].line - 1]


def test_ops_without_derivative_and_independence():
    def f(x, y):
        return np.floor(y) * x.sum() + np.argmax(x)

    notes = tg.explain(f, np.ones(3), 1.5)
    found = notes.of("no derivative")
    assert any("`floor`" in n.text and line_of(n, "np.floor(y)") for n in found)
    assert any("`argreduce`" in n.text for n in found)
    (lost,) = notes.of("independent")
    assert "argument y only through `floor`" in lost.text
    assert "floor" in repr(notes)


def test_a_derivative_says_so_of_its_function():
    """What stops a derivative, and what it does not depend on, is asked for by the derivative: in any mode, and nested."""
    def f(p, y):
        total = np.argmax(p["a"]) * 1.0
        for i in range(p["a"].shape[0]):
            if p["a"][i] > 0.5:
                total += p["a"][i] * np.round(y)
        return total

    p = {"a": np.full(4, 0.7), "b": np.ones(2)}
    for operator in (tg.grad, tg.value_and_grad, tg.jacrev, tg.jacfwd, tg.hessian, lambda f: tg.jit(tg.grad(f))):
        notes = tg.explain(operator(f), p, 2.3)
        assert {n.text.split("`")[1] for n in notes.of("no derivative")} >= {"rint", "argreduce", "gt"}
        assert sorted(n.text.split(" it")[0].split("argument ")[1] for n in notes.of("independent")) == [
            "p['b'] not at all:", "y only through `rint`, which has no derivative:"]
    assert tg.explain(tg.grad(lambda x, y: x * y), 2.0, 3.0).of("independent") == []
    x = np.ones(3)
    (lost,) = tg.explain(lambda a, b, c: np.sum(a * b), x, x, np.zeros(3)).of("independent")
    assert "argument c not at all" in lost.text


def test_a_gradient_that_is_used_is_not_reported():
    assert tg.explain(lambda x: np.sum(np.where(x > 0, x, 0.0)), np.ones(3)).of("independent") == []


def test_static_ints():
    def f(x, n):
        return x[:2] + np.zeros(n)

    g = tg.jit(f)
    for n in (2, 2, 2):
        g(np.ones(4), n)
    (note,) = tg.explain(g, np.ones(4), 2).of("static")
    assert "argument n = 2" in note.text and "values" not in note.text


def test_many_static_values_are_said():
    g = tg.jit(lambda n: np.zeros(n))
    for n in (2, 3, 4):
        assert g(n).shape == (n,)
    (note,) = tg.explain(g, 5).of("static")
    assert "3 values were compiled so far" in note.text


def test_copies():
    def kept(x):
        y = x.copy()
        for i in range(y.size):
            y[i] = y[i] * 2.0
        return y

    def in_place(x):
        for i in range(x.size):
            x[i] = x[i] * 2.0

    assert tg.explain(in_place, np.ones(99)).of("copy") == []
    (note,) = tg.explain(kept, np.ones(99)).of("copy")
    assert "an argument is not overwritten" in note.text
