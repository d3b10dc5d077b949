"""Generators: the consumer's body takes the place of `yield`. Values as Python's, derivatives in both modes."""
import numpy as np
import pytest
from sweeps import turn
from trace_check import ops

import tracegrad as tg

X = np.linspace(0.2, 2.5, 12)


def halves(a, n):
    for _ in range(n):
        yield a
        a = a * 0.5


def above(x, t):
    while x > t:
        x = x / 3
        yield x


def up_to_three(x):
    yield x
    yield x * 2
    if x > 1:
        yield 100.0
    return 5.0


def delegates(x):
    found = yield from up_to_three(x)
    yield found
    yield from (v + 1 for v in up_to_three(x))
    yield from [1.0, x]


def pairs(x):
    for i in range(x.size):
        for j in range(i):
            yield i, j, x[i] * x[j]


def finishes(x, log):
    try:
        for k in range(x.size):
            yield x[k]
    finally:
        log[0] += 1


def counter():
    n = 0
    while True:
        yield n
        n += 1


def windows(x, width):
    for i in range(len(x) - width + 1):
        yield x[i:i + width]


def in_place(buffer):
    for k in range(buffer.size):
        buffer[k] += 1
        yield buffer


def divides(x):
    for v in halves(x, 3):
        yield 1 / (v - 0.5)


def catches(x):
    try:
        yield x
    except ZeroDivisionError:
        yield 77.0


def walk(step, limit):
    x = 0.0
    while True:
        x += step
        if x > limit:
            return
        yield x


class Grid:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        for k in range(self.n):
            yield k * 0.5

    def cells(self, m):
        for i in self:
            for j in range(m):
                yield i + j


def added(a, n):
    s = 0.0
    for v in halves(a, n):
        s += v
    return s


def summed(a, n):
    return sum(halves(a, n)), sum(v * v for v in halves(a, n) if v > 0.3), any(v < 0.1 for v in halves(a, n))


def collected(a, n):
    return np.array(list(halves(a, n))), [v * 2 for v in halves(a, n)]


def left_early(a, n):
    s, last = 0.0, -1
    for k, v in enumerate(halves(a, n)):
        last = k
        if v < 0.1:
            break
        s += v
    else:
        s = -s
    return s, last


def returned(a, n):
    for v in halves(a, n):
        if v < 0.1:
            return v
    return -1.0


def zipped(a, n):
    s = 0.0
    for v, y in zip(halves(a, n), X):
        s += v * y
    for (j, y), v in zip(enumerate(X), halves(a, n)):
        s -= v * y * j
    return float(s)


def of_unknown_length(x, t):
    listed = []
    for v in above(x, t):
        listed.append(v)
    return np.array(listed), max(above(x, t)), np.fromiter(above(x, t), float), len(list(above(x, t)))


def digits(x):
    s = 0.0
    for v in delegates(x):
        s = s * 10 + v
    return s


def matrix(x):
    out = np.zeros((x.size, x.size))
    for i, j, v in pairs(x):
        out[i, j] = v
        if v > 3:
            continue
        out[j, i] = -v
    return out


def closed_early(x, log, t):
    s = 0.0
    for v in finishes(x, log):
        if v > t:
            break
        s += v
    log[1] = s
    return s


def one_by_one(x):
    made = halves(x, 5)
    a, b = next(made), next(made)
    p, q = halves(x, 2)
    rest = 0.0
    for v in made:
        rest += v
    for u, v in zip(halves(x, 4), halves(x * 2, 4)):
        rest += u * v
    return a, b, p + q, rest, next(made, -1.0)


def endless(x, t):
    for k in counter():
        if x * k > t:
            return k


def first(x, t):
    return next((i for i in range(x.size) if x[i] > t), -1), next(v for v in x if v > 0.3)


def of_views(x):
    return [float(v.mean()) for v in windows(x, 3)], sum(v.sum() for v in windows(x, 2))


def shared(b):
    total = 0.0
    for w in in_place(b):
        total += w[1]
        w[0] *= 1.5
    return total


def objects(x, n):
    grid, s = Grid(12), 0.0
    for v in grid:
        s += x * v
    for v in grid.cells(n):
        s += v * x
    return s


def raises(x):
    s = 0.0
    try:
        for v in divides(x):
            s += v
    except ZeroDivisionError:
        s = -s - 1
    return s


def not_for_the_generator(x):
    s = 0.0
    try:
        for v in catches(x):
            s += 1 / v
    except ZeroDivisionError:
        s = -1.0
    return s


def handed(values):
    s = 0.0
    for v in values:
        s += v
    return s


def hands_on(x):
    return handed(halves(x, 20)) + handed(v * x for v in range(30)) + float(handed(v for v in X if v > x))


def captured(x):
    items = X
    values = (v * x for v in items)
    items = None
    return handed(values)


def extremes(x, t):
    return max(v * v for v in x), min((v for v in x if v > t), default=9.0), max(enumerate(x), key=lambda p: p[1])[0]


def tries(x, b):
    for i in range(x.size):
        try:
            yield float(x[i]) / float(b[i])
        except ZeroDivisionError:
            yield -1.0
        finally:
            b[i] += 1


def until_it_returns(a):
    return sum(v * v for v in walk(a, 3.0)), list(walk(1.0, 3.0))


def over_tries(x, b):
    s = 0.0
    for v in tries(x, b):
        if v > 1.5:
            break
        try:
            s += 1 / (v + 1.0)
        except ZeroDivisionError:
            s += 50.0
    return s


