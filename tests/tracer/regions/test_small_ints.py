"""What a loop or branch leaves where a Python int meets NumPy's small ones: a type that holds both."""
import numpy as np
import pytest

import tracegrad as tg


def least(x):
    found, place = 10**9, -1
    for i in range(len(x)):
        if x[i] < found:
            found, place = x[i], i
    return found, place


def greatest(x):
    found = -1
    for v in x:
        if v > found:
            found = v
    return found


def bounded(x):
    found = 200
    for v in x:
        found = min(found, v)
    return found


def either(x):
    return x[0] if x[1] > 9 else 1000


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint64])
@pytest.mark.parametrize("program", [least, greatest, bounded, either])
def test_the_int_is_not_wrapped(program, dtype):
    for x in (np.array([7, 5, 3, 1, 4], dtype), np.array([2, 11], dtype)):
        assert np.array_equal(tg.jit(program)(x), program(x))
        if (program, dtype) == (greatest, np.uint64):             # no type of 64 bits holds -1 and all of these
            with pytest.raises(tg.UnsupportedError, match="does not settle"):
                tg.jit(program, shapes="symbolic")(x)
        else:
            assert np.array_equal(tg.jit(program, shapes="symbolic")(x), program(x))


def test_one_that_fits_takes_the_type_of_the_array():
    assert tg.jit(greatest)(np.array([3, 7], np.int8)).dtype == np.int8
