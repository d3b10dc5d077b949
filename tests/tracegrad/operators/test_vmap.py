"""`vmap`: the same as single calls, stacked; in every form that it takes, for values and gradients; and what it refuses."""
import collections
import dataclasses

import numpy as np
import pytest
import scipy.sparse
from shared_functions import recurrence

import tracegrad as tg

RNG = np.random.default_rng(0)
BATCH = RNG.standard_normal((5, 12))
WIDE = RNG.standard_normal((48, 48)) / 7


def stacked(f, args, axes, size):
    """What `vmap` must give: single calls, stacked."""
    rows = [f(*[a if axis is None else np.take(a, k, axis) for a, axis in zip(args, axes)]) for k in range(size)]
    return np.stack([np.asarray(r) for r in rows])


def lifts(f, *args) -> bool:
    """Whether the program is one over the whole batch, or over chunks of it."""
    text = f.lower(*args).text("optimized")
    return "= map" not in text or "= map %chunk" in text


# --- single calls, stacked -------------------------------------------------------------------------------------------------

def test_vmap_equals_a_loop():
    got = tg.vmap(recurrence, in_axes=(None, 0))(0.5, BATCH)
    np.testing.assert_allclose(got, [recurrence(0.5, row) for row in BATCH], rtol=1e-14)
    got = tg.vmap(tg.grad(recurrence), in_axes=(None, 0))(0.5, BATCH)
    np.testing.assert_allclose(got, [tg.grad(recurrence)(0.5, row) for row in BATCH], rtol=1e-12)


def test_a_while_loop_of_integers():
    def collatz(n):
        steps = 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        return steps

    starts = np.arange(1, 20)
    np.testing.assert_array_equal(tg.vmap(collatz)(starts), [collatz(n) for n in starts])
    nested = tg.vmap(tg.vmap(np.multiply, in_axes=(0, None)), in_axes=(None, 0))(np.arange(3.0), np.arange(2.0))
    np.testing.assert_array_equal(nested, np.outer(np.arange(2.0), np.arange(3.0)))
    assert tg.vmap(np.sin)(np.zeros(0)).shape == (0,)


def test_gradient_of_vmap():
    got = tg.grad(lambda k: np.sum(tg.vmap(recurrence, in_axes=(None, 0))(k, BATCH)))(0.5)
    assert got == pytest.approx(sum(tg.grad(recurrence)(0.5, row) for row in BATCH), rel=1e-12)


def layer(w, b, x):
    return np.tanh(w @ x + b)


def two_layers(w, x):
    return np.sum((w @ np.tanh(w @ x)) ** 2)


def horner(c, x):
    s = 0.0
    for k in range(c.size):
        s = s * x + c[k]
    return s


def steps(k, x):
    """A recurrence of tanh, in place: what is written goes with the batch."""
    state, path = 0.0, np.zeros(x.size)
    for i in range(x.size):
        state = np.tanh(state * k + np.sin(x[i]))
        path[i] = state
    return path


def settle(x):
    """Elements go on for different numbers of iterations."""
    k = 0
    while x > 0.1:
        x = x * 0.7 if x > 1 else np.sin(x) * 0.5
        k += 1
    return x * k


def sides(w, x):
    """Elements take different branches around a product."""
    y = w @ x
    if y[0] > 0:
        y[0] = y[1] * 2
    else:
        y[1:3] = np.exp(y[0])
    return y


def looked_up(table, at, w):
    """Positions of each element's own, from what is shared and what is not."""
    row = w @ table[at]
    return row[at % 3] + table[at, 0] * row[:2].sum()


@tg.custom_vjp
def clipped(x):
    return np.clip(x, -1.0, 1.0)


clipped.defvjp(lambda x: (clipped(x), x), lambda x, out_bar: (out_bar * 3.0 + x,))


def ruled(w, x):
    return np.sum(clipped(w @ x) * x)


def marked(w, x):
    return np.sum(tg.checkpoint(lambda x: np.sin(w @ np.cos(w @ x)))(x))


