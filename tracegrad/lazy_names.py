"""What is imported when it is asked for, so that `import tracegrad` stays quick: a table for each kind.

Paths are relative to this package: `implicit.ode` is `tracegrad.implicit.ode`.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from . import rich_display, version
from .tracer.calling.libraries import scipy_source

# packages that are attributes of `tg`, and its functions with the modules that have them
PACKAGES = ("implicit", "interop", "scipy")
FUNCTIONS = {"export": "aot.export", "load": "aot.loader",
             "load_ipython_extension": "notebook.extension", "unload_ipython_extension": "notebook.extension"}
# SciPy's package, the module whose functions traced code runs in place of SciPy's, and these: of one name, or (SciPy's, ours)
_SOLVERS: tuple[tuple[str, str, tuple[str | tuple[str, str], ...]], ...] = (
    ("integrate", "implicit.ode", (("odeint", "like_scipy"),)),
    ("integrate", "implicit.scipy_roots", ("solve_ivp",)),
    ("integrate", "implicit.scipy_quad", ("quad", "dblquad", "tplquad", "nquad", "quad_vec")),
    ("optimize", "implicit.scipy_roots", ("newton", "bisect", "toms748", "brentq", ("brenth", "brentq"), ("ridder", "brentq"))),
    ("optimize", "implicit.scipy_least_squares", ("least_squares", "leastsq", "curve_fit")),
    ("optimize", "implicit.scipy_minima", ("minimize_scalar", "root_scalar", "root", "fsolve", "fixed_point", "minimize")),
    ("sparse.linalg", "implicit.scipy_sparse", ("spsolve", "cg", "gmres", "bicgstab", "bicg", "minres", "lgmres", "qmr",
                                                "tfqmr", "cgs", "eigsh", "svds", "expm_multiply")),
)
_SHOWN = ("jitted", "lowered")                    # what notebooks show as HTML, by notebook/display.py


def _attribute(module: str, name: str) -> Any:
    return getattr(import_module(f".{module}", __package__), name)


def connect() -> None:
    """Tell the tracer where the solvers are and the notebooks where their displays are: both lie below this package."""
    for package, module, names in _SOLVERS:
        for theirs, ours in ((x, x) if isinstance(x, str) else x for x in names):
            scipy_source.LATE[package, theirs] = partial(_attribute, module, ours)
    rich_display.MAKERS |= {name: partial(_attribute, "notebook.display", f"{name}_html") for name in _SHOWN}


def finder(names: dict[str, Any], package: str) -> Callable[[str], Any]:
    """The `__getattr__` of the package: it puts what it finds among the package's `names`."""
    def found(name: str) -> Any:
        if name in PACKAGES:
            return import_module(f".{name}", package)       # which sets the attribute
        if name in FUNCTIONS:
            names[name] = _attribute(FUNCTIONS[name], name)
        elif name == "__version__":                          # reading it takes longer than all else here
            names[name] = version.found()
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return names[name]

    return found
