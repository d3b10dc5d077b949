"""Functions of scipy.special that are SciPy's routines: values bit by bit, dtypes and broadcasting, derivatives of either mode
against differences of mpmath's or SciPy's values."""
import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp
from tracegrad.ir.errors import UnsupportedError

import tracegrad as tg

RNG = np.random.default_rng(3)
SHAPE, ABOVE, BELOW, INSIDE, ANY = (0.4, 3.0), (0.3, 4.0), (-4.0, -0.8), (0.1, 0.9), (-2.0, 2.0)
WHOLE = "whole"            # an integer operand, which has no derivative
STEP = "step"              # a float operand in which the function is constant but for steps
REFUSED = "refused"        # an operand by which no derivative is known

# name -> what its operands are: an interval, or one of the words
TABLE = {
    "gammainc": (SHAPE, ABOVE), "gammaincc": (SHAPE, ABOVE), "gammaincinv": (SHAPE, INSIDE), "gammainccinv": (SHAPE, INSIDE),
    "betainc": (SHAPE, SHAPE, INSIDE), "betaincc": (SHAPE, SHAPE, INSIDE), "betaincinv": (SHAPE, SHAPE, INSIDE),
    "betainccinv": (SHAPE, SHAPE, INSIDE), "stdtr": (SHAPE, ANY), "stdtrit": (SHAPE, INSIDE), "chdtr": (SHAPE, ABOVE),
    "chdtrc": (SHAPE, ABOVE), "chdtri": (SHAPE, INSIDE), "gdtr": (ABOVE, SHAPE, ABOVE), "gdtrc": (ABOVE, SHAPE, ABOVE),
    "pdtr": (STEP, ABOVE), "pdtrc": (STEP, ABOVE), "fdtr": (SHAPE, SHAPE, ABOVE), "fdtrc": (SHAPE, SHAPE, ABOVE),
    "fdtri": (SHAPE, SHAPE, INSIDE), "bdtr": (STEP, WHOLE, INSIDE), "bdtrc": (STEP, WHOLE, INSIDE),
    "nbdtr": (WHOLE, WHOLE, INSIDE), "nbdtrc": (WHOLE, WHOLE, INSIDE), "kolmogorov": (ABOVE,), "kolmogi": (INSIDE,),
    "smirnov": (WHOLE, INSIDE), "smirnovi": (WHOLE, INSIDE), "owens_t": (ANY, ANY), "ndtri_exp": ((-3, -0.2),),
    "jv": (SHAPE, ABOVE), "jn": (WHOLE, ABOVE), "yv": (SHAPE, ABOVE), "iv": (SHAPE, ABOVE), "kv": (SHAPE, ABOVE),
    "jve": (SHAPE, ABOVE), "yve": (SHAPE, ABOVE), "ive": (SHAPE, ABOVE), "kve": (SHAPE, ABOVE), "j0": (ANY,), "j1": (ANY,),
    "y0": (ABOVE,), "y1": (ABOVE,), "i0e": (ABOVE,), "i1e": (ABOVE,), "k0": (ABOVE,), "k1": (ABOVE,), "k0e": (ABOVE,),
    "k1e": (ABOVE,), "yn": (WHOLE, ABOVE), "kn": (WHOLE, ABOVE), "struve": (REFUSED, ABOVE), "modstruve": (REFUSED, ABOVE),
    "ber": (ABOVE,), "bei": (ABOVE,), "ker": (ABOVE,), "kei": (ABOVE,), "berp": (ABOVE,), "beip": (ABOVE,), "kerp": (ABOVE,),
    "keip": (ABOVE,), "hyp0f1": (SHAPE, ANY), "hyp1f1": (SHAPE, SHAPE, ANY), "hyp2f1": (SHAPE, SHAPE, (1.2, 2.5), (-0.7, 0.7)),
    "hyperu": (REFUSED, REFUSED, ABOVE), "binom": ((3.2, 5.0), SHAPE), "poch": (SHAPE, SHAPE), "wrightomega": (ANY,),
    "erfcx": (ANY,), "erfi": (ANY,), "dawsn": (ANY,), "voigt_profile": (ANY, ABOVE, ABOVE), "exp1": (ABOVE,), "expi": (ABOVE,),
    "expn": (WHOLE, ABOVE), "spence": (ABOVE,), "cosm1": (ANY,), "sindg": (ANY,), "cosdg": (ANY,), "tandg": (ANY,),
    "cotdg": (ABOVE,), "powm1": (ABOVE, ANY), "boxcox1p": (ABOVE, ANY), "inv_boxcox1p": (ABOVE, ABOVE),
    "ellipk": ((-0.9, 0.9),),
    "ellipe": ((-0.9, 0.9),), "ellipkm1": (INSIDE,), "ellipkinc": ((-4, 4), (-0.7, 0.7)), "ellipeinc": ((-4, 4), (-0.7, 0.7)),
    "elliprf": (REFUSED,) * 3, "elliprc": (REFUSED,) * 2, "zetac": ((1.6, 4.0),), "eval_legendre": (WHOLE, ANY),
    "eval_chebyt": (WHOLE, ANY), "eval_chebyu": (WHOLE, ANY), "eval_chebyc": (WHOLE, ANY), "eval_chebys": (WHOLE, ANY),
    "eval_hermite": (WHOLE, ANY), "eval_hermitenorm": (WHOLE, ANY), "eval_laguerre": (WHOLE, ABOVE),
    "eval_genlaguerre": (WHOLE, REFUSED, ABOVE), "eval_gegenbauer": (WHOLE, REFUSED, ANY),
    "eval_jacobi": (WHOLE, REFUSED, REFUSED, ANY), "eval_sh_jacobi": (WHOLE, REFUSED, REFUSED, INSIDE),
    "eval_sh_legendre": (WHOLE, INSIDE), "eval_sh_chebyt": (WHOLE, INSIDE), "eval_sh_chebyu": (WHOLE, INSIDE),
    "sici": (ABOVE,), "shichi": (ABOVE,), "fresnel": (ANY,), "airy": (ANY,), "ellipj": (ANY, INSIDE), "loggamma": (ABOVE,),
    "chndtr": (ABOVE, REFUSED, ABOVE), "wright_bessel": (REFUSED, REFUSED, ABOVE),
    "agm": (REFUSED,) * 2,
    "tklmbda": (REFUSED,) * 2, "nctdtr": (REFUSED,) * 3, "ncfdtr": (REFUSED,) * 4,
    "gdtria": (INSIDE, SHAPE, ABOVE), "gdtrib": (ABOVE, INSIDE, ABOVE), "gdtrix": (ABOVE, SHAPE, INSIDE),
    "chdtriv": (INSIDE, ABOVE), "fdtridfd": ((1.0, 1.2), (0.62, 0.66), (1.9, 2.1)), "btdtria": (INSIDE, SHAPE, INSIDE),
    "btdtrib": (SHAPE, INSIDE, INSIDE), "stdtridf": ((0.70, 0.74), (0.8, 0.9)), "chndtrix": (INSIDE, REFUSED, ABOVE),
    "chndtrinc": ((3.0, 4.0), REFUSED, (0.05, 0.2)),
    "nrdtrimn": (INSIDE, SHAPE, ANY), "nrdtrisd": (ANY, (0.6, 0.9), (2.5, 4.0)),
    "bdtrik": ((0.4, 0.9), (5.0, 9.0), INSIDE), "bdtrin": (ABOVE, (0.2, 0.8), (0.2, 0.8)), "bdtri": (STEP, WHOLE, INSIDE),
    "nbdtrik": ((0.6, 0.9), ABOVE, (0.2, 0.5)), "nbdtrin": (ABOVE, (0.2, 0.8), (0.2, 0.8)),
    "nbdtri": (WHOLE, WHOLE, INSIDE),
    "pdtrik": ((0.6, 0.9), ABOVE), "pdtri": (STEP, INSIDE), "chndtridf": (REFUSED,) * 3, "nctdtrit": (REFUSED,) * 3,
    "ncfdtri": (REFUSED,) * 4,
    "itstruve0": (ANY,), "itmodstruve0": (ANY,), "itj0y0": (ABOVE,), "iti0k0": (ABOVE,), "spherical_jn": (WHOLE, ANY),
    "spherical_yn": (WHOLE, BELOW), "spherical_in": (WHOLE, ANY), "spherical_kn": (WHOLE, BELOW),
}
PAIRS = ("sici", "shichi", "fresnel", "airy", "itj0y0", "iti0k0")          # of which the first result is taken