R = RNG.standard_normal
FORMS = {
    "layer": (layer, (WIDE, R(48), R((7, 48))), (None, None, 0), True),
    "layer, last axis": (layer, (WIDE, R(48), R((48, 7))), (None, None, -1), True),
    "layer, own offsets": (layer, (WIDE, R((48, 7)), R((7, 48))), (None, 1, 0), True),
    "layer, own weights": (layer, (R((7, 4, 4)), R(4), R((7, 4))), (0, None, 0), False),
    "two layers": (two_layers, (WIDE, R((7, 48))), (None, 0), True),
    "chunks with a rest": (two_layers, (WIDE, R((587, 48))), (None, 0), True),
    "horner": (horner, (R(40), R(7) / 2), (None, 0), True),
    "horner, own coefficients": (horner, (R((7, 40)), R(7) / 2), (0, 0), False),
    "steps": (steps, (0.7, R((7, 9))), (None, 0), True),
    "steps, own factor": (steps, (R(7), R((7, 9))), (0, 0), True),
    "steps, shared path": (steps, (R(7), R(9)), (0, None), True),
    "while": (settle, (np.abs(R(7)) * 5,), (0,), False),
    "branches": (sides, (WIDE, R((7, 48))), (None, 0), None),
    "positions": (looked_up, (R((9, 48)), np.arange(7), WIDE), (None, 0, None), None),
    "own table": (looked_up, (R((7, 9, 48)), np.arange(7), WIDE), (0, 0, None), None),
    "custom rule": (ruled, (WIDE, R((7, 48))), (None, 0), None),
    "checkpoint": (marked, (WIDE, R((7, 48))), (None, 0), None),
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", FORMS)
def test_forms(name):
    f, args, axes, lifted = FORMS[name]
    size = next(np.shape(a)[axis] for a, axis in zip(args, axes) if axis is not None)
    single, mapped = tg.jit(f), tg.vmap(f, in_axes=axes)
    expected = stacked(single, args, axes, size)
    np.testing.assert_allclose(mapped(*args), expected, rtol=1e-12, atol=1e-13)
    with tg.config(disable_jit=True):
        np.testing.assert_allclose(tg.vmap(f, in_axes=axes)(*args), expected, rtol=1e-12, atol=1e-13)
    if lifted is not None:
        assert lifts(mapped, *args) is lifted


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", [k for k in FORMS if k != "chunks with a rest"])
def test_gradients_of_forms(name):
    """grad of vmap, vmap of grad, forward mode and second order against single calls."""
    f, args, axes, _ = FORMS[name]
    size = next(np.shape(a)[axis] for a, axis in zip(args, axes) if axis is not None)
    at = next(k for k, (a, axis) in enumerate(zip(args, axes)) if np.asarray(a).dtype.kind == "f" and axis is not None) \
        if any(np.asarray(a).dtype.kind == "f" and axis is not None for a, axis in zip(args, axes)) else 0

    def loss(*args):
        return np.sum(np.sin(f(*args)))

    def total(*args):
        return np.sum(np.sin(tg.vmap(f, in_axes=axes)(*args)))

    singles = [tg.grad(loss, argnums=at)(*[a if axis is None else np.take(a, k, axis) for a, axis in zip(args, axes)])
               for k in range(size)]
    expected = sum(singles) if axes[at] is None else np.stack(singles, axes[at])
    got = tg.grad(total, argnums=at)(*args)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    each = tg.vmap(tg.grad(loss, argnums=at), in_axes=axes)(*args)
    np.testing.assert_allclose(each, np.stack(singles), rtol=1e-10, atol=1e-12)
    if name == "custom rule":                                # gives reverse mode only
        return
    x, x_dot = args[at], R(np.shape(args[at]))

    def along(x):
        return total(*args[:at], x, *args[at + 1:])

    assert tg.jvp(along, (x,), (x_dot,))[1] == pytest.approx(np.sum(got * x_dot), rel=1e-9, abs=1e-10)
    second, h = tg.hvp(along, (x,), (x_dot,)), 1e-6
    slope = (tg.grad(along)(x + h * x_dot) - tg.grad(along)(x - h * x_dot)) / (2 * h)
    np.testing.assert_allclose(second, slope, rtol=1e-4, atol=1e-4 * np.max(np.abs(slope), initial=1e-3))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("dtype", ["float32", "complex64", "complex128", "int32", "uint8", "bool"])
def test_dtypes(dtype):
    w = (WIDE * 20 + (1j * WIDE.T if dtype.startswith("c") else 0)).astype(dtype)
    x = (R((6, 48)) * 3).astype(dtype)
    for f in (lambda w, x: w @ x, lambda w, x: (w[:3] @ x) * x[:3], lambda w, x: (w @ x, x[0], np.sort(x.real))[0]):
        got, expected = tg.vmap(f, in_axes=(None, 0))(w, x), np.stack([f(w, row) for row in x])
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, rtol=1e-4 if dtype in ("float32", "complex64") else 1e-12, atol=1e-3
                                   if dtype in ("float32", "complex64") else 1e-12)


