"""What a compiled function captures is the present array at every call: written in place, bound anew, grown."""
import functools
import gc
import types

import numpy as np
import pytest

import tracegrad as tg

G = np.arange(3.0)
SIZES = np.array([2, 3])
PARTS = {"w": np.ones(3), "b": np.zeros(3)}
LAYERS = [np.ones(3), np.zeros(3)]
MODULE = types.ModuleType("settings")


class Model:
    scale = np.full(3, 2.0)

    def __init__(self, w):
        self.w = w

    def apply(self, x):
        return (x * self.w).sum() * self.scale[0]


class Slotted:
    __slots__ = ("w",)


MODEL, SLOTTED = Model(np.ones(3)), Slotted()


def helper(x):
    return x * G


def keyword(x, *, a=np.ones(3)):
    return (x * a).sum()


@pytest.fixture(autouse=True)
def fresh_globals(monkeypatch):
    for name, value in {"G": np.arange(3.0), "SIZES": np.array([2, 3]), "PARTS": {"w": np.ones(3), "b": np.zeros(3)},
                        "LAYERS": [np.ones(3), np.zeros(3)], "MODEL": Model(np.ones(3))}.items():
        monkeypatch.setitem(globals(), name, value)
    MODULE.a = np.ones(3)
    SLOTTED.w = np.ones(3)
    Model.scale = np.full(3, 2.0)


def rebind(**values):
    globals().update(values)


