"""Reading an array element from a later version of the array: where nothing overwrites it in between, nothing need be undone.

    for %i … carry(%a) { … %x = slice %a[%i]; … %a1 = update %a[%i + 1 + %j], … }        backward: %x is in the final array

A part is *settled* where no write that runs after the read touches it: the writes behind it in its own iteration, those of
each enclosing loop in later iterations, and so on outwards to the function, whose values are all at hand. Two regions are
disjoint where on some axis the one certainly ends before the other begins; positions are forms over loop counters
(ir/analysis/affine.py). A write of a later iteration i' >= i + 1 is bounded by a form of i': what else its position is made of
inside the loop gives way to its bounds, and then

    c > 0:   c i' + r >= c i + r + c               so that (lower bound of the write) - (upper bound of the read) > 0 is proved
                                                   with the one counter i that the read knows
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ...ir.analysis.affine import AffineExpr, Symbol
from ...ir.analysis.induction import counter_of
from ...ir.analysis.patterns import number
from ...ir.core import Block, Op, Value
from ...ir.ops.index import spec_operands
from ...ir.transforms.range_checks import Ranges

if TYPE_CHECKING:
    from ..reverse.reverse import Reverse

Interval = tuple[AffineExpr | None, AffineExpr | None]


class Settled:
    """What is known of positions in a forward program. `outer`: the op that each region belongs to."""

    def __init__(self, run: Reverse):
        self.run = run
        self.ranges = r = Ranges(run.f)
        self.outer: dict[Block, Op] = {}
        self.owner: dict = {}                       # atom -> the value that it is
        self.seen = 0
        self.memo: dict[Op, list | None] = {}
        r.lengths()
        for op in run.f.body.walk():
            for region in op.regions:
                self.outer[region] = op
            if op.defn.name == "for":
                counter_of(r, op)

    def form(self, v: Value) -> AffineExpr:
        r = self.ranges
        form = r.form(v)
        for known in r.order[self.seen:]:
            atom = r.forms[known].atom
            if atom is not None:
                self.owner.setdefault(atom, known)
        self.seen = len(r.order)
        return form

    # --- where a read finds what it reads

    def path(self, op: Op) -> list[tuple[Block, Value]] | None:
        """The versions of an array that have the same elements where a `slice` reads it, from that which it reads on (where an
        `update` writes, from its result on): (block, version), up to one in the function's own block; None where that is not
        certain."""
        if op not in self.memo:
            self.memo[op] = self._path(op.operands[0] if op.defn.name == "slice" else op.results[0], op)
        return self.memo[op]

    def _path(self, x: Value, op: Op) -> list[tuple[Block, Value]] | None:
        run = self.run
        body = run.f.body
        region = self.region(x, op)
        found = []
        while True:
            block = run.home.get(x.owner) if isinstance(x.owner, Op) else x.owner
            if block is None:
                return None
            found.append((block, x))
            if block is body:
                return found
            steps = run.versions_of(block)
            while (step := steps.get(x)) is not None:
                write, k = step
                if not self._untouched(region, self._writes(write, k), write if write.regions else None, None):
                    return None
                x = write.results[k]
                found.append((block, x))
            outer = self.outer[block]
            k = next((k for k, y in enumerate(block.yields) if y is x), None)
            if k is None or k >= len(outer.results):
                return None
            if outer.defn.name != "if":
                param = block.params[len(block.params) - len(outer.results) + k]
                if block is not outer.regions[-1] or run.chain(x, block) is not param:
                    return None
                counter = block.params[0] if outer.defn.name == "for" else None
                if not self._untouched(region, self._chain_writes(block, x), outer, counter):
                    return None
            x = outer.results[k]

    def _writes(self, op: Op, k: int) -> Iterator[Any]:
        """The writing ops by which result k of an op comes from the array that it overwrites."""
        if not op.regions:
            yield op
            return
        for region in op.regions[-1:] if op.defn.name != "if" else op.regions:
            yield from self._chain_writes(region, region.yields[k])

    def _chain_writes(self, block: Block, v: Value) -> Iterator[Any]:
        """The writing ops of a block by which v comes from an array that the block begins with."""
        run = self.run
        while isinstance(v.owner, Op) and run.home.get(v.owner) is block:
            base = run.bases_of(v.owner).get(v.slot)
            if base is None:
                return
            yield from self._writes(v.owner, v.slot)
            v = base

    # --- disjointness

    def _untouched(self, region: list[Interval], writes: Iterator[Any], inside: Op | None, counter: Value | None) -> bool:
        """Whether none of the writes touches the region. They stand in the op `inside`, in any iteration; where a counter is
        given, in iterations of it after that of the read."""
        later = self.form(counter).atom if counter is not None else None

        def local(atom: Symbol) -> bool:
            if atom is later and later is not None:
                return False
            owner = self.owner.get(atom)
            return owner is None or atom.array or (inside is not None and self._inside(owner, inside))

        return all(self._apart(region, self.region(w.operands[0], w), local, later) for w in writes)

    def _apart(self, read: list[Interval], write: list[Interval], local: Callable, later: Symbol | None) -> bool:
        nonneg = self.ranges.facts.nonneg
        for (low, high), (w_low, w_high) in zip(read, write):
            if high is not None and w_low is not None and any(
                    nonneg(f.plus(high, -1).add(-1)) for f in self._bounds(w_low, -1, local, later)):
                return True
            if low is not None and w_high is not None and any(
                    nonneg(low.plus(f, -1).add(-1)) for f in self._bounds(w_high, 1, local, later)):
                return True
        return False

    def _bounds(self, form: AffineExpr, side: int, local: Any, later: Any) -> Iterator[Any]:
        """Forms that bound a position of a write on one side, in terms of what the read knows."""
        hull = self.ranges.facts.hull
        for f in hull(form, local, side):
            c = f.terms.get(later, 0) if later is not None else 0
            if not c:
                yield f
            elif (c > 0) == (side < 0):
                yield f.add(c)
            else:
                yield from hull(f, lambda atom: atom is later or local(atom), side)

    def _inside(self, v: Value, op: Op) -> bool:
        run = self.run
        block = run.home.get(v.owner) if isinstance(v.owner, Op) else v.owner
        while block is not None and block in self.outer:
            parent = self.outer[block]
            if parent is op:
                return True
            block = run.home[parent]
        return False

    # --- regions

    def region(self, x: Value, op: Op) -> list[Interval]:
        """For each axis of x the first and the last position that a reading or writing op addresses."""
        if "spec" not in op.attrs:
            return self._scattered(x, op)
        spec, first = op.attrs["spec"], 1 if op.defn.name == "slice" else 2
        starts = spec_operands(spec)
        found: list[Interval] = []
        for axis, char in enumerate(spec):
            at = first + starts[axis]
            if char == ":":
                found.append((AffineExpr(0, {}), self._size(x, axis)))
            elif char == "i":
                i = self.form(op.operands[at])
                found.append((i, i))
            else:
                found.append(self._run(*op.operands[at:at + 3]))
        return found

    def _scattered(self, x: Value, op: Op) -> list[Interval]:
        axes, indices = op.attrs["axes"], op.operands[2:]
        found: list[Interval] = [(AffineExpr(0, {}), self._size(x, axis)) for axis in range(len(x.type.dims))]
        for axis, i in zip(axes, indices):
            found[axis] = (self.form(i), self.form(i))
        return found

    def _size(self, x: Value, axis: int) -> AffineExpr:
        d = x.type.dims[axis]
        return (AffineExpr(d, {}) if isinstance(d, int) else self.form(d)).add(-1)

    def _run(self, start: Value, length: Value, step: Value) -> Interval:
        """Positions start, start + step …; an empty run touches nothing, so that its bounds may be anything."""
        by = number(step)
        if by is None:
            return None, None
        near = self.form(start)
        far = near.plus(self.form(length).add(-1), by)
        return (near, far) if by > 0 else (far, near)
