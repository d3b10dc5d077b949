"""Sets that are arguments: what the program asks of them and does to them, and what the caller's hold afterwards."""
from __future__ import annotations

import copy

import numpy as np
import pytest

import tracegrad as tg

X = np.array([0.5, 1.5, 2.25, -0.3, 3.1])
K = np.array([3, 1, 4, 1, 5, 9, 2, 6])


def asked(s, k):
    return k in s, len(s), sum(s), max(s), sorted(s), [-v for v in s], {2 * v for v in s}


def entered(s, a):
    new = 0
    for v in a:
        if int(v) not in s:
            new += 1
            s.add(int(v))
    return new


def removed(s, a):
    for v in a:
        s.discard(int(v))
    return s


def operators(a, b):
    return a | b, a & b, a - b, a ^ b, a <= b, a.isdisjoint(b), a > b


def changed_in_place(a, b):
    a |= b
    b -= {2}
    b.update([11])
    return a is b


def of_tuples(seen, n):
    todo, steps = [(0, 0)], 0
    while todo:
        i, j = todo.pop()
        steps += 1
        for other in ((i + 1, j), (i, j + 1)):
            if other[0] < n and other[1] < n and other not in seen:
                seen.add(other)
                todo.append(other)
    return steps


def of_texts(s, x):
    for v in x:
        s.add("above" if v > 1 else "below")
    return x[0] * 2 if "above" in s else x[0]


def of_known_texts(s, x):
    s.add("c")
    return x[0] * len(s)


def until_it_fails(s, x):
    for v in x:
        s.add(int(v) + 5)
        if v < 0:
            raise ValueError("negative")


def of_an_int(s, x):
    other = s.copy()
    s.add(7)
    s.remove(int(x[2]))
    other.add(int(x[1]))
    return s, other


def exchanged(pair, x):
    a, b = pair
    a, b = b, a
    a.add(int(x[1]))
    return a, b


CASES = [(asked, {1, 2, 3}, 2), (asked, {0.5, 2.0}, 2.0), (entered, {1, 2}, K), (entered, set(), K), (removed, {1, 2, 3, 4}, K),
         (operators, {1, 2}, {2, 3}), (operators, {2}, {2, 3}), (changed_in_place, {1, 2}, {2, 3}), (of_tuples, {(0, 0)}, 4),
         (of_texts, {"a"}, X), (of_known_texts, {"a", "b"}, X), (until_it_fails, {1}, X),
         (of_an_int, {2, 3}, X), (exchanged, ({1, 2}, {3}), X)]


@pytest.mark.parametrize(("f", "a", "b"), CASES, ids=[f"{f.__name__}-{k}" for k, (f, _, _) in enumerate(CASES)])
def test_as_python(f, a, b):
    outcomes = []
    for g in (f, tg.jit(f)):
        args = copy.deepcopy((a, b))
        try:
            found = g(*args)
        except ValueError as error:
            found = str(error).partition("\n")[0]
        outcomes.append((repr(found) if f is asked else found, args[0]))
    assert outcomes[0] == outcomes[1]


def test_members_are_numbers_of_run_time():
    f = tg.jit(lambda s, k: (k in s, sum(s)))
    assert [f({k, k + 5}, 3) for k in range(4)] == [(k == 3, 2 * k + 5) for k in range(4)]
    assert len(f.specializations) == 1


def test_derivatives():
    def f(s, x):
        return x ** 2 * sum(v * v for v in s)

    assert tg.grad(f, argnums=1)({1.5, 0.5}, 3.0) == 6.0 * 2.5
    members = {1.5, 0.5}
    assert tg.grad(f)(members, 3.0) == [18.0 * v for v in members]        # in its order: equal ones would be one in a set


def test_one_set_as_two_arguments_is_refused():
    s = {1}
    with pytest.raises(tg.ArgumentTypeError, match="comes twice"):
        tg.jit(lambda a, b: a.add(2))(s, s)