# name -> (function, changes of what it captures)
X = np.array([1.0, 2.0, 3.0])
CHANGES = {
    "in_place": (lambda x: (x * G).sum(), [lambda: G.__setitem__(0, 5.0), lambda: G.fill(7.0)]),
    "bound_anew": (lambda x: (x * G).sum(), [lambda: rebind(G=np.full(3, 4.0)), lambda: rebind(G=np.full(3, 5.0))]),
    "other_dtype": (lambda x: (x * G).sum(), [lambda: rebind(G=np.arange(3)), lambda: rebind(G=np.ones(3, np.float32))]),
    "other_shape": (lambda x: (x[0] * G).sum(), [lambda: rebind(G=np.ones(5)), lambda: rebind(G=np.ones((2, 3)))]),
    "other_order": (lambda x: x @ np.reshape(G, (3, -1)),
                    [lambda: rebind(G=np.arange(6.0)[::2]), lambda: rebind(G=np.arange(9.0).reshape(3, 3).T)]),
    "resized": (lambda x: (x[0] * G).sum(),
                    [lambda: G.resize(7), lambda: G.resize((2, 4)), lambda: G.resize(200_000, refcheck=False)]),
    "element": (lambda x: x * G[1], [lambda: G.__setitem__(1, 9.0), lambda: G.__setitem__(1, 10.0), lambda: rebind(G=X)]),
    "sum_and_element": (lambda x: x * G.sum() + G[0], [lambda: G.__setitem__(0, 10.0)]),
    "of_arrays_alone": (lambda x: x * (G + 1.0), [lambda: G.__setitem__(0, 8.0)]),
    "matrix": (lambda x: x @ np.linalg.inv(np.diag(G + 1)), [lambda: G.__setitem__(0, 3.0)]),
    "view": (lambda x: x[:2] * G[1:3],
                    [lambda: G.__setitem__(2, 8.0), lambda: G.resize(3_000, refcheck=False), lambda: G.resize(3)]),
    "transposed": (lambda x: x @ np.outer(G, G).T, [lambda: G.__setitem__(2, 8.0)]),
    "negated": (lambda x: x * -G, [lambda: G.__setitem__(2, 8.0)]),
    "condition": (lambda x: x * 2 if G[0] > 1 else x + 1, [lambda: G.__setitem__(0, 3.0), lambda: G.__setitem__(0, 0.0)]),
    "length": (lambda x: np.zeros(SIZES[0]) + x[0], [lambda: SIZES.__setitem__(0, 4), lambda: SIZES.__setitem__(0, 2)]),
    "loop": (lambda x: sum(x[0] * g for g in G), [lambda: G.__setitem__(0, 3.0), lambda: rebind(G=np.ones(4))]),
    "range": (lambda x: sum([x[0] + k for k in range(int(SIZES[1]))]), [lambda: SIZES.__setitem__(1, 5)]),
    "unpacked": (lambda x: x * (lambda a, b: a - b)(*SIZES), [lambda: SIZES.__setitem__(1, 5)]),
    "to_list": (lambda x: x * G.tolist()[1], [lambda: G.__setitem__(1, 4.0)]),
    "library": (lambda x: x * len(bytes(SIZES.astype(np.int8))) * np.frombuffer(SIZES.tobytes(), np.int64)[0],
                [lambda: SIZES.__setitem__(0, 7)]),
    "size": (lambda x: x * G.size + G.ndim, [lambda: rebind(G=np.ones(5)), lambda: rebind(G=np.ones((5, 1)))]),
    "contains": (lambda x: x * (2.0 if 2.0 in G else 3.0), [lambda: G.__setitem__(2, 8.0)]),
    "helper": (lambda x: helper(x).sum(), [lambda: G.__setitem__(0, 5.0), lambda: rebind(G=np.full(3, 6.0))]),
    "dict": (lambda x: x * PARTS["w"] + PARTS["b"],
             [lambda: PARTS.__setitem__("w", np.full(3, 4.0)), lambda: PARTS["b"].fill(1.0),
              lambda: rebind(PARTS={"w": np.full(3, 6.0), "b": np.ones(3)}), lambda: rebind(PARTS={"b": np.ones(3), "w": X}),
              lambda: rebind(PARTS={"w": X, "b": X, "c": X})]),
    "list": (lambda x: x * LAYERS[0] + LAYERS[1],
             [lambda: LAYERS.__setitem__(0, np.full(3, 4.0)), lambda: rebind(LAYERS=[X, X]), lambda: LAYERS.reverse()]),
    "all_of_list": (lambda x: functools.reduce(lambda s, w: s * w, LAYERS, x),
                    [lambda: LAYERS.__setitem__(1, np.full(3, 4.0)), lambda: LAYERS.append(X), lambda: LAYERS.pop()]),
    "attribute": (lambda x: MODEL.apply(x), [lambda: setattr(MODEL, "w", np.full(3, 5.0)), lambda: MODEL.w.fill(2.0),
                                             lambda: rebind(MODEL=Model(X)), lambda: setattr(Model, "scale", np.ones(3)),
                                             lambda: setattr(MODEL, "scale", np.full(4, 7.0))]),
    "slot": (lambda x: x * SLOTTED.w,
                    [lambda: setattr(SLOTTED, "w", np.full(3, 5.0)), lambda: setattr(SLOTTED, "w", np.ones(1))]),
    "module": (lambda x: x * MODULE.a,
                    [lambda: setattr(MODULE, "a", np.full(3, 5.0)), lambda: setattr(MODULE, "a", np.ones(1))]),
    "default": (lambda x: keyword(x), [lambda: keyword.__kwdefaults__.__setitem__("a", np.full(3, 5.0)),
                                       lambda: setattr(keyword, "__kwdefaults__", {"a": np.ones(3)})]),
    "same_twice": (lambda x: x * LAYERS[0] + G, [lambda: rebind(G=LAYERS[0]), lambda: LAYERS.__setitem__(0, X)]),
    "searched": (lambda x: np.searchsorted(G, x), [lambda: G.fill(2.5)]),
    "mask": (lambda x: x[G > 0.5], [lambda: G.fill(2.5)]),
    "positions": (lambda x: x[SIZES - 1], [lambda: SIZES.fill(1), lambda: rebind(SIZES=np.array([1, 1, 1]))]),
    "repeated": (lambda x: np.repeat(x[:2], SIZES), [lambda: SIZES.fill(1), lambda: rebind(SIZES=np.array([4, 1]))]),
    "text": (lambda x: x * float(f"{SIZES[0]}{SIZES[1]}"), [lambda: SIZES.fill(1)]),
    "strided": (lambda x: x * G[::-1], [lambda: G.__setitem__(0, 8.0)]),
}


def expect_equal(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-14)
    assert np.shape(got) == np.shape(want)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", CHANGES)
def test_every_call_sees_the_present_arrays(name):
    f, changes = CHANGES[name]
    compiled = tg.jit(f)
    for change in [lambda: None, *changes]:
        change()
        for _ in range(2):
            expect_equal(compiled(X), f(X))


LINEAR = [n for n in CHANGES if n not in ("searched", "mask", "condition", "length", "range", "positions", "repeated")]


@pytest.mark.sweep(7)
@pytest.mark.parametrize("name", LINEAR)
def test_derivatives_see_the_present_arrays(name):
    f, changes = CHANGES[name]
    g = lambda x: np.sum(np.sin(f(x)))                                # noqa: E731
    operators = {"grad": tg.grad(g), "jvp": lambda x: tg.jvp(g, (x,), (X,))[1], "hessian": tg.hessian(g)}
    compiled_jvp = tg.jit(lambda x: tg.jvp(g, (x,), (X,))[1])
    for change in [lambda: None, *changes]:
        change()
        fresh = tg.grad(lambda x: np.sum(np.sin(f(x))))
        expect_equal(operators["grad"](X), fresh(X))
        expect_equal(compiled_jvp(X), fresh(X) @ X)
        expect_equal(operators["hessian"](X), tg.jacobian(fresh)(X))


