"""hash(x) of what only run time knows gives CPython's value, without a program for each value."""
import struct

import numpy as np
import pytest

import tracegrad as tg

P = 2**61 - 1
WHOLE = [0, 1, -1, -2, 7, P - 1, P, P + 1, -P, 1 - P, -P - 1, 2**62, 2**63 - 1, -2**63]
REAL = [0.0, -0.0, 1.0, -1.0, -2.0, 0.1, float(P), 2.0**61, -2.0**61, 2.0**122, 5e-324, -5e-324, 1.7e308, np.inf, -np.inf]
NUMPYS = [np.int8(-1), np.uint8(255), np.int32(-2**31), np.uint64(2**63), np.uint64(2**64 - 1), np.bool_(True), np.float16(0.1),
          np.float32(-1.5), np.complex64(1.5 - 2j), np.complex128(-1)]


def hashed(x):
    return hash(x)


@pytest.mark.parametrize("numbers", [WHOLE, REAL, NUMPYS, [1 + 2j, -1 + 0j, 0j], [True, False]], ids="wrnxb")
def test_of_numbers(numbers):
    f = tg.jit(hashed)
    assert [f(x) for x in numbers] == [hash(x) for x in numbers]


def test_of_doubles_of_any_bits():
    f, rng = tg.jit(hashed), np.random.default_rng(5)
    numbers = [struct.unpack("d", struct.pack("Q", int(k)))[0] for k in rng.integers(0, 2**64, 500, dtype=np.uint64)]
    numbers = [x for x in numbers if x == x]
    assert f(0.5) == hash(0.5)
    before = len(f.specializations)
    assert [f(x) for x in numbers] == [hash(x) for x in numbers] and len(f.specializations) == before


def test_of_tuples():
    f = tg.jit(lambda a, b, c: (hash((a, (b, c), 3)), hash((a,)), hash((a, ()))))
    for a, b, c in [(1, 0.5, True), (-1, -0.0, False), (2**40, 1e300, True)]:
        assert f(a, b, c) == (hash((a, (b, c), 3)), hash((a,)), hash((a, ())))
    assert len(f.specializations) == 2                      # a bool argument is static


class Pair:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __hash__(self):
        return hash((self.a, self.b)) ^ 1


def test_of_objects_with_a_hash_of_their_own():
    f = tg.jit(lambda x: hash(Pair(x, 2)))
    assert [f(x) for x in (5, -1)] == [hash(Pair(x, 2)) for x in (5, -1)] and len(f.specializations) == 1


def test_keys_of_a_table():
    def found(x, flags):
        table = {}
        for k in range(len(x)):
            table[hash((x[k], flags[k]))] = k
        return [table[hash((x[k], flags[k]))] for k in range(len(x))]

    x, flags = np.array([3, 1, 3, 3]), np.array([True, False, True, False])
    assert tg.jit(found)(x, flags) == found(x, flags)
