"""Elementwise ops on scalars: interprets the recipes of ir/ops/scalar_expansions.py into lines of LLVM IR.

A value here is (operand, dtype): the operand is a register or literal, of a complex number a pair of them; bool is i1.

Floating-point flags. A real add, sub, mul … rounds as Python's does. It does not contract with its neighbour into a fused
multiply-add: `b * b - a * c` would no longer be 0 where NumPy gives 0, a chaotic orbit would leave NumPy's, and a chain of
additions would wait for the multiplier too (4 cycles a term instead of 2 on Zen 5). One marked `reassoc` (a reduction) may be
reordered; `fastmath` allows both everywhere, and reciprocals and approximate functions. What a recipe composes (complex
products, floor division …) keeps the order that the recipe gives, because its exactness rests on it.
"""
from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.errors import IRError
from ...ir.opdef import OPS, Elementwise
from ...ir.ops.scalar_expansions import Loop, Node, rule_of
from ...ir.ops.special.called import is_apart, recipe
from ...ir.types import BOOL, C64, C128, DTYPES, F16, F32, F64, I64, INDEX, DType
from ..libraries import scipy_ufuncs
from ..loopir.grammar import Imm, Let
from ..math import library
from ..math.root_powers import ROOT_POWERS

if TYPE_CHECKING:
    from ...ir.ops.special.library import Routine
    from .emit import Emitter

TYPE = {"bool": "i1", "f16": "float", "f32": "float", "f64": "double",
        **{name: f"i{d.bits}" for name, d in DTYPES.items() if d.kind in "iux"}}
FLAGS = {(False, False): "", (True, False): " reassoc nsz contract",
         (False, True): " reassoc nsz arcp contract afn", (True, True): " reassoc nsz arcp contract afn"}
_ARITHMETIC = frozenset({"fadd", "fsub", "fmul", "fdiv", "fneg", "frem"})
_PURE = "nounwind willreturn memory(none)"


@cache
def rule(op: str, kind: str) -> Node | tuple[str, ...]:
    """The rule of an elementwise op for operands of a kind."""
    defn = OPS.get(op)
    if isinstance(defn, Elementwise):
        with suppress(KeyError):
            return rule_of(defn.recipe, kind)
    raise IRError(f"loop IR: {op} has no recipe for dtypes of kind {kind!r}")


@cache
def apart(op: str, dtype: DType) -> Node | None:
    """The tree of an op that is a function of its own: a long formula that is used often, or one with a loop in it, of which
    no vectors are made."""
    if dtype.kind != "f" or dtype is F16:
        return None
    if is_apart(op):
        return recipe(op, dtype)
    tree = rule(op, "f")
    return tree if isinstance(tree, Node) and _has_loop(tree) else None


def _has_loop(tree: Node) -> bool:
    todo, seen = [tree], set[int]()
    while todo:
        node = todo.pop()
        if node.op == "after":
            return True
        if id(node) not in seen:
            seen.add(id(node))
            todo += [a for a in node.args if isinstance(a, Node)]
    return False


def letters(dtype: DType) -> str:
    """The suffix of an intrinsic's name."""
    return {"float": "f32", "double": "f64"}.get(TYPE[dtype.name], TYPE[dtype.name])


def float_literal(value: float) -> str:
    """A literal of double; also of float, whose literals LLVM writes as the double of equal value."""
    return f"0x{np.float64(value).view(np.uint64):016X}"


def literal(value: float, dtype: DType) -> str | tuple[str, str]:
    """A Python number as an operand of the dtype."""
    kind = dtype.kind
    if kind == "f":
        return float_literal(float(dtype.np.type(value)))
    if kind == "c":
        value = complex(dtype.np.type(value))
        return float_literal(value.real), float_literal(value.imag)
    if kind == "b":
        return "true" if value else "false"
    return str(int(value))


_INFINITE = {float_literal(np.inf): "infinite", float_literal(-np.inf): "minus.infinite"}


