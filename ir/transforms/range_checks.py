"""Range analysis: removes the checks, wraps of negative positions, slice clippings and comparisons whose outcome is sure.

One walk in program order. Each integer gets a form (ir/analysis/integer_forms.py) over atoms of known bounds
(ir/analysis/affine.py):

    for %i = 0 to max(n - 2, 0) { %1 = add %i, 1; %2 = wrap %1, n; … }        0 <= i <= n - 3, so 0 <= i + 1 < n: wrap goes

Conditions are facts inside their branches, a check that has passed is one after it, a loop's body knows that there is an
iteration. What a loop carries gets bounds that hold on entry and, if they hold when an iteration begins, when it ends
(ir/analysis/induction.py); what it changes by the same number each time becomes an expression of the counter:

    for %i … carry(%k = %k0) { … yield add %k, 2 }        %k is %k0 + 2 * %i
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..analysis import induction
from ..analysis.affine import LONGEST, AffineExpr, Constraints
from ..analysis.integer_forms import FORMS, is_integer, limits, of_constant, opaque
from ..analysis.patterns import number
from ..build import const, make_op
from ..clone import dims_of, replace
from ..core import Block, Const, Function, Length, Op, Value
from ..opdef import OPS
from ..ops.elementwise import FITS
from ..text.printer import everything
from ..types import BOOL, INDEX, Dim, DType

if TYPE_CHECKING:
    from ..errors import Frame

DEEP = 40                   # a chain of ops is followed so far where it has not been walked yet
CONDITION = 12              # nested connectives of a condition that are looked into


def ranges(f: Function) -> bool:
    """In place, on a function and what it calls; whether anything changed (then simplify anew)."""
    changed = False
    for g in everything(f):
        if any(map(_worthwhile, g.body.walk())):
            changed |= Ranges(g).run()
    return changed


def _worthwhile(op: Op) -> bool:
    """Whether there may be something to gain from an op."""
    name = op.defn.name
    if name in ("wrap", "check"):
        return True
    if name in ("min", "max", "select"):
        return is_integer(op.results[0])
    return name in ("for", "while") and any(is_integer(v) and not v.type.dims for v in op.results)


class Ranges:
    """The analysis of one function, which rewrites as it walks."""

    def __init__(self, f: Function):
        self.f, self.facts = f, Constraints()
        self.forms: dict[Value, AffineExpr] = {}
        self.order: list[Value] = []                # the keys of `forms`, oldest first
        self.known: dict = {}                       # (dtype, form) -> a scalar in scope that has it
        self.entered: list = []                     # the keys of `known`, oldest first
        self.subst: dict[Value, Value] = {}
        self.ops: list[Op] = []                     # the block being made
        self.depth, self.nested, self.changed = 0, 0, False

    def run(self) -> bool:
        self.lengths()
        self.block(self.f.body)
        if self.subst:
            final = {v: self.resolved(v) for v in self.subst}
            replace(self.f.body, final)
        return self.changed

    def lengths(self) -> None:
        """Give forms to the lengths of the arguments."""
        for p in self.f.params:
            for d in dims_of(p.type):
                if d not in self.forms:
                    self.set(d, self.made(d) if d.__class__ is Length else opaque(self.facts, d, 0, LONGEST))

    def resolved(self, v: Value) -> Value:
        while v in self.subst:
            v = self.subst[v]
        return v

    # --- forms ------------------------------------------------------------------------------------------------------------

    def form(self, v: Value) -> AffineExpr:
        found = self.forms.get(v)
        if found is None:
            self.depth += 1
            try:
                found = self.made(v)
            finally:
                self.depth -= 1
            self.set(v, found)
        return found

    def set(self, v: Value, form: AffineExpr) -> None:
        if v not in self.forms:
            self.order.append(v)
        self.forms[v] = form

    def made(self, v: Value) -> AffineExpr:
        if v.__class__ is Const:
            return of_constant(self.facts, v)
        if v.__class__ is Length:
            return opaque(self.facts, v, v.least, LONGEST if v.most is None else v.most)
        op = v.op
        if op is None or self.depth > DEEP:
            return opaque(self.facts, v)
        name = op.defn.name
        if (rule := FORMS.get(name)) is not None:
            return rule(self, op, v.slot)
        if not v.type.dims:
            if name == "if":
                return self.either(v, op.operands[0], *[self.form(region.yields[v.slot]) for region in op.regions])
            if name in ("for", "while"):
                induction.settle(self, op)
                return self.forms[v]
        return opaque(self.facts, v)

    def forget(self, mark: int) -> None:
        """Drop the forms made since len(self.order) was `mark`."""
        while len(self.order) > mark:
            del self.forms[self.order.pop()]

    def size(self, d: Dim) -> AffineExpr:
        return AffineExpr(d, {}) if isinstance(d, int) else self.form(d)

    def either(self, v: Value, cond: Value, a: AffineExpr, b: AffineExpr) -> AffineExpr:
        """a where cond holds, else b."""
        if a == b:
            return a
        facts, bounds, cases = self.facts, [], []
        for form, truth in ((a, True), (b, False)):
            guards = [g for g, kind in self.implied(cond, truth) if kind == "ge"]
            mark = facts.mark()
            if facts.assume_all(guards):
                bounds.append((form.low, form.high))
                cases.append((guards, form))
            facts.undo(mark)
        if len(cases) < 2:
            return cases[0][1] if cases else a
        made = opaque(facts, v, min(low for low, _ in bounds), max(high for _, high in bounds))
        made.symbol.cases = tuple(cases)
        return made

    def side(self, i: AffineExpr, n: AffineExpr) -> int | None:
        """1 where 0 <= i < n, -1 where -n <= i < 0, for sure."""
        facts = self.facts
        if i.low >= 0 or (i.high >= 0 and facts.nonneg(i)):
            return 1 if facts.nonneg(n.plus(i, -1).add(-1)) else None
        if i.low >= 0 or not facts.nonneg(i.times(-1).add(-1)):
            return None
        return -1 if facts.nonneg(i.plus(n)) else None

    # --- conditions -------------------------------------------------------------------------------------------------------

    def implied(self, cond: Value, truth: bool, depth: int = CONDITION) -> Iterator[Any]:
        """(form, "ge" or "ne"): form >= 0 or form != 0, where the condition has this truth."""
        op = cond.op
        if op is None or not depth:
            return
        name = op.defn.name
        if name in _MEANING:
            if is_integer(op.operands[0]):
                yield from _MEANING[name if truth else _OPPOSITE[name]](*map(self.form, op.operands))
        elif name == "not":
            yield from self.implied(op.operands[0], not truth, depth - 1)
        elif name == ("and" if truth else "or") and cond.type.dtype is BOOL:
            for v in op.operands:
                yield from self.implied(v, truth, depth - 1)
        elif name == ("reduce" if truth else "") and op.attrs["kind"] == "all":
            yield from [fact for fact in self.implied(op.operands[0], True, depth - 1) if _of_elements(fact[0])]
        elif name == "if":                          # if a {b} else {false} is a and b;  if a {true} else {b} is a or b
            for branch in (True, False):            # (the condition itself may stand for what it is there)
                inner, other = [region.yields[cond.slot] for region in op.regions[::1 if branch else -1]]
                if number(other) is (not truth) or (other is op.operands[0] and branch is truth):
                    yield from self.implied(op.operands[0], branch, depth - 1)
                    yield from self.implied(inner, truth, depth - 1)

    def assume(self, cond: Value, truth: bool) -> None:
        facts = self.facts
        for form, kind in list(self.implied(cond, truth)):
            if kind == "ge":
                facts.assume(form)
            else:
                facts.assume_unequal(form)

    def decide(self, cond: Value, depth: int = CONDITION) -> bool | None:
        """The truth of a condition, where it is sure."""
        known = number(cond)
        op = cond.op
        if known is not None or op is None or not depth:
            return known
        name, nonneg = op.defn.name, self.facts.nonneg
        if name in _MEANING:
            if not is_integer(op.operands[0]):
                return None
            if name == "ne" or name == "eq":
                diff = self.form(op.operands[0]).plus(self.form(op.operands[1]), -1)
                if not diff.terms:
                    return (diff.const == 0) is (name == "eq")
                back = diff.times(-1)
                if nonneg(diff.add(-1)) or nonneg(back.add(-1)):
                    return name == "ne"
                return name == "eq" if nonneg(diff) and nonneg(back) else None
            for truth in (True, False):
                ((form, _),) = self.implied(cond, truth)
                if nonneg(form):
                    return truth
        elif name == "not":
            inner = self.decide(op.operands[0], depth - 1)
            return None if inner is None else not inner
        elif name in ("and", "or") and cond.type.dtype is BOOL:
            found = [self.decide(v, depth - 1) for v in op.operands]
            if (name == "or") in found:
                return name == "or"
            return None if None in found else name == "and"
        elif name in FITS:
            return self.fits(op) or None
        return None

    def fits(self, op: Op) -> bool:
        """Whether the exact result is sure to be within the dtype."""
        if len(op.operands) == 1:
            (x,) = map(self.form, op.operands)
            return x.low >= 0 and x.high < 1 << 63
        x, y = map(self.form, op.operands)
        least, most = limits(op.operands[0].type.dtype)
        if op.name in ("add_fits", "sub_fits"):
            exact = x.plus(y, 1 if op.name == "add_fits" else -1)
            return self.facts.nonneg(exact.add(-least)) and self.facts.nonneg(exact.times(-1).add(most))
        if op.name == "shl_fits" and not 0 <= y.low <= y.high < 64:
            return False
        ends = (1 << y.low, 1 << y.high) if op.name == "shl_fits" else (y.low, y.high)
        corners = [p * q for p in (x.low, x.high) for q in ends]
        return min(corners) >= least and max(corners) <= most

    # --- the walk ----------------------------------------------------------------------------------------------------------

    def block(self, block: Block) -> None:
        """Walk and rewrite a block; what holds only in it is forgotten afterwards."""
        facts, outer, scope = self.facts, self.ops, len(self.entered)
        mark, ops = facts.mark(), block.ops
        self.ops = []
        for v in block.params:
            if v in self.forms and v not in self.subst:
                self.enter(v)
        for op in ops:
            self.visit(op)
        block.ops, self.ops = self.ops, outer
        facts.undo(mark)
        while len(self.entered) > scope:
            del self.known[self.entered.pop()]

    def visit(self, op: Op) -> None:
        name = op.defn.name
        special = _VISIT.get(name)
        if special is not None:
            special(self, op)
            return
        if name in FORMS:
            if len(op.results) == 1:
                if is_integer(op.results[0]) and self.replaced(op.results[0]):
                    return
            else:
                for v in filter(is_integer, op.results):
                    self.form(v)
        self.ops.append(op)

    def enter(self, v: Value) -> Value | None:
        """The scalar in scope that equals v; v itself is entered where there is none."""
        form = self.forms[v]
        if v.type.dims or not form.terms:
            return None
        key = v.type.dtype.name, form.const, frozenset(form.terms.items())
        found = self.known.get(key)
        if found is None:
            self.known[key] = v
            self.entered.append(key)
        return found

    def replaced(self, v: Value) -> bool:
        """Give an integer its form; whether a number, an operand of its op or another value in scope takes its place."""
        form = self.form(v)
        found: Value | None = None
        if not v.type.dims and form.low == form.high:
            found = const(form.low, v.type.dtype)
        else:
            for o in v.maker.operands:
                if o.type == v.type and (known := self.forms.get(o)) is not None and known == form:
                    found = o
                    break
            else:
                found = self.enter(v)
        if found is None:
            return False
        self.put(v, found)
        return True

    def put(self, v: Value, by: Value) -> None:
        self.subst[v], self.changed = by, True

    def compare(self, op: Op) -> None:
        v = op.results[0]
        known = None if v.type.dims or not is_integer(op.operands[0]) else self.decide(v)
        if known is None:
            self.ops.append(op)
        else:
            self.put(v, const(known, BOOL))

    def sized(self, op: Op) -> None:
        """An op whose result has lengths that are operands: they are not negative."""
        v = op.results[0]
        for d in v.type.dims:
            if not isinstance(d, int) and (form := self.form(d)).low < 0:
                self.facts.assume(form)
        if not (is_integer(v) and self.replaced(v)):
            self.ops.append(op)

    def check(self, op: Op) -> None:
        if self.decide(op.operands[0]):
            self.changed = True
            return
        self.ops.append(op)
        self.assume(op.operands[0], True)

    def wrap(self, op: Op) -> None:
        (i, n), v = op.operands, op.results[0]
        at, size = self.form(i), self.form(n)
        side = self.side(at, size)
        if side is None:
            self.form(v)
            self.ops.append(op)
            if not v.type.dims or _of_elements(at):
                self.facts.assume(size.plus(at, -1).add(-1))
                self.facts.assume(at.plus(size))
        elif side > 0:                                          # 0 <= i < n: wrap i, n → i
            self.set(v, at)
            self.put(v, i)
        else:                                                   # -n <= i < 0: wrap i, n → i + n
            self.put(v, self.emitted("add", i, n, loc=op.loc))

    def emitted(self, name: str, *operands: Value, loc: tuple[Frame, ...] = (), **attrs: DType) -> Value:
        """A new op, or what it equals."""
        op = make_op(OPS[name], operands, attrs, (), loc)
        self.visit(op)
        return self.resolved(op.results[0])

    # control

    def if_(self, op: Op) -> None:
        cond = op.operands[0]
        known = self.decide(cond)
        if known is not None and number(cond) is None:
            op.operands, self.changed = (const(known, BOOL),), True
        for region, truth in zip(op.regions, (True, False)):
            mark = self.facts.mark()
            self.assume(cond, truth)
            self.block(region)
            self.facts.undo(mark)
        self.ops.append(op)
        for r in op.results:
            if is_integer(r):
                forms = [self.form(region.yields[r.slot]) for region in op.regions]
                self.set(r, forms[not known] if known is not None else self.either(r, cond, *forms))

    def for_(self, op: Op) -> None:
        plan = induction.settle(self, op)
        (body,) = op.regions
        mark = self.facts.mark()
        induction.assume_iteration(self, op)
        steady = induction.rewritable(plan, op)
        for c in steady:
            self.put(c.param, induction.by_counter(op, c, body.params[0], body))
        self.block(body)
        self.facts.undo(mark)
        self.ops.append(op)
        if steady:
            trip = op.operands[0]
            if not self.facts.nonneg(self.form(trip)):
                trip = self.emitted("max", trip, const(0, INDEX), loc=op.loc)
            for c in steady:
                after = Block()
                v = induction.by_counter(op, c, trip, after)
                for made in after.ops:
                    self.visit(made)
                self.put(op.results[c.slot], v)

    def while_(self, op: Op) -> None:
        plan = induction.settle(self, op)
        made = induction.counted(self, op, plan)
        if made is not None:
            self.for_(made)
            for old, new in zip(op.results, made.results):
                new.name = old.name
                self.put(old, new)
                if is_integer(old):
                    self.set(old, self.form(new))
            return
        head, body = op.regions
        self.block(head)
        cond = head.yields[0]
        mark = self.facts.mark()
        self.assume(cond, True)
        self.block(body)
        self.facts.undo(mark)
        self.ops.append(op)
        self.assume(cond, False)                                # the loop has ended

    def map_(self, op: Op) -> None:
        (body,) = op.regions
        induction.counter_of(self, op)
        mark = self.facts.mark()
        induction.assume_iteration(self, op)
        self.block(body)
        self.facts.undo(mark)
        self.ops.append(op)


def _of_elements(form: AffineExpr) -> bool:
    """Whether the form is about elements of arrays. (Else it may be about none, and a fact about it says nothing.)"""
    return any(a.array for a in form.terms)


_OPPOSITE = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "gt": "le", "le": "gt"}
_MEANING = {
    "lt": lambda a, b: ((b.plus(a, -1).add(-1), "ge"),), "le": lambda a, b: ((b.plus(a, -1), "ge"),),
    "gt": lambda a, b: ((a.plus(b, -1).add(-1), "ge"),), "ge": lambda a, b: ((a.plus(b, -1), "ge"),),
    "eq": lambda a, b: ((a.plus(b, -1), "ge"), (b.plus(a, -1), "ge")), "ne": lambda a, b: ((a.plus(b, -1), "ne"),),
}
_VISIT = {
    **dict.fromkeys(_MEANING, Ranges.compare), **dict.fromkeys(("broadcast", "iota", "reshape", "slice"), Ranges.sized),
    "check": Ranges.check, "wrap": Ranges.wrap,
    "if": Ranges.if_, "for": Ranges.for_, "while": Ranges.while_, "map": Ranges.map_,
}
