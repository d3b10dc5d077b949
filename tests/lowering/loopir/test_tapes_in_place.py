"""Arrays that reverse mode puts on a growing tape are written and read where it holds them, in memory that is kept."""
import resource

import numpy as np
import pytest
from tracegrad.ir.thresholds import sizes

import tracegrad as tg

RNG = np.random.default_rng(3)


def rows(x):
    """Rows of growing length, each the function of the one before."""
    s = 0.0
    for i in range(1, x.size):
        row = np.sin(x[:i] * (1.0 + s))
        for k in range(2):
            row[k % i] = row[k % i] * x[i] + s
            row = row * np.cos(row)
        s = s + np.sum(row * row) / i
    return s


def until(x, bound):
    """A `while`: arrays of one length, on a tape whose entries nobody counts before."""
    y, n = x.copy(), 0
    while np.sum(y * y) > bound and n < 60:
        y = y * np.cos(0.3 * y)
        n += 1
    return np.sum(y ** 3)


def orthogonal(a):
    q = a.copy()
    for j in range(a.shape[1]):
        q[:, j] /= np.sqrt(q[:, j] @ q[:, j])
        for k in range(j + 1, a.shape[1]):
            q[:, k] -= (q[:, j] @ q[:, k]) * q[:, j]
    return np.sum(q[0] * q[1]) + np.sum(q ** 3)


PROGRAMS = {
    "rows": (rows, (RNG.normal(size=9),)),
    "rows none": (rows, (RNG.normal(size=1),)),
    "until": (until, (RNG.normal(size=40) + 2.0, 1.0)),
    "until large": (until, (RNG.normal(size=600) + 2.0, 20.0)),
    "until at once": (until, (RNG.normal(size=600), 1e9)),
    "orthogonal": (orthogonal, (RNG.normal(size=(11, 6)),)),
    "orthogonal floats": (orthogonal, (RNG.normal(size=(11, 6)).astype(np.float32),)),
    "orthogonal one": (orthogonal, (RNG.normal(size=(5, 1)),)),
    "orthogonal none": (orthogonal, (RNG.normal(size=(5, 0)),)),
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("slot", [0, None, 1 << 40])
def test_value_and_derivatives(name, slot):
    f, args = PROGRAMS[name]
    single = args[0].dtype == np.float32
    with sizes.at(**({} if slot is None else {"slot": slot})):
        def g(*a):                                         # a function of its own: compiled with these sizes
            return f(*a)

        value, gradient = tg.value_and_grad(g)(*args)
        x_dot = RNG.normal(size=args[0].shape).astype(args[0].dtype)
        _, slope = tg.jvp(lambda x: g(x, *args[1:]), (args[0],), (x_dot,))
    tight, loose = (1e-5, 3e-4) if single else (1e-12, 1e-10)
    np.testing.assert_allclose(value, f(*args), rtol=tight, atol=tight)
    np.testing.assert_allclose(np.sum(gradient * x_dot), slope, rtol=loose, atol=loose)
    with tg.disable_jit():
        np.testing.assert_allclose(gradient, tg.grad(f)(*args), rtol=loose, atol=loose)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", ["rows", "until large", "orthogonal"])
def test_second_order(name):
    f, args = PROGRAMS[name]
    x, v = args[0], RNG.normal(size=args[0].shape)
    found = tg.grad(lambda x: np.sum(tg.grad(lambda y: f(y, *args[1:]))(x) * v))(x)
    _, forward = tg.jvp(tg.grad(lambda y: f(y, *args[1:])), (x,), (v,))
    np.testing.assert_allclose(found, forward, rtol=1e-8, atol=1e-9)


def test_where_it_lies():
    """What is pushed and popped whole lies on the tape; nothing is copied."""
    text = tg.grad(orthogonal).lower(RNG.normal(size=(30, 20))).text("loops")
    stacks = {line.split()[1] for line in text.splitlines() if line.split()[:1] == ["push"]}
    assert stacks
    lying = [line for line in text.splitlines() if " on &" in line]
    assert len(lying) == 2 * len(stacks)


@pytest.mark.sweep(2, days=True)
def test_a_tape_keeps_its_memory():
    """The second call meets no fresh pages, after smaller and larger tapes too."""
    gradient = tg.grad(orthogonal)
    large, small = RNG.normal(size=(200, 120)), RNG.normal(size=(12, 7))
    reference = gradient(large)
    for _ in range(3):
        gradient(small)
        gradient(large)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    found = gradient(large)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 1000          # the tape has 2800 pages
    np.testing.assert_array_equal(found, reference)


def test_lengths_of_calls_in_turn():
    """One kernel whose tape is small, large and small again."""
    gradient = tg.grad(until)
    for bound in (1e9, 1.0, 500.0, 20.0, 1e9, 1.0):
        x = np.linspace(1.0, 3.0, 700)
        with tg.disable_jit():
            expected = tg.grad(until)(x, bound)
        np.testing.assert_allclose(gradient(x, bound), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.sweep(2, days=True)
def test_an_array_that_two_tapes_have():
    """It lies on one of them, and is copied to or from the other."""
    @tg.grad
    def inner(x):
        s = 0.0
        for i in range(1, x.size):
            s = s + np.sum(np.sin(x[:i] * x[i] + s)) / i
        return s

    x = RNG.normal(size=12)
    hessian = np.array([tg.grad(lambda x, k=k: inner(x)[k])(x) for k in range(3)])
    h = 1e-6
    for k in range(12):
        e = h * np.eye(12)[k]
        np.testing.assert_allclose(hessian[:, k], ((inner(x + e) - inner(x - e)) / (2 * h))[:3], rtol=1e-6, atol=1e-7)
