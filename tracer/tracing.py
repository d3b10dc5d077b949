"""The trace under way: where IR is emitted, what is known of it, and what Python asks of traced values.

A trace is a stack of scopes. The outermost one is the function; each staged branch or loop body opens another. A scope logs
what is changed while it is traced (arrays, items, attributes), so that the region's results can be told and the change undone.

Python sometimes needs a number where the trace has only a value: `np.zeros(n)`, `names[i]`. `need_concrete` then asks what
the value depends on: where that is only argument ints and loop counters, the trace starts again with these ints static
(`Restart`) or with that loop unrolled (`NeedUnroll`); everything else is the user's error.
"""
from __future__ import annotations

import bisect
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..ir.build import Builder, const
from ..ir.core import Block, Const, Function, Length, Value
from ..ir.errors import ConcretizationError, UnsupportedError
from .roots import roots_of
from .signals import NeedLengths, NeedUnroll, Restart, Reveal, Signal  # noqa: F401  (asked for as tracing.Restart, …)
from .user_frames import (  # noqa: F401  (asked for as tracing.locate, …)
    AROUND,
    LIBRARIES,
    PLACES,
    STOPS,
    Place,
    adopt,
    innermost,
    locate,
    plain_function,
    user_loc,
)

if TYPE_CHECKING:
    from ..ir.types import Dim
    from .containers.lists.list_entries import Cell
    from .control.remembered_plans import Turns
    from .regions.identity import Clock
    from .regions.list_scan_outputs import Grown
    from .values.boxes import ArrayBox

_STATE = threading.local()
_Result = TypeVar("_Result")
stamp = itertools.count().__next__           # grows: tells whether a box is older than a scope


class Loop:
    """A staged loop. `site`: its place in the source; `unrollable`: its trip count is a number; `most`: ops of its body."""

    __slots__ = ("active", "kind", "most", "site", "trip", "unrollable")

    def __init__(self, site: Any, kind: str, trip: Dim | None = None, most: int | None = None):
        self.site, self.kind, self.trip, self.most = site, kind, trip, most
        self.unrollable, self.active = type(trip) is int, True


class Scope:
    """A region that is being traced.

    kind    "function", "loop" (then `loop` says which) or "branch" (then `cond` is its condition)
    roots   id(box) -> (box, its value before) for each older array that the region wrote
    items   (id(object), attribute?, key) -> (object, attribute?, key, what it held before) for each place that it assigned
    fresh   id(object) -> object for each list, dict or instance that it made
    poisoned   boxes that it made unreadable
    grown   id(list) -> (list, what was appended to it), in the body of a counted loop; None elsewhere
    entered arrays that it appended to lists of run-time length, each with the guard of its list
    generators   generators of random numbers that it made (numpy/random_calls.py)
    clock   what tells this iteration from others, in a loop's body, where arrays have identities (regions/identity.py)
    tells   whether the program may raise in it, and the caller's objects get what was assigned before
    """

    __slots__ = ("block", "clock", "cond", "entered", "epoch", "fresh", "generators", "grown", "items", "kind", "loop",
                 "poisoned", "roots", "tells")

    def __init__(self, block: Block, kind: str = "function", loop: Loop | None = None, cond: Value | None = None):
        self.block, self.kind, self.loop, self.cond, self.epoch = block, kind, loop, cond, stamp()
        self.roots: dict[int, tuple[Any, Value]] = {}
        self.items: dict[tuple[int, bool, Any], tuple] = {}
        self.fresh: dict[int, object] = {}
        self.poisoned: list = []
        self.entered: list = []
        self.generators: list = []
        self.grown: dict[int, tuple] | None = None
        self.clock: Value | None = None
        self.tells = False


