"""Hash tables as functions in LLVM's language: ir/ops/table.py says what they mean, and how places are found.

A table lies in the memory of a stack (llvm/stacks.py: memory, bytes used, bytes there are); with no bytes used it is empty.

    i64 mask, fill, used, finger, -, -, -, -        then mask + 1 places of
    i64 state, word…                                      state: 0 free, -1 removed, else number + 1; a word for each leaf of a
                                                          key: an integer, or the bits of a double that is not -0.0

Python's hash of an integer is its value modulo p = 2^61 - 1 with its sign, that of a double m 2^e the same: 2^61 is 1 modulo p,
so m turns left by e modulo 61 in a ring of 61 bits. Of a tuple it is made as CPython's tupleobject.c does, after the hash
function xxHash. -1 stands for errors and becomes -2.
"""
from __future__ import annotations

from ...ir.ops.table import LEAST, MANY, MODULUS, NEAR, SHIFT, leaves

HEAD = 64                 # bytes before the first place
_FILL, _USED, _FINGER = 8, 16, 24

# Functions of all tables. The exponent of a double is 1075 below its field, and 18 * 61 - 1075 = 23.
_COMMON = [f"""define internal i64 @tracegrad.hash.i(i64 %k) alwaysinline {{
  %negative = icmp slt i64 %k, 0
  %minus = sub i64 0, %k
  %size = select i1 %negative, i64 %minus, i64 %k
  %low = and i64 %size, {MODULUS}
  %high = lshr i64 %size, 61
  %sum = add i64 %low, %high
  %large = icmp uge i64 %sum, {MODULUS}
  %less = sub i64 %sum, {MODULUS}
  %rest = select i1 %large, i64 %less, i64 %sum
  %hash = call i64 @tracegrad.hash.signed(i64 %rest, i1 %negative)
  ret i64 %hash
}}""", """define internal i64 @tracegrad.hash.signed(i64 %x, i1 %negative) alwaysinline {
  %minus = sub i64 0, %x
  %signed = select i1 %negative, i64 %minus, i64 %x
  %bad = icmp eq i64 %signed, -1
  %hash = select i1 %bad, i64 -2, i64 %signed
  ret i64 %hash
}""", f"""define internal i64 @tracegrad.hash.f(i64 %bits) alwaysinline {{
  %negative = icmp slt i64 %bits, 0
  %shifted = lshr i64 %bits, 52
  %field = and i64 %shifted, 2047
  %fraction = and i64 %bits, {2 ** 52 - 1}
  %whole = or i64 %fraction, {2 ** 52}
  %tiny = icmp eq i64 %field, 0
  %m = select i1 %tiny, i64 %fraction, i64 %whole
  %e0 = select i1 %tiny, i64 1, i64 %field
  %e1 = add i64 %e0, 23
  %e = urem i64 %e1, 61
  %back = sub i64 61, %e
  %up = shl i64 %m, %e
  %left = and i64 %up, {MODULUS}
  %right = lshr i64 %m, %back
  %turned = or i64 %left, %right
  %infinite = icmp eq i64 %field, 2047
  %x = select i1 %infinite, i64 314159, i64 %turned
  %hash = call i64 @tracegrad.hash.signed(i64 %x, i1 %negative)
  ret i64 %hash
}}"""]

_PRIMES = 11400714785074694791, 14029467366897019727, 2870177450012600261


def _hash(key: str) -> list[str]:
    """The function of a key's words, for keys that are not one number."""
    if not key.startswith("("):
        return []
    kinds, lines, acc = leaves(key), [], str(_PRIMES[2])
    for k, kind in enumerate(kinds):
        lines += [f"  %h{k} = call i64 @tracegrad.hash.{kind}(i64 %w{k})", f"  %l{k} = mul i64 %h{k}, {_PRIMES[1]}",
                  f"  %s{k} = add i64 {acc}, %l{k}", f"  %u{k} = shl i64 %s{k}, 31", f"  %d{k} = lshr i64 %s{k}, 33",
                  f"  %t{k} = or i64 %u{k}, %d{k}", f"  %a{k} = mul i64 %t{k}, {_PRIMES[0]}"]
        acc = f"%a{k}"
    return [f"""define internal i64 @tracegrad.hash.{name_of(key)}({_params(key)}) alwaysinline {{
{chr(10).join(lines)}
  %end = add i64 {acc}, {len(kinds) ^ _PRIMES[2] ^ 3527539}
  %bad = icmp eq i64 %end, -1
  %hash = select i1 %bad, i64 1546275796, i64 %end
  ret i64 %hash
}}"""]


