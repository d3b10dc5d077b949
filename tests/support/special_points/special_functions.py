"""The ufuncs of scipy.special."""
from __future__ import annotations

import math
from functools import cache

import mpmath as mp
import scipy.special as sp

from .conventions import FirstOrder, kink
from .elementary import END, STEP, ZEROS, flat
from .points import INF, NAN, Points

POLES = (-1.0, -2.0, -3.0)


def log_gamma(x):
    return mp.re(mp.loggamma(x))


@cache
def inverse_erfc(q):
    """The y with erfc(y) = q, by Newton's method on logarithms from SciPy's."""
    y = mp.mpf(float(sp.erfcinv(float(q))))
    for _ in range(12):
        value = mp.erfc(y)
        step = (mp.log(value) - mp.log(q)) * value * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
        y += step
        if abs(step) < mp.eps * (1 + abs(y)):
            break
    return y


@cache
def inverse_erf(x):
    """From erfc of 1 - x, and near 0 by Newton's method on erf."""
    if abs(x) > 0.5:
        return mp.sign(x) * inverse_erfc(1 - abs(x))
    y = mp.mpf(float(sp.erfinv(float(x))))
    for _ in range(12):
        step = (mp.erf(y) - x) * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
        y -= step
        if abs(step) <= mp.eps * abs(y):
            break
    return y


def slopes_of_inverse(inverse, sign: int = 1, scale: int = 1) -> tuple:
    """The derivatives of y(scale * x), where y' = sign * sqrt(pi) / 2 * exp(y^2):

        y'' = 2 y y'^2,   y''' = (2 + 8 y^2) y'^3,   y'''' = (28 y + 48 y^3) y'^4
    """
    factors = (lambda y: 1, lambda y: 2 * y, lambda y: 2 + 8 * y**2, lambda y: 28 * y + 48 * y**3)

    def of_order(k):
        def slope(x):
            y = inverse(scale * x)
            return factors[k - 1](y) * (scale * sign * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)) ** k
        return slope

    return tuple(map(of_order, (1, 2, 3, 4)))


