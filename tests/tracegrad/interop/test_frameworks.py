"""Functions for PyTorch, JAX and PyTensor, each against the real package where it is installed."""
import importlib.util
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tracegrad.tracer.values import captured_values

import tracegrad as tg

X, W = np.linspace(-1.0, 2.0, 4), np.array([0.5, -1.0, 2.0])


def total(x, w):
    s = 0.0
    for i in range(x.shape[0]):
        s = s + np.sin(x[i]) * np.sum(w * x[i])
    return s


def parts(p, n):
    return {"a": np.tanh(p["x"]) * n, "k": np.argmax(p["x"])}


def overwrites(x):
    x[0] = 1.0
    return np.sum(x)


# --- PyTorch ----------------------------------------------------------------------------------------------------------------

@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed: pip install torch")


def test_torch(torch):
    f = tg.interop.torch.as_function(total)
    x, w = (torch.tensor(a, requires_grad=True) for a in (X, W))
    assert f(x, w).item() == total(X, W) and f.__name__ == "total"
    assert torch.autograd.gradcheck(f, (x, w)) and torch.autograd.gradgradcheck(f, (x, w))
    strided = torch.tensor(np.stack([X, X], 1), requires_grad=True)
    assert torch.autograd.gradcheck(f, (strided[:, 0], w))
    one, three = torch.ones(3, 2).t().requires_grad_(), torch.tensor(3)
    out = tg.interop.torch.as_function(lambda x, n: np.sum(x @ x.T) * n)(one, 1.0)
    out.backward()
    assert out.dtype == one.grad.dtype == torch.float32 and one.grad.tolist() == (4 * torch.ones(2, 3)).tolist()
    out = tg.interop.torch.as_function(lambda x, n: x * n)(one, three)
    assert out.tolist() == (3 * torch.ones(2, 3)).tolist()
    assert tg.interop.torch.as_function(lambda x: x[:0])(x).shape == (0,)
    same = tg.interop.torch.as_function(lambda x: x)(x)
    assert same.grad_fn is not None and same.data_ptr() != x.data_ptr()


def test_torch_structures_and_modules(torch):
    x = torch.tensor(X, requires_grad=True)
    out = tg.interop.torch.as_function(parts)({"x": x}, 3.0)
    assert out["k"].item() == 3 and not out["k"].requires_grad
    out["a"].sum().backward()
    np.testing.assert_allclose(x.grad, 3 * (1 - np.tanh(X)**2))

    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.f = torch.nn.Parameter(torch.tensor(W)), tg.interop.torch.as_function(total)

        def forward(self, x):
            return self.f(x, self.w)
    layer = Layer()
    layer(torch.tensor(X)).backward()
    np.testing.assert_allclose(layer.w.grad, tg.grad(total, 1)(X, W))
    compiled = torch.compile(lambda x, w: 2 * layer.f(x, w), backend="eager")
    assert compiled(x, layer.w).item() == pytest.approx(2 * total(X, W))


def test_torch_complex(torch):
    """PyTorch's convention, in results beside real ones too; conjugates and negatives that PyTorch has not written out."""
    numbers = torch.Generator().manual_seed(0)
    z = torch.randn(4, dtype=torch.complex128, generator=numbers, requires_grad=True)
    x = torch.randn(4, dtype=torch.float64, generator=numbers, requires_grad=True)
    f = tg.interop.torch.as_function(lambda x, z: (np.fft.rfft(x) * z[:3] ** 2, np.sum(np.abs(z)) * x))
    assert torch.autograd.gradcheck(f, (x, z), check_forward_ad=True) and torch.autograd.gradgradcheck(f, (x, z))
    real = tg.interop.torch.as_function(lambda y: y**2)
    assert torch.autograd.gradcheck(lambda z: real(z.conj().imag) + f(x, z.conj())[1], (z,))


