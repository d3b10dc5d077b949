"""xs[i] of arrays, where only run time knows i: reads, writes, helpers, loops, of equal and of different shapes."""
import numpy as np
import pytest
from trace_check import check

import tracegrad as tg

A = np.arange(6.0).reshape(2, 3) + 1
B = A[::-1] * 0.5
C = np.arange(4.0).reshape(4, 1)


def trade(x, y, n):
    t, k, s = [x, y], 0, 0.0
    while s < n:
        a = t[k]
        a[0, -1] += 0.5
        a *= 1.01
        s += np.sum(a[0])
        a[1] = a[0] ** 2 * 0.1
        k = 1 - k
    return s, t, k


def by_element(x, y, n):
    t, k, s = (x, y), 0, 0.0
    while s < n:
        a = t[k]
        for i in range(a.shape[0]):
            for j in range(a.shape[1]):
                a[i, j] += 0.1 * s
        for row in a:
            s += row[-1] * 0.2
        s += a.sum() * 0.1 + np.mean(a) + len(a) + a.size
        k = (k + 1) % 2
    return s, x, y


def norm(v, w=1.0):
    s = 0.0
    for row in v:
        s += np.dot(row, row) * w
    return np.sqrt(s)


def helpers(x, y, n):
    t = (x, y)
    j = int(np.argmax(x[0]))
    return norm(t[j % 2]), norm(v=t[j - 1], w=2.0), t[j - 2].mean(), (t[-(j % 2)] * 2).sum()


def rows_by_square(x, y, n):
    t, total = [x[0], y[0], x[1]], 0.0
    for i in range(n * 4):
        v = t[(i * i) % 3]
        total += v[-1] * v.shape[0] + np.dot(v, v)
        v[0] = np.sin(0.1 * total)
    return total, x, y


def in_tuples(x, y, n):
    t = ((x, 1.5), (y, 2.5))
    v, w = t[int(np.argmax(x[0])) - 1]
    v[1] = 7 * w
    return x, y, np.sum(v) * w


def in_dicts(x, y, n):
    layers, s = [{"W": x, "b": 1.0}, {"W": y, "b": 2.0}], 0.0
    j = int(np.argmax(x[0]))
    for q in range(50):
        p = layers[(q + j) % 2]
        s += np.sum(p["W"]) * p["b"]
        p["W"][0] += 0.1
    return s, x


def two_at_once(x, y, n):
    t = [x, y]
    j, k = int(np.argmax(x[0])), int(np.argmin(y[0]))
    t[j - 1][:, 0] = t[k][::-1, 0][0] + t[j - 1][0, 0]
    t[k] += t[j - 1][0, 0]
    return x, y, t[k].sum()


def kept_name(x, y, n):
    t, best = (x, y), x
    for i in range(n):
        best = t[1 if x[0, i % 3] > y[1, 0] else 0]
        best[0] -= 0.1
    return x, y


def scaled(v, by):
    v *= by
    return v


def given_back(x, y, n):
    t, total = (x, y), 0.0
    for i in range(3 * n):
        v = scaled(t[(int(np.argmax(x[0])) + i) % 2], 0.9)
        v[0] += np.sum(v) * 0.1
        total += scaled(v, 1.1)[-1, -1]
    return total, x, y


@pytest.mark.sweep(14, days=True)
@pytest.mark.parametrize("shapes", ["equal", "different", "float32"])
@pytest.mark.parametrize("f", [trade, by_element, helpers, rows_by_square, in_tuples, in_dicts, two_at_once,
                               given_back],
                         ids=lambda f: f.__name__)
def test_reads_and_writes(f, shapes):
    x, y = (A, B) if shapes == "equal" else (A, C) if shapes == "different" else (A.astype("f4"), C.astype("f4"))
    if shapes != "different":
        check(f, x.copy(), y.copy(), 3)
    if shapes == "float32":
        return
    ours, theirs = (x.copy(), y.copy()), (x.copy(), y.copy())
    got, want = tg.jit(f)(*ours, 3), f(*theirs, 3)
    np.testing.assert_allclose(got[0], want[0])
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b)
    tg.check_grads(lambda x, y: np.sum(f(x.copy(), y.copy(), 2)[0]), (x, y), order=2)