def normal_density(x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def beta(a, b):
    return mp.gamma(a) * mp.gamma(b) * mp.rgamma(a + b)


def box_cox(x, power):
    return mp.log(x) if not power else mp.expm1(power * mp.log(x)) / power


def inverse_box_cox(y, power):
    return mp.exp(y) if not power else mp.exp(mp.log1p(power * y) / power)


BENT = (*ZEROS, 1.0, -1.0, 5.0, -5.0)
GAMMA = (0.5, 1.0, 2.0, 3.0, -0.5, -1.5, -2.5, -20.5, 1.4616321449683623, 1e-10, -1e-10, 4.999, 5.0, 5.001, 10.0, 30.0)
FLAT = {INF: STEP, -INF: STEP}

ONE = [
    Points("erf", sp.erf, (*BENT, 26.0, 27.5, 40.0, 40.5, -40.5, INF, -INF), mp.erf, FLAT,
           slope=lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x), covers=("op:erf", "op:bell")),
    Points("erfc", sp.erfc, (*BENT, 26.0, 27.5, 40.0, 40.5, -40.5, INF, -INF), mp.erfc, FLAT,
           slope=lambda x: -2 / mp.sqrt(mp.pi) * mp.exp(-x * x), covers=("op:erfc",)),
    Points("gammaln", sp.gammaln, (0.0, -0.0, *GAMMA, 171.0, 172.0, 1e10, 1e300, INF, *POLES), log_gamma,
           {0.0: (-INF, INF, -INF), "-0.0": (INF, INF, INF), INF: (INF, 0.0), **{(p,): FirstOrder({(0,): NAN}) for p in POLES}},
           slope=mp.digamma, covers=("op:lgamma",)),
    Points("psi", sp.psi, (0.0, *GAMMA, 100.0, 1e10, INF, *POLES), mp.digamma,
           {0.0: (INF, -INF, INF), "-0.0": (INF, INF, INF), INF: STEP, **{(p,): FirstOrder({(0,): INF}) for p in POLES}},
           slope=lambda x: mp.polygamma(1, x), covers=("digamma", "op:digamma", "op:polygamma")),
    Points("expit", sp.expit, (*BENT, 20.0, -20.0, 40.0, -40.0, 800.0, -800.0, INF, -INF), None, FLAT,
           slope=lambda x: 1 / ((1 + mp.exp(-x)) * (1 + mp.exp(x))), covers=("op:expit",)),
    Points("log_expit", sp.log_expit, (*BENT, 20.0, -20.0, 40.0, -40.0, 800.0, -800.0, INF, -INF), None,
           {INF: STEP, -INF: (1.0, 0.0)}, slope=lambda x: 1 / (1 + mp.exp(x))),
    Points("logit", sp.logit, (0.0, -0.0, 1.0, 0.5, 0.25, 1e-20, 1 - 2**-40), lambda x: mp.log(x / (1 - x)),
           {0.0: END, 1.0: (INF, INF, INF)}, slope=lambda x: 1 / (x * (1 - x))),
    Points("exp10", sp.exp10, (0.0, -0.0, 1.0, -2.0, 300.5, 309.0, -400.0, INF, -INF), lambda x: mp.mpf(10) ** x,
           {INF: (INF, INF), -INF: STEP}),
    Points("ndtr", sp.ndtr, (*BENT, 8.0, 37.0, 39.0, -39.0, 58.0, INF, -INF), mp.ncdf, FLAT, slope=normal_density),
    Points("log_ndtr", sp.log_ndtr, (*BENT, 8.0, 37.0, 40.0, 58.0, -8.0, -19.99, -20.0, -20.01, -40.0, -1e5, INF, -INF),
           lambda x: mp.log(mp.ncdf(x)), {INF: STEP, -INF: (INF, -1.0, 0.0)}, slope=lambda x: normal_density(x) / mp.ncdf(x),
           covers=("op:mills_ratio",)),
    Points("erfinv", sp.erfinv, (*ZEROS, 0.5, -0.5, 0.4999, 0.9, -0.9, 1e-9, 1 - 2**-40, 1.0, -1.0), inverse_erf,
           {1.0: (INF, INF, INF), -1.0: END}, slope=slopes_of_inverse(inverse_erf)),
    Points("erfcinv", sp.erfcinv, (1.0, 0.5, 1.5, 0.4999, 1.5001, 0.1, 1.9, 1e-12, 1e-290, 2 - 2**-40, 0.0, -0.0, 2.0),
           inverse_erfc,
           {0.0: (-INF, INF, -INF), 2.0: (-INF, -INF, -INF)}, slope=slopes_of_inverse(inverse_erfc, -1)),
    Points("ndtri", sp.ndtri, (0.5, 0.25, 0.75, 0.1353352832366127, 0.05, 0.95, 1e-12, 1e-290, 1 - 2**-40, 0.0, -0.0, 1.0),
           lambda p: -mp.sqrt(2) * inverse_erfc(2 * p), {0.0: END, 1.0: (INF, INF, INF)},
           slope=tuple(lambda p, f=f: mp.sqrt(2) * f(p) for f in slopes_of_inverse(lambda q: -inverse_erfc(q), 1, 2))),
    Points("gamma", sp.gamma, (0.0, -0.0, *GAMMA, 100.0, 170.5, 171.6, 173.0, -171.5, -180.5, INF), mp.gamma,
           {0.0: (-INF, INF, -INF), "-0.0": (-INF, -INF, -INF), INF: (INF, INF)}, slope=lambda x: mp.gamma(x) * mp.digamma(x)),
    Points("rgamma", sp.rgamma, (0.0, -0.0, *GAMMA, *POLES, 100.0, 170.5, 172.5, 200.0, -20.0, INF), mp.rgamma, {INF: STEP}),
    Points("gammasgn", sp.gammasgn, (0.5, -0.5, -1.5), None, dict.fromkeys((0.5, -0.5, -1.5), STEP)),
    Points("entr", sp.entr, (0.0, -0.0, 1.0, math.exp(-1), 2.0, 1e-300, INF), lambda x: -x * mp.log(x),
           {0.0: (INF, -INF, INF), INF: (-INF, 0.0)}, slope=lambda x: -mp.log(x) - 1),
    Points("exprel", sp.exprel, (*ZEROS, -1e-20, 1e-8, -1e-8, 1e-5, -1e-5, 1e-3, 0.1, -0.1, 1.0, -1.0, 20.0, -20.0, 700.0,
                                 -800.0,
                                 INF, -INF), lambda x: mp.expm1(x) / x if x else mp.mpf(1), {INF: (INF, INF), -INF: STEP},
                                 covers=("op:exprel_n",)),
    Points("special.round", sp.round, (0.0, 0.5, 1.7), None, dict.fromkeys((0.0, 0.5, 1.7), STEP)),
    Points("special.log1p", sp.log1p, (0.0, -1.0), mp.log1p, {-1.0: END}),
    Points("special.expm1", sp.expm1, (0.0, 1.0), mp.expm1),
    Points("special.cbrt", sp.cbrt, (0.0, 1.0), lambda x: mp.cbrt(x), {0.0: END}),
    Points("special.exp2", sp.exp2, (0.0, 1.0), lambda x: mp.mpf(2) ** x),
]


def entropy_at_zero(y: float, linear: float = 0.0) -> dict:
    """x log(x / y), with -x + y where asked, at x = 0: its derivatives by x are infinite, those by y are of -x log y."""
    return {(0,): -INF, (1,): linear, (0, 0): INF, (0, 1): -1 / y, (0, 0, 0): -INF, (0, 1, 1): 1 / y**2}


