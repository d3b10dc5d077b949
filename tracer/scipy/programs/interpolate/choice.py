"""Which program of this folder stands for a class or a function of scipy.interpolate."""
from __future__ import annotations

from .gridded import Interp1d, RegularGrid, interpn
from .interpolants import (
    Newton,
    Piecewise,
    Spline,
    Univariate,
    akima,
    cubic_hermite_spline,
    cubic_spline,
    interpolated_univariate_spline,
    krogh_interpolate,
    make_interp_spline,
    make_lsq_spline,
    newton_interpolate,
    pchip,
    pchip_interpolate,
    splev,
    splint,
    splrep,
    univariate_spline,
)
from .surfaces import Radial, Surface, bisplev, captured_radial

# SciPy's class -> what traced code makes in its place, and what stands for an object of it that traced code captures
BUILT = {"CubicSpline": cubic_spline, "PchipInterpolator": pchip, "Akima1DInterpolator": akima,
         "CubicHermiteSpline": cubic_hermite_spline, "PPoly": Piecewise, "BSpline": Spline, "BarycentricInterpolator": Newton,
         "KroghInterpolator": Newton, "InterpolatedUnivariateSpline": interpolated_univariate_spline, "interp1d": Interp1d,
         "RegularGridInterpolator": RegularGrid, "UnivariateSpline": univariate_spline, "RBFInterpolator": Radial,
         "RectBivariateSpline": Surface}
FUNCTIONS = {"make_interp_spline": make_interp_spline, "make_lsq_spline": make_lsq_spline, "splrep": splrep, "splev": splev,
             "splint": splint,
             "barycentric_interpolate": newton_interpolate, "krogh_interpolate": krogh_interpolate,
             "pchip_interpolate": pchip_interpolate, "interpn": interpn, "bisplev": bisplev}
CAPTURED = {
    "PPoly": lambda f: (Piecewise, f.c, f.x, f.extrapolate, f.axis),
    "BSpline": lambda f: (Spline, f.t, f.c, f.k, f.extrapolate, f.axis),
    "UnivariateSpline": lambda f: (Univariate, *f._eval_args) if f.ext == 0 else None,
    "RBFInterpolator": captured_radial,
    "RegularGridInterpolator": lambda f: (RegularGrid, f.grid, f.values, f.method, f.bounds_error, f.fill_value),
    "interp1d": lambda f: (Interp1d, f.x, f.y, f._kind, f.axis, False, f.bounds_error, f.fill_value, True)
    if isinstance(getattr(f, "_kind", None), str) and f._kind != "spline" else None,
}
