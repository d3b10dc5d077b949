"""Draws from generators (libraries/numpy_random.py), each in loops of its own: what is drawn first is drawn first."""
from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.core import Op, Value
from ...ir.types import Type
from ..libraries import numpy_random  # noqa: F401
from ..loopir.cursor import operand
from ..loopir.grammar import At, Atom, Buffer, Lib, Scalar, Size
from .library_calls import ROUTINES, address, stack
from .tasks import OpTask

if TYPE_CHECKING:
    from ..build.loop_builder import Nester
    from .materialize import Program


class DrawTask(OpTask):
    """One number for each element, in C order."""

    __slots__ = ()
    serial = True

    def __init__(self, op: Op, program: Program):
        super().__init__(op, op.results[0], op.results[0].type.dims, program)
        self.write = own = tuple(range(len(self.loops)))
        for p in (op.operands[0], *self.parameters):
            self.read(p, own)

    @property
    def parameters(self) -> tuple[Value, ...]:
        return self.op.operands[1 + self.op.attrs["rank"]:]

    def body(self, g: Nester, index: tuple[int | Scalar, ...]) -> None:
        op, v = self.op, self.value
        generator, *params = [g.value_at(p, index) for p in (op.operands[0], *self.parameters)]
        if v.type.dims:
            place = g.memory(v)
            target = At(place.buffer, place.prefix + tuple(index))
        else:
            target = At(g.temporary(Type(v.type.dtype, (1,))).buffer, (0,))
        g.write(Lib("draw", (target, op.attrs["kind"], op.attrs["dist"], generator, *params), _site(g, op)))
        if not v.type.dims:
            g.remember(v, index, g.load(target.buffer, (0,), g.depth))


def _site(g: Nester, op: Op) -> int:
    return g.site("random", "", op.loc)


def _random_call(g: Nester, op: Op) -> None:
    rank: int = op.attrs["rank"]
    kinds: list[str] = []
    rest: list[Buffer | At | Size | Atom] = []
    operands = op.operands[:len(op.operands) - rank]
    dims = [g.index(d) for d in op.operands[len(operands):]]
    for v in operands:
        kinds.append(f"{v.type.dtype.name}:{v.type.rank}" if v.type.dims else v.type.dtype.name)
        if v.type.dims:
            found = stack(g, v)
            rest += [address(g, found.buffer, found.start, (), ()), *g.dims(v.type)]
        else:
            rest.append(g.scalar(v))
    target: Buffer | At | None = None
    number = None
    if op.results:
        v = op.results[0]
        if v.type.dims:
            found = stack(g, v)
            target = address(g, found.buffer, found.start, (), ())
        else:
            number = g.temporary(Type(v.type.dtype, (1,))).buffer
            target = At(number, (0,))
    spec = tuple(op.attrs[name] for name in ("kind", "method", "form", "result"))
    g.write(Lib("random_call", (spec, tuple(kinds), target, rank, *map(operand, dims), *rest), _site(g, op)))
    if number is not None:
        g.env[op.results[0]] = g.load(number, (0,), g.depth)


ROUTINES["random_call"] = _random_call