class Scalars:
    """Writes elementwise ops with an emitter, which provides `fresh`, `label`, `start`, `lines` and `declare`."""

    def __init__(self, out: Emitter, fastmath: bool):
        self.out, self.fastmath = out, fastmath
        self.flags = self.hint = ""

    def let(self, s: Let) -> Any:
        """The operand of a Let's target."""
        args = [(self.out.reg(a), F32 if a.dtype is F16 else a.dtype) for a in s.args]
        if s.op in _INDEX:
            return _INDEX[s.op](self, *args)
        if s.target.dtype is not F16:
            return self._made(s, args, s.target.dtype)
        if args[0][1].real is F64:
            args = [self._to_odd(self.cast_to(args[0], F64)[0])]
        half = self.line(f"fptrunc float {self._made(s, args, F32)} to half", F16)[0]
        return self.line(f"fpext half {half} to float", F32)[0]

    def _to_odd(self, x: str) -> tuple[str, DType]:
        """A double as a float that says, by an odd last bit, that it is not exact: rounding it again rounds the double once
        (Boldo and Melquiond, When double rounding is odd, 2005)."""
        near = self.line(f"fptrunc double {x} to float", F32)[0]
        back = self.line(f"fpext float {near} to double", F64)[0]
        size, had = (self.call("llvm.fabs.f64", [(v, F64)], F64, attributes="")[0] for v in (back, x))
        beyond = self.line(f"fcmp ogt double {size}, {had}", BOOL)[0]
        other = self.line(f"fcmp one double {back}, {x}", BOOL)[0]
        bits = self.line(f"bitcast float {near} to i32", I64)[0]
        less = self.line(f"zext i1 {beyond} to i32", I64)[0]
        odd = self.line(f"zext i1 {other} to i32", I64)[0]
        cut = self.line(f"sub i32 {bits}, {less}", I64)[0]
        found = self.line(f"or i32 {cut}, {odd}", I64)[0]
        return self.line(f"bitcast i32 {found} to float", F32)

    def _made(self, s: Let, args: Any, target: DType) -> str | tuple[str, ...]:
        if (tree := apart(s.op, args[-1][1])) is not None:
            return self.called(s.op, tree, args)[0]
        top = self._root_power(s, args) or rule(s.op, args[-1][1].kind)
        self.hint = self.out.unpredictable(s.args[0]) if s.op == "select" else ""
        if isinstance(top, tuple):
            self.flags = FLAGS[s.reassoc, self.fastmath]
            return _RULES[top[0]](self, top, args, target)[0]
        self.flags = " reassoc nsz" if s.reassoc else ""
        return _Tree(self, args, target).make(top)[0]

    def _root_power(self, s: Let, args: Any) -> Node | None:
        """The rule of a power whose exponent is half an odd number, where the machine has what that needs."""
        if s.op != "pow" or type(s.args[1]) is not Imm or args[0][1].kind != "f":
            return None
        found = ROOT_POWERS.get(s.args[1].value)
        return found and library.function("pow", "f64", self.out.module.widths) and found[args[0][1] is F32]

    def called(self, op: str, tree: Node, args: Any) -> Any:
        """A call of the module's own function for an op, which is written at the first use."""
        dtype = args[-1][1]
        kind, name = TYPE[dtype.name], f"apart_{op}_{dtype.name}"
        if name not in self.out.module.apart:
            self.out.module.apart.add(name)
            out = self.out.beside()
            value = _Tree(out.scalars, [(f"%a{k}", dtype) for k in range(len(args))], dtype).make(tree)[0]
            params = ", ".join(f"{kind} %a{k}" for k in range(len(args)))
            self.out.module.functions.append("\n".join([
                f"define internal {kind} @{name}({params}) noinline {_PURE} {{", "entry:", *out.entry, "  br label %body",
                "body:", *out.lines, f"  ret {kind} {value}", "}"]))
        return self.line(f"call {kind} @{name}({', '.join(f'{kind} {a[0]}' for a in args)})", dtype)

    def line(self, text: str, dtype: DType) -> tuple[str, DType]:
        """Give the value that `text` computes a register."""
        register = self.out.fresh()
        self.out.lines.append(f"  {register} = {text}")
        return register, dtype

    def _outside(self, i: tuple[str, DType], n: tuple[str, DType]) -> str:
        return self.line(f"icmp uge i64 {i[0]}, {n[0]}", BOOL)[0]

    def _wrap(self, i: tuple[str, DType], n: tuple[str, DType]) -> str:
        negative = self.line(f"icmp slt i64 {i[0]}, 0", BOOL)[0]
        moved = self.line(f"add i64 {i[0]}, {n[0]}", INDEX)[0]
        return self.line(f"select i1 {negative}, i64 {moved}, i64 {i[0]}", INDEX)[0]

    def _pick(self, cond: Any, yes: Any, no: Any) -> Any:
        return self.line(f"select i1 {cond[0]}, i64 {yes[0]}, i64 {no[0]}, !unpredictable !{self.out.empty()}", INDEX)[0]

    # --- rules: each takes (rule, arguments, dtype of the Let's target) and gives a value ---------------------------------

    def instr(self, rule: tuple[str, ...], args: list[tuple[str, DType]], target: DType) -> tuple[str, DType]:
        dtype = args[-1][1]
        flags = self.flags if rule[1] in _ARITHMETIC else ""
        return self.line(f"{rule[1]}{flags} {TYPE[dtype.name]} {', '.join(a[0] for a in args)}", dtype)

    def compare(self, rule: tuple[str, ...], args: list[tuple[str, DType]], target: DType) -> tuple[str, DType]:
        (a, dtype), (b, _) = args
        return self.line(f"{rule[0]} {rule[1]} {TYPE[dtype.name]} {a}, {b}", BOOL)

    def intrinsic(self, rule: tuple[str, ...], args: list[tuple[str, DType]], target: DType) -> tuple[str, DType]:
        dtype = args[-1][1]
        name = f"llvm.{rule[1]}.{letters(dtype)}"
        flags = (self.flags + " nsz" if rule[1] in ("maximum", "minimum") and "nsz" not in self.flags else self.flags)
        return self.call(name, args, dtype, flags if dtype.kind == "f" else "", attributes="")

    def call(self, name: str, args: list[tuple[str, DType]], dtype: DType, flags: str = "",
             attributes: str = _PURE) -> tuple[str, DType]:
        """A call of a function whose arguments and value are of one real dtype."""
        kind = TYPE[dtype.name]
        self.out.declare(f"declare {kind} @{name}({', '.join([kind] * len(args))}) {attributes}".rstrip())
        return self.line(f"call{flags} {kind} @{name}({', '.join(f'{kind} {a[0]}' for a in args)})", dtype)

    def libm(self, rule: tuple[str, ...], args: list[tuple[str, DType]], target: DType) -> tuple[str, DType]:
        dtype, name = args[-1][1], rule[1]
        own = library.function(name, dtype.name, self.out.module.widths)
        if own is not None and not (self.out.serial and name in library.FAST_IN_LIBM):
            group, kind = self.out.vectorisable(own), TYPE[dtype.name]
            return self.line(f"call {kind} @{own.name}({', '.join(f'{kind} {a[0]}' for a in args)}) {group}", dtype)
        return self.call(name + ("f" if dtype is F32 else ""), args, dtype)

    def exact(self, rule: tuple[str, ...], args: list[tuple[str, DType]], target: DType) -> tuple[str, DType]:
        return self.call(rule[1], args, args[-1][1])

    def clibm(self, rule: tuple[str, ...], args: list[tuple[tuple, DType]], target: DType) -> tuple[tuple[str, ...], DType]:
        """A C function of complex numbers: how they are passed is the platform's convention."""
        dtype = args[-1][1]
        if dtype is C64 and platform.machine() in ("x86_64", "AMD64"):
            return self._packed(rule[1] + "f", args)
        part = TYPE[dtype.real.name]
        name = rule[1] + ("f" if dtype is C64 else "")
        operands = ", ".join(f"{part} {half}" for a in args for half in a[0])
        self.out.declare(f"declare {{{part}, {part}}} @{name}({', '.join([part] * (2 * len(args)))}) {_PURE}")
        pair = self.line(f"call {{{part}, {part}}} @{name}({operands})", dtype)[0]
        return tuple(self.line(f"extractvalue {{{part}, {part}}} {pair}, {k}", dtype)[0] for k in range(2)), dtype

    def _packed(self, name: str, args: Any) -> Any:
        """x86-64 passes a float complex as two floats in one vector register."""
        vectors = []
        for (re, im), _ in args:
            half = self.line(f"insertelement <2 x float> poison, float {re}, i32 0", C64)[0]
            vectors.append(self.line(f"insertelement <2 x float> {half}, float {im}, i32 1", C64)[0])
        self.out.declare(f"declare <2 x float> @{name}({', '.join(['<2 x float>'] * len(args))}) {_PURE}")
        pair = self.line(f"call <2 x float> @{name}({', '.join('<2 x float> ' + v for v in vectors)})", C64)[0]
        return tuple(self.line(f"extractelement <2 x float> {pair}, i32 {k}", C64)[0] for k in range(2)), C64

    def scipy(self, rule: tuple[str, Routine], args: list[tuple[str, DType]], target: DType) -> tuple[str, DType]:
        return scipy_ufuncs.call(self, rule[1], args, target)

    def fits(self, rule: tuple[str, ...], args: list[tuple[str, DType]], target: DType) -> tuple[str, DType]:
        kind, name = TYPE[args[-1][1].name], f"llvm.{rule[1]}.with.overflow.{letters(args[-1][1])}"
        self.out.declare(f"declare {{{kind}, i1}} @{name}({kind}, {kind})")
        pair = self.line(f"call {{{kind}, i1}} @{name}({', '.join(f'{kind} {a[0]}' for a in args)})", BOOL)[0]
        over = self.line(f"extractvalue {{{kind}, i1}} {pair}, 1", BOOL)[0]
        return self.line(f"xor i1 {over}, true", BOOL)

    def signbit(self, rule: tuple[str, ...], args: list[tuple[str, DType]], target: DType) -> tuple[str, DType]:
        value, dtype = args[0]
        bits = f"i{dtype.bits}"
        raw = self.line(f"bitcast {TYPE[dtype.name]} {value} to {bits}", dtype)[0]
        return self.line(f"icmp slt {bits} {raw}, 0", BOOL)

    def part(self, rule: tuple[str, ...], args: list[tuple[tuple, DType]], target: DType) -> tuple[str, DType]:
        value, dtype = args[0]
        return value[0 if rule[0] == "real" else 1], dtype.real

    def complex_(self, rule: tuple[str, ...], args: list[tuple[str, DType]], target: DType) -> tuple[tuple[str, ...], DType]:
        (re, dtype), (im, _) = args
        return (re, im), C64 if dtype is F32 else C128

    def select(self, rule: tuple[str, ...], args: list[tuple[str | tuple, DType]],
               target: DType) -> tuple[str | tuple[str, ...], DType]:
        (cond, _), (yes, dtype), (no, _) = args
        if dtype.kind == "f":
            yes, no = self._unfolded(yes, dtype), self._unfolded(no, dtype)
        if not dtype.complex:
            return self.line(f"select i1 {cond}, {(kind := TYPE[dtype.name])} {yes}, {kind} {no}{self.hint}", dtype)
        kind = TYPE[dtype.real.name]
        return tuple(self.line(f"select i1 {cond}, {kind} {y}, {kind} {n}", dtype)[0]
                     for y, n in zip(yes, no, strict=True)), dtype

    def _unfolded(self, operand: Any, dtype: DType) -> Any:
        """An infinite literal as a value that LLVM does not know: max(best, select(mask, x, -inf)) it would turn into
        select(mask, max(best, x), best), a branch in each iteration, which nothing vectorises."""
        sign = _INFINITE.get(operand)
        if sign is None:
            return operand
        kind = TYPE[dtype.name]
        name = f"@{sign}.{kind}"
        self.out.declare(f"{name} = internal externally_initialized constant {kind} {operand}")
        return self.line(f"load {kind}, ptr {name}, !invariant.load !{self.out.empty()}", dtype)[0]

    def copy(self, rule: tuple[str, ...], args: list[tuple[str, DType]], target: DType) -> tuple[str, DType]:
        return args[0]

    def cast(self, rule: tuple[str, ...], args: list[tuple[str, DType]], target: DType) -> tuple[str, DType]:
        return self.cast_to(args[0], target if len(rule) == 1 else DTYPES[rule[1]])

    # --- casts ------------------------------------------------------------------------------------------------------------

    def cast_to(self, value: Any, to: DType) -> Any:
        operand, dtype = value
        if dtype is to:
            return value
        if to is BOOL:
            return self._truth(operand, dtype)
        if to.complex:
            parts = operand if dtype.complex else (operand, literal(0, dtype) if dtype is not BOOL else "false")
            return tuple(self.cast_to((p, dtype.real), to.real)[0] for p in parts), to
        if dtype.complex:
            return self.cast_to((operand[0], dtype.real), to)
        return self._real(operand, dtype, to)

    def _truth(self, operand: str, dtype: DType) -> Any:
        kind = TYPE[dtype.real.name]
        if dtype.kind in "fc":
            parts = operand if dtype.complex else (operand,)
            tests = [self.line(f"fcmp une {kind} {p}, 0.0", BOOL)[0] for p in parts]
            return self.line(f"or i1 {tests[0]}, {tests[1]}", BOOL) if dtype.complex else (tests[0], BOOL)
        return self.line(f"icmp ne {kind} {operand}, 0", BOOL)

    def _real(self, operand: str, dtype: DType, to: DType) -> tuple[str, DType]:
        a, b = TYPE[dtype.name], TYPE[to.name]
        if dtype.kind == "f":
            if to.kind == "f":
                return self.line(f"{'fpext' if to is F64 else 'fptrunc'} {a} {operand} to {b}", to)
            return self._truncate(operand, dtype, to)
        signed = dtype.kind in "ix"
        if to.kind == "f" and dtype is BOOL:           # as vectors one instruction; a conversion takes three
            return self.line(f"select i1 {operand}, {b} {float_literal(1.0)}, {b} {float_literal(0.0)}", to)
        if to.kind == "f":
            return self.line(f"{'sitofp' if signed else 'uitofp'} {a} {operand} to {b}", to)
        if a == b:
            return operand, to
        opcode = "trunc" if to.bits < dtype.bits else "sext" if signed else "zext"
        return self.line(f"{opcode} {a} {operand} to {b}", to)

    def _truncate(self, operand: str, dtype: DType, to: DType) -> tuple[str, DType]:
        """Float to integer as C compilers do it on x86: small integers by way of i32, u32 of i64."""
        a = TYPE[dtype.name]
        if to.kind == "u" and to.bits == 64:
            limit = float_literal(2.0 ** 63)
            large = self.line(f"fcmp oge {a} {operand}, {limit}", BOOL)[0]
            less = self.line(f"fsub {a} {operand}, {limit}", dtype)[0]
            low = self.line(f"select i1 {large}, {a} {less}, {a} {operand}", dtype)[0]
            raw = self.line(f"fptosi {a} {low} to i64", I64)[0]
            frozen = self.line(f"freeze i64 {raw}", I64)[0]
            top = self.line(f"select i1 {large}, i64 {-2 ** 63}, i64 0", I64)[0]
            return self.line(f"xor i64 {frozen}, {top}", to)
        wide = "i64" if to.bits == 64 or to.name == "u32" else "i32"
        raw = self.line(f"fptosi {a} {operand} to {wide}", I64)[0]
        frozen = self.line(f"freeze {wide} {raw}", I64)[0]
        if wide == TYPE[to.name]:
            return frozen, to
        return self.line(f"trunc {wide} {frozen} to {TYPE[to.name]}", to)


