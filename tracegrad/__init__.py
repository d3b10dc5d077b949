"""tracegrad: machine code and exact derivatives for ordinary NumPy functions.

jit, grad, value_and_grad, jvp, vjp, linearize, stop_gradient, check_grads, disable_jit, config, cache; for neighbours scipy,
implicit and interop, for programs without Python export and load; see docs/ for the manual.
"""
from functools import partial as _partial
from importlib import import_module as _import_module
from os import path as _path
from typing import Any as _Any

if not _path.isdir(_path.join(__path__[0], "ir")):  # a checkout's own folder is imported: the parts lie beside it
    __path__.append(_path.dirname(__path__[0]))

from . import cache, rich_display, tree, version
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
from .tracer.calling import scipy_source as _scipy_source
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


_LATER = ("implicit", "interop", "scipy")         # packages that are imported when they are asked for
_FUNCTIONS_LATER = {"export": "aot.export", "load": "aot.loader",      # functions with the modules that have them
                    "load_ipython_extension": "notebook.extension", "unload_ipython_extension": "notebook.extension"}
_scipy_source.LATE["integrate", "odeint"] = lambda: _import_module(f"{__name__}.implicit.ode").like_scipy
for _name, _by in {**{_n: _n for _n in ("newton", "bisect", "toms748", "solve_ivp")},
                   **dict.fromkeys(("brentq", "brenth", "ridder"), "brentq")}.items():
    _scipy_source.LATE["integrate" if _name == "solve_ivp" else "optimize", _name] = (
        lambda by=_by: getattr(_import_module(f"{__name__}.implicit.scipy_roots"), by))


def _display(name: str) -> _Any:
    """What makes the HTML of an object of this kind."""
    return getattr(_import_module(f"{__name__}.notebook.display"), f"{name}_html")
for _package, _module, _names in (("integrate", "scipy_quad", "quad dblquad tplquad quad_vec"),
                                  ("sparse.linalg", "scipy_sparse", "spsolve cg"),
                                  ("optimize", "scipy_minima", "minimize_scalar root_scalar root fsolve fixed_point minimize")):
    for _name in _names.split():
        _scipy_source.LATE[_package, _name] = (
            lambda by=_name, module=_module: getattr(_import_module(f"{__name__}.implicit.{module}"), by))


rich_display.MAKERS |= {name: _partial(_display, name) for name in ("jitted", "lowered")}


def __getattr__(name: str) -> _Any:
    """What is asked for rarely: `__version__`, as reading it takes longer than all else here, and what is for neighbours."""
    if name in _LATER:
        return _import_module(f"{__name__}.{name}")
    if name in _FUNCTIONS_LATER:
        globals()[name] = found = getattr(_import_module(f"{__name__}.{_FUNCTIONS_LATER[name]}"), name)
        return found
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = version.found()
    return found
