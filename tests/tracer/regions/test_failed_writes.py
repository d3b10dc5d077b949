"""What the caller's arrays hold after a call that raised: what Python leaves in them, compiled and evaluated."""
import contextlib
import math

import numpy as np
import pytest

import tracegrad as tg


def branch(x, c):
    if c > 0:
        x[1] = 5
        raise ValueError("branch")
    return x.sum()


def two_branches(x, c):
    if c > 0:
        x[:] = 1.
        if c > 1:
            x[0] = 2
            raise ValueError("one")
        else:
            x[1] = 3
            raise KeyError("other")
    x[2] = 8
    return x.sum()


def loop(x, c):
    for i in range(len(x)):
        x[i] = 2 * x[i]
        if x[i] > c:
            x[0] = -1
            raise KeyError("loop")
    return x.sum()


def conditional_loop(x, c):
    while x[0] < c * 10:
        x[0] += 1
        if x[0] > 5:
            x[1] = 9
            raise ValueError("loop")
    return x.sum()


def views(x, c):
    x += 1
    y = x[int(c):]
    y[0] = 10
    y[1] = 12
    y[2] = 14
    return x.sum()


def nested(x, c):
    def helper(part):
        part[0] = 1
        if c > 1:
            raise ValueError
        part[1] = 2

    helper(x)
    helper(x[1:])
    return x.sum()


def handler(x, c):
    try:
        x[0] = 3
        if c > 1:
            raise ValueError
    except ValueError:
        x[1] = 4
        raise KeyError("again") from None
    finally:
        x[2] = 9
    return x.sum()


def domain(x, c):
    x[0] = 3
    x[1] = math.sqrt(c)
    x[2] = 1 / (c - 1)
    return x.sum()


def copied(x, c):
    y = x.copy()
    if c > 0:
        y[0] = 3
        x[:] = y
        raise ValueError(f"is {y[0]}")
    return x.sum()


def asserted(x, c):
    x[0] *= 2
    assert c < 1, "large"
    x[1] *= 2
    return x.sum()


def known_when_compiled(x, c):
    x[0] = c
    if len(x) > 3:
        raise ValueError("long")
    return x.sum()


def index_known_when_compiled(x, c):
    x[0] = c
    x[3] = 2
    return x.sum()


def traded(x, c):
    y = x[::-1].copy()
    for _ in range(3):
        x[:], y[:] = y.copy(), x.copy()
        x[0] += 1
        if x[0] > c + 3:
            raise RuntimeError("traded")
    return y.sum()


def recursive(x, c, k=0):
    x[k] += 1
    if x[k] > c + k:
        raise ValueError("deep")
    return 0 if k + 1 == len(x) else recursive(x, c, k + 1)


CASES = [branch, two_branches, loop, conditional_loop, views, nested, handler, domain, copied, asserted, known_when_compiled,
         index_known_when_compiled, traded, recursive]


def outcome(run, x, *args):
    """(the result or the exception, what the array holds afterwards)"""
    try:
        return run(x, *args), x
    except Exception as error:
        cls = next(c for c in type(error).__mro__ if c.__module__ == "builtins")
        return (cls, str(error).partition("\n")[0]), x


@pytest.mark.sweep(4)
@pytest.mark.parametrize("fn", CASES, ids=lambda f: f.__name__)
def test_what_was_written_before_a_raise_stays(fn):
    compiled = tg.jit(fn)
    for make in (lambda n: np.arange(n) + 0.5, lambda n: np.arange(2.0 * n)[::2] + 0.5, lambda n: np.arange(n, dtype="f4")):
        for n in (3, 5):
            for c in (-1., 0., 1., 2., 3.):
                want = outcome(fn, make(n), c)
                np.testing.assert_equal(outcome(compiled, make(n), c), want)
                np.testing.assert_equal(outcome(compiled.interpret, make(n), c), want)


def test_two_arrays_that_are_one_and_one_that_is_left_alone():
    def fn(x, y, z, c):
        x[0] = 7
        if c > z[0]:
            y[1] = 8
            z[1] = x[0] + y[1]
            raise ValueError("both")
        return x[0] + y[0]

    x, z, c = np.arange(3.), np.zeros(3), 1.0
    compiled = tg.jit(fn)
    for run in (compiled, compiled.interpret):
        a, b = x.copy(), z.copy()
        with pytest.raises(ValueError, match="both"):
            run(a, a, b, c)
        np.testing.assert_equal((a, b), ([7, 8, 2], [0, 15, 0]))
        assert run(a, a, b, -1.0) == 14


def test_derivatives_do_not_write():
    x = np.array([1.0, 2.0])

    def fn(x, c):
        x[0] = c * x[1]
        if c > 3:
            raise ValueError("large")
        return x[0] * x[1]

    np.testing.assert_allclose(tg.grad(fn, argnums=1)(x, 2.0), 4.0)
    with pytest.raises(ValueError, match="large"):
        tg.grad(fn, argnums=1)(x, 4.0)
    np.testing.assert_equal(x, [1, 2])


# --- objects, lists and dicts -------------------------------------------------------------------------------------------

class Account:
    def __init__(self, balance):
        self.balance, self.tries, self.log, self.seen = balance, 0, [], np.zeros(2)

    def withdraw(self, v):
        self.tries += 1
        self.seen = self.seen + v
        self.log.append(v)
        if v > self.balance:
            raise KeyError("too much", v)
        self.balance -= v
        return self.balance


def one(account, x):
    return account.withdraw(x[0])


def several(account, x):
    for v in x:
        account.withdraw(v)
    return account.tries


