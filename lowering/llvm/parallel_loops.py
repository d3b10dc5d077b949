"""A parallel loop in LLVM IR: its body is a function of its own, which the pool calls for one chunk after the other.

    before      closure <- what the body uses from outside;  number of chunks, where it depends on run-time lengths
    launch      native/threads.py
    body        (closure, from, to, chunk, asks, error): what the closure has becomes `noalias` parameters of a second function
                a sum starts from the neutral element and is left in `partial[chunk]`; an array that is added to is of the chunk
    after       sums = op(sums, partial[0]), op(…, partial[1]) …; arrays likewise

The body has its own stack and workspace, so whatever it allocates is private to a chunk. What it uses from outside is found
while it is written: a scalar, or a buffer's pointer, that it does not know is asked of the function around it.
"""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...ir.errors import IRError
from ...ir.thresholds import sizes
from ...ir.types import BOOL, INDEX, DType
from ..loopir.grammar import (
    Alloc,
    Buffer,
    Fill,
    For,
    Get,
    Imm,
    Let,
    Load,
    Scalar,
    Set,
    Size,
    Spread,
    Store,
    Var,
)
from ..loopir.passes.parallelize import COPIED, chunks_of, length_of
from ..loopir.passes.reduction_steps import REDUCED
from ..native.threads import LAUNCH
from .scalar import float_literal

if TYPE_CHECKING:
    from .emit import Emitter

_CHUNK = "i64 %from, i64 %to, i64 %chunk, i1 %asks, ptr "


