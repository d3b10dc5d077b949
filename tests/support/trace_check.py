"""Traces a function, evaluates its IR and compares with calling it as Python does."""
import copy

import numpy as np
from tracegrad.ir import interp
from tracegrad.ir.text import printer
from tracegrad.ir.transforms.pipeline import optimize
from tracegrad.ir.verify import verify
from tracegrad.tracer.staging import arguments, trace_function


def evaluate(traced, call, optimized=False):
    """What a call of a traced function returns; overwrites its argument arrays."""
    f = verify(optimize(traced.function) if optimized else traced.function)
    dynamic = [call.values[k] for k, leaf in enumerate(traced.leaves) if leaf.kind != "static"]
    results = interp.run(f, *[np.array(x, copy=True) if isinstance(x, np.ndarray) else x for x in dynamic])
    for parameter, result in traced.writes.items():
        dynamic[parameter][...] = results[result]
    leaves = []
    for out in traced.outs:
        if out.kind == "static":
            leaves.append(out.value)
        elif out.kind == "arg":
            leaves.append(call.values[out.value])
        else:
            found = results[out.result]
            whole = out.kind in ("array", "view")
            leaves.append(found if whole else np.asarray(found)[()] if out.kind == "numpy" else found.item())
    return traced.out_tree.unflatten(leaves)


def run(fn, *args, optimized=False, **kwargs):
    call = arguments.flatten_call(fn, args, kwargs)
    return evaluate(trace_function.trace_call(fn, call), call, optimized)


def ops(fn, *args):
    """How many ops of each name the traced function has."""
    found = {}
    for op in trace_function.trace(fn, args).function.body.walk():
        found[op.name] = found.get(op.name, 0) + 1
    return found


def same(got, expected, where=""):
    """Same structure, types, dtypes, shapes and (to rounding) values."""
    if isinstance(expected, dict):
        assert type(got) is type(expected) and list(got) == list(expected), where
        for key in expected:
            same(got[key], expected[key], f"{where}[{key!r}]")
    elif isinstance(expected, (tuple, list)):
        assert type(got) is type(expected) and len(got) == len(expected), (where, got, expected)
        for k, (a, b) in enumerate(zip(got, expected, strict=True)):
            same(a, b, f"{where}[{k}]")
    elif isinstance(expected, (np.ndarray, np.generic, int, float, complex)):
        assert type(got) is type(expected) or (isinstance(got, np.generic) and not isinstance(expected, np.ndarray)), \
            (where, type(got), type(expected))              # where only run time knows, a NumPy scalar stands for Python's
        a, b = np.asarray(got), np.asarray(expected)
        assert a.dtype == b.dtype and a.shape == b.shape, (where, a.dtype, a.shape, b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12, err_msg=where)
    else:
        assert got == expected, (where, got, expected)


def check(fn, *args, **kwargs):
    """Compiled (by the evaluator, before and after the passes) equals Python: results and overwritten arguments."""
    for optimized in (False, True):
        ours, theirs = copy.deepcopy(args), copy.deepcopy(args)
        try:
            got = run(fn, *ours, optimized=optimized, **kwargs)
        except Exception:
            print(printer.print_function(trace_function.trace(fn, copy.deepcopy(args), kwargs).function))
            raise
        same(got, fn(*theirs, **kwargs), "result")
        same(ours, theirs, "argument")
