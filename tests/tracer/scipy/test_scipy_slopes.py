"""Lines through medians of slopes and ranks of numbers in scipy.stats: ties, samples without a slope, NaN."""
import numpy as np
import pytest
import scipy.stats as ss

import tracegrad as tg

Y = np.random.default_rng(8).standard_normal(9)
X, PAIRS = np.arange(9.0) ** 1.5, np.arange(9) // 2

CASES = {
    "theilslopes": lambda y: ss.theilslopes(y), "theilslopes x": lambda y: ss.theilslopes(y, X, 0.9),
    "theilslopes joint": lambda y: ss.theilslopes(y, PAIRS[:y.size], method="joint"),
    "theilslopes no slope": lambda y: ss.theilslopes(y, np.ones(y.size)),
    "siegelslopes": lambda y: ss.siegelslopes(y), "siegelslopes separate": lambda y: ss.siegelslopes(y, PAIRS, "separate"),
    "percentileofscore": lambda y: (ss.percentileofscore(y, 0.3),),
    "percentileofscore mean": lambda y: (ss.percentileofscore(y, [[0.0, 1.0, np.nan]], "mean"),),
    "percentileofscore strict": lambda y: (ss.percentileofscore(y, y, kind="strict"), ss.percentileofscore(y, y, "weak")),
    "percentileofscore of none": lambda y: (ss.percentileofscore(y[:0], 1.0),),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_values_and_derivatives(name):
    f = CASES[name]
    for y in (Y, np.round(Y), np.where(Y[3] == Y, np.nan, Y)):
        for found, right in zip(tg.jit(f)(y), f(y), strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-12)
            assert np.shape(found) == np.shape(right) and np.asarray(found).dtype == np.asarray(right).dtype
    assert type(tg.jit(f)(Y)) is type(f(Y))
    tg.check_grads(lambda y: sum(np.sum(np.nan_to_num(v)) for v in f(y)), (Y,), order=1)


def test_what_is_refused():
    with pytest.raises(NotImplementedError, match="theilslopes with axis="):
        tg.jit(lambda y: ss.theilslopes(y, axis=0))(Y)
    with pytest.raises(ValueError, match="incompatible"):
        tg.jit(lambda y: ss.siegelslopes(y, X[:4]))(Y)
    with pytest.raises(ValueError, match="'rank', 'strict', 'weak' or 'mean'"):
        tg.jit(lambda y: ss.percentileofscore(y, 1.0, kind="best"))(Y)
