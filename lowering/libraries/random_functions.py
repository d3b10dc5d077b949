"""Distributions as functions in LLVM's language, where NumPy's library has none or a slower one.

    uniform, normal, exponential    of a bit generator; the latter two by the ziggurat method, with NumPy's tables
                                    (distributions.c). Compiled here they have no branch on the sign and no call into a library
                                    but that of the bit generator.
    normal_or_gamma, exponential_or_zero     see ir/ops/random.py
    legacy_normal, legacy_exponential        of a RandomState (legacy-distributions.c)

The functions of the C library have names of their own here: what the kernel around them declares may differ in its attributes.
Each is NumPy's own sequence of roundings, so the numbers are equal to the last bit. A bitgen_t is {state, next_uint64,
next_uint32, next_double, next_raw}, a legacy one {bitgen_t*, i32 has_gauss, f64 gauss}.
"""
from __future__ import annotations

import platform
import struct

TABLES = ("ki_double", "wi_double", "fi_double", "ke_double", "we_double", "fe_double")       # of 256 words of 64 bits
# Where C compilers fuse a product and a sum by themselves, NumPy's library may round otherwise.
ZIGGURAT = platform.machine() in ("x86_64", "AMD64")

UNIFORM = """define internal double @tracegrad.uniform(ptr %bits) alwaysinline {
  %state = load ptr, ptr %bits
  %place = getelementptr inbounds i8, ptr %bits, i64 24
  %next = load ptr, ptr %place
  %x = call double %next(ptr %state)
  ret double %x
}"""


def _table(name: str, kind: str) -> str:
    return f"@npytables.{name} = external global [256 x {kind}]"


def _bits_of(x: float) -> str:
    return f"0x{struct.unpack('<Q', struct.pack('<d', x))[0]:016X}"


def _ziggurat(name: str, tables: str, numbers: str, likely: str, edge: str) -> str:
    """A number is nearly always found inside of a step of the ziggurat; the rest is a function of its own, so that this one is
    small where it is inlined. Between two steps: (f[k - 1] - f[k]) U + f[k] < exp(…), else all begins again."""
    return f"""{_table("k" + tables, "i64")}
{_table("w" + tables, "double")}
{_table("f" + tables, "double")}
declare double @clibrary.exp(double)
declare double @clibrary.log1p(double)
define internal double @tracegrad.{name}(ptr %bits) alwaysinline {{
  %state = load ptr, ptr %bits
  %place = getelementptr inbounds i8, ptr %bits, i64 8
  %next = load ptr, ptr %place
  %r = call i64 %next(ptr %state)
{numbers}
  %kp = getelementptr inbounds i64, ptr @npytables.k{tables}, i64 %k
  %limit = load i64, ptr %kp
  %inside = icmp ult i64 %rest, %limit
  br i1 %inside, label %take, label %edge, !prof !{{!"branch_weights", {likely}}}
take:
  ret double %x
edge:
  %y = call double @tracegrad.{name}_edge(ptr %bits, i64 %k, i64 %rest, double %x)
  ret double %y
}}
define internal double @tracegrad.{name}_edge(ptr %bits, i64 %k, i64 %rest, double %x) noinline {{
  %first = icmp eq i64 %k, 0
  br i1 %first, label %tail, label %wedge
{edge}
  %before = sub i64 %k, 1
  %f0p = getelementptr inbounds double, ptr @npytables.f{tables}, i64 %before
  %f1p = getelementptr inbounds double, ptr @npytables.f{tables}, i64 %k
  %f0 = load double, ptr %f0p
  %f1 = load double, ptr %f1p
  %u = call double @tracegrad.uniform(ptr %bits)
  %gap = fsub double %f0, %f1
  %part = fmul double %gap, %u
  %height = fadd double %part, %f1
  %curve = call double @clibrary.exp(double %power)
  %below = fcmp olt double %height, %curve
  br i1 %below, label %yes, label %no
yes:
  ret double %x
no:
  %again = call double @tracegrad.{name}(ptr %bits)
  ret double %again
}}"""


_NORMAL = _ziggurat("normal", "i_double", """  %k = and i64 %r, 255
  %sign = shl i64 %r, 55
  %top = and i64 %sign, -9223372036854775808
  %r9 = lshr i64 %r, 9
  %rest = and i64 %r9, 4503599627370495
  %wide = sitofp i64 %rest to double
  %wp = getelementptr inbounds double, ptr @npytables.wi_double, i64 %k
  %w = load double, ptr %wp
  %size = fmul double %wide, %w
  %bare = bitcast double %size to i64
  %signed = xor i64 %bare, %top
  %x = bitcast i64 %signed to double""", "i32 993, i32 7", f"""tail:
  %u1 = call double @tracegrad.uniform(ptr %bits)
  %n1 = fneg double %u1
  %l1 = call double @clibrary.log1p(double %n1)
  %xx = fmul double {_bits_of(-0.27366123732975827203338247596)}, %l1
  %u2 = call double @tracegrad.uniform(ptr %bits)
  %n2 = fneg double %u2
  %l2 = call double @clibrary.log1p(double %n2)
  %yy = fneg double %l2
  %twice = fadd double %yy, %yy
  %square = fmul double %xx, %xx
  %far = fcmp ogt double %twice, %square
  br i1 %far, label %out, label %tail
out:
  %r8 = lshr i64 %rest, 8
  %odd = and i64 %r8, 1
  %negative = icmp eq i64 %odd, 1
  %sum = fadd double {_bits_of(3.6541528853610087963519472518)}, %xx
  %minus = fneg double %sum
  %z = select i1 %negative, double %minus, double %sum
  ret double %z
wedge:
  %half = fmul double -0.5, %x
  %power = fmul double %half, %x""")

