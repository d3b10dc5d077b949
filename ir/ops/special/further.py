"""Spherical Bessel functions, integrals of Bessel functions, noncentral distributions and quantiles of discrete ones: SciPy's
routines (library.py). What has steps has no slope there (None); where no formula is known, asking is an error (...).
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..elementwise import ANY, POSITIVE, like
from .library import library

if TYPE_CHECKING:
    from ...build import Expr

_WHOLE = (2.0, 2.0)
INSIDE = (0.15, 0.85)


# --- spherical Bessel functions ---------------------------------------------------------------------------------------

def _spherical(name: str, before: float, after: float) -> Callable:
    """(2n+1) f_n' = ±n f_(n-1) ± (n+1) f_(n+1), for which no singularity at 0 cancels (DLMF 10.51.2, 10.51.5)."""
    def slope(n: Expr, x: Expr, out: Expr) -> Any:
        last = (n - 1).max(like(n, 0))
        lower = n.mulz(getattr(last, name)(x)) * before
        return (lower + (n + 1) * getattr(n + 1, name)(x) * after) / (n * 2 + 1)

    return slope


SPHERICAL_SLOPES = {"j": (1.0, -1.0), "y": (1.0, -1.0), "i": (1.0, 1.0), "k": (-1.0, -1.0)}
for _letter, (_before, _after) in SPHERICAL_SLOPES.items():
    _name = f"spherical_{_letter}n"
    library(_name, 2, (None, _spherical(_name, _before, _after)), routine=f"_{_name}", whole=(0,), domain=(_WHOLE, POSITIVE),
            singular=())


# --- integrals of Bessel functions from 0 -----------------------------------------------------------------------------

library("integral_j0", 1, lambda x, out: x.j0(), routine="itj0y0", domain=(ANY,), singular=())
library("integral_y0", 1, lambda x, out: x.y0(), routine="itj0y0", output=1, domain=(POSITIVE,))
library("integral_i0", 1, lambda x, out: like(x, 0).bessel_i(x), routine="iti0k0", domain=(ANY,), singular=())
library("integral_k0", 1, lambda x, out: x.k0(), routine="iti0k0", output=1, domain=(POSITIVE,))
library("integral_struve", 1, lambda x, out: like(x, 0).struve(x), routine="itstruve0", domain=(ANY,), singular=())
library("integral_modstruve", 1, lambda x, out: like(x, 0).modstruve(x), routine="itmodstruve0", domain=(ANY,), singular=())


# --- parabolic cylinder functions -------------------------------------------------------------------------------------
# D'' = (x²/4 - v - 1/2) D

library("pbdv", 2, (..., lambda v, x, out: v.pbdv_slope(x)), domain=(POSITIVE, ANY), singular=())
library("pbdv_slope", 2, (..., lambda v, x, out: (x * x * 0.25 - v - 0.5) * v.pbdv(x)), routine="pbdv", output=1,
        domain=(POSITIVE, ANY), singular=())
library("wright_bessel", 3, (..., ..., lambda a, b, x, out: a.wright_bessel(a + b, x)), domain=(POSITIVE, POSITIVE, POSITIVE),
        singular=())


# --- noncentral distributions -----------------------------------------------------------------------------------------
# F(x; k, λ) mixes central ones by Poisson weights of λ/2: ∂F/∂λ = (F(k+2) - F)/2, and so of the density f. With
# f(k+2) = sqrt(x/λ) I_(v+1)/I_v f:  f' = f (-1/2 + (k/2 - 1)/x) + λ/(2x) f(k+2)

library("chndtr", 3, (lambda x, k, c, out: x._ncx2_pdf(k, c), ..., lambda x, k, c, out: (x.chndtr(k + 2, c) - out) * 0.5),
        domain=(POSITIVE, POSITIVE, POSITIVE), singular=())
library("_ncx2_pdf", 3, (lambda x, k, c, out: out * ((k * 0.5 - 1) / x - 0.5) + c / (x * 2) * x._ncx2_pdf(k + 2, c), ...,
                         lambda x, k, c, out: (x._ncx2_pdf(k + 2, c) - out) * 0.5),
        domain=(POSITIVE, POSITIVE, POSITIVE))
library("nctdtr", 3, (..., ..., ...), domain=(POSITIVE, POSITIVE, POSITIVE))
library("ncfdtr", 4, (..., ..., ..., ...), domain=(POSITIVE, POSITIVE, POSITIVE, POSITIVE))


# --- quantiles of counts, and other steps -----------------------------------------------------------------------------

library("_binom_ppf", 3, (None, None, None), domain=(INSIDE, _WHOLE, INSIDE))
library("_nbinom_ppf", 3, (None, None, None), domain=(INSIDE, _WHOLE, INSIDE))
library("tklmbda", 2, (..., ...), domain=(INSIDE, POSITIVE))
library("agm", 2, (..., ...), domain=(POSITIVE, POSITIVE))
