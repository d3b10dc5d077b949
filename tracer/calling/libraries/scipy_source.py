"""Functions of SciPy on boxes: the NumPy programs of scipy/programs, which are rewritten like a function of the user.

A function is known by the name of its package and its own, so SciPy need not be imported to tell. One of SciPy's that has no
program is refused by name where an argument is traced.
"""
from __future__ import annotations

import functools
import types
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ....ir.errors import UnsupportedError
from ... import pytrees
from ...scipy.programs import cosines, finite_searches, sampled
from ...scipy.programs.filters import (
    convolutions,
    filter_design,
    forms,
    morphology,
    neighbourhoods,
    peaks,
    planes,
    polyphase,
    resampled,
    systems,
)
from ...scipy.programs.interpolate import choice as interpolation
from ...scipy.programs.interpolate.stands import Stand
from ...scipy.programs.linalg import control, factorisations, indefinite, matrices, matrix_functions, over_numpy
from ...scipy.programs.spatial import rotations
from ...scipy.programs.stats import density_estimates, methods, multivariate, of_matrices, ranked, slopes, vectors
from ...syntax import source
from ...values.boxes import HOOKS
from ...values.promotion import fail
from .. import calls, dispatch
from . import scipy_borrowed
from .scipy_borrowed import boxed

source.OPEN |= {module.__package__ for module in (sampled, over_numpy, methods, interpolation, convolutions, rotations)}
_REMEDY = "compose it from functions that are, or call it before the compiled function and pass the result in"


def _programs(module: ModuleType) -> dict:
    return {name: f for name, f in vars(module).items() if isinstance(f, types.FunctionType) and f.__module__ == module.__name__
            and not name.startswith("_")}


PROGRAMS = {"linalg": _programs(over_numpy) | _programs(matrices) | _programs(control) | _programs(factorisations)
            | _programs(matrix_functions) | _programs(indefinite),
            "signal": convolutions.SIGNAL | peaks.PEAKS | filter_design.DESIGNS | forms.FORMS | planes.PLANES
            | polyphase.POLYPHASE | systems.SYSTEMS,
            "ndimage": convolutions.IMAGE | resampled.RESAMPLED | neighbourhoods.NEIGHBOURHOODS | morphology.MORPHOLOGY,
            "integrate": sampled.INTEGRATE, "stats": ranked.TRIMMED | slopes.SLOPES,
            "optimize": finite_searches.SEARCHES, "spatial": sampled.DISTANCE, "fft": sampled.FFT | _programs(cosines)}
# full name of a compiled routine, behind Python of SciPy that is traced -> its program
ROUTINES: dict[str, Callable] = {**ranked.ROUTINES,
                                 "scipy.optimize._lsap.linear_sum_assignment": finite_searches.linear_sum_assignment}
# (package, function) -> finds the program, which the face has
LATE: dict[tuple[str, str], Callable] = {}
# types of SciPy's functions that are no Python and may read a box as if it were an array
_COMPILED = {"cython_function_or_method", "builtin_function_or_method", "fortran", "fused_cython_function"}


# package or function -> what to do where it is refused
_OUTSIDE = "call it before the compiled function and pass the result in"
_REMEDIES = {
    "optimize.linprog": "solve it outside; the derivative of its solution is that of the equations of the constraints that are "
                        "active, np.linalg.solve(A[active], b[active])",
    "optimize.milp": _OUTSIDE + ": its solution is a step in the data",
    "integrate.solve_bvp": "write the equations at the mesh points, with the boundary's, as a function for tg.implicit.root or "
                           "scipy.optimize.root, which can be compiled",
    "stats.shapiro": "use scipy.stats.jarque_bera or normaltest, or " + _OUTSIDE,
    "stats.anderson": "compute the statistic from np.sort and scipy.stats.norm.logcdf and logsf, or " + _OUTSIDE,
    "linalg.qz": "use scipy.linalg.eigh(a, b) of symmetric matrices, else np.linalg.eig(np.linalg.solve(b, a))",
    "linalg.cossin": "use np.linalg.svd of the blocks, or " + _OUTSIDE,
    "sparse.linalg.eigs": "use np.linalg.eigvals(A.toarray()), or eigsh of a symmetric matrix",
    "sparse.linalg.splu": "use spsolve for each right side", "sparse.linalg.factorized": "use spsolve for each right side",
    "optimize": "use brentq or newton for one number, give the equations to tg.implicit, which solves and differentiates "
                "them inside, or compiled functions to SciPy's solver from outside with tg.scipy",
    "integrate": "use fixed_quad, simpson, solve_ivp with t_eval, tg.implicit.odeint or a loop inside, or hand a compiled "
                 "function to SciPy's integrator from outside",
    "spatial": "make the tree, hull or rotation outside of the compiled function, and pass the indices or the matrix in",
    "sparse": "use spsolve, cg, np.linalg.solve or eigh of the dense matrix, or a loop of the method's steps",
}


