"""The derivatives of the programs of tests/programs/cases on other arguments, and on the evaluator: what test_cases.py says of
arrays in C order and float64 holds of float32, strided, reversed and Fortran arrays, and compiled derivatives equal evaluated
ones.

A layout changes no value, so there every derivative must be the one of the plain arrays to 1e-12. A float32 array has a
gradient in float32, which must agree with the gradient in float64 and with forward mode as far as float32 goes.
"""
import numpy as np
import pytest
from cases import CASES, copied, directional, leaves, loss
from test_case_layouts import TOO_FINE_FOR_FLOAT32, copied_as
from test_cases import SMOOTH, args_of, assert_same, inner, once, value_and_grad

import tracegrad as tg

# What tests/programs/cases declares without arguments to differentiate, and why. `single_precision_stays` has a derivative, in
# float32 only, where a difference quotient tells nothing: it is tested below.
WITHOUT = {
    "collatz_length": "takes one integer",
    "escape_times": "returns numbers of steps, whose derivative is zero",
    "single_precision_stays": "float32",
}
LAYOUTS = ["strided", "reversed", "fortran"]


def test_what_has_no_derivative():
    assert {c.name for c in CASES.values() if not c.wrt} == set(WITHOUT)
    with pytest.raises(TypeError, match="argument n is a Python int"):
        tg.grad(CASES["collatz_length"].fn)(*args_of(CASES["collatz_length"]))
    case = CASES["escape_times"]
    args = args_of(case)
    wrt = [k for k, x in enumerate(args) if np.asarray(x).dtype.kind in "fc"]
    _, pull = tg.vjp(case.fn, *args)
    found = pull(np.ones(np.shape(case.fn(*args))))
    for k in wrt:
        assert not np.any(found[k])


def moves_of(case, args):
    """A tangent for each argument: random for those that are differentiated, zero for the others."""
    directions, _ = directional(case, args, np.random.default_rng(1))
    wrt = dict(zip(case.wrt, directions, strict=True))
    return tuple(wrt[k] if k in wrt else zeros(x) for k, x in enumerate(args))


def zeros(x):
    if isinstance(x, dict):
        return {k: zeros(v) for k, v in x.items()}
    if isinstance(x, (tuple, list)):
        return type(x)(zeros(v) for v in x)
    return np.zeros(np.shape(x)) if isinstance(x, np.ndarray) else x if isinstance(x, (str, bool)) or x is None else 0.0


def of_all(case):
    """The loss as one function, so that its derivatives are compiled once for each kind of arguments."""
    return once((case.name, "loss"), lambda: loss(case))


def slope_of(case, args, moves):
    return tg.jvp(of_all(case), args, moves)


def product_of(case, args, moves):
    """The Hessian of the loss over the arguments `wrt` times the moves: forward over reverse."""
    gradient = once((case.name, "gradient"), lambda: tg.grad(of_all(case), argnums=case.wrt))
    return tg.jvp(gradient, args, moves)[1]


def close(found, expected, rtol):
    """Equal structures, to `rtol` of the largest element: a derivative may cancel to nothing in single elements."""
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        scale = np.max(np.abs(b), initial=0.0)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


@pytest.mark.sweep(6)
@pytest.mark.parametrize("case", SMOOTH, ids=lambda c: c.name)
def test_evaluator_equals_compiled(case):
    args = args_of(case)
    moves = moves_of(case, args)
    value, grads = value_and_grad(case)(*args)
    with tg.disable_jit():
        theirs, evaluated = value_and_grad(case)(*args)
        slope = slope_of(case, args, moves)[1]
    np.testing.assert_allclose(value, theirs, rtol=1e-12)
    # `option_price` has an erf by SciPy here and one of its own there, and gradients that cancel
    close(grads, evaluated, 1e-11 if case.name == "option_price" else 1e-12)
    np.testing.assert_allclose(slope, slope_of(case, args, moves)[1], rtol=1e-11, atol=1e-12)


