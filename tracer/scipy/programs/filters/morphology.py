"""Binary morphology of scipy.ndimage: erosion, dilation and what is made of them. Results are bools, without a derivative."""
from __future__ import annotations

from typing import Any

import numpy as np

from ...primitives import steps_before, structure_of
from .neighbourhoods import _axes, _plain, _turned, _windows


def _step(x: Any, structure: Any, border: Any, origin: Any, axes: Any, grow: bool) -> Any:
    """Whether any element, or each, of those that the structure lays around an element is true."""
    windows = _windows(x, None, structure, "constant", border, origin, axes)
    found = windows[0]
    for w in windows[1:]:
        found = (found | w) if grow else (found & w)
    return found


def _morph(input: Any, structure: Any, iterations: Any, mask: Any, output: Any, border_value: Any, origin: Any, axes: Any,
           grow: bool) -> Any:
    _plain(output)
    input = np.asarray(input)
    if np.iscomplexobj(input):
        raise TypeError("Complex type not supported")
    axes = _axes(input, axes)
    structure = structure_of(structure, len(axes), grow)
    if grow:
        origin = _turned(structure.shape, origin, len(axes))
    x, border = input != 0, border_value != 0
    if mask is None:
        mask = np.ones(x.shape, np.bool_)
    mask = np.asarray(mask) != 0
    if mask.shape != x.shape:
        raise RuntimeError("mask and input must have equal sizes")
    if not structure.any():
        return np.where(mask, np.zeros(x.shape, np.bool_) if grow else np.ones(x.shape, np.bool_), x)
    if iterations >= 1:
        for _ in range(iterations):
            x = np.where(mask, _step(x, structure, border, origin, axes, grow), x)
        return x
    changes = True
    while changes:
        following = np.where(mask, _step(x, structure, border, origin, axes, grow), x)
        changes = np.any(following != x)
        x = following
    return x


def binary_erosion(input: Any, structure: Any = None, iterations: int = 1, mask: Any = None, output: Any = None,
                   border_value: Any = 0, origin: Any = 0, brute_force: bool = False, *, axes: Any = None) -> Any:
    return _morph(input, structure, iterations, mask, output, border_value, origin, axes, False)


def binary_dilation(input: Any, structure: Any = None, iterations: int = 1, mask: Any = None, output: Any = None,
                    border_value: Any = 0, origin: Any = 0, brute_force: bool = False, *, axes: Any = None) -> Any:
    return _morph(input, structure, iterations, mask, output, border_value, origin, axes, True)


def binary_opening(input: Any, structure: Any = None, iterations: int = 1, output: Any = None, origin: Any = 0,
                   mask: Any = None, border_value: Any = 0, brute_force: bool = False, *, axes: Any = None) -> Any:
    found = _morph(input, structure, iterations, mask, None, border_value, origin, axes, False)
    return _morph(found, structure, iterations, mask, output, border_value, origin, axes, True)


def binary_closing(input: Any, structure: Any = None, iterations: int = 1, output: Any = None, origin: Any = 0,
                   mask: Any = None, border_value: Any = 0, brute_force: bool = False, *, axes: Any = None) -> Any:
    found = _morph(input, structure, iterations, mask, None, border_value, origin, axes, True)
    return _morph(found, structure, iterations, mask, output, border_value, origin, axes, False)


def binary_propagation(input: Any, structure: Any = None, mask: Any = None, output: Any = None, border_value: Any = 0,
                       origin: Any = 0, *, axes: Any = None) -> Any:
    return _morph(input, structure, -1, mask, output, border_value, origin, axes, True)


def binary_fill_holes(input: Any, structure: Any = None, output: Any = None, origin: Any = 0, *, axes: Any = None) -> Any:
    """What is not reached from beyond the border through places that are false."""
    empty = np.asarray(input) == 0
    return ~_morph(np.zeros(empty.shape, np.bool_), structure, -1, empty, output, 1, origin, axes, True)


def binary_hit_or_miss(input: Any, structure1: Any = None, structure2: Any = None, output: Any = None, origin1: Any = 0,
                       origin2: Any = None, *, axes: Any = None) -> Any:
    """Where the first structure lies on what is true, and the second, the rest of it by default, on what is not."""
    _plain(output)
    input = np.asarray(input)
    if np.iscomplexobj(input):
        raise TypeError("Complex type not supported")
    axes = _axes(input, axes)
    hit = structure_of(structure1, len(axes), False)
    miss = ~hit if structure2 is None else structure_of(structure2, len(axes), False)
    x, origin2 = input != 0, origin1 if origin2 is None else origin2
    found = _step(x, hit, False, origin1, axes, False) if hit.any() else np.ones(x.shape, np.bool_)
    return found & _step(~x, miss, True, origin2, axes, False) if miss.any() else found


def _root(parents: Any, k: Any) -> Any:
    while parents[k] != k:
        k = parents[k]
    return k


def label(input: Any, structure: Any = None, output: Any = None) -> Any:
    """Connected components, numbered by their first elements: each element joins the components of its neighbours that come
    before it, and the first element of a component is its root."""
    input = np.asarray(input)
    if np.iscomplexobj(input):
        raise TypeError("Complex type not supported")
    structure = structure_of(structure, input.ndim, False)
    if structure.shape != (3,) * input.ndim:
        raise ValueError("structure dimensions must be equal to 3")
    if (structure != structure_of(structure, input.ndim, True)).any():
        raise ValueError("Input structuring element is not symmetric")
    wide = np.pad(input != 0, 1)
    on = wide.reshape(-1)
    before = steps_before(structure)
    parents = np.zeros(on.size, np.int64)
    for i in range(on.size):
        if on[i]:
            root = i
            parents[i] = i
            for place in before:
                j = i
                for axis in range(input.ndim):
                    j += place[axis] * int(np.prod(wide.shape[axis + 1:]))
                if on[j]:
                    other = _root(parents, j)
                    parents[max(root, other)] = min(root, other)
                    root = min(root, other)
    count = 0
    found = np.zeros(on.size, np.int32)
    for i in range(on.size):
        if on[i]:
            root = _root(parents, i)
            if root == i:
                count += 1
                found[i] = count
            else:
                found[i] = found[root]
    inner = found.reshape(wide.shape)[(slice(1, -1),) * input.ndim]
    return inner.astype(np.int32 if output is None else output), count


MORPHOLOGY = {f.__name__: f for f in (
    binary_erosion, binary_dilation, binary_opening, binary_closing, binary_propagation, binary_fill_holes, binary_hit_or_miss,
    label)}