class Trace:
    """One run of a function with boxes for arguments.

    lifted   id(array) -> what boxes.lift made of an array that the function captured;  boxed  those asked for in this call
    live     constant -> the array from outside that it stands for (values/captured_arrays.py)
    known    id(array) -> array from outside whose elements are part of the program
    fixed    ids of the arrays from outside that are known from the start; None for all
    changing ids of the arrays from outside whose elements have changed since an earlier trace
    entered  id(code) -> rewritten function that has run
    reads    path -> what was read of objects from outside, from each root (values/captured_values.py)
    outside  id(object) -> what was read of it, for the objects that these led to
    ways     id(array) -> what was read of it at each place where it was found outside
    inputs   constant -> path of the number from outside that it stands for
    varying  paths of the numbers from outside that have changed since earlier traces
    freezing how many calls of `static` are under way, within which what is read is not noted
    leaf_of  parameter -> argument leaf, for Python ints, which can be made static
    unfixed  parameters: the Python ints that vary from call to call, and are no constants though they may decide shapes
    items    item of a list that a rolled loop goes through -> that loop, in which the item has lost its identity
    origin   region parameter -> (its Loop, the value it starts from)
    unroll   sites of the loops to unroll
    outer    id(object) -> object, for what the function reaches through a global or free variable
    shared   id(object) -> object, for a container that stands for one of two, which only run time knows
    copied   the same, for one that is an entry of a list of run-time length, which holds what it was
    spent    the same, for an iterator that has been left where only run time knows how far it has come
    telling  what says before a failing check what the caller's objects hold (staging/failed_objects.py)
    packed   id(list) -> (list, place), for a list with a name that the packed list of lists of that place has copied
    laid     id(root) -> root of what was reshaped or made contiguous: a view or a copy, as NumPy's array lies in memory
    clock    what identities are told apart by (regions/identity.py); None: arrays have none
    ended    [(stamp, stamp)] of the regions that have ended, outermost only, in order
    kin      id(root) -> roots that may be the same array, under another name, of what the trace cannot tell apart
    growing  id(list) -> (list, loop, entries), for lists that the loops being traced append to (regions/list_scan_outputs.py)
    grown    id(list) -> growing.Grown, for the lists that a rolled loop has made
    packages top-level packages of the functions that were given to be traced
    opened   those that were added because they are given traced values; left_closed: those that are not (syntax/source.py)
    short    lengths known at run time that are 0 or 1, as that of x[k:k + 1]
    general  whether lengths of arguments are known at run time only (`ir.core.Length`)
    notes    (kind, text, location) for `explain`
    cells    id(cell) -> (cell, name), for the variables that nested functions rebind (syntax/nonlocals.py)
    lists    place of the source -> the leaf type of the lists that are packed there, None for never (control/packed_lists.py)
    tried    those of these places where that is an attempt (containers/long_growth.py)
    born_at  id(list) -> (list, the place of the source that made it)
    depth    id(code) -> the number of open scopes at each activation under way
    recursions  id(code) -> Recursion, of functions that are traced with calls of themselves in them (calling/recursion.py)
    recursive  how many calls of functions by themselves there were, without and with a scope between the two
    targets  what may be left early while its body is traced, outermost first (regions/escapes.py)
    frames   the code whose rest may become a branch, outermost first (regions/escapes.py)
    written  (parameter number, box, parameter) of the arrays whose changes the caller sees, also where the call fails
    failing  the numbers of those that have been changed where a check may fail
    handled  the exceptions of run time whose handlers are being traced (control/try_statement.py)
    """

    def __init__(self, function: Function | None = None, peephole: Callable | None = None):
        self.function, self.builder = function, Builder(locate, peephole)
        self.scopes: list[Scope] = []
        self.lifted: dict[int, tuple] = {}
        self.boxed: set[int] = set()
        self.live: dict = {}
        self.known: dict = {}
        self.fixed: Set | None = set()
        self.changing: frozenset[int] = getattr(_STATE, "changing", frozenset())
        self.entered: dict = {}
        self.reads: dict = {}
        self.outside: dict = {}
        self.ways: dict[int, list] = {}
        self.untraced: dict[int, Any] = {}              # objects whose code runs as it is, of which all has been noted
        self.inputs: dict = {}
        self.varying: frozenset = getattr(_STATE, "varying", frozenset())
        self.freezing, self.unrolling, self.epoch = 0, 1, stamp()
        self.leaf_of: dict[Value, int] = {}
        self.unfixed: set[Value] = set()
        self.items: dict[Value, Loop | None] = {}
        self.origin: dict[Value, tuple[Loop, Value | None]] = {}
        self.unroll: set = set()
        self.outer: dict[int, object] = {}
        self.shared: dict[int, object] = {}
        self.joined: dict[int, list] = {}               # id(object) -> where an `if` left it or another one
        self.copied: dict[int, object] = {}
        self.spent: dict[int, object] = {}
        self.telling: Any = None
        self.turns: Turns | None = None                 # of the loops in the loop at hand (control/remembered_plans.py)
        self.packed: dict[int, tuple[list, tuple]] = {}
        self.may_alias: dict[int, tuple[Any, list]] = {}
        self.growing: dict[int, tuple] = {}
        self.grown: dict[int, Grown] = {}
        self.spoil: Callable[[Trace, Any], None] | None = None
        self.propagate: Callable[[Trace, Any, Value | None], None] | None = None
        self.clock: Clock | None = None
        self.standing = False                           # names stand for one of several arrays (regions/standings.py)
        self.ended: list[tuple[int, int]] = []
        self.undo: list[Callable] = []                  # run where the trace is given up
        self.rebound: dict[tuple[int, str], Any] = {}   # place -> captured_names.Rebound
        self.memo: dict = {}
        self.recursions: dict = {}
        self.depth: dict = {}
        self.recursive = {False: 0, True: 0}
        self.packages: set[str] = set()
        self.opened: set[str] = set()
        self.met_chance = False     # whether a clock or a random number was refused: no package then runs as it is instead
        self.left_closed: frozenset[str] = frozenset()
        self.short: set[Value] = set()
        self.general = function is not None and any(d.__class__ is Length for p in function.params for d in p.type.dims)
        self.notes: list = []
        self.cells: dict[int, tuple] = {}
        self.lists: dict = {}
        self.tried: set = set()
        self.born_at: dict[int, tuple] = {}
        self.targets: list = []
        self.frames: list = []
        self.handled: list = []
        self.written: list = []
        self.failing: set[int] = set()
        self._begin_arguments()

    def _begin_arguments(self) -> None:
        """What is to be known of the arguments of the call."""
        # the addresses of the objects and containers of the call, and whether it was asked if two of them are one and the same
        self.given: set[int] = set()
        self.told_apart = False
        self.layout_decisions = dict[int, list]()                   # id of a root -> values/memory_layout.py
        self.layout_read = dict[int, object]()
        self.own_arguments = False                 # nobody else has them
        self.whole = set[int]()                    # objects that are arguments and have not been taken apart

    def note_write(self, root: ArrayBox | Cell) -> None:
        """Called before every change of a root's value."""
        if self.clock is None and self.spoil is not None and id(root) in self.may_alias:
            self.spoil(self, root)
        self.log_root(root)

    def note_written(self, root: ArrayBox, before: Value | None) -> None:
        """Called after a write of the program; `before` is what the root held."""
        if self.clock is not None and self.propagate is not None and id(root) in self.may_alias:
            self.propagate(self, root, before)

    def end(self, scope: Scope) -> None:
        """A region has ended: what was made in it is not to be seen any more."""
        while self.ended and self.ended[-1][0] > scope.epoch:
            self.ended.pop()
        self.ended.append((scope.epoch, stamp()))

    def closed(self, epoch: int) -> bool:
        """Whether this stamp is that of something made in a region that has ended."""
        k = bisect.bisect(self.ended, (epoch,)) - 1
        return k >= 0 and epoch < self.ended[k][1]

    def made_before(self, box: Any) -> bool:
        """Whether a box is older than the region at hand."""
        return bool(self.scopes) and box._epoch < self.scopes[-1].epoch

    def log_root(self, root: Any) -> None:
        """Note in the region at hand that a root's value changes."""
        if self.scopes:
            scope = self.scopes[-1]
            if root._epoch < scope.epoch and id(root) not in scope.roots:
                scope.roots[id(root)] = root, root._value

    def note_fresh(self, made: Any) -> Any:
        """An object that the traced program made: changing it is nobody else's business."""
        self.scopes[-1].fresh[id(made)] = made
        return made

    def note_known(self, x: Any) -> None:
        """The elements of an array are part of the program, where it is one from outside."""
        if isinstance(x, np.ndarray) and self.maker(x) < 0:
            while isinstance(x.base, np.ndarray) and id(x.base) in self.known:
                x = x.base
            self.known[id(x)] = x

    def maker(self, made: Any) -> int:
        """The depth of the scope that made an object; -1 where none did."""
        for depth in range(len(self.scopes) - 1, -1, -1):
            if id(made) in self.scopes[depth].fresh:
                return depth
        return -1

    def note(self, kind: str, text: str) -> None:
        entry = (kind, text, locate())
        if entry not in self.notes:
            self.notes.append(entry)


