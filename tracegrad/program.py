"""A program: what a call of a user's function amounts to; and its derivatives, which are programs again.

A `Program` is an IR function with the Python structures around it: which leaf of the arguments each parameter is, and
how the results make up what the caller gets. Derivative operators map programs to programs, so they nest in any order.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

from ..autodiff import forward, reverse
from ..ir.build import Builder, const, function
from ..ir.core import Function, Value
from ..ir.errors import ArgumentError, ArgumentTypeError, DTypeError
from ..ir.rewrite import inline
from ..ir.simplify import peephole
from ..tracer.signature import Leaf
from ..tracer.tree import LEAF, TUPLE, TreeDef
from ..ir.types import Type


@dataclass(frozen=True)
class Out:
    """One leaf of what is returned.

    kind    "array", "numpy" (a NumPy scalar), "float" | "int" | "bool" | "complex" (Python's), "static" (the object
            `value`), or "arg" (the argument leaf number `value` itself, as in `return x`)
    result  the result of the function that holds it, where it is computed
    """

    kind: str
    result: int | None = None
    value: object = None


@dataclass(frozen=True)
class Program:
    """
    function  the IR; parameters: the dynamic leaves of the arguments in order, then one for each of `captured`
    tree      structure of (args, kwargs);  leaves  one `Leaf` each, static ones included;  paths  how a user writes each
    out_tree, outs   structure and leaves of what is returned
    writes    {parameter: result}: argument arrays that a call overwrites
    statics   numbers of the leaves that are Python ints but were made static, with their values in `leaves`
    captured  values of an enclosing trace that the function uses, in the order of its last parameters
    """

    function: Function
    tree: TreeDef
    leaves: tuple[Leaf, ...]
    paths: tuple[str, ...]
    out_tree: TreeDef
    outs: tuple[Out, ...]
    writes: dict[int, int]
    statics: tuple[int, ...] = ()
    captured: tuple[Value, ...] = ()
    notes: tuple = ()
