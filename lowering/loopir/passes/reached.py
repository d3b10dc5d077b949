"""How long a loop can be that reads or writes an array of known size in each iteration: no position lies outside of its array.

    alloc $t: f64[16]
    for %i in %n { %k = mul %i, 2   load $t[%k] … }       →   %n is 8 at most

A bound is an estimate: it holds where the loop runs. Loops of few iterations get no form for threads (parallelize.py), and the
shortest none for vectors (llvm/kernel_writer.py): such code is long to compile, and never runs.
"""
from __future__ import annotations

from math import prod

from ....ir.types import INDEX
from ..grammar import For, Imm, Kernel, Let, Load, Scalar, Store, greatest, walk


def bound(kernel: Kernel) -> None:
    """Note what loops reach in the scalars that are their lengths."""
    for s in walk(kernel.body):
        if type(s) is For and type(s.trip) is Scalar:
            least = min(reach(s), greatest(s.trip))
            s.trip.most = None if least == float("inf") else int(least)


def reach(loop: For) -> float:
    """The greatest number of iterations with which all positions lie in their arrays."""
    forms: dict[Scalar, tuple[int, int]] = {loop.index: (1, 0)}        # scalar -> (a, b): it is at least a * counter + b
    found = float("inf")
    for s in loop.body:
        if type(s) is Let and s.target.dtype is INDEX and s.op in ("add", "mul"):
            for x, y in (s.args, s.args[::-1]):
                known = _least(y)
                if isinstance(x, Scalar) and x in forms and known is not None and known >= (s.op == "mul"):
                    a, b = forms[x]
                    forms[s.target] = (a, b + known) if s.op == "add" else (a * known, b * known)
        elif type(s) in (Load, Store):
            dims = s.buffer.dims
            if len(s.index) < len(dims):                    # one position over all elements
                dims = (prod(dims),) if all(type(d) is int for d in dims) else (None,)
            for i, size in zip(s.index, dims, strict=True):
                if type(i) is Scalar and i in forms and type(size) is int:
                    a, b = forms[i]
                    found = min(found, max(size - 1 - b, -1) // a + 1)
    return found


def _least(x: Imm | Scalar) -> int | None:
    return int(x.value) if type(x) is Imm else x.least
