"""Conditions on bits of data become choices; those on counters, and others, are left to LLVM."""
from __future__ import annotations

import numpy as np
import pytest

import tracegrad as tg


def low_bit(data, poly):
    crc = 0xFFFF
    for b in data:
        byte = 0xFF & b
        for _ in range(8):
            if (crc & 1) ^ (byte & 1):
                crc = (crc >> 1) ^ poly
            else:
                crc >>= 1
            byte >>= 1
    return crc


def high_bit(data, poly):
    crc = 0
    for b in data:
        crc ^= b << 8
        for _ in range(8):
            crc = ((crc << 1) ^ poly if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def parity(data, poly):
    total = 0
    for b in data:
        if b % 2 == 0:
            total += b
        else:
            total ^= poly
    return total


def of_a_counter(data, poly):
    total = 0
    for i in range(len(data)):
        if i % 2 == 0:
            total += data[i]
        else:
            total ^= poly
    return total


def of_size(data, poly):
    total = 0
    for b in data:
        if b > 100:
            total += b
        else:
            total ^= poly
    return total


MARKED = {low_bit: True, high_bit: True, parity: True, of_a_counter: False, of_size: False}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", MARKED, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["u1", "i8"])
def test_marks_and_values(f, dtype):
    data = np.random.default_rng(3).integers(0, 256, 100).astype(dtype)
    compiled = tg.jit(f)
    wide = data.astype(int) if f is not low_bit else data
    assert compiled(wide, 0x1021) == f(wide.tolist(), 0x1021)
    assert ("!unpredictable" in compiled.lower(wide, 0x1021).text("llvm")) == MARKED[f]
