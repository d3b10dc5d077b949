"""tracegrad: machine code and exact derivatives for ordinary NumPy functions.

jit, grad, value_and_grad, jvp, vjp, linearize, stop_gradient, check_grads, disable_jit, config, cache; for neighbours scipy,
implicit and interop, for programs without Python export and load; see docs/ for the manual.
"""
from os import path as _path

if not _path.isdir(_path.join(__path__[0], "ir")):  # a checkout's own folder is imported: the parts lie beside it
    __path__.append(_path.dirname(__path__[0]))

from . import cache, tree
from . import lazy_names as _lazy_names
from .explain import explain
from .ir.errors import (
    ArgumentError,
    ArgumentTypeError,
    BoundsError,
    ConcretizationError,
    DTypeError,
    IRError,
    NumericsError,
    ShapeError,
    TracegradError,
    UnsupportedError,
)
from .jacobians.jacobians import hessian, hvp, jacfwd, jacobian, jacrev
from .jacobians.sparsity import sparsity
from .jitted.api import Jitted
from .jitted.evaluated_shapes import eval_shape
from .jitted.functions import jit
from .operators.batching import vmap
from .operators.check import GradientMismatch, check_grads
from .operators.checkpoint import checkpoint
from .operators.custom_decorators import custom_jvp, custom_vjp
from .operators.transforms import grad, jvp, linearize, stop_gradient, value_and_grad, vjp
from .options import config, disable_jit
from .tracer.control.loop_pragmas import rolled, unroll
from .tracer.staging.shape_struct import ShapeDtypeStruct
from .tracer.values.unrepeatable import static

for _error in (ArgumentError, ArgumentTypeError, BoundsError, ConcretizationError, DTypeError, GradientMismatch, IRError,
               NumericsError, ShapeError, TracegradError, UnsupportedError):
    _error.__module__ = __name__                 # as users name them, in tracebacks too

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "BoundsError",
    "ConcretizationError",
    "DTypeError",
    "GradientMismatch",
    "IRError",
    "Jitted",
    "NumericsError",
    "ShapeDtypeStruct",
    "ShapeError",
    "TracegradError",
    "UnsupportedError",
    "cache",
    "check_grads",
    "checkpoint",
    "config",
    "custom_jvp",
    "custom_vjp",
    "disable_jit",
    "eval_shape",
    "explain",
    "export",
    "grad",
    "hessian",
    "hvp",
    "implicit",
    "interop",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "linearize",
    "load",
    "rolled",
    "scipy",
    "sparsity",
    "static",
    "stop_gradient",
    "tree",
    "unroll",
    "value_and_grad",
    "vjp",
    "vmap",
]


def __dir__() -> list[str]:
    """What users name."""
    return sorted([*__all__, "__version__"])


_lazy_names.connect()
__getattr__ = _lazy_names.finder(globals(), __name__)
