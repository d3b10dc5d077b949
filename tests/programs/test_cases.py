"""The 49 programs of cases/: compiled equals Python, and every derivative agrees with every other way to have it."""
import numpy as np
import pytest
from cases import CASES, copied, directional, leaves, loss

import tracegrad as tg

SMOOTH = [c for c in CASES.values() if c.wrt]
_made = {}


def args_of(case):
    """Fresh arguments of a case, the same at every call."""
    return case.make(np.random.default_rng(len(case.name)), 0)


def once(key, make):
    """Compiled functions are shared by the tests of this file."""
    if key not in _made:
        _made[key] = make()
    return _made[key]


def value_and_grad(case):
    return once((case.name, "grad"), lambda: tg.value_and_grad(loss(case), argnums=case.wrt))


def assert_same(got, expected, rtol=1e-12):
    """Same structure, types, dtypes, shapes; values to `rtol`."""
    # where Python returns its own float or a NumPy scalar, by what the data are, the compiled function returns the latter
    either = type(expected) is float and isinstance(got, np.floating)
    assert either or type(got) is type(expected), (type(got), type(expected))
    if isinstance(expected, dict):
        assert list(got) == list(expected)
        for key in expected:
            assert_same(got[key], expected[key], rtol)
    elif isinstance(expected, (tuple, list)):
        assert len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            assert_same(a, b, rtol)
    elif expected is None or isinstance(expected, str):
        assert got == expected
    else:
        a, b = np.asarray(got), np.asarray(expected)
        assert (either or a.dtype == b.dtype) and a.shape == b.shape, (a.dtype, b.dtype, a.shape, b.shape)
        scale = np.max(np.abs(b[np.isfinite(b)]), initial=0.0) if b.size else 0.0
        single = a.dtype in (np.float32, np.complex64)
        np.testing.assert_allclose(a, b, rtol=2e-5 if single else rtol, atol=(2e-6 if single else rtol) * scale)


def inner(a, b):
    return sum(np.sum(np.asarray(x) * np.asarray(y)) for x, y in zip(leaves(a), leaves(b), strict=True))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_compiled_equals_python(case):
    ours, theirs = copied(args_of(case)), copied(args_of(case))
    compiled = once((case.name, "jit"), lambda: tg.jit(case.fn))
    assert_same(compiled(*ours), case.fn(*theirs))
    assert_same(ours, theirs)                                  # what the function overwrote, and nothing else


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_evaluator_equals_python(case):
    ours, theirs = copied(args_of(case)), copied(args_of(case))
    assert_same(tg.jit(case.fn).interpret(*ours), case.fn(*theirs))
    assert_same(ours, theirs)


@pytest.mark.parametrize("case", SMOOTH, ids=lambda c: c.name)
def test_gradient_against_difference(case):
    args = args_of(case)
    kept = copied(args)
    value, grads = value_and_grad(case)(*args)
    assert_same(args, kept, 0)                                 # a gradient never changes its arguments
    np.testing.assert_allclose(value, loss(case)(*copied(args)), rtol=1e-12)
    directions, slope = directional(case, args, np.random.default_rng(1))
    np.testing.assert_allclose(inner(grads, directions), slope, rtol=1e-6, atol=1e-8)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("case", SMOOTH, ids=lambda c: c.name)
def test_forward_equals_reverse(case):
    args = args_of(case)
    _, grads = value_and_grad(case)(*args)
    directions, _ = directional(case, args, np.random.default_rng(1))

    def of_wrt(*moved):
        full = list(args)
        for i, x in zip(case.wrt, moved, strict=True):
            full[i] = x
        return loss(case)(*full)

    _, slope = tg.jvp(of_wrt, tuple(args[i] for i in case.wrt), directions)
    np.testing.assert_allclose(inner(grads, directions), slope, rtol=1e-12, atol=1e-12)


@pytest.mark.sweep(9)
@pytest.mark.parametrize("evaluator", [False, True], ids=["compiled", "evaluator"])
@pytest.mark.parametrize("case", SMOOTH, ids=lambda c: c.name)
def test_second_order(case, evaluator):
    args = args_of(case)
    directions, _ = directional(case, args, np.random.default_rng(1))

    def gradient(*moved):
        full = list(args)
        for i, x in zip(case.wrt, moved, strict=True):
            full[i] = x
        return tg.grad(loss(case), argnums=case.wrt)(*full)

    with tg.config(disable_jit=evaluator):
        _, hvp = tg.jvp(gradient, tuple(args[i] for i in case.wrt), directions)

    def at(h):
        return value_and_grad(case)(*_moved(case, args, directions, h))[1]

    h = 1e-5
    ahead, behind = leaves(at(h)), leaves(at(-h))
    scale = max(np.max(np.abs(x), initial=0.0) for x in ahead) + 1.0
    for got, a, b in zip(leaves(hvp), ahead, behind, strict=True):
        np.testing.assert_allclose(got, (np.asarray(a) - np.asarray(b)) / (2 * h), rtol=1e-4, atol=1e-4 * scale)


def _moved(case, args, directions, h):
    def move(x, d):
        if isinstance(x, dict):
            return {k: move(x[k], d[k]) for k in x}
        if isinstance(x, (tuple, list)):
            return type(x)(move(a, b) for a, b in zip(x, d, strict=True))
        return x + h * d

    full = list(copied(args))
    for i, d in zip(case.wrt, directions, strict=True):
        full[i] = move(full[i], d)
    return full