def test_torch_func(torch):
    """torch.func's operators, in any order."""
    func, x = torch.func, torch.tensor(X)
    f = tg.interop.torch.as_function(lambda x: np.sum(np.sin(x) * x))
    wanted = lambda x: (torch.sin(x) * x).sum()  # noqa: E731
    for operated in (func.grad, func.hessian, lambda f: func.jacrev(func.jacfwd(f)),
                     lambda f: lambda x: func.jvp(f, (x,), (x,))[1],
                     lambda f: lambda x: func.vmap(func.grad(f), in_dims=1)(x.reshape(2, 2)),
                     lambda f: func.grad(lambda x: func.vmap(f)(x.reshape(2, 2)).sum())):
        torch.testing.assert_close(operated(f)(x), operated(wanted)(x))
    parted = tg.interop.torch.as_function(parts)
    found = func.vmap(lambda x: parted({"x": x}, n=3.0))(x.reshape(2, 2))
    assert found["k"].tolist() == [1, 1]
    torch.testing.assert_close(found["a"], 3 * torch.tanh(x.reshape(2, 2)))


def test_torch_compile_around_derivatives(torch):
    layer, x, w = tg.interop.torch.as_function(total), torch.tensor(X), torch.tensor(W)
    slope = torch.func.grad(lambda x: layer(x * 2.0, w) ** 2)
    assert torch.allclose(torch.compile(slope, backend="aot_eager")(x), slope(x))


def test_torch_misuse(torch):
    x = torch.tensor(X, requires_grad=True)
    for f, args, says in ((overwrites, (x,), "read-only"), (total, (x.to(torch.bfloat16), x), r"x\.float\(\)"),
                          (total, (x.to("meta"), x), r"x\.cpu\(\)"), (total, (torch.eye(3).to_sparse(), x), r"x\.to_dense\(\)"),
                          (3, (), "takes a function")):
        with pytest.raises((tg.TracegradError, ValueError), match=says):
            tg.interop.torch.as_function(f)(*args)
    with pytest.raises(tg.ArgumentError, match="as_function"):
        tg.jit(np.sum)(x)
    assert x.tolist() == X.tolist()


# --- JAX --------------------------------------------------------------------------------------------------------------------

@pytest.fixture
def jax():
    jax = pytest.importorskip("jax", reason="jax is not installed: pip install jax")
    with jax.enable_x64(True):
        yield jax


def reference(jax, x, w):
    return jax.numpy.sum(jax.numpy.sin(x) * jax.numpy.sum(w) * x)


def test_jax(jax):
    f, g = tg.interop.jax.as_function(total), lambda x, w: reference(jax, x, w)
    assert f(X, W) == pytest.approx(total(X, W)) and jax.jit(f)(X, W) == pytest.approx(total(X, W))
    for made, wanted in zip(jax.grad(f, (0, 1))(X, W), jax.grad(g, (0, 1))(X, W)):
        np.testing.assert_allclose(made, wanted, rtol=1e-13)
    np.testing.assert_allclose(jax.jit(jax.grad(lambda x: f(2 * x, W)**2))(X), jax.grad(lambda x: g(2 * x, W)**2)(X))
    np.testing.assert_allclose(jax.jacrev(jax.grad(f))(X, W), jax.hessian(g)(X, W), atol=1e-12)
    both = np.stack([X, 2 * X])
    np.testing.assert_allclose(jax.vmap(jax.grad(f), (0, None))(both, W), jax.vmap(jax.grad(g), (0, None))(both, W))
    forward = tg.interop.jax.as_function(total, mode="forward")
    np.testing.assert_allclose(jax.jvp(forward, (X, W), (X, W)), jax.jvp(g, (X, W), (X, W)))
    np.testing.assert_allclose(jax.jacfwd(jax.jacfwd(forward))(X, W), jax.hessian(g)(X, W), atol=1e-12)
    found = jax.grad(lambda p: tg.interop.jax.as_function(parts)(p, 3)["a"].sum())({"x": X})
    np.testing.assert_allclose(found["x"], 3 * (1 - np.tanh(X)**2))
    out, moved = jax.jvp(lambda x: tg.interop.jax.as_function(parts, mode="forward")({"x": x}, 3), (X,), (X,))
    np.testing.assert_allclose(moved["a"], 3 * (1 - np.tanh(X)**2) * X)
    assert out["k"] == 3 and moved["k"].dtype == jax.dtypes.float0