LOG_ZERO = {(0,): -INF, (1,): INF, (0, 1): INF, (1, 1): -INF, (0, 1, 1): -INF, (1, 1, 1): INF}              # of log y at 0
ENTROPIES = ((0.0, 1.0), (0.0, 2.0), (-0.0, 1.0), (1.0, 1.0), (2.0, 3.0), (1e-300, 1.0), (1e300, 1e-10), (1e-300, 1e300))

TWO = [
    Points("beta", sp.beta, ((0.5, 0.5), (1.0, 1.0), (2.0, 3.0), (1.0, 2.0), (1e-2, 1.0), (100.0, 100.0), (-0.5, 0.7),
                             (-0.5, -1.7),
                             (0.5, -0.5), (1.5, -2.5), (160.0, 2.0)), beta),
    Points("betaln", sp.betaln, ((0.5, 0.5), (1.0, 1.0), (2.0, 3.0), (1.0, 2.0), (1e-2, 1.0), (100.0, 100.0), (-0.5, 0.7),
                                 (1e3, 2.0)),
           lambda a, b: log_gamma(a) + log_gamma(b) - log_gamma(a + b), least=1.0),
    Points("xlogy", sp.xlogy, ((0.0, 3.0), (0.0, 0.5), (-0.0, 3.0), (0.0, 1.0), (1.0, 1.0), (2.0, 3.0), (1.0, 0.0), (0.0, 0.0)),
           lambda x, y: x * mp.log(y), {(1.0, 0.0): LOG_ZERO, **kink("sp.xlogy(x, y)")}),
    Points("xlog1py", sp.xlog1py, ((0.0, 2.0), (0.0, 0.0), (-0.0, -0.5), (1.0, 0.0), (2.0, 1e-20), (2.0, 3.0), (1.0, -1.0),
                                   (0.0, -1.0)),
           lambda x, y: x * mp.log1p(y), {(1.0, -1.0): LOG_ZERO, (0.0, -1.0): FirstOrder(flat(-INF, 0.0))}),
    Points("rel_entr", sp.rel_entr, ENTROPIES, lambda x, y: x * mp.log(x / y),
           {(0.0, y): entropy_at_zero(y) for y in (1.0, 2.0)}),
    Points("kl_div", sp.kl_div, ENTROPIES, lambda x, y: x * mp.log(x / y) - x + y,
           {(0.0, y): entropy_at_zero(y, 1.0) for y in (1.0, 2.0)}),
    Points("huber", sp.huber, ((1.0, 0.0), (1.0, -0.0), (2.0, 0.5), (1.0, 2.0), (1.0, -2.0), (1.0, 1.0), (1.0, -1.0),
                               (0.0, 1.0),
                               (0.0, -1.0)),
           lambda delta, r: r * r / 2 if abs(r) < delta else delta * (abs(r) - delta / 2),
           {(1.0, 1.0): FirstOrder(flat(0.0, 1.0)), (1.0, -1.0): FirstOrder(flat(0.0, -1.0)),
            (0.0, 1.0): {(0,): 1.0, (0, 0): -1.0, (0, 1): 1.0}, (0.0, -1.0): {(0,): 1.0, (0, 0): -1.0, (0, 1): -1.0}}),
    Points("pseudo_huber", sp.pseudo_huber, ((1.0, 0.0), (1.0, -0.0), (2.0, 0.0), (1.0, 1.0), (1.0, 1e-9), (3.0, -2.0),
                                             (0.0, 1.0),
                                             (0.0, -2.0), (1.0, 1e200), (0.0, 0.0)),
           lambda delta, r: delta * mp.sqrt(delta * delta + r * r) - delta * delta,
           {(1.0, 1e200): {(0,): 1e200, (1,): 1.0, (0, 0): -2.0, (0, 1): 1.0, (0, 0, 0): 3e-200},
            (0.0, 0.0): FirstOrder(flat(0.0, 0.0))}, least=1e-180, covers=("op:hypot_excess",)),
    Points("boxcox", sp.boxcox, ((1.0, 0.0), (2.0, 0.0), (3.0, -0.0), (1.0, 1.0), (2.0, 0.5), (0.5, -1.0), (2.0, 1e-10),
                                 (2.0, 1e-300),
                                 (0.0, 1.0), (0.0, 2.0)), box_cox,
           {(0.0, 1.0): FirstOrder(flat(1.0, 1.0)), (0.0, 2.0): FirstOrder(flat(0.0, 0.25))}),
    Points("inv_boxcox", sp.inv_boxcox, ((0.0, 0.0), (1.0, 0.0), (2.0, -0.0), (1.0, 1.0), (0.0, 2.0), (0.5, -1.0), (1.0, 1e-10),
                                         (1.0, 1e-300), (-1.0, 1.0)), inverse_box_cox,
           {(-1.0, 1.0): FirstOrder(flat(1.0, -1.0))}, covers=("op:log1prel_n",)),
]

ROWS = [*ONE, *TWO]