_INDEX: dict[str, Callable[..., str]] = {"wrap": Scalars._wrap, "outside": Scalars._outside, "pick": Scalars._pick}
_RULES: dict[str, Callable[..., Any]] = {
          "instr": Scalars.instr, "icmp": Scalars.compare, "fcmp": Scalars.compare, "intrinsic": Scalars.intrinsic,
          "libm": Scalars.libm, "clibm": Scalars.clibm, "exact": Scalars.exact, "scipy": Scalars.scipy, "fits": Scalars.fits,
          "signbit": Scalars.signbit, "real": Scalars.part,
          "imag": Scalars.part, "complex": Scalars.complex_, "select": Scalars.select, "copy": Scalars.copy,
          "cast": Scalars.cast}


class _Tree:
    """One use of a tree: `args` are the op's operands, `made` the values of its nodes so far, by identity."""

    def __init__(self, scalars: Scalars, args: list[tuple[str | tuple, DType]], target: DType, variables: Sequence = ()):
        self.scalars, self.args, self.target, self.variables = scalars, args, target, variables
        self.made: dict[int, tuple] = {}
        self.loops: dict[int, list[tuple[str, DType]]] = {}

    def make(self, node: Node) -> tuple[str | tuple[str, ...], DType]:
        """The value of a node."""
        found = self.made.get(id(node))
        if found is None:
            self.made[id(node)] = found = self._make(node)
        return found

    def _make(self, node: Node) -> tuple[str | tuple[str, ...], DType]:
        op = node.op
        if op == "arg":
            return self.args[node.args[0]]
        if op == "const":
            return self._const(node, self.args[-1][1].real if len(node.args) == 1 else DTYPES[node.args[1]])
        if op == "var":
            return self.variables[node.args[0]]
        if op == "after":
            loop, k = node.args
            if id(loop) not in self.loops:
                self.loops[id(loop)] = self._loop(loop)
            return self.loops[id(loop)][k]
        return self._apply(op, self._operands(op, node.args))

    def _operands(self, op: Any, nodes: tuple[Node, ...]) -> list[tuple[str | tuple, DType]]:
        """The values of a node's arguments; constants take the dtype of the first that is none."""
        values = [None if n.op == "const" and len(n.args) == 1 else self.make(n) for n in nodes]
        typed = values[1:] if op in ("select", ("select",)) else values
        like = next((v[1].real for v in typed if v is not None), self.args[-1][1].real)
        return [self._const(n, like) if v is None else v for n, v in zip(nodes, values, strict=True)]

    def _const(self, node: Node, dtype: DType) -> Any:
        value = node.args[0]
        if value == "bits":
            value = dtype.bits
        return literal(value, dtype), dtype

    def _apply(self, op: str | tuple[str, ...], args: list[tuple[str | tuple, DType]]) -> Any:
        if isinstance(op, str):
            if (tree := apart(op, args[-1][1])) is not None:
                return self.scalars.called(op, tree, args)
            inner = rule(op, args[-1][1].kind)
            if isinstance(inner, Node):
                return _Tree(self.scalars, args, self.target).make(inner)
            op = inner
        target = self.target
        if op == ("cast", "operand"):
            op, target = ("cast",), self.args[-1][1]
        return _RULES[op[0]](self.scalars, op, args, target)

    def _loop(self, loop: Loop) -> list[tuple[str, DType]]:
        """The loop as blocks, and the last values of its variables."""
        out = self.scalars.out
        inits = [self.make(n) for n in loop.inits]
        dtype = next((v[1] for n, v in zip(loop.inits, inits, strict=True) if n.op != "const"), self.args[-1][1])
        inits = [self._const(n, dtype) if n.op == "const" else v for n, v in zip(loop.inits, inits, strict=True)]
        head, body, done, before = out.label(), out.label(), out.label(), out.block
        out.jump(head)
        out.start(head)
        registers = [(out.fresh(), v[1]) for v in inits]
        at = len(out.lines)
        out.lines += [""] * len(registers)
        inside = _Tree(self.scalars, self.args, self.target, registers)
        cond = inside.make(loop.cond)[0]
        out.lines.append(f"  br i1 {cond}, label %{body}, label %{done}")
        out.start(body)
        steps = [inside.make(n)[0] for n in loop.steps]
        for k, ((register, kind), (init, _), step) in enumerate(zip(registers, inits, steps, strict=True)):
            out.lines[at + k] = f"  {register} = phi {TYPE[kind.name]} [{init}, %{before}], [{step}, %{out.block}]"
        out.jump(head)
        out.start(done)
        out.innermost = False
        return registers