def divided(account, x):
    account.tries, account.log = 7, [x[0], 2]
    return account.balance / (x[0] - 1.0)


def outside(account, x):
    account.seen = x * 2
    account.balance = x[int(x[0])]
    return account.balance


def asserted(account, x):
    account.tries = 5
    assert x[0] < 2, f"{x[0]} of {account.balance}"
    account.tries = 6
    return x[0]


@pytest.mark.parametrize("program", [one, several, divided, outside, asserted], ids=lambda f: f.__name__)
def test_objects(program):
    f = tg.jit(program)
    for balance, x in ((5.0, [1.0, 2.0]), (5.0, [7.0, 1.0]), (2.5, [1.0, 2.0, 3.0]), (9.0, [1.0]), (9.0, [0.5, 3.0])):
        mine, theirs, said = Account(balance), Account(balance), []
        for g, account in ((f, mine), (program, theirs)):
            try:
                said.append(g(account, np.array(x)))
            except Exception as error:
                said.append((error.args[:1] if isinstance(error, KeyError) else (), isinstance(error, LookupError)))
        assert said[0] == said[1]
        assert (mine.balance, mine.tries, mine.log) == (theirs.balance, theirs.tries, theirs.log)
        assert (mine.seen == theirs.seen).all()


def growing(items, counts, x):
    for v in x:
        items.append(v)
        counts["n"] += 1
        counts["last"] = v
        if v < 0:
            raise ValueError(f"{v} at {counts['n']}")
    return len(items)


def at_a_position(items, counts, x):
    items[0] = 9.0
    items[int(x[0])] = 0.5
    counts["n"] = 4
    if x[0] > 1:
        raise ValueError
    return items[1]


@pytest.mark.parametrize("program", [growing, at_a_position], ids=lambda f: f.__name__)
def test_lists_and_dicts(program):
    f = tg.jit(program)
    for x in ([1.0, 2.0], [2.0, -1.0, 3.0], [0.0], [2.0]):
        mine, theirs = ([1.0, 2.0, 3.0], {"n": 0, "last": 0.5}), ([1.0, 2.0, 3.0], {"n": 0, "last": 0.5})
        for g, (items, counts) in ((f, mine), (program, theirs)):
            with contextlib.suppress(ValueError):
                g(items, counts, np.array(x))
        assert mine == theirs


def raised_before_an_append(items, x):
    for v in x:
        if v > 2:
            raise ValueError("large")
        items.append(v)


def outside_in_a_loop(items, x):
    for i in range(9):
        items[i] = x[i]


def sums_in_a_loop(items, x):
    account = items[0]
    for i in range(9):
        account.balance += x[i]
        account.tries += 1


def a_key_that_is_known_to_be_missing(items, x):
    items[0] = 4.0
    if x[0] > 0:
        items[1] = {"a": 1.0}["b"]


def an_int_after_appends(items, x):
    for v in x:
        if v > 1:
            items.append(v)
    items.append(items[int(x[-1])] + int(x[0]))


def changed_before_the_loop_only(items, x):
    items[0] = 3.0
    total = 0.0
    for i in range(9):
        total += x[i]
    return total


@pytest.mark.parametrize("program", [raised_before_an_append, outside_in_a_loop, sums_in_a_loop, an_int_after_appends,
                                     changed_before_the_loop_only, a_key_that_is_known_to_be_missing], ids=lambda f: f.__name__)
def test_in_loops_and_branches(program):
    f = tg.jit(program)
    for x in ([1.0, 1.5, 2.5, 0.5], [0.0, 1.0], [0.0] * 10, [1.5, 7.0], [1.5, np.inf]):
        outcomes = []
        for g in (f, program):
            items = [Account(1.0) if program is sums_in_a_loop else 1.0, 2.0]
            try:
                said = g(items, np.array(x))
            except Exception as error:
                said = isinstance(error, LookupError), isinstance(error, ValueError)
            outcomes.append((said, [(x.balance, x.tries) if isinstance(x, Account) else x for x in items]))
        assert outcomes[0] == outcomes[1]


def test_numbers_that_were_not_written_keep_their_type():
    def f(items, i):
        items[i] = 0.5

    for items in ([1, 2, -3], [True, 0.0, 2]):
        tg.jit(f)(items, 1)
        assert [type(x) for x in items] == [type(items[0]), float, int]


def divided(y, w):
    total = 0.0
    for k in range(30):
        w[k] = 3.0
        total += 1.0 / (y[0].item() - k)
    return total


def looked_up(y, w):
    k = 0
    while k < 30:
        w[k] = 3.0
        w[0] += y[k]
        k += 1


def to_and_fro(y, w):
    n, t = 0, 0.0
    while n < 30 and t < 900:
        w[n] = 3.0 + n
        t += w[29 - n]
        w[29 - n] = t
        t += 1.0 / (y[0].item() - n)
        n += 1
    return t


@pytest.mark.parametrize("f", [divided, looked_up, to_and_fro])
@pytest.mark.parametrize("y", [[0.0, 1.0], [2.0, 1.0, 0.5], [0.25] * 40, [17.0] * 9])
def test_what_an_iteration_writes_before_it_fails_stays(f, y):
    """The last iteration's, too: a check was made before the stores that come before it, as it does not read them."""
    outcomes = []
    for run in (f, tg.jit(f)):
        w = np.zeros(30)
        try:
            found = run(np.array(y), w)
        except (IndexError, ZeroDivisionError) as error:
            found = "outside" if isinstance(error, IndexError) else "divided by zero"
        outcomes.append((found, w.tolist()))
    assert outcomes[0] == outcomes[1]