def name_of(key: str) -> str:
    return "t" + leaves(key) if key.startswith("(") else key


def _params(key: str) -> str:
    return ", ".join(f"i64 %w{k}" for k in range(len(leaves(key))))


def _size(key: str) -> int:
    """Bytes of a place."""
    return 8 * (1 + len(leaves(key)))


def _words(key: str, place: str, prefix: str, step: str) -> str:
    """Load (into %<prefix>k) or store the words of a place."""
    lines = []
    for k in range(len(leaves(key))):
        lines.append(f"  %{prefix}p{k} = getelementptr inbounds i8, ptr {place}, i64 {8 * (k + 1)}")
        lines.append(f"  %{prefix}{k} = load i64, ptr %{prefix}p{k}" if step == "load"
                     else f"  store i64 %w{k}, ptr %{prefix}p{k}")
    return "\n".join(lines)


def _field(name: str, offset: int) -> str:
    return f"  %{name}.at = getelementptr inbounds i8, ptr %base, i64 {offset}\n  %{name} = load i64, ptr %{name}.at"


def _way(key: str, found: str) -> str:
    """The places of a key in turn, each at %place with its %state; `found` says what is done there: it ends in a branch to
    %more, or leaves. %table and %mask are known."""
    return f"""  %hash = call i64 @tracegrad.hash.{name_of(key)}({_params(key)})
  %first = and i64 %hash, %mask
  br label %group
group:
  %i = phi i64 [%first, %start], [%i.next, %on]
  %perturb = phi i64 [%hash, %start], [%perturb.next, %on]
  %mark.group = phi ptr [null, %start], [%mark.next, %on]
  %near = add i64 %i, {NEAR}
  %fits = icmp ule i64 %near, %mask
  %last = select i1 %fits, i64 %near, i64 %i
  br label %look
look:
  %j = phi i64 [%i, %group], [%j.next, %further]
  %mark = phi ptr [%mark.group, %group], [%mark.next, %further]
  %offset = mul i64 %j, {_size(key)}
  %place = getelementptr inbounds i8, ptr %table, i64 %offset
  %state = load i64, ptr %place
{found}
more:
  %removed = icmp eq i64 %state, -1
  %mark.next = select i1 %removed, ptr %place, ptr %mark
  %end = icmp eq i64 %j, %last
  br i1 %end, label %on, label %further
further:
  %j.next = add i64 %j, 1
  br label %look
on:
  %perturb.next = lshr i64 %perturb, {SHIFT}
  %five = mul i64 %i, 5
  %one = add i64 %five, 1
  %moved = add i64 %one, %perturb.next
  %i.next = and i64 %moved, %mask
  br label %group"""


def _compared(key: str) -> str:
    lines, same = [_words(key, "%place", "x", "load")], "%live"
    for k in range(len(leaves(key))):
        lines += [f"  %e{k} = icmp eq i64 %x{k}, %w{k}", f"  %b{k} = and i1 {same}, %e{k}"]
        same = f"%b{k}"
    return "\n".join([*lines, f"  br i1 {same}, label %same, label %more"])


def _searched(key: str, absent: str) -> str:
    return _way(key, f"""  %free = icmp eq i64 %state, 0
  br i1 %free, label %absent, label %used.place
used.place:
  %live = icmp sgt i64 %state, 0
{_compared(key)}
same:
  %position = sub i64 %state, 1
  ret i64 %position
absent:
{absent}""")


_START = """  %base = load ptr, ptr %memory
  %mask = load i64, ptr %base
  %table = getelementptr inbounds i8, ptr %base, i64 64"""


