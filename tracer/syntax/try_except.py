"""`try` in traced code: what fails while the program is traced is caught as in Python, what may fail at run time is refused.

    try: A                  <try 1> = <tg>.trying(lambda: KeyError)
    except KeyError as e:   try: A; <tg>.tried(<try 1>)
        B                   except KeyError as <caught 1>: <tg>.caught(<try 1>, <caught 1>); e = <caught 1>; B

Looking up a key, converting a text, asking an object for an attribute: such things fail, or do not, for every call of this
specialisation alike. An error that only run time knows ends the call of compiled code. So if the ops of A may raise one that a
handler would catch, the `try` cannot be compiled; if they may raise only others, it makes no difference.

A handler never sees what the tracer itself raises: its signals, and its own refusals, which Python would not raise.
"""
from __future__ import annotations

import ast
import copy

import numpy as np

from ...ir.errors import BoundsError, ConcretizationError, UnsupportedError
from ...ir.ops.checks import error_class
from .. import tracing
from . import early_exit
from .early_exit import TG


class Try:
    """A `try` whose body is being traced."""

    __slots__ = ("block", "depth", "guarded", "kinds", "start")

    def __init__(self, trace, kinds):
        self.kinds, self.depth, self.guarded = kinds, len(trace.scopes), trace.guarded
        self.block = trace.builder.block
        self.start = len(self.block.ops)

    def catches(self, cls: type) -> bool:
        return issubclass(cls, self.kinds())


def lower(node: ast.Try, number: int) -> ast.Try:
    """Give every handler a name of its own; the user's name is assigned, and not deleted at the handler's end."""
    for handler in node.handlers:
        name, mine = f"<caught {number}>", handler.name
        handler.name = name
        if mine is not None:
            handler.body.insert(0, early_exit.store(mine, early_exit.load(name, handler), handler))
    node.number = number
    return node


def rewrite(rewriter, node: ast.Try) -> list[ast.stmt]:
    """The statement with the calls of trying, tried and caught; `rewriter` rewrites its parts."""
    def statement(name, args, like):
        at = ast.copy_location(ast.Attribute(early_exit.load(TG, like), name, ast.Load()), like)
        return ast.copy_location(ast.Expr(ast.copy_location(ast.Call(at, args, []), like)), like)

    token = f"<try {node.number}>"
    kinds = [rewriter.expr(h.type) if h.type is not None else early_exit.load("BaseException", h) for h in node.handlers]
    for handler, kind in zip(node.handlers, kinds):
        handler.type = kind
        caught = statement("caught", [early_exit.load(token, handler), early_exit.load(handler.name, handler)], handler)
        handler.body = [caught, *rewriter.statements(handler.body)]
    node.body, node.orelse = rewriter.statements(node.body), rewriter.statements(node.orelse)
    node.finalbody = rewriter.statements(node.finalbody)
    if not node.handlers:
        return [node]
    node.body.append(statement("tried", [early_exit.load(token, node)], node))
    asked = rewriter.thunk(ast.copy_location(ast.Tuple(copy.deepcopy(kinds), ast.Load()), node))
    begun = statement("trying", [asked], node)
    return [early_exit.store(token, begun.value, node), node]


# --- while the program is traced ---------------------------------------------------------------------------------------

def trying(kinds) -> Try | None:
    trace = tracing.active()
    if trace is None:
        return None
    made = Try(trace, lambda: _flat(kinds()))
    trace.tries.append(made)
    return made


def _flat(kinds) -> tuple[type, ...]:
    """The classes of handlers, whose types may be tuples themselves."""
    return tuple(k for kind in kinds for k in (_flat(kind) if isinstance(kind, tuple) else (kind,)))


def _left(trace, made: Try) -> None:
    """Leave a `try`, and those within it that an exception has left."""
    if made in trace.tries:
        del trace.tries[trace.tries.index(made):]


def tried(made: Try | None) -> None:
    """The end of the body: nothing in it may fail at run time in a way that a handler would catch."""
    trace = tracing.active()
    if made is None or trace is None:
        return
    _left(trace, made)
    _expect_safe(made)


def _expect_safe(made: Try) -> None:
    for op, conditions in _ops(made.block.ops[made.start:]):
        for cls in _failures(op):
            if made.catches(cls):
                _refuse(cls, op, conditions)


def _ops(ops, conditions=()):
    """Every op, with the conditions of the branches that it is in."""
    for op in ops:
        yield op, conditions
        inner = (*conditions, op.operands[0]) if op.name == "if" else conditions
        for region in op.regions:
            yield from _ops(region.ops, inner)


def _failures(op):
    """The exceptions that an op may raise at run time."""
    if op.name == "check":
        return (error_class(op.attrs["error"]),)
    return _RAISED.get(op.name, ())


_RAISED = {"wrap": (BoundsError,), "cholesky": (np.linalg.LinAlgError,), "lu_solve": (np.linalg.LinAlgError,),
           "triangular_solve": (np.linalg.LinAlgError,)}


def _refuse(cls: type, op, conditions) -> None:
    """What argument ints decide is decided by tracing again with them known; else the error."""
    for value in (*conditions, *op.operands[:1]):
        tracing.make_static(value, "a `try`")
    kind = next((c for c in cls.__mro__ if c.__module__ == "builtins"), cls)
    shown = cls if cls is np.linalg.LinAlgError else kind
    raise UnsupportedError(
        f"this may raise {shown.__name__} at run time, inside a `try` that would catch it: compiled code has no exceptions to "
        "catch, only checks that end the call",
        "test the condition with `if`, or catch the error around the call of the compiled function", op.loc or tracing.locate())


def caught(made: Try | None, error: BaseException) -> None:
    """The beginning of a handler: errors that Python would not have raised, or not always, pass on."""
    trace = tracing.active()
    if made is None or trace is None:
        return
    _left(trace, made)
    if isinstance(error, (tracing.Signal, UnsupportedError, ConcretizationError)) or "Box'" in str(error):
        raise error
    if trace.escaped is error:
        raise UnsupportedError(
            f"{type(error).__name__} is raised under a condition that is decided at run time, inside a `try` that would catch "
            "it: compiled code has no exceptions to catch",
            "move what is in the `except` to where the error is raised, behind the same condition", tracing.locate()) from None
    _expect_safe(made)


def plainly(trace, error: BaseException) -> bool:
    """Whether a `raise` at this place is caught by a `try` that the same run of code is in."""
    made = trace.tries[-1] if trace.tries else None
    return (made is not None and made.depth == len(trace.scopes) and made.guarded == trace.guarded
            and made.catches(type(error)))