@pytest.mark.parametrize("size", [0, 1, 2, 31, 256, 257, 520])
def test_batch_sizes(size):
    x = R((size, 48))
    expected = (WIDE @ np.tanh(WIDE @ x.T)).T
    got = tg.vmap(lambda w, x: w @ np.tanh(w @ x), in_axes=(None, 0))(WIDE, x)
    assert got.shape == (size, 48)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)
    got = tg.vmap(horner, in_axes=(None, 0))(np.arange(40.0), x[:, 0] / 9)
    np.testing.assert_allclose(got, np.polyval(np.arange(40.0), x[:, 0] / 9), rtol=1e-12)


def test_run_time_lengths():
    @tg.jit
    def positive(x):
        return np.sum(tg.vmap(lambda a: np.sin(a) * a)(x[x > 0]))

    @tg.jit
    def pairs(x, y):
        return tg.vmap(lambda a, b: a * b)(x[x > 0], y)

    x = np.array([-1.0, 2.0, 0.5, -3.0])
    assert positive(x) == pytest.approx(np.sum(np.sin(x) * x, where=x > 0))
    assert positive(-np.abs(x)) == 0
    np.testing.assert_allclose(tg.grad(positive)(x), np.where(x > 0, np.sin(x) + x * np.cos(x), 0))
    np.testing.assert_array_equal(pairs(x, np.array([3.0, 4.0])), [6.0, 2.0])
    with pytest.raises(ValueError, match="argument a has length 2 along its batch axis, argument b has 3"):
        pairs(x, np.ones(3))


def test_strided_batches():
    x = R((48, 14))[:, ::-2]
    np.testing.assert_allclose(tg.vmap(two_layers, in_axes=(None, 1))(WIDE[::-1, ::-1], x),
                               [two_layers(WIDE[::-1, ::-1], c) for c in x.T], rtol=1e-12)
    np.testing.assert_allclose(tg.vmap(two_layers, in_axes=(None, 0))(np.asfortranarray(WIDE), x.T),
                               [two_layers(WIDE, c) for c in x.T], rtol=1e-12)


def test_nan_and_infinity_stay_in_their_elements():
    x = R((4, 48))
    x[1, 3], x[2, 4] = np.nan, np.inf
    got = tg.vmap(two_layers, in_axes=(None, 0))(WIDE, x)
    assert list(np.isnan(got)) == [False, True, False, False]
    np.testing.assert_allclose(got[[0, 2, 3]], [two_layers(WIDE, r) for r in x[[0, 2, 3]]], rtol=1e-12)


def test_a_branch_not_taken_has_no_slope():
    def safe(w, x):
        y = w @ x
        return np.sqrt(y[0]) if y[0] > 0 else y[1]

    x = R((6, 48))
    slopes = tg.vmap(tg.grad(safe, argnums=1), in_axes=(None, 0))(WIDE, x)
    assert np.all(np.isfinite(slopes))
    y = x @ WIDE.T
    np.testing.assert_allclose(slopes, np.where(y[:, :1] > 0, 0.5 / np.sqrt(np.abs(y[:, :1])) * WIDE[0], WIDE[1]), rtol=1e-10)




# --- memory ----------------------------------------------------------------------------------------------------------------

def test_large_batches_are_cut_in_chunks():
    """Temporaries are of a chunk, not of the batch."""
    mapped = tg.vmap(lambda w, x: np.sum(np.tanh(w @ np.tanh(w @ np.tanh(w @ x)))), in_axes=(None, 0))
    text = mapped.lower(WIDE, R((100_000, 48))).text("optimized")
    assert "map %chunk" in text and "f64[100000, 48]" not in text.replace("%x: f64[100000, 48]", "")


def test_results_too_large_for_the_cache_are_made_one_by_one():
    w = R((64, 64))
    slopes = tg.vmap(tg.grad(two_layers), in_axes=(None, 0))
    assert not lifts(slopes, w, R((1000, 64)))
    x = R((3, 64)) / 8
    np.testing.assert_allclose(slopes(w / 8, x), [tg.grad(two_layers)(w / 8, r) for r in x], rtol=1e-10)


# --- axes and structures ---------------------------------------------------------------------------------------------------

