"""tracegrad: machine code and exact derivatives for ordinary NumPy functions.

jit, grad, value_and_grad, jvp, vjp, linearize, stop_gradient, check_grads, disable_jit, config; see docs/ for the manual.
"""
from .api import Jitted, jit
from .batching import vmap
from .check import GradientMismatch, check_grads
from .ir.errors import (ArgumentError, ArgumentTypeError, BoundsError, ConcretizationError, DTypeError, IRError, NumericsError, ShapeError,
                        TracegradError, UnsupportedError)
from .custom import custom_jvp, custom_vjp
from .explain import explain
from .jacobians import hessian, hvp, jacfwd, jacobian, jacrev
from .operators import grad, jvp, linearize, stop_gradient, value_and_grad, vjp
from .options import config, disable_jit
from .tracer.hints import rolled, unroll

for _error in (ArgumentError, ArgumentTypeError, BoundsError, ConcretizationError, DTypeError, GradientMismatch, IRError, ShapeError,
               TracegradError, UnsupportedError):
    _error.__module__ = __name__                 # as users name them, in tracebacks too

__version__ = "0.1.0"
__all__ = [
    "ArgumentError", "ArgumentTypeError", "BoundsError", "ConcretizationError", "DTypeError", "GradientMismatch", "IRError", "Jitted",
    "ShapeError", "TracegradError", "UnsupportedError", "check_grads", "config", "custom_jvp", "custom_vjp", "disable_jit", "explain", "grad", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jit", "jvp", "linearize",
    "rolled", "stop_gradient", "unroll", "value_and_grad", "vjp", "vmap",
]