def _find(key: str) -> str:
    return f"""define internal i64 @tracegrad.table.find.{name_of(key)}(ptr %memory, ptr %bytes, ptr %room, {_params(key)}) {{
  %any = load i64, ptr %bytes
  %empty = icmp eq i64 %any, 0
  br i1 %empty, label %none, label %start
none:
  ret i64 -1
start:
{_START}
{_searched(key, "  ret i64 -1")}
}}"""


def _remove(key: str) -> str:
    text = _find(key).replace("table.find.", "table.remove.")
    return text.replace("  ret i64 %position", f"""  store i64 -1, ptr %place
{_field("used", _USED)}
  %fewer = sub i64 %used, 1
  store i64 %fewer, ptr %used.at
  ret i64 %position""")


def _enter(key: str) -> str:
    """-2: there is no memory."""
    name = name_of(key)
    params = f"ptr %memory, ptr %bytes, ptr %room, i64 %number, {_params(key)}"
    return f"""define internal i64 @tracegrad.table.enter.{name}({params}) {{
  %any = load i64, ptr %bytes
  %empty = icmp eq i64 %any, 0
  br i1 %empty, label %make, label %start
make:
  %made = call i1 @tracegrad.table.resize.{name}(ptr %memory, ptr %bytes, ptr %room, i64 0)
  br i1 %made, label %start, label %nomemory
nomemory:
  ret i64 -2
start:
{_START}
{_searched(key, f'''  %fresh = icmp eq ptr %mark, null
  %target = select i1 %fresh, ptr %place, ptr %mark
  %number1 = add i64 %number, 1
  store i64 %number1, ptr %target
{_words(key, "%target", "y", "store")}
{_field("used", _USED)}
  %used1 = add i64 %used, 1
  store i64 %used1, ptr %used.at
  br i1 %fresh, label %filled, label %done
filled:
{_field("fill", _FILL)}
  %fill1 = add i64 %fill, 1
  store i64 %fill1, ptr %fill.at
  %fill5 = mul i64 %fill1, 5
  %mask3 = mul i64 %mask, 3
  %enough = icmp ult i64 %fill5, %mask3
  br i1 %enough, label %done, label %full
full:
  %many = icmp ugt i64 %used1, {MANY}
  %factor = select i1 %many, i64 1, i64 2
  %least = shl i64 %used1, %factor
  %grown = call i1 @tracegrad.table.resize.{name}(ptr %memory, ptr %bytes, ptr %room, i64 %least)
  br i1 %grown, label %done, label %nomemory
done:
  ret i64 %number''')}
}}"""


def _clean(key: str) -> str:
    """Enter a key that is not there into a table that has no marks."""
    head = f"define internal void @tracegrad.table.clean.{name_of(key)}(ptr %table, i64 %mask, i64 %number, {_params(key)}) {{"
    return f"""{head}
  br label %start
start:
{_way(key, f'''  %free = icmp eq i64 %state, 0
  br i1 %free, label %absent, label %more
absent:
  store i64 %number, ptr %place
{_words(key, "%place", "y", "store")}
  ret void''')}
}}"""


def _each(key: str, count: str, keep: str) -> str:
    """A loop over the places of %old that hold a key."""
    return f"""  br label %loop
loop:
  %k = phi i64 [0, %before], [%k.next, %next]
  %offset = mul i64 %k, {_size(key)}
  %place = getelementptr inbounds i8, ptr %old, i64 %offset
  %state = load i64, ptr %place
  %live = icmp sgt i64 %state, 0
  br i1 %live, label %keep, label %next
keep:
{keep}
  br label %next
next:
  %k.next = add i64 %k, 1
  %more = icmp ule i64 %k.next, {count}
  br i1 %more, label %loop, label %after
after:"""


def _moved(key: str) -> str:
    args = ", ".join(f"i64 %x{k}" for k in range(len(leaves(key))))
    return f"""{_words(key, "%place", "x", "load")}
  call void @tracegrad.table.clean.{name_of(key)}(ptr %table, i64 %mask, i64 %state, {args})"""


