"""What a trace gives: the program of a call, with the structures around it and what calls must know of it."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...ir.core import Function, Value
from .. import pytrees
from ..values.captured_arrays import Captured
from . import failed_objects
from .argument_objects import Reference
from .signature import Leaf


class Out(NamedTuple):
    """One leaf of what is returned.

    kind    "array", "numpy" (a NumPy scalar), "float" | "int" | "bool" | "complex" (Python's), "static" (the object
            `value`), "arg" (the argument leaf number `value` itself, as in `return x`), or "view" (an array whose elements
            are the result, and which is the view `value` of an argument)
    result  the result of the function that holds it, where it is computed (`computed`: of a leaf that is)
    """
    kind: str
    result: int | None = None
    value: Any = None

    @property
    def computed(self) -> int:
        assert self.result is not None, self
        return self.result


@dataclass(frozen=True)
class Traced:
    """A traced function.

    function  parameters: the dynamic leaves of the arguments in order, then one for each of `captured`;
              results: the computed leaves of what is returned, then the final values of overwritten arguments
    tree      structure of (args, kwargs);  leaves  one Leaf each, static ones included;  paths  how a user writes each
    out_tree, outs   structure and leaves of what is returned
    writes    {parameter: result}: argument arrays that the function overwrites
    statics   leaves that were Python ints and decided a shape, made static
    captured  values of an enclosing trace that the function uses
    notes     (kind, text, location) for `explain`
    mutated   leaves: the argument arrays that the function overwrites, whether that is reported in `writes` or stays inside
    laid      leaves among these of which the function makes what NumPy makes a view or a copy, as the array lies in memory, and
              leaves of which it reads the strides
    held      arrays from outside of the arguments, and what is needed to find them again
    assigned  (number of an object of the call, attribute) of the values that come after what the function returns, in a pair
              with it: the caller's objects get them
    by_identity  whether another program is needed where other ones of the objects and containers are one and the same
    told      what is to be done with the values that the program tells before it fails
    """

    function: Function
    tree: pytrees.TreeDef
    leaves: tuple[Leaf, ...]
    paths: tuple[str, ...]
    out_tree: pytrees.TreeDef
    outs: tuple[Out, ...]
    writes: dict[int, int]
    statics: tuple[int, ...] = ()
    captured: tuple[Value, ...] = ()
    notes: tuple = ()
    mutated: tuple[int, ...] = ()
    layout_dependent: tuple[int, ...] = ()
    held: Captured = field(default_factory=Captured)
    assigned: tuple[tuple[int, str], ...] = ()
    by_identity: bool = False
    told: tuple[failed_objects.Told, ...] = ()

    @property
    def refers_to_objects(self) -> bool:
        """Whether the call's objects have a part in what is returned: then Python puts them there."""
        return (self.by_identity or bool(self.assigned) or bool(self.told)
                or any(type(out.value) is Reference for out in self.outs if out.kind == "static"))
