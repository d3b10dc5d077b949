"""Leaving code early while it is traced, at a point and under a condition that only run time knows: the rest is a branch.

    a[0] = 1                       %a1 = update %a, 1, 0
    y = p / q                      %ok = ne %q, 0
    a[1] = y                       %left, %a3 = if %ok { %y = div %p, %q; %a2 = update %a1, %y, 1; yield false, %a2 }
    …                                            else   { yield true, %a1 }

What is left is a `Target`: the body of a `try`, a loop over a generator. The point may stand anywhere in it, in the middle of
an expression, in branches and loops, in functions that it calls. There a *guard* opens a branch, into which everything goes
that is traced from then on, up to the end of the *frame* at hand: the region, or the target's own body. At that end the branch
is joined with its alternative, in which all is as it was at the point, and the target is marked as left. The mark is an
attribute that regions hand on like a name; so the code around the region is guarded by it in turn (`resume`), and loops end
by it.

So nothing after the point has an effect, nor is it computed; what was done before it stays. Derivatives need to know nothing.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...ir.core import Block, Value
from ...ir.errors import UnsupportedError
from .. import tracing
from ..tracing import Scope, Signal, Trace
from ..values.boxes import Box
from . import if_join, leaf_types, region_tracing
from .region_tracing import CERTAIN, Outcome, Raised

if TYPE_CHECKING:
    from .leaf_types import Undefined

DEEPEST = 200          # guards within guards of one frame: of iterations that are written out, mostly


class Left(Signal):
    """What follows in the frame at hand is never reached: a target is left for sure. What was done so far stays."""


class Target(region_tracing.State):
    """What may be left early. `left`: whether it is, on the path at hand; a bool or a box.

    What an exit has to hand over it stores in further attributes, which are unset before.
    """

    def __init__(self, trace: Trace):
        self.left: bool | Box = False
        self.asked: bool | Box = False                  # what `left` is where only the condition of a loop is asked for
        trace.note_fresh(self)

    def __getattr__(self, key: str) -> Undefined:
        if key.startswith("__"):
            raise AttributeError(key)
        return leaf_types.Undefined(key)

    def take(self, trace: Trace, error: Exception) -> bool:
        """Whether an error of the user's code that tracing met leaves this; then it is noted."""
        return False

    def store(self, trace: Trace, **held: Any) -> None:
        for key, value in held.items():
            region_tracing.assign(trace, (self, True, key), value)


class Guard:
    """A branch that the rest of a frame is traced into. exit(): what happens in the alternative; `names`: what they held."""

    __slots__ = ("cond", "exit", "growing", "names", "outer", "scope")

    def __init__(self, trace: Trace, frame: Frame, cond: Value, exit: Callable):
        self.cond, self.exit, self.growing = cond, exit, dict(trace.growing)
        self.names = frame.get() if frame.get else ()
        self.scope = region_tracing.Branch(Block(), cond)
        self.outer = trace.builder.enter(self.scope.block)
        trace.scopes.append(self.scope)

    def end(self, trace: Trace) -> Outcome:
        """End the branch: what it changed is undone, and handed over."""
        trace.scopes.pop()
        trace.builder.leave(self.outer)
        trace.growing = self.growing
        outcome = Outcome(self.scope)
        region_tracing.undo(self.scope, outcome)
        return outcome


