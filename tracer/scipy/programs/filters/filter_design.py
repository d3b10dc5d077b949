"""scipy.signal's filters of infinite response, for cutoff frequencies that only run time knows.

The order, ripple and attenuation say how many poles and zeros there are, so the analogue prototype is SciPy's own, made while
the program is traced. What depends on the frequency is written here: the shift of the prototype to it, and the bilinear
transform (Oppenheim and Schafer, Discrete-Time Signal Processing, chapter 7). Poles come in conjugate pairs, so that the
coefficients of their polynomial are real.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .forms import zpk2sos

_KINDS = {"low": "low", "l": "low", "lp": "low", "lowpass": "low", "high": "high", "h": "high", "hp": "high",
          "highpass": "high", "band": "band", "pass": "band", "bp": "band", "bandpass": "band", "bandstop": "stop",
          "bands": "stop", "stop": "stop", "bs": "stop"}


def _prototype(ftype: str, N: int, rp: Any, rs: Any) -> Any:
    """(zeros, poles, gain) of SciPy's analogue low pass with its corner at 1."""
    from scipy import signal

    if ftype in ("butter", "butterworth"):
        return signal.buttap(N)
    if ftype in ("cheby1", "chebyshev1", "chebyshevi"):
        return signal.cheb1ap(N, rp)
    if ftype in ("cheby2", "chebyshev2", "chebyshevii"):
        return signal.cheb2ap(N, rs)
    if ftype in ("ellip", "elliptic", "cauer"):
        return signal.ellipap(N, rp, rs)
    if ftype in ("bessel", "bessel_phase", "bessel_delay", "bessel_mag"):
        return signal.besselap(N, ftype.removeprefix("bessel_") if "_" in ftype else "phase")
    raise NotImplementedError(f"'{ftype}' is not a valid basic IIR filter.")


def _band(roots: Any, centre: Any, half: Any, stops: bool) -> Any:
    """The roots of a low pass, moved to both sides of a band."""
    near = half / roots if stops else half * roots
    far = np.sqrt(near ** 2 - centre ** 2 + 0j)
    return np.concatenate((near + far, near - far))


def _moved(z: Any, p: Any, k: Any, kind: str, w: Any) -> Any:
    degree = len(p) - len(z)
    if kind == "low":
        return z * w, p * w, k * w ** degree
    ratio = np.real(np.prod(-z) / np.prod(-p))
    if kind == "high":
        return np.concatenate((w / z, np.zeros(degree))), w / p, k * ratio
    low, high = w[0], w[1]
    centre, width = np.sqrt(low * high), high - low
    poles = _band(p, centre, width / 2, kind == "stop")
    zeros = _band(z, centre, width / 2, kind == "stop")
    if kind == "band":
        return np.concatenate((zeros, np.zeros(degree))), poles, k * width ** degree
    ends = np.ones(degree) * centre * 1j
    return np.concatenate((zeros, ends, -ends)), poles, k * ratio


def _bilinear(z: Any, p: Any, k: Any) -> Any:
    gain = np.real(np.prod(4.0 - z) / np.prod(4.0 - p))
    zeros = np.concatenate(((4.0 + z) / (4.0 - z), -np.ones(len(p) - len(z))))
    return zeros, (4.0 + p) / (4.0 - p), k * gain


def _polynomial(roots: Any) -> Any:
    found = np.ones(1)
    for root in roots:
        found = np.convolve(found, np.stack((np.ones(()), -root)))
    return np.real(found)


def iirfilter(N: int, Wn: Any, rp: Any = None, rs: Any = None, btype: str = "band", analog: bool = False,
              ftype: str = "butter", output: str = "ba", fs: Any = None) -> Any:
    kind, output, ftype = _KINDS.get(btype.lower()), output.lower(), ftype.lower()
    if kind is None:
        raise ValueError(f"'{btype}' is an invalid bandtype for filter.")
    if output not in ("ba", "zpk", "sos"):
        raise ValueError(f"'{output}' is not a valid output form.")
    w = np.asarray(Wn).astype(np.float64)
    if fs is not None:
        if analog:
            raise ValueError("fs cannot be specified for an analog filter")
        w = w / (fs / 2)
    if kind in ("low", "high") and w.size != 1:
        raise ValueError("Must specify a single critical frequency Wn for lowpass or highpass filter")
    if kind in ("band", "stop") and w.shape != (2,):
        raise ValueError("Wn must specify start and stop frequencies for bandpass or bandstop filter")
    if np.any(w <= 0):
        raise ValueError("filter critical frequencies must be greater than 0")
    if kind in ("band", "stop") and not w[0] < w[1]:
        raise ValueError("Wn[0] must be less than Wn[1]")
    if not analog and np.any(w >= 1):
        raise ValueError("Digital filter critical frequencies must be 0 < Wn < 1")
    w = w if analog else 4.0 * np.tan(np.pi * w / 2.0)
    z, p, k = _prototype(ftype, N, rp, rs)
    z, p, k = _moved(z, p, k, kind, w.reshape(()) if kind in ("low", "high") else w)
    if not analog:
        z, p, k = _bilinear(z, p, k)
    if output == "sos":
        return zpk2sos(z, p, k, analog=analog)
    return (z, p, k) if output == "zpk" else (k * _polynomial(z), _polynomial(p))


def butter(N: int, Wn: Any, btype: str = "low", analog: bool = False, output: str = "ba", fs: Any = None) -> Any:
    return iirfilter(N, Wn, None, None, btype, analog, "butter", output, fs)


def cheby1(N: int, rp: Any, Wn: Any, btype: str = "low", analog: bool = False, output: str = "ba", fs: Any = None) -> Any:
    return iirfilter(N, Wn, rp, None, btype, analog, "cheby1", output, fs)


def cheby2(N: int, rs: Any, Wn: Any, btype: str = "low", analog: bool = False, output: str = "ba", fs: Any = None) -> Any:
    return iirfilter(N, Wn, None, rs, btype, analog, "cheby2", output, fs)


def ellip(N: int, rp: Any, rs: Any, Wn: Any, btype: str = "low", analog: bool = False, output: str = "ba",
          fs: Any = None) -> Any:
    return iirfilter(N, Wn, rp, rs, btype, analog, "ellip", output, fs)


def bessel(N: int, Wn: Any, btype: str = "low", analog: bool = False, output: str = "ba", norm: str = "phase",
           fs: Any = None) -> Any:
    return iirfilter(N, Wn, None, None, btype, analog, f"bessel_{norm}", output, fs)


DESIGNS = {f.__name__: f for f in (iirfilter, butter, cheby1, cheby2, ellip, bessel)}
