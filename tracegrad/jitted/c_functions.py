"""`f.cfunc(…)`, `f.low_level_callable(…)`, `f.ctypes` and `f.address`: a compiled function that C code calls with doubles.

The numbers of all arguments lie one after the other, each array in C order, and so do those of the results. Which C signatures
there are says lowering/call/foreign/c_function.py. Arrays that the function captured are read where they lie: a change of their
elements is seen, another array under the same name is not.
"""
from __future__ import annotations

import ctypes
import inspect
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..captures.captures import captures_of
from ..ir.build import memory
from ..ir.errors import ArgumentError, ArgumentTypeError, Loc, UnsupportedError
from ..ir.types import DType
from ..lowering.build import loop_builder
from ..lowering.call.foreign.c_function import CFunction, Form, Plan, form
from ..lowering.loopir.grammar import Kernel
from ..lowering.native.locks import Lock
from ..options import config
from ..programs.compile import final, uses_fastmath
from ..programs.derivative_programs import dynamic, explicit, named
from ..tracer.staging import arguments
from ..tracer.staging.traced import Traced

if TYPE_CHECKING:
    from .api import Jitted

T = TypeVar("T")
_LONGEST = 8                # arguments that a C function takes one by one, where no signature is asked for
_LOCK = Lock(-1)             # compiles while it is held


def cfunc(jitted: Jitted, args: tuple, signature: str | None = None, user: Any = None) -> CFunction:
    """The C function for example arguments, whose types and shapes count; made once. `user`: the array that comes last."""
    args = args or _examples(jitted.root, user is not None)
    given = args if user is None else (*args, user)
    call = jitted.flatten(given, {})._replace(aliases={})
    wanted = form(signature or _usual(call, user is not None))
    if user is not None and "user" not in wanted.roles:
        raise ArgumentError(f"the C signature {wanted.text} has no void * for user data",
                            "leave user_data out, or ask for a signature that has one")
    with _LOCK:
        return found_or_made(jitted, call, (wanted.text, user is not None),
                             lambda: _made(jitted, call, wanted, user is not None))


def found_or_made(jitted: Jitted, call: arguments.Call, form: tuple, make: Callable[[], Any]) -> Any:
    """What C code calls in this form, for a call and what the function captures now: its code has the addresses of arrays."""
    found = jitted.c_functions.get(_key(jitted, call, form))
    if found is None:
        found = make()
        jitted.c_functions[_key(jitted, call, form)] = found
    return found


def _key(jitted: Jitted, call: arguments.Call, form: tuple) -> tuple:
    """Arrays by where they lie, as they are kept as long as the code; numbers by their bits."""
    key, captured = jitted.known(call)
    return key, form, tuple([(x.ctypes.data, x.shape, x.strides) if isinstance(x, np.ndarray) else np.asarray(x).tobytes()
                             for x in captured or ()])


def low_level_callable(jitted: Jitted, args: tuple, signature: str | None, user: Any) -> Any:
    """A scipy.LowLevelCallable of it."""
    from scipy import LowLevelCallable

    if user is not None and not (type(user) is np.ndarray and user.flags.c_contiguous and user.flags.aligned):
        raise ArgumentTypeError("user_data is the array that the function's last parameter stands for, in C order: "
                                f"found a {type(user).__name__}", "pass np.ascontiguousarray(user_data)")
    if signature is None:
        signature = "double (int, double *)" if user is None else "double (int, double *, void *)"
    made = cfunc(jitted, args, signature, user)
    if user is None:
        return LowLevelCallable(made.ctypes)
    pointer: Any = ctypes.c_void_p(user.ctypes.data)
    pointer.owner = user
    return LowLevelCallable(made.ctypes, pointer)


def _examples(root: Callable, user: bool) -> tuple:
    """A float for each parameter without a default, where no example arguments are given."""
    names = arguments.parameters_of(root).names
    try:
        parameters: Mapping[str, inspect.Parameter] = inspect.signature(root).parameters
    except (TypeError, ValueError):
        parameters = {}
    free = [n for n in names if n not in parameters or parameters[n].default is inspect.Parameter.empty]
    if not free:
        raise ArgumentError(f"which numbers `{getattr(root, '__name__', root)}` takes cannot be read from its parameters",
                            "pass example arguments: f.cfunc(0.0, np.zeros(3))", arguments.where(root))
    return (0.0,) * (len(free) - user)


def _usual(call: arguments.Call, user: bool) -> str:
    """The signature where none is asked for."""
    leaves = [leaf for leaf in call.leaves if leaf.kind != "static"]
    if all(not leaf.dims for leaf in leaves[:len(leaves) - user]) and len(leaves) <= _LONGEST and not user:
        return f"double ({', '.join(['double'] * len(leaves))})"
    return "double (int, double *, void *)" if user else "double (int, double *)"


def _made(jitted: Jitted, call: arguments.Call, wanted: Form, user: bool) -> CFunction:
    kernel, plan, keep = kernel_of(jitted, call, "C function", lambda traced, held: _plan(traced, wanted, user, held))
    return CFunction(kernel, wanted, plan, fastmath=uses_fastmath(), keep=keep)


