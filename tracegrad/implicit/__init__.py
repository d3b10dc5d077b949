"""Solutions of equations as functions of their parameters, differentiated by the implicit function theorem.

    root(f, x0, *args)          x with f(x, *args) = 0            dx = -(df/dx)^-1 (df/dargs) dargs
    fixed_point(f, x0, *args)   x with f(x, *args) = x            the same of f(x, *args) - x
    argmin(f, x0, *args)        x where f(x, *args) is least      the same of its gradient
    odeint(f, y0, t, *args)     y(t) with dy/dt = f(y, t, *args)   that of the steps (ode.py)

The iterations of the solver are not differentiated: the rule is exact at the solution, and costs one linear solve.
"""
from .ode import odeint
from .solvers import argmin, fixed_point, root

__all__ = ["argmin", "fixed_point", "odeint", "root"]