def test_a_name_that_a_loop_binds_anew():
    check(kept_name, A.copy(), B.copy(), 40)


def test_the_position_is_checked():
    def f(x, y):
        return (x, y)[int(x[0])].sum()

    with pytest.raises(IndexError, match="tuple index out of range"):
        tg.jit(f)(np.array([2.0]), np.ones(3))
    assert tg.jit(f)(np.array([-1.0]), np.ones(3)) == 3.0


def test_a_result_is_an_array_of_its_own_shape():
    def f(x, y):
        return (x, y)[int(np.argmax(x))]

    got = tg.jit(f)(np.array([1.0, 2.0]), np.ones(5))
    np.testing.assert_array_equal(got, np.ones(5))


def test_a_position_that_an_argument_decides_takes_one_program():
    @tg.jit
    def f(x, y, k):
        tables, starts = (x, y), (1, 0)
        v = scaled(tables[k], 2.0)
        return np.sum(v) * starts[k], k

    def plain(x, y, k):
        return np.sum(2.0 * (x, y)[k]) * (1, 0)[k], k

    for k in (0, 1, -1, -2):
        assert f(A.copy(), C.copy(), k) == plain(A, C, k)
    assert len(f.specializations) == 1
    with pytest.raises(IndexError, match="tuple index out of range"):
        f(A.copy(), C.copy(), 2)


def test_an_array_that_is_given_back_for_some_only():
    def first(v, w):
        return v if v.shape[0] == 2 else w

    def f(x, y):
        return first((x, y)[int(np.argmax(x[0]))], x)

    with pytest.raises(tg.UnsupportedError, match="gives that array back for some of them only"):
        tg.jit(f)(A[:, :2], C)


def which(x, k):
    arrays = [x * 1, x * 2]
    one = arrays[k]
    return one is arrays[0], one is arrays[1], arrays[k] is one, one is not arrays[1 - k], one is None, one is x


def joined(x, k):
    a, b = x * 1, x * 2
    return (a if k > 0 else b) is a


def test_identity():
    for k in (0, 1):
        assert tg.jit(which)(A, k) == which(A, k)
    with pytest.raises(tg.UnsupportedError, match="one array"):
        tg.jit(joined)(A, 1)


def test_a_choice_of_choices_is_the_array_itself():
    def f(x):
        rows = [[np.full(3, x[i]) for i in range(3)] for j in range(4)]
        k = x.argmax() - 1
        rows[k][k - 1][1] = 5.0
        chosen = rows[k]
        chosen[1] += 2.0
        part = chosen[k - 1]
        part[0] = x[0]
        return rows

    x = np.array([0.5, 1.0, 0.2, 3.0])
    assert repr(tg.jit(f)(x)) == repr(f(x))
    total = lambda x: sum((i + 1.0) * (j + 1.0) * np.sum(a**2) for i, row in enumerate(f(x)) for j, a in enumerate(row))  # noqa: E731
    steps = [(total(x + h) - total(x - h)) / 2e-6 for h in 1e-6 * np.eye(4)]
    np.testing.assert_allclose(tg.grad(total)(x), steps, rtol=1e-6)


def test_a_choice_or_a_known_entry_is_the_array_itself():
    def f(x, k, level):
        rows = [x * 1, 2 * x[:2], x[:1] * x[:1]]
        row = rows[k] if x[0] > level else rows[0]
        row[0] *= x[1]
        return rows

    x = np.array([0.5, 1.5, 0.2])
    total = lambda x, k, level: sum((i + 1.0) * np.sum(a**2) for i, a in enumerate(f(x, k, level)))  # noqa: E731
    for k, level in ((1, 0.0), (-1, 0.0), (2, 1.0), (0, 0.0)):
        assert repr(tg.jit(f)(x, k, level)) == repr(f(x, k, level))
        steps = [(total(x + h, k, level) - total(x - h, k, level)) / 2e-6 for h in 1e-6 * np.eye(3)]
        np.testing.assert_allclose(tg.grad(total)(x, k, level), steps, rtol=1e-6)
        tangents = [tg.jvp(total, (x, k, level), (h, 0, 0.0))[1] for h in np.eye(3)]
        np.testing.assert_allclose(tangents, steps, rtol=1e-6)
