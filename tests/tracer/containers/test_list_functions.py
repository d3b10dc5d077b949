"""heapq, bisect and the methods of lists whose length only run time knows: as Python, and derivatives every way."""
import bisect
import heapq

import numpy as np
import pytest

import tracegrad as tg

X = np.array([0.7, -0.4, 1.3, 0.2, -1.1, 0.9, 0.45, -0.2])


def heap_sorted(x):
    heap, out, k = [], np.empty(len(x)), 0
    for v in x:
        heapq.heappush(heap, v)
    while heap:
        out[k] = heapq.heappop(heap)
        k += 1
    return out


def heapified(x):
    heap = [v * v for v in x]
    heapq.heapify(heap)
    least = heapq.heapreplace(heap, 0.3)
    return heapq.heappushpop(heap, 0.01), least, np.array(heap)


def shortest(x):
    """Dijkstra on a ring with chords."""
    n = len(x)
    far = np.full(n, np.inf)
    far[0] = 0.0
    heap = [(0.0, 0)]
    while len(heap) > 0:
        d, u = heapq.heappop(heap)
        if d > far[u]:
            continue
        for step in (1, 3):
            v = (u + step) % n
            if d + x[u] ** 2 * step < far[v]:
                far[v] = d + x[u] ** 2 * step
                heapq.heappush(heap, (far[v], v))
    return far


def of_known_items(x):
    heap = [5, 1, 4]
    heapq.heapify(heap)
    heapq.heappush(heap, 2)
    return heapq.heappop(heap) * x[0] + heapq.heappop(heap), len(heap)


def inserted_in_order(x):
    kept = []
    for v in x:
        bisect.insort(kept, v)
    return np.array(kept), bisect.bisect_left(kept, 0.2), bisect.bisect_right(kept, 0.2), bisect.bisect(np.sort(x), 0.3)


def a_queue(x):
    queue, total, turn = [0], 0.0, 1.0
    seen = np.zeros(len(x), dtype=bool)
    while queue:
        u = queue.pop(0)
        total, turn = total + turn * x[u], turn * 0.8
        for v in range(len(x)):
            if (u * v + u + v) % 3 == 1 and not seen[v]:
                seen[v] = True
                queue.append(v)
    return total, seen


def moved(x):
    kept = [v for v in x if v > -1.0]
    kept.insert(1, 7.0)
    kept.insert(-1, 8.0)
    kept.insert(100, 9.0)
    first, second = kept.pop(0), kept.pop(-4)
    kept.reverse()
    place = kept.index(8.0)
    kept.remove(7.0)
    return first, second, place, kept.count(9.0), np.array(kept)


def put_in_front(x):
    out, k = [], 0
    while x[k] < 1.0:
        out.insert(0, x[k] ** 2)
        k += 1
    return np.array(out), out[0]


