"""What a loop carries from one iteration to the next: one `Carry` for each name or item that its body changes.

  Fixed      holds at the head what it held before the loop
  Carried    its numbers are parameters of the body; their types widen until an iteration fits
  with flag  unset before the loop, or set only on a condition: a parameter more says whether it is set; None likewise
  lengths    of an array that has another shape after an iteration: parameters before the array's, of whose type they are part
  identity   of an array, where the trace has them: a parameter after the array's

A carry is planned from what is known, tried by tracing the body, and corrected by what the body left (`absorb`), until an
iteration changes the plan no more.
"""
from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...ir.build import Builder, const
from ...ir.core import Block, Value
from ...ir.types import BOOL, BOOL_SCALAR, I64, INDEX_SCALAR, Array, Type
from .. import tracing
from ..syntax.trees.early_exit import RETURNED, VALUE
from ..values import ownership
from ..values.boxes import ArrayBox, Box
from ..values.python import optional_values
from . import identity, leaf_types, region_tracing, standings
from .leaf_types import Kind, MaybeUndefined, Undefined
from .region_tracing import Mismatch

if TYPE_CHECKING:
    from ..pytrees import TreeDef
    from ..tracing import Trace


class _Varying:
    """Stands in a leaf type for a length that is carried."""

    name = "?"


VARYING = _Varying()


def ends_loop(name: str) -> bool:
    """Whether a name is a flag that ends a loop: false whenever an iteration begins."""
    return name == RETURNED or name.startswith(("<broke", "<left"))