def test_axes_and_structures():
    def f(p, y):
        return p["a"] @ y, {"s": p["b"] * 2.0}

    p = {"a": R((3, 2, 4)), "b": np.arange(4.0)}
    y = R((2, 5))
    left, right = tg.vmap(f, in_axes=({"a": 2, "b": 0}, None), out_axes=(1, 0))(p, y)
    assert left.shape == (3, 4, 5)
    for k in range(4):
        np.testing.assert_allclose(left[:, k], p["a"][:, :, k] @ y)
    np.testing.assert_array_equal(right["s"], 2 * p["b"])
    nested = tg.vmap(tg.vmap(np.multiply, in_axes=(0, None)), in_axes=(None, 0))(np.arange(3.0), np.arange(2.0))
    np.testing.assert_array_equal(nested, np.outer(np.arange(2.0), np.arange(3.0)))
    assert tg.vmap(np.sin)(np.zeros(0)).shape == (0,)


Pair = collections.namedtuple("Pair", "x y")


@dataclasses.dataclass
class Body:
    mass: np.ndarray
    at: np.ndarray


def test_containers():
    x, y = R((3, 4)), R((4, 3))
    expected = np.stack([a * b for a, b in zip(x, y.T)])
    np.testing.assert_array_equal(tg.vmap(lambda p: p.x * p.y, in_axes=(Pair(0, 1),))(Pair(x, y)), expected)
    np.testing.assert_array_equal(tg.vmap(lambda p: p[0] * p[1], in_axes=((0, -1),))([x, y]), expected)
    np.testing.assert_array_equal(tg.vmap(lambda p: p.mass * p.at, in_axes=(Body(0, 1),))(Body(x, y)), expected)
    np.testing.assert_array_equal(tg.vmap(lambda p: p.mass * p.at, in_axes=[(0, 1)])(Body(x, y)), expected)
    out = tg.vmap(lambda a: Pair(a * 2, {"k": a[0]}), out_axes=Pair(-1, {"k": np.int64(0)}))(x)
    np.testing.assert_array_equal(out.x, 2 * x.T)
    np.testing.assert_array_equal(out.y["k"], x[:, 0])


def test_keywords_defaults_and_statics():
    assert list(tg.vmap(lambda x, *, k: x * k)(np.ones(2), k=np.arange(2.0))) == [0, 1]
    assert list(tg.vmap(lambda x, how, k=2.0: x * k if how == "a" else x)(np.ones(2), "a")) == [2, 2]


def test_shared_results():
    """out_axes None: what does not depend on the batch."""
    def f(x, w):
        return x * w[0], np.tanh(w), 3.0

    w = R(3)
    own, common, number = tg.vmap(f, in_axes=(0, None), out_axes=(0, None, None))(np.ones(2), w)
    np.testing.assert_array_equal(own, [w[0]] * 2)
    np.testing.assert_allclose(common, np.tanh(w), rtol=1e-15)
    assert number == 3.0
    spread = tg.vmap(lambda x, w: (w @ x, w), in_axes=(0, None), out_axes=1)(R((5, 48)), WIDE)[1]
    np.testing.assert_array_equal(spread, np.repeat(WIDE[:, None], 5, 1))


def test_results_that_are_known_beforehand():
    """Numbers are those of each element; what is no number stays as it is."""
    text, whole, flag, z, f, nothing = tg.vmap(lambda x: ("a", 3, True, 2j, 1.5, None))(np.ones(2))
    assert text == "a" and nothing is None
    for got, expected in ((whole, [3, 3]), (flag, [True, True]), (z, [2j, 2j]), (f, [1.5, 1.5])):
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == np.array(expected).dtype
    assert tg.vmap(lambda x: (x, 3), out_axes=(0, None))(np.ones(2))[1] == 3


def test_shared_sparse_matrices():
    a, x = scipy.sparse.random(6, 5, 0.4, format="csr", random_state=0), R((3, 5))
    np.testing.assert_allclose(tg.vmap(lambda a, x: a @ x, in_axes=(None, 0))(a, x), (a @ x.T).T)
    same = tg.vmap(lambda a, x: a, in_axes=(None, 0), out_axes=None)(a, x)
    np.testing.assert_array_equal(same.toarray(), a.toarray())


def test_what_an_element_overwrites_stays_inside():
    def f(x):
        x[0] = 7.0
        return x.sum()

    x = np.ones((3, 2))
    np.testing.assert_array_equal(tg.vmap(f)(x), [8.0] * 3)
    np.testing.assert_array_equal(x, 1.0)


# --- refusals --------------------------------------------------------------------------------------------------------------

