"""What lowering must know before it emits: where each op stands, who uses a value, and which arrays get memory.

Every op, block start and block end has a number in program order. An array value is one of

  buffered   a parameter or constant array, or computed into memory at its own place in the program (`Program.rooted`)
  virtual    never stored: recomputed at an index wherever it is read (schedule/index_rules.py has one rule per op)

A value becomes a root when it must be in memory (a result, a carried array, the base of an update, a library operand), or
when it is expensive and would be computed several times. Whether a root that nobody outside its own loop reads needs memory
after all is decided later, by schedule/fuse.py.
"""
from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from fractions import Fraction
from math import inf, prod
from typing import TYPE_CHECKING, Any

from ...ir.analysis.lengths import least_count
from ...ir.analysis.uses import one_to_one, position
from ...ir.core import Block, Const, Function, Op, Value
from ...ir.opdef import Elementwise
from ...ir.ops.index import WRITES
from ...ir.ops.shape import concat_parts
from ...ir.thresholds import sizes

if TYPE_CHECKING:
    from ...ir.types import Dim, Type
    from ..loopir.grammar import Scalar

REPEAT = 3           # … or computed again in every iteration of a loop


def is_virtual(op: Op) -> bool:
    name = op.defn.name
    element = isinstance(op.defn, Elementwise) or op.defn.moves or name in ("empty", "searchsorted")
    return element or (name == "reduce" and reduced(op) <= sizes.few_terms)


def reduced(op: Op) -> float:
    """How many elements of a `reduce` make one; inf where that is not known, or where one scalar comes out."""
    dims = [op.operands[0].type.dims[k] for k in op.attrs["axes"]]
    return prod(dims) if op.results[0].type.dims and all(type(d) is int for d in dims) else inf


def floats(v: Value) -> bool:
    """Whether a result of a control op has a length that is another of its results: no memory can be set aside before."""
    return bool(v.type.dims) and not v.type.static and any(d.owner is v.owner for d in run_time(v.type.dims))


def is_fill(op: Op) -> bool:
    """An array of equal elements: whoever overwrites it fills memory of its own."""
    return op.defn.name == "empty" or (op.defn.name == "broadcast" and not op.operands[0].type.dims)


def small(type: Type) -> bool:
    """Whether the elements of such an array are written one by one. Rows of a vector's length are not: scalar stores would
    stall the vector loads after them."""
    return type.static and type.count <= sizes.registers and (not type.dims or type.shape[-1] < sizes.lanes)


def space(type: Type, swapped: bool = False) -> str:
    """The kind of memory of a temporary: the stack where its elements are written one by one, and its memory is its own."""
    return "stack" if small(type) and not swapped else "heap"


def run_time(dims: Iterable[Dim]) -> Iterator[Value]:
    """The lengths that are known only at run time."""
    return (d for d in dims if not isinstance(d, int))


def same_dim(a: Dim | Scalar, b: Dim | Scalar) -> bool:
    return a is b or (type(a) is int and type(b) is int and a == b)


Position = int | Fraction       # of an op; what is moved between two others has a fraction


