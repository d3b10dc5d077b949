"""What Python does with ints in C, as programs that are traced where only run time knows the numbers."""
from __future__ import annotations

from typing import Any

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


source.OPENED |= {power_modulo.__code__, inverse_modulo.__code__}
boxes.HOOKS["power_modulo"] = lambda *numbers: calls.call(power_modulo, *numbers)
