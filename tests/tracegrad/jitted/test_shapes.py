"""Shapes and dtypes without elements: `eval_shape`, `f.lower(…)` and what its `compile()` makes."""
import numpy as np
import pytest

import tracegrad as tg

S = tg.ShapeDtypeStruct
F8, F4 = np.float64, np.float32


def several(a, x, n=2):
    return {"y": a @ x * n, "n": n, "s": a.sum(), "t": "text", "w": 2.0, "z": None, "x": x, "i": np.argmax(x)}


def test_of_arrays_structs_and_numbers():
    expected = {"y": S((2,), F4), "n": S((), np.int64, True), "s": S((), F4), "t": "text", "w": S((), F8, True), "z": None,
                "x": S((3,), F4), "i": S((), np.int64)}
    assert tg.eval_shape(several, S((2, 3), F4), np.ones(3, F4)) == expected
    assert tg.eval_shape(tg.jit(several), np.ones((2, 3), F4), S((3,), F4), n=5) == expected


def test_what_it_says_is_what_a_call_returns():
    a, x = np.ones((2, 3)), np.ones(3, F4)
    said, found = tg.eval_shape(several, a, x), tg.jit(several)(a, x)
    for key, value in found.items():
        if isinstance(said[key], S):
            assert said[key].shape == np.shape(value) and said[key].dtype == np.asarray(value).dtype, key


def test_of_derivatives_and_maps():
    w = {"w": S((4,), F8)}
    assert tg.eval_shape(tg.grad(lambda p: (p["w"] ** 2).sum()), w) == w
    assert tg.eval_shape(tg.jacobian(lambda x: x[:2] * 3), S((4,), F8)) == S((2, 4), F8)
    assert tg.eval_shape(tg.vmap(lambda x: x.sum()), S((5, 4), F8)) == S((5,), F8)


def test_python_numbers_stay_weak():
    weak = tg.eval_shape(lambda k: k * 2, 1.5)
    assert weak == S((), F8, True)
    assert tg.eval_shape(lambda x, k: x * k, S((2,), F4), weak) == S((2,), F4)
    assert tg.eval_shape(lambda x, k: x * k, S((2,), F4), S((), F8)) == S((2,), F8)


def test_jax_structs():
    jax = pytest.importorskip("jax")
    assert tg.eval_shape(lambda x: x.T, jax.ShapeDtypeStruct((2, 3), F4)) == S((3, 2), F4)


def test_nothing_is_written_and_objects_stay():
    class Body:
        def __init__(self):
            self.x, self.n = np.ones(3), 0.0

    def move(b, a):
        b.n = b.n + 1
        a[0] = 5.0
        return b, a[1:]

    b, a = Body(), np.ones(3)
    made, view = tg.eval_shape(move, b, a)
    assert b.n == 0.0 and a[0] == 1.0 and made.x == S((3,), F8) and view == S((2,), F8)


def test_in_compiled_code():
    @tg.jit
    def f(x):
        return x * tg.eval_shape(lambda y: y.T @ y, x).shape[0]

    np.testing.assert_array_equal(f(np.ones((2, 3))), 3 * np.ones((2, 3)))


def test_compiled_for_types():
    f = tg.jit(several)
    lowered = f.lower(S((2, 3), F8), S((3,), F8))
    compiled = lowered.compile()
    assert "dot" in lowered.as_text() and "several" in compiled.as_text() and "several" in repr(compiled)
    assert compiled.code_bytes > 0 and compiled.compile_ms > 0
    for _ in range(2):
        assert compiled(np.ones((2, 3)), np.arange(3.0))["y"].tolist() == [6.0, 6.0]
    made = len(f.specializations)
    for args, text in [((np.ones((2, 4)), np.ones(4)), r"a is f64\[2, 4\], was f64\[2, 3\]"),
                       ((np.ones((2, 3)), np.ones(3), 3), "another structure: a, x, n instead of a, x"),
                       ((np.ones((2, 3), F4), np.ones(3)), r"a is f32\[2, 3\], was f64"),
                       ((S((2, 3), F8), S((3,), F8)), "without elements")]:
        with pytest.raises(tg.ArgumentTypeError, match=text):
            compiled(*args)
    assert len(f.specializations) == made


def test_compiled_for_a_value_that_decides_a_shape():
    compiled = tg.jit(lambda n: np.zeros(n) + 1).lower(3).compile()
    assert compiled(3).tolist() == [1, 1, 1]
    with pytest.raises(tg.ArgumentTypeError, match="n is 4, was 3"):
        compiled(4)


def test_compiled_derivatives_writes_and_keywords():
    g = tg.grad(lambda x, k: k * (x**2).sum()).lower(S((3,), F8), k=2.0).compile()
    assert g(np.ones(3), k=3.0).tolist() == [6, 6, 6]

    @tg.jit
    def fill(a):
        a[:] = 7.0

    a = np.zeros(2)
    fill.lower(a).compile()(a)
    assert a.tolist() == [7, 7]


def test_refusals():
    with pytest.raises(tg.ArgumentTypeError, match="argument a is a shape and dtype without elements"):
        tg.jit(several)(S((2, 3), F8), np.ones(3))
    with pytest.raises(tg.ConcretizationError, match="argument n decides a shape"):
        tg.eval_shape(lambda n: np.zeros(n), S((), np.int64))
    with pytest.raises(tg.ShapeError, match="the shape of the result depends on the elements"):
        tg.eval_shape(lambda x: x[x > 0], S((3,), F8))
    with pytest.raises(tg.ArgumentTypeError, match="a shape is a tuple of ints"):
        S("ab", F8)
    with pytest.raises(tg.DTypeError, match="cannot be compiled"):
        tg.eval_shape(lambda x: x, S((3,), object))