def test_jax_calls_the_code_itself(jax):
    """No callback to Python; errors, captured arrays, structures, kinds of numbers, elements and threads as by one."""
    as_function, np_, held = tg.interop.jax.as_function, jax.numpy, {"a": np.ones(4)}
    picked = as_function(lambda x, n: x[n])
    assert "callback" not in str(jax.make_jaxpr(picked)(X, 1))
    for call in (picked, jax.jit(picked)):
        with pytest.raises(Exception, match=r"(?s)BoundsError: index 7 is out of bounds.*test_frameworks.py"):
            call(X, 7).block_until_ready()
    weighted = as_function(lambda x: np.sum(held["a"] * x))
    other = np.full(4, 3.0)
    for change in (lambda: None, lambda: held["a"].fill(2.0), lambda: held.update(a=other), lambda: other.fill(5.0)):
        change()
        assert weighted(X) == np.sum(held["a"] * X) and jax.grad(weighted)(X).tolist() == held["a"].tolist()
    lone, rate = np.array(2.0), {"k": 1.0}
    scaled = as_function(lambda x: np.sum(lone * rate["k"] * x))
    for k in (1.0, 3.0, 4.0, 5.0):
        lone[()], rate["k"] = k + 1, k
        assert scaled(X) == np.sum((k + 1) * k * X) and jax.grad(scaled)(X).tolist() == [(k + 1) * k] * 4
    with pytest.raises(Exception, match=r"no \\ud800 \\0 text"):
        as_function(says_no_text)(X).block_until_ready()
    found = as_function(lambda p: {"z": (p["b"], p["b"]), "a": p["b"] - p["a"], "k": np.arange(0) * p["a"][:0]})(
        {"b": X, "n": None, "a": 3 * X})
    np.testing.assert_array_equal(np.stack([*found["z"], found["a"]]), np.stack([X, X, -2 * X]))
    assert found["k"].shape == (0,)
    z = np_.array(X) + 1j * np_.array(X[::-1])
    for made, wanted in zip(jax.vjp(as_function(lambda z: z**2 * np.exp(z)), z)[1](z),
                            jax.vjp(lambda z: z**2 * np_.exp(z), z)[1](z)):
        np.testing.assert_allclose(made, wanted)
    halvings = as_function(halved)
    np.testing.assert_allclose(jax.vmap(jax.vmap(jax.grad(halvings)))(np_.array([[1.0, 3.0], [0.1, 9.0]])),
                               [[1 / 4, 1 / 16], [1.0, 1 / 32]])
    with jax.enable_x64(False):
        single = np_.ones(3)
        out, back = jax.vjp(as_function(lambda x: np.sum(np.sin(x) * np.float64(2.0))), single)
        assert out.dtype == back(out)[0].dtype == np.float32
        np.testing.assert_allclose(back(np_.float32(1.0))[0], 2 * np.cos(single), rtol=1e-6)
    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(lambda _: float(jax.jit(weighted)(X)), range(12))) == {float(np.sum(5.0 * X))}


def says_no_text(x):
    if x[0] < 1000.0:
        raise ValueError("no \ud800 \0 text")
    return x


def halved(x):
    while x > 0.3:
        x = x * 0.5
    return x


def test_jax_by_python_where_xla_has_other_devices(jax, monkeypatch):
    monkeypatch.setattr("tracegrad.interop.jax._version", lambda jax: None)
    f = tg.interop.jax.as_function(lambda x: np.sum(np.sin(x)))
    assert "callback" in str(jax.make_jaxpr(f)(X))
    np.testing.assert_allclose(jax.vmap(jax.grad(f))(np.stack([X, 2 * X])), np.cos(np.stack([X, 2 * X])))


