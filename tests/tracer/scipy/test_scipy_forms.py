"""Sections, zeros and state spaces of scipy.signal's filters in compiled code: SciPy's values and dtypes, derivatives."""
import numpy as np
import pytest
import scipy.signal as sg

import tracegrad as tg

RNG = np.random.default_rng(0)
B, A = sg.ellip(3, 1, 30, 0.3)
M = RNG.standard_normal((4, 4))
Z, P = np.array([-1, -0.5 - 0.5j, -0.5 + 0.5j]), np.array([0.75, 0.8 + 0.1j, 0.8 - 0.1j])


def pairs(r, angle, real=()):
    """Zeros that stay in conjugate pairs whatever the numbers are."""
    turn = np.exp(1j * angle)
    return np.concatenate([np.atleast_1d(part) + 0j for part in (r * turn, r * np.conj(turn), *real)])


# name -> (function, its arguments)
CASES = {
    **{f"{ftype} sos": (lambda w, f=f: f(w), (0.3,)) for ftype, f in {
        "butter": lambda w: sg.butter(4, w, output="sos"), "odd": lambda w: sg.butter(3, w, "high", output="sos"),
        "ellip": lambda w: sg.ellip(5, 1, 40, w, output="sos"), "analog": lambda w: sg.butter(3, w, analog=True, output="sos"),
    }.items()},
    "band sos": (lambda w: sg.butter(2, w, "band", output="sos"), (np.array([0.2, 0.5]),)),
    **{f"zpk2sos {how}": (lambda r, t, k, how=how: sg.zpk2sos(
        pairs(r, t, (-1 + 0 * r,)), pairs(0.8 * r, 0.3 * t, (r * 0.7,)), k, pairing=how), (0.9, 1.3, 2.0))
       for how in ("nearest", "keep_odd", "minimal")},
    "zpk2sos more poles": (lambda r: sg.zpk2sos([-1.0], pairs(r, 0.4, (0.2, 0.3 * r)), 1.0), (0.8,)),
    "zpk2sos no zeros": (lambda r: sg.zpk2sos([], pairs(r, 0.4, (0.2,)), 1.0, pairing="minimal"), (0.8,)),
    "tf2sos": (lambda b, a: sg.tf2sos(b, a), (B, A)),
    "tf2zpk": (lambda b, a: tuple(x + 0j for x in sg.tf2zpk(b, a)), (B, 2 * A)),
    "sos2zpk": (lambda s: sg.sos2zpk(s), (sg.ellip(4, 1, 30, 0.3, output="sos"),)),
    "tf2ss": (lambda b, a: sg.tf2ss(b, a), (B, 2 * A)), "tf2ss short": (lambda b, a: sg.tf2ss(b[:2], a), (B, A)),
    "tf2ss zeros first": (lambda b, a: sg.tf2ss(b * [0.0, 0.0, 1.0, 1.0][-len(b):], a[:len(b) - 1]), (B, A)),
    "tf2sos of a double zero": (lambda a: sg.tf2sos([1.0, 2.0, 1.0], a), (np.array([1.0, -0.5, 0.3]),)),
    "ss2tf": (lambda a: sg.ss2tf(a, a[:, :2], a[:2], np.ones((2, 2)), input=1), (M,)),
    "zpk2tf": (lambda r, k: tuple(x.real for x in sg.zpk2tf([1.0], pairs(r, 0.7), k)), (0.8, 1.2)),
}


def each(found):
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.sweep(6)
@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    f, args = CASES[name]
    for found, right in zip(each(tg.jit(f)(*args)), each(f(*args)), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-11)
        assert np.asarray(found).dtype == np.asarray(right).dtype and np.shape(found) == np.shape(right)

    def loss(*args):
        return sum(np.sum(np.reshape(1 + 0.1 * np.arange(np.size(x)), np.shape(x)) * np.real(x)) for x in each(f(*args)))

    tg.check_grads(loss, args, order=1)


def test_zeros_in_pairs_make_real_polynomials():
    for f in (lambda z: sg.zpk2tf(z, [0.5], 2.0)[0], lambda z: np.poly(z)):
        for z in (Z, Z * 1j):
            found, right = tg.jit(f)(z), f(z)
            assert found.dtype == right.dtype
            np.testing.assert_allclose(found, right, rtol=1e-12)


def test_sections_that_are_no_filters():
    for z in (np.array([1j, 0.5]), np.array([1j, -1j, 2j])):
        with pytest.raises(ValueError, match="no matching"):
            tg.jit(lambda z: sg.zpk2sos(z, P, 1.0))(z)
    with pytest.raises(ValueError, match="pairing must be"):
        tg.jit(lambda z: sg.zpk2sos(z, P, 1.0, pairing="best"))(Z)
    with pytest.raises(ValueError, match="not a valid output"):
        tg.jit(lambda w: sg.butter(2, w, output="tf"))(0.3)
    odd = np.array([[0.0, 1, 2, 1, 0, 0.5], [1, 2, 0, 1, -0.5, 0.2], [0, 0, 3, 1, 0, 0]])
    for found, right in zip(tg.jit(sg.sos2zpk)(odd), sg.sos2zpk(odd)):
        np.testing.assert_allclose(found, right, rtol=1e-12)
