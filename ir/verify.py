"""The verifier: what every function must satisfy after every pass.

Programs are checked when all passes have run; where something is found they run again, checked one by one, so that the one to
blame has a name. To check after each pass always costs a first call about a tenth: tests do it (`PASS_BY_PASS`).

1. A value is defined once, before it is used, in the same or an enclosing region; so are the dimensions in its type.
2. Types follow from operands, attributes and regions by the op's `infer`.
   For control, `infer` also compares the parameters of regions with what they stand for, and the yields with both.
3. No op, block or value stands in two places.
4. The functions that are called verify.
5. A stack from outside a loop is not used inside it: one use would leave nothing for the next iteration.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from .core import Block, Const, Function, Length, Op, Value, is_index, result_dim, subst_type
from .errors import IRError
from .text.printer import op_text
from .types import Dim, StackType, Type

PASS_BY_PASS = False
T = TypeVar("T")


def checked(run: Callable[[bool], T], check: Callable[[T], object]) -> T:
    """What passes make, if `check` finds it well formed. run(each): run them, checked after each one."""
    if PASS_BY_PASS:
        return run(True)
    made = run(False)
    try:
        check(made)
    except IRError:
        run(True)                    # raises where the pass is known
        raise
    return made


def verify(f: Function, where: str = "") -> Function:
    """Raise IRError with the name of the pass `where`, the op as text and the user's line, unless `f` is well formed."""
    _Verifier(where).function(f)
    return f


class _Verifier:
    def __init__(self, where: str):
        self.where = where
        self.root: Function | None = None
        self.op: Op | None = None
        self.done: set[Function] = set()

    def fail(self, sentence: str) -> NoReturn:
        assert self.root is not None
        head = f"after {self.where}: " if self.where else ""
        if self.op is not None:
            text, loc = _shown(self.root, self.op), self.op.loc
            raise IRError(f"{head}{sentence}\n  in @{self.root.name}: {text}", loc=loc)
        raise IRError(f"{head}{sentence}\n  in @{self.root.name}", loc=self.root.loc)

    def function(self, f: Function) -> None:
        if f in self.done:
            return
        self.done.add(f)
        outer = self.root, self.op
        self.root, self.op = f, None
        self.defined: set[Value] = set()
        self.stacks: set[Value] = set()
        self.barred: set[Value] = set()            # the stacks that a loop around this place would use in every iteration
        self.ops: set[Op] = set()
        self.block(f.body, f.params)
        self.op = None
        for k, i in f.attrs.get("inout", {}).items():
            if not (0 <= k < len(f.results) and 0 <= i < len(f.params)) or f.results[k].type != f.params[i].type:
                self.fail(f"result {k} cannot overwrite parameter {i}")
        self.root, self.op = outer

    # definitions and uses

    def define(self, values: tuple[Value, ...], owner: Block | Op) -> None:
        """Values that come into scope together: their types may name one another."""
        defined = self.defined
        for slot, v in enumerate(values):
            if v in defined:
                self.fail(f"{v!r} is defined twice")
            if v.owner is not owner or v.slot != slot:
                self.fail(f"{v!r} does not know its definition")
            defined.add(v)
        for v in values:
            t = v.type
            if t.__class__ is StackType:
                self.stacks.add(v)
            while t.__class__ is StackType:
                t = t.element
            for d in t.dims:
                self.dim(d, v)

    def dim(self, d: Dim, v: Value) -> None:
        if d.__class__ is int:
            if d < 0:
                self.fail(f"a dimension of {v!r} is negative: {v.type!r}")
        elif not isinstance(d, Value) or isinstance(d, Const):
            self.fail(f"a dimension of {v!r} is neither a number nor a value: {d!r}")
        elif d not in self.defined and d.__class__ is not Length:
            self.fail(f"{v!r} has a dimension that is not defined here: {v.type!r}")
        elif not is_index(d):
            self.fail(f"a dimension of {v!r} is of type {d.type!r}, not index")

    def use(self, values: tuple[Value, ...]) -> None:
        defined = self.defined
        for v in values:
            if v not in defined:
                if isinstance(v, Const):
                    self.constant(v)
                elif isinstance(v, Value) and v.__class__ is not Length:
                    self.fail(f"{v!r} is used where it is not defined")
                elif v.__class__ is not Length:
                    self.fail(f"an operand is no value: {v!r}")
            elif v in self.barred:
                self.fail(f"the stack {v!r} is used in every iteration of a loop: it must be carried")

    def constant(self, c: Const) -> None:
        if c.data.dtype != c.type.dtype.np or c.data.shape != c.type.dims:
            self.fail(f"a constant of type {c.type!r} holds {c.data.dtype} {c.data.shape}")
        if c.frozen and c.data.flags.writeable:
            self.fail("a frozen constant is writeable")

    # blocks and ops

    def block(self, block: Block, params: tuple[Value, ...]) -> None:
        """A block; what it defines goes out of scope at its end."""
        here = [*params]
        self.define(params, block)
        for op in block.ops:
            self.op = op
            self.one(op)
            here += op.results
        self.use(block.yields)
        self.defined.difference_update(here)

    def one(self, op: Op) -> None:
        if op in self.ops:
            self.fail("this op stands in two places")
        self.ops.add(op)
        self.use(op.operands)
        if op.defn.name == "call":
            self.callee(op.attrs.get("callee"))
        if op.regions and op.defn.rule != "control":
            self.fail(f"{op.defn.name} takes no regions")
        barred = self.barred
        if op.defn.loop:
            self.barred = self.stacks & self.defined
        for region in op.regions:
            self.block(region, region.params)
            self.op = op
        self.barred = barred
        types = self.inferred(op)
        if len(types) != len(op.results):
            self.fail(f"{op.defn.name} has {len(types)} results, not {len(op.results)}")
        self.define(op.results, op)
        if op.defn.rule == "control":
            mapping = {result_dim(k): r for k, r in enumerate(op.results)}
            types = [subst_type(t, mapping) for t in types]
        for r, t in zip(op.results, types):
            if r.type != t:
                self.fail(f"the type of {r!r} is {r.type!r} but follows as {t!r}")

    def inferred(self, op: Op) -> list[Type]:
        try:
            return op.defn.infer(op.operands, op.attrs, op.regions)
        except IRError as error:
            self.fail(error.what)
        except KeyError as error:
            self.fail(f"{op.defn.name} lacks the attribute {error}")

    def callee(self, f: Any) -> None:
        if not isinstance(f, Function):
            self.fail("call names no function")
        if f not in self.done:
            inside = self.defined, self.stacks, self.barred, self.ops
            self.function(f)
            self.defined, self.stacks, self.barred, self.ops = inside


def _shown(f: Function, op: Op) -> str:
    """The op as text; where the function is too broken to print, as Python shows the op."""
    try:
        return op_text(f, op)
    except Exception:
        return repr(op)
