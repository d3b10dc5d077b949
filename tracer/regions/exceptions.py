"""Exceptions of run time in the body of a `try`: checks that would end the call become exits from the body.

    check %ok, %i, %n {error="BoundsError", message="index {0} is …"}     in a `try` that catches IndexError
    ->  a guard of %ok (regions/escapes.py), in whose alternative the `try` is left with number 1; {0} and {1} are kept

Each exception that may leave the body has a `Record` with a number. Which one it was the body leaves in `code`, the values in
its message in `said 1 0`, `said 1 1`, … An exception that tracing itself meets has a record, too: whether its place is reached
may be known only at run time.
"""
from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ...ir.build import Builder, const
from ...ir.core import Const, Op, Value
from ...ir.errors import BoundsError, ConcretizationError, LimitError, Loc, TracegradError, UnsupportedError
from ...ir.ops.checks import Message, error_class, own_class, reported, wrap_message
from ...ir.transforms.simplify import peephole
from ...ir.types import BOOL_SCALAR, I64
from .. import tracing
from ..tracing import Trace
from ..values import captured_names, shapes, slices
from ..values.boxes import ArrayBox, Box, ScalarBox
from ..values.python import exception_parts, format_strings
from . import escapes, failed_writes, leaf_types, region_tracing

if TYPE_CHECKING:
    from ...ir.opdef import OpDef


class Record:
    """One exception that may leave a body. `error`: the object itself, where nothing in it is traced."""

    __slots__ = ("cls", "error", "loc", "message", "target", "values")

    def __init__(self, cls: type, message: Message, values: tuple, loc: Loc, error: Any = None, target: Any = None):
        self.cls, self.message, self.values, self.loc, self.error, self.target = cls, message, values, loc, error, target

    @property
    def key(self) -> tuple:
        mine = (self.cls, self.message, tuple(v.type for v in self.values), self.target)
        return mine if self.error is None else (*mine, id(self.error))

    def shown(self) -> Exception:
        """The object that a handler gets."""
        if self.error is not None:
            return self.error
        plain = next((c for c in self.cls.__mro__ if c.__module__ == "builtins"), self.cls)
        cls = plain if issubclass(self.cls, TracegradError) else self.cls
        return exception_parts.shown(cls, self.message, self.values)


def record_of(error: Exception) -> Record:
    """The record of an exception object: of a `raise`, or one that tracing met."""
    loc = getattr(error, "loc", ()) or (*tracing.locate()[:-1], *tracing.user_loc(error.__traceback__)) or tracing.locate()
    traced = [x for x in leaf_types.leaves_of([error.args, dict(vars(error))]) if isinstance(x, (Box, format_strings.Text))]
    if not traced:
        return Record(type(error), "", (), loc, error)
    return Record(type(error), *exception_parts.parts_of(error), loc)


class Catch(escapes.Target):
    """The body of a `try`. kinds(): the exceptions that its handlers catch."""

    def __init__(self, trace: Trace, kinds: Callable):
        super().__init__(trace)
        self.kinds, self.code = kinds, 0
        self.records: list[Record] = []
        self.safe: set = set()                         # ops that could raise, but come after a guard that rules it out
        self.block = trace.builder.block
        self.start = len(self.block.ops)

    def catches(self, cls: type) -> bool:
        return cls is not LimitError and issubclass(cls, self.kinds())

    def take(self, trace: Trace, error: Exception) -> bool:
        if not _is_users(error) or not self.catches(type(error)):
            return False
        if isinstance(error, NameError) and (frame := _innermost(error)) is not None:
            captured_names.missing(frame.f_globals, error.name)
        if isinstance(error, ImportError) and error.name is not None:
            captured_names.missing_module(error.name)
        self.note(trace, record_of(error))
        return True

    def note(self, trace: Trace, record: Record) -> None:
        """Mark the body as left by this exception."""
        keys = [r.key for r in self.records]
        if record.key not in keys:
            self.records.append(record)
        code = keys.index(record.key) + 1 if record.key in keys else len(self.records)
        self.store(trace, left=True, code=code, **{f"said {code} {k}": ArrayBox(v) if v.type.dims else ScalarBox(v)
                                                         for k, v in enumerate(record.values)})

    def record(self, code: int) -> Record:
        """An exception that left the body, with its values as they are after the body."""
        found = self.records[code - 1]
        values = tuple(self.said(code, k, v) for k, v in enumerate(found.values))
        return Record(found.cls, found.message, values, found.loc, found.error, found.target)

    def said(self, code: int, k: int, noted: Value) -> Value:
        """A number in its message. One that only a pass over a loop met that was given up has none: no path leads here."""
        held = getattr(self, f"said {code} {k}")
        if type(held) is leaf_types.Undefined:
            return tracing.current().builder.full(0, noted.type.dims, noted.type.dtype)
        return (held.held if type(held) is leaf_types.MaybeUndefined else held).read()


