"""The special functions of SciPy as ops, a file for each family.

For differentiation each is one function with partial derivatives of its own, written in functions of these tables or of
ops/elementwise.py, which closes them under differentiation; for machine code it is a formula over other ops (probability,
gamma, digamma, transforms, part of bessel and incomplete) or a routine of SciPy (library.py says how such a function is
declared; cylinder, integrals, orthogonal and further declare the routines).
"""
from . import (  # noqa: F401
    bessel,
    cylinder,
    digamma,
    further,
    gamma,
    incomplete,
    integrals,
    inverses,
    orthogonal,
    probability,
    transforms,
)