def _resize(key: str) -> str:
    """Move all keys to a table of the first power of two above `least`; false where there is no memory."""
    name = name_of(key)
    return f"""declare ptr @memory.extend(ptr, i64)
declare void @llvm.memset.p0.i64(ptr nocapture, i8, i64, i1 immarg)
declare void @memory.shed(ptr)
define internal i1 @tracegrad.table.resize.{name}(ptr %memory, ptr %bytes, ptr %room, i64 %least) noinline {{
  br label %double
double:
  %places = phi i64 [{LEAST}, %0], [%twice, %double]
  %twice = shl i64 %places, 1
  %small = icmp ule i64 %places, %least
  br i1 %small, label %double, label %take
take:
  %own = mul i64 %places, {_size(key)}
  %whole = add i64 %own, {HEAD}
  %new = call ptr @memory.extend(ptr null, i64 %whole)
  %bad = icmp eq ptr %new, null
  br i1 %bad, label %nomemory, label %fresh
nomemory:
  ret i1 false
fresh:
  call void @llvm.memset.p0.i64(ptr %new, i8 0, i64 %whole, i1 false)
  %mask = sub i64 %places, 1
  store i64 %mask, ptr %new
  %table = getelementptr inbounds i8, ptr %new, i64 {HEAD}
  %base = load ptr, ptr %memory
  %any = load i64, ptr %bytes
  store ptr %new, ptr %memory
  store i64 %whole, ptr %bytes
  store i64 %whole, ptr %room
  %empty = icmp eq i64 %any, 0
  br i1 %empty, label %after, label %before
before:
{_field("used", _USED)}
{_field("finger", _FINGER)}
  %fill.to = getelementptr inbounds i8, ptr %new, i64 {_FILL}
  %used.to = getelementptr inbounds i8, ptr %new, i64 {_USED}
  %finger.to = getelementptr inbounds i8, ptr %new, i64 {_FINGER}
  store i64 %used, ptr %fill.to
  store i64 %used, ptr %used.to
  store i64 %finger, ptr %finger.to
  %mask.old = load i64, ptr %base
  %old = getelementptr inbounds i8, ptr %base, i64 {HEAD}
{_each(key, "%mask.old", _moved(key))}
  call void @memory.shed(ptr %base)
  ret i1 true
}}"""


def _room(key: str) -> str:
    """Room for n more; -2: there is no memory."""
    name = name_of(key)
    resize = f"call i1 @tracegrad.table.resize.{name}(ptr %memory, ptr %bytes, ptr %room, i64"
    return f"""define internal i64 @tracegrad.table.room.{name}(ptr %memory, ptr %bytes, ptr %room, i64 %n) {{
  %any = load i64, ptr %bytes
  %empty = icmp eq i64 %any, 0
  br i1 %empty, label %make, label %look
make:
  %made = {resize} 0)
  br i1 %made, label %look, label %nomemory
look:
  %base = load ptr, ptr %memory
  %mask = load i64, ptr %base
{_field("fill", _FILL)}
{_field("used", _USED)}
  %sum = add i64 %fill, %n
  %sum5 = mul i64 %sum, 5
  %mask3 = mul i64 %mask, 3
  %enough = icmp ult i64 %sum5, %mask3
  br i1 %enough, label %done, label %full
full:
  %all = add i64 %used, %n
  %least = shl i64 %all, 1
  %grown = {resize} %least)
  br i1 %grown, label %done, label %nomemory
done:
  ret i64 -1
nomemory:
  ret i64 -2
}}"""


def _pop(key: str) -> str:
    return f"""define internal i64 @tracegrad.table.pop.{name_of(key)}(ptr %memory, ptr %bytes, ptr %room) {{
  %any = load i64, ptr %bytes
  %empty = icmp eq i64 %any, 0
  br i1 %empty, label %none, label %some
some:
{_START}
{_field("used", _USED)}
{_field("finger", _FINGER)}
  %start = and i64 %finger, %mask
  %nothing = icmp eq i64 %used, 0
  br i1 %nothing, label %none, label %look
none:
  ret i64 -1
look:
  %k = phi i64 [%start, %some], [%next, %on]
  %offset = mul i64 %k, {_size(key)}
  %place = getelementptr inbounds i8, ptr %table, i64 %offset
  %state = load i64, ptr %place
  %live = icmp sgt i64 %state, 0
  br i1 %live, label %take, label %on
on:
  %k1 = add i64 %k, 1
  %next = and i64 %k1, %mask
  br label %look
take:
  store i64 -1, ptr %place
  %fewer = sub i64 %used, 1
  store i64 %fewer, ptr %used.at
  %finger1 = add i64 %k, 1
  store i64 %finger1, ptr %finger.at
  %position = sub i64 %state, 1
  ret i64 %position
}}"""