def sorted_pairs(x):
    pairs = [(abs(v) // 0.5, i) for i, v in enumerate(x) if v > -1.0]
    up = sorted(pairs)
    pairs.sort(reverse=True)
    kept = [v for v in x if v > 0]
    kept.sort()
    return np.array(pairs), np.array(up), np.array(kept), [i for _, i in up]


def written_while_it_grows(x):
    kept, k = [], 0
    while k < 6:
        kept.append(x[k] * k)
        k += 1
        if k > 2:
            kept[k // 2] = kept[k // 2] * kept[-2] + 1
            kept[0] += kept[1] * x[k]
    return np.array(kept)


def rows_written(x):
    rows, total = [x[:2]], 0.0
    for i in range(5):
        if x[i] > 0:
            rows.append(x[i:i + 2] * i)
        total += (rows[len(rows) // 2] ** 2).sum()
        rows[0] = rows[-1] * 0.5
    return total, rows[0]


def by_keys(x):
    """Stable orders by keys of one and of two numbers, upwards and downwards, of numbers and of tuples."""
    kept = [v for v in x if v > -0.5]
    kept.sort(key=lambda v: abs(v - 0.5))
    pairs = [(v, k) for k, v in enumerate(x) if v < 1.0]
    pairs.sort(key=lambda p: (p[1] % 3, -p[0]), reverse=True)
    last = sorted(kept, key=lambda v: -v, reverse=True)
    return np.array(kept), np.array([p[0] * p[1] for p in pairs]), np.array(last)


def extremes_by_keys(x):
    pairs = [(v, k) for k, v in enumerate(x) if v > -1.0]
    far = max(pairs, key=lambda p: (p[0] - 0.3) ** 2)
    near = min(pairs, key=lambda p: (int(p[0] * 2), p[1]))
    running, grown = 0.0, []
    for v in x:
        grown.append(v)
        running += max(grown, key=lambda g: -(g - 0.07) ** 2) + min(grown, default=0.0)
    none = [v for v in x if v > 9.0]
    return far[0] * 2 + near[0] * near[1] + max(pairs)[0] * min(pairs)[0] + running, max(none, default=x[0])


PROGRAMS = [by_keys, extremes_by_keys, heap_sorted, heapified, shortest, of_known_items, inserted_in_order, a_queue,
            moved, put_in_front, sorted_pairs,
            written_while_it_grows, rows_written]


def parts(found):
    return list(found) if isinstance(found, tuple) else [found]


@pytest.mark.sweep(21)
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [X, X[::-1], np.float32(X)], ids=["forward", "backward", "float32"])
def test_values(f, x):
    compiled = tg.jit(f)
    for got in (compiled(x), compiled.interpret(x)):
        for a, b in zip(parts(got), parts(f(x)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5 if x.dtype == np.float32 else 1e-12)
            assert not isinstance(b, np.ndarray) or a.dtype == b.dtype


@pytest.mark.sweep(16, days=True)
@pytest.mark.parametrize("f", [by_keys, extremes_by_keys, heap_sorted, shortest, a_queue, written_while_it_grows,
                          rows_written], ids=lambda f: f.__name__)
def test_derivatives(f):
    tg.check_grads(lambda x: parts(f(x))[0], (X,), order=2)


def growing(x):
    return [v for v in x if v > 0.5]


def popped_beyond(x):
    return growing(x).pop(9)


def removed_but_not_there(x):
    growing(x).remove(3.0)


def not_there(x):
    return growing(x).index(2.5)


def nothing_to_pop(x):
    return heapq.heappop([v for v in x if v > 5.0])


def greatest_of_none(x):
    return max([v for v in x if v > 5.0], key=abs)


@pytest.mark.parametrize("f", [greatest_of_none, popped_beyond, removed_but_not_there, not_there, nothing_to_pop],
                          ids=lambda f: f.__name__)
def test_errors_are_those_of_python(f):
    with pytest.raises((IndexError, ValueError)) as expected:
        f(X)
    with pytest.raises(expected.type) as found:
        tg.jit(f)(X)
    assert str(found.value).split("\n")[0] == str(expected.value)


@pytest.mark.sweep(2, days=True)
def test_a_stack_of_adjoints_may_be_shorter_than_the_stack():
    """Only the first entry has a slope: the adjoints of those above are zeros that no stack holds."""
    def fn(x):
        kept, k = [], 0
        while k < 40:
            kept.append(x[k % 8] * k)
            if k > 20:
                kept[3] = kept[3] * x[0]
            k += 1
        k, found = 0, 0.0
        while k < 1:
            found += kept[3] * 2.0
            k += 1
        return found

    tg.check_grads(fn, (X,), order=2)


# --- slices of lists of run-time length -----------------------------------------------------------------------------------

def deleted(x, i, j):
    a, b, c = ([v for v in x if v > 0] for _ in range(3))
    del a[i:]
    del b[i:j]
    c.append(x[0])
    del c[:-2]
    pairs = [(v, 1.0) for v in x if v > 0]
    del pairs[1:2]
    return a, b, c, [u + v for u, v in pairs]


def assigned(x, i, j):
    a, b, c = ([v for v in x if v > 0] for _ in range(3))
    a[i:j] = [x[1], x[2], x[0]]
    b[1:1] = b
    c[:] = []
    return a, b, c


def of_known_length(x, i, j):
    a, b = list(x), list(x)
    k = int(x[2])
    del a[:k]
    b[k:] = [x[0]]
    if x[1] < 2:
        del b[1:]
    return a, b


@pytest.mark.parametrize("program", [deleted, assigned, of_known_length], ids=lambda f: f.__name__)
def test_slices(program):
    f, x = tg.jit(program), np.array([0.5, 1.5, 2.25, -0.3, 3.1])
    for i, j in ((0, 2), (2, 1), (-2, 9), (1, -1), (-9, -9)):
        assert f(x, i, j) == program(x, i, j)


def test_slices_with_a_step_are_refused():
    def f(x):
        a = [v for v in x if v > 0]
        del a[::2]
        return a

    with pytest.raises(tg.UnsupportedError, match="a slice with a step"):
        tg.jit(f)(np.array([0.5, 1.5]))
