"""hash(x) of numbers that only run time knows, and of tuples of them: CPython's own values, so that tables keyed by them agree.

The hash of a number is its value modulo the prime P = 2**61 - 1, with the number's sign (Python/pyhash.c); that of a tuple is
xxHash's mix of the hashes of its items (Objects/tupleobject.c). -1 stands for an error in CPython: what would be -1 is -2.
"""
from __future__ import annotations

import types
from typing import Any

import numpy as np

from ...ir.ops.table import MODULUS
from ..syntax import source
from ..values import boxes, captured_values
from ..values.boxes import Box, ScalarBox
from . import calls

_INFINITE = 314159
_IMAGINARY = np.uint64(1000003)
_PRIME_1, _PRIME_2, _PRIME_5 = np.uint64(11400714785074694791), np.uint64(14029467366897019727), np.uint64(2870177450012600261)


def hash_of_whole(n: Any) -> Any:
    """sign(n) (|n| mod P): n mod P is that of a negative number plus P."""
    rest = n % MODULUS
    found = rest - MODULUS if n < 0 and rest > 0 else rest
    return -2 if found == -1 else found


def hash_of_unsigned(n: Any) -> Any:
    return int(np.int64(n % np.uint64(MODULUS)))


def hash_of_real(x: Any) -> Any:
    """x = m 2**e with 1/2 <= |m| < 1: the bits of m are 2**53 m, a whole number, times 2**(e - 53), and 2**61 = 1 modulo P, so
    that a factor 2**k turns the 61 bits of a number below P by k mod 61 places."""
    if np.isinf(x):
        return _INFINITE if x > 0 else -_INFINITE
    if np.isnan(x):
        return 0                               # CPython's depends on where the object lies
    m, e = np.frexp(np.abs(np.float64(x)))
    bits = int(m * 2.0**53)                    # at most 53 bits: below P
    turn = (int(e) - 53) % 61
    found = ((bits & ((1 << (61 - turn)) - 1)) << turn) | (bits >> (61 - turn))
    if found == MODULUS:
        found = 0
    if x < 0:
        found = -found
    return -2 if found == -1 else found


def _unsigned(n: Any) -> Any:
    return np.int64(n).astype(np.uint64)


def hash_of_complex(z: Any) -> Any:
    mixed = _unsigned(hash_of_real(z.real)) + _IMAGINARY * _unsigned(hash_of_real(z.imag))
    found = int(mixed.astype(np.int64))
    return -2 if found == -1 else found


def hash_of_hashes(lanes: Any) -> Any:
    mixed = _PRIME_5
    for lane in lanes:
        mixed = mixed + _unsigned(lane) * _PRIME_2
        mixed = ((mixed << np.uint64(31)) | (mixed >> np.uint64(33))) * _PRIME_1
    mixed = mixed + (np.uint64(len(lanes)) ^ (_PRIME_5 ^ np.uint64(3527539)))
    found = int(mixed.astype(np.int64))
    return 1546275796 if found == -1 else found


def _number(x: ScalarBox) -> Any:
    kind = x.dtype_ir.kind
    if kind == "u":
        return calls.call(hash_of_unsigned, calls.call(np.uint64, x))
    if kind in "bi":
        return calls.call(hash_of_whole, calls.call(int, x))
    return calls.call(hash_of_complex if x.dtype_ir.complex else hash_of_real, x)


def hash_(x: Any, /) -> Any:
    if isinstance(x, ScalarBox) and boxes.frozen_data(x) is None:
        return _number(x)
    if type(x) is tuple and any(map(_traced, x)):
        with np.errstate(over="ignore"):                    # of items that are constants
            return calls.call(hash_of_hashes, tuple(map(hash_, x)))
    if captured_values.users(type(x)) and isinstance(type(x).__hash__, types.FunctionType):
        captured_values.special(type(x), "__hash__")
        return calls.call(type(x).__hash__, x)
    return hash(x)


def _traced(x: Any) -> bool:
    return isinstance(x, Box) or (type(x) is tuple and any(map(_traced, x)))


_PROGRAMS = (hash_of_whole, hash_of_unsigned, hash_of_real, hash_of_complex, hash_of_hashes, _unsigned)
source.OPENED |= {f.__code__ for f in _PROGRAMS}
calls.BUILTINS[hash] = hash_
