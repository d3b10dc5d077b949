"""`f.lower(…).compile()`: machine code for arguments of certain types, made before there is a call.

    f.lower(x)             the program, as text                  (programs/lowered.py)
     .compile()            its machine code: a function of arguments like x only, others are an error and not a compilation
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ir.errors import ArgumentTypeError
from ..options import owned
from ..programs import compile
from ..stack_room import deep
from ..tracer.staging import argument_objects, arguments
from .misses import differences

if TYPE_CHECKING:
    from ..lowering.call.specialisation import Specialisation
    from ..programs.lowered import Lowered
    from .api import Jitted


class Compiled:
    """A compiled function for arguments of certain types: call it like the function that it was made from.

    Arguments of other types, shapes or structures, and other values of what is part of the program, raise ArgumentTypeError.
    `as_text()` is the machine code as assembler; `compile_ms` what it took to make, and `code_bytes` how long it is.
    """

    def __init__(self, jitted: Jitted, call: arguments.Call, form: compile.Form, lowered: Lowered):
        self.own_options, self._jitted, self._form, self._lowered = jitted.own_options, jitted, form, lowered
        self._key = jitted.key(call)[0]
        found = self._ready(call)
        self._statics = {k: call.values[k] for k in found.about.traced.statics}
        self._made = found

    @deep
    @owned
    def _ready(self, call: arguments.Call) -> Specialisation:
        return self._jitted.ready(call, self._form)[0]

    @deep
    @owned
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with argument_objects.hiding(None):
            call = self._jitted.flatten(args, kwargs)
        if self._jitted.key(call)[0] != self._key or any(call.values[k] != x for k, x in self._statics.items()):
            raise ArgumentTypeError(f"{self._name} was compiled for {self._made.about.types}, and is called with "
                                    + differences(self._made, call),
                                    "call the function itself, which compiles for all that it is given")
        return self._jitted.invoke(call, args, kwargs, exactly=True)

    @property
    def _name(self) -> str:
        return getattr(self._jitted.root, "__name__", "the function")

    def as_text(self, stage: str = "asm") -> str:
        """The program at a stage, as of `f.lower(…).text`; assembler where none is named."""
        return self._lowered.text(stage)

    @property
    def compile_ms(self) -> float:
        """Milliseconds that compiling took."""
        return sum(self._made.phases.values())

    @property
    def code_bytes(self) -> int:
        """Bytes of machine code."""
        return self._made.code_bytes

    def __repr__(self) -> str:
        return f"<compiled {self._name}({self._made.about.types})>"