def write(out: Emitter, s: For, spread: Spread) -> None:
    """Write a parallel loop. One of unknown length begins with a look at its work: often it is one chunk, which needs no pool;
    inside of another loop it then stands here, too."""
    number = chunks_of(spread, s.trip)
    if number is not None and isinstance(s.trip, int):
        length = length_of(s.trip, number)
        return _whole(out, s, spread, -(-s.trip // length), length)
    counting = _Counting(out, s, spread)
    if out.depth:
        return out.either(counting.enough, lambda: _whole(out, s, spread, *counting.division()), lambda: out.serial_for(s))
    return _whole(out, s, spread, *counting.division(), counting.enough)


def _whole(out: Emitter, s: For, spread: Spread, number: Size, length: Size, enough: str = "") -> None:
    """The loop with what stands before and after it. enough: a register, whether the pool is to be asked."""
    parts = _Parts(out, spread, number)
    body, name = _body(out, s, parts)
    code = out.fresh()

    def share() -> None:
        closure = _closure(out, body.captured)
        out.declare(LAUNCH)
        out.lines.append(f"  {code} = call i32 @threads.launch(ptr @{name}.chunk, ptr {closure}, i64 {out.index(s.trip)}, "
                         f"i64 {out.index(length)}, i64 {out.kernel.threads}, ptr %error)")
        out.leave(code)

    def alone() -> None:
        only = out.fresh()
        passed = [*(f"{kind} {there}" for kind, there, _ in body.captured),
                  f"i64 0, i64 {out.index(s.trip)}, i64 0, i1 {out.asks}, ptr %error"]
        out.lines.append(f"  {only} = call i32 @{name}({', '.join(passed)})")
        out.leave(only)

    if enough:
        out.either(enough, share, alone)
    else:
        share()
    out.innermost = False
    out.body(parts.after())


def _body(out: Emitter, s: For, parts: _Parts) -> tuple[Emitter, str]:
    """Write the functions of a chunk; (the writer, the name of the function proper)."""
    kernel = out.kernel
    name = f"{kernel.symbol}.loop{next(out.module.loops)}"
    inner = type(out)(replace(kernel, params=[], body=s.body, notes=[], loops=[]), out.fastmath, out.module, out)
    first, count, chunk, local = (Scalar(INDEX) for _ in range(4))
    inner.asks = "%asks"
    inner.regs |= {first: "%from", count: "%count", chunk: "%chunk"}
    inner.lines.append("  %count = sub nsw i64 %to, %from")
    parts.place(inner)
    loop = For(local, count, [Let(s.index, "add", (local, first)), *s.body], apart=s.apart)
    text = inner.function(f"define internal i32 @{name}", lambda: [*inner.parameters(), _CHUNK + "noalias %error"],
                          [*parts.before(), loop, *parts.found(chunk)])
    out.module.functions += [text, _unpacking(name, inner.captured)]
    return inner, name


def _closure(out: Emitter, captured: list[tuple[str, str, str]]) -> str:
    """Memory with what the body uses from outside."""
    closure = out.alloca(f"[{max(len(captured), 1)} x i64]", 8)
    for k, (kind, there, _) in enumerate(captured):
        field = out.fresh()
        out.lines += [f"  {field} = getelementptr inbounds i64, ptr {closure}, i64 {k}",
                      f"  store {kind} {there}, ptr {field}, align 8"]
    return closure


def _unpacking(name: str, captured: list[tuple[str, str, str]]) -> str:
    """The function that the pool calls: what stands in the closure becomes parameters."""
    lines = [f"define internal i32 @{name}.chunk(ptr %closure, {_CHUNK}%error) nounwind {{"]
    for k, (kind, _, _) in enumerate(captured):
        lines += [f"  %f{k} = getelementptr inbounds i64, ptr %closure, i64 {k}", f"  %x{k} = load {kind}, ptr %f{k}, align 8"]
    passed = [*(f"{kind} %x{k}" for k, (kind, _, _) in enumerate(captured)), _CHUNK + "%error"]
    return "\n".join([*lines, f"  %code = call i32 @{name}({', '.join(passed)})", "  ret i32 %code", "}"])


class _Counting:
    """How many chunks, from lengths that are known at run time, in floating-point numbers."""

    def __init__(self, out: Emitter, s: For, spread: Spread):
        self.out, self.s, self.spread = out, s, spread
        self.work, self.enough = self._work(spread), out.fresh()
        least = max(float(sizes.parallel), 0.5)                      # a loop without iterations never goes to the pool
        out.lines.append(f"  {self.enough} = fcmp oge double {self.work}, {float_literal(least)}")

    def division(self) -> tuple[Scalar, Scalar]:
        out, spread = self.out, self.spread
        trip = out.index(self.s.trip)
        work, enough = self.work, self.enough
        number = self._op("fdiv", work, float_literal(float(max(sizes.grain, 1))))
        number = self._least(number, float_literal(float(spread.most)))
        for b in spread.shared:
            count = self._op("fmul", self._float(out.product(b.dims)), float_literal(float(COPIED)))
            number = self._least(number, self._op("fdiv", work, self._op("fadd", count, float_literal(1.0))))
        number = self._least(number, self._float(trip))
        wanted, whole = out.fresh(), out.fresh()
        out.lines += [f"  {wanted} = select i1 {enough}, double {number}, double {float_literal(1.0)}",
                      f"  {whole} = fptosi double {wanted} to i64"]
        out.declare("declare i64 @llvm.smax.i64(i64, i64)")
        chunks, above, less, length, long, up, even, final = (out.fresh() for _ in range(8))
        out.lines += [f"  {chunks} = call i64 @llvm.smax.i64(i64 {whole}, i64 1)",
                      f"  {above} = add i64 {trip}, {chunks}", f"  {less} = sub i64 {above}, 1",
                      f"  {length} = sdiv i64 {less}, {chunks}", f"  {long} = icmp sge i64 {length}, 64",
                      f"  {up} = add i64 {length}, 7", f"  {even} = and i64 {up}, -8",
                      f"  {final} = select i1 {long}, i64 {even}, i64 {length}"]
        size, parts = out.fresh(), out.fresh()
        out.lines += [f"  {size} = call i64 @llvm.smax.i64(i64 {final}, i64 1)"]
        ahead, last, counted = out.fresh(), out.fresh(), out.fresh()
        # a loop without iterations is one chunk all the same: its body leaves what it starts from in the first part
        out.lines += [f"  {ahead} = add i64 {trip}, {size}", f"  {last} = sub i64 {ahead}, 1",
                      f"  {counted} = sdiv i64 {last}, {size}", f"  {parts} = call i64 @llvm.smax.i64(i64 {counted}, i64 1)"]
        return self._scalar(parts), self._scalar(size)

    def _scalar(self, register: str) -> Scalar:
        made = Scalar(INDEX)
        self.out.regs[made] = register
        return made

    def _work(self, spread: Spread) -> str:
        total = float_literal(0.0)
        for key, factor in spread.work.items():
            term = float_literal(float(factor))
            for length in key:
                term = self._op("fmul", term, self._float(self.out.index(length)))
            total = self._op("fadd", total, term)
        return total

    def _float(self, x: str) -> str:
        made = self.out.fresh()
        self.out.lines.append(f"  {made} = sitofp i64 {x} to double")
        return made

    def _op(self, op: str, a: str, b: str) -> str:
        made = self.out.fresh()
        self.out.lines.append(f"  {made} = {op} double {a}, {b}")
        return made

    def _least(self, a: str, b: str) -> str:
        self.out.declare("declare double @llvm.minnum.f64(double, double)")
        made = self.out.fresh()
        self.out.lines.append(f"  {made} = call double @llvm.minnum.f64(double {a}, double {b})")
        return made


class _Parts:
    """What chunks find and leave behind: numbers of reductions, and arrays that they add to."""

    def __init__(self, out: Emitter, spread: Spread, number: Size):
        self.out, self.number = out, number
        self.given = [(var, Scalar(var.dtype)) for var in spread.given]
        out.body([Get(got, var) for var, got in self.given])
        self.sums = [(var, op, Buffer("partial", var.dtype, (spread.most,), "stack")) for var, op in spread.sums.items()]
        self.shared = [(b, Buffer("partial", b.dtype, (number, self._count(b)), "heap")) for b in spread.shared]
        out.body([Alloc(partial) for _, _, partial in self.sums] + [Alloc(partial) for _, partial in self.shared])

    def _count(self, b: Buffer) -> Size:
        if b.static:
            return b.count
        made = Scalar(INDEX)
        self.out.regs[made] = self.out.product(b.dims)
        return made

    def place(self, inner: Emitter) -> None:
        """Where a chunk finds the arrays that it adds to."""
        for b, partial in self.shared:
            inner.storage.bases[b] = row = inner.fresh()
            size = inner.times(inner.index(partial.dims[1]), b.dtype.size)
            offset = inner.times("%chunk", size)
            inner.lines.append(f"  {row} = getelementptr inbounds i8, ptr {inner.storage.base(partial)}, i64 {offset}")

    def before(self) -> list:
        """At the start of a chunk."""
        return [*(Set(var, got) for var, got in self.given), *(Set(var, neutral(op, var.dtype)) for var, op, _ in self.sums),
                *(Fill(b, Imm(b.dtype.np.type(0).item(), b.dtype)) for b, _ in self.shared)]

    def found(self, chunk: Scalar) -> list:
        """At the end of a chunk."""
        statements = []
        for var, _, partial in self.sums:
            got = Scalar(var.dtype)
            statements += [Get(got, var), Store(partial, (chunk,), got)]
        return statements

    def after(self) -> list:
        """When all are done."""
        k = Scalar(INDEX)
        body = [t for var, op, partial in self.sums for t in _combine(k, var, op, partial)]
        body += [_add_all(k, b, partial) for b, partial in self.shared]
        return [For(k, self.number, body)] if body else []


def _combine(k: Scalar, var: Var, op: str, partial: Buffer) -> list:
    now, found, combined = (Scalar(var.dtype) for _ in range(3))
    return [Get(now, var), Load(found, partial, (k,)), Let(combined, REDUCED[op], (now, found)), Set(var, combined)]


def _add_all(k: Scalar, b: Buffer, partial: Buffer) -> For:
    j = Scalar(INDEX)
    now, found, total = (Scalar(b.dtype) for _ in range(3))
    return For(j, partial.dims[1], [Load(now, b, (j,)), Load(found, partial, (k, j)), Let(total, "add", (now, found)),
                                    Store(b, (j,), total)], apart=True)


def neutral(op: str, dtype: DType) -> Imm:
    """The element that changes nothing: of a sum -0.0, as 0.0 + -0.0 is 0.0."""
    if op == "mul":
        return Imm(dtype.np.type(1).item(), dtype)
    if op == "add":
        return Imm(-0.0 if dtype.kind == "f" else complex(-0.0, -0.0) if dtype.complex else 0, dtype)
    if dtype is BOOL:
        return Imm(op == "min", dtype)
    if dtype.kind == "f":
        return Imm(float("inf") if op == "min" else float("-inf"), dtype)
    if dtype.kind in "iux":
        low, high = _limits(dtype)
        return Imm(high if op == "min" else low, dtype)
    raise IRError(f"loop IR: there is no neutral element of {op} for {dtype}")


def _limits(dtype: DType) -> tuple[int, int]:
    signed = dtype.kind != "u"
    return (-(1 << dtype.bits - 1), (1 << dtype.bits - 1) - 1) if signed else (0, (1 << dtype.bits) - 1)
