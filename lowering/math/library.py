"""Elementary functions for machine code: straight-line LLVM IR over one number or a vector of them.

A function of math/functions.py is written once, on `V`, and made for one lane and for each vector width of the host. A kernel
calls the one-lane form; the call's attribute names the vector forms, and the loop vectoriser takes the one that it needs
(the vector function ABI). All forms compute the same bits. Each form is compiled once per process, when a kernel first needs
it, so a kernel that uses `tanh` compiles no slower.

Where a loop is serial, so that nothing is vectorised, libm's tables beat polynomials for some functions (`FAST_IN_LIBM`; and
`math` of CPython has the same bits).

Of f32, the common functions (`NATIVE`) compute in f32, the others in f64 with shorter polynomials, rounding at the end. Hosts
without fused multiply-add keep libm.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from ..native import engine, object_code, perf_map
from . import functions
from .formula_builder import DOUBLE, SINGLE, Math

# The vector registers in bits, by CPU feature: the widest, and its half for the loops that finish what the widest leaves.
WIDTHS = {"avx512f": (256, 512), "avx": (128, 256), "neon": (128,)}
FAST_IN_LIBM = frozenset({"exp", "exp2", "log", "log2", "pow", "asin", "acos", "hypot"})
NATIVE = frozenset({"exp", "expm1", "tanh", "log", "log1p", "sin", "cos", "tan"})
PURE = "nounwind willreturn memory(none)"


class Function(NamedTuple):
    """How a kernel calls a function: its name, number of operands, and the vector forms as {lanes: name}."""

    name: str
    arity: int
    kind: str
    vectors: dict[int, str]

    def declarations(self) -> list[str]:
        """The lines that declare all forms."""
        rows = [f"declare {self.kind} @{self.name}({', '.join([self.kind] * self.arity)}) {PURE}"]
        for lanes, name in self.vectors.items():
            vector = f"<{lanes} x {self.kind}>"
            rows.append(f"declare {vector} @{name}({', '.join([vector] * self.arity)}) {PURE}")
        return rows

    def attributes(self) -> str:
        """What a call says so that it can be vectorised."""
        forms = ",".join(f"_ZGV_LLVM_N{lanes}{'v' * self.arity}_{self.name}({name})" for lanes, name in self.vectors.items())
        return f'"vector-function-abi-variant"="{forms}"' if forms else ""


@cache
def widths() -> tuple[int, ...]:
    """The host's vector widths; () where functions stay in libm."""
    features = object_code.features()
    if not ({"fma", "neon"} & features):
        return ()
    return next((w for feature, w in WIDTHS.items() if feature in features), (128,))


def function(name: str, dtype: str, given: tuple[int, ...] | None = None) -> Function | None:
    """The function for libm's `name` and dtype "f32" or "f64"; None where libm serves. given: the vector widths of the machine
    that the code is for, where it is not this one."""
    return _function(name, dtype, widths() if given is None else given)


@cache
def _function(name: str, dtype: str, given: tuple[int, ...]) -> Function | None:
    formula = functions.FORMULAS.get(name)
    if formula is None or not given:
        return None
    bits, full = (32, f"vecmath.{name}.f32") if dtype == "f32" else (64, f"vecmath.{name}.f64")
    vectors = {w // bits: f"{full}.v{w // bits}" for w in given}
    return Function(full, arity(formula), "float" if bits == 32 else "double", vectors)


def arity(formula: Callable) -> int:
    return formula.__code__.co_argcount - 1


def text(forms: list[str]) -> str:
    """The LLVM IR of forms such as "exp.f64" (of one number) or "exp.f64.v8"."""
    parts: list[str] = []
    declarations: dict[str, None] = {}
    for form in forms:
        name, dtype, *vector = form.split(".")
        native = dtype == "f32" and name in NATIVE
        m = Math(int(vector[0][1:]) if vector else 1, dtype == "f32", SINGLE if native else DOUBLE)
        formula = functions.FORMULAS[name]
        parts.append(m.define("vecmath." + form, formula, arity(formula)))
        declarations |= m.declarations
    return "\n".join([*declarations, *parts])


_code: list[engine.Code] = []            # keeps what has been compiled


def _addresses(forms: list[str]) -> list[int]:
    code = engine.compile_named("vecmath " + " ".join(forms), lambda: text(forms))
    _code.append(code)
    perf_map.note_helpers(code, "vecmath." + forms[0])
    return [code.address("vecmath." + form) for form in forms]


engine.PROVIDERS["vecmath"] = _addresses
