"""What an operator made of a function is found again, also of a function made anew; dropped functions free their code."""
from __future__ import annotations

import functools
import gc
import types
import weakref

import numpy as np
import pytest
from native_calls import resident
from tracegrad.lowering.call import cache

import tracegrad as tg
from tracegrad.captures import closures

X = np.arange(1.0, 4.0)
SLOPE = 1.0


def quartic(w):
    return np.sum(w**4)


def scaled(a, b=1.0):
    return lambda x: a * np.sum(x**2) * b


def compilations(run):
    """How many kernels a run makes; those of before are alive meanwhile."""
    gc.collect()
    held = [(c, c.info().misses) for c in cache._caches]
    run()
    before = {id(c): misses for c, misses in held}
    return sum(c.info().misses - before.get(id(c), 0) for c in cache._caches)


OPERATORS = {
    "jit": lambda f: tg.jit(f)(X),
    "grad": lambda f: tg.grad(f)(X),
    "value_and_grad": lambda f: tg.value_and_grad(f)(X)[1],
    "jacobian": lambda f: tg.jacobian(f)(X),
    "jacfwd": lambda f: tg.jacfwd(f)(X),
    "jacrev": lambda f: tg.jacrev(f)(X),
    "hessian": lambda f: tg.hessian(f)(X),
    "sparse hessian": lambda f: tg.hessian(f, sparse=True)(X).toarray(),
    "sparsity": lambda f: tg.sparsity(f)(X).toarray(),
    "hvp": lambda f: tg.hvp(f, (X,), (X,)),
    "vmap": lambda f: tg.vmap(f, [0])(np.outer(X, X)),
    "jvp": lambda f: tg.jvp(f, (X,), (X,))[1],
    "vjp": lambda f: tg.vjp(f, X)[1](1.0)[0],
    "linearize": lambda f: tg.linearize(f, X)[1](X),
    "jit of grad": lambda f: tg.jit(tg.grad(f))(X),
    "grad of jit": lambda f: tg.grad(tg.jit(f))(X),
    "vmap of grad": lambda f: tg.vmap(tg.grad(f))(np.outer(X, X)),
    "grad of grad": lambda f: tg.grad(tg.grad(lambda t, f=f: f(t * X)))(2.0),
    "static": lambda f: tg.grad(lambda x, f: f(x), static_argnums=[1])(X, f),
}


@pytest.mark.sweep(15)
@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_in_a_loop_compiles_once(name):
    run, first = OPERATORS[name], []
    assert compilations(lambda: first.append(run(quartic))) > 0
    assert compilations(lambda: [np.testing.assert_array_equal(run(quartic), first[0]) for _ in range(3)]) == 0


def test_options_are_told_apart():
    def f(x, y):
        return np.sum(x * y * y)
    for _ in range(2):
        assert tg.grad(f)(X, 2 * X).tolist() == (4 * X * X).tolist()
        assert tg.grad(f, argnums=1)(X, 2 * X).tolist() == (4 * X * X).tolist()
        assert tg.grad(f, 1)(X, X).tolist() == (2 * X * X).tolist()
        assert [g.tolist() for g in tg.grad(f, (0, 1))(X, X)] == [(X * X).tolist(), (2 * X * X).tolist()]
    axes = [0, None]
    first = tg.vmap(f, axes)
    axes[:] = [None, 0]
    assert first(np.ones((2, 3)), X).tolist() == [14.0, 14.0] and tg.vmap(f, axes)(X, np.ones((4, 3))).shape == (4,)


@pytest.mark.sweep(6, days=True)
def test_functions_made_anew_share_kernels():
    assert compilations(lambda: [tg.grad(scaled(3.5))(X) for _ in range(5)]) == 1
    assert compilations(lambda: [tg.grad(tg.grad(lambda t: t**5))(2.0) for _ in range(5)]) == 1
    assert compilations(lambda: [tg.jit(functools.partial(np.multiply, k))(X) for k in (2.5, 2.5, 4.5)]) == 2

    def nested(k):
        def inner(x):
            return k * x

        def outer(x, n=3):
            return np.sum(inner(x) ** n)
        return outer
    assert compilations(lambda: [tg.grad(nested(2))(X) for _ in range(4)]) == 1
    assert tg.grad(nested(2))(X).tolist() == (24 * X**2).tolist() and tg.grad(nested(3))(X).tolist() == (81 * X**2).tolist()