def kernel_of(jitted: Jitted, call: arguments.Call, what: str, planned: Callable[[Traced, list], T]) -> tuple[Kernel, T, Any]:
    """(the kernel of a call, `planned` of its program and the arrays that it captured, what must live as long as the kernel).

    what   what calls it, which hands out its inputs for reading only
    """
    with jitted.reading(call):
        traced = jitted.with_captures(call)
    name, loc = named(traced), traced.function.loc
    if traced.writes:
        path = traced.paths[dynamic(traced)[next(iter(traced.writes))]]
        raise UnsupportedError(f"`{name}` overwrites its argument {path}: the {what}'s caller does not expect that",
                               f"let it work on a copy: {path} = {path}.copy()", loc)
    traced = explicit(traced)
    captures = captures_of(traced.held)
    found = captures.find() or []
    if len(found) != len(captures.parameters):
        raise ArgumentError(f"an array that `{name}` captured has just been changed by another thread", "try again", loc)
    captured = [_in_memory(x, c.data.dtype, name, what, loc) for x, c in zip(found, captures.parameters)]
    plan = planned(traced, [memory(x, c.type.shape) for x, c in zip(captured, captures.parameters)])
    kernel = loop_builder.lower(final(traced, captures), verify=config.verify)
    jitted.remember(call, traced, captures)
    return kernel, plan, (traced, captured)


def _in_memory(x: Any, dtype: np.dtype, name: str, what: str, loc: Loc) -> np.ndarray:
    """A captured array as it stands; the memory of a number, which keeps the value that it has now."""
    if isinstance(x, np.ndarray):
        return x
    if not isinstance(x, (np.generic, int, float, complex)):
        raise UnsupportedError(f"`{name}` uses a {type(x).__name__}, as for random numbers, an object of Python's, and the "
                               f"{what} runs without Python", "draw before the call, and pass the numbers", loc)
    return np.array(x, dtype)


def _plan(traced: Traced, wanted: Form, user: bool, captured: list[np.ndarray]) -> Plan:
    """Where each parameter and result of the program is among the numbers of the C function."""
    name, loc = named(traced), traced.function.loc
    pointers: list[tuple[str, int]] = []
    leaves, offset = dynamic(traced), 0
    for k in leaves:
        leaf, path = traced.leaves[k], traced.paths[k]
        if user and k == leaves[-1]:
            pointers.append(("user", 0))
            continue
        _expect(leaf.number.name == wanted.input, f"argument {path} of `{name}` is {_described(leaf.number, leaf.dims)}, and "
                f"the C function {wanted.text} is given {_C_NAMES[wanted.input]}",
                f"pass an example of dtype {_NUMPY[wanted.input]}, and bind what is no such number: "
                f"functools.partial(f, {path.partition('[')[0]}=…)", loc)
        pointers.append(("inputs", offset))
        offset += math.prod(leaf.dims)
    pointers += [("address", x.ctypes.data) for x in captured]
    results = [_result(name, r.type, loc) for r in traced.function.results]
    static = [out.value for out in traced.outs if out.kind == "static"]
    _expect(not static, f"`{name}` returns {static[:1]}, which is no floating number", "return an array or a float", loc)
    total = sum(count for _, count in results)
    if "outputs" not in wanted.roles or wanted.text == _ONE_OUT:
        _expect(total == 1, f"`{name}` returns {total} numbers, and the C function {wanted.text} one", "return one float", loc)
    if "x" in wanted.roles:
        count = wanted.roles.count("x")
        _expect(offset == count, f"`{name}` takes {offset} numbers, and the C function {wanted.text} {count}",
                "ask for signature=\"double (int, double *)\", which takes any number", loc)
    outputs = [("outputs", k) for k in range(len(results))]
    return Plan((*pointers, *outputs), tuple(results), offset)


_C_NAMES, _NUMPY = {"f64": "doubles", "i64": "integers"}, {"f64": "float64", "i64": "int64"}
_ONE_OUT = form("generic_filter").text


def _described(kind: DType, dims: tuple) -> str:
    return f"{kind}[{', '.join(map(str, dims))}]" if dims else f"one {kind}"


def _result(name: str, found: Any, loc: Loc) -> tuple[DType, int]:
    _expect(all(isinstance(d, int) for d in found.dims), f"the length of what `{name}` returns is known only at run time",
            "return an array whose length the arguments' shapes give", loc)
    count = math.prod(found.dims)
    good = not found.dtype.complex and (count == 1 or found.dtype.name == "f64")
    _expect(good, f"`{name}` returns {_described(found.dtype, found.dims)}, where C wants doubles",
            "return .real, or .astype(np.float64)", loc)
    return found.dtype, count


def _expect(good: bool, what: str, remedy: str, loc: Loc) -> None:
    if not good:
        raise ArgumentTypeError(what, remedy, loc)
