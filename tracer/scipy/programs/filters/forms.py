"""Forms of one filter in scipy.signal: sections of second order from zeros and poles, state space from coefficients and back.

Which roots share a section is decided at run time, in SciPy's order (its documentation of zpk2sos): sections are filled from
the last on, each with the pole that is worst among those left, and the zeros nearest to it. Roots stay at their places; what
is used up is marked.
"""
from __future__ import annotations

from typing import Any

import numpy as np

_TOLERANCE = 100 * np.finfo(np.float64).eps


def _roots(x: Any) -> Any:
    x = x if hasattr(x, "astype") else np.asarray(x)
    return np.atleast_1d(x.astype(np.complex128))


def _halves(z: Any) -> tuple[Any, Any, Any]:
    """(roots, which are real, which count): of conjugate pairs the upper one counts and stands first, real ones come after."""
    z = z[np.lexsort((np.abs(z.imag), z.real))]
    real = np.abs(z.imag) <= _TOLERANCE * np.abs(z)
    upper, lower = ~real & (z.imag > 0), ~real & (z.imag < 0)
    apart = np.where(lower, np.abs(z - np.conj(z)[:, None]), np.inf)
    partner = np.argmin(apart, axis=1)
    near = np.min(apart, axis=1) <= _TOLERANCE * np.abs(z)
    if np.sum(upper) != np.sum(lower) or not np.all(near | ~upper):
        raise ValueError("Array contains complex value with no matching conjugate.")
    z = np.where(real, z.real + 0j, (z + np.conj(z[partner])) / 2)
    order = np.argsort(np.where(upper, 0, np.where(real, 1, 2)), kind="stable")
    return z[order], real[order], (upper | real)[order]


def _best(cost: Any, among: Any) -> Any:
    return np.argmin(np.where(among, cost, np.inf))


def _coefficients(first: Any, second: Any, count: Any) -> Any:
    """Of (x - first)(x - second), of x - first, or 1: as many roots as there are, at the end of three places."""
    one = np.ones(())
    two = np.stack((one, -np.real(first + second), np.real(first * second)))
    single = np.stack((one * 0.0, one, -np.real(first)))
    return np.where(count == 2, two, np.where(count == 1, single, np.array([0.0, 0.0, 1.0])))