def _holds_box(f: Any) -> bool:
    """Whether a function that is handed over reads a traced value of the function around it."""
    cells = getattr(f, "__closure__", None) or ()
    held = [c.cell_contents for c in cells if c != _EMPTY]
    return any(boxed(x) or (isinstance(x, types.FunctionType) and _holds_box(x)) for x in held)


_EMPTY = types.CellType()


def _reads_traced(args: tuple, kwargs: dict) -> bool:
    """Whether an argument is traced, or a function that reads what is."""
    return any(boxed(x) or (isinstance(x, types.FunctionType) and _holds_box(x)) or (
        pytrees.kind_of(x) is pytrees.SPARSE and any(map(boxed, pytrees.leaves_of(x)))) for x in (*args, *kwargs.values()))


def _where_held(f: Any, program: Callable) -> Callable:
    """The program where an argument is traced or a function reads what is, else f as it stands."""
    return lambda *args, **kwargs: (calls.call(program, *args, **kwargs) if _reads_traced(args, kwargs)
                                    else calls.as_it_stands(f, args, kwargs))


def _solver(f: Any, program: Callable) -> Callable:
    """The same of a function that takes sparse matrices, also from outside."""
    def call(*args: Any, **kwargs: Any) -> Any:
        if not _reads_traced(args, kwargs):
            return calls.as_it_stands(f, args, kwargs)
        lifted = HOOKS["sparse"]
        return calls.call(program, *map(lifted, args), **{name: lifted(x) for name, x in kwargs.items()})

    return call


def _remedy(name: str) -> str:
    return _REMEDIES.get(name.removeprefix("scipy.")) or _REMEDIES.get(name.split(".")[1], _REMEDY)


def _refusing(f: Any, name: str) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        if _reads_traced(args, kwargs):
            fail(UnsupportedError, f"{name} cannot be compiled", _remedy(name))
        return calls.as_it_stands(f, args, kwargs)

    return call


def redirect(f: Any) -> Any:
    """What traced code calls in place of a function of SciPy, or None."""
    owner = getattr(f, "__self__", None)
    module = getattr(f, "__module__", None) or ("scipy.linalg" if type(f).__name__ == "fortran" else type(owner).__module__)
    parts = module.split(".")
    kind = type(owner) if isinstance(f, types.MethodType) else type(f)
    if (kind.__module__ or "").startswith("scipy.stats") and kind.__name__.endswith(("_gen", "_frozen")):
        return _distribution(f, owner)
    if parts[:3] == ["scipy", "sparse", "linalg"] and isinstance(f, types.FunctionType):
        late = LATE.get(("sparse.linalg", f.__name__))
        return _refusing(f, f"scipy.sparse.linalg.{f.__name__}") if late is None else _solver(f, late())
    if parts[0] != "scipy" or len(parts) < 2 or parts[1] == "sparse":        # which sequences/sparse.py knows
        return None
    if parts[1:3] == ["spatial", "transform"] and _class_of(f, owner) == "Rotation":
        return _rotation(f, owner)
    if parts[1] == "spatial" and owner is not None and not isinstance(owner, (type, ModuleType)):
        return _refusing(f, _public(f, parts))
    if type(f).__name__ in _COMPILED and f.__module__ is None and type(f).__name__ != "fortran":        # a method of an object
        return None
    if type(f).__name__ in _COMPILED:
        owner = getattr(f, "__module__", None) or "scipy.linalg"
        name = f"{owner}.{getattr(f, '__name__', 'a routine of LAPACK')}"
        return _where_boxed(f, functools.partial(calls.call, ROUTINES[name]), name) if name in ROUTINES else _refusing(f, name)
    if parts[1] == "stats" and "gaussian_kde" in (getattr(f, "__name__", ""), type(f).__name__, type(owner).__name__):
        return _object(f, owner, "stats", density_estimates.BUILT, {}, density_estimates.CAPTURED)
    if parts[1].startswith("_") or parts[1] == "stats" or parts[2:] == ["_polyutils"]:
        helper = scipy_borrowed.helper(f)
        if helper is not None or not isinstance(f, types.FunctionType):
            return helper
    if parts[1] == "interpolate":
        return _object(f, owner, "interpolate", interpolation.BUILT, interpolation.FUNCTIONS, interpolation.CAPTURED)
    if isinstance(f, type) and parts[1] in ("spatial", "signal") and not issubclass(f, BaseException):
        return _refusing(f, _public(f, parts))
    if type(f).__name__ not in ("function", "_Function", "_lru_cache_wrapper"):           # uarray's: scipy.fft
        return None
    late = LATE.get((parts[1], f.__name__))
    if late is not None:
        return _where_held(f, late())
    program = PROGRAMS.get(parts[1], {}).get(f.__name__)
    if program is not None:
        return dispatch.passing(f, lambda *args, **kwargs: calls.call(program, *args, **kwargs))
    name = _public(f, parts)
    borrowed = scipy_borrowed.redirect(f, name)
    if borrowed is not None or parts[1].startswith("_"):
        return borrowed
    return _refusing(f, name)


