"""The decorators `custom_jvp` and `custom_vjp`; what they make is in operators/custom.py."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .custom import CustomJVP, CustomVJP


def custom_jvp(fun: Callable | None = None, nondiff_argnums: int | tuple[int, ...] = ()) -> Any:
    """A function whose derivative a rule for forward mode gives: `f.defjvp(rule)` or `f.defjvps(…)`.

    rule(primals, tangents) returns (out, out_dot). It serves forward mode, and where it is linear in the tangents its
    transpose serves reverse mode. Derivatives of higher order differentiate the rule itself.
    nondiff_argnums   positions of arguments that are not differentiated; the rule gets them first, one by one

    Parameters: `fun`, the function, and this one.
    Result: a function of the same arguments, which compiles; with `fun` left out, a decorator.
    Errors: ArgumentTypeError, ShapeError, DTypeError where what the rule returns does not fit, when it is traced.

    >>> @tg.custom_jvp
    ... def f(x):
    ...     return x**2
    >>> @f.defjvp
    ... def rule(primals, tangents):
    ...     return f(*primals), 100.0 * tangents[0]
    >>> float(tg.grad(f)(3.0))
    100.0
    """
    return functools.partial(custom_jvp, nondiff_argnums=nondiff_argnums) if fun is None else CustomJVP(fun, nondiff_argnums)


def custom_vjp(fun: Callable | None = None, nondiff_argnums: int | tuple[int, ...] = ()) -> Any:
    """A function whose derivative a rule for reverse mode gives: `f.defvjp(fwd, bwd)`.

    fwd(*args) returns (out, residuals), bwd(residuals, out_bar) a tuple with the cotangent of each argument. It serves reverse
    mode, and where bwd is linear in out_bar its transpose serves forward mode. Derivatives of higher order differentiate fwd
    and bwd.
    nondiff_argnums   positions of arguments that are not differentiated; bwd gets them first, one by one

    Parameters: `fun`, the function, and this one.
    Result: a function of the same arguments, which compiles; with `fun` left out, a decorator.
    Errors: ArgumentTypeError, ShapeError, DTypeError where what the rules return does not fit, when they are traced.

    >>> @tg.custom_vjp
    ... def f(x):
    ...     return x**2
    >>> f.defvjp(lambda x: (f(x), x), lambda x, out_bar: (100.0 * out_bar,))
    >>> float(tg.grad(f)(3.0))
    100.0
    """
    return functools.partial(custom_vjp, nondiff_argnums=nondiff_argnums) if fun is None else CustomVJP(fun, nondiff_argnums)
