"""Functions of complex numbers, by the real and the imaginary part of their argument."""
from __future__ import annotations

import cmath

import mpmath as mp
import numpy as np

from .arrays import Arrays, at
from .conventions import kink
from .points import Points
from .pythons import each

AROUND_0 = ((0.0, 0.0), (0.5, -0.7), (0.0, 1.0), (-1.0, 0.0))
AWAY = ((1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (-1.0, 2.0), (3.0, 4.0))
INSIDE = ((0.0, 0.0), (0.5, 0.0), (0.5, -0.7), (2.0, 1.0))

# name of NumPy's ufunc -> (its points, mpmath's function)
ANALYTIC = {
    "exp": (AROUND_0, mp.exp), "exp2": (AROUND_0, lambda z: mp.mpf(2) ** z), "expm1": (AROUND_0, lambda z: mp.exp(z) - 1),
    "sin": (AROUND_0, mp.sin), "cos": (AROUND_0, mp.cos), "tan": (AROUND_0, mp.tan), "sinh": (AROUND_0, mp.sinh),
    "cosh": (AROUND_0, mp.cosh), "tanh": (AROUND_0, mp.tanh), "square": (AROUND_0, lambda z: z * z),
    "log": (AWAY, mp.log), "log2": (AWAY, lambda z: mp.log(z) / mp.log(2)), "log10": (AWAY, lambda z: mp.log(z) / mp.log(10)),
    "log1p": (((0.0, 0.0), (0.0, 1.0), (1.0, -2.0)), lambda z: mp.log(1 + z)), "sqrt": (AWAY, mp.sqrt),
    "reciprocal": (AWAY, lambda z: 1 / z), "arcsin": (INSIDE, mp.asin), "arccos": (INSIDE, mp.acos),
    "arctan": (INSIDE, mp.atan),
    "arcsinh": (INSIDE, mp.asinh), "arccosh": (((2.0, 1.0), (0.5, -0.7), (0.0, 1.0)), mp.acosh), "arctanh": (INSIDE, mp.atanh),
}
CMATH = {**{name: name for name in ("exp", "sqrt", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
         **{f"a{name}": f"arc{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")}}


def both(f):
    """Both parts of f(x + iy) in one number, which mixes them up for good."""
    def function(x, y):
        z = f(x + 1j * y)
        return np.real(z) + 0.5 * np.imag(z)
    return function


def reference(f):
    def function(x, y):
        z = f(mp.mpc(mp.re(x), mp.re(y)))
        return mp.re(z) + mp.im(z) / 2
    return function


def of_python(f):
    def function(x, y):
        z = f(complex(x, y))
        return z.real + 0.5 * z.imag
    return each(function)


def size(x, y):
    return mp.sqrt(np.sum(x * x) + np.sum(y * y))


ROWS = [
    *(Points(f"complex {name}", both(getattr(np, name)), points, reference(f)) for name, (points, f) in ANALYTIC.items()),
    *(Points(f"cmath.{name}", of_python(getattr(cmath, name)), ANALYTIC[numpys][0], reference(ANALYTIC[numpys][1]),
             single=False) for name, numpys in CMATH.items()),
    *(Points(f"complex power {n}", both(lambda z, n=n: z ** n), AROUND_0 if n >= 0 else AWAY, reference(lambda z, n=n: z ** n))
      for n in (0, 1, 2, 3, -1, -2)),
    Points("complex power 0.5", both(lambda z: z ** 0.5), AWAY, reference(mp.sqrt)),
    Points("complex power 1.5", both(lambda z: z ** 1.5), AWAY, reference(lambda z: mp.sqrt(z) * z)),
    Points("complex quotient", both(lambda z: (z - 1.0) / (z + 2.0)), AROUND_0, reference(lambda z: (z - 1) / (z + 2))),
    Points("complex conjugate", both(np.conj), AROUND_0, reference(mp.conj)),
    Points("abs of complex at 0", lambda x, y: np.abs(x + 1j * y), ((0.0, 0.0), (0.0, 2.0)), lambda x,
           y: mp.sqrt(x * x + y * y),
           kink("np.abs(x + 1j * y)")),
    Arrays("norm of complex", lambda x, y: np.linalg.norm(x + 1j * y), [at([0.0, 3.0], [0.0, 4.0]), at([1.0, 0.0], [0.0, 0.0])],
           size),
    Arrays("squares of norms of complex", lambda x, y: np.linalg.norm(x + 1j * y) ** 2,
           [at([0.0, 3.0], [0.0, 4.0]), at([0.0, 0.0], [0.0, 0.0])], lambda x, y: np.sum(x * x) + np.sum(y * y), least=1.0),
    Arrays("prod of complex", lambda x, y: np.real(np.prod(x + 1j * y)),
           [at([0.0, 3.0], [0.0, 4.0]), at([0.0, 0.0], [0.0, 0.0])],
           lambda x, y: x[0] * x[1] - y[0] * y[1], least=1.0),
    Arrays("det of complex", lambda x, y: np.real(np.linalg.det(x + 1j * y)),
           [at([[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, 0.0]])],
           lambda x, y: x[0, 0] * x[1, 1] - y[0, 0] * y[1, 1] - x[0, 1] * x[1, 0] + y[0, 1] * y[1, 0]),
    Arrays("squares of eigenvalues", lambda a: np.sum(np.real(np.linalg.eigvals(a + 0j) ** 2)),
           [at([[1.0, 2.0], [3.0, 4.0]]), at([[1.0, 0.0], [0.0, 1.0]], orders=1)], lambda a: np.sum(a * a.T),
           covers=("linalg.eigvals", "op:eigvals")),
    Arrays("squares of roots", lambda p: np.sum(np.real(np.roots(p) ** 2)),
           [at([1.0, -3.0, 2.0]), at([2.0, 1.0, 3.0])], lambda p: (p[1] / p[0]) ** 2 - 2 * p[2] / p[0], covers=("roots",)),
    Arrays("squares of roots, lowest power first", lambda p: np.sum(np.real(np.polynomial.polynomial.polyroots(p) ** 2)),
           [at([2.0, -3.0, 1.0]), at([3.0, 1.0, 2.0])], lambda p: (p[1] / p[2]) ** 2 - 2 * p[0] / p[2],
           covers=("polynomial.polynomial.polyroots",)),
    Arrays("polydiv", lambda u, v: np.sum(np.polydiv(u, v)[0]), [at([1.0, 5.0, 2.0], [2.0, 3.0])],
           lambda u, v: u[0] / v[0] + (u[1] - u[0] * v[1] / v[0]) / v[0]),
    Arrays("squares of eigenvalues of eig", lambda a: np.sum(np.real(np.linalg.eig(a + 0j)[0] ** 2)),
           [at([[1.0, 2.0], [3.0, 4.0]]), at([[1.0, 0.0], [0.0, 1.0]], orders=1)], lambda a: np.sum(a * a.T),
           covers=("linalg.eig", "op:eig")),
]
