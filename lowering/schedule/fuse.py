"""Which tasks share loops, and in which order a block runs: a block becomes a list of items

    item ::= Nest(children)  |  Step(op)                    a nest of loops; a control op, library call or print
    node ::= Loop(dim, children)  |  Task                   children run in order in each iteration

and after each item stand the scalar ops that need nothing later. A task joins an earlier nest where that changes nothing:
what it reads is complete by then, and what it overwrites has been read. Two tasks A before B may share c outer loops if, for
all memory that both touch and one of them writes, iteration (i0 … i(c-1)) of B touches only what the same iteration of A
touches. That holds if for each of these loops both address some axis by the same term with that loop's index.
Additions to parts of one array (`update_add`) run in any order: where their parts differ they share all but the innermost loop.
    row maximum over j, then exp(x[i, j] - top[i]), then its sum over j:   for i { for j {…}  for j {…}  … }
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod

from ...ir.core import Block, Const, Op, Value
from ...ir.thresholds import sizes
from ...ir.types import Dim
from . import accumulating_contractions, stencil_updates
from .axis_kernels import ArgTask, BoundsTask, NonzeroTask, RowScanTask, ScanTask
from .index_rules import Reads, Terms, rule
from .inplace import Stores
from .library_calls import by_library
from .materialize import Program, reshape_groups, same_dim
from .random import DrawTask
from .reductions import AxisReduce, DotTask
from .sorting import SortTask
from .spectral import ROUTINES
from .tasks import CopyTask, FlatTask, Loop, Nest, OpTask, PieceTask, RegionTask, ScatterTask, Step, StoreTask, Task

# (an earlier task, None for a step; at which terms it touched some memory; at which terms this one does)
Conflict = tuple[Task | None, Terms | str | None, Terms | None]
COMMUTES = "adds"         # instead of terms: two tasks that add to other parts of one array, in any order


class Access:
    """Who touched a storage: (item, task or None, terms)."""

    __slots__ = ("readers", "writers")

    def __init__(self, readers: Sequence = (), writers: Sequence = ()):
        self.readers, self.writers = list(readers), list(writers)

    def copy(self) -> Access:
        return Access(self.readers, self.writers)


class Schedule:
    """The items of one block. `before` are the scalar ops that need no item."""

    def __init__(self, program: Program, stores: Stores, block: Block, made: dict[Value, Task]):
        self.program, self.stores, self.block = program, stores, block
        self.made = made                          # array value -> the task that computes it (whole function)
        self.items: list[Nest | Step] = []
        self.before: list[Op] = []
        self.when: dict[Value, int] = {}          # scalar of this block -> the item after which it is known
        self.touched: dict[object, Access] = {}
        self.here: dict[Value, int] = {}          # array value of this block -> the item that completes it
        self.guard = self.barrier = self.effects = -1
        for op in program.ops[block]:
            self._op(op)
        for v in block.yields:
            if v.type.dims and not isinstance(v, Const):
                self._stored(v)

    # --- dispatch ---------------------------------------------------------------------------------------------------

    def _op(self, op: Op) -> None:
        name = op.defn.name
        special = _TASKS.get(name)
        if self.program.part(op) is not None:
            self._sum(op)
        elif special is not None:
            special(self, op)
        elif op.regions:
            self._control(op)
        elif name in ROUTINES:
            self._routine(op)
        elif not op.results[0].type.dims:
            self._scalar(op)
        elif op.results[0] in self.program.rooted:
            self._root(op)

    def _root(self, op: Op) -> None:
        """A virtual op whose value is worth memory."""
        v, name = op.results[0], op.defn.name
        if name == "concat" and v in self.program.must:
            for k in range(len(op.operands)):
                if op.operands[k].type.dims:
                    self._add(PieceTask(v, k, self.program))
        elif name == "reshape" and _regroups(op) and (v in self.program.must or self.program.used_by(v, ROUTINES)):
            self._add(FlatTask(v, self.program))
        else:
            self._add(StoreTask(v, self.program))

    def _based(self, op: Op) -> None:
        base, y, copy, before = op.operands[0], op.results[0], None, None
        if not self.stores.same(base, y) and not self._overwrites_all(op):
            copy = stencil_updates.base_copy(op, self.program)
            if isinstance(copy, stencil_updates.BorderTask):                   # the update need not come after it
                before = self.access(y).copy()
            self._add(copy)
        if not isinstance(base, Const):
            self._stored(base)
        task = stencil_updates.joined(self, op) or (RegionTask if "spec" in op.attrs else ScatterTask)(op, self.program)
        self._add(task, before)
        stencil_updates.note(self, op, task, copy)

    def _overwrites_all(self, op: Op) -> bool:
        return op.defn.name == "update" and set(op.attrs["spec"]) <= {":"}

    def _reduce(self, op: Op) -> None:
        v = op.results[0]
        if not v.type.dims or v in self.program.rooted:
            self._add(AxisReduce(op, self.program))

    def _sum(self, op: Op) -> None:
        """A product or sum that adds to an array."""
        y, base = op.results[0], accumulating_contractions.base_of(self.program, op)
        if not self.stores.same(base, y):
            self._add(CopyTask(y, base, self.program))
        self._stored(base)
        if accumulating_contractions.called(self.program.sums[op]):
            self._routine(op)
        else:
            self._add(accumulating_contractions.task(op, self.program))

    def _dot(self, op: Op) -> None:
        if op.results[0].type.dims and op.results[0] not in self.program.rooted:
            return
        if by_library(op):
            self._routine(op)
        else:
            self._add(DotTask(op, self.program))

    def _scan(self, op: Op) -> None:
        last = op.attrs["axis"] == op.operands[0].type.rank - 1
        self._add(ScanTask(op, op.results[0], self.program) if last else RowScanTask(op, self.program))

    def _nonzero(self, op: Op) -> None:
        task = NonzeroTask(op, self.program)
        self._add(task)
        for r in op.results:
            self.made[r], self.here[r] = task, task.item
            self.access(r).writers.append((task.item, task, (None,)))

    def _draw(self, op: Op) -> None:
        """In a nest of its own: what is drawn first is drawn first."""
        task, nest = DrawTask(op, self.program), Nest()
        self.items.append(nest)
        self._join(nest, task, [])
        self.guard = self.effects = len(self.items) - 1
        self._record(task, self.guard)

    def _wrap(self, op: Op) -> None:
        if not op.results[0].type.dims:
            self._scalar(op, effect=True)
            return
        if not (op.operands[0].type.static and op.operands[0].type.count == 0):
            self.guard = self.effects = max(self._add(BoundsTask(op, self.program)), self.guard, self.effects)
        if op.results[0] in self.program.rooted:
            self._root(op)

    # --- scalars ------------------------------------------------------------------------------------------------------

    def _scalar(self, op: Op, effect: bool = False) -> None:
        """An op of rank 0: as early as its operands are known."""
        reads = Reads(self.program)
        reads.add_scalars(op.operands)
        if any(x.type.dims for x in op.operands):
            for x, terms in rule(op).terms(op, ()):
                reads.add(x, terms)
        at = max(self.guard, self.barrier, self._known(reads.scalars))
        if effect:
            at = max([at, self.effects, *self._written_to_the_caller()])
        for leaf, _ in reads.leaves:
            self._stored(leaf)
            for item, _, _ in self.access(leaf).writers:
                at = max(at, item)
        for leaf, terms in reads.leaves:
            self.access(leaf).readers.append((at, None, terms))
        for r in op.results:
            self.when[r] = at
        if effect:
            self.guard = self.effects = at
        (self.items[at].after if at >= 0 else self.before).append(op)

    def _written_to_the_caller(self) -> Iterator[int]:
        """The items that write to arrays of the caller's: what they wrote before a check fails stays there, as in Python."""
        for store, access in self.touched.items():
            home = getattr(store, "home", None)
            if home is not None and home[0] == "inout":
                yield from (item for item, _, _ in access.writers)

    def _known(self, scalars: Iterable[Value]) -> int:
        """The last item that one of the scalars comes from."""
        when = self.when
        return max((when.get(s, -1) for s in scalars), default=-1)

    # --- steps --------------------------------------------------------------------------------------------------------

    def _step(self, step: Step) -> int:
        self.items.append(step)
        at = len(self.items) - 1
        for r in step.op.results:
            (self.here if r.type.dims else self.when)[r] = at
        return at

    def _control(self, op: Op) -> None:
        for v in op.operands:
            if v.type.dims and not isinstance(v, Const):
                self._stored(v)
        plans = [Schedule(self.program, self.stores, region, self.made) for region in op.regions]
        self.barrier = self.effects = self._step(Step(op, plans))
        self.touched.clear()

    def _print(self, op: Op) -> None:
        at = self._whole(op, max(self.guard, self.barrier, self.effects))
        self.effects = self.guard = at

    def _whole(self, op: Op, at: int) -> int:
        """An op that reads scalars and whole arrays in memory; returns the item after which it stands."""
        at = max(at, self._known(v for v in op.operands if not v.type.dims))
        arrays = [v for v in op.operands if v.type.dims and not isinstance(v, Const)]
        for v in arrays:
            self._stored(v)
            at = max([at, self.here.get(v, -1), *(i for i, _, _ in self.access(v).writers)])
        for v in arrays:
            self.access(v).readers.append((at, None, None))
        (self.items[at].after if at >= 0 else self.before).append(op)
        return at

    def _entry(self, op: Op) -> None:
        """A stack's scalar is taken where its place is known; an array is copied, and nothing moves across that."""
        if op.results[1].type.dims:
            self._routine(op)
        else:
            self._scalar(op)

    def _routine(self, op: Op) -> None:
        """A library call: after all that it reads, nothing moves across what it writes."""
        reads = Reads(self.program)
        reads.add_scalars(x for x in op.operands)
        for x in op.operands:
            if x.type.dims:
                reads.add(x, (None,) * x.type.rank)
        at = self._step(Step(op))
        for leaf, terms in reads.leaves:
            self._stored(leaf)
            self.access(leaf).readers.append((at, None, terms))
        for r in op.results:
            self.access(r).writers = [(at, None, None)]
        if op.defn.effect:
            self.guard = self.effects = at

    # --- tasks --------------------------------------------------------------------------------------------------------

    def access(self, v: Value) -> Access:
        key = self.stores.of.get(v, v)
        found = self.touched.get(key)
        if found is None:
            found = self.touched[key] = Access()
        return found

    def withdraw(self, task: OpTask | CopyTask) -> None:
        """Take a task out of its nest; another one does its work."""
        nest = self.items[task.item]
        assert isinstance(nest, Nest)
        inside: Loop | Task = task
        nest.tasks.remove(task)
        for loop in reversed(task.path):
            loop.children.remove(inside)
            if loop.children:
                break
            inside = loop
        else:
            nest.children.remove(inside)
        for v in (task.value, *(leaf for leaf, _ in task.reads.leaves)):
            touched = self.access(v)
            touched.readers = [r for r in touched.readers if r[1] is not task]
            touched.writers = [w for w in touched.writers if w[1] is not task]

    def only_nests(self, first: int) -> bool:
        """Whether all items from this one on are loops."""
        return all(isinstance(item, Nest) for item in self.items[first:])

    def _stored(self, v: Value) -> None:
        """v is read through memory: by another block, a step, or at another index than the one just computed."""
        task = self.made.get(v)
        if task is not None:
            task.memory = True

    def _add(self, task: Task, touched: Access | None = None) -> int:
        """Place the task; returns its item. touched: by whom what it writes was, where that is known better."""
        sizes = [d for d in task.value.type.dims if isinstance(d, Value)] if task.value is not None else []
        lowest = 1 + max(self.guard, self.barrier, self._known([*task.reads.scalars, *sizes]))
        # (item, earlier task, its terms, this task's terms)
        soft: list[tuple[int, Task | None, Terms | str | None, Terms | None]] = []
        for leaf, terms in task.reads.leaves:
            soft += [(i, t, w, terms) for i, t, w in self.access(leaf).writers]
        if task.value is not None:
            touched = touched or self.access(task.value)
            soft += [
                (i, t, COMMUTES, None) if t is not None and t.adds and task.adds and w != task.write else (i, t, w, task.write)
                for i, t, w in touched.writers
            ]
            soft += [(i, t, r, task.write) for i, t, r in touched.readers]
        first = max((i for i, *_ in soft), default=-1)
        at = self._place(task, max(lowest, 0), first, soft)
        self._record(task, at)
        return at

    def _place(self, task: Task, lowest: int, first: int, soft: list[tuple[int, *Conflict]]) -> int:
        """Join the nest that the task depends on most recently, or one that reads the same, or open a new one."""
        candidates = [first] if first >= lowest else []
        alike = {i for leaf, _ in task.reads.leaves for i, *_ in self.access(leaf).readers}
        candidates += sorted([i for i in alike if i >= max(lowest, first + 1)], reverse=True)
        for at in candidates:
            nest = self.items[at]
            if isinstance(nest, Nest) and task.loops and nest.children:
                mine = [(t, w, own) for i, t, w, own in soft if i == at]
                path = self._path(nest, task, mine)
                if path and self._worth(nest, task, path, mine):
                    self._join(nest, task, path)
                    return at
        nest = Nest()
        self.items.append(nest)
        self._join(nest, task, [])
        return len(self.items) - 1

    def _path(self, nest: Nest, task: Task, conflicts: list[Conflict]) -> list[Loop]:
        """The loops of the nest that the task may share, from the outside in."""
        path: list[Loop] = []
        children = nest.children
        known = [(t, theirs, own) for t, theirs, own in conflicts if t is not None]
        if len(known) < len(conflicts):
            return path
        depth = len(task.loops) - any(theirs is COMMUTES for _, theirs, _ in known)
        while len(path) < depth:
            for loop in reversed(children):
                if isinstance(loop, Loop) and same_dim(loop.dim, task.loops[len(path)]) \
                        and all(_fits(path + [loop], t, theirs, own) for t, theirs, own in known):
                    break
            else:
                break
            path = path + [loop]
            children = loop.children
        return path

    def _worth(self, nest: Nest, task: Task, path: list[Loop], conflicts: list[Conflict]) -> bool:
        """Not where it would keep the innermost loop from being vectorised: two rows of one array, one of them written."""
        inner = path[-1]
        if len(path) == len(task.loops) and (task.serial or inner.serial or any(w != own for _, w, own in conflicts)
                                             or self._apart(task, inner, conflicts)):
            return False
        if len(path) < len(task.loops) and self._widens(task, path):
            return False
        if conflicts:
            return True
        if any(t.serial for t in nest.tasks):
            return False
        if len(path) < len(task.loops) or len(nest.tasks) >= sizes.joined:
            return False
        mine = {leaf for leaf, _ in task.reads.leaves}
        return any(len(t.loops) == len(task.loops) and any(leaf in mine for leaf, _ in t.reads.leaves) for t in nest.tasks)

    def _apart(self, task: Task, inner: Loop, conflicts: list[Conflict]) -> bool:
        """A costly function of each element of a product: beside the loops of the product it would not be vectorised.

            for i in n { r = 0;  for k in m { r += a[i, k] * x[k] }  y[i] = tanh(r) }      ->      a loop of its own for tanh
        """
        return _long(inner.dim) and self._costly(task) and any(
            isinstance(t, DotTask) and len(t.path) > len(task.loops) for t, _, _ in conflicts)

    def _widens(self, task: Task, path: list[Loop]) -> bool:
        """The same the other way round: a short loop inside one that is vectorised for a costly function's sake. (With a long
        one, or one through memory outside of the cache, it costs more to read an array another time.)

            for i in n { y[i] = tanh(x[i]);  for k in m { r[k] += a[i, k] * y[i] } }
        """
        inner = path[-1]
        loops = [d for d in task.loops if isinstance(d, int)]
        if not _long(inner.dim) or len(loops) < len(task.loops) or _spread_out(loops[len(path):], loops):
            return False
        tasks = [c for c in inner.children if isinstance(c, Task)]
        return len(tasks) == len(inner.children) and any(map(self._costly, tasks))

    def _costly(self, task: Task) -> bool:
        """Whether the elements of an array, or of a sum, each are a costly function."""
        v = task.value if isinstance(task, StoreTask) else task.op.operands[0] if isinstance(task, AxisReduce) else None
        return (v is not None and (v is task.value or v not in self.program.rooted)
                and self.program.effort.get(v, 0) >= sizes.costly)

    def _join(self, nest: Nest, task: Task, path: list[Loop]) -> None:
        children, path = nest.children, list(path)
        if path:
            children = path[-1].children
        for d in task.loops[len(path):]:
            loop = Loop(d)
            children.append(loop)
            path.append(loop)
            children = loop.children
        children.append(task)
        if path and task.serial:
            path[-1].serial = True
        if task.first is not None:
            path[task.first].opens.append(task)
        task.path = path
        nest.tasks.append(task)

    def _record(self, task: Task, at: int) -> None:
        task.item = at
        for leaf, terms in task.reads.leaves:
            self.access(leaf).readers.append((at, task, terms))
            self._reached(task, leaf, terms)
        v = task.value
        if v is None:
            return
        touched = self.access(v)
        nest = self.items[at]
        if at == len(self.items) - 1 and isinstance(nest, Nest) and len(nest.tasks) == 1:
            touched.writers, touched.readers = [], [r for r in touched.readers if r[1] is task]
        touched.writers.append((at, task, task.write))
        self.made[v] = task
        if v.type.dims:
            self.here[v] = at
        else:
            self.when[v] = at

    def _reached(self, task: Task, leaf: Value, terms: Terms) -> None:
        """Does the task find the leaf's element in a register? If not, the leaf needs memory."""
        maker = self.made.get(leaf)
        if maker is None:
            return
        rank = leaf.type.rank
        if not (maker.register and self.here.get(leaf) == task.item and terms == tuple(range(rank))):
            maker.memory = True
            return
        depth = rank if maker.first is None else maker.first
        if rank > depth or task.path[:rank] != maker.path[:rank] or maker.write != terms:
            maker.memory = True


