"""Small programs as Numba's users write them: loops, containers, strings, array methods; compiled and evaluated as Python's."""

import numpy as np
import pytest

import tracegrad as tg

X = np.array([3., 1., 2., 5.])
M = np.arange(12.).reshape(3, 4)
I = np.array([3, 1, 2, 5, 1])
G = (1, 2.5, 3)
ARR = np.arange(4.)
CASES = []


def case(*args):
    def note(fn):
        CASES.append((fn, args))
        return fn
    return note


@case(X)
def reduction(x):
    s = 0.0
    for i in range(len(x)):
        s += x[i]
    return s


@case(M)
def ndindex(a):
    s = 0.0
    for i in np.ndindex(a.shape):
        s += a[i] * (i[0] + 1)
    return s


@case(M)
def rows(a):
    s = 0.0
    for row in a:
        for v in row:
            s += v
    return s


@case(M)
def flat(a):
    s = 0.0
    for v in a.flat:
        s += v
    return s


@case(X)
def global_tuple(x):
    return G[0] * x[0] + G[1]


@case(X)
def global_array(x):
    return x + ARR


@case(5)
def dict_of_known_keys(n):
    d = {}
    d['x'] = n
    d['y'] = 2 * n
    s = 0
    for k in d:
        s += d[k]
    for k, v in d.items():
        s += v * len(k)
    return (s, len(d), 'x' in d, d.get('z', 7))


@case(5)
def list_methods(n):
    l = [1, 2, 3]
    l.append(n)
    l.extend([7, 8])
    l.insert(0, 9)
    l.pop()
    l.remove(2)
    l.reverse()
    l.sort()
    return (l, l.index(3), l.count(1))


@case(5)
def set_methods(n):
    s = {1, 2, 3}
    s.add(n)
    s.discard(2)
    return (len(s), n in s, sum(s))


@case(6)
def nested_recursion(n):
    def fib(k):
        return k if k < 2 else fib(k - 1) + fib(k - 2)
    return fib(n)


@case('hello world')
def string_methods(s):
    return (s.upper(), s.split(' ')[1], s.find('o'), s[::-1], len(s), s.replace('l', 'L'), '-'.join(['a', 'b']), s * 2,
            s.count('l'), s.startswith('he'), s.isalpha(), s.title(), s.strip('h'), s.zfill(13), ord(s[0]), chr(65))


@case(X)
def array_methods(x):
    return (x.sum(), x.mean(), x.std(), x.var(), x.min(), x.max(), x.argmin(), x.argmax(), x.prod(), x.cumsum(),
            x.cumprod(), x.copy(), x.size, x.ndim, x.shape, x.any(), x.all(), x.ravel(), x.flatten(),
            x.astype(np.float32), x.nonzero())


@case(X)
def slices_and_stores(x):
    y = np.empty_like(x)
    y[:] = 0
    y[1:3] = x[:2]
    y[-1] = 9
    return (y, y[::-1], y[1:], y[:-1], y[::2])


@case(M)
def views(a):
    return (a.T, a[:, 1], a[1], a[0:2, 1:3], a.reshape(4, 3), a[..., 0], a[:, ::-1], a[None, 0], a.transpose(1, 0))


@case(X)
def comparisons(x):
    return (x > 2, (x > 2).sum(), x == x, x != 3, np.any(x > 4), np.all(x > 0), x[x > 2], np.where(x > 2, x, 0.0))


@case(3)
def assert_and_raise(n):
    assert n > 0, 'positive'
    if n > 10:
        raise ValueError('large')
    return n


@case(-3)
def assertion_that_fails(n):
    assert n > 0, 'positive'
    return n


@case(X)
def number_or_none(x):
    s = x[0] if len(x) else None
    return s


@case(X)
def for_else(x):
    for i in range(len(x) - 1, -1, -1):
        if x[i] < 2:
            break
    else:
        return -1
    return i


@case(10)
def collatz(n):
    while n > 1:
        if n % 2 == 0:
            n //= 2
        else:
            n = 3 * n + 1
    return n