class Program:
    """Positions, uses and storage decisions of one function (calls are inlined)."""

    def __init__(self, f: Function):
        self.function = f
        self.pos: dict[Op, Position] = {}
        self.end: dict[Op, Position] = {}
        self.home: dict[Op, Block] = {}
        self.ops: dict[Block, list[Op]] = {}               # in the order in which they are to run
        self.stops: dict[Block, list[Position]] = {}            # positions that no read may move across
        self.parent: dict[Block, tuple[Op, int] | None] = {f.body: None}
        self.span: dict[Block, tuple[int, int]] = {}
        self.uses: dict[Value, list] = {}
        self.rooted: set[Value] = set()
        self.must: set[Value] = set()
        self.cost: dict[Value, float] = {}
        self.effort: dict[Value, float] = {}              # what computing an element costs, where it has memory, too
        self._chain: dict[Value, int] = {}                 # virtual ops below a virtual value
        self.counters: set[Value] = set()                  # loop counters: never negative
        # what adds a product or sum to an array → that (schedule/accumulating_contractions.py)
        self.sums: dict[Op, Op] = {}
        self._points: dict[Value, list[tuple[Position, Block]]] = {}
        self._clock = 0
        self.closed = False                                 # nothing is decided any more (schedule/memory_plan.py)
        self._walk(f.body)
        self._decide(f.body)

    # --- positions and uses -----------------------------------------------------------------------------------------

    def _tick(self) -> int:
        self._clock += 1
        return self._clock

    def _walk(self, block: Block) -> None:
        start, uses = self._tick(), self.uses
        self.ops[block], stops = list(block.ops), self.stops.setdefault(block, [])
        for op in block.ops:
            self.pos[op] = self._tick()
            if op.regions or (op.defn.effect and op.defn.name != "wrap"):
                stops.append(self.pos[op])
            self.home[op] = block
            for k, v in enumerate(op.operands):
                uses.setdefault(v, []).append((op, k))
            for k, region in enumerate(op.regions):
                self.parent[region] = (op, k)
                self._walk(region)
            if op.defn.name in ("for", "map"):
                self.counters.add(op.regions[0].params[0])
            self.end[op] = self._tick() if op.regions else self.pos[op]
        for k, v in enumerate(block.yields):
            uses.setdefault(v, []).append((block, k))
        self.span[block] = (start, self._tick())

    def block_of(self, v: Value) -> Block:
        assert v.owner is not None, v                      # a constant is nowhere defined
        return self.home[v.owner] if isinstance(v.owner, Op) else v.owner

    def def_point(self, v: Value) -> tuple[Position, Block]:
        """When the contents of v come into being; of a map's result, row by row from its start."""
        if isinstance(v.owner, Op):
            return (self.pos if v.owner.defn.name == "map" else self.end)[v.owner], self.home[v.owner]
        block = self.block_of(v)
        return self.span[block][0], block

    def ancestors(self, block: Block) -> Iterator[Any]:
        """(op, region number) of every enclosing control op, innermost first."""
        while (up := self.parent[block]) is not None:
            yield up
            block = self.home[up[0]]

    def exclusive(self, a: Block, b: Block) -> bool:
        """Whether the blocks lie in different branches of one `if`, so that only one of them runs."""
        if a is b or self.parent[a] is None or self.parent[b] is None:
            return False
        branches = {op: k for op, k in self.ancestors(a) if op.defn.name == "if"}
        return bool(branches) and any(branches.get(op, k) != k for op, k in self.ancestors(b))

    # --- buffered or virtual ----------------------------------------------------------------------------------------

    def buffered(self, v: Value) -> bool:
        """Whether array v is read from memory (or from the register of the task that computes it)."""
        return v in self.rooted or not isinstance(v.owner, Op)

    def _decide(self, block: Block) -> None:
        for op in block.ops:
            for v in op.results:
                if v.type.dims:
                    self._decide_value(op, v)
            for region in op.regions:
                self._decide(region)

    def _decide_value(self, op: Op, v: Value) -> None:
        if not is_virtual(op) or (op.defn.name == "reduce" and op.operands[0] in self.rooted):
            self.rooted.add(v)
            if not op.defn.register or self._needs_memory(op, v):
                self.must.add(v)
            self.cost[v] = 1
            return
        cost: float = op.defn.cost
        chain = 0
        if op.defn.name == "reshape" and not trivial_reshape(op):
            cost = 4
        for operand in dict.fromkeys(op.operands):
            if operand.type.dims:
                cost += self.cost.get(operand, 0 if isinstance(operand, Const) else 1)
                chain = max(chain, self._chain.get(operand, 0))
        if op.defn.name == "reduce":
            cost *= reduced(op)
        self.cost[v], self._chain[v] = min(cost, 1000), chain + 1
        self.effort[v] = self.cost[v]
        if self._needs_memory(op, v):
            self.must.add(v)
            self.rooted.add(v)
        elif chain >= sizes.virtual or self._worth_memory(op, v, cost):
            self.rooted.add(v)
        if v in self.rooted:
            self.cost[v], self._chain[v] = 1, 0

    def _needs_memory(self, op: Op, v: Value) -> bool:
        if op.defn.name == "concat" and not (small(v.type) and all(x.type.static for x in concat_parts(op.operands)[0])):
            return True
        filled = is_fill(op)
        for user, k in self.uses.get(v, ()):
            if isinstance(user, Block):
                up = self.parent[user]
                if not filled or up is None or up[0].defn.name == "map":
                    return True
                continue
            if filled and (user.regions or user.defn.overwrites is not None):
                continue
            need = NEEDS_MEMORY.get(user.defn.name)
            if need is not None and need(user, k):
                return True
        return False

    def _worth_memory(self, op: Op, v: Value, cost: float) -> bool:
        uses = self.uses.get(v, ())
        if cost < REPEAT:
            return False
        if (len(uses) - 1) * cost >= (sizes.twice if least_count(v.type) < sizes.large else sizes.twice_large):
            return True
        home = self.home[op]
        for user, k in uses:
            if self.home[user] is not home and self._repeats(self.home[user], home) and not (
                    cost < sizes.twice and k == 0 and self._once(user, home)):
                return True
            expands = EXPANDS.get(user.defn.name)
            if expands is not None and expands(user, k):
                return True
        return False

    def _repeats(self, inner: Block, outer: Block) -> bool:
        for op, _ in self.ancestors(inner):
            if op.defn.loop:
                return True
            if self.home[op] is outer:
                return False
        return False

    def part(self, op: Op) -> Op | None:
        """The product or sum that adds itself to an array at this op; None where there is none, or it is stored after all."""
        found = self.sums.get(op)
        return found if found is not None and found.results[0] not in self.rooted else None

    def _once(self, read: Op, outer: Block) -> bool:
        """Whether an op reads another part in each iteration of the loops around it."""
        if read.defn.name != "slice":
            return False
        places = (position(read, k) for k, char in enumerate(read.attrs["spec"]) if char == "i")
        axes = [v for v in places if v is not None]
        for op, region in self.ancestors(self.home[read]):
            if op.defn.loop:
                body = op.regions[region]
                at = next((v for v in axes if op.defn.name != "while" and one_to_one(v, body.params[0], body)), None)
                if at is None:
                    return False
                axes.remove(at)
            if self.home[op] is outer:
                return True
        return True

    def used_by(self, v: Value, names: Container[str]) -> bool:
        """Whether an op of one of these names uses the value."""
        return any(isinstance(user, Op) and user.defn.name in names for user, _ in self.uses.get(v, ()))

    def absorb(self, part: Op, sum: Op) -> None:
        """A product or sum adds itself to an array, and is nowhere stored."""
        assert not self.closed
        self.sums[sum] = part
        self.rooted.discard(part.results[0])
        self.must.discard(part.results[0])

    def force(self, v: Value) -> None:
        """Compute a virtual value at its own place after all (so that what it reads may be overwritten)."""
        assert not self.closed
        self.rooted.add(v)
        self.cost[v] = 1
        self._points.clear()

    # --- reading early ----------------------------------------------------------------------------------------------

    def pull(self, user: Op, before: Op) -> list[Op] | None:
        """The ops to move, in order, for `user` to stand before `before`, which comes earlier in its block; None where
        that would change something."""
        block = self.home[before]
        found: list[Op] = []
        if self.home[user] is not block:
            return None
        low, high = self.pos[before], self.pos[user]
        if any(low < stop < high for stop in self.stops[block]) or not self._collect(user, before, found):
            return None
        return found

    def _collect(self, op: Op, before: Op, found: list[Op]) -> bool:
        if op is before or op.regions or op.defn.effect or len(found) > sizes.moved:
            return False
        for v in op.operands:
            if isinstance(v, Const):
                continue
            at, block = self.def_point(v)
            late = block is self.home[before] and at >= self.pos[before]
            if late and v.owner not in found and not (isinstance(v.owner, Op) and self._collect(v.owner, before, found)):
                return False
        found.append(op)
        return True

    def move(self, ops: list[Op], before: Op) -> None:
        """Each gets a position of its own, behind those that have been moved there earlier."""
        assert not self.closed
        block, high = self.ops[self.home[before]], self.pos[before]
        late = [op for op in ops if self.pos[op] > high]
        k = block.index(before)
        low = max(high - 1, self.end[block[k - 1]]) if k else high - 1
        for n, op in enumerate(late, 1):
            block.remove(op)
            block.insert(block.index(before), op)
            self.pos[op] = self.end[op] = low + Fraction(n, len(late) + 1) * (high - low)
        self._points.clear()

    # --- when the contents of an array are read ---------------------------------------------------------------------

    def points(self, v: Value) -> list[tuple[Position, Block]]:
        """Where the memory of array v is read: through virtual consumers at the place of their readers; a use in a loop that
        does not contain the definition counts at the loop's end."""
        found = self._points.get(v)
        if found is None:
            found = self._points[v] = []
            home = self.block_of(v)
            for user, _ in self.uses.get(v, ()):
                found.extend(self.after_loops(p, home) for p in self.reads_at(user))
        return found

    def reads_at(self, user: Op | Block) -> list[tuple[Position, Block]]:
        if isinstance(user, Block):
            return [(self.span[user][1], user)]
        if user.results and user.results[0].type.dims and user.results[0] not in self.rooted:
            return self.points(user.results[0])
        return [(self.pos[user], self.home[user])]

    def after_loops(self, point: tuple[Position, Block], home: Block) -> tuple[Position, Block]:
        at, block = point
        inside = block
        while inside is not home and (up := self.parent[inside]) is not None:
            inside = self.home[up[0]]
            if up[0].defn.loop:
                at, block = self.end[up[0]], inside
        return at, block

    def live_after(self, v: Value, at: Position, block: Block) -> bool:
        """Whether the contents of v are read after the point."""
        return any(p > at and not self.exclusive(b, block) for p, b in self.points(v))


