"""One program for many lengths: its results are those of Python and of difference quotients; when it is made, and taken."""
import copy
import logging
import sys

import numpy as np
import pytest
from tracegrad.lowering.build import loop_builder

import tracegrad as tg
from tracegrad.programs import compile, symbolic

LENGTHS = (2, 3, 4, 7, 16, 255, 256, 257)                  # both sides of where programs change; 0 and 1 have their own


def loop(x, y):
    s = 0.0
    for i in range(len(x)):
        s = np.tanh(s + x[i] * y[i])
    return s


def stencil(x, y):
    for i in range(1, len(x) - 1):
        y[i] = 0.5 * (x[i - 1] + x[i + 1]) - x[i] * y[i]
    return np.sum(y**2) + y[-1]


def parts(x, y):
    z = np.concatenate([x[1:] * y[:-1], x[::-1], y[:2]])
    z[1:-1] += z[2:] - z[:-2]
    return np.sum(z * np.arange(z.size)) + np.mean(x) + np.max(y)


def made(x, y):
    out = np.zeros(len(x) + 3)
    out[:len(x)] = x
    out[len(x):] = y[0]
    while out[0] < 4.0:
        out *= 1.5
    return np.sum(np.cumsum(out) * np.std(out))


def products(x, y):
    a = x[:, None] * y + np.eye(len(x))
    return np.sum(np.tanh(a.T @ x) @ a) + np.sum(a.reshape(-1)[::2])