@case(X, X[::-1].copy())
def products(a, b):
    return (np.dot(a, b), a @ b, np.outer(a, b), np.vdot(a, b), np.cross(a[:3], b[:3]))


@case(X)
def order(x):
    return (np.sort(x), np.argsort(x), np.unique(x), np.searchsorted(np.sort(x), 2.5), np.median(x), np.percentile(x, 30),
            np.diff(x), np.cumsum(x), np.histogram(x, 3), np.digitize(x, np.array([1.0, 3.0])),
            np.bincount(np.array([1, 1, 3])),
            np.interp(2.5, np.array([1.0, 3.0]), np.array([0.0, 1.0])), np.roll(x, 1), np.clip(x, 1.5, 3.0))


@case(X)
def construction(x):
    return (np.concatenate((x, x)), np.stack((x, x)), np.vstack((x, x)), np.hstack((x, x)), np.column_stack((x, x)),
            np.repeat(x, 2), np.append(x, 1.0), np.flip(x), np.array([x[0], x[1]]), np.zeros(3), np.ones((2, 2)),
            np.full(3, 2.0), np.eye(3), np.arange(5), np.linspace(0, 1, 5), np.identity(2), np.diag(x), np.tri(3),
            np.triu(np.ones((3, 3))))


@case(7, 2)
def integers(a, b):
    return (a // b, a % b, -a // b, -a % b, a / b, a ** b, a << b, a >> b, a & b, a | b, a ^ b, ~a, divmod(a, b), abs(-a),
            min(a, b), max(a, b), round(2.567, 2), int(3.7), float(a), bool(a), complex(a, b), pow(a, b))


@case(1 + 2j)
def complex_numbers(z):
    return (z.real, z.imag, abs(z), z.conjugate(), z * z, z ** 2, np.exp(z), np.angle(z))


@case(X)
def star_assignment(x):
    a, b, *c = x
    return a + b * c[0]


@case(X)
def inner_function(x):
    def inner(v, k=2.0):
        return v * k + x[0]
    return inner(x[1]) + inner(x[2], k=3.0)


@case(X, 1)
def function_that_is_made(x, axis):
    def make(k):
        return lambda v: v * k
    f = make(2.0)
    return f(x[axis])


@case(M)
def rows_of_sums(a):
    out = np.zeros(a.shape[0])
    for i in range(a.shape[0]):
        acc = 0.0
        for j in range(a.shape[1]):
            acc += a[i, j]
        out[i] = acc
    return out


@case(X)
def extremes(x):
    lo, hi = (np.inf, -np.inf)
    for v in x:
        lo = min(lo, v)
        hi = max(hi, v)
    return (lo, hi)


@case(I)
def list_of_run_time_length(x):
    l = [0]
    l.clear()
    for v in x:
        if v > 1:
            l.append(v)
    return (l, len(l), l[0], l[-1], sum(l))


@case(I)
def nested_lists(x):
    out = [[0] * 2 for _ in range(3)]
    out[1][0] = x[0]
    return out


@case(5)
def int32_array(n):
    a = np.zeros((n, n), dtype=np.int32)
    for i in range(n):
        for j in range(n):
            a[i, j] = i * j
    return a


@case(X)
def comprehensions(x):
    return ([v * 2 for v in x], [i for i in range(5) if i % 2], {k: k * k for k in range(3)}, (1, 2))


@case(X, X)
def enumerate_zip(x, y):
    for i, (a, b) in enumerate(zip(x, y), 1):
        if a * i > 5:
            return (i, a, b)
    return (0, 0.0, 0.0)


@case(X)
def index_error(x):
    try:
        return x[10]
    except IndexError:
        return -1.0


@case(X, 10)
def any_exception(x, i):
    try:
        return x[i]
    except Exception:
        return -1.0


@case(0)
def division_by_zero(n):
    try:
        return 1 / n
    except ZeroDivisionError:
        return -1.0


@case(np.array([True, False]))
def bools(b):
    return (b.sum(), ~b, b[0] and b[1], np.logical_and(b, True), np.count_nonzero(b))


