"""Lists and deques whose length a long loop changes: the loop stays one, the results are Python's."""
import math
from collections import deque

import numpy as np
import pytest

import tracegrad as tg

N = 60


def reads_its_end(x):
    out = [x]
    for i in range(N):
        out.append(out[-1] * 0.5 + math.sin(i))
    return out


def two_by_position(x):
    t, y = [0.0], [x]
    for i in range(N):
        y.append(y[i] - 0.01 * y[i] * t[i])
        t.append(t[i] + 0.01)
    return np.array(t), np.array(y)


def every_tenth(x):
    out = []
    for i in range(N):
        x = x * 0.99 + 0.01 * i
        if i % 10 == 0:
            out.append((i, x))
    return out


def skips(x):
    out = []
    for i in range(N):
        if i % 3 == 0:
            continue
        out.append(x * i)
    return np.array(out)


def extended(x):
    out = []
    for i in range(N):
        out.extend([x * i, x - i])
    return out


def window(x):
    d, total, found = deque(), 0.0, 0.0
    for i in range(N):
        d.append(math.sin(i) * x)
        total += d[-1]
        if len(d) > 5:
            total -= d.popleft()
        found += total * total * d[0]
    return found, d


def both_ends(x):
    d = deque([x], maxlen=4)
    for i in range(N):
        if i % 3:
            d.appendleft(d[0] * 0.5 + d[-1] * 0.1)
        else:
            d.append(d[1] + i if len(d) > 1 else x)
            d[0] = d[0] * 0.5
    return list(d), d, len(d)


def round_robin(x):
    q, total = deque([x, 2 * x, 3 * x]), 0.0
    for i in range(N):
        v = q.popleft()
        total += v * i
        q.append(v * 0.5)
    return total


def shapes_of_it(x):
    out = []
    for i in range(N):
        if i % 4 == 0:
            out.append(x + i)
    return np.array(out) + np.zeros(len(out)), np.arange(len(out)), max(out), sum(out)


# what needs Python's own list, and has the loop written out

def of_two_types(x):
    out = []
    for i in range(N):
        if i % 2:
            out.append(i)
        else:
            out.append(x * i)
    return out


def of_two_types_later(x):
    out = [1]
    for _ in range(N):
        out.append(out[-1] * 0.5 + x)
    return out


def rows_that_change(x):
    rows = []
    for i in range(N):
        rows.append([x * i, x + i])
        if len(rows) > 1:
            rows[-1][0] = rows[-2][1]
    return rows


def an_array_that_changes(x):
    a, out = np.zeros(3), []
    for i in range(N):
        a[i % 3] += x
        if i % 10 == 0:
            out.append(a)
    return np.stack(out)


def parts_of_known_shape(x):
    out = []
    for i in range(N):
        if i % 2:
            out.append(x * i)
    return np.array(out).reshape(10, -1)


ROLLED = (reads_its_end, two_by_position, every_tenth, skips, extended, window, both_ends, round_robin, shapes_of_it)
WRITTEN_OUT = (of_two_types, of_two_types_later, rows_that_change, an_array_that_changes, parts_of_known_shape)


def same(found, want):
    assert type(found) is type(want)
    if isinstance(want, (list, tuple, deque)):
        assert len(found) == len(want) and getattr(found, "maxlen", None) == getattr(want, "maxlen", None)
        for a, b in zip(found, want):
            same(a, b)
    else:
        np.testing.assert_allclose(found, want, rtol=1e-13)
        assert np.shape(found) == np.shape(want)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("fn", ROLLED + WRITTEN_OUT)
def test_as_python(fn):
    compiled = tg.jit(fn)
    same(compiled(0.7), fn(0.7))
    same(compiled.interpret(0.7), fn(0.7))


@pytest.mark.parametrize("fn", ROLLED)
def test_one_copy_of_the_body(fn):
    assert not [note for note in tg.explain(fn, 0.7).notes if note.text.startswith(f"{N} iterations")]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("fn", [f for f in ROLLED if f not in (window, both_ends)])
def test_derivatives(fn):
    def value(x):
        found = fn(x)
        return np.sum(found[1] ** 2) if isinstance(found, tuple) else sum(
            [(v[1] if isinstance(v, tuple) else v) ** 2 for v in found]) if isinstance(found, list) else np.sum(found**2)

    tg.check_grads(value, (0.7,), order=1)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("fn", [lambda x: window(x)[0], lambda x: sum(both_ends(x)[0])])
def test_derivatives_of_deques(fn):
    tg.check_grads(fn, (0.7,), order=1)


def test_an_empty_deque():
    def fn(x):
        d = deque([x])
        for i in range(N):
            x += d.popleft() * i
            if i < 40:
                d.append(x * 0.5)
        return x

    with pytest.raises(IndexError, match="pop from an empty deque"):
        tg.jit(fn)(0.5)


@pytest.mark.parametrize("n", [31, 32, 33])
def test_on_both_sides_of_the_threshold(n):
    def fn(x):
        out = [x]
        for i in range(n):
            out.append(out[-1] * 0.9 + i)
        return out

    same(tg.jit(fn)(0.3), fn(0.3))
