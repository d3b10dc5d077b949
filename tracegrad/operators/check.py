"""Checking derivatives against difference quotients, to any order."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.errors import ArgumentError, ArgumentTypeError
from ..tracer import pytrees
from . import transforms

if TYPE_CHECKING:
    from ..ir.types import Array


SHORTER = 64                     # the second step of a difference quotient is that much shorter
_NUMBERS = "biufc"               # kinds of dtypes


class GradientMismatch(ArgumentError, AssertionError):
    """check_grads found a derivative that disagrees with a difference quotient or with the other mode."""


def _leaves(structure: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in pytrees.flatten(structure)[0]]


def _inner(a: Any, b: Any) -> float:
    """The real inner product of two structures: sum of Re(conj(a) b). Strings and the like have no part in it."""
    return float(sum(np.sum((np.conj(x) * y).real) for x, y in zip(_leaves(a), _leaves(b), strict=True)
                     if x.dtype.kind in _NUMBERS and y.dtype.kind in _NUMBERS))


def _moved(x: tuple[Array, ...], direction: tuple[Array, ...], step: float) -> tuple[Array, ...]:
    """x + step * direction, leaf by leaf; leaves that are not inexact stay."""
    leaves, treedef = pytrees.flatten(x)
    moves, _ = pytrees.flatten(direction)
    return treedef.unflatten([leaf + step * move if _inexact(leaf) else leaf for leaf, move in zip(leaves, moves, strict=True)])


def _inexact(leaf: Array) -> bool:
    return np.issubdtype(np.asarray(leaf).dtype, np.inexact)


def _random_like(rng: Any, x: Any) -> Any:
    leaves, treedef = pytrees.flatten(x)

    def draw(leaf: Array) -> Array:
        dtype = np.result_type(leaf)
        value = rng.standard_normal(np.shape(leaf))
        if np.issubdtype(dtype, np.complexfloating):
            value = value + 1j * rng.standard_normal(np.shape(leaf))
        return np.asarray(value).astype(dtype) if np.ndim(leaf) else np.dtype(dtype).type(value)

    return treedef.unflatten([draw(leaf) if _inexact(leaf) else leaf for leaf in leaves])


def _close(found: float, expected: float, atol: float, rtol: float) -> bool:
    """Whether they agree; a NaN on either side does not."""
    return abs(found - expected) <= atol + rtol * max(abs(found), abs(expected))


def _compare(what: str, found: float, expected: float, atol: float, rtol: float) -> None:
    if not _close(found, expected, atol, rtol):
        raise GradientMismatch(f"{what}: {found!r} against {expected!r}, a relative difference of "
                               f"{abs(found - expected) / max(abs(expected), 1e-300):.1e}.")


def check_grads(f: Callable, args: Sequence, order: int = 1, modes: Sequence[str] = ("fwd", "rev"), atol: float | None = None,
                rtol: float | None = None, eps: float | None = None, seed: int = 0) -> None:
    """Check the derivatives of `f` at `args` up to `order` in each mode.

    Forward mode is held against a fourth-order central difference along a random direction, with step `eps`, and where they
    disagree with one of step `eps / 64`, which a kink nearby (two elements that nearly tie, in `np.sort`) disturbs less;
    reverse mode against the same: the cotangent pulled back, times the direction, equals the cotangent times the tangent. For
    order k + 1 the derivative of order k is checked likewise. `f` takes and returns nested structures of arrays and numbers.

    Raises GradientMismatch (an AssertionError) with both numbers. Tolerances default to 1e-5 (float64), 2e-2 (float32).

    Parameters: `f`, `args` (a tuple), `order`, `modes` ("fwd", "rev"), `atol`, `rtol`, `eps`, and `seed` of the directions.
    Result: None.
    Errors: GradientMismatch; those of `jvp` and `vjp`.

    >>> tg.check_grads(np.sin, (0.3,), order=2)
    """
    bad = set(modes) - {"fwd", "rev"}
    if bad or order < 1:
        raise ArgumentError(f"check_grads takes modes 'fwd' and 'rev' and an order of at least 1, got {modes!r} and {order!r}.")
    if not isinstance(args, (tuple, list)) or not any(_inexact(leaf) for leaf in pytrees.flatten(args)[0]):
        raise ArgumentTypeError("check_grads takes the arguments of the function as a tuple, at least one of them with floats",
                                "write tg.check_grads(f, (x,))")
    single = any(leaf.dtype in (np.float32, np.complex64) for leaf in _leaves(args))
    rtol = (2e-2 if single else 1e-5) if rtol is None else rtol
    atol = (2e-2 if single else 1e-5) if atol is None else atol
    eps = (1e-2 if single else 1e-4) if eps is None else eps
    _check(f, tuple(args), order, tuple(modes), atol, rtol, eps, np.random.default_rng(seed), "")


def _check(f: Callable, args: tuple[Array, ...], order: int, modes: tuple[str, ...], atol: float, rtol: float, eps: float,
           rng: Any, path: str) -> None:
    direction = _random_like(rng, args)
    out, out_dot = transforms.jvp(f, args, direction)
    weight = _random_like(rng, out)

    def along(step: float) -> float:
        return _inner(weight, f(*_moved(args, direction, step)))

    def quotient(step: float) -> float:
        return (8 * (along(step) - along(-step)) - (along(2 * step) - along(-2 * step))) / (12 * step)

    tangent, slope = _inner(weight, out_dot), quotient(eps)
    if not _close(tangent, slope, atol, rtol):          # a kink within the step (elements that nearly tie) would be no fault
        slope = quotient(eps / SHORTER)
    if "fwd" in modes:
        _compare(f"forward derivative{path} against a difference", tangent, slope, atol, rtol)
    if "rev" in modes:
        # a cotangent pairs without conjugation (the convention of JAX), so conjugate what `_inner` conjugates again
        _, pull = transforms.vjp(f, *args)
        found = _inner(_conjugate(pull(_conjugate(weight))), direction)
        _compare(f"reverse derivative{path} against a difference", found, slope, atol, rtol)
    if order > 1:
        if "fwd" in modes:
            _check(
                lambda *a: transforms.jvp(f, a, direction)[1], args, order - 1, modes, atol, rtol, eps, rng,
                path + " of forward"
            )
        if "rev" in modes:
            _check(lambda *a: transforms.vjp(f, *a)[1](_conjugate(weight)), args, order - 1, modes, atol, rtol, eps, rng,
                   path + " of reverse")


def _conjugate(structure: Any) -> Any:
    leaves, treedef = pytrees.flatten(structure)
    return treedef.unflatten([np.conj(leaf) if np.iscomplexobj(leaf) else leaf for leaf in leaves])