# --- ops that want an operand in memory, or read it again and again: name -> test(op, operand number) ---------------------


def _grows_outside(op: Op, k: int) -> bool:
    """A broadcast that repeats the operand along an axis outside one of its own: [m] -> [n, m], but not [n, 1] -> [n, m]."""
    x, out = op.operands[0].type.dims, op.results[0].type.dims
    shift, new_outer = len(out) - len(x), len(out) > len(x)
    for axis, d in enumerate(x):
        if d == 1 and not same_dim(out[axis + shift], 1):
            new_outer = True
        elif d != 1 and new_outer:
            return True
    return False


def _gather_grows(op: Op, k: int) -> bool:
    if k:
        return False
    x, out = op.operands[0].type, op.results[0].type
    return not (x.static and out.static and out.count <= x.count)


def _dot_repeats(op: Op, k: int) -> bool:
    other = op.operands[1 - k].type.rank
    return other > len(op.attrs["contract"][0]) + len(op.attrs["batch"][0])


def _first(op: Op, k: int) -> bool:
    return k == 0


def _always(op: Op, k: int) -> bool:
    return True


NEEDS_MEMORY = dict.fromkeys(WRITES, _first) | dict.fromkeys(("for", "while", "push", "exchange", "print", "check"), _always)
EXPANDS = {"broadcast": _grows_outside, "gather": _gather_grows, "dot": _dot_repeats, "searchsorted": _first}


