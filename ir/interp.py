"""Running IR with NumPy: the oracle for the compiler, and what runs derivatives under `disable_jit`.

Every op is evaluated by its own declaration (`OpDef.evaluate`); control is run here. A frame maps each value of a function
to its array. A value leaves the frame at its last use, so an array that nobody else holds can be seen by its reference
count, and `update` and its kin write into it instead of copying.
"""
from __future__ import annotations

import sys
from collections import Counter as _Tally
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .clone import dims_of, free_values
from .core import Block, Const, Function, Op, Value
from .errors import DTypeError, IRError, ShapeError, TracegradError
from .ops.checks import noted
from .ops.index import WRITES
from .types import Array, Dim, StackType, Type


@dataclass
class Counter:
    """What a run did: how often each op ran, and the elements and bytes that it wrote.

    A view (slice, transpose …) writes nothing, nor does `pop`; `update` and its kin write the elements of the region, whether
    or not the evaluator copied, `push` those of the entry; every other op writes its results.
    """

    ops: _Tally = field(default_factory=_Tally)
    elements: _Tally = field(default_factory=_Tally)
    bytes: _Tally = field(default_factory=_Tally)
    copies: int = 0                  # arrays copied because somebody else held them when they were written to

    @property
    def total(self) -> int:
        return self.ops.total()

    @property
    def written(self) -> int:
        return self.elements.total()

    def note(self, op: Op, operands: list[Array], results: tuple[Array, ...]) -> None:
        name = op.defn.name
        self.ops[name] += 1
        if op.defn.view or name in ("stop_gradient", "dim", "stack_new", "pop"):
            return
        written = {"push": operands[1:2], "exchange": operands[2:]}
        for array in operands[1:2] if name in WRITES else written.get(name, results):
            self.elements[name] += np.size(array)
            self.bytes[name] += getattr(array, "nbytes", 0)


def run(f: Function, *arrays: Array, counter: Counter | None = None) -> tuple[np.ndarray, ...]:
    """The results of `f` on these arguments, one a parameter (arrays or numbers), as arrays. Arguments are not changed."""
    return Machine(f, counter)(*arrays)


class Machine:
    """A function prepared for running: last uses are found once, also for what it calls."""

    def __init__(self, f: Function, counter: Counter | None = None):
        self.f, self.counter = f, counter
        self.plans: dict[Block, _Plan] = {}

    def __call__(self, *arrays: Array) -> tuple[np.ndarray, ...]:
        f = self.f
        if len(arrays) != len(f.params):
            raise IRError(f"@{f.name} takes {len(f.params)} arguments, not {len(arrays)}")
        frame: dict[Value, object] = {}
        for p, a in zip(f.params, arrays):
            frame[p] = _argument(p, a)
        for p in f.params:
            _check_dims(p, frame, f)
        with np.errstate(all="ignore"):
            return tuple([np.asarray(r) if isinstance(r, np.generic) else r for r in self.body(f.body, frame)])

    def plan(self, block: Block) -> _Plan:
        plan = self.plans.get(block)
        if plan is None:
            plan = self.plans[block] = _Plan(block)
            self.plans.update(plan.inner)
        return plan

    def body(self, block: Block, frame: dict) -> list:
        """Run a block in a frame that has its parameters; what it yields."""
        plan = self.plan(block)
        for op, early, late in plan.steps:
            control = _CONTROL.get(op.defn.name)
            operands = [v.data if v.__class__ is Const else frame[v] for v in op.operands]
            for v in early:
                del frame[v]
            results = control(self, op, operands, frame) if control else self.evaluate(op, operands)
            for v, r in zip(op.results, results):
                frame[v] = r
            del operands, results
            for v in late:
                frame.pop(v, None)
        yields = [v.data if v.__class__ is Const else frame[v] for v in block.yields]
        for v in plan.last:
            frame.pop(v, None)
        return yields

    def evaluate(self, op: Op, operands: list) -> tuple[Array, ...]:
        """One op of no control. `operands` is the only holder of those that die here."""
        name = op.defn.name
        write = WRITES.get(name)
        if write is not None:
            results = (self.write(op, write, operands),)
        else:
            meaning = op.defn.evaluate
            assert meaning is not None, name
            try:
                results = meaning(op, *map(_as_operand, op.operands, operands))
            except TracegradError as error:
                raise error.located(op.loc) from None
            except Exception as error:
                raise noted(error, op.loc) from None
            results = tuple(map(_checked, op.results, results))
        if self.counter:
            self.counter.note(op, operands, results)
        return results

    def write(self, op: Op, write: Callable, operands: list) -> np.ndarray:
        """`update` and its kin, in place where the array has no other holder and is no view of another's memory."""
        x, operands[0] = operands[0], None
        if sys.getrefcount(x) > _ALONE or x.base is not None or not x.flags.writeable:
            x = np.array(x, order="C")
            if self.counter:
                self.counter.copies += 1
        write(op, x, *operands[1:])
        return x

    # control

    def if_(self, op: Op, operands: list[Array], frame: dict[Value, Array]) -> list[Array]:
        (cond,) = operands
        return self.body(op.regions[0 if cond else 1], frame)

    def for_(self, op: Op, operands: list, frame: dict[Value, Any]) -> list:
        (block,) = op.regions
        index, *params = block.params
        trip, *carried = operands
        operands.clear()
        for i in range(int(trip)):
            frame[index] = np.int64(i)
            frame.update(zip(params, carried))
            carried.clear()
            carried = self.body(block, frame)
        return carried

    def while_(self, op: Op, operands: list, frame: dict[Value, Any]) -> list:
        head, block = op.regions
        carried = operands[:]
        operands.clear()
        while True:
            frame.update(zip(head.params, carried))
            if not self.body(head, frame)[0]:
                return carried
            frame.update(zip(block.params, carried))
            carried.clear()
            carried = self.body(block, frame)

    def map_(self, op: Op, operands: list[Array], frame: dict[Value, Array]) -> list[np.ndarray]:
        (block,) = op.regions
        trip = int(operands[0])
        rows = []
        for i in range(trip):
            frame[block.params[0]] = np.int64(i)
            rows.append(self.body(block, frame))
        stacked = []
        for k, result in enumerate(op.results):
            dims = [trip] + [_number(d, frame) for d in result.type.dims[1:]]
            out = np.empty(dims, result.type.dtype.np)
            for i, row in enumerate(rows):
                if np.shape(row[k]) != out.shape[1:]:
                    raise IRError(f"iteration {i} of map yields the shape {np.shape(row[k])}, not {out.shape[1:]}", loc=op.loc)
                out[i] = row[k]
            stacked.append(out)
        return stacked

    def call(self, op: Op, operands: list[Array], frame: dict[Value, Array]) -> list[Array]:
        callee = op.attrs["callee"]
        inner = dict(zip(callee.params, operands))
        operands.clear()
        return self.body(callee.body, inner)


