"""Texts of which run time chooses one: printed, raised, measured, searched; and what Python's numbers do beside NumPy's."""
from __future__ import annotations

import enum

import numpy as np
import pytest

import tracegrad as tg

X = np.array([0.5, 1.5, 2.25])


class Mode(enum.IntEnum):
    A = 1
    B = 2


class Half(float, enum.Enum):
    H = 0.5


def outcome(f, args, capsys):
    try:
        found = f(*args)
    except Exception as error:
        found = type(error), error.args
    return found, capsys.readouterr().out


def said(x, t):
    s = "small" if x[0] < t else "not {small}"
    print(s, x[0])
    print([s, x[1]], {"k": s})
    print(f"state {s:>12}! {x[1]:.2f} {s!r}")
    return len(s), f"<{s}>", "mall" in s, "t" in s, f"<{s}>" == "<small>", str(s), s[0]


def raised(x, t):
    s = "small" if x[0] < t else "not {small}"
    raise ValueError(f"{x[0]:.2f} is {s}")


def key(x, t):
    s = "small" if x[0] < t else "not {small}"
    if x[1] > 0:
        raise KeyError(s)
    return 1.0


@pytest.mark.parametrize("f", [said, raised, key])
def test_texts(f, capsys):
    compiled = tg.jit(f)
    for t in (1.0, 0.3):
        assert outcome(compiled, (X, t), capsys) == outcome(f, (X, t), capsys)
        with tg.disable_jit():
            assert outcome(compiled, (X, t), capsys) == outcome(f, (X, t), capsys)


def test_powers_by_a_modulus():
    def powers(a, e, m):
        return pow(a, e, m)

    compiled = tg.jit(powers)
    for args in ((10, 1234, 1000007), (-5, 12, 13), (3, -1, 7), (10, -3, 101), (3, -2, -7), (4, 0, 1), (2, -1, 4), (2, 3, 0),
                 (12345, 7, -97)):
        try:
            want = powers(*args)
        except ValueError as error:
            with pytest.raises(ValueError, match=str(error).replace("(", r"\(").replace(")", r"\)")):
                compiled(*args)
        else:
            assert compiled(*args) == want and type(compiled(*args)) is int


def test_python_complex_beside_numpy_floats():
    """complex.__mul__ takes np.float64, which is a float: the result is Python's, and so is the error."""
    def mixed(z, x):
        return z * x[0], x[0] * z, (z / x[1]).real, (z + x[2]).imag, z - x[2], z ** x[0], z == x[0], (1j * np.float32(2)).imag

    got, want = tg.jit(mixed)(1.0 + 2j, X), mixed(1.0 + 2j, X)
    assert list(map(type, got)) == list(map(type, want)) and np.allclose(got, want)
    with pytest.raises(ZeroDivisionError):
        tg.jit(lambda z, x: z / x[0])(1j, np.zeros(2))
    assert np.isclose(tg.grad(lambda x: (2j * x[0] * x[1]).imag)(X)[0], 3.0)


def test_members_of_enumerations_of_numbers():
    def counted(x, k):
        return k == Mode.B, k == Mode.B, k + Mode.A, Mode.B * k, x[0] * Half.H, k < Mode.B, x * Mode.B

    got, want = tg.jit(counted)(X, 2), counted(X, 2)
    assert got[:6] == want[:6] and list(map(type, got)) == list(map(type, want)) and np.array_equal(got[6], want[6])


def formats(x):
    named, listed = "{x:.3f} {0[1]} {y.real}", "{} {a}"
    return (named.format([1, x], x=x, y=x), "{:>{w}.{p}f}".format(x, w=9, p=2), "{1:0.{0}f}".format(3, x),
            "{:{}.{}f}|{}".format(x, 8, 2, x), f"{[x, 1]} {(x,)!r} {({'a': x})!s}", listed.format([x], a=(x, 2)))


def test_str_format_and_texts_of_containers():
    assert tg.jit(formats)(1.23456) == formats(1.23456)


def quoted(x):
    said = f"x={x}"
    one, two = "%s %r", "%4s|%s"
    return f"{[said, x]}", one % ([x, (x,)], {"a": said}), two % ((1,), [[x]])


def test_texts_in_containers_are_quoted_and_containers_in_percent_formats_shown():
    assert tg.jit(quoted)(1.5) == quoted(1.5)
    with pytest.raises(tg.ConcretizationError):                          # its quotes would be other ones
        tg.jit(lambda x: f"{['it is ' + chr(39) + str(x)]}")(1.5)