@pytest.mark.parametrize("values", [(1, True, 1.0, 1 + 0j, np.float32(1), np.int8(1)), (0.0, -0.0), ("a", b"a"),
                                    ((1, 2), (1.0, 2.0), (True, 2))], ids=str)
def test_equal_is_not_the_same(values):
    def made(a):
        return lambda x: (x, a)
    for _ in range(2):
        for a in values:
            got = tg.jit(made(a))(1.5)[1]
            assert type(got) is type(a) and repr(got) == repr(a)


@pytest.mark.sweep(2, days=True)
def test_a_cell_that_is_bound_anew_is_the_own_affair_of_a_closure():
    one, two = scaled(3.0), scaled(3.0)
    f, g = tg.jit(one), tg.grad(two)
    h = tg.jit(two)
    assert f(X) == h(X) == 42.0 and g(X).tolist() == (6 * X).tolist()
    one.__closure__[0].cell_contents = 5.0
    assert (f(X), h(X), tg.jit(one)(X), tg.jit(two)(X)) == (70.0, 42.0, 70.0, 42.0)
    assert g(X).tolist() == (6 * X).tolist() and tg.grad(one)(X).tolist() == (10 * X).tolist()
    one.__closure__[0].cell_contents = 3.0
    assert compilations(lambda: f(X)) == 0 and f(X) == 42.0 and f.lower(X) and f.cache_info().currsize == 1


def test_through_inner_functions():
    def made(k):
        def inner(x):
            return k * x

        def change(to):
            nonlocal k
            k = to
        return (lambda x: inner(x) + 1.0), change
    (one, change), (two, _) = made(2.0), made(2.0)
    f, g = tg.jit(one), tg.jit(two)
    assert f(3.0) == g(3.0) == 7.0
    change(10.0)
    assert f(3.0) == 31.0 and g(3.0) == 7.0


def test_code_and_defaults_of_the_function():
    def f(x, a=2.0, *, b=1.0):
        return x * a + b

    def other(x, a=2.0, *, b=1.0):
        return x - a - b
    g = tg.jit(f)
    assert g(3.0) == 7.0
    f.__defaults__ = (5.0,)
    assert g(3.0) == 16.0
    f.__kwdefaults__ = {"b": 0.5}
    assert g(3.0) == 15.5
    f.__code__ = other.__code__
    assert g(3.0) == -2.5


@pytest.mark.sweep(2, days=True)
def test_captured_arrays_and_lists_are_not_shared():
    def over(data):
        return lambda w: np.sum((data - w) ** 2)
    fits = [tg.grad(over(k * X)) for k in range(3)]
    assert [fit(X).tolist() for fit in fits] == [(2 * X - 2 * k * X).tolist() for k in range(3)]

    def of(box):
        return lambda x: x * len(box)
    one, two = [1], [1]
    assert tg.jit(of(one))(2.0) == tg.jit(of(two))(2.0) == 2.0
    data = X.copy()
    f = over(data)
    assert compilations(lambda: [tg.grad(f)(X) for _ in range(3)]) == 1
    data *= 3
    assert tg.grad(f)(X).tolist() == (-4 * X).tolist()


def test_recursion_cells_not_yet_bound_and_wrappers():
    def made():
        def f(x, n):
            return x if n == 0 else x * f(x, n - 1)
        return f
    assert [tg.grad(made(), static_argnums=1)(2.0, 3) for _ in range(2)] == [32.0, 32.0]

    def late():
        return lambda x: x * factor
        factor = 1.0
    with pytest.raises(NameError):
        tg.jit(late())(1.0)

    @functools.wraps(quartic)
    def wrapper(w):
        return 2 * quartic(w)
    tg.jit(quartic)(X)
    functools.update_wrapper(wrapper, quartic)              # takes what the other function keeps along
    assert tg.jit(wrapper)(X) == 2 * quartic(X) and tg.jit(quartic)(X) == quartic(X)


