"""scipy.optimize with compiled functions and exact derivatives."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..jacobians.jacobians import hessian, jacobian
from ..jitted.functions import jit
from ..operators.transforms import grad, value_and_grad
from .compiled import hessian_for, hessian_product, jacobian_for, vector, weighted_hessian

# methods of minimize, by what they take: no gradient; the Hessian only; the Hessian or its products
_NO_GRADIENT = {"nelder-mead", "powell", "cobyla", "cobyqa"}
_MATRIX = {"dogleg", "trust-exact"}
_SECOND = {"newton-cg", "trust-ncg", "trust-krylov", "trust-constr"}
_ROOT_WITH_JACOBIAN = {"hybr", "lm"}


def _tuple(args: Any) -> tuple:
    return args if isinstance(args, tuple) else (args,)


def _start(x0: Any) -> np.ndarray:
    """As SciPy starts: floats, one axis at least."""
    x = np.atleast_1d(np.asarray(x0))
    return x if x.dtype.kind in "fc" else x.astype(float)


def minimize(fun: Callable, x0: Any, args: Any = (), method: Any = None, jac: Any = None, hess: Any = None,
             hessp: Callable | None = None, bounds: Any = None, constraints: Any = (), tol: float | None = None,
             callback: Callable | None = None, options: dict | None = None) -> Any:
    """scipy.optimize.minimize, with the gradient, and for methods that take one the Hessian or its products.

    Value and gradient are one compiled function. The Hessian is dense for up to 64 variables, sparse where its pattern is
    (trust-constr), else its products are given. Constraints get their derivatives, too. Returns SciPy's OptimizeResult.

    >>> import tracegrad.scipy
    >>> found = tg.scipy.minimize(lambda x, a: np.sum((x - a) ** 4 + x**2), np.ones(2), args=(3.0,), method="trust-exact")
    >>> bool(found.success), found.x.round(6)
    (True, array([2., 2.]))
    """
    from scipy import optimize

    args, x = _tuple(args), _start(x0)
    name = method.lower() if isinstance(method, str) else method
    given: dict[str, Any] = {"jac": jac, "hess": hess, "hessp": hessp}
    if name in _NO_GRADIENT:
        fun = jit(fun)
    elif jac is None:
        fun, given["jac"] = value_and_grad(fun), True
        if hess is None and hessp is None:
            given |= _second(fun.fn, (x, *args), name)
    constraints = _constraints(constraints, name, x)
    return optimize.minimize(fun, x, args, method, **given, bounds=bounds, constraints=constraints, tol=tol, callback=callback,
                             options=options)


def _second(fun: Callable, args: tuple, method: Any) -> dict:
    if method in _MATRIX:
        return {"hess": hessian(fun)}
    if method not in _SECOND:
        return {}
    if method == "trust-krylov":                        # multiplies only
        return {"hessp": hessian_product(fun)}
    hess, hessp = hessian_for(fun, args, sparse=method == "trust-constr")
    return {"hess": hess, "hessp": hessp}


def _constraints(constraints: Any, method: Any, x: np.ndarray) -> Any:
    if isinstance(constraints, (list, tuple)):
        return [_constraint(c, method, x) for c in constraints]
    return _constraint(constraints, method, x)


def _constraint(constraint: Any, method: Any, x: np.ndarray) -> Any:
    """With the derivatives that are missing."""
    from scipy.optimize import BFGS, SR1, NonlinearConstraint

    if isinstance(constraint, dict):
        if constraint.get("jac") is not None or method in _NO_GRADIENT:
            return constraint
        return {**constraint, "fun": jit(vector(constraint["fun"])), "jac": jacobian(vector(constraint["fun"]))}
    if not isinstance(constraint, NonlinearConstraint) or method in _NO_GRADIENT:
        return constraint
    f, jac, hess = constraint.fun, constraint.jac, constraint.hess
    if callable(jac):
        return constraint
    if isinstance(hess, (str, BFGS, SR1)) and method == "trust-constr":
        hess = weighted_hessian(f)
    jac = jacobian_for(f, (x,), sparse=method == "trust-constr")
    return NonlinearConstraint(jit(vector(f)), constraint.lb, constraint.ub, jac, hess, constraint.keep_feasible)


def root(fun: Callable, x0: Any, args: Any = (), method: str = "hybr", jac: Any = None, tol: float | None = None,
         callback: Callable | None = None, options: dict | None = None) -> Any:
    """scipy.optimize.root, with the Jacobian for the methods that take one (hybr, lm). Returns SciPy's OptimizeResult.

    >>> import tracegrad.scipy
    >>> tg.scipy.root(lambda x: x**3 - np.array([8.0, 27.0]), np.ones(2)).x.round(9)
    array([2., 3.])
    """
    from scipy import optimize

    if jac is None and method.lower() in _ROOT_WITH_JACOBIAN:
        jac = jacobian(vector(fun))
    if jac is not True:
        fun = jit(vector(fun))
    return optimize.root(fun, _start(x0), args, method, jac, tol, callback, options)


def root_scalar(f: Callable, args: Any = (), method: str | None = None, bracket: Any = None, fprime: Any = None,
                fprime2: Any = None, x0: float | None = None, **options: Any) -> Any:
    """scipy.optimize.root_scalar, with first and second derivative. Returns SciPy's RootResults.

    >>> import tracegrad.scipy
    >>> round(float(tg.scipy.root_scalar(lambda x: x**3 - 8.0, x0=1.0, method="halley").root), 9)
    2.0
    """
    from scipy import optimize

    if fprime is None and (method in ("newton", "halley") or (method is None and bracket is None and "x1" not in options)):
        fprime = grad(f)
    if fprime2 is None and method == "halley":
        fprime2 = grad(grad(f))
    return optimize.root_scalar(_of_float(jit(f)), args, method, bracket, _of_float(fprime), _of_float(fprime2),
                                None if x0 is None else float(x0), **options)


def _of_float(f: Any) -> Any:
    """The function for Python floats: SciPy passes them and NumPy's in turn."""
    return (lambda x, *args: f(float(x), *args)) if callable(f) else f