def _innermost(error: Exception) -> FrameType | None:
    """The frame that raised it."""
    here = error.__traceback__
    while here is not None and here.tb_next is not None:
        here = here.tb_next
    return None if here is None else here.tb_frame


def _is_users(error: Exception) -> bool:
    """Whether Python would have raised it, too: not a refusal of the tracer, and not about its boxes."""
    return not isinstance(error, (UnsupportedError, ConcretizationError)) and not _names_own_class(_about_none(str(error)))


def _about_none(message: str) -> str:
    """What Python says of None and a number, it says of a traced number, too."""
    return region_tracing.in_users_words(message) if "'NoneType'" in message else message


def _names_own_class(message: str) -> bool:
    """Whether a message of Python is about an object of the tracer: "unsupported operand …: 'MaybeUndefined' and 'int'"."""
    quoted = set(re.findall(r"'(\w+)'", message))
    own = __package__.rpartition(".")[0] + "."
    return any(isinstance(found := vars(module).get(name), type) and found.__module__.startswith(own)
               for name in quoted for key, module in list(sys.modules.items()) if key.startswith(own))


def catching(trace: Trace | None, cls: type) -> Catch | None:
    """The innermost `try` around what is traced that catches an exception."""
    targets = reversed(trace.targets) if trace is not None else ()
    return next((t for t in targets if isinstance(t, Catch) and t.catches(cls)), None)


def throw(trace: Trace, target: Catch, record: Callable, ok: Value | None = None) -> None:
    """Leave a `try` by the exception that record() gives where `ok` is false; always, where there is no `ok`."""
    if not escapes.can_leave(trace):
        raise UnsupportedError("an exception may be raised here at run time, inside a `try` that catches it",
                               "take what may raise it out of the `try`, or test the condition with `if`", tracing.locate())
    if ok is not None:
        escapes.exit_unless(trace, ok, lambda: target.note(trace, record()))
        return
    target.note(trace, record())
    raise escapes.Left


def raise_again(trace: Trace, record: Record) -> None:
    """Let an exception that was caught go on: to the next `try`, or out of the call. Does not return."""
    if record.target is not None:
        record.target.leave(trace)
    if (target := catching(trace, record.cls)) is not None:
        throw(trace, target, lambda: record)
    if record.error is not None and not failed_writes.comes_late(trace):
        raise record.error
    builder = trace.builder
    locate, builder.locate = builder.locate, lambda: record.loc
    try:
        if record.error is None:
            name = own_class(record.cls) if error_class(record.cls.__name__) is not record.cls else record.cls.__name__
            failed_writes.check(trace, const(False, BOOL_SCALAR.dtype), record.values, name, record.message)
            raise region_tracing.Raised
        if isinstance(record.error, region_tracing.CERTAIN) and region_tracing.certain(trace, record.error):
            raise region_tracing.Raised
        region_tracing.fail(trace, record.error)
    finally:
        builder.locate = locate


# --- checks that are emitted in the body --------------------------------------------------------------------------------

class intercepting:
    """While this is entered, checks that a `try` catches become exits from its body."""

    def __init__(self, trace: Trace):
        self.trace, self.busy = trace, False

    def __enter__(self) -> None:
        self.peephole = self.trace.builder.peephole
        self.trace.builder.peephole = self.emit

    def __exit__(self, *_: Any) -> None:
        self.trace.builder.peephole = self.peephole

    def emit(self, builder: Builder, defn: OpDef, operands: tuple[Value, ...], attrs: dict[str, Any]) -> tuple[Value,
             ...] | None:
        """The peephole of the builder (ir/build.py)."""
        handler = _RAISING.get(defn.name)
        if handler is not None and not self.busy:
            self.busy = True
            try:
                found = handler(self.trace, operands, attrs)
            finally:
                self.busy = False
            if found is not None:
                return found
        return self.peephole(builder, defn, operands, attrs) if self.peephole is not None else None


def _check(trace: Trace, operands: tuple[Value, ...], attrs: dict[str, Any]) -> tuple | None:
    cond, values = operands[0], reported(attrs, operands)[0]
    cls = error_class(attrs["error"])
    target = None if cls is None else catching(trace, cls)
    if cls is None or (isinstance(cond, Const) and cond.item) or target is None or not escapes.can_leave(trace):
        return None
    record = Record(cls, attrs["message"], values, tracing.locate())
    throw(trace, target, lambda: record, None if isinstance(cond, Const) else cond)
    return ()


