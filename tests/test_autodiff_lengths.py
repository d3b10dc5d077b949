"""Derivatives of functions whose results have a length that only the run knows."""
import numpy as np
import pytest

import tracegrad as tg


def positive_squares(x):
    return x[x > 0] ** 2


def positives(x):
    return x[x > 0]


X, Y = np.array([1.0, -2.0, 3.0]), np.array([1.0, 2.0, 3.0, -1.0])


def test_pullback_takes_the_length_that_was_found():
    out, pull = tg.vjp(positive_squares, X)
    np.testing.assert_array_equal(out, [1, 9])
    np.testing.assert_array_equal(pull(np.array([1.0, 10.0]))[0], [2, 0, 60])
    _, longer = tg.vjp(positive_squares, Y)
    np.testing.assert_array_equal(longer(np.ones(3))[0], [2, 4, 6, 0])
    np.testing.assert_array_equal(pull(np.ones(2))[0], [2, 0, 6])      # the first is as it was
    np.testing.assert_array_equal(tg.vjp(positives, X)[1](np.array([5.0, 6.0]))[0], [5, 0, 6])


@pytest.mark.parametrize("f", [positive_squares, positives])
def test_wrong_length_of_a_cotangent(f):
    _, pull = tg.vjp(f, X)
    with pytest.raises(ValueError, match=r"shape \(3,\), the primal \(2,\)"):
        pull(np.ones(3))


def test_forward_and_linear_part():
    _, slope = tg.jvp(positive_squares, (X,), (np.ones(3),))
    np.testing.assert_array_equal(slope, [2, 6])
    np.testing.assert_array_equal(tg.linearize(positive_squares, X)[1](np.ones(3)), [2, 6])
