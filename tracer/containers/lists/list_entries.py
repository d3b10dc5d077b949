"""What the entries of a list of run-time length have in common, and how the program holds one of them."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ....ir.core import Value
from ....ir.types import I64, INDEX
from ... import pytrees, tracing
from ...regions import leaf_types
from ...values import promotion
from ...values.boxes import ArrayBox, Box, ScalarBox
from ...values.python import chosen_texts

if TYPE_CHECKING:
    from ...regions.leaf_types import Kind

_AnyBox = TypeVar("_AnyBox", bound=Box)
_REFUSED = ("an array that is an entry of a list whose length is known only at run time cannot be overwritten",
            "store a new one, `x[k] = …`, or keep them as the rows of one array")


class Entry(NamedTuple):
    """What the entries of a pile have in common: their structure and leaf types."""

    structure: pytrees.TreeDef
    kinds: tuple[Kind, ...]

    @classmethod
    def of(cls, value: Any) -> Entry | None:
        leaves, structure = pytrees.flatten(chosen_texts.worded(value))
        kinds = [k for k in map(leaf_types.kind_of, leaves) if k is not None and k.type.static]
        if not kinds or len(kinds) < len(leaves):
            return None
        return cls(structure, tuple(k._replace(dtype=I64) if k.dtype is INDEX else k for k in kinds))

    def join(self, other: Entry | None) -> Entry | None:
        """The entry that holds both. A Python float among NumPy's numbers is one of float64."""
        structure = None if other is None else chosen_texts.wider(self.structure, other.structure)
        if other is None or structure is None:
            return None
        kinds = [k for k in map(_joined, self.kinds, other.kinds) if k is not None]
        return Entry(structure, tuple(kinds)) if len(kinds) == len(self.kinds) else None


def _joined(a: Kind, b: Kind) -> Kind | None:
    if a == b or (a.weak and b.weak):
        return leaf_types.join(a, b)
    if a.form != b.form or a.dims != b.dims:
        return None
    return a._replace(dtype=promotion.result_dtype([a.dtype.np, b.dtype.np]), weak=None)


class Cell:
    """A value that regions log and carry like that of an array."""

    __slots__ = ("__weakref__", "_epoch", "_value")

    def __init__(self, value: Value):
        self._value, self._epoch = value, tracing.stamp()

    @property
    def own(self) -> Value:
        return self._value

    def set(self, value: Value) -> None:
        tracing.current().note_write(self)
        self._value = value


def item_of(column: ArrayBox, k: Any, kind: Any) -> Any:
    found = column[k]
    return ScalarBox(found.read(), kind.weak) if kind.form == "scalar" else read_only(found)


def copied(entry: Any) -> Any:
    """An entry, whose lists, dicts and objects the program must not change: what the list holds would stay."""
    tracing.current().copied.update((id(part), part) for part in pytrees.containers(entry))
    return entry


def taken_out(entry: Any) -> Any:
    """The same, which the list has no more."""
    for part in pytrees.containers(entry):
        tracing.current().copied.pop(id(part), None)
    return entry


def read_only(x: _AnyBox) -> _AnyBox:
    if isinstance(x, ArrayBox):
        x.writeable = _REFUSED
    return x


# classes of what is known of a place whose lists are of run-time length
PILES: set[type] = {Entry}