def test_jax_misuse(jax):
    for f, mode, says in ((total, "both", "no mode"), (3, "reverse", "takes a function"),
                          (lambda x: x[x > 0], "reverse", "only at run time"),
                          (overwrites, "forward", "overwrites its argument x")):
        with pytest.raises(tg.TracegradError, match=says):
            tg.interop.jax.as_function(f, mode)(X)


# --- PyTensor ---------------------------------------------------------------------------------------------------------------

@pytest.fixture
def pytensor():
    return pytest.importorskip("pytensor", reason="pytensor is not installed: pip install pytensor")


@pytest.mark.filterwarnings("ignore:Numba will use object mode")
def test_pytensor(pytensor):
    pt = pytensor.tensor
    x = pt.dvector("x")
    value = tg.interop.pytensor.as_op(total, np.zeros(2), W)(x, W)
    slope = pytensor.grad(value, x)
    found = pytensor.function([x], [value, slope, pytensor.gradient.hessian(value, x)], mode="FAST_COMPILE")(X)
    for made, wanted in zip(found, (total(X, W), tg.grad(total)(X, W), tg.hessian(total)(X, W))):
        np.testing.assert_allclose(made, wanted, rtol=1e-12, atol=1e-14)
    first, last = tg.interop.pytensor.as_op(lambda a, n: (a * n, np.sum(a)), np.zeros(3), 2)(x, 3)
    assert last.ndim == 0
    assert pytensor.function([x], pytensor.grad(first.sum(), x), mode="FAST_COMPILE")(X).tolist() == [3.0] * 4
    op = tg.interop.pytensor.as_op(total, X, W)
    for args, says in (((x,), "example was"), ((pt.dmatrix(), W), "2 axes")):
        with pytest.raises(tg.ArgumentError, match=says):
            op(*args)
    with pytest.raises(tg.ArgumentError, match="example"):
        tg.interop.pytensor.as_op(total)


# --- without them -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["torch", "jax", "pytensor"])
def test_a_package_that_is_missing_is_one_line(name):
    if importlib.util.find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    module = getattr(tg.interop, name)
    with pytest.raises(ImportError, match=f"pip install {name}"):
        (module.as_op if name == "pytensor" else module.as_function)(total)


class Handing:
    """An array of another library."""

    def __init__(self, x):
        self.x = x

    def __dlpack__(self, **options):
        return self.x.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.x.__dlpack_device__()


class Elsewhere(Handing):
    def __dlpack__(self, **options):
        raise BufferError("it lies on a GPU")


class Fixed:
    """An object that is static, although it gives an array."""

    def __init__(self, x):
        self.x = x

    def __array__(self, dtype=None, copy=None):
        return np.full(3, self.x)


class Interface:
    def __init__(self, x):
        self.__array_interface__, self.x = x.__array_interface__, x


def test_arrays_of_other_libraries_as_arguments():
    f = tg.jit(lambda x: np.sum(x**2))
    for wrap in (Handing, Interface, memoryview):
        assert f(wrap(X)) == f(X) and tg.grad(f)(wrap(X)).tolist() == (2 * X).tolist()
    with pytest.raises(tg.ArgumentError, match="GPU"):
        f(Elsewhere(X))
    count = f.specialisations[0].hits                     # compiled code has taken them, and not Python
    assert f(Handing(X)) == f(memoryview(X)) and f.specialisations[0].hits == count + 2
    slope, pair = tg.grad(lambda p: np.sum(p["x"] * p["y"])), {"x": Handing(X), "y": X}
    assert slope(pair)["x"].tolist() == X.tolist() and type(pair["x"]) is Handing
    scaled = [tg.jit(lambda x, k: k * x, static_argnums=1), tg.jit(lambda x, k: k * x, static_argnames="k")]
    assert {tuple(g(wrap(X), 3)) for g in scaled for wrap in (Handing, np.array)} == {tuple(3 * X)}
    assert tg.jit(lambda k, x: k.x * x, static_argnums=0)(fixed := Fixed(3.0), Handing(X)).tolist() == (fixed.x * X).tolist()
    torch = pytest.importorskip("torch", reason="torch is not installed")
    assert f(torch.tensor(X)) == f(X)
    assert torch.from_numpy(tg.grad(f)(torch.tensor(X))).tolist() == torch.from_dlpack(2 * X).tolist()


