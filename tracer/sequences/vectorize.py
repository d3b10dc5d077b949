"""Functions that call a function for each element, row or piece: np.vectorize, numba.vectorize and guvectorize,
np.apply_along_axis, np.piecewise, np.fromfunction …

    np.vectorize(f)(x, y)          out[0] = f(x[0], y[0]);  for k in range(1, n): out[k] = f(x[k], y[k])
    np.apply_along_axis(f, k, x)   for row in (x with axis k last, its other axes joined): out[k] = f(row)

The first call says what a result looks like. The loop is rolled like any other, so f may branch and loop, and is
differentiated. The result has the dtype that holds what every call returns; NumPy takes that of the first call, and cuts off
the others' decimals. np.vectorize hands Python numbers on, and asks for the dtype with NumPy's.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.analysis.draws import draws, is_draw
from ...ir.errors import DTypeError, ShapeError, UnsupportedError
from ...ir.types import BOOL, C128, F64, I64, Array, Dim
from .. import tracing
from ..calling import calls, dispatch
from ..control import iteration, loops
from ..numpy.arrays.manipulation import moveaxis, ravel, reshape
from ..values import boxes, captured_values, shapes, views
from ..values.boxes import FUNCTIONS, REDIRECT, ArrayBox, Box, ScalarBox, as_array, lift
from ..values.promotion import fail
from ..values.shapes import axis_of

if TYPE_CHECKING:
    from ..control.iteration import Source


def _implements(function: Callable) -> Callable:
    def register(handler: Callable) -> Callable:
        FUNCTIONS[function] = handler
        REDIRECT[function] = dispatch.passing(function, handler)
        return handler

    return register


def collected(element: Callable, source: Source, site: int) -> list:
    """[element(item) for item in source]"""
    made = tracing.current().note_fresh([])
    loops.for_(source, lambda item: calls.call(made.append, element(item)), None, None, (), None, site=site)
    return made


def _loop(n: Dim, function: Callable, site: tuple[int, str]) -> list[ArrayBox] | ArrayBox:
    """[function(0), …, function(n - 1)] as arrays with one more axis in front; a list of arrays where it gives a tuple."""
    first = function(0)
    many = isinstance(first, tuple)
    parts = [lift(x) for x in (first if many else (first,))]
    size = boxes.count(n)
    made = [FUNCTIONS[np.empty]((size, *map(boxes.count, p.dims)), np.result_type(p.kind) if p.weak else p.kind) for p in parts]

    def put(k: int | ScalarBox, found: Any) -> None:
        for out, x in zip(made, found if many else (found,)):
            out[k] = x

    put(0, tuple(parts) if many else parts[0])
    loops.for_(iteration.range_(1, size), lambda k: put(k, function(k)), None, None, (), None, site=site)
    return made if many else made[0]


# --- for each element -------------------------------------------------------------------------------------------------

def _elements(function: Callable, args: Any, kwargs: dict, excluded: Any,
              convert: Callable, site: tuple[int, str]) -> Any:
    """(what `function` gives for each element, over the joint shape of its arguments; the shape; a call for one element)."""
    spots = [k for k in range(len(args)) if k not in excluded]
    names = [k for k in kwargs if k not in excluded]
    given = [as_array(args[k]) for k in spots] + [as_array(kwargs[k]) for k in names]
    dims = shapes.broadcast_dims(*(x.dims for x in given))
    lines = [ravel(x.view(views.Spread(dims))) for x in given]

    def element(k: int | ScalarBox, item: Callable = convert) -> ScalarBox | tuple[ScalarBox, ...]:
        items = [item(x[k]) for x in lines]
        placed = list(args)
        for spot, x in zip(spots, items):
            placed[spot] = x
        return calls.call(function, *placed, **{**kwargs, **dict(zip(names, items[len(spots):]))})

    total = shapes.product(dims)
    if type(total) is int and total == 0:
        fail(ShapeError, "a function that is called for each element of an empty array: the type of its result is unknown",
             "test the length first")
    usual = all(x.dtype_ir in (F64, I64, BOOL, C128) for x in given)
    return _loop(total, element, site) if dims else element(0), dims, usual, element


def _shaped(found: list[ArrayBox] | ArrayBox, dims: tuple[Dim, ...],
            kinds: Any) -> Any:
    """The results in the joint shape and, where they are given, in dtypes."""
    many = isinstance(found, (list, tuple))
    shape = tuple(map(boxes.count, dims))
    parts = [reshape(x, shape) if dims else boxes.array(lift(x).read()) for x in (found if many else [found])]
    parts = [FUNCTIONS[np.astype](x, np.dtype(kind)) for x, kind in zip(parts, kinds)] if kinds else parts
    return tuple(parts) if many else parts[0]


def _numpy_vectorize(f: np.vectorize, args: tuple[Array | Box, ...], kwargs: dict) -> ArrayBox | tuple[ArrayBox, ...]:
    for name in ("pyfunc", "otypes", "signature"):
        captured_values.attribute(f, name, getattr(f, name))
    if not any(map(dispatch.traced, (*args, *kwargs.values()))):
        return dispatch.fresh(f(*args, **kwargs))
    if f.signature is not None:
        fail(UnsupportedError, f"np.vectorize with the signature {f.signature!r} cannot be compiled",
             "write a loop over the leading axes")
    block = tracing.current().builder.block
    before = len(block.ops)
    found, dims, usual, element = _elements(f.pyfunc, args, kwargs, f.excluded, dispatch.item, (id(f.pyfunc), "elements"))
    kinds = f.otypes
    if not kinds and not f.cache and any(is_draw(op) or any(map(draws, op.regions)) for op in block.ops[before:]):
        fail(UnsupportedError, "np.vectorize calls a function that draws random numbers once more, to see what it returns",
             "say that it returns floats, np.vectorize(f, otypes=[float]): then it is called once for each element")
    if not kinds and not usual:
        sample = element(0, lambda x: x)
        kinds = [np.result_type(x.kind) for x in map(lift, sample if isinstance(sample, tuple) else (sample,))]
    return _shaped(found, dims, kinds)


# a Python number beside NumPy's -> the kinds of dtypes that it takes
_WIDER = {int: "iufc", float: "fc", complex: "c"}


def _declared(f: Any, args: list[Any]) -> tuple[str, str] | None:
    """Types of inputs and results, a letter each, where the decorator was given signatures: NumPy takes the first that all
    arguments can be cast to safely."""
    if not f._frozen:
        return None
    weak = any(a.kind not in _WIDER for a in args)
    for ins, outs in (types.split("->") for types in f.types):
        if len(ins) == len(args) and all(_fits(a, letter, weak) for a, letter in zip(args, ins)):
            return ins, outs
    found = ", ".join(a.kind.__name__ if a.kind in _WIDER else str(a.dtype_ir.np) for a in args)
    fail(DTypeError, f"{f.__name__} has no signature for arguments of {found}, only {', '.join(f.types)}",
         "convert the arguments with .astype")


def _fits(x: Any, letter: str, weak: bool) -> bool:
    wanted = np.dtype(letter)
    if weak and x.kind in _WIDER:
        return wanted.kind in _WIDER[x.kind]
    return np.can_cast(x.dtype_ir.np, wanted, "safe")


def _numba_vectorize(f: Any, args: Any, kwargs: Any) -> Any:
    function, given = f._dispatcher.py_func, [lift(a) for a in args]
    types = _declared(f, given)
    if types is not None:
        args = [as_array(a).astype(np.dtype(letter)) for a, letter in zip(args, types[0])]
        dims = shapes.broadcast_dims(*(x.dims for x in args))
        if any(d == 0 for d in dims if type(d) is int):
            return FUNCTIONS[np.zeros](tuple(map(boxes.count, dims)), np.dtype(types[1]))
    found, dims, *_ = _elements(function, args, {}, (), lambda x: x, (id(function), "elements"))
    one = _shaped(found, dims, [np.dtype(types[1])] if types else ())
    return one if one.dims else boxes.result(one.read())


# --- numba.guvectorize ---------------------------------------------------------------------------------------------------

def _layout(signature: str) -> tuple[list, list]:
    """(core dimensions of the inputs, of the outputs) of "(n),(n)->()"."""
    ins, outs = [[[n for n in part.split(",") if n] for part in re.findall(r"\(([^)]*)\)", side)]
                 for side in signature.replace(" ", "").split("->")]
    return ins, outs


def _filled(args: Any, kwargs: dict, count: int) -> tuple[Any, Any]:
    """(inputs, output arrays): the latter come after the inputs, or as `out=`."""
    out = kwargs.get("out", args[count:])
    if set(kwargs) - {"out"} or len(args) < count:
        fail(UnsupportedError, "numba.guvectorize with keywords other than `out` cannot be compiled", "leave them out")
    return args[:count], (out if isinstance(out, tuple) else (out,))


def _guvectorize(f: Any, args: Any, kwargs: Any) -> Any:
    """The function fills its last arguments, for each index of the loop dimensions in one call. They are made here; output
    arrays of the caller's are read first, as a function may add to them, and written at the end."""
    function, (ins, outs) = f.gufunc_builder.py_func, _layout(f.gufunc_builder.signature)
    args, given = _filled(args, kwargs, len(ins))
    types = _declared(f, [lift(a) for a in args])
    args = [as_array(a) for a in args]
    sizes: dict[str, Any] = {}
    if types is not None:
        args = [as_array(a.astype(np.dtype(letter))) for a, letter in zip(args, types[0])]
    for a, names in zip(args, ins):
        sizes.update(zip(names, map(boxes.count, a.dims[len(a.dims) - len(names):])))
    if any(n not in sizes for names in outs for n in names):
        fail(ShapeError, "a dimension of guvectorize's results is none of its arguments'")
    frames = [tuple(map(boxes.count, a.dims[:len(a.dims) - len(names)])) for a, names in zip(args, ins)]
    frame = np.broadcast_shapes(*frames)
    dtypes = list(types[1] if types else [np.result_type(*(a.dtype for a in args))] * len(outs))
    results = [FUNCTIONS[np.zeros]((*frame, *(sizes[n] for n in names)), dtype) for names, dtype in zip(outs, dtypes)]
    for result, own in zip(results, given):
        if own is not None:
            result[...] = own
    wide = [FUNCTIONS[np.broadcast_to](a, (*frame, *map(boxes.count, a.dims[len(own):]))) for a, own in zip(args, frames)]

    def run(index: Any) -> None:
        index = index if isinstance(index, tuple) else (index,)
        calls.call(function, *(a[index] if index else a if a.dims else a[()] for a in wide), *(
            r[index] if names else r[(*index[:-1], slice(index[-1], index[-1] + 1))] if index else FUNCTIONS[np.reshape](r, 1)
            for r, names in zip(results, outs)))

    if frame:
        loops.for_(iteration.ndindex(frame), run, None, None, (), None, site=(id(function), "rows"))
    else:
        run(())
    for result, own in zip(results, given):
        if own is not None:
            own[...] = result
    parts = [r if r.dims else boxes.result(r.read()) for r in results]
    parts[:len(given)] = [part if own is None else own for part, own in zip(parts, given)]
    return parts[0] if len(parts) == 1 else tuple(parts)