_EXPONENTIAL = _ziggurat("exponential", "e_double", """  %r3 = lshr i64 %r, 3
  %k = and i64 %r3, 255
  %rest = lshr i64 %r3, 8
  %wide = sitofp i64 %rest to double
  %wp = getelementptr inbounds double, ptr @npytables.we_double, i64 %k
  %w = load double, ptr %wp
  %x = fmul double %wide, %w""", "i32 989, i32 11", f"""tail:
  %u1 = call double @tracegrad.uniform(ptr %bits)
  %n1 = fneg double %u1
  %l1 = call double @clibrary.log1p(double %n1)
  %z = fsub double {_bits_of(7.69711747013104972)}, %l1
  ret double %z
wedge:
  %power = fneg double %x""")

FUNCTIONS = {
    "tracegrad.normal": _NORMAL, "tracegrad.exponential": _EXPONENTIAL,
    "tracegrad.normal_or_gamma": """declare double @npyrandom.random_standard_normal(ptr)
declare double @npyrandom.random_standard_gamma(ptr, double)
define internal double @tracegrad.normal_or_gamma(ptr %bits, double %a) {
  %negative = fcmp olt double %a, 0.0
  br i1 %negative, label %normal, label %gamma
normal:
  %x = call double @npyrandom.random_standard_normal(ptr %bits)
  ret double %x
gamma:
  %y = call double @npyrandom.random_standard_gamma(ptr %bits, double %a)
  ret double %y
}""",
    "tracegrad.exponential_or_zero": """declare double @npyrandom.random_standard_exponential(ptr)
define internal double @tracegrad.exponential_or_zero(ptr %bits, double %a) {
  %zero = fcmp oeq double %a, 0.0
  br i1 %zero, label %nothing, label %some
nothing:
  ret double 0.0
some:
  %x = call double @npyrandom.random_standard_exponential(ptr %bits)
  ret double %x
}""",
    # legacy-distributions.c: -log(1 - U)
    "tracegrad.legacy_exponential": """declare double @clibrary.log(double)
define internal double @tracegrad.legacy_exponential(ptr %bits) {
  %u = call double @tracegrad.uniform(ptr %bits)
  %v = fsub double 1.0, %u
  %w = call double @clibrary.log(double %v)
  %x = fneg double %w
  ret double %x
}""",
    # legacy-distributions.c: pairs by Marsaglia's polar method, of which the second is kept
    "tracegrad.legacy_normal": """declare double @clibrary.log(double)
declare double @llvm.sqrt.f64(double)
define internal double @tracegrad.legacy_normal(ptr %legacy) {
  %bits = load ptr, ptr %legacy
  %flag = getelementptr inbounds i8, ptr %legacy, i64 8
  %kept = getelementptr inbounds i8, ptr %legacy, i64 16
  %has = load i32, ptr %flag
  %some = icmp ne i32 %has, 0
  br i1 %some, label %second, label %pair
second:
  %y = load double, ptr %kept
  store double 0.0, ptr %kept
  store i32 0, ptr %flag
  ret double %y
pair:
  %u1 = call double @tracegrad.uniform(ptr %bits)
  %d1 = fmul double 2.0, %u1
  %x1 = fsub double %d1, 1.0
  %u2 = call double @tracegrad.uniform(ptr %bits)
  %d2 = fmul double 2.0, %u2
  %x2 = fsub double %d2, 1.0
  %s1 = fmul double %x1, %x1
  %s2 = fmul double %x2, %x2
  %r2 = fadd double %s1, %s2
  %out = fcmp oge double %r2, 1.0
  %zero = fcmp oeq double %r2, 0.0
  %again = or i1 %out, %zero
  br i1 %again, label %pair, label %done
done:
  %log = call double @clibrary.log(double %r2)
  %minus = fmul double -2.0, %log
  %ratio = fdiv double %minus, %r2
  %f = call double @llvm.sqrt.f64(double %ratio)
  %z1 = fmul double %f, %x1
  store double %z1, ptr %kept
  store i32 1, ptr %flag
  %z2 = fmul double %f, %x2
  ret double %z2
}""",
}
