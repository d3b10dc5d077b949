"""What dicts and sets whose keys only run time knows are made of: a table of keys (ir/ops/table.py), and columns.

    d = {}                                     %t, %n = stack_new, 0                    a table, and how many keys were entered
    for k, v in zip(ks, vs):                   for … carry(%t, %n, %keys, %values):
        d[k] = v                                   %t, %p = lookup %t, %n, %k {mode="enter"}
                                                   if %p == %n: push %keys, %k; push %values, %v
                                                   else: exchange %values, %n - 1 - %p, %v

Keys and values lie in columns, lists of run-time length (dynamic_lists.py), each key at its number; so values have derivatives,
and keys that are read again, too. What has been removed stays there, under a number that no key has any more.

As lists do, dicts and sets start as Python's own. Where the program uses a key that only run time knows (`outgrow`), the trace
starts again with those that are made at this place of the source as tables, and once more where types turn out wider. A dict
into which nothing has been stored has no type of values: what reads from it finds it empty.
"""
from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from ....ir.build import const
from ....ir.errors import UnsupportedError
from ....ir.types import BOOL, F64, I64, INDEX, U64
from ... import pytrees, tracing
from ...control import packed_lists
from ...regions import leaf_types
from ...values import boxes
from ...values.boxes import FUNCTIONS, ArrayBox, Box, ScalarBox
from ...values.python import chosen_texts
from ..lists.dynamic_lists import DynamicList, listed
from ..lists.list_entries import Cell, Entry

if TYPE_CHECKING:
    from ....ir.core import Value
    from ...regions.leaf_types import Kind
    from ...tracing import Trace

NAN = "a NaN is a key of a dict or set: Python tells NaNs apart by identity, which numbers have not in compiled code"
SETS = (set, frozenset)
FORMS = (dict, collections.defaultdict, collections.Counter, collections.OrderedDict, *SETS)


class Facts(NamedTuple):
    """What is known of the dicts or sets of one place. `thinned`: keys are removed from them; `factory`: that of a
    defaultdict; `lists`: the values are lists (dicts_of_lists.py)."""

    cls: type
    key: Entry | None = None
    value: Entry | None = None
    thinned: bool = False
    factory: Any = None
    lists: bool = False

    @property
    def shown(self) -> str:
        return "set" if self.cls in SETS else "dict"

    @property
    def of_keys(self) -> Entry:
        """What the keys are, where a key has been met."""
        assert self.key is not None
        return self.key

    @property
    def of_values(self) -> Entry:
        """What the values are, where one has been stored."""
        assert self.value is not None
        return self.value


def merged(facts: Facts, known: Any) -> Facts:
    """What is known of a dict or set that is made of another one, of which `facts` are known, at a place of which something
    else may be known, too."""
    if not isinstance(known, Facts) or known.cls is not facts.cls:
        return facts
    parts = {}
    for name in ("key", "value"):
        one, other = getattr(facts, name), getattr(known, name)
        parts[name] = (one and other and one.join(other)) or one or other
    return facts._replace(**parts, thinned=facts.thinned or known.thinned, lists=facts.lists or known.lists)


class Column(DynamicList):
    """The keys, or the values, of a table. `of`: which field of its facts says what they are."""

    __slots__ = ("of",)

    def __init__(self, entry: Entry, site: tuple, of: str):
        super().__init__(entry, site)
        self.of = of

    def widen(self, joined: Entry | None) -> NoReturn:
        facts = tracing.current().lists[self.site]
        if joined is None:
            what = {"key": "a key", "value": "a value"}[self.of]
            refuse(f"{what} unlike the others of the {facts.shown}: all must have one structure, of numbers or arrays alike",
                   "give them one form, as tuples of numbers or arrays of one shape")
        raise tracing.Restart(lists={self.site: facts._replace(**{self.of: joined})})

    def read(self, position: Value) -> Any:
        """The entry at a position that is one."""
        self._expect_unwritten()
        depth, builder, values = self._above(position), tracing.current().builder, []
        for cell, kind in zip(self.stacks, self.entry.kinds):
            rest, value = builder.emit("exchange", cell._value, depth, builder.full(0, kind.dims, kind.dtype))
            cell.set(builder.emit("exchange", rest, depth, value)[0])
            values.append(value)
        return self._entry(values)

    def write(self, position: Value, value: Any) -> None:
        self.change()
        leaves, depth, builder = self._leaves(value), self._above(position), tracing.current().builder
        self._expect_unwritten()
        for cell, x, kind in zip(self.stacks, leaves, self.entry.kinds):
            cell.set(builder.emit("exchange", cell._value, depth, leaf_types.emit(x, kind))[0])
        self.top = None

    def _above(self, position: Value) -> Value:
        builder = tracing.current().builder
        return builder.iop("sub", builder.iop("sub", self.total._value, 1), builder.cast(position, INDEX))


