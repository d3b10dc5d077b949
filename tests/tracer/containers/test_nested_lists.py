"""Lists of lists in which run time chooses the inner list, and loops over lists that change meanwhile."""
from __future__ import annotations

import heapq

import numpy as np
import pytest

import tracegrad as tg

EDGES = np.array([[0, 1], [1, 2], [0, 3], [3, 2], [2, 4], [4, 5], [0, 4]])
WEIGHTS = np.array([0.4, 1.3, 0.7, 0.2, 0.9, 0.35, 2.5])
X = np.array([1.1, 0.6, 1.4, 0.3, 0.8])


def neighbours(edges, weights, n):
    adj = [[] for _ in range(n)]
    for k in range(len(edges)):
        u, v = edges[k]
        adj[u].append((v, weights[k]))
        adj[v].append((u, weights[k] * 0.5))
    return adj


def distances(edges, weights, n):
    """Dijkstra's algorithm."""
    adj = [[] for _ in range(n)]
    for k in range(len(edges)):
        u, v = edges[k]
        adj[u].append((v, weights[k]))
        adj[v].append((u, weights[k] * 0.5))
    dist = np.full(n, np.inf)
    dist[0] = 0.0
    heap = [(0.0, 0)]
    while heap:
        d, u = heapq.heappop(heap)
        if d > dist[u]:
            continue
        for v, c in adj[u]:
            if d + c < dist[v]:
                dist[v] = d + c
                heapq.heappush(heap, (dist[v], v))
    return dist


@pytest.mark.sweep(2, days=True)
def test_shortest_paths():
    want = distances(EDGES, WEIGHTS, 6)
    compiled = tg.jit(distances)
    assert np.allclose(compiled(EDGES, WEIGHTS, 6), want)


@pytest.mark.sweep(2, days=True)
def test_derivatives():
    def total(x):
        rows = [[], [1.0]]
        for v in x:
            rows[int(v)].append(v * v)
        return sum(rows[0]) * sum(rows[1])

    assert np.allclose(tg.grad(total)(X), [2 * v * sum(w * w for w in X if (w < 1) != (v < 1)) + 2 * v * (v < 1) for v in X])


def test_lists_of_lists_are_returned():
    got = tg.jit(neighbours)(EDGES, WEIGHTS, 6)
    want = neighbours(EDGES, WEIGHTS, 6)
    assert [list(map(tuple, row)) for row in got] == want and type(got) is list is type(got[0])


def methods(x, k):
    rows = [[], [2.5, x[0]], []]
    for i, v in enumerate(x):
        rows[i % 3].append(v)
    rows[k].append(7.0)
    rows[k] += [x[1], 3.0]
    rows[k][0] = 5.0
    last = rows[k].pop()
    found = 7.0 in rows[k], len(rows[k]), rows[k][-1]
    return last, found, sum(rows[k]), max(rows[k]), sorted(rows[k])[0], len(rows)


@pytest.mark.sweep(6, days=True)
def test_methods():
    compiled = tg.jit(methods)
    for k in (0, -2):
        got, want = compiled(X, k), methods(X, k)
        assert np.isclose(got[2], want[2]) and got[:2] == want[:2] and got[3:] == want[3:]


def test_positions_are_checked():
    def at(x, k, j):
        rows = [[1.0], []]
        rows[k].append(x[0])
        return rows[k][j]

    compiled = tg.jit(at)
    for k, j in ((0, 1), (1, 0), (-2, -2)):
        assert compiled(X, k, j) == at(X, k, j)
    for k, j in ((2, 0), (-3, 0), (0, 2), (1, -2)):
        with pytest.raises(IndexError, match="list index out of range"):
            compiled(X, k, j)
    with pytest.raises(IndexError, match="pop from empty list"):
        tg.jit(lambda k: [[], [1]][k].pop())(0)


def runs(x):
    rows = [[x[0]]]
    for v in x[1:]:
        if v > rows[-1][-1]:
            rows[-1].append(v)
        else:
            rows.append([v])
    return rows


@pytest.mark.sweep(2, days=True)
def test_rows_are_added():
    assert tg.jit(runs)(X) == runs(X)


def renamed(x):
    row = [x[0]]
    rows = [[0.0]]
    if x[1] > 0:
        rows.append(row)
    rows[int(x[2])].append(1.0)
    return row


def chosen(x):
    low, high = [], []
    both = [low, high]
    for v in x:
        both[int(v > 1)].append(v)
    return low


@pytest.mark.parametrize("f", [renamed, chosen])
def test_lists_with_a_name_are_refused(f):
    with pytest.raises(tg.TracegradError):
        tg.jit(f)(X)


def test_a_packed_list_of_named_lists():
    def read(x):
        a, b = [1.0, 2.0], [3.0, 4.0]
        return [a, b][int(x[0])][1] + a[0]

    def written(x):
        a, b = [1.0, 2.0], [3.0, 4.0]
        rows = [a, b]
        rows[int(x[1])][0] = x[1]
        return a[0] + b[0]

    def renewed(x):
        a, b = [1.0, 2.0], [3.0, 4.0]
        rows = [a, b]
        a[1] = 9.0
        return rows[int(x[1])][1]

    assert tg.jit(read)(X) == read(X)
    for f in (written, renewed):
        with pytest.raises(tg.ConcretizationError):
            tg.jit(f)(X)


# --- loops over what changes ------------------------------------------------------------------------------------------

def reached(edges, n):
    adj = [[] for _ in range(n)]
    for u, v in edges:
        adj[u].append(v)
    order, seen = [int(edges[0, 0])], np.zeros(n, dtype=bool)
    for u in order:
        for v in adj[u]:
            if not seen[v]:
                seen[v] = True
                order.append(v)
    return np.array(order)


