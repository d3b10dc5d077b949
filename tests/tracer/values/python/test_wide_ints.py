"""Python ints of 64 bits without a sign: hashes, generators and masks as Python has them, or OverflowError; never wrapped."""
import random

import numpy as np
import pytest
from trace_check import ops

import tracegrad as tg

M = 0xFFFFFFFFFFFFFFFF


def fnv(b):
    h = 0xcbf29ce484222325
    for v in b:
        h = ((h ^ int(v)) * 0x100000001b3) & 0xFFFFFFFFFFFFFFFF
    return h


def xorshift(s):
    for _ in range(10):
        s ^= (s << 13) & M
        s ^= s >> 7
        s ^= (s << 17) & M
    return s


def lcg(s):
    total = 0.0
    for _ in range(20):
        s = (6364136223846793005 * s + 1442695040888963407) % 2**64
        total += (s >> 11) / 2**53 + s / 2**64
    return s, total


def splitmix(x):
    x = (x + 0x9e3779b97f4a7c15) & M
    z = x
    z = ((z ^ (z >> 30)) * 0xbf58476d1ce4e5b9) & M
    z = ((z ^ (z >> 27)) * 0x94d049bb133111eb) & M
    return z ^ (z >> 31)


def wang(x):
    x = (~x + (x << 21)) & M
    x = x ^ (x >> 24)
    x = ((x + (x << 3)) + (x << 8)) & M
    return ((x >> 60) | (x << 4)) & M


def questions(b):
    h = (b * 0x9e3779b97f4a7c15) & M
    return (h < b, h > b, h == h, -b < h, h <= -b, h >= 2**63, h < 2**64, h != 5, h / 3, float(h), h % 10, h // 7, h >> 5,
            h % 2**63, h % 1000003, int(h), bool(h), min(h, 7), max(h, b), h ^ b, h | 1, h & b, f"{h}" if b < 0 else "")


def branches(b):
    h = 0
    for v in range(5):
        if (b >> v) & 1:
            h = (h * 31 + v) & M
        else:
            h = (h ^ 0xdeadbeefdeadbeef) & M
    return h


class Generator:
    def __init__(self, seed):
        self.state = seed & M

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & M
        return self.state >> 33


def object_of_the_users(seed):
    r, total = Generator(seed), 0
    for _ in range(10):
        total += r.next() % 6
    return total


def compare(fn, *args):
    compiled, want = tg.jit(fn), fn(*args)
    for run in (compiled, compiled.interpret):
        assert run(*args) == want
    return compiled


@pytest.mark.parametrize("fn", [xorshift, lcg, splitmix, wang, branches, object_of_the_users], ids=lambda f: f.__name__)
def test_hashes_and_generators(fn):
    for seed in (0, 1, 12345, 2**62 + 5):
        compare(fn, seed)


def test_a_hash_of_bytes_in_a_loop_without_checks():
    for data in (np.array([1, 2, 3, 250], np.uint8), np.zeros(0, np.uint8), b"hello world"):
        compare(fnv, data)
    found = ops(fnv, np.zeros(9, np.uint8))
    assert "check" not in found and "mul" in found


@pytest.mark.parametrize("b", [1, 3, 7, 2**40, 0])
def test_questions_about_wide_ints(b):
    compare(questions, b)


def test_what_is_wider_raises():
    def wider(x):
        h = (x * 0x9e3779b97f4a7c15) & M
        return h + h

    def negative(x):
        return ((x * 0x9e3779b97f4a7c15) & M) - 2**63

    assert tg.jit(wider)(0) == 0
    with pytest.raises(OverflowError, match="wider than 64 bits"):
        tg.jit(wider)(3)
    assert tg.jit(negative)(1) == negative(1)
    with pytest.raises(OverflowError):
        tg.jit(negative)(0)


def test_no_position_wraps_around():
    x, big = np.arange(4.0), np.array([M], np.uint64)
    for fn in (lambda x, b: x[b[0]], lambda x, b: x[int(b[0])], lambda x, b: x[int(b[0]) & M]):
        with pytest.raises((IndexError, OverflowError)):
            tg.jit(fn)(x, big)
    assert tg.jit(lambda x, b: x[int(b[0]) % 3])(x, big) == x[M % 3]


def expression(r, depth=0):
    k = r.random()
    if depth > 3 or k < .3:
        return r.choice(["h", "k", "v"])
    if k < .45:
        return str(r.choice([1, 3, 31, 0x100000001b3, 0x9e3779b97f4a7c15, 2**63, 2**31 - 1, -1]))
    mask = r.choice(["M", "0xFFFFFFFF", "(2**63-1)", "0xFFFFFFFFFFFFFFF0"])
    inner = expression(r, depth + 1)
    if k < .75:
        return r.choice(["({0} >> {1})", "(({0} << {1}) & {2})", "(~{0} & {2})", "({0} % 2**64)", "({0} // 7)"]).format(
            inner, r.randrange(1, 40), mask)
    return f"(({inner} {r.choice('+-*^|&')} {expression(r, depth + 1)}) {r.choice(['', f'& {mask}'])})"


@pytest.mark.sweep(2, days=True)
def test_random_hashes(tmp_path):
    """As Python says, or OverflowError."""
    r, right = random.Random(5), 0
    for n in range(25):
        lines = [f"        {r.choice('hk')} = {expression(r)} & M" for _ in range(r.randrange(1, 4))]
        text = (f"M = {M}\n\n\ndef program(b, s):\n    h, k = {r.choice(['0xcbf29ce484222325', '5381', 's'])}, s\n"
                "    for v in b:\n        v = int(v)\n" + "\n".join(lines) + "\n    return h, k\n")
        path = tmp_path / f"hash{n}.py"
        path.write_text(text)
        scope = {}
        exec(compile(text, str(path), "exec"), scope)
        compiled = tg.jit(scope["program"])
        for data in (np.array([1, 200, 255, 0, 7], np.uint8), np.array([3, 2**40, -5])):
            for seed in (0, 12345, 2**62):
                for run in (compiled, compiled.interpret):
                    try:
                        assert run(data, seed) == scope["program"](data, seed), text
                        right += 1
                    except OverflowError:
                        pass
    assert right > 200
