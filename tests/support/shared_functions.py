"""Functions that several test files differentiate."""
from __future__ import annotations

import numpy as np


def recurrence(k, x):
    state = 0.0
    for i in range(x.size):
        if x[i] > 0:
            state = np.tanh(state * k + x[i])
    return state
