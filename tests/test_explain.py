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
