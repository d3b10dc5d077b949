"""Nested arguments and results: tuples, lists, dicts, namedtuples, dataclasses; and a difference quotient over them."""

from __future__ import annotations

import dataclasses

import numpy as np


def mapped(f, x, *others):
    """f on each leaf of x and the leaves at the same place in the others."""
    if isinstance(x, dict):
        return {k: mapped(f, v, *(o[k] for o in others)) for k, v in x.items()}
    if isinstance(x, (tuple, list)):
        items = [mapped(f, *row) for row in zip(x, *others, strict=True)]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    if dataclasses.is_dataclass(x):
        names = [field.name for field in dataclasses.fields(x)]
        return type(x)(**{n: mapped(f, getattr(x, n), *(getattr(o, n) for o in others)) for n in names})
    return f(x, *others)


def leaves(x) -> list:
    found: list = []
    mapped(found.append, x)
    return [leaf for leaf in found if leaf is not None]


def copied(args):
    return mapped(lambda x: x.copy(order="K") if isinstance(x, np.ndarray) else x, args)


def inner(a, b):
    return sum(np.sum(np.asarray(x) * np.asarray(y)) for x, y in zip(leaves(a), leaves(b), strict=True))


def loss(program):
    """A scalar of what the program returns and overwrites: half the sum of squares of all that is no integer."""

    def value(*args):
        total = 0.0
        for out in leaves(program.fn(*args)) + [args[i] for i in program.writes]:
            total = total + 0.5 * (np.sum(np.real(out) ** 2 + np.imag(out) ** 2) if np.iscomplexobj(out) else np.sum(out * out))
        return total

    return value


def moved(program, args, directions, h):
    """The arguments, those to differentiate moved by h along the directions."""
    full = list(copied(args))
    for i, d in zip(program.wrt, directions, strict=True):
        full[i] = mapped(lambda x, v: x + h * v, full[i], d)
    return full


def draw(program, args, rng):
    """A random direction over the arguments to differentiate."""

    def one(x):
        return rng.standard_normal(np.shape(x)) if np.ndim(x) else float(rng.standard_normal())

    return tuple(mapped(one, args[i]) for i in program.wrt)


def slope(value, program, args, directions, step=1e-5):
    """d value / d direction: a fourth-order central difference."""

    def at(h):
        return float(value(*moved(program, args, directions, h)))

    return (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)
