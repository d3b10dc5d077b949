"""Powers of whole numbers and of matrices, as programs that are traced where only run time knows the exponents."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..syntax import source
from ..values import boxes
from . import calls


def power_modulo(base: Any, exponent: Any, modulus: Any) -> Any:
    """base ** exponent % modulus by squares; a negative exponent is one of the inverse."""
    if modulus == 0:
        raise ValueError("pow() 3rd argument cannot be 0")
    left, square, found = exponent, base % modulus, 1 % modulus
    if exponent < 0:
        left, square = -exponent, inverse_modulo(square, modulus)
    while left > 0:
        if left & 1:
            found = found * square % modulus
        left >>= 1
        if left > 0:
            square = square * square % modulus
    return found


def inverse_modulo(number: Any, modulus: Any) -> Any:
    """By Euclid's algorithm: at each step last = number * factor modulo `modulus`."""
    last, rest, factor, other = number, modulus, 1, 0
    while rest != 0:
        times = last // rest
        last, rest = rest, last - times * rest
        factor, other = other, factor - times * other
    if last != 1 and last != -1:
        raise ValueError("base is not invertible for the given modulus")
    return factor * last % modulus


def power_of_inexact(a: Any, n: Any) -> Any:
    """np.linalg.matrix_power by squares, in the order in which NumPy multiplies them."""
    base = a
    if n < 0:
        base = np.linalg.inv(a)
        n = -n
    found, started = np.zeros_like(a) + np.eye(a.shape[-1], dtype=a.dtype), False
    while n > 0:
        if n % 2:
            found = found @ base if started else base
            started = True
        n //= 2
        if n:
            base = base @ base
    return found


def power_of_whole(a: Any, n: Any) -> Any:
    """Of integers: a power below 0 would be one of floats, and a type does not depend on run time."""
    if n < 0:
        raise ValueError("a negative power of a matrix of integers is a matrix of floats: write .astype(float) before it")
    found, base = np.zeros_like(a) + np.eye(a.shape[-1], dtype=a.dtype), a
    while n > 0:
        if n % 2:
            found = found @ base
        n //= 2
        if n:
            base = base @ base
    return found


source.OPENED |= {f.__code__ for f in (power_modulo, inverse_modulo, power_of_inexact, power_of_whole)}
boxes.HOOKS["power_modulo"] = lambda *numbers: calls.call(power_modulo, *numbers)
boxes.HOOKS["matrix_power"] = lambda a, n: calls.call(power_of_inexact if a.dtype_ir.inexact else power_of_whole, a, n)
