"""SciPy's solvers with compiled functions and exact derivatives: the same names, arguments and results as in SciPy.

minimize, root, root_scalar, least_squares, curve_fit (optimize.py), solve_ivp (integrate.py). A derivative that the caller
gives is left as it is. SciPy is imported when a solver is called.
"""
from .integrate import solve_ivp
from .optimize import curve_fit, least_squares, minimize, root, root_scalar

__all__ = ["curve_fit", "least_squares", "minimize", "root", "root_scalar", "solve_ivp"]
