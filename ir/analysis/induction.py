"""What is known of the integers that a loop carries, for range analysis.

A carried value is either steady, `init + step * counter`, or an atom with bounds `base + slope * counter`. Both are guesses
that are proved by induction: they hold on entry, and if they hold when an iteration begins they hold of what it yields. A guess
that fails is dropped and all others are proved again without it, until the rest stands (a greatest fixed point over finitely
many guesses).

    for %i … carry(%k = 0)  { … yield (if c {add %k, 1} else {%k}) }        0 <= k <= i
    for %j … carry(%k = %i) { … yield (if c {%j'} else {%k}) }              k is within the bounds of both %i and %j'

A `while` counts in thought: its counter is an atom that no value of the program has. Where its condition says how often,
it becomes a `for`:

    while carry(%i = %a) { yield lt %i, %b } do { … yield add %i, 2 }       for %k = 0 to max((%b - %a + 1) // 2, 0) { … }
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from ..build import const, make_op
from ..clone import dims_of, has_effect
from ..core import Block, Op, Value
from ..opdef import OPS
from ..types import INDEX, INDEX_SCALAR, DType
from .affine import HIGHEST, LONGEST, LOWEST, AffineExpr, Symbol
from .integer_forms import exact, is_integer, limits, opaque

if TYPE_CHECKING:
    from ..transforms.range_checks import Ranges

ROUNDS = 6
GUESSES = 8                # on each side of a carried value
NESTED = 2                 # of a loop that has not been walked yet, loops so deep inside are looked into


class InductionVariable:
    """One scalar integer of a loop.

    step    the change in each iteration, or None
    bounds  for each side, -1 and 1: [(base, slope)…]
    """

    __slots__ = ("bounds", "form", "guessed", "init", "param", "slot", "step", "tried", "value")

    def __init__(self, r: Ranges, slot: int, param: Value, value: Value, init: AffineExpr):
        self.slot, self.param, self.value, self.init = slot, param, value, init
        self.step: int | None = None
        self.tried = self.guessed = False
        self.form: AffineExpr           # from `enter` on
        self.bounds: dict[int, list[tuple[AffineExpr, int]]] = {-1: [], 1: []}
        least, most = limits(param.type.dtype)
        for side, extreme, limit in ((-1, init.low, least), (1, init.high, most)):
            if extreme != limit:
                self.guess(side, AffineExpr(extreme, {}))
            if init.terms:
                self.guess(side, init)
        if init.low > 0:
            self.guess(-1, AffineExpr(0, {}))

    def guess(self, side: int, base: AffineExpr, slope: int = 0) -> bool:
        held = self.bounds[side]
        if len(held) >= GUESSES or any(b == base and s == slope for b, s in held):
            return False
        held.append((base, slope))
        return True

    def enter(self, r: Ranges, counter: Symbol, regions_params: list[Value]) -> None:
        """The form of the parameter, as far as it is guessed."""
        self.form = self.at(r, AffineExpr(0, {counter: 1}), self.param)
        for p in regions_params:
            r.set(p, self.form)

    def at(self, r: Ranges, count: AffineExpr, v: Value) -> AffineExpr:
        """What it is after so many iterations."""
        if self.step is not None:
            return self.init.plus(count, self.step) if self.step else self.init
        made = opaque(r.facts, v)
        atom = made.symbol
        for side, held in self.bounds.items():
            for base, slope in held:
                bound = base.plus(count, slope) if slope else base
                if side < 0:
                    atom.low = max(atom.low, bound.low)
                    if bound.terms:
                        atom.lows.append((1, bound))
                else:
                    atom.high = min(atom.high, bound.high)
                    if bound.terms:
                        atom.highs.append((1, bound))
        return made

    def begins(self, r: Ranges) -> bool:
        """Whether what is guessed holds on entry; what does not is dropped."""
        ok = True
        if self.step is not None:
            least, most = limits(self.param.type.dtype)
            ok = self.form.low >= least and self.form.high <= most
            self.step = self.step if ok else None
            return ok
        for side, held in self.bounds.items():
            kept = [b for b in held if r.facts.nonneg(self.init.plus(b[0], -1).times(-side))]
            if len(kept) < len(held):
                self.bounds[side], ok = kept, False
        return ok

    def holds(self, r: Ranges, region: Block, counter: Symbol, start: int) -> bool:
        """Whether what is guessed survives an iteration; what does not is dropped or improved."""
        after = r.form(region.yields[self.slot])
        change = after.plus(self.form, -1)
        if self.step is not None:
            if not change.terms and change.const == self.step:
                return True
            self.step = None
            return False
        if not change.terms and not self.tried:
            self.tried = True
            self.step = change.const
            return False
        if not self.guessed:
            self.guessed = True
            if self.improve(r, after, start):
                return False
        ok = True
        for side, held in self.bounds.items():
            for base, slope in held[:]:
                above = after.plus(base, -1)
                if slope:
                    above = above.plus(AffineExpr(1, {counter: 1}), -slope)
                if not r.facts.nonneg(above.times(-side)):
                    held.remove((base, slope))
                    ok = False
        return ok

    def improve(self, r: Ranges, after: AffineExpr, start: int) -> bool:
        """Guess from what an iteration may yield: p + c grows by at most c each time, anything else brings its own bounds."""
        news, local = False, lambda atom: atom.number > start
        for side, pick, extreme in ((-1, min, self.init.low), (1, max, self.init.high)):
            extremes, slopes = [extreme], [0]
            for leaf in leaves(after):
                change = leaf.plus(self.form, -1)
                slopes += [f.const for f in r.facts.hull(change, local, side) if not f.terms]
                if change.terms:
                    extremes.append(leaf.low if side < 0 else leaf.high)
                    for f in r.facts.hull(leaf, local, side):
                        news |= self.guess(side, f)
            if LOWEST // 2 < (extreme := pick(extremes)) < HIGHEST // 2:
                news |= self.guess(side, AffineExpr(extreme, {}))
            if (slope := pick(slopes)) and abs(slope) < LONGEST:
                news |= self.guess(side, self.init, slope)
        return news


def leaves(form: AffineExpr, limit: int = 8) -> list[AffineExpr]:
    """The forms that one of several cases may be."""
    found: list[AffineExpr] = []
    todo = [form]
    while todo:
        form = todo.pop()
        for atom, c in form.terms.items():
            if atom.cases and c == 1 and len(found) + len(todo) + len(atom.cases) <= limit:
                rest = AffineExpr(form.const, {t: k for t, k in form.terms.items() if t is not atom})
                todo += [rest.plus(f) for _, f in atom.cases]
                break
        else:
            found.append(form)
    return found


# --- loops ---------------------------------------------------------------------------------------------------------------

def counter_of(r: Ranges, op: Op) -> Symbol:
    """An atom for the number of iterations before this one; it is the counter of `for` and `map`."""
    if op.defn.name == "while":
        return r.facts.atom(0, LONGEST)
    trip, counter = r.form(op.operands[0]), op.regions[0].params[0]
    form = opaque(r.facts, counter, 0, min(max(trip.high - 1, 0), LONGEST))
    form.symbol.highs += [(1, bound.add(-1)) for bound in positive(trip) if bound.terms]
    r.set(counter, form)
    return form.symbol


def positive(trip: AffineExpr) -> list[AffineExpr]:
    """The forms that a trip count equals where there is an iteration: that of max(n, 0) is n."""
    found = [trip]
    while (atom := found[-1].atom) is not None and atom.over is not None:
        found.append(atom.over)
    return found


def assume_iteration(r: Ranges, op: Op) -> None:
    """There is an iteration."""
    if op.defn.name == "while":
        r.assume(op.regions[0].yields[0], True)
    else:
        for bound in positive(r.form(op.operands[0])):
            r.facts.assume(bound.add(-1))


def settle(r: Ranges, op: Op) -> list[InductionVariable]:
    """Give forms to the parameters and results of a loop."""
    start = r.facts.count
    counter = counter_of(r, op)
    body = op.regions[-1]
    fixed = len(op.operands) - len(op.results)
    plan = []
    for k, p in enumerate(body.params[fixed:]):
        if is_integer(p) and not p.type.dims:
            plan.append(InductionVariable(r, k, p, op.results[k], r.form(op.operands[fixed + k])))
    if plan:
        places = [[region.params[fixed + c.slot] for region in op.regions] for c in plan]
        if r.nested <= NESTED:
            r.nested += 1
            _prove(r, op, plan, places, counter, start)
            r.nested -= 1
        else:
            _give_up(plan)
        for c, params in zip(plan, places):
            c.enter(r, counter, params)
        _leave(r, op, plan, counter)
    return plan


def _prove(r: Ranges, op: Op, plan: list[InductionVariable], places: list[list[Value]], counter: Symbol, start: int) -> None:
    """Drop what does not hold of the plan."""
    for _ in range(ROUNDS):
        mark, made = r.facts.mark(), len(r.order)
        for c, params in zip(plan, places):
            c.enter(r, counter, params)
        if op.defn.name == "for":                               # only its body sees what it carries, so in an iteration;
            assume_iteration(r, op)                             # the condition of a `while` sees it without one too
        failed = [c for c in plan if not c.begins(r)]
        if op.defn.name == "while":
            assume_iteration(r, op)
        failed += [c for c in plan if not c.holds(r, op.regions[-1], counter, start)]
        r.facts.undo(mark)
        r.forget(made)
        if not failed:
            return
    _give_up(plan)


def _give_up(plan: list[InductionVariable]) -> None:
    for c in plan:
        c.step, c.bounds = None, {-1: [], 1: []}


def _leave(r: Ranges, op: Op, plan: list[InductionVariable], counter: Symbol) -> None:
    """The results: what is carried, after the last iteration."""
    if op.defn.name == "while":
        for c in plan:
            r.set(op.results[c.slot], c.form)
        return
    trip = r.form(op.operands[0])
    if not r.facts.nonneg(trip):
        count = r.facts.atom(0, max(trip.high, 0))
        count.lows.append((1, trip))
        count.over = trip
        trip = AffineExpr(0, {count: 1})
    for c in plan:
        v = op.results[c.slot]
        if c.step is None:
            c.begins(r)                                                 # there may have been no iteration
        r.set(v, exact(r, v, c.at(r, trip, v)))


# --- a `while` whose iterations can be counted beforehand ---------------------------------------------------------------------

_MIRROR = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


def _condition(op: Op, plan: list[InductionVariable]) -> tuple[InductionVariable, str, Value] | None:
    """(the steady value, the comparison, the bound from outside) that decide whether a `while` goes on, or None."""
    head = op.regions[0]
    cond = head.yields[0].op
    if cond is None or cond.defn.name not in _MIRROR or any(has_effect(inner, {}) for inner in head.ops):
        return None
    inside = {*head.params, *(r for inner in head.ops for r in inner.results)}
    a, b = cond.operands
    for x, name, bound in ((a, cond.defn.name, b), (b, _MIRROR[cond.defn.name], a)):
        if bound in inside:
            continue
        for c in plan:
            if head.params[c.slot] is x and c.step and (c.step > 0) is (name in ("lt", "le")):
                return c, name, bound
    return None


def counted(r: Ranges, op: Op, plan: list[InductionVariable]) -> Op | None:
    """The `for` that a `while` is; the ops that count its iterations are emitted. The body of `op` becomes its body.

    i < b, step s > 0:   (b - i0 + s - 1) // s iterations, or none where that is negative
    i <= b:              one more if s divides b - i0
    """
    found = _condition(op, plan)
    if found is None:
        return None
    c, name, bound = found
    assert c.step is not None
    size, init, up = abs(c.step), op.operands[c.slot], c.step > 0
    extra = size - (name in ("lt", "gt"))
    span = (r.form(bound).plus(c.init, -1) if up else c.init.plus(r.form(bound), -1)).add(extra)
    if span.low - extra < LOWEST or span.high > HIGHEST:
        return None
    first, last = [v if v.type.dtype is INDEX else r.emitted("cast", v, dtype=INDEX, loc=op.loc) for v in (init, bound)]
    trip = r.emitted("sub", *((last, first) if up else (first, last)), loc=op.loc)
    if extra:
        trip = r.emitted("add", trip, const(extra, INDEX), loc=op.loc)
    if size > 1:
        trip = r.emitted("floordiv", trip, const(size, INDEX), loc=op.loc)
    trip = r.emitted("max", trip, const(0, INDEX), loc=op.loc)
    body = op.regions[1]
    body.params = (Value(INDEX_SCALAR, "i", body), *body.params)
    for slot, p in enumerate(body.params):
        p.slot = slot
    return make_op(OPS["for"], (trip, *op.operands), op.attrs, (body,), op.loc)


# --- steady values as expressions of the counter ------------------------------------------------------------------------

def rewritable(plan: list[InductionVariable], op: Op) -> list[InductionVariable]:
    """Those that can leave the loop: no other carried value has them as a length."""
    lengths = {d for p in op.regions[-1].params for d in dims_of(p.type)}
    return [c for c in plan if c.step is not None and c.param not in lengths]


def by_counter(op: Op, c: InductionVariable, count: Value, block: Block) -> Value:
    """init + step * count; the ops are put at the head of the block."""
    init, dtype = op.operands[len(op.operands) - len(op.results) + c.slot], c.param.type.dtype
    if not c.step:
        return init
    made = []

    def emit(name: str, *operands: Value, **attrs: DType) -> Value:
        made.append(make_op(OPS[name], operands, attrs, (), op.loc))
        return made[-1].results[0]

    v = count if c.step == 1 else emit("mul", count, const(c.step, INDEX))
    v = v if dtype is INDEX else emit("cast", v, dtype=dtype)
    v = emit("add", init, v)
    v.name = c.param.name
    block.ops[:0] = made
    return v
