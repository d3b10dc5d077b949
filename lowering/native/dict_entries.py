"""Machine code that finds the value of a name in a module's dict without hashing: it looks where it was the last time.

A dict whose keys are all text keeps its entries, (key, value) pairs, in the order of insertion behind a table of indices:

    dict -> keys:  … | log2 of the bytes of the indices | kind | … | number of entries | indices … | entry 0 | entry 1 | …

A key is in at most one entry. So an entry of the present table whose key is the very name has the name's value, whatever became
of the dict in between: nothing of it needs to be remembered but the position, and that only as a guess.
"""
from __future__ import annotations

from . import c_layouts

LOOKUP = "tg.value_of"
NOWHERE = -2                         # the guess for a name whose key is an equal text, but another object: not looked for again
_AT = c_layouts.OFFSETS

TEXT = f"""define internal ptr @{LOOKUP}(ptr %dict, ptr %name, ptr %cell, ptr %get) {{
start:
  %at.keys = getelementptr i8, ptr %dict, i64 {_AT["dict.keys"]}
  %keys = load ptr, ptr %at.keys
  %at.values = getelementptr i8, ptr %dict, i64 {_AT["dict.values"]}
  %values = load ptr, ptr %at.values
  %combined = icmp eq ptr %values, null
  %at.kind = getelementptr i8, ptr %keys, i64 {_AT["keys.kind"]}
  %kind = load i8, ptr %at.kind
  %text = icmp eq i8 %kind, 1
  %plain = and i1 %combined, %text
  %at.size = getelementptr i8, ptr %keys, i64 {_AT["keys.index_bytes"]}
  %log = load i8, ptr %at.size
  %shift = zext i8 %log to i64
  %bytes = shl i64 1, %shift
  %at.indices = getelementptr i8, ptr %keys, i64 {_AT["keys.indices"]}
  %entries = getelementptr i8, ptr %at.indices, i64 %bytes
  %at.count = getelementptr i8, ptr %keys, i64 {_AT["keys.entries"]}
  %count = load i64, ptr %at.count
  %guess = load i64, ptr %cell
  %inside = icmp ult i64 %guess, %count
  %try = and i1 %plain, %inside
  br i1 %try, label %look, label %miss
look:
  %entry = getelementptr {{ ptr, ptr }}, ptr %entries, i64 %guess
  %key = load ptr, ptr %entry
  %hit = icmp eq ptr %key, %name
  br i1 %hit, label %found, label %miss
found:
  %at.value = getelementptr i8, ptr %entry, i64 8
  %value = load ptr, ptr %at.value
  ret ptr %value
miss:
  %looked = call ptr %get(ptr %dict, ptr %name)
  %again = icmp ne i64 %guess, {NOWHERE}
  %scan = and i1 %plain, %again
  br i1 %scan, label %head, label %done
head:
  %k = phi i64 [0, %miss], [%next, %body]
  %more = icmp ult i64 %k, %count
  br i1 %more, label %body, label %nowhere
body:
  %at.k = getelementptr {{ ptr, ptr }}, ptr %entries, i64 %k
  %key.k = load ptr, ptr %at.k
  %same = icmp eq ptr %key.k, %name
  %next = add i64 %k, 1
  br i1 %same, label %keep, label %head
keep:
  store i64 %k, ptr %cell
  br label %done
nowhere:
  store i64 {NOWHERE}, ptr %cell
  br label %done
done:
  ret ptr %looked
}}
"""