def test_a_cell_that_is_bound_anew():
    a = np.ones(3)

    def change(value):
        nonlocal a
        a = value

    f = tg.jit(lambda x: x * a)
    for value in (np.full(3, 2.0), np.full(3, 3.0), np.ones(1), np.arange(3)):
        change(value)
        for _ in range(2):
            expect_equal(f(X), X * value)
    assert len(f.specializations) == 3


def test_no_compilation_for_another_array_of_the_same_kind():
    f = tg.jit(lambda x: (x * G).sum())
    for k in range(10):
        rebind(G=np.full(3, float(k)))
        assert f(X) == 6.0 * k
    assert f.cache_info().misses == 1


def test_elements_that_change_all_the_time_are_read_at_run_time():
    f = tg.jit(lambda x: x * G[1])
    for k in range(10):
        G[1] = k
        expect_equal(f(X), X * k)
    assert f.cache_info().misses == 2


def test_views_are_looked_up_where_they_are():
    matrix = np.arange(12.0).reshape(3, 4)
    holder = {"columns": matrix[:, ::2], "back": matrix[::-1, 1], "turned": matrix.T}
    f = tg.jit(lambda x: (x @ holder["columns"]).sum() + x @ holder["back"] + (holder["turned"] @ x).sum())
    for _ in range(3):
        expect_equal(f(X), (X @ holder["columns"]).sum() + X @ holder["back"] + (holder["turned"] @ X).sum())
        matrix += 1.0


def test_a_function_that_is_captured_in_an_object():
    f = tg.jit(functools.partial(lambda a, x: x * a, np.ones(3)))
    bound = tg.jit(MODEL.apply)
    expect_equal(f(X), X)
    expect_equal(bound(X), 12.0)
    MODEL.w = np.full(3, 3.0)
    expect_equal(bound(X), 36.0)


def test_pullbacks_are_of_the_arrays_of_their_call():
    _, pullback = tg.vjp(lambda x: x * G, X)
    rebind(G=np.full(3, 100.0))
    expect_equal(pullback(np.ones(3))[0], [0.0, 1.0, 2.0])


def test_sparse_patterns_follow():
    f = lambda x: x * G[0] + x[SIZES[0]]                               # noqa: E731
    pattern, jacobian = tg.sparsity(f), tg.jacobian(f, sparse=True)
    for change in (lambda: None, lambda: G.__setitem__(0, 5.0), lambda: SIZES.__setitem__(0, 1),
                   lambda: rebind(SIZES=np.array([0]))):
        change()
        want = np.eye(3) * G[0]
        want[:, SIZES[0]] += 1.0
        expect_equal(jacobian(X).toarray(), want)
        assert (pattern(X).toarray() >= (want != 0)).all()


def test_vmap_custom_rules_and_the_evaluator():
    @tg.custom_vjp
    def scaled(x):
        return x * G.sum()

    scaled.defvjp(lambda x: (x * G.sum(), None), lambda _, bar: (bar * G.sum(),))
    mapped, slope = tg.vmap(lambda x: x * G[2]), tg.grad(lambda x: scaled(x))
    for k in range(3):
        G[2] = k
        expect_equal(mapped(X), X * k)
        assert slope(2.0) == 1.0 + k
    with tg.disable_jit():
        rebind(G=np.full(3, 2.0))
        assert slope(2.0) == 6.0
        G[0] = 5.0
        assert slope(2.0) == 9.0


def test_an_array_that_is_both_argument_and_captured():
    def f(a):
        a[0] += G[1]
        return a.sum()

    compiled = tg.jit(f)
    assert compiled(np.zeros(3)) == 1.0
    with pytest.raises(tg.TracegradError, match="shares"):
        compiled(G)
    G[1] = 4.0
    assert compiled(np.zeros(3)) == 4.0


@pytest.mark.sweep(6, days=True)
def test_arrays_of_other_libraries_are_held():
    def table():
        return np.arange(3.0)

    made = functools.lru_cache(table)
    f = tg.jit(lambda x: x * made())
    expect_equal(f(X), X * np.arange(3.0))
    gc.collect()
    expect_equal(f(X), X * np.arange(3.0))


def test_threads_of_calls_and_bindings_end():
    f = tg.jit(lambda x: (x * G).sum())
    for k in range(200):
        rebind(G=np.full(3 if k % 2 else 2, float(k)))
        assert f(1.0) == G.sum()
    assert f.cache_info().misses == 2
