"""Families of distributions as SciPy itself writes them: the methods `_logpdf`, `_cdf`, `_ppf` … of its classes are array code
over scipy.special, so they are rewritten and traced like a function of the user.

What a class of SciPy does not write, the general class computes by integration and root finding: that has no program.
"""
from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

_NAMES = ("logpdf", "pdf", "logpmf", "pmf", "cdf", "sf", "logcdf", "logsf", "ppf", "isf", "entropy", "rvs")


def _own(dist: Any, name: str) -> bool:
    """Whether a class of SciPy writes a method, not the general one above it."""
    for kind in type(dist).__mro__:
        if name in vars(kind):
            return not kind.__name__.startswith("rv_")
    return False


def _open(dist: Any) -> bool:
    """Whether the ends of the support are no part of it."""
    return getattr(getattr(dist, "_support_mask", None), "__name__", "") == "_open_support_mask"


def _flat(f: Callable) -> Any:
    """SciPy calls its methods with arrays of one dimension, on which they rely."""
    def flat(*args: Any) -> Any:
        if not args:
            return f()
        full = np.broadcast_arrays(*args)
        found = np.asarray(f(*[a.reshape(-1) for a in full]))
        return found if found.ndim == 0 else found.reshape(full[0].shape)

    return flat


def _log_of(f: Callable) -> Any:
    def log_of(x: Any, *shapes: Any) -> Any:
        return np.log(f(x, *shapes))

    return log_of


def _stat_of(dist: Any, k: int, name: str) -> Any:
    """Mean, variance, skewness or kurtosis by SciPy's `_stats`, which leaves some of them to the general class."""
    def stat(*shapes: Any) -> Any:
        found = dist._stats(*shapes, moments="mvsk")[k] if dist._stats_has_moments else dist._stats(*shapes)[k]
        if found is None:
            raise NotImplementedError(f"the {name} of scipy.stats.{dist.name}, which SciPy integrates, cannot be compiled")
        return np.asarray(found).astype(np.float64)

    return _flat(stat)


def _moments_of(dist: Any) -> Any:
    def mean(*shapes: Any) -> Any:
        return np.asarray(dist._munp(1, *shapes)).astype(np.float64)

    def var(*shapes: Any) -> Any:
        first = dist._munp(1, *shapes)
        return np.asarray(dist._munp(2, *shapes)).astype(np.float64) - first * first

    return _flat(mean), _flat(var)


class Borrowed:
    """The family of a distribution: what `family` says, then what SciPy's class does."""

    def __init__(self, dist: Any, family: type | None = None):
        self.__name__ = dist.name
        self.dist, self.ends_outside = dist, _open(dist)
        self.shapes = tuple(dist.shapes.split(", ")) if dist.shapes else ()
        self.discrete = hasattr(dist, "_logpmf")
        for name in _NAMES:
            if _own(dist, "_" + name):
                method = getattr(dist, "_" + name)
                setattr(self, name, method if name == "rvs" else _flat(method))
        for name in ("pdf", "pmf"):
            if hasattr(self, name) and not hasattr(self, "log" + name):
                setattr(self, "log" + name, _log_of(getattr(self, name)))
        if _own(dist, "_stats"):
            self.mean, self.var, self.skewness, self.kurtosis = (
                _stat_of(dist, k, name) for k, name in enumerate(("mean", "variance", "skewness", "kurtosis")))
        elif _own(dist, "_munp"):
            self.mean, self.var = _moments_of(dist)
        if _own(dist, "_munp"):
            self.munp = dist._munp
        self.takes_steps = _own(dist, "_cdf") and not hasattr(family, "cdf")        # SciPy's methods take what lies between
        if family is not None:
            self._adopt(family)

    def _adopt(self, family: type) -> None:
        for name in ("pdf", "pmf"):                  # families say the logarithm, from which the density follows
            if hasattr(family, "log" + name) and hasattr(self, name):
                delattr(self, name)
        for kind in family.__mro__[-2::-1]:
            for name, value in vars(kind).items():
                if not name.startswith("__") or name == "__name__":
                    setattr(self, name, value)

    @functools.cached_property
    def sample(self) -> tuple[float, ...]:
        """Parameters that are valid, for the places where those given are not: SciPy's routines raise errors of such."""
        tried = itertools.product((0.5, 1.0, 2.0, 5.0, -1.0), repeat=len(self.shapes))
        return next(values for values in tried if np.all(self.dist._argcheck(*values)))

    def support(self, *shapes: Any) -> Any:
        return self.dist._get_support(*shapes)

    def valid(self, *shapes: Any) -> Any:
        if not shapes:
            return True
        return self.dist._argcheck(*shapes)