def refuse(what: str, remedy: str) -> NoReturn:
    raise UnsupportedError(what, remedy, tracing.locate())


def facts_of(held: Any) -> Facts:
    """What a dict or set of Python says of itself."""
    return Facts(type(held), factory=getattr(held, "default_factory", None))


def of_members(members: list) -> Facts:
    """What is known of a set that is an argument."""
    found = Facts(set)
    for x in members:
        found = found._replace(key=wider(set, found.key, key_entry(set, x)))
    return found


FEW = 16                         # ints among the arguments, as of a list, of which keys become numbers of the program


def outgrow(trace: Trace, held: Any, key: Any) -> None:
    """Told that a dict or set of Python is used with a key that only run time knows: trace again with it a table, if it was
    made in the program."""
    for leaf in pytrees.leaves_of(key) if len(trace.leaf_of) <= FEW else ():
        if isinstance(leaf, ScalarBox):
            tracing.need_static(leaf, "a key")              # where few arguments decide it, it is a number as before
    born = trace.born_at.get(id(held))
    if born is None or born[0] is not held:
        return
    found = facts_of(held)._replace(key=key_entry(type(held), key))
    for x in held:
        part = key_entry(type(held), x)
        found = found._replace(key=wider(found.cls, found.key, part))
    if born[1] not in trace.lists:
        raise tracing.Restart(lists={born[1]: found})


def _is_one(structure: pytrees.TreeDef) -> bool:
    """Whether a key is one number or text, and no tuple of such."""
    return structure is pytrees.LEAF or structure.kind is chosen_texts.KIND


def key_entry(cls: type, key: Any) -> Entry:
    """What a key is: a number, or a tuple of numbers."""
    what = "set" if cls in SETS else "dict"
    for leaf in pytrees.leaves_of(key):
        if isinstance(leaf, (ArrayBox, np.ndarray)):
            raise TypeError("unhashable type: 'numpy.ndarray'")
    if isinstance(key, (list, dict, set, packed_lists.ListValue)):
        raise TypeError(f"unhashable type: '{getattr(key, 'shown', type(key).__name__)}'")
    found = Entry.of(key)
    if found is None or (type(key) is tuple) is _is_one(found.structure):
        refuse(f"a {type(key).__name__} is a key of a {what}, some of whose keys are known only at run time",
               "use numbers or texts, or tuples of such, as keys")
    for kind in found.kinds:
        if kind.dtype is U64 or kind.dtype.complex or kind.form != "scalar":
            refuse(f"{kind} is a key of a {what}, some of whose keys are known only at run time",
                   "use ints of up to 64 bits with a sign, or floats, as keys")
    return found


def wider(cls: type, one: Entry | None, other: Entry) -> Entry:
    """The entry of both keys."""
    if one is None or one == other:
        return other
    joined = one.join(other)
    if joined is None or [_letter(k) for k in one.kinds] != [_letter(k) for k in other.kinds]:
        refuse(f"the keys of a {'set' if cls in SETS else 'dict'} are of several types, and known only at run time",
               "make all keys ints, or all floats, or tuples of one form")
    return joined


def _letter(kind: Kind) -> str:
    return "b" if kind.dtype is BOOL else "f" if kind.dtype.kind == "f" else "i"


def no_text(held: Any, *_: Any) -> NoReturn:
    refuse(f"the text of a {held.shown} whose keys are known only at run time", "print its items one by one, in a loop")