class Model:
    def __init__(self, k):
        self.k = k

    def loss(self, w):
        return self.k * np.sum(w**2)

    def __call__(self, w):
        return self.loss(w)


@pytest.mark.sweep(2, days=True)
def test_methods_and_callable_objects():
    models = [Model(1.0), Model(2.0)]
    for _ in range(2):
        assert [tg.grad(m.loss)(X).tolist() for m in models] == [(2 * X).tolist(), (4 * X).tolist()]
        assert [tg.grad(m)(X).tolist() for m in models] == [(2 * X).tolist(), (4 * X).tolist()]
    assert compilations(lambda: (tg.grad(models[0].loss)(X), tg.grad(models[1])(X))) == 0
    assert not vars(models[0]).keys() - {"k"}


def test_in_traced_code():
    k = 2.0

    def inner(x):
        return k * x**3
    derivative = tg.grad(inner)
    assert derivative(1.0) == 6.0
    assert tg.jit(lambda x: derivative(x) + tg.grad(inner)(x))(1.0) == 12.0


@pytest.mark.sweep(3, days=True)
@pytest.mark.usefixtures("compiled_anew")
def test_dropped_functions_free_their_code():
    def f(w):
        return np.sum(w**2)
    g = tg.grad(f)
    g(X)
    refs = [weakref.ref(x) for x in (f, g)]
    del f, g
    assert [r() for r in refs] == [None, None]               # without the collector
    data = np.ones(3)

    def own(w):
        return np.sum(data * w)
    tg.grad(own)(X)
    refs = [weakref.ref(x) for x in (own, tg.grad(own).core)]
    del own
    gc.collect()
    assert [r() for r in refs] == [None, None]
    for k in range(80):
        tg.jit(scaled(float(k)))(X)
    gc.collect()
    start, count = resident(), len(cache._caches)
    for k in range(80, 240):
        tg.jit(scaled(float(k)))(X)
        tg.jit(types.FunctionType(scaled(1.0).__code__, {"np": np}, "f", None, (types.CellType(X), types.CellType(1.0))))(2.0)
    gc.collect()
    assert resident() - start < 8 and len(cache._caches) <= count + 8 and len(closures._recent) <= closures.RECENT


def test_without_native_calls(monkeypatch):
    from tracegrad.lowering.native import c_layouts
    monkeypatch.setattr(c_layouts, "NATIVE", False)
    one = scaled(7.0)
    f = tg.jit(one)
    assert tg.jitted.functions.Found._chain.__get__(f) == () and tg.lowering.call.dispatch.Dispatcher.__call__(f, X) == 98.0
    one.__closure__[0].cell_contents = 1.0
    assert tg.lowering.call.dispatch.Dispatcher.__call__(f, X) == 14.0


def test_a_function_of_a_module_made_anew(monkeypatch):
    """`for …: def model(w): …; fit(model)` at the top of a module: a function that is called only shares the program of the
    earlier ones; one that is compared is the function itself."""
    def run(fit):
        for slope in np.arange(1.0, 7.0).tolist():
            def model(w):
                return SLOPE * w

            monkeypatch.setitem(globals(), "SLOPE", slope)
            monkeypatch.setitem(globals(), "model", model)
            assert closures._is_itself(model) and fit(model) == 3.0 * slope

    monkeypatch.setattr(closures, "_shared", weakref.WeakValueDictionary())
    assert compilations(lambda: run(lambda f: tg.jit(lambda w: f(w))(3.0))) <= 3
    assert compilations(lambda: run(lambda f: tg.jit(lambda w: f(w) if f is globals()["model"] else 0.0)(3.0))) >= 6
    assert compilations(lambda: run(lambda f: tg.jit(lambda w: (lambda: (lambda: f(w))())())(3.0))) <= 3
