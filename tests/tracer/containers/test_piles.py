"""Lists whose length only run time knows: compiled equals Python equals the evaluator; derivatives every way."""
import numpy as np
import pytest

import tracegrad as tg

X = np.array([0.7, -0.4, 1.3, 0.2, -1.1, 0.9, 0.4, -0.2])
STEP = 1e-5


def errors_of_an_iteration(x):
    history, error = [], 1.0
    while error > 1e-2:
        new = np.cos(x)
        error = np.abs(new - x).max()
        x = new
        history.append(error)
    return x, np.array(history), len(history), history[-1]


def last_and_the_one_before(x):
    roots = [x[0] + 2.0]
    for _ in range(100):
        y = roots[-1]
        new = 0.5 * (y + 3.0 * x[2] / y)
        roots.append(new)
        if abs(new - y) < 1e-9:
            break
    return roots[-1], roots[-2], len(roots), sum(roots), min(roots), roots[1:3]


def picked(x):
    peaks, both = [], []
    for i in range(1, len(x) - 1):
        if x[i] > x[i - 1] and x[i] > x[i + 1]:
            peaks.append(x[i])
            both += [x[i - 1], x[i + 1]]
        elif x[i] < 0:
            both.extend([x[i] ** 2])
    return sum(peaks), np.array(both), np.mean(both), sorted(both)


def comprehended(x):
    kept = [v for v in x if v > 0.1]
    squares = [v * v for v in kept]
    pairs = [a * b for a, b in zip(kept, squares) if b < 1.0]
    places = [i for i, v in enumerate(x) if v < 0]
    products = [a * b for a in kept for b in x if a * b > 0.5]
    return kept, sum(squares), pairs, x[np.array(places)], max(products), 0.7 in kept


def accepted_steps(x):
    t, h, y, times, values = 0.0, 0.1, x[0], [0.0], [x[0]]
    while t < 1.0:
        h = min(h, 1.0 - t)
        slope = -x[2] * y
        low, high = y + h * slope, y + 0.5 * h * (slope - x[2] * (y + h * slope))
        error = abs(high - low)
        if error <= 2e-3:
            t, y = t + h, high
            times.append(t)
            values.append(y)
        h *= min(2.0, max(0.3, 0.9 * (2e-3 / (error + 1e-12)) ** 0.5))
    return np.array(times), np.array(values)


