"""A compiled function that XLA, and so JAX, calls without Python: one handler for the types and shapes of a call."""
from __future__ import annotations

from typing import TYPE_CHECKING

from ..lowering.call.foreign.xla_handler import XlaHandler
from ..lowering.native.locks import Lock
from ..options import owned
from ..programs.compile import uses_fastmath
from ..programs.derivative_programs import dynamic
from ..stack_room import deep
from ..tracer.staging.arguments import Call
from ..tracer.staging.traced import Traced
from .c_functions import found_or_made, kernel_of

if TYPE_CHECKING:
    from .api import Jitted

_LOCK = Lock(-1)             # compiles while it is held


@deep
@owned
def xla_handler(jitted: Jitted, args: tuple, minor: int) -> XlaHandler:
    """The handler for example arguments, whose dtypes and shapes count; made once. `minor`: the version of XLA's interface."""
    call = jitted.flatten(args, {})._replace(aliases={})
    with _LOCK:
        return found_or_made(jitted, call, ("xla", minor), lambda: _made(jitted, call, minor))


def _made(jitted: Jitted, call: Call, minor: int) -> XlaHandler:
    kernel, pointers, keep = kernel_of(jitted, call, "XLA handler", _pointers)
    outs = tuple([out.result for out in keep[0].outs])
    return XlaHandler(kernel, pointers, minor, outs=outs, fastmath=uses_fastmath(), keep=keep)


def _pointers(traced: Traced, captured: list) -> list[tuple[str, int]]:
    """What the kernel's pointers are: XLA's arguments are the leaves of the call, in their order, all of them arrays."""
    found: list[tuple[str, int]] = [("argument", k) for k, _ in enumerate(dynamic(traced))]
    found += [("address", x.ctypes.data) for x in captured]
    return found + [("result", k) for k in range(len(traced.function.results))]