def current() -> Trace:
    stack = getattr(_STATE, "stack", None)
    if not stack:
        raise UnsupportedError("a traced value is used after its trace has ended", "return the value instead of storing it")
    return stack[-1]


def active() -> Trace | None:
    """The trace under way, if there is one."""
    stack = getattr(_STATE, "stack", None)
    return stack[-1] if stack else None


def traced(trace: Trace, run: Callable[[], _Result]) -> _Result:
    """What `run()` returns, within a trace. An interrupt at any moment leaves the trace ended: no call stands between a
    change of the state and the block that ends it."""
    before = getattr(_STATE, "stack", ())
    try:
        _STATE.stack = (*before, trace)
        found = run()
        for left in trace.rebound.values():
            raise left.error
        return found
    except BaseException:
        for undo in reversed(trace.undo):
            undo()
        raise
    finally:
        _STATE.stack = before


def untraced(run: Callable[[], _Result]) -> _Result:
    """Run what is no part of the traced program, as Python does."""
    before = getattr(_STATE, "stack", ())
    try:
        _STATE.stack = ()
        return run()
    finally:
        _STATE.stack = before


@contextmanager
def changing(arrays: list, paths: Iterable = ()) -> Iterator[None]:
    """Traces inside read these arrays, and the numbers at these paths, from outside at run time where they can."""
    before: tuple[frozenset, frozenset] = getattr(_STATE, "changing", frozenset()), getattr(_STATE, "varying", frozenset())
    _STATE.changing, _STATE.varying = before[0] | {id(x) for x in arrays}, before[1] | frozenset(paths)
    try:
        yield
    finally:
        _STATE.changing, _STATE.varying = before


