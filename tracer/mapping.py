"""Functions of elements or of rows that are called once for each: np.vectorize, numba.vectorize and guvectorize,
np.apply_along_axis, np.fromiter.

    np.vectorize(f)(x, y)          for a, b in zip(flat x, flat y): out.append(f(a, b))             over the broadcast shape
    np.apply_along_axis(f, k, x)   for row in (x with axis k last, its other axes joined): out.append(f(row))

The loop is rolled like any other, so f may branch and loop, and is differentiated. The result has the dtype that holds
what every call returns; NumPy takes that of the first call, and cuts off the others' decimals.
"""
from __future__ import annotations

import re

import numpy as np

from ..ir.errors import ShapeError, UnsupportedError
from . import boxes, calls, context, creation, iteration, loops
from .boxes import FUNCTIONS, as_array
from .promote import fail


def collected(element, source, site) -> list:
    """[element(item) for item in source]"""
    made = context.current().note_fresh([])
    loops.for_(source, lambda item: calls.call(made.append, element(item)), None, None, (), None, site=site)
    return made


def _rows(function, arrays, convert):
    """What `function` returns for each row of several arrays, stacked; as many arrays as it returns values."""
    source = iteration.Zipped([iteration.Rows(a) for a in arrays])
    if type(source.trip) is not int:
        fail(UnsupportedError, "a function that is called for each of a number of rows known only at run time",
             "write a for loop that stores into an array")
    if source.trip == 0:
        fail(UnsupportedError, "a function that is called for each row of an empty array: the type of its result is unknown",
             "test the length first")
    made = collected(lambda item: calls.call(function, *map(convert, item)), source, (id(function), "rows"))
    if isinstance(made[0], tuple):
        return tuple(creation.array([row[k] for row in made]) for k in range(len(made[0])))
    return creation.array(made)


def _vectorized(function, args, convert, dtypes=()):
    args = [as_array(a) for a in args]
    wide = FUNCTIONS[np.broadcast_arrays](*args) if len(args) > 1 else args
    dims = tuple(map(boxes.count, wide[0].dims))
    if not dims:
        found = calls.call(function, *(convert(a[()]) for a in wide))
        out = tuple(map(as_array, found)) if isinstance(found, tuple) else as_array(found)
    else:
        out = _rows(function, [FUNCTIONS[np.reshape](a, -1) for a in wide], convert)
    parts = out if isinstance(out, tuple) else (out,)
    parts = [FUNCTIONS[np.reshape](p, dims) if dims else p for p in parts]
    parts = [p.astype(d) for p, d in zip(parts, dtypes)] if dtypes else parts
    return tuple(parts) if isinstance(out, tuple) else parts[0]


def _numpy_vectorize(f, args, kwargs):
    if kwargs or f.excluded or f.signature:
        fail(UnsupportedError, "np.vectorize with keywords, excluded arguments or a signature cannot be compiled",
             "write a loop, or call it outside")
    return _vectorized(f.pyfunc, args, lambda x: boxes.METHODS["item"](x), f.otypes or ())


def _numba_vectorize(f, args, kwargs):
    found = _vectorized(f._dispatcher.py_func, args, lambda x: x)
    return found if found.dims else boxes.result(found.read())


# --- numba.guvectorize ---------------------------------------------------------------------------------------------------

def _layout(signature: str) -> tuple[list, list]:
    """(core dimensions of the inputs, of the outputs) of "(n),(n)->()"."""
    sides = signature.replace(" ", "").split("->")
    return tuple([[n for n in part.split(",") if n] for part in re.findall(r"\(([^)]*)\)", side)] for side in sides)


def _guvectorize(f, args, kwargs):
    """The function fills its last arguments, which are made here: for each index of the loop dimensions one call."""
    function, (ins, outs) = f.gufunc_builder.py_func, _layout(f.gufunc_builder.signature)
    if kwargs or len(args) != len(ins):
        fail(UnsupportedError, "numba.guvectorize with output arrays or keywords cannot be compiled", "leave them out")
    args, sizes = [as_array(a) for a in args], {}
    for a, names in zip(args, ins):
        sizes.update(zip(names, map(boxes.count, a.dims[len(a.dims) - len(names):])))
    if any(n not in sizes for names in outs for n in names):
        fail(ShapeError, "a dimension of guvectorize's results is none of its arguments'")
    frames = [tuple(map(boxes.count, a.dims[:len(a.dims) - len(names)])) for a, names in zip(args, ins)]
    frame = np.broadcast_shapes(*frames)
    dtype = np.result_type(*(a.dtype for a in args))
    results = [FUNCTIONS[np.zeros]((*frame, *(sizes[n] for n in names)), dtype) for names in outs]
    wide = [FUNCTIONS[np.broadcast_to](a, (*frame, *map(boxes.count, a.dims[len(own):]))) for a, own in zip(args, frames)]

    def run(index):
        index = index if isinstance(index, tuple) else (index,)
        calls.call(function, *(a[index] if index else a if a.dims else a[()] for a in wide), *(
            r[index] if names else r[(*index[:-1], slice(index[-1], index[-1] + 1))] if index else FUNCTIONS[np.reshape](r, 1)
            for r, names in zip(results, outs)))

    if frame:
        loops.for_(iteration.ndindex(frame), run, None, None, (), None, site=(id(function), "rows"))
    else:
        run(())
    parts = [r if r.dims else boxes.result(r.read()) for r in results]
    return parts[0] if len(parts) == 1 else tuple(parts)


# --- rows ----------------------------------------------------------------------------------------------------------------

@boxes.implements(np.apply_along_axis)
def apply_along_axis(func1d, axis, arr, *args, **kwargs):
    box = as_array(arr)
    rank = len(box.dims)
    axis = axis % rank
    rest = tuple(map(boxes.count, box.dims[:axis] + box.dims[axis + 1:]))
    rows = FUNCTIONS[np.moveaxis](box, axis, -1)
    if not rest:
        return calls.call(func1d, rows, *args, **kwargs)
    flat = FUNCTIONS[np.reshape](rows, (-1, boxes.count(box.dims[axis])))
    found = _rows(lambda row: calls.call(func1d, row, *args, **kwargs), [flat], lambda x: x)
    out = FUNCTIONS[np.reshape](found, (*rest, *map(boxes.count, found.dims[1:])))
    kept = len(out.dims) - len(rest)
    return FUNCTIONS[np.moveaxis](out, tuple(range(len(rest), len(out.dims))), tuple(range(axis, axis + kept))) if kept else out


@boxes.implements(np.fromiter, instead_of_calling=True)
def fromiter(iter, dtype, count=-1, *, like=None):
    items = list(iteration.iterate(iter))
    return creation.array(items if count < 0 else items[:count], dtype)


_KINDS = {"DUFunc": _numba_vectorize, "GUFunc": _guvectorize}


def redirect(f):
    """What to call instead of an object that calls a function for each element; None for anything else."""
    if type(f) is np.vectorize:
        return lambda *args, **kwargs: _numpy_vectorize(f, args, kwargs)
    handler = _KINDS.get(type(f).__name__)
    if handler is not None and type(f).__module__.startswith("numba."):
        return lambda *args, **kwargs: handler(f, args, kwargs)
    return None


calls.REDIRECTS.append(redirect)
