"""The locks of the generators that a kernel draws from, held while other threads run: NumPy's own methods take them, too.

A kernel may ask a Python method for numbers while it holds the lock, so only locks that a thread may take twice are taken
(NumPy's are from 2.3 on). Several are taken in one order, so that two kernels cannot wait for each other.
"""
from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterable

from ...ir.ops import random
from ..native.c_layouts import function_address
from ..native.locks import register
from .calling_convention import ScalarIn, Signature

_REENTRANT = type(threading.RLock())


def parameters(signature: Signature) -> list[int]:
    """The parameters that are generators."""
    return [k for k, leaf in signature.inputs().items() if isinstance(leaf, ScalarIn) and leaf.kind in random.KINDS]


# A random.Random has none: kernels that draw from such take turns. (Python's own methods take nothing.)
_PYTHONS = threading.RLock()
register(-1, _PYTHONS)                         # a kernel that holds it may come to Python's code, which takes others


def _locks(handles: Iterable[int]) -> list:
    bits = [getattr(random.generator_at(h), "_bit_generator", None) for h in sorted(set(handles))]
    found = [_PYTHONS if b is None else b.lock for b in bits]
    return [lock for lock in dict.fromkeys(found) if isinstance(lock, _REENTRANT)]


def take(handles: Iterable[int]) -> None:
    for lock in _locks(handles):
        lock.acquire()


def give_back(handles: Iterable[int]) -> None:
    for lock in _locks(handles):
        lock.release()


# for machine code that holds the interpreter: the addresses of the generators, and how many there are
_FUNCTION = ctypes.PYFUNCTYPE(None, ctypes.POINTER(ctypes.c_int64), ctypes.c_int64)
_TAKE = _FUNCTION(lambda handles, count: take(handles[:count]))
_GIVE_BACK = _FUNCTION(lambda handles, count: give_back(handles[:count]))
TAKE, GIVE_BACK = function_address(_TAKE), function_address(_GIVE_BACK)
