"""Arguments that are nearly arrays: subclasses that behave in their own way, and what pandas finds by labels."""
import numpy as np
import pytest

import tracegrad as tg


class Metres(np.ndarray):
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return NotImplemented


class Shifted(np.ndarray):
    def __getitem__(self, k):
        return super().__getitem__(k - 1)


class Named(np.ndarray):
    name = "plain"


class RangeIndex:
    start, step = 0, 1


class Labels:
    pass


class Series:
    def __init__(self, index):
        self.index = index

    def __array__(self, dtype=None, copy=None):
        return np.arange(3.0)


class DataFrame(Series):
    pass


for kind in (Series, DataFrame):
    kind.__module__ = "pandas.core.frame"


@pytest.mark.parametrize("x, said", [
    (np.ones(3).view(Metres), "argument x is a Metres, an array with a __array_ufunc__ of its own"),
    (np.ones(3).view(Shifted), "argument x is a Shifted, an array with a __getitem__ of its own"),
    (Series(Labels()), "argument x is a pandas Series, whose elements are found by their labels"),
    (DataFrame(RangeIndex()), "argument x is a pandas DataFrame, whose elements are found by their labels"),
], ids=["ufuncs", "subscripts", "labels", "frame"])
def test_refused_by_name(x, said):
    for run in (tg.jit(lambda x: x * 2), tg.grad(lambda x: np.sum(x))):
        with pytest.raises(tg.TracegradError) as caught:
            run(x)
        assert said in str(caught.value) and ("np.asarray(x)" in str(caught.value) or ".to_numpy()" in str(caught.value))


def test_taken_as_arrays(tmp_path):
    mapped = np.memmap(tmp_path / "numbers", dtype=float, mode="w+", shape=3)
    mapped[:] = 2.0
    for x in (np.full(3, 2.0).view(Named), mapped):
        np.testing.assert_array_equal(tg.jit(lambda x: x * 2)(x), [4.0] * 3)
    np.testing.assert_array_equal(tg.jit(lambda x: x * 2)(Series(RangeIndex())), [0.0, 2.0, 4.0])