# --- reshape: which axes keep their meaning -----------------------------------------------------------------------------


def reshape_groups(source: tuple[Dim, ...], target: tuple[Dim, ...]) -> list[tuple[list[int], list[int]]] | None:
    """Groups of axes with equal products: [n, 1, 6] -> [n, 2, 3] is ([0], [0]), ([2], [1, 2]); axes of length 1 belong to none.

    None where run-time lengths do not let the groups be told apart.
    """
    a = [(k, d) for k, d in enumerate(source) if not same_dim(d, 1)]
    b = [(k, d) for k, d in enumerate(target) if not same_dim(d, 1)]
    groups, i, j = [], 0, 0
    while i < len(a) or j < len(b):
        if i < len(a) and j < len(b) and same_dim(a[i][1], b[j][1]):
            groups.append(([a[i][0]], [b[j][0]]))
            i, j = i + 1, j + 1
            continue
        left: list[int] = []
        right: list[int] = []
        p = q = 1
        while True:
            if p == q and left:
                break
            grow_left = p < q or not left
            side, at, seq = (left, i, a) if grow_left else (right, j, b)
            if at == len(seq):
                return None
            axis, length = seq[at]
            if not isinstance(length, int) or length == 0:
                return None
            side.append(axis)
            if grow_left:
                p, i = p * length, i + 1
            else:
                q, j = q * length, j + 1
        groups.append((left, right))
    return groups


def trivial_reshape(op: Op) -> bool:
    """A reshape that only adds or drops axes of length 1."""
    groups = reshape_groups(op.operands[0].type.dims, op.results[0].type.dims)
    return groups is not None and all(len(a) == 1 == len(b) for a, b in groups)
