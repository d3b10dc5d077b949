"""The programs of tests/programs/by_hand: compiled equals Python, equals the evaluator; gradient, both modes, second order."""
import dataclasses

import numpy as np
import pytest
from by_hand import PROGRAMS
from by_hand.trees import copied, draw, inner, leaves, loss, moved, slope

import tracegrad as tg

SMOOTH = [p for p in PROGRAMS.values() if p.wrt]
_made = {}


def args_of(program):
    return program.make(np.random.default_rng(len(program.name)), 0)


def value_and_grad(program):
    if program.name not in _made:
        _made[program.name] = tg.value_and_grad(loss(program), argnums=program.wrt)
    return _made[program.name]


def assert_same(got, expected, rtol=1e-12):
    """Same structure, types, dtypes, shapes; values to `rtol` of the largest."""
    assert isinstance(got, type(expected)), (type(got), type(expected))
    if isinstance(expected, dict):
        assert list(got) == list(expected)
        for key in expected:
            assert_same(got[key], expected[key], rtol)
    elif isinstance(expected, (tuple, list)):
        assert len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            assert_same(a, b, rtol)
    elif dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            assert_same(getattr(got, field.name), getattr(expected, field.name), rtol)
    elif expected is None or isinstance(expected, str):
        assert got == expected
    else:
        a, b = np.asarray(got), np.asarray(expected)
        assert a.dtype == b.dtype and a.shape == b.shape, (a.dtype, b.dtype, a.shape, b.shape)
        single = b.dtype in (np.float32, np.complex64)
        scale = np.max(np.abs(b[np.isfinite(b)]), initial=0.0) if b.dtype.kind in "fc" else 0.0
        np.testing.assert_allclose(a, b, rtol=1e-5 if single else rtol, atol=(1e-6 if single else rtol) * scale)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("evaluator", [False, True], ids=["compiled", "evaluator"])
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_equals_python(program, evaluator):
    ours, theirs = copied(args_of(program)), copied(args_of(program))
    expected = program.fn(*theirs)
    f = tg.jit(program.fn)
    assert_same((f.interpret if evaluator else f)(*ours), expected)
    assert_same(ours, theirs)                                  # what the program overwrote, and nothing else


@pytest.mark.sweep(6)
@pytest.mark.parametrize("program", SMOOTH, ids=lambda p: p.name)
def test_gradient(program):
    """Reverse mode against a difference, and against forward mode."""
    args = args_of(program)
    kept = copied(args)
    value, grads = value_and_grad(program)(*args)
    assert_same(args, kept, 0)
    np.testing.assert_allclose(value, loss(program)(*copied(args)), rtol=1e-12)
    directions = draw(program, args, np.random.default_rng(1))
    np.testing.assert_allclose(inner(grads, directions), slope(loss(program), program, args, directions), rtol=1e-6, atol=1e-8)

    def along(t):
        return loss(program)(*moved(program, args, directions, t))

    _, forward = tg.jvp(along, (0.0,), (1.0,))
    np.testing.assert_allclose(forward, inner(grads, directions), rtol=1e-10, atol=1e-11)


@pytest.mark.sweep(12)
@pytest.mark.parametrize("program", SMOOTH, ids=lambda p: p.name)
def test_second_order(program):
    """The derivative of the gradient along a direction against a difference of gradients."""
    args = args_of(program)
    directions = draw(program, args, np.random.default_rng(1))

    def gradient(*wrt):
        full = list(args)
        for i, x in zip(program.wrt, wrt, strict=True):
            full[i] = x
        return tg.grad(loss(program), argnums=program.wrt)(*full)

    _, hvp = tg.jvp(gradient, tuple(args[i] for i in program.wrt), directions)
    h = 1e-5
    ahead, behind = (leaves(value_and_grad(program)(*moved(program, args, directions, s))[1]) for s in (h, -h))
    scale = max(np.max(np.abs(x), initial=0.0) for x in ahead) + 1.0
    for got, a, b in zip(leaves(hvp), ahead, behind, strict=True):
        np.testing.assert_allclose(got, (np.asarray(a) - np.asarray(b)) / (2 * h), rtol=1e-4, atol=1e-4 * scale)
