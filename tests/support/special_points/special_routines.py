"""Functions of scipy.special that are SciPy's own routines, where their derivatives are easily got wrong."""
from __future__ import annotations

import mpmath as mp
import scipy.special as sp

from .points import Points

ROWS = [
    Points("j0", sp.j0, (0.0, -0.0, 1.0, 5.0, -5.001, 20.0), lambda x: mp.besselj(0, x), slope=lambda x: -mp.besselj(1, x)),
    Points("j1", sp.j1, (0.0, -0.0, 1.0, 5.0, -5.001, 20.0), lambda x: mp.besselj(1, x),
           slope=lambda x: (mp.besselj(0, x) - mp.besselj(2, x)) / 2),
    Points("jv", lambda x: sp.jv(2, x), (0.0, 1.0, 20.0), lambda x: mp.besselj(2, x),
           slope=lambda x: (mp.besselj(1, x) - mp.besselj(3, x)) / 2, covers=("jn",)),
    Points("erfcx", sp.erfcx, (0.0, -0.0, 1.0, 11.99, 12.0, 12.01, 1e5), lambda x: mp.exp(x * x) * mp.erfc(x), single=False),
    Points("erfi", sp.erfi, (0.0, -0.0, 1.0, -3.0), mp.erfi),
    Points("dawsn", sp.dawsn, (0.0, -0.0, 1.0, 11.99, 12.0, -12.01, 1e5),
           lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x), single=False),
    Points("spence", sp.spence, (1.0, 0.5, 1.5, 1 + 1e-9), lambda x: mp.polylog(2, 1 - x),
           slope=lambda x: mp.mpf(-1) if x == 1 else mp.log(x) / (1 - x), single=False),
    Points("ellipk", sp.ellipk, (0.0, -0.0, 0.3, 0.399, 0.4, 0.41, -0.4, 0.999, -30.0), mp.ellipk, single=False),
    Points("ellipe", sp.ellipe, (0.0, -0.0, 0.3, 0.399, 0.4, 0.41, -0.4, 0.999, -30.0), mp.ellipe, single=False),
    Points("eval_legendre", lambda x: sp.eval_legendre(4, x), (1.0, -1.0, 0.0, 0.5), lambda x: (35 * x**4 - 30 * x**2 + 3) / 8),
    Points("eval_chebyt", lambda x: sp.eval_chebyt(3, x), (1.0, -1.0, 0.0, 0.5), lambda x: 4 * x**3 - 3 * x),
    Points("eval_hermite", lambda x: sp.eval_hermite(3, x), (0.0, -1.0, 0.5), lambda x: 8 * x**3 - 12 * x),
    Points("eval_laguerre", lambda x: sp.eval_laguerre(2, x), (0.0, 1.0), lambda x: (x * x - 4 * x + 2) / 2),
    Points("lpmv", lambda x: sp.lpmv(2, 4, x), (1.0, -1.0, 0.0, 0.5), lambda x: mp.mpf(15) / 2 * (7 * x * x - 1) * (1 - x * x)),
    Points("gammainc", lambda x: sp.gammainc(2.0, x), (0.0, 1e-9, 1.0, 30.0), lambda x: 1 - (1 + x) * mp.exp(-x), single=False,
           slope=lambda x: x * mp.exp(-x)),
    Points("betainc", lambda x: sp.betainc(2.0, 3.0, x), (0.0, 0.5, 1.0), lambda x: 6 * x**2 - 8 * x**3 + 3 * x**4,
           single=False),
]

# since SciPy 1.15; the first axis of what they give is that of derivatives
_NEW = [
    Points("legendre_p", lambda x: sp.legendre_p(4, x)[0], (1.0, -1.0, 0.0, 0.5), lambda x: (35 * x**4 - 30 * x**2 + 3) / 8,
           covers=("legendre_p_all",)),
    Points("assoc_legendre_p", lambda x: sp.assoc_legendre_p(3, 2, x)[0], (1.0, -1.0, 0.0, 0.5), lambda x: 15 * x * (1 - x * x),
           covers=("assoc_legendre_p_all",)),
    Points("sph_legendre_p", lambda t: sp.sph_legendre_p(2, 1, t)[0], (0.0, -0.0, 0.5, 1.5),
           lambda t: -mp.sqrt(15 / (8 * mp.pi)) * mp.sin(t) * mp.cos(t), covers=("sph_legendre_p_all",)),
    Points("sph_harm_y", lambda t: sp.sph_harm_y(1, 1, t, 0.0).real, (0.0, -0.0, 0.5, 1.5),
           lambda t: -mp.sqrt(3 / (8 * mp.pi)) * mp.sin(t), covers=("sph_harm_y_all",)),
]
ROWS += [row for row in _NEW if hasattr(sp, row.name)]