class Foreign:
    """An array of another library: its code is not the user's, as it is given no source."""

    def __init__(self, x, copies=False):
        self.x, self.copies = x, copies

    def __len__(self):
        return len(self.x)

    def __getitem__(self, key):
        return Foreign(self.x[key])

    exec("def __array__(self, dtype=None, copy=None):\n    return self.x.copy() if self.copies else self.x")


def test_captured_arrays_of_other_libraries():
    def weighted(x):
        return np.sum(x * w) + len(w)
    for copies in (False, True):
        w = Foreign(np.arange(3.0), copies)
        f, x = tg.jit(weighted), np.ones(3)
        assert f(x) == f(x) == 6.0 and np.array_equal(tg.grad(f)(x), w.x)
        w.x[0] = 2.0                                             # in its memory
        assert f(x) == 8.0 and np.array_equal(tg.grad(f)(x), w.x)
        w.x = np.ones(3)                                         # in other memory
        assert f(x) == 6.0 and np.array_equal(tg.grad(f)(x), w.x)
        w = Foreign(np.zeros(3), copies)                         # another object
        assert f(x) == 3.0


def test_captured_arrays_of_jax(jax):
    with jax.enable_x64(True):
        w = jax.numpy.arange(3.0)
        programs = (lambda x: x * w, lambda x: w * x, lambda x: x @ w, lambda x: x * w[1], lambda x: x * w.sum() + len(w),
                    lambda x: np.dot(w, x), lambda x: x * np.asarray(w), lambda x: x * table["w"][0])
        table = {"w": [w]}
        for f in programs:
            f, x = tg.jit(f), np.array([1.0, 2.0, 4.0])
            for _ in range(2):
                assert np.allclose(f(x), f.__wrapped__(x))
            old, w = w, w + 1.0
            table["w"][0] = w
            assert np.allclose(f(x), f.__wrapped__(x))
            w = table["w"][0] = old


def test_containers_of_arrays_of_other_libraries():
    x = Foreign(np.arange(3.0))
    total = tg.jit(lambda d: d["a"].sum() + d["b"][0].sum())
    for _ in range(3):
        assert total({"a": x, "b": [x]}) == 6.0

    @tg.jit
    def changes(d, items):
        d["b"] = d["a"] + 1.0
        items.append(d["a"])
        return d
    for _ in range(3):                                           # the caller's own containers, at each call
        given, items = {"a": x}, [x]
        assert changes(given, items) is given and np.array_equal(given["b"], x.x + 1.0) and len(items) == 2


def test_one_array_of_another_library_twice():
    same = tg.jit(lambda a, b: (a is b, a, b))
    x, y = Foreign(np.arange(3.0)), Foreign(np.arange(3.0))
    for _ in range(2):
        one, a, b = same(x, x)
        assert one and a is b
        assert not same(x, y)[0]


def test_what_makes_a_captured_array_is_not_looked_through(jax, monkeypatch):
    """Each call would compare hundreds of attributes of JAX's classes."""
    seen, held = [], jax.numpy.asarray(W)
    monkeypatch.setattr(captured_values, "UNTRACED", [seen.append])
    f = tg.jit(lambda x: x * held)
    assert f(W).tolist() == (W * W).tolist() and not any(x is held or x is type(held) for x in seen)
    held = held + 1
    assert f(W).tolist() == (W * (W + 1)).tolist()
