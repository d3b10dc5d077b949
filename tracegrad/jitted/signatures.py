"""Signatures as Numba's `jit` takes them: types to compile for at once.

    @tg.jit("float64(float64, int64)")     compiled where the function is defined
    @tg.jit("float64[:](float64[:])")      lengths are part of the types here: compiled at the first call
    @tg.jit(["float64(float64)", …])       each of them

Numbers are converted as Numba converts them: an int given to a `float64` is a float in the function, and what it returns is of
the type that is named. Calls that no signature fits are computed with the arguments that they have, where Numba raises a
TypeError. A complex result for a real type is refused, and so are types that have no meaning here.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..ir.errors import ArgumentError, ArgumentTypeError, ConcretizationError
from ..programs.result_shapes import shapes_of
from ..tracer import numba_types
from ..tracer.staging.shape_struct import ShapeDtypeStruct

_WEAK = ("float64", "int64", "complex128")       # what Python's numbers are for Numba
_NUMBERS = ("Float", "Integer", "IntegerLiteral", "Complex")
_LATER = ("Array", "Boolean", "UniTuple", "Tuple", "NamedTuple", "NamedUniTuple", "List", "ListType", "DictType", "UnicodeType",
          "NoneType", "Record", "Omitted", "Optional", "FunctionType", "Dispatcher", "Set", "SliceType", "RangeType",
          "EnumMember", "IntEnumMember", "ClassInstanceType")      # of which the length, or the value, is part of the program


class Signature(NamedTuple):
    """arguments: a struct for each, or None where a call has to say more; types, result: as `Declared` has them."""

    text: str
    arguments: tuple[ShapeDtypeStruct | None, ...]
    types: tuple[str, ...]
    result: str


def is_signature(f: Any) -> bool:
    """Whether `jit` was given one, or several, in the place of the function."""
    return isinstance(f, str | list | tuple) or type(f).__module__.startswith(("numba.core.types", "numba.core.typing"))


def signatures_of(given: Any) -> list[Signature]:
    """What a signature says, or a list of them."""
    return [_read(one) for one in (given if isinstance(given, list) else [given])]


def _read(given: Any) -> Signature:
    try:
        from numba.core import sigutils
        arguments, result = sigutils.normalize_signature(given)
    except Exception as error:
        raise ArgumentTypeError(f"tg.jit cannot read the signature {given!r}: {error}",
                                "leave it out: each call is compiled for the types of its arguments") from None
    return Signature(str(given), tuple([_struct(t, given) for t in arguments]), tuple(map(_text, arguments)), _text(result))


def _text(found: Any) -> str:
    is_array = type(found).__name__ == "Array"              # tuples and lists, too, have a `dtype`: that of an item
    kind = numba_types.scalar_type(found.dtype if is_array else found)
    name = "" if kind is None else np.dtype(kind).name
    return f"{name}:{found.ndim}" if name and is_array else name


def _struct(found: Any, given: Any) -> ShapeDtypeStruct | None:
    name = type(found).__name__
    if name in _NUMBERS:
        dtype = str(getattr(found, "literal_type", found))
        return ShapeDtypeStruct((), dtype, dtype in _WEAK)
    if name not in _LATER:
        raise ArgumentTypeError(f"tg.jit has no such type as {found}, in the signature {given!r}",
                                "leave it out: each call is compiled for the types of its arguments")
    return None


def compiled_for(made: Any, signatures: Iterable[Signature]) -> Any:
    """The function, compiled for the signatures that say all."""
    for signature in signatures:
        _expect_count(made, signature)
        if None in signature.arguments or inspect.isgeneratorfunction(getattr(made, "py_func", None)):
            continue                                    # a generator is run by Python, and traced where it is consumed
        try:
            lowered = made.lower(*signature.arguments)
        except (ConcretizationError, NameError):        # a number that decides a shape, a function that is defined further down
            continue                                    # or calls itself: only a call has it
        if signature.result and ":" not in signature.result:
            _expect_number(shapes_of(lowered.traced), signature, made)
        lowered.compile()
    return made


def _expect_count(made: Callable, signature: Signature) -> None:
    code = getattr(getattr(made, "__wrapped__", made), "__code__", None)
    if code is not None and not code.co_flags & 4 and len(signature.arguments) > code.co_argcount:
        raise ArgumentError(f"the signature {signature.text!r} has {len(signature.arguments)} arguments, the function "
                            f"`{code.co_name}` {code.co_argcount}", "name the types of its arguments, or leave it out")


def _expect_number(found: Any, signature: Signature, made: Callable) -> None:
    if not isinstance(found, ShapeDtypeStruct) or found.shape:
        raise ArgumentTypeError(f"the signature {signature.text!r} says that `{getattr(made, '__name__', 'the function')}` "
                                f"returns a number, and it returns {found!r}", "leave the signature out")
