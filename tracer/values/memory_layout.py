"""Whose layout in memory decides what a program does.

NumPy makes a view of an array or a copy, by how it lies in memory (ravel, reshape, ascontiguousarray), and a new array lies as
those that it is computed of. A program is made for arguments in C order. That matters where it then writes to the array and
reads what it has made of it, a view here and a copy for another layout, or the reverse:

    b = np.ascontiguousarray(a); b[0] = 1          changes a, unless a lies in another order
    r = a.T.ravel(); r[0] = 1                      does not, unless a lies in Fortran's

For such arguments in another order another program is made, which knows their strides (tracegrad/programs/compile.py).
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from .. import tracing
from . import views

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


def order_decides(box: ArrayBox) -> None:
    """What the program computes follows from the order in which the elements of a box lie."""
    trace = tracing.current()
    for root in origins(box):
        trace.layout_read[id(root)] = root


class Decision:
    """`made` is a view of `source` or a copy, as the layout of the origins says. That matters once one has been written to and
    the other one is read; `scope` is the region in which it can be told."""

    def __init__(self, source: ArrayBox, made: ArrayBox, scope: Any, named: bool):
        self.named = named                                 # in C order they are one array
        self.origins, self.source, self.made, self.scope = origins(source), source, made, scope
        self.now = [(root, root.own) for root in (source.root, made.root)]
        self.members = {id(made): made}                    # `made` and views of it
        self.written: set[bool] = set()                    # whether by a member
        self.matters = False

    def of_made(self, box: ArrayBox | None) -> bool:
        """Whether a box is `made` or a view of it."""
        while box is not None and id(box) not in self.members:
            box = box.base
        return box is not None

    def is_written(self, box: ArrayBox, scope: Any) -> None:
        told = scope is self.scope and self.made is not self.source and all(root.own is value for root, value in self.now)
        self.written.add(self.of_made(box))
        self.matters = self.matters or not told

    def is_read(self, box: ArrayBox) -> None:
        self.matters = self.matters or (not self.of_made(box)) in self.written

    def decides(self, visible: AbstractSet[int]) -> bool:
        return (self.matters or (bool(self.written) and id(self.source.root) in visible)
                or any(root.own is not value for root, value in self.now))


def decided(box: ArrayBox, made: ArrayBox, named: bool = False) -> None:
    """`made` is a view of the box or a copy, as the layout says."""
    trace = tracing.current()
    scope = None if len(trace.scopes) > 1 and trace.made_before(box.root) else trace.scopes[-1]
    found = Decision(box, made, scope, named)
    for root in {id(r): r for r, _ in found.now}:
        trace.layout_decisions.setdefault(root, []).append(found)


def itself(box: ArrayBox) -> ArrayBox:
    """The array as ascontiguousarray gives it in C order: itself. Where arguments are the function's own, a derivative's, it
    gets another name, so that what is read of the first one can be told from what is read of this one."""
    if not tracing.current().own_arguments or len(box.dims) < 2:
        return box
    made = box.view(views.Reshaped(box.dims, box.strides_known))
    made.writeable = box.writeable
    return made


def one(trace: tracing.Trace, a: Any, b: Any) -> bool:
    """Whether two boxes are names of one array."""
    asked = {id(a), id(b)}
    return any(d.named and asked == {id(d.source), id(d.made)} for found in trace.layout_decisions.values() for d in found)


def viewed(box: ArrayBox, view: ArrayBox) -> None:
    """A view of a box, of which its chain of bases need not tell."""
    for decision in tracing.current().layout_decisions.get(id(box.root), ()):
        if decision.of_made(box):
            decision.members[id(view)] = view


def read(trace: tracing.Trace, box: ArrayBox) -> None:
    for decision in trace.layout_decisions.get(id(box.root), ()):
        if decision.written:
            decision.is_read(box)


def written(trace: tracing.Trace, box: ArrayBox, write: Callable[[], None]) -> None:
    """Write to a box, whose root some decisions are about."""
    found = trace.layout_decisions[id(box.root)]
    for decision in found:
        decision.is_written(box, trace.scopes[-1])
    write()
    for decision in found:
        decision.now = [(root, root.own) for root, _ in decision.now]


def asked(trace: tracing.Trace) -> set[int]:
    """The ids of the arrays whose layout decides anything."""
    return {id(root) for found in trace.layout_decisions.values() for decision in found for root in decision.origins}


def deciding(trace: tracing.Trace, visible: AbstractSet[int]) -> set[int]:
    """The ids of the arrays on whose layout the program depends. `visible`: those that the caller reads afterwards."""
    return {id(root) for found in trace.layout_decisions.values() for decision in found if decision.decides(visible)
            for root in decision.origins}
