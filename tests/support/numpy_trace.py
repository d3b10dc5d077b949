"""A small trace harness: runs a plain function on boxes, the IR through the evaluator, and compares with NumPy.

The function's first parameter is the module that it calls NumPy through: NumPy itself, or a stand-in that redirects as
rewritten code does.
"""
from __future__ import annotations

import math
import types

import numpy as np
import pytest
from tracegrad.ir import interp
from tracegrad.ir.build import function
from tracegrad.ir.text.printer import equal, parse, print_function
from tracegrad.ir.types import C128, F64, I64, Type
from tracegrad.ir.verify import verify
from tracegrad.tracer import tracing
from tracegrad.tracer.calling import dispatch
from tracegrad.tracer.values.boxes import ArrayBox, Box, ScalarBox
from tracegrad.tracer.values.promotion import to_dtype

_WEAK = {int: ("int", I64), float: ("float", F64), complex: ("complex", C128)}


class Redirected:
    """A module whose functions are what traced code calls."""

    def __init__(self, module):
        self.module = module

    def __getattr__(self, name):
        found = getattr(self.module, name)
        if found is np.ndarray:                       # in traced code a class, too, which can also be called
            return found
        if isinstance(found, (types.ModuleType, np.ufunc)):
            return Redirected(found)
        if isinstance(found, type) and issubclass(found, np.generic):
            return ScalarType(found)
        return dispatch.redirect(found) or found

    def __call__(self, *args, **kwargs):
        return dispatch.redirect(self.module)(*args, **kwargs)


class ScalarType:
    """np.float32 and its kind, which are also dtypes."""

    def __init__(self, kind):
        self.kind, self.dtype = kind, np.dtype(kind)

    def __call__(self, *args):
        return dispatch.redirect(self.kind)(*args)


NP, MATH = Redirected(np), Redirected(math)


def build(fn, *args, module=NP):
    """(function, what fn returned, with boxes) for these example arguments; strings, tuples and None are static."""
    dynamic = [a for a in args if isinstance(a, (np.ndarray, np.generic)) or type(a) in _WEAK]
    kinds = [Type(_WEAK[type(a)][1]) if type(a) in _WEAK else Type(to_dtype(a.dtype), np.shape(a)) for a in dynamic]
    f = function("test", kinds, [f"a{k}" for k in range(len(kinds))])
    trace = tracing.Trace(f)
    def run():
        with trace.builder.at(f.body):
            trace.scopes.append(tracing.Scope(f.body))
            boxes, params = [], iter(f.params)
            for a in args:
                if isinstance(a, np.ndarray):
                    boxes.append(ArrayBox(next(params)))
                elif isinstance(a, np.generic):
                    boxes.append(ScalarBox(next(params)))
                elif type(a) in _WEAK:
                    boxes.append(ScalarBox(next(params), _WEAK[type(a)][0]))
                else:
                    boxes.append(a)
            out = fn(module, *boxes)
            given = [b for b in boxes if isinstance(b, Box)]
            leaves = [x for x in flat(out) if isinstance(x, Box)]
            f.body.yields = tuple(x.read() for x in leaves) + tuple(b.read() for b in given)
            return out, leaves

    out, leaves = tracing.traced(trace, run)
    verify(f, "trace")
    assert equal(parse(print_function(f)), f)
    return f, out, dynamic, leaves


def flat(x):
    if isinstance(x, dict):
        return [y for k in x for y in flat(x[k])]
    if isinstance(x, (tuple, list)):
        return [y for p in x for y in flat(p)]
    return [x]


def run(fn, *args, module=NP):
    """(results, arguments afterwards) of the traced function, evaluated."""
    f, out, dynamic, leaves = build(fn, *args, module=module)
    values = list(interp.run(f, *(np.copy(a) if isinstance(a, np.ndarray) else a for a in dynamic)))
    found = []
    box_values = iter(values[:len(leaves)])
    for x in flat(out):
        found.append(restored(x, next(box_values)) if isinstance(x, Box) else x)
    return found, values[len(leaves):]


def restored(box, value):
    value = np.asarray(value)
    if isinstance(box, ArrayBox):
        return value
    return {"int": int, "float": float, "complex": complex, "bool": bool}[box.weak](value[()]) if box.weak else value[()]


def same(got, want, tol=1e-12):
    """Equal in class, dtype, shape and value."""
    assert isinstance(got, np.ndarray) == isinstance(want, np.ndarray), (type(got), type(want), got, want)
    assert isinstance(got, np.generic) == isinstance(want, np.generic), (type(got), type(want), got, want)
    if not isinstance(want, (np.ndarray, np.generic)):
        assert type(got) is type(want), (type(got), type(want), got, want)
    assert np.shape(got) == np.shape(want), (np.shape(got), np.shape(want))
    if isinstance(want, (np.ndarray, np.generic)):
        assert got.dtype == want.dtype, (got.dtype, want.dtype)
        if want.dtype.kind in "fc" and want.dtype.itemsize // (1 + (want.dtype.kind == "c")) == 4:
            tol = max(tol, 2e-6)
    if isinstance(want, (str, type(None), np.dtype, type)):
        assert got == want
        return
    np.testing.assert_allclose(got, want, rtol=tol, atol=tol, equal_nan=True)


def check(fn, *args, tol=1e-12, real=np, module=NP):
    """The traced function, evaluated, does what the plain one does: results and overwritten arguments."""
    copies = [np.copy(a) if isinstance(a, np.ndarray) else a for a in args]
    with np.errstate(all="ignore"):
        want = flat(fn(real, *copies))
        got, after = run(fn, *args, module=module)
    assert len(got) == len(want), (got, want)
    for g, w in zip(got, want):
        same(g, w, tol)
    changed = [c for c in copies if isinstance(c, (np.ndarray, np.generic)) or type(c) in _WEAK]
    for g, w in zip(after, changed):
        np.testing.assert_allclose(g, w, rtol=tol, atol=tol, equal_nan=True)


def expressions(params: str, names: dict, text: str):
    """Test parameters: a function for each line of the text, an expression in `params` and in the test module's names."""
    rows = [row.strip() for row in text.strip().splitlines()]
    return [pytest.param(eval(f"lambda {params}: {row}", names), id=row) for row in rows]
