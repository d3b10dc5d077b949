"""Which array values share memory, so that an array that is overwritten or carried by a loop is written in place.

Each stored array value belongs to a `Storage`. Values are put together along the edges where a copy would otherwise be needed

    update x -> y        init -> carried parameter <- yield        carried parameter -> loop result
    branch yield -> result of the `if`                             function result -> output or overwritten argument

innermost loops first, unless two values of the joint storage would be alive with different contents at one time. Where an
edge stays open, build/loop_builder.py copies and notes the reason; at a loop's yield large arrays exchange memory instead
(`Storage.swap`).

`a` is alive at a point if its contents are read after it (`Program.live_after`). y may take the memory of x where x dies at
the op that defines y, provided that y reads x only at the very index that it writes.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...ir.core import Block, Const, Op, Value
from ...ir.thresholds import sizes
from .accumulating_contractions import base_of
from .index_rules import Reads, Terms, gather_terms, region_terms, rule
from .lifetimes import Lifetimes
from .materialize import Position, Program, floats, is_virtual

if TYPE_CHECKING:
    pass


class Storage:
    """The memory of some values that are never alive together.

    home   None (a temporary), ("in", k), ("inout", k), ("out", k), or ("row", op, k): row of result k of a map
    swap   a temporary that exchanges its memory with another one at the end of an iteration
    space  of a temporary: "stack" or "heap", set by schedule/memory_plan.py
    updates, computed   the members that update another value, and those that an op without regions makes otherwise
    """

    __slots__ = ("computed", "first", "home", "last", "lifetimes", "members", "space", "swap", "updates")

    def __init__(self, member: Value, serial: int, first: Position, last: Position):
        self.members, self.first, self.last = [member], first, last
        self.lifetimes = Lifetimes(member, serial, first, last)
        op = member.owner
        kind = None if not isinstance(op, Op) or op.regions else op.defn.overwrites is not None
        self.updates, self.computed = [member] if kind is True else [], [member] if kind is False else []
        self.home: tuple | None = None
        self.swap = False
        self.space = ""

    @property
    def parameter(self) -> str:
        """ "in" or "inout", of a parameter."""
        assert self.home is not None
        return self.home[0]

    @property
    def writable(self) -> bool:
        return self.home is None or self.home[0] != "in"


class Stores:
    """The storage of every array value in memory: `of[value]`; `why[a, b]`: the reason that two values do not share."""

    def __init__(self, program: Program):
        self.program = program
        self.closed = False
        self.of: dict[Value, Storage] = {}
        self.why: dict[tuple[Value, Value], str] = {}
        self._readers: dict[Value, list[Value]] = {}         # array -> the updates that read it besides their base
        self._edges: list[tuple] = []
        self._moves: list[tuple] = []
        f = program.function
        self.inout = dict(f.attrs.get("inout", {}))
        self.owned = set(f.attrs.get("owned", ())) | set(self.inout.values())
        for k, p in enumerate(f.params):
            if p.type.dims:
                self.storage(p).home = ("inout" if k in self.owned else "in", k)
        self._collect(f.body, 0)
        for _, _, a, b, move in sorted(self._edges, key=lambda e: (-e[0], e[1])):
            if not self.join(a, b) and move:
                self._exchange(a, b)
        self._outputs()
        self._rows(f.body)
        self._separate(f.body)

    def storage(self, v: Value) -> Storage:
        found = self.of.get(v)
        if found is None:
            assert not self.closed, v
            first = self.program.def_point(v)[0]
            last = max((at for at, _ in self.program.points(v)), default=first)
            found = self.of[v] = Storage(v, len(self.of), first, last)
        return found

    def lodge(self, v: Value) -> Storage:
        """The storage of a value; one of its own where it has none. No joining comes after that."""
        assert not self.closed
        found = self.of.get(v)
        if found is None:
            found = self.of[v] = Storage(v, len(self.of), 0, 0)
        return found

    def same(self, a: Value, b: Value) -> bool:
        return a is b or (a in self.of and self.of.get(a) is self.of.get(b))

    # --- edges ------------------------------------------------------------------------------------------------------

    def _edge(self, depth: int, a: Value, b: Value, move: bool = False) -> None:
        if a.type.dims and not isinstance(a, Const) and not isinstance(b, Const) and self.program.buffered(a):
            self._edges.append((depth, len(self._edges), a, b, move))

    def _collect(self, block: Block, depth: int) -> None:
        for op in block.ops:
            name = op.defn.name
            for region in op.regions:
                self._collect(region, depth + (name != "if"))
            if op.defn.overwrites is not None:
                for x, _ in based_operands(op):
                    self._readers.setdefault(x, []).append(op.results[0])
                self._edge(depth, op.operands[0], op.results[0])
            elif op in self.program.sums:
                self._edge(depth, base_of(self.program, op), op.results[0])
            elif name == "if":
                for region in op.regions:
                    for y, r in zip(region.yields, op.results):
                        if not floats(r):
                            self._edge(depth, y, r)
            elif name in ("for", "while"):
                body = op.regions[-1]
                for k, (init, r) in enumerate(zip(op.operands[name == "for":], op.results)):
                    if floats(r):
                        continue
                    p = body.params[k + (name == "for")]
                    self._edge(depth + 2, p, r)
                    if name == "while":
                        self._edge(depth + 2, op.regions[0].params[k], p)
                    self._edge(depth + 1, body.yields[k], p, move=True)
                    self._edge(depth, init, p)

    # --- joining ----------------------------------------------------------------------------------------------------

    def join(self, a: Value, b: Value) -> bool:
        """Put the storages of two values together if they may be."""
        s, t = self.storage(a), self.storage(b)
        if s is t:
            return True
        reason = self._obstacle(s, t)
        if reason:
            self.why[a, b] = reason
            return False
        s.members += t.members
        s.lifetimes = Lifetimes.joint(s.lifetimes, t.lifetimes)
        s.updates += t.updates
        s.computed += t.computed
        s.first, s.last = min(s.first, t.first), max(s.last, t.last)
        s.home = s.home or t.home
        s.swap |= t.swap
        for v in t.members:
            self.of[v] = s
        return True

    def _obstacle(self, s: Storage, t: Storage) -> str:
        if not (s.writable and t.writable):
            return "an argument is not overwritten"
        if s.home and t.home:
            return "two results need memory of their own"
        if (s.home and t.swap) or (t.home and s.swap):
            return "a result cannot exchange memory in a loop"
        if any(self._clash(a, b) for a, b in s.lifetimes.overlaps(t.lifetimes)):
            return "the old contents are still needed"
        for group, other in ((s, t), (t, s)):
            if any(self._reads_elsewhere(y, other) for y in self._readers_in(group, other)):
                return "the old contents are read at other places than those written"
        return ""

    def _clash(self, a: Value, b: Value) -> bool:
        p = self.program
        (at_a, block_a), (at_b, block_b) = p.def_point(a), p.def_point(b)
        if at_a == at_b:
            return True
        if at_a > at_b:
            a, b, at_b, block_b = b, a, at_a, block_a
        if not p.live_after(a, at_b, block_b):
            return False
        return not self._relieve(a, b, at_b, block_b)

    def _relieve(self, a: Value, b: Value, at: Position, block: Block) -> bool:
        """Where `a` is alive after b's definition only through reads that may as well come before it: let them."""
        forced: list[Value] = []
        moved: list[Op] = []
        if not self._crossing(a, b, at, block, forced, moved):
            return False
        if moved:
            self.program.move(moved, b.maker)
        for v in forced:
            self.program.force(v)
        return True

    def _crossing(self, a: Value, b: Value, at: Position, block: Block, forced: list[Value], moved: list[Op]) -> bool:
        """Collect what to do: virtual values to compute into memory first, and ops to move before b's."""
        p = self.program
        home = p.block_of(a)
        for user, _ in p.uses.get(a, ()):
            if all(q <= at or p.exclusive(c, block) for q, c in (p.after_loops(x, home) for x in p.reads_at(user))):
                continue
            if isinstance(user, Block):
                return False
            array = bool(user.results) and bool(user.results[0].type.dims)
            if p.after_loops((p.pos[user], p.home[user]), home)[0] > at:
                pulled = p.pull(user, b.owner) if isinstance(b.owner, Op) and not b.owner.regions else None
                if pulled is None or any(r in self.of for op in pulled for r in op.results):
                    return False
                moved += [op for op in pulled if op not in moved]
                if array and (is_virtual(user) or user.results[0] not in p.rooted):
                    forced.append(user.results[0])
            elif not (array and is_virtual(user)) or user.results[0] in p.rooted:
                return False
            elif not self._crossing(user.results[0], b, at, block, forced, moved):
                forced.append(user.results[0])
        return True

    def _readers_in(self, group: Storage, other: Storage) -> list[Value]:
        """The members of a storage that may read another one. Asked from the smaller side: a long chain of updates grows by one
        member at a time, and to go through the whole chain each time would be quadratic."""
        if len(group.updates) <= len(other.members):
            return group.computed + group.updates
        return group.computed + [y for x in other.members for y in self._readers.get(x, ()) if self.of.get(y) is group]

    def _reads_elsewhere(self, y: Value, other: Storage) -> bool:
        """Whether computing y in one go reads another value of the storage at an index other than the one that it writes."""
        op = y.owner
        if not isinstance(op, Op) or op.regions:
            return False
        if op.defn.overwrites is not None:
            written = based_terms(op)
            return any(self.of.get(x) is other and not self._apart(terms, written) for x, terms in based_operands(op))
        reads = Reads(self.program)
        if is_virtual(op) and op.defn.name not in ("concat", "reshape"):
            own: Terms = tuple(range(y.type.rank))
            for x, terms in rule(op).terms(op, own):
                reads.add(x, terms)
        else:
            own = ()
            for x in op.operands:
                if x.type.dims:
                    reads.add(x, (None,) * x.type.rank)
        return any(self.of.get(leaf) is other and terms != own for leaf, terms in reads.leaves)

    # --- loops whose carries change places --------------------------------------------------------------------------

    def _exchange(self, y: Value, p: Value) -> None:
        """Let the yielded value and the parameter that it becomes swap memory, where they are large temporaries."""
        s, t = self.storage(y), self.storage(p)
        if s.home or t.home or (y.type.static and y.type.count <= sizes.registers):
            return
        body = self.program.block_of(p)
        if all(self._inside(v, body) for v in s.members):
            s.swap = t.swap = True

    def _inside(self, v: Value, block: Block) -> bool:
        home = self.program.block_of(v)
        return home is block or any(self.program.home[op] is block or block in op.regions
                                    for op, _ in self.program.ancestors(home)) or (
            isinstance(v.owner, Op) and block in v.owner.regions)

    # --- outputs ----------------------------------------------------------------------------------------------------

    def _outputs(self) -> None:
        f = self.program.function
        for k, v in enumerate(f.results):
            if k in self.inout and v.type.dims and not isinstance(v, Const):
                self.join(v, f.params[self.inout[k]])
        for k, v in enumerate(f.results):
            if k in self.inout or not v.type.dims or isinstance(v, Const):
                continue
            s = self.storage(v)
            if s.home is None and not s.swap:
                s.home = ("out", k)

    def _rows(self, block: Block) -> None:
        """The yields of a map are computed in the rows of its results."""
        for op in block.ops:
            for region in op.regions:
                self._rows(region)
            if op.defn.name == "map":
                body = op.regions[0]
                for k, y in enumerate(body.yields):
                    if not y.type.dims or isinstance(y, Const):
                        continue
                    s = self.storage(y)
                    if s.home is None and not s.swap and all(self._inside(v, body) for v in s.members):
                        s.home = ("row", op, k)

    # --- overwriting with values of the old contents ----------------------------------------------------------------

    def _separate(self, block: Block) -> None:
        """Compute what is written into a region first, where it reads the same memory at other places."""
        for op in block.ops:
            for region in op.regions:
                self._separate(region)
            if op.defn.overwrites is not None:
                own = based_terms(op)
                s = self.storage(op.results[0])
                for x, terms in based_operands(op):
                    if x.type.dims and not isinstance(x, Const) and not self.program.buffered(x):
                        reads = Reads(self.program)
                        reads.add(x, terms)
                        if any(self.of.get(leaf) is s and not self._apart(at, own) for leaf, at in reads.leaves):
                            self.program.force(x)

    def _apart(self, terms: Terms, own: Terms) -> bool:
        return (terms == own and None not in own) or disjoint(self.program, terms, own)


