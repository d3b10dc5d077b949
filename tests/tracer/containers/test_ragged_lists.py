"""Lists of arrays: those of run-time length whose arrays differ in length, and long ones that a loop has filled."""
from __future__ import annotations

import numpy as np
import pytest

import tracegrad as tg

LABELS = np.array([0, 1, 0, 2, 2, 1, 1, 0, 4, 0, 3, 3])
VALUES = np.random.default_rng(0).normal(size=12)


def groups(v, labels):
    return [v[labels == k] for k in range(labels.max() + 1)]


def records(v, labels):
    found = []
    for k in range(labels.max() + 1):
        part = v[labels == k]
        if part.size > 1:
            found.append((k, part, part.mean()))
    return found


def read_while_growing(v, labels):
    held, total = [], 0.0
    for k in range(labels.max() + 1):
        held.append(v[labels == k])
        total += held[k // 2].sum() * 2 + held[-1].sum()
    return total


def halves(v, labels):
    """A stack of parts that are still to be divided."""
    todo, done = [v], []
    while todo:
        part = todo.pop()
        low = part <= np.median(part)
        if part.size <= 2 or low.all():
            done.append(part)
        else:
            todo.append(part[low])
            todo.append(part[~low])
    return done


def of_two_axes(v, labels):
    both = np.stack([v, v * v], 1)
    held = []
    for k in range(labels.max() + 1):
        held.append(both[labels == k])
    total = 0.0
    for part in held:
        total += (part[:, 0] * part[:, 1]).sum()
    return np.concatenate(held), np.vstack(held), total


def joined(v, labels):
    return np.concatenate([v[labels == k] * k for k in range(labels.max() + 1)])


def positions(v, labels):
    held = [np.flatnonzero(labels == k) for k in range(labels.max() + 1)]
    total = 0.0
    for k, part in enumerate(held):
        for i in part:
            total += v[i] * k
    return total, [len(part) for part in held], max(len(part) for part in held)


def changed(v, labels):
    held = [v[labels == k] for k in range(labels.max() + 1)]
    held[1] = v[:3]
    held[0] = held[2]
    held.insert(0, v[v > 100.0])
    first = held.pop(0)
    held.reverse()
    return held, len(held), first


def of_two_lengths(v, labels):
    held = []
    for k in labels:
        if k > 1:
            held.append(v[:3])
        else:
            held.append(v[:2])
    return held


def of_none(v, labels):
    held = [v[labels == k] for k in range(labels.min())]
    total = np.float64(0.0)
    for part in held:
        total += part.sum()
    return held, total


def split(v, labels):
    order = np.argsort(labels, kind="stable")
    ends = np.flatnonzero(np.diff(labels[order])) + 1
    return np.split(v[order], ends)


def overwritten_later(v, labels):
    held, own = [], v.copy()
    for k in range(labels.max() + 1):
        held.append(own[labels == k])
    own[:] = 0.0
    return held


PROGRAMS = (groups, records, read_while_growing, halves, of_two_axes, joined, positions, changed, of_two_lengths, of_none,
            split, overwritten_later)


@pytest.mark.parametrize("program", PROGRAMS)
def test_arrays_of_run_time_length(program):
    assert repr(tg.jit(program)(VALUES, LABELS)) == repr(program(VALUES, LABELS))


NUMBERS = {"growing": read_while_growing, "axes": lambda v, g: of_two_axes(v, g)[2],
           "joined": lambda v, g: (joined(v, g)**2).sum(), "positions": lambda v, g: positions(v, g)[0]**2}


@pytest.mark.parametrize("program", NUMBERS.values(), ids=NUMBERS)
def test_their_derivatives(program):
    h = 1e-6
    want = [(program(VALUES + h * e, LABELS) - program(VALUES - h * e, LABELS)) / (2 * h) for e in np.eye(12)]
    np.testing.assert_allclose(tg.grad(program)(VALUES, LABELS), want, rtol=1e-7, atol=1e-8)
    tangents = [tg.jvp(lambda v: program(v, LABELS), (VALUES,), (e,))[1] for e in np.eye(12)]
    np.testing.assert_allclose(tangents, want, rtol=1e-7, atol=1e-8)


def test_what_cannot_be_done_is_told():
    def doubled(v, labels):
        held = [v[labels == k] for k in range(labels.max() + 1)]
        for part in held:
            part *= 2.0
        return held

    with pytest.raises(tg.UnsupportedError, match=r"entry of a list .* cannot be overwritten"):
        tg.jit(doubled)(VALUES, LABELS)
    with pytest.raises(tg.UnsupportedError, match="join them"):
        tg.jit(lambda v, labels: np.array(groups(v, labels)))(VALUES, LABELS)
    with pytest.raises(ValueError, match="at least one array"):
        tg.jit(joined)(VALUES[:2], np.array([-1, -1]))


# --- long lists of arrays that a rolled loop has filled: their entries are the rows of one array --------------------------

def stored(x):
    held = [np.zeros(3) for _ in range(300)]
    for i in range(300):
        held[i][i % 3] += x[i]
        held[299 - i][:2] *= 2.0
    return held[0], held[299], sum(part.sum() for part in held)


def named(x):
    held = []
    for i in range(300):
        row = np.full(3, x[i])
        held.append(row)
    row[1] = 7.0
    tail = row[1:]
    held[x.argmax() - 1][0] = 5.0
    held[299][2] = 9.0
    for i in range(300):
        held[299 - i][1] += i
    return held[299], row, tail, held[0], sum(part.sum() for part in held)


def part_of_named(x):
    held = []
    for i in range(300):
        row = np.full(3, x[i])
        part = row[:2]
        held.append(part)
    for i in range(300):
        held[299 - i][1] += i * x[i]
    return row, part, sum(part.sum() for part in held)


def through_another_name(x):
    held = [np.full((2, 2), x[i]) for i in range(300)]
    for i in range(299):
        held[i + 1] += held[i] @ held[i] * 1e-3
        row = held[i]
        row[0] = row[1] * x[i]
    return held[298], sum(part.sum() for part in held)


@pytest.mark.parametrize("program", [stored, named, part_of_named, through_another_name])
def test_entries_of_long_lists_are_written_in_place(program):
    x = np.linspace(0.0, 1.0, 301)
    x[299] = 5.0
    assert repr(tg.jit(program)(x)) == repr(program(x))
    h, at = 1e-6, (0, 5, 150, 298, 299)
    slope = tg.grad(lambda x: program(x)[-1])(x)
    for k in at:
        e = np.eye(301)[k]
        assert slope[k] == pytest.approx((program(x + h * e)[-1] - program(x - h * e)[-1]) / (2 * h), rel=1e-6, abs=1e-7)


def test_a_loop_of_known_length_is_not_written_out_for_them():
    def near(x):
        held = []
        for i in range(len(x)):
            close = np.flatnonzero(np.abs(x - x[i]) < 0.2)
            held.append(close[close != i])
        total = 0.0
        for i, part in enumerate(held):
            for j in part:
                total += x[i] * x[j]
        return np.array([len(part) for part in held]), total

    x = np.random.default_rng(3).random(24)
    counts, total = tg.jit(near)(x)
    assert np.array_equal(counts, near(x)[0]) and total == pytest.approx(near(x)[1], rel=1e-14)
    assert len(tg.jit(near).lower(x).as_text().splitlines()) < 300


def test_a_list_of_numbers_that_a_branch_empties():
    def parts(x, ends):
        held, current = [], []
        for i in range(x.size):
            current.append(x[i])
            if ends[i]:
                held.append(np.array(current))
                current = []
        return held

    ends = LABELS == 0
    assert repr(tg.jit(parts)(VALUES, ends)) == repr(parts(VALUES, ends))
