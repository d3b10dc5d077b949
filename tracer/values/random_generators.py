"""Generators of random numbers as traced code sees them: arguments, objects from outside, and those that a program makes."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...ir.build import const
from ...ir.core import Value
from ...ir.errors import UnsupportedError
from ...ir.ops import random
from ...ir.types import I64, Array
from .. import tracing
from .promotion import fail

if TYPE_CHECKING:
    from .boxes import Box

DROP: list = []                           # dropped(trace, scope) at the end of a region, which lets go of what it has made
METHODS: dict = {}                        # (kind, method) -> handler(box, …): numpy/random fills it
OWN: dict = {}                            # kind -> (box, name) -> a method that is traced as it is written, or None


class Method:
    """A method of a generator, bound. Traced code calls it by `__tracegrad_call__`."""

    __slots__ = ("box", "handler", "name")

    def __init__(self, box: GeneratorBox, name: str, handler: Callable):
        self.box, self.name, self.handler = box, name, handler

    def __call__(self, *args: float | Box | tuple[int, ...], **kwargs: int | tuple[int, ...] | type) -> Box:
        return self.handler(self.box, *args, **kwargs)

    def __tracegrad_call__(self, args: tuple[float | Box | tuple[int, ...], ...],
                           kwargs: dict[str, int | tuple[int, ...] | type]) -> Box:
        return self(*args, **kwargs)


class GeneratorBox:
    """A traced generator: `value` stands for the object (ir/ops/random.py), `kind` is one of random.KINDS.

    made   by the traced program, in a region that lets go of it at its end
    """

    __slots__ = ("kind", "made", "value")

    def __init__(self, value: Value, kind: str, made: bool = False):
        self.value, self.kind, self.made = value, kind, made

    shown = "generator of random numbers that the compiled function makes"

    def __getattr__(self, name: str) -> Method:
        handler = METHODS.get((self.kind, name))
        if handler is not None:
            return Method(self, name, handler)
        if self.kind in OWN and (own := OWN[self.kind](self, name)) is not None:
            return own
        if not name.startswith("__") and hasattr(random.class_of(self.kind), name):
            fail(UnsupportedError, f"{self._shown}.{name} cannot be compiled",
                 "use it before the compiled function, and pass the generator in")
        raise AttributeError(f"'{self._shown}' object has no attribute '{name}'")

    def __repr__(self) -> str:
        return f"<traced {self._shown}>"

    @property
    def _shown(self) -> str:
        return "random.Random" if self.kind == "Random" else f"numpy.random.{self.kind}"


def boxed(x: Array | Box) -> GeneratorBox | None:
    """The box of a generator: of one from outside, a live constant, for which each call looks up the object that is there then.
    None for anything else."""
    if isinstance(x, GeneratorBox):
        return x
    kind = random.kind_of(x)
    if kind is None:
        return None
    trace = tracing.current()
    found = trace.lifted.get(id(x))
    if found is None:
        value = const(0, I64, frozen=False)
        trace.live[value] = x
        found = trace.lifted[id(x)] = x, GeneratorBox(value, kind)
    return found[1]
