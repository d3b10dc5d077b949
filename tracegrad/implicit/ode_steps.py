"""One step of a differential equation dy/dt = f(y, t), by an explicit method and by an implicit one.

    RK45      Dormand and Prince, J. Comput. Appl. Math. 6 (1980), as SciPy's RK45; the polynomial is that of L. F. Shampine,
              Math. Comput. 46 (1986)

        k_i = f(y + h sum_j a_ij k_j, t + c_i h)          y' = y + h sum_i b_i k_i          error = h sum_i e_i k_i

    Rodas5P   a Rosenbrock method for stiff equations, L-stable: G. Steinebach, BIT Numer. Math. 63, 27 (2023). There is no
              iteration: each stage solves with the same matrix, in which J = df/dy is exact

        (I / (g h) - J) k_i = f(y + sum_j a_ij k_j, t + c_i h) + sum_j (C_ij / h) k_j + h d_i df/dt
        y' = y + sum_i b_i k_i, where b_i = a_8i and b_8 = 1              error = k_8

Both have order 5, an error estimate of order 4, and a polynomial of degree 4 through the step:

    y(t + u h) = y + u p_1 + u^2 p_2 + u^3 p_3 + u^4 p_4
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..jacobians.jacobians import jacobian
from ..operators.transforms import jvp
from .ode_banded import banded_jacobian, banded_solve

NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0)
STAGES = ((), (1 / 5,), (3 / 40, 9 / 40), (44 / 45, -56 / 15, 32 / 9), (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
          (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656))
WEIGHTS = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
ERRORS = (-71 / 57600, 0.0, 71 / 16695, -71 / 1920, 17253 / 339200, -22 / 525, 1 / 40)
POLYNOMIAL = ((1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
              (-8048581381 / 2820520608, 0.0, 131558114200 / 32700410799, -1754552775 / 470086768,
               127303824393 / 49829197408, -282668133 / 205662961, 40617522 / 29380423),
              (8663915743 / 2820520608, 0.0, -68118460800 / 10900136933, 14199869525 / 1410260304,
               -318862633887 / 49829197408, 2019193451 / 616988883, -110615467 / 29380423),
              (-12715105075 / 11282082432, 0.0, 87487479700 / 32700410799, -10690763975 / 1880347072,
               701980252875 / 199316789632, -1453857185 / 822651844, 69997945 / 29380423))

R_GAMMA = 0.21193756319429014
R_NODES = (0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0, 1.0, 1.0)
R_TIMES = (0.21193756319429014, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734, 2.325825639765069, 0.0, 0.0, 0.0)
_R_LAST = (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946)
R_STAGES = ((), (3.0,), (2.849394379747939, 0.45842242204463923),
            (-6.954028509809101, 2.489845061869568, -10.358996098473584),
            (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
            _R_LAST, (*_R_LAST, 1.0), (*_R_LAST, 1.0, 1.0))
R_COUPLINGS = (
    (), (-14.155112264123755,), (-17.97296035885952, -2.859693295451294),
    (147.12150275711716, -1.41221402718213, 71.68940251302358),
    (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
    (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
    (30.91273214028599, -3.1208243349937974, 77.79954646070892, 34.28646028294783, -19.097331116725623, -28.087943162872662),
    (37.80277123390563, -3.2571969029072276, 112.26918849496327, 66.9347231244047, -40.06618937091002, -54.66780262877968,
     -9.48861652309627))
R_POLYNOMIAL = (
    (25.948786856663858, -2.5579724845846235, 10.433815404888879, -2.3679251022685204, 0.524948541321073, 1.1241088310450404,
     0.4272876194431874, -0.17202221070155493),
    (-9.91568850695171, -0.9689944594115154, 3.0438037242978453, -24.495224566215796, 20.176138334709044, 15.98066361424651,
     -6.789040303419874, -6.710236069923372),
    (11.419903575922262, 2.8879645146136994, 72.92137995996029, 80.12511834622643, -52.072871366152654, -59.78993625266729,
     -0.15582684282751913, 4.883087185713722))


def _square(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """Rows of a table, filled up with zeros."""
    return np.array([[*row, *[0.0] * (len(rows) - len(row))] for row in rows])


_STAGES, _NODES = _square([*STAGES, WEIGHTS]), np.array([*NODES, 1.0])
_R_STAGES, _R_COUPLINGS, _R_NODES, _R_TIMES = _square(R_STAGES), _square(R_COUPLINGS), np.array(R_NODES), np.array(R_TIMES)


class Step(NamedTuple):
    """after: y at its end; last: the slope there; wrong: the estimated error; ks: the stages, in which an explicit
    method counts the slope at the end."""

    after: Any
    last: Any
    wrong: Any
    ks: Any


class Method(NamedTuple):
    """step(slope, band) -> (y, t, h, slope at y, args) -> Step;   rolled: the same as a smaller program;   implicit: whether it
    solves with the Jacobian;   curve(y, step, h) -> p_1 … p_4."""

    step: Callable
    rolled: Callable
    curve: Callable
    implicit: bool


def _mixed(factors: Sequence[float], ks: Any) -> Any:
    """sum_i factors_i k_i, without the terms that are zero."""
    total: Any = None
    for n, factor in enumerate(factors):
        if factor != 0.0:
            total = factor * ks[n] if total is None else total + factor * ks[n]
    return total


def _summed(factors: Any, ks: Any) -> Any:
    """The same with a row of a table that only run time knows."""
    return np.sum(np.reshape(factors.astype(ks.dtype), (-1, *[1] * (np.ndim(ks) - 1))) * ks, axis=0)


def _explicit(slope: Callable, band: Any) -> Callable:
    def step(y: Any, s: Any, h: Any, first: Any, args: Any) -> Any:
        ks = [first]
        for a, c in zip(STAGES[1:], NODES[1:]):
            ks.append(slope(y + h * _mixed(a, ks), s + c * h, args))
        after = y + h * _mixed(WEIGHTS, ks)
        last = slope(after, s + h, args)
        return Step(after, last, h * _mixed(ERRORS, [*ks, last]), (*ks, last))

    return step


def _explicit_rolled(slope: Callable, band: Any) -> Callable:
    """The same as a loop over the stages: a seventh of the program, for a right side that is large."""
    def step(y: Any, s: Any, h: Any, first: Any, args: Any) -> Any:
        ks = np.zeros((len(_NODES), *np.shape(y)), y.dtype)
        ks[0] = first
        for i in range(1, len(_NODES)):
            ks[i] = slope(y + h * _summed(_STAGES[i], ks), s + _NODES[i] * h, args)
        return Step(y + h * _mixed(WEIGHTS, ks), ks[6], h * _mixed(ERRORS, ks), ks)

    return step


def _explicit_curve(y: Any, step: Step, h: Any) -> Any:
    return tuple([h * _mixed(row, step.ks) for row in POLYNOMIAL])


def _rosenbrock(slope: Callable, band: Any) -> Callable:
    def step(y: Any, s: Any, h: Any, first: Any, args: Any) -> Any:
        shape, dtype = np.shape(y), y.dtype

        def flat(v: Any) -> Any:
            return np.ravel(slope(np.reshape(v, shape), s, args))

        if band is None:
            matrix = np.eye(np.size(y), dtype=dtype) / (R_GAMMA * h) - jacobian(flat)(np.ravel(y))
        else:
            diagonal = np.zeros((band[0] + band[1] + 1, 1), dtype)
            diagonal[band[1]] = 1.0
            matrix = diagonal / (R_GAMMA * h) - banded_jacobian(flat, np.ravel(y), band)
        drift = jvp(lambda r: slope(y, r, args), (s,), (1.0,))[1]
        ks = np.zeros((len(_R_NODES), *shape), dtype)
        for i in range(len(_R_NODES)):
            at = slope(y + _summed(_R_STAGES[i], ks), s + _R_NODES[i] * h, args)
            right = np.ravel(at + _summed(_R_COUPLINGS[i], ks) / h + (h * _R_TIMES[i]) * drift)
            k = np.linalg.solve(matrix, right) if band is None else banded_solve(band)(matrix, right)
            ks[i] = np.reshape(k, shape)
        after = y + (_mixed(R_STAGES[-1], ks) + ks[7])
        return Step(after, slope(after, s + h, args), ks[7] * 1.0, ks)

    return step


def _rosenbrock_curve(y: Any, step: Step, h: Any) -> Any:
    """From y (1 - u) + u y' + u (1 - u) (q_1 + u q_2 + u^2 q_3), which is how the source writes it."""
    q = [_mixed(row, step.ks) for row in R_POLYNOMIAL]
    return step.after - y + q[0], q[1] - q[0], q[2] - q[1], -q[2]


METHODS = {"RK45": Method(_explicit, _explicit_rolled, _explicit_curve, False),
           "Rodas5P": Method(_rosenbrock, _rosenbrock, _rosenbrock_curve, True)}
