"""Python's own generator (random.Random) as functions in LLVM's language, on the state inside the Python object.

The object holds {i32 index, [624 x i32] state} (CPython: Modules/_randommodule.c). The recurrence and the tempering are from
Matsumoto, Nishimura, Mersenne Twister, ACM TOMACS 8 (1998); how numbers are made of 32-bit words is CPython's:
random() = (a 2^26 + b) / 2^53 of the upper 27 and 26 bits of two words, and k bits are whole words, the lowest first, the last
one shifted.

Each function reads the index once, so that what two threads do at once may repeat a word and never leaves the state.
"""
from __future__ import annotations

import ctypes
import struct
from functools import cache

WORDS = 624

_RENEW = f"""define internal void @tracegrad.mersenne_renew(ptr %index) noinline {{
entry:
  %state = getelementptr inbounds i8, ptr %index, i64 4
  br label %each
each:
  %k = phi i64 [ 0, %entry ], [ %k1, %each ]
  %k1 = add i64 %k, 1
  %last = icmp eq i64 %k1, {WORDS}
  %next = select i1 %last, i64 0, i64 %k1
  %m = add i64 %k, 397
  %over = icmp uge i64 %m, {WORDS}
  %less = sub i64 %m, {WORDS}
  %far = select i1 %over, i64 %less, i64 %m
  %kp = getelementptr inbounds i32, ptr %state, i64 %k
  %np = getelementptr inbounds i32, ptr %state, i64 %next
  %fp = getelementptr inbounds i32, ptr %state, i64 %far
  %a = load i32, ptr %kp
  %b = load i32, ptr %np
  %c = load i32, ptr %fp
  %upper = and i32 %a, -2147483648
  %lower = and i32 %b, 2147483647
  %y = or i32 %upper, %lower
  %half = lshr i32 %y, 1
  %odd = and i32 %y, 1
  %sign = sub i32 0, %odd
  %mag = and i32 %sign, -1727483681
  %d = xor i32 %c, %half
  %e = xor i32 %d, %mag
  store i32 %e, ptr %kp
  br i1 %last, label %done, label %each
done:
  ret void
}}"""

_WORD = f"""define internal i32 @tracegrad.mersenne(ptr %index) alwaysinline {{
  %state = getelementptr inbounds i8, ptr %index, i64 4
  %i = load i32, ptr %index
  %used = icmp uge i32 %i, {WORDS}
  br i1 %used, label %renew, label %take, !prof !{{!"branch_weights", i32 1, i32 623}}
renew:
  call void @tracegrad.mersenne_renew(ptr %index)
  br label %take
take:
  %at = phi i32 [ %i, %0 ], [ 0, %renew ]
  %after = add i32 %at, 1
  store i32 %after, ptr %index
  %wide = zext i32 %at to i64
  %place = getelementptr inbounds i32, ptr %state, i64 %wide
  %x0 = load i32, ptr %place
  %s0 = lshr i32 %x0, 11
  %x1 = xor i32 %x0, %s0
  %s1 = shl i32 %x1, 7
  %m1 = and i32 %s1, -1658038656
  %x2 = xor i32 %x1, %m1
  %s2 = shl i32 %x2, 15
  %m2 = and i32 %s2, -272236544
  %x3 = xor i32 %x2, %m2
  %s3 = lshr i32 %x3, 18
  %x4 = xor i32 %x3, %s3
  ret i32 %x4
}}"""

# name -> what is declared for it
FUNCTIONS = {
    "tracegrad.python_random": (_RENEW, _WORD, """define internal double @tracegrad.python_random(ptr %index) {
  %w0 = call i32 @tracegrad.mersenne(ptr %index)
  %w1 = call i32 @tracegrad.mersenne(ptr %index)
  %a = lshr i32 %w0, 5
  %b = lshr i32 %w1, 6
  %x = uitofp i32 %a to double
  %y = uitofp i32 %b to double
  %xx = fmul double %x, 67108864.0
  %z = fadd double %xx, %y
  %u = fmul double %z, 0x3CA0000000000000
  ret double %u
}"""),
    "tracegrad.python_bits": (_RENEW, _WORD, """define internal i64 @tracegrad.python_bits(ptr %index, i64 %k) {
  %none = icmp eq i64 %k, 0
  br i1 %none, label %nothing, label %some
nothing:
  ret i64 0
some:
  %w0 = call i32 @tracegrad.mersenne(ptr %index)
  %low = zext i32 %w0 to i64
  %one = icmp ule i64 %k, 32
  br i1 %one, label %short, label %long
short:
  %off0 = sub i64 32, %k
  %r0 = lshr i64 %low, %off0
  ret i64 %r0
long:
  %w1 = call i32 @tracegrad.mersenne(ptr %index)
  %high = zext i32 %w1 to i64
  %off1 = sub i64 64, %k
  %r1 = lshr i64 %high, %off1
  %up = shl i64 %r1, 32
  %both = or i64 %up, %low
  ret i64 %both
}"""),
}


@cache
def place() -> int | None:
    """The offset of the index inside an object; None where it is not found."""
    import random  # slow, and rarely needed

    found = set()
    for seed in (1, 2):
        generator = random.Random(seed)
        generator.random()
        *words, index = generator.getstate()[1]
        wanted = struct.pack(f"i{WORDS}I", index, *words)
        raw = ctypes.string_at(id(generator), type(generator).__basicsize__)
        found.add(raw.find(wanted))
    return found.pop() if len(found) == 1 and -1 not in found else None