def doubled(x):
    found = [v for v in x if v > 0.5]
    count, total = 0, 0.0
    for v in found:
        count += 1
        total += v * count
        if count < 4:
            found.append(v * 0.5)
        if v < 0.2:
            break
    return total, count


def swapped(rows, i, j):
    rows[i], rows[j] = rows[j], rows[i]
    return rows


def test_lists_are_exchanged():
    f = tg.jit(swapped)
    assert f([[5.0, 2.0], [3.0]], 1, -1) == [[5.0, 2.0], [3.0]]
    assert f([[5.0, 2.0], [3.0]], 0, 1) == [[3.0], [5.0, 2.0]]


def renamed(rows, k):
    new = [1.0]
    rows[int(k)] = new
    new.append(2.0)
    return rows


def test_a_list_with_a_name_is_not_put_into_it():
    with pytest.raises(tg.UnsupportedError, match="a list that has a name"):
        tg.jit(renamed)([[5.0, 2.0], [3.0]], 1.0)


def test_lists_in_an_argument_keep_what_they_hold_when_others_leave():
    first, second = [5.0, 2.0], [3.0]
    rows = [first, second]
    assert tg.jit(lambda rows: rows.pop(0))(rows) is first
    assert len(rows) == 1 and rows[0] is second and first == [5.0, 2.0] and second == [3.0]


def test_lists_that_grow_while_a_loop_runs_over_them():
    assert np.array_equal(tg.jit(reached)(EDGES, 6), reached(EDGES, 6))
    assert np.allclose(tg.jit(doubled)(X), doubled(X))


# --- texts and equality -----------------------------------------------------------------------------------------------

def compared(x):
    found = [int(v * 2) for v in x if v > 1]
    return found == [2, 2], found != [2, 2], found == [2, 2], found == [2], found == found[:], found == (2, 2)


def printed(x):
    found, numbers = [int(v * 2) for v in x if v > 1], [v for v in x if v > 1]
    print(found, numbers, [found], {"k": found})
    print(f"{found} and {x[0]}", str(found), repr(numbers))


def test_texts_and_equality(capsys):
    assert tg.jit(compared)(X) == compared(X)
    printed(X)
    want = capsys.readouterr().out
    tg.jit(printed)(X)
    assert capsys.readouterr().out == want
    with pytest.raises(tg.UnsupportedError, match="the text of a list"):
        tg.jit(lambda x: print([(v, 1) for v in x if v > 1]))(X)


def are_one(n, i, j):
    adj = [[] for _ in range(4)]
    for k in range(4):
        adj[n[k]].append(k)
    return adj[n[i]] is adj[n[j]], adj[0] is adj[n[0]], adj[n[0]] is not adj[n[0]]


def row_is(v, x):
    rows = [[x, 1.0], [2.0, x]]
    return rows[v[0]] is rows[v[1]]


@pytest.mark.sweep(2, days=True)
def test_lists_in_a_list_are_asked_whether_they_are_one():
    n = np.array([1, 2, 1, 0])
    for i, j in ((0, 2), (0, 1)):
        assert tg.jit(are_one)(n, i, j) == are_one(n, i, j)
    for v in ([0, 0], [0, 1]):
        assert tg.jit(row_is)(np.array(v), 2.0) is row_is(v, 2.0)


# --- lists that change their places -----------------------------------------------------------------------------------

def eliminated(m):
    rows = [row[:] for row in m]
    found = 1.0
    for i in range(len(rows)):
        p = max(range(i, len(rows)), key=lambda r: abs(rows[r][i]))
        if p != i:
            rows[i], rows[p] = rows[p], rows[i]
            found = -found
        found *= rows[i][i]
        for r in range(i + 1, len(rows)):
            f = rows[r][i] / rows[i][i]
            for c in range(i, len(rows)):
                rows[r][c] -= f * rows[i][c]
    return found


def by_first(rows):
    for i in range(len(rows)):
        least = i
        for j in range(i + 1, len(rows)):
            if rows[j][0] < rows[least][0]:
                least = j
        held = rows[i]
        rows[i] = rows[least]
        rows[least] = held
    return len(rows)


def under_two_names(rows, k):
    k = int(k)
    r = rows[k]
    rows[0], rows[k] = rows[k], rows[0]
    r.append(7.0)
    rows.append(r)
    rows[-1].append(8.0)
    rows[1] = [4.0, 5.0, 6.0]
    return rows, rows[0] is r, rows[k] is r


@pytest.mark.sweep(6, days=True)
def test_rows_change_their_places():
    m = [[2.0, 1.0, 5.0], [4.0, 3.0, 1.0], [9.0, 0.0, 1.0]]
    value, g = tg.value_and_grad(eliminated)(m)
    assert value == pytest.approx(np.linalg.det(np.array(m)))
    assert np.allclose(np.array(g), np.linalg.det(np.array(m)) * np.linalg.inv(np.array(m)).T)


def test_the_callers_rows_change_their_places():
    rows = [[5, 2], [1, 7], [3, 3]]
    mine, objects = [row[:] for row in rows], list(rows)
    assert tg.jit(by_first)(rows) == by_first(mine) == 3
    assert rows == mine and all(a is objects[k] for a, k in zip(rows, (1, 2, 0)))


@pytest.mark.parametrize("k", [1.0, 2.0])
def test_a_list_stands_in_it_twice(k):
    rows = [[1.0], [2.0, 3.0], []]
    mine = [row[:] for row in rows]
    got, want = tg.jit(under_two_names)(rows, k), under_two_names(mine, k)
    assert got == want and rows == mine
    assert (rows[3] is rows[0]) == (mine[3] is mine[0])