# --- along axes --------------------------------------------------------------------------------------------------------

@_implements(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: Any, arr: Any, *args: Any,
                     **kwargs: Any) -> ArrayBox:
    box = as_array(arr)
    rank = len(box.dims)
    axis = axis_of(axis, rank)
    lead = tuple(d for k, d in enumerate(box.dims) if k != axis)
    if any(type(d) is int and d == 0 for d in lead):
        fail(ShapeError, "Cannot apply_along_axis when any iteration dimensions are 0")
    moved = moveaxis(box, axis, -1)
    if not lead:
        found = calls.call(func1d, moved, *args, **kwargs)
        return boxes.array(lift(found).read())
    rows = reshape(moved, (boxes.count(shapes.product(lead)), boxes.count(box.dims[axis])))
    found = _loop(shapes.product(lead), lambda k: calls.call(func1d, rows[k], *args, **kwargs), (id(func1d), "along"))
    if isinstance(found, list):
        found = FUNCTIONS[np.stack](found, 1)
    inner = found.dims[1:]
    found = reshape(found, tuple(map(boxes.count, (*lead, *inner))))
    n = len(lead)
    order = (*range(axis), *range(n, n + len(inner)), *range(axis, n))
    return FUNCTIONS[np.transpose](found, order)


@_implements(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    value = as_array(a)
    rank = len(value.dims)
    for axis in axes if isinstance(axes, (tuple, list)) else (axes,):
        axis = axis_of(axis, rank)
        found = as_array(calls.call(func, value, axis))
        if len(found.dims) != rank:
            found = FUNCTIONS[np.expand_dims](found, axis)
            if len(found.dims) != rank:
                fail(ShapeError, "function is not returning an array of the correct shape")
        value = found
    return value


@_implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    x = as_array(x)
    if isinstance(condlist, Box) and len(condlist.dims) == len(x.dims):
        condlist = [condlist]
    masks = [condlist] if isinstance(condlist, (bool, np.bool_)) else list(condlist)
    if len(funclist) == len(masks) + 1:
        masks.append(np.logical_not(np.logical_or.reduce(FUNCTIONS[np.stack](list(map(as_array, masks))), 0)))
    elif len(funclist) != len(masks):
        fail(ShapeError, f"with {len(masks)} condition(s), either {len(masks)} or {len(masks) + 1} functions are expected")
    out = FUNCTIONS[np.zeros_like](x)
    for mask, function in zip(masks, funclist):
        out[mask] = calls.call(function, x[mask], *args, **kw) if callable(function) else function
    return out


# --- from functions and iterables --------------------------------------------------------------------------------------

@_implements(np.fromiter)
def fromiter(iter: Any, dtype: Any, count: Any = -1, *, like: Any = None) -> Any:
    if isinstance(iter, boxes.ArrayBox) and count < 0:
        return FUNCTIONS[np.array](iter, dtype)
    items = list(iteration.iterate(iter))
    if count >= 0 and len(items) < count:
        fail(ShapeError, f"iterator too short: Expected {count} but iterator had only {len(items)} items.")
    return FUNCTIONS[np.array](items[:count] if count >= 0 else items, dtype)


def _from_function(function: Callable, shape: Any, *, dtype: Any = float, like: Any = None, **kwargs: Any) -> Any:
    return calls.call(function, *FUNCTIONS[np.indices](shape, dtype=dtype), **kwargs)


FUNCTIONS[np.fromfunction] = REDIRECT[np.fromfunction] = _from_function


_KINDS = {"DUFunc": _numba_vectorize, "GUFunc": _guvectorize}


def redirect(f: Callable | type) -> Any:
    """What to call instead of an object that calls a function for each element; None for anything else."""
    if type(f) is np.vectorize:
        return lambda *args, **kwargs: _numpy_vectorize(f, args, kwargs)
    handler = _KINDS.get(type(f).__name__)
    if handler is not None and type(f).__module__.startswith("numba."):
        return lambda *args, **kwargs: handler(f, args, kwargs)
    return None


calls.REDIRECTS.append(redirect)
