"""Lists, dicts and sets of texts of which only run time knows which they hold."""
from collections import Counter

import numpy as np
import pytest

import tracegrad as tg

NAMES = ["x", "y", "z"]
VALUES = np.array([3.0, 1.0, 2.0])


def lookups(names, p):
    kept = [n for n, v in zip(names, p) if v > 1.5]
    return ("x" in kept, "y" in kept, "q" not in kept, kept.count("x"), kept.index("z"), kept == ["x", "z"], kept != ["x"],
            kept[0] < kept[1], kept[-1] + "!", len(kept), kept[-1] > "x")


def orders(names, p):
    kept = [n for n, v in zip(names, p) if v > 1.5]
    return sorted(kept), sorted(kept, reverse=True), kept[::-1], min(kept), max(kept)


def changes(names, p):
    kept = [n for n, v in zip(names, p) if v > 1.5]
    kept.remove("x")
    kept.insert(0, "w")
    kept.append("v")
    kept.sort()
    return kept.pop(), kept, kept + ["a"]


def records(names, p):
    rows = [(n, v) for n, v in zip(names, p) if v > 1.5]
    return (sorted(rows, key=lambda t: t[1]), max(rows, key=lambda t: t[1])[0], [n for n, v in rows if n == "z"],
            ("x", 3.0) in rows, ("x", 2.0) in rows)


def filtered(names, p):
    d = {n: v for n, v in zip(names, p) if v > 1.5}
    s = sum(v for k, v in d.items() if k == "x")
    ranked = dict(sorted(d.items(), key=lambda i: i[1]))
    return s, d, d.get("q", -1.0), d["z"], "y" in d, list(d), max(d, key=d.get), ranked, d.pop("x")


def sets(names, p):
    seen = set()
    for n, v in zip(names, p):
        if v > 1.5:
            seen.add(n)
    return seen, "x" in seen, "q" in seen, len(seen)


def counted(names, p):
    found = {"lo": 0, "hi": 0}
    for v in p:
        found["hi" if v > 1.5 else "lo"] += 1
    return found, Counter("hi" if v > 2.5 else "lo" for v in p)


def new_names(names, p):
    table = {1: "one", 2: "two", 3: "three"}
    return [table[int(v)] for v in p]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [lookups, orders, changes, records, filtered, sets, counted, new_names])
def test_as_python(f):
    got, want = tg.jit(f)(NAMES, VALUES.tolist()), f(NAMES, VALUES.tolist())
    assert repr(got) == repr(want) if f is not sets else got == want


def missing(names, p):
    return {n: v for n, v in zip(names, p) if v > 1.5}["y"]


def test_a_key_that_is_not_there():
    with pytest.raises(KeyError, match="y"):
        tg.jit(missing)(NAMES, VALUES)


def squares(names, p):
    d = {}
    for n, v in zip(names, p):
        if v > 1.5:
            d[n] = d.get(n, 0.0) + v * v
    return sum(d[k] for k in d)


def test_derivatives_of_values():
    assert tg.grad(squares, argnums=1)(NAMES, VALUES).tolist() == [6.0, 0.0, 4.0]


def test_tuples_are_looked_up_as_a_whole():
    def f(x):
        pairs = [(k, k + 1) for k in range(4) if x[k] > 0.0]
        return (1, 2) in pairs, (2, 2) in pairs, (0, 3) in pairs
    x = np.array([1.0, 2.0, -1.0, 3.0])
    assert tg.jit(f)(x) == f(x) == (True, False, False)
