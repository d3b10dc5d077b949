"""root, fixed_point, argmin: Newton's method on a program, and its derivative.

All functions with a loop or a formula on `x` here are traced like the user's (tracer/syntax/source.py, OPEN). At a solution

    f(x, args) = 0   =>   df/dx x_dot + df/dargs args_dot = 0

which is a rule of forward mode, linear in args_dot; its transpose is reverse mode. The rule calls the solver again for x, so
derivatives of higher order differentiate the rule. x has one shape; the Jacobian is that of its elements in C order.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.errors import ArgumentError, ArgumentTypeError
from ..jacobians.jacobians import jacobian
from ..jitted.functions import jit
from ..operators.custom_decorators import custom_jvp
from ..operators.transforms import grad, jvp, stop_gradient
from ..tracer import tracing
from ..tracer.staging.arguments import where
from ..tracer.syntax import source
from ..tracer.values.boxes import Box, ScalarBox

if TYPE_CHECKING:
    pass

source.OPEN |= {__package__}

HALVINGS = 30            # of a step that does not bring f closer to zero


def root(f: Callable, x0: Any, *args: Any, tol: float = 1e-12, maxiter: int = 100, solver: Callable | None = None) -> Any:
    """x with f(x, *args) = 0, near x0, by Newton's method with steps that are halved until they help.

    Differentiable in `args` (arrays, numbers and containers of them) in every mode and order, and usable in compiled code. It
    does not depend on x0, which has derivative zero. f returns what has the shape of x.

    tol      the iteration ends where no element of a step is larger than tol * (1 + the largest of x); for float32 a few of its
             rounding errors count in its place
    solver   your own: solver(f, x0, *args) -> x, which may do what it likes; its own steps are not differentiated

    Raises RuntimeError where maxiter steps do not suffice, LinAlgError where the Jacobian is singular on the way.

    >>> power = lambda a: tg.implicit.root(lambda x, a: x**3 - a, 1.0, a)
    >>> round(float(power(8.0)), 9), round(tg.grad(power)(8.0), 9)
    (2.0, 0.083333333)
    """
    _expect(f, "root", tol, maxiter, solver)
    return _solved(_root(f, float(tol), int(maxiter), solver), x0, args)


def fixed_point(f: Callable, x0: Any, *args: Any, tol: float = 1e-12, maxiter: int = 1000,
                solver: Callable | None = None) -> Any:
    """x with f(x, *args) = x, by x = f(x, *args) again and again from x0. See `root` for the rest.

    It converges where f is a contraction near x; where it is not, use `root` of f(x) - x. The derivative is right in any case.

    >>> root = lambda a: tg.implicit.fixed_point(lambda x, a: 0.5 * (x + a / x), 1.0, a)
    >>> round(float(root(9.0)), 9), round(tg.grad(root)(9.0), 9)
    (3.0, 0.166666667)
    """
    _expect(f, "fixed_point", tol, maxiter, solver)
    return _solved(_fixed_point(f, float(tol), int(maxiter), solver), x0, args)


def argmin(f: Callable, x0: Any, *args: Any, tol: float = 1e-12, maxiter: int = 100, solver: Callable | None = None) -> Any:
    """x where the number f(x, *args) is smallest near x0, by Newton's method, made to go downhill. See `root` for the rest.

    Directions of negative curvature are taken downhill. The Hessian at the solution must be
    regular, else there is no derivative.

    >>> lowest = lambda a: tg.implicit.argmin(lambda x, a: np.cosh(x) - a * x, 0.0, a)
    >>> round(float(lowest(1.0)), 6), round(tg.grad(lowest)(1.0), 6)
    (0.881374, 0.707107)
    """
    _expect(f, "argmin", tol, maxiter, solver)
    return _solved(_argmin(f, float(tol), int(maxiter), solver), x0, args)


def _expect(f: Callable, name: str, tol: float, maxiter: int, solver: Callable | None) -> None:
    if not callable(f):
        raise ArgumentTypeError(f"tg.implicit.{name} takes a function first, got a {type(f).__name__}",
                                f"write tg.implicit.{name}(f, x0, *args)")
    if solver is not None and not callable(solver):
        raise ArgumentTypeError(f"solver of tg.implicit.{name} is a {type(solver).__name__}",
                                "pass a function solver(f, x0, *args) -> x")
    if isinstance(tol, Box) or isinstance(maxiter, Box) or not tol >= 0 or not maxiter >= 1:
        raise ArgumentError(f"tg.implicit.{name} takes a tol that is not negative and a maxiter of at least 1, both known "
                            f"before the program runs; got {tol!r} and {maxiter!r}", "", where(f))


def _solved(solve: Callable, x0: Any, args: tuple) -> Any:
    return solve(x0, args) if tracing.active() is not None else jit(solve)(x0, args)


# --- the rule ---------------------------------------------------------------------------------------------------------------

def _with_rule(residual: Callable, find: Callable) -> Callable:
    """The function (x0, args) -> x that `find` computes, where residual(x, *args) is zero."""
    def start(x0: Box, args: tuple[Box, ...]) -> Box:
        return inner(stop_gradient(_floating(x0)), args)

    @custom_jvp
    def inner(x0: Box, args: tuple[Box, ...]) -> Box:
        return find(x0, args)

    @inner.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x0, args), (_, args_dot) = primals, tangents
        x = inner(x0, args)
        rest = jvp(lambda *a: _elements(residual, x, *a), args, args_dot)[1] if len(args) > 0 else 0.0 * np.ravel(x)
        matrix = jacobian(lambda v: _elements(residual, _shaped(v, x), *args))(np.ravel(x))
        return x, _shaped(-np.linalg.solve(matrix, rest), x)

    return start


def _floating(x0: float | Box) -> Any:
    """The start as floats, so that an iteration from 0 can go anywhere."""
    x = np.asarray(x0)
    if x.dtype.kind in "biu":
        return x * 1.0 if x.ndim else x[()] * 1.0
    return x if x.ndim else x[()]


def _elements(f: Callable, x: Box, *args: Box) -> Any:
    """f(x, *args) as a vector of as many elements as x has."""
    found = np.ravel(np.asarray(f(x, *args)))
    if found.shape[0] != np.size(x):
        raise ValueError(f"f of tg.implicit must return as many numbers as x has: {np.size(x)}, and returns {found.shape[0]}")
    return found


def _shaped(v: Any, like: Box) -> Any:
    """A vector in the shape of x, a number where that is one."""
    return np.reshape(v, np.shape(like)) if np.ndim(like) else v[0]


def _least(x: Any, tol: float) -> float:
    """The tolerance, no smaller than rounding allows in the dtype of x."""
    return max(tol, 4 * float(np.finfo(x.dtype).eps))


def _largest(v: Any) -> ScalarBox:
    return np.max(np.abs(v), initial=0.0)


# --- the iterations ---------------------------------------------------------------------------------------------------------

def _root(f: Callable, tol: float, maxiter: int, solver: Any) -> Callable:
    newton = zero_of(f, tol, maxiter)
    return _with_rule(f, lambda x0, args: solver(f, x0, *args) if solver is not None else newton(x0, args))


def zero_of(f: Callable, tol: float, maxiter: int) -> Callable:
    """(x0, args) -> x with f(x, *args) = 0, without a rule for its derivative."""
    def newton(x0: Box, args: tuple[Box, ...]) -> Box:
        x = np.ravel(x0)
        least = _least(x, tol)

        def at(v: Any) -> Any:
            return _elements(f, _shaped(v, x0), *args)

        value, close, steps = at(x), False, 0
        while not close:
            if steps >= maxiter:
                raise RuntimeError(f"tg.implicit.root has not converged after {steps} steps: start nearer to the root")
            move = np.linalg.solve(jacobian(at)(x), value)
            size, near, scale = _largest(move), _largest(value), 1.0
            after = at(x - move)
            halvings = 0
            while not (_largest(after) <= near) and halvings < HALVINGS and size > least * (1.0 + _largest(x)):
                scale *= 0.5
                halvings += 1
                after = at(x - scale * move)
            x = x - scale * move
            value = after
            close = size <= least * (1.0 + _largest(x))
            steps += 1
        return _shaped(x, x0)

    return newton


def _fixed_point(f: Callable, tol: float, maxiter: int, solver: Any) -> Callable:
    def find(x0: ScalarBox, args: tuple[ScalarBox, ...]) -> ScalarBox:
        return solver(f, x0, *args) if solver is not None else iterate(x0, args)

    def iterate(x0: ScalarBox, args: tuple[ScalarBox, ...]) -> Any:
        x, close, steps = np.ravel(x0), False, 0
        least = _least(x, tol)
        while not close:
            if steps >= maxiter:
                raise RuntimeError(f"tg.implicit.fixed_point has not converged after {steps} steps: is f a contraction?")
            after = _elements(f, _shaped(x, x0), *args)
            close = _largest(after - x) <= least * (1.0 + _largest(after))
            x = after
            steps += 1
        return _shaped(x, x0)

    return _with_rule(lambda x, *args: np.asarray(f(x, *args)) - x, find)


def _argmin(f: Callable, tol: float, maxiter: int, solver: Any) -> Callable:
    descend = lowest_of(f, tol, maxiter)
    return _with_rule(lambda x, *args: grad(f)(x, *args),
                      lambda x0, args: solver(f, x0, *args) if solver is not None else descend(x0, args))


def lowest_of(f: Callable, tol: float, maxiter: int) -> Callable:
    """(x0, args) -> x where f(x, *args) is smallest, without a rule for its derivative."""
    def descend(x0: Box, args: tuple[ScalarBox, ...]) -> Box:
        x = np.ravel(x0)
        least = _least(x, tol)

        def at(v: Any) -> Any:
            return f(_shaped(v, x0), *args)

        close, steps = False, 0
        while not close:
            if steps >= maxiter:
                raise RuntimeError(f"tg.implicit.argmin has not converged after {steps} steps: start nearer to the minimum")
            value, slope = at(x), grad(at)(x)
            curvature, vectors = np.linalg.eigh(jacobian(grad(at))(x))
            floor = 1e-8 * _largest(curvature) + np.finfo(x.dtype).tiny
            move = vectors @ ((vectors.T @ slope) / np.maximum(np.abs(curvature), floor))     # downhill in every direction
            size, gain, scale, halvings = _largest(move), np.sum(slope * move), 1.0, 0
            while (not (at(x - scale * move) <= value - 1e-4 * scale * gain) and halvings < HALVINGS
                   and size > 1e-5 * (1.0 + _largest(x))):
                scale *= 0.5
                halvings += 1
            x = x - scale * move
            close = size <= least * (1.0 + _largest(x))
            steps += 1
        return _shaped(x, x0)

    return descend
