"""Changes of the sampling rate of scipy.signal: zeros between samples, a filter, and every so many of what comes out."""
from __future__ import annotations

from typing import Any

import numpy as np


def upfirdn(h: Any, x: Any, up: int = 1, down: int = 1, axis: int = -1, mode: str = "constant", cval: Any = 0) -> Any:
    """y_k = Σ_j h_(k down - j up) x_j, the convolution with up - 1 zeros after each sample, at every down-th place."""
    if mode != "constant" or cval != 0:
        raise NotImplementedError("scipy.signal.upfirdn with mode= or cval= cannot be compiled: pad the samples")
    h, x, up, down = np.asarray(h), np.asarray(x), int(up), int(down)
    if h.ndim != 1 or h.size == 0:
        raise ValueError("h must be 1-D with non-zero length")
    if up < 1 or down < 1:
        raise ValueError("Both up and down must be >= 1")
    kind = np.result_type(h.dtype, x.dtype, np.float32)
    x = np.moveaxis(x, axis, -1)
    n = x.shape[-1]
    wide = np.zeros((*x.shape[:-1], (n - 1) * up + 1), kind)
    wide[..., ::up] = x
    length = ((n - 1) * up + h.size - 1) // down + 1
    full = np.zeros((*x.shape[:-1], length * down + h.size + wide.shape[-1]), kind)
    for k in range(h.size):
        full[..., k:k + wide.shape[-1]] += wide * h[k]
    return np.moveaxis(full[..., :length * down:down], -1, axis)


POLYPHASE = {"upfirdn": upfirdn}