def _class_of(f: Any, owner: Any) -> str:
    """The name of a class, of that of which it is an object, or a function or method of which it is."""
    kind = f if isinstance(f, type) or owner is None else type(owner)
    return getattr(kind, "__qualname__", "").partition(".")[0]


def _rotation(f: Any, owner: Any) -> Any:
    """Rotation, what makes one, or a method of one that is captured."""
    if owner is None and isinstance(f, types.FunctionType):
        return _where_boxed(f, rotations.FUNCTIONS.get(f.__qualname__), f"scipy.spatial.transform.{f.__qualname__}")
    return _object(f, owner, "spatial.transform", rotations.BUILT, {}, rotations.CAPTURED)


def _public(f: Any, parts: list[str]) -> str:
    """The name under which users call a function or class of SciPy."""
    inner = [part for part in parts[2:] if not part.startswith("_")][:1] if parts[1] == "spatial" else []
    own = f.__qualname__ if "<" not in f.__qualname__ and "." in f.__qualname__ else f.__name__
    return ".".join(["scipy", parts[1], *(x for x in inner if x == "transform"), own])


def _object(f: Any, owner: Any, package: str, built: dict, functions: dict, captured: dict) -> Any:
    """A class that is built inside, a function beside it, an object that is called, or a method of one: by these tables."""
    if isinstance(f, type):
        return _where_boxed(f, _making(f, built.get(f.__name__)), f"scipy.{package}.{f.__name__}")
    if isinstance(f, types.FunctionType):
        return _where_boxed(f, functions.get(f.__name__), f"scipy.{package}.{f.__name__}")
    held = owner if isinstance(f, types.MethodType) else f
    kinds = [k.__name__ for k in type(held).__mro__ if k.__name__ in captured]
    made = captured[kinds[0]](held) if kinds else None
    name = f"scipy.{package}.{type(held).__name__}" + (f".{f.__name__}" if held is owner else "")
    if made is None or (held is owner and not hasattr(made[0], f.__name__)):
        return _refusing(f, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        own = calls.call(*made)
        return calls.call(getattr(own, f.__name__) if held is owner else own, *args, **kwargs)

    return _where_boxed(f, run, name)


def _making(cls: type, program: Any) -> Any:
    """The program of a class, whose objects are of that class to those who ask."""
    def make(*args: Any, **kwargs: Any) -> Any:
        made = calls.call(program, *args, **kwargs)
        if isinstance(made, Stand):
            made.made_as = cls
        return made

    return None if program is None else make


def _where_boxed(f: Callable, program: Any, name: str) -> Any:
    """The program where an argument is traced, else f as it stands."""
    if program is None:
        return _refusing(f, name)
    return lambda *args, **kwargs: (calls.call(program, *args, **kwargs) if any(map(boxed, (*args, *kwargs.values())))
                                    else calls.as_it_stands(f, args, kwargs))


def _distribution(f: Any, owner: Any) -> Callable | None:
    """A distribution that is called, which freezes it, or a method of one, frozen or not."""
    kinds = {k.__name__ for k in type(f).__mro__}
    if kinds & {"rv_generic", "multi_rv_generic"}:
        frozen = methods.frozen(type(f).__name__)
        return None if frozen is None else dispatch.passing(f, lambda *args, **kwargs: frozen(f, args, kwargs))
    name = f"scipy.stats.{getattr(owner, 'name', None) or type(owner).__name__.removesuffix('_gen')}.{f.__name__}"
    if not isinstance(f, types.MethodType) or (scipy_borrowed.inside() and f.__name__.startswith("_")):
        return None
    dist, args, kwargs = methods.parts(owner)
    program = methods.program(dist, f.__name__)
    if program is None and dist is not owner:
        program = scipy_borrowed.method_of(dist, f.__name__)
    if program is None:
        borrowed = scipy_borrowed.method(f, name)
        return _refusing(f, name) if borrowed is None else borrowed

    def run(*xs: Any, **more: Any) -> Any:
        if dist is not owner:
            xs, more = methods.before_parameters(f.__name__, xs, more)
        return scipy_borrowed.named(name, calls.call, program, *xs, *args, **kwargs, **more)

    return dispatch.passing(f, run)


methods.FROZEN.update(multivariate_normal_gen=multivariate.METHODS, multivariate_t_gen=vectors.STUDENT,
                      multinomial_gen=vectors.MULTINOMIAL, **of_matrices.OF_MATRICES)
methods.BORROWED.append(scipy_borrowed.method_of)
calls.REDIRECTS.append(redirect)
