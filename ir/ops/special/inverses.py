"""Inverses of distribution functions in any of their arguments: SciPy's routines (library.py).

Where F(v_1 … v_n) = p is solved for v_i, the implicit function theorem gives both kinds of slope:

    ∂v_i/∂p = 1 / F_i,     ∂v_i/∂v_j = -F_j / F_i,     F_k = ∂F/∂v_k at the solution

SciPy takes p in the place of v_i. Counts (k, n) are numbers like others where they are solved for. A parameter that would lie
outside of what is searched, 0 to 1e100, is given as the end, and stays there: slope 0.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .further import INSIDE
from .incomplete import _F_BY, ABOVE, RIGHT, _half_gamma, _scaled_gamma, _t_density
from .library import library

if TYPE_CHECKING:
    from ...build import Expr

Slopes = Sequence[Any]                  # of F by each argument: formulas of the arguments and of F; ... where none is known


def _inverse(name: str, slopes: Slopes, at: int, domain: tuple, *, searched: bool = False, whole: Sequence[int] = ()) -> None:
    """Declare `name`, which solves for argument number `at`, `searched` where it is a parameter; in the arguments `whole` it
    has steps, and so no slope."""
    def partial(k: int) -> Any:
        if k in whole or slopes[k] is ... or slopes[at] is ...:
            return None if k in whole else ...

        def slope(*operands: Expr) -> Any:
            *given, out = operands
            arguments = (*given[:at], out, *given[at + 1:], given[at])
            found = 1 / slopes[at](*arguments) if k == at else -slopes[k](*arguments) / slopes[at](*arguments)
            return ((out == 0) | (out >= 1e100)).select(0, found) if searched else found

        return slope

    library(name, len(slopes), tuple(map(partial, range(len(slopes)))), domain=domain)


def _beta() -> tuple[Callable, ...]:
    """Of I_x(a, b)."""
    return (lambda a, b, x, F: a.betainc_by0_1(b, x), lambda a, b, x, F: a.betainc_by1_1(b, x),
            lambda a, b, x, F: a.beta_density(b, x))


def _binomial() -> tuple[Callable, ...]:
    """Of Σ_(j ≤ k) = I_(1-p)(n - k, k + 1)."""
    by_a, by_b, by_x = _beta()
    return (lambda k, n, p, F: by_b(n - k, k + 1, 1 - p, F) - by_a(n - k, k + 1, 1 - p, F),
            lambda k, n, p, F: by_a(n - k, k + 1, 1 - p, F), lambda k, n, p, F: -by_x(n - k, k + 1, 1 - p, F))


def _negative_binomial() -> tuple[Callable, ...]:
    """Of Σ_(j ≤ k) = I_p(n, k + 1)."""
    by_a, by_b, by_x = _beta()
    return (lambda k, n, p, F: by_b(n, k + 1, p, F), lambda k, n, p, F: by_a(n, k + 1, p, F),
            lambda k, n, p, F: by_x(n, k + 1, p, F))


def _poisson() -> tuple[Callable, ...]:
    """Of Σ_(j ≤ k) = Q(k + 1, m)."""
    return lambda k, m, F: -(k + 1).gammainc_by0_1(m), lambda k, m, F: -(k + 1).gamma_density(m)


def _normal() -> tuple[Callable, ...]:
    """Of Φ(z), z = (x - m)/s."""
    def density(m: Expr, s: Expr, x: Expr) -> Any:
        z = (x - m) / s
        return (z * z * -0.5).exp() * (1 / math.sqrt(2 * math.pi)) / s

    return (lambda m, s, x, F: -density(m, s, x), lambda m, s, x, F: density(m, s, x) * (m - x) / s,
            lambda m, s, x, F: density(m, s, x))


_T = lambda v, t, F: -t.sign() * v.t_tail_by0_1(t), lambda v, t, F: _t_density(v, t)
_NONCENTRAL = lambda x, k, c, F: x._ncx2_pdf(k, c), ..., lambda x, k, c, F: (x.chndtr(k + 2, c) - F) * 0.5


def _floored(slopes: Slopes) -> Slopes:
    """Of a sum with the whole parts of its counts, by the last argument, which is none."""
    return [*[...] * (len(slopes) - 1), lambda *given: slopes[-1](*[x.floor() for x in given[:-2]], *given[-2:])]



COUNT, MANY = (2.2, 2.8), (6.0, 6.0)

_inverse("gdtria", _scaled_gamma(1.0), 0, (INSIDE, RIGHT, ABOVE), searched=True)
_inverse("gdtrib", _scaled_gamma(1.0), 1, (ABOVE, INSIDE, ABOVE), searched=True)
_inverse("gdtrix", _scaled_gamma(1.0), 2, (ABOVE, RIGHT, INSIDE))
_inverse("chdtriv", _half_gamma(1.0), 0, (INSIDE, ABOVE), searched=True)
_inverse("fdtridfd", _F_BY, 1, (RIGHT, (0.3, 0.5), (0.5, 0.9)), searched=True)
_inverse("btdtria", _beta(), 0, (INSIDE, RIGHT, INSIDE), searched=True)
_inverse("btdtrib", _beta(), 1, (RIGHT, INSIDE, INSIDE), searched=True)
_inverse("stdtridf", _T, 0, ((0.7, 0.75), (0.8, 0.9)), searched=True)
_inverse("chndtrix", _NONCENTRAL, 0, (INSIDE, RIGHT, ABOVE))
_inverse("chndtrinc", _NONCENTRAL, 2, ((3.0, 4.0), (1.5, 2.0), (0.3, 0.5)), searched=True)
_inverse("chndtridf", _NONCENTRAL, 1, ((3.0, 4.0), (0.3, 0.5), (0.5, 1.0)), searched=True)
_inverse("nrdtrimn", _normal(), 0, (INSIDE, RIGHT, ABOVE))
_inverse("nrdtrisd", _normal(), 1, ((0.2, 0.5), (0.6, 0.9), (1.0, 2.0)))
_inverse("bdtrik", _binomial(), 0, (INSIDE, MANY, INSIDE), searched=True)
_inverse("bdtrin", _binomial(), 1, (COUNT, INSIDE, INSIDE), searched=True)
_inverse("bdtri", _floored(_binomial()), 2, (COUNT, MANY, INSIDE), whole=(0, 1))
_inverse("nbdtrik", _negative_binomial(), 0, (INSIDE, RIGHT, INSIDE), searched=True)
_inverse("nbdtrin", _negative_binomial(), 1, (COUNT, INSIDE, INSIDE), searched=True)
_inverse("nbdtri", _floored(_negative_binomial()), 2, (COUNT, MANY, INSIDE), whole=(0, 1))
_inverse("pdtrik", _poisson(), 0, (INSIDE, ABOVE), searched=True)
_inverse("pdtri", _floored(_poisson()), 1, (COUNT, INSIDE), whole=(0,))
for _name in ("nctdtrit", "nctdtridf", "nctdtrinc"):
    library(_name, 3, (..., ..., ...), domain=(INSIDE, RIGHT, INSIDE))
for _name in ("ncfdtri", "ncfdtridfn", "ncfdtridfd", "ncfdtrinc"):
    library(_name, 4, (..., ..., ..., ...), domain=(RIGHT, RIGHT, INSIDE, ABOVE))