class Carry:
    """One name or item. `initial`: what it holds before the loop, `kinds`: the leaf types (None: a leaf that stays).

    `flag`: whether it is set is carried, too; `optional`: what is not set is None."""

    __slots__ = (
        "boxes",
        "entry",
        "epoch",
        "flag",
        "flexible",
        "initial",
        "kinds",
        "label",
        "leaves",
        "may_alias",
        "may_be",
        "moves",
        "never",
        "opaque",
        "optional",
        "standing",
        "stop",
        "structure",
    )

    def __init__(self, label: str, initial: Any, guess: bool, epoch: int, flexible: bool):
        self.flexible = flexible
        self.label, self.initial, self.stop, self.epoch = label, initial, ends_loop(label), epoch
        self.flag = type(initial) in (Undefined, MaybeUndefined)
        self.never = self.moves = self.opaque = self.optional = False
        self.entry: Any = None
        self.standing = standings.Standings()
        self.boxes: list[ArrayBox] = []
        self.may_alias: list[ArrayBox] = []
        self.may_be: dict[int, list[Any]] = {}            # position of an object in it -> those from before the loop
        self.structure: TreeDef | None = None
        self.leaves: list = []
        self.kinds: list[Kind | None] = []
        if type(initial) is not Undefined:
            self.leaves, self.structure = leaf_types.flatten(initial.held if self.flag else initial)
            self.opaque = any(map(identity.opaque, self.leaves))
            self.kinds = [None] * len(self.leaves)
            if guess or self.flag:
                self.guess()

    def guess(self) -> None:
        """Plan that every number changes; arrays only where the name is bound anew."""
        kept = tracing.current().standing                # arrays are that, where names stand for them
        self.kinds = [None if kept and isinstance(x, ArrayBox) else leaf_types.kind_of(x) for x in self.leaves]
        self.moves = any(self.kinds)

    # --- parameters ---------------------------------------------------------------------------------------------------

    @property
    def width(self) -> int:
        """The number of parameters."""
        if not self.moves:
            return 0
        return sum(1 + k.dims.count(VARYING) + numbered(k) for k in self.kinds if k is not None) + self.flag

    def parameters(self, block: Block) -> None:
        """Give a block the parameters that this needs, under the names that the program has for them."""
        paths: Sequence[str | None] = [None] * len(self.kinds)
        if self.moves and self.structure is not None and "<" not in self.label:
            paths = self.structure.paths(self.label)
        for path, kind in zip(paths, self.kinds if self.moves else ()):
            if kind is not None:
                dims = [parameter(block, INDEX_SCALAR) if d is VARYING else d for d in kind.dims]
                parameter(block, Type(kind.dtype, dims), path)
                if numbered(kind):
                    parameter(block, Type(I64))
        if self.moves and self.flag:
            parameter(block, BOOL_SCALAR)

    def inits(self, builder: Builder) -> list[Value]:
        """What the parameters start from, emitted before the loop."""
        if not self.moves:
            return []
        if type(self.initial) is Undefined or (self.optional and self.initial is None):
            return self.unset(builder)
        values = [leaf_types.emit(x, k) for x, k in zip(self.leaves, self.kinds) if k is not None]
        found = self.described(builder, values, self.leaves)
        return [*found, self.parted(self.initial)[1]] if self.flag else found

    def unset(self, builder: Builder) -> list[Value]:
        """Zeros, which nobody reads."""
        found = [builder.full(0, [0 if d is VARYING else d for d in k.dims], k.dtype) for k in self.kinds if k is not None]
        return [*self.described(builder, found, [None] * len(self.kinds)), const(False, BOOL)]

    def parted(self, x: Any) -> tuple[Any, Value]:
        """(what a name holds where it is set, whether it is)"""
        if type(x) is MaybeUndefined or (self.optional and type(x) in optional_values.KINDS):
            return x.held, x.flag
        return x, const(True, BOOL)

    def described(self, builder: Builder, values: list[Value], leaves: Sequence[float | Box | None]) -> list[Value]:
        """Before each value its lengths that are carried, and after it its identity."""
        out = []
        for value, (kind, leaf) in zip(values, [(k, x) for k, x in zip(self.kinds, leaves) if k is not None]):
            out += [builder.index(d) for d, planned in zip(value.type.dims, kind.dims) if planned is VARYING]
            out.append(value)
            if numbered(kind):
                out.append(identity.number(tracing.current(), leaf))
        return out

    def at_head(self, trace: Trace, params: Iterator, asking: bool = False) -> bool | Box:
        """What the name holds when an iteration begins. `asking`: in the condition, where a flag is not known to be false."""
        if not self.moves:
            self.entry = self.initial
        elif self.stop and not asking:
            next(params)
            self.entry = False
        else:
            self.entry = self._from(trace, params, asking or not self.is_return_value)
        return self.entry

    @property
    def is_return_value(self) -> bool:
        """Whether this is what the function returns: no iteration reads it, as none begins once it is set."""
        return self.label == VALUE

    def _from(self, trace: Trace, params: Iterator, linked: bool = True, after: bool = False) -> Any:
        self.boxes, leaves = [], []
        for x, kind in zip(self.leaves, self.kinds):
            for _ in range(kind.dims.count(VARYING) if kind is not None else 0):
                next(params)
            made = x if kind is None else leaf_types.wrap(next(params), kind, getattr(x, "_strides", None))
            if isinstance(made, ArrayBox) and kind is not None:
                if numbered(kind):
                    number = next(params)
                    made.identity = identity.OPAQUE if self.opaque else number
                self.boxes.append(made)
                for relative in (x, *self.may_alias) if linked else ():
                    if isinstance(relative, ArrayBox):
                        region_tracing.link(trace, made, relative, self.epoch)
            leaves.append(made)
        assert self.structure is not None                     # what moves has one
        held = self.structure.unflatten(leaves)
        held = self.standing.held(held)
        for k, part in enumerate(leaf_types.containers(held)):
            trace.shared[id(part)] = part
            for source in self.may_be.get(k, ()) if after or type(self.initial) is not Undefined else ():
                ownership.note_carried(trace, source, part)
        if self.optional:
            return optional_values.optional(held, next(params))
        return MaybeUndefined(self.label, held, next(params)) if self.flag else held

    # --- after an iteration -------------------------------------------------------------------------------------------

    def absorb(self, final: MaybeUndefined | Box) -> bool:
        """Correct the plan by what an iteration left; whether anything changed."""
        if final is self.entry and not self.stop:
            if self.moves and self.boxes and not self.never and not self.flag:
                self.never, self.moves = True, False          # it was not bound anew after all
                self.kinds = [None] * len(self.kinds)
                return True
            return False
        if type(final) is Undefined:
            if final.reason:
                raise Mismatch(region_tracing.quoted(self.label), leaf_types.describe(self.initial),
                               leaf_types.describe(final), final.reason)
            return False
        if self.flexible and not self.flag and self.is_none_at_times(final):
            self.carry_none()
            self.absorb(final)
            return True
        if self.optional and final is None:
            return False
        held = self.parted(final)[0]
        if tracing.current().standing:
            if self.stands(held):
                return True
            held = self.standing.numbers(held, emitted=False)
        leaves, structure = leaf_types.flatten(held)
        news = self.trace_back(held)
        if self.structure is None:
            return self.first(leaves, structure, self.optional or type(final) is MaybeUndefined)
        if structure != self.structure:
            raise Mismatch(region_tracing.quoted(self.label), leaf_types.describe(self.initial), leaf_types.describe(held),
                           "the structure changes")
        changed = news
        paths = structure.paths(self.label)
        for k, x in enumerate(leaves):
            kind = self.widened(paths[k], k, x)
            if kind != self.kinds[k]:
                self.kinds[k], changed = kind, True
            changed |= self.relate(x) or (identity.opaque(x) and not self.opaque)
            self.opaque |= identity.opaque(x)
        self.moves = self.moves or changed
        return changed

    def stands(self, held: Any) -> bool:
        """Plan for which arrays of several the name stands, if it does; whether that is news."""
        if self.structure is None or self.flag or not self.standing.learn(self.initial, held, self.epoch):
            return False
        self.leaves, self.structure = leaf_types.flatten(self.standing.numbers(self.initial, emitted=False))
        self.guess()
        self.moves = True
        return True

    def trace_back(self, held: Any) -> bool:
        """Note which objects from before the loop those that an iteration leaves may be; whether that is news."""
        trace, news = tracing.current(), False
        initial = list(leaf_types.containers(self.parted(self.initial)[0])) if type(self.initial) is not Undefined else []
        for k, part in enumerate(leaf_types.containers(held)):
            known = self.may_be.setdefault(k, [x for x in initial[k:k + 1] if trace.maker(x) >= 0])
            more = [x for x in ownership.origins(trace, part) if not any(x is y for y in known)]
            known += more
            news |= bool(more)
        return news

    def is_none_at_times(self, final: Any) -> bool:
        """Whether this and another value of it are told apart by being None."""
        cases = {1 if x is None else 2 if type(x) in optional_values.KINDS else 3 for x in (self.initial, final)}
        return len(cases) > 1

    def carry_none(self) -> None:
        """Plan that the name is None or holds something, of one type, which it is being a number that is carried."""
        self.optional = self.flag = True
        self.leaves, self.structure, self.kinds = [], None, []
        if self.initial is not None:
            self.leaves, self.structure = leaf_types.flatten(self.parted(self.initial)[0])
            self.guess()
        self.moves = True

    def first(self, leaves: Any, structure: TreeDef, maybe: bool) -> bool:
        """The first value of a name that was unset before the loop: its types are what is carried. maybe: some iterations leave
        it unset."""
        self.leaves, self.structure, self.opaque = leaves, structure, any(map(identity.opaque, leaves))
        for x in leaves:
            k = None if isinstance(x, ArrayBox) and x._epoch < self.epoch else leaf_types.kind_of(x)     # that very array
            if k is not None and not k.type.static and not self.flexible:
                raise Mismatch(region_tracing.quoted(self.label), "unset", str(k), "its length is known only inside the loop")
            varying = k and k._replace(dims=tuple(d if type(d) is int else VARYING for d in k.dims))
            self.kinds.append(varying)
        # an array from outside stays that very array, a list that very list; whether the name is set moves all the same
        self.moves = maybe or any(self.kinds) or any(isinstance(x, ArrayBox) for x in leaves)
        return True

    def widened(self, path: str, k: int, x: Any) -> Kind | None:
        """The leaf type that holds the planned leaf and x."""
        before, kind = self.leaves[k], self.kinds[k]
        if kind is None:
            if x is before or (not isinstance(x, Box) and leaf_types.same_static(x, before)):
                return None
            kind = leaf_types.kind_of(before)
        found = leaf_types.kind_of(x)
        if kind is not None and found is not None and self.flexible:
            kind, found = vary(kind, found)
        joined = kind and found and leaf_types.join(kind, found, before if kind == leaf_types.kind_of(before) else None, x)
        if not joined:
            raise Mismatch(region_tracing.quoted(path), leaf_types.describe(before) if kind is None else str(kind),
                           leaf_types.describe(x),
                           trail(before, x))
        return joined

    def widens(self) -> bool:
        """Whether a number has another type where there was an iteration."""
        return self.moves and any(leaf_types.differ(k, leaf_types.kind_of(x)) for k, x in zip(self.kinds, self.leaves))

    def relate(self, x: Any) -> bool:
        """An older array that the name is bound to at the end of an iteration may be what it holds in the next."""
        if not isinstance(x, ArrayBox):
            return False
        known = {id(c) for c in self.may_alias} | {id(y.root) for y in self.leaves if isinstance(y, ArrayBox)}
        news = [r for r in (x.root, *region_tracing.relatives(tracing.current(), x.root)) if r._epoch < self.epoch
                and id(r) not in known]
        self.may_alias += news
        return bool(news)

    def yields(self, final: Box) -> list[Value]:
        """What the parameters become, emitted at the end of the body."""
        if not self.moves:
            return []
        if self.optional and final is None:
            return self.unset(tracing.current().builder)
        held, flag = self.parted(final)
        leaves = leaf_types.flatten(self.standing.numbers(held))[0]
        values = [leaf_types.emit(x, k) for x, k in zip(leaves, self.kinds) if k is not None]
        found = self.described(tracing.current().builder, values, leaves)
        return [*found, flag] if self.flag else found

    def after(self, trace: Trace, results: list[Value], final: Box, ran: bool, own: Collection[int] = frozenset()) -> Any:
        """What the name holds after the loop. `ran`: whether there was an iteration for sure."""
        if not self.moves:
            if type(self.initial) is Undefined and self.structure is not None:
                return final if ran else Undefined(self.label,
                                                   "only the body of a loop sets it, to something that is no number")
            return self.initial
        if ran and trace.maker(final) >= 0 and any(part is final for part in leaf_types.containers(final)):
            return final                                       # each iteration leaves that very object
        made = self._from(trace, iter(results), after=True)
        if ran and all(id(part) in own for part in leaf_types.containers(final)):
            for part in leaf_types.containers(self.parted(made)[0]):
                trace.shared.pop(id(part))
                trace.note_fresh(part)
        set_for_sure = ran and final is not None and type(final) not in (MaybeUndefined, *optional_values.KINDS)
        return self.parted(made)[0] if self.flag and set_for_sure else made


