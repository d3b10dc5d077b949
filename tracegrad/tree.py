"""Nested containers of arrays and numbers, as arguments and results are: taken apart, put together, mapped over.

    tree ::= None | tuple | list | dict | namedtuple | dataclass | object with numbers | registered type | leaf

The leaves of a dict come in the order of its sorted keys. The names are those of `jax.tree`; structures are those that `jit`,
`grad` and `vmap` see, so the gradient with respect to a tree maps together with the tree.
"""
from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Iterable
from typing import Any

from .ir.errors import ArgumentTypeError
from .tracer import pytrees, tracing
from .tracer.calling import calls
from .tracer.pytrees import TreeDef
from .tracer.staging import argument_objects

__all__ = ["TreeDef", "all", "flatten", "leaves", "map", "reduce", "register", "structure", "transpose", "unflatten"]
_MISSING: Any = object()


def flatten(tree: Any, is_leaf: Callable | None = None) -> tuple[list, TreeDef]:
    """The leaves of a tree and its structure.

    Parameters: `tree`; `is_leaf(part)` may say of a part of it that it is a leaf.
    Result: (leaves, structure); the structure is hashable, and says everything but the leaves.
    Errors: none of its own.

    >>> tg.tree.flatten({"b": 1.0, "a": (2.0, None)})
    ([2.0, 1.0], {'a': (*, None), 'b': *})
    """
    found = pytrees.flatten(tree, None, is_leaf)[0]
    opened = argument_objects.opener(tree, found)
    made, structure = pytrees.flatten(tree, opened, is_leaf)
    for leaf in made:
        if type(leaf) is argument_objects.Hidden:
            leaf.reveal()
    return made, structure


def unflatten(structure: TreeDef, leaves: Iterable) -> Any:
    """The tree of a structure with these leaves.

    Parameters: `structure`, `leaves`, as `flatten` gives them. Result: the tree.
    Errors: ArgumentTypeError where there are more or fewer leaves than places.

    >>> leaves, structure = tg.tree.flatten({"b": 1.0, "a": 2.0})
    >>> tg.tree.unflatten(structure, [3.0, 4.0])
    {'b': 4.0, 'a': 3.0}
    """
    if not isinstance(structure, TreeDef):
        raise ArgumentTypeError(f"the structure is a {type(structure).__name__}",
                                "write tg.tree.unflatten(structure, leaves), with the structure that tg.tree.flatten returns")
    return structure.unflatten(list(leaves))


def leaves(tree: Any, is_leaf: Callable | None = None) -> list:
    """The leaves of a tree.

    Parameters: `tree`, `is_leaf` as of `flatten`. Result: the list of them. Errors: none of its own.

    >>> tg.tree.leaves([1.0, (2.0, {"a": 3.0})])
    [1.0, 2.0, 3.0]
    """
    return flatten(tree, is_leaf)[0]


def structure(tree: Any, is_leaf: Callable | None = None) -> TreeDef:
    """The structure of a tree.

    Parameters: `tree`, `is_leaf` as of `flatten`. Result: what is equal for all trees that differ in leaves only.
    Errors: none of its own.

    >>> tg.tree.structure((1.0, [2.0])) == tg.tree.structure((3.0, [4.0]))
    True
    """
    return flatten(tree, is_leaf)[1]


def map(f: Callable, tree: Any, *rest: Any, is_leaf: Callable | None = None) -> Any:
    """The tree of f(leaf, *what the others have at its place).

    Parameters: `f`; `tree`; `rest`, trees that have its structure, or more below its leaves; `is_leaf` as of `flatten`.
    Result: a tree of the structure of `tree`. Errors: ArgumentTypeError where another tree has not its structure.

    >>> tg.tree.map(lambda p, g: p - 0.5 * g, {"w": 1.0, "b": 2.0}, {"w": 2.0, "b": 4.0})
    {'w': 0.0, 'b': 0.0}
    """
    found, structure = flatten(tree, is_leaf)
    columns = [structure.flatten_up_to(other) for other in rest]
    return structure.unflatten([_called(f, *row) for row in zip(found, *columns)])


def reduce(f: Callable, tree: Any, initializer: Any = _MISSING, is_leaf: Callable | None = None) -> Any:
    """f(…f(f(first leaf, second), third)…), with `initializer` before the first one.

    Parameters: `f(a, b)`, `tree`, `initializer`; `is_leaf` as of `flatten`. Result: as above.
    Errors: TypeError where there is neither leaf nor initializer.

    >>> tg.tree.reduce(lambda a, b: a + b, {"w": 1.0, "b": 2.0})
    3.0
    """
    first = () if initializer is _MISSING else (initializer,)
    return functools.reduce(functools.partial(_called, f), leaves(tree, is_leaf), *first)


def all(tree: Any, is_leaf: Callable | None = None) -> bool:
    """Whether all leaves are true.

    Parameters: `tree`, `is_leaf` as of `flatten`. Result: a bool. Errors: none of its own.

    >>> tg.tree.all({"w": True, "b": (True, False)})
    False
    """
    return builtins.all(leaves(tree, is_leaf))


def transpose(outer: TreeDef, inner: TreeDef | None, tree: Any) -> Any:
    """A tree of structure `outer` that holds trees of structure `inner`, turned inside out.

    Parameters: `outer`, `inner` (None: that of the first part), `tree`. Result: the tree of structure `inner`.
    Errors: ArgumentTypeError where it has another structure.

    >>> tg.tree.transpose(tg.tree.structure([0, 0]), None, [(1.0, 2.0), (3.0, 4.0)])
    ([1.0, 3.0], [2.0, 4.0])
    """
    parts = outer.flatten_up_to(tree)
    if inner is None:
        inner = structure(parts[0])
    rows = [inner.flatten_up_to(part) for part in parts]
    return inner.unflatten([outer.unflatten(list(column)) for column in zip(*rows)])


def register(cls: type, flatten: Callable | None = None, unflatten: Callable | None = None) -> type:
    """Make the instances of a class containers, for `jit`, `grad`, `vmap` and all that is here.

    flatten     flatten(x) -> (children, aux): the parts of x, and what is hashable and says the rest
    unflatten   unflatten(aux, children) -> x

    Without these the class has them as methods: `x.tree_flatten()` and the classmethod `tree_unflatten(aux, children)`; then
    `@tg.tree.register` decorates it.

    Parameters: `cls`, and as named. Result: the class. Errors: ArgumentTypeError for what is no class, or has no such methods.

    >>> class Pair:
    ...     def __init__(self, a, b):
    ...         self.a, self.b = a, b
    >>> _ = tg.tree.register(Pair, lambda p: ((p.a, p.b), None), lambda aux, children: Pair(*children))
    >>> tg.tree.leaves(Pair(1.0, [2.0]))
    [1.0, 2.0]
    """
    if not isinstance(cls, type):
        raise ArgumentTypeError(f"tg.tree.register takes a class, got {cls!r}", "pass the class, flatten and unflatten")
    if flatten is None and unflatten is None:
        flatten, unflatten = getattr(cls, "tree_flatten", None), getattr(cls, "tree_unflatten", None)
    if flatten is None or unflatten is None:
        raise ArgumentTypeError(f"tg.tree.register needs to know how a {cls.__name__} is taken apart and put together",
                                "pass flatten and unflatten, or give the class these as tree_flatten and tree_unflatten")
    pytrees.register(cls, flatten, unflatten)
    return cls


def _called(f: Callable, *args: Any) -> Any:
    """f(*args), where the trace under way follows branches and loops in f."""
    return f(*args) if tracing.active() is None else calls.call(f, *args)