def function(name):
    f = getattr(sp, name)
    return lambda *args: f(*args)


def several(found):
    return found if isinstance(found, tuple) else (found,)


def sample(kinds, size=7):
    found = []
    for k in kinds:
        if k in (WHOLE, STEP):
            found.append(np.array([3, 2, 4, 3, 5, 2, 3] if k == WHOLE else [1.3, 2.6, 0.4, 3.3, 1.5, 2.2, 0.9])[:size])
        else:
            found.append(RNG.uniform(*(SHAPE if k == REFUSED else k), size))
    if kinds[0] == WHOLE and kinds[-1] == INSIDE and len(kinds) == 3:
        found[1] = found[0] + 2
    return found


def equal(found, right, ulp):
    for g, e in zip(several(found), several(right), strict=True):
        assert g.dtype == e.dtype and g.shape == e.shape
        np.testing.assert_allclose(g, e, rtol=ulp * np.finfo(e.dtype).eps, atol=0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.sweep(9)
@pytest.mark.parametrize("name", TABLE)
def test_values(name):
    f, args = function(name), sample(TABLE[name])
    g = tg.jit(f)
    ulp = 30 if name in ("inv_boxcox1p", "loggamma") else 2
    equal(g(*args), f(*args), ulp)
    with np.errstate(all="ignore"):
        equal(g.interpret(*args), f(*args), ulp)
    edges = [np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 1e-300]) if a.dtype.kind == "f" else a for a in args]
    if not name.startswith(("hyp", "ellipr", "inv_boxcox1p")):      # (which SciPy has wrong where the power is tiny)
        equal(g(*args[:-1], edges[-1]), f(*args[:-1], edges[-1]), ulp)
    single = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in args]
    equal(g(*single), f(*single), 8)
    equal(g(*args[:-1], args[-1][:0].reshape(0)) if len(args) == 1 else g(*[a[:1] for a in args]),
          f(*args[:-1], args[-1][:0]) if len(args) == 1 else f(*[a[:1] for a in args]), ulp)
    if len(args) > 1:
        equal(g(args[0][::2, None], *args[1:]), f(args[0][::2, None], *args[1:]), ulp)
        equal(g(*(a[0] for a in args)), f(*(a[0] for a in args)), ulp)