def zpk2sos(z: Any, p: Any, k: Any, pairing: Any = None, *, analog: bool = False) -> Any:
    pairing = ("minimal" if analog else "nearest") if pairing is None else pairing
    if pairing not in ("nearest", "keep_odd", "minimal"):
        raise ValueError(f"pairing must be one of ['nearest', 'keep_odd', 'minimal'], not {pairing}")
    if analog and pairing != "minimal":
        raise ValueError('for analog zpk2sos conversion, pairing must be "minimal"')
    z, p, k = _roots(z), _roots(p), np.asarray(k)
    if np.iscomplexobj(k):
        if np.imag(k) != 0:
            raise ValueError("k must be real")
        k = np.real(k)
    minimal, n, m = pairing == "minimal", p.shape[0], z.shape[0]
    if n == 0 and m == 0:
        blank = np.array([[0.0, 0.0, 1.0, 0.0, 0.0, 1.0]]) if analog else np.array([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
        return np.concatenate((blank[:, :3] * k, blank[:, 3:]), axis=1)
    if minimal and n < m:
        raise ValueError("for analog zpk2sos conversion, must have len(p)>=len(z)")
    length = n if minimal else max(n, m) + (max(n, m) % 2 if pairing == "nearest" else 0)
    p = np.concatenate((p, np.zeros(length - n)))
    z = np.concatenate((z, np.zeros((m if minimal else length) - m)))
    return _sections(_halves(z) if z.shape[0] else None, _halves(p), k, (length + 1) // 2, minimal, analog)


def _sections(zeros: Any, poles: Any, k: Any, count: Any, minimal: bool, analog: bool) -> Any:
    p, real_p, left_p = poles
    z, real_z, left_z = zeros if zeros is not None else (np.zeros(1, np.complex128), np.zeros(1, bool), np.zeros(1, bool))
    worst = np.abs(np.real(p)) if analog else np.abs(1 - np.abs(p))
    at_p, at_z = np.arange(p.shape[0]), np.arange(z.shape[0])
    sos = np.zeros((count, 6))
    for s in range(count):
        i = _best(worst, left_p)
        first, single = p[i], real_p[i]
        others = left_p & (at_p != i)
        alone = single & ~np.any(others & real_p)
        last = (np.sum(left_p) == np.sum(left_z)) & ~single & (np.sum(others & real_p) == 1) & (np.sum(left_z & real_z) == 1)
        j = _best(worst, others & real_p)
        second = np.where(alone, 0.0, np.where(single, p[j], np.conj(first)))
        left_p = others & ((at_p != j) | ~single | alone)
        near = np.abs(z - first)
        among = left_z & np.where(alone, real_z, np.where(last, ~real_z, True))
        i = _best(near, among)
        some, zero, single = np.any(among), z[i], real_z[i]
        rest = left_z & ((at_z != i) | ~some)
        j = _best(near, rest & real_z)
        more = ~alone & single & np.any(rest & real_z)
        other = np.where(single, np.where(more, z[j], 0.0), np.conj(zero))
        left_z = rest & ((at_z != j) | ~more)
        one = minimal & alone
        number = np.where(~some, 0, np.where(one | (minimal & single & ~more), 1, 2))
        sos[count - 1 - s] = np.concatenate((_coefficients(zero, other, number), _coefficients(first, second, 2 - one * 1)))
    sos[0, :3] *= k
    return sos


_NOTHING = 1e-14                     # what SciPy's normalize takes for 0 among the first coefficients of a numerator


def _normalised(b: Any, a: Any, name: str) -> tuple[Any, Any]:
    """Over the first coefficient of the denominator; of the numerator, what is to be left out is 0."""
    b, a = np.atleast_1d(np.asarray(b)), np.atleast_1d(np.asarray(a))
    if a.ndim != 1:
        raise ValueError("Denominator polynomial must be rank-1 array.")
    if b.ndim > 2:
        raise ValueError("Numerator polynomial must be rank-1 or rank-2 array.")
    if a[0] == 0:
        raise NotImplementedError(f"scipy.signal.{name} of a denominator that begins with 0 cannot be compiled: leave it out")
    b, a = b / a[0], a / a[0]
    large = np.abs(b) > _NOTHING if b.ndim == 1 else np.max(np.abs(b), axis=0) > _NOTHING
    return np.where(np.cumsum(large) > 0, b, np.zeros((), b.dtype)), a


def tf2zpk(b: Any, a: Any) -> Any:
    monic, a = _normalised(b, a, "tf2zpk")
    if monic.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    zeros = np.roots(np.where(np.cumsum(monic != 0) > 0, b, 0))       # the scale has no part in them, nor in their derivatives
    return zeros, np.roots(a), monic[np.argmax(monic != 0)]


def _pair(a: Any, b: Any, c: Any) -> Any:
    """The roots of a x^2 + b x + c, for each section; of a missing one SciPy keeps 0, at the end."""
    top = np.where(a == 0, 1.0, a)
    rows = np.stack((-b / top, -c / top), axis=-1), np.stack((np.ones_like(a), np.zeros_like(a)), axis=-1)
    matrices = np.stack(rows, axis=-2)
    single = (c == 0) | (a == 0)
    plain = np.where(single[:, None, None], np.diag(np.array([2.0, 1.0])), matrices)
    both = np.linalg.eigvals(plain).astype(np.complex128)
    slope = np.where(b == 0, 1.0, b)
    one = np.where(a == 0, np.where(b == 0, 0.0, -c / slope), -b / top) + 0j
    return np.where(single[:, None], np.stack((one, one * 0.0), axis=-1), both).reshape(-1)


def sos2zpk(sos: Any) -> Any:
    sos = np.asarray(sos)
    sos = sos if np.issubdtype(sos.dtype, np.inexact) else sos.astype(np.float64)
    if np.any(sos[:, 3] == 0):
        raise NotImplementedError("scipy.signal.sos2zpk of a denominator that begins with 0 cannot be compiled")
    sos = sos / sos[:, 3:4]
    b = sos[:, :3]
    gain = np.where(b[:, 0] != 0, b[:, 0], np.where(b[:, 1] != 0, b[:, 1], b[:, 2]))
    return _pair(b[:, 0], b[:, 1], b[:, 2]), _pair(sos[:, 3], sos[:, 4], sos[:, 5]), np.prod(gain)


def tf2ss(num: Any, den: Any) -> Any:
    """The controller's canonical form."""
    num, den = _normalised(num, den, "tf2ss")
    num = num if num.ndim == 2 else num[None, :]
    m, n = num.shape[1], den.shape[0]
    if m > n:
        if np.any(num[:, :m - n] != 0):
            raise ValueError("Improper transfer function. `num` is longer than `den`.")
        num = num[:, m - n:]
    else:
        num = np.concatenate((np.zeros((num.shape[0], n - m), num.dtype), num), axis=1)
    d = num[:, :1]
    if n == 1:
        return np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((num.shape[0], 1)), d
    a = np.concatenate((-den[None, 1:], np.eye(n - 2, n - 1)), axis=0)
    return a, np.eye(n - 1, 1), num[:, 1:] - num[:, :1] * den[1:], d


def tf2sos(b: Any, a: Any, pairing: Any = None, *, analog: bool = False) -> Any:
    z, p, k = tf2zpk(b, a)
    return zpk2sos(z, p, k, pairing, analog=analog)


def ss2tf(A: Any, B: Any, C: Any, D: Any, input: int = 0) -> Any:
    """det(s I - A + B C) = det(s I - A) (1 + C (s I - A)^-1 B), for each output."""
    from scipy import signal

    a, b, c, d = signal.abcd_normalize(A, B, C, D)
    if input >= d.shape[1]:
        raise ValueError("System does not have the input specified.")
    b, d = b[:, input:input + 1], d[:, input:input + 1]
    den = np.poly(a)
    rows = [np.poly(a - b @ c[k:k + 1]) + (d[k] - 1) * den for k in range(d.shape[0])]
    return np.stack(rows), den


FORMS = {f.__name__: f for f in (zpk2sos, tf2zpk, tf2sos, sos2zpk, tf2ss, ss2tf)}
