"""Loops over lists whose items the loop writes."""
import numpy as np
import pytest

import tracegrad as tg


def own(values):
    total = 0.0
    for v in values:
        total += v
        values[-1] = 1.0
    return total, values


def made(values):
    doubled = [v * 2 for v in values]
    total = 0.0
    for k, v in enumerate(doubled):
        total += v * k
        doubled[-1] = 1.0
    return total, doubled


def longer(values):
    total = 0.0
    for v in values:
        if len(values) < 29:
            values.append(v)
        total += v
    return total, values


@pytest.mark.parametrize("f", [own, made, longer])
def test_a_loop_sees_what_it_has_written(f):
    values = [0.5 + k for k in range(26)]
    expected, found = f(list(values)), tg.jit(f)(list(values))
    assert found == expected and type(found[0]) is float


def test_pad_by_a_negative_width_of_run_time():
    padded = tg.jit(lambda x, n: np.pad(x, n))
    for n in (1, 2, 3, 4, 5):
        np.testing.assert_array_equal(padded(np.arange(9.0), n), np.pad(np.arange(9.0), n))
    with pytest.raises(ValueError, match="negative"):
        padded(np.arange(9.0), -3)


def test_the_type_of_a_power_by_an_int_that_decides_a_shape():
    f = tg.jit(lambda n: (2 ** -n, 2 ** n, np.zeros(n)))
    for n in (1, 2, 3, 4, 5, 6):
        assert f(n)[:2] == (2 ** -n, 2 ** n) and f(n)[2].shape == (n,)