@pytest.mark.sweep(28)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", SMOOTH, ids=lambda c: c.name)
def test_layouts(case, layout):
    args = args_of(case)
    moves = moves_of(case, args)
    ours, its_moves = copied_as(layout, args), copied_as(layout, moves)
    value, grads = value_and_grad(case)(*ours)
    assert_same(ours, copied_as(layout, args), 0)             # a gradient never changes its arguments
    expected, plain = value_and_grad(case)(*args)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    close(grads, plain, 1e-12)
    _, slope = slope_of(case, ours, its_moves)
    np.testing.assert_allclose(slope, inner(plain, [moves[k] for k in case.wrt]), rtol=1e-12, atol=1e-12)
    close(product_of(case, ours, its_moves), product_of(case, args, moves), 1e-12)


def held(tree):
    """The dtypes of the arrays of a structure."""
    return [x.dtype for x in leaves(tree) if isinstance(x, np.ndarray)]


@pytest.mark.sweep(6)
@pytest.mark.parametrize("case", SMOOTH, ids=lambda c: c.name)
def test_float32(case):
    if case.name in TOO_FINE_FOR_FLOAT32:
        pytest.skip(TOO_FINE_FOR_FLOAT32[case.name])
    args = args_of(case)
    moves = moves_of(case, args)
    ours, its_moves = copied_as("float32", args), copied_as("float32", moves)
    _, grads = value_and_grad(case)(*ours)
    assert held(grads) == held([ours[k] for k in case.wrt])
    _, plain = value_and_grad(case)(*args)
    close(grads, plain, 1e-4)
    _, slope = slope_of(case, ours, its_moves)
    parts = [np.sum(np.abs(np.asarray(g) * np.asarray(m)))
             for g, m in zip(leaves(grads), leaves([its_moves[k] for k in case.wrt]), strict=True)]
    assert abs(slope - inner(grads, [its_moves[k] for k in case.wrt])) <= 1e-5 * (sum(parts) + 1.0)
    with tg.disable_jit():
        close(grads, value_and_grad(case)(*copied(ours))[1], 1e-4)


def test_the_case_in_single_precision():
    case = CASES["single_precision_stays"]
    x, gain = args_of(case)
    x_bar, gain_bar = tg.grad(lambda x, gain: np.sum(case.fn(x, gain)), (0, 1))(x, gain)
    assert x_bar.dtype == np.float32 and isinstance(gain_bar, np.float32)
    wide = x.astype(np.float64)
    sigmoid = 1 / (1 + np.exp(-wide))
    np.testing.assert_allclose(x_bar, 2 * gain * (1 - np.tanh(2 * wide) ** 2) + sigmoid * (1 - sigmoid), rtol=2e-5)
    np.testing.assert_allclose(gain_bar, np.sum(np.tanh(2 * wide)), rtol=2e-5)
    out, out_dot = tg.jvp(case.fn, (x, gain), (x, gain))
    assert out.dtype == out_dot.dtype == np.float32
    np.testing.assert_allclose(np.sum(out_dot), np.sum(x_bar * x) + gain_bar * gain, rtol=2e-5)


def buffers_like(x, rng):
    if isinstance(x, dict):
        return {k: buffers_like(v, rng) for k, v in x.items()}
    if isinstance(x, (tuple, list)):
        return type(x)(buffers_like(v, rng) for v in x)
    x = np.asarray(x)
    return rng.standard_normal(x.shape).astype(x.dtype if x.dtype.kind == "f" else np.float64)


@pytest.mark.sweep(6)
@pytest.mark.parametrize("case", SMOOTH, ids=lambda c: c.name)
def test_adding_to_buffers(case):
    args = args_of(case)
    value, plain = value_and_grad(case)(*args)
    held = buffers_like(plain, np.random.default_rng(2))
    buffers = copied(held)
    found, returned = value_and_grad(case)(*args, out=buffers, accumulate=True)
    np.testing.assert_allclose(found, value, rtol=1e-12)
    for a, b, h, p in zip(leaves(returned), leaves(buffers), leaves(held), leaves(plain), strict=True):
        assert a is b
        scale = np.max(np.abs(p), initial=1.0)
        np.testing.assert_allclose(b, h + p, rtol=1e-11, atol=1e-11 * scale)
