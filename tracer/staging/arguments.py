"""The arguments of a call as leaves: what a specialisation is chosen by, and what a trace starts from."""
from __future__ import annotations

import linecache
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...ir.errors import Frame, Loc, TracegradError
from .. import pytrees
from ..syntax import source
from ..values.boxes import ArrayBox, Box
from . import argument_objects, shape_struct, signature
from .shape_struct import ShapeDtypeStruct
from .signature import Leaf

if TYPE_CHECKING:
    from ...ir.types import Array


class Call(NamedTuple):
    """A call's arguments as leaves: `values` are their own leaves, `aliases` {leaf: earlier leaf that is the same array},
    `objects` those that are taken apart, and the containers: what can be assigned to; `hides` whether what the program does
    not read is left out (argument_objects.hiding); `shared` (object, earlier object) of those that are one and the same, by
    their numbers."""

    tree: pytrees.TreeDef
    leaves: tuple[Leaf, ...]
    paths: tuple[str, ...]
    values: tuple
    aliases: dict[int, int]
    objects: tuple = ()
    hides: bool = False
    shared: tuple[tuple[int, int], ...] = ()


_PARAMETERS: dict = {}


def parameters_of(function: Callable) -> signature.Parameters:
    plain = source.unwrap(function)
    key = getattr(plain, "__code__", None)
    if key is None or isinstance(plain, types.MethodType):
        return signature.Parameters(plain)
    found = _PARAMETERS.get(id(key))
    if found is None:
        found = _PARAMETERS[id(key)] = key, signature.Parameters(plain)
    return found[1]


def flatten_call(function: Callable, args: Sequence[Array | ArrayBox], kwargs: dict | None = None, static_argnums: Any = (),
                 static_argnames: tuple = ()) -> Call:
    """The leaves of a call. Static arguments are one leaf each. Errors point at the function that was called."""
    try:
        return leaves_of_call(function, args, kwargs, static_argnums, static_argnames)
    except TracegradError as error:
        raise error.located(where(function)) from None


def leaves_of_call(function: Callable, args: Any, kwargs: dict | None = None, static_argnums: tuple = (),
                   static_argnames: tuple = ()) -> Call:
    """The same, with errors that point nowhere: `function` only says how arguments are named."""
    parameters = parameters_of(function)
    args, kwargs = parameters.bind(tuple(args), kwargs or {})
    fixed = parameters.positions(static_argnums, static_argnames)
    given = [(x, k in fixed) for k, x in (*enumerate(args), *kwargs.items())]
    values, kinds, found = _taken_apart(given, None)
    opened = argument_objects.opener([x for x, static in given if not static], values)
    if opened is not None:
        values, kinds, found = _taken_apart(given, opened)
    children, named = found[:len(args)], found[len(args):]
    positional = pytrees.TreeDef(pytrees.TUPLE, None, tuple(children))
    keyword = pytrees.TreeDef(pytrees.DICT, (tuple(kwargs), tuple(kwargs)), tuple(named))
    structure = pytrees.TreeDef(pytrees.TUPLE, None, (positional, keyword))
    paths = signature.paths_of(parameters, structure, tuple(kwargs))
    values = [x if s else signature.taken(x, f"argument {p}") for x, p, s in zip(values, paths, kinds)]
    leaves = tuple(signature.static(x, f"argument {p}") if s else
                   shape_struct.leaf_of(x, f"argument {p}") if type(x) is ShapeDtypeStruct else
                   signature.abstract(x, f"argument {p}") for x, p, s in zip(values, paths, kinds))
    values = [None if type(x) is ShapeDtypeStruct and not s else x for x, s in zip(values, kinds)]
    objects = tuple([x for pair in zip((*args, *kwargs.values()), found) for x in argument_objects.objects_of(*pair)])
    return Call(structure, leaves, tuple(paths), tuple(values), aliases_of(values, leaves), objects, argument_objects.hides(),
                argument_objects.shared_among(objects))


def _taken_apart(given: list[tuple[Any, bool]], opened: Callable | None) -> tuple[list, list[bool], list[pytrees.TreeDef]]:
    """(the leaves of arguments, whether each belongs to a static one, the structure of each argument)."""
    values: list = []
    kinds: list[bool] = []
    structures = []
    for x, static in given:
        leaves, structure = ([x], pytrees.LEAF) if static else pytrees.flatten(x, opened)
        values += leaves
        kinds += [static] * len(leaves)
        structures.append(structure)
    return values, kinds, structures


def aliases_of(values: Sequence[Array | Box], leaves: tuple[Leaf, ...]) -> dict[int, int]:
    """Arrays that are passed more than once."""
    first: dict = {}
    found: dict[int, int] = {}
    for k, (x, leaf) in enumerate(zip(values, leaves)):
        if leaf.kind == "array" and x is not None:
            field = _field(x)
            earlier = first.setdefault(field or id(x.root if isinstance(x, ArrayBox) else x), k)
            if earlier != k and (field or x is values[earlier]):
                found[k] = earlier
    return found


def _field(x: Any) -> tuple | None:
    """What tells a field of a structured array, which is another object each time, from others: where it lies."""
    base = x.base if type(x) is np.ndarray else None
    if not isinstance(base, np.ndarray) or not base.dtype.names:
        return None
    return x.__array_interface__["data"][0], x.shape, x.strides, x.dtype


def where(function: Callable) -> Loc:
    """The line that a function's definition starts on, after its decorators; of one of ours around it, the user's."""
    plain = source.unwrap(function)
    while hasattr(plain, "__wrapped__") and source.is_open(plain):
        plain = source.unwrap(plain.__wrapped__)
    code = getattr(plain, "__code__", None)
    if code is None:
        return ()
    line, lines = code.co_firstlineno, linecache.getlines(code.co_filename)
    heads = (n for n in range(line, len(lines) + 1) if lines[n - 1].lstrip().startswith(("def ", "async def ")))
    return Frame(code.co_filename, line if code.co_name == "<lambda>" else next(heads, line), code.co_name),