def _wrap(trace: Trace, operands: tuple[Value, Const], attrs: dict[str, Any]) -> tuple[Value, ...] | None:
    """`wrap i, n` behind a guard of -n <= i < n."""
    target = catching(trace, BoundsError)
    if target is None or not escapes.can_leave(trace):
        return None
    builder, (i, n) = trace.builder, operands
    if not i.type.dims and slices.on_axis(i, n):
        return _unguarded(trace, operands, attrs)
    inside = builder("and", builder("ge", i, builder.broadcast(builder("neg", n), i.type.dims)),
                     builder("lt", i, builder.broadcast(n, i.type.dims)))
    ok = builder.reduce(inside, "all", range(len(i.type.dims)))
    loc = tracing.locate()

    def record() -> Record:
        return Record(BoundsError, wrap_message(attrs["axis"]), (_first(builder, i, inside), n), loc)

    if tracing.constant(ok) is not True:
        throw(trace, target, record, ok)
    return _unguarded(trace, operands, attrs)


def _unguarded(trace: Trace, operands: Any, attrs: dict[str, Any], name: str = "wrap") -> tuple[Value, ...]:
    """The op, which cannot fail where it stands."""
    hooked, trace.builder.peephole = trace.builder.peephole, peephole
    try:
        found = trace.builder.emit(name, *operands, **attrs)
    finally:
        trace.builder.peephole = hooked
    for target in trace.targets:
        if isinstance(target, Catch) and found[0].op is not None:
            target.safe.add(found[0].op)
    return found


def _first(builder: Builder, i: Value, inside: Value) -> Value:
    """The first position that is not inside, in an array that has one."""
    if not i.type.dims:
        return i
    size = shapes.product(i.type.dims)
    outside = builder.cast(builder("not", builder.reshape(inside, (size,))), I64)
    return builder("slice", builder.reshape(i, (size,)), builder("argreduce", outside, kind="argmax", axis=0), spec="i")


def _checked(name: str) -> Callable:
    """An op behind a check that it can do what it is to do (numpy/linalg.py)."""
    def handler(trace: Trace, operands: Any, attrs: dict[str, Any]) -> Any:
        target = catching(trace, np.linalg.LinAlgError)
        return _unguarded(trace, operands, attrs, name) if target is not None else None
    return handler


_RAISING: dict[str, Callable] = {"check": _check, "wrap": _wrap,
                                 "lu_solve": _checked("lu_solve"), "cholesky": _checked("cholesky")}


# --- what cannot be caught ----------------------------------------------------------------------------------------------

def expect_caught(catch: Catch) -> None:
    """At the end of a body: nothing is left in it that may fail at run time in a way that a handler would catch."""
    for op, conditions in ops_in(catch.block.ops[catch.start:]):
        if op in catch.safe:
            continue
        for cls in _failures(op):
            if catch.catches(cls):
                _refuse(cls, op, conditions)


def ops_in(ops: list[Op], conditions: tuple[Value, ...] = ()) -> Iterator[Any]:
    """Every op, with the conditions of the branches that it is in."""
    for op in ops:
        yield op, conditions
        inner = (*conditions, op.operands[0]) if op.name == "if" else conditions
        for region in op.regions:
            yield from ops_in(region.ops, inner)
        if op.name == "call":
            yield from ops_in(op.attrs["callee"].body.ops, inner)


def _failures(op: Op) -> tuple[type, ...]:
    """The exceptions that an op may raise at run time."""
    if op.name != "check":
        return _RAISED.get(op.name, ())
    cls = error_class(op.attrs["error"])
    return () if cls is None else (cls,)


_RAISED = {"wrap": (BoundsError,), "cholesky": (np.linalg.LinAlgError,), "lu_solve": (np.linalg.LinAlgError,),
           "triangular_solve": (np.linalg.LinAlgError,)}


def _refuse(cls: type, op: Op, conditions: tuple) -> NoReturn:
    """What argument ints decide is decided by tracing again with them known; else the error."""
    for value in (*conditions, *op.operands[:1]):
        tracing.make_static(value, "a `try`")
    kind = next((c for c in cls.__mro__ if c.__module__ == "builtins"), cls)
    shown = cls if cls is np.linalg.LinAlgError else kind
    raise UnsupportedError(
        f"this may raise {shown.__name__} at run time, inside a `try` that would catch it, in a function of a library or one "
        "that is differentiated or mapped: compiled code cannot leave these in the middle",
        "test the condition with `if`, or catch the error around the call of the compiled function", op.loc or tracing.locate())