def named(results: tuple[Value, ...], params: tuple[Value, ...]) -> tuple[Value, ...]:
    """The results of a loop under the names of what it carries."""
    for r, p in zip(results, params):
        r.name = p.name
    return results


def numbered(kind: Kind) -> bool:
    """Whether the identity of what a leaf holds is carried."""
    return kind.form == "array" and tracing.current().clock is not None


def parameter(block: Block, type: Type, name: str | None = None) -> Value:
    """One parameter more of a block."""
    found = Value(type, name, block, len(block.params))
    block.params = (*block.params, found)
    return found


def vary(a: Kind, b: Kind) -> tuple[Kind, ...]:
    """Two array types with every length in which they differ marked as varying."""
    if a.form != "array" or b.form != "array" or len(a.dims) != len(b.dims):
        return a, b
    same = [p is q or (type(p) is int and p == q) for p, q in zip(a.dims, b.dims)]
    return tuple(k._replace(dims=tuple(d if s else VARYING for d, s in zip(k.dims, same))) for k in (a, b))


def trail(*values: Any) -> str:
    """Where two values were made, for a message."""
    lines = []
    for x in values:
        op = x.read().op if isinstance(x, Box) else None
        lines.append(f"line {op.loc[-1].line}" if op is not None and op.loc else "")
    return f"made in {lines[1]}" if not lines[0] and lines[1] else f"made in {lines[0]} and {lines[1]}" if all(lines) else ""


def guess_of(name: str, initial: Array | Box) -> bool:
    """Whether a name is planned as carried at first: not an array or object that the body only writes into (`x += 1`)."""
    kind = leaf_types.kind_of(initial)
    return not name.startswith("+") or (kind is not None and kind.form == "scalar")


def planned(names: tuple[str, ...], before: tuple[Array | Undefined | Box, ...], epoch: int, flexible: bool) -> list[Carry]:
    """A carry for each name of a loop that begins at the stamp `epoch`. `flexible`: its arrays may change their lengths."""
    return [Carry(name.lstrip("+"), held, guess_of(name, held), epoch, flexible) for name, held in zip(names, before)]