class HashTable(packed_lists.Settling):
    """Keys in the order in which they were entered. `cell`: the table; `used_`: how many keys it has; `keys_`: the column of
    all that were entered, None where nothing is known of them, as nothing has been; `last`: (table, words, position) of what
    was found last; `shared`: as of a list."""

    __slots__ = ("cell", "facts", "keys_", "last", "shared", "site", "used_")
    __hash__ = None         # type: ignore[assignment]      # how Python says that there is none

    def __init__(self, facts: Facts, site: tuple):
        trace = tracing.current()
        if trace.general:
            raise tracing.NeedLengths("the number of keys of a dict or set follows from a length")
        self.facts, self.site, self.shared = facts, site, False
        trace.lists.setdefault(site, facts)
        self.cell = Cell(trace.builder("stack_new", dtype=I64))
        self.keys_ = None if facts.key is None else Column(facts.key, site, "key")
        self.used_ = Cell(trace.builder.index(0)) if facts.thinned or self.keys_ is None else self.keys_.total
        self.last: tuple | None = None

    # --- keys ---------------------------------------------------------------------------------------------------------

    @property
    def key_column(self) -> Column:
        """The column of keys, where a key has been met."""
        assert self.keys_ is not None
        return self.keys_

    @property
    def form(self) -> str:
        """The `key` of the ops of its table."""
        letters = "".join("f" if k.dtype.kind == "f" else "i" for k in self.facts.of_keys.kinds)
        return letters if _is_one(self.facts.of_keys.structure) else f"({letters})"

    def _known(self, key: Any) -> None:
        """Trace again where the keys are of a wider type with this one."""
        self._hold(key_entry(self.facts.cls, key))

    def _hold(self, entry: Entry) -> None:
        joined = wider(self.facts.cls, self.facts.key, entry)
        if joined != self.facts.key:
            raise tracing.Restart(lists={self.site: self.facts._replace(key=joined)})

    def words(self, key: Any) -> tuple[list[Value], Value | None]:
        """The operands that a key is, and whether it can be among the keys (None: it can)."""
        if self.keys_ is None:
            self._known(key)
        found, possible = key_entry(self.facts.cls, key), None
        structure = chosen_texts.wider(found.structure, self.facts.of_keys.structure)
        if structure is not None and structure != self.facts.of_keys.structure:
            self._hold(found)
        if structure is None:
            return [const(0, F64 if k.dtype.kind == "f" else I64) for k in self.facts.of_keys.kinds], const(False, BOOL)
        words, builder = [], tracing.current().builder
        for x, kind in zip(chosen_texts.leaves_as(key, structure), self.facts.of_keys.kinds):
            word, may = _word(boxes.to_value(boxes.lift(x)), kind.dtype.kind == "f")
            words.append(word)
            possible = may if possible is None else possible if may is None else builder("and", possible, may)
        return words, possible

    def find(self, key: Any) -> ScalarBox:
        """The position of a key, -1 where it is not there."""
        builder = tracing.current().builder
        words, possible = self.words(key)
        if self.last is not None and self.last[0] is self.cell._value and all(map(_same, words, self.last[1])):
            return ScalarBox(self.last[2], "int")
        table, position = builder.emit("lookup", self.cell._value, *words, key=self.form, mode="find")
        self.cell.set(table)
        if possible is not None:
            return ScalarBox(builder("select", possible, position, builder.index(-1)), "int")
        self.last = table, words, position
        return ScalarBox(position, "int")

    def enter(self, key: Any) -> tuple[ScalarBox, ScalarBox]:
        """(the position of a key, whether it is new). Whoever enters one adds it to the columns."""
        packed_lists.expect_own(self)
        self._known(key)
        builder, total = tracing.current().builder, self.key_column.total._value
        words, _ = self.words(key)
        table, position = builder.emit("lookup", self.cell._value, total, *words, key=self.form, mode="enter")
        self.cell.set(table)
        self.last = table, words, position
        return ScalarBox(position, "int"), ScalarBox(builder("eq", position, total), "bool")

    def counted(self) -> None:
        """A key has been entered."""
        if self.facts.thinned:
            self.used_.set(tracing.current().builder.iop("add", self.used_._value, 1))

    def removed(self, key: Any) -> ScalarBox:
        """Remove a key; the position where it was, or -1."""
        self.expect_thinned()
        builder = tracing.current().builder
        words, possible = self.words(key)
        if possible is not None:
            refuse("a key of another type is removed than those that are entered", "convert it: `int(k)`, `float(k)`")
        return self._removed(*builder.emit("lookup", self.cell._value, *words, key=self.form, mode="remove"))

    def taken(self) -> ScalarBox:
        """Remove the key that Python's set.pop would; its position, or -1."""
        self.expect_thinned()
        if self.keys_ is None:
            return ScalarBox(const(-1, INDEX), "int")
        return self._removed(*tracing.current().builder.emit("lookup", self.cell._value, key=self.form, mode="pop"))

    def _removed(self, table: Value, position: Value) -> ScalarBox:
        packed_lists.expect_own(self)
        builder = tracing.current().builder
        self.cell.set(table)
        gone = builder("cast", builder("ge", position, builder.index(0)), dtype=INDEX)
        self.used_.set(builder.iop("sub", self.used_._value, gone))
        return ScalarBox(position, "int")

    def expect_thinned(self) -> None:
        if not self.facts.thinned:
            raise tracing.Restart(lists={self.site: self.facts._replace(thinned=True)})

    def room(self, count: Any) -> None:
        builder = tracing.current().builder
        self.cell.set(builder.emit("lookup", self.cell._value, builder.index(boxes.shapes.to_index(count)), key=self.form,
                                   mode="room")[0])

    def __format__(self, spec: str) -> str:
        return no_text(self)

    __repr__ = __str__ = no_text

    # --- all of them --------------------------------------------------------------------------------------------------

    def length(self) -> ScalarBox:
        return ScalarBox(self.used_._value, "int")

    def empty(self) -> None:
        packed_lists.expect_own(self)
        builder = tracing.current().builder
        self.cell.set(builder("stack_new", dtype=I64))
        for column in self.columns_():
            column.clear()
        if self.facts.thinned:
            self.used_.set(builder.index(0))

    def items_listed(self, what: str) -> Any:
        """The keys (in a dict: `what`), as a list."""
        return self.listed(self.keys_)

    def columns_(self) -> list[Column]:
        """The keys, and what belongs to them."""
        return [] if self.keys_ is None else [self.keys_]

    def entered(self) -> Any:
        """How many keys have been entered, also of those that were removed."""
        return 0 if self.keys_ is None else self.keys_.length()

    def order(self) -> ArrayBox | None:
        """The positions of all keys, as they are iterated; None where these are all positions in turn."""
        in_turn = self.facts.cls not in SETS
        if self.keys_ is None or (in_turn and not self.facts.thinned):
            return None
        if not in_turn and any(c is not pytrees.LEAF for c in self.facts.of_keys.structure.children):
            refuse("the order of a set of tuples of tuples is asked for", "use tuples of numbers")
        builder = tracing.current().builder
        table, found = builder.emit("members", self.cell._value, self.used_._value, key=self.form)
        self.cell.set(table)
        box = boxes.array(builder.cast(found, I64))
        return FUNCTIONS[np.sort](box) if in_turn else box

    def listed(self, column: Column | None) -> Any:
        """A column as a list, in the order of iteration, which does not change with the table."""
        if column is None:
            return []
        rows, order = column.columns(), self.order()
        if order is not None:
            rows = [boxes.array(c[order].read()) for c in rows]
        return listed(column.entry, rows)

    def replicate(self, other: HashTable) -> None:
        """Become like another table, having none."""
        if other.keys_ is None:
            return
        self._hold(other.facts.of_keys)
        builder = tracing.current().builder
        table, made = builder.emit("replica", other.cell._value, key=other.form)
        other.cell.set(table)
        for mine, theirs in zip(self.columns_(), other.columns_()):
            rows = theirs.columns()
            mine.total.set(theirs.total._value)
            mine.refill([builder.cast(c.read(), kind.dtype) for c, kind in zip(rows, mine.entry.kinds)])
        self.cell.set(made)
        if self.facts.thinned:
            self.used_.set(other.used_._value)


