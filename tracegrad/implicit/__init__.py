"""Solutions of equations as functions of their parameters, differentiated by the implicit function theorem.

    root(f, x0, *args)          x with f(x, *args) = 0            dx = -(df/dx)^-1 (df/dargs) dargs
    fixed_point(f, x0, *args)   x with f(x, *args) = x            the same of f(x, *args) - x
    argmin(f, x0, *args)        x where f(x, *args) is least      the same of its gradient

The iterations of the solver are not differentiated: the rule is exact at the solution, and costs one linear solve.
"""
from .solvers import argmin, fixed_point, root

__all__ = ["argmin", "fixed_point", "root"]