def based_terms(op: Op) -> Terms:
    """Where an update writes into its base."""
    loops: Terms = tuple(range(op.operands[1].type.rank))
    if "spec" in op.attrs:
        return region_terms(op.attrs["spec"], op.operands[2:], loops)
    return gather_terms(op.attrs["axes"], op.attrs["at"], op.operands[2:], loops)[0]


def based_operands(op: Op) -> Iterator[tuple[Value, Terms]]:
    """The arrays that an update reads besides its base, and where."""
    loops = tuple(range(op.operands[1].type.rank))
    yield op.operands[1], loops
    if "axes" in op.attrs:
        b = gather_terms(op.attrs["axes"], op.attrs["at"], op.operands[2:], loops)[1]
        yield from ((i, b) for i in op.operands[2:])


# --- disjointness of two accesses -------------------------------------------------------------------------------------


def linear(v: Any, sign: int = 1, into: dict | None = None) -> dict:
    """An index as a sum: {value: factor, None: constant}."""
    into = {None: 0} if into is None else into
    if type(v) is int:
        into[None] += sign * v
    elif isinstance(v, Const):
        into[None] += sign * v.item
    elif isinstance(v.owner, Op) and v.owner.defn.name in ("add", "sub"):
        a, b = v.owner.operands
        linear(a, sign, into)
        linear(b, sign if v.owner.defn.name == "add" else -sign, into)
    elif isinstance(v.owner, Op) and v.owner.defn.name == "mul" and any(isinstance(x, Const) for x in v.owner.operands):
        a, b = v.owner.operands
        c, x = next((p, q) for p, q in ((a, b), (b, a)) if isinstance(p, Const))
        linear(x, sign * c.item, into)
    else:
        into[v] = into.get(v, 0) + sign
    return into


def apart(program: Program, a: Any, b: Any) -> bool:
    """Whether two index values are certainly different."""
    diff = linear(b, -1, linear(a))
    constant = diff.pop(None)
    factors = [(v, c) for v, c in diff.items() if c]
    if not factors:
        return constant != 0
    sign = 1 if constant > 0 else -1
    return constant != 0 and all(sign * c > 0 and v in program.counters for v, c in factors)


def disjoint(program: Program, a: Terms, b: Terms) -> bool:
    """Whether two accesses certainly touch different elements: on some axis both are fixed, at different places."""
    for s, t in zip(a, b):
        if type(s) is tuple and type(t) is tuple and s[0] == "i" == t[0] and apart(program, s[1], t[1]):
            return True
    return False
