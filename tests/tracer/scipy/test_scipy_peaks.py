"""scipy.signal's peaks: SciPy's positions and properties for every condition, also where there are none; derivatives."""
import numpy as np
import pytest
import scipy.signal as sg

import tracegrad as tg

X = np.random.default_rng(2).standard_normal(40)
X[5:8] = 3.0                                       # a peak of three equal elements
CONDITIONS = {
    "none": {}, "height": {"height": 0.5}, "heights": {"height": X * 0.5}, "never": {"height": 100.0},
    "threshold": {"threshold": (0.1, 2.0)}, "distance": {"distance": 4}, "plateau": {"plateau_size": (1, 2)},
    "all": {"width": 1, "prominence": (0.3, 3.0), "wlen": 9, "distance": 3, "height": -1.0},
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", CONDITIONS)
def test_positions_and_properties(name):
    options = CONDITIONS[name]
    compiled = tg.jit(lambda x: sg.find_peaks(x, **options))
    found, right = (compiled.interpret if name == "all" else compiled)(X), sg.find_peaks(X, **options)
    np.testing.assert_array_equal(found[0], right[0])
    assert found[1].keys() == right[1].keys()
    for key, values in right[1].items():
        np.testing.assert_allclose(found[1][key], values, rtol=1e-12)
        assert found[1][key].dtype == values.dtype


@pytest.mark.parametrize("x", [np.zeros(0), np.ones(1), np.array([0.0, 1.0, 0.0]), np.array([1, 5, 5, 2, 7, 1])])
def test_few_elements(x):
    found, right = tg.jit(lambda x: sg.find_peaks(x, prominence=0.1)).interpret(x), sg.find_peaks(x, prominence=0.1)
    np.testing.assert_equal(found, right)


@pytest.mark.sweep(2, days=True)
def test_prominences_and_widths_of_given_peaks():
    peaks = sg.find_peaks(X)[0]
    for part in (lambda x: sg.peak_prominences(x, peaks, 7), lambda x: sg.peak_widths(x, peaks, 0.4)):
        for found, right in zip(tg.jit(part)(X), part(X)):
            np.testing.assert_allclose(found, right, rtol=1e-12)
    x = X[9:25]
    peaks = sg.find_peaks(x)[0]

    def total(x):
        return np.sum(sg.peak_prominences(x, peaks)[0] ** 2) + np.sum(sg.peak_widths(x, peaks)[0] ** 2)

    steps = 1e-6 * np.eye(x.size)
    np.testing.assert_allclose(tg.grad(total)(x), [(total(x + h) - total(x - h)) / 2e-6 for h in steps], rtol=1e-6, atol=1e-7)


def test_errors():
    for x, options in ((X.reshape(8, 5), {}), (X, {"distance": 0.5})):
        with pytest.raises(ValueError, match=r"`x` must be|`distance` must be"):
            tg.jit(lambda x, options=options: sg.find_peaks(x, **options))(x)