def _same(a: Value, b: Value) -> bool:
    return a is b or (tracing.constant(a) is not None and tracing.constant(a) == tracing.constant(b))


def _word(x: Value, floats: bool) -> tuple[Value, Value | None]:
    """An operand of the table for a number: an int or a float, whatever the number is. Python's numbers are equal where their
    values are, and so is their hash."""
    builder = tracing.current().builder
    if x.type.dtype.kind != "f":
        if x.type.dtype is BOOL:
            x = builder("select", x, const(1, I64), const(0, I64))
        whole = builder.cast(x, I64)
        if not floats:
            return whole, None
        made = builder.cast(whole, F64)
        small = builder("lt", made, const(2.0 ** 63, F64))
        back = builder.cast(builder("select", small, made, const(0.0, F64)), I64)
        return made, builder("and", small, builder("eq", back, whole))
    wide = builder.cast(x, F64)
    builder.emit("check", builder("eq", wide, wide), error="UnsupportedError", message=NAN)
    if floats:
        return wide, None
    inside = builder("and", builder("ge", wide, const(-2.0 ** 63, F64)), builder("lt", wide, const(2.0 ** 63, F64)))
    whole = builder("and", inside, builder("eq", builder("trunc", wide), wide))
    return builder.cast(builder("select", whole, wide, const(0.0, F64)), I64), whole


def is_traced(key: Any) -> bool:
    """Whether a key is known only at run time."""
    return isinstance(key, (Box, chosen_texts.ChosenText)) or (type(key) is tuple and any(map(is_traced, key)))
