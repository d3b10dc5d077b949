"""Where every array of a function lives: one plan, made before any loop is written, and only asked after that.

    materialize.Program                    which arrays get memory; others are computed wherever they are read
    accumulating_contractions.absorb       which products and sums add themselves to an array instead
    inplace.Stores                         which arrays share memory; may want one in memory after all, or read earlier
    fuse.Schedule                          which tasks share loops; what only its own loop reads stays in a register
    steady_sums.alone                      which elements of arrays are sums in a register while a loop runs
    here                                   in what kind of memory each storage lies

Each step sees what those before it decided. At the end everything is closed: build/ finds the memory of every array in
`stores.of`, and can decide nothing. What a library call needs for itself (a packed operand) is no array of the function, and is
not in the plan. How the temporaries are laid out in bytes is the next decision (memory/layout.py), after the passes over loops.
"""
from __future__ import annotations

from collections.abc import Iterator

from ...ir.core import Block, Const, Function, Op, Value
from ...ir.text.printer import print_function
from ...ir.transforms.steady_sums import alone
from .accumulating_contractions import absorb
from .fuse import Nest, Schedule
from .inplace import Storage, Stores
from .materialize import Program, floats, space
from .tasks import Task


class MemoryPlan:
    """program, stores, body (the schedule of the function's block), alone: what the steps above found."""

    def __init__(self, f: Function):
        self.function = f
        self.program = Program(f)
        absorb(self.program)
        self.stores = Stores(self.program)
        self.made: dict[Value, Task] = {}
        self.body = Schedule(self.program, self.stores, f.body, self.made)
        self.alone = alone(f)
        self._settle(f.body)
        self.program.closed = self.stores.closed = True

    def _settle(self, block: Block) -> None:
        """Give a storage to every array in memory that shares none, and a kind of memory to each."""
        for v in self._held(block):
            self._lodge(v)
        for op in block.ops:
            for v in op.results:
                if v.type.dims and self.stored(v):
                    self._lodge(v)
            for region in op.regions:
                for v in region.params:
                    if v.type.dims:
                        self._lodge(v)
                self._settle(region)

    def _held(self, block: Block) -> Iterator[Value]:
        """What goes through a stack because its length changes: it is computed into memory first."""
        for op in block.ops:
            for k, r in enumerate(op.results):
                if op.regions and floats(r):
                    name = op.defn.name
                    if name in ("for", "while"):
                        yield op.operands[k + (name == "for")]
                    yield from (region.yields[k] for region in op.regions if len(region.yields) == len(op.results))

    def _lodge(self, v: Value) -> None:
        if not isinstance(v, Const):
            s = self.stores.lodge(v)
            s.space = space(v.type, s.swap)

    # --- questions ----------------------------------------------------------------------------------------------------

    def stored(self, v: Value) -> bool:
        """Whether an array is in memory: not virtual, and not in a register of its own loop."""
        task = self.made.get(v)
        return self.program.buffered(v) and (task is None or task.memory)

    def by_caller(self, k: int) -> bool:
        """Whether the caller allocates result k: its lengths are numbers, or lengths that the caller passes."""
        lengths = [self.function.params[n] for n in self.function.attrs.get("lengths", ())]
        return all(isinstance(d, int) or d in lengths for d in self.function.results[k].type.dims)

    # --- text ---------------------------------------------------------------------------------------------------------

    def text(self, color: bool = False) -> str:
        """The program, with the memory of its arrays, and the nest that computes them, beside the ops."""
        numbers: dict[Storage, int] = {}
        nests = {task: n for n, nest in enumerate(self._nests(self.body)) for task in nest.tasks}
        notes: dict[Op, str] = {}
        for op in self.function.body.walk():
            rows = [self._lodging(v, numbers, nests) for v in op.results if v.type.dims]
            if rows:
                notes[op] = "; ".join(dict.fromkeys(rows))
        return print_function(self.function, notes=notes, color=color)

    def _nests(self, schedule: Schedule) -> Iterator[Nest]:
        for item in schedule.items:
            if isinstance(item, Nest):
                yield item
            else:
                for inner in item.plans:
                    yield from self._nests(inner)

    def _lodging(self, v: Value, numbers: dict[Storage, int], nests: dict[Task, int]) -> str:
        task = self.made.get(v)
        where = f" of nest {nests[task]}" if task is not None and task in nests else ""
        if not self.program.buffered(v) or v not in self.stores.of:
            return f"a register{where}" if where else "computed where it is read"
        s = self.stores.of[v]
        home: tuple = s.home or (s.space,)
        text = _LODGINGS[home[0]]
        number = numbers.setdefault(s, len(numbers)) if s.home is None else -1
        return text.format(*home, n=number) + (", exchanged" if s.swap else "") + (where and "," + where.replace(" of", " by"))


_LODGINGS = {"in": "argument {1}", "inout": "argument {1}, overwritten", "out": "result {1}",
             "row": "row of result {2} of a map", "stack": "temporary {n} of the frame", "heap": "temporary {n}"}
