"""Python's ints in 64 bits: exact where they fit, an OverflowError where they do not; few checks in loops."""
import numpy as np
import pytest
from trace_check import check
from tracegrad.ir.text.printer import print_function
from tracegrad.ir.transforms.pipeline import optimize
from tracegrad.tracer.staging import trace_function

import tracegrad as tg

X = np.array([0.5, -1.5, 2.5, 3.5, -0.25, 1.0, 7.0])


def lcg(seed, n):
    total = 0.0
    for _ in range(n):
        seed = (seed * 1103515245 + 12345) & 0x7fffffff
        total += seed / 0x7fffffff
    return total, seed


def fnv(a):
    h = 2166136261
    for i in range(a.size):
        h = ((h ^ int(a[i])) * 16777619) & 0xffffffff
    return h


def xorshift(s, n):
    for _ in range(n):
        s ^= (s << 13) & 0x7fffffffffffffff
        s ^= s >> 7
        s ^= (s << 17) & 0x7fffffffffffffff
    return s


def counts(x):
    up = down = 0
    k = 0
    while k < x.size:
        for _ in range(3):
            if x[k] > 0:
                up += 1
            else:
                down -= 2
        k += 1
    return up, down


def used_twice(a, n):
    t = a * n
    return (t & 255) + t


def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def factorial(n):
    p = 1
    for k in range(2, n + 1):
        p *= k
    return p


def checks_left(f, *args):
    return print_function(optimize(trace_function.trace(f, args).function)).count("_fits ")


@pytest.mark.parametrize("f, args", [(lcg, (12345, 100)), (fnv, (np.arange(70),)), (xorshift, (88172645463325252, 70)),
                                     (counts, (X,))], ids=lambda p: getattr(p, "__name__", ""))
def test_loops_without_checks(f, args):
    check(f, *args)
    assert checks_left(f, *args) == 0


def test_checks_that_stay():
    assert checks_left(used_twice, 3, 5) > 0
    assert checks_left(fibonacci, 5) == 1
    for f, last in ((fibonacci, 91), (factorial, 20)):
        assert tg.jit(f)(last) == f(last)
        with pytest.raises(OverflowError, match="is wider than 64 bits") as found:
            tg.jit(f)(last + 5)
        assert f.__name__ in "".join(found.value.__notes__)
    with pytest.raises(OverflowError):
        tg.jit(used_twice)(2**40, 2**40)


OPERATIONS = {
    "*": lambda a, b: a * b, "+": lambda a, b: a + b, "-": lambda a, b: a - b, "**": lambda a, b: a**b,
    "<<": lambda a, b: a << b, "neg": lambda a, b: -a, "abs": lambda a, b: abs(a), "//": lambda a, b: a // b,
    "cube": lambda a, b: a**3,
    "two": lambda a, b: 2**b, "square": lambda a, b: a**2}


@pytest.mark.parametrize("name", OPERATIONS)
def test_edges(name):
    f = OPERATIONS[name]
    compiled = tg.jit(f)
    top = 2**63
    ints = [-top, -top + 1, -3037000500, -2097152, -128, -8, -2, -1, 0, 1, 2, 3, 10, 2097151, 2097152, 3037000499, 3037000500,
            top - 1]
    counts = [0, 1, 2, 3, 7, 9, 18, 19, 21, 62, 63, 64, 100]
    for a in ints:
        for b in counts if name in ("**", "<<", "two") else ints if name in "*+-//" else [1]:
            if (name == "//" and b == 0):
                continue
            want = f(a, b)
            if -top <= want < top:
                assert compiled(a, b) == want, (a, b)
            else:
                with pytest.raises(OverflowError):
                    compiled(a, b)


@pytest.mark.parametrize("f", [lambda a, b: (a < b, a <= b, a == b), lambda a, b: (a > b, a >= b, a != b),
                               lambda a, b: (b < a, b <= a, b == a)])
def test_comparison_with_floats_is_exact(f):
    compiled = tg.jit(f)
    for a in (2**53 + 1, 2**53, -2**53 - 1, 2**63 - 1, -2**63, 3, 0):
        for b in (float(2**53), -float(2**53), float(2**63), -float(2**63), 2.5, 3.0, np.inf, -np.inf, np.nan):
            assert compiled(a, b) == f(a, b), (a, b)


def test_ints_of_constants_are_exact():
    def f():
        result = 0
        for i in range(28):
            result = result * (5 + i % 2) + 5
        return result

    assert tg.jit(f)() == f() > 2**64


def test_numpys_ints_wrap():
    def f(a):
        return a[0] * a[0], a * a

    a = np.array([2**40, 3])
    with np.errstate(over="ignore"):
        got, want = tg.jit(f)(a), f(a)
    assert got[0] == want[0] and (got[1] == want[1]).all()


def test_unsigned_numbers_that_are_too_large():
    f = tg.jit(lambda a: int(a[0]))
    assert f(np.array([2**63 - 1], np.uint64)) == 2**63 - 1
    assert f(np.array([2**63], np.uint64)) == 2**63                # held without a sign (test_wide_ints.py)
