"""Which outputs can depend on which inputs: a program that carries sets of inputs through the tangents of a function.

    @f(x, i) -> y      ->      @f_pattern(i, x_words) -> y_words

`x_words` holds a set (64 bits) for each element of x, and `y_words` receives for each element of y the union of the sets of the
elements of x whose tangent can reach its tangent. The program is made of the forward derivative of f (forward.py), so whatever
has no derivative passes nothing on. Nothing is sampled: what f computes with its differentiated or floating arguments is not
there at all. What follows from constants, integers and bools alone (trip counts, positions, masks) is *known* and computed
as in f. Elsewhere the program takes all that might happen:

    if on an unknown condition       both branches, united
    a loop that may end early        all iterations that its counter allows, each united with those before
    a loop of unknown length         until nothing is added any more
    a read at an unknown position    the union along the axis
    a write at an unknown position   what was there, united with what is written, along the axis

What is emitted for such a branch or loop may stand for what f never runs: there (`sure` is false) checks are left out and
positions are kept inside (sparsity/transfer.py).
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...ir.build import Builder, key_of
from ...ir.clone import dims_of
from ...ir.core import Block, Const, Function, Op, Value, subst_type
from ...ir.transforms.pipeline import dead_code, simplify
from ...ir.transforms.simplify import peephole
from ...ir.types import BOOL, BOOL_SCALAR, INDEX_SCALAR, U64, Dim, StackType, Type
from .. import forward
from ..activity import inexact
from . import set_words, transfer
from .loop_bounds import ending
from .stack_types import entries

# How much a carried value keeps of its sets, from precise to coarse: it has none, one for each element, one for all.
NONE, EACH, ONE = 0, 1, 2


def pattern(f: Function, wrt: tuple[int, ...], known: list) -> Function:
    """The program of the dependences of all inexact results of `f` on the parameters `wrt`.

    known   positions of the parameters that the program computes with: of integers and bools
    Parameters: those of `known`, then an array of u64 of the dimensions of each of `wrt`; results likewise.
    """
    tangents = forward.jvp(f, wrt)
    count = len(f.results)
    tangents.body.yields = tangents.body.yields[count:]
    g = dead_code(simplify(tangents))
    dots = g.params[len(f.params):]
    held = [g.params[k] for k in known]
    made = Block([p.type for p in held] + [Type(U64, p.type.dims) for p in dots],
                 [p.name for p in held] + [f"{f.params[k].name}_words" for k in wrt])
    walk = Walk(g.body)
    with walk.b.at(made):
        walk.known.update(zip(held, made.params))
        walk.words.update(zip(dots, made.params[len(held):]))
        walk.block(g.body)
        made.yields = tuple([walk.whole(v) for v in g.results])
    return Function(f"{f.name}_pattern", made, f.loc)


class State(NamedTuple):
    """What a loop carries of one value: whether it is known, and which sets (NONE, EACH, ONE)."""

    known: bool
    level: int


class Walk:
    """One program being made. `known` and `words` lead from a value of the original to its value and sets in the new one."""

    def __init__(self, body: Block):
        self.b = Builder(peephole=peephole)
        self.entries = entries(body)
        self.known: dict[Value, Value] = {}
        self.words: dict[Value, Value] = {}
        self.sure = True
        self.path: tuple[Op, ...] = ()               # the calls under way
        self.carried: dict[tuple[Op, ...], list[State]] = {}     # what was found for a loop when it was last written out

    # --- what the rows of sparsity/transfer.py ask --------------------------------------------------------------------

    def value(self, v: Value) -> Value | None:
        return v if isinstance(v, Const) else self.known.get(v)

    def held(self, v: Value) -> Value:
        """What a value is, that is known."""
        found = self.value(v)
        assert found is not None, v
        return found

    def sets(self, v: Value) -> Value | None:
        return self.words.get(v)

    def some(self, v: Value) -> Value:
        """The sets of a value that has any."""
        return self.words[v]

    def dims(self, type: Type | None) -> tuple | None:
        """The dimensions in the new program. Lengths in what might not run are not trusted: they may be any number."""
        if type is None or isinstance(type, StackType):
            return None
        dims = [d if isinstance(d, int) else self._length(d) for d in type.dims]
        return None if None in dims else tuple(dims)

    def _length(self, d: Value) -> Any:
        found = self.value(d) if self.sure else None
        return found.item if isinstance(found, Const) else found

    def entry(self, v: Value) -> Type | None:
        """The type for whose elements sets are kept: of a stack that of its entries, all united, or None."""
        return self.entries.get(v) if isinstance(v.type, StackType) else v.type

    def full(self, v: Value) -> Value | None:
        """The sets as an array of the value's dimensions; None where these are not known."""
        words, dims = self.sets(v), self.dims(self.entry(v))
        if words is not None and words.rank:
            return words
        if dims is None:
            return None
        return set_words.empty(self.b, dims) if words is None else self.b.broadcast(words, dims)

    def whole(self, v: Value) -> Value:
        """`full`, of a value whose dimensions are known."""
        words = self.full(v)
        assert words is not None, v
        return words

    def one(self, v: Value) -> Value:
        """The union over all elements."""
        words = set_words.union(self.b, self.sets(v))
        return set_words.empty(self.b) if words is None else words

    # --- ops -------------------------------------------------------------------------------------------------------------

    def bind(self, v: Value, known: Value | None, words: Value | None) -> None:
        """Say what is known of a value; in a loop that is written out anew, in place of what was said before."""
        for table, found in ((self.known, known), (self.words, words)):
            if found is None:
                table.pop(v, None)
            else:
                table[v] = found

    def block(self, block: Block) -> None:
        for op in block.ops:
            self.b.loc = op.loc
            if op.defn.rule == "control":
                getattr(self, op.defn.name + "_")(op)
            else:
                self.op(op)

    def op(self, op: Op) -> None:
        found = self.copied(op)
        sets = [None] * len(op.results)
        if found is None and op.defn.rule != "none" and any(v in self.words for v in op.operands):
            sets = transfer.sets_of(self, op)
        for k, r in enumerate(op.results):
            carries = inexact(r) and sets[k] is not None
            self.bind(r, found[k] if found else None, sets[k] if carries else None)

    def copied(self, op: Op) -> tuple[Value, ...] | None:
        """The op on known operands; None where it has others, or must not run."""
        name = op.defn.name
        if name == "dim":
            dims = self.dims(op.operands[0].type)
            return None if dims is None else (self.b.index(dims[op.attrs["axis"]]),)
        operands = [x for v in op.operands if (x := self.value(v)) is not None]
        if len(operands) < len(op.operands) or name == "print" or op.defn.draws:
            return None
        if self.sure:
            return self.b.emit(op.defn, *operands, **op.attrs)
        if any(isinstance(r.type, StackType) or not r.type.static for r in op.results):
            return None
        if name == "wrap":
            position, length = operands
            zero = self.b.index(0)
            return (self.b("select", self.b("lt", position, zero), self.b("add", position, length), position),)
        if op.defn.effect:
            return None
        inside = self.kept_inside(op, operands)
        return None if inside is None else self.b.emit(op.defn, *inside, **op.attrs)

    def kept_inside(self, op: Op, operands: list[Value]) -> list[Value] | None:
        """The operands with positions that cannot leave the array."""
        name = op.defn.name
        start = 1 if name in ("slice", "gather") else 2
        if name in ("slice", "update", "update_add"):
            places = transfer.positions(self, op.operands[0], op.operands[start:], op.attrs["spec"])
            known = [place for place in places if place is not None]
            return operands[:start] + [i for place in known for i in place] if len(known) == len(places) else None
        if name in ("gather", "scatter", "scatter_add"):
            arrays = transfer.index_arrays(self, op.operands[0], op.operands[start:], op.attrs["axes"])
            found = [array for array in arrays if array is not None]
            return operands[:start] + found if len(found) == len(arrays) else None
        return None if name == "nonzero" else operands

    # --- branches --------------------------------------------------------------------------------------------------------

    def if_(self, op: Op) -> None:
        cond = self.value(op.operands[0])
        if cond is None:
            self._both(op)
        else:
            self._either(op, cond)

    def _both(self, op: Op) -> None:
        """One branch after the other; what they give is united."""
        sure, self.sure = self.sure, False
        for region in op.regions:
            self.block(region)
        for r, *yields in zip(op.results, *[region.yields for region in op.regions]):
            values = [self.value(v) for v in yields]
            known = {None if v is None else key_of(v): v for v in values}
            sets = [self.sets(v) for v in yields]
            if self.dims(self.entry(r)) is None:
                sets = [set_words.union(self.b, words) for words in sets]
            self.bind(r, next(iter(known.values())) if len(known) == 1 else None, set_words.united(self.b, *sets))
        self.sure = sure

    def _either(self, op: Op, cond: Value) -> None:
        """A known condition: the branch is taken in the new program."""
        regions = [Block(), Block()]
        for made, region in zip(regions, op.regions):
            with self.b.at(made):
                self.block(region)
        pairs = list(zip(*[region.yields for region in op.regions]))
        known = [k for k, pair in enumerate(pairs)
                 if all(self.value(v) is not None for v in pair) and self._steady(op.results[k].type)]
        levels = {}
        for k, pair in enumerate(pairs):
            level = max(self._level(v) for v in pair)
            if level == EACH and not self._lengths_among(self.entry(op.results[k]), [op.results[n] for n in known]):
                level = ONE
            if level:
                levels[k] = level
        for made, region in zip(regions, op.regions):
            with self.b.at(made):
                made.yields = (*[self.held(region.yields[k]) for k in known],
                               *[self._at_level(region.yields[k], level) for k, level in levels.items()])
        made = self.b.emit("if", cond, regions=regions)
        numbers, sets = dict(zip(known, made)), dict(zip(levels, made[len(known):]))
        for k, r in enumerate(op.results):
            self.bind(r, numbers.get(k), sets.get(k))

    def _steady(self, type: Type) -> bool:
        """Whether a known value of this type can be trusted to have its lengths."""
        return self.sure or (not isinstance(type, StackType) and type.static)

    def _lengths_among(self, type: Type | None, values: list[Value]) -> bool:
        """Whether the lengths of a type are numbers, known outside, or among `values`."""
        if type is None:
            return False
        return type.static or (self.sure and all(d in values or self.value(d) is not None for d in dims_of(type)))

    def _level(self, v: Value) -> int:
        words = self.sets(v)
        if words is None:
            return NONE
        type = self.entry(v)
        return ONE if type is None or (type.dims and not words.rank) else EACH

    def _shape(self, v: Value, level: int) -> tuple[Dim, ...]:
        type = self.entry(v) if level == EACH else None
        return () if type is None else type.dims

    def _at_level(self, v: Value, level: int) -> Value:
        return self.whole(v) if level == EACH else self.one(v)

    # --- loops -----------------------------------------------------------------------------------------------------------

    def for_(self, op: Op) -> None:
        trip = self.value(op.operands[0])
        if trip is None:
            self._closure(op, op.operands[1:], op.regions[0], 1)
        else:
            self._loop(op, (trip,), op.operands[1:], 1)

    def while_(self, op: Op) -> None:
        if not ((self.sure and self._loop(op, (), op.operands, 0)) or self._bounded(op)):
            self._closure(op, op.operands, op.regions[1], 0)

    def _loop(self, op: Op, fixed: tuple[Value, ...], inits: tuple[Value, ...], counters: int) -> bool:
        """A loop whose length is known, as a loop. False where that turns out to hang on what is not known.

        What is carried starts as known, and with the sets, as on entry, and is weakened until an iteration leaves it so.
        """
        key = (*self.path, op)
        start = [self._state(v, p) for v, p in zip(inits, op.regions[0].params[counters:])]
        states = [_join(a, b) for a, b in zip(start, self.carried.get(key, start))]
        while True:
            regions = []
            for region in op.regions:
                regions.append(self._region(region, states, counters))
                if region is not op.regions[-1] and self.value(region.yields[0]) is None:
                    return False
            body = op.regions[-1]
            params = body.params[counters:]
            found = [_join(s, self._state(v, p)) for s, v, p in zip(states, body.yields, params)]
            found = self._settled(params, found)
            if found == states:
                break
            states = found
        self.carried[key] = states
        if len(regions) == 2:
            regions[0].yields = (self.held(op.regions[0].yields[0]),)
        with self.b.at(regions[-1]):
            regions[-1].yields = self._carried(op.regions[-1].yields, states)
        made = self.b.emit(op.defn, *fixed, *self._carried(inits, states), regions=regions)
        self._bound(op.results, states, made)
        return True

    def _bounded(self, op: Op) -> bool:
        """A loop that a counter ends at the latest, as `for` with a break on what is not known: all its iterations, each united
        with what was there before, since any may be the last. False where there is no such counter."""
        (head, body), inits = op.regions, op.operands
        found = ending(op)
        if found is None:
            return False
        compare, place = found
        others = [v for v in compare.operands if v is not head.params[place]]
        if self.value(inits[place]) is None or any(self.value(v) is None for v in others):
            return False
        key, sure, self.sure = (*self.path, op), self.sure, False
        start = [self._state(v, p) for v, p in zip(inits, body.params)]
        states = [_join(a, b) for a, b in zip(start, self.carried.get(key, start))]
        while True:
            made = self._region(body, states, 0)
            found = [_join(s, self._state(v, p)) for s, v, p in zip(states, body.yields, body.params)]
            found = self._settled(body.params, found)
            if found == states:
                break
            states = found
        self.carried[key] = states
        if states[place].known:
            self._repeated(op, made, states, compare, place)
        self.sure = sure
        return states[place].known

    def _repeated(self, op: Op, made: Block, states: list[State], compare: Op, place: int) -> None:
        """The loop of `_bounded` around its body."""
        b, known = self.b, sum(s.known for s in states)
        with b.at(made):
            new = self._carried(op.regions[1].yields, states)
            either = [set_words.united(b, old, words) for old, words in zip(made.params[known:], new[known:])]
            made.yields = (*new[:known], *either)
        head = Block([p.type for p in made.params])
        counter = head.params[sum(s.known for s in states[:place])]
        with b.at(head):
            operands = [counter if v is op.regions[0].params[place] else self.held(v) for v in compare.operands]
            head.yields = (b(compare.defn, *operands),)
        results = b.emit("while", *self._carried(op.operands, states), regions=[head, made])
        self._bound(op.results, states, results)
        for r in op.results:
            self.known.pop(r, None)

    def _state(self, v: Value, param: Value) -> State:
        return State(self.value(v) is not None and self._steady(param.type), self._level(v))

    def _settled(self, params: tuple[Value, ...], states: list[State]) -> list[State]:
        """Sets for each element only where the lengths are known in the loop."""
        known = [p for p, s in zip(params, states) if s.known]
        return [s if s.level != EACH or self._lengths_among(self.entry(p), known) else State(s.known, ONE)
                for p, s in zip(params, states)]

    def _region(self, region: Block, states: list[State], counters: int) -> Block:
        """A region of a loop, with the carried values that are known, then the sets."""
        params = region.params[counters:]
        states = self._settled(params, states)
        held = [p for p, s in zip(params, states) if s.known]
        worded = [(p, s.level) for p, s in zip(params, states) if s.level]
        shapes = [self._shape(p, level) for p, level in worded]
        made = Block([p.type for p in region.params[:counters]] + [p.type for p in held] + [Type(U64, dims) for dims in shapes],
                     [p.name for p in (*region.params[:counters], *held, *[p for p, _ in worded])])
        for p in region.params:
            self.bind(p, None, None)
        for p, new in zip((*region.params[:counters], *held), made.params):
            self.bind(p, new, None)
        for p in made.params:
            p.type = subst_type(p.type, self.known)
        for (p, _), new in zip(worded, made.params[counters + len(held):]):
            self.bind(p, self.value(p), new)
        with self.b.at(made):
            self.block(region)
        return made

    def _carried(self, values: Sequence[Value], states: list[State]) -> tuple[Value, ...]:
        return (*[self.held(v) for v, s in zip(values, states) if s.known],
                *[self._at_level(v, s.level) for v, s in zip(values, states) if s.level])

    def _bound(self, results: tuple[Value, ...], states: list[State], made: tuple[Value, ...]) -> None:
        made = iter(made)
        known = [next(made) if s.known else None for s in states]
        for r, number, s in zip(results, known, states):
            self.bind(r, number, next(made) if s.level else None)

    def _closure(self, op: Op, inits: Sequence[Value], body: Block, counters: int) -> None:
        """A loop of unknown length, repeated while an iteration adds to what is carried; nothing else is known in it."""
        key, params = (*self.path, op), body.params[counters:]
        before = self.carried.get(key, [State(False, NONE)] * len(inits))
        levels = [max(self._level(v), s.level) for v, s in zip(inits, before)]
        sure, self.sure = self.sure, False
        while True:
            levels = [ONE if n == EACH and not all((t := self.entry(v)) and t.static for v in (p, r)) else n
                      for n, p, r in zip(levels, params, op.results)]
            made, found = self._growing(body, params, levels)
            if found == levels:
                break
            levels = found
        states = self.carried[key] = [State(False, n) for n in levels]
        start = self._carried(inits, states)
        head = Block([BOOL_SCALAR, *[v.type for v in start]], ["grows"])
        head.yields = (head.params[0],)
        results = self.b.emit("while", self.b.const(True, BOOL), *start, regions=[head, made])
        self._bound(op.results, states, results[1:])
        self.sure = sure

    def _growing(self, body: Block, params: Any, levels: list[int]) -> tuple[Block, list[int]]:
        """(the body on the carried sets, the levels of what it gives). It yields whether one has grown, and the sets united
        with what they were."""
        made = Block([BOOL_SCALAR, *[Type(U64, self._shape(p, n)) for p, n in zip(params, levels) if n]],
                     ["grows"])
        words = iter(made.params[1:])
        for p in body.params:
            self.bind(p, None, None)
        for p, n in zip(params, levels):
            self.bind(p, None, next(words) if n else None)
        b, grows, united = self.b, self.b.const(False, BOOL), []
        with b.at(made):
            self.block(body)
            found = [max(n, self._level(v)) for n, v in zip(levels, body.yields)]
            new = self._carried(body.yields, [State(False, n) for n in levels]) if found == levels else ()
            for old, words in zip(made.params[1:], new):
                united.append(b("or", old, words))
                more = b("ne", united[-1], old)
                grows = b("or", grows, b.reduce(more, "any", range(more.rank)))
            made.yields = (grows, *united)
        return made, found

    def map_(self, op: Op) -> None:
        (region,) = op.regions
        trip = self.value(op.operands[0])
        if trip is None:
            self._everywhere(op, region)
            return
        made = Block([INDEX_SCALAR], ["i"])
        self.bind(region.params[0], made.params[0], None)
        with self.b.at(made):
            self.block(region)
            known = [k for k, v in enumerate(region.yields)
                     if self.value(v) is not None and self._steady(op.results[k].type)]
            sets = [k for k, v in enumerate(region.yields) if self._level(v)]
            each = [self.full(region.yields[k]) for k in sets]
            made.yields = (*[self.held(region.yields[k]) for k in known],
                           *[self.one(region.yields[k]) if words is None else words for k, words in zip(sets, each)])
        results = self.b.emit("map", trip, regions=[made])
        numbers, stacked = dict(zip(known, results)), dict(zip(sets, results[len(known):]))
        for k, r in enumerate(op.results):
            words = stacked.get(k)
            if words is not None and (words.rank != r.rank or self.dims(r.type) is None):
                words = set_words.union(self.b, words)
            self.bind(r, numbers.get(k), words)

    def _everywhere(self, op: Op, region: Block) -> None:
        """A map of unknown length: one iteration that stands for all."""
        sure, self.sure = self.sure, False
        self.bind(region.params[0], None, None)
        self.block(region)
        for r, v in zip(op.results, region.yields):
            self.bind(r, None, self.one(v) if self._level(v) else None)
        self.sure = sure

    def call_(self, op: Op) -> None:
        callee = op.attrs["callee"]
        for p, v in zip(callee.params, op.operands):
            self.bind(p, self.value(v), self.sets(v))
        self.path += (op,)
        self.block(callee.body)
        self.path = self.path[:-1]
        for r, v in zip(op.results, callee.results):
            self.bind(r, self.value(v), self.sets(v))


def _join(a: State, b: State) -> State:
    return State(a.known and b.known, max(a.level, b.level))