def least_squares(fun: Callable, x0: Any, jac: Any = "2-point", bounds: Any = (-np.inf, np.inf), method: str = "trf", *,
                  args: Any = (), kwargs: dict | None = None, **options: Any) -> Any:
    """scipy.optimize.least_squares, with the Jacobian, sparse where its pattern is and the method takes one.

    Returns SciPy's OptimizeResult.

    >>> import tracegrad.scipy
    >>> tg.scipy.least_squares(lambda x: np.array([x[0] - 1.0, 10.0 * (x[1] - x[0] ** 2)]), np.zeros(2)).x.round(6)
    array([1., 1.])
    """
    from scipy import optimize

    kwargs = kwargs or {}
    if not callable(jac):
        sparse = method != "lm" and options.get("tr_solver") != "exact"
        jac = jacobian_for(fun, (_start(x0), *_tuple(args)), kwargs, sparse=sparse)
    return optimize.least_squares(jit(vector(fun)), _start(x0), jac, bounds, method, args=args, kwargs=kwargs, **options)


def curve_fit(f: Callable, xdata: Any, ydata: Any, p0: Any = None, sigma: Any = None, absolute_sigma: bool = False,
              check_finite: bool | None = None, bounds: Any = (-np.inf, np.inf), method: str | None = None, jac: Any = None,
              **options: Any) -> Any:
    """scipy.optimize.curve_fit of f(xdata, *parameters), with the derivatives by the parameters. Returns what SciPy returns.

    >>> import tracegrad.scipy
    >>> t = np.linspace(0.0, 1.0, 9)
    >>> found, covariance = tg.scipy.curve_fit(lambda t, a, b: a * np.exp(-b * t), t, 2.0 * np.exp(-3.0 * t), p0=(1.0, 1.0))
    >>> found.round(6)
    array([2., 3.])
    """
    from scipy import optimize

    model = _of_packed(f)
    value, slope = jit(model), jacobian(model)

    def packed(compiled: Callable) -> Callable:
        return functools.wraps(f)(lambda x, *parameters: compiled(np.array(parameters, float), x))
    return optimize.curve_fit(packed(value), xdata, ydata, p0, sigma, absolute_sigma, check_finite, bounds, method,
                              packed(slope) if jac is None else jac, **options)


def _of_packed(f: Callable) -> Callable:
    def model(parameters: Any, x: Any) -> Any:
        return np.asarray(f(x, *parameters))
    return model
