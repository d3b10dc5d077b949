"""Smooth functions of vectors and values of a factorisation where values are equal, or nearly.

Single eigenvectors and eigenvalues have no derivative where values are equal, and one that loses all digits where they nearly
are. But v diag(f(w)) v^H has, and the sum of f(w). Write A = U B U^H with B block diagonal, a block for each group of close
values: U, which does not turn inside a group, and B depend smoothly on A. With M = U^H A_dot U

    U_dot = U Omega, Omega[i, j] = M[i, j] / (w[j] - w[i]) outside of groups;    B_dot = M inside

At the point itself U = v, B = diag(w), so programs can be read as written in U and B. What is written with f(w), of every
element alike, and multiplied along the vectors' axis means f(B) = diag(f(w)) + N, of which N is zero itself and

    N_dot[i, j] = M[i, j] (f(w[j]) - f(w[i])) / (w[j] - w[i])        f'(w) where they are close

(Daleckii, Krein 1965). This module follows vectors and values through a program, from the factorisation to where the axis that
numbers them is summed over: from there on nothing depends on how vectors of a group are chosen. It marks the factorisation
with `near` and adds N, as `couple` ops, to the products. What it cannot follow stays with the unmarked factorisation, of which
vectors and values of a group have the derivative NaN. For A = U B V^H of singular values, B_dot is the Hermitian part of M
inside, and all of M for values of 0; what those have outside of U and V is zero_values.py's.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.build import Builder
from ...ir.clone import copy_op, copy_region, mapped, sweep
from ...ir.core import Block, Function, Op, Value
from ...ir.types import F32, F64
from ..rules.jvp_rules import adjoint
from ..rules.spectral import is_square
from .factor_flow import RULES
from .vector_mixing import Bare, Flow, Frame, columns_of, of_each, same_length, widened

# Relative differences below which values are close: there the mean of two slopes, wrong by the square of the difference, is
# better than the quotient, whose rounding errors are divided by it.
_NEAR = {F64: 1e-5, F32: 4e-3}


def smooth(f: Function) -> Function:
    """A copy of `f`, or `f` where there is nothing to follow."""
    if not any(op.defn.factors and "near" not in op.attrs for op in f.body.walk()):
        return f
    return _Following().function(f) or f


class _Following:
    """`get` is asked for the rule of every op (rewrite.copy_block)."""

    def __init__(self) -> None:
        self.flows: dict[Value, Flow] = {}
        self.twins: list[tuple[Op, Op]] = []               # a factorisation and the same one, marked
        self.settled = False                               # whether a flow has ended where vectors do not matter

    def get(self, name: str) -> Callable:
        return self.op

    def function(self, f: Function) -> Function | None:
        new = Function(f.name, copy_region(Builder(), f.body, {}, self), f.loc, dict(f.attrs))
        if not self.settled:
            return None
        sweep(new)
        used = {v for op in new.body.walk() for v in (*op.operands, *(y for r in op.regions for y in r.yields))}
        used.update(new.body.yields)
        dead = {twin[k] for twin in self.twins for k in (0, 1) if not used & set(twin[k].results)}
        for plain, marked in self.twins:
            if plain in dead and marked in dead:
                dead.discard(plain)
        _drop(new.body, dead)
        sweep(new)
        return new

    # --- ops

    def op(self, builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        name = op.defn.name
        if op.defn.factors and "near" not in op.attrs:
            return self.start(builder, op, mapping)
        flows = [self.flows.get(v) for v in op.operands]
        if op.regions or not any(flows):
            return copy_op(builder, op, mapping, self)
        follow: Any = RULES.get(name) or (RULES["elementwise"] if of_each(op) else None)
        found = follow(builder, op, mapped(op.operands, mapping), flows) if follow else None
        if isinstance(found, Value):
            self.settled = True
            return (found,)
        if found is not None:
            self.flows[op.results[0]] = found
        return copy_op(builder, op, mapping, self)

    def start(self, builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        plain = copy_op(builder, op, mapping, self)
        name, operands = op.defn.name, mapped(op.operands, mapping)
        n = op.results[1 if name == "svd" else 0].type.dims[-1]
        if type(n) is int and n < 2 and is_square(op.operands[0]):
            return plain
        source = operands[0].op
        single = source is not None and source.defn.name == "cast" and source.operands[0].type.dtype.real is F32
        near, a = _NEAR[F32 if single else F64], operands[0]
        marked = builder.emit(op.defn, *operands, **op.attrs, near=near)
        self.twins.append((plain[0].maker, marked[0].maker))
        lead, lower = len(a.type.dims) - 2, op.attrs.get("lower")
        if name in ("eigh", "eigvalsh"):
            w, v = marked[0], marked[1] if name == "eigh" else None
            frame = Frame(a, v, v, w, lead, near, lower)
            flows = [Flow("values", w, frame, lead, core=w)] + ([Flow("vectors", v, frame, lead + 1)] if v is not None else [])
        elif name == "svd":
            u, w, vh = marked
            v = adjoint(builder, vh)
            thin = [columns_of(builder, x, builder.index(0), builder.index(n)) if op.attrs["full"] else x for x in (u, v)]
            frame = Frame(a, thin[0], thin[1], w, lead, near, lower)
            frame.lacking = frame.outside(builder)
            kinds = ["vectors" if same_length(x.type.dims[-1], n) else "more" for x in (u, v)]
            more = [x and widened(builder, x, like) for x, like in zip(frame.lacking, (u, v))]
            flows = [Flow(kinds[0], u, frame, lead + 1, bare=Bare(u, more[0])), Flow("values", w, frame, lead, core=w),
                     Flow(kinds[1], vh, frame, lead, turned=not frame.real, right=True,
                          bare=Bare(vh, more[1] and adjoint(builder, more[1])))]
        else:
            frame = Frame(a, None, None, marked[0], lead, near, lower)
            flows = [Flow("values", marked[0], frame, lead, core=marked[0])]
        self.flows.update(zip(op.results, flows))
        return plain


def _drop(block: Block, dead: set[Op]) -> None:
    block.ops = [op for op in block.ops if op not in dead]
    for op in block.ops:
        for region in op.regions:
            _drop(region, dead)