A, B = np.ones(2), np.ones(3)
REFUSALS = {
    "lengths": (lambda: tg.vmap(np.add)(A, B), "has length 3 along its batch axis 0, argument .* has 2 along axis 0.*None in"),
    "lengths in one argument": (lambda: tg.vmap(lambda p: p[0] * p[1])((A, B)), r"argument p\[1\] has length 3"),
    "axis": (lambda: tg.vmap(lambda x, y: x, in_axes=(0, 2))(A, np.ones((2, 3))),
             r"names axis 2 of argument y, which has shape \(2, 3\): it has 2 axes.*-2 … 1"),
    "number": (lambda: tg.vmap(lambda x: x)(1.0), "argument x is a number, which has no axis 0.*None in in_axes"),
    "numbers in a list": (lambda: tg.vmap(lambda x: x[0])([1.0, 2.0]), r"argument x\[0\] is a number"),
    "nothing": (lambda: tg.vmap(lambda x: x, in_axes=None)(A), "nothing to map over"),
    "entries": (lambda: tg.vmap(lambda x, y: x, in_axes=(0,))(A, A), "1 entry for the positional arguments: there are 2"),
    "keys": (lambda: tg.vmap(lambda p: p["a"], in_axes=({"b": 0},))({"a": A}), "the keys 'b' for p, which has 'a'"),
    "tuple for a dict": (lambda: tg.vmap(lambda p: p["a"], in_axes=((0, 0),))({"a": A}), "a tuple for p: a dict"),
    "dict for a tuple": (lambda: tg.vmap(lambda p: p[0], in_axes=({"a": 0},))((A,)), "a dict for p: a tuple"),
    "below a leaf": (lambda: tg.vmap(lambda x: x, in_axes=((0, 1),))(A), r"\(0, 1\) for x, which is one value"),
    "float": (lambda: tg.vmap(lambda x: x, in_axes=0.5)(A), "0.5 for the positional arguments, a float.*write an int"),
    "bool": (lambda: tg.vmap(lambda x: x, in_axes=True)(A), "True for .* a bool"),
    "text": (lambda: tg.vmap(lambda x, y: x, in_axes=("0", 0))(A, A), "'0' for x, a str"),
    "out axis": (lambda: tg.vmap(lambda x: x, out_axes=1)(A), "axis 1 of result, which with the batch has 1 axis.*-1 … 0"),
    "out of each": (lambda: tg.vmap(lambda x: x, out_axes=None)(A), "out_axes is None for result, but each element"),
    "out of none": (lambda: tg.vmap(lambda x, y: (x, y), in_axes=(0, None), out_axes=(0, None))(A[:0], 2.0),
                    r"None for result\[1\], but the batch has no element"),
    "out entries": (lambda: tg.vmap(lambda x: (x, x), out_axes=(0,))(A), "out_axes has 1 entry for result: there are 2"),
    "out keys": (lambda: tg.vmap(lambda x: {"a": x}, out_axes={"b": 0})(A), "out_axes has the keys 'b' for result"),
    "sparse": (lambda: tg.vmap(lambda p: p["a"] @ A)({"a": scipy.sparse.eye(2, format="csr")}),
               r"in_axes has 0 for p\['a'\], a sparse matrix.*None where all"),
    "sparse result": (lambda: tg.vmap(lambda a, x: a, in_axes=(None, 0))(scipy.sparse.eye(2, format="csr"), A),
                      "out_axes has 0 for result, a sparse matrix"),
    "no axes": (lambda: tg.vmap(lambda x: x)(np.array(3.0)), "it has 0 axes.*one axis more"),
    "ragged": (lambda: tg.vmap(lambda x: x[x > 0])(np.ones((2, 3))), "length of result depends on the element.*np.where"),
    "no function": (lambda: tg.vmap(3), "takes a function, got a int"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name):
    call, text = REFUSALS[name]
    with pytest.raises(tg.TracegradError, match=f"(?s){text}"):
        call()


def test_an_int_that_all_elements_share_may_decide_a_shape():
    f = lambda x, n: np.zeros(n).sum() + (x[:n]**2).sum()               # noqa: E731
    x = np.arange(18.0).reshape(2, 9)
    mapped = tg.vmap(f, in_axes=(0, None))
    for n in (2, 3, 4, 1, 5, 0, 2):
        np.testing.assert_allclose(mapped(x, n), [f(row, n) for row in x])
    np.testing.assert_allclose(tg.grad(lambda x, n: mapped(x, n).sum())(x, 3), np.where(np.arange(9) < 3, 2 * x, 0.0))
    np.testing.assert_allclose(tg.vmap(tg.grad(f), in_axes=(0, None))(x, 3), np.where(np.arange(9) < 3, 2 * x, 0.0))
    twice = tg.vmap(mapped, in_axes=(0, None))
    np.testing.assert_allclose(twice(np.stack([x, x]), 4), [mapped(x, 4)] * 2)
