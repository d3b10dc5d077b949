"""What exceptions of run time hold: arguments and attributes as Python's, seen by handlers and by the caller."""
import numpy as np
import pytest

import tracegrad as tg

XS = [np.array(x) for x in ([1.0, 2.0, 3.0], [-1.0, 2.0, 3.0], [-1.0, -2.0, -3.0])]


class Detailed(Exception):
    def __init__(self, a, b):
        super().__init__(f"detailed {a}")
        self.a, self.b = a, b


class Shown(ValueError):
    def __init__(self, **given):
        self.given = given["x"]

    def __str__(self):
        return f"<{self.given}>"


def of_its_own(x):
    if x[0] > 0:
        raise Detailed(x[0], 4)
    return x.sum()


def several(x):
    if x[0] > 0:
        raise ValueError("a {0}", x[0], 3, None)
    return x.sum()


def keys(x):
    if x[0] > 0:
        raise KeyError(7)
    if x[1] > 0:
        raise KeyError(int(x[1]))
    return x.sum()


def shown(x):
    if x[0] > 0:
        raise Shown(x=float(x[1]))
    return x.sum()


def many_numbers(x):
    a, b, c, d, e, f, g = [float(v) * k for k, v in enumerate(list(x) * 3)][:7]
    if x[0] > 0:
        raise KeyError(f"{a} {b} {c} {d} {e} {f} {g}")
    return x.sum()


def nothing(x):
    if x[0] > 0:
        raise RuntimeError
    return x.sum()


def of_a_file(x):
    if x[0] > 0:
        raise OSError(2, "no such", "file")
    return x.sum()


def handled(x):
    try:
        if x[0] > 0:
            raise Detailed(x[0], 4)
        if x[1] > 0:
            raise ValueError("u", x[1], 5, x[2])
    except Detailed as e:
        return e.a * e.b
    except ValueError as e:
        return e.args[1] * e.args[2] + e.args[3]
    return x.sum()


def changed(x):
    try:
        if x[0] > 0:
            raise Detailed(x[0], 4)
        if x[1] > 0:
            raise ValueError("u", x[1], 5, x[2])
    except (Detailed, ValueError) as e:
        if isinstance(e, Detailed):
            raise RuntimeError(e.a, "q") from None
        raise
    return x.sum()


def another_first(x):
    if x[1] > 0:
        raise Detailed(x[1], 1)
    if len(x) == 3:
        raise IndexError("three")
    return x.sum()


def an_array(x):
    if np.any(x > 0):
        raise ValueError(f"bad: {x!r}, first {x[0]:.2f}, those {x[x > 0]} {{}}")
    return x.sum()


def asserted(x):
    assert np.all(x < 0), f"got {x[:2]} of {x.shape}"
    return x.sum()


def a_row(x):
    total = 0.0
    for k in range(x.shape[0]):
        if x[k] > 0:
            raise KeyError(f"{k}: {np.append(x, total)}")
        total += x[k]
    return total


def a_list_of_run_time(x):
    found = []
    for v in x:
        if v > 0:
            found.append(v)
    if len(found) > 1:
        raise Detailed(f"many: {found}", x[0])
    return x.sum()


def said_again(x):
    try:
        return an_array(x)
    except ValueError as error:
        raise IndexError(f"again: {error}") from error


def outcome(run, x):
    try:
        return run(x)
    except Exception as e:
        return type(e), e.args, {k: v for k, v in vars(e).items() if k != "__notes__"}, str(e)


@pytest.mark.parametrize("fn", [of_its_own, several, keys, shown, many_numbers, nothing, of_a_file, handled, changed,
                                another_first, an_array, a_row, a_list_of_run_time, said_again],
                         ids=lambda f: f.__name__)
def test_exceptions_hold_what_they_hold_in_python(fn):
    compiled = tg.jit(fn)
    for x in XS:
        want = outcome(fn, x)
        np.testing.assert_equal(outcome(compiled, x), want)
        np.testing.assert_equal(outcome(compiled.interpret, x), want)


def test_large_arrays_derivatives_and_batches():
    x = np.linspace(-1.0, 1.0, 3000)
    batched = tg.vmap(an_array)
    for run in (tg.jit(an_array), tg.grad(an_array), tg.hessian(an_array), lambda x: batched(np.stack([-1 - x * x, x]))):
        with pytest.raises(ValueError, match="bad") as error:
            run(x)
        assert str(error.value) == f"bad: {x!r}, first {x[0]:.2f}, those {x[x > 0]} {{}}"
    assert np.array_equal(tg.grad(an_array)(-x - 2), np.ones(3000))
    with pytest.raises(AssertionError, match=r"got \[-1\.  +-0\.9\d+\] of \(3000,\)"):
        tg.jit(asserted)(x)


def test_values_in_exceptions_have_derivatives():
    np.testing.assert_allclose(tg.grad(handled)(XS[0]), [4, 0, 0])
    np.testing.assert_allclose(tg.grad(handled)(XS[1]), [0, 5, 1])
    tg.check_grads(handled, (XS[1],))


@pytest.mark.parametrize("ask", [lambda s: s == "0.5", lambda s: "5" in s, lambda s: s.startswith("0"),
                                 lambda s: s in ("0.5", "a"), lambda s: {"0.5": True}[s], lambda s: s != "", lambda s: s < "1"])
def test_texts_of_run_time_are_not_compared(ask):
    with pytest.raises(tg.ConcretizationError, match="a text with traced values"):
        tg.jit(lambda x: x[0] if ask(f"{x[0]}") else x[1])(XS[0])