def slope(f, args, k):
    """By Richardson's extrapolation of central differences of SciPy's values."""
    def central(h):
        moved = [[*args[:k], args[k] + s * h, *args[k + 1:]] for s in (1, -1)]
        return [(a - b) / (2 * h) for a, b in zip(several(f(*moved[0])), several(f(*moved[1])), strict=True)]

    return [(4 * b - a) / 3 for a, b in zip(central(2e-3), central(1e-3), strict=True)]


@pytest.mark.sweep(6)
@pytest.mark.parametrize("name", TABLE)
def test_derivatives(name):
    f, kinds = function(name), TABLE[name]
    args = [float(a[0]) if a.dtype.kind == "f" else int(a[0]) for a in sample(kinds, 1)]
    for k, kind in enumerate(kinds):
        if kind == WHOLE:
            continue
        if kind == REFUSED:
            with pytest.raises(UnsupportedError, match=f"derivative of scipy.special.{name}"):
                tg.grad(f, argnums=k)(*args)
            continue
        for j, right in enumerate(slope(f, args, k)):
            def one(*args, j=j):
                return several(f(*args))[j]

            if name == "loggamma":
                one = f
            first = tg.grad(one, argnums=k)
            np.testing.assert_allclose(first(*args), right, rtol=2e-7, atol=1e-9)
            forward = tg.jvp(lambda x, one=one, k=k: one(*args[:k], x, *args[k + 1:]), (args[k],), (1.0,))[1]
            np.testing.assert_allclose(forward, first(*args), rtol=1e-12, atol=1e-15)
            with tg.disable_jit():
                np.testing.assert_allclose(tg.grad(one, argnums=k)(*args), first(*args), rtol=1e-11, atol=1e-14)


