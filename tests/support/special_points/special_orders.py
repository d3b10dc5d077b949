"""More of SciPy's routines at their special points: 0 of both signs, whole numbers, ends of domains, orders at which a formula
has a hole."""
from __future__ import annotations

import mpmath as mp
import scipy.special as sp

from .points import Points

_ZERO = (0.0, -0.0, 1.0, -1.0, 0.5, 3.0)
_WHOLE = (0.0, 1.0, -1.0, 2.0, 0.5)
_GEGENBAUER = (4 / mp.mpf(3) * mp.mpf(0.7) * mp.mpf(1.7) * mp.mpf(2.7), 2 * mp.mpf(0.7) * mp.mpf(1.7))


def _row(name, function, points, reference):
    return Points(name, function, points, reference, single=False)


ROWS = [
    _row("binom", lambda n: sp.binom(n, 2.0), (0.0, 1.0, 2.0, 3.0, 0.5, -0.5), lambda n: n * (n - 1) / 2),
    _row("binom by k", lambda k: sp.binom(5.0, k), (0.0, 2.0, 5.0, 6.0, -1.0, 0.5), lambda k: mp.binomial(5, k)),
    _row("poch", lambda z: sp.poch(z, 2.0), (0.0, -1.0, -2.0, 1.0, 0.5), lambda z: z * (z + 1)),
    _row("poch by m", lambda m: sp.poch(2.0, m), (0.0, 1.0, -1.0, 0.5), lambda m: mp.gamma(2 + m)),
    _row("ber", sp.ber, (0.0, 1.0, 3.0), lambda x: mp.ber(0, x)), _row("bei", sp.bei, (0.0, 1.0, 3.0), lambda x: mp.bei(0, x)),
    _row("struve", lambda x: sp.struve(0.0, x), (0.0, 1.0, 3.0), lambda x: mp.struveh(0, x)),
    _row("modstruve", lambda x: sp.modstruve(0.0, x), (0.0, 1.0, 3.0), lambda x: mp.struvel(0, x)),
    _row("iv", lambda x: sp.iv(2.0, x), _ZERO, lambda x: mp.besseli(2, x)),
    _row("hyp0f1", lambda z: sp.hyp0f1(1.5, z), _ZERO, lambda z: mp.hyp0f1(1.5, z)),
    _row("hyp1f1", lambda z: sp.hyp1f1(1.2, 2.3, z), _ZERO, lambda z: mp.hyp1f1(1.2, 2.3, z)),
    _row("hyp2f1", lambda z: sp.hyp2f1(-2.0, 0.7, 2.3, z), _ZERO, lambda z: mp.hyp2f1(-2, 0.7, 2.3, z)),
    _row("wrightomega", sp.wrightomega, (0.0, -0.0, 1.0, -50.0), lambda x: mp.re(mp.lambertw(mp.exp(x)))),
    _row("cosm1", sp.cosm1, _ZERO, lambda x: mp.cos(x) - 1),
    _row("sindg", sp.sindg, (0.0, 90.0, 180.0), lambda x: mp.sin(x * mp.pi / 180)),
    _row("cosdg", sp.cosdg, (0.0, 90.0, 180.0), lambda x: mp.cos(x * mp.pi / 180)),
    _row("tandg", sp.tandg, (0.0, 45.0, 180.0), lambda x: mp.tan(x * mp.pi / 180)),
    _row("powm1", lambda x: sp.powm1(x, 3.0), _WHOLE, lambda x: x ** 3 - 1),
    _row("boxcox1p", lambda x: sp.boxcox1p(x, 2.0), (0.0, 1.0, -0.5), lambda x: ((1 + x) ** 2 - 1) / 2),
    _row("inv_boxcox1p", lambda x: sp.inv_boxcox1p(x, 0.0), (0.0, 1.0), mp.expm1),
    _row("owens_t", lambda x: sp.owens_t(x, 0.5), (0.0, 1.0, -1.0),
         lambda x: mp.quad(lambda t: mp.exp(-x * x * (1 + t * t) / 2) / (1 + t * t), [0, 0.5]) / (2 * mp.pi)),
    _row("voigt_profile", lambda x: sp.voigt_profile(x, 0.0, 1.0), (0.0, 1.0, -1.0), lambda x: 1 / (mp.pi * (1 + x * x))),
    _row("stdtr", lambda x: sp.stdtr(3.0, x), (0.0, 1.0, -2.0),
         lambda x: 0.5 + x / (mp.sqrt(3 * mp.pi) * mp.gamma(1.5)) * mp.hyp2f1(0.5, 2, 1.5, -x * x / 3)),
    _row("eval_chebyu", lambda x: sp.eval_chebyu(3, x), (1.0, -1.0, 0.0), lambda x: 8 * x ** 3 - 4 * x),
    _row("eval_gegenbauer", lambda x: sp.eval_gegenbauer(3, 0.7, x), (1.0, -1.0, 0.0),
         lambda x: _GEGENBAUER[0] * x ** 3 - _GEGENBAUER[1] * x),
    _row("eval_jacobi", lambda x: sp.eval_jacobi(3, 0.5, 1.5, x), (1.0, -1.0, 0.0), lambda x: mp.jacobi(3, 0.5, 1.5, x)),
    _row("eval_genlaguerre", lambda x: sp.eval_genlaguerre(3, 0.5, x), (0.0, 1.0), lambda x: mp.laguerre(3, 0.5, x)),
    _row("eval_hermitenorm", lambda x: sp.eval_hermitenorm(4, x), (0.0, 1.0), lambda x: x ** 4 - 6 * x ** 2 + 3),
    _row("sici", lambda x: sp.sici(x)[0], _ZERO, mp.si), _row("shichi", lambda x: sp.shichi(x)[0], _ZERO, mp.shi),
    _row("fresnel", lambda x: sp.fresnel(x)[0], _ZERO, mp.fresnels), _row("airy", lambda x: sp.airy(x)[0], _ZERO, mp.airyai),
    _row("ellipj", lambda u: sp.ellipj(u, 0.5)[0], _WHOLE, lambda u: mp.re(mp.ellipfun("sn", u, m=mp.mpf("0.5")))),
    _row("lambertw", lambda x: sp.lambertw(x).real, (0.0, 1.0, -0.3), lambda x: mp.re(mp.lambertw(x))),
    _row("spherical_jn", lambda x: sp.spherical_jn(0, x), (1.0, 3.0), lambda x: mp.sin(x) / x),
    _row("spherical_jn by slopes", lambda x: sp.spherical_jn(1, x, derivative=True), (1.0, 3.0),
         lambda x: mp.sin(x) / x + 2 * mp.cos(x) / x ** 2 - 2 * mp.sin(x) / x ** 3),
    _row("spherical_in", lambda x: sp.spherical_in(1, x), (1.0, 3.0), lambda x: mp.cosh(x) / x - mp.sinh(x) / x ** 2),
    _row("spherical_kn", lambda x: sp.spherical_kn(0, x), (1.0, 3.0), lambda x: mp.pi / 2 * mp.exp(-x) / x),
    _row("itj0y0", lambda x: sp.itj0y0(x)[0], (0.0, 1.0, 5.0), lambda x: mp.quad(lambda t: mp.besselj(0, t), [0, x])),
    _row("pbdv", lambda x: sp.pbdv(1.0, x)[0], (0.0, 1.0, -1.0), lambda x: mp.pcfd(1, x)),
]