@case(X)
def aliases(x):
    y = x
    y[0] = 7
    z = x[1:]
    z[0] = 8
    return (x, y is x)


@case(X)
def elementwise(x):
    return (np.sum(x, axis=0), np.mean(x), np.argmax(x), np.nan_to_num(x), np.isnan(x), np.sign(x), np.trunc(x),
            np.around(x, 1), np.floor_divide(x, 2), np.power(x, 2), np.maximum(x, 2), np.hypot(x, x), np.sinc(x),
            np.heaviside(x - 2, 0.5), np.deg2rad(x))


@case(M)
def reductions(a):
    return (a.sum(axis=0), a.sum(1), a.max(axis=1) if hasattr(a, 'max') else 0, np.argmax(a, axis=1), a.mean(axis=0),
            np.sum(a, axis=(0, 1)), np.min(a), np.ptp(a))


@case(M)
def shapes(a):
    return (np.broadcast_to(a[0], (2, 4)), np.expand_dims(a, 0).shape, np.squeeze(a[None]).shape, np.swapaxes(a, 0, 1),
            np.rot90(a), np.kron(a[:, :2], np.eye(2)), np.trace(a), np.ravel(a), np.atleast_2d(a[0]), np.array_equal(a,
            a), np.allclose(a, a + 1e-12), np.fliplr(a), np.meshgrid(a[0], a[1])[0], np.split(a[0], 2), np.take(a, 3),
            np.delete(a[0], 1), np.argwhere(a > 8), np.flatnonzero(a > 8), np.extract(a > 8, a), np.tril_indices(3),
            np.fill_diagonal)


@case(3)
def int_or_float(n):
    if n == 1:
        r = 1
    elif n == 3:
        r = 2.5
    else:
        r = 4
    return r


@case('abc', b'abc')
def strings_and_bytes(s, b):
    t = 0
    for c in s:
        t += ord(c)
    for c in b:
        t += c
    return (t, s == 'abc', s + 'd', s < 'b', b[0], len(b))


@case(X)
def while_true(x):
    i = 0
    while True:
        i += 1
        if x[i] < 2:
            continue
        if i >= 2:
            break
    return i


@case((1, 2.5), [1.0, 2.0], X)
def tuple_and_list_arguments(t, l, x):
    return (t[0] + t[1], l[0] + l[1], len(t), t + (3,), x[t[0]])


@case(None, 4)
def none_argument(a, b=2):
    if a is None:
        return b
    return a


@case(I)
def counts(x):
    c = np.zeros(6, np.int64)
    for v in x:
        c[v] += 1
    return c


@case(X)
def more_array_methods(x):
    x.sort()
    y = x.copy()
    y.fill(2.0)
    return (x, y, x.tolist(), x.item(0), x.take(np.array([0, 1])), x.repeat(2), x.dot(x), x.clip(1, 2), x.round(), x.argsort(),
            x.searchsorted(2.0), x.reshape((2, 2)), x.T, x.real, x.nbytes, x.strides, x.ptp() if hasattr(x, 'ptp') else 0,
            x.diagonal() if x.ndim > 1 else 0, x.trace() if x.ndim > 1 else 0)


@case(1.5, 2)
def truth(a, b):
    return (a == b, a != b, a < b <= 3, not a, a and b, a or b, a if a > b else b, a is None, (a, b) == (1.5, 2), (a, b) <
            (2, 1), [a] == [1.5])


def outcome(run, args):
    """(what comes back or is raised, what the arrays hold afterwards)"""
    mine = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    try:
        found = run(*mine)
    except Exception as error:
        found = next(c for c in type(error).__mro__ if c.__module__ == "builtins").__name__
    return found, [a for a in mine if isinstance(a, np.ndarray)]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("fn, args", CASES, ids=[fn.__name__ for fn, _ in CASES])
def test_as_python(fn, args):
    compiled, want = tg.jit(fn), outcome(fn, args)
    np.testing.assert_equal(outcome(compiled, args), want)
    np.testing.assert_equal(outcome(compiled.interpret, args), want)