def exactly(found, want):
    assert type(found) is type(want)
    np.testing.assert_equal(found, want)


@pytest.mark.sweep(2)
@pytest.mark.parametrize(("fn", "args"), [
    *((f, (a, n)) for f in (added, summed, collected, left_early, returned, zipped)
      for a, n in ((3.0, 0), (3.0, 1), (3.0, 5), (3.0, 30), (0.05, 5))),
    (of_unknown_length, (30.0, 0.1)), (of_unknown_length, (0.4, 0.1)),
    *((f, (a,)) for f in (digits, until_it_returns, one_by_one, hands_on, captured) for a in (3.0, 0.5)),
    *((f, (x,)) for f in (matrix, of_views, shared) for x in (X, X[::-1], X[:4])), (matrix, (X[:0],)),
    *((closed_early, (x, np.zeros(2), t)) for x in (X, X[:0], X[:3]) for t in (1.0, 9.0)), (endless, (2.0, 7.0)),
    (extremes, (X, 0.7)), (extremes, (X, 7.0)), *((over_tries, (X, b)) for b in (np.arange(12) % 4.0, np.ones(12))),
    (over_tries, (X[:3], np.zeros(3))), (first, (X, 1.0)),
    (first, (X, 9.0)), (objects, (2.0, 3)), (raises, (1.0,)), (raises, (2.2,)),
    (not_for_the_generator, (2.0,)), (not_for_the_generator, (0.0,))], ids=lambda v: getattr(v, "__name__", ""))
def test_values(fn, args):
    compiled = tg.jit(fn)
    theirs = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    want = fn(*theirs)
    for run in (compiled, compiled.interpret):
        mine = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
        exactly(run(*mine), want)
        np.testing.assert_equal(mine, theirs)


@pytest.mark.parametrize(("fn", "x"), [
    (lambda a: added(a, 30), 3.0), (lambda a: left_early(a, 30)[0], 3.0), (lambda a: zipped(a, 30), 3.0), (digits, 3.0),
    (lambda a: until_it_returns(a)[0], 0.4),
    (lambda a: of_unknown_length(a, 0.1)[0], 30.0), (matrix, X[:6]), (lambda x: closed_early(x, np.zeros(2), 1.0), X),
    (shared, X[:5]), (raises, 1.2), (hands_on, 0.7), (lambda x: first(x, 1.0)[1], X)], ids=range(12))
def test_derivatives(fn, x, request):
    tg.check_grads(fn, (x,), order=2 if turn(3, request.node.name) else 1)


def test_a_loop_in_a_generator_stays_rolled():
    found = ops(added, 1.0, 1000)
    assert found["mul"] == found["for"] == 1 and "while" not in found


def _returns(x):
    return halves(x, 3)



def _one_by_one_of_unknown_length(x):
    values = above(x, 0.1)
    return next(values) + next(values)


def _next_in_a_loop(x):
    values, s = halves(x[0], 100), 0.0
    for v in x:
        if v > x[0]:
            s += next(values)
    return s


@pytest.mark.parametrize(("fn", "x", "what"), [
    (_returns, 1.0, "a generator cannot be returned"),
    (_one_by_one_of_unknown_length, 1.0, "a condition around a `yield`"),
    (_next_in_a_loop, np.arange(20.0), r"next\(\) changes a Generator in a branch")], ids=lambda v: getattr(v, "__name__", ""))
def test_refusals(fn, x, what):
    with pytest.raises(tg.TracegradError, match=what) as caught:
        tg.jit(fn)(x)
    assert "Instead: " in str(caught.value)


def averages(x):
    def average():
        total, n, v = 0.0, 0, None
        while True:
            v = yield (total / n if n else 0.0)
            total += v * v
            n += 1

    g, out = average(), 0.0
    next(g)
    for v in x:
        out = g.send(v)
    return out


def until_none(x):
    def gather():
        s = 0.0
        while True:
            v = yield s
            if v is None:
                break
            s += v * v

    g = gather()
    g.send(None)
    a, b = g.send(x[0]), g.send(x[1])
    try:
        g.send(None)
    except StopIteration:
        b += 100
    g.close()
    return a * b


@pytest.mark.parametrize("fn", [averages, until_none])
def test_values_sent_to_a_generator(fn):
    x = np.array([1.0, 2.0, 3.0])
    compiled = tg.jit(fn)
    assert compiled(x) == compiled.interpret(x) == fn(x)
    tg.check_grads(fn, (x,))


def test_a_jitted_generator_is_called_from_python():
    """Between its pauses the caller's Python runs, so it is Python's own; what it calls is compiled. In traced code it is
    part of the program."""
    helper = tg.jit(lambda x: x * 2)

    @tg.jit
    def doubled(x, n):
        for i in range(n):
            yield helper(x) + i

    @tg.jit
    def endless(x):
        while True:
            x = helper(x)
            yield x

    assert list(doubled(1.0, 3)) == [2.0, 3.0, 4.0]
    assert next(doubled(np.float64(2.0), 5)) == 4.0
    pauses = endless(1.0)
    assert [next(pauses) for _ in range(4)] == [2.0, 4.0, 8.0, 16.0]
    assert tg.grad(lambda x: sum(doubled(x, 4)))(1.0) == 8.0
    with pytest.raises(tg.UnsupportedError, match="a generator cannot be returned"):
        tg.grad(doubled)(1.0, 2)