@contextmanager
def gathering() -> Iterator[Any]:
    """A list to which each trace that ends inside adds what it reached outside of its arguments."""
    before = getattr(_STATE, "gathered", None)
    _STATE.gathered = []
    try:
        yield _STATE.gathered
    finally:
        _STATE.gathered = before


def gathered() -> list:
    """The list of the innermost `gathering`, else one that nobody reads."""
    found = getattr(_STATE, "gathered", None)
    return [] if found is None else found


# --- what Python asks of traced values -------------------------------------------------------------------------------

def constant(value: Value) -> bool | None:
    """The Python scalar of a value computed from constants alone, else None."""
    if isinstance(value, Const):
        return value.data.item() if value.frozen and value.data.ndim == 0 else None
    op = value.op
    if op is None or value.type.dims or op.defn.rule not in ("elementwise", "linear") or op.defn.evaluate is None:
        return None
    arrays = [x.data for x in op.operands if isinstance(x, Const) and x.frozen]
    if len(arrays) != len(op.operands):
        parts = [constant(x) for x in op.operands]
        if None in parts:
            return None
        arrays = [const(p, x.type.dtype).data for p, x in zip(parts, op.operands)]
    return op.defn.evaluate(op, *arrays)[value.slot].item()


def make_static(value: Value, what: str, remedy: str = "") -> str:
    """Restarts so that `value` is a number next time; returns what it depends on, where that cannot be."""
    roots = roots_of(current(), value)
    if roots.stop is None:
        if roots.leaves or roots.arrays:
            raise Restart(roots.leaves, arrays=roots.arrays)
        if not all(loop.unrollable for loop in roots.loops):
            return "the counter of a loop whose length is known only at run time"
        for loop in roots.loops:
            if loop.active:
                raise NeedUnroll(loop, what)
        if roots.loops:
            raise Restart((), [loop.site for loop in roots.loops])
    return roots.stop or "a value computed at run time"


def need_static(box: Any, what: str) -> None:
    """Restarts the trace with the argument ints that decide `box` made static; returns where it depends on more than those."""
    roots = roots_of(current(), box.read())
    if (roots.leaves or roots.arrays) and not roots.loops and roots.stop is None:
        raise Restart(roots.leaves, arrays=roots.arrays)


def need_concrete(box: Any, what: str) -> Any:
    """The Python number that `box` holds, for `what`; restarts or raises where it is known only at run time."""
    value = box.read()
    number = constant(value)
    if number is not None:
        return number
    why = make_static(value, what)
    name = plain_function()
    raise ConcretizationError(
        f"{what} needs a number when the function is compiled, but this value is known only at run time: it depends on {why}",
        f"the source of `{name}` cannot be read, or has changed since it was imported, so its branches and loops are decided "
        "while it is compiled: define it in a file or a notebook cell, or import it again" if name else
        "compute it from Python ints or shapes, or pass it as an argument that `static_argnums` names", locate())