def _spread_out(rest: Sequence[int], loops: Sequence[int]) -> bool:
    return prod(rest) > sizes.widening or prod(loops) > sizes.large


def _long(d: Dim) -> bool:
    """Whether a loop has iterations enough to be vectorised."""
    return not isinstance(d, int) or d >= sizes.lanes


def _regroups(op: Op) -> bool:
    """A reshape that merges or splits axes."""
    groups = reshape_groups(op.operands[0].type.dims, op.results[0].type.dims)
    return groups is None or any(len(a) != 1 or len(b) != 1 for a, b in groups)


def _fits(path: list[Loop], task: Task, theirs: Terms | str | None, own: Terms | None) -> bool:
    """May a later task that touches at `own` memory that `task` touches at `theirs` stand in the innermost loop of `path`?"""
    if theirs is COMMUTES:
        return True
    common = 0
    while common < len(path) and common < len(task.path) and path[common] is task.path[common]:
        common += 1
    if common == 0:
        return False
    if common < len(path):
        siblings = path[common - 1].children
        if siblings.index(task.path[common] if common < len(task.path) else task) > siblings.index(path[common]):
            return False
    if theirs is None or own is None:
        return False
    return all(any(a == b and (a == loop or (type(a) is tuple and a[0] == "s" and a[1] == loop)) for a, b in zip(theirs, own))
               for loop in range(common))


_TASKS = {
    "update": Schedule._based, "update_add": Schedule._based, "scatter": Schedule._based, "scatter_add": Schedule._based,
    "reduce": Schedule._reduce,
    "sort": lambda s, op: s._add(SortTask(op, op.results[0], s.program)),
    "argsort": lambda s, op: s._add(SortTask(op, op.results[0], s.program)),
    "argreduce": lambda s, op: s._add(ArgTask(op, op.results[0], s.program)),
    "dot": Schedule._dot, "scan": Schedule._scan, "nonzero": Schedule._nonzero, "wrap": Schedule._wrap,
    "draw": Schedule._draw, "print": Schedule._print,
    "check": lambda s, op: s._print(op) if "states" in op.attrs else s._scalar(op, effect=True),
    "dim": Schedule._scalar, "stack_new": Schedule._scalar, "pop": Schedule._entry, "exchange": Schedule._entry,
    "lookup": Schedule._scalar, "replica": Schedule._scalar, "members": Schedule._routine,
    "push": lambda s, op: s.when.update({op.results[0]: s._whole(op, max(s.guard, s.barrier))}),
}