def _members(key: str) -> str:
    """Write the positions of all keys from an address on."""
    return f"""define internal i64 @tracegrad.table.members.{name_of(key)}(ptr %memory, ptr %bytes, ptr %room, ptr %target) {{
  %any = load i64, ptr %bytes
  %empty = icmp eq i64 %any, 0
  br i1 %empty, label %after, label %before
before:
  %base = load ptr, ptr %memory
  %mask = load i64, ptr %base
  %old = getelementptr inbounds i8, ptr %base, i64 {HEAD}
  %count = alloca i64
  store i64 0, ptr %count
{_each(key, "%mask", '''  %position = sub i64 %state, 1
  %n = load i64, ptr %count
  %to = getelementptr inbounds i64, ptr %target, i64 %n
  store i64 %position, ptr %to
  %n1 = add i64 %n, 1
  store i64 %n1, ptr %count''')}
  ret i64 -1
}}"""


def _replica(key: str) -> str:
    """Make an empty table, of the first three addresses, one like the other; -2: there is no memory."""
    name = name_of(key)
    return f"""declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1 immarg)
define internal i64 @tracegrad.table.replica.{name}(ptr %memory, ptr %bytes, ptr %room, ptr %other, ptr %other.bytes) {{
  store i64 0, ptr %bytes
  %any = load i64, ptr %other.bytes
  %nothing = icmp eq i64 %any, 0
  br i1 %nothing, label %done, label %some
some:
  %base = load ptr, ptr %other
{_field("fill", _FILL)}
{_field("used", _USED)}
  %made = call i64 @tracegrad.table.room.{name}(ptr %memory, ptr %bytes, ptr %room, i64 %used)
  %bad = icmp eq i64 %made, -2
  br i1 %bad, label %nomemory, label %copy
nomemory:
  ret i64 -2
copy:
  %new = load ptr, ptr %memory
  %mask = load i64, ptr %new
  %table = getelementptr inbounds i8, ptr %new, i64 {HEAD}
  %fill.to = getelementptr inbounds i8, ptr %new, i64 {_FILL}
  %used.to = getelementptr inbounds i8, ptr %new, i64 {_USED}
  store i64 %used, ptr %fill.to
  store i64 %used, ptr %used.to
  %mask.old = load i64, ptr %base
  %old = getelementptr inbounds i8, ptr %base, i64 {HEAD}
  %alike = icmp eq i64 %mask, %mask.old
  %unmarked = icmp eq i64 %fill, %used
  %exact = and i1 %alike, %unmarked
  br i1 %exact, label %whole, label %before
whole:
  %n = add i64 %mask, 1
  %size = mul i64 %n, {_size(key)}
  call void @llvm.memcpy.p0.p0.i64(ptr %table, ptr %old, i64 %size, i1 false)
  br label %done
done:
  ret i64 -1
before:
{_each(key, "%mask.old", _moved(key))}
  ret i64 -1
}}"""


_MAKERS = {"find": (_find,), "enter": (_clean, _resize, _enter), "remove": (_remove,), "pop": (_pop,),
           "room": (_clean, _resize, _room), "members": (_members,), "replica": (_clean, _resize, _room, _replica)}


def functions(mode: str, key: str) -> list[str]:
    """The declarations and definitions that a call of @tracegrad.table.<mode>.<name_of(key)> needs."""
    found = [*_COMMON, *_hash(key)]
    for maker in _MAKERS[mode]:
        *declared, defined = maker(key).split("\ndefine") if maker(key).startswith("declare") else ["", maker(key)]
        found += [line for line in (declared[0].splitlines() if declared else []) if line]
        found.append("define" + defined if not defined.startswith("define") else defined)
    return found