def rows(x):
    states = [x[:3]]
    while np.linalg.norm(states[-1]) > 0.3:
        states.append(states[-1] * 0.6 + 0.01 * np.sin(states[-1]))
    total = 0.0
    for k, row in enumerate(states):
        total += k * row.sum()
    return (np.stack(states), np.vstack(states).shape, np.concatenate(states)[::2], np.stack(states, axis=1), total,
            states[len(states) // 2], states)


def tuples(x):
    path, t, y = [(0.0, x[0])], 0.0, x[0]
    while y > 0.2:
        y, t = 0.7 * y, t + 0.1
        path.append((t, y))
    whole = np.array(path)
    return whole, path[-1][1], path, [a * b for a, b in path]


def depth_first(x):
    seen, stack, total, gain = np.zeros(8, dtype=bool), [0], 0.0, 1.0
    while stack:
        u = stack.pop()
        if seen[u]:
            continue
        seen[u] = True
        total, gain = total + gain * x[u], gain * 0.5
        for v in range(8):
            if (u * v + u + v) % 3 == 1 and not seen[v]:
                stack.append(v)
    return total, seen


def breadth_first(x):
    queue, head, total, known = [0], 0, 0.0, np.zeros(8, dtype=bool)
    while head < len(queue):
        u = queue[head]
        head += 1
        total += x[u] * head
        for v in range(8):
            if (u * v + u + v) % 3 == 1 and not known[v]:
                known[v] = True
                queue.append(v)
    queue[-1] = 99
    return total, queue


def of_each_row(x):
    total = 0.0
    for row in x.reshape(4, 2):
        kept = []
        for v in row:
            if v > 0:
                kept.append(v)
        if len(kept) > 1:
            total += np.prod(np.array(kept)) + kept[-1] * kept[0]
        elif kept:
            total += kept[0]
    return total


class Recorder:
    def __init__(self):
        self.times, self.values = [], []

    def add(self, t, value):
        self.times.append(t)
        self.values.append(value)


def in_an_object(x):
    record, t, y = Recorder(), 0, x[2]
    while y > 0.1:
        record.add(t, y)
        y = y * 0.8 if t % 2 else y * 0.6
        t += 1
    return sum(record.values) / len(record.values), np.diff(record.values), record.times[-1]


def copies_of_an_array_that_changes(x):
    y, out = x * 2.0, []
    while y[0] > 0.1:
        y *= 0.7
        out.append(y.copy())
    z, more = x * 2.0, []
    while z[0] > 0.1:
        more.append(z)
        z = z * 0.5
        z[1] += 1.0
    return np.array(out), np.array(more)


def of_both_branches(x):
    out = []
    for v in x:
        if v < 0:
            out.append(0.0)
            continue
        out.append(np.sqrt(v))
    out.append(1.0)
    return out


def joined(x):
    above, below = [v for v in x if v > 0], [1.0]
    below += [v * v for v in x if v < 0]
    whole, front, back = above + below, [2.0] + above, above + [3.0]
    below.extend(above)
    for v in above:
        whole.append(v)
    return np.array(below), np.array(whole), front, sum(back)


def never_reached(x):
    found = []
    for v in x:
        if v > 100.0:
            found.append(v)
    return np.array(found), found, len(found), x.sum()


PROGRAMS = [errors_of_an_iteration, last_and_the_one_before, picked, comprehended, accepted_steps, rows, tuples, depth_first,
            breadth_first, of_each_row, in_an_object, copies_of_an_array_that_changes, of_both_branches, joined,
            never_reached]


def same(a, b):
    assert type(a) is type(b) or not isinstance(b, (list, tuple, np.ndarray))
    if isinstance(b, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        np.testing.assert_allclose(a, b, rtol=1e-12)
        assert np.asarray(a).dtype == np.asarray(b).dtype and np.shape(a) == np.shape(b)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("program", PROGRAMS)
def test_values(program):
    for x in (X, X[::-1] + 0.4, X + 0.3):
        expected = program(x)
        same(tg.jit(program)(x), expected)
        same(tg.jit(program).interpret(x), expected)


def loss_of(program):
    def loss(x):
        total, found = 0.0, program(x)
        for part in found if isinstance(found, tuple) else (found,):
            part = np.asarray(part)
            if part.dtype.kind == "f":
                total = total + np.sum(np.sin(part))
        return total

    return loss


@pytest.mark.sweep(6)
@pytest.mark.parametrize("program", [p for p in PROGRAMS if p not in (breadth_first,)])
def test_derivatives(program):
    loss = loss_of(program)
    v = np.cos(np.arange(8.0))
    gradient = tg.grad(loss)
    reverse = gradient(X) @ v
    assert np.isclose(tg.jvp(loss, (X,), (v,))[1], reverse, rtol=1e-12, atol=1e-13)
    near = [loss(X + k * STEP * v) for k in (-2, -1, 1, 2)]
    assert np.isclose(reverse, (8 * (near[2] - near[1]) - (near[3] - near[0])) / (12 * STEP), rtol=1e-6, atol=1e-9)
    slope = (gradient(X + STEP * v) - gradient(X - STEP * v)) / (2 * STEP)
    np.testing.assert_allclose(tg.hvp(loss, (X,), (v,)), slope, rtol=1e-5, atol=1e-6)
    with tg.config(disable_jit=True):
        np.testing.assert_allclose(gradient(X), tg.grad(loss)(X), rtol=1e-12)


def test_single_precision_stays():
    assert tg.jit(errors_of_an_iteration)(X.astype(np.float32))[1].dtype == np.float32


def test_errors_of_python():
    def popped(x):
        out = []
        if x > 0:
            out.append(x)
        return out.pop()

    def indexed(x):
        out = []
        while x > 1.0:
            out.append(x)
            x = x - 1.0
        return out[3]

    assert tg.jit(popped)(2.0) == 2.0 and tg.jit(indexed)(5.0) == 2.0
    with pytest.raises(IndexError, match="pop from empty list"):
        tg.jit(popped)(-1.0)
    with pytest.raises(IndexError):
        tg.jit(indexed)(3.0)


def test_what_cannot_be():
    def alias(x):
        out = []
        while x[0] > 0.1:
            x *= 0.7
            out.append(x)
        return np.array(out)

    def handed_on(x):
        out, y = [], x * 2.0
        while y[0] > 0.1:
            y[1] += 1.0
            out.append(y)
            y[0] *= 0.5
        return np.array(out)

    def written_after(x):
        out = []
        while x[0] > 0.1:
            y = x * 2.0
            out.append(y)
            y[0] = 5.0
            x = x * 0.5
        return np.array(out)

    def mixed(x):
        out = []
        while x[0] > 0.1:
            out.append(x)
            out.append(x[0])
            x = x * 0.5
        return len(out)

    for program, what in ((alias, "append a copy"), (handed_on, "append a copy"), (written_after, "copy"),
                          (mixed, "an entry unlike the others")):
        with pytest.raises(tg.UnsupportedError, match=what):
            tg.jit(program)(X)


def test_nothing_is_kept_for_each_read():
    """Reading the last entry costs no copy of the list: what a gradient pushes grows with the entries, not their square."""
    def program(x, n):
        values = [x]
        while len(values) < n:
            values.append(np.sin(values[-1]) + 0.5)
        return values[-1]

    text = tg.jit(program).lower(0.3, 50.0).text("optimized")
    assert text.count("for ") == 0 and text.count("while") == 1


def test_under_a_derivative_in_compiled_code():
    def program(x):
        history, slope = [], tg.grad(lambda z: z**4 - 3.0 * z)(x)
        while abs(slope) > 1e-2:
            x = x - 0.05 * slope
            slope = tg.grad(lambda z: z**4 - 3.0 * z)(x)
            history.append(x)
        return np.sum(np.array(history))

    slope = (tg.jit(program)(2.0 + STEP) - tg.jit(program)(2.0 - STEP)) / (2 * STEP)
    assert np.isclose(tg.grad(program)(2.0), slope, rtol=1e-7)


def test_a_heap_by_hand_in_a_list_that_a_loop_makes():
    def sift(xs):
        heap = []
        for x in xs:
            heap.append(x)
            i = len(heap) - 1
            while i > 0:
                p = (i - 1) // 2
                if heap[p] <= heap[i]:
                    break
                heap[p], heap[i] = heap[i], heap[p]
                i = p
        return heap

    def weighted(xs):
        total = 0.0
        for k, x in enumerate(sift(xs)):
            total += k * x * x
        return total

    x = np.array([4.0, 1.0, 3.0, 0.5, 2.0])
    assert tg.jit(sift)(x) == sift(x)
    steps = [(weighted(x + 1e-6 * e) - weighted(x - 1e-6 * e)) / 2e-6 for e in np.eye(5)]
    np.testing.assert_allclose(tg.grad(weighted)(x), steps, rtol=1e-7)


def kept(values):
    found = []
    for v in values:
        if v > 0:
            found.append(v)
    return found


def counted(values):
    found = {}
    for v in values:
        found[v] = found.get(v, 0) + 1
    return found


def paired(values, key):
    return [key(v) for v in kept(values)]


@pytest.mark.sweep(3, days=True)
def test_one_helper_makes_lists_and_dicts_of_another_type_for_each_caller():
    """Ints that do not fit in a float would come back as others."""
    def fn(ints, x):
        return (kept(ints), kept(x), counted(ints), counted(x), paired(x, lambda v: v * 2), paired(x, lambda v: (v, v * 3)))

    ints = np.array([2**62 + 1, -5, 3, 3])
    for found in (tg.jit(fn)(ints, X), tg.jit(fn).interpret(ints, X)):
        assert repr(found) == repr(fn(ints, X))
    tg.check_grads(lambda x: sum(v * w for v, w in fn(ints, x)[5]) + sum(fn(ints, x)[1]), (X,), order=2)


def without(x, k):
    held = [v for v in x if v > 0]
    del held[0]
    del held[k]
    return held


def test_items_are_deleted():
    assert tg.jit(without)(X, -1) == without(X, -1) and tg.jit(without)(X, 1) == without(X, 1)
    with pytest.raises(IndexError):
        tg.jit(without)(X, 7)
    with pytest.raises(tg.UnsupportedError, match="a slice with a step, of a list"):
        tg.jit(lambda x: [v for v in x if v > 0].__delitem__(slice(0, 2, 2)))(X)


def test_slices_of_an_empty_list():
    def f(items, k):
        rest = items[k:]
        rest.append(1.5)
        return rest, items[:k]

    assert tg.jit(f)([], 2) == ([1.5], [])
