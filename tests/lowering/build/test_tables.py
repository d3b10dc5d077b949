"""Hash tables: machine code equals the evaluator, and both find and iterate as Python's sets do."""
import math

import numpy as np
import pytest
from nest_check import build, check, for_
from tracegrad.ir.interp import run
from tracegrad.ir.ops.table import _Places
from tracegrad.ir.types import F64, I64

STEPS = 40
CHOICES = {
    "small": lambda rng: int(rng.integers(-6, 7)),
    "colliding": lambda rng: int(rng.integers(-5, 6)) * 2 ** int(rng.integers(0, 40)),
    "large": lambda rng: int(rng.choice([-2**63, 2**63 - 1, 2**61 - 1, 2**61, 1 - 2**61, -1, -2, 0, 2**62])),
    "floats": lambda rng: float(rng.choice([0.0, -0.0, 1.0, -1.0, 0.5, -2.0, math.inf, -math.inf, 1e300, 5e-324, 2.0**61])),
    "more floats": lambda rng: float(rng.normal() * 10.0 ** rng.integers(-320, 300)),
}


def program(rng, choice, n=STEPS):
    """Modes and keys: mostly entering."""
    modes = rng.choice(["enter", "enter", "enter", "remove", "find", "pop"], n)
    return [(str(m), CHOICES[choice](rng)) for m in modes]


def by_python(steps):
    held, out = {}, []                     # a dict key -> position, and a set that lives beside it
    order, entered = set(), 0
    for mode, key in steps:
        found = held.get(key, -1)
        if mode == "enter" and found < 0:
            found = held[key] = entered
            order.add(key)
            entered += 1
        elif mode == "remove" and found >= 0:
            del held[key]
            order.discard(key)
        elif mode == "pop":
            found = held.pop(order.pop()) if order else -1
        out.append(found)
    return out, [held[k] for k in order]


@pytest.mark.parametrize("choice", CHOICES)
def test_places_are_those_of_pythons_sets(choice):
    """The evaluator's tables, also copied and updated, iterate as sets do."""
    rng = np.random.default_rng(1)
    for n in [5, 40, 400]:
        for _ in range(20):
            held, places, number = set(), _Places(), {}
            for mode, key in program(rng, choice, n):
                if mode == "enter":
                    number.setdefault(places.enter(len(number), key), key)
                    held.add(key)
                elif mode == "pop" and held:
                    assert number[places.pop()] == held.pop()
                elif mode == "remove":
                    places.remove(key)
                    held.discard(key)
            assert [number[p[1]] for p in places.members()] == list(held)
            if rng.random() < 0.5:
                assert [number[p[1]] for p in places.replica().members()] == list(held.copy())


def _table(b, steps, dtype):
    key, t, found = "f" if dtype is F64 else "i", b("stack_new", dtype=I64), []
    count = b.index(0)
    for mode, x in steps:
        given = [count] if mode == "enter" else []
        t, position = b.emit("lookup", t, *given, *([] if mode == "pop" else [b.const(x, dtype)]), key=key, mode=mode)
        if mode == "enter":
            count = b("add", count, b("cast", b("eq", position, count), dtype=count.type.dtype))
        found.append(b.reshape(position, (1,)))
    return t, b("concat", *found, axis=0), key


@pytest.mark.parametrize("choice", CHOICES)
def test_lookups(choice):
    steps = program(np.random.default_rng(2), choice)
    expected, order = by_python(steps)

    def body(b):
        t, found, key = _table(b, steps, F64 if "floats" in choice else I64)
        t, u = b.emit("replica", t, key=key)
        t, members = b.emit("members", t, b.index(len(order)), key=key)
        u, copied = b.emit("members", u, b.index(len(order)), key=key)
        return [b("cast", x, dtype=I64) for x in (found, members, copied)]

    f = build([], body)
    assert [x.tolist() for x in run(f)][:2] == [expected, order]
    check(f)


@pytest.mark.parametrize("key", ["i", "f", "(ii)", "(if)", "(i)"])
@pytest.mark.parametrize("n", [0, 1, 4, 5, 300, 3000])
def test_a_loop_of_keys(n, key):
    """Rolled, through all sizes of tables, with tuples too."""
    kinds, rng = key.strip("()"), np.random.default_rng(n)
    xs = [rng.integers(-n, n + 1, n) * (rng.integers(0, 2, n) * 2**20 + 1) for _ in kinds]
    xs = [x * 0.25 if kind == "f" else x for x, kind in zip(xs, kinds)]

    def body(b, *xs):
        def step(i, t, total):
            keys = [b("slice", x, i, spec="i") for x in xs]
            t, position = b.emit("lookup", t, total, *keys, key=key, mode="enter")
            return t, b("add", total, b("cast", b("eq", position, total), dtype=total.type.dtype))
        t, count = for_(b, n, [b("stack_new", dtype=I64), b.index(0)], step)
        t, members = b.emit("members", t, count, key=key)
        return b("cast", members, dtype=I64), b("cast", count, dtype=I64)

    f = build([("f64" if kind == "f" else "i64", n) for kind in kinds], body)
    held, number = set(), {}
    for values in zip(*[x.tolist() for x in xs]):
        row = values if key.startswith("(") else values[0]
        number.setdefault(row, len(number))
        held.add(row)
    members, count = run(f, *xs)
    assert count == len(held) and members.tolist() == [number[k] for k in held]
    check(f, *xs)