def chosen(x, y):
    big = y[y > 0.4]
    return np.sum(np.sort(x)[len(x) // 2:]) + np.sum(big**2) + np.where(x > y, x, -y).sum() + (len(x) if len(x) > 5 else 1)


PROGRAMS = (loop, stencil, parts, made, products, chosen)


def arguments(n, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed + n)
    return rng.uniform(0.1, 1.0, n).astype(dtype), rng.uniform(0.1, 1.0, n).astype(dtype)


def outcome(f, args):
    try:
        return f(*args), args
    except (ValueError, IndexError, ZeroDivisionError) as error:
        return type(error).__mro__[1:], None


def general(f):
    return [s for s in f.specializations if s.types.endswith(("n", "55", "99"))]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_values_are_those_of_python(program):
    f = tg.jit(program, shapes="symbolic")
    for n in LENGTHS:
        args, own = arguments(n), arguments(n)
        np.testing.assert_allclose(f(*args), program(*own), rtol=1e-11)
        np.testing.assert_array_equal(args[0], own[0])
        np.testing.assert_allclose(args[1], own[1], rtol=1e-13)
    assert f.cache_info().misses == 2                       # below 256, and from there on


@pytest.mark.sweep(3)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_gradients_are_those_of_difference_quotients(program):
    g = tg.value_and_grad(tg.jit(program, shapes="symbolic"), argnums=(0, 1))
    for n in (2, 5, 300):
        x, y = arguments(n)
        v, w = arguments(n, seed=9)
        value, (gx, gy) = g(x, y)
        h = 1e-6
        at = [program(x + s * h * v, y + s * h * w) for s in (1, -1)]
        np.testing.assert_allclose(value, program(*arguments(n)), rtol=1e-11)
        np.testing.assert_allclose(gx @ v + gy @ w, (at[0] - at[1]) / (2 * h), rtol=2e-5, atol=1e-5)
        _, slope = tg.jvp(tg.jit(program, shapes="symbolic"), (x, y), (v, w))
        np.testing.assert_allclose(slope, gx @ v + gy @ w, rtol=1e-9)
    assert g.cache_info().misses == 2


def test_second_order():
    def gradient(x, y):
        return tg.grad(stencil)(x, y)

    second = tg.jit(lambda x, y, v: tg.jvp(gradient, (x, y), (v, v))[1], shapes="symbolic")
    for n in (3, 6, 40):
        x, y = arguments(n)
        v, _ = arguments(n, seed=5)
        h = 1e-6
        expected = (tg.grad(stencil)(x + h * v, y + h * v) - tg.grad(stencil)(x - h * v, y - h * v)) / (2 * h)
        np.testing.assert_allclose(second(x, y, v), expected, rtol=1e-5, atol=1e-7)
    assert second.cache_info().misses == 1


@pytest.mark.parametrize("n", [0, 1])
def test_lengths_of_zero_and_one(n):
    for program in (loop, chosen, made):
        args = arguments(n)
        f = tg.jit(program, shapes="symbolic")
        f(*arguments(4))
        found, expected = outcome(f, copy.deepcopy(args)), outcome(program, args)
        if expected[1] is None:
            assert set(expected[0]) <= {*found[0], IndexError}
        else:
            np.testing.assert_allclose(found[0], expected[0])


@pytest.mark.parametrize("dtype", [np.float32, np.complex128, np.int64])
def test_dtypes_and_layouts(dtype):
    def f(x, y):
        y[1:] += x[:-1]
        return x * 2 + y, (x[::2] * y[::2]).sum()

    g = tg.jit(f, shapes="symbolic")
    before = g.cache_info().misses                           # of other dtypes
    for n in (4, 9, 300):
        wide = (np.arange(4 * n).reshape(n, 4) % 7).astype(dtype)
        args, own = (wide[:, 1], wide[:, 2].copy()), (wide[:, 1].copy(), wide[:, 2].copy())
        for found, expected in zip(g(*args), f(*own)):
            np.testing.assert_allclose(found, expected, rtol=1e-6)
            assert found.dtype == expected.dtype
        np.testing.assert_allclose(args[1], own[1], rtol=1e-6)
    assert g.cache_info().misses == before + 2


def test_after_three_shapes_of_a_pattern():
    f = tg.jit(lambda x, y: loop(x, y))                      # not the one of another test
    for n in range(10, 40):
        f(*arguments(n))
    assert f.cache_info().misses == 4
    newest = f.specializations[-1]                           # behind those of single shapes
    assert (newest.types, newest.origin, newest.hits) == ("x: f64[n], y: f64[n]; 2 <= n <= 255", "symbolic", 27)
    f(*arguments(10))
    assert f.specializations[-1].hits == 27


def test_static_shapes():
    f = tg.jit(loop, shapes="static")
    for n in range(3, 9):
        f(*arguments(n))
    assert f.cache_info().misses == 6
    assert tg.grad(f)(*arguments(3)).shape == (3,)
    with pytest.raises(tg.ArgumentError, match="'static', 'auto', 'symbolic'"):
        tg.jit(loop, shapes="dynamic")


def test_lengths_that_stay_are_numbers():
    f = tg.jit(lambda w, x: np.tanh(w @ x).sum(axis=0))
    for n in range(3, 9):
        w, x = np.ones((4, 3)), np.arange(3.0 * n).reshape(3, n)
        np.testing.assert_allclose(f(w, x), np.tanh(w @ x).sum(axis=0))
    assert f.specializations[-1].types == "w: f64[4, 3], x: f64[3, n]; 2 <= n <= 255"
    np.testing.assert_allclose(f(np.ones((5, 3)), np.ones((3, 7))), 5 * np.tanh(np.full(7, 3.0)))


def test_equal_lengths_and_others():
    """What was equal each time is one length; other calls get their own programs, with NumPy's stretching and errors."""
    f = tg.jit(lambda x, y: x + 2 * y, shapes="symbolic")
    for n, m in ((3, 3), (5, 5), (1, 4), (4, 1), (1, 1), (0, 0), (0, 1), (6, 6)):
        x, y = np.arange(n) * 1.0, np.arange(m) + 1.0
        np.testing.assert_array_equal(f(x, y), x + 2 * y)
    with pytest.raises(ValueError, match="broadcast"):
        f(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="broadcast"):
        f(np.ones(7), np.ones(3))


def test_computed_lengths_of_one_are_stretched():
    f = tg.jit(lambda x, y: x[1:] * y, shapes="symbolic")
    for n, m in ((6, 5), (4, 3), (2, 3), (2, 1), (2, 5), (9, 8)):
        x, y = np.arange(n) + 1.0, np.arange(m) + 2.0
        np.testing.assert_array_equal(f(x, y), x[1:] * y)


def test_checks_on_lengths():
    def halves(x):
        assert len(x) % 2 == 0, f"{len(x)} is odd"
        return x.reshape(2, -1).sum(axis=0)

    f = tg.jit(halves, shapes="symbolic")
    for n in (4, 10, 6):
        np.testing.assert_array_equal(f(np.arange(n) * 1.0), halves(np.arange(n) * 1.0))
    with pytest.raises(AssertionError, match="7 is odd"):
        f(np.ones(7))
    np.testing.assert_array_equal(f(np.ones(12)), np.full(6, 2.0))
    assert len(general(f)) == 1


def test_what_needs_a_number():
    def spread(x):
        first, *others = x
        return first + len(others)

    with pytest.raises(tg.ConcretizationError, match="number of items"):
        tg.jit(spread, shapes="symbolic")(np.ones(3))
    f = tg.jit(spread)
    for n in range(3, 9):
        assert f(np.ones(n)) == n
    assert f.cache_info().misses == 6
    assert "number of items" in tg.explain(f, np.ones(8)).of("lengths")[0].text


def test_an_error_under_a_condition_is_none_for_other_lengths():
    def f(x, c):
        return np.cross(x, x[::-1]) if c > 0 else x

    g = tg.jit(f, shapes="symbolic")
    np.testing.assert_array_equal(g(np.arange(3.0), 1.0), np.cross(np.arange(3.0), np.arange(3.0)[::-1]))


def test_lists_keep_what_they_share_with_names():
    """A list whose length is known knows that its last entry is `y`, too: such programs keep the lengths of their calls."""
    def f(x):
        y, out = np.zeros(3), []
        for i in range(x.size):
            y = y + x[i]
            out.append(y)
        y[0] = 100.0
        return np.stack(out)

    g = tg.jit(f)
    for n in range(17, 24):
        np.testing.assert_array_equal(g(np.arange(n) * 1.0), f(np.arange(n) * 1.0))
    assert not general(g)


def test_captured_arrays_and_integers():
    weights = np.arange(3.0)

    def f(x, k):
        return weights.sum() * x + np.zeros(k).size + k

    g = tg.jit(f)
    for n, k in [(n, k) for k in (2, 3) for n in (4, 5, 6, 7, 8, 9)]:
        np.testing.assert_array_equal(g(np.ones(n), k), f(np.ones(n), k))
    weights[0] = 5.0
    np.testing.assert_array_equal(g(np.ones(11), 2), f(np.ones(11), 2))
    assert len(general(g)) == 2


def test_the_same_array_twice():
    def f(x, y):
        x[1:] += y[:-1]
        return x.sum()

    g = tg.jit(f, shapes="symbolic")
    for n in (4, 5):
        x, y = np.arange(n) * 1.0, np.arange(n) * 1.0
        assert g(x, x) == f(y, y)
        np.testing.assert_array_equal(x, y)


def test_on_disk(tmp_path, caplog):
    def f(x, y):
        return x[1:] * 2, np.sum(x * y), x + y

    with tg.config(cache=str(tmp_path)), caplog.at_level(logging.INFO, "tracegrad.compile"):
        for _ in range(2):
            g = tg.jit(f, shapes="symbolic")
            for n in (4, 300, 9):
                for found, expected in zip(g(*arguments(n)), f(*arguments(n))):
                    np.testing.assert_allclose(found, expected, rtol=1e-12)
            assert g.cache_info().misses == 2
            g.cache_clear()
    assert [s.origin for s in g.specializations] == []
    assert sum("from disk" in r.getMessage() for r in caplog.records) == 2


def summed_from(x):
    s = 0
    for i in range(len(x) - 5):
        s += x[i] * 0.5
    return s


def alternative(x):
    return len(x) if len(x) > 5 else 0.5


def with_data(x):
    s = 0
    if len(x) > 5 and x[0] >= 0:
        s = 1.5
    return s


def halves(x):
    s = 0
    while s < len(x) - 4:
        s += 0.5
    return s


def capped(x):
    return max(len(x), 4.5)


def some_or_none(x):
    return x.max() if len(x) else 0.0


@pytest.mark.sweep(2)
@pytest.mark.parametrize("program", (summed_from, alternative, with_data, halves, capped, some_or_none))
def test_types_that_lengths_decide(program):
    f = tg.jit(program)
    for n in (30, 40, 8, 5, 6, 7, 2, 3, 12):
        x = np.arange(n)
        want, got = program(x), f(x)
        assert got == want
        assert np.asarray(got).dtype == np.asarray(want).dtype


def picked(x):
    total, last, least = 0.0, 0, len(x)
    for k in range(len(x)):
        if 0.5 < x[k] < len(x):
            total += x[k]
        if x[k] > x[k - 1]:
            last, least = x[k], min(least, k)
    return total, last, least


def test_types_that_data_decide_take_no_program_for_each_shape():
    f = tg.jit(picked)
    for n in range(3, 9):
        x = np.sin(np.arange(float(n))) * 4
        assert f(x) == picked(x)
    assert len(f.specializations) < 5


def test_a_length_that_comes_from_a_negative_end():
    def shifted(x):
        return np.sum(x[:len(x) - 3] * x[3:])

    f = tg.jit(shifted, shapes="symbolic")
    for n in (5, 3, 2, 6):                                  # 2: x[:-1] has one element, x[3:] none
        assert f(np.arange(float(n))) == shifted(np.arange(float(n)))


ORDERS = {
    "fortran": lambda x: np.asfortranarray(x.reshape(3, 4)).ravel(order="K"),
    "sum of a transpose": lambda x: (x.reshape(3, 4).T + 1).ravel("K"),
    "array": lambda x: np.array(x.reshape(3, 4).T, order="K").ravel("A"),
    "copy": lambda x: x.reshape(3, 4).T.copy(order="K").flatten("A"),
    "copy in Fortran's order": lambda x: np.copy(x.reshape(3, 4).T, order="F").reshape(-1, order="A"),
    "array in Fortran's order": lambda x: np.array(x.reshape(3, 4).T, order="F").reshape(-1, order="A"),
    "stack": lambda x: np.asfortranarray(np.stack([x, x])).ravel("K"),
    "zeros": lambda x: np.zeros_like(x.reshape(3, 4).T).ravel("K") + x,
    "reshape": lambda x: (x.reshape(3, 4).T * 2).reshape(-1),
    "cast": lambda x: x.reshape(3, 4).T.astype("f4").ravel("K"),
}


@pytest.mark.parametrize("name", ORDERS)
def test_orders_in_memory_that_lengths_decide(name):
    """Right, or refused with the remedy to name the order; where that is, a program of single shapes takes its place."""
    f, x = ORDERS[name], np.arange(12.0)
    for mode in ("static", "auto"):
        np.testing.assert_array_equal(tg.jit(f, shapes=mode)(x), f(x))
    try:
        got = tg.jit(f, shapes="symbolic")(x)
    except tg.UnsupportedError as error:
        assert "name the order" in str(error)
    else:
        np.testing.assert_array_equal(got, f(x))


# --- why there is no program for many lengths ---------------------------------------------------------------------------


def spread(x):
    first, *others = x
    return first + len(others)


def test_the_reason_is_told(caplog):
    f = tg.jit(spread)
    with caplog.at_level(logging.INFO, "tracegrad.compile"):
        for n in range(3, 12):
            f(np.ones(n))
    why = "no program for many lengths: the number of items is known only at run time"
    assert caplog.text.count(why) == symbolic.TRIES
    assert why in f.why_recompiled() and "x is f64[11], was f64[10]" in f.why_recompiled()
    assert tg.explain(f, np.ones(8)).of("lengths")[0].text.startswith(why)
    g = tg.jit(loop)
    for n in range(3, 7):
        g(*arguments(n))
    assert "no program" not in g.why_recompiled()


@pytest.mark.parametrize("broken", ["lower", "emit"])
def test_internal_errors_are_not_passed_over(broken, monkeypatch, caplog):
    """They are raised in tests; else the calls have programs of their own, and the log says where the error was."""
    real = loop_builder.lower

    def lower(f, **options):
        return real(f if not f.attrs.get("lengths") else None, **options)

    def emit(kernel, *args, **options):
        return real_emit(kernel, *args, **options) + ("" if kernel.name == "other" else "\nnonsense")

    real_emit = compile.emit
    if broken == "lower":
        monkeypatch.setattr(loop_builder, "lower", lower)
    else:
        monkeypatch.setattr(compile.specialise, "__defaults__", (*compile.specialise.__defaults__[:-1], emit))
    f = tg.jit(lambda x: x * 3.0, shapes="symbolic")
    with pytest.raises(Exception, match=r"NoneType|nonsense|expected"):
        f(np.ones(4))
    monkeypatch.setattr(symbolic, "RAISE", False)
    if broken == "lower":
        with caplog.at_level(logging.INFO, "tracegrad.compile"):
            np.testing.assert_array_equal(f(np.ones(5)), np.full(5, 3.0))
        assert "an internal error, AttributeError" in caplog.text and "internal error" in f.why_recompiled()


def test_users_errors_are_no_internal_ones():
    def f(x):
        if sys.getsizeof(x.size) > sys.getsizeof(1):                         # one that stands for many
            raise KeyError("sizes")
        return x * 2

    g = tg.jit(f)
    for n in range(3, 9):
        np.testing.assert_array_equal(g(np.ones(n)), np.full(n, 2.0))
    assert "no program for many lengths: 'sizes'" in g.why_recompiled()
