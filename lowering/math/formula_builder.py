"""Formulas on vectors of floats as LLVM IR text: `Math` writes the lines, `V` is a value with Python's operators."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Format(NamedTuple):
    """A floating-point format and what formulas must know of it.

    shift      adding it rounds to an integer, which the low bits then hold; its bits
    sqrt_half  the bits of sqrt(1/2)
    ln2        (hi, lo), hi short enough for k hi to be exact, k being an exponent
    half_pi    in three parts
    """

    element: str
    integer: str
    suffix: str
    mantissa: int
    bias: int
    shift: float
    shift_bits: int
    sqrt_half: int
    ln2: tuple[float, float]
    half_pi: tuple[float, float, float]


DOUBLE = Format("double", "i64", "f64", 52, 1023, 6755399441055744.0, 0x4338000000000000, 0x3FE6A09E667F3BCD,
                (6.93147180369123816490e-01, 1.90821492927058770002e-10),
                (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33))
SINGLE = Format("float", "i32", "f32", 23, 127, 12582912.0, 0x4B400000, 0x3F3504F3,
                (0.693115234375, 3.194618329871446e-05),
                (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15))


def _operator(name: str) -> Callable[[V, float | V], V]:
    return lambda a, b: a.m.two(name, a, b)


def _reflected(name: str) -> Callable[[V, float | V], V]:
    return lambda a, b: a.m.two(name, a.m.const(b, a.kind), a)


def _comparison(name: str) -> Callable[[V, float | V], V]:
    return lambda a, b: a.m.compare(name, a, b)


class V:
    """A value of `m.lanes` lanes: kind "f" is a float of the format, "i" an integer of its size, "b" bool.

    A Python number beside it is a constant.
    """

    __slots__ = ("kind", "m", "name")

    def __init__(self, m: Math, name: str, kind: str):
        self.m, self.name, self.kind = m, name, kind

    __add__ = _operator("add")
    __sub__ = _operator("sub")
    __mul__ = _operator("mul")
    __truediv__ = _operator("div")
    __and__ = _operator("and")
    __or__ = _operator("or")
    __xor__ = _operator("xor")
    __lshift__ = _operator("shl")
    __rshift__ = _operator("ashr")
    __radd__ = _reflected("add")
    __rsub__ = _reflected("sub")
    __rmul__ = _reflected("mul")
    __rtruediv__ = _reflected("div")
    __rand__ = _reflected("and")
    __ror__ = _reflected("or")
    __rxor__ = _reflected("xor")
    __rlshift__ = _reflected("shl")
    __rrshift__ = _reflected("ashr")
    __lt__ = _comparison("lt")
    __le__ = _comparison("le")
    __gt__ = _comparison("gt")
    __ge__ = _comparison("ge")

    def __neg__(self) -> V:
        return self.m.line(f"fneg {self.m.F} {self.name}", "f")

    def __invert__(self) -> V:
        return self.m.line(f"xor {self.m.B} {self.name}, {self.m.splat('i1', 'true')}", "b")


class Math:
    """Writes one form of a function. `single`: the function is of f32, so short polynomials do; it computes in `format`."""

    def __init__(self, lanes: int, single: bool, format: Format = DOUBLE):
        self.lanes, self.single, self.format = lanes, single, format
        self.F, self.I, self.B = self.type(format.element), self.type(format.integer), self.type("i1")
        self.lines: list[str] = []
        self.declarations: dict[str, None] = {}
        self.block = "entry"
        self._count = 0

    def type(self, element: str) -> str:
        return element if self.lanes == 1 else f"<{self.lanes} x {element}>"

    def splat(self, element: str, literal: str) -> str:
        return literal if self.lanes == 1 else f"splat ({element} {literal})"

    def fresh(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def line(self, text: str, kind: str) -> V:
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return V(self, name, kind)

    def const(self, value: float | V, kind: str = "f") -> V:
        if isinstance(value, V):
            return value
        if kind == "f":
            rounded = np.float64(np.float32(value)) if self.format is SINGLE else np.float64(value)
            return V(self, self.splat(self.format.element, f"0x{rounded.view(np.uint64):016X}"), "f")
        return V(self, self.splat(self.format.integer, str(int(value))), "i")

    def two(self, name: str, a: V, b: float | V) -> V:
        b = self.const(b, a.kind)
        if a.kind == "f":
            return self.line(f"f{name} {self.F} {a.name}, {b.name}", "f")
        return self.line(f"{name} {self.I if a.kind == 'i' else self.B} {a.name}, {b.name}", a.kind)

    def compare(self, name: str, a: V, b: float | V) -> V:
        b = self.const(b, a.kind)
        if a.kind == "f":
            return self.line(f"fcmp o{name} {self.F} {a.name}, {b.name}", "b")
        return self.line(f"icmp {'s' if name not in ('eq', 'ne') else ''}{name} {self.I} {a.name}, {b.name}", "b")

    def eq(self, a: V, b: float | V) -> V:
        return self.compare("eq", a, b)

    def call(self, name: str, *args: V) -> V:
        """An LLVM intrinsic on floats."""
        suffix = self.format.suffix if self.lanes == 1 else f"v{self.lanes}{self.format.suffix}"
        self.declarations[f"declare {self.F} @llvm.{name}.{suffix}({', '.join([self.F] * len(args))})"] = None
        operands = ", ".join(f"{self.F} {self.const(a).name}" for a in args)
        return self.line(f"call {self.F} @llvm.{name}.{suffix}({operands})", "f")

    def fma(self, a: float | V, b: float | V, c: float | V) -> V:
        """a b + c, rounded once."""
        return self.call("fma", *map(self.const, (a, b, c)))

    def abs(self, x: V) -> V:
        return self.call("fabs", x)

    def sqrt(self, x: V) -> V:
        return self.call("sqrt", x)

    def copysign(self, x: float | V, sign: V) -> V:
        return self.call("copysign", self.const(x), sign)

    def floor(self, x: V) -> V:
        return self.call("floor", x)

    def select(self, cond: V, yes: float | V, no: float | V) -> V:
        kind = yes.kind if isinstance(yes, V) else no.kind if isinstance(no, V) else "f"
        t, yes, no = self.F if kind == "f" else self.I, self.const(yes, kind), self.const(no, kind)
        return self.line(f"select {self.B} {cond.name}, {t} {yes.name}, {t} {no.name}", kind)

    def bits(self, x: V) -> V:
        return self.line(f"bitcast {self.F} {x.name} to {self.I}", "i")

    def as_float(self, bits: V) -> V:
        """The float of these bits."""
        return self.line(f"bitcast {self.I} {bits.name} to {self.F}", "f")

    def choose(self, double: float, single: float) -> float:
        """A number that depends on the format."""
        return single if self.format is SINGLE else double

    def pick(self, double: tuple[float, ...], single: tuple[float, ...]) -> tuple[float, ...]:
        """The polynomial for f64, or the shorter one of f32."""
        return single if self.single else double

    def poly(self, x: V, coefficients: Sequence[float]) -> V:
        """c0 + c1 x + c2 x^2 …, in pairs (Estrin), so that few steps wait for each other."""
        terms, power = [self.const(c) for c in coefficients], x
        while len(terms) > 1:
            pairs = [self.fma(terms[k + 1], power, terms[k]) for k in range(0, len(terms) - 1, 2)]
            terms = pairs + terms[len(pairs) * 2:]
            power = power * power if len(terms) > 1 else power
        return terms[0]

    def rare(self, cond: V, value: V, name: str, *args: V) -> V:
        """value, but libm's `name` of the args in the lanes where cond holds: a branch that is hardly ever taken."""
        self.declarations[f"declare double @{name}({', '.join(['double'] * len(args))})"] = None
        if self.lanes == 1:
            any_ = cond.name
        else:
            mask = self.line(f"bitcast {self.B} {cond.name} to i{self.lanes}", "i").name
            any_ = self.line(f"icmp ne i{self.lanes} {mask}, 0", "b").name
        before = self.block
        self.lines += [f"  br i1 {any_}, label %rare, label %usual, !prof !{{!\"branch_weights\", i32 1, i32 1048575}}",
                       "rare:"]
        slow = self._one_by_one(name, args)
        picked = self.select(cond, slow, value)
        self.lines += ["  br label %usual", "usual:"]
        self.block = "usual"
        return self.line(f"phi {self.F} [{value.name}, %{before}], [{picked.name}, %rare]", "f")

    def _one_by_one(self, name: str, args: tuple[V, ...]) -> V:
        element, out = self.format.element, "poison"
        for k in range(self.lanes):
            parts = [a.name for a in args]
            if self.lanes > 1:
                parts = [self.line(f"extractelement {self.F} {p}, i32 {k}", "f").name for p in parts]
            if self.format is SINGLE:
                parts = [self.line(f"fpext float {p} to double", "f").name for p in parts]
            one = self.line(f"call double @{name}({', '.join(f'double {p}' for p in parts)})", "f").name
            if self.format is SINGLE:
                one = self.line(f"fptrunc double {one} to float", "f").name
            if self.lanes == 1:
                return V(self, one, "f")
            out = self.line(f"insertelement {self.F} {out}, {element} {one}, i32 {k}", "f").name
        return V(self, out, "f")

    def define(self, name: str, formula: Callable, arity: int) -> str:
        """The text of one form."""
        outer = self.type("float") if self.single else self.F
        widened = outer != self.F
        params = [f"%x{k}" for k in range(arity)]
        args = [V(self, p, "f") for p in params]
        if widened:
            args = [self.line(f"fpext {outer} {p} to {self.F}", "f") for p in params]
        out = formula(self, *args)
        if widened:
            out = self.line(f"fptrunc {self.F} {out.name} to {outer}", "f")
        head = f"define {outer} @{name}({', '.join(f'{outer} {p}' for p in params)}) nounwind {{"
        return "\n".join([head, "entry:", *self.lines, f"  ret {outer} {out.name}", "}"])