# of which no second derivative by themselves is known
FIRST_ORDER = {"kolmogorov", "kolmogi", "smirnov", "smirnovi", "ellipkinc", "ellipeinc", "ellipj", "hyp2f1", "zetac", "kve"}


@pytest.mark.sweep(9)
@pytest.mark.parametrize("name", [n for n in TABLE if n not in FIRST_ORDER])
def test_second_derivatives(name):
    f, kinds = function(name), TABLE[name]
    args = [float(a[0]) if a.dtype.kind == "f" else int(a[0]) for a in sample(kinds, 1)]

    def one(*args):
        return several(f(*args))[0] if name in PAIRS else f(*args)

    for k, kind in enumerate(kinds):
        if kind not in (WHOLE, REFUSED, STEP):
            h = 1e-4
            moved = [[*args[:k], args[k] + s * h, *args[k + 1:]] for s in (1, -1)]
            first = tg.grad(one, argnums=k)
            right = (first(*moved[0]) - first(*moved[1])) / (2 * h)
            np.testing.assert_allclose(tg.grad(first, argnums=k)(*args), right, rtol=1e-5, atol=1e-7)


# name -> (operand, mpmath's function, points)
BY_PARAMETER = {
    "gammainc": (0, lambda a, x: mp.gammainc(a, 0, x, regularized=True), [(2.3, 1.1), (0.05, 1e-8), (0.3, 30.0), (80.0, 70.0),
                                                                       (1e4, 1.01e4), (5.0, 60.0), (12.0, 1e-3)]),
    "gammaincc": (0, lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True), [(2.3, 1.1), (0.3, 30.0), (80.0, 120.0)]),
    "betainc": (0, lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), [(2.3, 1.1, 0.4), (0.05, 3.0, 0.9),
                                                                         (60.0, 30.0, 0.7),
                                                                         (3.0, 0.2, 1e-6)]),
    "stdtr": (0, lambda v, t: mp.betainc(v / 2, 0.5, 0, v / (v + t * t), regularized=True) / 2, [(2.3, -1.1), (30.0, -4.0)]),
    "jv": (0, mp.besselj, [(0.3, 1.1), (2.5, 40.0), (5.0, 0.01), (1.0, 3.0)]), "yv": (0, mp.bessely, [(0.3, 1.1), (2.5, 40.0)]),
    "iv": (0, mp.besseli, [(0.3, 1.1), (2.5, 10.0)]), "kv": (0, mp.besselk, [(0.3, 1.1), (2.5, 0.05), (1.0, 20.0)]),
    "hyp1f1": (0, mp.hyp1f1, [(0.7, 1.6, 2.0), (2.0, 3.0, -4.0)]),
    "hyp2f1": (2, mp.hyp2f1, [(0.7, 1.6, 2.1, 0.4), (0.5, 0.5, 1.0, -3.0)]),
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", BY_PARAMETER)
def test_derivatives_by_a_parameter_against_mpmath(name):
    k, reference, points = BY_PARAMETER[name]
    first = tg.grad(function(name), argnums=k)
    for point in points:
        with mp.workdps(40):
            exact = tuple(map(mp.mpf, point))
            right = float(mp.diff(lambda p, exact=exact: reference(*exact[:k], p, *exact[k + 1:]), exact[k]))
        np.testing.assert_allclose(first(*point), right, rtol=1e-10, err_msg=str(point))
