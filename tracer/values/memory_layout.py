"""Whose layout in memory decides what a program does.

NumPy makes a view of an array or a copy, by how it lies in memory (ravel, reshape, ascontiguousarray), and a new array lies as
those that it is computed of. A program is made for arguments in C order. That matters where it then writes to the array or to
what it has made of it, a view here and a copy for another layout, or the reverse:

    b = np.ascontiguousarray(a); b[0] = 1          changes a, unless a lies in another order
    r = a.T.ravel(); r[0] = 1                      does not, unless a lies in Fortran's

A call with such arguments in another order is refused (tracegrad/programs/compile.py).
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import tracing

if TYPE_CHECKING:
    from .boxes import ArrayBox


def origins(box: ArrayBox) -> tuple[ArrayBox, ...]:
    """The arrays whose layout decides that of a box: the one that it is, or is a view of, or those that it is computed of."""
    root = box.root
    return root.laid_as or (root,)


def follow(made: Any, sources: Iterable[Any]) -> Any:
    """A new array that lies in memory as the sources do."""
    if getattr(made, "dims", ()) and len(made.dims) > 1:
        found = {id(r): r for x in sources if len(x.dims) > 1 and hasattr(x, "root") for r in origins(x)}
        made.laid_as = tuple(found.values()) or None
    return made


def decided(box: ArrayBox, made: ArrayBox | None = None) -> None:
    """`made` is a view of the box or a copy, as the layout says."""
    watched = [b.root for b in (box, made) if b is not None]
    tracing.current().layout_decisions.append((origins(box), [(b, b.own) for b in watched]))


def deciding(trace: tracing.Trace) -> set[int]:
    """The ids of the arrays on whose layout what is written to depends."""
    return {id(root) for roots, watched in trace.layout_decisions if any(b.own is not value for b, value in watched)
            for root in roots}