class Frame:
    """Code that ends as one: a region or the body of a target. get, put: its names, as of a region."""

    __slots__ = ("get", "guards", "names", "put")

    def __init__(self, get: Callable | None, put: Callable | None, names: tuple[str, ...]):
        self.get, self.put, self.names = get, put, names
        self.guards: list[Guard] = []

    def run(self, trace: Trace, thunk: Callable, always: bool = False) -> Any:
        """thunk(), with the guards closed at its end. `always`: its errors are certain, however it is reached."""
        trace.frames.append(self)
        depth = len(trace.frames)
        try:
            returned = raised = None
            try:
                returned = thunk()
            except Left:
                returned = leaf_types.Undefined("<returned>")
            except Raised as signal:
                if not self.guards:
                    raise
                raised = signal
            except Exception as error:
                if not always and any(t.take(trace, error) for t in reversed(trace.targets)):
                    returned = leaf_types.Undefined("<returned>")
                elif self.guards and isinstance(error, CERTAIN) and region_tracing.certain(trace, error):
                    raised = Raised()
                else:
                    raise
            return self.close(trace, returned, raised)
        finally:
            while self.guards:
                self.guards.pop().end(trace)
            del trace.frames[depth - 1:]

    def close(self, trace: Trace, returned: Any,
              raised: Any) -> Any:
        """Join every guard's branch with its alternative, innermost first; gives what the code returned."""
        while self.guards:
            held = self.get() if self.get else ()
            guard = self.guards.pop()
            yes = guard.end(trace)
            yes.returned, yes.names = returned, held
            if self.put is not None:
                self.put(guard.names)
            if raised is not None:
                guard.scope.block.yields = ()
                trace.builder.emit("if", guard.cond, regions=(guard.scope.block, Block()))
                raised = None
                guard.exit()
                returned = leaf_types.Undefined("<returned>")
                continue
            no = region_tracing.run(trace, region_tracing.Branch(Block(), guard.cond), guard.exit, self.get, self.put,
                                    guard.names)
            if returned is not None:
                no.returned = leaf_types.Undefined("<returned>")
            returned = if_join.joined(trace, guard.cond, yes, no, self.put, self.names, guard.names, "<returned>",
                                      about="a statement that may be left at run time leaves")
            returned = returned.held if type(returned) is leaf_types.MaybeUndefined else returned
        return returned


def run(trace: Trace, scope: Scope, thunk: Callable, get: Callable | None, put: Callable | None, before: tuple, *args: Any,
        names: tuple[str, ...] = (), always: bool = False) -> Outcome:
    """region_tracing.run of a region that may be left early."""
    frame = Frame(get, put, names)

    def framed(*args: Any) -> Any:
        return frame.run(trace, lambda: thunk(*args), always)

    return region_tracing.run(trace, scope, framed, get, put, before, *args, always=always)


def body(trace: Trace, target: Target, thunk: Callable, get: Callable | None, put: Callable | None,
         names: tuple[str, ...]) -> None:
    """Trace the body of a target; its mark says afterwards whether it was left."""
    trace.targets.append(target)
    depth = len(trace.targets)
    try:
        Frame(get, put, names).run(trace, thunk)
    finally:
        del trace.targets[depth - 1:]
    resume(trace)


def exit_unless(trace: Trace, ok: Value, exit: Callable) -> None:
    """What is traced from now on, up to the end of the frame at hand, runs where `ok`; elsewhere exit() does, which ends it."""
    frame = trace.frames[-1]
    if any(guard.cond is ok for f in trace.frames for guard in f.guards):
        return
    if len(frame.guards) >= DEEPEST:
        raise UnsupportedError(
            f"more than {DEEPEST} places, one after the other, may leave this statement early at run time",
            "write a for statement over a range or an array, which is traced once for all of its iterations", tracing.locate())
    frame.guards.append(Guard(trace, frame, ok, exit))


def resume(trace: Trace) -> None:
    """After a region: where it has left a target, what follows is not reached."""
    for target in trace.targets:
        left = target.left
        if left is False or left is target.asked:
            continue
        number = True if left is True else tracing.constant(left.read())
        if number is None:
            exit_unless(trace, negated(trace, left.read()), lambda: None)
            target.store(trace, left=False)
        elif number:
            raise Left


@contextmanager
def asking(trace: Trace) -> Iterator[None]:
    """In the condition of a loop, where a mark says that the loop ends, and guards nothing."""
    before = [(target, target.asked) for target in trace.targets]
    for target, _ in before:
        target.asked = target.left
    try:
        yield
    finally:
        for target, asked in before:
            target.asked = asked


def negated(trace: Trace, flag: Value) -> Value:
    """`not flag`."""
    return flag.op.operands[0] if flag.op is not None and flag.op.name == "not" else trace.builder("not", flag)


def ended(trace: Trace) -> None:
    """After a loop that ends only by leaving something around it: what that is is clear where there is one candidate."""
    marked = [target for target in trace.targets if target.left is not False]
    if len(marked) == 1:
        marked[0].store(trace, left=True)


def left(target: Target) -> bool | Value:
    """Whether a target was left, after its body."""
    if isinstance(target.left, bool):
        return target.left
    flag = target.left.read()
    number = tracing.constant(flag)
    return flag if number is None else bool(number)


def can_leave(trace: Trace) -> bool:
    """Whether a guard can be opened where the trace is: not in code that is put together from parts of several regions."""
    return bool(trace.frames) and trace.builder.block is trace.scopes[-1].block