_CONTROL = {"if": Machine.if_, "for": Machine.for_, "while": Machine.while_, "map": Machine.map_, "call": Machine.call}


def _references(operands: list) -> int:
    """The reference count that `Machine.write` sees of an array that nobody else holds."""
    x, operands[0] = operands[0], None
    return sys.getrefcount(x)


_ALONE = _references([np.empty(1)])


class _Plan:
    """The ops of a block, each with the values that leave the frame before it runs and after it has run.

    early  operands whose last use this is (and which no region of the op reads): their array may be written to
    late   values that only the regions of the op read last, and results that nothing reads
    last   values that the yields read last
    Values from outside the block do not leave here, since a loop body runs again; but a branch may drop those that its `if`
    uses last (`dying`), so that an update in a branch is in place too.
    """

    __slots__ = ("inner", "last", "steps")

    def __init__(self, block: Block, dying: frozenset[Value] = frozenset()):
        here = set(block.params) | dying
        for op in block.ops:
            here.update(op.results)
        self.inner: dict[Block, _Plan] = {}
        self.last = [v for v in dict.fromkeys(block.yields) if v in here]
        alive = set(block.yields)          # what something later reads
        self.steps = []
        for op in reversed(block.ops):
            self.steps.append(self.step(op, here, alive))
        self.steps.reverse()

    def step(self, op: Op, here: set[Value], alive: set[Value]) -> tuple[Op, list[Value], list[Value]]:
        late = [r for r in op.results if r not in alive]
        inside: set[Value] = set()
        for region in op.regions:
            inside.update(free_values(region))
        if op.defn.name == "map":          # one of no iterations takes its dimensions from the frame
            for r in op.results:
                inside.update(dims_of(r.type))
        ending = [v for v in inside if v in here and v not in alive]
        early = [v for v in dict.fromkeys(op.operands) if v in here and v not in alive and v not in inside]
        alive |= inside
        alive.update(op.operands)
        for region in op.regions:
            plan = self.inner[region] = _Plan(region, frozenset(ending) if op.defn.name == "if" else frozenset())
            self.inner.update(plan.inner)
        return op, early, late + ending


def _argument(p: Value, a: Array) -> Array:
    """An argument as the array of its parameter's type."""
    t = p.type
    if isinstance(t, StackType):
        return a
    array = np.asarray(a)
    if array.ndim != len(t.dims):
        raise ShapeError(f"argument {p.name or p.slot}: an array of rank {array.ndim} where {t!r} is expected")
    if array.dtype != t.dtype.np:
        if isinstance(a, (np.ndarray, np.generic)) and array.dtype.newbyteorder("=") != t.dtype.np:
            raise DTypeError(f"argument {p.name or p.slot}: {array.dtype} where {t!r} is expected")
        array = array.astype(t.dtype.np)
    return array if array.ndim else array[()]


def _number(d: Dim, frame: dict[Value, Array]) -> int:
    return d if isinstance(d, int) else int(frame[d])


def _check_dims(p: Value, frame: dict[Value, Array], f: Function) -> None:
    """The argument has the dimensions of its parameter's type; one that is defined nowhere takes the argument's length."""
    if isinstance(p.type, StackType):
        return
    for axis, (d, n) in enumerate(zip(p.type.dims, np.shape(frame[p]))):
        if not isinstance(d, int) and d not in frame:
            frame[d] = np.int64(n)
        if _number(d, frame) != n:
            raise ShapeError(f"argument {p.name or p.slot} of @{f.name}: axis {axis} has length {n}, not {_number(d, frame)}")


def _as_operand(value: Value, array: Array) -> Array:
    """A rank-0 index operand arrives as a NumPy scalar."""
    return array[()] if array.__class__ is np.ndarray and not array.ndim and array.dtype.kind == "i" else array


def _checked(result: Value, array: Any) -> Any:
    """The array, which must have the declared dtype and rank and every length that is a number."""
    t = result.type
    if t.__class__ is not Type:
        return array
    shape = np.shape(array)
    if array.dtype != t.dtype.np or len(shape) != len(t.dims) or any(
            d.__class__ is int and d != n for d, n in zip(t.dims, shape)):
        op = result.maker
        raise IRError(f"{op.defn.name} gave {array.dtype}{list(shape)} where {t!r} is declared", loc=op.loc)
    return array
